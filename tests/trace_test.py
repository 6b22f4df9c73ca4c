"""sluice trace: what a message went through, in order, and nothing that is secret."""
import base64
import json
import os
import re
import subprocess

import pytest

from harness import SLUICE

CONFIG = """
return {
  hostname = "mx.example.org",
  listen = { { smtp = "127.0.0.1:2525", server = "inbound" } },
  dns = { zone = "zone.txt" },
  servers = { inbound = { flows = { rcptto = "rcptto.lua", data = { "look.lua", "data.lua" } },
                          relay = { ["example.org"] = { transport = "box" } } } },
  transports = { box = { discard = true } },
  api = { url = "https://keys.example.net/v1", headers = { Authorization = secret "token" } },
}
"""
LOOK = """
local txt = dnstxt("slow.example")
AddHeader("X-Txt", (txt or {})[1] or "none")
DelHeader("X-Old")
"""
DATA = """
local key = api_call("?domain=$1", { senderdomain })
if key then
  echo("the key is " .. key.pem)
  AddHeader("X-Key", "is used")
  assert(DKIMSign("s1", "example.com", key.pem))
end
if GetHeader("X-Break") then local x = nil; x.y = 1 end
Deliver({ transportid = "box" })
"""
MESSAGE = b"From: ann@example.com\nX-Old: 1\nSubject: hello\n\nHi.\n"


@pytest.fixture
def folder(tmp_path):
    policy = tmp_path / "policy"
    (policy / "secrets").mkdir(parents=True)
    (policy / "sluice.lua").write_text(CONFIG)
    (policy / "zone.txt").write_text('slow.example. TXT "the text"\nslow.example. DELAY 2000\n')
    (policy / "rcptto.lua").write_text('if recipient == "no@example.org" then Reject("not here") end\n')
    (policy / "look.lua").write_text(LOOK)
    (policy / "data.lua").write_text(DATA)
    (policy / "secrets/token").write_text("Bearer of-the-token\n")
    (tmp_path / "message").write_bytes(MESSAGE)
    (tmp_path / "none").write_text("{}")
    return tmp_path


def trace(folder, *args, ip="192.0.2.1", to="bob@example.org", http="none"):
    return subprocess.run(
        [SLUICE, "trace", folder / "message", "--policy", folder / "policy", "--ip", ip, "--helo",
         "client.example", "--from", "ann@example.com", "--to", to,
         "--http", f"https://keys.example.net/*={folder / http}", *args],
        capture_output=True, text=True, timeout=60)


def timeline(text):
    """(milliseconds, what) of each line of the timeline."""
    return [(float(m[1]), m[2]) for m in re.finditer(r"^ *(\d+\.\d)  (.*)$", text, re.M)]


def test_timeline(folder):
    done = trace(folder)
    assert done.returncode == 0, done.stderr
    what = [re.sub(r"\(\d+\.\d ms\)", "", re.sub(" +", " ", text)).strip()
            for _, text in timeline(done.stdout)]
    wanted = ["connect Accept: 220 [default]",
              'rcptto Accept: 250 2.1.5 Recipient ok [end of the flow] for bob@example.org',
              'data look.lua:2 dnstxt("slow.example")', "DNS TXT slow.example: ok the text",
              '= { "the text" }', 'data look.lua:3 AddHeader("X-Txt", "the text")',
              'data data.lua:2 api_call("?domain=$1", { "example.com" })',
              "HTTP GET https://keys.example.net/v1?domain=example.com: 200, 2 bytes", "= nil",
              'data data.lua:9 Deliver({ transportid = "box" })',
              "data Deliver: 250 2.0.0 Message accepted [data.lua:9] for bob@example.org"]
    at = -1
    for text in wanted:
        text = text.replace("[end of the flow]", "[default]")
        assert text in what[at + 1:], (text, what)
        at = what.index(text, at + 1)
    # the answer that is two seconds late is so, and didn't take them
    times = dict((text.strip(), ms) for ms, text in timeline(done.stdout))
    assert any(2000 <= ms < 60000 for text, ms in times.items() if "DNS TXT slow" in text)
    tail = done.stdout.split("\n\n")[1]
    assert tail.startswith("250 2.0.0 Message accepted\n  Deliver in data, decided at data.lua:9\n")
    assert tail.endswith("queued for bob@example.org by box\n  + X-Txt: the text\n  - X-Old: 1\n")


def pem_key():
    return subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
                          check=True, capture_output=True, text=True).stdout


def raw_key():
    return base64.b64encode(os.urandom(32)).decode()


@pytest.mark.parametrize("key", [pem_key, raw_key])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_secrets_never_appear(folder, key, form):
    key = key()
    (folder / "key").write_text(json.dumps({"pem": key}))
    done = trace(folder, *form, http="key")
    assert done.returncode == 0 and "DKIM-Signature: v=1" in done.stdout
    assert "[secret sha256:" in done.stdout
    lines = [line for line in key.split("\n") if line and "-----" not in line]
    for secret in lines + ["of-the-token"]:
        assert secret not in done.stdout + done.stderr


def test_json(folder):
    done = trace(folder, "--json", "--time", "2026-01-01")
    trace_of = json.loads(done.stdout)
    assert trace_of["verdict"]["action"] == "Deliver" and trace_of["unanswered"] == []
    assert trace_of["verdict"]["messages"][0]["bytes"].startswith("X-Txt: the text\r\nFrom: ann")
    assert trace_of["events"][0]["time"].startswith("2026-01-01T00:00:00")
    assert trace_of["events"][-1]["time"].startswith("2026-01-01T00:00:02")
    calls = [e["builtin"] for e in trace_of["events"] if e["event"] == "call"]
    assert calls == ["Accept", "dnstxt", "AddHeader", "DelHeader", "api_call", "GetHeader", "Deliver"]
    assert [e["at"] for e in trace_of["events"]] == sorted(e["at"] for e in trace_of["events"])


def test_unanswered(folder):
    (folder / "policy/zone.txt").write_text("other.example. A 192.0.2.1\n")
    done = trace(folder)
    assert done.returncode == 1
    assert "DNS TXT slow.example: servfail" in done.stdout
    assert done.stderr == "sluice: DNS: nobody answered TXT slow.example (--zone FILE, or --live)\n"
    (folder / "more").write_text("slow.example. NXDOMAIN\n")
    assert trace(folder, "--zone", folder / "more").returncode == 0


def test_what_ends_it(folder):
    done = trace(folder, to="no@example.org")
    assert done.returncode == 0
    assert done.stdout.endswith("550 5.7.1 not here\n  Reject in rcptto, decided at rcptto.lua:1\n")
    (folder / "message").write_bytes(b"X-Break: 1\n" + MESSAGE)
    done = trace(folder)
    assert "script_error error=data.lua:8:" in done.stdout
    assert "attempt to index a nil value (local 'x')" in done.stdout
    assert "(the script failed)" in done.stdout


def test_what_is_needed(folder):
    done = subprocess.run([SLUICE, "trace", folder / "message", "--ip", "192.0.2.1", "--helo", "x",
                           "--from", ""], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("sluice: --to is needed\nusage:")
    done = trace(folder, ip="nowhere")
    assert done.returncode == 2 and done.stderr == 'sluice: "nowhere" is no IP address\n'
    done = trace(folder, "--time", "soon")
    assert done.returncode == 2 and "--time" in done.stderr
    done = trace(folder, "--server", "other")
    assert done.returncode == 2 and 'server "other" is not in the policy' in done.stderr


SENT = {
    "Lua": ("data.lua", 'http("https://a.example/", { headers = { Authorization = "Bearer typed-in" } })\n'
            'AddHeader("X-Why", "typed-in")\nDeliver({ transportid = "box" })\n'),
    "HSL": ("data.hsl", 'http("https://a.example/", ["headers" => ["authorization" => "Bearer typed-in"]]);\n'
            'Deliver(["transportid" => "box"]);\n'),
}


@pytest.mark.parametrize("language", SENT)
def test_what_is_sent_as_an_authorization_is_a_secret(folder, language):
    name, script = SENT[language]
    (folder / "policy/data.lua").unlink()
    (folder / "policy" / name).write_text(script)
    config = CONFIG.replace('"data.lua"', f'"{name}"')
    (folder / "policy/sluice.lua").write_text(config)
    for form in ([], ["--json"]):
        done = trace(folder, "--http", f"https://a.example/={folder / 'none'}", *form)
        assert done.returncode == 0, done.stderr
        assert "uthorization" in done.stdout and "Bearer typed-in" not in done.stdout
        assert "[secret sha256:" in done.stdout
