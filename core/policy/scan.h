/*
 * The scan of a message (core/auth/scan.h) for scripts: once per message, on
 * first use; what it found is shared by all recipients' runs.
 */
#ifndef SL_POLICY_SCAN_H
#define SL_POLICY_SCAN_H

#include "../auth/scan.h"
#include "context.h"

/*
 * Starts the scan of the context's message, or joins the one there is: the
 * transaction's 'scan', to be read when the operation is done. The operation
 * is the caller's. NULL = out of memory.
 */
struct sl_op *sl_scan(struct sl_context *ctx);
/* As sl_scan for the ARC chain: the transaction's 'arc'. */
struct sl_op *sl_scan_arc(struct sl_context *ctx);

/*
 * Appends the value of an Authentication-Results field of ours with what both
 * scans found; the scans are done. 0 or SL_ERR_NOMEM.
 */
int	 sl_scan_results(const struct sl_context *ctx, struct sl_buf *out);

#endif
