/*
 * Events of the level trace, one for each call of a builtin and one for its
 * result. Whoever doesn't trace pays for a comparison.
 */
#include "internal.h"

#define MAX_TEXT	1000	/* bytes of arguments, of results */

static void
describe(lua_State *L, int from, int to, struct sl_buf *out)
{
	int i;

	for (i = from; i <= to; i++) {
		if (i > from)
			sl_buf_puts(out, ", ");
		sl_describe(L, i, out, MAX_TEXT);
	}
}

/* Describing may raise for lack of memory: the text would be lost then. */
struct telling {
	struct sl_buf text;
	int from, to;
};

static int
protected_describe(lua_State *L)
{
	struct telling *t = lua_touserdata(L, lua_upvalueindex(1));

	describe(L, 1, lua_gettop(L), &t->text);
	return 0;
}

static void
describe_safely(lua_State *L, struct telling *t)
{
	int i;

	luaL_checkstack(L, t->to - t->from + 4, NULL);
	lua_pushlightuserdata(L, t);
	lua_pushcclosure(L, protected_describe, 1);
	for (i = t->from; i <= t->to; i++)
		lua_pushvalue(L, i);
	if (lua_pcall(L, t->to - t->from + 1, 0, 0) != LUA_OK)
		lua_pop(L, 1);
}

void
sl_trace_call(lua_State *L, const struct sl_builtin *row)
{
	struct sl_run *run = sl_running(L);
	struct telling t = { SL_BUF_INIT, 1, lua_gettop(L) };

	describe_safely(L, &t);
	sl_event(run->vm->events, SL_TRACE, "call", SL_FIELDS(
	    SL_F_TEXT("id", run->spec.id), SL_F_TEXT("phase", run->spec.name),
	    SL_F_TEXT("where", sl_where(L)), SL_F_TEXT("builtin", row->name),
	    SL_F_STR("arguments", sl_buf_str(&t.text))));
	sl_buf_clear(&t.text);
}

void
sl_trace_result(lua_State *L, const struct sl_builtin *row, int n)
{
	struct sl_run *run = sl_running(L);
	struct telling t = { SL_BUF_INIT, lua_gettop(L) - n + 1, lua_gettop(L) };

	if (row == NULL)
		return;
	describe_safely(L, &t);
	sl_event(run->vm->events, SL_TRACE, "result", SL_FIELDS(
	    SL_F_TEXT("id", run->spec.id), SL_F_TEXT("builtin", row->name),
	    SL_F_STR("result", sl_buf_str(&t.text))));
	sl_buf_clear(&t.text);
}
