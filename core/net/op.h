/*
 * An operation: anything that something waits for (DNS, HTTP, disk, timer,
 * state, connection). The one kind of waiting: scripts wait with sl_await
 * (core/engine), C state machines with sl_op_wait.
 *
 * A concrete operation embeds struct sl_op as its first member and is made
 * by the module's start function, e.g. sl_dns_query(). It may be done when
 * start returns (cache hit). Its owner is whoever started it: exactly one
 * sl_op_release, at any time, which cancels what is still pending.
 *
 *   starter:  op = sl_dns_query(...); sl_op_wait(op, on_answer, me);
 *   module:   ... sl_op_finish(&q->op, 0);
 *   loop:     on_answer(op, me) from the ready list; sl_op_release(op)
 */
#ifndef SL_NET_OP_H
#define SL_NET_OP_H

#include "loop.h"

struct sl_op;

struct sl_op_class {
	const char *name;			/* "dns", "http": events and metrics */
	void (*cancel)(struct sl_op *op);	/* stop pending work; never calls finish */
	void (*free)(struct sl_op *op);		/* the memory; op is done or cancelled */
};

struct sl_op {
	const struct sl_op_class *class;
	struct sl_loop *loop;
	bool done;
	int status;			/* when done: 0 or SL_ERR_* */
	int64_t started_us, took_us;	/* sl_loop_clock_us() */
	void (*waiter)(struct sl_op *op, void *arg);
	void *arg;
	struct sl_timer deadline;
	struct sl_task task;
};

/* For modules: set up the embedded part. 'timeout_ms' 0 = no deadline; when
 * it passes, class->cancel is called and the operation is done with SL_ERR_TIMEOUT. */
int	 sl_op_init(struct sl_op *op, const struct sl_op_class *class, struct sl_loop *loop,
	    int64_t timeout_ms);
/* For modules: the answer is in place. Puts the waiter on the ready list; runs nothing. */
void	 sl_op_finish(struct sl_op *op, int status);

/* 'fn' is called once from the loop's ready list, also when the operation is done already. */
void	 sl_op_wait(struct sl_op *op, void (*fn)(struct sl_op *, void *), void *arg);
/* Cancels if pending, frees. A waiter that hasn't been called never will be. NULL is fine. */
void	 sl_op_release(struct sl_op *op);
/* Steps the loop until done (offline commands and tests only). Returns op->status. */
int	 sl_op_block(struct sl_op *op);

/* An operation that is done after 'ms'. NULL = out of memory. */
struct sl_op *sl_op_sleep(struct sl_loop *loop, int64_t ms);

/*
 * A thread for what blocks (file system, crypt(3)). Jobs run in order, one
 * at a time. 'work' runs on the thread and touches nothing but *arg.
 */
struct sl_thread;
struct sl_thread *sl_thread_new(struct sl_loop *loop, const char *name, struct sl_err *err);
void	 sl_thread_free(struct sl_thread *thread);	/* waits for jobs that were taken */
/* status = work's return. 'arg' stays the caller's; a job that already runs
 * can't be cancelled: release then waits for nothing. When an operation is
 * released before it is done, 'abandoned' (may be NULL) is called once, later
 * and on the loop, with arg: from then on nothing uses it any more. */
struct sl_op *sl_thread_run(struct sl_thread *thread, int (*work)(void *arg), void *arg,
	    void (*abandoned)(void *arg));

#endif
