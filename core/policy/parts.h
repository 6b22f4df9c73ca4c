/* The parts of the transaction's message, for builtins. */
#ifndef SL_POLICY_PARTS_H
#define SL_POLICY_PARTS_H

#include <lua.h>

#include "../mail/mime.h"
#include "context.h"

/*
 * The structure of the message as it was received, found when it is first asked
 * for; it lives as long as the transaction. 'looked' says how many bytes that took
 * now. NULL = out of memory.
 */
const struct sl_mime *sl_parts(struct sl_transaction *t, size_t *looked);

/* A part as scripts have it: its index in sl_parts. The whole message, 0, is a MailMessage. */
#define SL_PART_CLASS	"MIMEPart"
#define SL_MAIL_CLASS	"MailMessage"
struct sl_part {
	unsigned index;
};
void	 sl_part_push(lua_State *L, unsigned index);	/* [-0, +1, m] */

#endif
