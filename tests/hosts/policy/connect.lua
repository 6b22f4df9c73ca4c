if senderip == "127.0.0.2" then Reject("Not from there")
elseif senderip == "127.0.0.3" then Defer({ "Come back", "later" }, { code = 421, enhanced = "4.3.2", disconnect = true })
elseif senderip == "127.0.0.4" then error("broken")
elseif senderip == "127.0.0.5" then Accept() end
