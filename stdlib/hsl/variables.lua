-- Variables of a file that is being resolved: whose they are, how they are used, and which are
-- surely assigned where they are read. resolver.lua walks the tree and asks here.
--
-- A variable's record:
--   name, kind: "local" | "global" (in the main scope's table) | "fact"
--   assigned, read: whether it ever is;  unset: it may be read while it isn't assigned
--   captured: a closure sees it;  object: the $this of a class's function;  elements: $x[..] = is
--   a statement somewhere;  nested: with several keys;  values: what is assigned, for its type;
--   opaque: other things are, too;
--   pasted: a function's "global", which a file included in the function shares;
--   absent: the $error of 2016, a fact that is never set: reading it gives none
--   of_fact: main code's, which is the fact of its name until it is assigned;
--   forgotten: unset() somewhere, so that every read has to look
--
-- 'self' is the resolver: scope, frame, clears, host, diag.
local variables = {}

-- ---- scopes ---------------------------------------------------------------------

--- A function's scope, in the one that is open; the main code's has no 'func'. 'pasted', set later:
--- names of variables in files that the function includes.
function variables.scope(self, func)
  return { func = func, outer = self.scope, vars = {}, order = {}, functions = {},
    count = 0 }
end

--- A name's record in the open scope, which is made if there is none.
function variables.declare(self, name, kind, at)
  local scope = self.scope
  local var = scope.vars[name]
  if var then return var end
  local pasted = kind == "local" and scope.pasted and scope.pasted[name]
  if pasted then kind = "global" end
  var = { name = name, kind = kind, values = {}, line = at.line, col = at.col, scope = scope,
    pasted = pasted, absent = kind ~= "local" and name == "error" and self.diag.level == 2016 }
  scope.vars[name] = var
  scope.order[#scope.order + 1] = var
  return var
end

--- The variable that a name is here. Those of the main code that functions import, or that included
--- files share, live in a table; the others are Lua's locals. What nobody assigns is a fact.
function variables.find(self, name, at)
  local scope = self.scope
  local var = scope.vars[name]
  if var then return var end
  if scope.func then return variables.declare(self, name, "local", at) end
  if self.shared[name] or self.role then return variables.declare(self, name, "global", at) end
  local assigns = self.main_assigns[name]
  local of_fact = self.host.facts[name]
  local is_fact = not assigns or assigns == "elements" and of_fact   -- $context
  var = variables.declare(self, name, is_fact and "fact" or "local", at)
  var.of_fact = of_fact
  return var
end

-- Today's tables of facts. ("message" is one in the queue only: scripts use the word elsewhere.)
local tables = { connection = true, transaction = true, arguments = true, message = true }

function variables.is_of_phase(self, name)
  return self.host.facts[name] or tables[name] or false
end

-- ---- what is surely assigned -------------------------------------------------------

-- Frames follow the nesting of statements: a branch has its own, what all branches assign
-- goes to the one around them.

--- Whether it is assigned on every way that leads here.
function variables.is_assigned(self, var)
  local frame = self.frame
  while frame do
    if frame[var] then return true end
    frame = frame.outer
  end
  return false
end

--- Walks what may not be run at all; gives its frame.
function variables.branch(self, walk)
  local outer = self.frame
  local frame = { outer = outer }
  self.frame = frame
  walk()
  self.frame = outer
  return frame
end

--- What all of the frames assign is assigned: one of them was run.
function variables.join(self, frames)
  local least
  for _, frame in ipairs(frames) do
    if not frame.dead then
      if not least then
        least = {}
        for var in pairs(frame) do
          if type(var) == "table" and var.values then least[#least + 1] = var end
        end
      else
        local kept = {}
        for _, var in ipairs(least) do
          if frame[var] then kept[#kept + 1] = var end
        end
        least = kept
      end
    end
  end
  if not least then
    self.frame.dead = true
  else
    for _, var in ipairs(least) do self.frame[var] = true end
  end
end

-- ---- variables in expressions -----------------------------------------------------------

--- How a value is used: "look" (nothing of it is kept), "part" (elements of it may be), "value"
-- (it may itself).
function variables.note_use(self, var, use)
  if use == "look" or not self.clears then return end
  self.clears[#self.clears + 1] = { var = var, part = use == "part" }
end

function variables.read(self, node, use)
  local var = variables.find(self, node.name, node)
  node.var = var
  var.read = true
  if var.kind == "local" and not variables.is_assigned(self, var) then
    node.check = true
    var.unset = true
    -- What a closure shares may be assigned before it is called.
    var.unsure = var.unsure or not var.of_fact and var.scope == self.scope and node
  end
  variables.note_use(self, var, use)
end

function variables.assign(self, node, value)
  local var = variables.find(self, node.name, node)
  node.var = var
  var.assigned = true
  if value then var.values[#var.values + 1] = value else var.opaque = true end
  self.frame[var] = true
end

--- Warns of what is odd about a variable, once everything is known of it.
function variables.judge(self, var)
  if var.kind ~= "local" then return end
  if not var.assigned then
    local hint = variables.is_of_phase(self, var.name) and
      "functions see facts by: global $" .. var.name .. ";" or nil
    self.diag:warn(var, "$" .. var.name .. " is never assigned", hint)
  elseif not var.read and not var.param and var.name:sub(1, 1) ~= "_" then
    self.diag:warn(var, "$" .. var.name .. " is assigned and never used")
  elseif var.unsure then
    self.diag:warn(var.unsure, "$" .. var.name .. " may not be assigned here")
  end
end

return variables
