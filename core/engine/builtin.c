/* The table of builtins and the guard in front of each. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

static const char *const phase_names[] = {
	"connect", "helo", "auth", "mailfrom", "rcptto", "eod", "data",
	"predelivery", "postdelivery", "disconnect", "exec",
};

#define NPHASES	(sizeof(phase_names) / sizeof(phase_names[0]))

const char *
sl_phases_text(unsigned phases, char *out, size_t size)
{
	size_t i, n = 0;

	out[0] = '\0';
	for (i = 0; i < NPHASES && n < size; i++)
		if (phases & (1u << i))
			n += (size_t)snprintf(out + n, size - n, "%s%s", n > 0 ? ", " : "",
			    phase_names[i]);
	return out;
}

static int guard(lua_State *L);

/* The library's function that keeps the run from waiting: builtins that call
 * functions don't. */
static const char *
blocker(lua_State *L)
{
	lua_Debug ar;
	bool builtin;
	int level;

	for (level = 1; lua_getstack(L, level, &ar) != 0; level++) {
		lua_getinfo(L, "Snf", &ar);
		builtin = lua_tocfunction(L, -1) == guard;
		lua_pop(L, 1);
		if (ar.what[0] == 'C' && ar.name != NULL && !builtin)
			return ar.name;
	}
	return "a callback";
}

static int
wrong_phase(lua_State *L, const struct sl_builtin *row, const struct sl_run *run)
{
	char here[64], there[160];

	return luaL_error(L, "%s can't be called in %s, only in %s", row->name,
	    sl_phases_text(run->spec.phase, here, sizeof(here)),
	    sl_phases_text(row->flags & SL_AT_ANY, there, sizeof(there)));
}

/* ---- none as an argument ------------------------------------------------ */

/*
 * In HSL none for an argument that is needed isn't an error: published scripts
 * hand on what a dead API gave. The builtin gives none, or false, and an event says so. Only
 * calls with a none among their arguments are made in this way.
 */
static int
none_given(lua_State *L, int status, lua_KContext ctx)
{
	const struct sl_builtin *row = lua_touserdata(L, lua_upvalueindex(1));
	struct sl_run *run = sl_running(L);

	(void)ctx;
	if (run->ending)
		return sl_go_on_ending(L);
	if (status == LUA_YIELD && sl_is_taped(run, row))
		sl_taped_note(L, run, lua_gettop(L));
	if (status == LUA_OK || status == LUA_YIELD)
		return lua_gettop(L);
	if (sl_is_memory_error(L, status, -1)) {
		sl_begin_ending(L, SL_RUN_LIMIT, "out of memory (%zu bytes)", run->limits.memory);
		return sl_go_on_ending(L);
	}
	if (lua_touserdata(L, -1) != &sl_none_argument)
		return lua_error(L);
	sl_event(sl_vm_events(run->vm), SL_NOTICE, "none_argument", SL_FIELDS(
	    SL_F_TEXT("id", sl_vm_run_id(L)), SL_F_TEXT("builtin", row->name),
	    SL_F_TEXT("where", sl_where(L))));
	if ((row->flags & SL_YES_NO) == 0)
		return 0;
	lua_pushboolean(L, 0);
	return 1;
}

static int
call_row(lua_State *L)
{
	const struct sl_builtin *row = lua_touserdata(L, lua_upvalueindex(1));

	return row->fn(L);
}

bool
sl_none_is_caught(lua_State *L)
{
	lua_Debug ar;
	bool caught;

	if (lua_getstack(L, 0, &ar) == 0 || lua_getinfo(L, "f", &ar) == 0)
		return false;
	caught = lua_tocfunction(L, -1) == call_row;
	lua_pop(L, 1);
	return caught;
}

static bool
has_none(lua_State *L)
{
	int i;

	for (i = lua_gettop(L); i > 0; i--)
		if (lua_isnil(L, i))
			return true;
	return false;
}

/* The row's function as one of its own, so that it can be left. */
static int
call_with_none(lua_State *L, const struct sl_builtin *row)
{
	int n = lua_gettop(L), status;

	lua_pushlightuserdata(L, (void *)(uintptr_t)row);
	lua_pushlightuserdata(L, (void *)(uintptr_t)&sl_hsl_mark);
	lua_pushcclosure(L, call_row, 2);
	lua_insert(L, 1);
	status = lua_pcallk(L, n, LUA_MULTRET, 0, 0, none_given);
	return none_given(L, status, 0);
}

static int
guard(lua_State *L)
{
	const struct sl_builtin *row = lua_touserdata(L, lua_upvalueindex(1));
	struct sl_run *run = sl_running(L);
	int n;

	if (run == NULL)
		return row->fn(L);	/* sl_vm_eval: functions of the configuration */
	if (run->ending)
		return sl_go_on_ending(L);
	if ((row->flags & run->spec.phase) == 0)
		return wrong_phase(L, row, run);
	if (run->vm->now != NULL)
		memccpy(run->vm->now->builtin, row->name, '\0', sizeof(run->vm->now->builtin) - 1);
	if ((row->flags & SL_WAITS) && (run->unyieldable > 0 || !lua_isyieldable(L)))
		return luaL_error(L, "%s waits and can't be called inside %s", row->name, blocker(L));
	if (sl_is_traced(run))
		sl_trace_call(L, row);
	if (!sl_taped_call(L, row, &n)) {
		n = sl_is_hsl(L) && has_none(L) ? call_with_none(L, row) : row->fn(L);
		if (sl_is_taped(run, row))
			sl_taped_note(L, run, n);
	}
	if (sl_is_traced(run))
		sl_trace_result(L, row, n);
	if (row->flags & SL_FINAL)
		run->finals_returned++;
	return n;
}

static void
add_method(lua_State *L, const struct sl_builtin *row)
{
	if ((row->flags & SL_HSL) == 0) {
		lua_pushlightuserdata(L, (void *)(uintptr_t)row);
		lua_pushcclosure(L, guard, 1);
		sl_method_add(L, row->name, false);
	}
	lua_pushlightuserdata(L, (void *)(uintptr_t)row);
	lua_pushlightuserdata(L, (void *)(uintptr_t)&sl_hsl_mark);
	lua_pushcclosure(L, guard, 2);
	sl_method_add(L, row->name, true);
}

/* Pushes the table that stands behind Lua's read-only one of a class, made on first use. */
static int
push_class(lua_State *L, struct sl_str class, int names)
{
	lua_pushlstring(L, class.p, class.n);
	lua_rawget(L, names);
	if (!lua_isnil(L, -1)) {
		sl_readonly_real(L, -1);
		lua_remove(L, -2);
		return 0;
	}
	lua_pop(L, 1);
	lua_newtable(L);
	lua_pushlstring(L, class.p, class.n);
	lua_pushvalue(L, -2);
	sl_readonly(L);
	lua_rawset(L, names);
	return sl_dict_set(sl_vm_from(L)->classes, class, (void *)(uintptr_t)&sl_hsl_mark, NULL);
}

/* Lua knows it by its name, in the table at 'names', and which names are builtins. */
static int
add_to_lua(lua_State *L, const struct sl_builtin *row, int names)
{
	const char *dot = strchr(row->name, '.');

	if (dot != NULL && push_class(L, (struct sl_str){ row->name, (size_t)(dot - row->name) }, names) != 0)
		return SL_ERR_NOMEM;
	lua_pushlightuserdata(L, (void *)(uintptr_t)row);
	lua_pushcclosure(L, guard, 1);
	if (dot == NULL) {
		lua_setfield(L, names, row->name);
	} else {
		lua_setfield(L, -2, dot + 1);
		lua_pop(L, 1);
	}
	return sl_dict_set(sl_vm_from(L)->rows, sl_str_of(row->name), (void *)(uintptr_t)row, NULL);
}

int
sl_builtins_add(struct sl_vm *vm, const struct sl_builtin *rows)
{
	lua_State *L = vm->L;
	const struct sl_builtin *row;
	int rc;

	sl_ref_push(L, vm->refs.names);
	sl_ref_push(L, vm->refs.hsl_names);
	for (row = rows; row->name != NULL; row++) {
		if (strchr(row->name, ':') != NULL) {
			add_method(L, row);
			continue;
		}
		if ((row->flags & SL_HSL) == 0 && (rc = add_to_lua(L, row, lua_gettop(L) - 1)) != 0) {
			lua_pop(L, 2);
			return rc;
		}
		lua_pushlightuserdata(L, (void *)(uintptr_t)row);
		lua_pushlightuserdata(L, (void *)(uintptr_t)&sl_hsl_mark);
		lua_pushcclosure(L, guard, 2);
		lua_setfield(L, -2, row->name);
	}
	lua_pop(L, 2);
	return 0;
}

const struct sl_builtin *
sl_builtin_at(lua_State *L, int index)
{
	const struct sl_builtin *row;

	if (lua_tocfunction(L, index) != guard || lua_getupvalue(L, index, 1) == NULL)
		return NULL;
	row = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return row;
}

const struct sl_builtin *
sl_builtin_running(lua_State *L)
{
	lua_Debug ar;
	bool ours;

	if (lua_getstack(L, 0, &ar) == 0 || lua_getinfo(L, "f", &ar) == 0)
		return NULL;
	ours = lua_tocfunction(L, -1) == guard || lua_tocfunction(L, -1) == call_row;
	lua_pop(L, 1);
	return ours ? lua_touserdata(L, lua_upvalueindex(1)) : NULL;
}

void *
sl_run_host(lua_State *L)
{
	return sl_run_meant(sl_running(L))->spec.host;
}

unsigned
sl_run_phase(lua_State *L)
{
	return sl_running(L)->spec.phase;
}

int64_t
sl_run_age_us(lua_State *L)
{
	return sl_clock_us() - sl_running(L)->started_us;
}

/* ---- failures of the world --------------------------------------------- */

int
sl_fail(lua_State *L, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	lua_pushnil(L);
	lua_pushvfstring(L, fmt, ap);
	va_end(ap);
	lua_pushstring(L, code);
	return 3;
}

int
sl_fail_err(lua_State *L, const struct sl_err *err)
{
	return sl_fail(L, sl_err_word(err->code), "%s", err->text);
}
