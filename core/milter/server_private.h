/*
 * Inside the milter host:
 *
 *   server.c    connections, counters, draining
 *   session.c   one connection: packets in, replies out, its end
 *   steps.c     what each command does, and when it may come
 *   eom.c       the end of a message: policy, changes, reply
 */
#ifndef SL_MILTER_SERVER_PRIVATE_H
#define SL_MILTER_SERVER_PRIVATE_H

#include "../base/alloc.h"
#include "../mail/message.h"
#include "../net/stream.h"
#include "../sluice_host.h"
#include "../smtp/spool.h"
#include "macros.h"
#include "packet.h"
#include "server.h"

struct sl_milter_service {
	unsigned refs;
	struct sl_milter_service_options o;
	char *server, *authenticated, *trusted, *spool;
};

struct sl_milter_server {
	struct sl_milter_server_options o;
	struct sl_milter_counters counters;
	struct sl_list sessions;
	struct sl_list dead;		/* ended, memory not yet given back */
	bool draining;
	void (*idle)(void *arg);
	void *idle_arg;
	struct sl_task idle_task;
};

/* Where a connection stands; bits, so that a command can name several. */
enum sl_milter_state {
	SL_MILTER_NEW = 1,		/* nothing is agreed on yet */
	SL_MILTER_READY = 2,		/* no client */
	SL_MILTER_CONNECTED = 4,
	SL_MILTER_ENVELOPE = 8,		/* a transaction: MAIL was accepted */
	SL_MILTER_IN_HEADER = 16,
	SL_MILTER_IN_BODY = 32,
};

struct sl_milter_session {
	struct sl_list link;
	struct sl_milter_server *server;
	struct sl_milter_service *service;
	struct sl_stream *stream;	/* NULL = the connection is gone */
	struct sl_session *policy;	/* NULL without a client */
	enum sl_milter_state state;
	bool waiting;			/* for the engine: no packet is looked at meanwhile */
	bool leaving;			/* ends with the next reply */
	struct sl_task task;		/* go on; at the end: free */
	struct sl_timer progress;
	uint64_t tag;
	size_t read_limit;		/* of the stream */
	struct sl_milter_options agreed;
	struct sl_milter_macros macros;

	/* the transaction: gone with sl_milter_transaction_reset */
	char **paths;			/* of the recipients accepted, as they came */
	size_t npaths, cappaths;
	char *asked;			/* the path of the RCPT under way */
	struct sl_spool spool;
	struct sl_buf field;		/* the last one, to be reused */
	size_t nfields;
	const char *unusable;		/* why the message can't be judged, or NULL */
	bool no_memory;			/* part of it couldn't be kept */
	struct sl_message *message;
};

/* session.c */
struct sl_milter_session *sl_milter_session_new(struct sl_milter_server *server,
	    struct sl_milter_service *service, int fd);
void	 sl_milter_session_free(struct sl_milter_session *s);	/* an ended one */
/* Ends it once what was replied is written. */
void	 sl_milter_session_end(struct sl_milter_session *s);
/* Nothing of it is under way, and the server ends. */
bool	 sl_milter_session_is_over(const struct sl_milter_session *s);
/* Takes the packets that came meanwhile: at the end of each callback from elsewhere. */
void	 sl_milter_session_go_on(struct sl_milter_session *s);
void	 sl_milter_send(struct sl_milter_session *s, struct sl_buf *packets);	/* clears it */
void	 sl_milter_reply(struct sl_milter_session *s, enum sl_milter_reply reply);
void	 sl_milter_reply_text(struct sl_milter_session *s, int code, const char *enhanced,
	    const char *text);
/* Continue, or the verdict's refusal. */
void	 sl_milter_reply_verdict(struct sl_milter_session *s, const struct sl_verdict *verdict);

/* steps.c: what a packet does. A negative result ends the connection. */
int	 sl_milter_step(struct sl_milter_session *s, const struct sl_milter_packet *packet,
	    struct sl_err *err);

/* eom.c */
/* The one function that forgets a transaction: here, and in the policy. */
void	 sl_milter_transaction_reset(struct sl_milter_session *s);
void	 sl_milter_message_begin(struct sl_milter_session *s);
/* A header field; SL_ERR_SYNTAX when the packet isn't one. */
int	 sl_milter_message_field(struct sl_milter_session *s, struct sl_str data,
	    struct sl_err *err);
void	 sl_milter_message_body(struct sl_milter_session *s, struct sl_str bytes);
/* All of it is here: asks the policy, and replies. */
void	 sl_milter_message_end(struct sl_milter_session *s);

/* server.c */
void	 sl_milter_server_left(struct sl_milter_session *s);	/* it has ended */

#endif
