/* transports: how mail leaves. See config.h. */
#include <stdio.h>
#include <string.h>

#include "config_private.h"

#define TRANSPORT(field) offsetof(struct sl_transport, field)
struct transport_fields {
	struct sl_transport t;
	const char *lmtp, *maildir;
	bool mx, discard;
};

const struct key sl_transport_keys[] = {
	{ .name = "host", .type = KEY_STRING, .offset = TRANSPORT(host), .text = "deliver to this host" },
	{ .name = "port", .type = KEY_INT, .offset = TRANSPORT(port), .dflt = "0", .min = 0, .max = 65535,
	    .text = "25, LMTP 24" },
	{ .name = "mx", .type = KEY_BOOL, .offset = offsetof(struct transport_fields, mx),
	    .dflt = "false", .text = "deliver to the domain's MX" },
	{ .name = "lmtp", .type = KEY_STRING, .offset = offsetof(struct transport_fields, lmtp),
	    .text = "deliver to host:port by LMTP" },
	{ .name = "maildir", .type = KEY_STRING, .offset = offsetof(struct transport_fields, maildir),
	    .text = "deliver to this Maildir; %u local part, %d domain" },
	{ .name = "discard", .type = KEY_BOOL, .offset = offsetof(struct transport_fields, discard),
	    .dflt = "false", .text = "throw away" },
	{ .name = "tls", .type = KEY_CHOICE, .offset = TRANSPORT(tls), .dflt = "\"optional\"",
	    .choices = "none optional required verify", .text = "STARTTLS towards the host" },
	{ .name = "username", .type = KEY_STRING, .offset = TRANSPORT(username), .text = "AUTH" },
	{ .name = "password", .type = KEY_STRING, .offset = TRANSPORT(password), .text = "AUTH" },
	{ .name = "source", .type = KEY_STRING, .offset = TRANSPORT(source), .text = "source address" },
	{ .name = "helo", .type = KEY_STRING, .offset = TRANSPORT(helo), .text = "our name; hostname" },
	{ .name = "timeout", .type = KEY_SECONDS, .offset = TRANSPORT(timeout), .dflt = "300", .min = 1,
	    .max = 3600, .text = "of a command" },
	{ .name = "connections", .type = KEY_INT, .offset = TRANSPORT(connections), .dflt = "10",
	    .min = 1, .max = 10000,
	    .text = "at once to one destination (a domain, or the host), of all workers together" },
	{ 0 },
};

static void
take_transport(struct loader *l, struct transport_fields *f, const char *path)
{
	struct sl_transport *t = &f->t;
	int ways = (t->host != NULL) + (f->lmtp != NULL) + (f->maildir != NULL) + f->mx + f->discard;
	struct sl_str rest;
	struct sl_addr addr;

	if (ways != 1) {
		schema_error(l, path, "%s: exactly one of host, mx, lmtp, maildir, discard expected", path);
		return;
	}
	t->kind = t->host != NULL ? SL_HOST : f->mx ? SL_MX : f->lmtp != NULL ? SL_LMTP :
	    f->maildir != NULL ? SL_MAILDIR : SL_DISCARD;
	t->path = f->maildir;
	if (f->lmtp != NULL) {
		rest = sl_str_of(f->lmtp);
		t->host = f->lmtp;
		if (sl_addr_parse(&addr, rest, NULL) == 0)
			t->port = sl_addr_port(&addr);
	}
}

void
sl_config_take_transports(struct loader *l, const json_t *v)
{
	struct sl_config *c = l->config;
	struct transport_fields f;
	const char *name;
	char path[300];
	json_t *item;

	if (v != NULL && !json_is_object(v)) {
		schema_error(l, "transports", "transports: a table of transports expected");
		return;
	}
	if ((c->transports = sl_config_rows(l, json_object_size(v), sizeof(*c->transports))) == NULL)
		return;
	json_object_foreach((json_t *)(uintptr_t)v, name, item) {
		snprintf(path, sizeof(path), "transports.%s", name);
		memset(&f, 0, sizeof(f));
		if (json_is_string(json_object_get(item, "tls")) &&
		    strncmp(json_string_value(json_object_get(item, "tls")), "dane", 4) == 0) {
			schema_error(l, path, "tls = \"dane\" isn't built in this version");
			continue;
		}
		schema_take(l, sl_transport_keys, item, path, &f);
		take_transport(l, &f, path);
		f.t.name = name;
		c->transports[c->ntransports++] = f.t;
	}
}
