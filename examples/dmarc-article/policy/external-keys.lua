-- Sign with the account's key, which an API gives: step 5.
function Deliver(options)
  local dkim, err = api_call("?type=dkim&user=$1&domain=$2", { saslusername, senderdomain or "" })
  if err then Defer("Signing key not available, try again later") end
  if dkim and not DKIMSign(dkim.selector, dkim.domain, dkim.rsakey) then
    Defer("Message could not be signed")
  end
  builtin.Deliver(options)
end
