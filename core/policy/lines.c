#include "lines.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../base/dict.h"

#define MAX_DEPTH	32
#define MAX_PATH	512

struct position {
	unsigned line, column;
};

struct sl_lines {
	struct sl_dict *by_path;
};

struct level {
	size_t path;		/* length of the path of this table */
	unsigned index;		/* of its next positional element */
	unsigned parens;	/* open parentheses when it began */
	bool keyed;		/* the element being read has a key */
};

struct scanner {
	struct sl_lines *out;
	struct sl_str s;
	size_t at, line_start;
	unsigned line, parens;
	char path[MAX_PATH];
	size_t n;		/* length of the path of the element being read */
	struct level levels[MAX_DEPTH];
	unsigned depth;
	bool failed;
};

static char
peek(const struct scanner *c, size_t ahead)
{
	return c->at + ahead < c->s.n ? c->s.p[c->at + ahead] : '\0';
}

static void
advance(struct scanner *c)
{
	if (peek(c, 0) == '\n') {
		c->line++;
		c->line_start = c->at + 1;
	}
	c->at++;
}

/* A long bracket at 'at': its level, or -1. */
static int
long_bracket(const struct scanner *c)
{
	size_t i = 1;

	if (peek(c, 0) != '[')
		return -1;
	while (peek(c, i) == '=')
		i++;
	return peek(c, i) == '[' ? (int)i - 1 : -1;
}

static void
skip_long(struct scanner *c, int level)
{
	int i;

	for (i = 0; i < level + 2; i++)
		advance(c);
	while (c->at < c->s.n) {
		if (peek(c, 0) == ']') {
			for (i = 0; i < level && peek(c, (size_t)i + 1) == '='; i++)
				;
			if (i == level && peek(c, (size_t)i + 1) == ']') {
				for (i = 0; i < level + 2; i++)
					advance(c);
				return;
			}
		}
		advance(c);
	}
}

static void
skip_comment(struct scanner *c)
{
	int level;

	advance(c);
	advance(c);
	if ((level = long_bracket(c)) >= 0) {
		skip_long(c, level);
		return;
	}
	while (c->at < c->s.n && peek(c, 0) != '\n')
		advance(c);
}

/* Returns the text between the quotes, escapes as written. */
static struct sl_str
take_string(struct scanner *c)
{
	char quote = peek(c, 0);
	size_t from = c->at + 1;

	advance(c);
	while (c->at < c->s.n && peek(c, 0) != quote && peek(c, 0) != '\n') {
		if (peek(c, 0) == '\\')
			advance(c);
		advance(c);
	}
	advance(c);
	return sl_str_sub(c->s, from, c->at - 1);
}

static void
note(struct scanner *c, struct sl_str key, size_t at)
{
	struct level *top = &c->levels[c->depth - 1];
	struct position *p = sl_malloc(sizeof(*p));
	void *old = NULL;
	int n;

	n = snprintf(c->path + top->path, MAX_PATH - top->path, "%s%.*s", top->path > 0 ? "." : "",
	    (int)key.n, key.p);
	if (p == NULL || n < 0 || top->path + (size_t)n >= MAX_PATH) {
		sl_free(p);
		return;
	}
	c->n = top->path + (size_t)n;
	p->line = c->line;
	p->column = (unsigned)(at - c->line_start) + 1;
	if (sl_dict_set(c->out->by_path, (struct sl_str){ c->path, c->n }, p, &old) != 0)
		old = p;
	sl_free(old);
	top->keyed = true;
}

static void
note_index(struct scanner *c, size_t at)
{
	struct level *top;
	char text[16];

	if (c->depth == 0)
		return;
	top = &c->levels[c->depth - 1];
	if (top->keyed || c->parens != top->parens)
		return;
	snprintf(text, sizeof(text), "%u", ++top->index);
	note(c, sl_str_of(text), at);
}

static bool
equals_follows(const struct scanner *c, size_t from)
{
	while (from < c->s.n && sl_isspace(c->s.p[from]))
		from++;
	return from < c->s.n && c->s.p[from] == '=' && (from + 1 >= c->s.n || c->s.p[from + 1] != '=');
}

static void
take_name(struct scanner *c)
{
	size_t from = c->at;
	bool inside = c->depth > 0 && c->parens == c->levels[c->depth - 1].parens;

	while (sl_isalnum(peek(c, 0)) || peek(c, 0) == '_')
		advance(c);
	if (inside && equals_follows(c, c->at))
		note(c, sl_str_sub(c->s, from, c->at), from);
	else
		note_index(c, from);
}

/* ["key"] = */
static void
take_bracket_key(struct scanner *c)
{
	size_t from = c->at;
	struct sl_str key;

	advance(c);
	while (sl_isspace(peek(c, 0)))
		advance(c);
	if (peek(c, 0) != '"' && peek(c, 0) != '\'')
		return;
	key = take_string(c);
	while (sl_isspace(peek(c, 0)))
		advance(c);
	if (peek(c, 0) == ']' && c->depth > 0 && equals_follows(c, c->at + 1)) {
		note(c, key, from);
		advance(c);
	}
}

static void
open_table(struct scanner *c)
{
	note_index(c, c->at);
	advance(c);
	if (c->depth == MAX_DEPTH) {
		c->failed = true;
		return;
	}
	c->levels[c->depth] = (struct level){ .path = c->depth == 0 ? 0 : c->n, .parens = c->parens };
	c->depth++;
}

static void
close_table(struct scanner *c)
{
	advance(c);
	if (c->depth == 0)
		return;
	c->depth--;
	c->n = c->levels[c->depth].path;
	c->parens = c->levels[c->depth].parens;
}

static void
step(struct scanner *c)
{
	char ch = peek(c, 0);
	int level;

	if (ch == '-' && peek(c, 1) == '-') {
		skip_comment(c);
	} else if (ch == '"' || ch == '\'') {
		note_index(c, c->at);
		take_string(c);
	} else if ((level = long_bracket(c)) >= 0) {
		note_index(c, c->at);
		skip_long(c, level);
	} else if (sl_isalpha(ch) || ch == '_') {
		take_name(c);
	} else if (sl_isdigit(ch)) {
		note_index(c, c->at);
		while (sl_isalnum(peek(c, 0)) || peek(c, 0) == '.')
			advance(c);
	} else if (ch == '{') {
		open_table(c);
	} else if (ch == '}') {
		close_table(c);
	} else if (ch == '[') {
		take_bracket_key(c);
	} else {
		if (ch == '(')
			c->parens++;
		if (ch == ')' && c->parens > 0)
			c->parens--;
		if ((ch == ',' || ch == ';') && c->depth > 0 &&
		    c->parens == c->levels[c->depth - 1].parens)
			c->levels[c->depth - 1].keyed = false;
		advance(c);
	}
}

struct sl_lines *
sl_lines_scan(struct sl_str source)
{
	struct scanner c = { .s = source, .line = 1 };
	size_t before;

	c.out = sl_calloc(1, sizeof(*c.out));
	if (c.out == NULL || (c.out->by_path = sl_dict_new()) == NULL) {
		sl_free(c.out);
		return NULL;
	}
	while (c.at < source.n && !c.failed) {
		before = c.at;
		step(&c);
		if (c.at == before)
			advance(&c);
	}
	return c.out;
}

void
sl_lines_free(struct sl_lines *lines)
{
	if (lines == NULL)
		return;
	sl_dict_free(lines->by_path, sl_free);
	sl_free(lines);
}

void
sl_lines_find(const struct sl_lines *lines, const char *path, unsigned *line, unsigned *column)
{
	struct sl_str s = sl_str_of(path);
	const struct position *p;

	*line = *column = 0;
	for (;;) {
		p = sl_dict_get(lines->by_path, s);
		if (p != NULL) {
			*line = p->line;
			*column = p->column;
			return;
		}
		while (s.n > 0 && s.p[s.n - 1] != '.')
			s.n--;
		if (s.n == 0)
			return;
		s.n--;
	}
}
