/* Canonicalisation. See canon.h. */
#include "canon.h"

#include <string.h>

#include "../base/err.h"

const char *
sl_canon_word(enum sl_canon canon)
{
	return canon == SL_CANON_SIMPLE ? "simple" : "relaxed";
}

bool
sl_canon_parse(struct sl_str word, enum sl_canon *out)
{
	if (sl_str_ieq(word, SL_STR("simple")))
		*out = SL_CANON_SIMPLE;
	else if (sl_str_ieq(word, SL_STR("relaxed")))
		*out = SL_CANON_RELAXED;
	else
		return false;
	return true;
}

/* ---- header ------------------------------------------------------------ */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
crlf_at(struct sl_str s, size_t i)
{
	return s.n - i >= 2 && s.p[i] == '\r' && s.p[i + 1] == '\n';
}

static struct sl_str
without_crlf(struct sl_str raw)
{
	return sl_str_ends(raw, SL_STR("\r\n")) ? sl_str_sub(raw, 0, raw.n - 2) : raw;
}

/* RFC 6376 3.4.2, the part behind the colon. Never longer than the value; returns its end. */
static char *
relaxed_value(char *to, struct sl_str value)
{
	bool blank = false, any = false;

	for (size_t i = 0; i < value.n; i++) {
		if (crlf_at(value, i)) {
			i++;
		} else if (is_blank(value.p[i])) {
			blank = true;
		} else {
			if (blank && any)
				*to++ = ' ';
			*to++ = value.p[i];
			blank = false;
			any = true;
		}
	}
	return to;
}

static char *
relaxed_header(char *to, struct sl_str raw)
{
	ssize_t colon = sl_str_chr(raw, ':');
	size_t end = colon < 0 ? raw.n : (size_t)colon;
	struct sl_str name = sl_str_trim(sl_str_sub(raw, 0, end));

	for (size_t i = 0; i < name.n; i++)
		*to++ = sl_lower(name.p[i]);
	if (colon < 0)
		return to;
	*to++ = ':';
	return relaxed_value(to, sl_str_sub(raw, end + 1, raw.n));
}

/* Without the final CRLF. */
static void
put_header(struct sl_buf *out, enum sl_canon canon, struct sl_str raw)
{
	raw = without_crlf(raw);
	if (sl_buf_reserve(out, raw.n + 3) != 0)
		return;
	if (canon == SL_CANON_SIMPLE) {
		sl_buf_putstr(out, raw);
		return;
	}
	out->n = (size_t)(relaxed_header(out->p + out->n, raw) - out->p);
	out->p[out->n] = '\0';
}

int
sl_canon_header(struct sl_buf *out, enum sl_canon canon, struct sl_str raw)
{
	put_header(out, canon, raw);
	sl_buf_puts(out, "\r\n");
	return out->failed ? SL_ERR_NOMEM : 0;
}

/* Where the value of b= is, with the white space around it; from == to when there is none. */
static void
find_b(struct sl_str raw, size_t *from, size_t *to)
{
	ssize_t colon = sl_str_chr(raw, ':');
	struct sl_str rest = sl_str_sub(raw, (size_t)(colon + 1), raw.n), spec;

	*from = *to = raw.n;
	while (sl_str_split(&rest, ';', &spec)) {
		ssize_t eq = sl_str_chr(spec, '=');

		if (eq < 0 || !sl_str_eq(sl_str_trim(sl_str_sub(spec, 0, (size_t)eq)), SL_STR("b")))
			continue;
		*from = (size_t)(spec.p - raw.p) + (size_t)eq + 1;
		*to = (size_t)(spec.p - raw.p) + spec.n;
		return;
	}
}

int
sl_canon_signature(struct sl_buf *out, enum sl_canon canon, struct sl_str raw)
{
	struct sl_buf empty = SL_BUF_INIT;
	size_t from, to;
	int r;

	raw = without_crlf(raw);
	find_b(raw, &from, &to);
	sl_buf_reserve(&empty, raw.n);
	sl_buf_putstr(&empty, sl_str_sub(raw, 0, from));
	sl_buf_putstr(&empty, sl_str_sub(raw, to, raw.n));
	put_header(out, canon, sl_buf_str(&empty));
	r = empty.failed || out->failed ? SL_ERR_NOMEM : 0;
	sl_buf_clear(&empty);
	return r;
}

/* ---- body -------------------------------------------------------------- */

void
sl_canon_body_init(struct sl_canon_body *c, enum sl_canon canon, uint64_t limit,
    sl_canon_sink *sink, void *arg)
{
	memset(c, 0, offsetof(struct sl_canon_body, buf));
	c->canon = canon;
	c->sink = sink;
	c->arg = arg;
	c->limit = limit;
}

static void
flush(struct sl_canon_body *c)
{
	if (c->n > 0)
		c->sink(c->arg, c->buf, c->n);
	c->n = 0;
}

/* Small pieces are gathered: a call of the sink costs as much as a hundred bytes. */
static void
emit(struct sl_canon_body *c, const char *p, size_t n)
{
	c->total += n;
	if (n > c->limit)
		n = (size_t)c->limit;
	c->limit -= n;
	if (n > sizeof(c->buf) - c->n)
		flush(c);
	if (n > sizeof(c->buf) / 4) {
		flush(c);
		c->sink(c->arg, p, n);
	} else {
		memcpy(c->buf + c->n, p, n);
		c->n += n;
	}
}

static void
put_text(struct sl_canon_body *c, const char *p, size_t n)
{
	for (; c->crlf > 0; c->crlf--)
		emit(c, "\r\n", 2);
	if (c->space)
		emit(c, " ", 1);
	c->space = false;
	c->text = true;
	emit(c, p, n);
}

static void
end_line(struct sl_canon_body *c)
{
	c->space = c->text = false;
	c->crlf++;
}

/* Non-zero when a byte of x is b; may err only when it is. */
static uint64_t
has_byte(uint64_t x, uint8_t b)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t v = x ^ (ones * b);

	return (v - ones) & ~v & (ones << 7);
}

static uint64_t
load(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* Could any of the 8 bytes at p (and the one behind) need a change? */
static bool
eight_plain(const char *p)
{
	uint64_t x = load(p), y = load(p + 1);

	if ((has_byte(x, '\r') | has_byte(x, '\t')) != 0)
		return false;
	return (has_byte(x, ' ') &
	    (has_byte(y, ' ') | has_byte(y, '\t') | has_byte(y, '\r'))) == 0;
}

/* The same for 16, as vectors of whatever the machine has. */
typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint64_t words2 __attribute__((vector_size(16)));

static bool
sixteen_plain(const char *p)
{
	bytes16 x, y;
	words2 found;

	memcpy(&x, p, sizeof(x));
	memcpy(&y, p + 1, sizeof(y));
	found = (words2)((x == '\r') | (x == '\t') |
	    ((x == ' ') & ((y == ' ') | (y == '\t') | (y == '\r'))));
	return (found[0] | found[1]) == 0;
}

/* A line end with text behind it, so that both can be copied. */
static bool
crlf_then_text(const char *p, const char *end, bool relaxed)
{
	return end - p > 2 && p[0] == '\r' && p[1] == '\n' && p[2] != '\r' &&
	    !(relaxed && is_blank(p[2]));
}

/*
 * The end of what can be copied from p, which is text: before a TAB, a space
 * that isn't alone between two bytes of text, a line end that isn't. Word by
 * word in ordinary text.
 */
static const char *
relaxed_run(const char *p, const char *end)
{
	for (;;) {
		const char *stop;

		while (end - p > 16 && sixteen_plain(p))
			p += 16;
		if (end - p > 8 && eight_plain(p))
			p += 8;
		for (stop = end - p > 8 ? p + 8 : end; p < stop; p++) {
			if (*p == '\t' ||
			    (*p == ' ' && (p + 1 == end || is_blank(p[1]) || p[1] == '\r')))
				return p;
			if (*p == '\r') {
				if (!crlf_then_text(p, end, true))
					return p;
				p += 2;
				break;
			}
		}
		if (p == end)
			return p;
	}
}

static const char *
simple_run(const char *p, const char *end)
{
	while ((p = memchr(p, '\r', (size_t)(end - p))) != NULL) {
		if (!crlf_then_text(p, end, false))
			return p;
		p += 2;
	}
	return end;
}

/* A CR was held back: it ends the line or it is text. Returns what it used of the input. */
static size_t
after_cr(struct sl_canon_body *c, char next)
{
	c->cr = false;
	if (next == '\n') {
		end_line(c);
		return 1;
	}
	put_text(c, "\r", 1);
	return 0;
}

void
sl_canon_body_update(struct sl_canon_body *c, const void *bytes, size_t n)
{
	const char *p = bytes, *end = p + n, *q;

	while (p < end) {
		if (c->cr) {
			p += after_cr(c, *p);
		} else if (*p == '\r') {
			c->cr = true;
			p++;
		} else if (c->canon == SL_CANON_RELAXED && is_blank(*p)) {
			c->space = true;
			p++;
		} else {
			q = c->canon == SL_CANON_RELAXED ? relaxed_run(p, end) : simple_run(p, end);
			put_text(c, p, (size_t)(q - p));
			p = q;
		}
	}
}

uint64_t
sl_canon_body_final(struct sl_canon_body *c)
{
	if (c->cr)
		put_text(c, "\r", 1);
	c->cr = c->space = false;
	/* A last line gets its end; of all line ends held back one stays. Nothing at all
	 * is one line end for simple (3.4.3) and nothing for relaxed (3.4.4). */
	if (c->text || (c->crlf > 0 && c->total > 0) ||
	    (c->total == 0 && c->canon == SL_CANON_SIMPLE))
		emit(c, "\r\n", 2);
	c->crlf = 0;
	c->text = false;
	flush(c);
	return c->total;
}
