/*
 * Endings: final actions, limits and kills, by one mechanism.
 *
 * The flag run->ending decides, never an error value: a script may catch an
 * error, but whatever catches it looks at the flag and goes on ending. Control
 * leaves by a yield where that is possible, for a yield runs no script code on
 * its way; elsewhere by an error, whose handlers (__close, message handlers)
 * are stopped at their first instruction by a hook of count 1.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hsl.h"

static const char sentinel = 0;

int
sl_go_on_ending(lua_State *L)
{
	sl_hook_install(L, true);
	if (lua_isyieldable(L))
		return lua_yield(L, 0);
	lua_pushlightuserdata(L, (void *)(uintptr_t)&sentinel);
	return lua_error(L);
}

void
sl_begin_ending(lua_State *L, enum sl_run_end how, const char *fmt, ...)
{
	struct sl_run *run = sl_running(L);
	char text[256];
	va_list ap;

	if (run->ending)
		return;
	run->ending = true;
	run->how = how;
	sl_buf_reset(&run->where);
	sl_position(L, &run->where);
	if (how == SL_RUN_ENDED)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sl_err_set(&run->err, how == SL_RUN_LIMIT ? SL_ERR_LIMIT : SL_ERR_CANCELED, "%s: %s",
	    run->where.n > 0 ? run->where.p : run->spec.name, text);
}

/* Who holds something outside learns what the script would have done at its end. */
static void
call_before_end(lua_State *L)
{
	struct sl_at_end *at_end = NULL;

	while ((at_end = sl_run_at_end_next(L, at_end)) != NULL) {
		if (at_end->before == NULL)
			continue;
		sl_hsl_function(L, at_end->before);
		lua_pushlightuserdata(L, at_end);
		sl_ref_push(L, at_end->ref);
		if (lua_pcall(L, 2, 0, 0) != LUA_OK)
			lua_pop(L, 1);
	}
}

int
sl_end(lua_State *L)
{
	call_before_end(L);
	sl_begin_ending(L, SL_RUN_ENDED, "%s", "");
	return sl_go_on_ending(L);
}

/* An allocation refused even after a collection is a limit, not an error that
 * the script may handle. */
int
sl_is_memory_error(lua_State *L, int status, int index)
{
	const char *text;

	if (status == LUA_ERRMEM)
		return 1;
	if (status != LUA_ERRRUN || lua_type(L, index) != LUA_TSTRING)
		return 0;
	text = lua_tostring(L, index);
	return strcmp(text, "not enough memory") == 0;
}
