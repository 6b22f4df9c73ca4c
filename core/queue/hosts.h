/* From a route to addresses: literals, A and AAAA, MX (RFC 5321 5.1, RFC 7505). */
#ifndef SL_QUEUE_HOSTS_H
#define SL_QUEUE_HOSTS_H

#include "../dns/dns.h"

#define SL_MAX_HOSTS	16

struct sl_host {
	struct sl_addr addr;
	char name[256];
	unsigned preference;	/* of its MX */
};

struct sl_hosts_op {
	struct sl_op op;	/* status 0, also when nothing was found */
	size_t n;
	struct sl_host hosts[SL_MAX_HOSTS];	/* in the order to try */
	/* Nothing found: a reply in the host's stead; code 0 = for now only, also
	 * when a host that isn't a domain's MX has no address. */
	int code;		/* 550 no such domain, 556 null MX, 554 loop */
	const char *enhanced;
	char why[300];
};

/*
 * 'host': an address literal ("192.0.2.1", "[2001:db8::1]:25"), a name, or with
 * 'mx' a domain. 'dns' may be NULL: literals and "localhost" only. MX are tried
 * by preference, those of one preference in an order of chance (RFC 5321 5.1),
 * 8 names and SL_MAX_HOSTS addresses at most; 'self' (our name) ends the list,
 * since hosts no better than we would send the mail round. For the same reason
 * a domain can't name port 25 of a loopback or unspecified address; other
 * private addresses it can.
 */
struct sl_hosts_op *sl_hosts_find(struct sl_loop *loop, struct sl_dns *dns, const char *host,
	    bool mx, int port, const char *self);

#endif
