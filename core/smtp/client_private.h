/*
 * Inside the client:
 *
 *   client.c        the connection: greeting, TLS, AUTH, replies, its end
 *   client_send.c   a message over it: RSET MAIL RCPT DATA, results
 *   client_reply.c  the form of replies
 */
#ifndef SL_SMTP_CLIENT_PRIVATE_H
#define SL_SMTP_CLIENT_PRIVATE_H

#include "client.h"
#include "client_reply.h"

/* What was said last, and so whose reply comes next. */
enum sl_client_state {
	SL_C_CONNECTING, SL_C_BANNER, SL_C_EHLO, SL_C_HELO, SL_C_STARTTLS, SL_C_HANDSHAKE,
	SL_C_AUTH, SL_C_AUTH_USER, SL_C_AUTH_PASSWORD,
	SL_C_READY,
	SL_C_RSET, SL_C_MAIL, SL_C_RCPT, SL_C_DATA, SL_C_BODY, SL_C_FINAL,
	SL_C_DEAD,
};

/* Offered by EHLO. */
struct sl_client_offer {
	bool starttls, eightbit, utf8, pipelining, size, plain, login;
	uint64_t limit;			/* SIZE, 0 = none */
};

struct sl_transfer;

struct sl_client {
	struct sl_loop *loop;
	struct sl_client_options o;
	char *host, *helo, *username, *password;
	struct sl_addr source;
	struct sl_stream *stream;
	struct sl_timer timer;		/* for the reply, or the block of data, at hand */
	enum sl_client_state state;
	struct sl_client_offer offer;
	struct sl_reply reply;
	bool in_clear;			/* the handshake failed once, and TLS is optional */
	bool used;			/* a message was begun: RSET before the next */
	bool served;			/* a message was answered */
	struct sl_transfer *transfer;	/* under way, NULL = none */
};

/* client.c */
void	 sl_client_expect(struct sl_client *c, enum sl_client_state state, int64_t ms);
void	 sl_client_say(struct sl_client *c, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* Ends the connection and whatever is under way. code 0: no reply. Not 'c' itself. */
void	 sl_client_die(struct sl_client *c, int code, const char *enhanced, const char *text);
void	 sl_client_ready(struct sl_client *c);

/* client_send.c */
void	 sl_transfer_begin(struct sl_client *c);	/* READY, and a transfer is there */
void	 sl_transfer_reply(struct sl_client *c);	/* c->reply, in SL_C_RSET and later */
void	 sl_transfer_drained(struct sl_client *c);	/* in SL_C_BODY */
/* Every recipient without a result gets this one; the operation is done. */
void	 sl_transfer_end(struct sl_client *c, int code, const char *enhanced, const char *text);

#endif
