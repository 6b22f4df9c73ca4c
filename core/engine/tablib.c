/*
 * The table library on raw lengths: a __len of the script's can't send a loop
 * over 2^53 elements. Ranges are at most the table's size, and are charged.
 */
#include "internal.h"

#define RANGE_COST	2	/* steps per element */

static lua_Integer
length(lua_State *L, int arg)
{
	luaL_checktype(L, arg, LUA_TTABLE);
	if (sl_is_readonly(L, arg))
		return luaL_len(L, arg);
	return (lua_Integer)lua_rawlen(L, arg);
}

static void
writable(lua_State *L, int arg)
{
	luaL_checktype(L, arg, LUA_TTABLE);
	if (sl_is_readonly(L, arg))
		luaL_error(L, "this table is read-only");
}

static void
charge_range(lua_State *L, lua_Integer n)
{
	if (n > 0)
		sl_charge(L, (uint64_t)n * RANGE_COST);
}

static int
tab_insert(lua_State *L)
{
	lua_Integer n, at, i;

	writable(L, 1);
	n = length(L, 1);
	if (lua_gettop(L) == 2) {
		lua_rawseti(L, 1, n + 1);
		return 0;
	}
	if (lua_gettop(L) != 3)
		return luaL_error(L, "wrong number of arguments to 'insert'");
	at = luaL_checkinteger(L, 2);
	luaL_argcheck(L, at >= 1 && at <= n + 1, 2, "position out of bounds");
	charge_range(L, n - at);
	for (i = n + 1; i > at; i--) {
		lua_rawgeti(L, 1, i - 1);
		lua_rawseti(L, 1, i);
	}
	lua_rawseti(L, 1, at);
	return 0;
}

static int
tab_remove(lua_State *L)
{
	lua_Integer n, at;

	writable(L, 1);
	n = length(L, 1);
	at = luaL_optinteger(L, 2, n);
	if (!lua_isnoneornil(L, 2))
		luaL_argcheck(L, (n == 0 && at == 0) || (at >= 1 && at <= n + 1), 2,
		    "position out of bounds");
	charge_range(L, n - at);
	lua_rawgeti(L, 1, at);
	for (; at < n; at++) {
		lua_rawgeti(L, 1, at + 1);
		lua_rawseti(L, 1, at);
	}
	lua_pushnil(L);
	lua_rawseti(L, 1, at);
	return 1;
}

static int
tab_move(lua_State *L)
{
	lua_Integer from = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
	lua_Integer to = luaL_checkinteger(L, 4), i;
	int target = lua_isnoneornil(L, 5) ? 1 : 5;

	writable(L, target);
	luaL_argcheck(L, from >= 1 && last <= length(L, 1), 3, "range is beyond the table");
	if (last < from)
		goto done;
	luaL_argcheck(L, to >= 1 && to <= length(L, target) + 1, 4, "target is beyond the table");
	charge_range(L, last - from + 1);
	if (to > from && to <= last && target == 1)
		for (i = last - from; i >= 0; i--) {
			lua_geti(L, 1, from + i);
			lua_rawseti(L, target, to + i);
		}
	else
		for (i = 0; i <= last - from; i++) {
			lua_geti(L, 1, from + i);
			lua_rawseti(L, target, to + i);
		}
done:
	lua_pushvalue(L, target);
	return 1;
}

static int
tab_concat(lua_State *L)
{
	lua_Integer n = length(L, 1), from = luaL_optinteger(L, 3, 1);
	lua_Integer last = luaL_optinteger(L, 4, n), i;
	size_t sep_len, len;
	const char *sep = luaL_optlstring(L, 2, "", &sep_len);
	luaL_Buffer b;

	luaL_argcheck(L, last < from || (from >= 1 && last <= n), 3, "range is beyond the table");
	luaL_buffinit(L, &b);
	for (i = from; i <= last; i++) {
		lua_geti(L, 1, i);
		if (!lua_isstring(L, -1))
			return luaL_error(L, "invalid value (at index %d) in table for 'concat'", (int)i);
		lua_tolstring(L, -1, &len);
		sl_charge(L, 1 + (len + sep_len) / 16);
		luaL_addvalue(&b);
		if (i < last)
			luaL_addlstring(&b, sep, sep_len);
	}
	luaL_pushresult(&b);
	return 1;
}

static int
tab_pack(lua_State *L)
{
	int n = lua_gettop(L), i;

	lua_createtable(L, n, 1);
	lua_insert(L, 1);
	for (i = n; i >= 1; i--)
		lua_rawseti(L, 1, i);
	lua_pushinteger(L, n);
	lua_setfield(L, 1, "n");
	return 1;
}

static int
tab_unpack(lua_State *L)
{
	lua_Integer from = luaL_optinteger(L, 2, 1);
	lua_Integer last = lua_isnoneornil(L, 3) ? length(L, 1) : luaL_checkinteger(L, 3), i;

	if (from > last)
		return 0;
	if (last - from >= 8000 || !lua_checkstack(L, (int)(last - from + 1)))
		return luaL_error(L, "too many results to unpack");
	charge_range(L, last - from + 1);
	for (i = from; i <= last; i++)
		lua_geti(L, 1, i);
	return (int)(last - from + 1);
}

/* ---- sort ---------------------------------------------------------------------- */

/* a[ia] < b? with the script's comparator or Lua's order; both on top. */
static bool
less(lua_State *L)
{
	bool yes;

	if (lua_isnil(L, 2)) {
		yes = lua_compare(L, -2, -1, LUA_OPLT);
		lua_pop(L, 2);
		return yes;
	}
	lua_pushvalue(L, 2);
	lua_insert(L, -3);
	lua_call(L, 2, 1);
	yes = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return yes;
}

/* Merges runs of 'width' from table 'from' into table 'to'. Stable, and the
 * same calls of the comparator in every process (stock sort's aren't). */
static void
merge(lua_State *L, int from, int to, lua_Integer n, lua_Integer left, lua_Integer width)
{
	lua_Integer middle = left + width, end = left + 2 * width, i, j, k;

	if (middle > n + 1)
		middle = n + 1;
	if (end > n + 1)
		end = n + 1;
	for (i = k = left, j = middle; k < end; k++) {
		bool take_right = i >= middle;

		if (!take_right && j < end) {
			lua_rawgeti(L, from, j);
			lua_rawgeti(L, from, i);
			take_right = less(L);
		}
		lua_rawgeti(L, from, take_right ? j++ : i++);
		lua_rawseti(L, to, k);
	}
}

static int
tab_sort(lua_State *L)
{
	lua_Integer n, width, left, i;
	int from = 3, to = 4, swap;

	writable(L, 1);
	n = length(L, 1);
	lua_settop(L, 2);
	if (!lua_isnil(L, 2))
		luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_createtable(L, (int)n, 0);
	lua_createtable(L, (int)n, 0);
	charge_range(L, n);
	for (i = 1; i <= n; i++) {
		lua_rawgeti(L, 1, i);
		lua_rawseti(L, from, i);
	}
	for (width = 1; width < n; width *= 2) {
		charge_range(L, n);
		for (left = 1; left <= n; left += 2 * width)
			merge(L, from, to, n, left, width);
		swap = from;
		from = to;
		to = swap;
	}
	for (i = 1; i <= n; i++) {
		lua_rawgeti(L, from, i);
		lua_rawseti(L, 1, i);
	}
	return 0;
}

void
sl_open_table(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "insert", tab_insert }, { "remove", tab_remove }, { "move", tab_move },
		{ "concat", tab_concat }, { "pack", tab_pack }, { "unpack", tab_unpack },
		{ "sort", tab_sort }, { NULL, NULL },
	};

	luaL_newlib(L, functions);
	sl_readonly_fast(L);
	lua_setfield(L, -2, "table");
}
