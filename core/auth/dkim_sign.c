/* Signing. See dkim.h. */
#include "dkim_private.h"

#include <stdio.h>
#include <string.h>

/* RFC 6376 5.4.1, without what systems on the way change (5.4.2: Received, Return-Path). */
static const struct sl_str default_headers[] = {
	{ "From", 4 }, { "Subject", 7 }, { "Date", 4 }, { "To", 2 }, { "Cc", 2 },
	{ "Reply-To", 8 }, { "Sender", 6 }, { "Message-ID", 10 }, { "In-Reply-To", 11 },
	{ "References", 10 }, { "MIME-Version", 12 }, { "Content-Type", 12 },
	{ "Content-Transfer-Encoding", 25 }, { "Content-ID", 10 }, { "Content-Description", 19 },
	{ "Content-Disposition", 19 }, { "Resent-Date", 11 }, { "Resent-From", 11 },
	{ "Resent-Sender", 13 }, { "Resent-To", 9 }, { "Resent-Cc", 9 },
	{ "Resent-Message-ID", 17 }, { "List-Id", 7 }, { "List-Help", 9 },
	{ "List-Unsubscribe", 16 }, { "List-Unsubscribe-Post", 21 }, { "List-Subscribe", 14 },
	{ "List-Post", 9 }, { "List-Owner", 10 }, { "List-Archive", 12 },
	{ "CFBL-Address", 12 }, { "CFBL-Feedback-ID", 16 },
};

/* What a reader sees or a program acts on, where one more changes the meaning (RFC 6376 8.15). */
static const struct sl_str default_oversign[] = {
	{ "From", 4 }, { "Subject", 7 }, { "Date", 4 }, { "To", 2 }, { "Cc", 2 },
	{ "Reply-To", 8 }, { "Sender", 6 }, { "Message-ID", 10 }, { "MIME-Version", 12 },
	{ "Content-Type", 12 }, { "Content-Transfer-Encoding", 25 },
};

const struct sl_str_list sl_dkim_default_headers = {
	default_headers, sizeof(default_headers) / sizeof(default_headers[0]),
};
const struct sl_str_list sl_dkim_default_oversign = {
	default_oversign, sizeof(default_oversign) / sizeof(default_oversign[0]),
};

/* ---- checks without a message ------------------------------------------ */

enum sl_dkim_algorithm
sl_dkim_algorithm_of(const struct sl_dkim_request *q)
{
	if (q->options.algorithm != SL_DKIM_BY_KEY)
		return q->options.algorithm;
	return sl_key_type(q->key) == SL_KEY_RSA ? SL_DKIM_RSA_SHA256 : SL_DKIM_ED25519_SHA256;
}

static bool
all_ascii(struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 0x7f)
			return false;
	return true;
}

static int
check_names(const struct sl_dkim_request *q, struct sl_err *err)
{
	if (!sl_dkim_domain_ok(q->domain) || sl_str_chr(q->domain, '.') < 0)
		return sl_err_set(err, SL_ERR_INVAL, "\"%.*s\" is no domain to sign for",
		    (int)sl_str_sub(q->domain, 0, 100).n, q->domain.n ? q->domain.p : "");
	if (!sl_dkim_domain_ok(q->selector))
		return sl_err_set(err, SL_ERR_INVAL, "\"%.*s\" is no selector",
		    (int)sl_str_sub(q->selector, 0, 100).n, q->selector.n ? q->selector.p : "");
	if (!all_ascii(q->domain) || !all_ascii(q->selector))
		return sl_err_set(err, SL_ERR_INVAL,
		    "selector and domain of a signature are written in ASCII (xn--...)");
	if (q->domain.n + q->selector.n + strlen("._domainkey.") > 253)
		return sl_err_set(err, SL_ERR_INVAL, "selector and domain are too long together");
	return 0;
}

static int
check_algorithm(const struct sl_dkim_request *q, struct sl_err *err)
{
	enum sl_dkim_algorithm algorithm;

	if (q->key == NULL)
		return sl_err_set(err, SL_ERR_INVAL, "there is no key to sign with");
	algorithm = sl_dkim_algorithm_of(q);
	if (algorithm == SL_DKIM_RSA_SHA1)
		return sl_err_set(err, SL_ERR_INVAL, "rsa-sha1 is not signed any more (RFC 8301)");
	if (sl_dkim_algorithm_key(algorithm) != sl_key_type(q->key))
		return sl_err_set(err, SL_ERR_INVAL, "%s can't be made with an %s key",
		    sl_dkim_algorithm_word(algorithm), sl_key_type_word(sl_key_type(q->key)));
	return 0;
}

static int
check_identity(const struct sl_dkim_request *q, struct sl_err *err)
{
	struct sl_str i = q->options.identity;
	size_t at = i.n;

	if (i.n == 0)
		return 0;
	for (size_t k = 0; k < i.n; k++) {
		if ((unsigned char)i.p[k] < 0x20 || i.p[k] == 0x7f)
			return sl_err_set(err, SL_ERR_INVAL, "control byte in the identity");
		if (i.p[k] == '@')
			at = k;
	}
	if (at == i.n || i.n > 320 || !sl_utf8_valid(i) ||
	    !sl_dkim_domain_ok(sl_str_sub(i, at + 1, i.n)))
		return sl_err_set(err, SL_ERR_INVAL, "the identity is no address");
	if (!sl_dkim_domain_within(sl_str_sub(i, at + 1, i.n), q->domain))
		return sl_err_set(err, SL_ERR_INVAL, "the identity is not within the domain");
	return 0;
}

static int
check_list(const struct sl_str_list *list, const char *what, struct sl_err *err)
{
	for (size_t i = 0; list != NULL && i < list->n; i++) {
		struct sl_str name = list->name[i];

		if (name.n == 0 || name.n > 100)
			return sl_err_set(err, SL_ERR_INVAL, "%s: bad header name", what);
		for (size_t k = 0; k < name.n; k++)
			if (name.p[k] <= 0x20 || name.p[k] >= 0x7f || strchr(":;|", name.p[k]) != NULL)
				return sl_err_set(err, SL_ERR_INVAL, "%s: bad header name", what);
	}
	if (list != NULL && list->n > SL_DKIM_MAX_H / 2)
		return sl_err_set(err, SL_ERR_INVAL, "%s: too many header names", what);
	return 0;
}

int64_t
sl_dkim_timestamp_of(const struct sl_dkim_options *o, int64_t now)
{
	return o->timestamp == 0 ? now : o->timestamp;
}

static int
check_times(const struct sl_dkim_options *o, int64_t now, struct sl_err *err)
{
	int64_t t = sl_dkim_timestamp_of(o, now), most = 999999999999;	/* 12 digits */

	if (t < -1 || t > most)
		return sl_err_set(err, SL_ERR_INVAL, "the timestamp is out of range");
	if (o->expiration < 0 || o->expiration > most)
		return sl_err_set(err, SL_ERR_INVAL, "the expiration is out of range");
	if (o->expiration > 0 && (o->expiration <= t || o->expiration <= now))
		return sl_err_set(err, SL_ERR_INVAL, "the signature would be expired already");
	return 0;
}

int
sl_dkim_check(const struct sl_dkim_request *q, int64_t now, struct sl_err *err)
{
	int r = check_names(q, err);

	if (r == 0)
		r = check_algorithm(q, err);
	if (r == 0)
		r = check_identity(q, err);
	if (r == 0)
		r = check_list(q->options.headers, "headers", err);
	if (r == 0)
		r = check_list(q->options.additional, "additional headers", err);
	if (r == 0)
		r = check_list(q->options.oversign, "oversigned headers", err);
	if (r == 0)
		r = check_times(&q->options, now, err);
	return r;
}

/* ---- the field ----------------------------------------------------------- */

/* dkim-quoted-printable: what can't stand in a tag's value (RFC 6376 2.11). */
static void
put_identity(struct sl_dkim_writer *w, struct sl_str identity)
{
	struct sl_buf text = SL_BUF_INIT;

	for (size_t i = 0; i < identity.n; i++) {
		unsigned char c = (unsigned char)identity.p[i];

		if (c <= 0x20 || c == ';' || c == '=' || c > 0x7e)
			sl_buf_printf(&text, "=%02X", c);
		else
			sl_buf_putc(&text, (char)c);
	}
	w->out->failed |= text.failed;
	sl_dkim_put_tag(w, " i=", sl_buf_str(&text));
	sl_buf_clear(&text);
}

/* Everything up to "b=". */
static void
put_field(struct sl_dkim_writer *w, const struct sl_dkim_request *q, struct sl_str names,
    const struct sl_dkim_body_hash *body, int64_t now)
{
	const struct sl_dkim_options *o = &q->options;
	int64_t t = sl_dkim_timestamp_of(o, now);
	char c[32];

	sl_dkim_put_tag(w, "v=", SL_STR("1"));
	sl_dkim_put_tag(w, " a=", sl_str_of(sl_dkim_algorithm_word(sl_dkim_algorithm_of(q))));
	snprintf(c, sizeof(c), "%s/%s", sl_canon_word(o->header), sl_canon_word(o->body));
	sl_dkim_put_tag(w, " c=", sl_str_of(c));
	sl_dkim_put_tag(w, " d=", q->domain);
	sl_dkim_put_tag(w, " s=", q->selector);
	if (o->identity.n > 0)
		put_identity(w, o->identity);
	if (t >= 0)
		sl_dkim_put_number(w, " t=", (uint64_t)t);
	if (o->expiration > 0)
		sl_dkim_put_number(w, " x=", (uint64_t)o->expiration);
	if (o->body_length)
		sl_dkim_put_number(w, " l=", body->length);
	sl_dkim_put_h(w, names);
	sl_dkim_put_piece(w, SL_STR(" bh="));
	sl_dkim_put_base64(w, (struct sl_str){ (const char *)body->hash, sl_digest_size(body->alg) });
	sl_dkim_put_piece(w, SL_STR(";"));
	sl_dkim_put_piece(w, SL_STR(" b="));
}

/* The field written so far is what is hashed: its b= is empty. */
static int
put_signature(struct sl_dkim_writer *w, const struct sl_dkim_request *q,
    const struct sl_dkim_names *names, struct sl_str field, struct sl_err *err)
{
	enum sl_digest_alg alg = sl_dkim_algorithm_digest(sl_dkim_algorithm_of(q));
	struct sl_buf signature = SL_BUF_INIT;
	uint8_t hash[SL_DIGEST_MAX];
	int r;

	r = sl_dkim_header_hash(names->m, names->head, sl_buf_str(&names->out), q->options.header,
	    alg, field, NULL, hash, err);
	if (r == 0)
		r = sl_key_sign(q->key, alg, (struct sl_str){ (char *)hash, sl_digest_size(alg) },
		    &signature, err);
	if (r == 0)
		sl_dkim_put_base64(w, sl_buf_str(&signature));
	sl_buf_clear(&signature);
	return r;
}

static int
write_field(struct sl_buf *value, const struct sl_dkim_request *q,
    const struct sl_dkim_names *names, const struct sl_dkim_body_hash *body, int64_t now,
    struct sl_err *err)
{
	static const char name[] = "DKIM-Signature: ";
	struct sl_buf field = SL_BUF_INIT;
	struct sl_dkim_writer w = { &field, sizeof(name) - 1, false };
	int r;

	sl_buf_puts(&field, name);
	put_field(&w, q, sl_buf_str(&names->out), body, now);
	r = field.failed ? SL_ERR_NOMEM : put_signature(&w, q, names, sl_buf_str(&field), err);
	if (r == 0 && field.failed)
		r = SL_ERR_NOMEM;
	if (r == 0)
		r = sl_buf_putstr(value, sl_str_sub(sl_buf_str(&field), sizeof(name) - 1, field.n));
	sl_buf_clear(&field);
	return r;
}

int
sl_dkim_sign(struct sl_buf *value, const struct sl_dkim_request *q, const struct sl_message *m,
    const struct sl_head *head, struct sl_dkim_bodies *bodies, int64_t now, struct sl_err *err)
{
	struct sl_dkim_names names = { m, head, &q->options, true, SL_BUF_INIT, 0 };
	struct sl_dkim_body_hash body;
	size_t froms;
	int r = sl_dkim_check(q, now, err);

	if (r < 0)
		return r;
	froms = sl_dkim_names_count(&names, SL_STR("From"));
	if (froms != 1)
		return sl_err_set(err, SL_ERR_SYNTAX, "the message has %zu From fields", froms);
	r = sl_dkim_names_make(&names, err);
	if (r == 0)
		r = sl_dkim_body_hash(bodies, m->body, q->options.body,
		    sl_dkim_algorithm_digest(sl_dkim_algorithm_of(q)), SL_CANON_ALL, &body);
	if (r == 0)
		r = write_field(value, q, &names, &body, now, err);
	if (r == SL_ERR_NOMEM)
		sl_err_set(err, r, "out of memory");
	sl_buf_clear(&names.out);
	return r;
}
