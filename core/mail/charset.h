/* Charsets to UTF-8. */
#ifndef SL_MAIL_CHARSET_H
#define SL_MAIL_CHARSET_H

#include "../base/bytes.h"
#include "../base/err.h"

/* 'in' of the named charset, to UTF-8. SL_ERR_NOTFOUND: a charset that isn't
 * known; SL_ERR_SYNTAX: bytes that aren't of it. 'out' is then as before. */
int	 sl_charset_to_utf8(struct sl_buf *out, struct sl_str charset, struct sl_str in);

#endif
