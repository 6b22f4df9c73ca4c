-- HSL to Lua: what core/engine calls for each .hsl file.
local diagnostics = require "hsl.diagnostics"
local emitter = require "hsl.emitter"
local lexer = require "hsl.lexer"
local parser = require "hsl.parser"
local resolver = require "hsl.resolver"

local compiler = {}

local MAX_SOURCE = 1024 * 1024

local function distance(a, b)
  if math.abs(#a - #b) > 2 then return 3 end
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      diagonal, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
    end
  end
  return row[#b]
end

-- What a misspelt name may mean. 'seen' keeps the answers: one name is often asked for twice.
local function near(name, names, sign, seen)
  if seen[name] ~= nil then return seen[name] or nil end
  local best, least = nil, #name < 5 and 2 or 3
  if #name < 3 or #name > 64 then return nil end
  for other in pairs(names) do
    local d = distance(name, other)
    if d < least or d == least and best and other < best then best, least = other, d end
  end
  seen[name] = best and sign .. best .. "?" or false
  return seen[name] or nil
end

local function path_of(host, path)
  local id = path:match("^file:([^/].*)$")
  local by_id = id and host.by_id(id)
  if by_id then return by_id end
  return path:match("^file://(.*)$") or id or path
end

local is_code = { hsl = true, lua = true }
local is_data = { json = true, csv = true, txt = true }

local function suffix(path) return path:match("%.(%w+)$") end

-- The first of the places where a file of this name may stand that has it.
local function find(host, path, patterns)
  for _, pattern in ipairs(patterns) do
    local place = pattern:gsub("%?", (path:gsub("%%", "%%%%")))
    if host.has(place) then return place end
  end
end

local function not_there(node, diag)
  diag:error(node, '"' .. node.path .. '" is not in the policy')
end

local function settle_include(node, host, diag)
  node.path = path_of(host, node.path)
  if not is_code[suffix(node.path)] or not host.has(node.path) then not_there(node, diag) end
end

-- What stands behind "with": key -> node of a constant.
local function import_options(node, diag)
  local options = {}
  for _, item in ipairs(node.options.t == "array" and node.options.items or {}) do
    local name = item.key and item.key.t == "str" and item.key.value
    if not name or item.value.t ~= "str" and item.value.t ~= "const" then
      diag:error(item.key or item.value, "an import's options are constants: [\"header\" => false]")
      return {}
    end
    options[name] = item.value
  end
  if node.options.t ~= "array" then diag:error(node.options, "an import's options are an array") end
  return options
end

-- How core/engine/program.c is to read the file, behind its path: delimiter and header; else "j" or "t".
local function csv_form(node, diag)
  local delimiter, header = ",", "1"
  for name, value in pairs(import_options(node, diag)) do
    if name == "delimiter" and value.t == "str" and value.value and #value.value == 1 then
      delimiter = value.value
    elseif name == "header" and value.t == "const" and value.value ~= nil then
      header = value.value and "1" or "0"
    else
      diag:error(value, ('option "%s" of an import: delimiter (one byte) and header (true or ' ..
        "false) are known, of .csv files"):format(name))
    end
  end
  return "\x1f" .. delimiter .. header
end

-- What isn't built, in words that make hsl-corpus knows.
local function data_that_is_not_built(path, kind)
  local scheme = path:match("^(%a[%w-]*://)")
  if scheme and scheme ~= "file://" then return "import of " .. scheme end
  if path:find("*", 1, true) then return "import of several files" end
  if not is_data[kind] then return "import of ." .. (kind or "") .. " files" end
end

-- "txt!name": a file of any name, read as one of .txt is.
local function settle_data(node, host, diag)
  local kind, name = node.path:match("^(%a+)!(.+)$")
  local path = path_of(host, name or node.path):gsub("^%./", ""):gsub("^data/", "")
  kind = kind or suffix(path)
  local what = data_that_is_not_built(node.path, kind)
  if what then
    diag:error(node, what .. " isn't built in this version",
      'data are .json, .csv and .txt files; "txt!name" gives the text of any')
  elseif not host.has("data/" .. path) then
    diag:error(node, '"' .. path .. '" is not in the policy\'s data/')
  elseif kind == "csv" then
    path = path .. (node.options and csv_form(node, diag) or "\x1f,1")
  elseif node.options and next(import_options(node, diag)) then
    diag:error(node.options, "options of an import are for .csv files")
  else
    path = path .. (kind == "json" and "\x1fj" or "\x1ft")
  end
  node.path = path
end

-- "a/../b" is "b": one module has one name.
local function without_dots(path)
  local n
  repeat path, n = path:gsub("[^/.][^/]*/%.%./", "", 1) until n == 0
  return path
end

-- "./x.hsl" stands beside the file, other names in the policy or its lib/.
local function settle_module(node, host, diag)
  local beside = (node.path:match("^%./(.+)$") or node.path:match("^%.%./.+$"))
  if beside then
    local folder, base = diag.path:match("^(.*/)[^/]*$") or "", host.folder()
    if folder:sub(1, #base) == base then folder = folder:sub(#base + 1) end
    beside = without_dots(folder .. beside)
    node.path = find(host, beside, { "?", "?.hsl" }) or beside
  else
    local path = path_of(host, (node.path:gsub("^extras://", "")))
    node.path = find(host, path, { "?", "?.hsl", "lib/?", "lib/?.hsl", "lib/?/main.hsl" }) or path
  end
  if suffix(node.path) ~= "hsl" or not host.has(node.path) then not_there(node, diag) end
end

-- Names of files as the policy has them.
local function settle_paths(file, host, diag)
  local function go(node)
    if node.t == "include" then
      settle_include(node, host, diag)
    elseif node.t == "import" and node.data then
      settle_data(node, host, diag)
    elseif node.t == "import" then
      settle_module(node, host, diag)
    end
    for _, child in pairs(node) do
      if type(child) == "table" then go(child) end
    end
  end
  go(file)
end

-- The level that the file says of itself, or nil. core/engine/program.c reads it too; here is said what
-- it doesn't take.
local function level_of(source, diag)
  local line = 0
  for text in (source .. "\n"):gmatch("(.-)\n") do
    line = line + 1
    if line > 5 then return nil end
    local before, level = text:match("^(%s*)//%s*level:%s*(%d+)%s*$")
    if level == "2016" or level == "2026" then return tonumber(level) end
    if level then
      diag:warn({ line = line, col = #before + 1 }, "there is no level " .. level,
        "2016 or 2026; the policy's level counts")
    end
  end
end

local function parse(path, source, host)
  local diag = diagnostics.new(path, source)
  diag.level = level_of(source, diag) or host.level
  local file = parser.parse(lexer.tokens(source, diag), diag)
  if #diag.errors == 0 then settle_paths(file, host, diag) end
  return file, diag
end

-- What has to be compiled or parsed along with a file: .hsl files and data.
local function needs_of(file, found)
  local needs = {}
  for _, node in ipairs(found.includes) do
    if suffix(node.path) == "hsl" then needs[#needs + 1] = node.path end
  end
  for _, node in ipairs(file.body) do
    if node.t == "import" then needs[#needs + 1] = node.path end
  end
  return needs
end

--- Compiles a file. 'host': read(path) -> source or nil, has(path), builtins (name -> true or
--- "final"), classes (of builtins' objects, name -> true), facts (name -> true), by_id(id) -> path or
--- nil, folder() -> the folder that stands before the path of a script that has no policy, or "",
--- level: 2016 or 2026, of files that don't say theirs.
--- 'role': nil for main code, "lines" of a REPL, "part" of who includes or imports it. Gives code,
--- warnings, list of the .hsl files that it includes or imports and of the data it imports; or nil,
--- errors.
function compiler.compile(source, path, host, role)
  if #source > MAX_SOURCE then
    return nil, { ("%s:1:1: the file has more than %d bytes"):format(path, MAX_SOURCE) }
  end
  local file, diag = parse(path, source, host)
  if #diag.errors > 0 then return nil, diag:error_texts() end
  local trees, near_builtins, near_facts = {}, {}, {}
  local names = {
    builtins = host.builtins, classes = host.classes, facts = host.facts,
    near = function(name) return near(name, host.builtins, "", near_builtins) end,
    near_fact = function(name) return near(name, host.facts, "$", near_facts) end,
    parse = function(other)
      if not other:find("%.hsl$") then return nil end
      if trees[other] == nil then
        local text = host.read(other)
        local tree, its = nil, nil
        if text then tree, its = parse(other, text, host) end
        trees[other] = tree and #its.errors == 0 and tree or false
      end
      return trees[other] or nil
    end,
  }
  local found = resolver.resolve(file, diag, names, role)
  if #diag.errors > 0 then return nil, diag:error_texts() end
  return emitter.emit(file, found), diag:warning_texts(), needs_of(file, found)
end

return compiler
