-- From the bytes of a source to tokens.
--
-- A token: type ("name" "var" "num" "str" "regex" "op" "eof"), value, line, col, and for
-- strings either value (a text) or parts: texts and { name, line, col } of interpolated
-- variables.
local lexer = {}

local find, sub, byte = string.find, string.sub, string.byte

-- Longest first: three bytes, two, one.
local operators = {
  { "===", "!==", "**=", "??=", "...", ">>>", n = 3 },
  { "==", "!=", "<=", ">=", "=~", "!~", "=>", "->", "::", "++", "--", "+=", "-=", "*=", "/=",
    "%=", ".=", "**", "<<", ">>", "??", n = 2 },
}
local known = {}
for _, list in ipairs(operators) do
  for _, op in ipairs(list) do known[op] = true end
end
for c in ("+-*/%.=<>!?:;,()[]{}&|^~"):gmatch(".") do known[c] = true end

local escapes = { n = "\n", r = "\r", t = "\t", ["\\"] = "\\", ['"'] = '"', ["$"] = "$" }

-- What people paste from web pages and word processors: ranges of characters.
local strangers = {}
for _, row in ipairs {
  { 0x2018, 0x201f, "a curly quote" }, { 0x2010, 0x2015, "a dash" },
  { 0x2212, 0x2212, "a minus sign that isn't '-'" }, { 0xfeff, 0xfeff, "a byte-order mark" },
  { 0x2000, 0x200a, "a wide or narrow space" }, { 0x3000, 0x3000, "a wide or narrow space" },
  { 0x205f, 0x205f, "a wide or narrow space" }, { 0xa0, 0xa0, "a no-break space" },
  { 0x202f, 0x202f, "a no-break space" }, { 0x200b, 0x200d, "a zero-width space" },
  { 0x2028, 0x2029, "a line separator that isn't a newline" },
} do
  for code = row[1], row[2] do strangers[utf8.char(code)] = row[3] end
end

local L = {}
L.__index = L

local function column(self, pos)
  return pos - self.line_start + 1
end

local function place(self, pos)
  return { line = self.line, col = column(self, pos) }
end

local function push(self, type, value, pos)
  local token = { type = type, value = value, line = self.line, col = column(self, pos) }
  self.n = self.n + 1
  self.tokens[self.n] = token
  return token
end

-- Counts the lines of what is passed over.
local function pass_lines(self, from, to)
  local newline = find(self.source, "\n", from, true)
  while newline and newline <= to do
    self.line = self.line + 1
    self.line_start = newline + 1
    newline = find(self.source, "\n", newline + 1, true)
  end
end

local function skip_comment(self, pos)
  local source = self.source
  if byte(source, pos + 1) == 47 then   -- //
    return find(source, "\n", pos, true) or #source + 1
  end
  local _, close = find(source, "*/", pos + 2, true)
  if not close then
    self.diag:error(place(self, pos), "this comment has no end")
    close = #source
  end
  pass_lines(self, pos, close)
  return close + 1
end

-- Underscores may part the digits of a number.
local function digits(text)
  return (text:gsub("_", ""))
end

-- Behind the digits, which end before 'pos'.
local function end_number(self, pos)
  local source = self.source
  self.tokens[self.n].stop = place(self, pos)
  local _, tail = find(source, "^[%w_]+", pos)
  if not tail then return pos end
  self.diag:error(place(self, pos), "'" .. sub(source, pos, tail) .. "' can't follow a number")
  return tail + 1
end

local function radix_number(self, pos, pattern, base)
  local source = self.source
  local _, close, text = find(source, pattern, pos + 2)
  if not close then
    self.diag:error(place(self, pos), "digits are missing")
    push(self, "num", 0.0, pos)
    return pos + 2
  end
  local value = 0.0
  for c in digits(text):gmatch(".") do value = value * base + tonumber(c, base) end
  push(self, "num", value, pos)
  local _, fraction = find(source, "^%.%d+", close + 1)
  if fraction then
    self.diag:error(place(self, pos), "only decimal numbers have a fraction",
      "blanks around '.' join two numbers as texts: 0x10 . 5")
  end
  return end_number(self, (fraction or close) + 1)
end

local function read_number(self, pos)
  local source = self.source
  local mark = sub(source, pos, pos + 1)
  if mark == "0x" or mark == "0X" then return radix_number(self, pos, "^(%x[%x_]*)", 16) end
  if mark == "0o" then return radix_number(self, pos, "^([0-7][0-7_]*)", 8) end
  if mark == "0b" then return radix_number(self, pos, "^([01][01_]*)", 2) end
  local _, close = find(source, "^%d[%d_]*", pos)
  local _, fraction = find(source, "^%.%d[%d_]*", close + 1)
  close = fraction or close
  if fraction and find(source, "^%.%d", close + 1) then
    self.diag:error(place(self, pos), "a number has one point at most",
      "blanks around '.' join two numbers as texts: 1.0 . 2.5")
    _, close = find(source, "^[%d.]+", close + 1)
    push(self, "num", 0.0, pos)
    return close + 1
  end
  push(self, "num", tonumber(digits(sub(source, pos, close))) + 0.0, pos)
  return end_number(self, close + 1)
end

-- ---- strings ----------------------------------------------------------------

local function add_escape(self, text, pos)
  local c = sub(self.source, pos + 1, pos + 1)
  if escapes[c] then
    text[#text + 1] = escapes[c]
    return pos + 2
  end
  local hex = c == "x" and self.source:match("^%x%x", pos + 2)
  if hex then
    text[#text + 1] = string.char(tonumber(hex, 16))
    return pos + 4
  end
  if c ~= "" then
    self.diag:warn(place(self, pos), "\\" .. c .. " is no escape: the backslash stays")
  end
  text[#text + 1] = "\\"
  return pos + 1
end

-- "$name" or "${name}"; a $ before anything else, a digit too, is a $.
-- Names had no underscores in 2016: "$a_b" is $a then, unless $a_b stood somewhere before.
local function interpolated(self, pos)
  local name = self.source:match("^[%a_][%w_]*", pos + 1)
  if name and self.diag.level == 2016 and not self.named[name] then
    name = self.source:match("^%a%w*", pos + 1)
  end
  if name then return name, pos + 1 + #name end
  name = self.source:match("^{([%a_][%w_]*)}", pos + 1)
  if name then return name, pos + 3 + #name end
end

-- Elements and members are replaced in other languages' strings: "$a[0]", "$a->b".
local function warn_of_element(self, name, pos)
  local source = self.source
  local more = source:match("^%[%$?%-?[%w_]+%]", pos) or source:match("^%['[%w_]+'%]", pos) or
    source:match("^%->[%a_][%w_]*", pos)
  if not more then return end
  self.diag:warn(place(self, pos), ("%s stays as it is: only $%s is replaced in a string"):format(more, name),
    "join texts with '.'")
end

local function close_text(parts, text)
  if #text > 0 then parts[#parts + 1] = table.concat(text) end
end

local function read_string(self, start)
  local source = self.source
  local token = push(self, "str", "", start)
  local parts, text, pos = {}, {}, start + 1
  while true do
    local stop = find(source, '["\\$\n]', pos)
    if not stop then
      self.diag:error(token, "this string has no end")
      token.value = ""
      return #source + 1
    end
    if stop > pos then text[#text + 1] = sub(source, pos, stop - 1) end
    local c = sub(source, stop, stop)
    if c == '"' then
      pos = stop + 1
      break
    elseif c == "\\" then
      pos = add_escape(self, text, stop)
    elseif c == "\n" then
      text[#text + 1] = c
      self.line = self.line + 1
      self.line_start = stop + 1
      pos = stop + 1
    else
      local name, after = interpolated(self, stop)
      if name then
        close_text(parts, text)
        text = {}
        parts[#parts + 1] = { name = name, line = self.line, col = column(self, stop) }
        warn_of_element(self, name, after)
        pos = after
      else
        if byte(source, stop + 1) == 123 then
          self.diag:warn(place(self, stop), "'${' without a name and } stays as it is")
        end
        text[#text + 1] = "$"
        pos = stop + 1
      end
    end
  end
  close_text(parts, text)
  token.stop = place(self, pos)
  if #parts == 0 then
    token.value = ""
  elseif #parts == 1 and type(parts[1]) == "string" then
    token.value = parts[1]
  else
    token.value, token.parts = nil, parts
  end
  return pos
end

local kinds_of_strings = 'strings are "text", or \'\'text\'\' without escapes'

-- 'text', a string elsewhere.
local function single_quoted(self, pos)
  local close = find(self.source, "'", pos + 1, true)
  local newline = find(self.source, "\n", pos, true)
  if not close or newline and newline < close then close = newline and newline - 1 or #self.source end
  self.diag:error(place(self, pos), "'text' is no string", kinds_of_strings)
  push(self, "str", sub(self.source, pos + 1, close - 1), pos).stop = place(self, close + 1)
  return close + 1
end

-- ''...'' or 'DELIM'...'DELIM'
local function read_raw(self, pos)
  local source = self.source
  local mark = source:match("^'[\x21-\x26\x28-\x7e]*'", pos)
  if not mark then return single_quoted(self, pos) end
  local from = pos + #mark
  local close, last = find(source, mark, from, true)
  if not close then
    if #mark > 2 and find(source, "^%s*[]),;.=]", from) then return single_quoted(self, pos) end
    self.diag:error(place(self, pos), "this string has no end (" .. mark .. ")",
      #mark > 2 and kinds_of_strings or nil)
    return #source + 1
  end
  local text = sub(source, from, close - 1)
  local needless = not find(text, "\n", 1, true) and not find(text, "''", 1, true)
  if #mark > 2 and (needless or find(text, "^%s*[]),;.=]")) then
    self.diag:warn(place(self, pos), "this string goes from " .. mark .. " to the next " .. mark,
      kinds_of_strings)
  end
  local token = push(self, "str", text, pos)
  pass_lines(self, from, close)
  token.stop = place(self, last + 1)
  return last + 1
end

-- #/pattern/flags
local function read_regex(self, pos)
  local source = self.source
  local at, class = pos + 2, false
  while true do
    local c = sub(source, at, at)
    if c == "" or c == "\n" then
      self.diag:error(place(self, pos), "this pattern has no end")
      push(self, "regex", "//", pos)
      return sub(source, at - 1, at - 1) == ";" and at - 1 or at
    elseif c == "\\" then
      at = at + 1
    elseif c == "[" then
      class = true
    elseif c == "]" then
      class = false
    elseif c == "/" and not class then
      break
    end
    at = at + 1
  end
  local _, close = find(source, "^[imusxUX]*", at + 1)
  push(self, "regex", sub(source, pos + 1, close), pos)
  return close + 1
end

-- ---- the rest -----------------------------------------------------------------

local function read_operator(self, pos)
  local source = self.source
  for n = 3, 1, -1 do
    local op = sub(source, pos, pos + n - 1)
    if #op == n and known[op] then
      push(self, "op", op, pos)
      return pos + n
    end
  end
  return nil
end

-- “text” up to the quote that ends it on its line is the string that was meant.
local function curly_text(self, pos, size)
  local from, source = pos + size, self.source
  local newline = find(source, "\n", from, true) or #source + 1
  local close, last = find(source, "\xe2\x80[\x98\x99\x9c-\x9e]", from)
  if not close or close > newline then return from end
  push(self, "str", sub(source, from, close - 1), pos).stop = place(self, last + 1)
  return last + 1
end

local function describe(c)
  if #c > 1 or find(c, "^[\x20-\x7e]$") then return "'" .. c .. "'" end
  return ("the byte 0x%02x"):format(byte(c))
end

-- Pages have it where their code has a blank: that is what it is, told once a line.
local function odd_blank(self, pos, character)
  if self.odd_line ~= self.line then
    self.diag:warn(place(self, pos), "a no-break space stands for a blank here", "replace it by one")
    self.odd_line = self.line
  end
  return pos + #character
end

-- A byte or character that means nothing; more of the same behind it are told with it.
local function strange(self, pos)
  local source = self.source
  local c = source:match("^[\xc2-\xf4][\x80-\xbf]+", pos) or sub(source, pos, pos)
  local what = strangers[c] or describe(c)
  if what == "a no-break space" then return odd_blank(self, pos, c) end
  local is_quote = find(what, "quote", 1, true)
  self.diag:error(place(self, pos), what .. " can't stand here",
    is_quote and 'strings are in straight quotes: "text"' or
    find(what, "space", 1, true) and "replace it by a blank" or
    c == "#" and "comments begin with // or stand between /* and */" or nil)
  if c == "#" then return find(source, "\n", pos, true) or #source + 1 end
  if is_quote then return curly_text(self, pos, #c) end
  repeat pos = pos + #c until sub(source, pos, pos + #c - 1) ~= c
  return pos
end

local function read_variable(self, pos)
  local name = self.source:match("^[%a_][%w_]*", pos + 1)
  if not name then
    self.diag:error(place(self, pos), "a variable's name begins with a letter")
    local _, close = find(self.source, "^%w*", pos + 1)
    push(self, "var", "", pos)
    return close + 1
  end
  push(self, "var", name, pos)
  self.named[name] = true
  return pos + 1 + #name
end

local function read_token(self, pos)
  local source = self.source
  local c = byte(source, pos)
  if c == 36 then return read_variable(self, pos) end             -- $
  if c == 34 then return read_string(self, pos) end               -- "
  if c == 39 then return read_raw(self, pos) end                  -- '
  if c == 35 and byte(source, pos + 1) == 47 then return read_regex(self, pos) end
  if c == 47 and (byte(source, pos + 1) == 47 or byte(source, pos + 1) == 42) then
    return skip_comment(self, pos)
  end
  if c >= 48 and c <= 57 then return read_number(self, pos) end
  local name = source:match("^[%a_][%w_]*", pos)
  if name then
    push(self, "name", name, pos)
    return pos + #name
  end
  return read_operator(self, pos) or strange(self, pos)
end

--- All tokens of a source; the last one is of type "eof".
function lexer.tokens(source, diag)
  local self = setmetatable({ source = source, diag = diag, tokens = {}, n = 0, line = 1,
    line_start = 1, named = {} }, L)
  local pos, size = 1, #source
  local opening = source:match("^<%?%a*")
  if opening then
    diag:error(place(self, 1), "there is no '" .. opening .. "': all of a file is a script")
    pos = #opening + 1
  end
  while pos <= size do
    local _, blank = find(source, "^[ \t\r\f\v]+", pos)
    if blank then
      pos = blank + 1
    elseif byte(source, pos) == 10 then
      self.line = self.line + 1
      self.line_start = pos + 1
      pos = pos + 1
    else
      if diag:enough() then break end
      pos = read_token(self, pos)
    end
  end
  push(self, "eof", "the end of the file", math.max(size, self.line_start))
  return self.tokens
end

return lexer
