#include "packet.h"

#include <stdio.h>
#include <string.h>

#include "answer.h"

#define MAX_NAME	256
#define MAX_JUMPS	64
#define MAX_CHAIN	11
#define MAX_SCANNED	1000	/* records looked at */

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

		if (at + 5 >= MAX_NAME)
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

/* One record of the type asked for, in the form of dns.h. */
static bool
add_record(struct reader *r, const struct rr *rr, struct sl_answer_builder *b)
{
	struct sl_dns_record out = { .ttl = rr->ttl };
	struct reader in = { r->p, rr->data + rr->n, rr->data, false };
	char name[MAX_NAME], text[65536];
	size_t at, n;

	out.data = (struct sl_str){ (const char *)r->p + rr->data, rr->n };
	switch (rr->type) {
	case SL_DNS_A:
		if (rr->n != 4)
			return false;
		break;
	case SL_DNS_AAAA:
		if (rr->n != 16)
			return false;
		break;
	case SL_DNS_TXT:
	case SL_DNS_SPF:
		if (!join_strings(r->p + rr->data, rr->n, text, &n))
			return false;
		out.data = (struct sl_str){ text, n };
		break;
	case SL_DNS_MX:
	case SL_DNS_SRV:
		out.preference = (uint16_t)u16(&in);
		if (rr->type == SL_DNS_SRV) {
			out.weight = (uint16_t)u16(&in);
			out.port = (uint16_t)u16(&in);
		}
		if (in.failed)
			return false;
		at = in.at;
		if (!read_name(r, &at, name) || at > rr->data + rr->n)
			return false;
		out.data = sl_str_of(name);
		break;
	case SL_DNS_NS:
	case SL_DNS_CNAME:
	case SL_DNS_PTR:
		at = rr->data;
		if (!read_name(r, &at, name) || at > rr->data + rr->n)
			return false;
		out.data = sl_str_of(name);
		break;
	default:
		break;
	}
	sl_answer_add(b, &out);
	return true;
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
	unsigned flags, questions, answers, i;
	char name[MAX_NAME];
	uint32_t ttl = UINT32_MAX;
	struct rr rr;

	u16(&r);
	flags = u16(&r);
	questions = u16(&r);
	answers = u16(&r);
	u32(&r);
	for (i = 0; i < questions && !r.failed; i++) {
		if (!read_name(&r, &r.at, name))
			return sl_dns_answer_empty(SL_DNS_SERVFAIL);
		u32(&r);
	}
	if (r.failed || answers > MAX_SCANNED || (flags & 0x8000) == 0)
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
		    strcmp(rr.owner, name) == 0 && !add_record(&r, &rr, &b))) {
			sl_dns_answer_unref(b.answer);
			return sl_dns_answer_empty(SL_DNS_SERVFAIL);
		}
	}
	if (b.answer != NULL && ttl < b.answer->ttl)
		b.answer->ttl = ttl;
	return sl_answer_end(&b, none_status(flags & 15), name);
}
