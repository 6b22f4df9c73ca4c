"""The gateway as its users meet it: real sockets, real clients, real verifiers."""
import json
import os
import re
import signal
import subprocess
import threading
import time
from urllib.parse import parse_qs, urlparse

import dkim
import pytest

from harness import (SLUICE, Api, Sluice, answer_json, certificate, key_pair, password_hash,
                     text_message, wait_for)

CONFIG = """return {
  hostname = "mx.example.org",
  listen = {
    { smtp = "127.0.0.1:PORT", server = "inbound" },
    { smtp = "127.0.0.1:SUBMIT", server = "outbound", auth = "required", tls = "required" },
  },
  servers = {
    inbound = { relay = { ["example.org"] = { transport = "mailbox" } } },
    outbound = { flows = { data = %s }, relay = { ["*"] = { transport = "mailbox" } } },
  },
  transports = { mailbox = { maildir = "MAIL/%%d/%%u" } },
  quarantine = { "spam" },
  users = "users", retry = { 0.2 },
  tls = { cert = "mx.pem", key = "pki:mx" },
  dns = { zone = "zone.txt", zone_only = true },
  limits = { steps = 2000000, time = 10 },
  %s
}"""

SIGN = """
function Deliver(options)
  local dkim, err = api_call("?type=dkim&user=$1&domain=$2", { saslusername, senderdomain })
  if err then Defer("Signing key not available, try again later") end
  if dkim and not DKIMSign(dkim.selector, dkim.domain, dkim.rsakey) then
    Defer("Message could not be signed")
  end
  builtin.Deliver(options)
end
"""


@pytest.fixture(scope="session")
def material(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    cert, key = certificate(folder)
    pem, record = key_pair(folder)
    ed, ed_record = key_pair(folder, kind="ed25519")
    return {"cert": cert, "key": key, "dkim": pem, "record": record, "ed": ed,
            "ed_record": ed_record, "users": f"ann:{password_hash('secret')}:example.org\n"}


@pytest.fixture
def make(tmp_path, material):
    """make(data=, files=, extra=) starts a server and ends it after the test."""
    started = []

    def start(data='{}', files=None, extra="", start=True):
        base = {"mx.pem": material["cert"], "keys/mx.pem": material["key"],
                "keys/example.org.pem": material["dkim"], "users": material["users"],
                "zone.txt": "example.org. IN A 127.0.0.1\n"}
        base.update(files or {})
        server = Sluice(tmp_path / str(len(started)), CONFIG % (data, extra), base)
        started.append(server)
        return server.start() if start else server

    yield start
    for server in started:
        assert server.stop() == 0, server.text()[-3000:]
        assert "AddressSanitizer" not in server.text() and "runtime error" not in server.text()


def submit(server, message=None, recipients=("bob@example.net",)):
    client = server.client(server.submission)
    assert client.login("ann", "secret").startswith("235")
    _, reply = client.send("ann@example.org", recipients, message or text_message())
    client.close()
    return reply


def key_api(material):
    return Api(lambda path: answer_json(
        {"selector": "s1", "domain": "example.org", "rsakey": material["dkim"]}))


def verifies(message, record):
    return dkim.verify(message, dnsfunc=lambda name, timeout=5: record.encode())


# ---- delivery ---------------------------------------------------------------------------


def test_a_message_is_delivered(make):
    server = make()
    client = server.client()
    client.say("EHLO client.example")
    rcpt, reply = client.send("x@example.com", ["bob@example.org"],
                              text_message("x@example.com", body=b"..dots\r\n.stuffed"))
    assert rcpt == ["250 2.1.5 Recipient ok"] and reply.startswith("250 2.0.0")
    message = server.message()
    assert message.startswith(b"Return-Path: <x@example.com>\r\nDelivered-To: bob@example.org\r\n")
    assert message.endswith(b"\r\n\r\n..dots\r\n.stuffed\r\n")


EXIT_PATHS = {
    "Deliver()": 'include "sign.lua" Deliver()',
    "Deliver{...}": 'include "sign.lua" Deliver{ metadata = { a = "b" } }',
    "end of script": 'include "sign.lua"',
    "end of an included file": 'include "sign.lua" include "lib/last.lua"',
    "a module": 'include "sign.lua" require "delivers"',
    "a nested function": 'include "sign.lua"; (function() (function() Deliver() end)() end)()',
    "a coroutine": 'include "sign.lua" coroutine.wrap(function() Deliver() end)()',
    "pcall": 'include "sign.lua" pcall(Deliver)',
}


@pytest.mark.parametrize("path", EXIT_PATHS)
def test_every_exit_path_signs(make, material, path):
    api = key_api(material)
    server = make('"main.lua"', {"main.lua": EXIT_PATHS[path], "sign.lua": SIGN,
                                 "lib/last.lua": "local x = 1", "lib/delivers.lua": "Deliver()"},
                  f'api = {{ url = "{api.url}" }},')
    assert submit(server).startswith("250")
    message = server.message()
    assert message.count(b"DKIM-Signature:") == 1
    assert verifies(message, material["record"])
    assert api.calls == ["/v1?type=dkim&user=ann&domain=example.org"]
    api.stop()


def test_a_second_script_of_the_flow_signs(make, material):
    api = key_api(material)
    server = make('{ "sign.lua", "second.lua" }', {"sign.lua": SIGN, "second.lua": "Deliver()"},
                  f'api = {{ url = "{api.url}" }},')
    assert submit(server).startswith("250")
    assert verifies(server.message(), material["record"])
    api.stop()


def test_an_override_that_forgets_builtin_is_told(make):
    server = make('"main.lua"', {"main.lua": "function Deliver() end"})
    assert re.match(r"451 4\.3\.0 Local policy error \([0-9a-f-]{36}\)", submit(server))
    wait_for(lambda: "Deliver, redefined at main.lua:1, returned without builtin.Deliver"
             in server.text(), "the event")
    assert server.messages() == []


def test_ten_recipients_share_signature_request_and_copy(make, material):
    api = key_api(material)
    server = make('"sign.lua"', {"sign.lua": SIGN}, f'api = {{ url = "{api.url}" }},')
    to = [f"user{i}@example.net" for i in range(10)]
    assert submit(server, recipients=to).startswith("250")
    wait_for(lambda: len(server.messages()) == 10, "ten messages")
    assert len(api.calls) == 1
    assert len({re.search(rb"b=([^;]+)\r\n[A-Z]", m).group(1) for m in server.messages()}) == 1
    assert "stored=1" in server.text()
    api.stop()


def test_ed25519_and_canonicalisations(make, material):
    script = """
      DKIMSign("e", "example.org", "pki:ed", { algorithm = "ed25519-sha256" })
      DKIMSign("s", "example.org", "pki:example.org",
               { canonicalization_header = "simple", canonicalization_body = "simple" })
    """
    server = make('"main.lua"', {"main.lua": script, "keys/ed.pem": material["ed"]})
    assert submit(server).startswith("250")
    message = server.message()
    records = {b"e._domainkey.example.org.": material["ed_record"].encode(),
               b"s._domainkey.example.org.": material["record"].encode()}
    d = dkim.DKIM(message)
    for i in range(2):
        assert d.verify(i, dnsfunc=lambda name, timeout=5: records[name])


def test_a_message_of_ten_megabytes(make, material):
    server = make('"main.lua"', {"main.lua": 'DKIMSign("s", "example.org", "pki:example.org")'})
    body = (b"x" * 76 + b"\r\n") * 130000
    assert submit(server, text_message(body=body)).startswith("250")
    assert verifies(server.message(), material["record"])


def test_recipients_with_different_verdicts(make):
    script = 'if recipient == "no@example.net" then Reject("not this one") end'
    server = make('"main.lua"', {"main.lua": script})
    reply = submit(server, recipients=["yes@example.net", "no@example.net"])
    assert reply == "550 5.7.1 not this one"
    assert submit(server, recipients=["yes@example.net"]).startswith("250")
    server.message()
    assert len(server.messages()) == 1      # nothing was queued for the rejected one


# ---- the key API --------------------------------------------------------------------------


API_CASES = {
    "empty": (200, "{}", "250"), "404": (404, "no", "250"), "null": (200, "null", "250"),
    "500": (500, "{}", "451"), "HTML": (200, "<html>", "451"), "long": (200, "[" * 2000000, "451"),
}


@pytest.mark.parametrize("case", API_CASES)
def test_api_answers(make, case):
    status, body, code = API_CASES[case]
    api = Api(lambda path: (status, body, 0))
    server = make('"sign.lua"', {"sign.lua": SIGN}, f'api = {{ url = "{api.url}" }},')
    assert submit(server).startswith(code)
    assert len(server.messages()) == 0 or code == "250"
    api.stop()


def test_api_slow_and_gone(make):
    api = Api(lambda path: (200, "{}", 3))
    server = make('"sign.lua"', {"sign.lua": SIGN}, f'api = {{ url = "{api.url}", timeout = 0.3 }},')
    assert submit(server).startswith("451 4.7.1 Signing key not available")
    wait_for(lambda: "code=timeout" in server.text(), "the event")
    api.stop()
    assert submit(server).startswith("451")


def test_on_failure_defer_decides_for_the_script(make):
    api = Api(lambda path: (500, "", 0))
    server = make('"main.lua"', {"main.lua": 'pcall(api_call, "?x") Reject("not reached")'},
                  f'api = {{ url = "{api.url}", on_failure = "defer" }},')
    assert submit(server).startswith("451 4.4.3 ")
    api.stop()


def test_http_reaches_private_addresses_only_if_allowed(make):
    """Also over a connection that an allowed request left open; and no header by the method."""
    api = Api(lambda path: answer_json({"a": 1}))
    script = f"""
      assert(api_call("?x").a == 1)
      local body, err, code = http("{api.url}")
      assert(not body and code == "refused", code)
      body, err, code = http("{api.url}", {{ method = "GET / HTTP/1.1\\r\\nX: y" }})
      assert(not body and code == "protocol", code)
      Reject("as it should")
    """
    server = make('"main.lua"', {"main.lua": script}, f'api = {{ url = "{api.url}" }},')
    assert submit(server) == "550 5.7.1 as it should", server.text()[-1500:]
    assert len(api.calls) == 1
    api.stop()


def test_an_old_answer_serves_while_the_api_fails(make, material):
    good = answer_json({"selector": "s1", "domain": "example.org", "rsakey": material["dkim"]})
    answers = [good]
    api = Api(lambda path: answers[0])
    server = make('"sign.lua"', {"sign.lua": SIGN}, f'workers = 1, api = {{ url = "{api.url}", ttl = 0 }},')
    assert submit(server).startswith("250")
    answers[0] = (500, "", 0)
    assert submit(server).startswith("250")
    wait_for(lambda: "stale=true" in server.text(), "the event")
    assert len(api.calls) == 2
    api.stop()


def test_many_at_once_make_one_request(make, material):
    api = Api(lambda path: answer_json({"selector": "s1", "domain": "example.org",
                                        "rsakey": material["dkim"]}, delay=1))
    # Answers with private keys stay in the worker that asked: one request per worker.
    server = make('"sign.lua"', {"sign.lua": SIGN}, f'workers = 1, api = {{ url = "{api.url}" }},')
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(submit(server))) for _ in range(30)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(replies) == 30 and all(r.startswith("250") for r in replies)
    assert len(api.calls) == 1
    api.stop()


def test_500_wait_200_ms_in_flight_together(make):
    zone = "example.org. IN A 127.0.0.1\nslow.example. IN TXT \"x\"\nslow.example. DELAY 200\n"
    server = make(files={"rcptto.lua": 'assert(dnstxt("slow.example")[1] == "x")', "zone.txt": zone},
                  extra="connections = { total = 600, per_ip = 600 },")
    clients = [server.client() for _ in range(500)]
    for c in clients:
        c.socket.sendall(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\n")
    begin = time.monotonic()
    for c in clients:
        assert [c.reply()[:3] for _ in range(3)] == ["250", "250", "250"]
        c.close()
    assert time.monotonic() - begin < 50     # one after the other would be 100 s


def test_quarantine_keeps_and_releases(make):
    server = make('"main.lua"', {"main.lua": 'Quarantine("spam")'})
    assert submit(server).startswith("550 5.7.1")       # told no, kept all the same
    assert server.stop() == 0

    def tool(*args):
        return subprocess.run([SLUICE, *args], capture_output=True, text=True, timeout=20)

    listed = [json.loads(line) for line in
              tool("quarantine", "list", server.spool, "--json").stdout.splitlines()]
    assert [m["quarantine"] for m in listed] == ["spam"] and server.messages() == []
    assert tool("queue", "list", server.spool).stdout == ""
    assert "Subject: test" in tool("quarantine", "show", server.spool, listed[0]["id"]).stdout
    assert tool("quarantine", "release", server.spool, listed[0]["id"]).returncode == 0
    server.start()
    server.message()
    assert tool("queue", "list", server.spool).returncode == 0


def test_delivery_by_smtp_with_retries_and_a_notification(make):
    """The next hop is a second sluice; it is away at first, and refuses one recipient."""
    hop = make(files={"rcptto.lua": 'if recipient == "no@example.org" then Reject("gone") end'})
    hop.stop()
    server = make(start=False)
    text = (server.policy / "sluice.lua").read_text().replace(
        "transports = {", f'transports = {{ hop = {{ host = "127.0.0.1", port = {hop.port} }},')
    text = text.replace('["example.org"] = { transport = "mailbox" }',
                        '["example.org"] = { transport = "hop" }, ["sender.example"] = '
                        '{ transport = "mailbox" }')
    (server.policy / "sluice.lua").write_text(text)
    server.start()
    client = server.client()
    client.say("EHLO x")
    body = b"\r\n".join(b"." * (i % 70 + 1) for i in range(3000))
    _, reply = client.send("me@sender.example", ["yes@example.org", "no@example.org"],
                           text_message("me@sender.example", body=body))
    assert reply.startswith("250")
    client.close()
    wait_for(lambda: server.text().count("deferred id=") >= 2, "attempts in vain")
    hop.start()
    assert hop.message().endswith(body + b"\r\n")
    wait_for(lambda: "bounced id=" in server.text(), "the refusal")
    told = server.message()
    assert b"Delivered-To: me@sender.example" in told and b"Return-Path: <>" in told
    assert b"Content-Type: multipart/report; report-type=delivery-status" in told
    assert b"Diagnostic-Code: smtp; 550 5.7.1 gone" in told


# ---- relaying -------------------------------------------------------------------------------


FOREIGN = ["user@foreign.example", "user%foreign.example@example.org",
           '"user@foreign.example"@example.org', "@example.org:user@foreign.example",
           "user@[127.0.0.1]", "foreign.example!user@example.org"]

RCPT_SCRIPTS = {
    "none": {}, "Accept": {"rcptto.lua": "Accept()"}, "fails": {"rcptto.lua": "error('x')"},
    "overridden": {"rcptto.lua": "function Accept() builtin.Accept() end Accept()"},
}


@pytest.mark.parametrize("script", RCPT_SCRIPTS)
def test_relaying_is_refused_whatever_scripts_say(make, script):
    server = make(files=RCPT_SCRIPTS[script])
    client = server.client()
    client.say("EHLO x")
    client.say("MAIL FROM:<a@example.com>")
    for recipient in FOREIGN:
        reply = client.say(f"RCPT TO:<{recipient}>")
        assert reply.startswith("550 5.7.1"), recipient + ": " + reply
    assert client.say("DATA")[:3] in ("503", "554")      # RFC 5321 4.1.1.4
    client.close()


def test_star_needs_authentication(make):
    server = make()
    client = server.client(server.submission)
    client.say("EHLO x")
    assert client.say("MAIL FROM:<ann@example.org>").startswith("530")
    client.tls()
    assert client.say("MAIL FROM:<ann@example.org>").startswith("530")
    client.close()


def test_sender_login(make):
    server = make()
    client = server.client(server.submission)
    assert client.login("ann", "wrong").startswith("535")
    client.close()
    client = server.client(server.submission)
    assert client.login("ann", "secret").startswith("235")
    assert client.say("MAIL FROM:<ceo@other.example>").startswith("550 5.7.1")
    _, reply = client.send("ann@example.org", ["x@example.net"], text_message("ceo@other.example"))
    assert reply.startswith("550 5.7.1")
    client.close()


def test_two_from_fields_are_refused(make):
    server = make()
    client = server.client()
    client.say("EHLO x")
    for extra in (b"From: eve@example.net\r\n", b"from : eve@example.net\r\n"):
        _, reply = client.send("x@example.com", ["bob@example.org"],
                               text_message("x@example.com", extra=extra))
        assert reply.startswith("550 5.7.1"), reply
    client.close()


# ---- what must not happen ---------------------------------------------------------------------


def test_script_errors_cost_their_own_message(make):
    script = """
      if recipient == "loop@example.net" then while true do pcall(function() while true do end end) end end
      if recipient == "memory@example.net" then local t = {} for i = 1, 1e9 do t[i] = {} end end
      if recipient == "error@example.net" then local x = saslusernam end
    """
    server = make('"main.lua"', {"main.lua": script})
    for who in ("loop", "memory", "error"):
        assert submit(server, recipients=[who + "@example.net"]).startswith("451 4.3.0"), who
    wait_for(lambda: "main.lua:4:58: saslusernam is not defined (saslusername?)" in server.text(),
             "the event")
    assert submit(server).startswith("250")


def test_header_injection_is_refused_at_the_binding(make):
    script = 'assert(not pcall(AddHeader, "X", "a\\r\\nBcc: x@y")) Reject("one\\r\\ntwo\\0")'
    server = make('"main.lua"', {"main.lua": script})
    assert submit(server) == "550 5.7.1 one  two "


def test_secrets_stay_out_of_the_log(make, material):
    api = key_api(material)
    script = """
      local k = api_call("?k")
      DKIMSign(k.selector, k.domain, k.rsakey)
      echo(saslusername, k.rsakey, k)
      syslog("info", "token t0ken-value")
    """
    server = make('"sign.lua"', {"sign.lua": script, "secrets/token": "t0ken-value\n"},
                  f'api = {{ url = "{api.url}", headers = {{ A = secret "token" }} }},')
    assert submit(server).startswith("250")
    server.message()
    text = server.text()
    assert "t0ken-value" not in text and "BEGIN" not in text
    wait_for(lambda: "[secret sha256:" in server.text(), "the event")
    api.stop()


def test_a_broken_policy_at_start_lists_every_error(make):
    server = make(start=False)
    text = (server.policy / "sluice.lua").read_text()
    (server.policy / "sluice.lua").write_text(
        text.replace("hostname", "hostnam").replace('"mailbox"', '"mailbx"', 1))
    (server.policy / "data.lua").write_text("local x = = 1")
    server.start(expect=False)
    assert server.process.wait(20) == 1
    assert re.search(r"sluice\.lua:2:3: hostnam is unknown \(hostname\?\)", server.text())
    assert 'transport "mailbx" is not in transports' in server.text()
    server.process = None
    server.stop = lambda: 0


def test_a_broken_policy_at_reload_leaves_the_old_one(make):
    server = make(files={"data.lua": 'AddHeader("X-Policy", "one")'})
    (server.policy / "data.lua").write_text("local x = = 1")
    server.reload()
    assert "reload_failed" in server.text() and "data.lua:1:" in server.text()
    client = server.client()
    client.say("EHLO x")
    assert client.send("x@example.com", ["b@example.org"], text_message("x@example.com"))[1][:3] == "250"
    assert b"X-Policy: one" in server.message()
    (server.policy / "data.lua").write_text('AddHeader("X-Policy", "two")')
    server.reload()
    assert client.send("x@example.com", ["b@example.org"], text_message("x@example.com"))[1][:3] == "250"
    client.close()
    client = server.client()
    client.say("EHLO x")
    assert client.send("x@example.com", ["b@example.org"], text_message("x@example.com"))[1][:3] == "250"
    client.close()
    wait_for(lambda: any(b"X-Policy: two" in m for m in server.messages()), "the new policy")


def test_delivery_by_name_after_reloads(make):
    """The resolver belongs to a generation: delivery must ask the running one's."""
    hop = make()
    zone = "example.org. IN A 127.0.0.1\nhop.example. IN A 127.0.0.1\nhop.example. DELAY 100\n"
    server = make(files={"zone.txt": zone}, start=False)
    config = (server.policy / "sluice.lua").read_text().replace(
        'mailbox = {', f'hop = {{ host = "hop.example", port = {hop.port} }}, mailbox = {{', 1)
    (server.policy / "sluice.lua").write_text(config.replace(
        '["example.org"] = { transport = "mailbox" }', '["example.org"] = { transport = "hop" }'))
    server.start()
    for i in range(3):
        client = server.client()
        client.say("EHLO x")
        _, reply = client.send("x@example.com", ["b@example.org"], text_message("x@example.com"))
        assert reply.startswith("250")
        client.close()
        (server.policy / "data.lua").write_text(f"local generation = {i}")
        server.reload()                         # while the host's name is looked up
    wait_for(lambda: len(hop.messages()) == 3, "three messages: " + server.text()[-2000:])


def test_a_disconnect_flow_runs_and_ends_with_the_server(make):
    server = make(files={"disconnect.lua": 'syslog("notice", "bye " .. senderip) dnstxt("slow.example")',
                         "zone.txt": "slow.example. IN TXT x\nslow.example. DELAY 3000\n"})
    client = server.client()
    client.say("EHLO x")
    client.say("QUIT")
    client.close()
    wait_for(lambda: "bye 127.0.0.1" in server.text(), "the flow")
    # the server ends while the flow waits


def test_reloads_under_load(make):
    rounds = int(os.environ.get("SLUICE_RELOADS", "20"))
    server = make(files={"data.lua": 'AddHeader("X-Round", "0")'})
    stop = threading.Event()
    bad = []

    def load():
        while not stop.is_set():
            client = server.client()
            client.say("EHLO x")
            _, reply = client.send("x@example.com", ["b@example.org"], text_message("x@example.com"))
            if not reply.startswith("250"):
                bad.append(reply)
            client.close()

    threads = [threading.Thread(target=load, daemon=True) for _ in range(4)]
    for t in threads:
        t.start()
    for i in range(rounds):
        good = i % 3 != 2
        (server.policy / "data.lua").write_text(
            f'AddHeader("X-Round", "{i}")' if good else "syntax error here")
        server.reload()
    stop.set()
    for t in threads:
        t.join()
    assert bad == []


# ---- crashes ------------------------------------------------------------------------------------


def test_kill_9_under_load_loses_nothing(make):
    """Of a worker, of state, of the master alone (its children end with it), of everything."""
    rounds = int(os.environ.get("SLUICE_KILLS", "5"))
    kinds = ["worker", "everything", "state", "master", "worker"]
    server = make()
    accepted, lock = set(), threading.Lock()

    def load(name, stop):
        n = 0
        while not stop.is_set():
            try:
                client = server.client()
                client.say("EHLO x")
                while not stop.is_set():
                    mark = f"{name}-{n}"
                    n += 1
                    _, reply = client.send("x@example.com", ["b@example.org"], text_message(
                        "x@example.com", extra=b"X-Mark: " + mark.encode() + b"\r\n"))
                    if reply.startswith("250"):
                        with lock:
                            accepted.add(mark)
            except (OSError, AssertionError):
                pass

    for i in range(rounds):
        stop = threading.Event()
        threads = [threading.Thread(target=load, args=(f"r{i}t{k}", stop), daemon=True) for k in range(4)]
        for t in threads:
            t.start()
        before = len(accepted)
        wait_for(lambda: len(accepted) > before + 20 + 7 * i, "messages")
        what = kinds[i % len(kinds)]
        if what in ("worker", "state"):
            pids = server.children(what)
            victim = pids[i % len(pids)]
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda: len(server.children(what)) == len(pids) and
                     victim not in server.children(what), "a new " + what)
        else:
            server.kill(everything=what == "everything")
        stop.set()
        for t in threads:
            t.join()
        if server.dead():
            server.start()

    def missing():
        marks = {m for text in server.messages()
                 for m in re.findall(r"X-Mark: (\S+)", text.decode(errors="replace"))}
        return accepted - marks

    assert len(accepted) > 20 * rounds
    wait_for(lambda: not missing(), "the accepted messages", 60)
