"""The reference: complete, fresh, and its examples are Lua that runs."""
import pathlib
import re
import shutil
import subprocess

import pytest

from harness import ROOT, SLUICE, needs

# Modules whose functions need neither a phase nor the network.
ALONE = {"address", "array", "cache", "core", "encoding", "file", "hash", "net", "number", "password", "pcre", "state",
         "string", "time"}


def lua(*args):
    return subprocess.run(["lua5.4", *args], cwd=ROOT, capture_output=True, text=True)


def test_every_row_has_a_comment_with_an_example():
    result = lua("tools/reference.lua", SLUICE, "check")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("tool, page", [("manual", "sluice.lua.5"), ("policy_manual", "sluice-policy.7")])
def test_manual_pages_are_fresh(tool, page):
    assert lua(f"tools/{tool}.lua", SLUICE).stdout == (ROOT / "doc" / page).read_text(), "run make docs"


@pytest.mark.skipif(not shutil.which("groff"), reason="no groff")
@pytest.mark.parametrize("page", sorted(path.name for path in ROOT.glob("doc/*.[1-9]")))
def test_manual_pages_are_clean(page):
    """No warning of groff, and every other page that they name is there."""
    done = subprocess.run(["groff", "-ww", "-mdoc", "-Tutf8", ROOT / "doc" / page], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for name, section in re.findall(r"^\.Xr (\S+) (\d)", (ROOT / "doc" / page).read_text(), re.M):
        assert (ROOT / "doc" / f"{name}.{section}").exists(), name


def test_the_page_of_policies_has_every_phase_action_and_variable():
    page = (ROOT / "doc/sluice-policy.7").read_text()
    phases = subprocess.run([SLUICE, "--schema", "phases"], capture_output=True, text=True, check=True).stdout
    builtins = subprocess.run([SLUICE, "--builtins"], capture_output=True, text=True, check=True).stdout
    facts = subprocess.run([SLUICE, "--schema", "facts"], capture_output=True, text=True, check=True).stdout
    sections = dict(re.findall(r"^\.Ss (\w+): .*\n((?:(?!\.S[sh]).*\n)*)", page, re.M))
    assert list(sections) == [line.split("\t")[0] for line in phases.splitlines()]
    for _, name, flags, known in (line.split("\t") for line in builtins.splitlines()):
        for phase, text in sections.items():
            assert (f".It {name}\n" in text) == ("final" in flags and phase in known.split()), (name, phase)
    for name, known, _ in (line.split("\t") for line in facts.splitlines()):
        assert f".It {name}\n" in page
        for phase in known.split() if "." not in name else []:
            assert re.search(rf"^{name}[,.]$", sections[phase], re.M), (name, phase)


LUA_BLOCKS = [(path, block) for path in sorted(ROOT.glob("**/*.md")) if "build" not in str(path.relative_to(ROOT))
              for block in re.findall(r"^```lua\n(.*?)^```$", path.read_text(), re.M | re.S)]


def test_lua_in_texts_is_lua(tmp_path):
    assert len(LUA_BLOCKS) > 230
    for path, block in LUA_BLOCKS:
        (tmp_path / "block.lua").write_text(block)
        done = subprocess.run(["luac5.4", "-p", tmp_path / "block.lua"], capture_output=True, text=True)
        assert done.returncode == 0, f"{path}: {done.stderr}\n{block}"


def test_the_policy_of_the_text_loads(tmp_path):
    """The configuration in doc/policy.md is one, with the scripts it names; the override stands in deliver.lua."""
    blocks = re.findall(r"^```lua\n(.*?)^```$", (ROOT / "doc/policy.md").read_text(), re.M | re.S)
    config, override = blocks[0], next(b for b in blocks if "function Deliver" in b)
    (tmp_path / "sluice.lua").write_text(config)
    for name in set(re.findall(r'"([\w/]+\.lua)"', config)) | {"keys/example.org/s1.pem"}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(override if name == "deliver.lua" else "")
        (tmp_path / name).chmod(0o600)
    done = subprocess.run([SLUICE, "check", tmp_path], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == (f"{tmp_path}: no errors\n", 0)


def pages(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_the_reference_is_fresh(tmp_path):
    result = lua("tools/reference.lua", SLUICE, tmp_path)
    assert result.returncode == 0, result.stderr
    assert pages(tmp_path) == pages(ROOT / "doc/reference"), "run make docs"


def test_each_builtin_has_one_place():
    """A heading on its module's page, and a row of the index that leads there."""
    out = subprocess.run([SLUICE, "--builtins"], capture_output=True, text=True, check=True).stdout
    rows = [line.split("\t")[:2] for line in out.splitlines()]
    index = (ROOT / "doc/reference/README.md").read_text()
    assert len(rows) > 230
    for module, name in rows:
        page = (ROOT / "doc/reference" / (module + ".md")).read_text()
        assert page.count(f"\n## {name}\n") == 1, name
        if not name.startswith("__"):       # the compiler's own
            assert f"\n| [`{name}`]({module}.md#{re.sub('[:.]', '', name.lower())}) | {module} |" in index, name


@pytest.mark.parametrize("form, path", [("check", "stdlib/check/signatures.lua"), ("editor", "doc/sluice.d.lua")])
def test_signatures_are_fresh(form, path):
    assert lua("tools/signatures.lua", SLUICE, form).stdout == (ROOT / path).read_text(), "run make docs"
    assert lua("-e", f"assert(loadfile('{path}'))").returncode == 0


def test_layers():
    result = lua("tools/layers.lua")
    assert result.returncode == 0, result.stdout


def examples():
    for path in sorted(ROOT.glob("lua/*/*.c")):
        for comment, fn in re.findall(r"/\*lua\n(.*?)\*/\nstatic int\n(\w+)\(", path.read_text(),
                                      re.S):
            code = "\n".join(line[4:] for line in comment.split("\n") if line.startswith("    "))
            yield path.parent.name, fn, code


EXAMPLES = list(examples())


@pytest.mark.parametrize("module,fn,code", EXAMPLES, ids=[e[1] for e in EXAMPLES])
def test_example(tmp_path, module, fn, code):
    hsl = module == "hsl" or code.startswith("$")
    script = tmp_path / ("example.hsl" if hsl else "example.lua")
    script.write_text(code if hsl or module in ALONE and "Defer" not in code
                      else "local function example()\n" + code + "\nend")
    result = subprocess.run([SLUICE, "exec", script], capture_output=True, text=True, timeout=20)
    needs("PCRE2", result.stderr)
    assert result.returncode == 0, code + "\n" + result.stderr


# Names of the product family that are asked with "if": yes and no are booleans in Lua, where 0 is true.
QUESTIONS = {"in_network", "inet_includes", "is_subdomain", "domain_includes", "rate", "memory_add",
             "memory_delete", "memory_store", "password_verify", "in_array", "array_includes", "in_file",
             "DKIMSign", "DKIMSignFor", "ARCSeal"}
# Numbers that are amounts: 0 is an answer of its own, not a "no".
AMOUNTS = {"time": "seconds", "rate_count": "events", "memory_inc": "the sum", "memory_dec": "the rest"}
AMOUNTS |= dict.fromkeys(["strlen", "length", "count"], "how long")
AMOUNTS |= dict.fromkeys(["strpos", "strrpos", "str_find", "str_rfind"], "an offset; -1 is the no")
AMOUNTS |= dict.fromkeys(["abs", "ceil", "floor", "round", "log", "pow", "sqrt", "number", "ord", "hash"],
                         "what they compute")
AMOUNTS |= dict.fromkeys(["rand", "random_number"], "by chance")
AMOUNTS |= dict.fromkeys(["timelocal", "uptime", "executiontime", "sleep"], "seconds")


def first_returns():
    """(builtin, type of its first result) of every row that has one."""
    for path in sorted(ROOT.glob("lua/*/*.c")):
        text = path.read_text()
        comments = dict((fn, comment) for comment, fn in
                        re.findall(r"/\*lua\n(.*?)\*/\nstatic int\n(\w+)\(", text, re.S))
        for name, fn in re.findall(r'\{ "(\w+)", (\w+),', text):
            found = re.search(r"^@return (\S+)", comments.get(fn, ""), re.M)
            if found:
                yield name, found.group(1)


RETURNS = list(first_returns())


@pytest.mark.parametrize("name,kind", RETURNS, ids=[r[0] for r in RETURNS])
def test_what_is_true_in_hsl_is_true_in_lua(name, kind):
    """A number that says how many may be asked with "if" in HSL, where 0 is false: so in Lua "none" is
    false or nil, unless the number is an amount. A question answers with a boolean."""
    kinds = set(kind.removesuffix("?").split("|"))
    if name in QUESTIONS:
        assert "boolean" in kinds and "number" not in kinds, f"{name}: {kind}"
    if "number" in kinds and name not in AMOUNTS:
        assert "false" in kinds or kind.endswith("?"), f"{name}: {kind}: is 0 a \"no\"?"


# Examples of the reference aren't tests; neither are the tests that only compare tables.
TESTS = [*ROOT.glob("lua/*/*_test.c"), *ROOT.glob("core/*/*_test.c"), *ROOT.glob("tests/*_test.py"), *ROOT.glob("tests/hsl/*.hsl"),
         *ROOT.glob("examples/**/tests/*_test.*"), *ROOT.glob("scripts/tests/*_test.*")]
TESTED = "\n".join(path.read_text(errors="replace") for path in TESTS
                   if path.name not in ("reference_test.py", "editor_test.py", "builtins_test.py", "check_test.py"))


def is_called(name, text):
    """Whether a test calls it: name(...), name{...} or name "..."; of an object :name(...) or ->name(...)."""
    owner, colon, method = name.partition(":")
    before = "(?::|->)" if colon else r"(?<![\w:>.])"
    word = re.escape(method if colon else name).replace(r"\.", "(?:::|\\.)")
    return re.search(before + word + r"""\s*[({"']""", text) is not None


def builtins():
    out = subprocess.run([SLUICE, "--builtins"], capture_output=True, text=True, check=True).stdout
    return [line.split("\t")[1] for line in out.splitlines()]


@pytest.mark.parametrize("name", [name for name in builtins() if not name.startswith("__")])
def test_every_builtin_has_a_test(name):
    """What begins with __ is called by what statements of HSL become, and tested as these."""
    assert is_called(name, TESTED)


def test_a_builtin_without_a_test_would_be_seen():
    assert is_called("str_find", "{ \"str_find('a', 'b')\" }") and is_called("A:get", "$a->get(1)")
    assert is_called("Socket.AF", "Socket::AF(1)") and is_called("Deliver", "Deliver { done = false }")
    for text in ("my_str_find(1)", "str_find = 1", "str_finder(1)", "x.str_find(1)", "-- str_find, str_rfind"):
        assert not is_called("str_find", text), text
    assert not is_called("A:get", "get(1)")


@pytest.mark.parametrize("module", sorted({p.parent.name for p in ROOT.glob("lua/*/*.c")}))
def test_every_module_has_tests(module):
    here = (ROOT / "lua" / module).glob("*_test.c")
    assert list(here) or (ROOT / "tests" / module).is_dir(), f"lua/{module}"
