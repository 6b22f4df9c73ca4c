/* HSL's conversions: truth, text, number, equality. hsl.md's tables in code. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hsl.h"

#define MAX_DEPTH	100	/* of arrays that are compared */

const char *
sl_type_name(lua_State *L, int index)
{
	if (sl_is_map(L, index))
		return "array";
	if (sl_is_hsl(L) && lua_isnil(L, index))
		return "none";
	if (sl_hsl_has_class(L, index) || sl_hsl_is_exception(L, index))
		return "object";
	return luaL_typename(L, index);
}

bool
sl_truth(lua_State *L, int index)
{
	switch (lua_type(L, index)) {
	case LUA_TNONE:
	case LUA_TNIL:
		return false;
	case LUA_TBOOLEAN:
		return lua_toboolean(L, index);
	case LUA_TNUMBER:
		return lua_tonumber(L, index) != 0;
	case LUA_TSTRING:
		return lua_rawlen(L, index) > 0;
	case LUA_TTABLE:
		return !sl_is_map(L, index) || sl_map_count(L, index) > 0;
	case LUA_TUSERDATA:
		return !sl_is_plain(L, index) || sl_plain_count(L, index) > 0;
	default:
		return true;
	}
}

/* ---- numbers and texts -------------------------------------------------------------- */

/* What most numbers are: written without asking printf. */
static size_t
integer_text(int64_t n, char out[SL_NUMBER_MAX])
{
	char digits[24];
	size_t i = sizeof(digits), len;
	uint64_t rest = n < 0 ? (uint64_t)-n : (uint64_t)n;

	do
		digits[--i] = (char)('0' + rest % 10);
	while ((rest /= 10) > 0);
	if (n < 0)
		digits[--i] = '-';
	len = sizeof(digits) - i;
	memcpy(out, digits + i, len);
	out[len] = '\0';
	return len;
}

/* The shortest form that reads back as the same number; whole ones, as far as all of them are
 * numbers, without an exponent. */
size_t
sl_number_text(double n, char out[SL_NUMBER_MAX])
{
	int digits, len = 0;

	if (isnan(n))
		return (size_t)snprintf(out, SL_NUMBER_MAX, "nan");
	if (n == 0)		/* no minus in front of it */
		return (size_t)snprintf(out, SL_NUMBER_MAX, "0");
	if (floor(n) == n && fabs(n) <= 9007199254740992.0)
		return integer_text((int64_t)n, out);
	for (digits = 15; digits <= 17; digits++) {
		len = snprintf(out, SL_NUMBER_MAX, "%.*g", digits, n);
		if (strtod(out, NULL) == n)
			break;
	}
	return (size_t)len;
}

void
sl_to_string(lua_State *L, int index)
{
	char text[SL_NUMBER_MAX];

	switch (lua_type(L, index)) {
	case LUA_TSTRING:
		lua_pushvalue(L, index);
		return;
	case LUA_TNUMBER:
		lua_pushlstring(L, text, sl_number_text(lua_tonumber(L, index), text));
		return;
	case LUA_TBOOLEAN:
		lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false");
		return;
	default:
		luaL_error(L, "%s can't be made a string", lua_isnoneornil(L, index) ? "none" :
		    sl_type_name(L, index));
	}
}

static double
hex_number(const char *p)
{
	double n = 0;

	for (; sl_hex_value(*p) >= 0; p++)
		n = n * 16 + sl_hex_value(*p);
	return n;
}

/* Of a text that ends with a zero byte. strtod knows more than HSL: inf, nan, hexadecimal fractions. */
static double
number_of(struct sl_str s)
{
	const char *p = sl_str_trim(s).p, *digits = p + (*p == '-' || *p == '+');

	if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
		return (*p == '-' ? -1.0 : 1.0) * hex_number(digits + 2);
	if (!sl_isdigit(digits[0]) && !(digits[0] == '.' && sl_isdigit(digits[1])))
		return 0;
	return strtod(p, NULL);
}

/* The number that 'index' is for a builtin which wants one. Of HSL a text that is one as a whole
 * is taken, as arithmetic takes it, and true, which was 1 in 2016. */
bool
sl_is_numeric(lua_State *L, int index, double *n)
{
	struct sl_str s;
	char *end;

	if (lua_type(L, index) == LUA_TNUMBER) {
		*n = lua_tonumber(L, index);
		return true;
	}
	if (!sl_is_hsl(L) || (lua_type(L, index) != LUA_TSTRING && !lua_isboolean(L, index)))
		return false;
	*n = sl_to_number(L, index);
	if (lua_isboolean(L, index))
		return true;
	s.p = lua_tolstring(L, index, &s.n);
	s = sl_str_trim(s);
	if (s.n == 0 || strspn(s.p, "+-.0123456789abcdefABCDEFxX") < s.n)
		return false;		/* strtod knows more: inf, nan, hexadecimal fractions */
	strtod(s.p, &end);
	return end == s.p + s.n;
}

double
sl_to_number(lua_State *L, int index)
{
	struct sl_str s;

	switch (lua_type(L, index)) {
	case LUA_TNUMBER:
		return lua_tonumber(L, index);
	case LUA_TBOOLEAN:
		return lua_toboolean(L, index);
	case LUA_TSTRING:
		s.p = lua_tolstring(L, index, &s.n);
		return number_of(s);
	default:
		return 0;
	}
}

/* ---- equality ------------------------------------------------------------------------ */

static bool equal(lua_State *L, int a, int b, bool loose, int depth);

/* Equal keys in the same order, equal values. */
static bool
equal_maps(lua_State *L, int a, int b, bool loose, int depth)
{
	size_t at_a = 0, at_b = 0;
	int top = lua_gettop(L);
	bool same = sl_map_count(L, a) == sl_map_count(L, b);

	if (depth > MAX_DEPTH)
		luaL_error(L, "arrays are nested deeper than %d", MAX_DEPTH);
	luaL_checkstack(L, 12, NULL);
	while (same && sl_map_each(L, a, &at_a)) {
		sl_charge(L, 1);
		same = sl_map_each(L, b, &at_b) && lua_rawequal(L, top + 1, top + 3) &&
		    equal(L, top + 2, top + 4, loose, depth + 1);
		lua_settop(L, top);
	}
	lua_settop(L, top);
	return same;
}

static bool
is_scalar(int type)
{
	return type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN;
}

/* Values of different types, neither none. */
static bool
equal_mixed(lua_State *L, int a, int b, int ta, int tb)
{
	if (is_scalar(ta) && is_scalar(tb)) {
		if ((ta == LUA_TBOOLEAN && tb == LUA_TSTRING) ||
		    (ta == LUA_TSTRING && tb == LUA_TBOOLEAN))
			return sl_truth(L, a) == sl_truth(L, b);
		return sl_to_number(L, a) == sl_to_number(L, b);
	}
	if (ta == LUA_TBOOLEAN || tb == LUA_TBOOLEAN || ta == LUA_TNUMBER || tb == LUA_TNUMBER)
		return sl_truth(L, a) == sl_truth(L, b);
	return false;
}

/* A table of context is compared as the array it is a view of. */
static bool
equal_copy(lua_State *L, int a, int b, bool loose, int depth)
{
	bool same;

	luaL_checkstack(L, 12, NULL);
	if (sl_plain_copy(L, a))
		same = equal(L, lua_gettop(L), b, loose, depth);
	else
		same = sl_plain_copy(L, b) && equal(L, a, lua_gettop(L), loose, depth);
	lua_pop(L, 1);
	return same;
}

static bool
equal(lua_State *L, int a, int b, bool loose, int depth)
{
	int ta = lua_type(L, a), tb = lua_type(L, b);

	if (lua_rawequal(L, a, b))
		return true;
	if (sl_is_plain(L, a) || sl_is_plain(L, b))
		return equal_copy(L, a, b, loose, depth);
	if (ta == LUA_TTABLE && tb == LUA_TTABLE && sl_is_map(L, a) && sl_is_map(L, b))
		return equal_maps(L, a, b, loose, depth);
	if (ta == tb || !loose || ta == LUA_TNIL || tb == LUA_TNIL)
		return false;
	return equal_mixed(L, a, b, ta, tb);
}

bool
sl_equal(lua_State *L, int a, int b)
{
	return equal(L, lua_absindex(L, a), lua_absindex(L, b), true, 0);
}

bool
sl_identical(lua_State *L, int a, int b)
{
	return equal(L, lua_absindex(L, a), lua_absindex(L, b), false, 0);
}
