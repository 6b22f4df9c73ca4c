-- The subject says what to do.
local actions = {
  ["add"] = function()
    AddHeader("X-Lower", "added first")
    AddHeader("X-Upper", "added last")
  end,
  ["change"] = function()
    SetHeader("Subject", "changed")
    DelHeader("X-Remove")
  end,
  ["body"] = function() MIME("0"):setBody("other\r\n") end,
  ["sender"] = function() SetSender("bounces@example.org") end,
  ["recipient"] = function() SetRecipient("other@example.org") end,
  ["quarantine"] = function() Quarantine("spam", { reject = false }) end,
  ["discard"] = function() Delete() end,
  ["reject"] = function() Reject("5.7.1 no such thing here") end,
  ["defer"] = function() Defer("4.7.1 not now") end,
}
local act = actions[GetHeader("Subject")]
if act then act() end
