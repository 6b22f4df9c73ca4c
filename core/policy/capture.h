/*
 * Captures: tapes of sessions (core/tape/tape.h) that may leave the process. Which sessions is said
 * by facts; what is secret is masked first.
 */
#ifndef SL_POLICY_CAPTURE_H
#define SL_POLICY_CAPTURE_H

#include <jansson.h>

#include "../sluice_host.h"
#include "../tape/tape.h"

#define SL_CAPTURE_PENDING	(256u * 1024 * 1024)	/* bytes of sessions kept at once */

struct sl_capture;

struct sl_capture_options {
	/*
	 * Facts and what they must be, '*' for anything, case doesn't matter: sender, recipient
	 * (addresses, "" the null sender), ip, helo, user, id (of the session or a message),
	 * server. All that are named must be met, each by any of the session's values. NULL = every
	 * session. An array of patterns: one of them.
	 */
	const json_t *match;
	unsigned every;			/* one of so many that match; 0 = all */
	/* A session that matches has ended. Reference the tape to keep it. */
	void (*captured)(void *arg, struct sl_tape *tape);
	void *arg;
};

/*
 * From now on, for sessions that open from now on. SL_ERR_INVAL: a fact that there isn't. 'match'
 * is copied.
 */
int	 sl_capture_arm(struct sl_capture **out, struct sl_engine *engine,
	    const struct sl_capture_options *options, struct sl_err *err);
void	 sl_capture_disarm(struct sl_capture *capture);		/* NULL is fine */
/* Sessions that ended since it was armed, and those that were too large for a tape. */
void	 sl_capture_count(const struct sl_capture *capture, uint64_t *seen, uint64_t *too_large);

/*
 * The tape as a file (doc/capture.md), appended to 'out'. What is known as a secret becomes
 * its mark ([secret sha256:1f3a5c7e]) in every form that core/tape/mask.h knows; so do private
 * keys in answers that nobody has signed with. 'folder' is the policy's, or NULL. SL_ERR_INVAL: the tape isn't
 * whole; SL_ERR_REFUSED: something secret would be left.
 */
int	 sl_capture_write(struct sl_engine *engine, struct sl_tape *tape, const char *folder,
	    struct sl_buf *out, struct sl_err *err);
/* "1a2b3c4d-..." of the session; borrowed from the tape. */
struct sl_str sl_capture_id(const struct sl_tape *tape);

#endif
