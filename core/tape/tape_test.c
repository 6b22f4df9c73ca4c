/* Tapes: what is noted is found again, in its place; files; secrets in every form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../base/alloc.h"
#include "mask.h"
#include "tape.h"

#define assert_str(s, literal)	assert_true(sl_str_eq((s), SL_STR(literal)))

static struct sl_tape *
recorded(void)
{
	struct sl_tape *t = sl_tape_new(0);

	sl_tape_fact(t, "policy", SL_STR("abc"));
	sl_tape_input(t, "connect", 1000, SL_STR(""), SL_STR(""));
	sl_tape_note(t, "dns", SL_STR("A x"), SL_STR("1"));
	sl_tape_note(t, "state", SL_STR("inc n"), SL_STR("1"));
	sl_tape_note_time(t, 1100);
	sl_tape_place(t, "connect", NULL, "time");
	sl_tape_note_time(t, 1200);
	sl_tape_input(t, "mail", 2000, SL_STR("<a>"), SL_STR(""));
	sl_tape_note(t, "dns", SL_STR("A x"), SL_STR("2"));
	sl_tape_note(t, "state", SL_STR("inc n"), SL_STR("2"));
	sl_tape_note_drawn(t, "below 6", SL_STR("3"));
	sl_tape_output(t, "verdict", SL_STR(""), SL_STR("code 3 250\n"));
	return t;
}

static struct sl_str
find(struct sl_tape *t, const char *kind, const char *key, enum sl_tape_how how)
{
	struct sl_str value;

	return sl_tape_find(t, kind, sl_str_of(key), how, &value) ? value : SL_STR("(none)");
}

static void
test_answers_by_step(void **state)
{
	struct sl_tape *t = recorded(), *p = sl_tape_play(t, false);

	(void)state;
	sl_tape_seek(p, 1);
	assert_str(find(p, "dns", "A x", SL_TAPE_AGAIN), "1");
	sl_tape_seek(p, 2);
	assert_str(find(p, "dns", "A x", SL_TAPE_AGAIN), "2");
	assert_str(find(p, "dns", "A x", SL_TAPE_AGAIN), "2");
	assert_str(find(p, "dns", "A y", SL_TAPE_AGAIN), "(none)");
	sl_tape_unref(p);
	p = sl_tape_play(t, false);
	sl_tape_seek(p, 2);		/* another policy asks later: what was asked then, then before */
	assert_str(find(p, "state", "inc n", SL_TAPE_ONCE), "2");
	assert_str(find(p, "state", "inc n", SL_TAPE_ONCE), "1");
	assert_str(find(p, "state", "inc n", SL_TAPE_ONCE), "(none)");
	sl_tape_unref(p);
	p = sl_tape_play(t, false);
	sl_tape_seek(p, 1);		/* another policy asks earlier */
	assert_str(find(p, "state", "inc n", SL_TAPE_ONCE), "1");
	assert_str(find(p, "state", "inc n", SL_TAPE_ONCE), "2");
	sl_tape_unref(p);
	sl_tape_unref(t);
}

static void
test_clock_and_chance(void **state)
{
	struct sl_tape *t = recorded(), *p = sl_tape_play(t, false);
	struct sl_str value;

	(void)state;
	sl_tape_seek(p, 1);
	sl_tape_place(p, "connect", NULL, "time");
	assert_int_equal(sl_tape_time(p), 1200);
	assert_int_equal(sl_tape_time(p), 1200);	/* it stands still */
	sl_tape_seek(p, 1);
	assert_int_equal(sl_tape_time(p), 1100);
	sl_tape_seek(p, 2);
	assert_int_equal(sl_tape_time(p), 2000);	/* the beginning of the step */
	sl_tape_place(p, "mail", NULL, "rand");
	assert_false(sl_tape_find_drawn(p, "below 6", &value));
	sl_tape_miss_drawn(p, "below 6");
	sl_tape_miss(p, "dns", SL_STR("A z"));		/* what comes of it isn't the reason */
	assert_string_equal(sl_tape_missing(p), "random below 6 at mail rand");
	sl_tape_seek(p, 2);
	assert_string_equal(sl_tape_missing(p), "");
	assert_true(sl_tape_find_drawn(p, "below 6", &value));
	assert_str(value, "3");
	assert_false(sl_tape_find_drawn(p, "below 6", &value));
	sl_tape_unref(p);
	sl_tape_unref(t);
}

static void
test_file(void **state)
{
	struct sl_tape *t = recorded(), *again;
	struct sl_buf one = SL_BUF_INIT, two = SL_BUF_INIT;
	struct sl_err err;
	size_t n;

	(void)state;
	sl_tape_note(t, "http", SL_STR("\0\n"), (struct sl_str){ "\xff\0 5 x\n", 7 });
	assert_int_equal(sl_tape_write(t, &one), 0);
	assert_int_equal(sl_tape_read(&again, sl_buf_str(&one), &err), 0);
	assert_int_equal(sl_tape_write(again, &two), 0);
	assert_true(sl_str_eq(sl_buf_str(&one), sl_buf_str(&two)));
	assert_str(sl_tape_fact_of(again, "policy"), "abc");
	sl_tape_unref(again);
	for (n = 0; n < one.n; n++) {	/* cut off anywhere it is no capture */
		assert_int_equal(sl_tape_read(&again, (struct sl_str){ one.p, n }, &err), SL_ERR_SYNTAX);
		assert_null(again);
	}
	sl_buf_clear(&one);
	sl_buf_clear(&two);
	sl_tape_unref(t);
}

static void
test_room(void **state)
{
	struct sl_tape *t = sl_tape_new(1000);
	char big[600] = "";

	(void)state;
	sl_tape_input(t, "mail", 1, SL_STR(""), (struct sl_str){ big, sizeof(big) });
	assert_false(sl_tape_full(t));
	sl_tape_note(t, "dns", SL_STR(""), (struct sl_str){ big, sizeof(big) });
	assert_true(sl_tape_full(t));
	assert_int_equal(sl_tape_count(t), 0);
	sl_tape_note(t, "dns", SL_STR(""), SL_STR("x"));
	assert_int_equal(sl_tape_count(t), 0);
	sl_tape_unref(t);
}

/* Several tapes in one room: what one gives back, another may take. */
static void
test_shared_room(void **state)
{
	struct sl_tape_room *room = sl_tape_room_new(2000);
	struct sl_tape *a = sl_tape_new(0), *b = sl_tape_new(0), *c = sl_tape_new(0);
	char text[800];

	(void)state;
	memset(text, 'x', sizeof(text));
	sl_tape_share(a, room);
	sl_tape_share(b, room);
	sl_tape_share(c, room);
	sl_tape_room_unref(room);
	sl_tape_note(a, "dns", SL_STR("a"), (struct sl_str){ text, sizeof(text) });
	sl_tape_note(b, "dns", SL_STR("b"), (struct sl_str){ text, sizeof(text) });
	assert_true(sl_tape_bytes(a) > 800 && !sl_tape_full(a) && !sl_tape_full(b));
	sl_tape_note(c, "dns", SL_STR("c"), (struct sl_str){ text, sizeof(text) });
	assert_true(sl_tape_full(c) && sl_tape_bytes(c) == 0);
	sl_tape_note(b, "dns", SL_STR("more"), (struct sl_str){ text, sizeof(text) });
	assert_true(sl_tape_full(b));
	sl_tape_note(a, "dns", SL_STR("more"), (struct sl_str){ text, sizeof(text) });
	assert_false(sl_tape_full(a));
	sl_tape_unref(a);
	sl_tape_unref(b);
	sl_tape_unref(c);
}

static void
assert_masked(const char *secret, const char *text, const char *expected)
{
	struct sl_mask *m = sl_mask_new(sl_str_of(secret));
	struct sl_buf out = SL_BUF_INIT;

	assert_non_null(m);
	sl_mask_put(m, sl_str_of(text), "#", &out);
	assert_string_equal(out.p, expected);
	assert_int_equal(sl_mask_finds(m, sl_str_of(text)), strcmp(text, expected) != 0);
	sl_mask_free(m);
	sl_buf_clear(&out);
}

static void
test_forms(void **state)
{
	(void)state;
	assert_masked("pass/word+1", "a pass/word+1 b pass/word+1", "a # b #");
	assert_masked("pass/word+1", "?p=pass%2Fword%2B1&q=pass%2fword%2b1", "?p=#&q=#");
	assert_masked("pass/word+1", "{\"p\":\"pass\\/word+1\"}", "{\"p\":\"#\"}");
	assert_masked("a \"b\"\n", "{\"p\":\"a \\\"b\\\"\\n\"}", "{\"p\":\"#\"}");
	assert_masked("secret", "x 736563726574 736563726574", "x # #");
	assert_masked("s\xe9""cret", "73E963726574", "#");
	assert_masked("secret", "Basic YW5uOnNlY3JldA==;", "Basic #;");	/* ann:secret */
	assert_masked("secret", "c2VjcmV0 eHNlY3JldA== eHhzZWNyZXQ=", "# # #");
	assert_masked("secret", "seecret SECRET sec ret", "seecret SECRET sec ret");
	assert_masked("aaaa", "aaaaaaaa aaa", "## aaa");
	assert_null(sl_mask_new(SL_STR("abc")));
}

static void
test_passwords(void **state)
{
	struct sl_tape *t = sl_tape_new(0), *p;
	struct sl_buf file = SL_BUF_INIT, value = SL_BUF_INIT;
	struct sl_str found;

	(void)state;
	sl_tape_input(t, "auth", 1, SL_STR(""), SL_STR(""));
	sl_tape_password(t, SL_STR("word&1"));
	sl_tape_put(&value, "body", SL_STR("it is word&1, ann"));
	sl_tape_note(t, "http", SL_STR("GET /?p=word%261"), sl_buf_str(&value));
	sl_tape_note(t, "dns", SL_STR("TXT word&1.example"), SL_STR("word&1"));
	assert_int_equal(sl_tape_write(t, &file), 0);
	assert_true(sl_str_find(sl_buf_str(&file), SL_STR("p=[password]")) >= 0);
	assert_true(sl_str_find(sl_buf_str(&file), SL_STR("word%261")) < 0);
	p = sl_tape_play(t, false);
	sl_tape_seek(p, 1);
	assert_true(sl_tape_find(p, "http", SL_STR("GET /?p=%5Bpassword%5D"), SL_TAPE_AGAIN, &found));
	assert_str(sl_tape_get(found, "body"), "it is [password], ann");
	/* a word that only happens to be the same */
	assert_true(sl_tape_find(p, "dns", SL_STR("TXT word&1.example"), SL_TAPE_AGAIN, &found));
	assert_str(found, "word&1");
	sl_tape_unref(p);
	assert_true(sl_tape_same(SL_STR("a [password] c"), SL_STR("a bb c")));
	assert_false(sl_tape_same(SL_STR("a [password] c"), SL_STR("a bb d")));
	assert_true(sl_tape_same(SL_STR("[password]x[password]"), SL_STR("1x2")));
	sl_tape_password(t, SL_STR("abc"));	/* too short to be told from other words */
	assert_true(sl_tape_full(t));
	sl_buf_clear(&file);
	sl_buf_clear(&value);
	sl_tape_unref(t);
}

static void
test_parts(void **state)
{
	static const char *const bad[] = { "a", "a 1", "a 1 ", "a 1 x", "a 2 x\n", "a 0 x\n", " \n", "a -1 \n",
	    "a 99999999999999999999 x\n" };
	struct sl_str name, value, rest;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rest = sl_str_of(bad[i]);
		assert_false(sl_tape_part(&rest, &name, &value));
	}
	rest = SL_STR("a 3 x\ny\nb 2 -7\n");
	assert_int_equal(sl_tape_get_number(rest, "b"), -7);
	assert_true(sl_tape_part(&rest, &name, &value));
	assert_str(value, "x\ny");
	assert_int_equal(sl_tape_get_number(rest, "a"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_by_step),
		cmocka_unit_test(test_clock_and_chance),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_shared_room),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
