/*
 * Calls of functions that the compiler doesn't know by name: through a value, of an object. Their
 * arguments are counted here, as the compiler counts those of the others.
 */
#include "hsl.h"

static const char least_key = 0;	/* in the run's functions: function -> arguments that it needs */
static const char counted_key = 0;	/* there: function -> arguments that it was found to take */
static const char that_key = 0;		/* in the registry: the object whose function is called next */

/* ---- how many arguments -------------------------------------------------------------- */

/* Pushes the run's table that has functions as weak keys. */
static void
push_weak(lua_State *L, const char *key)
{
	sl_hsl_run_functions(L, sl_running(L));
	if (lua_rawgetp(L, -1, key) != LUA_TTABLE) {
		lua_pop(L, 1);
		lua_newtable(L);
		lua_newtable(L);
		lua_pushliteral(L, "k");
		lua_setfield(L, -2, "__mode");
		lua_setmetatable(L, -2);
		lua_pushvalue(L, -1);
		lua_rawsetp(L, -3, key);
	}
	lua_remove(L, -2);
}

/* optional(function, least): some of its parameters have a default */
static int
optional(lua_State *L)
{
	lua_settop(L, 2);
	push_weak(L, &least_key);
	lua_pushvalue(L, 1);
	lua_pushvalue(L, 2);
	lua_rawset(L, -3);
	lua_settop(L, 1);
	return 1;
}

static int
least_of(lua_State *L, int function, int parameters)
{
	int least = parameters;

	push_weak(L, &least_key);
	lua_pushvalue(L, function);
	if (lua_rawget(L, -2) == LUA_TNUMBER)
		least = (int)lua_tointeger(L, -1);
	lua_pop(L, 2);
	return least;
}

static void
wrong_count(lua_State *L, const char *what, int least, int most, int given)
{
	const char *s = least == 1 && most <= 1 ? "" : "s";

	if (most < 0)
		luaL_error(L, "%s takes at least %d argument%s, %d given", what, least, s, given);
	else if (least == most)
		luaL_error(L, "%s takes %d argument%s, %d given", what, least, s, given);
	else
		luaL_error(L, "%s takes %d to %d arguments, %d given", what, least, most, given);
}

void
sl_hsl_check_count(lua_State *L, int function, int given, int hidden, const char *what)
{
	int least, most;
	lua_Debug ar;

	if (!lua_isfunction(L, function) || lua_iscfunction(L, function))
		return;			/* builtins count for themselves */
	function = lua_absindex(L, function);
	lua_pushvalue(L, function);
	lua_getinfo(L, ">u", &ar);
	least = most = (int)ar.nparams - hidden;
	if (given == most)
		return;
	least = least_of(L, function, least);
	if (given < least || (given > most && !ar.isvararg))
		wrong_count(L, what, least, ar.isvararg ? -1 : most, given);
}

/* counted(what, function, ...): the arguments, some of them unpacked, if it takes so many */
static int
counted(lua_State *L)
{
	int n = lua_gettop(L) - 2;

	sl_hsl_check_count(L, 2, n, 0, lua_tostring(L, 1));
	return n;
}

/* ---- values that are called -------------------------------------------------------------- */

int
sl_hsl_returned(lua_State *L, int status, lua_KContext below)
{
	(void)status;
	if (sl_running(L)->ending)
		return sl_go_on_ending(L);
	return lua_gettop(L) - (int)below;
}

/* The value at 'index' can be called with so many arguments; negative: who knows. */
static void
check_call(lua_State *L, int index, int given, int hidden, const char *what)
{
	if (!lua_isfunction(L, index)) {
		if (luaL_getmetafield(L, index, "__call") == LUA_TNIL)
			luaL_error(L, "%s is %s%s, no function", what,
			    lua_isnil(L, index) ? "" : sl_is_map(L, index) ? "an " : "a ",
			    sl_type_name(L, index));
		lua_pop(L, 1);
	} else if (given >= 0) {
		sl_hsl_check_count(L, index, given, hidden, what);
	}
}

/* What callee() found is kept here, so that code asks once: counted[function] == n */
static int
counts(lua_State *L)
{
	push_weak(L, &counted_key);
	return 1;
}

/* callee(value, n, what, counted): the value, which is called with n arguments then */
static int
callee(lua_State *L)
{
	check_call(L, 1, (int)lua_tointeger(L, 2), 0, lua_tostring(L, 3));
	if (lua_isfunction(L, 1)) {
		lua_pushvalue(L, 1);
		lua_pushvalue(L, 2);
		lua_rawset(L, 4);
	}
	lua_settop(L, 1);
	return 1;
}

/* call(what, value, arguments...), some of them unpacked */
static int
call(lua_State *L)
{
	int n = lua_gettop(L) - 2;

	check_call(L, 2, n, 0, lua_tostring(L, 1));
	lua_callk(L, n, LUA_MULTRET, 1, sl_hsl_returned);
	return sl_hsl_returned(L, LUA_OK, 1);
}

/* ---- functions of objects -------------------------------------------------------------------- */

/* A class's function gets its object; one that is an element of an array, or a variable of
 * the object, is only called. */
static bool
takes_object(lua_State *L)
{
	bool own;

	if (sl_is_map(L, 1))
		return false;
	if (!lua_istable(L, 1))
		return true;
	lua_pushstring(L, sl_hsl_member_name(L, 2));
	own = lua_rawget(L, 1) != LUA_TNIL;
	lua_pop(L, 1);
	return !own;
}

/* Object and name are at 1 and 2: pushes the function. */
static void
push_function(lua_State *L, bool object, int given)
{
	const char *name = sl_hsl_member_name(L, 2);

	if (object && sl_hsl_has_class(L, 1)) {
		sl_hsl_method(L, 1, 2);
	} else if (lua_type(L, 1) == LUA_TNUMBER || lua_type(L, 1) == LUA_TBOOLEAN) {
		lua_pushnil(L);
	} else {
		lua_pushstring(L, name);
		sl_hsl_index(L, 1);
	}
	if (lua_isnil(L, -1))
		luaL_error(L, "there is no function %s in this %s", name, sl_type_name(L, 1));
	check_call(L, lua_gettop(L), given, object ? 1 : 0, name);
}

/* method(object, name, arguments...), some of them unpacked */
static int
method(lua_State *L)
{
	int n = lua_gettop(L) - 2;
	bool object = takes_object(L);

	push_function(L, object, n);
	lua_replace(L, 2);		/* object, function, arguments */
	if (object) {
		lua_pushvalue(L, 1);
		lua_insert(L, 3);
		n++;
	}
	lua_callk(L, n, LUA_MULTRET, 1, sl_hsl_returned);
	return sl_hsl_returned(L, LUA_OK, 1);
}

/* The function at 3, which doesn't take the object that it is given. */
static int
without_object(lua_State *L)
{
	lua_pushvalue(L, lua_upvalueindex(3));
	lua_replace(L, 1);
	lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, sl_hsl_returned);
	return sl_hsl_returned(L, LUA_OK, 0);
}

/* self(object, name, n): the function, which is called with the object and n arguments then */
static int
self(lua_State *L)
{
	int n = (int)lua_tointeger(L, 3);
	bool object = takes_object(L);

	lua_settop(L, 2);
	push_function(L, object, n);
	lua_pushvalue(L, 1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &that_key);
	if (!object) {
		lua_pushnil(L);
		lua_pushlightuserdata(L, (void *)(uintptr_t)&sl_hsl_mark);
		lua_rotate(L, 3, 2);
		lua_pushcclosure(L, without_object, 3);
	}
	return 1;
}

/* that(): the object which self() saw, as the first argument */
static int
that(lua_State *L)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &that_key);
	lua_pushnil(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &that_key);
	return 1;
}

void
sl_hsl_open_calls(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "optional", optional }, { "counted", counted }, { "counts", counts }, { "callee", callee }, { "call", call },
		{ "method", method }, { "self", self }, { "that", that }, { NULL, NULL },
	};

	sl_hsl_functions(L, functions);
}
