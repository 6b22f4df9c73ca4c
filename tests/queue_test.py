"""sluice queue and sluice quarantine on a spool of several shards that no server has, and on one
whose server doesn't answer."""
import fcntl
import json
import os
import pty
import re
import select
import socket
import subprocess
import threading

import pytest

from harness import SLUICE, Sluice, free_port, text_message, wait_for

CONFIG = """return {
  hostname = "mx.example.org", workers = 2,
  listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } },
  servers = { inbound = { flows = { data = "data.lua" }, relay = {
    ["example.org"] = { transport = "away" }, ["example.net"] = { transport = "away" } } } },
  transports = { away = { host = "127.0.0.1", port = %d } },
  retry = { 3600 }, dns = { zone = "zone.txt", zone_only = true }, quarantine = { "spam" },
}"""

FILES = {
    "zone.txt": "example.org. IN A 127.0.0.1\n",
    "data.lua": 'if sender == "spammer@example.com" then Quarantine("spam") end',
}


@pytest.fixture
def server(tmp_path):
    server = Sluice(tmp_path, CONFIG % free_port(), FILES)
    yield server
    assert server.stop() == 0, server.text()[-3000:]


@pytest.fixture
def spool(server):
    """Six messages, two of them held, on both shards; the server is stopped."""
    server.start()
    clients = [server.client() for _ in range(2)]
    for n, client in enumerate(clients):
        client.say("EHLO x")
        for sender in (f"ann{n}@example.com", "", "spammer@example.com"):
            _, reply = client.send(sender, ["bob@example.org", "eve@example.net"],
                                   text_message(extra=b"X-From: %s\r\n" % sender.encode()))
            assert reply[:3] in ("250", "550"), reply
    wait_for(lambda: server.text().count("deferred ") >= 8, "the first attempts")
    assert server.stop() == 0
    shards = sorted((server.spool / "queue").iterdir())
    assert [s.name for s in shards] == ["00", "01"]
    return server.spool


def tool(*args, status=0):
    done = subprocess.run([SLUICE, *map(str, args)], capture_output=True, timeout=30, check=False)
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout.decode(), done.stderr.decode()


def listed(spool, *args, kind="queue"):
    return [json.loads(line) for line in tool(kind, "list", spool, "--json", *args)[0].splitlines()]


def test_lists_all_shards(spool):
    queue, held = listed(spool), listed(spool, kind="quarantine")
    assert len(queue) == 4 and len(held) == 2
    assert {m["sender"] for m in queue} == {"ann0@example.com", "ann1@example.com", ""}
    assert all(m["quarantine"] == "spam" for m in held)
    assert all("quarantine" not in m for m in queue)
    states = {r["state"] for m in held for r in m["recipients"]}
    assert states == {"held"}
    assert all(r["attempts"] == 1 and r["info"] for m in queue for r in m["recipients"])


def test_text_is_aligned_and_without_colour(spool):
    out, _ = tool("queue", "list", spool)
    assert "\033" not in out
    lines = out.splitlines()
    heads = [line for line in lines if not line.startswith(" ")]
    assert len(heads) == 4 and len({line.index(" bytes") for line in heads}) == 1
    rows = [line for line in lines if line.startswith("    queued")]
    assert len(rows) == 8 and len({re.search(r" away ", line).start() for line in rows}) == 1
    assert sum("from <>" in line for line in heads) == 2


def test_colours_on_a_terminal(spool):
    master, slave = pty.openpty()
    process = subprocess.Popen([SLUICE, "queue", "list", spool], stdout=slave)
    os.close(slave)
    out = b""
    while select.select([master], [], [], 10)[0]:
        try:
            chunk = os.read(master, 65536)
        except OSError:
            break
        if not chunk:
            break
        out += chunk
    os.close(master)
    assert process.wait(10) == 0
    assert b"\033[1m" in out and b"\033[32m" in out


FILTERS = [
    (["--sender", "ANN1@example.com"], 1), (["--sender", "<>"], 2), (["--sender", "@example.com"], 2),
    (["--recipient", "bob@example.org"], 4), (["--recipient", "@example.net"], 4),
    (["--recipient", "nobody@example.org"], 0),
    (["--sender", "<>", "--recipient", "eve@example.net"], 2),
]


@pytest.mark.parametrize("args,count", FILTERS, ids=lambda v: " ".join(v) if isinstance(v, list) else None)
def test_filters(spool, args, count):
    assert len(listed(spool, *args)) == count


def test_show_retry_remove_one_message(spool):
    for message in listed(spool):       # whichever shard has it
        name = message["id"]
        shown = subprocess.run([SLUICE, "queue", "show", spool, name], capture_output=True,
                               check=True).stdout
        assert len(shown) == message["size"]
        assert b"X-From: " + message["sender"].encode() + b"\r\n" in shown
        tool("queue", "retry", spool, name)
        now = [m for m in listed(spool) if m["id"] == name][0]
        assert all(r["next"] < r0["next"] for r, r0 in zip(now["recipients"], message["recipients"]))
        tool("queue", "remove", spool, name)
        _, err = tool("queue", "show", spool, name, status=1)
        assert f"there is no message {name} in the queue" in err
        assert name not in tool("queue", "list", spool)[0]
    assert listed(spool) == [] and len(listed(spool, kind="quarantine")) == 2


def test_many_at_once(spool):
    tool("queue", "remove", spool, "--recipient", "@example.net")
    assert [[r["state"] for r in m["recipients"]] for m in listed(spool)] == [["queued", "done"]] * 4
    due = {r["next"] for m in listed(spool) for r in m["recipients"] if r["state"] == "queued"}
    tool("queue", "retry", spool, "--all")
    assert max(r["next"] for m in listed(spool) for r in m["recipients"]
               if r["state"] == "queued") < min(due)
    tool("queue", "remove", spool, "--sender", "<>")
    assert len(listed(spool)) == 2
    tool("queue", "remove", spool, "--all")
    assert listed(spool) == [] and len(listed(spool, kind="quarantine")) == 2


def test_release_and_remove_of_a_quarantine(spool):
    one, two = [m["id"] for m in listed(spool, kind="quarantine")]
    _, err = tool("queue", "remove", spool, one, status=1)
    assert f"{one} is in quarantine" in err
    assert b"Subject: test" in subprocess.run([SLUICE, "quarantine", "show", spool, one],
                                              capture_output=True, check=True).stdout
    tool("quarantine", "release", spool, one)
    assert one in {m["id"] for m in listed(spool)}
    _, err = tool("quarantine", "release", spool, one, status=1)
    assert f"{one} is not in quarantine" in err
    tool("quarantine", "remove", spool, two)
    assert listed(spool, kind="quarantine") == [] and len(listed(spool)) == 5


WRONG = [
    ["list"], ["list", "SPOOL", "an-id"], ["show", "SPOOL"], ["retry", "SPOOL"], ["dance", "SPOOL", "x"],
    ["release", "SPOOL", "x"], ["list", "SPOOL", "--sender"], ["list", "SPOOL", "--colour"],
    ["remove", "SPOOL", "one", "two"], ["remove", "SPOOL", "--json"],
]


@pytest.mark.parametrize("args", WRONG, ids=" ".join)
def test_wrong_arguments(tmp_path, args):
    assert "usage: sluice queue" in tool("queue", *[a.replace("SPOOL", str(tmp_path)) for a in args],
                                         status=2)[1]


def test_no_queue(tmp_path):
    assert "No such file" in tool("queue", "list", tmp_path, status=1)[1]


def test_a_locked_shard_is_said_and_the_others_are_listed(spool):
    """Its server is alive and has no socket: as while it starts."""
    with open(spool / "queue" / "00" / "lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        out, err = tool("queue", "list", spool, "--json", status=1)
    assert "queue/00" in err and "another process" in err and "queue/01" not in err
    assert 0 < len(out.splitlines()) < 4
    assert len(listed(spool)) == 4


def test_a_lock_that_is_given_up_meanwhile(spool):
    with open(spool / "queue" / "01" / "lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        threading.Timer(0.5, fcntl.flock, (lock, fcntl.LOCK_UN)).start()
        assert len(listed(spool)) == 4


def test_a_server_that_does_not_answer(spool):
    """Two of them: one that says nothing, one that takes nothing."""
    path = spool / "queue" / "00" / "control"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
        s.listen(1)
        out, err = tool("queue", "list", spool, "--json", status=1)
        assert "doesn't answer" in err and "queue/00" in err
        assert 0 < len(out.splitlines()) < 4
    path.unlink()


def test_a_reader_that_goes_away(spool):
    process = subprocess.Popen([SLUICE, "queue", "list", spool], stdout=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(20) in (0, 1)
    assert len(listed(spool)) == 4


def test_connections_of_a_transport(server):
    """A host that never greets holds one connection, and the other messages wait."""
    with socket.create_server(("127.0.0.1", 0), backlog=20) as host:
        port = host.getsockname()[1]
        server.write(CONFIG.replace("port = %d", f"port = {port}, connections = 1"), FILES)
        server.start()
        client = server.client()
        client.say("EHLO x")
        for n in range(4):
            assert client.send("a@example.com", [f"b{n}@example.org"], text_message())[1][:3] == "250"
        host.settimeout(10)
        held, _ = host.accept()
        host.settimeout(1)              # nothing to wait for: another one must not come
        with held, pytest.raises(TimeoutError):
            host.accept()
        assert server.stop() == 0
    assert len(listed(server.spool)) == 4


def test_beside_a_server(spool, server):
    """Every command, on both workers; what is released is delivered at once."""
    config = (server.policy / "sluice.lua").read_text()
    server.write(re.sub(r"away = \{[^}]*\}", 'away = { maildir = "MAIL/%d/%u" }', config), FILES)
    server.start()
    assert len(listed(spool)) == 4 and len(listed(spool, kind="quarantine")) == 2
    gone, kept = listed(spool)[:2]
    tool("queue", "remove", spool, gone["id"])
    assert "there is no message" in tool("queue", "show", spool, gone["id"], status=1)[1]
    assert len(tool("queue", "show", spool, kept["id"])[0]) == kept["size"]
    tool("queue", "retry", spool, "--all")
    wait_for(lambda: len(server.messages()) == 6, "three messages to two recipients each")
    tool("quarantine", "release", spool, "--sender", "spammer@example.com")
    wait_for(lambda: len(server.messages()) == 10, "two more")
    wait_for(lambda: not listed(spool) and not listed(spool, kind="quarantine"), "an empty queue")
    server.kill(everything=True)
    assert listed(spool) == []          # the sockets of the dead are in nobody's way
    server.start()
    assert listed(spool) == []


def test_a_spool_with_a_long_path(spool, tmp_path):
    long = tmp_path / ("long" * 30)
    long.mkdir()
    (spool / "queue").rename(long / "queue")
    (long / "queue" / "01").rename(long / "queue" / "123")
    assert len(listed(long)) == 4
