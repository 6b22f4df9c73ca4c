"""The milter host behind a real Postfix: what its clients hear, and what it delivers."""
import json
import os
import re
import signal
import subprocess
import threading

import dkim
import pytest

from harness import SLUICE, Api, Client, answer_json, text_message, wait_for
from postfix_milter import fields, header, key, make, mta, one, send  # noqa: F401 (fixtures)

# ---- the two articles --------------------------------------------------------------------------------


SIGN = """function Deliver(options)
  local dkim, err = api_call("?type=dkim&user=$1&domain=$2", { saslusername or "", senderdomain or "" })
  if err then Defer("Signing key not available, try again later") end
  if dkim and not DKIMSign(dkim.selector, dkim.domain, dkim.rsakey) then
    Defer("Message could not be signed")
  end
  builtin.Deliver(options)
end"""

ODD = (b"From: ann@example.net\r\nTo:\tbob@example.org,\r\n  carol@example.org\r\nSubject:no blank\r\n"
       b"X-Empty:\r\nX-Fold:\r\n folded at once\r\nX-8bit: caf\xe9\r\nX-Long: " + b"y" * 2500 +
       b"\r\nX-Blanks : before the colon\r\nX-Trailing: blanks \t \r\n"
       b"DATE:  Thu, 1 Jan 2026 00:00:00 +0000\r\nMESSAGE-ID:<1@example.net>\r\n\r\n" +
       b"line " * 300 + b"\r\n.\r\n..two\r\n \t \r\ncaf\xe9 end  \r\n\r\n\r\n")


@pytest.mark.parametrize("options", ["", ', { canonicalization_header = "simple", '
                                     'canonicalization_body = "simple" }'], ids=["relaxed", "simple"])
@pytest.mark.parametrize("message", [text_message("ann@example.net") + b"\r\n", ODD], ids=["plain", "odd"])
def test_a_key_from_the_api_signs_what_is_delivered(make, mta, key, message, options):
    api = Api(lambda path: answer_json({"selector": "s1", "domain": "example.net", "rsakey": key[0]}))
    try:
        server = make(data=SIGN.replace("dkim.rsakey)", "dkim.rsakey" + options + ")"),
                      extra=f'api = {{ url = "{api.url}" }},')
        assert send(mta.port, message).startswith("250"), server.text()[-2000:]
        stored = one(mta).replace(b"\n", b"\r\n")
        assert dkim.verify(stored, dnsfunc=lambda name, timeout=5: key[1].encode())
        assert "domain=example.net" in api.calls[0]
    finally:
        api.stop()


def test_without_the_api_nothing_leaves_unsigned(make, mta):
    api = Api(lambda path: (500, "", 0))
    try:
        make(data=SIGN, extra=f'api = {{ url = "{api.url}" }},')
        assert send(mta.port, text_message()) == "451 4.7.1 Signing key not available, try again later"
        assert mta.messages() == []
    finally:
        api.stop()


DMARC = """local result, err = ScanDMARC()
if not result then Reject("The message has no usable From address (" .. messageid .. ")") end
for domain, policy in pairs(result) do
  if policy == "reject" then
    Reject("The message violates the DMARC policy of " .. domain .. " (" .. messageid .. ")")
  elseif policy == "temperror" then
    Defer("The DMARC policy of " .. domain .. " can't be checked now")
  end
end"""


def test_dmarc_rejects(make, mta):
    make(data=DMARC, files={"zone.txt": '_dmarc.strict.example. IN TXT "v=DMARC1; p=reject"\n'
                                        'strict.example. IN TXT "v=spf1 -all"\n'
                                        'good.example. IN TXT "v=spf1 ip4:127.0.0.1 -all"\n'
                                        '_dmarc.good.example. IN TXT "v=DMARC1; p=reject"\n'})
    reply = send(mta.port, text_message("x@strict.example"), sender="x@strict.example")
    assert re.match(r"550 5\.7\.1 The message violates the DMARC policy of strict\.example \([-\da-f]+\)$",
                    reply)
    assert send(mta.port, b"Subject: no from\r\n\r\nx").startswith("550 5.7.1 The message has no usable")
    assert send(mta.port, text_message("x@good.example"), sender="x@good.example").startswith("250")
    one(mta)
    assert len(mta.messages()) == 1


def test_both_articles_by_one_entry(make, mta, key):
    """Strangers meet DMARC; who has logged in, and the mail server's own machine, are signed for, by whoever
    they are."""
    api = Api(lambda path: answer_json({"selector": "s1", "domain": "example.net", "rsakey": key[0]}))
    zone = ('_dmarc.example.net. IN TXT "v=DMARC1; p=reject"\nexample.net. IN TXT "v=spf1 -all"\n')
    try:
        make(data=DMARC, files={"sign.lua": SIGN, "zone.txt": zone}, extra=f'api = {{ url = "{api.url}" }},',
             options=', authenticated = "signing", trusted = "signing"',
             more=', signing = { flows = { data = "sign.lua" } }')
        message = text_message("ann@example.net") + b"\r\n"
        assert "violates the DMARC policy of example.net" in send(mta.login, message, client_ip="192.0.2.7")
        assert api.calls == []
        assert send(mta.login, message, client_ip="192.0.2.7", user="ann").startswith("250")
        mta.command(message.replace(b"\r\n", b"\n"))
        wait_for(lambda: len(mta.messages()) == 2, "two messages: " + mta.text()[-1500:])
        for stored in mta.messages():
            assert dkim.verify(stored.replace(b"\n", b"\r\n"), dnsfunc=lambda name, timeout=5: key[1].encode())
        assert sorted(re.search(r"user=(\w*)", call).group(1) for call in api.calls) == ["", "ann"]
    finally:
        api.stop()


# ---- changes ------------------------------------------------------------------------------------------


EDITS = """math_seed = tonumber(GetHeader("X-Seed"))
local function random(n) math_seed = (math_seed * 1103515245 + 12345) % 2147483648; return math_seed // 65536 % n + 1 end
local names = { "X-A", "X-B", "X-C", "Subject", "x-a" }
for i = 1, 12 do
  local name, what = names[random(5)], random(4)
  if what == 1 then AddHeader(name, "added " .. i)
  elseif what == 2 then SetHeader(name, "set " .. i)
  elseif what == 3 then PrependHeader(name, i .. " ")
  else DelHeader(name) end
end
syslog("notice", "edited " .. json_encode(GetHeaders(true)))"""


def test_any_edits(make, mta):
    """The header that Postfix delivers is the one that scripts left, field by field."""
    server = make(data=EDITS)
    message = (b"X-A: 1\r\nX-B: 1\r\nX-A: 2\r\nFrom: ann@example.net\r\nX-C: 1\r\nX-B: 2\r\nX-A:\r\n 3\r\n"
               b"Subject: s\r\nX-B: 3\r\nX-Seed: %d\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n"
               b"Message-Id: <%d@example.net>\r\n\r\nbody\r\n")
    for seed in range(40):
        mta.empty()
        assert send(mta.port, message % (seed, seed)).startswith("250"), server.text()[-1500:]
        stored = fields(header(one(mta)))
        seen = re.findall(r'edited (.*)"$', server.text(), re.M)[-1]
        seen = json.loads(seen.replace('\\"', '"').replace("\\\\", "\\"))
        assert [[n.decode(), " ".join(v.decode().split())] for n, v in stored] == \
            [[n, " ".join(v.split())] for n, v in seen], seed


def test_nothing_changes_without_edits(make, mta):
    make(data="Deliver()")
    assert send(mta.port, ODD).startswith("250")
    stored = header(one(mta)).replace(b"\n", b"\r\n")
    # Postfix itself takes out the blank in front of a colon.
    assert ODD.replace(b"X-Blanks :", b"X-Blanks:") in stored


def test_envelope(make, mta):
    make(data="""SetSender("new@example.net")
      if recipient == "a@example.org" then SetRecipient("z@example.com") end""")
    assert send(mta.port, text_message(), ["a@example.org", "b@example.org"]).startswith("250")
    wait_for(lambda: len(mta.messages()) == 2, "both")
    stored = mta.messages()
    assert all(b"Return-Path: <new@example.net>" in m for m in stored)
    assert sorted(re.search(rb"Delivered-To: (.*)", m).group(1) for m in stored) == \
        [b"b@example.org", b"z@example.com"]


# ---- final actions --------------------------------------------------------------------------------------


def test_delete_of_one_and_of_all(make, mta):
    make(data='if recipientdomain == "example.com" then Delete() end AddHeader("X-Seen", "1")')
    assert send(mta.port, text_message(), ["a@example.org", "b@example.com"]).startswith("250")
    assert send(mta.port, text_message(), ["b@example.com"]).startswith("250")
    assert send(mta.port, text_message(), ["c@example.org"]).startswith("250")
    wait_for(lambda: len(mta.messages()) == 2, "two messages")
    assert sorted(re.search(rb"Delivered-To: (.*)", m).group(1) for m in mta.messages()) == \
        [b"a@example.org", b"c@example.org"]


def test_quarantine_is_postfix_hold(make, mta):
    make(data='Quarantine("spam")')
    reply = send(mta.port, text_message())
    assert reply.startswith("250")
    queueid = reply.split()[-1]
    wait_for(lambda: any(p.name == queueid for p in mta.held()), "the message on hold")
    assert f"{queueid}: milter-hold: END-OF-MESSAGE" in mta.text()
    assert mta.messages() == []


def test_why_by_the_queue_id_of_postfix(make, mta, tmp_path):
    """The reply that a client got of Postfix is enough: our story, and the lines of Postfix's log."""
    server = make(data='if sender == "eve@example.com" then Reject("not this one") end')
    reply = send(mta.port, text_message(extra=b"Message-ID: <it@client.example>\r\n"))
    assert reply.startswith("250")
    wait_for(mta.messages, "the message")
    queueid, log = reply.split()[-1], tmp_path / "mail.log"
    wait_for(lambda: f"{queueid}: removed" in mta.text(), "the end in Postfix's log")
    log.write_text(mta.text())
    run = subprocess.run([SLUICE, "why", "--json", reply, server.log, log], capture_output=True, check=True)
    story = json.loads(run.stdout)
    [message] = story["messages"]
    assert (message["queueid"], message["msgid"]) == (queueid, "<it@client.example>")
    assert [r["state"] for r in message["recipients"]] == ["accepted"]
    text = subprocess.run([SLUICE, "why", queueid, server.log], capture_output=True, check=True).stdout
    assert b": accepted; the mail server that asked delivers it" in text
    assert any(f"{queueid}: removed" in line["line"] for line in story["lines"])
    assert all(queueid in line["line"] for line in story["lines"])


@pytest.mark.parametrize("script,reply", [
    ('Reject("100% no")', "550 5.7.1 100% no"),
    ('Reject({ "first %s", "second" }, { code = 554, enhanced = "5.7.9" })',
     "554-5.7.9 first %s\n554 5.7.9 second"),
    ('Defer("later")', "451 4.7.1 later"), ("Done()", "451 4.7.1 Try again later"),
])
def test_replies(make, mta, script, reply):
    make(data=script)
    assert send(mta.port, text_message()) == reply


def test_a_script_error_is_a_temporary_failure(make, mta):
    make(data="error('x')")
    assert re.match(r"451 4\.3\.0 Local policy error \(\S+\)$", send(mta.port, text_message()))


@pytest.mark.parametrize("action,reply", [("Reject", r"55[04] 5\.7\.1"), ("Defer", r"45[01] 4\.7\.1")])
@pytest.mark.parametrize("phase,at", [("helo", "MAIL"), ("mailfrom", "MAIL"), ("rcptto", "RCPT"), ("eod", "."),
                                      ("data", ".")])
def test_refusal_at_each_phase(make, mta, phase, at, action, reply):
    make(**{phase: f'{action}("not at {phase}")'})
    client = Client(mta.port)
    said = [("greeting", client.greeting)]
    for step, line in (("EHLO", "EHLO c.example"), ("MAIL", "MAIL FROM:<a@example.net>"),
                       ("RCPT", "RCPT TO:<b@example.org>"), ("DATA", "DATA"), (".", text_message() + b"\r\n.\r\n")):
        if said[-1][1][0] in "23":
            said.append((step, client.say(line)))
    client.close()
    step, text = said[-1]
    assert step == at and re.match(reply + " not at " + phase, text), said
    assert mta.messages() == []


@pytest.mark.parametrize("action,greeting,text", [("Reject", "554", "5.7.1 not you"), ("Defer", "421", None)])
def test_refusal_at_connect(make, mta, action, greeting, text):
    """Postfix greets in its own words; a client that goes on after 554 hears ours, after 421 there is no going on."""
    make(connect=f'{action}("not you")')
    client = Client(mta.port)
    assert client.greeting.startswith(greeting + " ") and "not you" not in client.greeting
    if text is not None:
        client.say("EHLO c.example")
        reply = client.say("MAIL FROM:<a@example.net>")
        assert reply.startswith("55") and reply.endswith(text), reply
    else:
        assert client.reply() == "closed"
    client.close()


@pytest.mark.parametrize("phase", ["connect", "helo", "mailfrom", "rcptto"])
def test_accept_at_each_phase(make, mta, phase):
    """It ends its phase, and nothing else: the next flow has its say."""
    make(**{phase: 'Accept() error("x")', "data": 'AddHeader("X-Data", "1")'})
    assert send(mta.port, text_message()).startswith("250")
    assert b"X-Data: 1" in one(mta)


def test_deliver_to_another_too(make, mta):
    make(data='Deliver({ recipient = "copy@example.com", done = false }) Deliver()')
    assert send(mta.port, text_message()).startswith("250")
    wait_for(lambda: len(mta.messages()) == 2, "both")
    assert sorted(re.search(rb"Delivered-To: (.*)", m).group(1) for m in mta.messages()) == \
        [b"bob@example.org", b"copy@example.com"]


@pytest.mark.parametrize("script,why", [
    ("Deliver({ delay = 60 })", "delay"),
    ('SetMailTransport("other") Deliver()', "transport"),
    ('if recipient == "a@example.org" then AddHeader("X-A", "1") end', "recipients"),
    ('if recipient == "a@example.org" then SetSender("x@example.net") end', "recipients"),
    ('if recipient == "a@example.org" then Quarantine("spam", { reject = false }) end', "recipients"),
])
def test_what_a_milter_cannot_do_is_deferred(make, mta, script, why):
    """Nothing is delivered otherwise than scripts decided."""
    server = make(data=script, extra="transports = { other = { discard = true } },")
    before = mta.held()
    reply = send(mta.port, text_message(), ["a@example.org", "b@example.org"])
    assert re.match(r"451 4\.3\.0 Local policy error \(\S+\)$", reply), server.text()[-2000:]
    wait_for(lambda: re.search(rf"changes_failed.*{why}", server.text()), "the reason: " + server.text()[-2000:])
    assert mta.messages() == []
    assert mta.held() == before


# ---- facts ------------------------------------------------------------------------------------------------


def test_facts(make, mta):
    make(data='AddHeader("X-Facts", table.concat({ queueid, senderip, senderhelo, serverip, '
              'tostring(serverport), serverid }, " "))',
         files={"outbound.lua": 'AddHeader("X-Facts", serverid .. " by its daemon name")'})
    reply = send(mta.port, text_message())
    facts = re.search(rb"X-Facts: (.*)", one(mta)).group(1).decode()
    assert facts == f"{reply.split()[-1]} 127.0.0.1 client.example 127.0.0.1 {mta.port} inbound"
    mta.empty()
    assert send(mta.submission, text_message()).startswith("250")
    assert b"X-Facts: outbound by its daemon name" in one(mta)


def test_mail_that_didnt_come_by_smtp(make, mta):
    make(data='AddHeader("X-Facts", senderip .. " " .. sender)')
    mta.command(b"Subject: x\n\nHello\n")
    assert b"X-Facts: 127.0.0.1 ann@example.net" in one(mta)


def test_one_entry_serves_port_25_submission_and_the_sendmail_command(make, mta):
    """Each with its server's flows: by the daemon's name, by being on the mail server's own machine, else
    the listener's."""
    make(data='AddHeader("X-Flows", "inbound " .. senderip)', options=', trusted = "local_mail"',
         files={"outbound.lua": 'AddHeader("X-Flows", "outbound")',
                "local.lua": 'AddHeader("X-Flows", "local_mail")'},
         more=', local_mail = { flows = { data = "local.lua" } }')
    assert send(mta.port, text_message(), sender="25@example.net",
                client_ip="192.0.2.7").startswith("250")
    assert send(mta.submission, text_message(), sender="submission@example.net").startswith("250")
    mta.command(b"Subject: x\n\nHello\n", sender="command@example.net")
    wait_for(lambda: len(mta.messages()) == 3, "three messages: " + mta.text()[-1500:])
    got = {re.search(rb"Return-Path: <(\w+)@", m).group(1): re.findall(rb"X-Flows: (.*)", m)
           for m in mta.messages()}
    assert got == {b"25": [b"inbound 192.0.2.7"], b"submission": [b"outbound"], b"command": [b"local_mail"]}
