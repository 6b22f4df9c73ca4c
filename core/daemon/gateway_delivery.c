/* What delivery asks of the policy that serves now, and of other workers. */
#include "gateway_private.h"

#include <string.h>

static const struct sl_config *
config_of(const struct sl_gateway *g)
{
	return sl_engine_config(g->engine);
}

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
	out->connections = (unsigned)t->connections;
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
	const struct sl_gateway *g = arg;
	struct sl_counters *c = sl_shared_counters(g->o.shared, g->o.worker);

	if (strcmp(what, "delivered") == 0)
		c->delivered++;
	else if (strcmp(what, "deferred") == 0)
		c->deferred++;
	else if (strcmp(what, "bounced") == 0)
		c->bounced++;
}

static bool
slot_take(void *arg, const char *destination, unsigned limit)
{
	const struct sl_gateway *g = arg;

	return sl_shared_slot_take(g->o.shared, g->o.worker, destination, limit);
}

static void
slot_give(void *arg, const char *destination)
{
	const struct sl_gateway *g = arg;

	sl_shared_slot_give(g->o.shared, g->o.worker, destination);
}

struct sl_delivery *
sl_gateway_delivery(struct sl_gateway *g, struct sl_err *err)
{
	struct sl_delivery_options o = {
		.loop = g->o.loop, .engine = g->engine, .store = g->store, .dns = resolver,
		.thread = g->thread, .events = g->o.events, .route = route, .transport = transport,
		.schedule = schedule, .attempts = attempts, .hostname = hostname, .told = told,
		.slot_take = slot_take, .slot_give = slot_give, .arg = g,
	};

	return sl_delivery_new(&o, err);
}
