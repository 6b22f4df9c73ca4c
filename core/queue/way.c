/* A route as one attempt takes it: copied, since a reload may end the configuration meanwhile. */
#include <stdlib.h>
#include <string.h>

#include "../base/alloc.h"
#include "delivery_private.h"

static int
put(char **to, const char *text)
{
	char *copy = NULL;

	if (text != NULL && (copy = sl_strdup(text)) == NULL)
		return SL_ERR_NOMEM;
	sl_free(*to);
	*to = copy;
	return 0;
}

/* Leaves what is there when there is no change. */
static int
change(char **to, const char *text)
{
	return text != NULL ? put(to, text) : 0;
}

int
sl_way_copy(struct sl_way *w, const struct sl_route *r)
{
	w->kind = r->kind;
	w->port = r->port;
	w->tls = r->tls;
	w->connections = r->connections > 0 ? r->connections : 10;
	w->timeout_ms = r->timeout_ms;
	if (put(&w->host, r->kind == SL_ROUTE_MX ? NULL : r->host) < 0 ||
	    put(&w->username, r->username) < 0 || put(&w->password, r->password) < 0 ||
	    put(&w->source, r->source) < 0 || put(&w->helo, r->helo) < 0 ||
	    put(&w->path, r->path) < 0)
		return SL_ERR_NOMEM;
	return 0;
}

/* A word that isn't known leaves the route's: never less than it asks for. */
static int
tls_mode(const char *word, int dflt)
{
	static const struct {
		const char *word;
		int mode;
	} modes[] = {
		{ "none", SL_CLIENT_TLS_NONE }, { "disabled", SL_CLIENT_TLS_NONE },
		{ "optional", SL_CLIENT_TLS_OPTIONAL }, { "require", SL_CLIENT_TLS_REQUIRE },
		{ "required", SL_CLIENT_TLS_REQUIRE }, { "verify", SL_CLIENT_TLS_VERIFY },
		{ "require_verify", SL_CLIENT_TLS_VERIFY },
	};

	for (size_t i = 0; word != NULL && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(word, modes[i].word) == 0)
			return modes[i].mode;
	}
	return dflt;
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void
drop_credentials(struct sl_way *w)
{
	sl_free(w->username);
	if (w->password != NULL)
		sl_wipe(w->password, strlen(w->password));
	sl_free(w->password);
	w->username = w->password = NULL;
}

int
sl_way_change(struct sl_way *w, const struct sl_attempt_changes *c)
{
	if (c->lmtp)
		w->kind = SL_ROUTE_LMTP;
	else if (c->smtp || (c->host != NULL && w->kind != SL_ROUTE_LMTP))
		w->kind = w->host != NULL || c->host != NULL ? SL_ROUTE_SMTP : SL_ROUTE_MX;
	if (c->port > 0)
		w->port = c->port;
	w->tls = tls_mode(c->tls, w->tls);
	if (c->host != NULL && !same(c->host, w->host))
		drop_credentials(w);	/* they are for the route's host, not for any that a script names */
	if (change(&w->host, c->host) < 0 || change(&w->helo, c->helo) < 0 ||
	    change(&w->source, c->sourceip) < 0 ||
	    change(&w->username, c->sasl_username) < 0 ||
	    change(&w->password, c->sasl_password) < 0)
		return SL_ERR_NOMEM;
	return 0;
}

bool
sl_way_same(const struct sl_way *a, const struct sl_way *b)
{
	return a->kind == b->kind && a->port == b->port && a->tls == b->tls &&
	    a->connections == b->connections && a->timeout_ms == b->timeout_ms &&
	    same(a->host, b->host) && same(a->username, b->username) &&
	    same(a->password, b->password) && same(a->source, b->source) &&
	    same(a->helo, b->helo);
}

void
sl_way_clear(struct sl_way *w)
{
	sl_free(w->host);
	drop_credentials(w);
	sl_free(w->source);
	sl_free(w->helo);
	sl_free(w->path);
	memset(w, 0, sizeof(*w));
}
