"""What editors are told: doc/sluice.d.lua has every builtin and variable, with its arguments and types as they are."""
import json
import re
import subprocess

import pytest

from harness import ROOT, SLUICE, Sluice, text_message, wait_for

EDITOR = (ROOT / "doc/sluice.d.lua").read_text()
BUILTINS = [line.split("\t") for line in subprocess.run(
    [SLUICE, "--builtins"], capture_output=True, text=True, check=True).stdout.splitlines()]
FACTS = [line.split("\t") for line in subprocess.run(
    [SLUICE, "--schema", "facts"], capture_output=True, text=True, check=True).stdout.splitlines()]


def comments():
    """name -> (module, doc comment, body of the function in C, options that its file refuses by name)."""
    out = {}
    for path in sorted(ROOT.glob("lua/*/*.c")):
        text = path.read_text()
        found = {fn: (comment, body) for comment, fn, body in re.findall(
            r"/\*lua\n(.*?)\*/\nstatic int\n(\w+)\(lua_State \*L\)\n\{\n(.*?)^\}", text, re.S | re.M)}
        rows = text[text.find("struct sl_builtin sl_module_"):] if "struct sl_builtin sl_module_" in text else ""
        for name, fn in re.findall(r'\{ "([\w:.]+)", (\w+),', rows):
            refused = re.search(r"static const char \*const refused\[\] = \{(.*?)NULL", text, re.S)
            out[name] = (path.parent.name, *found[fn], set(re.findall(r'"(\w+)"', refused.group(1) if refused else "")))
    return out


COMMENTS = comments()
NAMES = [row[1] for row in BUILTINS if "hsl" not in row[2] and not row[1].startswith("__")]


def declared(name):
    """The annotations above the function of this name, and its arguments."""
    if ":" in name:
        name = name.replace(":", "_methods:")
    found = re.findall(r"((?:^---.*\n)+)^function " + re.escape(name) + r"\((.*)\) end$", EDITOR, re.M)
    assert len(found) == 1, name
    return found[0][0], [a for a in found[0][1].split(", ") if a]


def test_it_is_lua():
    assert subprocess.run(["luac5.4", "-p", ROOT / "doc/sluice.d.lua"]).returncode == 0
    assert len(NAMES) > 220 and set(COMMENTS) == {row[1] for row in BUILTINS}


@pytest.mark.parametrize("name", NAMES)
def test_each_builtin_with_its_arguments(name):
    notes, arguments = declared(name)
    params = re.findall(r"^@param (\S+)", COMMENTS[name][1], re.M)
    assert arguments == [p.rstrip("?") for p in params]
    assert re.findall(r"^---@param (\S+)", notes, re.M) == params
    assert len(re.findall(r"^---@return", notes, re.M)) == len(re.findall(r"^@return", COMMENTS[name][1], re.M))
    if ":" not in name:
        name = name.split(".")[0]                       # of a class its table
        assert EDITOR.count(f"\n  {name} = {name},\n") == 1      # of the table builtin


CLASSES = "|".join(re.findall(r"^---@class (\w+)(?:: \w+)?$", EDITOR, re.M))
BASE = rf"(?:table<string,string>|\((?:string|number|\|)+\)\[\]|string|number|integer|boolean|table|function|any|userdata|true|false|nil|{CLASSES})(?:\[\])?"
TYPE = re.compile(rf"{BASE}(?:\|{BASE})*\??")


@pytest.mark.parametrize("name", NAMES)
def test_types_are_luacats(name):
    notes, _ = declared(name)
    for kind in re.findall(r"^---@(?:param \S+|return) (\{.*?\}|\S+)", notes, re.M):
        inside = re.findall(r"(\w+\??): ([^,]+)", kind[1:-1]) if kind.startswith("{") else [("", kind)]
        for _, one in inside:
            assert TYPE.fullmatch(one.strip()), kind


def takes():
    """(builtin, the options that its function lists in C) where that has a list of its own; without those
    that are listed to tell why they aren't to be had."""
    for name, (_, _, body, refused) in COMMENTS.items():
        found = re.search(r"static const char \*const names\[\] = \{(.*?)NULL", body, re.S)
        if found and name in NAMES and ":" not in name:
            yield name, set(re.findall(r'"(\w+)"', found.group(1))) - refused


@pytest.mark.parametrize("name,wanted", takes(), ids=lambda x: x if isinstance(x, str) else "")
def test_options_are_those_that_are_taken(name, wanted):
    signatures = (ROOT / "stdlib/check/signatures.lua").read_text()
    told = re.search(rf"^  {name} = .*options = \{{ ?(.*?) ?\}}", signatures, re.M)
    assert told, name
    assert set(re.findall(r'"(\w+)"', told.group(1))) == wanted
    notes, _ = declared(name)
    assert set(re.findall(r"(\w+)\?: ", re.search(r"^---@param options\?? \{(.*?)\}", notes, re.M).group(1))) == wanted


def test_enough_of_them_have_a_list():
    assert len(list(takes())) >= 15


# ---- variables ----------------------------------------------------------------------------------------

def type_of(name):
    """As declared: of a global, or of a field in the class of its table."""
    if "." not in name:
        return re.search(rf"^---@type (\S+)\n{name} = nil$", EDITOR, re.M).group(1)
    above, field = name.rsplit(".", 1)
    fields = re.search(rf"^---@class sluice\.{re.escape(above)}\n((?:---@field .*\n)+)", EDITOR, re.M).group(1)
    return re.search(rf"^---@field {field} (\S+)$", fields, re.M).group(1)


CHECK = """
local function is(name, value, kind)
  local base, none = kind:match("^(.-)(%??)$")
  if value == nil and none == "?" then return end
  local ok = type(value) == base or base == "integer" and math.type(value) == "integer"
    or base == "MailMessage" and type(value) == "userdata"
    or base:sub(-2) == "[]" and type(value) == "table" and (value[1] == nil or type(value[1]) ==
      (base == "integer[]" and "number" or base == "table[]" and "table" or "string"))
    or name == "context"        -- a table for all that a script does with it
  if not ok then event("wrong_type", { name = name, got = type(value), declared = kind }) end
end
local function at(path)
  local value
  for name in path:gmatch("%w+") do
    if value == nil then value = GLOBALS[name] else value = value[name] end
    if value == nil then return nil end
  end
  return value
end
"""


def script(phase):
    lines = [CHECK]
    names = [name for name, phases, _ in FACTS if phase in phases.split()]
    tables = sorted({name.split(".")[0] for name in names})
    lines.insert(0, "local GLOBALS = {" + ", ".join(f"{t} = {t}" for t in tables) + "}")
    for name in dict.fromkeys(names):
        kind = type_of(name)
        # Without a client's TLS or name these tables are nil, and their fields with them.
        lines.append(f'is("{name}", at("{name}"), "{kind}")' if name.count(".") < 2 else
                     f'if at("{name.rsplit(".", 1)[0]}") then is("{name}", at("{name}"), "{kind}") end')
    lines.append(f'event("looked", {{ phase = "{phase}" }})')
    if phase == "auth":
        lines.append("Accept()")
    return "\n".join(lines)


PHASES = ["connect", "helo", "auth", "mailfrom", "rcptto", "eod", "data", "predelivery", "postdelivery", "disconnect"]


def test_types_of_variables_are_what_scripts_see(tmp_path):
    flows = ", ".join(f'{phase} = "{phase}.lua"' for phase in PHASES)
    server = Sluice(tmp_path, """return { hostname = "mx.example.org", from_check = "accept",
        listen = { { smtp = "127.0.0.1:PORT", server = "s", auth = "optional", auth_in_clear = true } },
        servers = { s = { flows = { %s }, relay = { ["*"] = { transport = "box" } } } },
        transports = { box = { maildir = "MAIL/%%d/%%u" } }, log = { file = "LOG" } }
        """.replace("LOG", str(tmp_path / "events")) % flows, {f"{phase}.lua": script(phase) for phase in PHASES})
    server.start()
    try:
        client = server.client()
        client.say("EHLO client.example")
        assert client.say("AUTH PLAIN AGFubgBzZWNyZXQ=").startswith("235")
        replies = client.send("ann@example.org", ["bob@example.org"], text_message())
        assert replies[-1].startswith("250"), replies
        client.say("QUIT")
        client.close()

        def looked():
            events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
            wrong = [e for e in events if e["event"] in ("wrong_type", "script_error")]
            assert not wrong, wrong
            return {e.get("phase") for e in events if e["event"] == "looked"} == set(PHASES)
        wait_for(looked, "scripts of all phases: " + server.text()[-3000:])
    finally:
        assert server.stop() == 0
