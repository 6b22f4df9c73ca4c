/* The trace field Received, RFC 5321 4.4. */
#ifndef SL_MAIL_RECEIVED_H
#define SL_MAIL_RECEIVED_H

#include "message.h"

struct sl_received {
	const char *helo;	/* as the client said it */
	const char *host;	/* name of its address, NULL = unknown */
	const char *ip;
	const char *by;		/* our host name */
	const char *with;	/* "ESMTPSA" and so on, RFC 3848 */
	const char *tls;	/* "TLSv1.3 TLS_AES_256_GCM_SHA384", or NULL */
	const char *id;
	const char *recipient;	/* only if the message has one, or NULL */
	int64_t time;		/* seconds since 1970 */
	int offset;		/* minutes east of UTC */
};

/* The value of the field, folded, for the top of the header (no line end at
 * its end). What the client said can't leave its place: other characters than
 * those of names and addresses become '?'. */
int	 sl_received_format(struct sl_buf *out, const struct sl_received *r);
/* Received fields in the header: hops so far (RFC 5321 6.3). */
size_t	 sl_received_count(const struct sl_message *m);

#endif
