#include "zone_words.h"

#include <string.h>

#include "../base/alloc.h"

#define MAX_TTL		0x7fffffff	/* RFC 2181 8 */

/* ---- words ------------------------------------------------------------------------- */

static int
fail_at(struct sl_zone_text *p, unsigned line, unsigned column, const char *what)
{
	return sl_err_set(p->err, SL_ERR_SYNTAX, "zone line %u, column %u: %s", line, column, what);
}

static int
fail_here(struct sl_zone_text *p, const char *what)
{
	return fail_at(p, p->line, (unsigned)(p->at - p->begin) + 1, what);
}

/* At the word taken last. */
int
sl_zone_fail(struct sl_zone_text *p, const char *what)
{
	const struct sl_zone_word *t = &p->words[p->next > 0 ? p->next - 1 : 0];

	return sl_err_set(p->err, SL_ERR_SYNTAX, "zone line %u, column %u: %s, not \"%.60s\"", t->line,
	    t->column, what, t->text);
}

void
sl_zone_drop(struct sl_zone_text *p)
{
	while (p->n > 0)
		sl_free(p->words[--p->n].text);
	p->next = 0;
}

static void
next_line(struct sl_zone_text *p)
{
	p->line++;
	p->begin = p->at + 1;
}

/* The end of the word that begins here. */
static int
scan_token(struct sl_zone_text *p, bool quoted)
{
	for (; p->at < p->s.n; p->at++) {
		char c = p->s.p[p->at];

		if (c == '\0')
			return fail_here(p, "a NUL byte");
		if (quoted ? c == '"' : strchr(" \t\r\n;()\"", c) != NULL)
			return 0;
		if (c == '\\' && p->at + 1 < p->s.n && p->s.p[p->at + 1] != '\0')
			c = p->s.p[++p->at];
		if (c == '\n')
			next_line(p);
	}
	return quoted ? fail_here(p, "a quote isn't closed") : 0;
}

static int
take_token(struct sl_zone_text *p)
{
	struct sl_zone_word t = { .quoted = p->s.p[p->at] == '"', .line = p->line,
	    .column = (unsigned)(p->at - p->begin) + 1 };
	size_t from;
	int rc;

	if (p->n == SL_ZONE_MAX_WORDS)
		return fail_here(p, "more than 64 words");
	p->at += t.quoted;
	from = p->at;
	if ((rc = scan_token(p, t.quoted)) != 0)
		return rc;
	t.text = sl_strndup(p->s.p + from, p->at - from);
	if (t.text == NULL)
		return SL_ERR_NOMEM;
	p->at += t.quoted;
	p->words[p->n++] = t;
	return 0;
}

/* The words of one entry; parentheses continue it over lines. */
int
sl_zone_entry(struct sl_zone_text *p)
{
	unsigned depth = 0;
	char c;
	int rc;

	sl_zone_drop(p);
	p->begin = p->at;
	p->indented = p->at < p->s.n && (p->s.p[p->at] == ' ' || p->s.p[p->at] == '\t');
	while (p->at < p->s.n) {
		c = p->s.p[p->at];
		if (c == '\n' && depth == 0)
			break;
		if (c == ';') {
			while (p->at < p->s.n && p->s.p[p->at] != '\n')
				p->at++;
			continue;
		}
		if (c == '\n')
			next_line(p);
		if (c == '(')
			depth++;
		if (c == ')' && depth-- == 0)
			return fail_here(p, "')' without '('");
		if (c != '\0' && strchr(" \t\r\n()", c) != NULL)
			p->at++;
		else if ((rc = take_token(p)) != 0)
			return rc;
	}
	if (depth > 0)
		return fail_here(p, "'(' isn't closed");
	p->at++;
	return 0;
}

/* The next word, or NULL and an error that says what is missing. */
const char *
sl_zone_take(struct sl_zone_text *p, const char *what)
{
	const struct sl_zone_word *t = p->n > 0 ? &p->words[p->n - 1] : NULL;

	if (p->next < p->n)
		return p->words[p->next++].text;
	sl_err_set(p->err, SL_ERR_SYNTAX, "zone line %u, column %u: %s is missing", t->line,
	    t->column + (unsigned)strlen(t->text) + 2 * t->quoted, what);
	return NULL;
}

/* ---- numbers, strings, names ---------------------------------------------------------------- */

int
sl_zone_take_number(struct sl_zone_text *p, const char *what, uint32_t max, uint32_t *out)
{
	const char *text = sl_zone_take(p, what);
	uint64_t v;

	if (text == NULL)
		return SL_ERR_SYNTAX;
	if (!sl_str_u64(sl_str_of(text), &v) || v > max)
		return sl_zone_fail(p, max > 0xffff ? "a number was expected" : max > 255 ?
		    "a number from 0 to 65535 was expected" : "a number from 0 to 255 was expected");
	*out = (uint32_t)v;
	return 0;
}

/* Seconds, or numbers with units: 300, 1h, 1w2d. */
bool
sl_zone_time(const char *s, uint32_t *out)
{
	static const char units[] = "smhdw";
	static const unsigned seconds[] = { 1, 60, 3600, 86400, 604800 };
	uint64_t total = 0, v;
	const char *unit;

	if (!sl_isdigit(s[0]))
		return false;
	while (sl_isdigit(*s)) {
		for (v = 0; sl_isdigit(*s) && v <= MAX_TTL; s++)
			v = v * 10 + (unsigned)(*s - '0');
		unit = *s != '\0' ? strchr(units, sl_lower(*s)) : NULL;
		if (unit != NULL)
			s++;
		total += v * seconds[unit != NULL ? unit - units : 0];
		if (total > MAX_TTL || (unit == NULL && *s != '\0'))
			return false;
	}
	*out = (uint32_t)total;
	return *s == '\0';
}

int
sl_zone_take_time(struct sl_zone_text *p, const char *what, uint32_t *out)
{
	const char *text = sl_zone_take(p, what);

	if (text == NULL)
		return SL_ERR_SYNTAX;
	return sl_zone_time(text, out) ? 0 : sl_zone_fail(p, "a time (300, 1h) was expected");
}

/* One character of *s, \X and \DDD resolved; -1 for a number over 255. */
static int
character(const char **s)
{
	const char *p = *s;
	int v;

	if (p[0] != '\\' || p[1] == '\0') {
		*s += 1;
		return (unsigned char)p[0];
	}
	if (!sl_isdigit(p[1])) {
		*s += 2;
		return (unsigned char)p[1];
	}
	if (!sl_isdigit(p[2]) || !sl_isdigit(p[3]))
		return -1;
	*s += 4;
	v = (p[1] - '0') * 100 + (p[2] - '0') * 10 + p[3] - '0';
	return v <= 255 ? v : -1;
}

/* The name in wire form; a relative one gets the origin. */
int
sl_zone_name(struct sl_zone_text *p, const char *text, uint8_t out[256], size_t *n)
{
	size_t at = 1, label = 0;
	int c;

	*n = 0;
	if (strcmp(text, "@") != 0 && strcmp(text, ".") != 0) {
		while (*text != '\0') {
			if (*text == '.') {
				if (at - label - 1 == 0)
					return sl_zone_fail(p, "a name was expected");
				out[label] = (uint8_t)(at - label - 1);
				label = at++;
				text++;
				continue;
			}
			if ((c = character(&text)) < 0)
				return sl_zone_fail(p, "an escape is three digits up to 255");
			if (at - label > 63 || at > 253)
				return sl_zone_fail(p, "a shorter name was expected");
			out[at++] = (uint8_t)c;
		}
		*n = label;
		if (at - label == 1) {		/* it ended with a dot */
			out[(*n)++] = 0;
			return *n > 1 ? 0 : sl_zone_fail(p, "a name was expected");
		}
		out[label] = (uint8_t)(at - label - 1);
		*n = at;
	} else if (text[0] == '.') {
		out[(*n)++] = 0;
		return 0;
	}
	if (*n + p->origin_n > 255)
		return sl_zone_fail(p, "a shorter name was expected");
	memcpy(out + *n, p->origin, p->origin_n);
	*n += p->origin_n;
	return 0;
}

int
sl_zone_put_string(struct sl_zone_text *p, const char *text, struct sl_buf *out)
{
	int c;

	while (*text != '\0') {
		if ((c = character(&text)) < 0)
			return sl_zone_fail(p, "an escape is three digits up to 255");
		sl_buf_putc(out, (char)c);
	}
	return 0;
}
