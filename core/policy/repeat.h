/*
 * Script errors in the log: the first of a kind is told at once, those that
 * repeat it once in a period, a minute, with their count. A kind is event, phase and error.
 */
#ifndef SL_POLICY_REPEAT_H
#define SL_POLICY_REPEAT_H

#include "../base/event.h"
#include "../net/loop.h"

struct sl_repeats;

/* 'events' outlives it. NULL = out of memory. */
struct sl_repeats *sl_repeats_new(struct sl_loop *loop, struct sl_events *events,
	    int64_t period_ms);
/* Tells what was counted and not told yet. NULL is fine. */
void	 sl_repeats_free(struct sl_repeats *repeats);

struct sl_repeated {
	const char *event, *id, *phase, *error;
	const char *source, *stack;	/* NULL = not known */
};
/* Everything is copied. At most 256 kinds are remembered; others are told each time. */
void	 sl_repeats_tell(struct sl_repeats *repeats, const struct sl_repeated *what);

#endif
