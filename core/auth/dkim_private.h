/*
 * What DKIM and ARC share: the check of one signature with the key records of
 * its name and the questions for them; the names signed and the field written.
 */
#ifndef SL_AUTH_DKIM_PRIVATE_H
#define SL_AUTH_DKIM_PRIVATE_H

#include "dkim.h"

#define SL_DKIM_SKEW	86400	/* wrong time zones are more common than forgers from tomorrow */

struct sl_dkim_work {
	struct sl_dkim_signature sig;
	struct sl_dkim_result result;
	bool pending;		/* waits for the key of 'question' */
	size_t question;
};

struct sl_dkim_checker {
	struct sl_message *m;
	struct sl_pubkey_cache *keys;	/* may be NULL */
	struct sl_dkim_bodies bodies;
	int64_t now, skew;
	/* What the signature is over, 'out' of SL_DIGEST_MAX bytes; false when it decided. */
	bool (*digest)(struct sl_dkim_checker *c, struct sl_dkim_work *w, uint8_t *out);
	/* The cryptography is good: decides. */
	void (*accept)(const struct sl_dkim_checker *c, struct sl_dkim_work *w);
};

/* Sets status and reason; the work isn't pending any more. */
void	 sl_dkim_decide(struct sl_dkim_work *w, enum sl_dkim_status status, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

/*
 * Parses the field at this index into the work (zeroed before) and looks at
 * what needs no key. True when only the key is wanting; else it is decided.
 */
bool	 sl_dkim_check_field(const struct sl_dkim_checker *c, struct sl_dkim_work *w, size_t field,
	    unsigned flags);

/* Signatures whose keys are asked for together share a pass over the body. */
void	 sl_dkim_want_body(struct sl_dkim_checker *c, const struct sl_dkim_signature *s);

/* RFC 6376 3.7: the body hash must agree, then the header is hashed. A 'digest'. */
bool	 sl_dkim_message_digest(struct sl_dkim_checker *c, struct sl_dkim_work *w, uint8_t *out);

/* The answer for the work's key: decides, whatever the answer is. */
void	 sl_dkim_check_key(struct sl_dkim_checker *c, struct sl_dkim_work *w,
	    const struct sl_dns_answer *answer);

/* Adds a signature field as it is signed: b= emptied, no final CRLF. */
int	 sl_dkim_digest_signature(struct sl_digest *d, enum sl_canon canon, struct sl_str signature);

/* How often 'h' names this field. */
size_t	 sl_dkim_names_signed(struct sl_str h, struct sl_str name);

/* Key records asked for, each name once. The owner sees to the room. */
struct sl_dkim_questions {
	size_t n;
	struct sl_dkim_question {
		char name[256];
		bool asked, answered;
	} *q;
};

size_t	 sl_dkim_question_for(struct sl_dkim_questions *qs, const struct sl_dkim_signature *sig);
/* As an evaluator's 'question'. */
int	 sl_dkim_question_next(struct sl_dkim_questions *qs, struct sl_question *out);
/* Is this the first answer to a question that was asked? */
bool	 sl_dkim_question_answered(struct sl_dkim_questions *qs, unsigned id);

/* ---- signing ------------------------------------------------------------ */

enum sl_dkim_algorithm sl_dkim_algorithm_of(const struct sl_dkim_request *q);
/* t= to write, -1 for none. */
int64_t	 sl_dkim_timestamp_of(const struct sl_dkim_options *o, int64_t now);

/* What goes into h=. Clear 'out'. */
struct sl_dkim_names {
	const struct sl_message *m;
	const struct sl_head *head;	/* NULL: as received */
	const struct sl_dkim_options *options;
	bool from;		/* From first, always, and oversigned */
	struct sl_buf out;	/* "From:From:To" */
	size_t n;
};

/*
 * From the options' lists: each name as often as there are fields, those that
 * are oversigned once more. What the caller oversigns is signed though no
 * other list has it. SL_ERR_LIMIT, with words; SL_ERR_NOMEM without.
 */
int	 sl_dkim_names_make(struct sl_dkim_names *w, struct sl_err *err);
/* One more, unless it is there. */
int	 sl_dkim_names_add(struct sl_dkim_names *w, struct sl_str name, struct sl_err *err);
size_t	 sl_dkim_names_count(const struct sl_dkim_names *w, struct sl_str name);

/* A folded line: what must not be broken is put as one piece. Failures stick to 'out'. */
struct sl_dkim_writer {
	struct sl_buf *out;
	size_t column;
	bool blank;	/* lines go on after a blank, not a TAB */
};

void	 sl_dkim_put_fold(struct sl_dkim_writer *w);
void	 sl_dkim_put_piece(struct sl_dkim_writer *w, struct sl_str piece);
/* 'text' is " d="; a ";" follows the value. */
void	 sl_dkim_put_tag(struct sl_dkim_writer *w, const char *text, struct sl_str value);
void	 sl_dkim_put_number(struct sl_dkim_writer *w, const char *text, uint64_t number);
/* Breaks behind the colons. */
void	 sl_dkim_put_h(struct sl_dkim_writer *w, struct sl_str names);
void	 sl_dkim_put_base64(struct sl_dkim_writer *w, struct sl_str bytes);

#endif
