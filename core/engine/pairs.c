/*
 * Deterministic order. Stock next() follows addresses and changes from process
 * to process; a run must be a function of its inputs. Tables made by builtins
 * keep the builtin's order; others: integers ascending, other numbers, strings
 * bytewise, booleans. Keys without an order (tables, functions) come last.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define KEY_COST	4	/* steps per key and comparison level */

/* What decides the order of a key; strings are borrowed from the table. */
struct key {
	int class;
	lua_Integer integer;
	lua_Number number;
	struct sl_str text;
	lua_Integer place;	/* in the list of keys: unordered ones stay as they came */
};

static void
classify(lua_State *L, int index, struct key *k)
{
	size_t n;

	memset(k, 0, sizeof(*k));
	switch (lua_type(L, index)) {
	case LUA_TNUMBER:
		k->class = lua_isinteger(L, index) ? 0 : 1;
		k->integer = lua_isinteger(L, index) ? lua_tointeger(L, index) : 0;
		k->number = lua_tonumber(L, index);
		break;
	case LUA_TSTRING:
		k->class = 2;
		k->text.p = lua_tolstring(L, index, &n);
		k->text.n = n;
		break;
	case LUA_TBOOLEAN:
		k->class = 3;
		k->integer = lua_toboolean(L, index);
		break;
	default:
		k->class = 4;
	}
}

static int
compare(const void *pa, const void *pb)
{
	const struct key *a = pa, *b = pb;

	if (a->class != b->class)
		return a->class - b->class;
	if (a->class == 1 && a->number != b->number)
		return a->number < b->number ? -1 : 1;
	if (a->class == 2)
		return sl_str_cmp(a->text, b->text);
	if (a->integer != b->integer)
		return a->integer < b->integer ? -1 : 1;
	return a->place < b->place ? -1 : a->place > b->place;
}

static size_t
count_keys(lua_State *L, int table)
{
	size_t n = 0;

	lua_pushnil(L);
	while (lua_next(L, table) != 0) {
		lua_pop(L, 1);
		n++;
	}
	return n;
}

static unsigned
log2_of(size_t n)
{
	unsigned bits = 1;

	while (n >>= 1)
		bits++;
	return bits;
}

/* As many keys as its length, and none of 1..n is missing. */
static bool
is_sequence(lua_State *L, int table, size_t n)
{
	size_t i;
	bool there = true;

	for (i = 1; i <= n && there; i++) {
		there = lua_rawgeti(L, table, (lua_Integer)i) != LUA_TNIL;
		lua_pop(L, 1);
	}
	return there;
}

/* Sorted keys of 'table' as a list; the array of struct key is a userdata, so
 * that an error on the way leaks nothing. */
static void
sort_all(lua_State *L, int table)
{
	size_t n = count_keys(L, table), i = 0;
	struct key *keys;

	if (n == lua_rawlen(L, table) && is_sequence(L, table, n)) {
		sl_charge(L, n);
		lua_createtable(L, (int)n, 0);
		for (i = 1; i <= n; i++) {
			lua_pushinteger(L, (lua_Integer)i);
			lua_rawseti(L, -2, (lua_Integer)i);
		}
		return;
	}
	sl_charge(L, n * log2_of(n) * KEY_COST);
	lua_createtable(L, (int)n, 0);		/* unsorted */
	if (n == 1) {			/* as most rows of a relay table */
		lua_pushnil(L);
		lua_next(L, table);
		lua_pop(L, 1);
		lua_rawseti(L, -2, 1);
		return;
	}
	keys = lua_newuserdatauv(L, (n + 1) * sizeof(*keys), 0);
	lua_pushnil(L);
	while (lua_next(L, table) != 0) {
		lua_pop(L, 1);
		classify(L, -1, &keys[i]);
		keys[i].place = (lua_Integer)i + 1;
		lua_pushvalue(L, -1);
		lua_rawseti(L, -4, (lua_Integer)++i);
	}
	qsort(keys, n, sizeof(*keys), compare);
	lua_createtable(L, (int)n, 0);
	for (i = 0; i < n; i++) {
		lua_rawgeti(L, -3, keys[i].place);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_replace(L, -3);
	lua_pop(L, 1);
}

/* Builder's order first, then what a script added. Pushes the list. */
static bool
ordered_by_builder(lua_State *L, int table)
{
	lua_Integer i, n, m = 0;

	sl_ref_push(L, sl_vm_from(L)->refs.order);
	lua_pushvalue(L, table);
	lua_rawget(L, -2);
	lua_remove(L, -2);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		return false;
	}
	n = (lua_Integer)lua_rawlen(L, -1);
	sl_charge(L, (uint64_t)n * KEY_COST);
	lua_createtable(L, (int)n, 0);		/* the result */
	lua_createtable(L, 0, (int)n);		/* keys taken */
	for (i = 1; i <= n; i++) {
		lua_rawgeti(L, -3, i);
		lua_pushvalue(L, -1);
		if (lua_rawget(L, table) != LUA_TNIL) {
			lua_pushvalue(L, -2);
			lua_rawseti(L, -5, ++m);
			lua_pushvalue(L, -2);
			lua_pushboolean(L, 1);
			lua_rawset(L, -5);
		}
		lua_pop(L, 2);
	}
	if (count_keys(L, table) > (size_t)m) {
		sort_all(L, table);
		n = (lua_Integer)lua_rawlen(L, -1);
		for (i = 1; i <= n; i++) {
			lua_rawgeti(L, -1, i);
			lua_pushvalue(L, -1);
			if (lua_rawget(L, -4) == LUA_TNIL) {
				lua_pushvalue(L, -2);
				lua_rawseti(L, -6, ++m);
			}
			lua_pop(L, 2);
		}
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	lua_remove(L, -2);
	return true;
}

static void
keys_of_map(lua_State *L, int table)
{
	lua_Integer n = 0;
	size_t at;

	lua_newtable(L);
	for (at = 0; sl_map_each(L, table, &at);) {
		lua_pop(L, 1);
		lua_rawseti(L, -2, ++n);
	}
}

int
sl_sort_keys(lua_State *L, int table)
{
	luaL_checkstack(L, 10, NULL);
	if (sl_is_map(L, table))
		keys_of_map(L, table);
	else if (!ordered_by_builder(L, table))
		sort_all(L, table);
	return 1;
}

/* ---- pairs and next ------------------------------------------------------ */

/* upvalues: keys, position, table */
static int
iterate(lua_State *L)
{
	lua_Integer i = lua_tointeger(L, lua_upvalueindex(2));

	for (;;) {
		if (lua_rawgeti(L, lua_upvalueindex(1), ++i) == LUA_TNIL)
			return 1;
		lua_pushvalue(L, -1);
		if (lua_rawget(L, lua_upvalueindex(3)) != LUA_TNIL)
			break;		/* still there */
		lua_pop(L, 2);
	}
	lua_pushinteger(L, i);
	lua_replace(L, lua_upvalueindex(2));
	return 2;
}

static int
pairs_by_method_done(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	(void)ctx;
	if (sl_running(L)->ending)
		return sl_go_on_ending(L);
	return 3;
}

static int
pairs(lua_State *L)
{
	luaL_checkany(L, 1);
	if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
		lua_pushvalue(L, 1);
		lua_callk(L, 1, 3, 0, pairs_by_method_done);
		return 3;
	}
	luaL_checktype(L, 1, LUA_TTABLE);
	sl_sort_keys(L, 1);
	lua_pushinteger(L, 0);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, iterate, 3);
	return 1;
}

/* next(t) and next(t, key) in the same order: a walk costs n per step, so
 * scripts that walk use pairs. */
static int
next(lua_State *L)
{
	lua_Integer i = 0, n;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 2);
	sl_sort_keys(L, 1);
	n = (lua_Integer)lua_rawlen(L, 3);
	if (!lua_isnil(L, 2)) {
		for (i = 1; i <= n; i++) {
			lua_rawgeti(L, 3, i);
			if (lua_rawequal(L, -1, 2))
				break;
			lua_pop(L, 1);
		}
		if (i > n)
			return luaL_error(L, "invalid key to 'next'");
	}
	if (i + 1 > n) {
		lua_pushnil(L);
		return 1;
	}
	lua_rawgeti(L, 3, i + 1);
	lua_pushvalue(L, -1);
	lua_rawget(L, 1);
	return 2;
}

void
sl_open_pairs(lua_State *L)
{
	sl_set_function(L, "pairs", pairs);
	sl_set_function(L, "next", next);
}
