/*
 * One end of the socket between a worker and the state process: gathers
 * records into packets, sends them, keeps what the other side doesn't take
 * yet. Never waits.
 */
#ifndef SL_STATE_LINK_H
#define SL_STATE_LINK_H

#include "../base/bytes.h"
#include "../net/loop.h"

struct sl_state_link {
	struct sl_loop *loop;
	struct sl_watch watch;
	int fd;				/* -1 = closed */
	struct sl_buf packet;		/* being gathered */
	struct sl_list waiting;		/* packets that the other side has no room for */
	size_t waiting_bytes;
	void (*fn)(struct sl_state_link *link, unsigned events);
};

/* A descriptor is taken, also on failure. 'fn' gets SL_READ, SL_WRITE, SL_HANGUP. */
int	 sl_state_link_open(struct sl_state_link *link, struct sl_loop *loop, int fd,
	    void (*fn)(struct sl_state_link *link, unsigned events));
/* From any callback, also when it isn't open. What wasn't sent is dropped. */
void	 sl_state_link_close(struct sl_state_link *link);

/* The packet to append a record of at most 'n' bytes to; NULL = out of memory. */
struct sl_buf *sl_state_link_room(struct sl_state_link *link, size_t n);
/* Sends what there is as far as it goes. SL_ERR_CLOSED: the other side is
 * gone; SL_ERR_NOMEM: a packet is lost. Either way the link is to be closed. */
int	 sl_state_link_flush(struct sl_state_link *link);
/* Asks for the events that matter now; not for SL_READ when 'paused'. */
int	 sl_state_link_watch(struct sl_state_link *link, bool paused);

/* The next packet, into 'buffer' of SL_STATE_PACKET bytes. 1 = one, 0 = none
 * now, SL_ERR_CLOSED = none any more, SL_ERR_SYNTAX = one too long. */
int	 sl_state_link_receive(struct sl_state_link *link, char *buffer, struct sl_str *packet);

#endif
