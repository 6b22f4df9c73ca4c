/*
 * Script coroutines. What leaves a coroutine by a yield is one of three: the
 * script's own yield, an operation or slice that the whole run waits for
 * (run->passing: handed on outwards), or the end of the run.
 */
#include "internal.h"

#define SPAWN_COST	200	/* steps */

static int resume_continued(lua_State *L, int status, lua_KContext wrapped);

static lua_State *
coroutine_arg(lua_State *L, int arg)
{
	lua_State *co = lua_tothread(L, arg);

	luaL_argexpected(L, co != NULL, arg, "coroutine");
	return co;
}

static bool
is_over(lua_State *co)
{
	lua_Debug ar;

	if (lua_status(co) == LUA_YIELD)
		return false;
	return lua_status(co) != LUA_OK ||
	    (lua_getstack(co, 0, &ar) == 0 && lua_gettop(co) == 0);
}

static const char *
status_of(lua_State *L, lua_State *co)
{
	lua_Debug ar;

	if (L == co)
		return "running";
	if (is_over(co))
		return "dead";
	if (lua_status(co) == LUA_OK && lua_getstack(co, 0, &ar) != 0)
		return "normal";
	return "suspended";
}

/* The coroutine of a resume: argument 1, or the upvalue of a wrapped one. */
static lua_State *
target(lua_State *L, bool wrapped)
{
	return lua_tothread(L, wrapped ? lua_upvalueindex(1) : 1);
}

static int
failed(lua_State *L, lua_State *co, bool wrapped)
{
	if (sl_is_memory_error(co, lua_status(co), -1)) {
		sl_begin_ending(L, SL_RUN_LIMIT, "out of memory (%zu bytes)",
		    sl_running(L)->limits.memory);
		return sl_go_on_ending(L);
	}
	if (!wrapped) {
		lua_pushboolean(L, 0);
		lua_xmove(co, L, 1);
		return 2;
	}
	sl_error_passes(co, sl_running(L));
	lua_resetthread(co);		/* closes its variables; leaves the error on top */
	if (sl_running(L)->ending)
		return sl_go_on_ending(L);
	lua_xmove(co, L, 1);
	return lua_error(L);
}

static int
resume(lua_State *L, lua_State *co, int nargs, bool wrapped)
{
	struct sl_run *run = sl_running(L);
	bool blocked = !lua_isyieldable(L);
	int status, n;

	run->unyieldable += blocked;
	status = lua_resume(co, L, nargs, &n);
	run->unyieldable -= blocked;
	if (run->ending)
		return sl_go_on_ending(L);
	if (status == LUA_YIELD && run->passing)
		return lua_yieldk(L, 0, wrapped, resume_continued);
	if (status != LUA_OK && status != LUA_YIELD)
		return failed(L, co, wrapped);
	if (!lua_checkstack(L, n + 1))
		return luaL_error(L, "too many results to resume");
	if (!wrapped)
		lua_pushboolean(L, 1);
	lua_xmove(co, L, n);
	return n + !wrapped;
}

static int
resume_continued(lua_State *L, int status, lua_KContext wrapped)
{
	(void)status;
	if (sl_running(L)->ending)
		return sl_go_on_ending(L);
	return resume(L, target(L, wrapped), 0, wrapped);
}

static int
begin(lua_State *L, lua_State *co, int nargs, bool wrapped)
{
	const char *why = NULL;

	if (sl_running(L)->ending)
		return sl_go_on_ending(L);
	if (is_over(co))
		why = "cannot resume dead coroutine";
	else if (L == co || (lua_status(co) == LUA_OK && lua_gettop(co) == 0))
		why = "cannot resume non-suspended coroutine";
	else if (!lua_checkstack(co, nargs))
		why = "too many arguments to resume";
	if (why != NULL && wrapped)
		return luaL_error(L, "%s", why);
	if (why != NULL) {
		lua_pushboolean(L, 0);
		lua_pushstring(L, why);
		return 2;
	}
	sl_hook_install(co, false);	/* that of a former line may be one that ends */
	lua_xmove(L, co, nargs);
	return resume(L, co, nargs, wrapped);
}

static int
co_resume(lua_State *L)
{
	lua_State *co = coroutine_arg(L, 1);

	return begin(L, co, lua_gettop(L) - 1, false);
}

static int
co_wrapped(lua_State *L)
{
	return begin(L, target(L, true), lua_gettop(L), true);
}

static int
co_create(lua_State *L)
{
	lua_State *co;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	sl_charge(L, SPAWN_COST);
	co = lua_newthread(L);
	sl_hook_install(co, false);
	lua_pushvalue(L, 1);
	lua_xmove(L, co, 1);
	return 1;
}

static int
co_wrap(lua_State *L)
{
	co_create(L);
	lua_pushcclosure(L, co_wrapped, 1);
	return 1;
}

/* What is over gives nothing, however often it is called. */
static int
generated(lua_State *L)
{
	return is_over(target(L, true)) ? 0 : co_wrapped(L);
}

bool
sl_co_passed(lua_State *co)
{
	lua_CFunction raised;
	lua_Debug ar;

	if (lua_getstack(co, 0, &ar) == 0)
		return false;
	lua_getinfo(co, "f", &ar);
	raised = lua_tocfunction(co, -1);
	lua_pop(co, 1);
	return raised == co_wrapped || raised == generated;
}

int
sl_co_generator(lua_State *L)
{
	co_create(L);
	lua_pushcclosure(L, generated, 1);
	return 1;
}

static int
co_yield(lua_State *L)
{
	if (L == sl_running(L)->co)
		return luaL_error(L, "attempt to yield from outside a coroutine");
	return lua_yield(L, lua_gettop(L));
}

static int
co_status(lua_State *L)
{
	lua_pushstring(L, status_of(L, coroutine_arg(L, 1)));
	return 1;
}

static int
co_running(lua_State *L)
{
	lua_pushthread(L);
	lua_pushboolean(L, L == sl_running(L)->co);
	return 2;
}

static int
co_isyieldable(lua_State *L)
{
	lua_State *co = lua_isnone(L, 1) ? L : coroutine_arg(L, 1);

	lua_pushboolean(L, co != sl_running(L)->co && lua_isyieldable(co));
	return 1;
}

/* Closing runs the coroutine's pending __close, which can't be yielded out of:
 * an ending inside comes back as an error. */
static int
co_close(lua_State *L)
{
	lua_State *co = coroutine_arg(L, 1);
	struct sl_run *run = sl_running(L);
	const char *status = status_of(L, co);
	int rc;

	if (status[0] != 's' && status[0] != 'd')
		return luaL_error(L, "cannot close a %s coroutine", status);
	run->unyieldable++;
	rc = lua_resetthread(co);
	run->unyieldable--;
	if (run->ending)
		return sl_go_on_ending(L);
	lua_pushboolean(L, rc == LUA_OK);
	if (rc == LUA_OK)
		return 1;
	lua_xmove(co, L, 1);
	return 2;
}

void
sl_open_coroutine(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "create", co_create }, { "wrap", co_wrap }, { "resume", co_resume },
		{ "yield", co_yield }, { "status", co_status }, { "running", co_running },
		{ "isyieldable", co_isyieldable }, { "close", co_close }, { NULL, NULL },
	};

	luaL_newlib(L, functions);
	sl_readonly_fast(L);
	lua_setfield(L, -2, "coroutine");
}
