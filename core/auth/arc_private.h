/* The ARC fields of a header, sorted into sets: for validating and sealing. */
#ifndef SL_AUTH_ARC_PRIVATE_H
#define SL_AUTH_ARC_PRIVATE_H

#include "arc.h"

struct sl_arc_fields {
	const struct sl_field *results, *message, *seal;	/* NULL = not there */
	struct sl_str payload;		/* of 'results', without i= */
	enum sl_arc_status cv;
	bool has_cv;
};

struct sl_arc_chain {
	unsigned n;			/* the highest instance */
	bool ended;			/* its seal says cv=fail */
	struct sl_arc_fields set[SL_ARC_MAX_SETS];
};

/*
 * Sorts. 'head' NULL: the header as received. 0 for sets 1..n that are whole
 * and have the cv= they must (RFC 8617 5.2 step 3), n = 0 without any; else
 * SL_ERR_SYNTAX, or SL_ERR_LIMIT for more sets than there may be or an instance
 * beyond; the reason in 'err'. n and 'ended' are set as far as the fields can
 * be read. Nothing is hashed.
 */
int	 sl_arc_collect(struct sl_arc_chain *out, const struct sl_message *m,
	    const struct sl_head *head, struct sl_err *err);

bool	 sl_arc_is_field(struct sl_str name);	/* one of the three, any case */

/* Adds a whole field as a seal covers it (RFC 8617 5.1.1). */
int	 sl_arc_digest_field(struct sl_digest *d, struct sl_str raw);

#endif
