"""HSL's import: modules with names of their own, variables by reference, data files."""
import re
import subprocess

import pytest

from harness import SLUICE

CONFIG = """return { hostname = "mx.example.org",
  listen = { { smtp = "127.0.0.1:2525", server = "s" } },
  servers = { s = { flows = { connect = { "a.hsl", "b.hsl" } } } } }
"""
COUNTER = """
echo "counter runs";
$n = 0; $step = 1;
function count() { global $n, $step; $n += $step; return $n; }
function twice($x) { return helper($x) * 2; }
function helper($x) { return $x; }
function explode($x) { return "mine $x"; }
class Box { $v; constructor($a) { $this->v = $a; } function get() { return helper($this->v) . explode("b"); } }
"""
OTHER = """
import { count as c, $n } from "./counter";
function other() { global $n; return c() . " " . $n . implode(",", explode(" ", "a b")); }
"""
FILES = {
    "lib/counter.hsl": COUNTER, "lib/other.hsl": OTHER, "b.hsl": "",
    "lib/more.hsl": """class Kind { static $n = 0; static function next() { static::$n++; return Kind::$n; } }
        function both() { yield 1; yield 2; } function fail() { throw "thrown"; }
        $x = "set"; if ($x) return; $x = "never";""",
    "lib/same.hsl": 'function both() { return "same" . helper(""); } function helper($x) { return $x; }',
    "lib/pack/main.hsl": 'function packed() { return "packed"; }',
    "data/config.json": '{"a": {"n": 10, "l": [1, true, null]}}',
    "data/key.pem": "-----BEGIN-----\n", "data/t.csv": "name,v\nx,1\ny,2\n", "data/l.txt": "one\ntwo\n",
}


def lay_out(folder, script, **files):
    for name, text in {"sluice.lua": CONFIG, "a.hsl": script, **FILES, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def run(folder, times=1):
    """What the flow of connect echoes."""
    result = subprocess.run([SLUICE, "repl", folder], input=":connect 192.0.2.1\n:close\n" * times,
                            capture_output=True, text=True, timeout=60)
    assert "failed" not in result.stdout, result.stdout + result.stderr
    return [line for line in result.stdout.splitlines() if line != "220" and line[:8] != "  Accept"]


def refused(folder):
    result = subprocess.run([SLUICE, "check", folder], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    return result.stdout.replace(": error: ", ": ")


COUNT = 'import { count, $n } from "counter"; '
WORKS = {
    "names stand for the module's": (
        'echo count() + double(4); import { count, twice as double } from "counter";', ["9"]),
    "variables are references": (COUNT + """
        function set() { global $n; $n += 100; }
        echo [count(), $n]; $n = 5; echo count(); set(); echo "$n ${n}"; unset($n); echo isset($n);""",
        ["[0=>1,1=>1]", "6", "106 106", "false"]),
    "elements of variables too, and copies are copies": ("""
        import { $n as $m, count } from "counter";
        function change() { global $m; $m["x"]["y"] = 1; }
        $m = ["x" => [1]]; $copy = $m; change(); $m["z"] = 2; echo $m; echo $copy;""",
        ['["x"=>[0=>1,"y"=>1],"z"=>2]', '["x"=>[0=>1]]']),
    "closures": (COUNT + "$f = function () closure ($n) { $n += 1; return $n; }; echo $f(); echo count();",
                 ["1", "2"]),
    "a module runs once": (
        COUNT + 'import { other } from "./lib/other.hsl"; echo [count(), other(), count()];',
        ['[0=>1,1=>"2 2a,b",2=>3]']),
    "the importer's names aren't the module's": (COUNT + """
        $step = 7; function helper($x) { return "not this"; }
        import { twice } from "counter"; echo [count(), twice(2), implode("", explode("-", "a-b"))];""",
        ['[0=>1,1=>4,2=>"ab"]']),
    "a namespace": ("""import * as c from "file://lib/counter.hsl";
        echo [c::count(), c::$n]; c::$n = 7; echo c::count();
        $f = c::twice; echo $f(2); echo c::Box(3)->get();""", ["[0=>1,1=>1]", "8", "4", "3mine b"]),
    "a namespace's classes, generators and errors": (COUNT + """import * as m from "more";
        echo [m::Kind::next(), m::Kind::next(), m::Kind::$n]; m::Kind::$n = 7; $f = m::Kind::next; echo $f();
        foreach (m::both() as $v) echo $v; try { m::fail(); } catch ($e) { echo $e; } echo m::$x;""",
        ["[0=>1,1=>2,2=>2]", "8", "1", "2", "thrown", "set"]),
    "modules with functions of one name": (COUNT + """import { both } from "more"; import { both as others } from "same";
        import { helper } from "same"; function fail() { return "own"; }
        foreach (both() as $v) echo $v; echo others() . helper("x") . fail();""", ["1", "2", "samexown"]),
    "a nested function of an imported one's name": (COUNT + """
        function f() { function count() { return "nested"; } return count(); } echo f() . count();""", ["nested1"]),
    "a name taken twice": (COUNT + 'import { count } from "./lib/counter"; echo count();', ["1"]),
    "the text of any file": ('import $k from "txt!key.pem"; import $c from "csv!t.csv"; echo $k . $c[0]["v"]; ' + COUNT,
                             ["-----BEGIN-----", "1"]),
    "classes": ('import { Box as B } from "counter"; echo B(4)->get();', ["4mine b"]),
    "an included file imports": ('include "inc.hsl"; $n += 1; echo count();', ["2"]),
    "an included file sees what is imported": (COUNT + '$n = 3; include "sees.hsl";', ["3"]),
}


@pytest.mark.parametrize("script, wanted", WORKS.values(), ids=WORKS.keys())
def test_modules(tmp_path, script, wanted):
    folder = lay_out(tmp_path, script, **{"inc.hsl": COUNT, "sees.hsl": "echo $n;"})
    assert run(folder) == ["counter runs"] + wanted


def test_modules_begin_anew_in_each_run_and_are_one_within(tmp_path):
    folder = lay_out(tmp_path, COUNT + "count();", **{
        "b.hsl": 'import { count as again } from "counter"; echo again();'})
    assert run(folder, times=2) == ["counter runs", "2"] * 2


def test_cached_results_are_of_the_module(tmp_path):
    """Whatever a function is called where it is imported, and though others have its name."""
    folder = lay_out(tmp_path, """
        import { f } from "m1"; import { f as g, inside } from "m2"; import * as m from "m1";
        echo [cache [] f(1), cache [] g(1), cache [] m::f(1), inside()];""", **{
        "m1.hsl": 'function f($x) { return "m1 " . uuid(); }',
        "m2.hsl": 'function f($x) { return "m2 " . uuid(); } function inside() { return cache [] f(1); }',
        "b.hsl": 'import { f } from "m2"; function h($x) { return "main"; } echo cache [] f(1);'})
    first, second = run(folder)
    one = re.fullmatch(r'\[0=>"(m1 .*)",1=>"(m2 .*)",2=>"(m1 .*)",3=>"(m2 .*)"\]', first).groups()
    assert one[0] == one[2] and one[1] == one[3] == second


def test_a_package_has_a_main_file(tmp_path):
    assert run(lay_out(tmp_path, 'import { packed } from "extras://pack"; echo packed();')) == ["packed"]


def test_redefined_final_actions_hold_in_modules(tmp_path):
    """An override is the end of every path, so a module's, too; its own functions it calls by name."""
    folder = lay_out(tmp_path, """
        import { leave } from "leaves";
        function Accept() { echo "through the override"; builtin Accept(); }
        leave();""", **{"leaves.hsl": "function leave() { Accept(); }"})
    assert run(folder) == ["through the override"]


def test_data(tmp_path):
    folder = lay_out(tmp_path, """
        import $cfg from "config.json"; import $t from "data/t.csv"; import $l from "file://l.txt";
        function seen() { global $cfg; return $cfg["a"]["n"] / 4; }
        $copy = $cfg; $cfg["a"]["n"] += 1; echo $cfg; echo $copy["a"]["n"]; echo seen();
        echo $t[1]["v"]; echo $l[4:7];
        include "lua.lua"; Lua($cfg);""", **{
        "lua.lua": 'function Lua(t) t.a.n = "changed" end'})
    once = ['["a"=>["n"=>11,"l"=>[0=>1,1=>true,2=>none]]]', "10", "2.75", "2", "two"]
    assert run(folder, times=2) == once * 2       # nothing of a run is left in the data


def test_data_is_read_as_the_options_say(tmp_path):
    folder = lay_out(tmp_path, """
        import $rows from "semicolons.csv" with ["delimiter" => ";", "header" => false];
        import $named from "semicolons.csv" with ["delimiter" => ";"]; import $plain from "t.csv" with [];
        echo $rows; echo $named; echo $plain[0];""", **{"data/semicolons.csv": 'a;"b;c"\n1;2,3\n'})
    assert run(folder) == ['[0=>[0=>"a",1=>"b;c"],1=>[0=>"1",1=>"2,3"]]', '[0=>["a"=>"1","b;c"=>"2,3"]]',
                           '["name"=>"x","v"=>"1"]']


def execute(script, cwd):
    done = subprocess.run([SLUICE, "exec", script], cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.stderr == "", done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("named", ["tests/a.hsl", "whole"])
def test_exec_finds_what_stands_beside_the_script(tmp_path, named):
    """Wherever the command is called, and one file is one module however it is named."""
    for name, text in {
            "tests/a.hsl": """include "inc.hsl"; import { count } from "../counter"; import $t from "t.csv";
                import { count as again } from "./../counter.hsl"; import $d from "l.txt";
                echo $included . count() . again(); echo $t[0]["v"] . $d[0:3];""",
            "tests/inc.hsl": '$included = "included ";', "counter.hsl": COUNTER,
            "tests/t.csv": FILES["data/t.csv"], "tests/data/l.txt": FILES["data/l.txt"]}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    script = tmp_path / "tests/a.hsl" if named == "whole" else named
    assert execute(script, "/" if named == "whole" else tmp_path) == [
        "counter runs", "included 12", "1one"]
    if named == "whole":
        return
    assert execute("a.hsl", tmp_path / "tests") == ["counter runs", "included 12", "1one"]
    (tmp_path / "tests/inc.hsl").write_text("$x = ;")
    done = subprocess.run([SLUICE, "exec", named], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "inc.hsl:1:6:" in done.stderr, done.stderr


REFUSED = {
    "no such module": ('import { f } from "none";', 'a.hsl:1:1: "none" is not in the policy'),
    "no such function": ('import { f } from "counter";', "a.hsl:1:10: lib/counter.hsl has no f"),
    "no such variable": ('import { $f } from "counter";', "a.hsl:1:10: lib/counter.hsl has no $f"),
    "not in the namespace": ('import * as c from "counter"; c::f();', "lib/counter.hsl has no f"),
    "defined twice": ('import { count } from "counter"; function count() { }', "count is defined twice"),
    "arguments are counted": ('import { twice } from "counter"; twice();', "twice takes 1 argument, 0 given"),
    "in a function": ('function f() { import { count } from "counter"; }', "'import' stands at the top"),
    "in a block": ('if (1) { import { count } from "counter"; }', "'import' stands at the top"),
    "no such data": ('import $x from "none.json";', '"none.json" is not in the policy\'s data/'),
    "code is no data": ('import $x from "counter.hsl";', "import of .hsl files isn't built in this version"),
    "YAML": ('import $x from "x.yaml" with ["types" => ["Regex"]];', "import of .yaml files isn't built"),
    "several files": ('import $x from "txt!keys/*.pem";', "import of several files isn't built"),
    "elsewhere": ('import $x from "plugin-config://x.json";', "import of plugin-config:// isn't built"),
    "an option": ('import $x from "t.csv" with ["headers" => false];', '1:43: option "headers" of an import'),
    "an option's value": ('import $x from "t.csv" with ["delimiter" => ";;"];', 'option "delimiter" of an import'),
    "options that aren't constants": ('import $x from "t.csv" with ["header" => f()]; function f() { }',
                                      "an import's options are constants"),
    "options of JSON": ('import $x from "config.json" with ["header" => false];', "options of an import are for .csv"),
    "data isn't included": ('include "data/t.csv";', '"data/t.csv" is not in the policy'),
    "itself": ('import { f } from "b.hsl"; function f() { }', "imports leads back to itself"),
}


@pytest.mark.parametrize("script, words", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_imported_is_refused(tmp_path, script, words):
    files = {"b.hsl": 'import { g } from "c.hsl"; function f() { }',
             "c.hsl": 'import { f } from "a.hsl"; function g() { }'} if "b.hsl" in script else {}
    assert words in refused(lay_out(tmp_path, script, **files))


def test_steps_of_copied_data_are_charged(tmp_path):
    folder = lay_out(tmp_path, 'import $x from "big.json"; echo length($x);', **{
        "data/big.json": "[" + "1," * 60000 + "1]"})
    config = (folder / "sluice.lua").read_text()
    (folder / "sluice.lua").write_text(config.replace("return {", "return { limits = { steps = 50000 },"))
    result = subprocess.run([SLUICE, "repl", folder], input=":connect 192.0.2.1\n",
                            capture_output=True, text=True, timeout=60)
    assert "50000 steps" in result.stdout, result.stdout
