"""HSL: final actions end the script wherever they are called, and nothing catches them."""
import subprocess

import pytest

from harness import SLUICE

CONFIG = """return { hostname = "mx.example.org",
  listen = { { smtp = "127.0.0.1:2525", server = "s" } },
  servers = { s = { flows = { connect = { "a.hsl", "b.hsl" } } } } }
"""
ENDS = {
    "in the main code": 'Reject("ended");',
    "in blocks": """foreach ([1] as $x) { forever { switch ($x) { case 1: barrier "b" { try {
        if ($x == 1) Reject("ended"); } catch ($e) { echo "caught"; } } } } }""",
    "in functions in everything, in a generator": """
        function end() { Reject("ended"); }
        function generator() {
            foreach ([1] as $x) { barrier "b" { try {
                $f = function () { try { end(); } catch ($e) { echo "caught"; } };
                $f();
                yield 1;
            } catch ($e) { echo "caught"; } } }
        }
        try { foreach (generator() as $v) echo "never"; } catch ($e) { echo "caught"; }""",
    "beside a generator that waits in a barrier": """
        function generator() { barrier "g" { yield 1; } }
        foreach (generator() as $v) Reject("ended");""",
    "in a callback": 'array_map(function ($x) { Reject("ended"); }, [1, 2]);',
    "in a comparison for sorting": 'array_sort(function ($a, $b) { Reject("ended"); }, [2, 1]);',
    "in what cache calls": 'function f() { Reject("ended"); } echo cache [] f();',
    "in a constructor": 'class C { constructor() { Reject("ended"); } } try { C(); } catch ($e) { echo "caught"; }',
    "in a function of an object": """class C { function f() { Reject("ended"); } }
        $f = C()->f; try { $f(); } catch ($e) { echo "caught"; }""",
    "in an expression": '$x = match (1) { 1 => Reject("ended"), default => 2 };',
    "in an included file": 'include "lib/ends.hsl";',
    "in a module": 'import { $x } from "ends";',
    "by builtin": '$f = builtin Reject; $f("ended");',
    "redefined": """function Reject($text) { echo "mine"; builtin Reject("ended"); }
        try { Reject("not this"); } catch ($e) { echo "caught"; }""",
    "after a catch that ran": 'try { throw 1; } catch ($e) { Reject("ended"); }',
}


def connections(folder, script, times=1, following='echo "next";'):
    """What the flow echoes and replies."""
    for name, text in {"sluice.lua": CONFIG, "a.hsl": script, "b.hsl": following,
                       "lib/ends.hsl": '$x = 1; Reject("ended"); echo "never";'}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    done = subprocess.run([SLUICE, "repl", folder], input=":connect 192.0.2.1\n:close\n" * times,
                          capture_output=True, text=True, timeout=60)
    return [line for line in done.stdout.splitlines() if line[:2] != "  "]


@pytest.mark.parametrize("script", ENDS.values(), ids=ENDS.keys())
def test_final_actions_end_the_script(tmp_path, script):
    lines = connections(tmp_path, script + ' echo "never";')
    assert lines == ["mine"] * ("mine" in script) + ["554 5.7.1 ended"]


def test_return_and_the_end_of_the_script_go_on_with_the_flow(tmp_path):
    assert connections(tmp_path, 'if (true) return; Reject("never");') == ["next", "220"]
    assert connections(tmp_path, 'function f() { return; } f(); echo "end";') == ["end", "next", "220"]


def test_scripts_of_a_flow_share_functions_and_no_variables(tmp_path):
    lines = connections(tmp_path, """
        $n = 1; class Box { static $made = 0; }
        function count() { global $n; $n += 1; Box::$made += 1; return $n; }
        echo count();""", following="echo isset($n); echo count(); echo Box::$made;", times=2)
    assert lines == ["2", "false", "3", "2", "220"] * 2       # each run begins anew


COUNTS = {
    "here": 'barrier "n" => $n { $n["x"] = ($n["x"] ?? 0) + 1; if ($n["x"] < 3) Reject("no " . $n["x"]); }',
    "deep inside": """
        function hit() {
            barrier "n" => $n {
                $n = ($n ?? 0) + 1;
                barrier "other" { array_map(function ($x) closure ($n) { if ($n < 3) Reject("no $n"); }, [1]); }
            }
        }
        hit();""",
    "of a variable that functions share": """
        function hit() { global $n; barrier "n" => $n { $n = ($n ?? 0) + 1; if ($n < 3) Reject("no $n"); } }
        hit();""",
}


@pytest.mark.parametrize("script", COUNTS.values(), ids=COUNTS.keys())
def test_a_final_action_in_a_barrier_keeps_its_variable(tmp_path, script):
    assert connections(tmp_path, script, times=3) == ["554 5.7.1 no 1", "554 5.7.1 no 2", "next", "220"]


def test_a_final_action_in_a_barrier_may_unset_its_variable(tmp_path):
    script = 'barrier "n" => $n { if (isset($n)) unset($n); else $n = 1; echo isset($n); Reject("no"); }'
    assert connections(tmp_path, script, times=3)[::2] == ["true", "false", "true"]


def test_what_can_not_be_kept_does_not_keep_the_action_back(tmp_path):
    script = 'barrier "n" => $n { echo isset($n); $n = strlen; Reject("no"); }'
    assert connections(tmp_path, script, times=2) == ["false", "554 5.7.1 no"] * 2
