"""Tests that hold behind any mail server: files of tests import them, with their own fixtures make and mta."""
import os
import re
import signal
import threading

from harness import Api, Client, text_message, wait_for
from postfix_milter import one, send


def test_several_messages_per_connection(make, mta):
    make(data='AddHeader("X-Sender", sender)', rcptto='if recipient == "no@example.org" then Reject("no") end')
    client = Client(mta.port)
    client.say("EHLO client.example")
    for i in range(10):
        recipients = ["bob@example.org"] + (["no@example.org"] if i % 3 == 0 else [])
        replies, last = client.send(f"{i}@example.net", recipients, text_message())
        assert last.startswith("250") and len([r for r in replies if r.startswith("550")]) == (i % 3 == 0)
        client.say("MAIL FROM:<dropped@example.net>")
        client.say("RSET")
    client.close()
    wait_for(lambda: len(mta.messages()) == 10, "ten messages")
    assert sorted(re.search(rb"X-Sender: (.*)", m).group(1) for m in mta.messages()) == \
        [f"{i}@example.net".encode() for i in range(10)]


def test_a_killed_worker_costs_its_message_a_try(make, mta):
    entered = threading.Event()

    def answer(path):
        entered.set()
        return 200, "{}", 2 if len(api.calls) == 1 else 0

    api = Api(answer)
    try:
        server = make(data='api_call("?x=" .. messageid) AddHeader("X-Done", "1")',
                      extra=f'api = {{ url = "{api.url}" }},')
        replies = []
        thread = threading.Thread(target=lambda: replies.append(send(mta.port, text_message())))
        thread.start()
        assert entered.wait(20)
        for pid in server.children("worker"):
            os.kill(pid, signal.SIGKILL)
        thread.join(30)
        assert replies and replies[0].startswith("4"), replies
        wait_for(lambda: len(server.children("worker")) == 2, "new workers")
        assert send(mta.port, text_message()).startswith("250")
        assert b"X-Done: 1" in one(mta) and len(mta.messages()) == 1
    finally:
        api.stop()
