/*
 * What scripts see of Lua's library: an allow-list. Nothing that reaches the
 * process (os, io, package, debug), loads bytecode, or leaves work to a
 * finalizer, which would run outside of any run.
 */
#include <string.h>

#include "internal.h"

void
sl_set_function(lua_State *L, const char *name, lua_CFunction fn)
{
	lua_pushcfunction(L, fn);
	lua_setfield(L, -2, name);
}

/* An address would make a run's output differ from process to process. */
static int
to_string(lua_State *L)
{
	luaL_checkany(L, 1);
	if (luaL_callmeta(L, 1, "__tostring")) {
		if (!lua_isstring(L, -1))
			return luaL_error(L, "'__tostring' must return a string");
		return 1;
	}
	switch (lua_type(L, 1)) {
	case LUA_TTABLE:
	case LUA_TFUNCTION:
	case LUA_TTHREAD:
	case LUA_TUSERDATA:
	case LUA_TLIGHTUSERDATA:
		lua_pushstring(L, luaL_typename(L, 1));
		return 1;
	default:
		luaL_tolstring(L, 1, NULL);
		return 1;
	}
}

/* What would run or show when the collector has its turn isn't a function of
 * the run's inputs. */
static void
refuse_field(lua_State *L, const char *name, const char *hint)
{
	lua_pushstring(L, name);
	if (lua_rawget(L, 2) != LUA_TNIL)
		luaL_error(L, "%s isn't available%s", name, hint);
	lua_pop(L, 1);
}

static int
set_metatable(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
	if (lua_istable(L, 2)) {
		refuse_field(L, "__gc", ": use __close");
		refuse_field(L, "__mode", ": tables here are never weak");
	}
	if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
		return luaL_error(L, "cannot change a protected metatable");
	lua_settop(L, 2);
	lua_setmetatable(L, 1);
	return 1;
}

static int
get_metatable(lua_State *L)
{
	luaL_checkany(L, 1);
	if (!lua_getmetatable(L, 1)) {
		lua_pushnil(L);
		return 1;
	}
	if (luaL_getmetafield(L, 1, "__metatable") == LUA_TNIL)
		return 1;
	return 1;
}

static int
raw_set(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checkany(L, 2);
	luaL_checkany(L, 3);
	if (sl_is_readonly(L, 1))
		return luaL_error(L, "this table is read-only");
	lua_settop(L, 3);
	sl_ref_push(L, sl_vm_from(L)->refs.env_meta);
	if (lua_getmetatable(L, 1) && lua_rawequal(L, -1, -2))
		return luaL_error(L, "rawset on the environment: assign instead");
	lua_settop(L, 3);
	lua_rawset(L, 1);
	return 1;
}

/* Text only; the chunk sees the run's environment unless given another. */
static int
load_text(lua_State *L)
{
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	const char *name = luaL_optstring(L, 2, "=(load)");

	sl_charge(L, n);
	if (luaL_loadbufferx(L, text, n, name, "t") != LUA_OK) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return 2;
	}
	if (lua_isnone(L, 4))
		sl_ref_push(L, sl_running(L)->scope->env);
	else
		lua_pushvalue(L, 4);
	if (lua_setupvalue(L, -2, 1) == NULL)
		lua_pop(L, 1);
	return 1;
}

/* ipairs stops at the first none, as Lua's; 'list' may be a read-only table. */
static int
ipairs_next(lua_State *L)
{
	lua_Integer i = luaL_checkinteger(L, 2) + 1;

	lua_pushinteger(L, i);
	return lua_geti(L, 1, i) == LUA_TNIL ? 1 : 2;
}

static int
ipairs(lua_State *L)
{
	luaL_checkany(L, 1);
	lua_pushcfunction(L, ipairs_next);
	lua_pushvalue(L, 1);
	lua_pushinteger(L, 0);
	return 3;
}

/* Copies functions of a stock library by name; nothing else of it is kept. */
static void
copy_library(lua_State *L, const char *name, lua_CFunction open, const char *const *functions)
{
	luaL_requiref(L, name, open, 0);
	lua_newtable(L);
	for (; *functions != NULL; functions++) {
		lua_getfield(L, -2, *functions);
		lua_setfield(L, -2, *functions);
	}
	lua_remove(L, -2);
}

static void
open_base(lua_State *L)
{
	static const char *const same[] = { "assert", "error", "rawequal", "rawget", "rawlen",
	    "select", "tonumber", "type", NULL };
	const char *const *name;

	luaL_requiref(L, "_G", luaopen_base, 0);
	for (name = same; *name != NULL; name++) {
		lua_getfield(L, -1, *name);
		lua_setfield(L, -3, *name);
	}
	lua_pop(L, 1);
	sl_set_function(L, "tostring", to_string);
	sl_set_function(L, "setmetatable", set_metatable);
	sl_set_function(L, "getmetatable", get_metatable);
	sl_set_function(L, "rawset", raw_set);
	sl_set_function(L, "load", load_text);
	sl_set_function(L, "ipairs", ipairs);
	lua_pushliteral(L, "Lua 5.4");
	lua_setfield(L, -2, "_VERSION");
}

static void
open_math(lua_State *L)
{
	static const char *const same[] = { "abs", "ceil", "floor", "sqrt", "exp", "log", "sin",
	    "cos", "tan", "asin", "acos", "atan", "fmod", "modf", "tointeger", "type", "ult",
	    "max", "min", "pi", "huge", "maxinteger", "mininteger", NULL };

	copy_library(L, "math", luaopen_math, same);
	sl_readonly_fast(L);
	lua_setfield(L, -2, "math");
}

static void
open_utf8(lua_State *L)
{
	static const char *const same[] = { "char", "charpattern", "codes", "codepoint", "len",
	    "offset", NULL };

	copy_library(L, "utf8", luaopen_utf8, same);
	sl_readonly_fast(L);
	lua_setfield(L, -2, "utf8");
}

/* Called protected, once per state. */
int
sl_sandbox_open(lua_State *L)
{
	struct sl_vm *vm = sl_vm_from(L);

	sl_open_readonly(L);
	sl_open_map(L);
	sl_push_ephemeron(L);
	vm->refs.order = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_newtable(L);
	open_base(L);
	sl_open_protect(L);
	sl_open_pairs(L);
	sl_open_coroutine(L);
	sl_open_string(L);
	sl_open_table(L);
	open_math(L);
	open_utf8(L);
	sl_open_modules(L);
	vm->refs.names = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_newtable(L);
	vm->refs.hsl_names = luaL_ref(L, LUA_REGISTRYINDEX);
	sl_open_env(L);
	return 0;
}
