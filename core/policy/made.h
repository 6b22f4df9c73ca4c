/*
 * New messages of scripts. They share the fate of the message that is being
 * judged: the outcome has them beside its copies if the reply is 2xx, so that they
 * are stored with it or not at all. One that stays is in the outcome of a refused
 * message too, unless it is refused because a script failed.
 */
#ifndef SL_POLICY_MADE_H
#define SL_POLICY_MADE_H

#include "context.h"

#define SL_MADE_MAX		100	/* of one transaction */
#define SL_MADE_MAX_BYTES	(64 * 1024 * 1024)	/* of all of them */

struct sl_made {
	struct sl_made *next;
	const char *id;
	const char *sender;		/* "" = the null reverse-path */
	struct sl_out_recipient *recipients;
	size_t n;
	struct sl_str bytes;		/* header, empty line, body; its own memory */
	bool stays;			/* though the message that is judged is refused */
};

/*
 * Adds it; 'made' with the strings of its recipients in the arena. The memory of 'text',
 * header, empty line and body, is taken if it went well. A recipient without a
 * transport gets that of its row in the relay table.
 * SL_ERR_REFUSED: there is none, or another mail server queues; SL_ERR_LIMIT,
 * SL_ERR_NOMEM. *id is the new message's.
 */
int	 sl_made_add(struct sl_context *ctx, const struct sl_made *made, struct sl_buf *text,
	    const char **id, struct sl_err *err);

/* The message is refused: forgets those that don't stay. */
void	 sl_made_refuse(struct sl_transaction *t);
/* Forgets all. */
void	 sl_made_drop(struct sl_transaction *t);

#endif
