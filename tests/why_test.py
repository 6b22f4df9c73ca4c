"""sluice why: the story of one message, found by what people have of it."""
import gzip
import json
import resource
import subprocess
import uuid

import pytest

from harness import SLUICE, Sluice, text_message, wait_for

CONFIG = """return {
  hostname = "mx.example.org",
  listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } },
  servers = { inbound = { flows = { rcptto = "rcptto.lua", data = "data.lua" }, relay = {
    ["example.org"] = { transport = "box" }, ["example.com"] = { transport = "box" } } } },
  transports = { box = { maildir = "MAIL/%d/%u" }, down = { lmtp = "127.0.0.1:1" } },
  retry = { 0.05 }, log = { file = "LOG" },
}"""
FILES = {
    "rcptto.lua": 'if recipient == "no@example.org" then Reject("not here (" .. messageid .. ")") end',
    "postdelivery.lua": "if recipient:sub(1, 5) == 'slow@' then Retry(3600) end if retry == 2 then GenerateDSN() end",
    "data.lua": """if recipient == "down@example.org" or recipient:sub(1, 5) == "slow@" then Deliver({ transportid = "down" }) end
if recipient == "broken@example.org" then x.y = 1 end""",
}


def why(*args, text=None, status=0):
    run = subprocess.run([SLUICE, "why", *args], capture_output=True, input=text)
    assert run.returncode == status, run.stderr.decode() + run.stdout.decode()
    return run.stdout.decode() + run.stderr.decode()


def stories(*args, status=0):
    return json.loads(why("--json", *args, status=status))


def recipients(message):
    return {r["recipient"]: r for r in message["recipients"]}


def event(name, seconds=0, **fields):
    time = "2026-01-01T12:%02d:%02d.%06dZ" % (seconds // 60 % 60, seconds % 60, seconds // 3600)
    return json.dumps({"time": time, "level": "info", "event": name, **fields},
                      separators=(",", ":"), ensure_ascii=False)


def log_of(tmp_path, lines, name="log"):
    path = tmp_path / name
    path.write_text("".join(line + "\n" for line in lines))
    return path


@pytest.fixture
def server(tmp_path):
    s = Sluice(tmp_path, CONFIG.replace("LOG", str(tmp_path / "events")), FILES)
    s.level = "info"
    s.start()
    yield s
    assert s.stop() == 0
    assert "AddressSanitizer" not in s.text() and "runtime error" not in s.text()


def test_from_a_server(server, tmp_path):
    log = tmp_path / "events"

    def send(name, *to):
        client = server.client()
        client.say("EHLO client.example")
        replies = client.send("ann@example.com", to, text_message(
            extra=b"Message-ID:\r\n <%s@client.example>\r\n" % name.encode()))
        client.close()
        return replies[-1]

    send("two", "no@example.org", "bob@example.org")
    send("late", "down@example.org")
    bounce = send("broken", "broken@example.org")
    assert bounce.startswith("451")
    wait_for(lambda: log.read_text().count('"delivered"') == 2, "both deliveries, one a notification")
    # By the Message-ID, with and without its brackets.
    [two] = stories("<two@client.example>", log)["messages"]
    assert two == stories("two@client.example", log)["messages"][0]
    assert (two["sender"], two["senderip"], two["msgid"]) == (
        "ann@example.com", "127.0.0.1", "<two@client.example>")
    who = recipients(two)
    assert who["no@example.org"]["state"] == "refused"
    assert who["no@example.org"]["where"] == "rcptto.lua:1"
    assert who["bob@example.org"]["state"] == "delivered"
    # By our id, from the reply that a bounce quotes.
    text = why(f"<no@example.org>: host mx said: {who['no@example.org']['text']}", log)
    assert f"Message {two['id']}" in text
    assert "no@example.org: refused: 550 5.7.1 not here" in text and "decided at rcptto.lua:1" in text
    text = why("-", log, text=b"The reply was\n " + bounce.encode())
    assert "the script failed in data" in text and "broken@example.org: refused for now" in text
    # Nobody could deliver it, and its sender was told: both in one story, by either's id.
    [late] = stories("late@client.example", log)["messages"]
    assert recipients(late)["down@example.org"] | {"state": "bounced", "attempts": 3} == \
        recipients(late)["down@example.org"]
    [told] = [e for e in late["events"] if e["event"] == "notified"]
    assert told["recipient"] == "ann@example.com"
    assert any(e["event"] == "delivered" and e["id"] == told["notification"] for e in late["events"])
    assert stories(told["notification"], log)["messages"] == [late]
    # The policy knows where its log is.
    assert stories("two@client.example", "--policy", server.policy)["messages"] == [two]


def test_nothing_found(tmp_path):
    log = log_of(tmp_path, [event("message", 1, id="a"), event("message", 7, id="b")])
    other = log_of(tmp_path, ["nothing of ours"], "mail.log")
    text = why("<no@where.example>", log, other, status=1)
    assert f"{log}: 2 lines, events from 2026-01-01T12:00:01.000000Z to 2026-01-01T12:00:07.000000Z" in text
    assert f"{other}: 1 lines, none of them an event" in text
    assert "A Message-ID is known of messages that were received whole" in text
    assert stories("4XyZabc1", log, status=1)["messages"] == []
    assert "there is no id in that" in why("no id at all", log, status=2)
    missing = tmp_path / "missing"
    assert f"{missing}: No such file" in why("<no@where.example>", missing, status=2)


ID = "6e238b17-46d6-42b5-9360-383efca5e522"


@pytest.mark.parametrize("pasted, ids", [
    (ID, [("id", ID)]),
    (ID.upper() + "-2", [("id", ID)]),
    (f"<bob@example.org>: host mx.example.org[192.0.2.1] said:\n 451 4.3.0 Local policy error\n ({ID})",
     [("id", ID)]),
    (f"250 2.0.0 OK {ID}\r\n", [("id", ID)]),
    (f"<{ID}@mx.example.org>", [("Message-ID", f"{ID}@mx.example.org")]),
    (' <"a b"@example.com>', [("Message-ID", '"a b"@example.com')]),
    ("CAF+x=yz@mail.example.com", [("Message-ID", "CAF+x=yz@mail.example.com")]),
    ("Message-ID: <CAF+x=yz@mail.example.com> was lost", [("Message-ID", "CAF+x=yz@mail.example.com")]),
    ("4XyZ7q2Hn8z1", [("queue id", "4XyZ7q2Hn8z1")]),
    ("4AS5CYLX016675", [("queue id", "4AS5CYLX016675")]),
    ("postfix/smtp[123]: 4XyZ7q2Hn8z1: to=<bob@example.org>, relay=mx[192.0.2.1]:25, status=sent",
     [("Message-ID", "bob@example.org"), ("queue id", "4XyZ7q2Hn8z1")]),
    ("250 2.0.0 Ok: queued as 7Qw8rT9.", [("queue id", "7Qw8rT9")]),
    ("the mail of mx1.example2.org, version 10.2.33b", []),
    ("", []), ("   \n", []), ("<@>", []), ("x" * 60000 + "1", []), ("<" * 60000, []), (f"reply x{ID}", []),
])
def test_ids_in_what_is_pasted(tmp_path, pasted, ids):
    """From the argument and from standard input."""
    log = log_of(tmp_path, [])
    for args, text in ((["-", log], pasted.encode()), ([pasted, log], None)):
        if args[0] == "" or (args[0] != "-" and pasted.startswith("-")):
            continue
        out = why("--json", *args, text=text, status=1 if ids else 2)
        if ids:
            assert [(a["kind"], a["id"]) for a in json.loads(out)["asked"]] == ids
        else:
            assert "there is no id in that" in out


def test_a_compressed_log_says_so(tmp_path):
    path = tmp_path / "log.1.gz"
    path.write_bytes(gzip.compress(event("message", 1, id="a", msgid="<a@b>").encode()))
    assert f"{path}: compressed, give it by: zcat" in why("<a@b>", path, status=1)


def test_what_operators_did(server, tmp_path):
    """A message that was removed by hand doesn't look as if it still waited."""
    log = tmp_path / "events"
    client = server.client()
    client.say("EHLO client.example")
    for name, to in (("all", ["slow@example.org"]), ("one", ["slow@example.org", "slow@example.com"])):
        assert client.send("ann@example.com", to, text_message(
            extra=b"Message-ID: <%s@b>\r\n" % name.encode()))[1].startswith("250")
    client.close()
    wait_for(lambda: log.read_text().count('"deferred"') == 3, "the first attempts")
    for name, more in (("all", []), ("one", ["--recipient", "slow@example.com"])):
        [m] = stories(f"<{name}@b>", log)["messages"]
        subprocess.run([SLUICE, "queue", "remove", server.spool, m["id"], *more], check=True)
    wait_for(lambda: log.read_text().count('"removed"') == 2, "both events")
    assert recipients(stories("<all@b>", log)["messages"][0])["slow@example.org"]["state"] == "removed"
    who = recipients(stories("<one@b>", log)["messages"][0])
    assert (who["slow@example.org"]["state"], who["slow@example.com"]["state"]) == ("waiting", "removed")


def test_an_id_counts_only_in_its_place(tmp_path):
    """Whoever writes another message's id into his own doesn't get into its story."""
    ours, his = str(uuid.uuid4()), str(uuid.uuid4())
    log = log_of(tmp_path, [
        event("message", 1, id=ours, code=250, text="ok", msgid="<a@b.example>", session="s"),
        event("message", 2, id=his, code=250, text="ok", msgid=f"<{ours}>", sender=ours, session="s"),
        event("message", 3, id=his, code=250, text="ok", msgid='<"a@b.example">'),
        event("delivered", 4, id=his, recipient="x", text="<a@b.example>")])
    assert [m["id"] for m in stories(ours, log)["messages"]] == [ours]
    assert [m["id"] for m in stories("<a@b.example>", log)["messages"]] == [ours]


def test_queue_ids_and_lines_of_others(tmp_path):
    ours = str(uuid.uuid4())
    log = log_of(tmp_path, [
        event("verdict", 1, id=ours, phase="data", action="Deliver", recipient="bob@example.org",
              reply="250 OK", where="default"),
        event("message", 2, id=ours, code=250, text="OK", queueid="4XyZabc1"),
        event("delivered", 3, id=ours + "-2", recipient="bob@example.org", code=250, status="2.0.0",
              text="Ok: queued as 7Qw8rT9", retry=0, host="10.0.0.5:25", transport="next")])
    mail = log_of(tmp_path, ["Jan  1 12:00:02 mx postfix/cleanup[1]: 4XyZabc1: message-id=<\033a@b>",
                             "Jan  1 12:00:02 mx postfix/cleanup[1]: 4XyZabc12: another"], "mail.log")
    result = stories("4XyZabc1", log, mail)
    assert [m["id"] for m in result["messages"]] == [ours]
    assert [line["line"][:50] for line in result["lines"]] == [
        "Jan  1 12:00:02 mx postfix/cleanup[1]: 4XyZabc1: m"]
    assert "\033" not in why("4XyZabc1", log, mail)
    text = why("Ok: queued as 7Qw8rT9 (tls)", log)
    assert f"Message {ours}" in text
    assert "bob@example.org: delivered by 10.0.0.5:25: 250 2.0.0 Ok: queued as 7Qw8rT9" in text


def test_lines_for_people(tmp_path):
    """The log as standard output or a syslog daemon has it."""
    ours = str(uuid.uuid4())
    log = log_of(tmp_path, [
        f'Jan  1 12:00:01 mx sluice[7]: info   message id={ours} code=250 text="OK now" msgid=<a@b>',
        f"12:00:02.000 info   delivered id={ours} recipient=bob@example.org code=250 status=2.0.0 text=OK retry=0"])
    [message] = stories("<a@b>", log)["messages"]
    assert message["id"] == ours and recipients(message)["bob@example.org"]["state"] == "delivered"


def test_big_log_in_bounded_memory(tmp_path):
    """What stands before the line that tells the id is found; the log is bigger than our memory."""
    ours, session = str(uuid.uuid4()), str(uuid.uuid4())
    filler = event("message", 1, id=str(uuid.uuid4()), code=250, msgid="<other@b.example>", pad="x" * 400) + "\n"
    path = tmp_path / "log"
    with open(path, "w") as log:
        for i in range(6):
            log.write(filler * 50000)
            if i == 3:
                log.write(event("verdict", 1, id=session, phase="helo", action="Accept", where="helo.lua:1") + "\n")
                log.write(event("verdict", 1, id=ours, phase="data", action="Deliver", reply="250 OK",
                                recipient="bob@example.org", where="d.lua:1") + "\n")
                log.write(filler * 1000)
                log.write(event("message", 1, id=ours, session=session, code=250, msgid="<a@b.example>") + "\n")
        log.write(event("delivered", 2, id=ours, recipient="bob@example.org", code=250) + "\n")
        log.write("y" * 1000000 + "\n")
    assert path.stat().st_size > 150 << 20
    run = subprocess.run([SLUICE, "why", "--json", "a@b.example", path], capture_output=True,
                         preexec_fn=None if sanitized() else
                         lambda: resource.setrlimit(resource.RLIMIT_AS, (100 << 20, 100 << 20)))
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    [message] = result["messages"]
    assert [e["event"] for e in message["events"]] == ["verdict", "verdict", "message", "delivered"]
    assert result["logs"][0]["skipped"] == 1


def sanitized():
    """ASan reserves more addresses than a limit could leave."""
    return b"__asan_init" in SLUICE.read_bytes()


def test_rotated_logs_in_any_order(tmp_path):
    ours = str(uuid.uuid4())
    old = log_of(tmp_path, [event("message", 1, id=ours, code=250, msgid="<a@b>", sender="ann@example.com")], "log.1")
    new = log_of(tmp_path, [event("delivered", 9, id=ours, recipient="bob@example.org", code=250)])
    for order in ((old, new), (new, old)):
        [message] = stories("<a@b>", *order)["messages"]
        assert [e["event"] for e in message["events"]] == ["message", "delivered"]
    assert "ann@example.com" in subprocess.run(
        f"cat {old} {new} | {SLUICE} why '<a@b>' -", shell=True, capture_output=True, text=True).stdout
