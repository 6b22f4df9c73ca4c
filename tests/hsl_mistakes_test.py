"""What people write who know another language better, or paste from a page: each mistake is told once,
where it is, with what to write, and what follows is read as if it were right."""

import re
import subprocess

import pytest

from harness import SLUICE

QUOTES = "strings are \"text\", or ''text'' without escapes"

MISTAKES = {
    "curly quotes": ("$a = \u201chello\u201d;\nif ($a == \u2018x\u2019) { echo \u201cno end; }\n", [
        (1, 6, "a curly quote can't stand here", 'strings are in straight quotes: "text"'),
        (2, 11, "a curly quote can't stand here", 'strings are in straight quotes: "text"'),
        (2, 27, "a curly quote can't stand here", 'strings are in straight quotes: "text"'),
        (2, 33, "';' is missing before 'end'", None)]),
    "single quotes": ("$a = 'text';\n$b = ['a b' => 1, 'c' => 2];\necho 'it';\necho 'open;\n", [
        (1, 6, "'text' is no string", QUOTES), (2, 7, "'text' is no string", QUOTES),
        (2, 19, "'text' is no string", QUOTES), (3, 6, "'text' is no string", QUOTES),
        (4, 6, "'text' is no string", QUOTES)]),
    "zero-width blanks": ("$a\u200b\u200b = 1;\n", [
        (1, 3, "a zero-width space can't stand here", "replace it by a blank")]),
    "operators": ("if (1 && 2 || 3)\n\techo 4;\nelse if (!1 && 2) { }\n", [
        (1, 7, "there is no operator '&&'", "write 'and' instead of '&&'"),
        (1, 12, "there is no operator '||'", "write 'or' instead of '||'"),
        (3, 13, "there is no operator '&&'", "write 'and' instead of '&&'")]),
    "else if": ("if (1) { } elseif (2) { echo ; } elif (3) { }\nelse { }\n", [
        (1, 12, "there is no 'elseif'", "write 'else if'"), (1, 30, "';' can't begin a value", None),
        (1, 34, "there is no 'elif'", "write 'else if'")]),
    "comments": ("# two words\n$a = 1; # more, of it\necho $a;\n", [
        (1, 1, "'#' can't stand here", "comments begin with // or stand between /* and */"),
        (2, 9, "'#' can't stand here", "comments begin with // or stand between /* and */")]),
    "words": ("<?php\n$a = new Foo(1);\nvar $b = 2;\ndo { echo $b; } while ($b > 3);\nrequire \"x.hsl\";\n"
              "echo \"a\", \"b\";\n", [
        (1, 1, "there is no '<?php': all of a file is a script", None),
        (2, 6, "there is no 'new'", "an object is made by calling its class: Foo(1)"),
        (3, 1, "there is no 'var'", "variables need no word: $x = 1"),
        (4, 1, "there is no 'do'", "loops are while, for, foreach and forever"),
        (5, 1, "there is no 'require'", "write 'include' or 'import'"),
        (6, 9, "';' is missing before ','", "echo takes one value: '.' joins texts")]),
    "parameters": ("function f(&$x) { }\nfunction g(string $x) { }\nfunction h(x) { }\n", [
        (1, 12, "a parameter is missing before '&'", "there are no references: an array is given back by return"),
        (2, 12, "a parameter is missing before 'string'", "parameters have no types"),
        (3, 12, "a parameter is missing before 'x'", "variables begin with $")]),
    "no dollar": ("a = 5;\nforeach ([1] as b) { }\n", [
        (1, 1, "'a' can't be assigned to", "variables begin with $"),
        (2, 17, "a variable is missing before 'b'", None)]),
    "no semicolon": ("$a = 5\n$b = \"x $a\\n\"\necho ''raw''\nreturn $b\n", [
        (1, 7, "';' is missing before $b", None), (2, 14, "';' is missing before 'echo'", None),
        (3, 13, "';' is missing before 'return'", None)]),
    "a quote in a string": ('echo "class="x" y";\n', [
        (1, 14, "';' is missing before 'x'",
         'the string ends before it: \\" is a quote in one, and \'.\' joins texts')]),
    "a string that goes on": ('echo "begins;\necho "ends;\n', [
        (2, 7, "';' is missing before 'ends'", "the string that begins in line 1 ends before it")]),
    "a string without end": ('$a = 1;\necho "begins;\n', [(2, 6, "this string has no end", None)]),
    "what isn't closed": ("function f() {\n\tif (1) {\n\t\techo 2;\n}\n", [
        (5, 1, "'}' is missing: the { of line 1 is open", None)]),
    "a class of another language": ("""class Foo {
	public $x = 1;
	private function f() { return 1 2; }
	protected $y = ;
	function g() { $this.x = 1; }
}
echo 1 2;
""", [
        (2, 2, "there is no 'public'", "members are public unless they are private"),
        (3, 34, "';' is missing before a number", None),
        (4, 2, "there is no 'protected'", "write 'private'"), (4, 17, "';' can't begin a value", None),
        (5, 23, "'x' can't be assigned to", 'a member is $a->x, an element $a["x"]'),
        (7, 8, "';' is missing before a number", None)]),
    "arrays of another language": ('$a = {"x": 1};\n$b = ["x": 1];\n', [
        (1, 6, "'{' can't begin a value", 'arrays are in brackets: ["key" => 1]'),
        (2, 10, "']' is missing behind the elements before ':'", "write '=>' between key and value")]),
    "braces behind what is broken": ("switch ($a) { case 1 { echo 1; } }\nwhile $x < 5 { echo 2; }\n$p = #/open;\necho 1 2;\n", [
        (1, 22, "':' is missing behind the case before '{'", None),
        (2, 7, "'(' is missing behind while before $x", None), (3, 6, "this pattern has no end", None),
        (4, 8, "';' is missing before a number", None)]),
    "what wasn't open": ("if (1) {\n\techo 2;\n}}\necho 3;\n", [(3, 2, "this '}' closes nothing", None)]),
}


def told(tmp_path, source):
    """(line, column, text, hint) of what is said of a script, and the exit status."""
    (tmp_path / "a.hsl").write_text(source)
    result = subprocess.run([SLUICE, "hsl", "a.hsl"], cwd=tmp_path, capture_output=True, text=True)
    found = []
    for finding in re.split(r"^(?=a\.hsl:)", result.stderr, flags=re.M)[1:]:
        head, *lines = finding.rstrip("\n").split("\n")
        line, column, text = re.fullmatch(r"a\.hsl:(\d+):(\d+): (.*)", head).groups()
        hint = lines[2] if len(lines) > 2 else lines[0] if len(lines) == 1 else None
        found.append((int(line), int(column), text, hint and hint.strip()))
    return found, result.returncode


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(tmp_path, name):
    source, wanted = MISTAKES[name]
    found, status = told(tmp_path, source)
    assert [f for f in found if f[2][:9] != "warning: "] == wanted
    assert status == 1


def test_blanks_of_a_page_are_blanks(tmp_path):
    """The article that this began with has them between its words."""
    found, status = told(tmp_path, "$a\u00a0= \"x\u00a0y\";\n\u00a0\u00a0echo\u00a0$a\u202f. 1;\n")
    text, hint = "warning: a no-break space stands for a blank here", "replace it by one"
    assert (found, status) == ([(1, 3, text, hint), (2, 1, text, hint)], 0)
    result = subprocess.run([SLUICE, "exec", "a.hsl"], cwd=tmp_path, capture_output=True, text=True)
    assert result.stdout == "x\u00a0y1\n"


def test_the_caret_stands_below_characters(tmp_path):
    (tmp_path / "a.hsl").write_text('echo "\u00e4\u00f6\u00fc" && 1;\n')
    result = subprocess.run([SLUICE, "hsl", "a.hsl"], cwd=tmp_path, capture_output=True, text=True)
    _, source, caret, _ = result.stderr.rstrip("\n").split("\n")
    assert source.index("&&") == caret.index("^")


SUSPICIOUS = """$a = 1;
if ($a = 2) echo $a;
$a == 3;
Accept;
$b = ['a' => 1]; echo $b['a'];
while ($line = strpos("x", "y")) break;
if (empty($a) or is_null($line) or NULL) echo preg_match("x", "y");
isset($a);
echo "$a[0] $a->b ${a}[1] $a[$a] $a[x] [$a] $a [] $a->";
class A { function __construct() { } }
"""


def test_what_loads_and_is_seldom_meant(tmp_path):
    found, status = told(tmp_path, SUSPICIOUS)
    assert status == 0
    assert found == [
        (2, 5, "warning: this assigns: '==' compares", None),
        (3, 4, "warning: this does nothing", "'=' assigns"),
        (4, 1, "warning: this does nothing", "a call is Accept()"),
        (5, 1, "warning: $b is assigned and never used", None),
        (5, 7, "warning: this string goes from 'a' to the next 'a'", QUOTES),
        (7, 5, "warning: there is no function empty here", "write !$x: what is empty is false"),
        (7, 18, "warning: there is no function is_null here", "write $x === none"),
        (7, 36, "warning: there is no function NULL here", "write none"),
        (7, 47, "warning: there is no function preg_match here", "write pcre_match"),
        (8, 1, "warning: this does nothing", None),
        *[(9, column, f"warning: {element} stays as it is: only $a is replaced in a string", "join texts with '.'")
          for column, element in ((9, "[0]"), (15, "->b"), (23, "[1]"), (29, "[$a]"), (36, "[x]"))],
        (10, 11, "warning: this is no constructor", "one is written without function: constructor($x) { }")]


QUIET = """switch ($arguments["retry"] ?? 1) {
	case 1:
		Reject();
		break;
	default:
		echo $transaction["id"], $connection["remoteip"];
}
function api_call($query, $args = []) { return json_decode(http("https://api.example.org/" . $query, [], $args)); }
$walk = function ($n) closure ($walk) {
	return $n > 0 ? $walk($n - 1) : 0;
};
echo $walk(3) . api_call("?x=$1", ["y"])["z"];
"""


def test_what_is_usual_is_not_warned_of(tmp_path):
    found, status = told(tmp_path, QUIET.replace(", $c", " . $c"))
    assert (found, status) == ([], 0)


FAILURES = {
    "none in a comparison": ("function f($n) {\n\treturn $n > none;\n}\necho f(1);",
                             "a.hsl:2: none and a number can't be compared\n    return $n > none;\nin f, called at a.hsl:4\n"),
    "none in arithmetic": ('$a = ["n" => 1];\n$b = none;\necho $a["n"] + $b;', "a.hsl:3:17: $b is none, no number\n"),
    "an element": ('$a = ["n" => 1];\necho 1 + $a["m"];', 'a.hsl:2:14: "m" is none, no number\n'),
    "two arrays": ("echo [1] < [2];", "a.hsl:1: an array and an array can't be compared\n"),
    "through generators": ("""function fails() { return 1 + none; }
function inner() { yield 1; fails(); }
function outer() {
	foreach (inner() as $x) yield $x;
}
function main() {
	try { foreach (outer() as $x) { } } catch ($e) { }
	foreach (outer() as $x) { }
}
main();
""", "\nin fails, called by inner at a.hsl:2, called by outer at a.hsl:4, called by main at a.hsl:8, called at a.hsl:10\n"),
    "what is caught": ('try { echo none + 1; } catch ($e) { throw $e->message() . " / " . $e->toString(); }',
                       "none, no number / a.hsl:1: none, no number"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_errors_speak_hsl(tmp_path, name):
    source, wanted = FAILURES[name]
    (tmp_path / "a.hsl").write_text(source)
    result = subprocess.run([SLUICE, "exec", "a.hsl"], cwd=tmp_path, capture_output=True, text=True)
    assert wanted in result.stderr
    assert result.returncode == 1
