"""HSL in the gateway: the article's scripts as printed, overriding, endings, limits."""
import json
import subprocess

import dkim
import pytest

from harness import (ROOT, SLUICE, Api, Sluice, answer_json, certificate, key_pair, password_hash, text_message,
                     wait_for)

CONFIG = """return {
  hostname = "mx.example.org",
  listen = { { smtp = "127.0.0.1:PORT", server = "inbound" },
             { smtp = "127.0.0.1:SUBMIT", server = "outbound", auth = "required", tls = "required" } },
  servers = { inbound = { flows = { data = "inbound.hsl" },
                          relay = { ["example.org"] = { transport = "mailbox" } } },
              outbound = { flows = { data = "outbound.hsl" },
                           relay = { ["*"] = { transport = "mailbox" } } } },
  transports = { mailbox = { maildir = "MAIL/%d/%u" } },
  users = "users", tls = { cert = "mx.pem", key = "pki:mx" },
  api = { url = "API", negative_ttl = 0 },
  dns = { zone = "zone.txt", zone_only = true },
  limits = { steps = 300000, memory = "4M" },
}"""

ZONE = """$TTL 300
spoofed.example. IN TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.spoofed.example. IN TXT "v=DMARC1; p=reject"
"""

# As the article prints them, no-break spaces and all.
INBOUND = """$dmarcresult = ScanDMARC();
	if (is_array($dmarcresult))
		foreach ($dmarcresult as $dmarcdomain => $dmarcpolicy)
			if ($dmarcpolicy == "reject")
				Reject("The messages violates the DMARC policy of $dmarcdomain ($messageid)");
"""
OUTBOUND = """$dkim\u00a0=\u00a0api_call("?type=dkim&user=$1&domain=$2",\u00a0[$saslusername,\u00a0$senderdomain]);
if\u00a0(is_array($dkim))
DKIMSign($dkim["selector"],\u00a0$dkim["domain"],\u00a0$dkim["rsakey"]);
"""


class World:
    """A gateway with chosen scripts and a key API."""

    def __init__(self, tmp_path, inbound=INBOUND, outbound=OUTBOUND, files=None, keys=""):
        self.pem, self.record = key_pair(tmp_path)
        self.answer = {"selector": "s1", "domain": "example.com", "rsakey": self.pem}
        self.api = Api(lambda path: answer_json(self.answer))
        cert, key = certificate(tmp_path)
        self.server = Sluice(tmp_path / "server", CONFIG.replace(
            "API", self.api.url).replace("  limits", keys + "  limits"), {
            "inbound.hsl": inbound, "outbound.hsl": outbound, "zone.txt": ZONE, "mx.pem": cert,
            "keys/mx.pem": key, "users": f"ann:{password_hash('secret')}:example.com\n",
            **(files or {})}).start()

    def receive(self, sender="b@other.example", header_from=None, recipients=("bob@example.org",)):
        client = self.server.client()
        client.say("EHLO client.example")
        reply = client.send(sender, list(recipients), text_message(header_from or sender))[1]
        client.close()
        return reply

    def submit(self):
        client = self.server.client(self.server.submission)
        assert client.login("ann", "secret").startswith("235")
        reply = client.send("ann@example.com", ["bob@example.net"], text_message("ann@example.com"))[1]
        client.close()
        return reply

    def logged(self, words):
        """Lines are written behind what they tell of."""
        return wait_for(lambda: words in self.server.text(), f"{words} in the log")

    def stop(self):
        self.api.stop()
        assert self.server.stop() == 0, self.server.text()[-3000:]


@pytest.fixture
def world(tmp_path):
    made = []

    def make(*args, **kwargs):
        made.append(World(tmp_path, *args, **kwargs))
        return made[0]
    yield make
    for w in made:
        w.stop()


def test_the_articles_inbound_script(world):
    w = world()
    reply = w.receive("eve@spoofed.example")
    assert reply.startswith("550 5.7.1 The messages violates the DMARC policy of spoofed.example (")
    assert w.receive("carl@other.example").startswith("250")


def test_the_articles_outbound_script(world):
    w = world()
    assert w.submit().startswith("250")
    assert w.api.calls == ["/v1?type=dkim&user=ann&domain=example.com"]
    assert dkim.verify(w.server.message(), dnsfunc=lambda name, timeout=5: w.record.encode())


def test_without_a_key_nothing_is_signed(world):
    w = world()
    w.answer = {}
    assert w.submit().startswith("250")
    assert b"DKIM-Signature" not in w.server.message()


OVERRIDE = """
if ($senderdomain == "other.example") Defer("not now");
function Deliver(...$args) {
	global $senderdomain, $saslusername;
	$dkim = api_call("?type=dkim&user=$1&domain=$2", [$saslusername, $senderdomain]);
	if (is_array($dkim))
		DKIMSign($dkim["selector"], $dkim["domain"], $dkim["rsakey"]);
	builtin Deliver(...$args);
	echo "never reached";
}
"""


def test_an_override_of_deliver_is_the_end_of_every_path(world):
    w = world(outbound=OVERRIDE)
    assert w.submit().startswith("250")
    assert dkim.verify(w.server.message(), dnsfunc=lambda name, timeout=5: w.record.encode())
    assert "never reached" not in w.server.text()


def test_an_override_that_delivers_nothing_is_an_error(world):
    w = world(inbound="function Deliver() { echo 1; }")
    assert w.receive().startswith("451 4.3.0")
    w.logged("Deliver, redefined at inbound.hsl:1, returned without builtin.Deliver")


def test_final_actions_go_through_every_catch(world):
    w = world(inbound="""
        function leave() { try { Reject("left"); } catch ($e) { echo "caught"; } }
        try { foreach ([1, 2] as $x) { $f = function () { leave(); }; $f(); } }
        catch ($e) { echo "caught"; }
        Defer("too late");""")
    assert w.receive().startswith("550 5.7.1 left")
    assert "caught" not in w.server.text()


@pytest.mark.parametrize("script, words", [
    ("forever { $x = 1; }", "steps"),
    ("$a = [1]; forever { try { $a[] = $a; } catch ($e) { } }", "more than"),
    ('$s = "x"; forever { $s = $s . $s; }', "memory"),
    ("function f($n) { return f($n + 1) + 1; } f(1);", "inbound.hsl:1"),
])
def test_runaways_end(world, script, words):
    w = world(inbound=script)
    assert w.receive().startswith("451 4.3.0")
    w.logged(words)


def test_errors_name_the_line_of_the_script(world):
    w = world(inbound="""$x = 1;

function look($a) {
	return $a["x"] . none;
}
echo look(["x" => 1]);
""")
    assert w.receive().startswith("451 4.3.0")
    w.logged("inbound.hsl:4: none can't be made a string")
    w.logged("in look")


def test_compile_errors_refuse_the_policy(tmp_path):
    cert, key = certificate(tmp_path)
    server = Sluice(tmp_path / "server", CONFIG.replace("API", "http://127.0.0.1:1"), {
        "inbound.hsl": "if ($x && $y) { }\necho \u201cx\u201d;", "outbound.hsl": OUTBOUND,
        "zone.txt": ZONE, "mx.pem": cert, "keys/mx.pem": key, "users": ""})
    server.start(expect=False)
    server.process.wait(20)
    text = server.text()
    assert "inbound.hsl:1:8: there is no operator '&&'" in text and "'and'" in text
    assert "inbound.hsl:2:6: a curly quote" in text


LIBRARY = """
function api_key($user, $domain) {
	return cache ["ttl" => 60, "size" => 1000] api_call("?type=dkim&user=$1&domain=$2", [$user, $domain]);
}
function count_up() { global $counter; $counter += 1; return $counter; }
$from_library = "l" . ($counter ?? "unset");
"""


def test_include_pastes_functions_and_variables(world):
    w = world(inbound="""
        $counter = 5;
        $before = early();
        include "file:1";
        include_once "lib/once.hsl"; include_once "file://lib/once.hsl";
        Reject("$before $from_library " . count_up() . " $counter $once");
        """, files={"lib/api.hsl": LIBRARY, "lib/once.hsl": """
            $once = ($once ?? 0) + 1;
            function early() { return "early"; }"""},
        keys='files = { ["1"] = "lib/api.hsl" },')
    assert w.receive() == "550 5.7.1 early l5 6 6 1"


def test_an_included_lua_file_runs_in_the_same_names(world):
    w = world(inbound="""
        function shout($s) { return str_upper($s) . "!"; }
        include "tail.lua";
        Reject(from_lua("x"));
        """, files={"tail.lua": "function from_lua(s) return shout(s) .. type(s) end"})
    assert w.receive() == "550 5.7.1 X!string"


def test_lua_overrides_and_reads_what_hsl_gives(world):
    w = world(inbound="""
        include "over.lua";
        Deliver(["metadata" => ["a" => "b"]]);
        """, files={"over.lua": """function Deliver(options)
            local n = 0
            for k, v in pairs(options.metadata) do n = n + 1 end
            Reject(options.metadata.a .. n)
        end"""})
    assert w.receive() == "550 5.7.1 b1"


def test_errors_of_included_files_have_their_place(tmp_path):
    (tmp_path / "sluice.lua").write_text('''return { hostname = "mx.example.org",
        listen = { { smtp = "127.0.0.1:2525", server = "s" } }, servers = { s = { flows = {
        data = "a.hsl" } } } }''')
    (tmp_path / "a.hsl").write_text('include "b.hsl";\ninclude "none.hsl";\n')
    (tmp_path / "b.hsl").write_text('include "a.hsl";\n$a = ;\n')
    text = subprocess.run([SLUICE, "check", tmp_path], capture_output=True, text=True).stdout
    assert 'a.hsl:2:1: error: "none.hsl" is not in the policy' in text
    assert "b.hsl:2:6: error: ';' can't begin a value" in text
    (tmp_path / "a.hsl").write_text('include "b.hsl";\n')
    (tmp_path / "b.hsl").write_text('include "a.hsl";\n')
    text = subprocess.run([SLUICE, "check", tmp_path], capture_output=True, text=True).stdout
    assert "b.hsl includes itself" in text or "a.hsl includes itself" in text


def test_check_warns(tmp_path):
    (tmp_path / "sluice.lua").write_text('''return { hostname = "mx.example.org",
        listen = { { smtp = "127.0.0.1:2525", server = "s" } }, servers = { s = { flows = {
        data = "a.hsl" } } } }''')
    (tmp_path / "a.hsl").write_text("""$unused = 1;
if (GetHeadr("X") and 1 or 0) { Reject(); echo $sendrip; }
function Deliver() { global $x; if ($x) $y = 1; echo $y; echo $senderip; }
function dnstxt($name) { return ["injected"]; }
function uuid() { return builtin uuid(); }
if (true) { function conditional() { } }
echo $a & 1 == 0; echo ($a & 1) == 0; echo 2 > 1 << 3; echo "\\d \\\\d ${}";
""")
    result = subprocess.run([SLUICE, "check", tmp_path], capture_output=True, text=True)
    assert result.returncode == 0
    for words in ("a.hsl:1:1: warning: $unused is assigned and never used",
                  "a.hsl:2:5: warning: there is no function GetHeadr here", "GetHeader?",
                  "a.hsl:2:25: warning: 'and' binds tighter than 'or'",
                  "a.hsl:2:43: warning: this is never reached: Reject ends the script",
                  "$senderip?", "a.hsl:3:54: warning: $y may not be assigned here",
                  "Deliver is redefined and never calls builtin Deliver",
                  "a.hsl:4:1: warning: dnstxt is redefined and never calls builtin dnstxt",
                  "functions see facts by: global $senderip;",
                  "a.hsl:7:13: warning: '&' binds tighter than '=='",
                  "a.hsl:7:46: warning: '<<' binds tighter than '>'",
                  "a.hsl:7:62: warning: \\\\d is no escape: the backslash stays",
                  "a.hsl:7:69: warning: '${' without a name and } stays as it is",
                  "a.hsl:6:13: warning: this function is there wherever it stands, whether its block is run"):
        assert words in result.stdout, words + "\n" + result.stdout
    assert "uuid" not in result.stdout and result.stdout.count("a.hsl:7:") == 5, result.stdout


def test_check_knows_the_functions_of_other_elements(tmp_path):
    (tmp_path / "sluice.lua").write_text('''return { hostname = "mx.example.org",
        listen = { { smtp = "127.0.0.1:2525", server = "s" } }, servers = { s = { flows = {
        data = { "a.hsl", "b.lua", "c.hsl" } } } } }''')
    (tmp_path / "a.hsl").write_text("function shared($x) { return $x; }")
    (tmp_path / "b.lua").write_text("function of_lua(x) return x end")
    (tmp_path / "c.hsl").write_text("echo shared(1) . of_lua(2);\necho share(1) . of_lu(1);")
    result = subprocess.run([SLUICE, "check", "--json", tmp_path], capture_output=True, text=True)
    assert [(f["file"], f["line"], f["text"]) for f in json.loads(result.stdout)] == [
        ("c.hsl", 2, "there is no function share here"), ("c.hsl", 2, "there is no function of_lu here")]


WRONG_CALLS = """$ips = dns4("a.example", ["timeot" => 5]);
if (DKIMSign("s", "example.org", "pki:none", ["algorithm" => "sha256"])) Reject("x", ["cod" => 550]);
echo strlen("a", "b") . $ips . $retry;
SetMailTransport("mailtransport:nowhere");
function f($x) { global $destination; echo md5(); echo cache [] md5(...$destination, 1, 2); }
function trim($s, $more) { return builtin trim($s, 1, 2, 3); }
f(trim(1, 2));
Retry();
mail("", "a@example.org", "s", "t", "", ["dely" => 1]);
"""


def test_check_knows_the_builtins_that_hsl_calls(tmp_path):
    """What it knows of Lua's calls it knows of HSL's: arguments, options, phases, names of sluice.lua."""
    (tmp_path / "sluice.lua").write_text('''return { hostname = "mx.example.org",
        listen = { { smtp = "127.0.0.1:2525", server = "s" } }, servers = { s = { flows = {
        data = "a.hsl" } } } }''')
    (tmp_path / "a.hsl").write_text(WRONG_CALLS)
    result = subprocess.run([SLUICE, "check", "--json", tmp_path], capture_output=True, text=True)
    found = [(f["line"], f["column"], f["severity"], f["text"]) for f in json.loads(result.stdout)]
    wanted = [
        (1, 27, "error", 'dns4: option "timeot" is unknown (timeout?)'),
        (2, 34, "error", "the policy has no keys/none.pem"),
        (2, 87, "error", 'Reject: option "cod" is unknown (code?)'),
        (3, 6, "warning", "strlen takes 1 argument, 2 given"),
        (3, 32, "error", "$retry isn't known in data"),
        (4, 18, "error", 'transport "nowhere" is not in sluice.lua'),
        (5, 25, "error", "$destination isn't known in data"),
        (5, 44, "error", "md5 takes 1 to 2 arguments, 0 given"),
        (6, 35, "warning", "trim takes 1 to 2 arguments, 4 given"),
        (8, 1, "error", "Retry can't be called in data"),
        (9, 42, "error", 'mail: option "dely" is unknown (delay?)'),
    ]
    for finding in wanted:
        assert finding in found, (finding, found)
    assert [f[:2] for f in found] == sorted(f[:2] for f in found)
    assert len([f for f in found if f[0] == 7]) == 0, found


RECURSION = """function even($n) { return $n == 0 ? true : odd($n - 1); }
function odd($n) { return $n == 0 ? false : even($n - 1); }
function all($list) { return array_map(function ($x) { return is_array($x) ? all($x) : $x; }, $list); }
function above() { return even(4); }
echo above() . count(all([1, [2]]));
"""


@pytest.mark.parametrize("level, mark, warned", [
    (2016, "", True), (2026, "", False), (2026, "// level: 2016\n", True), (2016, "// level: 2026\n", False)])
def test_check_warns_of_recursion_at_level_2016(tmp_path, level, mark, warned):
    (tmp_path / "sluice.lua").write_text('''return { hostname = "mx.example.org", level = LEVEL,
        listen = { { smtp = "127.0.0.1:2525", server = "s" } }, servers = { s = { flows = {
        data = "a.hsl" } } } }'''.replace("LEVEL", str(level)))
    (tmp_path / "a.hsl").write_text(mark + RECURSION)
    result = subprocess.run([SLUICE, "check", tmp_path], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    lines = [line for line in result.stdout.splitlines() if "recursion isn't allowed at level 2016" in line]
    first = mark.count("\n")
    assert [line.split(": ")[0].rsplit(":", 1)[0] for line in lines] == \
        ([f"a.hsl:{first + 2}", f"a.hsl:{first + 3}"] if warned else []), result.stdout


def test_an_error_says_how_the_script_came_there(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/join.hsl").write_text("function join($x) {\n\treturn \"a\" . $x;\n}\n")
    script = tmp_path / "p.hsl"
    script.write_text("""include "lib/join.hsl";
class Row {
	constructor($x) {
		try { $this->text = join($x); } catch ($e) { $this->text = join([]); }
	}
}
$make = function ($x) {
	return Row($x);
};
echo array_map($make, [[1]]);
""")
    result = subprocess.run([SLUICE, "exec", script], capture_output=True, text=True)
    p = str(script)
    assert result.stderr.splitlines()[-1] == (       # whole paths, however long
        f"in join, called by constructor at {p}:4, called by a function at {p}:8, called at {p}:10")
    assert result.stderr.startswith("lib/join.hsl:2: array can't be made a string\n"
                                    '    return "a" . $x;\n')


def test_a_builtin_that_sluice_does_not_have_is_refused(tmp_path):
    script = tmp_path / "x.hsl"
    script.write_text('echo ScanSA();')
    result = subprocess.run([SLUICE, "exec", script], capture_output=True, text=True)
    assert "x.hsl:1:6: ScanSA isn't built in this version" in result.stderr
    assert "a commercial scanner" in result.stderr


def test_level_2016(world):
    w = world(inbound="""Reject("[" . GetHeader("X-None") . "] $serverid $transportid");""",
              keys="level = 2016,")
    client = w.server.client()
    client.say("EHLO client.example")
    assert client.send("a@other.example", ["bob@example.org"], text_message())[1] == \
        "550 5.7.1 [] mailserver:inbound mailtransport:mailbox"
    client.close()


def test_level_2016_refuses_recipients_that_nobody_accepted(world):
    w = world(files={"rcptto.hsl": 'if ($recipient == "bob@example.org") Accept();'},
              keys="level = 2016,")
    client = w.server.client()
    client.say("EHLO client.example")
    client.say("MAIL FROM:<a@other.example>")
    assert client.say("RCPT TO:<bob@example.org>").startswith("250")
    assert client.say("RCPT TO:<eve@example.org>").startswith("550")
    client.close()


ABSENT = """Reject("[" . (GetHeader("X-None") ?? "none") . "] $serverid");"""


@pytest.mark.parametrize("policy, script, reply", [
    ("2026", "// level: 2016\n" + ABSENT, "[] mailserver:inbound"),
    ("2016", "\n\n\n\n//level:2026\r\n" + ABSENT, "[none] inbound"),
    ("2016", "\n\n\n\n\n// level: 2026\n" + ABSENT, "[] mailserver:inbound"),
    ("2026", 'include "lib/old.hsl"; Reject(old() . " $serverid");', "[] inbound"),
])
def test_a_file_says_its_level(world, policy, script, reply):
    w = world(inbound=script, keys=f"level = {policy},", files={
        "rcptto.hsl": "Accept();",
        "lib/old.hsl": '// level: 2016\nfunction old() { return "[" . GetHeader("X-None") . "]"; }'})
    assert w.receive() == "550 5.7.1 " + reply


def test_a_flow_ends_as_its_last_scripts_level_says(world):
    w = world(files={"rcptto.hsl": '// level: 2016\nif ($recipient == "bob@example.org") Accept();'})
    client = w.server.client()
    client.say("EHLO client.example")
    client.say("MAIL FROM:<a@other.example>")
    assert client.say("RCPT TO:<bob@example.org>").startswith("250")
    assert client.say("RCPT TO:<eve@example.org>").startswith("550")
    client.close()


def test_a_level_that_is_none_is_a_warning(tmp_path):
    (tmp_path / "sluice.lua").write_text('''return { hostname = "mx.example.org",
        listen = { { smtp = "127.0.0.1:2525", server = "s" } }, servers = { s = { flows = {
        data = "a.hsl" } } } }''')
    (tmp_path / "a.hsl").write_text("// level: 2015\nAccept();\n")
    result = subprocess.run([SLUICE, "check", tmp_path], capture_output=True, text=True)
    assert "a.hsl:1:1: warning: there is no level 2015" in result.stdout


def test_context_is_written_and_facts_are_not(world):
    w = world(files={"mailfrom.hsl": """
        $context["list"][] = 1; $context["list"][] = 2; $context["n"] = 5;
        function f() { global $context; $context["n"] += 1; }
        f();"""}, inbound="""
        foreach ($context["list"] as $x) $sum = ($sum ?? 0) + $x;
        try { $recipients[] = "x"; } catch ($e) { $m = $e->message(); }
        Reject("$sum " . $context["n"] . " $m");""")
    assert w.receive() == "550 5.7.1 3 6 $recipients is a fact of the phase and can't be assigned"


def test_a_script_that_ends_in_a_barrier_gives_the_lock_back(world):
    w = world(inbound="""
        if ($senderdomain == "loop.example") barrier "x" { forever { $i = 1; } }
        barrier "x" { Reject("inside"); }""")
    for sender in ("a@other.example", "a@loop.example", "a@other.example"):
        reply = w.receive(sender)
        assert reply.startswith("451 4.3.0" if "loop" in sender else "550 5.7.1 inside"), reply


def test_a_builtin_without_its_argument_gives_none_and_an_event(world):
    w = world(inbound="""
        $answer = json_decode(http(none));
        Reject(is_array($answer) ? "array" : "none");""")
    assert w.receive() == "550 5.7.1 none"
    w.logged("none_argument")
    w.logged("builtin=json_decode where=inbound.hsl:2")


def test_what_scripts_echo_is_in_the_log(world):
    w = world(inbound='echo ["k" => [1, none]]; echo "of $messageid"; Reject($messageid);',
              keys='  log = { level = "debug" },\n')
    id_ = w.receive().split()[-1]
    w.logged(f'id={id_} text="of {id_}"')
    assert f'id={id_} text="[\\"k\\"=>[0=>1,1=>none]]"' in w.server.text(), w.server.text()


def test_the_lua_of_a_script_can_be_read(tmp_path):
    script = tmp_path / "x.hsl"
    script.write_text('$x = 1;\n\nif ($x == 1) Reject("no");\n')
    text = subprocess.run([SLUICE, "hsl", script], capture_output=True, text=True).stdout
    lines = text.splitlines()
    assert lines[0] == "-- $x = 1;" and "x = 1.0;" in lines[1]
    assert lines[2] == '-- if ($x == 1) Reject("no");' and 'E.Reject("no")' in lines[3]
    script.write_text("$x = ;")
    result = subprocess.run([SLUICE, "hsl", script], capture_output=True, text=True)
    assert result.returncode == 1 and "x.hsl:1:6: ';' can't begin a value" in result.stderr


def test_lines_that_ran_are_counted_once_per_file():
    text = subprocess.run([SLUICE, "test", ROOT / "examples/hsl/policy", "--coverage"],
                          capture_output=True, text=True).stdout
    rows = [line.split()[0] for line in text.splitlines() if ".hsl " in line]
    assert "lib/srs.hsl" in rows and len(set(rows)) == len(rows), text
    assert not any(line.startswith("include ") for line in text.splitlines()), text


def test_dmarc_in_hsl_with_a_dns_of_its_own():
    done = subprocess.run([SLUICE, "exec", ROOT / "examples/hsl/dmarc/check.hsl"], capture_output=True, text=True,
                          timeout=60)
    assert (done.stdout, done.stderr) == ("15 cases\n", "")
