-- The grammar of expressions. Every node has its type in t, and line and col.
--
-- Binding, loosest first (doc/hsl.md): = and its like, ?:, ??, or, and, comparisons, |, ^, &,
-- shifts, '.', + -, * / %, **, unary. A variable before an assignment operator takes the
-- assignment wherever it stands: !$x = f() is !($x = f()).
local cursor = require "hsl.cursor"
local foreign = require "hsl.foreign"
local lift = require "hsl.lift"

local grammar = {}

local MAX_ARGUMENTS = 100

local peek, is_op, is_word, advance = cursor.peek, cursor.is_op, cursor.is_word, cursor.advance
local accept, accept_word, expect = cursor.accept, cursor.accept_word, cursor.expect
local fail, node, deeper, shown = cursor.fail, cursor.node, cursor.deeper, cursor.shown
local reserved, hints = cursor.reserved, cursor.hints

local expression, function_rest, array_rest

local assignments = {}
for op in ("= += -= *= /= %= **= .= ??="):gmatch("%S+") do assignments[op] = true end

local binary = {
  ["|"] = 7, ["^"] = 8, ["&"] = 9, ["<<"] = 10, [">>"] = 10, [">>>"] = 10, ["."] = 11,
  ["+"] = 12, ["-"] = 12, ["*"] = 13, ["/"] = 13, ["%"] = 13, ["**"] = 14,
}
for op in ("== != === !== < > <= >= =~ !~"):gmatch("%S+") do binary[op] = 6 end
local OR, AND, COMPARE, COALESCE, POWER, UNARY = 4, 5, 6, 6.5, 14, 15

local function arguments(self, open)
  local args = {}
  while not is_op(self, ")") do
    local token = peek(self)
    if #args == MAX_ARGUMENTS then
      fail(self, token, "more than " .. MAX_ARGUMENTS .. " arguments")
    end
    if accept(self, "...") then
      args[#args + 1] = node(self, "spread", token, { value = expression(self) })
    else
      args[#args + 1] = expression(self)
    end
    if not accept(self, ",") then break end
  end
  expect(self, ")", "behind the arguments")
  return args
end

-- $a[i] $a[] $a[from:to:step] $a[...["x", "y"]]
local function subscript(self, base, open)
  if accept(self, "]") then return node(self, "index", open, { base = base, append = true }) end
  if accept(self, "...") then
    local keys = expression(self)
    expect(self, "]")
    return node(self, "index_all", open, { base = base, keys = keys })
  end
  local from = not is_op(self, ":") and not is_op(self, "::") and expression(self) or nil
  if not is_op(self, ":") and not is_op(self, "::") then
    expect(self, "]", "behind the index")
    return node(self, "index", open, { base = base, key = from })
  end
  local slice = node(self, "slice", open, { base = base, from = from })
  local stepped = advance(self).value == "::"
  if not stepped and not is_op(self, "]") and not is_op(self, ":") then
    slice.to = expression(self)
    stepped = accept(self, ":")
  elseif not stepped then
    stepped = accept(self, ":")
  end
  if stepped and not is_op(self, "]") then slice.step = expression(self) end
  expect(self, "]", "behind the slice")
  return slice
end

local function member_name(self)
  local token = advance(self)
  if token.type == "name" then return token.value end
  fail(self, token, "a name is missing before " .. shown(token))
end

local function postfix(self, base)
  while true do
    local token = peek(self)
    if token.type ~= "op" then return base end
    if token.value == "[" then
      advance(self)
      base = subscript(self, base, token)
    elseif token.value == "(" then
      advance(self)
      base = node(self, "call", base, { callee = base, args = arguments(self, token) })
    elseif token.value == "->" then
      advance(self)
      base = node(self, "prop", token, { base = base, name = member_name(self) })
    elseif token.value == "::" and (base.t == "name" or base.static and not base.variable) then
      advance(self)
      local member = peek(self)
      if member.type == "var" then
        advance(self)
        base = node(self, "prop", token, { base = base, name = member.value, static = true,
          variable = true })
      else
        base = node(self, "prop", token, { base = base, name = member_name(self), static = true })
      end
    else
      return base
    end
  end
end

local function is_target(n)
  return n.t == "var" or n.t == "prop" or n.t == "index" or n.t == "slice" and not n.step
end

-- The targets of [$a, $b = 3, ...$rest] or ["k" => $a].
local function pattern(self, array)
  local targets, keyed = {}, nil
  for i, item in ipairs(array.items) do
    local target, default = item.value, nil
    if item.spread and i < #array.items then
      fail(self, array, "...$rest stands last")
    end
    if target.t == "assign" and target.op == "=" then target, default = target.target, target.value end
    if target.t == "array" then
      target = pattern(self, target)
    elseif target.t ~= "pattern" and not is_target(target) then
      fail(self, target, "this can't be assigned to")
    end
    if keyed ~= nil and keyed ~= (item.key ~= nil) then
      fail(self, item.value, "targets with and without keys can't be mixed")
    end
    keyed = item.key ~= nil
    targets[i] = { key = item.key, target = target, default = default, spread = item.spread }
  end
  if #targets == 0 then fail(self, array, "there is nothing to assign to") end
  return node(self, "pattern", array, { targets = targets })
end

-- An assignment, if one begins behind the target.
local function assignment(self, target)
  local token = peek(self)
  if token.type ~= "op" then return target end
  if token.value == "++" or token.value == "--" then
    if not is_target(target) then fail(self, token, "this can't be assigned to") end
    advance(self)
    return node(self, "incdec", target, { target = target, op = token.value })
  end
  if not assignments[token.value] then return target end
  if target.t == "array" and token.value == "=" then
    target = pattern(self, target)
  elseif not is_target(target) then
    fail(self, token, "the left side can't be assigned to",
      token.value == "=" and target.t == "name" and "variables begin with $" or
      target.t == "slice" and "a slice with a step can only be read" or nil)
  end
  advance(self)
  return node(self, "assign", target, { target = target, op = token.value,
    value = expression(self) })
end

local function string_node(self, token)
  if token.parts then return node(self, "interp", token, { parts = token.parts }) end
  return node(self, "str", token, { value = token.value })
end

-- Behind cache: [options] [builtin] name(arguments), or name::name(arguments)
local function cached_call(self, token)
  local options
  if accept(self, "[") then options = array_rest(self, peek(self), "]") end
  local at = peek(self)
  local original = accept_word(self, "builtin") ~= nil
  local name = member_name(self)
  local callee = node(self, original and "builtin" or "name", at, { name = name })
  if not original and accept(self, "::") then
    callee = node(self, "prop", at, { base = callee, name = member_name(self), static = true })
  end
  local open = expect(self, "(", "behind the function's name")
  return node(self, "cache", token, { options = options,
    call = node(self, "call", at, { callee = callee, args = arguments(self, open) }) })
end

local function isset(self, token)
  expect(self, "(", "behind isset")
  local targets = {}
  repeat
    local target = expression(self)
    if not is_target(target) then fail(self, target, "isset asks about variables and elements") end
    targets[#targets + 1] = target
  until not accept(self, ",")
  expect(self, ")")
  return node(self, "isset", token, { targets = targets })
end

-- match (x) { ... } is told from a call of a function match by what stands behind the ).
local function is_match(self)
  local depth, at = 0, self.at
  repeat
    local token = self.tokens[at]
    if token.type == "eof" then return false end
    if token.type == "op" then
      if token.value == "(" then depth = depth + 1 end
      if token.value == ")" then depth = depth - 1 end
    end
    at = at + 1
  until depth == 0
  return self.tokens[at].type == "op" and self.tokens[at].value == "{"
end

local function match_arms(self, token)
  expect(self, "(")
  local match = node(self, "match", token, { subject = expression(self), arms = {} })
  expect(self, ")")
  expect(self, "{")
  while not is_op(self, "}") do
    local arm = { values = {} }
    if not accept_word(self, "default") then
      repeat
        if is_op(self, "=>") then break end
        arm.values[#arm.values + 1] = expression(self)
      until not accept(self, ",")
    else
      arm.default = true
    end
    expect(self, "=>")
    arm.value = expression(self)
    match.arms[#match.arms + 1] = arm
    if not accept(self, ",") then break end
  end
  expect(self, "}", "behind the arms of match")
  return match
end

local words = {}

words["true"] = function(self, token) return node(self, "const", token, { value = true }) end
words["false"] = function(self, token) return node(self, "const", token, { value = false }) end
words.none = function(self, token) return node(self, "const", token, {}) end
words.isset = isset
words.cache = cached_call
words["function"] = function(self, token) return function_rest(self, token) end

words.array = function(self, token)
  expect(self, "(", "behind array")
  return array_rest(self, token, ")")
end

words.builtin = function(self, token)
  return node(self, "builtin", token, { name = member_name(self) })
end

words["not"] = function(self, token)
  return node(self, "not", token, { value = expression(self, UNARY) })
end

local function begins_value(self)
  local token = peek(self)
  if token.type == "op" then return token.value == "[" or token.value == "-" or token.value == "!" end
  return token.type ~= "eof" and token.type ~= "name" or
    token.type == "name" and not reserved[token.value] or words[token.value] ~= nil
end

-- object [ "name" => value, ... ] of 2016: $this in its functions is the object.
local function object_rest(self, token)
  expect(self, "[")
  local items = array_rest(self, token, "]").items
  for _, item in ipairs(items) do
    if item.spread then fail(self, item.value, "an object has names for what it holds") end
    item.value.method = item.value.t == "func" or nil
  end
  return node(self, "object", token, { items = items })
end

-- A word of another language: 'new' before a name, 'var' before a variable, 'do' before a block.
local function is_foreign(self, token)
  local behind = peek(self)
  if not foreign.words[token.value] then return false end
  if behind.type == "name" then return not reserved[behind.value] end
  return behind.type == "var" or behind.type == "str" or behind.type == "num"
end

local primary

local function name_or_word(self, token)
  local word = words[token.value]
  if word then return word(self, token) end
  if token.value == "object" and is_op(self, "[") then return object_rest(self, token) end
  if token.value == "this" and not is_op(self, "(") then
    return node(self, "var", token, { name = "this" })
  end
  if token.value == "match" and is_op(self, "(") and is_match(self) then
    return match_arms(self, token)
  end
  if token.value == "yield" and self.in_function and (begins_value(self) or is_op(self, ";") or
      is_op(self, ")")) then
    self.in_function.generator = true
    local value = begins_value(self) and expression(self) or nil
    if value and accept(self, "=>") then
      return node(self, "yield", token, { key = value, value = expression(self) })
    end
    return node(self, "yield", token, { value = value })
  end
  if is_foreign(self, token) then
    self.diag:error(token, ("there is no '%s'"):format(token.value), foreign.words[token.value])
    return primary(self)
  end
  if reserved[token.value] then
    fail(self, token, "'" .. token.value .. "' can't begin a value")
  end
  if is_op(self, "=") then
    local before = self.tokens[self.at - 2]
    local hint = before and before.value == "." and
      ('a member is $a->%s, an element $a["%s"]'):format(token.value, token.value)
    fail(self, token, "'" .. token.value .. "' can't be assigned to", hint or "variables begin with $")
  end
  return node(self, "name", token, { name = token.value })
end

local function prefix_operator(self, token)
  local op = token.value
  if op == "(" then
    local inner = expression(self)
    expect(self, ")")
    return node(self, "paren", token, { value = inner })
  elseif op == "[" then
    return array_rest(self, token, "]")
  elseif op == "!" then
    return node(self, "not", token, { value = expression(self, UNARY) })
  elseif op == "-" or op == "+" or op == "~" then
    return node(self, "unary", token, { op = op, value = expression(self, POWER) })
  elseif op == "++" or op == "--" then
    local target = expression(self, UNARY)
    if not is_target(target) then fail(self, target, "this can't be assigned to") end
    return node(self, "incdec", token, { target = target, op = op, prefix = true })
  end
  if (op == "&" or op == "|") then
    fail(self, token, shown(token) .. " can't begin a value", hints[op])
  end
  fail(self, token, shown(token) .. " can't begin a value", op == "{" and "arrays are in brackets: [\"key\" => 1]" or nil)
end

function primary(self)
  local token = advance(self)
  local made
  if token.type == "num" then
    return postfix(self, node(self, "num", token, { value = token.value }))
  elseif token.type == "str" then
    return postfix(self, string_node(self, token))
  elseif token.type == "regex" then
    return node(self, "regex", token, { value = token.value })
  elseif token.type == "var" then
    made = node(self, "var", token, { name = token.value })
  elseif token.type == "name" then
    made = name_or_word(self, token)
    if made.t == "not" or made.t == "yield" then return made end
  elseif token.type == "op" then
    made = prefix_operator(self, token)
    if made.t == "not" or made.t == "unary" or made.t == "incdec" then return made end
  else
    fail(self, token, "a value is missing before " .. shown(token))
  end
  return assignment(self, postfix(self, made))
end

local function operator_level(token)
  if token.type == "op" then return token.value == "??" and COALESCE or binary[token.value] end
  if token.type == "name" then
    return token.value == "and" and AND or token.value == "or" and OR or nil
  end
end

local of_bits = { ["|"] = true, ["^"] = true, ["&"] = true, ["<<"] = true, [">>"] = true, [">>>"] = true }

local function is_of_bits(n) return n.t == "binary" and of_bits[n.op] and n.op end

-- In other languages 'flags & 1 == 0' compares first.
local function warn_of_bits(self, token, left, right)
  local op = is_of_bits(left) or is_of_bits(right)
  if op then
    self.diag:warn(token, ("'%s' binds tighter than '%s': parentheses would say what is meant")
      :format(op, token.value))
  end
end

local function combine(self, token, left, level)
  local op = token.value
  if op == "??" then
    return node(self, "coalesce", token, { a = left, b = expression(self, COALESCE) })
  elseif op == "**" then
    return node(self, "binary", token, { op = op, a = left, b = expression(self, POWER) })
  end
  local right = expression(self, level == COMPARE and COALESCE or level + 1)
  if op == "and" or op == "or" then
    local other = op == "and" and "or" or "and"
    if left.t == "logic" and left.op == other or right.t == "logic" and right.op == other then
      self.diag:warn(token, "'and' binds tighter than 'or': parentheses would say what is meant")
    end
    return node(self, "logic", token, { op = op, a = left, b = right })
  end
  if level == COMPARE then warn_of_bits(self, token, left, right) end
  return node(self, "binary", token, { op = op, a = left, b = right })
end

local function ternary(self, condition)
  local token = advance(self)
  if accept(self, ":") then
    return node(self, "ternary", token, { c = condition, b = expression(self, 2) })
  end
  local a = expression(self)
  expect(self, ":", "of the ternary")
  return node(self, "ternary", token, { c = condition, a = a, b = expression(self, 2) })
end

-- && and || are told, and read as what they mean.
local function doubled(self, token)
  if token.type ~= "op" or token.value ~= "&" and token.value ~= "|" or
      not is_op(self, token.value, 1) then
    return token
  end
  self.diag:error(token, "there is no operator '" .. token.value:rep(2) .. "'", hints[token.value])
  advance(self)
  local word = peek(self)
  word.type, word.value = "name", token.value == "&" and "and" or "or"
  return word
end

-- 'least' is the loosest operator that may be taken.
function expression(self, least)
  deeper(self, peek(self))
  local left = primary(self)
  least = least or 1
  while true do
    local token = doubled(self, peek(self))
    if token.type == "op" and token.value == "?" then
      if least > 2 then break end
      left = ternary(self, left)
    else
      local level = operator_level(token)
      if not level or level < least then break end
      advance(self)
      left = combine(self, token, left, level)
    end
  end
  self.depth = self.depth - 1
  return left
end

-- Behind [ or array(
function array_rest(self, token, close)
  local array = node(self, "array", token, { items = {} })
  while not is_op(self, close) do
    local item = { line = peek(self).line }
    item.spread = accept(self, "...") ~= nil
    item.value = expression(self)
    if accept(self, "=>") then
      item.key = item.value
      item.value = expression(self)
      array.keyed = true
    end
    array.spread = array.spread or item.spread
    array.items[#array.items + 1] = item
    if not accept(self, ",") then break end
  end
  expect(self, close, "behind the elements")
  return array
end

-- ---- functions ------------------------------------------------------------------------

local function is_constant(n)
  if n.t == "num" or n.t == "str" or n.t == "const" then return true end
  if n.t == "unary" or n.t == "paren" then return is_constant(n.value) end
  if n.t == "binary" then return is_constant(n.a) and is_constant(n.b) end
  if n.t ~= "array" then return n.t == "name" end
  for _, item in ipairs(n.items) do
    if not is_constant(item.value) or item.key and not is_constant(item.key) then return false end
  end
  return true
end

local function parameters(self)
  local params, optional = {}, false
  expect(self, "(", "behind function")
  while not is_op(self, ")") do
    local rest = accept(self, "...") ~= nil
    local token = advance(self)
    if token.type ~= "var" then
      fail(self, token, "a parameter is missing before " .. shown(token),
        token.type == "name" and (peek(self).type == "var" and "parameters have no types" or
        "variables begin with $") or
        token.value == "&" and "there are no references: an array is given back by return" or nil)
    end
    local param = { name = token.value, rest = rest, line = token.line, col = token.col }
    if rest and is_op(self, "=") then
      fail(self, peek(self), "...$" .. token.value .. " has no default: it is an empty array")
    elseif accept(self, "=") then
      param.default = expression(self)
      optional = true
      if not is_constant(param.default) then
        self.diag:error(param.default, "a parameter's default is a constant")
      end
    elseif optional and not rest then
      self.diag:error(token, "parameters without a default stand first")
    end
    params[#params + 1] = param
    if rest or not accept(self, ",") then break end
  end
  expect(self, ")", "behind the parameters")
  return params
end

local function captures(self)
  local list = {}
  if not accept_word(self, "closure") then return list end
  expect(self, "(", "behind closure")
  while not is_op(self, ")") do
    local token = advance(self)
    if token.type ~= "var" then fail(self, token, "a variable is missing before " .. shown(token)) end
    list[#list + 1] = { name = token.value, line = token.line, col = token.col }
    if not accept(self, ",") then break end
  end
  expect(self, ")", "behind the captured variables")
  return list
end

function function_rest(self, token, name)
  local f = node(self, "func", token, { name = name, params = parameters(self) })
  f.captures = captures(self)
  if not is_op(self, "{") then expect(self, "{", "before the function's body") end
  local outer, loops, switches = self.in_function, self.loops, self.switches
  self.in_function, self.loops, self.switches = f, 0, 0
  f.body = self.block(self)
  f.body.body = lift.body(f.body.body)
  self.in_function, self.loops, self.switches = outer, loops, switches
  return f
end

grammar.expression = expression
grammar.array_rest = array_rest
grammar.function_rest = function_rest
grammar.pattern = pattern
grammar.is_target = is_target
grammar.member_name = member_name

return grammar
