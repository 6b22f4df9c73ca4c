/*
 * Packets with descriptors between the master and its children: one
 * SOCK_SEQPACKET pair per child. They come whole and in order. What a child
 * sends is a child's word: kinds, numbers and descriptors are checked by who
 * uses them.
 */
#ifndef SL_DAEMON_CHANNEL_H
#define SL_DAEMON_CHANNEL_H

#include "../base/bytes.h"
#include "../net/loop.h"

#define SL_PACKET_TEXT	(64 * 1024)	/* bytes; longer ones are cut */
#define SL_PACKET_FDS	4

enum sl_packet_kind {
	/* master -> child */
	SL_PACKET_START = 1,	/* text: plan and parameters; descriptors by kind of child */
	SL_PACKET_PREPARE,	/* fd: policy image. Answer: READY or REFUSED */
	SL_PACKET_SWITCH,	/* use what was prepared. text: plan */
	SL_PACKET_FORGET,	/* drop what was prepared */
	SL_PACKET_CONNECTION,	/* number: tag; text: listener, LF, why it is refused or nothing; fd */
	SL_PACKET_STATE,	/* fd: connection to a state process; to that one: of a worker */
	SL_PACKET_LOG,		/* fd: the log file, opened anew */
	SL_PACKET_DRAIN,	/* end what is under way, then exit with 0 */
	/* child -> master */
	SL_PACKET_READY,	/* started or prepared; a checker's text is the plan */
	SL_PACKET_REFUSED,	/* text: lines of errors */
	SL_PACKET_CLOSED,	/* text: tags (uint64_t) of connections that ended */
	SL_PACKET_STATE_LOST,	/* a worker's connection to the state process broke. Answer: STATE */
};

struct sl_packet {
	uint32_t kind;
	uint64_t number;
	struct sl_str text;
	int fds[SL_PACKET_FDS];		/* received: set to -1 what is taken, the rest is closed */
	unsigned nfds;
};

struct sl_channel_options {
	struct sl_loop *loop;
	int fd;				/* taken, also on failure */
	void (*packet)(void *arg, struct sl_packet *packet);	/* text is borrowed */
	void (*closed)(void *arg);	/* the other side is gone; may free the channel */
	void *arg;
};

struct sl_channel;

struct sl_channel	*sl_channel_open(const struct sl_channel_options *options, struct sl_err *err);
void			 sl_channel_free(struct sl_channel *channel);	/* NULL is fine */

/* Sends, or keeps it (descriptors are duplicated) until the other side reads. */
int	 sl_channel_send(struct sl_channel *channel, const struct sl_packet *packet);
/* Sends now or not at all: SL_ERR_TEMP when the other side is behind. */
int	 sl_channel_try(struct sl_channel *channel, const struct sl_packet *packet);
/* Receives what has come, without waiting: the last words of who has died. */
void	 sl_channel_read(struct sl_channel *channel);
/* A packet without descriptors. */
int	 sl_channel_say(struct sl_channel *channel, enum sl_packet_kind kind, struct sl_str text);

#endif
