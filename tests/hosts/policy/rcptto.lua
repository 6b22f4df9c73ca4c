local act = {
  nobody = function() Reject({ "No such user", "here" }) end,
  full = function() Defer("Mailbox full", { code = 452, enhanced = "4.2.2" }) end,
  loop = function() while true do end end,
  broken = function() error("broken") end,
  odd = function() Reject("100% \r\n no\0 control") end,
  gone = function() Reject("Bye", { code = 550, enhanced = "5.7.1", disconnect = true }) end,
  good = function() Accept() end,
}
local f = act[recipient:match("^(.*)@example%.org$")]
if f then f() end
