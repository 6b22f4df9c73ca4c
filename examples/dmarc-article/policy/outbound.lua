-- Sign everything with one key: step 4.
function Deliver(options)
  if not DKIMSign("s1", "example.com", "pki:example.com") then
    Defer("Message could not be signed")
  end
  builtin.Deliver(options)
end
