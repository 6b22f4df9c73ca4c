-- The configuration; sluice.lua(5) has every key, "sluice check --defaults" what each is now.
return {
  hostname = "mx.example.org",
  spool = "../spool",
  listen = {
    { smtp = "127.0.0.1:2525", server = "inbound" },     -- 0.0.0.0:25 where mail comes in
  },
  servers = {
    inbound = {
      flows = { rcptto = "recipients.lua", data = "inbound.lua" },
      relay = { ["example.org"] = { transport = "mailbox" } },
    },
  },
  transports = { mailbox = { maildir = "mail/%d/%u" } },
}
