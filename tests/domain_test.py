"""sluice domain check: what is published for a domain, and what to do about it."""
import json
import os
import pty
import subprocess

import pytest

from harness import SLUICE

KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def txt(name, text):
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    text = "".join(c if " " <= c < "\x7f" else "".join("\\%03d" % b for b in c.encode()) for c in text)
    return '%s. IN TXT "%s"\n' % (name, text)


def zone_of(mx="example.com. IN MX 10 mx.example.com.\n", spf="v=spf1 ip4:192.0.2.0/24 -all", key=KEY,
            dmarc="v=DMARC1; p=reject; rua=mailto:d@example.com", more=""):
    """A domain without a fault, but for what a case replaces."""
    return (mx + "mx.example.com. IN A 192.0.2.1\n" + "example.com. IN A 192.0.2.1\n"
            + "".join(txt("example.com", r) for r in ([spf] if isinstance(spf, str) else spf))
            + txt("s1._domainkey.example.com", key)
            + "".join(txt("_dmarc.example.com", r) for r in ([dmarc] if isinstance(dmarc, str) else dmarc))
            + txt("_mta-sts.example.com", "v=STSv1; id=1")
            + txt("_smtp._tls.example.com", "v=TLSRPTv1; rua=mailto:t@example.com") + more)


def run(tmp_path, zone, *args, domain="example.com", status=0):
    (tmp_path / "zone").write_text(zone)
    done = subprocess.run([SLUICE, "domain", "check", domain, "--zone", tmp_path / "zone", *args],
                          capture_output=True)
    assert done.returncode == status, (done.returncode, done.stdout.decode(), done.stderr)
    return done.stdout.decode()


def findings(tmp_path, zone, *args, status, **more):
    found = json.loads(run(tmp_path, zone, "--selector", "s1", "--json", *args, status=status, **more))
    return found["findings"]


def test_nothing_wrong(tmp_path):
    found = findings(tmp_path, zone_of(), "--ip", "192.0.2.1", status=0)
    assert {f["weight"] for f in found} == {"good"} and not any(f["remedy"] for f in found)
    assert {f["area"] for f in found} == {"mx", "spf", "dkim", "dmarc", "mta-sts", "tls-rpt"}
    text = run(tmp_path, zone_of(), "--selector", "s1")
    assert "mx      good    mx.example.com, preference 10\n" in text and "\033" not in text


LOTS = "v=spf1 include:a.example include:b.example -all"
INCLUDES = (txt("a.example", "v=spf1 " + "exists:%{i}.x.example.com " * 5 + "-all")
            + txt("b.example", "v=spf1 " + "exists:%{i}.x.example.com " * 5 + "-all")
            + "*.x.example.com. IN TXT x\n")


@pytest.mark.parametrize("change, area, text, remedy", [
    # MX
    ({"mx": "example.com. IN MX 10 nowhere.example.com.\n"}, "mx", "nowhere.example.com has no address",
     "publish an A"),
    ({"mx": "example.com. IN MX 10 other.example.com.\nother.example.com. IN CNAME mx.example.com.\n"},
     "mx", "is an alias of mx.example.com", "real host"),
    ({"mx": "example.com. IN MX 10 192.0.2.1.\n"}, "mx", "address 192.0.2.1 where a host name", "A record"),
    ({"mx": "example.com. IN MX 0 .\nexample.com. IN MX 10 mx.example.com.\n"}, "mx",
     "null MX", "the one that is meant"),
    # SPF
    ({"spf": []}, "spf", "has no SPF record", "v=spf1 -all"),
    ({"spf": ["v=spf1 -all", "v=spf1 mx -all"]}, "spf", "2 SPF records", "one record"),
    ({"spf": "v=spf1 ip:192.0.2.1 -all"}, "spf", '"ip:192.0.2.1": not a mechanism', "correct the term"),
    ({"spf": "v=spf1 ip4:192.0.2.300 -all"}, "spf", "not an address", "correct the term"),
    ({"spf": "\u201cv=spf1 -all\u201d"}, "spf", "looks like SPF", "begin with"),
    ({"spf": "v=spf1 include:\u200ba.example -all"}, "spf",
     "an invisible zero-width space at byte 16, column 16", "by hand"),
    ({"spf": "v=spf1 a \u2013all"}, "spf", "a dash in place of a hyphen at byte 10, column 10", "by hand"),
    ({"spf": "v=spf1 +mx -all\u201d"}, "spf", "a typographic quotation mark at byte 16, column 16",
     "without quotation marks"),
    ({"spf": "v=spf1\u00a0a -all"}, "spf", "a no-break space at byte 7", "by hand"),
    ({"spf": "v=spf1 a\n -all"}, "spf", "a line end at byte 9", "one line"),
    ({"spf": "v=spf1 +all"}, "spf", '"+all" permits everybody', "-all"),
    ({"spf": "v=spf1 ip4:0.0.0.0/0 -all"}, "spf", "permits everybody", "-all"),
    ({"spf": "v=spf1 ip4:0.0.0.0/1 -all"}, "spf", "a large part", "only networks"),
    ({"spf": "v=spf1 include:open.example -all", "more": txt("open.example", "v=spf1 +all")}, "spf",
     '"include:open.example" permits everybody', "-all"),
    ({"spf": LOTS, "more": INCLUDES}, "spf", "12 of the 10 look-ups",
     "include:a.example costs 6, include:b.example costs 6"),
    ({"spf": "v=spf1 include:example.com -all"}, "spf", "50 of the 10 look-ups", None),
    ({"spf": "v=spf1 a:x.example a:y.example a:z.example -all"}, "spf", "3 look-ups without an answer",
     "names are gone"),
    ({"spf": "v=spf1 include:gone.example -all"}, "spf", "ends with an error", "term that leads there"),
    # DKIM
    ({"key": "v=DKIM1; p="}, "dkim", "revoked", "new selector"),
    ({"key": KEY + "; t=y"}, "dkim", "t=y", "take t=y out"),
    # DMARC
    ({"dmarc": []}, "dmarc", "no DMARC policy", "_dmarc.example.com: v=DMARC1; p=none"),
    ({"dmarc": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}, "dmarc", "2 DMARC records", "leave one"),
    ({"dmarc": "v=dmarc1; p=none"}, "dmarc", "doesn't begin", "in capitals"),
    ({"dmarc": "p=none; v=DMARC1"}, "dmarc", "doesn't begin", "in capitals"),
    ({"dmarc": "v=DMARC1; p=\u201creject\u201d; rua=mailto:d@example.com"}, "dmarc",
     "a typographic quotation mark at byte 13, column 13", "by hand"),
    ({"dmarc": "v=DMARC1; p=block; rua=mailto:d@example.com"}, "dmarc", "missing or none of", "p=none"),
    ({"dmarc": "v=DMARC1; p=block"}, "dmarc", "no valid policy", "v=DMARC1; p=none"),
    ({"dmarc": "v=DMARC1; p=none; p=reject"}, "dmarc", "counts as none: p= twice", None),
    ({"dmarc": "v=DMARC1; p=reject; rua=d@example.com"}, "dmarc", "1 of the 1 addresses of rua=", "mailto:"),
    ({"dmarc": "v=DMARC1; p=reject; rua=mailto:d@reports.example"}, "dmarc", "to reports.example are not "
     "sent", "example.com._report._dmarc.reports.example: v=DMARC1;"),
], ids=lambda v: v if isinstance(v, str) and len(v) < 40 else "")
def test_problems(tmp_path, change, area, text, remedy):
    found = findings(tmp_path, zone_of(**change), status=1)
    problems = [f for f in found if f["weight"] == "problem"]
    hits = [f for f in problems if f["area"] == area and text in f["text"]]
    assert len(hits) == 1, problems
    if remedy is not None:
        assert any(remedy in (f["remedy"] or "") for f in problems)


@pytest.mark.parametrize("change, area, text", [
    ({"mx": ""}, "mx", "no MX record"),
    ({"spf": "v=spf1 ip4:192.0.2.1 ?all"}, "spf", "says nothing"),
    ({"spf": "v=spf1 ip4:192.0.2.1"}, "spf", "neither"),
    ({"spf": "v=spf1 -all ip4:192.0.2.1"}, "spf", "never looked at"),
    ({"spf": "v=spf1 ptr -all"}, "spf", "RFC 7208 5.5"),
    ({"spf": "v=spf1 a:x.example -all"}, "spf", "1 look-up without an answer"),
    ({"dmarc": "v=DMARC1; p=none; rua=mailto:d@example.com"}, "dmarc", "reported and let through"),
    ({"dmarc": "v=DMARC1; p=reject"}, "dmarc", "without rua="),
    ({"dmarc": "v=DMARC1; p=reject; t=y; rua=mailto:d@example.com"}, "dmarc", "one step weaker"),
    ({"dmarc": "v=DMARC1; p=reject; sp=none; rua=mailto:d@example.com"}, "dmarc", "sp=none is weaker"),
    ({"dmarc": "v=DMARC1; p=reject; pct=50; rua=mailto:d@example.com"}, "dmarc", "pct= is of RFC 7489"),
    ({"dmarc": "v=DMARC1; p=reject; rau=x; rua=mailto:d@example.com"}, "dmarc", "rau= is no tag"),
])
def test_notes(tmp_path, change, area, text):
    found = findings(tmp_path, zone_of(**change), status=0)
    assert [f["area"] for f in found if f["weight"] == "note" and text in f["text"]] == [area]


def test_null_mx(tmp_path):
    found = findings(tmp_path, zone_of(mx="example.com. IN MX 0 .\n"), status=0)
    assert found[0]["text"] == "null MX: example.com receives no mail (RFC 7505)"


@pytest.mark.parametrize("ip, status, result", [
    ("192.0.2.9", 0, "192.0.2.9: pass by ip4:192.0.2.0/24"),
    ("198.51.100.1", 1, "198.51.100.1: fail by -all"), ("2001:db8::1", 1, "2001:db8::1: fail by -all")])
def test_client(tmp_path, ip, status, result):
    found = findings(tmp_path, zone_of(), "--ip", ip, status=status)
    hit, = [f for f in found if f["text"] == result]
    assert status == 0 or ("ip4:" if "." in ip else "ip6:") + ip in hit["remedy"]


def test_tree_walk(tmp_path):
    more = "a.b.example.com. IN MX 10 mx.example.com.\n" + txt("a.b.example.com", "v=spf1 -all")
    found = findings(tmp_path, zone_of(more=more), domain="a.b.example.com", status=1)
    texts = [f["text"] for f in found if f["area"] == "dmarc"]
    assert texts[0] == "the tree walk visits a.b.example.com, b.example.com, example.com (record), com"
    assert texts[1].startswith("the record of example.com applies: v=DMARC1; p=reject")
    assert "aligned with a.b.example.com is: DKIM of any domain in example.com, SPF of any domain in " \
        "example.com" in texts


def test_walk_and_list_differ(tmp_path):
    more = txt("_dmarc.example.com", "v=DMARC1; p=none; psd=y") + txt("_dmarc.a.example.com",
                                                                     "v=DMARC1; p=reject")
    found = findings(tmp_path, zone_of(dmarc=[], more=more), domain="x.a.example.com", status=1)
    assert any("is a.example.com by the tree walk (RFC 9989) and example.com by the public suffix list"
               in f["text"] for f in found)


def test_reports_to_others(tmp_path):
    dmarc = "v=DMARC1; p=reject; rua=mailto:d@reports.example,mailto:d@sub.example.com,https://x.example/"
    # A31: whoever gets reports about others must have said so (RFC 7489 7.1, RFC 9990)
    consent = txt("example.com._report._dmarc.reports.example", "v=DMARC1;")
    found = findings(tmp_path, zone_of(dmarc=dmarc, more=consent), status=0)
    assert "reports.example takes reports about example.com" in [f["text"] for f in found]


@pytest.mark.parametrize("name", ["example.com", "_dmarc.example.com", "s1._domainkey.example.com",
                                  "reports.example", "include.example", "_mta-sts.example.com"])
def test_temporary(tmp_path, name):
    zone = zone_of(spf="v=spf1 include:include.example -all",
                   dmarc="v=DMARC1; p=reject; rua=mailto:d@reports.example",
                   more=txt("include.example", "v=spf1 -all"))
    bad = name if name != "reports.example" else "example.com._report._dmarc.reports.example"
    zone = "".join(line + "\n" for line in zone.splitlines() if not line.startswith(bad + ". "))
    if name != "reports.example":
        zone += txt("example.com._report._dmarc.reports.example", "v=DMARC1")
    found = findings(tmp_path, zone + bad + ". SERVFAIL\n", status=75)
    assert any(f["weight"] == "unknown" for f in found)


def test_hostile_text(tmp_path):
    text = run(tmp_path, zone_of(dmarc="v=DMARC1; p=none; x=\x1b[31m\x00"), "--selector", "s1")
    assert "\033" not in text and "\x00" not in text


def test_colour_on_a_terminal_only(tmp_path):
    (tmp_path / "zone").write_text(zone_of())
    ours, theirs = pty.openpty()
    subprocess.run([SLUICE, "domain", "check", "example.com", "--zone", tmp_path / "zone"],
                   stdout=theirs)
    assert b"mx      \033[32mgood" in os.read(ours, 65536)
    os.close(theirs)
    os.close(ours)


@pytest.mark.parametrize("args", [
    [], ["check"], ["look", "example.com"], ["check", "a..b"], ["check", "example.com", "more"],
    ["check", "example.com", "--ip", "nowhere"], ["check", "example.com", "--selector", "a/b"],
    ["check", "example.com", "--zone", "/nowhere"], ["check", "example.com", "--unknown"]], ids=" ".join)
def test_usage(args):
    assert subprocess.run([SLUICE, "domain", *args], capture_output=True).returncode == 2
