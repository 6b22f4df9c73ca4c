"""What the comparisons with other people's DKIM and ARC share: real messages, changed at random, and
programs that take many jobs in one process."""
import glob
import os
import random
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VECTORS = os.environ.get("SLUICE_VECTORS", os.path.join(ROOT, "../shared/vectors"))
MAX_MESSAGE = 200_000


class Batch:
    """A program that answers jobs: a line and as many bytes as its last word says, either way."""

    def __init__(self, args):
        self.args = list(map(str, args))

    def run(self, jobs):
        """jobs: [(words, bytes)]. Answers in the same order; None = refused."""
        data = b"".join(b"%s %d\n%s" % (" ".join(words).encode(), len(message), message)
                        for words, message in jobs)
        done = subprocess.run(self.args, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 0, (self.args, done.stdout[-300:], done.stderr[-2000:])
        out, answers = done.stdout, []
        at = 0
        while at < len(out):
            end = out.index(b"\n", at)
            n = int(out[at:end])
            answer = out[end + 1:end + 1 + n]
            answers.append(None if answer == b"-\n" else answer)
            at = end + 1 + n
        assert len(answers) == len(jobs), (self.args, len(answers), len(jobs), done.stderr[-2000:])
        return answers


def fields_of(header):
    """Whole fields with their CRLF; what is none is left out, as other programs disagree on it."""
    fields = []
    for line in header.split(b"\r\n"):
        if re.match(rb"[!-9;-~]+[ \t]*:", line):
            fields.append(line)
        elif fields and re.match(rb"[ \t]+[^ \t]", line):
            fields[-1] += b"\r\n" + line
    return [field + b"\r\n" for field in fields if len(field) < 8000]


def name_of(field):
    return field.split(b":")[0].strip().lower()


def messages():
    """Header fields and body of each recorded message, as SMTP would carry it."""
    found = []
    for path in sorted(glob.glob(os.path.join(VECTORS, "corpora/*/*"))):
        if path.endswith((".json", ".md")):
            continue
        with open(path, "rb") as f:
            data = f.read(MAX_MESSAGE).replace(b"\0", b"")
        data = re.sub(rb"\r\n|\r|\n", b"\r\n", data)
        header, _, body = data.partition(b"\r\n\r\n")
        fields = [f for f in fields_of(header) if name_of(f) not in (
            b"from", b"dkim-signature", b"authentication-results") and not name_of(f).startswith(b"arc-")]
        fields.insert(len(fields) // 2, b"From: Joe  SixPack <joe@example.com>\r\n")
        found.append((fields, body))
    return found


def refold(rng, field):
    """Other blanks and folds where there are blanks: nothing to "relaxed", a change to "simple"."""
    name, value = field[:-2].split(b":", 1)

    def blank(_):
        return rng.choice([b" ", b"  ", b"\t", b"\r\n ", b"\r\n\t", b" \r\n  "])

    value = re.sub(rb"(?:\r\n)?[ \t]+", blank, value.strip())
    if rng.random() < 0.5:
        name = rng.choice([name.upper(), name.lower()])
    if value == b"":
        return name + b":\r\n"
    return (name + b":" + rng.choice([b"", b" ", b"\t ", b"\r\n "]) + value
            + rng.choice([b"", b" ", b"\t"]) + b"\r\n")


def shaken(rng, fields, body):
    """The message as somebody might have sent it: refolded, fields twice, gone, elsewhere; odd ends."""
    fields = [refold(rng, f) if rng.random() < 0.5 else f for f in fields]
    for _ in range(rng.randrange(4)):
        i, other = rng.randrange(len(fields)), rng.randrange(len(fields))
        kind = rng.randrange(3)
        if name_of(fields[i]) == b"from":
            continue
        if kind == 0:
            fields.insert(other, fields[i])
        elif kind == 1 and len(fields) > 3:
            del fields[i]
        else:
            fields.insert(other, fields.pop(i))
    end = rng.choice([b"", b"\r\n", b"\r\n\r\n\r\n", b" \r\n", b"\t \r\n \r\n", b"text \t with  blanks\t\r\n"])
    body = body.rstrip(b"\r\n") + b"\r\n" + end
    if rng.random() < 0.1:
        body = b""
    return b"".join(fields) + b"\r\n" + body


def split(message):
    header, _, body = message.partition(b"\r\n\r\n")
    return fields_of(header), body


def names_signed(message):
    h = re.search(rb"[;\s]h\s*=([^;]*)", message.partition(b"\r\n\r\n")[0])
    return {name.strip().lower() for name in re.sub(rb"\s", b"", h[1]).split(b":")}


def last_signed(fields, message):
    """{name: place} of what is signed; of several of a name the last one, which is signed by all
    who sign any (RFC 6376 5.4.2)."""
    signed = names_signed(message) - {b"dkim-signature"}
    return {name_of(field): i for i, field in enumerate(fields) if name_of(field) in signed}


def relaxed_change(rng, message, body_too):
    """What "relaxed" doesn't see, in fields that are signed (and in the body)."""
    fields, body = split(message)
    for name, i in last_signed(fields, message).items():
        fields[i] = refold(rng, fields[i])
    if body_too:
        body = re.sub(rb"[ \t]+", lambda m: rng.choice([b" ", b"\t", b"  "]), body)
        body = body.replace(b"\r\n", rng.choice([b"\r\n", b" \r\n"])) + b"\r\n\r\n"
    return b"".join(fields) + b"\r\n" + body


def another(rng, text, start=0):
    """Another letter in place of one behind 'start'; None: there is no letter."""
    places = [m.start() for m in re.finditer(rb"[a-z]", text[:start + 3000]) if m.start() >= start]
    if not places:
        return None
    at = rng.choice(places)
    return text[:at] + (b"q" if text[at:at + 1] != b"q" else b"x") + text[at + 1:]


def real_change(rng, message):
    """One letter of the body or of a signed field."""
    fields, body = split(message)
    changed = another(rng, body) if rng.random() < 0.5 else None
    if changed is not None:
        return b"".join(fields) + b"\r\n" + changed
    places = sorted(last_signed(fields, message).values())
    rng.shuffle(places)
    for i in places:
        changed = another(rng, fields[i], fields[i].index(b":"))
        if changed is not None:
            fields[i] = changed
            return b"".join(fields) + b"\r\n" + body
    raise AssertionError("nothing to change in %r" % message[:2000])


def seeded():
    """A new seed each time, or $SLUICE_SEED to see one again; pytest shows it when a test fails."""
    seed = int(os.environ.get("SLUICE_SEED", random.randrange(1 << 32)))
    print("SLUICE_SEED=%d" % seed)
    return random.Random(seed)
