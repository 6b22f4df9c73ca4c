"""Attacks on the signing side: A16, A17, A25. A submission server signs all that leaves with
DKIMSignFor; who logs in tries to have it sign what isn't theirs, and who gets a signed message
tries to change it. dkimpy judges what was signed."""
import re

import dkim
import pytest

from harness import Sluice, certificate, key_pair, password_hash, text_message

CONFIG = """return {
  hostname = "mx.example.org", workers = 1,
  listen = { { smtp = "127.0.0.1:SUBMIT", server = "outbound", auth = "required", tls = "required" } },
  servers = { outbound = { flows = { data = "sign.lua" }, relay = { ["*"] = { transport = "mailbox" } } } },
  transports = { mailbox = { maildir = "MAIL/%d/%u" } },
  users = "users", tls = { cert = "mx.pem", key = "pki:mx" },
  dns = { zone = "zone.txt", zone_only = true },
  dkim = { ["example.org"] = { { selector = "s1", key = "pki:example.org" } },
           ["example.com"] = { { selector = "s1", key = "pki:example.com" } } },
}"""

SIGN = """
function Deliver(options)
  local signed, err, code = DKIMSignFor(headerfromdomain)
  if not signed then Defer(err) end
  syslog("notice", "signs for " .. headerfromdomain)
  builtin.Deliver(options)
end
"""


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    folder = tmp_path_factory.mktemp("material")
    cert, key = certificate(folder)
    pairs = {d: key_pair(tmp_path_factory.mktemp(d)) for d in ("example.org", "example.com")}
    return {"cert": cert, "key": key, "pairs": pairs,
            "users": f"ann:{password_hash('secret')}:example.org\n"
                     f"eve:{password_hash('secret')}:example.com\n"}


def zone(material, swapped=False):
    text = ""
    for domain, other in (("example.org", "example.com"), ("example.com", "example.org")):
        record = material["pairs"][other if swapped else domain][1]
        parts = " ".join('"%s"' % record[i:i + 200] for i in range(0, len(record), 200))
        text += f"s1._domainkey.{domain}. IN TXT {parts}\n"
    return text


@pytest.fixture
def make(tmp_path, material):
    started = []

    def start(**options):
        files = {"mx.pem": material["cert"], "keys/mx.pem": material["key"], "sign.lua": SIGN,
                 "users": material["users"], "zone.txt": zone(material, **options)}
        files.update({f"keys/{d}.pem": pem for d, (pem, _) in material["pairs"].items()})
        server = Sluice(tmp_path / str(len(started)), CONFIG, files).start()
        started.append(server)
        return server

    yield start
    for server in started:
        assert server.stop() == 0, server.text()[-3000:]
        assert "AddressSanitizer" not in server.text() and "runtime error" not in server.text()


def submit(server, message, sender="ann@example.org", user="ann"):
    client = server.client(server.submission)
    assert client.login(user, "secret").startswith("235")
    _, reply = client.send(sender, ["bob@example.net"], message)
    client.close()
    return reply


def verifies(message, material, domain="example.org"):
    record = material["pairs"][domain][1]
    return dkim.verify(message, dnsfunc=lambda name, timeout=5: record.encode())


def signed(server):
    message = server.message()
    return message[message.index(b"DKIM-Signature:"):]


FORGED = {
    "another domain": b"From: ceo@example.com\r\n",
    "below another": b"From: ceo@sub.example.com\r\n",
    "a look-alike": b"From: ceo@fexample.org\r\n",
    "own and another": b"From: ann@example.org, ceo@example.com\r\n",
    "another and own": b"From: ceo@example.com, ann@example.org\r\n",
    "two fields": b"From: ann@example.org\r\nFrom: ceo@example.com\r\n",
    "two fields, the other first": b"From: ceo@example.com\r\nfrom: ann@example.org\r\n",
    "a blank before the colon": b"From: ann@example.org\r\nFrom : ceo@example.com\r\n",
    "own as display name": b'From: "ann@example.org" <ceo@example.com>\r\n',
    "own in a comment": b"From: ceo@example.com (ann@example.org)\r\n",
    "own in the local part": b'From: "ann@example.org"@example.com\r\n',
    "own in a route": b"From: <@example.org:ceo@example.com>\r\n",
    "an encoded address": b"From: =?utf-8?q?ann=40example.org?= <ceo@example.com>\r\n",
    "a group": b"From: team: ceo@example.com, ann@example.org;\r\n",
    "NUL after own": b"From: ceo@example.com\0ann@example.org\r\n",
    "no address": b"From: ann\r\n",
    "none": b"",
}


@pytest.mark.parametrize("name", FORGED)
def test_A25_never_signs_for_another_domain(make, name):
    """VU#244112: who may log in as ann doesn't get a signature of example.com, whatever From says."""
    server = make()
    message = FORGED[name] + b"To: bob@example.net\r\nSubject: pay\r\n\r\nNow.\r\n"
    reply = submit(server, message)
    assert re.match(r"5\d\d ", reply), reply
    assert server.messages() == [] and "signs for" not in server.text()


def test_A25_nor_by_the_reverse_path(make, material):
    server = make()
    reply = submit(server, text_message("ann@example.org"), sender="ceo@example.com")
    assert reply.startswith("550 5.7.1") and server.messages() == []
    assert submit(server, text_message("ann@example.org")).startswith("250")
    message = signed(server)
    assert b" d=example.org;" in message and verifies(message, material)


def test_A25_sender_and_resent_from_dont_choose_the_key(make, material):
    server = make()
    extra = b"Sender: ceo@example.com\r\nResent-From: ceo@example.com\r\n"
    assert submit(server, text_message("ann@example.org", extra=extra)).startswith("250")
    assert b" d=example.org;" in signed(server) and b" d=example.com;" not in signed(server)


def test_A25_a_key_that_isnt_published_signs_nothing(make):
    """Each domain's record is the other's: the keys don't belong to them."""
    server = make(swapped=True)
    reply = submit(server, text_message("ann@example.org"))
    assert reply.startswith("451") and "s1: other key" in reply and server.messages() == []


def test_A25_no_change_after_the_signature(make, material):
    """What leaves is what was signed, with the server's own fields on top of it."""
    server = make()
    reply = submit(server, text_message("ann@example.org", body=b"..dots\r\n.\xe4\r\n", extra=b"Bcc: x@y.z\r\n"))
    assert reply.startswith("250")
    assert b"\r\nBcc:" not in signed(server) and verifies(signed(server), material)
    assert verifies(server.message(), material)


def test_A16_text_behind_the_body(make, material):
    server = make()
    assert submit(server, text_message("ann@example.org")).startswith("250")
    message = signed(server)
    head = message[:message.index(b"\r\n\r\n")]
    assert not re.search(rb"[;\s]l=", head[:head.index(b"\r\nFrom:")])
    assert verifies(message, material) and not verifies(message + b"Buy this.\r\n", material)


A17 = [b"From: ceo@example.com", b"Subject: pay", b"To: x@example.net", b"Reply-To: eve@example.com",
       b"Cc: eve@example.com", b"Date: Mon, 1 Jan 2024 00:00:00 +0000", b"Message-ID: <x@y>",
       b"Content-Type: text/html", b"Content-Transfer-Encoding: base64", b"MIME-Version: 1.0",
       b"Sender: eve@example.com"]


def test_A17_fields_added_after_signing(make, material):
    """No second field, and no first one, of those that a reader trusts, above or below."""
    server = make()
    assert submit(server, text_message("ann@example.org")).startswith("250")
    message = signed(server)
    assert verifies(message, material)
    body = message.index(b"\r\n\r\n") + 2
    bad = [field for field in A17 for forged in
           (field + b"\r\n" + message, message[:body] + field + b"\r\n" + message[body:])
           if verifies(forged, material)]
    assert bad == []
