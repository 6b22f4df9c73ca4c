#include "changes.h"

#include <string.h>

#include "body.h"
#include "../base/dict.h"
#include "sign.h"
#include "transaction.h"

/* ---- fields ---------------------------------------------------------- */

/* A field of the old header, of the new one, or of both: both headers merged. */
struct item {
	const struct sl_field *old, *new;
};

struct merge {
	struct item *items;
	size_t n;
};

static void
put(struct merge *m, const struct sl_field *old, const struct sl_field *new)
{
	m->items[m->n++] = (struct item){ old, new };
}

/*
 * Between two fields that stayed: 'old' ones went and 'new' ones came. One of
 * the same name, in order, is taken for a change of the other.
 */
static void
merge_gap(struct merge *m, const struct sl_field *old, size_t nold, const struct sl_head *head,
    size_t from, size_t to)
{
	const struct sl_field *new;
	size_t i = 0, k;

	for (; from < to; from++) {
		new = sl_head_at(head, from);
		for (k = i; k < nold && !sl_str_eq(old[k].name, new->name); k++)
			;
		if (k == nold) {
			put(m, NULL, new);
			continue;
		}
		while (i < k)
			put(m, &old[i++], NULL);
		put(m, &old[i++], new);
	}
	while (i < nold)
		put(m, &old[i++], NULL);
}

/* Edits never move a field: those that stayed are in their old order. */
static void
merge(struct merge *m, const struct sl_message *message, const struct sl_head *head)
{
	size_t n = sl_head_count(head), old = 0, from = 0, i;
	const struct sl_field *f;

	for (i = 0; i < n; i++) {
		f = sl_head_at(head, i);
		if (f->origin < 0)
			continue;
		merge_gap(m, message->fields + old, (size_t)f->origin - old, head, from, i);
		put(m, &message->fields[f->origin], f);
		old = (size_t)f->origin + 1;
		from = i + 1;
	}
	/* Without a field there is no list to count from. */
	merge_gap(m, old > 0 ? message->fields + old : message->fields, message->nfields - old, head,
	    from, n);
}

static bool
is_kept(const struct item *item)
{
	return item->old != NULL && item->new != NULL && item->new->origin >= 0;
}

/* Which of its name it is when all insertions are made, from 1. */
static size_t
index_of(const struct merge *m, size_t at)
{
	struct sl_str name = m->items[at].old->name;
	size_t n = 1, i;

	for (i = 0; i < at; i++)
		n += sl_str_ieq(m->items[i].old != NULL ? m->items[i].old->name :
		    m->items[i].new->name, name);
	return n;
}

static void
list_insertions(const struct merge *m, size_t old_left, struct sl_field_change *out, size_t *n)
{
	size_t i;

	for (i = 0; i < m->n; i++) {
		old_left -= m->items[i].old != NULL;
		if (m->items[i].old == NULL)
			out[(*n)++] = (struct sl_field_change){
				.edit = SL_EDIT_INSERT, .name = m->items[i].new->name,
				.value = m->items[i].new->value, .index = i, .last = old_left == 0,
			};
	}
}

static void
list_others(const struct merge *m, struct sl_field_change *out, size_t *n)
{
	const struct item *item;
	size_t i;

	for (i = m->n; i-- > 0;) {
		item = &m->items[i];
		if (item->old == NULL || is_kept(item))
			continue;
		out[*n] = (struct sl_field_change){ .edit = SL_EDIT_DELETE, .name = item->old->name,
			.index = index_of(m, i) };
		if (item->new != NULL) {
			out[*n].edit = SL_EDIT_CHANGE;
			out[*n].value = item->new->value;
		}
		++*n;
	}
}

int
sl_changes_of_head(const struct sl_message *message, const struct sl_head *head,
    struct sl_arena *arena, struct sl_changes *out)
{
	size_t most = message->nfields + sl_head_count(head) + 1, n = 0;
	struct sl_field_change *fields = sl_arena_alloc(arena, most * sizeof(*fields));
	struct merge m = { .items = sl_arena_alloc(arena, most * sizeof(*m.items)) };

	if (fields == NULL || m.items == NULL)
		return SL_ERR_NOMEM;
	merge(&m, message, head);
	list_insertions(&m, message->nfields, fields, &n);
	list_others(&m, fields, &n);
	out->fields = fields;
	out->nfields = n;
	return 0;
}

/* ---- what changes can't say -------------------------------------------- */

static int
fields_differ(const struct sl_chosen *a, const struct sl_chosen *b, struct sl_err *err)
{
	const struct sl_field *fa, *fb;
	struct sl_str ta, tb;
	size_t i = 0;

	do {
		fa = sl_head_at(a->draft.head, i);
		fb = sl_head_at(b->draft.head, i);
		i++;
	} while (fa != NULL && fb != NULL && sl_str_eq(fa->raw, fb->raw));
	ta = fa != NULL ? sl_str_sub(sl_str_trim(fa->raw), 0, 80) : SL_STR("no field");
	tb = fb != NULL ? sl_str_sub(sl_str_trim(fb->raw), 0, 80) : SL_STR("no field");
	return sl_err_set(err, SL_ERR_REFUSED, "header field %zu is \"%.*s\" for one and \"%.*s\" for "
	    "the other", i, (int)ta.n, ta.p, (int)tb.n, tb.p);
}

static int
compare(const struct sl_chosen *a, const struct sl_chosen *b, struct sl_err *err)
{
	const char *qa = a->quarantine, *qb = b->quarantine;

	if (!sl_same_text(qa, qb))
		return sl_err_set(err, SL_ERR_REFUSED, "one has quarantine \"%s\", the other \"%s\"",
		    qa != NULL ? qa : "none", qb != NULL ? qb : "none");
	if (!sl_same_text(a->draft.sender, b->draft.sender))
		return sl_err_set(err, SL_ERR_REFUSED, "sender is <%s> for one and <%s> for the other",
		    a->draft.sender, b->draft.sender);
	if (!sl_head_equal(a->draft.head, b->draft.head))
		return fields_differ(a, b, err);
	if (!sl_body_equal(a->draft.body, b->draft.body))
		return sl_err_set(err, SL_ERR_REFUSED, "the bodies differ");
	if (!sl_same_signs(a->draft.signs, b->draft.signs))
		return sl_err_set(err, SL_ERR_REFUSED, "the signatures differ");
	return 0;
}

/* What needs a queue of ours. */
static int
check_alone(const struct sl_chosen *c, struct sl_err *err)
{
	if (c->rcpt != NULL && !sl_same_text(c->draft.transport, c->rcpt->transport))
		return sl_err_set(err, SL_ERR_REFUSED, "recipient %s: transport %s: the mail server "
		    "chooses how it delivers", c->draft.recipient, c->draft.transport);
	if (c->draft.delay > 0)
		return sl_err_set(err, SL_ERR_REFUSED, "recipient %s: delay %g s: the mail server "
		    "delivers when it likes", c->draft.recipient, c->draft.delay);
	return 0;
}

static int
check(const struct sl_transaction *t, struct sl_err *err)
{
	const struct sl_chosen *c, *first = t->chosen;
	int rc;

	for (c = first; c != NULL; c = c->next) {
		if ((rc = check_alone(c, err)) != 0)
			return rc;
		if (compare(first, c, err) != 0)
			return sl_err_prefix(err, "recipients %s and %s want different messages",
			    first->draft.recipient, c->draft.recipient);
	}
	return 0;
}

/* ---- recipients ---------------------------------------------------------- */

static int
add_all(struct sl_dict *had, struct sl_dict *have, const struct sl_transaction *t)
{
	const struct sl_chosen *c;
	size_t i;

	for (i = 0; i < t->nrcpts; i++)
		if (sl_dict_set(had, sl_str_of(t->rcpts[i].address), (void *)(uintptr_t)1, NULL) < 0)
			return SL_ERR_NOMEM;
	for (c = t->chosen; c != NULL; c = c->next)
		if (sl_dict_set(have, sl_str_of(c->draft.recipient), (void *)(uintptr_t)c, NULL) < 0)
			return SL_ERR_NOMEM;
	return 0;
}

static int
list_recipients(struct sl_transaction *t, struct sl_dict *had, struct sl_dict *have,
    struct sl_changes *out)
{
	size_t *removed = sl_arena_alloc(t->arena, (t->nrcpts + 1) * sizeof(*removed)), i;
	const char **added = sl_arena_alloc(t->arena, (sl_dict_count(have) + 1) * sizeof(*added));
	struct sl_str address;
	void *c;

	if (removed == NULL || added == NULL)
		return SL_ERR_NOMEM;
	for (i = 0; i < t->nrcpts; i++)
		if (!sl_dict_has(have, sl_str_of(t->rcpts[i].address)))
			removed[out->nremoved++] = i;
	for (i = 0; sl_dict_each(have, &i, &address, &c);)
		if (!sl_dict_has(had, address))
			added[out->nadded++] = ((const struct sl_chosen *)c)->draft.recipient;
	out->removed = removed;
	out->added = added;
	return 0;
}

static int
recipients(struct sl_transaction *t, struct sl_changes *out)
{
	struct sl_dict *had = sl_dict_new(), *have = sl_dict_new();
	int rc = SL_ERR_NOMEM;

	if (had != NULL && have != NULL && add_all(had, have, t) == 0)
		rc = list_recipients(t, had, have, out);
	sl_dict_free(had, NULL);
	sl_dict_free(have, NULL);
	return rc;
}

/* ---- all of it ----------------------------------------------------------- */

static int
fill(struct sl_transaction *t, struct sl_changes *out, struct sl_err *err)
{
	struct sl_chosen *first = t->chosen;
	const struct sl_message *changed;
	struct sl_dkim_bodies *hashes;
	int rc;

	out->quarantine = first->quarantine;
	if (!sl_same_text(first->draft.sender, t->sender))
		out->sender = first->draft.sender;
	if ((rc = sl_sign_draft(t, &first->draft, err)) != 0)
		return rc;
	if (first->draft.body != NULL) {
		changed = sl_body_message(&t->mail, first->draft.body, &hashes);
		if (changed == NULL)
			return sl_err_set(err, SL_ERR_LIMIT, "changed bodies are too large");
		out->body = &changed->body;
	}
	if (sl_changes_of_head(t->mail.message, first->draft.head, t->arena, out) != 0 ||
	    recipients(t, out) != 0)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	return 0;
}

int
sl_changes_make(struct sl_transaction *t, struct sl_err *err)
{
	struct sl_changes *out = sl_arena_alloc(t->arena, sizeof(*out));
	int rc;

	if (out == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	memset(out, 0, sizeof(*out));
	out->discard = t->chosen == NULL;
	if (t->chosen != NULL && ((rc = check(t, err)) != 0 || (rc = fill(t, out, err)) != 0))
		return rc;
	t->outcome.changes = out;
	return 0;
}
