-- Sign on every exit path: whatever delivers, delivers through this function.
-- The key belongs to the account and comes from the key API.
function Deliver(options)
  local dkim, err = api_call("?type=dkim&user=$1&domain=$2", { saslusername, senderdomain or "" })
  if err then
    Defer("Signing key not available, try again later (" .. messageid .. ")")
  end
  if dkim and not DKIMSign(dkim.selector, dkim.domain, dkim.rsakey) then
    Defer("Message could not be signed (" .. messageid .. ")")
  end
  builtin.Deliver(options)
end
