/*
 * State: what workers share. Rate windows and memory_* entries in plain hash
 * tables, behind one request and one reply type.
 *
 * A host asks through struct sl_state: either the tables are in this process
 * (--single, libsluice) or behind a SEQPACKET socket, pipelined, in the state
 * process. When that process is gone: rate allows, memory misses, and an event
 * says so, once per outage; the connection is tried again.
 */
#ifndef SL_STATE_STATE_H
#define SL_STATE_STATE_H

#include "../base/event.h"
#include "../net/op.h"

#define SL_STATE_MAX_KEY	1024		/* bytes; longer is SL_ERR_LIMIT */
#define SL_STATE_MAX_VALUE	(48 * 1024)

enum sl_state_command {
	SL_STATE_RATE = 1,	/* key, limit, interval_ms: counted and within? */
	SL_STATE_RATE_COUNT,	/* key, interval_ms: how many in the window */
	SL_STATE_ADD,		/* key, value, ttl_ms: stored unless there is one */
	SL_STATE_FETCH,		/* key */
	SL_STATE_STORE,		/* key, value, ttl_ms */
	SL_STATE_INC,		/* key, amount, ttl_ms: the new number; absent counts as 0 */
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
	struct sl_op op;		/* status 0, also when the state process is gone */
	bool ok;			/* within; stored; found; deleted */
	bool lost;			/* not answered: 'ok' is the safe default */
	int64_t number;
	struct sl_buf value;
};

struct sl_state;

/* The tables in this process. 'path' (may be NULL) keeps them over a restart. */
struct sl_state *sl_state_local(struct sl_loop *loop, const char *path, struct sl_events *events);
/* A client of the state process that listens at 'socket'. */
struct sl_state *sl_state_client(struct sl_loop *loop, const char *socket, struct sl_events *events);
void	 sl_state_free(struct sl_state *state);	/* pending operations were released before */

/* 'request' is copied. NULL = out of memory. Keys and values over their caps
 * are operations done with SL_ERR_LIMIT. */
struct sl_state_op *sl_state_ask(struct sl_state *state, const struct sl_state_request *request);

/* The state process: serves a listening SEQPACKET socket (taken) on 'loop'. */
struct sl_state_server;
struct sl_state_server *sl_state_serve(struct sl_loop *loop, int fd, const char *path,
	    struct sl_events *events, struct sl_err *err);
void	 sl_state_server_free(struct sl_state_server *server);	/* writes its file */

#endif
