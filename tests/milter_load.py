"""Load for a milter: mail servers' connections, each with one message after the other."""
import selectors
import socket
import struct
import time

from milter import LEADING_SPACE, QUIET_BODY, QUIET_EOH, QUIET_HEADER, Milter

HEADER = (b"From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: a message of the usual kind\r\n"
          b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n"
          b"Content-Type: text/plain\r\n")


def packet(command, data=b""):
    return struct.pack(">I", len(data) + 1) + command + data


class Connection:
    """Sends what a mail server sends at once, and waits where it does: MAIL, RCPT, end of message.
    Each has a sender of its own."""

    def __init__(self, port, size, number=0):
        self.milter = Milter(port)
        self.milter.connect("127.0.0.1")
        self.milter.helo()
        self.socket = self.milter.socket
        self.socket.setblocking(False)
        self.input, self.turn, self.messages, self.refused, self.signed = b"", 0, 0, 0, 0
        self.refusal = b""
        body = (b"x" * 70 + b"\r\n") * ((size - len(HEADER)) // 72)
        self.turns = [(packet(b"D", b"Mi\0ID\0") + packet(b"M", b"<ann%d@example.org>\0" % number), 1),
                      (packet(b"R", b"<bob@example.net>\0"), 1), self.message(body)]

    def message(self, body):
        """Its packets, and how many replies they get."""
        steps, data, replies = self.milter.steps, b"", 1
        for line in HEADER.split(b"\r\n")[:-1]:
            name, _, value = line.partition(b":")
            value = value if steps & LEADING_SPACE else value[1:]
            data += packet(b"L", name + b"\0" + value + b"\0")
            replies += not steps & QUIET_HEADER
        data += packet(b"N") + packet(b"B", body) + packet(b"E")
        return data, replies + (not steps & QUIET_EOH) + (not steps & QUIET_BODY)

    def begin(self):
        data, self.wanted = self.turns[self.turn]
        self.socket.sendall(data)

    def readable(self):
        data = self.socket.recv(65536)
        assert data, "the filter left"
        # As if each reply had been waited for: filters without TCP_NODELAY stall otherwise.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self.input += data
        while len(self.input) >= 4:
            n = 4 + int.from_bytes(self.input[:4], "big")
            if len(self.input) < n:
                return
            command, said, self.input = self.input[4:5], self.input[5:n], self.input[n:]
            if command in (b"i", b"h"):
                self.signed += 1
            elif command not in (b"m", b"p"):
                self.replied(command, said)

    def replied(self, command, said):
        if command not in (b"c", b"a", b"s"):
            self.refused += 1
            self.refusal = said
        self.wanted -= 1
        if self.wanted == 0:
            self.messages += self.turn == 2
            self.turn = (self.turn + 1) % 3
            self.begin()


def rate(port, connections, seconds, size):
    """Messages per second."""
    selector, all_of_them = selectors.DefaultSelector(), []
    for number in range(connections):
        connection = Connection(port, size, number)
        all_of_them.append(connection)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    begun = time.monotonic()
    for connection in all_of_them:
        connection.begin()
    while time.monotonic() - begun < seconds:
        for key, _ in selector.select(0.1):
            key.data.readable()
    took = time.monotonic() - begun
    for connection in all_of_them:
        assert connection.refused == 0, f"{connection.refused} refused: {connection.refusal}"
        assert connection.signed >= connection.messages, "not signed"
        connection.socket.close()
    return sum(c.messages for c in all_of_them) / took
