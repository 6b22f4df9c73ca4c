/* Signing. See dkim.h. */
#include <stdio.h>
#include <string.h>

#include "dkim.h"

#define WIDTH	76	/* of a folded line */

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

static enum sl_dkim_algorithm
algorithm_of(const struct sl_dkim_request *q)
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
	algorithm = algorithm_of(q);
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

static int64_t
timestamp_of(const struct sl_dkim_options *o, int64_t now)
{
	return o->timestamp == 0 ? now : o->timestamp;
}

static int
check_times(const struct sl_dkim_options *o, int64_t now, struct sl_err *err)
{
	int64_t t = timestamp_of(o, now), most = 999999999999;	/* 12 digits */

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

/* ---- the list of names -------------------------------------------------- */

struct names {
	const struct sl_message *m;
	const struct sl_head *head;
	const struct sl_dkim_options *options;
	struct sl_buf out;	/* "From:From:To" */
	size_t n;
};

static size_t
count_fields(const struct names *w, struct sl_str name)
{
	size_t total = w->head != NULL ? sl_head_count(w->head) : w->m->nfields, n = 0;

	for (size_t i = 0; i < total; i++) {
		const struct sl_field *f = w->head != NULL ? sl_head_at(w->head, i) : &w->m->fields[i];

		n += sl_str_ieq(f->name, name);
	}
	return n;
}

static bool
in_list(const struct sl_str_list *list, struct sl_str name)
{
	for (size_t i = 0; i < list->n; i++)
		if (sl_str_ieq(list->name[i], name))
			return true;
	return false;
}

static bool
is_oversigned(const struct names *w, struct sl_str name)
{
	const struct sl_str_list *list = w->options->oversign;

	return in_list(list != NULL ? list : &sl_dkim_default_oversign, name) ||
	    sl_str_ieq(name, SL_STR("From"));
}

static int
add_name(struct names *w, struct sl_str name)
{
	size_t times;

	if (sl_tags_has(sl_buf_str(&w->out), ':', name))
		return 0;
	times = count_fields(w, name) + is_oversigned(w, name);
	w->n += times;
	if (w->n > SL_DKIM_MAX_H)
		return SL_ERR_LIMIT;
	while (times-- > 0) {
		if (w->out.n > 0)
			sl_buf_putc(&w->out, ':');
		sl_buf_putstr(&w->out, name);
	}
	return w->out.failed ? SL_ERR_NOMEM : 0;
}

static int
add_list(struct names *w, const struct sl_str_list *list)
{
	int r = 0;

	for (size_t i = 0; r == 0 && list != NULL && i < list->n; i++)
		r = add_name(w, list->name[i]);
	return r;
}

/* From first and always; what the caller oversigns is signed though no other list has it. */
static int
make_names(struct names *w)
{
	const struct sl_dkim_options *o = w->options;
	int r = add_name(w, SL_STR("From"));

	if (r == 0)
		r = add_list(w, o->headers != NULL ? o->headers : &sl_dkim_default_headers);
	if (r == 0)
		r = add_list(w, o->additional);
	if (r == 0)
		r = add_list(w, o->oversign);
	return r;
}

/* ---- the field ----------------------------------------------------------- */

/* A folded line: what must not be broken is put as one piece. */
struct writer {
	struct sl_buf *out;
	size_t column;
};

static void
put_piece(struct writer *w, struct sl_str piece)
{
	if (w->column + piece.n > WIDTH && w->column > 8) {
		sl_buf_puts(w->out, "\r\n\t");
		w->column = 8;
		while (piece.n > 0 && piece.p[0] == ' ')
			piece = sl_str_sub(piece, 1, piece.n);
	}
	sl_buf_putstr(w->out, piece);
	w->column += piece.n;
}

static void
put_tag(struct writer *w, const char *text, struct sl_str value)
{
	struct sl_buf piece = SL_BUF_INIT;

	sl_buf_puts(&piece, text);
	sl_buf_putstr(&piece, value);
	sl_buf_putc(&piece, ';');
	w->out->failed |= piece.failed;
	put_piece(w, sl_buf_str(&piece));
	sl_buf_clear(&piece);
}

static void
put_number(struct writer *w, const char *text, uint64_t number)
{
	struct sl_buf digits = SL_BUF_INIT;

	sl_buf_printf(&digits, "%llu", (unsigned long long)number);
	w->out->failed |= digits.failed;
	put_tag(w, text, sl_buf_str(&digits));
	sl_buf_clear(&digits);
}

/* Breaks are allowed around the colons. */
static void
put_h(struct writer *w, struct sl_str names)
{
	size_t from = 0;

	put_piece(w, SL_STR(" h="));
	for (size_t i = 0; i < names.n; i++) {
		if (names.p[i] == ':' || i + 1 == names.n) {
			put_piece(w, sl_str_sub(names, from, i + 1));
			from = i + 1;
		}
	}
	put_piece(w, SL_STR(";"));
}

static void
put_base64(struct writer *w, struct sl_str bytes)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_str rest;

	sl_base64_encode(&text, bytes);
	w->out->failed |= text.failed;
	rest = sl_buf_str(&text);
	while (rest.n > 0) {
		size_t room = w->column < WIDTH ? WIDTH - w->column : WIDTH - 8;

		put_piece(w, sl_str_sub(rest, 0, room));
		rest = sl_str_sub(rest, room, rest.n);
	}
	sl_buf_clear(&text);
}

/* dkim-quoted-printable: what can't stand in a tag's value (RFC 6376 2.11). */
static void
put_identity(struct writer *w, struct sl_str identity)
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
	put_tag(w, " i=", sl_buf_str(&text));
	sl_buf_clear(&text);
}

/* Everything up to "b=". */
static void
put_field(struct writer *w, const struct sl_dkim_request *q, struct sl_str names,
    const struct sl_dkim_body_hash *body, int64_t now)
{
	const struct sl_dkim_options *o = &q->options;
	int64_t t = timestamp_of(o, now);
	char c[32];

	put_tag(w, "v=", SL_STR("1"));
	put_tag(w, " a=", sl_str_of(sl_dkim_algorithm_word(algorithm_of(q))));
	snprintf(c, sizeof(c), "%s/%s", sl_canon_word(o->header), sl_canon_word(o->body));
	put_tag(w, " c=", sl_str_of(c));
	put_tag(w, " d=", q->domain);
	put_tag(w, " s=", q->selector);
	if (o->identity.n > 0)
		put_identity(w, o->identity);
	if (t >= 0)
		put_number(w, " t=", (uint64_t)t);
	if (o->expiration > 0)
		put_number(w, " x=", (uint64_t)o->expiration);
	if (o->body_length)
		put_number(w, " l=", body->length);
	put_h(w, names);
	put_piece(w, SL_STR(" bh="));
	put_base64(w, (struct sl_str){ (const char *)body->hash, sl_digest_size(body->alg) });
	put_piece(w, SL_STR(";"));
	put_piece(w, SL_STR(" b="));
}

/* The field written so far is what is hashed: its b= is empty. */
static int
put_signature(struct writer *w, const struct sl_dkim_request *q, const struct names *names,
    struct sl_str field, struct sl_err *err)
{
	enum sl_digest_alg alg = sl_dkim_algorithm_digest(algorithm_of(q));
	struct sl_buf signature = SL_BUF_INIT;
	uint8_t hash[SL_DIGEST_MAX];
	int r;

	r = sl_dkim_header_hash(names->m, names->head, sl_buf_str(&names->out), q->options.header,
	    alg, field, NULL, hash, err);
	if (r == 0)
		r = sl_key_sign(q->key, alg, (struct sl_str){ (char *)hash, sl_digest_size(alg) },
		    &signature, err);
	if (r == 0)
		put_base64(w, sl_buf_str(&signature));
	sl_buf_clear(&signature);
	return r;
}

static int
write_field(struct sl_buf *value, const struct sl_dkim_request *q, const struct names *names,
    const struct sl_dkim_body_hash *body, int64_t now, struct sl_err *err)
{
	static const char name[] = "DKIM-Signature: ";
	struct sl_buf field = SL_BUF_INIT;
	struct writer w = { &field, sizeof(name) - 1 };
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
	struct names names = { m, head, &q->options, SL_BUF_INIT, 0 };
	struct sl_dkim_body_hash body;
	size_t froms;
	int r = sl_dkim_check(q, now, err);

	if (r < 0)
		return r;
	froms = count_fields(&names, SL_STR("From"));
	if (froms != 1)
		return sl_err_set(err, SL_ERR_SYNTAX, "the message has %zu From fields", froms);
	r = make_names(&names);
	if (r == SL_ERR_LIMIT)
		sl_err_set(err, r, "more than %d header fields to sign", SL_DKIM_MAX_H);
	if (r == 0)
		r = sl_dkim_body_hash(bodies, m->body, q->options.body,
		    sl_dkim_algorithm_digest(algorithm_of(q)), SL_CANON_ALL, &body);
	if (r == 0)
		r = write_field(value, q, &names, &body, now, err);
	if (r == SL_ERR_NOMEM)
		sl_err_set(err, r, "out of memory");
	sl_buf_clear(&names.out);
	return r;
}
