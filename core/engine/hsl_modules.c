/*
 * Modules of HSL: files that run once in a run, before who imports them, with functions and
 * variables of their own. Imported functions are values; imported variables are references.
 */
#include "hsl.h"

static const char modules_key = 0;	/* in the run's functions: path -> variables */
static const char functions_key = 0;	/* in a module's variables: its functions */
static const char imported_key = 0;	/* in variables: name -> { variables, name } of the module */

/* ---- variables ----------------------------------------------------------------- */

void
sl_hsl_follow(lua_State *L)
{
	int top = lua_gettop(L);

	if (lua_rawgetp(L, 1, &imported_key) == LUA_TTABLE) {
		lua_pushvalue(L, 2);
		if (lua_rawget(L, -2) == LUA_TTABLE) {
			lua_rawgeti(L, -1, 1);
			lua_replace(L, 1);
			lua_rawgeti(L, -1, 2);
			lua_replace(L, 2);
		}
	}
	lua_settop(L, top);
}

/* bind(variables, name, module, name there). What the module imported itself is bound to where
 * it comes from, so that one step is enough. */
static int
bind(lua_State *L)
{
	lua_settop(L, 4);
	lua_pushvalue(L, 1);
	lua_pushvalue(L, 2);
	lua_pushvalue(L, 3);
	lua_replace(L, 1);
	lua_pushvalue(L, 4);
	lua_replace(L, 2);
	sl_hsl_follow(L);
	if (lua_rawgetp(L, 5, &imported_key) != LUA_TTABLE) {
		lua_newtable(L);
		lua_pushvalue(L, -1);
		lua_rawsetp(L, 5, &imported_key);
		lua_replace(L, 7);
	}
	lua_settop(L, 7);
	lua_pushvalue(L, 6);
	lua_createtable(L, 2, 0);
	lua_pushvalue(L, 1);
	lua_rawseti(L, -2, 1);
	lua_pushvalue(L, 2);
	lua_rawseti(L, -2, 2);
	lua_rawset(L, 7);
	return 0;
}

/* ---- functions ----------------------------------------------------------------- */

bool
sl_hsl_module_functions(lua_State *L, int shared)
{
	if (lua_rawgetp(L, shared, &functions_key) == LUA_TTABLE)
		return true;
	lua_pop(L, 1);
	return false;
}

void
sl_hsl_same_functions(lua_State *L, int from, int to)
{
	lua_rawgetp(L, from, &functions_key);
	lua_rawsetp(L, to, &functions_key);
}

/* Of what a module doesn't define it sees the builtins, redefined ones too: a final action goes
 * through the run's redefinition from everywhere. */
static int
module_index(lua_State *L)
{
	struct sl_run *run = sl_running(L);
	const char *name = luaL_checkstring(L, 2);

	if (sl_override_push(L, run, name))
		return 1;
	sl_ref_push(L, run->vm->refs.hsl_names);
	if (lua_getfield(L, -1, name) == LUA_TNIL)
		return sl_undefined(L, name, "");
	return 1;
}

/* define(functions, name, function): in a module a builtin's name is one like others. */
static int
define(lua_State *L)
{
	lua_settop(L, 3);
	if (lua_getmetatable(L, 1)) {
		sl_ref_push(L, sl_vm_from(L)->refs.hsl_module_meta);
		if (lua_rawequal(L, -1, -2)) {
			lua_settop(L, 3);
			lua_rawset(L, 1);
			return 0;
		}
		lua_settop(L, 3);
	}
	return sl_hsl_define(L);
}

/* member(module, name): the function or class. */
static int
member(lua_State *L)
{
	const char *name = luaL_checkstring(L, 2);

	if (sl_hsl_module_functions(L, 1)) {
		lua_pushvalue(L, 2);
		if (lua_rawget(L, -2) != LUA_TNIL)
			return 1;
	}
	return luaL_error(L, "the module has no %s", name);
}

/* ---- running a module ---------------------------------------------------------- */

static void
push_modules(lua_State *L)
{
	sl_hsl_run_functions(L, sl_running(L));
	if (lua_rawgetp(L, -1, &modules_key) != LUA_TTABLE) {
		lua_pop(L, 1);
		lua_newtable(L);
		lua_pushvalue(L, -1);
		lua_rawsetp(L, -3, &modules_key);
	}
	lua_remove(L, -2);
}

static void
push_new_module(lua_State *L)
{
	lua_newtable(L);
	lua_newtable(L);
	sl_ref_push(L, sl_vm_from(L)->refs.hsl_module_meta);
	lua_setmetatable(L, -2);
	lua_rawsetp(L, -2, &functions_key);
}

/* At 1 to 3: path, modules of the run, the module. One that failed runs again. */
static int
module_ran(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	(void)ctx;
	if (sl_running(L)->ending)
		return sl_go_on_ending(L);
	lua_settop(L, 3);
	lua_pushvalue(L, 1);
	lua_pushvalue(L, 3);
	lua_rawset(L, 2);
	return 1;
}

/* module(path): its variables, by which bind and member know it. */
static int
module(lua_State *L)
{
	struct sl_run *run = sl_running(L);
	const char *path = luaL_checkstring(L, 1);

	lua_settop(L, 1);
	push_modules(L);
	lua_pushvalue(L, 1);
	if (lua_rawget(L, 2) == LUA_TTABLE)
		return 1;
	lua_settop(L, 2);
	push_new_module(L);
	if (!sl_chunk_push(L, run->program, lua_pushfstring(L, SL_HSL_INCLUDED "%s", path)))
		return luaL_error(L, "import: \"%s\" is not in the policy", path);
	sl_ref_push(L, run->scope->env);
	lua_pushvalue(L, 3);
	lua_callk(L, 2, 0, 0, module_ran);
	return module_ran(L, LUA_OK, 0);
}

/* ---- data ---------------------------------------------------------------------- */

/* Replaces the array on top, and those in it, by copies. The data's depth is the JSON decoder's. */
static void
copy(lua_State *L)
{
	int from = lua_gettop(L);
	size_t at;

	if (!sl_is_map(L, from))
		return;
	luaL_checkstack(L, 12, NULL);
	sl_charge(L, sl_map_count(L, from));
	sl_map_make(L);
	for (at = 0; sl_map_each(L, from, &at);) {
		copy(L);
		sl_map_put(L, from + 1);
	}
	lua_replace(L, from);
}

/* data(path): a file of data/ as the compiler had it read. The run gets a copy, for other runs
 * and Lua's functions have the same arrays. */
static int
data(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);

	if (!sl_data_push(L, sl_running(L)->program, lua_pushfstring(L, SL_HSL_DATA "%s", path)))
		return luaL_error(L, "import: \"%s\" is not in the policy's data/", path);
	copy(L);
	return 1;
}

void
sl_hsl_open_modules(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "bind", bind }, { "define", define }, { "member", member }, { "module", module },
		{ "data", data }, { NULL, NULL },
	};
	static const luaL_Reg meta[] = { { "__index", module_index }, { NULL, NULL } };
	struct sl_vm *vm = sl_vm_from(L);

	lua_newtable(L);
	sl_hsl_functions(L, meta);
	vm->refs.hsl_module_meta = luaL_ref(L, LUA_REGISTRYINDEX);
	sl_hsl_functions(L, functions);
}
