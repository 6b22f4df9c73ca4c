/*
 * The SMTP and LMTP client (RFC 5321, RFC 2033): one connection, over which
 * messages go one after another, each to one or more recipients.
 *
 *   client = sl_client_new(loop, &options, &err);	begins to connect
 *   op = sl_client_send(client, &message);		at once; waits inside
 *   sl_op_wait(&op->op, on_sent, me);			op->results[i]
 *   ... sl_client_usable(client): another sl_client_send ...
 *   sl_client_close(client);
 *
 * The message goes out as it is stored: 8-bit text and long lines too, since
 * rewriting would break signatures. One with a bare CR or LF isn't sent on
 * (attack A01, A02). Whatever of the host's replies is malformed, too long or
 * out of turn is a temporary failure, never a guess.
 */
#ifndef SL_SMTP_CLIENT_H
#define SL_SMTP_CLIENT_H

#include "../net/op.h"
#include "../net/stream.h"

/* OPTIONAL: STARTTLS if the host offers it, whoever it is; when the handshake
 * fails, once more in clear. REQUIRE: any certificate. VERIFY: chain and name. */
enum sl_client_tls { SL_CLIENT_TLS_NONE, SL_CLIENT_TLS_OPTIONAL, SL_CLIENT_TLS_REQUIRE,
	SL_CLIENT_TLS_VERIFY };

/* Milliseconds; 0 = RFC 5321 4.5.3.2's, connect 30 s. Each is for the whole
 * reply, so that a host that sends a byte now and then doesn't hold us. */
struct sl_client_timeouts {
	int64_t connect;
	int64_t greeting;	/* 5 min; also EHLO, STARTTLS, AUTH */
	int64_t command;	/* 5 min: MAIL, RCPT, RSET */
	int64_t data;		/* 2 min: until 354 */
	int64_t block;		/* 3 min: until 64 KB of the message are taken */
	int64_t final;		/* 10 min: the reply to the message */
};

struct sl_client_options {
	struct sl_addr to;		/* with port */
	const struct sl_addr *source;	/* NULL = any */
	const char *host;		/* name for the certificate and the results */
	const char *helo;		/* our name */
	bool lmtp;
	enum sl_client_tls tls;
	struct sl_tls *context;		/* referenced; NULL = a context of its own */
	/* AUTH, under TLS or to loopback only; NULL = none */
	const char *username, *password;
	struct sl_client_timeouts timeouts;
};

struct sl_client_message {
	const char *sender;		/* "" = null reverse-path */
	const char *const *recipients;
	size_t n;
	bool smtputf8;			/* its header needs SMTPUTF8: asked for where offered */
	int fd;				/* the bytes: [offset, offset + size); stays the caller's */
	uint64_t offset, size;
};

/* How it ended for one recipient. */
struct sl_send_result {
	int code;			/* reply, of the host or (5xx) in its stead; 0 = none */
	char enhanced[12];
	char text[400];			/* of the reply, or why there is none; printable */
	char host[256];
	bool tls;
	char remoteip[64], localip[64];	/* of the connection; "" without one */
	char tls_protocol[16], tls_cipher[64];
	int tls_bits;
};

struct sl_client_op {
	struct sl_op op;		/* status is always 0: the results tell */
	size_t n;
	struct sl_send_result *results;	/* as the recipients were given */
	/* The host failed before it had answered MAIL: another may be tried. */
	bool unserved;
	/* So did a connection that had served before: likely just its end. */
	bool stale;
	/* The final dot is on its way: the host may have the message. Before, it hasn't. */
	bool complete;
};

struct sl_client;

/* 'options' is copied. NULL: out of memory, or 'to' or 'source' can't be used. */
struct sl_client *sl_client_new(struct sl_loop *loop, const struct sl_client_options *options,
	    struct sl_err *err);
/*
 * Sends one message; texts are copied. Only when no other is under way, see
 * sl_client_usable (before the first it may be called at once). Releasing the
 * operation before it is done breaks the connection. NULL = out of memory.
 */
struct sl_client_op *sl_client_send(struct sl_client *client,
	    const struct sl_client_message *message);
/* Connected, and nothing under way. */
bool	 sl_client_usable(const struct sl_client *client);
/* With QUIT if it is usable. An operation must be released before. NULL is fine. */
void	 sl_client_close(struct sl_client *client);

#endif
