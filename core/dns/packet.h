/*
 * The raw DNS packet of an answer (RFC 1035 4). Every count and offset in it
 * is hostile: loops of compression and of CNAMEs end at a cap.
 */
#ifndef SL_DNS_PACKET_H
#define SL_DNS_PACKET_H

#include "dns.h"

/* The records of 'type' at the end of the CNAME chain of 'name' (normalized).
 * A malformed packet is SERVFAIL. NULL = out of memory. */
struct sl_dns_answer *sl_packet_parse(struct sl_str packet, const char *name, enum sl_dns_type type);

#endif
