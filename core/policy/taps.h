/*
 * What a session with a tape (core/tape/tape.h) has in place of its generation's resolver,
 * HTTP client and keys: the same behind doors that note, or that answer.
 */
#ifndef SL_POLICY_TAPS_H
#define SL_POLICY_TAPS_H

#include "context.h"

struct sl_dns;
struct sl_http;
struct sl_key;
struct sl_taps;

/* 'tape' is referenced. NULL = out of memory. */
struct sl_taps	*sl_taps_new(struct sl_engine *engine, struct sl_tape *tape);
void		 sl_taps_free(struct sl_taps *taps);	/* its runs and transactions ended before */
/* Called when the session has ended, with nothing of it left. */
void		 sl_taps_on_end(struct sl_taps *taps, void (*fn)(void *arg), void *arg);
void		 sl_taps_ended(struct sl_taps *taps);
/* Numbers of the watchers that the tape is for: taken, and given away once. */
void		 sl_taps_for(struct sl_taps *taps, struct sl_buf *watchers);
struct sl_buf	 sl_taps_watchers(struct sl_taps *taps);
struct sl_tape	*sl_taps_tape(const struct sl_taps *taps);	/* NULL for NULL */

/* 'real' itself where the session has no tape. 'whom' as of sl_dns_tap_new. NULL = out of memory. */
struct sl_dns	*sl_taps_dns(struct sl_taps *taps, struct sl_dns *real, const char *whom);
struct sl_http	*sl_taps_http(struct sl_taps *taps, struct sl_http *real);

/* The tape of the context's session, at the place of its phase; NULL = none. */
struct sl_tape	*sl_context_tape(const struct sl_context *ctx);
/* The resolver of the context's generation. */
struct sl_dns	*sl_context_dns(const struct sl_context *ctx);
/*
 * sl_generation_key. A key that the policy doesn't have, or that is the mark of a secret, a
 * tape that plays may know: it signs what was signed then, and nothing else.
 */
struct sl_key	*sl_context_key(const struct sl_context *ctx, struct sl_str spec, struct sl_err *err);

#endif
