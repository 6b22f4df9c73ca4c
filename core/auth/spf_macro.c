/*
 * Macros, RFC 7208 7: text is cut into tokens, each checked whole before it
 * is expanded. Values are short and known before; nothing is ever expanded
 * twice. See spf_private.h.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "spf_private.h"

#define MAX_DIGITS	1000000		/* keep so many parts: anything over 128 means all */
#define KEEP		1000		/* bytes of a domain that can matter */

struct token {
	char letter;		/* lower case; 0 = literal text */
	bool escape;		/* was upper case: URL-escape the value */
	bool reverse;
	unsigned keep;		/* parts from the right, 0 = all */
	struct sl_str delimiters;	/* n 0 = "." */
	struct sl_str literal;
};

static int
bad(struct sl_err *err, const char *why)
{
	return sl_err_set(err, SL_ERR_SYNTAX, "%s", why);
}

static bool
is_delimiter(char c)
{
	return c != '\0' && strchr(".-+,/_=", c) != NULL;
}

/* Behind "%{". */
static int
parse_expand(struct sl_str s, size_t *used, struct token *t, struct sl_err *err)
{
	size_t i = 0;

	if (s.n == 0 || !sl_isalpha(s.p[0]))
		return bad(err, "a macro without a letter");
	t->letter = sl_lower(s.p[i]);
	t->escape = t->letter != s.p[i];
	for (i = 1; i < s.n && sl_isdigit(s.p[i]); i++) {
		t->keep = t->keep * 10 + (unsigned)(s.p[i] - '0');
		if (t->keep > MAX_DIGITS)
			return bad(err, "a macro with too large a number");
	}
	if (i > 1 && t->keep == 0)
		return bad(err, "a macro that keeps no part");
	if (i < s.n && sl_lower(s.p[i]) == 'r') {
		t->reverse = true;
		i++;
	}
	t->delimiters.p = s.p + i;
	while (i < s.n && is_delimiter(s.p[i])) {
		t->delimiters.n++;
		i++;
	}
	if (i == s.n || s.p[i] != '}')
		return bad(err, "a macro that isn't closed");
	*used = i + 1;
	return 0;
}

static bool
letter_allowed(char letter, enum sl_spf_use use)
{
	return strchr(use == SL_SPF_IN_DOMAIN ? "slodiphv" : "slodiphvcrt", letter) != NULL;
}

static bool
literal_allowed(char c, enum sl_spf_use use)
{
	if (c == ' ')
		return use == SL_SPF_IN_EXPLANATION;
	return c > ' ' && c < 0x7f && c != '%';
}

static int
parse_percent(struct sl_str *rest, struct token *t, enum sl_spf_use use, struct sl_err *err)
{
	size_t used = 0;
	int r;

	switch (rest->n > 1 ? rest->p[1] : '\0') {
	case '%':
		t->literal = SL_STR("%");
		break;
	case '_':
		t->literal = SL_STR(" ");
		break;
	case '-':
		t->literal = SL_STR("%20");
		break;
	case '{':
		r = parse_expand(sl_str_sub(*rest, 2, rest->n), &used, t, err);
		if (r < 0)
			return r;
		if (!letter_allowed(t->letter, use))
			return bad(err, "a macro letter that isn't known here");
		break;
	default:
		return bad(err, "\"%\" without a macro");
	}
	*rest = sl_str_sub(*rest, 2 + used, rest->n);
	return 1;
}

/* 1 a token, 0 the end. */
static int
next_token(struct sl_str *rest, struct token *t, enum sl_spf_use use, struct sl_err *err)
{
	size_t n = 0;

	memset(t, 0, sizeof(*t));
	if (rest->n == 0)
		return 0;
	if (rest->p[0] == '%')
		return parse_percent(rest, t, use, err);
	while (n < rest->n && literal_allowed(rest->p[n], use))
		n++;
	if (n < rest->n && rest->p[n] != '%')
		return bad(err, "a byte that isn't visible ASCII");
	t->literal = sl_str_sub(*rest, 0, n);
	*rest = sl_str_sub(*rest, n, rest->n);
	return 1;
}

/* RFC 7208 7.1 toplabel: letters, digits, hyphens inside; not digits alone. */
static bool
toplabel_ok(struct sl_str s)
{
	bool digits = true;

	if (s.n == 0 || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!sl_isalnum(s.p[i]) && s.p[i] != '-')
			return false;
		digits = digits && sl_isdigit(s.p[i]);
	}
	return !digits;
}

/* The text behind the last macro must end in a dot and a top label. */
static bool
domain_end_ok(struct sl_str tail)
{
	size_t n = tail.n, dot;

	if (n > 0 && tail.p[n - 1] == '.')
		n--;
	for (dot = n; dot > 0 && tail.p[dot - 1] != '.'; dot--)
		;
	return dot > 0 && toplabel_ok(sl_str_sub(tail, dot, n));
}

int
sl_spf_macro_check(struct sl_str spec, enum sl_spf_use use, struct sl_err *err)
{
	struct sl_str rest = spec, last;
	struct token t;
	bool literal = false;
	int r;

	for (;;) {
		last = rest;
		r = next_token(&rest, &t, use, err);
		if (r <= 0)
			break;
		literal = last.p[0] != '%';
		if (use == SL_SPF_IN_DOMAIN && literal && rest.n == 0 && !domain_end_ok(last))
			return bad(err, "not a domain name");
	}
	if (r == 0 && use == SL_SPF_IN_DOMAIN && spec.n == 0)
		return bad(err, "an empty domain name");
	return r;
}

bool
sl_spf_macro_uses(struct sl_str spec, const char *letters)
{
	struct token t;

	while (next_token(&spec, &t, SL_SPF_IN_EXPLANATION, NULL) == 1)
		if (t.letter != '\0' && strchr(letters, t.letter) != NULL)
			return true;
	return false;
}

/* ---- expanding --------------------------------------------------------- */

static void
dotted_ip(const struct sl_addr *ip, char *out, size_t size)
{
	const uint8_t *b = ip->in6.sin6_addr.s6_addr;
	size_t n = 0;

	if (ip->sa.sa_family == AF_INET) {
		sl_addr_ip(ip, out, size);
		return;
	}
	for (int i = 0; i < 16; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%x.%x", i > 0 ? "." : "", b[i] >> 4,
		    b[i] & 15);
}

static void
value_of(char letter, const struct sl_spf_macros *m, char out[SL_SPF_MAX_VALUE])
{
	switch (letter) {
	case 's':
		snprintf(out, SL_SPF_MAX_VALUE, "%s@%s", m->local, m->sender_domain);
		break;
	case 'l':
		snprintf(out, SL_SPF_MAX_VALUE, "%s", m->local);
		break;
	case 'o':
		snprintf(out, SL_SPF_MAX_VALUE, "%s", m->sender_domain);
		break;
	case 'd':
		snprintf(out, SL_SPF_MAX_VALUE, "%s", m->domain);
		break;
	case 'i':
		dotted_ip(m->ip, out, SL_SPF_MAX_VALUE);
		break;
	case 'c':
		sl_addr_ip(m->ip, out, SL_SPF_MAX_VALUE);
		break;
	case 'v':
		strcpy(out, m->ip->sa.sa_family == AF_INET ? "in-addr" : "ip6");
		break;
	case 'p':
		snprintf(out, SL_SPF_MAX_VALUE, "%s", m->validated);
		break;
	case 'h':
		snprintf(out, SL_SPF_MAX_VALUE, "%s", m->helo);
		break;
	case 'r':
		snprintf(out, SL_SPF_MAX_VALUE, "%s", m->receiver);
		break;
	case 't':
		snprintf(out, SL_SPF_MAX_VALUE, "%lld", (long long)m->now);
		break;
	default:
		out[0] = '\0';
	}
}

static size_t
split(const char *value, struct sl_str delimiters, struct sl_str *parts)
{
	size_t n = 0, from = 0, i = 0;

	for (;; i++) {
		if (value[i] != '\0' && (delimiters.n == 0 ? value[i] != '.' :
		    sl_str_chr(delimiters, value[i]) < 0))
			continue;
		parts[n++] = (struct sl_str){ value + from, i - from };
		if (value[i] == '\0')
			return n;
		from = i + 1;
	}
}

/* RFC 3986 unreserved stays, everything else is escaped. */
static void
put_escaped(struct sl_buf *out, struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (sl_isalnum(c) || (c != '\0' && strchr("-._~", c) != NULL))
			sl_buf_putc(out, c);
		else
			sl_buf_printf(out, "%%%02X", (unsigned char)c);
	}
}

static void
put(struct sl_buf *out, struct sl_str s, bool escape)
{
	if (escape)
		put_escaped(out, s);
	else
		sl_buf_putstr(out, s);
}

static void
expand_token(struct sl_buf *out, const struct token *t, const struct sl_spf_macros *macros)
{
	char value[SL_SPF_MAX_VALUE];
	struct sl_str parts[SL_SPF_MAX_VALUE];
	size_t n, from, i;

	value_of(t->letter, macros, value);
	if (t->keep == 0 && !t->reverse && t->delimiters.n == 0) {
		put(out, sl_str_of(value), t->escape);
		return;
	}
	n = split(value, t->delimiters, parts);
	from = t->keep > 0 && t->keep < n ? n - t->keep : 0;
	for (i = from; i < n; i++) {
		/* Reversed first, then cut from the left: the parts kept are the first ones. */
		const struct sl_str *part = &parts[t->reverse ? n - 1 - i : i];

		if (i > from)
			sl_buf_putc(out, '.');
		put(out, *part, t->escape);
	}
}

int
sl_spf_expand(struct sl_buf *out, struct sl_str spec, enum sl_spf_use use,
    const struct sl_spf_macros *macros)
{
	struct token t;
	int r;

	while ((r = next_token(&spec, &t, use, NULL)) == 1) {
		if (t.letter == '\0')
			sl_buf_putstr(out, t.literal);
		else
			expand_token(out, &t, macros);
		if (out->failed && out->limit > 0)
			return 0;
		if (use == SL_SPF_IN_DOMAIN && out->n > 4 * KEEP)
			sl_buf_drop(out, out->n - KEEP);
	}
	if (r == 0 && out->failed)
		return SL_ERR_NOMEM;
	return r;
}

bool
sl_spf_name(char *out, struct sl_str s)
{
	struct sl_str rest, label;

	if (s.n > 0 && s.p[s.n - 1] == '.')
		s.n--;
	while (s.n > 253) {
		ssize_t dot = sl_str_chr(s, '.');

		if (dot < 0)
			return false;
		s = sl_str_sub(s, (size_t)dot + 1, s.n);
	}
	if (s.n == 0 || s.p[s.n - 1] == '.')
		return false;
	rest = s;
	while (sl_str_split(&rest, '.', &label))
		if (label.n == 0 || label.n > 63)
			return false;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	sl_lower_in_place(out, s.n);
	return true;
}
