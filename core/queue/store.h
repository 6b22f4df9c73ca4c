/*
 * The durable queue of one worker: an append-only segment log in one folder
 * (a shard), locked by one process. A message is stored once and has
 * recipients with states; it is gone when all are done.
 *
 * Promise: when an accept operation is done with status 0, the message
 * survives kill -9 and loss of power. One fdatasync serves all that wait.
 */
#ifndef SL_QUEUE_STORE_H
#define SL_QUEUE_STORE_H

#include "../base/event.h"
#include "../net/op.h"
#include "file.h"

struct sl_store;

enum sl_entry_state {
	SL_ENTRY_QUEUED,	/* due at next_us */
	SL_ENTRY_HELD,		/* quarantined, or current in two worker deaths: never due */
	SL_ENTRY_DONE,
};

/* One recipient of a stored message. */
struct sl_entry {
	char *recipient;	/* normalized address */
	char *transport;
	enum sl_entry_state state;
	int64_t next_us;	/* wall clock of the next attempt */
	uint32_t retry;		/* attempts counted so far */
	char *metadata;		/* JSON object or NULL */
	char *info;		/* last result: "451 4.3.0 ...", JSON; or NULL */
};

struct sl_envelope {
	char *id;		/* message id of the transaction, a UUID, plus "-n" for its n-th copy */
	char *sender;		/* "" = null reverse-path */
	char *facts;		/* JSON object: senderip, senderhelo, saslusername, serverid, ... */
	char *quarantine;	/* quarantine name for held copies, or NULL */
	int64_t received_us;
	uint64_t size;		/* of the message bytes */
	size_t n;
	struct sl_entry *entries;
};

struct sl_store_options {
	const char *folder;		/* .../queue/03; created 0700 */
	const struct sl_file_ops *files;	/* NULL = the real file system */
	struct sl_thread *thread;	/* writes and syncs happen there; NULL = inline (tests) */
	uint64_t segment_bytes;		/* default 64 MB */
	uint64_t inline_bytes;		/* larger bodies get files of their own; default 1 MB */
	int lock_ms;			/* open blocks so long for another process to give it up */
	struct sl_events *events;
};

/*
 * Locks the folder and replays it. SL_ERR_EXISTS: another process has it (the
 * text says which). A torn tail is dropped; a bad record elsewhere sets the
 * segment aside as NAME.bad, keeps everything readable, and is reported as an
 * event.
 */
int	 sl_store_open(struct sl_store **out, struct sl_loop *loop,
	    const struct sl_store_options *options, struct sl_err *err);
void	 sl_store_close(struct sl_store *store);	/* waits for writes under way */

/*
 * Stores one message with its envelope (copied), recipients in any state.
 * 'bytes' are the pieces of the message, borrowed until the operation is done.
 * Status 0: durable. SL_ERR_IO: nothing of it is kept, the caller answers 4xx.
 * SL_ERR_EXISTS: a message of that id is there, which stays as it is. Of two
 * that come with one id before the first is durable the later one replaces it.
 */
struct sl_op *sl_store_accept(struct sl_store *store, const struct sl_envelope *envelope,
	    const struct sl_str *pieces, size_t npieces);
/* Several messages of one transaction, all or nothing. */
struct sl_accept_item {
	const struct sl_envelope *envelope;
	const struct sl_str *pieces;
	size_t npieces;
};
struct sl_op *sl_store_accept_all(struct sl_store *store, const struct sl_accept_item *items, size_t n);

/* Records a recipient's new state, durable when done: with the next message, or within
 * milliseconds. Other fields of *e replace the old ones. */
struct sl_op *sl_store_update(struct sl_store *store, const char *id, size_t index,
	    const struct sl_entry *e);
/*
 * Holds all recipients that aren't done, under this quarantine's name: they
 * are never due until an update says so. One that is in a quarantine already
 * keeps its name.
 */
struct sl_op *sl_store_hold(struct sl_store *store, const char *id, const char *quarantine);
/* As update with SL_ENTRY_DONE for all recipients. */
struct sl_op *sl_store_remove(struct sl_store *store, const char *id);

/*
 * Moves every message of another shard's folder into this one: for the shard
 * of a worker that there isn't any more. Blocks, and is called before
 * anything is taken from 'store'. Each message is durable here before it is
 * removed there, and one that is here already isn't taken twice, so that a
 * kill at any moment loses and doubles nothing when it is done again. An
 * emptied folder is removed. *moved: how many. SL_ERR_EXISTS: another process
 * has it.
 */
int	 sl_store_adopt(struct sl_store *store, const char *folder, size_t *moved, struct sl_err *err);

/* Looks at what is there; borrowed until the next call that changes the store. */
const struct sl_envelope *sl_store_get(const struct sl_store *store, const char *id);
const struct sl_envelope *sl_store_each(const struct sl_store *store, size_t *i);	/* arrival order */
size_t	 sl_store_count(const struct sl_store *store);
size_t	 sl_store_held(const struct sl_store *store);	/* of them: with a held recipient */
uint64_t sl_store_bytes(const struct sl_store *store);

/* The message's bytes as a file: *fd (the caller's) with [*offset, *offset + *size). */
int	 sl_store_message(struct sl_store *store, const char *id, int *fd, uint64_t *offset,
	    uint64_t *size, struct sl_err *err);

/*
 * The next due (message, recipient index) at or before now_us that isn't
 * taken; marks it taken. false = none; *next_us then says when to look again
 * (INT64_MAX = nothing waits). sl_store_untake gives it back.
 */
bool	 sl_store_take(struct sl_store *store, int64_t now_us, const char **id, size_t *index,
	    int64_t *next_us);
void	 sl_store_untake(struct sl_store *store, const char *id, size_t index);

#endif
