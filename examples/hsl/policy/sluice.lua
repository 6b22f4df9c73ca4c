-- Everything here is decided in HSL; the configuration is the same as for Lua.
return {
  hostname = "mx.example.org",
  listen = {
    { smtp = "127.0.0.1:2525", server = "inbound" },
    { smtp = "127.0.0.1:2587", server = "outbound" },
  },
  trusted = { "192.0.2.0/28" },
  quarantine = { "suspicious" },
  servers = {
    inbound = {
      flows = { rcptto = { "batv-check.hsl", "greylist.hsl" }, data = { "dmarc.hsl", "complaints.hsl", "forward.hsl" } },
      relay = { ["example.org"] = { transport = "mailstore" }, ["lists.example.org"] = { transport = "mailstore" } },
    },
    outbound = {
      flows = { data = { "rate-limit.hsl", "route.hsl", "batv-sign.hsl" } },
      relay = { ["*"] = { transport = "mx" } },
    },
  },
  transports = {
    mailstore = { maildir = "mail/%d/%u" },
    mx = { mx = true },
    partner = { host = "relay.partner.example:25" },
    bulk = { mx = true },
  },
  api = { url = "https://routes.example.org/v1" },
  dns = { zone = "zone.txt", zone_only = true },
  files = { forwards = "data/forwards.csv" },
}
