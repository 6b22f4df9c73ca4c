/*
 * The scan of a message (core/auth/scan.h) for scripts: once per message, on
 * first use; what it found is shared by all recipients' runs.
 */
#ifndef SL_POLICY_SCAN_H
#define SL_POLICY_SCAN_H

#include "../auth/authres.h"
#include "../auth/scan.h"
#include "context.h"

/* Kinds of scans: each has its place in the transaction. */
enum sl_scan_kind {
	SL_SCAN_MESSAGE,	/* SPF of the reverse-path, DKIM, DMARC: 'scan' */
	SL_SCAN_HELO,		/* SPF of the HELO name: 'helo' */
	SL_SCAN_ARC,		/* the chain: 'arc' */
};

/* Starts it unless it is under way or done. 0 or SL_ERR_NOMEM. */
int	 sl_scan_begin(struct sl_context *ctx, enum sl_scan_kind kind);
/* Starts it if need be; done when the scan is. The operation is the caller's. NULL = out of memory. */
struct sl_op *sl_scan(struct sl_context *ctx, enum sl_scan_kind kind);

/* What of the scans that are done goes into results of ours. */
enum sl_results {
	SL_RESULTS_SPF = 1, SL_RESULTS_DKIM = 2, SL_RESULTS_DMARC = 4, SL_RESULTS_ARC = 8,
	SL_RESULTS_AUTH = 16, SL_RESULTS_MAIL = 15,	/* all but auth */
};

/*
 * Writes those results of the context's message that are known: scans that
 * weren't made give none. SPF of both identities, each signature, "none" where
 * there is nothing to judge.
 */
void	 sl_scan_write(const struct sl_context *ctx, struct sl_authres_writer *w, unsigned which);

#endif
