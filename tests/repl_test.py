"""sluice repl: lines from a pipe, and from a terminal."""
import os
import pty
import signal
import subprocess

import pytest

from harness import ROOT, SLUICE, wait_for

CONFIG = """
return {
  hostname = "mx.example.org",
  dns = { zone = "zone.txt", zone_only = true },
  listen = { { smtp = "127.0.0.1:2525", server = "inbound" } },
  servers = { inbound = { flows = {} } },
}
"""
ZONE = ("example.org. IN TXT \"v=spf1 -all\"\nslow.example. IN TXT x\n"
        "slow.example. DELAY 60000\n")


@pytest.fixture
def policy(tmp_path):
    folder = tmp_path / "policy"
    (folder / "lib").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "sluice.lua").write_text(CONFIG)
    (folder / "zone.txt").write_text(ZONE)
    (folder / "lib/double.lua").write_text("return function(n) return 2 * n end\n")
    (folder / "data/names.txt").write_text("ann\nbob\n")
    return folder


def repl(text, *args):
    return subprocess.run([SLUICE, "repl", *args], input=text, capture_output=True, text=True,
                          timeout=60)


PIPED = {
    "an expression prints its value": ("1 + 1\n", "2\n"),
    "several values": ("1, nil, 'a\\nb'\n", '1, nil, "a\\nb"\n'),
    "a table": ("{ b = 1, a = { 2 } }\n", "{ a = { 2 }, b = 1 }\n"),
    "a statement prints nothing": ("x = 5\n", ""),
    "a call without results prints nothing": ("(function() end)()\n", ""),
    "names stay": ("x = 5\nx * 2\n", "10\n"),
    "locals end with their chunk": ("local x = 5 echo(x)\npcall(function() return x end)\n",
                                    "5\nfalse, "),
    "functions stay": ("function f(n) return n + 1 end\nf(1)\n", "2\n"),
    "what is redefined stays": ("function time() return 7 end\ntime()\nbuiltin.time() > 7\n",
                                "7\ntrue\n"),
    "several lines": ("for i = 1, 2 do\n  echo(i)\nend\n", "1\n2\n"),
    "several lines of an expression": ("{ 1,\n2 }\n", "{ 1, 2 }\n"),
    "a long string": ("[[a\nb]]\n", '"a\\nb"\n'),
    "empty lines and comments": ("\n  \n-- nothing\n1\n", "1\n"),
    "no newline at the end": ("1", "1\n"),
    "echo": ("echo('a', 1)\n", "a1\n"),
    "coroutines stay": ("g = coroutine.wrap(function() coroutine.yield(1) return 2 end)\n"
                        "g()\ng()\n", "1\n2\n"),
    "help": (":help\n", "A line is Lua"),
    "one builtin": (":builtins password_v\n",
                    "password_verify      password  everywhere; waits\n"),
    "a builtin of some phases": (":builtins GetHeaders\n", "GetHeaders "),
    "HSL": (":hsl\n1 + 1\n$x = [1, 'none' => 2];\n".replace("'", '"') +
            'echo "x" . $x["none"];\n$x["none"] += 1;\n$x;\n',
            '2\n[0=>1,"none"=>2]\nx2\n3\n[0=>1,"none"=>3]\n'),
    "HSL: several lines": (":hsl\nfunction f($a) {\nglobal $n;\n$n += $a;\nreturn [$n,\n2];\n}\n$n = 1\n"
                           "f(\n4)\n$n // the end\n", "1\n[0=>5,1=>2]\n5\n"),
    "HSL: statements print nothing": (":hsl\nif (1) $y = 1;\n$a = 1; $b = 2;\n\"$a $b $y\"\n", "1 2 1\n"),
    "HSL: names": (":hsl\n$b = [1];\n$a = \"x\";\nfunction f() { }\n:lua\nn = 2\n:vars\n",
                   '[0=>1]\nx\nf = function\nn = 2\n$a = "x"\n$b = [0=>1]\n'),
    "HSL: unset": (":hsl\n$x = 1;\nunset($x);\nisset($x)\n", "1\nfalse\n"),
    "both languages have the functions": (
        "function f(n) return n * 2 end\n:hsl\nfunction g($n) { return f($n) + 1; }\n:lua\ng(2)\n", "5\n"),
    "quit": ("1\n:quit\n2\n", "1\n"),
    "a command's beginning": (":hs\n\"x\" . 1\n:q\n2\n", "x1\n"),
}


@pytest.mark.parametrize("name", PIPED)
def test_piped(name):
    text, output = PIPED[name]
    result = repl(text)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == output or not output.endswith("\n") and result.stdout.startswith(output)


FAILED = {
    "undefined": ("nope\n", "nope is not defined"),
    "an error": ("error('bad')\n", ": bad"),
    "the third chunk": ("1\n2\nnope()\n", "input 3:1:"),
    "a syntax error": ("x = = 1\n", "input 1:1:5: unexpected symbol near '='"),
    "an unfinished chunk": ("if true then\n", "near <eof>"),
    "steps": ("while true do end\n", "more than 10000000 steps"),
    "memory": ("t = ('x'):rep(1e6) while true do t = t .. t end\n", "out of memory"),
    "HSL: a variable": (":hsl\n$nope\n:lua\n", "$nope is not"),
    "a column of an expression": ("nope()\n", "input 1:1:1: nope is not defined"),
    "HSL: a column of an expression": (":hsl\n1 + $nope;\n:lua\n", "input 1.hsl:1:5: $nope is not defined"),
    "a beginning of several commands": (":he\n", "there is no such command"),
    "a wrong phase": ("Reject()\n", "Reject can't be called in exec"),
    "an unknown command": (":nope\n", "there is no such command"),
    "an unknown builtin": (":builtins nope\n", "there is no such builtin"),
    "control bytes": ("error('\\27[31m\\n')\n", ": ?[31m?"),
}


@pytest.mark.parametrize("name", FAILED)
def test_a_failed_line_is_the_exit_status(name):
    text, error = FAILED[name]
    result = repl(text + ("" if "unfinished" in name else "'on'\n"))
    assert result.returncode == 1
    assert error in result.stderr and result.stderr.count("\n") == 1 and "\033" not in result.stderr
    assert "unfinished" in name or result.stdout.endswith('"on"\n')


def test_hsl_syntax_errors_are_shown():
    result = repl(":hsl\n$x = = 1;\nif (1 && 2 || 3) echo 4;\n")
    assert result.stderr == """input 1.hsl:1:6: '=' can't begin a value
    $x = = 1;
         ^
input 2.hsl:1:7: there is no operator '&&'
    if (1 && 2 || 3) echo 4;
          ^
    write 'and' instead of '&&'
input 2.hsl:1:12: there is no operator '||'
    if (1 && 2 || 3) echo 4;
               ^
    write 'or' instead of '||'
"""


def test_the_functions_that_led_to_an_error():
    result = repl(":hsl\nfunction g($x) {\nreturn $x + none; }\ng(1)\n")
    assert result.stderr == "input 1.hsl:2: none, no number\nin g, called at input 2.hsl:1\n"


def test_each_line_has_its_limits():
    line = "for i = 1, 1500000 do end\n"
    assert repl(line * 10).returncode == 0
    assert repl(line.replace("1500000", "15000000")).returncode == 1


def test_the_policys_files_and_resolver(policy):
    result = repl('dnstxt("example.org")\nrequire("double")(4)\ndata("names.txt")[2]\n'
                  'd = require "double"\nd(5)\n', policy)
    assert result.stderr == ""
    assert result.stdout == '{ "v=spf1 -all" }\n8\n"bob"\n10\n'


def test_hsl_imports_from_the_policy(policy):
    (policy / "lib/counter.hsl").write_text("$n = 0; function count() { global $n; $n += 1; return $n; }")
    result = repl(':hsl\nimport { count, $n } from "counter";\ncount()\n$n += 5; echo count();\n'
                  'import $names from "names.txt";\nexplode("\\n", $names)[1]\n', policy)
    assert (result.stdout, result.stderr) == ("1\n7\nbob\n", "")


def test_a_broken_policy(policy):
    (policy / "sluice.lua").write_text("return {")
    result = repl("1\n", policy)
    assert result.returncode == 1 and "sluice.lua" in result.stderr and result.stdout == ""


def test_usage():
    assert repl("", "a", "b").returncode == 2


class Terminal:
    """A person at a terminal; sees what the program writes."""

    def __init__(self, home, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            env = dict(os.environ, HOME=str(home), TERM="dumb", SLUICE_STDLIB=str(ROOT / "stdlib"))
            os.execve(SLUICE, [str(SLUICE), "repl", *map(str, args)], env)
        os.set_blocking(self.fd, False)
        self.seen = b""

    def read(self):
        try:
            self.seen += os.read(self.fd, 65536)
        except (BlockingIOError, OSError):
            pass
        return self.seen

    def see(self, text):
        """Waits for text, and forgets what came up to its end."""
        wait_for(lambda: text in self.read(), repr(text) + " in " + repr(self.seen))
        self.seen = self.seen[self.seen.index(text) + len(text):]

    def type(self, text):
        os.write(self.fd, text)

    def gone(self):
        self.read()
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return [status] if pid else None

    def end(self):
        try:
            return os.waitstatus_to_exitcode(wait_for(self.gone, "the end")[0])
        except AssertionError:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise
        finally:
            os.close(self.fd)


def test_at_a_terminal(tmp_path, policy):
    t = Terminal(tmp_path, policy)
    t.see(b"> ")
    t.type(b"x = 20 + 1\r")
    t.see(b"> ")
    t.type(b"x * 2\r")
    t.see(b"42\r\n")
    t.type(b"for i = 1, 2 do\r")
    t.see(b">> ")
    t.type(b"echo('n', i) end\r")
    t.see(b"n2\r\n")
    t.type(b"echo('\\27[2J')\r")
    t.see(b"?[2J\r\n")
    t.type(b"nope\r")
    t.see(b"\033[31minput ")
    t.see(b"nope is not defined")
    t.see(b"\033[m")
    t.see(b"> ")
    t.type(b"echo('begun') while true do pcall(string.rep, 'x', 10) end\r")
    t.see(b"begun\r\n")
    t.type(b"\x03")
    t.see(b"\033[31minput ")
    t.see(b"> ")
    t.type(b"echo('asked') co = coroutine.create(function() return dnstxt('slow.example', "
           b"{ timeout = 50 }) end) echo(coroutine.resume(co))\r")
    t.see(b"asked\r\n")
    t.type(b"\x03")
    t.see(b"interrupted")
    t.see(b"> ")
    t.type(b"coroutine.resume(co)\r")
    t.see(b"what this coroutine waited for has ended")
    t.see(b"> ")
    t.type(b"forgotten(\r")
    t.see(b">> ")
    t.type(b"\x03")
    t.see(b"> ")
    t.type(b"x\r")
    t.see(b"21\r\n")
    t.see(b"> ")
    t.type(b"\x10\r")            # the line before
    t.see(b"21\r\n")
    t.see(b"> ")
    t.type(b":quit\r")
    assert t.end() == 0
    history = (tmp_path / ".sluice_history").read_text()
    assert "x\\040*\\0402" in history or "x * 2" in history
    assert (tmp_path / ".sluice_history").stat().st_mode & 0o077 == 0


SESSION = """
return {
  hostname = "mx.example.org",
  dns = { zone = "zone.txt" },
  listen = { { smtp = "127.0.0.1:2525", server = "inbound" } },
  servers = { inbound = { flows = { connect = "connect.lua", data = "data.lua" },
                          relay = { ["example.org"] = { transport = "box" } } } },
  transports = { box = { discard = true } },
}
"""
CONNECT = 'if senderip == "192.0.2.66" then Reject("go away", { disconnect = true }) end\n'
DATA = """
local body = GetHeader("X-Get") and http(GetHeader("X-Get"))
local txt = GetHeader("X-Ask") and dnstxt(GetHeader("X-Ask"))
if txt then AddHeader("X-Txt", txt[1] or "none") end
if body then AddHeader("X-Body", body) end
if GetHeader("X-Break") then error("broken") end
if GetHeader("X-Bad") then Reject("no such thing") end
DelHeader("X-Old")
AddHeader("X-Time", tostring(time()))
"""
BEGIN = """:time 2026-01-01
:connect 192.0.2.1
:helo client.example
"""
HEAD = """220
  Accept in connect, decided at default
250
  Accept in helo, decided at default
"""


@pytest.fixture
def talking(policy):
    """A policy to talk to; the folder has a page and a message as well."""
    (policy / "sluice.lua").write_text(SESSION)
    (policy / "connect.lua").write_text(CONNECT)
    (policy / "data.lua").write_text(DATA)
    (policy.parent / "page").write_text("the page")
    (policy.parent / "message").write_text("From: ann@client.example\nX-Bad: yes\n\nHi.\n")
    return policy


CONVERSATIONS = {
    "step by step": (
        ":mail ann@client.example\n:rcpt x@elsewhere.example\n:rcpt bob@example.org\n:data -\n"
        "From: ann@client.example\nX-Old: 1\n\nHi.\n.\n:vars\n",
        "250 2.1.0 Sender ok\n  Accept in mailfrom, decided at default\n"
        "550 5.7.1 Relaying denied\n  Reject in rcptto, decided at relay\n"
        "250 2.1.5 Recipient ok\n  Accept in rcptto, decided at default\n"
        "250 2.0.0 Message accepted\n  Deliver in data, decided at default\n"
        "queued for bob@example.org by box\n  + X-Time: 1767225600\n  - X-Old: 1\n"
        "connected from 192.0.2.1\nhelo client.example\n"),
    "a message at once": (
        ":send FOLDER/message --from ann@client.example --to bob@example.org\n",
        "550 5.7.1 no such thing\n  Reject in data, decided at data.lua:7\n"),
    "names and pages": (
        ":dns one.example TXT the text\n:http GET https://a.example/* FOLDER/page\n:mail\n"
        ":rcpt bob@example.org\n:data -\nFrom: a@b.example\nX-Ask: one.example\n"
        "X-Get: https://a.example/x\n\n.\n",
        "250 2.1.0 Sender ok\n  Accept in mailfrom, decided at default\n"
        "250 2.1.5 Recipient ok\n  Accept in rcptto, decided at default\n"
        "250 2.0.0 Message accepted\n  Deliver in data, decided at default\n"
        "queued for bob@example.org by box\n  + X-Time: 1767225600\n  + X-Body: the page\n"
        "  + X-Txt: the text\n"),
    "what TLS is taken for is said": (
        ":tls\n:tls TLSv1.2\n",
        "  encrypted by TLSv1.3, TLS_AES_256_GCM_SHA384, 256 bits\n"
        "  encrypted by TLSv1.2, TLS_AES_256_GCM_SHA384, 256 bits\n"),
    "a refused connection is over": (
        ":connect 192.0.2.66\n",
        "554 5.7.1 go away\n  Reject in connect, decided at connect.lua:1\n"
        "  the connection is closed\n"),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversation(talking, name):
    text, output = CONVERSATIONS[name]
    result = repl(BEGIN + text.replace("FOLDER", str(talking.parent)), talking)
    assert (result.stderr, result.stdout) == ("", HEAD + output)
    assert result.returncode == 0


COMPLAINTS = {
    "no connection": (":mail a@b.example\n", "there is no connection"),
    "a name that nobody answers": (
        "dnstxt('lost.example')\n", "DNS: nobody answered TXT lost.example (:dns, :zone or :live)"),
    "a page that nobody answers": (
        "http('https://a.example/')\n", "HTTP: nobody answered GET https://a.example/ (:http or :live)"),
    "a missing argument": (":rcpt\n", ":rcpt ADDRESS"),
    "a bad record": (":dns a.example MX\n", ":dns: zone line 1, column"),
    "a bad time": (":time soon\n", "2026-01-01"),
    "no message": (BEGIN + ":mail a@b.example\n:data -\nX: y\n\n.\n", "there is no accepted recipient"),
    "no such file": (":zone /nowhere/zone\n", "No such file"),
}


@pytest.mark.parametrize("name", COMPLAINTS)
def test_complaints(talking, name):
    text, error = COMPLAINTS[name]
    result = repl(text, talking)
    assert result.returncode == 1 and error in result.stderr and result.stderr.count("\n") == 1


def test_script_errors_are_told(talking):
    result = repl(BEGIN + ":mail\n:rcpt bob@example.org\n:data -\nFrom: a@b.example\nX-Break: 1\n\n.\n",
                  talking)
    assert "(the script failed)\n  data.lua:6:30: broken\n" in result.stdout


def test_trace(talking):
    lines = BEGIN + (":trace on\n:mail\n:rcpt bob@example.org\n:data -\nFrom: a@b.example\n\n.\n:trace off\n"
                     ":connect 192.0.2.66\n")
    result = repl(lines, talking)
    assert 'data       data.lua:2  GetHeader("X-Get")\n' in result.stdout
    assert result.stdout.endswith("go away\n  Reject in connect, decided at connect.lua:1\n"
                                  "  the connection is closed\n")


def test_doc():
    result = repl(":doc dnstxt\n")
    assert result.stdout.startswith("## dnstxt\n\n    txt, err, code = dnstxt(name [, options])\n")
    assert "Waits." in result.stdout and "dnscname" not in result.stdout and "](" not in result.stdout
    result = repl(":doc Block\n:doc MIMEPart:getID\n:doc recipients\n")
    assert "Another name of `Reject`. In connect." in result.stdout and "\n## Reject\n" in result.stdout
    assert "id = MIMEPart:getID()" in result.stdout
    assert result.stdout.endswith("recipients: list of the recipients accepted so far\nin rcptto, eod, data\n")
    result = repl(":doc nothing\n")
    assert "there is no such builtin or variable" in result.stdout + result.stderr and result.returncode == 1


def test_completion_and_interrupts(tmp_path, talking):
    (talking / "zone.txt").write_text("slow.example. TXT x\nslow.example. DELAY 60000\n")
    (tmp_path / "slow").write_text("From: a@b.example\nX-Old: 1\nX-Ask: slow.example\n\n")
    (tmp_path / "fast").write_text("From: a@b.example\nX-Old: 1\n\n")
    t = Terminal(tmp_path, talking)
    t.see(b"> ")
    t.type(b"string.for\t('%d', 42)\r")
    t.see(b'"42"\r\n')
    t.type(b"a_long_name = 5\r")
    t.see(b"> ")
    t.type(b"a_lo\t + 1\r")
    t.see(b"6\r\n")
    t.type(b":conn\t 192.0.2.1\r")
    t.see(b"\033[32m220\r\n")
    t.type(b":helo x\r")
    t.see(b"helo, decided")
    t.type(b":send %s/slow --from a@b.example --to c@example.org\r" % bytes(tmp_path))
    t.see(b"to c@example.org\r\n")
    t.type(b"\x03")
    t.see(b"interrupted")
    t.type(b":send %s/fast --from a@b.example --to c@example.org\r" % bytes(tmp_path))
    t.see(b"queued for c@example.org by box\r\n")
    t.see(b"\033[31m  - X-Old: 1")
    (talking / "connect.lua").write_text("Reject(")
    t.see(b"> ")
    t.type(b":reload\r")
    t.see(b"connect.lua:1:")
    (talking / "connect.lua").write_text("Reject('closed')")
    t.see(b"> ")
    t.type(b":reload\r:connect 192.0.2.1\r")
    t.see(b"closed")
    t.type(b":quit\r")
    assert t.end() == 0


def test_no_history_of_a_pipe(tmp_path):
    env = dict(os.environ, HOME=str(tmp_path))
    subprocess.run([SLUICE, "repl"], input=b"1\n", capture_output=True, env=env, timeout=20)
    assert list(tmp_path.iterdir()) == []
