/*
 * Regular expressions of HSL (PCRE2). A pattern is plain text, or "/.../flags",
 * or what pcre_compile made. What a match costs is charged as it goes; compiled
 * patterns are kept per worker (regex.h).
 */
#include <string.h>

#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "pcre.h"
#include "regex.h"

#define BYTES_PER_STEP	8
#define STEPS_PER_GROUP	4
#define KEPT		"sluice.regexes"	/* registry: the worker's compiled patterns */
#define COMPILED	"sluice.regex"		/* metatable of pcre_compile's value */

/* ---- the worker's patterns ---------------------------------------------------------- */

static int
release(lua_State *L)
{
	struct regexes **box = lua_touserdata(L, 1);

	sl_regexes_free(*box);
	*box = NULL;
	return 0;
}

static struct regexes *
make_regexes(lua_State *L)
{
	struct regexes **box = lua_newuserdatauv(L, sizeof(*box), 0), *all;

	*box = NULL;
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, release);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	*box = all = sl_regexes_new();
	if (all == NULL)
		luaL_error(L, "not enough memory");
	lua_setfield(L, LUA_REGISTRYINDEX, KEPT);
	return all;
}

static struct regexes *
regexes(lua_State *L)
{
	struct regexes *all = NULL;

	if (lua_getfield(L, LUA_REGISTRYINDEX, KEPT) == LUA_TUSERDATA)
		all = *(struct regexes **)lua_touserdata(L, -1);
	lua_pop(L, 1);
	return all != NULL ? all : make_regexes(L);
}

/* The text of the pattern at 'arg', which stays there. */
static struct sl_str
pattern_arg(lua_State *L, int arg)
{
	if (luaL_testudata(L, arg, COMPILED) != NULL) {
		lua_getiuservalue(L, arg, 1);
		lua_replace(L, arg);
	}
	return sl_arg_string(L, arg);
}

static const struct regex *
compiled(lua_State *L, struct sl_str pattern, struct sl_str subject)
{
	const struct regex *re;
	struct sl_err err;
	uint64_t cost;

	sl_charge(L, pattern.n / BYTES_PER_STEP + 8);
	re = sl_regexes_get(regexes(L), pattern, subject, &cost, &err);
	if (re == NULL)
		luaL_error(L, "%s", err.text);
	sl_charge(L, cost);
	return re;
}

static bool
find(lua_State *L, const struct regex *re, struct sl_str subject, size_t from, unsigned flags,
    struct sl_found *found)
{
	uint64_t before = sl_steps_left(L), left = before;
	struct sl_err err;
	int rc = sl_regex_match(regexes(L), re, subject, from, flags, &left, found, &err);

	sl_charge(L, rc == SL_ERR_LIMIT && left == 0 ? UINT64_MAX : before - left);
	if (rc < 0)
		luaL_error(L, "%s", err.text);
	return rc == 1;
}

bool
sl_is_pattern(lua_State *L, int arg)
{
	return luaL_testudata(L, arg, COMPILED) != NULL;
}

bool
sl_pattern_matches(lua_State *L, int arg, struct sl_str subject)
{
	struct sl_str pattern;
	struct sl_found found;
	bool matches;

	lua_pushvalue(L, arg);
	pattern = pattern_arg(L, lua_gettop(L));
	matches = find(L, compiled(L, pattern, subject), subject, 0, 0, &found);
	lua_pop(L, 1);
	return matches;
}

/*
 * Walks over the matches: true and the next one. An empty match isn't looked
 * for again at its place.
 */
struct walk {
	size_t from, copied;	/* the end of the last match, for what stands between */
	unsigned flags;
};

static bool
next_match(lua_State *L, const struct regex *re, struct sl_str subject, struct walk *w,
    struct sl_found *found)
{
	if (!find(L, re, subject, w->from, w->flags, found) || found->at[0] < w->copied ||
	    found->at[1] < found->at[0])
		return false;
	w->flags = found->at[0] == found->at[1] ? SL_REGEX_NOT_EMPTY : 0;
	w->from = found->at[1];
	return true;
}

/* ---- results --------------------------------------------------------------------------- */

static struct sl_str
group(const struct sl_found *found, struct sl_str subject, size_t n)
{
	if (n >= found->n || found->at[2 * n] == SIZE_MAX)
		return SL_STR("");
	return sl_str_sub(subject, found->at[2 * n], found->at[2 * n + 1]);
}

/* The value on top, in the map below it under the group's number and its name. */
static void
set_group(lua_State *L, const struct regex *re, size_t n)
{
	const char *name = sl_regex_name(re, n);

	sl_number(L, (double)n);
	lua_pushvalue(L, -2);
	if (name == NULL) {
		lua_remove(L, -3);
		sl_map_set_key(L);
		return;
	}
	lua_pushvalue(L, -4);		/* value, number, value, map */
	lua_insert(L, -3);
	sl_map_set_key(L);
	lua_pop(L, 1);
	sl_map_set(L, name);
}

static void
push_groups(lua_State *L, const struct regex *re, const struct sl_found *found,
    struct sl_str subject)
{
	size_t n;

	sl_map_new(L);
	for (n = 0; n < found->n; n++) {
		sl_charge(L, STEPS_PER_GROUP + group(found, subject, n).n / BYTES_PER_STEP);
		sl_string(L, group(found, subject, n));
		set_group(L, re, n);
	}
}

/* What HSL takes for false. */
static int
nothing(lua_State *L)
{
	if (sl_is_hsl(L))
		sl_list_new(L);
	else
		sl_none(L);
	return 1;
}

/*lua
The first match of a pattern in a string: the whole of it at 0, what its groups matched from 1 on
and under their names. A group that took no part has an empty string.

A pattern is as in Perl (PCRE2), plain or with flags: `/.../i` upper and lower case are the same,
`m` `^` and `$` at each line, `s` the dot matches line ends, `x` blanks in the pattern don't count,
`u` pattern and string are UTF-8, `U` quantifiers are lazy. What a match takes counts as steps of
the run.

@param pattern string   or what pcre_compile made
@param subject string
@return table? groups   in HSL an empty array if there is no match

    local m = pcre_match("^(?<local>[^@]+)@(.+)$", "ann@example.org")
    assert(m[0] == "ann@example.org" and m[1] == "ann" and m["local"] == "ann")
    assert(m[2] == "example.org" and pcre_match("/ANN/", "ann") == nil and pcre_match("/ANN/i", "ann"))
*/
static int
pcre_match_first(lua_State *L)
{
	struct sl_str pattern = pattern_arg(L, 1), subject = sl_arg_string(L, 2);
	const struct regex *re = compiled(L, pattern, subject);
	struct sl_found found;

	if (!find(L, re, subject, 0, 0, &found))
		return nothing(L);
	push_groups(L, re, &found, subject);
	return 1;
}

/*lua
Whether a pattern matches somewhere in a string: what `=~` of HSL asks.

@param subject string
@param pattern string   or what pcre_compile made
@return boolean yes

    assert(__regex_test("ann@example.org", "@example\\.(org|net)$"))
*/
static int
pcre_test(lua_State *L)
{
	struct sl_str subject = sl_arg_string(L, 1), pattern = pattern_arg(L, 2);
	struct sl_found found;

	sl_bool(L, find(L, compiled(L, pattern, subject), subject, 0, 0, &found));
	return 1;
}

/* The lists of the groups stand on the stack, 'lists' is the first. */
static void
add_to_lists(lua_State *L, int lists, const struct sl_found *found, struct sl_str subject)
{
	struct sl_str text;
	size_t n;

	for (n = 0; n < found->n; n++) {
		text = group(found, subject, n);
		sl_charge(L, STEPS_PER_GROUP + text.n / BYTES_PER_STEP);
		lua_pushvalue(L, lists + (int)n);
		sl_string(L, text);
		sl_list_add(L);
		lua_pop(L, 1);
	}
}

/*lua
All matches of a pattern in a string, by group: at 0 the list of whole matches, at 1 that of what
the first group matched, and so on, also under the groups' names.

@param pattern string   or what pcre_compile made
@param subject string
@return table? groups   in HSL an empty array if there is no match

    local m = pcre_match_all("(\\w+)=(\\d+)", "a=1, b=22")
    assert(m[0][2] == "b=22" and m[1][1] == "a" and m[2][2] == "22")
*/
static int
pcre_match_each(lua_State *L)
{
	struct sl_str pattern = pattern_arg(L, 1), subject = sl_arg_string(L, 2);
	const struct regex *re = compiled(L, pattern, subject);
	int lists = lua_gettop(L) + 1;
	struct walk w = { 0 };
	struct sl_found found;
	size_t n;

	if (!next_match(L, re, subject, &w, &found))
		return nothing(L);
	luaL_checkstack(L, SL_REGEX_GROUPS_MAX + 20, "too many groups");
	for (n = 0; n < found.n; n++)
		sl_list_new(L);
	do
		add_to_lists(L, lists, &found, subject);
	while (next_match(L, re, subject, &w, &found));
	sl_map_new(L);
	for (n = 0; n < found.n; n++) {
		lua_pushvalue(L, lists + (int)n);
		set_group(L, re, n);
	}
	return 1;
}

/*lua
The pieces of a string between the matches of a pattern.

@param pattern string   or what pcre_compile made
@param subject string
@param limit? number    at most so many pieces, the last one whole (0: all)
@return string[] pieces

    assert(table.concat(pcre_split("[,;] *", "a, b;c"), "|") == "a|b|c")
*/
static int
pcre_split(lua_State *L)
{
	struct sl_str pattern = pattern_arg(L, 1), subject = sl_arg_string(L, 2);
	double limit = sl_arg_opt_number(L, 3, 0, 2147483647, 0), n = 1;
	const struct regex *re = compiled(L, pattern, subject);
	struct walk w = { 0 };
	struct sl_found found;

	sl_charge(L, subject.n / BYTES_PER_STEP);
	sl_list_new(L);
	while ((limit == 0 || n < limit) && next_match(L, re, subject, &w, &found)) {
		if (found.at[1] == 0 || found.at[0] == subject.n)
			continue;	/* nothing matches at the very ends, too */
		sl_charge(L, STEPS_PER_GROUP);
		sl_string(L, sl_str_sub(subject, w.copied, found.at[0]));
		sl_list_add(L);
		w.copied = found.at[1];
		n++;
	}
	sl_string(L, sl_str_sub(subject, w.copied, subject.n));
	sl_list_add(L);
	return 1;
}

/* ---- replacing -------------------------------------------------------------------------- */

enum { PATTERN = 1, REPLACE, SUBJECT, LIMIT, PROGRESS };

/*
 * Lives on the stack as a userdata, so that it is there after a callback that
 * waited and is of the run's memory.
 */
struct progress {
	struct walk walk;
	double left;		/* replacements to be made; below 0: no limit */
	size_t n, cap;
	char text[];
};

static struct progress *
progress(lua_State *L)
{
	return lua_touserdata(L, PROGRESS);
}

static void
put(lua_State *L, struct sl_str s)
{
	struct progress *p = progress(L), *larger;
	size_t cap;

	if (s.n > p->cap - p->n) {
		cap = 2 * (p->n + s.n);
		larger = lua_newuserdatauv(L, sizeof(*p) + cap, 0);
		memcpy(larger, p, sizeof(*p) + p->n);
		larger->cap = cap;
		lua_replace(L, PROGRESS);
		p = larger;
	}
	sl_charge(L, s.n / BYTES_PER_STEP);
	if (s.n > 0)
		memcpy(p->text + p->n, s.p, s.n);
	p->n += s.n;
}

/* "$1" to "$99" in the replacement: as many digits as make a group there is. */
static void
put_template(lua_State *L, const struct regex *re, const struct sl_found *found,
    struct sl_str subject)
{
	struct sl_str r = sl_arg_string(L, REPLACE);
	size_t i, from = 0, n;

	for (i = 0; i < r.n; i++) {
		if (r.p[i] != '$' || i + 1 >= r.n || !sl_isdigit(r.p[i + 1]))
			continue;
		put(L, sl_str_sub(r, from, i));
		n = (size_t)(r.p[++i] - '0');
		if (i + 1 < r.n && sl_isdigit(r.p[i + 1]) &&
		    n * 10 + (size_t)(r.p[i + 1] - '0') <= sl_regex_groups(re))
			n = n * 10 + (size_t)(r.p[++i] - '0');
		sl_charge(L, 1);
		put(L, group(found, subject, n));
		from = i + 1;
	}
	put(L, sl_str_sub(r, from, r.n));
}

/* What the callback gave is on top. */
static void
put_result(lua_State *L)
{
	struct sl_str s;

	if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER)
		luaL_error(L, "the callback gave a %s instead of a string", sl_type_name(L, -1));
	sl_to_string(L, lua_gettop(L));
	s.p = lua_tolstring(L, -1, &s.n);
	put(L, s);
	lua_settop(L, PROGRESS);
}

static int replace_on(lua_State *L);

static int
called(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	(void)ctx;
	put_result(L);
	return replace_on(L);
}

static int
replace_on(lua_State *L)
{
	struct sl_str pattern = sl_arg_string(L, PATTERN), subject = sl_arg_string(L, SUBJECT);
	bool callback = lua_isfunction(L, REPLACE);
	const struct regex *re;
	struct sl_found found;
	struct progress *p;

	while ((p = progress(L))->left != 0) {
		re = compiled(L, pattern, subject);	/* a callback may have had it dropped */
		if (!next_match(L, re, subject, &p->walk, &found))
			break;
		p->left--;
		put(L, sl_str_sub(subject, p->walk.copied, found.at[0]));
		progress(L)->walk.copied = found.at[1];
		if (!callback) {
			put_template(L, re, &found, subject);
			continue;
		}
		lua_pushvalue(L, REPLACE);
		push_groups(L, re, &found, subject);
		lua_callk(L, 1, 1, 0, called);
		put_result(L);
	}
	put(L, sl_str_sub(subject, p->walk.copied, subject.n));
	p = progress(L);
	sl_string(L, (struct sl_str){ p->text, p->n });
	return 1;
}

/*lua
A string with the matches of a pattern replaced.

@param pattern string          or what pcre_compile made
@param replace string|function  `$0` in it is the match, `$1` what the first group matched; a function gets the groups as pcre_match gives them and gives the text, and may wait
@param subject string
@param limit? number           replacements at most (0: all)
@return string replaced

    assert(pcre_replace("(\\w+)@(\\w+)", "$2 at $1", "ann@example") == "example at ann")
    assert(pcre_replace("\\d+", function(m) return 2 * number(m[0]) end, "1 and 21") == "2 and 42")
*/
static int
pcre_replace(lua_State *L)
{
	double limit = sl_arg_opt_number(L, LIMIT, 0, 2147483647, 0);
	size_t cap;
	struct progress *p;

	lua_settop(L, LIMIT);
	pattern_arg(L, PATTERN);
	if (!lua_isfunction(L, REPLACE))
		sl_arg_string(L, REPLACE);
	cap = sl_arg_string(L, SUBJECT).n + 64;
	p = lua_newuserdatauv(L, sizeof(*p) + cap, 0);
	memset(p, 0, sizeof(*p));
	p->cap = cap;
	p->left = limit > 0 ? limit : -1;
	return replace_on(L);
}

/* ---- patterns ---------------------------------------------------------------------------- */

/*lua
A string as a pattern that matches just it: what has a meaning in patterns gets a backslash.

@param string string
@return string quoted

    assert(pcre_quote("example.org?") == "example\\.org\\?")
*/
static int
pcre_quote(lua_State *L)
{
	struct sl_str s = sl_arg_string(L, 1);
	struct sl_buf *out;
	size_t i;

	sl_charge(L, s.n);
	out = sl_scratch(L);
	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '\0') {
			sl_buf_puts(out, "\\x00");
			continue;
		}
		if (strchr(".\\+*?[^]$(){}=!<>|:-#/", s.p[i]) != NULL)
			sl_buf_putc(out, '\\');
		sl_buf_putc(out, s.p[i]);
	}
	if (out->failed)
		return luaL_error(L, "not enough memory");
	sl_string(L, sl_buf_str(out));
	return 1;
}

/*lua
A pattern, looked at once: a mistake in it raises here. The other functions take it instead of
the text; they keep compiled patterns in any case.

@param pattern string  plain, or `/.../flags`
@return userdata pattern

    local address = pcre_compile("/^\\w+@example\\.org$/i")
    assert(pcre_match(address, "Ann@example.org"))
*/
static int
pcre_compile(lua_State *L)
{
	compiled(L, pattern_arg(L, 1), SL_STR(""));
	lua_settop(L, 1);
	lua_newuserdatauv(L, 0, 1);
	lua_insert(L, 1);
	lua_setiuservalue(L, 1, 1);
	luaL_newmetatable(L, COMPILED);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, 1);
	return 1;
}

const struct sl_builtin sl_module_pcre[] = {
	{ "pcre_match", pcre_match_first, SL_AT_ANY },
	{ "pcre_match_all", pcre_match_each, SL_AT_ANY },
	{ "pcre_replace", pcre_replace, SL_AT_ANY },
	{ "pcre_split", pcre_split, SL_AT_ANY },
	{ "pcre_quote", pcre_quote, SL_AT_ANY },
	{ "pcre_compile", pcre_compile, SL_AT_ANY },
	{ "__regex_test", pcre_test, SL_AT_ANY | SL_YES_NO },
	{ NULL, NULL, 0 },
};
