-- What comes in is verified, what goes out is signed. Which of both a message is, the listener
-- decides; here each case says.
before(function(t)
  t:dns[[
    partner.example.         TXT "v=spf1 ip4:192.0.2.1 -all"
    _dmarc.partner.example.  TXT "v=DMARC1; p=reject"
    silent.example.          TXT "v=spf1 -all"
    _dmarc.silent.example.   SERVFAIL
    _dmarc.example.          NXDOMAIN
  ]]
end)

local function mail(from)
  return { from = from, message = { From = from, Subject = "hello", body = "Hi.\n" } }
end

test("inbound", {
  { name = "aligned", ip = "192.0.2.1", from = "bob@partner.example", want = { verdict = "Deliver" } },
  { name = "forged", ip = "192.0.2.9", from = "bob@partner.example",
    want = { verdict = "Reject", code = 550, reply = "DMARC policy of partner.example" } },
  { name = "undecided", ip = "192.0.2.1", from = "bob@silent.example", want = { verdict = "Defer", code = 451 } },
}, function(t, row)
  t:given{ server = "inbound", helo = "mail.partner.example", to = "ann@example.org", ip = row.ip }
  t:expect(t:smtp(mail(row.from)), row.want)
end)

test("outbound", function(t)
  t:given{ server = "outbound", ip = "127.0.0.1", helo = "localhost", to = "bob@partner.example" }
  local r = t:smtp(mail("ann@example.org"))
  t:match(r.messages[1]:header("DKIM-Signature"), "d=example%.org;")
  r = t:smtp(mail("list@lists.example"))
  t:equal(r.messages[1]:header("DKIM-Signature"), nil)
end)
