"""sluice check: what is wrong with scripts that load."""
import json
import re
import subprocess

import pytest

from harness import ROOT, SLUICE

CONFIG = """
return {
  hostname = "mx.example.org",
  listen = { { smtp = "127.0.0.1:2525", server = "inbound" } },
  servers = { inbound = { flows = { mailfrom = { "both.lua" }, rcptto = "rcptto.lua",
                                    data = { "data.lua", "both.lua" } },
                          relay = { ["example.org"] = { transport = "box",
                                                        flows = { rcptto = "row.lua" } } } } },
  transports = { box = { discard = true } },
  quarantine = { "held" }, files = { ["1"] = "data/list.txt" }, apis = { keys = { url = "http://127.0.0.1:1/" } },
}
"""


@pytest.fixture
def policy(tmp_path):
    (tmp_path / "sluice.lua").write_text(CONFIG)
    for name in ("both", "rcptto", "row", "data", "lib/lists"):
        (tmp_path / (name + ".lua")).parent.mkdir(exist_ok=True)
        (tmp_path / (name + ".lua")).write_text("")
    for name in ("data", "keys"):
        (tmp_path / name).mkdir()
    (tmp_path / "data/list.txt").write_text("x\n")
    (tmp_path / "keys/k.pem").write_text("")
    (tmp_path / "keys/k.pem").chmod(0o600)
    return tmp_path


def check(policy, *args):
    return subprocess.run([SLUICE, "check", policy, *args], capture_output=True, text=True, timeout=60)


def findings(policy):
    done = check(policy, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == any(f["severity"] == "error" for f in found)
    return [(f["file"], f["line"], f["column"], f["severity"], f["code"], f["text"]) for f in found]


WRONG = {
    "an undefined name": (
        "data", "local a = 1\nif saslusernam == 'x' then Reject('no') end\n",
        (2, 4, "error", "undefined-name", "saslusernam is not defined (saslusername?)")),
    "an undefined function": (
        "data", "echo(dnstxtt('x'))\n",
        (1, 6, "error", "undefined-name", "dnstxtt is not defined (dnstxt?)")),
    "of an inner function": (
        "data", "local function f()\n  return function() return nothing end\nend\nf()()\n",
        (2, 28, "error", "undefined-name", "nothing is not defined")),
    "an option": (
        "data", 'DKIMSign("s", "d.example", "k", {\n  canonicalisation_header = "simple" })\n',
        (2, 3, "error", "unknown-option",
         'DKIMSign: option "canonicalisation_header" is unknown (canonicalization_header?)')),
    "an option without parentheses": (
        "data", "Deliver { metadate = {} }\n",
        (1, 11, "error", "unknown-option", 'Deliver: option "metadate" is unknown (metadata?)')),
    "too few arguments": (
        "data", "DKIMSign('s')\n",
        (1, 1, "error", "arguments", "DKIMSign takes 3 to 4 arguments, 1 given")),
    "too many": (
        "data", "Done('x')\n",
        (1, 1, "warning", "arguments", "Done takes 0 arguments, 1 given")),
    "of a class's function": (
        "data", "local t = { String = tostring } t.String()\nlocal m = MailMessage.String()\n",
        (2, 23, "error", "arguments", "MailMessage.String takes 1 argument, 0 given")),
    "a builtin of another phase": (
        "rcptto", "AddHeader('X', 'y')\n",
        (1, 1, "error", "wrong-phase", "AddHeader can't be called in rcptto")),
    "in a flow of a row": (
        "row", "local f = function() AddHeader('X', 'y') end\nf()\n",
        (1, 22, "error", "wrong-phase", "AddHeader can't be called in rcptto")),
    "in some phases of the script": (
        "both", "AddHeader('X', 'y')\n",
        (1, 1, "warning", "wrong-phase", "AddHeader can't be called in mailfrom")),
    "a fact of another phase": (
        "both", "echo(recipient)\n",
        (1, 6, "warning", "wrong-phase", "recipient isn't known in mailfrom")),
    "a module": (
        "data", 'local m = require "acme.keys"\nlocal l = require("lists")\nlocal s = require("blocks.verify_sender")\n',
        (1, 19, "error", "missing-module", 'there is no module "acme.keys"')),
    "an included file": (
        "data", 'include("none.lua")\ninclude "both.lua"\n',
        (1, 9, "error", "missing-file", "the policy has no file none.lua")),
    "a file of data": (
        "data", 'local l = data("none.csv") and data("list.txt")\n',
        (1, 16, "error", "missing-file", "the policy has no file data/none.csv")),
    "a named file": (
        "data", 'local l = in_file("x", "2") or in_file("x", "1") or file "list.txt"\n',
        (1, 24, "error", "missing-file", "the policy has no file data/2")),
    "a key": (
        "data", 'DKIMSign("s", "d.example", "pki:d.example/s")\nDKIMSign("s", "d.example", "pki:k")\n',
        (1, 28, "error", "missing-key", "the policy has no keys/d.example/s.pem")),
    "a transport": (
        "data", 'SetMailTransport("box") Deliver{ transportid = "boxx" }\n',
        (1, 48, "error", "missing-name", 'transport "boxx" is not in sluice.lua (box?)')),
    "a transport of an original": (
        "data", 'function Deliver(o) builtin.Deliver{ transportid = "other" } end\n',
        (1, 52, "error", "missing-name", 'transport "other" is not in sluice.lua')),
    "a quarantine": (
        "data", 'if recipient then Quarantine("held") end Quarantine("spam")\n',
        (1, 53, "error", "missing-name", 'quarantine "spam" is not in sluice.lua')),
    "an API": (
        "data", 'api_call("?x=$1", { "y" }, { api = "keys" }) api_call("?x=$1", {}, { api = "kyes" })\n',
        (1, 76, "error", "missing-name", 'API "kyes" is not in sluice.lua (keys?)')),
    "behind a final action": (
        "data", "if recipient then\n  Reject('no')\n  echo('never')\nend\n",
        (3, 3, "warning", "unreachable", "never runs: Reject in line 2 ends the script")),
    "behind the original": (
        "data", "function Reject(text)\n  builtin.Reject(text)\n  return 1\nend\n",
        (3, 3, "warning", "unreachable", "never runs: Reject in line 2 ends the script")),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(policy, name):
    script, text, finding = WRONG[name]
    (policy / (script + ".lua")).write_text(text)
    assert findings(policy) == [(script + ".lua", *finding)]


RIGHT = """\
-- comments --[[ and texts ]] don't count: nothing, Reject() echo()
--[==[ nothing
]] ]==] local long = [[
nothing "]] .. 'no\\'thing' .. "no\\"thing"
include "shared.lua"
local a <const>, b <close> = 0x1p4, nil
local function recursive(n, ...) return n > 0 and recursive(n - 1, ...) or select("#", ...) end
for i = 1, 3 do local inner = i; own = (own_too or 0) + inner end
for k, v in pairs({ a, [a] = b; x = { y = 1 } }) do echo(k, v) end
local t = { method = function(self) return self end }
function t.f(x) return x end
function t.g.h:m(x) return self, x end
t.x, own_too, t["y"] = 1, 2, 3
t:method(1):method "text":method { 1 }
while true do if a then break end; goto continue; ::continue:: end
repeat local seen = 1 until seen == 1
if not a and -b ~= #long then elseif ~1 == 2 // 3 then else return end
helper(math.huge, string.format("%d", 5), ("x"):rep(2), utf8.char(1), context.message, builtin.echo)
do Deliver({ done = false }) echo("goes on") end
local options = {}
do Deliver(options) echo("may go on") end
function Deliver(o) if a then builtin.Deliver(o) else return end end
for _, x in ipairs { 1 } do Reject(x, options) end
local call = Reject
if call then Defer("later", { code = 450 }) end
"""


def test_right(policy):
    (policy / "data.lua").write_text(RIGHT)
    (policy / "shared.lua").write_text("function helper(...) return own, ... end\n")
    done = check(policy)
    assert (done.stdout, done.returncode) == (f"{policy}: no errors\n", 0)


SOURCES = sorted(ROOT.glob("stdlib/**/*.lua")) + sorted(ROOT.glob("tools/*.lua"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_globals_are_those_of_lua(path, tmp_path):
    """Reads and assignments of globals, beside what Lua's own compiler lists."""
    program = tmp_path / "list.lua"
    program.write_text("""
        local parse = dofile(arg[1])
        local source = io.open(arg[2]):read("a")
        parse(source, { read = function(n) print("GET " .. n) end, assign = function(n) print("SET " .. n) end,
          call = function() end, ends = function() return false end, unreachable = function() end })""")
    ours = subprocess.run(["lua5.4", program, ROOT / "stdlib/check/parser.lua", path], check=True,
                          capture_output=True, text=True).stdout
    listing = subprocess.run(["luac5.4", "-p", "-l", path], check=True, capture_output=True, text=True).stdout
    theirs = {f"{op} {name}" for op, name in re.findall(r'(GET|SET)TABUP.*; _ENV "(\w+)"', listing)}
    assert set(ours.split("\n")) - {""} == theirs


def test_text_and_secrets(policy):
    (policy / "data.lua").write_text("echo(nothing)\n")
    (policy / "keys/a.pem").write_text("x")
    (policy / "keys/a.pem").chmod(0o644)
    done = check(policy)
    assert done.returncode == 1
    assert done.stdout == (
        "data.lua:1:6: error: nothing is not defined [undefined-name]\n"
        "    reading it stops the script: define it, or correct its name\n"
        "keys/a.pem:1:1: warning: others may read it (mode 0644) [readable-secret]\n"
        "    chmod 600\n")
    (policy / "data.lua").write_text("")
    assert check(policy).returncode == 0            # warnings alone
    (policy / "keys/a.pem").chmod(0o600)
    assert check(policy).stdout == f"{policy}: no errors\n"


def test_readable_secrets(policy):
    """Of folders in folders too, and what sluice.lua names elsewhere."""
    (policy / "sluice.lua").write_text(CONFIG.replace("return {\n", 'return { users = "accounts",\n'))
    for name in ("keys/example.org/s1.pem", "secrets/api/token", "accounts"):
        (policy / name).parent.mkdir(parents=True, exist_ok=True)
        (policy / name).write_text("")
        (policy / name).chmod(0o640)
    found = [("accounts", 1, 1), ("keys/example.org/s1.pem", 1, 1), ("secrets/api/token", 1, 1)]
    assert [f[:3] for f in findings(policy)] == found
    assert {f[3:5] for f in findings(policy)} == {("warning", "readable-secret")}
    for name, _, _ in found:
        (policy / name).chmod(0o600)
    assert findings(policy) == []


def test_a_policy_that_relays_for_everybody(policy):
    (policy / "sluice.lua").write_text(CONFIG.replace("return {\n", "return {\n  open_relay = true,\n"))
    assert findings(policy) == [("sluice.lua", 3, 3, "warning", "open-relay",
                                 "open_relay lets anybody send to anybody")]


SYNTAX = {
    "if x then\n": (2, 1, "'end' expected (to close 'if' at line 1) near <eof>"),
    "if x then": (1, 10, "'end' expected near <eof>"),
    "f(1, , 2)": (1, 6, "unexpected symbol near ','"),
    "f(1, g(), g(), , 2)": (1, 16, "unexpected symbol near ','"),
    "x = 'abc\n": (1, 5, "unfinished string near ''abc'"),
    "a = {\n  1, 2\nb = 3": (3, 1, "'}' expected (to close '{' at line 1) near 'b'"),
    "local end_ = 1 end": (1, 16, "<eof> expected near 'end'"),
    "goto nowhere": (1, 1, "no visible label 'nowhere' for <goto> at line 1"),
    "x = 3x": (1, 5, "malformed number near '3x'"),
}


@pytest.mark.parametrize("source", SYNTAX)
def test_a_syntax_error_has_its_column(policy, source):
    """Lua tells the line: the column is where the token stands that it names, the one of several that it means."""
    (policy / "data.lua").write_text(source)
    line, column, text = SYNTAX[source]
    assert findings(policy) == [("data.lua", line, column, "error", "syntax", text)]
    (policy / "data.lua").write_text("")
    config = CONFIG.strip() + "\n" + source
    (policy / "sluice.lua").write_text(config)
    assert findings(policy)[0][3:5] == ("error", "configuration")


def test_what_does_not_load(policy):
    (policy / "data.lua").write_text("if x then\n")
    done = check(policy)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == ("data.lua:2:1: error: 'end' expected (to close 'if' at line 1) near <eof> [syntax]\n"
                           "    correct it: nothing of the policy is loaded until then\n")
    done = check(policy / "nowhere")
    assert done.returncode == 1 and "No such file" in done.stderr and done.stdout == ""


MILTER = CONFIG.replace('smtp = "127.0.0.1:2525"', 'milter = "inet:127.0.0.1:8890"')
GOOD = """# our own
smtpd_milters =
    inet:127.0.0.1:8890
non_smtpd_milters = inet:localhost:8890
milter_default_action = tempfail
smtp_line_length_limit = 0
disable_mime_output_conversion = yes
"""
POSTFIX = {
    "nothing to say": ("", []),
    "no milter": ("smtpd_milters = inet:127.0.0.1:8891\n", [(8, "postfix-milters")]),
    "not for the sendmail command": ("non_smtpd_milters =\n", [(8, "postfix-milters")]),
    "mail passes": ("milter_default_action = accept\n", [(8, "postfix-default-action")]),
    "mail passes by one milter": ("smtpd_milters = { inet:127.0.0.1:8890,\n  default_action=accept }\n",
                                  [(8, "postfix-default-action")]),
    "another milter behind": ("smtpd_milters = inet:h:1, inet:127.0.0.1:8890, inet:h:2\n", [(8, "postfix-order")]),
    "an old protocol": ("milter_protocol = 4\n", [(8, "postfix-protocol")]),
    "generic maps": ("smtp_generic_maps = hash:/etc/postfix/generic\n", [(8, "signature-rewritten")]),
    "header checks in delivery": ("# x\nsmtp_header_checks = regexp:/a\n", [(9, "signature-rewritten")]),
    "body checks in delivery": ("smtp_body_checks = regexp:/a\n", [(8, "signature-rewritten")]),
    "header checks before": ("header_checks = regexp:/a\nbody_checks = regexp:/b\n", []),
    "long lines": ("smtp_line_length_limit = 998\n", [(8, "signature-long-lines")]),
    "8 bits": ("disable_mime_output_conversion = no\n", [(8, "signature-8bit")]),
}


@pytest.mark.parametrize("case", POSTFIX)
def test_settings_of_postfix(policy, tmp_path_factory, case):
    more, wanted = POSTFIX[case]
    main = tmp_path_factory.mktemp("postfix") / "main.cf"
    main.write_text(GOOD + more)
    (policy / "sluice.lua").write_text(MILTER)
    (policy / "data.lua").write_text('DKIMSign("s", "example.org", "pki:k")')
    done = check(policy, "--json", "--postfix", main)
    found = [f for f in json.loads(done.stdout) if f["file"] == str(main)]
    assert [(f["line"], f["code"]) for f in found] == wanted and done.returncode == 0
    (policy / "data.lua").write_text("Deliver()")
    found = json.loads(check(policy, "--json", "--postfix", main).stdout)
    assert not any(f["code"].startswith("signature") or f["code"] == "postfix-order" for f in found)


def test_settings_of_postfix_from_standard_input(policy):
    (policy / "sluice.lua").write_text(MILTER)
    done = subprocess.run([SLUICE, "check", policy, "--postfix", "-"], input=GOOD, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{policy}: no errors\n")
    (policy / "sluice.lua").write_text(CONFIG)
    assert "no listener is a milter" in check(policy, "--postfix", ROOT / "examples/postfix/main.cf").stdout
    assert check(policy, "--postfix", policy / "nowhere").returncode == 0
    (policy / "sluice.lua").write_text(MILTER)
    assert check(policy, "--postfix", policy / "nowhere").returncode == 2


def explained():
    """code -> what doc/reference/findings.md says to do."""
    page = (ROOT / "doc/reference/findings.md").read_text()
    return dict(re.findall(r"^## ([a-z0-9-]+)\n.*?^What to do: (.*?)\.\n", page, re.M | re.S))


def test_every_code_is_explained_and_found(policy):
    """Each finding of these has a place, a severity, a code of the table and what to do; each code is found."""
    (policy / "sluice.lua").write_text(CONFIG.replace("return {\n", "return {\n  open_relay = true,\n")
                                       .replace("discard = true", "discard = true, tls = 'none'"))
    (policy / "a.hsl").write_text("$x = foo();\n")
    (policy / "keys/k.pem").chmod(0o644)
    scripts = {}
    for script, text, finding in WRONG.values():
        scripts[script] = scripts.get(script, "") + ("do\n" if script != "both" else "") + text + \
            ("end\n" if script != "both" else "")
    for script, text in scripts.items():
        (policy / (script + ".lua")).write_text(text)
    found = json.loads(check(policy, "--json").stdout)
    (policy / "users").write_text("nonsense")
    for text in ("return { hostnam = 1 }", CONFIG.replace("return {\n", 'return { users = "users",\n')):
        (policy / "sluice.lua").write_text(text)
        found += json.loads(check(policy, "--json").stdout)
    (policy / "sluice.lua").write_text(CONFIG)
    (policy / "data.lua").write_text("if x then\n")
    found += json.loads(check(policy, "--json").stdout)
    (policy / "main.cf").write_text("milter_protocol = 2\nmilter_default_action = accept\nsmtp_generic_maps = x:y\n"
                                    "smtpd_milters = inet:127.0.0.1:8890 inet:127.0.0.1:8891\n")
    (policy / "data.lua").write_text('DKIMSign("s", "example.org", "pki:k", { canonicalization_header = "simple" })')
    (policy / "sluice.lua").write_text(MILTER)
    found += json.loads(check(policy, "--json").stdout)
    (policy / "sluice.lua").write_text(MILTER.replace("return {\n", 'return {\n  shadow = { policy = "next" },\n'))
    found += json.loads(check(policy, "--json", "--postfix", policy / "main.cf").stdout)
    for f in found:
        assert f["line"] >= 1 and f["column"] >= 1 and f["severity"] in ("error", "warning") and f["text"], f
        assert f["code"] in explained() and f["remedy"], f
    assert {f["code"] for f in found} == set(explained())
