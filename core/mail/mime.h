/*
 * The MIME structure of a message, RFC 2045, 2046: parts as views on the exact
 * bytes; nothing is decoded, copied or repaired while it is found. One pass
 * over the message, without recursion; what is wrong is listed with its part.
 * Only for a message that somebody asks about.
 *
 * Where readers differ we are strict: a delimiter is the boundary and nothing
 * but blanks behind it, on a line that ends by CRLF; innermost first. Encoded
 * messages and multiparts (RFC 2046 5.1, 5.2.1 forbid them) aren't entered.
 */
#ifndef SL_MAIL_MIME_H
#define SL_MAIL_MIME_H

#include "message.h"
#include "param.h"
#include "transfer.h"

/* Beyond these what is there stays one part, with a defect. */
#define SL_MIME_MAX_PARTS	1000
#define SL_MIME_MAX_DEPTH	30
#define SL_MIME_MAX_HEAD	(64 * 1024)	/* header of a part other than the root */
#define SL_MIME_MAX_BOUNDARY	200		/* RFC 2046 has 70 */

enum sl_mime_defect {
	SL_MIME_NO_BOUNDARY,		/* a multipart without a usable boundary */
	SL_MIME_LONG_BOUNDARY,		/* over 70 bytes */
	SL_MIME_SAME_BOUNDARY,		/* as one of an enclosing multipart */
	SL_MIME_NO_PARTS,		/* its boundary doesn't occur */
	SL_MIME_UNCLOSED,		/* without the last delimiter */
	SL_MIME_NEAR_DELIMITER,		/* a line that begins like a delimiter and goes on */
	SL_MIME_HEADER_CUT,		/* a delimiter inside a header */
	SL_MIME_HEADER_END,		/* text that is no field where the header should end */
	SL_MIME_HEADER_SIZE,
	SL_MIME_BARE_LF,		/* in the body: some readers end lines there */
	SL_MIME_BAD_TYPE,		/* Content-Type that isn't one: taken as text/plain */
	SL_MIME_BAD_PARAMETER,		/* of Content-Type: broken, twice, in several forms or too many */
	SL_MIME_TWO_TYPES,		/* Content-Type or -Transfer-Encoding stands there twice */
	SL_MIME_BAD_ENCODING,		/* an encoding that isn't known */
	SL_MIME_ENCODED_TREE,		/* a multipart or message in base64 or quoted-printable */
	SL_MIME_TOO_DEEP,
	SL_MIME_TOO_MANY,
	SL_MIME_NDEFECTS
};

struct sl_mime_part {
	struct sl_str raw;		/* header, empty line, body */
	struct sl_str head;		/* the fields with their line ends */
	struct sl_str body;		/* encoded, without the CRLF in front of the delimiter */
	struct sl_str type, subtype;	/* as written, or the default */
	enum sl_encoding encoding;
	struct sl_str preamble, epilogue;	/* of a multipart, without the CRLFs next to delimiters */
	unsigned parent;		/* its own index for the root */
	unsigned next;			/* index after its last descendant; children begin at its own + 1 */
	unsigned nparts;		/* its children */
	unsigned number;		/* among the children of its parent, from 1; root 0 */
	unsigned depth;			/* root 0 */
	uint32_t defects;		/* 1 << enum sl_mime_defect */
	struct sl_str opening;		/* the line of the delimiter in front of it; n 0: none */
	struct sl_str closing;		/* the line of the last delimiter, with its line end; n 0: none */
};

struct sl_mime {
	struct sl_message *message;	/* counted */
	struct sl_mime_part *parts;	/* in the order of the message: 0 is the root */
	unsigned n;
};

/* SL_ERR_NOMEM is the only failure. */
int	 sl_mime_new(struct sl_mime **out, struct sl_message *message);
void	 sl_mime_free(struct sl_mime *mime);

/*
 * Names of parts: "0" is the root, "2" its second child, "2.1" the first child of
 * that. A message/rfc822 has one child: the message in it.
 */
int	 sl_mime_find(const struct sl_mime *mime, struct sl_str id);	/* index or -1 */
void	 sl_mime_id(const struct sl_mime *mime, unsigned part, struct sl_buf *out);

/* "multipart part without boundary": for people. */
const char *sl_mime_defect_text(enum sl_mime_defect defect);

bool	 sl_mime_is(const struct sl_mime_part *part, const char *type, const char *subtype);
/* Walks the fields of a head; false at its end. 'rest' begins as part->head. */
bool	 sl_mime_field(struct sl_str *rest, struct sl_field *out);
/* The first field of a name; false: none. */
bool	 sl_mime_find_field(const struct sl_mime_part *part, struct sl_str name, struct sl_field *out);
/* Content-Disposition's filename, else Content-Type's name, as UTF-8. SL_ERR_NOTFOUND, SL_ERR_NOMEM. */
int	 sl_mime_filename(const struct sl_mime_part *part, struct sl_buf *out);
/* A parameter of Content-Type. SL_ERR_NOTFOUND, SL_ERR_NOMEM. */
int	 sl_mime_parameter(const struct sl_mime_part *part, struct sl_str name, struct sl_buf *out);

#endif
