"""Which DKIM signatures made in the milter survive what a real Postfix does afterwards: measured by dkimpy
on what Postfix sends on, and compared with the table in doc/hosts.md."""
import os
import pathlib
import re
import subprocess
import tempfile

import dkim
import pytest

from harness import ROOT, Client, Sluice, free_port, key_pair, wait_for
from postfix import fetch_postfix, listening

CONFIG = """return {
  hostname = "mx.example.org", workers = 1,
  listen = { { milter = "inet:127.0.0.1:MILTER", server = "outbound" } },
  servers = { outbound = { flows = { data = "sign.lua" } } },
  dns = { zone_only = true },
}"""
SIGN = """DKIMSign("relaxed", "example.net", "pki:k", OPTIONS)
DKIMSign("simple", "example.net", "pki:k", { canonicalization_header = "simple",
  canonicalization_body = "simple" MORE })"""

# Service: what its smtpd and its cleanup have set.
SERVICES = {
    "plain": ({}, {}),
    "replace": ({}, {"header_checks": "regexp:{{/^Subject:/ REPLACE Subject: replaced}}"}),
    "prepend": ({}, {"header_checks": "regexp:{{/^Subject:/ PREPEND X-Checked: yes}}"}),
    "ignore": ({}, {"header_checks": "regexp:{{/^X-Folded:/ IGNORE}}"}),
    "body": ({}, {"body_checks": "regexp:{{/^secret/ REPLACE ******}}"}),
    "old": ({"milter_protocol": "2"}, {}),
    "missing": ({}, {"always_add_missing_headers": "yes"}),
    "rewrite": ({"local_header_rewrite_clients": "permit_mynetworks"}, {}),
    "masquerade": ({"local_header_rewrite_clients": "permit_mynetworks"},
                   {"masquerade_domains": "example.net", "masquerade_classes": "header_sender"}),
    "canonical": ({"local_header_rewrite_clients": "permit_mynetworks"},
                  {"sender_canonical_maps": "inline:{ann@host.example.net=ann@example.net}",
                   "sender_canonical_classes": "header_sender"}),
}
# Where recipients' domains go, and what the client that brings it there has set.
TRANSPORTS = {
    "as-is": ("sink", {"smtp_line_length_limit": "0"}),
    "limit": ("sink", {"smtp_line_length_limit": "998"}),
    "seven": ("sink7", {"smtp_line_length_limit": "0"}),
    "seven-asis": ("sink7", {"smtp_line_length_limit": "0", "disable_mime_output_conversion": "yes"}),
    "generic": ("sink", {"smtp_generic_maps": "inline:{ann@host.example.net=ann@example.net}"}),
    "checks": ("sink", {"smtp_header_checks": "regexp:{{/^Subject:/ REPLACE Subject: replaced}}"}),
    "prepends": ("sink", {"smtp_header_checks": "regexp:{{/^Subject:/ PREPEND X-Checked: yes}}"}),
    "mimes": ("sink", {"smtp_mime_header_checks": "regexp:{{/^Content-Type:/ REPLACE Content-Type: text/plain}}"}),
    "bodies": ("sink", {"smtp_body_checks": "regexp:{{/^secret/ REPLACE ******}}"}),
}

COMPLETE = (b"From: Ann <ann@host.example.net>\r\nTo: bob@as-is.example\r\nSubject: a subject\r\n"
            b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.net>\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
ODD = (COMPLETE + b"X-Folded:\r\n folded at once,\r\n\tand again\r\nX-Blanks:   many \t blanks  \r\nX-None:no blank\r\n"
       b"X-Long: " + b"word " * 600 + b"\r\nX-Unbroken: " + b"y" * 2500 + b"\r\nX-Raw: caf\xe9 caf\xc3\xa9\r\n")
BODY = b"Hello.\r\nsecret\r\n \t \r\ntrailing blanks \t\r\n\r\n\r\n"
MESSAGES = {
    "usual": COMPLETE + b"\r\n" + BODY,
    "odd header": ODD + b"\r\n" + BODY,
    "7-bit body": COMPLETE.replace(b"Content-Transfer-Encoding: 8bit\r\n", b"") + b"\r\n" + BODY,
    "8-bit body": COMPLETE + b"\r\n" + "Grüße\r\n".encode() + BODY,
    "long line": COMPLETE + b"\r\n" + b"x" * 2500 + b"\r\n" + BODY,
    "odd blanks": COMPLETE.replace(b"Subject: a", b"Subject:a").replace(b"To: ", b"To: \t ") + b"\r\n" + BODY,
    "long Subject": COMPLETE.replace(b"a subject", b"word " * 500 + b"end") + b"\r\n" + BODY,
    "no Date, no Message-ID": b"From: ann@host.example.net\r\nTo: bob@as-is.example\r\nSubject: s\r\n\r\n" + BODY,
    "bare local part": COMPLETE.replace(b"Ann <ann@host.example.net>", b"ann") + b"\r\n" + BODY,
}

# Row of the table in doc/hosts.md: service, transport, message, and what shows that the setting did something.
CASES = {
    "nothing": [("plain", "as-is", message, None) for message in MESSAGES],
    "`milter_protocol = 2`, plain header": [("old", "as-is", "usual", None)],
    "`milter_protocol = 2`, oddly spaced header": [("old", "as-is", "odd blanks", rb"^Subject:a subject\r")],
    "`header_checks` REPLACE": [("replace", "as-is", "usual", rb"^Subject: replaced\r")],
    "`header_checks` PREPEND": [("prepend", "as-is", "usual", rb"^X-Checked: yes\r\nSubject:")],
    "`header_checks` IGNORE": [("ignore", "as-is", "odd header", rb"\A(?s:(?!.*\nX-Folded))")],
    "`body_checks` REPLACE": [("body", "as-is", "usual", rb"^\*{6}\r")],
    "`always_add_missing_headers`": [("missing", "as-is", "no Date, no Message-ID", rb"^Date: ")],
    "the same, with `oversign_headers = { \"Date\" }`":
        [("missing-oversigned", "as-is", "no Date, no Message-ID", rb"^Date: ")],
    "`local_header_rewrite_clients`": [("rewrite", "as-is", "usual", rb"^From: Ann <ann@host.example.net>\r"),
                                       ("rewrite", "as-is", "bare local part", rb"^From: ann@example.net\r")],
    "`masquerade_domains`": [("masquerade", "as-is", "usual", rb"^From: Ann <ann@example.net>\r")],
    "`sender_canonical_maps`": [("canonical", "as-is", "usual", rb"^From: Ann <ann@example.net>\r")],
    "`smtp_generic_maps`": [("plain", "generic", "usual", rb"^From: Ann <ann@example.net>\r")],
    "`smtp_header_checks` REPLACE": [("plain", "checks", "usual", rb"^Subject: replaced\r")],
    "`smtp_header_checks` PREPEND": [("plain", "prepends", "usual", rb"^X-Checked: yes\r\nSubject:")],
    "`smtp_mime_header_checks` REPLACE": [("plain", "mimes", "usual", rb"^Content-Type: text/plain\r")],
    "`smtp_body_checks` REPLACE": [("plain", "bodies", "usual", rb"^\*{6}\r")],
    "`smtp_line_length_limit`, header lines over 998": [("plain", "limit", "long Subject", rb"^Subject: .{900,990}\r\n ")],
    "`smtp_line_length_limit`, body lines over 998": [("plain", "limit", "long line", rb"^ x{500,998}\r")],
    "next server without 8BITMIME, 7-bit body": [("plain", "seven", "7-bit body", rb"^Hello.\r")],
    "next server without 8BITMIME, 8-bit body": [("plain", "seven", "8-bit body", rb"^Gr=C3=BC")],
    "next server without 8BITMIME, labelled 8bit": [("plain", "seven", "usual", rb"^Content-Transfer-Encoding: quoted")],
    "the same, `disable_mime_output_conversion`":
        [("plain", "seven-asis", "8-bit body", "^Grüße\r".encode())],
}


def options(settings):
    return "".join(f"  -o {{ {name} = {value} }}\n" for name, value in settings.items())


class World:
    def __init__(self, postfix, folder, key):
        self.postfix, self.folder, self.key, self.processes = postfix, folder, key, []
        milters = {"plain": free_port(), "oversigned": free_port()}
        sinks = {"sink": self.sink("sink"), "sink7": self.sink("sink7", "-8")}
        maps = " ".join(f"{{ {name}.example = {name}:[127.0.0.1]:{sinks[sink]} }}"
                        for name, (sink, _) in TRANSPORTS.items())
        services, self.ports = "", {}
        everything = {**SERVICES, "missing-oversigned": SERVICES["missing"]}
        for name, (smtpd, cleanup) in everything.items():
            self.ports[name] = free_port()
            milter = milters["oversigned" if name == "missing-oversigned" else "plain"]
            services += (f"127.0.0.1:{self.ports[name]} inet n - n - - smtpd\n"
                         f"  -o cleanup_service_name=cleanup-{name}\n"
                         f"  -o smtpd_milters=inet:127.0.0.1:{milter}\n" + options(smtpd) +
                         f"cleanup-{name} unix n - n - 0 cleanup\n" + options(cleanup))
        for name, (_, smtp) in TRANSPORTS.items():
            services += f"{name} unix - - n - - smtp\n" + options(smtp)
        main = (f"transport_maps = inline:{{ {maps} }}\nlocal_header_rewrite_clients =\n"
                "smtp_discard_ehlo_keywords = chunking\nmilter_default_action = tempfail\n"
                "smtp_host_lookup = native\nappend_dot_mydomain = no\nmyorigin = example.net\n"
                "relay_domains = " + ", ".join(f"{name}.example" for name in TRANSPORTS) + "\n")
        port, process = postfix.start(folder / "postfix", main, services)
        self.processes.append(process)
        wait_for(lambda: all(listening(p) for p in self.ports.values()), "every service")
        self.filters = []
        for name, more in (("plain", ""), ("oversigned", 'oversign_headers = { "Date" }')):
            script = SIGN.replace("OPTIONS", "{ " + more + " }").replace("MORE", ", " + more if more else "")
            self.filters.append(Sluice(folder / ("filter-" + name), CONFIG.replace("MILTER", str(milters[name])),
                                       {"sign.lua": script, "keys/k.pem": key[0]}).start())

    def sink(self, name, *flags):
        """smtp-sink, which keeps each message in a file of its own."""
        port, mail = free_port(), self.folder / name
        mail.mkdir()
        mail.chmod(0o777)
        self.processes.append(subprocess.Popen(
            [self.postfix.tool("smtp-sink"), *flags, "-u", "nobody", "-d", f"{mail}/", f"127.0.0.1:{port}", "100"],
            env=self.postfix.env, cwd=mail))
        wait_for(lambda: listening(port), name)
        return port

    def stop(self):
        for server in self.filters:
            assert server.stop() == 0, server.text()[-3000:]
        for process in reversed(self.processes):
            process.terminate()
            process.wait(20)

    def send(self, service, transport, message, tag):
        """What arrives of it, without what the sink wrote on top."""
        client = Client(self.ports[service])
        client.say("EHLO client.example")
        client.say("MAIL FROM:<ann@host.example.net> BODY=8BITMIME")
        assert client.say(f"RCPT TO:<{tag}@{transport}.example>").startswith("250")
        assert client.say("DATA").startswith("354")
        reply = client.say(MESSAGES[message] + b".\r\n")
        assert reply.startswith("250"), (reply, self.filters[0].text()[-2000:])
        client.close()
        mail = self.folder / TRANSPORTS[transport][0]
        mine = f"X-Rcpt-Args: <{tag}@{transport}.example>".encode()

        def arrived():
            return [text for text in (p.read_bytes() for p in mail.iterdir()) if mine in text and
                    text.endswith(b"\n\n")]
        text = wait_for(arrived, "the message: " + (self.folder / "postfix/log").read_text()[-1500:])[0]
        return text[text.index(b"Received:", text.index(b"X-Rcpt-Args:")):].replace(b"\n", b"\r\n")

    def verdicts(self, message):
        """Per selector, whether dkimpy finds its signature good."""
        found = {}
        fields = re.findall(rb"(?im)^DKIM-Signature:(?:.*\r\n)(?:[ \t].*\r\n)*", message)
        for index, field in enumerate(fields):
            selector = re.search(rb"\bs=(\w+)", field).group(1).decode()
            try:
                found[selector] = dkim.DKIM(message).verify(
                    index, dnsfunc=lambda name, timeout=5: self.key[1].encode())
            except dkim.ValidationError:	# what dkimpy says of another body
                found[selector] = False
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    postfix = fetch_postfix()
    if postfix is None:
        pytest.skip("no Postfix: neither installed nor to be had as a package")
    with tempfile.TemporaryDirectory() as folder:	# pytest's own are for root alone
        os.chmod(folder, 0o755)
        try:
            world = World(postfix, pathlib.Path(folder), key_pair(tmp_path_factory.mktemp("key")))
        except OSError as error:
            pytest.skip(f"Postfix: {error}")
        yield world
        world.stop()


def table():
    """{ what Postfix does: (relaxed, simple) } of doc/hosts.md."""
    text = (ROOT / "doc/hosts.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \| (holds|breaks) \| (holds|breaks) \|", text, re.M)
    return {what: (relaxed, simple) for what, relaxed, simple in rows}


@pytest.mark.parametrize("what", CASES)
def test_what_survives(world, what):
    for number, (service, transport, message, effect) in enumerate(CASES[what]):
        tag = "case" + str(list(CASES).index(what)) + "x" + str(number)
        stored = world.send(service, transport, message, tag)
        found = world.verdicts(stored)
        assert set(found) == {"relaxed", "simple"}, stored
        assert effect is None or re.search(effect, stored, re.M), stored
        assert tuple("holds" if found[s] else "breaks" for s in ("relaxed", "simple")) == table().get(what), \
            (service, transport, message, found, stored.decode(errors="replace")[:3000])


def test_the_table_has_nothing_else():
    assert set(table()) == set(CASES)
