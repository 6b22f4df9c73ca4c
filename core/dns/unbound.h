/* libunbound on our loop. For resolver.c. */
#ifndef SL_DNS_UNBOUND_H
#define SL_DNS_UNBOUND_H

#include "dns.h"

struct sl_unbound;

struct sl_unbound *sl_unbound_open(struct sl_loop *loop, const struct sl_dns_options *options,
	    struct sl_err *err);
void	 sl_unbound_close(struct sl_unbound *u);

/*
 * Asks. 'done' is called once, perhaps inside this call; the answer is its
 * own. *id identifies the question for cancel; negative result: not asked.
 */
typedef void sl_unbound_fn(void *arg, struct sl_dns_answer *answer);
int	 sl_unbound_ask(struct sl_unbound *u, const char *name, enum sl_dns_type type,
	    sl_unbound_fn *done, void *arg, void **question);
/* 'done' won't be called. */
void	 sl_unbound_cancel(struct sl_unbound *u, void *question);

#endif
