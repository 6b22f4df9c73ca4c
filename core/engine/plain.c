#include "plain.h"

#include <string.h>

#include "../tape/tape.h"
#include "internal.h"

#define BYTES_PER_STEP	4	/* of a copy, as JSON */
#define TYPE	"sluice.plain"

static json_t *
plain_of(lua_State *L, int arg)
{
	return *(json_t **)luaL_checkudata(L, arg, TYPE);
}

/* A name without NUL, which no name here has; else NULL. */
static const char *
name_at(lua_State *L, int index)
{
	const char *name;
	size_t n;

	if (lua_type(L, index) != LUA_TSTRING)
		return NULL;
	name = lua_tolstring(L, index, &n);
	return strlen(name) == n ? name : NULL;
}

static json_t *
member(lua_State *L, json_t *value, int key)
{
	const char *name = name_at(L, key);

	if (json_is_array(value) && lua_isinteger(L, key))
		return json_array_get(value, (size_t)lua_tointeger(L, key) - 1);
	if (json_is_object(value) && name != NULL)
		return json_object_get(value, name);
	return NULL;
}

static int
plain_index(lua_State *L)
{
	sl_plain_push(L, member(L, plain_of(L, 1), 2));
	return 1;
}

/* The value at the top as JSON of its own. */
static json_t *
copy_of(lua_State *L, int index)
{
	struct sl_buf *text = sl_scratch(L);
	json_t **box = luaL_testudata(L, index, TYPE), *copy;
	struct sl_err err;

	if (box != NULL && json_dumpb(*box, NULL, 0, JSON_COMPACT) > SL_PLAIN_MAX)
		luaL_error(L, "context: a value is more than %d bytes", SL_PLAIN_MAX);
	if (box != NULL)
		return json_deep_copy(*box);
	if (sl_json_encode(L, index, text, false, false, &err) != 0)
		luaL_error(L, "context holds plain data: %s", err.text);
	if (text->n > SL_PLAIN_MAX)
		luaL_error(L, "context: a value of %d bytes is more than %d", (int)text->n,
		    SL_PLAIN_MAX);
	copy = json_loadb(text->p, text->n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (copy == NULL)
		luaL_error(L, "out of memory");
	return copy;
}

static int
set_member(lua_State *L, json_t *value, json_t *copy)
{
	const char *name = name_at(L, 2);
	size_t i;

	if (json_is_object(value) && name != NULL) {
		if (json_object_size(value) >= SL_PLAIN_NAMES)
			return luaL_error(L, "context: more than %d names", SL_PLAIN_NAMES);
		return json_object_set(value, name, copy);
	}
	if (!json_is_array(value) || !lua_isinteger(L, 2))
		return luaL_error(L, "context: a %s can't be a name here%s", luaL_typename(L, 2),
		    lua_type(L, 2) == LUA_TSTRING ? " with a NUL byte" : "");
	i = (size_t)lua_tointeger(L, 2) - 1;
	if (i > json_array_size(value) || i >= SL_PLAIN_NAMES)
		return luaL_error(L, "context: index %d is beyond the list", (int)i + 1);
	return i == json_array_size(value) ? json_array_append(value, copy) :
	    json_array_set(value, i, copy);
}

static int
plain_newindex(lua_State *L)
{
	json_t *value = plain_of(L, 1), **box;
	int rc;

	if (lua_isnil(L, 3)) {
		if (json_is_object(value) && name_at(L, 2) != NULL)
			json_object_del(value, name_at(L, 2));
		return 0;
	}
	box = lua_newuserdatauv(L, sizeof(*box), 0);	/* owns the copy if setting raises */
	*box = NULL;
	luaL_setmetatable(L, TYPE);
	*box = copy_of(L, 3);
	rc = set_member(L, value, *box);
	if (rc != 0)
		return luaL_error(L, "context: the value can't be held");
	return 0;
}

static int
plain_len(lua_State *L)
{
	json_t *value = plain_of(L, 1);

	lua_pushinteger(L, (lua_Integer)(json_is_array(value) ? json_array_size(value) : 0));
	return 1;
}

static int
plain_next(lua_State *L)
{
	json_t *value = plain_of(L, 1);
	lua_Integer i;
	void *it;

	if (json_is_array(value)) {
		i = lua_isnil(L, 2) ? 0 : lua_tointeger(L, 2);
		if ((size_t)i >= json_array_size(value))
			return 0;
		lua_pushinteger(L, i + 1);
		sl_plain_push(L, json_array_get(value, (size_t)i));
		return 2;
	}
	it = lua_isnil(L, 2) ? json_object_iter(value) :
	    json_object_iter_next(value, json_object_iter_at(value, lua_tostring(L, 2)));
	if (it == NULL)
		return 0;
	lua_pushstring(L, json_object_iter_key(it));
	sl_plain_push(L, json_object_iter_value(it));
	return 2;
}

static int
plain_pairs(lua_State *L)
{
	lua_pushcfunction(L, plain_next);
	lua_pushvalue(L, 1);
	lua_pushnil(L);
	return 3;
}

static int
plain_gc(lua_State *L)
{
	json_t **box = lua_touserdata(L, 1);

	json_decref(*box);
	*box = NULL;
	return 0;
}

static void
push_table(lua_State *L, json_t *value)
{
	static const luaL_Reg meta[] = {
		{ "__index", plain_index }, { "__newindex", plain_newindex },
		{ "__len", plain_len }, { "__pairs", plain_pairs }, { "__gc", plain_gc },
		{ NULL, NULL },
	};
	json_t **box = lua_newuserdatauv(L, sizeof(*box), 0);

	*box = NULL;
	sl_metatable(L, TYPE, meta);
	lua_setmetatable(L, -2);
	*box = json_incref(value);
}

void
sl_plain_push(lua_State *L, json_t *value)
{
	switch (value != NULL ? json_typeof(value) : JSON_NULL) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		push_table(L, value);
		break;
	case JSON_STRING:
		lua_pushlstring(L, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
		if (sl_is_hsl(L))
			lua_pushnumber(L, (lua_Number)json_integer_value(value));
		else
			lua_pushinteger(L, json_integer_value(value));
		break;
	case JSON_REAL:
		sl_number(L, json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		lua_pushboolean(L, json_is_true(value));
		break;
	default:
		lua_pushnil(L);
	}
}

/* ---- bytes ------------------------------------------------------------------------------ */

/* A tag, the number of bytes that follow, these bytes. */
#define HEAD	(1 + sizeof(uint32_t))
#define MAX_DEPTH	100	/* of arrays in arrays */

static int
put(const char *p, size_t n, void *out)
{
	return sl_buf_put(out, p, n);
}

static int
encode_table(lua_State *L, int index, struct sl_buf *out, struct sl_err *err)
{
	json_t **box = luaL_testudata(L, index, TYPE);

	if (box == NULL && sl_holds_object(L, index))
		return sl_err_set(err, SL_ERR_INVAL, "an object isn't plain data");
	if (box == NULL)
		return sl_json_encode(L, index, out, false, false, err);
	if (json_dump_callback(*box, put, out, JSON_COMPACT) == 0)
		return 0;
	return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
}

static void
encode_scalar(lua_State *L, int index, struct sl_buf *out)
{
	int integral;
	lua_Integer i;
	lua_Number n;
	struct sl_str s;

	switch (lua_type(L, index)) {
	case LUA_TBOOLEAN:
		sl_buf_putc(out, lua_toboolean(L, index) ? 1 : 0);
		break;
	case LUA_TNUMBER:
		n = lua_tonumber(L, index);
		i = lua_tointegerx(L, index, &integral);
		sl_buf_put(out, integral ? (void *)&i : (void *)&n, sizeof(i));
		break;
	case LUA_TSTRING:
		s.p = lua_tolstring(L, index, &s.n);
		sl_buf_putstr(out, s);
	}
}

static char
tag_of(lua_State *L, int index)
{
	int integral;

	switch (lua_type(L, index)) {
	case LUA_TNIL:
		return '0';
	case LUA_TBOOLEAN:
		return 'b';
	case LUA_TNUMBER:
		lua_tointegerx(L, index, &integral);
		return integral ? 'i' : 'n';
	case LUA_TSTRING:
		return 's';
	default:
		return lua_istable(L, index) || luaL_testudata(L, index, TYPE) != NULL ? 't' : '\0';
	}
}

bool
sl_is_plain(lua_State *L, int index)
{
	return lua_isuserdata(L, index) && luaL_testudata(L, index, TYPE) != NULL;
}

size_t
sl_plain_count(lua_State *L, int index)
{
	const json_t *v = *(json_t **)lua_touserdata(L, index);

	return json_is_array(v) ? json_array_size(v) : json_object_size(v);
}

bool
sl_plain_copy(lua_State *L, int index)
{
	json_t **box;

	if (!sl_is_plain(L, index))
		return false;
	box = lua_touserdata(L, index);
	sl_charge(L, json_dumpb(*box, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) / BYTES_PER_STEP);
	sl_json_push(L, *box);
	return true;
}

static int encode(lua_State *L, int index, int depth, struct sl_buf *out, struct sl_err *err);

/* Keys and values of an array whose texts aren't JSON's, for HSL's are bytes. */
static int
encode_pairs(lua_State *L, int index, int depth, struct sl_buf *out, struct sl_err *err)
{
	size_t at;
	int rc;

	if (depth > MAX_DEPTH)
		return sl_err_set(err, SL_ERR_INVAL, "arrays are nested deeper than %d", MAX_DEPTH);
	luaL_checkstack(L, 8, NULL);
	sl_charge(L, sl_map_count(L, index));
	for (at = 0; sl_map_each(L, index, &at); lua_pop(L, 2)) {
		rc = encode(L, lua_gettop(L) - 1, depth + 1, out, err);
		if (rc == 0)
			rc = encode(L, lua_gettop(L), depth + 1, out, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
encode(lua_State *L, int index, int depth, struct sl_buf *out, struct sl_err *err)
{
	char head[HEAD] = { tag_of(L, index) };
	size_t at = out->n;
	uint32_t n;
	int rc = 0;

	if (head[0] == '\0')
		return sl_err_set(err, SL_ERR_INVAL, "a %s isn't plain data", luaL_typename(L, index));
	sl_buf_put(out, head, HEAD);
	if (head[0] == 't')
		rc = encode_table(L, index, out, err);
	else
		encode_scalar(L, index, out);
	if (rc == SL_ERR_INVAL && sl_is_map(L, index)) {
		out->n = at + HEAD;
		out->p[at] = 'm';
		rc = encode_pairs(L, index, depth, out, err);
	}
	if (rc == 0 && (out->failed || out->n - at > UINT32_MAX))
		rc = sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	if (rc != 0)
		return rc;
	n = (uint32_t)(out->n - at - HEAD);
	memcpy(out->p + at + 1, &n, sizeof(n));
	return 0;
}

int
sl_plain_encode(lua_State *L, int index, struct sl_buf *out, struct sl_err *err)
{
	return encode(L, index, 0, out, err);
}

static int
decode_pairs(lua_State *L, struct sl_str bytes, struct sl_err *err)
{
	int rc = 0, map;

	luaL_checkstack(L, 8, NULL);
	sl_map_make(L);
	map = lua_gettop(L);
	while (rc == 0 && bytes.n > 0) {
		rc = sl_plain_decode(L, &bytes, err);
		if (rc == 0)
			rc = sl_plain_decode(L, &bytes, err);
		if (rc == 0)
			sl_map_put(L, map);
	}
	return rc;
}

int
sl_plain_decode(lua_State *L, struct sl_str *bytes, struct sl_err *err)
{
	const char *tag = bytes->p;
	struct sl_str s;
	lua_Integer i;
	lua_Number n;
	uint32_t len;

	memcpy(&len, bytes->p + 1, sizeof(len));
	s = sl_str_sub(*bytes, HEAD, HEAD + len);
	*bytes = sl_str_sub(*bytes, HEAD + len, bytes->n);
	switch (*tag) {
	case 't':
		return sl_json_decode(L, s, 0, err);
	case 'm':
		return decode_pairs(L, s, err);
	case 's':
		sl_string(L, s);
		break;
	case 'i':
		memcpy(&i, s.p, sizeof(i));
		if (sl_is_hsl(L))
			lua_pushnumber(L, (lua_Number)i);
		else
			lua_pushinteger(L, i);
		break;
	case 'n':
		memcpy(&n, s.p, sizeof(n));
		lua_pushnumber(L, n);
		break;
	case 'b':
		lua_pushboolean(L, s.p[0]);
		break;
	default:
		lua_pushnil(L);
	}
	return 0;
}

static bool
to_parts(struct sl_str bytes, int depth, struct sl_buf *out)
{
	struct sl_buf inner = SL_BUF_INIT;
	char tag[2] = "";
	struct sl_str s;
	uint32_t n;
	bool ok = true;

	while (ok && bytes.n >= HEAD) {
		tag[0] = bytes.p[0];
		memcpy(&n, bytes.p + 1, sizeof(n));
		if (strchr("0binstm", tag[0]) == NULL || tag[0] == '\0' || n > bytes.n - HEAD)
			return false;
		s = sl_str_sub(bytes, HEAD, HEAD + n);
		if (tag[0] == 'm') {
			ok = depth <= MAX_DEPTH && to_parts(s, depth + 1, &inner) && !inner.failed;
			s = sl_buf_str(&inner);
		}
		sl_tape_put(out, tag, s);
		sl_buf_clear(&inner);
		bytes = sl_str_sub(bytes, HEAD + n, bytes.n);
	}
	return ok && bytes.n == 0;
}

bool
sl_plain_to_parts(struct sl_str bytes, struct sl_buf *out)
{
	return to_parts(bytes, 0, out);
}

/* Values of a wrong size would be read beyond their end. */
static bool
is_whole(char tag, size_t n)
{
	return tag == '0' ? n == 0 : tag == 'b' ? n == 1 : tag == 'i' || tag == 'n' ? n == 8 :
	    tag == 's' || tag == 't' || tag == 'm';
}

static bool from_parts(struct sl_str parts, int depth, size_t *count, struct sl_buf *out);

static bool
from_part(struct sl_str name, struct sl_str value, int depth, struct sl_buf *out)
{
	size_t at = out->n, pairs = 0;
	uint32_t n = (uint32_t)value.n;

	if (name.n != 1 || !is_whole(name.p[0], value.n) || value.n > UINT32_MAX)
		return false;
	sl_buf_putc(out, name.p[0]);
	sl_buf_put(out, &n, sizeof(n));
	if (name.p[0] != 'm') {
		sl_buf_putstr(out, value);
		return true;
	}
	if (depth > MAX_DEPTH || !from_parts(value, depth + 1, &pairs, out) || pairs % 2 != 0 ||
	    out->failed || out->n - at - HEAD > UINT32_MAX)
		return false;
	n = (uint32_t)(out->n - at - HEAD);
	memcpy(out->p + at + 1, &n, sizeof(n));
	return true;
}

static bool
from_parts(struct sl_str parts, int depth, size_t *count, struct sl_buf *out)
{
	struct sl_str name, value;

	while (sl_tape_part(&parts, &name, &value)) {
		if (!from_part(name, value, depth, out))
			return false;
		(*count)++;
	}
	return parts.n == 0;
}

bool
sl_plain_from_part(struct sl_str name, struct sl_str value, struct sl_buf *out)
{
	return from_part(name, value, 0, out);
}

bool
sl_plain_from_parts(struct sl_str parts, struct sl_buf *out)
{
	size_t count = 0;

	return from_parts(parts, 0, &count, out);
}
