/*
 * try and throw, generators.
 *
 * What is thrown goes through Lua as a table { value, text }: 'text' is what a run
 * that nobody catches it in reports. Endings and limits go through no catch: try looks at
 * the run's flag as pcall does (protect.c).
 */
#include <string.h>

#include "hsl.h"

/* Parts of an exception, by number, so that no variable of it hides a function. */
enum { EXCEPTION_MESSAGE = 1, EXCEPTION_FILE, EXCEPTION_LINE, EXCEPTION_COLUMN, EXCEPTION_TEXT };

/* ---- throw --------------------------------------------------------------------- */

bool
sl_hsl_thrown(lua_State *L, int index, struct sl_str *text)
{
	bool yes;

	if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index))
		return false;
	sl_ref_push(L, sl_vm_from(L)->refs.hsl_thrown_meta);
	yes = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	if (!yes)
		return false;
	lua_rawgeti(L, index, 2);
	text->p = lua_tolstring(L, -1, &text->n);	/* the table holds it */
	lua_pop(L, 1);
	return true;
}

bool
sl_hsl_is_exception(lua_State *L, int index)
{
	bool yes;

	if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index))
		return false;
	sl_ref_push(L, sl_vm_from(L)->refs.hsl_exception_meta);
	yes = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return yes;
}

/* throw(value) */
static int
throw(lua_State *L)
{
	struct sl_buf text = SL_BUF_INIT;

	lua_settop(L, 1);
	lua_createtable(L, 2, 0);
	lua_pushvalue(L, 1);
	lua_rawseti(L, 2, 1);
	if (sl_hsl_is_exception(L, 1)) {		/* thrown on: it tells what it did first */
		lua_rawgeti(L, 1, EXCEPTION_TEXT);
	} else {
		luaL_where(L, 1);
		if (lua_type(L, 1) == LUA_TSTRING) {
			lua_pushvalue(L, 1);
		} else {
			sl_describe(L, 1, &text, 200);
			lua_pushlstring(L, text.p != NULL ? text.p : "", text.n);
			sl_buf_clear(&text);
		}
		lua_concat(L, 2);
	}
	lua_rawseti(L, 2, 2);
	sl_ref_push(L, sl_vm_from(L)->refs.hsl_thrown_meta);
	lua_setmetatable(L, 2);
	return lua_error(L);
}

/* ---- exceptions ------------------------------------------------------------------- */

static int
part(lua_State *L, int n)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_rawgeti(L, 1, n);
	return 1;
}

static int exception_message(lua_State *L) { return part(L, EXCEPTION_MESSAGE); }
static int exception_file(lua_State *L) { return part(L, EXCEPTION_FILE); }
static int exception_line(lua_State *L) { return part(L, EXCEPTION_LINE); }
static int exception_column(lua_State *L) { return part(L, EXCEPTION_COLUMN); }
static int exception_text(lua_State *L) { return part(L, EXCEPTION_TEXT); }

/* "file:line: message" taken apart; what isn't that is all message. Lua knows long paths without
 * their front, and no column: that is where the line has the word which failed, or 0. */
static void
set_parts(lua_State *L, struct sl_str text)
{
	struct sl_str rest = text, file, whole, line;
	struct sl_buf words = SL_BUF_INIT;
	uint64_t n = 0;

	if (!sl_str_split(&rest, ':', &file) || !sl_str_split(&rest, ':', &line) ||
	    !sl_str_u64(line, &n)) {
		file = SL_STR("");
		rest = text;
	}
	rest = sl_str_trim(rest);
	whole = sl_source_path(sl_running(L)->program, file);
	if (sl_hsl_words(whole, rest, &words))
		rest = sl_buf_str(&words);
	sl_string(L, rest);
	lua_rawseti(L, -2, EXCEPTION_MESSAGE);
	sl_string(L, whole);
	lua_rawseti(L, -2, EXCEPTION_FILE);
	sl_number(L, (double)n);
	lua_rawseti(L, -2, EXCEPTION_LINE);
	sl_number(L, sl_error_column(sl_running(L), text));
	lua_rawseti(L, -2, EXCEPTION_COLUMN);
	sl_string(L, whole);
	sl_string(L, file.n > 0 ? sl_str_sub(text, file.n, file.n + line.n + 3) : SL_STR(""));
	sl_string(L, rest);
	lua_concat(L, 3);
	lua_rawseti(L, -2, EXCEPTION_TEXT);
	sl_buf_clear(&words);
}

static void
push_exception(lua_State *L, struct sl_str text)
{
	lua_newtable(L);
	set_parts(L, text);
	sl_ref_push(L, sl_vm_from(L)->refs.hsl_exception_meta);
	lua_setmetatable(L, -2);
}

void
sl_hsl_exception(lua_State *L, struct sl_str message)
{
	struct sl_str text;

	luaL_where(L, 1);
	sl_string(L, message);
	lua_concat(L, 2);
	text.p = lua_tolstring(L, -1, &text.n);
	push_exception(L, text);
	lua_remove(L, -2);
}

/* What 'catch' gets for the error value on top: what was thrown, or an exception. */
static void
caught(lua_State *L)
{
	struct sl_str text = SL_STR("a value that isn't a text was raised");

	if (sl_hsl_thrown(L, -1, &text)) {
		lua_rawgeti(L, -1, 1);
		return;
	}
	if (lua_type(L, -1) == LUA_TSTRING)
		text.p = lua_tolstring(L, -1, &text.n);
	push_exception(L, text);
}

/* ---- try ------------------------------------------------------------------------------ */

static int
tried(lua_State *L, int status, lua_KContext ctx)
{
	(void)ctx;
	if (sl_running(L)->ending)
		return sl_go_on_ending(L);
	if (status == LUA_OK || status == LUA_YIELD)
		return lua_gettop(L);
	if (sl_is_memory_error(L, status, -1)) {
		sl_begin_ending(L, SL_RUN_LIMIT, "out of memory (%zu bytes)",
		    sl_running(L)->limits.memory);
		return sl_go_on_ending(L);
	}
	caught(L);
	lua_pushboolean(L, 0);
	lua_insert(L, -2);
	return 2;
}

/* try(function): its results, or false and what it raised */
static int
try(lua_State *L)
{
	lua_settop(L, 1);
	return tried(L, lua_pcallk(L, 0, 2, 0, 0, tried), 0);
}

/* lock(name of a barrier): a text or a number, for whatever else is no name that others mean. */
static int
lock(lua_State *L)
{
	if (lua_type(L, 1) != LUA_TSTRING && lua_type(L, 1) != LUA_TNUMBER)
		return luaL_error(L, "barrier: its name is a string, got %s", sl_type_name(L, 1));
	lua_settop(L, 1);
	return 1;
}

/* ---- generators -------------------------------------------------------------------------------- */

/* generator(body): what foreach calls until it gives nothing more */
static int
generator(lua_State *L)
{
	lua_settop(L, 1);
	return sl_co_generator(L);
}

static int
went_on(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	(void)ctx;
	if (sl_running(L)->ending)
		return sl_go_on_ending(L);
	return 0;
}

/* The function behind "yield" in one generator; it counts. Place, key and value go to foreach. */
static int
yield(lua_State *L)
{
	lua_Integer n = lua_tointeger(L, lua_upvalueindex(1));

	if (L == sl_running(L)->co || !lua_isyieldable(L))
		return luaL_error(L, "yield outside of a generator");
	lua_settop(L, 2);
	lua_pushinteger(L, n + 1);
	lua_pushvalue(L, -1);
	lua_replace(L, lua_upvalueindex(1));
	if (lua_isnil(L, 1)) {
		lua_pushnumber(L, (lua_Number)n);
		lua_replace(L, 1);
	}
	lua_insert(L, 1);
	return lua_yieldk(L, 3, 0, went_on);
}

static int
yielder(lua_State *L)
{
	lua_pushinteger(L, 0);
	lua_pushlightuserdata(L, (void *)(uintptr_t)&sl_hsl_mark);
	lua_pushcclosure(L, yield, 2);
	return 1;
}

/* ---- the table ------------------------------------------------------------------------------------- */

static void
make_metatables(lua_State *L)
{
	static const luaL_Reg exception[] = {
		{ "message", exception_message }, { "file", exception_file },
		{ "line", exception_line }, { "column", exception_column },
		{ "toString", exception_text }, { NULL, NULL },
	};
	struct sl_vm *vm = sl_vm_from(L);

	lua_newtable(L);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	vm->refs.hsl_thrown_meta = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_newtable(L);
	lua_newtable(L);
	sl_hsl_functions(L, exception);
	lua_setfield(L, -2, "__index");
	lua_pushliteral(L, "Exception");
	lua_setfield(L, -2, "__name");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	vm->refs.hsl_exception_meta = luaL_ref(L, LUA_REGISTRYINDEX);
}

void
sl_hsl_open_control(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "throw", throw }, { "try", try }, { "lock", lock }, { "generator", generator },
		{ "yielder", yielder }, { NULL, NULL },
	};

	make_metatables(L);
	sl_hsl_functions(L, functions);
}
