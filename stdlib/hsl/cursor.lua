-- Where the parser is among its tokens, and what it says when they aren't what they should be.
local cursor = {}

local MAX_DEPTH = 60      -- of nested expressions and statements: Lua's own parser has 200

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
cursor.failure = failure

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
}

local function expect(self, op, where)
  local token = accept(self, op)
  if token then return token end
  local found, hint = peek(self), nil
  if (found.value == "&" or found.value == "|") and is_op(self, found.value, 1) then
    hint = hints[found.value]
  elseif op == ";" and found.type == "name" and is_op(self, "=", 1) then
    hint = "variables begin with $"
  elseif op == "]" and found.type == "op" and found.value == ":" then
    hint = "write '=>' between key and value"
  end
  -- What is missing at the end of a line is shown there.
  local before = self.tokens[self.at - 1]
  local stop = before and (before.stop or { line = before.line,
    col = before.col + #tostring(before.value or "") + (before.type == "var" and 1 or 0) })
  local at = found
  if stop and op == ";" and stop.line < found.line then
    at = stop
  elseif before and before.type == "str" and found.type ~= "op" and found.type ~= "eof" and
      stop.line == found.line and stop.col == found.col then
    hint = before.line < stop.line and
      ("the string that begins in line %d ends before it"):format(before.line) or
      'the string ends before it: \\" is a quote in one, and \'.\' joins texts'
  end
  local message = ("'%s' is missing%s before %s"):format(op, where and " " .. where or "", shown(found))
  if at == stop and (found.type == "var" or found.type == "name") then
    self.diag:error(at, message, hint)      -- what stands on the next line is a statement
    return found
  end
  fail(self, at, message, hint)
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

-- Names that can't be those of functions at any level.
local reserved = {}
for word in ([[and array as barrier break builtin cache case closure continue default echo else
  false foreach forever function global if include include_once isset not or return switch
  true unset none]]):gmatch("%S+") do reserved[word] = true end
cursor.reserved = reserved
cursor.hints = hints
cursor.MAX_DEPTH = MAX_DEPTH

cursor.peek = peek
cursor.is_op = is_op
cursor.is_word = is_word
cursor.advance = advance
cursor.accept = accept
cursor.accept_word = accept_word
cursor.fail = fail
cursor.shown = shown
cursor.expect = expect
cursor.node = node
cursor.deeper = deeper

return cursor
