-- Reads HSL for "sluice check", as parser.lua does Lua: what the checks want to hear of. The compiler
-- has said already what it finds itself: names, unreachable statements, variables.
--
--   read_hsl(path, source, {
--     assign(name),                       the script has a function of this name
--     fact(name, line, column),           a variable of the phase is read, unless the main code assigns it
--     call(call),                         a function is called by name; as in parser.lua
--   })
local diagnostics = require "hsl.diagnostics"
local lexer = require "hsl.lexer"
local parser = require "hsl.parser"
local survey = require "hsl.survey"

local function text_of(node)
  return { text = node.t == "str" and node.value or nil, line = node.line, column = node.col }
end

-- An array as a table of options: its literal keys, and whether there may be others.
local function options_of(node)
  local keys, others = {}, false
  for _, item in ipairs(node.items) do
    if item.key and item.key.t == "str" then
      keys[#keys + 1] = { value = item.key.value, line = item.key.line, column = item.key.col,
        given = text_of(item.value) }
    else
      others = true
    end
  end
  return { keys = keys, others = others, line = node.line, column = node.col }
end

local function call_of(node)
  local callee, arguments, many = node.callee, {}, false
  for i, arg in ipairs(node.args) do
    many = many or arg.t == "spread"
    arguments[i] = arg.t == "array" and options_of(arg) or text_of(arg)
  end
  return { name = callee.name, original = callee.t == "builtin", line = callee.line,
    column = callee.col, arguments = arguments, n = many and #arguments - 1 or #arguments,
    many = many, last = arguments[#arguments] }
end

return function(path, source, on)
  local diag = diagnostics.new(path, source)
  local file = parser.parse(lexer.tokens(source, diag), diag)
  if #diag.errors > 0 then return end
  local _, assigns = survey.names(file)

  local function fact(name, node)
    if not assigns[name] or assigns[name] == "elements" then on.fact(name, node.line, node.col) end
  end
  local function walk(node, in_function)
    if node.t == "call" and (node.callee.t == "name" or node.callee.t == "builtin") then
      on.call(call_of(node))
    elseif node.t == "var" and not in_function then
      fact(node.name, node)
    elseif node.t == "interp" and not in_function then
      for _, part in ipairs(node.parts) do
        if type(part) == "table" then fact(part.name, part) end
      end
    elseif node.t == "global" then
      for _, name in ipairs(node.names) do fact(name.name, name) end
    elseif node.t == "function" then
      on.assign(node.name)
    end
    for _, child in pairs(node) do
      if type(child) == "table" then walk(child, in_function or node.t == "func") end
    end
  end
  walk(file, false)
end
