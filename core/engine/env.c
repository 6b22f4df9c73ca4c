/*
 * A run's environment. Raw fields are what its scripts assigned; every other
 * name comes through __index: overrides, builtins, Lua's library, facts. A
 * name that is none of these raises, with a suggestion.
 *
 * A function assigned to a builtin's name goes to the run's overrides instead
 * of the table, so that everybody in the run gets it, the end action too.
 *
 * Both stand in a scope. A run has its own, which ends with it; the lines of a
 * REPL are runs in one scope, which the host keeps. What such a line leaves is
 * memory of accounts that are closed: each line has its limits anew.
 */
#include <string.h>

#include "internal.h"

bool
sl_override_push(lua_State *L, const struct sl_run *run, const char *name)
{
	if (run->scope->overrides == LUA_NOREF)
		return false;
	sl_ref_push(L, run->scope->overrides);
	lua_getfield(L, -1, name);
	lua_remove(L, -2);
	if (!lua_isnil(L, -1))
		return true;
	lua_pop(L, 1);
	return false;
}

static bool
push_shared(lua_State *L, const struct sl_vm *vm, const char *name)
{
	sl_ref_push(L, vm->refs.names);
	lua_getfield(L, -1, name);
	lua_remove(L, -2);
	if (!lua_isnil(L, -1))
		return true;
	lua_pop(L, 1);
	return false;
}

int
sl_name_push(lua_State *L, const char *name)
{
	return sl_override_push(L, sl_running(L), name) ||
	    push_shared(L, sl_vm_from(L), name);
}

int
sl_fact_push(lua_State *L, const struct sl_run *run, const char *name, unsigned *phases)
{
	if (run->spec.at != NULL)
		run = run->spec.at;
	if (run->spec.fact == NULL)
		return 0;
	return run->spec.fact(L, run->spec.host, name, phases);
}

/* ---- undefined names ---------------------------------------------------- */

/* The names a misspelling may have meant: those of the table, and what the
 * script itself defined. */
static const char *
nearest(lua_State *L, int env, const char *name)
{
	const char *names[2048];
	size_t n = 0;
	int table;

	for (table = 0; table < 2; table++) {
		if (table == 0)
			sl_ref_push(L, sl_vm_from(L)->refs.names);
		else
			lua_pushvalue(L, env);
		lua_pushnil(L);
		while (lua_next(L, -2) != 0) {
			lua_pop(L, 1);
			if (lua_type(L, -1) == LUA_TSTRING && n < 2047)
				names[n++] = lua_tostring(L, -1);
		}
		lua_pop(L, 1);
	}
	names[n] = NULL;
	return sl_suggest(name, names);
}

int
sl_undefined(lua_State *L, const char *name, const char *sign)
{
	const struct sl_run *run = sl_running(L);
	const char *near = NULL;

	if (run->spec.fact_near != NULL)
		near = run->spec.fact_near(name);
	if (near == NULL && sign[0] == '\0')
		near = nearest(L, 1, name);
	if (near != NULL)
		return luaL_error(L, "%s%s is not defined (%s%s?)", sign, name, sign, near);
	return luaL_error(L, "%s%s is not defined", sign, name);
}

static int
other_phase(lua_State *L, const char *name, unsigned phases)
{
	char text[160];

	return luaL_error(L, "%s isn't known in %s, only in %s", name, sl_running(L)->spec.name,
	    sl_phases_text(phases, text, sizeof(text)));
}

static int
env_index(lua_State *L)
{
	struct sl_run *run = sl_running(L);
	const char *name;
	unsigned phases = 0;
	int rc;

	if (lua_type(L, 2) != LUA_TSTRING) {
		lua_pushnil(L);
		return 1;
	}
	name = lua_tostring(L, 2);
	if (sl_name_push(L, name))
		return 1;
	rc = sl_fact_push(L, run, name, &phases);
	if (rc == 1)
		return 1;
	if (rc < 0)
		return other_phase(L, name, phases);
	return sl_undefined(L, name, "");
}

/* ---- overriding --------------------------------------------------------- */

static int
override_done(lua_State *L, int status, lua_KContext finals)
{
	struct sl_run *run = sl_running(L);
	const struct sl_builtin *row = lua_touserdata(L, lua_upvalueindex(2));

	(void)status;
	if (run->ending)
		return sl_go_on_ending(L);
	if ((lua_KContext)run->finals_returned == finals)
		return luaL_error(L, "%s, redefined at %s, returned without builtin.%s",
		    row->name, lua_tostring(L, lua_upvalueindex(3)), row->name);
	return lua_gettop(L);
}

/* Stands in front of a function that redefines a final action: it must end the
 * run, or have called the original (which may go on: done = false). */
static int
override(lua_State *L)
{
	lua_KContext finals = sl_running(L)->finals_returned;

	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, finals, override_done);
	return override_done(L, LUA_OK, finals);
}

static void
push_overrides(lua_State *L, struct sl_scope *scope)
{
	if (scope->overrides == LUA_NOREF) {
		lua_newtable(L);
		scope->overrides = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	sl_ref_push(L, scope->overrides);
}

static void
push_place(lua_State *L, int function)
{
	lua_Debug ar;

	lua_pushvalue(L, function);
	if (lua_getinfo(L, ">S", &ar) && ar.linedefined > 0)
		lua_pushfstring(L, "%s:%d", ar.short_src, ar.linedefined);
	else
		lua_pushstring(L, "an unknown place");
}

int
sl_override_set(lua_State *L, struct sl_run *run, const struct sl_builtin *row)
{
	if (!lua_isfunction(L, 3) && !lua_isnil(L, 3))
		return luaL_error(L, "%s is a builtin: only a function can redefine it", row->name);
	sl_hsl_forget(L, run, row->name);
	push_overrides(L, run->scope);
	lua_pushvalue(L, 3);
	if ((row->flags & SL_FINAL) && lua_isfunction(L, 3)) {
		lua_pushlightuserdata(L, (void *)(uintptr_t)row);
		push_place(L, 3);
		lua_pushcclosure(L, override, 3);
	}
	lua_setfield(L, -2, row->name);
	return 0;
}

static int
env_newindex(lua_State *L)
{
	struct sl_run *run = sl_running(L);
	const struct sl_builtin *row;
	unsigned phases;
	size_t n;
	const char *name;

	if (lua_type(L, 2) == LUA_TSTRING) {
		name = lua_tolstring(L, 2, &n);
		row = sl_dict_get(run->vm->rows, (struct sl_str){ name, n });
		if (row != NULL)
			return sl_override_set(L, run, row);
		if (sl_fact_push(L, run, name, &phases) != 0)
			return luaL_error(L, "%s is a fact of the phase and can't be assigned", name);
	}
	lua_settop(L, 3);
	lua_rawset(L, 1);
	return 0;
}

/* ---- scopes ------------------------------------------------------------- */

void
sl_scope_init(struct sl_scope *scope, struct sl_vm *vm)
{
	scope->vm = vm;
	scope->env = scope->overrides = LUA_NOREF;
}

void
sl_scope_clear(struct sl_scope *scope)
{
	luaL_unref(scope->vm->L, LUA_REGISTRYINDEX, scope->env);
	luaL_unref(scope->vm->L, LUA_REGISTRYINDEX, scope->overrides);
}

void
sl_scope_need(lua_State *L, struct sl_scope *scope)
{
	if (scope->env != LUA_NOREF)
		return;
	lua_newtable(L);
	sl_ref_push(L, scope->vm->refs.env_meta);
	lua_setmetatable(L, -2);
	scope->env = luaL_ref(L, LUA_REGISTRYINDEX);
}

struct sl_scope *
sl_scope_new(struct sl_vm *vm)
{
	struct sl_scope *scope = sl_calloc(1, sizeof(*scope));

	if (scope != NULL)
		sl_scope_init(scope, vm);
	return scope;
}

void
sl_scope_free(struct sl_scope *scope)
{
	if (scope == NULL)
		return;
	sl_scope_clear(scope);
	sl_free(scope);
}

void
sl_open_env(lua_State *L)
{
	lua_newtable(L);
	lua_pushcfunction(L, env_index);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, env_newindex);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	sl_vm_from(L)->refs.env_meta = luaL_ref(L, LUA_REGISTRYINDEX);
}
