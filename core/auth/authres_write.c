/* Writing Authentication-Results. See authres.h. */
#include <stdio.h>
#include <string.h>

#include "authres.h"

#define MAX_VALUE	400
#define LINE		78

static bool
is_token(struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f ||
		    sl_str_chr(SL_STR("()<>@,;:\\\"/[]?="), s.p[i]) >= 0)
			return false;
	return s.n > 0;
}

/* Tokens with dots between. */
static bool
is_dotted(struct sl_str s)
{
	struct sl_str part;

	if (s.n == 0 || s.p[s.n - 1] == '.')
		return false;
	while (sl_str_split(&s, '.', &part))
		if (!is_token(part))
			return false;
	return true;
}

/*
 * What needs no quotes: a token, "@domain", "local@domain". pvalue allows "="
 * and "/" in a local part too, but not all who read it expect that.
 */
static bool
is_plain(struct sl_str s)
{
	ssize_t at = sl_str_chr(s, '@');

	if (at < 0)
		return is_token(s);
	return (at == 0 || is_dotted(sl_str_sub(s, 0, (size_t)at))) &&
	    is_dotted(sl_str_sub(s, (size_t)at + 1, s.n));
}

/* RFC 8601 2.2 Keyword: ldh-str of RFC 5321. */
bool
sl_authres_keyword(struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!sl_isalnum(s.p[i]) && (s.p[i] != '-' || i + 1 == s.n))
			return false;
	return s.n > 0 && s.n <= 63;
}

static void
put_escaped(struct sl_buf *out, struct sl_str s, struct sl_str special)
{
	bool valid = sl_utf8_valid(s);

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (sl_str_chr(special, s.p[i]) >= 0)
			sl_buf_putc(out, '\\');
		sl_buf_putc(out, c < ' ' || c == 0x7f || (c >= 0x80 && !valid) ? '?' : s.p[i]);
	}
}

/* Not in the middle of a character. */
static struct sl_str
cut(struct sl_str s)
{
	size_t n = MAX_VALUE;

	if (s.n <= n)
		return s;
	while (n > MAX_VALUE - 4 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return sl_str_sub(s, 0, n);
}

static void
put_value(struct sl_buf *out, struct sl_str value)
{
	value = cut(value);
	if (is_plain(value)) {
		sl_buf_putstr(out, value);
		return;
	}
	sl_buf_putc(out, '"');
	put_escaped(out, value, SL_STR("\"\\"));
	sl_buf_putc(out, '"');
}

static void
fold(struct sl_authres_writer *w)
{
	sl_buf_puts(w->out, "\r\n\t");
	w->line = w->out->n - 1;
}

/* A blank, or a fold where the line would get long. */
static void
put_space(struct sl_authres_writer *w, size_t next)
{
	if (w->out->n - w->line + 1 + next > LINE)
		fold(w);
	else
		sl_buf_putc(w->out, ' ');
}

void
sl_authres_begin(struct sl_authres_writer *w, struct sl_buf *out, const char *authserv_id)
{
	*w = (struct sl_authres_writer){ .out = out, .line = out->n };
	put_value(out, sl_str_of(authserv_id));
}

void
sl_authres_result(struct sl_authres_writer *w, const char *method, const char *result,
    const char *comment)
{
	struct sl_str text = cut(sl_str_of(comment));

	w->results++;
	sl_buf_putc(w->out, ';');
	fold(w);
	sl_buf_printf(w->out, "%s=%s", method, result);
	if (text.n == 0)
		return;
	put_space(w, text.n + 2);
	sl_buf_putc(w->out, '(');
	put_escaped(w->out, text, SL_STR("()\\"));
	sl_buf_putc(w->out, ')');
}

void
sl_authres_property(struct sl_authres_writer *w, const char *ptype, const char *property,
    struct sl_str value)
{
	if (value.n == 0)
		return;
	put_space(w, strlen(ptype) + strlen(property) + value.n + 2);
	sl_buf_printf(w->out, "%s.%s=", ptype, property);
	put_value(w->out, value);
}

int
sl_authres_end(struct sl_authres_writer *w)
{
	if (w->results == 0)
		sl_buf_puts(w->out, "; none");
	return w->out->failed ? SL_ERR_NOMEM : 0;
}

/* ---- results -------------------------------------------------------------------- */

/* RFC 8601 2.7.2. The HELO identity is postmaster@ the name, also where that is no domain. */
void
sl_authres_spf(struct sl_authres_writer *w, const struct sl_spf_result *r)
{
	struct sl_str sender = sl_str_of(r->sender);

	sl_authres_result(w, "spf", sl_spf_status_word(r->status), r->reason);
	if (r->identity == SL_SPF_HELO)
		sl_authres_property(w, "smtp", "helo",
		    sl_str_sub(sender, (size_t)(sl_str_chr(sender, '@') + 1), sender.n));
	else
		sl_authres_property(w, "smtp", "mailfrom", sender);
}

/* RFC 8601 2.7.1, RFC 6008 */
void
sl_authres_dkim(struct sl_authres_writer *w, const struct sl_dkim_result *r)
{
	sl_authres_result(w, "dkim", sl_dkim_status_word(r->status), r->reason);
	sl_authres_property(w, "header", "d", sl_str_of(r->domain));
	sl_authres_property(w, "header", "s", sl_str_of(r->selector));
	sl_authres_property(w, "header", "i", sl_str_of(r->identity));
	sl_authres_property(w, "header", "a", sl_str_of(sl_dkim_algorithm_word(r->algorithm)));
	sl_authres_property(w, "header", "b", sl_str_of(r->b));
}

const char *
sl_authres_dmarc_word(enum sl_dmarc_status status)
{
	switch (status) {
	case SL_DMARC_NONE:
	case SL_DMARC_QUARANTINE:
	case SL_DMARC_REJECT:
		return "fail";
	case SL_DMARC_POLICY_ABSENT:
		return "none";
	default:
		return sl_dmarc_status_word(status);
	}
}

/* RFC 9989 9.1: the policy after t= or pct=. */
void
sl_authres_dmarc(struct sl_authres_writer *w, const struct sl_dmarc_details *d)
{
	bool failed = strcmp(sl_authres_dmarc_word(d->status), "fail") == 0;

	sl_authres_result(w, "dmarc", sl_authres_dmarc_word(d->status), d->reason);
	sl_authres_property(w, "header", "from", sl_str_of(d->from));
	if (d->policy >= SL_DMARC_P_NONE)
		sl_authres_property(w, "policy", "dmarc", sl_str_of(failed ?
		    sl_dmarc_status_word(d->status) : sl_dmarc_policy_word(d->policy)));
}

/* RFC 8617 10.1 */
void
sl_authres_arc(struct sl_authres_writer *w, const struct sl_arc_result *r)
{
	char oldest[8];

	snprintf(oldest, sizeof(oldest), "%u", r->oldest_pass);
	sl_authres_result(w, "arc", sl_arc_status_word(r->status), r->reason);
	if (r->status == SL_ARC_PASS)
		sl_authres_property(w, "header", "oldest-pass", sl_str_of(oldest));
}

/* RFC 8601 2.7.4 */
void
sl_authres_auth(struct sl_authres_writer *w, const char *mechanism, const char *user)
{
	sl_authres_result(w, "auth", "pass", mechanism);
	sl_authres_property(w, "smtp", "auth", sl_str_of(user));
}
