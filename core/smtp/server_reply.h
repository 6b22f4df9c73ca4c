/* Replies of the server: RFC 5321 4.2, with RFC 2034 codes. */
#ifndef SL_SMTP_SERVER_REPLY_H
#define SL_SMTP_SERVER_REPLY_H

#include "../base/bytes.h"

/*
 * "550-5.7.1 one\r\n550 5.7.1 two\r\n". Whatever a line holds, it stays one
 * line: control bytes become blanks, 450 bytes at most, and bytes over 127
 * become '?' unless 'utf8' (RFC 6531 3.7.4). 'enhanced' "" = without.
 */
int	 sl_smtp_reply_put(struct sl_buf *out, int code, const char *enhanced,
	    const char *const *lines, size_t n, bool utf8);

#endif
