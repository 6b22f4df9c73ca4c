/*
 * A thread for what blocks. Jobs go through two queues under one lock: to the
 * thread, and back to the loop, which is woken by an eventfd.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "op.h"
#include "../base/alloc.h"

struct job {
	struct sl_op op;
	struct sl_list link;		/* in todo or ended; by itself while it runs */
	struct sl_thread *thread;
	int (*work)(void *arg);
	void *arg;
	void (*abandoned)(void *arg);
	int status;
	bool orphan;			/* loop side only: released before it ended */
};

struct sl_thread {
	struct sl_loop *loop;
	struct sl_watch watch;
	int eventfd;
	pthread_t id;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct sl_list todo, ended;	/* under lock */
	bool stop;			/* under lock */
};

static void
wake_loop(struct sl_thread *t)
{
	uint64_t one = 1;

	while (write(t->eventfd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* Under lock. */
static void
put_ended(struct sl_thread *t, struct job *job)
{
	if (sl_list_empty(&t->ended))
		wake_loop(t);
	sl_list_insert(&t->ended, &job->link);
}

static void *
thread_main(void *arg)
{
	struct sl_thread *t = arg;
	struct sl_list *node;
	struct job *job;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		while ((node = sl_list_pop(&t->todo)) == NULL && !t->stop)
			pthread_cond_wait(&t->wake, &t->lock);
		if (node == NULL)
			break;
		pthread_mutex_unlock(&t->lock);
		job = sl_list_entry(node, struct job, link);
		job->status = job->work(job->arg);
		pthread_mutex_lock(&t->lock);
		put_ended(t, job);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static void
job_ended(struct job *job)
{
	sl_loop_unhold(job->thread->loop);
	if (!job->orphan) {
		sl_op_finish(&job->op, job->status);
		return;
	}
	if (job->abandoned != NULL)
		job->abandoned(job->arg);
	sl_free(job);
}

static void
collect(struct sl_thread *t)
{
	struct sl_list *node;

	for (;;) {
		pthread_mutex_lock(&t->lock);
		node = sl_list_pop(&t->ended);
		pthread_mutex_unlock(&t->lock);
		if (node == NULL)
			return;
		job_ended(sl_list_entry(node, struct job, link));
	}
}

static void
on_eventfd(struct sl_watch *watch, unsigned events)
{
	struct sl_thread *t = sl_list_entry(watch, struct sl_thread, watch);
	uint64_t count;

	(void)events;
	if (read(t->eventfd, &count, sizeof(count)) > 0)
		collect(t);
}

/* The thread takes no signals: they belong to the program. */
static int
spawn(struct sl_thread *t, const char *name)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&t->id, NULL, thread_main, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r == 0)
		pthread_setname_np(t->id, name);
	return r;
}

struct sl_thread *
sl_thread_new(struct sl_loop *loop, const char *name, struct sl_err *err)
{
	struct sl_thread *t = sl_calloc(1, sizeof(*t));

	if (t == NULL) {
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	t->loop = loop;
	sl_list_init(&t->todo);
	sl_list_init(&t->ended);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->wake, NULL);
	t->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (t->eventfd < 0 ||
	    sl_watch_start(loop, &t->watch, t->eventfd, SL_READ, on_eventfd) < 0)
		goto fail;
	if ((errno = spawn(t, name)) == 0)
		return t;
fail:
	sl_err_errno(err, "thread %s", name);
	sl_watch_stop(&t->watch);
	if (t->eventfd >= 0)
		close(t->eventfd);
	sl_free(t);
	return NULL;
}

void
sl_thread_free(struct sl_thread *t)
{
	if (t == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->id, NULL);
	collect(t);
	sl_watch_stop(&t->watch);
	close(t->eventfd);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	sl_free(t);
}

/* One that waits goes straight to the ended ones; one that runs comes there by itself. */
static void
job_cancel(struct sl_op *op)
{
	struct job *job = (struct job *)op;
	struct sl_thread *t = job->thread;

	job->orphan = true;
	pthread_mutex_lock(&t->lock);
	for (struct sl_list *n = t->todo.next; n != &t->todo; n = n->next) {
		if (n != &job->link)
			continue;
		sl_list_remove(n);
		put_ended(t, job);
		break;
	}
	pthread_mutex_unlock(&t->lock);
}

static void
job_free(struct sl_op *op)
{
	if (!((struct job *)op)->orphan)
		sl_free(op);
}

static const struct sl_op_class job_class = { "thread", job_cancel, job_free };

struct sl_op *
sl_thread_run(struct sl_thread *t, int (*work)(void *arg), void *arg,
    void (*abandoned)(void *arg))
{
	struct job *job = sl_calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	sl_op_init(&job->op, &job_class, t->loop, 0);
	job->thread = t;
	job->work = work;
	job->arg = arg;
	job->abandoned = abandoned;
	sl_loop_hold(t->loop);
	pthread_mutex_lock(&t->lock);
	sl_list_insert(&t->todo, &job->link);
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	return &job->op;
}
