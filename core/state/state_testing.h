/* What the tests of both ends share: a loop, a server in a process of its own, events counted. */
#ifndef SL_STATE_TESTING_H
#define SL_STATE_TESTING_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../base/alloc.h"
#include "server.h"
#include "state.h"

static struct sl_loop *loop;
static struct sl_events events;
static char folder[64];

/* ---- events --------------------------------------------------------------------- */

static char names[32][40];
static unsigned nnames;

static void
note(struct sl_event_sink *sink, const struct sl_event *e)
{
	(void)sink;
	if (nnames < 32)
		snprintf(names[nnames++], sizeof(names[0]), "%s", e->name);
}

static unsigned
seen(const char *name)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nnames; i++)
		n += strcmp(names[i], name) == 0;
	return n;
}

static struct sl_event_sink sink = { .level = SL_DEBUG, .write = note };

/* ---- life --------------------------------------------------------------------------- */

static int
setup(void **state)
{
	(void)state;
	loop = sl_loop_new(NULL);
	sl_events_init(&events);
	sl_events_add(&events, &sink);
	nnames = 0;
	strcpy(folder, "/tmp/sl-state-XXXXXX");
	return loop == NULL || mkdtemp(folder) == NULL;
}

static int
teardown(void **state)
{
	static const char *const files[] = { "state", "state.new", "state.bad" };
	char path[100];

	(void)state;
	sl_loop_free(loop);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		unlink(path);
	}
	return rmdir(folder);
}

/* Steps until the condition holds; the time only bounds a failure. */
#define wait_until(condition) do {						\
	int64_t end_ = sl_clock_us() + 20000000;				\
	while (!(condition) && sl_clock_us() < end_)				\
		sl_loop_step(loop, 10);						\
	assert_true(condition);							\
} while (0)

static void
pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
}

/* ---- asking ------------------------------------------------------------------------- */

static struct sl_state_op *
ask(struct sl_state *s, enum sl_state_command command, const char *key, const char *value,
    int64_t number, int64_t ms)
{
	struct sl_state_request r = { .command = command, .key = sl_str_of(key),
		.value = sl_str_of(value), .number = number, .ms = ms };

	return sl_state_ask(s, &r);
}

/* Asks and waits; the operation is done, and the caller's. */
static struct sl_state_op *
answer(struct sl_state *s, enum sl_state_command command, const char *key, const char *value)
{
	struct sl_state_op *op = ask(s, command, key, value, 1, 0);

	assert_non_null(op);
	sl_op_block(&op->op);
	return op;
}

static void
store(struct sl_state *s, const char *key, const char *value)
{
	struct sl_state_op *op = answer(s, SL_STATE_STORE, key, value);

	assert_int_equal(op->op.status, 0);
	assert_true(op->ok);
	sl_op_release(&op->op);
}

/* value NULL = there is none. */
static void
fetched(struct sl_state *s, const char *key, const char *value)
{
	struct sl_state_op *op = answer(s, SL_STATE_FETCH, key, "");

	assert_int_equal(op->op.status, 0);
	assert_int_equal(op->ok, value != NULL);
	if (value != NULL)
		assert_true(sl_str_eq(sl_buf_str(&op->value), sl_str_of(value)));
	sl_op_release(&op->op);
}

#endif
