/*
 * The SMTP and LMTP client: one message to one recipient over one connection
 * (RFC 5321, RFC 2033). Never rewrites what was signed: 8-bit text and long
 * lines go as they are.
 */
#ifndef SL_SMTP_CLIENT_H
#define SL_SMTP_CLIENT_H

#include "../base/event.h"
#include "../net/op.h"
#include "../net/stream.h"

enum sl_client_tls { SL_CLIENT_TLS_NONE, SL_CLIENT_TLS_OPTIONAL, SL_CLIENT_TLS_REQUIRE,
	SL_CLIENT_TLS_VERIFY };

struct sl_client_options {
	struct sl_addr to;		/* with port */
	const struct sl_addr *source;	/* NULL = any */
	const char *host;		/* name for the certificate and the result */
	const char *helo;
	bool lmtp;
	enum sl_client_tls tls;
	const char *username, *password;	/* AUTH PLAIN, under TLS or on loopback only; NULL = none */
	int64_t timeout_ms;		/* without any byte moving */
	const char *sender, *recipient;
	bool smtputf8;
	int fd;				/* the message: [offset, offset + size); stays the caller's */
	uint64_t offset, size;
};

/* How an attempt ended. */
struct sl_send_result {
	int code;			/* SMTP reply; 0 = none: connection, time-out, malformed */
	char enhanced[12];
	char text[400];			/* of the reply, or why there is none */
	char host[256];
	bool tls;
};

struct sl_client_op {
	struct sl_op op;		/* status 0 always: the result tells */
	struct sl_send_result result;
};

/* 'options' is copied. NULL = out of memory. */
struct sl_client_op *sl_client_send(struct sl_loop *loop, const struct sl_client_options *options);

#endif
