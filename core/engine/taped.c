/*
 * Builtins with SL_TAPED: what they give is all that a script sees of the outside, and no door
 * below them could be told apart (sockets, functions of a host). Their results are noted, and
 * on a tape that plays they are given without a call.
 */
#include "doors.h"
#include "internal.h"
#include "plain.h"

/* "data ann@example.org Socket:send" and the arguments; objects are all alike. */
static void
put_question(lua_State *L, const struct sl_run *run, const struct sl_builtin *row, struct sl_buf *out)
{
	int i, top = lua_gettop(L);
	struct sl_str s;
	struct sl_err err;

	sl_buf_printf(out, "%s%s%s %s", run->spec.name, run->spec.recipient != NULL ? " " : "",
	    run->spec.recipient != NULL ? run->spec.recipient : "", row->name);
	for (i = 1; i <= top; i++) {
		sl_buf_putc(out, '\0');
		if (lua_type(L, i) == LUA_TUSERDATA && !sl_is_plain(L, i)) {
			sl_buf_putc(out, '#');
		} else if (lua_type(L, i) == LUA_TTABLE || lua_type(L, i) == LUA_TUSERDATA) {
			sl_json_encode(L, i, out, false, false, &err);
		} else {
			s.p = luaL_tolstring(L, i, &s.n);
			sl_buf_putstr(out, s);
			lua_pop(L, 1);
		}
	}
}

void
sl_taped_note(lua_State *L, struct sl_run *run, int n)
{
	struct sl_buf value = SL_BUF_INIT, bytes = SL_BUF_INIT;
	int i, first = lua_gettop(L) - n + 1;
	struct sl_err err;

	for (i = first; i < first + n && !value.failed; i++) {
		sl_buf_reset(&bytes);
		if (lua_rawequal(L, i, 1) && lua_type(L, i) == LUA_TUSERDATA)
			sl_tape_put(&value, "this", SL_STR(""));
		else if (sl_plain_encode(L, i, &bytes, &err) != 0 ||
		    !sl_plain_to_parts(sl_buf_str(&bytes), &value))
			value.failed = true;
	}
	if (!value.failed && !run->question.failed)
		sl_tape_note(run->spec.tape, "call", sl_buf_str(&run->question), sl_buf_str(&value));
	sl_buf_clear(&run->question);
	sl_buf_clear(&value);
	sl_buf_clear(&bytes);
}

/* The results on top; their number. */
static int
give(lua_State *L, struct sl_str parts)
{
	struct sl_str name, value, bytes;
	struct sl_buf *one;
	struct sl_err err;
	int n = 0;

	while (sl_tape_part(&parts, &name, &value)) {
		luaL_checkstack(L, 4, "too many results");
		n++;
		if (sl_str_eq(name, SL_STR("this"))) {
			lua_pushvalue(L, 1);
			continue;
		}
		one = sl_scratch(L);
		if (!sl_plain_from_part(name, value, one))
			return luaL_error(L, "the capture has no such results");
		bytes = sl_buf_str(one);
		if (sl_plain_decode(L, &bytes, &err) != 0)
			return luaL_error(L, "%s", err.text);
	}
	return n;
}

bool
sl_taped_call(lua_State *L, const struct sl_builtin *row, int *n)
{
	struct sl_run *run = sl_running(L);
	struct sl_str value;

	if (!sl_is_taped(run, row))
		return false;
	sl_buf_clear(&run->question);
	put_question(L, run, row, &run->question);
	if (!sl_tape_plays(run->spec.tape))
		return false;
	if (sl_tape_find(run->spec.tape, "call", sl_buf_str(&run->question), SL_TAPE_ONCE, &value)) {
		*n = give(L, value);
	} else {
		sl_tape_miss(run->spec.tape, "call", sl_buf_str(&run->question));
		*n = sl_fail(L, "io", "this isn't in the capture");
	}
	return true;
}
