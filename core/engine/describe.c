/* A value as a person reads it: one line, deterministic, without secrets. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define MAX_DEPTH	6
#define MAX_MAP_DEPTH	32	/* echo shows what json_decode made */

static void describe(lua_State *L, int index, struct sl_buf *out, size_t max, int depth);

static void
quoted(struct sl_buf *out, struct sl_str s)
{
	size_t i;

	sl_buf_putc(out, '"');
	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			sl_buf_printf(out, "\\%c", c);
		else if (c == '\n')
			sl_buf_puts(out, "\\n");
		else if (c == '\r')
			sl_buf_puts(out, "\\r");
		else if (c == '\t')
			sl_buf_puts(out, "\\t");
		else if (c < ' ' || c == 0x7f)
			sl_buf_printf(out, "\\x%02x", c);
		else
			sl_buf_putc(out, (char)c);
	}
	sl_buf_putc(out, '"');
}

static bool
is_name(struct sl_str s)
{
	size_t i;

	if (s.n == 0 || sl_isdigit(s.p[0]))
		return false;
	for (i = 0; i < s.n; i++)
		if (!sl_isalnum(s.p[i]) && s.p[i] != '_')
			return false;
	return true;
}

static void
describe_key(lua_State *L, struct sl_buf *out, size_t max)
{
	struct sl_str s = { 0 };

	if (lua_type(L, -2) == LUA_TSTRING)
		s.p = lua_tolstring(L, -2, &s.n);
	if (s.p != NULL && is_name(s)) {
		sl_buf_putstr(out, s);
	} else {
		sl_buf_putc(out, '[');
		describe(L, lua_gettop(L) - 1, out, max, MAX_DEPTH);
		sl_buf_putc(out, ']');
	}
	sl_buf_puts(out, " = ");
}

/* The names of values that nobody else is to see, whoever gave them. */
static bool
is_secret_name(lua_State *L, int key)
{
	static const char *const names[] = { "authorization", "proxy-authorization", "cookie",
	    "password", "sasl_password", "secret", "token", "x-api-key", "api-key" };
	struct sl_str s = { 0 };
	size_t i;

	if (lua_type(L, key) == LUA_TSTRING)
		s.p = lua_tolstring(L, key, &s.n);
	for (i = 0; s.p != NULL && i < sizeof(names) / sizeof(names[0]); i++)
		if (sl_str_ieq(s, sl_str_of(names[i])))
			return true;
	return false;
}

/* In a trace they are shown as secrets are, from here on. */
static void
note_secret(lua_State *L, int key, int value)
{
	struct sl_str s;

	if (!sl_event_wanted(sl_vm_from(L)->events, SL_TRACE) || lua_type(L, value) != LUA_TSTRING ||
	    !is_secret_name(L, key))
		return;
	s.p = lua_tolstring(L, value, &s.n);
	sl_vm_add_secret(sl_vm_from(L), s);
}

static void
describe_table(lua_State *L, int index, struct sl_buf *out, size_t max, int depth)
{
	bool list = sl_is_list(L, index), first = true;
	int top = lua_gettop(L);
	size_t i;

	sl_buf_puts(out, "{");
	for (i = 0; sl_each(L, index, &i);) {
		if (out->n > max || depth >= MAX_DEPTH) {
			sl_buf_puts(out, first ? "..." : ", ...");
			break;
		}
		sl_buf_puts(out, first ? " " : ", ");
		first = false;
		if (!list) {
			note_secret(L, -2, -1);
			describe_key(L, out, max);
		}
		describe(L, lua_gettop(L), out, max, depth + 1);
	}
	sl_buf_puts(out, first ? "}" : " }");
	lua_settop(L, top);
}

/* HSL's own form: ["result"=>[0=>"192.0.2.1"],"dnssec"=>false] */
static void
describe_map(lua_State *L, int index, struct sl_buf *out, size_t max, int depth)
{
	int top = lua_gettop(L);
	size_t at;

	sl_buf_putc(out, '[');
	for (at = 0; sl_map_each(L, index, &at); lua_settop(L, top)) {
		if (lua_gettop(L) > top + 2 || out->n > max || depth >= MAX_MAP_DEPTH) {
			sl_buf_puts(out, "...");
			break;
		}
		if (out->p[out->n - 1] != '[')
			sl_buf_putc(out, ',');
		note_secret(L, top + 1, top + 2);
		describe(L, top + 1, out, max, MAX_DEPTH);
		sl_buf_puts(out, "=>");
		describe(L, top + 2, out, max, depth + 1);
	}
	lua_settop(L, top);
	sl_buf_putc(out, ']');
}

static void
describe_number(lua_State *L, int index, struct sl_buf *out)
{
	char text[SL_NUMBER_MAX];
	double n = lua_tonumber(L, index);

	if (lua_isinteger(L, index))
		sl_buf_printf(out, "%lld", (long long)lua_tointeger(L, index));
	else if (sl_is_hsl(L))
		sl_buf_put(out, text, sl_number_text(n, text));
	else
		sl_buf_printf(out, "%.14g", n);
}

/* Objects by their class; never by an address, which differs each time. */
static void
describe_other(lua_State *L, int index, struct sl_buf *out)
{
	if (lua_type(L, index) != LUA_TUSERDATA ||
	    luaL_getmetafield(L, index, "__name") != LUA_TSTRING) {
		sl_buf_puts(out, luaL_typename(L, index));
		return;
	}
	sl_buf_puts(out, lua_tostring(L, -1));
	lua_pop(L, 1);
}

static void
describe(lua_State *L, int index, struct sl_buf *out, size_t max, int depth)
{
	struct sl_buf clean = SL_BUF_INIT;
	struct sl_str s;

	switch (lua_type(L, index)) {
	case LUA_TNIL:
		sl_buf_puts(out, sl_is_hsl(L) ? "none" : "nil");
		break;
	case LUA_TBOOLEAN:
		sl_buf_puts(out, lua_toboolean(L, index) ? "true" : "false");
		break;
	case LUA_TNUMBER:
		describe_number(L, index, out);
		break;
	case LUA_TSTRING:
		s.p = lua_tolstring(L, index, &s.n);
		if (sl_str_find(s, SL_STR("PRIVATE KEY-----")) >= 0)
			sl_vm_add_secret(sl_vm_from(L), s);	/* nobody said so yet, but it is one */
		sl_vm_redact(sl_vm_from(L), s, &clean);	/* quoting would hide a secret's lines */
		quoted(out, sl_buf_str(&clean));
		sl_buf_clear(&clean);
		break;
	case LUA_TTABLE:
		luaL_checkstack(L, 12, NULL);
		if (sl_is_map(L, index))
			describe_map(L, index, out, max, depth);
		else
			describe_table(L, index, out, max, depth);
		break;
	default:
		luaL_checkstack(L, 8, NULL);
		if (!sl_plain_copy(L, index)) {
			describe_other(L, index, out);
			return;
		}
		describe(L, lua_gettop(L), out, max, depth);
		lua_pop(L, 1);
	}
}

int
sl_describe(lua_State *L, int index, struct sl_buf *out, size_t max)
{
	struct sl_vm *vm = sl_vm_from(L);
	struct sl_buf *text = sl_scratch(L);

	text->limit = max + 4096;
	describe(L, lua_absindex(L, index), text, max, 0);
	text->limit = 0;
	text->failed = false;		/* a long value is cut, that's no failure */
	if (text->n > max && max > 3) {
		text->n = max - 3;
		sl_buf_puts(text, "...");
	}
	return sl_vm_redact(vm, sl_buf_str(text), out);
}
