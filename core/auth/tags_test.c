/* Tag=value lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "tags.h"

static const struct {
	const char *name, *text;
	unsigned flags;
	int want;
	size_t n;
} lists[] = {
	{ "plain", "a=1;b=2", 0, 0, 2 },
	{ "white space", " a = 1 ; \r\n\tb\t=\r\n 2 ;", 0, 0, 2 },
	{ "end and blanks", "a=1; ", 0, 0, 1 },
	{ "empty value", "a=;b=", 0, 0, 2 },
	{ "equals in a value", "b=QUJD==", 0, 0, 1 },
	{ "case makes two names", "b=1;B=2", 0, 0, 2 },
	{ "UTF-8", "i=m\xc3\xb8x@example.com", 0, 0, 1 },
	{ "digits and underline", "a1_=x", 0, 0, 1 },
	{ "empty", "", 0, SL_ERR_SYNTAX, 0 },
	{ "blanks", "  ", 0, SL_ERR_SYNTAX, 0 },
	{ "only the end", ";", 0, SL_ERR_SYNTAX, 0 },
	{ "empty tag", "a=1;;b=2", 0, SL_ERR_SYNTAX, 0 },
	{ "two ends", "a=1;;", 0, SL_ERR_SYNTAX, 0 },
	{ "two ends with a blank", "a=1; ;", 0, SL_ERR_SYNTAX, 0 },
	{ "twice", "a=1;a=2", 0, SL_ERR_SYNTAX, 0 },
	{ "no equals", "a=1;b", 0, SL_ERR_SYNTAX, 0 },
	{ "no name", "=1", 0, SL_ERR_SYNTAX, 0 },
	{ "digit first", "1a=1", 0, SL_ERR_SYNTAX, 0 },
	{ "blank in a name", "a b=1", 0, SL_ERR_SYNTAX, 0 },
	{ "dash in a name", "a-b=1", 0, SL_ERR_SYNTAX, 0 },
	{ "LF alone", "a=1;\n b=2", 0, SL_ERR_SYNTAX, 0 },
	{ "CR alone", "a=1;\r b=2", 0, SL_ERR_SYNTAX, 0 },
	{ "CRLF without blank", "a=1;\r\nb=2", 0, SL_ERR_SYNTAX, 0 },
	{ "LF in a record", "a=1;\nb=2\n", SL_TAGS_RECORD, 0, 2 },
	{ "control byte", "a=\x01", SL_TAGS_RECORD, SL_ERR_SYNTAX, 0 },
	{ "DEL", "a=\x7f", 0, SL_ERR_SYNTAX, 0 },
	{ "no UTF-8", "a=\xff", 0, SL_ERR_SYNTAX, 0 },
};

static void
test_lists(void **state)
{
	struct sl_tags tags;

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		int r = sl_tags_parse(&tags, sl_str_of(lists[i].text), lists[i].flags, NULL);

		if (r != lists[i].want || (r == 0 && tags.n != lists[i].n))
			fail_msg("%s: %d, %zu tags", lists[i].name, r, tags.n);
	}
	/* A NUL byte can't be in the table. */
	assert_int_equal(sl_tags_parse(&tags, SL_STR("d=a\0b"), 0, NULL), SL_ERR_SYNTAX);
}

static void
test_values(void **state)
{
	struct sl_tags tags;
	struct sl_buf out = SL_BUF_INIT;

	(void)state;
	assert_int_equal(sl_tags_parse(&tags, SL_STR("h = from : \r\n\tTo ; p=QUJ\r\n D"), 0, NULL), 0);
	assert_int_equal(sl_tags_index(&tags, "p"), 1);
	assert_int_equal(sl_tags_index(&tags, "q"), -1);
	assert_null(sl_tags_get(&tags, "H"));
	assert_true(sl_tags_has(*sl_tags_get(&tags, "h"), ':', SL_STR("to")));
	assert_false(sl_tags_has(*sl_tags_get(&tags, "h"), ':', SL_STR("t")));
	assert_int_equal(sl_tags_base64(&out, *sl_tags_get(&tags, "p")), 0);
	assert_string_equal(out.p, "ABC");
	assert_int_equal(sl_tags_base64(&out, SL_STR("")), SL_ERR_SYNTAX);
	assert_int_equal(sl_tags_base64(&out, SL_STR("QUJ")), SL_ERR_SYNTAX);
	assert_int_equal(sl_tags_base64(&out, SL_STR("QU=D")), SL_ERR_SYNTAX);
	assert_int_equal(sl_tags_base64(&out, SL_STR("QUJ-")), SL_ERR_SYNTAX);
	sl_buf_clear(&out);
}

static void
test_caps(void **state)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_tags tags;

	(void)state;
	for (int i = 0; i < SL_TAGS_MAX; i++)
		sl_buf_printf(&text, "t%d=x;", i);
	assert_int_equal(sl_tags_parse(&tags, sl_buf_str(&text), 0, NULL), 0);
	sl_buf_puts(&text, "last=x");
	assert_int_equal(sl_tags_parse(&tags, sl_buf_str(&text), 0, NULL), SL_ERR_LIMIT);
	sl_buf_reset(&text);
	while (text.n <= SL_TAGS_MAX_BYTES)
		sl_buf_puts(&text, "a=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	assert_int_equal(sl_tags_parse(&tags, sl_buf_str(&text), 0, NULL), SL_ERR_LIMIT);
	sl_buf_clear(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists), cmocka_unit_test(test_values), cmocka_unit_test(test_caps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
