/* Types and dispositions with their parameters. See param.h. */
#include "param.h"

#include <stdio.h>

#include "field.h"

/* ---- reading ------------------------------------------------------------- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A comment at s, nested ones counted, so that depth costs nothing. Its end, or that of s. */
static size_t
comment_end(struct sl_str s)
{
	size_t i, depth = 0;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '(')
			depth++;
		else if (s.p[i] == ')' && --depth == 0)
			return i + 1;
	}
	return s.n;
}

static struct sl_str
after(struct sl_str s, size_t n)
{
	return sl_str_sub(s, n, s.n);
}

/* Over blanks and comments, and semicolons if they may be there. */
static void
skip(struct sl_str *s, bool semicolons)
{
	while (s->n > 0) {
		if (s->p[0] == '(')
			*s = after(*s, comment_end(*s));
		else if (is_blank(s->p[0]) || (semicolons && s->p[0] == ';'))
			*s = after(*s, 1);
		else
			return;
	}
}

/* Up to a blank or one of 'ends'. Wider than RFC 2045's token: 8-bit is what it is. */
static struct sl_str
word(struct sl_str *s, struct sl_str ends)
{
	struct sl_str w;
	size_t i;

	for (i = 0; i < s->n && !is_blank(s->p[i]) && sl_str_chr(ends, s->p[i]) < 0; i++)
		;
	w = sl_str_sub(*s, 0, i);
	*s = after(*s, i);
	return w;
}

/* What stands between the quotes; s goes behind the second one. */
static struct sl_str
quoted(struct sl_str *s, bool *broken)
{
	struct sl_str text;
	size_t i;

	for (i = 1; i < s->n && s->p[i] != '"'; i++)
		if (s->p[i] == '\\')
			i++;
	if (i >= s->n)
		*broken = true;
	text = sl_str_sub(*s, 1, i);
	*s = after(*s, i + 1);
	return text;
}

/* Whether "name=" begins here: somebody forgot the semicolon. */
static bool
is_next_param(struct sl_str s)
{
	struct sl_str name = word(&s, SL_STR("=;(\"?"));

	return name.n > 0 && s.n > 0 && s.p[0] == '=';
}

/*
 * A value without quotes goes on over blanks, because file names are sent so,
 * up to the semicolon or the next parameter. Each word is looked at twice.
 */
static struct sl_str
unquoted(struct sl_str *s)
{
	struct sl_str all = *s, w;
	size_t end = 0;

	for (;;) {
		w = word(s, SL_STR(";("));
		if (w.n > 0)
			end = (size_t)(w.p + w.n - all.p);
		while (s->n > 0 && is_blank(s->p[0]))
			*s = after(*s, 1);
		if (s->n == 0 || s->p[0] == ';' || s->p[0] == '(' || is_next_param(*s))
			return sl_str_sub(all, 0, end);
	}
}

static bool
has_name(const struct sl_params *ps, struct sl_str name)
{
	for (size_t i = 0; i < ps->n; i++)
		if (sl_str_ieq(ps->param[i].name, name))
			return true;
	return false;
}

static void
add(struct sl_params *out, struct sl_param p)
{
	if (has_name(out, p.name))
		out->twice = true;
	else if (out->n < SL_MAX_PARAMS)
		out->param[out->n++] = p;
	else
		out->many = true;
}

/* The next "name = value"; s loses at least a byte. */
static void
parameter(struct sl_params *out, struct sl_str *s)
{
	struct sl_param p = { .name = word(s, SL_STR("=;(\"")) };

	skip(s, false);
	if (s->n == 0 || s->p[0] != '=') {
		out->broken = true;
		if (p.name.n == 0)
			*s = after(*s, 1);
		return;
	}
	*s = after(*s, 1);
	skip(s, false);
	p.quoted = s->n > 0 && s->p[0] == '"';
	p.value = p.quoted ? quoted(s, &out->broken) : unquoted(s);
	if (p.name.n == 0)
		out->broken = true;
	else
		add(out, p);
}

void
sl_params_parse(struct sl_params *out, struct sl_str value)
{
	out->n = 0;
	out->broken = out->many = out->twice = false;
	out->subtype = (struct sl_str){ "", 0 };
	skip(&value, false);
	out->type = word(&value, SL_STR("/;(\""));
	skip(&value, false);
	if (value.n > 0 && value.p[0] == '/') {
		value = after(value, 1);
		skip(&value, false);
		out->subtype = word(&value, SL_STR("/;(\""));
	}
	for (skip(&value, true); value.n > 0 && !out->many; skip(&value, true))
		parameter(out, &value);
}

/* ---- values -------------------------------------------------------------- */

/* Without backslashes and folds. */
static void
put_value(struct sl_buf *out, const struct sl_param *p)
{
	struct sl_str v = p->value;

	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '\r' || v.p[i] == '\n')
			continue;
		if (p->quoted && v.p[i] == '\\' && i + 1 < v.n)
			i++;
		sl_buf_putc(out, v.p[i]);
	}
}

/* RFC 2231 4: %XX; anything else is itself. */
static void
put_extended(struct sl_buf *out, struct sl_str v)
{
	int hi, lo;

	for (size_t i = 0; i < v.n; i++) {
		hi = v.p[i] == '%' && v.n - i > 2 ? sl_hex_value(v.p[i + 1]) : -1;
		lo = hi >= 0 ? sl_hex_value(v.p[i + 2]) : -1;
		if (lo >= 0) {
			sl_buf_putc(out, (char)(hi << 4 | lo));
			i += 2;
		} else {
			sl_buf_putc(out, v.p[i]);
		}
	}
}

/* charset'language' off the front of v; false: it isn't there. */
static bool
cut_charset(struct sl_str *v, struct sl_str *charset)
{
	ssize_t first = sl_str_chr(*v, '\''), second;
	struct sl_str rest;

	if (first < 0)
		return false;
	rest = after(*v, (size_t)first + 1);
	second = sl_str_chr(rest, '\'');
	if (second < 0)
		return false;
	*charset = sl_str_sub(*v, 0, (size_t)first);
	*v = after(rest, (size_t)second + 1);
	return true;
}

/* The parameter called 'name' + "*" + section + (extended ? "*" : ""); section -1 = none. */
static const struct sl_param *
find(const struct sl_params *ps, struct sl_str name, int section, bool extended)
{
	char tail[16];
	struct sl_str wanted, is;

	if (section < 0)
		snprintf(tail, sizeof(tail), "%s", extended ? "*" : "");
	else
		snprintf(tail, sizeof(tail), "*%d%s", section, extended ? "*" : "");
	wanted = sl_str_of(tail);
	for (size_t i = 0; i < ps->n; i++) {
		is = ps->param[i].name;
		if (is.n == name.n + wanted.n && sl_str_istarts(is, name) &&
		    sl_str_ends(is, wanted))
			return &ps->param[i];
	}
	return NULL;
}

/* One section's bytes. */
static void
put_section(struct sl_buf *out, const struct sl_param *p, bool extended, struct sl_str *charset)
{
	struct sl_str v = p->value;

	if (!extended) {
		put_value(out, p);
		return;
	}
	if (charset != NULL)
		cut_charset(&v, charset);
	put_extended(out, v);
}

/* Bytes of a charset as UTF-8, or as they are. */
static int
put_decoded(struct sl_buf *out, struct sl_str charset, struct sl_str bytes)
{
	int r = charset.n > 0 ? sl_charset_to_utf8(out, charset, bytes) : SL_ERR_NOTFOUND;

	if (r == SL_ERR_NOTFOUND || r == SL_ERR_SYNTAX)
		r = sl_buf_putstr(out, bytes);
	return r;
}

/* name*, or name*0 (name*0*), name*1, ... up to the first that is missing (RFC 2231 3). */
static int
get_extended(const struct sl_params *ps, struct sl_str name, struct sl_buf *out)
{
	struct sl_buf bytes = SL_BUF_INIT;
	struct sl_str charset = { "", 0 };
	const struct sl_param *p = find(ps, name, -1, true);
	int section, r;
	bool extended;

	if (p != NULL) {
		put_section(&bytes, p, true, &charset);
	} else {
		for (section = 0; section < SL_MAX_PARAMS; section++) {
			extended = (p = find(ps, name, section, true)) != NULL;
			if (p == NULL && (p = find(ps, name, section, false)) == NULL)
				break;
			put_section(&bytes, p, extended, section == 0 ? &charset : NULL);
		}
		if (section == 0)
			return SL_ERR_NOTFOUND;
	}
	r = bytes.failed ? SL_ERR_NOMEM : put_decoded(out, charset, sl_buf_str(&bytes));
	sl_buf_clear(&bytes);
	return r;
}

int
sl_param_plain(const struct sl_params *params, struct sl_str name, struct sl_buf *out)
{
	const struct sl_param *p = find(params, name, -1, false);

	if (p == NULL)
		return SL_ERR_NOTFOUND;
	put_value(out, p);
	return out->failed ? SL_ERR_NOMEM : 0;
}

int
sl_param_get(const struct sl_params *params, struct sl_str name, bool words, struct sl_buf *out)
{
	struct sl_buf text = SL_BUF_INIT;
	int r = get_extended(params, name, out);

	if (r != SL_ERR_NOTFOUND)
		return r;
	if (!words)
		return sl_param_plain(params, name, out);
	r = sl_param_plain(params, name, &text);
	if (r == 0)
		r = sl_encoded_words_decode(out, sl_buf_str(&text));
	sl_buf_clear(&text);
	return r;
}

bool
sl_param_ambiguous(const struct sl_params *params, struct sl_str name)
{
	int forms = (find(params, name, -1, false) != NULL) + (find(params, name, -1, true) != NULL);

	forms += find(params, name, 0, false) != NULL;
	forms += find(params, name, 0, true) != NULL;
	return forms > 1;
}
