/* Errors, memory, bytes and codecs. */
#include "bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "err.h"

static void
err_text(void **state)
{
	struct sl_err err;

	(void)state;
	assert_int_equal(sl_err_set(&err, SL_ERR_SYNTAX, "bad \033[2J%s", "a\r\nb"), SL_ERR_SYNTAX);
	assert_string_equal(err.text, "bad ?[2Ja??b");
	errno = ENOENT;
	assert_int_equal(sl_err_errno(&err, "open %s", "x"), SL_ERR_IO);
	assert_string_equal(err.text, "open x: No such file or directory");
	sl_err_prefix(&err, "mx%d", 1);
	assert_string_equal(err.text, "mx1: open x: No such file or directory");
	assert_string_equal(sl_err_word(SL_ERR_TIMEOUT), "timeout");
	assert_string_equal(sl_err_word(-99), "unknown");
	assert_int_equal(sl_err_set(NULL, SL_ERR_IO, "x"), SL_ERR_IO);
}

static void
err_long(void **state)
{
	char big[2000];
	struct sl_err err;

	(void)state;
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	sl_err_set(&err, SL_ERR_IO, "%s", big);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	sl_err_prefix(&err, "p");
	assert_int_equal(strncmp(err.text, "p: aaa", 6), 0);
}

static void
alloc_fails(void **state)
{
	void *p;

	(void)state;
	sl_alloc_fail_at(2, 0);
	p = sl_malloc(1);
	assert_non_null(p);
	assert_null(sl_strdup("x"));
	sl_free(p);
	p = sl_malloc(0);
	assert_non_null(p);
	sl_free(p);
	sl_alloc_fail_at(1, 1);
	assert_null(sl_malloc(1));
	assert_null(sl_calloc(1, 1));
	sl_alloc_fail_at(0, 0);
	assert_null(sl_calloc(SIZE_MAX / 2, 4));
}

static void
arena_limits(void **state)
{
	struct sl_arena *arena = sl_arena_new(10000);
	char *a, *b, *c;

	(void)state;
	a = sl_arena_alloc(arena, 1);
	b = sl_arena_alloc(arena, 5000);
	c = sl_arena_strndup(arena, "hello", 5);
	assert_int_equal((uintptr_t)a % 16 + (uintptr_t)b % 16 + (uintptr_t)c % 16, 0);
	memset(b, 1, 5000);
	assert_string_equal(c, "hello");
	assert_null(sl_arena_alloc(arena, 5000));
	assert_null(sl_arena_alloc(arena, SIZE_MAX));
	sl_arena_free(arena);
}

static void
views(void **state)
{
	struct sl_str s = SL_STR("a,b,,c"), part;
	char joined[32] = "";
	int n = 0;

	(void)state;
	while (sl_str_split(&s, ',', &part)) {
		strncat(joined, part.p, part.n);
		strcat(joined, "|");
		n++;
	}
	assert_int_equal(n, 4);
	assert_string_equal(joined, "a|b||c|");
	assert_true(sl_str_eq(sl_str_trim(SL_STR(" \r\nx y\t")), SL_STR("x y")));
	assert_int_equal(sl_str_find(SL_STR("abcabd"), SL_STR("abd")), 3);
	assert_int_equal(sl_str_find(SL_STR("abc"), SL_STR("")), 0);
	assert_int_equal(sl_str_find((struct sl_str){ NULL, 0 }, SL_STR("a")), -1);
	assert_true(sl_str_iends(SL_STR("x.EXAMPLE"), SL_STR(".example")));
	assert_false(sl_str_starts(SL_STR("a"), SL_STR("ab")));
	assert_true(sl_str_cmp(SL_STR("a"), SL_STR("ab")) < 0);
	assert_true(sl_str_cmp(SL_STR("\xff"), SL_STR("a")) > 0);
	assert_int_equal(sl_str_sub(SL_STR("abc"), 2, 1).n, 0);
	assert_int_equal(sl_str_sub(SL_STR("abc"), 1, 99).n, 2);
}

static void
numbers(void **state)
{
	uint64_t v;

	(void)state;
	assert_true(sl_str_u64(SL_STR("18446744073709551615"), &v));
	assert_true(v == UINT64_MAX);
	assert_false(sl_str_u64(SL_STR("18446744073709551616"), &v));
	assert_false(sl_str_u64(SL_STR(""), &v));
	assert_false(sl_str_u64(SL_STR("-1"), &v));
	assert_false(sl_str_u64(SL_STR("1 "), &v));
}

static void
utf8(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
		{ "", true }, { "plain", true }, { "\xc3\xa9", true }, { "\xe2\x82\xac", true },
		{ "\xf0\x9f\x98\x80", true }, { "\xf4\x8f\xbf\xbf", true }, { "\xc0\x80", false },
		{ "\xc1\xbf", false }, { "\xe0\x80\x80", false }, { "\xed\xa0\x80", false },
		{ "\xf4\x90\x80\x80", false }, { "\xf0\x8f\xbf\xbf", false }, { "\xc3", false },
		{ "\xe2\x82", false }, { "\x80", false }, { "\xff", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(sl_utf8_valid(sl_str_of(cases[i].text)), cases[i].valid);
}

static void
buffers(void **state)
{
	struct sl_buf b = SL_BUF_INIT;
	size_t n = 99;
	char *p;

	(void)state;
	assert_int_equal(sl_buf_str(&b).n, 0);
	p = sl_buf_take(&b, &n);
	assert_string_equal(p, "");
	assert_int_equal(n, 0);
	sl_free(p);
	for (int i = 0; i < 1000; i++)
		sl_buf_printf(&b, "%d,", i);
	assert_int_equal(b.n, 3890);
	assert_int_equal(b.p[b.n], '\0');
	sl_buf_drop(&b, 3886);
	assert_string_equal(b.p, "999,");
	sl_buf_reset(&b);
	assert_int_equal(b.n, 0);
	b.limit = 4;
	assert_int_equal(sl_buf_puts(&b, "abcd"), 0);
	assert_int_equal(sl_buf_putc(&b, 'e'), SL_ERR_LIMIT);
	assert_true(b.failed);
	assert_string_equal(b.p, "abcd");
	assert_null(sl_buf_take(&b, NULL));
	b.limit = 0;
	sl_alloc_fail_at(1, 0);
	assert_int_equal(sl_buf_puts(&b, "x"), SL_ERR_NOMEM);
	assert_int_equal(sl_buf_puts(&b, "x"), SL_ERR_NOMEM);
	sl_buf_clear(&b);
}

static void
base64(void **state)
{
	static const struct {
		const char *plain, *coded;
	} good[] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
	};
	static const char *const bad[] = {
		"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Z=g=", "=", "====", "Zm9v!", "Zm 9v",
		"Zg==Zg==", "Zm9v\n",
	};
	struct sl_buf b = SL_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		sl_buf_reset(&b);
		assert_int_equal(sl_base64_encode(&b, sl_str_of(good[i].plain)), 0);
		assert_string_equal(b.p, good[i].coded);
		sl_buf_reset(&b);
		assert_int_equal(sl_base64_decode(&b, sl_str_of(good[i].coded), false), 0);
		assert_string_equal(b.p, good[i].plain);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		sl_buf_reset(&b);
		sl_buf_puts(&b, "kept");
		assert_int_equal(sl_base64_decode(&b, sl_str_of(bad[i]), false), SL_ERR_SYNTAX);
		assert_string_equal(b.p, "kept");
	}
	sl_buf_reset(&b);
	assert_int_equal(sl_base64_decode(&b, SL_STR("Zm\r\n 9v Yg =="), true), 0);
	assert_string_equal(b.p, "foob");
	sl_buf_clear(&b);
}

static void
hex_and_crc(void **state)
{
	struct sl_buf b = SL_BUF_INIT;
	char zeros[32] = { 0 };
	uint32_t split;

	(void)state;
	sl_hex_encode(&b, SL_STR("\x01\xab\xff"));
	assert_string_equal(b.p, "01abff");
	sl_buf_reset(&b);
	assert_int_equal(sl_hex_decode(&b, SL_STR("6A6b")), 0);
	assert_string_equal(b.p, "jk");
	assert_int_equal(sl_hex_decode(&b, SL_STR("6")), SL_ERR_SYNTAX);
	assert_int_equal(sl_hex_decode(&b, SL_STR("6g")), SL_ERR_SYNTAX);
	assert_string_equal(b.p, "jk");
	sl_buf_clear(&b);
	/* RFC 3720 B.4 */
	assert_int_equal(sl_crc32c(0, zeros, 32), 0x8a9136aau);
	assert_int_equal(sl_crc32c(0, "123456789", 9), 0xe3069283u);
	split = sl_crc32c(0, "1234", 4);
	assert_int_equal(sl_crc32c(split, "56789", 5), 0xe3069283u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_text), cmocka_unit_test(err_long),
		cmocka_unit_test(alloc_fails), cmocka_unit_test(arena_limits),
		cmocka_unit_test(views), cmocka_unit_test(numbers), cmocka_unit_test(utf8),
		cmocka_unit_test(buffers), cmocka_unit_test(base64), cmocka_unit_test(hex_and_crc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
