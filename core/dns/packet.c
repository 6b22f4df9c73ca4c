#include "packet.h"

#include <stdio.h>
#include <string.h>

#define MAX_NAME	256
#define MAX_JUMPS	64
#define MAX_CHAIN	11
#define MAX_SCANNED	1000	/* records looked at */
#define MAX_NEGATIVE	10800	/* seconds that "nothing" may be kept (RFC 2308 5) */

struct reader {
	const uint8_t *p;
	size_t n, at;
	bool failed;
};

static unsigned
u16(struct reader *r)
{
	unsigned v;

	if (r->n - r->at < 2) {
		r->failed = true;
		return 0;
	}
	v = (unsigned)r->p[r->at] << 8 | r->p[r->at + 1];
	r->at += 2;
	return v;
}

static uint32_t
u32(struct reader *r)
{
	uint32_t high = u16(r);

	return high << 16 | u16(r);
}

/* One label's bytes as in master files: dots, blanks and control bytes escaped. */
static size_t
put_label(const uint8_t *p, size_t n, char *out, size_t at)
{
	size_t i;

	for (i = 0; i < n; i++) {
		uint8_t c = p[i];

		if (at + (c <= ' ' || c >= 0x7f ? 4 : 2) >= MAX_NAME)
			return MAX_NAME;
		if (c == '.' || c == '\\')
			out[at++] = '\\';
		if (c <= ' ' || c >= 0x7f)
			at += (size_t)snprintf(out + at, 5, "\\%03u", c);
		else
			out[at++] = sl_lower((char)c);
	}
	return at;
}

/* The name at 'at'; *at goes behind it. out has MAX_NAME bytes; "." is the root. */
static bool
read_name(const struct reader *r, size_t *at, char *out)
{
	size_t pos = *at, n = 0, len;
	unsigned jumps = 0;
	bool jumped = false;

	for (;;) {
		if (pos >= r->n)
			return false;
		len = r->p[pos];
		if (len == 0)
			break;
		if ((len & 0xc0) == 0xc0) {
			if (pos + 1 >= r->n || ++jumps > MAX_JUMPS)
				return false;
			if (!jumped)
				*at = pos + 2;
			jumped = true;
			pos = (len & 0x3f) << 8 | r->p[pos + 1];
			continue;
		}
		if (len > 63 || pos + 1 + len > r->n)
			return false;
		if (n > 0)
			out[n++] = '.';
		n = put_label(r->p + pos + 1, len, out, n);
		if (n >= MAX_NAME - 1)
			return false;
		pos += 1 + len;
	}
	if (!jumped)
		*at = pos + 1;
	if (n == 0)
		out[n++] = '.';
	out[n] = '\0';
	return true;
}

/* Character-strings joined without a separator. out has 65535 bytes. */
static bool
join_strings(const uint8_t *p, size_t n, char *out, size_t *len)
{
	size_t at = 0;

	*len = 0;
	while (at < n) {
		size_t k = p[at++];

		if (k > n - at)
			return false;
		memcpy(out + *len, p + at, k);
		*len += k;
		at += k;
	}
	return true;
}

struct rr {
	char owner[MAX_NAME];
	unsigned type, class;
	uint32_t ttl;
	size_t data, n;		/* rdata in the packet */
};

static bool
read_rr(struct reader *r, struct rr *rr)
{
	if (!read_name(r, &r->at, rr->owner))
		return false;
	rr->type = u16(r);
	rr->class = u16(r);
	rr->ttl = u32(r);
	rr->n = u16(r);
	rr->data = r->at;
	if (r->failed || rr->n > r->n - r->at)
		return false;
	r->at += rr->n;
	if (rr->ttl > 0x7fffffff)
		rr->ttl = 0;
	return true;
}

int
sl_packet_name(struct sl_str message, size_t *at, char out[256])
{
	struct reader r = { (const uint8_t *)message.p, message.n, 0, false };

	return read_name(&r, at, out) ? 0 : SL_ERR_SYNTAX;
}

/* The numbers before the name of MX and SRV. */
static bool
read_numbers(struct reader *r, unsigned type, struct sl_dns_record *out)
{
	if (type == SL_DNS_MX || type == SL_DNS_SRV)
		out->preference = (uint16_t)u16(r);
	if (type == SL_DNS_SRV) {
		out->weight = (uint16_t)u16(r);
		out->port = (uint16_t)u16(r);
	}
	return !r->failed;
}

int
sl_packet_record(struct sl_str message, size_t data, size_t n, unsigned type,
    struct sl_answer_builder *b, uint32_t ttl)
{
	struct reader r = { (const uint8_t *)message.p, data + n, data, false };
	struct sl_dns_record out = { .ttl = ttl };
	char name[MAX_NAME], text[65536];

	out.data = (struct sl_str){ message.p + data, n };
	switch (type) {
	case SL_DNS_A:
	case SL_DNS_AAAA:
		if (n != (type == SL_DNS_A ? 4 : 16))
			return SL_ERR_SYNTAX;
		break;
	case SL_DNS_TXT:
	case SL_DNS_SPF:
		if (n == 0 || !join_strings(r.p + data, n, text, &out.data.n))
			return SL_ERR_SYNTAX;
		out.data.p = text;
		break;
	case SL_DNS_MX:
	case SL_DNS_SRV:
	case SL_DNS_NS:
	case SL_DNS_CNAME:
	case SL_DNS_PTR:
		if (!read_numbers(&r, type, &out) || !read_name(&r, &r.at, name) || r.at != r.n)
			return SL_ERR_SYNTAX;
		out.data = sl_str_of(name);
		break;
	default:
		break;
	}
	sl_answer_add(b, &out);
	return 0;
}

static bool
is_within(const char *name, const char *zone)
{
	size_t n = strlen(name), z = strlen(zone);

	return strcmp(zone, ".") == 0 || (n >= z && strcmp(name + n - z, zone) == 0 &&
	    (n == z || name[n - z - 1] == '.'));
}

/* Follows the chain from *name one step, if there is a CNAME for it. */
static bool
follow(struct reader r, unsigned count, char *name, uint32_t *ttl)
{
	char target[MAX_NAME];
	struct rr rr;
	size_t at;

	for (; count > 0 && read_rr(&r, &rr); count--) {
		if (rr.class != 1 || rr.type != SL_DNS_CNAME || strcmp(rr.owner, name) != 0)
			continue;
		at = rr.data;
		if (!read_name(&r, &at, target))
			return false;
		memcpy(name, target, MAX_NAME);
		if (rr.ttl < *ttl)
			*ttl = rr.ttl;
		return true;
	}
	return false;
}

/*
 * How long "nothing" may be kept: the lesser of the SOA's own TTL and its
 * minimum (RFC 2308 5). Without a SOA of a zone that holds 'name' it isn't kept.
 */
static uint32_t
negative_ttl(struct reader r, unsigned count, const char *name)
{
	uint32_t minimum;
	struct reader in;
	struct rr rr;

	for (; count > 0 && read_rr(&r, &rr); count--) {
		if (rr.class != 1 || rr.type != SL_DNS_SOA || rr.n < 22 || !is_within(name, rr.owner))
			continue;
		in = (struct reader){ r.p, rr.data + rr.n, rr.data + rr.n - 4, false };
		minimum = u32(&in);
		if (rr.ttl < minimum)
			minimum = rr.ttl;
		return minimum < MAX_NEGATIVE ? minimum : MAX_NEGATIVE;
	}
	return 0;
}

static enum sl_dns_status
none_status(unsigned rcode)
{
	return rcode == 0 ? SL_DNS_NODATA : rcode == 3 ? SL_DNS_NXDOMAIN : SL_DNS_SERVFAIL;
}

struct sl_dns_answer *
sl_packet_parse(struct sl_str packet, const char *asked, enum sl_dns_type type)
{
	struct reader r = { (const uint8_t *)packet.p, packet.n, 0, false }, records;
	struct sl_answer_builder b;
	unsigned flags, questions, answers, authority, i;
	char name[MAX_NAME];
	uint32_t ttl = UINT32_MAX;
	struct rr rr;

	u16(&r);
	flags = u16(&r);
	questions = u16(&r);
	answers = u16(&r);
	authority = u16(&r);
	u16(&r);
	for (i = 0; i < questions && !r.failed; i++) {
		if (!read_name(&r, &r.at, name))
			return sl_dns_answer_empty(SL_DNS_SERVFAIL);
		u32(&r);
	}
	/* a question, or an answer that was cut off, is none */
	if (r.failed || answers > MAX_SCANNED || authority > MAX_SCANNED || (flags & 0x8200) != 0x8000)
		return sl_dns_answer_empty(SL_DNS_SERVFAIL);
	if (questions == 0)	/* else it is the name as the packet writes it, escapes and all */
		snprintf(name, sizeof(name), "%s", asked);
	records = r;
	for (i = 0; type != SL_DNS_CNAME && i < MAX_CHAIN && follow(records, answers, name, &ttl); i++)
		;
	if (i == MAX_CHAIN)
		return sl_dns_answer_empty(SL_DNS_SERVFAIL);
	sl_answer_begin(&b);
	for (i = 0; i < answers; i++) {
		if (!read_rr(&r, &rr) || (rr.class == 1 && rr.type == (unsigned)type &&
		    strcmp(rr.owner, name) == 0 &&
		    sl_packet_record(packet, rr.data, rr.n, rr.type, &b, rr.ttl) != 0)) {
			sl_dns_answer_unref(b.answer);
			return sl_dns_answer_empty(SL_DNS_SERVFAIL);
		}
	}
	if (b.answer != NULL && b.answer->n == 0)
		b.answer->ttl = negative_ttl(r, authority, name);
	if (b.answer != NULL && ttl < b.answer->ttl)
		b.answer->ttl = ttl;
	return sl_answer_end(&b, none_status(flags & 15), name);
}
