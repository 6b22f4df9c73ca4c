"""sluice sign, sluice verify: others must verify what is signed, and what is found must be said."""
import base64
import json
import os
import pty
import re
import shutil
import subprocess

import pytest

from harness import SLUICE

SEED = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
MESSAGE = (b"From: Joe  SixPack <joe@example.com>\n"
           b"To: Suzie <suzie@example.net>,\n  \tBob <bob@example.net>\n"
           b"Subject:  Is   dinner\n\tready?\n"
           b"Date: Tue, 14 Nov 2023 22:13:20 +0000\n"
           b"Message-ID: <1@example.com>\n\n"
           b"Hi.\n\nWe lost  the game. \n")
NAMES = ["--selector", "s1", "--domain", "example.com"]


def sluice(*args, data=b"", status=0):
    done = subprocess.run([SLUICE, *map(str, args)], input=data, capture_output=True)
    assert done.returncode == status, (done.returncode, done.stdout[-2000:], done.stderr)
    return done.stdout if status == 0 else (done.stdout + done.stderr).decode()


def openssl(*args):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True).stdout


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands")
    (folder / "message").write_bytes(MESSAGE)
    return folder


@pytest.fixture(scope="session")
def keys(folder):
    """Key files by kind, and by the same name + "_record" what the zone says of them."""
    keys = {"rsa": folder / "rsa.pem", "ed25519": folder / "ed25519.key", "ec": folder / "ec.pem"}
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", keys["rsa"])
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", keys["ec"])
    keys["ed25519"].write_text(SEED + "\n")
    (folder / "public.pem").write_bytes(openssl("pkey", "-in", keys["rsa"], "-pubout"))
    keys["public"] = folder / "public.pem"
    public = openssl("pkey", "-in", keys["rsa"], "-pubout", "-outform", "DER")
    keys["rsa_record"] = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
    seed = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20" + base64.b64decode(SEED)
    (folder / "ed25519.der").write_bytes(seed)
    public = openssl("pkey", "-inform", "DER", "-in", folder / "ed25519.der", "-pubout",
                     "-outform", "DER")[-32:]
    keys["ed25519_record"] = "v=DKIM1; k=ed25519; p=" + base64.b64encode(public).decode()
    return keys


def dkimpy_verifies(message, record):
    dkim = pytest.importorskip("dkim")
    return dkim.verify(message, dnsfunc=lambda name, timeout=5: record.encode())


def txt(name, text):
    parts = (text[i:i + 200] for i in range(0, len(text), 200))
    return "%s. IN TXT %s\n" % (name, " ".join('"%s"' % part for part in parts))


ZONE = (txt("example.com", "v=spf1 ip4:192.0.2.0/24 -all")
        + txt("_dmarc.example.com", "v=DMARC1; p=reject")
        + txt("soft.example", "v=spf1 ~all") + txt("broken.example", "v=spf1 nonsense:x -all")
        + txt("open.example", "v=spf1 ip4:192.0.2.0/24 -all")
        + "down.example. SERVFAIL\n_dmarc.down.example. SERVFAIL\n"
        + txt("_dmarc.lax.example", "v=DMARC1; p=none")
        + txt("_dmarc.evil.example", "v=DMARC1; p=quarantine; x=A\\027[31mB\\255"))


@pytest.fixture(scope="session")
def zone(folder, keys):
    path = folder / "zone"
    path.write_text(ZONE + txt("s1._domainkey.example.com", keys["rsa_record"])
                    + txt("s2._domainkey.example.com", keys["ed25519_record"])
                    + "s3._domainkey.example.com. SERVFAIL\n")
    return path


@pytest.fixture(scope="session")
def signed(folder, keys):
    return sluice("sign", folder / "message", "--key", keys["rsa"], *NAMES)


class TestSign:
    @pytest.mark.parametrize("kind", ["rsa", "ed25519"])
    @pytest.mark.parametrize("canon", [None, "relaxed/simple", "simple/relaxed", "simple/simple"])
    def test_dkimpy_verifies(self, folder, keys, kind, canon):
        if kind == "ed25519":
            pytest.importorskip("nacl")
        more = ["--canonicalization", canon] if canon else []
        out = sluice("sign", folder / "message", "--key", keys[kind], *NAMES, *more)
        assert ("c=%s;" % (canon or "relaxed/relaxed")).encode() in out
        assert dkimpy_verifies(out, keys[kind + "_record"])
        assert not dkimpy_verifies(out.replace(b"game", b"fame"), keys[kind + "_record"])

    @pytest.mark.parametrize("message", [
        MESSAGE, MESSAGE.replace(b"\n", b"\r\n"), MESSAGE.replace(b"\n", b"\r\n", 3),
        MESSAGE[:-1]], ids=["lf", "crlf", "mixed", "no final end"])
    def test_line_ends(self, keys, message):
        out = sluice("sign", "-", "--key", keys["rsa"], *NAMES, data=message)
        crlf = MESSAGE.replace(b"\n", b"\r\n")
        assert out.startswith(b"DKIM-Signature: v=1;") and out.endswith(b"\r\n" + crlf)
        assert re.search(rb"(?<!\r)\n", out) is None
        assert dkimpy_verifies(out, keys["rsa_record"])

    def test_header_only(self, folder, keys):
        args = ["--key", keys["rsa"], *NAMES, "--header-only"]
        field = sluice("sign", folder / "message", *args)
        assert re.fullmatch(rb"DKIM-Signature: [^\r\n]*(\r\n\t[^\r\n]+)*\r\n", field)
        assert dkimpy_verifies(field + MESSAGE.replace(b"\n", b"\r\n"), keys["rsa_record"])

    @pytest.mark.parametrize("key, reason", [
        ("nowhere", "No such file or directory"), ("message", "no private key"),
        ("ec.pem", "neither RSA nor Ed25519"), ("public.pem", "no private key"),
        (".", "Is a directory")])
    def test_keys_refused(self, folder, keys, key, reason):
        path = folder / key
        error = sluice("sign", folder / "message", "--key", path, *NAMES, status=1)
        assert str(path) + ": " in error and reason in error
        assert "BEGIN" not in error and SEED not in error

    @pytest.mark.parametrize("text, reason", [
        (None, "No such file or directory"), (b"", "0 From fields"),
        (b"Subject: x\n\nhi\n", "0 From fields"), (b"From: a@b.c\nFrom: a@b.c\n\n", "2 From fields")],
        ids=["missing", "empty", "no From", "two From"])
    def test_messages_refused(self, tmp_path, keys, text, reason):
        path = tmp_path / "other"
        if text is not None:
            path.write_bytes(text)
        error = sluice("sign", path, "--key", keys["rsa"], *NAMES, status=1)
        assert str(path) + ": " in error and reason in error

    @pytest.mark.parametrize("args", [
        [], ["--selector", "s1"], ["--domain", "example.com"], [*NAMES, "--canonicalization", "nice"],
        [*NAMES, "--canonicalization", "relaxed"], [*NAMES, "--unknown"], [*NAMES, "more"],
        ["--selector", "s..1", "--domain", "example.com"]], ids=" ".join)
    def test_usage(self, folder, keys, args):
        sluice("sign", folder / "message", "--key", keys["rsa"], *args, status=2)

    def test_full_disk(self, folder, keys):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([SLUICE, "sign", folder / "message", "--key", keys["rsa"], *NAMES],
                                  stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 1 and b"No space left" in done.stderr


def client(sender, ip="192.0.2.1", helo="mail.example.com"):
    return ["--ip", ip, "--helo", helo, "--from", sender]


class TestVerify:
    def check(self, zone, message, *args, status):
        done = subprocess.run([SLUICE, "verify", "-", "--zone", zone, *args], input=message,
                              capture_output=True)
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        assert done.stderr == b""
        return done.stdout.decode()

    def found(self, zone, message, *args, status):
        return json.loads(self.check(zone, message, "--json", *args, status=status))

    @pytest.mark.parametrize("kind, selector", [("rsa", "s1"), ("ed25519", "s2")])
    def test_ours(self, folder, keys, zone, kind, selector):
        message = sluice("sign", folder / "message", "--key", keys[kind], "--selector", selector,
                         "--domain", "example.com")
        r = self.found(zone, message, status=0)
        assert r["result"] == "ok" and r["spf"] is None and r["dkim"]["result"] == "pass"
        signature, = r["dkim"]["signatures"]
        assert (signature["domain"], signature["selector"]) == ("example.com", selector)
        assert signature["algorithm"] == kind + "-sha256" and signature["reason"] == ""
        assert r["dmarc"]["result"] == "pass" and r["dmarc"]["dkim_alignment"] == "pass"

    def test_line_ends_of_a_file(self, zone, signed):
        self.check(zone, signed.replace(b"\r\n", b"\n"), status=0)

    def test_theirs(self, keys, zone):
        dkim = pytest.importorskip("dkim")
        message = MESSAGE.replace(b"\n", b"\r\n")
        field = dkim.sign(message, b"s1", b"example.com", keys["rsa"].read_bytes())
        assert self.found(zone, field + message, status=0)["dkim"]["result"] == "pass"

    @pytest.mark.parametrize("old, new, reason", [
        (b"game", b"fame", "body hash did not verify"),
        (b"dinner", b"supper", "signature did not verify"),
        (b"s=s1", b"s=s9", "no key for signature"),
        (b"d=example.com", b"d=example..com", "d= is no domain name")])
    def test_tampered(self, zone, signed, old, new, reason):
        text = self.check(zone, signed.replace(old, new), status=1)
        assert "dkim   fail " in text or "dkim   permerror " in text
        assert "reason        %s\n" % reason in text
        assert "dmarc  reject        example.com\n" in text

    def test_one_good_signature_is_enough(self, zone, signed):
        body = signed[signed.index(b"From: Joe"):]
        bad = signed[:signed.index(b"From: Joe")].replace(b"s=s1", b"s=s9")
        r = self.found(zone, bad + signed, status=0)
        assert [s["result"] for s in r["dkim"]["signatures"]] == ["permerror", "pass"]
        assert self.found(zone, bad + body, status=1)["dkim"]["result"] == "permerror"

    @pytest.mark.parametrize("args, result, mechanism, status", [
        (client("joe@open.example"), "pass", "ip4:192.0.2.0/24", 0),
        (client("joe@open.example", ip="198.51.100.1"), "fail", "-all", 1),
        (client("joe@open.example", ip="2001:db8::1"), "fail", "-all", 1),
        (client("joe@soft.example"), "softfail", "~all", 0),
        (client("joe@nothing.example"), "none", "", 0),
        (client("joe@broken.example"), "permerror", "", 1),
        (client("joe@down.example"), "temperror", "", 75),
        (client("", helo="open.example"), "pass", "ip4:192.0.2.0/24", 0),
        (["--ip", "192.0.2.1", "--from", "joe@open.example"], "pass", "ip4:192.0.2.0/24", 0)])
    def test_spf(self, zone, signed, args, result, mechanism, status):
        r = self.found(zone, signed, *args, status=status)
        assert r["spf"]["result"] == result and r["spf"]["mechanism"] == mechanism
        assert r["result"] == {0: "ok", 1: "fail", 75: "temperror"}[status]
        text = self.check(zone, signed, *args, status=status)
        assert re.search(r"^spf    %s +\S+ from %s$" % (result, re.escape(args[1])), text, re.M)

    @pytest.mark.parametrize("domain, args, result, status", [
        ("example.com", [], "reject", 1),
        ("example.com", client("joe@example.com"), "pass", 0),
        ("example.com", client("joe@open.example"), "reject", 1),
        ("lax.example", [], "none", 1),
        ("nothing.example", [], "policy_absent", 0),
        ("down.example", [], "temperror", 75)])
    def test_dmarc(self, zone, domain, args, result, status):
        message = MESSAGE.replace(b"@example.com>", b"@%s>" % domain.encode(), 1)
        r = self.found(zone, message, *args, status=status)
        assert r["dmarc"]["result"] == result and r["dmarc"]["from"] == domain
        assert r["dkim"] == {"result": "none", "signatures": [], "skipped": 0}

    def test_dmarc_shown(self, zone):
        assert self.check(zone, MESSAGE, status=1) == """\
dkim   none          no signature
dmarc  reject        example.com
       reason        nothing that passed is aligned with example.com
       policy        reject
       policy of     example.com
       record        v=DMARC1; p=reject
       aligned       SPF not checked, DKIM fail
"""

    def sealed(self, keys, message, selector=b"s1"):
        """Another set on top, by dkimpy, which takes cv= from a field of its own."""
        dkim = pytest.importorskip("dkim")
        pytest.importorskip("authres")
        text = (keys["rsa_record"]).encode()
        status = dkim.arc_verify(message, dnsfunc=lambda name, timeout=5: text)[0] or b"fail"
        results = b"Authentication-Results: mx.example.com; arc=%s; dkim=pass header.d=a.example\r\n" % status
        return b"".join(dkim.arc_sign(results + message, selector, b"example.com",
                                      keys["rsa"].read_bytes(), b"mx.example.com")) + message

    def test_arc(self, keys, zone, signed):
        chain = self.sealed(keys, self.sealed(keys, signed))
        r = self.found(zone, chain, status=0)["arc"]
        assert (r["result"], r["instances"], r["oldest_pass"], r["from_signed"]) == ("pass", 2, 0, True)
        assert [s["cv"] for s in r["sets"]] == ["none", "pass"]
        assert [s[k]["result"] for s in r["sets"] for k in ("seal", "message")] == ["pass"] * 4
        assert r["sets"][0]["seal"]["domain"] == "example.com"
        assert "header.d=a.example" in r["sets"][0]["results"]
        assert self.check(zone, chain, status=0).endswith(
            "arc    pass          2 sets\n"
            "       set 1         example.com cv=none, seal pass, message pass\n"
            "       set 2         example.com cv=pass, seal pass, message pass\n")
        none = self.found(zone, signed, status=0)["arc"]
        assert none["result"] == "none" and none["sets"] == []
        assert "\narc" not in self.check(zone, signed, status=0)

    def test_a_broken_chain_is_no_failure(self, keys, zone, signed):
        """It says as much as none at all (RFC 8617 5.2): the message's own signature counts."""
        chain = self.sealed(keys, signed)
        bad = re.sub(rb"(ARC-Seal:.*?b=)(.)", lambda m: m[1] + (b"A" if m[2] != b"A" else b"B"), chain,
                     count=1, flags=re.S)
        r = self.found(zone, bad, status=0)
        assert r["result"] == "ok" and r["arc"]["result"] == "fail" and r["arc"]["reason"] != ""
        assert re.search(r"^arc    fail          1 set\n       reason        \S", self.check(zone, bad, status=0),
                         re.M)
        gap = self.found(zone, chain.replace(b"i=1;", b"i=2;"), status=0)["arc"]
        assert (gap["result"], gap["instances"], gap["sets"]) == ("fail", 2, [])

    def test_an_arc_key_that_dns_does_not_give(self, keys, zone, signed):
        r = self.found(zone, self.sealed(keys, signed, selector=b"s3"), status=0)["arc"]
        assert r["result"] == "fail" and r["temporary"]

    def test_no_author(self, zone):
        message = MESSAGE.replace(b"From:", b"Other:")
        assert self.found(zone, message, status=1)["dmarc"]["result"] == "permerror"
        assert "dmarc  permerror     no author domain\n" in self.check(zone, message, status=1)

    def test_temporary(self, zone, signed):
        r = self.found(zone, signed.replace(b"s=s1", b"s=s3"), status=75)
        assert r["dkim"]["result"] == "temperror" and r["dmarc"]["result"] == "temperror"

    def test_hostile_record(self, zone):
        message = MESSAGE.replace(b"example.com", b"evil.example", 1)
        assert "A\\x1b[31mB\\xff" in self.check(zone, message, status=1)
        assert "A\\x1b[31mB\\xff" in self.found(zone, message, status=1)["dmarc"]["record"]

    def test_colour_on_a_terminal_only(self, folder, zone, signed):
        assert "\033" not in self.check(zone, signed, status=0)
        (folder / "signed").write_bytes(signed)
        ours, theirs = pty.openpty()
        subprocess.run([SLUICE, "verify", folder / "signed", "--zone", zone], stdout=theirs)
        assert b"dkim   \033[32mpass" in os.read(ours, 65536)
        subprocess.run([SLUICE, "verify", folder / "signed", "--zone", zone], stdout=theirs,
                       env={**os.environ, "NO_COLOR": "1"})
        assert b"dkim   pass" in os.read(ours, 65536)
        os.close(theirs)
        os.close(ours)

    @pytest.mark.parametrize("message, zone_text, reason", [
        ("nowhere", "", "nowhere: No such file"), ("message", None, "zone: No such file"),
        ("message", "a. IN NONSENSE x\n", "zone line 1, column 7: ")])
    def test_files(self, folder, tmp_path, message, zone_text, reason):
        zone = tmp_path / "zone"
        if zone_text is not None:
            zone.write_text(zone_text)
        assert reason in sluice("verify", folder / message, "--zone", zone, status=2)

    @pytest.mark.parametrize("args", [
        ["--ip", "nowhere", "--helo", "x"], ["--ip", "192.0.2.1"], ["--helo", "x"],
        ["--from", "a@example.com"], ["--ip", "192.0.2.1", "--from", "nobody"],
        ["--ip", "192.0.2.1", "--from", "<a@example.com>"], ["--ip", "192.0.2.1", "--from", ""],
        ["more"], ["--unknown"]], ids=" ".join)
    def test_usage(self, folder, zone, args):
        sluice("verify", folder / "message", "--zone", zone, *args, status=2)


@pytest.mark.parametrize("words", [["--help"], ["help"], ["run", "--help"], ["keys", "check", "--help"],
                                   ["test", "-h"]])
def test_help_is_an_answer_and_no_mistake(words):
    result = subprocess.run([SLUICE, *words], capture_output=True, text=True)
    assert result.returncode == 0 and result.stderr == ""
    assert "sluice " + words[0].strip("-") in result.stdout or "sluice COMMAND" in result.stdout


COMMANDS = ["run", "check", "init", "exec", "hsl", "repl", "test", "trace", "capture", "replay", "why", "shadow",
            "queue", "quarantine", "sign", "verify", "keys", "domain", "dmarc"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_mistakes_show_the_same_usage(command):
    lines = sluice(command, "--help").decode()
    usage = lines[lines.index("usage: sluice %s " % command):lines.rindex("\n\n") + 1]
    wrong = sluice(command, "--bogus", status=2)
    assert wrong.endswith(usage)
    assert all(len(line) <= 100 for line in lines.splitlines())


def test_every_command_has_help():
    listed = re.findall(r"^  (\w+) ", sluice("help").decode(), re.M)
    assert sorted(listed) == sorted(COMMANDS + ["version"])


@pytest.mark.parametrize("words", [["check"], ["check", "--defaults"], ["run"], ["repl"], ["test"], ["keys", "status"]])
def test_a_file_is_no_policy(folder, words):
    told = sluice(*words, folder / "message", status=2 if words[0] == "keys" else 1)
    assert "message: a policy is a folder with sluice.lua in it" in told
    assert "nowhere: No such file" in sluice(*words, "nowhere", status=2 if words[0] == "keys" else 1)


@pytest.mark.parametrize("command", ["exec", "hsl"])
def test_what_is_no_script(folder, command):
    assert "Is a directory" in sluice(command, folder, status=1)
    assert "sluice: nowhere: No such file" in sluice(command, "nowhere", status=1)
    assert sluice(command, "-", data=b"")[:5] == (b"" if command == "exec" else b"local")
    assert "standard input: too large" in sluice(command, "-", data=b" " * (1 << 20) + b" ", status=1)


def test_a_level_that_is_none():
    assert '--log-level: "loud" is none of debug' in sluice("run", "policy", "--log-level", "loud", status=2)


def test_a_build_is_tried_where_it_is_without_telling_it_where_its_library_is(tmp_path):
    alone = {name: value for name, value in os.environ.items() if name != "SLUICE_STDLIB"}
    for words, last in ([["init", "mail"], "mail/.luarc.json"], [["test", "mail"], " passed, 0 failed"]):
        done = subprocess.run([SLUICE, *words], cwd=tmp_path, env=alone, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.rstrip().endswith(last)


def test_a_tree_that_was_moved_whole_finds_its_own_library(tmp_path):
    stdlib = tmp_path / "share" / "sluice" / "stdlib"
    shutil.copytree(os.environ["SLUICE_STDLIB"], stdlib)
    (stdlib / "sluice.d.lua").touch()
    (tmp_path / "bin").mkdir()
    program = shutil.copy(SLUICE, tmp_path / "bin" / "sluice")
    alone = {name: value for name, value in os.environ.items() if name != "SLUICE_STDLIB"}
    done = subprocess.run([program, "init", "mail"], cwd=tmp_path, env=alone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "share") in (tmp_path / "mail" / ".luarc.json").read_text()
