/* What the files of core/tape share. */
#ifndef SL_TAPE_PRIVATE_H
#define SL_TAPE_PRIVATE_H

#include "../base/dict.h"
#include "mask.h"
#include "tape.h"

#define MAX_PASSWORDS	20	/* of a session; servers end one that guesses before */
#define MAX_SECRETS	100
#define MAX_MASKED	100

struct entry {
	struct sl_tape_entry e;
	char bytes[];
};

/* The answers of one kind and key, in order. */
struct chain {
	size_t *at;		/* numbers of entries */
	bool *given;
	size_t n, cap;
	size_t next;		/* all before are of earlier steps, or given */
};

struct sl_tape_room {
	unsigned refs;
	size_t bytes, max;
};

struct sl_tape {
	unsigned refs;
	struct sl_tape_room *room;	/* NULL = it has its own alone */
	struct entry **list;
	size_t n, cap;
	size_t bytes, max;
	bool full;
	unsigned step;
	struct sl_buf place;
	struct sl_mask *password[MAX_PASSWORDS];
	size_t npasswords;
	struct { struct sl_mask *mask; char mark[40]; } secret[MAX_SECRETS];
	size_t nsecrets;

	/* playing */
	struct sl_tape *recorded;	/* NULL = this one records */
	bool live;
	struct sl_dict *chains;		/* kind and key -> struct chain */
	struct chain *masked[MAX_MASKED];	/* with a password in their question */
	size_t nmasked;
	int64_t time_us;		/* the last reading, or the step's beginning */
	struct sl_buf missing;
};

/* tape.c: without passwords, and without secrets if so. */
void	 sl_tape_put_masked(const struct sl_tape *tape, bool secrets, struct sl_str text,
	    struct sl_buf *out);
/* play.c */
void	 sl_tape_chain_free(void *chain);

#endif
