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


BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize("text, output, error", [
    (b'echo 1;\r\necho "a\r\nb";\r\n// c\r\n  echo $nope;\r\n', b"1\na\r\nb\n", "p.hsl:5:8: $nope is not defined"),
    (b'/* a\r\n b */ $a = ;\r\n', b"", "p.hsl:2:12: ';' can't begin a value"),
    (b'echo #/a/\r\n;echo 5 //\r\n', b"/a/\n5\n", None),
    (BOM + b"echo 1; echo $nope;", b"1\n", "p.hsl:1:14: $nope is not defined"),
    (BOM + b"$a = ;", b"", "p.hsl:1:6: ';' can't begin a value"),
    (BOM + b"\r\n// level: 2016\r\n$a = 1; echo \"$a_b\";\r\n$c = ;", b"", "p.hsl:4:6: ';' can't begin a value"),
    (b"echo 1;\n" + BOM + b"echo 2;", b"", "p.hsl:2:1: a byte-order mark can't stand here"),
    (b"echo 1\0;", b"", "p.hsl:1:7: the byte 0x00 can't stand here"),
    (b"echo 1; \xe9;", b"", "p.hsl:1:9: the byte 0xe9 can't stand here"),
    (b"", b"", None),
])
def test_files_of_other_systems(tmp_path, text, output, error):
    """CR LF and a byte-order mark are accepted, and places stay right."""
    script = tmp_path / "p.hsl"
    script.write_bytes(text)
    result = subprocess.run([SLUICE, "exec", script], capture_output=True, timeout=60)
    assert result.stdout == output
    assert result.returncode == (1 if error else 0)
    assert (error or "") in result.stderr.decode(errors="replace").replace(str(script), "p.hsl")


def test_every_program_says_what_it_wants():
    for param in programs():
        assert re.search(r"//[=!]", param.values[0]), param.id
