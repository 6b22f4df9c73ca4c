/* The end of data over all chunkings: A01, A02. */
#include "dot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "../base/bytes.h"

static void
collect(void *arg, const char *p, size_t n)
{
	sl_buf_put(arg, p, n);
}

struct result {
	struct sl_dot dot;
	struct sl_buf content;
	size_t used;
};

/* Fed in chunks of 'size'; or cut once at 'cut'. */
static struct result
feed(struct sl_str in, size_t size, size_t cut, bool fix)
{
	struct result r = { .dot = { .fix = fix } };
	size_t n;

	while (r.used < in.n && !r.dot.done) {
		n = in.n - r.used;
		if (size != 0 && n > size)
			n = size;
		if (size == 0 && r.used < cut)
			n = cut - r.used;
		r.used += sl_dot_feed(&r.dot, in.p + r.used, n, collect, &r.content);
	}
	return r;
}

struct wanted {
	const char *name;
	struct sl_str in;
	bool done, bare;
	const char *content, *fixed;	/* content when not bare; content with fix */
	size_t left;			/* bytes after the end */
};

#define W(name, in, ...) { name, { in, sizeof(in) - 1 }, __VA_ARGS__ }

static const struct wanted cases[] = {
	W("empty message", ".\r\n", true, false, "", "", 0),
	W("one line", "a\r\n.\r\n", true, false, "a\r\n", "a\r\n", 0),
	W("pipelined after the end", "a\r\n.\r\nMAIL", true, false, "a\r\n", "a\r\n", 4),
	W("stuffed", "..\r\n...a\r\n.b\r\n.\r\n", true, false, ".\r\n..a\r\nb\r\n", ".\r\n..a\r\nb\r\n", 0),
	W("dots inside", "a.\r\nb..c\r\n.\r\n", true, false, "a.\r\nb..c\r\n", "a.\r\nb..c\r\n", 0),
	W("A01 LF . LF", "a\n.\nb\r\n.\r\n", true, true, NULL, "a\r\n.\r\nb\r\n", 0),
	W("A01 LF . CRLF", "a\n.\r\nb\r\n.\r\n", true, true, NULL, "a\r\n.\r\nb\r\n", 0),
	W("A01 CRLF . LF", "a\r\n.\nb\r\n.\r\n", true, true, NULL, "a\r\n\r\nb\r\n", 0),
	W("A01 CR . CR", "a\r.\rb\r\n.\r\n", true, true, NULL, "a\r\n.\r\nb\r\n", 0),
	W("A01 CRLF . CR", "a\r\n.\rb\r\n.\r\n", true, true, NULL, "a\r\n\r\nb\r\n", 0),
	W("A01 CR . CRLF", "a\r.\r\nb\r\n.\r\n", true, true, NULL, "a\r\n.\r\nb\r\n", 0),
	W("A01 CRLF NUL . CRLF", "a\r\n\0.\r\nb\r\n.\r\n", true, false, NULL, NULL, 0),
	W("A01 CRLF . NUL CRLF", "a\r\n.\0\r\nb\r\n.\r\n", true, false, NULL, NULL, 0),
	W("A01 CR CRLF . CR CRLF", "a\r\r\n.\r\r\nb\r\n.\r\n", true, true, NULL,
	    "a\r\n\r\n\r\n\r\nb\r\n", 0),
	W("A01 CRLF . CR alone", "a\r\n.\r", false, false, "a\r\n", "a\r\n", 0),
	W("A02 bare CR", "a\rb\r\n.\r\n", true, true, NULL, "a\r\nb\r\n", 0),
	W("A02 bare LF first", "\na\r\n.\r\n", true, true, NULL, "\r\na\r\n", 0),
	W("A02 CR CR LF", "a\r\r\n.\r\n", true, true, NULL, "a\r\n\r\n", 0),
	W("A02 bare LF then dot dot", "a\n..b\r\n.\r\n", true, true, NULL, "a\r\n..b\r\n", 0),
	W("no end", "a\r\nb", false, false, "a\r\nb", "a\r\nb", 0),
	W("no end, CR", "a\r", false, false, "a", "a", 0),
};

static void
check(const struct wanted *w, struct result r, bool fix)
{
	const char *want = fix ? w->fixed : w->content;

	if (r.dot.done != w->done || r.dot.bare != w->bare || w->in.n - r.used != w->left)
		fail_msg("%s: done %d bare %d left %zu", w->name, r.dot.done, r.dot.bare,
		    w->in.n - r.used);
	if (want != NULL && strcmp(r.content.p != NULL ? r.content.p : "", want) != 0)
		fail_msg("%s: content \"%s\"", w->name, r.content.p);
	sl_buf_clear(&r.content);
}

static void
a01_a02_all_chunkings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int fix = 0; fix < 2; fix++) {
			for (size_t size = 1; size <= cases[i].in.n; size++)
				check(&cases[i], feed(cases[i].in, size, 0, fix), fix);
			for (size_t cut = 1; cut < cases[i].in.n; cut++)
				check(&cases[i], feed(cases[i].in, 0, cut, fix), fix);
		}
	}
}

static json_t *
load(const char *name)
{
	const char *folder = getenv("SLUICE_VECTORS");
	json_t *root, *list;
	char path[512];

	snprintf(path, sizeof(path), "%s/smtp/%s", folder != NULL ? folder : "../shared/vectors",
	    name);
	root = json_load_file(path, JSON_ALLOW_NUL, NULL);
	if (root == NULL) {
		print_message("%s: not there, skipped\n", path);
		skip();
	}
	list = json_incref(json_object_get(root, "cases"));
	json_decref(root);
	return list;
}

static struct sl_str
text(const json_t *v)
{
	return (struct sl_str){ json_string_value(v), json_string_length(v) };
}

/* Theirs has LF line ends in the content. */
static bool
same_content(struct sl_buf *ours, struct sl_str theirs)
{
	struct sl_buf plain = SL_BUF_INIT;
	bool same;

	for (size_t i = 0; i < ours->n; i++) {
		if (ours->p[i] != '\r')
			sl_buf_putc(&plain, ours->p[i]);
	}
	same = sl_str_eq(sl_buf_str(&plain), theirs);
	sl_buf_clear(&plain);
	return same;
}

static void
vectors_of_others(void **state)
{
	json_t *list = load("chasquid-data-dot.json"), *c;
	size_t i, compared = 0;

	(void)state;
	json_array_foreach(list, i, c) {
		const char *error = json_string_value(json_object_get(c, "error"));
		struct result r = feed(text(json_object_get(c, "input")), 1, 0, false);
		bool ends = error == NULL || strcmp(error, "errMessageTooLarge") == 0;
		const char *id = json_string_value(json_object_get(c, "id"));

		if (error != NULL && strcmp(error, "errInvalidLineEnding") == 0) {
			if (!r.dot.bare)
				fail_msg("%s: bare not seen", id);
		} else if (r.dot.done != ends || r.dot.bare) {
			fail_msg("%s: done %d bare %d", id, r.dot.done, r.dot.bare);
		}
		if (error == NULL && !same_content(&r.content, text(json_object_get(c, "content"))))
			fail_msg("%s: content \"%s\"", id, r.content.p);
		compared++;
		sl_buf_clear(&r.content);
	}
	assert_true(compared >= 20);
	json_decref(list);
}

static void
a01_smuggling_sequences(void **state)
{
	json_t *list = load("smuggling-end-of-data.json"), *c;
	size_t i;

	(void)state;
	json_array_foreach(list, i, c) {
		struct sl_str sequence = text(json_object_get(c, "sequence"));
		struct sl_buf in = SL_BUF_INIT;

		sl_buf_puts(&in, "Subject: x\r\n\r\nbody");
		sl_buf_putstr(&in, sequence);
		sl_buf_puts(&in, "MAIL FROM:<a@b>\r\n");
		for (size_t size = 1; size <= in.n; size++) {
			struct result r = feed(sl_buf_str(&in), size, 0, size % 2);

			assert_false(r.dot.done);
			assert_int_equal(r.used, in.n);
			sl_buf_clear(&r.content);
		}
		sl_buf_clear(&in);
	}
	json_decref(list);
}

/* Content that was stuffed comes back, whatever it is and however it is cut. */
static void
random_round_trip(void **state)
{
	static const char alphabet[] = ".\r\na";

	(void)state;
	srand(11);
	for (int round = 0; round < 20000; round++) {
		struct sl_buf content = SL_BUF_INIT, wire = SL_BUF_INIT;
		bool start = true;
		struct result r;

		for (int n = rand() % 12; n > 0; n--) {
			char c = alphabet[rand() % 4];

			if (c == '\n' || c == '\r') {
				sl_buf_puts(&content, "\r\n");
				sl_buf_puts(&wire, "\r\n");
				start = true;
				continue;
			}
			if (start && c == '.')
				sl_buf_putc(&wire, '.');
			sl_buf_putc(&content, c);
			sl_buf_putc(&wire, c);
			start = false;
		}
		if (!start) {
			sl_buf_puts(&content, "\r\n");
			sl_buf_puts(&wire, "\r\n");
		}
		sl_buf_puts(&wire, ".\r\nnext");
		r = feed(sl_buf_str(&wire), 1 + (size_t)rand() % 4, 0, round % 2);
		assert_true(r.dot.done && !r.dot.bare);
		assert_int_equal(wire.n - r.used, 4);
		assert_true(sl_str_eq(sl_buf_str(&r.content), sl_buf_str(&content)));
		sl_buf_clear(&r.content);
		sl_buf_clear(&content);
		sl_buf_clear(&wire);
	}
}

static void
count_bytes(void *arg, const char *p, size_t n)
{
	(void)p;
	*(size_t *)arg += n;
}

/* Chunks of nothing but CR, or of dots, take time in proportion. */
static void
linear_time(void **state)
{
	static const char *const patterns[] = { "\r", ".", "\r\n..", "a\r", "\n", "x" };
	size_t size = 1024 * 1024, got = 0;
	char *p = malloc(size);
	clock_t begin = clock();

	(void)state;
	for (size_t k = 0; k < sizeof(patterns) / sizeof(patterns[0]); k++) {
		struct sl_dot d = { .fix = true };

		for (size_t i = 0; i < size; i++)
			p[i] = patterns[k][i % strlen(patterns[k])];
		assert_int_equal(sl_dot_feed(&d, p, size, count_bytes, &got), size);
	}
	assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 2.0);
	free(p);
}

static void
longest_line(void **state)
{
	struct result r = feed(SL_STR("ab\r\nabcde\r\nc\r\n.\r\n"), 2, 0, false);

	(void)state;
	assert_int_equal(r.dot.longest, 5);
	sl_buf_clear(&r.content);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a01_a02_all_chunkings), cmocka_unit_test(vectors_of_others),
		cmocka_unit_test(a01_smuggling_sequences), cmocka_unit_test(random_round_trip),
		cmocka_unit_test(linear_time), cmocka_unit_test(longest_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
