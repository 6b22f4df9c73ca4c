/*
 * New messages of scripts. They share the fate of the message that is being
 * judged: the outcome has them beside its copies if the reply is 2xx, so that they
 * are stored with it or not at all.
 */
#ifndef SL_POLICY_MADE_H
#define SL_POLICY_MADE_H

#include "context.h"

#define SL_MADE_MAX	100	/* of one transaction */

struct sl_made {
	struct sl_made *next;
	const char *id;
	const char *sender;		/* "" = the null reverse-path */
	struct sl_out_recipient *recipients;
	size_t n;
	struct sl_str bytes;		/* header, empty line, body; in the arena */
};

/*
 * Adds it; 'made' with the strings of its recipients in the arena, its bytes are
 * copied. A recipient without a transport gets that of its row in the relay table.
 * SL_ERR_REFUSED: there is none, or another mail server queues; SL_ERR_LIMIT,
 * SL_ERR_NOMEM. *id is the new message's.
 */
int	 sl_made_add(struct sl_context *ctx, const struct sl_made *made, const char **id,
	    struct sl_err *err);

#endif
