"""sluice test: the policies' own tests, and what the harness must notice."""
import re
import shutil
import socket
import subprocess
import time
import xml.etree.ElementTree

import pytest

from harness import ROOT, SLUICE, certificate, needs, password_hash

POLICIES = sorted(path.parent.relative_to(ROOT)
                  for folder in ("scripts", "examples") for path in (ROOT / folder).glob("**/sluice.lua"))


def run(policy, *args):
    return subprocess.run([SLUICE, "test", policy, *map(str, args)], capture_output=True, text=True,
                          timeout=120)


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_policies(policy, tmp_path):
    """Each with the files that its operator makes: keys, certificate, account, token."""
    folder = shutil.copytree(ROOT / policy, tmp_path / "policy")
    cert, key = certificate(tmp_path)
    (folder / "keys").mkdir(exist_ok=True)
    (folder / "secrets").mkdir(exist_ok=True)
    (folder / "mx.pem").write_text(cert)
    (folder / "keys/mx.pem").write_text(key)
    for name in ("example.com", "example.org/s1"):
        (folder / f"keys/{name}").parent.mkdir(exist_ok=True)
        subprocess.run(["openssl", "genrsa", "-out", folder / f"keys/{name}.pem", "2048"], check=True,
                       capture_output=True)
    (folder / "users").write_text(f"ann:{password_hash('secret')}:example.com,example.org\n")
    (folder / "secrets/api-token").write_text("token\n")
    done = run(folder, "--coverage")
    needs("PCRE2", done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    *covered, last = done.stdout.splitlines()
    assert re.fullmatch(r"[1-9]\d* passed, 0 failed", last)
    assert covered and all((folder / line.split("  ")[0]).is_file() for line in covered)


CONFIG = """
return {
  hostname = "mx.example.org",
  listen = { { smtp = "127.0.0.1:2525", server = "inbound" } },
  servers = { inbound = { flows = { connect = "connect.lua", data = "data.lua" },
                          relay = { ["example.org"] = { transport = "box" } } } },
  transports = { box = { discard = true } },
}
"""
DATA = """
if GetHeader("X-Ask") then
  local txt, err = dnstxt(GetHeader("X-Ask"))
  if err then Defer("no answer: " .. err) end
end
if GetHeader("X-Get") then
  local body, err, code = http(GetHeader("X-Get"), { timeout = 30 })
  if not body then Defer("http: " .. code) end
  AddHeader("X-Got", body)
end
if GetHeader("X-Rate") and not rate("n", "x", 1, 60) then Reject("too many") end
if GetHeader("X-Break") then error("broken on purpose") end
if GetHeader("X-Time") then AddHeader("X-Is", tostring(time())) end
"""
CASES = """
before(function(t)
  t:given{ ip = "192.0.2.1", helo = "client.example", from = "a@client.example", to = "b@example.org" }
end)
local function message(name, value)
  return { message = { From = "a@client.example", [name] = value, body = "x\\n" } }
end
"""


@pytest.fixture
def policy(tmp_path):
    folder = tmp_path / "policy"
    (folder / "tests").mkdir(parents=True)
    (folder / "sluice.lua").write_text(CONFIG)
    (folder / "connect.lua").write_text('if senderip == "192.0.2.66" then Reject("go away") end\n')
    (folder / "data.lua").write_text(DATA)
    return folder


def cases(policy, text, *args):
    (policy / "tests/a_test.lua").write_text(CASES + text)
    return run(policy, *args)


PASSES = {
    "names": """
        t:dns{ ["one.example"] = { TXT = { 'a "quoted" one', "two" } }, ["gone.example"] = "NXDOMAIN" }
        t:dns[[
          $ORIGIN more.example.
          @ TXT "x"
        ]]
        local r = t:smtp(message("X-Ask", "one.example"))
        t:expect(r, { verdict = "Deliver", messages = 1 })
        t:equal(r.dns, { { type = "TXT", name = "one.example" } })
        t:expect(t:smtp(message("X-Ask", "gone.example")), { verdict = "Deliver" })
        t:expect(t:smtp(message("X-Ask", "more.example")), { verdict = "Deliver" })""",
    "a name that fails, and one that is late": """
        t:dns{ ["bad.example"] = "SERVFAIL", ["late.example"] = { TXT = "x", DELAY = 2000 },
          ["never.example"] = "TIMEOUT" }
        t:expect(t:smtp(message("X-Ask", "bad.example")), { verdict = "Defer" })
        local before = t:clock()
        t:clock(before)
        t:expect(t:smtp(message("X-Ask", "late.example")), { verdict = "Deliver" })
        t:check(t:clock() - before >= 2)
        t:expect(t:smtp(message("X-Ask", "never.example")), { verdict = "Defer" })""",
    "routes": """
        t:http{ ["GET https://a.example/x*"] = { status = 200, body = "one", headers = { A = "b" } },
          ["https://a.example/list"] = { "first", { fail = "tls" }, { body = "last", delay = 29 } } }
        local r = t:smtp(message("X-Get", "https://a.example/xyz?q=1"))
        t:equal(r.messages[1]:header("X-Got"), "one")
        t:equal(r.http, { { method = "GET", url = "https://a.example/xyz?q=1", headers = {} } })
        local list = message("X-Get", "https://a.example/list")
        t:equal(t:smtp(list).messages[1]:header("X-Got"), "first")
        t:expect(t:smtp(list), { verdict = "Defer", reply = "tls" })
        t:equal(t:smtp(list).messages[1]:header("X-Got"), "last")
        t:equal(t:smtp(list).messages[1]:header("X-Got"), "last")""",
    "an answer after the deadline": """
        t:http{ ["https://a.example/"] = { body = "x", delay = 31 } }
        t:expect(t:smtp(message("X-Get", "https://a.example/")), { verdict = "Defer", reply = "timeout" })""",
    "state is a case's own, and passes with its time": """
        t:expect(t:smtp(message("X-Rate", "1")), { verdict = "Deliver" })
        t:expect(t:smtp(message("X-Rate", "1")), { verdict = "Reject", code = 550, reply = "too many" })
        t:wait(70)
        t:expect(t:smtp(message("X-Rate", "1")), { verdict = "Deliver" })""",
    "the clock": """
        t:clock("2026-03-01T12:30:05Z")
        t:match(t:smtp(message("X-Time", "1")).messages[1]:header("X-Is"), "^17723682%d%d")
        t:equal(t:clock("1970-01-02"), 86400)""",
    "an expected script error": """
        t:script_error("broken on purpose")
        t:expect(t:smtp(message("X-Break", "1")), { code = 451, failed = true })""",
    "a refused connection": """
        t:expect(t:smtp{ ip = "192.0.2.66" }, { phase = "connect", where = "connect.lua:1" })""",
    "several messages on a connection": """
        local s = t:connect()
        t:check(s.live)
        t:expect(s:send(message("X-Rate", "1")), { verdict = "Deliver", messages = 1 })
        t:expect(s:send(message("X-Rate", "1")), { verdict = "Reject", messages = 0 })
        s:close()""",
    "recipients apart": """
        local o = message("Subject", "x")
        o.to = { "b@example.org", "c@elsewhere.example", "d@example.org" }
        local r = t:smtp(o)
        t:equal(r.messages[1].to, { "b@example.org", "d@example.org" })
        t:equal(r.steps[5].code, 550)""",
}

FAILS = {
    "a name that nobody answers": (
        't:smtp(message("X-Ask", "lost.example"))', "DNS: nobody answered TXT lost.example"),
    "a page that nobody answers": (
        't:smtp(message("X-Get", "https://a.example/q?x=1"))',
        "HTTP: nobody answered GET https://a.example/q?x=1"),
    "a script error": ('t:smtp(message("X-Break", "1"))', "script error: data.lua:12:30: broken on purpose"),
    "a script error that doesn't come": (
        't:script_error("broken") t:smtp(message("Subject", "x"))', 'no script error with "broken"'),
    "another verdict": (
        't:expect(t:smtp(message("Subject", "x")), { verdict = "Reject", code = 550, messages = 1 })',
        'code: expected 550, found 250\n    verdict: expected "Reject", found "Deliver"\n'
        '      in data, decided at default: 250 '),
    "another text": ('t:equal("a\\nb\\nc\\n", "a\\nx\\nc\\n")', "line 2:\n      - x\n      + b"),
    "another table": ('t:equal({ a = { 1, 2 } }, { a = { 1, 3 } }, "r")', "r.a[2]: expected 3, found 2"),
    "what is needed and not said": ('t.defaults.ip = nil t:smtp()', "smtp: ip is needed"),
    "an option that isn't": ('t:smtp{ heloo = "x" }', "smtp: there is no heloo"),
    "a broken zone": ('t:dns("example.org TXT \\"x\\n")', "dns: zone line 2, column 1: a quote isn't closed"),
    "a key of a route that isn't": ('t:http{ ["https://a.example/"] = { bdy = "x" } }', "there is no bdy"),
    "an error of the test": ("local x = nil x.y()", "attempt to index a nil value (local 'x')"),
}


@pytest.mark.parametrize("name", PASSES)
def test_passes(policy, name):
    done = cases(policy, f'test("it", function(t) {PASSES[name]} end)\n')
    assert done.stdout == "1 passed, 0 failed\n", done.stdout + done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("name", FAILS)
def test_fails(policy, name):
    text, why = FAILS[name]
    done = cases(policy, f'test("it", function(t)\n{text}\nend)\ntest("other", function() end)\n')
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL tests/a_test.lua: it\n")
    assert why in done.stdout
    assert done.stdout.endswith("1 passed, 1 failed\n")


HSL = """
before(function ($t) {
	$t->given(["ip" => "192.0.2.1", "helo" => "x", "from" => "a@client.example", "to" => "b@example.org"]);
});
function message($name, $value) {
	return ["message" => ["From" => "a@client.example", $name => $value, "body" => "x"]];
}
"""
HSL_PASSES = {
    "names and pages": """
        $t->dns(["one.example" => ["TXT" => ["a", "b"]]]);
        $t->dns("two.example. TXT c");
        $t->http(["https://a.example/*" => ["first", ["body" => "last", "delay" => 29]],
            "GET https://b.example/" => ["fail" => "tls"]]);
        $r = $t->smtp(message("X-Ask", "one.example"));
        $t->equal($r["dns"], [["type" => "TXT", "name" => "one.example"]]);
        $t->equal($t->smtp(message("X-Ask", "two.example"))["verdict"], "Deliver");
        $t->equal($t->header($t->smtp(message("X-Get", "https://a.example/"))["messages"][0], "X-Got"), "first");
        $r = $t->smtp(message("X-Get", "https://a.example/"));
        $t->equal($t->headers($r["messages"][0], "X-Got"), ["last"]);
        $t->expect($t->smtp(message("X-Get", "https://b.example/")), ["reply" => "tls"]);""",
    "the clock": """
        $t->clock("2026-03-01T12:30:05Z");
        $t->equal($t->clock(), 1772368205);
        $t->wait(5);
        $t->check($t->clock() == 1772368210);""",
    "bytes that are no UTF-8": """
        $t->equal($t->read("raw"), "caf\\xef\\xbf\\xbd");""",
    "many calls": """
        for ($i = 0; $i < 300; $i++) $t->check(true);""",
    "a failure that is caught": """
        try { $t->check(false); } catch ($e) { $t->check($e != ""); }""",
    "a key, a script error": """
        $t->match($t->key("ed25519")["private"], "PRIVATE");
        $t->script_error("broken on purpose");
        $t->smtp(message("X-Break", "1"));""",
}
HSL_FAILS = {
    "another verdict": ('$t->expect($t->smtp(message("Subject", "x")), ["code" => 550]);',
                        "tests/a_test.hsl:9: code: expected 550, found 250"),
    "a name that nobody answers": ('$t->smtp(message("X-Ask", "lost.example"));',
                                   "DNS: nobody answered TXT lost.example"),
    "an error of the test": ("$x = $nope;", "tests/a_test.hsl:9:6: $nope is not assigned"),
    "an error after a failure": ("try { $t->check(false, \"not this\"); } catch ($e) { } $x = $nope;",
                                 "$nope is not assigned"),
    "a method that isn't": ("$t->smpt();", "tests/a_test.hsl:9: there is no smpt"),
    "a method of a session": ('$s = $t->connect(); $s->sned([]);', "a session has no sned"),
    "bytes": ('$t->smtp(message("Subject", "\\xff"));', "a_test.hsl:9: what is given has to be plain data"),
    "a loop": ("while (true) { }", "more than 10000000 steps"),
    "another text": ('$t->equal("a\\nb\\n", "a\\nx\\n");', "line 2:\n      - x\n      + b"),
}


@pytest.mark.parametrize("name", HSL_PASSES)
def test_hsl_passes(policy, name):
    (policy / "raw").write_bytes(b"caf\xe9")
    (policy / "tests/a_test.hsl").write_text(
        HSL + f'test("it", function ($t) {{\n{HSL_PASSES[name]}\n}});\n')
    done = run(policy)
    assert done.stdout == "1 passed, 0 failed\n", done.stdout + done.stderr


@pytest.mark.parametrize("name", HSL_FAILS)
def test_hsl_fails(policy, name):
    text, why = HSL_FAILS[name]
    (policy / "tests/a_test.hsl").write_text(
        HSL + f'test("it", function ($t) {{\n{text}\n}});\ntest("other", function () {{ }});\n')
    done = run(policy)
    assert done.stdout.startswith("FAIL tests/a_test.hsl: it\n")
    assert why in done.stdout and done.stdout.endswith("1 passed, 1 failed\n"), done.stdout


def test_both_languages(policy):
    """Each HSL file is alone with its cases; what doesn't compile is told."""
    for name in ("b", "c"):
        (policy / f"tests/{name}_test.hsl").write_text(
            HSL + 'test("rows", ["x" => 1, "y" => 2], function ($t, $n, $key) {\n'
            '  $t->check($n == 1 or $key == "y");\n});\n')
    (policy / "tests/d_test.hsl").write_text("$x = = 1;\n")
    (policy / "tests/e_test.hsl").write_text("$t = 1;\nsmtp_nothing();\n")
    done = cases(policy, 'test("it", function() end)\n', "--tap")
    assert [line for line in done.stdout.splitlines() if line.startswith(("ok", "not"))] == [
        "ok 1 - tests/a_test.lua: it", "ok 2 - tests/b_test.hsl: rows: x", "ok 3 - tests/b_test.hsl: rows: y",
        "ok 4 - tests/c_test.hsl: rows: x", "ok 5 - tests/c_test.hsl: rows: y",
        "not ok 6 - tests/d_test.hsl: loads", "not ok 7 - tests/e_test.hsl: loads"]
    assert "tests/d_test.hsl:1:6: '=' can't begin a value" in done.stdout
    assert "smtp_nothing" in done.stdout


def test_a_thousand_cases_of_hsl(policy):
    (policy / "tests/a_test.hsl").write_text(HSL + """
        $rows = [];
        for ($i = 0; $i < 1000; $i++) $rows[] = $i;
        test("case", $rows, function ($t, $i) {
          $t->dns(["one.example" => ["TXT" => "x"]]);
          $t->expect($t->smtp(message("X-Ask", "one.example")), ["messages" => 1]);
        });""")
    began = time.monotonic()
    done = run(policy)
    assert done.stdout == "1000 passed, 0 failed\n", done.stdout[-1000:]
    print(f"1000 cases in {time.monotonic() - began:.2f} s")


def test_rows_filter_and_reports(policy, tmp_path):
    text = ('test("rows", { one = 1, ["two <&>"] = 2 }, function(t, n) t:equal(n, 1) end)\n'
            'test("list", { { name = "first", 1 }, { 2 } }, function(t, row) t:check(row[1]) end)\n')
    done = cases(policy, text, "--junit", tmp_path / "junit.xml")
    assert done.stdout.endswith("3 passed, 1 failed\n") and "rows: two <&>" in done.stdout
    suite = xml.etree.ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert [c.get("name") for c in suite] == ["rows: one", "rows: two <&>", "list: first", "list: 2"]
    assert suite.get("failures") == "1" and "expected 1, found 2" in suite[1][0].text
    done = run(policy, "--filter", "list: first", "--tap")
    assert done.stdout == ("TAP version 14\nok 1 - tests/a_test.lua: list: first\n1..1\n"
                           "# 1 passed, 0 failed\n")
    done = run(policy, "--filter", "nothing has this name")
    assert done.returncode == 1 and "no case was run" in done.stderr


def test_a_report_that_cannot_be_written(policy, tmp_path):
    for option in ("--junit", "--lcov"):
        done = cases(policy, 'test("a", function() end)\n', option, tmp_path / "nowhere" / "report")
        assert done.returncode == 2 and done.stdout.endswith("1 passed, 0 failed\n")
        assert re.fullmatch("sluice: .*/nowhere/report: No such file or directory\n", done.stderr)


def test_broken_files(policy):
    (policy / "tests/b_test.lua").write_text("this is no Lua\n")
    done = cases(policy, 'test("it", function() end)\n')
    assert done.returncode == 1 and "tests/b_test.lua:1:" in done.stdout
    assert done.stdout.endswith("1 passed, 1 failed\n")
    (policy / "data.lua").write_text("Reject(\n")
    done = run(policy)
    assert done.returncode == 1 and "data.lua:" in done.stderr and done.stdout == ""
    shutil.rmtree(policy / "tests")
    (policy / "data.lua").write_text("")
    assert run(policy).returncode == 2


def test_a_thousand_cases(policy):
    began = time.monotonic()
    done = cases(policy, """
        for i = 1, 1000 do
          test("case " .. i, function(t)
            t:dns{ ["one.example"] = { TXT = "x" } }
            t:expect(t:smtp(message("X-Ask", "one.example")), { messages = 1 })
          end)
        end""")
    assert done.stdout == "1000 passed, 0 failed\n"
    print(f"1000 cases in {time.monotonic() - began:.2f} s")


SCRIPT = """-- line 1 has no code
local function never()
  return 1
end

local t = {
  a = 1,
  b = { function() return 2 end },
}
if recipient == "nobody" then
  Reject("no")
elseif coroutine.wrap(function()
  return true
end)() then
  t.c = t.b[1]()
end
""" + "-- far\n" * 400 + """for i = 1, 3 do
  t.a = i
end
Deliver()
"""


def test_coverage(policy, tmp_path):
    """Far lines, nested functions, and what runs in a coroutine."""
    (policy / "data.lua").write_text(SCRIPT)
    (policy / "lib").mkdir()
    (policy / "lib/unused.lua").write_text("return 1\n")
    done = cases(policy, """
        test("one", function(t) t:expect(t:smtp(message("Subject", "x")), { messages = 1 }) end)
        test("two", function(t) t:expect(t:smtp(message("Subject", "x")), { messages = 1 }) end)
        """, "--coverage", "--lcov", tmp_path / "lcov")
    assert done.returncode == 0, done.stdout
    lines = {line.split()[0]: line.split(None, 1)[1] for line in done.stdout.splitlines()[:-1]}
    assert lines == {"connect.lua": "100.0%  1 of 1 lines",
                     "data.lua": "85.7%  12 of 14 lines; not run: 3, 11",
                     "lib/unused.lua": "0.0%  0 of 1 lines; not run: 1"}
    record = (tmp_path / "lcov").read_text().split("data.lua\n")[1].split("end_of_record")[0]
    hits = dict(map(int, line[3:].split(",")) for line in record.split() if line.startswith("DA:"))
    assert hits[3] == 0 and hits[11] == 0 and hits[418] == 6 and hits[420] == 2
    assert {1, 5, 16, 200} & set(hits) == set()


def test_sockets_go_nowhere(policy):
    """A listener that would answer hears nothing of a test."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.settimeout(0.1)
        (policy / "sluice.lua").write_text(CONFIG.replace("return {", 'return { sockets = { allow = { "127.0.0.1" } },'))
        (policy / "data.lua").write_text('local s = Socket("AF_INET")\nlocal ok, err, code = s:connect("127.0.0.1", '
                                         f'{port})\nif not ok then Defer(code .. ": " .. err) end\n')
        asked = 'local r = t:smtp(message("Subject", "x"))\nt:expect(r, { code = 451, reply = "connect: nobody" })'
        done = cases(policy, f'test("it", function(t) {asked} end)\n')
        assert f"socket: nobody answered 127.0.0.1:{port}\n" in done.stdout and done.returncode == 1
        done = cases(policy, f'test("it", function(t) t:refused("127.0.0.1:{port}")\n{asked}\n'
                     f't:equal(r.sockets, {{ "127.0.0.1:{port}" }}) end)\n')
        assert done.stdout == "1 passed, 0 failed\n"
        with pytest.raises(TimeoutError):
            server.accept()
