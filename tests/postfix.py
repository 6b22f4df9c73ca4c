"""Postfix's tools, and private instances of it: from $POSTFIX_ROOT (an unpacked package), from what an
earlier test unpacked, or installed."""
import contextlib
import fcntl
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile

from harness import ROOT, free_port, wait_for

UNPACKED = ROOT / "build-cache" / "postfix"


class Postfix:
    """Postfix's tools, and an instance of it in a folder of ours."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.env = dict(os.environ, LD_LIBRARY_PATH=str(self.root / "usr/lib/postfix"))

    def tool(self, name):
        path = self.root / "usr/sbin" / name
        return str(path) if path.exists() else None

    def start(self, folder, main="", services=""):
        """(port, process), or raises OSError with the reason. 'main' and 'services' are further
        lines of main.cf and master.cf."""
        if os.geteuid() != 0:
            raise OSError("needs root: it runs as several users, of which a namespace of one's own has one")
        conf, queue, port = folder / "etc", folder / "spool", free_port()
        lib = self.root / "usr/lib/postfix"
        for d in (conf, queue, folder / "data"):
            d.mkdir(parents=True)
        owner, group = pwd.getpwnam("games"), "mail"
        for d in "active bounce corrupt defer deferred flush hold incoming private saved trace".split():
            (queue / d).mkdir(mode=0o700)
            os.chown(queue / d, owner.pw_uid, 0)
        for d, mode in (("maildrop", 0o730), ("public", 0o710), ("pid", 0o755)):
            (queue / d).mkdir()
            shutil.chown(queue / d, owner.pw_uid if d != "pid" else 0, group)
            (queue / d).chmod(mode)
        os.chown(folder / "data", owner.pw_uid, 0)
        (conf / "main.cf").write_text(f"""compatibility_level = 3.6
queue_directory = {queue}
data_directory = {folder / 'data'}
daemon_directory = {lib / 'sbin'}
command_directory = {self.root / 'usr/sbin'}
shlib_directory = {lib}
meta_directory = {conf}
mail_owner = {owner.pw_name}
setgid_group = {group}
default_privs = nobody
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LD_LIBRARY_PATH={lib}
maillog_file = {folder / 'log'}
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.example.org
mydestination =
alias_maps =
relay_domains = example.org
relay_transport = discard:
default_transport = discard:
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
default_process_limit = 200
{main}""")
        master = (self.root / "usr/share/postfix/master.cf.dist").read_text()
        master = re.sub(r"(?m)^smtp +inet .*$", f"127.0.0.1:{port} inet n - n - - smtpd", master)
        master = re.sub(r"(?m)^(\S+\s+unix\s+\S+\s+\S+\s+)y", r"\1n", master)
        (conf / "master.cf").write_text(master + services)
        (conf / "postfix-files").write_text("")
        process = subprocess.Popen([lib / "sbin/master", "-c", conf, "-d"], env=self.env,
                                   stdout=subprocess.DEVNULL, stderr=open(folder / "errors", "w"))
        try:
            wait_for(lambda: listening(port) or process.poll() is not None, "Postfix", 10)
        except AssertionError:
            process.terminate()
        if process.poll() is not None:
            said = "".join(p.read_text() for p in (folder / "errors", folder / "log") if p.exists())
            raise OSError("didn't start: " + said.strip()[-300:])
        return port, process


def listening(port):
    with open("/proc/net/tcp") as f:
        return any(f":{port:04X} 00000000:0000 0A" in line for line in f)


def find_postfix():
    for root in (os.environ.get("POSTFIX_ROOT"), UNPACKED, "/"):
        if root and Postfix(root).tool("smtp-source"):
            return Postfix(root)
    return None


def unpack(folder, *packages):
    """The distribution's packages, unpacked (not installed) into 'folder': all of them or none, also where several
    processes of tests want them at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return
        with tempfile.TemporaryDirectory(dir=folder.parent) as place, \
                contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["apt-get", "download", *packages], cwd=place, check=True, capture_output=True, timeout=120)
            for package in pathlib.Path(place).glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", package, f"{place}/root"], check=True, capture_output=True)
            os.rename(f"{place}/root", folder)


def fetch_postfix():
    """As find_postfix; where there is none, the distribution's package is unpacked."""
    if find_postfix() is None:
        unpack(UNPACKED, "postfix")
    return find_postfix()
