/*
 * Passwords against crypt(3) hashes. A hash takes long by design, so it is
 * computed on a thread.
 */
#ifndef SL_POLICY_PASSWORD_H
#define SL_POLICY_PASSWORD_H

#include "../base/bytes.h"
#include "../net/op.h"

/* Whether crypt(3) can use the hash: otherwise its failure would decide. */
bool	 sl_password_usable(const char *hash);
/* Whether the hash asks for more work or memory than anybody's should (seconds
 * of the one thread, hundreds of MB); for hashes that come from outside. */
bool	 sl_password_costly(const char *hash);

struct sl_password_op {
	struct sl_op op;
	bool ok;			/* when done, with status 0: the password is right */
	struct sl_op *job;		/* private */
	struct password_check *check;	/* private */
};

/* Both are copied, the copy of the password is wiped. 'hash' NULL (an unknown
 * user) costs as much time and is never right. 'thread' NULL, or out of memory:
 * NULL. */
struct sl_password_op *sl_password_check(struct sl_loop *loop, struct sl_thread *thread,
	    const char *hash, struct sl_str password);

#endif
