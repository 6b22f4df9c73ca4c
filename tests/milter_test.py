"""The milter host, asked by a mail server that is this test: negotiation, facts, verdicts, changes."""
import grp
import os
import re
import signal
import socket
import stat
import struct
import subprocess
import urllib.request

import dkim
import pytest

from harness import ROOT, SLUICE, Api, Sluice, free_port, key_pair, wait_for
from milter import (LEADING_SPACE, NO_BODY, NO_EOH, NO_HEADER, QUIET_BODY, STEPS, Milter,
                    session)

CONFIG = """return {
  hostname = "mx.example.org", workers = WORKERS, quarantine = { "spam" },
  listen = { { milter = "LISTEN", server = "inbound" OPTIONS } },
  servers = { inbound = { flows = { FLOWS }, relay = { ROWS } } MORE },
  transports = { box = { discard = true }, other = { discard = true } },
  trusted = { "198.51.100.0/24" }, dns = { zone = "zone.txt", zone_only = true }, EXTRA
}"""
MESSAGE = (b"Received: from x by y; Thu, 1 Jan 2026 00:00:00 +0000\r\nFrom: ann@example.net\r\n"
           b"To: bob@example.org\r\nSubject: hello\r\n\r\nHello.\r\n")


@pytest.fixture
def make(tmp_path):
    """make(data="...", rcptto="...") starts a server with these scripts and ends it after the test."""
    started = []

    def start(files=None, extra="", options="", more="", rows="", workers=1,
              listen="inet:127.0.0.1:PORT", **scripts):
        base = {"zone.txt": "example.org. IN A 127.0.0.1\n", **(files or {})}
        base.update({phase + "-script.lua": text for phase, text in scripts.items()})
        flows = ", ".join(f'{phase} = "{phase}-script.lua"' for phase in scripts)
        config = CONFIG
        for name, value in (("LISTEN", listen), ("OPTIONS", options), ("FLOWS", flows), ("MORE", more),
                            ("ROWS", rows), ("WORKERS", str(workers)), ("EXTRA", extra)):
            config = config.replace(name, value)
        server = Sluice(tmp_path / str(len(started)), config, base)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        assert server.stop() == 0, server.text()[-3000:]
        assert "AddressSanitizer" not in server.text() and "runtime error" not in server.text()


def said(server, text):
    return wait_for(lambda: re.search(text, server.text()), text + " in " + server.text()[-1500:])


def run(server, message=MESSAGE, recipients=("<bob@example.org>",), **options):
    """One message on a connection of its own: the final reply, and the Milter that has the changes."""
    with session(server.port, **options) as m:
        return m.transaction(message, recipients=recipients), m


# ---- negotiation -------------------------------------------------------------------------------------


class TestNegotiation:
    def test_only_what_the_policy_needs(self, make):
        nothing = NO_BODY | NO_HEADER | NO_EOH
        with Milter(make().port) as m:
            assert m.steps & nothing == NO_BODY
        with Milter(make(rcptto="Accept()").port) as m:
            assert m.steps & nothing == NO_BODY
        for script in ('AddHeader("X-A", "1") builtin.Deliver()', "Deliver()", 'dnstxt("x.example") Deliver()', 'Reject(GetHeader("Subject"))'):
            with Milter(make(data=script).port) as m:
                assert m.steps & nothing == NO_BODY, script
        for script in ("ScanDMARC()", 'builtin["Deliver"]()', 'require "x"', "load('')", "_ENV.x = 1",
                       'echo(messagesize)', 'MIME()', "-- DKIMSign"):
            with Milter(make(data=script, files={"lib/x.lua": ""}).port) as m:
                assert m.steps & nothing == 0, script
        with Milter(make(eod="Accept()", data="ScanDKIM()").port) as m:
            assert m.steps & nothing == 0

    def test_results_in_our_name_are_removed_without_any_script(self, make):
        forged = b"Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example\r\n"
        reply, m = run(make(), forged + MESSAGE)
        assert reply.command == "c" and m.delivered(forged + MESSAGE) == MESSAGE

    def test_without_the_body(self, make):
        reply, m = run(make(data='AddHeader("X-A", GetHeader("Subject"))'))
        assert reply.command == "c" and b"X-A: hello\r\n" in m.delivered(MESSAGE)

    def test_a_message_without_scripts_that_see_it(self, make):
        reply, m = run(make())
        assert reply.command == "c" and m.changes == []

    def test_macros_are_chosen_where_that_is_offered(self, make):
        server = make(data="Deliver()")
        with Milter(server.port) as m:
            assert m.actions & 0x100 and b"{auth_authen}" in m.chosen
        with Milter(server.port, actions=0xff) as m:
            assert not m.actions & 0x100 and m.chosen == b""

    @pytest.mark.parametrize("version,steps", [(2, 0x7f), (3, 0x17f), (4, 0x3ff), (6, STEPS)])
    def test_versions(self, make, version, steps):
        server = make(data='AddHeader("X-Version", "yes")')
        reply, m = run(server, version=version, steps=steps, actions=0x3f)
        assert m.version == version and m.steps & ~steps == 0
        assert reply.command == "c" and b"X-Version: yes\r\n" in m.delivered(MESSAGE)

    def test_a_later_version_is_answered_with_ours(self, make):
        with Milter(make().port, version=7) as m:
            assert m.version == 6

    def test_skips_the_rest_of_what_is_too_large(self, make):
        server = make(data="echo(messagesize)", extra="size = 100000,")
        body = b"x" * 998 + b"\r\n"
        reply, m = run(server, MESSAGE + body * 1000, steps=STEPS & ~QUIET_BODY)
        assert reply.text == "552 5.3.4 Message too large"
        reply, m = run(server, MESSAGE + body * 1000)
        assert reply.text == "552 5.3.4 Message too large"
        reply, m = run(server, MESSAGE + body * 90)
        assert reply.command == "c"


# ---- facts ---------------------------------------------------------------------------------------------




class TestFacts:
    FACTS = """syslog("notice", "facts " .. json_encode({ queueid = queueid, ip = senderip, port = senderport,
      helo = senderhelo, user = saslusername, mechanism = saslmechanism, tls = tlsprotocol,
      cipher = tlscipher, bits = tlskeysize, serverip = serverip, serverport = serverport,
      server = serverid, sender = sender, size = messagesize }))"""

    def facts(self, server):
        text = said(server, r'facts (\{.*\})').group(1)
        return text.replace('\\"', '"')

    def test_from_macros(self, make):
        server = make(data=self.FACTS)
        with session(server.port, ip="2001:db8::5", connect={
                "daemon_addr": "192.0.2.25", "daemon_port": "25", "j": "mx.example.org"}) as m:
            m.transaction(MESSAGE, i="4XyZ", auth_authen="ann", auth_type="PLAIN",
                          tls_version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", cipher_bits="256")
        facts = self.facts(server)
        for part in ('"queueid":"4XyZ"', '"ip":"2001:db8::5"', '"port":4321', '"user":"ann"',
                     '"helo":"client.example"', '"mechanism":"PLAIN"', '"tls":"TLSv1.3"',
                     '"cipher":"TLS_AES_256_GCM_SHA384"', '"bits":256', '"serverip":"192.0.2.25"',
                     '"serverport":25', '"server":"inbound"', '"sender":"sender@example.net"',
                     f'"size":{len(MESSAGE)}'):
            assert part in facts, part

    def test_A34_without_macros(self, make):
        server = make(data=self.FACTS)
        reply, _ = run(server)
        assert reply.command == "c"
        facts = self.facts(server)
        for name in ("queueid", "user", "mechanism", "tls", "serverip"):
            assert f'"{name}"' not in facts

    def test_queueid_of_the_end_of_message(self, make):
        """Some mail servers know the id only when the message is there."""
        server = make(data=self.FACTS)
        with session(server.port) as m:
            m.mail()
            m.rcpt()
            assert m.message(MESSAGE, i="LATE").command == "c"
        assert '"queueid":"LATE"' in self.facts(server)
        said(server, r"message .*queueid=LATE")

    def test_macros_of_one_message_arent_those_of_the_next(self, make):
        server = make(data='AddHeader("X-Facts", (queueid or "-") .. " " .. (saslusername or "-"))')
        with session(server.port) as m:
            assert m.transaction(MESSAGE, i="A", auth_authen="ann").command == "c"
            assert b"X-Facts: A ann\r\n" in m.delivered(MESSAGE)
            assert m.transaction(MESSAGE).command == "c"
            assert b"X-Facts: - -\r\n" in m.delivered(MESSAGE)

    @pytest.mark.parametrize("ip,seen", [("/run/x", "127.0.0.1"), ("192.0.2.7", "192.0.2.7"),
                                         ("::ffff:192.0.2.7", "192.0.2.7"), ("IPv6:2001:db8::1",
                                                                            "2001:db8::1")])
    def test_client_addresses(self, make, ip, seen):
        server = make(data='AddHeader("X-IP", senderip)')
        _, m = run(server, ip=ip)
        assert f"X-IP: {seen}\r\n".encode() in m.delivered(MESSAGE)

    def test_unknown_client(self, make):
        server = make(data='AddHeader("X-IP", senderip or "none")')
        with Milter(server.port) as m:
            assert m.ask("C", b"unknown\0U").command == "c"
            assert m.transaction(MESSAGE).command == "c"
            assert b"X-IP: none\r\n" in m.delivered(MESSAGE)

    def test_addresses_without_domain(self, make):
        server = make(data='AddHeader("X-From", sender) AddHeader("X-To", recipient)')
        with session(server.port, connect={"j": "host.example"}) as m:
            assert m.transaction(MESSAGE, "<root>", ["postmaster"]).command == "c"
            delivered = m.delivered(MESSAGE)
            assert b"X-From: root@host.example\r\n" in delivered
            assert b"X-To: postmaster@host.example\r\n" in delivered
            assert m.transaction(MESSAGE, "<>").command == "c"
            assert b"X-From:\r\n" in m.delivered(MESSAGE)


class TestServers:
    MORE = """, outbound = { flows = { data = "out.lua" } }, local_mail = { flows = { data = "local.lua" } },
      submission = { flows = { data = "sub.lua" } }"""
    FILES = {name + ".lua": f'AddHeader("X-Server", serverid .. " {name}")'
             for name in ("out", "local", "sub")}

    @pytest.fixture
    def server(self, make):
        return make(files=self.FILES, more=self.MORE, data='AddHeader("X-Server", serverid .. " in")',
                    options=', authenticated = "outbound", trusted = "local_mail"')

    def by(self, server, ip="192.0.2.1", connect=None, **macros):
        with session(server.port, ip=ip, connect=connect) as m:
            assert m.transaction(MESSAGE, **macros).command == "c"
            return re.search(rb"X-Server: (.*)\r\n", m.delivered(MESSAGE)).group(1).decode()

    def test_choice(self, server):
        assert self.by(server) == "inbound in"
        assert self.by(server, auth_authen="ann") == "outbound out"
        assert self.by(server, ip="198.51.100.9") == "local_mail local"
        assert self.by(server, ip="127.0.0.1") == "local_mail local"
        assert self.by(server, ip="/run/x") == "local_mail local"
        assert self.by(server, ip="198.51.100.9", auth_authen="ann") == "outbound out"
        assert self.by(server, connect={"daemon_name": "submission"}) == "submission sub"
        assert self.by(server, daemon_name="submission", auth_authen="ann") == "submission sub"
        assert self.by(server, connect={"daemon_name": "mx.example.org"}) == "inbound in"

    def test_each_message_anew(self, server):
        with session(server.port) as m:
            m.transaction(MESSAGE, auth_authen="ann")
            assert b"outbound out" in m.delivered(MESSAGE)
            m.transaction(MESSAGE)
            assert b"inbound in" in m.delivered(MESSAGE)


# ---- verdicts --------------------------------------------------------------------------------------------


class TestVerdicts:
    REJECT = 'Reject({ "100% no", "second line" }, { code = 554, enhanced = "5.7.9" })'
    TEXT = "554-5.7.9 100%% no\r\n554 5.7.9 second line"

    def test_connect(self, make):
        with Milter(make(connect=self.REJECT).port) as m:
            assert m.connect().text == self.TEXT

    def test_helo(self, make):
        with Milter(make(helo=self.REJECT).port) as m:
            assert m.connect().command == "c"
            assert m.helo().text == self.TEXT
            assert m.helo().text == self.TEXT

    def test_mailfrom(self, make):
        with session(make(mailfrom='if sender == "bad@example.net" then ' + self.REJECT + " end").port) as m:
            assert m.mail("<bad@example.net>").text == self.TEXT
            assert m.transaction(MESSAGE).command == "c"

    def test_rcptto(self, make):
        script = 'if recipient == "bad@example.org" then ' + self.REJECT + " end"
        with session(make(rcptto=script, data='AddHeader("X-Rcpt", recipient)').port) as m:
            assert m.mail().command == "c"
            assert m.rcpt("<bad@example.org>").text == self.TEXT
            assert m.rcpt("<good@example.org>").command == "c"
            assert m.message(MESSAGE).command == "c"
            assert b"X-Rcpt: good@example.org" in m.delivered(MESSAGE)

    def test_eod_and_data(self, make):
        assert run(make(eod=self.REJECT))[0].text == self.TEXT
        assert run(make(data=self.REJECT))[0].text == self.TEXT

    @pytest.mark.parametrize("phase", ["connect", "helo", "mailfrom", "rcptto", "eod", "data"])
    def test_defer_and_error(self, make, phase):
        def reply(script):
            with Milter(make(**{phase: script}).port) as m:
                for step in (m.connect, m.helo, m.mail, m.rcpt):
                    if (answer := step()).command != "c":
                        return answer.text
                return m.message(MESSAGE).text
        assert re.match(r"4\d\d 4\.\d\.\d not now", reply('Defer("not now")'))
        assert re.match(r"4\d1 4\.3\.0 Local policy error \(\S+\)$", reply("error('x')"))

    def test_a_reply_never_fails_for_its_text(self, make):
        text = run(make(data=r'Reject("caf\u{e9}\r\n\0x" .. ("y"):rep(2000))'))[0].text
        assert text.startswith("550 5.7.1 caf") and "\r" not in text and len(text) < 512

    def test_strongest_of_several_recipients(self, make):
        script = """if recipient == "a@example.org" then Defer("later") end
                    if recipient == "b@example.org" then Reject("never") end"""
        reply, m = run(make(data=script), recipients=["<a@example.org>", "<b@example.org>", "<c@example.org>"])
        assert reply.text == "550 5.7.1 never" and m.changes == []

    def test_delete_of_one_and_of_all(self, make):
        server = make(data='if recipientdomain ~= "example.org" then Delete() end')
        reply, m = run(server, recipients=["<a@example.org>", "<b@example.com>", "<c@example.org>"])
        assert reply.command == "c" and m.envelope() == [("-", "<b@example.com>")]
        reply, m = run(server, recipients=["<b@example.com>"])
        assert reply.command == "d" and m.changes == []
        reply, m = run(make(eod="Delete()"))
        assert reply.command == "d"

    def test_quarantine(self, make):
        for script in ('Quarantine("spam", { reject = false })', 'Quarantine("spam")'):
            reply, m = run(make(data=script))
            assert reply.command == "c" and m.envelope() == [("q", "spam")]
            reply, m = run(make(eod=script))
            assert reply.command == "c" and m.envelope() == [("q", "spam")]


# ---- changes ---------------------------------------------------------------------------------------------


class TestChanges:
    def delivered(self, make, script, message=MESSAGE, **options):
        server = make(data=script)
        reply, m = run(server, message, **options)
        assert reply.command == "c", (reply, server.text()[-1500:])
        return m.delivered(message)

    def test_nothing(self, make):
        reply, m = run(make(data="Deliver()"))
        assert reply.command == "c" and m.changes == []

    def test_fields(self, make):
        got = self.delivered(make, """AddHeader("X-Top", "1") SetHeader("X-End", "2")
          SetHeader("Subject", "other") DelHeader("To") DelHeader("Received")""")
        assert b"X-Top: 1\r\n" in got and b"X-End: 2\r\n" in got and b"Subject: other\r\n" in got
        assert b"To:" not in got and b"Received:" not in got and got.endswith(b"\r\n\r\nHello.\r\n")

    def test_same_as_a_gateway(self, make, tmp_path):
        """Whatever the edits: the mail server ends up with the bytes that our own gateway stores."""
        edits = """DelHeader("X-D") SetHeader("X-C", "new") AddHeader("X-A", "top")
          SetHeader("X-B", "longer " .. ("word "):rep(40)) SetHeader("Subject", "s") AddHeader("X-D", "again")"""
        message = (b"X-B: 1\r\nX-D: 1\r\nX-C: 1\r\nx-d:2\r\nX-B: 2\r\nFrom: a@example.net\r\nX-C:\r\n 2\r\n"
                   b"X-D: 3\r\nSubject:\tx\r\n\r\n\r\nbody\r\n")
        config = """return { hostname = "mx.example.org", workers = 1,
          listen = { { smtp = "127.0.0.1:PORT", server = "s" } },
          servers = { s = { flows = { data = "d.lua" }, relay = { ["example.org"] = { transport = "m" } } } },
          transports = { m = { maildir = "MAIL/%d/%u" } } }"""
        gateway = Sluice(tmp_path / "gateway", config, {"d.lua": edits}).start()
        client = gateway.client()
        client.say("EHLO x")
        assert client.send("a@example.net", ["b@example.org"], message[:-2])[1].startswith("250")
        stored = gateway.message()
        client.close()
        gateway.stop()
        stored = stored[stored.index(b"\r\n", stored.index(b"Received:")):]
        ours = self.delivered(make, edits, message)
        assert stored.endswith(ours)

    def test_exact_bytes(self, make):
        """What scripts see of a header is what the client sent: blanks, folds, empty values, 8 bit."""
        message = (b"From:ann@example.net\r\nX-Blanks: \t two \t\r\nX-Fold:\r\n  a\r\n\tb\r\nX-Empty:\r\n"
                   b"X-8bit: caf\xe9 \xf0\x9f\x93\xa7\r\nX-Long: " + b"y" * 3000 + b"\r\n\r\nbody")
        server = make(data='SetMetaData({ a = "b" }) syslog("notice", "size " .. messagesize)')
        reply, m = run(server, message)
        assert reply.command == "c" and m.changes == []
        said(server, f"size {len(message)}")

    def test_without_leading_space(self, make):
        steps = STEPS & ~LEADING_SPACE
        got = self.delivered(make, 'AddHeader("X-New", "1") SetHeader("Subject", "2")', steps=steps)
        assert b"X-New: 1\r\n" in got and b"Subject: 2\r\n" in got

    def test_envelope(self, make):
        script = """SetSender("other@example.net")
          if recipient == "a@example.org" then SetRecipient("z@example.com") end"""
        server = make(data=script)
        _, m = run(server, recipients=["<a@example.org>", "<b@example.org>"])
        assert m.envelope() == [("e", "<other@example.net>"), ("+", "<z@example.com>"),
                                ("-", "<a@example.org>")]
        server = make(data='SetSender("") Deliver{ recipient = "copy@example.org", done = false }')
        _, m = run(server)
        assert m.envelope() == [("e", "<>"), ("+", "<copy@example.org>")]

    def test_a_path_goes_back_as_it_came(self, make):
        _, m = run(make(data='SetRecipient("z@example.com")'), recipients=["<Bob@EXAMPLE.org>"])
        assert m.envelope()[1] == ("-", "<Bob@EXAMPLE.org>")

    @pytest.mark.parametrize("script,why", [
        ('AddHeader("X-To", recipient)', 'recipients a@example.org and b@example.org want different '
         'messages: header field 1 is \\\\"X-To: a@example.org'),
        ('SetSender(recipient)', "sender is <a@example.org> for one and <b@example.org> for the other"),
        ('if recipient:sub(1, 1) == "a" then Quarantine("spam") end',
         'one has quarantine \\\\"spam\\\\", the other \\\\"none'),
        ('SetMailTransport("other")', "transport other: the mail server chooses"),
        ('Deliver{ delay = 60 }', "delay 60 s: the mail server delivers when it likes"),
    ])
    def test_what_changes_cant_say(self, make, script, why):
        server = make(data=script)
        reply, m = run(server, recipients=["<a@example.org>", "<b@example.org>"])
        assert re.match(r"451 4\.3\.0 Local policy error \(\S+\)$", reply.text) and m.changes == []
        said(server, "changes_failed.*" + why)

    def test_what_is_the_mail_server_s_to_decide(self, make):
        """Permission to relay, from_check and sender_login: a gateway would refuse each of these."""
        server = make(extra='from_check = "reject", sender_login = "domain",')
        with session(server.port) as m:
            assert m.transaction(MESSAGE, sender="<eve@example.com>", recipients=["<x@not.in.the.table.example>"],
                                 auth_authen="ann@example.net", auth_type="PLAIN").command == "c"
            assert m.transaction(b"To: bob@example.org\r\n\r\nNo From.\r\n").command == "c"

    def test_what_the_mail_server_takes(self, make):
        """A34: fewer actions than a script wants."""
        for script, action, what in [
                ('AddHeader("X-A", "1")', 0x01, "add header fields"),
                ('SetHeader("Subject", "1")', 0x10, "change header fields"),
                ('SetSender("a@example.com")', 0x40, "change the sender"),
                ('Quarantine("spam")', 0x20, "quarantine"),
                ('SetRecipient("a@example.com")', 0x04, "add recipients"),
                ('if recipient == "bob@example.org" then Delete() end', 0x08, "remove recipients")]:
            server = make(data=script)
            reply, m = run(server, actions=0x1ff & ~action,
                           recipients=["<bob@example.org>", "<carol@example.org>"])
            assert reply.text.startswith("451 4.3.0"), what
            said(server, "changes_failed.*lets no milter " + what)

    def test_a_field_longer_than_a_packet(self, make):
        server = make(data='AddHeader("X-Long", ("x"):rep(65530))')
        reply, m = run(server)
        assert reply.text.startswith("451 4.3.0") and m.changes == []
        said(server, "changes_failed.*more than a mail server takes")

    def test_large_messages(self, make):
        """Beyond what is kept in memory, and a field beyond one packet of the usual size."""
        message = (b"From: ann@example.net\r\nX-Big: " + b"z" * 100000 + b"\r\n\r\n" +
                   (b"0123456789" * 7 + b"\r\n") * 20000)
        server = make(data='AddHeader("X-Size", tostring(messagesize))')
        reply, m = run(server, message)
        assert reply.command == "c"
        assert f"X-Size: {len(message)}\r\n".encode() in m.delivered(message)


# ---- signatures ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return key_pair(tmp_path_factory.mktemp("milter-key"))


SIGN = """function Deliver(options)
  if not DKIMSign("s1", "example.net", "pki:k", OPTIONS) then Defer("no signature") end
  builtin.Deliver(options)
end"""

ODD = (b"From: ann@example.net\r\nTo:\tbob@example.org,\r\n  carol@example.org\r\nSubject:no blank\r\n"
       b"X-Empty:\r\nX-Fold:\r\n folded at once\r\nX-8bit: caf\xe9\r\nX-Long: " + b"y" * 2500 +
       b"\r\nX-Trailing: blanks \t \r\nDATE:  Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\n" +
       b"line " * 300 + b"\r\n.\r\n..two\r\n \t \r\nend  \r\n\r\n\r\n")


@pytest.mark.parametrize("options", ["{}", '{ canonicalization_header = "simple", '
                                     'canonicalization_body = "simple" }'])
@pytest.mark.parametrize("message", [MESSAGE, ODD], ids=["plain", "odd"])
def test_signatures_hold(make, key, options, message):
    server = make(files={"keys/k.pem": key[0]}, data=SIGN.replace("OPTIONS", options))
    reply, m = run(server, message)
    assert reply.command == "c", server.text()[-1000:]
    signed = m.delivered(message)
    assert signed.count(b"DKIM-Signature:") == 1
    assert dkim.verify(signed, dnsfunc=lambda name, timeout=5: key[1].encode())


def test_the_example(tmp_path, key):
    """examples/postfix/policy, as its README says."""
    source = ROOT / "examples/postfix/policy"
    files = {path.name: path.read_text() for path in source.glob("*.lua")}
    config = files.pop("sluice.lua").replace("127.0.0.1:8890", "127.0.0.1:PORT").replace(
        "servers =", 'dns = { zone = "zone.txt", zone_only = true },\n  servers =')
    record = key[1]
    files.update({"keys/example.org/s1.pem": key[0], "zone.txt":
                  '_dmarc.example.org. IN TXT "v=DMARC1; p=reject"\ns1._domainkey.example.org. IN TXT ( ' +
                  " ".join(f'"{record[i:i + 200]}"' for i in range(0, len(record), 200)) + " )\n"})
    server = Sluice(tmp_path / "example", config, files).start()
    message = MESSAGE.replace(b"ann@example.net", b"ann@example.org")
    with session(server.port) as m:
        assert m.transaction(message, auth_authen="ann").command == "c"
        signed = m.delivered(message)
        assert dkim.verify(signed, dnsfunc=lambda name, timeout=5: record.encode())
        assert m.transaction(signed).command == "c" and m.changes == []
        assert re.match(r"550 5\.7\.1 The message violates the DMARC policy of example\.org \(",
                        m.transaction(message).text)
    assert server.stop() == 0


# ---- life of connections ---------------------------------------------------------------------------------


class TestConnections:
    def test_many_messages_on_one(self, make):
        with session(make(data='AddHeader("X-N", sender)').port) as m:
            for i in range(50):
                assert m.transaction(MESSAGE, f"<{i}@example.net>").command == "c"
                assert f"X-N: {i}@example.net\r\n".encode() in m.delivered(MESSAGE)

    def test_many_clients_on_one(self, make):
        with Milter(make(data='AddHeader("X-IP", senderip)').port) as m:
            for i in range(20):
                assert m.connect(f"192.0.2.{i}").command == "c"
                assert m.helo().command == "c"
                assert m.transaction(MESSAGE).command == "c"
                assert f"X-IP: 192.0.2.{i}\r\n".encode() in m.delivered(MESSAGE)
                m.send("K")

    def test_abort_between_messages(self, make):
        with session(make(data='AddHeader("X-S", sender)').port) as m:
            m.mail("<first@example.net>")
            m.rcpt()
            m.header(b"From", b" x")
            m.send("A")
            assert m.transaction(MESSAGE).command == "c"
            assert b"X-S: sender@example.net" in m.delivered(MESSAGE)
            assert b"first" not in m.delivered(MESSAGE)

    def test_thousands_in_one_worker(self, make):
        server = make(data='AddHeader("X-Seen", "1")', extra="connections = { total = 5000 },")
        open_now = []
        try:
            for i in range(2000):
                open_now.append(Milter(server.port))
                assert open_now[-1].connect().command == "c"
            for m in open_now[::100]:
                assert m.helo().command == "c"
                assert m.transaction(MESSAGE).command == "c"
            assert len(server.children("worker")) == 1
        finally:
            for m in open_now:
                m.socket.close()

    def test_progress_while_scripts_wait(self, make):
        api = Api(lambda path: (200, "{}", 1.0))
        try:
            server = make(data='api_call("?x=1") AddHeader("X-Done", "1")',
                          extra=f'milter = {{ progress = 0.1 }}, api = {{ url = "{api.url}" }},')
            reply, m = run(server)
            assert reply.command == "c"
            assert [c.command for c in m.changes].count("p") >= 3
            assert m.changes[-1].command == "i"
        finally:
            api.stop()

    def test_who_says_nothing_is_left(self, make):
        server = make(extra="milter = { timeout = 1 },")
        with Milter(server.port) as m:
            assert m.closed()
        said(server, "milter_timeout")

    def test_a_mail_server_that_leaves_ends_its_script(self, make):
        api = Api(lambda path: (200, "{}", 3))
        try:
            server = make(data='api_call("?x=1") error("not reached")', extra=f'api = {{ url = "{api.url}" }},')
            with session(server.port) as m:
                m.mail()
                m.rcpt()
                for name, value in ((b"From", b" a@example.net"),):
                    m.header(name, value)
                m.send("N")
                m.send("E")
                wait_for(lambda: api.calls, "the script's question")
            reply, m = run(make(data="Deliver()"))
            assert reply.command == "c"
            server.stop()
            assert "not reached" not in server.text()
        finally:
            api.stop()

    def test_reload_is_seen_by_the_next_message(self, make):
        server = make(data='AddHeader("X-Policy", "old")')
        with session(server.port) as m:
            assert m.mail().command == "c"
            (server.policy / "data-script.lua").write_text('AddHeader("X-Policy", "new")')
            server.reload()
            assert m.rcpt().command == "c"
            assert m.message(MESSAGE).command == "c"
            assert b"X-Policy: old\r\n" in m.delivered(MESSAGE)
            assert m.transaction(MESSAGE).command == "c"
            assert b"X-Policy: new\r\n" in m.delivered(MESSAGE)

    def test_codes_are_the_scripts_and_the_envelope_is_the_mail_servers(self, make):
        """What Accept says of a reply isn't sent: the mail server has its own; it can't change who was asked about."""
        script = """if recipient:find("^one") then Reject("No", { reply_codes = { code = 551, enhanced = { 5, 1, 6 } } }) end
if recipient:find("^two") then Accept{ reason = "Fine", reply_codes = { code = 252 } } end
Accept{ recipient = "other@example.org" }
"""
        with session(make(rcptto=script).port) as m:
            m.mail()
            assert m.rcpt("<one@example.org>").text == "551 5.1.6 No"
            assert m.rcpt("<two@example.org>").command == "c"
            assert m.rcpt("<three@example.org>").text.startswith("451 4.3.0 ")

    def test_reload_to_a_policy_that_needs_more(self, make):
        server = make(rcptto="Accept()")
        with session(server.port) as m:
            assert m.steps & NO_BODY and m.transaction(MESSAGE).command == "c"
            config = (server.policy / "sluice.lua").read_text()
            (server.policy / "data.lua").write_text('AddHeader("X-Policy", "new") ScanDKIM()')
            (server.policy / "sluice.lua").write_text(config.replace(
                "rcptto =", 'data = "data.lua", rcptto ='))
            server.reload()
            assert m.mail().text == "451 4.3.0 The policy has changed, try again"
            assert m.closed()
        reply, m = run(server)
        assert reply.command == "c" and b"X-Policy: new\r\n" in m.delivered(MESSAGE)

    def test_a_killed_worker_costs_its_connections(self, make):
        server = make(data="Deliver()", workers=2)
        with session(server.port) as m:
            m.mail()
            for pid in server.children("worker"):
                os.kill(pid, signal.SIGKILL)
            assert m.closed()
        wait_for(lambda: len(server.children("worker")) == 2, "new workers")
        assert run(server)[0].command == "c"

    def test_drains(self, make):
        server = make(data="Deliver()")
        with session(server.port) as busy, Milter(server.port) as idle:
            busy.mail()
            server.process.send_signal(signal.SIGTERM)
            assert idle.closed()
            busy.rcpt()
            assert busy.message(MESSAGE).command == "c"
            assert busy.closed()
        assert server.process.wait(20) == 0

    def test_drains_who_waits_for_an_answer(self, make):
        """It gets that, and the connection ends, for nothing is under way then; so does one that has lost its client."""
        server = make(files={"zone.txt": 'slow.example. IN TXT "x"\nslow.example. DELAY 1000\n'},
                      helo='if senderhelo == "slow" then dnstxt("slow.example") end')
        with Milter(server.port) as waiting, session(server.port) as leaving:
            waiting.connect()
            waiting.send("H", b"slow\0")
            leaving.mail()
            server.process.send_signal(signal.SIGTERM)
            said(server, "draining")
            leaving.send("K")
            assert leaving.closed()
            assert waiting.receive().command == "c" and waiting.closed()
        assert server.process.wait(20) == 0 and "drain_ended" not in server.text()


class TestListeners:
    def test_unix_socket(self, make, tmp_path):
        path = tmp_path / "m.sock"
        group = grp.getgrnam("daemon") if os.geteuid() == 0 else grp.getgrgid(os.getegid())
        server = make(listen=f"unix:{path}", options=f', mode = "0640", group = "{group.gr_name}"', data="Deliver()")
        st = path.stat()
        assert stat.S_IMODE(st.st_mode) == 0o640
        assert st.st_gid == group.gr_gid
        with session(path) as m:
            assert m.transaction(MESSAGE).command == "c"
        server.stop()
        assert not path.exists()

    def test_a_socket_left_behind_is_no_obstacle(self, make, tmp_path):
        path = tmp_path / "m.sock"
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(path))
        make(listen=f"unix:{path}", data="Deliver()")
        with session(path) as m:
            assert m.transaction(MESSAGE).command == "c"

    def test_anything_else_in_its_place_is_one(self, tmp_path):
        path = tmp_path / "file"
        path.write_text("mine")
        config = CONFIG
        for name, value in (("LISTEN", f"unix:{path}"), ("OPTIONS", ""), ("FLOWS", ""), ("MORE", ""),
                            ("ROWS", ""), ("WORKERS", "1"), ("EXTRA", "")):
            config = config.replace(name, value)
        server = Sluice(tmp_path / "s", config, {"zone.txt": ""}).start(expect=False)
        assert server.process.wait(20) != 0
        assert "Address already in use" in server.text() and path.read_text() == "mine"

    def test_a_socket_of_systemd_stays_as_it_is(self, make, tmp_path):
        path = tmp_path / "m.sock"
        server = make(listen=f"unix:{path}", data="Deliver()")
        server.stop()
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            path.chmod(0o600)
            listening.listen()
            server.process = subprocess.Popen(
                ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", SLUICE, "run", server.policy,
                 "--spool", server.spool], stdout=open(server.log, "wb"), stderr=subprocess.STDOUT,
                preexec_fn=lambda: os.dup2(listening.fileno(), 3), pass_fds=[3],
                env=dict(os.environ, SLUICE_STDLIB=str(ROOT / "stdlib")))
        said(server, "serving")
        server.reload()
        with session(path) as m:
            assert m.transaction(MESSAGE).command == "c"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert server.stop() == 0 and path.exists()

    def test_ipv6(self, make):
        server = make(listen="inet6:[::1]:PORT", data="Deliver()")
        with socket.create_connection(("::1", server.port), 10) as s:
            s.sendall(struct.pack(">IcIII", 13, b"O", 6, 0x1ff, STEPS))
            assert s.recv(100)[4:5] == b"O"

    def test_metrics(self, make):
        admin = free_port()
        server = make(data='Reject("no")', extra=f'admin = "127.0.0.1:{admin}",')
        with session(server.port) as m:
            assert m.transaction(MESSAGE).text == "550 5.7.1 no"

            def metrics():
                with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics") as f:
                    return f.read().decode()
            wait_for(lambda: re.search(r"sluice_milter_connections\S* 1\n", metrics()), "the gauge")
            assert re.search(r'verdicts\S*phase="data",action="Reject"\S* 1\n', metrics()), metrics()


# ---- configuration ---------------------------------------------------------------------------------------


class TestConfiguration:
    def check(self, tmp_path, listen, more="", files=None):
        policy = tmp_path / "policy"
        policy.mkdir()
        for name, text in (files or {}).items():
            (policy / name).write_text(text)
        (policy / "sluice.lua").write_text(
            'return {\n  hostname = "mx.example.org",\n  listen = { ' + listen +
            ' },\n  servers = { s = { ' + more + ' } },\n}\n')
        done = subprocess.run([SLUICE, "check", policy], capture_output=True, text=True)
        return done.returncode, done.stdout.replace(": error: ", ": ")

    def test_good(self, tmp_path):
        status, out = self.check(tmp_path, '{ milter = "inet:127.0.0.1:8890", server = "s" }')
        assert status == 0, out

    @pytest.mark.parametrize("listen,error", [
        ('{ milter = "127.0.0.1:8890", server = "s" }', 'sluice.lua:3:.*"inet:address:port"'),
        ('{ milter = "inet:[::1]:8890", server = "s" }', '"inet:address:port"'),
        ('{ milter = "inet:localhost:8890", server = "s" }', "milter: .*localhost"),
        ('{ milter = "unix:relative", server = "s" }', "begins with /"),
        ('{ milter = "inet:127.0.0.1:8890" }', "server is missing"),
        ('{ milter = "inet:127.0.0.1:8890", server = "t" }', 'server "t" is not in servers'),
        ('{ milter = "inet:127.0.0.1:8890", server = "s", authenticated = "t" }', 'server "t" is not'),
        ('{ milter = "inet:127.0.0.1:8890", server = "s", trusted = "t" }', 'server "t" is not'),
        ('{ milter = "inet:127.0.0.1:8890", server = "s", auth = "required" }', "auth is unknown"),
        ('{ milter = "unix:/run/x", server = "s", mode = "rw" }', "octal"),
    ])
    def test_errors(self, tmp_path, listen, error):
        status, out = self.check(tmp_path, listen)
        assert status != 0 and re.search(error, out), out

    def test_flows_that_never_run(self, tmp_path):
        """What only a queue of ours would do is an error, where no gateway uses the server."""
        milter = '{ milter = "inet:127.0.0.1:8890", server = "s" }'
        smtp = '{ smtp = "127.0.0.1:8825", server = "s" }'
        for i, (listen, more, wrong) in enumerate([
                (milter, 'flows = { predelivery = "x.lua" }', "predelivery"),
                (milter, 'flows = { postdelivery = "x.lua" }', "postdelivery"),
                (milter, "flows = { predelivery = {} }", None),
                (milter + ", " + smtp, 'flows = { predelivery = "x.lua" }', None)]):
            folder = tmp_path / str(i)
            folder.mkdir()
            status, out = self.check(folder, listen, more, {"x.lua": ""})
            assert (status != 0) == (wrong is not None), out
            if wrong:
                assert re.search(rf"sluice.lua:4:\d+: servers.s.flows.{wrong} never runs", out), out


# ---- the body ------------------------------------------------------------------------------------

APPEND = 'MIME("0"):appendPart(MIME():setBody(("Disclaimer\\n"):rep(%d)))'


@pytest.mark.parametrize("lines", [1, 20000])
def test_a_changed_body_is_handed_back_whole_and_signed(make, key, lines):
    server = make(files={"keys/k.pem": key[0]}, eod=APPEND % lines, data='DKIMSign("s1", "example.net", "pki:k")')
    reply, m = run(server)
    assert reply.command == "c"
    pieces = [c for c in m.changes if c.command == "b"]
    assert len(pieces) == (1 if lines == 1 else 4) and all(len(c.data) < 65535 for c in pieces)
    message = m.delivered(MESSAGE)
    assert message.count(b"Disclaimer\r\n") == lines and b"\r\n\r\nHello.\r\n" in message
    assert dkim.verify(message, dnsfunc=lambda name, timeout=5: key[1].encode())


def test_a_body_that_stays_is_not_sent_back(make):
    reply, m = run(make(data='MIME("0"):addHeader("X-A", "b")'))
    assert reply.command == "c" and [c.command for c in m.changes] == ["i"]


def test_a_mail_server_that_lets_no_milter_change_bodies(make):
    server = make(eod=APPEND % 1)
    reply, m = run(server, actions=0x1fd)
    assert reply.command == "y" and reply.text.startswith("451 4.3.0")
    said(server, "the mail server lets no milter change the body")


def test_recipients_with_different_bodies_are_refused(make):
    server = make(data='if recipient == "eve@example.org" then MIME("0"):setBody("other") end')
    reply, m = run(server, recipients=("<bob@example.org>", "<eve@example.org>"))
    assert reply.command == "y" and reply.text.startswith("451 4.3.0")
    said(server, "the bodies differ")
