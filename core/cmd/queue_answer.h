/* The answers of a queue's commands (core/queue/command.h), read and shown to a person. */
#ifndef SL_CMD_QUEUE_ANSWER_H
#define SL_CMD_QUEUE_ANSWER_H

#include <jansson.h>

#include "../base/bytes.h"
#include "../net/loop.h"
#include "cmd.h"

struct queue_answer {
	struct sl_loop *loop;		/* of a command that runs here, to be stopped */
	bool json, quarantine, show, remove, color;
	struct sl_buf line;
	uint64_t raw;			/* bytes of a message that are still to come */
	bool sized, ended, broken;	/* of the present shard's answer */
	bool found;			/* a shard did what was asked */
	bool refused;			/* ... or wouldn't, and said why */
	uint64_t messages, busy;
};

void	 queue_answer_open(struct queue_answer *a, bool quarantine, const char *verb);
void	 queue_answer_clear(struct queue_answer *a);
/* The next shard's answer follows. */
void	 queue_answer_begin(struct queue_answer *a);
/* The next bytes of it; fails when they can't be understood or shown. */
int	 queue_answer_feed(struct queue_answer *a, const char *p, size_t n);
/* The last words and the exit status; 'failed': of a shard that couldn't be asked. */
int	 queue_answer_conclude(struct queue_answer *a, const char *id, int failed);

#endif
