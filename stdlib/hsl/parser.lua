-- From tokens to a tree: the grammar of statements. That of expressions is grammar.lua.
local cursor = require "hsl.cursor"
local foreign = require "hsl.foreign"
local grammar = require "hsl.grammar"
local lift = require "hsl.lift"

local parser = {}

local peek, is_op, is_word, advance = cursor.peek, cursor.is_op, cursor.is_word, cursor.advance
local accept, accept_word, expect = cursor.accept, cursor.accept_word, cursor.expect
local fail, node, deeper, shown = cursor.fail, cursor.node, cursor.deeper, cursor.shown
local reserved = cursor.reserved
local failure, MAX_DEPTH = cursor.failure, cursor.MAX_DEPTH
local expression, array_rest, function_rest = grammar.expression, grammar.array_rest,
  grammar.function_rest
local pattern, is_target, member_name = grammar.pattern, grammar.is_target, grammar.member_name

local statement, block

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

-- 'else if' of other languages.
local elses = { ["elseif"] = true, elif = true, elsif = true }

local function accept_else(self)
  local word = peek(self)
  if word.type ~= "name" then return nil end
  if word.value == "else" then return advance(self) end
  if not elses[word.value] or not is_op(self, "(", 1) then return nil end
  self.diag:error(word, ("there is no '%s'"):format(word.value), "write 'else if'")
  return word     -- and stands for the 'if'
end

statements["if"] = function(self, token)
  local chain = node(self, "if", token, { arms = {} })
  chain.arms[1] = { line = token.line, cond = condition(self, "if"), body = body_of(self) }
  local word = accept_else(self)
  while word do
    if not is_word(self, "if") and word.value == "else" then
      chain.otherwise = body_of(self)
      break
    end
    local at = advance(self)
    chain.arms[#chain.arms + 1] = { line = at.line, cond = condition(self, "if"),
      body = body_of(self) }
    word = accept_else(self)
  end
  return chain
end

statements.echo = function(self, token)
  local value = expression(self)
  if is_op(self, ",") then
    fail(self, peek(self), "';' is missing before ','", "echo takes one value: '.' joins texts")
  end
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
    finish(self)
    if self.loops > 0 or word == "break" and self.switches > 0 then return node(self, word, token) end
    -- Published scripts have this in functions that were loops once: it is an error where it is reached.
    local text = "'" .. word .. "' stands in no loop"
    self.diag:warn(token, text)
    return node(self, "throw", token, { value = node(self, "str", token, { value = text }) })
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
    elseif switch.default then
      self.diag:error(at, "this switch has a default already", "at line " .. switch.default.line)
    else
      switch.default = at
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
    self.has_includes = true
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

-- How many { of the tokens from 'start' on are open.
local function open_braces(self, start)
  local n = 0
  for i = start, self.at - 1 do
    local token = self.tokens[i]
    if token.type == "op" then
      n = n + (token.value == "{" and 1 or token.value == "}" and -1 or 0)
    end
  end
  return math.max(n, 0)
end

-- Behind the broken statement or member that began at 'start': its ; or the } that closes it, or at the }
-- that closes what is around it.
local function recover(self, start)
  local depth = open_braces(self, start)
  while peek(self).type ~= "eof" do
    if is_op(self, "{") then depth = depth + 1 end
    if is_op(self, "}") then
      if depth == 0 then return end
      depth = depth - 1
      if depth == 0 then
        advance(self)
        if not is_word(self, "else") then return end
      end
    end
    local token = advance(self)
    if token.type == "op" and token.value == ";" and depth == 0 then return end
  end
end

local function member(self, class)
  local static, private, readonly
  while true do
    if accept_word(self, "static") then static = true
    elseif accept_word(self, "private") then private = true
    elseif accept_word(self, "readonly") then readonly = true
    elseif foreign.access[peek(self).value] and peek(self).type == "name" then
      local word = advance(self)
      self.diag:error(word, ("there is no '%s'"):format(word.value), foreign.access[word.value])
    else break end
  end
  local token = advance(self)
  if token.type == "var" then
    local value = accept(self, "=") and expression(self) or nil
    finish(self)
    return { name = token.value, value = value, static = static, private = private,
      readonly = readonly, line = token.line, col = token.col }
  elseif token.type == "name" and token.value == "constructor" and not static then
    return { constructor = true, func = function_rest(self, token, class.name), line = token.line,
      col = token.col }
  elseif token.type == "name" and token.value == "function" then
    local name = member_name(self)
    if name == "__construct" or name == class.name then
      self.diag:warn(token, "this is no constructor", "one is written without function: constructor($x) { }")
    end
    return { name = name, func = function_rest(self, token, name), static = static,
      private = private, line = token.line, col = token.col }
  end
  fail(self, token, "a variable, a function or the constructor is missing before " .. shown(token))
end

-- Appends it; after an error the next one is looked at.
local function member_or_error(self, class)
  local start, depth, func = self.at, self.depth, self.in_function
  local ok, m = pcall(member, self, class)
  if ok then
    if m.func then m.func.method = not m.static end
    class.members[#class.members + 1] = m
    return
  end
  if m ~= failure then error(m, 0) end
  self.depth, self.in_function = depth, func
  if depth >= MAX_DEPTH or self.diag:enough() then error(failure, 0) end
  recover(self, start)
  if self.at == start then advance(self) end
end

statements.class = function(self, token)
  local class = node(self, "class", token, { name = member_name(self), members = {} })
  expect(self, "{", "of the class")
  while not is_op(self, "}") do
    if peek(self).type == "eof" then fail(self, peek(self), "'}' of the class is missing") end
    member_or_error(self, class)
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

-- Operators with which what is thrown may begin. "throw (x)" is no call: nobody's function is named so.
local begins_expression = { ["("] = true, ["["] = true, ["-"] = true, ["!"] = true, ["~"] = true,
  ["++"] = true, ["--"] = true }

local function begins_statement(self, word)
  local sign = newer[word]
  local following = peek(self, 1)
  if sign == "name" then return following.type == "name" and is_op(self, "{", 2) end
  if sign == "(" or sign == "{" then return is_op(self, sign, 1) end
  if word == "import" then
    return following.type == "var" or is_op(self, "{", 1) or is_op(self, "*", 1)
  end
  return following.type ~= "op" or begins_expression[following.value] or false
end

local function expression_statement(self)
  local token = peek(self)
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
  if word == "do" and is_op(self, "{", 1) then
    self.diag:error(advance(self), "there is no 'do'", foreign.words["do"])
    return block(self)
  end
  if (word == "while" or word == "for") and (peek(self, 1).type == "var" or peek(self, 1).type == "num") then
    fail(self, peek(self, 1), ("'(' is missing behind %s before %s"):format(word, shown(peek(self, 1))))
  end
  if not parse or newer[word] and not begins_statement(self, word) then
    return expression_statement(self)
  end
  if word == "function" and peek(self, 1).type ~= "name" then return expression_statement(self) end
  advance(self)
  return parse(self, token)
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
  recover(self, start)
  if self.at == start then advance(self) end
end

--- The statements of a file.
function parser.parse(tokens, diag)
  local self = { tokens = tokens, at = 1, diag = diag, depth = 0, loops = 0, switches = 0,
    block = block }
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
  return { t = "file", line = 1, col = 1, body = lift.body(body), has_includes = self.has_includes }
end

return parser
