/* See trace.h. */
#include "trace.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int
sl_smtp_date(struct sl_buf *out, int64_t time_us)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t t = (time_t)(time_us / 1000000);
	struct tm tm;
	long minutes, off;

	localtime_r(&t, &tm);
	minutes = tm.tm_gmtoff / 60;
	off = minutes < 0 ? -minutes : minutes;
	return sl_buf_printf(out, "%.3s, %02d %.3s %04d %02d:%02d:%02d %c%02ld%02ld",
	    days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900,
	    tm.tm_hour, tm.tm_min, tm.tm_sec, minutes < 0 ? '-' : '+', off / 60, off % 60);
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
	sl_smtp_date(out, t->time_us);
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
		sl_smtp_date(&top, time_us);
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
