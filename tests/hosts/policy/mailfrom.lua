local act = {
  bad = function() Reject("No mail from you") end,
  slow = function() Defer("Later") end,
  broken = function() error("broken") end,
  coded = function() Reject({ "Three", "lines of", "text" }, { code = 553, enhanced = "5.1.8" }) end,
  gone = function() Defer("Bye", { code = 421, enhanced = "4.7.0", disconnect = true }) end,
  good = function() Accept() end,
}
local f = act[sender:match("^(.*)@example%.net$")]
if f then f() end
