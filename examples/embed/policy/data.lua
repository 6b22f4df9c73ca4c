AddHeader("X-Policy", "seen for " .. recipient)
if (GetHeader("Subject") or ""):find("lottery") then Quarantine("spam") end
Deliver()
