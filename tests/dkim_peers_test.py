"""Our DKIM against other people's: what one signs the others must verify.

Run with /usr/bin/python3 -m pytest. Needs the built library (SLUICE_LIB,
default build/sluice.a), a C compiler, and dkimpy, libopendkim or Mail::DKIM;
what is missing is skipped. The recorded messages are those of the corpora below
../shared/vectors.
"""

import os
import shutil
import subprocess
import time

import pytest

from peers_testing import Batch, messages, real_change, relaxed_change, seeded, shaken

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
LIB = os.path.join(ROOT, os.environ.get("SLUICE_LIB", "build/sluice.a"))
PACKAGES = ("lua5.4 openssl libunbound libcurl libidn2 libpsl jansson "
            "libmicrohttpd libedit").split()

SEED = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
CANONS = ["%s/%s" % (h, b) for h in ("simple", "relaxed") for b in ("simple", "relaxed")]

HEAD = (b"Received: from a.example by b.example;\r\n\tTue, 14 Nov 2023 22:13:20 +0000\r\n"
        b"From: Joe  SixPack <joe@example.com>\r\n"
        b"To: Suzie <suzie@example.net>,\r\n  \tBob <bob@example.net> \r\n"
        b"Subject:  Is   dinner\r\n\tready? \r\n"
        b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
        b"Message-ID: <1@example.com>\r\n"
        b"List-Id: Dinner <dinner.example.com>\r\n\r\n")

BODIES = {
    "empty": b"",
    "one line end": b"\r\n",
    "plain": b"Hi.\r\n\r\nWe lost the game.\r\n",
    "blanks": b" a \t b  \r\n\r\n \r\n\tc\t\r\n  \r\n\r\n",
    "no end": b"Hi.\r\nlast",
    "bytes": bytes(range(32, 127)) + b"\xc3\xa4\xff\x80\r\n",
    "large": b"The quick  brown fox \r\n" * 43000 + b"\r\n" * 1000,
}


def run(args, data=b"", good=True):
    done = subprocess.run(args, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if good:
        assert done.returncode == 0, (done.stdout[:500], done.stderr[:500])
    return done.stdout


def pkg_config(what, packages):
    return run(["pkg-config", what] + packages).decode().split()


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    return str(tmp_path_factory.mktemp("dkim"))


@pytest.fixture(scope="session")
def tool(work):
    if not os.path.exists(LIB) or shutil.which("cc") is None:
        pytest.skip("no built library at %s" % LIB)
    out = os.path.join(work, "dkim_tool")
    run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O1", "-o", out,
         os.path.join(HERE, "peers/dkim_tool.c"), LIB]
        + pkg_config("--libs", PACKAGES) + ["-lcrypt", "-lm", "-pthread"])
    return out


@pytest.fixture(scope="session")
def opendkim(work):
    have = shutil.which("cc") and subprocess.run(
        ["pkg-config", "--exists", "opendkim"]).returncode == 0
    if not have:
        pytest.skip("libopendkim is not installed")
    out = os.path.join(work, "opendkim_tool")
    run(["cc", "-std=gnu11", "-O1", "-o", out, os.path.join(HERE, "peers/opendkim_tool.c")]
        + pkg_config("--cflags", ["opendkim"]) + pkg_config("--libs", ["opendkim"]))
    return out


@pytest.fixture(scope="session")
def keys(work, tool):
    """Key files of each kind, and a file of their records."""
    files = {"rsa": os.path.join(work, "rsa.pem"), "ed25519": os.path.join(work, "ed.key")}
    run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
         "-out", files["rsa"]])
    with open(files["ed25519"], "w") as f:
        f.write(SEED + "\n")
    files["records"] = os.path.join(work, "records")
    with open(files["records"], "wb") as f:
        for kind in ("rsa", "ed25519"):
            f.write(("%s._domainkey.example.com " % kind).encode())
            f.write(run([tool, "record", files[kind]]))
    return files


def opendkim_can(body):
    """libopendkim takes only bodies that end as SMTP ends them."""
    if body == "no end":
        pytest.skip("libopendkim wants a line end at the end of the body")


def signed(tool, keys, kind, canon, message):
    now = str(int(time.time()))
    return run([tool, "sign", keys[kind], kind, "example.com", canon, now], message)


def dns(keys):
    table = {}
    with open(keys["records"], "rb") as f:
        for line in f:
            name, text = line.rstrip(b"\n").split(b" ", 1)
            table[name + b"."] = text
            table[name] = text
    return lambda name, timeout=5: table.get(name if isinstance(name, bytes) else name.encode())


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("canon", CANONS)
@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
class TestOurs:
    def test_dkimpy(self, tool, keys, kind, canon, body):
        dkim = pytest.importorskip("dkim")
        if kind == "ed25519":
            pytest.importorskip("nacl")
        message = signed(tool, keys, kind, canon, HEAD + BODIES[body])
        assert dkim.verify(message, dnsfunc=dns(keys))
        assert not dkim.verify(message.replace(b"dinner", b"supper", 1), dnsfunc=dns(keys))

    def test_opendkim(self, tool, opendkim, keys, kind, canon, body):
        opendkim_can(body)
        if kind == "ed25519" and run([opendkim, "ed25519"]).strip() != b"yes":
            pytest.skip("this libopendkim has no Ed25519")
        message = signed(tool, keys, kind, canon, HEAD + BODIES[body])
        assert run([opendkim, "verify", keys["records"]], message) == b"pass\n"
        bad = message.replace(b"dinner", b"supper", 1)
        assert run([opendkim, "verify", keys["records"]], bad, good=False) != b"pass\n"

    def test_ourselves(self, tool, keys, kind, canon, body):
        message = signed(tool, keys, kind, canon, HEAD + BODIES[body])
        now = str(int(time.time()))
        assert run([tool, "verify", keys["records"], now], message).startswith(b"pass")


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("canon", CANONS)
class TestTheirs:
    @pytest.mark.parametrize("kind", ["rsa", "ed25519"])
    def test_dkimpy(self, tool, keys, kind, canon, body):
        dkim = pytest.importorskip("dkim")
        if kind == "ed25519":
            pytest.importorskip("nacl")
        message = HEAD + BODIES[body]
        with open(keys[kind], "rb") as f:
            key = f.read().strip()
        field = dkim.sign(message, kind.encode(), b"example.com", key,
                          canonicalize=tuple(canon.encode().split(b"/")),
                          signature_algorithm=("rsa-sha256" if kind == "rsa"
                                               else "ed25519-sha256").encode())
        now = str(int(time.time()))
        assert run([tool, "verify", keys["records"], now], field + message).startswith(b"pass")

    def test_opendkim(self, tool, opendkim, keys, canon, body):
        opendkim_can(body)
        message = run([opendkim, "sign", keys["rsa"], "rsa", "example.com", canon, "rsa"],
                      HEAD + BODIES[body])
        now = str(int(time.time()))
        assert run([tool, "verify", keys["records"], now], message).startswith(b"pass")


# ---- recorded messages, changed at random: all agree on all of them --------------------


def dkimpy_signs(keys):
    dkim = pytest.importorskip("dkim")

    def run_jobs(jobs):
        answers = []
        for (_, key, selector, domain, canon), message in jobs:
            with open(key, "rb") as f:
                try:
                    field = dkim.sign(message, selector.encode(), domain.encode(), f.read().strip(),
                                      canonicalize=tuple(canon.encode().split(b"/")))
                    answers.append(field + message)
                except dkim.MessageFormatError:     # blanks before a colon
                    answers.append(None)
        return answers
    return run_jobs


def dkimpy_verifies(keys):
    dkim = pytest.importorskip("dkim")
    ask = dns(keys)

    def verify(message):
        try:
            return dkim.verify(message, dnsfunc=ask)
        except dkim.MessageFormatError:
            return None
    return lambda found: [verify(message) for message in found]


@pytest.fixture(scope="session")
def perl(keys):
    done = subprocess.run(["perl", "-MMail::DKIM", "-e", "1"], stderr=subprocess.DEVNULL)
    if done.returncode != 0:
        pytest.skip("Mail::DKIM is not installed")
    return Batch(["perl", os.path.join(HERE, "peers/mail_dkim.pl"), keys["records"]])


@pytest.fixture
def others(request, tool, keys):
    """name: (signs(jobs), verifies(messages)), of who is there. None: it doesn't take the message."""
    def of_batch(batch):
        return (batch.run, lambda found: [a and a.startswith(b"pass") for a in batch.run(
            [(["verify"], message) for message in found])])

    there = {"ours": of_batch(Batch([tool, "batch", keys["records"], int(time.time())]))}
    for name, get in (
            ("opendkim", lambda: of_batch(Batch([request.getfixturevalue("opendkim"), "batch",
                                                 keys["records"]]))),
            ("Mail::DKIM", lambda: of_batch(request.getfixturevalue("perl"))),
            ("dkimpy", lambda: (dkimpy_signs(keys), dkimpy_verifies(keys)))):
        try:
            there[name] = get()
        except pytest.skip.Exception:
            pass
    if len(there) == 1:
        pytest.skip("no other DKIM is installed")
    return there


def signed_by_all(rng, others, keys):
    """[(signer, canonicalization, message)], the recorded messages dealt out."""
    jobs = {name: [] for name in others}
    for i, (fields, body) in enumerate(messages()):
        name = list(others)[i % len(others)]
        jobs[name].append((["sign", keys["rsa"], "rsa", "example.com", rng.choice(CANONS)],
                           shaken(rng, fields, body)))
    found = []
    for name, mine in jobs.items():
        answers = others[name][0](mine)
        refused = sum(answer is None for answer in answers)
        assert refused <= len(mine) // 20, (name, refused)
        found += [(name, words[4], answer) for (words, _), answer in zip(mine, answers) if answer]
    return found


def test_recorded_messages(others, keys):
    rng = seeded()
    cases = []
    for signer, canon, message in signed_by_all(rng, others, keys):
        header, body = canon.split("/")
        cases.append((signer, canon, "as signed", message, True))
        changed = relaxed_change(rng, message, body == "relaxed")
        cases.append((signer, canon, "other blanks", changed, header == "relaxed" or changed == message))
        cases.append((signer, canon, "a letter", real_change(rng, message), False))
    if not cases:
        pytest.skip("no recorded messages")
    wrong = []
    print(len(cases), "cases,", ", ".join(others))
    for verifier, (_, verifies) in others.items():
        found = verifies([case[3] for case in cases])
        assert found.count(None) <= (0 if verifier == "ours" else len(cases) // 20), verifier
        for case, good in zip(cases, found):
            if good not in (None, case[4]):
                wrong.append((verifier, good) + case)
    assert not wrong, (len(wrong), [w[:5] for w in wrong[:20]], wrong[0][5])
