/*
 * SMTP and LMTP. Recipients of one message that go the same way make a batch:
 * one transaction. It gathers until none of the message's recipients is asked
 * of predelivery any more, waits for a slot of its destination, looks for the
 * hosts, and sends to the first that serves.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "delivery_private.h"

#define MAX_RCPT	100		/* per transaction, RFC 5321 4.5.3.1.8 */
#define GATHER_MS	200
#define HEADER_LOOK	(16 * 1024)

enum batch_state { GATHERING, PARKED, LOOKING, SENDING };

struct sl_batch {
	struct sl_list link;		/* in delivery->batches */
	struct sl_delivery *delivery;
	enum batch_state state;
	struct sl_list tries;
	size_t n;
	struct sl_turn turn;		/* at a slot of its destination */
	struct sl_timer timer;
	struct sl_hosts_op *hosts;
	size_t next_host;
	struct sl_connection *connection;
	struct sl_client_op *op;
	struct sl_send_result last;	/* of the hosts that didn't serve */
	bool tried;			/* there is one */
	int fd;
	uint64_t offset, size;
	bool utf8;
	char destination[300];
};

static struct sl_try *
first(const struct sl_batch *b)
{
	return sl_list_entry(b->tries.next, struct sl_try, link);
}

static void	 look_for_hosts(struct sl_batch *b);

static void
count_tries(struct sl_batch *b, bool running)
{
	for (struct sl_list *n = b->tries.next; n != &b->tries; n = n->next)
		sl_try_run(sl_list_entry(n, struct sl_try, link), running);
}

/* ---- the end of a batch ------------------------------------------------------------ */

static void
batch_free(struct sl_batch *b)
{
	sl_timer_stop(&b->timer);
	if (b->op != NULL)
		sl_op_release(&b->op->op);
	if (b->hosts != NULL)
		sl_op_release(&b->hosts->op);
	sl_connection_close(b->connection);
	if (b->fd >= 0)
		close(b->fd);
	sl_list_remove(&b->link);
	sl_turn_end(&b->turn);
	sl_free(b);
}

static void
give_back(struct sl_batch *b)
{
	struct sl_list tries, *node;

	sl_list_init(&tries);
	while ((node = sl_list_pop(&b->tries)) != NULL)
		sl_list_insert(&tries, node);
	batch_free(b);
	while (!sl_list_empty(&tries))
		sl_try_give_back(sl_list_entry(tries.next, struct sl_try, link));
}

/* The results are known: one for each try, or the last host's for all. */
static void
finish(struct sl_batch *b, const struct sl_send_result *results)
{
	struct sl_delivery *d = b->delivery;
	struct sl_list tries, *node;
	size_t i = 0;

	sl_list_init(&tries);
	while ((node = sl_list_pop(&b->tries)) != NULL) {
		sl_list_entry(node, struct sl_try, link)->result =
		    results != NULL ? results[i++] : b->last;
		sl_list_insert(&tries, node);
	}
	batch_free(b);
	while ((node = sl_list_pop(&tries)) != NULL) {
		sl_list_insert(&d->tries, node);
		sl_try_finished(sl_list_entry(node, struct sl_try, link));
	}
}

static void
fail(struct sl_batch *b, int code, const char *enhanced, const char *text)
{
	b->last.code = code;
	snprintf(b->last.enhanced, sizeof(b->last.enhanced), "%s", enhanced);
	snprintf(b->last.text, sizeof(b->last.text), "%s", text);
	finish(b, NULL);
}

/* ---- sending -------------------------------------------------------------------------- */

static void	 try_host(struct sl_batch *b);

/* A host didn't serve. Refused for good is only what all hosts refuse. */
static void
not_served(struct sl_batch *b, const struct sl_send_result *result)
{
	if (!b->tried || b->last.code / 100 == 5 || result->code / 100 != 5)
		b->last = *result;
	b->tried = true;
	b->next_host++;
}

static void
sent(struct sl_op *op, void *arg)
{
	struct sl_batch *b = arg;
	struct sl_client_op *result = (struct sl_client_op *)op;
	struct sl_connection *c = b->connection;

	b->connection = NULL;
	if (!result->unserved) {
		sl_connection_keep(c);
		finish(b, result->results);
		return;
	}
	if (!result->stale)
		not_served(b, &result->results[0]);
	b->op = NULL;
	sl_op_release(op);
	sl_connection_close(c);
	try_host(b);
}

/* One char pointer for each try, in their order. */
static int
send_over(struct sl_batch *b)
{
	const char **recipients = sl_calloc(b->n, sizeof(*recipients));
	struct sl_client_message m = {
		.sender = first(b)->from, .recipients = recipients, .n = b->n, .smtputf8 = b->utf8,
		.fd = b->fd, .offset = b->offset, .size = b->size,
	};
	size_t i = 0;

	if (recipients == NULL)
		return SL_ERR_NOMEM;
	for (struct sl_list *n = b->tries.next; n != &b->tries; n = n->next)
		recipients[i++] = sl_list_entry(n, struct sl_try, link)->to;
	b->state = SENDING;
	b->op = sl_client_send(b->connection->client, &m);
	sl_free(recipients);
	if (b->op == NULL)
		return SL_ERR_NOMEM;
	sl_op_wait(&b->op->op, sent, b);
	return 0;
}

static void
put_part(struct sl_buf *key, const char *text)
{
	if (text == NULL)
		sl_buf_puts(key, "- ");
	else
		sl_buf_printf(key, "%zu:%s ", strlen(text), text);
}

/* All that must be the same for a connection to serve. NULL = out of memory;
 * it has the password in it (sl_connection_key_free). */
static char *
make_key(const struct sl_way *w, const struct sl_host *host)
{
	struct sl_buf key = SL_BUF_INIT;
	char addr[128];

	/* Room at once: growing would leave copies of the password behind. */
	sl_buf_reserve(&key, 1024 + (w->helo != NULL ? strlen(w->helo) : 0) +
	    (w->username != NULL ? strlen(w->username) : 0) +
	    (w->password != NULL ? strlen(w->password) : 0));
	sl_buf_printf(&key, "%s %d %d ", sl_addr_text(&host->addr, addr, sizeof(addr)),
	    w->kind == SL_ROUTE_LMTP, w->tls);
	put_part(&key, host->name);
	put_part(&key, w->helo);
	put_part(&key, w->source);
	put_part(&key, w->username);
	put_part(&key, w->password);
	return sl_buf_take(&key, NULL);
}

/* A kept connection to a host that is as good as the next. */
static struct sl_connection *
find_kept(struct sl_batch *b)
{
	const struct sl_host *hosts = b->hosts->hosts;
	struct sl_connection *c = NULL;
	char *key;

	for (size_t i = b->next_host; c == NULL && i < b->hosts->n &&
	    hosts[i].preference == hosts[b->next_host].preference; i++) {
		key = make_key(&first(b)->way, &hosts[i]);
		c = key != NULL ? sl_connection_kept(b->delivery, key) : NULL;
		sl_connection_key_free(key);
	}
	return c;
}

static struct sl_connection *
open_new(struct sl_batch *b, struct sl_err *err)
{
	const struct sl_host *host = &b->hosts->hosts[b->next_host];
	const struct sl_way *w = &first(b)->way;
	struct sl_client_options o = {
		.to = host->addr, .host = host->name, .helo = w->helo,
		.lmtp = w->kind == SL_ROUTE_LMTP, .tls = (enum sl_client_tls)w->tls,
		.username = w->username, .password = w->password,
		.timeouts = { .greeting = w->timeout_ms, .command = w->timeout_ms },
	};
	struct sl_connection *c;
	struct sl_addr source;
	char *key;

	if (w->tls != SL_CLIENT_TLS_NONE)
		o.context = sl_connection_tls(b->delivery, w->tls == SL_CLIENT_TLS_VERIFY);
	/* A source address is of one family; a host of the other can't be reached from it. */
	if (w->source != NULL) {
		if (sl_addr_parse_ip(&source, sl_str_of(w->source), 0) < 0 ||
		    source.sa.sa_family != host->addr.sa.sa_family) {
			sl_err_set(err, SL_ERR_INVAL, "source address %s: not of the host's kind",
			    w->source);
			return NULL;
		}
		o.source = &source;
	}
	if ((key = make_key(w, host)) == NULL) {
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	c = sl_connection_new(b->delivery, key, &o, err);
	sl_connection_key_free(key);
	return c;
}

/* The next host that lets a connection begin; when there is none more, the
 * words of the last. */
static void
try_host(struct sl_batch *b)
{
	struct sl_send_result none = { .enhanced = "4.4.1" };
	struct sl_err err = { 0 };

	while (b->next_host < b->hosts->n) {
		b->connection = find_kept(b);
		if (b->connection == NULL)
			b->connection = open_new(b, &err);
		if (b->connection != NULL) {
			if (send_over(b) < 0)
				give_back(b);
			return;
		}
		snprintf(none.host, sizeof(none.host), "%s", b->hosts->hosts[b->next_host].name);
		snprintf(none.text, sizeof(none.text), "%s", err.text);
		not_served(b, &none);
	}
	finish(b, NULL);
}

static void
hosts_found(struct sl_op *op, void *arg)
{
	struct sl_batch *b = arg;
	const struct sl_hosts_op *h = (struct sl_hosts_op *)op;

	if (h->n == 0)
		fail(b, h->code, h->enhanced, h->why);
	else
		try_host(b);
}

/* Whether the header has bytes beyond ASCII, and so asks for SMTPUTF8 (RFC 6532). */
static bool
header_is_utf8(const struct sl_batch *b)
{
	char look[HEADER_LOOK];
	ssize_t n = pread(b->fd, look, b->size < sizeof(look) ? (size_t)b->size : sizeof(look),
	    (off_t)b->offset);

	for (ssize_t i = 0; i < n; i++) {
		if ((unsigned char)look[i] > 127)
			return true;
		if (i >= 3 && memcmp(look + i - 3, "\r\n\r\n", 4) == 0)
			return false;
	}
	return false;
}

static void
look_for_hosts(struct sl_batch *b)
{
	struct sl_delivery *d = b->delivery;
	const struct sl_try *t = first(b);
	const struct sl_way *w = &t->way;
	const char *at = strrchr(t->to, '@');
	int port = w->port > 0 ? w->port : w->kind == SL_ROUTE_LMTP ? 24 : 25;
	struct sl_err err;

	b->state = LOOKING;
	if (sl_store_message(d->o.store, t->id, &b->fd, &b->offset, &b->size, &err) < 0) {
		b->fd = -1;
		fail(b, 0, "4.3.0", err.text);
		return;
	}
	b->utf8 = header_is_utf8(b);
	b->hosts = sl_hosts_find(d->o.loop, d->o.dns(d->o.arg),
	    w->host != NULL ? w->host : at != NULL ? at + 1 : "",
	    w->kind == SL_ROUTE_MX && w->host == NULL, port, d->o.hostname(d->o.arg));
	if (b->hosts == NULL)
		give_back(b);
	else
		sl_op_wait(&b->hosts->op, hosts_found, b);
}

/* ---- gathering -------------------------------------------------------------------------- */

static void
set_destination(const struct sl_try *t, char *out, size_t size)
{
	const char *at = strrchr(t->to, '@');

	if (t->way.host == NULL)
		snprintf(out, size, "mx %s", at != NULL ? at + 1 : "");
	else
		snprintf(out, size, "%s %d", t->way.host, t->way.port);
}

static void
has_turn(struct sl_turn *turn)
{
	struct sl_batch *b = sl_list_entry(turn, struct sl_batch, turn);

	count_tries(b, true);
	look_for_hosts(b);
}

/* Too many wait for the destination. */
static void
set_aside(struct sl_batch *b)
{
	struct sl_list tries, *node;
	char destination[sizeof(b->destination)];

	memcpy(destination, b->destination, sizeof(destination));
	sl_list_init(&tries);
	while ((node = sl_list_pop(&b->tries)) != NULL)
		sl_list_insert(&tries, node);
	batch_free(b);
	while (!sl_list_empty(&tries))
		sl_try_set_aside(sl_list_entry(tries.next, struct sl_try, link), destination);
}

static void
start(struct sl_batch *b)
{
	struct sl_delivery *d = b->delivery;

	sl_timer_stop(&b->timer);
	sl_list_remove(&b->link);
	sl_list_insert(&d->batches, &b->link);
	b->turn.limit = first(b)->way.connections;
	b->turn.begin = has_turn;
	switch (d->draining ? SL_TURN_NOMEM : sl_turn_ask(d, &b->turn, b->destination)) {
	case SL_TURN_NOW:
		look_for_hosts(b);
		break;
	case SL_TURN_LATER:
		b->state = PARKED;
		count_tries(b, false);
		sl_delivery_look(d);
		break;
	case SL_TURN_FULL:
		set_aside(b);
		break;
	case SL_TURN_NOMEM:
		give_back(b);
		break;
	}
}

static void
gathered_long_enough(struct sl_timer *timer)
{
	start(sl_list_entry(timer, struct sl_batch, timer));
}

static struct sl_batch *
batch_new(struct sl_delivery *d)
{
	struct sl_batch *b = sl_calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->delivery = d;
	b->fd = -1;
	sl_list_init(&b->tries);
	sl_list_init(&b->turn.link);
	if (sl_timer_start(d->o.loop, &b->timer, GATHER_MS, gathered_long_enough) < 0) {
		sl_free(b);
		return NULL;
	}
	sl_list_insert(&d->gathering, &b->link);
	return b;
}

static bool
takes(const struct sl_batch *b, const struct sl_try *t, const char *destination)
{
	const struct sl_try *f = first(b);

	return b->n < MAX_RCPT && strcmp(f->id, t->id) == 0 && strcmp(f->from, t->from) == 0 &&
	    strcmp(b->destination, destination) == 0 && sl_way_same(&f->way, &t->way);
}

void
sl_transport_smtp(struct sl_try *t)
{
	struct sl_delivery *d = t->delivery;
	struct sl_batch *b = NULL;
	char destination[300];

	set_destination(t, destination, sizeof(destination));
	for (struct sl_list *n = d->gathering.next; n != &d->gathering && b == NULL; n = n->next) {
		struct sl_batch *other = sl_list_entry(n, struct sl_batch, link);

		if (takes(other, t, destination))
			b = other;
	}
	if (b == NULL && (b = batch_new(d)) == NULL) {
		sl_try_give_back(t);
		return;
	}
	if (b->n == 0)
		memcpy(b->destination, destination, sizeof(destination));
	sl_list_remove(&t->link);
	sl_list_insert(&b->tries, &t->link);
	b->n++;
}

void
sl_batches_settle(struct sl_delivery *d, const char *id)
{
	struct sl_list *node, *next;

	for (node = d->pre.next; node != &d->pre; node = node->next) {
		if (strcmp(sl_list_entry(node, struct sl_try, link)->id, id) == 0)
			return;
	}
	for (node = d->gathering.next; node != &d->gathering; node = next) {
		struct sl_batch *b = sl_list_entry(node, struct sl_batch, link);

		next = node->next;
		if (strcmp(first(b)->id, id) == 0)
			start(b);
	}
}

static bool
is_among(const struct sl_batch *b, enum sl_which_batches which)
{
	if (which == SL_BATCHES_INCOMPLETE)
		return b->op == NULL || !b->op->complete;
	return which == SL_BATCHES_ALL || b->state <= PARKED;
}

static void
give_back_list(struct sl_list *list, enum sl_which_batches which)
{
	struct sl_list *node, *next;

	for (node = list->next; node != list; node = next) {
		struct sl_batch *b = sl_list_entry(node, struct sl_batch, link);

		next = node->next;
		if (is_among(b, which))
			give_back(b);
	}
}

void
sl_batches_give_back(struct sl_delivery *d, enum sl_which_batches which)
{
	give_back_list(&d->gathering, which);
	give_back_list(&d->batches, which);
}
