/* What Lua says of a value that an operator can't take, in HSL's words. */
#include "hsl.h"

/* Takes the prefix off the text; false = it isn't there. */
static bool
skip(struct sl_str *text, const char *prefix)
{
	struct sl_str p = sl_str_of(prefix);

	if (!sl_str_starts(*text, p))
		return false;
	*text = sl_str_sub(*text, p.n, text->n);
	return true;
}

/* All before 'mark', which is taken off the text too; false = it isn't there. */
static bool
until(struct sl_str *text, const char *mark, struct sl_str *before)
{
	struct sl_str m = sl_str_of(mark);
	ssize_t at = sl_str_find(*text, m);

	if (at < 0)
		return false;
	*before = sl_str_sub(*text, 0, (size_t)at);
	*text = sl_str_sub(*text, (size_t)at + m.n, text->n);
	return true;
}

static void
put_type(struct sl_buf *out, struct sl_str type)
{
	if (sl_str_eq(type, SL_STR("nil")))
		sl_buf_puts(out, "none");
	else
		sl_buf_printf(out, "%s %.*s", sl_str_eq(type, SL_STR("array")) ? "an" : "a", (int)type.n, type.p);
}

/* " (local 'a')" or " (field 'b')", if the value has a name that the script knows. */
static void
put_name(struct sl_buf *out, struct sl_str text)
{
	struct sl_str name;
	bool variable = skip(&text, " (local '") || skip(&text, " (upvalue '");

	if (!variable && !skip(&text, " (field '"))
		return;
	if (!until(&text, "')", &name) || sl_str_starts(name, SL_STR("_")))
		return;
	sl_buf_printf(out, variable ? "$%.*s is " : "\"%.*s\" is ", (int)name.n, name.p);
}

static bool
operand(struct sl_str text, const char *wanted, struct sl_buf *out)
{
	struct sl_str type;

	if (!skip(&text, "a ") && !skip(&text, "an "))
		return false;
	if (!until(&text, " value", &type))
		return false;
	put_name(out, text);
	put_type(out, type);
	sl_buf_printf(out, ", no %s", wanted);
	return true;
}

static bool
container(struct sl_str text, struct sl_buf *out)
{
	struct sl_str type;

	if (!skip(&text, "a ") || !until(&text, " value", &type))
		return false;
	put_type(out, type);
	sl_buf_puts(out, " has no elements");
	return true;
}

static bool
comparison(struct sl_str text, struct sl_buf *out)
{
	struct sl_str type;

	if (skip(&text, "two ") && until(&text, " values", &type)) {
		put_type(out, type);
		sl_buf_puts(out, " and ");
		put_type(out, type);
	} else if (until(&text, " with ", &type)) {
		put_type(out, type);
		sl_buf_puts(out, " and ");
		put_type(out, text);
	} else {
		return false;
	}
	sl_buf_puts(out, " can't be compared");
	return true;
}

bool
sl_hsl_words(struct sl_str path, struct sl_str text, struct sl_buf *out)
{
	if (!sl_str_ends(path, SL_STR(".hsl")) || !skip(&text, "attempt to "))
		return false;
	if (skip(&text, "compare "))
		return comparison(text, out);
	if (skip(&text, "perform arithmetic on "))
		return operand(text, "number", out);
	if (skip(&text, "index "))
		return container(text, out);
	return skip(&text, "call ") && operand(text, "function", out);
}
