/*
 * The words of a script error: "data.lua:12: DKIMSign: ... | source line, in
 * Deliver, called by the end of data.lua". Only script functions are named.
 */
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define MAX_LEVELS	12
#define MAX_SOURCE	120

bool
sl_position(lua_State *co, struct sl_buf *out)
{
	lua_Debug ar;
	int level;

	for (level = 0; lua_getstack(co, level, &ar) != 0; level++) {
		lua_getinfo(co, "Sl", &ar);
		if (ar.currentline > 0) {
			sl_buf_printf(out, "%s:%d", ar.short_src, ar.currentline);
			return true;
		}
	}
	return false;
}

const char *
sl_where(lua_State *L)
{
	struct sl_vm *vm = sl_vm_from(L);

	sl_buf_reset(&vm->where);
	if (!sl_position(L, &vm->where) || vm->where.p == NULL)
		return "?";
	return vm->where.p;
}

static void
add_stack(lua_State *co, const struct sl_run *run, struct sl_buf *out)
{
	lua_Debug ar;
	int level, named = 0;

	for (level = 0; named < MAX_LEVELS && lua_getstack(co, level, &ar) != 0; level++) {
		lua_getinfo(co, "Sn", &ar);
		if (ar.what[0] != 'L' || ar.name == NULL)
			continue;
		sl_buf_printf(out, "%s%s", named++ == 0 ? " (in " : ", called by ", ar.name);
	}
	if (named > 0 && run->element > run->spec.n)
		sl_buf_printf(out, ", called by the end of %s", run->spec.name);
	if (named > 0)
		sl_buf_putc(out, ')');
}

/* "file:12: ..." at the front of a message: its source line, trimmed. */
static void
add_source(const struct sl_run *run, struct sl_str text, struct sl_buf *out)
{
	struct sl_str path, rest = text, number, line;
	char name[512];
	uint64_t n;

	if (!sl_str_split(&rest, ':', &path) || !sl_str_split(&rest, ':', &number) ||
	    !sl_str_u64(number, &n) || path.n >= sizeof(name))
		return;
	memcpy(name, path.p, path.n);
	name[path.n] = '\0';
	line = sl_str_trim(sl_source_line(run->program, name, (int)n));
	if (line.n > 0)
		sl_buf_printf(out, " | %.*s", (int)(line.n < MAX_SOURCE ? line.n : MAX_SOURCE), line.p);
}

/* 'index' on co: the error value. Allocates nothing of Lua's. */
void
sl_error_describe(lua_State *co, const struct sl_run *run, struct sl_err *err, int index)
{
	struct sl_buf text = SL_BUF_INIT, clean = SL_BUF_INIT;
	struct sl_str message;

	if (lua_type(co, index) == LUA_TSTRING)
		message.p = lua_tolstring(co, index, &message.n);
	else
		message = sl_str_of("the script raised a value that isn't a text");
	sl_buf_putstr(&text, message);
	add_stack(co, run, &text);
	add_source(run, message, &text);
	sl_vm_redact(run->vm, sl_buf_str(&text), &clean);
	sl_err_set(err, SL_ERR_INVAL, "%.*s", (int)clean.n, clean.p != NULL ? clean.p : "");
	sl_buf_clear(&text);
	sl_buf_clear(&clean);
}
