return {
  hostname = "mx.example.org",
  spool = "../spool",			-- large messages on their way; nothing is queued here
  listen = {
    { milter = "inet:127.0.0.1:8890", server = "inbound",
      authenticated = "outbound", trusted = "outbound" },
  },
  servers = {
    inbound = { flows = { data = "inbound.lua" } },
    outbound = { flows = { data = "outbound.lua" } },
  },
}
