/*
 * Classes and their objects, and the objects of 2016 that have no class: object [ ... ].
 */
#include "hsl.h"

/*
 * A class is a table: "name", "methods" (its functions, by name), "static",
 * "fields" (a function that gives a new object its variables), "meta" (of its objects).
 * An object is a table with its variables, in the order of pairs. Private functions have a mark
 * before their name, which the compiler writes in the code of their class only.
 */
#define MAX_DEPTH	100	/* of arrays that outlive a run; deeper ones are refused as JSON */
#define PRIVATE_MARK	"\1"

static const char class_key = 0;	/* in a metatable of objects: the class */

bool
sl_hsl_has_class(lua_State *L, int index)
{
	bool yes;

	if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index))
		return false;
	yes = lua_rawgetp(L, -1, &class_key) != LUA_TNIL;
	lua_pop(L, 2);
	return yes;
}

bool
sl_is_object(lua_State *L, int index)
{
	return sl_hsl_has_class(L, index) || sl_hsl_is_exception(L, index);
}

static bool
holds_object(lua_State *L, int index, int depth)
{
	bool yes = sl_is_object(L, index);
	size_t at;

	if (yes || !sl_is_map(L, index) || depth > MAX_DEPTH)
		return yes;
	luaL_checkstack(L, 8, NULL);
	sl_charge(L, sl_map_count(L, index));
	for (at = 0; !yes && sl_map_each(L, index, &at); lua_pop(L, 2))
		yes = holds_object(L, lua_gettop(L), depth + 1);
	return yes;
}

bool
sl_holds_object(lua_State *L, int index)
{
	return holds_object(L, lua_absindex(L, index), 0);
}

static int
constructed(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	(void)ctx;
	if (sl_running(L)->ending)
		return sl_go_on_ending(L);
	lua_settop(L, 2);
	return 1;
}

/* Class, object and the arguments are on the stack; the object has its variables. */
static int
initialized(lua_State *L, int status, lua_KContext ctx)
{
	int n = lua_gettop(L) - 2;

	(void)status;
	(void)ctx;
	if (sl_running(L)->ending)
		return sl_go_on_ending(L);
	lua_getfield(L, 1, "methods");
	if (lua_getfield(L, -1, "constructor") == LUA_TNIL) {
		if (n > 0)
			return luaL_error(L, "%s has no constructor and takes no arguments",
			    (lua_getfield(L, 1, "name"), lua_tostring(L, -1)));
		lua_settop(L, 2);
		return 1;
	}
	lua_remove(L, -2);
	lua_getfield(L, 1, "name");
	sl_hsl_check_count(L, -2, n, 1, lua_tostring(L, -1));
	lua_pop(L, 1);
	lua_pushvalue(L, 2);
	lua_rotate(L, 3, 2);
	lua_callk(L, n + 1, 0, 0, constructed);
	return constructed(L, LUA_OK, 0);
}

/* class(arguments...) */
static int
construct(lua_State *L)
{
	lua_newtable(L);
	lua_getfield(L, 1, "meta");
	lua_setmetatable(L, -2);
	lua_insert(L, 2);
	lua_getfield(L, 1, "fields");
	lua_pushvalue(L, 2);
	lua_callk(L, 1, 0, 0, initialized);
	return initialized(L, LUA_OK, 0);
}

const char *
sl_hsl_member_name(lua_State *L, int name)
{
	const char *s = lua_type(L, name) == LUA_TSTRING ? lua_tostring(L, name) : NULL;

	return s != NULL && s[0] == PRIVATE_MARK[0] ? s + 1 : s;
}

/* The function wasn't found: it may be private, or the code of a class asks one of another class. */
static void
push_other_method(lua_State *L, int class, int methods, int name)
{
	const char *s = sl_hsl_member_name(L, name);

	lua_pop(L, 1);
	if (s == NULL || s != lua_tostring(L, name)) {
		lua_pushstring(L, s);
		lua_rawget(L, methods);
		return;
	}
	lua_pushfstring(L, PRIVATE_MARK "%s", s);
	if (lua_rawget(L, methods) != LUA_TNIL)
		luaL_error(L, "%s is private in %s", s,
		    (lua_getfield(L, class, "name"), lua_tostring(L, -1)));
}

void
sl_hsl_method(lua_State *L, int object, int name)
{
	int class;

	name = lua_absindex(L, name);
	lua_getmetatable(L, object);
	lua_rawgetp(L, -1, &class_key);
	class = lua_gettop(L);
	lua_getfield(L, -1, "methods");
	lua_pushvalue(L, name);
	if (lua_rawget(L, -2) == LUA_TNIL)
		push_other_method(L, class, class + 1, name);
	lua_replace(L, -4);
	lua_pop(L, 2);
}

enum { BOUND_FUNCTION = 3, BOUND_OBJECT, BOUND_NAME };	/* upvalues, behind those of all */

/* A function of an object as a value. */
static int
bound(lua_State *L)
{
	int n = lua_gettop(L);

	lua_pushvalue(L, lua_upvalueindex(BOUND_FUNCTION));
	sl_hsl_check_count(L, -1, n, 1, sl_hsl_member_name(L, lua_upvalueindex(BOUND_NAME)));
	lua_pushvalue(L, lua_upvalueindex(BOUND_OBJECT));
	lua_rotate(L, 1, 2);
	lua_callk(L, n + 1, LUA_MULTRET, 0, sl_hsl_returned);
	return sl_hsl_returned(L, LUA_OK, 0);
}

/* What isn't a variable of the object: a function as a value keeps its object. */
static int
object_index(lua_State *L)
{
	lua_settop(L, 2);
	sl_hsl_method(L, 1, 2);
	if (!lua_isfunction(L, -1))
		return 1;
	lua_pushnil(L);
	lua_pushlightuserdata(L, (void *)(uintptr_t)&sl_hsl_mark);
	lua_rotate(L, 3, 2);
	lua_pushvalue(L, 1);
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, bound, BOUND_NAME);
	return 1;
}

/* own(value, name): a function of the class whose code asks, or what anybody finds there */
static int
own(lua_State *L)
{
	lua_settop(L, 2);
	if (sl_hsl_has_class(L, 1))
		return object_index(L);
	lua_pushstring(L, sl_hsl_member_name(L, 2));
	sl_hsl_index(L, 1);
	return 1;
}

/* What objects of the class on top have: pushed, and kept as its "meta". */
static void
push_objects_meta(lua_State *L, const char *name)
{
	int class = lua_gettop(L);

	lua_newtable(L);
	sl_hsl_function(L, object_index);
	lua_setfield(L, -2, "__index");
	lua_pushstring(L, name);
	lua_setfield(L, -2, "__name");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pushvalue(L, class);
	lua_rawsetp(L, -2, &class_key);
	lua_pushvalue(L, -1);
	lua_setfield(L, class, "meta");
}

/* class(name, methods, static, fields) */
static int
class(lua_State *L)
{
	static const char *const parts[] = { "name", "methods", "static", "fields" };
	int i;

	lua_settop(L, 4);
	lua_newtable(L);		/* 5: the class */
	for (i = 0; i < 4; i++) {
		lua_pushvalue(L, i + 1);
		lua_setfield(L, 5, parts[i]);
	}
	push_objects_meta(L, lua_tostring(L, 1));
	lua_pop(L, 1);
	lua_newtable(L);		/* of the class itself */
	sl_hsl_function(L, construct);
	lua_setfield(L, -2, "__call");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, 5);
	return 1;
}

/* The pairs of the array at 'map' in the table on top. */
static void
set_pairs(lua_State *L, int map)
{
	size_t at;

	for (at = 0; sl_map_each(L, map, &at);)
		lua_rawset(L, -3);
}

/* object(variables, functions): two arrays */
static int
object(lua_State *L)
{
	lua_settop(L, 2);
	lua_newtable(L);		/* 3: the class of this one object */
	lua_newtable(L);
	set_pairs(L, 2);
	lua_setfield(L, 3, "methods");
	push_objects_meta(L, "object");
	lua_newtable(L);
	set_pairs(L, 1);
	lua_insert(L, -2);
	lua_setmetatable(L, -2);
	return 1;
}

static void
push_static(lua_State *L)
{
	if (!lua_istable(L, 1) || lua_getfield(L, 1, "static") != LUA_TTABLE)
		luaL_error(L, "a %s is no class", sl_type_name(L, 1));
}

static int
static_member(lua_State *L)
{
	push_static(L);
	lua_pushvalue(L, 2);
	lua_rawget(L, -2);
	return 1;
}

static int
set_static(lua_State *L)
{
	lua_settop(L, 3);
	push_static(L);
	lua_pushvalue(L, 2);
	lua_pushvalue(L, 3);
	lua_rawset(L, -3);
	return 0;
}

void
sl_hsl_open_objects(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "class", class }, { "object", object }, { "own", own }, { "static", static_member },
		{ "set_static", set_static }, { NULL, NULL },
	};

	sl_hsl_functions(L, functions);
}
