/*
 * The loop: epoll, a timer heap, a ready list, deferred frees, and the clock.
 * One per thread. Everything that waits, waits here; a host program can wait
 * on sl_loop_fd() alone (an epoll descriptor that holds our timerfd too).
 *
 * Watches, timers and tasks are embedded in their owner's struct and are
 * stopped before it is freed; stopping one that isn't running is fine, also
 * from inside any callback.
 */
#ifndef SL_NET_LOOP_H
#define SL_NET_LOOP_H

#include "../base/bytes.h"
#include "../base/err.h"
#include "../base/list.h"

struct sl_loop;

struct sl_loop	*sl_loop_new(struct sl_err *err);
void		 sl_loop_free(struct sl_loop *loop);
int		 sl_loop_fd(const struct sl_loop *loop);

/* Waits up to timeout_ms (-1 = for ever, 0 = not at all), dispatches once. */
int		 sl_loop_step(struct sl_loop *loop, int timeout_ms);
/* Steps until sl_loop_stop. */
int		 sl_loop_run(struct sl_loop *loop);
void		 sl_loop_stop(struct sl_loop *loop);

/*
 * The clock. now: monotonic milliseconds, read once per step (deadlines).
 * time_us: wall clock in microseconds since 1970, what scripts, signatures
 * and the queue see; sl_loop_set_time fixes it for tests, traces and replays
 * (0 = back to the system's clock); sl_loop_set_clock takes it from a function
 * (NULL = the same).
 */
int64_t		 sl_loop_now(const struct sl_loop *loop);
int64_t		 sl_loop_time_us(const struct sl_loop *loop);
void		 sl_loop_set_time(struct sl_loop *loop, int64_t time_us);
void		 sl_loop_set_clock(struct sl_loop *loop, int64_t (*fn)(void *arg), void *arg);
int64_t		 sl_clock_us(void);	/* monotonic, for measuring */
int64_t		 sl_loop_clock_us(const struct sl_loop *loop);	/* the same, with what a simulation left out */
/*
 * For tests and traces: where a step would wait for a timer, time moves on to it
 * instead, and the time of day with it. While somebody holds the loop (a
 * thread works for it) it waits as ever.
 */
void		 sl_loop_simulate(struct sl_loop *loop);
void		 sl_loop_hold(struct sl_loop *loop);
void		 sl_loop_unhold(struct sl_loop *loop);

/* Where this loop's operations are measured (op_times.h): the host's memory,
 * until it is taken away with NULL. */
struct sl_op_times;
void		 sl_loop_measure(struct sl_loop *loop, struct sl_op_times *times);
struct sl_op_times *sl_loop_times(const struct sl_loop *loop);

#define SL_READ		1u
#define SL_WRITE	2u
#define SL_HANGUP	4u	/* reported, never asked for */

struct sl_watch {
	struct sl_loop *loop;		/* NULL = not running */
	int fd;
	unsigned events;
	void (*fn)(struct sl_watch *watch, unsigned events);
	struct sl_list pending;		/* private */
	unsigned ready;			/* private */
};

/* Level triggered. 'fd' stays the caller's. Starting a running one changes its events. */
int		 sl_watch_start(struct sl_loop *loop, struct sl_watch *watch, int fd,
		    unsigned events, void (*fn)(struct sl_watch *, unsigned));
void		 sl_watch_stop(struct sl_watch *watch);

struct sl_timer {
	struct sl_loop *loop;		/* NULL = not running */
	int64_t at;			/* sl_loop_now() when it fires */
	size_t heap;			/* private */
	void (*fn)(struct sl_timer *timer);
};

/* Fires once, 'ms' from now (from the real time now, not the step's start). */
int		 sl_timer_start(struct sl_loop *loop, struct sl_timer *timer, int64_t ms,
		    void (*fn)(struct sl_timer *));
void		 sl_timer_stop(struct sl_timer *timer);

/* The ready list: 'fn' runs once, from the top of the loop, in posting order. */
struct sl_task {
	struct sl_list link;		/* private */
	struct sl_loop *loop;		/* NULL = not posted */
	void (*fn)(struct sl_task *task);
};

void		 sl_task_post(struct sl_loop *loop, struct sl_task *task, void (*fn)(struct sl_task *));
void		 sl_task_cancel(struct sl_task *task);

/*
 * A host whose own loop watches each descriptor and one timer for us, and steps us
 * (timeout 0) when one of them is ready: the descriptors and readiness stay ours.
 * watch: SL_READ | SL_WRITE, 0 = no more. timer: step in so many ms, once; it
 * replaces the one before; -1 = none. To be set before anything is watched.
 */
struct sl_loop_host {
	void (*watch)(void *arg, int fd, unsigned events);
	void (*timer)(void *arg, int64_t ms);
	void *arg;
};
void		 sl_loop_set_host(struct sl_loop *loop, const struct sl_loop_host *host);	/* copied */

/* Calls fn(p) when no callback of this step is on the stack any more. */
int		 sl_loop_defer(struct sl_loop *loop, void (*fn)(void *), void *p);

/*
 * What ends without an owner (a connection that writes its last bytes, say)
 * is freed by sl_loop_free if it is still there. The node is embedded; its
 * owner takes it out with sl_list_remove when it ends by itself.
 */
struct sl_orphan {
	struct sl_list link;
	void (*fn)(struct sl_orphan *orphan);
};

void		 sl_loop_adopt(struct sl_loop *loop, struct sl_orphan *orphan,
		    void (*fn)(struct sl_orphan *));

/* Called at the end of every step (event flush, group commit). Each 'arg' has
 * its own function (16 at most); NULL fn removes that of 'arg'. */
void		 sl_loop_on_turn(struct sl_loop *loop, void (*fn)(void *), void *arg);

#endif
