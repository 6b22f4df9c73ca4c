"""HSL: facts of the phase are variables of the main code; functions see them by global."""
import subprocess

import pytest

from harness import SLUICE
from hsl_endings_test import connections

RCPTTO = """return { hostname = "mx.example.org",
  listen = { { smtp = "127.0.0.1:2525", server = "s" } }, transports = { m = { maildir = "mail" } },
  servers = { s = { flows = { rcptto = "r.hsl" }, relay = { ["example.org"] = { transport = "m" } } } } }
"""
FACT = "192.0.2.1"
SEEN = {
    "in the main code": ("echo $senderip;", [FACT]),
    "in functions by global": ("""
        function f() { global $senderip; return $senderip; }
        class C { function f() { global $senderip; return $senderip; } }
        function g() { global $senderip; yield $senderip; }
        foreach (g() as $v) echo f() . C()->f() . $v;""", [FACT * 3]),
    "not otherwise": ("""
        function f() { return $senderip; }
        try { f(); } catch ($e) { echo $e->message(); }
        $f = function () { return isset($senderip); }; echo $f();""", ["$senderip is not assigned", "false"]),
    "functions may have parameters and variables of the name": ("""
        function f($senderip) { return $senderip; } function g() { $senderip = "own"; return $senderip; }
        echo f(5) . g() . $senderip;""", ["5own" + FACT]),
    "functions don't assign to them": ("""
        function f() { global $senderip; $senderip = "x"; }
        try { f(); } catch ($e) { echo $e->message(); }
        echo $senderip;""", ["$senderip is a fact of the phase and can't be assigned", FACT]),
    "the main code may have a variable of the name, which is the fact until then": ("""
        echo $senderip; $senderip = $senderip . "!"; echo "$senderip"; unset($senderip); echo $senderip;
        $senderport .= "x"; $family ??= "never"; echo $family . isset($senderport);
        if ($senderport == 1) $serverip = "never"; echo $serverip;""",
        [FACT, FACT + "!", FACT, "ipv4true", ""]),
    "and functions see it": ("""
        $senderip = "own";
        function f() { global $senderip; $senderip .= "!"; return $senderip; }
        echo f() . $senderip;""", ["own!own!"]),
    "elements of facts aren't assigned": ("""
        try { $senderip["x"] = 1; } catch ($e) { echo "refused"; }
        try { $serverip["x"] = 1; } catch ($e) { echo "refused"; }
        if (false) $serverip = 1;""", ["refused", "refused"]),
    "one of another phase is a name like others": (
        '$recipient ??= "mine"; echo $recipient; echo isset($sender);', ["mine", "false"]),
}


@pytest.mark.parametrize("script, wanted", SEEN.values(), ids=SEEN.keys())
def test_facts(tmp_path, script, wanted):
    assert connections(tmp_path, script) == wanted + ["next", "220"]


def test_a_fact_of_another_phase_is_an_error_to_read(tmp_path):
    assert connections(tmp_path, "echo 1; echo $recipient;")[:1] == ["1"]
    assert "421" in connections(tmp_path, "echo $recipient;")[0]


@pytest.mark.parametrize("level, wanted", [("// level: 2016\n", "550 5.7.1 none"), ("", "451 4.3.0")])
def test_error_of_2016_is_there_and_none(tmp_path, level, wanted):
    """The manual of that time deferred by it where a lookup had failed; nothing sets it."""
    (tmp_path / "sluice.lua").write_text(RCPTTO)
    (tmp_path / "r.hsl").write_text(level + """
        function why() { global $error; return $error ?? "none"; }
        if ($error) Defer("The directory doesn't answer");
        if (!isset($error)) Reject(why());""")
    lines = ":connect 192.0.2.1\n:helo x\n:mail a@b.example\n:rcpt b@example.org\n"
    done = subprocess.run([SLUICE, "repl", tmp_path], input=lines, capture_output=True, text=True, timeout=60)
    assert [line for line in done.stdout.splitlines() if line[:2] != "  "][3].startswith(wanted), done.stdout
