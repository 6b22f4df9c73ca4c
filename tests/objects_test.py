"""doc/objects.md: every method of the message's classes, as the product family documents them, is
built or has a reason; what the table says is what the program has."""
import re
import subprocess

import pytest

from harness import ROOT, SLUICE

TABLES = ROOT / "../shared/halon"
CLASSES = {"MIME", "MIMEPart", "MailMessage", "EODMailMessage"}


def text():
    return (ROOT / "doc/objects.md").read_text()


def methods():
    """name -> (built, note)"""
    rows = re.findall(r"^\| (\w+(?:->|::)\w+) \| (\w+) \| (.*)\|$", text(), re.M)
    assert len(rows) == len({row[0] for row in rows})
    return {name: (built, note.strip()) for name, built, note in rows}


def listed(option):
    out = subprocess.run([SLUICE, *option], capture_output=True, text=True, check=True).stdout
    return [line.split("\t") for line in out.splitlines()]


def built_methods():
    names = {row[1].replace(":", "->") for row in listed(["--builtins"]) if ":" in row[1]}
    return {name for name in names if name.split("->")[0] in CLASSES}


def test_methods_are_built_as_the_table_says():
    ours = built_methods()
    said = {name.replace("EODMailMessage", "MailMessage") for name, row in methods().items() if row[0] == "built"}
    assert said == ours and len(ours) > 40


def test_what_is_not_built_has_a_reason():
    assert {built for built, _ in methods().values()} == {"built", "no"}
    assert all(note for built, note in methods().values() if built == "no")


@pytest.mark.skipif(not TABLES.exists(), reason="no tables of the product family")
def test_every_documented_method_has_a_row():
    lines = (TABLES / "builtins-2026-06.tsv").read_text().splitlines()[1:]
    documented = [re.match(r"\w+(?:->|::)\w+", line.split("\t")[2]) for line in lines]
    documented = {m.group() for m in documented if m and re.split("->|::", m.group())[0] in CLASSES}
    assert len(documented) > 40
    assert documented == set(methods())
