/*
 * sluice test: runs the tests of a policy. Test files are programs of the
 * policy's author in a Lua of their own, with all of Lua's library, or in HSL; the policy
 * runs in an engine of its own, made anew for each case, as the gateway runs it.
 */
#include <dirent.h>
#include <getopt.h>
#include <limits.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "desk.h"
#include "test_lua.h"

struct options {
	const char *policy, *filter, *junit, *lcov;
	bool tap, coverage;
};

static int
is_test(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > 9 && (strcmp(e->d_name + n - 9, "_test.lua") == 0 ||
	    strcmp(e->d_name + n - 9, "_test.hsl") == 0);
}

/* [-0, +1] A list of "tests/NAME_test.lua" and ".hsl" in order; their number, or -1. */
static int
push_files(lua_State *L, const char *policy)
{
	struct dirent **list;
	char path[PATH_MAX];
	int n, i;

	snprintf(path, sizeof(path), "%s/tests", policy);
	lua_newtable(L);
	if ((n = scandir(path, &list, is_test, alphasort)) < 0)
		return -1;
	for (i = 0; i < n; i++) {
		lua_pushfstring(L, "tests/%s", list[i]->d_name);
		lua_rawseti(L, -2, i + 1);
		free(list[i]);
	}
	free(list);
	return n;
}

/* [-0, +1] */
static void
push_options(lua_State *L, const struct options *o)
{
	lua_newtable(L);
	lua_pushstring(L, o->policy);
	lua_setfield(L, -2, "policy");
	lua_pushstring(L, cmd_stdlib());
	lua_setfield(L, -2, "stdlib");
	lua_pushstring(L, o->filter);
	lua_setfield(L, -2, "filter");
	lua_pushstring(L, o->junit);
	lua_setfield(L, -2, "junit");
	lua_pushstring(L, o->lcov);
	lua_setfield(L, -2, "lcov");
	lua_pushboolean(L, o->coverage);
	lua_setfield(L, -2, "coverage");
	lua_pushboolean(L, o->tap);
	lua_setfield(L, -2, "tap");
}

static int
traceback(lua_State *L)
{
	luaL_traceback(L, L, lua_tostring(L, 1), 1);
	return 1;
}

/* The harness is a function of the desk, the options, the files, HSL; true: all passed, nil: a report
 * wasn't written. */
static int
run_harness(lua_State *L, struct desk *d, const struct options *o)
{
	char path[PATH_MAX];
	int n;

	snprintf(path, sizeof(path), "%s/test/harness.lua", cmd_stdlib());
	lua_pushcfunction(L, traceback);
	if (luaL_loadfile(L, path) != LUA_OK) {
		fprintf(stderr, "sluice: %s\n", lua_tostring(L, -1));
		return 2;
	}
	test_push_desk(L, d);
	push_options(L, o);
	if ((n = push_files(L, o->policy)) <= 0) {
		fprintf(stderr, "sluice: there is no %s/tests/*_test.lua or .hsl\n", o->policy);
		return 2;
	}
	test_push_hsl(L);
	if (lua_pcall(L, 4, 1, 1) != LUA_OK) {
		fprintf(stderr, "sluice: %s\n", lua_tostring(L, -1));
		return 2;
	}
	return lua_isnil(L, -1) ? 2 : lua_toboolean(L, -1) ? 0 : 1;
}

static int
run(const struct options *o)
{
	struct sl_buf report = SL_BUF_INIT;
	struct desk *d = desk_open(o->policy, true, SL_DEBUG, &report);
	lua_State *L = luaL_newstate();
	int status = 1;

	if (d != NULL && (o->coverage || o->lcov != NULL) && desk_cover(d) != 0) {
		desk_close(d);
		d = NULL;
	}
	if (L != NULL && d != NULL && desk_begin(d, &report) == 0) {
		luaL_openlibs(L);
		status = run_harness(L, d, o);
	} else {
		fprintf(stderr, "%s", report.p != NULL ? report.p : "sluice: out of memory\n");
	}
	if (L != NULL)
		lua_close(L);
	desk_close(d);
	sl_buf_clear(&report);
	return cmd_flush() == 0 ? status : 2;
}

int
cmd_test(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "filter", required_argument, NULL, 'f' }, { "junit", required_argument, NULL, 'j' },
		{ "tap", no_argument, NULL, 't' }, { "coverage", no_argument, NULL, 'c' },
		{ "lcov", required_argument, NULL, 'l' }, { 0 },
	};
	struct options o = { .policy = "." };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (c == 'f')
			o.filter = optarg;
		else if (c == 'j')
			o.junit = optarg;
		else if (c == 't')
			o.tap = true;
		else if (c == 'c')
			o.coverage = true;
		else if (c == 'l')
			o.lcov = optarg;
		else
			return cmd_usage("test");
	if (optind < argc - 1)
		return cmd_usage("test");
	if (optind < argc)
		o.policy = argv[optind];
	return run(&o);
}
