/* Listeners: SMTP, and milter for other mail servers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_private.h"

#define AT(field)	offsetof(struct sl_listener, field)

/* A listener of a milter before its settings are copied. */
struct milter_fields {
	struct sl_listener l;
	const char *mode;
};

const struct key sl_listener_keys[] = {
	{ .name = "smtp", .type = KEY_STRING, .offset = AT(smtp), .text = "address:port" },
	{ .name = "server", .type = KEY_STRING, .offset = AT(server), .text = "name of a server" },
	{ .name = "auth", .type = KEY_CHOICE, .offset = AT(auth), .dflt = "\"none\"",
	    .choices = "none optional required", .text = "AUTH" },
	{ .name = "tls", .type = KEY_CHOICE, .offset = AT(tls), .dflt = "\"optional\"",
	    .choices = "none optional required implicit", .text = "STARTTLS" },
	{ .name = "auth_in_clear", .type = KEY_BOOL, .offset = AT(auth_in_clear),
	    .dflt = "false", .text = "AUTH without TLS" },
	{ 0 },
};

const struct key sl_milter_listener_keys[] = {
	{ .name = "milter", .type = KEY_STRING, .offset = AT(milter),
	    .text = "\"inet:address:port\", \"inet6:[address]:port\" or \"unix:/path\"; mail servers on it "
	    "are trusted" },
	{ .name = "server", .type = KEY_STRING, .offset = AT(server),
	    .text = "name of a server: whose flows run, unless the macro {daemon_name} is the name of "
	    "another one" },
	{ .name = "authenticated", .type = KEY_STRING, .offset = AT(authenticated),
	    .text = "the server for messages of clients that authenticated" },
	{ .name = "trusted", .type = KEY_STRING, .offset = AT(trusted),
	    .text = "the server for messages of other clients in trusted, and of the mail server's own "
	    "machine" },
	{ .name = "mode", .type = KEY_STRING, .offset = offsetof(struct milter_fields, mode),
	    .dflt = "\"0660\"", .text = "permissions of a unix socket, octal" },
	{ .name = "group", .type = KEY_STRING, .offset = AT(group), .text = "group of a unix socket" },
	{ 0 },
};

static void
take_smtp(struct loader *l, struct sl_listener *listener, const json_t *v, const char *path)
{
	struct sl_err err;

	schema_take(l, sl_listener_keys, v, path, listener);
	listener->address = listener->smtp;
	if (listener->smtp == NULL)
		schema_error(l, path, "%s: smtp is missing", path);
	else if (sl_addr_parse(&listener->addr, sl_str_of(listener->smtp), &err) != 0)
		schema_error(l, path, "%s", err.text);
	else if (l->config->open_relay && !sl_addr_is_loopback(&listener->addr))
		schema_error(l, path, "open_relay is refused: %s isn't a loopback address",
		    listener->smtp);
}

/* "inet:127.0.0.1:8890" is the address with its family in front. */
static int
parse_milter(struct sl_addr *out, struct sl_str text, struct sl_err *err)
{
	sa_family_t family = sl_str_starts(text, SL_STR("inet:")) ? AF_INET :
	    sl_str_starts(text, SL_STR("inet6:")) ? AF_INET6 : AF_UNIX;
	struct sl_str rest = text;

	if (family != AF_UNIX)
		sl_str_split(&rest, ':', &(struct sl_str){ 0 });
	if (sl_addr_parse(out, rest, err) != 0)
		return err->code;
	if (out->sa.sa_family != family)
		return sl_err_set(err, SL_ERR_SYNTAX, "\"inet:address:port\", \"inet6:[address]:port\" or "
		    "\"unix:/path\" expected");
	if (family == AF_UNIX && out->un.sun_path[0] != '/')
		return sl_err_set(err, SL_ERR_SYNTAX, "the path of a socket begins with /");
	return 0;
}

static void
take_milter(struct loader *l, struct sl_listener *listener, const json_t *v, const char *path)
{
	struct milter_fields f = { 0 };
	struct sl_err err;
	char *end = NULL;

	schema_take(l, sl_milter_listener_keys, v, path, &f);
	*listener = f.l;
	listener->address = listener->milter;
	if (listener->milter != NULL &&
	    parse_milter(&listener->addr, sl_str_of(listener->milter), &err) != 0)
		schema_error(l, path, "milter: %s", err.text);
	listener->mode = f.mode != NULL ? strtol(f.mode, &end, 8) : 0;
	if (end == NULL || *end != '\0' || listener->mode < 0 || listener->mode > 0777)
		schema_error(l, path, "mode: an octal number like \"0660\" expected");
}

void
sl_config_take_listeners(struct loader *l, const json_t *list)
{
	struct sl_config *c = l->config;
	size_t n = sl_config_list_size(l, list, "listen"), i;
	struct sl_listener *listener;
	const json_t *v;
	char path[64];

	if ((c->listeners = sl_config_rows(l, n, sizeof(*c->listeners))) == NULL)
		return;
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "listen.%zu", i + 1);
		listener = &c->listeners[c->nlisteners++];
		v = json_array_get(list, i);
		if (json_object_get(v, "milter") != NULL)
			take_milter(l, listener, v, path);
		else
			take_smtp(l, listener, v, path);
		if (listener->server == NULL)
			schema_error(l, path, "%s: server is missing", path);
	}
}

/* ---- against the rest of the configuration ---------------------------------------- */

static void
check_server(struct loader *l, const char *path, const char *server)
{
	if (server != NULL && sl_config_server(l->config, server) == NULL)
		schema_error(l, path, "server \"%s\" is not in servers", server);
}

static void
check_tls_and_auth(struct loader *l, const char *path, const struct sl_listener *listener)
{
	const struct sl_config *c = l->config;

	if (listener->tls > SL_TLS_OPTIONAL && c->tls.cert == NULL)
		schema_error(l, path, "%s: tls needs tls = { cert =, key = }", path);
	if (listener->auth != SL_AUTH_NONE && !listener->auth_in_clear &&
	    (listener->tls == SL_TLS_NONE || c->tls.cert == NULL))
		schema_error(l, path, "%s: auth is offered over TLS only and there is none: set "
		    "tls = { cert =, key = }, or auth_in_clear = true", path);
}

static bool
names(const char *a, const char *b)
{
	return a != NULL && strcmp(a, b) == 0;
}

/* Whether messages of a server come from milters only: then nothing of it is delivered by us. */
static bool
is_milter_only(const struct sl_config *c, const char *server)
{
	const struct sl_listener *x;
	bool milter = false;

	for (x = c->listeners; x < c->listeners + c->nlisteners; x++) {
		if (x->milter == NULL && names(x->server, server))
			return false;
		milter |= x->milter != NULL && (names(x->server, server) ||
		    names(x->authenticated, server) || names(x->trusted, server));
	}
	return milter;
}

static void
check_deliveries(struct loader *l, const struct sl_server *server)
{
	static const enum sl_phase phases[] = { SL_PREDELIVERY, SL_POSTDELIVERY };
	char path[300];
	size_t i;

	for (i = 0; i < 2; i++) {
		if (server->flows[phases[i]].n == 0 || !is_milter_only(l->config, server->name))
			continue;
		snprintf(path, sizeof(path), "servers.%.200s.flows.%s", server->name,
		    sl_phase_name(phases[i]));
		schema_error(l, path, "%s never runs: only a milter uses this server, and its mail server "
		    "delivers; %s = {} leaves it out", path, sl_phase_name(phases[i]));
	}
}

void
sl_config_check_listeners(struct loader *l)
{
	const struct sl_config *c = l->config;
	const struct sl_listener *x;
	char path[64];
	size_t i;

	for (i = 0; i < c->nlisteners; i++) {
		x = &c->listeners[i];
		snprintf(path, sizeof(path), "listen.%zu", i + 1);
		check_server(l, path, x->server);
		check_server(l, path, x->authenticated);
		check_server(l, path, x->trusted);
		if (x->milter == NULL)
			check_tls_and_auth(l, path, x);
	}
	for (i = 0; i < c->nservers; i++)
		check_deliveries(l, &c->servers[i]);
}
