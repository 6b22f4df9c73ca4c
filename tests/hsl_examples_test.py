"""The policies of examples/hsl: each loads without a finding and passes its tests; what their tests can't see, the
queue's scripts, runs in a gateway."""

import pathlib
import socketserver
import subprocess
import threading

import pytest

from harness import SLUICE, Api, Sluice, answer_json, text_message, wait_for

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples/hsl"


@pytest.mark.parametrize("name", sorted(p.parent.name for p in EXAMPLES.glob("*/sluice.lua")))
def test_policy(name):
    for command, words in (("check", "no errors"), ("test", " 0 failed")):
        done = subprocess.run([SLUICE, command, EXAMPLES / name], capture_output=True, text=True)
        assert done.returncode == 0 and words in done.stdout, done.stdout + done.stderr


class Store(socketserver.ThreadingTCPServer):
    """A next hop that answers RCPT by what is in the address."""

    daemon_threads = True

    def __init__(self, answers):
        class Handler(socketserver.StreamRequestHandler):
            def say(self, text):
                self.wfile.write(text.encode() + b"\r\n")

            def handle(self):
                self.say("220 store")
                for line in self.rfile:
                    word = line[:4].upper()
                    if word == b"QUIT":
                        return
                    if word == b"DATA":
                        self.say("354 go on")
                        while self.rfile.readline() not in (b".\r\n", b""):
                            pass
                    said = [text for part, text in answers.items() if word == b"RCPT" and part.encode() in line]
                    self.say(said[0] if said else "250 2.0.0 Ok")

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()


CONFIG = """return {
  hostname = "mx.example.org",
  listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } },
  servers = { inbound = { flows = { postdelivery = "bounces.hsl" }, relay = {
    ["example.org"] = { transport = "store" }, ["client.example"] = { transport = "store" } } } },
  transports = { store = { host = "127.0.0.1", port = STORE } },
  http = { allow_private = true }, retry = { 3600 }, dns = { zone = "zone.txt", zone_only = true }, trusted = { "127.0.0.1" },
}"""


def test_bounces_of_a_mailstore(tmp_path):
    """A full mailbox waits as long as the script says, one that is gone is told to the directory."""
    store = Store({"full@": "452 4.2.2 Mailbox full", "gone@": "550 5.1.1 No such mailbox", "odd@": "451 4.3.0 Later"})
    api = Api(lambda path: answer_json({}))
    handler = api.server.RequestHandlerClass

    def post(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()
        api.calls[-1] += " " + body.decode()

    handler.do_POST = post
    script = (EXAMPLES / "mailstore/bounces.hsl").read_text().replace("https://directory.example.org", api.url)
    server = Sluice(tmp_path, CONFIG.replace("STORE", str(store.server_address[1])),
                    {"bounces.hsl": script, "zone.txt": "example.org. IN A 127.0.0.1\n"})
    try:
        server.start()
        client = server.client()
        client.say("EHLO client.example")
        for name in ("ann", "full", "gone", "odd"):
            client.send("bob@client.example", [f"{name}@example.org"], text_message())
        for event, name, where in (("delivered", "ann", 5), ("deferred", "full", 12), ("bounced", "gone", 17),
                                   ("deferred", "odd", 19)):
            wait_for(lambda: any(f" {event} " in line and f"recipient={name}@example.org" in line
                                 for line in server.text().splitlines()), f"{event} {name}: {server.text()[-3000:]}")
            assert f"where=bounces.hsl:{where} " in server.text(), server.text()
        wait_for(lambda: api.calls, "the directory to be told")
        assert api.calls == ["/v1/gone address=gone%40example.org"]
        assert "script_error" not in server.text()
    finally:
        server.stop()
        store.stop()
        api.stop()
    listed = subprocess.run([SLUICE, "queue", "list", server.spool, "--json"], capture_output=True, text=True).stdout
    assert "full@example.org" in listed and "gone@example.org" not in listed
