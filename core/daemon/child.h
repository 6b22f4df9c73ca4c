/*
 * Child processes of the master: it forks, gives up its rights and executes
 * itself anew ("sluice child KIND"), so that a child has nothing of the
 * master's but a channel on descriptor 3 and what comes through it.
 *
 *   checker   loads a policy image and answers with the plan or all errors
 *   worker    a gateway
 *   state     what workers share
 *   admin     /metrics and /health
 */
#ifndef SL_DAEMON_CHILD_H
#define SL_DAEMON_CHILD_H

#include <sys/types.h>

#include "channel.h"
#include "logs.h"

#define SL_CHILD_FD	3

/* Who a child runs as; uid 0 = as the master does. */
struct sl_identity {
	uid_t uid;
	gid_t gid;
	char name[64];
};

/* The account 'name'. SL_ERR_REFUSED: we aren't root and it isn't ours. */
int	 sl_identity_of(struct sl_identity *out, const char *name, struct sl_err *err);

/* Starts one; *fd is the master's end of its channel. */
int	 sl_child_spawn(const char *kind, const struct sl_identity *who, pid_t *pid, int *fd,
	    struct sl_err *err);

/* Inside a child. */
struct sl_child {
	struct sl_loop *loop;
	struct sl_logs logs;
	struct sl_channel *channel;
	const struct sl_child_kind *kind;
	struct sl_str start;		/* text of the START packet */
	int status;			/* of the exit */
	void *own;			/* the kind's */
};

struct sl_child_kind {
	const char *name;
	/* The first packet. Not 0: *report goes to the master and the child ends. */
	int (*start)(struct sl_child *child, struct sl_packet *packet, struct sl_buf *report);
	void (*packet)(struct sl_child *child, struct sl_packet *packet);	/* later ones */
	void (*end)(struct sl_child *child);
};

/* Takes a descriptor out of a packet; -1 = it has none there. */
int	 sl_packet_take_fd(struct sl_packet *packet, unsigned i);
/* Ends the child with this exit status, when control is back in its loop. */
void	 sl_child_exit(struct sl_child *child, int status);

extern const struct sl_child_kind sl_checker, sl_worker, sl_state_child, sl_admin_child;

/* "sluice child KIND". Returns the exit status. */
int	 sl_child_main(const char *kind);

#endif
