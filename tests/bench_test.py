"""The bench of the whole program runs; its figures are nobody's business here."""
import json
import subprocess

from harness import ROOT, SLUICE


def test_the_bench_runs():
    done = subprocess.run([ROOT / "tools/bench", "--json", "--seconds", "0.1", SLUICE.parent],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert any("200 ms" in name for name in json.loads(done.stdout))
