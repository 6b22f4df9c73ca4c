/*
 * Changed bodies: the received bytes with some replaced. A change is a value: it is
 * never altered, the next one has it and one more, so that drafts can share them.
 */
#ifndef SL_POLICY_BODY_H
#define SL_POLICY_BODY_H

#include "context.h"

#define SL_BODY_MAX_SPLICES	500

/* How a change meets others at the same place. */
enum sl_splice_kind {
	SL_INSERT,			/* from == to: behind what was inserted there */
	SL_INSERT_FIRST,		/* in front of it */
	SL_REPLACE,			/* keeps what was inserted at its ends */
	SL_REPLACE_FIRST,		/* the same; of nothing, it stands in front of that */
	SL_REPLACE_ALL,			/* a whole part: what was inserted at its front goes too */
};

/* Bytes from..to of the received message are 'bytes' instead. */
struct sl_splice {
	size_t from, to;
	struct sl_str bytes;
	enum sl_splice_kind kind;
};

struct sl_body {
	struct sl_dkim_bodies hashes;	/* shared by the signatures over it */
	struct sl_message *made;	/* the received one with this body; made when needed */
	size_t n;
	struct sl_splice splice[];	/* in order, none over another */
};

/*
 * 'old' (NULL = as received) with one more; what was changed inside of from..to is
 * replaced with it. 'bytes' is copied. SL_ERR_NOTFOUND: an earlier change replaced
 * what is around; SL_ERR_LIMIT: too many, or too large.
 */
int	 sl_body_splice(struct sl_arena *arena, struct sl_body *old, size_t from, size_t to,
	    struct sl_str bytes, enum sl_splice_kind kind, struct sl_body **out);

bool	 sl_body_equal(const struct sl_body *a, const struct sl_body *b);

/* The message with that body, and where its hashes are kept. NULL: too large. Header and
 * all else are those received. */
const struct sl_message *sl_body_message(struct sl_mail *mail, struct sl_body *body,
	    struct sl_dkim_bodies **hashes);

#endif
