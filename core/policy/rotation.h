/*
 * Rotation of DKIM keys: of the keys that sluice.lua names for a domain, the
 * first whose public half DNS has signs. So a new key goes live when it is
 * published and not before, and one that is withdrawn stops.
 */
#ifndef SL_POLICY_ROTATION_H
#define SL_POLICY_ROTATION_H

#include "../crypto/key.h"
#include "../net/op.h"
#include "engine.h"

/*
 * Looks at the keys of a domain, at most once in 'dkim_recheck' seconds each
 * (once a minute where DNS didn't answer; what was known before is kept then).
 * Done when all are known, or there are none. NULL = out of memory.
 */
struct sl_op	*sl_rotation_look(const struct sl_context *ctx, struct sl_str domain);

/*
 * The key to sign with, after a look; *key is a reference of the caller's,
 * *selector lives as long as the generation. SL_ERR_NOTFOUND: sluice.lua has
 * no keys of the domain; SL_ERR_REFUSED: none of them can be used, and why;
 * SL_ERR_TEMP: DNS didn't tell. A change is an event. What was chosen then is what a tape
 * that plays tells, as long as the policy has a key of that selector.
 */
int		 sl_rotation_choose(const struct sl_context *ctx, struct sl_str domain,
		    struct sl_str *selector, struct sl_key **key, struct sl_err *err);

void		 sl_rotation_drop(struct sl_generation *g);

#endif
