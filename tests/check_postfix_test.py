"""sluice check --postfix: what a mail server's settings mean for the policy behind it."""
import json
import subprocess

import pytest

from harness import ROOT, SLUICE
from postfix import fetch_postfix
from postfix_signatures_test import CASES, SERVICES, TRANSPORTS, table

CONFIG = """return {
  hostname = "mx.example.org",
  listen = { LISTEN },
  servers = { s = { flows = { data = "data.lua" } } },
}"""
MILTER = '{ milter = "inet:127.0.0.1:8890", server = "s" }'
GOOD = (ROOT / "examples/postfix/main.cf").read_text()
SIGN = 'DKIMSign("s1", "example.net", "KEY")\n'


def findings(folder, settings=None, script=SIGN, listen=MILTER):
    (folder / "policy").mkdir(exist_ok=True)
    (folder / "policy/sluice.lua").write_text(CONFIG.replace("LISTEN", listen))
    (folder / "policy/data.lua").write_text(script)
    told = [] if settings is None else ["--postfix", "-"]
    done = subprocess.run([SLUICE, "check", folder / "policy", "--json", *told], input=settings, text=True,
                          capture_output=True, timeout=60)
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert all(f["severity"] == "warning" and f["remedy"] for f in found)
    assert all(f["file"] == "postconf" for f in found if settings is not None)
    return [(f["line"], f["code"], f["text"]) for f in found]


def test_the_example_has_nothing_to_say(tmp_path):
    assert findings(tmp_path, GOOD) == []


@pytest.mark.parametrize("line,code,text", [
    ("smtp_body_checks =\n  regexp:/x", "signature-rewritten", "smtp_body_checks changes"),
    ("smtp/unix/smtp_body_checks = regexp:/x", "signature-rewritten", "smtp_body_checks changes"),
    ("smtp_mime_header_checks = regexp:/x", "signature-rewritten", "smtp_mime_header_checks changes"),
    ("smtp_nested_header_checks = regexp:/x", "signature-rewritten", "smtp_nested_header_checks changes"),
    ("smtp/unix/smtp_line_length_limit = 998", "signature-long-lines", "longer lines"),
    ("smtpd_milters = inet:localhost:8890, unix:other/milter", "postfix-order", "unix:other/milter comes behind"),
    ("smtpd_milters = { inet:[::1]:8890, connect_timeout = 5s } inet:10.0.0.1:9", "postfix-order", "10.0.0.1:9 comes"),
    ("smtpd_milters = $non_smtpd_milters inet:h:1", "postfix-order", "inet:h:1 comes behind"),
    ("submission/inet/smtpd_milters = inet:127.0.0.1:8890 inet:h:1", "postfix-order", "inet:h:1 comes behind"),
    ("submission/inet/smtpd_milters = { inet:127.0.0.1:8890, default_action = accept }", "postfix-default-action",
     "passes unseen"),
])
def test_a_setting(tmp_path, line, code, text):
    found = findings(tmp_path, GOOD + line + "\n")
    assert len(found) == 1 and found[0][:2] == (GOOD.count("\n") + 1, code) and text in found[0][2], found


@pytest.mark.parametrize("line", [
    "smtp_generic_maps =", "header_checks = regexp:/x", "# smtp_body_checks = regexp:/x", "milter_protocol = 6", "smtpd_milters = inet:127.0.0.1:8890\nsmtpd_milters = inet:h:88901, inet:127.0.0.1:8890",
    "smtpd_milters = inet:h:1, inet:127.0.0.1:8890", "smtpd_milters =\n  inet:h:1\n# inet:h:2\n  inet:127.0.0.1:8890",
    "submission/inet/smtpd_milters = inet:h:1", "own = inet:127.0.0.1:8890\nsmtpd_milters = ${own}",
    "loop = $loop $loop\nsmtpd_milters = $loop inet:127.0.0.1:8890", "", "=", "x", "\r",
])
def test_nothing_to_say(tmp_path, line):
    assert findings(tmp_path, GOOD + line + "\n") == []


def test_nobody_asks_the_policy(tmp_path):
    found = findings(tmp_path, GOOD.replace("8890", "8891"))
    assert [f[:2] for f in found] == [(2, "postfix-milters"), (3, "postfix-milters")]
    assert "by SMTP isn't shown" in found[0][2] and "sendmail command isn't shown" in found[1][2]
    found = findings(tmp_path, "")
    assert sorted(f[:2] for f in found) == [
        (1, "postfix-milters"), (1, "postfix-milters"), (1, "signature-8bit"), (1, "signature-long-lines")]


def test_what_is_without_signatures_or_milters(tmp_path):
    everything = GOOD + "smtp_body_checks = regexp:/x\nsmtpd_milters = inet:h:8890 inet:h:1\n"
    assert len(findings(tmp_path, everything)) == 2
    assert findings(tmp_path, everything, script="") == []


@pytest.mark.parametrize("address,ours", [
    ("unix:/var/spool/postfix/sluice/milter", True), ("unix:sluice/milter", True), ("unix:milter", True),
    ("unix:uice/milter", False), ("unix:/sluice/milter", False), ("inet:h:8890", False),
])
def test_a_socket_in_the_file_system(tmp_path, address, ours):
    listen = '{ milter = "unix:/var/spool/postfix/sluice/milter", server = "s" }'
    found = findings(tmp_path, GOOD.replace("inet:127.0.0.1:8890", address), listen=listen)
    assert (found == []) == ours, found


def test_simple_header_fields_behind_sendmail(tmp_path):
    """Of a mail server that isn't told, the worst is thought."""
    simple = 'DKIMSign("s1", "example.net", "KEY", { canonicalization_header = "simple" })\n'
    [(line, code, text)] = findings(tmp_path, script=simple)
    assert (line, code) == (1, "signature-simple") and "Sendmail" in text
    assert findings(tmp_path, GOOD, script=simple) == []
    assert findings(tmp_path, script=simple, listen='{ smtp = "127.0.0.1:2525", server = "s" }') == []
    assert findings(tmp_path, script=simple.replace("canonicalization_header", "canonicalization_body")) == []


def settings_of(case):
    service, transport = case[:2]
    smtpd, cleanup = SERVICES[service.removesuffix("-oversigned")]
    settings = {"smtp_line_length_limit": "0", **smtpd, **cleanup, **TRANSPORTS[transport][1]}
    if TRANSPORTS[transport][0] == "sink":		# the next server takes 8-bit messages
        settings["disable_mime_output_conversion"] = "yes"
    return {name: "regexp:/a/table" if "{" in value else value for name, value in settings.items()}


@pytest.mark.parametrize("what", CASES)
def test_it_warns_of_what_was_measured(tmp_path, what):
    """Where the table says that signatures break, under settings that these are, and nowhere else."""
    settings = settings_of(CASES[what][0])
    alike = [row for row, cases in CASES.items() if any(settings_of(case) == settings for case in cases)]
    breaks = any("breaks" in table()[row] for row in alike)
    plain = "".join(line + "\n" for line in GOOD.splitlines() if "8890" in line)
    found = findings(tmp_path, plain + "".join(f"{name} = {value}\n" for name, value in settings.items()))
    assert len(found) == breaks, (found, alike)


def test_what_postconf_prints(tmp_path):
    postfix = fetch_postfix()
    if postfix is None:
        pytest.skip("no Postfix: neither installed nor to be had as a package")
    (tmp_path / "main.cf").write_text(GOOD.replace("_milters =", "_milters =\n") + "smtp_body_checks =\n  regexp:/x\n")
    (tmp_path / "master.cf").write_text("submission inet n - y - - smtpd\n  -o smtpd_milters=inet:127.0.0.1:8890,inet:h:1\n")
    text = "".join(subprocess.run([postfix.tool("postconf"), "-c", tmp_path, option], env=postfix.env, text=True,
                                  capture_output=True, check=True).stdout for option in ("-n", "-P"))
    assert sorted(f[2].split()[0] for f in findings(tmp_path, text)) == ["smtp_body_checks", "smtpd_milters:"]
