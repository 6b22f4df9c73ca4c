"""HSL's include: files pasted where the statement stands, found while compiling."""
import subprocess

import pytest

from harness import SLUICE

FILES = {
    "lib.hsl": 'function from_lib($x) { return "lib $x"; }\n$runs = ($runs ?? 0) + 1;\n',
    "all.hsl": 'include "lib.hsl";\ninclude_once "once.hsl";\n',
    "once.hsl": "$once = ($once ?? 0) + 1;",
    "class.hsl": "class Box { $v = 1; static $made = 0; }",
    "inside.hsl": """$text = "got $a" . ($other ?? "");
        $list[] = $a;
        function counted() { global $count; $count = ($count ?? 0) + 1; return $count; }
        if ($a == 9) return "left";""",
    "this.hsl": '$seen = "seen " . $this->x; $this->x += 1;',
    "stop.hsl": '$r = 1;\nif ($stop ?? false) { try { return "stopped"; } catch ($e) { } }\n$r = 2;\n',
    "around.hsl": '$q = 1;\ninclude "stop.hsl";\n$q = 2;\n',
    "errors.hsl": '// first\n\nfunction thrown() {\n\tthrow "out";\n}\nfunction joined() {\n\treturn none . "x";\n}\n',
    "twice.hsl": "\nfunction from_lib() { }",
    "circle.hsl": 'if (false) { include "a.hsl"; }',
    "broken.hsl": "\n$x = ;",
    "x.txt": "text",
}


def execute(folder, script):
    for name, text in {**FILES, "a.hsl": script}.items():
        (folder / name).write_text(text)
    return subprocess.run([SLUICE, "exec", "a.hsl"], cwd=folder, capture_output=True, text=True, timeout=60)


WORKS = {
    "functions are there before the statement": ('echo from_lib(1); include "lib.hsl";', ["lib 1"]),
    "variables are shared": ('$runs = 5; include "lib.hsl"; echo $runs;', ["6"]),
    "a file may be included again": ('include "lib.hsl"; include "lib.hsl"; echo $runs;', ["2"]),
    "but once by include_once": (
        'include_once "once.hsl"; include_once "once.hsl"; include "all.hsl"; echo $once . $runs;', ["11"]),
    "include doesn't count for include_once": (
        'include "once.hsl"; include_once "once.hsl"; echo $once;', ["2"]),
    "names with file: and file://": (
        'include "file:lib.hsl"; include "file://lib.hsl"; include "lib.hsl"; echo $runs;', ["3"]),
    "files include files": ('include "all.hsl"; echo from_lib($once);', ["lib 1"]),
    "classes": ('echo Box()->v; include "class.hsl";', ["1"]),
    "in blocks": ("""
        if (true) { include "lib.hsl"; }
        foreach ([1, 2] as $i) include "lib.hsl";
        try { include "lib.hsl"; } catch ($e) { }
        switch (1) { case 1: include "lib.hsl"; break; }
        barrier "b" { include "lib.hsl"; }
        echo $runs;""", ["6"]),
    "what isn't reached isn't run, but its functions are there": (
        'if (false) { include "lib.hsl"; } echo from_lib(1) . isset($runs);', ["lib 1false"]),
    "return ends the script that includes": (
        'include "stop.hsl"; echo $r; $stop = true; include "stop.hsl"; echo "never";', ["2"]),
    "through files, loops and barriers": ("""
        foreach ([1, 2] as $i) { barrier "x" { $stop = $i > 1; include "around.hsl"; echo "$i $r $q"; } }
        echo "never";""", ["1 2 2"]),
    "a nested function may have the name of one of all": ("""
        include "lib.hsl";
        function f() { function from_lib() { return "own"; } return from_lib(); }
        echo f() . from_lib(2);""", ["ownlib 2"]),
    "classes are defined once, however often they are included": (
        'include "class.hsl"; Box::$made = 5; include "class.hsl"; echo Box::$made;', ["5"]),
    "in a function the variables are the function's": ("""
        function f($a, $other = "!") {
            $list = ["first"];
            include "inside.hsl";
            $list[] = "last";
            return [$text, $list, isset($runs)];
        }
        echo f(1); echo isset($text) . isset($list); echo counted() . counted() . $count;""", [
            '[0=>"got 1!",1=>[0=>"first",1=>1,2=>"last"],2=>false]', "falsefalse", "122"]),
    "of each call": ("""
        function f($a) {
            if ($a > 2) return "";
            include "inside.hsl";
            return $text . f($a + 1) . $text . count($list);
        }
        echo f(1);""", ["got 1got 2got 21got 11"]),
    "but for those that it has by global": ("""
        function f($a) { global $list; include "inside.hsl"; return count($list); }
        echo f(1) . f(2) . count($list);""", ["122"]),
    "return leaves the function": ("""
        function f($a) { try { include "inside.hsl"; } catch ($e) { } return "went on"; }
        echo f(1) . f(9);""", ["went onleft"]),
    "in a closure, a generator, a class's function": ("""
        $f = function ($a) {
            include "inside.hsl";
            $g = function () closure ($text) { $text .= "?"; }; $g();
            return $text;
        };
        function g($n) { for ($a = 0; $a < $n; $a++) { include "inside.hsl"; yield $text . count($list); } }
        class C { $x = 1; function f() { include "this.hsl"; return $seen . $this->x; } }
        echo $f(3); foreach (g(2) as $v) echo $v; echo C()->f();""",
        ["got 3?", "got 01", "got 12", "seen 12"]),
    "errors know their file and line": ("""include "errors.hsl";
        try { thrown(); } catch ($e) { echo $e; }
        try { joined(); } catch ($e) { echo $e->file() . $e->line(); }""", ["out", "errors.hsl7"]),
}


@pytest.mark.parametrize("script, wanted", WORKS.values(), ids=WORKS.keys())
def test_include(tmp_path, script, wanted):
    done = execute(tmp_path, script)
    assert done.stdout.splitlines() == wanted, done.stderr
    assert done.returncode == 0, done.stderr


REFUSED = {
    "no such file": ('include "none.hsl";', 'a.hsl:1:1: "none.hsl" is not in the policy'),
    "no code": ('include "x.txt";', 'a.hsl:1:1: "x.txt" is not in the policy'),
    "a variable": ("include $file;", "named by a string without variables"),
    "joined texts": ('include "lib" . ".hsl";', "';' is missing before '.'"),
    "itself": ('include "a.hsl";', "a.hsl:1:1: a.hsl includes itself"),
    "a circle, also in a block": ('\ninclude "circle.hsl";', "a.hsl:2:1: a.hsl includes itself"),
    "a function twice": ('include "lib.hsl";\nfunction from_lib() { }', "a.hsl:2:1: function from_lib is defined twice"),
    "a function of two files": ('include "lib.hsl"; include "twice.hsl";', "in lib.hsl line 1 and in twice.hsl"),
    "arguments are counted": ('include "lib.hsl"; from_lib();', "from_lib takes 1 argument, 0 given"),
    "its own errors": ('include "broken.hsl";', "broken.hsl:2:6: ';' can't begin a value"),
    "uncaught": ('include "errors.hsl"; thrown();', "errors.hsl:4: out"),
}


@pytest.mark.parametrize("script, words", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_included_is_refused(tmp_path, script, words):
    done = execute(tmp_path, script)
    assert words in done.stderr and done.returncode == 1, done.stderr
