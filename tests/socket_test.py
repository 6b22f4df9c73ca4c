"""Sockets of scripts: what they reach, how they wait and end, TLS, peers that mean harm; a client of memcached."""
import hashlib
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from harness import ROOT, SLUICE, free_port, wait_for

CONFIG = """return { hostname = "mx.example.org", %s
  listen = { { smtp = "127.0.0.1:2525", server = "s" } },
  servers = { s = { flows = { connect = { "a.%s" } } } } }
"""


class Peer:
    """A server that does what a function says with each connection."""

    def __init__(self, talk, path=None, tls=None):
        self.listener = socket.create_server(("127.0.0.1", 0)) if path is None else unix_server(path)
        self.port = None if path else self.listener.getsockname()[1]
        self.seen, self.ended = [], threading.Event()
        self.talk, self.tls = talk, tls
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            conn.settimeout(20)
            try:
                if self.tls:
                    conn = self.tls.wrap_socket(conn, server_side=True)
                self.talk(self, conn)
            except OSError:
                pass
            finally:
                conn.close()
                self.ended.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(20)


def unix_server(path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(path))
    s.listen()
    return s


def run(folder, script, allow='sockets = { allow = { "127.0.0.1" } },', language="hsl"):
    """What the flow of connect echoes; its errors are in it."""
    (folder / "sluice.lua").write_text(CONFIG % (allow, language))
    (folder / f"a.{language}").write_text(script)
    done = subprocess.run([SLUICE, "repl", folder, "--live"], input=":connect 192.0.2.1\n:close\n",
                          capture_output=True, text=True, timeout=60)
    return done.stdout.splitlines()


def echoed(lines):
    assert not any("failed" in line or "a.hsl:" in line for line in lines), lines
    return [line for line in lines if line[:3] != "220" and line[:8] != "  Accept"]


def echo_lines(peer, conn):
    """What comes goes back, line by line, until the end."""
    for line in conn.makefile("rb"):
        peer.seen.append(line)
        conn.sendall(b"<" + line.strip() + b">")


def test_a_conversation(tmp_path):
    with Peer(echo_lines) as peer:
        out = run(tmp_path, """
            $s = Socket(Socket::AF("127.0.0.1"), "SOCK_STREAM");
            echo $s->settimeout(5)->connect("127.0.0.1", %d)->send("hello\\n");
            echo $s->recv(3) . $s->recv(100); $s->send("two\\n");
            echo $s->recv(2, "MSG_PEEK") . $s->recv(5, ["MSG_WAITALL"]);
            echo $s->recv(10, "MSG_DONTWAIT"); echo $s->errno();
            $s->shutdown("SHUT_WR"); echo $s->recv(10) === "";
            $s->close(); echo $s->recv(1); echo $s->errno(); echo $s->send("x");""" % peer.port)
    assert echoed(out) == ["6", "<hello>", "<t<two>", "none", "11", "true", "none", "107", "none"]
    assert peer.seen == [b"hello\n", b"two\n"]


def test_in_lua_a_failure_says_why(tmp_path):
    with Peer(echo_lines) as peer:
        out = run(tmp_path, """
            local s = Socket("AF_INET")
            local function tell(...) echo(table.concat({ ... }, " ", 2)) end
            assert(s:connect("127.0.0.1", %d) == s) echo(s:send("a\\n"), s:recv(9))
            tell(s:connect("127.0.0.1", 1))
            tell(Socket("AF_INET6"):connect("127.0.0.1", 1))
            tell(Socket("AF_INET"):send("x"))
            tell(Socket("AF_INET"):connect("10.0.0.1", 25))
            tell(pcall(Socket, "AF_INET", "SOCK_DGRAM"))""" % peer.port, language="lua")
    assert [line for line in out if line[:3] != "220" and line[:8] != "  Accept"] == [
        "2<a>", "connected already connect", "this is no address of the socket's family syntax",
        "not connected invalid",
        "private addresses and unix sockets have to be listed in sockets.allow of sluice.lua refused",
        'bad argument #2 to \'?\' (only "SOCK_STREAM" is built)']


@pytest.mark.parametrize("allow, address, wanted", [
    ("", "127.0.0.1", "13"), ("", "169.254.1.1", "13"), ('sockets = { allow = { "10.0.0.0/8" } },', "127.0.0.1", "13"),
    ('sockets = { allow = { "127.0.0.0/8" } },', "127.0.0.1", "111"),
    ('http = { allow_private = true },', "127.0.0.1", "13"), ("", "::1", "13"), ("", "::ffff:127.0.0.1", "13"),
])
def test_what_is_reached_is_listed(tmp_path, allow, address, wanted):
    out = run(tmp_path, """$s = Socket(Socket::AF("%s"), "SOCK_STREAM");
        echo $s->connect("%s", %d); echo $s->errno();""" % (address, address, free_port()), allow)
    assert echoed(out) == ["none", wanted]


def test_unix_sockets(tmp_path):
    with Peer(echo_lines, path=tmp_path / "s.sock"):
        script = """$s = Socket("AF_UNIX", "SOCK_STREAM"); if (!$s->connect("%s")) echo $s->errno();
            else { $s->send("x\\n"); echo $s->recv(9); }""" % (tmp_path / "s.sock")
        assert echoed(run(tmp_path, script)) == ["13"]
        assert echoed(run(tmp_path, script, 'sockets = { allow = { "unix:%s" } },' % (tmp_path / "s.sock"))) == ["<x>"]


@pytest.mark.parametrize("value", ['{ "nonsense" }', "{ 1 }", '"127.0.0.1"', '{ "unix:" }'])
def test_what_sockets_allow_may_be(tmp_path, value):
    (tmp_path / "sluice.lua").write_text(CONFIG % (f"sockets = {{ allow = {value} }},", "hsl"))
    (tmp_path / "a.hsl").write_text("")
    done = subprocess.run([SLUICE, "check", tmp_path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "sockets.allow" in done.stdout + done.stderr, done.stdout


def silent(peer, conn):
    peer.seen.append(conn.recv(100))


def test_nobody_answers(tmp_path):
    """The time is the operation's; then the connection can be used on."""
    with Peer(silent) as peer:
        out = run(tmp_path, """$s = Socket("AF_INET", "SOCK_STREAM"); $s->settimeout(0.05)->connect("127.0.0.1", %d);
            echo $s->recv(1); echo $s->errno(); echo $s->send("x");""" % peer.port)
        assert echoed(out) == ["none", "110", "1"]
        assert peer.ended.wait(20)
    assert peer.seen == [b"x"]


def endless(_, conn):
    while True:
        conn.sendall(b"x" * 65536)


def test_a_peer_that_sends_for_ever_ends_at_the_runs_limit(tmp_path):
    with Peer(endless) as peer:
        out = run(tmp_path, """$s = Socket("AF_INET", "SOCK_STREAM"); $s->connect("127.0.0.1", %d);
            while (true) $x = $s->recv(65536);""" % peer.port,
                  'limits = { http_bytes = "1M" }, sockets = { allow = { "127.0.0.1" } },')
        assert any("http_bytes" in line or "1048576" in line for line in out), out
        assert peer.ended.wait(20)          # what the run left open is closed


def test_one_byte_at_a_time_costs_operations(tmp_path):
    def drip(_, conn):
        while True:
            conn.sendall(b"x")
            conn.recv(1)
    with Peer(drip) as peer:
        out = run(tmp_path, """$s = Socket("AF_INET", "SOCK_STREAM"); $s->connect("127.0.0.1", %d);
            while (true) { $s->recv(1); $s->send("y"); }""" % peer.port)
        assert any("operations" in line for line in out), out
        assert peer.ended.wait(20)


def test_sockets_of_a_run_are_counted_and_closed_at_its_end(tmp_path):
    with Peer(silent) as peer:
        script = """$all = []; foreach (range(1, %d) as $i) { $s = Socket("AF_INET", "SOCK_STREAM");
            $s->connect("127.0.0.1", %d); $all[] = $s; } echo count($all);"""
        assert echoed(run(tmp_path, script % (16, peer.port))) == ["16"]
        assert any("more than 16 sockets" in line for line in run(tmp_path, script % (17, peer.port)))
        assert peer.ended.wait(20)
        again = script.replace("$all[] = $s;", "$s->close(); $all[] = 1;")
        assert echoed(run(tmp_path, again % (60, peer.port))) == ["60"]


# ---- TLS --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=db.example",
                    "-addext", "subjectAltName=DNS:db.example", "-keyout", folder / "key", "-out", folder / "cert"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context


def tls_script(port, options):
    return """$s = Socket("AF_INET", "SOCK_STREAM"); $s->settimeout(5)->connect("127.0.0.1", %d);
        $t = TLSSocket($s, [%s]); if (!$t->handshake()) { echo "no"; return; }
        $t->send("secret\\n"); echo $t->recv(100); echo $t->toSocket() === $s; echo $t->shutdown();""" % (port, options)


def test_tls(tmp_path, certificate):
    with Peer(echo_lines, tls=certificate) as peer:
        out = run(tmp_path, tls_script(peer.port, '"tls_verify_ca" => false, "tls_sni" => "db.example"'))
        assert echoed(out) == ["<secret>", "true", "1"]
        assert echoed(run(tmp_path, tls_script(peer.port, '"tls_verify_name" => ["db.example"]'))) == ["no"]
        assert any("which name is verified" in line for line in run(tmp_path, tls_script(peer.port, "")))
        assert any("isn't to be had" in line
                   for line in run(tmp_path, tls_script(peer.port, '"tls_ciphers" => "ALL"')))
    assert peer.seen == [b"secret\n"]


# ---- memcached ---------------------------------------------------------------------


@pytest.fixture
def memcached():
    program = shutil.which("memcached")
    if program is None:
        pytest.skip("memcached isn't installed")
    port = free_port()
    process = subprocess.Popen([program, "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-u", "nobody"])

    def listens():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0
    wait_for(listens, "memcached")
    yield port
    process.terminate()
    process.wait()


def example(tmp_path, port):
    folder = tmp_path / "memcached"
    shutil.copytree(ROOT / "examples/hsl/memcached", folder)
    for script in (folder / "greylist.hsl", folder / "client.hsl"):
        if script.exists():
            script.write_text(script.read_text().replace("Memcached()", f'Memcached("127.0.0.1", {port})'))
    return folder


def test_a_client_of_memcached(tmp_path, memcached):
    (tmp_path / "lib").mkdir()
    shutil.copy(ROOT / "examples/hsl/memcached/lib/memcached.hsl", tmp_path / "lib")
    out = run(tmp_path, """include "lib/memcached.hsl"; $c = Memcached("127.0.0.1", %d);
        echo $c->get("a"); echo $c->set("a", "x\\r\\nEND\\r\\n\\x00y"); echo strlen($c->get("a"));
        echo $c->add("a", 1); echo $c->add("b", 41); echo $c->increment("b"); echo $c->increment("none");
        echo $c->get("b"); echo $c->delete("b"); echo $c->delete("b");
        $long = "with blanks and\\r\\nflush_all\\r\\n" * 20; echo $c->set($long, "v"); echo $c->get($long) . $c->get("a")[0];
        $big = "0123456789" * 20000; echo $c->set("big", $big); echo $c->get("big") == $big;
        $c->close(); echo $c->get("a")[0];""" % memcached)
    assert echoed(out) == ["none", "true", "10", "false", "true", "42", "none", "42", "true", "false", "true",
                           "vx", "true", "true", "x"]


def test_a_client_of_memcached_that_is_down(tmp_path):
    (tmp_path / "lib").mkdir()
    shutil.copy(ROOT / "examples/hsl/memcached/lib/memcached.hsl", tmp_path / "lib")
    script = """include "lib/memcached.hsl"; $c = Memcached("127.0.0.1", %d, 0.2);
        echo [$c->get("a"), $c->set("a", 1), $c->delete("a"), $c->increment("a")];"""
    nothing = ["[0=>none,1=>none,2=>none,3=>none]"]
    assert echoed(run(tmp_path, script % free_port())) == nothing

    def nonsense(_, conn):
        conn.recv(100)
        conn.sendall(b"VALUE a 0 99999999999\r\n" + b"x" * 5000)
    with Peer(nonsense) as peer:
        assert echoed(run(tmp_path, script % peer.port)) == nothing


def grey(folder):
    commands = (":connect 198.51.100.1\n:mail bob@elsewhere.example\n:rcpt ann@example.org\n:close\n")
    done = subprocess.run([SLUICE, "repl", folder, "--live"], input=commands, capture_output=True, text=True, timeout=60)
    return done.stdout


def test_a_greylist_in_memcached(tmp_path, memcached):
    folder = example(tmp_path, memcached)
    assert "450" in (first := grey(folder)) and "try again in a minute" in first, first
    assert "try again in a minute" in grey(folder)
    with socket.create_connection(("127.0.0.1", memcached)) as s:         # a minute ago
        s.settimeout(20)
        key = b"grey 198.51.100.1 bob@elsewhere.example ann@example.org"
        name = b"sha1:" + hashlib.sha1(key).hexdigest().encode()
        s.sendall(b"set " + name + b" 0 100 10\r\n1000000000\r\n")
        assert s.recv(100) == b"STORED\r\n"
    assert "450" not in (later := grey(folder)), later


def test_a_greylist_whose_memcached_is_down_holds_nobody_up(tmp_path):
    out = grey(example(tmp_path, free_port()))
    assert "250 2.1.5" in out and "450" not in out, out
