-- What the sessions of milter_session.c run: each phase has a flow, and the message says what they do.
return {
  hostname = "mx.example.org", quarantine = { "spam", "kept" },
  listen = { { milter = "inet:127.0.0.1:8890", server = "inbound", authenticated = "outbound",
               trusted = "outbound" } },
  servers = {
    inbound = { flows = { connect = "connect.lua", helo = "helo.lua", mailfrom = "mailfrom.lua",
                          rcptto = "rcptto.lua", eod = "edits.lua", data = "final.lua",
                          disconnect = "connect.lua" }, relay = {} },
    outbound = { flows = { data = "final.lua" }, relay = {} },
  },
  dns = { zone = "zone.txt", zone_only = true },
}
