"""The reference: complete, fresh, and its examples are Lua that runs."""
import pathlib
import re
import subprocess

import pytest

from harness import ROOT, SLUICE

# Modules whose functions need neither a phase nor the network.
ALONE = {"cache", "core", "net", "password", "state"}


def lua(*args):
    return subprocess.run(["lua5.4", *args], cwd=ROOT, capture_output=True, text=True)


def test_every_row_has_a_comment_with_an_example():
    result = lua("tools/reference.lua", "check")
    assert result.returncode == 0, result.stdout


def test_the_reference_is_fresh():
    assert lua("tools/reference.lua", SLUICE).stdout == (ROOT / "doc/reference.md").read_text(), \
        "run make docs"


def test_layers():
    result = lua("tools/layers.lua")
    assert result.returncode == 0, result.stdout


def examples():
    for path in sorted(ROOT.glob("lua/*/*.c")):
        for comment, fn in re.findall(r"/\*lua\n(.*?)\*/\nstatic int\n(\w+)\(", path.read_text(),
                                      re.S):
            code = "\n".join(line[4:] for line in comment.split("\n") if line.startswith("    "))
            yield path.parent.name, fn, code


EXAMPLES = list(examples())


@pytest.mark.parametrize("module,fn,code", EXAMPLES, ids=[e[1] for e in EXAMPLES])
def test_example(tmp_path, module, fn, code):
    script = tmp_path / "example.lua"
    script.write_text(code if module in ALONE and "Defer" not in code
                      else "local function example()\n" + code + "\nend")
    result = subprocess.run([SLUICE, "exec", script], capture_output=True, text=True, timeout=20)
    assert result.returncode == 0, code + "\n" + result.stderr
