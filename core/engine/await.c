/* The one kind of waiting. */
#include "internal.h"

static int
deliver(lua_State *L, struct sl_run *run)
{
	int n = run->op_done(L, run->op);

	sl_op_release(run->op);
	run->op = NULL;
	return n;
}

/* A coroutine that a REPL's former line left in the middle of waiting finds
 * that line's operation gone. */
static int
continued(lua_State *L, int status, lua_KContext wait)
{
	struct sl_run *run = sl_running(L);
	int n;

	(void)status;
	if (run->ending)
		return sl_go_on_ending(L);
	if (run->op == NULL || (uint64_t)wait != run->wait)
		return luaL_error(L, "what this coroutine waited for has ended");
	n = deliver(L, run);
	if (sl_is_taped(run, sl_builtin_running(L)))
		sl_taped_note(L, run, n);
	if (sl_is_traced(run))
		sl_trace_result(L, sl_builtin_running(L), n);
	return n;
}

int
sl_await(lua_State *L, struct sl_op *op, int (*done)(lua_State *L, struct sl_op *op))
{
	struct sl_run *run = sl_running(L);

	if (op == NULL)
		return luaL_error(L, "out of memory");
	sl_op_release(run->op);		/* of a result that raised */
	run->op = op;
	run->op_done = done;
	run->wait = ++run->vm->waits;
	sl_spend(L, SL_BUDGET_OPS, 1);
	if (op->done)
		return deliver(L, run);
	if (run->unyieldable > 0 || !lua_isyieldable(L))
		return luaL_error(L, "a function that waits can't be called here");
	run->passing = true;
	return lua_yieldk(L, 0, (lua_KContext)run->wait, continued);
}
