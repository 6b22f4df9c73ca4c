local what, me = GetHeader("Subject") or "", recipient:match("^(.*)@")

local function sign(selector)
  assert(DKIMSign(selector, "example.com", "pki:k", { timestamp = 1700000000 }))
end

local act = {
  deliver = function() Deliver() end,
  add = function() AddHeader("X-One", "1") AddHeader("X-Two", ("word "):rep(40)) end,
  ["eod add"] = function() AddHeader("X-Data", "2") end,
  set = function() SetHeader("X-Twice", "once") SetHeader("Subject", "[x] " .. what) end,
  ["delete field"] = function() DelHeader("X-Twice") end,
  prepend = function() PrependHeader("X-Twice", ">> ") end,
  append = function() AppendHeader("Subject", " (seen)") end,
  ["add, change, delete"] = function()
    AddHeader("X-Last", "l") SetHeader("To", "Bob <bob@example.org>") DelHeader("X-Twice")
    AddHeader("X-Twice", "3")
  end,
  big = function() AddHeader("X-Big", ("x"):rep(65530)) end,
  body = function()
    for _, part in ipairs(MIME("0"):findByType("text/plain")) do
      part:setBody(part:getBody() .. "\r\n-- \r\nScanned.\r\n")
    end
  end,
  ["body and sign"] = function() MIME("0"):setBody("Another one.\r\n") sign("s") end,
  sign = function() sign("s") end,
  ["edit and sign"] = function() DelHeader("X-Twice") AddHeader("X-New", "n") sign("s") end,
  ["mail sign"] = function()
    assert(MIME("0"):signDKIM("s", "example.com", "pki:k", { timestamp = 1700000000 })):addHeader("X-New", "n")
  end,
  modify = function() MIME("0"):modifyContent(messagesize, 0, "Seen.\r\n") end,
  ["modify and sign"] = function()
    assert(MIME("0"):modifyContent(messagesize - 3, 1, "!"):signDKIM("s", "example.com", "pki:k",
      { timestamp = 1700000000 }))
  end,
  reset = function() SetHeader("X-Twice", "once") MIME("0"):setBody("gone") MIME("0"):reset() end,
  restore = function()
    local mail = MIME("0")
    mail:addHeader("X-Kept", "1")
    local id = mail:snapshot()
    mail:delHeader("X-Twice") mail:setBody("gone")
    assert(mail:restore(id))
  end,
  seal = function()
    assert(ARCSeal("s", "example.com", "pki:k", { timestamp = 1700000000 }))
  end,
  results = function() AddHeader("X-DMARC", json_encode(ScanDMARC())) end,
  sender = function() SetSender("other@example.com") end,
  ["no sender"] = function() SetSender("") end,
  recipient = function() SetRecipient("eve@example.com") end,
  ["one recipient"] = function() if me == "bob" then SetRecipient("eve@example.com") end end,
  copy = function() Deliver{ recipient = "archive@example.com", done = false } end,
  transport = function() Deliver{ transportid = "other" } end,
  ["same transport"] = function() Deliver{ transportid = "box" } end,
  ["set transport"] = function() SetMailTransport("other") end,
  delay = function() Deliver{ delay = 5000 } end,
  metadata = function() SetMetaData({ list = "news" }) end,
  ["deliver metadata"] = function() Deliver{ metadata = { list = recipient } } end,
  reject = function() Reject("Refused") end,
  ["reject coded"] = function() Reject({ "One", "Two" }, { code = 554, enhanced = "5.6.0" }) end,
  gone = function() Defer("Bye", { code = 421, enhanced = "4.3.2", disconnect = true }) end,
  defer = function() Defer("Try later") end,
  delete = function() Delete() end,
  quarantine = function() Quarantine("spam", { reject = false }) end,
  ["reject and keep"] = function() AddHeader("X-Spam", "yes") Quarantine("spam") end,
  error = function() error("a fault") end,
  limit = function() while true do end end,
  ["late limit"] = function() AddHeader("X-One", "1") while true do end end,
  mail = function()
    if me == "bob" then
      local ok = pcall(mail, "postmaster@example.org", "abuse@example.org", "Seen", "A message.",
        { headers = { Date = "Tue, 14 Nov 2023 22:13:20 +0000", ["Message-ID"] = "<2@example.com>" } })
      if not ok then Defer("No new messages here") end
    end
  end,
}

-- What recipients want each for themselves: a word for each, by their order.
local each = {
  mark = function() AddHeader("X-For", recipient) end,
  sign = function() sign(me) end,
  sender = function() SetSender("bounce-" .. me .. "@example.com") end,
  body = function() MIME("0"):setBody("For " .. me .. ".\r\n") end,
  deliver = function() Deliver() end,
  reject = function() Reject("Not for " .. me) end,
  defer = function() Defer("Later for " .. me) end,
  delete = function() Delete() end,
  quarantine = function() Quarantine("spam", { reject = false }) end,
  keep = function() Quarantine("spam") end,
}
local first, second = what:match("^each (%w+) (%w+)$")
local f = act[what] or each[me == "bob" and first or second]
if f then f() end
