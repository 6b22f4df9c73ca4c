/*
 * Inside delivery:
 *
 *   delivery.c        what is due, and life
 *   attempt.c         one recipient: predelivery, the way, postdelivery, record
 *   transport_smtp.c  recipients that share a transaction: hosts, sending
 *   slots.c           how many transactions to one destination, whose turn it is
 *   transport_local.c Maildir and discard
 *   connections.c     connections kept for the next message
 *   way.c             a route with what predelivery changed, its own copy
 *
 *   take -> PRE -> (way) SENDING -> POST -> RECORDING -> gone
 */
#ifndef SL_QUEUE_DELIVERY_PRIVATE_H
#define SL_QUEUE_DELIVERY_PRIVATE_H

#include "delivery.h"
#include "../base/dict.h"
#include "../crypto/random.h"
#include "../smtp/client.h"
#include "hosts.h"
#include "maildir.h"

enum sl_try_stage { SL_TRY_PRE, SL_TRY_SENDING, SL_TRY_POST, SL_TRY_RECORDING };

/* How one attempt goes. Strings are its own. */
struct sl_way {
	int kind;			/* SL_ROUTE_* */
	char *host;			/* NULL = the recipient's domain by MX */
	int port, tls;
	char *username, *password, *source, *helo, *path;
	unsigned connections;
	int64_t timeout_ms;
};

/* One recipient under way. */
struct sl_try {
	struct sl_list link;		/* in delivery->pre, or ->tries, or the batch */
	struct sl_orphan orphan;	/* when the delivery ends while the engine has it */
	struct sl_delivery *delivery;	/* NULL = orphan */
	enum sl_try_stage stage;
	bool parked;			/* its batch waits for a slot: not counted as running */
	char *id, *sender, *recipient, *transport, *metadata, *facts;
	char *from, *to, *context;	/* of this attempt */
	size_t index;
	enum sl_entry_state state;
	int64_t next_us;
	uint32_t retry;
	int64_t received_us, began_us;
	uint64_t size;
	struct sl_way way;
	struct sl_send_result result;
	struct sl_op *op;		/* Maildir, DSN, record */
	struct sl_maildir_job *maildir;
	struct sl_buf dsn;
	struct sl_str dsn_piece;
	bool notify;			/* a notification is to be stored first */
	char notification[SL_UUID_SIZE];	/* its id */

	/* to be recorded, and told then; kept to be tried again when it fails */
	const char *what;
	struct sl_entry entry;		/* recipient, transport: the next two or the ones above */
	char *new_recipient, *new_transport;
	char info[512];
	struct sl_timer again;
	int64_t again_ms;
};

struct sl_batch;

struct sl_delivery {
	struct sl_delivery_options o;
	struct sl_list pre;		/* tries asked of predelivery */
	struct sl_list tries;		/* others that are in no batch */
	struct sl_list gathering, batches;	/* batches that may grow; others */
	struct sl_dict *slots;		/* of destinations, slots.c */
	struct sl_list kept;		/* connections, connections.c */
	size_t nkept;
	struct sl_tls *tls[2];		/* client contexts: any certificate, verified */
	unsigned running, parked;
	struct sl_timer timer;
	struct sl_task task;
	bool draining;
	struct sl_timer patience;	/* while draining */
	void (*idle)(void *arg);
	void *idle_arg;
};

/* delivery.c */
void	 sl_delivery_look(struct sl_delivery *d);	/* soon, for what is due */
void	 sl_delivery_later(struct sl_delivery *d, int64_t ms);
void	 sl_delivery_left(struct sl_delivery *d, bool soon);	/* a try is gone */

/* attempt.c */
int	 sl_try_begin(struct sl_delivery *d, const char *id, size_t index);
/* The result is in t->result. */
void	 sl_try_finished(struct sl_try *t);
void	 sl_try_result(struct sl_try *t, int code, const char *enhanced, const char *text);
/* Ends without a result: due again. */
void	 sl_try_give_back(struct sl_try *t);
void	 sl_try_run(struct sl_try *t, bool running);	/* counts it as running or parked */

/* Ends without a result: taken again when the destination has room. */
void	 sl_try_set_aside(struct sl_try *t, const char *destination);

/* slots.c */
struct sl_slot;

/* Somebody's place at a destination, embedded. */
struct sl_turn {
	struct sl_list link;		/* in the slot's queue; initialised */
	struct sl_slot *slot, *waits_for;	/* NULL = none held; none waited for */
	unsigned limit;			/* at once */
	void (*begin)(struct sl_turn *turn);	/* its turn has come: it has a slot */
};

enum sl_turn_answer {
	SL_TURN_NOW,			/* it has a slot; begin isn't called */
	SL_TURN_LATER,			/* begin will be called */
	SL_TURN_FULL,			/* too many wait: to be set aside */
	SL_TURN_NOMEM,
};
enum sl_turn_answer sl_turn_ask(struct sl_delivery *d, struct sl_turn *turn, const char *destination);
/* Waits no more, gives its slot to the next. */
void	 sl_turn_end(struct sl_turn *turn);
/* A recipient that nobody has taken and that isn't in the order of what is due. */
int	 sl_slot_set_aside(struct sl_delivery *d, const char *destination, const char *id, size_t index);
void	 sl_slots_free(struct sl_delivery *d);

/* way.c */
int	 sl_way_copy(struct sl_way *way, const struct sl_route *route);
int	 sl_way_change(struct sl_way *way, const struct sl_attempt_changes *changes);
bool	 sl_way_same(const struct sl_way *a, const struct sl_way *b);
void	 sl_way_clear(struct sl_way *way);

/* transport_smtp.c */
void	 sl_transport_smtp(struct sl_try *t);
/* No recipient of 'id' is asked of predelivery any more: its batches go. */
void	 sl_batches_settle(struct sl_delivery *d, const char *id);
/* Gives back batches: those that wait; those whose host can't have the message yet; all. */
enum sl_which_batches { SL_BATCHES_WAITING, SL_BATCHES_INCOMPLETE, SL_BATCHES_ALL };
void	 sl_batches_give_back(struct sl_delivery *d, enum sl_which_batches which);

/* transport_local.c */
void	 sl_transport_maildir(struct sl_try *t);
void	 sl_transport_discard(struct sl_try *t);

/* connections.c: 'key' names host, port and everything that must be the same. */
struct sl_connection {
	struct sl_list link;		/* in delivery->kept */
	struct sl_delivery *delivery;
	struct sl_client *client;
	char *key;			/* with a password in it */
	unsigned messages;
	struct sl_timer timer;
};

/* A kept one, NULL = none; or a new one, NULL = why not is in err. */
struct sl_connection *sl_connection_kept(struct sl_delivery *d, const char *key);
struct sl_connection *sl_connection_new(struct sl_delivery *d, const char *key,
	    const struct sl_client_options *options, struct sl_err *err);
void	 sl_connection_keep(struct sl_connection *c);	/* or closes it, if it is of no more use */
void	 sl_connection_close(struct sl_connection *c);	/* NULL is fine */
void	 sl_connection_key_free(char *key);	/* NULL is fine */
void	 sl_connections_close(struct sl_delivery *d);	/* the kept ones */
struct sl_tls *sl_connection_tls(struct sl_delivery *d, bool verify);

#endif
