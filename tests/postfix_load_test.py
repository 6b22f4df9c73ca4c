"""The milter host behind a real Postfix under load, and when it dies, is loaded anew or isn't there."""
import os
import re
import signal
import subprocess
import threading

import dkim
import pytest

from harness import Client, text_message, wait_for
from milter_life import (test_a_killed_worker_costs_its_message_a_try,  # noqa: F401
                         test_several_messages_per_connection)
from postfix_milter import key, make, mta, send  # noqa: F401 (fixtures)


def source(mta, sessions, count, *options):
    subprocess.run([mta.postfix.tool("smtp-source"), *options, "-s", str(sessions), "-m", str(count),
                    "-f", "ann@example.net", "-t", "bob@example.org", f"127.0.0.1:{mta.port}"],
                   env=mta.postfix.env, check=True, timeout=120)


@pytest.mark.parametrize("options", [["-d"], []], ids=["connections stay", "one message each"])
def test_a_hundred_sessions_at_once(make, mta, key, options):
    server = make(files={"keys/k.pem": key[0]}, data='DKIMSign("s1", "example.net", "pki:k")')
    source(mta, 100, 1000, *options)
    wait_for(lambda: len(mta.messages()) == 1000, "1000 messages", 60)
    for stored in mta.messages()[::50]:
        assert dkim.verify(stored.replace(b"\n", b"\r\n"), dnsfunc=lambda name, timeout=5: key[1].encode())
    assert len(set(re.findall(r"queueid=(\S+)", server.text()))) == 1000
    assert "milter_error" not in server.text()


def test_reload_under_load(make, mta):
    """Every message has one policy or the next, whole; none is lost, none comes twice."""
    script = 'AddHeader("X-First", "{0}") dnstxt("x.example") AddHeader("X-Second", "{0}")'
    server = make(data=script.format(0), files={"zone.txt": 'x.example. IN TXT "x"\nx.example. DELAY 5\n'})
    load = threading.Thread(target=source, args=(mta, 50, 1000, "-d"))
    load.start()
    loads = 0
    while load.is_alive() or loads < 3:
        loads += 1
        (server.policy / "data-script.lua").write_text(script.format(loads))
        server.reload()
    load.join()
    wait_for(lambda: len(mta.messages()) == 1000, "1000 messages", 60)
    policies = [(re.findall(rb"X-First: (\d+)", m), re.findall(rb"X-Second: (\d+)", m)) for m in mta.messages()]
    assert all(len(first) == 1 and first == second for first, second in policies)
    assert len({first[0] for first, _ in policies}) >= 2, loads


def test_workers_killed_under_load(make, mta):
    """Of every message its client knows what became of it: 250 and it is delivered once, with what the script
    does; or 4xx, Postfix's default action, and it isn't."""
    script = 'AddHeader("X-First", "1") dnstxt("x.example") AddHeader("X-Second", "1")'
    server = make(data=script, files={"zone.txt": 'x.example. IN TXT "x"\nx.example. DELAY 20\n'})
    replies, enough = {}, threading.Event()

    def client(name):
        for i in range(30):
            subject = f"{name}-{i}"
            message = text_message(extra=f"X-Number: {subject}\r\n".encode())
            replies[subject] = send(mta.port, message, sender=f"{subject}@example.net")
            if len(replies) >= 100:
                enough.set()
    clients = [threading.Thread(target=client, args=(i,)) for i in range(20)]
    for thread in clients:
        thread.start()
    assert enough.wait(60)
    killed = 0
    while any(thread.is_alive() for thread in clients) and killed < 6:
        workers = wait_for(lambda: server.children("worker"), "a worker")
        taken = len(replies)
        os.kill(workers[0], signal.SIGKILL)
        killed += 1
        wait_for(lambda: len(replies) > taken + 20 or not any(t.is_alive() for t in clients), "more messages", 60)
    for thread in clients:
        thread.join(120)
    good = {subject for subject, reply in replies.items() if reply.startswith("250")}
    assert len(replies) == 600 and killed >= 2
    assert all(reply.startswith(("250", "451")) for reply in replies.values()), set(replies.values())
    wait_for(lambda: len(mta.messages()) >= len(good), "what was accepted", 60)
    numbers = [re.search(rb"X-Number: (.*)", m).group(1).decode() for m in mta.messages()]
    assert sorted(numbers) == sorted(good)
    assert all(m.count(b"X-First: 1") == m.count(b"X-Second: 1") == 1 for m in mta.messages())
    wait_for(lambda: len(server.children("worker")) == 2, "new workers")


def test_reload_on_an_open_connection(make, mta):
    server = make(data='AddHeader("X-Policy", "old")')
    client = Client(mta.port)
    client.say("EHLO client.example")
    assert client.send("a@example.net", ["b@example.org"], text_message())[1].startswith("250")
    (server.policy / "data-script.lua").write_text('AddHeader("X-Policy", "new")')
    server.reload()
    assert client.send("a@example.net", ["b@example.org"], text_message())[1].startswith("250")
    client.close()
    wait_for(lambda: len(mta.messages()) == 2, "both")
    assert sorted(re.search(rb"X-Policy: (.*)", m).group(1) for m in mta.messages()) == [b"new", b"old"]


def test_without_sluice_mail_waits(make, mta):
    make(data="Deliver()").stop()
    assert send(mta.port, text_message()).startswith("4")
