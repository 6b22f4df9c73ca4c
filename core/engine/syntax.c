/*
 * Where in its line a syntax error is. Lua tells the line and the token that it stumbled
 * over; which of several such tokens that was, a shorter source tells: it gives the same
 * error as soon as the token is in it.
 */
#include <string.h>

#include "internal.h"

#define MAX_TRIES	16

struct reader {
	struct sl_str parts[2];
	int next;
};

static const char *
read_part(lua_State *L, void *ud, size_t *n)
{
	struct reader *r = ud;

	(void)L;
	while (r->next < 2 && r->parts[r->next].n == 0)
		r->next++;
	if (r->next == 2)
		return NULL;
	*n = r->parts[r->next].n;
	return r->parts[r->next++].p;
}

int
sl_load_parts(lua_State *L, const char *name, struct sl_str before, struct sl_str source)
{
	struct reader r = { { before, source }, 0 };

	return lua_load(L, read_part, &r, name, "t");
}

/* [-0, +0] Whether that much of the source gives this error. */
static bool
gives(lua_State *L, const char *name, struct sl_str before, struct sl_str source, const char *error)
{
	bool same;

	same = sl_load_parts(L, name, before, source) == LUA_ERRSYNTAX &&
	    strcmp(lua_tostring(L, -1), error) == 0;
	lua_pop(L, 1);
	return same;
}

/* "NAME:LINE: text": the line, and how long that is before ": text"; 0 = it has another form. */
static size_t
find_line(struct sl_str error, uint64_t *line)
{
	struct sl_str rest;
	size_t i, n;

	for (i = 0; i + 1 < error.n; i++) {
		if (error.p[i] != ':')
			continue;
		for (n = 1; i + n < error.n && error.p[i + n] >= '0' && error.p[i + n] <= '9'; n++)
			;
		rest = sl_str_sub(error, i + 1, i + n);
		if (n > 1 && sl_str_starts(sl_str_sub(error, i + n, error.n), SL_STR(": ")) &&
		    sl_str_u64(rest, line))
			return i + n;
	}
	return 0;
}

/* The token in "... near 'TOKEN'"; "" where there is none, or it is the end of the file. */
static struct sl_str
find_token(struct sl_str error)
{
	struct sl_str rest = error, found = SL_STR("");
	ssize_t at;

	while ((at = sl_str_find(rest, SL_STR("near '"))) >= 0)
		rest = found = sl_str_sub(rest, (size_t)at + 6, rest.n);
	return sl_str_ends(found, SL_STR("'")) ? sl_str_sub(found, 0, found.n - 1) : SL_STR("");
}

static size_t
find_column(lua_State *L, const char *name, struct sl_str before, struct sl_str source,
    struct sl_str error, uint64_t line)
{
	struct sl_str rest = source, text = SL_STR(""), token = find_token(error);
	size_t from, column = 0, at = 0;
	ssize_t found;
	int tries;

	while (line-- > 0 && sl_str_split(&rest, '\n', &text))
		;
	if (sl_str_ends(error, SL_STR("near <eof>")))
		return text.n + 1;
	from = text.n > 0 ? (size_t)(text.p - source.p) : 0;
	for (tries = 0; token.n > 0 && tries < MAX_TRIES; tries++) {
		found = sl_str_find(sl_str_sub(text, at, text.n), token);
		if (found < 0)
			break;
		at += (size_t)found + token.n;
		if (gives(L, name, before, sl_str_sub(source, 0, from + at), error.p))
			return at - token.n + 1;
		if (column == 0)
			column = at - token.n + 1;
	}
	return column;
}

void
sl_syntax_place(lua_State *L, const char *name, struct sl_str before, struct sl_str source)
{
	struct sl_str error;
	size_t n, column;
	uint64_t line;

	if (lua_type(L, -1) != LUA_TSTRING)
		return;
	error.p = lua_tolstring(L, -1, &error.n);
	if ((n = find_line(error, &line)) == 0 ||
	    (column = find_column(L, name, before, source, error, line)) == 0)
		return;
	lua_pushlstring(L, error.p, n);
	lua_pushfstring(L, ":%d", (int)column);
	lua_pushlstring(L, error.p + n, error.n - n);
	lua_concat(L, 3);
	lua_remove(L, -2);
}
