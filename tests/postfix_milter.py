"""For tests of a policy behind a real Postfix: one that asks a milter and delivers into a folder,
and the sluice where it asks."""
import base64
import os
import pathlib
import pwd
import shutil
import socketserver
import subprocess
import tempfile
import threading

import pytest

from harness import ROOT, Client, Sluice, free_port, key_pair, wait_for
from postfix import fetch_postfix

CONFIG = """return {
  hostname = "mx.example.org", workers = 2, quarantine = { "spam" },
  listen = { { milter = "inet:127.0.0.1:MILTER", server = "inbound" OPTIONS } },
  servers = { inbound = { flows = { FLOWS }, relay = {} },
              outbound = { flows = { data = "outbound.lua" }, relay = {} } MORE },
  dns = { zone = "zone.txt", zone_only = true }, EXTRA
}"""


def configuration(port, phases, extra="", options="", more=""):
    flows = ", ".join(f'{phase} = "{phase}-script.lua"' for phase in phases)
    config = CONFIG
    for name, value in (("MILTER", str(port)), ("EXTRA", extra), ("OPTIONS", options), ("MORE", more),
                        ("FLOWS", flows)):
        config = config.replace(name, value)
    return config


MAIN = """virtual_mailbox_domains = example.org, example.com
virtual_mailbox_base = MAIL
virtual_mailbox_maps = static:box/
virtual_minimum_uid = 1
virtual_uid_maps = static:UID
virtual_gid_maps = static:GID
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
milter_connect_timeout = 5s
local_header_rewrite_clients =
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
relay_domains =
command_directory = TOOLS
"""


class Accounts:
    """Who Postfix asks when a client logs in, by Dovecot's protocol: everybody is who he says."""

    def __init__(self):
        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                self.wfile.write(b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t" + b"0" * 32 +
                                 b"\nDONE\n")
                for line in self.rfile:
                    words = line.decode().rstrip("\n").split("\t")
                    if words[0] == "AUTH":
                        user = base64.b64decode(words[-1].removeprefix("resp=")).split(b"\0")[1].decode()
                        self.wfile.write(f"OK\t{words[1]}\tuser={user}\n".encode())

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Mta:
    """A Postfix that asks a milter at self.milter and delivers into self.mail."""

    def __init__(self, postfix, folder):
        if os.geteuid() != 0:
            raise OSError("needs root: it runs as several users, of which a namespace of one's own has one")
        self.postfix, self.folder = postfix, folder
        self.milter, self.submission, self.login = free_port(), free_port(), free_port()
        self.accounts = Accounts()
        self.mail = folder / "mail"
        self.mail.mkdir()
        owner = pwd.getpwnam("games")
        os.chown(self.mail, owner.pw_uid, owner.pw_gid)
        main = MAIN + (ROOT / "examples/postfix/main.cf").read_text().replace("8890", str(self.milter))
        for name, value in (("MAIL", self.mail), ("TOOLS", self.tools()), ("UID", owner.pw_uid),
                            ("GID", owner.pw_gid)):
            main = main.replace(name, str(value))
        self.port, self.process = postfix.start(folder / "postfix", main, (
            f"127.0.0.1:{self.submission} inet n - n - - smtpd\n"
            "  -o milter_macro_daemon_name=outbound\n"
            f"127.0.0.1:{self.login} inet n - n - - smtpd\n"
            f"  -o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=dovecot\n"
            f"  -o smtpd_sasl_path=inet:127.0.0.1:{self.accounts.port}\n"))

    def tools(self):
        """Postfix's commands, each with the libraries of where it was unpacked."""
        tools = self.folder / "tools"
        tools.mkdir()
        for name in ("postdrop", "sendmail"):
            (tools / name).write_text("#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s \"$@\"\n" % (
                self.postfix.env["LD_LIBRARY_PATH"], self.postfix.tool(name)))
            (tools / name).chmod(0o755)
        return tools

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.accounts.stop()

    def text(self):
        return (self.folder / "postfix" / "log").read_text()

    def messages(self):
        """What is in the mailbox, by number of arrival; without what delivery put on top."""
        paths = sorted(self.mail.glob("box/new/*"), key=lambda p: p.stat().st_mtime_ns)
        return [p.read_bytes() for p in paths]

    def empty(self):
        shutil.rmtree(self.mail / "box", ignore_errors=True)

    def command(self, message, sender="ann@example.net"):
        """By Postfix's own sendmail."""
        subprocess.run([self.folder / "tools" / "sendmail", "-C", self.folder / "postfix" / "etc", "-f", sender,
                        "bob@example.org"], input=message, capture_output=True, timeout=30, check=True)

    def held(self):
        return list((self.folder / "postfix" / "spool" / "hold").rglob("*"))


@pytest.fixture(scope="module")
def mta():
    postfix = fetch_postfix()
    if postfix is None:
        pytest.skip("no Postfix: neither installed nor to be had as a package")
    with tempfile.TemporaryDirectory() as folder:	# pytest's own are for root alone
        os.chmod(folder, 0o755)
        try:
            mta = Mta(postfix, pathlib.Path(folder))
        except OSError as error:
            pytest.skip(f"Postfix: {error}")
        yield mta
        mta.stop()


@pytest.fixture
def make(mta, tmp_path):
    """make(data="...", ...) starts sluice where the Postfix asks. 'options' go to its listener, 'more' to
    the servers, 'extra' to the configuration."""
    started = []

    def start(files=None, extra="", options="", more="", **scripts):
        base = {"zone.txt": "example.org. IN A 127.0.0.1\n", "outbound.lua": "", **(files or {})}
        base.update({phase + "-script.lua": text for phase, text in scripts.items()})
        config = configuration(mta.milter, scripts, extra, options, more)
        server = Sluice(tmp_path / str(len(started)), config, base)
        started.append(server)
        return server.start()

    mta.empty()
    yield start
    for server in started:
        assert server.stop() == 0, server.text()[-3000:]
        assert "AddressSanitizer" not in server.text() and "runtime error" not in server.text()


def send(port, message, recipients=("bob@example.org",), sender="ann@example.net", client_ip=None, user=None):
    client = Client(port)
    client.say("EHLO client.example")
    if client_ip is not None:
        assert client.say(f"XCLIENT ADDR={client_ip} NAME=client.example").startswith("220")
        client.say("EHLO client.example")
    if user is not None:
        token = base64.b64encode(f"\0{user}\0secret".encode()).decode()
        assert client.say("AUTH PLAIN " + token).startswith("235")
    rcpt, reply = client.send(sender, recipients, message[:-2] if message.endswith(b"\r\n") else message)
    client.close()
    return reply


def header(stored):
    """What Postfix stored, below its own Received."""
    lines = stored.split(b"\n")
    at = next(i for i, line in enumerate(lines) if line.startswith(b"Received:")) + 1
    while lines[at][:1] in (b"\t", b" "):
        at += 1
    return b"\n".join(lines[at:])


def fields(text):
    """[[name, value]] of a header; values as the file has them."""
    found = []
    for line in text.partition(b"\n\n")[0].split(b"\n"):
        if line[:1] in (b" ", b"\t"):
            found[-1][1] += b"\n" + line
        else:
            name, _, value = line.partition(b":")
            found.append([name, value])
    return found


def one(mta):
    return wait_for(mta.messages, "a message: " + mta.text()[-1500:])[0]


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return key_pair(tmp_path_factory.mktemp("postfix-key"))
