/* The gateway of one process, in the foreground: for demos, tests and debuggers. */
#include "master.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../admin/admin.h"
#include "../base/alloc.h"
#include "../policy/image.h"
#include "gateway.h"
#include "logs.h"
#include "plan.h"

#define DRAIN_MS	30000

struct single {
	struct sl_run_options o;
	struct sl_loop *loop;
	struct sl_logs logs;
	struct sl_watch signals;
	struct sl_timer patience;
	struct sl_gateway *gateway;
	struct sl_listeners *listeners;
	struct sl_shared *shared;
	struct sl_admin *admin;
	bool draining;
};

/* ---- connections ------------------------------------------------------------------ */

static void
connected(void *arg, const struct sl_connection *c)
{
	sl_gateway_accept(((struct single *)arg)->gateway, c);
}

static void
closed(void *arg, uint64_t tag)
{
	sl_listeners_gone(((struct single *)arg)->listeners, tag, -1);
}

/* ---- policies ---------------------------------------------------------------------- */

static int
pack(const struct single *s, int *image, struct sl_buf *report)
{
	struct sl_err err;
	int rc = sl_image_pack(s->o.policy, s->o.stdlib, image, &err);

	if (rc != 0)
		sl_buf_printf(report, "%s\n", err.text);
	return rc;
}

static int
make_plan(const struct single *s, struct sl_buf *plan, struct sl_buf *report)
{
	struct sl_err err;
	int rc = sl_plan_of(sl_gateway_config(s->gateway), sl_gateway_generation(s->gateway), plan,
	    &err);

	if (rc != 0)
		sl_buf_printf(report, "%s\n", err.text);
	return rc;
}

static void
reload(struct single *s)
{
	struct sl_buf plan = SL_BUF_INIT, report = SL_BUF_INIT;
	int image, rc = pack(s, &image, &report);

	if (rc == 0) {
		rc = sl_gateway_prepare(s->gateway, image, &report);
		close(image);
	}
	if (rc == 0)
		rc = make_plan(s, &plan, &report);
	if (rc == 0)
		rc = sl_listeners_prepare(s->listeners, sl_buf_str(&plan), &report);
	if (rc == 0) {
		sl_gateway_switch(s->gateway);
		sl_listeners_switch(s->listeners);
		sl_event(&s->logs.events, SL_NOTICE, "policy_loaded", SL_FIELDS(
		    SL_F_TEXT("generation", sl_gateway_generation(s->gateway))));
	} else {
		sl_gateway_forget(s->gateway);
		sl_event(&s->logs.events, SL_ERROR, "reload_failed", SL_FIELDS(
		    SL_F_STR("errors", sl_buf_str(&report))));
	}
	sl_buf_clear(&plan);
	sl_buf_clear(&report);
}

/* ---- signals -------------------------------------------------------------------------- */

static void
drained(void *arg)
{
	sl_loop_stop(((struct single *)arg)->loop);
}

static void
out_of_patience(struct sl_timer *timer)
{
	drained(sl_list_entry(timer, struct single, patience));
}

static void
drain(struct single *s)
{
	if (s->draining) {	/* asked twice: at once */
		sl_loop_stop(s->loop);
		return;
	}
	s->draining = true;
	sl_event(&s->logs.events, SL_NOTICE, "draining", SL_FIELDS(SL_F_INT("pid", getpid())));
	sl_listeners_stop(s->listeners);
	sl_timer_start(s->loop, &s->patience, DRAIN_MS, out_of_patience);
	sl_gateway_drain(s->gateway, drained, s);
}

static void
on_signal(struct sl_watch *watch, unsigned events)
{
	struct single *s = sl_list_entry(watch, struct single, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(watch->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		reload(s);
	else if (info.ssi_signo == SIGUSR1)
		sl_logs_reopen(&s->logs);
	else
		drain(s);
}

static int
watch_signals(struct single *s)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -1 : sl_watch_start(s->loop, &s->signals, fd, SL_READ, on_signal);
}

/* ---- start ------------------------------------------------------------------------------ */

static int
open_logs(struct single *s, struct sl_str plan, struct sl_buf *report)
{
	struct sl_err err;

	if (sl_logs_plan(&s->logs, plan, &err) == 0 &&
	    sl_logs_file(&s->logs, plan, s->o.log_file, &err) == 0)
		return 0;
	sl_buf_printf(report, "%s\n", err.text);
	return err.code;
}

static int
start_admin(struct single *s, struct sl_str plan, struct sl_buf *report)
{
	struct sl_str address;
	struct sl_err err = { 0 };
	int fd;

	if (!sl_plan_get(plan, "admin", &address))
		return 0;
	fd = sl_listeners_bind(s->listeners, "admin", address, report);
	if (fd < 0)
		return SL_ERR_IO;
	s->admin = sl_admin_start(fd, sl_shared_counters(s->shared, 0), 1, NULL,
	    sl_shared_metrics(s->shared), &err);
	if (s->admin == NULL)
		sl_buf_printf(report, "%s\n", err.text);
	return err.code;
}

static int
start_gateway(struct single *s, struct sl_str plan, struct sl_buf *report)
{
	char *spool = sl_plan_spool(plan, s->o.policy, s->o.spool);
	int rc = spool != NULL ? sl_gateway_start(s->gateway, spool, report) : SL_ERR_NOMEM;

	if (rc == 0)
		rc = sl_gateway_deliver(s->gateway, report);
	sl_free(spool);
	return rc;
}

static int
open_all(struct single *s, struct sl_buf *plan, struct sl_buf *report)
{
	struct sl_listeners_options l = { .loop = s->loop, .events = &s->logs.events,
		.connected = connected, .arg = s };
	struct sl_gateway_options g = { .loop = s->loop, .events = &s->logs.events,
		.stdlib = s->o.stdlib, .closed = closed, .arg = s };
	struct sl_err err = { 0 };
	char *policy;
	int image, shared, rc;

	s->listeners = sl_listeners_new(&l, &err);
	g.shared = s->shared = s->listeners != NULL ? sl_shared_new(1, &shared, &err) : NULL;
	if (s->shared == NULL) {
		sl_buf_printf(report, "%s\n", err.text);
		return SL_ERR_NOMEM;
	}
	close(shared);
	if ((rc = pack(s, &image, report)) != 0)
		return rc;
	g.policy = policy = realpath(s->o.policy, NULL);
	rc = sl_gateway_open(&s->gateway, &g, image, report);
	free(policy);
	close(image);
	if (rc != 0 || (rc = make_plan(s, plan, report)) != 0 ||
	    (rc = open_logs(s, sl_buf_str(plan), report)) != 0 ||
	    (rc = sl_listeners_prepare(s->listeners, sl_buf_str(plan), report)) != 0 ||
	    (rc = start_admin(s, sl_buf_str(plan), report)) != 0)
		return rc;
	return start_gateway(s, sl_buf_str(plan), report);
}

static int
serve(struct single *s)
{
	struct sl_buf plan = SL_BUF_INIT, report = SL_BUF_INIT;
	int rc = open_all(s, &plan, &report);

	sl_events_flush(&s->logs.events);
	if (rc != 0)
		fprintf(stderr, "%ssluice: the policy %s was not started\n",
		    report.n > 0 ? report.p : "", s->o.policy);
	sl_buf_clear(&plan);
	sl_buf_clear(&report);
	if (rc != 0)
		return 1;
	sl_listeners_switch(s->listeners);
	sl_event(&s->logs.events, SL_NOTICE, "serving", SL_FIELDS(SL_F_TEXT("policy", s->o.policy),
	    SL_F_TEXT("generation", sl_gateway_generation(s->gateway)), SL_F_INT("pid", getpid())));
	sl_loop_run(s->loop);
	sl_event(&s->logs.events, SL_NOTICE, "stopped", SL_FIELDS(SL_F_INT("pid", getpid())));
	return 0;
}

int
sl_single_run(const struct sl_run_options *options)
{
	static struct single s;
	struct sl_err err = { .text = "out of memory" };
	int status;

	prctl(PR_SET_DUMPABLE, 0);	/* keys and passwords are in memory: no core files */
	s.o = *options;
	s.loop = sl_loop_new(&err);
	if (s.loop == NULL || sl_logs_open(&s.logs, s.loop, options->level) != 0 ||
	    watch_signals(&s) != 0) {
		fprintf(stderr, "sluice: %s\n", err.text);
		return 1;
	}
	status = serve(&s);
	sl_timer_stop(&s.patience);
	sl_admin_stop(s.admin);
	sl_gateway_close(s.gateway);
	sl_listeners_free(s.listeners);
	sl_shared_unmap(s.shared);
	sl_watch_stop(&s.signals);
	sl_logs_close(&s.logs);
	sl_loop_free(s.loop);
	return status;
}
