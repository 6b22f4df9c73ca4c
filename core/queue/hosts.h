/* From a route to addresses: literals, A and AAAA, MX (RFC 5321 5.1, RFC 7505). */
#ifndef SL_QUEUE_HOSTS_H
#define SL_QUEUE_HOSTS_H

#include "../dns/dns.h"

#define SL_MAX_HOSTS	16

struct sl_hosts_op {
	struct sl_op op;	/* status 0, also when nothing was found */
	size_t n;
	struct { struct sl_addr addr; char name[256]; } hosts[SL_MAX_HOSTS];
	bool permanent;		/* nothing found, and that is for good */
	char why[300];
};

/*
 * 'host': an address literal ("192.0.2.1", "[2001:db8::1]:25"), a name, or with
 * 'mx' a domain. 'dns' may be NULL: literals and "localhost" only. Hosts in the
 * order to try; 'self' (our name) ends the list of MX (loops).
 */
struct sl_hosts_op *sl_hosts_find(struct sl_loop *loop, struct sl_dns *dns, const char *host,
	    bool mx, int port, const char *self);

#endif
