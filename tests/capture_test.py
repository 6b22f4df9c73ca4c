"""sluice capture and sluice replay: sessions of a running gateway, again: with the same policy the
same, with another one what it changes; nothing secret leaves the server."""
import base64
import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import socketserver
import ssl
import stat
import subprocess
import threading

import pytest

from harness import (SLUICE, Api, Client, NameServer, Sluice, certificate, free_port, key_pair,
                     password_hash, text_message, txt, wait_for)
from milter import session

SESSIONS = 200

CONFIG = """return {
  hostname = "mx.example.org", workers = 2,
  listen = {
    { smtp = "127.0.0.1:PORT", server = "inbound" },
    { smtp = "127.0.0.1:SUBMIT", server = "outbound", auth = "required", tls = "required" },
  },
  servers = {
    inbound = {
      flows = { connect = "connect.lua", helo = "helo.lua", mailfrom = "mailfrom.lua",
                rcptto = { "rcptto.lua", "count.hsl" },
                eod = { "every.lua", "sockets.hsl", "eod.lua" },
                data = { "shuffle.hsl", "data.lua" }, disconnect = "disconnect.lua" },
      relay = { ["example.org"] = { transport = "box" }, ["example.net"] = { transport = "box" } },
    },
    outbound = { flows = { auth = "auth.lua", mailfrom = "rate.lua", data = "sign.lua" },
                 relay = { ["*"] = { transport = "box" } } },
  },
  transports = { box = { discard = true } },
  quarantine = { "spam" },
  users = "users",
  tls = { cert = "mx.pem", key = "pki:mx" },
  dkim = { ["example.net"] = { selector = "n1", key = "pki:example.net" } },
  dns = { servers = { "127.0.0.1:DNSPORT" }, zone = "zone.txt" },
  http = { allow_private = true },
  sockets = { allow = { "127.0.0.1" } },
  api = { url = "APIURL", headers = { Authorization = secret "token" }, ttl = 1 },
}"""

FILES = {
    "zone.txt": "inside.example. A 192.0.2.55\n",
    "connect.lua": """
context.begun = time()
if not rate("connections", senderip, 100000, 60) then Defer("Too many") end
if senderip == "127.0.0.66" then Reject("Not you") end
""",
    "helo.lua": 'if senderhelo == "bad.example" then Reject("Not with this name") end\n',
    "mailfrom.lua": """
if sender == "" then Accept() end
local mx = dnsmx(senderdomain)
if mx == nil then Defer("No answer for " .. senderdomain) end
if #mx == 0 then Reject("No mail server of " .. senderdomain) end
if #dns("inside.example") ~= 1 then Defer("zone") end
""",
    # a greylist: who comes for the first time comes again
    "rcptto.lua": """
local key = "grey " .. senderip .. " " .. (sender or "") .. " " .. recipient
if recipient:find("^grey") and memory_add(key, time(), 600) then Defer("Come again") end
if recipient == "nobody@example.org" then Reject("Unknown user") end
local page = cache({ ttl = 60, namespace = "pages" }, function(r)
  return (http("PAGEURL/user?$1", { timeout = 5 }, { r }))
end, recipient)
if not page then Defer("The directory doesn't answer") end
if json_decode(page).blocked then Reject("Blocked") end
""",
    "count.hsl": """
function lookup($a) { return [ "at" => round(time()), "uuid" => uuid(), "of" => $a, "bytes" => ["\\xff"] ]; }
$n = memory_inc("recipients");
$r = cache [ "ttl" => 60 ] lookup($recipient);
if ($r["of"] != $recipient) Defer("cache");
barrier "count" => $seen { $seen = ($seen ?? 0) + 1; }
""",
    # what else isn't the same twice
    "every.lua": """
local seen = { spf_query("192.0.2.1", "mail.example.com", "ann@example.com").result,
  json_encode(dmarc_details() or {}), json_encode(DKIMSDID() or {}),
  json_encode(dns_query("example.com", { type = "mx" }) or {}), #(dns4("inside.example") or {}),
  #(dns6("inside.example") or {}), tostring(dnsbl("192.0.2.1", "list.example")), tostring(dnscname("info.example.com")),
  tostring(dnsptr("192.0.2.1")), tostring(memory_fetch("nothing")),
  tostring(memory_dec("down")), tostring(memory_delete("recipients of nobody")),
  timelocal and tostring(timelocal({ year = 2026, month = 1, day = 2 })),
  tostring(strptime("2026-01-02", "%Y-%m-%d")),
  tostring(metrics_increment("captured", {})), tostring(metrics_decrement("captured", {})),
  tostring(metrics_set("captured_last", {}, time())), tostring(stat("captured", { one = 1 })) }
AddHeader("X-Every", table.concat(seen, " "))
MIME("0"):appendPart(MIME():setType("text/plain"):setBody("Behind."))
MIME("0"):verifyDKIM()
MIME("0"):prependPart(MIME():setBody("In front."))
local report = MIME():addHeader("From", "robot@example.org"):setDate():setBody("Report " .. rand(1, 9))
report:signDKIM("s1", "example.org", "pki:example.org")
AddHeader("X-Report", sha1(report:toString()))
if GetHeader("X-Copy") then
  report:queue("robot@example.org", "reports@example.org")
  report:send("robot@example.org", "reports@example.net")
end
local about = MailMessage.String("From: a@example.org\\n\\nx\\n")
about:signDKIM("s1", "example.org", "pki:example.org")
AddHeader("X-Text", sha1(about:toString()) .. MailMessage.String(about:toString()):verifyDKIM()[1].result)
if GetHeader("X-Copy") then about:queue("", "reports@example.org") end
local socket = Socket("AF_INET"):settimeout(5)
local ok, err, code = socket:connect("127.0.0.1", 1)
AddHeader("X-Refused", tostring(ok) .. code .. socket:errno())
socket:close()
""",
    "sockets.hsl": """
$socket = Socket("AF_INET", "SOCK_STREAM");
$socket->connect("127.0.0.1", ECHOPORT);
$socket->send("hello " . $senderip . "\r\n");
$line = $socket->recv(100);
$tls = TLSSocket($socket, ["tls_verify_ca" => false]);
if ($tls->handshake()) {
  $tls->send("again\r\n");
  $line .= $tls->recv(100) . $tls->errno();
  $tls->shutdown();
}
$socket->shutdown("SHUT_RDWR");
MIME("0")->addHeader("X-Line", str_replace("\r\n", " ", $line));
""",
    "eod.lua": """
local dmarc = ScanDMARC() or {}
ScanDKIM() ScanSPF() ScanARC()
spf("192.0.2.1", "mail.example.com", "example.com")
if GetHeader("X-Virus") then Reject("A virus") end
if GetHeader("X-Error") then local x = nil; x.y = 1 end
if GetHeader("X-Hold") then Quarantine("spam") end
AddHeader("X-Dmarc", json_encode(dmarc))
""",
    "shuffle.hsl": """
$list = array_shuffle([1, 2, 3, 4, 5]);
$MIME = MIME("0");
""",
    "data.lua": """
AddHeader("X-Time", string.format("%.6f %s", time(), strftime("%Y-%m-%d %H:%M:%S", time())))
AddHeader("X-Chance", table.concat({ uuid(), rand(1, 1000000), random_number(), serial(),
  array_random({ "a", "b", "c" }) }, " "))
AddHeader("X-Bytes", (random_bytes(16):gsub(".", function(c) return ("%02x"):format(c:byte()) end)))
AddHeader("X-Machine", gethostname() .. " " .. uptime() .. " " .. executiontime())
AddHeader("X-Txt", (dnstxt("info." .. (senderdomain or "example.com")) or {})[1] or "none")
AddHeader("X-Seen", memory_inc("seen " .. recipient) .. " " .. rate_count("connections", senderip, 60))
AddAuthenticationResults()
local body, err = http("PAGEURL/score", { timeout = 5 }, {}, { from = sender or "", to = recipient })
AddHeader("X-Score", body or err)
if recipientdomain == "example.org" then
  if not DKIMSign("s1", "example.org", "pki:example.org") then Defer("unsigned") end
  ARCSeal("s1", "example.org", "pki:example.org")
else
  if not DKIMSignFor("example.net") then Defer("unsigned") end
end
if GetHeader("X-Copy") then
  mail("robot@example.org", "archive@example.org", "copy", "A copy of a message to " .. recipient)
end
""",
    "disconnect.lua": 'echo("lasted", time() - context.begun)\nrate("ended", senderip, 1000000, 60)\n',
    "auth.lua": """
local answer = http("PAGEURL/login", { timeout = 5, headers = { "X-Auth: " .. saslpassword } }, {},
  { user = saslusername, password = saslpassword })
http("PAGEURL/audit?user=$1&secret=$2", { timeout = 5 }, { saslusername, saslpassword })
memory_exists("locked " .. saslusername .. " " .. saslpassword)
if answer ~= "yes" then Reject("The directory says no") end
if not password_verify("HASH", saslpassword) then Reject("Wrong") end
context.password = saslpassword
memory_store("last password of " .. saslusername, "right", 60)
Accept()
""",
    "rate.lua": """
if not rate("outbound", saslusername, 100000, 3600) then Defer("Slow down") end
""",
    "sign.lua": """
local key, err = api_call("?user=$1&domain=$2", { saslusername, senderdomain })
if err then Defer("Key not available") end
if key and not DKIMSign(key.selector, key.domain, key.rsakey) then Defer("Not signed") end
Deliver({ transportid = "box" })
""",
}

USERS = {"ann": "correct-horse/Battery+9", "eve": "Tr0ub4dor&3 x"}
TOKEN = "Bearer tok-0123456789abcdef"


def records(name, kind, tcp):
    """The world's DNS: names of example.* with MX, TXT; everything else isn't there."""
    if kind == 15 and name in ("example.com", "example.net", "example.org"):
        return [(name, 15, b"\0\x0a\2mx" + b"".join(bytes([len(p)]) + p.encode()
                 for p in name.split(".")) + b"\0")]
    if name == "silent.example":
        return "silence"
    if kind == 15 and name == "slow.example":
        return 2
    texts = {"example.com": "v=spf1 ip4:127.0.0.1 -all", "_dmarc.example.com": "v=DMARC1; p=reject",
             "info.example.com": "some text", "s1._domainkey.example.org": records.dkim,
             "n1._domainkey.example.net": records.dkim}
    if kind == 16 and name in texts:
        return [(name, 16, txt(texts[name].encode()))]
    return [] if name in texts or name.endswith((".com", ".org", ".net")) else 3


class Pages:
    """The directory: GET /user?ADDRESS, POST /score and /login."""

    def __new__(cls):
        api = Api(lambda path: (200, json.dumps({"blocked": "blocked" in path}), 0))
        handler = api.server.RequestHandlerClass

        def do_POST(self):
            size = int(self.headers.get("Content-Length", 0))
            sent = self.rfile.read(size).decode()
            good = any(password in sent or self.headers.get("X-Auth") == password
                       for password in USERS.values())
            body = (b"yes" if good else b"no") if self.path.endswith("/login") else \
                b"%d" % random.randrange(100)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        handler.do_POST = do_POST
        return api


class Line:
    """Answers a line with a random one, then speaks TLS."""

    def __init__(self, folder):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*[folder / n for n in ("line.pem", "line.key")])

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError):
                    for wrap in (False, True):
                        if wrap:
                            self.request = context.wrap_socket(self.request, server_side=True)
                        self.request.recv(100)
                        self.request.sendall(b"%d\r\n" % random.randrange(10 ** 9))

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class World:
    """A gateway, the name server, directory and key API that it asks, and captures of it."""

    def __init__(self, folder):
        cert, key = certificate(folder)
        self.pem, records.dkim = key_pair(folder)
        other, _ = key_pair(folder, bits=1024)
        self.api_key = other
        (folder / "line.pem").write_text(cert)
        (folder / "line.key").write_text(key)
        self.line = Line(folder)
        self.names = NameServer(records)
        self.pages = Pages()
        self.keys = Api(lambda path: (404, "", 0) if "eve" in path else (200, json.dumps(
            {"selector": "a1", "domain": "example.org", "rsakey": other}).replace("/", "\\/"), 0))
        config = CONFIG.replace("DNSPORT", str(self.names.port)).replace("APIURL", self.keys.url)
        files = {name: text.replace("PAGEURL", self.pages.url).replace(
            "HASH", password_hash(USERS["ann"])).replace("ECHOPORT", str(self.line.port)) for name, text in FILES.items()}
        files |= {"mx.pem": cert, "keys/mx.pem": key, "keys/example.org.pem": self.pem,
                  "keys/example.net.pem": self.pem, "secrets/token": TOKEN + "\n",
                  "users": f"ann:{password_hash(USERS['ann'])}:example.org\n"}
        self.server = Sluice(folder / "server", config, files).start()
        self.captures = folder / "captures"
        self.captures.mkdir()
        self.secrets = [*USERS.values(), "wrong-Password", TOKEN.split()[1], self.pem, other, key]

    def stop(self):
        self.names.stop()
        self.line.stop()
        self.pages.stop()
        self.keys.stop()
        assert self.server.stop() == 0, self.server.text()[-3000:]
        assert "AddressSanitizer" not in self.server.text() and "runtime error" not in self.server.text()

    def capture(self, *args):
        """Armed when this returns: the server has told so for both workers."""
        before = self.server.text().count("capture_armed")
        process = subprocess.Popen([SLUICE, "capture", self.server.spool, "--output", self.captures,
                                    *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: self.server.text().count("capture_armed") == before + 2 or
                 process.poll() is not None, "the capture to be armed")
        return process

    def files(self):
        return sorted(self.captures.glob("*.capture"))


def replay(*args):
    done = subprocess.run([SLUICE, "replay", *args], capture_output=True, text=True, timeout=120)
    assert "AddressSanitizer" not in done.stderr, done.stderr
    return done


def connect(port, source="127.0.0.1"):
    client = Client.__new__(Client)
    client.socket = socket.create_connection(("127.0.0.1", port), 20, (source, 0))
    client.file = client.socket.makefile("rb")
    client.greeting = client.reply()
    return client


# ---- sessions of every kind -------------------------------------------------------------------


def inbound(world, n, chance):
    client = connect(world.server.port, "127.0.0.66" if n % 29 == 0 else "127.0.0.1")
    if not client.greeting.startswith("220"):
        return client.close()
    if not client.say("EHLO " + ("bad.example" if n % 23 == 0 else f"host{n}.example")).startswith("250"):
        client.say("QUIT")
        return client.close()
    if n % 31 == 0:         # gone before the answer, while the policy waits for DNS
        client.socket.sendall(b"MAIL FROM:<x@silent.example>\r\n")
        return client.close()
    for _ in range(chance.choice([1, 1, 2, 3])):
        transaction(client, n, chance)
    if n % 7 == 0:          # in the middle of a transaction, or with a farewell
        client.say("MAIL FROM:<left@example.com>")
    else:
        client.say("QUIT")
    return client.close()


def transaction(client, n, chance):
    sender = chance.choice(["ann@example.com", "eve@example.net", "", "x@nowhere.example",
                            "y@slow.example", "z@example.org"])
    people = ["bob@example.org", "carol@example.net", "nobody@example.org", "blocked@example.org",
              f"grey{n % 5}@example.org", "far@elsewhere.example", "target@example.org", "bad address"]
    if not client.say(f"MAIL FROM:<{sender}>").startswith("250"):
        return
    good = [client.say(f"RCPT TO:<{r}>").startswith("250") for r in chance.sample(people, 4)]
    if chance.random() < 0.15:
        client.say("RSET")
        return
    if any(good) and client.say("DATA").startswith("354"):
        extra = chance.choice([b"", b"", b"X-Virus: yes\r\n", b"X-Error: yes\r\n", b"X-Hold: yes\r\n",
                               b"X-Copy: yes\r\n"])
        body = chance.choice([b"Hello.", b"A secret test of words.\r\n" * 3, b"line\r\n" * 20000])
        client.say(text_message(sender or "x@example.com", body=body, extra=extra) + b"\r\n.\r\n")


def outbound(world, n, chance):
    client = connect(world.server.submission)
    user = chance.choice(["ann", "eve", "ann"])
    password = USERS[user] if n % 5 else "wrong-Password"
    if client.login(user, password).startswith("235"):
        for _ in range(chance.choice([1, 2])):
            client.send("ann@example.org", ["friend@example.com", "other@example.net"],
                        text_message("ann@example.org", body=b"to sign"))
    client.say("QUIT")
    client.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("capture"))
    yield w
    w.stop()


@pytest.fixture(scope="module")
def captured(world):
    """200 sessions, captured while they ran eight at a time."""
    process = world.capture("--count", str(SESSIONS), "--json")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: (outbound if n % 4 == 0 else inbound)(world, n, random.Random(n)),
                      range(1, SESSIONS + 1)))
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, (err, world.server.text()[-3000:])
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[-1]["captured"] == SESSIONS and lines[-1]["left_out"] == 0
    assert len(world.files()) == SESSIONS == len(lines) - 1
    return world.files()


def test_the_same_policy_decides_the_same(world, captured):
    done = replay(*captured)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert done.stdout == f"{SESSIONS} the same, 0 differ, 0 ask what wasn't captured, " \
                          "0 couldn't be replayed\n"


def outcomes(path):
    """(input, code) of each answered input of a capture, read by its documented format."""
    inputs, found = {}, []
    for sign, kind, step, key, value in entries(path.read_bytes()):
        if sign == ">":
            inputs[step] = (kind, key.decode())
        elif sign == "<" and kind in ("verdict", "outcome"):
            found.append((*inputs[step], int(parts(value)["code"])))
    return found


def entries(data):
    """As doc/capture.md has it."""
    assert data.startswith(b"sluice capture 1\n")
    at, n = data.index(b"\n") + 1, 0
    while True:
        end = data.index(b"\n", at)
        words = data[at:end].decode().split(" ")
        if words[0] == "end":
            assert int(words[1]) == n and end + 1 == len(data)
            return
        key, value = int(words[4]), int(words[5])
        at = end + 1
        yield (words[0], words[1], int(words[2]), data[at:at + key],
               data[at + key + 1:at + key + 1 + value])
        at += key + value + 2
        n += 1


def parts(value):
    found = {}
    while value:
        name, size, value = value.split(b" ", 2)
        found.setdefault(name.decode(), value[:int(size)].decode(errors="replace"))
        value = value[int(size) + 1:]
    return found


def test_the_sessions_are_of_every_kind(captured):
    """Else the test above would say little."""
    seen = {(kind, code) for path in captured for kind, _, code in outcomes(path)}
    assert seen >= {("connect", 220), ("connect", 554), ("helo", 250), ("helo", 550), ("auth", 235),
                    ("auth", 535), ("mail", 250), ("mail", 550), ("mail", 450), ("rcpt", 250),
                    ("rcpt", 550), ("rcpt", 450), ("rcpt", 501), ("message", 250), ("message", 550),
                    ("message", 451)}, seen
    kinds = {kind for path in captured for sign, kind, *_ in entries(path.read_bytes()) if sign in "=>"}
    assert kinds >= {"time", "random", "reading", "dns", "http", "api", "state", "cache", "password",
                     "key", "signature", "rotation", "tls", "reset", "close"}, kinds
    assert max(path.stat().st_size for path in captured) > 100000


def test_every_impure_builtin_is_called(captured):
    """A new one whose result isn't recorded would else be found by an operator."""
    rows = subprocess.run([SLUICE, "--builtins"], capture_output=True, text=True, check=True).stdout
    of_hsl = {"__cache": "cache [", "__barrier_enter": "barrier ", "__barrier_wait": "barrier ",
              "__barrier_value": "$seen", "__barrier_store": "$seen =", "__barrier_keep": "$seen =",
              "__barrier_leave": "}"}
    scripts = "\n".join(FILES.values())
    for row in rows.splitlines():
        _, name, flags, *_ = row.split("\t")
        if "impure" in flags:
            assert re.search(of_hsl.get(name) and re.escape(of_hsl[name]) or
                             r"\b%s\(" % re.escape(name.split(":")[-1]), scripts), \
                f"{name}: its result has to be recorded (core/tape/tape.h); call it in FILES"


def test_nothing_secret_leaves_the_server(world, captured):
    """Captures, spool (queue and state), log: no password, key or token in any usual form."""
    places = [*captured, world.server.log,
              *(p for p in world.server.spool.rglob("*") if p.is_file())]
    needles = []
    for secret in world.secrets:
        for text in [secret] + [line for line in secret.split("\n") if len(line) > 40]:
            needles += [text.encode(), json.dumps(text)[1:-1].encode(), text.encode().hex().encode(),
                        json.dumps(text).replace("/", "\\/")[1:-1].encode()]
            for skip in range(3):
                whole = base64.b64encode(b"\0" * skip + text.encode())
                needles.append(whole[[0, 2, 3][skip]:(skip + len(text.encode())) * 8 // 6])
    for path in places:
        data = path.read_bytes()
        for needle in needles:
            assert needle not in data, (path, needle)
    assert b"[secret sha256:" in b"".join(path.read_bytes() for path in captured)
    assert b"[password]" in b"".join(path.read_bytes() for path in captured)


def test_files_are_for_their_owner(captured):
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in captured)


def other_policy(world, folder, name=None, text=None):
    policy = folder / "next"
    shutil.copytree(world.server.policy, policy)
    if name:
        (policy / name).write_text(text)
    return policy


def test_without_the_keys(world, captured, tmp_path):
    """The policy on a machine without its keys and secrets, and without the API."""
    policy = other_policy(world, tmp_path)
    shutil.rmtree(policy / "keys")
    shutil.rmtree(policy / "secrets")
    some = captured[::4]
    for name in (b"pki:example.org", b"pki:example.net"):
        assert any(name in path.read_bytes() for path in some)
    done = replay(*some, "--policy", policy, "--quiet")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_changed_rule_shows_what_it_affects(world, captured, tmp_path):
    """One recipient is refused now: exactly the sessions in which it was accepted."""
    rule = 'if recipient == "target@example.org" then Reject("Not any more") end\n'
    policy = other_policy(world, tmp_path, "rcptto.lua",
                          rule + (world.server.policy / "rcptto.lua").read_text())
    affected = {path.name for path in captured
                if ("rcpt", "<target@example.org>", 250) in outcomes(path)}
    done = replay(*captured, "--policy", policy, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert {pathlib.Path(line["file"]).name for line in lines[:-1] if line["status"] != "same"} == affected
    assert 10 < len(affected) < SESSIONS / 2
    rows = lines[-1].pop("table")
    assert rows["rcptto: 250 2.1.5 Recipient ok -> 550 5.7.1 Not any more at rcptto.lua:1"] >= len(affected)
    assert lines[-1] == {"same": SESSIONS - len(affected), "differ": len(affected), "incomplete": 0,
                         "failed": 0}
    first = next(line for line in lines if line.get("differences"))["differences"][0]
    assert first["input"] == "rcpt <target@example.org>" and first["what"] == "verdict"
    assert first["before"]["reply"] == "250 2.1.5 Recipient ok"
    assert first["after"]["reply"] == "550 5.7.1 Not any more" and first["after"]["where"] == "rcptto.lua:1"


def signed_by(captured, selector):
    return next(path for path in captured if any(
        sign == "<" and kind == "message" and b"s=" + selector in value
        for sign, kind, _, _, value in entries(path.read_bytes())))


def test_a_changed_header_is_shown(world, captured, tmp_path):
    """As fields. Where the key isn't here what it would sign now is told as missing."""
    policy = other_policy(world, tmp_path)
    for name in ("data.lua", "sign.lua"):
        script = policy / name
        script.write_text('SetHeader("Subject", "new")\n' + script.read_text())
    done = replay(signed_by(captured, b"s1"), "--policy", policy)
    assert done.returncode == 1
    assert "  + Subject: new\n" in done.stdout and "  - DKIM-Signature: v=1;" in done.stdout
    assert "X-Chance" not in done.stdout and "X-Time" not in done.stdout, done.stdout
    assert done.stdout.endswith("0 the same, 1 differ, 0 ask what wasn't captured, "
                                "0 couldn't be replayed\n")
    done = replay(signed_by(captured, b"a1"), "--policy", policy)
    assert done.returncode == 1 and "? asks what isn't in the capture: signature " in done.stdout
    assert done.stdout.endswith("0 the same, 0 differ, 1 ask what wasn't captured, "
                                "0 couldn't be replayed\n")


def test_another_version_is_told(world, captured):
    """The folder that a capture names may have another policy by now."""
    assert replay(captured[0]).stderr == ""
    script = world.server.policy / "disconnect.lua"
    before = script.read_text()
    script.write_text(before + "-- changed\n")
    done = replay(captured[0])
    script.write_text(before)
    assert done.returncode == 0 and "1 captured with another version of the policy" in done.stderr


def test_a_question_that_was_not_asked_is_told(world, captured, tmp_path):
    policy = other_policy(world, tmp_path, "connect.lua",
                          'context.begun = time()\nif dnsbl(senderip, "list.example") then Reject("listed") end\n')
    inside = next(path for path in captured if ("connect", "", 220) in outcomes(path)
                  and b"inbound" in path.read_bytes()[:2000])
    done = replay(inside, "--policy", policy)
    assert done.returncode == 1
    assert "connect\n  ? asks what isn't in the capture: dns A 1.0.0.127.list.example\n" in done.stdout


def test_damaged_files_are_refused(world, captured, tmp_path):
    data = captured[0].read_bytes()
    for n, bad in enumerate([b"", data[:-1], data[:len(data) // 2], data[:30], data + b"x",
                             data.replace(b"sluice capture 1", b"sluice capture 9"),
                             data.replace(b"> open 1", b"> open 2", 1), b"\0" * 100]):
        path = tmp_path / str(n)
        path.write_bytes(bad)
        done = replay(path)
        assert done.returncode == 2 and f"sluice: {path}: byte " in done.stderr, (n, done.stderr)
    done = replay(tmp_path / "none", captured[0], "--quiet")
    assert done.returncode == 2 and done.stdout.startswith("1 the same")


# ---- which sessions, and for how long -------------------------------------------------------------


def say(world, *lines):
    client = connect(world.server.port)
    replies = [client.say(line) for line in lines]
    client.say("QUIT")
    client.close()
    return replies


def taken(process):
    out, err = process.communicate(timeout=30)
    assert process.returncode in (0, 1), err
    return [pathlib.Path(line) for line in out.splitlines()]


def test_sessions_are_chosen_by_facts(world):
    for match, wanted in [
            (["sender=*@example.com"], "EHLO a|MAIL FROM:<Ann@Example.COM>"),
            (["recipient=bob@*"], "EHLO a|MAIL FROM:<ann@example.com>|RCPT TO:<bob@example.org>"),
            (["helo=one", "helo=two*"], "EHLO two.example"),
            (["sender="], "EHLO a|MAIL FROM:<>"),
            (["ip=127.0.0.*", "sender=z@*", "server=in*"], "EHLO a|MAIL FROM:<z@example.org>")]:
        process = world.capture(*[a for m in match for a in ("--match", m)])
        say(world, "EHLO other", "MAIL FROM:<who@elsewhere.example>")
        say(world, *wanted.split("|"))
        files = taken(process)
        assert len(files) == 1, match
        assert wanted.split("|")[-1].split(":")[-1].split(" ")[-1].encode() in files[0].read_bytes()


def test_one_in_so_many(world):
    process = world.capture("--every", "2", "--count", "3")
    for n in range(16):
        say(world, f"EHLO every{n}.example")
    assert len(taken(process)) == 3


def test_it_ends_with_its_time_its_client_and_its_count(world):
    def ended():
        return world.server.text().count("capture_ended")
    before = ended()
    process = world.capture("--for", "1", "--match", "sender=never@example.com")
    assert taken(process) == [] and process.returncode == 1
    wait_for(lambda: ended() == before + 2, "the capture's end")
    process = world.capture("--count", "5")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_for(lambda: ended() == before + 4, "the capture's end")
    process = world.capture("--count", "5")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 1 and out == ""
    wait_for(lambda: ended() == before + 6, "the capture's end")
    assert say(world, "EHLO after") == [say(world, "EHLO after")[0]]


def test_what_cannot_be_captured(world, tmp_path):
    bad = subprocess.run([SLUICE, "capture", world.server.spool, "--match", "color=blue"],
                         capture_output=True, text=True)
    assert bad.returncode == 2 and '"color" is no fact to match' in bad.stderr
    bad = subprocess.run([SLUICE, "capture", tmp_path], capture_output=True, text=True)
    assert bad.returncode == 2 and "No such file" in bad.stderr
    for args in (["--count", "0"], ["--match", "sender"], ["--every", "x"], []):
        assert subprocess.run([SLUICE, "capture", *args], capture_output=True).returncode == 2


# ---- behind a mail server ---------------------------------------------------------------------------

MILTER = """return {
  hostname = "mx.example.org", workers = 1, quarantine = { "spam" },
  listen = { { milter = "inet:127.0.0.1:PORT", server = "inbound" } },
  servers = { inbound = { flows = { connect = "connect.lua", rcptto = "rcptto.lua", data = "data.lua" } } },
  dns = { zone = "zone.txt", zone_only = true },
}"""


def test_milter_sessions(tmp_path):
    """Several messages on a connection, with their queue ids; what is to be changed is compared."""
    pem, _ = key_pair(tmp_path)
    server = Sluice(tmp_path / "server", MILTER, {
        "zone.txt": "example.org. A 127.0.0.1\n", "keys/k.pem": pem,
        # "elsewhere" isn't in the zone text, which says by zone_only that there is nothing else
        "connect.lua": 'context.at = time()\nif #dns("elsewhere.example") > 0 then Reject("who?") end\n',
        "rcptto.lua": 'if recipient == "no@example.org" then Reject("not here") end\n',
        "data.lua": 'AddHeader("X-Id", uuid() .. " " .. tostring(queueid))\n'
                    'DelHeader("X-Old")\nif rand(1, 2) == 1 then SetSender("srs@example.org") end\n'
                    'if not DKIMSign("s", "example.org", "pki:k") then Defer("unsigned") end\n'
                    'if GetHeader("X-Hold") then Quarantine("spam") end\n'}).start()
    process = subprocess.Popen([SLUICE, "capture", server.spool, "--output", tmp_path, "--count", "3",
                                "--match", "sender=sender@*"], stdout=subprocess.PIPE, text=True)
    wait_for(lambda: "capture_armed" in server.text(), "the capture to be armed")
    for extra in (b"", b"X-Old: 1\r\n", b"X-Hold: 1\r\n"):
        with session(server.port) as m:
            for n in range(3):
                assert m.mail(i=f"queue{n}").command == "c"
                assert [m.rcpt(f"<{r}@example.org>").command for r in ("bob", "no")] == ["c", "y"]
                m.message(b"From: a@example.org\r\n" + extra + b"Subject: %d\r\n\r\nHello.\r\n" % n)
    files = taken(process)
    assert len(files) == 3 and server.stop() == 0, server.text()[-3000:]
    done = replay(*files, "--policy", server.policy)
    assert done.returncode == 0 and done.stdout.startswith("3 the same"), done.stdout
    (server.policy / "rcptto.lua").write_text('if recipient == "no@example.org" then Reject("moved") end\n')
    (server.policy / "data.lua").write_text((server.policy / "data.lua").read_text().replace("X-Old", "X-Other"))
    done = replay(*files, "--policy", server.policy)
    assert done.returncode == 1 and done.stdout.endswith(
        "0 the same, 3 differ, 0 ask what wasn't captured, 0 couldn't be replayed\n"), done.stdout
    assert done.stdout.count("what the mail server is to change:") == 3      # of X-Old
    assert done.stdout.count(" moved") == 9 + 1      # and in the table
