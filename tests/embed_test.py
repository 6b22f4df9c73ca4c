"""libsluice: what it shows, and the examples of its use built against an installed copy."""
import re
import subprocess

import pytest

from embedding import EMBED, SANITIZED, Installed
from harness import ROOT, text_message

POLICY = EMBED / "policy"


@pytest.fixture(scope="module")
def sluice(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("installed"))


def nm(*args):
    return subprocess.run(["nm", *args], check=True, capture_output=True, text=True).stdout


def declared(*headers):
    """The functions that headers declare."""
    text = "".join(re.sub(r"/\*.*?\*/", "", h.read_text(), flags=re.S) for h in headers)
    text = re.sub(r"(?m)^\s*typedef [^;{]*;", "", text)
    text = re.sub(r"\(\*\w+\)\(", "(", text)
    return set(re.findall(r"\b(sl_\w+)\(", text))


# ---- what it shows ----------------------------------------------------------

def test_exports_are_the_header_s_calls(sluice):
    wanted = declared(sluice.headers / "sluice.h", sluice.headers / "base" / "types.h")
    shown = [line.split() for line in nm("-D", "--defined-only", sluice.library).splitlines()]
    names = {words[2].partition("@@")[0] for words in shown if words[1] == "T"}
    assert len(wanted) > 30 and names == wanted
    others = {w[2] for w in shown if w[1] != "T"} - {"SLUICE_0.1"}
    assert not {o for o in others if not re.search(r"asan|ubsan|sancov|odr", o)}
    assert all("@@SLUICE_0.1" in w[2] for w in shown if w[1] == "T")


def test_the_archive_shows_the_same(sluice):
    names = {line.split()[2] for line in nm("--defined-only", "--extern-only", sluice.archive).splitlines()
             if len(line.split()) == 3 and line.split()[1] in "TDBRC"}
    wanted = declared(sluice.headers / "sluice.h", sluice.headers / "base" / "types.h")
    assert {n for n in names if not re.search(r"asan|ubsan|odr", n)} == wanted


@pytest.mark.skipif(SANITIZED, reason="sanitizers have their own")
def test_only_what_is_set_once_is_writable(sluice):
    """No state outside of engines: what may be written is made once, under pthread_once, or is
    each thread's own."""
    allowed = {
        "list_once", "list_latest",	# the public suffix list; core/auth/orgdomain.c
        "once", "fetched",		# digests of libcrypto; core/crypto/digest.c
        "secret_once", "secret",	# of hash tables; core/base/dict.c
        "bio_once", "bio_method",	# core/net/tls.c
        "table", "ready",		# of a checksum, atomic; core/base/codec.c
    }
    symbols = subprocess.run(["readelf", "-sW", sluice.archive], check=True, capture_output=True,
                             text=True).stdout
    per_thread = {w[7] for w in map(str.split, symbols.splitlines()) if len(w) == 8 and w[3] == "TLS"}
    words = [line.split() for line in nm("--defined-only", sluice.archive).splitlines()]
    names = {w[2] for w in words if len(w) == 3 and w[1] in "bBC"} - per_thread
    assert {re.sub(r"\.\d+$", "", n) for n in names} == allowed


@pytest.mark.parametrize("compiler, flags", [
    ("cc", ["-std=c11", "-x", "c"]), ("c++", ["-std=c++11", "-x", "c++"])])
def test_each_header_alone(sluice, compiler, flags):
    for header in sorted(sluice.headers.rglob("*.h")):
        subprocess.run([compiler, *flags, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only",
                        "-include", header, "-"], input=b"", check=True)


def test_pkg_config_says_the_version(sluice):
    header = (sluice.headers / "sluice.h").read_text()
    assert f'#define SL_VERSION "{sluice.pkg_config("--modversion", "sluice")[0]}"' in header


# ---- the examples -----------------------------------------------------------

MESSAGE = text_message(body=b"Hi.\r\n").replace(b"\r\n", b"\n")


@pytest.fixture(scope="module", params=["shared", "static"])
def filter_program(request, sluice, tmp_path_factory):
    out = tmp_path_factory.mktemp("filter") / "filter"
    if request.param == "shared":
        return sluice.compile(EMBED / "filter.c", out)
    static = [f for f in sluice.pkg_config("--static", "--libs", "sluice") if f != "-lsluice"]
    subprocess.run(["cc", "-g", EMBED / "filter.c", *sluice.pkg_config("--cflags", "sluice"),
                    *(["-fsanitize=address,undefined"] if SANITIZED else []),
                    sluice.archive, *static, "-o", out], check=True)
    return out


def run(program, *args, message=MESSAGE):
    return subprocess.run([program, *args], input=message, capture_output=True, timeout=60)


def test_filter_passes(filter_program):
    done = run(filter_program, POLICY, "192.0.2.1", "ann@example.org", "bob@example.net")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"X-Policy: seen for bob@example.net\r\n" + MESSAGE.replace(b"\n", b"\r\n")


def test_filter_with_one_bad_recipient(filter_program):
    done = run(filter_program, POLICY, "192.0.2.1", "ann@example.org", "bob@example.net",
               "nobody@example.net")
    assert done.returncode == 0 and done.stderr == b"550 5.7.1 No such user here\n"
    assert done.stdout.startswith(b"X-Policy: seen for bob@")


def test_filter_rejects(filter_program):
    done = run(filter_program, POLICY, "192.0.2.1", "ann@example.org", "nobody@example.net")
    assert (done.returncode, done.stdout) == (69, b"")


def test_filter_quarantines(filter_program):
    done = run(filter_program, POLICY, "192.0.2.1", "", "bob@example.net",
               message=MESSAGE.replace(b"Subject: ", b"Subject: lottery "))
    assert (done.returncode, done.stdout) == (69, b"")
    assert b'held in quarantine "spam"' in done.stderr


def test_filter_says_what_is_wrong_with_a_policy(filter_program, tmp_path):
    (tmp_path / "sluice.lua").write_text("return { hostname = 1, servrs = {} }")
    done = run(filter_program, tmp_path, "192.0.2.1", "ann@example.org", "bob@example.net")
    assert done.returncode == 75 and b"servrs" in done.stderr and b"sluice.lua" in done.stderr


def test_examples_are_short():
    for path in EMBED.glob("*.c"):
        assert len(path.read_text().splitlines()) < 150, path


@pytest.mark.skipif(SANITIZED, reason="valgrind doesn't run what ASan does")
def test_filter_leaks_nothing(sluice, tmp_path):
    program = sluice.compile(EMBED / "filter.c", tmp_path / "filter")
    done = run("valgrind", "-q", "--leak-check=full", "--error-exitcode=9", program, POLICY, "192.0.2.1",
               "ann@example.org", "bob@example.net")
    assert done.returncode == 0, done.stderr.decode()
