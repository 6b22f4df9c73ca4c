-- Writes what editors and "sluice check" know of the builtins, from their doc
-- comments: signatures.lua SLUICE check > stdlib/check/signatures.lua,
-- signatures.lua SLUICE editor > doc/sluice.d.lua.
local sluice, form = arg[1], arg[2]

local function read(path, each)
  local text, comments = io.open(path):read("a"), {}
  for comment, fn in text:gmatch("/%*lua\n(.-)%*/\nstatic int\n([%w_]+)%(") do comments[fn] = comment end
  text = text:match("struct sl_builtin sl_module_.*") or ""
  for name, fn, flags in text:gmatch('{ "([%w_:]+)", ([%w_]+),%s*(.-) },\n') do
    if comments[fn] and not flags:find("SL_HSL") and name:find("^[%a_][%w_]*$") then
      each(name, comments[fn])
    end
  end
end

-- The option names of "timeout (seconds, 5), servers (list), tls_a and tls_b"; nil where the text
-- doesn't list them all.
local function options_of(text)
  local names = {}
  if text:find("as of ", 1, true) or text:find("%.%.%.") or text:find("also ", 1, true) then return nil end
  local flat = text:gsub("%b()", "") .. ","
  for part in flat:gmatch("([^,]+),") do
    part = part:gsub(":.*", "")
    for word in part:gsub(" and ", " "):gmatch("%S+") do
      if not word:find("^[%a_][%w_]*$") then return nil end
      names[#names + 1] = word
    end
  end
  return #names > 0 and names or nil
end

local function parse(comment)
  local b = { params = {}, returns = {}, prose = {} }
  for line in comment:gmatch("([^\n]*)\n") do
    local tag, rest = line:match("^@(%w+) (.*)$")
    if tag == "param" then
      local name, kind, text = rest:match("^(%S+)%s+(%S+)%s*(.*)$")
      b.params[#b.params + 1] = { name = name, type = kind, text = text }
    elseif tag == "return" then
      b.returns[#b.returns + 1] = rest
    elseif not tag and not line:find("^    ") then
      b.prose[#b.prose + 1] = line
    end
  end
  return b
end

local builtins, names = {}, {}
for path in io.popen("ls lua/*/*.c"):lines() do
  if not path:find("_test%.c$") then
    read(path, function(name, comment)
      builtins[name] = parse(comment)
      names[#names + 1] = name
    end)
  end
end
table.sort(names)

-- ---- for check --------------------------------------------------------------

local function write_check()
  print("-- Written by make docs, from the builtins' doc comments: how many arguments each takes, and")
  print("-- which options its table of options has at which place.")
  print("return {")
  for _, name in ipairs(names) do
    local least, most, position, options = 0, 0, nil, nil
    for i, p in ipairs(builtins[name].params) do
      if p.name:find("^%.%.%.") then
        most = math.huge
      else
        most = most + 1
        if not p.name:find("%?$") then least = i end
        if p.name:gsub("%?", "") == "options" then position, options = i, options_of(p.text) end
      end
    end
    local list = options and (', position = %d, options = { "%s" }'):format(position,
      table.concat(options, '", "')) or ""
    print(("  %s = { least = %d, most = %s%s },"):format(name, least,
      most == math.huge and "math.huge" or tostring(most), list))
  end
  print("}")
end

-- ---- for editors ------------------------------------------------------------

local fact_types = { recipients = "table", connection = "table", transaction = "table", arguments = "table",
  senderport = "integer", serverport = "integer", tls = "table?", context = "table" }

-- LuaCATS wants types without blanks; ours are mostly of its kind already.
local function type_of(text)
  return (text:gsub("^list$", "table"):gsub("^map$", "table"):gsub("^none$", "nil"))
end

local function write_editor()
  print("---@meta sluice")
  print("-- Written by make docs for lua-language-server: the builtins and facts of policies.\n")
  for _, name in ipairs(names) do
    local b, list = builtins[name], {}
    for _, line in ipairs(b.prose) do if line ~= "" or #list > 0 then print("--- " .. line) end list[1] = "" end
    list = {}
    for _, p in ipairs(b.params) do
      if p.name:find("^%.%.%.") then
        print("---@param ... " .. type_of(p.type) .. " " .. p.text)
        list[#list + 1] = "..."
      else
        print("---@param " .. p.name .. " " .. type_of(p.type) .. " " .. p.text)
        list[#list + 1] = (p.name:gsub("%?", ""))
      end
    end
    for _, r in ipairs(b.returns) do print("---@return " .. r) end
    print("function " .. name .. "(" .. table.concat(list, ", ") .. ") end\n")
  end
  print("--- The builtins as they are, also where a script redefines one.")
  print("---@type table<string, function>")
  print("builtin = {}\n")
  for line in io.popen(sluice .. " --schema facts"):lines() do
    local name, phases, text = line:match("^(.-)\t(.-) ?\t(.*)$")
    print("--- " .. text:gsub("%.$", "") .. ". Known in " .. phases:gsub(" ", ", ") .. ".")
    print("---@type " .. (fact_types[name] or "any"))
    print(name .. " = nil\n")
  end
end

if form == "check" then write_check() else write_editor() end
