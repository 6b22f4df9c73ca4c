"""sluice repl: scripts stepped through line by line, in Lua and HSL, coroutines and waits."""
import subprocess

import pytest

from harness import SLUICE

CONFIG = """
return {
  hostname = "mx.example.org",
  dns = { zone = "zone.txt" },
  listen = { { smtp = "127.0.0.1:2525", server = "inbound" } },
  servers = { inbound = { flows = { connect = "connect.lua", rcptto = "rcpt.hsl", data = "data.lua" },
                          relay = { ["example.org"] = { transport = "box" } } } },
  transports = { box = { discard = true } },
}
"""
FILES = {
    "sluice.lua": CONFIG,
    "zone.txt": "client.example. TXT sluice\nclient.example. DELAY 20\nother.example. TXT x\n",
    "connect.lua": "seen = senderip\n",
    "lib/double.lua": "return function(x)\n  local y = 2 * x\n  return y\nend\n",
    "rcpt.hsl": """// what we think of a recipient
$limit = 5;
function add($a, $b) {
	global $limit;
	$sum = $a + $b;
	return $sum + $limit;
}
$list = [1, 2, "a" => 3];
$end = "x";
foreach ($list as $k => $v) {
	$y = add($v, 1);
}
if ($y > 100)
	Reject("too much");
Accept();
""",
    "data.lua": """local double = require "double"
local n = 1
local function grow(by)
  n = n + by
  return n
end
grow(2)
local co = coroutine.wrap(function(a)
  local b = coroutine.yield(a + 1)
  local txt = dnstxt("client.example")
  return txt[1] .. b
end)
local first = co(1)
local second = co("!")
local list = { 3, 1, 2 }
table.sort(list, function(a, b)
  return a < b
end)
n = double(n)
AddHeader("X-N", tostring(n))
""",
}
HSL_BEGIN = ["rcpt.hsl:2  $limit = 5;", "  $limit = 5", 'rcpt.hsl:8  $list = [1, 2, "a" => 3];',
             '  $list = [0=>1,1=>2,"a"=>3]', 'rcpt.hsl:9  $end = "x";', '  $end = "x"',
             "rcpt.hsl:10  foreach ($list as $k => $v) {", "  $k = 0", "  $v = 1",
             "rcpt.hsl:11  $y = add($v, 1);"]
ACCEPTED = ["250 2.0.0 Message accepted", "  Deliver in data, decided at default",
            "queued for b@example.org by box"]


@pytest.fixture
def policy(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "policy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "message").write_text("From: a@client.example\n\nHi.\n")
    return tmp_path / "policy"


def stepped(policy, lines, setup=":step"):
    """What is shown once the message is sent: the output's lines, and the errors."""
    text = (":connect 192.0.2.1\n:helo x\n%s\n:send %s/message --from a@client.example "
            "--to b@example.org\n%s\n" % (setup, policy.parent, lines))
    result = subprocess.run([SLUICE, "repl", policy], input=text, capture_output=True, text=True,
                            timeout=60)
    shown = result.stdout.splitlines()
    assert shown[:4] == ["220", "  Accept in connect, decided at default", "250",
                         "  Accept in helo, decided at default"]
    return shown[4:], result.stderr


def test_lines_of_hsl(policy):
    shown, errors = stepped(policy, ":next" + "\n" * 5 + ":continue")
    assert (shown[:10], errors) == (HSL_BEGIN, "")
    assert shown[-4:-1] == ACCEPTED


def test_into_a_function_and_out_of_it(policy):
    shown, errors = stepped(policy, ":n\n\n\n\n:i\n:into\n\n:o\n:c")
    assert errors == ""
    assert shown[len(HSL_BEGIN):][:9] == [
        "  $a = 1", "  $b = 1", "  $limit = 5", "rcpt.hsl:5  $sum = $a + $b;", "  $sum = 2",
        "rcpt.hsl:6  return $sum + $limit;", "  $y = 7", "rcpt.hsl:10  foreach ($list as $k => $v) {",
        "data.lua:1  local double = require \"double\""] or shown


def test_hsl_is_evaluated_in_the_function(policy):
    shown, errors = stepped(
        policy, ":next\n\n\n\n:into\n$a . $limit\n$a = 10; $limit = 100\n$new = [1]; $new[] = 2;\n$new\n"
        "add(1, 1)\n:next\n:vars\n:next\n:out")
    assert errors == ""
    at = shown.index("15")
    assert shown[at + 1:at + 3] == ["[0=>1,1=>2]", "102"]
    assert "  $sum = 11" in shown and "  $y = 111" in shown


def test_a_changed_array_is_the_functions_own(policy):
    shown, errors = stepped(policy, ":next\n\n\n$copy = $list; $list[\"a\"] = 9; $list[] = 4;\n$copy\n$list\n"
                            ":out\n:continue")
    assert errors == ""
    assert shown[-7:-5] == ['[0=>1,1=>2,"a"=>3]', '[0=>1,1=>2,"a"=>9,2=>4]']


def test_lines_of_lua_coroutines_and_waits(policy):
    shown, errors = stepped(policy, ":out\n:into" + "\n" * 30)
    assert errors == ""
    lines = [line.split("  ")[0] for line in shown if line.startswith(("data.lua", "lib/"))]
    assert lines == ["data.lua:1", "lib/double.lua:1", "data.lua:2", "data.lua:7", "data.lua:4",
                     "data.lua:5", "data.lua:8", "data.lua:13", "data.lua:9", "data.lua:14",
                     "data.lua:10", "data.lua:11", "data.lua:15", "data.lua:16", "data.lua:19",
                     "lib/double.lua:2", "lib/double.lua:3", "data.lua:20"]
    assert '  txt = { "sluice" }' in shown and '  second = "sluice!"' in shown
    assert shown[-4:-1] == ACCEPTED and shown[-1] == "  + X-N: 6"


def test_next_steps_over_calls_and_coroutines(policy):
    shown, errors = stepped(policy, ":out\n:next" + "\n" * 30)
    assert errors == ""
    lines = [line.split("  ")[0] for line in shown if line.startswith(("data.lua", "lib/"))]
    assert lines == ["data.lua:%d" % n for n in (1, 2, 7, 8, 13, 14, 15, 16, 19, 20)]


def test_lua_is_evaluated_in_the_function(policy):
    shown, errors = stepped(
        policy, 'senderip, n\nby * 2\nby = 40\nn = n + 1\nglobal_name = by\nx = dnstxt("client.example")\n'
        ":vars\n:out\nglobal_name, x[1]\n:continue", ":break data.lua:4")
    assert errors == ""
    assert shown[0] == "  by = 2"
    at = shown.index('"192.0.2.1", 1')
    assert shown[at + 1] == "4"
    assert "  n = 42" in shown and '40, "sluice"' in shown and shown[-1] == "  + X-N: 84"


def test_breakpoints(policy):
    shown, errors = stepped(policy, "b\n:continue", ":break data.lua:10\n:break data.lua:19\n"
                            ":break data.lua:19 off")
    assert errors == ""
    assert [s for s in shown if ".lua:" in s] == ['data.lua:10  local txt = dnstxt("client.example")']
    assert '"!"' in shown and shown[-1] == "  + X-N: 6"


def test_what_a_function_left_behind_sees(policy):
    shown, errors = stepped(policy, "function peek() return n end\npeek()\n:step\n:next\npeek()\n:continue", ":break data.lua:7")
    assert "1" in shown
    assert "n is not defined" in errors


def test_a_final_action_ends_the_flow(policy):
    shown, errors = stepped(policy, 'Reject("not today")', ":break data.lua:7")
    assert errors == ""
    assert shown[-2:] == ["550 5.7.1 not today", "  Reject in data, decided at input 1:1"]
    shown, errors = stepped(policy, 'Reject("not today");', ":break rcpt.hsl:9")
    assert errors == "" and "550 5.7.1 not today" in shown


def test_an_action_of_another_phase_is_refused(policy):
    shown, errors = stepped(policy, "Try()\n:continue", ":break data.lua:7")
    assert "Try can't be called in data" in errors and shown[-1] == "  + X-N: 6"


def test_mistakes_leave_it_standing(policy):
    shown, errors = stepped(policy, "nope\nx = = 1\nwhile true do end\n:mail\n:reload\n:break nothing\nn\n:continue",
                            ":break data.lua:7")
    for text in ("nope is not defined", "unexpected symbol", "steps", "a script is stopped here",
                 ":break FILE:LINE"):
        assert text in errors
    assert "1" in shown and shown[-1] == "  + X-N: 6"


def test_several_lines_at_a_stop(policy):
    shown, errors = stepped(policy, "for i = 1, n do\nn = n + i\nend\nn\n:continue", ":break data.lua:19")
    assert errors == "" and "9" in shown and shown[-1] == "  + X-N: 18"


def test_the_end_of_input_lets_it_go_on(policy):
    shown, errors = stepped(policy, "n", ":break data.lua:7")
    assert errors == "" and shown[-1] == "  + X-N: 6"


def test_before_the_first_line_the_names_are_the_runs(policy):
    shown, errors = stepped(policy, "AddHeader ~= nil, debug\nx = 5\n:next\nx\n:continue", ":break data.lua:1")
    assert "debug is not defined" in errors and "5" in shown and shown[-1] == "  + X-N: 6"


def test_a_statement_at_the_end_that_is_not_run(policy):
    (policy / "rcpt.hsl").write_text('$x = 1;\nif ($x > 1)\n\tReject("no");\n')
    shown, errors = stepped(policy, ":next\n\n:continue")
    assert [s.split("  ")[0] for s in shown if ":" in s][:3] == ["rcpt.hsl:1", "rcpt.hsl:2", "data.lua:1"]


def test_variables_of_a_large_file_of_a_closure_and_of_a_module(policy):
    """More variables than Lua has locals; what a function holds on to; what is imported."""
    (policy / "lib/counter.hsl").write_text("$n = 0;\nfunction count() {\n\tglobal $n;\n\t$n += 1;\n"
                                            "\treturn $n;\n}\n")
    (policy / "rcpt.hsl").write_text("".join(f"$v{i} = {i};\n" for i in range(120)) + """
        $f = function ($t) closure ($v3) {
            $v3 = $v3 + 1;
            return $t . $v3;
        };
        $z = $f("x");
        import { count, $n } from "counter";
        $q = count();
        $n += 10;
        echo $n . " " . $v3 . " " . $v5;
""")
    shown, errors = stepped(policy, "$v3 = 40;\n$v5 = 50;\n:next\n:out\n$z\n:into\n$n = 5;\n:out\n"
                            "$n = $n + 100;\n:continue",
                            ":break rcpt.hsl:123\n:break rcpt.hsl:128")
    assert errors == "" and "  $z = \"x41\"" in shown and "116 41 50" in shown, shown


def test_the_disconnect_flow(policy):
    """Stepped through where somebody says that the client goes; at the end of input it just runs."""
    config = policy / "sluice.lua"
    config.write_text(CONFIG.replace('connect = "connect.lua",', 'disconnect = "bye.lua",'))
    (policy / "bye.lua").write_text('echo("bye")\n')
    shown, errors = stepped(policy, ":continue\n:close\n:next\n1 + 2", ":step")
    assert errors == "" and shown[-3:] == ['bye.lua:1  echo("bye")', "bye", "3"]
    shown, errors = stepped(policy, ":continue", ":step")
    assert errors == "" and not any("bye.lua" in line for line in shown)


def test_quit_ends_it(policy):
    shown, errors = stepped(policy, ":quit\n1 + 1", ":break data.lua:7")
    assert errors == "" and "2" not in shown and "  + X-N: 6" not in shown
    assert "(the script failed)" in shown[-2] and shown[-1] == "  data.lua:7: interrupted"


def test_nothing_stands(policy):
    shown, errors = stepped(policy, ":next", "1")
    assert "nothing is stopped" in errors and shown[-1] == "  + X-N: 6"


def test_functions_of_typed_lines():
    text = "function f(a)\n  local b = a + 1\n  return b\nend\n:step\nf(1)\n\na = 5\n\n"
    result = subprocess.run([SLUICE, "repl"], input=text, capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == (
        "  a = 1\ninput 1:2  local b = a + 1\n  b = 2\ninput 1:3  return b\n2\n", "")


def test_secrets_are_not_shown(policy):
    (policy / "keys").mkdir()
    key = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, text=True,
                         check=True).stdout
    (policy / "data.lua").write_text("local pem = [[\n%s]]\nlocal n = pem\nAddHeader('X-N', '6')\n" % key)
    shown, errors = stepped(policy, "pem\n:next\n:next\n:vars", ":break data.lua:6")
    assert errors == "" and "secret sha256:" in "\n".join(shown)
    assert key.splitlines()[1] not in "\n".join(shown)
