"""Source of HSL from the trees of hsl_model.py: with as few parentheses as the binding of operators
allows, some more by chance, and the other ways there are to write the same.
"""

LEVELS = {"|": 7, "^": 8, "&": 9, "<<": 10, ">>": 10, ">>>": 10, ".": 11, "+": 12, "-": 12,
          "*": 13, "/": 13, "%": 13, "**": 14, "or": 4, "and": 5}
COMPARE, COALESCE, UNARY, POSTFIX = 6, 6.5, 15, 16


def number_source(r, n):
    if n == int(n) and n >= 0 and r.random() < 0.15:
        return hex(int(n))
    return repr(n)[:-2] if repr(n).endswith(".0") else repr(n)


def quoted(s):
    out = s.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return '"' + out.replace("\t", "\\t") + '"'


class Printer:
    def __init__(self, r):
        self.r = r

    def e(self, n, least=1):
        """Source of an expression where operators looser than 'least' need parentheses."""
        text, level = getattr(self, "e_" + n[0])(*n[1:], least=least)
        if level < least or level < POSTFIX and self.r.random() < 0.05:
            return "(" + text + ")"
        return text

    def e_num(self, v, least):
        return number_source(self.r, v), POSTFIX

    def e_str(self, s, least):
        if "'" not in s and self.r.random() < 0.1:
            return "''" + s + "''", POSTFIX
        return quoted(s), POSTFIX

    def e_const(self, v, least):
        return {None: "none", True: "true", False: "false"}[v], POSTFIX

    def e_var(self, name, least):
        return "$" + name, POSTFIX

    def e_interp(self, parts, least):
        out = ""
        for at, p in enumerate(parts):
            if isinstance(p, str):
                out += quoted(p)[1:-1]
                continue
            following = parts[at + 1][:1] if at + 1 < len(parts) and isinstance(parts[at + 1], str) else ""
            plain = not (following.isalnum() or following == "_") and self.r.random() < 0.7
            out += "$" + p[1] if plain else "${" + p[1] + "}"
        return '"' + out + '"', POSTFIX

    def e_bin(self, op, a, b, least):
        level = LEVELS.get(op, COMPARE)
        if op == "**":
            return self.e(a, POSTFIX) + " ** " + self.e(b, POSTFIX if b[0] == "un" else 14), 14
        if level == COMPARE:
            return self.e(a, COALESCE) + " " + op + " " + self.e(b, COALESCE), level
        return self.e(a, level) + " " + op + " " + self.e(b, level + 1), level

    def e_un(self, op, a, least):
        inner = self.e(a, UNARY)
        return op + (" " if inner[0] == op else "") + inner, UNARY

    def e_not(self, a, least):
        word = self.r.choice(["!", "not "])
        if a[0] == "assign" and least <= 1:     # takes all that follows
            return word + self.e_assign(*a[1:], least=1)[0], 1
        inner = self.e(a, UNARY)
        return word + (" " if inner[0] in "~=" else "") + inner, UNARY      # !~ is an operator

    def e_logic(self, op, a, b, least):
        level = LEVELS[op]
        return self.e(a, level) + " " + op + " " + self.e(b, level + 1), level

    def e_cond(self, c, a, b, least):
        if a is None:
            return self.e(c, 3) + " ?: " + self.e(b, 2), 2
        return self.e(c, 3) + " ? " + self.e(a, 1) + " : " + self.e(b, 2), 2

    def e_coal(self, a, b, least):
        return self.e(a, COALESCE + 0.5) + " ?? " + self.e(b, COALESCE), COALESCE

    def e_isset(self, target, least):
        return "isset(" + self.e(target) + ")", POSTFIX

    def items(self, items):
        return ", ".join(("..." if spread else "") + (self.e(k) + " => " if k is not None else "") +
                         self.e(v) for k, v, spread in items)

    def e_arr(self, items, least):
        tail = "," if items and self.r.random() < 0.1 else ""
        if self.r.random() < 0.05:
            return "array(" + self.items(items) + tail + ")", POSTFIX
        return "[" + self.items(items) + tail + "]", POSTFIX

    def e_idx(self, base, k, least):
        return self.e(base, POSTFIX) + "[" + self.e(k) + "]", POSTFIX

    def e_push(self, base, least):
        return self.e(base, POSTFIX) + "[]", POSTFIX

    def e_slice(self, base, first, last, step, least):
        first, last, step = (None if n is None else self.e(n, 3) for n in (first, last, step))
        text = (first or "") + ":" + (last or "")
        return self.e(base, POSTFIX) + "[" + text + (":" + step if step else "") + "]", POSTFIX

    def e_name(self, name, least):
        return name, POSTFIX

    def parameters(self, params):
        return "(" + ", ".join(("..." if rest else "") + "$" + name +
                               (" = " + self.e(default) if default is not None else "")
                               for name, default, rest in params) + ")"

    def e_func(self, params, captured, body, least):
        closure = " closure (" + ", ".join("$" + c for c in captured) + ")" if captured else ""
        return "function " + self.parameters(params) + closure + " " + self.block(body), POSTFIX

    def e_spread(self, n, least):
        return "..." + self.e(n), 1

    def e_call(self, callee, args, least):
        return self.e(callee, POSTFIX) + "(" + ", ".join(
            "..." + self.e(a[1]) if a[0] == "spread" else self.e(a) for a in args) + ")", POSTFIX

    def e_match(self, subject, arms, least):
        out = ["default => " + self.e(v) if values is None else
               ", ".join(self.e(x) for x in values) + " => " + self.e(v) for values, v in arms]
        return "match (" + self.e(subject) + ") { " + ", ".join(out) + " }", POSTFIX

    def e_pattern(self, targets, least):
        out = [("..." if rest else "") + (self.e(k) + " => " if k is not None else "") + self.e(t) +
               (" = " + self.e(d) if d is not None else "") for k, t, d, rest in targets]
        return "[" + ", ".join(out) + "]", POSTFIX

    def e_assign(self, op, target, value, least):
        return self.e_target(target) + " " + op + " " + self.e(value), 1

    def e_target(self, target):
        return getattr(self, "e_" + target[0])(*target[1:], least=1)[0]

    def e_inc(self, op, prefix, target, least):
        t = self.e_target(target)
        return op + t if prefix else t + op, UNARY if prefix else POSTFIX - 1

    # -- statements

    def block(self, body):
        return "{" + self.lines(body) + "}"

    def lines(self, body):
        return "".join(self.r.choice([" ", "\n"]) + self.s(s) for s in body) + " "

    def body(self, body):
        if len(body) == 1 and body[0][0] in ("echo", "expr", "return") and self.r.random() < 0.4:
            return self.s(body[0])
        return self.block(body)

    def s(self, s):
        return getattr(self, "s_" + s[0])(*s[1:])

    def s_expr(self, n):
        return getattr(self, "e_" + n[0])(*n[1:], least=1)[0] + ";"

    def s_echo(self, n):
        return "echo " + self.e(n) + ";"

    def s_return(self, n):
        return "return;" if n is None else "return " + self.e(n) + ";"

    def s_break(self):
        return "break;"

    def s_continue(self):
        return "continue;"

    def s_if(self, arms, otherwise):
        out = " else ".join("if (" + self.e(c) + ") " + self.body(b) for c, b in arms)
        return out + (" else " + self.block(otherwise) if otherwise else "")

    def s_while(self, c, body):
        return ("forever " if c is None else "while (" + self.e(c) + ") ") + self.block(body)

    def s_for(self, init, c, step, body):
        return "for (" + ", ".join(self.e(n) for n in init) + "; " + self.e(c) + "; " + \
            ", ".join(self.e(n) for n in step) + ") " + self.body(body)

    def s_foreach(self, over, k, v, body):
        return "foreach (" + self.e(over) + " as " + ("$" + k[1] + " => " if k else "") + \
            self.e_target(v) + ") " + self.block(body)

    def s_switch(self, subject, cases):
        out = "".join(("default:" if v is None else "case " + self.e(v) + ":") + self.lines(b)
                      for v, b in cases)
        return "switch (" + self.e(subject) + ") { " + out + "}"

    def s_try(self, body, name, handler):
        return "try " + self.block(body) + " catch ($" + name + ") " + self.block(handler)

    def s_throw(self, n):
        return "throw " + self.e(n) + ";"

    def s_global(self, names):
        return "global " + ", ".join("$" + n for n in names) + ";"

    def s_unset(self, target):
        return "unset(" + self.e_target(target) + ");"

    def s_block(self, body):
        return self.block(body)

    def s_function(self, name, params, body):
        return "function " + name + self.parameters(params) + " " + self.block(body)
