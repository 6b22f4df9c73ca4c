"""Messages of texts (MailMessage::String) where there is no message that is judged: sluice exec and the
phases before the end of data, in both languages. lua/mailmessage/text_test.c compares them with the one that is."""
import subprocess

import pytest

from harness import ROOT, SLUICE

CONFIG = """return { hostname = "mx.example.org", listen = { { smtp = "127.0.0.1:2525", server = "inbound" } },
  dns = { zone_only = true },
  servers = { inbound = { relay = { ["example.org"] = { transport = "box" } }, flows = { %s } } },
  transports = { box = { discard = true } } }
"""
REPORT = """From: fbl@partner.example
Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: text/plain

Complained.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
Version: 1

--b
Content-Type: message/rfc822

From: eve@example.org
Subject: Earn money
Content-Type: multipart/mixed; boundary=c

--c

Quickly.
--c
Content-Type: text/plain; name="a.txt"
Content-Transfer-Encoding: base64

aGk=
--c--
--b--
"""


def literal(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'


def execute(tmp_path, script, language):
    """What it prints; a dollar in a text of HSL is a variable, so there is none in these."""
    path = tmp_path / ("a." + language)
    path.write_text(script)
    done = subprocess.run([SLUICE, "exec", path], capture_output=True, text=True, timeout=60)
    return done.stdout, done.stderr


LUA = """local m = MailMessage.String(TEXT)
echo(m:getHeader("Subject"), " ", m:getType(), " ", m:getID(), " ", #m:getParts())
local in_it = MailMessage.String(m:findByType("message/rfc822")[1]:getBody())
echo(in_it:getHeader("Subject"), " ", in_it:findByFileName("*.txt")[1]:getBody(), " ", in_it:getByID("1"):getBody())
echo(#in_it:getErrors(), " ", in_it:getTypeParameter("boundary"), " ", table.concat(in_it:getHeaderNames(), ","))
local id = in_it:snapshot()
in_it:setHeader("Subject", "new") in_it:addHeader("X", "1") in_it:renameHeader("From", "Z")
in_it:getByID("2"):remove() in_it:getByID("1"):setBody("Slowly.")
local text = in_it:toString()
echo(text:find("Slowly", 1, true) ~= nil, " ", text:find("a.txt", 1, true) == nil, " ", text:sub(1, 3))
echo(in_it:restore(id), " ", in_it:reset(), " ", in_it:getHeader("Subject"))
echo(MailMessage.String("A: b\\n\\nc"):appendPart(MIME():setBody("d")):getID(), " ", m:delHeader("Subject"))
"""
HSL = """$m = MailMessage::String(TEXT);
echo $m->getHeader("Subject") . " " . $m->getType() . " " . $m->getID() . " " . count($m->getParts());
$in = MailMessage::String($m->findByType("message/rfc822")[0]->getBody());
echo $in->getHeader("Subject") . " " . $in->findByFileName("*.txt")[0]->getBody() . " " . $in->getByID("1")->getBody();
echo count($in->getErrors()) . " " . $in->getTypeParameter("boundary") . " " . implode(",", $in->getHeaderNames());
$id = $in->snapshot();
$in->setHeader("Subject", "new"); $in->addHeader("X", "1"); $in->renameHeader("From", "Z");
$in->getByID("2")->remove(); $in->getByID("1")->setBody("Slowly.");
$text = $in->toString();
echo (str_find($text, "Slowly") >= 0 ? "true" : "false") . " " . (str_find($text, "a.txt") < 0 ? "true" : "false") . " " . $text[0:3];
echo ($in->restore($id) ? "true " : "false ") . $in->reset() . " " . $in->getHeader("Subject");
echo MailMessage::String("A: b\\n\\nc")->appendPart(MIME()->setBody("d"))->getID() . " " . $m->delHeader("Subject");
"""


@pytest.mark.parametrize("language,script", [("lua", LUA), ("hsl", HSL)])
@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_message_is_read_and_changed(tmp_path, language, script, ends):
    out, errors = execute(tmp_path, script.replace("TEXT", literal(REPORT.replace("\n", ends))), language)
    undone = "false" if language == "lua" else "0"      # 0 is true in Lua
    assert errors == "" and out.splitlines() == [
        "grüße multipart/report 0 3", "Earn money hi Quickly.", "0 c From,Subject,Content-Type",
        "true true X: ", f"true {undone} Earn money", "0 1"]


@pytest.mark.parametrize("text,header,body", [
    ("", "", ""), ("\n", "", ""), ("A: b", "A", ""), ("no field\nA: b\n", "", "no field\r\nA: b\r\n"),
    ("A: b\nno field\n\nc\n", "A", "no field\r\n\r\nc\r\n"), ("A: b\r\nB: c\nD: e\r\n\r\nx\ny\r\n", "A,B", "x\ny\r\n"),
    (" folded first\n\nx", "", " folded first\r\n\r\nx"), ("A: b\n\n\n", "A", "\r\n"), (":\n\nx", "", ":\r\n\r\nx"),
    ("A: b\r\rB: c", "A", ""), ("A: b\n\nx\ry\n", "A", "x\ry\r\n")])
def test_what_ends_the_header(tmp_path, text, header, body):
    """As in mail; where the text has no CR LF, its LFs are meant. One CR LF is enough for mail."""
    out, errors = execute(tmp_path, f"""local m = MailMessage.String({literal(text)})
        assert(table.concat(m:getHeaderNames(), ",") == {literal(header)} and m:getBody() == {literal(body)}, m:toString())
        assert(MailMessage.String(m:toString()):toString() == m:toString())""", "lua")
    assert (out, errors) == ("", "")


WRONG = [
    ("MailMessage.String()", "bad argument #1 to 'MailMessage.String' (string expected"),
    ("MailMessage.String{}", "bad argument #1 to 'MailMessage.String' (string expected"),
    ('MailMessage.String("A: b"):queue("", "a@example.org")', "MailMessage:queue stores with the message that is judged"),
    ('MailMessage.String("A: b"):nothing()', "MailMessage has no method nothing"),
    ('MailMessage.String("A: b"):remove()', "it isn't a part of a multipart"),
    ('MailMessage.String("A: b"):modifyContent(0, 1, "x")', "byte 0 is in the header"),
    ('MailMessage.String("A: b\\n\\nx"):modifyContent(99, 1, "x")', "the message has 9 bytes"),
    ('MailMessage.String("A: b"):setHeader("A b", "x")', "can't stand in a header name"),
    ('MIME("0")', "MIME(id) needs a message"),
    ("MailMessage.File(1)", "File"), ("MailMessage.String = 1", "read-only"),
]


@pytest.mark.parametrize("script,why", WRONG, ids=[w[0][:50] for w in WRONG])
def test_what_cannot_be_done_says_why(tmp_path, script, why):
    out, errors = execute(tmp_path, script, "lua")
    assert out == "" and why in errors


def test_a_key_of_the_policy_needs_one(tmp_path):
    out, errors = execute(tmp_path, 'echo MailMessage::String("A: b")->signDKIM("s", "example.org", "pki:k");', "hsl")
    assert (out, errors) == ("false\n", "")
    out, errors = execute(tmp_path, 'echo(MailMessage.String("A: b"):signDKIM("s", "example.org", "pki:k"))', "lua")
    assert out == 'false"pki:k": there is no policy with keys/\n'


def test_none_is_no_message_in_hsl(tmp_path):
    script = 'if (!MailMessage::String(none)) echo "none"; $f = MailMessage::String; echo $f("A: b")->getHeader("A");'
    out, errors = execute(tmp_path, script, "hsl")
    assert out == "none\nb\n" and errors == ""


def run_phase(tmp_path, phase, language, script, wanted, got, more=""):
    """The event that the script writes in that phase of one message."""
    (tmp_path / "sluice.lua").write_text((CONFIG % f'{phase} = "a.{language}"').replace("dns =", more + " dns ="))
    (tmp_path / f"a.{language}").write_text(script)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/a_test.lua").write_text(f"""test("it", function(t)
        local r = t:smtp{{ ip = "192.0.2.1", helo = "x", from = "a@b.example", to = "c@example.org",
          message = {{ From = "a@b.example", body = "Hi." }} }}
        local seen = r:event("seen")
        t:expect(r, {{ verdict = "Deliver" }}) t:equal({got}, {wanted}) end)""")
    done = subprocess.run([SLUICE, "test", tmp_path], capture_output=True, text=True, timeout=60)
    assert done.stdout == "1 passed, 0 failed\n", done.stdout + done.stderr


def test_it_may_be_large_but_not_too_large(tmp_path):
    out, errors = execute(tmp_path, """local line = ("x"):rep(70) .. "\\r\\n"
        local m = MailMessage.String("A: b\\r\\n\\r\\n" .. line:rep(100000))
        echo(m:getSize(), " ", #m:getParts(), " ", m:getHeader("A"))
        """, "lua")
    assert (out, errors) == ("7200000 0 b\n", "")
    run_phase(tmp_path, "connect", "lua", """local text = "A: b\\r\\n\\r\\n" .. ("x"):rep(32 * 1024 * 1024 - 8)
        local m = MailMessage.String(text)
        local _, why, code = MailMessage.String(text .. "y")
        event("seen", { size = m:getSize() + 8, why = why .. " " .. code })""",
              '{ 33554432, "larger than 33554432 bytes limit" }', "{ seen.size, seen.why }",
              'limits = { steps = 1000000000, memory = "200M" },')


@pytest.mark.parametrize("language", ["lua", "hsl"])
@pytest.mark.parametrize("phase", ["connect", "helo", "mailfrom", "rcptto", "eod", "data", "disconnect"])
def test_in_every_phase(tmp_path, phase, language):
    scripts = {"lua": """local m = MailMessage.String("From: a@example.org\\n\\nx\\n")
            m:setHeader("Subject", "made") m:getByID("0"):setBody("y")
            event("seen", { size = #m:toString(), signatures = #m:verifyDKIM() })""",
               "hsl": """$m = MailMessage::String("From: a@example.org\\n\\nx\\n");
            $m->setHeader("Subject", "made"); $m->getByID("0")->setBody("y");
            event("seen", ["size" => length($m->toString()), "signatures" => count($m->verifyDKIM())]);"""}
    run_phase(tmp_path, phase, language, scripts[language], "{ 39, 0 }", "{ seen.size, seen.signatures }")


def test_parts_outlive_what_they_are_of(tmp_path):
    out, errors = execute(tmp_path, """local parts = {}
        for i = 1, 300 do
          local m = MailMessage.String("Content-Type: multipart/mixed; boundary=b\\n\\n--b\\n\\n" .. i .. "\\n--b--\\n")
          parts[i] = m:getParts()[1]
        end
        local waste = {} for i = 1, 200000 do waste[i % 10] = { i } end
        for i = 1, 300 do assert(parts[i]:getBody() == tostring(i)) assert(parts[i]:setBody("x")) end
        echo(parts[300]:getByID("0"):toString():find("x", 1, true) ~= nil)""", "lua")
    assert (out, errors) == ("true\n", "")


def test_published_words_for_types(tmp_path):
    """Patterns that have an anchor only."""
    out, errors = execute(tmp_path, f"""$m = MailMessage::String({literal(REPORT)});
        echo count($m->findByType("^text/(plain|html)$")) . count($m->findByType("rfc822$")) . count($m->findByType("text/plain"));
        echo count($m->findByFileName("^a[.]")) . count($m->findByFileName("b*"));""", "hsl")
    assert (out, errors) == ("313\n10\n", "")


def test_the_example_has_nothing_that_check_finds():
    done = subprocess.run([SLUICE, "check", ROOT / "examples/hsl/policy"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1].endswith(": no errors")) == (0, True), done.stdout
