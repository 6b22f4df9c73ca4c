"""sluice dmarc report: aggregate reports as receivers send them, and files that only look so (A31)."""
import gzip
import io
import json
import os
import re
import subprocess
import zipfile

import pytest

from harness import SLUICE

pytestmark = pytest.mark.skipif(
    b" dmarc " not in subprocess.run([SLUICE, "help"], capture_output=True).stdout,
    reason="built without reports")

HEAD = """<report_metadata><org_name>%s</org_name><email>r@example.net</email><report_id>1</report_id>
<date_range><begin>1700000000</begin><end>1700086399</end></date_range></report_metadata>
<policy_published><domain>example.com</domain><p>none</p><sp>none</sp></policy_published>"""


def record(ip, count, dkim="fail", spf="fail", results="", reason=""):
    return ("<record><row><source_ip>%s</source_ip><count>%d</count><policy_evaluated><disposition>none"
            "</disposition><dkim>%s</dkim><spf>%s</spf>%s</policy_evaluated></row><identifiers><header_from>"
            "example.com</header_from></identifiers><auth_results>%s</auth_results></record>"
            % (ip, count, dkim, spf, reason, results))


def result(kind, domain, word):
    return "<%s><domain>%s</domain><result>%s</result></%s>" % (kind, domain, word, kind)


def report(*records, org="Receiver"):
    return ("<feedback>" + HEAD % org + "".join(records) + "</feedback>").encode()


GOOD = record("192.0.2.1", 10, "pass", "pass", result("dkim", "example.com", "pass"))
FORGED = record("198.51.100.1", 3, results=result("spf", "example.com", "fail"))
SERVICE = record("198.51.100.2", 4, results=result("dkim", "esp.example", "pass"))
LIST = record("198.51.100.3", 2, results=result("dkim", "example.com", "fail")
              + result("spf", "list.example", "pass"))


def run(tmp_path, *files, args=(), status=0):
    paths = []
    for i, content in enumerate(files):
        paths.append(tmp_path / ("f%d" % i))
        paths[-1].write_bytes(content)
    done = subprocess.run([SLUICE, "dmarc", "report", *args, *paths], capture_output=True)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stdout.decode(), done.stderr.decode()


def zipped(content, name="r.xml"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(name, content)
    return out.getvalue()


def mailed(content):
    import email.message
    m = email.message.EmailMessage()
    m["From"] = "r@example.net"
    m["Subject"] = "Report Domain: example.com"
    m.set_content("text")
    m.add_attachment(content, "application", "gzip", filename="r.xml.gz")
    return m.as_bytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zipped, lambda x: mailed(gzip.compress(x)),
                                  lambda x: mailed(zipped(x)), mailed])
def test_forms(tmp_path, pack):
    out, _ = run(tmp_path, pack(report(GOOD, FORGED)), args=["--json"])
    domain, = json.loads(out)["domains"]
    assert domain["domain"] == "example.com" and domain["messages"] == 13 and domain["passed"] == 10
    assert domain["reject_hurts"] == "no"
    assert domain["addresses"][0] == {"address": "192.0.2.1", "name": "example.com", "messages": 10,
                                      "passed": 10, "dkim": 10, "spf": 10}
    assert domain["failures"] == [{"cause": "unknown", "name": "", "messages": 3, "addresses": 1,
                                   "examples": ["198.51.100.1"]}]


@pytest.mark.parametrize("records,hurts,status", [
    ([GOOD], "no", 0), ([GOOD, FORGED], "no", 0), ([GOOD, SERVICE], "maybe", 1),
    ([GOOD, LIST], "yes", 1), ([GOOD, SERVICE, LIST], "yes", 1),
    ([GOOD, record("192.0.2.1", 1)], "yes", 1),
])
def test_would_reject_hurt(tmp_path, records, hurts, status):
    out, _ = run(tmp_path, report(*records), args=["--json"], status=status)
    assert json.loads(out)["domains"][0]["reject_hurts"] == hurts


def test_several_files_for_people(tmp_path):
    out, err = run(tmp_path, report(GOOD, FORGED), gzip.compress(report(GOOD, SERVICE, org="Other")),
                   report(GOOD, FORGED), status=1)
    assert "the same report once more" in err
    assert re.search(r"example.com p=none sp=none, 2 reports, 2023-11-14 to 2023-11-15", out)
    assert re.search(r"messages +27", out) and re.search(r"passed +20 +74\.1 %", out)
    assert "p=reject could hurt" in out
    assert re.search(r"4  authenticated as esp\.example; 1 address: 198\.51\.100\.2", out)
    assert re.search(r"3  not authenticated at all; 1 address: 198\.51\.100\.1", out)


def test_one_bad_file_among_good_ones(tmp_path):
    out, err = run(tmp_path, report(GOOD), b"<feedback>", status=2)
    assert "f1: line 1: no element found" in err and re.search(r"messages +10", out)


def test_long_tables(tmp_path):
    many = report(*(record("2001:db8::%x" % i, 1) for i in range(1, 41)))
    assert "and 25 more (--all)" in run(tmp_path, many)[0]
    out, _ = run(tmp_path, many, args=["--all"])
    assert "2001:db8::28 " in out and "--all" not in out


def test_a31_xml_entities_and_bombs(tmp_path):
    laughs = b"<!DOCTYPE l [<!ENTITY a0 'ha'>" + b"".join(
        b"<!ENTITY a%d '%s'>" % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 10)) + b"]>"
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    outside = b"<!DOCTYPE l [<!ENTITY a SYSTEM 'file://%s'>]>" % str(secret).encode()
    for head, name in ((laughs, b"&a9;"), (outside, b"&a;")):
        xml = head + report(GOOD).replace(b"Receiver", name)
        out, err = run(tmp_path, xml, gzip.compress(xml), args=["--json"], status=2)
        assert err.count("a document type has no place in a report") == 2 and "hidden" not in out + err
        assert json.loads(out) == {"reports": [], "domains": []}
    big = b" " * (64 * 1024 * 1024) + report(GOOD)
    for pack in gzip.compress, zipped:
        assert "larger than any report" in run(tmp_path, pack(big), status=2)[1]
    assert "nested too deep" in run(tmp_path, b"<feedback>" + b"<a>" * 10000, status=2)[1]


def test_a31_a_hundred_thousand_addresses(tmp_path):
    """A reporter chooses addresses and names: each is counted, in linear time and memory."""
    xml = report(*(record("2001:db8::%x:%x" % (i >> 8, i & 255), 1, results=result(
        "spf", "n%d.example" % i, "pass")) for i in range(100000)))
    out, _ = run(tmp_path, gzip.compress(xml, 1), args=["--json"], status=1)
    domain, = json.loads(out)["domains"]
    assert len(domain["addresses"]) == len(domain["failures"]) == domain["messages"] == 100000


def test_a31_forged_report(tmp_path):
    """One with the id of another doesn't hide it, and its texts do nothing to a terminal."""
    evil = report(record("\u001b[2J".replace("\x1b", "&#x9b;") + "203.0.113.9", 1, results=result(
        "spf", "a&#10;  p=reject would refuse nothing&#13;", "pass")), org="Receiver")
    out, err = run(tmp_path, evil, report(GOOD), status=1)
    assert "another report has the same id: both are counted" in err
    assert "2 reports" in out and re.search(r"messages +11", out)
    assert "\x9b" not in out and "\r" not in out
    assert len([line for line in out.splitlines() if line.startswith("  p=reject")]) == 1


def test_usage():
    for args in ([], ["report"], ["report", "--nothing", "f"], ["send", "f"]):
        done = subprocess.run([SLUICE, "dmarc", *args], capture_output=True)
        assert done.returncode == 2 and b"usage" in done.stderr
    done = subprocess.run([SLUICE, "dmarc", "report", "-"], input=report(GOOD), capture_output=True)
    assert done.returncode == 0 and b"192.0.2.1" in done.stdout
