/*
 * The SMTP server: RFC 5321 with PIPELINING, SIZE, 8BITMIME, SMTPUTF8,
 * ENHANCEDSTATUSCODES, STARTTLS, AUTH PLAIN and LOGIN. A host of the engine:
 * it speaks, keeps the message, and asks the policy through sluice.h.
 *
 *   server = sl_smtp_server_new(&options, &err);
 *   service = sl_smtp_service_new(&service_options, &err);
 *   sl_smtp_server_accept(server, service, fd, NULL, 0);	 each connection
 *   sl_smtp_server_drain(server, on_idle, me);		 when it shall end
 *   sl_smtp_server_free(server);
 *
 * Sessions run on the loop. A message is answered 2xx only after 'store' has
 * said that it is durable. Whatever ends a message or a transaction resets it
 * by one function, which also resets the policy's.
 */
#ifndef SL_SMTP_SERVER_H
#define SL_SMTP_SERVER_H

#include "../base/event.h"
#include "../net/op.h"
#include "../net/stream.h"
#include "../sluice_host.h"

struct sl_smtp_server;
struct sl_smtp_service;

/* What must be stored before a message is answered. All of it or nothing. */
struct sl_smtp_delivery {
	const char *facts;			/* JSON, as in sl_outcome */
	int64_t received_us;
	const struct sl_out_message *messages;	/* pieces with our Received */
	size_t n;
};

/*
 * Starts to store; done with status 0 = durable. Everything in 'delivery' is
 * borrowed until the operation is done, and it is never released before
 * that. NULL = out of memory. The gateway binds this to
 * sl_store_accept_all (core/queue/store.h).
 */
typedef struct sl_op *sl_smtp_store_fn(void *arg, const struct sl_smtp_delivery *delivery);

struct sl_smtp_server_options {
	struct sl_loop *loop;
	struct sl_engine *engine;
	struct sl_events *events;	/* NULL = none */
	sl_smtp_store_fn *store;
	void *store_arg;
	/* A connection that accept took has ended; NULL = nobody counts. */
	void (*closed)(void *arg, uint64_t tag);
	void *closed_arg;
};

/* How one listener answers. Zero is the default of each. Texts are copied. */
struct sl_smtp_service_options {
	const char *hostname;		/* required: greeting, Received */
	const char *server;		/* required: of sluice.lua, whose flows run */
	const char *spool;		/* folder for messages over 256 KB; NULL = in memory */
	struct sl_tls *tls;		/* referenced; NULL = no STARTTLS */
	bool tls_implicit;		/* TLS from the first byte (port 465) */
	bool tls_required;		/* 530 before STARTTLS */
	bool auth;			/* offer AUTH, under TLS only */
	bool auth_in_clear;		/* offer it without TLS too */
	bool auth_required;		/* 530 before AUTH */
	bool submission;		/* Date, Message-ID added, Bcc removed, before the policy */
	bool fix_line_ends;		/* bare CR, LF made CR LF instead of 550 5.6.0 */
	bool early_talkers;		/* let pass who speaks before the greeting or the 354 */
	uint64_t size;			/* largest message, 50 MB */
	size_t max_line;		/* longest text line, 1 MB */
	size_t recipients;		/* per message, 1,000 */
	size_t hops;			/* Received fields, 50 */
	size_t errors;			/* commands refused per session, 20 */
	size_t idle_commands;		/* commands between two messages that bring nothing, 100 */
	size_t auth_failures;		/* 3 */
	int64_t timeout_ms;		/* for a whole command; between two pieces of data: 300 s */
	int64_t message_ms;		/* for a whole message: 3,600 s */
	int64_t tls_ms;			/* for a handshake: 60 s, or timeout_ms if shorter */
	int64_t reload_grace_ms;	/* 421 to sessions of a replaced policy, 60 s; <0 = never */
};

struct sl_smtp_service	*sl_smtp_service_new(const struct sl_smtp_service_options *options,
			    struct sl_err *err);
void	 sl_smtp_service_unref(struct sl_smtp_service *service);	/* sessions hold one each */

struct sl_smtp_server	*sl_smtp_server_new(const struct sl_smtp_server_options *options,
			    struct sl_err *err);
/* Ends all sessions at once. What is being stored is waited for (the loop is stepped). */
void	 sl_smtp_server_free(struct sl_smtp_server *server);

/*
 * Serves a connection; 'fd' is taken in any case. 'peer' overrides the
 * socket's address (NULL = as it is); 'tag' is for 'closed'. A negative
 * result: shutting down or out of memory; what was to say has been said.
 */
int	 sl_smtp_server_accept(struct sl_smtp_server *server, struct sl_smtp_service *service,
	    int fd, const struct sl_addr *peer, uint64_t tag);
/* 421 with this text and the end; 'fd' is taken. Whose connections are too
 * many is counted where they are accepted. */
void	 sl_smtp_server_refuse(struct sl_smtp_server *server, struct sl_smtp_service *service,
	    int fd, const char *why);

/*
 * Ends sessions between transactions with 421 4.3.2: idle ones now, others
 * when their transaction is over. 'idle' (may be NULL) is called once, from
 * the loop, when none is left. New connections get 421.
 */
void	 sl_smtp_server_drain(struct sl_smtp_server *server, void (*idle)(void *arg), void *arg);

struct sl_smtp_counters {
	uint64_t connections, refused, tls, tls_failed, auth, auth_failed;
	uint64_t messages;		/* stored, or accepted and deleted */
	uint64_t rejected, deferred;	/* at the end of data */
	uint64_t recipients, recipients_refused;
	uint64_t bytes;			/* of messages, as received */
	uint64_t commands, errors, timeouts;
	size_t sessions;		/* now */
};
const struct sl_smtp_counters *sl_smtp_server_counters(const struct sl_smtp_server *server);

#endif
