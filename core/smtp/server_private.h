/*
 * Inside the SMTP server:
 *
 *   server.c          connections, limits, counters, draining
 *   server_session.c  one connection: input, replies, deadlines, its end
 *   server_verbs.c    what each command does
 *   server_eod.c      the end of a message: checks, policy, storing, reply
 */
#ifndef SL_SMTP_SERVER_PRIVATE_H
#define SL_SMTP_SERVER_PRIVATE_H

#include "command.h"
#include "dot.h"
#include "server.h"
#include "server_auth.h"
#include "spool.h"
#include "../base/alloc.h"
#include "../base/dict.h"

#define MAX_PENDING	(64 * 1024)	/* replies not taken by the client: no more commands */

struct sl_smtp_service {
	unsigned refs;
	struct sl_smtp_service_options o;
	char *hostname, *server, *spool;
};

struct sl_smtp_server {
	struct sl_smtp_server_options o;
	struct sl_smtp_counters counters;
	struct sl_list sessions;
	struct sl_list dead;		/* ended, memory not yet given back */
	bool draining;
	void (*idle)(void *arg);
	void *idle_arg;
	struct sl_task idle_task;
};

/* What a session waits for. */
enum sl_smtp_mode {
	SL_MODE_TLS,		/* the handshake */
	SL_MODE_COMMAND,
	SL_MODE_AUTH,		/* a line of an AUTH exchange */
	SL_MODE_DATA,
	SL_MODE_POLICY,		/* the engine */
	SL_MODE_STORE,		/* the queue */
	SL_MODE_ENDED,
};

struct sl_smtp_session {
	struct sl_list link;
	struct sl_smtp_server *server;
	struct sl_smtp_service *service;
	struct sl_stream *stream;	/* NULL = the connection is gone */
	struct sl_session *policy;
	enum sl_smtp_mode mode;
	unsigned state;			/* SL_SMTP_START ... */
	struct sl_timer timer;
	struct sl_task task;		/* go on; at the end: free */
	int64_t since, data_since, input_at;
	uint64_t tag;			/* of the connection, its host's */
	char ip[64];
	uint16_t port;
	char helo[256];
	bool helo_said;
	bool greeted, extended, authenticated;
	bool eof;			/* the client sends no more */
	bool skipping;			/* the rest of a line that is too long */
	size_t skipped;
	size_t off;			/* of the input: consumed, not yet dropped */
	size_t errors, idle, auth_failures, recipients_asked, messages;

	/* the transaction: gone with sl_smtp_transaction_reset */
	bool utf8;
	char id[80];
	char recipient[330];		/* the first one's path */
	size_t recipients;
	struct sl_dot dot;
	struct sl_spool spool;
	struct sl_message *message;
	const struct sl_outcome *outcome;	/* the policy's, until it is reset */
	struct sl_op *store;
	struct sl_buf received;
	struct sl_str *pieces;
	struct sl_out_message *messages_out;

	struct sl_smtp_auth auth;
	char auth_mechanism[8];
};

/* server_session.c */
struct sl_smtp_session *sl_smtp_session_new(struct sl_smtp_server *server,
	    struct sl_smtp_service *service, int fd, const struct sl_addr *peer);
void	 sl_smtp_session_free(struct sl_smtp_session *s);	/* an ended one */
/* Begins: TLS, or the policy's connect phase. */
int	 sl_smtp_session_start(struct sl_smtp_session *s);
/* Ends it once what was replied is written. */
void	 sl_smtp_session_end(struct sl_smtp_session *s);
/* Waits for input in 'mode', under its deadline. */
void	 sl_smtp_session_await(struct sl_smtp_session *s, enum sl_smtp_mode mode);
/* Waits for the policy or the queue; without a deadline of ours. */
void	 sl_smtp_session_work(struct sl_smtp_session *s, enum sl_smtp_mode mode);
/* Takes the input that came meanwhile: at the end of each callback from elsewhere. */
void	 sl_smtp_session_go_on(struct sl_smtp_session *s);
void	 sl_smtp_reply(struct sl_smtp_session *s, int code, const char *enhanced, const char *text);
/* The verdict's reply; code 0 or without text: the one given. Ends the session if it says so. */
void	 sl_smtp_reply_verdict(struct sl_smtp_session *s, const struct sl_verdict *v, int code,
	    const char *enhanced, const char *text);
/* A reply to something refused: counts, and ends the session at the limit. */
void	 sl_smtp_refuse(struct sl_smtp_session *s, int code, const char *enhanced, const char *text);
/* 421 and the end. */
void	 sl_smtp_goodbye(struct sl_smtp_session *s, const char *enhanced, const char *text);
bool	 sl_smtp_has_input(struct sl_smtp_session *s);
bool	 sl_smtp_between_transactions(const struct sl_smtp_session *s);

/* server_verbs.c */
void	 sl_smtp_command(struct sl_smtp_session *s, struct sl_str line);
void	 sl_smtp_auth_line(struct sl_smtp_session *s, struct sl_str line);

/* server_eod.c */
/* The one function that forgets a transaction: here, and in the policy. */
void	 sl_smtp_transaction_reset(struct sl_smtp_session *s);
void	 sl_smtp_data_begin(struct sl_smtp_session *s);
/* Takes bytes of a message; how many. */
size_t	 sl_smtp_data_take(struct sl_smtp_session *s, const char *p, size_t n);

/* server.c */
void	 sl_smtp_server_left(struct sl_smtp_session *s);	/* it has ended */
void	 sl_smtp_peer_ip(const struct sl_addr *peer, char *out, size_t size);

#endif
