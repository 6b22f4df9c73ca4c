/*
 * cache: results kept between runs, in this process. What is kept are bytes
 * (core/engine/plain.h), so nothing live of one run gets into another.
 */
#include <string.h>

#include "../../core/engine/cache.h"
#include "../../core/engine/doors.h"
#include "../../core/engine/plain.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/policy/owner.h"
#include "statement.h"

#define MAX_TTL		(30 * 86400.0)
#define KEPT		4	/* on the stack below f's results: namespace, key, ttl, size */

/* The place where f was written, in this generation: after a reload the same
 * line may be another function. */
static void
push_place(lua_State *L, int f)
{
	const struct sl_builtin *row = sl_builtin_at(L, f);
	lua_Debug ar;

	lua_pushvalue(L, f);
	lua_getinfo(L, ">S", &ar);
	if (row != NULL)
		lua_pushfstring(L, "builtin %s", row->name);
	else if (ar.linedefined > 0)
		lua_pushfstring(L, "script %s %s:%d", sl_engine_generation_of(L), ar.source,
		    ar.linedefined);
	else
		luaL_error(L, "the option namespace is needed for a function of Lua's library");
}

static void
push_space(lua_State *L)
{
	struct sl_str name = sl_opt_string(L, 1, "namespace", NULL);

	if (name.p == NULL) {
		push_place(L, 2);
		return;
	}
	lua_pushliteral(L, "name ");
	lua_pushlstring(L, name.p, name.n);
	lua_concat(L, 2);
}

static void
push_key(lua_State *L, int last)
{
	struct sl_buf *key = sl_scratch(L);
	struct sl_err err;
	int i;

	for (i = 3; i <= last; i++)
		if (sl_plain_encode(L, i, key, &err) != 0)
			sl_arg_error(L, i, err.text);
	sl_charge(L, key->n / 8);
	lua_pushlstring(L, key->p != NULL ? key->p : "", key->n);
}

static struct sl_str
view(lua_State *L, int index)
{
	struct sl_str s;

	s.p = lua_tolstring(L, index, &s.n);
	return s;
}

/* Pushes the values; the bytes are of a string or of the cache, which nobody
 * else uses meanwhile. */
static int
push_values(lua_State *L, struct sl_str bytes)
{
	struct sl_err err;
	int n;

	for (n = 0; bytes.n > 0; n++) {
		luaL_checkstack(L, 4, "too many results");
		if (sl_plain_decode(L, &bytes, &err) != 0)
			return luaL_error(L, "%s", err.text);
	}
	return n;
}

/* Results like nil, message: no answer, and to be asked again. */
static bool
is_failure(lua_State *L)
{
	return lua_gettop(L) >= KEPT + 2 && lua_isnil(L, KEPT + 1) && !lua_isnil(L, KEPT + 2);
}

static int
answered(lua_State *L, int status, lua_KContext ctx)
{
	struct sl_buf *bytes = sl_scratch(L);
	int i, top = lua_gettop(L);
	struct sl_err err;
	struct sl_str value;

	(void)status;
	(void)ctx;
	if (is_failure(L))
		return top - KEPT;
	for (i = KEPT + 1; i <= top; i++)
		if (sl_plain_encode(L, i, bytes, &err) != 0)
			return luaL_error(L, "result %d of the function: %s", i - KEPT, err.text);
	if (bytes->n > SL_CACHE_ENTRY_MAX)
		return top - KEPT;
	sl_charge(L, bytes->n / 8);
	value = sl_buf_str(bytes);
	sl_door_cache_put(sl_run_tape(L), sl_vm_cache(sl_vm_of(L)), view(L, 1), view(L, 2), value,
	    (int64_t)(lua_tonumber(L, 3) * 1e6), (size_t)lua_tonumber(L, 4), false);
	lua_pushlstring(L, value.p != NULL ? value.p : "", value.n);
	return push_values(L, view(L, -1));	/* copies, as a hit gives */
}

/*lua
The results of `f(...)`, kept for some time: the function is called only if its results
for these arguments aren't known.

Each worker keeps its own, in memory. Arguments and results are plain data (text, numbers,
booleans, tables of these); results are copies. Errors aren't kept, nor are
`nil, message, code`, nor results of more than 64 KB. The function may wait; runs that ask at
the same time all call it. What it reads besides its arguments is not looked at: facts of
the message belong into the arguments.

Without a namespace, results belong to the place of the function (file and line) in this
generation of the policy, or to the builtin. With one they belong to that name, whatever the
function, and stay over reloads. Besides `size`, all namespaces together are held to 16 MB; what
was used longest ago gives way.

@param options? table  ttl (seconds, 60), namespace, size (entries, 32), force (a call, false)
@param f function
@param ... any         the arguments of f
@return any? ...       the results of f

    local calls = 0
    local function double(n) calls = calls + 1 return 2 * n end
    assert(cache({ ttl = 10 }, double, 21) == 42)
    assert(cache({ ttl = 10 }, double, 21) == 42 and calls == 1)
*/
static int
cache_call(lua_State *L)
{
	static const char *const names[] = { "ttl", "namespace", "size", "force", NULL };
	int top = lua_gettop(L);
	struct sl_str value;

	sl_options(L, 1, names);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	push_space(L);
	push_key(L, top);
	lua_pushnumber(L, sl_opt_number(L, 1, "ttl", 0, MAX_TTL, 60));
	lua_pushnumber(L, sl_opt_number(L, 1, "size", 1, SL_CACHE_ENTRIES, 32));
	if (!sl_opt_bool(L, 1, "force", false) &&
	    sl_door_cache_get(sl_run_tape(L), sl_vm_cache(sl_vm_of(L)), view(L, top + 1),
	    view(L, top + 2), 0, sl_scratch(L), &value))
		return push_values(L, value);
	lua_rotate(L, 1, KEPT);
	lua_remove(L, KEPT + 1);		/* the options */
	lua_callk(L, top - 2, LUA_MULTRET, 0, answered);
	return answered(L, LUA_OK, 0);
}

/*lua
What HSL's `cache [options] f(...)` calls; scripts in Lua have `cache`.

@param options? table  ttl (60), ttl_override (of arrays), ttl_function, update_function, argv_filter, force (false), size (32), namespace, per_message (false), lru (always)
@param name string     the function's
@param f function
@param ... any
@return any? result

    assert(__cache({}, "double", function(n) return 2 * n end, 21) == 42)
*/
static int
cache_statement(lua_State *L)
{
	return sl_cache_statement(L);
}

const struct sl_builtin sl_module_cache[] = {
	{ "cache", cache_call, SL_AT_ANY | SL_IMPURE },
	{ "__cache", cache_statement, SL_AT_ANY | SL_IMPURE },
	{ NULL, NULL, 0 },
};
