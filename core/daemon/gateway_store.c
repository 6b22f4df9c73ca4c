/* What the SMTP server stores: a transaction's copies, all or nothing. */
#include "gateway_private.h"

#include "../base/alloc.h"

/* Wraps the store's operation: the delivery's arrays end with it. */
struct storing {
	struct sl_op op;
	struct sl_gateway *gateway;
	struct sl_op *store;
	struct sl_accept_item *items;
	struct sl_envelope *envelopes;
	struct sl_entry *entries;
};

static void
storing_free(struct sl_op *op)
{
	struct storing *s = (struct storing *)op;

	sl_op_release(s->store);
	sl_free(s->items);
	sl_free(s->envelopes);
	sl_free(s->entries);
	sl_free(s);
}

static void
storing_cancel(struct sl_op *op)
{
	(void)op;
}

static const struct sl_op_class storing_class = { "store", storing_cancel, storing_free };

static void
stored(struct sl_op *op, void *arg)
{
	struct storing *s = arg;

	if (op->status == 0) {
		sl_shared_counters(s->gateway->o.shared, s->gateway->o.worker)->stored++;
		sl_delivery_kick(s->gateway->delivery);
	}
	sl_op_finish(&s->op, op->status);
}

static void
fill_entries(const struct sl_out_message *m, int64_t now, struct sl_entry *entries)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		entries[i] = (struct sl_entry){
			.recipient = (char *)(uintptr_t)m->recipients[i].recipient,
			.transport = (char *)(uintptr_t)m->recipients[i].transport,
			.metadata = (char *)(uintptr_t)m->recipients[i].metadata,
			.state = m->quarantine != NULL ? SL_ENTRY_HELD : SL_ENTRY_QUEUED,
			.next_us = now + (int64_t)(m->recipients[i].delay * 1e6),
		};
}

static void
fill(struct storing *s, const struct sl_smtp_delivery *d)
{
	struct sl_entry *entries = s->entries;
	size_t i;

	for (i = 0; i < d->n; i++) {
		fill_entries(&d->messages[i], d->received_us, entries);
		s->envelopes[i] = (struct sl_envelope){
			.id = (char *)(uintptr_t)d->messages[i].id,
			.sender = (char *)(uintptr_t)d->messages[i].sender,
			.facts = (char *)(uintptr_t)d->facts,
			.quarantine = (char *)(uintptr_t)d->messages[i].quarantine,
			.received_us = d->received_us,
			.n = d->messages[i].n, .entries = entries,
		};
		s->items[i] = (struct sl_accept_item){ &s->envelopes[i], d->messages[i].pieces,
			d->messages[i].npieces };
		entries += d->messages[i].n;
	}
}

struct sl_op *
sl_gateway_store(void *arg, const struct sl_smtp_delivery *d)
{
	struct sl_gateway *g = arg;
	struct storing *s = sl_calloc(1, sizeof(*s));
	size_t i, n = 0;

	if (s == NULL)
		return NULL;
	for (i = 0; i < d->n; i++)
		n += d->messages[i].n;
	sl_op_init(&s->op, &storing_class, g->o.loop, 0);
	s->gateway = g;
	s->items = sl_calloc(d->n + 1, sizeof(*s->items));
	s->envelopes = sl_calloc(d->n + 1, sizeof(*s->envelopes));
	s->entries = sl_calloc(n + 1, sizeof(*s->entries));
	if (s->items != NULL && s->envelopes != NULL && s->entries != NULL) {
		fill(s, d);
		s->store = sl_store_accept_all(g->store, s->items, d->n);
	}
	if (s->store == NULL) {
		storing_free(&s->op);
		return NULL;
	}
	sl_op_wait(s->store, stored, s);
	return &s->op;
}
