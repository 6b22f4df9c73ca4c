/* Changed bodies. See body.h. */
#include "body.h"

#include <string.h>

static bool
is_insertion(const struct sl_splice *s)
{
	return s->kind == SL_INSERT || s->kind == SL_INSERT_FIRST;
}

static bool
is_empty(const struct sl_splice *s)
{
	return s->from == s->to;
}

/* Where an old splice lies, seen from the new one. */
enum order { BEFORE, INSIDE, BEHIND, AROUND };

/* An insertion, seen from a replacement. */
static enum order
old_insertion(const struct sl_splice *old, const struct sl_splice *new)
{
	if (old->from == new->from && is_empty(new))
		return new->kind == SL_REPLACE_FIRST || old->kind == SL_INSERT ? BEHIND : BEFORE;
	if (old->from < new->from || (old->from == new->from && new->kind != SL_REPLACE_ALL))
		return BEFORE;
	return old->from >= new->to ? BEHIND : INSIDE;
}

/* A replacement, seen from an insertion: the other way round. */
static enum order
new_insertion(const struct sl_splice *old, const struct sl_splice *new)
{
	if (old->from == new->from && is_empty(old))
		return old->kind == SL_REPLACE_FIRST || new->kind == SL_INSERT ? BEFORE : BEHIND;
	if (old->to <= new->from)
		return BEFORE;
	return old->from >= new->from ? BEHIND : AROUND;
}

static enum order
order_of(const struct sl_splice *old, const struct sl_splice *new)
{
	if (is_insertion(old) && is_insertion(new) && old->from == new->from)
		return new->kind == SL_INSERT_FIRST ? BEHIND : BEFORE;
	if (is_insertion(old) && is_insertion(new))
		return old->from < new->from ? BEFORE : BEHIND;
	if (is_insertion(old))
		return old_insertion(old, new);
	if (is_insertion(new))
		return new_insertion(old, new);
	/* A part's empty body ends where the part does. */
	if (is_empty(old) && old->from >= new->from && old->to <= new->to &&
	    (is_empty(new) || new->kind == SL_REPLACE_ALL))
		return INSIDE;
	if (old->to <= new->from)
		return BEFORE;
	if (old->from >= new->to)
		return BEHIND;
	return old->from >= new->from && old->to <= new->to ? INSIDE : AROUND;
}

int
sl_body_splice(struct sl_arena *arena, struct sl_body *old, size_t from, size_t to,
    struct sl_str bytes, enum sl_splice_kind kind, struct sl_body **out)
{
	size_t n = old != NULL ? old->n : 0, i;
	struct sl_splice new = { from, to, bytes, kind };
	struct sl_body *b;
	enum order o;
	bool put = false;

	if (n >= SL_BODY_MAX_SPLICES)
		return SL_ERR_LIMIT;
	for (i = 0; i < n; i++)
		if (order_of(&old->splice[i], &new) == AROUND)
			return SL_ERR_NOTFOUND;
	b = sl_arena_alloc(arena, sizeof(*b) + (n + 1) * sizeof(b->splice[0]));
	new.bytes.p = sl_arena_strndup(arena, bytes.p != NULL ? bytes.p : "", bytes.n);
	if (b == NULL || new.bytes.p == NULL)
		return SL_ERR_LIMIT;
	memset(b, 0, sizeof(*b));
	for (i = 0; i < n; i++) {
		o = order_of(&old->splice[i], &new);
		if (o == BEHIND && !put) {
			b->splice[b->n++] = new;
			put = true;
		}
		if (o != INSIDE)
			b->splice[b->n++] = old->splice[i];
	}
	if (!put)
		b->splice[b->n++] = new;
	*out = b;
	return 0;
}

bool
sl_body_equal(const struct sl_body *a, const struct sl_body *b)
{
	if (a == b)
		return true;
	if (a == NULL || b == NULL || a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->splice[i].from != b->splice[i].from || a->splice[i].to != b->splice[i].to ||
		    !sl_str_eq(a->splice[i].bytes, b->splice[i].bytes))
			return false;
	return true;
}

static size_t
size_of(const struct sl_message *m, const struct sl_body *b)
{
	size_t size = m->body.n;

	for (size_t i = 0; i < b->n; i++)
		size = size - (b->splice[i].to - b->splice[i].from) + b->splice[i].bytes.n;
	return size;
}

static void
write_body(const struct sl_message *m, const struct sl_body *b, char *out)
{
	size_t at = (size_t)(m->body.p - m->bytes.p);

	for (size_t i = 0; i < b->n; i++) {
		const struct sl_splice *s = &b->splice[i];

		memcpy(out, m->bytes.p + at, s->from - at);
		out += s->from - at;
		memcpy(out, s->bytes.p, s->bytes.n);
		out += s->bytes.n;
		at = s->to;
	}
	memcpy(out, m->bytes.p + at, m->bytes.n - at);
}

const struct sl_message *
sl_body_message(struct sl_mail *mail, struct sl_body *body, struct sl_dkim_bodies **hashes)
{
	size_t n;
	char *bytes;

	*hashes = body != NULL ? &body->hashes : &mail->bodies;
	if (body == NULL)
		return mail->message;
	if (body->made != NULL)
		return body->made;
	n = size_of(mail->message, body);
	body->made = sl_arena_alloc(mail->arena, sizeof(*body->made));
	bytes = sl_arena_alloc(mail->arena, n + 1);
	if (body->made == NULL || bytes == NULL) {
		body->made = NULL;
		return NULL;
	}
	write_body(mail->message, body, bytes);
	/* A view of the received one for who reads; nobody counts or frees it. */
	*body->made = *mail->message;
	body->made->body = (struct sl_str){ bytes, n };
	return body->made;
}
