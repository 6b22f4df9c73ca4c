"""HSL's barrier over all workers, and cache in each: what runs of different messages share."""
import socket

import pytest

from harness import Sluice

CONFIG = """return { hostname = "mx.example.org", workers = 2,
  listen = { { smtp = "127.0.0.1:PORT", server = "s" } },
  servers = { s = { flows = { connect = "connect.hsl" } } },
  dns = { zone = "zone.txt", zone_only = true } }
"""
ZONE = "slow.example. IN TXT x\nslow.example. DELAY 20\n"
# The read and the write of the counter are apart: without the lock, runs would read the same.
COUNT = """
barrier "count" => $n {
    $read = $n ?? 0;
    dnstxt("slow.example");
    $n = $read + 1;
    barrier "workers" => $ids { $ids[worker()] = true; }
    Reject("n $n of " . count($ids));
}
function worker() { return cache [] uuid(); }
"""


@pytest.fixture
def server(tmp_path):
    s = Sluice(tmp_path / "server", CONFIG, {"connect.hsl": COUNT, "zone.txt": ZONE}).start()
    yield s
    assert s.stop() == 0, s.text()[-3000:]


def test_a_barrier_is_one_for_all_workers(server):
    """16 connections at the same time; each worker is told by a value that its cache keeps."""
    clients = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(16)]
    replies = [c.makefile("rb").readline().decode().split() for c in clients]
    for c in clients:
        c.close()
    assert sorted(int(r[3]) for r in replies) == list(range(1, 17))
    assert max(int(r[5]) for r in replies) == 2, "both workers took part"
