/*
 * The three parts of a notification: words for a person, fields for a program,
 * and the header of what it is about. The body of the original isn't sent
 * back: whoever forged the sender would have us deliver it.
 */
#include "dsn.h"

#include "../mail/date.h"

/* What a host said goes into our message: one line, printable ASCII. */
static void
put_safe(struct sl_buf *out, const char *s)
{
	for (; s != NULL && *s != '\0'; s++)
		sl_buf_putc(out, *s >= ' ' && *s < 0x7f ? *s : '?');
}

static void
put_date(struct sl_buf *out, const char *name, int64_t seconds)
{
	char date[SL_DATE_SIZE];

	sl_date_format(date, seconds, 0);
	sl_buf_printf(out, "%s: %s\r\n", name, date);
}

/* RFC 3464 2.3.4: X.Y.Z of the last result, which may be a temporary one (4.4.7). */
static const char *
status_of(const struct sl_dsn *d)
{
	const char *e = d->enhanced != NULL ? d->enhanced : "";

	if ((e[0] == '4' || e[0] == '5') && e[1] == '.')
		return e;
	return d->code / 100 == 5 ? "5.0.0" : "4.4.7";
}

static void
put_diagnostic(struct sl_buf *out, const struct sl_dsn *d)
{
	/* What no host said has no SMTP code: a type of our own (2.1.2). */
	if (d->code != 0)
		sl_buf_printf(out, "Diagnostic-Code: smtp; %d ", d->code);
	else
		sl_buf_puts(out, "Diagnostic-Code: x-sluice; ");
	if (d->enhanced != NULL && d->enhanced[0] != '\0') {
		put_safe(out, d->enhanced);
		sl_buf_putc(out, ' ');
	}
	put_safe(out, d->text);
	sl_buf_puts(out, "\r\n");
}

static void
put_status(struct sl_buf *out, const struct sl_dsn *d)
{
	sl_buf_printf(out, "Reporting-MTA: dns; %s\r\nX-Sluice-Queue-ID: %s\r\n", d->hostname,
	    d->original_id);
	put_date(out, "Arrival-Date", d->received);
	sl_buf_puts(out, "\r\nFinal-Recipient: rfc822; ");
	put_safe(out, d->recipient);
	sl_buf_puts(out, "\r\nAction: failed\r\nStatus: ");
	put_safe(out, status_of(d));
	sl_buf_puts(out, "\r\n");
	if (d->host != NULL && d->host[0] != '\0') {
		sl_buf_puts(out, "Remote-MTA: dns; ");
		put_safe(out, d->host);
		sl_buf_puts(out, "\r\n");
	}
	put_diagnostic(out, d);
	put_date(out, "Last-Attempt-Date", d->now);
	sl_buf_puts(out, "\r\n");
}

static void
put_words(struct sl_buf *out, const struct sl_dsn *d)
{
	sl_buf_printf(out, "This is the mail system of %s.\r\n\r\nYour message could not be "
	    "delivered to\r\n\r\n    ", d->hostname);
	put_safe(out, d->recipient);
	sl_buf_puts(out, "\r\n\r\nand won't be tried again. The last result was\r\n\r\n    ");
	if (d->code != 0)
		sl_buf_printf(out, "%d ", d->code);
	put_safe(out, d->enhanced);
	sl_buf_putc(out, ' ');
	put_safe(out, d->text);
	sl_buf_puts(out, "\r\n\r\n");
}

int
sl_dsn_write(struct sl_buf *out, const struct sl_dsn *d)
{
	bool headed = d->header.n > 0;

	sl_buf_printf(out, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\nTo: <", d->hostname);
	put_safe(out, d->sender);
	sl_buf_puts(out, ">\r\nSubject: Undelivered mail returned to sender\r\n");
	put_date(out, "Date", d->now);
	sl_buf_printf(out, "Message-ID: <%s@%s>\r\nAuto-Submitted: auto-replied\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n"
	    "\tboundary=\"%s\"\r\n\r\n", d->id, d->hostname, d->id);
	sl_buf_printf(out, "--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n", d->id);
	put_words(out, d);
	sl_buf_printf(out, "--%s\r\nContent-Type: message/delivery-status\r\n\r\n", d->id);
	put_status(out, d);
	if (headed) {
		sl_buf_printf(out, "--%s\r\nContent-Type: text/rfc822-headers\r\n"
		    "Content-Transfer-Encoding: 8bit\r\n\r\n", d->id);
		sl_buf_putstr(out, d->header);
		sl_buf_puts(out, "\r\n");
	}
	sl_buf_printf(out, "--%s--\r\n", d->id);
	return out->failed ? SL_ERR_NOMEM : 0;
}
