/*
 * "Hello %s" % ["World"]: %[n] then 'c fill, < > ^ = align, width, .precision, and s f x c b; %%
 * is a percent sign. Arguments are taken in order unless [n] says which (from 0).
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "hsl.h"

#define MAX_WIDTH	10000
#define MAX_PRECISION	40

struct spec {
	int arg;		/* -1 = the next */
	char fill, align, type;
	size_t width;
	int precision;		/* -1 = none */
};

static size_t
number(struct sl_str *s, size_t most)
{
	size_t n = 0;

	while (s->n > 0 && sl_isdigit(s->p[0])) {
		n = n * 10 + (size_t)(s->p[0] - '0');
		n = n > most ? most : n;
		*s = sl_str_sub(*s, 1, s->n);
	}
	return n;
}

static bool
take(struct sl_str *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = sl_str_sub(*s, 1, s->n);
	return true;
}

/* Behind the %. */
static bool
parse(struct sl_str *s, struct spec *f)
{
	*f = (struct spec){ -1, ' ', '\0', '\0', 0, -1 };
	if (take(s, '[')) {
		f->arg = (int)number(s, 1000);
		if (!take(s, ']'))
			return false;
	}
	if (s->n > 1 && s->p[0] == '\'') {
		f->fill = s->p[1];
		*s = sl_str_sub(*s, 2, s->n);
	}
	if (s->n > 0 && strchr("<>^=", s->p[0]) != NULL) {
		f->align = s->p[0];
		*s = sl_str_sub(*s, 1, s->n);
	}
	f->width = number(s, MAX_WIDTH);
	if (take(s, '.'))
		f->precision = (int)number(s, MAX_PRECISION);
	if (s->n == 0 || strchr("sfxcb", s->p[0]) == NULL)
		return false;
	f->type = s->p[0];
	*s = sl_str_sub(*s, 1, s->n);
	return true;
}

/* Argument n of the values, on top. */
static void
push_argument(lua_State *L, int values, size_t n)
{
	if (!sl_is_map(L, values)) {
		if (n > 0)
			luaL_error(L, "%%: there is no argument %d", (int)n);
		lua_pushvalue(L, values);
	} else if (!sl_map_at(L, values, n)) {
		luaL_error(L, "%%: there is no argument %d", (int)n);
	} else {
		lua_remove(L, -2);
	}
}

/* A number below 0 as operators on bits have it: 32 of them. */
static uint64_t
bits_of(double n)
{
	if (!(fabs(n) < 9e18))
		return 0;
	return n < 0 && n >= INT32_MIN ? (uint32_t)(int32_t)n : (uint64_t)(int64_t)n;
}

static void
put_binary(struct sl_buf *out, uint64_t n)
{
	int bit = 63;

	while (bit > 0 && (n >> bit & 1) == 0)
		bit--;
	for (; bit >= 0; bit--)
		sl_buf_putc(out, n >> bit & 1 ? '1' : '0');
}

/* The text of the argument on top, without its padding. */
static void
convert(lua_State *L, const struct spec *f, struct sl_buf *out)
{
	struct sl_str s;
	double n;

	if (f->type == 's') {
		sl_to_string(L, -1);
		s.p = lua_tolstring(L, -1, &s.n);
		if (f->precision >= 0)
			s = sl_str_sub(s, 0, (size_t)f->precision);
		sl_buf_putstr(out, s);
		lua_pop(L, 1);
		return;
	}
	n = sl_to_number(L, -1);
	if (f->type == 'f')
		sl_buf_printf(out, "%.*f", f->precision >= 0 ? f->precision : 6, n);
	else if (f->type == 'x')
		sl_buf_printf(out, "%llx", (unsigned long long)bits_of(n));
	else if (f->type == 'b')
		put_binary(out, bits_of(n));
	else
		sl_buf_putc(out, (char)(n >= 0 && n < 256 ? (int)n : 0));
}

static void
pad(luaL_Buffer *b, char fill, size_t n)
{
	while (n-- > 0)
		luaL_addchar(b, fill);
}

/* '=' pads between sign and digits; numbers stand right, texts left, unless told. */
static void
add_padded(luaL_Buffer *b, const struct spec *f, struct sl_str s)
{
	size_t missing = s.n < f->width ? f->width - s.n : 0, left;
	char align = f->align != '\0' ? f->align : f->type == 's' ? '<' : '>';

	if (align == '=' && s.n > 0 && s.p[0] == '-') {
		luaL_addchar(b, '-');
		s = sl_str_sub(s, 1, s.n);
	}
	left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
	pad(b, f->fill, left);
	luaL_addlstring(b, s.p != NULL ? s.p : "", s.n);
	pad(b, f->fill, missing - left);
}

static bool
literal(luaL_Buffer *b, struct sl_str *s)
{
	ssize_t at = sl_str_chr(*s, '%');
	size_t n = at < 0 ? s->n : (size_t)at;

	luaL_addlstring(b, s->p, n);
	*s = sl_str_sub(*s, n, s->n);
	return take(s, '%');
}

/* The piece on top goes to the list at 'pieces'. */
static void
keep(lua_State *L, int pieces)
{
	lua_rawseti(L, pieces, (lua_Integer)lua_rawlen(L, pieces) + 1);
}

/* What stands before the next format, with "%%" as a percent sign; false at the end. */
static bool
keep_literal(lua_State *L, int pieces, struct sl_str *s)
{
	luaL_Buffer b;
	bool more;

	luaL_buffinit(L, &b);
	while ((more = literal(&b, s)) && take(s, '%'))
		luaL_addchar(&b, '%');
	luaL_pushresult(&b);
	keep(L, pieces);
	return more;
}

static void
keep_argument(lua_State *L, int pieces, const struct spec *f)
{
	struct sl_buf *text = sl_scratch(L);
	luaL_Buffer b;

	convert(L, f, text);
	lua_pop(L, 1);
	sl_charge(L, (text->n + f->width) / 8);
	luaL_buffinit(L, &b);
	add_padded(&b, f, sl_buf_str(text));
	luaL_pushresult(&b);
	keep(L, pieces);
}

static void
join(lua_State *L, int pieces)
{
	lua_Integer i, n = (lua_Integer)lua_rawlen(L, pieces);
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	for (i = 1; i <= n; i++) {
		lua_rawgeti(L, pieces, i);
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
}

/* Pieces are kept in a table: converting an argument may raise, and needs the stack. */
void
sl_hsl_format(lua_State *L, int format, int values)
{
	struct sl_str s;
	struct spec f;
	size_t next = 0;
	int pieces;

	format = lua_absindex(L, format);
	values = lua_absindex(L, values);
	s.p = lua_tolstring(L, format, &s.n);
	sl_charge(L, s.n / 8);
	lua_newtable(L);
	pieces = lua_gettop(L);
	while (keep_literal(L, pieces, &s)) {
		if (!parse(&s, &f))
			luaL_error(L, "%%: what follows the %% is no format: types are s f x c b");
		push_argument(L, values, f.arg >= 0 ? (size_t)f.arg : next++);
		keep_argument(L, pieces, &f);
	}
	join(L, pieces);
	lua_remove(L, pieces);
}
