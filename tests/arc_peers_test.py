"""ARC chains of ours and of dkimpy: each validates what the other sealed.

Run with /usr/bin/python3 -m pytest. Needs what dkim_peers_test.py needs, and
authres for dkimpy to seal. dkimpy's ARC is RSA alone.
"""

import itertools
import re
import time

import pytest

from dkim_peers_test import BODIES, HEAD, dns, keys, run, tool, work  # noqa: F401 (fixtures)

dkim = pytest.importorskip("dkim")

SRV_ID = b"mx.example.com"


def now():
    return str(int(time.time()))


def ours_validates(tool, keys, message):
    """(status, sets, oldest-pass, reason)"""
    word, n, oldest, reason = run([tool, "validate", keys["records"], now()],
                                  message).decode().rstrip("\n").split(" ", 3)
    return word, int(n), int(oldest), reason


def ours_seals(tool, keys, message):
    return run([tool, "seal", keys["rsa"], "rsa", "example.com", now(), keys["records"]], message)


def theirs_validates(keys, message):
    status = dkim.arc_verify(message, dnsfunc=dns(keys))[0]
    return status.decode() if status else "ended"


def theirs_seals(tool, keys, message):
    """dkimpy takes cv= from a field of ours, which isn't part of the message that goes on."""
    pytest.importorskip("authres")
    status = theirs_validates(keys, message)
    results = b"Authentication-Results: %s; arc=%s; spf=pass smtp.mailfrom=joe@example.com\r\n" % (
        SRV_ID, status.encode())
    with open(keys["rsa"], "rb") as f:
        key = f.read().strip()
    fields = dkim.arc_sign(results + message, b"rsa", b"example.com", key, SRV_ID,
                           include_headers=[b"from", b"to", b"subject", b"date"])
    assert len(fields) == 3
    return b"".join(fields) + message


SEALERS = {"ours": ours_seals, "dkimpy": theirs_seals}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("sealer", SEALERS)
def test_one_set(tool, keys, sealer, body):  # noqa: F811
    message = SEALERS[sealer](tool, keys, HEAD + BODIES[body])
    assert ours_validates(tool, keys, message) == ("pass", 1, 0, "")
    assert theirs_validates(keys, message) == "pass"
    bad = message.replace(b"dinner", b"supper", 1)
    assert ours_validates(tool, keys, bad)[0] == "fail"
    assert theirs_validates(keys, bad) == "fail"


@pytest.mark.parametrize("hops", list(itertools.product(SEALERS, repeat=3)), ids="-".join)
def test_three_hops(tool, keys, hops):  # noqa: F811
    message = HEAD + BODIES["plain"]
    for i, sealer in enumerate(hops, 1):
        message = SEALERS[sealer](tool, keys, message)
        assert ours_validates(tool, keys, message) == ("pass", i, 0, "")
        assert theirs_validates(keys, message) == "pass"
    assert re.findall(rb"cv=(\w+)", message) == [b"pass", b"pass", b"none"]


@pytest.mark.parametrize("hops", list(itertools.product(SEALERS, repeat=2)), ids="-".join)
def test_a_list_between(tool, keys, hops):  # noqa: F811
    """The subject is changed between two seals: the chain holds, its first set doesn't cover it."""
    message = SEALERS[hops[0]](tool, keys, HEAD + BODIES["plain"])
    message = message.replace(b"Subject:  Is", b"Subject: [list] Is", 1)
    assert theirs_validates(keys, message) == "fail"
    # who has changed the message knows that the chain was good before
    sealed = SEALERS[hops[1]](tool, keys, message)
    assert ours_validates(tool, keys, sealed)[0] == "fail"
    assert theirs_validates(keys, sealed) == "ended"
    assert re.search(rb"cv=fail", sealed)


def test_an_ended_chain_gets_no_set(tool, keys):  # noqa: F811
    message = ours_seals(tool, keys, HEAD + BODIES["plain"]).replace(b"dinner", b"supper", 1)
    ended = ours_seals(tool, keys, message)
    assert ended.count(b"ARC-Seal:") == 2
    with pytest.raises(AssertionError, match="ended with cv=fail"):
        ours_seals(tool, keys, ended)
