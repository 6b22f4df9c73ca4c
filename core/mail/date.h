/* Dates of RFC 5322 3.3, with the obsolete forms of 4.3 when reading. */
#ifndef SL_MAIL_DATE_H
#define SL_MAIL_DATE_H

#include "../base/bytes.h"
#include "../base/err.h"

#define SL_DATE_SIZE	40

/*
 * "Tue, 1 Jul 2003 10:52:37 +0200". 'time' is seconds since 1970 UTC, 'offset'
 * minutes east of UTC (within a day). out has SL_DATE_SIZE bytes.
 */
const char *sl_date_format(char *out, int64_t time, int offset);
/* Minutes east of UTC that this machine's local time has at 'time'. */
int	 sl_date_local_offset(int64_t time);

/*
 * The value of a Date field: comments, folds, two-digit years, named zones
 * (those RFC 5322 4.3 doesn't know count as -0000). The day of the week is not
 * compared with the date. offset may be NULL. SL_ERR_SYNTAX otherwise.
 */
int	 sl_date_parse(struct sl_str value, int64_t *time, int *offset, struct sl_err *err);

#endif
