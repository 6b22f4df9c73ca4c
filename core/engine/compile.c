/*
 * HSL's compiler, which is Lua (stdlib/hsl/): loaded once per program, run within bounds for
 * each file. Whatever the bytes of a file are, compiling ends: with code, or with errors.
 */
#include <string.h>

#include "internal.h"

#define STEPS	400000000
#define MEMORY	((size_t)512 << 20)
#define MODULES	"stdlib/"

/* ---- modules ------------------------------------------------------------------- */

/* A module's chunk: the program's, or read now. */
static bool
push_module(lua_State *L, struct sl_program *p, const char *path)
{
	struct sl_str source;
	struct sl_err err;

	if (sl_chunk_push(L, p, path))
		return true;
	if (p->files == NULL || !p->files->read(p->files->arg, path, &source))
		return false;
	if (sl_program_add(p, path, source, &err) != 0)
		luaL_error(L, "%s", err.text);
	return sl_chunk_push(L, p, path);
}

/* upvalues: program, loaded modules, environment */
static int
compiler_require(lua_State *L)
{
	struct sl_program *p = lua_touserdata(L, lua_upvalueindex(1));
	const char *name = luaL_checkstring(L, 1), *path;

	lua_settop(L, 1);
	lua_pushvalue(L, 1);
	if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL)
		return 1;
	luaL_gsub(L, name, ".", "/");
	path = lua_pushfstring(L, MODULES "%s.lua", lua_tostring(L, -1));
	if (!push_module(L, p, path))
		return luaL_error(L, "%s is missing: is sluice installed?", path);
	lua_pushvalue(L, lua_upvalueindex(3));
	lua_call(L, 1, 1);
	lua_pushvalue(L, 1);
	lua_pushvalue(L, -2);
	lua_rawset(L, lua_upvalueindex(2));
	return 1;
}

/* ---- the host that the compiler asks ----------------------------------------------- */

static int
host_read(lua_State *L)
{
	const struct sl_program *p = lua_touserdata(L, lua_upvalueindex(1));
	const char *path = luaL_checkstring(L, 1);
	struct sl_str source;

	if (p->files == NULL || !p->files->read(p->files->arg, path, &source))
		return 0;
	sl_string(L, source);
	return 1;
}

static int
host_has(lua_State *L)
{
	const struct sl_program *p = lua_touserdata(L, lua_upvalueindex(1));
	struct sl_str source;

	lua_pushboolean(L, p->files != NULL && p->files->read(p->files->arg,
	    luaL_checkstring(L, 1), &source));
	return 1;
}

static int
host_by_id(lua_State *L)
{
	const struct sl_program *p = lua_touserdata(L, lua_upvalueindex(1));
	struct sl_str id = sl_arg_string(L, 1);

	if (p->files == NULL || p->files->by_id == NULL)
		return 0;
	sl_text(L, p->files->by_id(p->files->arg, id));
	return 1;
}

static int
host_folder(lua_State *L)
{
	const struct sl_program *p = lua_touserdata(L, lua_upvalueindex(1));

	sl_text(L, p->files != NULL && p->files->folder != NULL ? p->files->folder : "");
	return 1;
}

static void
push_builtins(lua_State *L)
{
	const struct sl_builtin *row;

	lua_newtable(L);
	sl_ref_push(L, sl_vm_from(L)->refs.hsl_names);
	lua_pushnil(L);
	while (lua_next(L, -2) != 0) {
		row = sl_builtin_at(L, -1);
		lua_pop(L, 1);
		lua_pushvalue(L, -1);
		if (row != NULL && (row->flags & SL_FINAL))
			lua_pushliteral(L, "final");
		else
			lua_pushboolean(L, 1);
		lua_settable(L, -5);
	}
	lua_pop(L, 1);
}

/* The classes of objects that builtins give. */
static void
push_classes(lua_State *L)
{
	const struct sl_module *m;
	const struct sl_builtin *row;
	const char *colon;

	lua_newtable(L);
	for (m = sl_modules; m->name != NULL; m++)
		for (row = m->builtins; row->name != NULL; row++) {
			if ((colon = strchr(row->name, ':')) == NULL)
				continue;
			lua_pushlstring(L, row->name, (size_t)(colon - row->name));
			lua_pushboolean(L, 1);
			lua_settable(L, -3);
		}
}

static void
push_facts(lua_State *L)
{
	const struct sl_vm *vm = sl_vm_from(L);
	const char *name;
	size_t i;

	lua_newtable(L);
	for (i = 0; vm->facts != NULL && (name = vm->facts(i)) != NULL; i++) {
		lua_pushboolean(L, 1);
		lua_setfield(L, -2, name);
	}
}

static void
push_host(lua_State *L, struct sl_program *p)
{
	static const luaL_Reg functions[] = {
		{ "read", host_read }, { "has", host_has }, { "by_id", host_by_id },
		{ "folder", host_folder }, { NULL, NULL },
	};

	lua_newtable(L);
	lua_pushlightuserdata(L, p);
	luaL_setfuncs(L, functions, 1);
	push_builtins(L);
	lua_setfield(L, -2, "builtins");
	push_classes(L);
	lua_setfield(L, -2, "classes");
	push_facts(L);
	lua_setfield(L, -2, "facts");
	lua_pushinteger(L, p->files != NULL && p->files->level != 0 ? p->files->level : 2026);
	lua_setfield(L, -2, "level");
}

/* ---- loading the compiler ------------------------------------------------------------ */

/* [-0, +1, m] An environment's own require, for modules of the library. */
static void
push_require(lua_State *L, struct sl_program *p)
{
	sl_push_library(L);
	lua_pushlightuserdata(L, p);
	lua_newtable(L);
	lua_pushvalue(L, -3);
	lua_pushcclosure(L, compiler_require, 3);
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, "require");
	lua_remove(L, -2);
}

static int
load_compiler(lua_State *L)
{
	struct sl_program *p = lua_touserdata(L, 1);

	push_require(L, p);
	lua_pushliteral(L, "hsl.compiler");
	lua_call(L, 1, 1);
	lua_getfield(L, -1, "compile");
	p->compiler = luaL_ref(L, LUA_REGISTRYINDEX);
	push_host(L, p);
	p->compiler_host = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static int
need_compiler(struct sl_program *p, struct sl_err *err)
{
	lua_State *L = p->vm->L;

	if (p->compiler != LUA_NOREF)
		return 0;
	lua_pushcfunction(L, load_compiler);
	lua_pushlightuserdata(L, p);
	if (lua_pcall(L, 1, 0, 0) == LUA_OK)
		return 0;
	sl_err_set(err, SL_ERR_NOTFOUND, "HSL: %s", lua_type(L, -1) == LUA_TSTRING ?
	    lua_tostring(L, -1) : "the compiler can't be loaded");
	lua_pop(L, 1);
	return SL_ERR_NOTFOUND;
}

/* The texts of the list at 'index', each behind the other. */
static void
append(lua_State *L, int index, struct sl_buf *out, char end)
{
	struct sl_str s;
	lua_Integer i, n = lua_istable(L, index) ? (lua_Integer)lua_rawlen(L, index) : 0;

	for (i = 1; i <= n; i++) {
		lua_rawgeti(L, index, i);
		s.p = lua_tolstring(L, -1, &s.n);
		if (s.p != NULL) {
			sl_buf_putstr(out, s);
			sl_buf_putc(out, end);
		}
		lua_pop(L, 1);
	}
}

/* ---- names that aren't built ------------------------------------------------------ */

struct names {
	struct sl_program *program;
	sl_program_each_fn *each;
	void *arg;
};

static void
push_sources(lua_State *L, const struct names *n)
{
	struct sl_str path, source;
	lua_Integer count = 0;
	size_t i;

	lua_newtable(L);
	for (i = 0; n->each(n->arg, &i, &path, &source);) {
		lua_newtable(L);
		sl_string(L, path);
		lua_setfield(L, -2, "path");
		sl_string(L, source);
		lua_setfield(L, -2, "source");
		lua_rawseti(L, -2, ++count);
	}
}

static int
run_names(lua_State *L)
{
	struct names *n = lua_touserdata(L, 1);

	push_require(L, n->program);
	lua_pushliteral(L, "check.unbuilt");
	lua_call(L, 1, 1);
	push_sources(L, n);
	push_builtins(L);
	lua_call(L, 2, 1);
	append(L, lua_gettop(L), &n->program->report, '\n');
	return 0;
}

int
sl_program_check_names(struct sl_program *p, sl_program_each_fn *each, void *arg, struct sl_err *err)
{
	struct names n = { p, each, arg };
	struct sl_bounds bounds = { "check", STEPS, MEMORY, NULL };
	int rc;

	sl_buf_reset(&p->report);
	if ((rc = sl_bounded(p->vm, &bounds, run_names, &n, err)) != 0)
		return rc;
	return p->report.n > 0 ? SL_ERR_SYNTAX : 0;
}

/* ---- compiling ------------------------------------------------------------------------- */

struct job {
	struct sl_program *program;
	const char *path;
	struct sl_str source;
	enum sl_hsl_role role;
	struct sl_buf *code, *includes;
	bool refused;
};

static int
run_compiler(lua_State *L)
{
	static const char *const roles[] = { NULL, "lines", "part" };
	struct job *j = lua_touserdata(L, 1);
	struct sl_str code;

	sl_ref_push(L, j->program->compiler);
	sl_string(L, j->source);
	lua_pushstring(L, j->path);
	sl_ref_push(L, j->program->compiler_host);
	lua_pushstring(L, roles[j->role]);	/* NULL: nil */
	lua_call(L, 4, 3);		/* code, warnings, includes; or nil, errors */
	code.p = lua_tolstring(L, 2, &code.n);
	if (code.p == NULL) {
		j->refused = true;
		append(L, 3, &j->program->report, '\n');
		return 0;
	}
	sl_buf_putstr(j->code, code);
	append(L, 4, j->includes, '\0');
	if (j->role == SL_HSL_MAIN)
		append(L, 3, &j->program->warnings, '\n');
	return 0;
}

/* The first line of the report, for who shows one line only. */
static int
refuse(const struct sl_program *p, const char *path, struct sl_err *err)
{
	struct sl_str rest = sl_buf_str(&p->report), line;

	if (p->report.n == 0 || !sl_str_split(&rest, '\n', &line))
		return sl_err_set(err, SL_ERR_SYNTAX, "%s: doesn't compile", path);
	return sl_err_set(err, SL_ERR_SYNTAX, "%.*s", (int)line.n, line.p);
}

int
sl_hsl_compile(struct sl_program *p, const char *path, struct sl_str source,
    enum sl_hsl_role role, struct sl_buf *code, struct sl_buf *includes, struct sl_err *err)
{
	struct job j = { p, path, source, role, code, includes, false };
	struct sl_bounds bounds = { path, STEPS, MEMORY, NULL };
	struct sl_err why;
	int rc;

	if ((rc = need_compiler(p, err)) != 0)
		return rc;
	rc = sl_bounded(p->vm, &bounds, run_compiler, &j, &why);
	if (rc != 0)
		return sl_err_set(err, rc, "%s: the compiler gave up: %s", path, why.text);
	return j.refused ? refuse(p, path, err) : 0;
}
