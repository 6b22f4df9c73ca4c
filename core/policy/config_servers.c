/* Servers: flows per phase, and the relay table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/alloc.h"
#include "config_private.h"
#include "needs.h"

/* A server before its settings are copied to struct sl_server. */
struct settings {
	int64_t from_check, sender_login;	/* places among the choices */
	bool submission;
	json_t *flows, *relay;
};

const struct key sl_server_keys[] = {
	{ .name = "flows", .type = KEY_ANY, .offset = offsetof(struct settings, flows),
	    .text = "per phase: a script, or a list of scripts and blocks: { block = NAME, parameter = value, ... }" },
	{ .name = "relay", .type = KEY_ANY, .offset = offsetof(struct settings, relay),
	    .text = "the relay table: domain, \".parent\" or \"*\" to { transport =, flows = }" },
	{ .name = "from_check", .type = KEY_CHOICE, .offset = offsetof(struct settings, from_check),
	    .choices = "reject accept", .text = "as from_check above, for this server" },
	{ .name = "sender_login", .type = KEY_CHOICE, .offset = offsetof(struct settings, sender_login),
	    .choices = "none domain", .text = "as sender_login above, for this server" },
	{ .name = "submission", .type = KEY_BOOL, .offset = offsetof(struct settings, submission),
	    .dflt = "false", .text = "add Date and Message-ID, remove Bcc; true where a listener "
	    "requires auth" },
	{ 0 },
};

static const struct key row_keys[] = {
	{ .name = "transport", .type = KEY_STRING, .offset = 0, .text = "name of a transport" },
	{ .name = "flows", .type = KEY_SKIP, .text = "flows of rcptto, eod, data for this domain" },
	{ 0 },
};

/* ---- flows ---------------------------------------------------------------------------- */

static int
phase_of(const char *name)
{
	int phase;

	for (phase = 0; phase < SL_PHASES; phase++)
		if (strcmp(name, sl_phase_name((enum sl_phase)phase)) == 0)
			return phase;
	return -1;
}

static bool
has_file(const struct loader *l, const char *path)
{
	struct sl_str bytes;

	return sl_image_find(l->config->image, path, &bytes);
}

static void
take_script(struct loader *l, struct sl_element *e, const char *script, const char *path)
{
	if (!has_file(l, script))
		schema_error(l, path, "the policy has no script %s", script);
	e->script = script;
}

static void
take_element(struct loader *l, struct sl_flow *flow, const json_t *v, int phase, const char *path)
{
	struct sl_element *e = &flow->elements[flow->n++];

	if (json_is_string(v))
		take_script(l, e, json_string_value(v), path);
	else if (json_is_object(v))
		sl_config_take_block(l, e, v, sl_phase_name((enum sl_phase)phase), path);
	else
		schema_error(l, path, "a script or { block = NAME } expected");
}

static void
take_flow(struct loader *l, struct sl_flow *flow, const json_t *v, int phase, const char *path)
{
	bool empty = json_is_object(v) && json_object_size(v) == 0;	/* {} of Lua */
	size_t n = json_is_array(v) ? json_array_size(v) : !empty, i;
	char below[512];
	json_t *item;

	sl_free(flow->elements);
	flow->n = 0;
	flow->elements = sl_calloc(n + 1, sizeof(*flow->elements));
	if (flow->elements == NULL) {
		schema_error(l, path, "out of memory");
		return;
	}
	if (!json_is_array(v)) {
		if (!empty)
			take_element(l, flow, v, phase, path);
		return;
	}
	json_array_foreach(v, i, item) {
		snprintf(below, sizeof(below), "%s.%zu", path, i + 1);
		take_element(l, flow, item, phase, below);
	}
}

static void
note_needs(struct loader *l, int phase, const struct sl_flow *flow)
{
	if (phase == SL_EOD || phase == SL_DATA)
		l->config->needs_body |= sl_flow_needs_body(flow, l->config->image);
}

/* The script that a phase has by its file's name: "data.lua" or "data.hsl". */
static void
find_script(struct loader *l, enum sl_phase phase, const char *path, char *out, size_t size)
{
	char hsl[32];

	snprintf(hsl, sizeof(hsl), "%s.hsl", sl_phase_name(phase));
	snprintf(out, size, "%s.lua", sl_phase_name(phase));
	if (!has_file(l, hsl))
		return;
	if (has_file(l, out))
		schema_error(l, path, "both %s and %s are there: which is meant?", out, hsl);
	snprintf(out, size, "%s", hsl);
}

static void
take_flows(struct loader *l, struct sl_server *s, const json_t *flows, const char *path)
{
	char below[512], script[32];
	const char *name;
	json_t *v;
	int phase;

	if (flows != NULL && !json_is_object(flows))
		schema_error(l, path, "%s: a table of phases expected", path);
	for (phase = 0; phase < SL_PHASES; phase++) {
		find_script(l, (enum sl_phase)phase, path, script, sizeof(script));
		v = json_object_get(flows, sl_phase_name((enum sl_phase)phase));
		if (v == NULL && has_file(l, script)) {
			v = json_object_get(l->config->defaults, script);	/* another server's */
			if (v == NULL && (v = json_string(script)) != NULL)
				json_object_set_new(l->config->defaults, script, v);
		}
		snprintf(below, sizeof(below), "%s.%s", path, sl_phase_name((enum sl_phase)phase));
		if (v != NULL)
			take_flow(l, &s->flows[phase], v, phase, below);
		note_needs(l, phase, &s->flows[phase]);
	}
	json_object_foreach((json_t *)(uintptr_t)flows, name, v)
		if (phase_of(name) < 0) {
			snprintf(below, sizeof(below), "%s.%s", path, name);
			schema_error(l, below, "%s is no phase", name);
		}
}

/* ---- relay ------------------------------------------------------------------------------ */

static void	clear_row(struct sl_relay_row *row);

static void
take_row_flows(struct loader *l, struct sl_relay_row *row, const json_t *flows, const char *path)
{
	const char *name;
	char below[512];
	json_t *v;
	int phase;

	if (flows != NULL && !json_is_object(flows))
		schema_error(l, path, "%s.flows: a table of phases expected", path);
	json_object_foreach((json_t *)(uintptr_t)flows, name, v) {
		phase = phase_of(name);
		snprintf(below, sizeof(below), "%s.flows.%s", path, name);
		if (phase != SL_RCPTTO && phase != SL_DATA) {
			schema_error(l, below, phase == SL_EOD ?
			    "eod runs once per message: a row can't have its own in this version" :
			    "a row has flows of rcptto and data");
			continue;
		}
		row->flows[phase] = sl_calloc(1, sizeof(struct sl_flow));
		if (row->flows[phase] == NULL)
			schema_error(l, below, "out of memory");
		else
			take_flow(l, row->flows[phase], v, phase, below);
		note_needs(l, phase, row->flows[phase]);
	}
}

static void
take_row(struct loader *l, struct sl_server *s, const char *domain, const json_t *v,
    const char *path)
{
	struct { const char *transport; } fields = { NULL };
	struct sl_relay_row row = { .open = l->config->open_relay };
	struct sl_err err;

	if (!json_is_object(v)) {
		schema_error(l, path, "%s: a table like { transport = \"mx\" } expected", path);
		return;
	}
	schema_take(l, row_keys, v, path, &fields);
	if (fields.transport == NULL)
		schema_error(l, path, "%s: transport is missing", path);
	else if (sl_config_transport(l->config, fields.transport) == NULL)
		schema_error(l, path, "transport \"%s\" is not in transports", fields.transport);
	row.transport = fields.transport;
	take_row_flows(l, &row, json_object_get(v, "flows"), path);
	if (sl_relay_add(s->relay, sl_str_of(domain), &row, &err) != 0) {
		schema_error(l, path, "\"%s\": %s", domain, err.text);
		clear_row(&row);
	}
}

static void
take_relay(struct loader *l, struct sl_server *s, const json_t *relay, const char *path)
{
	const char *domain;
	char below[512];
	json_t *row;

	s->relay = sl_relay_new();
	if (s->relay == NULL) {
		schema_error(l, path, "out of memory");
		return;
	}
	if (relay != NULL && json_object_get(relay, "lookup") != NULL &&
	    json_is_string(json_object_get(relay, "lookup"))) {
		schema_error(l, path, "relay by look-up isn't built in this version");
		return;
	}
	if (relay != NULL && !json_is_object(relay))
		schema_error(l, path, "%s: a table of domains expected", path);
	json_object_foreach((json_t *)(uintptr_t)relay, domain, row) {
		snprintf(below, sizeof(below), "%s.%s", path, domain);
		take_row(l, s, domain, row, below);
	}
}

/* ---- servers ------------------------------------------------------------------------------ */

/* Where a listener requires AUTH, the server is one for submission. */
static bool
requires_auth(const struct sl_config *c, const char *server)
{
	size_t i;

	for (i = 0; i < c->nlisteners; i++)
		if (c->listeners[i].server != NULL && strcmp(c->listeners[i].server, server) == 0 &&
		    c->listeners[i].auth == SL_AUTH_REQUIRED)
			return true;
	return false;
}

static void
take_server(struct loader *l, struct sl_server *s, const char *name, const json_t *v)
{
	struct settings set = { 0 };
	char path[512], below[600];
	bool submission;

	snprintf(path, sizeof(path), "servers.%s", name);
	s->name = name;
	submission = requires_auth(l->config, name);
	if (!json_is_object(v)) {
		schema_error(l, path, "%s: table expected", path);
		return;
	}
	schema_take(l, sl_server_keys, v, path, &set);
	set.from_check = json_object_get(v, "from_check") != NULL ? set.from_check :
	    l->config->from_check;
	s->from_check = set.from_check == 0;
	if (json_object_get(v, "sender_login") != NULL)
		s->sender_login = set.sender_login == 1;
	else if (json_object_get(l->config->root, "sender_login") != NULL)
		s->sender_login = l->config->sender_login == 1;
	else
		s->sender_login = submission;
	s->submission = json_object_get(v, "submission") != NULL ? set.submission : submission;
	snprintf(below, sizeof(below), "%s.flows", path);
	take_flows(l, s, set.flows, below);
	snprintf(below, sizeof(below), "%s.relay", path);
	take_relay(l, s, set.relay, below);
}

void
sl_config_take_servers(struct loader *l, const json_t *servers)
{
	struct sl_config *c = l->config;
	const char *name;
	json_t *v;

	if (!json_is_object(servers) || json_object_size(servers) == 0) {
		schema_error(l, "servers", "servers: a table of servers expected");
		return;
	}
	c->servers = sl_calloc(json_object_size(servers), sizeof(*c->servers));
	if (c->servers == NULL) {
		schema_error(l, "servers", "out of memory");
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)servers, name, v)
		take_server(l, &c->servers[c->nservers++], name, v);
}

static void
clear_flow(struct sl_flow *flow)
{
	size_t i;

	for (i = 0; i < flow->n; i++)
		free((void *)(uintptr_t)flow->elements[i].params);
	sl_free(flow->elements);
}

static void
clear_row(struct sl_relay_row *row)
{
	int phase;

	for (phase = 0; phase < SL_PHASES; phase++)
		if (row->flows[phase] != NULL) {
			clear_flow(row->flows[phase]);
			sl_free(row->flows[phase]);
		}
}

void
sl_config_clear_servers(struct sl_config *c)
{
	size_t i;
	int phase;

	for (i = 0; i < c->nservers; i++) {
		for (phase = 0; phase < SL_PHASES; phase++)
			clear_flow(&c->servers[i].flows[phase]);
		sl_relay_each(c->servers[i].relay, clear_row);
		sl_relay_free(c->servers[i].relay);
	}
	sl_free(c->servers);
}
