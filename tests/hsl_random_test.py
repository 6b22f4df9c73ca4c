"""Random programs print what the language's rules say (hsl_random.py makes them, hsl_model.py runs
them). SLUICE_HSL_PROGRAMS=N compares N with a new seed each time, SLUICE_HSL_SEED=S with that one.
"""
import os
import random

from hsl_random import differences, told


def test_random_programs():
    count = os.environ.get("SLUICE_HSL_PROGRAMS")
    seed = os.environ.get("SLUICE_HSL_SEED") or (str(random.randrange(10 ** 9)) if count else "2016")
    found, compared = differences(seed, int(count or 240))
    assert not found, told(seed, min(found, key=lambda f: len(f[0].source)))
    assert compared > int(count or 240) / 2, f"seed {seed}"
