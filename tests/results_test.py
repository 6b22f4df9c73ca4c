"""What the scans found, in Lua and in the Authentication-Results field of ours."""
import json
import re

import dkim
import pytest

from harness import Sluice, key_pair, password_hash, certificate, text_message, wait_for

CONFIG = """return {
  hostname = "mx.example.org", workers = 1, from_check = "accept",%s
  listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } },
  servers = { inbound = { flows = { data = "data.lua" },
                          relay = { ["example.org"] = { transport = "mailbox" } } } },
  transports = { mailbox = { maildir = "MAIL/%%d/%%u" } },
  dns = { zone = "zone.txt", zone_only = true, timeout = 1 },
}"""

ZONE = """$TTL 300
a.example. IN TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc.a.example. IN TXT "v=DMARC1; p=reject; rua=mailto:r@a.example; adkim=s"
_dmarc.test.example. IN TXT "v=DMARC1; p=reject; t=y"
b.example. IN TXT "v=spf1 ip4:192.0.2.1 -all"
broken.example. IN TXT "v=spf1 ip4:nonsense -all"
mail.client.example. IN TXT "v=spf1 ip4:127.0.0.1 -all"
other.client.example. IN TXT "v=spf1 -all"
"""

SHOW = 'syslog("notice", "shown " .. json_encode(%s))'


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    return key_pair(tmp_path_factory.mktemp("results"))


def zone(keys):
    record = " ".join(f'"{keys[1][i:i + 200]}"' for i in range(0, len(keys[1]), 200))
    return ZONE + "".join(f"{name}. IN TXT {record}\n" for name in
                          ("s1._domainkey.a.example", "s1._domainkey.b.example"))


@pytest.fixture
def make(tmp_path, keys):
    started = []

    def start(script, settings=""):
        files = {"data.lua": script, "zone.txt": zone(keys), "users": "\n"}
        server = Sluice(tmp_path / str(len(started)), CONFIG % settings, files).start()
        started.append(server)
        return server

    yield start
    for server in started:
        assert server.stop() == 0, server.text()[-3000:]
        assert "AddressSanitizer" not in server.text() and "runtime error" not in server.text()


def send(server, message, sender="x@a.example", helo="mail.client.example"):
    client = server.client()
    client.say("EHLO " + helo)
    _, reply = client.send(sender, ["bob@example.org"], message)
    client.close()
    return reply


def deliver(server, message, **how):
    """What is delivered, without what mailbox and server put on top."""
    for path in server.mail.glob("*/*/new/*"):
        path.unlink()
    reply = send(server, message, **how)
    assert reply.startswith("250"), reply + server.text()[-2000:]
    delivered = re.sub(rb"\A(Return-Path|Delivered-To):[^\r]*\r\n", b"", server.message())
    delivered = re.sub(rb"\A(Return-Path|Delivered-To):[^\r]*\r\n", b"", delivered)
    return re.sub(rb"(?m)^Received: from mail\.client.*(\r\n[ \t].*)*\r\n", b"", delivered, count=1)


def shown(server, message, **how):
    assert send(server, message, **how).startswith("250"), server.text()[-2000:]
    wait_for(lambda: "shown " in server.text(), "the values: " + server.text()[-2000:])
    line = [x for x in server.text().splitlines() if "shown " in x][-1]
    text = re.search(r'text="shown (.*)"$', line).group(1)
    return json.loads(json.loads('"' + text + '"'))


def signed(keys, domain="a.example", message=None):
    message = message or text_message("ann@a.example")
    return dkim.sign(message, b"s1", domain.encode(), keys[0].encode(),
                     include_headers=[b"From", b"Subject"]) + message


def fields(message):
    """The values of the Authentication-Results fields, unfolded."""
    head = message.split(b"\r\n\r\n")[0].decode() + "\r\n"
    return [re.sub(r"\r\n[ \t]+", " ", value).strip() for value in
            re.findall(r"(?im)^authentication-results[ \t]*:((?:.|\r\n[ \t])*?)\r\n(?![ \t])", head)]


# ---- shapes

def test_spf_of_both_identities(make):
    server = make(SHOW % "ScanSPF()")
    spf = shown(server, text_message(), sender="x@b.example")
    assert (spf["result"], spf["scope"], spf["domain"], spf["sender"]) == (
        "fail", "mfrom", "b.example", "x@b.example")
    assert spf["mechanism"] == "-all" and spf["received"].startswith("fail (mx.example.org:")
    helo = spf["helo"]
    assert (helo["result"], helo["scope"], helo["domain"]) == ("pass", "helo", "mail.client.example")
    assert "identity=helo" in helo["received"] and "identity=mailfrom" in spf["received"]
    assert "helo" not in helo and spf["reason"] == ""


def test_received_spf(make):
    server = make('AddHeader("Received-SPF", ScanSPF().received)')
    message = deliver(server, text_message(), sender='"q (x"@a.example')
    value = re.search(rb"(?m)^Received-SPF: ([^\r]*(?:\r\n[ \t][^\r]*)*)", message).group(1)
    assert value.startswith(b"pass (mx.example.org: domain of ") and b"client-ip=127.0.0.1;" in value


def test_signatures(make, keys):
    server = make(SHOW % "ScanDKIM()")
    one, = shown(server, signed(keys))
    assert {k: one[k] for k in ("result", "reason", "domain", "selector", "identity", "algorithm",
                                "bits", "testing", "dnssec")} == {
        "result": "pass", "reason": "", "domain": "a.example", "selector": "s1",
        "identity": "@a.example", "algorithm": "rsa-sha256", "bits": 2048, "testing": False,
        "dnssec": False}
    assert one["canonicalization"] == "relaxed/simple" and len(one["b"]) == 8


def test_signing_domains(make, keys):
    server = make(SHOW % '{ DKIMSDID(), DKIMSDID({ "B.example" }), DKIMSDID(nil, { signature_limit = 1 }) }')
    message = signed(keys)
    broken = signed(keys, "b.example").replace(b"bh=", b"bh=AA", 1)
    once = signed(keys, "b.example")
    hurt = once[:once.index(b"From:")]
    every, some, first = shown(server, hurt + message)
    assert every == {"b.example": "pass", "a.example": "pass"}
    assert some == {"b.example": "pass", "a.example": "skip"}
    assert first == {"b.example": "pass", "a.example": "skip"}
    hurt = broken[:broken.index(b"From:")]
    assert shown(server, hurt + message)[0] == {"b.example": "permerror", "a.example": "pass"}
    assert not any(shown(server, text_message()))


def test_dmarc_details(make, keys):
    server = make(SHOW % "dmarc_details()")
    d = shown(server, signed(keys), sender="x@b.example")
    assert (d["result"], d["policy"], d["organizational_domain"]) == ("pass", "pass", "a.example")
    published = d["policy_published"]
    assert (published["domain"], published["p"], published["adkim"], published["aspf"],
            published["discovery_method"], published["testing"]) == (
        "a.example", "reject", "s", "r", "treewalk", "n")
    assert published["rua"] == ["mailto:r@a.example"] and "sp" not in published
    assert d["policy_evaluated"] == {"disposition": "pass", "dkim": "pass", "spf": "fail"}
    assert d["identifiers"] == {"header_from": "a.example", "envelope_from": "b.example"}
    assert d["auth_results"]["spf"]["result"] == "fail"
    assert [s["alignment"] for s in d["auth_results"]["dkim"]] == ["pass"]
    d = shown(server, text_message("ann@test.example"))
    assert (d["result"], d["policy"]) == ("fail", "quarantine")
    assert d["policy_evaluated"]["override"] == "policy_test_mode"
    d = shown(server, text_message("ann@nothing.example"))
    assert (d["result"], d["policy"]) == ("none", "policy_absent") and "policy_published" not in d
    d = shown(server, b"From: a@a.example\r\nFrom: b@b.example\r\n\r\nhi")
    assert (d["result"], d["policy"]) == ("permerror", "permerror") and d["reason"]
    assert d["auth_results"]["spf"]["result"] == "pass"


# ---- the field of ours

def test_the_field(make, keys):
    server = make('AddAuthenticationResults()', 'authserv_id = "example.org",')
    message = deliver(server, signed(keys), sender="x@b.example")
    field, = fields(message)
    assert re.fullmatch(
        r"example\.org; spf=fail smtp\.mailfrom=x@b\.example; spf=pass "
        r"smtp\.helo=mail\.client\.example; dkim=pass header\.d=a\.example header\.s=s1 "
        r'header\.i=@a\.example header\.a=rsa-sha256 header\.b="?[^ ]{8,}; '
        r"dmarc=pass \(DKIM is aligned\) header\.from=a\.example policy\.dmarc=reject", field), field
    field, = fields(deliver(server, text_message("ann@a.example")))
    assert "dkim=none (no signature)" in field
    field, = fields(deliver(server, b"Subject: no author\r\n\r\nhi"))
    assert re.search(r"dmarc=permerror \([^()]+\)$", field), field


def test_it_stands_above_our_received(make):
    server = make('AddAuthenticationResults()')
    assert send(server, text_message("ann@a.example")).startswith("250")
    names = re.findall(rb"(?m)^([A-Za-z-]+):", server.message().split(b"\r\n\r\n")[0])
    assert names == [b"Return-Path", b"Delivered-To", b"Authentication-Results", b"Received", b"From",
                     b"To", b"Subject"]


def test_methods_and_results(make):
    server = make("""
      AddAuthenticationResults()
      AddAuthenticationResults{ methods = { "spf" }, results = { { method = "iprev", result = "pass",
        reason = "of course; x=(y)", properties = { ["policy.iprev"] = senderip } } } }""")
    field, = fields(deliver(server, text_message("ann@a.example")))
    assert field == ("mx.example.org; spf=pass smtp.mailfrom=x@a.example; spf=pass "
                     "smtp.helo=mail.client.example; iprev=pass (of course; x=\\(y\\)) "
                     "policy.iprev=127.0.0.1")


def test_arc_when_looked_at(make):
    server = make("ScanARC() AddAuthenticationResults()")
    assert "; arc=none; " in fields(deliver(server, text_message("ann@a.example")))[0]
    server = make('AddAuthenticationResults{ methods = { "arc" } }')
    assert fields(deliver(server, text_message("ann@a.example"))) == ["mx.example.org; arc=none"]


@pytest.mark.parametrize("call, error", [
    ('{ methods = { "skim" } }', "skim.*is unknown .dkim"),
    ('{ method = { "dkim" } }', "method.*is unknown .methods"),
    ('{ results = { { method = "a b", result = "pass" } } }', "is no method"),
    ('{ results = { { method = "x", result = "pass; dkim=pass" } } }', "is no result"),
    ('{ results = { { method = "x", result = "pass", properties = { ["a.b c"] = "" } } } }', "is no property"),
    ('{ results = { { method = "x", result = "pass", properties = { b = "" } } } }', "ptype.name expected"),
    ('{ results = { { method = "x" } } }', "is no result")])
def test_mistakes(make, call, error):
    server = make("AddAuthenticationResults" + call)
    assert send(server, text_message()).startswith("451 4.3.0")
    wait_for(lambda: re.search(error, server.text()), error + server.text()[-2000:])


def test_an_account(tmp_path, keys):
    cert, key = certificate(tmp_path)
    config = CONFIG.replace('server = "inbound" }', 'server = "inbound", auth = "required" }').replace(
        "from_check", 'users = "users", tls = { cert = "mx.pem", key = "pki:mx" }, from_check')
    server = Sluice(tmp_path / "s", config % "", {
        "data.lua": 'AddAuthenticationResults{ methods = { "auth" } }', "zone.txt": zone(keys),
        "mx.pem": cert, "keys/mx.pem": key, "users": f"ann@a.example:{password_hash('secret')}:a.example\n"})
    server.start()
    client = server.client()
    assert client.login("ann@a.example", "secret").startswith("235")
    assert client.send("ann@a.example", ["bob@example.org"], text_message("ann@a.example"))[1].startswith("250")
    client.close()
    field, = fields(server.message())
    assert field == "mx.example.org; auth=pass (PLAIN) smtp.auth=ann@a.example"
    assert server.stop() == 0


# ---- reading others'

def test_parse(make):
    server = make(SHOW % """{ authres_parse('a.example 1; dkim=fail reason="b (c" header.d=x.example'),
      authres_parse("a.example; spf=pass (open") or "refused" }""")
    field, refused = shown(server, text_message())
    assert field == {"authserv_id": "a.example", "version": 1, "results": [
        {"method": "dkim", "result": "fail", "properties": {"header.d": "x.example"},
         "reason": "b (c"}]}
    assert refused == "refused"


def test_authserv_id_is_a_name(tmp_path):
    server = Sluice(tmp_path, CONFIG % ' authserv_id = "a b",', {"data.lua": "", "zone.txt": ""})
    server.start(expect=False)
    wait_for(server.dead, "the end")
    assert "authserv_id: a name like" in server.text()
