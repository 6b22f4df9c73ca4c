/* The engine's own builtins: log, time, JSON, cache. */
#include <string.h>

#include "../../core/base/event.h"
#include "../../core/crypto/random.h"
#include "../../core/engine/doors.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"

#define MAX_ECHO	4096
#define MAX_FIELDS	20	/* of an event */

/* ---- log --------------------------------------------------------------------------- */

/*lua
Write values to the log at level debug; in `exec` and the REPL, print a line.

Strings as they are, other values as they would be written in Lua. Known secrets
are replaced.

@param ... any

    echo("sender is ", "ann@example.org")
*/
static int
core_echo(lua_State *L)
{
	struct sl_vm *vm = sl_vm_of(L);
	struct sl_buf line = SL_BUF_INIT;
	struct sl_str s;
	int i, n = lua_gettop(L);

	for (i = 1; i <= n; i++)	/* what can end the run comes first */
		if (lua_type(L, i) == LUA_TSTRING) {
			lua_tolstring(L, i, &s.n);
			sl_charge(L, s.n / 8);
		}
	for (i = 1; i <= n; i++) {
		if (lua_type(L, i) == LUA_TSTRING) {
			s.p = lua_tolstring(L, i, &s.n);
			sl_vm_redact(vm, s, &line);	/* whole: a cut could hide a secret's end */
		} else {
			sl_describe(L, i, &line, MAX_ECHO);
		}
	}
	sl_charge(L, line.n / 8);
	sl_event(sl_vm_events(vm), SL_DEBUG, "echo", SL_FIELDS(
	    SL_F_TEXT("id", sl_vm_run_id(L)), SL_F_STR("text", sl_buf_str(&line))));
	sl_vm_echo(vm, sl_buf_str(&line));
	sl_buf_clear(&line);
	return 0;
}

static enum sl_level
priority(lua_State *L, int arg)
{
	static const struct { const char *word; enum sl_level level; } words[] = {
		{ "debug", SL_DEBUG }, { "info", SL_INFO }, { "notice", SL_NOTICE },
		{ "warning", SL_WARNING }, { "warn", SL_WARNING }, { "err", SL_ERROR },
		{ "error", SL_ERROR }, { "crit", SL_CRITICAL }, { "alert", SL_CRITICAL },
		{ "emerg", SL_CRITICAL }, { "panic", SL_CRITICAL },
	};
	static const enum sl_level numbers[] = { SL_CRITICAL, SL_CRITICAL, SL_CRITICAL, SL_ERROR,
	    SL_WARNING, SL_NOTICE, SL_INFO, SL_DEBUG };
	struct sl_str word;
	size_t i;

	if (lua_type(L, arg) == LUA_TNUMBER)
		return numbers[(int)sl_arg_number(L, arg, 0, 7)];
	word = sl_arg_string(L, arg);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (sl_str_eq(word, sl_str_of(words[i].word)))
			return words[i].level;
	return (enum sl_level)sl_arg_error(L, arg, "debug, info, notice, warning, err, crit, "
	    "alert, emerg or 0 to 7 expected");
}

/*lua
Write a message to the log at a level.

@param priority string|number  "debug" "info" "notice" "warning" "err" "crit" "alert" "emerg", or syslog's number
@param message string

    syslog("notice", "rate of ann@example.org exceeded")
*/
static int
core_syslog(lua_State *L)
{
	enum sl_level level = priority(L, 1);
	struct sl_str message = sl_arg_string(L, 2);
	struct sl_buf text = SL_BUF_INIT;

	sl_charge(L, message.n / 8);
	sl_vm_redact(sl_vm_of(L), message, &text);
	text.n = text.n > MAX_ECHO ? MAX_ECHO : text.n;
	sl_event(sl_vm_events(sl_vm_of(L)), level, "syslog", SL_FIELDS(
	    SL_F_TEXT("id", sl_vm_run_id(L)), SL_F_STR("text", sl_buf_str(&text))));
	sl_buf_clear(&text);
	return 0;
}

/* Names in events are words of the log, not text. */
static const char *
event_word(lua_State *L, struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !sl_isdigit(s.p[i]) && s.p[i] != '_')
			luaL_error(L, "\"%s\" is no name of an event or field (a-z, 0-9, _)", s.p);
	if (s.n == 0 || s.n > 40 || sl_str_eq(s, SL_STR("id")))
		luaL_error(L, "names of events and fields have 1 to 40 letters, and aren't \"id\"");
	return s.p;
}

/* The value at the top. Of a text only the place in 'texts', which may still move. */
static struct sl_event_field
event_field(lua_State *L, const char *name, struct sl_buf *texts)
{
	size_t from = texts->n;
	struct sl_str s;

	if (lua_isboolean(L, -1))
		return SL_F_BOOL(name, lua_toboolean(L, -1));
	if (lua_isinteger(L, -1))
		return SL_F_INT(name, lua_tointeger(L, -1));
	if (lua_type(L, -1) == LUA_TNUMBER)
		return SL_F_REAL(name, lua_tonumber(L, -1));
	if (lua_type(L, -1) != LUA_TSTRING)
		luaL_error(L, "field \"%s\": a string, number or boolean expected", name);
	s = sl_arg_string(L, lua_gettop(L));
	sl_charge(L, s.n / 8);
	sl_vm_redact(sl_vm_of(L), s, texts);
	s = (struct sl_str){ NULL, texts->n - from < MAX_ECHO ? texts->n - from : MAX_ECHO };
	return (struct sl_event_field){ .name = name, .kind = SL_FIELD_STR, .str = s,
	    .num = (int64_t)from };
}

static size_t
take_fields(lua_State *L, int arg, struct sl_event_field *fields, struct sl_buf *texts)
{
	size_t i, k, n = 0;

	sl_arg_table(L, arg);
	for (i = 0; sl_each(L, arg, &i); lua_pop(L, 2)) {
		if (n == MAX_FIELDS)
			sl_arg_error(L, arg, "more than 20 fields");
		fields[n++] = event_field(L, event_word(L, sl_arg_string(L, lua_gettop(L) - 1)), texts);
	}
	for (k = 0; k < n; k++)
		if (fields[k].kind == SL_FIELD_STR)
			fields[k].str.p = texts->p != NULL ? texts->p + fields[k].num : "";
	return n;
}

/*lua
Write an event of one's own to the log: a name and fields, as the engine's events are.

@param name string         a-z, 0-9 and "_"
@param fields? table       names (as above) and strings, numbers or booleans; at most 20
@param priority? string|number  as of syslog ("notice")

    event("customer_limited", { customer = "42", messages = 1000 }, "info")
*/
static int
core_event(lua_State *L)
{
	struct sl_event_field fields[MAX_FIELDS + 2];
	const char *name = event_word(L, sl_arg_string(L, 1));
	enum sl_level level = sl_arg_given(L, 3) ? priority(L, 3) : SL_NOTICE;
	size_t n = 1;

	fields[0] = SL_F_TEXT("id", sl_vm_run_id(L));
	if (sl_arg_given(L, 2))
		n += take_fields(L, 2, fields + 1, sl_scratch(L));
	fields[n] = SL_F_END;
	sl_event(sl_vm_events(sl_vm_of(L)), level, name, fields);
	return 0;
}

/* ---- time, ids ------------------------------------------------------------------------ */

/*lua
The time now.

@return number seconds  since 1970, with a fraction

    assert(time() > 1600000000)
*/
static int
core_time(lua_State *L)
{
	sl_number(L, (double)sl_run_time(L) / 1e6);
	return 1;
}

/*lua
A random UUID (RFC 9562, version 4).

@return string uuid

    assert(#uuid() == 36)
*/
static int
core_uuid(lua_State *L)
{
	char id[37];

	if (sl_door_uuid4(sl_run_tape(L), id) != 0)
		return luaL_error(L, "no random bytes to be had");
	sl_text(L, id);
	return 1;
}

/* ---- JSON ------------------------------------------------------------------------------- */

/*lua
A value as JSON. A list (keys 1 to n) becomes an array, other tables, empty ones too, an object.

@param value any
@param options? table  ensure_ascii (true), pretty_print (false)
@return string? json
@return string? err   why it can't be held in JSON
@return string? code

    assert(json_encode({ 1, "a" }) == '[1,"a"]')
*/
static int
core_json_encode(lua_State *L)
{
	static const char *const names[] = { "ensure_ascii", "pretty_print", NULL };
	struct sl_buf *out = sl_scratch(L);
	struct sl_err err;

	luaL_checkany(L, 1);
	sl_options(L, 2, names);
	if (sl_json_encode(L, 1, out, sl_opt_bool(L, 2, "ensure_ascii", true),
	    sl_opt_bool(L, 2, "pretty_print", false), &err) != 0)
		return sl_fail_err(L, &err);
	sl_string(L, sl_buf_str(out));
	return 1;
}

/* Its last byte; one without an end goes to the end of the text. */
static size_t
end_of_comment(struct sl_str text, size_t i, bool block)
{
	for (; i < text.n; i++)
		if (block ? i + 1 < text.n && text.p[i] == '*' && text.p[i + 1] == '/' : text.p[i] == '\n')
			return i + block;
	return text.n;
}

/* Blanks in place of the comments of C; what stands in strings is none. */
static struct sl_str
without_comments(lua_State *L, struct sl_str text)
{
	struct sl_buf *out = sl_scratch(L);
	bool quoted = false, block, line;
	size_t i;

	sl_charge(L, text.n / 8);
	for (i = 0; i < text.n; i++) {
		line = !quoted && sl_str_starts(sl_str_sub(text, i, text.n), SL_STR("//"));
		block = !quoted && sl_str_starts(sl_str_sub(text, i, text.n), SL_STR("/*"));
		if (line || block) {
			i = end_of_comment(text, i + 2, block);
			sl_buf_putc(out, ' ');
			continue;
		}
		quoted ^= text.p[i] == '"';
		sl_buf_putc(out, text.p[i]);
		if (quoted && text.p[i] == '\\' && i + 1 < text.n)
			sl_buf_putc(out, text.p[++i]);
	}
	if (out->failed)
		luaL_error(L, "not enough memory");
	return sl_buf_str(out);
}

/*lua
The value of a JSON text. Objects keep their order for pairs; null is none.

@param text string
@param options? table  allow_comments (of C, where blanks may stand: false)
@return any? value
@return string? err   what is wrong with the text
@return string? code

    assert(json_decode('{"a":[1,2]}').a[2] == 2)
*/
static int
core_json_decode(lua_State *L)
{
	static const char *const names[] = { "allow_comments", NULL };
	struct sl_str text = sl_arg_string(L, 1);
	struct sl_err err;

	sl_options(L, 2, names);
	if (sl_opt_bool(L, 2, "allow_comments", false))
		text = without_comments(L, text);
	if (sl_json_decode(L, text, 0, &err) != 0)
		return sl_fail_err(L, &err);
	return 1;
}

const struct sl_builtin sl_module_core[] = {
	{ "echo", core_echo, SL_AT_ANY },
	{ "syslog", core_syslog, SL_AT_ANY },
	{ "event", core_event, SL_AT_ANY },
	{ "time", core_time, SL_AT_ANY | SL_IMPURE },
	{ "uuid", core_uuid, SL_AT_ANY | SL_IMPURE },
	{ "json_encode", core_json_encode, SL_AT_ANY },
	{ "json_decode", core_json_decode, SL_AT_ANY },
	{ NULL, NULL, 0 },
};
