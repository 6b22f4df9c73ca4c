/*
 * Commit: from what was chosen to messages to store. Deliveries with equal
 * edits, sender and signatures share one copy and one signature, so 1,000
 * recipients cost one RSA operation.
 */
#include <stdio.h>
#include <string.h>

#include "body.h"
#include "made.h"
#include "sign.h"
#include "transaction.h"

/* A copy being built: the first choice that needs it, and who shares it. */
struct copy {
	struct copy *next;
	const struct sl_chosen *first;
	struct sl_out_recipient *rcpts;
	size_t n;
};

static bool
same_copy(const struct sl_chosen *a, const struct sl_chosen *b)
{
	return sl_same_text(a->quarantine, b->quarantine) &&
	    sl_same_text(a->draft.sender, b->draft.sender) &&
	    sl_same_signs(a->draft.signs, b->draft.signs) &&
	    sl_body_equal(a->draft.body, b->draft.body) &&
	    sl_head_equal(a->draft.head, b->draft.head);
}

static struct copy *
find_copy(struct copy *copies, const struct sl_chosen *c)
{
	for (; copies != NULL; copies = copies->next)
		if (same_copy(copies->first, c))
			return copies;
	return NULL;
}

/* 'max' recipients have room: every choice could share one copy. */
static struct copy *
add_copy(struct sl_transaction *t, struct copy **end, const struct sl_chosen *c, size_t max)
{
	struct copy *copy = sl_arena_alloc(t->arena, sizeof(*copy));

	if (copy == NULL)
		return NULL;
	memset(copy, 0, sizeof(*copy));
	copy->rcpts = sl_arena_alloc(t->arena, max * sizeof(*copy->rcpts));
	if (copy->rcpts == NULL)
		return NULL;
	copy->first = c;
	*end = copy;
	return copy;
}

static struct copy *
group(struct sl_transaction *t, size_t *ncopies)
{
	struct copy *copies = NULL, **end = &copies, *copy;
	const struct sl_chosen *c;
	size_t left = 0;

	*ncopies = 0;
	for (c = t->chosen; c != NULL; c = c->next)
		left++;
	for (c = t->chosen; c != NULL; c = c->next, left--) {
		copy = find_copy(copies, c);
		if (copy == NULL) {
			if ((copy = add_copy(t, end, c, left)) == NULL)
				return NULL;
			end = &copy->next;
			++*ncopies;
		}
		copy->rcpts[copy->n++] = (struct sl_out_recipient){
			.recipient = c->draft.recipient,
			.transport = c->draft.transport,
			.metadata = c->draft.metadata,
			.delay = c->draft.delay,
		};
	}
	return copies;
}

/* ---- pieces ---------------------------------------------------------- */

/* Fields that stood together when received stay one piece. */
static size_t
head_pieces(const struct sl_head *head, struct sl_str *out)
{
	size_t n = 0, i;
	struct sl_str raw;

	for (i = 0; i < sl_head_count(head); i++) {
		raw = sl_head_at(head, i)->raw;
		if (n > 0 && out[n - 1].p + out[n - 1].n == raw.p)
			out[n - 1].n += raw.n;
		else
			out[n++] = raw;
	}
	return n;
}

/* RFC 8601 5: results are put above the Received field of the host they are of. */
static bool
begins_with_results(const struct sl_head *head)
{
	const struct sl_field *f = sl_head_at(head, 0);

	return f != NULL && f->origin < 0 && sl_str_ieq(f->name, SL_STR("Authentication-Results"));
}

static int
fill_pieces(struct sl_transaction *t, const struct sl_head *head, struct sl_str body,
    struct sl_out_message *m)
{
	struct sl_str *pieces = sl_arena_alloc(t->arena, (sl_head_count(head) + 2) * sizeof(*pieces));
	size_t i;

	if (pieces == NULL)
		return SL_ERR_NOMEM;
	m->npieces = head_pieces(head, pieces);
	m->ntop = begins_with_results(head);	/* what an edit made is a piece of its own */
	pieces[m->npieces++] = SL_STR("\r\n");
	if (body.n > 0)
		pieces[m->npieces++] = body;
	m->pieces = pieces;
	for (i = 0; i < m->npieces; i++)
		m->size += pieces[i].n;
	return 0;
}

static int
fill_message(struct sl_transaction *t, const struct copy *copy, size_t index,
    struct sl_out_message *m, struct sl_err *err)
{
	struct sl_head *head = copy->first->draft.head;
	struct sl_body *body = copy->first->draft.body;
	const struct sl_message *changed;
	struct sl_dkim_bodies *hashes;
	char id[96];
	int rc = sl_sign_draft(t, &copy->first->draft, err);

	if (rc != 0)
		return rc;
	changed = sl_body_message(&t->mail, body, &hashes);
	if (changed == NULL)
		return sl_err_set(err, SL_ERR_LIMIT, "changed bodies are too large");
	if (index == 0)
		snprintf(id, sizeof(id), "%s", t->id);
	else
		snprintf(id, sizeof(id), "%s-%zu", t->id, index + 1);
	m->id = sl_arena_strndup(t->arena, id, strlen(id));
	m->sender = copy->first->draft.sender;
	m->quarantine = copy->first->quarantine;
	m->recipients = copy->rcpts;
	m->n = copy->n;
	if (m->id == NULL || fill_pieces(t, head, changed->body, m) != 0)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	return 0;
}

/* Behind the copies: what scripts wrote. */
static void
fill_made(const struct sl_transaction *t, struct sl_out_message *m)
{
	const struct sl_made *made;

	for (made = t->made; made != NULL; made = made->next)
		*m++ = (struct sl_out_message){
			.id = made->id, .sender = made->sender, .made = true,
			.pieces = &made->bytes, .npieces = 1, .size = made->bytes.n,
			.recipients = made->recipients, .n = made->n,
		};
}

static size_t
count_made(const struct sl_transaction *t)
{
	const struct sl_made *made;
	size_t n = 0;

	for (made = t->made; made != NULL; made = made->next)
		n++;
	return n;
}

int
sl_commit(struct sl_transaction *t, struct sl_err *err)
{
	struct sl_out_message *messages;
	const struct copy *copy;
	size_t n, made = count_made(t), i = 0;
	int rc;

	copy = group(t, &n);
	messages = sl_arena_alloc(t->arena, (n + made) * sizeof(*messages));
	if ((copy == NULL && t->chosen != NULL) || messages == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	memset(messages, 0, n * sizeof(*messages));
	for (; copy != NULL; copy = copy->next, i++)
		if ((rc = fill_message(t, copy, i, &messages[i], err)) != 0)
			return rc;
	fill_made(t, messages + n);
	t->outcome.messages = messages;
	t->outcome.n = n + made;
	return 0;
}
