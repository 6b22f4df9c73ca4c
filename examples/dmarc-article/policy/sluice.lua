return {
  hostname = "mx.example.com",
  spool = "../spool",
  listen = {
    { smtp = "127.0.0.1:2525", server = "inbound" },
    { smtp = "127.0.0.1:2587", server = "outbound", auth = "required", tls = "required" },
  },
  servers = {
    inbound = {
      flows = { data = "inbound.lua" },
      -- or, without a script: flows = { data = { { block = "verify_sender" } } },
      relay = { ["example.com"] = { transport = "mailbox" } },
    },
    outbound = {
      flows = { data = "outbound.lua" },
      -- or, without a script: flows = { data = { { block = "dkim_delivery", selector = "s1", domain = "example.com", key = "pki:example.com" } } },
      relay = { ["*"] = { transport = "mailbox" } },
    },
  },
  transports = { mailbox = { maildir = "mail/%d/%u" } },
  users = "users",
  tls = { cert = "mx.pem", key = "pki:mx" },
  dns = { zone = "zone.txt", zone_only = true },
}
