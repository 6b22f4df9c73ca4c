/* The signatures that scripts asked for: made once all edits are known. */
#ifndef SL_POLICY_SIGN_H
#define SL_POLICY_SIGN_H

#include "context.h"

/*
 * Puts them on top of 'head', in the order asked for. ARC sets come last: every other
 * change is made before sealing (RFC 8617 5.1). 'body' NULL: as received; 'now' in seconds
 * since 1970.
 */
int	 sl_sign_all(struct sl_mail *mail, struct sl_head *head, struct sl_body *body,
	    const struct sl_sign_request *signs, int64_t now, struct sl_err *err);
/* Appends the message as that draft has it, its signatures on top of the header; the draft stays. */
int	 sl_sign_write(struct sl_mail *mail, const struct sl_draft *draft, int64_t now,
	    struct sl_buf *out, struct sl_err *err);
/* Those of a draft that is chosen, on top of its header. */
int	 sl_sign_draft(struct sl_transaction *t, const struct sl_draft *draft, struct sl_err *err);

/* Whether two requests ask for the same signature. */
bool	 sl_same_sign(const struct sl_sign_request *a, const struct sl_sign_request *b);
/* Whether two lists ask for the same signatures, over equal headers. */
bool	 sl_same_signs(const struct sl_sign_request *a, const struct sl_sign_request *b);
bool	 sl_same_text(const char *a, const char *b);	/* NULL is equal to NULL only */

#endif
