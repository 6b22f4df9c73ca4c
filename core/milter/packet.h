/*
 * Packets of the milter protocol, as mail servers (Sendmail 8.17, Postfix)
 * speak it in versions 2 to 6: four bytes of length, most significant first,
 * a command byte, and its data. No I/O.
 *
 * Everything read is a view on the packet; everything that comes from the mail
 * server may be malformed and is refused with SL_ERR_SYNTAX and the reason.
 */
#ifndef SL_MILTER_PACKET_H
#define SL_MILTER_PACKET_H

#include "../base/bytes.h"
#include "../base/err.h"

#define SL_MILTER_VERSION	6
#define SL_MILTER_VERSION_MIN	2
/* The longest packet taken: mail servers send body in pieces of 64 KB, but a header field whole. */
#define SL_MILTER_MAX_PACKET	(1024 * 1024)
/* The longest one that mail servers take from a filter, without its length. */
#define SL_MILTER_MAX_REPLY	65535

/* From the mail server. */
enum sl_milter_command {
	SL_MILTER_ABORT = 'A', SL_MILTER_BODY = 'B', SL_MILTER_CONNECT = 'C',
	SL_MILTER_MACROS = 'D', SL_MILTER_EOM = 'E', SL_MILTER_HELO = 'H',
	SL_MILTER_QUIT_NEW = 'K', SL_MILTER_HEADER = 'L', SL_MILTER_MAIL = 'M',
	SL_MILTER_EOH = 'N', SL_MILTER_NEGOTIATE = 'O', SL_MILTER_QUIT = 'Q',
	SL_MILTER_RCPT = 'R', SL_MILTER_DATA = 'T', SL_MILTER_UNKNOWN = 'U',
};

/* To the mail server. */
enum sl_milter_reply {
	SL_MILTER_ADD_RCPT = '+', SL_MILTER_DELETE_RCPT = '-', SL_MILTER_ACCEPT = 'a',
	SL_MILTER_REPLACE_BODY = 'b',
	SL_MILTER_CONTINUE = 'c', SL_MILTER_DISCARD = 'd', SL_MILTER_CHANGE_FROM = 'e',
	SL_MILTER_ADD_FIELD = 'h', SL_MILTER_INSERT_FIELD = 'i', SL_MILTER_CHANGE_FIELD = 'm',
	SL_MILTER_PROGRESS = 'p', SL_MILTER_QUARANTINE = 'q', SL_MILTER_REJECT = 'r',
	SL_MILTER_SKIP = 's', SL_MILTER_TEMPFAIL = 't', SL_MILTER_REPLY_CODE = 'y',
};

/* Actions: what the filter may ask for at the end of a message. */
#define SL_MILTER_ADDS_FIELDS		0x001u	/* insertion too */
#define SL_MILTER_CHANGES_BODY		0x002u
#define SL_MILTER_ADDS_RCPTS		0x004u
#define SL_MILTER_DELETES_RCPTS		0x008u
#define SL_MILTER_CHANGES_FIELDS	0x010u	/* deletion too */
#define SL_MILTER_QUARANTINES		0x020u
#define SL_MILTER_CHANGES_FROM		0x040u
#define SL_MILTER_CHOOSES_MACROS	0x100u

/* Steps: what the mail server need not send (NO), for what it need not wait for a
 * reply (QUIET), and what else it may do. */
#define SL_MILTER_NO_BODY		0x000010u
#define SL_MILTER_NO_HEADER		0x000020u
#define SL_MILTER_NO_EOH		0x000040u
#define SL_MILTER_QUIET_HEADER		0x000080u
#define SL_MILTER_NO_UNKNOWN		0x000100u
#define SL_MILTER_NO_DATA		0x000200u
#define SL_MILTER_SKIPS			0x000400u	/* takes SL_MILTER_SKIP for an answer to body */
#define SL_MILTER_QUIET_CONNECT		0x001000u
#define SL_MILTER_QUIET_HELO		0x002000u
#define SL_MILTER_QUIET_EOH		0x040000u
#define SL_MILTER_QUIET_BODY		0x080000u
#define SL_MILTER_LEADING_SPACE		0x100000u	/* blanks after a field's colon are sent as they are */

struct sl_milter_packet {
	char command;
	struct sl_str data;
};

/*
 * The packet at the front of 'in'. 1: *used bytes are its; 0: it isn't whole
 * yet, *used bytes are needed; SL_ERR_SYNTAX for a length that no packet has.
 */
int	 sl_milter_packet_take(struct sl_str in, struct sl_milter_packet *out, size_t *used,
	    struct sl_err *err);

struct sl_milter_options {
	uint32_t version, actions, steps;
};
int	 sl_milter_options_parse(struct sl_milter_options *out, struct sl_str data,
	    struct sl_err *err);

struct sl_milter_peer {
	struct sl_str hostname;
	char family;			/* '4', '6', 'L' local, 'U' unknown */
	uint16_t port;
	struct sl_str address;		/* without "IPv6:"; of 'L' a path; empty if unknown */
};
int	 sl_milter_peer_parse(struct sl_milter_peer *out, struct sl_str data, struct sl_err *err);

/* Cuts the string that ends with NUL off *data; false: there is no NUL. */
bool	 sl_milter_string(struct sl_str *data, struct sl_str *out);
/* One string and nothing behind it. */
int	 sl_milter_string_parse(struct sl_str *out, struct sl_str data, struct sl_err *err);
/* The first string: a path in angle brackets. Parameters of MAIL and RCPT follow, in *rest. */
int	 sl_milter_path_parse(struct sl_str *out, struct sl_str *rest, struct sl_str data,
	    struct sl_err *err);

/* Pairs of a MACROS packet: the command that they belong to, then
 * while (sl_milter_macro(&rest, &name, &value)). Names are without their braces. */
int	 sl_milter_macros_parse(char *command, struct sl_str *rest, struct sl_str data,
	    struct sl_err *err);
bool	 sl_milter_macro(struct sl_str *rest, struct sl_str *name, struct sl_str *value);

/*
 * A header field, to be appended to a message with CRLF line ends. LF in the
 * value is a fold of it; 'spaced': blanks after the colon are part of it (else
 * one is put). SL_ERR_REFUSED for what would be another field or none at all.
 */
int	 sl_milter_field_parse(struct sl_buf *out, struct sl_str data, bool spaced,
	    struct sl_err *err);

/* Packets to send; failures stay in 'out' (sl_buf.failed). */
void	 sl_milter_put(struct sl_buf *out, enum sl_milter_reply reply);
void	 sl_milter_put_bytes(struct sl_buf *out, enum sl_milter_reply reply, struct sl_str bytes);
void	 sl_milter_put_string(struct sl_buf *out, enum sl_milter_reply reply, struct sl_str text);
void	 sl_milter_put_options(struct sl_buf *out, const struct sl_milter_options *options);
/*
 * A field to add (index is not sent), insert or change; 'value' is all behind
 * the colon with folds, and is empty for a deletion. SL_ERR_LIMIT: longer than
 * mail servers take.
 */
int	 sl_milter_put_field(struct sl_buf *out, enum sl_milter_reply reply, uint32_t index,
	    struct sl_str name, struct sl_str value, bool spaced, struct sl_err *err);
/* An SMTP reply of one or several lines; the code is 4xx or 5xx. */
void	 sl_milter_put_reply(struct sl_buf *out, int code, const char *enhanced,
	    const char *const *lines, size_t n);

#endif
