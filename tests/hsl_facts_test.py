"""HSL: facts of the phase are variables of the main code; functions see them by global."""
import pytest

from hsl_endings_test import connections

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
