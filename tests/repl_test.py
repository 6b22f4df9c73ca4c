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
    "quit": ("1\n:quit\n2\n", "1\n"),
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
    "a syntax error": ("x = = 1\n", "input 1:1: unexpected symbol near '='"),
    "an unfinished chunk": ("if true then\n", "near <eof>"),
    "steps": ("while true do end\n", "more than 10000000 steps"),
    "memory": ("t = ('x'):rep(1e6) while true do t = t .. t end\n", "out of memory"),
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


def test_each_line_has_its_limits():
    line = "for i = 1, 1500000 do end\n"
    assert repl(line * 10).returncode == 0
    assert repl(line.replace("1500000", "15000000")).returncode == 1


def test_the_policys_files_and_resolver(policy):
    result = repl('dnstxt("example.org")\nrequire("double")(4)\ndata("names.txt")[2]\n'
                  'd = require "double"\nd(5)\n', policy)
    assert result.stderr == ""
    assert result.stdout == '{ "v=spf1 -all" }\n8\n"bob"\n10\n'


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


def test_no_history_of_a_pipe(tmp_path):
    env = dict(os.environ, HOME=str(tmp_path))
    subprocess.run([SLUICE, "repl"], input=b"1\n", capture_output=True, env=env, timeout=20)
    assert list(tmp_path.iterdir()) == []
