/*
 * Resolver, HTTP client and state as the running policy wants them. What the
 * host gave stays the host's.
 */
#include <string.h>

#include "../base/alloc.h"
#include "../dns/dns.h"
#include "../state/state.h"
#include "engine.h"

#define MAX_SERVERS	16

static struct sl_dns *
open_dns(struct sl_engine *e, const struct sl_config *c, struct sl_err *err)
{
	static const int dnssec[] = { -1, 1, 0 };
	const char *servers[MAX_SERVERS + 1] = { NULL };
	struct sl_dns_options o = {
		.zone = c->dns.zone_text, .zone_only = c->dns.zone_only,
		.dnssec = dnssec[c->dns.dnssec], .timeout_ms = (int64_t)(c->dns.timeout * 1000),
		.events = e->events, .servers = servers,
	};
	size_t i;

	for (i = 0; i < json_array_size(c->dns.servers) && i < MAX_SERVERS; i++)
		servers[i] = json_string_value(json_array_get(c->dns.servers, i));
	return sl_dns_open(e->loop, &o, err);
}

/* A resolver that can't be made is an error of prepare: the old one serves on. */
int
sl_services_prepare(struct sl_engine *e, struct sl_generation *g, struct sl_buf *report)
{
	struct sl_err err;

	if (e->dns != NULL && !e->own_dns)
		return 0;
	g->dns = open_dns(e, g->config, &err);
	if (g->dns != NULL)
		return 0;
	sl_buf_printf(report, "dns: %s\n", err.text);
	return SL_ERR_INVAL;
}

/* Questions under way belong to the old generation's resolver, which lives as
 * long as that generation. */
void
sl_services_open(struct sl_engine *e)
{
	if (e->generation->dns != NULL) {
		e->dns = e->generation->dns;
		e->own_dns = true;
	}
	if (e->state == NULL) {
		e->state = sl_state_local(e->loop);
		e->own_state = true;
	}
}

void
sl_services_close(struct sl_engine *e)
{
	if (e->own_state)
		sl_state_free(e->state);
}
