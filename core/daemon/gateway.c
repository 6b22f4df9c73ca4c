#include "gateway_private.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../net/tls.h"
#include "../policy/counters.h"

#define GAUGE_MS	1000
#define LOCK_MS		5000	/* to wait for the lock of the queue */
#define MAX_ADOPTED	1024	/* shards at one start */
#define RETIRED		1000	/* added to the number of a shard that has no worker */

static struct sl_counters *
counters_of(const struct sl_gateway *g)
{
	return sl_shared_counters(g->o.shared, g->o.worker);
}

/* ---- how listeners serve --------------------------------------------------------- */

static struct sl_tls *
open_tls(const struct sl_config *c, struct sl_err *err)
{
	struct sl_tls_options o = { .cert_pem = c->tls.cert_pem, .key_pem = c->tls.key_pem };

	err->code = 0;
	return c->tls.cert_pem.n > 0 ? sl_tls_server(&o, err) : NULL;
}

static struct sl_smtp_service *
make_service(const struct sl_gateway *g, const struct sl_config *c, const struct sl_listener *l,
    struct sl_tls *tls, struct sl_err *err)
{
	const struct sl_server *server = sl_config_server(c, l->server);
	struct sl_smtp_service_options o = {
		.hostname = c->hostname, .server = l->server, .spool = g->spool,
		.tls = l->tls != SL_TLS_NONE ? tls : NULL,
		.tls_implicit = l->tls == SL_TLS_IMPLICIT, .tls_required = l->tls == SL_TLS_REQUIRED,
		.auth = l->auth != SL_AUTH_NONE, .auth_in_clear = l->auth_in_clear,
		.auth_required = l->auth == SL_AUTH_REQUIRED, .submission = server->submission,
		.fix_line_ends = c->line_ends == 1, .size = (uint64_t)c->size,
		.recipients = (size_t)c->recipients, .hops = (size_t)c->hops,
		.timeout_ms = (int64_t)(c->timeouts.command * 1000),
		.message_ms = (int64_t)(c->timeouts.message * 1000),
		.reload_grace_ms = (int64_t)(c->reload_grace * 1000),
	};

	return sl_smtp_service_new(&o, err);
}

static struct sl_milter_service *
make_milter_service(const struct sl_gateway *g, const struct sl_config *c,
    const struct sl_listener *l, struct sl_err *err)
{
	struct sl_milter_service_options o = {
		.server = l->server, .authenticated = l->authenticated, .trusted = l->trusted,
		.spool = g->spool, .size = (uint64_t)c->size, .recipients = (size_t)c->recipients,
		.timeout_ms = (int64_t)(c->milter.timeout * 1000),
		.progress_ms = (int64_t)(c->milter.progress * 1000),
	};

	return sl_milter_service_new(&o, err);
}

static void
close_services(struct sl_services *s)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		sl_smtp_service_unref(s->list[i].smtp);
		sl_milter_service_unref(s->list[i].milter);
	}
	sl_free(s->list);
	*s = (struct sl_services){ 0 };
}

static int
open_services(const struct sl_gateway *g, const struct sl_config *c, struct sl_services *out,
    struct sl_err *err)
{
	struct sl_tls *tls = open_tls(c, err);
	const struct sl_listener *l;
	struct service *s;

	if (err->code != 0)
		return sl_err_prefix(err, "tls");
	out->list = sl_calloc(c->nlisteners + 1, sizeof(*out->list));
	while (out->list != NULL && out->n < c->nlisteners) {
		s = &out->list[out->n];
		l = &c->listeners[out->n];
		snprintf(s->address, sizeof(s->address), "%s", l->address);
		if (l->milter != NULL)
			s->milter = make_milter_service(g, c, l, err);
		else
			s->smtp = make_service(g, c, l, tls, err);
		if (s->smtp == NULL && s->milter == NULL)
			break;
		out->n++;
	}
	sl_tls_unref(tls);
	if (out->n == c->nlisteners && out->list != NULL)
		return 0;
	close_services(out);
	return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
}

/* ---- connections ------------------------------------------------------------------- */

static const struct service *
find_service(const struct sl_services *s, const char *address)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (strcmp(s->list[i].address, address) == 0)
			return &s->list[i];
	return NULL;
}

static void
closed(void *arg, uint64_t tag)
{
	struct sl_gateway *g = arg;

	g->o.closed(g->o.arg, tag);
}

static bool
accept_smtp(struct sl_gateway *g, struct sl_smtp_service *service, const struct sl_connection *c)
{
	if (c->refused == NULL)
		return sl_smtp_server_accept(g->smtp, service, c->fd, NULL, c->tag) == 0;
	sl_smtp_server_refuse(g->smtp, service, c->fd, c->refused);
	return false;
}

static bool
accept_milter(struct sl_gateway *g, struct sl_milter_service *service,
    const struct sl_connection *c)
{
	if (c->refused == NULL)
		return sl_milter_server_accept(g->milter, service, c->fd, c->tag) == 0;
	sl_milter_server_refuse(g->milter, c->fd, c->refused);
	return false;
}

void
sl_gateway_accept(struct sl_gateway *g, const struct sl_connection *c)
{
	const struct service *service = find_service(&g->services, c->listener);
	bool taken = false;

	if (service == NULL)		/* it was on its way while its listener went away */
		close(c->fd);
	else
		taken = service->smtp != NULL ? accept_smtp(g, service->smtp, c) :
		    accept_milter(g, service->milter, c);
	if (!taken)
		closed(g, c->tag);
}

/* ---- policies ------------------------------------------------------------------------ */

const struct sl_config *
sl_gateway_config(const struct sl_gateway *g)
{
	return g->prepared != NULL ? sl_generation_config(g->prepared) : sl_engine_config(g->engine);
}

const char *
sl_gateway_generation(const struct sl_gateway *g)
{
	return g->prepared != NULL ? sl_generation_name(g->prepared) : sl_engine_generation(g->engine);
}

void
sl_gateway_forget(struct sl_gateway *g)
{
	sl_generation_free(g->prepared);
	g->prepared = NULL;
	close_services(&g->services_prepared);
}

int
sl_gateway_prepare(struct sl_gateway *g, int image, struct sl_buf *report)
{
	struct sl_err err;
	int rc;

	sl_gateway_forget(g);
	rc = sl_engine_prepare(g->engine, image, &g->prepared, report);
	if (rc != 0)
		return rc;
	rc = open_services(g, sl_generation_config(g->prepared), &g->services_prepared, &err);
	if (rc != 0) {
		sl_buf_printf(report, "%s\n", err.text);
		sl_gateway_forget(g);
	}
	return rc;
}

void
sl_gateway_switch(struct sl_gateway *g)
{
	if (g->prepared == NULL)
		return;
	sl_engine_commit(g->engine, g->prepared);
	g->prepared = NULL;
	sl_shadow_load(g->shadow);
	close_services(&g->services);
	g->services = g->services_prepared;
	g->services_prepared = (struct sl_services){ 0 };
}

/* ---- life ------------------------------------------------------------------------------ */

static int
make_folder(const char *path, struct sl_buf *report)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	sl_buf_printf(report, "%s: %s\n", path, strerror(errno));
	return SL_ERR_IO;
}

static int
open_queue(struct sl_gateway *g, struct sl_buf *report)
{
	struct sl_store_options o = { .thread = g->log_thread, .events = g->o.events,
		.lock_ms = LOCK_MS };
	struct sl_buf path = SL_BUF_INIT;
	struct sl_err err;
	int rc;

	sl_buf_printf(&path, "%s/queue", g->spool);
	rc = path.failed ? SL_ERR_NOMEM : make_folder(path.p, report);
	sl_buf_printf(&path, "/%02u", g->o.worker);
	if (rc != 0 || path.failed) {
		sl_buf_clear(&path);
		return SL_ERR_IO;
	}
	o.folder = path.p;
	rc = sl_store_open(&g->store, g->o.loop, &o, &err);
	if (rc != 0)
		sl_buf_printf(report, "%s\n", err.text);
	sl_buf_clear(&path);
	return rc;
}

static void
adopt(struct sl_gateway *g, const char *folder)
{
	struct sl_err err;
	size_t moved;
	int rc = sl_store_adopt(g->store, folder, &moved, &err);

	if (rc != 0)
		sl_event(g->o.events, SL_ERROR, "shard_not_adopted", SL_FIELDS(
		    SL_F_TEXT("folder", folder), SL_F_TEXT("error", err.text)));
	if (moved > 0)
		sl_event(g->o.events, SL_NOTICE, "shard_adopted", SL_FIELDS(
		    SL_F_TEXT("folder", folder), SL_F_INT("messages", moved)));
}

/* The path of a shard. */
static const char *
shard(const struct sl_gateway *g, uint64_t n, struct sl_buf *path)
{
	sl_buf_reset(path);
	sl_buf_printf(path, "%s/queue/%02llu", g->spool, (unsigned long long)n);
	return path->failed ? "" : path->p;
}

/*
 * Out of reach of later workers' numbers: a kill in the middle of adopting,
 * and then more workers, would else deliver what is in both shards twice.
 */
static void
retire(struct sl_gateway *g, uint64_t n)
{
	struct sl_buf from = SL_BUF_INIT, to = SL_BUF_INIT;
	uint64_t as = n + RETIRED;

	while (access(shard(g, as, &to), F_OK) == 0)
		as += RETIRED;
	shard(g, n, &from);
	if (from.failed || to.failed || rename(from.p, to.p) != 0) {
		sl_event(g->o.events, SL_ERROR, "shard_not_adopted", SL_FIELDS(
		    SL_F_INT("shard", n), SL_F_TEXT("error", strerror(errno))));
	} else {
		sl_buf_reset(&from);
		sl_buf_printf(&from, "%s/queue", g->spool);
		if (!from.failed)
			sl_file_real.sync_folder(NULL, from.p);
		adopt(g, to.p);
	}
	sl_buf_clear(&from);
	sl_buf_clear(&to);
}

/* Shards of workers that there are no more: the first worker takes them. */
static void
adopt_shards(struct sl_gateway *g)
{
	unsigned workers = sl_shared_workers(g->o.shared);
	uint64_t numbers[MAX_ADOPTED], n;
	struct sl_buf path = SL_BUF_INIT;
	size_t found = 0, i;
	struct dirent *e;
	DIR *dir;

	sl_buf_printf(&path, "%s/queue", g->spool);
	dir = path.failed || g->o.worker != 0 ? NULL : opendir(path.p);
	while (dir != NULL && found < MAX_ADOPTED && (e = readdir(dir)) != NULL)
		if (sl_str_u64(sl_str_of(e->d_name), &n) && n >= workers)
			numbers[found++] = n;
	if (dir != NULL)
		closedir(dir);
	for (i = 0; i < found; i++)
		if (numbers[i] >= RETIRED)
			adopt(g, shard(g, numbers[i], &path));
	for (i = 0; i < found; i++)
		if (numbers[i] < RETIRED)
			retire(g, numbers[i]);
	sl_buf_clear(&path);
}

void
sl_gateway_hold(struct sl_gateway *g, const char *id)
{
	const struct sl_envelope *m = sl_store_get(g->store, id);
	struct sl_op *op;

	if (m == NULL)
		return;
	op = sl_store_hold(g->store, id, "crashed");
	if (op == NULL || sl_op_block(op) != 0)
		sl_event(g->o.events, SL_ERROR, "message_not_held", SL_FIELDS(SL_F_TEXT("id", id)));
	else
		sl_event(g->o.events, SL_WARNING, "message_held", SL_FIELDS(SL_F_TEXT("id", id),
		    SL_F_TEXT("quarantine", "crashed")));
	sl_op_release(op);
}

/* The numbers that come and go. */
static void
gauge(struct sl_timer *timer)
{
	struct sl_gateway *g = sl_list_entry(timer, struct sl_gateway, gauges);
	struct sl_counters *c = counters_of(g);

	c->held = sl_store_held(g->store);
	c->queue = sl_store_count(g->store) - c->held;
	c->sessions = sl_smtp_server_counters(g->smtp)->sessions;
	c->milters = sl_milter_server_counters(g->milter)->sessions;
	c->runs = sl_engine_runs(g->engine);
	sl_timer_start(g->o.loop, &g->gauges, GAUGE_MS, gauge);
}

static int
open_engine(struct sl_gateway *g, struct sl_err *err)
{
	struct sl_engine_parts parts = { .loop = g->o.loop, .events = g->o.events,
		.state = g->o.state };
	struct sl_engine_options e = { .gateway = true, .stdlib = g->o.stdlib, .parts = &parts };

	g->engine = sl_engine_new(&e, err);
	if (g->engine != NULL)
		g->log_thread = sl_thread_new(g->o.loop, "queue", err);
	if (g->log_thread != NULL)
		g->thread = sl_thread_new(g->o.loop, "files", err);
	if (g->thread == NULL)
		return err->code;
	g->shadow = sl_shadow_new(&(struct sl_shadow_options){ .loop = g->o.loop, .engine = g->engine,
	    .events = g->o.events, .state = g->o.state, .stdlib = g->o.stdlib });
	if (g->shadow == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	sl_engine_count(g->engine, counters_of(g), sl_shared_metrics(g->o.shared));
	sl_loop_measure(g->o.loop, &counters_of(g)->operations);
	return 0;
}

int
sl_gateway_open(struct sl_gateway **out, const struct sl_gateway_options *options, int image,
    struct sl_buf *report)
{
	struct sl_gateway *g = sl_calloc(1, sizeof(*g));
	struct sl_err err = { 0 };
	int rc;

	if (g == NULL)
		return SL_ERR_NOMEM;
	g->o = *options;
	g->policy = options->policy != NULL ? sl_strdup(options->policy) : NULL;
	rc = open_engine(g, &err);
	if (rc != 0)
		sl_buf_printf(report, "%s\n", err.text);
	else
		rc = sl_engine_prepare(g->engine, image, &g->prepared, report);
	if (rc != 0) {
		sl_gateway_close(g);
		return rc;
	}
	*out = g;
	return 0;
}

int
sl_gateway_start(struct sl_gateway *g, const char *spool, struct sl_buf *report)
{
	struct sl_smtp_server_options s = {
		.loop = g->o.loop, .engine = g->engine, .events = g->o.events,
		.store = sl_gateway_store, .store_arg = g, .closed = closed, .closed_arg = g,
	};
	struct sl_milter_server_options m = {
		.loop = g->o.loop, .engine = g->engine, .events = g->o.events, .closed = closed,
		.closed_arg = g,
	};
	struct sl_err err = { 0 };
	int rc;

	g->spool = sl_strdup(spool);
	if (g->spool == NULL || make_folder(spool, report) != 0)
		return SL_ERR_IO;
	rc = open_services(g, sl_gateway_config(g), &g->services_prepared, &err);
	if (rc != 0)
		goto fail;
	sl_gateway_switch(g);
	if ((rc = open_queue(g, report)) != 0)
		return rc;
	adopt_shards(g);
	g->smtp = sl_smtp_server_new(&s, &err);
	if (g->smtp != NULL)
		g->milter = sl_milter_server_new(&m, &err);
	if (g->milter != NULL)
		return 0;
	rc = err.code;
fail:
	sl_buf_printf(report, "%s\n", err.text);
	return rc;
}

/* Without it operators wait for the lock: no reason not to serve. */
static void
open_control(struct sl_gateway *g)
{
	struct sl_buf folder = SL_BUF_INIT;
	struct sl_err err;
	int rc;

	sl_buf_printf(&folder, "%s/queue/%02u", g->spool, g->o.worker);
	rc = folder.failed ? sl_err_set(&err, SL_ERR_NOMEM, "out of memory") :
	    sl_queue_control_open(&g->control, g->o.loop, folder.p, g->store, g->delivery,
	    g->o.events, &err);
	if (rc != 0)
		sl_event(g->o.events, SL_WARNING, "control_not_open", SL_FIELDS(
		    SL_F_TEXT("error", err.text)));
	else
		sl_gateway_capture(g);
	sl_buf_clear(&folder);
}

int
sl_gateway_deliver(struct sl_gateway *g, struct sl_buf *report)
{
	struct sl_err err;

	g->delivery = sl_gateway_delivery(g, &err);
	if (g->delivery == NULL) {
		sl_buf_printf(report, "%s\n", err.text);
		return err.code;
	}
	gauge(&g->gauges);
	open_control(g);
	return 0;
}

void
sl_gateway_interrupt(struct sl_gateway *g)
{
	sl_engine_interrupt(g->engine);
	sl_shadow_interrupt(g->shadow);
}

static void
part_idle(void *arg)
{
	struct sl_gateway *g = arg;

	if (--g->draining == 0)
		g->drained(g->drained_arg);
}

void
sl_gateway_drain(struct sl_gateway *g, void (*done)(void *arg), void *arg)
{
	g->drained = done;
	g->drained_arg = arg;
	g->draining = 4;
	sl_smtp_server_drain(g->smtp, part_idle, g);
	sl_milter_server_drain(g->milter, part_idle, g);
	sl_delivery_drain(g->delivery, part_idle, g);
	sl_engine_background_drain(g->engine, part_idle, g);
}

void
sl_gateway_close(struct sl_gateway *g)
{
	if (g == NULL)
		return;
	sl_timer_stop(&g->gauges);
	sl_loop_measure(g->o.loop, NULL);
	sl_smtp_server_free(g->smtp);
	sl_milter_server_free(g->milter);
	sl_queue_control_close(g->control);
	sl_delivery_free(g->delivery);
	sl_store_close(g->store);
	sl_gateway_forget(g);
	close_services(&g->services);
	sl_shadow_free(g->shadow);
	sl_engine_free(g->engine);
	sl_thread_free(g->log_thread);
	sl_thread_free(g->thread);
	sl_free(g->policy);
	sl_free(g->spool);
	sl_free(g);
}
