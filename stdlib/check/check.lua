-- What "sluice check" finds in scripts that compile. Gets what the program knows:
--
--   files      a list of { path, source, phases = { data = true } or nil }
--   builtins   name -> { phases = { data = true, ... }, final = boolean }
--   facts      name -> phases
--   paths      every file of the policy and the library -> true
--   transports, quarantines, apis    names -> true;  named_files    name -> path
--   defined    function(name): true, or false and what may have been meant
--   milters    the milter listeners, as sluice.lua has them; signs    whether something here may sign
--   postfix    { file, text } of its settings, or nil
--
-- and gives a list of { file, line, column, severity, code, text, remedy }.
local known, folder = ...

package.path = folder .. "/?.lua"
local parse = dofile(folder .. "/check/parser.lua")
local read_hsl = dofile(folder .. "/check/hsl.lua")
local signatures = dofile(folder .. "/check/signatures.lua")
local unbuilt = dofile(folder .. "/hsl/unbuilt.lua")

local findings = {}

local function sorted(set)
  local out = {}
  for k in pairs(set) do out[#out + 1] = k end
  table.sort(out)
  return out
end

-- The names of Lua's sandbox and ours that need no asking.
local asked = {}
local function is_defined(name)
  if known.builtins[name] then return true end
  if asked[name] == nil then asked[name] = { known.defined(name) } end
  return table.unpack(asked[name])
end

-- How far two words are apart, in edits.
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local above = row[j]
      row[j] = math.min(above + 1, row[j - 1] + 1, diagonal + (a:byte(i) == b:byte(j) and 0 or 1))
      diagonal = above
    end
  end
  return row[#b]
end

local function nearest(word, words)
  local best, least = nil, 3
  for _, other in ipairs(words) do
    local n = distance(word:lower(), other:lower())
    if n < least then best, least = other, n end
  end
  return best
end

local function contains(list, word)
  for _, w in ipairs(list) do if w == word then return true end end
  return false
end

-- ---- one file ---------------------------------------------------------------

-- Without a remedy it is that of the code.
local function finder(file)
  return function(line, column, severity, code, text, remedy)
    findings[#findings + 1] = { file = file.path, line = line, column = column, severity = severity,
      code = code, text = text, remedy = remedy or "" }
  end
end

-- Where a name of some phases can't be used: in all phases of the script, or in some.
local function check_phases(file, found, what, name, phases, line, column)
  local missing, present = {}, false
  for phase in pairs(file.phases or {}) do
    if phases[phase] then present = true else missing[#missing + 1] = phase end
  end
  table.sort(missing)
  if #missing == 0 then return end
  found(line, column, present and "warning" or "error", "wrong-phase",
    ("%s %s in %s"):format(name, what, table.concat(missing, ", ")),
    "it is for " .. table.concat(sorted(phases), ", "))
end

local function check_arguments(call, found)
  local s = signatures[call.name]
  if not s then return end
  if call.n > s.most or (not call.many and call.n < s.least) then
    found(call.line, call.column, call.n > s.most and "warning" or "error", "arguments", ("%s takes %s, %d given"):format(call.name,
      s.least == s.most and s.least .. " argument" .. (s.least == 1 and "" or "s") or
      s.most == math.huge and "at least " .. s.least or s.least .. " to " .. s.most .. " arguments", call.n),
      "sluice repl, then :doc " .. call.name)
  end
  local options = s.options and call.arguments[s.position]
  for _, key in ipairs(options and options.keys or {}) do
    if not contains(s.options, key.value) then
      local near = nearest(key.value, s.options)
      found(key.line, key.column, "error", "unknown-option",
        ("%s: option \"%s\" is unknown%s"):format(call.name, key.value, near and " (" .. near .. "?)" or ""),
        #s.options > 0 and "options are " .. table.concat(s.options, ", ") or "it has no options")
    end
  end
end

-- ---- names that the policy must have ------------------------------------------

local function check_module(text)
  local path = text:gsub("%.", "/") .. ".lua"
  if known.paths["lib/" .. path] or known.paths["stdlib/" .. path] then return nil end
  return "missing-module", ("there is no module \"%s\""):format(text)
end

local function check_include(text)
  if not known.paths[text] then return "missing-file", ("the policy has no file %s"):format(text) end
end

local function check_data(text)
  if not known.paths["data/" .. text] then return "missing-file", ("the policy has no file data/%s"):format(text) end
end

local function check_file_name(text)
  local name = text:gsub("^file://", ""):gsub("^file:", "")
  local path = known.named_files[name] or "data/" .. name
  if not known.paths[path] then return "missing-file", ("the policy has no file %s"):format(path) end
end

local function check_key(text)
  local name = text:match("^pki:(.*)$")
  if name and not known.paths["keys/" .. name .. ".pem"] then
    return "missing-key", ("the policy has no keys/%s.pem"):format(name)
  end
end

local function one_of(what, prefix, names)
  return function(text)
    local name = text:gsub("^" .. prefix, "")
    if names[name] then return nil end
    local near = nearest(name, sorted(names))
    return "missing-name", ("%s \"%s\" is not in sluice.lua%s"):format(what, name, near and " (" .. near .. "?)" or "")
  end
end

-- Sendmail lays out address fields anew. Of a Postfix, whose settings are given, we know that it doesn't.
local function check_header_form(text)
  if text == "simple" and #known.milters > 0 and not known.postfix then
    return "signature-simple", "header fields signed as \"simple\" don't survive Sendmail, which lays out address " ..
      "fields anew when its milters are done", "warning"
  end
end

local check_transport = one_of("transport", "mailtransport:", known.transports)
local function check_transport_or_none(text) if text ~= "" then return check_transport(text) end end
local check_quarantine = one_of("quarantine", "mailquarantine:", known.quarantines)
local check_api = one_of("API", "", known.apis)

-- Of which builtin's arguments (by number) and options (by name) such a name is given.
local names_in = {
  require = { check_module }, include = { check_include }, data = { check_data },
  file = { check_file_name }, file_get_contents = { check_file_name }, in_file = { [2] = check_file_name },
  DKIMSign = { [3] = check_key, canonicalization_header = check_header_form }, ARCSeal = { [3] = check_key },
  Deliver = { transportid = check_transport }, Quarantine = { check_quarantine, transportid = check_transport },
  SetMailTransport = { check_transport }, mail = { [5] = check_transport_or_none, transportid = check_transport },
  api_call = { api = check_api },
}

-- Only what stands there as a plain text is known before a run.
local function check_names(call, found)
  local checks = names_in[call.name]
  local function look(check, value)
    if not check or not value or not value.text then return end
    local code, text, severity = check(value.text)
    if code then found(value.line, value.column, severity or "error", code, text) end
  end
  if not checks then return end
  for i, argument in ipairs(call.arguments) do look(checks[i], argument) end
  for _, argument in ipairs(call.arguments) do
    for _, key in ipairs(argument.keys or {}) do look(checks[key.value], key.given) end
  end
end

-- A final action ends the run, unless it is told to go on, or may be.
local function ends(call)
  local b, s = known.builtins[call.name], signatures[call.name]
  if not b or not b.final then return false end
  if not s or not s.options or not contains(s.options, "done") then return true end
  if call.n == 0 then return true end
  if call.last.keys and not call.last.others then
    for _, key in ipairs(call.last.keys) do if key.value == "done" then return false end end
    return true
  end
  return false
end

local function check_call(file, found, assigned, call)
  local b = known.builtins[call.name]
  if assigned[call.of or call.name] and not call.original then return end
  check_names(call, found)
  if not b then return end
  check_phases(file, found, "can't be called", call.name, b.phases, call.line, call.column)
  check_arguments(call, found)
end

local function check_hsl(file, assigned)
  local found = finder(file)
  read_hsl(file.path, file.source, {
    assign = function() end,
    fact = function(name, line, column)
      if known.facts[name] then
        check_phases(file, found, "isn't known", "$" .. name, known.facts[name], line, column)
      end
    end,
    call = function(call) check_call(file, found, assigned, call) end,
  })
end

local function check_lua(file, assigned)
  local found = finder(file)
  local own_env = file.source:find("_ENV", 1, true) ~= nil
  parse(file.source, {
    assign = function() end,
    read = function(name, line, column)
      if assigned[name] or own_env or name == "_ENV" then return end
      if known.facts[name] then
        check_phases(file, found, "isn't known", name, known.facts[name], line, column)
        return
      end
      local ok, near = is_defined(name)
      if not ok then
        near = near or nearest(name, sorted(known.facts))
        local why = unbuilt[name] and " and isn't built in this version: " .. unbuilt[name]
        found(line, column, "error", "undefined-name", name .. " is not defined" ..
          (why or near and " (" .. near .. "?)" or ""))
      end
    end,
    call = function(call) check_call(file, found, assigned, call) end,
    ends = ends,
    unreachable = function(line, column, call)
      found(line, column, "warning", "unreachable", ("never runs: %s in line %d ends the script"):format(
        call.name, call.line))
    end,
  })
end

-- ---- all of them ------------------------------------------------------------

-- Included files share names, so what one assigns may be there in another.
local assigned = {}
local function nothing() end
local function is_hsl(file) return file.path:find("%.hsl$") ~= nil end

for _, file in ipairs(known.files) do
  local function assign(name) assigned[name] = true end
  if is_hsl(file) then
    read_hsl(file.path, file.source, { assign = assign, fact = nothing, call = nothing })
  else
    parse(file.source, { assign = assign, read = nothing, call = nothing, unreachable = nothing,
      ends = function() return false end })
  end
end
for _, file in ipairs(known.files) do
  local check = is_hsl(file) and check_hsl or check_lua
  check(file, assigned)
end

if known.postfix then
  local found = finder({ path = known.postfix.file })
  loadfile(folder .. "/check/postfix.lua")(known.postfix, known.milters, known.signs, function(line, code, text)
    found(line, 1, "warning", code, text)
  end)
end

table.sort(findings, function(a, b)
  if a.file ~= b.file then return a.file < b.file end
  if a.line ~= b.line then return a.line < b.line end
  return a.column < b.column
end)
return findings
