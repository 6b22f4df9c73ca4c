"""doc/builtins.md: every name of the product family is built, part of the language, or refused with
what to do instead; the table, the program and the HSL compiler's list say the same."""
import re
import subprocess

import pytest

from harness import ROOT, SLUICE

TABLES = ROOT / "../shared/halon"


def rows():
    text = (ROOT / "doc/builtins.md").read_text()
    return [row for row in re.findall(r"^\| (\w+) \| ([\w ]+) \| ([\w ]+) \| (\w+) \| (.*)\|$", text, re.M)
            if row[0] != "name"]


def names(kind):
    return {name for name, _, _, built, _ in rows() if built == kind}


def builtins():
    out = subprocess.run([SLUICE, "--builtins"], capture_output=True, text=True, check=True).stdout
    return {line.split("\t")[1].split(":")[0] for line in out.splitlines()}   # of a method its class


def unbuilt():
    script = 'for k, v in pairs(dofile("stdlib/hsl/unbuilt.lua")) do print(k .. "\\t" .. v) end'
    out = subprocess.run(["lua5.4", "-e", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return dict(line.split("\t") for line in out.splitlines())


def test_each_name_has_one_row():
    found = [row[0] for row in rows()]
    assert len(found) > 250 and len(found) == len(set(found))
    assert found == sorted(found, key=lambda name: (name.lower(), name))
    assert {row[3] for row in rows()} == {"built", "language", "no"}


def test_what_is_built_is_there_and_nothing_else():
    assert names("built") <= builtins()
    assert not names("no") & builtins()
    assert not names("language") & builtins()


def test_what_is_not_built_is_refused_in_the_words_of_the_table():
    reasons = {name: why.strip() for name, _, _, built, why in rows() if built == "no"}
    assert reasons == unbuilt()


@pytest.mark.skipif(not TABLES.exists(), reason="no tables of the product family")
@pytest.mark.parametrize("file,column", [("builtins-2016-10.tsv", 1), ("builtins-2026-06.tsv", 2)])
def test_every_documented_name_has_a_row(file, column):
    lines = (TABLES / file).read_text().splitlines()[1:]
    documented = {re.match(r"\w+", line.split("\t")[column]).group() for line in lines}
    assert len(documented) > 100
    assert documented <= {row[0] for row in rows()}
