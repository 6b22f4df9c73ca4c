/* The one kind of waiting. */
#include "internal.h"

typedef int result_fn(lua_State *L, struct sl_op *op);

static int
deliver(lua_State *L, struct sl_run *run, result_fn *done)
{
	int n = done(L, run->op);

	sl_op_release(run->op);
	run->op = NULL;
	return n;
}

static int
continued(lua_State *L, int status, lua_KContext done)
{
	struct sl_run *run = sl_running(L);

	(void)status;
	if (run->ending)
		return sl_go_on_ending(L);
	return deliver(L, run, (result_fn *)done);
}

int
sl_await(lua_State *L, struct sl_op *op, int (*done)(lua_State *L, struct sl_op *op))
{
	struct sl_run *run = sl_running(L);

	if (op == NULL)
		return luaL_error(L, "out of memory");
	sl_op_release(run->op);		/* of a result that raised */
	run->op = op;
	sl_spend(L, SL_BUDGET_OPS, 1);
	if (op->done)
		return deliver(L, run, done);
	if (run->unyieldable > 0 || !lua_isyieldable(L))
		return luaL_error(L, "a function that waits can't be called here");
	run->passing = true;
	return lua_yieldk(L, 0, (lua_KContext)done, continued);
}
