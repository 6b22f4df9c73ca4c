/*
 * Delivery: takes what is due from a store, asks predelivery, sends, asks
 * postdelivery, records. A recipient's result is durable before anything
 * follows from it.
 */
#ifndef SL_QUEUE_DELIVERY_H
#define SL_QUEUE_DELIVERY_H

#include "../sluice.h"
#include "../dns/dns.h"
#include "store.h"

struct sl_delivery;

/* One way of delivery, as the configuration has it; borrowed during the call. */
struct sl_route {
	enum { SL_ROUTE_SMTP, SL_ROUTE_MX, SL_ROUTE_LMTP, SL_ROUTE_MAILDIR, SL_ROUTE_DISCARD } kind;
	const char *host;		/* SMTP, LMTP: name or address, perhaps with :port */
	int port;			/* 0 = 25, LMTP 24 */
	int tls;			/* enum sl_client_tls */
	const char *username, *password, *source, *helo;
	const char *path;		/* MAILDIR */
	int64_t timeout_ms;
};

struct sl_delivery_options {
	struct sl_loop *loop;
	struct sl_engine *engine;
	struct sl_store *store;
	struct sl_dns *dns;		/* NULL = hosts are addresses only */
	struct sl_thread *thread;	/* Maildirs */
	struct sl_events *events;
	unsigned at_once;		/* attempts; 0 = 100 */
	/* The route of a transport; false: there is none of that name (any more). */
	bool (*route)(void *arg, const char *transport, struct sl_route *out);
	/* Seconds before attempt number 'retry' (1 = the second); < 0 = given up. 'age' in seconds. */
	double (*schedule)(void *arg, unsigned retry, double age);
	unsigned (*attempts)(void *arg);	/* in the schedule, for scripts */
	/* The transport for a notification to this address; NULL: nobody can be told. */
	const char *(*transport)(void *arg, const char *recipient);
	const char *(*hostname)(void *arg);
	void (*told)(void *arg, const char *what);	/* "delivered" "deferred" "bounced": counters */
	void *arg;
};

struct sl_delivery *sl_delivery_new(const struct sl_delivery_options *options, struct sl_err *err);
/* Looks for due messages now: after an accept, a retry by hand. */
void	 sl_delivery_kick(struct sl_delivery *delivery);
/* Begins nothing new; 'idle' is called once when no attempt is under way. */
void	 sl_delivery_drain(struct sl_delivery *delivery, void (*idle)(void *arg), void *arg);
/* Ends what is under way: those recipients are tried again. */
void	 sl_delivery_free(struct sl_delivery *delivery);

#endif
