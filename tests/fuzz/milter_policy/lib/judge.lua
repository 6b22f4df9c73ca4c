-- What a client says of itself is how it is treated.
return function(said)
  if said:find("reject", 1, true) then Reject({ said, "100% no" }) end
  if said:find("defer", 1, true) then Defer("later") end
  if said:find("error", 1, true) then error(said) end
  context.seen = (context.seen or 0) + 1
end
