"""Sessions that were recorded between miltertest and opendkim (../shared/vectors), played to the milter host: where
opendkim signed we sign, and dkimpy finds it good; where it verified we find the same."""
import json
import os
import re
import struct

import dkim
import pytest

from harness import Sluice
from milter import QUIET_BODY, QUIET_EOH, QUIET_HEADER, Milter
from peers_testing import VECTORS

FILE = os.path.join(VECTORS, "milter/opendkim.json")
CONFIG = """return {
  hostname = "mx.example.org",
  listen = { { milter = "inet:127.0.0.1:PORT", server = "s" } },
  servers = { s = { flows = { data = "data.lua" } } },
  dns = { zone = "zone.txt", zone_only = true },
}"""
SCRIPT = """for i, result in ipairs(ScanDKIM() or {}) do AddHeader("X-Result", result.result) end
if senderdomain == "example.com" then DKIMSign("test", "example.com", "pki:k") end"""

pytestmark = pytest.mark.skipif(not os.path.exists(FILE), reason="no recorded sessions")
RECORDED = json.load(open(FILE)) if os.path.exists(FILE) else {"cases": []}


def records():
    """name -> text, of the keys that the recordings had for DNS."""
    for line in RECORDED["test_dns_data"].splitlines():
        name, _, text = line.partition("\t") if "\t" in line else line.partition(" ")
        if text:
            yield name, text


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    zone = "".join(f"{name}. IN TXT " + " ".join(f'"{text[i:i + 200]}"' for i in range(0, len(text), 200)) + "\n"
                   for name, text in records() if '"' not in text)
    server = Sluice(tmp_path_factory.mktemp("recorded"), CONFIG,
                    {"data.lua": SCRIPT, "zone.txt": zone, "keys/k.pem": RECORDED["test_private_key_pem"]}).start()
    yield server
    assert server.stop() == 0, server.text()[-3000:]
    assert "milter_error" not in server.text() and "AddressSanitizer" not in server.text()


def play(port, session):
    """What the recorded mail server sends, as it is. [(message, changes)] of its messages."""
    m, messages, fields, body = Milter(port, negotiate=False), [], [], b""
    with m:
        for packet in session:
            if packet["from"] != "mta":
                continue
            data = bytes.fromhex(packet["hex"])
            m.send(chr(data[0]), data[1:])
            command = packet["cmd"]
            if command == "O":
                m.version, m.actions, m.steps = struct.unpack(">III", m.receive().data[:12])
            elif command == "L":
                fields.append(packet["header"].encode() + b":" + packet["value"].replace("\n", "\r\n").encode() + b"\r\n")
            elif command == "B":
                body += data[1:]
            elif command == "E":
                assert m.result().command == "c"
                messages.append((b"".join(fields) + b"\r\n" + body, m.changes))
                fields, body = [], b""
            quiet = {"L": QUIET_HEADER, "N": QUIET_EOH, "B": QUIET_BODY}.get(command, 0)
            if command in "CHMR" or (quiet and not m.steps & quiet):
                assert m.receive().command == "c", packet
    return messages


def inserted(changes):
    """[(name, value)] of the fields that are to be on top."""
    return [tuple(c.data[4:].decode().split("\0")[:2]) for c in changes if c.command == "i"]


def assert_verifies(message, name, value):
    keys, whole = dict(records()), f"{name}:{value}\r\n".replace("\r\n", "\n").replace("\n", "\r\n").encode() + message
    assert dkim.verify(whole, dnsfunc=lambda name, timeout=5: keys[name.decode().rstrip(".")].encode()), whole


@pytest.mark.parametrize("case", RECORDED["cases"], ids=[case["id"] for case in RECORDED["cases"]])
def test_session(server, case):
    same = {"pass": ["pass"], "fail": ["fail", "permerror"]}		# a revoked key is an error here
    for session in case["sessions"]:
        theirs = [(p["header"], p["value"]) for p in session if p["from"] == "filter" and p["cmd"] == "i"]
        messages = play(server.port, session)
        assert len(messages) == sum(p["cmd"] == "E" for p in session if p["from"] == "mta")
        ours = [(message, *field) for message, changes in messages for field in inserted(changes)]
        signatures = [field for field in ours if field[1] == "DKIM-Signature"]
        for field in signatures:
            assert_verifies(*field)
        assert signatures or not any(name == "DKIM-Signature" for name, _ in theirs)
        found = re.findall(r"\bdkim=(pass|fail)", " ".join(value for name, value in theirs if name[:4] == "Auth"))
        results = [value.strip() for _, name, value in ours if name == "X-Result"]
        assert len(found) == len(results) and all(r in same[f] for f, r in zip(found, results)), (found, results)
