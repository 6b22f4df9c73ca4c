/*
 * Errors: a call returns 0 or a negative SL_ERR_*, and puts the words for a
 * person into a struct sl_err that the caller owns.
 */
#ifndef SL_BASE_ERR_H
#define SL_BASE_ERR_H

#include <stdarg.h>

enum sl_error {
	SL_OK = 0,
	SL_ERR_NOMEM = -1,	/* out of memory, or an account is exhausted */
	SL_ERR_SYNTAX = -2,	/* the bytes don't have the form asked for */
	SL_ERR_INVAL = -3,	/* the caller's mistake */
	SL_ERR_NOTFOUND = -4,	/* looked for, and it isn't there */
	SL_ERR_EXISTS = -5,
	SL_ERR_LIMIT = -6,	/* a cap of ours was reached */
	SL_ERR_TIMEOUT = -7,	/* our deadline passed */
	SL_ERR_IO = -8,		/* a system call failed; the text has errno's words */
	SL_ERR_CLOSED = -9,	/* the other side ended the connection */
	SL_ERR_TEMP = -10,	/* try again later: an outside service failed */
	SL_ERR_REFUSED = -11,	/* not permitted by configuration */
	SL_ERR_CANCELED = -12,
	SL_ERR_CORRUPT = -13,	/* stored bytes fail their check */
};

struct sl_err {
	int code;		/* SL_ERR_*, 0 = none */
	char text[500];		/* one line, no final newline */
};

/*
 * Sets 'err' (may be NULL) and returns 'code', so that a function can end
 * with "return sl_err_set(err, SL_ERR_SYNTAX, ...)". Control bytes in the
 * result are replaced by '?'; longer texts are cut.
 */
int	 sl_err_set(struct sl_err *err, int code, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

/* As sl_err_set with SL_ERR_IO; ": " and strerror(errno) are appended. */
int	 sl_err_errno(struct sl_err *err, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

/* Puts "prefix: " in front of a text that is set already. Returns err->code. */
int	 sl_err_prefix(struct sl_err *err, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

/* The word for a code as scripts and events see it: "timeout", "syntax". */
const char *sl_err_word(int code);

#endif
