"""One policy and one table of sessions through every host: gateway, milter, library, sluice test. The
verdicts, the replies, the messages' bytes and the lists of changes are the same, and where a milter
can't do it, it does what doc/hosts.md says."""
import re

import pytest

from embedding import Installed
from harness import ROOT, wait_for
from hosts import Gateway, Library, MilterHost, Session, SluiceTest, changes_of_library

pytestmark = pytest.mark.xdist_group("hosts")      # the hosts serve one test after the other


def message(subject, body=b"Hello.\r\n", extra=b"", sender=b"ann@example.com"):
    """With Date and Message-ID: whether their absence is signed is the one thing in which
    hosts differ, since a mail server adds them after its milters."""
    return (b"From: Ann <" + sender + b">\r\nX-Twice: 1\r\nTo: bob@example.org\r\n"
            b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <1@example.com>\r\n"
            b"Subject: " + subject.encode() + b"\r\n" + extra + b"X-Twice: 2\r\n\r\n" + body)


def session(name, subject=None, *, body=b"Hello.\r\n", extra=b"", **parts):
    return Session(name, message(name if subject is None else subject, body, extra), **parts)


def to(*names):
    return tuple(f"<{name}@example.org>" for name in names)


def pair(words, **parts):
    """Two recipients, bob and ann, each of which wants one of two words."""
    return session("each " + words, recipients=to("bob", "ann"), **parts)


# What the data flow does by the subject, for one recipient.
DATA = ["deliver", "add", "eod add", "set", "delete field", "prepend", "append", "add, change, delete", "body",
        "body and sign", "sign", "edit and sign", "mail sign", "modify", "modify and sign", "reset", "restore", "seal", "results", "sender", "no sender", "recipient", "copy",
        "same transport", "metadata", "deliver metadata", "reject", "reject coded", "gone", "defer", "delete",
        "quarantine", "reject and keep"]
EOD = ["reject", "defer", "gone", "delete", "quarantine", "quarantine edited", "reject and keep", "accept", "sender",
       "metadata", "queue all", "queue one"]
ALONE = [session("as it is", "")] + [session(name) for name in DATA] + [session("eod " + name) for name in EOD]
FAILING = [session("script fails: " + what, what) for what in ("error", "limit", "late limit", "eod error")] + [
    session("script fails at connect", "", ip="127.0.0.4"),
    session("script fails at helo", "", helo="broken.example"),
    session("script fails at mailfrom", "", sender="<broken@example.net>"),
    session("script fails at rcptto", "", recipients=to("broken")),
    session("script fails for one recipient", "add", recipients=to("broken", "bob")),
    session("script fails by running for ever at rcptto", "", recipients=to("loop")),
]
EARLY = [
    session("connect: reject", "", ip="127.0.0.2"), session("connect: defer, close", "", ip="127.0.0.3"),
    session("connect: accept", "add", ip="127.0.0.5"),
    *[session("helo: " + name, "add", helo=name + ".example") for name in ("bad", "slow", "gone", "good")],
    *[session("mailfrom: " + name, "add", sender=f"<{name}@example.net>")
      for name in ("bad", "slow", "coded", "gone", "good")],
    *[session("rcptto: " + name, "add", recipients=to(name)) for name in ("nobody", "full", "odd", "gone", "good")],
    session("one recipient of three", "add", recipients=to("nobody", "bob", "full")),
    session("the second recipient ends it", "add", recipients=to("bob", "gone", "ann")),
]
MESSAGES = [
    session("null sender", "sign", sender="<>"),
    session("a sender that fails DMARC", "results", sender="<x@example.net>"),
    session("results in our name", "sign", extra=b"Authentication-Results: mx.example.org; spf=pass\r\n"),
    session("only results in our name", "", extra=b"Authentication-Results: mx.example.org; spf=pass\r\n"),
    session("dots", "sign", body=b".\r\n..\r\n.x\r\n"),
    session("no body", "edit and sign", body=b""),
    session("eight bits", "sign", body="Grüße\r\n".encode()),
    session("long", "edit and sign", body=b"x" * 900 + b"\r\n" + b"line\r\n" * 50000),
    session("folds", "edit and sign", extra=b"X-Fold: a\r\n\tb\r\n   c\r\nX-Empty:\r\nX-Blank: \r\n"),
    session("a subject in two words", "=?utf-8?q?re?= =?utf-8?q?ject?="),
]
SEVERAL = [
    session("two recipients", "add", recipients=to("bob", "ann")),
    session("one of two is sent elsewhere", "one recipient", recipients=to("bob", "ann")),
    session("queued for two and one more", "eod queue and add", recipients=to("bob", "ann")),
    session("queued for one of two", "eod queue one", recipients=to("bob", "ann")),
    session("queued with other senders", "eod queue other sender", recipients=to("bob", "ann"), differs="sender is"),
    session("queued with other edits", "eod queue other edits", recipients=to("bob", "ann"), differs="header field"),
    session("queued by a transport", "eod queue by transport", differs="the mail server chooses how it delivers"),
    session("both are sent to one", "recipient", recipients=to("bob")),
    *[pair(words) for words in (
        "deliver deliver", "delete delete", "delete deliver", "deliver delete", "quarantine quarantine",
        "delete quarantine", "reject deliver", "deliver reject", "defer deliver", "defer reject", "reject delete",
        "reject quarantine", "defer quarantine", "keep keep")],
    pair("reject keep", unkept=True),
]
# A milter has one message for all recipients, and a mail server that delivers when and how it likes.
DIFFERENT = [
    pair("mark mark", differs=r"want different messages: header field \d+ is .*X-For: bob"),
    pair("mark deliver", differs="want different messages: header field"),
    pair("sign sign", differs="want different messages: the signatures differ"),
    pair("sender sender", differs="sender is <bounce-bob@example.com> for one"),
    pair("sender deliver", differs="sender is <bounce-bob@example.com> for one and <ann@example.com>"),
    pair("body body", differs="the bodies differ"),
    pair("deliver quarantine", differs='one has quarantine .*none.*, the other .*spam'),
    session("transport", differs="transport other: the mail server chooses"),
    session("set transport", differs="transport other: the mail server chooses"),
    session("delay", differs="delay 5000 s: the mail server delivers when it likes"),
    session("eod delay", differs="delay 5000 s: the mail server delivers when it likes"),
    session("big", differs="changes_failed.*more than a mail server takes", protocol=True),
    session("mail", differs="No new messages here"),
]
TABLE = ALONE + FAILING + EARLY + MESSAGES + SEVERAL + DIFFERENT


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hosts")
    installed = Installed(tmp_path_factory.mktemp("installed"))
    (folder / "test").mkdir()
    hosts = {"copies": Library(installed, folder / "copies", "copies"),
             "changes": Library(installed, folder / "changes", "changes"),
             "gateway": Gateway(folder / "gateway"), "milter": MilterHost(folder / "milter"),
             "test": SluiceTest(folder / "test", TABLE)}
    yield hosts
    for host in hosts.values():
        host.stop()


def keeps_and_rejects(result):
    """Quarantine that rejects: nothing but what is held."""
    return result.replies[-1][:1] == "5" and result.copies


@pytest.mark.parametrize("session", TABLE, ids=lambda session: session.name)
def test_hosts_agree(hosts, session):
    before = len(hosts["milter"].server.text())
    library, gateway, tester, milter, changes = (
        hosts[name].run(session) for name in ("copies", "gateway", "test", "milter", "changes"))

    assert gateway.replies == library.replies == tester.replies
    assert gateway.closed == library.closed == tester.closed
    assert tester.copies == library.copies
    assert gateway.copies == as_listed(library.copies)
    if session.differs is not None:
        assert library.replies[-1] == "ok"
        assert milter.replies[:-1] == changes.replies[:-1] == library.replies[:-1]
        assert changes.replies[-1] == ("ok" if session.protocol else milter.replies[-1])
        assert milter.replies[-1].startswith("451 4.") and not milter.changes
        assert bool(changes.changes) == session.protocol
        wait_for(lambda: re.search(session.differs, hosts["milter"].server.text()[before:]), "the reason")
        return
    if library.closed:		# the mail server's to do
        milter.replies[len(library.replies):] = []
    assert changes.replies == library.replies
    if session.unkept:
        assert keeps_and_rejects(library) and not changes.changes
    if keeps_and_rejects(library) and not session.unkept:		# a milter can't do both, and so keeps it
        assert milter.replies == [*library.replies[:-1], "ok"]
    else:
        assert milter.replies == library.replies
    if milter.replies[-1] == "ok" and milter.changes is not None:
        accepted = [r.strip("<>") for r, said in zip(session.recipients, library.replies[3:]) if said == "ok"]
        assert sorted(milter.changes, key=str) == \
            sorted(changes_of_library(changes.changes, accepted), key=str)
        for _, sender, text, *_ in library.copies.values():
            assert milter.message == text
            assert sender == dict(c for c in milter.changes if len(c) == 2).get("sender", session.sender.strip("<>"))
        assert {c[1] for c in milter.changes if c[0] == "quarantine"} == \
            {copy[0] for copy in library.copies.values()} - {"-"}
        if library.copies:
            assert set(library.copies) == (set(accepted) - of(milter, "removed")) | of(milter, "added")
        else:
            assert milter.changes == [("discard",)]


def of(result, kind):
    return {change[1] for change in result.changes if change[0] == kind}


def as_listed(copies):
    """Without what the queue doesn't tell: metadata of what wasn't tried. Who is given no transport has
    that of the relay table."""
    return {r: (*copy[:3], copy[3] if copy[3] != "-" else "box", copy[4],
                None if copy[4] or copy[0] != "-" else copy[5]) for r, copy in copies.items()}


def test_the_table_has_every_kind_of_end(hosts):
    ends = [hosts["copies"].run(session) for session in TABLE]
    edited = [hosts["milter"].run(session).changes for session in TABLE]
    kinds = {change[0] for changes in edited for change in changes or []}
    assert kinds == {"insert", "change", "delete", "sender", "added", "removed", "quarantine", "discard", "body"}
    assert {"ok", "550", "554", "553", "451", "450", "421", "452"} <= {r.replies[-1][:3] for r in ends}
    assert any(r.copies == {} and r.replies[-1] == "ok" for r in ends)	# deleted


# ---- doc/hosts.md -----------------------------------------------------------

# Each row of its tables, and the tests that hold it; those of the table of sessions by their names.
HELD = {
    "connect, helo": ["connect: reject", "helo: bad", "tests/milter_test.py test_connect"],
    "auth": ["tests/gateway_test.py saslusername", "tests/milter_test.py test_from_macros",
             "policy/embed_test.c sl_session_auth"],
    "mailfrom, rcptto": ["mailfrom: bad", "rcptto: nobody", "tests/milter_test.py test_choice"],
    "eod, data": ["eod reject", "reject"],
    "predelivery, postdelivery": ["tests/milter_test.py test_flows_that_never_run",
                                  "queue/delivery_test.c predelivery"],
    "disconnect": ["policy/embed_test.c disconnect.lua", "tests/gateway_test.py disconnect"],
    "Accept, Deliver": ["connect: accept", "eod accept", "deliver"],
    "Reject, Defer": ["reject coded", "eod defer", "mailfrom: coded", "connect: defer, close"],
    "`disconnect = true`": ["helo: gone", "mailfrom: gone", "rcptto: gone", "eod gone", "gone"],
    "Delete": ["delete", "eod delete", "each delete deliver"],
    "Quarantine": ["quarantine", "eod quarantine edited"],
    "Quarantine that rejects (the default)": ["reject and keep", "eod reject and keep", "each keep keep"],
    "Reject or Defer for one recipient": ["each reject deliver", "each deliver reject", "each defer reject"],
    "Reject for one, a Quarantine that rejects for another": ["each reject keep"],
    "Deliver for several recipients": ["each mark mark", "each sign sign", "each sender sender",
                                       "each deliver quarantine"],
    "`Deliver{ recipient =, done = false }`": ["copy"],
    "`Deliver{ transportid = }`, SetMailTransport": ["transport", "set transport", "same transport"],
    "`Deliver{ delay = }`, SetDelayedDeliver": ["delay", "eod delay"],
    "metadata": ["metadata", "deliver metadata", "eod metadata"],
    "new messages of scripts (`mail`, `MIME():queue`)": ["mail"],
    '`MIME("0"):queue`': ["eod queue all", "queued for two and one more", "queued for one of two"],
    "header fields": ["add", "set", "delete field", "add, change, delete", "prepend", "append"],
    "a body that scripts changed": ["body", "body and sign", "each body body"],
    "a field over 64 KB": ["big"],
    "signatures, ARC sets": ["sign", "edit and sign", "seal", "tests/milter_test.py test_signatures_hold"],
    "SetSender": ["sender", "no sender", "eod sender",
                  "tests/milter_test.py test_what_the_mail_server_takes"],
    "SetRecipient": ["recipient", "one of two is sent elsewhere"],
    "relay table: permission": ["tests/gateway_test.py relay",
                                "tests/milter_test.py test_what_is_the_mail_server_s_to_decide"],
    "relay table: `flows` of a row": ["tests/config_test.py flows", "tests/milter_test.py rows="],
    "`from_check`, `sender_login`": ["tests/config_test.py sender_login",
                                     "tests/milter_test.py test_what_is_the_mail_server_s_to_decide"],
    "`size`, `recipients`": ["tests/milter_attacks_test.py 552", "tests/milter_attacks_test.py 452",
                             "smtp/server_test.c 552"],
    "`hops`, `line_ends`, `submission`": ["smtp/server_test.c hops", "smtp/server_test.c line_ends",
                                          "smtp/server_test.c submission"],
    "`trusted`": ["tests/milter_test.py test_choice", "tests/config_test.py trusted"],
    "Authentication-Results in our name": ["results in our name", "only results in our name",
                                           "tests/results_attacks_test.py trusted"],
    "`reload_grace`": ["smtp/server_test.c policy.outdated",
                       "tests/milter_test.py test_reload_is_seen_by_the_next_message"],
    "`connections.per_ip`": ["tests/gateway_test.py per_ip",
                             "tests/milter_test.py test_thousands_in_one_worker"],
    "senderip, senderport, senderhelo": ["tests/milter_test.py test_client_addresses"],
    "serverip, serverport": ["tests/milter_test.py test_from_macros"],
    "saslusername, saslmechanism": ["tests/milter_test.py test_from_macros"],
    "tlsprotocol, tlscipher, tlskeysize": ["tests/milter_test.py test_from_macros"],
    "queueid": ["tests/milter_test.py test_queueid_of_the_end_of_message"],
    "messagesize": ["tests/milter_test.py messagesize"],
}
TABLES = {"phase", "action", "change", "rule", "fact"}      # what Postfix does has its own test


def rows_of_tables():
    rows, wanted = [], False
    for line in (ROOT / "doc/hosts.md").read_text().splitlines():
        cells = [c.strip() for c in line.strip("|").split(" | ")] if line.startswith("|") else []
        if cells and cells[0] in TABLES:
            wanted = True
        elif not cells:
            wanted = False
        elif wanted and not cells[0].startswith("---"):
            rows.append(cells[0])
    return rows


def test_each_row_of_the_tables_is_held_by_a_test():
    assert sorted(rows_of_tables()) == sorted(HELD)
    sessions = {session.name for session in TABLE}
    files = {f"{path.parent.name}/{path.name}": path.read_text() for pattern in ("tests/*_test.py", "core/*/*_test.c")
             for path in ROOT.glob(pattern)}
    for row, held in HELD.items():
        for what in held:
            name, _, text = what.partition(" ")
            assert what in sessions or text in files.get(name, ""), f"{row}: {what}"
