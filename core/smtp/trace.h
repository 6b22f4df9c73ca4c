/*
 * What the server itself writes into a message: Received on top (RFC 5321
 * 4.4), and on submission the missing Date and Message-ID (RFC 6409 8).
 */
#ifndef SL_SMTP_TRACE_H
#define SL_SMTP_TRACE_H

#include "../mail/message.h"

struct sl_trace {
	const char *helo, *ip;		/* 'helo' was checked by sl_smtp_helo_valid */
	const char *hostname;
	const char *id;
	const char *recipient;		/* NULL unless it is the only one */
	const char *tls;		/* "TLSv1.3 cipher/bits", NULL = clear */
	bool extended, authenticated, utf8;
	int64_t time_us;
};

int	 sl_smtp_received(struct sl_buf *out, const struct sl_trace *trace);
/* ESMTP ESMTPS ESMTPA ESMTPSA (RFC 3848), UTF8SMTP... (RFC 6531 4.3), SMTP. */
const char *sl_smtp_protocol(bool extended, bool tls, bool authenticated, bool utf8);
/* How many Received fields there are. */
size_t	 sl_smtp_hops(const struct sl_message *m);
/* Takes Bcc out of the header mem[0, header), puts Date and Message-ID on top if missing. */
int	 sl_smtp_fix_header(struct sl_buf *mem, size_t header, const char *hostname,
	    const char *id, int64_t time_us);

#endif
