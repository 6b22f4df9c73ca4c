/* Fields that edits make: what is refused (attack A15), and how they are laid out. */
#include <string.h>

#include "field.h"

#define LINE	78		/* RFC 5322 2.1.1 */

bool
sl_is_ftext(char c)
{
	return c > 32 && c < 127 && c != ':';
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

int
sl_field_name_check(struct sl_str name, struct sl_err *err)
{
	if (name.n == 0 || name.n > SL_MAX_FIELD_NAME)
		return sl_err_set(err, SL_ERR_SYNTAX, "a header name has 1 to %d bytes",
		    SL_MAX_FIELD_NAME);
	for (size_t i = 0; i < name.n; i++) {
		if (!sl_is_ftext(name.p[i]))
			return sl_err_set(err, SL_ERR_SYNTAX,
			    "byte 0x%02x can't stand in a header name",
			    (unsigned char)name.p[i]);
	}
	return 0;
}

/* Length of the line break at i when it is a fold with text behind it, else 0.
 * A line of nothing but blanks looks like the end of the header to some. */
static size_t
fold_at(struct sl_str v, size_t i)
{
	size_t len = v.p[i] == '\r' ? 2 : 1, at = i + len;

	if (len == 2 && (i + 1 >= v.n || v.p[i + 1] != '\n'))
		return 0;
	if (at >= v.n || !is_blank(v.p[at]))
		return 0;
	while (at < v.n && is_blank(v.p[at]))
		at++;
	return at < v.n && v.p[at] != '\r' && v.p[at] != '\n' ? len : 0;
}

int
sl_field_value_check(struct sl_str value, struct sl_err *err)
{
	size_t len;

	if (value.n > SL_MAX_FIELD_VALUE)
		return sl_err_set(err, SL_ERR_SYNTAX, "a header value has at most %d bytes",
		    SL_MAX_FIELD_VALUE);
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '\0')
			return sl_err_set(err, SL_ERR_SYNTAX, "a header value can't hold NUL");
		if (value.p[i] != '\r' && value.p[i] != '\n')
			continue;
		len = fold_at(value, i);
		if (len == 0)
			return sl_err_set(err, SL_ERR_SYNTAX,
			    "a header value can't hold a line break that isn't a fold");
		i += len - 1;
	}
	return 0;
}

/* The next word with the blanks (and fold) before it: its length in 'v' from i. */
static size_t
word_at(struct sl_str v, size_t i)
{
	size_t at = i;

	while (at < v.n && sl_isspace(v.p[at]))
		at++;
	while (at < v.n && !sl_isspace(v.p[at]))
		at++;
	return at - i;
}

/* Without CR and LF: a word with its blanks, unfolded. Returns the bytes written. */
static size_t
put_unfolded(struct sl_buf *out, struct sl_str word)
{
	size_t before = out->n;

	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] != '\r' && word.p[i] != '\n')
			sl_buf_putc(out, word.p[i]);
	}
	return out->n - before;
}

/* Breaks before the blanks that would carry a line past its end; never in
 * front of the first word, and never so that a line is only blanks. */
static void
put_refolded(struct sl_buf *out, struct sl_str v, size_t column)
{
	bool first = true;
	size_t i = 0, n, len;
	struct sl_str word;

	for (; i < v.n; i += n, first = false) {
		n = word_at(v, i);
		word = (struct sl_str){ v.p + i, n };
		len = n;
		for (size_t k = 0; k < n && sl_isspace(word.p[k]); k++)
			len -= word.p[k] == '\r' || word.p[k] == '\n';
		if (!first && column + len > LINE && sl_isspace(word.p[0]) &&
		    !sl_isspace(word.p[n - 1])) {
			sl_buf_puts(out, "\r\n");
			column = 0;
		}
		column += put_unfolded(out, word);
	}
}

/* Every line break is a fold already (checked): LF becomes CRLF. */
static void
put_folded(struct sl_buf *out, struct sl_str v)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '\n' && (i == 0 || v.p[i - 1] != '\r'))
			sl_buf_putc(out, '\r');
		sl_buf_putc(out, v.p[i]);
	}
}

int
sl_field_write(struct sl_buf *out, struct sl_str name, struct sl_str value, bool refold,
    struct sl_err *err)
{
	int r = sl_field_name_check(name, err);

	if (r == 0)
		r = sl_field_value_check(value, err);
	if (r == 0 && sl_field_format(out, name, value, refold) != 0)
		r = sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	return r;
}

int
sl_field_format(struct sl_buf *out, struct sl_str name, struct sl_str value, bool refold)
{
	bool space = value.n > 0 && !sl_isspace(value.p[0]);

	sl_buf_reserve(out, name.n + value.n + 8);
	sl_buf_putstr(out, name);
	sl_buf_puts(out, space ? ": " : ":");
	if (refold)
		put_refolded(out, value, name.n + (space ? 2 : 1));
	else
		put_folded(out, value);
	sl_buf_puts(out, "\r\n");
	return out->failed ? SL_ERR_NOMEM : 0;
}
