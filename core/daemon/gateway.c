#include "gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../net/tls.h"
#include "../policy/config.h"
#include "../policy/counters.h"
#include "../queue/delivery.h"
#include "../queue/store.h"
#include "../smtp/server.h"

#define BACKLOG		512

struct listener {
	struct sl_gateway *gateway;
	struct sl_watch watch;
	int fd;
	char address[128];		/* as in sluice.lua: who has the same one keeps its socket */
	struct sl_smtp_service *service;
};

struct sl_gateway {
	struct sl_gateway_options o;
	struct sl_engine *engine;
	struct sl_thread *log_thread, *thread;
	struct sl_store *store;
	struct sl_delivery *delivery;
	struct sl_smtp_server *smtp;
	struct sl_tls *tls;
	struct listener *listeners;
	size_t nlisteners;
	char *spool;
	unsigned draining;		/* parts that aren't idle yet */
	void (*drained)(void *arg);
	void *drained_arg;
};

static const struct sl_config *
config_of(const struct sl_gateway *g)
{
	return sl_engine_config(g->engine);
}

/* ---- storing ------------------------------------------------------------------------- */

/* Wraps the store's operation: the delivery's arrays end with it. */
struct storing {
	struct sl_op op;
	struct sl_gateway *gateway;
	struct sl_op *store;
	struct sl_accept_item *items;
	struct sl_envelope *envelopes;
	struct sl_entry *entries;
};

static void
storing_free(struct sl_op *op)
{
	struct storing *s = (struct storing *)op;

	sl_op_release(s->store);
	sl_free(s->items);
	sl_free(s->envelopes);
	sl_free(s->entries);
	sl_free(s);
}

static void
storing_cancel(struct sl_op *op)
{
	(void)op;
}

static const struct sl_op_class storing_class = { "store", storing_cancel, storing_free };

static void
stored(struct sl_op *op, void *arg)
{
	struct storing *s = arg;

	if (op->status == 0) {
		if (s->gateway->o.counters != NULL)
			s->gateway->o.counters->stored++;
		sl_delivery_kick(s->gateway->delivery);
	}
	sl_op_finish(&s->op, op->status);
}

static void
fill_entries(const struct sl_out_message *m, int64_t now, struct sl_entry *entries)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		entries[i] = (struct sl_entry){
			.recipient = (char *)(uintptr_t)m->recipients[i].recipient,
			.transport = (char *)(uintptr_t)m->recipients[i].transport,
			.metadata = (char *)(uintptr_t)m->recipients[i].metadata,
			.state = m->quarantine != NULL ? SL_ENTRY_HELD : SL_ENTRY_QUEUED,
			.next_us = now + (int64_t)(m->recipients[i].delay * 1e6),
		};
}

static void
fill(struct storing *s, const struct sl_smtp_delivery *d)
{
	struct sl_entry *entries = s->entries;
	size_t i;

	for (i = 0; i < d->n; i++) {
		fill_entries(&d->messages[i], d->received_us, entries);
		s->envelopes[i] = (struct sl_envelope){
			.id = (char *)(uintptr_t)d->messages[i].id,
			.sender = (char *)(uintptr_t)d->messages[i].sender,
			.facts = (char *)(uintptr_t)d->facts,
			.quarantine = (char *)(uintptr_t)d->messages[i].quarantine,
			.received_us = d->received_us,
			.n = d->messages[i].n, .entries = entries,
		};
		s->items[i] = (struct sl_accept_item){ &s->envelopes[i], d->messages[i].pieces,
			d->messages[i].npieces };
		entries += d->messages[i].n;
	}
}

static struct sl_op *
store(void *arg, const struct sl_smtp_delivery *d)
{
	struct sl_gateway *g = arg;
	struct storing *s = sl_calloc(1, sizeof(*s));
	size_t i, n = 0;

	if (s == NULL)
		return NULL;
	for (i = 0; i < d->n; i++)
		n += d->messages[i].n;
	sl_op_init(&s->op, &storing_class, g->o.loop, 0);
	s->gateway = g;
	s->items = sl_calloc(d->n + 1, sizeof(*s->items));
	s->envelopes = sl_calloc(d->n + 1, sizeof(*s->envelopes));
	s->entries = sl_calloc(n + 1, sizeof(*s->entries));
	if (s->items != NULL && s->envelopes != NULL && s->entries != NULL) {
		fill(s, d);
		s->store = sl_store_accept_all(g->store, s->items, d->n);
	}
	if (s->store == NULL) {
		storing_free(&s->op);
		return NULL;
	}
	sl_op_wait(s->store, stored, s);
	return &s->op;
}

/* ---- what delivery asks ------------------------------------------------------------------ */

static bool
route(void *arg, const char *name, struct sl_route *out)
{
	static const int kinds[] = {
		[SL_HOST] = SL_ROUTE_SMTP, [SL_MX] = SL_ROUTE_MX, [SL_LMTP] = SL_ROUTE_LMTP,
		[SL_MAILDIR] = SL_ROUTE_MAILDIR, [SL_DISCARD] = SL_ROUTE_DISCARD,
	};
	const struct sl_gateway *g = arg;
	const struct sl_transport *t = sl_config_transport(config_of(g), name);

	if (t == NULL)
		return false;
	memset(out, 0, sizeof(*out));
	out->kind = kinds[t->kind];
	out->host = t->host;
	out->port = (int)t->port;
	out->tls = (int)t->tls;
	out->username = t->username;
	out->password = t->password;
	out->source = t->source;
	out->helo = t->helo;
	out->path = t->path;
	out->timeout_ms = (int64_t)(t->timeout * 1000);
	return true;
}

/* A row of the domain's own, of any server, before a "*". */
static const char *
transport(void *arg, const char *recipient)
{
	const struct sl_config *c = config_of(arg);
	const char *at = strrchr(recipient, '@');
	const struct sl_relay_row *row, *any = NULL;
	size_t i;

	for (i = 0; i < c->nservers; i++) {
		row = sl_relay_find(c->servers[i].relay, at != NULL ? at + 1 : "");
		if (row != NULL && !row->any)
			return row->transport;
		if (row != NULL && any == NULL)
			any = row;
	}
	return any != NULL ? any->transport : NULL;
}

static double
schedule(void *arg, unsigned retry, double age)
{
	const struct sl_config *c = config_of(arg);

	if (age > c->expire)
		return -1;
	return c->retry[retry - 1 < c->nretry ? retry - 1 : c->nretry - 1];
}

static unsigned
attempts(void *arg)
{
	const struct sl_config *c = config_of(arg);
	double sum = 0;
	unsigned n = 0;

	while (sum < c->expire && n < 10000) {
		sum += c->retry[n < c->nretry ? n : c->nretry - 1];
		n++;
	}
	return n;
}

static struct sl_dns *
resolver(void *arg)
{
	return sl_engine_resolver(((struct sl_gateway *)arg)->engine);
}

static const char *
hostname(void *arg)
{
	return config_of(arg)->hostname;
}

static void
told(void *arg, const char *what)
{
	struct sl_counters *c = ((struct sl_gateway *)arg)->o.counters;

	if (c == NULL)
		return;
	if (strcmp(what, "delivered") == 0)
		c->delivered++;
	else if (strcmp(what, "deferred") == 0)
		c->deferred++;
	else if (strcmp(what, "bounced") == 0)
		c->bounced++;
}

/* ---- listeners -------------------------------------------------------------------------------- */

static int
bind_address(const struct sl_listener *l, struct sl_buf *report)
{
	int fd, one = 1;

	fd = socket(l->addr.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		goto fail;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &l->addr.sa, l->addr.len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
fail:
	sl_buf_printf(report, "listen %s: %s\n", l->smtp, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static void
on_connection(struct sl_watch *watch, unsigned events)
{
	struct listener *l = sl_list_entry(watch, struct listener, watch);
	int fd, i;

	(void)events;
	for (i = 0; i < 64; i++) {	/* others get their turn */
		fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		sl_smtp_server_accept(l->gateway->smtp, l->service, fd, NULL);
	}
}

static struct sl_smtp_service *
make_service(struct sl_gateway *g, const struct sl_listener *l, struct sl_err *err)
{
	const struct sl_config *c = config_of(g);
	const struct sl_server *server = sl_config_server(c, l->server);
	struct sl_smtp_service_options o = {
		.hostname = c->hostname, .server = l->server, .spool = g->spool,
		.tls = l->tls != SL_TLS_NONE ? g->tls : NULL,
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

static int
take_socket(struct sl_gateway *g, const char *address)
{
	size_t i;
	int fd;

	for (i = 0; i < g->nlisteners; i++)
		if (strcmp(g->listeners[i].address, address) == 0 && g->listeners[i].fd >= 0) {
			fd = g->listeners[i].fd;
			sl_watch_stop(&g->listeners[i].watch);
			g->listeners[i].fd = -1;
			return fd;
		}
	return -1;
}

static void
close_listeners(struct listener *listeners, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		sl_watch_stop(&listeners[i].watch);
		if (listeners[i].fd >= 0)
			close(listeners[i].fd);
		if (listeners[i].service != NULL)
			sl_smtp_service_unref(listeners[i].service);
	}
	sl_free(listeners);
}

static int
open_tls(struct sl_gateway *g, struct sl_buf *report)
{
	const struct sl_config *c = config_of(g);
	struct sl_tls_options o = { .cert_pem = c->tls.cert_pem, .key_pem = c->tls.key_pem };
	struct sl_tls *tls;
	struct sl_err err;

	if (c->tls.cert_pem.n == 0)
		return 0;
	tls = sl_tls_server(&o, &err);
	if (tls == NULL) {
		sl_buf_printf(report, "tls: %s\n", err.text);
		return SL_ERR_INVAL;
	}
	sl_tls_unref(g->tls);
	g->tls = tls;
	return 0;
}

/* The sockets of addresses that stay are kept. */
static int
open_listeners(struct sl_gateway *g, struct sl_buf *report)
{
	const struct sl_config *c = config_of(g);
	struct listener *list = sl_calloc(c->nlisteners + 1, sizeof(*list));
	struct sl_err err;
	size_t i;
	int rc = open_tls(g, report);

	if (list == NULL)
		return SL_ERR_NOMEM;
	for (i = 0; i < c->nlisteners; i++) {
		list[i].gateway = g;
		snprintf(list[i].address, sizeof(list[i].address), "%s", c->listeners[i].smtp);
		list[i].fd = take_socket(g, list[i].address);
		if (list[i].fd < 0)
			list[i].fd = bind_address(&c->listeners[i], report);
		list[i].service = make_service(g, &c->listeners[i], &err);
		if (list[i].fd < 0 || list[i].service == NULL)
			rc = SL_ERR_IO;
		else
			sl_watch_start(g->o.loop, &list[i].watch, list[i].fd, SL_READ, on_connection);
	}
	close_listeners(g->listeners, g->nlisteners);
	g->listeners = list;
	g->nlisteners = c->nlisteners;
	return rc;
}

/* ---- life ----------------------------------------------------------------------------------------- */

static int
load(struct sl_gateway *g, struct sl_buf *report)
{
	struct sl_generation *generation;
	int rc = sl_engine_prepare_folder(g->engine, g->o.folder, &generation, report);

	if (rc == 0)
		sl_engine_commit(g->engine, generation);
	return rc;
}

static int
make_folder(const char *path, struct sl_buf *report)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	sl_buf_printf(report, "%s: %s\n", path, strerror(errno));
	return SL_ERR_IO;
}

static int
open_spool(struct sl_gateway *g, struct sl_buf *report)
{
	const char *spool = g->o.spool != NULL ? g->o.spool : config_of(g)->spool;
	struct sl_buf path = SL_BUF_INIT;
	int rc;

	if (spool[0] != '/' && g->o.spool == NULL)
		sl_buf_printf(&path, "%s/", g->o.folder);
	sl_buf_puts(&path, spool);
	g->spool = sl_buf_take(&path, NULL);
	if (g->spool == NULL)
		return SL_ERR_NOMEM;
	if ((rc = make_folder(g->spool, report)) != 0)
		return rc;
	sl_buf_printf(&path, "%s/queue", g->spool);
	rc = path.failed ? SL_ERR_NOMEM : make_folder(path.p, report);
	sl_buf_clear(&path);
	return rc;
}

static int
open_queue(struct sl_gateway *g, struct sl_buf *report)
{
	struct sl_store_options o = { .thread = g->log_thread, .events = g->o.events };
	struct sl_buf path = SL_BUF_INIT;
	struct sl_err err;
	int rc;

	sl_buf_printf(&path, "%s/queue/00", g->spool);
	if (path.failed)
		return SL_ERR_NOMEM;
	o.folder = path.p;
	rc = sl_store_open(&g->store, g->o.loop, &o, &err);
	if (rc != 0)
		sl_buf_printf(report, "%s\n", err.text);
	sl_buf_clear(&path);
	return rc;
}

static int
open_parts(struct sl_gateway *g, struct sl_buf *report)
{
	const struct sl_config *c = config_of(g);
	struct sl_smtp_server_options s = {
		.loop = g->o.loop, .engine = g->engine, .events = g->o.events, .store = store,
		.store_arg = g, .connections = (size_t)c->connections.total,
		.connections_per_ip = (size_t)c->connections.per_ip,
	};
	struct sl_delivery_options d = {
		.loop = g->o.loop, .engine = g->engine, .store = g->store,
		.dns = resolver, .thread = g->thread, .events = g->o.events,
		.route = route, .transport = transport, .schedule = schedule, .attempts = attempts, .hostname = hostname,
		.told = told, .arg = g,
	};
	struct sl_err err;

	g->smtp = sl_smtp_server_new(&s, &err);
	if (g->smtp != NULL)
		g->delivery = sl_delivery_new(&d, &err);
	if (g->delivery == NULL) {
		sl_buf_printf(report, "%s\n", err.text);
		return err.code;
	}
	return open_listeners(g, report);
}

static int
open_all(struct sl_gateway *g, struct sl_buf *report)
{
	struct sl_engine_options e = { .loop = g->o.loop, .events = g->o.events, .gateway = true,
		.stdlib = g->o.stdlib };
	struct sl_err err = { 0 };
	int rc;

	g->engine = sl_engine_new(&e, &err);
	g->log_thread = sl_thread_new(g->o.loop, "queue", &err);
	g->thread = sl_thread_new(g->o.loop, "files", &err);
	if (g->engine == NULL || g->log_thread == NULL || g->thread == NULL) {
		sl_buf_printf(report, "%s\n", err.text);
		return SL_ERR_NOMEM;
	}
	sl_engine_count(g->engine, g->o.counters);
	if ((rc = load(g, report)) != 0 || (rc = open_spool(g, report)) != 0 ||
	    (rc = open_queue(g, report)) != 0)
		return rc;
	return open_parts(g, report);
}

int
sl_gateway_open(struct sl_gateway **out, const struct sl_gateway_options *options,
    struct sl_buf *report)
{
	struct sl_gateway *g = sl_calloc(1, sizeof(*g));
	int rc;

	if (g == NULL)
		return SL_ERR_NOMEM;
	g->o = *options;
	rc = open_all(g, report);
	if (rc != 0) {
		sl_gateway_close(g);
		return rc;
	}
	*out = g;
	return 0;
}

int
sl_gateway_reload(struct sl_gateway *g, struct sl_buf *report)
{
	int rc = load(g, report);

	if (rc != 0) {
		sl_event(g->o.events, SL_ERROR, "reload_failed", SL_FIELDS(
		    SL_F_STR("errors", sl_buf_str(report))));
		return rc;
	}
	return open_listeners(g, report);
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
	close_listeners(g->listeners, g->nlisteners);
	g->listeners = NULL;
	g->nlisteners = 0;
	g->drained = done;
	g->drained_arg = arg;
	g->draining = 2;
	sl_smtp_server_drain(g->smtp, part_idle, g);
	sl_delivery_drain(g->delivery, part_idle, g);
}

void
sl_gateway_close(struct sl_gateway *g)
{
	if (g == NULL)
		return;
	close_listeners(g->listeners, g->nlisteners);
	if (g->smtp != NULL)
		sl_smtp_server_free(g->smtp);
	sl_delivery_free(g->delivery);
	sl_store_close(g->store);
	sl_engine_free(g->engine);
	sl_thread_free(g->log_thread);
	sl_thread_free(g->thread);
	sl_tls_unref(g->tls);
	sl_free(g->spool);
	sl_free(g);
}

struct sl_engine *
sl_gateway_engine(struct sl_gateway *g)
{
	return g->engine;
}

struct sl_store *
sl_gateway_store(struct sl_gateway *g)
{
	return g->store;
}

struct sl_delivery *
sl_gateway_delivery(struct sl_gateway *g)
{
	return g->delivery;
}
