"""doc/objects.md: every method of the message's classes and every variable of the phases, as the
product family documents them, is built or has a reason; the tables say what the program has."""
import re
import subprocess

import pytest

from builtins_test import unbuilt
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
    names = {row[1].replace(":", "->").replace(".", "::") for row in listed(["--builtins"])}
    return {name for name in names if re.search("->|::", name) and re.split("->|::", name)[0] in CLASSES}


def test_methods_are_built_as_the_table_says():
    ours = built_methods()
    said = {name.replace("EODMailMessage", "MailMessage") for name, row in methods().items() if row[0] == "built"}
    assert said == ours and len(ours) > 40


def test_what_is_not_built_has_a_reason():
    assert {built for built, _ in methods().values()} == {"built", "no"}
    assert all(note for built, note in methods().values() if built == "no")


def test_static_functions_are_refused_in_the_words_of_the_table(tmp_path):
    reasons = {name: note for name, (built, note) in methods().items() if "::" in name and built == "no"}
    assert reasons == {name: why for name, why in unbuilt().items() if "::" in name} and reasons
    for name, why in reasons.items():
        script = tmp_path / "x.hsl"
        script.write_text(f'if (false) echo {name}("x")->toString();\n')
        result = subprocess.run([SLUICE, "exec", script], capture_output=True, text=True)
        assert result.returncode != 0
        assert f"x.hsl:1:17: {name} isn't built in this version" in result.stderr and why in result.stderr


@pytest.mark.skipif(not TABLES.exists(), reason="no tables of the product family")
def test_every_documented_method_has_a_row():
    lines = (TABLES / "builtins-2026-06.tsv").read_text().splitlines()[1:]
    documented = [re.match(r"\w+(?:->|::)\w+", line.split("\t")[2]) for line in lines]
    documented = {m.group() for m in documented if m and re.split("->|::", m.group())[0] in CLASSES}
    assert len(documented) > 40
    assert documented == set(methods())


# ---- variables --------------------------------------------------------------


def variables(heading):
    """path -> (phases, note)"""
    part = text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([\w.]+) \| ([\w ]+) \| (.*)\|$", part, re.M)
    rows = [row for row in rows if row[0] != "variable"]
    assert len(rows) == len({row[0] for row in rows})
    return {path: (set() if phases == "no" else set(phases.split()), note.strip()) for path, phases, note in rows}


def facts():
    """path -> phases; tables have those of what is in them."""
    found = {}
    for name, phases, _ in listed(["--schema", "facts"]):
        names = name.split(".")
        for i in range(len(names)):
            found.setdefault(".".join(names[:i + 1]), set()).update(phases.split())
    return found


@pytest.mark.parametrize("heading,least", [("Variables of today", 150), ("Variables of 2016", 40)])
def test_variables_are_where_the_table_says(heading, least):
    ours, said = facts(), variables(heading)
    assert len(said) > least
    for path, (phases, note) in said.items():
        assert phases == ours.get(path, set()), path
        assert phases or note, path


@pytest.mark.skipif(not TABLES.exists(), reason="no tables of the product family")
@pytest.mark.parametrize("heading,file", [("Variables of today", "variables-2026-06.tsv"),
                                          ("Variables of 2016", "variables-2016-10.tsv")])
def test_every_documented_variable_has_a_row(heading, file):
    said, documented = variables(heading), set()
    for line in (TABLES / file).read_text().splitlines()[1:]:
        phase, variable = line.split("\t")[:2]
        path = re.sub(r'\["(\w+)"\]', r".\1", variable.lstrip("$"))
        documented.add(path)
        phases, note = said[path]
        phase = {"ip": "connect"}.get(phase, phase)
        assert phase in phases or note or phase == "proxy", (phase, path)
    assert documented == set(said)
