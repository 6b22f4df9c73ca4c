#include "pattern.h"

#include <ctype.h>
#include <string.h>

#include "../base/err.h"

#define MAX_DEPTH	200	/* of the recursion: captures and single items that backtrack */

enum { OPEN = -1, POSITION = -2 };

struct state {
	const char *text, *end;
	const char *pattern, *pattern_end;
	uint64_t *budget;
	const char *why;
	int rc;			/* SL_ERR_* when the match must stop */
	unsigned depth;
	unsigned n;
	struct {
		const char *start;
		ptrdiff_t len;	/* OPEN, POSITION or the length */
	} captures[SL_PATTERN_CAPTURES];
};

static const char *match_here(struct state *m, const char *s, const char *p);

static const char *
stop(struct state *m, int rc, const char *why)
{
	if (m->rc == 0) {
		m->rc = rc;
		m->why = why;
	}
	return NULL;
}

static bool
spend(struct state *m, size_t n)
{
	if (*m->budget < n) {
		*m->budget = 0;
		stop(m, SL_ERR_LIMIT, "steps");
		return false;
	}
	*m->budget -= n;
	return true;
}

/* ---- single characters --------------------------------------------------- */

/* End of the item that begins at p: a character, %x or a set. A set costs its
 * length each time it is looked through, here and below. */
static const char *
item_end(struct state *m, const char *p)
{
	const char *begin = p;

	if (*p == '%') {
		if (p + 1 >= m->pattern_end)
			return stop(m, SL_ERR_SYNTAX, "malformed pattern (ends with '%')");
		return p + 2;
	}
	if (*p++ != '[')
		return p;
	if (p < m->pattern_end && *p == '^')
		p++;
	do {			/* a ']' right after the bracket is a member */
		if (p >= m->pattern_end)
			return stop(m, SL_ERR_SYNTAX, "malformed pattern (missing ']')");
		if (*p++ == '%') {
			if (p >= m->pattern_end)
				return stop(m, SL_ERR_SYNTAX, "malformed pattern (missing ']')");
			p++;
		}
	} while (p >= m->pattern_end || *p != ']');
	return spend(m, (size_t)(p - begin)) ? p + 1 : NULL;
}

static bool
in_class(unsigned char c, unsigned char class)
{
	bool yes;

	switch (tolower(class)) {
	case 'a': yes = isalpha(c); break;
	case 'c': yes = iscntrl(c); break;
	case 'd': yes = isdigit(c); break;
	case 'g': yes = isgraph(c); break;
	case 'l': yes = islower(c); break;
	case 'p': yes = ispunct(c); break;
	case 's': yes = isspace(c); break;
	case 'u': yes = isupper(c); break;
	case 'w': yes = isalnum(c); break;
	case 'x': yes = isxdigit(c); break;
	default:
		return class == c;
	}
	return isupper(class) ? !yes : yes;
}

/* 'p' at the '[', 'last' at its ']'. */
static bool
in_set(unsigned char c, const char *p, const char *last)
{
	bool member = true;

	if (p[1] == '^') {
		member = false;
		p++;
	}
	while (++p < last) {
		if (*p == '%') {
			p++;
			if (in_class(c, (unsigned char)*p))
				return member;
		} else if (p[1] == '-' && p + 2 < last) {
			if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
				return member;
			p += 2;
		} else if ((unsigned char)*p == c) {
			return member;
		}
	}
	return !member;
}

static bool
single(struct state *m, const char *s, const char *p, const char *next)
{
	unsigned char c;

	if (s >= m->end || !spend(m, (size_t)(next - p)))
		return false;
	c = (unsigned char)*s;
	switch (*p) {
	case '.':
		return true;
	case '%':
		return in_class(c, (unsigned char)p[1]);
	case '[':
		return in_set(c, p, next - 1);
	default:
		return (unsigned char)*p == c;
	}
}

/* ---- repetition ----------------------------------------------------------- */

static const char *
repeat_most(struct state *m, const char *s, const char *p, const char *next)
{
	const char *t = s, *end;

	while (single(m, t, p, next))
		t++;
	for (; m->rc == 0 && t >= s; t--)
		if ((end = match_here(m, t, next + 1)) != NULL)
			return end;
	return NULL;
}

static const char *
repeat_least(struct state *m, const char *s, const char *p, const char *next)
{
	const char *end;

	for (;;) {
		if ((end = match_here(m, s, next + 1)) != NULL)
			return end;
		if (m->rc != 0 || !single(m, s, p, next))
			return NULL;
		s++;
	}
}

/* ---- captures, %b, %f, back references ------------------------------------ */

static const char *
open_capture(struct state *m, const char *s, const char *p, ptrdiff_t kind)
{
	const char *end;

	if (m->n == SL_PATTERN_CAPTURES)
		return stop(m, SL_ERR_SYNTAX, "too many captures");
	m->captures[m->n].start = s;
	m->captures[m->n].len = kind;
	m->n++;
	if ((end = match_here(m, s, p)) == NULL)
		m->n--;
	return end;
}

static const char *
close_capture(struct state *m, const char *s, const char *p)
{
	const char *end;
	unsigned i = m->n;

	while (i > 0 && m->captures[i - 1].len != OPEN)
		i--;
	if (i == 0)
		return stop(m, SL_ERR_SYNTAX, "invalid pattern capture");
	m->captures[i - 1].len = s - m->captures[i - 1].start;
	if ((end = match_here(m, s, p)) == NULL)
		m->captures[i - 1].len = OPEN;
	return end;
}

static const char *
balance(struct state *m, const char *s, const char *p)
{
	int depth = 1;

	if (p + 1 >= m->pattern_end)
		return stop(m, SL_ERR_SYNTAX, "malformed pattern (missing arguments to '%b')");
	if (s >= m->end || *s != p[0])
		return NULL;
	while (++s < m->end && spend(m, 1)) {
		if (*s == p[1]) {
			if (--depth == 0)
				return s + 1;
		} else if (*s == p[0]) {
			depth++;
		}
	}
	return NULL;
}

static const char *
back_reference(struct state *m, const char *s, char digit)
{
	int i = digit - '1';
	size_t len;

	if (i < 0 || (unsigned)i >= m->n || m->captures[i].len == OPEN)
		return stop(m, SL_ERR_SYNTAX, "invalid capture index");
	if (m->captures[i].len == POSITION)
		return NULL;
	len = (size_t)m->captures[i].len;
	if (!spend(m, len))
		return NULL;
	if ((size_t)(m->end - s) < len || memcmp(m->captures[i].start, s, len) != 0)
		return NULL;
	return s + len;
}

/* %f[set]: the place where the set begins to hold; the text is as if between NULs. */
static bool
frontier(struct state *m, const char *s, const char *set, const char *next)
{
	unsigned char before = s == m->text ? 0 : (unsigned char)s[-1];
	unsigned char after = s < m->end ? (unsigned char)*s : 0;

	return spend(m, (size_t)(next - set)) &&
	    !in_set(before, set, next - 1) && in_set(after, set, next - 1);
}

/* ---- the matcher ----------------------------------------------------------- */

/* One step that needs no recursion: moves *s and *p on. false = no match here. */
static bool
special(struct state *m, const char **s, const char **p)
{
	const char *set, *next;

	switch ((*p)[1]) {
	case 'b':
		*s = balance(m, *s, *p + 2);
		*p += 4;
		return *s != NULL;
	case 'f':
		set = *p + 2;
		if (set >= m->pattern_end || *set != '[') {
			stop(m, SL_ERR_SYNTAX, "missing '[' after '%f' in pattern");
			return false;
		}
		if ((next = item_end(m, set)) == NULL || !frontier(m, *s, set, next))
			return false;
		*p = next;
		return true;
	default:
		*s = back_reference(m, *s, (*p)[1]);
		*p += 2;
		return *s != NULL;
	}
}

static bool
is_special(const struct state *m, const char *p)
{
	return *p == '%' && p + 1 < m->pattern_end &&
	    (p[1] == 'b' || p[1] == 'f' || isdigit((unsigned char)p[1]));
}

/* One item with its suffix. True: it matched once or not at all and *s, *p went
 * on. False: it and all that follows is decided, *end says how. */
static bool
match_item(struct state *m, const char **s, const char **p, const char **end)
{
	const char *next = item_end(m, *p);

	*end = NULL;
	if (next == NULL)
		return false;
	switch (next < m->pattern_end ? *next : '\0') {
	case '?':
		if (single(m, *s, *p, next) && (*end = match_here(m, *s + 1, next + 1)) != NULL)
			return false;
		*p = next + 1;
		return m->rc == 0;
	case '+':
		if (single(m, *s, *p, next))
			*end = repeat_most(m, *s + 1, *p, next);
		return false;
	case '*':
		*end = repeat_most(m, *s, *p, next);
		return false;
	case '-':
		*end = repeat_least(m, *s, *p, next);
		return false;
	default:
		if (!single(m, *s, *p, next))
			return false;
		++*s;
		*p = next;
		return true;
	}
}

static const char *
match_loop(struct state *m, const char *s, const char *p)
{
	const char *end;

	while (p < m->pattern_end) {
		if (!spend(m, 1))
			return NULL;
		if (*p == '(')
			return p + 1 < m->pattern_end && p[1] == ')' ?
			    open_capture(m, s, p + 2, POSITION) : open_capture(m, s, p + 1, OPEN);
		if (*p == ')')
			return close_capture(m, s, p + 1);
		if (*p == '$' && p + 1 == m->pattern_end)
			return s == m->end ? s : NULL;
		if (is_special(m, p)) {
			if (!special(m, &s, &p))
				return NULL;
			continue;
		}
		if (!match_item(m, &s, &p, &end))
			return end;
	}
	return s;
}

static const char *
match_here(struct state *m, const char *s, const char *p)
{
	const char *end;

	if (m->rc != 0)
		return NULL;
	if (m->depth == MAX_DEPTH)
		return stop(m, SL_ERR_SYNTAX, "pattern too complex");
	m->depth++;
	end = match_loop(m, s, p);
	m->depth--;
	return end;
}

static int
take(struct state *m, const char *s, const char *end, struct sl_match *out)
{
	unsigned i;

	out->start = (size_t)(s - m->text);
	out->end = (size_t)(end - m->text);
	out->n = m->n;
	for (i = 0; i < m->n; i++) {
		if (m->captures[i].len == OPEN) {
			stop(m, SL_ERR_SYNTAX, "unfinished capture");
			return m->rc;
		}
		out->captures[i].start = (size_t)(m->captures[i].start - m->text);
		out->captures[i].position = m->captures[i].len == POSITION;
		out->captures[i].len = out->captures[i].position ? 0 : (size_t)m->captures[i].len;
	}
	return 1;
}

int
sl_pattern_find(struct sl_str pattern, struct sl_str text, size_t from, bool no_anchor,
    struct sl_match *out, uint64_t *budget, const char **why)
{
	struct state m = {
		.text = text.p, .end = text.p + text.n,
		.pattern = pattern.p, .pattern_end = pattern.p + pattern.n,
		.budget = budget,
	};
	bool anchored = !no_anchor && pattern.n > 0 && pattern.p[0] == '^';
	const char *s = text.p + from, *end;
	int rc = 0;

	do {
		m.n = 0;
		m.depth = 0;
		end = match_here(&m, s, m.pattern + anchored);
		if (end != NULL)
			rc = take(&m, s, end, out);
	} while (end == NULL && m.rc == 0 && !anchored && s++ < m.end);
	*why = m.why;
	return m.rc != 0 ? m.rc : rc;
}
