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


CONFIG = """return { hostname = "mx.example.org", servers = { s = { } },
  listen = { { smtp = "127.0.0.1:2525", server = "s" } } }"""
# Where an expression may be put: in others, and in statements.
AROUND = ["(%s)", "!%s", "-%s", "++%s", "[%s]", "[...%s]", "(%s)(1)", "(%s)->x", "(%s)->x(%s)", "%s[0]", "%s[1:2]",
          "$w[...%s]", "$q[%s]++", "f(%s)", "f(...%s)", "C::g(%s)", "static::$z[%s]", "%s ?? 1", "%s ?: 3",
          "%s ? %s : 2", "$x = %s", '(%s) . "a"', "isset(%s)", "cache [] f(%s)", "match (%s) { 1 => 2, %s => %s }",
          "function () { return %s; }()", "function ($x) closure ($q) { $q[] = %s; }", "yield %s",
          'object ["a" => %s]']
STATEMENTS = ["echo %s;", "return %s;", "%s = %s;", "%s += %s;", "[%s] = [1];", "[$a[%s], $b] = %s;", "$a[%s] = %s;",
              "$o->p[%s] .= %s;", "S::$l[%s]++;", "unset(%s);", "if (%s) { %s; }", "while (%s) { %s; }",
              "for ($i = 0; %s; $i++) { %s; }", "foreach (%s as $k => $v) { %s; }", "barrier %s => $b { %s; }",
              "switch (%s) { case %s: break; default: continue; }", "try { %s; } catch ($e) { throw %s; }",
              "function q() { global $g; return %s; }", 'include "p0.hsl"; %s;',
              "class Z { $a = %s; function f() { return %s; } static $s = %s; }"]


def programs():
    for path in sorted((pathlib.Path(__file__).parent / "hsl").glob("*.hsl")):
        yield from re.split(r"^//// .+\n", path.read_text(), flags=re.M)[1:]


def check(folder, texts):
    """Checks the files as a policy's; gives how many have errors, all of which are the script's."""
    (folder / "sluice.lua").write_text(CONFIG)
    for i, text in enumerate(texts):
        (folder / f"p{i}.hsl").write_bytes(text if isinstance(text, bytes) else text.encode("latin-1", "replace"))
    result = subprocess.run([SLUICE, "check", folder], capture_output=True, timeout=300)
    told = (result.stdout + result.stderr).decode("latin-1")
    for line in told.splitlines():
        assert "gave up" not in line and "too complex" not in line, line
    return len(set(re.findall(r"^(p\d+)\.hsl:\d+:\d+: error", told, flags=re.M)))


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
    rng, whole = random.Random(2016), list(programs())
    texts = [damaged(rng, rng.choice(whole)) for _ in range(600)]
    texts += [bytes(rng.randrange(256) for _ in range(300)) for _ in range(50)]
    assert 300 < check(tmp_path, texts) < 650


def spliced(rng, expressions):
    def expression(depth):
        text = rng.choice(expressions)
        while depth < 4 and rng.random() < 0.5:
            form = rng.choice(AROUND)
            depth += 1
            text = form % (text, *(expression(depth + 1) for _ in range(form.count("%s") - 1)))
        return text

    lines = []
    for form in rng.choices(STATEMENTS, k=rng.randrange(1, 6)):
        lines.append(form % tuple(expression(0) for _ in range(form.count("%s"))))
    around = rng.choice(["%s", "%s", "function outer($p, ...$r) { %s }", "class K { function m() { %s } }"])
    return around % "\n".join(lines)


def test_spliced_programs(tmp_path):
    """Expressions of all programs in each other: some compile, the others have errors."""
    rng, expressions = random.Random(2016), []
    for text in programs():
        expressions += re.findall(r"(?:echo|return|=) ([^;={}]+);", text)
    assert 300 < check(tmp_path, [spliced(rng, expressions) for _ in range(1500)]) < 1400


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
