-- A greylist that several machines share: it is in memcached.
return {
  hostname = "mx.example.org",
  listen = { { smtp = "127.0.0.1:2525", server = "inbound" } },
  sockets = { allow = { "127.0.0.1" } },      -- where memcached is
  servers = {
    inbound = {
      flows = { rcptto = { "greylist.hsl" } },
      relay = { ["example.org"] = { transport = "mailstore" } },
    },
  },
  transports = { mailstore = { maildir = "mail/%d/%u" } },
}
