"""HSL's cache over time and messages; within one script it is tests/hsl/cache.hsl."""
import subprocess

import pytest

from harness import SLUICE

CONFIG = """return { hostname = "mx.example.org",
  listen = { { smtp = "127.0.0.1:2525", server = "s" } }, transports = { box = { discard = true } },
  servers = { s = { flows = { mailfrom = "mailfrom.hsl", data = "data.hsl" },
                    relay = { ["example.org"] = { transport = "box" } } } } }
"""
# Each row: seconds that pass before, and what the message is refused with.
CASES = """
test("x", function ($t) {
    $t->given(["ip" => "192.0.2.1", "helo" => "client.example", "from" => "a@client.example",
        "to" => "b@example.org", "message" => ["From" => "a@client.example"]]);
    foreach (%s as [$seconds, $text]) {
        $t->wait($seconds);
        $t->expect($t->smtp(), ["reply" => $text]);
    }
});
"""
ASK = 'function ask() { return memory_inc("asked"); } '
AGES = {
    "60 seconds unless said": ("Reject('<' . cache [] ask() . '>');",
                               [(0, 1), (59, 1), (2, 2), (30, 2)]),
    "ttl": ("Reject('<' . (cache ['ttl' => 600] ask()) . '>');", [(0, 1), (599, 1), (2, 2)]),
    "ttl_function decides for its result": (
        "Reject('<' . (cache ['ttl_function' => function ($n) { return $n == 1 ? 10 : 100; }] ask()) . '>');",
        [(0, 1), (9, 1), (2, 2), (99, 2), (2, 3)]),
    "ttl_function that gives none leaves it at ttl": (
        "Reject('<' . (cache ['ttl' => 10, 'ttl_function' => function ($n) { }] ask()) . '>');",
        [(0, 1), (9, 1), (2, 2)]),
    "ttl_override is for arrays": ("""
        function list() { return [ask()]; }
        Reject('<' . (cache ['ttl_override' => 10] list())[0] . (cache ['ttl_override' => 10] ask()) . '>');""",
        [(0, "12"), (11, "32"), (9, "32"), (2, "42")]),
    "a hit doesn't prolong it": ("Reject('<' . (cache ['ttl' => 10] ask()) . '>');",
                                        [(0, 1), (6, 1), (6, 2)]),
    "update_function has the expired value, and what it gives is kept": ("""
        function dead() { return ask() == 1 ? ["key" => 1] : none; }
        $k = cache ["ttl" => 10, "update_function" => function ($old, $new) { return is_array($new) ? $new : $old; }] dead();
        Reject('<' . $k["key"] . ' ' . memory_fetch("asked") . '>');""",
        [(0, "1 1"), (9, "1 1"), (2, "1 2"), (9, "1 2"), (2, "1 3")]),
    "per_message": ("""
        function again() { return cache ["per_message" => true] ask(); }
        Reject('<' . again() . again() . (cache [] ask()) . '>');""", [(0, "112"), (0, "332"), (0, "442")]),
    "a namespace of the message's": ("""
        function again() { global $messageid; return cache ["namespace" => $messageid] ask(); }
        Reject('<' . again() . again() . '>');""", [(0, "11"), (0, "22")]),
}


def check(folder, rows, **files):
    text = ", ".join(f"[{seconds}, {text!r}]".replace("'", '"') for seconds, text in rows)
    for name, text in {"sluice.lua": CONFIG, "mailfrom.hsl": "", "tests/x_test.hsl": CASES % f"[{text}]",
                       **files}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    done = subprocess.run([SLUICE, "test", folder], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("script, rows", AGES.values(), ids=AGES.keys())
def test_what_is_kept_ages(tmp_path, script, rows):
    check(tmp_path, [(s, f"<{text}>") for s, text in rows],
          **{"data.hsl": ASK + script.replace("'", '"')})


def test_per_message_is_for_all_phases_of_it(tmp_path):
    script = ASK + '$n = cache ["per_message" => true] ask();'
    check(tmp_path, [(0, "<1>"), (0, "<2>")], **{
        "mailfrom.hsl": script, "data.hsl": script + ' Reject("<$n>");'})
