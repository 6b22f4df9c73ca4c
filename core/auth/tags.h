/*
 * Tag=value lists, RFC 6376 3.2: DKIM-Signature and ARC fields, key records,
 * DMARC records. Strict: a name twice, an empty name, a control byte or text
 * after the list spoils all of it.
 */
#ifndef SL_AUTH_TAGS_H
#define SL_AUTH_TAGS_H

#include "../base/bytes.h"
#include "../base/err.h"

#define SL_TAGS_MAX		64
#define SL_TAGS_MAX_BYTES	(64 * 1024)

struct sl_tag {
	struct sl_str name;	/* case matters */
	struct sl_str value;	/* without white space at its ends; folds inside stay */
};

/* Borrows from the text. */
struct sl_tags {
	size_t n;
	struct sl_tag tag[SL_TAGS_MAX];
};

/*
 * White space is SP, TAB and, in a header field, CRLF followed by one of
 * these. SL_TAGS_RECORD: text from DNS, where CR and LF are white space
 * anywhere. Bytes over 127 are allowed when the whole is UTF-8 (RFC 8616).
 * SL_ERR_SYNTAX or SL_ERR_LIMIT.
 */
#define SL_TAGS_RECORD	0x01u
int	 sl_tags_parse(struct sl_tags *out, struct sl_str text, unsigned flags,
	    struct sl_err *err);

/* The value of a tag, NULL when it isn't there (an empty value is not NULL). */
const struct sl_str *sl_tags_get(const struct sl_tags *tags, const char *name);
/* Position in the list, -1 when not there. */
ssize_t	 sl_tags_index(const struct sl_tags *tags, const char *name);

/*
 * Base64 of RFC 6376 2.10: white space allowed, padding as it must be,
 * nothing else, at least one byte. Appends. SL_ERR_SYNTAX otherwise.
 */
int	 sl_tags_base64(struct sl_buf *out, struct sl_str value);
/* Is 'word' one of the parts of a list parted by 'sep' (white space ignored, case folded)? */
bool	 sl_tags_has(struct sl_str list, char sep, struct sl_str word);

#endif
