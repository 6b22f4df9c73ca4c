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
