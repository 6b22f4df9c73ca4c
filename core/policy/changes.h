/* An outcome as changes of the one message that another mail server has. */
#ifndef SL_POLICY_CHANGES_H
#define SL_POLICY_CHANGES_H

#include "context.h"

/*
 * Turns what was chosen into t->outcome.changes. SL_ERR_REFUSED with the reason
 * when there is no such list of changes: recipients want different messages, or
 * something that only a queue of ours can do. Other errors as of sl_commit.
 */
int	 sl_changes_make(struct sl_transaction *t, struct sl_err *err);

/* The changes of a header from as received to 'head'; in the arena. For tests too. */
int	 sl_changes_of_head(const struct sl_message *m, const struct sl_head *head,
	    struct sl_arena *arena, struct sl_changes *out);

#endif
