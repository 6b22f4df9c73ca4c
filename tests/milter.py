"""A mail server's side of the milter protocol, for tests: packets to and from a sluice."""
import contextlib
import re
import socket
import struct

ACTIONS = 0x1ff
STEPS = 0x1fffff
NO_BODY, NO_HEADER, NO_EOH = 0x10, 0x20, 0x40
QUIET_HEADER, SKIP, QUIET_EOH, QUIET_BODY, LEADING_SPACE = 0x80, 0x400, 0x40000, 0x80000, 0x100000


class Closed(Exception):
    pass


class Reply:
    """What the filter answered: a letter, and its data."""

    def __init__(self, command, data):
        self.command, self.data = command, data

    @property
    def text(self):
        return self.data.rstrip(b"\0").decode()

    def __repr__(self):
        return f"{self.command}{self.data!r}"


class Milter:
    def __init__(self, address, version=6, actions=ACTIONS, steps=STEPS, negotiate=True, timeout=30):
        if isinstance(address, int):
            self.socket = socket.create_connection(("127.0.0.1", address), timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(str(address))
        self.input = b""
        if negotiate:
            self.negotiate(version, actions, steps)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.close()

    # ---- packets ---------------------------------------------------------------------------------

    def raw(self, data):
        self.socket.sendall(data)

    def send(self, command, data=b""):
        self.raw(struct.pack(">I", len(data) + 1) + command.encode() + data)

    def exactly(self, n):
        while len(self.input) < n:
            data = self.socket.recv(65536)
            if not data:
                raise Closed
            self.input += data
        data, self.input = self.input[:n], self.input[n:]
        return data

    def receive(self):
        n, = struct.unpack(">I", self.exactly(4))
        packet = self.exactly(n)
        return Reply(chr(packet[0]), packet[1:])

    def closed(self):
        """Whether the filter has ended the connection, with nothing more to say."""
        try:
            self.receive()
        except (Closed, ConnectionResetError):
            return True
        return False

    # ---- commands --------------------------------------------------------------------------------

    def negotiate(self, version=6, actions=ACTIONS, steps=STEPS):
        self.send("O", struct.pack(">III", version, actions, steps))
        reply = self.receive()
        assert reply.command == "O", reply
        self.version, self.actions, self.steps = struct.unpack(">III", reply.data[:12])
        self.chosen = reply.data[12:]

    def macros(self, command, **macros):
        data = command.encode()
        for name, value in macros.items():
            name = name if len(name) == 1 else "{" + name + "}"
            data += name.encode() + b"\0" + value.encode() + b"\0"
        self.send("D", data)

    def ask(self, command, data=b""):
        self.send(command, data)
        return self.receive()

    def connect(self, ip="192.0.2.1", port=4321, hostname="client.example", **macros):
        if macros:
            self.macros("C", **macros)
        family = b"6" if ":" in ip else b"L" if ip.startswith("/") else b"4"
        return self.ask("C", hostname.encode() + b"\0" + family + struct.pack(">H", port) +
                        ip.encode() + b"\0")

    def helo(self, name="client.example", **macros):
        if macros:
            self.macros("H", **macros)
        return self.ask("H", name.encode() + b"\0")

    def mail(self, path="<sender@example.net>", *params, **macros):
        if macros:
            self.macros("M", **macros)
        return self.ask("M", b"".join(p.encode() + b"\0" for p in (path, *params)))

    def rcpt(self, path="<user@example.org>", *params, **macros):
        if macros:
            self.macros("R", **macros)
        return self.ask("R", b"".join(p.encode() + b"\0" for p in (path, *params)))

    def header(self, name, value):
        """Its value as it is behind the colon; without its first blank where that is agreed on."""
        if not self.steps & LEADING_SPACE:
            value = value.lstrip(b" \t")
        self.send("L", name + b"\0" + value.replace(b"\r\n", b"\n") + b"\0")
        if not self.steps & QUIET_HEADER:
            assert self.receive().command == "c"

    def body(self, body, size=65535):
        for i in range(0, len(body), size):
            self.send("B", body[i:i + size])
            if not self.steps & QUIET_BODY and self.receive().command == "s":
                return

    def message(self, message, **macros):
        """Sends what the filter asked for of it; the changes and the final reply."""
        header, _, body = message.partition(b"\r\n\r\n")
        self.fields = []
        for line in re.split(rb"\r\n(?![ \t])", header):
            name, _, value = line.partition(b":")
            self.fields.append((name, value))
        if not self.steps & NO_HEADER:
            for name, value in self.fields:
                self.header(name, value)
        if not self.steps & NO_EOH:
            self.send("N")
            if not self.steps & QUIET_EOH:
                assert self.receive().command == "c"
        if not self.steps & NO_BODY:
            self.body(body)
        if macros:
            self.macros("E", **macros)
        self.send("E")
        return self.result()

    def result(self):
        self.changes = []
        while True:
            reply = self.receive()
            if reply.command in "acdrty":
                return reply
            self.changes.append(reply)

    def transaction(self, message, sender="<sender@example.net>", recipients=("<user@example.org>",),
                    **macros):
        reply = self.mail(sender, **macros)
        if reply.command != "c":
            return reply
        for recipient in recipients:
            reply = self.rcpt(recipient)
            if reply.command != "c":
                return reply
        return self.message(message)

    # ---- what comes of it ------------------------------------------------------------------------

    def delivered(self, message):
        """The message as a mail server has it after the changes."""
        fields, dead = [list(f) for f in self.fields], set()
        for change in self.changes:
            if change.command == "h":
                name, value, _ = change.data.split(b"\0")
                fields.append([name, value.replace(b"\n", b"\r\n")])
            elif change.command == "i":
                at, = struct.unpack(">I", change.data[:4])
                name, value, _ = change.data[4:].split(b"\0")
                assert not dead
                fields.insert(max(at - 1, 0), [name, value.replace(b"\n", b"\r\n")])
            elif change.command == "m":
                at, = struct.unpack(">I", change.data[:4])
                name, value, _ = change.data[4:].split(b"\0")
                of_name = [i for i, f in enumerate(fields) if f[0].lower() == name.lower()]
                fields[of_name[at - 1]][1] = value.replace(b"\n", b"\r\n")
                if not value:
                    dead.add(of_name[at - 1])
        body = message.partition(b"\r\n\r\n")[2]
        if any(change.command == "b" for change in self.changes):
            body = b"".join(change.data for change in self.changes if change.command == "b")
        blank = b"" if self.steps & LEADING_SPACE else b" "
        given = {tuple(f) for f in self.fields}
        return b"".join(name + b":" + (b"" if (name, value) in given else blank) + value + b"\r\n"
                        for i, (name, value) in enumerate(fields) if i not in dead) + b"\r\n" + body

    def envelope(self):
        return [(c.command, c.text) for c in self.changes if c.command in "+-eq"]


@contextlib.contextmanager
def session(address, ip="192.0.2.1", connect=None, **options):
    """A connection with a client that said its name."""
    with Milter(address, **options) as m:
        assert m.connect(ip, **(connect or {})).command == "c"
        assert m.helo().command == "c"
        yield m
