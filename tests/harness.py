"""A sluice of a test's own: policy folder, ports, mailboxes, key API, raw client."""
import base64
import contextlib
import http.server
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLUICE = pathlib.Path(os.environ.get("SLUICE", ROOT / "build" / "sluice"))
os.environ.setdefault("SLUICE_STDLIB", str(ROOT / "stdlib"))


def without(part):
    """Whether the program was built without it: "libcurl", "PCRE2", "reports"."""
    said = subprocess.run([SLUICE, "version"], capture_output=True, text=True, check=True).stdout
    return f"without {part}" in said.splitlines()


def needs(part, said=None):
    """Ends a test as skipped if the program was built without what it is about, and said so."""
    if (said is None or f"built without {part}" in said) and without(part):
        import pytest               # the benchmarks use this file without it
        pytest.skip(f"built without {part}")


def descriptors(pid):
    """How many a child of ours has open. Its folder is root's, since children leave no core dumps."""
    if os.geteuid() != 0:
        import pytest               # the benchmarks use this file without it
        pytest.skip("looks into another process: root may")
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


def free_port():
    """A port to listen on later. It lies below those that the kernel gives to outgoing
    connections: any connection of the machine could take one of these before we listen. Of tests
    that run beside each other each process has ports of its own."""
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    share, of = (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]),
                 int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    while True:
        port = random.randrange(first // 2, first) // of * of + share
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            if port not in given_ports:
                given_ports.add(port)
                return port


given_ports = set()


def wait_for(condition, what, seconds=20):
    """A condition, never a sleep, decides; the time only bounds a failure."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("waited in vain for " + what)


class Sluice:
    def __init__(self, folder, config, files, spool=None):
        self.folder = pathlib.Path(folder)
        self.policy = self.folder / "policy"
        self.mail = self.folder / "mail"
        self.spool = self.folder / "spool"
        self.port = free_port()
        self.submission = free_port()
        self.log = self.folder / "log"
        self.level = "debug"
        self.process = None
        self.write(config, files)

    def write(self, config, files):
        if self.policy.exists():
            shutil.rmtree(self.policy)
        self.policy.mkdir(parents=True)
        for name, text in files.items():
            path = self.policy / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        config = config.replace("PORT", str(self.port)).replace("SUBMIT", str(self.submission))
        (self.policy / "sluice.lua").write_text(config.replace("MAIL", str(self.mail)))

    def start(self, expect=True):
        self.start_count = getattr(self, "start_count", 0) + 1
        out = open(self.log, "ab")
        env = dict(os.environ, SLUICE_STDLIB=str(ROOT / "stdlib"))
        offset = out.tell()
        self.process = subprocess.Popen(
            [SLUICE, "run", self.policy, "--spool", self.spool, "--log-level", self.level],
            stdout=out, stderr=out, env=env)
        if expect:
            wait_for(lambda: b"serving" in self.log.read_bytes()[offset:] or self.dead(),
                     "the server: " + self.text()[-2000:])
            assert not self.dead(), self.text()[-3000:]
        return self

    def dead(self):
        return self.process.poll() is not None

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def children(self, kind):
        """Process ids of the running children of that kind."""
        found = []
        try:
            pids = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            for pid in pids.read_text().split():
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if words[1:3] == [b"child", kind.encode()]:
                    found.append(int(pid))
        except OSError:
            pass
        return sorted(found)

    def kill(self, everything=False):
        """kill -9 of the server's first process, or of all at the same moment."""
        pids = [p for k in ("worker", "state", "admin") for p in self.children(k)] if everything else []
        for pid in [self.process.pid] + pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def stop(self):
        if self.process is None or self.dead():
            return self.process.returncode if self.process else 0
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the server didn't stop: " + self.text()[-2000:])
        return self.process.returncode

    def reload(self):
        before = self.log.stat().st_size

        def told():
            with open(self.log, "rb") as f:
                f.seek(before)
                said = f.read()
            return b"policy_loaded" in said or b"reload_failed" in said
        self.process.send_signal(signal.SIGHUP)
        wait_for(told, "the reload")

    def messages(self):
        return [path.read_bytes() for path in sorted(self.mail.glob("*/*/new/*"))]

    def message(self):
        return wait_for(self.messages, "a message: " + self.text()[-2000:])[0]

    def client(self, port=None):
        return Client(port or self.port)


class Client:
    """Says what a test wants said; reads whole replies."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply()

    def reply(self):
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                return "closed"
            lines.append(line.decode(errors="replace").rstrip("\r\n"))
            if line[3:4] != b"-":
                return "\n".join(lines)

    def say(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode() + b"\r\n")
        return self.reply()

    def tls(self):
        assert self.say("STARTTLS").startswith("220")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")
        return self.say("EHLO client.example")

    def login(self, user, password):
        self.say("EHLO client.example")
        self.tls()
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.say("AUTH PLAIN " + token)

    def send(self, sender, recipients, message):
        """The replies to RCPT, and the last one."""
        reply = self.say(f"MAIL FROM:<{sender}>")
        if not reply.startswith("250"):
            return [], reply
        rcpt = [self.say(f"RCPT TO:<{r}>") for r in recipients]
        if not any(r.startswith("250") for r in rcpt):
            return rcpt, rcpt[-1]
        assert self.say("DATA").startswith("354")
        return rcpt, self.say(message.replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n")

    def close(self):
        self.file.close()
        self.socket.close()


def text_message(sender="ann@example.org", to="bob@example.net", body=b"Hello.", extra=b""):
    return (b"From: " + sender.encode() + b"\r\nTo: " + to.encode() +
            b"\r\nSubject: test\r\n" + extra + b"\r\n" + body)


class Api:
    """A key API: answer(path) gives (status, body, delay) or an exception."""

    def __init__(self, answer):
        needs("libcurl")
        api = self
        self.calls = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                api.calls.append(self.path)
                status, body, delay = answer(self.path)
                time.sleep(delay)
                body = body.encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 1024
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def key_pair(folder, bits=2048, kind="rsa"):
    """(PEM of the private key, TXT record of the public one)"""
    path = pathlib.Path(folder) / f"{kind}{bits}.pem"
    if kind == "rsa":
        subprocess.run(["openssl", "genrsa", "-out", path, str(bits)], check=True,
                       capture_output=True)
    else:
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True)
    der = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"],
                         check=True, capture_output=True).stdout
    p = base64.b64encode(der if kind == "rsa" else der[-32:]).decode()
    return path.read_text(), f"v=DKIM1; k={kind}; p={p}"


def certificate(folder):
    folder = pathlib.Path(folder)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "tls.key", "-out",
                    folder / "tls.pem", "-days", "2", "-subj", "/CN=mx.example.org"], check=True,
                   capture_output=True)
    return (folder / "tls.pem").read_text(), (folder / "tls.key").read_text()


def password_hash(password):
    return subprocess.run(["openssl", "passwd", "-5", password], check=True,
                          capture_output=True, text=True).stdout.strip()


def answer_json(value, status=200, delay=0):
    return status, json.dumps(value), delay


def name_of(packet, at=12):
    labels = []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return ".".join(labels).lower(), at + 1


def txt(text):
    parts = [text[i:i + 255] for i in range(0, len(text), 255)]
    return b"".join(bytes([len(p)]) + p for p in parts)


def wire_name(name):
    return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"


class NameServer:
    """A name server: answer(name, type, tcp) gives records as (owner, type, rdata), or "truncate",
    "silence", "garbage", a number for an RCODE."""

    def __init__(self, answer, ttl=60):
        self.answer = answer
        self.ttl = ttl
        self.asked = []
        self.port = free_port()
        server = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self):
                reply = server.reply(self.request[0], False)
                if reply is not None:
                    self.request[1].sendto(reply, self.client_address)

        class Tcp(socketserver.BaseRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError, struct.error):
                    size, = struct.unpack("!H", self.request.recv(2, socket.MSG_WAITALL))
                    reply = server.reply(self.request.recv(size, socket.MSG_WAITALL), True)
                    if reply is not None:
                        self.request.sendall(struct.pack("!H", len(reply)) + reply)

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self.servers = [socketserver.ThreadingUDPServer(("127.0.0.1", self.port), Udp),
                        socketserver.ThreadingTCPServer(("127.0.0.1", self.port), Tcp)]
        for s in self.servers:
            s.daemon_threads = True
            threading.Thread(target=s.serve_forever, daemon=True).start()

    def reply(self, packet, tcp):
        name, end = name_of(packet)
        kind, = struct.unpack("!H", packet[end:end + 2])
        self.asked.append((name, kind, tcp))
        what = self.answer(name, kind, tcp)
        question = packet[12:end + 4]
        if what == "silence":
            return None
        if what == "garbage":
            return packet[:2] + b"\x81\x80\xff\xff\xff\xff\xff\xff\xff\xff" + b"\xc0\x0c" * 40
        flags, records = (0x8380, []) if what == "truncate" else \
            (0x8180 | what, []) if isinstance(what, int) else (0x8180, what)
        out = packet[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + question
        for owner, rtype, data in records:
            out += wire_name(owner) + struct.pack("!HHIH", rtype, 1, self.ttl, len(data)) + data
        return out

    def stop(self):
        for s in self.servers:
            s.shutdown()
            s.server_close()
