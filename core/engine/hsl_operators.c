/*
 * HSL's operators where Lua's own don't do: joining texts, loose equality, %, bits, and the
 * arithmetic of texts and arrays. + - * / < and > of numbers are Lua's; what isn't two
 * numbers comes here as a metamethod.
 */
#include <math.h>
#include <string.h>

#include "hsl.h"

#define BYTES_PER_STEP	8
#define MAX_TEXT	(16 * 1024 * 1024)

/* Whether arithmetic and comparisons make a number of the value, as number() does. */
static bool
takes_number(lua_State *L, int index)
{
	int type = lua_type(L, index);

	return type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TBOOLEAN;
}

/* ---- texts --------------------------------------------------------------------- */

static int
cat(lua_State *L)
{
	int i, n = lua_gettop(L);
	size_t total = 0;

	for (i = 1; i <= n; i++) {
		if (lua_type(L, i) != LUA_TSTRING) {
			sl_to_string(L, i);
			lua_replace(L, i);
		}
		total += lua_rawlen(L, i);
	}
	sl_charge(L, total / (BYTES_PER_STEP * 8));
	lua_concat(L, n);
	return 1;
}

static int
repeat_text(lua_State *L, int text, double times)
{
	struct sl_str s;
	luaL_Buffer b;
	char *p;
	size_t i, n;

	s.p = lua_tolstring(L, text, &s.n);
	if (!(times >= 1) || s.n == 0) {
		lua_pushliteral(L, "");
		return 1;
	}
	if (times * (double)s.n > MAX_TEXT)
		return luaL_error(L, "a text of %f bytes is too long", times * (double)s.n);
	n = (size_t)times;
	sl_charge(L, n * s.n / BYTES_PER_STEP + n);
	p = luaL_buffinitsize(L, &b, n * s.n);
	for (i = 0; i < n; i++)
		memcpy(p + i * s.n, s.p, s.n);
	luaL_pushresultsize(&b, n * s.n);
	return 1;
}

static int
mod(lua_State *L)
{
	luaL_checkany(L, 2);
	if (lua_type(L, 1) == LUA_TSTRING) {
		sl_hsl_format(L, 1, 2);
		return 1;
	}
	if (!takes_number(L, 1) || !takes_number(L, 2))
		return luaL_error(L, "%s %% %s: numbers are expected", sl_type_name(L, 1),
		    sl_type_name(L, 2));
	lua_pushnumber(L, fmod(sl_to_number(L, 1), sl_to_number(L, 2)));
	return 1;
}

/* ---- truth, equality ---------------------------------------------------------------- */

static int
truth(lua_State *L)
{
	lua_pushboolean(L, sl_truth(L, 1));
	return 1;
}

static int
eq(lua_State *L)
{
	lua_settop(L, 2);
	if (lua_type(L, 1) == LUA_TSTRING && lua_type(L, 2) == LUA_TSTRING) {	/* most are */
		lua_pushboolean(L, lua_rawequal(L, 1, 2));
		return 1;
	}
	lua_pushboolean(L, sl_equal(L, 1, 2));
	return 1;
}

static int
same(lua_State *L)
{
	lua_settop(L, 2);
	lua_pushboolean(L, sl_identical(L, 1, 2));
	return 1;
}

/* pick(condition, a, b) */
static int
pick(lua_State *L)
{
	lua_settop(L, 3);
	if (lua_toboolean(L, 1))
		lua_pop(L, 1);
	return 1;
}

static int
elvis(lua_State *L)
{
	lua_settop(L, 2);
	if (sl_truth(L, 1))
		lua_pop(L, 1);
	return 1;
}

/* default(value, b): b for none */
static int
default_value(lua_State *L)
{
	lua_settop(L, 2);
	if (!lua_isnil(L, 1))
		lua_pop(L, 1);
	return 1;
}

static int
unmatched(lua_State *L)
{
	struct sl_buf text = SL_BUF_INIT;

	sl_describe(L, 1, &text, 100);
	lua_pushlstring(L, text.p != NULL ? text.p : "", text.n);
	sl_buf_clear(&text);
	return luaL_error(L, "match: nothing matches %s", lua_tostring(L, -1));
}

/* ---- bits: 32 of them, signed ---------------------------------------------------------- */

static int32_t
bits(lua_State *L, int index)
{
	double n;

	if (!takes_number(L, index))
		luaL_error(L, "%s has no bits: a number is expected", sl_type_name(L, index));
	n = fmod(trunc(sl_to_number(L, index)), 4294967296.0);
	return n == n ? (int32_t)(uint32_t)(int64_t)n : 0;
}

static int
result(lua_State *L, int32_t n)
{
	lua_pushnumber(L, n);
	return 1;
}

static int bnot(lua_State *L) { return result(L, ~bits(L, 1)); }
static int band(lua_State *L) { return result(L, bits(L, 1) & bits(L, 2)); }
static int bor(lua_State *L) { return result(L, bits(L, 1) | bits(L, 2)); }
static int bxor(lua_State *L) { return result(L, bits(L, 1) ^ bits(L, 2)); }

static int
shl(lua_State *L)
{
	return result(L, (int32_t)((uint32_t)bits(L, 1) << (bits(L, 2) & 31)));
}

static int
shr(lua_State *L)
{
	return result(L, bits(L, 1) >> (bits(L, 2) & 31));
}

static int
ushr(lua_State *L)
{
	lua_pushnumber(L, (uint32_t)bits(L, 1) >> (bits(L, 2) & 31));
	return 1;
}

/* ---- arithmetic of texts and booleans: number() of them ---------------------------------------- */

static int
refuse_arithmetic(lua_State *L)
{
	bool first = lua_type(L, 1) == LUA_TNUMBER || (sl_hsl_calls(L) && takes_number(L, 1));

	return luaL_error(L, "attempt to perform arithmetic on a %s value", luaL_typename(L, first ? 2 : 1));
}

/* Hands on to the array's own operator where the other side is one. */
static bool
of_array(lua_State *L, const char *event)
{
	int i;

	for (i = 1; i <= 2; i++) {
		if (!sl_is_map(L, i) || luaL_getmetafield(L, i, event) == LUA_TNIL)
			continue;
		lua_pushvalue(L, 1);
		lua_pushvalue(L, 2);
		lua_call(L, 2, 1);
		return true;
	}
	return false;
}

static double plus(double a, double b) { return a + b; }
static double minus(double a, double b) { return a - b; }
static double times(double a, double b) { return a * b; }
static double over(double a, double b) { return a / b; }

static int
text_arithmetic(lua_State *L, const char *event, double (*fn)(double, double))
{
	if (of_array(L, event))
		return 1;
	if (!sl_hsl_calls(L) || !takes_number(L, 1) || !takes_number(L, 2))
		return refuse_arithmetic(L);
	lua_pushnumber(L, fn(sl_to_number(L, 1), sl_to_number(L, 2)));
	return 1;
}

static int text_add(lua_State *L) { return text_arithmetic(L, "__add", plus); }
static int text_sub(lua_State *L) { return text_arithmetic(L, "__sub", minus); }
static int text_div(lua_State *L) { return text_arithmetic(L, "__div", over); }
static int text_pow(lua_State *L) { return text_arithmetic(L, "__pow", pow); }

/* A text times a number repeats it. */
static int
text_mul(lua_State *L)
{
	if (sl_hsl_calls(L) && lua_type(L, 1) == LUA_TSTRING && lua_type(L, 2) == LUA_TNUMBER)
		return repeat_text(L, 1, lua_tonumber(L, 2));
	return text_arithmetic(L, "__mul", times);
}

static int
text_unm(lua_State *L)
{
	if (!sl_hsl_calls(L))
		return refuse_arithmetic(L);
	lua_pushnumber(L, -sl_to_number(L, 1));
	return 1;
}

/* Of different types, or booleans: compared as numbers. Two texts don't come here. */
static int
text_compare(lua_State *L, bool or_equal)
{
	double a, b;

	if (!sl_hsl_calls(L) || !takes_number(L, 1) || !takes_number(L, 2))
		return luaL_error(L, "attempt to compare %s with %s", luaL_typename(L, 1),
		    luaL_typename(L, 2));
	a = sl_to_number(L, 1);
	b = sl_to_number(L, 2);
	lua_pushboolean(L, or_equal ? a <= b : a < b);
	return 1;
}

static int text_lt(lua_State *L) { return text_compare(L, false); }
static int text_le(lua_State *L) { return text_compare(L, true); }

/* ---- arithmetic of arrays ------------------------------------------------------------------------ */

void
sl_hsl_merge(lua_State *L, int into, int from)
{
	size_t at;

	into = lua_absindex(L, into);
	from = lua_absindex(L, from);
	sl_charge(L, sl_map_count(L, from));
	for (at = 0; sl_map_each(L, from, &at);) {
		sl_hsl_share(L);
		if (lua_type(L, -2) == LUA_TNUMBER) {
			sl_map_append(L, into);
			lua_pop(L, 1);
		} else {
			sl_map_put(L, into);
		}
	}
}

/* Numbers are counted anew; a value that is no array becomes an element. */
static int
array_add(lua_State *L)
{
	int i;

	sl_map_make(L);
	for (i = 1; i <= 2; i++) {
		if (sl_is_map(L, i)) {
			sl_hsl_merge(L, 3, i);
		} else {
			lua_pushvalue(L, i);
			sl_map_append(L, 3);
		}
	}
	return 1;
}

static bool
is_taken(lua_State *L, int value, int taken)
{
	size_t at;
	bool found = false;

	if (!sl_is_map(L, taken))
		return sl_equal(L, value, taken);
	for (at = 0; !found && sl_map_each(L, taken, &at); lua_pop(L, 2)) {
		sl_charge(L, 1);
		found = sl_equal(L, value, lua_gettop(L));
	}
	return found;
}

/* Without what is equal to an element of the right side; the keys stay. */
static int
array_sub(lua_State *L)
{
	size_t at;

	if (!sl_is_map(L, 1))
		return luaL_error(L, "an array is taken from an array, not from a %s", sl_type_name(L, 1));
	sl_map_make(L);
	for (at = 0; sl_map_each(L, 1, &at);) {
		if (is_taken(L, 5, 2)) {
			lua_pop(L, 2);
		} else {
			sl_hsl_share(L);
			sl_map_put(L, 3);
		}
	}
	return 1;
}

static int
array_mul(lua_State *L)
{
	int array = sl_is_map(L, 1) ? 1 : 2, other = 3 - array;
	double n = lua_tonumber(L, other);

	if (lua_type(L, other) != LUA_TNUMBER)
		return luaL_error(L, "an array is repeated by a number, not by a %s", sl_type_name(L, other));
	if (n * (double)sl_map_count(L, array) > 1e6)
		return luaL_error(L, "an array of %f elements is too long",
		    n * (double)sl_map_count(L, array));
	sl_map_make(L);
	for (; n >= 1; n--)
		sl_hsl_merge(L, 3, array);
	return 1;
}

static int
array_concat(lua_State *L)
{
	return luaL_error(L, "an array can't be made a string");
}

/* ---- the table ------------------------------------------------------------------------------------- */

static void
add_metamethods(lua_State *L, const luaL_Reg *functions)
{
	sl_hsl_functions(L, functions);
	lua_pop(L, 1);
}

/* Lua's code gets the errors that it got without a metatable. */
static void
give_booleans(lua_State *L, const luaL_Reg *functions)
{
	lua_pushboolean(L, 0);
	lua_newtable(L);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	sl_hsl_functions(L, functions);
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
}

void
sl_hsl_open_operators(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "cat", cat }, { "mod", mod }, { "truth", truth }, { "eq", eq }, { "same", same },
		{ "pick", pick }, { "elvis", elvis }, { "default", default_value },
		{ "unmatched", unmatched }, { "bnot", bnot }, { "band", band }, { "bor", bor },
		{ "bxor", bxor }, { "shl", shl }, { "shr", shr }, { "ushr", ushr }, { NULL, NULL },
	};
	static const luaL_Reg texts[] = {
		{ "__add", text_add }, { "__sub", text_sub }, { "__mul", text_mul },
		{ "__div", text_div }, { "__pow", text_pow }, { "__unm", text_unm },
		{ "__lt", text_lt }, { "__le", text_le }, { NULL, NULL },
	};
	static const luaL_Reg arrays[] = {
		{ "__add", array_add }, { "__sub", array_sub }, { "__mul", array_mul },
		{ "__concat", array_concat }, { NULL, NULL },
	};

	sl_hsl_functions(L, functions);
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1);
	add_metamethods(L, texts);
	lua_pop(L, 1);
	give_booleans(L, texts);
	sl_ref_push(L, sl_vm_from(L)->refs.map_meta);
	add_metamethods(L, arrays);
}
