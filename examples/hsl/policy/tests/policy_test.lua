-- What the scripts decide, with DNS, HTTP and the clock of the test's.
local routes = "GET https://routes.example.org/v1*"

before(function(t)
  t:dns[[
    partner.example.         TXT "v=spf1 ip4:198.51.100.1 -all"
    _dmarc.partner.example.  TXT "v=DMARC1; p=reject; sp=quarantine"
    plain.example.           A 198.51.100.9
  ]]
  t:http{ [routes] = { status = 404 } }
  t:given{ server = "inbound", ip = "198.51.100.1", helo = "mail.partner.example",
    from = "bob@partner.example", to = "ann@example.org",
    message = { From = "bob@partner.example", To = "ann@example.org", Subject = "hello", body = "Hi.\n" } }
end)

-- Past the greylist: who comes again after a minute is let in.
local function send(t, what)
  t:smtp(what)
  t:wait(61)
  return t:smtp(what)
end

local function outgoing(t, ip)
  return t:smtp{ server = "outbound", ip = ip or "192.0.2.1", from = "ann@example.org",
    to = "bob@partner.example", message = { From = "ann@example.org", Subject = "hello", body = "Hi.\n" } }
end

-- ---- greylist.hsl -----------------------------------------------------------------

test("who is new waits a minute, and is known from then on", function(t)
  t:expect(t:smtp(), { verdict = "Defer", phase = "rcptto", code = 450, reply = "try again in a minute" })
  t:wait(30)
  t:expect(t:smtp(), { verdict = "Defer", code = 450 })
  t:wait(31)
  t:expect(t:smtp(), { verdict = "Deliver", messages = 1 })
  local other = t:smtp{ ip = "198.51.100.77", from = "carl@plain.example",
    message = { From = "carl@plain.example", body = "Hi.\n" } }
  t:expect(other, { verdict = "Deliver", messages = 1 })     -- of the same network
  t:expect(t:smtp{ ip = "203.0.113.1" }, { verdict = "Defer", code = 450 })
  t:wait(36 * 86400)
  t:expect(t:smtp(), { verdict = "Defer", code = 450 })
end)

-- ---- batv-sign.hsl, batv-check.hsl ----------------------------------------------------------

test("bounces come to signed addresses only", function(t)
  local signed = outgoing(t).messages[1].sender
  t:match(signed, "^prvs=0%d%d%d%x%x%x%x%x%x=ann@example%.org$")
  local function bounce(to)
    return send(t, { helo = "partner.example", from = "", to = to,
      message = { From = "postmaster@partner.example", body = "No.\n" } })
  end
  t:expect(bounce("ann@example.org"), { verdict = "Reject", phase = "rcptto" })
  t:expect(bounce(signed), { verdict = "Deliver", messages = 1 })
  t:expect(bounce((signed:gsub("ann@", "eve@"))), { verdict = "Reject", phase = "rcptto" })
  t:wait(8 * 86400)
  t:expect(bounce(signed), { verdict = "Reject", phase = "rcptto" })
end)

-- ---- forward.hsl ------------------------------------------------------------------------------

test("a forwarded message has a reverse-path of ours", function(t)
  local m = send(t, { to = "sales@example.org" }).messages[1]
  t:equal(m.recipients[1].recipient, "agency@partner.example")
  t:equal(m.recipients[1].transport, "mx")
  t:match(m.sender, "^SRS0=%x%x%x%x%x%x=%d+=partner%.example=bob@example%.org$")
end)

test("and bounces find back by it, for three weeks", function(t)
  local ours = send(t, { to = "sales@example.org" }).messages[1].sender
  local r = send(t, { to = ours })
  t:expect(r, { verdict = "Deliver", messages = 1 })
  t:equal(r.messages[1].recipients[1].recipient, "bob@partner.example")
  t:wait(30 * 86400)
  t:expect(send(t, { to = ours }), { verdict = "Reject", phase = "data" })
end)

test("one that isn't ours is refused", function(t)
  local r = send(t, { to = "SRS0=000000=1=partner.example=bob@example.org" })
  t:expect(r, { verdict = "Reject", phase = "data", reply = "This address isn't ours" })
end)

test("what was forwarded before keeps its first forwarder", function(t)
  local m = send(t, { from = "SRS0=abcdef=1=first.example=bob@partner.example", to = "sales@example.org" })
  t:match(m.messages[1].sender, "^SRS1=%x+=partner%.example==abcdef=1=first%.example=bob@example%.org$")
end)

-- ---- rate-limit.hsl -----------------------------------------------------------------------------

test("an account sends so much in an hour", function(t)
  for _ = 1, 100 do t:equal(outgoing(t).verdict, "Deliver") end
  for _ = 1, 50 do t:equal(outgoing(t).verdict, "Defer") end
  t:expect(outgoing(t), { verdict = "Quarantine", code = 550, reply = "Account blocked" })
  t:expect(outgoing(t, "192.0.2.2"), { verdict = "Deliver" })
  t:wait(3700)
  t:expect(outgoing(t), { verdict = "Deliver" })
end)

-- ---- route.hsl --------------------------------------------------------------------------------

test("the routing service says the way", {
  ["a transport"] = { answer = { json = { transport = "partner" } }, transport = "partner" },
  ["none of ours"] = { answer = { json = { transport = "pigeon" } }, transport = "mx" },
  ["nothing"] = { answer = { status = 404 }, transport = "mx" },
  ["it is down"] = { answer = { fail = "connect" }, transport = "mx" },
}, function(t, row)
  t:http{ [routes] = row.answer }
  local r = outgoing(t)
  t:expect(r, { verdict = "Deliver", messages = 1 })
  t:equal(r.messages[1].recipients[1].transport, row.transport)
  t:equal(r.http[1].url, "https://routes.example.org/v1?domain=partner.example")
end)

test("a domain that is blocked", function(t)
  t:http{ [routes] = { json = { blocked = true, reason = "on strike" } } }
  t:expect(outgoing(t), { verdict = "Reject", reply = "isn't taken: on strike" })
end)
