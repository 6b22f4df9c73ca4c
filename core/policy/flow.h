/* Running a flow: from context to verdict, the same way in every phase. */
#ifndef SL_POLICY_FLOW_H
#define SL_POLICY_FLOW_H

#include "context.h"

/*
 * Runs 'flow' (NULL or empty: the phase's default) for ctx, whose engine,
 * generation, phase, arena and done are set. ctx->done is called once, from
 * the top of the loop, with the verdict; every verdict is an event. When the
 * run can't be started the verdict is the phase's error.
 */
void	 sl_flow_run(struct sl_context *ctx, const struct sl_flow *flow);

/* A decision of the engine itself, no script: same path, same event. 'where'
 * names the rule ("relay", "from_check"). */
void	 sl_flow_decide(struct sl_context *ctx, enum sl_action action, int code,
	    const char *enhanced, const char *text, const char *where);

/* Drops a run under way; done isn't called. */
void	 sl_flow_cancel(struct sl_context *ctx);

#endif
