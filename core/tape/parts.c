/* Values of several parts. See tape.h. */
#include <stdio.h>

#include "../base/alloc.h"
#include "tape.h"

int64_t
sl_tape_number(struct sl_str text)
{
	bool negative = text.n > 0 && text.p[0] == '-';
	uint64_t n;

	if (!sl_str_u64(sl_str_sub(text, negative, text.n), &n) || n > INT64_MAX)
		return 0;
	return negative ? -(int64_t)n : (int64_t)n;
}

void
sl_tape_put(struct sl_buf *out, const char *name, struct sl_str value)
{
	sl_buf_printf(out, "%s %zu ", name, value.n);
	sl_buf_putstr(out, value);
	sl_buf_putc(out, '\n');
}

void
sl_tape_put_number(struct sl_buf *out, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	sl_tape_put(out, name, sl_str_of(text));
}

bool
sl_tape_part(struct sl_str *parts, struct sl_str *name, struct sl_str *value)
{
	struct sl_str rest = *parts, size;
	uint64_t n;

	if (!sl_str_split(&rest, ' ', name) || !sl_str_split(&rest, ' ', &size) ||
	    !sl_str_u64(size, &n) || n >= rest.n || rest.p[n] != '\n')
		return false;
	*value = sl_str_sub(rest, 0, n);
	*parts = sl_str_sub(rest, n + 1, rest.n);
	return true;
}

bool
sl_tape_map(struct sl_str parts, void (*fn)(void *arg, struct sl_str value, struct sl_buf *out),
    void *arg, struct sl_buf *out)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_str name, value;
	char word[64];
	bool any = false;

	while (sl_tape_part(&parts, &name, &value)) {
		any = true;
		sl_buf_reset(&text);
		fn(arg, value, &text);
		snprintf(word, sizeof(word), "%.*s", name.n < 63 ? (int)name.n : 63, name.p);
		sl_tape_put(out, word, sl_buf_str(&text));
		out->failed = out->failed || text.failed;
	}
	sl_wipe(text.p, text.n);
	sl_buf_clear(&text);
	return any && parts.n == 0;
}

struct sl_str
sl_tape_get(struct sl_str parts, const char *name)
{
	struct sl_str n, value;

	while (sl_tape_part(&parts, &n, &value))
		if (sl_str_eq(n, sl_str_of(name)))
			return value;
	return SL_STR("");
}

int64_t
sl_tape_get_number(struct sl_str parts, const char *name)
{
	return sl_tape_number(sl_tape_get(parts, name));
}
