"""Hosts that run sessions of a table: the library, the gateway, the milter, sluice test. Each makes
a Result of a Session, in the same form."""
import json
import re
import socket
import subprocess

from harness import ROOT, SLUICE, Client, Sluice, wait_for
from milter import Milter

POLICY = ROOT / "tests" / "hosts" / "policy"
NOW = "2023-11-14T22:13:20Z"


class Session:
    """One connection with one message. 'differs': what a milter's event says of what it can't do.
    'protocol': its protocol can't, and a program can. 'unkept': a copy that the gateway keeps beside
    a rejection, and a milter doesn't."""

    def __init__(self, name, message, ip="127.0.0.1", helo="client.example", sender="<ann@example.com>",
                 recipients=("<bob@example.org>",), differs=None, protocol=False,
                 unkept=False):
        self.name, self.message, self.ip, self.helo = name, message, ip, helo
        self.sender, self.recipients, self.differs = sender, recipients, differs
        self.protocol, self.unkept = protocol, unkept


class Result:
    """What a host made of a session: each reply in order until one ended it, and what went on."""

    def __init__(self):
        self.replies, self.copies, self.changes, self.closed = [], {}, None, False

    def reply(self, code, text, closes=False):
        """Accepting replies are the host's words; refusals are the policy's."""
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
        self.replies.append("ok" if code < 400 else text)
        self.closed = self.closed or closes
        return code < 400

    def take(self, lines):
        """'copy' and 'to' of a host that tells them so."""
        for words in (line.split(" ", 4) for line in lines):
            if words[0] == "copy":
                copy = (words[1], undash(words[2]), bytes.fromhex(words[3]))
            else:
                metadata = json.loads(words[4]) if words[4] != "-" else None
                assert words[1] not in self.copies, "two copies for one"
                self.copies[words[1]] = (*copy, words[2], float(words[3]), metadata)


def undash(word):
    return "" if word == "-" else word


def smtp_lines(code, enhanced, texts):
    enhanced = enhanced + " " if enhanced != "-" else ""
    return "|".join(f"{code}{'-' if i + 1 < len(texts) else ' '}{enhanced}{text}"
                    for i, text in enumerate(texts))


def converse(result, session, connect, helo, mail, rcpt, data):
    """The steps, each of which says whether the next may follow."""
    if not connect() or not helo() or not mail():
        return result
    accepted = []
    for recipient in session.recipients:
        accepted.append(rcpt(recipient))
        if result.closed:
            return result
    if any(accepted):
        data()
    return result


def policy_files():
    return {str(p.relative_to(POLICY)): p.read_text() for p in POLICY.rglob("*") if p.is_file()}


def config(files, host="", more=""):
    return files.pop("sluice.lua").replace("HOST", host).replace("MORE", more)


def write_policy(folder):
    files = policy_files()
    files["sluice.lua"] = config(files)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


class Library:
    def __init__(self, installed, folder, mode):
        folder.mkdir()
        program = installed.compile(ROOT / "tests/hosts/library_host.c", folder / "host", "-D_GNU_SOURCE")
        self.folder = folder
        self.process = subprocess.Popen([program, write_policy(folder / "policy"), mode],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0

    def step(self, result, line):
        self.process.stdin.write(line.encode() + b"\nend\n")
        self.process.stdin.flush()
        lines = []
        while not lines or lines[-1] != "end":
            lines.append(self.process.stdout.readline().decode().rstrip("\n"))
            assert lines[-1], f"the host ended at {line}"
        assert lines.pop() and lines and lines[0].startswith("reply "), (line, lines)
        _, code, closes, enhanced, text = lines[0].split(" ", 4)
        ok = result.reply(int(code), smtp_lines(code, enhanced, text.split("|")), closes == "1")
        result.take(line for line in lines if line.startswith(("copy ", "to ")))
        result.changes = [line for line in lines[1:] if not line.startswith(("copy ", "to "))]
        return ok and closes == "0"

    def run(self, session):
        result = Result()
        path = self.folder / "message"
        path.write_bytes(session.message)
        return converse(result, session, lambda: self.step(result, "connect " + session.ip),
                        lambda: self.step(result, "helo " + session.helo),
                        lambda: self.step(result, "mail " + session.sender),
                        lambda recipient: self.step(result, "rcpt " + recipient),
                        lambda: self.step(result, f"data {path}"))


class SluiceTest:
    """`sluice test`: all sessions are cases of one file, which writes down what it sees."""

    SCRIPT = """
local function hex(s) return (s:gsub(".", function(c) return ("%%02x"):format(c:byte()) end)) end
local function dash(s) return (s == nil or s == "") and "-" or s end
local function json(t)
  local out = {}
  for k, v in pairs(t) do out[#out + 1] = ("%%q:%%q"):format(k, v) end
  return "{" .. table.concat(out, ",") .. "}"
end
test("session", ROWS, function(t, row)
  t:clock("%s")
  if row.errors then t:script_error("") end
  local f = assert(io.open(row.file, "rb"))
  local message = f:read("a")
  f:close()
  local r = t:smtp{ ip = row.ip, serverip = "127.0.0.1", helo = row.helo, from = row.from, to = row.to,
    message = message }
  local out = assert(io.open(row.out, "w"))
  for _, s in ipairs(r.steps) do
    out:write("step ", s.code, " ", s.disconnect and 1 or 0, " ", hex(s.reply), "\\n")
  end
  for _, m in ipairs(r.messages) do
    out:write("copy ", dash(m.quarantine), " ", dash(m.sender), " ", hex(m.bytes), "\\n")
    for _, to in ipairs(m.recipients) do
      out:write("to ", to.recipient, " ", dash(to.transport), " ", to.delay, " ",
        to.metadata and json(to.metadata) or "-", "\\n")
    end
  end
  out:close()
end)
""" % NOW

    def __init__(self, folder, table):
        self.folder = folder
        write_policy(folder / "policy")
        rows = []
        for i, session in enumerate(table):
            (folder / f"{i}.eml").write_bytes(session.message)
            rows.append('{ name = "%d", file = "%s", out = "%s", ip = "%s", helo = "%s", from = "%s", to = { %s }, '
                        'errors = %s },' % (i, folder / f"{i}.eml", folder / f"{i}.out", session.ip, session.helo,
                                           session.sender, ", ".join(f'"{r}"' for r in session.recipients),
                                           str("script fails" in session.name).lower()))
        (folder / "policy/tests").mkdir()
        (folder / "policy/tests/all_test.lua").write_text(
            "local ROWS = {\n" + "\n".join(rows) + "\n}\n" + self.SCRIPT)
        done = subprocess.run([SLUICE, "test", folder / "policy"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        self.numbers = {session.name: i for i, session in enumerate(table)}

    def stop(self):
        pass

    def run(self, session):
        result, lines = Result(), (self.folder / f"{self.numbers[session.name]}.out").read_text().splitlines()
        for words in (line.split(" ") for line in lines if line.startswith("step ")):
            said = re.fullmatch(r"(\d+)(?: (\d\.\d+\.\d+))?(?: (.*))?", bytes.fromhex(words[3]).decode(), re.S)
            result.reply(int(words[1]), smtp_lines(words[1], said[2] or "-", (said[3] or "").split("\n")),
                         words[2] == "1")
        result.take(line for line in lines if not line.startswith("step "))
        return result


class From(Client):
    """A client with an address of its own."""

    def __init__(self, ip, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 20, (ip, 0))
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply()

    def left(self):
        """Whether the server has closed the connection by itself."""
        try:
            return self.say("NOOP") == "closed"
        except OSError:
            return True


class Gateway:
    """What it accepts stays in its queue, for the next host isn't there."""

    def __init__(self, folder):
        files = policy_files()
        files["predelivery.lua"] = 'echo("metadata of ", messageid, " ", recipient, " ", json_encode(GetMetaData()))\n'
        self.server = Sluice(folder, config(files, 'listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } },',
                                            ', predelivery = "predelivery.lua"'), files)
        self.server.start()
        self.seen = set()

    def stop(self):
        assert self.server.stop() == 0, self.server.text()[-3000:]

    def run(self, session):
        result = Result()
        client = From(session.ip, self.server.port)

        def said(reply):
            if reply == "closed":
                result.closed = True
                return False
            return result.reply(int(reply[:3]), reply.replace("\n", "|"))

        def data():
            assert client.say("DATA").startswith("354")
            return said(client.say(re.sub(rb"(?m)^\.", b"..", session.message) + b".\r\n"))
        converse(result, session, lambda: said(client.greeting), lambda: said(client.say("EHLO " + session.helo)),
                 lambda: said(client.say("MAIL FROM:" + session.sender)),
                 lambda recipient: said(client.say("RCPT TO:" + recipient)), data)
        result.closed = client.left()
        client.close()
        for kind in ("queue", "quarantine"):
            for entry in self.listed(kind):
                if entry["id"] not in self.seen:
                    self.seen.add(entry["id"])
                    self.take(result, kind, entry)
        return result

    def listed(self, kind):
        out = subprocess.run([SLUICE, kind, "list", self.server.spool, "--json"], capture_output=True, check=True)
        return [json.loads(line) for line in out.stdout.splitlines()]

    def take(self, result, kind, entry):
        message = subprocess.run([SLUICE, kind, "show", self.server.spool, entry["id"]], capture_output=True,
                                 check=True).stdout
        for to in entry["recipients"]:
            delay = to["next"] - entry["received"] if to["attempts"] == 0 and kind == "queue" else 0
            metadata = None if delay or kind == "quarantine" else self.metadata(entry["id"], to["recipient"])
            assert to["recipient"] not in result.copies
            result.copies[to["recipient"]] = (entry.get("quarantine", "-"), entry["sender"], self.without(message),
                                              to["transport"], float(delay), metadata)

    def metadata(self, message, recipient):
        """What the predelivery flow saw of it."""
        said = wait_for(lambda: re.search(f"metadata of {message} {recipient} (.*)", self.server.text()),
                        f"the attempt of {message}: {self.server.text()[-2000:]}")
        return json.loads(re.search(r"\{.*\}|null", said[1].replace('\\"', '"'))[0]) or None

    @staticmethod
    def without(message):
        """The message without our Received, if it has one: what scripts wrote hasn't."""
        return re.sub(rb"(\A|\r\n)Received: from [^\r]*\r\n(?:[ \t][^\r]*\r\n)*", rb"\1", message, count=1)


class MilterHost:
    def __init__(self, folder):
        files = policy_files()
        self.server = Sluice(folder, config(files, 'listen = { { milter = "inet:127.0.0.1:PORT", server = "inbound" } },'),
                             files)
        self.server.start()

    def stop(self):
        assert self.server.stop() == 0, self.server.text()[-3000:]

    def run(self, session):
        result = Result()

        def said(reply):
            if reply.command == "y":
                text = reply.text.replace("%%", "%").replace("\r\n", "|")
                return result.reply(int(text[:3]), text)
            assert reply.command in "acd", reply
            return result.reply(250, "")

        def data():
            reply = m.message(session.message)
            if said(reply):
                result.message = m.delivered(session.message)
            result.changes = [c for change in m.changes if (c := self.change(change))]
            if any(change.command == "b" for change in m.changes):
                result.changes.append(("body", b"".join(c.data for c in m.changes if c.command == "b")))
            if reply.command == "d":
                result.changes.append(("discard",))
        with Milter(self.server.port) as m:
            return converse(result, session, lambda: said(m.connect(session.ip)), lambda: said(m.helo(session.helo)),
                            lambda: said(m.mail(session.sender)), lambda recipient: said(m.rcpt(recipient)), data)

    @staticmethod
    def change(change):
        if change.command in "him":
            data, at = change.data, 0
            if change.command != "h":
                at, data = int.from_bytes(data[:4], "big"), data[4:]
            name, value, _ = data.split(b"\0")
            kind = "change" if change.command == "m" and value else \
                "delete" if change.command == "m" else "insert"
            return (kind, "last" if change.command == "h" else at - (change.command == "i"),
                    name.decode(), value.replace(b"\n", b"\r\n"))
        if change.command in "pb":		# progress; bodies are put together
            return None
        word = {"e": "sender", "+": "added", "-": "removed", "q": "quarantine"}[change.command]
        return (word, change.text.split("\0")[0].strip("<>"))


def changes_of_library(lines, accepted):
    """The same form from the library's lines; 'accepted': the recipients, in their order."""
    out = []
    for words in (line.split(" ") for line in lines):
        if words[0] in ("insert", "change", "delete"):
            at = "last" if words[1].startswith("last") else int(words[1])
            out.append((words[0], at, words[2], bytes.fromhex(words[3])))
        elif words[0] == "removed":
            out.append(("removed", accepted[int(words[1])]))
        elif words[0] == "body":
            out.append(("body", bytes.fromhex(words[1])))
        elif words[0] == "sender":
            out.append(("sender", undash(words[1])))
        else:
            out.append(tuple(words))
    return out
