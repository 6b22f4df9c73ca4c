/*
 * ARC (RFC 8617): validating the chain of a message and adding a set to it.
 * Signatures, keys, hashes and canonicalisation are DKIM's.
 */
#ifndef SL_AUTH_ARC_H
#define SL_AUTH_ARC_H

#include "dkim.h"

#define SL_ARC_MAX_SETS	50	/* RFC 8617 5.2 */

enum sl_arc_status { SL_ARC_NONE, SL_ARC_PASS, SL_ARC_FAIL };

const char *sl_arc_status_word(enum sl_arc_status status);	/* "none" "pass" "fail" */

/* ---- validating ------------------------------------------------------- */

/* One set; instance = index + 1. */
struct sl_arc_set {
	enum sl_arc_status cv;		/* what its seal says of the chain before it */
	struct sl_str results;		/* ARC-Authentication-Results without i=; of the message */
	/*
	 * ARC-Message-Signature and ARC-Seal. SL_DKIM_NONE: not looked at, since
	 * the chain had failed before. The message signatures of older sets fail
	 * by nature once a list has changed the message; the seals must all pass.
	 */
	struct sl_dkim_result message, seal;
};

struct sl_arc_result {
	enum sl_arc_status status;
	/* Failed only for an answer of DNS that was not to be had. */
	bool temporary;
	char reason[240];	/* for people, with the rule that was broken; empty for pass */
	unsigned instances;	/* the highest instance found, though the chain be broken */
	/*
	 * RFC 8617 5.2: the lowest instance down to which all message signatures
	 * pass, 0 = all do. Only of a chain that passes.
	 */
	unsigned oldest_pass;
	bool ended;		/* the newest seal says cv=fail: nobody may extend the chain */
	bool full;		/* there are SL_ARC_MAX_SETS sets, or pretended to be */
	bool from_signed;	/* the newest message signature covers every From field */
	size_t n;		/* sets; 0 when the structure is broken */
	const struct sl_arc_set *sets;
};

struct sl_arc_options {
	int64_t now;			/* seconds since 1970 */
	int64_t skew;			/* seconds t= may be ahead; 0 = a day */
	struct sl_pubkey_cache *keys;	/* borrowed for the validation; NULL = none */
};

/*
 * Validates the chain of a message as received (RFC 8617 5.2). What can be
 * refused without a key, like more than SL_ARC_MAX_SETS sets, gaps,
 * duplicates, a wrong cv= or a field that can't be read, is refused before any
 * hashing and never asks DNS. Then all key records are asked for at once, each
 * name once. An older message signature with l= isn't looked at, so that the
 * body is hashed a few times at most. The message is kept by reference.
 */
struct sl_arc;

struct sl_arc	*sl_arc_new(struct sl_message *m, const struct sl_arc_options *options);
struct sl_evaluator *sl_arc_evaluator(struct sl_arc *a);
void		 sl_arc_free(struct sl_arc *a);
/* Complete when the evaluator is done; lives as long as 'a'. */
const struct sl_arc_result *sl_arc_result(const struct sl_arc *a);

/* ---- sealing ---------------------------------------------------------- */

struct sl_arc_request {
	/*
	 * Selector, domain, key and how the message is signed. The algorithm and
	 * timestamp are the seal's too; identity and l= have no place here.
	 * Headers NULL: those DKIM signs, and DKIM-Signature.
	 */
	struct sl_dkim_request dkim;
	enum sl_arc_status cv;		/* of the message as it came in */
	struct sl_str results;		/* payload of an Authentication-Results field, ours */
};

/* Values of the three fields, folded, without names and final CRLF. */
struct sl_arc_seal {
	unsigned instance;
	struct sl_buf results, message, seal;
};

/*
 * As sl_dkim_check, and: no Authentication-Results or ARC field is among those
 * to sign (RFC 8617 4.1.2), 'results' is a field's value.
 */
int	 sl_arc_check(const struct sl_arc_request *request, int64_t now, struct sl_err *err);

/*
 * Makes the next set for the message as it will go out; the fields are added
 * on top, the seal last, under their names and unchanged, after every other
 * edit. 'head' NULL: the header as received. A chain whose validation failed
 * is sealed with cv=fail and over its own set alone (5.1.2).
 * SL_ERR_REFUSED: nothing is to be added, since the chain has ended with
 * cv=fail or has SL_ARC_MAX_SETS sets (5.1). SL_ERR_INVAL: the cv given can't
 * be that of this header. Clear 'out' in any case.
 */
int	 sl_arc_seal(struct sl_arc_seal *out, const struct sl_arc_request *request,
	    const struct sl_message *m, const struct sl_head *head,
	    struct sl_dkim_bodies *bodies, int64_t now, struct sl_err *err);
void	 sl_arc_seal_clear(struct sl_arc_seal *seal);

#endif
