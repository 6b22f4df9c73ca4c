/*
 * Connections that are kept a few seconds for the next message to the same
 * host in the same way: the handshake and the greeting cost more than the
 * message. The oldest goes when there are too many.
 */
#include <string.h>

#include "../base/alloc.h"
#include "delivery_private.h"

#define KEEP_MS		5000
#define KEEP_MAX	50
#define MESSAGES	100	/* over one connection, so that load spreads again */

struct sl_tls *
sl_connection_tls(struct sl_delivery *d, bool verify)
{
	struct sl_err err;

	if (d->tls[verify] == NULL)
		d->tls[verify] = sl_tls_client(verify, (struct sl_str){ NULL, 0 }, &err);
	return d->tls[verify];
}

void
sl_connection_key_free(char *key)
{
	if (key != NULL)
		sl_wipe(key, strlen(key));
	sl_free(key);
}

static void
forget(struct sl_connection *c)
{
	sl_timer_stop(&c->timer);
	sl_list_remove(&c->link);
	c->delivery->nkept--;
}

void
sl_connection_close(struct sl_connection *c)
{
	if (c == NULL)
		return;
	sl_client_close(c->client);
	sl_connection_key_free(c->key);
	sl_free(c);
}

static void
kept_long_enough(struct sl_timer *timer)
{
	struct sl_connection *c = sl_list_entry(timer, struct sl_connection, timer);

	forget(c);
	sl_connection_close(c);
}

struct sl_connection *
sl_connection_kept(struct sl_delivery *d, const char *key)
{
	struct sl_list *node, *next;

	for (node = d->kept.next; node != &d->kept; node = next) {
		struct sl_connection *c = sl_list_entry(node, struct sl_connection, link);

		next = node->next;
		if (strcmp(c->key, key) != 0)
			continue;
		forget(c);
		if (sl_client_usable(c->client))
			return c;
		sl_connection_close(c);
	}
	return NULL;
}

struct sl_connection *
sl_connection_new(struct sl_delivery *d, const char *key, const struct sl_client_options *options,
    struct sl_err *err)
{
	struct sl_connection *c = sl_calloc(1, sizeof(*c));

	if (c == NULL || (c->key = sl_strdup(key)) == NULL) {
		sl_free(c);
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	sl_list_init(&c->link);
	c->delivery = d;
	c->client = sl_client_new(d->o.loop, options, err);
	if (c->client == NULL) {
		sl_connection_close(c);
		return NULL;
	}
	return c;
}

void
sl_connection_keep(struct sl_connection *c)
{
	struct sl_delivery *d = c->delivery;

	if (d->draining || ++c->messages >= MESSAGES || !sl_client_usable(c->client) ||
	    sl_timer_start(d->o.loop, &c->timer, KEEP_MS, kept_long_enough) < 0) {
		sl_connection_close(c);
		return;
	}
	sl_list_insert(&d->kept, &c->link);
	if (++d->nkept > KEEP_MAX)
		kept_long_enough(&sl_list_entry(d->kept.next, struct sl_connection, link)->timer);
}

void
sl_connections_close(struct sl_delivery *d)
{
	while (!sl_list_empty(&d->kept))
		kept_long_enough(&sl_list_entry(d->kept.next, struct sl_connection, link)->timer);
}
