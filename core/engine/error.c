/*
 * The words of a script error: position and message, the source line, where on
 * it, the functions that led there.
 *
 *	data.lua:12:9: DKIMSign: option "canonicalisation" is unknown
 *	    if not DKIMSign(s, d, k, { canonicalisation = "simple" }) then
 *	           ^
 *	in Deliver, called by the end of data.lua
 *
 * Lua knows the line only. The column is that of the name that failed, where
 * it stands on the line once. Only script functions are named.
 */
#include <stdio.h>
#include <string.h>

#include "hsl.h"

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

/* Nested functions of HSL have "_f_" before their name in the code made of them. */
static const char *
shown(const char *name)
{
	return strncmp(name, "_f_", 3) == 0 ? name + 3 : name;
}

/* A script function's name. One that redefines a builtin is called by ours, which
 * has that name, or none where the engine called it at the end of the flow. */
static const char *
name_at(lua_State *co, const struct sl_run *run, int level, const lua_Debug *ar)
{
	lua_Debug above;

	if (ar->name != NULL || lua_getstack(co, level + 1, &above) == 0)
		return ar->name;
	lua_getinfo(co, "Sn", &above);
	if (above.what[0] != 'C')
		return NULL;
	if (above.name == NULL)
		return run->element > run->spec.n ? run->spec.end_action : NULL;
	return sl_dict_has(run->vm->rows, sl_str_of(above.name)) ? above.name : NULL;
}

static void
add_stack(lua_State *co, const struct sl_run *run, struct sl_buf *out)
{
	const char *name;
	lua_Debug ar;
	int level, named = 0;

	for (level = 0; named < MAX_LEVELS && lua_getstack(co, level, &ar) != 0; level++) {
		lua_getinfo(co, "Sn", &ar);
		if (ar.what[0] != 'L' || (name = name_at(co, run, level, &ar)) == NULL)
			continue;
		sl_buf_printf(out, "%s%s", named++ == 0 ? "in " : ", called by ", shown(name));
	}
	if (named > 0 && run->element > run->spec.n)
		sl_buf_printf(out, ", called by the end of %s", run->spec.name);
}

/* ---- where on the line -------------------------------------------------- */

/* "path:line: text" taken apart. */
struct place {
	struct sl_str position, text;	/* "path:line", the rest behind ": " */
	struct sl_str source;		/* the line; empty = not known */
};

static bool
find_place(const struct sl_run *run, struct sl_str message, struct place *out)
{
	struct sl_str path, rest = message, number;
	char name[512];
	uint64_t n;

	if (!sl_str_split(&rest, ':', &path) || !sl_str_split(&rest, ':', &number) ||
	    !sl_str_u64(number, &n) || path.n >= sizeof(name))
		return false;
	memcpy(name, path.p, path.n);
	name[path.n] = '\0';
	out->position = sl_str_sub(message, 0, path.n + 1 + number.n);
	out->text = sl_str_starts(rest, SL_STR(" ")) ? sl_str_sub(rest, 1, rest.n) : rest;
	out->source = sl_source_line(run->program, name, (int)n);
	return true;
}

/* The C function that raised, when the line at hand called it by name. */
static bool
called(lua_State *co, const struct place *at, struct sl_str *name)
{
	struct sl_buf here = SL_BUF_INIT;
	lua_Debug ar;
	bool yes;

	if (lua_getstack(co, 0, &ar) == 0)
		return false;
	lua_getinfo(co, "Sn", &ar);
	if (ar.what[0] != 'C' || ar.name == NULL || strcmp(ar.namewhat, "metamethod") == 0)
		return false;
	yes = sl_position(co, &here) && sl_str_eq(sl_buf_str(&here), at->position);
	sl_buf_clear(&here);
	*name = sl_str_of(ar.name);
	return yes;
}

/* The name that Lua's message or ours blames. */
static bool
blamed(struct sl_str text, struct sl_str *name)
{
	ssize_t end = sl_str_find(text, SL_STR(" is not defined")), from;

	if (end > 0) {
		*name = sl_str_sub(text, 0, (size_t)end);
		return true;
	}
	if (!sl_str_ends(text, SL_STR("')")))
		return false;
	for (from = (ssize_t)text.n - 3; from >= 0 && text.p[from] != '\''; from--)
		;
	*name = sl_str_sub(text, (size_t)(from + 1), text.n - 2);
	return from >= 0;
}

static bool
is_word(char c)
{
	return sl_isalnum(c) || c == '_';
}

/* Where the word stands on the line, -1 unless it does so once. */
static ssize_t
place_of(struct sl_str line, struct sl_str word)
{
	ssize_t found = -1;
	size_t i;

	for (i = 0; word.n > 0 && i + word.n <= line.n; i++) {
		if (memcmp(line.p + i, word.p, word.n) != 0 || (i > 0 && is_word(line.p[i - 1])) ||
		    (i + word.n < line.n && is_word(line.p[i + word.n])))
			continue;
		if (found >= 0)
			return -1;
		found = (ssize_t)i;
	}
	return found;
}

/* The line without what it is indented by, and the caret on it. */
static void
show_source(struct sl_run *run, struct sl_str line, ssize_t column)
{
	struct sl_str shown = sl_str_trim(line);

	if (shown.n == 0)
		return;
	shown = sl_str_sub(shown, 0, MAX_SOURCE);
	column -= shown.p - line.p;
	if (column >= 0 && column < (ssize_t)shown.n)
		run->stats.caret = (int)column;
	sl_vm_redact(run->vm, shown, &run->source);
	if (!sl_str_eq(sl_buf_str(&run->source), shown))
		run->stats.caret = -1;		/* it isn't below its column any more */
}

static void
add_message(lua_State *co, struct sl_run *run, struct sl_str message, struct sl_buf *out)
{
	struct place at;
	struct sl_str name = { "", 0 }, cause;
	bool builtin = false;
	ssize_t column;

	if (!find_place(run, message, &at)) {
		sl_buf_putstr(out, message);
		return;
	}
	if (called(co, &at, &name))
		builtin = sl_dict_has(run->vm->rows, name) &&
		    !sl_str_starts(at.text, SL_STR("bad argument")) &&
		    sl_str_find(at.text, name) < 0;
	column = place_of(at.source, blamed(at.text, &cause) ? cause : name);
	sl_buf_putstr(out, at.position);
	if (column >= 0)
		sl_buf_printf(out, ":%d", (int)column + 1);
	sl_buf_puts(out, ": ");
	if (builtin)
		sl_buf_printf(out, "%.*s: ", (int)name.n, name.p);
	sl_buf_putstr(out, at.text);
	show_source(run, at.source, column);
}

/* 'index' on co: the error value. Allocates nothing of Lua's. */
void
sl_error_describe(lua_State *co, struct sl_run *run, struct sl_err *err, int index)
{
	struct sl_buf text = SL_BUF_INIT, clean = SL_BUF_INIT;
	struct sl_str message;

	if (sl_hsl_thrown(co, index, &message))
		;
	else if (lua_type(co, index) == LUA_TSTRING)
		message.p = lua_tolstring(co, index, &message.n);
	else
		message = sl_str_of("the script raised a value that isn't a text");
	add_message(co, run, message, &text);
	add_stack(co, run, &run->stack);
	sl_vm_redact(run->vm, sl_buf_str(&text), &clean);
	sl_err_set(err, SL_ERR_INVAL, "%.*s", (int)clean.n, clean.p != NULL ? clean.p : "");
	sl_buf_clear(&text);
	sl_buf_clear(&clean);
}
