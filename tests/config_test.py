"""sluice check: every error, with line and column, and what was meant."""
import re
import subprocess

import pytest

from harness import SLUICE, certificate

BAD = """return { workers = 1000, hostnam = "x", size = "10X", recipients = 0,
  listen = { { smtp = "127.0.0.1:2525", server = "in" }, { milter = "unix:x", server = "in" },
             { smtp = "nowhere", server = "gone", auth = "perhaps" } },
  servers = { ["in"] = { flows = { data = "x.hsl", dta = "y.lua" }, relay = { ["*"] = { transport = "nope" } } } },
  transports = { a = { mx = true, tls = "dane" }, b = { mx = true, discard = true },
    c = { mx = true, connections = 0 } },
  users = "users",
}
"""

ERRORS = [
    'sluice.lua:1:26: hostnam is unknown (hostname?)',
    'sluice.lua:1:41: size: size (bytes, or a text like "10M") expected, got a string',
    'sluice.lua:1:55: recipients: 0 is not between 1 and 100000',
    "sluice.lua:2:58: milter: the path of a socket begins with /",
    'listen.3.auth: one of none optional required expected',
    'server "gone" is not in servers',
    'sluice.lua:4:36: the policy has no script x.hsl',
    'sluice.lua:4:52: dta is no phase',
    'sluice.lua:4:79: transport "nope" is not in transports',
    'sluice.lua:5:18: tls = "dane" isn\'t built in this version',
    'transports.b: exactly one of host, mx, lmtp, maildir, discard expected',
    'sluice.lua:6:22: transports.c.connections: 0 is not between 1 and 10000',
    'users:2:1: the second field is not a hash that crypt(3) knows',
    'users:3:1: name:hash:domain,domain expected',
]


def check(folder, *args):
    """Findings are on standard output; here each is its place and its text."""
    result = subprocess.run([SLUICE, "check", folder, *args], capture_output=True, text=True)
    result.stdout = re.sub(r"^(\S+:\d+:\d+): error: (.*) \[[a-z-]+\]$", r"\1: \2", result.stdout, flags=re.M)
    assert result.stderr == ""
    return result


def test_all_errors_at_once(tmp_path):
    (tmp_path / "sluice.lua").write_text(BAD)
    (tmp_path / "users").write_text("# accounts\nann:secret:example.org\nbob\n")
    result = check(tmp_path)
    assert result.returncode == 1
    for error in ERRORS:
        assert error in result.stdout, error + "\n" + result.stdout


def test_what_is_no_table_is_told(tmp_path):
    (tmp_path / "data.hsl").write_text("")
    (tmp_path / "data.lua").write_text("")
    (tmp_path / "sluice.lua").write_text("""return { connections = 5, limits = "x", dns = "1.1.1.1",
      hostname = "mx\\r\\n250 x", size = "1e30", tls = "mx.pem",
      servers = { s = { flows = "data.lua", relay = "domains.csv" } } }""")
    text = check(tmp_path).stdout
    for key in ("connections", "limits", "dns", "tls"):
        assert f"{key}: table expected, got a" in text, text
    for part in ("hostname:", "size: size", "servers.s.flows: a table of phases expected",
                 "servers.s.relay: a table of domains expected", "both data.lua and data.hsl are there"):
        assert part in text, part + "\n" + text


def test_links_and_secrets_stay_where_they_are(tmp_path):
    policy = tmp_path / "policy"
    (policy / "secrets").mkdir(parents=True)
    (policy / "secrets" / "token").write_text("x")
    (policy / "sluice.lua").write_text('local t = lines "secrets/token" return {}')
    assert "isn't data: use secret" in check(policy).stdout
    (policy / "outside").symlink_to("/etc/hostname")
    assert "the link leaves the policy's folder" in check(policy).stdout


def test_open_relay_is_refused_off_loopback(tmp_path):
    policy = """return { open_relay = true, listen = { { smtp = "%s:25", server = "s" } },
      servers = { s = { relay = { ["*"] = { transport = "t" } } } }, transports = { t = { mx = true } } }"""
    (tmp_path / "sluice.lua").write_text(policy % "192.0.2.1")
    assert "open_relay is refused" in check(tmp_path).stdout
    (tmp_path / "sluice.lua").write_text(policy % "127.0.0.1")
    assert check(tmp_path).returncode == 0


def test_runaway_configuration(tmp_path):
    (tmp_path / "sluice.lua").write_text("while true do end")
    result = check(tmp_path)
    assert result.returncode == 1 and "steps" in result.stdout


def test_100000_relay_rows(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "domains.csv").write_text(
        "domain,transport\n" + "".join(f"d{i}.example,t\n" for i in range(100000)))
    (tmp_path / "sluice.lua").write_text("""return { listen = {},
      servers = { s = { relay = csv "domains.csv" } }, transports = { t = { mx = true } } }""")
    assert check(tmp_path).returncode == 0


def test_defaults_tell_where_values_come_from(tmp_path):
    (tmp_path / "sluice.lua").write_text("""return {
  hops = 7,
  servers = { s = {} } }""")
    result = check(tmp_path, "--defaults")
    assert result.returncode == 0, result.stdout
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "hops 7 -- sluice.lua:2" in lines and "recipients 1000 -- default" in lines


BASE = """return {
  listen = { { smtp = "127.0.0.1:2525", server = "s" LISTEN } },
  servers = { s = { relay = { ["example.org"] = { transport = "t" } } } },
  transports = { t = { mx = true TRANSPORT } },
  EXTRA
}"""

# What is written, and the words: file, line, key, value, what would be right.
WRONG = {
    "apis = 7": "sluice.lua:5:3: apis: a table of APIs by name expected",
    "dns = { servers = 5 }": "sluice.lua:5:11: dns.servers: a list expected",
    'dns = { servers = { 5 } }': "sluice.lua:5:11: dns.servers: addresses expected",
    'dns = { servers = { "here" } }': "sluice.lua:5:11: dns.servers: ",
    'api = { url = "https://x.example", headers = 5 }':
        "sluice.lua:5:38: api.headers: a table of names and values expected",
    'api = { url = "https://x.example", headers = { A = 5 } }':
        "sluice.lua:5:38: api.headers: the value of A must be a string",
    'admin = "nonsense"': "sluice.lua:5:3: admin: ",
    'log = { level = "loud" }': 'sluice.lua:5:11: log.level: "loud" is none of debug, info',
    "reload_grace = -1": "sluice.lua:5:3: reload_grace: -1 is not between 0 and",
    "limits = { memory = 0 }": "sluice.lua:5:14: limits.memory: 0 is not between 65536 and",
    "size = 0": "sluice.lua:5:3: size: 0 is not between 1000 and",
    'tls = { cert = "mx.pem" }': "sluice.lua:5:3: tls: key is missing",
    'tls = { key = "pki:mx" }': "sluice.lua:5:3: tls: cert is missing",
    'tls = { cert = "mx.pem", key = "pki:other" }': "sluice.lua:5:3: tls: ",
    'trusted = { "0.0.0.0/0" }':
        "sluice.lua:5:3: trusted: 0.0.0.0/0 is everybody: this lets anyone relay and needs open_relay",
    'trusted = { "::/0" }': "sluice.lua:5:3: trusted: ::/0 is everybody",
    'trusted = { "0.0.0.0/1", "128.0.0.0/1" }': "trusted: 128.0.0.0/1 is everybody",
    "trusted = { 7 }": "sluice.lua:5:3: trusted: networks expected, as texts",
    "from_check = true": "sluice.lua:5:3: from_check: one of reject accept expected, got a boolean",
    'sender_login = "yes"': 'sender_login: one of none domain expected, got "yes"',
    "transports = 7": "sluice.lua:5:3: transports: a table of transports expected",
}


def policy_of(folder, extra="", listen="", transport=""):
    (folder / "keys").mkdir()
    for name in ("mx", "other"):
        made = folder / ("made-" + name)
        made.mkdir()
        cert, key = certificate(made)
        (folder / "keys" / f"{name}.pem").write_text(key)
        if name == "mx":
            (folder / "mx.pem").write_text(cert)
    (folder / "sluice.lua").write_text(BASE.replace("EXTRA", extra).replace("LISTEN", listen)
                                       .replace("TRANSPORT", transport))
    return folder


@pytest.mark.parametrize("extra", WRONG)
def test_what_is_wrong_is_told(tmp_path, extra):
    result = check(policy_of(tmp_path, extra))
    assert result.returncode == 1
    assert WRONG[extra] in result.stdout, result.stdout


def test_auth_needs_tls_or_the_permission_to_do_without(tmp_path):
    for i, (listen, extra, good) in enumerate([
            (', auth = "required", tls = "none"', "", False), (', auth = "optional"', "", False),
            (', auth = "required", tls = "none", auth_in_clear = true', "", True),
            (', auth = "required"', 'tls = { cert = "mx.pem", key = "pki:mx" }', True)]):
        folder = tmp_path / str(i)
        folder.mkdir()
        result = check(policy_of(folder, extra, listen))
        assert (result.returncode == 0) == good, result.stdout
        assert good or "sluice.lua:2:14: listen.1: auth is offered over TLS only" in result.stdout


def test_spellings(tmp_path):
    result = check(policy_of(tmp_path, 'from_check = "accept", sender_login = "domain", '
                             'trusted = { "10.0.0.0/8", "2001:db8::/32" }',
                             transport=', tls = "required"'), "--defaults")
    assert result.returncode == 0, result.stdout
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert 'from_check "accept" -- sluice.lua:5' in lines
    assert 'sender_login "domain" -- sluice.lua:5' in lines


def test_csv_with_quotes(tmp_path):
    (tmp_path / "d.csv").write_text('domain,transport\r\n# a comment\r\n\r\n'
                                    '"a.example" , "t"\r\n"b""c",t\r\nd.example,"none,such"\r\n')
    (tmp_path / "sluice.lua").write_text("""return { listen = {},
      servers = { s = { relay = csv "d.csv" } }, transports = { t = { mx = true } } }""")
    text = check(tmp_path).stdout
    assert '"b"c": ' in text and 'transport "none,such" is not in transports' in text
    assert "a.example" not in text
