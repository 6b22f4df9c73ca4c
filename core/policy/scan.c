#include "scan.h"

#include "../base/alloc.h"

void
sl_scan_free(struct sl_auth_scan *scan)
{
	sl_free(scan);
}
