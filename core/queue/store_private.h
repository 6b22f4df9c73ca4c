/* What the files of the store share. */
#ifndef SL_QUEUE_STORE_PRIVATE_H
#define SL_QUEUE_STORE_PRIVATE_H

#include <pthread.h>

#include "../base/alloc.h"
#include "../base/dict.h"
#include "../base/list.h"
#include "../net/loop.h"
#include "record.h"

struct segment {
	struct sl_list link;		/* store->segments, by number */
	uint64_t number, salt;
	int fd;
	char *path;
	uint64_t durable;		/* end of what was synced */
	uint64_t bytes;			/* of it */
	uint64_t live_bytes;		/* of messages that aren't done */
	unsigned live;
	bool bad;			/* damaged: kept, under another name */
	bool stuck;			/* a message of it couldn't be moved: not tried again */
	bool closed;			/* nothing is written to it any more */
	bool unlinked;
};

struct slot {				/* a recipient in the index */
	struct message *message;
	size_t index;
	size_t heap;			/* place in the heap + 1; 0 = not in it */
	bool taken;
};

struct message {
	struct sl_envelope *env;
	struct segment *segment;
	uint64_t record;		/* offset of the record that brought it; 0 = by replay or moved */
	uint64_t offset;		/* of its bytes in the segment */
	char *body;			/* or the path of a file of its own */
	struct slot *slots;
	size_t open;			/* recipients that aren't done */
	size_t held;			/* of them, held */
};

/* A body to be written to a file of its own. */
struct body_file {
	char *path;
	struct sl_str *pieces;		/* copied; the bytes are borrowed */
	size_t npieces;
};

/* One record on its way to the log. */
struct request {
	struct sl_list link;
	struct store_op *op;		/* NULL = released, or the store's own */
	enum sl_record_type type;
	struct sl_buf fields;		/* front of the payload */
	struct sl_str *bodies;		/* inline bodies' pieces, in order; borrowed */
	size_t nbodies;
	struct message **messages;	/* ACCEPT: what will be in the index */
	size_t nmessages;
	struct body_file *files;
	size_t nfiles;
	char *id;			/* UPDATE, REMOVE, HOLD */
	char *quarantine;		/* HOLD */
	size_t index;
	struct sl_entry entry;
	struct message *copy_of;	/* compaction: this message moves */
	char *copy;			/* its bytes, read by the job */
	bool unreadable;		/* ... which failed: it isn't written */
	bool in_batch;			/* the job may be using the pieces */
	bool unwanted;			/* ACCEPT: released meanwhile, to be removed again */
	uint64_t offset;		/* of the record, when written */
};

struct store_op {
	struct sl_op op;
	struct sl_store *store;
	struct request *request;
};

struct abandon {
	uint64_t segment, offset;
};

/* What a job on the thread works on; nobody else touches it meanwhile. */
struct batch {
	struct sl_store *store;
	struct sl_list requests;
	struct segment *segment;	/* to append to; NULL = make 'fresh' */
	struct segment *fresh;
	uint64_t end;			/* of the log after the batch */
	bool log_touched;
	struct abandon *abandons;
	size_t nabandons;
	char **unlinks;			/* body files of messages that are done */
	size_t nunlinks;
	struct segment **dead;		/* oldest first */
	size_t ndead, dead_done;
	struct sl_err err;
};

struct sl_store {
	struct sl_loop *loop;
	struct sl_store_options options;
	const struct sl_file_ops *files;
	char *folder, *bodies;
	int lock_fd;
	struct sl_list segments;
	struct segment *current;	/* NULL = the next batch makes one */
	uint64_t next_number;
	struct sl_dict *index;		/* id -> struct message */
	struct slot **heap;
	size_t nheap, capheap;
	size_t slots;			/* recipients in the index: the heap has room for all */
	size_t held;			/* messages with a held recipient */
	uint64_t bytes;
	struct sl_list pending;		/* requests */
	bool accept_pending;		/* one of them brings a message */
	int64_t accepted_ms;		/* when the last message was written */
	struct sl_timer linger;
	struct batch *batch;		/* under way */
	struct sl_op *job;
	pthread_mutex_t lock;		/* of 'working' */
	pthread_cond_t idle;
	bool working;			/* the thread is in sl_batch_work */
	struct abandon *abandons;	/* not yet durable */
	size_t nabandons;
	char **unlinks;
	size_t nunlinks, capunlinks;
	bool closing;
};

/* segment.c */
char	*sl_segment_path(const struct sl_store *s, uint64_t number, const char *suffix);
struct segment *sl_segment_new(struct sl_store *s, uint64_t number);
void	 sl_segment_free(struct sl_store *s, struct segment *seg);
void	 sl_segment_add(struct sl_store *s, struct segment *seg);	/* in order */
/* Reads all segments into the index. */
int	 sl_replay(struct sl_store *s, struct sl_err *err);

/* store.c */
struct request *sl_request_new(enum sl_record_type type);	/* NULL = out of memory */
int	 sl_request_seal(struct request *r);	/* its fields are complete: their length goes in front */
void	 sl_request_free(struct request *r);

/* batch.c */
void	 sl_batch_add(struct sl_store *s, struct request *r);	/* taken: written with the next batch */
void	 sl_batch_flush(struct sl_store *s);	/* returns when nothing is left to write */

/* commit.c */
int	 sl_batch_work(void *arg);	/* on the thread */

/* index.c */
int	 sl_index_add(struct sl_store *s, struct message *m);	/* replaces one of the same id */
void	 sl_index_remove(struct sl_store *s, struct message *m);	/* frees it */
struct message *sl_index_find(const struct sl_store *s, const char *id);
int	 sl_index_apply(struct sl_store *s, struct message *m, size_t index, struct sl_entry *e);
int	 sl_index_hold(struct sl_store *s, struct message *m, const char *quarantine);
uint64_t sl_message_in_log(const struct message *m);	/* bytes of it in its segment */
void	 sl_message_drop(struct message *m);	/* frees one that isn't in the index */
struct message *sl_message_wrap(struct sl_envelope *env);	/* takes env, also on failure */
void	 sl_heap_add(struct sl_store *s, struct slot *slot);
void	 sl_heap_remove(struct sl_store *s, struct slot *slot);
void	 sl_store_unlink_later(struct sl_store *s, char *path);	/* taken */

#endif
