/* Script errors that repeat: told once, then once a minute with their count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../base/alloc.h"
#include "repeat.h"

struct harness {
	struct sl_loop *loop;
	struct sl_events events;
	struct sl_event_sink sink;
	struct sl_repeats *repeats;
	struct sl_buf told;
};

static void
write_event(struct sl_event_sink *sink, const struct sl_event *event)
{
	struct harness *h = sl_list_entry(sink, struct harness, sink);

	sl_event_format_text(&h->told, event, false);
	sl_buf_putc(&h->told, '\n');
}

static int
setup(void **state)
{
	struct harness *h = sl_calloc(1, sizeof(*h));
	struct sl_err err;

	h->loop = sl_loop_new(&err);
	sl_events_init(&h->events);
	h->sink.write = write_event;
	h->sink.level = SL_ERROR;
	sl_events_add(&h->events, &h->sink);
	h->repeats = sl_repeats_new(h->loop, &h->events, 100);
	*state = h;
	return 0;
}

static int
teardown(void **state)
{
	struct harness *h = *state;

	sl_repeats_free(h->repeats);
	sl_loop_free(h->loop);
	sl_buf_clear(&h->told);
	sl_free(h);
	return 0;
}

static void
tell(struct harness *h, const char *error, const char *id)
{
	sl_repeats_tell(h->repeats, &(struct sl_repeated){ .event = "script_error", .id = id,
	    .phase = "data", .error = error, .source = "x.y()", .stack = "in f" });
}

static unsigned
lines(const struct harness *h)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < h->told.n; i++)
		n += h->told.p[i] == '\n';
	return n;
}

/* The first of a kind at once, another kind too; the rest as a number, at the latest at the end. */
static void
test_counted(void **state)
{
	struct harness *h = *state;
	int i;

	tell(h, "data.lua:1: a", "id0");
	assert_int_equal(lines(h), 1);
	assert_non_null(strstr(h->told.p, "id=id0 phase=data error=\"data.lua:1: a\" source=x.y() stack=\"in f\""));
	for (i = 0; i < 1000; i++)
		tell(h, "data.lua:1: a", "id1");
	tell(h, "data.lua:2: b", "id2");
	assert_int_equal(lines(h), 2);
	sl_repeats_free(h->repeats);
	h->repeats = NULL;
	assert_int_equal(lines(h), 3);
	assert_non_null(strstr(h->told.p, "id=id1 phase=data error=\"data.lua:1: a\" repeated=1000"));
}

/* Once in a period; what has not come again in one is new. */
static void
test_told_again(void **state)
{
	struct harness *h = *state;
	int64_t until;

	tell(h, "data.lua:1: a", "id0");
	tell(h, "data.lua:1: a", "id1");
	while (lines(h) < 2)
		sl_loop_step(h->loop, 1000);
	assert_non_null(strstr(h->told.p, "id=id1 phase=data error=\"data.lua:1: a\" repeated=1"));
	for (until = sl_loop_now(h->loop) + 300; sl_loop_now(h->loop) < until;)
		sl_loop_step(h->loop, 20);
	tell(h, "data.lua:1: a", "id2");
	assert_int_equal(lines(h), 3);
	assert_non_null(strstr(h->told.p, "id=id2"));
}

/* Errors made of what clients send are no way to fill the memory. */
static void
test_kinds_are_bounded(void **state)
{
	struct harness *h = *state;
	char error[32];
	int i;

	for (i = 0; i < 2000; i++) {
		snprintf(error, sizeof(error), "error %d", i % 1000);
		tell(h, error, "id");
	}
	assert_int_equal(lines(h), 1000 + 1000 - 256);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_told_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kinds_are_bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
