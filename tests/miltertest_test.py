"""The milter host, asked by miltertest of the OpenDKIM project, with scripts of our own in miltertest/."""
import shutil
import subprocess

import pytest

from harness import ROOT, Sluice

SCRIPTS = ROOT / "tests" / "miltertest"
POLICY = {path.name: path.read_text() for path in (SCRIPTS / "policy").iterdir()}
CONVERSATIONS = sorted(path.stem for path in SCRIPTS.glob("*.lua") if path.stem != "common")

pytestmark = pytest.mark.skipif(shutil.which("miltertest") is None, reason="there is no miltertest")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    flows = {name: text for name, text in POLICY.items() if name != "sluice.lua"}
    server = Sluice(tmp_path_factory.mktemp("miltertest"), POLICY["sluice.lua"], flows).start()
    yield server
    assert server.stop() == 0, server.text()[-3000:]
    assert "AddressSanitizer" not in server.text() and "runtime error" not in server.text()


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_conversation(server, conversation):
    done = subprocess.run(["miltertest", "-D", f"port={server.port}", "-D", f"here={SCRIPTS}",
                           "-s", SCRIPTS / f"{conversation}.lua"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr + server.text()[-2000:]


def test_the_scripts_can_fail(server, tmp_path):
    (tmp_path / "wrong.lua").write_text('dofile(here .. "/common.lua")\nlocal conn = greeted()\n'
                                        'send(conn, "reject")\nexpect(conn, SMFIR_CONTINUE)\n')
    done = subprocess.run(["miltertest", "-D", f"port={server.port}", "-D", f"here={SCRIPTS}",
                           "-s", tmp_path / "wrong.lua"], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "the reply is a reply, not continue" in done.stdout + done.stderr
