"""Blocks of flows: what they do, and how their parameters are checked at load."""
import re
import subprocess

import dkim
import pytest

from harness import SLUICE, NameServer, Sluice, key_pair, text_message, txt, wait_for

CONFIG = """return {
  hostname = "mx.example.org", workers = 1, from_check = "accept", %s
  quarantine = { "kept" },
  listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } },
  servers = { inbound = {
    flows = { %s },
    relay = { ["example.org"] = { transport = "mailbox" } },
  } },
  transports = { mailbox = { maildir = "MAIL/%%d/%%u" } },
  dns = { zone = "zone.txt", zone_only = true, timeout = 1 },
}"""

ZONE = """$TTL 300
a.example. IN TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc.a.example. IN TXT "v=DMARC1; p=reject"
_dmarc.q.example. IN TXT "v=DMARC1; p=quarantine"
_dmarc.n.example. IN TXT "v=DMARC1; p=none"
_dmarc.dead.example. SERVFAIL
"""


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    return key_pair(tmp_path_factory.mktemp("blocks"))


def record(keys, name):
    return f"{name}. IN TXT " + " ".join(
        f'"{keys[1][i:i + 200]}"' for i in range(0, len(keys[1]), 200)) + "\n"


def files_of(keys, **more):
    zone = ZONE + "".join(record(keys, f"s1._domainkey.{d}.example") for d in ("a", "list", "hop"))
    return {"zone.txt": zone, "keys/k.pem": keys[0], "data.lua": "", **more}


@pytest.fixture
def make(tmp_path, keys):
    started = []

    def start(flows, settings="", dns=None, **files):
        config = CONFIG % (settings, flows)
        if dns:
            config = re.sub(r"dns = \{.*\},", f'dns = {{ servers = {{ "127.0.0.1:{dns}" }}, '
                            'dnssec = "off", timeout = 1 },', config)
        server = Sluice(tmp_path / str(len(started)), config, files_of(keys, **files)).start()
        started.append(server)
        return server

    yield start
    for server in started:
        assert server.stop() == 0, server.text()[-3000:]
        assert "AddressSanitizer" not in server.text() and "runtime error" not in server.text()


def send(server, message, sender="x@other.example"):
    for path in server.mail.glob("*/*/new/*"):
        path.unlink()
    client = server.client()
    client.say("EHLO client.example")
    _, reply = client.send(sender, ["bob@example.org"], message)
    client.close()
    return reply


def logged(server, what):
    wait_for(lambda: re.search(what, server.text()), what + server.text()[-2000:])


# ---- verify_sender

RESULTS = {"none": "ann@n.example", "quarantine": "ann@q.example", "reject": "ann@a.example",
           "policy_absent": "ann@nothing.example", "temperror": "ann@dead.example", "permerror": None}


def author(result):
    return text_message(RESULTS[result]) if RESULTS[result] else b"Subject: nobody\r\n\r\nhi"


@pytest.mark.parametrize("phase", ["eod", "data"])
def test_results_by_default(make, phase):
    server = make(phase + ' = { { block = "verify_sender" } }')
    assert send(server, text_message("ann@a.example"), "x@a.example").startswith("250")
    assert b"\r\nAuthentication-Results: mx.example.org;\r\n" in server.message()
    for result, code in (("none", "250"), ("quarantine", "250"), ("policy_absent", "250"),
                         ("reject", "550 5.7.1 The message violates the DMARC policy of a.example ("),
                         ("temperror", "451 4.7.1 The DMARC policy of dead.example can't be checked now ("),
                         ("permerror", "550 5.7.1 The message has no usable From address (")):
        assert send(server, author(result)).startswith(code), result


@pytest.mark.parametrize("result", RESULTS)
def test_each_action(make, result):
    replies = {}
    for action in ("accept", "quarantine", "defer", "reject"):
        server = make(f'data = {{ {{ block = "verify_sender", {result} = "{action}", '
                      'quarantine_as = "kept", authentication_results = false } }')
        replies[action] = send(server, author(result))[:3]
        if action == "accept":
            assert b"Authentication-Results" not in server.message()
        elif action == "quarantine":
            logged(server, "action=Quarantine .*code=250")
    assert replies == {"accept": "250", "quarantine": "250", "defer": "451", "reject": "550"}


def test_flows_go_on_behind_it(make):
    server = make('data = { { block = "verify_sender" }, "after.lua" }',
                  **{"after.lua": 'Reject(GetHeader("Authentication-Results"))'})
    assert "mx.example.org; spf=pass" in send(server, text_message("ann@a.example"), "x@a.example")


SEAL = 'ARCSeal("s1", "%s", "pki:k", { results = "%s" })'
FOUND = "list.example; dmarc=pass header.from=a.example"


def sealed(make, domain="list.example", results=FOUND, message=None, extra=""):
    """A message as a forwarder hands it on."""
    server = make('data = "data.lua"', **{"data.lua": SEAL % (domain, results)})
    assert send(server, message or text_message("ann@a.example")).startswith("250"), server.text()[-2000:]
    delivered = server.message().split(b"\r\n", 2)[2]
    return re.sub(rb"\AReceived:.*(\r\n[ \t].*)*\r\n", b"", delivered).rstrip(b"\r\n") + b"\r\n"


TRUST = 'data = { { block = "verify_sender", trusted_sealers = { "List.example", "hop.example" } } }'


def test_a_trusted_forwarder(make):
    server = make(TRUST)
    message = sealed(make)
    assert send(server, message).startswith("250")
    assert b"arc=pass" in server.message() and b"dmarc=fail" in server.message()
    logged(server, "dmarc_overridden .*from=a.example policy=reject sealer=list.example "
           "|dmarc_overridden .*sealer=list.example")
    # forwarded once more, by another that is trusted
    again = sealed(make, "hop.example", "hop.example; dmarc=fail header.from=a.example", message)
    assert send(server, again).startswith("250")


@pytest.mark.parametrize("case", ["nobody trusted", "not in between", "failed there", "another From",
                                  "a broken chain", "no results", "address as header.from"])
def test_forwarders(make, case):
    trust, good = TRUST, False
    if case == "nobody trusted":
        trust = 'data = { { block = "verify_sender" } }'
        message = sealed(make)
    elif case == "not in between":
        message = sealed(make, "a.example", "a.example; dmarc=pass header.from=a.example", sealed(make))
    elif case == "failed there":
        message = sealed(make, results="list.example; dmarc=fail header.from=a.example")
    elif case == "another From":
        message = sealed(make, results="list.example; dmarc=pass header.from=b.example")
    elif case == "a broken chain":
        message = sealed(make).replace(b"Subject: test", b"Subject: text")
    elif case == "no results":
        message = sealed(make, results="list.example; none")
    else:
        message, good = sealed(make, results="list.example; dmarc=pass header.from=ann@A.example"), True
    assert send(make(trust), message)[:3] == ("250" if good else "550")


# ---- dkim_delivery

DELIVERY = 'data = { { block = "dkim_delivery", selector = "s1", key = "pki:k", %s } }'


def signer(message):
    found = re.search(rb"DKIM-Signature:[^\r]*(?:\r\n\s[^\r]*)*?\bd=([\w.]+);", message)
    return found and found.group(1).decode()


@pytest.mark.parametrize("domain, expected, unaligned", [
    ("", "a.example", False), ('domain = "header"', "a.example", False),
    ('domain = "envelope"', "other.example", True), ('domain = "list.example"', "list.example", True),
    ('domain = "example"', None, None)])
def test_domains(make, domain, expected, unaligned):
    server = make(DELIVERY % domain)
    reply = send(server, text_message("ann@A.example"))
    if expected is None:
        assert reply.startswith("451 4.7.1 Message could not be signed (")
        return
    assert reply.startswith("250") and signer(server.message()) == expected
    assert ("unaligned_signature" in server.text()) == unaligned


def test_below_the_signing_domain_is_aligned(make, keys):
    server = make(DELIVERY % 'domain = "a.example"')
    assert send(server, text_message("ann@mail.a.example")).startswith("250")
    assert dkim.verify(server.message(), dnsfunc=lambda name, timeout=5: keys[1].encode())
    assert send(server, text_message("ann@nota.example")).startswith("250")
    assert server.text().count("unaligned_signature") == 1
    logged(server, "unaligned_signature .*domain=a.example from=nota.example")


def test_nothing_to_sign_for(make):
    server = make(DELIVERY % 'domain = "envelope"')
    assert send(server, text_message("ann@a.example"), "").startswith("451")
    server = make(DELIVERY % 'domain = "envelope", unsigned = "deliver"')
    assert send(server, text_message("ann@a.example"), "").startswith("250")
    assert signer(server.message()) is None


def test_an_override_of_Deliver_is_used(make):
    server = make('data = { "first.lua", { block = "dkim_delivery", selector = "s1", key = "pki:k" } }',
                  **{"first.lua": 'function Deliver() AddHeader("X-Late", "yes") builtin.Deliver() end'})
    assert send(server, text_message("ann@a.example")).startswith("250")
    assert b"X-Late: yes" in server.message() and signer(server.message()) == "a.example"


def test_rotation(make):
    server = make('data = { { block = "dkim_delivery", rotation = true } }',
                  'dkim = { ["a.example"] = { { selector = "s2", key = "pki:k" }, '
                  '{ selector = "s1", key = "pki:k" } } },')
    assert send(server, text_message("ann@a.example")).startswith("250")
    assert b"s=s1;" in server.message() and signer(server.message()) == "a.example"
    assert send(server, text_message("ann@list.example")).startswith("451")


# ---- pre-flight

class Zone:
    def __init__(self, what):
        self.what = what
        self.server = NameServer(lambda name, kind, tcp: self.what if not isinstance(self.what, str)
                                 else [(name, 16, txt(self.what.encode()))] if kind == 16 else [], ttl=0)

    def asked(self):
        return len([n for n, kind, _ in self.server.asked if n.startswith("s1._domainkey") and kind == 16])


@pytest.mark.parametrize("published", ["good", "missing", "other key", "revoked"])
def test_preflight(make, keys, tmp_path, published):
    other = key_pair(tmp_path)[1]
    zone = Zone({"good": keys[1], "missing": 3, "other key": other, "revoked": "v=DKIM1; p="}[published])
    good = published == "good"
    try:
        for action, code, is_signed in (("defer", "451", False), ("skip", "250", False),
                                        ("sign", "250", True)):
            server = make(DELIVERY % f'preflight = true, on_mismatch = "{action}"', dns=zone.server.port)
            before = zone.asked()
            for _ in range(3):
                reply = send(server, text_message("ann@a.example"))
                assert reply.startswith("250" if good else code), (action, reply)
                if reply.startswith("250"):
                    assert bool(signer(server.message())) == (good or is_signed)
            assert zone.asked() == before + 1       # looked at once
            assert server.text().count("dkim_key_mismatch") == (0 if good else 1)
            if not good:
                logged(server, f'dkim_key_mismatch .*published="?{published}')
    finally:
        zone.server.stop()


def test_preflight_without_dns_signs(make):
    zone = Zone(2)
    try:
        server = make(DELIVERY % "preflight = true", dns=zone.server.port)
        assert send(server, text_message("ann@a.example")).startswith("250")
        assert signer(server.message()) == "a.example"
    finally:
        zone.server.stop()


def test_preflight_is_looked_at_again(make, keys):
    zone = Zone(3)
    try:
        server = make(DELIVERY % "preflight = true", "dkim_recheck = 1,", dns=zone.server.port)
        assert send(server, text_message("ann@a.example")).startswith("451")
        zone.what = keys[1]
        wait_for(lambda: send(server, text_message("ann@a.example")).startswith("250"), "the key")
        zone.what = 2           # what was known holds
        asked = zone.asked()
        wait_for(lambda: send(server, text_message("ann@a.example")).startswith("250") and
                 zone.asked() > asked, "a look that failed")
    finally:
        zone.server.stop()


def test_preflight_in_a_script(make):
    zone = Zone(3)
    try:
        server = make('data = "data.lua"', dns=zone.server.port, **{"data.lua": """
          local signed, err, code = DKIMSign("s1", "a.example", "pki:k", { preflight = true })
          Reject(tostring(signed) .. " " .. code .. ": " .. err)"""})
        assert send(server, text_message("ann@a.example")) == (
            "550 5.7.1 false unpublished: the key isn't the published one of a.example, selector s1: missing")
    finally:
        zone.server.stop()


# ---- parameters

OWN = """
return { title = "Own", text = "Adds a field.", phases = { "data" },
  parameters = { { name = "value", type = "string", required = true, text = "of the field" },
                 { name = "times", type = "number", min = 1, max = 3, default = 1, text = "how often" } },
  run = function(p) for _ = 1, p.times do AddHeader("X-Own", p.value) end end }
"""


def test_a_block_of_the_policy(make):
    server = make('data = { { block = "own", value = "a b", times = 2 }, { block = "own", value = "c" } }',
                  **{"lib/blocks/own.lua": OWN})
    assert send(server, text_message()).startswith("250")
    assert re.findall(rb"X-Own: (.*?)\r", server.message()) == [b"c", b"a b", b"a b"]


def check(tmp_path, keys, flows, change=lambda text: text, **files):
    folder = tmp_path / "policy"
    for name, text in files_of(keys, **files).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "sluice.lua").write_text(change(CONFIG % ("", flows)).replace("PORT", "2525"))
    done = subprocess.run([SLUICE, "check", folder], capture_output=True, text=True)
    return done.returncode, done.stdout.replace(": error: ", ": ")


@pytest.mark.parametrize("flows, error", [
    ('data = { { block = "verify_sende" } }', 'sluice.lua:6:.*: there is no block "verify_sende" (verify_sender?)'),
    ('data = { { block = "../x" } }', 'there is no block "../x"'),
    ('data = { { blok = "verify_sender" } }', "a script or { block = NAME } expected"),
    ('rcptto = { { block = "verify_sender" } }', "sluice.lua:6:.*: block verify_sender can't run in rcptto"),
    ('data = { { block = "verify_sender", rejct = "defer" } }',
     "sluice.lua:6:51: rejct is no parameter of block verify_sender (reject?)"),
    ('data = { { block = "verify_sender", reject = "drop" } }',
     'sluice.lua:6:.*: reject: one of "accept", "quarantine", "defer", "reject" expected'),
    ('data = { { block = "verify_sender", reject = true } }', "reject: one of"),
    ('data = { { block = "verify_sender", authentication_results = "yes" } }',
     "authentication_results: true or false expected"),
    ('data = { { block = "verify_sender", trusted_sealers = "a" } }', "trusted_sealers: a list of strings expected"),
    ('data = { { block = "verify_sender", trusted_sealers = { 1 } } }', "trusted_sealers: a list of strings expected"),
    ('data = { { block = "verify_sender", none = "quarantine" } }',
     'block verify_sender: none = "quarantine" needs quarantine_as'),
    ('data = { { block = "verify_sender", quarantine_as = "other" } }', 'quarantine_as: "other" is not in quarantine'),
    ('data = { { block = "dkim_delivery" } }', "block dkim_delivery: selector is missing (or rotation = true)"),
    ('data = { { block = "dkim_delivery", selector = "s" } }', "key is missing"),
    ('data = { { block = "dkim_delivery", selector = "s", key = "pki:other" } }', 'the policy has no "pki:other"'),
    ('data = { { block = "dkim_delivery", selector = "s", key = "abc" } }', "key: "),
    ('data = { { block = "dkim_delivery", selector = "s", key = "pki:k", rotation = true } }',
     "rotation takes selector and key from dkim"),
    ('data = { { block = "own" } }', "value of block own is missing"),
    ('data = { { block = "own", value = 1 } }', "value: a string expected"),
    ('data = { { block = "own", value = "a", times = 4 } }', "times: 1 to 3 expected"),
    ('data = { { block = "broken" } }', "lib/blocks/broken.lua:2:"),
    ('data = { { block = "empty" } }', "lib/blocks/empty.lua:1:1: a block returns a table with a function run"),
    ('data = { { block = "bare" } }', "lib/blocks/bare.lua:1:1: title, text, phases and parameters"),
    ('data = { { block = "early" } }', "lib/blocks/early.lua:1:1: .*Deliver is not defined"),
])
def test_checks(tmp_path, keys, flows, error):
    code, said = check(tmp_path, keys, flows, **{
        "lib/blocks/own.lua": OWN, "lib/blocks/broken.lua": "return {\n  a = = 1 }",
        "lib/blocks/empty.lua": "return {}", "lib/blocks/bare.lua": "return { run = function() end }",
        "lib/blocks/early.lua": "Deliver()"})
    pattern = ".*".join(re.escape(part) for part in error.split(".*"))
    assert code == 1 and re.search(pattern, said), said


def test_rows_have_blocks_too(tmp_path, keys):
    code, said = check(tmp_path, keys, 'data = "data.lua"', lambda text: text.replace(
        'transport = "mailbox" }', 'transport = "mailbox", flows = { data = '
        '{ { block = "dkim_delivery", selektor = "s" } } } }'))
    assert code == 1 and "selektor is no parameter of block dkim_delivery (selector?)" in said
