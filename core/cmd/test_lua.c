/*
 * What the harness of "sluice test" (stdlib/test/harness.lua) gets from C: the
 * steps of a session on the desk, its world and its clock. Values go over as
 * JSON does, texts as bytes. Whatever fails in C returns nil and the reason.
 */
#include "test_lua.h"

#include <lauxlib.h>
#include <string.h>

#include "../auth/dkim.h"
#include "../crypto/key.h"

#define MAX_DEPTH	50

/* ---- values ------------------------------------------------------------------------------ */

void
test_push_json(lua_State *L, const json_t *value)
{
	json_t *item;
	const char *name;
	size_t i;

	luaL_checkstack(L, 4, NULL);
	switch (value != NULL ? json_typeof(value) : JSON_NULL) {
	case JSON_OBJECT:
		lua_newtable(L);
		json_object_foreach((json_t *)(uintptr_t)value, name, item) {
			test_push_json(L, item);
			lua_setfield(L, -2, name);
		}
		break;
	case JSON_ARRAY:
		lua_newtable(L);
		json_array_foreach(value, i, item) {
			test_push_json(L, item);
			lua_rawseti(L, -2, (lua_Integer)i + 1);
		}
		break;
	case JSON_STRING:
		lua_pushlstring(L, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
		lua_pushinteger(L, json_integer_value(value));
		break;
	case JSON_REAL:
		lua_pushnumber(L, json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		lua_pushboolean(L, json_is_true(value));
		break;
	case JSON_NULL:
		lua_pushnil(L);
	}
}

static json_t *to_json(lua_State *L, int index, int depth);

static json_t *
table_to_json(lua_State *L, int index, int depth)
{
	json_t *out;
	lua_Integer i, n = (lua_Integer)lua_rawlen(L, index);
	const char *key;

	if (n > 0) {
		out = json_array();
		for (i = 1; i <= n; i++) {
			lua_rawgeti(L, index, i);
			json_array_append_new(out, to_json(L, lua_gettop(L), depth));
			lua_pop(L, 1);
		}
		return out;
	}
	out = json_object();
	for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
		lua_pushvalue(L, -2);
		key = lua_tostring(L, -1);
		if (key != NULL)
			json_object_set_new_nocheck(out, key, to_json(L, lua_gettop(L) - 1, depth));
		lua_pop(L, 1);
	}
	return out;
}

static json_t *
to_json(lua_State *L, int index, int depth)
{
	const char *s;
	size_t n;

	luaL_checkstack(L, 4, NULL);
	switch (lua_type(L, index)) {
	case LUA_TTABLE:
		return depth < MAX_DEPTH ? table_to_json(L, index, depth + 1) : json_null();
	case LUA_TBOOLEAN:
		return json_boolean(lua_toboolean(L, index));
	case LUA_TNUMBER:
		return lua_isinteger(L, index) ? json_integer(lua_tointeger(L, index)) :
		    json_real(lua_tonumber(L, index));
	case LUA_TSTRING:
		s = lua_tolstring(L, index, &n);
		return json_stringn_nocheck(s, n);
	default:
		return json_null();
	}
}

json_t *
test_to_json(lua_State *L, int index)
{
	return to_json(L, lua_absindex(L, index), 0);
}

static struct desk *
desk_of(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

static int
failed(lua_State *L, const char *why)
{
	lua_pushnil(L);
	lua_pushstring(L, why);
	return 2;
}

static int
done(lua_State *L, int rc, const struct sl_err *err)
{
	if (rc != 0)
		return failed(L, err->text);
	lua_pushboolean(L, 1);
	return 1;
}

/* A verdict is the caller's. */
static int
give(lua_State *L, json_t *verdict, const struct sl_err *err)
{
	if (verdict == NULL)
		return failed(L, err->text);
	test_push_json(L, verdict);
	json_decref(verdict);
	return 1;
}

static struct sl_str
check_str(lua_State *L, int index)
{
	struct sl_str s;

	s.p = luaL_checklstring(L, index, &s.n);
	return s;
}

/* ---- the world --------------------------------------------------------------------------- */

static int
begin(lua_State *L)
{
	struct sl_buf report = SL_BUF_INIT;
	int rc = desk_begin(desk_of(L), &report);

	lua_pushboolean(L, rc == 0);
	lua_pushlstring(L, report.p != NULL ? report.p : "", report.n);
	sl_buf_clear(&report);
	return 2;
}

static int
zone(lua_State *L)
{
	struct sl_err err;

	return done(L, desk_zone(desk_of(L), check_str(L, 1), &err), &err);
}

static int
route(lua_State *L)
{
	struct sl_err err = { .text = "out of memory" };

	luaL_checktype(L, 3, LUA_TTABLE);
	return done(L, desk_route(desk_of(L), luaL_optstring(L, 1, NULL), luaL_checkstring(L, 2),
	    to_json(L, 3, 0)), &err);
}

static int
refuse(lua_State *L)
{
	struct sl_err err = { .text = "out of memory" };

	return done(L, desk_refuse(desk_of(L), luaL_checkstring(L, 1)), &err);
}

/* Seconds since 1970; 0 = the system's clock. */
static int
set_time(lua_State *L)
{
	desk_set_time(desk_of(L), (int64_t)(luaL_checknumber(L, 1) * 1000000));
	return 0;
}

static int
now(lua_State *L)
{
	lua_pushnumber(L, (double)sl_loop_time_us(desk_loop(desk_of(L))) / 1000000);
	return 1;
}

static int
pass_time(lua_State *L)
{
	desk_wait(desk_of(L), (int64_t)(luaL_checknumber(L, 1) * 1000));
	return 0;
}

static int
questions(lua_State *L)
{
	test_push_json(L, desk_questions(desk_of(L)));
	return 1;
}

static int
unanswered(lua_State *L)
{
	const json_t *list = desk_unanswered(desk_of(L)), *item;
	struct sl_buf line = SL_BUF_INIT;
	size_t i;

	lua_newtable(L);
	json_array_foreach(list, i, item) {
		sl_buf_reset(&line);
		desk_describe_question(item, &line);
		lua_pushlstring(L, line.p, line.n);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	sl_buf_clear(&line);
	return 1;
}

static int
events(lua_State *L)
{
	test_push_json(L, desk_events(desk_of(L)));
	return 1;
}

static int
forget(lua_State *L)
{
	desk_forget(desk_of(L));
	return 0;
}

static int
encode_json(lua_State *L)
{
	json_t *value = to_json(L, 1, 0);
	char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	json_decref(value);
	if (text == NULL)
		return failed(L, "texts of JSON are UTF-8");
	lua_pushstring(L, text);
	free(text);
	return 1;
}

/* A new private key in PEM, and the record that publishes it. */
static int
make_key(lua_State *L)
{
	bool rsa = strcmp(luaL_checkstring(L, 1), "rsa") == 0;
	struct sl_buf pem = SL_BUF_INIT, record = SL_BUF_INIT;
	struct sl_key *key = NULL;
	struct sl_err err;
	int rc = sl_key_generate(&pem, rsa ? SL_KEY_RSA : SL_KEY_ED25519, 2048, &err);

	if (rc == 0)
		rc = sl_key_parse(&key, sl_buf_str(&pem), &err);
	if (rc == 0 && (rc = sl_dkim_record(&record, key)) != 0)
		sl_err_set(&err, rc, "no record can be made");
	sl_key_unref(key);
	if (rc == 0) {
		lua_pushlstring(L, pem.p, pem.n);
		lua_pushlstring(L, record.p, record.n);
	}
	sl_buf_clear(&pem);
	sl_buf_clear(&record);
	return rc == 0 ? 2 : failed(L, err.text);
}

static int
coverage(lua_State *L)
{
	test_push_json(L, desk_coverage(desk_of(L)));
	return 1;
}

/* ---- the session ------------------------------------------------------------------------- */

static const char *
opt_field(lua_State *L, const char *name)
{
	lua_getfield(L, 1, name);
	return lua_tostring(L, -1);	/* stays on the stack */
}

static int
connect_peer(lua_State *L)
{
	struct desk_peer peer = { 0 };
	struct sl_err err;

	luaL_checktype(L, 1, LUA_TTABLE);
	peer.ip = opt_field(L, "ip");
	peer.server = opt_field(L, "server");
	peer.serverip = opt_field(L, "serverip");
	lua_getfield(L, 1, "port");
	peer.port = (int)lua_tointeger(L, -1);
	lua_getfield(L, 1, "serverport");
	peer.serverport = (int)lua_tointeger(L, -1);
	return give(L, desk_connect(desk_of(L), &peer, &err), &err);
}

static int
tls(lua_State *L)
{
	struct sl_err err;

	return done(L, desk_tls(desk_of(L), luaL_checkstring(L, 1), &err), &err);
}

static int
helo(lua_State *L)
{
	struct sl_err err;

	return give(L, desk_helo(desk_of(L), luaL_checkstring(L, 1), &err), &err);
}

static int
auth(lua_State *L)
{
	struct sl_err err;

	return give(L, desk_auth(desk_of(L), luaL_checkstring(L, 1), luaL_checkstring(L, 2),
	    luaL_checkstring(L, 3), &err), &err);
}

static int
account(lua_State *L)
{
	struct sl_err err;

	return done(L, desk_account(desk_of(L), luaL_checkstring(L, 1), &err), &err);
}

static int
mail(lua_State *L)
{
	struct sl_err err;

	return give(L, desk_mail(desk_of(L), luaL_checkstring(L, 1), &err), &err);
}

static int
rcpt(lua_State *L)
{
	struct sl_err err;

	return give(L, desk_rcpt(desk_of(L), luaL_checkstring(L, 1), &err), &err);
}

static int
data(lua_State *L)
{
	struct sl_err err;

	return give(L, desk_data(desk_of(L), check_str(L, 1), &err), &err);
}

static int
reset(lua_State *L)
{
	desk_reset(desk_of(L));
	return 0;
}

static int
disconnect(lua_State *L)
{
	desk_disconnect(desk_of(L));
	return 0;
}

void
test_push_desk(lua_State *L, struct desk *d)
{
	static const luaL_Reg functions[] = {
		{ "begin", begin }, { "zone", zone }, { "route", route }, { "refuse", refuse }, { "set_time", set_time },
		{ "now", now }, { "wait", pass_time }, { "questions", questions },
		{ "unanswered", unanswered }, { "events", events }, { "forget", forget },
		{ "json", encode_json }, { "coverage", coverage }, { "key", make_key }, { "connect", connect_peer }, { "tls", tls },
		{ "helo", helo }, { "auth", auth }, { "account", account }, { "mail", mail },
		{ "rcpt", rcpt }, { "data", data }, { "reset", reset }, { "disconnect", disconnect },
		{ NULL, NULL },
	};

	lua_newtable(L);
	lua_pushlightuserdata(L, d);
	luaL_setfuncs(L, functions, 1);
}
