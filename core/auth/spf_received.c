/* Words of SPF, and the Received-SPF field (RFC 7208 9.1). */
#include <string.h>

#include "spf_private.h"

const char *
sl_spf_status_word(enum sl_spf_status status)
{
	static const char *const words[] = {
		[SL_SPF_NONE] = "none", [SL_SPF_NEUTRAL] = "neutral", [SL_SPF_PASS] = "pass",
		[SL_SPF_FAIL] = "fail", [SL_SPF_SOFTFAIL] = "softfail",
		[SL_SPF_TEMPERROR] = "temperror", [SL_SPF_PERMERROR] = "permerror",
	};

	return words[status];
}

static bool
is_dot_atom(const char *s)
{
	bool dot = true;

	for (; *s != '\0'; s++) {
		if (*s == '.' && dot)
			return false;
		dot = *s == '.';
		if (!dot && !sl_isalnum(*s) && strchr("!#$%&'*+-/=?^_`{|}~", *s) == NULL)
			return false;
	}
	return !dot;
}

/* Inside quotes or a comment: 'special' gets a backslash, controls become '?'. */
static void
put_quoted(struct sl_buf *out, const char *s, const char *special)
{
	for (; *s != '\0'; s++) {
		if (strchr(special, *s) != NULL)
			sl_buf_putc(out, '\\');
		sl_buf_putc(out, (unsigned char)*s < ' ' || *s == 0x7f ? '?' : *s);
	}
}

static void
put_pair(struct sl_buf *out, const char *key, const char *value)
{
	if (value[0] == '\0')
		return;
	sl_buf_printf(out, "\r\n\t%s=", key);
	if (is_dot_atom(value)) {
		sl_buf_puts(out, value);
	} else {
		sl_buf_putc(out, '"');
		put_quoted(out, value, "\"\\");
		sl_buf_putc(out, '"');
	}
	sl_buf_putc(out, ';');
}

static void
put_comment(struct sl_buf *out, const struct sl_spf_result *r, const struct sl_spf_facts *f)
{
	static const char *const says[] = {
		[SL_SPF_NONE] = "does not say who sends for it to",
		[SL_SPF_NEUTRAL] = "says nothing about",
		[SL_SPF_PASS] = "designates as permitted sender",
		[SL_SPF_FAIL] = "does not designate as permitted sender",
		[SL_SPF_SOFTFAIL] = "does not quite designate as permitted sender",
		[SL_SPF_TEMPERROR] = "could not be asked about", [SL_SPF_PERMERROR] = "has an error for",
	};

	sl_buf_puts(out, " (");
	put_quoted(out, f->receiver, "()\\");
	sl_buf_puts(out, ": domain of ");
	put_quoted(out, r->sender, "()\\");
	sl_buf_printf(out, " %s %s)", says[r->status], f->ip);
}

int
sl_spf_received(struct sl_buf *out, const struct sl_spf *spf)
{
	const struct sl_spf_result *r = sl_spf_result(spf);
	struct sl_spf_facts f;
	char ip[64];

	sl_spf_get_facts(spf, &f, ip);
	sl_buf_puts(out, sl_spf_status_word(r->status));
	put_comment(out, r, &f);
	put_pair(out, "receiver", f.receiver);
	put_pair(out, "client-ip", f.ip);
	put_pair(out, "envelope-from", r->identity == SL_SPF_MAILFROM ? f.envelope : "");
	put_pair(out, "helo", f.helo);
	put_pair(out, "identity", r->identity == SL_SPF_HELO ? "helo" : "mailfrom");
	put_pair(out, "mechanism", r->mechanism);
	put_pair(out, "problem", r->reason);
	return out->failed ? SL_ERR_NOMEM : 0;
}
