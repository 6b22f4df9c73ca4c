-- Writes sluice-policy(7): policy_manual.lua SLUICE. The text is that of doc/policy.md; the phases come from the
-- program's tables and tools/prose.lua, as the pages of the reference do.
local tables = dofile("tools/tables.lua")(arg[1])
local prose = dofile("tools/prose.lua")

local function put(text) io.write(text, "\n") end

-- ---- text -----------------------------------------------------------------------

-- A line of text must not look like a macro.
local function guard(line) return line:find("^[.']") and "\\&" .. line or line end

-- Escaped first; then `code` and links, which stand between the escapes.
local function inline(text)
  text = text:gsub("\\", "\\e"):gsub("%[([^%]]*)%]%(([^)]*)%)", "%1"):gsub("`([^`]*)`", "\\fB%1\\fR")
  return (text:gsub('"', "\\(dq"))
end

local function literal(line) return guard((line:gsub("\\", "\\e"))) end

-- A paragraph, broken where sentences end, as manual pages are.
local function paragraph(text)
  for line in (inline(text):gsub("%s+", " "):gsub("([%.:;]) (%u)", "%1\n%2") .. "\n"):gmatch("(.-)\n") do
    put(guard(line))
  end
end

-- ---- doc/policy.md ----------------------------------------------------------------

local function list(rows)
  put(".Bl -tag -width Ds")
  for _, row in ipairs(rows) do
    put(".It " .. inline(row[1]))
    paragraph(row[2])
  end
  put(".El")
end

local function each_block(text, on)
  local at = 1
  while at <= #text do
    local stop = text:find("\n\n", at, true) or #text + 1
    if text:sub(at, at + 2) == "```" then
      local _, fence_end = text:find("\n```\n", at, true)
      on.code(text:sub(at, fence_end):match("^```%w*\n(.-)\n```\n$"))
      at = fence_end + 1
    else
      local block = text:sub(at, stop - 1):gsub("\n$", "")
      local heading = block:match("^##? (.*)$")
      if heading then on.heading(heading)
      elseif block:find("^|") then
        local rows = {}
        for line in block:gmatch("[^\n]+") do
          local name, what = line:match("^| (.-) | (.*) |$")
          if name and not name:find("^%-%-%-") then rows[#rows + 1] = { name, what } end
        end
        table.remove(rows, 1)
        on.rows(rows)
      elseif block ~= "" then on.text(block) end
      at = stop
    end
    at = text:match("^\n*()", at)
  end
end

-- ---- phases -------------------------------------------------------------------------

local function has(words, word)
  for _, w in ipairs(words or {}) do if w == word then return true end end
  return false
end

local function without_action(phase)
  if phase.ends_with == "" then return "A script that ends without one leaves it at the default." end
  return ("A script that ends without one calls %s%s; without a script it is %s%s."):format(phase.ends_with,
    phase.name == "rcptto" and " (with level = 2016, Reject)" or "", phase.without_flow,
    phase.name == "auth" and ", or as users says" or "")
end

local function put_phase(phase)
  local about, rows, names = prose.phases[phase.name], {}, {}
  put(".Ss " .. phase.name .. ": " .. about[1])
  paragraph(about[2])
  for _, b in ipairs(tables.builtins) do
    if b.final and has(b.phases, phase.name) then
      local reply = b.name == "Reject" and phase.reject or b.name == "Defer" and phase.defer or ""
      rows[#rows + 1] = { b.name, b.same and "Another name of " .. b.same .. "." or
        about.actions[b.name] .. (reply ~= "" and " Unless told another: " .. reply .. "." or "") }
    end
  end
  put(".Pp")
  if #rows > 0 then
    put("Final actions:")
    list(rows)
  else
    put("It has no final actions.")
  end
  put(".Pp")
  paragraph(without_action(phase))
  if phase.failure ~= "" then paragraph("When a script fails the client hears " .. phase.failure .. ".") end
  for _, fact in ipairs(tables.facts) do
    if not fact.name:find(".", 1, true) and has(fact.phases, phase.name) then names[#names + 1] = fact.name end
  end
  put(".Pp\nVariables:")
  put(table.concat(names, ",\n") .. ".")
end

local function put_variables()
  put(".Sh VARIABLES\nGlobals, read-only; without a value they are nil.\nIn parentheses, the phases.")
  put(".Bl -tag -width Ds")
  for _, fact in ipairs(tables.facts) do
    put(".It " .. inline(fact.name))
    paragraph((fact.text:gsub("^= (%w+)$", "the same as `%1`")) .. ".")
    put("(" .. table.concat(fact.phases, " ") .. ")")
  end
  put(".El")
end

-- ---- the page -------------------------------------------------------------------------

io.write([[
.\" Written by make docs from doc/policy.md and the program's tables.
.Dd November 28, 2026
.Dt SLUICE-POLICY 7
.Os
.Sh NAME
.Nm sluice-policy
.Nd what a sluice policy consists of, and how its scripts run
]])

local current, fresh
local on = {}

local function leave()
  if current == "Phases" then
    for _, phase in ipairs(tables.phases) do put_phase(phase) end
    put_variables()
  end
end

function on.heading(text)
  leave()
  put(".Sh " .. (current and text:upper() or "DESCRIPTION"))
  current, fresh = text, true
end

function on.text(text)
  if text:find("reference/README.md", 1, true) then
    text = "This page is doc/policy.md, with the phases; doc/reference/ has each builtin."
  end
  if not fresh then put(".Pp") end
  fresh = false
  paragraph(text)
end

function on.rows(rows)
  list(rows)
  fresh = false
end

function on.code(text)
  put(".Bd -literal -offset indent")
  for line in (text .. "\n"):gmatch("(.-)\n") do put(literal(line)) end
  put(".Ed")
  fresh = false
end

local file = assert(io.open("doc/policy.md"))
each_block(file:read("a"), on)
leave()
put(".Sh SEE ALSO\n.Xr sluice 1 ,\n.Xr sluice.lua 5")
