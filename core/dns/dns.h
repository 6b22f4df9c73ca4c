/*
 * DNS. One resolver per loop answers from zone text, from libunbound, or from
 * zone text first and then libunbound. Temporary failure, "no such name", "no
 * such record" and bogus are told apart everywhere.
 */
#ifndef SL_DNS_DNS_H
#define SL_DNS_DNS_H

#include "../base/event.h"
#include "../net/addr.h"
#include "../net/op.h"

enum sl_dns_type {
	SL_DNS_A = 1, SL_DNS_NS = 2, SL_DNS_CNAME = 5, SL_DNS_SOA = 6, SL_DNS_PTR = 12,
	SL_DNS_MX = 15, SL_DNS_TXT = 16, SL_DNS_AAAA = 28, SL_DNS_SRV = 33, SL_DNS_TLSA = 52,
	SL_DNS_SPF = 99, SL_DNS_CAA = 257,
};

enum sl_dns_status {
	SL_DNS_OK,		/* at least one record of the type asked for */
	SL_DNS_NODATA,		/* the name is there, no record of the type */
	SL_DNS_NXDOMAIN,	/* no such name */
	SL_DNS_SERVFAIL,	/* temporary: server failure, refused, malformed answer */
	SL_DNS_TIMEOUT,		/* temporary: no answer before the deadline */
	SL_DNS_BOGUS,		/* temporary: DNSSEC validation failed */
	SL_DNS_INVALID,		/* the name can't be asked: too long, empty label */
};

struct sl_dns_record {
	uint32_t ttl;
	uint16_t preference;	/* MX preference, SRV priority */
	uint16_t weight, port;	/* SRV */
	/* A, AAAA: 4 or 16 bytes. NS CNAME PTR MX SRV: the name, lower case, no
	 * final dot, "." for the root, escaped as in master files. TXT: strings
	 * joined without separator. others: rdata as it is. */
	struct sl_str data;
};

/* Immutable, counted. Never more than SL_DNS_MAX_RECORDS records or 64 KB. */
#define SL_DNS_MAX_RECORDS	256
struct sl_dns_answer {
	unsigned refs;
	enum sl_dns_status status;
	bool secure;			/* DNSSEC validated by us */
	uint32_t ttl;			/* of the answer, positive or negative */
	char *canonical;		/* the name after CNAMEs */
	size_t n;
	struct sl_dns_record *records;	/* in the order of the packet */
};

struct sl_dns_answer *sl_dns_answer_ref(const struct sl_dns_answer *answer);
void	 sl_dns_answer_unref(struct sl_dns_answer *answer);
/* An answer without records; for errors and tests. */
struct sl_dns_answer *sl_dns_answer_empty(enum sl_dns_status status);
bool	 sl_dns_temporary(enum sl_dns_status status);	/* SERVFAIL TIMEOUT BOGUS */
const char *sl_dns_status_word(enum sl_dns_status status);	/* "ok" "nodata" "nxdomain" ... */
const char *sl_dns_type_word(enum sl_dns_type type);
int	 sl_dns_type_parse(const char *word, enum sl_dns_type *out);

/* "4.3.2.1.in-addr.arpa" or ip6.arpa. out has 80 bytes. */
void	 sl_dns_reverse(const struct sl_addr *ip, char *out, size_t size);

struct sl_dns;

struct sl_dns_query;

/*
 * Who answers what zone text doesn't, instead of the network: a host program, a
 * test. 'ask' calls sl_dns_give, at once or later; 'name' is the query's, or where
 * aliases of zone text lead. 'cancel' (may be NULL): nobody waits for it any more.
 */
struct sl_dns_host {
	void (*ask)(void *arg, struct sl_dns_query *query, const char *name);
	void (*cancel)(void *arg, struct sl_dns_query *query);
	void *arg;
};

struct sl_dns_options {
	const char *const *servers;	/* forwarders, NULL-terminated "ip[:port]"; NULL = the system's */
	bool recurse;			/* ask the root instead of forwarding */
	int dnssec;			/* 1 on, 0 off, -1 auto: see below */
	struct sl_str anchor;		/* trust anchors of the root as master-file lines; empty =
					 * those of dns-root-data or unbound-anchor */
	struct sl_str zone;		/* master-file text: answers for its names come from here */
	bool zone_only;			/* names outside the zone text: NXDOMAIN, no network */
	int64_t timeout_ms;		/* default 5000 */
	struct sl_events *events;
	const struct sl_dns_host *host;	/* asked instead of the network; borrowed */
};

/*
 * 'options' and what it points at is copied. dnssec -1: the forwarders are
 * asked for the root's keys before the first question, which waits for that.
 * With signatures answers are validated. Without any they aren't: through a
 * forwarder that strips them every name would be bogus (event dnssec_off). No
 * answer decides nothing: they aren't validated now, and it is asked again
 * after half a minute (event dnssec_unknown). Without anchors 1 is an error.
 */
struct sl_dns	*sl_dns_open(struct sl_loop *loop, const struct sl_dns_options *options,
		    struct sl_err *err);
/* One beside 'real' (referenced): the same zone text and timeout, and for all other names the
 * host. NULL = out of memory. */
struct sl_dns	*sl_dns_beside(struct sl_dns *real, const struct sl_dns_host *host);
/* Counted: each query holds it, so its owner may let go of it at any time. */
struct sl_dns	*sl_dns_ref(struct sl_dns *dns);
void		 sl_dns_unref(struct sl_dns *dns);	/* NULL is fine */

/* Names without final dot; EAI names are converted to A-labels here. */
struct sl_dns_query {
	struct sl_op op;
	enum sl_dns_type type;
	char name[256];
	struct sl_dns_answer *answer;	/* never NULL when done, also after time-out; ours */
};

/* What went wrong is answer->status, whatever the status of the operation. timeout_ms 0
 * = the resolver's. NULL = out of memory. */
struct sl_dns_query *sl_dns_query(struct sl_dns *dns, const char *name, enum sl_dns_type type,
		    int64_t timeout_ms);

/* For a host: the answer (taken; NULL = a server failure) to a question that it was asked. */
void	 sl_dns_give(struct sl_dns_query *query, struct sl_dns_answer *answer);
/* The same as a raw packet; empty = a server failure. */
void	 sl_dns_give_packet(struct sl_dns_query *query, struct sl_str packet, bool secure);

#endif
