/*
 * The raw DNS packet of an answer (RFC 1035 4). Every count and offset in it
 * is hostile: loops of compression and of CNAMEs end at a cap.
 */
#ifndef SL_DNS_PACKET_H
#define SL_DNS_PACKET_H

#include "answer.h"

/* The records of 'type' at the end of the CNAME chain of 'name' (normalized).
 * A malformed packet is SERVFAIL. The TTL of "nothing" is that of RFC 2308 5, three
 * hours at most. NULL = out of memory. */
struct sl_dns_answer *sl_packet_parse(struct sl_str packet, const char *name, enum sl_dns_type type);

/* The name at *at, which goes behind it, in the form of dns.h; compression is followed. */
int	 sl_packet_name(struct sl_str message, size_t *at, char out[256]);
/* Adds one record whose rdata is 'n' bytes (no more than the message has) at 'data'. */
int	 sl_packet_record(struct sl_str message, size_t data, size_t n, unsigned type,
	    struct sl_answer_builder *b, uint32_t ttl);

#endif
