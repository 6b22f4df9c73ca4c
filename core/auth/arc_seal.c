/*
 * Making a set. The tags stand in the order of the alphabet and b= is one
 * line (690 bytes at most, where RFC 5322 2.1.1 allows 998): later seals are
 * over it, blanks of a fold included, so equal input gives the signatures that
 * the recorded suites have. See arc.h.
 */
#include <stdio.h>
#include <string.h>

#include "arc_private.h"
#include "dkim_private.h"

/* ---- checks ------------------------------------------------------------------- */

static bool
never_signed(struct sl_str name)
{
	return sl_arc_is_field(name) || sl_str_ieq(name, SL_STR("Authentication-Results"));
}

static int
check_list(const struct sl_str_list *list, struct sl_err *err)
{
	for (size_t i = 0; list != NULL && i < list->n; i++)
		if (never_signed(list->name[i]))
			return sl_err_set(err, SL_ERR_INVAL, "%.*s is never signed (RFC 8617 4.1.2)",
			    (int)list->name[i].n, list->name[i].p);
	return 0;
}

/* A field's value: control bytes only as folds. */
static int
check_results(struct sl_str s, struct sl_err *err)
{
	if (sl_str_trim(s).n == 0)
		return sl_err_set(err, SL_ERR_INVAL, "no authentication results to seal");
	if (s.n > SL_DKIM_MAX_FIELD)
		return sl_err_set(err, SL_ERR_INVAL, "authentication results of %zu bytes", s.n);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool fold = c == '\r' && s.n - i > 2 && s.p[i + 1] == '\n' &&
		    (s.p[i + 2] == ' ' || s.p[i + 2] == '\t');

		if ((c < 0x20 && c != '\t' && !fold) || c == 0x7f)
			return sl_err_set(err, SL_ERR_INVAL, "control byte in the authentication results");
		i += fold ? 1 : 0;
	}
	return 0;
}

int
sl_arc_check(const struct sl_arc_request *q, int64_t now, struct sl_err *err)
{
	int r = sl_dkim_check(&q->dkim, now, err);

	if (r == 0)
		r = check_list(q->dkim.options.headers, err);
	if (r == 0)
		r = check_list(q->dkim.options.additional, err);
	if (r == 0)
		r = check_list(q->dkim.options.oversign, err);
	if (r == 0)
		r = check_results(q->results, err);
	return r;
}

/* RFC 8617 5.1: may a set be added, and does the cv fit what is there? */
static int
next_instance(struct sl_arc_chain *chain, const struct sl_arc_request *q,
    const struct sl_message *m, const struct sl_head *head, unsigned *instance,
    struct sl_err *err)
{
	struct sl_err why = { 0 };
	int r = sl_arc_collect(chain, m, head, &why);
	bool broken = r < 0, any = broken || chain->n > 0;

	if (r == SL_ERR_NOMEM)
		return sl_err_set(err, r, "out of memory");
	if (chain->ended)
		return sl_err_set(err, SL_ERR_REFUSED, "the chain has ended with cv=fail (RFC 8617 5.1)");
	if (r == SL_ERR_LIMIT || chain->n >= SL_ARC_MAX_SETS)
		return sl_err_set(err, SL_ERR_REFUSED, "the chain can't have more than %d sets "
		    "(RFC 8617 5.1)", SL_ARC_MAX_SETS);
	if (any != (q->cv != SL_ARC_NONE) || (broken && q->cv == SL_ARC_PASS))
		return sl_err_set(err, SL_ERR_INVAL, "cv=%s can't be said of %s",
		    sl_arc_status_word(q->cv), broken ? "a broken chain" : any ?
		    "a message with a chain" : "a message without a chain");
	*instance = chain->n + 1;
	return 0;
}

/* ---- fields ---------------------------------------------------------------------- */

/* A field whose b= is still empty. */
struct unsigned_field {
	struct sl_buf text;	/* name and value */
	size_t name;		/* bytes of "Name: " */
	size_t b;		/* where the value of b= belongs */
	struct sl_dkim_writer w;
};

static void
field_begin(struct unsigned_field *f, const char *name, const struct sl_arc_request *q)
{
	*f = (struct unsigned_field){ .text = SL_BUF_INIT };
	sl_buf_puts(&f->text, name);
	f->name = f->text.n;
	/* Some validators look for " i=" and don't find it behind a TAB. */
	f->w = (struct sl_dkim_writer){ &f->text, f->text.n, true };
	sl_dkim_put_tag(&f->w, "a=",
	    sl_str_of(sl_dkim_algorithm_word(sl_dkim_algorithm_of(&q->dkim))));
	sl_dkim_put_fold(&f->w);
	sl_buf_puts(&f->text, "b=");
	f->b = f->text.n;
	sl_buf_puts(&f->text, ";");
	sl_dkim_put_fold(&f->w);
}

/* The last tag of all is s= or t=, without a ";". */
static void
field_end(struct unsigned_field *f, const struct sl_arc_request *q, int64_t now)
{
	int64_t t = sl_dkim_timestamp_of(&q->dkim.options, now);

	sl_dkim_put_tag(&f->w, " s=", q->dkim.selector);
	if (t >= 0)
		sl_dkim_put_number(&f->w, " t=", (uint64_t)t);
	if (!f->text.failed)
		f->text.p[--f->text.n] = '\0';
}

/* The value with its signature: text is what the hash was made over. */
static int
field_sign(struct sl_buf *value, const struct unsigned_field *f, const struct sl_arc_request *q,
    uint8_t *hash, struct sl_err *err)
{
	enum sl_digest_alg alg = sl_dkim_algorithm_digest(sl_dkim_algorithm_of(&q->dkim));
	struct sl_str text = sl_buf_str(&f->text);
	struct sl_buf signature = SL_BUF_INIT;
	int r = sl_key_sign(q->dkim.key, alg,
	    (struct sl_str){ (char *)hash, sl_digest_size(alg) }, &signature, err);

	if (r == 0) {
		sl_buf_putstr(value, sl_str_sub(text, f->name, f->b));
		sl_base64_encode(value, sl_buf_str(&signature));
		sl_buf_putstr(value, sl_str_sub(text, f->b, text.n));
		r = value->failed ? SL_ERR_NOMEM : 0;
	}
	sl_buf_clear(&signature);
	return r;
}

/* ---- the message signature ---------------------------------------------------------- */

static int
make_names(struct sl_dkim_names *names, struct sl_err *err)
{
	int r = sl_dkim_names_make(names, err);

	/* RFC 8617 4.1.2: the signatures that are there are worth keeping. */
	if (r == 0 && names->options->headers == NULL)
		r = sl_dkim_names_add(names, SL_STR("DKIM-Signature"), err);
	if (r == 0 && names->out.n == 0)
		r = sl_err_set(err, SL_ERR_SYNTAX, "the message has none of the fields to sign");
	return r;
}

static void
write_message(struct unsigned_field *f, const struct sl_arc_request *q, unsigned instance,
    struct sl_str names, const struct sl_dkim_body_hash *body, int64_t now)
{
	const struct sl_dkim_options *o = &q->dkim.options;
	struct sl_buf hash = SL_BUF_INIT;
	char c[32];

	field_begin(f, "ARC-Message-Signature: ", q);
	sl_base64_encode(&hash, (struct sl_str){ (const char *)body->hash, sl_digest_size(body->alg) });
	f->text.failed |= hash.failed;
	sl_dkim_put_tag(&f->w, "bh=", sl_buf_str(&hash));
	sl_buf_clear(&hash);
	snprintf(c, sizeof(c), "%s/%s", sl_canon_word(o->header), sl_canon_word(o->body));
	sl_dkim_put_tag(&f->w, " c=", sl_str_of(c));
	sl_dkim_put_tag(&f->w, " d=", q->dkim.domain);
	sl_dkim_put_h(&f->w, names);
	sl_dkim_put_number(&f->w, " i=", instance);
	field_end(f, q, now);
}

static int
sign_message(struct sl_arc_seal *out, const struct sl_arc_request *q, struct sl_dkim_names *names,
    struct sl_dkim_bodies *bodies, int64_t now, struct sl_err *err)
{
	enum sl_digest_alg alg = sl_dkim_algorithm_digest(sl_dkim_algorithm_of(&q->dkim));
	struct unsigned_field f = { .text = SL_BUF_INIT };
	struct sl_dkim_body_hash body;
	uint8_t hash[SL_DIGEST_MAX];
	int r = make_names(names, err);

	if (r == 0)
		r = sl_dkim_body_hash(bodies, names->m->body, q->dkim.options.body, alg, SL_CANON_ALL,
		    &body);
	if (r == 0) {
		write_message(&f, q, out->instance, sl_buf_str(&names->out), &body, now);
		r = f.text.failed ? SL_ERR_NOMEM : 0;
	}
	if (r == 0)
		r = sl_dkim_header_hash(names->m, names->head, sl_buf_str(&names->out),
		    q->dkim.options.header, alg, sl_buf_str(&f.text), NULL, hash, err);
	if (r == 0)
		r = field_sign(&out->message, &f, q, hash, err);
	sl_buf_clear(&f.text);
	return r;
}

/* ---- the seal -------------------------------------------------------------------------- */

static int
digest_value(struct sl_digest *d, const char *name, struct sl_str value)
{
	struct sl_buf raw = SL_BUF_INIT;
	int r;

	sl_buf_puts(&raw, name);
	sl_buf_putstr(&raw, value);
	r = raw.failed ? SL_ERR_NOMEM : sl_arc_digest_field(d, sl_buf_str(&raw));
	sl_buf_clear(&raw);
	return r;
}

/* RFC 8617 5.1.1; after a failed validation the own set alone (5.1.2). */
static int
hash_chain(struct sl_digest *d, const struct sl_arc_chain *chain, const struct sl_arc_seal *own,
    enum sl_arc_status cv)
{
	unsigned n = cv == SL_ARC_PASS ? chain->n : 0;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < n; i++) {
		r = sl_arc_digest_field(d, chain->set[i].results->raw);
		if (r == 0)
			r = sl_arc_digest_field(d, chain->set[i].message->raw);
		if (r == 0)
			r = sl_arc_digest_field(d, chain->set[i].seal->raw);
	}
	if (r == 0)
		r = digest_value(d, "ARC-Authentication-Results: ", sl_buf_str(&own->results));
	if (r == 0)
		r = digest_value(d, "ARC-Message-Signature: ", sl_buf_str(&own->message));
	return r;
}

static void
write_seal(struct unsigned_field *f, const struct sl_arc_request *q, unsigned instance, int64_t now)
{
	field_begin(f, "ARC-Seal: ", q);
	sl_dkim_put_tag(&f->w, "cv=", sl_str_of(sl_arc_status_word(q->cv)));
	sl_dkim_put_tag(&f->w, " d=", q->dkim.domain);
	sl_dkim_put_number(&f->w, " i=", instance);
	field_end(f, q, now);
}

static int
sign_chain(struct sl_arc_seal *out, const struct sl_arc_request *q,
    const struct sl_arc_chain *chain, int64_t now, struct sl_err *err)
{
	struct unsigned_field f = { .text = SL_BUF_INIT };
	struct sl_digest d;
	uint8_t hash[SL_DIGEST_MAX];
	int r = sl_digest_init(&d, sl_dkim_algorithm_digest(sl_dkim_algorithm_of(&q->dkim)));

	if (r == 0)
		r = hash_chain(&d, chain, out, q->cv);
	if (r == 0) {
		write_seal(&f, q, out->instance, now);
		r = f.text.failed ? SL_ERR_NOMEM :
		    sl_dkim_digest_signature(&d, SL_CANON_RELAXED, sl_buf_str(&f.text));
	}
	if (r == 0)
		r = sl_digest_final(&d, hash);
	if (r == 0)
		r = field_sign(&out->seal, &f, q, hash, err);
	sl_digest_clear(&d);
	sl_buf_clear(&f.text);
	return r;
}

int
sl_arc_seal(struct sl_arc_seal *out, const struct sl_arc_request *q, const struct sl_message *m,
    const struct sl_head *head, struct sl_dkim_bodies *bodies, int64_t now, struct sl_err *err)
{
	struct sl_dkim_names names = { m, head, &q->dkim.options, false, SL_BUF_INIT, 0 };
	struct sl_arc_chain chain;
	int r;

	*out = (struct sl_arc_seal){ .instance = 0 };
	r = sl_arc_check(q, now, err);
	if (r == 0)
		r = next_instance(&chain, q, m, head, &out->instance, err);
	if (r < 0)
		return r;
	sl_buf_printf(&out->results, "i=%u; ", out->instance);
	sl_buf_putstr(&out->results, sl_str_trim(q->results));
	r = out->results.failed ? SL_ERR_NOMEM : sign_message(out, q, &names, bodies, now, err);
	if (r == 0)
		r = sign_chain(out, q, &chain, now, err);
	if (r == SL_ERR_NOMEM)
		sl_err_set(err, r, "out of memory");
	sl_buf_clear(&names.out);
	return r;
}

void
sl_arc_seal_clear(struct sl_arc_seal *seal)
{
	sl_buf_clear(&seal->results);
	sl_buf_clear(&seal->message);
	sl_buf_clear(&seal->seal);
}
