/* What is hashed: bodies, and the fields that h= names. See dkim.h. */
#include "dkim_private.h"

#include <string.h>

/* ---- bodies ------------------------------------------------------------ */

/* One pass over a body for hashes that differ in their limit. */
struct pass {
	struct sl_digest all, part;	/* of what was written; a copy of it to finish */
	uint64_t written;
	struct sl_dkim_body_hash *want[SL_DKIM_BODIES];	/* shortest first */
	size_t n, done;
	bool failed;
};

static void
finish_next(struct pass *p)
{
	sl_digest_copy(&p->part, &p->all);
	p->failed |= sl_digest_final(&p->part, p->want[p->done++]->hash) < 0;
}

static void
to_pass(void *arg, const void *bytes, size_t n)
{
	struct pass *p = arg;
	const char *from = bytes;

	while (p->done < p->n && p->want[p->done]->limit - p->written <= n) {
		size_t part = (size_t)(p->want[p->done]->limit - p->written);

		sl_digest_update(&p->all, from, part);
		p->written += part;
		from += part;
		n -= part;
		finish_next(p);
	}
	sl_digest_update(&p->all, from, n);
	p->written += n;
}

static void
add_to_pass(struct pass *p, struct sl_dkim_body_hash *h)
{
	size_t i = p->n++;

	for (; i > 0 && p->want[i - 1]->limit > h->limit; i--)
		p->want[i] = p->want[i - 1];
	p->want[i] = h;
}

static int
run_pass(struct pass *p, struct sl_str body)
{
	struct sl_dkim_body_hash *longest = p->want[p->n - 1];
	struct sl_canon_body c;
	uint64_t length;
	int r = sl_digest_init(&p->all, longest->alg) | sl_digest_init(&p->part, longest->alg);

	if (r == 0) {
		sl_canon_body_init(&c, longest->canon, longest->limit, to_pass, p);
		to_pass(p, "", 0);
		sl_canon_body_update(&c, body.p, body.n);
		length = sl_canon_body_final(&c);
		while (p->done < p->n)
			finish_next(p);
		for (size_t i = 0; i < p->n; i++) {
			p->want[i]->length = length;
			p->want[i]->known = !p->failed;
		}
		r = p->failed ? SL_ERR_NOMEM : 0;
	}
	sl_digest_clear(&p->all);
	sl_digest_clear(&p->part);
	return r < 0 ? SL_ERR_NOMEM : 0;
}

static struct sl_dkim_body_hash *
entry_of(struct sl_dkim_bodies *bodies, enum sl_canon canon, enum sl_digest_alg alg, uint64_t limit)
{
	struct sl_dkim_body_hash *h;

	for (size_t i = 0; i < bodies->n; i++) {
		h = &bodies->entry[i];
		if (h->canon == canon && h->alg == alg && h->limit == limit)
			return h;
	}
	if (bodies->n == SL_DKIM_BODIES)
		return NULL;
	h = &bodies->entry[bodies->n++];
	*h = (struct sl_dkim_body_hash){ .canon = canon, .alg = alg, .limit = limit };
	return h;
}

void
sl_dkim_body_want(struct sl_dkim_bodies *bodies, enum sl_canon canon, enum sl_digest_alg alg,
    uint64_t limit)
{
	entry_of(bodies, canon, alg, limit);
}

int
sl_dkim_body_hash(struct sl_dkim_bodies *bodies, struct sl_str body, enum sl_canon canon,
    enum sl_digest_alg alg, uint64_t limit, struct sl_dkim_body_hash *out)
{
	struct sl_dkim_body_hash one = { .canon = canon, .alg = alg, .limit = limit }, *h = NULL;
	struct pass pass = { .written = 0 };
	int r = 0;

	if (bodies != NULL)
		h = entry_of(bodies, canon, alg, limit);
	for (size_t i = 0; h != NULL && !h->known && i < bodies->n; i++)
		if (!bodies->entry[i].known && bodies->entry[i].canon == canon &&
		    bodies->entry[i].alg == alg)
			add_to_pass(&pass, &bodies->entry[i]);
	if (h == NULL) {
		h = &one;
		add_to_pass(&pass, h);
	}
	if (pass.n > 0) {
		r = run_pass(&pass, body);
		if (bodies != NULL)
			bodies->passes++;
	}
	*out = *h;
	return r;
}

/* ---- header ------------------------------------------------------------ */

struct slot {
	const struct sl_field *field;
	uint32_t hash;		/* of the name in lower case: most comparisons end here */
	bool used;
};

static uint32_t
name_hash(struct sl_str name)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (unsigned char)sl_lower(name.p[i])) * 16777619u;
	return h;
}

static struct slot *
make_slots(const struct sl_message *m, const struct sl_head *head, const struct sl_field *skip,
    size_t *count)
{
	size_t n = head != NULL ? sl_head_count(head) : m->nfields;
	struct slot *slots = sl_calloc(n + 1, sizeof(*slots));

	for (size_t i = 0; slots != NULL && i < n; i++) {
		slots[i].field = head != NULL ? sl_head_at(head, i) : &m->fields[i];
		slots[i].hash = name_hash(slots[i].field->name);
		slots[i].used = slots[i].field == skip;
	}
	*count = n;
	return slots;
}

/* RFC 6376 5.4.2: of several fields of a name the last comes first. */
static const struct sl_field *
take_last(struct slot *slots, size_t n, struct sl_str name)
{
	uint32_t h = name_hash(name);

	while (n-- > 0) {
		struct slot *s = &slots[n];

		if (!s->used && s->hash == h && sl_str_ieq(s->field->name, name)) {
			s->used = true;
			return s->field;
		}
	}
	return NULL;
}

static int
digest_fields(struct sl_digest *d, struct slot *slots, size_t n, struct sl_str h,
    enum sl_canon canon, struct sl_err *err)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_str name;
	size_t names = 0;
	int r = 0;

	while (r == 0 && sl_str_split(&h, ':', &name)) {
		const struct sl_field *field = take_last(slots, n, sl_str_trim(name));

		if (++names > SL_DKIM_MAX_H) {
			r = sl_err_set(err, SL_ERR_LIMIT, "more than %d names in h=", SL_DKIM_MAX_H);
		} else if (field != NULL) {
			sl_buf_reset(&text);
			r = sl_canon_header(&text, canon, field->raw);
			sl_digest_update(d, text.p, text.n);
		}
	}
	sl_buf_clear(&text);
	return r;
}

int
sl_dkim_digest_signature(struct sl_digest *d, enum sl_canon canon, struct sl_str signature)
{
	struct sl_buf text = SL_BUF_INIT;
	int r = sl_canon_signature(&text, canon, signature);

	if (r == 0)
		sl_digest_update(d, text.p, text.n);
	sl_buf_clear(&text);
	return r;
}

int
sl_dkim_header_hash(const struct sl_message *m, const struct sl_head *head, struct sl_str h,
    enum sl_canon canon, enum sl_digest_alg alg, struct sl_str signature,
    const struct sl_field *skip, uint8_t *out, struct sl_err *err)
{
	struct slot *slots;
	struct sl_digest d;
	size_t n;
	int r = sl_digest_init(&d, alg);

	slots = make_slots(m, head, skip, &n);
	if (slots == NULL)
		r = SL_ERR_NOMEM;
	if (r == 0)
		r = digest_fields(&d, slots, n, h, canon, err);
	if (r == 0)
		r = sl_dkim_digest_signature(&d, canon, signature);
	if (r == 0)
		r = sl_digest_final(&d, out);
	if (r == SL_ERR_NOMEM)
		sl_err_set(err, r, "out of memory");
	sl_digest_clear(&d);
	sl_free(slots);
	return r;
}
