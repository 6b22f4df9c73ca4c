"""Scripts in the way of today's dialect, in HSL, through a gateway: an eod that queues for each
recipient by itself, facts of MAIL, a context that predelivery hands on."""
import pytest

from harness import Sluice, wait_for

CONFIG = """return { hostname = "mx.example.org", from_check = "accept",
  listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } },
  servers = { inbound = {
    flows = { mailfrom = "mailfrom.hsl", eod = "eod.hsl", data = "data.hsl", predelivery = "predelivery.hsl",
              postdelivery = "postdelivery.hsl" },
    relay = { ["example.org"] = { transport = "box" } } } },
  transports = { box = { maildir = "MAIL/%d/%u" } } }"""
FILES = {
    "mailfrom.hsl": 'echo "mail " . json_encode($arguments["params"]) . " " . $arguments["address"]["domain"];',
    "eod.hsl": """
$sender = $transaction["senderaddress"];
$recipients = $transaction["recipients"];
$mail = $arguments["mail"];

// Queue message for all recipients
foreach ($recipients as $recipient) {
    $id = $mail->snapshot();
    $mail->addHeader("X-For", $recipient["recipient"]);
    $mail->queue($sender, $recipient["address"], $recipient["transportid"], ["metadata" => ["k" => "v"]]);
    $mail->restore($id);
}
echo "size " . $transaction["senderparams"]["SIZE"];

Accept();
""",
    "data.hsl": 'Reject("data ran");',
    "predelivery.hsl": '$context["way"] = $message["recipientaddress"]["localpart"]; Try();',
    "postdelivery.hsl": 'echo "way " . $context["way"] . " " . $arguments["attempt"]["result"]["code"] .'
                        ' " " . GetMetaData()["k"] . (isset($arguments["action"]) ? "!" : ".");',
}


@pytest.fixture
def server(tmp_path):
    server = Sluice(tmp_path, CONFIG, FILES).start()
    yield server
    assert server.stop() == 0


def test_eod_queues_for_each_recipient(server):
    client = server.client()
    client.say("EHLO client.example")
    client.say("MAIL FROM:<ann@example.com> SIZE=200 BODY=8BITMIME")
    for local in ("bob", "eve"):
        assert client.say(f"RCPT TO:<{local}@example.org>").startswith("250")
    client.say("DATA")
    assert client.say("From: ann@example.com\r\nSubject: s\r\n\r\nHello.\r\n.").startswith("250")
    client.close()
    found = wait_for(lambda: (m := server.messages()) and len(m) == 2 and m, "two messages: " + server.text()[-2000:])
    for message, local in zip(found, (b"bob", b"eve")):
        assert b"\r\nX-For: " + local + b"@example.org\r\nFrom: ann@example.com\r\n" in message
        assert message.count(b"X-For") == 1
    for line in ('mail {"SIZE":"200","BODY":"8BITMIME"} example.com', "size 200", "way bob 250 v.", "way eve 250 v."):
        wait_for(lambda: line in server.text().replace('\\"', '"'), line + ": " + server.text()[-3000:])
    assert "data ran" not in server.text()


def test_postdelivery_sees_the_connection(tmp_path):
    hop = Sluice(tmp_path / "hop", 'return { hostname = "hop.example.org", from_check = "accept",'
                 ' listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } },'
                 ' servers = { inbound = { relay = { ["example.org"] = { transport = "box" } } } },'
                 ' transports = { box = { maildir = "MAIL/%d/%u" } } }', {}).start()
    script = """
$c = $arguments["attempt"]["connection"];
echo "hop " . $c["remoteip"] . " " . $c["localip"] . " " . $c["helo"] . " " . $c["tls"]["started"]
  . " " . ($c["tls"]["protocol"] ?? "-") . " " . $arguments["attempt"]["result"]["code"];
"""
    config = CONFIG.replace('maildir = "MAIL/%d/%u"', f'host = "127.0.0.1:{hop.port}"')
    server = Sluice(tmp_path / "first", config, {**FILES, "postdelivery.hsl": script}).start()
    client = server.client()
    for line in ("EHLO client.example", "MAIL FROM:<ann@example.com> SIZE=99", "RCPT TO:<bob@example.org>", "DATA"):
        client.say(line)
    assert client.say("From: ann@example.com\r\n\r\nHello.\r\n.").startswith("250")
    client.close()
    wait_for(lambda: "hop 127.0.0.1 127.0.0.1 mx.example.org " in server.text(), server.text()[-3000:])
    said = server.text().split("hop 127.0.0.1 127.0.0.1 mx.example.org ")[1]
    assert said.startswith("false - 250"), said[:40]
    assert hop.message().count(b"X-For: bob@example.org") == 1
    assert server.stop() == 0 and hop.stop() == 0
