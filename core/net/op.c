/* Operations: see op.h. Completion fills and posts, and never runs anything. */
#include "op.h"

#include <string.h>

#include "../base/alloc.h"
#include "op_times.h"

static void
deadline_passed(struct sl_timer *timer)
{
	struct sl_op *op = sl_list_entry(timer, struct sl_op, deadline);

	op->class->cancel(op);
	sl_op_finish(op, SL_ERR_TIMEOUT);
}

int
sl_op_init(struct sl_op *op, const struct sl_op_class *class, struct sl_loop *loop,
    int64_t timeout_ms)
{
	memset(op, 0, sizeof(*op));
	op->class = class;
	op->loop = loop;
	op->started_us = sl_loop_clock_us(loop);
	if (timeout_ms > 0)
		return sl_timer_start(loop, &op->deadline, timeout_ms, deadline_passed);
	return 0;
}

static void
call_waiter(struct sl_task *task)
{
	struct sl_op *op = sl_list_entry(task, struct sl_op, task);
	void (*waiter)(struct sl_op *, void *) = op->waiter;

	op->waiter = NULL;
	if (waiter != NULL)
		waiter(op, op->arg);
}

void
sl_op_finish(struct sl_op *op, int status)
{
	if (op->done)
		return;
	op->done = true;
	op->status = status;
	op->took_us = sl_loop_clock_us(op->loop) - op->started_us;
	sl_op_times_add(sl_loop_times(op->loop), op->class->name, op->took_us);
	sl_timer_stop(&op->deadline);
	if (op->waiter != NULL)
		sl_task_post(op->loop, &op->task, call_waiter);
}

void
sl_op_wait(struct sl_op *op, void (*fn)(struct sl_op *, void *), void *arg)
{
	op->waiter = fn;
	op->arg = arg;
	if (op->done)
		sl_task_post(op->loop, &op->task, call_waiter);
}

void
sl_op_release(struct sl_op *op)
{
	if (op == NULL)
		return;
	op->waiter = NULL;
	if (!op->done) {
		op->class->cancel(op);
		op->done = true;
		op->status = SL_ERR_CANCELED;
	}
	sl_timer_stop(&op->deadline);
	sl_task_cancel(&op->task);
	op->class->free(op);
}

int
sl_op_block(struct sl_op *op)
{
	int r;

	while (!op->done) {
		r = sl_loop_step(op->loop, -1);
		if (r < 0)
			return r;
	}
	return op->status;
}

struct sleep_op {
	struct sl_op op;
	struct sl_timer timer;
};

static void
sleep_over(struct sl_timer *timer)
{
	sl_op_finish(&sl_list_entry(timer, struct sleep_op, timer)->op, 0);
}

static void
sleep_cancel(struct sl_op *op)
{
	sl_timer_stop(&((struct sleep_op *)op)->timer);
}

static void
sleep_free(struct sl_op *op)
{
	sl_free(op);
}

static const struct sl_op_class sleep_class = { "sleep", sleep_cancel, sleep_free };

struct sl_op *
sl_op_sleep(struct sl_loop *loop, int64_t ms)
{
	struct sleep_op *s = sl_calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	if (sl_op_init(&s->op, &sleep_class, loop, 0) < 0 ||
	    sl_timer_start(loop, &s->timer, ms, sleep_over) < 0) {
		sl_free(s);
		return NULL;
	}
	return &s->op;
}
