/*
 * Address lists: RFC 5322 3.4 with 4.4 (obsolete forms) and RFC 6854 groups,
 * in one pass over tokens. What comes before a special character is collected
 * as words; the special then says what the words were: a local part before
 * '@', a name before '<' or ':'. Nothing is guessed.
 */
#include <string.h>

#include "../base/alloc.h"
#include "address_parts.h"

#define MAX_COMMENTS	20

enum kind {
	END, ATOM, QUOTED, LITERAL,
	DOT = '.', COMMA = ',', COLON = ':', SEMICOLON = ';', LESS = '<', GREATER = '>', AT = '@',
	BROKEN = -1,
};

struct parser {
	const char *p, *end;
	struct sl_address_list *list;
	size_t cap, max;
	struct sl_err *err;

	/* the token at hand */
	enum kind kind;
	bool space;		/* blanks or comments stood before it */
	struct sl_str token;	/* ATOM, LITERAL: as written; QUOTED: inside the quotes */

	/* words collected: as a name into text, as a local part into local */
	char *text;		/* the next free byte of list->text */
	size_t name_n;
	char local[256];
	size_t local_n;
	bool local_ok;		/* word *("." word) so far */
	bool local_long;
	enum kind last;		/* kind of the last word, END = none */

	struct sl_str group;	/* name of the group we are in */
	bool in_group;
};

static int
syntax(struct parser *s, const char *why)
{
	s->kind = BROKEN;
	return sl_err_set(s->err, SL_ERR_SYNTAX, "address list: %s", why);
}

/* ---- tokens ---------------------------------------------------------- */

/* A fold at p: bytes of its line break, 0 = a CR or LF that is none. */
static size_t
fold_length(const struct parser *s)
{
	size_t n = *s->p == '\r' ? 2 : 1;

	if (n == 2 && (s->end - s->p < 2 || s->p[1] != '\n'))
		return 0;
	return s->end - s->p > (ptrdiff_t)n && (s->p[n] == ' ' || s->p[n] == '\t') ? n : 0;
}

/* A byte of comment or quoted string, with the one after a backslash. */
static int
skip_text(struct parser *s)
{
	size_t fold;

	if (*s->p == '\r' || *s->p == '\n') {
		fold = fold_length(s);
		if (fold == 0)
			return syntax(s, "line break that isn't a fold");
		s->p += fold;
		return 0;
	}
	if (*s->p == '\\') {
		s->p++;
		if (s->p == s->end)
			return syntax(s, "ends with a backslash");
	}
	if (((unsigned char)*s->p < 32 && *s->p != '\t') || *s->p == 127)
		return syntax(s, "control byte");
	s->p++;
	return 0;
}

static int
skip_comment(struct parser *s)
{
	unsigned depth = 0;

	do {
		if (*s->p == '(') {
			if (++depth > MAX_COMMENTS)
				return syntax(s, "comments nested too deep");
			s->p++;
		} else if (*s->p == ')') {
			depth--;
			s->p++;
		} else if (skip_text(s) < 0) {
			return SL_ERR_SYNTAX;
		}
	} while (depth > 0 && s->p < s->end);
	return depth > 0 ? syntax(s, "comment without end") : 0;
}

/* Comments and folding white space. */
static int
skip_cfws(struct parser *s)
{
	const char *start = s->p;
	size_t fold;

	for (; s->p < s->end; ) {
		if (*s->p == ' ' || *s->p == '\t') {
			s->p++;
		} else if (*s->p == '\r' || *s->p == '\n') {
			if ((fold = fold_length(s)) == 0)
				return syntax(s, "line break that isn't a fold");
			s->p += fold;
		} else if (*s->p != '(') {
			break;
		} else if (skip_comment(s) < 0) {
			return SL_ERR_SYNTAX;
		}
	}
	s->space = s->p > start;
	return 0;
}

static int
quoted_token(struct parser *s)
{
	const char *start = ++s->p;

	while (s->p < s->end && *s->p != '"') {
		if (skip_text(s) < 0)
			return SL_ERR_SYNTAX;
	}
	if (s->p == s->end)
		return syntax(s, "quoted string without end");
	s->token = (struct sl_str){ start, (size_t)(s->p++ - start) };
	s->kind = QUOTED;
	return 0;
}

static int
literal_token(struct parser *s)
{
	const char *start = s->p++;

	while (s->p < s->end && *s->p != ']') {
		if (*s->p == '[' || *s->p == '\\' || sl_isspace(*s->p))
			return syntax(s, "malformed address literal");
		s->p++;
	}
	if (s->p == s->end)
		return syntax(s, "address literal without end");
	s->p++;
	s->token = (struct sl_str){ start, (size_t)(s->p - start) };
	s->kind = LITERAL;
	return 0;
}

static int
next(struct parser *s)
{
	const char *start;

	if (skip_cfws(s) < 0)
		return SL_ERR_SYNTAX;
	start = s->p;
	if (s->p == s->end) {
		s->kind = END;
		return 0;
	}
	if (sl_is_atext(*s->p)) {
		while (s->p < s->end && sl_is_atext(*s->p))
			s->p++;
		s->token = (struct sl_str){ start, (size_t)(s->p - start) };
		s->kind = ATOM;
		return 0;
	}
	switch (*s->p) {
	case '"':
		return quoted_token(s);
	case '[':
		return literal_token(s);
	case '.': case ',': case ':': case ';': case '<': case '>': case '@':
		s->kind = (enum kind)*s->p++;
		return 0;
	}
	return syntax(s, "a character that must be quoted");
}

/* ---- words ----------------------------------------------------------- */

static void
words_begin(struct parser *s)
{
	s->name_n = s->local_n = 0;
	s->local_ok = true;
	s->local_long = false;
	s->last = END;
}

static void
put_byte(struct parser *s, char c)
{
	s->text[s->name_n++] = c;
	if (s->local_n < sizeof(s->local))
		s->local[s->local_n++] = c;
	else
		s->local_long = true;
}

/* The token without its quoting; a fold in a quoted string is its blanks. */
static void
put_token(struct parser *s)
{
	for (size_t i = 0; i < s->token.n; i++) {
		if (s->kind == QUOTED && (s->token.p[i] == '\r' || s->token.p[i] == '\n'))
			continue;
		if (s->kind == QUOTED && s->token.p[i] == '\\')
			i++;
		put_byte(s, s->token.p[i]);
	}
}

/* Words of a name or local part, up to the special that follows. */
static int
collect_words(struct parser *s)
{
	bool dot;

	words_begin(s);
	while (s->kind == ATOM || s->kind == QUOTED || s->kind == DOT) {
		dot = s->kind == DOT;
		if (dot && s->last == END)
			return syntax(s, "begins with a dot");
		if (s->last != END && dot == (s->last == DOT))
			s->local_ok = false;
		if (s->space && s->last != END)
			s->text[s->name_n++] = ' ';
		if (dot)
			put_byte(s, '.');
		else
			put_token(s);
		s->last = s->kind;
		if (next(s) < 0)
			return SL_ERR_SYNTAX;
	}
	if (s->last == DOT)
		s->local_ok = false;
	return 0;
}

/* The words are a name: they stay in the list's text. */
static struct sl_str
take_name(struct parser *s)
{
	struct sl_str name = { s->text, s->name_n };

	s->text += s->name_n;
	s->name_n = 0;
	return name;
}

/* ---- addresses ------------------------------------------------------- */

/* dot-atom with the obsolete blanks around its dots, or a literal; normalized. */
static int
parse_domain(struct parser *s, char *out)
{
	char text[1024];
	size_t n = 0;

	if (s->kind == LITERAL) {
		if (sl_domain_parse(out, s->token, SL_DOMAIN_LITERAL, s->err) < 0)
			return SL_ERR_SYNTAX;
		return next(s);
	}
	for (;;) {
		if (s->kind != ATOM)
			return syntax(s, "no domain after @");
		if (n + s->token.n + 1 > sizeof(text))
			return syntax(s, "domain too long");
		memcpy(text + n, s->token.p, s->token.n);
		n += s->token.n;
		if (next(s) < 0)
			return SL_ERR_SYNTAX;
		if (s->kind != DOT)
			break;
		text[n++] = '.';
		if (next(s) < 0)
			return SL_ERR_SYNTAX;
	}
	return sl_domain_parse(out, (struct sl_str){ text, n }, SL_DOMAIN_UNDERSCORE, s->err);
}

static int
add_mailbox(struct parser *s, const struct sl_mailbox *m)
{
	struct sl_address_list *list = s->list;
	size_t cap = s->cap != 0 ? s->cap * 2 : 1;
	struct sl_mailbox *grown;

	if (list->n == s->max)
		return sl_err_set(s->err, SL_ERR_LIMIT, "address list: more than %zu addresses",
		    s->max);
	if (list->n == s->cap) {
		grown = sl_realloc(list->mailboxes, cap * sizeof(*grown));
		if (grown == NULL)
			return sl_err_set(s->err, SL_ERR_NOMEM, "out of memory");
		list->mailboxes = grown;
		s->cap = cap;
	}
	list->mailboxes[list->n++] = *m;
	return 0;
}

/* The words are a local part and an '@' is at hand: the rest of addr-spec. */
static int
parse_spec(struct parser *s, struct sl_mailbox *m)
{
	int r;

	if (s->last == END || !s->local_ok)
		return syntax(s, "malformed local part before @");
	if (s->local_long)
		return sl_err_set(s->err, SL_ERR_LIMIT, "address list: local part too long");
	if (next(s) < 0)
		return SL_ERR_SYNTAX;
	if ((r = parse_domain(s, m->address.domain)) < 0)
		return r;
	return sl_address_make(&m->address, (struct sl_str){ s->local, s->local_n }, s->err);
}

/* obs-route: "@a,,@b:", checked and dropped. */
static int
skip_route(struct parser *s)
{
	char domain[256];

	if (s->kind != AT && s->kind != COMMA)
		return 0;
	while (s->kind == AT || s->kind == COMMA) {
		bool at = s->kind == AT;

		if (next(s) < 0 || (at && parse_domain(s, domain) < 0))
			return SL_ERR_SYNTAX;
		if (at && s->kind == COLON)
			return next(s);
		if (at && s->kind != COMMA)
			break;
	}
	return syntax(s, "malformed route");
}

/* After the '<'. */
static int
parse_angle(struct parser *s, struct sl_mailbox *m)
{
	int r;

	if (next(s) < 0 || skip_route(s) < 0 || collect_words(s) < 0)
		return SL_ERR_SYNTAX;
	if (s->kind != AT)
		return syntax(s, "no @ between < and >");
	if ((r = parse_spec(s, m)) < 0)
		return r;
	return s->kind == GREATER ? next(s) : syntax(s, "no > after the address");
}

static int
begin_group(struct parser *s)
{
	if (s->in_group || s->last == END)
		return syntax(s, "malformed group");
	s->in_group = true;
	s->group = take_name(s);
	s->list->groups++;
	return next(s);
}

/* A mailbox, nothing, or the beginning of a group; the token after it is at hand. */
static int
parse_element(struct parser *s, bool *began_group)
{
	struct sl_mailbox m;
	int r;

	*began_group = false;
	if (collect_words(s) < 0)
		return SL_ERR_SYNTAX;
	memset(&m, 0, sizeof(m));
	m.name = (struct sl_str){ "", 0 };
	m.group = s->group;
	switch (s->kind) {
	case AT:
		r = parse_spec(s, &m);
		break;
	case LESS:
		m.name = take_name(s);
		r = parse_angle(s, &m);
		break;
	case COLON:
		*began_group = true;
		return begin_group(s);
	default:
		return s->last == END ? 0 : syntax(s, "a word that is no address");
	}
	return r < 0 ? r : add_mailbox(s, &m);
}

static int
end_group(struct parser *s)
{
	if (!s->in_group)
		return syntax(s, "; outside a group");
	s->in_group = false;
	s->group = (struct sl_str){ "", 0 };
	if (next(s) < 0)
		return SL_ERR_SYNTAX;
	return s->kind == COMMA || s->kind == END ? 0 : syntax(s, "text after a group");
}

static int
parse_list(struct parser *s)
{
	bool began_group;
	int r;

	if (next(s) < 0)
		return SL_ERR_SYNTAX;
	for (;;) {
		if ((r = parse_element(s, &began_group)) < 0)
			return r;
		if (began_group)
			continue;
		if (s->kind == SEMICOLON && end_group(s) < 0)
			return SL_ERR_SYNTAX;
		if (s->kind == END)
			return s->in_group ? syntax(s, "group without its ;") : 0;
		if (s->kind != COMMA)
			return syntax(s, "text after an address");
		if (next(s) < 0)
			return SL_ERR_SYNTAX;
	}
}

int
sl_address_list_parse(struct sl_address_list *out, struct sl_str value, size_t max,
    struct sl_err *err)
{
	struct sl_err own = { 0 };
	struct parser s = {
		.p = value.n > 0 ? value.p : "", .list = out, .max = max, .err = &own,
		.group = { "", 0 },
	};
	int r;

	memset(out, 0, sizeof(*out));
	s.end = s.p + value.n;
	/* Names never grow by being unquoted. */
	s.text = out->text = sl_malloc(value.n + 1);
	if (out->text == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	if (sl_utf8_valid(value))
		r = parse_list(&s);
	else
		r = syntax(&s, "invalid UTF-8");
	if (r < 0) {
		sl_address_list_clear(out);
		return sl_err_set(err, own.code != 0 ? own.code : r, "%s", own.text);
	}
	return 0;
}

void
sl_address_list_clear(struct sl_address_list *list)
{
	sl_free(list->mailboxes);
	sl_free(list->text);
	memset(list, 0, sizeof(*list));
}
