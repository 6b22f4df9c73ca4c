-- Steps 4 and 7 of the README: outbound mail is signed, inbound mail is verified.
before(function(t)
  t:dns[[
    other.example.       IN TXT "v=spf1 ip4:192.0.2.7 -all"
  ]]
  t:given{ message = { From = "ann@example.com", Subject = "hello", body = "Hi.\n" } }
end)

local function submit(t)
  return t:smtp{ server = "outbound", ip = "192.0.2.1", helo = "laptop", tls = true,
    auth = { "ann", "secret" }, from = "ann@example.com", to = "bob@example.net" }
end

test("what is submitted is signed", function(t)
  local r = submit(t)
  t:expect(r, { verdict = "Deliver", messages = 1 })
  t:match(r.messages[1]:header("DKIM-Signature"), "d=example%.com;%s+s=s1")
end)

test("a wrong password sends nothing", function(t)
  local r = t:smtp{ server = "outbound", ip = "192.0.2.1", helo = "laptop", tls = true,
    auth = { "ann", "wrong" }, from = "ann@example.com", to = "bob@example.net" }
  t:expect(r, { phase = "auth", code = 535, messages = 0 })
end)

test("a forgery is refused", function(t)
  local r = t:smtp{ server = "inbound", ip = "192.0.2.7", helo = "mail.other.example",
    from = "b@other.example", to = "carl@example.com" }
  t:expect(r, { verdict = "Reject", code = 550, where = "inbound.lua:8", reply = "example.com" })
end)

test("the server's own mail passes", function(t)
  local r = t:smtp{ server = "inbound", ip = "127.0.0.1", helo = "mx.example.com",
    from = "ann@example.com", to = "carl@example.com" }
  t:expect(r, { verdict = "Deliver", messages = 1 })
end)
