/* Content-Transfer-Encoding, RFC 2045 6: decoding, a piece at a time. */
#ifndef SL_MAIL_TRANSFER_H
#define SL_MAIL_TRANSFER_H

#include "../base/bytes.h"
#include "../base/err.h"

enum sl_encoding {
	SL_ENCODING_NONE,		/* 7bit, 8bit, binary, or no field */
	SL_ENCODING_BASE64,
	SL_ENCODING_QP,
	SL_ENCODING_UNKNOWN,		/* goes through as it stands */
};

/* By the value of the field, comments and all. */
enum sl_encoding sl_encoding_of(struct sl_str value);

/* The encoded text is borrowed until its end was read. */
struct sl_transfer {
	enum sl_encoding encoding;
	struct sl_str rest;
	uint32_t bits;			/* base64 digits that make no byte yet */
	unsigned digits;
	size_t blanks;			/* at the beginning of 'rest', known to be text */
	bool padded;			/* '=' was seen */
	bool broken;			/* something wasn't of the encoding; see below */
};

void	 sl_transfer_start(struct sl_transfer *t, enum sl_encoding encoding, struct sl_str text);

/*
 * Appends at most 'max' + 4 decoded bytes. Returns 1 while there is more, 0
 * at the end, SL_ERR_NOMEM. What isn't of the encoding is read as most readers
 * do, so that a script sees what they will see, and 'broken' says so:
 * base64 skips foreign bytes, ends a group at '=' and goes on behind it, and
 * takes whole bytes of a last group without padding; quoted-printable leaves
 * "=" without two digits as it stands.
 */
int	 sl_transfer_read(struct sl_transfer *t, struct sl_buf *out, size_t max);

/* Text lines and all else of the sort, encoded for a part of our own making: 76 a line, CRLF. */
int	 sl_transfer_base64(struct sl_buf *out, struct sl_str in);
int	 sl_transfer_qp(struct sl_buf *out, struct sl_str in);

#endif
