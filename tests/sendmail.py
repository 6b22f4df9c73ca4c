"""Private instances of Sendmail, from the distribution's packages, unpacked and not installed. Sendmail
wants its host name to be one with a domain and asks for it at start, so an instance has a host name
and a hosts file of its own, in namespaces; that needs root."""
import contextlib
import os
import shutil
import subprocess

from harness import ROOT, free_port, wait_for
from postfix import listening, unpack

CACHE = ROOT / "build-cache" / "sendmail"
PACKAGES = "sendmail-bin sendmail-base sendmail-cf libwrap0 m4 libsigsegv2".split()

MC = """OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `mx.example.org')dnl
define(`QUEUE_DIR', `FOLDER/queue')dnl
define(`STATUS_FILE', `FOLDER/status')dnl
define(`confPID_FILE', `FOLDER/pid')dnl
define(`confSERVICE_SWITCH_FILE', `FOLDER/switch')dnl
undefine(`ALIAS_FILE')dnl
undefine(`confHOST_STATUS_DIRECTORY')dnl
define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe')dnl
define(`confCHECK_ALIASES', `False')dnl
define(`LOCAL_MAILER_PATH', `FOLDER/deliver')dnl
define(`LOCAL_MAILER_ARGS', `deliver $f $u')dnl
define(`_DEF_LOCAL_MAILER_FLAGS', `lsDFM')dnl
define(`LOCAL_MAILER_FLAGS', `SPhn8')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`accept_unresolvable_domains')dnl
DAEMON_OPTIONS(`Name=MTA, Addr=127.0.0.1, Port=PORT1, Family=inet')dnl
DAEMON_OPTIONS(`Name=outbound, Addr=127.0.0.1, Port=PORT2, Family=inet')dnl
MILTER
MAILER(`local')dnl
MAILER(`smtp')dnl
LOCAL_CONFIG
Cwexample.org example.com
"""

DELIVER = """#!/bin/sh
f=$(mktemp FOLDER/mail/.XXXXXX)
{ printf 'X-Envelope: <%s> <%s>\\n' "$1" "$2"; cat; } > "$f"
mv "$f" "FOLDER/mail/${f##*/.}"
"""

RUN = """#!/bin/sh
set -e
hostname mx.example.org
mount --bind FOLDER/hosts /etc/hosts
mount --bind FOLDER/nsswitch /etc/nsswitch.conf
exec FOLDER/sendmail -C FOLDER/sendmail.cf -bD
"""


def fetch_sendmail():
    """The folder with the unpacked packages, or None."""
    root = CACHE / "root"
    if not (root / "usr/libexec/sendmail/sendmail").exists():
        unpack(root, *PACKAGES)
    return root if (root / "usr/libexec/sendmail/sendmail").exists() else None


class Sendmail:
    """Delivers what it takes for example.org and example.com into files; raises OSError with the reason."""

    def __init__(self, root, folder, milter):
        if os.geteuid() != 0:
            raise OSError("needs root: it runs as several users, of which a namespace of one's own has one")
        self.folder, self.port, self.outbound = folder, free_port(), free_port()
        self.mail = folder / "mail"
        for name in ("mail", "queue"):
            (folder / name).mkdir(mode=0o700)
        libraries = f"{root}/usr/lib/x86_64-linux-gnu:{root}/lib/x86_64-linux-gnu"
        self.env = dict(os.environ, LD_LIBRARY_PATH=libraries)
        shutil.copy(root / "usr/libexec/sendmail/sendmail", folder / "sendmail")  # without its set-group-id
        for name, text in (("sendmail.mc", MC), ("deliver", DELIVER), ("run", RUN),
                           ("hosts", "127.0.0.1 mx.example.org localhost\n"),
                           ("nsswitch", "passwd: files\ngroup: files\nhosts: files\n"),
                           ("switch", "hosts files\naliases files\npasswd files\n")):
            for key, value in (("FOLDER", folder), ("PORT1", self.port), ("PORT2", self.outbound),
                               ("MILTER", milter)):
                text = text.replace(key, str(value))
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        cf = root / "usr/share/sendmail/cf"
        done = subprocess.run([root / "usr/bin/m4", f"-D_CF_DIR_={cf}/", cf / "m4/cf.m4", "sendmail.mc"],
                              cwd=folder, env=self.env, check=True, capture_output=True, text=True)
        (folder / "sendmail.cf").write_text(done.stdout)
        self.process = subprocess.Popen(["unshare", "--mount", "--uts", folder / "run"], env=self.env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=open(folder / "errors", "w"))
        with contextlib.suppress(AssertionError):
            wait_for(lambda: listening(self.outbound) or self.process.poll() is not None, "Sendmail")
        if not listening(self.outbound):
            self.stop()
            raise OSError("didn't start: " + self.text()[-300:])

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def text(self):
        """What it complained about."""
        return (self.folder / "errors").read_text()

    def messages(self):
        paths = sorted(self.mail.glob("[!.]*"), key=lambda p: p.stat().st_mtime_ns)
        return [p.read_bytes() for p in paths]

    def empty(self):
        for path in self.mail.glob("*"):
            path.unlink()
        for path in (self.folder / "queue").glob("*"):
            path.unlink()

    def quarantined(self):
        return [p.name[2:] for p in (self.folder / "queue").glob("hf*")]
