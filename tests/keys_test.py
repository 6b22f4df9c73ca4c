"""sluice keys: what is generated verifies elsewhere; what is wrong with a published key is said."""
import base64
import json
import os
import re
import stat
import subprocess

import pytest

from harness import SLUICE

MESSAGE = (b"From: Joe <joe@example.com>\r\nTo: bob@example.net\r\nSubject: hi\r\n"
           b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\r\nHi.\r\n")


def sluice(*args, status=0, cwd=None, data=b""):
    done = subprocess.run([SLUICE, *map(str, args)], capture_output=True, cwd=cwd, input=data)
    assert done.returncode == status, (done.returncode, done.stdout[-3000:], done.stderr)
    return (done.stdout if status in (0, 1) and done.stdout else done.stdout + done.stderr).decode()


def generate(folder, *args, domain="example.com", selector="s1"):
    return json.loads(sluice("keys", "generate", "--domain", domain, "--selector", selector,
                             "--json", *args, cwd=folder))


def openssl(*args):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def rsa(folder):
    return generate(folder)


@pytest.fixture(scope="module")
def ed25519(folder):
    return generate(folder, "--type", "ed25519", selector="e1")


class TestGenerate:
    @pytest.mark.parametrize("args, bits", [
        ([], 2048), (["--bits", "3072"], 3072), (["--bits", "4096"], 4096),
        (["--type", "ed25519"], 256)])
    def test_openssl_reads_it(self, tmp_path, args, bits):
        made = generate(tmp_path, *args)
        path = tmp_path / made["file"]
        assert path.name == "s1.example.com.pem" and path.read_text().startswith("-----BEGIN PRIVATE")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        public = openssl("pkey", "-in", path, "-pubout", "-outform", "DER")
        kind = "ed25519" if bits == 256 else "rsa"
        p = base64.b64encode(public[-32:] if bits == 256 else public).decode()
        assert made["value"] == "v=DKIM1; k=%s; p=%s" % (kind, p)
        if kind == "rsa":
            assert b"(%d bit" % bits in openssl("pkey", "-in", path, "-noout", "-text")

    @pytest.mark.parametrize("kind", ["rsa", "ed25519"])
    def test_dkimpy_verifies(self, folder, rsa, ed25519, kind):
        dkim = pytest.importorskip("dkim")
        if kind == "ed25519":
            pytest.importorskip("nacl")
        made = {"rsa": rsa, "ed25519": ed25519}[kind]
        signed = subprocess.run(
            [SLUICE, "sign", "-", "--key", folder / made["file"], "--selector", made["selector"],
             "--domain", "example.com"], input=MESSAGE, capture_output=True, check=True).stdout
        asked = []

        def answer(name, timeout=5):
            asked.append(name.decode().rstrip("."))
            return "".join(made["strings"]).encode()
        assert dkim.verify(signed, dnsfunc=answer) and asked == [made["name"]]
        assert not dkim.verify(signed.replace(b"Hi.", b"Ho."), dnsfunc=answer)

    def test_strings_of_zone_text(self, rsa):
        quoted = re.findall(r'"([^"]*)"', rsa["zone"])
        assert quoted == rsa["strings"] and "".join(quoted) == rsa["value"]
        assert [len(s) for s in quoted[:-1]] == [255] * (len(quoted) - 1) and len(quoted) > 1
        assert rsa["zone"].startswith("s1._domainkey.example.com. 3600 IN TXT (")

    def test_output_is_a_zone(self, tmp_path):
        text = sluice("keys", "generate", "--domain", "Example.COM", "--selector", "S9", cwd=tmp_path)
        (tmp_path / "zone").write_text(text)
        assert "good" in sluice("keys", "check", "--domain", "example.com", "--selector", "s9", "--key",
                                "s9.example.com.pem", "--zone", "zone", cwd=tmp_path)
        value = re.search(r"^; (v=DKIM1.*)$", text, re.M).group(1)
        assert value == "".join(re.findall(r'"([^"]*)"', text))

    def test_never_overwrites(self, tmp_path):
        generate(tmp_path)
        before = (tmp_path / "s1.example.com.pem").read_bytes()
        error = sluice("keys", "generate", "--domain", "example.com", "--selector", "s1",
                       cwd=tmp_path, status=1)
        assert "s1.example.com.pem: exists" in error and "--selector" in error
        assert (tmp_path / "s1.example.com.pem").read_bytes() == before
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
        sluice("keys", "generate", "--domain", "example.com", "--out", "link", cwd=tmp_path, status=1)
        assert not (tmp_path / "elsewhere").exists()

    def test_a_selector_is_chosen(self, tmp_path):
        args = ["keys", "generate", "--domain", "example.com", "--type", "ed25519", "--json"]
        chosen = [json.loads(sluice(*args, cwd=tmp_path))["selector"] for _ in range(3)]
        assert re.fullmatch(r"s20\d{6}", chosen[0])
        assert chosen[1:] == [chosen[0] + "b", chosen[0] + "c"]

    def test_into_a_policy(self, tmp_path):
        error = sluice("keys", "generate", "--domain", "example.com", "--policy", tmp_path, status=1)
        assert "sluice.lua: No such file" in error and not (tmp_path / "keys").exists()
        (tmp_path / "sluice.lua").write_text("return {}\n")
        made = generate(tmp_path, "--policy", tmp_path)
        assert made["pki"] == "pki:example.com/s1"
        path = tmp_path / "keys" / "example.com" / "s1.pem"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_umask_doesnt_open_it(self, tmp_path):
        old = os.umask(0)
        try:
            made = generate(tmp_path, "--type", "ed25519")
        finally:
            os.umask(old)
        assert stat.S_IMODE((tmp_path / made["file"]).stat().st_mode) == 0o600

    @pytest.mark.parametrize("args", [
        [], ["--domain", ""], ["--domain", "a..b"], ["--domain", "../x"], ["--domain", "a/b"],
        ["--domain", "example.com", "--selector", "../s"],
        ["--domain", "example.com", "--selector", "a/b"],
        ["--domain", "example.com", "--selector", "a b"],
        ["--domain", "example.com", "--bits", "1024"], ["--domain", "example.com", "--bits", "8192"],
        ["--domain", "example.com", "--bits", "2049"], ["--domain", "example.com", "--bits", "many"],
        ["--domain", "example.com", "--type", "dsa"],
        ["--domain", "example.com", "--type", "ed25519", "--bits", "2048"],
        ["--domain", "example.com", "--out", "a", "--policy", "b"],
        ["--domain", "example.com", "--key", "a"], ["--domain", "example.com", "more"]], ids=" ".join)
    def test_usage(self, tmp_path, args):
        sluice("keys", "generate", *args, status=2, cwd=tmp_path)
        assert list(tmp_path.iterdir()) == []


def txt(text, name="s1._domainkey.example.com"):
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    text = "".join(c if " " <= c < "\x7f" else "".join("\\%03d" % b for b in c.encode()) for c in text)
    parts = re.findall(r"(?:\\\d\d\d|\\.|[^\\]){1,200}", text)
    return "%s. IN TXT %s\n" % (name, " ".join('"%s"' % part for part in parts) or '""')


class TestCheck:
    def check(self, folder, made, zone, *args, status):
        (folder / "zone").write_text("example.com. IN A 192.0.2.1\n" + zone)
        return sluice("keys", "check", "--domain", "example.com", "--selector", "s1", "--key",
                      made["file"], "--zone", "zone", *args, status=status, cwd=folder)

    def found(self, folder, made, zone, status):
        return json.loads(self.check(folder, made, zone, "--json", status=status))

    def problem(self, folder, made, zone):
        """The text and the remedy of the only problem."""
        found = self.found(folder, made, zone, 1)
        assert found["result"] == "problem"
        problem, = [f for f in found["findings"] if f["weight"] == "problem"]
        return problem["text"], problem["remedy"]

    @pytest.mark.parametrize("kind", ["rsa", "ed25519"])
    def test_good(self, folder, rsa, ed25519, kind):
        made = {"rsa": rsa, "ed25519": ed25519}[kind]
        found = self.found(folder, made, txt(made["value"]), 0)
        assert found["result"] == "good" and [f["weight"] for f in found["findings"]] == ["good"]

    def test_bare_rsa_public_key(self, folder, rsa):
        bare = openssl("rsa", "-in", folder / rsa["file"], "-RSAPublicKey_out", "-outform", "DER")
        self.found(folder, rsa, txt("v=DKIM1; p=" + base64.b64encode(bare).decode()), 0)

    # A25: a private key that isn't the published one is found before a message is lost.
    @pytest.mark.parametrize("record, reason, remedy", [
        (None, "there is no TXT record at s1._domainkey.example.com", "publish a TXT record"),
        ("OTHER", "another key's public half", "sign with the key that belongs to it, or publish"),
        ("v=DKIM1; k=rsa; p=", "is revoked", "new selector"),
        ("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
         "k= says ed25519, the private key is rsa", "replace it by"),
        ("v=DKIM1; k=dsa; p=AAAA", "neither rsa nor ed25519", "replace it by"),
        ("v=DKIM1; p=!!!", "p= of the key record is not base64", "replace it by"),
        ("v=DKIM1; p=AAAA", "can't be read", "replace it by"),
        ("v=DKIM1; k=rsa", "has no p=", "replace it by"),
        ("v=DKIM2; p=AAAA", "v= of the key record is not DKIM1", "replace it by"),
        ("something else", "can't be read", "replace it by"),
        ("OURS; t=y", "t=y", "take t=y out"),
        ("OURS; h=sha1", "not for sha256", "replace it by"),
        ("OURS; s=tlsrpt", "not for mail", "replace it by"),
        ("SHORT", "512 bits", "new selector")])
    def test_problems(self, folder, rsa, record, reason, remedy):
        if record in ("OTHER", "SHORT"):
            der = openssl("genrsa", "-traditional", "512" if record == "SHORT" else "2048")
            (folder / "other.pem").write_bytes(der)
            public = openssl("pkey", "-in", folder / "other.pem", "-pubout", "-outform", "DER")
            record = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
        zone = txt(record.replace("OURS", rsa["value"])) if record else ""
        text, todo = self.problem(folder, rsa, zone)
        assert reason in text and remedy in todo
        if "replace" in todo or "publish" in todo:
            assert rsa["value"] in todo

    def test_several_records(self, folder, rsa):
        zone = txt(rsa["value"]) + txt("v=spf1 -all")
        found = self.found(folder, rsa, zone, 1)
        assert "2 TXT records" in found["findings"][0]["text"]

    def test_short_key_of_ours(self, folder):
        openssl("genrsa", "-out", folder / "weak.pem", "1024")
        public = openssl("pkey", "-in", folder / "weak.pem", "-pubout", "-outform", "DER")
        zone = txt("v=DKIM1; p=" + base64.b64encode(public).decode())
        found = self.found(folder, {"file": "weak.pem"}, zone, 0)
        assert any("1024 bits is weak" in f["text"] for f in found["findings"])

    @pytest.mark.parametrize("old, new, what, byte, column", [
        ("v=DKIM1", "\u201cv=DKIM1", "a typographic quotation mark", 1, 1),
        ("k=rsa", "\u00a0k=rsa", "a no-break space", 10, 10),
        ("k=rsa", "\u200bk=rsa\u200b", "an invisible zero-width space", 10, 10),
        ("v=DKIM1", '"v=DKIM1', "a quotation mark that is part of the text", 1, 1),
        ("k=rsa; ", "k=rsa;\r\n", "a line end", 16, 16),
        ("; k=rsa", "\u2013; k=rsa", "a dash in place of a hyphen", 8, 8),
        ("k=rsa; p=", "n=\u00e9\u2019; k=rsa; p=", "a typographic apostrophe", 14, 13)])
    def test_pasted(self, folder, rsa, old, new, what, byte, column):
        found = self.found(folder, rsa, txt(rsa["value"].replace(old, new)), 1)
        texts = [f["text"] for f in found["findings"] if what in f["text"]]
        assert len(texts) == 1 and texts[0].endswith("at byte %d, column %d" % (byte, column))

    def test_key_that_others_can_read(self, folder, rsa):
        (folder / "open.pem").write_bytes((folder / rsa["file"]).read_bytes())
        (folder / "open.pem").chmod(0o644)
        found = self.found(folder, {"file": "open.pem"}, txt(rsa["value"]), 0)
        assert found["findings"][0]["remedy"] == "chmod 600 open.pem"

    def test_temporary(self, folder, rsa):
        text = self.check(folder, rsa, "s1._domainkey.example.com. SERVFAIL\n", status=75)
        assert "can't be looked up now" in text

    def test_hostile_record(self, folder, rsa):
        text = self.check(folder, rsa, txt("v=DKIM1; k=\x1b[31mx; p=AAAA"), status=1)
        assert "\033" not in text

    @pytest.mark.parametrize("args", [
        [], ["--selector", "s1"], ["--key", "k"], ["--selector", "s1", "--key", "k", "--bits", "2048"],
        ["--selector", "s1", "--key", "-", "--zone", "-"],
        ["--selector", "s1", "--key", "nowhere"]], ids=" ".join)
    def test_usage(self, folder, args):
        sluice("keys", "check", "--domain", "example.com", *args, status=2, cwd=folder)


POLICY = """return {
  listen = {}, servers = { a = { relay = { ["x.y"] = { transport = "d" } } } },
  transports = { d = { discard = true } }, dns = { zone = "zone.txt", zone_only = true },
  dkim = { ["example.com"] = { { selector = "s2", key = "pki:example.com/s2" },
                               { selector = "s1", key = "pki:example.com/s1" } } },
}"""


class TestStatus:
    @pytest.fixture(scope="class")
    def policy(self, tmp_path_factory):
        policy = tmp_path_factory.mktemp("policy")
        (policy / "sluice.lua").write_text(POLICY)
        (policy / "zone.txt").write_text("example.com. IN A 192.0.2.1\n")
        made = {s: generate(policy, "--policy", policy, "--type", "ed25519", selector=s)
                for s in ("s1", "s2")}
        return policy, made

    @pytest.mark.parametrize("published, signs, status, texts", [
        (["s1", "s2"], "s2", 0, ["s2 signs (ed25519, 256 bits)", "s1 is published and doesn't sign any more"]),
        (["s1"], "s1", 0, ["s2 doesn't sign (missing)", "s1 signs"]),
        (["s2"], "s2", 0, ["s2 signs", "s1 is out of use (missing): take it out"]),
        ([], None, 1, ["no key signs", "s2 doesn't sign (missing)", "s1 doesn't sign (missing)"]),
        (["SERVFAIL"], None, 75, ["no key is known", "s2 doesn't sign (unknown)", "s1 doesn't sign (unknown)"])])
    def test_rotation(self, policy, published, signs, status, texts):
        policy, made = policy
        text = "example.com. IN A 192.0.2.1\n" + "".join(
            m["name"] + ". SERVFAIL\n" if "SERVFAIL" in published else m["zone"]
            for s, m in made.items() if s in published or "SERVFAIL" in published)
        (policy / "zone.txt").write_text(text)
        done = subprocess.run([SLUICE, "keys", "status", policy, "--json"], capture_output=True)
        assert done.returncode == status, done
        found = json.loads(done.stdout)
        assert found["domain"] == "example.com" and found["signs"] == signs
        assert len(found["findings"]) == len(texts)
        for f, text in zip(found["findings"], texts):
            assert text in f["text"], f
            if "doesn't sign (missing)" in text:
                assert made[text[:2]]["value"] in f["remedy"]
            if "any more" in text:
                assert re.search(r"withdraw its record on 20\d\d-\d\d-\d\d at the earliest", f["text"])

    def test_other_zone_and_domain(self, policy, tmp_path):
        policy, made = policy
        (tmp_path / "zone").write_text(made["s1"]["zone"])
        text = sluice("keys", "status", policy, "--zone", tmp_path / "zone", "--domain", "example.com")
        assert "example.com: s1 signs" in text
        assert "no key of other.example" in sluice("keys", "status", policy, "--domain", "other.example",
                                                   status=2)

    @pytest.mark.parametrize("args", [[], ["a", "b"], ["/nowhere"], [".", "--key", "k"]], ids=" ".join)
    def test_usage(self, tmp_path, args):
        sluice("keys", "status", *args, status=2, cwd=tmp_path)
