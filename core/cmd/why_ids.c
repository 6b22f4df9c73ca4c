/*
 * Ids in a text that somebody pasted: a reply, a bounce, a line of another
 * mail server's log. Ours are sure; without one, what stands in angle brackets
 * or looks like a queue id is tried.
 */
#include <string.h>

#include "why.h"

#define UUID	36
#define MIN_QUEUEID	6
#define MAX_QUEUEID	32

static bool
is_uuid(const char *p)
{
	for (size_t i = 0; i < UUID; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? p[i] != '-' : sl_hex_value(p[i]) < 0)
			return false;
	}
	return true;
}

static bool
is_word(char c)
{
	return sl_isalnum(c) || c == '_';
}

static size_t
add(struct why_id *out, size_t n, enum why_kind kind, struct sl_str text)
{
	struct why_id *id = &out[n];

	if (n == WHY_MAX_IDS || text.n == 0 || text.n > WHY_MAX_ID)
		return n;
	id->kind = kind;
	memcpy(id->text, text.p, text.n);
	id->text[text.n] = '\0';
	if (kind == WHY_ID)
		sl_lower_in_place(id->text, text.n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(out[i].text, id->text) == 0)
			return n;
	return n + 1;
}

/* The number of a copy ("-2") behind it is left out: a message is told with its copies. */
static size_t
find_ours(struct why_id *out, struct sl_str s)
{
	size_t n = 0, i;

	for (i = 0; i + UUID <= s.n; i++)
		if ((i == 0 || !is_word(s.p[i - 1])) && is_uuid(s.p + i) &&
		    (i + UUID == s.n || !is_word(s.p[i + UUID])))
			n = add(out, n, WHY_ID, sl_str_sub(s, i, i + UUID));
	return n;
}

/* <local@domain>: a bounce has addresses in that form too, which no message has as its id. */
static size_t
find_bracketed(struct why_id *out, size_t n, struct sl_str s)
{
	struct sl_str inner;
	ssize_t open, close;

	while ((open = sl_str_chr(s, '<')) >= 0) {
		s = sl_str_sub(s, (size_t)open + 1, s.n);
		close = sl_str_chr(s, '>');
		if (close < 0)
			break;
		inner = sl_str_sub(s, 0, (size_t)close);
		if (sl_str_chr(inner, '@') > 0 && sl_str_chr(inner, ' ') < 0 && sl_str_chr(inner, '<') < 0)
			n = add(out, n, WHY_MSGID, inner);
	}
	return n;
}

/* Letters and digits, both of them, as mail servers make them; no word of a language has digits. */
static bool
is_queueid(struct sl_str word)
{
	bool digit = false, letter = false;

	for (size_t i = 0; i < word.n; i++) {
		digit = digit || sl_isdigit(word.p[i]);
		letter = letter || sl_isalpha(word.p[i]);
	}
	return word.n >= MIN_QUEUEID && word.n <= MAX_QUEUEID && digit && letter;
}

static size_t
find_queueids(struct why_id *out, size_t n, struct sl_str s)
{
	size_t i = 0, start;

	while (i < s.n) {
		for (start = i; i < s.n && is_word(s.p[i]); i++)
			;
		/* Not a piece of a host's name, an address or a version. */
		if (i > start && (start == 0 || strchr(".@-/=<", s.p[start - 1]) == NULL) &&
		    (i == s.n || strchr(".@-/=", s.p[i]) == NULL || i + 1 == s.n || s.p[i + 1] == ' ') &&
		    is_queueid(sl_str_sub(s, start, i)))
			n = add(out, n, WHY_QUEUEID, sl_str_sub(s, start, i));
		if (i == start)
			i++;
	}
	return n;
}

static bool
has_blank(struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (sl_isspace(s.p[i]))
			return true;
	return false;
}

/* All of it is a Message-ID, with or without brackets; one in brackets may have quoted blanks. */
static bool
is_msgid(struct sl_str *s)
{
	bool brackets = s->n > 2 && s->p[0] == '<' && s->p[s->n - 1] == '>';
	struct sl_str inner = brackets ? sl_str_sub(*s, 1, s->n - 1) : *s;
	ssize_t at = sl_str_chr(inner, '@');

	if (at <= 0 || (size_t)at + 1 == inner.n || sl_str_chr(inner, '<') >= 0 ||
	    sl_str_chr(inner, '>') >= 0 || (!brackets && has_blank(inner)))
		return false;
	*s = inner;
	return true;
}

size_t
why_find_ids(struct why_id *out, struct sl_str s)
{
	size_t n = find_ours(out, s);

	s = sl_str_trim(s);
	/* A Message-ID may have one of ours in it. */
	if (is_msgid(&s))
		return add(out, 0, WHY_MSGID, s);
	if (n > 0)
		return n;
	/* Alone, a queue id may have any form. */
	if (!has_blank(s) && sl_str_chr(s, '<') < 0)
		return add(out, 0, WHY_QUEUEID, s);
	return find_queueids(out, find_bracketed(out, 0, s), s);
}
