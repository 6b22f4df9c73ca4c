/*
 * What the state process runs: the tables that all workers share, behind one
 * connection per worker. Requests are applied in the order in which they
 * come, one at a time; whatever the workers do at once, each request is one
 * step.
 */
#ifndef SL_STATE_SERVER_H
#define SL_STATE_SERVER_H

#include "../base/event.h"
#include "../net/loop.h"

struct sl_state_server;

/*
 * With 'folder' (copied, NULL = memory only) the tables are read from
 * FOLDER/state, and written to it when something changed: the first time
 * after a second, then once a minute, and by _free. A damaged file is the
 * event state_damaged; what is before the damage is used, and the file is
 * kept as FOLDER/state.bad. 'events' (may be NULL) is borrowed.
 */
struct sl_state_server *sl_state_server_new(struct sl_loop *loop, const char *folder,
	    struct sl_events *events, struct sl_err *err);
void	 sl_state_server_free(struct sl_state_server *server);	/* NULL is fine */

/*
 * A worker's connection: a SOCK_SEQPACKET socket (taken, also on failure),
 * whose other end sl_state_connect got. It ends when the worker is gone; when
 * it sends what is malformed, or reads none of its answers for 3 s while 1 MB
 * of them waits, it is ended, with the event state_connection_ended.
 */
int	 sl_state_server_add(struct sl_state_server *server, int fd);

#endif
