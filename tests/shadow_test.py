"""The shadow policy: what the next policy would do, beside the one that serves, and without any effect."""
import json
import os
import shutil
import signal
import subprocess
import threading

import pytest

from harness import SLUICE, Api, Sluice, answer_json, text_message, wait_for
from milter import session

CONFIG = """return {
  hostname = "mx.example.org", workers = WORKERS,
  listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } },
  servers = { inbound = { flows = { rcptto = "rcptto.lua", data = "data.lua" },
                          relay = { ["example.org"] = { transport = "box" } } } },
  transports = { box = { maildir = "MAIL/%d/%u" } }, quarantine = { "spam" },
  dns = { zone_only = true, zone = "zone.txt" }, http = { allow_private = true }, EXTRA
}"""
NEXT = CONFIG.replace("EXTRA", "").replace("PORT", "2525").replace("MAIL", "/nowhere").replace("WORKERS", "1")
SHADOW = 'shadow = { policy = "next", sample = SAMPLE },'


@pytest.fixture
def make(tmp_path):
    """make({"data.lua": ...}, {"data.lua": ...}) serves the first and has the other one in its shadow."""
    started = []

    def start(now, following, workers=2, sample=1, extra="", config=CONFIG):
        files = {"rcptto.lua": "", "data.lua": "", "zone.txt": "", **now}
        files.update({"next/" + name: text for name, text in
                      {"sluice.lua": NEXT, "rcptto.lua": "", "data.lua": "", "zone.txt": "", **following}.items()})
        config = config.replace("WORKERS", str(workers)).replace(
            "EXTRA", SHADOW.replace("SAMPLE", str(sample)) + extra)
        server = Sluice(tmp_path / str(len(started)), config, files)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        assert server.stop() == 0, server.text()[-3000:]
        assert "AddressSanitizer" not in server.text() and "runtime error" not in server.text()


def send(server, sender="ann@example.net", recipients=("bob@example.org",), message=None):
    client = server.client()
    client.say("EHLO client.example")
    _, reply = client.send(sender, recipients, message or text_message(sender))
    client.say("QUIT")
    client.close()
    return reply


def report(server, status):
    """Of a server that has ended, so that everything is in its log."""
    server.stop()
    done = subprocess.run([SLUICE, "shadow", "report", "--json", server.log], capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr + server.text()[-3000:]
    return json.loads(done.stdout)


def seen(server, n):
    wait_for(lambda: server.text().count(" shadow_difference ") >= n, f"{n} differences: " + server.text()[-2000:])


NOW = """if sender == "refused@example.net" then Reject("not you") end
AddHeader("X-Version", "1")"""
FOLLOWING = """if sender == "spam@example.net" then Reject("spam") end
if sender == "broken@example.net" then error("oops") end
AddHeader("X-Version", sender == "edited@example.net" and "2" or "1")"""


def test_differences(make):
    server = make({"data.lua": NOW}, {"data.lua": FOLLOWING})
    replies = {name: send(server, name + "@example.net") for name in
               ("ann", "bob", "refused", "spam", "broken", "edited", "spam")}
    assert replies["refused"].startswith("550") and replies["spam"].startswith("250")
    assert replies["broken"].startswith("250")
    seen(server, 5)
    assert "shadow_script_error" in server.text() and " script_error" not in server.text()
    found = report(server, 1)
    assert (found["sessions"], found["agreed"], found["differed"], found["incomplete"], found["left_out"]) == \
        (7, 2, 5, 0, 0)
    rows = {(d["count"], d["phase"], d["before"].split()[0], d["before_where"], d["after"].split()[0],
             d["after_where"]) for d in found["differences"] if d["what"] == "verdict"}
    assert rows == {(2, "data", "Deliver", "default", "Reject", "next/data.lua:1"),
                    (1, "data", "Reject", "data.lua:1", "Deliver", "default"),
                    (1, "data", "Deliver", "default", "Defer", "next/data.lua:2")}
    [message] = [d for d in found["differences"] if d["what"] == "message"]
    assert (message["before"], message["after"]) == ("X-Version: 1", "X-Version: 2")
    assert all(d["session"] in server.text() and len(d["session"]) >= 36 for d in found["differences"])
    done = subprocess.run([SLUICE, "shadow", "report", server.log], capture_output=True, text=True)
    assert "7 sessions: 2 agree, 5 differ, 0 can't be told, 0 left out" in done.stdout
    assert "      now   Deliver 250 2.0.0 Message accepted  (default)\n" \
        "      next  Reject 550 5.7.1 spam  (next/data.lua:1)\n" in done.stdout
    assert "counted yet" not in done.stdout
    young = "".join(line for line in server.text().splitlines(True) if "shadow_summary" not in line)
    done = subprocess.run([SLUICE, "shadow", "report", "-"], input=young, capture_output=True, text=True)
    assert "\n0 sessions: " in done.stdout and "\nwhat follows isn't counted yet: " in done.stdout


def test_the_same_policy_agrees(make):
    """Also where it depends on clock, chance, DNS and rates."""
    script = """AddHeader("X-Now", uuid() .. " " .. time() .. " " .. random_number(1, 1000))
    AddHeader("X-Txt", dnstxt("x.example")[1] .. " " .. tostring(rate("all", "x", 1000, 60)))
    if recipient == "eve@example.org" then Quarantine("spam", { reject = false }) end"""
    zone = 'x.example. IN TXT "hello"\n'
    server = make({"data.lua": script, "zone.txt": zone}, {"data.lua": script, "zone.txt": zone})
    for i in range(20):
        assert send(server, f"{i}@example.net", ("bob@example.org", "eve@example.org")[:1 + i % 2]).startswith("250")
    found = report(server, 0)
    assert (found["sessions"], found["agreed"], found["differences"]) == (20, 20, [])


EFFECTS = """memory_store("shadow", "touched") rate("ns", "key", 1000, 3600)
mail("a@example.org", "b@example.org", "made by the next policy", "text")
http("URL/get") http("URL/post", {}, {}, "data")
Deliver{ recipient = "copy@example.org", done = false }"""


def test_no_effects(make):
    api = Api(lambda path: answer_json({}))
    try:
        server = make({"data.lua": 'AddHeader("X-State", tostring(memory_fetch("shadow")) .. " " .. rate_count("ns", "key", 3600))'},
                      {"data.lua": EFFECTS.replace("URL", api.url)})
        for i in range(5):
            assert send(server).startswith("250")
        seen(server, 5)
        wait_for(lambda: len(server.messages()) == 5, "five messages")
        text = b"".join(server.messages())
        assert all(b"X-State: nil 0" in m for m in server.messages())
        assert b"made by the next policy" not in text
        assert not any(path.endswith("/post") for path in api.calls)
    finally:
        api.stop()
    report(server, 1)


def test_a_broken_one_hurts_nobody(make):
    server = make({}, {"data.lua": "if x then"})
    assert "shadow_not_loaded policy=next" in server.text() and "data.lua:1" in server.text()
    assert send(server).startswith("250")
    (server.policy / "next" / "data.lua").write_text('Reject("all of it")')
    server.reload()
    wait_for(lambda: server.text().count(" shadow_loaded ") == 2, "both workers' shadows")
    assert send(server).startswith("250")
    seen(server, 1)
    shutil.rmtree(server.policy / "next")
    server.reload()
    wait_for(lambda: "next has no sluice.lua" in server.text(), "what is wrong")
    assert send(server).startswith("250")


def test_a_script_that_calls_what_isnt_built_hurts_nobody(make):
    server = make({}, {"data.lua": "ScanSA()", "lib/x.hsl": "echo nowhere(;"})
    assert "shadow_not_loaded policy=next" in server.text()
    assert send(server).startswith("250")


def test_sessions_of_the_policy_before_are_not_compared(make):
    """A session keeps the policy that it began with; the next one is compared with the one that serves."""
    server = make({}, {"data.lua": ""}, workers=1)
    client = server.client()
    client.say("EHLO client.example")
    (server.policy / "next" / "data.lua").write_text('AddHeader("X-Next", "1")')
    server.reload()
    wait_for(lambda: server.text().count(" shadow_loaded ") == 2, "the shadow anew")
    assert client.send("old@example.net", ["bob@example.org"], text_message())[1].startswith("250")
    client.say("QUIT")
    client.close()
    assert send(server, "new@example.net").startswith("250")
    seen(server, 1)
    found = report(server, 1)
    assert (found["sessions"], found["differed"]) == (1, 1)


def test_a_capture_doesnt_widen_the_sample(make, tmp_path):
    """What is recorded for another is nothing to the shadow."""
    server = make({}, {"data.lua": 'AddHeader("X-Next", "1")'}, sample=0.000001, workers=1)
    (tmp_path / "got").mkdir()
    capture = subprocess.Popen([SLUICE, "capture", server.spool, "--count", "5", "--output", tmp_path / "got"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(lambda: len(list((tmp_path / "got").glob("*.capture"))) == 5 or send(server) is None, "five captures")
    finally:
        capture.communicate(timeout=30)
    server.stop()
    assert capture.returncode == 0 and " shadow_difference " not in server.text()


def test_promotion_is_a_reload(make):
    server = make({}, {"data.lua": 'AddHeader("X-Next", "1")'})
    send(server)
    seen(server, 1)
    shutil.copy(server.policy / "next" / "data.lua", server.policy / "data.lua")
    server.reload()
    send(server)
    wait_for(lambda: any(b"X-Next: 1" in m for m in server.messages()), "the next policy's mark")
    server.stop()
    assert server.text().count(" shadow_difference ") == 1


def test_a_sample_is_a_share(make):
    server = make({}, {"data.lua": 'AddHeader("X-Next", "1")'}, sample=0.3, workers=1)
    for i in range(60):
        assert send(server).startswith("250")
    found = report(server, 1)
    assert 3 <= found["sessions"] <= 40


def test_under_load_no_reply_changes(make):
    """Many at once, through a reload: everybody hears what the serving policy says."""
    server = make({"rcptto.lua": 'if recipient:sub(1, 3) == "bad" then Reject("bad one") end'},
                  {"rcptto.lua": 'if recipient:sub(1, 4) == "good" then Reject("good one") end',
                   "data.lua": "local n = 0 for i = 1, 200000 do n = n + i end"})
    wrong = []

    def client(number):
        for i in range(10):
            for recipient, code in ((f"bad{i}@example.org", "550"), (f"good{i}@example.org", "250")):
                reply = send(server, f"c{number}@example.net", (recipient,))
                if not reply.startswith(code):
                    wrong.append(reply)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    server.reload()
    for thread in threads:
        thread.join()
    assert wrong == []
    server.stop()
    done = subprocess.run([SLUICE, "shadow", "report", "--json", server.log], capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["sessions"] == found["agreed"] + found["differed"] + found["incomplete"] + found["left_out"]
    assert 320 - len(threads) <= found["sessions"] <= 320	# without those that were open at the reload
    assert found["agreed"] == 0 and found["differed"] > 0


def test_behind_a_mail_server(make):
    config = CONFIG.replace('smtp = "127.0.0.1:PORT"', 'milter = "inet:127.0.0.1:PORT"')
    server = make({"data.lua": 'SetHeader("Subject", "now")'}, {"data.lua": 'SetHeader("Subject", "next")'},
                  config=config)
    with session(server.port) as m:
        assert m.transaction(b"From: ann@example.net\r\nSubject: x\r\n\r\nHello\r\n").command == "c"
        assert b"Subject: now" in m.delivered(b"From: ann@example.net\r\nSubject: x\r\n\r\nHello\r\n")
    seen(server, 1)
    assert [d["what"] for d in report(server, 1)["differences"]] == ["changes"]


def test_keys_of_neither_policy_are_told(make, tmp_path):
    from harness import key_pair
    pem, _ = key_pair(tmp_path)
    secret = "".join(pem.splitlines()[1:-1])
    server = make({"data.lua": 'DKIMSign("s", "example.net", "pki:k")', "keys/k.pem": pem},
                  {"data.lua": 'local key = file("data/k.txt") DKIMSign("s", "example.net", key[1]) Reject("key " .. key[1])',
                   "data/k.txt": secret})
    assert send(server).startswith("250")
    seen(server, 1)
    assert secret[:40] not in server.text()


def test_check_finds_what_is_wrong_in_it(make):
    server = make({}, {"data.lua": "nothing()"})
    done = subprocess.run([SLUICE, "check", server.policy], capture_output=True, text=True)
    assert done.returncode == 1 and "next/data.lua:1:1: error: nothing is not defined" in done.stdout
    (server.policy / "next" / "sluice.lua").unlink()
    done = subprocess.run([SLUICE, "check", server.policy], capture_output=True, text=True)
    assert done.returncode == 1 and re_shadow(done.stdout)


def re_shadow(text):
    return "error: next has no sluice.lua [shadow]" in text and "sluice.lua:" in text


@pytest.mark.parametrize("value,text", [
    ('{ policy = "../next" }', 'shadow.policy: the name of a folder in this policy expected, got "../next"'),
    ('{ policy = "/next" }', "shadow.policy: the name of a folder"), ("{ sample = 1 }", "shadow: policy is missing"),
    ('{ policy = "next", sample = 2 }', "shadow.sample: 2 is not between 0 and 1"),
    ('{ policy = "next", sampel = 1 }', "shadow.sampel is unknown (sample?)"),
])
def test_wrong_settings(tmp_path, value, text):
    (tmp_path / "sluice.lua").write_text("return { listen = {}, servers = {}, shadow = " + value + " }")
    done = subprocess.run([SLUICE, "check", tmp_path], capture_output=True, text=True)
    assert done.returncode == 1 and text in done.stdout


def test_a_report_of_nothing(tmp_path):
    (tmp_path / "log").write_text("x\n")
    done = subprocess.run([SLUICE, "shadow", "report", tmp_path / "log"], capture_output=True, text=True)
    assert done.returncode == 2 and "no shadow policy in these logs" in done.stderr
