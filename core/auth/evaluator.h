/*
 * What SPF, DKIM, DMARC and ARC evaluation have in common: a plain state
 * machine that asks for DNS records and is resumed with the answers. It does
 * no I/O, so it runs the same on live DNS, zone text and recordings.
 *
 * All questions that can be asked at once are offered at once; answers may
 * come in any order. Caps are checked before a question is offered.
 */
#ifndef SL_AUTH_EVALUATOR_H
#define SL_AUTH_EVALUATOR_H

#include "../dns/dns.h"

struct sl_question {
	unsigned id;
	enum sl_dns_type type;
	char name[256];
};

struct sl_evaluator {
	/* 1 = *out is another question to ask now; 0 = none at the moment. */
	int (*question)(struct sl_evaluator *e, struct sl_question *out);
	/* The answer is borrowed: take a reference to keep it. */
	void (*answer)(struct sl_evaluator *e, unsigned id, const struct sl_dns_answer *answer);
	bool (*done)(const struct sl_evaluator *e);
};

/*
 * Runs an evaluator on a resolver. Done when e is; SL_ERR_TIMEOUT when
 * 'timeout_ms' passes: then all open questions were answered SL_DNS_TIMEOUT
 * first, so the evaluator has its (temporary) result anyway. 'e' stays the
 * caller's and must outlive the operation. *queries (may be NULL) counts
 * questions asked. 'loop' is the resolver's; timeout_ms 0 = no deadline but
 * the resolver's own. SL_ERR_LIMIT: an evaluator that never gets done.
 * Releasing early drops open questions without an answer. NULL = out of memory.
 */
struct sl_op *sl_evaluate(struct sl_loop *loop, struct sl_dns *dns, struct sl_evaluator *e,
	    int64_t timeout_ms, unsigned *queries);

#endif
