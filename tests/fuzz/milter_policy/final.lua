-- The field X-End: which final action, for all recipients or for the one that it names.
local how, whom = (GetHeader("X-End") or ""):match("^%s*(%l+)%s*(%S*)")
if how and (whom == "" or whom == recipient) then
  if how == "delete" then Delete()
  elseif how == "reject" then Reject("no " .. whom) elseif how == "defer" then Defer("later")
  elseif how == "spam" then Quarantine("spam") elseif how == "kept" then Quarantine("kept", { reject = false })
  elseif how == "copy" then Deliver({ recipient = "copy@example.net", done = false })
  elseif how == "rename" then SetRecipient("else@example.net")
  elseif how == "delay" then Deliver({ delay = 5 })
  elseif how == "error" then error("x") end
end
