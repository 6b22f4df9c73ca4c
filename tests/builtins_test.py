"""doc/builtins.md: every name of the product family is built, part of the language, or refused with
what to do instead; the table, the program and the HSL compiler's list say the same."""
import re
import subprocess

import pytest

from harness import ROOT, SLUICE

TABLES = ROOT / "../shared/halon"


def rows():
    text = (ROOT / "doc/builtins.md").read_text()
    return [row for row in re.findall(r"^\| (\w+) \| ([\w ]+) \| ([\w ]+) \| (\w+) \| (.*)\|$", text, re.M)
            if row[0] != "name"]


def names(kind):
    return {name for name, _, _, built, _ in rows() if built == kind}


def builtins():
    out = subprocess.run([SLUICE, "--builtins"], capture_output=True, text=True, check=True).stdout
    return {re.split("[:.]", line.split("\t")[1])[0] for line in out.splitlines()}   # of a method its class


def unbuilt():
    script = 'for k, v in pairs(dofile("stdlib/hsl/unbuilt.lua")) do print(k .. "\\t" .. v) end'
    out = subprocess.run(["lua5.4", "-e", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return dict(line.split("\t") for line in out.splitlines())


def test_each_name_has_one_row():
    found = [row[0] for row in rows()]
    assert len(found) > 250 and len(found) == len(set(found))
    assert found == sorted(found, key=lambda name: (name.lower(), name))
    assert {row[3] for row in rows()} == {"built", "language", "no"}


def test_what_is_built_is_there_and_nothing_else():
    assert names("built") <= builtins()
    assert not names("no") & builtins()
    assert not names("language") & builtins()


def test_what_is_not_built_is_refused_in_the_words_of_the_table():
    reasons = {name: why.strip() for name, _, _, built, why in rows() if built == "no"}
    assert reasons == {name: why for name, why in unbuilt().items() if "::" not in name}


@pytest.mark.skipif(not TABLES.exists(), reason="no tables of the product family")
@pytest.mark.parametrize("file,column", [("builtins-2016-10.tsv", 1), ("builtins-2019-12.tsv", 1), ("builtins-2026-06.tsv", 2)])
def test_every_documented_name_has_a_row(file, column):
    lines = (TABLES / file).read_text().splitlines()[1:]
    documented = {re.match(r"\w+", line.split("\t")[column]).group() for line in lines}
    assert len(documented) > 100
    assert documented <= {row[0] for row in rows()}


def test_what_a_builtin_class_does_not_have_for_itself_is_refused(tmp_path):
    script = tmp_path / "a.hsl"
    script.write_text('$m = MailMessage::File("x"); $f = X509::y; Socket::Resource(1); class C { static function f() { } }\n'
                      'C::f(); Socket::AF("::1"); $g = Socket::AF;')
    done = subprocess.run([SLUICE, "exec", script], capture_output=True, text=True, timeout=60)
    told = re.findall(r"a.hsl:(\d+:\d+): (\S+) isn't built", done.stderr)
    assert told == [("1:6", "MailMessage::File"), ("1:35", "X509"), ("1:44", "Socket::Resource")], done.stderr


# ---- Lua ---------------------------------------------------------------------------

CONFIG = """return { hostname = "mx.example.org", listen = { { smtp = "127.0.0.1:2525", server = "s" } },
  servers = { s = { flows = { connect = { "a.lua" } } } } }
"""


def load(tmp_path, command, **files):
    for name, text in {"sluice.lua": CONFIG, "a.lua": "", **files}.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run([SLUICE, command, tmp_path], input="", capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("command", ["check", "repl"])
def test_lua_that_calls_what_is_not_built_is_not_loaded(tmp_path, command):
    status, text = load(tmp_path, command, **{
        "a.lua": "local x = 1\n  if x then return ldap_search('a') end", "b.lua": "smtp_lookup_rcpt{}\nFile'x'"})
    assert status == 1
    for line in ("a.lua:2:20: ", "b.lua:1:1: ", "b.lua:2:1: ", "isn't built in this version",
                 "ask by HTTP", "use file, file_get_contents and in_file"):
        assert line in text, text


OWN = {
    "local": {"a.lua": "local Map = function() end Map()"},
    "parameter": {"a.lua": "local function f(Map, ...) return Map() end f(tostring)"},
    "loop variable": {"a.lua": "for Set in pairs{} do Set() end"},
    "field": {"a.lua": "local t = { Map = tostring } t.Map() t:Map() string.len('Map()')"},
    "text and comment": {"a.lua": "-- Map()\nlocal s = 'Map()' .. [[File()]]"},
    "global": {"a.lua": "function Map() end Map()"},
    "global of another file": {"a.lua": "Map() File()", "b.lua": "Map = tostring function File() end"},
    "function of HSL": {"a.lua": "ldap_search()", "b.hsl": "function ldap_search() { }"},
    "by the environment": {"a.lua": "_G['Ma' .. 'p'] = tostring Map()"},
}


@pytest.mark.parametrize("files", OWN.values(), ids=OWN.keys())
def test_names_of_the_policys_own_are_no_alarm(tmp_path, files):
    status, text = load(tmp_path, "repl", **files)
    assert status == 0 and "isn't built" not in text, text


def test_a_name_that_is_only_asked_for_loads_and_check_says_why(tmp_path):
    files = {"a.lua": "local ok = pcall(function() return Map end)"}
    assert load(tmp_path, "repl", **files)[0] == 0
    status, text = load(tmp_path, "check", **files)
    assert status == 1 and "Map is not defined and isn't built in this version: use an array" in text, text
