"""The examples, walked through as their READMEs say."""
import base64
import re
import shutil
import subprocess

import dkim
import pytest

from harness import (ROOT, SLUICE, Api, Sluice, answer_json, certificate, password_hash,
                     text_message, wait_for)


def article(tmp_path, changes=lambda text: text):
    """The article's policy with key, certificate and account, on ports of the test's."""
    source = ROOT / "examples/dmarc-article/policy"
    cert, key = certificate(tmp_path)
    pem = tmp_path / "example.com.pem"
    subprocess.run(["openssl", "genrsa", "-out", pem, "2048"], check=True, capture_output=True)
    der = subprocess.run(["openssl", "pkey", "-in", pem, "-pubout", "-outform", "DER"], check=True,
                         capture_output=True).stdout
    record = "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()
    zone = (source / "zone.txt").read_text() + "s1._domainkey.example.com. IN TXT ( " + " ".join(
        f'"{record[i:i + 250]}"' for i in range(0, len(record), 250)) + " )\n"
    files = {path.name: path.read_text() for path in source.glob("*.lua")}
    config = files.pop("sluice.lua").replace("127.0.0.1:2525", "127.0.0.1:PORT")
    config = config.replace("127.0.0.1:2587", "127.0.0.1:SUBMIT").replace("mail/%d", "MAIL/%d")
    files.update({"zone.txt": zone, "mx.pem": cert, "keys/mx.pem": key,
                  "keys/example.com.pem": pem.read_text(),
                  "users": f"ann:{password_hash('secret')}:example.com\n"})
    return Sluice(tmp_path / "server", changes(config), files).start(), pem.read_text(), record


def submit(server):
    client = server.client(server.submission)
    assert client.login("ann", "secret").startswith("235")
    _, reply = client.send("ann@example.com", ["bob@example.net"], text_message("ann@example.com"))
    client.close()
    return reply


def with_blocks(config):
    """The flows that stand there as an alternative, instead of the scripts."""
    changed, n = re.subn(r"flows = .*\n\s*-- or, without a script: ", "", config)
    assert n > 0
    return changed


@pytest.mark.parametrize("form", [lambda text: text, with_blocks], ids=["scripts", "blocks"])
def test_the_article(tmp_path, form):
    server, _, record = article(tmp_path, form)
    assert submit(server).startswith("250")
    message = server.message()
    assert dkim.verify(message, dnsfunc=lambda name, timeout=5: record.encode())
    # what we signed passes our own inbound flow; a forgery doesn't
    client = server.client()
    client.say("EHLO x")
    signed = message[message.index(b"DKIM-Signature:"):].rstrip(b"\r\n")
    assert client.send("b@other.example", ["carl@example.com"], signed)[1].startswith("250")
    reply = client.send("b@other.example", ["carl@example.com"], text_message("ann@example.com"))[1]
    assert reply.startswith("550 5.7.1 The message violates the DMARC policy of example.com")
    wait_for(lambda: len(server.messages()) == 2, "our own mail")
    assert any(b"Authentication-Results: mx.example.com;" in m for m in server.messages()) == (
        form is with_blocks)
    client.close()
    assert server.stop() == 0


def test_external_keys(tmp_path):
    api = Api(lambda path: answer_json({}))
    server, pem, record = article(tmp_path, lambda text: text.replace(
        '"outbound.lua"', '"external-keys.lua"').replace(
        "  users =", f'  api = {{ url = "{api.url}", negative_ttl = 0 }},\n  users ='))
    assert submit(server).startswith("250")
    assert b"DKIM-Signature" not in server.message()     # the API has no key for the account
    api.stop()
    assert server.stop() == 0


def test_policies_load(tmp_path):
    """The demo's policy, as "sluice check" sees it without its generated files."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    result = subprocess.run([SLUICE, "check", tmp_path / "scripts"], capture_output=True, text=True)
    assert result.returncode == 1 and "has no file secrets/api-token" in result.stdout


def test_the_demo_with_blocks(tmp_path):
    folder = tmp_path / "scripts"
    shutil.copytree(ROOT / "scripts", folder)
    config = with_blocks((folder / "sluice.lua").read_text())
    assert 'block = "verify_sender"' in config and "inbound.lua" not in config
    cert, key = certificate(tmp_path)
    for name, text in {"sluice.lua": config, "mx.pem": cert, "keys/mx.pem": key, "users": "",
                       "secrets/api-token": "x"}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    result = subprocess.run([SLUICE, "check", folder], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_the_postfix_readme_as_it_stands(tmp_path):
    """Its commands, in their order; what serves is looked at in milter_test.py."""
    folder = tmp_path / "postfix"
    shutil.copytree(ROOT / "examples/postfix", folder)
    lines = re.findall(r"^    sluice (.+)$", (folder / "README.md").read_text(), re.M)
    assert lines[-1] == "run policy"
    said = [subprocess.run([SLUICE, *line.split()], cwd=folder, capture_output=True, text=True)
            for line in lines[:-1]]
    assert [done.returncode for done in said] == [0, 0, 0], said
    assert said[1].stdout == "policy: no errors\n" and said[2].stdout.endswith(" passed, 0 failed\n")
