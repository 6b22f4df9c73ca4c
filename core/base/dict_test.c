/* The hash table: order, removal while walking, growth, memory running out. */
#include "dict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "err.h"

static struct sl_str
name_of(char *buf, size_t size, int i)
{
	snprintf(buf, size, "key-%d", i);
	return sl_str_of(buf);
}

static void
keeps_order(void **state)
{
	struct sl_dict *map = sl_dict_new();
	struct sl_str key;
	char buf[32];
	void *value, *old;
	size_t i, next = 0;

	(void)state;
	for (int k = 0; k < 5000; k++)
		assert_int_equal(sl_dict_set(map, name_of(buf, sizeof(buf), k),
		    (void *)(intptr_t)(k + 1), &old), 0);
	assert_int_equal(sl_dict_count(map), 5000);
	for (i = 0; sl_dict_each(map, &i, &key, &value); next++) {
		assert_int_equal((intptr_t)value, next + 1);
		if (next % 2 == 0)
			assert_ptr_equal(sl_dict_remove(map, key), value);
	}
	assert_int_equal(next, 5000);
	assert_int_equal(sl_dict_count(map), 2500);
	assert_null(sl_dict_get(map, SL_STR("key-0")));
	assert_int_equal((intptr_t)sl_dict_get(map, SL_STR("key-4999")), 5000);
	sl_dict_set(map, SL_STR("key-1"), map, &old);
	assert_int_equal((intptr_t)old, 2);
	assert_ptr_equal(sl_dict_get(map, SL_STR("key-1")), map);
	sl_dict_free(map, NULL);
}

static void
odd_keys(void **state)
{
	struct sl_dict *map = sl_dict_new();

	(void)state;
	assert_false(sl_dict_has(map, SL_STR("")));
	sl_dict_set(map, SL_STR(""), map, NULL);
	sl_dict_set(map, SL_STR("a\0b"), NULL, NULL);
	assert_true(sl_dict_has(map, SL_STR("")));
	assert_true(sl_dict_has(map, SL_STR("a\0b")));
	assert_false(sl_dict_has(map, SL_STR("a\0c")));
	assert_null(sl_dict_remove(map, SL_STR("none")));
	sl_dict_free(map, NULL);
	sl_dict_free(NULL, NULL);
}

/* Coming and going for ever needs no more room than what is there. */
static void
churns(void **state)
{
	struct sl_dict *map = sl_dict_new();
	char buf[32];

	(void)state;
	for (int i = 0; i < 100000; i++) {
		assert_int_equal(sl_dict_set(map, name_of(buf, sizeof(buf), i), map, NULL), 0);
		if (i >= 10)
			assert_ptr_equal(sl_dict_remove(map, name_of(buf, sizeof(buf), i - 10)), map);
	}
	assert_int_equal(sl_dict_count(map), 10);
	sl_dict_free(map, NULL);
}

/* A walk through a map that changes: what stays comes once, in order. */
static void
walks_while_it_changes(void **state)
{
	struct sl_dict *map = sl_dict_new();
	struct sl_str key;
	uint64_t at = 0;
	char buf[32];
	int i, seen = 0;

	(void)state;
	for (i = 0; i < 1000; i++)
		assert_int_equal(sl_dict_set(map, name_of(buf, sizeof(buf), i), map, NULL), 0);
	for (i = 0; sl_dict_after(map, &at, &key, NULL); i++) {
		assert_true(sl_str_eq(key, name_of(buf, sizeof(buf), seen)));
		sl_dict_remove(map, name_of(buf, sizeof(buf), seen));
		if (seen < 500)		/* the next one, too; and holes are closed now and then */
			sl_dict_remove(map, name_of(buf, sizeof(buf), seen + 1));
		seen += seen < 500 ? 2 : 1;
		if (i < 300)
			assert_int_equal(sl_dict_set(map, name_of(buf, sizeof(buf), 1000 + i), map,
			    NULL), 0);
	}
	assert_int_equal(seen, 1300);
	assert_int_equal(sl_dict_count(map), 0);
	assert_false(sl_dict_after(map, &at, &key, NULL));
	sl_dict_free(map, NULL);
}

static void
out_of_memory(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 12; n++) {
		struct sl_dict *map = sl_dict_new();
		char buf[32];
		int good = 0;

		sl_alloc_fail_at(n, 1);
		for (int i = 0; i < 9; i++)
			good += sl_dict_set(map, name_of(buf, sizeof(buf), i), map, NULL) == 0;
		sl_alloc_fail_at(0, 0);
		assert_int_equal(sl_dict_count(map), good);
		assert_true(good < 9);
		sl_dict_free(map, NULL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_order), cmocka_unit_test(odd_keys),
		cmocka_unit_test(churns), cmocka_unit_test(walks_while_it_changes), cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
