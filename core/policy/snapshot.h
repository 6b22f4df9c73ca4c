/*
 * States of the draft that a run keeps and goes back to: header, body and what is to be
 * signed. The envelope isn't part of them.
 */
#ifndef SL_POLICY_SNAPSHOT_H
#define SL_POLICY_SNAPSHOT_H

#include "context.h"

#define SL_SNAPSHOT_MAX	32		/* of one run */

/* Keeps the draft as it is now. SL_ERR_LIMIT: there are enough; SL_ERR_NOMEM. */
int	 sl_snapshot_take(struct sl_mail *mail, const struct sl_draft *draft, unsigned *id);

/* SL_ERR_NOTFOUND: this run took none of that id; SL_ERR_NOMEM. */
int	 sl_snapshot_restore(const struct sl_mail *mail, struct sl_draft *draft, unsigned id);

/*
 * Back to the message as it was received, also without the edits of eod; results in our
 * name that a stranger wrote stay away. 'changes': how many were undone.
 */
int	 sl_snapshot_reset(const struct sl_mail *mail, struct sl_draft *draft, size_t *changes);

/* Forgets those of the run that ended. */
void	 sl_snapshots_drop(struct sl_mail *mail);
/* Bytes of memory that they hold, at most; arenas apart. */
size_t	 sl_snapshots_memory(const struct sl_mail *mail);

#endif
