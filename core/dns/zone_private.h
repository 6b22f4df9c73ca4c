/* What zone.c keeps and zone_read.c fills. For core/dns/zone*.c. */
#ifndef SL_DNS_ZONE_PRIVATE_H
#define SL_DNS_ZONE_PRIVATE_H

#include "../base/dict.h"
#include "zone.h"

struct sl_zone_node {			/* a name that has lines */
	struct sl_dns_record *records;
	unsigned *types;
	size_t n;
	enum sl_dns_status failure;	/* SL_DNS_OK = none */
	int64_t delay;
};

struct sl_zone {
	struct sl_dict *names;		/* every name with lines */
	struct sl_dict *inner;		/* names above such names: they exist */
};

struct sl_zone *sl_zone_new(void);
/* The node of 'name', made if there is none. NULL = out of memory. */
struct sl_zone_node *sl_zone_node(struct sl_zone *zone, const char *name);
/* 'r' is copied. */
int	 sl_zone_add(struct sl_zone_node *node, unsigned type, const struct sl_dns_record *r);

#endif
