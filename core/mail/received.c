/* The trace field Received: see received.h. */
#include "received.h"

#include <string.h>

#include "date.h"

#define MAX_TOKEN	255

/* Characters that need no quoting anywhere in the field and end no part of it. */
static bool
is_plain(char c)
{
	return sl_isalnum(c) || (unsigned char)c > 127 ||
	    (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.:@[]", c) != NULL);
}

static void
put_token(struct sl_buf *out, const char *s)
{
	size_t n = 0;

	if (s == NULL || s[0] == '\0' || !sl_utf8_valid(sl_str_of(s)))
		s = "unknown";
	for (; s[n] != '\0' && n < MAX_TOKEN; n++)
		sl_buf_putc(out, is_plain(s[n]) ? s[n] : '?');
}

static void
put_ip(struct sl_buf *out, const char *ip)
{
	sl_buf_puts(out, ip != NULL && strchr(ip, ':') != NULL ? "[IPv6:" : "[");
	put_token(out, ip);
	sl_buf_puts(out, "]");
}

static void
put_for(struct sl_buf *out, const char *recipient)
{
	/* A quoted local part may hold what is_plain refuses: leave the clause out. */
	for (const char *p = recipient; p != NULL && *p != '\0'; p++) {
		if (!is_plain(*p))
			return;
	}
	if (recipient != NULL && recipient[0] != '\0') {
		sl_buf_puts(out, "\r\n\tfor <");
		put_token(out, recipient);
		sl_buf_puts(out, ">");
	}
}

int
sl_received_format(struct sl_buf *out, const struct sl_received *r)
{
	char date[SL_DATE_SIZE];

	sl_buf_puts(out, "from ");
	put_token(out, r->helo);
	sl_buf_puts(out, " (");
	put_token(out, r->host);
	sl_buf_puts(out, " ");
	put_ip(out, r->ip);
	sl_buf_puts(out, ")\r\n\tby ");
	put_token(out, r->by);
	sl_buf_puts(out, " (sluice) with ");
	put_token(out, r->with);
	sl_buf_puts(out, " id ");
	put_token(out, r->id);
	if (r->tls != NULL) {
		sl_buf_puts(out, "\r\n\t(");
		for (const char *p = r->tls; *p != '\0'; p++)
			sl_buf_putc(out, is_plain(*p) || *p == ' ' ? *p : '?');
		sl_buf_puts(out, ")");
	}
	put_for(out, r->recipient);
	sl_buf_puts(out, ";\r\n\t");
	sl_buf_puts(out, sl_date_format(date, r->time, r->offset));
	return out->failed ? SL_ERR_NOMEM : 0;
}

size_t
sl_received_count(const struct sl_message *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->nfields; i++)
		n += sl_str_ieq(m->fields[i].name, SL_STR("Received"));
	return n;
}
