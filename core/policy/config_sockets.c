/* What Socket may reach: sockets = { allow = { "127.0.0.1", "unix:/run/clamd.ctl" } }. */
#include <string.h>

#include "config_private.h"

static void
take(struct loader *l, const char *text)
{
	struct sl_config *c = l->config;
	struct sl_addr path;
	struct sl_err err;

	if (text == NULL)
		schema_error(l, "sockets.allow", "sockets.allow: networks and \"unix:/path\" expected, as texts");
	else if (sl_str_starts(sl_str_of(text), SL_STR("unix:"))) {
		if (sl_addr_parse(&path, sl_str_of(text), &err) != 0)
			schema_error(l, "sockets.allow", "sockets.allow: %s", err.text);
	} else if (sl_network_parse(&c->sockets.networks[c->sockets.n], sl_str_of(text), &err) != 0) {
		schema_error(l, "sockets.allow", "sockets.allow: %s", err.text);
	} else {
		c->sockets.n++;
	}
}

void
sl_config_take_sockets(struct loader *l)
{
	struct sl_config *c = l->config;
	size_t n = sl_config_list_size(l, c->sockets.allow, "sockets.allow"), i;

	if ((c->sockets.networks = sl_config_rows(l, n, sizeof(*c->sockets.networks))) == NULL)
		return;
	for (i = 0; i < n; i++)
		take(l, json_string_value(json_array_get(c->sockets.allow, i)));
}

static bool
has_path(const struct sl_config *c, const struct sl_addr *to)
{
	const char *text;
	size_t i;

	for (i = 0; i < json_array_size(c->sockets.allow); i++) {
		text = json_string_value(json_array_get(c->sockets.allow, i));
		if (strncmp(text, "unix:", 5) == 0 && strcmp(text + 5, to->un.sun_path) == 0)
			return true;
	}
	return false;
}

bool
sl_config_socket(const struct sl_config *c, const struct sl_addr *to)
{
	size_t i;

	if (to->sa.sa_family == AF_UNIX)
		return c != NULL && has_path(c, to);
	for (i = 0; c != NULL && i < c->sockets.n; i++)
		if (sl_network_has(&c->sockets.networks[i], to))
			return true;
	return !sl_addr_is_private(to) && !sl_addr_is_linklocal(to);
}
