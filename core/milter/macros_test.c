/* Macros: how long what a mail server told holds. */
#include "macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sl_milter_macros m;

static void
set(struct sl_str data, int result)
{
	struct sl_err err;

	assert_int_equal(sl_milter_macros_set(&m, data, &err), result);
}

static void
is(const char *name, const char *value)
{
	char text[32];

	assert_string_equal(sl_milter_macros_text(&m, name, text, sizeof(text)), value);
}

static int
clear(void **state)
{
	(void)state;
	sl_milter_macros_clear(&m);
	memset(&m, 0, sizeof(m));
	return 0;
}

static void
test_the_last_stage_wins(void **state)
{
	(void)state;
	set(SL_STR("C{a}\0connect\0{b}\0connect\0"), 0);
	set(SL_STR("M{a}\0mail\0"), 0);
	is("a", "mail");
	is("b", "connect");
	is("c", "");
	set(SL_STR("E{b}\0end\0"), 0);
	is("b", "end");
}

static void
test_a_stage_told_anew(void **state)
{
	(void)state;
	set(SL_STR("Ma\0" "1\0b\0" "2\0"), 0);
	set(SL_STR("Mb\0" "3\0"), 0);
	is("a", "");
	is("b", "3");
}

/* What came for a command holds with it and after it, until the next of its kind. */
static void
test_commands_that_come(void **state)
{
	(void)state;
	set(SL_STR("Ha\0helo\0"), 0);
	sl_milter_macros_enter(&m, SL_MILTER_HELO);
	set(SL_STR("Mi\0one\0"), 0);
	sl_milter_macros_enter(&m, SL_MILTER_MAIL);
	is("i", "one");
	set(SL_STR("Rr\0one\0"), 0);
	sl_milter_macros_enter(&m, SL_MILTER_RCPT);
	is("r", "one");
	sl_milter_macros_enter(&m, SL_MILTER_RCPT);	/* told nothing for this one */
	is("r", "");
	is("i", "one");
	sl_milter_macros_enter(&m, SL_MILTER_MAIL);
	is("i", "");
	is("a", "helo");
	set(SL_STR("Mi\0two\0"), 0);
	sl_milter_macros_enter(&m, SL_MILTER_HELO);	/* and so the MAIL they were for never came */
	is("i", "");
	is("a", "");
}

static void
test_ends(void **state)
{
	(void)state;
	set(SL_STR("Ca\0" "1\0"), 0);
	set(SL_STR("Mb\0" "2\0"), 0);
	set(SL_STR("Ec\0" "3\0"), 0);
	sl_milter_macros_forget(&m, SL_MILTER_MAIL);
	is("a", "1");
	is("b", "");
	is("c", "");
	sl_milter_macros_forget(&m, SL_MILTER_CONNECT);
	is("a", "");
}

static void
test_A34_bounds(void **state)
{
	static char many[70000];
	size_t i;

	(void)state;
	set(SL_STR(""), SL_ERR_SYNTAX);
	set(SL_STR("Mi\0"), SL_ERR_SYNTAX);
	set(SL_STR("Xi\0ignored\0"), 0);
	is("i", "");
	many[0] = 'M';
	for (i = 1; i + 1 < sizeof(many); i += 2)
		many[i] = 'x';
	set((struct sl_str){ many, sizeof(many) - 1 }, SL_ERR_SYNTAX);
	set((struct sl_str){ many, sizeof(many) - 3 }, SL_ERR_LIMIT);
	set(SL_STR("Ml\0a value that is longer than there is room for\0"), 0);
	is("l", "a value that is longer than the");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_the_last_stage_wins, clear),
		cmocka_unit_test_teardown(test_a_stage_told_anew, clear),
		cmocka_unit_test_teardown(test_commands_that_come, clear),
		cmocka_unit_test_teardown(test_ends, clear), cmocka_unit_test_teardown(test_A34_bounds, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
