"""doc/tutorial.md and others, walked through: its files are written, its commands run, what they say compared."""
import os
import re
import subprocess

import pytest

from harness import ROOT, SLUICE

BLOCK = re.compile(r"^```(\w*)\n((?:--|;|//) (\S+)\n)(.*?)^```$|^((?:    [^\n]*\n)+)", re.M | re.S)


def steps(text):
    for _, first, name, content, commands in BLOCK.findall(text):
        if name:        # a comment of Lua is part of the file
            yield "file", name, first * (not first.startswith(";")) + content
            continue
        lines = [line[4:] for line in commands.rstrip("\n").split("\n")]
        while lines:
            assert lines[0].startswith("$ "), lines[0]
            command, said = lines.pop(0)[2:], []
            while lines and not lines[0].startswith("$ "):
                said.append(lines.pop(0))
            yield "command", command, said


def pattern(said):
    """'...' alone is any lines, inside of a line any text."""
    out = ""
    for line in said:
        out += r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + "\n"
    return out


@pytest.mark.parametrize("name, least", [("tutorial", 14), ("testing", 3), ("finding-bugs", 10)])
def test_walked_through(tmp_path, name, least):
    env = dict(os.environ, PATH=f"{SLUICE.parent}:{os.environ['PATH']}")
    commands = 0
    for kind, what, rest in steps((ROOT / f"doc/{name}.md").read_text()):
        if kind == "file":
            (tmp_path / what).write_text(rest)
            continue
        done = subprocess.run(["sh", "-c", what], cwd=tmp_path, env=env, capture_output=True, text=True,
                              timeout=60)
        assert re.fullmatch(pattern(rest), done.stdout), (what, done.stdout, done.stderr)
        assert done.stderr == "", (what, done.stderr)
        commands += 1
    assert commands >= least


def init(*args):
    return subprocess.run([SLUICE, "init", *args], capture_output=True, text=True)


def test_init(tmp_path):
    assert init(tmp_path / "p").returncode == 0
    for command in (["check"], ["test"]):
        assert subprocess.run([SLUICE, *command, tmp_path / "p"], capture_output=True).returncode == 0
    (library,) = re.findall(r'"workspace.library": \["(.*)"\]', (tmp_path / "p/.luarc.json").read_text())
    assert "DKIMSign" in open(library).read()
    (tmp_path / "p/recipients.lua").write_text("mine")
    again = init(tmp_path / "p")
    assert again.returncode == 1 and "File exists" in again.stderr
    assert (tmp_path / "p/recipients.lua").read_text() == "mine"


@pytest.mark.parametrize("args", [[], ["a", "b"], ["a", "--domain", "no..domain"]])
def test_usage(args, tmp_path):
    done = subprocess.run([SLUICE, "init", *args], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and not list(tmp_path.iterdir())
