/* Values between builtins and scripts, see value.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

const char sl_hsl_mark = 0, sl_none_argument = 0;

bool
sl_is_hsl(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(2)) == &sl_hsl_mark;
}

/* ---- making ------------------------------------------------------------------ */

void
sl_none(lua_State *L)
{
	lua_pushnil(L);
}

void
sl_number(lua_State *L, double n)
{
	if (!sl_is_hsl(L) && floor(n) == n && n >= -9007199254740992.0 && n <= 9007199254740992.0)
		lua_pushinteger(L, (lua_Integer)n);
	else
		lua_pushnumber(L, n);
}

void
sl_bool(lua_State *L, bool b)
{
	lua_pushboolean(L, b);
}

void
sl_string(lua_State *L, struct sl_str s)
{
	lua_pushlstring(L, s.p != NULL ? s.p : "", s.n);
}

void
sl_text(lua_State *L, const char *s)
{
	if (s == NULL)
		lua_pushnil(L);
	else
		lua_pushstring(L, s);
}

void
sl_list_new(lua_State *L)
{
	if (sl_is_hsl(L))
		sl_map_make(L);
	else
		lua_newtable(L);
}

void
sl_list_add(lua_State *L)
{
	if (sl_is_map(L, -2))
		sl_map_append(L, -2);
	else
		lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* The builder's order is kept beside the table, for pairs. */
void
sl_map_new(lua_State *L)
{
	if (sl_is_hsl(L)) {
		sl_map_make(L);
		return;
	}
	lua_newtable(L);
	sl_ref_push(L, sl_vm_from(L)->refs.order);
	lua_pushvalue(L, -2);
	lua_newtable(L);
	lua_rawset(L, -3);
	lua_pop(L, 1);
}

/* Remembers the key on top in the order of the map at 'map'. */
static void
remember_key(lua_State *L, int map)
{
	sl_ref_push(L, sl_vm_from(L)->refs.order);
	lua_pushvalue(L, map);
	lua_rawget(L, -2);
	if (lua_istable(L, -1)) {
		lua_pushvalue(L, -3);
		lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	}
	lua_pop(L, 2);
}

void
sl_map_set_key(lua_State *L)
{
	int map = lua_absindex(L, -3);

	if (sl_is_map(L, map)) {
		sl_map_put(L, map);
		return;
	}
	if (lua_isnil(L, -1)) {
		lua_pop(L, 2);
		return;
	}
	lua_insert(L, -2);		/* value, key */
	lua_pushvalue(L, -1);
	if (lua_rawget(L, map) == LUA_TNIL) {
		lua_pop(L, 1);
		remember_key(L, map);
	} else {
		lua_pop(L, 1);
	}
	lua_insert(L, -2);
	lua_rawset(L, map);
}

void
sl_map_set_str(lua_State *L, struct sl_str key)
{
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		return;
	}
	lua_pushlstring(L, key.p, key.n);
	lua_insert(L, -2);
	sl_map_set_key(L);
}

void
sl_map_set(lua_State *L, const char *key)
{
	sl_map_set_str(L, sl_str_of(key));
}

/* ---- reading arguments --------------------------------------------------------- */

bool
sl_arg_given(lua_State *L, int arg)
{
	return !lua_isnoneornil(L, arg);
}

/* luaL_argerror knows the name only where a script calls: not where a builtin calls back. */
int
sl_arg_error(lua_State *L, int arg, const char *what)
{
	const struct sl_builtin *row = sl_builtin_running(L);
	const char *colon = row != NULL ? strchr(row->name, ':') : NULL;

	if (row == NULL || (colon != NULL && arg == 1))
		return luaL_argerror(L, arg, what);
	if (colon != NULL)		/* the object isn't counted */
		return luaL_error(L, "bad argument #%d to '%s' (%s)", arg - 1, colon + 1, what);
	return luaL_error(L, "bad argument #%d to '%s' (%s)", arg, row->name, what);
}

/* In HSL none as an argument isn't a mistake: the builtin gives none. */
static void
wrong_type(lua_State *L, int arg, const char *expected)
{
	if (sl_is_hsl(L) && lua_isnil(L, arg) && sl_none_is_caught(L)) {
		lua_pushlightuserdata(L, (void *)(uintptr_t)&sl_none_argument);
		lua_error(L);
	}
	sl_arg_error(L, arg, lua_pushfstring(L, "%s expected, got %s", expected,
	    sl_type_name(L, arg)));
}

struct sl_str
sl_arg_string(lua_State *L, int arg)
{
	struct sl_str s;

	if (lua_type(L, arg) != LUA_TSTRING && lua_type(L, arg) != LUA_TNUMBER)
		wrong_type(L, arg, "string");
	if (lua_type(L, arg) == LUA_TNUMBER && sl_is_hsl(L)) {
		arg = lua_absindex(L, arg);
		sl_to_string(L, arg);
		lua_replace(L, arg);
	}
	s.p = lua_tolstring(L, arg, &s.n);
	return s;
}

/* Numbers as scripts write them: Lua's own %f says 5.0. */
static const char *
push_range(lua_State *L, double n, double min, double max)
{
	char text[120];

	if (max >= 1e15)
		snprintf(text, sizeof(text), "%.14g is less than %.14g", n, min);
	else
		snprintf(text, sizeof(text), "%.14g is not between %.14g and %.14g", n, min, max);
	return lua_pushstring(L, text);
}

static double
in_range(lua_State *L, int arg, double n, double min, double max)
{
	if (n >= min && n <= max)
		return n;
	sl_arg_error(L, arg, push_range(L, n, min, max));
	return n;
}

double
sl_arg_number(lua_State *L, int arg, double min, double max)
{
	double n = 0;

	if (!sl_is_numeric(L, arg, &n))
		wrong_type(L, arg, "number");
	return in_range(L, arg, n, min, max);
}

bool
sl_arg_bool(lua_State *L, int arg)
{
	if (sl_is_hsl(L) && lua_type(L, arg) == LUA_TNUMBER)	/* true was 1 in 2016 */
		return sl_truth(L, arg);
	if (!lua_isboolean(L, arg))
		wrong_type(L, arg, "boolean");
	return lua_toboolean(L, arg);
}

struct sl_str
sl_arg_opt_string(lua_State *L, int arg, const char *dflt)
{
	if (sl_arg_given(L, arg))
		return sl_arg_string(L, arg);
	return (struct sl_str){ dflt, dflt != NULL ? strlen(dflt) : 0 };
}

double
sl_arg_opt_number(lua_State *L, int arg, double min, double max, double dflt)
{
	return sl_arg_given(L, arg) ? sl_arg_number(L, arg, min, max) : dflt;
}

bool
sl_arg_opt_bool(lua_State *L, int arg, bool dflt)
{
	return sl_arg_given(L, arg) ? sl_arg_bool(L, arg) : dflt;
}

void
sl_arg_function(lua_State *L, int arg)
{
	if (!lua_isfunction(L, arg))
		wrong_type(L, arg, "function");
}

void
sl_arg_table(lua_State *L, int arg)
{
	arg = lua_absindex(L, arg);
	if (sl_plain_copy(L, arg))
		lua_replace(L, arg);
	if (!lua_istable(L, arg))
		wrong_type(L, arg, sl_is_hsl(L) ? "array" : "table");
}

/* ---- options ------------------------------------------------------------------- */

static bool
is_among(const char *word, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(*names, word) == 0)
			return true;
	return false;
}

static void
check_option(lua_State *L, int key, const char *const *names)
{
	const char *name, *near;

	if (lua_type(L, key) != LUA_TSTRING)
		luaL_error(L, "options are named: a %s is no option name", luaL_typename(L, key));
	name = lua_tostring(L, key);
	if (is_among(name, names))
		return;
	near = sl_suggest(name, names);
	if (near != NULL)
		luaL_error(L, "option \"%s\" is unknown (%s?)", name, near);
	luaL_error(L, "option \"%s\" is unknown", name);
}

void
sl_options(lua_State *L, int arg, const char *const *names)
{
	size_t at;

	if (!sl_arg_given(L, arg))
		return;
	sl_arg_table(L, arg);
	if (sl_is_map(L, arg)) {
		for (at = 0; sl_map_each(L, arg, &at); lua_pop(L, 2))
			check_option(L, -2, names);
		return;
	}
	lua_pushnil(L);
	while (lua_next(L, arg) != 0) {
		lua_pop(L, 1);
		check_option(L, -1, names);
	}
}

bool
sl_opt_push(lua_State *L, int arg, const char *name)
{
	if (!lua_istable(L, arg)) {
		lua_pushnil(L);
		return false;
	}
	return lua_getfield(L, arg, name) != LUA_TNIL;
}

static void
wrong_option(lua_State *L, const char *name, const char *expected)
{
	luaL_error(L, "option \"%s\": %s expected, got %s", name, expected, sl_type_name(L, -1));
}

struct sl_str
sl_opt_string(lua_State *L, int arg, const char *name, const char *dflt)
{
	struct sl_str s = { dflt, dflt != NULL ? strlen(dflt) : 0 };

	if (sl_opt_push(L, arg, name)) {
		if (lua_type(L, -1) != LUA_TSTRING)
			wrong_option(L, name, "string");
		s.p = lua_tolstring(L, -1, &s.n);
	}
	lua_pop(L, 1);		/* the table still holds it */
	return s;
}

double
sl_opt_number(lua_State *L, int arg, const char *name, double min, double max, double dflt)
{
	double n = dflt;

	if (sl_opt_push(L, arg, name)) {
		if (!sl_is_numeric(L, -1, &n))
			wrong_option(L, name, "number");
		if (!(n >= min && n <= max))
			luaL_error(L, "option \"%s\": %s", name, push_range(L, n, min, max));
	}
	lua_pop(L, 1);
	return n;
}

bool
sl_opt_bool(lua_State *L, int arg, const char *name, bool dflt)
{
	bool b = dflt;

	if (sl_opt_push(L, arg, name)) {
		if (sl_is_hsl(L) && lua_type(L, -1) == LUA_TNUMBER)	/* true was 1 in 2016 */
			b = sl_truth(L, -1);
		else if (lua_isboolean(L, -1))
			b = lua_toboolean(L, -1);
		else
			wrong_option(L, name, "boolean");
	}
	lua_pop(L, 1);
	return b;
}

/* ---- walking --------------------------------------------------------------------- */

/* A read-only table (data files) is a proxy: its keys are those behind it. */
static void
push_behind(lua_State *L, int index)
{
	if (sl_is_readonly(L, index))
		sl_readonly_real(L, index);
	else
		lua_pushvalue(L, index);
}

size_t
sl_count(lua_State *L, int index)
{
	size_t n = 0;

	if (sl_is_map(L, index))
		return sl_map_count(L, index);
	push_behind(L, index);
	lua_pushnil(L);
	while (lua_next(L, -2) != 0) {
		lua_pop(L, 1);
		n++;
	}
	lua_pop(L, 1);
	return n;
}

bool
sl_is_list(lua_State *L, int index)
{
	size_t i, n;
	bool list;

	if (sl_is_map(L, index))
		return sl_map_is_list(L, index);
	push_behind(L, index);
	n = lua_rawlen(L, -1);
	list = sl_count(L, -1) == n;
	for (i = 1; i <= n && list; i++) {
		list = lua_rawgeti(L, -1, (lua_Integer)i) != LUA_TNIL;
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return list;
}

static bool
each_of_table(lua_State *L, int index, size_t place, size_t *at)
{
	for (;;) {
		if (lua_rawgeti(L, (int)place, (lua_Integer)++*at) == LUA_TNIL)
			return false;
		lua_pushvalue(L, -1);
		if (lua_gettable(L, index) != LUA_TNIL)
			return true;
		lua_pop(L, 2);
	}
}

/*
 * HSL's maps know their order. The keys of other tables are sorted once, at the first
 * step, and the sorted list stays on the stack until the walk ends, below what
 * is pushed: *i has the place of that list in its upper half.
 */
bool
sl_each(lua_State *L, int index, size_t *i)
{
	size_t place = *i >> 32, at = *i & 0xffffffff;
	bool map, more;

	index = lua_absindex(L, index);
	map = sl_is_map(L, index);
	if (place == 0) {
		luaL_checkstack(L, 16, NULL);
		if (map) {
			lua_pushnil(L);		/* a map knows its order */
		} else {
			push_behind(L, index);
			sl_sort_keys(L, lua_gettop(L));
			lua_remove(L, -2);
		}
		place = (size_t)lua_gettop(L);
	}
	lua_settop(L, (int)place);
	more = map ? sl_map_each(L, index, &at) : each_of_table(L, index, place, &at);
	if (!more) {
		lua_settop(L, (int)place - 1);
		return false;
	}
	*i = place << 32 | at;
	return true;
}

bool
sl_list_get(lua_State *L, int index, size_t n)
{
	if (!sl_is_map(L, index))
		return lua_geti(L, index, (lua_Integer)n) != LUA_TNIL;
	if (n == 0 || !sl_map_at(L, index, n - 1)) {
		lua_pushnil(L);
		return false;
	}
	lua_remove(L, -2);
	return true;
}

bool
sl_map_lookup(lua_State *L, int index)
{
	if (sl_is_map(L, index))
		return sl_map_get(L, index);
	return lua_gettable(L, index) != LUA_TNIL;
}

void
sl_metatable(lua_State *L, const char *name, const luaL_Reg *functions)
{
	if (luaL_getmetatable(L, name) != LUA_TNIL)
		return;
	lua_pop(L, 1);
	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pushvalue(L, -1);
	lua_setfield(L, LUA_REGISTRYINDEX, name);
}
