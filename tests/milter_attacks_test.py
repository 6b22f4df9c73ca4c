"""A34, A05 on the milter host: what a broken or hostile mail server may not do, by name."""
import random
import struct

import pytest

from harness import Sluice, wait_for
from milter import QUIET_BODY, QUIET_EOH, QUIET_HEADER, STEPS, Milter, session

CONFIG = """return {
  hostname = "mx.example.org", workers = 1,
  listen = { { milter = "inet:127.0.0.1:PORT", server = "s" } },
  servers = { s = { flows = { mailfrom = "mailfrom.lua", rcptto = "rcptto.lua", data = "data.lua" },
                    relay = {} } },
  dns = { zone = "zone.txt", zone_only = true }, size = "1M", recipients = 100,
}"""
FILES = {
    "zone.txt": "",
    "mailfrom.lua": """context.message.n = (context.message.n or 0) + 1
      if sender:find("^bad") then Reject("bad sender") end""",
    "rcptto.lua": """context.message.n = context.message.n + 1
      if recipient:find("^bad") then Reject("bad recipient") end""",
    "data.lua": """assert(messagesize > 0)		-- so the body is asked for
      local subject = GetHeader("Subject") or ""
      if subject:find("reject") then Reject("bad message") end
      if subject:find("discard") then Delete() end
      if subject:find("error") then error("x") end
      AddHeader("X-State", sender .. " " .. table.concat(recipients, ",") .. " " .. context.message.n ..
        " " .. (queueid or "-"))""",
}
MESSAGE = b"From: a@example.net\r\nSubject: %s\r\n\r\nbody\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Sluice(tmp_path_factory.mktemp("milter"), CONFIG, FILES).start()
    yield server
    assert server.stop() == 0, server.text()[-3000:]
    assert "AddressSanitizer" not in server.text() and "runtime error" not in server.text()


@pytest.fixture(autouse=True)
def still_serves(server):
    """Whatever came, the worker is the same one and serves the next."""
    workers = server.children("worker")
    yield
    with session(server.port) as m:
        assert m.transaction(MESSAGE % b"hello").command == "c"
    assert server.children("worker") == workers


def ends(server, m, why):
    """The connection ends, without an answer, and the log says why."""
    assert m.closed()
    wait_for(lambda: why in server.text().rsplit("milter_error", 1)[-1], why)


# ---- A34: packets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("length,why", [
    (0, "a packet of length 0"), (2 ** 31, "a packet of 2147483648 bytes"),
    (2 ** 32 - 1, "a packet of 4294967295 bytes"), (2 ** 20 + 1, "a packet of 1048577 bytes")])
@pytest.mark.parametrize("when", ["first", "negotiated", "in a message"])
def test_A34_lengths(server, length, why, when):
    with Milter(server.port, negotiate=when != "first") as m:
        if when == "in a message":
            assert m.connect().command == "c" and m.mail().command == "c" and m.rcpt().command == "c"
        m.raw(struct.pack(">I", length) + b"O" * 20)
        ends(server, m, why)


@pytest.mark.parametrize("cut", range(1, 17))
def test_A34_cut_negotiation(server, cut):
    whole = struct.pack(">IcIII", 13, b"O", 6, 0x1ff, STEPS)
    with Milter(server.port, negotiate=False) as m:
        m.raw(whole[:cut])
        m.socket.shutdown(1)
        assert m.closed()


@pytest.mark.parametrize("command,data,why", [
    ("O", b"\0\0\0\6", "negotiation of 4 bytes"), ("O", struct.pack(">III", 1, 0, 0), "version 1"),
    ("O", struct.pack(">III", 0, 0, 0), "version 0")])
def test_A34_bad_negotiation(server, command, data, why):
    with Milter(server.port, negotiate=False) as m:
        m.send(command, data)
        ends(server, m, why)


@pytest.mark.parametrize("command,data,why", [
    ("C", b"", "without address family"), ("C", b"name", "without address family"),
    ("C", b"name\0", "without address family"), ("C", b"name\0004", "without port"),
    ("C", b"name\0004\0\x19192.0.2.1", "without its end"), ("C", b"name\0009\0\x19x\0", "address family 0x39"),
    ("D", b"", "macros of no command"), ("D", b"Ci\0", "without its value"), ("D", b"C{", "without its value"),
    ("D", b"C" + b"x\0" * 40000, "bytes of macros")])
def test_A34_bad_connect(server, command, data, why):
    with Milter(server.port) as m:
        m.send(command, data)
        ends(server, m, why)


@pytest.mark.parametrize("command,data,why", [
    ("H", b"name", "without its end"), ("H", b"name\0more", "behind a string"),
    ("M", b"", "without its end"), ("M", b"<a@b>", "without its end"),
    ("M", b"<a@b>\0SIZE=1", "parameter without its end")])
def test_A34_bad_helo_and_mail(server, command, data, why):
    with session(server.port) as m:
        m.send(command, data)
        ends(server, m, why)


@pytest.mark.parametrize("command,data,why", [
    ("R", b"<a@b>", "without its end"), ("L", b"", "without its end"), ("L", b"Subject\0", "without its end"),
    ("L", b"Subject\0 x", "without its end"), ("L", b"Subject\0 x\0y\0", "without its end")])
def test_A34_bad_message(server, command, data, why):
    with session(server.port) as m:
        assert m.mail().command == "c" and m.rcpt().command == "c"
        m.send(command, data)
        ends(server, m, why)


@pytest.mark.parametrize("name,value", [
    (b"Subject", b" a\nX-Evil: b"), (b"Subject", b" a\n\nbody"), (b"Subject", b" a\n"), (b"X:Y", b" a"),
    (b"", b" a"), (b"X Y", b" a"), (b"X\r\nY", b" a"), (b"X\xe9", b" a")])
def test_A34_a_field_that_would_be_another(server, name, value):
    """It costs its message, not the connection; no script sees the message."""
    with session(server.port) as m:
        assert m.mail().command == "c" and m.rcpt().command == "c"
        m.header(b"From", b" a@example.net")
        m.send("L", name + b"\0" + value + b"\0")
        m.send("N")
        m.send("E")
        assert m.result().text == "550 5.6.0 Malformed header" and m.changes == []
        assert m.transaction(MESSAGE % b"hello").command == "c"


def test_A34_too_many_fields(server):
    with session(server.port) as m:
        assert m.transaction(b"X: y\r\n" * 2000 + b"\r\nbody").text == "550 5.6.0 Header too large"
        assert m.transaction(MESSAGE % b"hello").command == "c"


def test_A34_too_many_recipients(server):
    with session(server.port) as m:
        m.mail()
        for i in range(100):
            assert m.rcpt(f"<{i}@example.org>").command == "c"
        assert m.rcpt("<more@example.org>").text == "452 4.5.3 Too many recipients"
        assert m.message(MESSAGE % b"hello").command == "c"


@pytest.mark.parametrize("size", [1, 3, 7])
def test_A34_bytes_come_as_they_like(server, size):
    """A whole session in pieces of a few bytes."""
    packets = [struct.pack(">IcIII", 13, b"O", 6, 0x1ff, STEPS)]
    for command, data in (
            ("C", b"c.example\0004\0\x19192.0.2.1\0"), ("H", b"c.example\0"), ("M", b"<a@example.net>\0"),
            ("R", b"<b@example.org>\0"), ("L", b"From\0 a@example.net\0"), ("N", b""), ("B", b"body\r\n"),
            ("E", b"")):
        packets.append(struct.pack(">I", len(data) + 1) + command.encode() + data)
    with Milter(server.port, negotiate=False) as m:
        for packet in packets:
            for i in range(0, len(packet), size):
                m.raw(packet[i:i + size])
        assert [m.receive().command for _ in range(5)] == list("Occcc")
        assert m.result().command == "c" and m.changes[0].command == "i"


def test_A34_everything_at_once(server):
    """A mail server that doesn't wait for answers gets them in order."""
    data = b"".join(struct.pack(">I", len(d) + 1) + c + d for c, d in [
        (b"O", struct.pack(">III", 6, 0x1ff, STEPS)), (b"C", b"c\0U"), (b"H", b"c\0")] + [
        (b"M", b"<a@example.net>\0"), (b"R", b"<b@example.org>\0"), (b"L", b"From\0 a@example.net\0"),
        (b"N", b""), (b"E", b"")] * 50 + [(b"Q", b"")])
    with Milter(server.port, negotiate=False) as m:
        m.raw(data)
        assert [m.receive().command for _ in range(3)] == list("Occ")
        for _ in range(50):
            assert [m.receive().command for _ in range(2)] == list("cc")
            assert m.result().command == "c"
        assert m.closed()


# ---- A34: order --------------------------------------------------------------------------------------


COMMANDS = {
    "O": struct.pack(">III", 6, 0x1ff, STEPS), "C": b"c.example\0004\0\x19192.0.2.1\0", "H": b"c\0",
    "M": b"<a@example.net>\0", "R": b"<b@example.org>\0", "T": b"", "L": b"Subject\0 x\0", "N": b"",
    "B": b"body", "E": b"", "A": b"", "K": b"", "Q": b"", "U": b"HELP\0", "D": b"Mi\0x\0"}
# What may come next, by what came last; anything else ends the connection.
BEFORE = {
    "nothing": ("", "OQ"), "negotiated": ("O", "CDAKQ"), "connected": ("OC", "HMDAKQU"),
    "helo": ("OCH", "HMDAKQU"), "mail": ("OCHM", "HMRTLNEDAKQU"), "rcpt": ("OCHMR", "HMRTLNEDAKQU"),
    "header": ("OCHMRL", "HMLNEDAKQU"), "body": ("OCHMRLNB", "HMBEDAKQU"),
    "end of message": ("OCHMRLNBE", "HMDAKQU"), "abort": ("OCHMRLA", "HMDAKQU"), "quit new": ("OCHMK", "CDAKQ"),
}
SILENT = "DAKQ"


def play(m, commands):
    for c in commands:
        if c == "O":
            m.negotiate()
            continue
        m.send(c, COMMANDS[c])
        if c == "E":
            m.result()
        elif c not in SILENT and not (c in "LNB" and m.steps & {
                "L": QUIET_HEADER, "N": QUIET_EOH, "B": QUIET_BODY}[c]):
            assert m.receive().command == "c", c


@pytest.mark.parametrize("state", BEFORE)
def test_A34_order(server, state):
    first, allowed = BEFORE[state]
    for command in COMMANDS:
        with Milter(server.port, negotiate=False) as m:
            play(m, first)
            if command in allowed:
                play(m, command)
                if command == "Q":
                    assert m.closed()
                continue
            m.send(command, COMMANDS[command])
            ends(server, m, "out of order")


def test_A34_unknown_commands(server):
    for command in set(map(chr, range(1, 127))) - set(COMMANDS):
        with session(server.port) as m:
            m.send(command, b"x\0")
            ends(server, m, f"a command 0x{ord(command):02x} that there isn't")


def test_A34_a_message_without_recipients(server):
    with session(server.port) as m:
        assert m.mail().command == "c"
        assert m.rcpt("<bad@example.org>").text == "550 5.7.1 bad recipient"
        assert m.message(MESSAGE % b"hello").text == "451 4.3.0 No recipients"
        assert m.transaction(MESSAGE % b"hello").command == "c"


def test_A34_abort_in_the_middle_of_the_body(server):
    with session(server.port) as m:
        for i in range(20):
            assert m.mail("<gone@example.net>", i="GONE").command == "c" and m.rcpt("<gone@example.org>").command == "c"
            m.header(b"Subject", b" reject")
            m.send("N")
            m.send("B", b"x" * 65535)
            m.send("A")
        assert m.transaction(MESSAGE % b"hello", "<b@example.net>").command == "c"
        assert b"X-State: b@example.net user@example.org 2 -\r\n" in m.delivered(MESSAGE % b"hello")


def test_A34_gone_in_the_middle(server):
    for first in ("", "O", "OC", "OCHM", "OCHMR", "OCHMRL", "OCHMRLNB"):
        with Milter(server.port, negotiate=False) as m:
            play(m, first)
            m.raw(b"\0\0\1\0B")


# ---- A05: state ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["accept", "reject", "discard", "error", "abort", "bad sender", "malformed", "mail",
                                 "too large", "helo", "quit new"])
def test_A05_nothing_outlives_a_message(server, end):
    with session(server.port) as m:
        if end == "bad sender":
            assert m.mail("<bad@example.net>", i="OLD", auth_authen="old").text == "550 5.7.1 bad sender"
        else:
            assert m.mail("<old@example.net>", i="OLD", auth_authen="old").command == "c"
            assert m.rcpt("<old@example.org>").command == "c"
            assert m.rcpt("<bad@example.org>").text == "550 5.7.1 bad recipient"
        if end in ("accept", "reject", "discard", "error"):
            m.message(MESSAGE % end.encode())
        elif end == "malformed":
            m.send("L", b"X\0 a\nb\0")
            m.send("E")
            assert m.result().text == "550 5.6.0 Malformed header"
        elif end == "too large":
            assert m.message(MESSAGE % b"x" + b"y" * 1100000).text == "552 5.3.4 Message too large"
        elif end == "abort":
            m.header(b"Subject", b" reject")
            m.send("A")
        elif end == "helo":
            m.helo()
        elif end == "mail":
            m.header(b"Subject", b" reject")
        elif end == "quit new":
            m.send("K")
            assert m.connect().command == "c"
        m.mail("<new@example.net>")
        m.rcpt("<new@example.org>")
        assert m.message(MESSAGE % b"hello").command == "c"
        # One count for MAIL, one for RCPT; no queue id was told for this message.
        assert b"X-State: new@example.net new@example.org 2 -\r\n" in m.delivered(MESSAGE % b"hello")


def test_A05_rcpt_after_the_end_needs_mail(server):
    with session(server.port) as m:
        assert m.transaction(MESSAGE % b"hello").command == "c"
        m.send("R", b"<b@example.org>\0")
        ends(server, m, "rcpt out of order")


class Model:
    """What a connection must be in, command by command; the sender and recipients of its message."""

    def __init__(self):
        self.forget()

    def forget(self):
        self.sender, self.recipients, self.part = None, [], None


def test_A05_random_sequences_follow_the_model(server):
    rng = random.Random(5)
    for _ in range(60):
        with session(server.port) as m:
            model = Model()
            for step in range(40):
                choice = rng.choice("MMRRRRLNBEEEAHD")
                if choice == "M":
                    model.forget()
                    sender = rng.choice(["bad", "ann", "eve"]) + f"{step}@example.net"
                    reply = m.mail(f"<{sender}>")
                    assert (reply.command == "c") == (not sender.startswith("bad"))
                    model.sender = sender if reply.command == "c" else None
                elif choice == "R" and model.sender and model.part is None:
                    recipient = rng.choice(["bad", "bob", "cay"]) + f"{step}@example.org"
                    reply = m.rcpt(f"<{recipient}>")
                    assert (reply.command == "c") == (not recipient.startswith("bad"))
                    if reply.command == "c":
                        model.recipients.append(recipient)
                elif choice == "L" and model.sender and model.part in (None, "L"):
                    m.header(b"X-Step", b" %d" % step)
                    model.part = "L"
                elif choice == "N" and model.sender and model.part in (None, "L"):
                    m.send("N")
                    model.part = "N"
                elif choice == "B" and model.part == "N":
                    m.send("B", b"body\r\n")
                elif choice == "E" and model.sender:
                    m.send("E")
                    reply = m.result()
                    if not model.recipients:
                        assert reply.text == "451 4.3.0 No recipients"
                    else:
                        assert reply.command == "c"
                        state = next(c for c in m.changes if c.command in "ih").data
                        wanted = f" {model.sender} {','.join(model.recipients)} "
                        assert wanted.encode() in state, (state, wanted)
                    model.forget()
                elif choice == "A":
                    m.send("A")
                    model.forget()
                elif choice == "H":
                    assert m.helo().command == "c"
                    model.forget()
                elif choice == "D":
                    m.macros("M", i=str(step))
