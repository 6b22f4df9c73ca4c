"""HSL's compiler on programs that were damaged: it ends, with code that loads or with errors."""
import pathlib
import random
import re
import subprocess

from harness import SLUICE

WORDS = ["$a", "f(", ")", "{", "}", "[", "]", ";", "=", "=>", "->", "?", ":", "??", "...", "'", '"', "''",
         "#/", "/*", "//", "if", "else", "foreach", "as", "switch", "case", "default", "function",
         "closure", "global", "class", "constructor", "yield", "try", "catch", "throw", "match",
         "cache", "builtin", "isset", "unset", "none", "and", "not", "++", "**", "=~", "::", "0x",
         "1.2", "\x80", "\xff", "\0", "${a}", "$this", "static", "include", "return", "break"]


def damaged(rng, text):
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(text) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            text = text[:at] + rng.choice(WORDS) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + rng.randrange(1, 10):]
        elif kind == 2:
            text = text[:at] + text[at:at + rng.randrange(1, 60)] * rng.randrange(2, 4) + text[at:]
        else:
            text = text[:at] + " " + rng.choice(WORDS) + " " + text[at:]
    return text


def test_damaged_programs(tmp_path):
    rng = random.Random(2016)
    programs = []
    for path in sorted((pathlib.Path(__file__).parent / "hsl").glob("*.hsl")):
        programs += re.split(r"^//// .+\n", path.read_text(), flags=re.M)[1:]
    (tmp_path / "sluice.lua").write_text("return {}")
    for i in range(600):
        (tmp_path / f"p{i}.hsl").write_bytes(damaged(rng, rng.choice(programs)).encode("latin-1", "replace"))
    for i in range(50):
        (tmp_path / f"r{i}.hsl").write_bytes(bytes(rng.randrange(256) for _ in range(300)))
    result = subprocess.run([SLUICE, "check", tmp_path], capture_output=True, timeout=300)
    assert result.returncode == 1
    for line in result.stderr.decode("latin-1").splitlines():
        assert "gave up" not in line and "too complex" not in line, line


def test_nesting_and_length_are_bounded(tmp_path):
    deep = 5000
    for text, words in [
            ("$a = " + "(" * deep + "1" + ")" * deep + ";", "nested deeper than"),
            ("if (1) " * deep + "echo 1;", "nested deeper than"),
            ("$a = " + "[" * deep, "nested deeper than"),
            ("$a = " + "!" * deep + "1;", "nested deeper than"),
            ("{" * deep, "nested deeper than"),
            ("f(" * deep, "nested deeper than"),
            ("$a = " + "-" * deep + "1;", "nested deeper than")]:
        script = tmp_path / "deep.hsl"
        script.write_text(text)
        result = subprocess.run([SLUICE, "exec", script], capture_output=True, text=True, timeout=60)
        assert result.returncode == 1 and words in result.stderr, result.stderr[-500:]


def test_long_rows_compile(tmp_path):
    script = tmp_path / "long.hsl"
    script.write_text("$a = 1;\n" + "echo strlen(" + " . ".join(["$a"] * 3000) + ");\n" +
                      "echo " + " + ".join(["$a"] * 3000) + ";\n" +
                      "echo count([" + ", ".join(["1"] * 5000) + "]);\n" +
                      "if ($a == 2) echo 2;" + "".join(f" else if ($a == {i}) echo {i};" for i in range(40)) +
                      "\n" + "".join(f"function f{i}() {{ return {i}; }}\n" for i in range(500)) +
                      "echo f499();\n")
    result = subprocess.run([SLUICE, "exec", script], capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == ["3000", "3000", "5000", "1", "499"], result.stderr[-500:]


def test_long_files_compile(tmp_path):
    """The work grows with the length, not with its square; many warnings too."""
    script = tmp_path / "long.hsl"
    line = 'if ($senderdomain == "d%d.example") { $n = ["k" => "v", 1.5]; foo("a b c", $n[0:1]); } // text\n'
    script.write_text("".join(line % i for i in range(6000)))
    assert script.stat().st_size > 550_000
    result = subprocess.run([SLUICE, "exec", script], capture_output=True, text=True, timeout=120)
    assert "gave up" not in result.stderr, result.stderr[-500:]
