/* Splices by chance: in order, none over another, whatever was replaced before. */
#include "body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZE	40

static void
check_list(const struct sl_body *b, size_t start)
{
	size_t at = start;

	for (size_t i = 0; i < b->n; i++) {
		assert_true(b->splice[i].from >= at && b->splice[i].to >= b->splice[i].from);
		at = b->splice[i].to;
	}
	assert_true(at <= SIZE);
}

/* Left to right: what stands between the splices, and their bytes. */
static void
check_bytes(struct sl_mail *mail, struct sl_body *b, size_t start)
{
	struct sl_dkim_bodies *hashes;
	const struct sl_message *m = sl_body_message(mail, b, &hashes);
	size_t at = start, n = 0;

	assert_non_null(m);
	for (size_t i = 0; i < b->n; at = b->splice[i++].to) {
		assert_memory_equal(m->body.p + n, mail->message->bytes.p + at, b->splice[i].from - at);
		n += b->splice[i].from - at;
		assert_memory_equal(m->body.p + n, b->splice[i].bytes.p, b->splice[i].bytes.n);
		n += b->splice[i].bytes.n;
	}
	assert_int_equal(m->body.n, n + SIZE - at);
	assert_ptr_equal(hashes, &b->hashes);
}

static void
by_chance(void **state)
{
	static const char text[] = "A: b\r\n\r\n0123456789abcdefghijklmnopqrstuv";
	struct sl_mail mail = { .message = NULL };
	size_t start = 8, refused = 0;

	(void)state;
	srand(7);
	assert_int_equal(sl_message_from_memory(&mail.message, sl_strdup(text), SIZE, NULL), 0);
	for (int round = 0; round < 3000; round++) {
		struct sl_body *b = NULL;

		mail.arena = sl_arena_new(0);
		for (int k = 0; k < 12; k++) {
			enum sl_splice_kind kind = (enum sl_splice_kind)(rand() % 5);
			size_t from = start + (size_t)rand() % (SIZE - start + 1);
			size_t to = kind <= SL_INSERT_FIRST ? from : from + (size_t)rand() % (SIZE - from + 1) / 2;
			char bytes[] = "<x>";

			bytes[1] = (char)('A' + k);
			int rc = sl_body_splice(mail.arena, b, from, to, sl_str_of(bytes), kind, &b);

			assert_true(rc == 0 || rc == SL_ERR_NOTFOUND);
			refused += rc != 0;
			if (b != NULL)
				check_list(b, start);
		}
		check_bytes(&mail, b, start);
		sl_arena_free(mail.arena);
	}
	assert_true(refused > 100);
	sl_message_unref(mail.message);
}

static void
equal_changes_are_equal(void **state)
{
	struct sl_arena *arena = sl_arena_new(0);
	struct sl_body *a, *b, *c;

	(void)state;
	assert_int_equal(sl_body_splice(arena, NULL, 1, 3, SL_STR("x"), SL_REPLACE, &a), 0);
	assert_int_equal(sl_body_splice(arena, NULL, 1, 3, SL_STR("x"), SL_REPLACE, &b), 0);
	assert_int_equal(sl_body_splice(arena, a, 5, 5, SL_STR("y"), SL_INSERT, &c), 0);
	assert_true(sl_body_equal(a, b) && sl_body_equal(NULL, NULL));
	assert_false(sl_body_equal(a, c) || sl_body_equal(a, NULL) || sl_body_equal(NULL, a));
	assert_int_equal(a->n, 1);		/* the old one is as it was */
	sl_arena_free(arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_chance),
		cmocka_unit_test(equal_changes_are_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
