/* See trace.h. */
#include "trace.h"

#include <string.h>

#include "../mail/date.h"

/* Local time. */
static void
put_date(struct sl_buf *out, int64_t time_us)
{
	int64_t seconds = time_us / 1000000;
	char date[SL_DATE_SIZE];

	sl_buf_puts(out, sl_date_format(date, seconds, sl_date_local_offset(seconds)));
}

const char *
sl_smtp_protocol(bool extended, bool tls, bool authenticated, bool utf8)
{
	static const char *const plain[] = { "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA" };
	static const char *const wide[] = { "UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA" };
	int i = (tls ? 1 : 0) + (authenticated ? 2 : 0);

	if (!extended)
		return "SMTP";
	return utf8 ? wide[i] : plain[i];
}

int
sl_smtp_received(struct sl_buf *out, const struct sl_trace *t)
{
	bool six = strchr(t->ip, ':') != NULL;

	sl_buf_printf(out, "Received: from %s ([%s%s])\r\n", t->helo, six ? "IPv6:" : "", t->ip);
	sl_buf_printf(out, "\tby %s with %s id %s", t->hostname,
	    sl_smtp_protocol(t->extended, t->tls != NULL, t->authenticated, t->utf8), t->id);
	if (t->tls != NULL)
		sl_buf_printf(out, "\r\n\t(%s)", t->tls);
	if (t->recipient != NULL)
		sl_buf_printf(out, "\r\n\tfor %s", t->recipient);
	sl_buf_puts(out, ";\r\n\t");
	put_date(out, t->time_us);
	sl_buf_puts(out, "\r\n");
	return out->failed ? SL_ERR_NOMEM : 0;
}

size_t
sl_smtp_hops(const struct sl_message *m)
{
	size_t hops = 0;

	for (size_t i = 0; i < m->nfields; i++)
		hops += sl_str_ieq(m->fields[i].name, SL_STR("Received"));
	return hops;
}

/* "Name" or "Name " before a colon. */
static bool
is_field(struct sl_str line, struct sl_str name)
{
	ssize_t colon = sl_str_chr(line, ':');

	return colon >= 0 && sl_str_ieq(sl_str_trim(sl_str_sub(line, 0, (size_t)colon)), name);
}

/* The next field with its folded lines: from *at on, and moves *at behind it. */
static struct sl_str
next_field(struct sl_str header, size_t *at)
{
	size_t start = *at, end = start;
	ssize_t nl;

	do {
		nl = sl_str_find(sl_str_sub(header, end, header.n), SL_STR("\r\n"));
		end = nl >= 0 ? end + (size_t)nl + 2 : header.n;
	} while (end < header.n && (header.p[end] == ' ' || header.p[end] == '\t'));
	*at = end;
	return sl_str_sub(header, start, end);
}

int
sl_smtp_fix_header(struct sl_buf *mem, size_t header, const char *hostname, const char *id,
    int64_t time_us)
{
	struct sl_str all = sl_str_sub(sl_buf_str(mem), 0, header), field;
	struct sl_buf top = SL_BUF_INIT, rest = SL_BUF_INIT;
	bool date = false, message_id = false;
	size_t at = 0;
	int r;

	while (at < all.n) {
		field = next_field(all, &at);
		if (is_field(field, SL_STR("Bcc")))
			continue;
		date = date || is_field(field, SL_STR("Date"));
		message_id = message_id || is_field(field, SL_STR("Message-ID"));
		sl_buf_putstr(&rest, field);
	}
	if (!message_id)
		sl_buf_printf(&top, "Message-ID: <%s@%s>\r\n", id, hostname);
	if (!date) {
		sl_buf_puts(&top, "Date: ");
		put_date(&top, time_us);
		sl_buf_puts(&top, "\r\n");
	}
	sl_buf_putstr(&top, sl_buf_str(&rest));
	sl_buf_putstr(&top, sl_str_sub(sl_buf_str(mem), header, mem->n));
	r = top.failed || rest.failed ? SL_ERR_NOMEM : 0;
	sl_buf_clear(&rest);
	if (r < 0) {
		sl_buf_clear(&top);
		return r;
	}
	sl_buf_clear(mem);
	*mem = top;
	return 0;
}
