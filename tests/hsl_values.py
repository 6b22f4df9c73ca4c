"""Values, operators and some builtins of HSL a second time, read from the language's rules and not
from the engine: for hsl_model.py. Plain and slow, and arrays are copied whenever they change hands.
"""
import math


class Failure(Exception):
    """A runtime error of the script."""


class Undefined(Exception):
    """The rules don't say what happens (a builtin with a value that it doesn't take), or it would
    take long to find out."""


# ---- values ----------------------------------------------------------------------------------------
# none is None, numbers are floats, strings str, booleans bool, functions Function.

class Array:
    def __init__(self):
        self.items = {}

    def put(self, k, value):
        self.items[key(k)] = value

    def append(self, value):
        numbers = [k for k in self.items if isinstance(k, int)]
        if numbers and max(numbers) == 2 ** 31 - 1:
            raise Undefined("when it is told that there is no key behind the last")
        self.items[max(numbers) + 1 if numbers else 0] = value

    def get(self, k):
        return self.items.get(key(k)) if can_be_key(k) else None

    def remove(self, k):
        if can_be_key(k):
            self.items.pop(key(k), None)

    def values(self):
        return list(self.items.values())

    @staticmethod
    def of(values):
        a = Array()
        for v in values:
            a.append(v)
        return a


class Function:
    def __init__(self, name, params, body, cells, scope=None):
        self.name, self.params, self.body, self.cells = name, params, body, cells


class Work:
    """What is left of a program's time and memory: elements copied, bytes joined."""
    left = 0

    @classmethod
    def spend(cls, n):
        cls.left -= n
        if cls.left < 0:
            raise Undefined("too much")


def clone(v):
    """A value of its own: arrays are copied, however deep."""
    if not isinstance(v, Array):
        return v
    Work.spend(1 + len(v.items))
    out = Array()
    out.items = {k: clone(x) for k, x in v.items.items()}
    return out


def is_number(v):
    return isinstance(v, float)


def can_be_key(k):
    return isinstance(k, (bool, float, str))


def key(k):
    """Numbers lose their fraction, texts that look like integers are numbers."""
    if isinstance(k, bool):
        return int(k)
    if isinstance(k, float):
        return bits(k)
    if isinstance(k, str):
        if k == "0" or k.lstrip("-").isdigit() and k.lstrip("-")[0] != "0" and \
                k.count("-") <= 1 and -2 ** 31 <= int(k) < 2 ** 31:
            return int(k)
        return k
    raise Failure("key")


def shown_key(k):
    return float(k) if isinstance(k, int) else k


def truth(v):
    if v is None:
        return False
    if isinstance(v, bool):
        return v
    if isinstance(v, float):
        return v != 0
    if isinstance(v, str):
        return v != ""
    if isinstance(v, Array):
        return len(v.items) > 0
    return True


def number_text(n):
    if math.isnan(n):
        return "nan"
    if math.isinf(n):
        return "inf" if n > 0 else "-inf"
    if n == int(n) and abs(n) <= 2 ** 53:
        return str(int(n))
    if abs(n) < 1e17 and n == int(n):
        raise Undefined("an exponent or none")
    text = repr(n)
    return text[:-2] if text.endswith(".0") else text


def to_text(v):
    if isinstance(v, str):
        return v
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, float):
        return number_text(v)
    raise Failure("text")


def to_number(v):
    if isinstance(v, bool):
        return float(v)
    if isinstance(v, float):
        return v
    if not isinstance(v, str):
        return 0.0
    text, digits = v.strip(" \t\r\n"), ""
    sign = 1.0
    if text[:1] in ("-", "+"):
        sign = -1.0 if text[0] == "-" else 1.0
        text = text[1:]
    if text[:2].lower() == "0x":
        for c in text[2:]:
            if c not in "0123456789abcdefABCDEF":
                break
            digits += c
        return sign * float(int(digits or "0", 16))
    point = False
    for c in text:
        if c == "." and not point:
            point = True
        elif c not in "0123456789":
            break
        digits += c
    if text[len(digits):len(digits) + 1] in ("e", "E") and digits:
        raise Undefined("whether an exponent is read")      # the sources say "decimal"
    return sign * float(digits) if any(c.isdigit() for c in digits) else 0.0


def shown(v, depth=0):
    """What echo prints of a value inside of an array."""
    if isinstance(v, str):
        out = v.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + out.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'
    if v is None:
        return "none"
    if isinstance(v, Array):
        if depth > 31:
            raise Undefined("echo leaves out what is nested deeper")
        return "[" + ",".join(shown(shown_key(k)) + "=>" + shown(x, depth + 1)
                              for k, x in v.items.items()) + "]"
    if isinstance(v, Function):
        return "function"
    return to_text(v)


def echoed(v):
    return v if isinstance(v, str) else shown(v)


# ---- operators -------------------------------------------------------------------------------------

def same(a, b, loose=False):
    compare = equal if loose else same
    if isinstance(a, Array) and isinstance(b, Array):
        return list(a.items) == list(b.items) and \
            all(compare(x, y) for x, y in zip(a.values(), b.values()))
    if isinstance(a, Function) or isinstance(b, Function):
        return a is b
    return type(a) is type(b) and a == b


def equal(a, b):
    """The table of ==."""
    if type(a) is type(b):
        return same(a, b, True)
    if a is None or b is None:
        return False
    kinds = {type(a), type(b)}
    if bool in kinds and float in kinds or str in kinds and float in kinds:
        return to_number(a) == to_number(b)
    if bool in kinds or float in kinds:
        return truth(a) == truth(b)
    return False


def less(a, b):
    if isinstance(a, str) and isinstance(b, str):
        return a < b, a == b
    if not isinstance(a, (bool, float, str)) or not isinstance(b, (bool, float, str)):
        raise Failure("compare")
    a, b = to_number(a), to_number(b)
    return a < b, a == b


def bits(v):
    if not isinstance(v, (bool, float, str)):
        raise Failure("bits")
    n = to_number(v)
    if math.isnan(n) or math.isinf(n):
        return 0
    n = int(math.fmod(math.trunc(n), 2 ** 32)) & 0xffffffff
    return n - 2 ** 32 if n & 0x80000000 else n


def signed(n):
    n &= 0xffffffff
    return float(n - 2 ** 32 if n & 0x80000000 else n)


def merge(into, other):
    for k, v in other.items.items():
        if isinstance(k, int):
            into.append(v)
        else:
            into.items[k] = v


def add(a, b):
    if isinstance(a, Array) or isinstance(b, Array):
        out = Array()
        for side in (a, b):
            if isinstance(side, Array):
                merge(out, side)
            else:
                out.append(side)
        return clone(out)
    return numbers(a, b, lambda x, y: x + y)


def subtract(a, b):
    if isinstance(a, Array):
        out = Array()
        for k, v in a.items.items():
            taken = any(equal(v, x) for x in b.values()) if isinstance(b, Array) else equal(v, b)
            if not taken:
                out.items[k] = v
        return clone(out)
    return numbers(a, b, lambda x, y: x - y)


def multiply(a, b):
    for v in (a, b):
        if is_number(v) and v > 1000 and isinstance(a if v is b else b, (Array, str)):
            raise Undefined("too long")
    if is_number(b) and isinstance(a, str):
        return a * int(b) if b >= 1 else ""
    if is_number(a) and isinstance(b, Array):
        a, b = b, a
    if is_number(b) and isinstance(a, Array):
        out = Array()
        for _ in range(int(b) if b >= 1 else 0):
            merge(out, a)
        return clone(out)
    return numbers(a, b, lambda x, y: x * y)


def numbers(a, b, fn):
    for v in (a, b):
        if not isinstance(v, (bool, float, str)):
            raise Failure("arithmetic")
    return fn(to_number(a), to_number(b))


def divide(a, b):
    if b == 0:
        if a == 0 or math.isnan(a):
            return math.nan
        return math.copysign(math.inf, a) * math.copysign(1, b)
    return a / b


def modulo(a, b):
    if math.isnan(a) or math.isnan(b) or math.isinf(a) or b == 0:
        return math.nan
    return math.fmod(a, b)


def power(a, b):
    try:
        p = a ** b
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ZeroDivisionError:
        return math.inf
    return p if isinstance(p, float) else math.nan


def formatted(text, values):
    """Of % on strings only %s."""
    values = values.values() if isinstance(values, Array) else [values]
    parts, at = text.split("%s"), 0
    out = parts[0]
    for part in parts[1:]:
        if at >= len(values):
            raise Failure("format")
        out += to_text(values[at]) + part
        at += 1
    return out


def binary(op, a, b):
    if op == ".":
        joined = to_text(a) + to_text(b)
        Work.spend(len(joined) // 16)
        return joined
    if op in ("==", "!="):
        return equal(a, b) == (op == "==")
    if op in ("===", "!=="):
        return same(a, b) == (op == "===")
    if op in ("<", "<="):
        l, e = less(a, b)
        return l or op == "<=" and e
    if op in (">", ">="):
        l, e = less(b, a)
        return l or op == ">=" and e
    if op == "+":
        return add(a, b)
    if op == "-":
        return subtract(a, b)
    if op == "*":
        return multiply(a, b)
    if op == "/":
        return numbers(a, b, divide)
    if op == "%":
        return formatted(a, b) if isinstance(a, str) else numbers(a, b, modulo)
    if op == "**":
        return numbers(a, b, power)
    x, y = bits(a), bits(b)
    if op == "&":
        return signed(x & y)
    if op == "|":
        return signed(x | y)
    if op == "^":
        return signed(x ^ y)
    if op == "<<":
        return signed(x << (y & 31))
    if op == ">>":
        return float(x >> (y & 31))
    return float((x & 0xffffffff) >> (y & 31))      # >>>


def index(base, k):
    if isinstance(base, Array):
        return base.get(k)
    if isinstance(base, str):
        n = key(k) if can_be_key(k) else -1
        return base[n] if isinstance(n, int) and 0 <= n < len(base) else None
    if base is None or base is False:
        return None
    raise Failure("index")


def sliced(base, first, last, step):
    if base is None:
        return None
    if not isinstance(base, (Array, str)):
        raise Failure("slice")
    first, last, step = (None if v is None else int(to_number(v)) for v in (first, last, step))
    if step == 0:
        raise Failure("step")
    cut = slice(first, last, step)
    return base[cut] if isinstance(base, str) else Array.of(base.values()[cut])


def set_slice(base, first, last, value):
    if not isinstance(base, Array) or not isinstance(value, Array):
        raise Failure("slice")
    first, last = (None if v is None else int(to_number(v)) for v in (first, last))
    first, last, _ = slice(first, last).indices(len(base.items))
    out, pairs = Array(), list(base.items.items())
    for row in (pairs[:first], value.items.items(), pairs[max(first, last):]):
        part = Array()
        part.items = dict(row)
        merge(out, part)
    return out


# ---- builtins: those whose rules stand in the language's manual ---------------------------------------

def b_count(i, a):
    return float(len(a.items))


def b_map(i, fn, a):
    out = Array()
    for k, v in a.items.items():
        out.items[k] = i.call(fn, [v])
    return out


def b_filter(i, fn, a):
    out = Array()
    for k, v in a.items.items():
        if truth(i.call(fn, [v])):
            out.items[k] = clone(v)
    return out


def b_number(i, v):
    if not isinstance(v, (bool, float, str)):
        raise Undefined("number")
    return to_number(v)


def b_string(i, v):
    if not isinstance(v, (bool, float, str)):
        raise Undefined("string")
    return to_text(v)


BUILTINS = {
    "count": b_count,
    "strlen": lambda i, s: float(len(s)),
    "implode": lambda i, glue, a: glue.join(to_text(v) for v in a.values()),
    "array_keys": lambda i, a: Array.of(shown_key(k) for k in a.items),
    "array_map": b_map, "array_filter": b_filter,
    "in_array": lambda i, v, a: any(equal(x, v) for x in a.values()),
    "number": b_number,
    "string": b_string,
    "is_array": lambda i, v: isinstance(v, Array),
    "is_string": lambda i, v: isinstance(v, str),
    "is_number": lambda i, v: isinstance(v, float),
    "is_boolean": lambda i, v: isinstance(v, bool),
    "is_function": lambda i, v: isinstance(v, Function),
}
