"""Master, workers, state, admin: what happens when one of them dies, stands still, or is told to
end, and what the master does with sockets, limits, logs and the policy."""
import ctypes
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request

import pytest

from harness import ROOT, SLUICE, Client, Sluice, descriptors, free_port, text_message, wait_for

CONFIG = """return {
  hostname = "mx.example.org", workers = 2,
  listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } %s },
  servers = { inbound = { relay = { ["example.org"] = { transport = "mailbox" } } } },
  transports = { mailbox = { maildir = "MAIL/%%d/%%u" } },
  retry = { 0.2 }, dns = { zone = "zone.txt", zone_only = true }, quarantine = { "spam" },
  %s
}"""


@pytest.fixture
def make(tmp_path):
    started = []

    def start(files=None, extra="", listen="", start=True):
        base = {"zone.txt": "example.org. IN A 127.0.0.1\n"}
        base.update(files or {})
        server = Sluice(tmp_path / str(len(started)), CONFIG % (listen, extra), base)
        started.append(server)
        return server.start() if start else server

    yield start
    for server in started:
        assert server.stop() == 0, server.text()[-3000:]
        assert "AddressSanitizer" not in server.text() and "runtime error" not in server.text()


def send(client, mark=b"", recipient="b@example.org"):
    return client.send("x@example.com", [recipient], text_message(
        "x@example.com", extra=b"X-Mark: " + mark + b"\r\n"))[1]


def connect(server):
    client = server.client()
    assert client.greeting.startswith("220"), client.greeting
    client.say("EHLO x")
    return client


def on_both_workers(server):
    """Connections go to the least loaded: two of them are on two workers."""
    return connect(server), connect(server)


def fails(server):
    """It doesn't start, and says so."""
    server.start(expect=False)
    assert server.process.wait(20) == 1
    assert "was not started" in server.text()
    server.process = None
    server.stop = lambda: 0


def alive(client):
    try:
        return client.say("NOOP").startswith("250")
    except OSError:
        return False


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
        return reply.read().decode()


def events(server, name):
    return [line for line in server.text().splitlines() if f" {name} " in line or
            line.endswith(" " + name)]


def sockets_of(pid):
    """The descriptors of a process's SOCK_SEQPACKET sockets."""
    lines = [line.split() for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]]
    seqpacket = {f"socket:[{line[6]}]" for line in lines if line[4] == "0005"}
    folder = pathlib.Path(f"/proc/{pid}/fd")
    return {int(fd.name) for fd in folder.iterdir() if os.readlink(fd) in seqpacket}


def taken_from(pid, fd):
    """A duplicate of a descriptor of our own child's (pidfd_getfd(2))."""
    pidfd = os.pidfd_open(pid)
    try:
        copy = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, fd, 0)
    finally:
        os.close(pidfd)
    if copy < 0:
        pytest.skip("pidfd_getfd: " + os.strerror(ctypes.get_errno()))
    return socket.socket(fileno=copy)


# ---- deaths ---------------------------------------------------------------------------------------


def test_a_dead_worker_costs_its_own_sessions_and_comes_back(make):
    port = free_port()
    server = make(extra=f'admin = "127.0.0.1:{port}",')
    clients = on_both_workers(server)
    before = server.children("worker")
    os.kill(before[0], signal.SIGKILL)
    assert sorted(alive(c) for c in clients) == [False, True]
    wait_for(lambda: '"degraded"' in get(port, "/health"), "degraded")
    wait_for(lambda: len(server.children("worker")) == 2, "a new worker")
    assert before[1] in server.children("worker") and before[0] not in server.children("worker")
    wait_for(lambda: '"ok"' in get(port, "/health"), "health")
    assert "sluice_process_deaths_total 1" in get(port, "/metrics")
    assert "signal=9" in events(server, "worker_died")[0]
    clients = on_both_workers(server)
    assert [send(c)[:3] for c in clients] == ["250", "250"]


def test_while_no_worker_lives_connections_wait(make):
    server = make()
    for pid in server.children("worker"):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(events(server, "worker_died")) == 2, "their deaths")
    client = connect(server)            # served when one is back
    assert send(client)[:3] == "250"


def test_without_state_rates_allow(make):
    server = make(files={"mailfrom.lua": """
        local ok, err = rate("r", "x", 1, 3600)
        if ok == false then Reject("over the rate") end"""})
    client = connect(server)
    assert client.say("MAIL FROM:<x@example.com>")[:3] == "250"
    client.say("RSET")
    assert "over the rate" in client.say("MAIL FROM:<x@example.com>")
    pid = server.children("state")[0]
    os.kill(pid, signal.SIGSTOP)        # hangs: asked in vain
    assert client.say("MAIL FROM:<x@example.com>")[:3] == "250"
    client.say("RSET")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: events(server, "state_unavailable"), "the event")
    assert client.say("MAIL FROM:<x@example.com>")[:3] == "250"
    client.say("RSET")
    wait_for(lambda: server.children("state") not in ([], [pid]), "a new state process")

    def refused():
        client.say("RSET")
        return "over the rate" in client.say("MAIL FROM:<x@example.com>")
    wait_for(refused, "the rate to count again")


def test_a_broken_connection_to_state_is_made_anew(make):
    server = make(files={"mailfrom.lua": """
        if memory_add("seen", sender) == false then Reject("seen already") end"""})
    pid = server.children("state")[0]
    assert descriptors(pid) > 0
    one, two = on_both_workers(server)
    assert one.say("MAIL FROM:<x@example.com>")[:3] == "250"
    for fd in sockets_of(pid) - {3}:    # 3 leads to the master
        with taken_from(pid, fd) as s:
            s.shutdown(socket.SHUT_RDWR)
    wait_for(lambda: len(events(server, "state_connected")) == 4, "connections to state")
    assert server.children("state") == [pid]
    assert "seen already" in two.say("MAIL FROM:<x@example.com>")


def test_workers_share_what_state_keeps(make):
    server = make(files={"mailfrom.lua": """
        if memory_add("seen", sender) == false then Reject("seen already") end"""})
    one, two = on_both_workers(server)
    assert one.say("MAIL FROM:<x@example.com>")[:3] == "250"
    assert "seen already" in two.say("MAIL FROM:<x@example.com>")


def test_state_outlives_a_restart(make):
    server = make(files={"mailfrom.lua": """
        if memory_add("seen", sender, 3600) == false then Reject("seen already") end"""})
    client = connect(server)
    assert client.say("MAIL FROM:<x@example.com>")[:3] == "250"
    client.close()
    assert server.stop() == 0
    server.start()
    assert "seen already" in connect(server).say("MAIL FROM:<x@example.com>")


def test_admin_comes_back(make):
    port = free_port()
    server = make(extra=f'admin = "127.0.0.1:{port}",')
    pid = server.children("admin")[0]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: server.children("admin") not in ([], [pid]), "a new admin process")
    assert "sluice_workers 2" in get(port, "/metrics")


def test_metrics_tell_how_long_operations_took(make):
    port = free_port()
    zone = 'slow.example. IN TXT "x"\nslow.example. DELAY 200\n'
    server = make(files={"zone.txt": zone, "rcptto.lua": """
        assert(dnstxt("slow.example")[1] == "x")
        dnstxt("none.example")"""}, extra=f'admin = "127.0.0.1:{port}",')
    assert send(connect(server)).startswith("250")
    metrics = get(port, "/metrics")
    name = "sluice_operation_"
    for line in ('seconds_bucket{operation="dns",le="0.1"} 1', 'seconds_bucket{operation="dns",le="1"} 2',
                 'seconds_bucket{operation="dns",le="+Inf"} 2', 'seconds_count{operation="dns"} 2',
                 'seconds_count{operation="store"} 1'):
        assert name + line in metrics.splitlines(), (line, metrics)
    seconds = float(re.search(name + r'seconds_sum{operation="dns"} ([\d.]+)', metrics)[1])
    assert 0.2 <= seconds < 2


def test_workers_count_in_the_same_metrics_of_scripts(make):
    port = free_port()
    server = make(files={"rcptto.lua": """
        stat("ip-family", { ipv4 = 1, ipv6 = 0 })
        metrics_increment("policy_seen", { b = 'say "hi"\\n\\\\', a = sender }, 0.5)
        metrics_set("policy_last", {}, 7) metrics_decrement("policy_open", {}, 3)"""},
                  extra=f'admin = "127.0.0.1:{port}",')
    assert "sluice_stat_total" not in get(port, "/metrics")
    clients = on_both_workers(server)
    for client in clients * 5:
        assert send(client).startswith("250")
    lines = get(port, "/metrics").splitlines()
    for line in ('sluice_stat_total{name="ip-family",legend="ipv4"} 10', 'sluice_stat_total{name="ip-family",legend="ipv6"} 0',
                 "# TYPE sluice_stat_total counter", "# TYPE policy_seen untyped", "policy_last 7", "policy_open -30",
                 r'policy_seen{a="x@example.com",b="say \"hi\"?\\"} 5', "sluice_script_series_refused_total 0"):
        assert lines.count(line) == 1, (line, lines[-20:])
    server.reload()
    send(connect(server))
    assert 'sluice_stat_total{name="ip-family",legend="ipv4"} 11' in get(port, "/metrics")


def test_metrics_of_scripts_end_at_a_cap(make):
    port = free_port()
    server = make(files={"rcptto.lua": """
        for i = 1, 600 do stat("many", { ["n" .. i] = 1 }) end"""}, extra=f'admin = "127.0.0.1:{port}",')
    assert send(connect(server)).startswith("250")
    text = get(port, "/metrics")
    assert text.count("sluice_stat_total{") == 512 and "sluice_script_series_refused_total 88" in text


def test_health_tells_of_a_script_error_for_a_minute(make):
    port = free_port()
    server = make(files={"rcptto.lua": 'if recipient == "bad@example.org" then error("no") end'},
                  extra=f'admin = "127.0.0.1:{port}",')
    client = connect(server)
    assert send(client).startswith("250") and get(port, "/health") == '{"status":"ok"}\n'
    client.say("MAIL FROM:<x@example.com>")
    assert client.say("RCPT TO:<bad@example.org>").startswith("451")
    health = json.loads(get(port, "/health"))
    assert health["status"] == "degraded" and abs(health["script_error"] - time.time()) < 30
    assert 'sluice_script_errors_total{phase="rcptto"} 1' in get(port, "/metrics")


def test_children_end_with_their_master(make):
    server = make()
    pids = [p for kind in ("worker", "state") for p in server.children(kind)]
    server.kill()
    wait_for(lambda: not any(pathlib.Path(f"/proc/{p}/task").exists() for p in pids), "their end")
    server.start()


def test_a40_a_message_that_kills_its_worker_twice_is_held(make):
    """Poison: predelivery executes when the worker dies; the third worker holds the message."""
    server = make(files={"predelivery.lua": """
        if sender == "poison@example.com" then
          syslog("notice", "looking at poison")
          local n = 0
          while true do n = n + 1 end
        end"""}, extra='limits = { steps = 1000000000000, time = 60 },')
    client = connect(server)
    _, reply = client.send("poison@example.com", ["b@example.org"], text_message("poison@example.com"))
    assert reply[:3] == "250"
    def die_twice(before):
        for n in (before + 1, before + 2):
            wait_for(lambda: server.text().count("looking at poison") == n, f"attempt {n}", 40)
            # the one that executes; its neighbour is spared
            busy = wait_for(lambda: [p for p in server.children("worker") if utime(p) > 50], "its work")
            os.kill(busy[0], signal.SIGKILL)
            wait_for(lambda: len(events(server, "worker_died")) == n, "its death")
            assert "phase=predelivery" in events(server, "worker_died")[-1]
        wait_for(lambda: len(server.children("worker")) == 2 and
                 len(events(server, "message_held")) == n / 2, "the hold", 40)

    die_twice(0)
    client = connect(server)
    assert send(client, b"healthy")[:3] == "250"
    wait_for(lambda: any(b"healthy" in m for m in server.messages()), "other mail")
    assert server.text().count("looking at poison") == 2
    # released, it has two more deaths
    subprocess.run([SLUICE, "quarantine", "release", server.spool, "--all"], check=True,
                   capture_output=True)
    die_twice(2)
    assert server.stop() == 0
    listing = subprocess.run([SLUICE, "quarantine", "list", server.spool], capture_output=True,
                             text=True, check=True).stdout
    assert "poison@example.com" in listing and "crashed" in listing
    server.start()


def utime(pid):
    """Ticks of CPU that a process used."""
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11])


def test_the_watchdog_kills_what_stands_still(make):
    server = make(extra="watchdog = 1,")
    pid = server.children("worker")[0]
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: events(server, "worker_stalled"), "the warning")
    wait_for(lambda: events(server, "worker_killed"), "the kill")
    wait_for(lambda: len(server.children("worker")) == 2 and pid not in server.children("worker"),
             "a new worker")


def test_fewer_workers_take_over_the_others_shards(make):
    server = make(extra="connections = { total = 100, per_ip = 100 },", start=False)
    config = server.policy / "sluice.lua"
    text = config.read_text()
    config.write_text(text.replace("workers = 2", "workers = 4").replace(
        'mailbox = {', 'later = { host = "127.0.0.1", port = 1 }, mailbox = {').replace(
        '"mailbox" }', '"later" }').replace("retry = { 0.2 }", "retry = { 3600 }"))
    server.start()
    clients = [connect(server) for _ in range(8)]
    for n, client in enumerate(clients):
        assert send(client, b"kept-%d." % n)[:3] == "250"
    assert server.stop() == 0
    assert len(list((server.spool / "queue").iterdir())) == 4
    config.write_text(text)
    # as if a kill had come between two messages of an adoption: they are in both
    shutil.copytree(server.spool / "queue" / "00", server.spool / "queue" / "1002",
                    ignore=shutil.ignore_patterns("control"))
    server.start()
    assert sorted(p.name for p in (server.spool / "queue").iterdir()) == ["00", "01"]
    assert len(events(server, "shard_adopted")) == 3
    assert server.stop() == 0
    listing = subprocess.run([SLUICE, "queue", "list", server.spool, "--json"], capture_output=True,
                             text=True, check=True).stdout.splitlines()
    assert len(listing) == len({json.loads(line)["id"] for line in listing}) == 8
    server.start()


# ---- sockets and limits ---------------------------------------------------------------------------


def test_limits_count_over_all_workers(make):
    server = make(extra="connections = { total = 4, per_ip = 3 },")
    clients = [connect(server) for _ in range(3)]
    refused = server.client()
    assert refused.greeting.startswith("421 4.7.0") and "from your address" in refused.greeting
    clients.pop().close()

    def again():
        client = server.client()
        if client.greeting.startswith("220"):
            return client
        client.close()
        return None
    wait_for(again, "a place")
    # a dead worker's connections aren't counted any more
    for pid in server.children("worker"):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(events(server, "worker_died")) == 2, "their deaths")
    for _ in range(3):
        assert server.client().greeting.startswith("220")


def test_connections_go_to_the_least_loaded(make):
    server = make()
    clients = [connect(server) for _ in range(10)]
    fds = [descriptors(pid) for pid in server.children("worker")]
    assert abs(fds[0] - fds[1]) <= 1, fds
    for client in clients:
        client.close()


def test_a_crowd_that_comes_at_once_is_served(make):
    """While workers stand still more connections come than the way to them holds: they wait."""
    server = make(extra="connections = { total = 2000, per_ip = 2000 },")
    workers = server.children("worker")
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        crowd = [socket.create_connection(("127.0.0.1", server.port), 20) for _ in range(900)]
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    for s in crowd:
        s.settimeout(20)
        assert s.recv(4) == b"220 "
        s.close()
    assert "connection_dropped" not in server.text()


def test_a_port_in_use_is_named(make):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = make(listen=f', {{ smtp = "127.0.0.1:{port}", server = "inbound" }}', start=False)
        fails(server)
        assert f"listen 127.0.0.1:{port}: Address already in use" in server.text()


def test_listeners_come_and_go_by_reload(make):
    server = make()
    kept = connect(server)
    other = free_port()
    text = (server.policy / "sluice.lua").read_text()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", other))
        taken.listen()
        (server.policy / "sluice.lua").write_text(text.replace(
            "listen = {", f'listen = {{ {{ smtp = "127.0.0.1:{other}", server = "inbound" }},'))
        server.reload()
        assert f"listen 127.0.0.1:{other}: Address already in use" in server.text()
        assert send(kept)[:3] == "250"
    server.reload()
    assert Client(other).greeting.startswith("220")
    moved = text.replace(f"127.0.0.1:{server.port}", f"127.0.0.1:{other}")
    (server.policy / "sluice.lua").write_text(moved)
    server.reload()
    with pytest.raises(OSError):
        server.client()
    assert Client(other).greeting.startswith("220")
    (server.policy / "sluice.lua").write_text(text.replace("workers = 2", "workers = 3"))
    server.reload()
    assert "restart_needed key=workers now=2 next=3" in server.text()
    assert len(server.children("worker")) == 2


def test_sockets_and_readiness_of_systemd(make, tmp_path):
    """LISTEN_FDS: the socket on descriptor 3 is used; NOTIFY_SOCKET hears READY and STOPPING."""
    server = make(start=False)
    listening = socket.socket()
    listening.bind(("127.0.0.1", server.port))
    listening.listen()
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(tmp_path / "notify"))
    notify.settimeout(20)
    out = open(server.log, "ab")

    def three():
        os.dup2(listening.fileno(), 3)

    server.process = subprocess.Popen(
        ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", SLUICE, "run", server.policy,
         "--spool", server.spool], stdout=out, stderr=out, preexec_fn=three, pass_fds=[3],
        env=dict(os.environ, SLUICE_STDLIB=str(ROOT / "stdlib"), NOTIFY_SOCKET=str(tmp_path / "notify")))
    ready = notify.recv(1000).decode()
    assert "READY=1" in ready and f"MAINPID={server.process.pid}" in ready
    listening.close()
    assert send(connect(server))[:3] == "250"
    server.process.send_signal(signal.SIGHUP)
    assert "RELOADING=1" in notify.recv(1000).decode()
    assert "READY=1" in notify.recv(1000).decode()
    server.process.send_signal(signal.SIGTERM)
    assert "STOPPING=1" in notify.recv(1000).decode()
    assert server.process.wait(20) == 0


# ---- drain, logs, users -----------------------------------------------------------------------------


def test_sigterm_lets_a_message_end(make):
    server = make()
    client = connect(server)
    idle = connect(server)
    client.say("MAIL FROM:<x@example.com>")
    client.say("RCPT TO:<b@example.org>")
    assert client.say("DATA")[:3] == "354"
    server.process.send_signal(signal.SIGTERM)
    assert idle.reply().startswith("421 4.3.2")
    with pytest.raises(OSError):
        for _ in range(200):            # the listener goes a moment later
            server.client().close()
    assert client.say(text_message() + b"\r\n.\r\n")[:3] == "250"
    assert client.reply().startswith("421 4.3.2")
    assert server.process.wait(20) == 0


def test_the_log_is_reopened(make):
    server = make(start=False)
    log = server.folder / "events.json"
    text = (server.policy / "sluice.lua").read_text()
    (server.policy / "sluice.lua").write_text(text.replace(
        "workers = 2", f'workers = 2, log = {{ file = "{log}" }}'))
    server.start()
    assert [json.loads(line)["event"] for line in log.read_text().splitlines()].count("serving") == 1
    log.rename(server.folder / "events.1")
    server.process.send_signal(signal.SIGUSR1)
    wait_for(log.exists, "the new file")
    for client in on_both_workers(server):
        assert send(client)[:3] == "250"
    wait_for(lambda: log.read_text().count('"message_received"') == 2, "events of both workers")
    assert "message_received" not in (server.folder / "events.1").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_rights_are_given_up(make, tmp_path_factory):
    base = pathlib.Path("/tmp") / f"sluice-user-{os.getpid()}"
    base.mkdir()
    server = make(start=False)
    try:
        os.chmod(base, 0o755)
        server.spool = base / "spool"
        text = (server.policy / "sluice.lua").read_text()
        (server.policy / "sluice.lua").write_text(
            text.replace("workers = 2", f'workers = 2, user = "nobody", log = {{ file = "{base}/log" }}')
                .replace(str(server.mail), str(base / "spool" / "mail")))
        (server.policy / "keys").mkdir()
        (server.policy / "keys" / "secret.pem").write_text("only root reads this")
        os.chmod(server.policy / "keys" / "secret.pem", 0o600)
        os.chmod(server.policy, 0o700)
        server.start()
        nobody = pwd.getpwnam("nobody")
        for kind in ("worker", "state"):
            for pid in server.children(kind):
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                assert re.search(r"^Uid:\s" + "\t".join([str(nobody.pw_uid)] * 4) + "$", status, re.M)
                assert re.search(r"^NoNewPrivs:\s1$", status, re.M)
                assert re.search(r"^CapEff:\s0+$", status, re.M)
        assert send(connect(server))[:3] == "250"
        wait_for(lambda: list((base / "spool" / "mail").glob("*/*/new/*")), "the message")
        wait_for(lambda: "message_received" in (base / "log").read_text(), "the log of a worker")
        (server.policy / "data.lua").write_text('Reject("new policy")')
        server.reload()
        client = connect(server)
        assert "new policy" in send(client)
    finally:
        server.stop()
        subprocess.run(["rm", "-rf", base], check=True)


def test_a_user_that_is_not_there_is_told(make):
    server = make(extra='user = "nosuchaccount",', start=False)
    fails(server)
    assert 'user "nosuchaccount": there is no such account' in server.text()


def test_connections_that_come_while_workers_die(make):
    """Between a death and its signal the master must not talk to who is gone."""
    server = make()
    stop = threading.Event()

    def knock():
        while not stop.is_set():
            try:
                server.client().close()
            except OSError:
                pass

    threads = [threading.Thread(target=knock, daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    for n in range(1, 7):
        os.kill(wait_for(lambda: server.children("worker"), "a worker")[-1], signal.SIGKILL)
        wait_for(lambda: len(events(server, "worker_died")) == n or server.dead(), "its death")
        assert not server.dead()
    stop.set()
    for thread in threads:
        thread.join(30)
    wait_for(lambda: server.children("worker"), "a worker", 60)
    assert send(connect(server))[:3] == "250"
