-- What the code of expressions is made of, whatever the expression: literals, operands with the
-- parentheses that Lua needs, integers.
--
-- by_node[node.t](emitter, node, before) gives a node's code and how tightly it binds; the
-- functions are those of expressions.lua and operators.lua. 'before' collects statements that
-- have to run first; it is nil where nothing can (the right side of 'and', a loop's condition).
-- Lua has no assignment in expressions: one becomes a statement before the expression where
-- nothing was evaluated yet (before.clean), else a function that is called at once.
local types = require "hsl.types"

-- How tightly Lua's operators bind.
local lua = { OR = 1, AND = 2, COMPARE = 3, CONCAT = 8, ADD = 10, MULTIPLY = 11, UNARY = 12,
  POWER = 13, ATOM = 20 }
local ADD, MULTIPLY, UNARY, ATOM = lua.ADD, lua.MULTIPLY, lua.UNARY, lua.ATOM

lua.MAX_LIST = 50          -- arguments of one call; longer arrays are made from a table
lua.by_node = {}

-- ---- texts and numbers ----------------------------------------------------------

--- A Lua literal of a text.
function lua.quote(text)
  return '"' .. text:gsub('[%c\x7f-\xff"\\]', function(c)
    return c == "\\" and "\\\\" or c == '"' and '\\"' or ("\\%03d"):format(c:byte())
  end) .. '"'
end

--- A Lua literal of a number: always a float.
function lua.literal(n)
  if n ~= n then return "(0/0)" end
  if n == math.huge then return "(1/0)" end
  local text = ("%.17g"):format(n)
  if tonumber(("%.15g"):format(n)) == n then text = ("%.15g"):format(n) end
  return text:find("[.e]") and text or text .. ".0"
end

-- ---- nodes ----------------------------------------------------------------------

--- The node inside of its parentheses.
function lua.strip(node)
  while node.t == "paren" do node = node.value end
  return node
end
local strip = lua.strip

--- Something was evaluated: nothing may be put before it any more.
function lua.dirty(before)
  if before then before.clean = false end
end

-- What can't fail, or says itself what it did: an assignment to its right may still come first.
local quiet = {}
for t in ("num str const regex name builtin func paren array not assign incdec"):gmatch("%S+") do
  quiet[t] = true
end

--- The code of a node, and how tightly it binds.
function lua.of(self, node, before)
  local code, level = lua.by_node[node.t](self, node, before)
  if not quiet[node.t] then lua.dirty(before) end
  return code, level
end

--- Code that binds as tightly as 'least', in parentheses if it has to.
function lua.wrapped(code, level, least)
  return level < least and "(" .. code .. ")" or code
end

function lua.operand(self, node, before, least)
  local code, level = lua.of(self, node, before)
  return lua.wrapped(code, level, least)
end

--- A value as one argument: calls can give more than one result.
function lua.argument(self, node, before)
  local code = lua.of(self, node, before)
  if node.t == "call" or node.t == "cache" or node.t == "yield" then return "(" .. code .. ")" end
  return code
end

--- Nothing happens when it is evaluated, and it can't fail.
function lua.is_pure(node)
  node = strip(node)
  if node.t == "num" or node.t == "str" or node.t == "const" then return true end
  if node.t == "array" then return #node.items == 0 end
  return node.t == "var" and node.var.kind == "local" and not node.check and not node.var.forgotten
end

function lua.is_literal(node)
  node = strip(node)
  return node.t == "num" or node.t == "str" or node.t == "const"
end

-- ---- whole numbers ------------------------------------------------------------------

local whole_level = { ["+"] = ADD, ["-"] = ADD, ["*"] = MULTIPLY, ["%"] = MULTIPLY }

--- The code of an integer, for a node that has a range (types.lua).
function lua.whole(self, node, before)
  node = strip(node)
  if node.t == "num" then return ("%d"):format(node.value), ATOM end
  if node.t == "unary" then return ("%d"):format(-node.value.value), UNARY end
  lua.dirty(before)
  if node.t == "var" then return self:counter(node.var), ATOM end
  local level = whole_level[node.op]
  local a, la = lua.whole(self, node.a)
  local b, lb = lua.whole(self, node.b)
  return lua.wrapped(a, la, level) .. " " .. node.op .. " " .. lua.wrapped(b, lb, level + 1), level
end

--- Whether it can be given as an integer.
function lua.is_whole(node)
  return types.range(node) ~= nil
end

--- An operand where an integer does as well as a float.
function lua.number(self, node, before, least)
  if not lua.is_whole(node) then return lua.operand(self, node, before, least) end
  local code, level = lua.whole(self, node, before)
  return lua.wrapped(code, level, least)
end

return lua
