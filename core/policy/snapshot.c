/* States of the draft. See snapshot.h. */
#include "snapshot.h"

#include "body.h"

struct sl_snapshot {
	struct sl_snapshot *next;
	unsigned id;
	struct sl_head *head;
	struct sl_body *body;
	struct sl_sign_request *signs;
};

int
sl_snapshot_take(struct sl_mail *mail, const struct sl_draft *draft, unsigned *id)
{
	struct sl_snapshot *s;
	unsigned n = 0;

	for (s = mail->snapshots; s != NULL; s = s->next)
		n++;
	if (n >= SL_SNAPSHOT_MAX)
		return SL_ERR_LIMIT;
	s = sl_arena_alloc(mail->arena, sizeof(*s));
	if (s == NULL)
		return SL_ERR_NOMEM;
	*s = (struct sl_snapshot){ mail->snapshots, mail->nsnapshots + 1,
	    sl_head_copy(draft->head), draft->body, draft->signs };
	if (s->head == NULL)
		return SL_ERR_NOMEM;
	mail->snapshots = s;
	*id = ++mail->nsnapshots;
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
sl_snapshot_restore(const struct sl_mail *mail, struct sl_draft *draft, unsigned id)
{
	const struct sl_snapshot *s = mail->snapshots;
	struct sl_head *head;

	while (s != NULL && s->id != id)
		s = s->next;
	if (s == NULL)
		return SL_ERR_NOTFOUND;
	head = sl_head_copy(s->head);
	if (head == NULL)
		return SL_ERR_NOMEM;
	become(draft, head, s->body, s->signs);
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
sl_snapshot_reset(const struct sl_mail *mail, struct sl_draft *draft, size_t *changes)
{
	struct sl_head *head = sl_head_copy(mail->received);

	if (head == NULL)
		return SL_ERR_NOMEM;
	*changes = count_changes(draft, head);
	become(draft, head, NULL, NULL);
	return 0;
}

void
sl_snapshots_drop(struct sl_mail *mail)
{
	for (; mail->snapshots != NULL; mail->snapshots = mail->snapshots->next)
		sl_head_free(mail->snapshots->head);
}

size_t
sl_snapshots_memory(const struct sl_mail *mail)
{
	const struct sl_snapshot *s;
	size_t n = 0;

	for (s = mail->snapshots; s != NULL; s = s->next)
		n += sl_head_count(s->head) * sizeof(struct sl_field);
	return n;
}
