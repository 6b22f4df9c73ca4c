/* The DKIM-Signature field, RFC 6376 3.5. See dkim.h. */
#include <string.h>

#include "dkim.h"

static int
bad(struct sl_err *err, const char *words)
{
	return sl_err_set(err, SL_ERR_SYNTAX, "%s", words);
}

static struct sl_str
value_of(const struct sl_dkim_signature *s, const char *name)
{
	const struct sl_str *v = sl_tags_get(&s->tags, name);

	return v != NULL ? *v : (struct sl_str){ NULL, 0 };
}

/* As much as a report can use, wanted even of a signature that is refused. */
static void
recognise(struct sl_dkim_signature *out)
{
	struct sl_str d = value_of(out, "d"), s = value_of(out, "s"), b = value_of(out, "b");
	size_t n = 0;

	if (sl_dkim_domain_ok(d))
		out->domain = d;
	if (sl_dkim_domain_ok(s))
		out->selector = s;
	sl_dkim_algorithm_parse(value_of(out, "a"), &out->algorithm);
	for (size_t i = 0; i < b.n && n < 8; i++)
		if (sl_isalnum(b.p[i]) || b.p[i] == '+' || b.p[i] == '/' || b.p[i] == '=')
			out->b_prefix[n++] = b.p[i];
	out->b_prefix[n] = '\0';
}

static int
check_required(const struct sl_dkim_signature *s, unsigned flags, struct sl_err *err)
{
	static const char *const required[] = { "a", "b", "d", "s", "bh", "h" };
	size_t n = (flags & SL_DKIM_SEAL) != 0 ? 4 : (flags & SL_DKIM_ARC) != 0 ? 5 : 6;

	if ((flags & (SL_DKIM_ARC | SL_DKIM_SEAL)) == 0) {
		struct sl_str v = value_of(s, "v");

		if (v.p == NULL)
			return bad(err, "v= is missing");
		if (!sl_str_eq(v, SL_STR("1")))
			return bad(err, "v= is not 1");
	}
	for (size_t i = 0; i < n; i++)
		if (value_of(s, required[i]).n == 0)
			return sl_err_set(err, SL_ERR_SYNTAX, "%s= is missing or empty", required[i]);
	if ((flags & SL_DKIM_ARC) != 0 && value_of(s, "h").p == NULL)
		return bad(err, "h= is missing");
	return 0;
}

static int
parse_names(struct sl_dkim_signature *out, struct sl_err *err)
{
	if (out->algorithm == SL_DKIM_BY_KEY)
		return bad(err, "a= names no known algorithm");
	if (out->domain.n == 0 || sl_str_chr(out->domain, '.') < 0)
		return bad(err, "d= is no domain name");
	if (out->selector.n == 0)
		return bad(err, "s= is no selector");
	if (out->selector.n + out->domain.n + strlen("._domainkey.") > 253)
		return bad(err, "s= and d= are too long together");
	return 0;
}

static int
parse_canon(struct sl_dkim_signature *out, struct sl_err *err)
{
	struct sl_str c = value_of(out, "c"), header, body;

	out->header = out->body = SL_CANON_SIMPLE;
	if (c.p == NULL)
		return 0;
	sl_str_split(&c, '/', &header);
	body = c;
	if (!sl_canon_parse(header, &out->header) ||
	    (body.p != NULL && !sl_canon_parse(body, &out->body)))
		return bad(err, "c= names no known canonicalization");
	return 0;
}

static int
hex_digit(char c)
{
	if (sl_isdigit(c))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* dkim-quoted-printable, RFC 6376 2.11; a "=" that starts no escape stays. */
static bool
decode_identity(char *out, size_t size, struct sl_str in)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i];

		if (sl_isspace(c))
			continue;
		if (c == '=' && in.n - i > 2 && hex_digit(in.p[i + 1]) >= 0 &&
		    hex_digit(in.p[i + 2]) >= 0) {
			c = (char)(hex_digit(in.p[i + 1]) << 4 | hex_digit(in.p[i + 2]));
			i += 2;
		}
		if ((unsigned char)c < 0x20 || c == 0x7f || n + 1 >= size)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return sl_utf8_valid((struct sl_str){ out, n });
}

static int
parse_identity(struct sl_dkim_signature *out, unsigned flags, struct sl_err *err)
{
	struct sl_str i = value_of(out, "i");
	const char *at;

	if (i.p == NULL || (flags & (SL_DKIM_ARC | SL_DKIM_SEAL)) != 0) {
		out->identity[0] = '@';
		memcpy(out->identity + 1, out->domain.p, out->domain.n);
		out->identity[out->domain.n + 1] = '\0';
	} else if (!decode_identity(out->identity, sizeof(out->identity), i)) {
		out->identity[0] = '\0';
		return bad(err, "i= is malformed");
	}
	at = strrchr(out->identity, '@');
	if (at == NULL || !sl_dkim_domain_ok(sl_str_of(at + 1)))
		return bad(err, "i= is malformed");
	out->identity_domain = sl_str_of(at + 1);
	if (!sl_dkim_domain_within(out->identity_domain, out->domain))
		return bad(err, "the domain of i= is not within d=");
	return 0;
}

static bool
field_name_ok(struct sl_str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= 0x20 || name.p[i] == 0x7f)
			return false;
	return name.n > 0;
}

/*
 * RFC 6376 6.1.1: From must be signed. RFC 8617 asks neither for it nor for
 * any name, but an ARC-Seal is never among them (4.1.2).
 */
static int
check_name(struct sl_str name, unsigned flags, struct sl_err *err)
{
	bool arc = (flags & SL_DKIM_ARC) != 0;

	if (!field_name_ok(name) && (!arc || name.n > 0))
		return bad(err, "h= is malformed");
	if (arc && sl_str_ieq(name, SL_STR("ARC-Seal")))
		return bad(err, "h= has ARC-Seal");
	return 0;
}

static int
parse_h(struct sl_dkim_signature *out, unsigned flags, struct sl_err *err)
{
	struct sl_str rest, name;
	bool from = false;
	size_t n = 0;
	int r;

	out->h = rest = value_of(out, "h");
	while (sl_str_split(&rest, ':', &name)) {
		name = sl_str_trim(name);
		if (++n > SL_DKIM_MAX_H)
			return sl_err_set(err, SL_ERR_LIMIT, "more than %d names in h=", SL_DKIM_MAX_H);
		if ((r = check_name(name, flags, err)) < 0)
			return r;
		from |= sl_str_ieq(name, SL_STR("from"));
	}
	if (!from && (flags & SL_DKIM_ARC) == 0)
		return bad(err, "From is not signed");
	return 0;
}

/* 12 digits at most (RFC 6376 3.5). */
static bool
parse_time(const struct sl_dkim_signature *s, const char *tag, int64_t *out)
{
	struct sl_str v = value_of(s, tag);
	uint64_t u;

	*out = -1;
	if (v.p == NULL)
		return true;
	if (v.n > 12 || !sl_str_u64(v, &u))
		return false;
	*out = (int64_t)u;
	return true;
}

static int
parse_numbers(struct sl_dkim_signature *out, struct sl_err *err)
{
	struct sl_str l = value_of(out, "l"), q = value_of(out, "q");

	out->has_length = l.p != NULL;
	if (out->has_length && !sl_str_u64(l, &out->length))
		return bad(err, "l= is no number");
	if (!parse_time(out, "t", &out->timestamp))
		return bad(err, "t= is no time");
	if (!parse_time(out, "x", &out->expiration))
		return bad(err, "x= is no time");
	if (out->timestamp >= 0 && out->expiration >= 0 && out->expiration <= out->timestamp)
		return bad(err, "x= is not after t=");
	if (q.p != NULL && !sl_tags_has(q, ':', SL_STR("dns/txt")))
		return bad(err, "q= names no known method");
	return 0;
}

static int
parse_bytes(struct sl_dkim_signature *out, const char *tag, uint8_t *to, size_t size, size_t *n,
    struct sl_err *err)
{
	struct sl_buf bytes = SL_BUF_INIT;
	int r = sl_tags_base64(&bytes, value_of(out, tag));

	if (r == SL_ERR_NOMEM)
		sl_err_set(err, r, "out of memory");
	else if (r < 0)
		r = sl_err_set(err, SL_ERR_SYNTAX, "%s= is not base64", tag);
	else if (bytes.n > size)
		r = sl_err_set(err, SL_ERR_SYNTAX, "%s= has %zu bytes", tag, bytes.n);
	if (r == 0) {
		memcpy(to, bytes.p, bytes.n);
		*n = bytes.n;
	}
	sl_buf_clear(&bytes);
	return r;
}

static int
parse_hashes(struct sl_dkim_signature *out, struct sl_err *err)
{
	int r = parse_bytes(out, "bh", out->body_hash, sizeof(out->body_hash), &out->body_hash_n, err);

	if (r < 0)
		return r;
	if (out->body_hash_n != sl_digest_size(sl_dkim_algorithm_digest(out->algorithm)))
		return bad(err, "bh= has the wrong length");
	return parse_bytes(out, "b", out->b, sizeof(out->b), &out->b_n, err);
}

static int
parse_message_part(struct sl_dkim_signature *out, unsigned flags, struct sl_err *err)
{
	int r = parse_canon(out, err);

	if (r == 0)
		r = parse_identity(out, flags, err);
	if (r == 0)
		r = parse_h(out, flags, err);
	if (r == 0)
		r = parse_numbers(out, err);
	if (r == 0)
		r = parse_hashes(out, err);
	return r;
}

/* RFC 8617 4.1.3: the seal is over other fields of its kind, always "relaxed". */
static int
parse_seal_part(struct sl_dkim_signature *out, struct sl_err *err)
{
	int r = parse_identity(out, SL_DKIM_SEAL, err);

	if (r == 0 && value_of(out, "h").p != NULL)
		r = bad(err, "h= is not allowed in a seal");
	if (r == 0 && !parse_time(out, "t", &out->timestamp))
		r = bad(err, "t= is no time");
	if (r == 0)
		r = parse_bytes(out, "b", out->b, sizeof(out->b), &out->b_n, err);
	return r;
}

int
sl_dkim_signature_parse(struct sl_dkim_signature *out, struct sl_str value, unsigned flags,
    struct sl_err *err)
{
	int r;

	memset(out, 0, offsetof(struct sl_dkim_signature, tags));
	out->tags.n = 0;
	out->timestamp = out->expiration = -1;
	if (value.n > SL_DKIM_MAX_FIELD)
		return sl_err_set(err, SL_ERR_LIMIT, "signature field of %zu bytes", value.n);
	r = sl_tags_parse(&out->tags, value, 0, err);
	recognise(out);
	if (r == 0)
		r = check_required(out, flags, err);
	if (r == 0)
		r = parse_names(out, err);
	if (r == 0)
		r = (flags & SL_DKIM_SEAL) != 0 ? parse_seal_part(out, err) :
		    parse_message_part(out, flags, err);
	return r;
}
