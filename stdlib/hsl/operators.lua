-- Lua code of HSL's operators and of truth (lua_code.lua says how code is given).
local lua = require "hsl.lua_code"
local types = require "hsl.types"

local operators = {}

local AND, OR, COMPARE, CONCAT, ADD = lua.AND, lua.OR, lua.COMPARE, lua.CONCAT, lua.ADD
local MULTIPLY, UNARY, POWER, ATOM = lua.MULTIPLY, lua.UNARY, lua.POWER, lua.ATOM
local MAX_LIST = lua.MAX_LIST
local by_node, E = lua.by_node, lua.of
local argument, operand, number, whole = lua.argument, lua.operand, lua.number, lua.whole
local is_literal, is_pure, is_whole = lua.is_literal, lua.is_pure, lua.is_whole
local literal, quote, strip, wrapped = lua.literal, lua.quote, lua.strip, lua.wrapped

-- ---- truth ------------------------------------------------------------------------

--- Code that Lua tests as HSL would test the value.
function operators.condition(self, node, before)
  node = strip(node)
  local type = types.of(node)
  if node.t == "const" then return tostring(node.value == true), ATOM end
  if node.t == "not" then
    local code, level = operators.condition(self, node.value, before)
    return "not " .. wrapped(code, level, UNARY), UNARY
  elseif node.t == "logic" then
    return by_node.logic(self, node, before)
  elseif type == "boolean" then
    return E(self, node, before)
  elseif type == "number" then
    return number(self, node, before, COMPARE + 1) .. " ~= 0", COMPARE
  elseif type == "string" then
    return operand(self, node, before, COMPARE + 1) .. ' ~= ""', COMPARE
  end
  return self:use("truth") .. "(" .. argument(self, node, before) .. ")", ATOM
end
local condition = operators.condition

function by_node.logic(self, node, before)
  local level = node.op == "and" and AND or OR
  local a, la = condition(self, node.a, before)
  local b, lb = condition(self, node.b, nil)
  return wrapped(a, la, level) .. " " .. node.op .. " " .. wrapped(b, lb, level + 1), level
end

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
  if node.op == "+" and types.of(inner) == "number" then return E(self, node.value, before) end
  local sign = node.op == "+" and "- - " or "- "        -- of a text: its number
  return sign .. operand(self, node.value, before, POWER), UNARY
end

-- ---- texts joined -------------------------------------------------------------------

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

--- Lua joins integers to texts as HSL does.
function operators.is_text(node)
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
      known = known and operators.is_text(part)
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
      known = known and operators.is_text(part)
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

--- Whether evaluating the node may assign to the variable.
function operators.changes(node, var)
  if node.t == "assign" or node.t == "incdec" or node.t == "pattern" then
    if not node.targets and node.target.t == "var" and node.target.var == var then return true end
  elseif (node.t == "call" or node.t == "cache" or node.t == "yield") and
      (var.captured or var.kind == "global") then
    return true
  elseif node.t == "func" then
    return false
  end
  for key, child in pairs(node) do
    if type(child) == "table" and key ~= "var" and key ~= "scope" and operators.changes(child, var) then
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
  if named.t == "var" and named.var.kind == "local" and operators.changes(node.b, named.var) then
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
function operators.apply(self, op, a, b, texts)
  if op == "." then
    if texts then return ("%s .. (%s)"):format(a, b) end
    return ("%s(%s, %s)"):format(self:use("cat"), a, b)
  elseif calls[op] then
    return ("%s(%s, %s)"):format(self:use(calls[op]), a, b)
  end
  return ("%s %s (%s)"):format(a, op == "**" and "^" or op, b)
end

return operators
