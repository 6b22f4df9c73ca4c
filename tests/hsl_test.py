"""HSL in the gateway: the article's scripts as printed, overriding, endings, limits."""
import base64

import dkim
import pytest

from harness import (Api, Sluice, answer_json, certificate, key_pair, password_hash, text_message,
                     wait_for)

CONFIG = """return {
  hostname = "mx.example.org",
  listen = { { smtp = "127.0.0.1:PORT", server = "inbound" },
             { smtp = "127.0.0.1:SUBMIT", server = "outbound", auth = "required", tls = "required" } },
  servers = { inbound = { flows = { data = "inbound.hsl" },
                          relay = { ["example.org"] = { transport = "mailbox" } } },
              outbound = { flows = { data = "outbound.hsl" },
                           relay = { ["*"] = { transport = "mailbox" } } } },
  transports = { mailbox = { maildir = "MAIL/%d/%u" } },
  users = "users", tls = { cert = "mx.pem", key = "pki:mx" },
  api = { url = "API", negative_ttl = 0 },
  dns = { zone = "zone.txt", zone_only = true },
  limits = { steps = 300000, memory = "4M" },
}"""

ZONE = """$TTL 300
spoofed.example. IN TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.spoofed.example. IN TXT "v=DMARC1; p=reject"
"""

# As the article prints them.
INBOUND = """$dmarcresult = ScanDMARC();
	if (is_array($dmarcresult))
		foreach ($dmarcresult as $dmarcdomain => $dmarcpolicy)
			if ($dmarcpolicy == "reject")
				Reject("The messages violates the DMARC policy of $dmarcdomain ($messageid)");
"""
OUTBOUND = """$dkim = api_call("?type=dkim&user=$1&domain=$2", [$saslusername, $senderdomain]);
if (is_array($dkim))
DKIMSign($dkim["selector"], $dkim["domain"], $dkim["rsakey"]);
"""


class World:
    """A gateway with chosen scripts and a key API."""

    def __init__(self, tmp_path, inbound=INBOUND, outbound=OUTBOUND, files=None):
        self.pem, self.record = key_pair(tmp_path)
        self.answer = {"selector": "s1", "domain": "example.com", "rsakey": self.pem}
        self.api = Api(lambda path: answer_json(self.answer))
        cert, key = certificate(tmp_path)
        self.server = Sluice(tmp_path / "server", CONFIG.replace("API", self.api.url), {
            "inbound.hsl": inbound, "outbound.hsl": outbound, "zone.txt": ZONE, "mx.pem": cert,
            "keys/mx.pem": key, "users": f"ann:{password_hash('secret')}:example.com\n",
            **(files or {})}).start()

    def receive(self, sender="b@other.example", header_from=None, recipients=("bob@example.org",)):
        client = self.server.client()
        client.say("EHLO client.example")
        reply = client.send(sender, list(recipients), text_message(header_from or sender))[1]
        client.close()
        return reply

    def submit(self):
        client = self.server.client(self.server.submission)
        assert client.login("ann", "secret").startswith("235")
        reply = client.send("ann@example.com", ["bob@example.net"], text_message("ann@example.com"))[1]
        client.close()
        return reply

    def logged(self, words):
        """Lines are written behind what they tell of."""
        return wait_for(lambda: words in self.server.text(), f"{words} in the log")

    def stop(self):
        self.api.stop()
        assert self.server.stop() == 0, self.server.text()[-3000:]


@pytest.fixture
def world(tmp_path):
    made = []

    def make(*args, **kwargs):
        made.append(World(tmp_path, *args, **kwargs))
        return made[0]
    yield make
    for w in made:
        w.stop()


def test_the_articles_inbound_script(world):
    w = world()
    reply = w.receive("eve@spoofed.example")
    assert reply.startswith("550 5.7.1 The messages violates the DMARC policy of spoofed.example (")
    assert w.receive("carl@other.example").startswith("250")


def test_the_articles_outbound_script(world):
    w = world()
    assert w.submit().startswith("250")
    assert w.api.calls == ["/v1?type=dkim&user=ann&domain=example.com"]
    assert dkim.verify(w.server.message(), dnsfunc=lambda name, timeout=5: w.record.encode())


def test_without_a_key_nothing_is_signed(world):
    w = world()
    w.answer = {}
    assert w.submit().startswith("250")
    assert b"DKIM-Signature" not in w.server.message()


OVERRIDE = """
if ($senderdomain == "other.example") Defer("not now");
function Deliver(...$args) {
	global $senderdomain, $saslusername;
	$dkim = api_call("?type=dkim&user=$1&domain=$2", [$saslusername, $senderdomain]);
	if (is_array($dkim))
		DKIMSign($dkim["selector"], $dkim["domain"], $dkim["rsakey"]);
	builtin Deliver(...$args);
	echo "never reached";
}
"""


def test_an_override_of_deliver_is_the_end_of_every_path(world):
    w = world(outbound=OVERRIDE)
    assert w.submit().startswith("250")
    assert dkim.verify(w.server.message(), dnsfunc=lambda name, timeout=5: w.record.encode())
    assert "never reached" not in w.server.text()


def test_an_override_that_delivers_nothing_is_an_error(world):
    w = world(inbound="function Deliver() { echo 1; }")
    assert w.receive().startswith("451 4.3.0")
    w.logged("Deliver, redefined at inbound.hsl:1, returned without builtin.Deliver")


def test_final_actions_go_through_every_catch(world):
    w = world(inbound="""
        function leave() { try { Reject("left"); } catch ($e) { echo "caught"; } }
        try { foreach ([1, 2] as $x) { $f = function () { leave(); }; $f(); } }
        catch ($e) { echo "caught"; }
        Defer("too late");""")
    assert w.receive().startswith("550 5.7.1 left")
    assert "caught" not in w.server.text()


@pytest.mark.parametrize("script, words", [
    ("forever { $x = 1; }", "steps"),
    ("$a = [1]; forever { try { $a[] = $a; } catch ($e) { } }", "more than"),
    ('$s = "x"; forever { $s = $s . $s; }', "memory"),
    ("function f($n) { return f($n + 1) + 1; } f(1);", "inbound.hsl:1"),
])
def test_runaways_end(world, script, words):
    w = world(inbound=script)
    assert w.receive().startswith("451 4.3.0")
    w.logged(words)


def test_errors_name_the_line_of_the_script(world):
    w = world(inbound="""$x = 1;

function look($a) {
	return $a["x"] . none;
}
echo look(["x" => 1]);
""")
    assert w.receive().startswith("451 4.3.0")
    w.logged("inbound.hsl:4: none can't be made a string")
    w.logged("in look")


def test_compile_errors_refuse_the_policy(tmp_path):
    cert, key = certificate(tmp_path)
    server = Sluice(tmp_path / "server", CONFIG.replace("API", "http://127.0.0.1:1"), {
        "inbound.hsl": "if ($x && $y) { }\necho \u201cx\u201d;", "outbound.hsl": OUTBOUND,
        "zone.txt": ZONE, "mx.pem": cert, "keys/mx.pem": key, "users": ""})
    server.start(expect=False)
    server.process.wait(20)
    text = server.text()
    assert "inbound.hsl:1:8: there is no operator '&&'" in text and "'and'" in text
    assert "inbound.hsl:2:6: a curly quote" in text
