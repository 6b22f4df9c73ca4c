/* Our matcher against Lua's own on small random patterns, and its budget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "../base/err.h"
#include "pattern.h"

/* string.find of stock Lua: "start end capture..." or "nil" or "error". */
static void
stock(lua_State *L, const char *pattern, const char *text, char *out, size_t size)
{
	size_t n = 0;
	int i, top;

	lua_settop(L, 0);
	lua_gc(L, LUA_GCSTEP, 1);
	lua_getglobal(L, "string");
	lua_getfield(L, 1, "find");
	lua_pushstring(L, text);
	lua_pushstring(L, pattern);
	if (lua_pcall(L, 2, LUA_MULTRET, 0) != LUA_OK) {
		snprintf(out, size, "error");
		return;
	}
	top = lua_gettop(L);
	out[0] = '\0';
	for (i = 2; i <= top; i++)
		n += (size_t)snprintf(out + n, size - n, "%s ", luaL_tolstring(L, i, NULL));
}

static void
ours(const char *pattern, const char *text, char *out, size_t size)
{
	uint64_t budget = 1000000;
	struct sl_match m;
	const char *why;
	size_t n = 0;
	unsigned i;
	int rc = sl_pattern_find(sl_str_of(pattern), sl_str_of(text), 0, false, &m, &budget, &why);

	if (rc <= 0) {
		snprintf(out, size, rc == 0 ? "nil " : "error");
		return;
	}
	n += (size_t)snprintf(out, size, "%zu %zu ", m.start + 1, m.end);
	for (i = 0; i < m.n; i++)
		if (m.captures[i].position)
			n += (size_t)snprintf(out + n, size - n, "%zu ", m.captures[i].start + 1);
		else
			n += (size_t)snprintf(out + n, size - n, "%.*s ", (int)m.captures[i].len,
			    text + m.captures[i].start);
}

static void
test_as_stock(void **state)
{
	static const char *const pieces[] = { "a", "b", ".", "%a", "%d", "%s", "%w", "%A", "[ab]", "[^a]",
	    "[a-c]", "[%d_]", "a*", "b+", "c-", ".?", "(a)", "(.-)", "()", "(", ")", "%1", "%b()", "%f[a]",
	    "^", "$", "%", "[", "]", "-", "%.", "x?", "[^%s]+", "(%w+)" };
	static const char alphabet[] = "abcabcabc1 ()._-";
	lua_State *L = luaL_newstate();
	char pattern[64], text[32], a[512], b[512];
	unsigned i, k, found = 0;

	(void)state;
	luaL_openlibs(L);
	srand(7);
	for (i = 0; i < 200000; i++) {
		pattern[0] = '\0';
		for (k = (unsigned)rand() % 5 + 1; k > 0; k--)
			strcat(pattern, pieces[(unsigned)rand() % (sizeof(pieces) / sizeof(pieces[0]))]);
		for (k = 0; k < (unsigned)(i % 16); k++)
			text[k] = alphabet[(unsigned)rand() % (sizeof(alphabet) - 1)];
		text[k] = '\0';
		stock(L, pattern, text, a, sizeof(a));
		ours(pattern, text, b, sizeof(b));
		found += a[0] >= '1' && a[0] <= '9';
		if (strcmp(a, b) != 0 && strpbrk(pattern, "^$*+?.([%-") != NULL)
			fail_msg("find(\"%s\", \"%s\"): %s, stock %s", text, pattern, b, a);
	}
	assert_true(found > 20000);
	lua_close(L);
}

static void
test_budget(void **state)
{
	char text[401];
	uint64_t budget = 100000;
	struct sl_match m;
	const char *why;

	(void)state;
	memset(text, 'a', 400);
	text[400] = '\0';
	assert_int_equal(sl_pattern_find(sl_str_of("a*a*a*a*b"), sl_str_of(text), 0, false, &m, &budget,
	    &why), SL_ERR_LIMIT);
	assert_int_equal(budget, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_stock),
		cmocka_unit_test(test_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
