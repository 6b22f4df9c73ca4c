-- Code that reads and writes variables, elements, patterns. The functions become the emitter's.
local expressions = require "hsl.expressions"
local lua = require "hsl.lua_code"
local operators = require "hsl.operators"
local types = require "hsl.types"

local assignments = {}

local quote = lua.quote
local M = assignments      -- what the emitter takes over

-- ---- variables -----------------------------------------------------------------------

local taken = { E = true, B = true }

local function lua_name(name)
  if expressions.lua_words[name] or taken[name] or name:sub(1, 1) == "_" then
    return "_v" .. name
  end
  return name
end

-- Where a local variable lives, and its token.
local function place(var)
  if not var.place then var.place = lua_name(var.name) end
  return var.place
end

local function token(var)
  return var.spilled and var.place .. "_t" or "_t_" .. var.name
end

-- Only a variable that nobody else can see keeps an array to itself over statements.
local function owns(var)
  return var.kind == "local" and var.elements and not var.captured and not var.object
end

-- The table of a variable that isn't a local: the main code's, or that of the function around.
local function home_of(var)
  return var.pasted and var.scope.home or "_M"
end

function M:read(node)
  local var = node.var
  local quiet = node.quiet or var.absent
  if var.kind == "fact" then
    if quiet then return ("%s(_M, %s)"):format(self:use("peek"), quote(var.name)) end
    return ("%s(%s)"):format(self:use("fact"), quote(var.name))
  elseif var.kind == "global" then
    return ("%s(%s, %s)"):format(self:use(quiet and "peek" or "var"), home_of(var),
      quote(var.name))
  elseif node.quiet and var.unset then
    return ("%s(%s, %s)"):format(self:use(var.of_fact and "mine_quiet" or "quiet"), place(var),
      quote(var.name))
  elseif not node.quiet and (node.check or var.forgotten) then
    return ("%s(%s, %s)"):format(self:use(var.of_fact and "mine" or "get"), place(var),
      quote(var.name))
  elseif var.low then
    return "(" .. place(var) .. " + 0.0)"
  end
  return place(var)
end

--- A variable that counts, as the integer that it is.
function M:counter(var) return place(var) end

-- Assigns code to a variable; with 'as_value' the variable's code is needed afterwards.
function M:store(var, code)
  if var.kind == "local" then
    self:add(("%s = %s;"):format(place(var), code))
    if owns(var) then self:add(token(var) .. " = nil;") end
  else
    self:add(("%s(%s, %s, %s);"):format(self:use(self.in_function and not var.pasted and "let" or "put"),
      home_of(var), quote(var.name), code))
  end
end

-- ---- elements --------------------------------------------------------------------------

local function is_slice(target) return target.t == "slice" end

local function path_of(target)
  local path = {}
  while target.t == "index" or target.t == "prop" do
    if target.static then break end
    table.insert(path, 1, target)
    target = target.base
  end
  return target, path
end

-- Whether the value (or a key) of an element may itself change the array: then it is computed
-- before the array is taken, or the change would be lost.
local function changes_array(target, value)
  local root, path = path_of(is_slice(target) and target.base or target)
  if root.t ~= "var" then return false end
  if operators.changes(value, root.var) then return true end
  for _, step in ipairs(path) do
    if step.key and operators.changes(step.key, root.var) then return true end
  end
  return false
end

-- Keys as code; what isn't a literal is kept when it is needed twice.
local function path_codes(self, path, twice)
  local codes = {}
  for i, step in ipairs(path) do
    if step.t == "prop" then
      codes[i] = quote(step.name)
    elseif step.append then
      codes[i] = self:use("end")
    elseif twice and not lua.is_literal(step.key) then
      local temp = self:temp()
      self:add(("local %s = %s;"):format(temp, lua.argument(self, step.key)))
      codes[i] = temp
    else
      codes[i] = expressions.key(self, step.key)
    end
  end
  return codes
end

-- Code that gives the array (and its token) with the element written.
local function written(self, container, own, codes, value)
  if #codes == 1 then
    if codes[1] == "_end" then
      return ("%s(%s, %s, %s)"):format(self:use("push"), container, own, value)
    end
    return ("%s(%s, %s, %s, %s)"):format(self:use("set"), container, own, codes[1], value)
  end
  return ("%s(%s, %s, %s, %s)"):format(self:use("set_path"), container, own, value,
    table.concat(codes, ", "))
end

-- Class::$name = value
local function write_static(self, target, value)
  local class = target.base.name == "static" and self.class or target.base.name
  self:add(("%s(%s, %s, %s);"):format(self:use("set_static"), expressions.function_name(class),
    quote(target.name), value))
end

-- Writes 'value' to the element of a variable that codes lead to.
local function write_element_of(self, var, codes, value)
  if var.kind == "local" and var.of_fact and var.unset then
    self:store(var, self:read { var = var, quiet = true })
  end
  if var.kind == "fact" then
    self:add(("%s(%s, %s, %s);"):format(self:use("set_fact"), quote(var.name), value,
      table.concat(codes, ", ")))
  elseif var.kind == "global" then
    self:add(("%s(%s, %s, %s, %s);"):format(self:use("set_shared"), home_of(var), quote(var.name), value,
      table.concat(codes, ", ")))
  elseif owns(var) and self.keeps then
    self:add(("%s, %s = %s;"):format(place(var), token(var),
      written(self, place(var), token(var), codes, value)))
  else
    self:add(("%s = %s;"):format(place(var), written(self, place(var), "nil", codes, value)))
    if owns(var) then self:add(token(var) .. " = nil;") end
  end
end

-- The same from any root: what isn't a variable is an object, or a call's array that nobody keeps.
local function write_element(self, root, codes, value)
  if root.t == "var" then
    write_element_of(self, root.var, codes, value)
  elseif root.static then
    write_static(self, root, "(" .. written(self, lua.argument(self, root), "nil", codes, value) .. ")")
  else
    self:add(("%s(%s, nil, %s, %s);"):format(self:use("set_path"),
      lua.argument(self, root), value, table.concat(codes, ", ")))
  end
end

-- Keeps code in a temporary unless it is a name or a literal already.
local function kept(self, code, node)
  if node and lua.is_literal(node) then return code end
  local temp = self:temp()
  self:add(("local %s = %s;"):format(temp, code))
  return temp
end

-- A root that is read and written: what is no variable is evaluated once.
local function fixed(self, root)
  if root.t == "var" or root.static then return root end
  return { t = "kept", code = kept(self, lua.argument(self, root)) }
end

-- The value that codes lead to, none where something is missing.
local function read_element(self, root, codes)
  if root.t == "var" then root = setmetatable({ quiet = true }, { __index = root }) end
  local code = lua.argument(self, root)
  for _, key in ipairs(codes) do
    code = ("%s(%s, %s)"):format(self:use("index"), code, key)
  end
  return code
end

-- A slice of an array whose keys and bounds are evaluated once: the array, the bounds, and what writes
-- the array back.
local function slice_parts(self, target)
  local function part(n)
    if not n then return "nil" end
    return kept(self, lua.argument(self, n), n)
  end
  local root, path = path_of(target.base)
  root = fixed(self, root)
  local codes = path_codes(self, path, true)
  local current = kept(self, read_element(self, root, codes))
  local bounds = part(target.from) .. ", " .. part(target.to)
  return current, bounds, function(code)
    if #codes > 0 then
      write_element(self, root, codes, code)
    elseif root.static then
      write_static(self, root, code)
    elseif root.t == "var" and root.var.kind ~= "fact" then
      self:store(root.var, code)
    end
  end
end

-- With a value, or without what is there of the slice.
local function write_slice(self, target, value)
  local current, bounds, write = slice_parts(self, target)
  if not value then self:add(("if %s ~= nil then"):format(current)) end
  write(("%s(%s, %s, %s)"):format(self:use("set_slice"), current, bounds,
    value or self:use("list") .. "()"))
  if not value then self:add("end") end
end

-- Assigns code to any target.
local function write_target(self, target, value)
  if target.t == "var" then
    if target.var.kind == "fact" then
      self:add(("%s(%s, %s);"):format(self:use("set_fact"), quote(target.var.name), value))
    else
      self:store(target.var, value)
    end
  elseif is_slice(target) then
    write_slice(self, target, value)
  elseif target.static then
    write_static(self, target, value)
  else
    local root, path = path_of(target)
    local risky = root.t == "var" and changes_array(target, root)
    write_element(self, root, path_codes(self, path, risky), value)
  end
end

local function write_pattern(self, pattern, value)
  local rest_from = 0
  for i, item in ipairs(pattern.targets) do
    local code
    if item.spread then
      code = ("%s(%s, %d)"):format(self:use("rest"), value, rest_from)
    else
      local key = item.key and expressions.key(self, item.key) or tostring(i - 1)
      code = ("%s(%s, %s)"):format(self:use("at"), value, key)
      rest_from = i
    end
    if item.default or item.target.t == "pattern" then
      local temp = self:temp()
      self:add(("local %s = %s;"):format(temp, code))
      if item.default then
        self:add(("if %s == nil then %s = %s end"):format(temp, temp,
          lua.argument(self, item.default)))
      end
      code = temp
    end
    if item.target.t == "pattern" then
      write_pattern(self, item.target, code)
    else
      write_target(self, item.target, code)
    end
  end
end

-- A variable keeps its array to itself only over statements that are assignments: inside of an
-- expression its value may go somewhere else before or after.
local function keeping(self, keeps, write)
  local outer = self.keeps
  self.keeps = keeps
  write()
  self.keeps = outer
end

-- ---- assignments --------------------------------------------------------------------------

local one = { t = "num", value = 1.0 }

-- What a target has, and what writes it: keys, bounds and calls are evaluated once.
local function read_and_write(self, target)
  if target.t == "var" or target.static then
    return lua.argument(self, target), function(code) write_target(self, target, code) end
  elseif is_slice(target) then
    local current, bounds, write = slice_parts(self, target)
    return ("%s(%s, %s)"):format(self:use("slice"), current, bounds), function(code)
      write(("%s(%s, %s, %s)"):format(self:use("set_slice"), current, bounds, code))
    end
  end
  local root, path = path_of(target)
  root = fixed(self, root)
  local codes = path_codes(self, path, true)
  return read_element(self, root, codes), function(code) write_element(self, root, codes, code) end
end

-- 'as_value': "new" or "old", the value that is needed afterwards, or nil.
local function compound(self, node, as_value, op, operand_code, operand_node)
  local target = node.target
  if target.t == "var" and target.var.low then
    local old = as_value == "old" and kept(self, self:read(target))
    self:store(target.var, ("%s %s %d"):format(place(target.var), op, operand_node.value))
    return old or self:read(target)
  end
  if target.t == "var" and target.var.kind == "local" then
    local type = types.of(target)
    local old = as_value == "old" and kept(self, self:read(target))
    local code = operators.apply(self, op, self:read(target),
      operand_code(type == "number" or type == "string" and op == "."),
      type == "string" and operators.is_text(operand_node))
    self:store(target.var, code)
    return old or place(target.var)
  end
  local current, write = read_and_write(self, target)
  local old = as_value == "old" and kept(self, current)
  current = old or current
  if operand_node == one and (target.t == "index" or target.t == "prop") and not target.static then
    current = "(" .. current .. " or 0.0)"          -- an element's counting begins at 0
  end
  local code = operators.apply(self, op, current, operand_code())
  if as_value == "new" or target.static or is_slice(target) or changes_array(target, operand_node) then
    code = kept(self, code)
  end
  keeping(self, not as_value, function() write(code) end)
  return old or code
end

-- $x ??= value
local function assign_default(self, node, as_value)
  local target = node.target
  local current, write = read_and_write(self, target)
  local temp = self:temp()
  self:add(("local %s = %s; if %s == nil then %s = %s;"):format(temp, current, temp, temp,
    lua.argument(self, node.value)))
  local is_fact = target.t == "var" and target.var.of_fact    -- what was the fact is a variable now
  if is_fact then self:add("end") end
  keeping(self, not as_value, function() write(temp) end)
  if not is_fact then self:add("end") end
  return as_value and temp
end

--- Emits the statements of an assignment; the code of its value where that is wanted.
function M:assign(node, before, as_value)
  local target = node.target
  if node.op == "??=" then return assign_default(self, node, as_value) end
  if node.op ~= "=" then
    return compound(self, node, as_value and "new", node.op:sub(1, -2), function(any)
      if any then return lua.number(self, node.value, nil, 0) end   -- an integer will do
      return lua.argument(self, node.value)
    end, node.value)
  end
  if target.t == "var" and target.var.low then
    self:store(target.var, (lua.whole(self, node.value, before)))
    return self:read(target)
  elseif target.t == "var" and target.var.kind == "local" then
    self:choose(node.value, before, function(code) self:store(target.var, code) end)
    return place(target.var)
  end
  local value = lua.argument(self, node.value, before)
  if target.t == "pattern" then
    value = kept(self, value)
    write_pattern(self, target, value)
    return value
  end
  if as_value or changes_array(target, node.value) then value = kept(self, value, node.value) end
  keeping(self, not as_value, function() write_target(self, target, value) end)
  return value
end

--- ++ and --; the value is the old one unless the operator stands in front.
function M:step(node, _, as_value)
  return compound(self, node, as_value and (node.prefix and "new" or "old"),
    node.op == "++" and "+" or "-", function() return "1.0" end, one)
end

--- Emits 'write(code)' for a value; a choice between values becomes an if.
function M:choose(node, before, write)
  local inner = lua.strip(node)
  if inner.t == "ternary" and inner.a then
    self:add("if " .. operators.condition(self, inner.c, before) .. " then")
    self:choose(inner.a, { clean = true }, write)
    self:add("else")
    self:choose(inner.b, { clean = true }, write)
    self:add("end")
  else
    write(lua.argument(self, node, before))
  end
end

assignments.lua_name = lua_name
assignments.place = place
assignments.home_of = home_of
assignments.token = token
assignments.owns = owns
assignments.path_of = path_of
assignments.path_codes = path_codes
assignments.is_slice = is_slice
assignments.write_element = write_element
assignments.write_slice = write_slice
assignments.write_target = write_target
assignments.write_pattern = write_pattern

return assignments
