/*
 * The variables of a function that a step stopped: read, told, assigned from outside. Lua's code
 * gets an environment in front of the function's own; HSL's gets the variables copied among the
 * shared ones, and what it changed of them is taken back when it has run.
 */
#include <string.h>

#include "hsl.h"

static const char copied_key = 0, before_key = 0;	/* in the registry, while HSL's code runs */

enum kind { NOTHING, LOCAL, UPVALUE };

/* Where a variable is; of the innermost function of the thread. */
struct found {
	lua_State *from;
	lua_Debug ar;
	enum kind kind;
	int index;
};

/* HSL's name of a variable of the code made of it; NULL = it is none of the script's. */
static const char *
hsl_name(const char *name)
{
	if (strncmp(name, "_v", 2) == 0 && name[2] != '\0')
		return name + 2;
	return name[0] == '_' || name[0] == '(' || strcmp(name, "E") == 0 || strcmp(name, "B") == 0 ?
	    NULL : name;
}

static bool
is_named(const char *of, const char *name, bool hsl)
{
	const char *shown = hsl ? hsl_name(of) : of;

	return shown != NULL && strcmp(shown, name) == 0;
}

/* [-0, +0] The last local of that name hides the others, and upvalues. */
static bool
find(lua_State *L, const char *name, bool hsl, struct found *f)
{
	const struct sl_vm *vm = sl_vm_from(L);
	lua_State *from = sl_step_thread(vm);
	const char *n;
	int i;

	*f = (struct found){ .from = from };
	luaL_checkstack(L, 3, NULL);
	if (!lua_checkstack(from, 3) || lua_getstack(from, 0, &f->ar) == 0)
		return false;
	for (i = 1; (n = sl_step_local(vm, i)) != NULL; i++)
		if (is_named(n, name, hsl)) {
			f->kind = LOCAL;
			f->index = i;
		}
	if (f->kind != NOTHING)
		return true;
	lua_getinfo(from, "f", &f->ar);
	for (i = 1; (n = lua_getupvalue(from, -1, i)) != NULL; i++) {
		lua_pop(from, 1);
		if (is_named(n, name, hsl)) {
			f->kind = UPVALUE;
			f->index = i;
			break;
		}
	}
	lua_pop(from, 1);
	return f->kind != NOTHING;
}

/* [-0, +1] */
static void
push_found(lua_State *L, struct found *f)
{
	if (f->kind == LOCAL) {
		lua_getlocal(f->from, &f->ar, f->index);
	} else {
		lua_getinfo(f->from, "f", &f->ar);
		lua_getupvalue(f->from, -1, f->index);
		lua_remove(f->from, -2);
	}
	lua_xmove(f->from, L, 1);
}

/* [-1, +0] */
static void
set_found(lua_State *L, struct found *f)
{
	lua_xmove(L, f->from, 1);
	if (f->kind == LOCAL) {
		lua_setlocal(f->from, &f->ar, f->index);
		return;
	}
	lua_getinfo(f->from, "f", &f->ar);
	lua_insert(f->from, -2);
	lua_setupvalue(f->from, -2, f->index);
	lua_pop(f->from, 1);
}

/* ---- for Lua ------------------------------------------------------------------------ */

/* A chunk has its names in a local; before its first line only Lua's own, which aren't meant. */
static bool
find_names(lua_State *L, struct found *f)
{
	return sl_step_number(sl_vm_from(L)) != 0 && find(L, "_ENV", false, f) &&
	    (f->kind == LOCAL || (lua_getinfo(f->from, "S", &f->ar) != 0 && f->ar.what[0] != 'm'));
}

/* The names around the function: those of its chunk, else the run's. [-0, +1] */
static void
push_around(lua_State *L)
{
	struct found f;

	if (find_names(L, &f))
		push_found(L, &f);
	else
		sl_ref_push(L, sl_running(L)->scope->env);
}

/* A function that was made at a stop outlives it: then its variables are gone. */
static bool
find_standing(lua_State *L, struct found *f)
{
	return lua_type(L, 2) == LUA_TSTRING &&
	    sl_step_number(sl_vm_from(L)) == (unsigned)lua_tointeger(L, lua_upvalueindex(1)) &&
	    find(L, lua_tostring(L, 2), false, f);
}

static int
around_index(lua_State *L)
{
	struct found f;

	if (find_standing(L, &f)) {
		push_found(L, &f);
		return 1;
	}
	push_around(L);
	lua_pushvalue(L, 2);
	lua_gettable(L, -2);
	return 1;
}

static int
around_newindex(lua_State *L)
{
	struct found f;

	lua_settop(L, 3);
	if (find_standing(L, &f)) {
		set_found(L, &f);
		return 0;
	}
	push_around(L);
	lua_insert(L, 2);
	lua_settable(L, 2);
	return 0;
}

static void
push_environment(lua_State *L)
{
	lua_Integer number = sl_step_number(sl_vm_from(L));

	lua_newtable(L);
	lua_newtable(L);
	lua_pushinteger(L, number);
	lua_pushcclosure(L, around_index, 1);
	lua_setfield(L, -2, "__index");
	lua_pushinteger(L, number);
	lua_pushcclosure(L, around_newindex, 1);
	lua_setfield(L, -2, "__newindex");
	lua_setmetatable(L, -2);
}

/* ---- HSL's variables ------------------------------------------------------------------- */

/* The shared variables that the function sees, or those it has too many of for Lua. */
static bool
push_store(lua_State *L, const char *name)
{
	struct found f;

	if (!find(L, name, false, &f))
		return false;
	push_found(L, &f);
	if (lua_istable(L, -1))
		return true;
	lua_pop(L, 1);
	return false;
}

/* [-1, +1] The value on top as one that nobody else writes to. */
static void
copy_value(lua_State *L)
{
	if (!sl_is_map(L, -1))
		return;
	sl_hsl_share(L);
	sl_map_copy(L, -1);
	lua_remove(L, -2);
}

static void
copy_store(lua_State *L, int into, const char *name)
{
	if (!push_store(L, name))
		return;
	for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
		if (lua_touserdata(L, -1) == &sl_hsl_unset)
			continue;
		lua_pushvalue(L, -2);
		lua_pushvalue(L, -2);
		copy_value(L);
		lua_rawset(L, into);
	}
	lua_pop(L, 1);
}

/* Each variable of the function: fn(L, table) with its value on top. */
static void
each_name(lua_State *L, int table, void (*fn)(lua_State *L, int table, const char *name))
{
	lua_State *from = sl_step_thread(sl_vm_from(L));
	const char *n, *name;
	lua_Debug ar;
	int i;

	if (!lua_checkstack(from, 3) || lua_getstack(from, 0, &ar) == 0)
		return;
	lua_getinfo(from, "f", &ar);
	lua_xmove(from, L, 1);
	for (i = 1; (n = lua_getupvalue(L, -1, i)) != NULL; i++) {
		if ((name = hsl_name(n)) != NULL)
			fn(L, table, name);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	for (i = 1; (n = sl_step_local(sl_vm_from(L), i)) != NULL; i++) {
		lua_getlocal(from, &ar, i);
		lua_xmove(from, L, 1);
		if ((name = hsl_name(n)) != NULL)
			fn(L, table, name);
		lua_pop(L, 1);
	}
}

static void
put_variable(lua_State *L, int table, const char *name)
{
	if (lua_touserdata(L, -1) == &sl_hsl_unset)
		return;
	if (lua_isnil(L, -1))
		lua_pushlightuserdata(L, (void *)(uintptr_t)&sl_hsl_none);
	else
		lua_pushvalue(L, -1);
	copy_value(L);
	lua_setfield(L, table, name);
}

/* As HSL's code finds shared variables. [-0, +1] */
static void
push_variables(lua_State *L)
{
	int table;

	lua_newtable(L);
	table = lua_gettop(L);
	copy_store(L, table, "_M");
	copy_store(L, table, "_L");
	each_name(L, table, put_variable);
}

static void
keep_copies(lua_State *L)
{
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &copied_key);
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, -3) != 0; lua_pop(L, 1)) {
		lua_pushvalue(L, -2);
		lua_pushvalue(L, -2);
		lua_rawset(L, -5);
	}
	lua_rawsetp(L, LUA_REGISTRYINDEX, &before_key);
}

int
sl_frame_push(lua_State *L, bool hsl)
{
	if (!hsl) {
		push_environment(L);
		return 1;
	}
	sl_ref_push(L, sl_running(L)->scope->env);
	push_variables(L);
	keep_copies(L);
	return 2;
}

/* The value on top, if the variable is one of the store, or may become one. [-1, +0] if so */
static bool
put_in_store(lua_State *L, const char *store, const char *name, bool may_be_new)
{
	bool puts;

	if (!push_store(L, store))
		return false;
	puts = lua_getfield(L, -1, name) != LUA_TNIL || may_be_new;	/* plain tables */
	lua_pop(L, 1);
	if (puts) {
		lua_pushvalue(L, -2);
		lua_setfield(L, -2, name);
	}
	lua_pop(L, puts ? 2 : 1);
	return puts;
}

/* [-1, +0] */
static void
put_back(lua_State *L, const char *name)
{
	struct found f;

	copy_value(L);
	if (find(L, name, true, &f)) {
		if (lua_touserdata(L, -1) == &sl_hsl_none) {
			lua_pop(L, 1);
			lua_pushnil(L);
		}
		set_found(L, &f);
		return;
	}
	if (!put_in_store(L, "_L", name, false) && !put_in_store(L, "_M", name, true))
		lua_pop(L, 1);
}

void
sl_frame_take(lua_State *L)
{
	int top = lua_gettop(L), copied = top + 1;

	luaL_checkstack(L, 12, NULL);
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &copied_key) != LUA_TTABLE) {
		lua_settop(L, top);
		return;
	}
	lua_rawgetp(L, LUA_REGISTRYINDEX, &before_key);
	for (lua_pushnil(L); lua_next(L, copied) != 0; lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			continue;
		lua_pushvalue(L, -2);
		lua_rawget(L, copied + 1);
		if (!lua_rawequal(L, -1, -2)) {
			lua_pushvalue(L, -2);
			put_back(L, lua_tostring(L, -4));
		}
		lua_pop(L, 1);
	}
	lua_settop(L, top);
	lua_pushnil(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &copied_key);
	lua_pushnil(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &before_key);
}

/* ---- telling --------------------------------------------------------------------------- */

#define MAX_TEXT	2000	/* bytes of a value */

struct tell {
	sl_variable_fn *fn;
	void *arg;
	bool hsl;
	struct sl_scope *scope;		/* where nothing stands: these names; NULL = none */
};

static bool
is_told(lua_State *L, const char *name)
{
	size_t i;

	if (lua_isfunction(L, -1) || name[0] == '\0')
		return false;
	for (i = 0; name[i] != '\0'; i++)
		if (!sl_isalnum(name[i]) && name[i] != '_')
			return false;
	return true;
}

/* The value is on top. */
static void
tell_value(lua_State *L, const struct tell *t, const char *name)
{
	struct sl_buf text = SL_BUF_INIT;

	if (t->hsl && lua_touserdata(L, -1) == &sl_hsl_none) {
		lua_pushnil(L);
		sl_describe(L, -1, &text, MAX_TEXT);
		lua_pop(L, 1);
	} else {
		sl_describe(L, -1, &text, MAX_TEXT);
	}
	if (!text.failed)
		t->fn(t->arg, name, text.p != NULL ? text.p : "");
	sl_buf_clear(&text);
}

/* [-1, +1] A table with those members of the one on top that are told. */
static void
select_told(lua_State *L)
{
	int table = lua_gettop(L);

	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING || !is_told(L, lua_tostring(L, -2)))
			continue;
		lua_pushvalue(L, -2);
		lua_pushvalue(L, -2);
		lua_rawset(L, table + 1);
	}
	lua_remove(L, table);
}

/* The members of the table on top, by name. */
static void
tell_table(lua_State *L, const struct tell *t)
{
	int table = lua_gettop(L);
	lua_Integer i;

	select_told(L);
	sl_sort_keys(L, table);
	for (i = 1; lua_rawgeti(L, table + 1, i) != LUA_TNIL; i++) {
		lua_pushvalue(L, -1);
		lua_rawget(L, table);
		tell_value(L, t, lua_tostring(L, -2));
		lua_settop(L, table + 1);
	}
	lua_settop(L, table);
}

/* A later local of the same name hides the earlier one. */
static bool
is_hidden(const struct sl_vm *vm, int n, const char *name)
{
	const char *later;

	while ((later = sl_step_local(vm, ++n)) != NULL)
		if (strcmp(later, name) == 0)
			return true;
	return false;
}

static void
tell_locals(lua_State *L, const struct tell *t)
{
	lua_State *from = sl_step_thread(sl_vm_from(L));
	const char *name;
	struct found f;
	lua_Debug ar;
	int i;

	if (!lua_checkstack(from, 3) || lua_getstack(from, 0, &ar) == 0)
		return;
	for (i = 1; (name = sl_step_local(sl_vm_from(L), i)) != NULL; i++) {
		lua_getlocal(from, &ar, i);
		lua_xmove(from, L, 1);
		if (is_told(L, name) && strcmp(name, "_ENV") != 0 &&
		    !is_hidden(sl_vm_from(L), i, name))
			tell_value(L, t, name);
		lua_pop(L, 1);
	}
	lua_getinfo(from, "f", &ar);
	lua_xmove(from, L, 1);
	for (i = 1; (name = lua_getupvalue(L, -1, i)) != NULL; i++) {
		if (is_told(L, name) && strcmp(name, "_ENV") != 0 && find(L, name, false, &f) &&
		    f.kind == UPVALUE)
			tell_value(L, t, name);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

static int
tell(lua_State *L)
{
	const struct tell *t = lua_touserdata(L, 1);

	luaL_checkstack(L, 20, NULL);
	if (t->hsl) {
		push_variables(L);
		tell_table(L, t);
		return 0;
	}
	tell_locals(L, t);
	sl_ref_push(L, sl_vm_stopped(sl_vm_from(L), NULL)->scope->env);
	tell_table(L, t);
	return 0;
}

/* HSL's variables of the scope. */
static int
tell_shared(lua_State *L)
{
	const struct tell *t = lua_touserdata(L, 1);

	luaL_checkstack(L, 20, NULL);
	sl_ref_push(L, t->scope->env);
	if (sl_hsl_shared_variables(L))
		tell_table(L, t);
	return 0;
}

static int
tell_protected(struct sl_vm *vm, lua_CFunction fn, struct tell *t)
{
	lua_State *L = vm->L;
	int status;

	if (t->hsl)
		sl_hsl_function(L, fn);
	else
		lua_pushcfunction(L, fn);
	lua_pushlightuserdata(L, t);
	status = lua_pcall(L, 1, 0, 0);
	lua_settop(L, 0);
	return status == LUA_OK ? 0 : SL_ERR_NOMEM;
}

int
sl_vm_shared_variables(struct sl_vm *vm, struct sl_scope *scope, sl_variable_fn *fn, void *arg)
{
	struct tell t = { fn, arg, true, scope };

	return scope->env != LUA_NOREF ? tell_protected(vm, tell_shared, &t) : 0;
}

/* Values are described in the words of the function's language, and in the name of its run. */
int
sl_vm_variables(struct sl_vm *vm, sl_variable_fn *fn, void *arg)
{
	struct sl_stop stop;
	struct sl_run *run = sl_vm_stopped(vm, &stop);
	struct tell t = { fn, arg, false, NULL };
	int rc;

	if (run == NULL)
		return SL_ERR_INVAL;
	t.hsl = stop.hsl;
	vm->running = run;
	rc = tell_protected(vm, tell, &t);
	vm->running = NULL;
	return rc;
}
