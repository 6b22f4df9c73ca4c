/* The machine: one Lua state, its sandbox, its builtins. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* ---- life -------------------------------------------------------------------------- */

static int
open_protected(lua_State *L)
{
	struct sl_vm *vm = sl_vm_from(L);
	const struct sl_module *m;

	sl_sandbox_open(L);
	sl_open_hsl(L);
	for (m = sl_modules; m->name != NULL; m++)
		if (sl_builtins_add(vm, m->builtins) != 0)
			return luaL_error(L, "out of memory");
	return 0;
}

/* The table "builtin": every original, whatever a script redefines. */
static int
builtin_index(lua_State *L)
{
	struct sl_vm *vm = sl_vm_from(L);
	size_t n;
	const char *name = luaL_checklstring(L, 2, &n);

	if (!sl_dict_has(vm->rows, (struct sl_str){ name, n }) &&
	    !sl_dict_has(vm->classes, (struct sl_str){ name, n }))
		return luaL_error(L, "there is no builtin %s", name);
	sl_ref_push(L, vm->refs.names);
	lua_pushvalue(L, 2);
	lua_rawget(L, -2);
	return 1;
}

static int
builtin_refuse(lua_State *L)
{
	return luaL_error(L, "the table builtin is read-only: define a function %s instead",
	    luaL_tolstring(L, 2, NULL));
}

static int
open_builtin_table(lua_State *L)
{
	sl_ref_push(L, sl_vm_from(L)->refs.names);
	lua_newtable(L);
	lua_newtable(L);
	lua_pushcfunction(L, builtin_index);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, builtin_refuse);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_setfield(L, -2, "builtin");
	return 0;
}

static int
call_protected(lua_State *L, lua_CFunction fn, struct sl_err *err)
{
	lua_pushcfunction(L, fn);
	if (lua_pcall(L, 0, 0, 0) == LUA_OK)
		return 0;
	sl_err_set(err, SL_ERR_NOMEM, "%s", lua_tostring(L, -1));
	lua_pop(L, 1);
	return err != NULL ? err->code : SL_ERR_NOMEM;
}

struct sl_vm *
sl_vm_new(struct sl_loop *loop, struct sl_events *events, struct sl_err *err)
{
	struct sl_vm *vm = sl_calloc(1, sizeof(*vm));

	if (vm == NULL)
		goto nomem;
	sl_list_init(&vm->runs);
	sl_list_init(&vm->waiting);
	vm->loop = loop;
	vm->events = events;
	vm->rows = sl_dict_new();
	vm->classes = sl_dict_new();
	vm->secrets = sl_dict_new();
	vm->cache = sl_cache_new(loop);
	if (vm->rows == NULL || vm->classes == NULL || vm->secrets == NULL || vm->cache == NULL ||
	    sl_accounts_init(&vm->accounts) != 0)
		goto nomem;
	vm->L = lua_newstate(sl_lua_alloc, &vm->accounts);
	if (vm->L == NULL)
		goto nomem;
	*(struct sl_vm **)lua_getextraspace(vm->L) = vm;
	if (call_protected(vm->L, open_protected, err) == 0 &&
	    call_protected(vm->L, open_builtin_table, err) == 0)
		return vm;
	sl_vm_free(vm);
	return NULL;
nomem:
	sl_vm_free(vm);
	sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	return NULL;
}

void
sl_vm_free(struct sl_vm *vm)
{
	if (vm == NULL)
		return;
	while (!sl_list_empty(&vm->waiting))
		sl_run_kill(sl_list_entry(vm->waiting.next, struct sl_run, link));
	while (!sl_list_empty(&vm->runs))
		sl_run_kill(sl_list_entry(vm->runs.next, struct sl_run, link));
	sl_vm_step(vm, SL_STEP_OFF);
	if (vm->L != NULL)
		lua_close(vm->L);
	sl_accounts_clear(&vm->accounts);
	sl_cache_free(vm->cache);
	sl_dict_free(vm->rows, NULL);
	sl_dict_free(vm->classes, NULL);
	sl_dict_free(vm->secrets, sl_free);
	sl_buf_clear(&vm->where);
	sl_buf_clear(&vm->scratch);
	sl_free(vm);
}

size_t
sl_vm_memory(const struct sl_vm *vm)
{
	return (size_t)lua_gc(vm->L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(vm->L, LUA_GCCOUNTB);
}

unsigned
sl_vm_runs(const struct sl_vm *vm)
{
	return vm->alive;
}

struct sl_loop *
sl_vm_loop(const struct sl_vm *vm)
{
	return vm->loop;
}

struct sl_vm *
sl_vm_of(lua_State *L)
{
	return sl_vm_from(L);
}

struct sl_events *
sl_vm_events(const struct sl_vm *vm)
{
	return vm->events;
}

struct sl_cache *
sl_vm_cache(const struct sl_vm *vm)
{
	return vm->cache;
}

void
sl_vm_show(struct sl_vm *vm, struct sl_now *now)
{
	vm->now = now;
}

void
sl_vm_interrupt(struct sl_vm *vm)
{
	vm->interrupted = 1;
}

void
sl_vm_set_owner(struct sl_vm *vm, void *owner)
{
	vm->owner = owner;
}

void *
sl_vm_owner(const struct sl_vm *vm)
{
	return vm->owner;
}

static int
add_protected(lua_State *L)
{
	if (sl_builtins_add(sl_vm_from(L), lua_touserdata(L, 1)) != 0)
		return luaL_error(L, "out of memory");
	return 0;
}

int
sl_vm_add_builtins(struct sl_vm *vm, const struct sl_builtin *rows)
{
	lua_pushcfunction(vm->L, add_protected);
	lua_pushlightuserdata(vm->L, (void *)(uintptr_t)rows);
	if (lua_pcall(vm->L, 1, 0, 0) == LUA_OK)
		return 0;
	lua_pop(vm->L, 1);
	return SL_ERR_NOMEM;
}

void
sl_vm_set_facts(struct sl_vm *vm, const char *(*name)(size_t i))
{
	vm->facts = name;
}

void
sl_vm_on_echo(struct sl_vm *vm, void (*fn)(void *arg, struct sl_str line), void *arg)
{
	vm->echo = fn;
	vm->echo_arg = arg;
}

void
sl_vm_echo(struct sl_vm *vm, struct sl_str line)
{
	if (vm->echo != NULL)
		vm->echo(vm->echo_arg, line);
}

struct sl_buf *
sl_scratch(lua_State *L)
{
	struct sl_buf *b = &sl_vm_from(L)->scratch;

	sl_buf_reset(b);
	b->limit = 0;
	return b;
}

/* ---- plain data from a chunk --------------------------------------------------------- */

#define EVAL_STEPS	200000000
#define EVAL_MEMORY	(512 * 1024 * 1024)	/* a million rows of a relay table fit */

struct eval {
	const char *name;
	struct sl_str source;
	const struct sl_builtin *functions;
	struct json_t **out;
	struct sl_err *err;
};

void *
sl_vm_eval_host(lua_State *L)
{
	return sl_running(L)->spec.host;
}

static int
eval_undefined(lua_State *L)
{
	return luaL_error(L, "%s is not defined here", luaL_tolstring(L, 2, NULL));
}

/* What reads files of a program, of which a configuration has none. */
static bool
needs_program(const char *name)
{
	return strcmp(name, "include") == 0 || strcmp(name, "require") == 0 ||
	    strcmp(name, "data") == 0 || strcmp(name, "load") == 0;
}

void
sl_push_library(lua_State *L)
{
	struct sl_vm *vm = sl_vm_from(L);
	size_t n;

	lua_newtable(L);
	sl_ref_push(L, vm->refs.names);
	lua_pushnil(L);
	while (lua_next(L, -2) != 0) {
		struct sl_str name = { lua_tolstring(L, -2, &n), 0 };

		name.n = n;
		if (!sl_dict_has(vm->rows, name) && !sl_dict_has(vm->classes, name) &&
		    !needs_program(name.p)) {
			lua_pushvalue(L, -2);
			lua_pushvalue(L, -2);
			lua_settable(L, -6);
		}
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

/* Lua's library, and the given functions. */
static void
push_eval_env(lua_State *L, const struct sl_builtin *row)
{
	sl_push_library(L);
	for (; row != NULL && row->name != NULL; row++) {
		lua_pushcfunction(L, row->fn);
		lua_setfield(L, -2, row->name);
	}
	lua_newtable(L);
	lua_pushcfunction(L, eval_undefined);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
}

static int
eval_protected(lua_State *L)
{
	struct eval *e = lua_touserdata(L, 1);
	char name[300];

	snprintf(name, sizeof(name), "@%s", e->name);
	if (luaL_loadbufferx(L, e->source.p, e->source.n, name, "t") != LUA_OK) {
		sl_syntax_place(L, name, SL_STR(""), e->source);
		return lua_error(L);
	}
	push_eval_env(L, e->functions);
	lua_setupvalue(L, -2, 1);
	lua_call(L, 0, 1);
	if (!lua_istable(L, -1))
		return luaL_error(L, "%s: must return a table", e->name);
	if (sl_json_tree(L, -1, e->out, e->err) != 0)
		return luaL_error(L, "%s: %s", e->name, e->err->text);
	return 0;
}

/*
 * It runs as a run of its own that can't wait, so that its steps are counted
 * and its memory is charged to it.
 */
int
sl_bounded(struct sl_vm *vm, const struct sl_bounds *b, lua_CFunction fn, void *arg,
    struct sl_err *err)
{
	struct sl_run run = {
		.vm = vm, .limits = { .steps = b->steps, .memory = b->memory },
		.spec = { .phase = SL_AT_NONE, .name = b->name, .host = b->host },
		.own = { vm, LUA_NOREF, LUA_NOREF }, .scope = &run.own,
		.loaded_ref = LUA_NOREF, .co_ref = LUA_NOREF, .unyieldable = 1,
		.resumed_us = sl_clock_us(), .state = RUN_EXECUTING,
	};
	int rc;

	if (sl_account_open(&vm->accounts, b->memory, &run.account) != 0)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	vm->running = &run;
	vm->accounts.current = run.account;
	run.limits.slice_steps = UINT32_MAX;
	run.limits.time_ms = 60000;
	sl_hook_install(vm->L, false);
	lua_gc(vm->L, LUA_GCSTOP);	/* what is read is kept; the limit still collects */
	lua_pushcfunction(vm->L, fn);
	lua_pushlightuserdata(vm->L, arg);
	rc = lua_pcall(vm->L, 1, 0, 0);
	lua_gc(vm->L, LUA_GCRESTART);
	lua_sethook(vm->L, NULL, 0, 0);
	vm->running = NULL;
	vm->accounts.current = 0;
	if (!run.ending && rc != LUA_OK && sl_is_memory_error(vm->L, rc, -1))
		sl_err_set(err, SL_ERR_LIMIT, "%s: out of memory (%zu MB)", b->name, b->memory >> 20);
	else if (run.ending)
		sl_err_set(err, run.err.code, "%s", run.err.text);
	else if (rc != LUA_OK)
		sl_err_set(err, SL_ERR_SYNTAX, "%s", lua_type(vm->L, -1) == LUA_TSTRING ?
		    lua_tostring(vm->L, -1) : "the file raised a value that isn't a text");
	if (rc != LUA_OK)
		lua_pop(vm->L, 1);
	sl_buf_clear(&run.where);
	sl_account_close(&vm->accounts, run.account);
	return rc != LUA_OK ? err->code : 0;
}

int
sl_vm_eval(struct sl_vm *vm, const char *name, struct sl_str source,
    const struct sl_builtin *functions, void *host, struct json_t **out, struct sl_err *err)
{
	struct eval e = { name, source, functions, out, err };
	struct sl_bounds bounds = { name, EVAL_STEPS, EVAL_MEMORY, host };

	return sl_bounded(vm, &bounds, eval_protected, &e, err);
}
