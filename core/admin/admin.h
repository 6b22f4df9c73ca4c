/*
 * The admin server: /metrics (Prometheus text) and /health (JSON) on
 * libmicrohttpd's own thread. It reads counters that others write and touches
 * nothing else.
 */
#ifndef SL_ADMIN_ADMIN_H
#define SL_ADMIN_ADMIN_H

#include "../policy/counters.h"
#include "../policy/metrics.h"

struct sl_admin;

/* 'fd' listens, and is taken. The counters, of 'n' workers and of the whole
 * (NULL = one process), and scripts' own are read from another thread. */
struct sl_admin	*sl_admin_start(int fd, const struct sl_counters *counters, size_t n,
		    const struct sl_process_counters *processes, const struct sl_metrics *metrics,
		    struct sl_err *err);
void		 sl_admin_stop(struct sl_admin *admin);		/* NULL is fine */

#endif
