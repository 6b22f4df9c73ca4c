#include "zone_private.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "answer.h"

#define MAX_CHAIN	11
#define MAX_NEGATIVE	10800	/* seconds, RFC 2308 5 */

/* ---- names and records ------------------------------------------------------------------ */

struct sl_zone *
sl_zone_new(void)
{
	struct sl_zone *z = sl_calloc(1, sizeof(*z));

	if (z == NULL)
		return NULL;
	z->names = sl_dict_new();
	z->inner = sl_dict_new();
	if (z->names != NULL && z->inner != NULL)
		return z;
	sl_zone_free(z);
	return NULL;
}

static void
node_free(void *arg)
{
	struct sl_zone_node *node = arg;
	size_t i;

	for (i = 0; i < node->n; i++)
		sl_free((void *)(uintptr_t)node->records[i].data.p);
	sl_free(node->records);
	sl_free(node->types);
	sl_free(node);
}

void
sl_zone_free(struct sl_zone *z)
{
	if (z == NULL)
		return;
	if (z->names != NULL)
		sl_dict_free(z->names, node_free);
	if (z->inner != NULL)
		sl_dict_free(z->inner, NULL);
	sl_free(z);
}

struct sl_zone_node *
sl_zone_node(struct sl_zone *z, const char *name)
{
	struct sl_zone_node *node = sl_dict_get(z->names, sl_str_of(name));
	const char *dot;

	if (node != NULL)
		return node;
	for (dot = strchr(name, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
		if (sl_dict_set(z->inner, sl_str_of(dot + 1), z, NULL) != 0)
			return NULL;
	node = sl_calloc(1, sizeof(*node));
	if (node == NULL || sl_dict_set(z->names, sl_str_of(name), node, NULL) != 0) {
		sl_free(node);
		return NULL;
	}
	return node;
}

int
sl_zone_add(struct sl_zone_node *node, unsigned type, const struct sl_dns_record *r)
{
	struct sl_dns_record *records = sl_realloc(node->records, (node->n + 1) * sizeof(*records));
	unsigned *types;
	char *copy;

	if (records == NULL)
		return SL_ERR_NOMEM;
	node->records = records;
	types = sl_realloc(node->types, (node->n + 1) * sizeof(*types));
	if (types == NULL)
		return SL_ERR_NOMEM;
	node->types = types;
	copy = sl_strndup(r->data.p, r->data.n);
	if (copy == NULL)
		return SL_ERR_NOMEM;
	records[node->n] = *r;
	records[node->n].data.p = copy;
	types[node->n++] = type;
	return 0;
}

/* ---- answering -------------------------------------------------------------------------------- */

/* The name itself, or the closest wildcard above it (RFC 4592): one below a
 * name that exists doesn't apply. */
static const struct sl_zone_node *
lookup(const struct sl_zone *z, const char *name)
{
	const struct sl_zone_node *node = sl_dict_get(z->names, sl_str_of(name));
	char wild[300];
	const char *dot;

	if (node != NULL || sl_dict_has(z->inner, sl_str_of(name)))
		return node;
	for (dot = strchr(name, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
		snprintf(wild, sizeof(wild), "*%s", dot);
		node = sl_dict_get(z->names, sl_str_of(wild));
		if (node != NULL)
			return node;
		if (sl_dict_has(z->names, sl_str_of(dot + 1)) ||
		    sl_dict_has(z->inner, sl_str_of(dot + 1)))
			return NULL;
	}
	return NULL;
}

static bool
is_covered(const struct sl_zone *z, const char *name)
{
	const char *dot;

	if (lookup(z, name) != NULL || sl_dict_has(z->inner, sl_str_of(name)))
		return true;
	for (dot = strchr(name, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
		if (sl_dict_has(z->names, sl_str_of(dot + 1)))
			return true;
	return false;
}

static const struct sl_dns_record *
record_of(const struct sl_zone_node *node, unsigned type)
{
	size_t i;

	for (i = 0; node != NULL && i < node->n; i++)
		if (node->types[i] == type)
			return &node->records[i];
	return NULL;
}

/* Of the closest SOA: the lesser of its TTL and its minimum, the last four bytes. */
static uint32_t
negative_ttl(const struct sl_zone *z, const char *name)
{
	const struct sl_dns_record *soa;
	const uint8_t *end;
	const char *at = name;
	uint32_t minimum;

	while ((soa = record_of(sl_dict_get(z->names, sl_str_of(at)), SL_DNS_SOA)) == NULL) {
		if ((at = strchr(at, '.')) == NULL)
			return 0;
		at++;
	}
	if (soa->data.n < 4)
		return 0;
	end = (const uint8_t *)soa->data.p + soa->data.n;
	minimum = (uint32_t)end[-4] << 24 | (uint32_t)end[-3] << 16 | (uint32_t)end[-2] << 8 | end[-1];
	if (soa->ttl < minimum)
		minimum = soa->ttl;
	return minimum < MAX_NEGATIVE ? minimum : MAX_NEGATIVE;
}

/* The records of a name that aliases have led to; their TTL counts as well. */
static struct sl_dns_answer *
answer_of(const struct sl_zone *z, const struct sl_zone_node *node, const char *name,
    enum sl_dns_type type, uint32_t ttl)
{
	bool exists = node != NULL || sl_dict_has(z->inner, sl_str_of(name));
	struct sl_answer_builder b;
	size_t i;

	sl_answer_begin(&b);
	for (i = 0; node != NULL && i < node->n; i++)
		if (node->types[i] == (unsigned)type)
			sl_answer_add(&b, &node->records[i]);
	if (b.answer != NULL && b.answer->n == 0)
		b.answer->ttl = is_covered(z, name) || ttl == UINT32_MAX ? negative_ttl(z, name) : ttl;
	if (b.answer != NULL && ttl < b.answer->ttl)
		b.answer->ttl = ttl;
	return sl_answer_end(&b, exists ? SL_DNS_NODATA : SL_DNS_NXDOMAIN, name);
}

struct sl_dns_answer *
sl_zone_answer(const struct sl_zone *z, const char *asked, enum sl_dns_type type, int64_t *delay_ms,
    char outside[256])
{
	const struct sl_dns_record *alias;
	const struct sl_zone_node *node = NULL;
	uint32_t ttl = UINT32_MAX;
	char name[256];
	unsigned hops;

	*delay_ms = 0;
	outside[0] = '\0';
	snprintf(name, sizeof(name), "%s", asked);
	for (hops = 0; hops <= MAX_CHAIN; hops++) {
		node = lookup(z, name);
		if (node == NULL)
			break;
		*delay_ms += node->delay;
		if (node->failure != SL_DNS_OK)
			return sl_dns_answer_empty(node->failure);
		alias = type != SL_DNS_CNAME ? record_of(node, SL_DNS_CNAME) : NULL;
		if (alias == NULL)
			break;
		if (alias->ttl < ttl)
			ttl = alias->ttl;
		snprintf(name, sizeof(name), "%.*s", (int)alias->data.n, alias->data.p);
	}
	if (hops > MAX_CHAIN)
		return sl_dns_answer_empty(SL_DNS_SERVFAIL);
	if (!is_covered(z, name))
		snprintf(outside, 256, "%s", name);
	return answer_of(z, node, name, type, ttl);
}
