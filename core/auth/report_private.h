/* What the files of report.h share. */
#ifndef SL_AUTH_REPORT_PRIVATE_H
#define SL_AUTH_REPORT_PRIVATE_H

#include "report.h"

/* Gzip, zip or XML, by its first bytes. */
bool	 sl_report_is_known(struct sl_str file);

/*
 * The first part of a mail that is one of these, decoded. SL_ERR_SYNTAX: the
 * text is no mail, or has none.
 */
int	 sl_report_attachment(struct sl_buf *out, struct sl_str mail, struct sl_err *err);

#endif
