/*
 * Resolver, HTTP client and state as the running policy wants them. What the
 * host gave stays the host's.
 */
#include <string.h>

#include "../base/alloc.h"
#include "../dns/dns.h"
#include "../http/api.h"
#include "../http/client.h"
#include "../state/state.h"
#include "engine.h"

#define MAX_SERVERS	16

#define MAX_OTHERS	16

static struct sl_dns *
open_dns_at(struct sl_engine *e, const struct sl_config *c, const char *const *servers,
    struct sl_err *err)
{
	static const int dnssec[] = { -1, 1, 0 };
	struct sl_dns_options o = {
		.zone = c->dns.zone_text, .zone_only = c->dns.zone_only,
		.dnssec = dnssec[c->dns.dnssec], .anchor = c->dns.anchor_text,
		.timeout_ms = (int64_t)(c->dns.timeout * 1000),
		.events = e->events, .servers = servers, .host = e->dns_host,
	};

	return sl_dns_open(e->loop, &o, err);
}

static struct sl_dns *
open_dns(struct sl_engine *e, const struct sl_config *c, struct sl_err *err)
{
	const char *servers[MAX_SERVERS + 1] = { NULL };
	size_t i;

	for (i = 0; i < json_array_size(c->dns.servers) && i < MAX_SERVERS; i++)
		servers[i] = json_string_value(json_array_get(c->dns.servers, i));
	return open_dns_at(e, c, servers, err);
}

static void
free_dns(void *dns)
{
	sl_dns_unref(dns);
}

struct sl_dns *
sl_services_dns_at(struct sl_engine *e, struct sl_generation *g, const char *const *servers,
    struct sl_err *err)
{
	struct sl_buf key = SL_BUF_INIT;
	struct sl_dns *dns = NULL;
	size_t i;

	for (i = 0; servers[i] != NULL; i++)
		sl_buf_printf(&key, "%s ", servers[i]);
	if (g->others == NULL)
		g->others = sl_dict_new();
	if (key.failed || g->others == NULL) {
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	} else if ((dns = sl_dict_get(g->others, sl_buf_str(&key))) != NULL) {
		;
	} else if (sl_dict_count(g->others) == MAX_OTHERS) {
		sl_err_set(err, SL_ERR_LIMIT, "the policy asks more than 16 lists of DNS servers");
	} else if ((dns = open_dns_at(e, g->config, servers, err)) != NULL &&
	    sl_dict_set(g->others, sl_buf_str(&key), dns, NULL) != 0) {
		sl_dns_unref(dns);
		dns = NULL;
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	}
	sl_buf_clear(&key);
	return dns;
}

/* ---- APIs ---------------------------------------------------------------------------- */

#define MAX_HEADERS	32

static void
free_api(void *api)
{
	sl_api_free(api);
}

static struct sl_api *
open_api(struct sl_engine *e, struct sl_http *http, const struct sl_api_config *c)
{
	struct sl_buf lines[MAX_HEADERS];
	const char *headers[MAX_HEADERS + 1] = { NULL };
	struct sl_api_options o = {
		.name = c->name, .url = c->url, .headers = headers, .ca_pem = c->ca_pem,
		.timeout_ms = (int64_t)(c->timeout * 1000), .ttl_ms = (int64_t)(c->ttl * 1000),
		.negative_ttl_ms = (int64_t)(c->negative_ttl * 1000),
		.stale_ms = (int64_t)(c->stale * 1000), .max_body = (size_t)c->max_body,
	};
	struct sl_api *api;
	const char *name;
	json_t *value;
	bool failed = false;
	size_t n = 0, i;

	memset(lines, 0, sizeof(lines));
	json_object_foreach(c->headers, name, value)
		if (n < MAX_HEADERS && json_is_string(value)) {
			sl_buf_printf(&lines[n], "%s: %s", name, json_string_value(value));
			headers[n] = lines[n].p;
			failed = failed || lines[n].failed;
			n++;
		}
	api = failed ? NULL : sl_api_new(e->loop, http, e->events, &o);
	for (i = 0; i < n; i++) {
		sl_wipe(lines[i].p, lines[i].n);
		sl_buf_clear(&lines[i]);
	}
	return api;
}

/* Made anew for each generation, whose calls use them until it ends. */
static int
open_apis(struct sl_engine *e, struct sl_generation *g, struct sl_buf *report)
{
	struct sl_api *api;
	struct sl_err err;
	size_t i;

	g->http = sl_http_open(e->loop, g->dns != NULL ? g->dns : e->dns, e->events, &err);
	g->apis = sl_dict_new();
	if (g->http != NULL)
		sl_http_set_host(g->http, e->http_host);
	for (i = 0; g->http != NULL && g->apis != NULL && i < g->config->napis; i++) {
		api = open_api(e, g->http, &g->config->apis[i]);
		if (api == NULL || sl_dict_set(g->apis, sl_str_of(g->config->apis[i].name), api, NULL) != 0) {
			sl_api_free(api);
			sl_buf_puts(report, "out of memory\n");
			return SL_ERR_NOMEM;
		}
	}
	return g->http != NULL && g->apis != NULL ? 0 : SL_ERR_NOMEM;
}

void
sl_services_drop(struct sl_generation *g)
{
	if (g->apis != NULL)
		sl_dict_free(g->apis, free_api);
	sl_http_close(g->http);
	if (g->others != NULL)
		sl_dict_free(g->others, free_dns);
	sl_dns_unref(g->dns);
}

/* A resolver that can't be made is an error of prepare: the old one serves on. */
int
sl_services_prepare(struct sl_engine *e, struct sl_generation *g, struct sl_buf *report)
{
	struct sl_err err;

	if (e->dns == NULL || e->own_dns) {
		g->dns = open_dns(e, g->config, &err);
		if (g->dns == NULL) {
			sl_buf_printf(report, "dns: %s\n", err.text);
			return SL_ERR_INVAL;
		}
	}
	return open_apis(e, g, report);
}

/* What the APIs of 'old' have cached serves on, also while an API is down. */
void
sl_services_inherit(struct sl_generation *g, const struct sl_generation *old)
{
	struct sl_str name;
	struct sl_api *api;
	void *value;
	size_t i;

	if (g->apis == NULL || old->apis == NULL)
		return;
	for (i = 0; sl_dict_each(old->apis, &i, &name, &value);)
		if ((api = sl_dict_get(g->apis, name)) != NULL)
			sl_api_inherit(api, value);
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
	e->http = e->generation->http;
}

void
sl_services_close(struct sl_engine *e)
{
	if (e->own_state)
		sl_state_free(e->state);
}
