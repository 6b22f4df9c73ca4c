/* The resolver: zone text first, then libunbound; deadlines are ours. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../mail/address.h"
#include "dns.h"
#include "packet.h"
#include "unbound.h"
#include "zone.h"

#define TIMEOUT_MS	5000
#define PROBE_MS	2000		/* for the root's keys, half of a question's time at most */
#define PROBE_AGAIN_MS	30000

struct sl_dns {
	unsigned refs;
	struct sl_loop *loop;
	struct sl_events *events;
	struct sl_dns *base;		/* whose zone text this one uses; NULL = it has its own */
	struct sl_zone *zone;
	const struct sl_dns_host *host;	/* NULL = the network is asked */
	struct sl_unbound *unbound;	/* NULL in zone_only, and with a host */
	int64_t timeout_ms;
	/* dnssec auto, until it is decided: */
	struct sl_unbound *validating;	/* then the one that isn't used */
	void *probe;			/* the question for the root's keys */
	struct sl_timer probe_deadline;
	bool undecided, probing, told;
	int64_t probe_at;		/* not before, sl_loop_now */
	struct sl_list waiting;		/* queries, for its end */
};

/* The public part is first. */
struct query {
	struct sl_dns_query q;
	struct sl_dns *dns;
	void *question;			/* of libunbound */
	bool asked;			/* the host */
	struct sl_timer delay;		/* zone text with DELAY */
	struct sl_dns_answer *later;	/* zone text: given after the delay */
	struct sl_dns_answer *spare;	/* made at the start, for failures */
	uint32_t alias_ttl;		/* of zone text's aliases that led out of it */
	char ask[256];			/* of libunbound */
	struct sl_list waiting;		/* in sl_dns.waiting */
};

/* 'auto' has one that validates beside, for when it is decided. A recursive
 * one needs no forwarder's help. */
static int
open_unbound(struct sl_dns *dns, const struct sl_dns_options *o, struct sl_err *err)
{
	struct sl_err why;

	if (o->dnssec == -1) {
		dns->validating = sl_unbound_open(dns->loop, o, true, &why);
		if (dns->validating == NULL && why.code != SL_ERR_NOTFOUND)
			return sl_err_set(err, why.code, "%s", why.text);
		if (dns->validating == NULL)
			sl_event(o->events, SL_NOTICE, "dnssec_off", SL_FIELDS(SL_F_TEXT("error", why.text)));
	}
	if (o->recurse && dns->validating != NULL) {
		dns->unbound = dns->validating;
		dns->validating = NULL;
		return 0;
	}
	dns->undecided = dns->validating != NULL;
	dns->unbound = sl_unbound_open(dns->loop, o, o->dnssec == 1, err);
	return dns->unbound != NULL ? 0 : SL_ERR_INVAL;
}

struct sl_dns *
sl_dns_open(struct sl_loop *loop, const struct sl_dns_options *options, struct sl_err *err)
{
	struct sl_dns *dns = sl_calloc(1, sizeof(*dns));

	if (dns == NULL) {
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	dns->refs = 1;
	dns->loop = loop;
	dns->events = options->events;
	dns->host = options->host;
	dns->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS;
	sl_list_init(&dns->waiting);
	if ((options->zone.n > 0 && sl_zone_parse(&dns->zone, options->zone, err) != 0) ||
	    (!options->zone_only && options->host == NULL && open_unbound(dns, options, err) != 0)) {
		sl_dns_unref(dns);
		return NULL;
	}
	return dns;
}

static bool
has_outside(const struct sl_dns *dns)
{
	return dns->unbound != NULL || dns->host != NULL;
}

struct sl_dns *
sl_dns_beside(struct sl_dns *real, const struct sl_dns_host *host)
{
	struct sl_dns *dns = sl_calloc(1, sizeof(*dns));

	if (dns == NULL)
		return NULL;
	dns->refs = 1;
	dns->base = sl_dns_ref(real);
	dns->loop = real->loop;
	dns->events = real->events;
	dns->zone = real->zone;
	dns->host = host;
	dns->timeout_ms = real->timeout_ms;
	sl_list_init(&dns->waiting);
	return dns;
}

struct sl_dns *
sl_dns_ref(struct sl_dns *dns)
{
	dns->refs++;
	return dns;
}

void
sl_dns_unref(struct sl_dns *dns)
{
	if (dns == NULL || --dns->refs > 0)
		return;
	sl_timer_stop(&dns->probe_deadline);
	if (dns->probe != NULL)
		sl_unbound_cancel(dns->probe);
	sl_unbound_close(dns->unbound);
	sl_unbound_close(dns->validating);
	if (dns->base == NULL)
		sl_zone_free(dns->zone);
	sl_dns_unref(dns->base);
	sl_free(dns);
}

/* ---- queries ----------------------------------------------------------------------------- */

/* What a record says, as scripts get it: addresses and other bytes in words. */
static void
put_record(struct sl_buf *out, enum sl_dns_type type, const struct sl_dns_record *r)
{
	char ip[INET6_ADDRSTRLEN];

	if ((type == SL_DNS_A && r->data.n == 4) || (type == SL_DNS_AAAA && r->data.n == 16)) {
		sl_buf_puts(out, inet_ntop(r->data.n == 4 ? AF_INET : AF_INET6, r->data.p, ip, sizeof(ip)));
		return;
	}
	if (type == SL_DNS_MX)
		sl_buf_printf(out, "%u ", r->preference);
	else if (type == SL_DNS_SRV)
		sl_buf_printf(out, "%u %u %u ", r->preference, r->weight, r->port);
	sl_buf_putstr(out, r->data);
}

static void
tell(const struct query *q)
{
	const struct sl_dns_answer *answer = q->q.answer;
	struct sl_buf text = SL_BUF_INIT;
	size_t i;

	if (!sl_event_wanted(q->dns->events, SL_TRACE))
		return;
	for (i = 0; i < answer->n; i++) {
		if (i > 0)
			sl_buf_puts(&text, ", ");
		put_record(&text, q->q.type, &answer->records[i]);
	}
	sl_event(q->dns->events, SL_TRACE, "dns", SL_FIELDS(
	    SL_F_TEXT("type", sl_dns_type_word(q->q.type)), SL_F_TEXT("name", q->q.name),
	    SL_F_TEXT("status", sl_dns_status_word(answer->status)),
	    SL_F_STR("answer", sl_buf_str(&text)),
	    SL_F_INT("us", sl_loop_clock_us(q->dns->loop) - q->q.op.started_us)));
	sl_buf_clear(&text);
}

static void
finish(struct query *q, struct sl_dns_answer *answer)
{
	q->question = NULL;
	q->asked = false;
	q->q.answer = answer != NULL ? answer : q->spare;	/* out of memory: SERVFAIL */
	if (answer == NULL)
		q->spare = NULL;
	tell(q);
	sl_op_finish(&q->q.op, 0);
}

/* Called by our deadline too: the answer is then "timeout". */
static void
query_cancel(struct sl_op *op)
{
	struct query *q = (struct query *)op;

	sl_timer_stop(&q->delay);
	sl_list_remove(&q->waiting);
	if (q->question != NULL)
		sl_unbound_cancel(q->question);
	q->question = NULL;
	if (q->asked && q->dns->host->cancel != NULL)
		q->dns->host->cancel(q->dns->host->arg, &q->q);
	q->asked = false;
	if (q->q.answer == NULL && q->spare != NULL) {
		q->q.answer = q->spare;
		q->q.answer->status = SL_DNS_TIMEOUT;
		q->spare = NULL;
		tell(q);
	}
}

static void
query_free(struct sl_op *op)
{
	struct query *q = (struct query *)op;

	sl_timer_stop(&q->delay);
	sl_dns_answer_unref(q->q.answer);
	sl_dns_answer_unref(q->later);
	sl_dns_answer_unref(q->spare);
	sl_dns_unref(q->dns);
	sl_free(q);
}

static const struct sl_op_class query_class = { "dns", query_cancel, query_free };

/* Aliases of zone text came before: their TTL counts, and nobody signed them. */
static void
answered_outside(void *arg, struct sl_dns_answer *answer)
{
	struct query *q = arg;

	if (answer != NULL && q->alias_ttl != UINT32_MAX) {
		answer->secure = false;
		if (q->alias_ttl < answer->ttl)
			answer->ttl = q->alias_ttl;
	}
	finish(q, answer);
}

static void
delayed(struct sl_timer *timer)
{
	struct query *q = sl_list_entry(timer, struct query, delay);
	struct sl_dns_answer *answer = q->later;

	q->later = NULL;
	finish(q, answer);
}

static void
ask_unbound(struct query *q)
{
	if (sl_unbound_ask(q->dns->unbound, q->ask, q->q.type, answered_outside, q, &q->question) != 0)
		finish(q, NULL);
}

/* ---- dnssec auto -------------------------------------------------------------------------- */

static void
decide(struct sl_dns *dns, bool validate)
{
	struct sl_unbound *plain = dns->unbound;

	dns->undecided = false;
	if (!validate) {
		sl_event(dns->events, SL_NOTICE, "dnssec_off", SL_FIELDS(SL_F_TEXT("error",
		    "the forwarder gives no signatures of the root's keys")));
		return;
	}
	dns->unbound = dns->validating;
	dns->validating = plain;	/* which may be calling us, and may have questions yet */
}

static void
ask_later(struct sl_dns *dns)
{
	dns->probe_at = sl_loop_now(dns->loop) + PROBE_AGAIN_MS;
	if (!dns->told)
		sl_event(dns->events, SL_WARNING, "dnssec_unknown", SL_FIELDS(SL_F_TEXT("error",
		    "the forwarder doesn't answer for the root's keys")));
	dns->told = true;
}

static void
probe_over(struct sl_dns *dns)
{
	struct sl_list *l;

	dns->probe = NULL;
	dns->probing = false;
	sl_timer_stop(&dns->probe_deadline);
	while ((l = sl_list_pop(&dns->waiting)) != NULL)
		ask_unbound(sl_list_entry(l, struct query, waiting));
}

static void
probe_answered(void *arg, struct sl_dns_answer *answer)
{
	struct sl_dns *dns = arg;

	if (answer == NULL || sl_dns_temporary(answer->status))
		ask_later(dns);
	else
		decide(dns, answer->status == SL_DNS_OK);
	sl_dns_answer_unref(answer);
	probe_over(dns);
}

static void
probe_late(struct sl_timer *timer)
{
	struct sl_dns *dns = sl_list_entry(timer, struct sl_dns, probe_deadline);

	sl_unbound_cancel(dns->probe);
	ask_later(dns);
	probe_over(dns);
}

static void
probe(struct sl_dns *dns)
{
	int64_t ms = dns->timeout_ms / 2 < PROBE_MS ? dns->timeout_ms / 2 : PROBE_MS;

	dns->probing = true;
	if (sl_timer_start(dns->loop, &dns->probe_deadline, ms, probe_late) != 0 ||
	    sl_unbound_ask_root(dns->unbound, probe_answered, dns, &dns->probe) != 0) {
		ask_later(dns);
		probe_over(dns);
	}
}

/* Libunbound, once it is known which. */
static void
ask_outside(struct query *q, const char *name)
{
	struct sl_dns *dns = q->dns;

	snprintf(q->ask, sizeof(q->ask), "%s", name);
	if (dns->host != NULL) {
		q->asked = true;
		dns->host->ask(dns->host->arg, &q->q, q->ask);
		return;
	}
	if (!dns->undecided || (!dns->probing && sl_loop_now(dns->loop) < dns->probe_at)) {
		ask_unbound(q);
		return;
	}
	sl_list_insert(&dns->waiting, &q->waiting);
	if (!dns->probing)
		probe(dns);
}

/* ---- asking ------------------------------------------------------------------------------- */

/* An answer of zone text, after its delay. One of TIMEOUT never comes: the deadline does. */
static void
give(struct query *q, struct sl_dns_answer *answer, int64_t delay)
{
	if (answer != NULL && answer->status == SL_DNS_TIMEOUT) {
		sl_dns_answer_unref(answer);
		return;
	}
	if (delay == 0 || answer == NULL) {
		finish(q, answer);
		return;
	}
	q->later = answer;
	if (sl_timer_start(q->dns->loop, &q->delay, delay, delayed) != 0)
		finish(q, NULL);
}

/* Zone text decides, or names what is to be asked elsewhere. */
static void
ask(struct query *q)
{
	struct sl_dns_answer *answer;
	char outside[256];
	int64_t delay;

	if (q->dns->zone == NULL && !has_outside(q->dns)) {
		finish(q, sl_dns_answer_empty(SL_DNS_NXDOMAIN));
		return;
	}
	if (q->dns->zone == NULL) {
		ask_outside(q, q->q.name);
		return;
	}
	answer = sl_zone_answer(q->dns->zone, q->q.name, q->q.type, &delay, outside);
	if (answer == NULL || outside[0] == '\0' || !has_outside(q->dns)) {
		give(q, answer, delay);
		return;
	}
	if (strcmp(outside, q->q.name) != 0)
		q->alias_ttl = answer->ttl;
	sl_dns_answer_unref(answer);
	ask_outside(q, outside);
}

/* Service labels (_dmarc, _domainkey) aren't IDNA's: plain names only get lower case. */
static int
normalize(const char *name, char out[256])
{
	size_t n = strlen(name), i;
	char label[256];
	struct sl_err err;

	if (n > 0 && name[n - 1] == '.')
		n--;
	if (n == 0 || n > 253 || memchr(name, '\0', n) != NULL)
		return SL_ERR_SYNTAX;
	for (i = 0; i < n; i++)
		if ((unsigned char)name[i] >= 0x80)
			return sl_domain_normalize(out, (struct sl_str){ name, n }, &err);
	memcpy(label, name, n);
	label[n] = '\0';
	if (label[0] == '.' || strstr(label, "..") != NULL)
		return SL_ERR_SYNTAX;
	for (i = 0; i < n; i++) {
		size_t len = strcspn(label + i, ".");

		if (len > 63)
			return SL_ERR_SYNTAX;
		i += len;
	}
	sl_lower_in_place(label, n);
	memcpy(out, label, n + 1);
	return 0;
}

void
sl_dns_give(struct sl_dns_query *query, struct sl_dns_answer *answer)
{
	struct query *q = (struct query *)query;

	q->asked = false;
	answered_outside(q, answer);
}

void
sl_dns_give_packet(struct sl_dns_query *query, struct sl_str packet, bool secure)
{
	const char *name = ((struct query *)query)->ask;
	struct sl_dns_answer *answer = packet.n > 0 ? sl_packet_parse(packet, name, query->type) : NULL;

	if (answer != NULL)
		answer->secure = secure && !sl_dns_temporary(answer->status);
	sl_dns_give(query, answer);
}

struct sl_dns_query *
sl_dns_query(struct sl_dns *dns, const char *name, enum sl_dns_type type, int64_t timeout_ms)
{
	struct query *q = sl_calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->spare = sl_dns_answer_empty(SL_DNS_SERVFAIL);
	if (q->spare == NULL || sl_op_init(&q->q.op, &query_class, dns->loop, timeout_ms > 0 ?
	    timeout_ms : dns->timeout_ms) != 0) {
		sl_dns_answer_unref(q->spare);
		sl_free(q);
		return NULL;
	}
	q->dns = sl_dns_ref(dns);
	sl_list_init(&q->waiting);
	q->alias_ttl = UINT32_MAX;
	q->q.type = type;
	if (normalize(name, q->q.name) != 0)
		finish(q, sl_dns_answer_empty(SL_DNS_INVALID));
	else
		ask(q);
	return &q->q;
}
