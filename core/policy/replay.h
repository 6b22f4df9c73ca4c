/*
 * Replay: a recorded session (core/tape/tape.h) goes through the running policy of an
 * engine as it went through the policy of then, and what is decided now is compared with what was
 * decided. The world is the tape: nothing of the engine's network, state or caches is asked,
 * unless 'live' allows pure questions that the tape doesn't have; nothing is changed there.
 *
 * For "sluice replay", and for a policy that is tried beside the one that serves: give it an
 * engine of its own (options.parts: the same loop, other events), so that its counters, script
 * errors and memory are apart.
 */
#ifndef SL_POLICY_REPLAY_H
#define SL_POLICY_REPLAY_H

#include <jansson.h>

#include "../sluice_host.h"
#include "../tape/tape.h"

struct sl_replay;

/*
 * Begins; 'done' is called once from the loop, never in here. It may free the replay. 'tape' is
 * referenced; one that is full, or no whole session, is SL_ERR_INVAL.
 */
int	 sl_replay_start(struct sl_replay **out, struct sl_engine *engine, struct sl_tape *tape,
	    bool live, void (*done)(void *arg, struct sl_replay *replay), void *arg,
	    struct sl_err *err);
void	 sl_replay_free(struct sl_replay *replay);	/* also before it is done; NULL is fine */

/*
 * What is otherwise now, in order, each an object of bytes as JSON strings (of any bytes: not to
 * be printed as they are):
 *
 *	step, input ("rcpt <ann@example.org>"), what:
 *	"verdict"   before, after: { phase, action, code, reply, where, failed }
 *	"message"   id, before, after: { sender, quarantine, recipients (a list), bytes }; null =
 *	            there is none
 *	"changes"   before, after: text
 *	"missing"   question: the policy asked what the tape doesn't have; nothing behind it
 *	            was looked at
 *
 * Borrowed. An empty list: no difference. What the client did later and couldn't have done now (RCPT
 * after a MAIL that is refused now) isn't listed; sl_replay_unreached counts it.
 */
json_t	*sl_replay_differences(const struct sl_replay *replay);
enum sl_replay_result {
	SL_REPLAY_SAME,
	SL_REPLAY_DIFFERS,
	SL_REPLAY_INCOMPLETE,	/* a question was missing: what came behind it isn't known */
};
enum sl_replay_result sl_replay_result(const struct sl_replay *replay);
unsigned sl_replay_unreached(const struct sl_replay *replay);
/* Inputs that were answered then and now. */
unsigned sl_replay_compared(const struct sl_replay *replay);

#endif
