/*
 * The control socket of a shard: a unix socket FOLDER/control (mode 0600) on
 * which the server that has the shard answers operators. Each request is one
 * line, at most 4 KB; requests and answers are those of command.h, one after
 * the other on a connection. Clients are served in turns of the loop and each
 * as fast as it reads; one that is silent for 30 s is cut off, and beyond 16
 * at once others wait. A client that ends its side is gone, whatever it still
 * waits for: what it began to change is changed.
 *
 * One command more may be somebody else's (struct sl_control_command): it lasts, writes when
 * it has something to say, and hears lines from its client meanwhile.
 */
#ifndef SL_QUEUE_CONTROL_H
#define SL_QUEUE_CONTROL_H

#include "command.h"
#include "delivery.h"

struct sl_queue_control;

/*
 * Listens. The caller has the shard's lock, so a socket that is there already
 * is a dead process's and is replaced. 'folder' is the store's; 'delivery' may
 * be NULL: nobody is kicked. All are borrowed until sl_queue_control_close.
 */
int	 sl_queue_control_open(struct sl_queue_control **out, struct sl_loop *loop,
	    const char *folder, struct sl_store *store, struct sl_delivery *delivery,
	    struct sl_events *events, struct sl_err *err);
struct sl_control_command {
	const char *name;		/* "command" of the request */
	/* NULL = out of memory. 'out' is copied; its done is called later, not in here or in 'line'. */
	void *(*begin)(void *arg, struct sl_str request, const struct sl_queue_output *out);
	void (*line)(void *run, struct sl_str line);	/* of the client, without its newline */
	void (*resume)(void *run);	/* the output isn't full any more */
	void (*end)(void *run);		/* it is done, or its client is gone */
	void *arg;
};
void	 sl_queue_control_add(struct sl_queue_control *control,
	    const struct sl_control_command *command);	/* borrowed */
/* Before the delivery and the store end. Removes the socket. NULL is fine. */
void	 sl_queue_control_close(struct sl_queue_control *control);

/* For clients: connects to the socket of a shard, each step in 'timeout_ms' at
 * most. The descriptor, blocking, or SL_ERR_NOTFOUND: nobody listens. */
int	 sl_queue_control_connect(const char *folder, int timeout_ms, struct sl_err *err);

#endif
