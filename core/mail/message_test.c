/* Messages, heads, edits, unfolding, encoded words. */
#include "message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct sl_message *
message_n(const char *text, size_t n)
{
	struct sl_message *m;
	struct sl_err err;
	char *copy = sl_malloc(n);

	memcpy(copy, text, n);
	assert_int_equal(sl_message_from_memory(&m, copy, n, &err), 0);
	return m;
}

static struct sl_message *
message(const char *text)
{
	return message_n(text, strlen(text));
}

static void
assert_str(struct sl_str s, const char *want)
{
	if (!sl_str_eq(s, sl_str_of(want)))
		fail_msg("got \"%.*s\", wanted \"%s\"", (int)s.n, s.p, want);
}

/* Fields as "name=value|", then "/" and the body, "!" for a missing boundary. */
static void
describe(struct sl_buf *out, const struct sl_message *m)
{
	for (size_t i = 0; i < m->nfields; i++) {
		assert_int_equal(m->fields[i].origin, i);
		sl_buf_putstr(out, m->fields[i].name);
		sl_buf_puts(out, "=");
		sl_buf_putstr(out, m->fields[i].value);
		sl_buf_puts(out, "|");
	}
	sl_buf_puts(out, m->defect_no_boundary ? "!" : "/");
	sl_buf_putstr(out, m->body);
}

static const struct {
	const char *name, *text, *want;
} indexed[] = {
	{ "plain", "A: 1\r\nB:2\r\n\r\nbody\r\n", "A= 1|B=2|/body\r\n" },
	{ "fold", "A: 1\r\n 2\r\n\t3\r\nB:\r\n\r\nx", "A= 1\r\n 2\r\n\t3|B=|/x" },
	{ "no body", "A: 1\r\n", "A= 1|/" },
	{ "no body, empty line", "A: 1\r\n\r\n", "A= 1|/" },
	{ "empty", "", "/" },
	{ "only the empty line", "\r\n", "/" },
	{ "no header", "\r\nA: 1\r\n", "/A: 1\r\n" },
	{ "cut off in a field", "A: 1", "A= 1|/" },
	{ "blanks before the colon", "From \t: a\r\n\r\n", "From= a|/" },
	{ "A10 fold before the colon", "From\r\n : a@b\r\nTo: c\r\n\r\nx", "!From\r\n : a@b\r\nTo: c\r\n\r\nx" },
	{ "A10 From with leading space", " From: a\r\nTo: b\r\n\r\n", "! From: a\r\nTo: b\r\n\r\n" },
	{ "A12 no colon", "A: 1\r\nno colon\r\nB: 2\r\n\r\nx", "A= 1|!no colon\r\nB: 2\r\n\r\nx" },
	{ "A12 boundary of blanks", "A: 1\r\n  \r\nB: 2\r\n\r\nx", "A= 1\r\n  |B= 2|/x" },
	{ "A12 missing empty line", "A: 1\r\nHello world.\r\n", "A= 1|!Hello world.\r\n" },
	{ "empty name", ": 1\r\n\r\n", "!: 1\r\n\r\n" },
	{ "space in the name", "A B: 1\r\n\r\n", "!A B: 1\r\n\r\n" },
	{ "8-bit in the name", "\xc3\xa4: 1\r\n\r\n", "!\xc3\xa4: 1\r\n\r\n" },
	{ "bare LF ends no line", "A: 1\nB: 2\r\n\r\n\n.\n", "A= 1\nB: 2|/\n.\n" },
	{ "bare CR ends no line", "A: 1\rB: 2\r\n\r\n", "A= 1\rB: 2|/" },
	{ "mbox line", "From a@b Mon\r\nA: 1\r\n\r\n", "!From a@b Mon\r\nA: 1\r\n\r\n" },
};

static void
index_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(indexed) / sizeof(indexed[0]); i++) {
		struct sl_message *m = message(indexed[i].text);
		struct sl_buf got = SL_BUF_INIT;

		describe(&got, m);
		if (strcmp(got.p, indexed[i].want) != 0)
			fail_msg("%s: %s", indexed[i].name, got.p);
		sl_buf_clear(&got);
		sl_message_unref(m);
	}
}

static void
index_nul(void **state)
{
	struct sl_message *m = message_n("A: 1\0 2\r\n\r\n\0", 12);

	(void)state;
	assert_int_equal(m->fields[0].value.n, 5);
	assert_int_equal(m->body.n, 1);
	sl_message_unref(m);
}

static void
properties(void **state)
{
	struct sl_message *m = message("A: 1\r\n\r\n12345\r\n123456789\r\n12\n\r\n");

	(void)state;
	assert_int_equal(m->longest_line, 9);
	assert_false(m->eightbit);
	sl_message_unref(m);
	m = message("A: 1\r\n\r\n123456789012345678901234567890\xe4");
	assert_true(m->eightbit);
	sl_message_unref(m);
}

static char *
repeat(const char *unit, size_t times, const char *tail, size_t *n)
{
	size_t u = strlen(unit), t = strlen(tail);
	char *p = sl_malloc(u * times + t);

	for (size_t i = 0; i < times; i++)
		memcpy(p + i * u, unit, u);
	memcpy(p + u * times, tail, t);
	*n = u * times + t;
	return p;
}

static const struct {
	const char *name, *unit;
	size_t times;
	const char *tail;
	int want;
} caps[] = {
	{ "A12 1000 fields", "A: 1\r\n", 1000, "\r\n", 0 },
	{ "A12 1001 fields", "A: 1\r\n", 1001, "\r\n", SL_ERR_LIMIT },
	{ "A12 100000 fields", "A: 1\r\n", 100000, "\r\n", SL_ERR_LIMIT },
	{ "A12 100000 folds", "A:\r\n 1\r\n", 1, "", 0 },
	{ "A12 a name of 10 MB", "AAAAAAAAAA", 1000000, ": 1\r\n\r\n", 0 },
	{ "A12 a value of 10 MB", "A: 11111111111111111", 500000, "\r\n\r\n", SL_ERR_LIMIT },
	{ "a body of 10 MB", "\r\nbody body", 1000000, "", 0 },
	{ "10 MB of LF", "\n\n\n\n\n\n\n\n\n\n", 1000000, "", 0 },
};

static void
cap_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		struct sl_message *m;
		struct sl_err err;
		size_t n;
		char *p = repeat(caps[i].unit, caps[i].times, caps[i].tail, &n);
		int r = sl_message_from_memory(&m, p, n, &err);

		if (r != caps[i].want)
			fail_msg("%s: %d", caps[i].name, r);
		sl_message_unref(m);
	}
}

static void
folds_100000(void **state)
{
	struct sl_buf b = SL_BUF_INIT, out = SL_BUF_INIT;
	struct sl_message *m;
	struct sl_err err;
	char *p;
	size_t n;

	(void)state;
	sl_buf_puts(&b, "Subject: x");
	for (int i = 0; i < 100000; i++)
		sl_buf_puts(&b, "\r\n a");
	sl_buf_puts(&b, "\r\n\r\n");
	p = sl_buf_take(&b, &n);
	assert_int_equal(sl_message_from_memory(&m, p, n, &err), 0);
	assert_int_equal(m->nfields, 1);
	assert_int_equal(sl_field_decode(&out, m->fields[0].value), 0);
	assert_int_equal(out.n, 1 + 200000);
	sl_buf_clear(&out);
	sl_message_unref(m);
}

static void
from_file(void **state)
{
	static const char text[] = "A: 1\r\n\r\nbody";
	char path[] = "/tmp/sluice-message-XXXXXX";
	int fd = mkstemp(path);
	struct sl_message *m;
	struct sl_err err;

	(void)state;
	unlink(path);
	assert_int_equal(sl_message_from_file(&m, fd, &err), 0);
	assert_int_equal(m->bytes.n + m->nfields, 0);
	sl_message_unref(m);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	assert_int_equal(sl_message_from_file(&m, fd, &err), 0);
	close(fd);
	assert_str(m->body, "body");
	sl_message_unref(sl_message_ref(m));
	sl_message_unref(m);
	assert_int_equal(sl_message_from_file(&m, -1, &err), SL_ERR_IO);
	assert_null(m);
}

static int
to_buf(void *arg, struct sl_str piece)
{
	return sl_buf_putstr(arg, piece);
}

static void
assert_written(const struct sl_message *m, const struct sl_head *head, const char *want)
{
	struct sl_buf out = SL_BUF_INIT;

	assert_int_equal(sl_message_write(m, head, to_buf, &out), 0);
	assert_string_equal(out.p, want);
	assert_int_equal(out.n, sl_message_size(m, head));
	sl_buf_clear(&out);
}

static void
head_edits(void **state)
{
	struct sl_message *m = message("A: 1\r\nB: 2\r\na: 3\r\n\r\nbody");
	struct sl_arena *arena = sl_arena_new(0);
	struct sl_head *h = sl_head_new(m, arena), *copy;
	struct sl_err err;

	(void)state;
	assert_written(m, h, "A: 1\r\nB: 2\r\na: 3\r\n\r\nbody");
	assert_int_equal(sl_head_find(h, SL_STR("a"), 0), 0);
	assert_int_equal(sl_head_find(h, SL_STR("A"), 1), 2);
	assert_int_equal(sl_head_find(h, SL_STR("A"), 3), -1);
	assert_int_equal(sl_head_insert(h, 0, SL_STR("X"), SL_STR("top"), false, &err), 0);
	copy = sl_head_copy(h);
	assert_true(sl_head_equal(h, copy));
	assert_int_equal(sl_head_insert(h, 4, SL_STR("Y"), SL_STR("end"), false, &err), 0);
	assert_int_equal(sl_head_replace(h, 2, SL_STR("new"), false, &err), 0);
	assert_int_equal(sl_head_remove(h, 1), 0);
	assert_false(sl_head_equal(h, copy));
	assert_written(m, h, "X: top\r\nB: new\r\na: 3\r\nY: end\r\n\r\nbody");
	assert_written(m, copy, "X: top\r\nA: 1\r\nB: 2\r\na: 3\r\n\r\nbody");
	assert_int_equal(sl_head_at(h, 0)->origin, -1);
	assert_int_equal(sl_head_at(h, 2)->origin, 2);
	assert_str(sl_head_at(h, 1)->value, " new");
	assert_null(sl_head_at(h, 4));
	assert_int_equal(sl_head_remove(h, 4), SL_ERR_INVAL);
	assert_int_equal(sl_head_insert(h, 5, SL_STR("X"), SL_STR(""), false, &err), SL_ERR_INVAL);
	sl_head_free(copy);
	sl_head_free(h);
	sl_message_unref(m);
	sl_arena_free(arena);
}

static void
equal_by_content(void **state)
{
	struct sl_message *m = message("A: 1\r\n\r\n");
	struct sl_arena *arena = sl_arena_new(0);
	struct sl_head *a = sl_head_new(m, arena), *b = sl_head_new(m, arena);
	struct sl_err err;

	(void)state;
	assert_int_equal(sl_head_insert(a, 1, SL_STR("B"), SL_STR("2"), false, &err), 0);
	assert_false(sl_head_equal(a, b));
	assert_int_equal(sl_head_insert(b, 1, SL_STR("B"), SL_STR("2"), false, &err), 0);
	assert_true(sl_head_equal(a, b));
	sl_head_free(a);
	sl_head_free(b);
	sl_message_unref(m);
	sl_arena_free(arena);
}

/* "want" NULL: refused. */
static const struct {
	const char *title, *name, *value;
	bool refold;
	const char *want;
} edits[] = {
	{ "plain", "X", "v", false, "X: v\r\n" },
	{ "empty", "X", "", false, "X:\r\n" },
	{ "own blank", "X", " v", false, "X: v\r\n" },
	{ "fold CRLF", "X", "a\r\n b", false, "X: a\r\n b\r\n" },
	{ "fold LF", "X", "a\n\tb", false, "X: a\r\n\tb\r\n" },
	{ "begins with a fold", "X", "\r\n a", false, "X:\r\n a\r\n" },
	{ "UTF-8", "X", "\xc3\xa4", false, "X: \xc3\xa4\r\n" },
	{ "A15 CRLF", "X", "a\r\nBcc: b", false, NULL },
	{ "A15 LF", "X", "a\nBcc: b", false, NULL },
	{ "A15 CR", "X", "a\rb", false, NULL },
	{ "A15 CR blank", "X", "a\r b", false, NULL },
	{ "A15 final LF", "X", "a\n", false, NULL },
	{ "A15 empty line", "X", "a\r\n\r\nbody", false, NULL },
	{ "A12 line of blanks", "X", "a\r\n \r\n b", false, NULL },
	{ "A12 ends in a line of blanks", "X", "a\r\n  ", false, NULL },
	{ "A15 name with a colon", "X:", "a", false, NULL },
	{ "A15 name with LF", "X\n", "a", false, NULL },
	{ "A15 name with a space", "X Y", "a", false, NULL },
	{ "A15 no name", "", "a", false, NULL },
	{ "8-bit name", "\xc3\xa4", "a", false, NULL },
	{ "refold short", "X", "a b c", true, "X: a b c\r\n" },
	{ "refold", "Subject",
	    "aaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbb cccccccccccccccccccccc dddddddddddd eee",
	    true, "Subject: aaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbb cccccccccccccccccccccc\r\n"
	    " dddddddddddd eee\r\n" },
	{ "refold of folds", "X", "a\r\n b\n c", true, "X: a b c\r\n" },
	{ "refold without a place", "X",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b",
	    true, "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaa\r\n b\r\n" },
	{ "refold keeps trailing blanks", "X",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa    ", true,
	    "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa    \r\n" },
};

static void
edit_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct sl_message *m = message("\r\n");
		struct sl_arena *arena = sl_arena_new(0);
		struct sl_head *h = sl_head_new(m, arena);
		struct sl_err err;
		int r = sl_head_insert(h, 0, sl_str_of(edits[i].name), sl_str_of(edits[i].value),
		    edits[i].refold, &err);

		if ((r == 0) != (edits[i].want != NULL))
			fail_msg("%s: %d", edits[i].title, r);
		if (r == 0)
			assert_str(sl_head_at(h, 0)->raw, edits[i].want);
		else
			assert_int_equal(r, SL_ERR_SYNTAX);
		sl_head_free(h);
		sl_message_unref(m);
		sl_arena_free(arena);
	}
}

static void
edit_limits(void **state)
{
	struct sl_message *m = message("\r\n");
	struct sl_arena *arena = sl_arena_new(0);
	struct sl_head *h = sl_head_new(m, arena);
	struct sl_err err;
	size_t n;
	char *big = repeat("a", 64 * 1024 + 1, "", &n);
	int r = 0, count = 0;

	(void)state;
	assert_int_equal(sl_head_insert(h, 0, SL_STR("X"), SL_STR("a\0b"), false, &err), SL_ERR_SYNTAX);
	assert_int_equal(sl_head_insert(h, 0, SL_STR("X"), (struct sl_str){ big, n }, false, &err),
	    SL_ERR_SYNTAX);
	assert_int_equal(sl_head_insert(h, 0, SL_STR("X"), (struct sl_str){ big, n - 1 }, true, &err), 0);
	for (; r == 0 && count < 10000; count++)
		r = sl_head_insert(h, 0, SL_STR("X"), SL_STR("1"), false, &err);
	assert_int_equal(r, SL_ERR_LIMIT);
	sl_free(big);
	sl_head_free(h);
	sl_message_unref(m);
	sl_arena_free(arena);
}

static const struct {
	const char *value, *want;
} decoded[] = {
	{ " a\r\n b ", "a b" },
	{ " a\n\tb", "a\tb" },
	{ " a\nb", "a\nb" },
	{ "=?utf-8?q?=C3=A4?=", "\xc3\xa4" },
	{ "=?UTF-8?B?w6Q=?=", "\xc3\xa4" },
	{ "=?UTF-8?B?w6Q?=", "\xc3\xa4" },
	{ "=?iso-8859-1?q?=E4?=", "\xc3\xa4" },
	{ "=?iso-8859-15?q?=A4?=", "\xe2\x82\xac" },
	{ "=?windows-1252?q?=80=99?=", "\xe2\x82\xac\xe2\x84\xa2" },
	{ "=?koi8-r?q?=C1?=", "\xd0\xb0" },
	{ "=?iso-2022-jp?B?GyRCJCIbKEI=?=", "\xe3\x81\x82" },
	{ "=?us-ascii*en?q?a_b?=", "a b" },
	{ "x =?utf-8?q?a?= =?utf-8?q?b?= y", "x ab y" },
	{ "=?utf-8?q?a?= c =?utf-8?q?b?=", "a c b" },
	{ "=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "\xc3\xa4" },
	{ "=?utf-8?q?=C3?= a", "=?utf-8?q?=C3?= a" },
	{ "=?utf-8?q?a?= =?nocharset?q?b?=", "a =?nocharset?q?b?=" },
	{ "=?nocharset?q?b?= =?utf-8?q?a?=", "=?nocharset?q?b?= a" },
	{ "=?utf-8?q?=4?= =?utf-8?q?a?=", "=?utf-8?q?=4?= a" },
	{ "=?utf-8?q?a?= =?utf-8?q?=4?=", "a =?utf-8?q?=4?=" },
	{ "=?../../x?q?a?=", "=?../../x?q?a?=" },
	{ "=?utf-8//TRANSLIT?q?a?=", "=?utf-8//TRANSLIT?q?a?=" },
	{ "=?utf-8?x?a?=", "=?utf-8?x?a?=" },
	{ "=?utf-8?q?a", "=?utf-8?q?a" },
	{ "=?utf-8?b?!!!?=", "=?utf-8?b?!!!?=" },
	{ "=?=?=?utf-8?q?a?=", "=?=?a" },
	{ "raw \xc3\xa4 and \xff", "raw \xc3\xa4 and \xff" },
	{ "=?us-ascii?q?=E4?=", "=?us-ascii?q?=E4?=" },
	{ "", "" },
};

static void
decode_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(decoded) / sizeof(decoded[0]); i++) {
		struct sl_buf out = SL_BUF_INIT;

		assert_int_equal(sl_field_decode(&out, sl_str_of(decoded[i].value)), 0);
		assert_str(sl_buf_str(&out), decoded[i].want);
		sl_buf_clear(&out);
	}
}

/* Work grows with the input only: these would take minutes if it were squared. */
static void
decode_linear(void **state)
{
	static const char *const units[] = { "=?", "=?a?q?", "=?utf-8?q?a?= ", "=?utf-8?q?=C3?= ",
	    "=?x?q?b?= ", "\r\n ", "=?utf-8?b?" };

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		struct sl_buf out = SL_BUF_INIT;
		size_t n;
		char *p = repeat(units[i], 200000, "", &n);

		assert_int_equal(sl_field_decode(&out, (struct sl_str){ p, n }), 0);
		sl_buf_clear(&out);
		sl_free(p);
	}
}

/* Every allocation in turn fails: an error, nothing lost, nothing left. */
static void
out_of_memory(void **state)
{
	static const char text[] = "A: =?utf-8?q?a?=\r\n\r\nx";
	bool failed = true;

	(void)state;
	for (unsigned long i = 1; failed; i++) {
		struct sl_message *m;
		struct sl_head *h = NULL;
		struct sl_buf out = SL_BUF_INIT;
		struct sl_err err;
		char *copy = sl_strdup(text);
		struct sl_arena *arena = sl_arena_new(0);

		sl_alloc_fail_at(i, 0);
		failed = sl_message_from_memory(&m, copy, strlen(text), &err) < 0 ||
		    (h = sl_head_new(m, arena)) == NULL ||
		    sl_head_insert(h, 0, SL_STR("B"), SL_STR("2"), false, &err) < 0 ||
		    sl_field_decode(&out, sl_head_at(h, 1)->value) < 0;
		sl_alloc_fail_at(0, 0);
		if (!failed)
			assert_str(sl_buf_str(&out), "a");
		sl_buf_clear(&out);
		sl_head_free(h);
		sl_message_unref(m);
		sl_arena_free(arena);
		assert_true(i < 100);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(index_cases),
		cmocka_unit_test(index_nul),
		cmocka_unit_test(properties),
		cmocka_unit_test(cap_cases),
		cmocka_unit_test(folds_100000),
		cmocka_unit_test(from_file),
		cmocka_unit_test(head_edits),
		cmocka_unit_test(equal_by_content),
		cmocka_unit_test(edit_cases),
		cmocka_unit_test(edit_limits),
		cmocka_unit_test(decode_cases),
		cmocka_unit_test(decode_linear),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
