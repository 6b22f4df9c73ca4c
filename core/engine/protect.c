/* pcall and xpcall: as Lua's, but nothing that ends a run is caught. */
#include "internal.h"

static int
finish(lua_State *L, int status, lua_KContext skip)
{
	if (sl_running(L)->ending)
		return sl_go_on_ending(L);
	if (status == LUA_OK || status == LUA_YIELD)
		return lua_gettop(L) - (int)skip;
	if (sl_is_memory_error(L, status, -1)) {
		sl_begin_ending(L, SL_RUN_LIMIT, "out of memory (%zu bytes)",
		    sl_running(L)->limits.memory);
		return sl_go_on_ending(L);
	}
	lua_pushboolean(L, 0);
	lua_insert(L, -2);
	return 2;
}

static int
protected_call(lua_State *L)
{
	int status;

	luaL_checkany(L, 1);
	lua_pushboolean(L, 1);
	lua_insert(L, 1);
	status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish);
	return finish(L, status, 0);
}

/* An error raised by a hook runs message handlers with hooks off, so that a
 * script's handler could never be stopped: it isn't called then. */
static int
handler(lua_State *L)
{
	if (sl_running(L)->ending)
		return 1;
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, 1, 1);
	return 1;
}

static int
protected_call_handler(lua_State *L)
{
	int n = lua_gettop(L), status;

	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, handler, 1);
	lua_replace(L, 2);
	lua_pushboolean(L, 1);		/* first result */
	lua_pushvalue(L, 1);
	lua_rotate(L, 3, 2);		/* f, handler, true, f, arguments */
	status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish);
	return finish(L, status, 2);
}

void
sl_open_protect(lua_State *L)
{
	sl_set_function(L, "pcall", protected_call);
	sl_set_function(L, "xpcall", protected_call_handler);
}
