function queue_all()
  local mail = MIME("0")
  mail:addHeader("X-Queued", "1")
  for _, to in ipairs(transaction.recipients) do
    mail:queue(transaction.senderaddress, to.address, to.transportid)
  end
  return mail
end

local act = {
  reject = function() Reject("Refused at eod") end,
  defer = function() Defer({ "Not", "now" }, { code = 450, enhanced = "4.2.1" }) end,
  gone = function() Reject("Bye", { disconnect = true }) end,
  delete = function() Delete() end,
  quarantine = function() Quarantine("spam", { reject = false }) end,
  ["quarantine edited"] = function() AddHeader("X-Spam", "yes") Quarantine("spam", { reject = false }) end,
  ["reject and keep"] = function() Quarantine("spam") end,
  add = function() AddHeader("X-Eod", "1") end,
  accept = function() AddHeader("X-Eod", "2") Accept() end,
  error = function() error("a fault") end,
  sender = function() SetSender("other@example.com") end,
  metadata = function() SetMetaData({ list = "news", customer = "42" }) end,
  delay = function() SetDelayedDeliver(5000) end,
  ["queue all"] = function() queue_all() Accept() end,
  ["queue and add"] = function() queue_all():queue(sender, "eve@example.com") Accept() end,
  ["queue other sender"] = function()
    MIME("0"):queue("", "bob@example.org") MIME("0"):queue(sender, "ann@example.org") Accept()
  end,
  ["queue other edits"] = function()
    local mail = MIME("0")
    mail:queue(sender, "bob@example.org") mail:addHeader("X-Ann", "1") mail:queue(sender, "ann@example.org") Accept()
  end,
  ["queue by transport"] = function() MIME("0"):queue(sender, "eve@example.com", "box") end,
  ["queue one"] = function() MIME("0"):queue(sender, "bob@example.org") Delete() end,
}
local f = act[(GetHeader("Subject") or ""):match("^eod (.+)")]
if f then f() end
