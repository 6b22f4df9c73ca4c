/*
 * A shadow policy: the next one, tried beside the one that serves. A share of the sessions is
 * recorded (core/tape/tape.h); when such a session has ended, the next policy sees it again, in an engine of its
 * own, and what it would have decided is compared. It delivers nothing, writes nothing and
 * answers nobody: the world is the tape, and what it asks beyond that (DNS, GET, counts of
 * rates) is asked only where asking changes nothing.
 *
 * It gives way: with too many sessions waiting, or a policy that doesn't load, sessions are left
 * out and counted, and nothing of the serving policy changes.
 *
 * Events: shadow_loaded, shadow_not_loaded (errors), shadow_difference (a decision that would
 * be another one), shadow_summary (every minute in which there was something, and at the
 * end; numbers since the last one). Script errors of the next policy are shadow_script_error.
 * doc/shadow.md.
 */
#ifndef SL_DAEMON_SHADOW_H
#define SL_DAEMON_SHADOW_H

#include "../base/event.h"
#include "../net/loop.h"
#include "../sluice_host.h"

struct sl_shadow;

struct sl_shadow_options {
	struct sl_loop *loop;
	struct sl_engine *engine;	/* the serving one */
	struct sl_events *events;
	struct sl_state *state;		/* read only; NULL = none */
	const char *stdlib;		/* copied */
};

/* NULL: out of memory. The rest of the options outlive it. */
struct sl_shadow *sl_shadow_new(const struct sl_shadow_options *options);
void	 sl_shadow_free(struct sl_shadow *shadow);	/* NULL is fine; before the serving engine */

/*
 * The serving policy is another one: begins anew with the shadow that this one names, or ends.
 * Compiles it here and now, as loading a policy does. Sessions that began before aren't seen again.
 */
void	 sl_shadow_load(struct sl_shadow *shadow);
/* Drops what executes now. For signal handlers. */
void	 sl_shadow_interrupt(struct sl_shadow *shadow);

#endif
