-- The default policy: two servers on the loopback interface. Inbound mail is
-- checked against DMARC; outbound mail is signed with the account's own key.
return {
  hostname = "mx.example.org",
  spool = "../spool",
  log = { level = "info" },
  admin = "127.0.0.1:8891",

  listen = {
    { smtp = "127.0.0.1:2525", server = "inbound" },
    { smtp = "127.0.0.1:2587", server = "outbound", auth = "required", tls = "required" },
  },

  servers = {
    inbound = {
      flows = { data = "inbound.lua" },
      -- or, without a script: flows = { data = { { block = "verify_sender" } } },
      relay = { ["example.org"] = { transport = "mailbox" } },
    },
    outbound = {
      flows = { data = "sign.lua" },
      relay = { ["*"] = { transport = "mailbox" } },
    },
  },

  -- Everything stays here: in production "outbound" would use { mx = true }.
  transports = { mailbox = { maildir = "run/mail/%d/%u" } },

  users = "users",
  tls = { cert = "mx.pem", key = "pki:mx" },
  dns = { zone = "zone.txt", zone_only = true },
  api = { url = "http://127.0.0.1:2580/keys", headers = { Authorization = secret "api-token" } },
}
