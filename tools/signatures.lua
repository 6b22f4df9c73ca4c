-- Writes what editors and "sluice check" know of the builtins, from their doc comments:
-- signatures.lua SLUICE check > stdlib/check/signatures.lua,
-- signatures.lua SLUICE editor > doc/sluice.d.lua.
local sluice, form = arg[1], arg[2]
local tables = dofile("tools/tables.lua")(sluice)

-- Builtins by name, those that HSL alone has apart; the compiler's own are nobody's business.
local functions, of_hsl, methods, by_name = {}, {}, {}, {}
for _, b in ipairs(tables.builtins) do
  by_name[b.name] = b
  if not b.inner then
    local list = b.name:find(":", 1, true) and methods or b.hsl and of_hsl or functions
    list[#list + 1] = b
  end
end
local function by_their_name(a, b) return a.name < b.name end
table.sort(functions, by_their_name)

-- ---- options ------------------------------------------------------------------

-- LuaCATS' type of an option, by what its text says of values: (seconds, 5) ("x") (false).
local function option_type(text)
  if text:find("^seconds") or text:find("^%-?%d+$") or text:find("^bytes") then return "number" end
  if text:find("%f[%w]true%f[%W]") or text:find("%f[%w]false%f[%W]") then return "boolean" end
  if text:find('^"') then return "string" end
  return "any"
end

-- The options in "timeout (seconds, 5), servers (list), tls_a and tls_b": a list of { name, type }. What stands
-- behind a colon explains. "as of NAME but a b" are NAME's without these. nil where the text lists none.
local function options_of(text)
  if text == "none is known" then return {} end
  local from, but = text:match("^as of (%w+)%s*b?u?t?%s*(.*)$")
  local out = {}
  if from then
    for _, p in ipairs(by_name[from].params) do
      for _, option in ipairs(p.name == "options" and options_of(p.text) or {}) do
        if not (" " .. but .. " "):find(" " .. option.name .. " ", 1, true) then out[#out + 1] = option end
      end
    end
    return out
  end
  local kept = {}
  local flat = text:gsub("%b()", function(inside) kept[#kept + 1] = inside:sub(2, -2) return "\1" .. #kept .. "\1" end)
  for part in (flat:gsub(":.*", "") .. ","):gmatch("([^,]+),") do
    local kind = part:match("\1(%d+)\1")
    for word in part:gsub("\1%d+\1", ""):gsub(" and ", " "):gmatch("%S+") do
      if not word:find("^[%a_][%w_]*$") then return nil end
      out[#out + 1] = { name = word, type = kind and option_type(kept[tonumber(kind)]) or "any" }
    end
  end
  return #out > 0 and out or nil
end

local function names_of(options)
  local out = {}
  for i, option in ipairs(options) do out[i] = option.name end
  return out
end

-- ---- for check ----------------------------------------------------------------

local function write_check()
  print("-- Written by make docs, from the builtins' doc comments: how many arguments each takes, and")
  print("-- which options its table of options has at which place.")
  print("return {")
  local all = table.move(of_hsl, 1, #of_hsl, #functions + 1, table.move(functions, 1, #functions, 1, {}))
  table.sort(all, by_their_name)
  for _, b in ipairs(all) do
    local least, most, position, options = 0, 0, nil, nil
    for i, p in ipairs(b.params) do
      if p.name == "..." then
        most = math.huge
      else
        most = most + 1
        if not p.optional then least = i end
        if p.name == "options" then position, options = i, options_of(p.text) end
      end
    end
    for _, other in ipairs(b.overloads) do
      most = math.max(most, select(2, other:gsub(",", "")) + 1)
    end
    local list = options and (', position = %d, options = { "%s" }'):format(position,
      table.concat(names_of(options), '", "')):gsub('{ "" }', "{}") or ""
    print(("  %s = { least = %d, most = %s%s },"):format(b.name:find("%.") and ("[%q]"):format(b.name) or b.name, least,
      most == math.huge and "math.huge" or tostring(most), list))
  end
  print("}")
end

-- ---- for editors --------------------------------------------------------------

-- Variables that aren't strings; the others are, or nil.
local fact_types = {
  senderport = "integer", serverport = "integer", tlsstarted = "boolean", tlskeysize = "integer?",
  saslauthed = "boolean", context = "table", recipients = "string[]", recipientdomains = "string[]",
  actionid = "integer", messagesize = "integer", receivedtime = "integer", retry = "integer", retries = "integer",
  errorcode = "integer", transfertime = "number",
  ["transaction.ts"] = "integer", ["message.size"] = "integer", ["arguments.mail"] = "MailMessage",
  ["arguments.params"] = "table", ["transaction.senderparams"] = "table", ["transaction.recipients"] = "table[]",
  ["arguments.expired"] = "boolean?", ["arguments.attempt.error.temporary"] = "boolean",
  ["arguments.attempt.result.code"] = "integer",
  ["arguments.attempt.result.enhanced"] = "integer[]?", ["arguments.attempt.result.reason"] = "string[]",
}

local function type_of_fact(fact)
  local same = fact.text:match("^= (%w+)$")
  return fact_types[fact.name] or same and (fact_types[same] or "string?") or "string?"
end

local function type_of_param(p)
  local options = p.type == "table" and p.name == "options" and options_of(p.text)
  if not options then return p.type end
  if #options == 0 then return "{}" end
  local out = {}
  for i, option in ipairs(options) do out[i] = option.name .. "?: " .. option.type end
  return "{ " .. table.concat(out, ", ") .. " }"
end

local function put(text) print((text:gsub("%s+$", ""))) end

local function print_function(b, head)
  local list = {}
  for line in (b.prose .. "\n"):gmatch("(.-)\n") do put("--- " .. line) end
  put("---")
  put("--- " .. (b.phases and "In " .. table.concat(b.phases, ", ") .. "." or "In every phase."))
  for i, p in ipairs(b.params) do
    list[i] = p.name
    put(("---@param %s%s %s %s"):format(p.name, p.optional and "?" or "", type_of_param(p), p.text))
  end
  for _, r in ipairs(b.returns) do
    put(("---@return %s %s %s"):format(r.type, r.name, r.text))
  end
  for _, other in ipairs(b.overloads) do print("---@overload fun(" .. other .. ")") end
  print("function " .. head .. "(" .. table.concat(list, ", ") .. ") end\n")
end

-- Classes of another one's kind, as core/engine/object.c has them.
local kinds = { MailMessage = "MIMEPart" }

local function print_classes()
  local last
  table.sort(methods, function(a, b) return a.name < b.name end)
  for _, b in ipairs(methods) do
    local class, method = b.name:match("^(%w+):(%w+)$")
    if class ~= last then
      print("---@class " .. class .. (kinds[class] and ": " .. kinds[class] or "") .. "\nlocal " .. class .. "_methods = {}\n")
      last = class
    end
    print_function(b, class .. "_methods:" .. method)
  end
end

-- The tables of today's names: a class for each, and for each table in them.
local function print_views()
  local fields, order, seen = {}, {}, {}
  local function class_of(path)
    if not fields[path] then
      fields[path], order[#order + 1] = {}, path
      local above, name = path:match("^(.*)%.([^.]*)$")
      if above then table.insert(fields[class_of(above)], ("%s? sluice.%s"):format(name, path)) end
    end
    return path
  end
  for _, fact in ipairs(tables.facts) do
    local above, name = fact.name:match("^(.*)%.([^.]*)$")
    if above and not seen[fact.name] then
      seen[fact.name] = true
      table.insert(fields[class_of(above)], ("%s %s"):format(name, type_of_fact(fact)))
    end
  end
  for _, path in ipairs(order) do
    print("---@class sluice." .. path)
    for _, field in ipairs(fields[path]) do print("---@field " .. field) end
    if not path:find(".", 1, true) then
      print("\n---@type sluice." .. path)
      print(path .. " = nil\n")
    else
      print("")
    end
  end
end

local function print_facts()
  for _, fact in ipairs(tables.facts) do
    if not fact.name:find(".", 1, true) then
      print("--- " .. fact.text:gsub("%.$", "") .. ". Known in " .. table.concat(fact.phases, ", ") .. ".")
      print("---@type " .. type_of_fact(fact))
      print(fact.name .. " = nil\n")
    end
  end
  print_views()
end

local library = [[
--- Runs another file of the policy here, with the same globals, and gives what it returns.
---@param path string "lib/spam.lua"
---@return any ...
function include(path) end

--- What a file of the policy's data/ holds, read-only: of .csv a list of rows by the names of the first line, of
--- .json its value, of others a list of lines.
---@param name string "recipients.txt"
---@return table
function data(name) end

--- In sluice.lua: the rows of a file of the policy, by their first column, each a table by the names in the first
--- line. Empty lines and those that begin with # are left out.
---@param path string "domains.csv"
---@return table
function csv(path) end

--- In sluice.lua: the value in a JSON file of the policy.
---@param path string
---@return any
function json(path) end

--- In sluice.lua: the lines of a file of the policy, without empty ones and those that begin with #.
---@param path string
---@return string[]
function lines(path) end

--- In sluice.lua: what secrets/NAME of the policy holds; wherever text leaves the engine it is replaced by its hash.
---@param name string
---@return string
function secret(name) end

--- In sluice.lua: a variable of the environment, which must be there.
---@param name string
---@return string
function env(name) end

--- In sluice.lua: a new table of all; later ones hold.
---@param ... table
---@return table
function merge(...) end

--- The builtins as they are, also where a script redefines one.
builtin = {]]

local function write_editor()
  print("---@meta sluice")
  print("-- Written by make docs for lua-language-server: the builtins and variables of policies.\n")
  print_classes()
  local names, seen = {}, {}
  for _, b in ipairs(functions) do
    local class = b.name:match("^(%w+)%.")
    local name = class or b.name
    if class and not seen[class] then print("--- Functions of the class.\n" .. class .. " = {}\n") end
    if not seen[name] then names[#names + 1], seen[name] = name, true end
    print_function(b, b.name)
  end
  print(library)
  for _, name in ipairs(names) do print(("  %s = %s,"):format(name, name)) end
  print("}\n")
  print_facts()
end

if form == "check" then write_check() else write_editor() end
