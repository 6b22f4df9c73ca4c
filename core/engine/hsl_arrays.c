/* Arrays and texts of HSL: making, reading an element, slices, walking. */
#include <math.h>
#include <string.h>

#include "hsl.h"

/* ---- making ------------------------------------------------------------------- */

static int
list(lua_State *L)
{
	int i, n = lua_gettop(L);

	sl_map_make(L);
	for (i = 1; i <= n; i++) {
		lua_pushvalue(L, i);
		sl_map_append(L, -2);
	}
	return 1;
}

/* ...$a, in its turn: what isn't an array fails before what stands behind it is evaluated. */
static int
spreads(lua_State *L)
{
	lua_settop(L, 1);
	if (!sl_is_map(L, 1))
		return luaL_error(L, "...%s: an array is expected", sl_type_name(L, 1));
	return 1;
}

/* All of the array on top, which spreads() has seen. */
static void
spread(lua_State *L, int map)
{
	sl_hsl_merge(L, map, -1);
	lua_pop(L, 2);
}

/* Key and value of an array being made, on top. */
static void
add_pair(lua_State *L, int map)
{
	if (lua_touserdata(L, -2) == &sl_hsl_end) {
		sl_map_append(L, map);
		lua_pop(L, 1);
	} else if (lua_touserdata(L, -2) == &sl_hsl_spread) {
		spread(L, map);
	} else {
		sl_map_put(L, map);
	}
}

static int
map(lua_State *L)
{
	int i, n = lua_gettop(L);

	sl_map_make(L);
	for (i = 1; i < n; i += 2) {
		lua_pushvalue(L, i);
		lua_pushvalue(L, i + 1);
		add_pair(L, n + 1);
	}
	return 1;
}

/* The same from a table of n values. */
static int
long_list(lua_State *L)
{
	lua_Integer i, n = lua_tointeger(L, 2);

	sl_map_make(L);
	for (i = 1; i <= n; i++) {
		lua_rawgeti(L, 1, i);
		sl_map_append(L, -2);
	}
	return 1;
}

static int
long_map(lua_State *L)
{
	lua_Integer i, n = lua_tointeger(L, 2);

	sl_map_make(L);
	for (i = 1; i < n; i += 2) {
		lua_rawgeti(L, 1, i);
		lua_rawgeti(L, 1, i + 1);
		add_pair(L, 3);
	}
	return 1;
}

/* f(...$a) */
static int
unpack(lua_State *L)
{
	size_t at, n;

	if (!sl_is_map(L, 1))
		return luaL_error(L, "...%s: an array is expected", sl_type_name(L, 1));
	n = sl_map_count(L, 1);
	if (n > 200)
		return luaL_error(L, "...: %d arguments are too many", (int)n);
	luaL_checkstack(L, (int)n + 4, NULL);
	for (at = 0; sl_map_each(L, 1, &at);)
		lua_remove(L, -2);
	return lua_gettop(L) - 1;
}

/* ---- reading -------------------------------------------------------------------- */

static void
index_text(lua_State *L, int base)
{
	lua_Integer n = -1;
	struct sl_str s;

	if (sl_map_key_try(L) && lua_isinteger(L, -1))
		n = lua_tointeger(L, -1);
	lua_pop(L, 1);
	s.p = lua_tolstring(L, base, &s.n);
	if (n >= 0 && n < (lua_Integer)s.n)
		lua_pushlstring(L, s.p + (size_t)n, 1);
	else
		lua_pushnil(L);
}

/* The lists of context count from 1, as Lua's. */
void
sl_hsl_plain_key(lua_State *L)
{
	double n = lua_type(L, -1) == LUA_TNUMBER ? trunc(lua_tonumber(L, -1)) : -1;

	if (n >= 0 && n < 1e9) {
		lua_pop(L, 1);
		lua_pushinteger(L, (lua_Integer)n + 1);
	}
}

void
sl_hsl_index(lua_State *L, int base)
{
	base = lua_absindex(L, base);
	switch (lua_type(L, base)) {
	case LUA_TTABLE:
		if (sl_is_map(L, base))
			sl_map_get(L, base);
		else
			lua_gettable(L, base);
		break;
	case LUA_TUSERDATA:
		sl_hsl_plain_key(L);
		lua_gettable(L, base);
		break;
	case LUA_TSTRING:
		index_text(L, base);
		break;
	case LUA_TNIL:
	case LUA_TLIGHTUSERDATA:	/* not assigned, and asked quietly */
		lua_pop(L, 1);
		lua_pushnil(L);
		break;
	case LUA_TBOOLEAN:
		if (!lua_toboolean(L, base)) {
			lua_pop(L, 1);
			lua_pushnil(L);
			break;
		}
		/* fall through */
	default:
		luaL_error(L, "a %s has no elements", sl_type_name(L, base));
	}
}

static int
index_value(lua_State *L)
{
	lua_settop(L, 2);
	sl_hsl_index(L, 1);
	return 1;
}

/* has(value, key, ...): whether the keys lead to something; numbers and the like have no elements. */
static int
has(lua_State *L)
{
	int key, type, last = lua_gettop(L);

	lua_pushvalue(L, 1);
	for (key = 2; key <= last; key++) {
		type = lua_type(L, -1);
		if (type == LUA_TNUMBER || type == LUA_TBOOLEAN || type == LUA_TFUNCTION) {
			lua_pushboolean(L, 0);
			return 1;
		}
		lua_pushvalue(L, key);
		sl_hsl_index(L, -2);
		lua_remove(L, -2);
	}
	lua_pushboolean(L, !lua_isnil(L, -1));
	return 1;
}

/* $a[...["x", "y"]] */
static int
index_all(lua_State *L)
{
	size_t at;

	lua_settop(L, 2);
	if (!sl_is_map(L, 2))
		return luaL_error(L, "...%s: an array of keys is expected", sl_type_name(L, 2));
	for (at = 0; sl_map_each(L, 2, &at);) {
		lua_remove(L, -2);
		sl_hsl_index(L, 1);
		lua_replace(L, 1);
	}
	lua_settop(L, 1);
	return 1;
}

/* An element for a destructuring: none where there is no array. */
static int
at(lua_State *L)
{
	lua_settop(L, 2);
	if (!lua_istable(L, 1))
		lua_pushnil(L);
	else
		sl_hsl_index(L, 1);
	return 1;
}

/* rest(value, from): the list of what stands from there on */
static int
rest(lua_State *L)
{
	size_t place = 0, pos, from = (size_t)lua_tointeger(L, 2);

	sl_map_make(L);
	if (!sl_is_map(L, 1))
		return 1;
	for (pos = 0; sl_map_each(L, 1, &pos); lua_pop(L, 1)) {
		if (place++ >= from)
			sl_map_append(L, 3);
		else
			lua_pop(L, 1);
	}
	return 1;
}

/* ---- slices ----------------------------------------------------------------------- */

struct slice {
	double from, to, step;		/* to: exclusive, in the direction of step */
};

static double
clamp(double n, double low, double high)
{
	return n < low ? low : n > high ? high : n;
}

static bool
part(lua_State *L, int arg, double n, double *out)
{
	int type = lua_type(L, arg);
	double v;

	if (lua_isnoneornil(L, arg))
		return false;
	if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TBOOLEAN)
		luaL_error(L, "a slice's bound is a number, not %s", sl_type_name(L, arg));
	v = trunc(sl_to_number(L, arg));
	if (isnan(v))
		v = 0;
	*out = v < 0 ? v + n : v;
	return true;
}

/* Arguments from 'arg' on: first, last, step. Negatives count from the end. */
static struct slice
slice_of(lua_State *L, int arg, double n)
{
	struct slice s = { 0, n, 1 };

	if (!lua_isnoneornil(L, arg + 2))
		s.step = trunc(sl_to_number(L, arg + 2));
	if (s.step == 0 || isnan(s.step))
		luaL_error(L, "a slice's step isn't 0");
	if (s.step < 0) {
		s.from = n - 1;
		s.to = -1;
		if (part(L, arg, n, &s.from))
			s.from = clamp(s.from, -1, n - 1);
		if (part(L, arg + 1, n, &s.to))
			s.to = clamp(s.to, -1, n - 1);
	} else {
		if (part(L, arg, n, &s.from))
			s.from = clamp(s.from, 0, n);
		if (part(L, arg + 1, n, &s.to))
			s.to = clamp(s.to, 0, n);
	}
	return s;
}

static bool
goes_on(const struct slice *s)
{
	return s->step > 0 ? s->from < s->to : s->from > s->to;
}

static int
slice_text(lua_State *L)
{
	struct sl_str t;
	struct slice s;
	luaL_Buffer b;

	t.p = lua_tolstring(L, 1, &t.n);
	s = slice_of(L, 2, (double)t.n);
	if (s.step == 1) {
		lua_pushlstring(L, t.p + (size_t)s.from,
		    s.to > s.from ? (size_t)(s.to - s.from) : 0);
		return 1;
	}
	sl_charge(L, t.n / 4);
	luaL_buffinit(L, &b);
	for (; goes_on(&s); s.from += s.step)
		luaL_addchar(&b, t.p[(size_t)s.from]);
	luaL_pushresult(&b);
	return 1;
}

static int
slice_array(lua_State *L)
{
	size_t n = sl_map_count(L, 1), pos;
	struct slice s = slice_of(L, 2, (double)n);
	lua_Integer i;

	sl_charge(L, n);
	lua_createtable(L, (int)n, 0);		/* the values by place, from 1 */
	for (pos = 0, i = 1; sl_map_each(L, 1, &pos); i++) {
		lua_rawseti(L, 5, i);
		lua_pop(L, 1);
	}
	sl_map_make(L);
	for (; goes_on(&s); s.from += s.step) {
		lua_rawgeti(L, 5, (lua_Integer)s.from + 1);
		sl_map_append(L, 6);
	}
	return 1;
}

/* slice(value, first, last, step) */
static int
slice(lua_State *L)
{
	lua_settop(L, 4);
	if (lua_type(L, 1) == LUA_TSTRING)
		return slice_text(L);
	if (sl_is_map(L, 1))
		return slice_array(L);
	if (lua_isnil(L, 1)) {
		lua_pushnil(L);		/* one value, whatever is called with it */
		return 1;
	}
	return luaL_error(L, "a %s can't be sliced", sl_type_name(L, 1));
}

/* The pair on top, as + would add it: names stay, numbers are counted anew. */
static void
add_renumbered(lua_State *L, int map)
{
	if (lua_type(L, -2) == LUA_TNUMBER) {
		sl_map_append(L, map);
		lua_pop(L, 1);
	} else {
		sl_map_put(L, map);
	}
}

/* set_slice(value, first, last, new): a copy in which 'new' stands for the slice */
static int
set_slice(lua_State *L)
{
	struct slice s;
	size_t pos, n;

	lua_settop(L, 4);
	if (!sl_is_map(L, 1) || !sl_is_map(L, 4))
		return luaL_error(L, "a slice of an array is replaced by an array");
	n = sl_map_count(L, 1);
	lua_pushnil(L);			/* no step */
	lua_insert(L, 4);
	s = slice_of(L, 2, (double)n);
	sl_charge(L, n);
	sl_map_make(L);			/* 6 */
	for (pos = 0, n = 0; sl_map_each(L, 1, &pos); n++) {
		if ((double)n == s.from)
			sl_hsl_merge(L, 6, 5);
		if ((double)n >= s.from && (double)n < s.to)
			lua_pop(L, 2);
		else
			add_renumbered(L, 6);
	}
	if (s.from >= (double)n)
		sl_hsl_merge(L, 6, 5);
	return 1;
}

/* ---- walking ------------------------------------------------------------------------- */

/* The place is what the loop is steered by; key and value follow it. */
static int
each_next(lua_State *L)
{
	size_t place = (size_t)lua_tointeger(L, 2);

	if (!sl_map_each(L, 1, &place))
		return 0;
	lua_pushinteger(L, (lua_Integer)place);
	lua_insert(L, -3);
	return 3;
}

/* The same for a list, which needs no order. */
static int
each_of_list(lua_State *L)
{
	lua_Integer place = lua_tointeger(L, 2);

	lua_pushinteger(L, place + 1);
	lua_pushnumber(L, (lua_Number)place);
	return lua_rawgeti(L, 1, place) == LUA_TNIL ? 0 : 3;
}

/* upvalues: list of keys, table */
static int
each_key(lua_State *L)
{
	lua_Integer i = lua_tointeger(L, 2) + 1;

	lua_pushinteger(L, i);
	if (lua_rawgeti(L, lua_upvalueindex(1), i) == LUA_TNIL)
		return 0;
	lua_pushvalue(L, -1);
	lua_gettable(L, lua_upvalueindex(3));
	if (lua_isinteger(L, -2)) {
		lua_pushnumber(L, (lua_Number)(lua_tointeger(L, -2) - lua_isuserdata(L, lua_upvalueindex(3))));
		lua_replace(L, -3);
	}
	return 3;
}

static int
each_of_table(lua_State *L)
{
	sl_sort_keys(L, 1);
	lua_pushlightuserdata(L, (void *)(uintptr_t)&sl_hsl_mark);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, each_key, 3);
	lua_pushnil(L);
	lua_pushinteger(L, 0);
	return 3;
}

/* What has its own __pairs (context): keys first, for they may change meanwhile. */
static int
each_of_pairs(lua_State *L)
{
	lua_Integer n = 0;

	lua_pushvalue(L, 1);
	lua_call(L, 1, 3);		/* function, state, control: 2 3 4 */
	lua_newtable(L);		/* 5: keys */
	for (;;) {
		lua_pushvalue(L, 2);
		lua_pushvalue(L, 3);
		lua_pushvalue(L, 4);
		lua_call(L, 2, 1);
		if (lua_isnil(L, -1))
			break;
		lua_pushvalue(L, -1);
		lua_replace(L, 4);
		lua_rawseti(L, 5, ++n);
	}
	lua_settop(L, 5);
	lua_pushlightuserdata(L, (void *)(uintptr_t)&sl_hsl_mark);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, each_key, 3);
	lua_pushnil(L);
	lua_pushinteger(L, 0);
	return 3;
}

/* A generator: called until it gives no place any more. */
static int
each_of_function(lua_State *L)
{
	lua_settop(L, 1);
	lua_pushnil(L);
	lua_pushinteger(L, 0);
	return 3;
}

/* upvalues: each_next, the mark, each_of_list */
static int
each(lua_State *L)
{
	lua_settop(L, 1);
	if (sl_is_map(L, 1)) {
		lua_pushvalue(L, lua_upvalueindex(sl_map_is_plain(L, 1) ? 3 : 1));
		lua_insert(L, 1);
		lua_pushinteger(L, 0);
		return 3;
	}
	if (lua_isfunction(L, 1))
		return each_of_function(L);
	if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL)
		return each_of_pairs(L);
	if (lua_istable(L, 1))
		return each_of_table(L);
	return luaL_error(L, "foreach: an array is expected, got %s", sl_type_name(L, 1));
}

void
sl_hsl_open_arrays(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "list", list }, { "map", map }, { "long_list", long_list }, { "long_map", long_map },
		{ "unpack", unpack }, { "index", index_value },
		{ "has", has }, { "index_all", index_all }, { "at", at }, { "rest", rest }, { "slice", slice },
		{ "set_slice", set_slice }, { "spreads", spreads }, { NULL, NULL },
	};

	sl_hsl_functions(L, functions);
	lua_newtable(L);
	lua_setfield(L, -2, "nothing");
	sl_hsl_function(L, each_next);
	lua_pushlightuserdata(L, (void *)(uintptr_t)&sl_hsl_mark);
	sl_hsl_function(L, each_of_list);
	lua_pushcclosure(L, each, 3);
	lua_setfield(L, -2, "each");
}
