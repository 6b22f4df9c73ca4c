/*
 * A message: the exact bytes received, which never change, with an index of
 * its header fields; and beside it the head, the list of header fields as
 * edited. RFC 5322 2.2 with the tolerance a relay needs: nothing is repaired.
 */
#ifndef SL_MAIL_MESSAGE_H
#define SL_MAIL_MESSAGE_H

#include "../base/alloc.h"
#include "../base/bytes.h"
#include "../base/err.h"

/* Caps checked while indexing: beyond, SL_ERR_LIMIT (the message is refused). */
#define SL_MAX_FIELDS		1000
#define SL_MAX_HEADER_BYTES	(1024 * 1024)

/* One header field. 'raw' is the whole field with its final CRLF (and folds). */
struct sl_field {
	struct sl_str raw;
	struct sl_str name;	/* as written, without colon and blanks before it */
	struct sl_str value;	/* after the colon, with folds, without the final CRLF */
	int origin;		/* index in the received header, -1 = added by an edit */
};

struct sl_message {
	unsigned refs;
	struct sl_str bytes;	/* all of it; memory or a mapped file */
	struct sl_str body;	/* after the empty line; empty if there is none */
	size_t nfields;
	struct sl_field *fields;
	bool defect_no_boundary;	/* text that is no field where the header ends: body starts there */
	bool eightbit;			/* any byte over 127 */
	size_t longest_line;
};

/*
 * Takes the bytes (an sl_malloc block; also on failure). CRLF line ends are
 * expected; a line that isn't a field ends the header.
 */
int	 sl_message_from_memory(struct sl_message **out, char *bytes, size_t n, struct sl_err *err);
/* The same of bytes that outlive it. */
int	 sl_message_from_bytes(struct sl_message **out, struct sl_str bytes, struct sl_err *err);
/* Maps a file read-only; 'fd' may be closed afterwards. */
int	 sl_message_from_file(struct sl_message **out, int fd, struct sl_err *err);
struct sl_message *sl_message_ref(struct sl_message *m);
void	 sl_message_unref(struct sl_message *m);

/*
 * The head: header fields as they will go out. Copying shares until the first
 * edit. Texts that edits add live in the arena given at the start, which must
 * outlive every copy.
 */
struct sl_head;

struct sl_head	*sl_head_new(const struct sl_message *m, struct sl_arena *arena);
struct sl_head	*sl_head_copy(struct sl_head *head);	/* shares; NULL = out of memory */
void		 sl_head_free(struct sl_head *head);
size_t		 sl_head_count(const struct sl_head *head);
/* For how many fields it has room, now or after the next edit, at most. */
size_t		 sl_head_capacity(const struct sl_head *head);
const struct sl_field *sl_head_at(const struct sl_head *head, size_t i);
/* The next field called 'name' at or after i; -1 when there is none. */
ssize_t		 sl_head_find(const struct sl_head *head, struct sl_str name, size_t i);
bool		 sl_head_equal(const struct sl_head *a, const struct sl_head *b);

/*
 * Edits. Names must be RFC 5322 ftext; values must not hold NUL, CR or LF
 * except as folds (CRLF or LF followed by a blank); at most 64 KB. 'refold'
 * breaks at blanks to lines of 78 where possible. SL_ERR_SYNTAX with the
 * reason otherwise. 'at': position in the head, sl_head_count() = bottom.
 */
int	 sl_head_insert(struct sl_head *head, size_t at, struct sl_str name, struct sl_str value,
	    bool refold, struct sl_err *err);
int	 sl_head_replace(struct sl_head *head, size_t at, struct sl_str value, bool refold,
	    struct sl_err *err);
int	 sl_head_remove(struct sl_head *head, size_t at);

/*
 * The field at the beginning of 'text', with its folds: views, and its length.
 * 0: the line isn't a field. 'origin' isn't set.
 */
size_t	 sl_field_scan(struct sl_str text, struct sl_field *out);

/* The value unfolded (RFC 5322 2.2.3) and without blanks at its ends. */
int	 sl_field_unfold(struct sl_buf *out, struct sl_str value);
/* RFC 2047 encoded words decoded to UTF-8 (after unfolding); what can't be decoded stays. */
int	 sl_field_decode(struct sl_buf *out, struct sl_str value);

/* The other way: UTF-8 as encoded words; printable ASCII stays as it is. */
int	 sl_field_encode(struct sl_buf *out, struct sl_str text);
/* "name: value" CRLF of an edit, checked as sl_head_insert does. SL_ERR_SYNTAX, SL_ERR_NOMEM. */
int	 sl_field_write(struct sl_buf *out, struct sl_str name, struct sl_str value, bool refold,
	    struct sl_err *err);

/* Header of the head, empty line, body of m: to a sink. Returns what the sink returned if not 0. */
typedef int sl_sink(void *arg, struct sl_str piece);
int	 sl_message_write(const struct sl_message *m, const struct sl_head *head, sl_sink *sink, void *arg);
uint64_t sl_message_size(const struct sl_message *m, const struct sl_head *head);

#endif
