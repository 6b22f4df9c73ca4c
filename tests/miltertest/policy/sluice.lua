-- What the scripts beside it talk to.
return {
  hostname = "mx.example.org", workers = 1, quarantine = { "spam" },
  listen = { { milter = "inet:127.0.0.1:PORT", server = "inbound", authenticated = "outbound" } },
  servers = {
    inbound = { flows = { connect = "connect.lua", helo = "helo.lua", mailfrom = "mailfrom.lua",
                          rcptto = "rcptto.lua", data = "data.lua" } },
    outbound = { flows = { data = "outbound.lua" } },
  },
  dns = { zone_only = true },
}
