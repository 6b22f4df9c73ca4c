"""make hsl-corpus: which scripts compile, and why some don't."""
import pathlib
import subprocess

from harness import SLUICE

ROOT = pathlib.Path(__file__).resolve().parent.parent


def corpus(folder):
    done = subprocess.run([ROOT / "tools" / "hsl-corpus", pathlib.Path(SLUICE).parent, folder],
                          capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout.splitlines()


def test_our_examples_compile():
    status, lines = corpus(ROOT / "examples" / "hsl")
    assert status == 0 and lines[-1].endswith("(100.0 %)"), lines


def test_needs_and_causes(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.hsl").write_text('$r = ldap_search("x"); $c = CurrentConnections("a", "b", 1);')
    (tmp_path / "b.hsl").write_text("if ($x && $y) { }\n$x = 5\n$y = 6;")
    (tmp_path / "c.hsl").write_text("if ($a && $b) echo 1;")
    (tmp_path / "d.hsl").write_text('include "lib.hsl"; echo 1;')
    status, lines = corpus(tmp_path)
    assert status == 1
    assert "refused   b.hsl  there is no operator '&&' (and 1 more)" in lines
    assert 'compiled  d.hsl  needs: "lib.hsl"' in lines
    assert "compiled  deep/a.hsl  needs: CurrentConnections, ldap_search" in lines
    assert lines[-2:] == ["     2  there is no operator '&&'", "2 of 4 compiled (50.0 %)"]
