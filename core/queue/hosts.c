/*
 * Where a message goes next. One question for the MX, then all addresses of
 * all names at once; the list is made when the last answer is there.
 */
#include "hosts.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../crypto/random.h"

#define MAX_NAMES	8	/* mail exchangers looked up */

/* The public part is first, so the operation is the search. */
struct search {
	struct sl_hosts_op op;
	struct sl_dns *dns;
	char self[256];
	int port;
	struct sl_dns_query *mx;
	struct {
		char name[256];
		unsigned preference;
		uint64_t chance;	/* order within a preference */
		struct sl_dns_query *a, *aaaa;
	} names[MAX_NAMES];
	size_t nnames;
	unsigned open;		/* questions not yet answered */
	bool mx_wanted;		/* the domain says where, not the operator */
	bool temporary, looped;
};

static void
search_cancel(struct sl_op *op)
{
	struct search *s = (struct search *)op;
	size_t i;

	if (s->mx != NULL)
		sl_op_release(&s->mx->op);
	s->mx = NULL;
	for (i = 0; i < s->nnames; i++) {
		if (s->names[i].a != NULL)
			sl_op_release(&s->names[i].a->op);
		if (s->names[i].aaaa != NULL)
			sl_op_release(&s->names[i].aaaa->op);
		s->names[i].a = s->names[i].aaaa = NULL;
	}
}

static void
search_free(struct sl_op *op)
{
	search_cancel(op);
	sl_dns_unref(((struct search *)op)->dns);
	sl_free(op);
}

static const struct sl_op_class search_class = { "hosts", search_cancel, search_free };

/* 'code' 0: nothing for now. */
static void
none(struct search *s, int code, const char *enhanced, const char *why)
{
	s->op.code = code;
	s->op.enhanced = enhanced;
	snprintf(s->op.why, sizeof(s->op.why), "%s", why);
	sl_op_finish(&s->op.op, 0);
}

/* At SMTP's own port of this machine it is us who answer, and to whom comes
 * from here we may allow more: a domain can't send us there (RFC 5321 5.1). At
 * another port it isn't us. */
static bool
is_this_machine(const struct search *s, const struct sl_addr *a)
{
	bool unspecified = a->sa.sa_family == AF_INET ? a->in4.sin_addr.s_addr == INADDR_ANY :
	    IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);

	return s->mx_wanted && sl_addr_port(a) == 25 && (unspecified || sl_addr_is_loopback(a));
}

static void
add_host(struct search *s, const struct sl_addr *addr, const char *name, unsigned preference)
{
	struct sl_host *h = &s->op.hosts[s->op.n];

	if (s->op.n == SL_MAX_HOSTS)
		return;
	if (is_this_machine(s, addr)) {
		s->looped = true;
		return;
	}
	h->addr = *addr;
	h->preference = preference;
	snprintf(h->name, sizeof(h->name), "%s", name);
	s->op.n++;
}

/* ---- addresses ------------------------------------------------------------------------ */

static void
add_answers(struct search *s, const struct sl_dns_query *q, const char *name, unsigned preference)
{
	struct sl_addr addr;
	size_t i;

	if (q == NULL || q->answer == NULL) {
		s->temporary = true;	/* for want of memory it wasn't asked */
		return;
	}
	s->temporary |= sl_dns_temporary(q->answer->status);
	for (i = 0; i < q->answer->n; i++) {
		const struct sl_str *data = &q->answer->records[i].data;

		memset(&addr, 0, sizeof(addr));
		if (data->n == 4) {
			addr.in4.sin_family = AF_INET;
			addr.in4.sin_port = htons((uint16_t)s->port);
			memcpy(&addr.in4.sin_addr, data->p, 4);
			addr.len = sizeof(addr.in4);
		} else if (data->n == 16) {
			addr.in6.sin6_family = AF_INET6;
			addr.in6.sin6_port = htons((uint16_t)s->port);
			memcpy(&addr.in6.sin6_addr, data->p, 16);
			addr.len = sizeof(addr.in6);
		} else {
			continue;
		}
		add_host(s, &addr, name, preference);
	}
}

static void
would_loop(struct search *s)
{
	none(s, 554, "5.4.6", "the best MX of the domain is this host: the mail would loop");
}

static void
all_answered(struct search *s)
{
	size_t i;

	for (i = 0; i < s->nnames; i++) {
		add_answers(s, s->names[i].aaaa, s->names[i].name, s->names[i].preference);
		add_answers(s, s->names[i].a, s->names[i].name, s->names[i].preference);
	}
	if (s->op.n > 0)
		sl_op_finish(&s->op.op, 0);
	else if (s->temporary)
		none(s, 0, "4.4.3", "DNS gave no answer for the host");
	else if (s->looped)
		would_loop(s);
	else if (!s->mx_wanted)	/* a mistake in the policy or in DNS: nobody's mail ends for it */
		none(s, 0, "4.4.4", "the host that the transport names has no address");
	else
		none(s, 550, "5.4.4", "the host has no address");
}

static void
address_answered(struct sl_op *op, void *arg)
{
	struct search *s = arg;

	(void)op;
	if (--s->open == 0)
		all_answered(s);
}

static void
ask_addresses(struct search *s)
{
	size_t i;

	for (i = 0; i < s->nnames; i++) {
		s->names[i].a = sl_dns_query(s->dns, s->names[i].name, SL_DNS_A, 0);
		s->names[i].aaaa = sl_dns_query(s->dns, s->names[i].name, SL_DNS_AAAA, 0);
		s->open += (s->names[i].a != NULL) + (s->names[i].aaaa != NULL);
	}
	for (i = 0; i < s->nnames; i++) {
		if (s->names[i].a != NULL)
			sl_op_wait(&s->names[i].a->op, address_answered, s);
		if (s->names[i].aaaa != NULL)
			sl_op_wait(&s->names[i].aaaa->op, address_answered, s);
	}
	if (s->open == 0)
		none(s, 0, "4.3.0", "out of memory");
}

static bool
comes_before(unsigned preference, uint64_t chance, unsigned other, uint64_t other_chance)
{
	return preference < other || (preference == other && chance < other_chance);
}

/* Keeps the best names in order; what doesn't fit are the worst. */
static void
add_name(struct search *s, struct sl_str name, unsigned preference)
{
	uint64_t chance = 0;
	size_t i;

	if (name.n == 0 || name.n >= sizeof(s->names[0].name))
		return;
	/* Without chance the order is the answer's: no harm. */
	if (sl_random_below(UINT32_MAX, &chance) < 0)
		chance = s->nnames;
	if (s->nnames == MAX_NAMES) {
		if (!comes_before(preference, chance, s->names[MAX_NAMES - 1].preference,
		    s->names[MAX_NAMES - 1].chance))
			return;
		s->nnames--;
	}
	for (i = s->nnames; i > 0 && comes_before(preference, chance,
	    s->names[i - 1].preference, s->names[i - 1].chance); i--)
		s->names[i] = s->names[i - 1];
	memset(&s->names[i], 0, sizeof(s->names[i]));
	memcpy(s->names[i].name, name.p, name.n);
	s->names[i].preference = preference;
	s->names[i].chance = chance;
	s->nnames++;
}

/* ---- MX ----------------------------------------------------------------------------------- */

/* Hosts no better than ourselves would send the mail round (RFC 5321 5.1). */
static void
cut_at_self(struct search *s)
{
	size_t i;

	for (i = 0; i < s->nnames; i++) {
		if (strcasecmp(s->names[i].name, s->self) == 0)
			break;
	}
	while (i < s->nnames && i > 0 && s->names[i - 1].preference == s->names[i].preference)
		i--;
	s->nnames = i < s->nnames ? i : s->nnames;
}

static void
mx_answered(struct sl_op *op, void *arg)
{
	struct search *s = arg;
	const struct sl_dns_answer *answer = s->mx->answer;
	size_t i;

	(void)op;
	if (sl_dns_temporary(answer->status)) {
		none(s, 0, "4.4.3", "DNS gave no answer for the MX of the domain");
		return;
	}
	if (answer->status == SL_DNS_NXDOMAIN || answer->status == SL_DNS_INVALID) {
		none(s, 550, "5.1.2", "the domain doesn't exist");
		return;
	}
	for (i = 0; i < answer->n; i++) {
		/* "." among others means nothing (RFC 7505 3). */
		if (!sl_str_eq(answer->records[i].data, SL_STR(".")))
			add_name(s, answer->records[i].data, answer->records[i].preference);
	}
	if (answer->n == 1 && sl_str_eq(answer->records[0].data, SL_STR("."))) {
		none(s, 556, "5.1.10", "the domain accepts no mail (null MX)");
		return;
	}
	if (answer->n == 0)
		add_name(s, sl_str_of(s->mx->name), 0);
	cut_at_self(s);
	if (s->nnames == 0)
		would_loop(s);
	else
		ask_addresses(s);
}

/* ---- start ----------------------------------------------------------------------------------- */

/* "192.0.2.1", "[192.0.2.1]", "[2001:db8::1]:25", "localhost:24" */
static bool
take_literal(struct search *s, const char *host)
{
	struct sl_str text = sl_str_of(host), inside = sl_str_sub(text, 1, text.n - 1);
	struct sl_addr addr;
	char local[64];

	if (strncmp(host, "localhost", 9) == 0 && (host[9] == '\0' || host[9] == ':')) {
		snprintf(local, sizeof(local), "127.0.0.1%.20s", host + 9);
		text = sl_str_of(local);
	}
	/* The domain of an address: [192.0.2.1], [IPv6:2001:db8::1]. */
	if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
		text = sl_str_istarts(inside, SL_STR("IPv6:")) ?
		    sl_str_sub(inside, 5, inside.n) : inside;
	if (sl_addr_parse_ip(&addr, text, (uint16_t)s->port) != 0 &&
	    sl_addr_parse(&addr, text, NULL) != 0)
		return false;
	add_host(s, &addr, host, 0);
	return true;
}

/* "mail.example.org:24" */
static void
split_port(struct search *s, const char *host, char *name, size_t size)
{
	const char *colon = strrchr(host, ':');
	uint64_t port;

	snprintf(name, size, "%s", host);
	if (colon == NULL || strchr(host, ':') != colon ||
	    !sl_str_u64(sl_str_of(colon + 1), &port) || port == 0 || port > 65535)
		return;
	name[colon - host < (ptrdiff_t)size ? (size_t)(colon - host) : size - 1] = '\0';
	s->port = (int)port;
}

struct sl_hosts_op *
sl_hosts_find(struct sl_loop *loop, struct sl_dns *dns, const char *host, bool mx, int port,
    const char *self)
{
	struct search *s = sl_calloc(1, sizeof(*s));
	char name[256];

	if (s == NULL)
		return NULL;
	sl_op_init(&s->op.op, &search_class, loop, 0);
	s->dns = dns != NULL ? sl_dns_ref(dns) : NULL;
	s->port = port;
	s->mx_wanted = mx;
	snprintf(s->self, sizeof(s->self), "%s", self);
	if (take_literal(s, host)) {
		if (s->looped)
			would_loop(s);
		else
			sl_op_finish(&s->op.op, 0);
	} else if (dns == NULL) {
		none(s, 0, "4.4.3", "there is no resolver");
	} else if (mx) {
		s->mx = sl_dns_query(dns, host, SL_DNS_MX, 0);
		if (s->mx == NULL)
			none(s, 0, "4.3.0", "out of memory");
		else
			sl_op_wait(&s->mx->op, mx_answered, s);
	} else {
		split_port(s, host, name, sizeof(name));
		add_name(s, sl_str_of(name), 0);
		ask_addresses(s);
	}
	return &s->op;
}
