"""Every relative link in the documentation leads somewhere, its anchor too; every file that a text names is there."""
import re
import subprocess

import pytest

from harness import ROOT

PAGES = [ROOT / name for name in subprocess.run(["git", "-C", ROOT, "ls-files", "*.md"], capture_output=True, text=True,
                                                check=True).stdout.splitlines()] if (ROOT / ".git").exists() else \
    sorted(path for path in ROOT.glob("**/*.md") if "build" not in path.parts[len(ROOT.parts)])
PAGES = [page for page in PAGES if page.exists()]


def prose(page):
    """Without blocks of code."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    return re.sub(r"^    .*$", "", text, flags=re.M)


def anchors(page):
    """What web viewers make of headings: lower case, blanks as dashes, no punctuation; a number for the next."""
    seen, out = {}, set()
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.M):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        out.add(slug if slug not in seen else f"{slug}-{seen[slug]}")
        seen[slug] = seen.get(slug, 0) + 1
    return out


def links(page):
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    return re.findall(r"\]\(([^)\s]+)\)", text)


def test_there_are_pages():
    assert len(PAGES) > 40 and sum(len(links(page)) for page in PAGES) > 500


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page):
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert target.suffix == ".md" and anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named(page):
    """doc/, examples/, tools/, tests/, scripts/, stdlib/, core/ and lua/ in a text are of this tree; only
    tests/NAME.lua is of a policy's."""
    for name in re.findall(r"(?<![\w/.$])((?:doc|examples|tools|tests|scripts|stdlib|core|lua)/[\w./*-]*\w)", prose(page)):
        name = name.removesuffix("/NAME")
        if re.fullmatch(r"tests/.*\.lua", name) or page.parent != ROOT and (page.parent / name).exists():
            continue
        assert list(ROOT.glob(name)) or list(ROOT.glob(name + "/*")) or list(ROOT.glob(name + "*")), name
