"""A24: one message that was signed once, sent again to everybody. A script counts signatures."""
import dkim
import pytest

from harness import Sluice, key_pair, text_message

CONFIG = """return {
  hostname = "mx.example.org", workers = 1,
  listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } },
  servers = { inbound = { flows = { data = "data.lua" },
                          relay = { ["example.org"] = { transport = "mailbox" } } } },
  transports = { mailbox = { maildir = "MAIL/%d/%u" } },
  dns = { zone = "zone.txt", zone_only = true },
}"""

# A signature counts once for each recipient: many deliveries to one are nobody's replay.
SCRIPT = """
for _, signature in ipairs(ScanDKIM()) do
  if signature.result == "pass" then
    local mark = signature.domain .. " " .. signature.b
    if not memory_fetch(mark .. " " .. recipient) then
      if not rate("replay", mark, 3, 3600) then Defer("This message was sent to too many already") end
      memory_store(mark .. " " .. recipient, true, 3600)
    end
  end
end
"""


@pytest.fixture
def server(tmp_path):
    pem, record = key_pair(tmp_path)
    zone = "s._domainkey.example.com. IN TXT %s\n" % " ".join(
        '"%s"' % record[i:i + 200] for i in range(0, len(record), 200))
    server = Sluice(tmp_path / "policy", CONFIG, {"zone.txt": zone, "data.lua": SCRIPT}).start()
    server.pem = pem
    yield server
    assert server.stop() == 0, server.text()[-3000:]
    assert "AddressSanitizer" not in server.text() and "runtime error" not in server.text()


def signed(server, body):
    message = text_message(sender="a@example.com", body=body + b"\r\n")
    return dkim.sign(message, b"s", b"example.com", server.pem.encode(),
                     canonicalize=(b"relaxed", b"relaxed")) + message


def send(server, recipient, message):
    client = server.client()
    client.say("EHLO client.example")
    _, reply = client.send("x@replay.example", [recipient], message)
    client.close()
    return reply[:3]


def test_a24_replay_to_many(server):
    message = signed(server, b"An offer.")
    assert [send(server, "u%d@example.org" % i, message) for i in range(5)] == ["250"] * 3 + ["451"] * 2
    # what is added on the way changes nothing about it
    assert send(server, "u4@example.org", message) == "451"
    assert send(server, "u9@example.org", b"Received: from a by b; x\r\n" + message) == "451"
    # who had it may have it again; another message is another
    assert send(server, "u0@example.org", message) == "250"
    assert send(server, "u9@example.org", signed(server, b"Another.")) == "250"
    # without the signature it is nobody's, and not counted
    assert send(server, "u9@example.org", message[message.index(b"From:"):]) == "250"
