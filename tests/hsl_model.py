"""HSL a second time: a walker over trees, written from the language's rules and not from the compiler.

A tree is made of tuples whose first item is the type; hsl_random.py makes them and prints them as
source. What the rules leave open (a variable assigned in its own augmented assignment, keys that
are negative, numbers beyond 2^53) isn't in the trees, or ends in Undefined.
"""
from hsl_values import (BUILTINS, Array, Failure, Function, Undefined, Work, binary, bits, can_be_key,
                        clone, echoed, equal, index, merge, same, set_slice, shown_key, signed, sliced,
                        to_number, to_text, truth)

UNSET = object()        # a variable without a value


class Thrown(Exception):
    def __init__(self, value):
        self.value = value


class Break(Exception):
    pass


class Continue(Exception):
    pass


class Return(Exception):
    def __init__(self, value):
        self.value = value


class Cell:
    def __init__(self, value=UNSET):
        self.value = value


class Interpreter:
    """Runs a program: its functions and the main code. 'out' gets what is echoed."""

    def __init__(self, steps=100000):
        self.functions, self.globals, self.out = {}, {}, []
        Work.left = steps
        self.frames = [self.globals]

    # -- variables

    def cell(self, name):
        return self.frames[-1].setdefault(name, Cell())

    def read(self, name, quiet=False):
        value = self.cell(name).value
        if value is UNSET:
            if quiet:
                return None
            raise Failure("unset " + name)
        return value

    # -- functions

    def call(self, fn, args):
        if not isinstance(fn, Function):
            raise Failure("call")
        if callable(fn.body):
            try:
                return fn.body(self, *args)
            except (AttributeError, TypeError) as e:
                raise Undefined(fn.name) from e
        frame = dict(fn.cells)
        for at, (name, default, rest) in enumerate(fn.params):
            if rest:
                frame[name] = Cell(clone(Array.of(args[at:])))
            elif at < len(args):
                frame[name] = Cell(clone(args[at]))
            else:
                frame[name] = Cell(self.value(default))
        self.frames.append(frame)
        try:
            self.block(fn.body)
        except Return as r:
            return clone(r.value)
        finally:
            self.frames.pop()
        return None

    def function(self, name):
        if name in self.functions:
            return self.functions[name]
        return Function(name, [], BUILTINS[name], {})

    # -- expressions

    def value(self, n):
        Work.spend(1)
        return getattr(self, "e_" + n[0])(*n[1:])

    def e_num(self, v, _=None):
        return v

    e_str = e_num
    e_const = e_num

    def e_var(self, name):
        return self.read(name)

    def e_paren(self, n):
        return self.value(n)

    def e_interp(self, parts):
        return "".join(p if isinstance(p, str) else to_text(self.read(p[1])) for p in parts)

    def e_bin(self, op, a, b):
        a = clone(self.value(a))
        return binary(op, a, self.value(b))

    def e_un(self, op, a):
        a = self.value(a)
        if op == "~":
            return signed(~bits(a))
        if not isinstance(a, (bool, float, str)):
            raise Failure("negate")
        return -to_number(a)

    def e_not(self, a):
        return not truth(self.value(a))

    def e_logic(self, op, a, b):
        left = truth(self.value(a))
        if left == (op == "or"):
            return left
        return truth(self.value(b))

    def e_cond(self, c, a, b):
        c = self.value(c)
        if truth(c):
            return c if a is None else self.value(a)
        return self.value(b)

    def quietly(self, n):
        if n[0] == "var":
            return self.read(n[1], True)
        if n[0] == "idx":
            base = clone(self.quietly(n[1]))
            return index(base, self.value(n[2]))
        if n[0] == "slice":
            base = clone(self.quietly(n[1]))
            return sliced(base, *(None if v is None else self.value(v) for v in n[2:]))
        return self.value(n)

    def e_coal(self, a, b):
        a = self.quietly(a)
        return self.value(b) if a is None else a

    def e_isset(self, target):
        return self.there(target) is not None

    def there(self, n):
        """As quietly, but what has no elements has none of that name either."""
        if n[0] != "idx":
            return self.quietly(n)
        base, k = clone(self.there(n[1])), self.value(n[2])
        return index(base, k) if isinstance(base, (Array, str)) else None

    def e_arr(self, items):
        out = Array()
        for k, v, spread in items:
            if spread:
                v = self.value(v)
                if not isinstance(v, Array):
                    raise Failure("spread")
                merge(out, clone(v))
            elif k is None:
                out.append(clone(self.value(v)))
            else:
                k = self.value(k)
                out.put(k, clone(self.value(v)))
        return out

    def e_idx(self, base, k):
        base = clone(self.value(base))
        return index(base, self.value(k))

    def e_slice(self, base, first, last, step):
        base = clone(self.value(base))
        return sliced(base, *(None if n is None else self.value(n) for n in (first, last, step)))

    def e_name(self, name):
        return self.function(name)

    def e_func(self, params, captured, body):
        return Function(None, params, body, {name: self.cell(name) for name in captured})

    def e_call(self, callee, args):
        fn = self.function(callee[1]) if callee[0] == "name" else self.value(callee)
        given = []
        for n in args:
            if n[0] == "spread":
                v = self.value(n[1])
                if not isinstance(v, Array):
                    raise Failure("spread")
                given += clone(v.values())
            else:
                given.append(clone(self.value(n)))
        return self.call(fn, given)

    def e_match(self, subject, arms):
        subject = clone(self.value(subject))
        otherwise = None
        for values, value in arms:
            if values is None:
                otherwise = value
            elif any(same(subject, self.value(v)) for v in values):
                return self.value(value)
        if otherwise is None:
            raise Failure("match")
        return self.value(otherwise)

    def e_assign(self, op, target, value):
        if op == "=":
            if target[0] in ("idx", "push"):
                value = clone(self.value(value))
                self.store(target, value)
                return value
            value = clone(self.value(value))
            self.store(target, value)
            return value
        target = self.once(target)
        if op == "??=":
            old = self.quietly(target)
            if old is not None:
                return old
            value = clone(self.value(value))
            self.store(target, value)
            return value
        old = clone(self.value(target) if target[0] == "var" else self.quietly(target))
        value = clone(binary(op[:-1], old, self.value(value)))
        self.store(target, value)
        return value

    def once(self, target):
        """A target that is read and written, its keys evaluated."""
        if target[0] not in ("idx", "slice"):
            return target
        base = self.once(target[1])
        return (target[0], base, *(None if n is None else ("done", self.value(n)) for n in target[2:]))

    def e_done(self, value):
        return value

    def e_inc(self, op, prefix, target):
        target = self.once(target)
        old = self.value(target) if target[0] == "var" else self.quietly(target)
        if isinstance(old, Array):
            raise Undefined("inc")
        counts = old is None and target[0] != "var"       # a missing element counts from 0
        new = binary(op[0], 0.0 if counts else old, 1.0)
        self.store(target, new)
        return new if prefix else old

    # -- assigning

    def store(self, target, value):
        kind = target[0]
        if kind == "var":
            self.cell(target[1]).value = value
        elif kind == "pattern":
            self.destructure(target[1], value)
        elif kind == "slice":
            base = self.quietly(target[1])
            parts = [None if n is None else self.value(n) for n in target[2:4]]
            self.store(target[1], clone(set_slice(base, *parts, value)))
        else:
            self.store_element(target, value)

    def path(self, target):
        keys = []
        while target[0] in ("idx", "push"):
            keys.append((target[0], None if target[0] == "push" else target[2]))
            target = target[1]
        return target[1], [(kind, None if kind == "push" else self.value(k))
                           for kind, k in reversed(keys)]

    def store_element(self, target, value, remove=False):
        name, keys = self.path(target)
        root = self.read(name, True)
        if root is None:
            if remove:
                return
            root = Array()
        at = root
        if not isinstance(at, Array):
            raise Failure("element")
        steps = []
        for kind, k in keys[:-1]:
            inner = None if kind == "push" else at.get(k)
            if inner is None:
                if remove:
                    return
                inner = Array()
                steps.append((at, kind, k, inner))
            elif not isinstance(inner, Array):
                raise Failure("element")
            at = inner
        kind, k = keys[-1]
        if remove:
            at.remove(k)
            return
        if kind != "push" and not can_be_key(k) or \
                any(s[1] != "push" and not can_be_key(s[2]) for s in steps):
            raise Failure("key")
        if kind == "push":
            at.append(value)
        else:
            at.put(k, value)
        for outer, kind, k, inner in steps:
            if kind == "push":
                outer.append(inner)
            else:
                outer.put(k, inner)
        self.cell(name).value = root

    def destructure(self, targets, value):
        array = value if isinstance(value, Array) else Array()
        for at, (k, target, default, rest) in enumerate(targets):
            if rest:
                got = Array.of(array.values()[at:])
            else:
                got = array.get(float(at) if k is None else self.value(k))
            if got is None and default is not None:
                got = self.value(default)
            self.store(target, clone(got))

    # -- statements

    def block(self, statements):
        for s in statements:
            Work.spend(1)
            getattr(self, "s_" + s[0])(*s[1:])

    def s_expr(self, n):
        self.value(n)

    def s_echo(self, n):
        self.out.append(echoed(self.value(n)))

    def s_return(self, n):
        raise Return(None if n is None else clone(self.value(n)))

    def s_break(self):
        raise Break

    def s_continue(self):
        raise Continue

    def s_if(self, arms, otherwise):
        for c, body in arms:
            if truth(self.value(c)):
                return self.block(body)
        if otherwise:
            self.block(otherwise)

    def repeat(self, body):
        """False when the body has left the loop."""
        try:
            self.block(body)
        except Break:
            return False
        except Continue:
            pass
        return True

    def s_while(self, c, body):
        while (c is None or truth(self.value(c))) and self.repeat(body):
            pass

    def s_for(self, init, c, step, body):
        for n in init:
            self.value(n)
        while truth(self.value(c)):
            if not self.repeat(body):
                break
            for n in step:
                self.value(n)

    def s_foreach(self, over, k, v, body):
        over = clone(self.value(over))
        if not isinstance(over, Array):
            raise Failure("foreach")
        for at, value in over.items.items():
            if k is not None:
                self.store(k, shown_key(at))
            self.store(v, clone(value))
            if not self.repeat(body):
                break

    def s_switch(self, subject, cases):
        subject = clone(self.value(subject))
        start = None
        for at, (value, _) in enumerate(cases):
            if value is not None and equal(subject, self.value(value)):
                start = at
                break
        if start is None:
            start = next((at for at, (value, _) in enumerate(cases) if value is None), None)
        if start is None:
            return
        try:
            for _, body in cases[start:]:
                self.block(body)
        except Break:
            pass

    def s_try(self, body, name, handler):
        depth = len(self.frames)
        try:
            return self.block(body)
        except Thrown as t:
            value = t.value
        except Failure:
            value = Function("error", [], None, {})     # an object: echo never shows it
        del self.frames[depth:]
        if name is not None:
            self.cell(name).value = value
        self.block(handler)

    def s_throw(self, n):
        raise Thrown(clone(self.value(n)))

    def s_global(self, names):
        for name in names:
            self.frames[-1][name] = self.globals.setdefault(name, Cell())

    def s_unset(self, target):
        if target[0] == "var":
            self.cell(target[1]).value = UNSET
        elif target[0] == "slice":
            if self.quietly(target[1]) is not None:
                self.store(target, Array())
        else:
            self.store_element(target, None, remove=True)

    def s_block(self, body):
        self.block(body)

    def s_function(self, name, params, body):
        self.functions[name] = Function(name, params, body, {})
