"""DKIMSignFor: the keys that sluice.lua's dkim names, while what DNS says of them changes."""
import re
import subprocess

import dkim
import pytest

from harness import SLUICE, NameServer, Sluice, key_pair, text_message, txt, wait_for

CONFIG = """return {
  hostname = "mx.example.org", workers = 1,
  listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } },
  servers = { inbound = { flows = { data = "data.lua" },
                          relay = { ["example.org"] = { transport = "mailbox" } } } },
  transports = { mailbox = { maildir = "MAIL/%%d/%%u" } },
  %s
}"""
KEYS = """dkim = { ["Example.COM"] = { { selector = "s2", key = "pki:example.com/s2" },
                                      { selector = "s1", key = "pki:example.com/s1" } } }, """

SCRIPT = """
local signed, err, code = DKIMSignFor("%s")
syslog("notice", "signed " .. tostring(signed) .. " " .. tostring(code))
if not signed then Defer(err) end
"""


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Private key and record of s1, s2, s3."""
    return {s: key_pair(tmp_path_factory.mktemp(s)) for s in ("s1", "s2", "s3")}


class Zone:
    """What DNS says now: selector to record, or an RCODE; none = no such name."""

    def __init__(self, **records):
        self.records = records
        self.server = NameServer(self.answer, ttl=0)

    def answer(self, name, kind, tcp):
        what = self.records.get(name.split(".")[0], 3)
        return what if isinstance(what, int) else [(name, 16, txt(what.encode()))] if kind == 16 else []

    def asked(self, selector):
        return [n for n, kind, _ in self.server.asked if n.startswith(selector + "._domainkey") and kind == 16]


@pytest.fixture
def start(tmp_path, pairs):
    made = []

    def begin(zone, keys=KEYS, extra="dkim_recheck = 1, ", domain="example.com"):
        files = {f"keys/example.com/{s}.pem": pem for s, (pem, _) in pairs.items()}
        files["data.lua"] = SCRIPT % domain
        dns = f'dns = {{ servers = {{ "127.0.0.1:{zone.server.port}" }}, dnssec = "off", timeout = 2 }},'
        server = Sluice(tmp_path / str(len(made)), CONFIG % (keys + extra + dns), files).start()
        made.append((server, zone))
        return server

    yield begin
    for server, zone in made:
        assert server.stop() == 0, server.text()[-3000:]
        assert "AddressSanitizer" not in server.text() and "runtime error" not in server.text()
        zone.server.stop()


def send(server):
    client = server.client()
    client.say("EHLO client.example")
    _, reply = client.send("x@example.com", ["bob@example.org"], text_message())
    client.close()
    return reply


def logged(server, what):
    wait_for(lambda: what in server.text(), what)


def selector(server, zone=None):
    """Sends a message; who signed it. With a zone: it must verify with what DNS says now."""
    for path in server.mail.glob("*/*/new/*"):
        path.unlink()
    reply = send(server)
    if not reply.startswith("250"):
        return reply
    message = server.message()
    if zone is not None:
        assert dkim.verify(message, dnsfunc=lambda name, timeout=5: zone.records[
            name.decode().split(".")[0]].encode())
    return re.search(rb"DKIM-Signature:[^\r]*(?:\r\n\s[^\r]*)*?\bs=(\w+);", message).group(1).decode()


def test_a_key_goes_live_when_it_is_published(start, pairs):
    zone = Zone(s1=pairs["s1"][1])
    server = start(zone)
    assert selector(server, zone) == "s1"
    zone.records["s2"] = pairs["s2"][1]
    wait_for(lambda: selector(server, zone) == "s2", "the new key")
    del zone.records["s1"]
    assert selector(server, zone) == "s2"
    zone.records["s1"] = pairs["s1"][1]
    zone.records["s2"] = pairs["s2"][1].split("p=")[0] + "p="       # revoked: back to the old one
    wait_for(lambda: selector(server) == "s1", "the old key")
    wait_for(lambda: server.text().count("dkim_key_chosen") == 3, "the events")
    events = [line for line in server.text().splitlines() if "dkim_key_chosen" in line]
    assert [re.search(r"selector=(\w+)", e).group(1) for e in events] == ["s1", "s2", "s1"]
    assert "before=s1" in events[1] and "domain=example.com" in events[1]


# A25: nothing is signed with a key that isn't the published one.
@pytest.mark.parametrize("record, state", [
    (None, "missing"), ("OTHER", "other key"), ("v=DKIM1; p=", "revoked"), ("v=DKIM1; p=!", "broken"),
    ("v=DKIM1; h=sha1; p=", "revoked")])
def test_A25_no_key_is_published(start, pairs, record, state):
    zone = Zone(**({"s1": record.replace("OTHER", pairs["s3"][1])} if record else {}))
    server = start(zone)
    reply = send(server)
    assert reply.startswith("451") and f"s2: missing, s1: {state}" in reply
    logged(server, "signed false unpublished")
    assert server.messages() == [] and server.text().count("dkim_key_missing") == 1
    zone.records["s1"] = pairs["s1"][1]
    wait_for(lambda: selector(server) == "s1", "the key")
    del zone.records["s1"]
    wait_for(lambda: send(server).startswith("451"), "the refusal")
    wait_for(lambda: server.text().count("dkim_key_missing") == 2, "the second event")


def test_dns_fails(start, pairs):
    zone = Zone(s1=2, s2=2)
    server = start(zone)
    assert send(server).startswith("451")
    logged(server, "signed false temperror")
    zone.records.update(s1=pairs["s1"][1], s2=3)
    wait_for(lambda: selector(server) == "s1", "the key")
    zone.records.update(s1=2, s2=2)
    asked = len(zone.asked("s1"))
    wait_for(lambda: selector(server) == "s1" and len(zone.asked("s1")) > asked, "a look that failed")
    assert selector(server) == "s1"     # what was known stays


def test_looked_at_once_an_hour(start, pairs):
    zone = Zone(s1=pairs["s1"][1], s2=pairs["s2"][1])
    server = start(zone, extra="")
    assert [selector(server) for _ in range(5)] == ["s2"] * 5
    assert len(zone.asked("s1")) == 1 and len(zone.asked("s2")) == 1


def test_a_reload_replaces_the_keys(start, pairs):
    zone = Zone(s1=pairs["s1"][1], s2=pairs["s2"][1], s3=pairs["s3"][1])
    server = start(zone, extra="")
    assert selector(server) == "s2"
    config = server.policy / "sluice.lua"
    config.write_text(config.read_text().replace("s2", "s3"))
    server.reload()
    assert selector(server, zone) == "s3"


def test_other_domains(start, pairs):
    server = start(Zone(s1=pairs["s1"][1]), domain="other.example")
    assert "sluice.lua has no dkim key of" in send(server)
    logged(server, "signed false absent")


def test_one_row_a_domain(start, pairs):
    keys = """dkim = { ["example.com"] = { selector = "s2", key = "pki:example.com/s2",
                old_selector = "s1", old_key = "pki:example.com/s1" } }, """
    assert selector(start(Zone(s1=pairs["s1"][1]), keys=keys)) == "s1"


@pytest.mark.parametrize("keys, error", [
    ("dkim = 1,", "dkim: a table of domains expected"),
    ('dkim = { ["a..b"] = { selector = "s", key = "pki:k" } },', '"a..b" is no domain'),
    ('dkim = { ["a.b"] = {} },', "dkim.a.b: selector is missing"),
    ('dkim = { ["a.b"] = { { selector = "s" } } },', "dkim.a.b.1: key is missing"),
    ('dkim = { ["a.b"] = { { selector = "../s", key = "pki:k" } } },', '"../s" is no selector'),
    ('dkim = { ["a.b"] = { { selector = "s", key = "pki:nowhere" } } },', 'the policy has no "pki:nowhere"'),
    ('dkim = { ["a.b"] = { { selectr = "s", key = "pki:k" } } },', "dkim.a.b.1.selectr is unknown (selector?)"),
    ('dkim = { ["a.b"] = { "s" } },', "expected"),
    ('dkim = { ["a.b"] = { ' + '{ selector = "s", key = "pki:k" },' * 9 + " } },", "more than 8 keys"),
    ('dkim = { ["a.b"] = { selector = "s", key = "pki:k" }, ["A.B"] = { selector = "s", key = "pki:k" } },',
     "stands there twice")])
def test_configuration(tmp_path, pairs, keys, error):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "k.pem").write_text(pairs["s1"][0])
    (tmp_path / "data.lua").write_text("")
    (tmp_path / "sluice.lua").write_text((CONFIG % keys).replace("PORT", "2525"))
    done = subprocess.run([SLUICE, "check", tmp_path], capture_output=True, text=True)
    assert done.returncode == 1 and error in done.stdout
    assert re.search(r"sluice\.lua:\d+:\d+: error: ", done.stdout)
