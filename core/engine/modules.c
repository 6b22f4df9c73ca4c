/*
 * include, require, data: a policy's files, in the run's one environment. A
 * module runs once per run, so its locals can't leak from mail to mail.
 */
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* ---- include -------------------------------------------------------------------- */

static int
all_results(lua_State *L, int status, lua_KContext below)
{
	(void)status;
	if (sl_running(L)->ending)
		return sl_go_on_ending(L);
	return lua_gettop(L) - (int)below;
}

static int
include(lua_State *L)
{
	struct sl_run *run = sl_running(L);
	const char *path = luaL_checkstring(L, 1);

	lua_settop(L, 1);
	if (!sl_chunk_push(L, run->program, path))
		return luaL_error(L, "include: \"%s\" is not in the policy", path);
	sl_ref_push(L, run->scope->env);
	lua_callk(L, 1, LUA_MULTRET, 1, all_results);
	return all_results(L, LUA_OK, 1);
}

/* ---- require --------------------------------------------------------------------- */

static void
push_loaded(lua_State *L, struct sl_run *run)
{
	if (run->loaded_ref == LUA_NOREF) {
		lua_newtable(L);
		run->loaded_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	sl_ref_push(L, run->loaded_ref);
}

/*
 * A module that is being loaded is marked by a light userdata. The mark is
 * taken off by a to-be-closed value, so that a module that raised gives its own
 * error at the next require instead of "requires itself".
 */
static int
unmark(lua_State *L)
{
	struct sl_run *run = sl_running(L);

	if (run == NULL || run->loaded_ref == LUA_NOREF)
		return 0;
	sl_ref_push(L, run->loaded_ref);
	lua_getiuservalue(L, 1, 1);
	lua_pushvalue(L, -1);
	if (lua_rawget(L, -3) == LUA_TLIGHTUSERDATA) {
		lua_pop(L, 1);
		lua_pushnil(L);
		lua_rawset(L, -3);
	}
	return 0;
}

/* Stack: name, table of the loaded. Leaves: name, the value that unmarks. */
static void
mark(lua_State *L)
{
	static const luaL_Reg meta[] = { { "__close", unmark }, { NULL, NULL } };

	lua_newuserdatauv(L, 0, 1);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	sl_metatable(L, "sluice.loading", meta);
	lua_setmetatable(L, -2);
	lua_pushvalue(L, 1);
	lua_pushlightuserdata(L, sl_running(L));
	lua_rawset(L, 2);
	lua_replace(L, 2);
	lua_toclose(L, 2);
}

/* Stack: name, the value that unmarks, result. */
static int
required(lua_State *L, int status, lua_KContext ctx)
{
	struct sl_run *run = sl_running(L);

	(void)status;
	(void)ctx;
	if (run->ending)
		return sl_go_on_ending(L);
	if (lua_isnil(L, 3)) {
		lua_pop(L, 1);
		lua_pushboolean(L, 1);
	}
	push_loaded(L, run);
	lua_pushvalue(L, 1);
	lua_pushvalue(L, 3);
	lua_rawset(L, -3);
	lua_settop(L, 3);
	return 1;
}

/* "acme.keys" is lib/acme/keys.lua of the policy, else stdlib/acme/keys.lua. */
static bool
push_module(lua_State *L, const struct sl_program *program, const char *name)
{
	static const char *const roots[] = { "lib", "stdlib" };
	char path[300];
	size_t i, k;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", roots[i], name);
		for (k = 0; path[k] != '\0'; k++)
			if (path[k] == '.')
				path[k] = '/';
		if (strlen(path) + 5 > sizeof(path))
			return false;
		strcat(path, ".lua");
		if (sl_chunk_push(L, program, path))
			return true;
	}
	return false;
}

static int
require(lua_State *L)
{
	struct sl_run *run = sl_running(L);
	const char *name = luaL_checkstring(L, 1);

	lua_settop(L, 1);
	push_loaded(L, run);
	lua_pushvalue(L, 1);
	if (lua_rawget(L, -2) != LUA_TNIL) {
		if (lua_islightuserdata(L, -1))
			return luaL_error(L, "require: \"%s\" requires itself", name);
		return 1;
	}
	lua_settop(L, 2);
	mark(L);
	if (!push_module(L, run->program, name))
		return luaL_error(L, "require: there is no lib/%s.lua in the policy", name);
	sl_ref_push(L, run->scope->env);
	lua_callk(L, 1, 1, 0, required);
	return required(L, LUA_OK, 0);
}

/* ---- data ------------------------------------------------------------------------- */

static int
data(lua_State *L)
{
	struct sl_run *run = sl_running(L);
	const char *name = luaL_checkstring(L, 1);

	if (!sl_data_push(L, run->program, name))
		return luaL_error(L, "data: \"%s\" is not in the policy's data/", name);
	return 1;
}

void
sl_open_modules(lua_State *L)
{
	sl_set_function(L, "include", include);
	sl_set_function(L, "require", require);
	sl_set_function(L, "data", data);
}
