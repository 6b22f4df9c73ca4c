/* The door of DNS: questions past a tape (core/tape/tape.h). */
#ifndef SL_DNS_TAP_H
#define SL_DNS_TAP_H

#include "../tape/tape.h"
#include "dns.h"

struct sl_dns_tap;

/*
 * A resolver beside 'real' whose questions 'tape' hears and notes, or answers. What zone text
 * has isn't asked: it is the policy's. 'whom' tells servers that a script named apart, "" =
 * the policy's. Missing questions are server failures. Both are borrowed. NULL = out of memory.
 */
struct sl_dns_tap *sl_dns_tap_new(struct sl_dns *real, struct sl_tape *tape, const char *whom);
void	 sl_dns_tap_free(struct sl_dns_tap *tap);	/* its questions were released before */
struct sl_dns *sl_dns_tap_dns(struct sl_dns_tap *tap);	/* borrowed */

/* An answer as parts of a tape's value, and back (NULL = out of memory). */
void	 sl_dns_answer_put(struct sl_buf *out, const struct sl_dns_answer *answer);
struct sl_dns_answer *sl_dns_answer_get(struct sl_str parts);

#endif
