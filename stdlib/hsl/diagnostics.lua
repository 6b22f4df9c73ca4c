-- What the compiler has to say of a source: errors and warnings, with their places.
local diagnostics = {}

local MAX_ERRORS = 20
local MAX_SHOWN = 120

local methods = {}
methods.__index = methods

function diagnostics.new(path, source)
  return setmetatable({ path = path, source = source, errors = {}, warnings = {} }, methods)
end

local function add(list, line, col, message, hint)
  local last = list[#list]
  if last and last.line == line and last.col == col then return end   -- one per place
  list[#list + 1] = { line = line, col = col, message = message, hint = hint }
end

--- Notes an error at a token or node; what follows is looked at too.
function methods:error(at, message, hint)
  if #self.errors < MAX_ERRORS then add(self.errors, at.line, at.col, message, hint) end
end

function methods:warn(at, message, hint)
  if #self.warnings < 200 then add(self.warnings, at.line, at.col, message, hint) end
end

--- True when there are so many errors that the rest of the source tells nothing.
function methods:enough()
  return #self.errors >= MAX_ERRORS
end

-- Where each line of the source begins.
local function line_starts(source)
  local starts, newline = { 1 }, source:find("\n", 1, true)
  while newline do
    starts[#starts + 1] = newline + 1
    newline = source:find("\n", newline + 1, true)
  end
  return starts
end

local function line_of(self, wanted)
  self.starts = self.starts or line_starts(self.source)
  local from, following = self.starts[wanted], self.starts[wanted + 1]
  if not from then return "" end
  local line = self.source:sub(from, following and following - 2 or -1)
  return (line:gsub("\r$", ""))
end

-- The line without its indent, and a blank for each character up to the caret; tabs stay tabs.
local function picture(self, line, col)
  local text = line_of(self, line)
  local indent = #text:match("^[ \t]*")
  local caret = col - 1 - indent
  local shown = text:sub(indent + 1)
  if shown == "" then return "" end
  if caret > MAX_SHOWN then   -- what is far to the right is shown from there
    shown = "..." .. shown:sub(caret - 30)
    caret = 34
  end
  shown = shown:sub(1, MAX_SHOWN + 40):gsub("[%c\x7f]", function(c) return c == "\t" and c or "?" end)
  if caret < 0 then return "\n    " .. shown end
  local before = shown:sub(1, caret):gsub("[\x80-\xbf]", ""):gsub("[^\t]", " ")
  return "\n    " .. shown .. "\n    " .. before .. "^"
end

local function texts(self, list, word)
  table.sort(list, function(a, b) return a.line < b.line or a.line == b.line and a.col < b.col end)
  local out = {}
  for i, d in ipairs(list) do
    out[i] = ("%s:%d:%d: %s%s%s%s"):format(self.path, d.line, d.col, word, d.message,
      picture(self, d.line, d.col), d.hint and "\n    " .. d.hint or "")
  end
  return out
end

--- The errors as texts, in the order of the source.
function methods:error_texts()
  return texts(self, self.errors, "")
end

function methods:warning_texts()
  return texts(self, self.warnings, "warning: ")
end

return diagnostics
