/*
 * Read-only tables: empty proxies whose metatable shows what they stand for.
 * Libraries are shared by all runs, and data files by all of a generation, so
 * nobody may write to either.
 */
#include "internal.h"

static int
refuse(lua_State *L)
{
	return luaL_error(L, "this table is read-only");
}

/* Pushes what the proxy at 'index' stands for, or nil. */
static void
push_real(lua_State *L, int index)
{
	index = lua_absindex(L, index);
	sl_ref_push(L, sl_vm_from(L)->refs.readonly);
	lua_pushvalue(L, index);
	lua_rawget(L, -2);
	lua_remove(L, -2);
}

bool
sl_is_readonly(lua_State *L, int index)
{
	bool yes;

	push_real(L, index);
	yes = !lua_isnil(L, -1);
	lua_pop(L, 1);
	return yes;
}

void
sl_readonly_real(lua_State *L, int index)
{
	push_real(L, index);
}

static void
remember(lua_State *L, int proxy, int real)
{
	proxy = lua_absindex(L, proxy);
	real = lua_absindex(L, real);
	sl_ref_push(L, sl_vm_from(L)->refs.readonly);
	lua_pushvalue(L, proxy);
	lua_pushvalue(L, real);
	lua_rawset(L, -3);
	lua_pop(L, 1);
}

/* Tables inside come out as proxies, made when they are looked at. */
static void
wrap(lua_State *L)
{
	if (lua_istable(L, -1) && !sl_is_readonly(L, -1))
		sl_readonly(L);
}

static int
ro_index(lua_State *L)
{
	push_real(L, 1);
	lua_pushvalue(L, 2);
	lua_rawget(L, -2);
	wrap(L);
	return 1;
}

static int
ro_len(lua_State *L)
{
	push_real(L, 1);
	sl_number(L, (double)lua_rawlen(L, -1));
	return 1;
}

/* pairs: keys in the order of the real table, values through the proxy. */
static int
ro_next(lua_State *L)
{
	lua_Integer i = lua_tointeger(L, lua_upvalueindex(2)) + 1;

	lua_pushinteger(L, i);
	lua_replace(L, lua_upvalueindex(2));
	if (lua_rawgeti(L, lua_upvalueindex(1), i) == LUA_TNIL)
		return 1;
	lua_pushvalue(L, -1);
	lua_gettable(L, lua_upvalueindex(3));
	return 2;
}

static int
ro_pairs(lua_State *L)
{
	push_real(L, 1);
	sl_sort_keys(L, lua_gettop(L));
	lua_pushinteger(L, 0);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, ro_next, 3);
	return 1;
}

void
sl_readonly(lua_State *L)
{
	lua_newtable(L);
	sl_ref_push(L, sl_vm_from(L)->refs.readonly_meta);
	lua_setmetatable(L, -2);
	remember(L, -1, -2);
	lua_remove(L, -2);
}

void
sl_readonly_fast(lua_State *L)
{
	lua_newtable(L);
	lua_newtable(L);
	lua_pushvalue(L, -3);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, refuse);
	lua_setfield(L, -2, "__newindex");
	lua_pushcfunction(L, ro_pairs);
	lua_setfield(L, -2, "__pairs");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	remember(L, -1, -2);
	lua_remove(L, -2);
}

/* Ephemeron tables and the metatable of the slow kind. */
void
sl_open_readonly(lua_State *L)
{
	static const luaL_Reg meta[] = {
		{ "__index", ro_index }, { "__newindex", refuse }, { "__len", ro_len },
		{ "__pairs", ro_pairs }, { NULL, NULL },
	};
	struct sl_vm *vm = sl_vm_from(L);

	luaL_newlib(L, meta);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	vm->refs.readonly_meta = luaL_ref(L, LUA_REGISTRYINDEX);
	sl_push_ephemeron(L);
	vm->refs.readonly = luaL_ref(L, LUA_REGISTRYINDEX);
}

void
sl_push_ephemeron(lua_State *L)
{
	lua_newtable(L);
	lua_newtable(L);
	lua_pushliteral(L, "k");
	lua_setfield(L, -2, "__mode");
	lua_setmetatable(L, -2);
}
