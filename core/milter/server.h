/*
 * The milter host: serves mail servers that ask what to do with their
 * messages, by the milter protocol. It reads what they send, puts the message
 * together as they have it, asks the policy through sluice.h, and answers with
 * replies and changes; it stores and delivers nothing.
 *
 *   server = sl_milter_server_new(&options, &err);
 *   service = sl_milter_service_new(&service_options, &err);
 *   sl_milter_server_accept(server, service, fd, 0);	 each connection
 *   sl_milter_server_drain(server, on_idle, me);	 when it shall end
 *   sl_milter_server_free(server);
 *
 * A packet that no mail server sends, or one out of its order, ends its
 * connection and nothing else: what that means for the mail is told in the
 * mail server's configuration (tempfail, in the examples).
 */
#ifndef SL_MILTER_SERVER_H
#define SL_MILTER_SERVER_H

#include "../base/event.h"
#include "../net/loop.h"
#include "../sluice.h"

struct sl_milter_server;
struct sl_milter_service;

struct sl_milter_server_options {
	struct sl_loop *loop;
	struct sl_engine *engine;
	struct sl_events *events;	/* NULL = none */
	/* A connection that accept took has ended; NULL = nobody counts. */
	void (*closed)(void *arg, uint64_t tag);
	void *closed_arg;
};

/*
 * How one listener answers. Whose flows run is chosen at each MAIL: the server
 * of sluice.lua that is called as the macro {daemon_name} says; else
 * 'authenticated' for clients that are, 'trusted' for those in 'trusted' of
 * sluice.lua and on the mail server's machine; else 'server', whose connect and
 * helo flows run too. Zero is the default of the numbers. Texts are copied.
 */
struct sl_milter_service_options {
	const char *server;		/* required */
	const char *authenticated, *trusted;	/* NULL = as any other */
	const char *spool;		/* folder for messages over 256 KB; NULL = in memory */
	uint64_t size;			/* largest message, 50 MB */
	size_t recipients;		/* per message, 1,000 */
	int64_t timeout_ms;		/* without a word from the mail server: 7,210 s */
	int64_t progress_ms;		/* it hears of us while scripts wait: 10 s */
};

struct sl_milter_service	*sl_milter_service_new(
				    const struct sl_milter_service_options *options,
				    struct sl_err *err);
void	 sl_milter_service_unref(struct sl_milter_service *service);	/* sessions hold one each */

struct sl_milter_server	*sl_milter_server_new(const struct sl_milter_server_options *options,
			    struct sl_err *err);
void	 sl_milter_server_free(struct sl_milter_server *server);	/* ends all at once */

/* Serves a connection; 'fd' is taken in any case. A negative result: shutting
 * down or out of memory. */
int	 sl_milter_server_accept(struct sl_milter_server *server, struct sl_milter_service *service,
	    int fd, uint64_t tag);
/* Ends it with an event that says why; 'fd' is taken. The protocol has no words for it. */
void	 sl_milter_server_refuse(struct sl_milter_server *server, int fd, const char *why);

/* Ends connections between messages; others when theirs has its reply. 'idle' (may be
 * NULL) is called once, from the loop, when none is left. New connections are closed. */
void	 sl_milter_server_drain(struct sl_milter_server *server, void (*idle)(void *arg), void *arg);

struct sl_milter_counters {
	uint64_t connections, refused;
	uint64_t messages, rejected, deferred, discarded, quarantined;
	uint64_t errors, timeouts;	/* connections that ended so */
	size_t sessions;		/* now */
};
const struct sl_milter_counters *sl_milter_server_counters(const struct sl_milter_server *server);

#endif
