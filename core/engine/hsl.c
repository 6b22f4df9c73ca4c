/*
 * The names of a run as HSL sees them: functions (E in emitted code), facts, and the variables
 * that the main code shares with functions and included files (_M).
 */
#include "hsl.h"

#include <string.h>

const char sl_hsl_unset = 0, sl_hsl_end = 0, sl_hsl_spread = 0, sl_hsl_none = 0;

static const char env_key = 0;		/* in a run's environment: its HSL side */
static const char own_key = 0;		/* in the variables of one call: true */
static const char variables_key = 0;	/* in the functions of a REPL: its lines' variables */

/* ---- functions ----------------------------------------------------------------- */

/* What the run's scripts defined, else the builtin as HSL calls it. Lua's library isn't HSL's. */
static int
functions_index(lua_State *L)
{
	struct sl_run *run = sl_running(L);
	const char *name = luaL_checkstring(L, 2);

	if (sl_override_push(L, run, name))
		return 1;
	sl_ref_push(L, run->scope->env);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, -2) != LUA_TNIL)
		return 1;
	sl_ref_push(L, run->vm->refs.hsl_names);
	if (lua_getfield(L, -1, name) == LUA_TNIL)
		return sl_undefined(L, name, "");
	lua_pushvalue(L, 2);		/* next time no call is needed; sl_hsl_forget */
	lua_pushvalue(L, -2);
	lua_rawset(L, 1);
	return 1;
}

void
sl_hsl_forget(lua_State *L, const struct sl_run *run, const char *name)
{
	sl_ref_push(L, run->scope->env);
	if (lua_rawgetp(L, -1, &env_key) == LUA_TTABLE) {
		lua_pushstring(L, name);
		lua_pushnil(L);
		lua_rawset(L, -3);
	}
	lua_pop(L, 2);
}

/* A function belongs to the run: Lua's files see it too, unless a fact has its name. */
int
sl_hsl_define(lua_State *L)
{
	struct sl_run *run = sl_running(L);
	const struct sl_builtin *row;
	unsigned phases;
	size_t n;
	const char *name = luaL_checklstring(L, 2, &n);

	row = sl_dict_get(run->vm->rows, (struct sl_str){ name, n });
	if (row != NULL)
		return sl_override_set(L, run, row);
	lua_settop(L, 3);
	if (sl_fact_push(L, run, name, &phases) == 0) {
		sl_ref_push(L, run->scope->env);
		lua_pushvalue(L, 2);
		lua_pushvalue(L, 3);
		lua_rawset(L, -3);
	}
	lua_settop(L, 3);
	lua_rawset(L, 1);
	return 0;
}

void
sl_hsl_run_functions(lua_State *L, struct sl_run *run)
{
	sl_ref_push(L, run->scope->env);
	if (lua_rawgetp(L, -1, &env_key) == LUA_TTABLE) {
		lua_remove(L, -2);
		return;
	}
	lua_pop(L, 1);
	lua_newtable(L);
	sl_ref_push(L, run->vm->refs.hsl_functions_meta);
	lua_setmetatable(L, -2);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, -3, &env_key);
	lua_remove(L, -2);
}

/* A REPL's lines have the same variables; other main code has new ones. */
static void
push_variables(lua_State *L, struct sl_run *run)
{
	if (run->scope == &run->own) {
		lua_newtable(L);
		return;
	}
	sl_hsl_run_functions(L, run);
	if (lua_rawgetp(L, -1, &variables_key) != LUA_TTABLE) {
		lua_pop(L, 1);
		lua_newtable(L);
		lua_pushvalue(L, -1);
		lua_rawsetp(L, -3, &variables_key);
	}
	lua_remove(L, -2);
}

bool
sl_hsl_shared_variables(lua_State *L)
{
	if (lua_rawgetp(L, -1, &env_key) == LUA_TTABLE) {
		if (lua_rawgetp(L, -1, &variables_key) == LUA_TTABLE) {
			lua_remove(L, -2);
			return true;
		}
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return false;
}

/* enter(environment, shared, mode): functions, shared, mode */
static int
enter(lua_State *L)
{
	lua_settop(L, 3);
	if (lua_isnil(L, 2)) {
		push_variables(L, sl_running(L));
		lua_replace(L, 2);
	}
	if (!sl_hsl_module_functions(L, 2))
		sl_hsl_run_functions(L, sl_running(L));
	lua_replace(L, 1);
	return 3;
}

/* ---- facts -------------------------------------------------------------------------- */

/* Pushes the fact; one without a value is "", for scripts join texts with it. */
static int
push_fact(lua_State *L, const char *name, unsigned *phases)
{
	int rc = sl_fact_push(L, sl_running(L), name, phases);

	if (rc == 1 && lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_pushliteral(L, "");
	}
	return rc;
}

static int
fact(lua_State *L)
{
	struct sl_run *run = sl_running(L);
	const char *name = luaL_checkstring(L, 1);
	unsigned phases;
	int rc = push_fact(L, name, &phases);
	char text[160];

	if (rc == 1)
		return 1;
	if (rc < 0)
		return luaL_error(L, "$%s isn't known in %s, only in %s", name, run->spec.name,
		    sl_phases_text(phases, text, sizeof(text)));
	return sl_undefined(L, name, "$");
}

/* ---- variables ------------------------------------------------------------------------ */

/* own_variables(shared): a table for those of one call, which shares them with a file that is included
 * there. What the file calls it finds as in the main code; facts aren't seen. */
static int
own_variables(lua_State *L)
{
	lua_settop(L, 1);
	lua_newtable(L);
	lua_pushboolean(L, 1);
	lua_rawsetp(L, 2, &own_key);
	sl_hsl_same_functions(L, 1, 2);
	return 1;
}

static bool
is_of_call(lua_State *L)
{
	bool yes = lua_rawgetp(L, 1, &own_key) != LUA_TNIL;

	lua_pop(L, 1);
	return yes;
}

/* As sl_fact_push for the table at 1. */
int
sl_hsl_fact_of(lua_State *L, const char *name)
{
	unsigned phases;

	return is_of_call(L) ? 0 : sl_fact_push(L, sl_running(L), name, &phases);
}

/* Pushes the shared variable; false = it isn't assigned. */
static bool
push_shared_variable(lua_State *L)
{
	lua_settop(L, 2);
	sl_hsl_follow(L);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, 1) == LUA_TNIL)
		return false;
	if (lua_touserdata(L, -1) == &sl_hsl_none) {
		lua_pop(L, 1);
		lua_pushnil(L);
	} else if (lua_istable(L, -1)) {
		sl_hsl_release(L, 1, 2);
	}
	return true;
}

static int
var(lua_State *L)
{
	if (push_shared_variable(L))
		return 1;
	if (is_of_call(L))
		return luaL_error(L, "$%s is not assigned", lua_tostring(L, 2));
	lua_settop(L, 2);
	lua_remove(L, 1);
	return fact(L);
}

/* As var, but what isn't assigned is none. */
static int
peek(lua_State *L)
{
	const char *name = luaL_checkstring(L, 2);
	unsigned phases;

	if (!push_shared_variable(L) && (is_of_call(L) || push_fact(L, name, &phases) != 1))
		lua_pushnil(L);
	return 1;
}

/* Variables, name, value: what was followed is on the stack. */
static int
assign(lua_State *L)
{
	sl_hsl_release(L, 1, 2);
	lua_pushvalue(L, 2);
	if (lua_isnil(L, 3))
		lua_pushlightuserdata(L, (void *)(uintptr_t)&sl_hsl_none);
	else
		lua_pushvalue(L, 3);
	lua_rawset(L, 1);
	return 1;
}

/* let(variables, name, value): in functions, which can't assign to facts */
static int
let(lua_State *L)
{
	const char *name;
	unsigned phases;

	lua_settop(L, 3);
	sl_hsl_follow(L);
	name = luaL_checkstring(L, 2);
	if (lua_isuserdata(L, 3))	/* context, with an element written */
		return 1;
	lua_pushvalue(L, 2);
	if (lua_rawget(L, 1) == LUA_TNIL && sl_fact_push(L, sl_running(L), name, &phases) == 1)
		return luaL_error(L, "$%s is a fact of the phase and can't be assigned", name);
	lua_settop(L, 3);
	return assign(L);
}

/* put(variables, name, value): in main code, whose own variable may have a fact's name */
static int
put(lua_State *L)
{
	lua_settop(L, 3);
	sl_hsl_follow(L);
	return lua_isuserdata(L, 3) ? 1 : assign(L);
}

static int
forget(lua_State *L)
{
	lua_settop(L, 2);
	sl_hsl_follow(L);
	sl_hsl_release(L, 1, 2);
	lua_pushnil(L);
	lua_rawset(L, 1);
	return 0;
}

/* A local variable that may not be assigned. */
static int
get(lua_State *L)
{
	if (lua_touserdata(L, 1) == &sl_hsl_unset)
		return luaL_error(L, "$%s is not assigned", lua_tostring(L, 2));
	lua_settop(L, 1);
	return 1;
}

/* mine(value, name): main code's variable of a fact's name, which is the fact until it is assigned */
static int
mine(lua_State *L)
{
	if (lua_touserdata(L, 1) == &sl_hsl_unset) {
		lua_remove(L, 1);
		return fact(L);
	}
	lua_settop(L, 1);
	return 1;
}

/* The same, where none is as good. */
static int
mine_quiet(lua_State *L)
{
	unsigned phases;

	if (lua_touserdata(L, 1) != &sl_hsl_unset) {
		lua_settop(L, 1);
		return 1;
	}
	if (push_fact(L, luaL_checkstring(L, 2), &phases) != 1)
		lua_pushnil(L);
	return 1;
}

static int
quiet(lua_State *L)
{
	lua_settop(L, 1);
	if (lua_touserdata(L, 1) == &sl_hsl_unset)
		lua_pushnil(L);
	return 1;
}

/* ---- included files ---------------------------------------------------------------------- */

enum { INCLUDE_DEFINITIONS = 1, INCLUDE_CODE, INCLUDE_CODE_ONCE };

static int
included(lua_State *L, int status, lua_KContext results)
{
	(void)status;
	if (sl_running(L)->ending)
		return sl_go_on_ending(L);
	return (int)results;
}

/* True the first time for this path and these shared variables. */
static bool
first_time(lua_State *L)
{
	bool first;

	lua_pushfstring(L, "include_once %s", lua_tostring(L, 1));
	lua_pushvalue(L, -1);
	first = lua_rawget(L, 2) == LUA_TNIL;
	lua_pop(L, 1);
	lua_pushboolean(L, 1);
	lua_rawset(L, 2);
	return first;
}

/* include(path, shared, mode): whether the file's code ended by "return", and its value */
static int
include(lua_State *L)
{
	struct sl_run *run = sl_running(L);
	struct sl_str path = sl_arg_string(L, 1);
	lua_Integer mode = lua_tointeger(L, 3);
	bool hsl = sl_str_ends(path, SL_STR(".hsl"));

	if (mode == INCLUDE_CODE_ONCE && !first_time(L))
		return 0;
	lua_pushfstring(L, hsl ? SL_HSL_INCLUDED "%s" : "%s", path.p);
	if (!sl_chunk_push(L, run->program, lua_tostring(L, -1)))
		return luaL_error(L, "include: \"%s\" is not in the policy", path.p);
	sl_ref_push(L, run->scope->env);
	if (hsl) {
		lua_pushvalue(L, 2);
		lua_pushinteger(L, mode == INCLUDE_DEFINITIONS ? mode : INCLUDE_CODE);
	}
	lua_callk(L, hsl ? 3 : 1, hsl ? 2 : 0, hsl ? 2 : 0, included);
	return included(L, LUA_OK, hsl ? 2 : 0);
}

/* ---- the table ----------------------------------------------------------------------------- */

bool
sl_hsl_calls(lua_State *L)
{
	lua_Debug ar;
	size_t n;

	if (lua_getstack(L, 1, &ar) == 0 || lua_getinfo(L, "S", &ar) == 0 || ar.what[0] == 'C')
		return false;
	n = strlen(ar.source);
	return n > 4 && strcmp(ar.source + n - 4, ".hsl") == 0;
}

int
sl_hsl_level(lua_State *L)
{
	lua_Debug ar;
	int i;

	for (i = 0; lua_getstack(L, i, &ar) != 0 && lua_getinfo(L, "S", &ar) != 0; i++)
		if (ar.what[0] != 'C')
			return sl_program_level(sl_running(L)->program, ar.source + 1);
	return 0;
}

void
sl_hsl_function(lua_State *L, lua_CFunction fn)
{
	lua_pushnil(L);
	lua_pushlightuserdata(L, (void *)(uintptr_t)&sl_hsl_mark);
	lua_pushcclosure(L, fn, 2);
}

void
sl_hsl_functions(lua_State *L, const luaL_Reg *functions)
{
	for (; functions->name != NULL; functions++) {
		sl_hsl_function(L, functions->func);
		lua_setfield(L, -2, functions->name);
	}
}

static void
set_light(lua_State *L, const char *name, const void *p)
{
	lua_pushlightuserdata(L, (void *)(uintptr_t)p);
	lua_setfield(L, -2, name);
}

void
sl_open_hsl(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "enter", enter }, { "fact", fact }, { "mine", mine }, { "mine_quiet", mine_quiet },
		{ "var", var }, { "put", put }, { "own_variables", own_variables },
		{ "peek", peek }, { "let", let }, { "forget", forget }, { "get", get },
		{ "quiet", quiet }, { "include", include }, { NULL, NULL },
	};
	static const luaL_Reg meta[] = {
		{ "__index", functions_index }, { "__newindex", sl_hsl_define }, { NULL, NULL },
	};
	struct sl_vm *vm = sl_vm_from(L);

	lua_newtable(L);
	sl_hsl_functions(L, meta);
	vm->refs.hsl_functions_meta = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_newtable(L);
	sl_hsl_functions(L, functions);
	sl_hsl_open_operators(L);
	sl_hsl_open_arrays(L);
	sl_hsl_open_elements(L);
	sl_hsl_open_control(L);
	sl_hsl_open_calls(L);
	sl_hsl_open_objects(L);
	sl_hsl_open_modules(L);
	set_light(L, "unset", &sl_hsl_unset);
	set_light(L, "end", &sl_hsl_end);
	set_light(L, "spread", &sl_hsl_spread);
	sl_ref_push(L, vm->refs.hsl_names);
	lua_setfield(L, -2, "builtins");
	/* where Lua looks for the name of a builtin that was called through a value */
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	sl_ref_push(L, vm->refs.hsl_names);
	lua_setfield(L, -2, LUA_GNAME);
	lua_pop(L, 1);
	vm->refs.hsl = luaL_ref(L, LUA_REGISTRYINDEX);
}
