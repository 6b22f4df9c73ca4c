/*
 * Passwords against crypt(3) hashes. A hash takes long by design, so it is
 * computed on a thread.
 */
#ifndef SL_POLICY_PASSWORD_H
#define SL_POLICY_PASSWORD_H

#include "../base/bytes.h"
#include "../net/op.h"

struct sl_tape;

/* Whether crypt(3) can use the hash: otherwise its failure would decide. */
bool	 sl_password_usable(const char *hash);
/* Whether the hash asks for more work or memory than anybody's should (seconds
 * of the one thread, hundreds of MB); for hashes that come from outside. */
bool	 sl_password_costly(const char *hash);

struct sl_password_op {
	struct sl_op op;
	bool ok;			/* when done, with status 0: the password is right */
	struct sl_op *job;		/* private */
	struct sl_tape *tape;		/* private */
	char *question;			/* private */
	struct password_check *check;	/* private */
};

/* Both are copied, the copy of the password is wiped. 'hash' NULL (an unknown
 * user) costs as much time and is never right. 'thread' NULL, or out of memory:
 * NULL. */
struct sl_password_op *sl_password_check(struct sl_loop *loop, struct sl_thread *thread,
	    const char *hash, struct sl_str password);

/*
 * The same past a tape (core/tape/tape.h; NULL = as it is), which has the outcome for each
 * hash in order, and neither hash nor password. One that plays asks nobody, not even 'live'.
 */
struct sl_password_op *sl_password_check_taped(struct sl_loop *loop, struct sl_thread *thread,
	    struct sl_tape *tape, const char *hash, struct sl_str password);

#endif
