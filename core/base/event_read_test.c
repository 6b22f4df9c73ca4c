/* Lines of logs: what was written comes back, what nobody of us wrote is refused. */
#include "event_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "event.h"

#define NOON 45296789123	/* 1970-01-01 12:34:56.789123 */

static void
is(struct sl_str got, const char *want)
{
	assert_int_equal(got.n, strlen(want));
	assert_memory_equal(got.p, want, got.n);
}

/* Both forms of one event. */
static void
there_and_back(void **state)
{
	static const struct { const char *value, *back; } cases[] = {
		{ "a@b.example", NULL }, { "", NULL }, { "a b", NULL }, { "a\r\n\tb", NULL },
		{ "\033[2J\x7f", NULL }, { "a\"b\\", NULL }, { "x code=250", NULL }, { "\xc3\xa9", NULL },
		{ "a\xff", "a\\xff" }, { "\xe2\x80\xae", NULL }, { "{\"id\":\"1\"}", NULL },
		{ "\xf0\x9f\x93\xa7", NULL },
	};
	struct sl_event_record r = { 0 };
	struct sl_buf b = SL_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *back = cases[i].back != NULL ? cases[i].back : cases[i].value;
		struct sl_event e = { NOON, SL_WARNING, "relay_denied", SL_FIELDS(
			SL_F_TEXT("recipient", cases[i].value), SL_F_INT("code", -550), SL_F_BOOL("tls", true)) };

		sl_buf_reset(&b);
		assert_int_equal(sl_event_format_json(&b, &e), 0);
		assert_int_equal(sl_event_read(&r, sl_buf_str(&b)), 0);
		is(r.time, "1970-01-01T12:34:56.789123Z");
		is(r.level, "warning");
		is(r.name, "relay_denied");
		is(sl_record_get(&r, "recipient"), back);
		is(sl_record_get(&r, "code"), "-550");
		assert_int_equal(r.nfields, 3);
		sl_buf_reset(&b);
		sl_buf_puts(&b, "Nov 28 05:04:56 mx sluice[12]: ");
		assert_int_equal(sl_event_format_text(&b, &e, false), 0);
		assert_int_equal(sl_event_read(&r, sl_buf_str(&b)), 0);
		assert_true(sl_str_starts(r.time, SL_STR("Nov 28 05:04:56 mx sluice[12]: ")));
		is(r.level, "warn");
		is(r.name, "relay_denied");
		is(sl_record_get(&r, "recipient"), back);
		is(sl_record_get(&r, "tls"), "true");
		is(sl_record_get(&r, "none"), "");
	}
	sl_buf_clear(&b);
	sl_event_record_clear(&r);
}

static void
refused(void **state)
{
#define HEAD "{\"time\":\"t\",\"level\":\"info\",\"event\":\"e\""
	static const char *const lines[] = {
		"", "{", "{}", "no event", HEAD, HEAD "} ,", HEAD ",}", HEAD ",\"a\":{}}",
		HEAD ",\"a\":[1]}", HEAD ",\"a\":\"\\ud83d\"}", HEAD ",\"a\":\"\\x41\"}", HEAD ",\"a\":}",
		HEAD ",\"a\":\"b}", HEAD ",\"a\":\"\xff\"}", "{\"time\":\"t\",\"level\":\"info\"}",
#define CLOCK "12:00:00.000 info   "
		"postfix/smtpd[1]: 4XyZ: client=x", CLOCK, CLOCK "e a", CLOCK "e a=",
		CLOCK "e a=\"b", CLOCK "e a=b c", CLOCK "e  a=b", "x " CLOCK "e a=b", "info   e a=b",
		/* what a sender can put into another program's line */
		"Nov 28 12:00:00 mx postfix/smtpd[1]: sluice[1]: info   e a=b",
		"Nov 28 12:00:00 mx postfix/smtpd[1]: " CLOCK "e a=b",
		"Nov 28 mx postfix/smtp[1]: info about nothing",
	};
	struct sl_event_record r = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (sl_event_read(&r, sl_str_of(lines[i])) != SL_ERR_SYNTAX)
			fail_msg("%s", lines[i]);
	assert_int_equal(sl_event_read(&r, SL_STR(HEAD "}")), 0);
	assert_int_equal(sl_event_read(&r, SL_STR(CLOCK "e a=b")), 0);
	assert_int_equal(sl_event_read(&r, SL_STR("Nov 28 12:00:00 mx sluice[1]: info   e a=b")), 0);
	is(r.time, "Nov 28 12:00:00 mx sluice[1]:");
	sl_event_record_clear(&r);
}

/* More fields than are kept: the first ones are, and the line is still one. */
static void
many_fields(void **state)
{
	struct sl_event_record r = { 0 };
	struct sl_buf b = SL_BUF_INIT;

	(void)state;
	sl_buf_puts(&b, HEAD);
	for (int i = 0; i < 1000; i++)
		sl_buf_printf(&b, ",\"f%d\":%d", i, i);
	sl_buf_puts(&b, "}");
	assert_int_equal(sl_event_read(&r, sl_buf_str(&b)), 0);
	assert_int_equal(r.nfields, SL_RECORD_FIELDS);
	is(sl_record_get(&r, "f63"), "63");
	is(sl_record_get(&r, "f64"), "");
	sl_buf_clear(&b);
	sl_event_record_clear(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back), cmocka_unit_test(refused), cmocka_unit_test(many_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
