/* The master's children: starting them, what they say, their ends. */
#include "master_private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/alloc.h"

#define MAX_BACKOFF_S	60
#define SETTLED_MS	60000	/* who lived so long starts again without back-off */
#define CRASHES_TO_HOLD	2	/* deaths with the same message */

static bool
is_worker(const struct process *p)
{
	return strcmp(p->kind, "worker") == 0;
}

bool
sl_process_serves(const struct process *p)
{
	return p->channel != NULL && (p->state == READY || p->state == PREPARING);
}

/* ---- starting ---------------------------------------------------------------------- */

/* Two ends: the worker's, and another that the state process gets. */
static int
connect_to_state(struct sl_master *m)
{
	struct sl_packet p = { .kind = SL_PACKET_STATE, .nfds = 1 };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return -1;
	p.fds[0] = pair[1];
	if (m->state_process.channel != NULL)
		sl_channel_send(m->state_process.channel, &p);
	close(pair[1]);
	return pair[0];
}

static void
add_fd(struct sl_packet *p, int fd)
{
	p->fds[p->nfds++] = fd;
}

static bool
to_hold(const struct crash *c, const struct process *worker)
{
	return c->n >= CRASHES_TO_HOLD && c->worker == worker->number;
}

/* It has held them: what somebody releases begins anew. */
static void
forget_held(struct process *worker)
{
	struct crash *c = worker->master->crashes;
	int i;

	for (i = 0; i < MAX_CRASHES; i++)
		if (to_hold(&c[i], worker))
			memset(&c[i], 0, sizeof(c[i]));
}

static void
start_text(const struct process *p, struct sl_buf *text)
{
	const struct sl_master *m = p->master;
	char *policy = is_worker(p) ? realpath(m->o.policy, NULL) : NULL;
	int i;

	if (policy != NULL)
		sl_buf_printf(text, "policy %s\n", policy);
	free(policy);
	sl_buf_printf(text, "worker %d\nworkers %u\nlevel %d\nstdlib %s\n", p->number, m->nworkers,
	    (int)m->o.level, m->o.stdlib);
	if (m->spool != NULL)
		sl_buf_printf(text, "spool %s\n", m->spool);
	for (i = 0; i < MAX_CRASHES && is_worker(p); i++)
		if (to_hold(&m->crashes[i], p))
			sl_buf_printf(text, "hold %s\n", m->crashes[i].id);
}

/* Everything a child needs; see the START of its kind. */
static int
send_start(struct process *p)
{
	struct sl_master *m = p->master;
	struct sl_packet packet = { .kind = SL_PACKET_START };
	struct sl_buf text = SL_BUF_INIT;
	int rc, state = -1;

	start_text(p, &text);
	if (p == &m->checker) {
		add_fd(&packet, m->image_next);
	} else if (p == &m->admin) {
		add_fd(&packet, m->admin_fd);
		add_fd(&packet, m->shared_fd);
	} else if (is_worker(p)) {
		state = connect_to_state(m);
		add_fd(&packet, m->image);
		add_fd(&packet, state);
		add_fd(&packet, m->shared_fd);
	}
	if (p != &m->checker) {
		if (m->logs.fd >= 0) {
			sl_buf_printf(&text, "log.fd %u\n", packet.nfds);
			add_fd(&packet, m->logs.fd);
		}
		sl_buf_putstr(&text, sl_buf_str(&m->plan));
	}
	packet.text = sl_buf_str(&text);
	rc = text.failed ? SL_ERR_NOMEM : sl_channel_send(p->channel, &packet);
	sl_buf_clear(&text);
	if (state >= 0)
		close(state);
	return rc;
}

static void
reconnect(struct process *worker)
{
	struct sl_packet p = { .kind = SL_PACKET_STATE, .nfds = 1 };

	if (!is_worker(worker) || worker->channel == NULL)
		return;
	if ((p.fds[0] = connect_to_state(worker->master)) < 0)
		return;
	sl_channel_send(worker->channel, &p);
	close(p.fds[0]);
}

/* After a new start of the state process. */
static void
reconnect_workers(struct sl_master *m)
{
	unsigned i;

	for (i = 0; i < m->nworkers; i++)
		reconnect(&m->workers[i]);
}

static void on_packet(void *arg, struct sl_packet *packet);
static void on_closed(void *arg);
static void restart_later(struct process *p);

int
sl_master_spawn(struct process *p)
{
	struct sl_master *m = p->master;
	struct sl_channel_options o = { .loop = m->loop, .packet = on_packet, .closed = on_closed,
		.arg = p };
	struct sl_identity nobody = { 0 };
	struct sl_err err;
	int rc;

	if (p == &m->checker && geteuid() == 0)
		sl_identity_of(&nobody, "nobody", &err);
	/* A checker that has answered may still be on its way out when the next one comes. */
	sl_channel_free(p->channel);
	p->channel = NULL;
	sl_events_flush(&m->logs.events);
	rc = sl_child_spawn(p->kind, p == &m->checker ? &nobody : &m->who, &p->pid, &o.fd, &err);
	if (rc == 0) {
		p->channel = sl_channel_open(&o, &err);
		rc = p->channel == NULL ? err.code : send_start(p) == 0 ? 0 :
		    sl_err_set(&err, SL_ERR_IO, "it takes no orders");
	}
	if (rc != 0) {
		sl_event(&m->logs.events, SL_ERROR, "process_failed", SL_FIELDS(
		    SL_F_TEXT("kind", p->kind), SL_F_TEXT("error", err.text)));
		if (p->pid > 0)
			kill(p->pid, SIGKILL);
		sl_channel_free(p->channel);
		p->channel = NULL;
		p->pid = 0;
		restart_later(p);
		return rc;
	}
	p->state = STARTING;
	p->started = sl_loop_now(m->loop);
	p->warned = false;
	if (p == &m->state_process)
		reconnect_workers(m);
	return 0;
}

static void
on_restart(struct sl_timer *timer)
{
	struct process *p = sl_list_entry(timer, struct process, restart);
	enum master_state state = p->master->state;

	if (state == DRAINING)
		return;
	/* A worker that starts while the policy is replaced would have the old one. */
	if (is_worker(p) && (state == CHECKING || state == SWITCHING))
		sl_timer_start(p->master->loop, &p->restart, 100, on_restart);
	else
		sl_master_spawn(p);
}

static void
restart_later(struct process *p)
{
	unsigned shift = p->deaths < 6 ? p->deaths : 6;
	int64_t s = (int64_t)1 << shift;

	p->deaths++;
	sl_timer_start(p->master->loop, &p->restart,
	    (s < MAX_BACKOFF_S ? s : MAX_BACKOFF_S) * 1000, on_restart);
}

void
sl_master_start_all(struct sl_master *m)
{
	unsigned i;

	m->state = STARTING_UP;
	sl_master_spawn(&m->state_process);
	for (i = 0; i < m->nworkers; i++)
		sl_master_spawn(&m->workers[i]);
	if (m->admin_fd >= 0)
		sl_master_spawn(&m->admin);
}

/* ---- what they say ------------------------------------------------------------------- */

static void
connections_closed(struct process *p, struct sl_str tags)
{
	uint64_t tag;

	for (; tags.n >= sizeof(tag); tags = sl_str_sub(tags, sizeof(tag), tags.n)) {
		memcpy(&tag, tags.p, sizeof(tag));
		if (sl_listeners_gone(p->master->listeners, tag, p->number))
			p->connections--;
	}
}

static void
started(struct process *p, const struct sl_packet *packet)
{
	struct sl_master *m = p->master;

	if (packet->kind == SL_PACKET_REFUSED) {
		if (m->state == STARTING_UP)
			sl_master_fail(m, packet->text.n > 0 ? packet->text.p : "");
		else
			sl_event(&m->logs.events, SL_ERROR, "process_refused", SL_FIELDS(
			    SL_F_TEXT("kind", p->kind), SL_F_INT("pid", p->pid),
			    SL_F_STR("errors", packet->text)));
		return;
	}
	p->state = READY;
	p->beat_at = sl_loop_now(m->loop);
	if (!is_worker(p)) {
		sl_event(&m->logs.events, SL_INFO, "process_started", SL_FIELDS(
		    SL_F_TEXT("kind", p->kind), SL_F_INT("pid", p->pid)));
		return;
	}
	sl_event(&m->logs.events, SL_INFO, "worker_started", SL_FIELDS(
	    SL_F_INT("worker", p->number), SL_F_INT("pid", p->pid)));
	forget_held(p);
	sl_master_serving(m);
}

static void
on_packet(void *arg, struct sl_packet *packet)
{
	struct process *p = arg;

	if (p == &p->master->checker)
		sl_master_checked(p->master, packet);
	else if (packet->kind == SL_PACKET_CLOSED)
		connections_closed(p, packet->text);
	else if (packet->kind == SL_PACKET_STATE_LOST)
		reconnect(p);
	else if (p->state == STARTING)
		started(p, packet);
	else if (p->state == PREPARING)
		sl_master_prepared(p, packet);
}

/* A child without its channel can't be spoken to any more. Its end is told by
 * SIGCHLD. */
static void
on_closed(void *arg)
{
	struct process *p = arg;

	sl_channel_free(p->channel);
	p->channel = NULL;
	if (p->pid > 0 && p->state != LEAVING && p != &p->master->checker)
		kill(p->pid, SIGKILL);
}

void
sl_master_tell(struct sl_master *m, const struct sl_packet *packet)
{
	unsigned i;

	for (i = 0; i < m->nworkers; i++)
		if (m->workers[i].channel != NULL && m->workers[i].state != STARTING)
			sl_channel_send(m->workers[i].channel, packet);
}

/* ---- connections ------------------------------------------------------------------------ */

static struct process *
least_loaded(struct sl_master *m, const bool *tried)
{
	struct process *best = NULL, *p;
	unsigned i;

	for (i = 0; i < m->nworkers; i++) {
		p = &m->workers[i];
		if (sl_process_serves(p) && !tried[i] && !p->warned &&
		    (int64_t)p->connections < m->descriptors &&
		    (best == NULL || p->connections < best->connections))
			best = p;
	}
	return best;
}

void
sl_master_connected(void *arg, const struct sl_connection *c)
{
	struct sl_master *m = arg;
	struct sl_packet packet = { .kind = SL_PACKET_CONNECTION, .number = c->tag, .nfds = 1 };
	bool tried[SL_MAX_WORKERS] = { false }, nobody[SL_MAX_WORKERS] = { false };
	char text[512];
	struct process *p;

	snprintf(text, sizeof(text), "%s\n%s", c->listener, c->refused != NULL ? c->refused : "");
	packet.text = sl_str_of(text);
	packet.fds[0] = c->fd;
	while ((p = least_loaded(m, tried)) != NULL && sl_channel_try(p->channel, &packet) != 0)
		tried[p->number] = true;
	/* All are behind: it waits for the least loaded, as it would have in the kernel's queue. */
	if (p == NULL && (p = least_loaded(m, nobody)) != NULL &&
	    sl_channel_send(p->channel, &packet) != 0)
		p = NULL;
	if (p != NULL) {
		sl_listeners_assign(m->listeners, c->tag, p->number);
		p->connections += c->refused == NULL;
	} else {
		sl_event(&m->logs.events, SL_WARNING, "connection_dropped", SL_FIELDS(
		    SL_F_TEXT("reason", "no worker takes it")));
		sl_listeners_gone(m->listeners, c->tag, -1);
	}
	close(c->fd);
}

/* ---- ends --------------------------------------------------------------------------------- */

static struct crash *
find_crash(struct sl_master *m, const char *id, int worker)
{
	struct crash *least = &m->crashes[0];
	int i;

	for (i = 0; i < MAX_CRASHES; i++) {
		if (m->crashes[i].worker == worker && strcmp(m->crashes[i].id, id) == 0)
			return &m->crashes[i];
		if (m->crashes[i].n < least->n)
			least = &m->crashes[i];
	}
	memset(least, 0, sizeof(*least));
	snprintf(least->id, sizeof(least->id), "%s", id);
	least->worker = worker;
	return least;
}

/* What it did is in memory that it wrote: words to show, nothing to trust. */
static void
read_now(const struct process *p, char *id, char *phase, char *builtin)
{
	const struct sl_now *now = &sl_shared_counters(p->master->shared, (unsigned)p->number)->now;
	struct { char *to; const char *from; size_t n; } words[] = {
		{ id, now->id, sizeof(now->id) }, { phase, now->phase, sizeof(now->phase) },
		{ builtin, now->builtin, sizeof(now->builtin) },
	};
	size_t i, k;

	for (i = 0; i < 3; i++) {
		memcpy(words[i].to, words[i].from, words[i].n);
		words[i].to[words[i].n - 1] = '\0';
		for (k = 0; words[i].to[k] != '\0'; k++)
			if (words[i].to[k] <= ' ' || words[i].to[k] >= 0x7f)
				words[i].to[k] = '?';
	}
}

static void
tell_death(struct process *p, int status)
{
	struct sl_master *m = p->master;
	int signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	char id[72], phase[16], builtin[32];

	sl_shared_processes(m->shared)->deaths++;
	if (!is_worker(p)) {
		sl_event(&m->logs.events, SL_ERROR, "process_died", SL_FIELDS(
		    SL_F_TEXT("kind", p->kind), SL_F_INT("pid", p->pid), SL_F_INT("signal", signo),
		    SL_F_INT("status", code)));
		return;
	}
	read_now(p, id, phase, builtin);
	if (id[0] != '\0')
		find_crash(m, id, p->number)->n++;
	sl_event(&m->logs.events, SL_ERROR, "worker_died", SL_FIELDS(
	    SL_F_INT("worker", p->number), SL_F_INT("pid", p->pid), SL_F_INT("signal", signo),
	    SL_F_INT("status", code), SL_F_TEXT("id", id), SL_F_TEXT("phase", phase),
	    SL_F_TEXT("builtin", builtin)));
}

static void
forget_worker(struct process *p)
{
	struct sl_master *m = p->master;
	unsigned i;

	sl_listeners_lost(m->listeners, p->number);
	p->connections = 0;
	sl_shared_worker_died(m->shared, (unsigned)p->number);
	sl_shared_processes(m->shared)->workers = 0;
	for (i = 0; i < m->nworkers; i++)
		sl_shared_processes(m->shared)->workers += sl_process_serves(&m->workers[i]);
	if (sl_shared_processes(m->shared)->workers == 0)
		sl_listeners_hold(m->listeners, true);
}

static void
died(struct process *p, int status)
{
	struct sl_master *m = p->master;
	enum process_state was = p->state;
	struct sl_buf why = SL_BUF_INIT;

	if (p->channel != NULL)
		sl_channel_read(p->channel);
	sl_channel_free(p->channel);
	p->channel = NULL;
	p->state = GONE;
	if (p == &m->checker) {
		p->pid = 0;
		sl_master_checked(m, NULL);
		return;
	}
	if (was != LEAVING && m->state != DRAINING)
		tell_death(p, status);
	p->pid = 0;
	if (is_worker(p))
		forget_worker(p);
	if (m->state == DRAINING)
		return;
	if (m->state == STARTING_UP && is_worker(p)) {
		sl_buf_printf(&why, "worker %d ended while it started\n", p->number);
		sl_master_fail(m, why.p);
		sl_buf_clear(&why);
		return;
	}
	if (was == PREPARING)
		sl_master_load_failed(m, SL_STR("a worker died while it loaded the policy"));
	if (sl_loop_now(m->loop) - p->started > SETTLED_MS)
		p->deaths = 0;
	if (was == LEAVING && m->admin_fd >= 0)		/* the admin process of another address */
		sl_master_spawn(p);
	else if (was != LEAVING)
		restart_later(p);
}

static struct process *
find_process(struct sl_master *m, pid_t pid)
{
	struct process *others[] = { &m->state_process, &m->admin, &m->checker };
	size_t i;

	for (i = 0; i < 3; i++)
		if (others[i]->pid == pid)
			return others[i];
	for (i = 0; i < m->nworkers; i++)
		if (m->workers[i].pid == pid)
			return &m->workers[i];
	return NULL;
}

void
sl_master_reap(struct sl_master *m)
{
	struct process *p;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if ((p = find_process(m, pid)) != NULL)
			died(p, status);
}

unsigned
sl_master_alive(const struct sl_master *m)
{
	unsigned i, n = 0;

	for (i = 0; i < m->nworkers; i++)
		n += m->workers[i].pid > 0;
	return n;
}

static void
kill_process(const struct process *p)
{
	if (p->pid > 0)
		kill(p->pid, SIGKILL);
}

void
sl_master_kill_all(struct sl_master *m)
{
	unsigned i;

	for (i = 0; i < m->nworkers; i++)
		kill_process(&m->workers[i]);
	kill_process(&m->state_process);
	kill_process(&m->admin);
	kill_process(&m->checker);
}

/* ---- watchdog ------------------------------------------------------------------------------- */

static void
watch_worker(struct process *p, int64_t limit)
{
	struct sl_master *m = p->master;
	uint64_t beat = sl_shared_counters(m->shared, (unsigned)p->number)->now.beat;
	int64_t still = sl_loop_now(m->loop) - p->beat_at;
	char id[72], phase[16], builtin[32];

	if (beat != p->beat) {
		p->beat = beat;
		p->beat_at = sl_loop_now(m->loop);
		p->warned = false;
		return;
	}
	if (still < limit || (p->warned && still < 2 * limit))
		return;
	read_now(p, id, phase, builtin);
	sl_event(&m->logs.events, SL_ERROR, p->warned ? "worker_killed" : "worker_stalled", SL_FIELDS(
	    SL_F_INT("worker", p->number), SL_F_INT("pid", p->pid), SL_F_INT("ms", still),
	    SL_F_TEXT("id", id), SL_F_TEXT("phase", phase), SL_F_TEXT("builtin", builtin)));
	kill(p->pid, p->warned ? SIGKILL : SIGUSR2);
	if (!p->warned)
		sl_shared_processes(m->shared)->stalls++;
	p->warned = true;
}

void
sl_master_watch_workers(struct sl_master *m)
{
	int64_t limit = sl_plan_number(sl_buf_str(&m->plan), "watchdog", 10) * 1000;
	unsigned i;

	for (i = 0; i < m->nworkers; i++)
		if (m->workers[i].state == READY && m->workers[i].pid > 0)
			watch_worker(&m->workers[i], limit);
}
