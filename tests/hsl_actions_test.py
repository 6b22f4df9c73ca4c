"""Final actions as they are called in HSL: options of both eras, and words of failures that scripts compare."""

import os
import subprocess

import pytest

from harness import key_pair

SLUICE = os.environ.get("SLUICE", "build/sluice")

CONFIG = """return { hostname = "mx.example.org", listen = { { smtp = "127.0.0.1:2525", server = "s" } },
  quarantine = { "spam" },
  servers = { s = { relay = { ["example.org"] = { transport = "one" } } } },
  transports = { one = { maildir = "mail/%u" }, two = { maildir = "mail/%u" } } }"""

REPLIES = {
    "codes as a table": ("rcptto", 'Reject("No", ["reply_codes" => ["code" => 551, "enhanced" => [5, 1, 6]]]);',
                         "551 5.1.6 No"),
    "a text of several lines": ("rcptto", 'Reject("One\\r\\nTwo\\n");', "550 5.7.1 One\\nTwo"),
    "codes of a deferral": ("mailfrom", 'Defer("Later", ["reply_codes" => ["enhanced" => [4, 4, 3]]]);', "450 4.4.3 Later"),
    "codes beside": ("data", 'Reject("No", ["code" => 554, "enhanced" => [5, 6, 0]]);', "554 5.6.0 No"),
    "of an acceptance": ("data", 'Deliver(["reason" => "Queued", "reply_codes" => ["code" => 250, "enhanced" => [2, 6, 0]]]);',
                         "250 2.6.0 Queued"),
    "of the end of data": ("eod", 'Accept(["reason" => "Fine"]);', "250 2.0.0 Message accepted"),
    "of a quarantine": ("data", 'Quarantine("spam", ["reason" => "Held", "reply_codes" => ["code" => 552]]);', "552 5.7.1 Held"),
    "of a quiet one": ("data", 'Quarantine("spam", ["reject" => false, "reply_codes" => ["enhanced" => [2, 7, 0]]]);',
                       "250 2.7.0 Message accepted"),
}

FAILURES = {
    "a code of another class": ("rcptto", 'Reject("x", ["reply_codes" => ["code" => 450]]);', "code"),
    "no enhanced code": ("rcptto", 'Reject("x", ["enhanced" => [5, 1]]);', "a list of three numbers"),
    "an option of another phase": ("mailfrom", 'Accept(["recipient" => "a@example.org"]);', "is one of rcptto"),
    "no address": ("rcptto", 'Accept(["recipient" => ["localpart" => "a"]]);', 'option "recipient"'),
    "one recipient's option in eod": ("eod", 'Quarantine("spam", ["done" => false]);', 'option "done" is one of data'),
    "no transport": ("rcptto", 'Accept(["transportid" => "three"]);', "three"),
    "an option of Delete": ("data", 'Delete(["reason" => "x"]);', 'option "reason" is unknown'),
    "an unknown option": ("rcptto", 'Accept(["user" => "x"]);', "user"),
    "a user where nobody logs in": ("rcptto", 'Accept(["username" => "x"]);', "is one of auth"),
}


def run(tmp_path, scripts, test):
    (tmp_path / "sluice.lua").write_text(CONFIG)
    (tmp_path / "keys").mkdir()
    (tmp_path / "tests").mkdir()
    for name, source in scripts.items():
        (tmp_path / name).write_text(source)
    (tmp_path / "tests/a_test.hsl").write_text("""
before(function ($t) {
	$t->given(["ip" => "192.0.2.1", "helo" => "client.example", "from" => "bob@client.example",
	    "to" => "ann@example.org", "message" => ["From" => "bob@client.example", "body" => "Hi.\\n"]]);
});
test("it", function ($t) {
""" + test + "\n});\n")
    result = subprocess.run([SLUICE, "test", tmp_path], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", REPLIES)
def test_reply(tmp_path, name):
    phase, script, reply = REPLIES[name]
    run(tmp_path, {phase + ".hsl": script}, '$t->equal($t->smtp()["reply"], "%s");' % reply)


@pytest.mark.parametrize("name", FAILURES)
def test_refused(tmp_path, name):
    phase, script, words = FAILURES[name]
    run(tmp_path, {phase + ".hsl": script},
        "$t->script_error(''%s''); $t->expect($t->smtp(), [\"failed\" => true, \"messages\" => 0]);" % words)


def test_accept_changes_the_envelope(tmp_path):
    """As if MAIL and RCPT had said so; whether it may be sent to is decided by what was asked for."""
    run(tmp_path, {
        "mailfrom.hsl": 'Accept(["sender" => ["localpart" => "list", "domain" => "client.example"]]);',
        "rcptto.hsl": 'Accept(["recipient" => ["localpart" => "joe", "domain" => "other.example"], "transportid" => "mailtransport:two"]);',
        "data.hsl": 'AddHeader("X-Seen", "$sender $senderdomain $recipient $recipientdomain $transportid ".count($transaction["recipients"]));',
    }, """
	$r = $t->smtp(["to" => ["ann@example.org", "bob@example.org"]]);
	$t->expect($r, ["messages" => 1, "code" => 250]);
	$m = $r["messages"][0];
	$t->equal($m["sender"], "list@client.example");
	$t->equal($m["recipients"][0]["transport"], "two");
	$t->equal($t->header($m, "X-Seen"), "list@client.example client.example joe@other.example other.example two 2");
	$t->expect($t->smtp(["to" => "joe@other.example"]), ["code" => 550, "where" => "relay"]);
""")


def test_accept_says_who_logged_in(tmp_path):
    run(tmp_path, {"auth.hsl": 'if ($saslpassword == "right") Accept(["username" => "customer-42"]);\nReject();',
                   "data.hsl": 'AddHeader("X-Seen", $saslusername . " " . $connection["auth"]["username"]);'}, """
	$r = $t->smtp(["tls" => true, "auth" => ["ann@example.org", "right"]]);
	$t->equal($t->header($r["messages"][0], "X-Seen"), "customer-42 customer-42");
	$t->expect($t->smtp(["tls" => true, "auth" => ["ann@example.org", "wrong"]]), ["code" => 535]);
""")


def test_the_null_sender(tmp_path):
    run(tmp_path, {"mailfrom.hsl": 'Accept(["sender" => ""]);', "data.hsl": 'AddHeader("X-Seen", "[$sender]");'}, """
	$m = $t->smtp()["messages"][0];
	$t->equal($m["sender"], "");
	$t->equal($t->header($m, "X-Seen"), "[]");
""")


def test_a_quarantine_of_eod_keeps_what_is_said_of_it(tmp_path):
    run(tmp_path, {"eod.hsl": """
Quarantine("spam", ["reject" => false, "metadata" => ["score" => "11"], "transportid" => "two"]);
"""}, """
	$r = $t->smtp(["to" => ["ann@example.org", "bob@example.org"]]);
	$t->expect($r, ["code" => 250, "messages" => 1]);
	$t->equal($r["messages"][0]["quarantine"], "spam");
	foreach ($r["messages"][0]["recipients"] as $to)
		$t->equal([$to["metadata"], $to["transport"]], [["score" => "11"], "two"]);
""")


def test_who_is_told_of_a_refusal_is_told(tmp_path):
    """Notifications before a Reject or Defer are what mail() is for; a script that fails sends none."""
    run(tmp_path, {"data.hsl": """
mail("postmaster@example.org", "abuse@example.org", "Blocked", "$senderip\n");
mail("", "ann@example.org", "Not told", "x", "", ["always" => false]);
MIME()->setBody("x")->queue("", "log@example.org");
if (GetHeader("X-Fail")) echo none . "";
Defer("Blocked");
"""}, """
	$r = $t->smtp();
	$t->expect($r, ["code" => 451, "reply" => "Blocked", "messages" => 2]);
	$t->equal(array_map(function ($m) { return $m["recipients"][0]["recipient"]; }, $r["messages"]), ["abuse@example.org", "log@example.org"]);
	$t->script_error("none can't be made a string");
	$t->expect($t->smtp(["message" => ["From" => "bob@client.example", "X-Fail" => "y"]]), ["failed" => true, "messages" => 0]);
""")


def test_words_of_dns(tmp_path):
    """Published scripts tell by them whether mail has to wait: a failure must not look like "no record"."""
    run(tmp_path, {"data.hsl": """
foreach (["dead.example", "silent.example", "forged.example", "gone.example"] as $name) {
	AddHeader("X-Query", json_encode(dns_query($name, ["type" => "txt"])));
	AddHeader("X-Old", json_encode(dnstxt($name, ["extended_result" => true])));
}
"""}, """
	$t->dns(["dead.example" => "SERVFAIL", "silent.example" => "TIMEOUT", "forged.example" => "BOGUS", "gone.example" => "NXDOMAIN"]);
	$m = $t->smtp()["messages"][0];
	foreach (["X-Query", "X-Old"] as $field)
		$t->equal(array_map(function ($h) { return json_decode($h)["error"] ?? json_decode($h)["result"]; }, $t->headers($m, $field)),
		    [[], "SERVFAIL", "TRY_AGAIN", "SERVFAIL"]);
""")


SIGNS = """
function Deliver(...$args) {
	DKIMSign("s1", "example.org", "%s");
	DKIMSign("s1", "example.org", "%s", ["canonicalization_header" => "simple"]);
	builtin Deliver(...$args);
}
Deliver(["recipient" => "copy@example.org", "done" => false]);
"""


def test_an_override_signs_once_whatever_leaves(tmp_path):
    """A copy and the message itself go through it; the same signature twice would say nothing more."""
    pem, _ = key_pair(tmp_path)
    signs = SIGNS % ("pki:k", pem.strip().replace("\n", "\\n"))
    run(tmp_path, {"keys/k.pem": pem, "data.hsl": signs}, """
	$r = $t->smtp();
	$t->expect($r, ["messages" => 1]);
	$t->equal(count($r["messages"][0]["recipients"]), 2);
	$t->equal(count($t->headers($r["messages"][0], "DKIM-Signature")), 2);
""")
