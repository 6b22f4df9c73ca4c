/*
 * The loop: one epoll descriptor, timers in a binary heap, a ready list.
 *
 * A step waits, then calls watches, due timers and ready tasks, in this
 * order, then the end-of-turn functions, then the deferred frees. What was
 * reported by epoll is first put on a list of the watches themselves, so that
 * stopping one (from anywhere) takes it off; nothing keeps a bare pointer.
 *
 * The timerfd matters only to a host program that waits on sl_loop_fd()
 * instead of calling sl_loop_step(-1); it is kept up to date from the first
 * call of sl_loop_fd() on.
 */
#include "loop.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "../base/alloc.h"

#define EVENTS	256		/* taken from the kernel at once */
#define ROUNDS	4		/* of the ready list per step, so that sockets get their turn */
#define TURNS	16		/* end-of-turn functions */

struct deferred {
	struct deferred *next;
	void (*fn)(void *);
	void *p;
};

struct sl_loop {
	int epfd, timerfd;
	bool exported;			/* somebody waits on epfd from outside */
	bool stopped;
	unsigned depth;			/* steps on the stack */
	int64_t now;
	int64_t fixed_us;
	int64_t (*clock)(void *arg);	/* NULL = the system's */
	void *clock_arg;
	int64_t skipped;		/* ms that a simulation left out */
	bool simulated;
	unsigned held;
	int64_t armed;			/* what timerfd or the host's timer is set to, INT64_MAX = off */
	struct sl_loop_host host;	/* watch is NULL without one */
	struct sl_timer **heap;
	size_t timers, cap;
	struct sl_list pending;		/* watches with events to tell */
	struct sl_list ready;		/* tasks */
	size_t tasks;
	struct sl_op_times *times;
	struct deferred *deferred, **deferred_end;
	struct sl_list orphans;
	struct {
		void (*fn)(void *);
		void *arg;
	} turns[TURNS];
};

static int64_t
clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t
clock_ms(const struct sl_loop *loop)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000000 + loop->skipped;
}

int64_t
sl_clock_us(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000;
}

int64_t
sl_loop_clock_us(const struct sl_loop *loop)
{
	return sl_clock_us() + loop->skipped * 1000;
}

int64_t
sl_loop_now(const struct sl_loop *loop)
{
	return loop->now;
}

int64_t
sl_loop_time_us(const struct sl_loop *loop)
{
	if (loop->fixed_us != 0)
		return loop->fixed_us;
	return loop->clock != NULL ? loop->clock(loop->clock_arg) : clock_ns(CLOCK_REALTIME) / 1000 + loop->skipped * 1000;
}

void
sl_loop_set_clock(struct sl_loop *loop, int64_t (*fn)(void *arg), void *arg)
{
	loop->clock = fn;
	loop->clock_arg = arg;
}

void
sl_loop_measure(struct sl_loop *loop, struct sl_op_times *times)
{
	loop->times = times;
}

struct sl_op_times *
sl_loop_times(const struct sl_loop *loop)
{
	return loop->times;
}

void
sl_loop_set_time(struct sl_loop *loop, int64_t time_us)
{
	loop->fixed_us = time_us;
}

void
sl_loop_simulate(struct sl_loop *loop)
{
	loop->simulated = true;
}

void
sl_loop_hold(struct sl_loop *loop)
{
	loop->held++;
}

void
sl_loop_unhold(struct sl_loop *loop)
{
	loop->held--;
}

struct sl_loop *
sl_loop_new(struct sl_err *err)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
	struct sl_loop *loop = sl_calloc(1, sizeof(*loop));

	if (loop == NULL) {
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	sl_list_init(&loop->pending);
	sl_list_init(&loop->ready);
	sl_list_init(&loop->orphans);
	loop->deferred_end = &loop->deferred;
	loop->armed = INT64_MAX;
	loop->now = clock_ms(loop);
	loop->timerfd = -1;
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epfd >= 0)
		loop->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->timerfd < 0 ||
	    epoll_ctl(loop->epfd, EPOLL_CTL_ADD, loop->timerfd, &ev) < 0) {
		sl_err_errno(err, "event loop");
		sl_loop_free(loop);
		return NULL;
	}
	return loop;
}

static void
run_deferred(struct sl_loop *loop)
{
	struct deferred *d = loop->deferred, *next;

	loop->deferred = NULL;
	loop->deferred_end = &loop->deferred;
	for (; d != NULL; d = next) {
		next = d->next;
		d->fn(d->p);
		sl_free(d);
	}
}

void
sl_loop_free(struct sl_loop *loop)
{
	struct sl_list *node;

	if (loop == NULL)
		return;
	while ((node = sl_list_pop(&loop->orphans)) != NULL) {
		struct sl_orphan *o = sl_list_entry(node, struct sl_orphan, link);

		o->fn(o);
	}
	while (loop->deferred != NULL)
		run_deferred(loop);
	if (loop->timerfd >= 0)
		close(loop->timerfd);
	if (loop->epfd >= 0)
		close(loop->epfd);
	sl_free(loop->heap);
	sl_free(loop);
}

void
sl_loop_adopt(struct sl_loop *loop, struct sl_orphan *orphan, void (*fn)(struct sl_orphan *))
{
	orphan->fn = fn;
	sl_list_insert(&loop->orphans, &orphan->link);
}

/* Sets the timerfd to when the next step has something to do without any descriptor. */
static void
arm(struct sl_loop *loop)
{
	struct itimerspec its = { 0 };
	int64_t at = INT64_MAX, wait;

	if (!loop->exported || loop->depth > 0)
		return;
	if (loop->tasks > 0 || loop->deferred != NULL || !sl_list_empty(&loop->pending))
		at = 0;
	else if (loop->timers > 0)
		at = loop->heap[0]->at;
	if (at == loop->armed)
		return;
	loop->armed = at;
	if (loop->host.watch != NULL) {
		wait = at == INT64_MAX ? -1 : at - clock_ms(loop);
		loop->host.timer(loop->host.arg, at != INT64_MAX && wait < 0 ? 0 : wait);
		return;
	}
	if (at != INT64_MAX) {
		/* All zero would switch it off. */
		its.it_value.tv_sec = at / 1000;
		its.it_value.tv_nsec = at % 1000 * 1000000 + 1;
	}
	timerfd_settime(loop->timerfd, TFD_TIMER_ABSTIME, &its, NULL);
}

void
sl_loop_set_host(struct sl_loop *loop, const struct sl_loop_host *host)
{
	loop->host = *host;
	loop->exported = true;
	arm(loop);
}

int
sl_loop_fd(const struct sl_loop *loop)
{
	struct sl_loop *l = (struct sl_loop *)(uintptr_t)loop;

	l->exported = true;
	arm(l);
	return loop->epfd;
}

void
sl_loop_stop(struct sl_loop *loop)
{
	loop->stopped = true;
}

int
sl_loop_run(struct sl_loop *loop)
{
	int r = 0;

	while (!loop->stopped && r == 0)
		r = sl_loop_step(loop, -1);
	loop->stopped = false;
	return r;
}

/* Watches */

int
sl_watch_start(struct sl_loop *loop, struct sl_watch *w, int fd, unsigned events,
    void (*fn)(struct sl_watch *, unsigned))
{
	struct epoll_event ev = { .data.ptr = w };
	int op = EPOLL_CTL_MOD;

	if (w->loop != NULL && w->fd != fd)
		sl_watch_stop(w);
	w->fn = fn;
	if (w->loop != NULL && w->events == events)
		return 0;
	if (events & SL_READ)
		ev.events |= EPOLLIN;
	if (events & SL_WRITE)
		ev.events |= EPOLLOUT;
	if (w->loop == NULL)
		op = EPOLL_CTL_ADD;
	if (epoll_ctl(loop->epfd, op, fd, &ev) < 0)
		return SL_ERR_IO;
	if (w->loop == NULL) {
		sl_list_init(&w->pending);
		w->ready = 0;
	}
	w->loop = loop;
	w->fd = fd;
	w->events = events;
	if (loop->host.watch != NULL)
		loop->host.watch(loop->host.arg, fd, events);
	return 0;
}

void
sl_watch_stop(struct sl_watch *w)
{
	if (w->loop == NULL)
		return;
	/* Fails when the descriptor is closed already, and then it is gone from the set too. */
	epoll_ctl(w->loop->epfd, EPOLL_CTL_DEL, w->fd, NULL);
	if (w->loop->host.watch != NULL)
		w->loop->host.watch(w->loop->host.arg, w->fd, 0);
	sl_list_remove(&w->pending);
	w->ready = 0;
	w->events = 0;
	w->loop = NULL;
}

static void
note_event(struct sl_loop *loop, const struct epoll_event *ev)
{
	struct sl_watch *w = ev->data.ptr;
	uint64_t ticks;
	unsigned ready = 0;

	if (w == NULL) {
		if (read(loop->timerfd, &ticks, sizeof(ticks)) > 0)
			loop->armed = INT64_MAX;
		return;
	}
	if (ev->events & EPOLLIN)
		ready |= SL_READ;
	if (ev->events & EPOLLOUT)
		ready |= SL_WRITE;
	if (ev->events & (EPOLLHUP | EPOLLERR))
		ready |= SL_HANGUP;
	if (w->ready == 0)
		sl_list_insert(&loop->pending, &w->pending);
	w->ready |= ready;
}

static void
run_watches(struct sl_loop *loop)
{
	struct sl_list *node;

	while ((node = sl_list_pop(&loop->pending)) != NULL) {
		struct sl_watch *w = sl_list_entry(node, struct sl_watch, pending);
		/* What was asked for may have changed since the kernel was asked. */
		unsigned ready = w->ready & (w->events | SL_HANGUP);

		w->ready = 0;
		if (ready != 0)
			w->fn(w, ready);
	}
}

/* Timers: a binary heap, each timer knows its place. */

static void
heap_put(struct sl_loop *loop, size_t i, struct sl_timer *t)
{
	loop->heap[i] = t;
	t->heap = i;
}

static void
heap_up(struct sl_loop *loop, size_t i, struct sl_timer *t)
{
	while (i > 0 && loop->heap[(i - 1) / 2]->at > t->at) {
		heap_put(loop, i, loop->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(loop, i, t);
}

static void
heap_down(struct sl_loop *loop, size_t i, struct sl_timer *t)
{
	size_t child;

	while ((child = 2 * i + 1) < loop->timers) {
		if (child + 1 < loop->timers && loop->heap[child + 1]->at < loop->heap[child]->at)
			child++;
		if (loop->heap[child]->at >= t->at)
			break;
		heap_put(loop, i, loop->heap[child]);
		i = child;
	}
	heap_put(loop, i, t);
}

static int
heap_grow(struct sl_loop *loop)
{
	size_t cap = loop->cap != 0 ? loop->cap * 2 : 64;
	struct sl_timer **heap = sl_realloc(loop->heap, cap * sizeof(struct sl_timer *));

	if (heap == NULL)
		return SL_ERR_NOMEM;
	loop->heap = heap;
	loop->cap = cap;
	return 0;
}

int
sl_timer_start(struct sl_loop *loop, struct sl_timer *t, int64_t ms,
    void (*fn)(struct sl_timer *))
{
	int r;

	sl_timer_stop(t);
	if (loop->timers == loop->cap && (r = heap_grow(loop)) < 0)
		return r;
	t->at = clock_ms(loop) + (ms > 0 ? ms : 0);
	/* Inside a step it waits for the next one: a timer that re-arms itself can't hold the loop. */
	if (loop->depth > 0 && t->at <= loop->now)
		t->at = loop->now + 1;
	t->fn = fn;
	t->loop = loop;
	heap_up(loop, loop->timers++, t);
	arm(loop);
	return 0;
}

void
sl_timer_stop(struct sl_timer *t)
{
	struct sl_loop *loop = t->loop;
	struct sl_timer *last;

	if (loop == NULL)
		return;
	t->loop = NULL;
	last = loop->heap[--loop->timers];
	if (last == t)
		return;
	if (t->heap > 0 && loop->heap[(t->heap - 1) / 2]->at > last->at)
		heap_up(loop, t->heap, last);
	else
		heap_down(loop, t->heap, last);
}

static void
run_timers(struct sl_loop *loop)
{
	int64_t now = loop->now;	/* a nested step moves the clock; this round keeps its own */

	while (loop->timers > 0 && loop->heap[0]->at <= now) {
		struct sl_timer *t = loop->heap[0];

		sl_timer_stop(t);
		t->fn(t);
	}
}

/* Tasks */

void
sl_task_post(struct sl_loop *loop, struct sl_task *task, void (*fn)(struct sl_task *))
{
	task->fn = fn;
	if (task->loop != NULL)
		return;
	task->loop = loop;
	sl_list_insert(&loop->ready, &task->link);
	loop->tasks++;
	arm(loop);
}

void
sl_task_cancel(struct sl_task *task)
{
	if (task->loop == NULL)
		return;
	sl_list_remove(&task->link);
	task->loop->tasks--;
	task->loop = NULL;
}

/* Those that are ready now; what they post comes in the next round. */
static void
run_tasks(struct sl_loop *loop)
{
	for (size_t n = loop->tasks; n > 0 && loop->tasks > 0; n--) {
		struct sl_task *task = sl_list_entry(loop->ready.next, struct sl_task, link);

		sl_task_cancel(task);
		task->fn(task);
	}
}

int
sl_loop_defer(struct sl_loop *loop, void (*fn)(void *), void *p)
{
	struct deferred *d = sl_calloc(1, sizeof(*d));

	if (d == NULL)
		return SL_ERR_NOMEM;
	d->fn = fn;
	d->p = p;
	*loop->deferred_end = d;
	loop->deferred_end = &d->next;
	arm(loop);
	return 0;
}

void
sl_loop_on_turn(struct sl_loop *loop, void (*fn)(void *), void *arg)
{
	size_t i, hole = TURNS;

	for (i = 0; i < TURNS; i++) {
		if (loop->turns[i].fn == NULL && hole == TURNS)
			hole = i;
		if (loop->turns[i].fn != NULL && loop->turns[i].arg == arg)
			break;
	}
	if (i == TURNS)
		i = hole;
	if (fn == NULL && i == hole)
		return;
	assert(i < TURNS);
	loop->turns[i].fn = fn;
	loop->turns[i].arg = arg;
}

static int
wait_time(const struct sl_loop *loop, int timeout_ms)
{
	int64_t left;

	if (loop->tasks > 0 || loop->deferred != NULL || !sl_list_empty(&loop->pending))
		return 0;
	if (loop->timers == 0)
		return timeout_ms;
	left = loop->heap[0]->at - clock_ms(loop);
	if (left < 0)
		left = 0;
	if (left > 3600 * 1000)
		left = 3600 * 1000;
	return timeout_ms >= 0 && timeout_ms < left ? timeout_ms : (int)left;
}

/* Leaves out what would have been waited for. */
static void
skip(struct sl_loop *loop, int timeout_ms)
{
	int ms = wait_time(loop, timeout_ms);

	if (ms <= 0)
		return;
	loop->skipped += ms;
	if (loop->fixed_us != 0)
		loop->fixed_us += (int64_t)ms * 1000;
}

int
sl_loop_step(struct sl_loop *loop, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	bool skips = loop->simulated && loop->held == 0;
	int n = epoll_wait(loop->epfd, events, EVENTS, skips ? 0 : wait_time(loop, timeout_ms));

	if (n < 0 && errno != EINTR)
		return SL_ERR_IO;
	if (skips && n == 0)
		skip(loop, timeout_ms);
	loop->depth++;
	if (loop->host.watch != NULL)
		loop->armed = -1;	/* its timer may be what woke us: it is set anew */
	loop->now = clock_ms(loop);
	for (int i = 0; i < n; i++)
		note_event(loop, &events[i]);
	run_watches(loop);
	run_timers(loop);
	for (int i = 0; i < ROUNDS && loop->tasks > 0; i++)
		run_tasks(loop);
	for (int i = 0; i < TURNS; i++) {
		if (loop->turns[i].fn != NULL)
			loop->turns[i].fn(loop->turns[i].arg);
	}
	if (loop->depth == 1)
		run_deferred(loop);
	loop->depth--;
	arm(loop);
	return 0;
}
