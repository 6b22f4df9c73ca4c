-- In front of a mail store: who is known there, where mailboxes live, what may not come in.
return {
  hostname = "mx.example.org",
  listen = { { smtp = "127.0.0.1:2525", server = "inbound" } },
  quarantine = { "attachments" },
  servers = {
    inbound = {
      flows = { rcptto = "recipient.hsl", eod = "hops.hsl", data = "attachments.hsl", postdelivery = "bounces.hsl" },
      relay = { ["example.org"] = { transport = "east" } },
    },
  },
  transports = {
    east = { lmtp = "store-east.example.org:24" },
    west = { lmtp = "store-west.example.org:24" },
  },
}
