/*
 * The gateway around one engine: SMTP server, milter host, one shard of the
 * queue, and delivery. A worker is one of these; "sluice run --single" too. It has no
 * sockets to listen on: connections come from who has (listeners.h).
 */
#ifndef SL_DAEMON_GATEWAY_H
#define SL_DAEMON_GATEWAY_H

#include "../base/event.h"
#include "../net/loop.h"
#include "../sluice_host.h"
#include "listeners.h"
#include "shared.h"

struct sl_gateway;

struct sl_gateway_options {
	struct sl_loop *loop;
	struct sl_events *events;
	const char *stdlib;		/* for messages; modules come from the image */
	struct sl_state *state;		/* NULL = in this process */
	struct sl_shared *shared;
	const char *policy;		/* its folder, for captures; NULL = not known */
	unsigned worker;		/* number among them: shard, counters, slots */
	void (*closed)(void *arg, uint64_t tag);	/* a connection has ended */
	void *arg;
};

/* Loads the policy image ('image' stays the caller's). Errors are lines in *report. */
int	 sl_gateway_open(struct sl_gateway **out, const struct sl_gateway_options *options, int image,
	    struct sl_buf *report);
/* Opens the queue below 'spool' (a folder, made if missing), takes over shards
 * that have no worker any more. sl_gateway_deliver then begins to deliver. */
int	 sl_gateway_start(struct sl_gateway *gateway, const char *spool, struct sl_buf *report);
/* Holds a message that was executing in several deaths of workers; before deliver. */
void	 sl_gateway_hold(struct sl_gateway *gateway, const char *id);
int	 sl_gateway_deliver(struct sl_gateway *gateway, struct sl_buf *report);

/* Another policy, in two steps: all of it, or the old one serves on. switch can't fail. */
int	 sl_gateway_prepare(struct sl_gateway *gateway, int image, struct sl_buf *report);
void	 sl_gateway_switch(struct sl_gateway *gateway);
void	 sl_gateway_forget(struct sl_gateway *gateway);
/* Of what was prepared, else of what serves. */
const struct sl_config *sl_gateway_config(const struct sl_gateway *gateway);
const char *sl_gateway_generation(const struct sl_gateway *gateway);

/* Serves it, or refuses it as it says; 'closed' is called in any case. */
void	 sl_gateway_accept(struct sl_gateway *gateway, const struct sl_connection *connection);

/* Drops what executes now, if it comes back to script code. For signal handlers. */
void	 sl_gateway_interrupt(struct sl_gateway *gateway);
/* No new connections; sessions and attempts under way end; then 'done'. */
void	 sl_gateway_drain(struct sl_gateway *gateway, void (*done)(void *arg), void *arg);
void	 sl_gateway_close(struct sl_gateway *gateway);	/* NULL is fine */

#endif
