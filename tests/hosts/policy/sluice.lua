-- One policy for every host: HOST is what one of them has besides, its listener.
return {
  hostname = "mx.example.org",
  HOST
  servers = {
    inbound = {
      flows = { connect = "connect.lua", helo = "helo.lua", mailfrom = "mailfrom.lua", rcptto = "rcptto.lua",
                eod = "eod.lua", data = "data.lua" MORE },
      relay = { ["example.org"] = { transport = "box" }, ["example.com"] = { transport = "box" } },
    },
  },
  transports = { box = { host = "127.0.0.1", port = 1 }, other = { host = "127.0.0.1", port = 1 } },
  retry = { 3600 },
  quarantine = { "spam" },
  from_check = "accept",
  limits = { steps = 100000 },
  dns = { zone = "zone.txt", zone_only = true },
}
