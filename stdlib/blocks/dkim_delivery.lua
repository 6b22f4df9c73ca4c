-- The domain that signs: that of the From field or of the reverse-path, or a name.
local function signing_domain(p)
  if p.domain == "header" then return headerfromdomain end
  if p.domain == "envelope" then return senderdomain end
  return p.domain
end

-- DMARC at the receiver looks at the domain of the From field only.
local function tell_unaligned(domain)
  local from, signer = (headerfromdomain or ""):lower(), domain:lower()
  if from ~= signer and from:sub(-#signer - 1) ~= "." .. signer then
    event("unaligned_signature", { from = from, domain = domain }, "warning")
  end
end

local function sign(p, domain)
  if p.rotation then return DKIMSignFor(domain) end
  local signed, err, code = DKIMSign(p.selector, domain, p.key, { preflight = p.preflight })
  if code ~= "unpublished" or p.on_mismatch == "defer" then return signed, err end
  if p.on_mismatch == "skip" then return true, nil, "skipped" end
  return DKIMSign(p.selector, domain, p.key)
end

local function run(p)
  local domain = signing_domain(p)
  local signed, err, skipped = false, "the message has no domain to sign for"
  if domain then signed, err, skipped = sign(p, domain) end
  if not signed and p.unsigned == "defer" then
    syslog("warning", "not signed: " .. err)
    Defer("Message could not be signed (" .. messageid .. ")")
  end
  if signed and skipped ~= "skipped" then tell_unaligned(domain) end
  Deliver()
end

local function check(p)
  if p.rotation then
    if p.selector or p.key then return "rotation takes selector and key from dkim in sluice.lua" end
    if p.preflight then return "rotation looks at the published keys itself: no preflight" end
  elseif not p.selector or not p.key then
    return (p.selector and "key" or "selector") .. " is missing (or rotation = true)"
  end
end

return {
  title = "DKIM delivery",
  text = [[
Signs the message with DKIM and delivers it: the last element of an outbound flow.

The event unaligned_signature says that the From domain is neither the domain that signed nor below it, so
that the signature is nothing to DMARC.]],
  phases = { "data" },
  parameters = {
    { name = "selector", type = "string", text = "s= of the signature" },
    { name = "key", type = "key", text = "\"pki:NAME\" of the policy, or a private key" },
    { name = "domain", type = "string", default = "header",
      text = "d=: \"header\" (the From domain), \"envelope\" (that of the reverse-path) or a name" },
    { name = "rotation", type = "boolean", default = false,
      text = "take selector and key from dkim in sluice.lua: the first that DNS has (DKIMSignFor)" },
    { name = "unsigned", type = "choice", choices = { "defer", "deliver" }, default = "defer",
      text = "what happens to a message that can't be signed" },
    { name = "preflight", type = "boolean", default = false,
      text = "compare the key with the published one before signing" },
    { name = "on_mismatch", type = "choice", choices = { "defer", "skip", "sign" }, default = "defer",
      text = "when DNS has another key than ours, or none: defer, deliver unsigned, or sign anyway" },
  },
  check = check,
  run = run,
}
