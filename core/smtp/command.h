/*
 * Command lines (RFC 5321 4.1): the table of verbs with the states in which
 * they are allowed, and the arguments of MAIL and RCPT. No I/O, no session.
 */
#ifndef SL_SMTP_COMMAND_H
#define SL_SMTP_COMMAND_H

#include "../base/bytes.h"
#include "../base/err.h"

/* Where a session is. */
#define SL_SMTP_START	1u	/* greeted, no EHLO yet (or TLS just began) */
#define SL_SMTP_READY	2u
#define SL_SMTP_MAIL	4u	/* a sender, no recipient */
#define SL_SMTP_RCPT	8u	/* at least one recipient */
#define SL_SMTP_ANY	15u

enum sl_smtp_verb_id {
	SL_VERB_HELO, SL_VERB_EHLO, SL_VERB_STARTTLS, SL_VERB_AUTH, SL_VERB_MAIL,
	SL_VERB_RCPT, SL_VERB_DATA, SL_VERB_RSET, SL_VERB_NOOP, SL_VERB_QUIT,
	SL_VERB_VRFY, SL_VERB_HELP,
	SL_VERB_ABSENT,		/* known, and not implemented: 502 */
	SL_VERB_FOREIGN,	/* another protocol's: the connection is closed */
};

struct sl_smtp_verb {
	const char *name;
	enum sl_smtp_verb_id id;
	unsigned states;	/* allowed in; 503 elsewhere */
	bool in_clear;		/* allowed without TLS where TLS is required */
	bool idle;		/* brings no message nearer: counted */
	bool argument;		/* whether it takes one; 501 where not */
	size_t max_line;	/* with CRLF */
};

#define SL_SMTP_MAX_LINE 12288	/* the longest of any verb: AUTH, RFC 4954 4 */

/* The verb of a line (without CRLF), NULL = unknown. 'args' without blanks around. */
const struct sl_smtp_verb *sl_smtp_verb_find(struct sl_str line, struct sl_str *args);

struct sl_smtp_mail {
	struct sl_str path;	/* with its brackets, borrowed; not looked into */
	uint64_t size;		/* SIZE=, 0 = not given */
	bool body8bit, smtputf8;
	int code;		/* on error: 501 syntax, 555 unknown parameter, ... */
	const char *enhanced;
};

/*
 * "FROM:<path> SIZE=1 BODY=8BITMIME SMTPUTF8 AUTH=<>" and "TO:<path>".
 * Blanks after the colon are let pass; nothing else is: brackets are needed,
 * text between '>' and a blank, NUL and control bytes are errors, and 8-bit
 * bytes are without SMTPUTF8 or when they aren't UTF-8 ('utf8' for RCPT: what
 * MAIL said). Each parameter once.
 */
int	 sl_smtp_mail_parse(struct sl_smtp_mail *out, struct sl_str args, struct sl_err *err);
int	 sl_smtp_rcpt_parse(struct sl_smtp_mail *out, struct sl_str args, bool utf8,
	    struct sl_err *err);
/* A name for EHLO: a domain (with '_' let pass) or an address literal; ASCII, 255 bytes. */
bool	 sl_smtp_helo_valid(struct sl_str name);

#endif
