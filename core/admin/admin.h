/*
 * The admin server: /metrics (Prometheus text) and /health (JSON) on
 * libmicrohttpd's own thread. It reads counters that others write and touches
 * nothing else.
 */
#ifndef SL_ADMIN_ADMIN_H
#define SL_ADMIN_ADMIN_H

#include "../net/addr.h"
#include "../policy/counters.h"

struct sl_admin;

/* 'address': "127.0.0.1:8891". The counters are read from another thread. */
struct sl_admin	*sl_admin_start(const char *address, const struct sl_counters *counters, size_t n,
		    struct sl_err *err);
void		 sl_admin_stop(struct sl_admin *admin);		/* NULL is fine */

#endif
