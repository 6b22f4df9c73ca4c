"""The library in HSL: tables of context are arrays to every builtin, and what the message's builtins take."""
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


# What the message's builtins take and give, as their rows in the manuals say.
MESSAGE = """
function check($got, $wanted) { if ($got !== $wanted) { echo "got"; echo $got; Reject("failed"); } }
function refused($f, $words) {
	$said = none;
	try { $f(); } catch ($e) { $said = $e->message(); }
	if (!is_string($said) or strpos($said, $words) < 0) Reject("not refused: $words");
}
if (count(GetHeaders("From")) == 2) {
	check(ScanDMARC(), "permerror");
	Delete();
}
check(is_array(ScanDMARC()), true);
refused(function () { ScanDMARC(["ip" => "192.0.2.1"]); }, ''option "ip" is unknown'');
SetMetaData(["score" => 5.5, "seen" => true, "name" => "x"]);
check(GetMetaData(), ["score" => "5.5", "seen" => "true", "name" => "x"]);
refused(function () { SetMetaData(["a" => []]); }, "names and values must be strings");
$kept = GetMetaData();
SetMetaData(["1" => "one", "x"]);
check(GetMetaData(), [1 => "one", 2 => "x"]);
SetMetaData([]);
check(GetMetaData(), []);
SetMetaData($kept);
mail("a@example.org", "b@example.org", "s", "b", ["headers" => ["X-List: a", "X-Name" => "b"], "metadata" => ["n" => 1]]);
refused(function () { mail("a@example.org", "b@example.org", "s", "b", ["headers" => ["X-List"]]); }, "is not \\"Name: value\\"");
check(dns("a.example", ["timeout" => "1"]), ["192.0.2.7"]);
check(dnsbl("192.0.2.1", "bl.example", [], 5), ["127.0.0.2"]);
check(dnsbl("192.0.2.1", "bl.example", ["timeout" => 5]), ["127.0.0.2"]);
refused(function () { dnsbl("192.0.2.1", "bl.example", ["nowhere"], 5); }, ''"nowhere" is no address'');
check(spf("no address", "x", "a.example"), 50);
refused(function () { spf_query("192.0.2.1", "x", "a.example", ["timeout" => 5]); }, ''option "timeout" is unknown'');
refused(function () { MIME("0")->verifyDKIM("x", ["timeout" => 5]); }, ''option "timeout" is unknown'');
refused(function () { MIME()->setBody([]); }, "bad argument #1 to 'setBody' (string expected, got array)");
check(http("https://api.example/?on=$1", ["background" => false, "headers" => ["X-Key" => "k"]], [true]), "yes");
refused(function () { http("https://api.example/", ["headers" => ["X-Key"]]); }, "is not \\"Name: value\\"");
"""

MESSAGE_TEST = """
before(function(t)
  t:dns[[
    a.example.               A 192.0.2.7
    1.2.0.192.bl.example.    A 127.0.0.2
    example.net.             NXDOMAIN
    _dmarc.example.net.      NXDOMAIN
    _dmarc.net.              NXDOMAIN
    client.example.          NXDOMAIN
  ]]
  t:http{ ["GET https://api.example/?on=true"] = "yes" }
  t:given{ ip = "192.0.2.1", helo = "client.example", from = "ann@example.net", to = "bob@example.org" }
end)
test("what is taken", function(t)
  local r = t:smtp{ message = { From = "ann@example.net", body = "Hi.\\n" } }
  t:expect(r, { verdict = "Deliver", code = 250, messages = 2 })
  for _, m in ipairs(r.messages) do
    if m.sender == "a@example.org" then
      t:equal(m:header("X-List"), "a")
      t:equal(m:header("X-Name"), "b")
      t:equal(m.recipients[1].metadata, { n = "1" })
    else
      t:equal(m.recipients[1].metadata, { score = "5.5", seen = "true", name = "x" })
    end
  end
  t:equal(r.http[1].headers, { "X-Key: k" })
end)
test("no author", function(t)
  t:expect(t:smtp{ message = "From: a@example.net\\nFrom: b@example.net\\n\\nHi.\\n" }, { verdict = "Delete" })
end)
"""


def test_of_messages(tmp_path):
    config = CONFIG.replace('helo = "helo.hsl", mailfrom = "mailfrom.hsl", rcptto = "rcptto.lua"', 'data = "data.hsl"')
    for name, text in {"sluice.lua": config, "data.hsl": MESSAGE, "tests/message_test.lua": MESSAGE_TEST}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    result = subprocess.run([SLUICE, "test", tmp_path], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
