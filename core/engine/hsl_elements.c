/*
 * Writing elements. An array is a value: who writes to one that others may hold writes to a
 * copy. Emitted code knows when a variable is the only holder: it has a token then, a number
 * that was given to nobody else. Inner arrays carry the token of the variable that made or
 * copied them; one that carries another belongs to others too, and is copied.
 */
#include "hsl.h"

#define MAX_DEPTH	190	/* of arrays whose elements an operator hands on */

static const char owner_key = 0;	/* in an array: the token of who may write to it */

static lua_Integer
token_of(lua_State *L, int own)
{
	return lua_tointeger(L, own);		/* nil: 0 */
}

static void
set_owner(lua_State *L, int map, lua_Integer token)
{
	map = lua_absindex(L, map);
	lua_pushinteger(L, token);
	lua_rawsetp(L, map, &owner_key);
}

/* Whether the value on top is an array that 'token' may write to. */
static bool
is_owned(lua_State *L, lua_Integer token)
{
	bool yes;

	if (!lua_istable(L, -1))
		return false;
	yes = lua_rawgetp(L, -1, &owner_key) == LUA_TNUMBER && lua_tointeger(L, -1) == token;
	lua_pop(L, 1);
	return yes;
}

/* The array on top as a copy that only 'token' holds; a new one for none. */
static void
make_own(lua_State *L, lua_Integer token)
{
	if (lua_isnil(L, -1) || lua_touserdata(L, -1) == &sl_hsl_unset)
		sl_map_make(L);
	else
		sl_map_copy(L, -1);
	lua_remove(L, -2);
	set_owner(L, -1, token);
}

/*
 * The value on top lies in another array from now on: it, and what lies in it, has no owner.
 * What has none has been here before, or holds nothing that has one.
 */
static void
share(lua_State *L, int depth)
{
	int map = lua_gettop(L);
	size_t at;

	if (!sl_is_map(L, map))
		return;
	if (lua_rawgetp(L, map, &owner_key) == LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	lua_pop(L, 1);
	if (depth > MAX_DEPTH)
		luaL_error(L, "arrays are nested deeper than %d", MAX_DEPTH);
	luaL_checkstack(L, 12, NULL);
	lua_pushnil(L);
	lua_rawsetp(L, map, &owner_key);
	sl_charge(L, sl_map_count(L, map));
	for (at = 0; sl_map_each(L, map, &at); lua_pop(L, 2))
		share(L, depth + 1);
}

void
sl_hsl_share(lua_State *L)
{
	share(L, 0);
}

static bool
is_reference(lua_State *L, int index)
{
	return (lua_istable(L, index) && !sl_is_map(L, index)) ||
	    lua_type(L, index) == LUA_TUSERDATA;
}

static void
check_container(lua_State *L, int index)
{
	if (lua_isnil(L, index) || sl_is_map(L, index) || is_reference(L, index) ||
	    lua_touserdata(L, index) == &sl_hsl_unset)
		return;
	luaL_error(L, "a %s has no elements that could be assigned", sl_type_name(L, index));
}

/* Puts the value at 'value' under the key at 'key' (end: appends; unset: removes). */
static void
put(lua_State *L, int map, int key, int value)
{
	bool end = lua_touserdata(L, key) == &sl_hsl_end;

	if (lua_touserdata(L, value) == &sl_hsl_unset) {
		if (end)
			luaL_error(L, "what isn't there can't be unset");
		lua_pushvalue(L, key);
		sl_map_remove(L, map);
	} else if (end) {
		lua_pushvalue(L, value);
		sl_map_append(L, map);
	} else {
		lua_pushvalue(L, key);
		lua_pushvalue(L, value);
		sl_map_put(L, map);
	}
}

static void
put_reference(lua_State *L, int object, int key, int value)
{
	if (lua_touserdata(L, key) == &sl_hsl_end) {
		lua_pushinteger(L, luaL_len(L, object) + 1);
	} else {
		lua_pushvalue(L, key);
		if (lua_isuserdata(L, object))
			sl_hsl_plain_key(L);
		else if (lua_type(L, -1) == LUA_TNUMBER)
			sl_map_key(L);
	}
	if (lua_touserdata(L, value) == &sl_hsl_unset)
		lua_pushnil(L);
	else
		lua_pushvalue(L, value);
	lua_settable(L, object);
}

/* What isn't there has nothing that could be unset, and stays so. */
static bool
stays(lua_State *L, int container, int value)
{
	return lua_touserdata(L, value) == &sl_hsl_unset &&
	    (lua_isnil(L, container) || lua_touserdata(L, container) == &sl_hsl_unset);
}

static int
finish(lua_State *L, lua_Integer token)
{
	if (token == 0)
		lua_pushnil(L);
	else
		lua_pushinteger(L, token);
	return 2;
}

/* Array and token at 1 and 2: pushes the array as one that may be written to; its token, or 0 and
 * nothing for a reference. */
static lua_Integer
push_own(lua_State *L)
{
	lua_Integer token = token_of(L, 2);

	if (token != 0) {
		lua_pushvalue(L, 1);
		return token;
	}
	check_container(L, 1);
	if (is_reference(L, 1))
		return 0;
	lua_pushvalue(L, 1);
	token = ++sl_vm_from(L)->tokens;
	make_own(L, token);
	return token;
}

/* Array, token, key, value at 1 to 4: the array and its token, afterwards. */
static int
set_one(lua_State *L)
{
	lua_Integer token = push_own(L);

	if (token == 0) {
		put_reference(L, 1, 3, 4);
		lua_pushvalue(L, 1);
	} else {
		put(L, 5, 3, 4);
	}
	return finish(L, token);
}

/* A token that no array carries. */
static int
fresh(lua_State *L)
{
	lua_pushinteger(L, ++sl_vm_from(L)->tokens);
	return 1;
}

static int
leave(lua_State *L)
{
	lua_settop(L, 1);
	return finish(L, 0);
}

/* set(array, token, key, value) */
static int
set(lua_State *L)
{
	lua_settop(L, 4);
	if (stays(L, 1, 4))
		return leave(L);
	if (token_of(L, 2) != 0 && lua_touserdata(L, 3) != &sl_hsl_end &&
	    lua_touserdata(L, 4) != &sl_hsl_unset) {	/* its own array, as in most loops */
		sl_map_put(L, 1);
		return 2;
	}
	return set_one(L);
}

/* push(array, token, value) */
static int
push(lua_State *L)
{
	lua_settop(L, 3);
	if (token_of(L, 2) != 0) {
		sl_map_append(L, 1);
		return 2;
	}
	lua_pushlightuserdata(L, (void *)(uintptr_t)&sl_hsl_end);
	lua_insert(L, 3);
	return set_one(L);
}

static void write_in_object(lua_State *L, int object, int key, int last, int value);

/* Nothing is made on the way to a key that can't be one. */
static void
check_keys(lua_State *L, int key, int last)
{
	for (; key <= last; key++) {
		lua_pushvalue(L, key);
		if (lua_touserdata(L, key) != &sl_hsl_end)
			sl_map_key(L);
		lua_pop(L, 1);
	}
}

/* The element on top, which the key at 'key' leads to in the array at 'map', becomes an array that
 * 'token' may write to. */
static void
own_element(lua_State *L, int map, int key, int last, lua_Integer token)
{
	check_container(L, -1);
	if (lua_isnil(L, -1))
		check_keys(L, key, last);
	make_own(L, token);
	put(L, map, key, lua_gettop(L));
}

/*
 * Writes the value at 'value' below the array on top, which is owned, along the keys from
 * 'key' to 'last'.
 */
static void
write_below(lua_State *L, int key, int last, int value, lua_Integer token)
{
	int root = lua_gettop(L), map = root + 1;

	lua_pushvalue(L, root);
	for (; key < last; key++) {
		if (lua_touserdata(L, key) == &sl_hsl_end) {
			lua_pushnil(L);
		} else {
			lua_pushvalue(L, key);
			sl_map_get(L, map);
		}
		if (!is_owned(L, token)) {
			if (is_reference(L, map + 1)) {
				write_in_object(L, map + 1, key + 1, last, value);
				break;
			}
			if (lua_isnil(L, -1) && lua_touserdata(L, value) == &sl_hsl_unset)
				break;		/* there is nothing to unset */
			own_element(L, map, key, last, token);
		}
		lua_replace(L, map);
	}
	if (key == last)
		put(L, map, key, value);
	lua_settop(L, root);
}

/* A chain of objects and arrays: what a key leads to below an object is a reference or a value
 * that is written back. */
static void
write_in_object(lua_State *L, int object, int key, int last, int value)
{
	int top = lua_gettop(L);
	lua_Integer token;

	if (key == last) {
		put_reference(L, object, key, value);
		return;
	}
	luaL_checkstack(L, 12, NULL);
	lua_pushvalue(L, key);
	sl_hsl_index(L, object);
	if (stays(L, top + 1, value)) {
		lua_settop(L, top);
		return;
	}
	check_container(L, -1);
	if (is_reference(L, -1)) {
		write_in_object(L, top + 1, key + 1, last, value);
	} else {
		token = ++sl_vm_from(L)->tokens;
		make_own(L, token);
		write_below(L, key + 1, last, value, token);
		put_reference(L, object, key, top + 1);
	}
	lua_settop(L, top);
}

/* set_path(array, token, value, key, ...) */
static int
set_path(lua_State *L)
{
	int last = lua_gettop(L);
	lua_Integer token;

	if (stays(L, 1, 3))
		return leave(L);
	token = push_own(L);
	if (token == 0) {
		write_in_object(L, 1, 4, last, 3);
		lua_pushvalue(L, 1);
	} else {
		write_below(L, 4, last, 3, token);
	}
	return finish(L, token);
}

/* ---- variables that functions share ------------------------------------------------ */

/*
 * They stand in a table, where every read comes by (hsl.c): a read may hand the array to
 * somebody, so it takes the variable's token away.
 */
static const char tokens_key = 0;	/* in the table of shared variables: name -> token */

void
sl_hsl_release(lua_State *L, int shared, int name)
{
	if (lua_rawgetp(L, shared, &tokens_key) == LUA_TTABLE) {
		lua_pushvalue(L, name);
		lua_pushnil(L);
		lua_rawset(L, -3);
	}
	lua_pop(L, 1);
}

static lua_Integer
shared_token(lua_State *L, int shared, int name)
{
	lua_Integer token = 0;

	if (lua_rawgetp(L, shared, &tokens_key) == LUA_TTABLE) {
		lua_pushvalue(L, name);
		lua_rawget(L, -2);
		token = lua_tointeger(L, -1);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return token;
}

static void
keep_token(lua_State *L, int shared, int name, lua_Integer token)
{
	if (lua_rawgetp(L, shared, &tokens_key) != LUA_TTABLE) {
		lua_pop(L, 1);
		lua_newtable(L);
		lua_pushvalue(L, -1);
		lua_rawsetp(L, shared, &tokens_key);
	}
	lua_pushvalue(L, name);
	lua_pushinteger(L, token);
	lua_rawset(L, -3);
	lua_pop(L, 1);
}

/* The variable's value, or the fact's of that name, or none; on top. */
static void
push_shared(lua_State *L, const char *name)
{
	lua_pushvalue(L, 2);
	if (lua_rawget(L, 1) == LUA_TLIGHTUSERDATA) {	/* none */
		lua_pop(L, 1);
		lua_pushnil(L);
	} else if (lua_isnil(L, -1) && sl_hsl_fact_of(L, name) == 1) {
		lua_remove(L, -2);
		if (!is_reference(L, lua_gettop(L)))
			luaL_error(L, "$%s is a fact of the phase and can't be assigned", name);
	}
}

/* set_shared(variables, name, value, key, ...) */
static int
set_shared(lua_State *L)
{
	int last = lua_gettop(L);
	lua_Integer token;

	sl_hsl_follow(L);
	push_shared(L, luaL_checkstring(L, 2));
	if (stays(L, last + 1, 3))
		return 0;
	check_container(L, last + 1);
	if (is_reference(L, last + 1)) {
		write_in_object(L, last + 1, 4, last, 3);
		return 0;
	}
	token = shared_token(L, 1, 2);
	if (token == 0) {
		token = ++sl_vm_from(L)->tokens;
		make_own(L, token);
		keep_token(L, 1, 2, token);
	}
	write_below(L, 4, last, 3, token);
	lua_pushvalue(L, 2);
	lua_insert(L, -2);
	lua_rawset(L, 1);
	return 0;
}

/* set_fact(name, value, key, ...): only what is a reference (context) has elements to write. */
static int
set_fact(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	int last = lua_gettop(L);
	unsigned phases;

	if (last < 3 || sl_fact_push(L, sl_running(L), name, &phases) != 1 ||
	    !is_reference(L, last + 1))
		return luaL_error(L, "$%s is a fact of the phase and can't be assigned", name);
	write_in_object(L, last + 1, 3, last, 2);
	return 0;
}

void
sl_hsl_open_elements(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "fresh", fresh }, { "set", set }, { "push", push }, { "set_path", set_path }, { "set_fact", set_fact },
		{ "set_shared", set_shared },
		{ NULL, NULL },
	};

	sl_hsl_functions(L, functions);
}
