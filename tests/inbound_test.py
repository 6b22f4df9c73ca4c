"""Inbound mail against DMARC, and the demo's own lines."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import urllib.request

import dkim
import pytest

from harness import ROOT, SLUICE, Sluice, key_pair, text_message, wait_for

CONFIG = """return {
  hostname = "mx.example.org",
  listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } },
  servers = { inbound = { flows = { data = "inbound.lua" },
                          relay = { ["example.org"] = { transport = "mailbox" } } } },
  transports = { mailbox = { maildir = "MAIL/%d/%u" } },
  dns = { zone = "zone.txt", zone_only = true, timeout = 0.5 },
}"""

ZONE = """$TTL 300
spoofed.example. IN TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.spoofed.example. IN TXT "v=DMARC1; p=reject"
sub.spoofed.example. IN A 192.0.2.1
partner.example. IN TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc.partner.example. IN TXT "v=DMARC1; p=reject"
none.example. IN TXT "v=spf1 -all"
dead.example. IN TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.dead.example. SERVFAIL
silent.example. IN TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.silent.example. TIMEOUT
helo.example. IN TXT "v=spf1 ip4:127.0.0.1 -all"
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return key_pair(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def server(tmp_path, keys):
    zone = ZONE + "s._domainkey.spoofed.example. IN TXT " + " ".join(
        f'"{keys[1][i:i + 200]}"' for i in range(0, len(keys[1]), 200)) + "\n"
    server = Sluice(tmp_path, CONFIG, {
        "inbound.lua": (ROOT / "scripts/inbound.lua").read_text(), "zone.txt": zone}).start()
    yield server
    assert server.stop() == 0, server.text()[-3000:]
    assert "AddressSanitizer" not in server.text() and "runtime error" not in server.text()


def send(server, mailfrom, message, helo="client.example"):
    client = server.client()
    client.say("EHLO " + helo)
    _, reply = client.send(mailfrom, ["bob@example.org"], message)
    client.close()
    return reply


def test_a_spoof_is_refused_with_the_articles_text(server):
    reply = send(server, "x@other.example", text_message("ceo@spoofed.example"))
    assert re.fullmatch(r"550 5\.7\.1 The message violates the DMARC policy of spoofed\.example "
                        r"\([0-9a-f-]{36}\)", reply), reply
    assert server.messages() == []
    wait_for(lambda: "[DMARC] [MAIL].From=spoofed.example" in server.text(), "the log line")


SPOOFS = {
    "subdomain": ("x@other.example", "ceo@sub.spoofed.example"),
    "subdomain that doesn't exist": ("x@other.example", "ceo@nothere.spoofed.example"),
    "null reverse-path": ("", "ceo@spoofed.example"),
    "own reverse-path": ("ceo@spoofed.example", "ceo@spoofed.example"),
    "display name": ("x@other.example", '"ceo@partner.example" <ceo@spoofed.example>'),
    "comment": ("x@other.example", "ceo@spoofed.example (ceo@partner.example)"),
    "aligned with another": ("x@partner.example", "ceo@spoofed.example"),
}


@pytest.mark.parametrize("case", SPOOFS)
def test_spoofs(server, case):
    mailfrom, author = SPOOFS[case]
    assert send(server, mailfrom, text_message(author)).startswith("550 5.7.1"), case


def test_the_helo_result_is_not_taken_for_mail_from(server):
    """A27: HELO passes for the From domain, MAIL FROM is somebody else's."""
    reply = send(server, "x@other.example", text_message("ceo@spoofed.example"), "spoofed.example")
    assert reply.startswith("550")


def test_aligned_mail_is_delivered(server):
    assert send(server, "x@partner.example", text_message("ann@partner.example")).startswith("250")
    server.message()


def test_signed_mail_is_delivered(server, keys):
    """dkimpy signs for the From domain; SPF fails."""
    message = text_message("ann@spoofed.example")
    signature = dkim.sign(message, b"s", b"spoofed.example", keys[0].encode(),
                          canonicalize=(b"relaxed", b"relaxed"))
    assert send(server, "x@other.example", signature + message).startswith("250")
    broken = signature + message.replace(b"Hello", b"Hallo")
    assert send(server, "x@other.example", broken).startswith("550")


def test_a_dns_failure_is_deferred(server):
    for domain in ("dead.example", "silent.example"):
        reply = send(server, "x@other.example", text_message("ceo@" + domain))
        assert reply == f"451 4.7.1 The DMARC policy of {domain} can't be checked now", reply


def test_without_a_policy_mail_is_delivered(server):
    assert send(server, "x@other.example", text_message("a@none.example")).startswith("250")


def test_several_from_are_refused(server):
    for extra in (b"From: a@partner.example\r\n", b"FROM :a@partner.example\r\n"):
        reply = send(server, "x@partner.example", text_message("ceo@spoofed.example", extra=extra))
        assert reply.startswith("550 5.7.1"), reply
    two = text_message("a@partner.example, ceo@spoofed.example")
    assert send(server, "x@partner.example", two).startswith("550 5.7.1")


# ---- the demo ---------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks isn't installed")
def test_the_demos_lines_work(tmp_path):
    run = str(SLUICE.parent.relative_to(ROOT) / "demo-test")
    shutil.rmtree(ROOT / run, ignore_errors=True)
    log = tmp_path / "log"
    with open(log, "w") as out:
        demo = subprocess.Popen(["sh", "tools/demo", SLUICE.parent], cwd=ROOT, stdout=out,
                                stderr=out, env=dict(os.environ, RUN=run), start_new_session=True)
    try:
        wait_for(lambda: "serving" in log.read_text() or demo.poll() is not None, "the demo")
        lines = re.findall(r"^  (swaks .*)$", log.read_text(), re.M)
        assert len(lines) == 2, log.read_text()
        good, bad = [subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60)
                     for line in lines]
        assert good.returncode == 0, good.stdout + log.read_text()
        assert "violates the DMARC policy of spoofed.example" in bad.stdout, bad.stdout
        mail = wait_for(lambda: list((ROOT / run / "mail").glob("*/*/new/*")), "the mail")
        metrics = urllib.request.urlopen("http://127.0.0.1:8891/metrics", timeout=10).read()
        assert b'sluice_verdicts_total{phase="data",action="Reject"} 1' in metrics
        assert b'sluice_verdicts_total{phase="data",action="Deliver"} 1' in metrics
        health = urllib.request.urlopen("http://127.0.0.1:8891/health", timeout=10).read()
        assert health == b'{"status":"ok"}\n'
        assert b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=demo;" \
            in mail[0].read_bytes()
    finally:
        os.killpg(demo.pid, signal.SIGTERM)
        demo.wait(20)
