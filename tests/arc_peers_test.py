"""ARC chains of ours, of dkimpy and of Mail::DKIM: each validates what the others sealed.

Run with /usr/bin/python3 -m pytest. Needs what dkim_peers_test.py needs, and
authres for dkimpy to seal. Their ARC is RSA alone.
"""

import itertools
import re
import time

import pytest

from dkim_peers_test import BODIES, HEAD, dns, keys, perl, run, tool, work  # noqa: F401 (fixtures)
from peers_testing import Batch, another, messages, seeded, shaken, split

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


# ---- recorded messages, sealed by one after another -----------------------------------

CHAINS = 45


@pytest.fixture
def others(request, tool, keys):  # noqa: F811
    """name: (seals(messages), validates(messages) -> words), of who is there."""
    def of_batch(batch):
        def seal(found):
            return batch.run([(["seal", keys["rsa"], "rsa", "example.com"], m) for m in found])
        return seal, lambda found: [answer.split()[0].decode() for answer in batch.run(
            [(["validate"], m) for m in found])]

    def sealed_or_none(message):
        try:
            return theirs_seals(tool, keys, message)
        except dkim.MessageFormatError:     # blanks before a colon
            return None

    def validated_or_none(message):
        try:
            return theirs_validates(keys, message)
        except dkim.MessageFormatError:
            return None

    there = {"ours": of_batch(Batch([tool, "batch", keys["records"], now()])),
             "dkimpy": (lambda found: [sealed_or_none(m) for m in found],
                        lambda found: [validated_or_none(m) for m in found])}
    try:
        there["Mail::DKIM"] = of_batch(request.getfixturevalue("perl"))
    except pytest.skip.Exception:
        pass
    return there


def test_recorded_messages(others):
    """One, two or three sets by anybody over anything: all say pass; and fail after one letter."""
    pytest.importorskip("authres")
    rng = seeded()
    recorded = messages()
    if not recorded:
        pytest.skip("no recorded messages")
    chains = [shaken(rng, *one) for one in rng.sample(recorded, CHAINS)]
    sealers = [[] for _ in chains]
    for hop in range(3):
        turn = [rng.choice(list(others)) if hop <= i % 3 else None for i in range(len(chains))]
        for name, (seals, _) in others.items():
            mine = [i for i, who in enumerate(turn) if who == name and chains[i] is not None]
            for i, sealed in zip(mine, seals([chains[i] for i in mine])):
                chains[i] = sealed
                sealers[i].append(name)
    good = [(who, chain) for who, chain in zip(sealers, chains) if chain is not None]
    assert len(good) >= CHAINS * 3 // 4
    bad = [(who, changed(rng, chain)) for who, chain in good]
    wrong = []
    print(len(good), "chains,", ", ".join(others))
    for validator, (_, validates) in others.items():
        words = validates([chain for _, chain in good + bad])
        assert words.count(None) <= (0 if validator == "ours" else len(words) // 10), validator
        for i, (word, (who, chain)) in enumerate(zip(words, good + bad)):
            if word not in (None, "pass" if i < len(good) else "fail"):
                wrong.append((validator, word, who, i < len(good), chain))
    assert not wrong, (len(wrong), [w[:4] for w in wrong[:20]], wrong[0][4][:6000])


def changed(rng, chain):
    """A letter of From, which all sign, or of the body, which nobody leaves out."""
    fields, body = split(chain)
    other = another(rng, body) if rng.random() < 0.5 else None
    if other is not None:
        return b"".join(fields) + b"\r\n" + other
    return chain.replace(b"<joe@example.com>", b"<jim@example.com>", 1)
