-- Mail of our users and of this machine: what is from our domain leaves with our signature or waits.
function Deliver(options)
  if headerfromdomain == "example.org" and
      not DKIMSign("s1", "example.org", "pki:example.org/s1") then
    Defer("Message could not be signed (" .. (queueid or messageid) .. ")")
  end
  builtin.Deliver(options)
end
