/* Delivery status notifications: RFC 3464 in RFC 6522's multipart/report. */
#ifndef SL_QUEUE_DSN_H
#define SL_QUEUE_DSN_H

#include "../base/bytes.h"
#include "../base/err.h"

struct sl_dsn {
	const char *hostname;		/* who reports */
	const char *id;			/* of the notification: Message-ID, boundary */
	const char *original_id;	/* of the message in the queue */
	const char *sender;		/* who is told; never "" */
	const char *recipient;
	int code;			/* last reply; 0 = none */
	const char *enhanced, *text, *host;	/* of it; texts from the network */
	int64_t received, now;		/* seconds since 1970 */
	struct sl_str header;		/* of the original, up to its empty line */
};

/* The whole message. Texts from outside are put in as printable ASCII. */
int	 sl_dsn_write(struct sl_buf *out, const struct sl_dsn *dsn);

#endif
