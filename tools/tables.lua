-- What the program and the doc comments know, for the tools that write documentation:
--
--   local tables = dofile("tools/tables.lua")(SLUICE)
--   tables.builtins   list of { module, name, path, fn, phases = { ... } or nil (everywhere), waits, final,
--                     hsl, inner (for the compiler alone), same (the name that it is another word for),
--                     params = { { name, type, text, optional } }, returns = { { type, name, text } },
--                     overloads = { "a: type, b?: type" } (other ways to call it), prose, example, see = { ... } }
--   tables.modules    names of modules, sorted
--   tables.phases     list of { name, ends_with, without_flow, on_error, accept, reject, defer, failure }
--   tables.facts      list of { name, phases = { ... }, text }
--   tables.keys       list of { name, type, default, text }
--   tables.problems   what is wrong with rows and comments, sorted
local function lines(command)
  local pipe = assert(io.popen(command))
  local out = {}
  for line in pipe:lines() do out[#out + 1] = line end
  assert(pipe:close(), command)
  return out
end

local function words(text)
  local out = {}
  for word in text:gmatch("%S+") do out[#out + 1] = word end
  return out
end

-- ---- doc comments -------------------------------------------------------------

-- "name? type  text" of a parameter, "type name  text" of a result.
local function parse_param(rest)
  local name, kind, text = rest:match("^(%S+)%s+(%S+)%s*(.*)$")
  return { name = name:gsub("%?", ""), optional = name:find("?", 1, true) ~= nil, type = kind, text = text }
end

local function parse_return(rest)
  local kind, name, text = rest:match("^(%S+)%s*(%S*)%s*(.*)$")
  return { type = kind, name = name, text = text }
end

local function parse(comment, b)
  local text = {}
  b.params, b.returns, b.see, b.overloads = {}, {}, {}, {}
  for line in comment:gmatch("([^\n]*)\n") do
    local tag, rest = line:match("^@(%w+)%s+(.*)$")
    if tag == "param" then b.params[#b.params + 1] = parse_param(rest)
    elseif tag == "return" then b.returns[#b.returns + 1] = parse_return(rest)
    elseif tag == "overload" then b.overloads[#b.overloads + 1] = rest:match("^%((.*)%)$")
    elseif tag == "see" then
      for name in rest:gmatch("[^%s,]+") do b.see[#b.see + 1] = name end
    elseif tag then error("@" .. tag .. " in a comment of " .. b.name)
    else text[#text + 1] = line end
  end
  text = table.concat(text, "\n")
  local prose, example = text:match("^(.-)\n\n    (.*)$")
  b.prose = (prose or text):gsub("\n+$", "")
  b.example = example and example:gsub("\n    ", "\n"):gsub("\n+$", "")
end

-- Each comment belongs to the C function that follows it; rows name it.
local function read(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  local comments, rows = {}, {}
  for comment, fn in text:gmatch("/%*lua\n(.-)%*/\nstatic int\n([%w_]+)%(") do comments[fn] = comment end
  for name, fn in (text:match("struct sl_builtin sl_module_.*") or ""):gmatch('{ "([%w_:.]+)", ([%w_]+),') do
    rows[#rows + 1] = { name = name, fn = fn }
  end
  return comments, rows
end

-- Rows with one function are one builtin under several names: the one of the example is described.
local function find_aliases(rows)
  local of = {}
  for _, b in ipairs(rows) do
    local first = of[b.fn]
    if not first then of[b.fn] = b
    elseif not first.example:find("%f[%w_]" .. first.name .. "%f[^%w_]") and
        first.example:find("%f[%w_]" .. b.name .. "%f[^%w_]") then
      of[b.fn] = b
    end
  end
  for _, b in ipairs(rows) do
    if of[b.fn] ~= b then b.same = of[b.fn].name end
  end
end

local function read_builtins(t, sluice)
  local known = {}
  for _, line in ipairs(lines(sluice .. " --builtins")) do
    local module, name, flags, phases = line:match("^(.-)\t(.-)\t(.-)\t(.-)%s*$")
    known[module .. "\t" .. name] = { module = module, name = name, waits = flags:find("waits") ~= nil,
      final = flags:find("final") ~= nil, hsl = flags:find("hsl") ~= nil, inner = name:find("^__") ~= nil,
      phases = phases ~= "any" and words(phases) or nil }
  end
  local function problem(path, text) t.problems[#t.problems + 1] = path .. ": " .. text end
  for _, path in ipairs(lines("ls lua/*/*.c")) do
    local comments, rows = read(path)
    local module, used, found = path:match("lua/(%w+)/"), {}, {}
    if #rows > 0 then t.modules[#t.modules + 1] = module end
    for _, row in ipairs(rows) do
      local b = known[module .. "\t" .. row.name]
      used[row.fn] = true
      if not b then problem(path, row.name .. " isn't a builtin of the program")
      elseif not comments[row.fn] then problem(path, row.name .. " has no doc comment")
      else
        known[module .. "\t" .. row.name] = nil
        b.path, b.fn = path, row.fn
        parse(comments[row.fn], b)
        if b.example then found[#found + 1] = b else problem(path, row.name .. " has no example") end
      end
    end
    find_aliases(found)
    table.move(found, 1, #found, #t.builtins + 1, t.builtins)
    for fn in pairs(comments) do
      if not used[fn] then problem(path, "a comment of " .. fn .. " has no row") end
    end
  end
  for key in pairs(known) do problem(key:gsub("\t", ": "), "the row wasn't found in lua/") end
end

-- ---- what the program says -----------------------------------------------------

local function read_program(t, sluice)
  for _, line in ipairs(lines(sluice .. " --schema phases")) do
    local f = {}
    for field in (line .. "\t"):gmatch("(.-)\t") do f[#f + 1] = field end
    t.phases[#t.phases + 1] = { name = f[1], ends_with = f[2], without_flow = f[3], on_error = f[4], accept = f[5],
      reject = f[6], defer = f[7], failure = f[8] }
  end
  for _, line in ipairs(lines(sluice .. " --schema facts")) do
    local name, phases, text = line:match("^(.-)\t(.-)\t(.*)$")
    t.facts[#t.facts + 1] = { name = name, phases = words(phases), text = text }
  end
  for _, line in ipairs(lines(sluice .. " --schema")) do
    local name, kind, default, text = line:match("^(.-)\t(.-)\t(.-)\t(.*)$")
    t.keys[#t.keys + 1] = { name = name, type = kind, default = default, text = text }
  end
end

return function(sluice)
  local t = { builtins = {}, modules = {}, phases = {}, facts = {}, keys = {}, problems = {} }
  read_builtins(t, sluice)
  read_program(t, sluice)
  table.sort(t.modules)
  table.sort(t.problems)
  return t
end
