/*
 * Files of the policy as text: what is in data/, and what files = {} names. The
 * bytes are those of the loaded policy; the file system isn't asked.
 */
#include <string.h>

#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/policy/owner.h"

#define BYTES_PER_STEP	8
#define SKIPPED_PER_STEP	64
#define STEPS_PER_LINE	4

static int
not_there(lua_State *L, struct sl_str name)
{
	return sl_fail(L, "notfound", "\"%s\" is not among the policy's data and files", name.p);
}

/* The next line without its end; false behind the last one. */
static bool
next_line(struct sl_str *rest, struct sl_str *line)
{
	if (rest->n == 0 || !sl_str_split(rest, '\n', line))
		return false;
	if (line->n > 0 && line->p[line->n - 1] == '\r')
		line->n--;
	return true;
}

/*lua
A file of the policy as a string: of its data/ or named in `files` of sluice.lua. The name may have
`file:` or `file://` in front.

@param filename string
@return string? bytes
@return string? err   there is no such file
@return string? code  "notfound"

    assert(select(3, file_get_contents("file:greeting.txt")) == "notfound")
*/
static int
file_get_contents(lua_State *L)
{
	struct sl_str name = sl_arg_string(L, 1), bytes;

	if (!sl_engine_file(L, name, &bytes))
		return not_there(L, name);
	sl_charge(L, bytes.n / BYTES_PER_STEP);
	sl_string(L, bytes);
	return 1;
}

/*lua
The lines of a file of the policy, without their ends.

@param filename string
@return string[]? lines
@return string? err    there is no such file
@return string? code   "notfound"

    assert(select(3, file("file:blocked.txt")) == "notfound")
*/
static int
file_lines(lua_State *L)
{
	struct sl_str name = sl_arg_string(L, 1), rest, line;

	if (!sl_engine_file(L, name, &rest))
		return not_there(L, name);
	sl_charge(L, rest.n / BYTES_PER_STEP);
	sl_list_new(L);
	while (next_line(&rest, &line)) {
		sl_charge(L, STEPS_PER_LINE);
		sl_string(L, line);
		sl_list_add(L);
	}
	return 1;
}

/* ---- in_file ------------------------------------------------------------------------- */

enum { NEEDLE = 1, NAME, OPTIONS, COLUMNS, ELEMENT };

struct format {
	bool csv, assoc;
	char delimiter;
	size_t index;
};

static struct format
format_of(lua_State *L)
{
	static const char *const names[] = { "type", "delimiter", "assoc", "index", NULL };
	struct sl_str type, delimiter;
	struct format f;

	sl_options(L, OPTIONS, names);
	type = sl_opt_string(L, OPTIONS, "type", "text/plain");
	delimiter = sl_opt_string(L, OPTIONS, "delimiter", ",");
	f.csv = sl_str_eq(type, SL_STR("text/csv"));
	if (!f.csv && !sl_str_eq(type, SL_STR("text/plain")))
		luaL_error(L, "option \"type\": text/plain or text/csv expected");
	if (delimiter.n != 1)
		luaL_error(L, "option \"delimiter\": one byte expected");
	f.delimiter = delimiter.p[0];
	f.assoc = sl_opt_bool(L, OPTIONS, "assoc", true);
	f.index = (size_t)sl_opt_number(L, OPTIONS, "index", 0, 1000, 0);
	return f;
}

/* Pushes the fields of the row at the front of 'rest' as a list, and cuts it off. */
static void
push_fields(lua_State *L, const struct format *f, struct sl_str *rest)
{
	size_t before = rest->n;
	bool ended;

	sl_list_new(L);
	do {
		sl_charge(L, STEPS_PER_LINE);
		ended = sl_csv_field_by(L, rest, f->delimiter);
		sl_list_add(L);
	} while (!ended);
	sl_charge(L, (before - rest->n) / BYTES_PER_STEP);
}

/* The row on top, by the names of its columns instead. */
static void
name_fields(lua_State *L)
{
	size_t n = sl_count(L, -1), i;
	int row = lua_gettop(L);

	sl_map_new(L);
	for (i = 1; i <= n; i++) {
		if (sl_list_get(L, COLUMNS, i)) {
			sl_list_get(L, row, i);
			sl_map_set_key(L);
		} else {
			lua_pop(L, 1);
		}
	}
	lua_remove(L, row);
}

/* Pushes the next element, what the needle is compared with: a line, or a row and the field. */
static bool
push_element(lua_State *L, const struct format *f, struct sl_str *rest)
{
	struct sl_str line;

	if (!f->csv) {
		if (!next_line(rest, &line))
			return false;
		sl_charge(L, STEPS_PER_LINE + line.n / SKIPPED_PER_STEP);
		sl_string(L, line);
		return true;
	}
	if (!sl_csv_skip(rest))
		return false;
	push_fields(L, f, rest);
	return true;
}

static bool
is_needle(lua_State *L, const struct format *f)
{
	bool same;

	if (f->csv)
		sl_list_get(L, ELEMENT, f->index + 1);
	else
		lua_pushvalue(L, ELEMENT);
	same = lua_compare(L, NEEDLE, -1, LUA_OPEQ);
	lua_pop(L, 1);
	return same;
}

/* In HSL an array either way; in Lua a line that is there is true. */
static int
found(lua_State *L, const struct format *f)
{
	if (f->csv && f->assoc && !lua_isfunction(L, NEEDLE))
		name_fields(L);
	if (f->csv)
		return 1;
	if (sl_is_hsl(L)) {
		sl_list_new(L);
		lua_insert(L, -2);
		sl_list_add(L);
	} else {
		sl_bool(L, true);
	}
	return 1;
}

static int
not_found(lua_State *L)
{
	if (sl_is_hsl(L))
		sl_list_new(L);
	else
		sl_bool(L, false);
	return 1;
}

static int look(lua_State *L, size_t at);

/* The callback's answer is on top. */
static bool
answered_yes(lua_State *L)
{
	bool yes = sl_is_hsl(L) ? sl_truth(L, -1) : lua_toboolean(L, -1);

	lua_settop(L, yes ? ELEMENT : COLUMNS);
	return yes;
}

static int
look_on(lua_State *L, int status, lua_KContext at)
{
	struct format f = format_of(L);

	(void)status;
	return answered_yes(L) ? found(L, &f) : look(L, (size_t)at);
}

/* From byte 'at' of the file on; fetched anew, a callback may have waited. */
static int
look(lua_State *L, size_t at)
{
	struct sl_str bytes, rest;
	struct format f = format_of(L);

	if (!sl_engine_file(L, sl_arg_string(L, NAME), &bytes))
		return not_there(L, sl_arg_string(L, NAME));
	rest = sl_str_sub(bytes, at, bytes.n);
	while (push_element(L, &f, &rest)) {
		if (lua_isfunction(L, NEEDLE)) {
			if (f.csv && f.assoc)
				name_fields(L);
			lua_pushvalue(L, NEEDLE);
			lua_pushvalue(L, ELEMENT);
			lua_callk(L, 1, 1, (lua_KContext)(bytes.n - rest.n), look_on);
			if (answered_yes(L))
				return found(L, &f);
		} else if (is_needle(L, &f)) {
			return found(L, &f);
		}
		lua_settop(L, COLUMNS);
	}
	return not_found(L);
}

/*lua
Whether a file of the policy has a line, or a row of CSV.

Lines are compared as a whole. Of CSV the field in column `index` is compared, and the row is
given: by the names in the first line, or with `assoc = false` as a list. A function instead of a
text gets the line or row and says whether it is the one; it may wait.

@param needle string|function
@param filename string     as for file_get_contents
@param options? table      type ("text/plain" | "text/csv"), delimiter (","), assoc (true), index (column, from 0: 0)
@return boolean|table? found  the row, or true; false if there is none
@return string? err        there is no such file
@return string? code       "notfound"

    assert(select(3, in_file("ann@example.org", "blocked.txt")) == "notfound")
*/
static int
file_in_file(lua_State *L)
{
	struct sl_str name, bytes, rest;
	struct format f;

	if (!lua_isfunction(L, NEEDLE))
		sl_arg_string(L, NEEDLE);
	name = sl_arg_string(L, NAME);
	lua_settop(L, OPTIONS);
	f = format_of(L);
	if (!sl_engine_file(L, name, &bytes))
		return not_there(L, name);
	rest = bytes;
	if (f.csv && f.assoc && sl_csv_skip(&rest))
		push_fields(L, &f, &rest);
	else
		sl_none(L);
	return look(L, bytes.n - rest.n);
}

const struct sl_builtin sl_module_file[] = {
	{ "file", file_lines, SL_AT_ANY },
	{ "file_get_contents", file_get_contents, SL_AT_ANY },
	{ "in_file", file_in_file, SL_AT_ANY },
	{ NULL, NULL, 0 },
};
