#include "map.h"

#include <math.h>
#include <string.h>

#include "internal.h"

#define COPY_COST	2	/* steps per element */
#define SCAN_COST	1

/*
 * The order of a map that is no list: the keys from 1 on, false where one was
 * removed, and beside them
 */
enum {
	ORDER_NEXT = 0,		/* number that append takes; nil = not known */
	ORDER_HOLES = -1,	/* how many were removed; nil = none */
	ORDER_PLACES = -2,	/* key -> its index; nil = not made yet */
	ORDER_NONES = -3,	/* true: some value is none, so a key may be there without one */
};

static const char order_key = 0;	/* its address is the key of the order */

bool
sl_is_map(lua_State *L, int index)
{
	bool yes;

	if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index))
		return false;
	yes = lua_topointer(L, -1) == sl_vm_from(L)->map_meta;
	lua_pop(L, 1);
	return yes;
}

void
sl_map_make(lua_State *L)
{
	lua_newtable(L);
	sl_ref_push(L, sl_vm_from(L)->refs.map_meta);
	lua_setmetatable(L, -2);
}

/* Pushes the order; false and nothing for a list. */
static bool
push_order(lua_State *L, int index)
{
	if (lua_rawgetp(L, index, &order_key) == LUA_TTABLE)
		return true;
	lua_pop(L, 1);
	return false;
}

static lua_Integer
field(lua_State *L, int order, int name)
{
	lua_Integer n;

	lua_rawgeti(L, order, name);
	n = lua_tointeger(L, -1);
	lua_pop(L, 1);
	return n;
}

static void
set_field(lua_State *L, int order, int name, lua_Integer n)
{
	order = lua_absindex(L, order);
	lua_pushinteger(L, n);
	lua_rawseti(L, order, name);
}

/* Elements of a list: its border is the only one, no value is none. */
static size_t
list_count(lua_State *L, int index)
{
	bool some = lua_rawgeti(L, index, 0) != LUA_TNIL;

	lua_pop(L, 1);
	return some ? (size_t)lua_rawlen(L, index) + 1 : 0;
}

size_t
sl_map_count(lua_State *L, int index)
{
	size_t n;

	if (!push_order(L, index))
		return list_count(L, index);
	n = (size_t)lua_rawlen(L, -1) - (size_t)field(L, -1, ORDER_HOLES);
	lua_pop(L, 1);
	return n;
}

bool
sl_map_is_plain(lua_State *L, int index)
{
	if (!push_order(L, index))
		return true;
	lua_pop(L, 1);
	return false;
}

bool
sl_map_is_list(lua_State *L, int index)
{
	lua_Integer i, n, wanted = 0;
	bool list = true;

	if (!push_order(L, index))
		return true;
	n = (lua_Integer)lua_rawlen(L, -1);
	for (i = 1; i <= n && list; i++) {
		if (lua_rawgeti(L, -1, i) != LUA_TBOOLEAN)
			list = lua_isinteger(L, -1) && lua_tointeger(L, -1) == wanted++;
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return list;
}

/* ---- keys -------------------------------------------------------------------- */

/* "12" and "-3" are numbers, "012", "1.9" and what has more than 32 bits aren't. */
static bool
is_integer(struct sl_str s, lua_Integer *out)
{
	size_t i = s.n > 0 && s.p[0] == '-';
	lua_Integer n = 0;

	if (i == s.n || s.n - i > 10 || (s.p[i] == '0' && s.n > 1))
		return false;
	for (; i < s.n; i++) {
		if (!sl_isdigit(s.p[i]))
			return false;
		n = n * 10 + (s.p[i] - '0');
	}
	*out = s.p[0] == '-' ? -n : n;
	return *out >= INT32_MIN && *out <= INT32_MAX;
}

/* Keys have 32 bits; what has more keeps the low ones. */
static lua_Integer
key_bits(double n)
{
	if (n >= INT32_MIN && n <= INT32_MAX)
		return (lua_Integer)n;
	n = fmod(trunc(n), 4294967296.0);
	return n == n ? (int32_t)(uint32_t)(int64_t)n : 0;
}

/* Makes a key of the value at 'index', in its place; most are keys as they are. */
static bool
make_key(lua_State *L, int index)
{
	lua_Integer n;
	struct sl_str s;

	switch (lua_type(L, index)) {
	case LUA_TSTRING:
		s.p = lua_tolstring(L, index, &s.n);
		if (!is_integer(s, &n))
			return true;
		break;
	case LUA_TNUMBER:
		if (lua_isinteger(L, index) && (int32_t)lua_tointeger(L, index) == lua_tointeger(L, index))
			return true;
		n = key_bits(lua_tonumber(L, index));
		break;
	case LUA_TBOOLEAN:
		n = lua_toboolean(L, index);
		break;
	case LUA_TFUNCTION:
		return true;
	case LUA_TTABLE:
		return !sl_is_map(L, index);
	default:
		return false;
	}
	index = lua_absindex(L, index);
	lua_pushinteger(L, n);
	lua_replace(L, index);
	return true;
}

bool
sl_map_key_try(lua_State *L)
{
	return make_key(L, -1);
}

static void
must_make_key(lua_State *L, int index)
{
	if (!make_key(L, index))
		luaL_error(L, "%s can't be a key", lua_isnil(L, index) ? "none" :
		    lua_istable(L, index) ? "an array" : luaL_typename(L, index));
}

void
sl_map_key(lua_State *L)
{
	must_make_key(L, -1);
}

/* The key on top as scripts see it. */
static void
show_key(lua_State *L)
{
	if (lua_isinteger(L, -1)) {
		lua_pushnumber(L, (lua_Number)lua_tointeger(L, -1));
		lua_replace(L, -2);
	}
}

/* ---- the order ------------------------------------------------------------------ */

/* Makes the order of what was a list. [-0, +1, m] */
static void
make_order(lua_State *L, int index)
{
	size_t i, n = list_count(L, index);

	sl_charge(L, n * COPY_COST);
	lua_createtable(L, (int)n + 1, 1);
	for (i = 0; i < n; i++) {
		lua_pushinteger(L, (lua_Integer)i);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	set_field(L, -1, ORDER_NEXT, (lua_Integer)n);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, index, &order_key);
}

/* Pushes key -> index, made on first use: only removing and nones ask for it. */
static void
push_places(lua_State *L, int order)
{
	lua_Integer i, n = (lua_Integer)lua_rawlen(L, order);

	order = lua_absindex(L, order);
	if (lua_rawgeti(L, order, ORDER_PLACES) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	sl_charge(L, (uint64_t)n * COPY_COST);
	lua_createtable(L, 0, (int)n);
	for (i = 1; i <= n; i++) {
		if (lua_rawgeti(L, order, i) == LUA_TBOOLEAN) {
			lua_pop(L, 1);
			continue;
		}
		lua_pushinteger(L, i);
		lua_rawset(L, -3);
	}
	lua_pushvalue(L, -1);
	lua_rawseti(L, order, ORDER_PLACES);
}

/* Index of the key at 'key' in the order, 0 = it isn't there. */
static lua_Integer
place_of(lua_State *L, int order, int key)
{
	lua_Integer place;

	push_places(L, order);
	lua_pushvalue(L, key);
	lua_rawget(L, -2);
	place = lua_tointeger(L, -1);
	lua_pop(L, 2);
	return place;
}

/* Whether the map, which has an order, has a key that has no value. */
static bool
is_there(lua_State *L, int order, int key)
{
	return field(L, order, ORDER_NONES) != 0 && place_of(L, order, key) != 0;
}

static void
forget_next(lua_State *L, int order)
{
	lua_pushnil(L);
	lua_rawseti(L, order, ORDER_NEXT);
}

static void
add_to_order(lua_State *L, int order, int key)
{
	lua_Integer n = (lua_Integer)lua_rawlen(L, order) + 1, next;

	lua_pushvalue(L, key);
	lua_rawseti(L, order, n);
	if (lua_rawgeti(L, order, ORDER_PLACES) == LUA_TTABLE) {
		lua_pushvalue(L, key);
		lua_pushinteger(L, n);
		lua_rawset(L, -3);
	}
	lua_pop(L, 1);
	if (!lua_isinteger(L, key))
		return;
	if (lua_rawgeti(L, order, ORDER_NEXT) != LUA_TNIL) {
		next = lua_tointeger(L, -1);
		if (lua_tointeger(L, key) >= next)
			set_field(L, order, ORDER_NEXT, lua_tointeger(L, key) + 1);
		else if (lua_tointeger(L, key) < 0)
			forget_next(L, order);		/* 0 may have stood for no number at all */
	}
	lua_pop(L, 1);
}

/* The number that append takes: the highest key + 1. */
static lua_Integer
next_number(lua_State *L, int order)
{
	lua_Integer i, n = (lua_Integer)lua_rawlen(L, order), next = 0;
	bool any = false;

	if (lua_rawgeti(L, order, ORDER_NEXT) != LUA_TNIL) {
		next = lua_tointeger(L, -1);
		lua_pop(L, 1);
		return next;
	}
	lua_pop(L, 1);
	sl_charge(L, (uint64_t)n * SCAN_COST);
	for (i = 1; i <= n; i++) {
		lua_rawgeti(L, order, i);
		if (lua_isinteger(L, -1) && (!any || lua_tointeger(L, -1) >= next)) {
			next = lua_tointeger(L, -1) + 1;
			any = true;
		}
		lua_pop(L, 1);
	}
	set_field(L, order, ORDER_NEXT, next);
	return next;
}

/* Closes the holes when they are more than half: each removal has paid for two moves. */
static void
close_holes(lua_State *L, int order)
{
	lua_Integer i, n = (lua_Integer)lua_rawlen(L, order), to = 0;

	if (field(L, order, ORDER_HOLES) * 2 <= n)
		return;
	for (i = 1; i <= n; i++) {
		if (lua_rawgeti(L, order, i) == LUA_TBOOLEAN)
			lua_pop(L, 1);
		else
			lua_rawseti(L, order, ++to);
	}
	for (i = to + 1; i <= n; i++) {
		lua_pushnil(L);
		lua_rawseti(L, order, i);
	}
	set_field(L, order, ORDER_HOLES, 0);
	lua_pushnil(L);
	lua_rawseti(L, order, ORDER_PLACES);
}

/* ---- changing ------------------------------------------------------------------- */

/* Puts the value on top under the key below it, which has none yet, or gets none. */
static void
put_new(lua_State *L, int index)
{
	int value = lua_gettop(L), key = value - 1, order;
	bool ordered, none = lua_isnil(L, value);

	luaL_checkstack(L, 12, NULL);
	ordered = push_order(L, index);
	if (!ordered && !none && lua_isinteger(L, key) &&
	    (size_t)lua_tointeger(L, key) == list_count(L, index)) {
		lua_rawset(L, index);	/* a list that grows */
		return;
	}
	if (!ordered)
		make_order(L, index);
	order = lua_gettop(L);
	if (none)
		set_field(L, order, ORDER_NONES, 1);
	if (!is_there(L, order, key))
		add_to_order(L, order, key);
	lua_settop(L, value);
	lua_rawset(L, index);
}

void
sl_map_put(lua_State *L, int index)
{
	index = lua_absindex(L, index);
	must_make_key(L, -2);
	lua_pushvalue(L, -2);
	if (lua_rawget(L, index) == LUA_TNIL || lua_isnil(L, -2)) {
		lua_pop(L, 1);
		put_new(L, index);
		return;
	}
	lua_pop(L, 1);			/* it has its place */
	lua_rawset(L, index);
}

void
sl_map_append(lua_State *L, int index)
{
	lua_Integer n;

	index = lua_absindex(L, index);
	if (!push_order(L, index)) {
		n = (lua_Integer)list_count(L, index);
		if (!lua_isnil(L, -1)) {
			lua_rawseti(L, index, n);
			return;
		}
	} else {
		n = next_number(L, lua_gettop(L));
		if (n > INT32_MAX)
			luaL_error(L, "there is no key behind %d", INT32_MAX);
		lua_pop(L, 1);
	}
	lua_pushinteger(L, n);
	lua_insert(L, -2);
	sl_map_put(L, index);
}

bool
sl_map_get(lua_State *L, int index)
{
	bool there;

	index = lua_absindex(L, index);
	if (!sl_map_key_try(L)) {
		lua_pop(L, 1);
		lua_pushnil(L);
		return false;
	}
	lua_pushvalue(L, -1);
	if (lua_rawget(L, index) != LUA_TNIL) {
		lua_replace(L, -2);
		return true;
	}
	lua_pop(L, 1);
	luaL_checkstack(L, 8, NULL);
	there = push_order(L, index);
	if (there) {
		there = is_there(L, lua_gettop(L), lua_gettop(L) - 1);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	lua_pushnil(L);
	return there;
}

/* The last of a list leaves a list. */
static bool
shorten_list(lua_State *L, int index, int key)
{
	if (!lua_isinteger(L, key) ||
	    lua_tointeger(L, key) + 1 != (lua_Integer)list_count(L, index))
		return false;
	lua_pushvalue(L, key);
	lua_pushnil(L);
	lua_rawset(L, index);
	return true;
}

void
sl_map_remove(lua_State *L, int index)
{
	int key = lua_gettop(L), order;
	lua_Integer place;

	index = lua_absindex(L, index);
	luaL_checkstack(L, 12, NULL);
	if (!sl_map_key_try(L)) {
		lua_pop(L, 1);
		return;
	}
	lua_pushvalue(L, key);
	if (lua_rawget(L, index) == LUA_TNIL && !push_order(L, index)) {
		lua_settop(L, key - 1);
		return;
	}
	lua_settop(L, key);
	if (!push_order(L, index)) {
		if (shorten_list(L, index, key)) {
			lua_settop(L, key - 1);
			return;
		}
		make_order(L, index);
	}
	order = lua_gettop(L);
	place = place_of(L, order, key);
	if (place != 0) {
		lua_pushboolean(L, 0);
		lua_rawseti(L, order, place);
		set_field(L, order, ORDER_HOLES, field(L, order, ORDER_HOLES) + 1);
		lua_rawgeti(L, order, ORDER_PLACES);
		lua_pushvalue(L, key);
		lua_pushnil(L);
		lua_rawset(L, -3);
		lua_pop(L, 1);
		lua_pushnil(L);
		lua_rawseti(L, order, ORDER_NEXT);
		lua_pushvalue(L, key);
		lua_pushnil(L);
		lua_rawset(L, index);
		close_holes(L, order);
	}
	lua_settop(L, key - 1);
}

/* ---- walking, copying -------------------------------------------------------------- */

bool
sl_map_each(lua_State *L, int index, size_t *at)
{
	index = lua_absindex(L, index);
	luaL_checkstack(L, 6, NULL);
	if (!push_order(L, index)) {
		if (lua_rawgeti(L, index, (lua_Integer)*at) == LUA_TNIL) {
			lua_pop(L, 1);
			return false;
		}
		lua_pushnumber(L, (lua_Number)(*at)++);
		lua_insert(L, -2);
		return true;
	}
	do {
		if (lua_rawgeti(L, -1, (lua_Integer)++*at) == LUA_TNIL) {
			--*at;
			lua_pop(L, 2);
			return false;
		}
	} while (lua_isboolean(L, -1) && (lua_pop(L, 1), true));
	lua_pushvalue(L, -1);
	lua_rawget(L, index);
	lua_remove(L, -3);
	lua_insert(L, -2);
	show_key(L);
	lua_insert(L, -2);
	return true;
}

bool
sl_map_at(lua_State *L, int index, size_t n)
{
	size_t at = n;
	bool holes = false;

	index = lua_absindex(L, index);
	luaL_checkstack(L, 8, NULL);
	if (push_order(L, index)) {
		holes = field(L, -1, ORDER_HOLES) > 0;
		lua_pop(L, 1);
	}
	if (!holes)
		return sl_map_each(L, index, &at);
	sl_charge(L, n * SCAN_COST);
	for (at = 0; sl_map_each(L, index, &at); lua_pop(L, 2))
		if (n-- == 0)
			return true;
	return false;
}

void
sl_map_copy(lua_State *L, int index)
{
	size_t n = sl_map_count(L, index), at;

	index = lua_absindex(L, index);
	luaL_checkstack(L, 12, NULL);
	sl_charge(L, n * COPY_COST);
	lua_createtable(L, (int)n, 0);
	sl_ref_push(L, sl_vm_from(L)->refs.map_meta);
	lua_setmetatable(L, -2);
	for (at = 0; sl_map_each(L, index, &at);)
		sl_map_put(L, -3);
}

/* ---- what Lua's code sees of one --------------------------------------------------- */

static int
map_len(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)sl_map_count(L, 1));
	return 1;
}

static int
map_newindex(lua_State *L)
{
	lua_settop(L, 3);
	sl_map_put(L, 1);
	return 0;
}

static int
map_next(lua_State *L)
{
	size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(1));
	bool more = sl_map_each(L, 1, &at);

	lua_pushinteger(L, (lua_Integer)at);
	lua_replace(L, lua_upvalueindex(1));
	return more ? 2 : 0;
}

static int
map_pairs(lua_State *L)
{
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, map_next, 1);
	lua_pushvalue(L, 1);
	return 2;
}

void
sl_open_map(lua_State *L)
{
	static const luaL_Reg meta[] = {
		{ "__len", map_len }, { "__newindex", map_newindex }, { "__pairs", map_pairs },
		{ NULL, NULL },
	};
	struct sl_vm *vm = sl_vm_from(L);

	luaL_newlib(L, meta);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pushliteral(L, "array");
	lua_setfield(L, -2, "__name");
	vm->map_meta = lua_topointer(L, -1);
	vm->refs.map_meta = luaL_ref(L, LUA_REGISTRYINDEX);
}
