/*
 * Verifying, as an evaluator: signatures are parsed first, then the key
 * records are asked for, and each answer finishes the signatures that wait
 * for it. See dkim.h.
 */
#include <stdio.h>
#include <string.h>

#include "dkim.h"

#define MAX_SIGNATURES	10
#define SKEW		86400	/* wrong time zones are more common than forgers from tomorrow */

struct work {
	struct sl_dkim_signature sig;
	struct sl_dkim_result result;
	bool pending;		/* waits for the key of 'question' */
	size_t question;
};

struct key_question {
	char name[256];
	bool asked, answered;
};

struct sl_dkim_verify {
	struct sl_evaluator evaluator;	/* first: the evaluator is the whole */
	struct sl_message *m;
	struct sl_dkim_verify_options options;
	struct sl_dkim_bodies bodies;
	size_t froms;			/* From fields of the message */
	size_t n, skipped;
	struct work *work;
	size_t nquestions;
	struct key_question *questions;
};

static void decide(struct work *w, enum sl_dkim_status status, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

static void
decide(struct work *w, enum sl_dkim_status status, const char *fmt, ...)
{
	va_list ap;

	w->pending = false;
	w->result.status = status;
	va_start(ap, fmt);
	vsnprintf(w->result.reason, sizeof(w->result.reason), fmt, ap);
	va_end(ap);
}

static void
copy_lower(char *out, size_t size, struct sl_str s)
{
	size_t n = s.n < size ? s.n : size - 1;

	if (n > 0)
		memcpy(out, s.p, n);
	out[n] = '\0';
	sl_lower_in_place(out, n);
}

static void
describe(struct sl_dkim_result *r, const struct sl_dkim_signature *s)
{
	copy_lower(r->domain, sizeof(r->domain), s->domain);
	copy_lower(r->selector, sizeof(r->selector), s->selector);
	memcpy(r->identity, s->identity, sizeof(r->identity));
	memcpy(r->b, s->b_prefix, sizeof(r->b));
	r->algorithm = s->algorithm;
	r->header = s->header;
	r->body = s->body;
	r->has_length = s->has_length;
	r->length = s->length;
	r->timestamp = s->timestamp;
	r->expiration = s->expiration;
	r->h = s->h;
}

/* What needs no key. */
static bool
acceptable(const struct sl_dkim_verify *v, struct work *w)
{
	int64_t now = v->options.now, skew = v->options.skew;

	if (w->sig.algorithm == SL_DKIM_RSA_SHA1)
		decide(w, SL_DKIM_PERMERROR, "rsa-sha1 is not accepted (RFC 8301)");
	else if (w->sig.expiration >= 0 && w->sig.expiration < now)
		decide(w, SL_DKIM_PERMERROR, "signature expired");
	else if (w->sig.timestamp > now + skew)
		decide(w, SL_DKIM_PERMERROR, "signature is from the future");
	else
		return true;
	return false;
}

/* One question per name. The parser saw to it that the name fits. */
static size_t
question_for(struct sl_dkim_verify *v, const struct sl_dkim_signature *s)
{
	struct key_question *q = &v->questions[v->nquestions];

	snprintf(q->name, sizeof(q->name), "%.*s._domainkey.%.*s", (int)s->selector.n,
	    s->selector.p, (int)s->domain.n, s->domain.p);
	sl_lower_in_place(q->name, strlen(q->name));
	for (size_t i = 0; i < v->nquestions; i++)
		if (strcmp(v->questions[i].name, q->name) == 0)
			return i;
	return v->nquestions++;
}

static void
take_signature(struct sl_dkim_verify *v, size_t field)
{
	struct work *w = &v->work[v->n++];
	struct sl_err err = { 0 };
	int r = sl_dkim_signature_parse(&w->sig, v->m->fields[field].value, 0, &err);

	describe(&w->result, &w->sig);
	w->result.field = (int)field;
	if (r == SL_ERR_NOMEM)
		decide(w, SL_DKIM_TEMPERROR, "%s", err.text);
	else if (r < 0)
		decide(w, SL_DKIM_PERMERROR, "%.150s", err.text);
	else if (acceptable(v, w)) {
		w->pending = true;
		w->question = question_for(v, &w->sig);
	}
}

static void
take_signatures(struct sl_dkim_verify *v)
{
	for (size_t i = 0; i < v->m->nfields; i++) {
		struct sl_str name = v->m->fields[i].name;

		v->froms += sl_str_ieq(name, SL_STR("From"));
		if (!sl_str_ieq(name, SL_STR("DKIM-Signature")))
			continue;
		if (v->n < v->options.max_signatures)
			take_signature(v, i);
		else
			v->skipped++;
	}
}

/* ---- with a key ----------------------------------------------------------- */

/* RFC 6376 6.1.2: may this key make this signature? */
static bool
key_fits(struct work *w, const struct sl_dkim_key *key)
{
	enum sl_digest_alg digest = sl_dkim_algorithm_digest(w->sig.algorithm);

	if (!key->known_type || key->type != sl_dkim_algorithm_key(w->sig.algorithm))
		decide(w, SL_DKIM_PERMERROR, "the key is of another kind than the signature");
	else if (key->revoked)
		decide(w, SL_DKIM_PERMERROR, "the key is revoked");
	else if (key->hashes.p != NULL &&
	    !sl_tags_has(key->hashes, ':', sl_str_of(sl_digest_word(digest))))
		decide(w, SL_DKIM_PERMERROR, "the key is not for %s", sl_digest_word(digest));
	else if (key->services.p != NULL && !sl_tags_has(key->services, ':', SL_STR("*")) &&
	    !sl_tags_has(key->services, ':', SL_STR("email")))
		decide(w, SL_DKIM_PERMERROR, "the key is not for mail");
	else if (key->strict && !sl_str_ieq(w->sig.identity_domain, w->sig.domain))
		decide(w, SL_DKIM_PERMERROR, "the key does not allow a subdomain in i=");
	else
		return true;
	return false;
}

static bool
body_good(struct sl_dkim_verify *v, struct work *w)
{
	uint64_t limit = w->sig.has_length ? w->sig.length : SL_CANON_ALL;
	struct sl_dkim_body_hash h;

	if (sl_dkim_body_hash(&v->bodies, v->m->body, w->sig.body,
	    sl_dkim_algorithm_digest(w->sig.algorithm), limit, &h) < 0) {
		decide(w, SL_DKIM_TEMPERROR, "out of memory");
		return false;
	}
	w->result.body_length = w->sig.has_length ? h.length : 0;
	if (w->sig.has_length && w->sig.length > h.length)
		decide(w, SL_DKIM_PERMERROR, "l= is more than the body has");
	else if (memcmp(h.hash, w->sig.body_hash, w->sig.body_hash_n) != 0)
		decide(w, SL_DKIM_FAIL, "body hash did not verify");
	else
		return true;
	return false;
}

/* 1 good, 0 not, negative: out of memory. */
static int
header_good(const struct sl_dkim_verify *v, const struct work *w, struct sl_pubkey *pubkey)
{
	enum sl_digest_alg alg = sl_dkim_algorithm_digest(w->sig.algorithm);
	const struct sl_field *field = &v->m->fields[w->result.field];
	uint8_t hash[SL_DIGEST_MAX];
	int r = sl_dkim_header_hash(v->m, NULL, w->sig.h, w->sig.header, alg, field->raw, field, hash,
	    NULL);

	if (r < 0)
		return r;
	return sl_pubkey_verify(pubkey, alg, (struct sl_str){ (char *)hash, sl_digest_size(alg) },
	    (struct sl_str){ (const char *)w->sig.b, w->sig.b_n });
}

static size_t
names_signed(struct sl_str h, struct sl_str name)
{
	struct sl_str part;
	size_t n = 0;

	while (sl_str_split(&h, ':', &part))
		n += sl_str_ieq(sl_str_trim(part), name);
	return n;
}

/* The cryptography is good; is what it covers enough? RFC 6376 8.2, 8.15. */
static void
accept_signature(const struct sl_dkim_verify *v, struct work *w)
{
	bool part = w->sig.has_length && w->sig.length < w->result.body_length;

	if (v->froms > names_signed(w->sig.h, SL_STR("From")))
		decide(w, SL_DKIM_POLICY, "a From field is not signed");
	else if (part && v->options.refuse_length)
		decide(w, SL_DKIM_POLICY, "l= leaves part of the body unsigned");
	else
		decide(w, SL_DKIM_PASS, "%s", part ? "l= leaves part of the body unsigned" : "");
}

static void
verify_with(struct sl_dkim_verify *v, struct work *w, const struct sl_dkim_key *key)
{
	struct sl_pubkey *pubkey = NULL;
	struct sl_err err = { 0 };
	int r;

	w->result.testing = key->testing;
	if (!key_fits(w, key))
		return;
	r = sl_pubkey_cache_get(v->options.keys, key->type, sl_buf_str(&key->p), &pubkey,
	    &w->result.bits, &err);
	if (r == SL_ERR_NOMEM) {
		decide(w, SL_DKIM_TEMPERROR, "%.150s", err.text);
	} else if (r < 0) {
		/* RFC 8301 3.2: too short a key is not ours to accept. */
		decide(w, r == SL_ERR_LIMIT ? SL_DKIM_POLICY : SL_DKIM_PERMERROR, "%.150s", err.text);
	} else if (body_good(v, w)) {
		r = header_good(v, w, pubkey);
		if (r == 1)
			accept_signature(v, w);
		else if (r == 0)
			decide(w, SL_DKIM_FAIL, "signature did not verify");
		else
			decide(w, SL_DKIM_TEMPERROR, "signature could not be checked");
	}
	sl_pubkey_unref(pubkey);
}

/* Several key records of a name are tried one after the other (RFC 6376 6.1.2). */
static void
try_records(struct sl_dkim_verify *v, struct work *w, const struct sl_dns_answer *answer)
{
	char first[160] = "";
	size_t tried = 0;

	for (size_t i = 0; i < answer->n && tried < SL_DKIM_MAX_RECORDS; i++) {
		struct sl_dkim_key key;
		struct sl_err err = { 0 };
		int r = sl_dkim_key_parse(&key, answer->records[i].data, &err);

		if (r == 0) {
			tried++;
			verify_with(v, w, &key);
		} else if (first[0] == '\0') {
			snprintf(first, sizeof(first), "%.150s", err.text);
		}
		sl_dkim_key_clear(&key);
		if (r == SL_ERR_NOMEM) {
			decide(w, SL_DKIM_TEMPERROR, "out of memory");
			return;
		}
		if (r == 0 && w->result.status == SL_DKIM_PASS)
			return;
	}
	if (tried == 0)
		decide(w, SL_DKIM_PERMERROR, "no key for signature: %s", first);
}

static void
finish(struct sl_dkim_verify *v, struct work *w, const struct sl_dns_answer *answer)
{
	w->result.secure = answer->secure;
	if (sl_dns_temporary(answer->status))
		decide(w, SL_DKIM_TEMPERROR, "key look-up: %s", sl_dns_status_word(answer->status));
	else if (answer->status != SL_DNS_OK || answer->n == 0)
		decide(w, SL_DKIM_PERMERROR, "no key for signature");
	else
		try_records(v, w, answer);
}

/* ---- the evaluator --------------------------------------------------------- */

static struct sl_dkim_verify *
self(struct sl_evaluator *e)
{
	return (struct sl_dkim_verify *)(void *)e;
}

static int
next_question(struct sl_evaluator *e, struct sl_question *out)
{
	struct sl_dkim_verify *v = self(e);

	for (size_t i = 0; i < v->nquestions; i++) {
		struct key_question *q = &v->questions[i];

		if (q->asked)
			continue;
		q->asked = true;
		out->id = (unsigned)i;
		out->type = SL_DNS_TXT;
		memcpy(out->name, q->name, sizeof(q->name));
		return 1;
	}
	return 0;
}

static void
take_answer(struct sl_evaluator *e, unsigned id, const struct sl_dns_answer *answer)
{
	struct sl_dkim_verify *v = self(e);

	if (id >= v->nquestions || v->questions[id].answered)
		return;
	v->questions[id].answered = true;
	for (size_t i = 0; i < v->n; i++)
		if (v->work[i].pending && v->work[i].question == id)
			finish(v, &v->work[i], answer);
}

static bool
is_done(const struct sl_evaluator *e)
{
	const struct sl_dkim_verify *v = (const struct sl_dkim_verify *)(const void *)e;

	for (size_t i = 0; i < v->n; i++)
		if (v->work[i].pending)
			return false;
	return true;
}

/* ---- life -------------------------------------------------------------------- */

static size_t
count_signatures(const struct sl_message *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->nfields; i++)
		n += sl_str_ieq(m->fields[i].name, SL_STR("DKIM-Signature"));
	return n;
}

static bool
make_room(struct sl_dkim_verify *v)
{
	size_t n = count_signatures(v->m);

	if (n > v->options.max_signatures)
		n = v->options.max_signatures;
	v->work = sl_calloc(n + 1, sizeof(*v->work));
	v->questions = sl_calloc(n + 1, sizeof(*v->questions));
	return v->work != NULL && v->questions != NULL;
}

struct sl_dkim_verify *
sl_dkim_verify_new(struct sl_message *m, const struct sl_dkim_verify_options *options)
{
	struct sl_dkim_verify *v = sl_calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	v->evaluator.question = next_question;
	v->evaluator.answer = take_answer;
	v->evaluator.done = is_done;
	v->options = *options;
	if (v->options.max_signatures == 0)
		v->options.max_signatures = MAX_SIGNATURES;
	if (v->options.skew == 0)
		v->options.skew = SKEW;
	v->m = sl_message_ref(m);
	if (!make_room(v)) {
		sl_dkim_verify_free(v);
		return NULL;
	}
	take_signatures(v);
	return v;
}

struct sl_evaluator *
sl_dkim_verify_evaluator(struct sl_dkim_verify *v)
{
	return &v->evaluator;
}

void
sl_dkim_verify_free(struct sl_dkim_verify *v)
{
	if (v == NULL)
		return;
	sl_message_unref(v->m);
	sl_free(v->work);
	sl_free(v->questions);
	sl_free(v);
}

size_t
sl_dkim_verify_count(const struct sl_dkim_verify *v)
{
	return v->n;
}

const struct sl_dkim_result *
sl_dkim_verify_result(const struct sl_dkim_verify *v, size_t i)
{
	return &v->work[i].result;
}

size_t
sl_dkim_verify_skipped(const struct sl_dkim_verify *v)
{
	return v->skipped;
}

enum sl_dkim_status
sl_dkim_verify_status(const struct sl_dkim_verify *v)
{
	enum sl_dkim_status best = SL_DKIM_NONE;

	for (size_t i = 0; i < v->n; i++)
		if (v->work[i].result.status > best)
			best = v->work[i].result.status;
	return best;
}
