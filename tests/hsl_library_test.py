"""What a connection remembers, in HSL: tables of context are arrays to every builtin and operator."""
import subprocess

from harness import SLUICE

CONFIG = """return { hostname = "mx.example.org", transports = { box = { discard = true } },
  servers = { inbound = { flows = { helo = "helo.hsl", mailfrom = "mailfrom.hsl", rcptto = "rcptto.lua" },
                          relay = { ["example.org"] = { transport = "box" } } } } }
"""

HELO = """
$context["seen"] = ["b", "a"];
$context["map"] = ["x" => ["y" => 1]];
$context["empty"] = [];
"""

MAILFROM = """
$seen = $context["seen"];
function check($ok, $what) { if (!$ok) Reject($what); }
check(is_array($seen) and !is_object($seen) and is_array($context["map"]["x"]), "is_array");
check(count($seen) == 2 and length($seen) == 2, "count");
check(in_array("a", $seen) and !in_array("c", $seen), "in_array");
check(implode(",", array_map(str_upper, $seen)) == "B,A", "array_map");
check(array_sort(function($a, $b) { return $a < $b; }, $seen) == [1 => "a", 0 => "b"], "array_sort");
check($seen == ["b", "a"] and $seen != ["b", "c"] and $seen != [], "==");
check($context["map"] == ["x" => ["y" => 1]], "== of maps");
check(!$context["empty"] and $seen, "truth");
check(json_encode($seen) == "[\\"b\\",\\"a\\"]", "json_encode");
echo $context["map"];
"""

RCPTTO = """
assert(is_array(context.seen) and count(context.seen) == 2 and in_array("a", context.seen))
assert(array_reverse(context.seen)[1] == "a" and implode("", context.seen) == "ba")
context.seen[3] = "c"
assert(count(context.seen) == 3)
"""

TEST = """
test("context", function(t)
  local r = t:smtp{ ip = "192.0.2.1", helo = "x", from = "ann@example.net", to = "bob@example.org",
    message = { From = "ann@example.net", body = "Hi.\\n" } }
  t:expect(r, { verdict = "Deliver", messages = 1 })
  t:equal(r:event("echo").text, '["x"=>["y"=>1]]')
end)
"""


def test_tables_of_context(tmp_path):
    for name, text in {"sluice.lua": CONFIG, "helo.hsl": HELO, "mailfrom.hsl": MAILFROM, "rcptto.lua": RCPTTO,
                       "tests/context_test.lua": TEST}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    result = subprocess.run([SLUICE, "test", tmp_path], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
