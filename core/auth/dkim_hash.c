/* What is hashed: bodies, and the fields that h= names. See dkim.h. */
#include "dkim_private.h"

#include <string.h>

static void
to_digest(void *arg, const void *p, size_t n)
{
	sl_digest_update(arg, p, n);
}

static int
hash_body(struct sl_str body, struct sl_dkim_body_hash *h)
{
	struct sl_canon_body c;
	struct sl_digest d;
	int r = sl_digest_init(&d, h->alg);

	if (r == 0) {
		sl_canon_body_init(&c, h->canon, h->limit, to_digest, &d);
		sl_canon_body_update(&c, body.p, body.n);
		h->length = sl_canon_body_final(&c);
		r = sl_digest_final(&d, h->hash);
	}
	sl_digest_clear(&d);
	return r;
}

int
sl_dkim_body_hash(struct sl_dkim_bodies *bodies, struct sl_str body, enum sl_canon canon,
    enum sl_digest_alg alg, uint64_t limit, struct sl_dkim_body_hash *out)
{
	int r;

	for (size_t i = 0; bodies != NULL && i < bodies->n; i++) {
		const struct sl_dkim_body_hash *h = &bodies->entry[i];

		if (h->canon == canon && h->alg == alg && h->limit == limit) {
			*out = *h;
			return 0;
		}
	}
	memset(out, 0, sizeof(*out));
	out->canon = canon;
	out->alg = alg;
	out->limit = limit;
	r = hash_body(body, out);
	if (r == 0 && bodies != NULL && bodies->n < SL_DKIM_BODIES)
		bodies->entry[bodies->n++] = *out;
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
