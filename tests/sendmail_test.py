"""The milter host behind a real Sendmail: what its clients hear, and what it delivers."""
import pathlib
import re
import tempfile

import dkim
import pytest

from harness import ROOT, Client, free_port, key_pair, text_message, wait_for
from milter_life import (test_a_killed_worker_costs_its_message_a_try,  # noqa: F401
                         test_several_messages_per_connection)
from postfix_milter import make, one, send  # noqa: F401 (a fixture)
from postfix_test import ODD
from sendmail import Sendmail, fetch_sendmail

DATE = b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-Id: <1@example.net>\r\n"


@pytest.fixture(scope="module")
def mta():
    root = fetch_sendmail()
    if root is None:
        pytest.skip("no Sendmail to be had as a package")
    milter = free_port()
    lines = (ROOT / "examples/sendmail/sluice.m4").read_text().replace("8890", str(milter))
    with tempfile.TemporaryDirectory() as folder:
        try:
            mta = Sendmail(root, pathlib.Path(folder), lines)
        except OSError as error:
            pytest.skip(f"Sendmail: {error}")
        mta.milter = milter
        yield mta
        mta.stop()


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return key_pair(tmp_path_factory.mktemp("sendmail-key"))


@pytest.mark.parametrize("options", ["{}", '{ canonicalization_header = "simple", '
                                     'canonicalization_body = "simple" }'], ids=["relaxed", "simple"])
@pytest.mark.parametrize("message", [text_message("ann@example.net", extra=DATE) + b"\r\n", ODD],
                         ids=["plain", "odd"])
def test_signatures_hold(make, mta, key, message, options):
    if "simple" in options:			# Sendmail lays out address fields anew
        message = re.sub(rb"To:\t.*?,\r\n  ", b"To: bob@example.org, ", message)
    server = make(files={"keys/k.pem": key[0]}, data=f"""function Deliver(o)
      if not DKIMSign("s1", "example.net", "pki:k", {options}) then Defer("no signature") end
      builtin.Deliver(o) end""")
    assert send(mta.port, message).startswith("250"), server.text()[-2000:]
    stored = one(mta).replace(b"\n", b"\r\n")
    assert stored.count(b"DKIM-Signature:") == 1
    assert dkim.verify(stored, dnsfunc=lambda name, timeout=5: key[1].encode()), stored


@pytest.mark.parametrize("fields", [b"", DATE.partition(b"\r\n")[0] + b"\r\n", DATE.partition(b"\r\n")[2]],
                         ids=["neither", "Date", "Message-Id"])
def test_what_sendmail_adds_later_breaks_no_signature(make, mta, key, fields):
    make(files={"keys/k.pem": key[0]}, data='DKIMSign("s1", "example.net", "pki:k")')
    assert send(mta.port, text_message("ann@example.net", extra=fields) + b"\r\n").startswith("250")
    stored = one(mta).replace(b"\n", b"\r\n")
    assert b"\r\nDate:" in stored and b"\r\nMessage-Id:" in stored
    assert dkim.verify(stored, dnsfunc=lambda name, timeout=5: key[1].encode())


def test_fields(make, mta):
    make(data="""AddHeader("X-Second", "2") AddHeader("X-First", "1") SetHeader("Subject", "changed")
      DelHeader("X-Del") SetHeader("X-Two", "b")""")
    message = text_message(extra=DATE + b"X-Del: 1\r\nX-Two: 1\r\nX-Keep: 1\r\nX-Del: 2\r\nX-Two: 2\r\nX-Del: 3\r\n")
    assert send(mta.port, message).startswith("250")
    stored = one(mta)
    names = re.findall(rb"^(X-\w+|Subject|Received):", stored, re.M)
    assert b"X-Del" not in stored and b"Subject: changed\n" in stored
    assert names.index(b"Received") < names.index(b"X-First") < names.index(b"X-Second") < names.index(b"Subject")
    assert b"X-Keep: 1\n" in stored


def test_envelope(make, mta):
    make(data="""SetSender("new@example.net")
      if recipient == "a@example.org" then SetRecipient("z@example.com") end
      if recipient == "gone@example.org" then Delete() end""")
    assert send(mta.port, text_message(), ["a@example.org", "b@example.org", "gone@example.org"]).startswith("250")
    wait_for(lambda: len(mta.messages()) == 2, "both")
    assert sorted(re.match(rb"X-Envelope: (.*)\n", m).group(1) for m in mta.messages()) == \
        [b"<new@example.net> <b>", b"<new@example.net> <z>"]


def test_delete_of_all(make, mta):
    make(data='if GetHeader("Subject") == "drop" then Delete() end')
    assert send(mta.port, b"Subject: drop\r\n\r\nx").startswith("250")
    assert send(mta.port, text_message()).startswith("250")
    assert b"Subject: drop" not in one(mta) and len(mta.messages()) == 1


def test_quarantine(make, mta):
    make(data='Quarantine("spam")')
    reply = send(mta.port, text_message())
    assert reply.startswith("250")
    wait_for(lambda: mta.quarantined() == [reply.split()[2]], "the message in quarantine")
    assert mta.messages() == []


@pytest.mark.parametrize("script,reply", [
    ('Reject("100% no")', "550 5.7.1 100% no"),
    ('Reject({ "first %s", "second" }, { code = 554, enhanced = "5.7.9" })',
     "554-5.7.9 first %s\n554 5.7.9 second"),
    ('Defer("later")', "451 4.7.1 later")])
def test_replies(make, mta, script, reply):
    make(data=script)
    assert send(mta.port, text_message()) == reply


@pytest.mark.parametrize("phase,at", [("helo", "MAIL"), ("mailfrom", "MAIL"),
                                      ("rcptto", "RCPT"), ("eod", "."), ("data", ".")])
def test_rejection_at_each_phase(make, mta, phase, at):
    make(**{phase: 'Reject("not at ' + phase + '")'})
    client = Client(mta.port)
    said = [("greeting", client.greeting)] + [(step, client.say(line)) for step, line in (
        ("EHLO", "EHLO c.example"), ("MAIL", "MAIL FROM:<a@example.net>"),
        ("RCPT", "RCPT TO:<b@example.org>"), ("DATA", "DATA"))]
    if said[-1][1].startswith("354"):
        said.append((".", client.say(text_message() + b"\r\n.\r\n")))
    client.close()
    assert next((step for step, reply in said if "not at " + phase in reply), None) == at, said
    assert mta.messages() == []


def test_rejection_at_connect(make, mta):
    """Sendmail has words of its own for it."""
    make(connect='Reject("no")')
    client = Client(mta.port)
    assert client.greeting.startswith("554 ") and client.say("EHLO c.example").startswith("250")
    assert client.say("MAIL FROM:<a@example.net>").startswith("550 ")
    client.close()


def test_facts(make, mta):
    make(data='AddHeader("X-Facts", table.concat({ queueid, senderip, senderhelo, serverip, '
              'tostring(serverport), serverid }, " "))',
         files={"outbound.lua": 'AddHeader("X-Facts", serverid .. " by its daemon name")'})
    reply = send(mta.port, text_message())
    facts = re.search(rb"X-Facts: (.*)", one(mta)).group(1).decode()
    assert facts == f"{reply.split()[2]} 127.0.0.1 client.example 127.0.0.1 {mta.port} inbound"
    mta.empty()
    assert send(mta.outbound, text_message()).startswith("250")
    assert b"X-Facts: outbound by its daemon name" in one(mta)
