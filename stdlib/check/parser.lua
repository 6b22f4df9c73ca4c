-- Reads Lua 5.4 for "sluice check": no tree, only what the checks want to hear of.
-- The source compiles already, so nothing here complains.
--
--   parse(source, {
--     read(name, line, column),           a global is read
--     assign(name, line, column),         a global is assigned
--     call(call),                         a global (or builtin.NAME) is called; see finish_call
--     unreachable(line, column, call),    a statement behind a call that 'ends' says ends the run
--     ends(call) -> boolean,
--   })
local keywords = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true until while"):gmatch("%a+") do
  keywords[word] = true
end

-- ---- tokens -----------------------------------------------------------------

local function tokens(source)
  local at, line, line_start, out = 1, 1, 1, {}
  local function newlines(text, from)
    for n in text:gmatch("()\n") do line, line_start = line + 1, from + n end
  end
  local function add(kind, value, length)
    out[#out + 1] = { kind = kind, value = value, line = line, column = at - line_start + 1 }
    at = at + length
  end
  if source:sub(1, 3) == "\xef\xbb\xbf" then at, line_start = 4, 4 end
  if source:sub(at, at) == "#" then at = source:find("\n", at, true) or #source + 1 end
  while true do
    local blank = source:match("^%s+", at)
    if blank then newlines(blank, at) at = at + #blank end
    if at > #source then break end
    local c = source:sub(at, at)
    local level = source:match("^%-%-%[(=*)%[", at)
    local text_level = source:match("^%[(=*)%[", at)
    if level or text_level then
      local _, stop = source:find("]" .. (level or text_level) .. "]", at, true)
      local text = source:sub(at, stop or #source)
      if text_level then out[#out + 1] = { kind = "string", value = text, long = true, line = line, column = at - line_start + 1 } end
      newlines(text, at)
      at = at + #text
    elseif source:find("^%-%-", at) then
      at = source:find("\n", at, true) or #source + 1
    elseif c:find("[%a_]") then
      local word = source:match("^[%w_]+", at)
      add(keywords[word] and word or "name", word, #word)
    elseif source:find("^%.?%d", at) then
      local number = source:match("^0[xX][%x%.]*[pP]?[+-]?%x*", at) or source:match("^[%d%.]+[eE][+-]?%d+", at) or
        source:match("^[%d%.]+", at)
      add("number", number, #number)
    elseif c == '"' or c == "'" then
      local stop = at + 1
      while stop <= #source and source:sub(stop, stop) ~= c do
        stop = stop + (source:sub(stop, stop) == "\\" and 2 or 1)
      end
      local text = source:sub(at, stop)
      add("string", text:sub(2, -2), #text)
      if text:find("\n") then newlines(text, at - #text) end
    else
      local op = source:match("^%.%.%.", at) or source:match("^%.%.", at) or source:match("^[=~<>]=", at) or
        source:match("^//", at) or source:match("^<<", at) or source:match("^>>", at) or source:match("^::", at) or c
      add(op, op, #op)
    end
  end
  out[#out + 1] = { kind = "eof", line = line, column = at - line_start + 1 }
  return out
end

-- ---- the parser -------------------------------------------------------------

local binary = {}
for op in ("+ - * / // % ^ .. == ~= < > <= >= & | ~ << >> and or"):gmatch("%S+") do binary[op] = true end
local block_end = { ["end"] = true, ["else"] = true, ["elseif"] = true, ["until"] = true, eof = true }

local function parse(source, on)
  local list, at, scope = tokens(source), 1, {}
  local expression, block, expressions

  local function peek() return list[at].kind end
  local function take() at = at + 1 return list[at - 1] end
  -- A string as a value: its text, where that is what stands in the source.
  local function literal(token)
    return { text = not token.long and not token.value:find("\\", 1, true) and token.value or nil,
      line = token.line, column = token.column }
  end
  local function accept(kind) if peek() == kind then return take() end end

  local function open() scope = setmetatable({}, { __index = scope, outer = scope }) end
  local function close() scope = getmetatable(scope).outer end
  local function declare(name) scope[name] = true end

  local function reference(token)
    local known = scope[token.value]
    if not known then on.read(token.value, token.line, token.column) end
    return { name = not known and token.value or nil, line = token.line, column = token.column }
  end

  local function body()
    open()
    accept("(")
    while peek() ~= ")" and peek() ~= "eof" do
      local token = take()
      if token.kind == "name" then declare(token.value) end
    end
    accept(")")
    block()
    accept("end")
    close()
  end

  -- The keys that are names, each with its place and the value it is given; 'others': there may be more.
  local function table_literal()
    local keys, others = {}, false
    take()
    while peek() ~= "}" and peek() ~= "eof" do
      local key
      if peek() == "name" and list[at + 1].kind == "=" then
        key = take()
        keys[#keys + 1] = key
        take()
      elseif accept("[") then
        expression()
        accept("]")
        accept("=")
        others = true
      else
        others = true
      end
      local given = expression()
      if key then key.given = given end
      if not accept(",") then accept(";") end
    end
    accept("}")
    return { keys = keys, others = others }
  end

  -- name ("Class.name" is 'of' the Class), line, column, 'original' (of builtin.NAME); n arguments ('many': the
  -- last one may be several); 'last' of it, a table literal if that is one. An argument with a 'text' is a plain string.
  local function finish_call(fn, arguments)
    if not fn.name then return {} end
    local call = { name = fn.name, line = fn.line, column = fn.column, original = fn.original, of = fn.of,
      arguments = arguments, n = #arguments,
      many = #arguments > 0 and arguments[#arguments].many, last = arguments[#arguments] }
    on.call(call)
    return { call = call }
  end

  local function suffixed()
    local token, value = take(), nil
    if token.kind == "name" then value = reference(token)
    else expression() accept(")") value = {} end
    while true do
      local kind = peek()
      if kind == "." then
        take()
        local field = take()
        -- builtin.NAME, or Class.name: a table's own field is no builtin's name
        local original, class = value.name == "builtin", not value.field and value.name
        value = { name = original and field.value or class and class .. "." .. field.value or nil,
          line = field.line, column = field.column, original = original, field = true, of = class or nil }
      elseif kind == "[" then
        take() expression() accept("]")
        value = { field = true }
      elseif kind == ":" then
        take() take()
        value = {}
      elseif kind == "(" then
        take()
        local arguments = peek() == ")" and {} or expressions()
        accept(")")
        value = finish_call(value, arguments)
        value.many = true
      elseif kind == "string" or kind == "{" then
        local argument = kind == "{" and table_literal() or literal(take())
        value = finish_call(value, { argument })
        value.many = true
      else
        return value
      end
    end
  end

  local function simple()
    local kind = peek()
    if kind == "{" then return table_literal() end
    if kind == "function" then take() body() return {} end
    if kind == "..." then take() return { many = true } end
    if kind == "name" or kind == "(" then return suffixed() end
    if kind == "string" then return literal(take()) end
    take()
    return {}
  end

  function expression()
    local value
    if peek() == "not" or peek() == "-" or peek() == "#" or peek() == "~" then
      take()
      expression()
      value = {}
    else
      value = simple()
    end
    while binary[peek()] do
      take()
      expression()
      value = {}
    end
    return value
  end

  function expressions()
    local out = { expression() }
    while accept(",") do out[#out + 1] = expression() end
    return out
  end

  local function assign(token)
    if not scope[token.value] then on.assign(token.value, token.line, token.column) end
  end

  local statements = {}

  statements["if"] = function()
    take() expression() accept("then") open() block() close()
    while accept("elseif") do expression() accept("then") open() block() close() end
    if accept("else") then open() block() close() end
    accept("end")
  end

  statements["while"] = function()
    take() expression() accept("do") open() block() close() accept("end")
  end

  statements["do"] = function()
    take() open() block() close() accept("end")
  end

  statements["for"] = function()
    local names = {}
    take()
    repeat names[#names + 1] = take().value until not accept(",")
    if not accept("=") then accept("in") end
    expressions()
    accept("do")
    open()
    for _, name in ipairs(names) do declare(name) end
    block()
    close()
    accept("end")
  end

  statements["repeat"] = function()
    take() open() block() accept("until") expression() close()
  end

  statements["function"] = function()
    take()
    local token = take()
    if peek() == "(" then
      assign(token)
    else
      reference(token)
      while accept(".") or accept(":") do take() end
    end
    open()
    declare("self")
    body()
    close()
  end

  statements["local"] = function()
    local names = {}
    take()
    if accept("function") then
      declare(take().value)
      body()
      return
    end
    repeat
      names[#names + 1] = take().value
      if accept("<") then take() accept(">") end
    until not accept(",")
    if accept("=") then expressions() end
    for _, name in ipairs(names) do declare(name) end
  end

  statements["return"] = function()
    take()
    if not block_end[peek()] and peek() ~= ";" then expressions() end
    accept(";")
  end

  statements["goto"] = function() take() take() end
  statements["break"] = function() take() end
  statements[";"] = function() take() end
  statements["::"] = function() take() take() take() end

  -- A call, or an assignment: names on its left are assigned, not read.
  local function expression_statement()
    local from, read, targets = at, on.read, {}
    local held = {}
    on.read = function(...) held[#held + 1] = { ... } end
    local value = suffixed()
    if peek() == "=" or peek() == "," then
      local plain = at == from + 1 and list[from]
      if plain then targets[1], held = plain, {} end
      on.read = read
      for _, r in ipairs(held) do read(table.unpack(r)) end
      while accept(",") do
        if list[at + 1].kind == "," or list[at + 1].kind == "=" then targets[#targets + 1] = take()
        else suffixed() end
      end
      accept("=")
      expressions()
      for _, token in ipairs(targets) do assign(token) end
      return
    end
    on.read = read
    for _, r in ipairs(held) do read(table.unpack(r)) end
    return value.call
  end

  function block()
    local ended
    while not block_end[peek()] do
      local token = list[at]
      if ended and token.kind ~= ";" and token.kind ~= "::" then
        on.unreachable(token.line, token.column, ended)
        ended = nil
      end
      if token.kind == "::" then ended = nil end
      local statement = statements[token.kind]
      if statement then
        statement()
      else
        local call = expression_statement()
        if call and on.ends(call) then ended = call end
      end
    end
  end

  block()
end

return parse
