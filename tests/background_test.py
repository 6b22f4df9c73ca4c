"""http() in the background: the script goes on, the request is made beside it, and a drain waits for it."""
import http.server
import subprocess
import threading

import pytest

from harness import SLUICE, Sluice, needs, text_message, wait_for

CONFIG = """return {
  hostname = "mx.example.org", listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } },
  servers = { inbound = { flows = { data = "data.hsl" }, relay = { ["example.org"] = { transport = "box" } } } },
  transports = { box = { discard = true } }, dns = { zone = "zone.txt", zone_only = true },
  http = { allow_private = true },
}"""

NOTES = """
foreach (["one", "two"] as $n)
	echo http("URL/$1", ["background" => true, "background_hash" => 1, "background_retry_count" => 9,
		"background_retry_delay" => 0.02, "headers" => ["X-Note: $n"]], [$n], ["body" => $n]);
"""


class Notes:
    """Takes notes when it may; answers the first 'refuse' of them with 503."""

    def __init__(self, refuse=0, may=True):
        needs("libcurl")
        notes = self
        self.taken, self.came, self.may = [], threading.Event(), threading.Event()
        self.refuse = refuse
        if may:
            self.may.set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                notes.came.set()
                assert notes.may.wait(30)
                notes.refuse -= 1
                if notes.refuse < 0:
                    notes.taken.append((self.path, self.headers["X-Note"], body))
                self.send_response(503 if notes.refuse >= 0 else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def notes():
    made = []

    def make(**how):
        made.append(Notes(**how))
        return made[-1]

    yield make
    for one in made:
        one.may.set()
        one.stop()


@pytest.fixture
def serve(tmp_path):
    made = []

    def make(script):
        made.append(Sluice(tmp_path, CONFIG, {"zone.txt": "", "data.hsl": script}).start())
        return made[-1]

    yield make
    for server in made:
        server.stop()


BOTH = [("/one", "one", "body=one"), ("/two", "two", "body=two")]


def refuses(server):
    try:
        server.client().close()
    except OSError:
        return True
    return False


def test_exec_ends_when_they_are_made(tmp_path, notes):
    n = notes(refuse=2)
    script = tmp_path / "notes.hsl"
    script.write_text(NOTES.replace("URL", n.url))
    result = subprocess.run([SLUICE, "exec", script], capture_output=True, text=True, timeout=60)
    assert result.stdout == "true\ntrue\n", result.stderr
    assert n.taken == BOTH


def test_the_reply_does_not_wait_and_a_drain_does(serve, notes):
    n = notes(may=False)
    server = serve(NOTES.replace("URL", n.url))
    client = server.client()
    client.say("EHLO client.example")
    assert client.send("a@example.com", ["b@example.org"], text_message())[1].startswith("250")
    client.close()
    assert n.came.wait(30) and n.taken == []        # it was asked, and not answered yet
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    wait_for(lambda: refuses(server), "the listener's end")
    n.may.set()
    stopping.join(30)
    assert n.taken == BOTH


def test_one_that_fails_for_good_is_in_the_log_without_its_query(serve, notes):
    n = notes(refuse=1)
    script = f"""http("{n.url}/note?key=hidden", ["background" => true], [], "x");"""
    server = serve(script)
    client = server.client()
    client.say("EHLO client.example")
    assert client.send("a@example.com", ["b@example.org"], text_message())[1].startswith("250")
    client.close()
    wait_for(lambda: f"http_background url={n.url}/note failed=" in server.text(), "the event")
    assert "HTTP status 503" in server.text() and "hidden" not in server.text()
