before(function(t)
  t:given{ ip = "192.0.2.1", helo = "mail.example.net", from = "bob@example.net", to = "ann@example.com",
    message = { From = "bob@example.net", Subject = "hello", body = "Hi.\n" } }
end)

test("a header field says who it was seen for", function(t)
  t:equal(t:smtp().messages[1]:header("X-Policy"), "seen for ann@example.com")
end)

test("lotteries are held", function(t)
  local r = t:smtp{ message = { From = "bob@example.net", Subject = "a lottery", body = "Hi.\n" } }
  t:expect(r, { verdict = "Quarantine", messages = 1 })
  t:equal(r.messages[1].quarantine, "spam")
end)

test("nobody isn't there", function(t)
  t:expect(t:smtp{ to = "nobody@example.com" }, { phase = "rcptto", code = 550, reply = "No such user here" })
end)
