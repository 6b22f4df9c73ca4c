/* The loop, operations, the thread. */
#include "loop.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "op.h"
#include "../base/alloc.h"

static struct sl_loop *loop;

static int
setup(void **state)
{
	(void)state;
	loop = sl_loop_new(NULL);
	return loop == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	sl_loop_free(loop);
	return 0;
}

struct pair {
	struct sl_watch a, b;
	int calls;
};

static void
stop_other(struct sl_watch *w, unsigned events)
{
	struct pair *p = w->fd % 2 == 0 ? sl_list_entry(w, struct pair, a)
	    : sl_list_entry(w, struct pair, b);

	(void)events;
	p->calls++;
	sl_watch_stop(&p->a);
	sl_watch_stop(&p->b);
}

/* Both are ready in the same step; the first stops both, the second must not be called. */
static void
stopped_in_same_step(void **state)
{
	struct pair p = { 0 };
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	if (fds[0] % 2 != 0) {
		int t = fds[0];

		fds[0] = fds[1];
		fds[1] = t;
	}
	assert_int_equal(sl_watch_start(loop, &p.a, fds[0], SL_WRITE, stop_other), 0);
	assert_int_equal(sl_watch_start(loop, &p.b, fds[1], SL_WRITE, stop_other), 0);
	sl_loop_step(loop, 1000);
	assert_int_equal(p.calls, 1);
	sl_loop_step(loop, 0);
	assert_int_equal(p.calls, 1);
	close(fds[0]);
	close(fds[1]);
}

static int fired[2000], order;

struct numbered {
	struct sl_timer timer;
	int number;
};

static void
note_timer(struct sl_timer *t)
{
	fired[order++] = sl_list_entry(t, struct numbered, timer)->number;
}

/* Random starts, stops and restarts; the rest fires in order of time. */
static void
timers_in_order(void **state)
{
	struct numbered *t = calloc(1000, sizeof(*t));
	int left = 0;

	(void)state;
	order = 0;
	srand(7);
	for (int i = 0; i < 1000; i++) {
		t[i].number = i;
		sl_timer_start(loop, &t[i].timer, rand() % 50, note_timer);
	}
	for (int i = 0; i < 1000; i++) {
		if (i % 3 == 0)
			sl_timer_stop(&t[i].timer);
		else if (i % 3 == 1)
			sl_timer_start(loop, &t[i].timer, rand() % 50, note_timer);
	}
	for (int i = 0; i < 1000; i++)
		left += t[i].timer.loop != NULL;
	while (order < left)
		assert_int_equal(sl_loop_step(loop, 1000), 0);
	for (int i = 1; i < order; i++)
		assert_true(t[fired[i - 1]].timer.at <= t[fired[i]].timer.at);
	free(t);
}

static void
rearm(struct sl_timer *t)
{
	order++;
	sl_timer_start(loop, t, 0, rearm);
}

static void
timer_rearms_itself(void **state)
{
	struct sl_timer t = { 0 };

	(void)state;
	order = 0;
	sl_timer_start(loop, &t, 0, rearm);
	for (int i = 0; i < 5; i++) {
		int before = order;

		sl_loop_step(loop, 1000);
		assert_true(order <= before + 1);
	}
	assert_true(order > 0);
	sl_timer_stop(&t);
}

static void
post_again(struct sl_task *task)
{
	order++;
	sl_task_post(loop, task, post_again);
}

static void
tasks_do_not_starve(void **state)
{
	struct sl_task busy = { 0 }, cancelled = { 0 };
	struct numbered t = { .number = 5 };

	(void)state;
	order = 0;
	sl_task_post(loop, &busy, post_again);
	sl_task_post(loop, &cancelled, post_again);
	sl_task_cancel(&cancelled);
	sl_loop_step(loop, -1);
	assert_true(order >= 1 && order < 10);
	sl_task_cancel(&busy);
	sl_timer_start(loop, &t.timer, 1, note_timer);
	order = 0;
	while (order == 0)
		sl_loop_step(loop, -1);
	assert_int_equal(fired[0], 5);
}

static void
count_defer(void *p)
{
	(*(int *)p)++;
}

static void
nothing(struct sl_task *task)
{
	(void)task;
}

/* A program that only polls sl_loop_fd() sees timers, tasks and deferred work. */
static void
one_descriptor(void **state)
{
	struct pollfd p = { .fd = sl_loop_fd(loop), .events = POLLIN };
	struct numbered t = { .number = 1 };
	struct sl_task task = { 0 };
	int count = 0;

	(void)state;
	assert_int_equal(poll(&p, 1, 0), 0);
	sl_task_post(loop, &task, nothing);
	assert_int_equal(poll(&p, 1, 1000), 1);
	sl_loop_step(loop, 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	sl_loop_defer(loop, count_defer, &count);
	assert_int_equal(count, 0);
	assert_int_equal(poll(&p, 1, 1000), 1);
	sl_loop_step(loop, 0);
	assert_int_equal(count, 1);
	order = 0;
	sl_timer_start(loop, &t.timer, 5, note_timer);
	while (order == 0) {
		assert_int_equal(poll(&p, 1, 2000), 1);
		sl_loop_step(loop, 0);
	}
	assert_int_equal(poll(&p, 1, 0), 0);
}

static void
clock_is_fixed(void **state)
{
	(void)state;
	sl_loop_set_time(loop, 1234567);
	assert_int_equal(sl_loop_time_us(loop), 1234567);
	sl_loop_set_time(loop, 0);
	assert_true(sl_loop_time_us(loop) > 1600000000000000);
}

static void
turns(void **state)
{
	int a = 0, b = 0;

	(void)state;
	sl_loop_on_turn(loop, count_defer, &a);
	sl_loop_on_turn(loop, count_defer, &b);
	sl_loop_step(loop, 0);
	sl_loop_on_turn(loop, NULL, &a);
	sl_loop_step(loop, 0);
	sl_loop_on_turn(loop, NULL, &b);
	sl_loop_on_turn(loop, NULL, &b);
	sl_loop_step(loop, 0);
	assert_int_equal(a, 1);
	assert_int_equal(b, 2);
}

static void
note_op(struct sl_op *op, void *arg)
{
	*(int *)arg = op->status + 100;
}

struct stuck {
	struct sl_op op;
	int cancels;
	int *frees;
};

static void
stuck_cancel(struct sl_op *op)
{
	((struct stuck *)op)->cancels++;
}

static void
stuck_free(struct sl_op *op)
{
	(*((struct stuck *)op)->frees)++;
	sl_free(op);
}

static const struct sl_op_class stuck_class = { "stuck", stuck_cancel, stuck_free };

static void
op_life(void **state)
{
	struct stuck *s = sl_calloc(1, sizeof(*s));
	int frees = 0, told = 0;

	(void)state;
	sl_op_init(&s->op, &stuck_class, loop, 5);
	s->frees = &frees;
	sl_op_wait(&s->op, note_op, &told);
	assert_int_equal(sl_op_block(&s->op), SL_ERR_TIMEOUT);
	assert_int_equal(s->cancels, 1);
	sl_op_finish(&s->op, 0);	/* a late answer changes nothing */
	sl_loop_step(loop, 0);
	assert_int_equal(told, 100 + SL_ERR_TIMEOUT);
	sl_op_release(&s->op);
	assert_int_equal(frees, 1);

	s = sl_calloc(1, sizeof(*s));
	sl_op_init(&s->op, &stuck_class, loop, 0);
	s->frees = &frees;
	told = 0;
	sl_op_finish(&s->op, 0);
	sl_op_wait(&s->op, note_op, &told);
	assert_int_equal(told, 0);		/* never inside the call */
	sl_op_release(&s->op);
	sl_loop_step(loop, 0);
	assert_int_equal(told, 0);		/* released: never told */
	assert_int_equal(frees, 2);
}

static void
op_sleeps(void **state)
{
	struct sl_op *op = sl_op_sleep(loop, 3);

	(void)state;
	assert_int_equal(sl_op_block(op), 0);
	assert_true(op->took_us >= 2000);
	sl_op_release(op);
	sl_op_release(sl_op_sleep(loop, 100000));
}

static int
append_job(void *arg)
{
	char *s = arg;

	strcat(s, "x");
	usleep(1000);
	return -5;
}

static void
note_abandoned(void *arg)
{
	strcat(arg, "!");
}

static void
thread_jobs(void **state)
{
	struct sl_thread *t = sl_thread_new(loop, "test", NULL);
	char text[64] = "", late[64] = "", queued[64] = "";
	struct sl_op *ops[20], *op;

	(void)state;
	for (int i = 0; i < 20; i++)
		ops[i] = sl_thread_run(t, append_job, text, NULL);
	assert_int_equal(sl_op_block(ops[19]), -5);
	assert_int_equal(strlen(text), 20);
	for (int i = 0; i < 20; i++) {
		assert_true(ops[i]->done);
		sl_op_release(ops[i]);
	}
	/* Released before the end: told once, on the loop, whether it ran or not. */
	op = sl_thread_run(t, append_job, late, note_abandoned);
	sl_op_release(op);
	op = sl_thread_run(t, append_job, queued, note_abandoned);
	sl_op_release(op);
	while (strchr(late, '!') == NULL || strchr(queued, '!') == NULL)
		sl_loop_step(loop, 1000);
	assert_true(strlen(late) <= 2);
	/* Freed with work at hand: the work is done first. */
	text[0] = '\0';
	op = sl_thread_run(t, append_job, text, NULL);
	sl_thread_free(t);
	assert_string_equal(text, "x");
	assert_true(op->done);
	sl_op_release(op);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(stopped_in_same_step), T(timers_in_order), T(timer_rearms_itself),
		T(tasks_do_not_starve), T(one_descriptor), T(clock_is_fixed), T(turns),
		T(op_life), T(op_sleeps), T(thread_jobs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
