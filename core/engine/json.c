/* Values to JSON and back. jansson parses and prints; the walk is ours. */
#include <jansson.h>
#include <string.h>

#include "internal.h"

#define MAX_DEPTH	100
#define MAX_TEXT	(1024 * 1024)

/* ---- to JSON ------------------------------------------------------------------- */

static json_t *encode(lua_State *L, int index, int depth, struct sl_err *err);

static json_t *
encode_number(lua_State *L, int index)
{
	if (lua_isinteger(L, index))
		return json_integer(lua_tointeger(L, index));
	return json_real(lua_tonumber(L, index));	/* NULL for nan and inf */
}

static const char *
key_text(lua_State *L, int index, char *number, size_t size)
{
	if (lua_type(L, index) == LUA_TSTRING)
		return lua_tostring(L, index);
	if (lua_isinteger(L, index)) {
		snprintf(number, size, "%lld", (long long)lua_tointeger(L, index));
		return number;
	}
	return NULL;
}

/* The walk of sl_each keeps its list of keys at 'top' + 1. */
static json_t *
encode_table(lua_State *L, int index, int depth, struct sl_err *err)
{
	bool list = sl_is_list(L, index) && lua_rawlen(L, index) > 0;
	json_t *out = list ? json_array() : json_object(), *value;
	const char *key;
	char number[32];
	size_t i;
	int rc;

	for (i = 0; out != NULL && sl_each(L, index, &i);) {
		key = list ? "" : key_text(L, -2, number, sizeof(number));
		if (key == NULL)
			sl_err_set(err, SL_ERR_INVAL, "a %s can't be a name in JSON",
			    luaL_typename(L, -2));
		value = key != NULL ? encode(L, lua_gettop(L), depth + 1, err) : NULL;
		if (value == NULL) {
			json_decref(out);
			return NULL;
		}
		rc = list ? json_array_append_new(out, value) : json_object_set_new(out, key, value);
		if (rc != 0)
			sl_err_set(err, SL_ERR_INVAL, "not a UTF-8 string");
		if (rc != 0) {
			json_decref(out);
			return NULL;
		}
	}
	return out;
}

static json_t *
encode(lua_State *L, int index, int depth, struct sl_err *err)
{
	json_t *out = NULL;
	size_t n;
	const char *s;

	if (depth > MAX_DEPTH) {
		sl_err_set(err, SL_ERR_LIMIT, "nested deeper than %d", MAX_DEPTH);
		return NULL;
	}
	switch (lua_type(L, index)) {
	case LUA_TNIL:
		return json_null();
	case LUA_TBOOLEAN:
		return json_boolean(lua_toboolean(L, index));
	case LUA_TNUMBER:
		out = encode_number(L, index);
		break;
	case LUA_TSTRING:
		s = lua_tolstring(L, index, &n);
		out = json_stringn(s, n);
		break;
	case LUA_TTABLE:
		return encode_table(L, index, depth, err);
	default:
		break;
	}
	if (out == NULL)
		sl_err_set(err, SL_ERR_INVAL, "a %s can't be held in JSON%s",
		    luaL_typename(L, index), lua_type(L, index) == LUA_TSTRING ?
		    " unless it is UTF-8" : "");
	return out;
}

static int
put(const char *p, size_t n, void *out)
{
	return sl_buf_put(out, p, n);
}

int
sl_json_encode(lua_State *L, int index, struct sl_buf *out, bool ascii, bool pretty,
    struct sl_err *err)
{
	size_t flags = JSON_ENCODE_ANY | (ascii ? JSON_ENSURE_ASCII : 0) |
	    (pretty ? JSON_INDENT(2) : JSON_COMPACT);
	int top = lua_gettop(L), rc;
	json_t *value;

	if (lua_istable(L, index))
		sl_charge(L, sl_count(L, index));
	value = encode(L, lua_absindex(L, index), 0, err);
	lua_settop(L, top);
	if (value == NULL)
		return err != NULL ? err->code : SL_ERR_INVAL;
	rc = json_dump_callback(value, put, out, flags);
	json_decref(value);
	return rc != 0 || out->failed ? sl_err_set(err, SL_ERR_NOMEM, "out of memory") : 0;
}

/* ---- from JSON ------------------------------------------------------------------ */

static void
push(lua_State *L, const json_t *v)
{
	const char *key;
	json_t *item;
	size_t i;

	luaL_checkstack(L, 8, "JSON is nested too deep");
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		sl_map_new(L);
		json_object_foreach((json_t *)(uintptr_t)v, key, item) {
			push(L, item);
			sl_map_set(L, key);
		}
		return;
	case JSON_ARRAY:
		sl_list_new(L);
		json_array_foreach(v, i, item) {
			push(L, item);
			lua_rawseti(L, -2, (lua_Integer)i + 1);
		}
		return;
	case JSON_STRING:
		lua_pushlstring(L, json_string_value(v), json_string_length(v));
		return;
	case JSON_INTEGER:
		sl_number(L, (double)json_integer_value(v));
		return;
	case JSON_REAL:
		sl_number(L, json_real_value(v));
		return;
	case JSON_TRUE:
	case JSON_FALSE:
		lua_pushboolean(L, json_is_true(v));
		return;
	default:
		lua_pushnil(L);
	}
}

static int
release(lua_State *L)
{
	json_t **box = lua_touserdata(L, 1);

	json_decref(*box);
	*box = NULL;
	return 0;
}

/* The tree belongs to a userdata while values are made of it: making them can
 * run out of memory. */
static json_t **
push_box(lua_State *L)
{
	json_t **box = lua_newuserdatauv(L, sizeof(*box), 0);

	*box = NULL;
	if (luaL_newmetatable(L, "sluice.json")) {
		lua_pushcfunction(L, release);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return box;
}

static unsigned
depth_of(struct sl_str text)
{
	unsigned depth = 0, most = 0;
	bool quoted = false;
	size_t i;

	for (i = 0; i < text.n; i++) {
		if (quoted) {
			if (text.p[i] == '\\')
				i++;
			else if (text.p[i] == '"')
				quoted = false;
		} else if (text.p[i] == '"') {
			quoted = true;
		} else if (text.p[i] == '[' || text.p[i] == '{') {
			if (++depth > most)
				most = depth;
		} else if ((text.p[i] == ']' || text.p[i] == '}') && depth > 0) {
			depth--;
		}
	}
	return most;
}

int
sl_json_decode(lua_State *L, struct sl_str text, size_t max, struct sl_err *err)
{
	json_error_t why;
	json_t **box;

	if (text.n > (max != 0 ? max : MAX_TEXT))
		return sl_err_set(err, SL_ERR_LIMIT, "JSON of %zu bytes is too long", text.n);
	if (depth_of(text) > MAX_DEPTH)
		return sl_err_set(err, SL_ERR_LIMIT, "JSON is nested deeper than %d", MAX_DEPTH);
	sl_charge(L, text.n);
	box = push_box(L);
	*box = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	if (*box == NULL) {
		lua_pop(L, 1);
		return sl_err_set(err, SL_ERR_SYNTAX, "JSON: %s (byte %d)", why.text, why.position);
	}
	push(L, *box);
	json_decref(*box);
	*box = NULL;
	lua_remove(L, -2);
	return 0;
}
