-- What each result of DMARC does with a message.
local actions = { "accept", "quarantine", "defer", "reject" }

local function choice(name, default, text)
  return { name = name, type = "choice", choices = actions, default = default, text = text }
end

local results = {
  choice("none", "accept", "DMARC failed and the domain asks for nothing"),
  choice("quarantine", "accept", "DMARC failed and the domain asks for quarantine"),
  choice("reject", "reject", "DMARC failed and the domain asks for rejection"),
  choice("policy_absent", "accept", "the domain has no policy"),
  choice("temperror", "defer", "DNS didn't answer"),
  choice("permerror", "reject", "there isn't exactly one From domain"),
}

-- ---- trusted forwarders

-- The set of the first of the trusted forwarders that handled the message one after the other, us
-- last: what it found, it found before any of them could have changed the message.
local function first_trusted(arc, trusted)
  local found
  for i = #arc.sets, 1, -1 do
    if not trusted[arc.sets[i].seal.domain or ""] then break end
    found = arc.sets[i]
  end
  return found
end

local function domain_of(value)
  return value and value:match("[^@]*$"):lower()
end

-- Did DMARC pass for this From domain where that set was made?
local function passed_there(set, from)
  local field = authres_parse(set.results)
  for _, found in ipairs(field and field.results or {}) do
    if found.method:lower() == "dmarc" and found.result:lower() == "pass" and
        domain_of(found.properties["header.from"]) == from then
      return true
    end
  end
  return false
end

-- The domain whose seal is believed, or nil; true behind it when DNS can't say now.
local function believed(p, from)
  local trusted = {}
  for _, domain in ipairs(p.trusted_sealers) do trusted[domain:lower()] = true end
  local arc = ScanARC()
  local set = first_trusted(arc, trusted)
  if not set or not from then return nil end
  if arc.result == "pass" and arc.from_signed and passed_there(set, from) then
    return set.seal.domain
  end
  return nil, arc.temporary
end

-- ---- the decision

local function texts(policy, from)
  if policy == "permerror" then return "The message has no usable From address" end
  if policy == "temperror" then return "The DMARC policy of " .. from .. " can't be checked now" end
  if policy == "policy_absent" then return from .. " has no DMARC policy" end
  return "The message violates the DMARC policy of " .. from
end

local function act(p, policy, from)
  local text = texts(policy, from) .. " (" .. messageid .. ")"
  if p[policy] == "reject" then Reject(text) end
  if p[policy] == "defer" then Defer(text) end
  if p[policy] == "quarantine" then Quarantine(p.quarantine_as, { reject = false }) end
end

local function override(p, dmarc)
  local from = dmarc.identifiers.header_from
  local sealer, unsure = believed(p, from)
  if unsure then
    Defer("The ARC chain of the message can't be checked now (" .. messageid .. ")")
  end
  if sealer then
    event("dmarc_overridden", { from = from, policy = dmarc.policy, sealer = sealer,
      override = "trusted_forwarder" })
  end
  return sealer ~= nil
end

local function run(p)
  local dmarc = dmarc_details()
  local spared = dmarc.result == "fail" and p[dmarc.policy] ~= "accept" and
    #p.trusted_sealers > 0 and override(p, dmarc)
  if p.authentication_results then AddAuthenticationResults() end
  if dmarc.policy ~= "pass" and not spared then
    act(p, dmarc.policy, dmarc.identifiers.header_from)
  end
end

local function check(p)
  for _, result in ipairs(results) do
    if p[result.name] == "quarantine" and not p.quarantine_as then
      return result.name .. " = \"quarantine\" needs quarantine_as"
    end
  end
end

local parameters = {
  { name = "quarantine_as", type = "quarantine",
    text = "where \"quarantine\" puts messages: a name of quarantine in sluice.lua" },
  { name = "authentication_results", type = "boolean", default = true,
    text = "add the Authentication-Results field" },
  { name = "trusted_sealers", type = "strings", default = {},
    text = "forwarders that are believed, by the domains of their ARC seals" },
}
table.move(parameters, 1, #parameters, #results + 1, results)

return {
  title = "Verify sender",
  text = [[
Does what is wanted of each result of DMARC, and says in an Authentication-Results field what was found.

A forwarder that is trusted spares a message whose DMARC failed on the way: its ARC chain passes and signs
the From field, the newest sets are of trusted domains, and the first of these found that DMARC passed for
the same From domain. The event dmarc_overridden tells. If DNS fails on the way there, the message is
deferred.

Best in eod, once for all recipients; in data for each.]],
  phases = { "eod", "data" },
  parameters = results,
  check = check,
  run = run,
}
