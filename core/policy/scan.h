/*
 * The scans of a message: SPF, DKIM and DMARC, evaluated once per message, in
 * parallel, on first use; what they found is shared by all recipients' runs.
 */
#ifndef SL_POLICY_SCAN_H
#define SL_POLICY_SCAN_H

#include "../auth/dmarc.h"
#include "context.h"

struct sl_auth_scan;

/*
 * Starts the scan of the context's message, or joins one that is done. The
 * operation is the caller's; done with 0, or SL_ERR_NOMEM. NULL = out of memory.
 */
struct sl_op *sl_scan(struct sl_context *ctx);
void	 sl_scan_free(struct sl_auth_scan *scan);	/* NULL is fine */

/* Results, when the scan is done. */
const struct sl_spf_result *sl_scan_spf(const struct sl_auth_scan *scan);
const struct sl_dkim_verify *sl_scan_dkim(const struct sl_auth_scan *scan);
const struct sl_dmarc_from *sl_scan_from(const struct sl_auth_scan *scan);
/* NULL: the message has no author domain (permerror). */
const struct sl_dmarc_details *sl_scan_dmarc(const struct sl_auth_scan *scan);

#endif
