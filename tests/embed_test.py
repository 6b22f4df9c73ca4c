"""libsluice: what it shows, and the examples of its use built against an installed copy."""
import os
import re
import shutil
import socket
import subprocess

import pytest

from embedding import BUILD, EMBED, SANITIZED, Installed
from harness import ROOT, free_port, text_message, wait_for

POLICY = EMBED / "policy"


@pytest.fixture(scope="module")
def sluice(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("installed"))


def nm(*args):
    return subprocess.run(["nm", *args], check=True, capture_output=True, text=True).stdout


def declared(*headers):
    """The functions that headers declare and don't define."""
    text = "".join(re.sub(r"/\*.*?\*/", "", h.read_text(), flags=re.S) for h in headers)
    text = re.sub(r"(?ms)^static inline.*?^}$", "", text)
    text = re.sub(r"(?m)^\s*typedef [^;{]*;", "", text)
    text = re.sub(r"\(\*\w+\)\(", "(", text)
    return set(re.findall(r"\b(sl_\w+)\(", text))


# ---- what it shows ----------------------------------------------------------

def test_exports_are_the_header_s_calls(sluice):
    wanted = declared(sluice.headers / "sluice.h", sluice.headers / "base" / "types.h")
    shown = [line.split() for line in nm("-D", "--defined-only", sluice.library).splitlines()]
    names = {words[2].partition("@@")[0] for words in shown if words[1] == "T"}
    assert len(wanted) > 30 and names == wanted
    others = {w[2] for w in shown if w[1] != "T"}
    assert not {o for o in others if not re.search(r"^SLUICE_[0-9.]+$|asan|ubsan|sancov|odr", o)}
    assert all(re.search(r"@@SLUICE_[0-9.]+$", w[2]) for w in shown if w[1] == "T")


FIRST = """action_name call_bool call_done call_fail call_give_bool call_give_json call_give_none
    call_give_number call_give_string call_id call_json call_later call_number call_refuse call_string
    dns_give_packet engine_add_builtin_sized engine_builtins engine_dispatch engine_fd engine_free
    engine_generation engine_load engine_needs_body engine_new_sized engine_postdelivery_sized
    engine_predelivery_sized engine_wait err_word http_give http_give_failure level_word phase_name
    session_account session_auth session_authenticated session_close session_connect session_data
    session_data_end session_data_file session_encrypted session_has_server session_helo session_id
    session_mail_sized session_open_sized session_outdated session_queueid session_rcpt
    session_recipients session_reset session_tls session_trusted session_wait str_of version""".split()


def test_what_a_version_had_it_keeps(sluice):
    """Programs built against the first version find all they ask for in every later one."""
    shown = nm("-D", "--defined-only", sluice.library).split()
    assert {f"sl_{name}@@SLUICE_0.1" for name in FIRST} <= set(shown)


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


# Members that an older header didn't have yet, none of which the filter uses.
LATER = {"sl_engine_options": "clock", "sl_session_info": "changes", "sl_mail_params": "server",
         "sl_host_builtin": "doc"}


def header_of_another_version(sluice, folder, change):
    """A copy of the headers, the last member of each struct that a program gives changed."""
    shutil.copytree(sluice.headers, folder)
    text = (folder / "sluice.h").read_text()
    for struct, member in LATER.items():
        text, n = re.subn(rf"(?ms)(^struct {struct} {{.*?)^(\t[^\n;]*\b{member}\b[^;]*;[^\n]*\n)(}};)",
                          lambda m: m[1] + change(m[2]) + m[3], text)
        assert n == 1, struct
    (folder / "sluice.h").write_text(text)
    return folder


@pytest.mark.parametrize("version, change", [
    ("older", lambda last: ""), ("newer", lambda last: last + "\tvoid *more[3];\n")])
def test_a_program_of_another_version(sluice, tmp_path, version, change):
    headers = header_of_another_version(sluice, tmp_path / "include", change)
    program = tmp_path / "filter"
    sluice.compile(EMBED / "filter.c", program, before=[f"-I{headers}"])
    checker = [] if SANITIZED else ["valgrind", "-q", "--error-exitcode=9"]
    done = subprocess.run([*checker, program, POLICY, "192.0.2.1", "ann@example.org", "bob@example.net"],
                          input=MESSAGE, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"X-Policy: seen for bob@example.net\r\n")


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


@pytest.fixture
def policy_service(sluice, tmp_path):
    port = free_port()
    program = sluice.compile(EMBED / "poll.c", tmp_path / "poll")
    process = subprocess.Popen([program, POLICY, str(port)])
    yield lambda: connect(port)
    process.kill()
    process.wait()


def connect(port):
    def attempt():
        try:
            return socket.create_connection(("127.0.0.1", port), 20)
        except ConnectionRefusedError:
            return None
    return wait_for(attempt, "the policy service")


def question(sender, recipient):
    return (f"request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.1\n"
            f"helo_name=client.example\nsender={sender}\nrecipient={recipient}\n\n").encode()


def ask(connection, text):
    connection.sendall(text)
    answer = b""
    while not answer.endswith(b"\n\n"):
        answer += connection.recv(1000)
    return answer.decode().strip()


def test_poll_answers_postfix(policy_service):
    clients = [policy_service() for _ in range(10)]
    for _ in range(3):
        for client in clients:
            assert ask(client, question("ann@example.org", "bob@example.net")) == "action=DUNNO"
            assert ask(client, question("", "nobody@example.net")) == \
                "action=550 5.7.1 No such user here"
            assert ask(client, question("a@b@c", "bob@example.net")).startswith("action=501 5.1.7 ")
    clients[0].sendall(question("", "bob@example.net")[:40])
    for client in clients:
        client.close()
    assert ask(policy_service(), question("", "bob@example.net")) == "action=DUNNO"


def test_uv_does_many_at_once(sluice, tmp_path):
    program = sluice.compile(EMBED / "uv.c", tmp_path / "uv", "-D_GNU_SOURCE",
                             packages=("sluice", "libuv"))
    files = [tmp_path / f"{i}.eml" for i in range(50)]
    for i, path in enumerate(files):
        path.write_bytes(text_message(body=b"Hi %d.\r\n" % i))
    done = subprocess.run([program, POLICY, "ann@example.org", "bob@example.net", *files],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(f"{path}: 250" for path in files)
    for i, path in enumerate(files):
        assert (tmp_path / f"{i}.eml.out").read_bytes() == \
            b"X-Policy: seen for bob@example.net\r\n" + path.read_bytes()


def test_examples_are_short():
    for path in EMBED.glob("*.c"):
        assert len(path.read_text().splitlines()) < 150, path


@pytest.mark.skipif(SANITIZED, reason="valgrind doesn't run what ASan does")
def test_filter_leaks_nothing(sluice, tmp_path):
    program = sluice.compile(EMBED / "filter.c", tmp_path / "filter")
    done = run("valgrind", "-q", "--leak-check=full", "--error-exitcode=9", program, POLICY, "192.0.2.1",
               "ann@example.org", "bob@example.net")
    assert done.returncode == 0, done.stderr.decode()


# ---- without what can be left out -------------------------------------------

HTTP_POLICY = """return { hostname = "mx.example.com", dns = { zone_only = true },
  servers = { inbound = { flows = { data = "data.lua" } } } }"""
# What is left out: the libraries that are linked no more, and an expression that says so.
PARTS = {
    "CURL": ("curl", "libcurl", 'select(2, http("https://example.net/"))'),
    "PCRE2": ("pcre2", "PCRE2", 'select(2, pcall(pcre_match, "a", "a"))'),
    "REPORTS": ("expat|libz", "reports", None),
}


@pytest.mark.skipif(SANITIZED, reason="another build, and not another code")
@pytest.mark.parametrize("left_out", [*[[p] for p in PARTS], list(PARTS)], ids="-".join)
def test_what_can_be_left_out(left_out, tmp_path):
    """Library and program work as ever; what isn't there says so."""
    sluice = Installed(tmp_path / "small", *[f"WITH_{part}=0" for part in left_out])
    tool = sluice.prefix / "bin" / "sluice"
    needed = "".join(subprocess.run(["readelf", "-d", what], check=True, capture_output=True, text=True).stdout
                     for what in (sluice.library, tool))
    said = subprocess.run([tool, "version"], check=True, capture_output=True, text=True).stdout
    assert "liblua5.4" in needed and not re.search(r"NEEDED.*(sqlite|redis)", needed)
    program = sluice.compile(EMBED / "filter.c", tmp_path / "filter")
    policy = tmp_path / "policy"
    policy.mkdir()
    (policy / "sluice.lua").write_text(HTTP_POLICY)
    for part, (library, name, expression) in PARTS.items():
        missing = part in left_out
        assert (f"without {name}\n" in said) == missing
        assert (re.search(rf"NEEDED.*({library})", needed) is None) == missing
        if missing and expression:
            (policy / "data.lua").write_text(f"Reject(tostring({expression}))\n")
            done = run(program, policy, "192.0.2.1", "ann@example.org", "bob@example.net")
            assert done.returncode == 69 and f"this sluice was built without {name}".encode() in done.stderr
    done = run(program, POLICY, "192.0.2.1", "ann@example.org", "bob@example.net")
    assert done.returncode == 0 and done.stdout.startswith(b"X-Policy: seen for bob@example.net\r\n")
    checked = subprocess.run([tool, "test", POLICY], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


# ---- under valgrind ---------------------------------------------------------

EMBEDDING = BUILD / "test" / "core" / "policy" / "embed_test"


def valgrind(*args, **environment):
    return subprocess.run(["valgrind", "-q", "--error-exitcode=9", *args], cwd=ROOT, text=True,
                          env=dict(os.environ, **environment), timeout=3000,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.fixture(scope="module")
def embedding():
    if SANITIZED:
        pytest.skip("valgrind doesn't run what ASan does")
    subprocess.run(["make", "-s", "-C", ROOT, f"B={BUILD}", EMBEDDING], check=True)
    return EMBEDDING


def test_sessions_without_memory_leak_nothing(embedding):
    """Some of the allocations that unit tests try one by one; ASan looks at all."""
    done = valgrind("--leak-check=full", embedding,
                    EMBED_STRIDE=os.environ.get("EMBED_STRIDE", "47"),
                    EMBED_SESSIONS=os.environ.get("EMBED_SESSIONS", "300"))
    assert done.returncode == 0, done.stdout


def test_engines_in_threads_share_nothing(embedding):
    """libcurl counts its users under a lock of its own making, which helgrind doesn't know."""
    done = valgrind("--tool=helgrind", embedding, "test_threads")
    assert "[  PASSED  ] 1 test(s)." in done.stdout
    races = re.findall(r"Possible data race.*\n.*Locks held.*\n(.* at .*)", done.stdout)
    assert not [race for race in races if "libcurl" not in race], done.stdout
