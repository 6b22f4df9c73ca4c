/* Canonicalisation: every way of cutting, linear time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../base/alloc.h"
#include "canon.h"

static void
to_buf(void *arg, const void *p, size_t n)
{
	sl_buf_put(arg, p, n);
}

static void
body_in_pieces(struct sl_buf *out, enum sl_canon canon, struct sl_str in, size_t piece)
{
	struct sl_canon_body c;
	uint64_t total;

	sl_buf_reset(out);
	sl_canon_body_init(&c, canon, SL_CANON_ALL, to_buf, out);
	for (size_t i = 0; i < in.n; i += piece)
		sl_canon_body_update(&c, in.p + i, in.n - i < piece ? in.n - i : piece);
	total = sl_canon_body_final(&c);
	assert_int_equal(total, out->n);
	sl_buf_put(out, "", 0);
}

/* ---- A23: named bodies ------------------------------------------------- */

static const struct {
	const char *name, *in, *simple, *relaxed;
} bodies[] = {
	{ "empty", "", "\r\n", "" },
	{ "one line end", "\r\n", "\r\n", "" },
	{ "no final line end", "a", "a\r\n", "a\r\n" },
	{ "trailing lines", "a\r\n\r\n\r\n", "a\r\n", "a\r\n" },
	{ "blanks only", " \t ", " \t \r\n", "" },
	{ "lines of blanks", "a\r\n \r\n\t\r\n", "a\r\n \r\n\t\r\n", "a\r\n" },
	{ "lines of blanks inside", "a\r\n \r\nb", "a\r\n \r\nb\r\n", "a\r\n\r\nb\r\n" },
	{ "leading lines", "\r\n\r\na\r\n", "\r\n\r\na\r\n", "\r\n\r\na\r\n" },
	{ "blanks in and after", "a \t b \t\r\n c", "a \t b \t\r\n c\r\n", "a b\r\n c\r\n" },
	{ "blanks at the very end", "a\r\nb  ", "a\r\nb  \r\n", "a\r\nb\r\n" },
	{ "CR alone", "a\rb\r\n", "a\rb\r\n", "a\rb\r\n" },
	{ "CR CR LF", "a\r\r\n", "a\r\r\n", "a\r\r\n" },
	{ "CR at the end", "a\r\n\r", "a\r\n\r\r\n", "a\r\n\r\r\n" },
	{ "blank before CR alone", "a \rb", "a \rb\r\n", "a \rb\r\n" },
	{ "LF alone is text", "a \nb\n", "a \nb\n\r\n", "a \nb\n\r\n" },
	{ "long words", "aaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbb  c\r\n",
	    "aaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbb  c\r\n", "aaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbb c\r\n" },
};

static void
test_bodies(void **state)
{
	struct sl_buf out = SL_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct sl_str in = sl_str_of(bodies[i].in);

		for (size_t piece = 1; piece <= in.n + 1; piece++) {
			body_in_pieces(&out, SL_CANON_SIMPLE, in, piece);
			if (!sl_str_eq(sl_buf_str(&out), sl_str_of(bodies[i].simple)))
				fail_msg("%s, simple, pieces of %zu: \"%s\"", bodies[i].name, piece, out.p);
			body_in_pieces(&out, SL_CANON_RELAXED, in, piece);
			if (!sl_str_eq(sl_buf_str(&out), sl_str_of(bodies[i].relaxed)))
				fail_msg("%s, relaxed, pieces of %zu: \"%s\"", bodies[i].name, piece, out.p);
		}
	}
	sl_buf_clear(&out);
}

/*
 * The same rules once more in the plainest form, byte by byte over the whole
 * body, as something to compare with.
 */
static void
plain_relaxed(struct sl_buf *out, struct sl_str in)
{
	struct sl_str line;

	sl_buf_reset(out);
	while (in.n > 0) {
		ssize_t end = sl_str_find(in, SL_STR("\r\n"));
		bool blank = false;

		line = end < 0 ? in : sl_str_sub(in, 0, (size_t)end);
		in = end < 0 ? (struct sl_str){ "", 0 } : sl_str_sub(in, (size_t)end + 2, in.n);
		for (size_t i = 0; i < line.n; i++) {
			if (line.p[i] == ' ' || line.p[i] == '\t') {
				blank = true;
				continue;
			}
			if (blank)
				sl_buf_putc(out, ' ');
			blank = false;
			sl_buf_putc(out, line.p[i]);
		}
		sl_buf_puts(out, "\r\n");
	}
	while (out->n >= 4 && memcmp(out->p + out->n - 4, "\r\n\r\n", 4) == 0)
		out->n -= 2;
	if (out->n == 2 && memcmp(out->p, "\r\n", 2) == 0)
		out->n = 0;
}

static void
test_random_bodies(void **state)
{
	static const char letters[] = "\r\n\r\n  \tabcdefgh\x8a\xa0";
	struct sl_buf want = SL_BUF_INIT, out = SL_BUF_INIT;
	char in[96];
	uint32_t seed = 12345;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)round % sizeof(in);

		for (size_t i = 0; i < n; i++) {
			seed = seed * 1664525 + 1013904223;
			in[i] = letters[(seed >> 16) % (sizeof(letters) - 1)];
		}
		plain_relaxed(&want, (struct sl_str){ in, n });
		for (size_t piece = 1; piece < 100; piece = piece * 2 + 1) {
			body_in_pieces(&out, SL_CANON_RELAXED, (struct sl_str){ in, n }, piece);
			if (!sl_str_eq(sl_buf_str(&out), sl_buf_str(&want)))
				fail_msg("round %d, pieces of %zu", round, piece);
		}
	}
	sl_buf_clear(&want);
	sl_buf_clear(&out);
}

static void
test_limit(void **state)
{
	struct sl_canon_body c;
	struct sl_buf out = SL_BUF_INIT;

	(void)state;
	for (uint64_t limit = 0; limit < 12; limit++) {
		sl_buf_reset(&out);
		sl_canon_body_init(&c, SL_CANON_SIMPLE, limit, to_buf, &out);
		sl_canon_body_update(&c, "abcd\r\nef", 8);
		assert_int_equal(sl_canon_body_final(&c), 10);
		assert_int_equal(out.n, limit < 10 ? limit : 10);
		assert_memory_equal(out.n ? out.p : "", "abcd\r\nef\r\n", out.n);
	}
	sl_buf_clear(&out);
}

static void
count_only(void *arg, const void *p, size_t n)
{
	(void)p;
	*(uint64_t *)arg += n;
}

static double
seconds_for(const char *unit, size_t bytes, enum sl_canon canon)
{
	struct sl_canon_body c;
	struct timespec from, to;
	uint64_t seen = 0;
	size_t n = strlen(unit);
	char *in = sl_malloc(bytes);

	assert_non_null(in);
	for (size_t i = 0; i < bytes; i++)
		in[i] = unit[i % n];
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	sl_canon_body_init(&c, canon, SL_CANON_ALL, count_only, &seen);
	sl_canon_body_update(&c, in, bytes);
	sl_canon_body_final(&c);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	sl_free(in);
	return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

/* 16 times the bytes may take 16 times as long, with room for a noisy machine; not 256. */
static void
test_linear(void **state)
{
	static const char *const units[] = { " ", "\t", "\r\n", " \r\n", "a", "a ", "\ta", "\r", "\n",
		" \r" };

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		double small = seconds_for(units[i], 1 << 18, SL_CANON_RELAXED);
		double large = seconds_for(units[i], 1 << 22, SL_CANON_RELAXED);

		if (large > small * 100 + 0.05)
			fail_msg("unit %zu: %.4f s for 256 KB, %.4f s for 4 MB", i, small, large);
	}
}

/* ---- header ------------------------------------------------------------ */

static void
test_signature_field(void **state)
{
	static const struct {
		const char *raw, *simple, *relaxed;
	} cases[] = {
		{ "DKIM-Signature: v=1; b=abc==; bh=x\r\n", "DKIM-Signature: v=1; b=; bh=x",
		    "dkim-signature:v=1; b=; bh=x" },
		{ "DKIM-Signature: bh=x;\r\n\tb = ab\r\n\t c\r\n", "DKIM-Signature: bh=x;\r\n\tb =",
		    "dkim-signature:bh=x; b =" },
		{ "DKIM-Signature:b= x ;v=1\r\n", "DKIM-Signature:b=;v=1", "dkim-signature:b=;v=1" },
		{ "DKIM-Signature: bb=1; ab=2; b=\r\n", "DKIM-Signature: bb=1; ab=2; b=",
		    "dkim-signature:bb=1; ab=2; b=" },
		{ "DKIM-Signature: v=1;b=x; \r\n", "DKIM-Signature: v=1;b=; ",
		    "dkim-signature:v=1;b=;" },
		{ "DKIM-Signature: B=1;\r\n b=x", "DKIM-Signature: B=1;\r\n b=",
		    "dkim-signature:B=1; b=" },
	};
	struct sl_buf out = SL_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sl_buf_reset(&out);
		assert_int_equal(sl_canon_signature(&out, SL_CANON_SIMPLE, sl_str_of(cases[i].raw)), 0);
		assert_string_equal(out.p, cases[i].simple);
		sl_buf_reset(&out);
		assert_int_equal(sl_canon_signature(&out, SL_CANON_RELAXED, sl_str_of(cases[i].raw)), 0);
		assert_string_equal(out.p, cases[i].relaxed);
	}
	sl_buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies), cmocka_unit_test(test_random_bodies),
		cmocka_unit_test(test_limit), cmocka_unit_test(test_linear),
		cmocka_unit_test(test_signature_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
