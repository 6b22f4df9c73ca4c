/* Results of the scans of a message: made once, on first use, shared by all
 * recipients' runs. */
#ifndef SL_POLICY_SCAN_H
#define SL_POLICY_SCAN_H

#include "context.h"

struct sl_auth_scan;

void	 sl_scan_free(struct sl_auth_scan *scan);	/* NULL is fine */

#endif
