#!/usr/bin/python3
"""Random programs of HSL, and what they print by hsl_model.py.

usage: tests/hsl_random.py [SEED [COUNT]]     compares COUNT programs with sluice exec

A file has many programs, each a function with its own variables of the main code; a line "#N"
stands before what N prints. Types are in the variables' names ($n1 number, $s1 string, $b1
boolean, $a1 array, $f1 function, $x1 any), so that most programs do something.
"""
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hsl_model import Interpreter, Thrown  # noqa: E402
from hsl_printer import Printer  # noqa: E402
from hsl_values import Undefined  # noqa: E402

# ---- random trees ------------------------------------------------------------------------------------

STRINGS = ["", "a", "b", "ab", "abc", "0", "1", "12", "-3", "1.5", "0x1f", "x y", "k", "foo", "A\"q",
           "a\\b", "$1", "$", "\t", "it's", "007", "byte", "len", "+5", " 7 ", "0x", "0x-5", "-", "- 1", ".5", "5."]
KEYS = ["k", "a", "b", "0", "1", "foo", "len", "01", "1.9", "-1", "-0", "+1", "", "2147483647", "-2147483648",
        "2147483648"]
KEY_NUMBERS = [1.9, 2147483647.0, 2147483648.0, 4294967297.0]
NUMBERS = [0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 255.0, 0.5, 1.5, 0.1, 1e6, 4294967296.0, 2147483648.0,
           2147483647.0, 1e15]


class Scope:
    def __init__(self, suffix, captured=()):
        self.suffix, self.sure, self.maybe = suffix, set(captured), set()
        self.loops = self.tries = 0
        self.in_function = False


class Maker:
    def __init__(self, r, number):
        self.r, self.number, self.functions, self.fresh = r, number, [], 0
        self.scope = Scope("")

    def chance(self, p):
        return self.r.random() < p

    def pick(self, *weighted):
        """One of (weight, function) by chance."""
        total = self.r.random() * sum(w for w, _ in weighted)
        for w, fn in weighted:
            total -= w
            if total < 0:
                return fn()
        return weighted[-1][1]()

    # -- variables

    def name(self, kind):
        return kind + self.r.choice("123") + self.scope.suffix

    def have(self, kind):
        return sorted(n for n in self.scope.sure if n[0] == kind)

    def var(self, kind, depth):
        names = self.have(kind)
        if names:
            return ("var", self.r.choice(names))
        if self.chance(0.02):
            return ("var", self.name(kind))     # may be unset
        return self.leaf(kind)

    def targets_of(self, kind):
        """Variables that may be assigned: not those that count a loop."""
        return [n for n in self.have(kind) if n[1] != "i" and n not in self.targets]

    def leaf(self, kind):
        if kind == "n":
            return ("num", self.r.choice(NUMBERS))
        if kind == "s":
            return ("str", self.r.choice(STRINGS))
        if kind == "b":
            return ("const", self.chance(0.5))
        if kind == "a":
            return ("arr", [(None, self.leaf(self.r.choice("nsb")), False)
                            for _ in range(self.r.randrange(4))])
        if kind == "f":
            return ("name", self.r.choice(["is_string", "is_number", "is_array"]))
        return self.leaf(self.r.choice("nsba")) if self.chance(0.9) else ("const", None)

    def expr(self, kind, depth):
        if depth <= 0:
            return self.var(kind, depth) if self.chance(0.6) else self.leaf(kind)
        if self.chance(0.04):
            kind = self.r.choice("nsbax")       # the wrong type, maybe
        return self.pick(
            (2, lambda: self.var(kind, depth)),
            (1, lambda: self.leaf(kind)),
            (6, lambda: getattr(self, "make_" + kind)(depth - 1)),
            (0.5, lambda: ("cond", self.expr(self.r.choice("bbx"), depth - 1),
                           None if kind == "x" and self.chance(0.3) else self.expr(kind, depth - 1),
                           self.expr(kind, depth - 1))),
            (0.4, lambda: ("coal", self.reading(depth - 1), self.expr(kind, depth - 1))
             if kind == "x" else self.expr(kind, depth - 1)),
            (0.3, lambda: self.call_own(depth - 1) if kind == "x" else self.expr(kind, depth - 1)),
            (0.6, lambda: self.embedded(kind, depth - 1)),
            (0.2, lambda: self.match(kind, depth - 1)))

    def embedded(self, kind, depth):
        """An assignment inside of an expression."""
        if self.quiet or self.chance(0.3):
            return self.expr(kind, depth)
        names = self.targets_of(kind)
        if kind == "n" and names and self.chance(0.6):
            return ("inc", self.r.choice(["++", "--"]), self.chance(0.5), ("var", self.r.choice(names)))
        if names and kind != "f":
            name = self.r.choice(names)
            return ("assign", "=", ("var", name), self.assigned(name, kind, depth))
        return self.expr(kind, depth)

    quiet, targets = False, ()

    def assigned(self, name, kind, depth):
        """A value for a variable, in which nothing else is assigned to it."""
        outer, self.targets = self.targets, self.targets + (name,)
        made = self.expr(kind, depth)
        self.targets = outer
        return made

    def calm(self, fn):
        """What 'fn' makes, without assignments inside."""
        outer, self.quiet = self.quiet, True
        made = fn()
        self.quiet = outer
        return made

    def match(self, kind, depth):
        subject = self.r.choice("nsbx")
        arms = [([self.expr(subject, 0) for _ in range(self.r.randrange(1, 3))], self.expr(kind, depth))
                for _ in range(self.r.randrange(1, 4))]
        if self.chance(0.8):
            arms.append((None, self.expr(kind, depth)))
        return ("match", self.expr(subject, depth), arms)

    def key(self, depth):
        return self.pick((3, lambda: ("num", float(self.r.randrange(5)))),
                         (3, lambda: ("str", self.r.choice(KEYS))),
                         (1, lambda: self.counted(depth)),
                         (0.3, lambda: ("const", self.chance(0.5))),
                         (0.4, lambda: ("num", self.r.choice(KEY_NUMBERS))),
                         (0.4, lambda: ("un", "-", ("num", self.r.choice([1.0, 2.0] + KEY_NUMBERS)))),
                         (0.6, lambda: self.var(self.r.choice("ns"), 0)),
                         (0.3, lambda: self.embedded("n", 0)))

    def counted(self, depth):
        names = [n for n in self.have("n") if n[1] == "i"]
        return ("var", self.r.choice(names)) if names else ("num", float(self.r.randrange(4)))

    def reading(self, depth):
        base = ("var", self.r.choice(self.have("a")) if self.have("a") and self.chance(0.9)
                else self.name("a"))
        if base[1] not in self.scope.sure and not self.chance(0.5):
            base = self.leaf("a")
        for _ in range(self.r.randrange(1, 3)):
            base = ("idx", base, self.key(depth)) if self.chance(0.95) else \
                ("slice", base, self.edge(), self.edge(), None)
        return base

    # -- by type

    def make_n(self, d):
        e = self.expr
        return self.pick(
            (5, lambda: ("bin", self.r.choice("+-*"), e("n", d), e("n", d))),
            (1, lambda: ("bin", self.r.choice("/%"), e("n", d), e("n", d))),
            (1, lambda: ("bin", self.r.choice("+-*%"), self.counted(d),
                         ("num", float(self.r.randrange(1, 9))) if self.chance(0.7) else e("n", d))),
            (0.4, lambda: ("bin", "**", e("n", 0), ("num", float(self.r.randrange(4))))),
            (1, lambda: ("bin", self.r.choice(["|", "&", "^", "<<", ">>", ">>>"]), e("n", d), e("n", d))),
            (0.6, lambda: ("un", self.r.choice("-~"), e("n", d))),
            (1, lambda: ("call", ("name", "count"), [e("a", d)])),
            (0.7, lambda: ("call", ("name", "strlen"), [e("s", d)])),
            (0.7, lambda: ("call", ("name", "number"), [e(self.r.choice("snb"), d)])),
            (0.4, lambda: ("bin", self.r.choice("+-*/"), e("n", d), ("str", self.r.choice(["2", "1.5"])))))

    def make_s(self, d):
        e = self.expr
        return self.pick(
            (5, lambda: ("bin", ".", e(self.r.choice("ssnb"), d), e(self.r.choice("sssnb"), d))),
            (2, lambda: self.interpolated()),
            (1.5, lambda: ("slice", e("s", d), self.edge(), self.edge(), self.stride())),
            (0.6, lambda: ("bin", "*", e("s", d), ("num", float(self.r.randrange(4))))),
            (0.6, lambda: ("bin", "%", ("str", self.r.choice(["<%s>", "%s%s", "a %s b"])),
                           ("arr", [(None, e(self.r.choice("sn"), d), False) for _ in range(2)]))),
            (1, lambda: ("call", ("name", "implode"), [("str", ","), e("a", d)])),
            (0.6, lambda: ("call", ("name", "string"), [e(self.r.choice("snb"), d)])),
            (0.4, lambda: ("coal", ("idx", e("s", d), ("num", float(self.r.randrange(5)))), e("s", d))))

    def interpolated(self):
        parts = []
        for _ in range(self.r.randrange(1, 4)):
            names = self.have("n") + self.have("s") + self.have("b")
            if names and self.chance(0.7):
                parts.append(("var", self.r.choice(names)))
            elif not parts or not isinstance(parts[-1], str):
                parts.append(self.r.choice([s for s in STRINGS if s]))
        return ("interp", parts) if parts else ("str", "")

    def make_b(self, d):
        e = self.expr
        return self.pick(
            (3, lambda: ("bin", self.r.choice(["<", ">", "<=", ">="]), *self.comparable(d))),
            (4, lambda: ("bin", self.r.choice(["==", "!=", "===", "!=="]), e("x", d), e("x", d))),
            (2, lambda: ("not", e(self.r.choice("bbxnsa"), d))),
            (3, lambda: ("logic", self.r.choice(["and", "or"]), e(self.r.choice("bbxn"), d),
                         e(self.r.choice("bbsa"), d))),
            (1, lambda: ("isset", self.reading(d))),
            (1, lambda: ("call", ("name", self.r.choice(["is_array", "is_string", "is_number", 
                                                        "is_boolean", "is_function"])), [e("x", d)])),
            (0.6, lambda: ("call", ("name", "in_array"), [e("n", d), e("a", d)])))

    def comparable(self, d):
        kinds = self.r.choice(["nn", "nn", "ss", "ns", "sn", "bn"])
        return self.expr(kinds[0], d), self.expr(kinds[1], d)

    def edge(self):
        return None if self.chance(0.3) else self.pick(
            (3, lambda: ("num", float(self.r.randrange(5)))),
            (2, lambda: ("un", "-", ("num", float(self.r.randrange(1, 5))))),
            (1, lambda: self.counted(0)),
            (0.3, lambda: self.r.choice([("num", 1.9), ("str", "1"), ("const", True), ("const", None)])))

    def stride(self):
        return None if self.chance(0.8) else self.r.choice(
            [("num", 2.0), ("un", "-", ("num", 1.0)), ("un", "-", ("num", 2.0))])

    def make_a(self, d):
        e = self.expr
        return self.pick(
            (3, lambda: self.literal(d)),
            (2, lambda: ("bin", "+", e("a", d), e("a", d))),
            (1, lambda: ("bin", "+", *self.r.choice([(e("a", d), e("x", d)), (e("x", d), e("a", d))]))),
            (1, lambda: ("bin", "-", e("a", d), e(self.r.choice("axn"), d))),
            (1.5, lambda: ("slice", e("a", d), self.edge(), self.edge(), self.stride())),
            (0.3, lambda: ("bin", "*", e("a", d), ("num", float(self.r.randrange(3))))),
            (0.6, lambda: ("call", ("name", "array_keys"), [e("a", d)])),
            (0.6, lambda: ("call", ("name", self.r.choice(["array_map", "array_filter"])),
                           [self.lambda_(d), e("a", d)])))

    def literal(self, d):
        items = []
        for _ in range(self.r.randrange(5)):
            if self.chance(0.1):
                items.append((None, self.expr("a", d), True))
            else:
                items.append((self.key(d) if self.chance(0.35) else None, self.expr("x", d), False))
        return ("arr", items)

    def make_x(self, d):
        return self.pick((3, lambda: self.expr(self.r.choice("nsba"), d)),
                         (3, lambda: self.reading(d)),
                         (1, lambda: ("idx", self.expr("a", d), self.key(d))),
                         (0.5, lambda: ("call", self.expr("f", d), [self.expr("x", d)])))

    def make_f(self, d):
        return self.lambda_(d)

    def lambda_(self, d):
        """function ($x1) { ... }, seeing some variables by reference."""
        captured = [n for n in sorted(self.scope.sure) if n != "x9" and n not in self.targets and self.chance(0.25)][:3]
        outer, functions = self.scope, self.functions
        self.scope = Scope("", captured)
        self.scope.in_function = True
        self.scope.sure.add("x9")
        quiet, self.quiet = self.quiet, True
        body = self.statements(self.r.randrange(2), min(d, 2), 1) + \
            [("return", self.expr(self.r.choice("xb"), min(d, 2)))]
        self.quiet = quiet
        self.scope, self.functions = outer, functions
        return ("func", [("x9", None, False)], captured, body)

    def call_own(self, d):
        if not self.functions:
            return self.expr("x", d)
        name, params, rest = self.r.choice(self.functions)
        args = [self.expr(p[0], d) for p in params]
        if rest and self.chance(0.5):
            args.append(("spread", self.expr("a", d)))
        return ("call", ("name", name), args)

    # -- statements

    def statements(self, count, depth, nest):
        out = []
        for _ in range(count):
            out.extend(self.statement(depth, nest))
        return out

    def branch(self, depth, nest):
        """A body that may not run: what it assigns is unsure behind it."""
        sure = set(self.scope.sure)
        body = self.statements(self.r.randrange(1, 4), depth, nest - 1)
        self.scope.sure &= sure
        return body

    def statement(self, d, nest):
        r = self.r
        simple = [
            (5, lambda: self.assign(d)),
            (3, lambda: self.assign_element(d)),
            (2, lambda: self.assign_compound(d)),
            (2, lambda: [("echo", self.expr(r.choice("xnsab"), d))]),
            (0.5, lambda: self.unset(d)),
            (0.8, lambda: self.destructure(d)),
            (0.4, lambda: self.assign_slice(d)),
            (0.5, lambda: [("expr", ("inc", r.choice(["++", "--"]), self.chance(0.5),
                                     ("var", self.r.choice(self.targets_of("n")))))]
             if self.targets_of("n") else self.assign(d)),
            (0.4, lambda: self.count_element(d)),
            (0.5, lambda: self.count_any(d)),
            (0.15, lambda: [("return", self.expr("x", d))] if self.scope.in_function
             else self.assign(d)),
            (0.3, lambda: [("throw", self.expr("s", 1))] if self.scope.tries else self.assign(d)),
            (0.4, lambda: [(r.choice(["break", "continue"]),)] if self.scope.loops else self.assign(d))]
        if nest <= 0:
            return self.pick(*simple)
        return self.pick(
            (8, lambda: self.pick(*simple)),
            (2, lambda: [("if", [(self.expr(r.choice("bbxn"), d), self.branch(d, nest))
                                 for _ in range(r.randrange(1, 3))],
                          self.branch(d, nest) if self.chance(0.5) else None)]),
            (1, lambda: self.loop(d, nest)),
            (1.5, lambda: self.foreach(d, nest)),
            (1, lambda: self.switch(d, nest)),
            (0.7, lambda: self.try_(d, nest)))

    def assign(self, d):
        kind = self.r.choice("nnssaaxbf")
        target = self.name(kind)
        value = self.assigned(target, kind, d)
        self.scope.sure.add(target)
        return [("expr", ("assign", "=", ("var", target), value))]

    def target_path(self, d):
        base = ("var", self.r.choice(self.have("a")) if self.have("a") and self.chance(0.8)
                else self.name("a"))
        name = base[1]
        for _ in range(self.r.choice([1, 1, 1, 2, 2, 3])):
            base = ("push", base) if self.chance(0.25) else ("idx", base, self.key(d))
        return base, name

    def assign_element(self, d):
        target, name = self.calm(lambda: self.target_path(d))     # key or value: which is first is open
        value = self.calm(lambda: self.expr("x", d))
        self.scope.sure.add(name)
        return [("expr", ("assign", "=", target, value))]

    def assign_compound(self, d):
        kind = self.r.choice("nsa")
        if not self.targets_of(kind):
            return self.assign(d)
        target = ("var", self.r.choice(self.targets_of(kind)))
        op = {"n": ["+=", "-=", "*=", "/="], "s": [".=", ".=", ".=", "+=", "-="], "a": ["+=", "-=", "[]+=", "??="]}[kind]
        op = self.r.choice(op)
        if op == "[]+=":
            target, op, kind = ("idx", target, self.key(d)), self.r.choice(["+=", ".=", "??="]), "n"
        name = target[1] if target[0] == "var" else target[1][1]
        value = self.calm(lambda: self.assigned(name, kind, d))
        return [("expr", ("assign", op, target, value))]

    def count_element(self, d):
        target, name = self.target_path(d)
        if pushes(target):
            return self.assign(d)
        self.scope.sure.add(name)
        return [("expr", ("inc", self.r.choice(["++", "--"]), self.chance(0.5), target))]

    def count_any(self, d):
        """A text or a boolean becomes a number."""
        names = self.targets_of("s") + self.targets_of("b")
        if not names:
            return self.assign(d)
        return [("expr", ("inc", self.r.choice(["++", "--"]), self.chance(0.5), ("var", self.r.choice(names))))]

    def unset(self, d):
        if self.have("a") and self.chance(0.8):
            base = ("var", self.r.choice(self.have("a")))
            if self.chance(0.15):
                return [("unset", ("slice", base, self.edge(), self.edge(), None))]
            for _ in range(self.r.choice([1, 1, 2])):
                base = ("idx", base, self.key(d))
            return [("unset", base)]
        name = self.name("x")
        self.scope.sure.discard(name)
        return [("unset", ("var", name))]

    def destructure(self, d):
        keyed = self.chance(0.4)
        targets = []
        for _ in range(self.r.randrange(1, 4)):
            name = self.name("x")
            self.scope.sure.add(name)
            default = self.leaf("x") if self.chance(0.4) else None
            target = ("var", name)
            if self.chance(0.15):
                target = ("pattern", [(self.key(0) if self.chance(0.5) else None, target, default, False)])
                default = self.leaf("a") if self.chance(0.5) else None
            targets.append((self.key(0) if keyed else None, target, default, False))
        value = self.calm(lambda: self.expr(self.r.choice("aaax"), d))
        if not keyed and self.chance(0.3):
            name = self.name("a")
            self.scope.sure.add(name)
            targets.append((None, ("var", name), None, True))
        return [("expr", ("assign", "=", ("pattern", targets), value))]

    def assign_slice(self, d):
        if not self.have("a"):
            return self.assign(d)
        base = ("var", self.r.choice(self.have("a")))
        value = self.calm(lambda: self.expr("a", d))
        return [("expr", ("assign", "=", ("slice", base, self.edge(), self.edge(), None), value))]

    def counter(self):
        self.fresh += 1
        return "ni%d%s" % (self.fresh, self.scope.suffix)

    def loop_body(self, d, nest):
        self.scope.loops += 1
        body = self.branch(min(d, 2), nest)
        self.scope.loops -= 1
        return body

    def loop(self, d, nest):
        i = self.counter()
        self.scope.sure.add(i)
        body = self.loop_body(d, nest)
        self.scope.sure.discard(i)      # nobody else writes it: the loop ends
        var, end = ("var", i), ("num", float(self.r.randrange(1, 6)))
        if self.chance(0.5):
            return [self.counting(var, end, body)]
        start = [("expr", ("assign", "=", var, ("num", 0.0)))]
        step = ("expr", ("inc", "++", True, var))
        if self.chance(0.3):
            stop = ("if", [(("bin", ">", var, end), [("break",)])], None)
            return start + [("while", None, [step, stop] + body)]
        return start + [("while", ("bin", "<", var, end), [step] + body)]

    def counting(self, var, end, body):
        """for: up or down, by one step of several"""
        first, last, sign, compare = ("num", 0.0), end, "+", self.r.choice(["<", "<=", "!="])
        if self.chance(0.3):
            first, last, sign, compare = end, ("num", 0.0), "-", self.r.choice([">", ">="])
        by = ("num", 1.0 if compare == "!=" else float(self.r.randrange(1, 4)))
        step = self.r.choice([("assign", sign + "=", var, by),
                              ("assign", "=", var, ("bin", sign, var, by)),
                              ("inc", sign * 2, self.chance(0.5), var)])
        return ("for", [("assign", "=", var, first)], ("bin", compare, var, last), [step], body)

    def foreach(self, d, nest):
        over = self.expr("a", d)
        k, v = ("var", self.name("x")) if self.chance(0.5) else None, ("var", self.name("x"))
        if k == v:
            k = None
        sure = set(self.scope.sure)
        self.scope.sure |= {v[1]} | ({k[1]} if k else set())
        body = self.loop_body(d, nest)
        self.scope.sure &= sure
        return [("foreach", over, k, v, body)]

    def switch(self, d, nest):
        kind = self.r.choice("nsx")
        cases = []
        for _ in range(self.r.randrange(1, 4)):
            body = self.branch(d, nest)
            if self.chance(0.6):
                body.append(("break",))
            cases.append((self.expr(kind, 1), body))
        if self.chance(0.6):
            cases.insert(self.r.randrange(len(cases) + 1), (None, self.branch(d, nest)))
        return [("switch", self.expr(kind, d), cases)]

    def try_(self, d, nest):
        self.scope.tries += 1
        body = self.branch(d, nest)
        self.scope.tries -= 1
        shown = ("cond", ("call", ("name", "is_string"), [("var", "e")]), ("var", "e"), ("str", "!"))
        return [("try", body, "e", [("echo", shown)] + self.branch(d, nest))]

    # -- programs

    def function(self, name, imported):
        params = [(self.r.choice("nsax") + c, None, False) for c in "45"[:self.r.randrange(3)]]
        self.scope = Scope("", imported)
        self.scope.in_function = True
        self.scope.sure |= {p[0] for p in params}
        rest = self.chance(0.2)
        if rest:
            params = params + [("a6", None, True)]
            self.scope.sure.add("a6")
        body = ([("global", sorted(imported))] if imported else []) + \
            self.statements(self.r.randrange(2, 7), 3, 2) + [("return", self.expr("x", 2))]
        plain = [p[0] for p in params if not p[2]]
        self.functions.append((name, plain, rest))
        return ("function", name, params, body)

    def program(self):
        """The statements of one program: functions, then main code that calls them."""
        suffix = "g%d" % self.number
        main = Scope(suffix)
        self.scope = main
        begin = self.statements(self.r.randrange(4), 3, 1)
        out = []
        for at in range(self.r.randrange(1, 3)):
            imported = [n for n in sorted(main.sure) if self.chance(0.3)]
            out.append(self.function("f%d_%d" % (self.number, at), imported))
        self.scope = main
        body = begin + self.statements(self.r.randrange(1, 5), 3, 2)
        calls = [("echo", self.called(f)) for f in self.functions]
        ends = [("echo", ("coal", ("var", n), ("str", "none"))) for n in sorted(main.sure) if n[0] != "f"
                and n[1] != "i"]
        shown = ("cond", ("call", ("name", "is_string"), [("var", "e" + suffix)]),
                 ("var", "e" + suffix), ("str", "!"))
        return out + [("echo", ("str", "#%d" % self.number)),
                      ("try", body + calls, "e" + suffix, [("echo", shown)])] + ends

    def called(self, function):
        name, params, _ = function
        return ("call", ("name", name), [self.expr(p[0], 2) for p in params])


def pushes(target):
    return target[0] == "push" or target[0] == "idx" and pushes(target[1])


# ---- running -----------------------------------------------------------------------------------------


def predict(statements):
    """What a program prints; None when it runs too long."""
    i = Interpreter()
    for s in statements:
        if s[0] == "function":
            i.s_function(*s[1:])
    try:
        i.block([s for s in statements if s[0] != "function"])
    except Thrown:
        i.out.append("thrown")
    except (Undefined, RecursionError):
        return None
    text = "\n".join(i.out)
    if len(text) > 20000 or any(len(line) > 4000 for line in i.out) or "..." in text:
        return None                 # echo cuts long arrays
    return text


class Program:
    def __init__(self, seed, number):
        r = random.Random("%s/%d" % (seed, number))
        self.number = number
        tree = Maker(r, number).program()
        self.wanted = predict(tree)
        p = Printer(r)
        self.source = "\n".join(p.s(s) for s in tree)
        if len(self.source) > 20000:
            self.wanted = None

    def __str__(self):
        return self.source


def run(source, folder):
    path = os.path.join(folder, "random.hsl")
    with open(path, "w", encoding="latin-1") as f:
        f.write(source)
    sluice = os.environ.get("SLUICE", "build/sluice")
    done = subprocess.run([sluice, "exec", path], capture_output=True, timeout=120)
    return done.stdout.decode("latin-1"), done.stderr.decode("latin-1")


def outputs(text):
    """What each program printed, by number."""
    found, at = {}, None
    for line in text.split("\n"):
        if line.startswith("#"):
            at = int(line[1:])
            found[at] = []
        if at is not None:
            found[at].append(line)
    return {n: "\n".join(lines) for n, lines in found.items()}


def differences(seed, count, per_file=40, most=3):
    """Programs whose output isn't what the rules say: (program, what was printed)."""
    found, compared = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, count, per_file):
            programs = [Program(seed, n) for n in range(first, min(first + per_file, count))]
            programs = [p for p in programs if p.wanted is not None]
            stdout, stderr = run("\n".join(map(str, programs)), folder)
            printed = outputs(stdout)
            compared += len(programs)
            for p in programs:
                if agrees(p, printed.get(p.number, "")):
                    continue
                alone, words = run(str(p), folder)
                if printed or not agrees(p, alone):     # else another one keeps the file from compiling
                    found.append((p, alone + words))
            if not printed and not found:
                raise AssertionError("each compiles alone, but not together: " + stderr)
            if len(found) >= most:
                break
    return found, compared


def agrees(program, printed):
    return printed.rstrip("\n") == program.wanted.rstrip("\n")


def told(seed, found):
    p, got = found
    return "seed %s, program %d\n%s\n---- wanted\n%s\n---- got\n%s" % (
        seed, p.number, p.source, p.wanted, got)


if __name__ == "__main__":
    seed_ = sys.argv[1] if len(sys.argv) > 1 else str(random.randrange(10 ** 6))
    bad, n_ = differences(seed_, int(sys.argv[2]) if len(sys.argv) > 2 else 400)
    for b in sorted(bad, key=lambda b: len(b[0].source))[:1]:
        print(told(seed_, b))
    print("seed %s: %d programs compared, %d differ" % (seed_, n_, len(bad)))
    sys.exit(1 if bad else 0)
