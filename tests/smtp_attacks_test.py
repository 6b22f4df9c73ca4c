"""Attacks on the SMTP dialog and on messages as bytes: A01-A03, A05-A08, A12. The server is real,
the client says what no honest client says, and the next hop keeps what it was sent."""
import contextlib
import fcntl
import random
import re
import socket
import ssl
import struct
import termios
import threading
import time

import dkim
import pytest

from harness import Sluice, certificate, free_port, key_pair, text_message, wait_for

CONFIG = """return {
  hostname = "mx.example.org", workers = 1,
  listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } },
  servers = { inbound = { flows = { %s }, relay = {
    ["example.org"] = { transport = "mailbox" }, ["hop.example"] = { transport = "hop" } } } },
  transports = { mailbox = { maildir = "MAIL/%%d/%%u" },
                 hop = { host = "127.0.0.1", port = HOP, tls = "none" } },
  retry = { 0.2 }, dns = { zone = "zone.txt", zone_only = true }, %s
}"""


@pytest.fixture
def make(tmp_path):
    started = []

    def start(flows="", extra="", files=None, hop=1):
        base = {"zone.txt": "example.org. IN A 127.0.0.1\n"}
        base.update(files or {})
        config = (CONFIG % (flows, extra)).replace("HOP", str(hop))
        server = Sluice(tmp_path / str(len(started)), config, base).start()
        started.append(server)
        return server

    yield start
    for server in started:
        assert server.stop() == 0, server.text()[-3000:]
        assert "AddressSanitizer" not in server.text() and "runtime error" not in server.text()
        assert "worker_died" not in server.text()


class Hop:
    """A next hop that keeps every byte it got after its 354."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.data = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            with s, contextlib.suppress(OSError):
                self.session(s)

    def session(self, s):
        s.sendall(b"220 hop.example\r\n")
        held = b""
        while True:
            line, held = self.until(s, held, b"\r\n")
            verb = line[:4].upper()
            if verb == b"DATA":
                s.sendall(b"354 go on\r\n")
                data, held = self.until(s, held, b"\r\n.\r\n")
                self.data.append(data)
            s.sendall(b"221 bye\r\n" if verb == b"QUIT" else b"250 hop.example\r\n")

    @staticmethod
    def until(s, held, end):
        while end not in held:
            part = s.recv(65536)
            if not part:
                raise OSError("closed")
            held += part
        at = held.index(end) + len(end)
        return held[:at], held[at:]

    def stop(self):
        self.listener.close()


@pytest.fixture
def hop():
    hop = Hop()
    yield hop
    hop.stop()


def connect(server):
    client = server.client()
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    assert client.greeting.startswith("220"), client.greeting
    assert client.say("EHLO client.example").startswith("250")
    return client


def begin(client, recipient="b@example.org"):
    assert client.say("MAIL FROM:<x@example.com>").startswith("250")
    assert client.say(f"RCPT TO:<{recipient}>").startswith("250")
    assert client.say("DATA").startswith("354")


def segments(client, *parts):
    """Each part in a TCP segment of its own: the next is sent when the former has arrived."""
    for part in parts:
        client.socket.sendall(part)
        wait_for(lambda: struct.unpack("i", fcntl.ioctl(client.socket, termios.TIOCOUTQ, b"\0" * 4))
                 == (0,), "the segment to arrive")


def in_step(client):
    """One reply per command: nothing more was said, or heard."""
    assert client.say("NOOP").startswith("250 2.0.0")
    assert client.say("QUIT").startswith("221")
    assert client.reply() == "closed"
    client.close()


def serves(server):
    client = connect(server)
    _, reply = client.send("x@example.com", ["b@example.org"], text_message("x@example.com"))
    assert reply.startswith("250"), reply
    client.close()


# ---- A01, A02: the end of data, bare CR and LF --------------------------------------------------

ENDS = {"LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CRLF.LF": b"\r\n.\n", "CR.CR": b"\r.\r",
        "CRLF.CR": b"\r\n.\r", "CRLF NUL.CRLF": b"\r\n\0.\r\n"}
SMUGGLED = (b"MAIL FROM:<smuggled@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
            b"From: smuggled@example.org\r\n\r\nsmuggled\r\n.\r\n")


@pytest.mark.parametrize("mode", ["reject", "fix"])
def test_A01_only_crlf_dot_crlf_ends_data(make, mode):
    server = make(extra=f'line_ends = "{mode}"')
    for end in ENDS.values():
        for cut in range(len(end) + 1):
            client = connect(server)
            begin(client)
            segments(client, text_message("x@example.com") + end[:cut], end[cut:] + SMUGGLED)
            reply = client.reply()
            assert reply[0] == ("2" if mode == "fix" else "5") or b"\0" in end, (end, reply)
            in_step(client)
    assert "sender=smuggled" not in server.text()
    assert all(m.startswith(b"Return-Path: <x@example.com>") for m in server.messages())


def test_A01_what_is_relayed_ends_once(make, hop):
    server = make(extra='line_ends = "fix"', hop=hop.port)
    for end in ENDS.values():
        client = connect(server)
        begin(client, "b@hop.example")
        client.socket.sendall(text_message("x@example.com") + end + SMUGGLED)
        reply = client.reply()
        in_step(client)
        if reply.startswith("5"):
            assert b"\0" in end
            continue
        data = wait_for(lambda: hop.data and hop.data.pop(), "the message at the next hop")
        assert data.count(b"\r\n.\r\n") == 1 and data.endswith(b"smuggled\r\n.\r\n")
        assert data.count(b"\r") == data.count(b"\n") == data.count(b"\r\n"), data
        assert not hop.data


BARE = {"LF in the body": b"From: x@example.com\r\n\r\na\nb\r\n",
        "CR in the body": b"From: x@example.com\r\n\r\na\rb\r\n",
        "LF in the header": b"From: x@example.com\r\nSubject: a\nX-B: b\r\n\r\nc\r\n",
        "CR in the header": b"From: x@example.com\r\nSubject: a\rX-B: b\r\n\r\nc\r\n",
        "LF ends the header": b"From: x@example.com\n\nc\r\n"}


@pytest.mark.parametrize("case", BARE)
def test_A02_bare_cr_and_lf_are_refused(make, case):
    server = make()
    client = connect(server)
    begin(client)
    reply = client.say(BARE[case] + b".\r\n")
    assert reply.startswith("550 5.6.0") or reply.startswith("554 5.6.0"), reply
    assert "bare" in reply.lower(), reply
    in_step(client)
    serves(server)
    assert len(wait_for(server.messages, "the good message")) == 1


def test_A02_fixed_before_policy_and_signing(make, hop, tmp_path):
    pem, record = key_pair(tmp_path)
    server = make(flows='data = "data.lua"', extra='line_ends = "fix"', hop=hop.port, files={
        "data.lua": """
            syslog("notice", "saw " .. tostring(GetHeader("X-B")))
            assert(DKIMSign("s1", "example.org", "pki:k"))
            Deliver()""", "keys/k.pem": pem})
    for text in (BARE["LF in the body"], BARE["LF in the header"], BARE["LF ends the header"]):
        client = connect(server)
        begin(client, "b@hop.example")
        assert client.say(text + b".\r\n").startswith("250")
        in_step(client)
        data = wait_for(lambda: hop.data and hop.data.pop(), "the message at the next hop")
        assert data.count(b"\r") == data.count(b"\n") == data.count(b"\r\n"), data
        message = data[:-3].replace(b"\r\n..", b"\r\n.")
        assert dkim.verify(message, dnsfunc=lambda name, timeout=5: record.encode()), message
    assert "saw b" in server.text()


# ---- A03: what was said too early -----------------------------------------------------------------


def test_A03_commands_after_the_end_of_data_are_served_in_order(make):
    server = make()
    client = connect(server)
    begin(client)
    client.socket.sendall(text_message("x@example.com") + b"\r\n.\r\nMAIL FROM:<y@example.com>\r\n"
                          b"RCPT TO:<b@example.org>\r\nDATA\r\n")
    assert [client.reply()[:3] for _ in range(4)] == ["250", "250", "250", "354"]
    client.socket.sendall(text_message("y@example.com") + b"\r\n.\r\nRCPT TO:<b@example.org>\r\n")
    assert [client.reply()[:3] for _ in range(2)] == ["250", "503"]
    in_step(client)
    wait_for(lambda: len(server.messages()) == 2, "both messages")


def test_A03_data_before_its_354_is_not_data(make):
    """RFC 2920, section 3.1: DATA is the last of a group. Whoever goes on is no honest client."""
    server = make()
    client = connect(server)
    client.socket.sendall(b"MAIL FROM:<y@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n" +
                          text_message("y@example.com") + b"\r\n.\r\n")
    replies = [client.reply()[:3] for _ in range(3)]
    assert replies == ["250", "250", "554"], replies
    assert client.reply() == "closed"
    client.close()
    serves(server)
    assert len(wait_for(server.messages, "the good message")) == 1


def test_A03_nothing_in_clear_survives_starttls(make, tmp_path):
    cert, key = certificate(tmp_path)
    server = make(extra='tls = { cert = "mx.pem", key = "pki:mx" }',
                  files={"mx.pem": cert, "keys/mx.pem": key})
    client = connect(server)
    client.socket.sendall(b"STARTTLS\r\nMAIL FROM:<injected@example.com>\r\nNOOP\r\n")
    reply = client.reply()
    if reply.startswith("220"):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        client.socket = context.wrap_socket(client.socket)
        client.file = client.socket.makefile("rb")
        assert client.say("RCPT TO:<b@example.org>").startswith("503")
        in_step(client)
    else:
        assert reply[0] in "45", reply
    assert "injected" not in server.text()
    serves(server)


def test_A03_who_speaks_before_the_banner_is_refused(make):
    server = make(flows='connect = "slow.lua"', files={
        "slow.lua": 'dnstxt("slow.example")',
        "zone.txt": 'slow.example. IN TXT "x"\nslow.example. DELAY 300\n'})
    with socket.create_connection(("127.0.0.1", server.port), 10) as s:
        s.sendall(b"EHLO early.example\r\nMAIL FROM:<early@example.com>\r\n")
        said = s.makefile("rb").read()
    assert said.startswith((b"554", b"421")) and said.count(b"\r\n") == 1, said
    serves(server)


# ---- A05: the state of a transaction ---------------------------------------------------------------


class Model:
    """RFC 5321, section 4.1.4, as far as the sequences below go."""

    def __init__(self):
        self.greeted = self.mail = self.rcpt = False

    def expect(self, command):
        verb = command.split()[0]
        if verb in ("EHLO", "HELO"):
            self.greeted, self.mail, self.rcpt = True, False, False
            return "250"
        if verb == "RSET":
            self.mail = self.rcpt = False
            return "250"
        if verb in ("NOOP", "VRFY"):
            return "250" if verb == "NOOP" else "252"
        if verb == "MAIL":
            if not self.greeted or self.mail:
                return "503"
            if "refused@" in command:
                return "550"
            self.mail = True
            return "250"
        if verb == "RCPT":
            if not self.mail:
                return "503"
            if "refused@" in command:
                return "550"
            self.rcpt = True
            return "250"
        if not self.rcpt:
            return "554" if self.mail else "503"      # section 4.1.1.4: either is right
        self.mail = self.rcpt = False
        return "354"


COMMANDS = ["EHLO x", "HELO x", "RSET", "NOOP", "VRFY b", "MAIL FROM:<a@example.com>",
            "MAIL FROM:<a@example.com>", "MAIL FROM:<refused@example.com>", "RCPT TO:<b@example.org>",
            "RCPT TO:<b@example.org>", "RCPT TO:<refused@example.org>", "DATA", "DATA"]
VERDICTS = {"accept": "250", "reject": "550", "defer": "451", "error": "451"}


def test_A05_random_sequences_follow_the_model(make):
    server = make(flows='mailfrom = "from.lua", rcptto = "to.lua", data = "data.lua"', files={
        "from.lua": 'if sender == "refused@example.com" then Reject("no") end',
        "to.lua": 'if recipient == "refused@example.org" then Reject("no") end',
        "data.lua": """
            assert(not pcall(function() return leaked end), "state of a former message")
            leaked = true
            local verdict = GetHeader("X-Verdict")
            if verdict == "reject" then Reject("no") end
            if verdict == "defer" then Defer("later") end
            if verdict == "error" then error("broken") end"""})
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    for _ in range(250):
        client, model, said = server.client(), Model(), []
        for _ in range(15):     # fewer than the errors that end a session
            command = rng.choice(COMMANDS)
            want, got = model.expect(command), client.say(command)[:3]
            said.append((command, got))
            assert got == want, (seed, said, want)
            if got == "354":
                verdict = rng.choice(list(VERDICTS))
                got = client.say(text_message(extra=b"X-Verdict: " + verdict.encode() + b"\r\n") +
                                 b"\r\n.\r\n")[:3]
                said.append((verdict, got))
                assert got == VERDICTS[verdict], (seed, said)
        client.close()
    assert "former message" not in server.text()


# ---- A06: lines -------------------------------------------------------------------------------------

LINES = {
    "512": b"NOOP " + b"x" * 505, "1000": b"NOOP " + b"x" * 993, "2000": b"NOOP " + b"x" * 1995,
    "a million": b"NOOP " + b"x" * 1000000, "NUL": b"NOOP \0", "NUL in the verb": b"NO\0OP",
    "8-bit": b"NOOP \xe9", "8-bit verb": b"\xff\xfe\xfd",
    "invalid UTF-8": b"MAIL FROM:<\xc3\x28@example.com>",
    "overlong UTF-8": b"MAIL FROM:<\xc0\xaf@example.com>", "NUL in a path": b"MAIL FROM:<a\0b@example.com>",
    "bare CR": b"NOOP a\rRSET", "nothing": b"", "blanks": b"   ", "tab": b"\tNOOP",
}


def test_A06_bad_lines_get_one_reply_each(make):
    server = make()
    for name, line in LINES.items():
        client = connect(server)
        reply = client.say(line + b"\r\n")
        if name == "a million":
            assert reply.startswith("421") and client.reply() == "closed", reply
            continue
        assert reply[:3] in ("250", "500", "501", "502", "550", "553"), (name, reply)
        if name not in ("512", "1000", "8-bit"):
            assert reply[0] == "5", (name, reply)
        in_step(client)
    serves(server)


def memory_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


def test_A06_a_line_without_end_is_not_kept(make):
    server = make(extra="timeouts = { command = 2 }")
    serves(server)
    worker = server.children("worker")[0]
    before = memory_kb(worker)
    client = connect(server)
    with contextlib.suppress(OSError):
        for _ in range(1024):
            client.socket.sendall(b"x" * 65536)
    grown = memory_kb(worker) - before
    client.close()
    assert grown < 4096, grown
    serves(server)


# ---- A07: paths ---------------------------------------------------------------------------------------

PATHS = [
    ("MAIL FROM:<a@b.example>", "250"), ("MAIL FROM:<>", "250"), ("MAIL FROM: <a@b.example>", "250 501"),
    ("MAIL FROM:a@b.example", "501"), ("MAIL FROM:", "501"), ("MAIL FROM:<", "501"),
    ("MAIL FROM:<a@b>c", "501"), ("MAIL FROM:<a@b.example> garbage", "501 555"),
    ("MAIL FROM:<a b@c.example>", "501"), ('MAIL FROM:<"a b"@c.example>', "250"),
    ('MAIL FROM:<"a\\"b"@c.example>', "250"), ('MAIL FROM:<"a@c.example>', "501"),
    ("MAIL FROM:<a@[127.0.0.1]>", "250"), ("MAIL FROM:<a@[IPv6:::1]>", "250"),
    ("MAIL FROM:<a@[IPv6:zz]>", "501"), ("MAIL FROM:<a@[300.1.1.1]>", "501"),
    ("MAIL FROM:<@>", "501"), ("MAIL FROM:<a@>", "501"), ("MAIL FROM:<a@-b.example>", "501"),
    ("MAIL FROM:<a@b..example>", "501"), ("MAIL FROM:<.a@b.example>", "501"),
    ("MAIL FROM:<%s@b.example>" % ("a" * 65), "501 250"), ("MAIL FROM:<a@%s.example>" % ("b" * 64), "501"),
    ("MAIL FROM:<a@xn--bcher-kva.example>", "250"), ("MAIL FROM:<a@bücher.example>", "501 550 553"),
    ("MAIL FROM:<a@bücher.example> SMTPUTF8", "250"), ("MAIL FROM:<ä@b.example> SMTPUTF8", "250"),
    ("MAIL FROM:<a@b.example> SIZE=1", "250"), ("MAIL FROM:<a@b.example> SIZE=-1", "501"),
    ("MAIL FROM:<a@b.example> SIZE=99999999999999999999", "501 552"),
    ("MAIL FROM:<a@b.example> NOSUCH=1", "555"),
]
RECIPIENTS = [
    ("RCPT TO:<b@example.org>", "250"), ("RCPT TO:<B@EXAMPLE.ORG>", "250"),
    ("RCPT TO:<@relay.example:b@example.org>", "250 501 550"), ("RCPT TO:<>", "501"),
    ("RCPT TO:<postmaster>", "250 501 550"), ("RCPT TO:<b@example.org>c", "501"),
    ('RCPT TO:<"b@foreign.example"@example.org>', "550"), ("RCPT TO:<b@foreign.example>", "550"),
    ("RCPT TO:<b@[127.0.0.1]>", "550"), ("RCPT TO:<b@example.org.>", "250 501 550"),
]


def test_A07_paths(make):
    server = make()
    for command, want in PATHS:
        client = connect(server)
        reply = client.say(command)
        assert reply[:3] in want.split(), (command, reply)
        in_step(client)
    for command, want in RECIPIENTS:
        client = connect(server)
        client.say("MAIL FROM:<a@b.example>")
        reply = client.say(command)
        assert reply[:3] in want.split(), (command, reply)
        in_step(client)


# ---- A08: too much, too slow ----------------------------------------------------------------------------


def test_A08_recipients_outside_a_transaction(make):
    client = connect(make())
    assert client.say("RCPT TO:<b@example.org>").startswith("503")
    assert client.say("DATA").startswith("503")
    assert client.say("VRFY b@example.org").startswith("252")
    in_step(client)


def flood(client, line, count):
    """Sends until all is said or the server has had enough; the last reply."""
    def write():
        with contextlib.suppress(OSError):
            for _ in range(count // 1000):
                client.socket.sendall(line * 1000)
            client.socket.sendall(b"QUIT\r\n")
    writer = threading.Thread(target=write)
    writer.start()
    last = b""
    with contextlib.suppress(OSError):
        for part in client.file:
            last = part
    client.socket.close()
    writer.join()
    return last


@pytest.mark.parametrize("line, count", [(b"RCPT TO:<b@example.org>\r\n", 100000),
                                         (b"NOOP\r\n", 1000000), (b"RSET\r\n", 1000000)],
                         ids=["RCPT", "NOOP", "RSET"])
def test_A08_floods(make, line, count):
    server = make()
    serves(server)
    worker = server.children("worker")[0]
    before = memory_kb(worker)
    client = connect(server)
    client.say("MAIL FROM:<x@example.com>")
    flood(client, line, count)
    assert memory_kb(worker) - before < 16384
    serves(server)


def test_A08_too_many_recipients_are_told(make):
    server = make(extra="recipients = 100")
    client = connect(server)
    client.say("MAIL FROM:<x@example.com>")
    replies = [client.say(f"RCPT TO:<b{i}@example.org>") for i in range(102)]
    assert all(r.startswith("250") for r in replies[:100])
    assert all(r.startswith("452 4.5.3") for r in replies[100:]), replies[100:]
    client.close()


SLOW = {"greeting": [], "command": [b"EHLO x\r\n", b"MAIL FR"], "data": [
    b"EHLO x\r\n", b"MAIL FROM:<x@example.com>\r\n", b"RCPT TO:<b@example.org>\r\n", b"DATA\r\n", b"From: x"]}


@pytest.mark.parametrize("phase", SLOW)
def test_A08_slow_clients_are_sent_away(make, phase):
    """A byte now and then doesn't count as progress: the limit is one per command or message."""
    server = make(extra="timeouts = { command = 1, message = 1 }")
    client = server.client()
    for part in SLOW[phase]:
        client.socket.sendall(part)
        if part.endswith(b"\r\n"):
            client.reply()
    gone = threading.Event()

    def drip():
        with contextlib.suppress(OSError):
            while not gone.wait(0.2):
                client.socket.sendall(b"x")
    dripping = threading.Thread(target=drip)
    dripping.start()
    serves(server)
    begun = time.monotonic()
    said = client.reply()
    gone.set()
    dripping.join()
    assert said.startswith("421") or said == "closed", said
    assert time.monotonic() - begun < 15
    client.close()


def test_A08_half_open_tls_doesnt_hold_the_end(make, tmp_path):
    cert, key = certificate(tmp_path)
    server = make(extra='tls = { cert = "mx.pem", key = "pki:mx" }',
                  files={"mx.pem": cert, "keys/mx.pem": key})
    client = connect(server)
    assert client.say("STARTTLS").startswith("220")
    assert server.stop() == 0
    client.close()


def test_A08_half_open_tls_holds_nobody(make, tmp_path):
    cert, key = certificate(tmp_path)
    server = make(extra='timeouts = { command = 1 }, tls = { cert = "mx.pem", key = "pki:mx" }',
                  files={"mx.pem": cert, "keys/mx.pem": key})
    clients = [connect(server) for _ in range(10)]
    for client in clients:
        assert client.say("STARTTLS").startswith("220")
        client.socket.sendall(b"\x16\x03\x01\x02\x00\x01")
    serves(server)
    for client in clients:
        with contextlib.suppress(ConnectionResetError):
            client.file.read()
        client.close()
    serves(server)


# ---- A12: header and body ---------------------------------------------------------------------------------

# What comes, and what is delivered: where the header ended for the policy and the signature, it
# ends for every later reader too.
HEADERS = {
    "no colon": (b"From: x@example.com\r\nno colon here\r\nSubject: a\r\n\r\nb\r\n",
                 b"From: x@example.com\r\n\r\nno colon here\r\nSubject: a\r\n\r\nb\r\n"),
    "boundary of blanks": (b"From: x@example.com\r\n \t \r\nbody\r\n",
                           b"From: x@example.com\r\n \t \r\n\r\nbody\r\n"),
    "no empty line": (b"From: x@example.com\r\nSubject: a\r\n",
                      b"From: x@example.com\r\nSubject: a\r\n\r\n"),
    "body at once": (b"\r\nbody\r\n", b"\r\nbody\r\n"),
    "nothing": (b"", b"\r\n"),
    "begins with a fold": (b" folded\r\nFrom: x@example.com\r\n\r\nb\r\n",
                           b"\r\n folded\r\nFrom: x@example.com\r\n\r\nb\r\n"),
    "blank before the colon": (b"From : x@example.com\r\nSubject\t: a\r\n\r\nb\r\n",) * 2,
    "empty name": (b": x\r\nFrom: x@example.com\r\n\r\nb\r\n",
                   b"\r\n: x\r\nFrom: x@example.com\r\n\r\nb\r\n"),
    "8-bit name": (b"From: x@example.com\r\nS\xffbject: a\r\n\r\nb\r\n",
                   b"From: x@example.com\r\n\r\nS\xffbject: a\r\n\r\nb\r\n"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_A12_malformed_headers_end_in_one_place(make, case):
    sent, delivered = HEADERS[case]
    server = make()
    client = connect(server)
    begin(client)
    reply = client.say(sent + b".\r\n")
    assert reply[:3] in ("250", "550", "554"), reply
    in_step(client)
    if reply.startswith("250"):
        message = server.message()
        own = message.index(b"+0000\r\n") + len(b"+0000\r\n")     # after Received
        assert message[own:] == delivered, (reply, message)
    serves(server)


LARGE = {
    "10 MB in one field": lambda: b"X-Large: " + b"\r\n ".join([b"x" * 900] * 11000) + b"\r\n",
    "100,000 fields": lambda: b"".join(b"X-%d: y\r\n" % i for i in range(100000)),
    "100,000 folds": lambda: b"X-Folds: y" + b"\r\n y" * 100000 + b"\r\n",
}


@pytest.mark.parametrize("case", LARGE)
def test_A12_large_headers_cost_their_own_message(make, case):
    server = make(flows='data = "data.lua"', files={"data.lua": """
        syslog("notice", "from " .. tostring(GetHeader("From")) .. tostring(#GetHeaders("X-1")))"""})
    client = connect(server)
    begin(client)
    reply = client.say(b"From: x@example.com\r\n" + LARGE[case]() + b"\r\nbody\r\n.\r\n")
    assert reply[:3] in ("250", "550", "552", "554"), reply
    in_step(client)
    serves(server)


def test_A12_text_between_header_and_body_breaks_the_signature(make, tmp_path):
    pem, record = key_pair(tmp_path)
    server = make(flows='data = "data.lua"', files={
        "zone.txt": "s1._domainkey.example.com. IN TXT " +
        " ".join('"%s"' % record[i:i + 200] for i in range(0, len(record), 200)) + "\n",
        "data.lua": """
            local r = ScanDKIM()
            syslog("notice", "dkim " .. r[1].result)
            Deliver()"""})
    good = text_message("x@example.com", body=b"body\r\n")
    signature = dkim.sign(good, b"s1", b"example.com", pem.encode(), include_headers=[b"from", b"subject"])
    signed = signature + good
    split = signed.index(b"\r\n\r\n") + 2
    # Blanks alone are a fold of the last field, which relaxed canonicalisation takes away.
    for text in (signed, signed[:split] + b"\r\ninserted" + signed[split:],
                 signed[:split] + b" \t\r\n" + signed[split:]):
        client = connect(server)
        begin(client)
        assert client.say(text + b".\r\n").startswith("250")
        in_step(client)
    assert re.findall(r"dkim (\w+)", server.text()) == ["pass", "fail", "pass"]
