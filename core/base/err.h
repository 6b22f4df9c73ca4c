/*
 * Errors: a call returns 0 or a negative SL_ERR_*, and puts the words for a
 * person into a struct sl_err that the caller owns (types.h has both).
 */
#ifndef SL_BASE_ERR_H
#define SL_BASE_ERR_H

#include <stdarg.h>

#include "types.h"

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

#endif
