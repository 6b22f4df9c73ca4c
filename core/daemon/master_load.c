/*
 * Loading a policy: the folder becomes an image, a checker says the plan or
 * all errors, what is new is bound, the workers prepare, and then all of them
 * switch. Whatever fails on the way leaves everything as it was.
 */
#include "master_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../policy/image.h"
#include "notify.h"

#define LIMIT_MS	120000	/* for the checker, and for the workers */
#define OTHER_FDS	300	/* of a worker beside connections: delivery, queue, DNS, HTTP */

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
forget_next(struct sl_master *m)
{
	struct sl_packet forget = { .kind = SL_PACKET_FORGET };
	unsigned i;

	sl_timer_stop(&m->check_limit);
	if (m->state == SWITCHING)
		sl_master_tell(m, &forget);
	for (i = 0; i < m->nworkers; i++)
		if (m->workers[i].state == PREPARING)
			m->workers[i].state = READY;
	sl_listeners_forget(m->listeners);
	close_fd(&m->image_next);
	close_fd(&m->admin_next);
	sl_buf_clear(&m->plan_next);
}

/* A SIGHUP that came meanwhile isn't forgotten. */
static void
load_over(struct sl_master *m)
{
	m->state = SERVING;
	if (m->again) {
		m->again = false;
		sl_master_load(m);
	}
}

void
sl_master_load_failed(struct sl_master *m, struct sl_str report)
{
	char status[300];

	forget_next(m);
	if (m->state == LOADING_FIRST) {
		char *text = sl_strndup(report.p, report.n);

		sl_master_fail(m, text != NULL ? text : "");
		sl_free(text);
		return;
	}
	if (m->state != CHECKING && m->state != SWITCHING)
		return;
	sl_shared_processes(m->shared)->reloads_failed++;
	sl_event(&m->logs.events, SL_ERROR, "reload_failed", SL_FIELDS(SL_F_STR("errors", report)));
	snprintf(status, sizeof(status), "The policy was not loaded: %.*s",
	    (int)(report.n < 200 ? strcspn(report.p, "\n") : 200), report.p);
	sl_notify_ready(status);
	load_over(m);
}

static void
out_of_time(struct sl_timer *timer)
{
	sl_master_load_failed(sl_list_entry(timer, struct sl_master, check_limit),
	    SL_STR("loading the policy took too long"));
}

void
sl_master_load(struct sl_master *m)
{
	struct sl_err err;

	if (m->state != LOADING_FIRST && m->state != SERVING) {
		m->again = true;
		return;
	}
	if (m->state == SERVING) {
		m->state = CHECKING;
		sl_notify_reloading();
	}
	if (sl_image_pack(m->o.policy, m->o.stdlib, &m->image_next, &err) != 0) {
		m->image_next = -1;
		sl_master_load_failed(m, sl_str_of(err.text));
		return;
	}
	sl_timer_start(m->loop, &m->check_limit, LIMIT_MS, out_of_time);
	if (sl_master_spawn(&m->checker) != 0)
		sl_master_load_failed(m, SL_STR("the checker can't be started"));
}

/* ---- the first one: what can't change later --------------------------------------------- */

/* Made for who will use it. One that is there stays as it is. */
static int
make_spool(const struct sl_master *m, struct sl_buf *report)
{
	bool made = mkdir(m->spool, 0700) == 0;

	if ((made || errno == EEXIST) && (!made || m->who.uid == 0 || geteuid() != 0 ||
	    chown(m->spool, m->who.uid, m->who.gid) == 0))
		return 0;
	sl_buf_printf(report, "spool %s: %s\n", m->spool, strerror(errno));
	return SL_ERR_IO;
}

/*
 * Each connection takes a descriptor of its worker, and one in the master is
 * enough for all. What the system's limit doesn't allow is told at the start,
 * not found out under load.
 */
static void
raise_descriptors(struct sl_master *m, struct sl_str plan)
{
	int64_t wanted = sl_plan_number(plan, "connections", 1000);
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
	m->descriptors = r.rlim_cur > OTHER_FDS ? (int64_t)r.rlim_cur - OTHER_FDS : 1;
	if (r.rlim_cur == RLIM_INFINITY || m->descriptors * m->nworkers >= wanted)
		return;
	sl_event(&m->logs.events, SL_WARNING, "descriptors_short", SL_FIELDS(
	    SL_F_INT("connections", wanted), SL_F_INT("limit", r.rlim_cur),
	    SL_F_INT("possible", m->descriptors * m->nworkers),
	    SL_F_TEXT("hint", "raise LimitNOFILE (ulimit -n), or lower connections.total")));
}

static int
settle(struct sl_master *m, struct sl_str plan, struct sl_buf *report)
{
	char *user = sl_plan_string(plan, "user");
	struct sl_err err = { 0 };

	if (user != NULL && sl_identity_of(&m->who, user, &err) != 0)
		sl_buf_printf(report, "sluice.lua: %s\n", err.text);
	sl_free(user);
	m->spool = sl_plan_spool(plan, m->o.policy, m->o.spool);
	if (m->spool == NULL || err.code != 0)
		return SL_ERR_INVAL;
	if (geteuid() == 0 && m->who.uid == 0)
		sl_event(&m->logs.events, SL_WARNING, "running_as_root", SL_FIELDS(
		    SL_F_TEXT("hint", "set user = \"...\" in sluice.lua")));
	raise_descriptors(m, plan);
	return make_spool(m, report);
}

static int
open_logs(struct sl_master *m, struct sl_str plan, struct sl_buf *report)
{
	struct sl_err err;

	if (sl_logs_plan(&m->logs, plan, &err) == 0 &&
	    sl_logs_file(&m->logs, plan, m->o.log_file, &err) == 0)
		return 0;
	sl_buf_printf(report, "%s\n", err.text);
	return err.code;
}

static int
make_workers(struct sl_master *m, struct sl_str plan, struct sl_buf *report)
{
	int64_t n = sl_plan_number(plan, "workers", 0);
	struct sl_err err = { 0 };
	unsigned i;

	if (n == 0)
		n = sysconf(_SC_NPROCESSORS_ONLN);
	m->nworkers = n < 1 ? 1 : n > SL_MAX_WORKERS ? SL_MAX_WORKERS : (unsigned)n;
	m->shared = sl_shared_new(m->nworkers, &m->shared_fd, &err);
	m->workers = sl_calloc(m->nworkers, sizeof(*m->workers));
	if (m->shared == NULL || m->workers == NULL) {
		sl_buf_printf(report, "%s\n", err.code != 0 ? err.text : "out of memory");
		m->nworkers = 0;
		return SL_ERR_NOMEM;
	}
	for (i = 0; i < m->nworkers; i++)
		m->workers[i] = (struct process){ .master = m, .kind = "worker", .number = (int)i };
	sl_shared_processes(m->shared)->wanted = m->nworkers;
	return 0;
}

/* What the running processes can't take over. */
static void
tell_unchanged(struct sl_master *m)
{
	static const char *const keys[] = { "workers", "user", "spool", "log.level", "log.syslog" };
	struct sl_str now, next;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		now = next = (struct sl_str){ 0 };
		sl_plan_get(sl_buf_str(&m->plan), keys[i], &now);
		sl_plan_get(sl_buf_str(&m->plan_next), keys[i], &next);
		if (!sl_str_eq(now, next))
			sl_event(&m->logs.events, SL_WARNING, "restart_needed", SL_FIELDS(
			    SL_F_TEXT("key", keys[i]), SL_F_STR("now", now), SL_F_STR("next", next)));
	}
}

/* ---- binding, switching --------------------------------------------------------------------- */

static int
bind_admin(struct sl_master *m, struct sl_str plan, struct sl_buf *report)
{
	struct sl_str now = { 0 }, next = { 0 };

	sl_plan_get(sl_buf_str(&m->plan), "admin", &now);
	if (!sl_plan_get(plan, "admin", &next) || sl_str_eq(now, next))
		return 0;
	m->admin_next = sl_listeners_bind(m->listeners, "admin", next, report);
	return m->admin_next >= 0 ? 0 : SL_ERR_IO;
}

/* The old admin process goes with its socket; the next one starts at once. */
static void
switch_admin(struct sl_master *m)
{
	struct sl_packet drain = { .kind = SL_PACKET_DRAIN };
	struct sl_str next;

	if (m->admin_next < 0 && sl_plan_get(sl_buf_str(&m->plan), "admin", &next))
		return;		/* the same as before */
	close_fd(&m->admin_fd);
	m->admin_fd = m->admin_next;
	m->admin_next = -1;
	if (m->admin.channel != NULL && m->admin.pid > 0) {
		m->admin.state = LEAVING;
		sl_channel_send(m->admin.channel, &drain);
	} else if (m->admin_fd >= 0 && m->state != LOADING_FIRST)
		sl_master_spawn(&m->admin);
}

static void
take_next(struct sl_master *m)
{
	struct sl_buf old = m->plan;

	sl_timer_stop(&m->check_limit);
	close_fd(&m->image);
	m->image = m->image_next;
	m->image_next = -1;
	m->plan = m->plan_next;
	m->plan_next = old;
	sl_buf_clear(&m->plan_next);
	switch_admin(m);
	sl_listeners_switch(m->listeners);
}

static void
switch_all(struct sl_master *m)
{
	struct sl_packet packet = { .kind = SL_PACKET_SWITCH };
	struct sl_str name = { 0 };
	unsigned i;

	tell_unchanged(m);
	sl_master_tell(m, &packet);
	for (i = 0; i < m->nworkers; i++)
		if (m->workers[i].state == PREPARING)
			m->workers[i].state = READY;
	take_next(m);
	sl_plan_get(sl_buf_str(&m->plan), "generation", &name);
	sl_shared_processes(m->shared)->reloads++;
	sl_event(&m->logs.events, SL_NOTICE, "policy_loaded", SL_FIELDS(
	    SL_F_STR("generation", name), SL_F_INT("workers", m->nworkers)));
	sl_notify_ready("Serving");
	load_over(m);
}

static unsigned
preparing(const struct sl_master *m)
{
	unsigned i, n = 0;

	for (i = 0; i < m->nworkers; i++)
		n += m->workers[i].state == PREPARING;
	return n;
}

void
sl_master_prepared(struct process *worker, const struct sl_packet *packet)
{
	struct sl_master *m = worker->master;

	if (packet->kind == SL_PACKET_REFUSED) {
		sl_master_load_failed(m, packet->text);
		return;
	}
	worker->state = READY;
	if (m->state == SWITCHING && preparing(m) == 0)
		switch_all(m);
}

static void
prepare_all(struct sl_master *m)
{
	struct sl_packet packet = { .kind = SL_PACKET_PREPARE, .fds = { m->image_next }, .nfds = 1 };
	unsigned i;

	m->state = SWITCHING;
	sl_timer_start(m->loop, &m->check_limit, LIMIT_MS, out_of_time);
	for (i = 0; i < m->nworkers; i++)
		if (sl_process_serves(&m->workers[i]) &&
		    sl_channel_send(m->workers[i].channel, &packet) == 0)
			m->workers[i].state = PREPARING;
	if (preparing(m) == 0)
		switch_all(m);
}

/* ---- what the checker says -------------------------------------------------------------------- */

static void
plan_arrived(struct sl_master *m, struct sl_str plan)
{
	struct sl_buf report = SL_BUF_INIT;
	bool first = m->state == LOADING_FIRST;
	int rc = 0;

	sl_buf_putstr(&m->plan_next, plan);
	if (m->plan_next.failed)
		rc = SL_ERR_NOMEM;
	if (rc == 0 && first && (rc = make_workers(m, plan, &report)) == 0 &&
	    (rc = open_logs(m, plan, &report)) == 0)
		rc = settle(m, plan, &report);
	if (rc == 0)
		rc = sl_listeners_prepare(m->listeners, plan, &report);
	if (rc == 0)
		rc = bind_admin(m, plan, &report);
	if (rc != 0)
		sl_master_load_failed(m, report.n > 0 ? sl_buf_str(&report) : SL_STR("out of memory"));
	else if (first) {
		sl_listeners_hold(m->listeners, true);
		take_next(m);
		sl_master_start_all(m);
	} else
		prepare_all(m);
	sl_buf_clear(&report);
}

void
sl_master_checked(struct sl_master *m, const struct sl_packet *packet)
{
	if (m->state != LOADING_FIRST && m->state != CHECKING)
		return;		/* it has said what it had to */
	if (packet == NULL)
		sl_master_load_failed(m, SL_STR("loading the policy ended the checker: a defect of sluice"));
	else if (packet->kind == SL_PACKET_READY)
		plan_arrived(m, packet->text);
	else
		sl_master_load_failed(m, packet->text);
}
