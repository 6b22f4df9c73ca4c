"""sluice sign: what it signs others must verify, what it can't do it must say."""
import base64
import re
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
