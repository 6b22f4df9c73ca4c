/* The door of the state: requests past a tape (core/tape/tape.h). */
#ifndef SL_STATE_TAP_H
#define SL_STATE_TAP_H

#include "../tape/tape.h"
#include "state.h"

/*
 * sl_state_ask, noted or answered. 'tape' NULL = as it is. One that plays and may ask for
 * real does so where asking changes nothing (FETCH, RATE_COUNT); nothing else reaches
 * the state then, and what isn't on the tape is SL_ERR_NOTFOUND and told as missing.
 */
struct sl_state_op *sl_state_ask_taped(struct sl_state *state, struct sl_tape *tape,
	    const struct sl_state_request *request);
/* For a request whose answer nobody wants: the state hears of it, unless the tape plays. */
void	 sl_state_tell_taped(struct sl_state *state, struct sl_tape *tape,
	    const struct sl_state_request *request);

#endif
