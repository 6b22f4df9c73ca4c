/*
 * The gateway of one process: SMTP server, queue shard and delivery around one
 * engine. A worker is one of these; "sluice run" in the foreground too.
 */
#ifndef SL_DAEMON_GATEWAY_H
#define SL_DAEMON_GATEWAY_H

#include "../base/event.h"
#include "../net/loop.h"
#include "../sluice.h"

struct sl_gateway;

struct sl_gateway_options {
	struct sl_loop *loop;
	struct sl_events *events;
	const char *folder;		/* the policy */
	const char *stdlib;		/* NULL = the installed one */
	const char *spool;		/* NULL = the policy's */
	struct sl_counters *counters;	/* may be NULL */
};

/* Loads the policy, opens the queue, binds. All errors are lines in *report. */
int	 sl_gateway_open(struct sl_gateway **out, const struct sl_gateway_options *options,
	    struct sl_buf *report);
/* Loads the folder again: all of it, or the old policy serves on and *report says why. */
int	 sl_gateway_reload(struct sl_gateway *gateway, struct sl_buf *report);
/* No new connections; sessions and attempts under way end; then 'done'. */
void	 sl_gateway_drain(struct sl_gateway *gateway, void (*done)(void *arg), void *arg);
void	 sl_gateway_close(struct sl_gateway *gateway);

struct sl_engine *sl_gateway_engine(struct sl_gateway *gateway);
struct sl_store *sl_gateway_store(struct sl_gateway *gateway);
struct sl_delivery *sl_gateway_delivery(struct sl_gateway *gateway);

#endif
