"""ScanARC and ARCSeal in a gateway: what comes in is validated, what goes out sealed."""
import re

import dkim
import pytest

from harness import Sluice, key_pair, text_message, wait_for

CONFIG = """return {
  hostname = "mx.example.org", workers = 1,
  listen = { { smtp = "127.0.0.1:PORT", server = "inbound" } },
  servers = { inbound = { flows = { data = "data.lua" },
                          relay = { ["example.org"] = { transport = "mailbox" } } } },
  transports = { mailbox = { maildir = "MAIL/%d/%u" } },
  dns = { zone = "zone.txt", zone_only = true },
}"""

SEAL = """
local arc = ScanARC()
syslog("notice", "arc " .. arc.result .. " " .. #arc.sets .. " " .. arc.oldest_pass .. " (" .. arc.reason .. ")")
local sealed, err, code = ARCSeal("s1", "example.org", "pki:k", %s)
syslog("notice", "sealed " .. tostring(sealed) .. " " .. tostring(code) .. " " .. tostring(err))
"""

RESULTS = '{ results = "mx.example.org; spf=pass smtp.mailfrom=x@example.com" }'


@pytest.fixture(scope="session")
def material(tmp_path_factory):
    pem, record = key_pair(tmp_path_factory.mktemp("arc"))
    return {"pem": pem, "record": record}


def zone(material):
    record = material["record"]
    text = " ".join('"%s"' % record[i:i + 200] for i in range(0, len(record), 200))
    return "".join(f"{name}. IN TXT {text}\n" for name in
                   ("s1._domainkey.example.org", "s1._domainkey.hop.example"))


@pytest.fixture
def make(tmp_path, material):
    started = []

    def start(script, **files):
        base = {"zone.txt": zone(material), "keys/k.pem": material["pem"], "data.lua": script}
        base.update(files)
        server = Sluice(tmp_path / str(len(started)), CONFIG, base).start()
        started.append(server)
        return server

    yield start
    for server in started:
        assert server.stop() == 0, server.text()[-3000:]
        assert "AddressSanitizer" not in server.text() and "runtime error" not in server.text()


def pass_through(server, message):
    """Sends it; returns what was delivered, without what mailbox and server put on top."""
    client = server.client()
    client.say("EHLO client.example")
    _, reply = client.send("x@example.com", ["bob@example.org"], message)
    client.close()
    assert reply.startswith("250"), reply
    delivered = server.message().split(b"\r\n", 2)[2]
    delivered = re.sub(rb"\AReceived:.*(\r\n[ \t].*)*\r\n", b"", delivered)
    for path in server.mail.glob("*/*/new/*"):
        path.unlink()
    return delivered


def validates(material, message):
    status = dkim.arc_verify(message, dnsfunc=lambda name, timeout=5: material["record"].encode())[0]
    return status.decode() if status else "ended"


def logged(server, what):
    return re.findall(what, server.text())


def test_a_first_set(make, material):
    server = make(SEAL % RESULTS)
    message = pass_through(server, text_message("x@example.com"))
    assert logged(server, r"arc none 0 0 \(\)") and logged(server, "sealed true nil nil")
    assert re.findall(rb"^ARC-[^:]*", message, re.M) == [
        b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"]
    assert message.startswith(b"ARC-Seal: a=rsa-sha256;")
    assert b"i=1; mx.example.org; spf=pass smtp.mailfrom=x@example.com\r\n" in message
    assert b"cv=none" in message
    assert validates(material, message) == "pass"


def test_hop_after_hop(make, material):
    server = make(SEAL % RESULTS)
    message = text_message("x@example.com")
    for _ in range(4):
        message = pass_through(server, message)
    assert validates(material, message) == "pass"
    assert re.findall(rb"cv=(\w+)", message) == [b"pass", b"pass", b"pass", b"none"]
    assert logged(server, r"arc (\w+ \d \d)") == ["none 0 0", "pass 1 0", "pass 2 0", "pass 3 0"]


def test_results_of_the_scans(make, material):
    server = make(SEAL % "{}", **{"zone.txt": zone(material) +
                                  'example.com. IN TXT "v=spf1 ip4:127.0.0.1 -all"\n'
                                  '_dmarc.example.com. IN TXT "v=DMARC1; p=reject"\n'})
    message = pass_through(server, text_message("x@example.com"))
    results = re.search(rb"ARC-Authentication-Results: i=1; (.*?)\r\n[A-Z]", message, re.S).group(1)
    results = re.sub(rb"\s+", b" ", results).decode()
    assert results.startswith("mx.example.org; arc=none; spf=pass")
    assert "smtp.mailfrom=x@example.com" in results
    assert "dmarc=pass" in results and "header.from=example.com" in results
    assert validates(material, message) == "pass"


def test_a_failed_chain_is_sealed_once_more(make, material):
    """RFC 8617 5.1.2, and 5.1: nobody seals after cv=fail."""
    server = make(SEAL % RESULTS)
    message = pass_through(server, text_message("x@example.com"))
    broken = message.replace(b"Subject: test", b"Subject: text")
    failed = pass_through(server, broken)
    assert b"cv=fail" in failed and failed.count(b"ARC-Seal:") == 2
    assert logged(server, r"arc fail 1 0 \(ARC-Message-Signature 1: signature did not verify\)")
    again = pass_through(server, failed)
    assert again.rstrip() == failed.rstrip()
    assert logged(server, "sealed false ended ARC-Seal 2 says cv=fail")


def test_dkim_comes_before_the_seal(make, material):
    """RFC 8617 5.1: asked for after it, made before it."""
    server = make(SEAL % RESULTS + 'AddHeader("X-Late", "yes") DKIMSign("s1", "example.org", "pki:k")')
    message = pass_through(server, text_message("x@example.com"))
    names = re.findall(rb"^([A-Za-z-]+):", message, re.M)
    assert names[:4] == [b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results",
                         b"DKIM-Signature"]
    signed = re.search(rb"ARC-Message-Signature:.*?\sh=(.*?);", message, re.S).group(1)
    assert b"DKIM-Signature" in re.split(rb"[:\s]+", signed)
    assert validates(material, message) == "pass"
    assert dkim.verify(message, dnsfunc=lambda name, timeout=5: material["record"].encode())


def test_the_sets_in_lua(make, material):
    server = make("""
        local arc = ScanARC()
        for _, set in ipairs(arc.sets) do
          syslog("notice", "set " .. set.instance .. " " .. set.cv .. " " .. set.seal.domain .. " " ..
            set.seal.selector .. " " .. set.seal.result .. " " .. set.seal.bits .. " " ..
            set.message_signature.result .. " [" .. set.results .. "]")
        end
        if arc.result == "pass" and arc.from_signed and not arc.temporary then
          ARCSeal("s1", "hop.example", "pki:k", { results = "hop.example; dara=pass header.x=y" })
        else
          ARCSeal("s1", "example.org", "pki:k", { results = "mx.example.org; none" })
        end""")
    message = text_message("x@example.com")
    for _ in range(3):
        message = pass_through(server, message)
    sets = logged(server, r"set (\d.*?\])")
    assert sets[:1] == ["1 none example.org s1 pass 2048 pass [mx.example.org; none]"]
    assert sets[1:] == sets[:1] + ["2 pass hop.example s1 pass 2048 pass [hop.example; dara=pass header.x=y]"]
    assert validates(material, message) == "pass"


REFUSED = {
    "no such key": ('ARCSeal("s1", "example.org", "pki:other")', "other"),
    "no domain": ('ARCSeal("s1", "example", "pki:k")', "no domain to sign for"),
    "a forbidden header": (
        'ARCSeal("s1", "example.org", "pki:k", { headers = { "From", "ARC-Seal" } })', "never signed"),
    "a line end in the results": (
        'ARCSeal("s1", "example.org", "pki:k", { results = "x; none\\r\\nBcc: y" })', "control byte"),
    "twice": ('(function() ARCSeal("s1", "example.org", "pki:k") '
              'return ARCSeal("s1", "example.org", "pki:k") end)()', "sealed already"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(make, case):
    call, reason = REFUSED[case]
    server = make(f"""
        local function answer(...) return ... end
        local ok, err, code = answer({call})
        syslog("notice", "refused " .. tostring(ok) .. " " .. tostring(err) .. " " .. tostring(code))""")
    pass_through(server, text_message("x@example.com"))
    assert len(logged(server, f"refused false .*{reason}.* nil")) == 1, server.text()[-1000:]


def test_unknown_options_are_told(make):
    server = make('ARCSeal("s1", "example.org", "pki:k", { result = "x; none" })')
    client = server.client()
    client.say("EHLO client.example")
    _, reply = client.send("x@example.com", ["bob@example.org"], text_message("x@example.com"))
    assert reply.startswith("451 4.3.0"), reply
    wait_for(lambda: logged(server, r'option .*result.* is unknown \(results\?\)'), "the error")
    client.close()


def test_a_chain_taken_away_is_no_chain_to_seal(make, material):
    """What was validated must be what is sealed: else 451, and nothing is delivered."""
    server = make(SEAL % RESULTS + 'if GetHeader("X-Strip") then DelHeader("ARC-Seal") end')
    message = pass_through(server, text_message("x@example.com"))
    client = server.client()
    client.say("EHLO client.example")
    _, reply = client.send("x@example.com", ["bob@example.org"], b"X-Strip: yes\r\n" + message)
    assert reply.startswith("451"), reply
    client.close()
    assert server.messages() == []
    wait_for(lambda: logged(server, "can't be said of a broken chain"), "the error")
