"""The language, rule by rule: the programs of tests/hsl/*.hsl with the output they say.

A file is a row of programs, each below a line "//// title". What a program must print stands
behind "//=" at the end of its lines or on lines of its own, in order; "//!" is a part of the
error it must end with. A program without "//!" must end well.
"""
import pathlib
import re
import subprocess

import pytest

from harness import SLUICE, needs

FOLDER = pathlib.Path(__file__).parent / "hsl"


def programs():
    for path in sorted(FOLDER.glob("*.hsl")):
        parts = re.split(r"^//// (.+)\n", path.read_text(), flags=re.M)
        for title, text in zip(parts[1::2], parts[2::2]):
            yield pytest.param(text, id=f"{path.stem}: {title}")


@pytest.mark.parametrize("text", programs())
def test_program(tmp_path, text):
    script = tmp_path / "p.hsl"
    script.write_text(text)
    result = subprocess.run([SLUICE, "exec", script], capture_output=True, text=True, timeout=60)
    needs("PCRE2", result.stderr)
    wanted = re.findall(r"//= ?(.*)$", text, flags=re.M)
    errors = re.findall(r"//! ?(.*)$", text, flags=re.M)
    assert result.stdout == "".join(line + "\n" for line in wanted), result.stderr
    assert result.returncode == (1 if errors else 0), result.stderr
    for error in errors:
        assert error in result.stderr.replace(str(script), "p.hsl"), result.stderr


def test_every_program_says_what_it_wants():
    for param in programs():
        assert re.search(r"//[=!]", param.values[0]), param.id
