/* States of the draft. See snapshot.h. */
#include "snapshot.h"

#include "body.h"
#include "transaction.h"

struct sl_snapshot {
	struct sl_snapshot *next;
	unsigned id;
	struct sl_head *head;
	struct sl_body *body;
	struct sl_sign_request *signs;
};

int
sl_snapshot_take(struct sl_context *ctx, unsigned *id)
{
	struct sl_transaction *t = ctx->transaction;
	const struct sl_draft *draft = ctx->draft;
	struct sl_snapshot *s;
	unsigned n = 0;

	for (s = t->snapshots; s != NULL; s = s->next)
		n++;
	if (n >= SL_SNAPSHOT_MAX)
		return SL_ERR_LIMIT;
	s = sl_arena_alloc(t->arena, sizeof(*s));
	if (s == NULL)
		return SL_ERR_NOMEM;
	*s = (struct sl_snapshot){ t->snapshots, t->nsnapshots + 1, sl_head_copy(draft->head),
	    draft->body, draft->signs };
	if (s->head == NULL)
		return SL_ERR_NOMEM;
	t->snapshots = s;
	*id = ++t->nsnapshots;
	return 0;
}

/* Takes 'head'. */
static void
become(struct sl_draft *draft, struct sl_head *head, struct sl_body *body,
    struct sl_sign_request *signs)
{
	sl_head_free(draft->head);
	draft->head = head;
	draft->body = body;
	draft->signs = signs;
}

int
sl_snapshot_restore(struct sl_context *ctx, unsigned id)
{
	const struct sl_snapshot *s = ctx->transaction->snapshots;
	struct sl_head *head;

	while (s != NULL && s->id != id)
		s = s->next;
	if (s == NULL)
		return SL_ERR_NOTFOUND;
	head = sl_head_copy(s->head);
	if (head == NULL)
		return SL_ERR_NOMEM;
	become(ctx->draft, head, s->body, s->signs);
	return 0;
}

/* Fields that are new or another, and those that went, seen from what was received. */
static size_t
count_changes(const struct sl_draft *draft, const struct sl_head *received)
{
	size_t n = draft->body != NULL ? draft->body->n : 0, kept = 0, i;
	const struct sl_sign_request *r;

	for (i = 0; i < sl_head_count(draft->head); i++)
		kept += sl_head_at(draft->head, i)->origin >= 0;
	n += sl_head_count(draft->head) - kept;
	/* A field that was replaced is counted once. */
	if (sl_head_count(received) > sl_head_count(draft->head))
		n += sl_head_count(received) - sl_head_count(draft->head);
	for (r = draft->signs; r != NULL; r = r->next)
		n++;
	return n;
}

int
sl_snapshot_reset(struct sl_context *ctx, size_t *changes)
{
	struct sl_head *head;
	int removed, rc = sl_transaction_received(ctx->transaction, &head, &removed);

	if (rc != 0)
		return rc;
	*changes = count_changes(ctx->draft, head);
	become(ctx->draft, head, NULL, NULL);
	return 0;
}

void
sl_snapshots_drop(struct sl_transaction *t)
{
	for (; t->snapshots != NULL; t->snapshots = t->snapshots->next)
		sl_head_free(t->snapshots->head);
}
