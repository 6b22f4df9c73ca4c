/* The tables: windows, counting, times to live, caps, and the way to a file and back. */
#include "table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../base/alloc.h"
#include "state_private.h"

#define T0	1700000000000LL		/* ms */

static struct sl_table *table;

static int
setup(void **state)
{
	(void)state;
	table = sl_table_new(1000, 1024 * 1024);
	return table == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	sl_table_free(table);
	return 0;
}

static struct sl_state_reply
apply_to(struct sl_table *t, int64_t now, enum sl_state_command command, const char *key,
    const char *value, int64_t number, int64_t ms)
{
	struct sl_state_request r = { .command = command, .key = sl_str_of(key),
		.value = sl_str_of(value), .number = number, .ms = ms };
	struct sl_state_reply reply;

	assert_int_equal(sl_table_apply(t, now, &r, &reply), 0);
	return reply;
}

static bool
rate(int64_t at, const char *key, int64_t limit, int64_t ms)
{
	return apply_to(table, T0 + at, SL_STATE_RATE, key, "", limit, ms).ok;
}

static int64_t
rate_count(int64_t at, const char *key, int64_t ms)
{
	return apply_to(table, T0 + at, SL_STATE_RATE_COUNT, key, "", 0, ms).number;
}

static bool
put(int64_t at, enum sl_state_command command, const char *key, const char *value, int64_t ms)
{
	return apply_to(table, T0 + at, command, key, value, 0, ms).ok;
}

static void
has_in(struct sl_table *t, int64_t at, const char *key, const char *value)
{
	struct sl_state_reply reply = apply_to(t, T0 + at, SL_STATE_FETCH, key, "", 0, 0);

	assert_int_equal(reply.ok, value != NULL);
	if (value != NULL)
		assert_true(sl_str_eq(reply.value, sl_str_of(value)));
}

static void
has(int64_t at, const char *key, const char *value)
{
	has_in(table, at, key, value);
}

/* ---- rates -------------------------------------------------------------------------- */

static void
a_rate_is_kept(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		assert_true(rate(i, "k", 5, 60000));
	for (int i = 0; i < 20; i++)
		assert_false(rate(10, "k", 5, 60000));
	assert_int_equal(rate_count(10, "k", 60000), 5);	/* what was over isn't counted */
	assert_true(rate(10, "other", 5, 60000));
	assert_false(rate(0, "none", 0, 60000));
}

/* An event leaves after one interval, and before 61 slots (sixtieths, in whole ms) are over. */
static void
the_window_slides(void **state)
{
	static const int64_t interval[] = { 100, 1000, 60000, 3600000, 100000000000LL };

	(void)state;
	for (size_t i = 0; i < sizeof(interval) / sizeof(interval[0]); i++) {
		int64_t ms = interval[i], half = ms / 2, late = 61 * ((ms + 59) / 60);
		char key[32];

		snprintf(key, sizeof(key), "k%zu", i);
		assert_true(rate(0, key, 2, ms));
		assert_true(rate(half, key, 2, ms));
		assert_false(rate(ms - 1, key, 2, ms));
		assert_int_equal(rate_count(ms - 1, key, ms), 2);
		assert_int_equal(rate_count(late, key, ms), 1);
		assert_true(rate(late, key, 2, ms));
		assert_false(rate(late, key, 2, ms));
		assert_int_equal(rate_count(half + late, key, ms), 1);
		assert_int_equal(rate_count(4 * ms + 10, key, ms), 0);
	}
}

/* Against a plain list of times: never more in any interval than the limit. */
static void
never_over_the_limit(void **state)
{
	int64_t times[2000], now = 0, ms = 6000;
	size_t n = 0;

	(void)state;
	srandom(7);
	for (int i = 0; i < 2000; i++) {
		size_t inside = 0;

		now += random() % 40;
		if (!rate(now, "k", 50, ms))
			continue;
		times[n++] = now;
		for (size_t k = 0; k < n; k++)
			inside += times[k] > now - ms;
		assert_in_range(inside, 1, 50);
	}
	assert_in_range(n, 250, 600);	/* nor far below: 40 s hold 6 to 7 intervals */
}

static void
a_clock_set_back(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(rate(10000000, "k", 3, 60000));
	assert_false(rate(10000000 - 1000, "k", 3, 60000));	/* a little: they still count */
	assert_true(rate(0, "k", 3, 60000));			/* by hours: begins anew */
}

/* ---- memory ----------------------------------------------------------------------------- */

static void
values(void **state)
{
	(void)state;
	has(0, "k", NULL);
	assert_true(put(0, SL_STATE_ADD, "k", "one", 0));
	assert_false(put(0, SL_STATE_ADD, "k", "two", 0));
	has(0, "k", "one");
	assert_true(put(0, SL_STATE_STORE, "k", "three", 0));
	has(0, "k", "three");
	has(1000000000000LL, "k", "three");
	assert_true(put(0, SL_STATE_DELETE, "k", "", 0));
	assert_false(put(0, SL_STATE_DELETE, "k", "", 0));
	has(0, "k", NULL);
	assert_true(put(0, SL_STATE_STORE, "k", "", 0));
	has(0, "k", "");
	assert_int_equal(sl_table_count(table), 1);
}

static void
times_to_live(void **state)
{
	(void)state;
	assert_true(put(0, SL_STATE_ADD, "k", "one", 1000));
	has(999, "k", "one");
	has(1000, "k", NULL);
	assert_true(put(2000, SL_STATE_STORE, "k", "two", 1000));
	assert_false(put(2999, SL_STATE_ADD, "k", "three", 1000));
	assert_true(put(3000, SL_STATE_ADD, "k", "three", 1000));
	assert_false(put(4000, SL_STATE_DELETE, "k", "", 0));
	assert_int_equal(sl_table_count(table), 0);
}

static void
counting(void **state)
{
	static const struct {
		const char *before;	/* NULL = absent */
		int64_t amount;
		bool ok;
		const char *after;
	} cases[] = {
		{ NULL, 1, true, "1" },
		{ NULL, -5, true, "-5" },
		{ "41", 1, true, "42" },
		{ "-1", 1, true, "0" },
		{ "9223372036854775806", 1, true, "9223372036854775807" },
		{ "9223372036854775807", 1, false, "9223372036854775807" },
		{ "-9223372036854775807", -2, false, "-9223372036854775807" },
		{ "x", 1, false, "x" },
		{ "", 1, false, "" },
		{ "1.5", 1, false, "1.5" },
		{ "99999999999999999999", 1, false, "99999999999999999999" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_state_reply reply;

		put(0, SL_STATE_DELETE, "k", "", 0);
		if (cases[i].before != NULL)
			put(0, SL_STATE_STORE, "k", cases[i].before, 0);
		reply = apply_to(table, T0, SL_STATE_INC, "k", "", cases[i].amount, 0);
		assert_int_equal(reply.ok, cases[i].ok);
		if (reply.ok)
			assert_int_equal(reply.number, strtoll(cases[i].after, NULL, 10));
		has(0, "k", cases[i].after);
	}
}

/* The time to live is that of the first, not prolonged by each. */
static void
counting_keeps_the_time(void **state)
{
	(void)state;
	for (int i = 1; i <= 3; i++)
		assert_int_equal(apply_to(table, T0 + i * 100, SL_STATE_INC, "k", "", 1, 1000).number, i);
	has(1099, "k", "3");
	has(1100, "k", NULL);
}

static void
kinds_are_apart(void **state)
{
	(void)state;
	assert_true(rate(0, "r", 5, 1000));
	has(0, "r", NULL);
	assert_false(apply_to(table, T0, SL_STATE_INC, "r", "", 1, 0).ok);
	assert_int_equal(rate_count(0, "r", 1000), 1);
}

/* ---- caps -------------------------------------------------------------------------------- */

static void
the_oldest_give_way(void **state)
{
	char key[32];

	(void)state;
	put(0, SL_STATE_STORE, "short", "x", 10);
	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		assert_true(put(100 + i, SL_STATE_ADD, key, "value", 0));
		assert_in_range(sl_table_count(table), 1, 1000);
	}
	has(6000, "k4999", "value");
	has(6000, "k4100", "value");
	has(6000, "k0", NULL);
	assert_in_range(sl_table_count(table), 900, 1000);
}

static void
what_expired_goes_first(void **state)
{
	char key[32];

	(void)state;
	put(0, SL_STATE_STORE, "oldest", "stays", 0);
	for (int i = 0; i < 999; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		put(0, SL_STATE_STORE, key, "x", i < 500 ? 1000 : 100000);
	}
	assert_int_equal(sl_table_count(table), 1000);
	put(5000, SL_STATE_STORE, "one more", "x", 0);
	assert_int_equal(sl_table_count(table), 501);
	has(5000, "oldest", "stays");
	has(5000, "k998", "x");
}

static void
bytes_have_a_cap(void **state)
{
	static char big[40 * 1024];
	char key[32];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	for (int i = 0; i < 200; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		assert_true(put(0, SL_STATE_STORE, key, big, 0));
		assert_in_range(sl_table_count(table), 1, 1024 / 39);
	}
	has(0, "k199", big);
	has(0, "k100", NULL);
}

/* ---- files -------------------------------------------------------------------------------- */

static void
fill(struct sl_buf *out)
{
	put(0, SL_STATE_STORE, "empty", "", 0);
	put(0, SL_STATE_STORE, "plain", "a value", 0);
	put(0, SL_STATE_STORE, "gone", "x", 500);
	put(0, SL_STATE_STORE, "later", "y", 5000);
	for (int i = 0; i < 7; i++)
		rate(i * 100, "rate", 10, 60000);
	apply_to(table, T0, SL_STATE_INC, "count", "", 12, 0);
	assert_int_equal(sl_table_save(table, T0 + 1000, out), 0);
}

static void
there_and_back(void **state)
{
	struct sl_buf first = SL_BUF_INIT, second = SL_BUF_INIT;
	struct sl_table *other = sl_table_new(1000, 1024 * 1024);

	(void)state;
	fill(&first);
	assert_int_equal(sl_table_load(other, T0 + 2000, sl_buf_str(&first)), 0);
	assert_int_equal(sl_table_count(other), 5);
	assert_int_equal(sl_table_save(other, T0 + 1000, &second), 0);
	assert_true(sl_str_eq(sl_buf_str(&first), sl_buf_str(&second)));
	has_in(other, 2000, "empty", "");
	has_in(other, 2000, "plain", "a value");
	has_in(other, 2000, "gone", NULL);
	has_in(other, 4999, "later", "y");
	has_in(other, 2000, "count", "12");
	assert_int_equal(apply_to(other, T0 + 2000, SL_STATE_RATE_COUNT, "rate", "", 0, 60000).number, 7);
	has_in(other, 5000, "later", NULL);
	assert_int_equal(apply_to(other, T0 + 63000, SL_STATE_RATE_COUNT, "rate", "", 0, 60000).number, 0);
	sl_table_free(other);
	sl_buf_clear(&first);
	sl_buf_clear(&second);
}

/* What expired while nothing ran isn't loaded. */
static void
loaded_much_later(void **state)
{
	struct sl_buf bytes = SL_BUF_INIT;
	struct sl_table *other = sl_table_new(1000, 1024 * 1024);

	(void)state;
	fill(&bytes);
	assert_int_equal(sl_table_load(other, T0 + 100000000, sl_buf_str(&bytes)), 0);
	assert_int_equal(sl_table_count(other), 3);
	sl_table_free(other);
	sl_buf_clear(&bytes);
}

/* Cut anywhere: what is whole before the cut is there, nothing else. */
static void
truncated_at_every_byte(void **state)
{
	struct sl_buf bytes = SL_BUF_INIT;
	size_t last = 0, boundaries = 0;

	(void)state;
	fill(&bytes);
	for (size_t n = 0; n < bytes.n; n++) {
		struct sl_table *other = sl_table_new(1000, 1024 * 1024);
		int rc = sl_table_load(other, T0 + 1000, (struct sl_str){ bytes.p, n });

		assert_true(rc == 0 || rc == SL_ERR_CORRUPT);
		assert_in_range(sl_table_count(other), last, last + 1);
		last = sl_table_count(other);
		boundaries += rc == 0;
		if (last > 0)
			has_in(other, 1000, "empty", "");
		sl_table_free(other);
	}
	assert_int_equal(last, 4);
	assert_int_equal(boundaries, 5);
	sl_buf_clear(&bytes);
}

static void
one_byte_wrong(void **state)
{
	struct sl_buf bytes = SL_BUF_INIT;

	(void)state;
	fill(&bytes);
	for (size_t i = 0; i < bytes.n; i++) {
		struct sl_table *other = sl_table_new(1000, 1024 * 1024);

		bytes.p[i] ^= 0x20;
		assert_int_equal(sl_table_load(other, T0 + 1000, sl_buf_str(&bytes)), SL_ERR_CORRUPT);
		assert_in_range(sl_table_count(other), 0, 4);
		bytes.p[i] ^= 0x20;
		sl_table_free(other);
	}
	sl_buf_clear(&bytes);
}

/* The n-th allocation fails, for every n: an error or success, and nothing half done. */
static void
memory_ends(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 20; n++) {
		struct sl_state_request r = { .command = SL_STATE_STORE, .key = SL_STR("key"),
			.value = SL_STR("value") };
		struct sl_state_reply reply;
		int rc;

		put(0, SL_STATE_DELETE, "key", "", 0);
		sl_alloc_fail_at(n, 1);
		rc = sl_table_apply(table, T0, &r, &reply);
		sl_alloc_fail_at(0, 0);
		assert_true(rc == 0 || rc == SL_ERR_NOMEM);
		assert_int_equal(reply.ok, rc == 0);
		has(0, "key", rc == 0 ? "value" : NULL);
	}
}

static void
what_is_permitted(void **state)
{
	static const struct {
		struct sl_state_request r;
		bool ok;
	} cases[] = {
		{ { .command = SL_STATE_FETCH, .key = { "", SL_STATE_MAX_KEY } }, true },
		{ { .command = SL_STATE_FETCH, .key = { "", SL_STATE_MAX_KEY + 1 } }, false },
		{ { .command = SL_STATE_STORE, .value = { "", SL_STATE_MAX_VALUE } }, true },
		{ { .command = SL_STATE_STORE, .value = { "", SL_STATE_MAX_VALUE + 1 } }, false },
		{ { .command = SL_STATE_ADD, .ms = SL_STATE_MAX_MS }, true },
		{ { .command = SL_STATE_ADD, .ms = SL_STATE_MAX_MS + 1 }, false },
		{ { .command = SL_STATE_ADD, .ms = -1 }, false },
		{ { .command = SL_STATE_RATE, .number = -1 }, false },
		{ { .command = SL_STATE_INC, .number = INT64_MIN }, true },
		{ { .command = 0 }, false },
		{ { .command = SL_STATE_COMMANDS }, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(sl_state_permits(&cases[i].r), cases[i].ok);
}

#define T(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_rate_is_kept), T(the_window_slides), T(never_over_the_limit), T(a_clock_set_back),
		T(values), T(times_to_live), T(counting), T(counting_keeps_the_time),
		T(kinds_are_apart), T(the_oldest_give_way), T(what_expired_goes_first),
		T(bytes_have_a_cap), T(there_and_back), T(loaded_much_later),
		T(truncated_at_every_byte), T(one_byte_wrong), T(memory_ends),
		T(what_is_permitted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
