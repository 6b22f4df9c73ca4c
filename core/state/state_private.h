/* What local and remote states have in common. */
#ifndef SL_STATE_PRIVATE_H
#define SL_STATE_PRIVATE_H

#include "table.h"

struct sl_state_class {
	struct sl_state_op *(*ask)(struct sl_state *state, const struct sl_state_request *request);
	void (*free)(struct sl_state *state);
};

/* The first member of each kind. */
struct sl_state {
	const struct sl_state_class *class;
	struct sl_loop *loop;
};

/* Is it a command, and are key, value and times within their caps? */
bool	 sl_state_permits(const struct sl_state_request *request);

/* An operation that is done. 'reply' (copied) may be NULL. NULL = out of memory. */
struct sl_state_op *sl_state_done(struct sl_loop *loop, int status,
	    const struct sl_state_reply *reply);
/* The answer for one that waits; sl_op_finish is the caller's. */
int	 sl_state_fill(struct sl_state_op *op, const struct sl_state_reply *reply);

#endif
