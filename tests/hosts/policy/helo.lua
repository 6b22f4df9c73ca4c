local act = {
  ["bad.example"] = function() Reject("Not with that name") end,
  ["slow.example"] = function() Defer() end,
  ["gone.example"] = function() Reject("Bye", { code = 554, enhanced = "5.5.0", disconnect = true }) end,
  ["broken.example"] = function() error("broken") end,
  ["good.example"] = function() Accept() end,
}
if act[senderhelo] then act[senderhelo]() end
