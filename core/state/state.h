/*
 * State: what rates and memory_* remember, in plain hash tables behind one
 * request and one reply type. The tables are in the process that asks
 * (local) or in the state process (remote, server.h), which all workers
 * share.
 */
#ifndef SL_STATE_STATE_H
#define SL_STATE_STATE_H

#include "../base/bytes.h"
#include "../base/event.h"
#include "../net/op.h"

#define SL_STATE_MAX_KEY	1024		/* bytes */
#define SL_STATE_MAX_VALUE	(48 * 1024)
#define SL_STATE_MAX_MS		1000000000000LL	/* 31 years */

enum sl_state_command {
	SL_STATE_RATE = 1,	/* key, limit, interval_ms: counted and within? */
	SL_STATE_RATE_COUNT,	/* key, interval_ms: how many in the window */
	SL_STATE_ADD,		/* key, value, ttl_ms: stored unless there is one */
	SL_STATE_FETCH,		/* key */
	SL_STATE_STORE,		/* key, value, ttl_ms */
	SL_STATE_INC,		/* key, amount, ttl_ms: the new number; absent counts as 0; forgotten at 0 with any value */
	SL_STATE_DELETE,	/* key */
	SL_STATE_COMMANDS
};

struct sl_state_request {
	enum sl_state_command command;
	struct sl_str key;		/* namespaces are part of it, joined by a NUL */
	struct sl_str value;
	int64_t number;			/* limit (RATE) or amount (INC) */
	int64_t ms;			/* interval or time to live; 0 = for ever */
};

struct sl_state_op {
	struct sl_op op;
	bool ok;			/* within; stored; found; deleted */
	int64_t number;
	struct sl_buf value;
};

struct sl_state;

/* The tables in this process. NULL = out of memory. */
struct sl_state *sl_state_local(struct sl_loop *loop);

/*
 * The tables in the state process. Without a connection (at first, and when
 * one breaks) operations are done at once with SL_ERR_IO; one unanswered
 * after a second with SL_ERR_TIMEOUT. Either is told by the event
 * state_unavailable, at most once a minute. 'events' may be NULL and, like
 * the loop, outlives the state. NULL = out of memory.
 */
struct sl_state *sl_state_remote(struct sl_loop *loop, struct sl_events *events);
/* Of a remote one: the connection to use from now on, a SOCK_SEQPACKET socket
 * (taken) whose other end sl_state_server_add got. One that was there is
 * closed, and what it owes fails. */
void	 sl_state_connect(struct sl_state *remote, int fd);
bool	 sl_state_connected(const struct sl_state *remote);
/* 'lost' is called when a connection breaks, on the loop, and may connect anew. */
void	 sl_state_on_lost(struct sl_state *remote, void (*lost)(void *arg), void *arg);

void	 sl_state_free(struct sl_state *state);	/* pending operations were released before */

/* 'request' is copied. NULL = out of memory. One over a cap (above) is an
 * operation done with SL_ERR_LIMIT. */
struct sl_state_op *sl_state_ask(struct sl_state *state, const struct sl_state_request *request);

#endif
