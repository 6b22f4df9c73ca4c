"""Parts and new messages of scripts, as they are on disk and by the standard library's reading."""
import email
import email.policy

from gateway_test import make, material, submit, text_message, verifies, wait_for  # noqa: F401

BUILD = """
MIME():addHeader("From", "post@example.org"):addHeader("Subject", "Übersicht")
  :appendPart(MIME():setBody("Für Ann, siehe Anhang.\\n"))
  :appendPart(MIME():setType("text/csv"):setFileName("Übersicht.csv"):setBody("a;b\\n1;ä\\n"))
  :appendPart(MIME():setType("application/octet-stream"):setFileName("x.bin"):setBody(string.rep("\\0\\255", 100)))
  :signDKIM("s1", "example.org", "pki:example.org")
  :queue("", "ann@example.org", "mailbox")
"""


def test_a_built_message_is_stored_delivered_and_read_by_others(make, material):
    server = make(files={"eod.lua": BUILD})
    client = server.client()
    client.say("EHLO client.example")
    _, reply = client.send("x@example.com", ["bob@example.org"], text_message("x@example.com"))
    assert reply.startswith("250")
    client.close()
    wait_for(lambda: len(server.messages()) == 2, "both messages")
    built, = [m for m in server.messages() if b"post@example.org" in m]
    received, = [m for m in server.messages() if b"post@example.org" not in m]
    assert b"\nReceived:" in received and b"\nReceived:" not in built
    assert built.startswith(b"Return-Path: <>\r\nDelivered-To: ann@example.org\r\n")
    assert verifies(built, material["record"])
    read = email.message_from_bytes(built, policy=email.policy.default)
    assert read["Subject"] == "Übersicht" and read["Date"] and read["Message-ID"] and not read.defects
    text, table, binary = read.iter_parts()
    assert text.get_content() == "Für Ann, siehe Anhang.\r\n"
    assert table.get_filename() == "Übersicht.csv" and table.get_content() == "a;b\r\n1;ä\r\n"
    assert binary.get_filename() == "x.bin" and binary.get_content() == b"\0\xff" * 100


def test_nothing_is_sent_for_a_message_that_is_refused(make):
    server = make(files={"eod.lua": 'mail("", "ann@example.org", "s", "t")',
                         "data.lua": 'if recipient == "no@example.org" then Reject("no") end'})
    client = server.client()
    client.say("EHLO client.example")
    message = text_message("x@example.com")
    assert client.send("x@example.com", ["bob@example.org", "no@example.org"], message)[1].startswith("550")
    assert client.send("x@example.com", ["bob@example.org"], message)[1].startswith("250")
    client.close()
    wait_for(lambda: len(server.messages()) == 2, "the second message and the new one")


def test_parts_decide(make):
    server = make(files={"data.lua": """
      if #MIME("0"):findByFileName("*.exe") > 0 then Reject("No programs") end"""})
    client = server.client()
    client.say("EHLO client.example")
    part = b"Content-Type: application/octet-stream; name*0=a; name*1=.EXE\r\n\r\nx"
    message = text_message("x@example.com", body=b"--b\r\n" + part + b"\r\n--b--\r\n",
                           extra=b"Content-Type: multipart/mixed; boundary=b\r\n")
    assert client.send("x@example.com", ["bob@example.org"], message)[1].startswith("550")
    assert client.send("x@example.com", ["bob@example.org"], text_message("x@example.com"))[1].startswith("250")
    client.close()


def test_a_changed_body_is_signed_as_it_leaves(make, material):
    server = make('"main.lua"', {"main.lua": """
      DKIMSign("s1", "example.org", "pki:example.org")
      MIME("0"):appendPart(MIME():setBody("Disclaimer of example.org"))
      if recipient == "eve@example.net" then MIME("0"):prependPart(MIME():setBody("For Eve")) end"""})
    assert submit(server, recipients=("bob@example.net", "eve@example.net")).startswith("250")
    wait_for(lambda: len(server.messages()) == 2, "both messages")
    bob, eve = sorted(server.messages(), key=lambda m: b"For Eve" in m)
    for message in bob, eve:
        assert message.count(b"DKIM-Signature:") == 1 and verifies(message, material["record"])
    read = email.message_from_bytes(bob, policy=email.policy.default)
    assert [p.get_content().strip() for p in read.iter_parts()] == ["Hello.", "Disclaimer of example.org"]
    read = email.message_from_bytes(eve, policy=email.policy.default)
    assert [p.get_content_type() for p in read.iter_parts()] == ["text/plain", "multipart/mixed"]
    assert not read.defects
