-- What a Postfix in front of the policy does to its signatures, and whether it asks the policy at all: by
-- the settings that "postconf" and "postconf -P" print, or a main.cf. doc/hosts.md has what was measured.
-- Gets { file, text }, the milter listeners ("inet:127.0.0.1:8890") and whether a script signs; calls
-- found(line, code, text).
local postfix, listeners, signs, found = ...

-- ---- settings ---------------------------------------------------------------

-- Of main.cf and, with the service in front, of master.cf: { service, name, value, line }, in their order. Of
-- several lines for one setting the last one holds.
local settings, number, by_place = {}, 0, {}

local function add(place, value)
  local service, name = place:match("^(.*)/([^/]+)$")
  local setting = { service = service, name = name or place, value = value, line = number }
  if by_place[place] then by_place[place].name = "" end
  by_place[place] = setting
  settings[#settings + 1] = setting
end

for line in (postfix.text .. "\n"):gmatch("(.-)\r?\n") do
  number = number + 1
  local place, value = line:match("^([%w_][^%s=]*)%s*=%s*(.-)%s*$")
  if place then
    add(place, value)
  elseif line:find("^%s+[^%s#]") and #settings > 0 then
    local last = settings[#settings]
    last.value = last.value .. line:gsub("%s+$", "")
  end
end

-- What main.cf says, or the client of SMTP in master.cf.
local function value_of(name)
  return by_place["smtp/unix/" .. name] or by_place[name]
end

-- $name, ${name} and $(name), as often as values have them again: text that makes sense ends soon.
local function expand(text)
  local n
  for _ = 1, 10 do
    text, n = text:gsub("%$[{(]?([%w_]+)[})]?", function(name)
      local s = by_place[name]
      return s and #s.value < 1000 and s.value or nil
    end)
    if n == 0 or #text > 10000 then break end
  end
  return text
end

-- ---- does it ask ------------------------------------------------------------

-- "inet:127.0.0.1:8890, { unix:sluice/milter, connect_timeout=5s }" as a list of addresses.
local function milters(value)
  local list = {}
  value = expand(value):gsub("{%s*([^%s,}]+)[^}]*}", "%1")
  for address in value:gmatch("[^%s,]+") do list[#list + 1] = address end
  return list
end

-- A port is known by its number, for hosts have many names; a path may be below Postfix's queue folder.
local function is_ours(address)
  for _, listener in ipairs(listeners) do
    local port, path = address:match("^inet6?:.*:(%d+)$"), address:match("^%w+:(/?.*)$")
    if port and listener:match("^inet6?:.*:(%d+)$") == port then return true end
    if address:find("^unix:") and listener:find("^unix:") then
      local own = listener:match("^unix:(.*)$")
      if own == path or own:sub(-#path - 1) == "/" .. path then return true end
    end
  end
  return false
end

-- Whether some setting of that name has one of ours; what stands behind ours changes what is signed.
local function look_at_milters(name, unseen)
  local seen, last
  for _, s in ipairs(settings) do
    if s.name == name then
      local ours
      last = s
      for _, address in ipairs(milters(s.value)) do
        if is_ours(address) then
          ours, seen = true, true
        elseif ours and signs then
          found(s.line, "postfix-order", ("%s: %s comes behind the policy: what it changes is signed already")
            :format(name, address))
        end
      end
    end
  end
  if not seen then
    found(last and last.line or 1, "postfix-milters", name .. " names no milter listener of the policy: " .. unseen)
  end
end

look_at_milters("smtpd_milters", "mail by SMTP isn't shown to it")
look_at_milters("non_smtpd_milters", "mail of the sendmail command isn't shown to it")
for _, s in ipairs(settings) do
  if s.name == "milter_default_action" and s.value == "accept" or
      s.name:find("smtpd_milters$") and s.value:find("default_action%s*=%s*accept") then
    found(s.line, "postfix-default-action", "while the policy doesn't answer, mail passes unseen: spoofs come in, and nothing is signed")
  end
  if s.name == "milter_protocol" and (tonumber(s.value) or 6) < 6 then
    found(s.line, "postfix-protocol", "by this milter_protocol header fields aren't shown as they stand, and senders can't be changed")
  end
end

-- ---- what its clients change ------------------------------------------------

if not signs then return end

local rewriting = { "smtp_generic_maps", "smtp_header_checks", "smtp_mime_header_checks", "smtp_nested_header_checks",
  "smtp_body_checks" }
for _, s in ipairs(settings) do
  for _, name in ipairs(rewriting) do
    if s.name == name and s.value ~= "" then
      found(s.line, "signature-rewritten", name .. " changes messages after they were signed: signatures over what it changes break")
    end
  end
end

local limit, as_is = value_of("smtp_line_length_limit"), value_of("disable_mime_output_conversion")
if not limit or limit.value ~= "0" then
  found(limit and limit.line or 1, "signature-long-lines",
    "longer lines than smtp_line_length_limit (998 by default) are broken after they were signed")
end
if not as_is or as_is.value:lower() ~= "yes" then
  found(as_is and as_is.line or 1, "signature-8bit", "8-bit mail for a server without 8BITMIME is converted after it was signed")
end
