/*
 * Objects: userdata of a class, whose methods are the rows "Class:method". A class
 * has two metatables, so that each language's builtins know who called them. A class
 * of another one's kind has the methods of both.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

struct object {
	void (*clear)(void *data);
	size_t held;			/* sl_object_hold, of that account */
	uint32_t account;
	uint64_t data[];		/* Lua's blocks are aligned for that, not for long double */
};

#define MAX_KEY	80

static const struct { const char *class, *of; } kinds[] = {
	{ "MailMessage", "MIMEPart" },
};

#define NKINDS	(sizeof(kinds) / sizeof(kinds[0]))

static const char *
registry_key(char out[MAX_KEY], struct sl_str class, bool hsl)
{
	snprintf(out, MAX_KEY, "sluice.class.%s%.*s", hsl ? "hsl." : "", (int)class.n, class.p);
	return out;
}

/* Upvalues: the methods, the class's name. */
static int
object_index(lua_State *L)
{
	lua_settop(L, 2);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL)
		return luaL_error(L, "%s has no method %s", lua_tostring(L, lua_upvalueindex(2)),
		    luaL_tolstring(L, 2, NULL));
	return 1;
}

static int
object_newindex(lua_State *L)
{
	return luaL_error(L, "%s has methods only", lua_tostring(L, lua_upvalueindex(1)));
}

static int
object_gc(lua_State *L)
{
	struct object *o = lua_touserdata(L, 1);

	if (o->clear != NULL)
		o->clear(o->data);
	o->clear = NULL;
	if (o->held > 0)
		sl_account_release(&sl_vm_from(L)->accounts, o->account, o->held);
	o->held = 0;
	return 0;
}

/* Pushes the table of methods. [-0, +1, m] */
static void
make_class(lua_State *L, struct sl_str class, const char *key)
{
	lua_newtable(L);		/* methods */
	lua_newtable(L);		/* metatable */
	lua_pushvalue(L, -2);
	lua_pushlstring(L, class.p, class.n);
	lua_pushcclosure(L, object_index, 2);
	lua_setfield(L, -2, "__index");
	lua_pushlstring(L, class.p, class.n);
	lua_pushcclosure(L, object_newindex, 1);
	lua_setfield(L, -2, "__newindex");
	lua_pushcfunction(L, object_gc);
	lua_setfield(L, -2, "__gc");
	lua_pushlstring(L, class.p, class.n);
	lua_setfield(L, -2, "__name");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setfield(L, LUA_REGISTRYINDEX, key);
}

static void
push_methods(lua_State *L, struct sl_str class, bool hsl)
{
	char key[MAX_KEY];

	if (luaL_getmetatable(L, registry_key(key, class, hsl)) == LUA_TNIL) {
		lua_pop(L, 1);
		make_class(L, class, key);
		return;
	}
	lua_getfield(L, -1, "__index");
	lua_getupvalue(L, -1, 1);
	lua_replace(L, -3);
	lua_pop(L, 1);
}

/* The method on top, for the class too; its own of that name stays. [-0, +0, m] */
static void
give_method(lua_State *L, struct sl_str class, const char *method, bool hsl)
{
	push_methods(L, class, hsl);
	if (lua_getfield(L, -1, method) == LUA_TNIL) {
		lua_pushvalue(L, -3);
		lua_setfield(L, -3, method);
	}
	lua_pop(L, 2);
}

void
sl_method_add(lua_State *L, const char *name, bool hsl)
{
	const char *colon = strchr(name, ':');
	struct sl_str class = { name, (size_t)(colon - name) };

	for (size_t i = 0; i < NKINDS; i++)
		if (sl_str_eq(class, sl_str_of(kinds[i].of)))
			give_method(L, sl_str_of(kinds[i].class), colon + 1, hsl);
	push_methods(L, class, hsl);
	lua_insert(L, -2);
	lua_setfield(L, -2, colon + 1);
	lua_pop(L, 1);
}

/* ---- for builtins ---------------------------------------------------------- */

void *
sl_object_new(lua_State *L, const char *class, size_t size, int nvalues, void (*clear)(void *data))
{
	struct object *o = lua_newuserdatauv(L, sizeof(*o) + size, nvalues);
	char key[MAX_KEY];

	push_methods(L, sl_str_of(class), sl_is_hsl(L));	/* of a class without methods too */
	lua_pop(L, 1);
	o->clear = NULL;
	o->held = 0;
	o->account = sl_vm_from(L)->accounts.current;
	memset(o->data, 0, size);
	luaL_setmetatable(L, registry_key(key, sl_str_of(class), sl_is_hsl(L)));
	o->clear = clear;
	return o->data;
}

bool
sl_object_hold(lua_State *L, void *data, size_t bytes)
{
	struct object *o = (struct object *)(void *)((char *)data - offsetof(struct object, data));
	struct accounts *accounts = &sl_vm_from(L)->accounts;

	if (!sl_account_hold(accounts, o->account, bytes)) {
		lua_gc(L, LUA_GCCOLLECT);
		if (!sl_account_hold(accounts, o->account, bytes))
			return false;
	}
	o->held += bytes;
	return true;
}

static struct object *
object_of(lua_State *L, int index, const char *class)
{
	char key[MAX_KEY];
	struct object *o = luaL_testudata(L, index, registry_key(key, sl_str_of(class), false));

	return o != NULL ? o : luaL_testudata(L, index, registry_key(key, sl_str_of(class), true));
}

void *
sl_object_at(lua_State *L, int index, const char *class)
{
	struct object *o = object_of(L, index, class);

	for (size_t i = 0; o == NULL && i < NKINDS; i++)
		if (strcmp(kinds[i].of, class) == 0)
			o = object_of(L, index, kinds[i].class);
	return o != NULL ? o->data : NULL;
}

void *
sl_arg_object(lua_State *L, int arg, const char *class)
{
	void *data = sl_object_at(L, arg, class);

	if (data == NULL)
		luaL_typeerror(L, arg, class);
	return data;
}
