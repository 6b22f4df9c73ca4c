/*
 * The phases: what each is called, which final actions it knows, what an end
 * without one means, and the replies. One table; nothing else decides these.
 */
#ifndef SL_POLICY_PHASE_H
#define SL_POLICY_PHASE_H

#include "../sluice_host.h"

struct sl_reply {
	int code;
	const char *enhanced;
	const char *text;
	bool close;			/* the connection ends with it */
};

struct sl_phase_info {
	const char *name;
	unsigned bit;			/* SL_AT_* */
	const char *end_action;		/* builtin called at the end of a flow; NULL = the host's default */
	enum sl_action dflt;		/* decision of a phase without a flow */
	enum sl_action on_error;	/* decision after a script error or limit */
	struct sl_reply reject, defer;
};

extern const struct sl_phase_info sl_phase_table[SL_PHASES];

/* The reply to a decision nobody gave a text for; code 0 where the phase has no reply. */
const struct sl_reply *sl_phase_reply(enum sl_phase phase, enum sl_action action);

/* What a client hears of a script error or limit, in every phase: 451 4.3.0
 * "Local policy error (ID)"; at connect 421, because the session ends. */
struct sl_reply sl_phase_error_reply(enum sl_phase phase);

#endif
