/*
 * The words of a script error: position and message, the source line, where on
 * it, the functions that led there.
 *
 *	data.lua:12:9: DKIMSign: option "canonicalisation" is unknown
 *	    if not DKIMSign(s, d, k, { canonicalisation = "simple" }) then
 *	           ^
 *	in Deliver, called by send at lib/out.lua:7, called by the end of data
 *
 * Lua knows the line only. The column is that of the name that failed, where
 * it stands on the line once. Only script functions are named, as their source names them: Lua
 * knows what a call called them, if that was a name.
 */
#include <stdio.h>
#include <string.h>

#include "hsl.h"

#define MAX_LEVELS	12
#define MAX_SOURCE	120

/* Lua's own short form lacks the front of a long path. */
static const char *
path_of(const lua_Debug *ar)
{
	return ar->source[0] == '@' ? ar->source + 1 : ar->short_src;
}

bool
sl_position(lua_State *co, struct sl_buf *out)
{
	lua_Debug ar;
	int level;

	for (level = 0; lua_getstack(co, level, &ar) != 0; level++) {
		lua_getinfo(co, "Sl", &ar);
		if (ar.currentline > 0) {
			sl_buf_printf(out, "%s:%d", path_of(&ar), ar.currentline);
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

/* ---- the functions that led there ------------------------------------------------------ */

static bool
is_word(char c)
{
	return sl_isalnum(c) || c == '_';
}

/* Behind the word in the text, which becomes the rest; false = it isn't there. */
static bool
skip_word(struct sl_str *text, struct sl_str word)
{
	struct sl_str rest = *text;
	bool first = true;
	ssize_t at;

	while ((at = sl_str_find(rest, word)) >= 0) {
		first = at == 0 ? first : !is_word(rest.p[at - 1]);
		rest = sl_str_sub(rest, (size_t)at + word.n, rest.n);
		if (first && (rest.n == 0 || !is_word(rest.p[0]))) {
			*text = rest;
			return true;
		}
		first = false;
	}
	return false;
}

/*
 * The name of the function that begins on the line, "function name(" or "name = function(" in both
 * languages; empty if it has none, or several begin there. False = none begins: the code that was
 * made of HSL has functions for parts of statements.
 */
static bool
function_on(struct sl_str line, struct sl_str *name)
{
	struct sl_str rest = line, more;
	size_t n = 0;

	if (!skip_word(&rest, SL_STR("function"))) {
		*name = SL_STR("constructor");
		return skip_word(&rest, *name);
	}
	more = rest;
	rest = sl_str_trim(rest);
	while (n < rest.n && (is_word(rest.p[n]) || rest.p[n] == '.' || rest.p[n] == ':'))
		n++;
	*name = sl_str_sub(rest, 0, skip_word(&more, SL_STR("function")) ? 0 : n);
	return true;
}

/* Nested functions of HSL have "_f_" before their name in the code made of them. */
static struct sl_str
shown(const char *name)
{
	return sl_str_of(strncmp(name, "_f_", 3) == 0 ? name + 3 : name);
}

/* What the function is called, "" for the main code of a file; false = it is a part of another one. */
static bool
name_of(const struct sl_run *run, const lua_Debug *ar, struct sl_str *name)
{
	struct sl_str line = { "", 0 };

	*name = SL_STR("");
	if (ar->what[0] == 'm')
		return true;
	if (ar->source[0] == '@')
		line = sl_source_line(run->program, ar->source + 1, ar->linedefined);
	if (line.n > 0 && !function_on(line, name))
		return false;
	if (name->n == 0)
		*name = ar->name != NULL ? shown(ar->name) : SL_STR("a function");
	return true;
}

/* One line of the stack: the innermost function is where the message says. */
static void
add_level(struct sl_buf *out, struct sl_str name, const lua_Debug *ar, int line, bool first)
{
	if (first && name.n > 0)
		sl_buf_printf(out, "in %.*s", (int)name.n, name.p);
	else if (!first && name.n > 0)
		sl_buf_printf(out, "%scalled by %.*s at %s:%d", out->n > 0 ? ", " : "", (int)name.n,
		    name.p, path_of(ar), line);
	else if (!first)
		sl_buf_printf(out, "%scalled at %s:%d", out->n > 0 ? ", " : "", path_of(ar),
		    line);
}

static void
add_stack(lua_State *co, const struct sl_run *run, struct sl_buf *out)
{
	int level, line = 0, levels = 0;
	struct sl_str name;
	lua_Debug ar;

	for (level = 0; levels < MAX_LEVELS && lua_getstack(co, level, &ar) != 0; level++) {
		lua_getinfo(co, "Snl", &ar);
		if (ar.what[0] == 'C')
			continue;
		if (line == 0)
			line = ar.currentline;
		if (!name_of(run, &ar, &name))
			continue;
		add_level(out, name, &ar, line, levels++ == 0 && out->n == 0);
		line = 0;
	}
	if (out->n > 0 && run->element > run->spec.n)
		sl_buf_printf(out, ", called by the end of %s", run->spec.name);
}

/* ---- where on the line -------------------------------------------------- */

/* "path:line: text" taken apart. */
struct place {
	struct sl_str path, line, text;
	struct sl_str source;		/* the line; empty = not known */
};

static bool
find_place(const struct sl_run *run, struct sl_str message, struct place *out)
{
	struct sl_str path, rest = message, number;
	char name[512];
	uint64_t n;

	if (!sl_str_split(&rest, ':', &path) || !sl_str_split(&rest, ':', &number) ||
	    !sl_str_u64(number, &n))
		return false;
	out->path = sl_source_path(run->program, path);
	out->line = number;
	if (out->path.n >= sizeof(name))
		return false;
	memcpy(name, out->path.p, out->path.n);
	name[out->path.n] = '\0';
	out->text = sl_str_starts(rest, SL_STR(" ")) ? sl_str_sub(rest, 1, rest.n) : rest;
	out->source = sl_source_line(run->program, name, (int)n);
	return true;
}

static void
add_position(struct sl_buf *out, const struct place *at)
{
	sl_buf_printf(out, "%.*s:%.*s", (int)at->path.n, at->path.p, (int)at->line.n, at->line.p);
}

/* What a statement of HSL calls goes by its word: __barrier_enter is "barrier". */
static struct sl_str
word_of(struct sl_str name)
{
	struct sl_str rest = sl_str_sub(name, 2, name.n), word;

	return sl_str_starts(name, SL_STR("__")) && sl_str_split(&rest, '_', &word) ? word :
	    sl_str_starts(name, SL_STR("__")) ? sl_str_sub(name, 2, name.n) : name;
}

/* The C function that raised, when the line at hand called it by name. */
static bool
called(lua_State *co, const struct place *at, struct sl_str *name)
{
	struct sl_buf here = SL_BUF_INIT, there = SL_BUF_INIT;
	lua_Debug ar;
	bool yes;

	if (lua_getstack(co, 0, &ar) == 0)
		return false;
	lua_getinfo(co, "Sn", &ar);
	if (ar.what[0] != 'C' || ar.name == NULL || strcmp(ar.namewhat, "metamethod") == 0)
		return false;
	add_position(&there, at);
	yes = sl_position(co, &here) && sl_str_eq(sl_buf_str(&here), sl_buf_str(&there));
	sl_buf_clear(&here);
	sl_buf_clear(&there);
	*name = word_of(sl_str_of(ar.name));
	return yes;
}

/* The last word in quotes, which stand before 'end'. */
static bool
quoted(struct sl_str text, size_t end, struct sl_str *name)
{
	size_t from = end;

	while (from > 0 && text.p[from - 1] != '\'')
		from--;
	*name = sl_str_sub(text, from, end);
	return from > 0;
}

/* The name that Lua's message or ours blames. */
static bool
blamed(struct sl_str text, struct sl_str *name)
{
	const char *is = sl_str_starts(text, SL_STR("$")) ? " is " : " is not defined";
	ssize_t end = sl_str_find(text, sl_str_of(is));

	if (end > 0) {		/* "f is not defined", "$x is none, no function" */
		*name = sl_str_sub(text, 0, (size_t)end);
		return true;
	}
	if (sl_str_starts(text, SL_STR("bad argument")) && (end = sl_str_find(text, SL_STR("' ("))) > 0)
		return quoted(text, (size_t)end, name);
	return sl_str_ends(text, SL_STR("')")) && quoted(text, text.n - 2, name);
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

int
sl_error_column(const struct sl_run *run, struct sl_str message)
{
	struct sl_str name;
	struct place at;

	return find_place(run, message, &at) && blamed(at.text, &name) ?
	    (int)place_of(at.source, name) + 1 : 0;
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
	struct sl_buf words = SL_BUF_INIT;
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
	add_position(out, &at);
	if (column >= 0)
		sl_buf_printf(out, ":%d", (int)column + 1);
	sl_buf_puts(out, ": ");
	if (builtin)
		sl_buf_printf(out, "%.*s: ", (int)name.n, name.p);
	sl_buf_putstr(out, sl_hsl_words(at.path, at.text, &words) ? sl_buf_str(&words) : at.text);
	sl_buf_clear(&words);
	show_source(run, at.source, column);
}

static struct sl_str
error_text(lua_State *co, int index)
{
	struct sl_str text = SL_STR("the script raised a value that isn't a text");

	if (!sl_hsl_thrown(co, index, &text) && lua_type(co, index) == LUA_TSTRING)
		text.p = lua_tolstring(co, index, &text.n);
	return text;
}

void
sl_error_passes(lua_State *co, struct sl_run *run)
{
	if (!sl_co_passed(co))
		sl_buf_reset(&run->stack);
	add_stack(co, run, &run->stack);
}

/* 'index' on co: the error value. Allocates nothing of Lua's. */
void
sl_error_describe(lua_State *co, struct sl_run *run, struct sl_err *err, int index)
{
	struct sl_buf text = SL_BUF_INIT, clean = SL_BUF_INIT;
	struct sl_str message = error_text(co, index);

	add_message(co, run, message, &text);
	sl_error_passes(co, run);
	sl_vm_redact(run->vm, sl_buf_str(&text), &clean);
	sl_err_set(err, SL_ERR_INVAL, "%.*s", (int)clean.n, clean.p != NULL ? clean.p : "");
	sl_buf_clear(&text);
	sl_buf_clear(&clean);
}
