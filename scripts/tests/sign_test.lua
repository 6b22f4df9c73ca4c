-- Every exit path of sign.lua signs, with the key that the API gives.
local api = "GET http://127.0.0.1:2580/keys?type=dkim&user=ann&domain=example.org"

before(function(t)
  t:given{ server = "outbound", ip = "192.0.2.1", helo = "laptop", tls = true, auth = { "ann", "secret" },
    from = "ann@example.org", to = "bob@elsewhere.example",
    message = { From = "ann@example.org", To = "bob@elsewhere.example", Subject = "hello", body = "Hi.\n" } }
end)

test("a key of the API signs", function(t)
  t:http{ [api] = { json = { selector = "s1", domain = "example.org", rsakey = t:key().private } } }
  local r = t:smtp()
  t:expect(r, { verdict = "Deliver", code = 250, messages = 1 })
  t:match(r.messages[1]:header("DKIM-Signature"), "d=example%.org;%s+s=s1")
  t:equal(#r.http, 1)
  local sent
  for _, header in ipairs(r.http[1].headers) do sent = sent or header:find("^Authorization: ") end
  t:check(sent, "the API was asked without the token")
end)

test("without a key the message goes unsigned", function(t)
  t:http{ [api] = { status = 404 } }
  local r = t:smtp()
  t:expect(r, { verdict = "Deliver", messages = 1 })
  t:equal(r.messages[1]:header("DKIM-Signature"), nil)
end)

test("no answer of the API: later", {
  ["it is slow"] = { body = "{}", delay = 60 },
  ["it is down"] = { fail = "connect" },
  ["it errs"] = { status = 500, body = "oops" },
  ["it gives no JSON"] = { body = "oops" },
}, function(t, answer)
  t:http{ [api] = answer }
  t:expect(t:smtp(), { verdict = "Defer", code = 451, reply = "Signing key not available", messages = 0 })
end)

test("a key that is none: later", function(t)
  t:http{ [api] = { json = { selector = "s1", domain = "example.org", rsakey = "none" } } }
  t:expect(t:smtp(), { verdict = "Defer", reply = "could not be signed" })
end)

test("a key that was had serves while the API is down", function(t)
  t:http{ [api] = { { json = { selector = "s1", domain = "example.org", rsakey = t:key().private } },
    { fail = "connect" } } }
  t:expect(t:smtp(), { verdict = "Deliver", messages = 1 })
  t:wait(3601)                       -- it is kept for an hour, and as an old one for a day
  local r = t:smtp()
  t:expect(r, { verdict = "Deliver", messages = 1 })
  t:check(r.messages[1]:header("DKIM-Signature"), "it isn't signed")
  t:wait(24 * 3600)
  t:expect(t:smtp(), { verdict = "Defer", code = 451 })
end)
