/*
 * Canonicalisation, RFC 6376 3.4. Linear in time, the same result for any
 * chunking, no memory that grows with the input. Only CRLF ends a line; a CR
 * or LF alone is a byte like others.
 */
#ifndef SL_AUTH_CANON_H
#define SL_AUTH_CANON_H

#include "../base/bytes.h"

enum sl_canon { SL_CANON_RELAXED, SL_CANON_SIMPLE };

const char *sl_canon_word(enum sl_canon canon);		/* "relaxed" "simple" */
bool	 sl_canon_parse(struct sl_str word, enum sl_canon *out);

/*
 * Appends one header field, given whole (name, colon, folds). The result ends
 * in CRLF whether 'raw' does or not.
 */
int	 sl_canon_header(struct sl_buf *out, enum sl_canon canon, struct sl_str raw);

/*
 * Appends a signature field as it is signed: the value of its b= tag taken
 * out, without the final CRLF (RFC 6376 3.7). 'raw' is the whole field; the
 * tag list starts after its first colon.
 */
int	 sl_canon_signature(struct sl_buf *out, enum sl_canon canon, struct sl_str raw);

/* Takes canonical bytes; called with pieces of any size. */
typedef void sl_canon_sink(void *arg, const void *p, size_t n);

/* Fields are private. */
struct sl_canon_body {
	enum sl_canon canon;
	sl_canon_sink *sink;
	void *arg;
	uint64_t limit;		/* bytes still to hand on */
	uint64_t total;		/* canonical bytes altogether, limit or not */
	uint64_t crlf;		/* line ends held back */
	bool cr, space, text;	/* a CR, white space held back; text on this line */
	size_t n;
	char buf[2048];
};

#define SL_CANON_ALL	UINT64_MAX

/* Hands on 'limit' bytes at most (l= of RFC 6376 3.5). */
void	 sl_canon_body_init(struct sl_canon_body *c, enum sl_canon canon, uint64_t limit,
	    sl_canon_sink *sink, void *arg);
void	 sl_canon_body_update(struct sl_canon_body *c, const void *p, size_t n);
/* Returns the length of the whole canonical body, uncut. */
uint64_t sl_canon_body_final(struct sl_canon_body *c);

#endif
