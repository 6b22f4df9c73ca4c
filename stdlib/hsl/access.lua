-- Who may use what of a class: what is private is for the class's own functions, what is readonly is
-- written by them only.
--
-- Private functions are kept from others when they run. Variables stand in their object, where
-- everybody finds them by name: these are looked at where the class is known while compiling.
local access = {}

local function strip(node)
  while node.t == "paren" do node = node.value end
  return node
end

--- The member of a class that has the name, or nil.
function access.member(class, name)
  for _, member in ipairs(class.members) do
    if member.name == name then return member end
  end
end

-- The class that a value is made by: Name(...)
local function made_by(self, node)
  node = strip(node)
  local callee = node.t == "call" and node.callee
  return callee and callee.t == "name" and not self.functions[callee.name] and
    self.classes[callee.name] or nil
end

-- The class of all that the variable is ever assigned.
local function class_of(self, var)
  if var.opaque then return nil end
  local class
  for _, value in ipairs(var.values) do
    if not value.element then
      local its = made_by(self, value)
      if not its or class and its ~= class then return nil end
      class = its
    end
  end
  return class
end

--- A use of a class's member in code that stands in the class 'inside', or in none.
function access.check(self, class, name, node, writes, inside)
  local member = inside ~= class and not node.refused and access.member(class, name)
  if not member then return end
  node.refused = member.private or writes
  if member.private then
    self.diag:error(node, ("%s is private in %s"):format(name, class.name))
  elseif member.readonly and writes then
    self.diag:error(node, ("%s is readonly in %s"):format(name, class.name))
  end
end

--- $x->name, $x["name"]: noted, for what $x is assigned isn't known yet.
function access.note(self, base, name, node, writes)
  base = strip(base)
  if base.t == "var" then
    self.accesses[#self.accesses + 1] = { var = base.var, name = name, node = node,
      writes = writes, inside = self.class }
  elseif made_by(self, base) then
    access.check(self, made_by(self, base), name, node, writes, self.class)
  end
end

--- All that was noted.
function access.judge(self)
  for _, use in ipairs(self.accesses) do
    local class = class_of(self, use.var)
    if class then access.check(self, class, use.name, use.node, use.writes, use.inside) end
  end
end

return access
