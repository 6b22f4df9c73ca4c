if recipient == "nobody@example.org" then Reject("5.1.1 nobody of that name") end
if recipient == "full@example.org" then Defer("4.2.2 mailbox full") end
