"""DMARC by RFC 9989 or RFC 7489, as sluice.lua says, and the event when the other one differs."""
import pytest

from harness import Sluice, text_message, wait_for

CONFIG = """return {
  hostname = "mx.example.org", workers = 1,%s
  listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } },
  servers = { inbound = { flows = { data = "data.lua" },
                          relay = { ["example.org"] = { transport = "mailbox" } } } },
  transports = { mailbox = { maildir = "MAIL/%%d/%%u" } },
  dns = { zone = "zone.txt", zone_only = true },
}"""

SCRIPT = """
for domain, result in pairs(ScanDMARC()) do syslog("notice", "found " .. domain .. " " .. result) end
"""

ZONE = """
_dmarc.b.example. IN TXT "v=DMARC1; p=none; psd=y"
_dmarc.a.b.example. IN TXT "v=DMARC1; p=reject"
a.b.example. IN TXT "v=spf1 -all"
b.example. IN TXT "v=spf1 +all"
_dmarc.same.example. IN TXT "v=DMARC1; p=reject"
_dmarc.zero.example. IN TXT "v=DMARC1; p=quarantine; pct=0"
"""


@pytest.mark.parametrize("setting, results", [
    ("", {"a.b.example": "reject", "same.example": "reject", "zero.example": "quarantine"}),
    (' dmarc = "rfc9989",', {"a.b.example": "reject", "same.example": "reject",
                             "zero.example": "quarantine"}),
    (' dmarc = "rfc7489",', {"a.b.example": "pass", "same.example": "reject", "zero.example": "none"})])
def test_the_rfc_is_chosen(tmp_path, setting, results):
    server = Sluice(tmp_path, CONFIG % setting, {"zone.txt": ZONE, "data.lua": SCRIPT}).start()
    try:
        client = server.client()
        client.say("EHLO client.example")
        for domain in results:
            _, reply = client.send("x@b.example", ["bob@example.org"], text_message("ann@" + domain))
            assert reply.startswith("250"), reply
        client.close()
        for domain, result in results.items():
            wait_for(lambda: f"found {domain} {result}" in server.text(), result)
        differ = [line for line in server.text().splitlines() if "dmarc_rfcs_differ" in line]
        assert len(differ) == 2
        assert all(word in differ[0] for word in (
            "from=a.b.example", "rfc9989=reject", "rfc7489=pass", "org_rfc9989=a.b.example",
            "org_rfc7489=b.example"))
        assert "from=zero.example rfc9989=quarantine rfc7489=none" in differ[1]
    finally:
        assert server.stop() == 0


def test_unknown_word(tmp_path):
    server = Sluice(tmp_path, CONFIG % ' dmarc = "rfc7498",', {"zone.txt": ZONE, "data.lua": SCRIPT})
    server.start(expect=False)
    wait_for(server.dead, "the end")
    assert "sluice.lua:2:" in server.text() and "rfc9989" in server.text()
