"""Attacks on what is found of inbound mail and on what is said of it: A10, A11, A26 to A30.

Who attacks owns attack.example: its SPF passes for this client, and its key signs. legit.example
asks for rejection, and nobody here may pass for it. What we write is read by another program.
"""
import re

import authres
import dkim
import pytest

from harness import Sluice, key_pair, text_message
from milter import session

CONFIG = """return {
  hostname = "mx.example.org", workers = 1, from_check = "FROM_CHECK", EXTRA
  listen = { { KIND, server = "inbound" } },
  servers = { inbound = { flows = FLOWS, relay = { ["example.org"] = { transport = "mailbox" } } } },
  transports = { mailbox = { maildir = "MAIL/%d/%u" } },
  dns = { zone = "zone.txt", zone_only = true, timeout = 1 },
}"""

ZONE = r"""$TTL 300
legit.example. IN TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.legit.example. IN TXT "v=DMARC1; p=reject; sp=reject"
attack.example. IN TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc.attack.example. IN TXT "v=DMARC1; p=reject"
*.attack.example. IN TXT "v=spf1 ip4:127.0.0.1 -all"
"""

EOD = '{ eod = { { block = "verify_sender" } } }'


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    return key_pair(tmp_path_factory.mktemp("attacks"))


def record(keys, name):
    return f"{name}. IN TXT " + " ".join(
        f'"{keys[1][i:i + 200]}"' for i in range(0, len(keys[1]), 200)) + "\n"


@pytest.fixture
def make(tmp_path, keys):
    started = []

    def start(flows=EOD, zone="", from_check="accept", extra="", kind='smtp = "127.0.0.1:PORT"', **files):
        config = CONFIG.replace("FLOWS", flows).replace("FROM_CHECK", from_check).replace("EXTRA", extra)
        config = config.replace("KIND", kind)
        base = {"zone.txt": ZONE + record(keys, "s1._domainkey.attack.example") + zone}
        base.update(files)
        server = Sluice(tmp_path / str(len(started)), config, base).start()
        started.append(server)
        return server

    yield start
    for server in started:
        assert server.stop() == 0, server.text()[-3000:]
        assert "AddressSanitizer" not in server.text() and "runtime error" not in server.text()


def send(server, message, path=b"<x@attack.example>", helo=b"attack.example"):
    """The reverse-path as it is written; the last reply."""
    for old in server.mail.glob("*/*/new/*"):
        old.unlink()
    client = server.client()
    reply = client.say(b"EHLO " + helo + b"\r\n")
    if reply.startswith("250"):
        reply = client.say(b"MAIL FROM:" + path + b"\r\n")
    if reply.startswith("250"):
        assert client.say("RCPT TO:<bob@example.org>").startswith("250")
        assert client.say("DATA").startswith("354")
        reply = client.say(message.replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n")
    client.close()
    return reply


def fields(message):
    head = message.split(b"\r\n\r\n")[0].decode("utf-8", "replace") + "\r\n"
    return re.findall(r"(?im)^(authentication-results[ \t]*:(?:.|\r\n[ \t])*?)\r\n(?![ \t])", head)


def results(message):
    """The one field of ours, as another program reads it."""
    ours = [f for f in fields(message) if re.match(r"[^:]*:\s*mx\.example\.org\s*;", f)]
    assert len(ours) == 1, ours
    parsed = authres.AuthenticationResultsHeader.parse(re.sub(r"\r\n[ \t]+", " ", ours[0]))
    assert parsed.authserv_id == "mx.example.org"
    return parsed.results


def props(result):
    return {f"{p.type}.{p.name}": p.value for p in result.properties}


def passed_for(message, domain):
    """Does a field of ours say that something passed for this domain, or for a name in it?"""
    return [(r.method, props(r)) for r in results(message) if r.result == "pass" and any(
        domain in re.split(r"[@\s]", value or "")[-1] for value in props(r).values())]


# ---- A10: who the message is from -----------------------------------------------------------

# Name: reverse-path, header. None of them passes for legit.example; which are refused says test_A10.
FROM = b"From: <admin@legit.example>\r\n"
ATTACK = b"From: <x@attack.example>\r\n"
A10_REFUSED = {
    "A1 a subdomain that doesn't exist": (b"<x@nothere.legit.example>", FROM),
    "A2 an empty reverse-path": (b"<>", FROM),
    "A8 two From fields": (b"<x@attack.example>", ATTACK + FROM),
    "A8 two From fields, the other first": (b"<x@attack.example>", FROM + ATTACK),
    "A9 a blank before the colon": (b"<x@attack.example>", b"From : <x@attack.example>\r\n" + FROM),
    "A9 a blank before the colon of the forged one": (b"<x@attack.example>", ATTACK + FROM.replace(b":", b" :")),
    "A12 From and Sender": (b"<x@attack.example>", FROM + b"Sender: <x@attack.example>\r\n"),
    "A13 From and Resent-From": (b"<x@attack.example>", FROM + b"Resent-From: <x@attack.example>\r\n"),
    "A14 two addresses": (b"<x@attack.example>", b"From: <x@attack.example>, <admin@legit.example>\r\n"),
    "A15 an encoded word for an address": (
        b"<x@attack.example>", b"From: =?utf-8?B?PGFkbWluQGxlZ2l0LmV4YW1wbGU+?=, <x@attack.example>\r\n"),
    "A16 a route": (b"<x@attack.example>", b"From: <@attack.example,@any.example:admin@legit.example>\r\n"),
    "A17 a quoted pair": (b"<x@attack.example>", b"From: <x@attack.example>\\,<admin@legit.example>\r\n"),
    "A18 no brackets, then brackets": (b"<x@attack.example>", b"From: admin@legit.example,<x@attack.example>\r\n"),
    "A19 an address behind the brackets": (b"<x@attack.example>", b"From: <x@attack.example>admin@legit.example\r\n"),
    "A19 an address as a name": (b"<x@attack.example>", b"From: admin@legit.example <x@attack.example>\r\n"),
    "a group": (b"<x@attack.example>", b"From: g: <x@attack.example>, <admin@legit.example>;\r\n"),
    "an open comment": (b"<x@attack.example>", b"From: <x@attack.example> (\r\n " + FROM + b"\r\n"),
    "a NUL in the domain": (b"<x@attack.example>", b"From: <admin@legit.example\0.attack.example>\r\n"),
    "no domain": (b"<x@attack.example>", b"From: admin\r\n"),
    "no From": (b"<x@attack.example>", b"Sender: <x@attack.example>\r\n"),
}


@pytest.mark.parametrize("case", A10_REFUSED)
def test_A10_refused(make, case):
    path, header = A10_REFUSED[case]
    server = make()
    reply = send(server, header + b"To: bob@example.org\r\n\r\nhi\r\n", path)
    assert reply.startswith("550 5.7.1"), reply


# Read alike by all, for the attacker: what is accepted is said to be of attack.example, or of nobody.
A10_ACCEPTED = {
    "A10 a fold before the colon": b"From\r\n : <admin@legit.example>\r\n" + ATTACK,
    "A11 a blank before the name": b" From: <admin@legit.example>\r\n" + ATTACK,
    "a display name": b"From: \"admin@legit.example\" <x@attack.example>\r\n",
    "a comment": b"From: x@attack.example (<admin@legit.example>)\r\n",
    "an encoded display name": b"From: =?utf-8?Q?admin=40legit.example?= <x@attack.example>\r\n",
    "a field in the body": ATTACK + b"\r\n" + FROM,
}


@pytest.mark.parametrize("case", A10_ACCEPTED)
def test_A10_accepted_as_the_attackers(make, case):
    server = make()
    reply = send(server, A10_ACCEPTED[case] + b"To: bob@example.org\r\n\r\nhi\r\n")
    if not reply.startswith("250"):
        assert reply.startswith("550")      # the header ends before a From field
        return
    message = server.message()
    assert passed_for(message, "attack.example") and not passed_for(message, "legit.example")
    assert [props(r)["header.from"] for r in results(message) if r.method == "dmarc"] == ["attack.example"]


# A3 to A7: what the attacker signs or says, to be read for more than it is.
HOSTILE = {
    "NUL in the selector": (b"attack.example", b"s1\0.any"),
    "NUL in the domain": (b"legit.example\0.attack.example", b"s1"),
    "a parenthesis": (b"legit.example(.attack.example", b"s1"),
    "a quote": (b"legit.example'a.attack.example", b"s1"),
    "double quotes": (b"legit.example\".attack.example", b"s1"),
    "a semicolon in the selector": (b"attack.example", b"s1; d=legit.example"),
    "results as the selector": (b"attack.example", b"x header.d=legit.example"),
    "a blank": (b"legit.example .attack.example", b"s1"),
    "a comment": (b"legit.example(x)", b"s1"),
    "too long": (b"legit.example." + b"a" * 300 + b".attack.example", b"s1"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_A10_signatures_say_no_more_than_they_are(make, keys, case):
    domain, selector = HOSTILE[case]
    server = make('{ eod = "eod.lua" }', **{"eod.lua": "AddAuthenticationResults()"})
    message = text_message("x@attack.example")
    signature = dkim.sign(message, b"s1", b"attack.example", keys[0].encode(), include_headers=[b"From"])
    signature = signature.replace(b"d=attack.example;", b"d=" + domain + b";").replace(
        b"s=s1;", b"s=" + selector + b";")
    reply = send(server, signature + message)
    assert reply.startswith("250"), reply
    delivered = server.message()
    assert not [r for r in results(delivered) if r.method == "dkim" and r.result == "pass"]
    assert not passed_for(delivered, "legit.example")


def test_A10_identity_injection(make, keys):
    """i= may hold anything that quoted-printable can say."""
    server = make('{ eod = "eod.lua" }', **{"eod.lua": "AddAuthenticationResults()"})
    for local in (b"a=3B=20dmarc=3Dpass=20header.from=3Dlegit.example=20", b"=22=5C=22=3B=28",
                  b"=0D=0AAuthentication-Results:=20mx.example.org=3B=20spf=3Dpass=0D=0AX:=20", b"=00=FF"):
        message = text_message("x@attack.example")
        signature = dkim.sign(message, b"s1", b"attack.example", keys[0].encode(),
                              include_headers=[b"From"], identity=local + b"@attack.example")
        assert send(server, signature + message).startswith("250")
        delivered = server.message()
        assert [r.method for r in results(delivered)] == ["spf", "spf", "dkim", "dmarc"]
        assert not passed_for(delivered, "legit.example")
        assert b"\r\nX: " not in delivered


PATHS = {
    "A5 a parenthesis": b"<any@legit.example(.attack.example>",
    "A6 a quote": b"<any@legit.example'@any.attack.example>",
    "A7 a route": b"<@legit.example,@any.example:x@attack.example>",
    "a quoted local part": b"<\"admin@legit.example\"@attack.example>",
    "results in the local part": b"<\"x; dmarc=pass header.from=legit.example\"@attack.example>",
    "a quote in the local part": b"<\"x\\\" smtp.mailfrom=legit.example\"@attack.example>",
    "a comment in the local part": b"<\"x(\"@attack.example>",
    "an equals sign": b"<x=legit.example@attack.example>",
}


@pytest.mark.parametrize("case", PATHS)
def test_A10_paths_say_no_more_than_they_are(make, case):
    server = make('{ eod = "eod.lua" }', **{
        "eod.lua": 'AddAuthenticationResults() AddHeader("Received-SPF", ScanSPF().received)'})
    reply = send(server, text_message("x@attack.example"), PATHS[case])
    if not reply.startswith("250"):
        assert re.match(r"5\d\d", reply)
        return
    delivered = server.message()
    assert [r.method for r in results(delivered)] == ["spf", "spf", "dkim", "dmarc"]
    assert not passed_for(delivered, "legit.example")
    assert len(re.findall(rb"(?im)^received-spf:", delivered)) == 1


@pytest.mark.parametrize("helo", [
    b"legit.example(.attack.example", b"attack.example;dmarc=pass", b"[127.0.0.1]", b"a\"b", b"_x.attack.example",
    b"localhost", b"x" * 300])
def test_A10_names_in_helo(make, helo):
    server = make('{ eod = "eod.lua" }', **{"eod.lua": "AddAuthenticationResults()"})
    reply = send(server, text_message("x@attack.example"), helo=helo)
    if not reply.startswith("250"):
        assert re.match(r"5\d\d", reply)
        return
    found = results(server.message())
    assert [r.method for r in found] == ["spf", "spf", "dkim", "dmarc"]
    assert props(found[1]) == {"smtp.helo": helo.decode()}


# ---- A11: two From domains --------------------------------------------------------------------

@pytest.mark.parametrize("header", [
    b"From: a@attack.example, b@legit.example\r\n", b"From: b@legit.example, a@attack.example\r\n",
    b"From: a@attack.example\r\nFrom: b@legit.example\r\n",
    b"From: " + b", ".join(b"u%d@attack.example" % i for i in range(60)) + b", b@legit.example\r\n"])
@pytest.mark.parametrize("from_check", ["accept", "reject"])
def test_A11_the_first_is_never_taken_silently(make, header, from_check):
    server = make('{ eod = "eod.lua", data = { { block = "verify_sender" } } }', from_check=from_check,
                  **{"eod.lua": """
        local result, err = ScanDMARC()
        syslog("notice", "dmarc " .. tostring(result) .. " " .. tostring(err) .. " " .. tostring(headerfrom))"""})
    assert send(server, header + b"\r\nhi").startswith("550 5.7.1")
    if "dmarc " in server.text():
        assert "dmarc nil permerror nil" in server.text()


def test_A11_several_of_one_domain_are_evaluated(make):
    server = make()
    assert send(server, b"From: a@attack.example, b@attack.example\r\n\r\nhi").startswith("250")
    assert send(server, b"From: a@legit.example, b@legit.example\r\n\r\nhi").startswith("550")


# ---- A26: SPF -----------------------------------------------------------------------------------

MANY = " ".join("a:h%d.spf.example" % i for i in range(11))
A26 = {
    "eleven look-ups": ([f'spf.example. IN TXT "v=spf1 {MANY} +all"'] +
                        [f"h{i}.spf.example. IN A 192.0.2.9" for i in range(11)], "permerror"),
    "ten look-ups": ([f'spf.example. IN TXT "v=spf1 {MANY.rsplit(" ", 1)[0]} ip4:127.0.0.1 -all"'] +
                     [f"h{i}.spf.example. IN A 192.0.2.9" for i in range(11)], "pass"),
    "three voids": (['spf.example. IN TXT "v=spf1 a:x.spf.example a:y.spf.example a:z.spf.example +all"'],
                    "permerror"),
    "an include of itself": (['spf.example. IN TXT "v=spf1 include:spf.example +all"'], "permerror"),
    "a redirect of itself": (['spf.example. IN TXT "v=spf1 redirect=spf.example"'], "permerror"),
    "a ring": (['spf.example. IN TXT "v=spf1 include:b.spf.example ~all"',
                'b.spf.example. IN TXT "v=spf1 include:spf.example +all"'], "permerror"),
    "mx of 100 hosts": (['spf.example. IN TXT "v=spf1 mx +all"'] +
                        [f"spf.example. IN MX 10 m{i}.spf.example." for i in range(100)] +
                        [f"m{i}.spf.example. IN A 192.0.2.9" for i in range(100)], "permerror"),
    "two records": (['spf.example. IN TXT "v=spf1 +all"', 'spf.example. IN TXT "v=spf1 -all"'], "permerror"),
    "a zero-width space": (['spf.example. IN TXT "v=spf1 \\226\\128\\139+all"'], "permerror"),
    "a macro that is cut off": (['spf.example. IN TXT "v=spf1 exists:%{ +all"'], "permerror"),
    "digits of a macro": (['spf.example. IN TXT "v=spf1 exists:%{d99999999999}.x +all"'], "permerror"),
    "a /0": (['spf.example. IN TXT "v=spf1 ip4:10.0.0.0/0 -all"'], "pass"),
    "+all": (['spf.example. IN TXT "v=spf1 +all"'], "pass"),
    "text behind the term": (['spf.example. IN TXT "v=spf1 +all; dmarc=pass"'], "permerror"),
    "an explanation with results": (['spf.example. IN TXT "v=spf1 -all exp=e.spf.example"',
                                     'e.spf.example. IN TXT "); dmarc=pass header.from=legit.example ("'], "fail"),
}


@pytest.mark.parametrize("case", A26)
def test_A26_records(make, case):
    lines, wanted = A26[case]
    server = make('{ eod = "eod.lua" }', "\n".join(lines) + "\n", **{"eod.lua": """
        local spf = ScanSPF()
        syslog("notice", "spf " .. spf.result .. " lookups " .. spf.lookups)
        AddAuthenticationResults()"""})
    assert send(server, text_message("x@attack.example"), b"<x@spf.example>").startswith("250")
    result, lookups = re.search(r"spf (\w+) lookups (\d+)", server.text()).groups()
    assert result == wanted and int(lookups) <= 11
    first = results(server.message())[0]
    assert (first.method, first.result) == ("spf", wanted)
    assert [r.method for r in results(server.message())] == ["spf", "spf", "dkim", "dmarc"]


# ---- A27: the HELO name is nobody's reverse-path ------------------------------------------------

@pytest.mark.parametrize("path", [b"<x@attack.example>", b"<x@nothing.example>"])
def test_A27_helo_decides_nothing(make, path):
    """SPF passes for the HELO name, which is the From domain; DMARC fails all the same."""
    server = make(zone='_dmarc.helo.example. IN TXT "v=DMARC1; p=none"\n'
                  'helo.example. IN TXT "v=spf1 ip4:127.0.0.1 -all"\n')
    assert send(server, text_message("a@helo.example"), path, b"helo.example").startswith("250")
    found = {(r.method, tuple(props(r))): r.result for r in results(server.message())}
    assert found["spf", ("smtp.helo",)] == "pass"
    assert [r for (method, _), r in found.items() if method == "dmarc"] == ["fail"]


# ---- A28: DMARC records ---------------------------------------------------------------------------

DEEP = ".".join("l%d" % i for i in range(20)) + ".victim.example"
A28 = {
    "two records": (['_dmarc.victim.example. IN TXT "v=DMARC1; p=none"',
                     '_dmarc.victim.example. IN TXT "v=DMARC1; p=reject"'], "victim.example", "policy_absent"),
    "many strings": (['_dmarc.victim.example. IN TXT "v=DM" "ARC1" "; p=" "rej" "ect"'], "victim.example", "reject"),
    "v= isn't first": (['_dmarc.victim.example. IN TXT "p=reject; v=DMARC1"'], "victim.example", "policy_absent"),
    "a NUL in a tag": (['_dmarc.victim.example. IN TXT "v=DMARC1; p=reject\\000"'], "victim.example", "policy_absent"),
    "a name of 22 labels": (['_dmarc.victim.example. IN TXT "v=DMARC1; p=reject"'], DEEP, "reject"),
    "np for what doesn't exist": (['_dmarc.victim.example. IN TXT "v=DMARC1; p=none; np=reject"'],
                                  "nothere.victim.example", "reject"),
    "np isn't for what exists": (['_dmarc.victim.example. IN TXT "v=DMARC1; p=none; np=reject"',
                                  "there.victim.example. IN A 192.0.2.1"], "there.victim.example", "none"),
    "t=y": (['_dmarc.victim.example. IN TXT "v=DMARC1; p=reject; t=y"'], "victim.example", "quarantine"),
    "pct=0": (['_dmarc.victim.example. IN TXT "v=DMARC1; p=reject; pct=0"'], "victim.example", "reject"),
    "psd=y where the walk starts": (['_dmarc.victim.example. IN TXT "v=DMARC1; p=reject; psd=y"'],
                                    "victim.example", "reject"),
}


@pytest.mark.parametrize("case", A28)
def test_A28_records(make, case):
    lines, domain, wanted = A28[case]
    server = make('{ eod = "eod.lua" }', "\n".join(lines) + "\n", **{"eod.lua": """
        local d = dmarc_details()
        syslog("notice", "dmarc " .. d.policy .. " (" .. d.reason .. ")")"""})
    assert send(server, text_message("ceo@" + domain)).startswith("250")
    assert re.search(r"dmarc (\w+)", re.search(r'text="?(dmarc .*)', server.text()).group(1)).group(1) == wanted


# ---- A29: results in our name -----------------------------------------------------------------------

FORGED = [b"Authentication-Results: mx.example.org; dmarc=pass header.from=legit.example",
          b"authentication-results: MX.EXAMPLE.ORG; dkim=pass header.d=legit.example",
          b"AUTHENTICATION-RESULTS : mx.example.org 1; spf=pass",
          b"Authentication-Results:\r\n\tmx.example.org;\r\n\tspf=pass",
          b"Authentication-Results: (a (nested) comment) mx.example.org (another); spf=pass",
          b"Authentication-Results: \"mx.example.org\"; spf=pass",
          b"Authentication-Results: \"mx.ex\\ample.org\"; spf=pass",
          b"Authentication-Results: mx.exam(hidden)ple.org; spf=pass",
          b"Authentication-Results: mx.example.org.; spf=pass",
          b"Authentication-Results: mx.example.org/1; spf=pass",
          b"Authentication-Results: mx.example.org",
          b"Authentication-Results: (never closed mx.example.org; spf=pass",
          b"Authentication-Results: \"mx.example.org; spf=pass",
          b"Authentication-Results:",
          b"Authentication-Results: ; spf=pass"]
OTHERS = [b"Authentication-Results: mx.example.net; spf=pass",
          b"Authentication-Results: mx.example.org.example.net; spf=pass",
          b"X-Authentication-Results: mx.example.org; spf=pass"]


def forgery(count=1):
    block = b"".join(f + b"\r\n" for pair in zip(FORGED, (OTHERS * 5)[:len(FORGED)]) for f in pair)
    return block * count + text_message("x@attack.example")


@pytest.mark.parametrize("flows", ["{}", '{ eod = "eod.lua" }', EOD])
def test_A29_forged_results_are_removed(make, flows):
    """With a script or without one, whatever stands between them (CVE-2022-48521)."""
    server = make(flows, **{"eod.lua": """
      for _, value in ipairs(GetHeaders("Authentication-Results")) do
        if not value:find("mx.example.net", 1, true) and not value:find("example.org.example", 1, true) then
          Reject("a forged field is seen: " .. value)
        end
      end"""})
    for count in (1, 20):
        assert send(server, forgery(count)).startswith("250")
        message = server.message()
        left = [f.split(":", 1)[1].strip() for f in fields(message) if "Authentication-Results: mx.example.net" in f
                or "example.org.example.net" in f]
        assert len(left) == 10 * count
        assert len(fields(message)) == len(left) + (flows == EOD)
        assert message.count(b"X-Authentication-Results: mx.example.org") == 5 * count
        assert f"authres_removed" in server.text() and f"fields={15 * count}" in server.text()
    if flows == EOD:
        assert [r.method for r in results(message)] == ["spf", "spf", "dkim", "dmarc"]


@pytest.mark.parametrize("count", [1, 20])
def test_A29_a_mail_server_removes_them_as_the_milter_says(make, count):
    """It counts the fields of a name: what is deleted first may not move the others (CVE-2022-48521)."""
    server = make(kind='milter = "inet:127.0.0.1:PORT"')
    message = forgery(count).replace(b"AUTHENTICATION-RESULTS :", b"AUTHENTICATION-RESULTS:")
    with session(server.port, ip="127.0.0.1") as m:
        assert m.transaction(message, sender="<x@attack.example>").command == "c"
        left = m.delivered(message)
    assert len(fields(left)) == 10 * count + 1 and left.startswith(b"Authentication-Results: mx.example.org;")
    assert [r.method for r in results(left)] == ["spf", "spf", "dkim", "dmarc"]
    assert passed_for(left, "attack.example")


def test_A29_an_earlier_machine_of_ours_is_believed(make):
    server = make("{}", extra='trusted = { "127.0.0.1" },')
    field = FORGED[0] + b"\r\n"
    assert send(server, field + text_message("x@attack.example")).startswith("250")
    assert field in server.message()
    # but there is one field of ours when we write one
    server = make(EOD, extra='trusted = { "127.0.0.1" },')
    assert send(server, field * 3 + text_message("x@attack.example")).startswith("250")
    assert len(fields(server.message())) == 1


def test_A29_the_configured_name_counts(make):
    server = make("{}", extra='authserv_id = "example.org",')
    message = b"".join(b"Authentication-Results: %s; spf=pass\r\n" % i for i in (
        b"example.org", b"mx.example.org", b"EXAMPLE.org 1")) + text_message("x@attack.example")
    assert send(server, message).startswith("250")
    assert [f.split(": ")[1] for f in fields(server.message())] == ["mx.example.org; spf=pass"]


def test_A29_signatures_are_those_of_the_message_as_received(make, keys):
    """What is removed doesn't break what is verified here."""
    server = make()
    message = FORGED[0] + b"\r\n" + text_message("x@attack.example")
    signature = dkim.sign(message, b"s1", b"attack.example", keys[0].encode(),
                          include_headers=[b"From", b"Authentication-Results"])
    assert send(server, signature + message).startswith("250")
    found = {r.method: r.result for r in results(server.message())}
    assert found["dkim"] == "pass" and found["dmarc"] == "pass"


# ---- A30: ARC -----------------------------------------------------------------------------------------

def arc_set(i, cv="pass", **change):
    seal = f"ARC-Seal: i={i}; a=rsa-sha256; cv={cv}; d=attack.example; s=s1; t=1; b=AAAA\r\n"
    ams = (f"ARC-Message-Signature: i={i}; a=rsa-sha256; c=relaxed/relaxed; d=attack.example; s=s1; "
           "h=from; bh=AAAA; b=AAAA\r\n")
    aar = f"ARC-Authentication-Results: i={i}; attack.example; dmarc=pass header.from=legit.example\r\n"
    return (change.get("seal", seal) + change.get("ams", ams) + change.get("aar", aar)).encode()


A30 = {
    "a gap": arc_set(3) + arc_set(1, "none"),
    "i=51": arc_set(51),
    "51 sets": b"".join(arc_set(i, "pass" if i > 1 else "none") for i in range(51, 0, -1)),
    "a set twice": arc_set(1, "none") * 2,
    "cv=fail": arc_set(2, "fail") + arc_set(1, "none"),
    "cv=pass first": arc_set(1, "pass"),
    "unsigned": arc_set(1, "none"),
    "an unknown algorithm": arc_set(1, "none").replace(b"a=rsa-sha256", b"a=dsa-sha3", 1),
    "a large signature": arc_set(1, "none").replace(b"b=AAAA", b"b=" + b"A" * 30000, 1),
    "unknown methods": arc_set(1, "none").replace(b"dmarc=pass", b"dara=pass; dmarc=pass"),
}


@pytest.mark.parametrize("case", A30)
def test_A30_chains_that_arent_believed(make, case):
    """Whom we would believe, if the chain passed: the message stays what it is, and it is said."""
    trust = '{ eod = { { block = "verify_sender", trusted_sealers = { "attack.example" } } } }'
    server = make(trust)
    assert send(server, A30[case] + text_message("ceo@legit.example")).startswith("550 5.7.1")
    server = make('{ eod = "eod.lua" }', **{
        "eod.lua": 'local arc = ScanARC() syslog("notice", "arc " .. arc.result) AddAuthenticationResults()'})
    assert send(server, A30[case] + text_message("x@attack.example")).startswith("250")
    assert "arc fail" in server.text()
    assert [r.result for r in results(server.message()) if r.method == "arc"] == ["fail"]
    assert not passed_for(server.message(), "legit.example")


def test_A30_fifty_sets_are_looked_at_in_bounded_time(make, keys):
    """Each hop is sealed by the attacker: the chain is good, and vouches for nobody we trust."""
    message = text_message("x@attack.example")
    server = make('{ eod = "eod.lua" }', **{"keys/k.pem": keys[0], "eod.lua":
                  'ARCSeal("s1", "attack.example", "pki:k", { results = "attack.example; none" })'})
    for _ in range(50):
        assert send(server, message).startswith("250"), server.text()[-2000:]
        message = server.message().split(b"\r\n", 2)[2]
        message = re.sub(rb"(?m)^Received:[^\r]*(\r\n[ \t][^\r]*)*\r\n", b"", message)
    assert message.count(b"ARC-Seal:") == 50
    server = make('{ eod = "eod.lua" }', **{"keys/k.pem": keys[0], "eod.lua": """
      local arc = ScanARC()
      local sealed, err, code = ARCSeal("s1", "attack.example", "pki:k")
      syslog("notice", "arc " .. arc.result .. " " .. #arc.sets .. " " .. tostring(sealed) .. " " .. code)
      AddAuthenticationResults()"""})
    assert send(server, message).startswith("250")
    assert "arc pass 50 false ended" in server.text()
