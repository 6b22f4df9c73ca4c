/*
 * Delivery: takes what is due from a store, asks predelivery, sends, asks
 * postdelivery, records. What became of a recipient is durable before anybody
 * is told; until then it is due again after a crash. No failure of the
 * network, of memory or of the disk loses a recipient.
 *
 * Recipients of one message that go the same way share a transaction, and
 * messages to one host share connections.
 *
 * Events, one for each result, when it is durable: delivered deferred bounced
 * dropped redirected (id recipient transport host code status text retry tls ms).
 */
#ifndef SL_QUEUE_DELIVERY_H
#define SL_QUEUE_DELIVERY_H

#include "../sluice_host.h"
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
	unsigned connections;		/* at once to one destination; 0 = 10 */
	int64_t timeout_ms;		/* of a command, 0 = RFC 5321's */
};

struct sl_delivery_options {
	struct sl_loop *loop;
	struct sl_engine *engine;
	struct sl_store *store;
	/* The resolver now, borrowed; NULL = hosts are addresses only. A reload may change it. */
	struct sl_dns *(*dns)(void *arg);
	struct sl_thread *thread;	/* Maildirs; NULL = inline (tests) */
	struct sl_events *events;
	/* Recipients, 0 = 100. Who waits for a slot doesn't count; when many slots
	 * become free at one moment, twice as many. */
	unsigned at_once;
	/* The route of a transport; false: there is none of that name (any more). */
	bool (*route)(void *arg, const char *transport, struct sl_route *out);
	/* Seconds before attempt number 'retry' (1 = the second), < 0 = given up;
	 * 'age' of the message in seconds. */
	double (*schedule)(void *arg, unsigned retry, double age);
	unsigned (*attempts)(void *arg);	/* in the schedule, for scripts */
	/* The transport for a notification to this address; NULL: nobody can be told. */
	const char *(*transport)(void *arg, const char *recipient);
	const char *(*hostname)(void *arg);
	void (*told)(void *arg, const char *what);	/* an event's name; may be NULL */
	/* Slots shared with other workers, beside the count of our own; may be NULL.
	 * take: false = all 'limit' are in use, asked again after a second. */
	bool (*slot_take)(void *arg, const char *destination, unsigned limit);
	void (*slot_give)(void *arg, const char *destination);
	void *arg;
};

struct sl_delivery *sl_delivery_new(const struct sl_delivery_options *options, struct sl_err *err);
/* Looks for due messages now: after an accept, a retry by hand. */
void	 sl_delivery_kick(struct sl_delivery *delivery);
/* Begins nothing new, gives back what waits, finishes what is under way, or after
 * some seconds only what a host may have already; 'idle' is called once when nothing
 * is under way, perhaps at once. */
void	 sl_delivery_drain(struct sl_delivery *delivery, void (*idle)(void *arg), void *arg);
/* Ends what is under way: those recipients are tried again. */
void	 sl_delivery_free(struct sl_delivery *delivery);

#endif
