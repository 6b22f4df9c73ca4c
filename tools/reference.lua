-- Writes the reference: reference.lua SLUICE FOLDER. A page per module and per phase, and those of the
-- configuration, the blocks, the variables, the findings of check, and the index. With "check" instead of a folder: says which row has
-- no comment, which comment no row, and which words of prose.lua belong to nothing or are missing.
local sluice, folder = arg[1], arg[2]
local tables = dofile("tools/tables.lua")(sluice)
local prose = dofile("tools/prose.lua")

-- ---- checking -------------------------------------------------------------------

local function check_prose()
  local problems = tables.problems
  local function both(what, known, told)
    for name in pairs(known) do
      if not told[name] then problems[#problems + 1] = "tools/prose.lua: nothing about " .. what .. " " .. name end
    end
    for name in pairs(told) do
      if not known[name] then problems[#problems + 1] = "tools/prose.lua: there is no " .. what .. " " .. name end
    end
  end
  local modules, phases = {}, {}
  for _, name in ipairs(tables.modules) do modules[name] = true end
  for _, phase in ipairs(tables.phases) do
    local actions = {}
    phases[phase.name] = true
    for _, b in ipairs(tables.builtins) do
      for _, name in ipairs(b.final and not b.same and b.phases or {}) do
        if name == phase.name then actions[b.name] = true end
      end
    end
    if prose.phases[phase.name] then both("in " .. phase.name .. ":", actions, prose.phases[phase.name].actions) end
  end
  both("module", modules, prose.modules)
  both("phase", phases, prose.phases)
end

local function check_names()
  local known = {}
  for _, b in ipairs(tables.builtins) do known[b.name] = true end
  for _, b in ipairs(tables.builtins) do
    for _, name in ipairs(b.see) do
      if not known[name] then
        tables.problems[#tables.problems + 1] = b.path .. ": @see of " .. b.name .. ": there is no " .. name
      end
    end
  end
end

if folder == "check" then
  check_prose()
  check_names()
  table.sort(tables.problems)
  for _, problem in ipairs(tables.problems) do print(problem) end
  os.exit(#tables.problems == 0)
end

-- ---- links ----------------------------------------------------------------------

local by_name = {}
for _, b in ipairs(tables.builtins) do by_name[b.name] = b end

-- What web viewers make of a heading.
local function slug(heading) return (heading:lower():gsub("[^%w_%- ]", ""):gsub(" ", "-")) end

local function place(b, from) return (b.module ~= from and b.module .. ".md" or "") .. "#" .. slug(b.name) end

local function link(name, from) return ("[`%s`](%s)"):format(name, place(by_name[name], from)) end

local function phase_link(name) return ("[%s](phase-%s.md)"):format(name, name) end

-- Names that can't be ordinary words: an underscore, a colon, or a capital letter inside.
local function is_telling(name)
  return name:find("[_:]") or name:find("%l%u") or name:find("^%u%u+%l")
end

local function linked(text, from, self)
  local mentioned, code = {}, {}
  local function see(name, shown)
    local b = by_name[name]
    if not b or b.inner or name == self or b.same == self or by_name[self] and by_name[self].same == name then return nil end
    mentioned[name] = true
    return ("[%s](%s)"):format(shown, place(b, from))
  end
  text = text:gsub("`([^`\n]+)`", function(inside)
    code[#code + 1] = see(inside:match("^[%w_:]+"), "`" .. inside .. "`") or "`" .. inside .. "`"
    return "\0" .. #code .. "\0"
  end)
  text = text:gsub("%f[%w_][%a][%w_]*:?[%w_]*", function(name) return is_telling(name) and see(name, name) or nil end)
  return text:gsub("\0(%d+)\0", function(n) return code[tonumber(n)] end), mentioned
end

local function cell(text) return (text:gsub("|", "\\|")) end

-- ---- builtins -------------------------------------------------------------------

local function signature(b)
  local out, results, open = {}, {}, 0
  for i, p in ipairs(b.params) do
    local comma = i > 1 and ", " or ""
    if p.optional and i > 1 then out[#out + 1], open = " [" .. comma .. p.name, open + 1
    elseif p.optional then out[#out + 1], open = "[" .. p.name, open + 1
    else out[#out + 1] = comma .. p.name end
  end
  for i, r in ipairs(b.returns) do results[#results + 1] = r.name ~= "" and r.name or "result" .. i end
  return (#results > 0 and table.concat(results, ", ") .. " = " or "") .. b.name .. "(" .. table.concat(out) ..
    ("]"):rep(open) .. ")"
end

local function where(b)
  local out = {}
  for i, name in ipairs(b.phases or {}) do out[i] = phase_link(name) end
  local text = b.phases and "In " .. table.concat(out, ", ") .. "." or "In every phase, and outside of them."
  if b.hsl then text = "In HSL only. " .. text end
  if b.inner then text = "Called by what the HSL compiler writes; not for scripts. " .. text end
  return text .. (b.waits and " Waits." or "") .. (b.final and " Ends the script." or "")
end

local function type_text(kind)
  local text = kind:gsub("%?$", ""):gsub("|", " or ")
  return kind:find("%?$") and text .. " or nil" or text
end

local function list_of(title, items, from, self, named)
  local out = {}
  for _, item in ipairs(items) do
    local text = linked(item.text, from, self)
    out[#out + 1] = ("- %s%s%s%s"):format(item.name ~= "" and "`" .. item.name .. "`, " or "", type_text(item.type),
      named and item.optional and ", optional" or "", text ~= "" and ": " .. text or "")
  end
  return #out > 0 and "**" .. title .. "**\n\n" .. table.concat(out, "\n") .. "\n" or nil
end

-- Who mentions whom: "See also" goes both ways.
local mentions = {}
for _, b in ipairs(tables.builtins) do mentions[b.name] = {} end
for _, b in ipairs(tables.builtins) do
  if not b.same then
    local text = { b.prose }
    for _, p in ipairs(b.params) do text[#text + 1] = p.text end
    for _, r in ipairs(b.returns) do text[#text + 1] = r.text end
    local _, found = linked(table.concat(text, "\n"), b.module, b.name)
    for _, name in ipairs(b.see) do found[name] = true end
    for name in pairs(found) do
      mentions[b.name][name] = true
      mentions[by_name[name].same or name][b.name] = true
    end
  end
end

local function see_also(b)
  local names, out = {}, {}
  for name in pairs(mentions[b.name]) do
    if not by_name[name].inner or b.inner then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do out[i] = link(name, b.module) end
  return #out > 0 and "See also " .. table.concat(out, ", ") .. ".\n" or nil
end

local function put(out, text) if text then out[#out + 1] = text end end

local function describe(out, b)
  put(out, "## " .. b.name .. "\n")
  if b.same then
    put(out, ("Another name of %s. %s\n"):format(link(b.same, b.module), where(b)))
    return
  end
  put(out, "```\n" .. signature(b))
  for _, other in ipairs(b.overloads) do
    put(out, b.name .. "(" .. other:gsub(": [^,]*", ""):gsub(", (%w+)%?", " [, %1]") .. ")")
  end
  put(out, "```\n")
  put(out, (linked(b.prose, b.module, b.name)) .. "\n")
  put(out, list_of("Arguments", b.params, b.module, b.name, true))
  put(out, list_of("Results", b.returns, b.module, b.name))
  put(out, where(b) .. "\n")
  put(out, (b.hsl and "```hsl\n" or "```lua\n") .. b.example .. "\n```\n")
  put(out, see_also(b))
end

local function in_module(module)
  local out, last = {}, {}
  for _, b in ipairs(tables.builtins) do
    if b.module == module then
      local list = b.inner and last or out
      list[#list + 1] = b
    end
  end
  return table.move(last, 1, #last, #out + 1, out)
end

local head = "Written by `make docs` from the builtins' comments and the program's tables. [Index](README.md)\n"

local function module_page(module)
  local about, out, names = prose.modules[module], {}, {}
  put(out, "# " .. module .. ": " .. about[1] .. "\n")
  put(out, head)
  if about[2] then put(out, ("More: [%s](%s).\n"):format(about[3], about[2])) end
  for _, b in ipairs(in_module(module)) do if not b.inner then names[#names + 1] = link(b.name, module) end end
  put(out, table.concat(names, ",\n") .. "\n")
  for _, b in ipairs(in_module(module)) do describe(out, b) end
  return out
end

-- ---- phases ---------------------------------------------------------------------

local function has(list, word)
  for _, w in ipairs(list or {}) do if w == word then return true end end
  return false
end

-- "= name" is the same value as that fact.
local function fact_text(fact)
  return cell((fact.text:gsub("^= (%w+)$", "the same as [`%1`](variables.md)")))
end

local function fact_rows(out, phase, views)
  for _, fact in ipairs(tables.facts) do
    if (fact.name:find(".", 1, true) ~= nil) == views and has(fact.phases, phase.name) then
      put(out, ("| `%s` | %s |"):format(fact.name, fact_text(fact)))
    end
  end
  put(out, "")
end

local function reply_of(phase, name)
  if name == "Accept" or name == "Deliver" or name == "Delete" then return phase.accept:match("^%d*") end
  return name == "Reject" and phase.reject or name == "Defer" and phase.defer or ""
end

local function without_action(phase)
  local out = {}
  local function action(name) return name == "default" and "the default" or link(name) end
  if phase.ends_with == "" then
    put(out, "A script that ends without an action leaves it at the default, as does a phase without a script.")
  else
    put(out, ("A script that ends without an action calls %s%s."):format(action(phase.ends_with),
      phase.name == "rcptto" and " (with `level = 2016`, " .. link("Reject") .. ")" or ""))
    put(out, ("Without a script the phase decides %s%s."):format(action(phase.without_flow),
      phase.name == "auth" and ", or as `users` says" or ""))
  end
  if phase.failure ~= "" then
    put(out, ("A script that fails, or reaches a limit, costs a `%s`."):format(phase.failure))
  elseif phase.on_error ~= "default" then
    put(out, ("A script that fails, or reaches a limit, decides %s."):format(action(phase.on_error)))
  else
    put(out, "A script that fails, or reaches a limit, changes nothing of that.")
  end
  return table.concat(out, "\n") .. "\n"
end

local function action_rows(out, phase)
  put(out, "| action | here | reply |\n| --- | --- | --- |")
  for _, b in ipairs(tables.builtins) do
    if b.final and has(b.phases, phase.name) then
      local text = b.same and "Another name of " .. link(b.same) .. "." or prose.phases[phase.name].actions[b.name]
      local reply = b.same and "" or reply_of(phase, b.name)
      put(out, ("| %s | %s | %s |"):format(link(b.name), text, reply ~= "" and "`" .. reply .. "`" or ""))
    end
  end
  put(out, "")
end

local function phase_builtins(out, phase)
  local any = false
  for _, module in ipairs(tables.modules) do
    local names = {}
    for _, b in ipairs(in_module(module)) do
      if has(b.phases, phase.name) and not b.final then names[#names + 1] = link(b.name) end
    end
    if #names > 0 then
      any = true
      put(out, ("- [%s](%s.md): %s"):format(module, module, table.concat(names, ", ")))
    end
  end
  put(out, any and "" or "None.\n")
end

local function phase_page(phase)
  local about, out = prose.phases[phase.name], {}
  put(out, "# Phase " .. phase.name .. ": " .. about[1] .. "\n")
  put(out, head)
  put(out, about[2] .. "\n")
  put(out, ("In sluice.lua: `flows = { %s = \"FILE.lua\" }` of a server%s.\n"):format(phase.name,
    (phase.name == "rcptto" or phase.name == "data") and ", or of a row of its relay table" or ""))
  put(out, "## Final actions\n")
  if next(about.actions) then action_rows(out, phase) else put(out, "None.\n") end
  put(out, without_action(phase))
  put(out, "## Variables\n\nGlobals, read-only; without a value they are nil.\n\n| variable | what |\n| --- | --- |")
  fact_rows(out, phase, false)
  put(out, "The same under today's names, in tables:\n\n| variable | what |\n| --- | --- |")
  fact_rows(out, phase, true)
  put(out, "## Builtins of this phase\n\nBesides those that are in [every phase](README.md#builtins-of-every-phase):\n")
  phase_builtins(out, phase)
  return out
end

-- ---- the rest -------------------------------------------------------------------

local function variables_page()
  local out = { "# Variables: what scripts are told", "", head }
  put(out, "Globals of a phase, read-only. Without a value they are nil.\n")
  local function rows(views)
    put(out, "| variable | phases | what |\n| --- | --- | --- |")
    for _, fact in ipairs(tables.facts) do
      if (fact.name:find(".", 1, true) ~= nil) == views then
        local phases = {}
        for i, name in ipairs(fact.phases) do phases[i] = phase_link(name) end
        put(out, ("| `%s` | %s | %s |"):format(fact.name, table.concat(phases, " "), fact_text(fact)))
      end
    end
    put(out, "")
  end
  rows(false)
  put(out, "## Today's names\n\nThe tables `connection`, `transaction`, `arguments` and (in the queue) `message` show the " ..
    "same. Tables in them\nwithout anything to show are nil: `connection.tls` without TLS.\n")
  rows(true)
  return out
end

local function key_rows(out, rows, prefix)
  put(out, "| key | type | default | what |\n| --- | --- | --- | --- |")
  for _, key in ipairs(rows) do
    put(out, ("| `%s` | %s | %s | %s |"):format(key.name:sub(#prefix + 1), cell(key.type),
      key.default ~= "" and "`" .. key.default .. "`" or "", cell(key.text)))
  end
  put(out, "")
end

local function configuration_page()
  local out = { "# Configuration: the keys of sluice.lua", "", head }
  put(out, "The same is in sluice.lua(5). `sluice check --defaults POLICY` says what each is in a policy, and where that\n" ..
    "comes from. Unknown keys are errors.\n")
  local top, groups, order = {}, {}, {}
  for _, key in ipairs(tables.keys) do
    local group = key.name:match("^(.*)%.[^.]*$")
    if not group then top[#top + 1] = key
    else
      if not groups[group] then groups[group], order[#order + 1] = {}, group end
      table.insert(groups[group], key)
    end
  end
  key_rows(out, top, "")
  for _, group in ipairs(order) do
    put(out, "## " .. group .. "\n")
    key_rows(out, groups[group], group .. ".")
  end
  return out
end

local function findings_page()
  local out = { "# Findings: what sluice check says", "", (head:gsub("from the builtins' comments and the program's tables",
    "from stdlib/check/codes.lua")) }
  put(out, "`sluice check POLICY` prints each finding as `file:line:column: severity: text [code]` and below it what to " ..
    "do;\n`--json` prints a list of objects with the members file, line, column, severity, code, text and remedy. " ..
    "Exit status\n1 means that there is an error; warnings alone are 0. What is about a whole file stands at 1:1.\n")
  for _, c in ipairs(dofile("stdlib/check/codes.lua")) do
    put(out, "## " .. c.code .. "\n")
    put(out, (c.severity == "error" and "Error. " or "Warning. ") .. c.cause .. "\n")
    put(out, "What to do: " .. c.remedy .. ".\n")
  end
  return out
end

local function shown(value)
  if type(value) == "table" then return "`{}`" end
  if type(value) == "string" then return '`"' .. value .. '"`' end
  return value == nil and "" or "`" .. tostring(value) .. "`"
end

-- Blocks describe themselves.
local function blocks_page()
  local out = { "# Blocks: elements of flows with parameters", "", head, [[
`flows = { eod = { { block = "NAME", parameter = value } } }`. Parameters are checked when the policy is loaded.
`lib/blocks/NAME.lua` of a policy is a block of its own (or takes the place of one of these): a file that returns a
table with title, text, phases, parameters (each with name, type, text; default, required, choices, min, max),
`run(parameters)`, and `check(parameters)` if some of them depend on each other: it returns what is wrong. Types:
string, boolean, number, choice, strings (a list), key ("pki:NAME" or a private key), quarantine.
]] }
  for path in io.popen("ls stdlib/blocks/*.lua"):lines() do
    local block, phases = dofile(path), {}
    for i, name in ipairs(block.phases) do phases[i] = phase_link(name) end
    put(out, "## " .. path:match("([%w_]+)%.lua$") .. "\n")
    put(out, block.title .. ". In " .. table.concat(phases, " or ") .. ".\n")
    put(out, block.text .. "\n\n| parameter | type | default | what |\n| --- | --- | --- | --- |")
    for _, p in ipairs(block.parameters) do
      local kind = p.choices and '"' .. table.concat(p.choices, '" "') .. '"' or p.type
      put(out, ("| `%s` | %s | %s | %s |"):format(p.name, cell(kind), shown(p.default), cell(p.text)))
    end
    put(out, "")
  end
  return out
end

local function first_sentence(text)
  local line = text:match("^(.-)\n\n") or text
  line = line:gsub("\n", " ")
  return cell(line:match("^(.-[%.:])%s") or line):gsub("[%.:]$", "")
end

local function index_page()
  local out = { "# Reference", "", (head:gsub(" %[Index.*", "\n")), "## Phases\n" }
  for _, phase in ipairs(tables.phases) do
    put(out, ("- [%s](phase-%s.md): %s"):format(phase.name, phase.name, prose.phases[phase.name][1]))
  end
  put(out, "\n## Policy\n\n- [Variables](variables.md): what scripts are told\n- [Configuration](configuration.md): the keys of " ..
    "sluice.lua\n- [Blocks](blocks.md): elements of flows that need no script\n- [Findings](findings.md): what " ..
    "`sluice check` says, and what to do\n\n## Modules\n\nBuiltins are " ..
    "globals of scripts, under their plain names; a module is where they are described.\n")
  for _, module in ipairs(tables.modules) do
    put(out, ("- [%s](%s.md): %s"):format(module, module, prose.modules[module][1]))
  end
  local names, any = {}, {}
  for _, b in ipairs(tables.builtins) do if not b.inner then names[#names + 1] = b.name end end
  table.sort(names, function(a, b) if a:lower() ~= b:lower() then return a:lower() < b:lower() end return a < b end)
  put(out, "\n## Builtins\n\n| name | module | what |\n| --- | --- | --- |")
  for _, name in ipairs(names) do
    local b = by_name[name]
    if not b.phases and not b.hsl then any[#any + 1] = link(name) end
    put(out, ("| %s | %s | %s |"):format(link(name), b.module, b.same and "another name of `" .. b.same .. "`" or
      first_sentence(b.prose)))
  end
  put(out, "\n## Builtins of every phase\n\nThese are also in `sluice exec` and `sluice repl`.\n\n" .. table.concat(any, ",\n"))
  return out
end

-- ---- writing --------------------------------------------------------------------

local function write(name, out)
  local file = assert(io.open(folder .. "/" .. name .. ".md", "w"))
  file:write((table.concat(out, "\n"):gsub("\n+$", "")), "\n")
  assert(file:close())
end

for _, module in ipairs(tables.modules) do write(module, module_page(module)) end
for _, phase in ipairs(tables.phases) do write("phase-" .. phase.name, phase_page(phase)) end
write("variables", variables_page())
write("configuration", configuration_page())
write("blocks", blocks_page())
write("findings", findings_page())
write("README", index_page())
