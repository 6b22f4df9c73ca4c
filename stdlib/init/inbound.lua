-- Refuse what violates the DMARC policy of its From domain.
local result = ScanDMARC()
if not result then
  Reject("The message has no usable From address (" .. messageid .. ")")
end
for domain, policy in pairs(result) do
  if policy == "reject" then
    Reject("The message violates the DMARC policy of " .. domain .. " (" .. messageid .. ")")
  elseif policy == "temperror" then
    Defer("The DMARC policy of " .. domain .. " can't be checked now")
  end
end
