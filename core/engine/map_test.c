/*
 * HSL's arrays: keys, order, nones, removal; and that what a builtin makes for HSL
 * and reads from it is HSL's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "internal.h"

struct harness {
	struct sl_loop *loop;
	struct sl_vm *vm;
	void (*body)(lua_State *L);
	char text[2000];
};

static struct harness *at_work;

static int
protected_body(lua_State *L)
{
	at_work->body(L);
	return 0;
}

static int
set_up(void **state)
{
	struct harness *h = test_calloc(1, sizeof(*h));
	struct sl_err err;

	h->loop = sl_loop_new(&err);
	h->vm = sl_vm_new(h->loop, NULL, &err);
	assert_non_null(h->vm);
	*state = at_work = h;
	return 0;
}

static int
tear_down(void **state)
{
	struct harness *h = *state;

	sl_vm_free(h->vm);
	sl_loop_free(h->loop);
	test_free(h);
	return 0;
}

/* Runs the body as a builtin that HSL or Lua called. */
static void
run(struct harness *h, void (*body)(lua_State *L), bool hsl)
{
	lua_State *L = h->vm->L;

	h->body = body;
	lua_pushnil(L);
	lua_pushlightuserdata(L, hsl ? (void *)(uintptr_t)&sl_hsl_mark : NULL);
	lua_pushcclosure(L, protected_body, 2);
	if (lua_pcall(L, 0, 0, 0) != LUA_OK)
		fail_msg("%s", lua_tostring(L, -1));
}

static const char *
shown(lua_State *L)
{
	struct sl_buf text = SL_BUF_INIT;

	sl_describe(L, -1, &text, 1000);
	snprintf(at_work->text, sizeof(at_work->text), "%.*s", (int)text.n, text.p);
	sl_buf_clear(&text);
	return at_work->text;
}

static void
put(lua_State *L, const char *key, const char *value)
{
	lua_pushstring(L, key);
	lua_pushstring(L, value);
	sl_map_set_key(L);
}

/* ---- the map -------------------------------------------------------------------- */

static void
body_list(lua_State *L)
{
	int i;

	sl_list_new(L);
	assert_int_equal(sl_count(L, -1), 0);
	assert_true(sl_is_list(L, -1));
	for (i = 0; i < 3; i++) {
		sl_number(L, i * 10);
		sl_list_add(L);
	}
	assert_string_equal(shown(L), "[0=>0,1=>10,2=>20]");
	assert_true(sl_is_list(L, -1));
	assert_true(sl_list_get(L, -1, 3));
	assert_true(lua_tonumber(L, -1) == 20 && !lua_isinteger(L, -1));
	lua_pop(L, 1);
	assert_false(sl_list_get(L, -1, 4));
	lua_pop(L, 1);
	lua_pushnil(L);		/* none is a value, and ends what is only a list */
	sl_list_add(L);
	assert_string_equal(shown(L), "[0=>0,1=>10,2=>20,3=>none]");
	assert_int_equal(sl_count(L, -1), 4);
	assert_true(sl_is_list(L, -1));
	sl_text(L, "x");
	sl_list_add(L);
	assert_string_equal(shown(L), "[0=>0,1=>10,2=>20,3=>none,4=>\"x\"]");
}

static void
body_keys(lua_State *L)
{
	sl_map_new(L);
	put(L, "1", "one");
	put(L, "1.9", "text");
	put(L, "01", "text too");
	put(L, "-3", "minus");
	put(L, "99999999999", "too long for a number");
	lua_pushnumber(L, 1.9);
	sl_text(L, "one again");
	sl_map_set_key(L);
	lua_pushboolean(L, true);
	sl_text(L, "and again");
	sl_map_set_key(L);
	assert_string_equal(shown(L), "[1=>\"and again\",\"1.9\"=>\"text\",\"01\"=>\"text too\","
	    "-3=>\"minus\",\"99999999999\"=>\"too long for a number\"]");
	sl_text(L, "next");
	sl_list_add(L);
	lua_pushliteral(L, "2");
	assert_true(sl_map_lookup(L, -2));
	assert_string_equal(lua_tostring(L, -1), "next");
	lua_pop(L, 1);
	lua_pushnil(L);
	assert_false(sl_map_lookup(L, -2));
	lua_pop(L, 1);
	assert_false(sl_is_list(L, -1));
}

static void
remove_number(lua_State *L, int n)
{
	lua_pushinteger(L, n);
	sl_map_remove(L, -2);
}

static void
body_removal(lua_State *L)
{
	int i;

	sl_list_new(L);
	for (i = 0; i < 1000; i++) {
		sl_number(L, i);
		sl_list_add(L);
	}
	remove_number(L, 999);
	assert_int_equal(sl_count(L, -1), 999);
	for (i = 0; i < 997; i++)
		remove_number(L, i);
	remove_number(L, 5);		/* isn't there any more */
	assert_string_equal(shown(L), "[997=>997,998=>998]");
	sl_text(L, "a");
	sl_list_add(L);
	remove_number(L, 999);
	sl_text(L, "b");
	sl_list_add(L);
	assert_string_equal(shown(L), "[997=>997,998=>998,999=>\"b\"]");
	assert_true(sl_list_get(L, -1, 3));
	lua_pop(L, 1);
	lua_pushinteger(L, 997);	/* one that is there keeps its place */
	lua_pushnil(L);
	sl_map_set_key(L);
	assert_string_equal(shown(L), "[997=>none,998=>998,999=>\"b\"]");
	lua_pushinteger(L, 997);
	assert_true(sl_map_lookup(L, -2));
	lua_pop(L, 1);
	sl_map_copy(L, -1);
	assert_string_equal(shown(L), "[997=>none,998=>998,999=>\"b\"]");
	assert_true(sl_equal(L, -1, -2));
	remove_number(L, 997);
	assert_false(sl_equal(L, -1, -2));
	assert_int_equal(sl_count(L, -2), 3);
}

/* Many removals from the front, between additions: what a queue does. */
static void
body_queue(lua_State *L)
{
	int i;

	sl_list_new(L);
	for (i = 0; i < 20000; i++) {
		sl_number(L, i);
		sl_list_add(L);
		if (i >= 3)
			remove_number(L, i - 3);
	}
	assert_string_equal(shown(L), "[19997=>19997,19998=>19998,19999=>19999]");
}

static void
test_map(void **state)
{
	run(*state, body_list, true);
	run(*state, body_keys, true);
	run(*state, body_removal, true);
	run(*state, body_queue, true);
}

/* ---- values ------------------------------------------------------------------------ */

static void
body_json(lua_State *L)
{
	struct sl_buf out = SL_BUF_INIT;
	struct sl_err err;

	assert_int_equal(sl_json_decode(L, SL_STR("{\"b\":[1,null,2.5],\"a\":{},\"7\":true,\"c\":[]}"),
	    0, &err), 0);
	assert_string_equal(shown(L), "[\"b\"=>[0=>1,1=>none,2=>2.5],\"a\"=>[],7=>true,\"c\"=>[]]");
	assert_int_equal(sl_json_encode(L, -1, &out, true, false, &err), 0);
	assert_string_equal(out.p, "{\"b\":[1,null,2.5],\"a\":[],\"7\":true,\"c\":[]}");
	sl_buf_clear(&out);
}

static void
body_lua(lua_State *L)
{
	sl_list_new(L);
	assert_false(sl_is_map(L, -1));
	sl_number(L, 5);
	assert_true(lua_isinteger(L, -1));
	sl_list_add(L);
	lua_geti(L, -1, 1);
	assert_int_equal(lua_tointeger(L, -1), 5);
	sl_map_new(L);
	put(L, "z", "1");
	put(L, "a", "2");
	assert_string_equal(shown(L), "{ z = \"1\", a = \"2\" }");
}

static void
body_read_either(lua_State *L)
{
	static const char *const names[] = { "timeout", "retry", NULL };
	size_t i, n = 0;

	sl_map_make(L);
	lua_pushliteral(L, "timeout");
	lua_pushnumber(L, 5);
	sl_map_put(L, -3);
	lua_pushliteral(L, "retry");
	lua_pushnumber(L, 1);
	sl_map_put(L, -3);
	sl_options(L, 1, names);
	assert_true(sl_opt_number(L, 1, "timeout", 0, 10, 1) == 5);
	if (sl_is_hsl(L))
		assert_true(sl_opt_bool(L, 1, "retry", false));
	for (i = 0; sl_each(L, 1, &i); lua_pop(L, 2))
		n++;
	assert_int_equal(n, 2);
	assert_int_equal(lua_gettop(L), 1);
}

static void
test_values(void **state)
{
	run(*state, body_json, true);
	run(*state, body_lua, false);
	run(*state, body_read_either, true);
	run(*state, body_read_either, false);
}

/* ---- conversions --------------------------------------------------------------------- */

static void
body_numbers(lua_State *L)
{
	static const struct { double n; const char *text; } numbers[] = {
		{ 1, "1" }, { -0.0, "0" }, { 0.1, "0.1" }, { 1.0 / 3, "0.3333333333333333" },
		{ 1e15, "1000000000000000" }, { 0x1p53, "9007199254740992" }, { 1e18, "1e+18" }, { 123456789012345, "123456789012345" }, { 2.5, "2.5" },
		{ -7, "-7" }, { 1e300, "1e+300" },
	};
	static const struct { const char *text; double n; } texts[] = {
		{ "12", 12 }, { " 1.5x", 1.5 }, { "abc", 0 }, { "0x1F", 31 }, { "-0x10", -16 },
		{ "", 0 }, { "inf", 0 }, { "nan", 0 }, { ".5", 0.5 }, { "1e3", 1000 }, { "0xzz", 0 },
		{ "0x-5", 0 }, { "0x 5", 0 }, { "0x0x5", 0 }, { "- 5", 0 }, { "00000000000000000000000000000000000000000000000000000000000000000000005", 5 },
	};
	char text[SL_NUMBER_MAX];
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		sl_number_text(numbers[i].n, text);
		assert_string_equal(text, numbers[i].text);
	}
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		lua_pushstring(L, texts[i].text);
		assert_true(sl_to_number(L, -1) == texts[i].n);
	}
}

/* One letter a value: n none, t f, 0 1 5 numbers, z "0", o "1", e "", a "abc", [ empty array, ] [1]. */
static void
push_value(lua_State *L, char what)
{
	switch (what) {
	case 'n': lua_pushnil(L); break;
	case 't': case 'f': lua_pushboolean(L, what == 't'); break;
	case '0': case '1': case '5': lua_pushnumber(L, what - '0'); break;
	case 'z': lua_pushliteral(L, "0"); break;
	case 'o': lua_pushliteral(L, "1"); break;
	case 'e': lua_pushliteral(L, ""); break;
	case 'a': lua_pushliteral(L, "abc"); break;
	default:
		sl_map_make(L);
		if (what == ']') {
			lua_pushnumber(L, 1);
			sl_map_append(L, -2);
		}
	}
}

static void
body_equality(lua_State *L)
{
	static const char values[] = "ntf015zoea[]";
	/* pairs that are equal and not the same; all others aren't equal */
	static const char *const equal[] = { "t1", "f0", "0z", "1o", "0e", "0a", "tz", "to", "ta", "fe",
	    "0[", "1]", "5]", "f[", "t]", NULL };
	const char *a, *b;
	size_t i;

	for (a = values; *a != '\0'; a++)
		for (b = values; *b != '\0'; b++) {
			bool wanted = *a == *b;

			for (i = 0; equal[i] != NULL; i++)
				wanted |= (equal[i][0] == *a && equal[i][1] == *b) ||
				    (equal[i][0] == *b && equal[i][1] == *a);
			push_value(L, *a);
			push_value(L, *b);
			if (sl_equal(L, -2, -1) != wanted)
				fail_msg("%c == %c isn't %d", *a, *b, wanted);
			assert_int_equal(sl_identical(L, -2, -1), *a == *b);
			lua_pop(L, 2);
		}
	for (a = values; *a != '\0'; a++) {
		push_value(L, *a);
		assert_int_equal(sl_truth(L, -1), strchr("t15zoa]", *a) != NULL);
		lua_pop(L, 1);
	}
}

static void
test_conversions(void **state)
{
	run(*state, body_numbers, true);
	run(*state, body_equality, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_map, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_values, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_conversions, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
