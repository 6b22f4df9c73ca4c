#include "zone.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/alloc.h"
#include "../base/dict.h"
#include "answer.h"

#define MAX_CHAIN	11
#define MAX_TOKENS	64

struct node {			/* a name that has lines */
	struct sl_dns_record *records;
	enum sl_dns_type *types;
	size_t n;
	enum sl_dns_status failure;	/* SL_DNS_OK = none */
	int64_t delay;
};

struct sl_zone {
	struct sl_dict *names;		/* every name with lines */
	struct sl_dict *inner;		/* names above such names: they exist */
};

/* ---- reading ------------------------------------------------------------------------ */

struct token {
	char *text;
	size_t n;
	bool quoted;
};

struct parser {
	struct sl_zone *zone;
	struct sl_str s;
	size_t at;
	unsigned line;
	struct token tokens[MAX_TOKENS];
	size_t ntokens;
	bool indented;		/* the line began with a blank: owner as before */
	char origin[256], owner[256];
	uint32_t ttl;
	struct sl_err *err;
};

static int
fail(struct parser *p, const char *what)
{
	return sl_err_set(p->err, SL_ERR_SYNTAX, "zone line %u: %s", p->line, what);
}

static void
drop_tokens(struct parser *p)
{
	while (p->ntokens > 0)
		sl_free(p->tokens[--p->ntokens].text);
}

/* \X and \DDD */
static char
unescape(struct parser *p)
{
	const char *s = p->s.p + p->at;

	if (p->at + 2 < p->s.n && sl_isdigit(s[0]) && sl_isdigit(s[1]) && sl_isdigit(s[2])) {
		p->at += 3;
		return (char)((s[0] - '0') * 100 + (s[1] - '0') * 10 + s[2] - '0');
	}
	return p->at < p->s.n ? p->s.p[p->at++] : '\\';
}

static int
take_token(struct parser *p)
{
	bool quoted = p->s.p[p->at] == '"';
	struct sl_buf text = SL_BUF_INIT;
	struct token *t;
	char c;

	if (p->ntokens == MAX_TOKENS)
		return fail(p, "too many words");
	p->at += quoted;
	while (p->at < p->s.n) {
		c = p->s.p[p->at];
		if (quoted ? c == '"' : strchr(" \t\r\n;()\"", c) != NULL)
			break;
		if (c == '\n')
			p->line++;
		p->at++;
		sl_buf_putc(&text, c == '\\' ? unescape(p) : c);
	}
	if (quoted && p->at >= p->s.n) {
		sl_buf_clear(&text);
		return fail(p, "a quote isn't closed");
	}
	p->at += quoted;
	sl_buf_put(&text, "", 0);
	t = &p->tokens[p->ntokens];
	t->quoted = quoted;
	t->n = text.n;
	t->text = text.p != NULL ? sl_buf_take(&text, NULL) : sl_strdup("");
	if (t->text == NULL)
		return SL_ERR_NOMEM;
	p->ntokens++;
	return 0;
}

/* The words of one entry; parentheses continue it over lines. */
static int
take_entry(struct parser *p)
{
	unsigned depth = 0;
	char c;
	int rc;

	drop_tokens(p);
	p->indented = p->at < p->s.n && (p->s.p[p->at] == ' ' || p->s.p[p->at] == '\t');
	while (p->at < p->s.n) {
		c = p->s.p[p->at];
		if (c == '\n' && depth == 0)
			break;
		if (c == ';') {
			while (p->at < p->s.n && p->s.p[p->at] != '\n')
				p->at++;
			continue;
		}
		if (c == '\n')
			p->line++;
		if (c == '(')
			depth++;
		if (c == ')' && depth-- == 0)
			return fail(p, "')' without '('");
		if (strchr(" \t\r\n()", c) != NULL)
			p->at++;
		else if ((rc = take_token(p)) != 0)
			return rc;
	}
	p->at++;
	return depth > 0 ? fail(p, "'(' isn't closed") : 0;
}

/* ---- names ------------------------------------------------------------------------------ */

/* Relative names get the origin; lower case, no final dot. */
static int
absolute(struct parser *p, const char *text, char *out)
{
	size_t n = strlen(text);
	int len;

	if (strcmp(text, "@") == 0)
		len = snprintf(out, 256, "%s", p->origin);
	else if (n > 0 && text[n - 1] == '.')
		len = snprintf(out, 256, "%.*s", (int)n - 1, text);
	else
		len = snprintf(out, 256, "%s%s%s", text, p->origin[0] != '\0' ? "." : "", p->origin);
	if (len < 0 || len >= 256)
		return fail(p, "a name is too long");
	sl_lower_in_place(out, (size_t)len);
	return 0;
}

static struct node *
node_of(struct sl_zone *z, const char *name)
{
	struct node *node = sl_dict_get(z->names, sl_str_of(name));
	const char *dot;

	if (node != NULL)
		return node;
	node = sl_calloc(1, sizeof(*node));
	if (node == NULL || sl_dict_set(z->names, sl_str_of(name), node, NULL) != 0) {
		sl_free(node);
		return NULL;
	}
	for (dot = strchr(name, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
		sl_dict_set(z->inner, sl_str_of(dot + 1), node, NULL);
	return node;
}

static int
add_record(struct parser *p, struct node *node, enum sl_dns_type type, struct sl_dns_record *r)
{
	struct sl_dns_record *records = sl_realloc(node->records, (node->n + 1) * sizeof(*records));
	enum sl_dns_type *types;

	(void)p;
	if (records == NULL)
		return SL_ERR_NOMEM;
	node->records = records;
	types = sl_realloc(node->types, (node->n + 1) * sizeof(*types));
	if (types == NULL)
		return SL_ERR_NOMEM;
	node->types = types;
	r->data.p = sl_strndup(r->data.p, r->data.n);
	if (r->data.p == NULL)
		return SL_ERR_NOMEM;
	records[node->n] = *r;
	types[node->n++] = type;
	return 0;
}

/* ---- records --------------------------------------------------------------------------------- */

static int
take_address(struct parser *p, int family, const char *text, struct node *node,
    struct sl_dns_record *r)
{
	char bytes[16];

	if (inet_pton(family, text, bytes) != 1)
		return fail(p, "an address was expected");
	r->data = (struct sl_str){ bytes, family == AF_INET ? 4 : 16 };
	return add_record(p, node, family == AF_INET ? SL_DNS_A : SL_DNS_AAAA, r);
}

static int
take_named(struct parser *p, size_t at, enum sl_dns_type type, struct node *node,
    struct sl_dns_record *r)
{
	char name[256];
	int rc;

	if (at >= p->ntokens)
		return fail(p, "a name is missing");
	if ((rc = absolute(p, p->tokens[at].text, name)) != 0)
		return rc;
	r->data = name[0] == '\0' ? SL_STR(".") : sl_str_of(name);
	return add_record(p, node, type, r);
}

static int
take_txt(struct parser *p, size_t at, enum sl_dns_type type, struct node *node,
    struct sl_dns_record *r)
{
	struct sl_buf text = SL_BUF_INIT;
	int rc;

	for (; at < p->ntokens; at++)
		sl_buf_put(&text, p->tokens[at].text, p->tokens[at].n);
	r->data = text.n > 0 ? sl_buf_str(&text) : SL_STR("");
	rc = text.failed ? SL_ERR_NOMEM : add_record(p, node, type, r);
	sl_buf_clear(&text);
	return rc;
}

/* Hex, or words that no one here looks into. */
static int
take_tlsa(struct parser *p, size_t at, struct node *node, struct sl_dns_record *r)
{
	struct sl_buf data = SL_BUF_INIT;
	int i, rc = 0;

	for (i = 0; i < 3 && at < p->ntokens; i++, at++)
		sl_buf_putc(&data, (char)atoi(p->tokens[at].text));
	for (; at < p->ntokens && rc == 0; at++)
		rc = sl_hex_decode(&data, (struct sl_str){ p->tokens[at].text, p->tokens[at].n });
	r->data = sl_buf_str(&data);
	rc = rc != 0 || data.failed ? fail(p, "TLSA data is hexadecimal") :
	    add_record(p, node, SL_DNS_TLSA, r);
	sl_buf_clear(&data);
	return rc;
}

static int
take_rdata(struct parser *p, size_t at, enum sl_dns_type type, struct node *node)
{
	struct sl_dns_record r = { .ttl = p->ttl };
	const char *first = at < p->ntokens ? p->tokens[at].text : "";

	switch (type) {
	case SL_DNS_A:
		return take_address(p, AF_INET, first, node, &r);
	case SL_DNS_AAAA:
		return take_address(p, AF_INET6, first, node, &r);
	case SL_DNS_TXT:
	case SL_DNS_SPF:
		return take_txt(p, at, type, node, &r);
	case SL_DNS_MX:
		r.preference = (uint16_t)atoi(first);
		return take_named(p, at + 1, type, node, &r);
	case SL_DNS_SRV:
		r.preference = (uint16_t)atoi(first);
		if (at + 3 >= p->ntokens)
			return fail(p, "SRV has priority, weight, port and name");
		r.weight = (uint16_t)atoi(p->tokens[at + 1].text);
		r.port = (uint16_t)atoi(p->tokens[at + 2].text);
		return take_named(p, at + 3, type, node, &r);
	case SL_DNS_TLSA:
		return take_tlsa(p, at, node, &r);
	case SL_DNS_CAA:
	case SL_DNS_SOA:
		return take_txt(p, at, type, node, &r);
	default:
		return take_named(p, at, type, node, &r);
	}
}

static bool
take_failure(struct node *node, const struct token *t, const struct token *next)
{
	if (strcmp(t->text, "SERVFAIL") == 0)
		node->failure = SL_DNS_SERVFAIL;
	else if (strcmp(t->text, "TIMEOUT") == 0)
		node->failure = SL_DNS_TIMEOUT;
	else if (strcmp(t->text, "BOGUS") == 0)
		node->failure = SL_DNS_BOGUS;
	else if (strcmp(t->text, "DELAY") == 0 && next != NULL)
		node->delay = atoi(next->text);
	else
		return false;
	return true;
}

static bool
is_number(const char *s)
{
	return s[0] != '\0' && s[strspn(s, "0123456789")] == '\0';
}

static int
take_record(struct parser *p)
{
	uint32_t common = p->ttl;
	size_t at = 0;
	enum sl_dns_type type;
	struct node *node;
	int rc;

	if (!p->indented && (rc = absolute(p, p->tokens[at++].text, p->owner)) != 0)
		return rc;
	if ((node = node_of(p->zone, p->owner)) == NULL)
		return SL_ERR_NOMEM;
	for (; at < p->ntokens; at++) {		/* TTL and class in either order */
		if (is_number(p->tokens[at].text))
			p->ttl = (uint32_t)strtoul(p->tokens[at].text, NULL, 10);
		else if (strcasecmp(p->tokens[at].text, "IN") != 0)
			break;
	}
	if (at >= p->ntokens)
		return fail(p, "a record type is missing");
	if (take_failure(node, &p->tokens[at], at + 1 < p->ntokens ? &p->tokens[at + 1] : NULL))
		return 0;
	if (sl_dns_type_parse(p->tokens[at].text, &type) != 0)
		return sl_err_set(p->err, SL_ERR_SYNTAX, "zone line %u: \"%s\" is no record type known "
		    "here", p->line, p->tokens[at].text);
	rc = take_rdata(p, at + 1, type, node);
	p->ttl = common;	/* a record's own TTL is its own */
	return rc;
}

static int
take_directive(struct parser *p)
{
	if (p->ntokens < 2)
		return fail(p, "a value is missing");
	if (strcmp(p->tokens[0].text, "$ORIGIN") == 0)
		return absolute(p, p->tokens[1].text, p->origin);
	if (strcmp(p->tokens[0].text, "$TTL") == 0) {
		p->ttl = (uint32_t)strtoul(p->tokens[1].text, NULL, 10);
		return 0;
	}
	return fail(p, "only $ORIGIN and $TTL are known");
}

int
sl_zone_parse(struct sl_zone **out, struct sl_str text, struct sl_err *err)
{
	struct parser *p = sl_calloc(1, sizeof(*p));
	int rc = SL_ERR_NOMEM;

	if (p == NULL || (p->zone = sl_calloc(1, sizeof(*p->zone))) == NULL)
		goto done;
	p->zone->names = sl_dict_new();
	p->zone->inner = sl_dict_new();
	p->s = text;
	p->ttl = 300;
	p->err = err;
	rc = p->zone->names != NULL && p->zone->inner != NULL ? 0 : SL_ERR_NOMEM;
	while (rc == 0 && p->at < text.n) {
		p->line++;
		rc = take_entry(p);
		if (rc == 0 && p->ntokens > 0)
			rc = p->tokens[0].text[0] == '$' && !p->tokens[0].quoted ? take_directive(p) :
			    take_record(p);
	}
	drop_tokens(p);
done:
	if (rc == SL_ERR_NOMEM)
		sl_err_set(err, rc, "out of memory");
	if (rc == 0)
		*out = p->zone;
	else if (p != NULL)
		sl_zone_free(p->zone);
	sl_free(p);
	return rc;
}

static void
node_free(void *arg)
{
	struct node *node = arg;
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

/* ---- answering -------------------------------------------------------------------------------- */

/* The name itself, or the closest wildcard above it (RFC 4592): one below a
 * name that exists doesn't apply. */
static const struct node *
lookup(const struct sl_zone *z, const char *name)
{
	const struct node *node = sl_dict_get(z->names, sl_str_of(name));
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

	if (sl_dict_has(z->names, sl_str_of(name)) || sl_dict_has(z->inner, sl_str_of(name)))
		return true;
	for (dot = strchr(name, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
		if (sl_dict_has(z->names, sl_str_of(dot + 1)))
			return true;
	return false;
}

static const struct sl_dns_record *
cname_of(const struct node *node)
{
	size_t i;

	for (i = 0; i < node->n; i++)
		if (node->types[i] == SL_DNS_CNAME)
			return &node->records[i];
	return NULL;
}

struct sl_dns_answer *
sl_zone_answer(const struct sl_zone *z, const char *asked, enum sl_dns_type type, int64_t *delay_ms,
    bool *covered)
{
	const struct sl_dns_record *alias;
	const struct node *node = NULL;
	struct sl_answer_builder b;
	char name[256];
	unsigned hops;
	size_t i;

	*delay_ms = 0;
	*covered = is_covered(z, asked);
	snprintf(name, sizeof(name), "%s", asked);
	for (hops = 0; hops <= MAX_CHAIN; hops++) {
		node = lookup(z, name);
		if (node == NULL)
			break;
		*delay_ms += node->delay;
		if (node->failure != SL_DNS_OK)
			return sl_dns_answer_empty(node->failure);
		alias = type != SL_DNS_CNAME ? cname_of(node) : NULL;
		if (alias == NULL)
			break;
		snprintf(name, sizeof(name), "%.*s", (int)alias->data.n, alias->data.p);
	}
	if (hops > MAX_CHAIN)
		return sl_dns_answer_empty(SL_DNS_SERVFAIL);
	sl_answer_begin(&b);
	for (i = 0; node != NULL && i < node->n; i++)
		if (node->types[i] == type)
			sl_answer_add(&b, &node->records[i]);
	return sl_answer_end(&b, node != NULL || sl_dict_has(z->inner, sl_str_of(name)) ?
	    SL_DNS_NODATA : SL_DNS_NXDOMAIN, name);
}
