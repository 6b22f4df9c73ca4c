/*
 * The types that cross every border of sluice, the one to a host program
 * included: views of bytes, errors, levels of events. Installed with sluice.h.
 */
#ifndef SL_BASE_TYPES_H
#define SL_BASE_TYPES_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A view: borrowed bytes, not terminated. */
struct sl_str {
	const char *p;
	size_t n;
};
struct sl_str	 sl_str_of(const char *s);	/* NULL gives the empty view */

/* What calls return: 0, or one of the negative ones. */
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
/* The word for a code as scripts and events see it: "timeout", "syntax". */
const char	*sl_err_word(int code);

/* The words for a person; memory of the caller, who may give NULL instead. */
struct sl_err {
	int code;		/* SL_ERR_*, 0 = none */
	char text[500];		/* one line, no final newline */
};

/* How much an event matters. TRACE: each builtin called, each question asked. */
enum sl_level { SL_TRACE = -1, SL_DEBUG, SL_INFO, SL_NOTICE, SL_WARNING, SL_ERROR, SL_CRITICAL };
const char	*sl_level_word(enum sl_level level);	/* "debug" ... */

#ifdef __cplusplus
}
#endif

#endif
