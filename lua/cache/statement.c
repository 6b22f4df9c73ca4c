/*
 * HSL's cache [options] f(...): what was kept stays, expired, until a newer value is known, so
 * that update_function can go on with it. In the store is the time when it expires, then
 * the value.
 */
#include "statement.h"

#include <string.h>

#include "../../core/engine/cache.h"
#include "../../core/engine/doors.h"
#include "../../core/engine/plain.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/policy/owner.h"

#define MAX_TTL		(30 * 86400.0)
#define OLD_SECONDS	86400.0		/* an expired value is there for update_function */

/* The stack of a call under way, from the bottom. */
enum { OPTIONS = 1, SPACE, KEY, OLD, HAS_OLD, VALUE };

enum { STAGE_CALLED, STAGE_UPDATED, STAGE_TTL };

static const char *const names[] = { "ttl", "ttl_override", "ttl_function", "update_function",
    "argv_filter", "force", "size", "namespace", "per_message", "lru", NULL };

static double
now(lua_State *L)
{
	return (double)sl_run_time(L) / 1e6;
}

/* Namespace, message, function: after a reload the function may be another one, and the size. */
static void
push_space(lua_State *L, const char *function)
{
	struct sl_str name = sl_opt_string(L, OPTIONS, "namespace", "");
	bool mine = sl_opt_bool(L, OPTIONS, "per_message", false);

	lua_pushliteral(L, "hsl ");
	lua_pushlstring(L, name.p, name.n);
	lua_pushfstring(L, "\n%s\n%s\n%s", mine ? sl_vm_run_id(L) : "",
	    sl_engine_generation_of(L), function);
	lua_concat(L, 3);
}

static bool
is_chosen(lua_State *L, int filter, int arg)
{
	size_t i;
	bool found = false;

	if (!lua_istable(L, filter))
		return true;
	for (i = 0; sl_each(L, filter, &i); lua_pop(L, 2))
		found |= lua_tonumber(L, -1) == arg;
	return found;
}

/* Arguments from 4 to 'last', those that argv_filter names. */
static void
push_key(lua_State *L, int last)
{
	struct sl_buf *key;
	struct sl_err err;
	int i, filter;

	sl_opt_push(L, OPTIONS, "argv_filter");
	filter = lua_gettop(L);
	key = sl_scratch(L);
	for (i = 4; i <= last; i++)
		if (is_chosen(L, filter, i - 3) && sl_plain_encode(L, i, key, &err) != 0)
			luaL_error(L, "cache: argument %d: %s", i - 3, err.text);
	sl_charge(L, key->n / 8);
	lua_pushlstring(L, key->p != NULL ? key->p : "", key->n);
	lua_remove(L, filter);
}

static struct sl_str
view(lua_State *L, int index)
{
	struct sl_str s;

	s.p = lua_tolstring(L, index, &s.n);
	return s;
}

/* Pushes what is kept; false and nothing if there is none. */
static bool
push_kept(lua_State *L, int space, int key, bool *fresh)
{
	struct sl_str bytes;
	struct sl_err err;
	double expires;

	if (!sl_door_cache_get(sl_run_tape(L), sl_vm_cache(sl_vm_of(L)), view(L, space),
	    view(L, key), sizeof(expires), sl_scratch(L), &bytes) || bytes.n < sizeof(expires))
		return false;
	memcpy(&expires, bytes.p, sizeof(expires));
	bytes = sl_str_sub(bytes, sizeof(expires), bytes.n);
	*fresh = now(L) < expires;
	if (sl_plain_decode(L, &bytes, &err) != 0)
		luaL_error(L, "cache: %s", err.text);
	return true;
}

/* Seconds of the value: what ttl_override says of arrays, else ttl. */
static double
ttl_of(lua_State *L)
{
	double ttl = sl_opt_number(L, OPTIONS, "ttl", 0, MAX_TTL, 60);

	if (lua_istable(L, VALUE))
		ttl = sl_opt_number(L, OPTIONS, "ttl_override", 0, MAX_TTL, ttl);
	return ttl;
}

/* What was kept for no time is there for update_function all the same. */
static void
keep(lua_State *L, double ttl, bool updates)
{
	struct sl_buf *bytes = sl_scratch(L);
	double expires = now(L) + ttl;
	struct sl_err err;

	sl_buf_put(bytes, &expires, sizeof(expires));
	if (sl_plain_encode(L, VALUE, bytes, &err) != 0)
		luaL_error(L, "cache: the result: %s", err.text);
	if (bytes->n > SL_CACHE_ENTRY_MAX)
		return;
	sl_charge(L, bytes->n / 8);
	sl_door_cache_put(sl_run_tape(L), sl_vm_cache(sl_vm_of(L)), view(L, SPACE), view(L, KEY), sl_buf_str(bytes),
	    (int64_t)((ttl + (updates ? OLD_SECONDS : 0)) * 1e6),
	    (size_t)sl_opt_number(L, OPTIONS, "size", 1, 1e9, 32), true);
}

static int step(lua_State *L, int status, lua_KContext stage);

/* Calls the option's function, if there is one, with what is on top of it. */
static bool
call_option(lua_State *L, const char *name, bool with_old, int stage)
{
	if (!sl_opt_push(L, OPTIONS, name)) {
		lua_pop(L, 1);
		return false;
	}
	if (with_old)
		lua_pushvalue(L, OLD);
	lua_pushvalue(L, VALUE);
	lua_callk(L, with_old ? 2 : 1, 1, stage, step);
	return true;
}

static int
step(lua_State *L, int status, lua_KContext stage)
{
	double ttl;
	bool updates;

	(void)status;
	if (stage == STAGE_CALLED) {
		lua_settop(L, VALUE);
		if (lua_toboolean(L, HAS_OLD) && call_option(L, "update_function", true, STAGE_UPDATED))
			stage = STAGE_UPDATED;
	}
	if (stage == STAGE_UPDATED) {
		lua_replace(L, VALUE);
		lua_settop(L, VALUE);
	}
	if (stage != STAGE_TTL && call_option(L, "ttl_function", false, STAGE_TTL))
		stage = STAGE_TTL;
	ttl = ttl_of(L);
	if (stage == STAGE_TTL && lua_type(L, VALUE + 1) == LUA_TNUMBER)
		ttl = lua_tonumber(L, VALUE + 1);
	updates = sl_opt_push(L, OPTIONS, "update_function");
	lua_settop(L, VALUE);
	if (ttl > 0 || updates)
		keep(L, ttl > MAX_TTL ? MAX_TTL : ttl > 0 ? ttl : 0, updates);
	lua_settop(L, VALUE);
	return 1;
}

static void
check_option(lua_State *L, const char *name, int type, const char *expected)
{
	if (sl_opt_push(L, OPTIONS, name) && lua_type(L, -1) != type)
		luaL_error(L, "option \"%s\": %s expected, got %s", name, expected,
		    sl_type_name(L, -1));
	lua_pop(L, 1);
}

int
sl_cache_statement(lua_State *L)
{
	int top = lua_gettop(L);
	bool fresh = false, old;

	sl_options(L, OPTIONS, names);
	check_option(L, "argv_filter", LUA_TTABLE, "array");
	check_option(L, "ttl_function", LUA_TFUNCTION, "function");
	check_option(L, "update_function", LUA_TFUNCTION, "function");
	luaL_checktype(L, 3, LUA_TFUNCTION);
	push_space(L, luaL_checkstring(L, 2));
	push_key(L, top);
	old = push_kept(L, top + 1, top + 2, &fresh);
	if (old && fresh && !sl_opt_bool(L, OPTIONS, "force", false))
		return 1;
	if (!old)
		lua_pushnil(L);
	lua_pushboolean(L, old);
	lua_rotate(L, 2, 4);		/* space, key, old, has_old go below name, f, arguments */
	lua_remove(L, VALUE);		/* the name */
	lua_callk(L, top - 3, 1, STAGE_CALLED, step);
	return step(L, LUA_OK, STAGE_CALLED);
}
