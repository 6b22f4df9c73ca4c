/*
 * Listening sockets, and who may connect: the limits of connections, total
 * and per address (not of mail servers on milter listeners: they are few and
 * connect for each of their clients), are counted here and nowhere else. Used by the master,
 * which passes connections to workers, and by the gateway of one process.
 *
 * Sockets that were handed down by systemd (LISTEN_FDS) are used for the
 * addresses that they have.
 */
#ifndef SL_DAEMON_LISTENERS_H
#define SL_DAEMON_LISTENERS_H

#include "../base/event.h"
#include "../net/loop.h"

struct sl_listeners;

struct sl_connection {
	const char *listener;		/* address as in sluice.lua */
	int fd;				/* taken */
	uint64_t tag;			/* names it in sl_listeners_gone and _assign */
	const char *refused;		/* NULL, or the limit it is over: gets 421 with this text */
};

struct sl_listeners_options {
	struct sl_loop *loop;
	struct sl_events *events;
	void (*connected)(void *arg, const struct sl_connection *connection);
	void *arg;
};

struct sl_listeners *sl_listeners_new(const struct sl_listeners_options *options, struct sl_err *err);
void	 sl_listeners_free(struct sl_listeners *listeners);	/* NULL is fine */

/*
 * To the listeners of a plan, in two steps: prepare binds what is new and
 * reports what can't be bound ("listen 127.0.0.1:25: Address already in
 * use"); switch accepts on it and closes what is gone; forget closes what
 * prepare bound. Limits are the plan's from switch on.
 */
int	 sl_listeners_prepare(struct sl_listeners *listeners, struct sl_str plan, struct sl_buf *report);
void	 sl_listeners_switch(struct sl_listeners *listeners);
void	 sl_listeners_forget(struct sl_listeners *listeners);
/* Nobody is there to serve: who connects waits in the kernel's queue. */
void	 sl_listeners_hold(struct sl_listeners *listeners, bool hold);
/* No new connections from now on. */
void	 sl_listeners_stop(struct sl_listeners *listeners);

/* A connection has ended: 'owner' as assigned, so that nobody ends another's.
 * False: it has no such connection. */
bool	 sl_listeners_gone(struct sl_listeners *listeners, uint64_t tag, int owner);
void	 sl_listeners_assign(struct sl_listeners *listeners, uint64_t tag, int owner);	/* new: -1 */
void	 sl_listeners_lost(struct sl_listeners *listeners, int owner);	/* all of that owner */

/* Binds and listens; one that systemd handed down for this address first. -1: *report says why. */
int	 sl_listeners_bind(struct sl_listeners *listeners, const char *key, struct sl_str address,
	    struct sl_buf *report);

#endif
