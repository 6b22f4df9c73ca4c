/* Within core/mail: making and checking header fields. */
#ifndef SL_MAIL_FIELD_H
#define SL_MAIL_FIELD_H

#include "charset.h"
#include "message.h"

#define SL_MAX_FIELD_NAME	255
#define SL_MAX_FIELD_VALUE	(64 * 1024)

/* RFC 5322 3.6.8: printable ASCII but the colon. */
bool	 sl_is_ftext(char c);
int	 sl_field_name_check(struct sl_str name, struct sl_err *err);
/* No NUL, CR or LF except as a fold in front of a line that isn't blank. */
int	 sl_field_value_check(struct sl_str value, struct sl_err *err);
/* "name: value" CRLF, every fold as CRLF; both checked before. */
int	 sl_field_format(struct sl_buf *out, struct sl_str name, struct sl_str value, bool refold);

/* Encoded words of unfolded text, RFC 2047. */
int	 sl_encoded_words_decode(struct sl_buf *out, struct sl_str text);

#endif
