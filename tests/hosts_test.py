"""One policy and one table of sessions through every host: gateway, library, milter. The
verdicts, the replies, the messages' bytes and the lists of changes are the same."""
import re
import subprocess

import pytest

from embedding import Installed
from harness import ROOT, SLUICE, Sluice, wait_for
from milter import Milter

pytestmark = pytest.mark.xdist_group("hosts")      # the last test counts what the others sent

KEY = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEICxPuuaattNWMLDqu6oLC+Jt23SekT7af/TGNTOqYxnP
-----END PRIVATE KEY-----
"""
COMMON = """hostname = "mx.example.org", quarantine = { "spam" }, from_check = "accept",
  dns = { zone = "zone.txt", zone_only = true }, limits = { steps = 100000 },
  servers = { inbound = {
    flows = { helo = "helo.lua", mailfrom = "mailfrom.lua", rcptto = "rcptto.lua", eod = "eod.lua",
              data = "data.lua" },
    relay = { ["example.org"] = { transport = "box" }, ["example.com"] = { transport = "box" } } } },
  transports = { box = { maildir = "MAIL/%d/%u" } },"""
FILES = {
    "zone.txt": 'example.net. IN TXT "v=spf1 -all"\n_dmarc.example.net. IN TXT "v=DMARC1; p=reject"\n'
                '_dmarc.example.com. IN TXT "v=DMARC1; p=none"\n',
    "keys/k.pem": KEY,
    "helo.lua": 'if senderhelo == "bad.example" then Reject("Not with that name") end\n',
    "mailfrom.lua": """if sender == "bad@example.net" then Reject("No mail from you")
elseif sender == "slow@example.net" then Defer("Later")
elseif sender == "broken@example.net" then error("broken") end
""",
    "rcptto.lua": """if recipient == "nobody@example.org" then Reject({ "No such user", "here" })
elseif recipient == "full@example.org" then
  Defer("Mailbox full", { reply_codes = { code = 452, enhanced = { 4, 2, 2 } } })
elseif recipient == "loop@example.org" then while true do end end
""",
    "eod.lua": """local subject = GetHeader("Subject")
if subject == "eod reject" then Reject("Refused at eod") end
if subject == "eod add" then AddHeader("X-Eod", "1") end
if subject == "queue all" or subject == "queue and add" then
  local mail = MIME("0")
  mail:addHeader("X-Queued", "1")
  for _, to in ipairs(transaction.recipients) do
    mail:queue(transaction.senderaddress, to.address, to.transportid)
  end
  if subject == "queue and add" then mail:queue(sender, "eve@example.com") end
  Accept()
end
if subject == "queue one" then MIME("0"):queue(sender, "bob@example.org") Delete() end
""",
    "data.lua": """local what = GetHeader("Subject") or ""
local act = {
  add = function() AddHeader("X-One", "1") AddHeader("X-Two", ("word "):rep(40)) end,
  ["eod add"] = function() AddHeader("X-Data", "2") end,
  set = function() SetHeader("X-Twice", "once") SetHeader("Subject", "[x] " .. what) end,
  delete_field = function() DelHeader("X-Twice") end,
  prepend = function() PrependHeader("X-Twice", ">> ") end,
  append = function() AppendHeader("Subject", " (seen)") end,
  sign = function() assert(DKIMSign("s", "example.com", "pki:k", { timestamp = 1700000000 })) end,
  edit_and_sign = function()
    DelHeader("X-Twice") AddHeader("X-New", "n")
    assert(DKIMSign("s", "example.com", "pki:k", { timestamp = 1700000000 }))
  end,
  mail_sign = function()
    assert(MIME("0"):signDKIM("s", "example.com", "pki:k", { timestamp = 1700000000 })):addHeader("X-New", "n")
  end,
  modify = function() MIME("0"):modifyContent(messagesize, 0, "Seen.\\r\\n") end,
  modify_and_sign = function()
    assert(MIME("0"):modifyContent(messagesize - 3, 1, "!"):signDKIM("s", "example.com", "pki:k",
      { timestamp = 1700000000 }))
  end,
  reset = function() SetHeader("X-Twice", "once") MIME("0"):setBody("gone") MIME("0"):reset() end,
  restore = function()
    local mail = MIME("0")
    mail:addHeader("X-Kept", "1")
    local id = mail:snapshot()
    mail:delHeader("X-Twice") mail:setBody("gone")
    assert(mail:restore(id))
  end,
  results = function()
    local result = ScanDMARC()
    AddHeader("X-DMARC", json_encode(result))
  end,
  sender = function() SetSender("other@example.com") end,
  recipient = function() SetRecipient("eve@example.com") end,
  reject = function() Reject("Refused") end,
  defer = function() Defer("Try later") end,
  delete = function() Delete() end,
  quarantine = function() Quarantine("spam", { reject = false }) end,
  err = function() error("a fault") end,
  limit = function() while true do end end,
  late_limit = function() AddHeader("X-One", "1") while true do end end,
}
if act[what] then act[what]() end
""",
}


def message(subject, body=b"Hello.\r\n", extra=b"", sender=b"ann@example.com"):
    """With Date and Message-ID: whether their absence is signed is the one thing in which
    hosts differ, since a mail server adds them after its milters."""
    return (b"From: Ann <" + sender + b">\r\nX-Twice: 1\r\nTo: bob@example.org\r\n"
            b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <1@example.com>\r\nSubject: " + subject.encode() + b"\r\n" + extra + b"X-Twice: 2\r\n\r\n" + body)


class Session:
    def __init__(self, name, subject="", sender="<ann@example.com>", recipients=("<bob@example.org>",),
                 helo="client.example", **parts):
        self.name, self.sender, self.recipients, self.helo = name, sender, recipients, helo
        self.message = message(subject, **parts)


BY_SUBJECT = ["", "add", "eod add", "set", "delete_field", "prepend", "append", "sign", "edit_and_sign",
              "mail_sign", "modify", "modify_and_sign", "reset", "restore", "queue all", "queue one",
              "results", "sender", "recipient", "reject", "defer", "delete", "quarantine", "err", "limit",
              "late_limit", "eod reject"]
TABLE = [Session(subject or "as it is", subject) for subject in BY_SUBJECT] + [
    Session("helo refused", helo="bad.example"),
    Session("sender refused", sender="<bad@example.net>"),
    Session("sender deferred", sender="<slow@example.net>"),
    Session("sender's script broken", sender="<broken@example.net>"),
    Session("recipient refused", recipients=("<nobody@example.org>",)),
    Session("recipient deferred", recipients=("<full@example.org>",)),
    Session("recipient's script runs for ever", recipients=("<loop@example.org>",)),
    Session("one recipient of three", "add",
            recipients=("<nobody@example.org>", "<bob@example.org>", "<full@example.org>")),
    Session("two recipients", "add", recipients=("<bob@example.org>", "<ann@example.org>")),
    Session("queued for two", "queue and add", recipients=("<bob@example.org>", "<ann@example.org>")),
    Session("queued for one of two", "queue one", recipients=("<bob@example.org>", "<ann@example.org>")),
    Session("null sender", "sign", sender="<>"),
    Session("forged", "results", sender="<x@example.net>"),
    Session("dots", "sign", body=b".\r\n..\r\n.x\r\n"),
    Session("no body", "edit_and_sign", body=b""),
    Session("eight bits", "sign", body="Grüße\r\n".encode()),
    Session("long", "edit_and_sign", body=b"x" * 900 + b"\r\n" + b"line\r\n" * 50000),
    Session("folds", "edit_and_sign", extra=b"X-Fold: a\r\n\tb\r\n   c\r\nX-Empty:\r\nX-Blank: \r\n"),
    Session("a subject in two words", "=?utf-8?q?re?= =?utf-8?q?ject?="),
]


class Result:
    """What a host made of a session: each reply in order until one ended it, and what went on."""

    def __init__(self):
        self.replies, self.copies, self.changes = [], {}, None

    def reply(self, code, text):
        """Accepting replies are the host's words; refusals are the policy's."""
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
        self.replies.append("ok" if code < 400 else text)
        return code < 400


# ---- hosts ------------------------------------------------------------------


def write_policy(folder, config):
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "sluice.lua").write_text(config)
    return folder


class Library:
    def __init__(self, installed, folder, mode):
        folder.mkdir()
        program = installed.compile(ROOT / "tests/hosts/library_host.c", folder / "host", "-D_GNU_SOURCE")
        policy = write_policy(folder / "policy", "return { " + COMMON + " }")
        self.folder = folder
        self.process = subprocess.Popen([program, policy, mode], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0

    def say(self, line):
        """The lines it answers with."""
        self.process.stdin.write(line.encode() + b"\nend\n")
        self.process.stdin.flush()
        lines = list(iter(lambda: self.process.stdout.readline().decode().rstrip("\n"), "end"))
        assert lines and lines[0].startswith("reply "), (line, lines)
        return lines

    @staticmethod
    def lines(code, enhanced, texts):
        """As SMTP has them."""
        return "|".join(f"{code}{'-' if i + 1 < len(texts) else ' '}{enhanced} {text}"
                        for i, text in enumerate(texts))

    def step(self, result, line):
        lines = self.say(line)
        _, code, enhanced, text = lines[0].split(" ", 3)
        ok = result.reply(int(code), self.lines(code, enhanced, text.split("|")))
        return ok, lines[1:]

    def run(self, session):
        result = Result()
        path = self.folder / "message"
        path.write_bytes(session.message)
        if not self.step(result, "connect 127.0.0.1")[0] or \
                not self.step(result, "helo " + session.helo)[0] or \
                not self.step(result, "mail " + session.sender)[0]:
            return result
        if not any([self.step(result, "rcpt " + r)[0] for r in session.recipients]):
            return result
        _, lines = self.step(result, f"data {path}")
        for words in map(str.split, lines):
            if words[0] == "copy":
                where = "quarantine " + words[1] if words[1] != "-" else "delivered"
                for recipient in words[3].split(","):
                    result.copies[recipient] = (where, words[2].replace("-", ""), bytes.fromhex(words[4]))
        result.changes = [line for line in lines if not line.startswith("copy ")]
        return result


class Gateway:
    def __init__(self, folder):
        self.server = Sluice(folder, "return { " + COMMON +
                             ' listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } } }', FILES)
        self.server.start()

    def stop(self):
        assert self.server.stop() == 0, self.server.text()[-3000:]

    @staticmethod
    def say(client, result, line):
        reply = client.say(line)
        return result.reply(int(reply[:3]), reply.replace("\n", "|"))

    def run(self, session, expected):
        """'expected': the recipients whose copies are waited for."""
        result = Result()
        before = set(self.server.mail.glob("*/*/new/*"))
        client = self.server.client()
        result.reply(int(client.greeting[:3]), client.greeting)
        if self.say(client, result, "EHLO " + session.helo) and \
                self.say(client, result, "MAIL FROM:" + session.sender) and \
                any([self.say(client, result, "RCPT TO:" + r) for r in session.recipients]):
            assert client.say("DATA").startswith("354")
            self.say(client, result, re.sub(rb"(?m)^\.", b"..", session.message) + b".\r\n")
        client.close()
        for recipient in expected:
            local, _, domain = recipient.partition("@")
            new = wait_for(lambda: set(self.server.mail.glob(f"{domain}/{local}/new/*")) - before,
                           f"{recipient} in {session.name}: {self.server.text()[-2000:]}")
            assert len(new) == 1
            result.copies[recipient] = ("delivered", *self.taken(new.pop().read_bytes()))
        return result

    @staticmethod
    def taken(message):
        """Sender and message, without what the gateway and the mailbox add."""
        path, _, message = message.partition(b"\r\n")
        to, _, message = message.partition(b"\r\n")
        assert path.startswith(b"Return-Path: <") and to.startswith(b"Delivered-To: ")
        message, n = re.subn(rb"(\A|\r\n)Received: from [^\r]*\r\n(?:[ \t][^\r]*\r\n)*", rb"\1", message,
                             count=1)
        assert n == 1
        return path[14:-1].decode(), message

    def counts(self):
        """Everything that was delivered and kept, to see that there is nothing else."""
        kept = subprocess.run([SLUICE, "quarantine", "list", self.server.spool, "--json"],
                              capture_output=True, check=True).stdout
        return len(self.server.messages()), len(kept.splitlines())


class MilterHost:
    def __init__(self, folder):
        self.server = Sluice(folder, "return { " + COMMON +
                             ' listen = { { milter = "inet:127.0.0.1:PORT", server = "inbound" } } }',
                             FILES)
        self.server.start()

    def stop(self):
        assert self.server.stop() == 0, self.server.text()[-3000:]

    @staticmethod
    def take(result, reply):
        if reply.command == "y":
            text = reply.text.replace("%%", "%").replace("\r\n", "|")
            return result.reply(int(text[:3]), text)
        assert reply.command in "acd", reply
        return result.reply(250, "")

    def run(self, session):
        result = Result()
        with Milter(self.server.port) as m:
            if not self.take(result, m.connect("127.0.0.1")) or \
                    not self.take(result, m.helo(session.helo)) or \
                    not self.take(result, m.mail(session.sender)) or \
                    not any([self.take(result, m.rcpt(r)) for r in session.recipients]):
                return result
            reply = m.message(session.message)
            self.take(result, reply)
            result.changes = [c for change in m.changes if (c := self.change(change, session))]
            body = [c.data for c in m.changes if c.command == "b"]
            if body:
                result.changes.append(("body", b"".join(body)))
            if reply.command == "d":
                result.changes.append(("discard",))
            if result.replies[-1] == "ok":
                result.message = m.delivered(session.message)
        return result

    @staticmethod
    def change(change, session):
        if change.command in "him":
            data, at = change.data, 0
            if change.command != "h":
                at, data = int.from_bytes(data[:4], "big"), data[4:]
            name, value, _ = data.split(b"\0")
            kind = "change" if change.command == "m" and value else \
                "delete" if change.command == "m" else "insert"
            return (kind, "last" if change.command == "h" else at - (change.command == "i"),
                    name.decode(), value.replace(b"\n", b"\r\n"))
        if change.command in "pb":	# progress; pieces of a body
            return None
        word = {"e": "sender", "+": "added", "-": "removed", "q": "quarantine"}[change.command]
        text = change.text.split("\0")[0].strip("<>")
        return (word, text)


def changes_of_library(lines, session):
    """The same form from the library's lines."""
    accepted = [r.strip("<>") for r in session.recipients if not r.startswith(("<nobody", "<full", "<loop"))]
    out = []
    for words in (line.split(" ") for line in lines):
        if words[0] in ("insert", "change", "delete"):
            at = "last" if words[1].startswith("last") else int(words[1])
            out.append((words[0], at, words[2], bytes.fromhex(words[3])))
        elif words[0] == "body":
            out.append((words[0], bytes.fromhex(words[1])))
        elif words[0] == "removed":
            out.append(("removed", accepted[int(words[1])]))
        else:
            out.append(tuple(words))
    return out


# ---- the tests --------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def hosts(installed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hosts")
    hosts = {"copies": Library(installed, folder / "copies", "copies"),
             "changes": Library(installed, folder / "changes", "changes"),
             "gateway": Gateway(folder / "gateway"), "milter": MilterHost(folder / "milter")}
    yield hosts
    for host in hosts.values():
        host.stop()


@pytest.mark.parametrize("session", TABLE, ids=lambda session: session.name)
def test_hosts_agree(hosts, session):
    library = hosts["copies"].run(session)
    delivered = [r for r, copy in library.copies.items() if copy[0] == "delivered"]
    gateway = hosts["gateway"].run(session, delivered)
    milter = hosts["milter"].run(session)
    changes = hosts["changes"].run(session)

    assert gateway.replies == library.replies == changes.replies == milter.replies
    for recipient in delivered:
        assert gateway.copies[recipient] == library.copies[recipient]
    hosts["gateway"].expected = [a + b for a, b in zip(
        getattr(hosts["gateway"], "expected", [0, 0]),
        [len(delivered), any(copy[0] != "delivered" for copy in library.copies.values())])]
    if library.replies[-1] == "ok" and changes.changes is not None:
        assert sorted(milter.changes, key=str) == \
            sorted(changes_of_library(changes.changes, session), key=str)
        for where, _, text in library.copies.values():
            assert milter.message == text, where


def test_nothing_else_was_delivered(hosts):
    """Runs after the table."""
    gateway = hosts["gateway"]
    assert list(gateway.counts()) == gateway.expected
    assert gateway.expected[0] > 15 and gateway.expected[1] == 1


def test_the_table_has_every_kind_of_end(hosts):
    ends = [hosts["copies"].run(session) for session in TABLE]
    edited = [hosts["milter"].run(session).changes for session in TABLE]
    kinds = {change[0] for changes in edited for change in changes or []}
    assert kinds == {"insert", "change", "delete", "body", "sender", "added", "removed", "quarantine", "discard"}
    last = {r.replies[-1][:3] for r in ends}
    assert {"ok", "550", "451"} <= last
    assert any(r.copies == {} and r.replies[-1] == "ok" for r in ends)	# deleted
