/*
 * Zone text: names answered from a master file (RFC 1035 5), for tests, demos
 * and offline work. $ORIGIN and $TTL (RFC 2308 4), TTLs with units ("1h30m"),
 * "TYPE257" and "\# 4 c0000201" (RFC 3597 5) are known; $INCLUDE and $GENERATE
 * are not. Where a record has no TTL it is that of $TTL, 300 s without. A TXT
 * string may be longer than 255 bytes. Besides records there are lines that
 * make failures:
 *
 *	name SERVFAIL | TIMEOUT | BOGUS		every question for the name
 *	name NXDOMAIN				there is no such name
 *	name DELAY 200				answers come after 200 ms
 */
#ifndef SL_DNS_ZONE_H
#define SL_DNS_ZONE_H

#include "dns.h"

struct sl_zone;

/* Anything that isn't understood is an error; it names line, column and what stands there. */
int	 sl_zone_parse(struct sl_zone **out, struct sl_str text, struct sl_err *err);
void	 sl_zone_free(struct sl_zone *zone);

/*
 * CNAMEs and wildcards are followed. *delay_ms is 0 unless a line says so. An
 * alias may lead to a name that no line is at or above, or 'name' itself may be
 * one: that name is in 'outside' ("" if not), and the answer is NXDOMAIN with
 * the least TTL of the aliases. "Nothing" has the TTL of the
 * SOA above it (RFC 2308), else 0. NULL = out of memory.
 */
struct sl_dns_answer *sl_zone_answer(const struct sl_zone *zone, const char *name,
	    enum sl_dns_type type, int64_t *delay_ms, char outside[256]);

#endif
