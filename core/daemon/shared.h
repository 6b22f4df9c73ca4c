/*
 * Memory that the master and its children share: what each worker counts and
 * does now, and the slots of destinations. One writer per field but for the
 * slots, which are atomic.
 */
#ifndef SL_DAEMON_SHARED_H
#define SL_DAEMON_SHARED_H

#include "../policy/counters.h"
#include "../policy/metrics.h"

#define SL_MAX_WORKERS		256
#define SL_DESTINATIONS		16384	/* buckets: destinations that share one share the limit */

struct sl_shared;

/* As a sealed memfd of the right size, for 'workers'. */
struct sl_shared *sl_shared_new(unsigned workers, int *fd, struct sl_err *err);
struct sl_shared *sl_shared_map(int fd, struct sl_err *err);	/* 'fd' stays the caller's */
void		 sl_shared_unmap(struct sl_shared *shared);	/* NULL is fine */

unsigned	 sl_shared_workers(const struct sl_shared *shared);
struct sl_counters *sl_shared_counters(struct sl_shared *shared, unsigned worker);
/* Of the whole server: written by the master. */
struct sl_process_counters *sl_shared_processes(struct sl_shared *shared);

/* Of scripts: written by every worker. */
struct sl_metrics *sl_shared_metrics(struct sl_shared *shared);

/* A connection to a destination: false when all workers together have 'limit'. */
bool	 sl_shared_slot_take(struct sl_shared *shared, unsigned worker, const char *destination,
	    unsigned limit);
void	 sl_shared_slot_give(struct sl_shared *shared, unsigned worker, const char *destination);
/* A worker has died: its slots are free, it does nothing now. What it counted stays. */
void	 sl_shared_worker_died(struct sl_shared *shared, unsigned worker);

#endif
