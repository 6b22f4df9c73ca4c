-- The policy of the programs beside it: no listener, for the host has the connections.
return {
  hostname = "mx.example.com",
  quarantine = { "spam" },
  dns = { zone_only = true },           -- asks nobody; leave it out for the system's resolver
  servers = { inbound = { flows = { rcptto = "rcptto.lua", data = "data.lua" } } },
}
