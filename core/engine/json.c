/* Values to JSON and back. jansson parses and prints; the walk is ours. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "internal.h"

#define MAX_DEPTH	100
#define MAX_TEXT	(1024 * 1024)

/* ---- ownership ------------------------------------------------------------------- */

static int
release(lua_State *L)
{
	json_t **box = lua_touserdata(L, 1);

	json_decref(*box);
	*box = NULL;
	return 0;
}

/* A tree belongs to a userdata while scripts' values are read or made: both can
 * end the run in the middle. */
static json_t **
push_box(lua_State *L)
{
	static const luaL_Reg meta[] = { { "__gc", release }, { NULL, NULL } };
	json_t **box = lua_newuserdatauv(L, sizeof(*box), 0);

	*box = NULL;
	sl_metatable(L, "sluice.json", meta);
	lua_setmetatable(L, -2);
	return box;
}

/* ---- to JSON ------------------------------------------------------------------- */

static int put_value(lua_State *L, int index, int depth, json_t *parent, const char *key,
    struct sl_err *err);

/* NULL: not a name in JSON; jansson has none with a NUL. */
static const char *
key_text(lua_State *L, int index, char *number, size_t size)
{
	const char *key;
	int integral;
	lua_Integer i;
	size_t n;

	if (lua_type(L, index) == LUA_TSTRING) {
		key = lua_tolstring(L, index, &n);
		return strlen(key) == n ? key : NULL;
	}
	i = lua_tointegerx(L, index, &integral);
	if (integral) {
		snprintf(number, size, "%lld", (long long)i);
		return number;
	}
	return NULL;
}

/* The parent owns what it holds at once, so nothing is lost if the run ends. */
static int
attach(json_t *parent, const char *key, json_t *value)
{
	return key == NULL ? json_array_append_new(parent, value) :
	    json_object_set_new(parent, key, value);
}

static int
put_members(lua_State *L, int index, int depth, json_t *out, struct sl_err *err)
{
	bool list = json_is_array(out);
	const char *key;
	char number[32];
	size_t i;
	int rc;

	for (i = 0; sl_each(L, index, &i);) {
		sl_charge(L, 1);
		key = list ? NULL : key_text(L, -2, number, sizeof(number));
		if (!list && key == NULL)
			return sl_err_set(err, SL_ERR_INVAL, "a %s can't be a name in JSON%s",
			    luaL_typename(L, -2), lua_type(L, -2) == LUA_TSTRING ?
			    " with a NUL byte" : "");
		rc = put_value(L, lua_gettop(L), depth + 1, out, key, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* HSL's numbers are floats: 5 is one too, and stays 5. */
static json_t *
number(lua_State *L, int index)
{
	double n = lua_tonumber(L, index);

	if (lua_isinteger(L, index))
		return json_integer(lua_tointeger(L, index));
	if (sl_is_hsl(L) && floor(n) == n && fabs(n) <= 9007199254740992.0)
		return json_integer((json_int_t)n);
	return json_real(n);		/* NULL for nan and inf */
}

static json_t *
scalar(lua_State *L, int index)
{
	size_t n;
	const char *s;

	switch (lua_type(L, index)) {
	case LUA_TNIL:
		return json_null();
	case LUA_TBOOLEAN:
		return json_boolean(lua_toboolean(L, index));
	case LUA_TNUMBER:
		return number(L, index);
	case LUA_TSTRING:
		s = lua_tolstring(L, index, &n);
		return json_stringn(s, n);
	default:
		return NULL;
	}
}

/* Lua can't tell an empty list from an empty map; HSL's have no names. */
static bool
is_array(lua_State *L, int index)
{
	return sl_is_list(L, index) && (sl_is_map(L, index) || sl_count(L, index) > 0);
}

static int
put_value(lua_State *L, int index, int depth, json_t *parent, const char *key, struct sl_err *err)
{
	bool table = lua_istable(L, index);
	json_t *value;
	int rc;

	if (sl_plain_copy(L, index)) {
		rc = put_value(L, lua_gettop(L), depth, parent, key, err);
		lua_pop(L, 1);
		return rc;
	}
	if (depth > MAX_DEPTH)
		return sl_err_set(err, SL_ERR_LIMIT, "nested deeper than %d", MAX_DEPTH);
	if (table)
		value = is_array(L, index) ? json_array() : json_object();
	else
		value = scalar(L, index);
	if (value == NULL || attach(parent, key, value) != 0)
		return sl_err_set(err, SL_ERR_INVAL, "a %s can't be held in JSON%s",
		    luaL_typename(L, index), lua_type(L, index) == LUA_TSTRING ?
		    " unless it is UTF-8" : "");
	return table ? put_members(L, index, depth, value, err) : 0;
}

/* The digits that each number of the tree needs to read back the same: 0.1 stays 0.1. */
static size_t
digits_of(const json_t *v, size_t digits)
{
	char text[40];
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_real(v))
		while (digits < 17 && (snprintf(text, sizeof(text), "%.*g", (int)digits, json_real_value(v)) < 0 ||
		    strtod(text, NULL) != json_real_value(v)))
			digits++;
	json_array_foreach(v, i, item)
		digits = digits_of(item, digits);
	json_object_foreach((json_t *)(uintptr_t)v, key, item)
		digits = digits_of(item, digits);
	return digits;
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
	json_t **box;

	index = lua_absindex(L, index);
	box = push_box(L);
	*box = json_array();
	rc = *box == NULL ? sl_err_set(err, SL_ERR_NOMEM, "out of memory") :
	    put_value(L, index, 0, *box, NULL, err);
	flags |= JSON_REAL_PRECISION(digits_of(*box, 15));
	if (rc == 0 && (json_dump_callback(json_array_get(*box, 0), put, out, flags) != 0 || out->failed))
		rc = sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	json_decref(*box);
	*box = NULL;
	lua_settop(L, top);
	return rc;
}

int
sl_json_tree(lua_State *L, int index, json_t **out, struct sl_err *err)
{
	int top = lua_gettop(L), rc;
	json_t **box;

	index = lua_absindex(L, index);
	box = push_box(L);
	*box = json_array();
	rc = *box == NULL ? sl_err_set(err, SL_ERR_NOMEM, "out of memory") :
	    put_value(L, index, 0, *box, NULL, err);
	if (rc == 0)
		*out = json_incref(json_array_get(*box, 0));
	json_decref(*box);
	*box = NULL;
	lua_settop(L, top);
	return rc;
}

/* The text of a name or value at 'index' in its place; false: it is none. */
static bool
make_text(lua_State *L, int index)
{
	int type = lua_type(L, index);

	if (sl_is_hsl(L) && (type == LUA_TNUMBER || type == LUA_TBOOLEAN)) {
		sl_to_string(L, index);
		lua_replace(L, index);
		return true;
	}
	return type == LUA_TSTRING;
}

int
sl_json_texts(lua_State *L, int index, struct sl_buf *out, struct sl_err *err)
{
	size_t i, n = 0;
	int top, rc = 0;

	index = lua_absindex(L, index);
	sl_buf_putc(out, '{');
	for (i = 0; sl_each(L, index, &i); lua_settop(L, top)) {
		top = lua_gettop(L);
		if (!make_text(L, top - 1) || !make_text(L, top))
			return sl_err_set(err, SL_ERR_INVAL, "names and values must be strings");
		if (n++ > 0)
			sl_buf_putc(out, ',');
		rc = sl_json_encode(L, top - 1, out, false, false, err);
		sl_buf_putc(out, ':');
		if (rc != 0 || (rc = sl_json_encode(L, top, out, false, false, err)) != 0)
			return rc;
	}
	sl_buf_putc(out, '}');
	return out->failed ? sl_err_set(err, SL_ERR_NOMEM, "out of memory") : 0;
}

/* ---- from JSON ------------------------------------------------------------------ */

void
sl_json_push(lua_State *L, const json_t *v)
{
	const char *key;
	json_t *item;
	size_t i;

	luaL_checkstack(L, 8, "JSON is nested too deep");
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		sl_map_new(L);
		json_object_foreach((json_t *)(uintptr_t)v, key, item) {
			lua_pushstring(L, key);
			sl_json_push(L, item);
			sl_map_set_key(L);
		}
		return;
	case JSON_ARRAY:
		sl_list_new(L);
		json_array_foreach(v, i, item) {
			sl_json_push(L, item);
			if (sl_is_map(L, -2))
				sl_list_add(L);
			else
				lua_rawseti(L, -2, (lua_Integer)i + 1);	/* null keeps its place */
		}
		return;
	case JSON_STRING:
		lua_pushlstring(L, json_string_value(v), json_string_length(v));
		return;
	case JSON_INTEGER:
		if (sl_is_hsl(L))
			lua_pushnumber(L, (lua_Number)json_integer_value(v));
		else
			lua_pushinteger(L, json_integer_value(v));	/* all its digits */
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
	*box = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL |
	    (sl_is_hsl(L) ? JSON_DECODE_INT_AS_REAL : 0), &why);
	if (*box == NULL) {
		lua_pop(L, 1);
		return sl_err_set(err, SL_ERR_SYNTAX, "JSON: %s (byte %d)", why.text, why.position);
	}
	sl_json_push(L, *box);
	json_decref(*box);
	*box = NULL;
	lua_remove(L, -2);
	return 0;
}
