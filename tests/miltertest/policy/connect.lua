if senderip == "192.0.2.66" then Reject("not from here") end
