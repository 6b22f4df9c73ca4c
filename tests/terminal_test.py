"""sluice repl as a person has it: keys typed into tmux, and what is on the screen."""
import os
import re
import shutil
import subprocess

import pytest

from harness import ROOT, SLUICE, wait_for

RED, GREEN, CYAN, BOLD = "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[1m"
FILES = {
    "sluice.lua": """return {
  hostname = "mx.example.org",
  dns = { zone = "zone.txt" },
  listen = { { smtp = "127.0.0.1:2525", server = "inbound" } },
  servers = { inbound = { flows = { rcptto = "rcpt.hsl", data = "data.lua" },
                          relay = { ["example.org"] = { transport = "box" } } } },
  transports = { box = { discard = true } },
}
""",
    "zone.txt": "slow.example. TXT x\nslow.example. DELAY 60000\nnews.example. TXT hello\n",
    "rcpt.hsl": "$who = \"$recipient\";\nif ($who == \"eve@example.org\")\n\tReject(\"not her\");\n",
    "data.lua": """local topic = GetHeader("Subject")
local txt = dnstxt("news.example")
DelHeader("X-Old")
AddHeader("X-News", txt[1])
""",
}


class Screen:
    """A terminal of 100 columns; keys go in, its text comes out."""

    def __init__(self, folder, *command):
        self.socket = f"{folder}/tmux"
        env = dict(os.environ, HOME=str(folder), TERM="screen-256color", SLUICE_STDLIB=str(ROOT / "stdlib"))
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "50", *map(str, command),
                  env=env)
        self.tmux("set-option", "-g", "remain-on-exit", "on")

    def tmux(self, *args, env=None):
        done = subprocess.run(["tmux", "-S", self.socket, *args], capture_output=True, text=True, timeout=30,
                              env=env, check=True)
        return done.stdout

    def text(self, colors=False):
        return self.tmux("capture-pane", "-p", "-S", "-200", *(["-e"] if colors else []))

    def see(self, text, times=1):
        """Waits until the text has been on the screen so many times; gives the whole screen."""
        wait_for(lambda: self.text().count(text) >= times, f"{text!r} on the screen:\n{self.text()}")
        return self.text()

    def see_last(self, line):
        """Waits until this is the last line: a prompt, say."""
        wait_for(lambda: self.text().rstrip().split("\n")[-1].rstrip() == line,
                 f"{line!r} below:\n{self.text()}")

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def say(self, text, prompt=">"):
        """A line, once there is a prompt for it."""
        self.see_last(prompt)
        if text:
            self.type(text)
        self.press("Enter")

    def is_over(self):
        return self.tmux("display-message", "-p", "#{pane_dead}").strip() == "1"

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True, timeout=30)


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / "policy").mkdir(exist_ok=True)
        (tmp_path / "policy" / name).write_text(text)
    (tmp_path / "m.eml").write_text("From: ann@client.example\nSubject: hello\nX-Old: yes\n\nHi.\n")
    return tmp_path


@pytest.fixture
def screen(folder):
    if shutil.which("tmux") is None:
        pytest.skip("tmux isn't installed")
    s = Screen(folder, SLUICE, "repl", folder / "policy")
    yield s
    s.close()


def test_lines_are_edited_completed_and_remembered(screen, folder):
    screen.see("sluice 0.")
    screen.say("1 + 1")
    screen.see("\n2\n")
    screen.see_last(">")
    screen.type("pcre_m")
    screen.press("Tab")
    screen.see("> pcre_match")                  # a builtin, as far as it is clear
    screen.press("C-u")
    screen.say("customer_name = 'ann'")
    screen.see_last(">")
    screen.type("customer")
    screen.press("Tab")
    screen.see("> customer_name", 2)            # a variable
    screen.press("C-u")
    screen.see_last(">")
    screen.say("rule = { limit = 5, letters = { first = 'a' } }")
    screen.see_last(">")
    screen.type("rule.li")
    screen.press("Tab")                         # a field, and one of a field
    screen.type(" + 1")
    screen.press("Enter")
    screen.see("\n6\n")
    screen.see_last(">")
    screen.type("rule.letters.f")
    screen.press("Tab", "Enter")
    screen.see('\n"a"')
    screen.see_last(">")
    screen.type("senderh")
    screen.press("Tab")
    screen.see("> senderhelo")                  # what a phase knows
    screen.press("C-u")
    screen.say("string.for\t('%05d', 42)")
    screen.see('"00042"')
    screen.say("for i = 1, 2 do")
    screen.say("  echo('line ', i)", ">>")
    screen.say("end", ">>")
    screen.see("\nline 1\nline 2\n")
    screen.see_last(">")
    screen.press("Up", "Up", "Up", "Up")        # end, echo, for, string.format
    screen.see_last("> string.format('%05d', 42)")
    screen.press("BSpace", "BSpace", "BSpace")
    screen.type("7)")
    screen.press("Enter")
    screen.see('"00007"')
    screen.say("nope.x")
    screen.see("nope is not defined")
    assert re.search(re.escape(RED) + r"input \d+:\d+:\d+: nope is not defined", screen.text(colors=True))
    screen.say(":quit")
    wait_for(screen.is_over, "the end")
    again = Screen(folder / "policy", SLUICE, "repl")
    try:
        again.see_last(">")
        again.press("Up")
        assert again.is_over() is False
    finally:
        again.close()


def test_ctrl_c_ends_what_runs_and_not_the_program(screen):
    screen.see("sluice 0.")
    screen.say("echo('begun') while true do end")
    screen.see("\nbegun")
    screen.press("C-c")
    screen.see("interrupted")
    screen.say("echo('asked') dnstxt('slow.example', { timeout = 50 })")
    screen.see("\nasked")
    screen.press("C-c")
    screen.see("interrupted", 2)
    screen.see_last(">")
    screen.type("half a line")
    screen.press("C-c")
    screen.say("6 * 7")
    screen.see("\n42")
    screen.say(":hsl")
    screen.type("half a line")
    screen.press("C-c")
    screen.say("6 * 9")
    screen.see("\n54")
    screen.press("C-d")
    wait_for(screen.is_over, "the end")


def test_a_conversation_with_a_coloured_difference(screen, folder):
    screen.see("sluice 0.")
    screen.say(":conn\t 192.0.2.1")
    screen.see("Accept in connect, decided at default")
    screen.say(":helo client.example")
    screen.see("Accept in helo")
    screen.say(f":send {folder}/m.eml --from ann@client.example --to bob@example.org")
    screen.see("queued for bob@example.org by box")
    shown = screen.text(colors=True)
    assert f"{GREEN}  + X-News: hello" in shown and f"{RED}  - X-Old: yes" in shown
    assert f"{GREEN}250 2.0.0 Message accepted" in shown
    screen.say(":mail ann@client.example")
    screen.say(":rcpt eve@example.org")
    screen.see("Reject in rcptto, decided at rcpt.hsl:3")
    assert f"{RED}550 5.7.1 not her" in screen.text(colors=True)


def test_a_message_step_by_step(screen, folder):
    screen.see("sluice 0.")
    screen.say(":connect 192.0.2.1")
    screen.say(":helo client.example")
    screen.say(":step")
    screen.say(f":send {folder}/m.eml --from ann@client.example --to bob@example.org")
    screen.see("rcpt.hsl:1  $who")
    screen.say(":next", "rcpt.hsl:1>")
    screen.see('  $who = "bob@example.org"')
    screen.say("$who . \"!\"", "rcpt.hsl:2>")       # HSL where HSL stands
    screen.see('\nbob@example.org!')
    screen.say("", "rcpt.hsl:2>")
    screen.say("topic", "data.lua:1>")            # Lua where Lua stands: not assigned yet
    screen.see("topic is not defined")
    screen.say(":next", "data.lua:1>")
    screen.see('  topic = "hello"')
    screen.see_last("data.lua:2>")
    screen.type("topi")
    screen.press("Tab", "Enter")                    # a local is completed
    screen.see('\n"hello"')
    screen.see_last("data.lua:2>")
    shown = screen.text(colors=True)
    assert re.search(re.escape(BOLD) + r"data\.lua:2\S*  local txt", shown)
    assert re.search(re.escape(CYAN) + r"topic\S* = \"hello\"", shown)
    screen.say("while true do end", "data.lua:2>")
    screen.press("C-c")                             # ends that line, not what stands
    screen.see("interrupted")
    screen.say("topic = \"changed\"", "data.lua:2>")
    screen.see_last("data.lua:2>")
    screen.type("forgotten")
    screen.press("C-c")
    screen.say(":vars", "data.lua:2>")
    screen.see('  topic = "changed"')
    screen.say(":continue", "data.lua:2>")
    screen.see("  + X-News: hello")
    screen.say(f":send {folder}/m.eml --from ann@client.example --to bob@example.org")
    screen.see_last("rcpt.hsl:1>")
    screen.press("C-c")                             # at an empty line: the run ends
    screen.see("rcpt.hsl:1: interrupted")
    screen.say("1 + 2")
    screen.see("\n3")
