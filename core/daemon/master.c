#include "master_private.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "notify.h"

#define TICK_MS		1000
#define DRAIN_MS	30000	/* after SIGTERM; what isn't over then is tried again later */
#define LAST_MS		5000	/* for state and admin, when the workers have ended */

/* ---- ends ---------------------------------------------------------------------------- */

void
sl_master_fail(struct sl_master *m, const char *text)
{
	if (m->status != 0)
		return;
	sl_events_flush(&m->logs.events);
	fprintf(stderr, "%s%ssluice: the policy %s was not started\n", text,
	    text[0] != '\0' && text[strlen(text) - 1] != '\n' ? "\n" : "", m->o.policy);
	m->status = 1;
	sl_loop_stop(m->loop);
}

static void
out_of_patience(struct sl_timer *timer)
{
	struct sl_master *m = sl_list_entry(timer, struct sl_master, patience);

	sl_event(&m->logs.events, SL_WARNING, "drain_ended", SL_FIELDS(
	    SL_F_INT("workers", sl_master_alive(m))));
	sl_master_kill_all(m);
}

static void
drain(struct sl_master *m)
{
	struct sl_packet packet = { .kind = SL_PACKET_DRAIN };
	unsigned i;

	if (m->state == DRAINING || m->state == LOADING_FIRST || m->state == STARTING_UP) {
		sl_loop_stop(m->loop);	/* asked twice, or there is nothing yet: at once */
		return;
	}
	m->state = DRAINING;
	sl_notify_stopping();
	sl_event(&m->logs.events, SL_NOTICE, "draining", SL_FIELDS(SL_F_INT("pid", getpid())));
	sl_listeners_stop(m->listeners);
	sl_timer_start(m->loop, &m->patience, DRAIN_MS, out_of_patience);
	sl_master_tell(m, &packet);
	for (i = 0; i < m->nworkers; i++) {
		if (m->workers[i].state == STARTING)
			kill(m->workers[i].pid, SIGKILL);
		else if (m->workers[i].pid > 0)
			m->workers[i].state = LEAVING;
	}
}

static void
drain_process(struct process *p)
{
	struct sl_packet packet = { .kind = SL_PACKET_DRAIN };

	if (p->channel != NULL && p->state != LEAVING) {
		p->state = LEAVING;
		sl_channel_send(p->channel, &packet);
	}
}

/* State goes after those who ask it. */
static void
look_whether_drained(struct sl_master *m)
{
	if (m->state != DRAINING || sl_master_alive(m) > 0)
		return;
	if (m->state_process.pid == 0 && m->admin.pid == 0) {
		sl_loop_stop(m->loop);
		return;
	}
	sl_timer_start(m->loop, &m->patience, LAST_MS, out_of_patience);
	drain_process(&m->state_process);
	drain_process(&m->admin);
}

/* ---- signals, time ---------------------------------------------------------------------- */

static void
reopen_log(struct sl_master *m)
{
	struct sl_packet packet = { .kind = SL_PACKET_LOG, .nfds = 1 };

	if (!sl_logs_reopen(&m->logs))
		return;
	packet.fds[0] = m->logs.fd;
	sl_master_tell(m, &packet);
	if (m->state_process.channel != NULL)
		sl_channel_send(m->state_process.channel, &packet);
	if (m->admin.channel != NULL)
		sl_channel_send(m->admin.channel, &packet);
}

static void
on_signal(struct sl_watch *watch, unsigned events)
{
	struct sl_master *m = sl_list_entry(watch, struct sl_master, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(watch->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD) {
		sl_master_reap(m);
		look_whether_drained(m);
	} else if (info.ssi_signo == SIGHUP) {
		sl_master_load(m);
	} else if (info.ssi_signo == SIGUSR1) {
		reopen_log(m);
	} else {
		drain(m);
	}
}

static int
watch_signals(struct sl_master *m)
{
	static const int wanted[] = { SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGCHLD };
	sigset_t set;
	size_t i;
	int fd;

	sigemptyset(&set);
	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		sigaddset(&set, wanted[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -1 : sl_watch_start(m->loop, &m->signals, fd, SL_READ, on_signal);
}

static void
tick(struct sl_timer *timer)
{
	struct sl_master *m = sl_list_entry(timer, struct sl_master, tick);

	if (m->state == SERVING)
		sl_master_watch_workers(m);
	sl_timer_start(m->loop, &m->tick, TICK_MS, tick);
}

/* ---- serving ------------------------------------------------------------------------------ */

static void
count_workers(struct sl_master *m, unsigned *ready, unsigned *starting)
{
	unsigned i;

	*ready = *starting = 0;
	for (i = 0; i < m->nworkers; i++) {
		*ready += sl_process_serves(&m->workers[i]);
		*starting += m->workers[i].state == STARTING;
	}
}

void
sl_master_serving(struct sl_master *m)
{
	struct sl_str name = { 0 };
	unsigned ready, starting;

	count_workers(m, &ready, &starting);
	sl_shared_processes(m->shared)->workers = ready;
	if (m->state != STARTING_UP) {
		sl_listeners_hold(m->listeners, false);
		return;
	}
	if (ready < m->nworkers)
		return;
	m->state = SERVING;
	sl_listeners_hold(m->listeners, false);
	sl_plan_get(sl_buf_str(&m->plan), "generation", &name);
	sl_event(&m->logs.events, SL_NOTICE, "serving", SL_FIELDS(
	    SL_F_TEXT("policy", m->o.policy), SL_F_STR("generation", name),
	    SL_F_INT("workers", m->nworkers), SL_F_INT("pid", getpid())));
	sl_notify_ready("Serving");
	if (m->again) {
		m->again = false;
		sl_master_load(m);
	}
}

static struct process
process(struct sl_master *m, const char *kind)
{
	return (struct process){ .master = m, .kind = kind, .number = -1 };
}

static int
open_master(struct sl_master *m, const struct sl_run_options *options, struct sl_err *err)
{
	struct sl_listeners_options l = { .connected = sl_master_connected, .arg = m };

	m->o = *options;
	m->image = m->image_next = m->admin_fd = m->admin_next = m->shared_fd = -1;
	m->state_process = process(m, "state");
	m->admin = process(m, "admin");
	m->checker = process(m, "checker");
	m->loop = sl_loop_new(err);
	if (m->loop == NULL || sl_logs_open(&m->logs, m->loop, options->level) != 0)
		return SL_ERR_NOMEM;
	l.loop = m->loop;
	l.events = &m->logs.events;
	m->listeners = sl_listeners_new(&l, err);
	if (m->listeners == NULL || watch_signals(m) != 0)
		return SL_ERR_NOMEM;
	return sl_timer_start(m->loop, &m->tick, TICK_MS, tick);
}

static void
free_process(struct process *p)
{
	sl_timer_stop(&p->restart);
	sl_channel_free(p->channel);
	p->channel = NULL;
}

static void
close_master(struct sl_master *m)
{
	int *fds[] = { &m->image, &m->image_next, &m->admin_fd, &m->admin_next, &m->shared_fd };
	unsigned i;

	sl_master_kill_all(m);
	for (i = 0; i < m->nworkers; i++)
		free_process(&m->workers[i]);
	free_process(&m->state_process);
	free_process(&m->admin);
	free_process(&m->checker);
	sl_listeners_free(m->listeners);
	sl_timer_stop(&m->tick);
	sl_timer_stop(&m->patience);
	sl_timer_stop(&m->check_limit);
	sl_watch_stop(&m->signals);
	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (*fds[i] >= 0)
			close(*fds[i]);
	sl_shared_unmap(m->shared);
	sl_free(m->workers);
	sl_free(m->spool);
	sl_buf_clear(&m->plan);
	sl_buf_clear(&m->plan_next);
	sl_logs_close(&m->logs);
	sl_loop_free(m->loop);
}

int
sl_master_run(const struct sl_run_options *options)
{
	static struct sl_master m;
	struct sl_err err = { .text = "out of memory" };

	prctl(PR_SET_DUMPABLE, 0);	/* the image has keys and passwords: no core files */
	if (open_master(&m, options, &err) != 0) {
		fprintf(stderr, "sluice: %s\n", err.text);
		return 1;
	}
	sl_master_load(&m);
	if (m.status == 0)
		sl_loop_run(m.loop);
	sl_master_reap(&m);
	if (m.status == 0)
		sl_event(&m.logs.events, SL_NOTICE, "stopped", SL_FIELDS(SL_F_INT("pid", getpid())));
	close_master(&m);
	return m.status;
}
