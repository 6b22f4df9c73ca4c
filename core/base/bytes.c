/* Views and growing buffers. No locale anywhere. See bytes.h. */
#include "bytes.h"

#include <stdio.h>
#include <string.h>

#include "alloc.h"
#include "err.h"

char
sl_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool
sl_isspace(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool
sl_isdigit(char c)
{
	return c >= '0' && c <= '9';
}

bool
sl_isalpha(char c)
{
	c = sl_lower(c);
	return c >= 'a' && c <= 'z';
}

bool
sl_isalnum(char c)
{
	return sl_isalpha(c) || sl_isdigit(c);
}

void
sl_lower_in_place(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = sl_lower(p[i]);
}

struct sl_str
sl_str_of(const char *s)
{
	return s != NULL ? (struct sl_str){ s, strlen(s) } : (struct sl_str){ "", 0 };
}

struct sl_str
sl_str_sub(struct sl_str s, size_t from, size_t to)
{
	if (to > s.n)
		to = s.n;
	if (from > to)
		from = to;
	/* No arithmetic on a NULL view. */
	return (struct sl_str){ from > 0 ? s.p + from : s.p, to - from };
}

struct sl_str
sl_str_trim(struct sl_str s)
{
	while (s.n > 0 && sl_isspace(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && sl_isspace(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool
sl_str_eq(struct sl_str a, struct sl_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
sl_str_ieq(struct sl_str a, struct sl_str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		if (sl_lower(a.p[i]) != sl_lower(b.p[i]))
			return false;
	}
	return true;
}

bool
sl_str_starts(struct sl_str s, struct sl_str prefix)
{
	return s.n >= prefix.n && sl_str_eq(sl_str_sub(s, 0, prefix.n), prefix);
}

bool
sl_str_istarts(struct sl_str s, struct sl_str prefix)
{
	return s.n >= prefix.n && sl_str_ieq(sl_str_sub(s, 0, prefix.n), prefix);
}

bool
sl_str_ends(struct sl_str s, struct sl_str suffix)
{
	return s.n >= suffix.n && sl_str_eq(sl_str_sub(s, s.n - suffix.n, s.n), suffix);
}

bool
sl_str_iends(struct sl_str s, struct sl_str suffix)
{
	return s.n >= suffix.n && sl_str_ieq(sl_str_sub(s, s.n - suffix.n, s.n), suffix);
}

ssize_t
sl_str_chr(struct sl_str s, char c)
{
	const char *at = s.n > 0 ? memchr(s.p, c, s.n) : NULL;

	return at != NULL ? at - s.p : -1;
}

ssize_t
sl_str_find(struct sl_str s, struct sl_str needle)
{
	const char *at;

	if (needle.n == 0)
		return 0;
	at = s.n > 0 ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
	return at != NULL ? at - s.p : -1;
}

int
sl_str_cmp(struct sl_str a, struct sl_str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int d = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return d != 0 ? d : (a.n > b.n) - (a.n < b.n);
}

bool
sl_str_split(struct sl_str *s, char sep, struct sl_str *part)
{
	ssize_t at;

	if (s->p == NULL)
		return false;
	at = sl_str_chr(*s, sep);
	if (at < 0) {
		*part = *s;
		*s = (struct sl_str){ NULL, 0 };
	} else {
		*part = sl_str_sub(*s, 0, (size_t)at);
		*s = sl_str_sub(*s, (size_t)at + 1, s->n);
	}
	return true;
}

bool
sl_str_u64(struct sl_str s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!sl_isdigit(s.p[i]) || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return false;
	}
	*out = v;
	return true;
}

/* Length of the well-formed sequence at p (RFC 3629 4), 0 = none. */
static size_t
utf8_sequence(const unsigned char *p, size_t n)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (n < len)
		return 0;
	if (p[0] == 0xe0)
		lo = 0xa0;
	else if (p[0] == 0xed)
		hi = 0x9f;
	else if (p[0] == 0xf0)
		lo = 0x90;
	else if (p[0] == 0xf4)
		hi = 0x8f;
	if (p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

bool
sl_utf8_valid(struct sl_str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t i = 0, len;

	while (i < s.n) {
		len = utf8_sequence(p + i, s.n - i);
		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

void
sl_buf_clear(struct sl_buf *b)
{
	size_t limit = b->limit;

	sl_free(b->p);
	*b = SL_BUF_INIT;
	b->limit = limit;
}

void
sl_buf_reset(struct sl_buf *b)
{
	b->n = 0;
	b->failed = false;
	if (b->p != NULL)
		b->p[0] = '\0';
}

static int
fail(struct sl_buf *b, int code)
{
	b->failed = true;
	return code;
}

int
sl_buf_reserve(struct sl_buf *b, size_t more)
{
	size_t want, cap;
	char *p;

	if (b->failed)
		return SL_ERR_NOMEM;
	if (more < b->cap - b->n && (b->limit == 0 || b->n + more <= b->limit))
		return 0;
	if (__builtin_add_overflow(b->n, more, &want) || want >= SIZE_MAX / 2)
		return fail(b, SL_ERR_NOMEM);
	if (b->limit != 0 && want > b->limit)
		return fail(b, SL_ERR_LIMIT);
	cap = b->cap != 0 ? b->cap * 2 : 64;
	if (cap < want + 1)
		cap = want + 1;
	p = sl_realloc(b->p, cap);
	if (p == NULL)
		return fail(b, SL_ERR_NOMEM);
	if (b->p == NULL)
		p[0] = '\0';
	b->p = p;
	b->cap = cap;
	return 0;
}

int
sl_buf_put(struct sl_buf *b, const void *p, size_t n)
{
	int r = sl_buf_reserve(b, n);

	if (r < 0)
		return r;
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
	return 0;
}

int
sl_buf_puts(struct sl_buf *b, const char *s)
{
	return sl_buf_put(b, s, strlen(s));
}

int
sl_buf_putc(struct sl_buf *b, char c)
{
	return sl_buf_put(b, &c, 1);
}

int
sl_buf_putstr(struct sl_buf *b, struct sl_str s)
{
	return sl_buf_put(b, s.p, s.n);
}

int
sl_buf_vprintf(struct sl_buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n, r;

	if (b->failed)
		return SL_ERR_NOMEM;
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return fail(b, SL_ERR_INVAL);
	r = sl_buf_reserve(b, (size_t)n);
	if (r < 0)
		return r;
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	b->n += (size_t)n;
	return 0;
}

int
sl_buf_printf(struct sl_buf *b, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = sl_buf_vprintf(b, fmt, ap);
	va_end(ap);
	return r;
}

void
sl_buf_drop(struct sl_buf *b, size_t n)
{
	if (n > b->n)
		n = b->n;
	if (n == 0)
		return;
	b->n -= n;
	if (b->n > 0)
		memmove(b->p, b->p + n, b->n);
	b->p[b->n] = '\0';
}

struct sl_str
sl_buf_str(const struct sl_buf *b)
{
	return b->p != NULL ? (struct sl_str){ b->p, b->n } : (struct sl_str){ "", 0 };
}

char *
sl_buf_take(struct sl_buf *b, size_t *n)
{
	char *p = NULL;

	if (!b->failed && sl_buf_reserve(b, 0) == 0) {
		p = b->p;
		if (n != NULL)
			*n = b->n;
		b->p = NULL;
	}
	sl_buf_clear(b);
	return p;
}
