/*
 * Pre-flight: is the key that is about to sign the one that DNS has? What was
 * found is kept per key, so that mail doesn't wait for DNS each time.
 */
#ifndef SL_POLICY_PREFLIGHT_H
#define SL_POLICY_PREFLIGHT_H

#include "../auth/dkim_published.h"
#include "engine.h"

/*
 * What is known of the request's key under its selector and domain. False:
 * nothing, or it is older than 'dkim_recheck' seconds (a minute for what isn't
 * good): ask DNS for the TXT records of 'name', then tell. A name that is too
 * long for DNS is known to be missing. What was known then is what a tape that plays tells.
 */
bool	 sl_preflight_known(struct sl_generation *g, struct sl_tape *tape,
	    const struct sl_dkim_request *request, char name[256], enum sl_dkim_published *state);

/*
 * Judges the answer and keeps it. One that isn't good is an event. An answer that
 * wasn't to be had leaves what was known before, else
 * SL_DKIM_PUB_UNKNOWN.
 */
enum sl_dkim_published sl_preflight_tell(struct sl_generation *g, struct sl_tape *tape,
	    const struct sl_dkim_request *request, const struct sl_dns_answer *answer);

void	 sl_preflight_drop(struct sl_generation *g);

#endif
