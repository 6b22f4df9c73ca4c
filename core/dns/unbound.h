/* libunbound on our loop. For resolver.c. */
#ifndef SL_DNS_UNBOUND_H
#define SL_DNS_UNBOUND_H

#include "dns.h"

struct sl_unbound;

/* 'validate': with the root's trust anchors; SL_ERR_NOTFOUND when there are none. */
struct sl_unbound *sl_unbound_open(struct sl_loop *loop, const struct sl_dns_options *options,
	    bool validate, struct sl_err *err);
void	 sl_unbound_close(struct sl_unbound *u);

/*
 * Asks. 'done' is called once, perhaps inside this call; the answer is its
 * own. *id identifies the question for cancel; negative result: not asked.
 */
typedef void sl_unbound_fn(void *arg, struct sl_dns_answer *answer);
int	 sl_unbound_ask(struct sl_unbound *u, const char *name, enum sl_dns_type type,
	    sl_unbound_fn *done, void *arg, void **question);
/* Asks for the root's keys; the answer is OK when there are signatures of them. */
int	 sl_unbound_ask_root(struct sl_unbound *u, sl_unbound_fn *done, void *arg, void **question);
/* 'done' won't be called. */
void	 sl_unbound_cancel(void *question);

#endif
