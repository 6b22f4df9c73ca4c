-- From tokens to a tree. Every node has its type in t, and line and col.
--
-- Binding, loosest first (hsl.md 2.3): = and its like, ?:, ??, or, and, comparisons, |, ^, &,
-- shifts, '.', + -, * / %, **, unary. A variable before an assignment operator takes the
-- assignment wherever it stands: !$x = f() is !($x = f()).
local parser = {}

local MAX_DEPTH = 60      -- of nested expressions and statements: Lua's own parser has 200
local MAX_ARGUMENTS = 100

local P = {}
P.__index = P

-- ---- tokens -------------------------------------------------------------------

local function peek(self, n)
  return self.tokens[math.min(self.at + (n or 0), #self.tokens)]
end

local function is_op(self, op, n)
  local token = peek(self, n)
  return token.type == "op" and token.value == op
end

local function is_word(self, word, n)
  local token = peek(self, n)
  return token.type == "name" and token.value == word
end

local function advance(self)
  local token = peek(self)
  if token.type ~= "eof" then self.at = self.at + 1 end
  return token
end

local function accept(self, op)
  if is_op(self, op) then return advance(self) end
end

local function accept_word(self, word)
  if is_word(self, word) then return advance(self) end
end

-- Errors leave what is being parsed; statement() goes on behind it.
local failure = {}

local function fail(self, token, message, hint)
  if self.tokens[self.at - 1] == token then self.at = self.at - 1 end   -- it may end a statement
  self.diag:error(token, message, hint)
  error(failure, 0)
end

local function shown(token)
  if token.type == "eof" then return token.value end
  if token.type == "str" then return "a string" end
  if token.type == "num" then return "a number" end
  if token.type == "regex" then return "a pattern" end
  if token.type == "var" then return "$" .. token.value end
  return "'" .. token.value .. "'"
end

local hints = {
  ["&"] = "write 'and' instead of '&&'", ["|"] = "write 'or' instead of '||'",
  elseif_ = "write 'else if'", ["{"] = "a '(' or ')' may be missing before it",
}

local function expect(self, op, where)
  local token = accept(self, op)
  if token then return token end
  local found, hint = peek(self), nil
  if (found.value == "&" or found.value == "|") and is_op(self, found.value, 1) then
    hint = hints[found.value]
  elseif op == ";" and found.type == "name" and is_op(self, "=", 1) then
    hint = "variables begin with $"
  end
  -- What is missing at the end of a line is shown there.
  local before = self.tokens[self.at - 1]
  local at = found
  if before and op == ";" and before.line < found.line then
    at = { line = before.line, col = before.col + #tostring(before.value or "") +
      (before.type == "var" and 1 or before.type == "str" and 2 or 0) }
  end
  fail(self, at, ("'%s' is missing%s before %s"):format(op, where and " " .. where or "",
    shown(found)), hint)
end

local function node(self, t, token, fields)
  fields = fields or {}
  fields.t, fields.line, fields.col = t, token.line, token.col
  return fields
end

local function deeper(self, token)
  self.depth = self.depth + 1
  if self.depth > MAX_DEPTH then
    self.diag:error(token, "nested deeper than " .. MAX_DEPTH)
    error(failure, 0)
  end
end

-- ---- words ----------------------------------------------------------------------

-- Names that can't be those of functions at any level.
local reserved = {}
for word in ([[and array as barrier break builtin cache case closure continue default echo else
  false foreach forever function global if include include_once isset not or return switch
  true unset none]]):gmatch("%S+") do reserved[word] = true end

local expression, statement, block, function_rest, array_rest

-- ---- expressions ------------------------------------------------------------------

local assignments = {}
for op in ("= += -= *= /= %= **= .= ??="):gmatch("%S+") do assignments[op] = true end

local binary = {
  ["|"] = 7, ["^"] = 8, ["&"] = 9, ["<<"] = 10, [">>"] = 10, [">>>"] = 10, ["."] = 11,
  ["+"] = 12, ["-"] = 12, ["*"] = 13, ["/"] = 13, ["%"] = 13, ["**"] = 14,
}
for op in ("== != === !== < > <= >= =~ !~"):gmatch("%S+") do binary[op] = 6 end
local COALESCE, OR, AND, UNARY, POWER = 3, 4, 5, 15, 14

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
    elseif token.value == "::" and base.t == "name" then
      advance(self)
      local member = peek(self)
      if member.type == "var" then
        advance(self)
        base = node(self, "prop", token, { base = base, name = member.value, static = true })
      else
        base = node(self, "prop", token, { base = base, name = member_name(self), static = true })
      end
    else
      return base
    end
  end
end

local function is_target(n)
  return n.t == "var" or n.t == "prop" or n.t == "index" or n.t == "slice"
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
    elseif not is_target(target) then
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
      token.value == "=" and target.t == "name" and "variables begin with $" or nil)
  end
  advance(self)
  return node(self, "assign", target, { target = target, op = token.value,
    value = expression(self) })
end

local function string_node(self, token)
  if token.parts then return node(self, "interp", token, { parts = token.parts }) end
  return node(self, "str", token, { value = token.value })
end

-- Behind cache: [options] [builtin] name(arguments)
local function cached_call(self, token)
  local options
  if accept(self, "[") then options = array_rest(self, peek(self), "]") end
  local at = peek(self)
  local original = accept_word(self, "builtin") ~= nil
  local name = member_name(self)
  local callee = node(self, original and "builtin" or "name", at, { name = name })
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

local function name_or_word(self, token)
  local word = words[token.value]
  if word then return word(self, token) end
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
  if reserved[token.value] then
    fail(self, token, "'" .. token.value .. "' can't begin a value")
  end
  if is_op(self, "=") then
    fail(self, token, "'" .. token.value .. "' can't be assigned to", "variables begin with $")
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
  fail(self, token, shown(token) .. " can't begin a value")
end

local function primary(self)
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

local function combine(self, token, left, level)
  local op = token.value
  if op == "??" then
    return node(self, "coalesce", token, { a = left, b = expression(self, COALESCE) })
  elseif op == "**" then
    return node(self, "binary", token, { op = op, a = left, b = expression(self, POWER) })
  end
  local right = expression(self, level + 1)
  if op == "and" or op == "or" then
    local other = op == "and" and "or" or "and"
    if left.t == "logic" and left.op == other or right.t == "logic" and right.op == other then
      self.diag:warn(token, "'and' binds tighter than 'or': parentheses would say what is meant")
    end
    return node(self, "logic", token, { op = op, a = left, b = right })
  end
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

-- 'least' is the loosest operator that may be taken.
function expression(self, least)
  deeper(self, peek(self))
  local left = primary(self)
  least = least or 1
  while true do
    local token = peek(self)
    if token.type == "op" and token.value == "?" then
      if least > 2 then break end
      left = ternary(self, left)
    else
      local level = operator_level(token)
      if not level or level < least then break end
      if (token.value == "&" or token.value == "|") and is_op(self, token.value, 1) then
        fail(self, token, "there is no operator '" .. token.value:rep(2) .. "'", hints[token.value])
      end
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
        token.type == "name" and "variables begin with $" or nil)
    end
    local param = { name = token.value, rest = rest, line = token.line, col = token.col }
    if accept(self, "=") then
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
  f.body = block(self)
  self.in_function, self.loops, self.switches = outer, loops, switches
  return f
end

-- ---- statements -----------------------------------------------------------------------

local statements = {}

-- A ';' may be left out before } and at the end.
local function finish(self)
  if is_op(self, "}") or peek(self).type == "eof" then return end
  expect(self, ";")
end

function block(self)
  local token = expect(self, "{")
  local body = node(self, "block", token, { body = {} })
  while not is_op(self, "}") do
    if peek(self).type == "eof" then
      fail(self, peek(self), "'}' is missing: the { of line " .. token.line .. " is open")
    end
    statement(self, body.body)
  end
  body.last = advance(self).line
  return body
end

-- The body of if, while, ...: a block or one statement.
local function body_of(self)
  if is_op(self, "{") then return block(self) end
  local body = node(self, "block", peek(self), { body = {} })
  statement(self, body.body)
  return body
end

local function loop_body(self)
  self.loops = self.loops + 1
  local body = body_of(self)
  self.loops = self.loops - 1
  return body
end

local function condition(self, word)
  expect(self, "(", "behind " .. word)
  local c = expression(self)
  expect(self, ")", "behind the condition")
  return c
end

statements["if"] = function(self, token)
  local chain = node(self, "if", token, { arms = {} })
  chain.arms[1] = { line = token.line, cond = condition(self, "if"), body = body_of(self) }
  while is_word(self, "else") or is_word(self, "elseif") do
    local word = advance(self)
    if word.value == "elseif" then
      fail(self, word, "there is no 'elseif'", hints.elseif_)
    end
    if not is_word(self, "if") then
      chain.otherwise = body_of(self)
      break
    end
    local at = advance(self)
    chain.arms[#chain.arms + 1] = { line = at.line, cond = condition(self, "if"),
      body = body_of(self) }
  end
  return chain
end

statements.echo = function(self, token)
  local value = expression(self)
  finish(self)
  return node(self, "echo", token, { value = value })
end

statements["return"] = function(self, token)
  local value = not is_op(self, ";") and not is_op(self, "}") and peek(self).type ~= "eof" and
    expression(self) or nil
  finish(self)
  return node(self, "return", token, { value = value })
end

local function leave(word)
  statements[word] = function(self, token)
    if self.loops == 0 and (word == "continue" or self.switches == 0) then
      self.diag:error(token, "'" .. word .. "' stands in no loop")
    end
    finish(self)
    return node(self, word, token)
  end
end
leave("break")
leave("continue")

statements.forever = function(self, token)
  return node(self, "while", token, { body = loop_body(self) })
end

statements.foreach = function(self, token)
  expect(self, "(", "behind foreach")
  local loop = node(self, "foreach", token, { over = expression(self) })
  if not accept_word(self, "as") then
    fail(self, peek(self), "'as' is missing before " .. shown(peek(self)))
  end
  local function target()
    if is_op(self, "[") then
      local open = advance(self)
      return pattern(self, array_rest(self, open, "]"))
    end
    local token_ = advance(self)
    if token_.type ~= "var" then
      fail(self, token_, "a variable is missing before " .. shown(token_))
    end
    return node(self, "var", token_, { name = token_.value })
  end
  loop.value = target()
  if accept(self, "=>") then
    loop.key, loop.value = loop.value, target()
  end
  expect(self, ")")
  loop.body = loop_body(self)
  return loop
end

statements.global = function(self, token)
  local names = {}
  repeat
    local var = advance(self)
    if var.type ~= "var" then
      fail(self, var, "a variable is missing before " .. shown(var))
    end
    names[#names + 1] = { name = var.value, line = var.line, col = var.col }
  until not accept(self, ",")
  finish(self)
  if not self.in_function then
    self.diag:error(token, "'global' stands in functions: here variables are global already")
  end
  return node(self, "global", token, { names = names })
end

statements.unset = function(self, token)
  expect(self, "(", "behind unset")
  local targets = {}
  repeat
    local target = expression(self)
    if not is_target(target) then fail(self, target, "this can't be unset") end
    targets[#targets + 1] = target
  until not accept(self, ",")
  expect(self, ")")
  finish(self)
  return node(self, "unset", token, { targets = targets })
end

local function case_body(self, case)
  local body = node(self, "block", peek(self), { body = {} })
  while not (is_op(self, "}") or is_word(self, "case") or is_word(self, "default") and
      is_op(self, ":", 1)) do
    if peek(self).type == "eof" then fail(self, peek(self), "'}' of the switch is missing") end
    statement(self, body.body)
  end
  case.body = body
end

statements.switch = function(self, token)
  local switch = node(self, "switch", token, { subject = condition(self, "switch"), cases = {} })
  expect(self, "{", "of the switch")
  self.switches = self.switches + 1
  while not is_op(self, "}") do
    local at = advance(self)
    local case = { line = at.line }
    if at.type == "name" and at.value == "case" then
      case.value = expression(self)
    elseif not (at.type == "name" and at.value == "default") then
      fail(self, at, "'case' or 'default' is missing before " .. shown(at))
    end
    expect(self, ":", "behind the case")
    case_body(self, case)
    switch.cases[#switch.cases + 1] = case
  end
  advance(self)
  self.switches = self.switches - 1
  return switch
end

local function include(word)
  statements[word] = function(self, token)
    local name = advance(self)
    if name.type ~= "str" or not name.value then
      fail(self, name, "what is included is named by a string without variables")
    end
    finish(self)
    return node(self, "include", token, { path = name.value, once = word == "include_once" })
  end
end
include("include")
include("include_once")

statements.barrier = function(self, token)
  local barrier = node(self, "barrier", token, { name = expression(self) })
  if accept(self, "=>") then
    local var = advance(self)
    if var.type ~= "var" then
      fail(self, var, "a variable is missing before " .. shown(var))
    end
    barrier.var = node(self, "var", var, { name = var.value })
  end
  barrier.body = block(self)
  return barrier
end

statements["function"] = function(self, token)
  local name = advance(self)
  if reserved[name.value] then
    fail(self, name, "'" .. name.value .. "' can't be a function's name")
  end
  return node(self, "function", token, { name = name.value,
    func = function_rest(self, token, name.value) })
end

-- Newer words: only where their statement can stand.

statements["while"] = function(self, token)
  return node(self, "while", token, { cond = condition(self, "while"), body = loop_body(self) })
end

statements["for"] = function(self, token)
  local function list(close)
    local out = {}
    while not is_op(self, close) do
      out[#out + 1] = expression(self)
      if not accept(self, ",") then break end
    end
    expect(self, close, "of the for")
    return out
  end
  expect(self, "(", "behind for")
  local loop = node(self, "for", token, { init = list(";") })
  loop.cond = not is_op(self, ";") and expression(self) or nil
  expect(self, ";", "of the for")
  loop.step = list(")")
  loop.body = loop_body(self)
  return loop
end

statements.throw = function(self, token)
  local value = expression(self)
  finish(self)
  return node(self, "throw", token, { value = value })
end

statements.try = function(self, token)
  local try = node(self, "try", token, { body = block(self) })
  if not accept_word(self, "catch") then
    fail(self, peek(self), "'catch' is missing before " .. shown(peek(self)))
  end
  if accept(self, "(") then
    local var = advance(self)
    if var.type ~= "var" then
      fail(self, var, "a variable is missing before " .. shown(var))
    end
    try.var = node(self, "var", var, { name = var.value })
    expect(self, ")")
  end
  try.handler = block(self)
  return try
end

local function member(self, class)
  local static, private, readonly
  while true do
    if accept_word(self, "static") then static = true
    elseif accept_word(self, "private") then private = true
    elseif accept_word(self, "readonly") then readonly = true
    else break end
  end
  local token = advance(self)
  if token.type == "var" then
    local value = accept(self, "=") and expression(self) or nil
    finish(self)
    return { name = token.value, value = value, static = static, private = private,
      readonly = readonly, line = token.line, col = token.col }
  elseif token.type == "name" and token.value == "constructor" and not static then
    return { constructor = true, func = function_rest(self, token, class.name), line = token.line }
  elseif token.type == "name" and token.value == "function" then
    local name = member_name(self)
    return { name = name, func = function_rest(self, token, name), static = static,
      private = private, line = token.line, col = token.col }
  end
  fail(self, token, "a variable, a function or the constructor is missing before " .. shown(token))
end

statements.class = function(self, token)
  local class = node(self, "class", token, { name = member_name(self), members = {} })
  expect(self, "{", "of the class")
  while not is_op(self, "}") do
    if peek(self).type == "eof" then fail(self, peek(self), "'}' of the class is missing") end
    local m = member(self, class)
    if m.func then m.func.method = not m.static end
    class.members[#class.members + 1] = m
  end
  advance(self)
  return class
end

statements.import = function(self, token)
  local import = node(self, "import", token, { names = {} })
  if accept(self, "*") then
    if not accept_word(self, "as") then fail(self, peek(self), "'as' is missing") end
    import.all = member_name(self)
  elseif accept(self, "{") then
    while not is_op(self, "}") do
      local name = advance(self)
      if name.type ~= "name" and name.type ~= "var" then
        fail(self, name, "a name is missing before " .. shown(name))
      end
      local as = accept_word(self, "as") and advance(self) or name
      if as.type ~= name.type then fail(self, as, "a variable is imported as a variable") end
      import.names[#import.names + 1] = { name = name.value, as = as.value,
        var = name.type == "var", line = name.line, col = name.col }
      if not accept(self, ",") then break end
    end
    expect(self, "}")
  else
    local var = advance(self)
    if var.type ~= "var" then
      fail(self, var, "what to import is missing before " .. shown(var))
    end
    import.data = node(self, "var", var, { name = var.value })
  end
  if not accept_word(self, "from") then fail(self, peek(self), "'from' is missing") end
  local path = advance(self)
  if path.type ~= "str" or not path.value then
    fail(self, path, "a module is named by a string without variables")
  end
  import.path = path.value
  if accept_word(self, "with") then import.options = expression(self) end
  finish(self)
  if self.in_function or self.depth > 1 then
    self.diag:error(token, "'import' stands at the top of a file, outside of functions and blocks")
  end
  return import
end

-- Whether a newer word begins its statement here, or is somebody's name.
local newer = {
  ["while"] = "(", ["for"] = "(", try = "{", class = "name", import = true, throw = true,
}

local function begins_statement(self, word)
  local sign = newer[word]
  local following = peek(self, 1)
  if sign == "name" then return following.type == "name" and is_op(self, "{", 2) end
  if sign == "(" or sign == "{" then return is_op(self, sign, 1) end
  if word == "import" then
    return following.type == "var" or is_op(self, "{", 1) or is_op(self, "*", 1)
  end
  return following.type ~= "op" or following.value == "[" or following.value == "-"
end

local function expression_statement(self)
  local token = peek(self)
  if token.type == "name" and token.value == "elseif" then
    fail(self, token, "there is no 'elseif'", hints.elseif_)
  end
  local value = expression(self)
  finish(self)
  return node(self, "expression", token, { value = value })
end

local function one_statement(self)
  local token = peek(self)
  if token.type == "op" and token.value == "{" then return block(self) end
  if token.type == "op" and token.value == ";" then
    advance(self)
    return nil
  end
  if token.type ~= "name" then return expression_statement(self) end
  local word = token.value
  local parse = statements[word]
  if not parse or newer[word] and not begins_statement(self, word) then
    return expression_statement(self)
  end
  if word == "function" and peek(self, 1).type ~= "name" then return expression_statement(self) end
  advance(self)
  return parse(self, token)
end

-- Behind the next ; or at the } that closes what is open.
local function recover(self)
  local depth = 0
  while peek(self).type ~= "eof" do
    if is_op(self, "{") then depth = depth + 1 end
    if is_op(self, "}") then
      if depth == 0 then return end
      depth = depth - 1
      if depth == 0 then
        advance(self)
        return
      end
    end
    if advance(self).value == ";" and depth == 0 then return end
  end
end

-- Appends a statement to 'out'; after an error it goes on behind the broken one.
function statement(self, out)
  local depth, loops, switches, func = self.depth, self.loops, self.switches, self.in_function
  local start = self.at
  deeper(self, peek(self))
  local ok, made = pcall(one_statement, self)
  self.depth = depth
  if ok then
    out[#out + 1] = made
    return
  end
  if made ~= failure then error(made, 0) end
  self.loops, self.switches, self.in_function = loops, switches, func
  if depth >= MAX_DEPTH or self.diag:enough() then error(failure, 0) end
  recover(self)
  if self.at == start then advance(self) end
end

--- The statements of a file.
function parser.parse(tokens, diag)
  local self = setmetatable({ tokens = tokens, at = 1, diag = diag, depth = 0, loops = 0,
    switches = 0 }, P)
  local body = {}
  local ok, why = pcall(function()
    while peek(self).type ~= "eof" and not diag:enough() do
      if is_op(self, "}") then
        diag:error(peek(self), "this '}' closes nothing")
        advance(self)
      else
        statement(self, body)
      end
    end
  end)
  if not ok and why ~= failure then error(why, 0) end
  return { t = "file", line = 1, col = 1, body = body }
end

return parser
