/*
 * Test files in HSL: they run in an engine of their own, without a policy, and call the
 * harness through one builtin. Arguments and results go over as JSON. stdlib/test/hsl.lua
 * is the other side of it.
 */
#include "test_lua.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

#define MAX_ARGS	10
#define MAX_CALLS	1000000		/* of the harness by one case */

struct test_hsl {
	lua_State *L;			/* of the harness */
	int answer;			/* registry: its function that gets the calls */
	struct sl_engine *engine;	/* NULL = not begun */
	bool over;
	struct sl_err err;
};

/* ---- calls of a test file ------------------------------------------------------------------ */

static bool
push_argument(lua_State *L, struct sl_call *call, int i)
{
	struct sl_str text;
	json_t *value = NULL;

	if (!sl_call_json(call, i, &text))
		return false;
	value = json_loadb(text.p, text.n, JSON_DECODE_ANY, NULL);
	test_push_json(L, value);
	json_decref(value);
	return true;
}

static void
give_result(lua_State *L, struct sl_call *call)
{
	json_t *value = test_to_json(L, -1);
	char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	json_decref(value);
	if (text == NULL)
		sl_call_refuse(call, "out of memory");
	else
		sl_call_give_string(call, sl_str_of(text));
	free(text);
}

/* test_call(name, number of arguments, ...): the result as JSON; an error if the harness has
 * a failure, which it keeps. */
static void
on_call(void *arg, struct sl_call *call)
{
	struct test_hsl *h = arg;
	lua_State *L = h->L;
	int top = lua_gettop(L), i;
	struct sl_str name;
	double n;

	if (!sl_call_string(call, 1, &name) || !sl_call_number(call, 2, &n) || n < 0 || n > MAX_ARGS ||
	    !lua_checkstack(L, MAX_ARGS + 10)) {
		sl_call_refuse(call, "too many arguments");
		return;
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, h->answer);
	lua_pushlstring(L, name.p, name.n);
	for (i = 0; i < (int)n && push_argument(L, call, 3 + i); i++)
		;
	if (i < (int)n)
		sl_call_refuse(call, "what is given has to be plain data, and its texts UTF-8");
	else if (lua_pcall(L, (int)n + 1, 2, 0) != LUA_OK)
		sl_call_refuse(call, lua_tostring(L, -1));
	else if (!lua_toboolean(L, -2))
		sl_call_refuse(call, "failed");
	else
		give_result(L, call);
	lua_settop(L, top);
}

/* ---- what the harness calls ---------------------------------------------------------------- */

static struct test_hsl *
hsl_of(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

static void
on_echo(void *arg, struct sl_str line)
{
	(void)arg;
	fwrite(line.p, 1, line.n, stdout);
	putchar('\n');
}

static int
drop(lua_State *L)
{
	struct test_hsl *h = lua_touserdata(L, 1);

	sl_engine_free(h->engine);
	h->engine = NULL;
	return 0;
}

/* begin(answer, policy): a fresh engine, whose calls 'answer' gets; it reads files of that folder. */
static int
begin(lua_State *L)
{
	const struct sl_host_builtin builtin = { .name = "test_call", .fn = on_call, .arg = hsl_of(L) };
	struct sl_engine_options o = { .stdlib = cmd_stdlib() };
	struct test_hsl *h = hsl_of(L);
	struct sl_err err = { .text = "out of memory" };
	const char *inside = lua_pushfstring(L, "%s/", luaL_checkstring(L, 2));

	luaL_checktype(L, 1, LUA_TFUNCTION);
	luaL_unref(L, LUA_REGISTRYINDEX, h->answer);
	lua_pushvalue(L, 1);
	h->answer = luaL_ref(L, LUA_REGISTRYINDEX);
	sl_engine_free(h->engine);
	h->engine = sl_engine_new(&o, &err);
	if (h->engine == NULL || sl_engine_exec_keep(h->engine) != 0 ||
	    sl_engine_exec_beside(h->engine, inside, &err) != 0 ||
	    sl_engine_add_builtin(h->engine, &builtin, &err) != 0)
		return luaL_error(L, "%s", err.text);
	sl_engine_exec_operations(h->engine, MAX_CALLS);
	sl_engine_on_echo(h->engine, on_echo, NULL);
	return 0;
}

static void
on_end(void *arg, const struct sl_err *err, const char *text)
{
	struct test_hsl *h = arg;

	(void)text;
	if (err != NULL)
		h->err = *err;
	h->over = true;
}

/* exec(name, source): true, or nil and the error. */
static int
exec(lua_State *L)
{
	struct test_hsl *h = hsl_of(L);
	const char *name = luaL_checkstring(L, 1);
	struct sl_str source;
	int rc;

	source.p = luaL_checklstring(L, 2, &source.n);
	h->over = false;
	h->err.code = 0;
	rc = sl_engine_exec(h->engine, name, source, on_end, h, &h->err);
	while (rc == 0 && !h->over)
		if (sl_engine_wait(h->engine, -1) < 0)
			return luaL_error(L, "the loop failed");
	if (rc == 0 && h->err.code == 0) {
		lua_pushboolean(L, 1);
		return 1;
	}
	lua_pushnil(L);
	lua_pushstring(L, h->err.text);
	return 2;
}

void
test_push_hsl(lua_State *L)
{
	static const luaL_Reg functions[] = { { "begin", begin }, { "exec", exec }, { NULL, NULL } };
	struct test_hsl *h;

	lua_newtable(L);
	h = lua_newuserdatauv(L, sizeof(*h), 0);
	memset(h, 0, sizeof(*h));
	h->L = L;
	h->answer = LUA_NOREF;
	lua_newtable(L);
	lua_pushcfunction(L, drop);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	luaL_setfuncs(L, functions, 1);
}
