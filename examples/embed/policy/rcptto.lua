if recipient:match("^nobody@") then Reject("No such user here") end
