/*
 * Zone text: names answered from a master file (RFC 1035 5), for tests, demos
 * and offline work. Besides records there are lines that make failures:
 *
 *	name SERVFAIL | TIMEOUT | BOGUS		every question for the name
 *	name DELAY 200				answers come after 200 ms
 */
#ifndef SL_DNS_ZONE_H
#define SL_DNS_ZONE_H

#include "dns.h"

struct sl_zone;

/* Errors name line and what stands there. */
int	 sl_zone_parse(struct sl_zone **out, struct sl_str text, struct sl_err *err);
void	 sl_zone_free(struct sl_zone *zone);

/* CNAMEs and wildcards are followed. *delay_ms is 0 unless a line says so. An
 * answer of NXDOMAIN for a name that no line is at or above leaves *covered
 * false. NULL = out of memory. */
struct sl_dns_answer *sl_zone_answer(const struct sl_zone *zone, const char *name,
	    enum sl_dns_type type, int64_t *delay_ms, bool *covered);

#endif
