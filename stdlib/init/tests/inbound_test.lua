-- Run by "sluice test"; doc/testing.md of sluice says how tests are written.
before(function(t)
  t:dns[[
    partner.example.         TXT "v=spf1 ip4:192.0.2.1 -all"
    _dmarc.partner.example.  TXT "v=DMARC1; p=reject"
    silent.example.          TXT "v=spf1 -all"
    _dmarc.silent.example.   SERVFAIL
    _dmarc.example.          NXDOMAIN
  ]]
  t:given{ ip = "192.0.2.1", helo = "mail.partner.example", to = "ann@example.org" }
end)

local function from(address)
  return { from = address, message = { From = address, To = "ann@example.org", Subject = "hello", body = "Hi.\n" } }
end

test("a partner's mail is delivered", function(t)
  t:expect(t:smtp(from("bob@partner.example")), { verdict = "Deliver", code = 250, messages = 1 })
end)

test("a forgery is refused", function(t)
  local o = from("bob@partner.example")
  o.ip = "192.0.2.99"
  t:expect(t:smtp(o), { verdict = "Reject", code = 550, reply = "DMARC policy of partner.example", messages = 0 })
end)

test("what can't be decided now comes again", function(t)
  t:expect(t:smtp(from("bob@silent.example")), { verdict = "Defer", code = 451, messages = 0 })
end)

test("two authors in one field are none", function(t)
  local o = from("bob@partner.example")
  o.message.From = "bob@partner.example, ann@example.org"
  t:expect(t:smtp(o), { verdict = "Reject", reply = "no usable From address" })
end)

test("recipients", {
  ["ann@example.org"] = { phase = "data", code = 250 },
  ["nobody@example.org"] = { phase = "rcptto", code = 550, reply = "No such user here" },
  ["ann@elsewhere.example"] = { phase = "rcptto", code = 550, where = "relay" },
}, function(t, want, address)
  local o = from("bob@partner.example")
  o.to = address
  t:expect(t:smtp(o), want)
end)
