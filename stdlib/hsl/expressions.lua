-- Lua code of HSL's expressions but for their operators (lua_code.lua says how code is given).
local callees = require "hsl.callees"
local lua = require "hsl.lua_code"
local operators = require "hsl.operators"
local types = require "hsl.types"

local expressions = {}

local AND, OR, COMPARE, UNARY, ATOM = lua.AND, lua.OR, lua.COMPARE, lua.UNARY, lua.ATOM
local MAX_LIST = lua.MAX_LIST
local by_node, E = lua.by_node, lua.of
local argument, operand, whole = lua.argument, lua.operand, lua.whole
local dirty, is_pure, is_whole = lua.dirty, lua.is_pure, lua.is_whole
local literal, quote, strip, wrapped = lua.literal, lua.quote, lua.strip, lua.wrapped
local condition = operators.condition

-- ---- values -------------------------------------------------------------------------

function by_node.num(_, node)
  local code = literal(node.value)
  return code, ATOM
end

function by_node.str(_, node) return quote(node.value), ATOM end

function by_node.const(_, node)
  return node.value == nil and "nil" or tostring(node.value), ATOM
end

function by_node.regex(_, node) return quote(node.value), ATOM end

function by_node.var(self, node, before)
  dirty(before)
  return self:read(node), ATOM
end

-- What assignments.lua has evaluated.
function by_node.kept(_, node) return node.code, ATOM end

function by_node.paren(self, node, before) return E(self, node.value, before) end

-- ---- choices ------------------------------------------------------------------------------

-- Values that Lua takes for true.
local function is_solid(node)
  local type = types.of(node)
  return type == "number" or type == "string" or type == "array" or
    strip(node).t == "const" and strip(node).value == true or strip(node).t == "func"
end

-- Code that is called at once; for what Lua has statements only.
local function at_once(self, write)
  self:push()
  write()
  return "(function() " .. self:pop() .. " end)()", ATOM
end
expressions.at_once = at_once

-- 'value', and another one if the test fails: statements before the expression where nothing was
-- evaluated yet. 'test' has the value's name in it.
local function with_other(self, value, test, other, before)
  if before then
    local temp = self:temp()
    self:add(("local %s = %s; if %s then"):format(temp, value, test:gsub("_1", temp)))
    self:choose(other, { clean = true }, function(code) self:add(temp .. " = " .. code) end)
    self:add("end")
    return temp, ATOM
  end
  return at_once(self, function()
    self:add(("local _1 = %s; if not (%s) then return _1 end return %s"):format(value, test,
      argument(self, other)))
  end)
end

local function is_first(before) return before and before.clean and before or nil end

local function one_of(self, c, node, before)
  if before then
    local temp = self:temp()
    local function write(code) self:add(temp .. " = " .. code) end
    self:add(("local %s; if %s then"):format(temp, c))
    self:choose(node.a, { clean = true }, write)
    self:add("else")
    self:choose(node.b, { clean = true }, write)
    self:add("end")
    return temp, ATOM
  end
  return at_once(self, function()
    self:add(("if %s then return %s end return %s"):format(c, argument(self, node.a),
      argument(self, node.b)))
  end)
end

function by_node.ternary(self, node, before)
  if not node.a then return expressions.elvis(self, node, before) end
  local first = is_first(before)
  local c, lc = condition(self, node.c, before)
  if is_solid(node.a) then
    return ("%s and %s or %s"):format(wrapped(c, lc, AND), operand(self, node.a, nil, AND + 1),
      operand(self, node.b, nil, OR + 1)), OR
  elseif is_solid(node.b) then
    return ("not %s and %s or %s"):format(wrapped(c, lc, UNARY), operand(self, node.b, nil, AND + 1),
      operand(self, node.a, nil, OR + 1)), OR
  elseif not first and is_pure(node.a) and is_pure(node.b) then
    return ("%s(%s, %s, %s)"):format(self:use("pick"), c, E(self, node.a), E(self, node.b)), ATOM
  end
  return one_of(self, c, node, first)
end

function expressions.elvis(self, node, before)
  local first = is_first(before)
  local c = argument(self, node.c, before)
  if not first and is_pure(node.b) then
    return ("%s(%s, %s)"):format(self:use("elvis"), c, E(self, node.b)), ATOM
  end
  return with_other(self, c, "not " .. self:use("truth") .. "(_1)", node.b, first)
end

function by_node.coalesce(self, node, before)
  local first = is_first(before)
  local a = argument(self, node.a, before)
  if not first and is_pure(node.b) then
    return ("%s(%s, %s)"):format(self:use("default"), a, E(self, node.b)), ATOM
  end
  return with_other(self, a, "_1 == nil", node.b, first)
end

-- What keys lead to: it may lie in what has no elements, which isn't there then.
local function has_element(self, target)
  local codes = {}
  while (target.t == "index" or target.t == "prop") and not target.static do
    local name = target.name
    if name and self.private[name] then break end
    table.insert(codes, 1, name and quote(name) or expressions.key(self, target.key))
    target = target.base
  end
  if #codes == 0 or #codes == 1 and types.of(target) == "array" then return nil end
  return ("%s(%s, %s)"):format(self:use("has"), argument(self, target), table.concat(codes, ", "))
end

function by_node.isset(self, node)
  local codes = {}
  for i, target in ipairs(node.targets) do
    codes[i] = has_element(self, target) or operand(self, target, nil, COMPARE + 1) .. " ~= nil"
  end
  return table.concat(codes, " and "), #codes > 1 and AND or COMPARE
end

function by_node.match(self, node, before)
  local subject = argument(self, node.subject, before)
  return at_once(self, function()
    self:add("local _1 = " .. subject .. ";")
    local default
    for _, arm in ipairs(node.arms) do
      if arm.default then
        default = arm
      else
        local tests = {}
        for i, value in ipairs(arm.values) do
          tests[i] = ("%s(_1, %s)"):format(self:use("same"), argument(self, value))
        end
        self:add(("if %s then return %s end"):format(table.concat(tests, " or "),
          argument(self, arm.value)))
      end
    end
    if default then
      self:add("return " .. argument(self, default.value))
    else
      self:add("return " .. self:use("unmatched") .. "(_1)")
    end
  end)
end

-- ---- arrays ----------------------------------------------------------------------------------

-- Values, or keys and values: "behind the last" and "all of this array" are keys too.
local function element_codes(self, items, keyed, before)
  local codes = {}
  for _, item in ipairs(items) do
    if keyed then
      codes[#codes + 1] = item.spread and self:use("spread") or
        item.key and argument(self, item.key, before) or self:use("end")
    end
    local value = self:mark(item) .. argument(self, item.value, before)
    codes[#codes + 1] = item.spread and ("%s(%s)"):format(self:use("spreads"), value) or value
  end
  return codes
end

local function make_array(self, items, keyed, before)
  local codes = element_codes(self, items, keyed, before)
  local maker = keyed and "map" or "list"
  if #codes <= MAX_LIST then
    return self:use(maker) .. "(" .. table.concat(codes, ", ") .. ")", ATOM
  end
  return ("%s({%s}, %d)"):format(self:use("long_" .. maker), table.concat(codes, ", "), #codes), ATOM
end

function by_node.array(self, node, before)
  return make_array(self, node.items, node.keyed or node.spread, before)
end

-- "12" and 12 are the same key; so are 1.9 and 1. Other texts of digits are left to the engine.
local function key_literal(node)
  node = strip(node)
  if node.t == "num" and node.value >= 0 and node.value < 2 ^ 31 then
    return math.floor(node.value)
  elseif node.t == "str" then
    if not node.value:find("^-?%d+$") then return node.value end
    local n = node.value:match("^0$") or node.value:match("^-?[1-9]%d?%d?%d?%d?%d?%d?%d?%d?$")
    return n and math.tointeger(tonumber(n)) or nil
  end
end

-- What a text has under its name in Lua: HSL's texts have no such elements.
local of_strings = {}
for name in ([[byte char dump find format gmatch gsub len lower match pack packsize rep reverse
  sub unpack upper]]):gmatch("%S+") do of_strings[name] = true end

--- The code of a key: a literal one is made a key while compiling.
function expressions.key(self, node, before)
  local key = key_literal(node)
  if math.type(key) == "integer" then return tostring(key) end
  if is_whole(node) then return (whole(self, node, before)) end
  return argument(self, node, before)
end

-- An array's element needs no call where the base can't be a text, or the key is a name: what is
-- no array has no such element, and none has none.
local function element(self, base, key, pure, is_array)
  if type(key) == "string" and not of_strings[key] then
    return ("(%s or %s)[%s]"):format(base, self:use("nothing"), quote(key))
  elseif math.type(key) == "integer" then
    if is_array then return ("(%s or %s)[%d]"):format(base, self:use("nothing"), key) end
    if pure then
      return ("((%s or %s)[%d] or %s(%s, %d))"):format(base, self:use("nothing"), key,
        self:use("index"), base, key)
    end
  end
end

function by_node.index(self, node, before)
  local base = argument(self, node.base, before)
  local key = key_literal(node.key)
  local is_array = types.of(node.base) == "array"
  local code = element(self, base, key, is_pure(node.base), is_array)
  if code then return code, ATOM end
  code = expressions.key(self, node.key, before)
  if is_array and is_pure(node.base) and is_pure(node.key) then    -- what isn't found so isn't lost
    return ("(%s[%s] or %s(%s, %s))"):format(base, code, self:use("index"), base, code), ATOM
  end
  return ("%s(%s, %s)"):format(self:use("index"), base, code), ATOM
end

function by_node.index_all(self, node, before)
  return ("%s(%s, %s)"):format(self:use("index_all"), argument(self, node.base, before),
    argument(self, node.keys, before)), ATOM
end

function by_node.slice(self, node, before)
  local function part(n) return n and argument(self, n, before) or "nil" end
  return ("%s(%s, %s, %s, %s)"):format(self:use("slice"), argument(self, node.base, before),
    part(node.from), part(node.to), part(node.step)), ATOM
end

--- A name behind "->": a private function has a mark before it, which only code of its class knows.
function expressions.member_name(self, name)
  return self.private[name] and "\1" .. name or name
end

function by_node.prop(self, node, before)
  if node.static then
    local class = node.base.name == "static" and self.class or node.base.name
    return ("%s(%s, %s)"):format(self:use("static"), expressions.function_name(class),
      quote(node.name)), ATOM
  end
  local base = argument(self, node.base, before)
  if self.private[node.name] then
    return ("%s(%s, %s)"):format(self:use("own"), base,
      quote(expressions.member_name(self, node.name))), ATOM
  end
  local code = element(self, base, node.name, false, false)
  if code then return code, ATOM end
  return ("%s(%s, %s)"):format(self:use("index"), base, quote(node.name)), ATOM
end

-- ---- calls ---------------------------------------------------------------------------------

local lua_words = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
  return then true until while]]):gmatch("%S+") do lua_words[word] = true end
expressions.lua_words = lua_words

--- The run's function of a name.
function expressions.function_name(name)
  local quoted = lua_words[name] or name:find(":", 1, true)   -- of a module: ns::name
  return quoted and ('E["%s"]'):format(name) or "E." .. name
end

function by_node.name(_, node)
  return node.nested and "_f_" .. node.name or expressions.function_name(node.name), ATOM
end

function by_node.builtin(self, node) return self:original(node.name), ATOM end

local function arguments(self, args, before)
  for i, arg in ipairs(args) do
    if arg.t == "spread" and i < #args then
      local items = {}
      for j, other in ipairs(args) do
        items[j] = { spread = other.t == "spread", line = other.line,
          value = other.t == "spread" and other.value or other }
      end
      return self:use("unpack") .. "(" .. make_array(self, items, true, before) .. ")"
    end
  end
  local codes = {}
  for i, arg in ipairs(args) do
    if arg.t == "spread" then
      codes[i] = self:use("unpack") .. "(" .. argument(self, arg.value, before) .. ")"
    else
      codes[i] = self:mark(arg) .. argument(self, arg, before)
    end
  end
  return table.concat(codes, ", ")
end

local function with(first, args) return args ~= "" and first .. ", " .. args or first end

-- A function of an object, which gets it as its first argument.
local function call_of_object(self, node, before)
  local callee, args = strip(node.callee), node.args
  local base = argument(self, callee.base, before)
  local name = quote(expressions.member_name(self, callee.name))
  if callees.unpacks(args) then
    return ("%s(%s, %s, %s)"):format(self:use("method"), base, name, arguments(self, args, before))
  end
  local object = is_pure(callee.base) and base or self:use("that") .. "()"
  return ("%s(%s, %s, %d)(%s)"):format(self:use("self"), base, name, #args,
    with(object, arguments(self, args, before)))
end

-- What is called, in words for who called it wrongly.
local function called(node)
  node = strip(node)
  if node.t == "var" then return "$" .. node.name end
  if node.t == "prop" then return node.base.name .. "::" .. node.name end
  if node.t == "index" then
    local key = strip(node.key)
    local base = strip(node.base)
    if base.t == "var" then
      return ("$%s[%s]"):format(base.name, key.t == "str" and '"' .. key.value .. '"' or "...")
    end
  end
  return node.t == "func" and "this function" or "what is called here"
end

-- How many arguments a value takes is asked once: _n has what was found.
local function call_of_value(self, node, before)
  local args, what = node.args, quote(called(node.callee))
  local code = argument(self, node.callee, before)
  if callees.unpacks(args) then
    return ("%s(%s, %s, %s)"):format(self:use("call"), what, code, arguments(self, args, before))
  end
  local checked = ("%s(%s, %d, %s, _n)"):format(self:use("callee"), code, #args, what)
  if is_pure(node.callee) then
    checked = ("(_n[%s] == %d and %s or %s)"):format(code, #args, code, checked)
  end
  return ("%s(%s)"):format(checked, arguments(self, args, before))
end

-- Functions by name, whose arguments the compiler counted, but for those that are unpacked.
local function call_of_name(self, node, before)
  local code, level = E(self, node.callee, before)
  local args = arguments(self, node.args, before)
  if node.callee.own and callees.unpacks(node.args) then
    args = ("%s(%s, %s, %s)"):format(self:use("counted"), quote(node.callee.name), code, args)
  end
  return (level < ATOM and "(" .. code .. ")" or code) .. "(" .. args .. ")"
end

-- function (...) { ... }(...), counted as the former.
local function call_of_literal(self, node, before)
  if callees.unpacks(node.args) then return call_of_value(self, node, before) end
  return ("(%s)(%s)"):format(E(self, node.callee, before), arguments(self, node.args, before))
end

function by_node.call(self, node, before)
  local callee = strip(node.callee)
  local mark = self:mark(node)
  local write = callee.t == "prop" and not callee.static and call_of_object or
    (callee.t == "name" or callee.t == "builtin") and call_of_name or
    callee.t == "func" and call_of_literal or call_of_value
  local code = write(self, node, before)
  dirty(before)
  return mark .. code, ATOM
end

function by_node.cache(self, node, before)
  local options = node.options and argument(self, node.options, before) or "nil"
  local callee = node.call.callee
  local args = arguments(self, node.call.args, before)
  dirty(before)
  return ("%s%s(%s, %s, %s%s)"):format(self:mark(node), self:original("__cache"), options,
    quote(node.entries or callee.name), (E(self, callee)), args ~= "" and ", " .. args or ""), ATOM
end

function by_node.yield(self, node)
  return ("_y(%s, %s)"):format(node.key and argument(self, node.key) or "nil",
    node.value and argument(self, node.value) or "nil"), ATOM
end

function by_node.func(self, node) return self:func(node), ATOM end

-- object [ ... ] of 2016: its functions have $this; they aren't among its variables.
function by_node.object(self, node, before)
  local variables, functions = {}, {}
  for _, item in ipairs(node.items) do
    local list = item.value.method and functions or variables
    list[#list + 1] = item
  end
  return ("%s(%s, %s)"):format(self:use("object"), (make_array(self, variables, true, before)),
    (make_array(self, functions, true, before))), ATOM
end

-- ---- assignments inside of expressions --------------------------------------------------------

-- The statement before the expression, or inside of a function; 'value' is read afterwards.
local function assignment(self, node, before, write)
  if before and before.clean then
    local value = write(before)
    before.clean = false
    return value, ATOM
  end
  return at_once(self, function()
    local value = write(nil)
    self:add("return " .. value)
  end)
end

function by_node.assign(self, node, before)
  return assignment(self, node, before, function(inner)
    return self:assign(node, inner, true)
  end)
end

function by_node.incdec(self, node, before)
  return assignment(self, node, before, function(inner)
    return self:step(node, inner, true)
  end)
end

return expressions
