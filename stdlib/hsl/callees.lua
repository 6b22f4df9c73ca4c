-- What names of functions and classes mean in a file that is being resolved, and whether they are
-- called with as many arguments as they take. 'self' is the resolver: scope, functions, classes,
-- host, diag.
local access = require "hsl.access"
local foreign = require "hsl.foreign"
local unbuilt = require "hsl.unbuilt"

local callees = {}

-- What has the name already: functions of functions are apart from those of all, classes aren't.
local function first_of(self, statement, into)
  local name = statement.name
  local everybodys = into == self.functions or into == self.included_functions
  return into[name] or (everybodys or statement.t == "class") and
    (self.classes[name] or self.included_functions[name] or self.functions[name])
end

--- Functions and classes are there before the code that stands above them. 'path': the file that the
--- body is from, if it isn't the one that is compiled, and 'at' the statement that includes it.
function callees.hoist(self, body, into, path, at)
  for _, statement in ipairs(body) do
    local kind, name = statement.t, statement.name
    if kind == "function" or kind == "class" then
      local first = first_of(self, statement, into)
      local made = kind == "function" and statement.func or statement
      made.file = path
      if first then
        self.diag:error(at or statement, ("%s %s is defined twice"):format(kind, name),
          ("%s line %d%s"):format(first.file and "in " .. first.file or "first at", first.line,
            path and " and in " .. path or ""))
      elseif kind == "function" then
        into[name] = made
      else
        self.classes[name] = made
      end
    end
  end
end

--- A class has each of its variables and functions once.
function callees.check_members(self, class)
  local seen = {}
  for _, member in ipairs(class.members) do
    local name = member.constructor and "constructor" or member.name
    if seen[name] then
      self.diag:error(member, ("%s of class %s is defined twice"):format(name, class.name),
        "first at line " .. seen[name].line)
    end
    seen[name] = member
  end
end

--- The script's function of a name, and whether it stands in a function.
function callees.known(self, name)
  local scope = self.scope
  while scope do
    if scope.functions[name] then return scope.functions[name], true end
    scope = scope.outer
  end
  return self.functions[name], false
end

--- How many arguments a function takes at least and at most.
function callees.counts(func)
  local least, most = 0, 0
  for _, param in ipairs(func.params) do
    if param.rest then return least, math.huge end
    most = most + 1
    if not param.default then least = most end
  end
  return least, most
end

--- Whether how many arguments there are is known when it runs only.
function callees.unpacks(args)
  for _, arg in ipairs(args) do
    if arg.t == "spread" then return true end
  end
  return false
end

--- A call of a function whose parameters are known. With an unpacked array it is counted when it runs.
function callees.check_arity(self, node, func, name)
  local least, most = callees.counts(func)
  local given = #node.args
  if callees.unpacks(node.args) or given >= least and given <= most then return end
  local wanted = least == most and tostring(least) or
    most == math.huge and "at least " .. least or least .. " to " .. most
  self.diag:error(node, ("%s takes %s argument%s, %d given"):format(name, wanted,
    wanted == "1" and "" or "s", given))
end

-- ---- recursion -------------------------------------------------------------------------

--- The code at hand calls a function of the script: all functions around it do.
function callees.note_call(self, node, func)
  local scope = self.scope
  while scope do
    if scope.func then
      local calls = self.calls[scope.func] or {}
      self.calls[scope.func] = calls
      if #calls == 0 then self.callers[#self.callers + 1] = scope.func end
      calls[#calls + 1] = { node = node, func = func }
    end
    scope = scope.outer
  end
end

--- At level 2016 no function may lead to itself: warns of the calls that close a circle.
function callees.judge_recursion(self)
  local state = {}
  local function visit(func)
    state[func] = "open"
    for _, call in ipairs(self.calls[func] or {}) do
      if state[call.func] == "open" then
        self.diag:warn(call.node, "recursion isn't allowed at level 2016: " ..
          call.node.callee.name .. " leads here again", "it works here, within the limits")
      elseif not state[call.func] then
        visit(call.func)
      end
    end
    state[func] = "done"
  end
  for _, func in ipairs(self.callers) do
    if not state[func] then visit(func) end
  end
end

--- A function's name, called or not: the script's function, or nil if it isn't one. What nobody has
--- is told.
function callees.check_name(self, node, name)
  local func, is_local = callees.known(self, name)
  if func then
    node.nested, node.own = is_local, true
    return func
  end
  if self.host.builtins[name] or self.classes[name] then return nil end
  if unbuilt[name] then
    self.diag:error(node, name .. " isn't built in this version", unbuilt[name])
    return nil
  end
  self.diag:warn(node, "there is no function " .. name .. " here",
    foreign.names[name] and "write " .. foreign.names[name] or self.host.near(name))
end

local function check_own_static(self, node, class)
  access.check(self, class, node.name, node, false, self.class)
  local member = access.member(class, node.name)
  if not member or not member.static then
    self.diag:warn(node, ("class %s has no static %s%s"):format(class.name, node.variable and "$" or "",
      node.name))
  end
end

--- Class::name: of a script's class; of a builtin one it is the builtin "Class.name".
function callees.check_static(self, node)
  local class = node.base.name
  local known = self.classes[class]
  if node.base.t ~= "name" then
    self.diag:error(node, "there is no class of this name")
    return
  elseif class == "static" then
    known = self.class
    if not known then self.diag:error(node.base, "'static::' stands in classes") end
  end
  if known then check_own_static(self, node, known) end
  if known or class == "static" then return end
  local builtin, name = class .. "." .. node.name, class .. "::" .. node.name
  if self.host.builtins[builtin] then
    node.t, node.name, node.base, node.static = "builtin", builtin, nil, nil
  elseif unbuilt[class] then
    self.diag:error(node.base, class .. " isn't built in this version", unbuilt[class])
  elseif self.host.builtins[class] or self.host.classes[class] then
    self.diag:error(node.base, name .. " isn't built in this version", unbuilt[name])
  else
    self.diag:warn(node.base, "there is no class " .. class .. " here")
  end
end

--- The function whose arguments a class is called with.
function callees.constructor(class)
  for _, member in ipairs(class.members) do
    if member.constructor then return member.func end
  end
  return { params = {} }
end

return callees
