-- What inbound.lua does with each result of DMARC.
before(function(t)
  t:dns[[
    silent.example.         IN TXT "v=spf1 -all"
    _dmarc.silent.example.  SERVFAIL
    none.example.           IN TXT "v=spf1 -all"
  ]]
  t:given{ server = "inbound", ip = "127.0.0.1", helo = "mail.partner.example", to = "ann@example.org" }
end)

local function from(address)
  return { from = address, message = { From = address, Subject = "hello", body = "Hi.\n" } }
end

test("senders", {
  { name = "an aligned one is delivered", from = "bob@partner.example",
    want = { verdict = "Deliver", code = 250, messages = 1 } },
  { name = "a forged one is refused", from = "bob@spoofed.example",
    want = { verdict = "Reject", code = 550, where = "inbound.lua",
      reply = "violates the DMARC policy of spoofed.example", messages = 0 } },
  { name = "one whose policy can't be had is deferred", from = "bob@silent.example",
    want = { verdict = "Defer", code = 451, reply = "silent.example", messages = 0 } },
  { name = "one without a policy is delivered", from = "bob@none.example",
    want = { verdict = "Deliver", messages = 1 } },
}, function(t, row)
  t:expect(t:smtp(from(row.from)), row.want)
end)

test("two From addresses of one field are no author", function(t)
  local r = t:smtp{ from = "bob@partner.example",
    message = { From = "bob@partner.example, ann@example.org", body = "Hi.\n" } }
  t:expect(r, { verdict = "Reject", reply = "no usable From address" })
end)

test("nothing is relayed", function(t)
  local o = from("bob@partner.example")
  o.ip, o.to = "192.0.2.1", "carl@elsewhere.example"
  t:expect(t:smtp(o), { phase = "rcptto", code = 550, where = "relay" })
end)
