-- Lua code of HSL's expressions.
--
-- Each function takes the emitter, a node and 'before', and gives code and how tightly it binds.
-- 'before' collects statements that have to run first; it is nil where nothing can (the right
-- side of 'and', a loop's condition). Lua has no assignment in expressions: one becomes a
-- statement before the expression where nothing was evaluated yet (before.clean), else a
-- function that is called at once.
local types = require "hsl.types"

local expressions = {}

-- How tightly Lua's operators bind.
local OR, AND, COMPARE, CONCAT, ADD, MULTIPLY, UNARY, POWER, ATOM = 1, 2, 3, 8, 10, 11, 12, 13, 20
expressions.ATOM = ATOM

local MAX_LIST = 50        -- arguments of one call; longer arrays are made from a table

-- ---- texts and numbers ----------------------------------------------------------

--- A Lua literal of a text.
function expressions.quote(text)
  return '"' .. text:gsub('[%c\x7f-\xff"\\]', function(c)
    return c == "\\" and "\\\\" or c == '"' and '\\"' or ("\\%03d"):format(c:byte())
  end) .. '"'
end
local quote = expressions.quote

--- A Lua literal of a number: always a float.
local function literal(n)
  if n ~= n then return "(0/0)" end
  if n == math.huge then return "(1/0)" end
  local text = ("%.17g"):format(n)
  if tonumber(("%.15g"):format(n)) == n then text = ("%.15g"):format(n) end
  return text:find("[.e]") and text or text .. ".0"
end

local E     -- code of a node in parentheses that Lua needs

local function wrapped(code, level, least)
  return level < least and "(" .. code .. ")" or code
end

local function operand(self, node, before, least)
  local code, level = E(self, node, before)
  return wrapped(code, level, least)
end

-- A value as one argument: calls can give more than one result.
local function argument(self, node, before)
  local code = E(self, node, before)
  if node.t == "call" or node.t == "cache" or node.t == "yield" then return "(" .. code .. ")" end
  return code
end

local function strip(node)
  while node.t == "paren" do node = node.value end
  return node
end

-- Nothing happens when it is evaluated, and it can't fail.
local function is_pure(node)
  node = strip(node)
  if node.t == "num" or node.t == "str" or node.t == "const" then return true end
  if node.t == "array" then return #node.items == 0 end
  return node.t == "var" and node.var.kind == "local" and not node.check and not node.var.forgotten
end

local function is_literal(node)
  node = strip(node)
  return node.t == "num" or node.t == "str" or node.t == "const"
end

local function dirty(before)
  if before then before.clean = false end
end

-- ---- whole numbers ------------------------------------------------------------------

local whole

local whole_level = { ["+"] = ADD, ["-"] = ADD, ["*"] = MULTIPLY, ["%"] = MULTIPLY }

--- The code of an integer, for a node that has a range (types.lua).
function whole(self, node, before)
  node = strip(node)
  if node.t == "num" then return ("%d"):format(node.value), ATOM end
  if node.t == "unary" then return ("%d"):format(-node.value.value), UNARY end
  dirty(before)
  if node.t == "var" then return self:counter(node.var), ATOM end
  local level = whole_level[node.op]
  local a, la = whole(self, node.a)
  local b, lb = whole(self, node.b)
  return wrapped(a, la, level) .. " " .. node.op .. " " .. wrapped(b, lb, level + 1), level
end
expressions.whole = whole

local function is_whole(node)
  return types.range(node) ~= nil
end

-- An operand where an integer does as well as a float.
local function number(self, node, before, least)
  if not is_whole(node) then return operand(self, node, before, least) end
  local code, level = whole(self, node, before)
  return wrapped(code, level, least)
end

-- ---- truth ------------------------------------------------------------------------

--- Code that Lua tests as HSL would test the value.
function expressions.condition(self, node, before)
  node = strip(node)
  local type = types.of(node)
  if node.t == "const" then return tostring(node.value == true), ATOM end
  if node.t == "not" then
    local code, level = expressions.condition(self, node.value, before)
    return "not " .. wrapped(code, level, UNARY), UNARY
  elseif node.t == "logic" then
    return expressions.logic(self, node, before)
  elseif type == "boolean" then
    return E(self, node, before)
  elseif type == "number" then
    return number(self, node, before, COMPARE + 1) .. " ~= 0", COMPARE
  elseif type == "string" then
    return operand(self, node, before, COMPARE + 1) .. ' ~= ""', COMPARE
  end
  return self:use("truth") .. "(" .. argument(self, node, before) .. ")", ATOM
end
local condition = expressions.condition

function expressions.logic(self, node, before)
  local level = node.op == "and" and AND or OR
  local a, la = condition(self, node.a, before)
  local b, lb = condition(self, node.b, nil)
  return wrapped(a, la, level) .. " " .. node.op .. " " .. wrapped(b, lb, level + 1), level
end

-- ---- values -------------------------------------------------------------------------

local by_node = { logic = expressions.logic }

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

function by_node.paren(self, node, before) return E(self, node.value, before) end

by_node["not"] = function(self, node, before)
  local code, level = condition(self, node.value, before)
  return "not " .. wrapped(code, level, UNARY), UNARY
end

function by_node.unary(self, node, before)
  if node.op == "~" then return self:use("bnot") .. "(" .. argument(self, node.value, before) .. ")", ATOM end
  local inner = strip(node.value)
  if inner.t == "num" then
    local code = literal(node.op == "-" and -inner.value or inner.value)
    return code, UNARY
  end
  if node.op == "+" then return E(self, node.value, before) end
  return "- " .. operand(self, node.value, before, POWER), UNARY
end

-- All that one row of '.' joins.
local function flatten(node, out)
  local at = node
  local rights = {}
  while at.t == "binary" and at.op == "." do
    rights[#rights + 1] = at.b
    at = at.a
  end
  out[1] = at
  for i = #rights, 1, -1 do
    local b = strip(rights[i])
    if b.t == "binary" and b.op == "." then
      local inner = flatten(b, {})
      for _, part in ipairs(inner) do out[#out + 1] = part end
    else
      out[#out + 1] = rights[i]
    end
  end
  return out
end

-- Joins code of parts; 'known': all are texts.
local function joined(self, codes, known)
  if #codes == 1 and known then return codes[1], ATOM end
  if known and #codes <= MAX_LIST then return table.concat(codes, " .. "), CONCAT end
  local rows = {}
  for i = 1, #codes, MAX_LIST do
    rows[#rows + 1] = self:use("cat") .. "(" ..
      table.concat(codes, ", ", i, math.min(i + MAX_LIST - 1, #codes)) .. ")"
  end
  if #rows == 1 then return rows[1], ATOM end
  return joined(self, rows, true)
end

-- Lua joins integers to texts as HSL does.
local function is_text(node)
  return types.of(node) == "string" or is_whole(node)
end

local function concatenation(self, node, before)
  local codes, known, text = {}, true, nil
  for _, part in ipairs(flatten(node, {})) do
    local inner = strip(part)
    if inner.t == "str" and text then      -- joined while compiling
      text = text .. inner.value
      codes[#codes] = quote(text)
    else
      text = inner.t == "str" and inner.value or nil
      known = known and is_text(part)
      codes[#codes + 1] = known and number(self, part, before, CONCAT + 1) or
        argument(self, part, before)
    end
  end
  return joined(self, codes, known)
end

function by_node.interp(self, node, before)
  local codes, known = {}, true
  for _, part in ipairs(node.parts) do
    if type(part) == "string" then
      codes[#codes + 1] = quote(part)
    else
      known = known and is_text(part)
      codes[#codes + 1] = number(self, part, before, CONCAT + 1)
    end
  end
  if #codes == 1 and types.of(node.parts[1]) ~= "string" then table.insert(codes, 1, '""') end
  return joined(self, codes, known)
end

-- ---- operators --------------------------------------------------------------------------

local arithmetic = {
  ["+"] = ADD, ["-"] = ADD, ["*"] = MULTIPLY, ["/"] = MULTIPLY,
  ["<"] = COMPARE, [">"] = COMPARE, ["<="] = COMPARE, [">="] = COMPARE,
}
local calls = {
  ["%"] = "mod", ["&"] = "band", ["|"] = "bor", ["^"] = "bxor", ["<<"] = "shl", [">>"] = "shr",
  [">>>"] = "ushr",
}

local function same_scalars(a, b)
  return a == b and (a == "number" or a == "string" or a == "boolean")
end

-- Whether evaluating the node may assign to the variable.
local function changes(node, var)
  if node.t == "assign" or node.t == "incdec" or node.t == "pattern" then
    if not node.targets and node.target.t == "var" and node.target.var == var then return true end
  elseif (node.t == "call" or node.t == "cache" or node.t == "yield") and
      (var.captured or var.kind == "global") then
    return true
  elseif node.t == "func" then
    return false
  end
  for key, child in pairs(node) do
    if type(child) == "table" and key ~= "var" and key ~= "scope" and changes(child, var) then
      return true
    end
  end
  return false
end

-- The left side of one of Lua's operators: it reads a local when it computes, so that a variable
-- which the right side assigns is read by a call before.
local function left_operand(self, node, before, least, as)
  local a = strip(node.a)
  local named = (a.t == "assign" or a.t == "incdec") and a.target or a     -- gives its variable
  if named.t == "var" and named.var.kind == "local" and changes(node.b, named.var) then
    return self:use("quiet") .. "(" .. E(self, a, before) .. ")"
  end
  return (as or operand)(self, a, before, least)
end

-- One of Lua's operators. One operand may be an integer where the other is a float: the result is
-- a float then; both may be where it always is one, or no number.
local function lua_operator(self, node, before, op, level, right_level)
  local left, right = number, number
  if level == ADD or op == "*" then
    if is_whole(node.a) and is_whole(node.b) then
      if is_literal(node.b) then right = operand else left = operand end
    else
      if types.of(node.b) ~= "number" then left = operand end
      if types.of(node.a) ~= "number" then right = operand end
    end
  end
  return left_operand(self, node, before, right_level > level and level or level + 1, left) ..
    " " .. op .. " " .. right(self, node.b, before, right_level), level
end

local function equality(self, node, before)
  local negated = node.op == "!=" or node.op == "!=="
  local strict = #node.op == 3
  local a, b = strip(node.a), strip(node.b)
  local ta, tb = types.of(a), types.of(b)
  local none = a.t == "const" and a.value == nil or b.t == "const" and b.value == nil
  local plain = none or same_scalars(ta, tb) or
    strict and (ta ~= nil and ta ~= "array" or tb ~= nil and tb ~= "array")
  if plain then
    return left_operand(self, node, before, COMPARE + 1, number) ..
      (negated and " ~= " or " == ") .. number(self, b, before, COMPARE + 1), COMPARE
  end
  local ca, cb = argument(self, a, before), argument(self, b, before)
  local call = ("%s(%s, %s)"):format(self:use(strict and "same" or "eq"), ca, cb)
  -- The common case without a call: a variable that is the text asked for.
  if not negated and not strict and b.t == "str" and is_pure(a) then
    return ("%s == %s or %s"):format(ca, cb, call), OR
  end
  if negated then return "not " .. call, UNARY end
  return call, ATOM
end

local function regex(self, node, before)
  local code = ("%s(%s, %s)"):format(self:original("__regex_test"), argument(self, node.a, before),
    argument(self, node.b, before))
  if node.op == "!~" then return "not " .. code, UNARY end
  return code, ATOM
end

-- Lua's has the sign of the divisor.
local function remainder(self, node, before)
  if is_whole(node) then
    return whole(self, node, before) .. " + 0.0", ADD
  end
  local b = strip(node.b)
  if is_pure(node.a) and types.of(node.a) == "number" and b.t == "num" and b.value > 0 then
    local a, by = E(self, node.a, before), literal(b.value)
    return ("(%s >= 0 and %s %% %s or %s(%s, %s))"):format(a, a, by, self:use("mod"), a, by), ATOM
  end
  return ("%s(%s, %s)"):format(self:use("mod"), argument(self, node.a, before),
    argument(self, node.b, before)), ATOM
end

function by_node.binary(self, node, before)
  local op = node.op
  if op == "." then return concatenation(self, node, before) end
  if op == "=~" or op == "!~" then return regex(self, node, before) end
  if op:find("^[=!]=") then return equality(self, node, before) end
  if op == "%" then return remainder(self, node, before) end
  if calls[op] then
    return ("%s(%s, %s)"):format(self:use(calls[op]), argument(self, node.a, before),
      argument(self, node.b, before)), ATOM
  end
  if op == "**" then return lua_operator(self, node, before, "^", POWER, POWER) end
  local level = arithmetic[op]
  return lua_operator(self, node, before, op, level, level + 1)
end

--- The code of 'a op b' where both are code already; for compound assignments.
function expressions.apply(self, op, a, b, texts)
  if op == "." then
    if texts then return ("%s .. (%s)"):format(a, b) end
    return ("%s(%s, %s)"):format(self:use("cat"), a, b)
  elseif calls[op] then
    return ("%s(%s, %s)"):format(self:use(calls[op]), a, b)
  end
  return ("%s %s (%s)"):format(a, op == "**" and "^" or op, b)
end

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

function by_node.isset(self, node)
  local codes = {}
  for i, target in ipairs(node.targets) do
    codes[i] = operand(self, target, nil, COMPARE + 1) .. " ~= nil"
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

-- "12" and 12 are the same key; so are 1.9 and 1.
local function key_literal(node)
  node = strip(node)
  if node.t == "num" and node.value >= 0 and node.value < 2 ^ 31 then
    return math.floor(node.value)
  elseif node.t == "str" then
    local n = node.value:match("^0$") or node.value:match("^[1-9]%d?%d?%d?%d?%d?%d?%d?%d?$")
    return n and math.tointeger(tonumber(n)) or node.value
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

function by_node.prop(self, node, before)
  if node.static then
    local class = node.base.name == "static" and self.class or node.base.name
    return ("%s(%s, %s)"):format(self:use("static"), expressions.function_name(class),
      quote(node.name)), ATOM
  end
  local base = argument(self, node.base, before)
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

function by_node.call(self, node, before)
  local callee = node.callee
  local mark = self:mark(node)
  if callee.t == "prop" and not callee.static then
    local base = argument(self, callee.base, before)
    local args = arguments(self, node.args, before)
    dirty(before)
    return ("%s%s(%s, %s%s)"):format(mark, self:use("method"), base, quote(callee.name),
      args ~= "" and ", " .. args or ""), ATOM
  end
  local code, level = E(self, callee, before)
  local is_name = callee.t == "name" or callee.t == "builtin" or strip(callee).t == "var"
  if not is_name or level < ATOM then code = "(" .. code .. ")" end   -- Lua calls no literals
  local args = arguments(self, node.args, before)
  dirty(before)
  if node.arity then
    args = ("%s(%s, %d, %d, %s)"):format(self:use("counted"), quote(node.arity.words),
      node.arity.least, node.arity.most, args)
  end
  return mark .. code .. "(" .. args .. ")", ATOM
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

-- What can't fail, or says itself what it did: an assignment to its right may still come first.
local quiet = {}
for t in ("num str const regex name builtin func paren array not assign incdec"):gmatch("%S+") do
  quiet[t] = true
end

function E(self, node, before)
  local code, level = by_node[node.t](self, node, before)
  if not quiet[node.t] then dirty(before) end
  return code, level
end
expressions.of = E
expressions.number = number
expressions.is_text = is_text
expressions.argument = argument
expressions.operand = operand
expressions.strip = strip
expressions.is_pure = is_pure
expressions.changes = changes
expressions.is_literal = is_literal
expressions.key_literal = key_literal

return expressions
