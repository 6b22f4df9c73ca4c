#include "answer.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"

#define MAX_BYTES	(64 * 1024)

struct sl_dns_answer *
sl_dns_answer_ref(const struct sl_dns_answer *answer)
{
	struct sl_dns_answer *a = (struct sl_dns_answer *)(uintptr_t)answer;

	a->refs++;
	return a;
}

void
sl_dns_answer_unref(struct sl_dns_answer *a)
{
	size_t i;

	if (a == NULL || --a->refs > 0)
		return;
	for (i = 0; i < a->n; i++)
		sl_free((void *)(uintptr_t)a->records[i].data.p);
	sl_free(a->records);
	sl_free(a->canonical);
	sl_free(a);
}

struct sl_dns_answer *
sl_dns_answer_empty(enum sl_dns_status status)
{
	struct sl_dns_answer *a = sl_calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->refs = 1;
	a->status = status;
	return a;
}

bool
sl_dns_temporary(enum sl_dns_status status)
{
	return status == SL_DNS_SERVFAIL || status == SL_DNS_TIMEOUT || status == SL_DNS_BOGUS;
}

const char *
sl_dns_status_word(enum sl_dns_status status)
{
	static const char *const words[] = { "ok", "nodata", "nxdomain", "servfail", "timeout",
	    "bogus", "invalid" };

	return words[status];
}

static const struct { enum sl_dns_type type; const char *word; } types[] = {
	{ SL_DNS_A, "A" }, { SL_DNS_NS, "NS" }, { SL_DNS_CNAME, "CNAME" }, { SL_DNS_SOA, "SOA" },
	{ SL_DNS_PTR, "PTR" }, { SL_DNS_MX, "MX" }, { SL_DNS_TXT, "TXT" }, { SL_DNS_AAAA, "AAAA" },
	{ SL_DNS_SRV, "SRV" }, { SL_DNS_TLSA, "TLSA" }, { SL_DNS_SPF, "SPF" }, { SL_DNS_CAA, "CAA" },
};

const char *
sl_dns_type_word(enum sl_dns_type type)
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].type == type)
			return types[i].word;
	return "?";
}

int
sl_dns_type_parse(const char *word, enum sl_dns_type *out)
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(types[i].word, word) == 0) {
			*out = types[i].type;
			return 0;
		}
	return SL_ERR_SYNTAX;
}

void
sl_dns_reverse(const struct sl_addr *ip, char *out, size_t size)
{
	const uint8_t *b;
	size_t n = 0;
	int i;

	if (ip->sa.sa_family == AF_INET) {
		b = (const uint8_t *)&ip->in4.sin_addr;
		snprintf(out, size, "%d.%d.%d.%d.in-addr.arpa", b[3], b[2], b[1], b[0]);
		return;
	}
	b = ip->in6.sin6_addr.s6_addr;
	for (i = 15; i >= 0 && n < size; i--)
		n += (size_t)snprintf(out + n, size - n, "%x.%x.", b[i] & 15, b[i] >> 4);
	if (n < size)
		snprintf(out + n, size - n, "ip6.arpa");
}

/* ---- building ------------------------------------------------------------------------ */

void
sl_answer_begin(struct sl_answer_builder *b)
{
	memset(b, 0, sizeof(*b));
	b->answer = sl_dns_answer_empty(SL_DNS_NODATA);
	b->failed = b->answer == NULL;
}

void
sl_answer_add(struct sl_answer_builder *b, const struct sl_dns_record *record)
{
	struct sl_dns_answer *a = b->answer;
	struct sl_dns_record *more;
	char *copy;

	if (b->failed || a->n == SL_DNS_MAX_RECORDS || b->bytes + record->data.n > MAX_BYTES)
		return;
	more = sl_realloc(a->records, (a->n + 1) * sizeof(*more));
	if (more != NULL)
		a->records = more;
	copy = more != NULL ? sl_strndup(record->data.p, record->data.n) : NULL;
	if (copy == NULL) {
		b->failed = true;
		return;
	}
	a->records[a->n] = *record;
	a->records[a->n].data.p = copy;
	b->bytes += record->data.n;
	if (a->n++ == 0 || record->ttl < a->ttl)
		a->ttl = record->ttl;
}

struct sl_dns_answer *
sl_answer_end(struct sl_answer_builder *b, enum sl_dns_status none, const char *canonical)
{
	struct sl_dns_answer *a = b->answer;

	if (!b->failed && (a->canonical = sl_strdup(canonical)) != NULL) {
		a->status = a->n > 0 ? SL_DNS_OK : none;
		return a;
	}
	sl_dns_answer_unref(a);
	return NULL;
}
