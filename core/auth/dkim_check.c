/* One signature and the key records of its name. See dkim_private.h. */
#include "dkim_private.h"

#include <stdio.h>
#include <string.h>

#include "../mail/address.h"

void
sl_dkim_decide(struct sl_dkim_work *w, enum sl_dkim_status status, const char *fmt, ...)
{
	va_list ap;

	w->pending = false;
	w->result.status = status;
	va_start(ap, fmt);
	vsnprintf(w->result.reason, sizeof(w->result.reason), fmt, ap);
	va_end(ap);
}

/* ---- without a key -------------------------------------------------------- */

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

static bool
acceptable(const struct sl_dkim_checker *c, struct sl_dkim_work *w)
{
	if (w->sig.algorithm == SL_DKIM_RSA_SHA1)
		sl_dkim_decide(w, SL_DKIM_PERMERROR, "rsa-sha1 is not accepted (RFC 8301)");
	else if (w->sig.expiration >= 0 && w->sig.expiration < c->now)
		sl_dkim_decide(w, SL_DKIM_PERMERROR, "signature expired");
	else if (w->sig.timestamp > c->now + c->skew)
		sl_dkim_decide(w, SL_DKIM_PERMERROR, "signature is from the future");
	else
		return true;
	return false;
}

bool
sl_dkim_check_field(const struct sl_dkim_checker *c, struct sl_dkim_work *w, size_t field,
    unsigned flags)
{
	struct sl_err err = { 0 };
	int r = sl_dkim_signature_parse(&w->sig, c->m->fields[field].value, flags, &err);

	describe(&w->result, &w->sig);
	w->result.field = (int)field;
	if (r == SL_ERR_NOMEM)
		sl_dkim_decide(w, SL_DKIM_TEMPERROR, "%s", err.text);
	else if (r < 0)
		sl_dkim_decide(w, SL_DKIM_PERMERROR, "%.150s", err.text);
	else
		return acceptable(c, w);
	return false;
}

/* ---- with a key ----------------------------------------------------------- */

/* RFC 6376 6.1.2: may this key make this signature? */
static bool
key_fits(struct sl_dkim_work *w, const struct sl_dkim_key *key)
{
	const char *unfit = sl_dkim_key_unfit(key, w->sig.algorithm);

	if (unfit != NULL)
		sl_dkim_decide(w, SL_DKIM_PERMERROR, "%s", unfit);
	else if (key->strict && !(sl_dkim_domain_within(w->sig.identity_domain, w->sig.domain) &&
	    sl_dkim_domain_within(w->sig.domain, w->sig.identity_domain)))
		sl_dkim_decide(w, SL_DKIM_PERMERROR, "the key does not allow a subdomain in i=");
	else
		return true;
	return false;
}

static uint64_t
limit_of(const struct sl_dkim_signature *s)
{
	return s->has_length ? s->length : SL_CANON_ALL;
}

void
sl_dkim_want_body(struct sl_dkim_checker *c, const struct sl_dkim_signature *s)
{
	sl_dkim_body_want(&c->bodies, s->body, sl_dkim_algorithm_digest(s->algorithm), limit_of(s));
}

static bool
body_good(struct sl_dkim_checker *c, struct sl_dkim_work *w)
{
	uint64_t limit = limit_of(&w->sig);
	struct sl_dkim_body_hash h;

	if (sl_dkim_body_hash(&c->bodies, c->m->body, w->sig.body,
	    sl_dkim_algorithm_digest(w->sig.algorithm), limit, &h) < 0) {
		sl_dkim_decide(w, SL_DKIM_TEMPERROR, "out of memory");
		return false;
	}
	w->result.body_length = w->sig.has_length ? h.length : 0;
	if (w->sig.has_length && w->sig.length > h.length)
		sl_dkim_decide(w, SL_DKIM_PERMERROR, "l= is more than the body has");
	else if (memcmp(h.hash, w->sig.body_hash, w->sig.body_hash_n) != 0)
		sl_dkim_decide(w, SL_DKIM_FAIL, "body hash did not verify");
	else
		return true;
	return false;
}

bool
sl_dkim_message_digest(struct sl_dkim_checker *c, struct sl_dkim_work *w, uint8_t *out)
{
	const struct sl_field *field = &c->m->fields[w->result.field];

	if (!body_good(c, w))
		return false;
	if (sl_dkim_header_hash(c->m, NULL, w->sig.h, w->sig.header,
	    sl_dkim_algorithm_digest(w->sig.algorithm), field->raw, field, out, NULL) == 0)
		return true;
	sl_dkim_decide(w, SL_DKIM_TEMPERROR, "signature could not be checked");
	return false;
}

static void
check_signature(struct sl_dkim_checker *c, struct sl_dkim_work *w, struct sl_pubkey *pubkey)
{
	enum sl_digest_alg alg = sl_dkim_algorithm_digest(w->sig.algorithm);
	uint8_t hash[SL_DIGEST_MAX];
	int r;

	if (!c->digest(c, w, hash))
		return;
	r = sl_pubkey_verify(pubkey, alg, (struct sl_str){ (char *)hash, sl_digest_size(alg) },
	    (struct sl_str){ (const char *)w->sig.b, w->sig.b_n });
	if (r == 1)
		c->accept(c, w);
	else if (r == 0)
		sl_dkim_decide(w, SL_DKIM_FAIL, "signature did not verify");
	else
		sl_dkim_decide(w, SL_DKIM_TEMPERROR, "signature could not be checked");
}

static void
verify_with(struct sl_dkim_checker *c, struct sl_dkim_work *w, const struct sl_dkim_key *key)
{
	struct sl_pubkey *pubkey = NULL;
	struct sl_err err = { 0 };
	int r;

	w->result.testing = key->testing;
	if (!key_fits(w, key))
		return;
	r = sl_pubkey_cache_get(c->keys, key->type, sl_buf_str(&key->p), &pubkey,
	    &w->result.bits, &err);
	if (r == SL_ERR_NOMEM) {
		sl_dkim_decide(w, SL_DKIM_TEMPERROR, "%.150s", err.text);
	} else if (r < 0) {
		/* RFC 8301 3.2: too short a key is not ours to accept. */
		sl_dkim_decide(w, r == SL_ERR_LIMIT ? SL_DKIM_POLICY : SL_DKIM_PERMERROR, "%.150s", err.text);
	} else {
		check_signature(c, w, pubkey);
	}
	sl_pubkey_unref(pubkey);
}

/* Several key records of a name are tried one after the other (RFC 6376 6.1.2). */
static void
try_records(struct sl_dkim_checker *c, struct sl_dkim_work *w, const struct sl_dns_answer *answer)
{
	char first[160] = "";
	size_t tried = 0;

	for (size_t i = 0; i < answer->n && tried < SL_DKIM_MAX_RECORDS; i++) {
		struct sl_dkim_key key;
		struct sl_err err = { 0 };
		int r = sl_dkim_key_parse(&key, answer->records[i].data, &err);

		if (r == 0) {
			tried++;
			verify_with(c, w, &key);
		} else if (first[0] == '\0') {
			snprintf(first, sizeof(first), "%.150s", err.text);
		}
		sl_dkim_key_clear(&key);
		if (r == SL_ERR_NOMEM) {
			sl_dkim_decide(w, SL_DKIM_TEMPERROR, "out of memory");
			return;
		}
		if (r == 0 && w->result.status == SL_DKIM_PASS)
			return;
	}
	if (tried == 0)
		sl_dkim_decide(w, SL_DKIM_PERMERROR, "no key for signature: %s", first);
}

size_t
sl_dkim_names_signed(struct sl_str h, struct sl_str name)
{
	struct sl_str part;
	size_t n = 0;

	while (sl_str_split(&h, ':', &part))
		n += sl_str_ieq(sl_str_trim(part), name);
	return n;
}

void
sl_dkim_check_key(struct sl_dkim_checker *c, struct sl_dkim_work *w,
    const struct sl_dns_answer *answer)
{
	w->result.secure = answer->secure;
	if (sl_dns_temporary(answer->status))
		sl_dkim_decide(w, SL_DKIM_TEMPERROR, "key look-up: %s", sl_dns_status_word(answer->status));
	else if (answer->status != SL_DNS_OK || answer->n == 0)
		sl_dkim_decide(w, SL_DKIM_PERMERROR, "no key for signature");
	else
		try_records(c, w, answer);
}

/* ---- questions -------------------------------------------------------------- */

/* One question per name. The parser saw to it that the name fits. As A-labels (RFC 8616 5); one
 * that can't be that stays as it is and won't be found. */
size_t
sl_dkim_question_for(struct sl_dkim_questions *qs, const struct sl_dkim_signature *s)
{
	struct sl_dkim_question *q = &qs->q[qs->n];
	char ascii[256];
	struct sl_err err;

	snprintf(q->name, sizeof(q->name), "%.*s._domainkey.%.*s", (int)s->selector.n,
	    s->selector.p, (int)s->domain.n, s->domain.p);
	sl_lower_in_place(q->name, strlen(q->name));
	if (sl_domain_normalize(ascii, sl_str_of(q->name), &err) == 0)
		strcpy(q->name, ascii);
	for (size_t i = 0; i < qs->n; i++)
		if (strcmp(qs->q[i].name, q->name) == 0)
			return i;
	return qs->n++;
}

int
sl_dkim_question_next(struct sl_dkim_questions *qs, struct sl_question *out)
{
	for (size_t i = 0; i < qs->n; i++) {
		struct sl_dkim_question *q = &qs->q[i];

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

bool
sl_dkim_question_answered(struct sl_dkim_questions *qs, unsigned id)
{
	if (id >= qs->n || qs->q[id].answered)
		return false;
	qs->q[id].answered = true;
	return true;
}
