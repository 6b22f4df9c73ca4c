/* See server_reply.h. */
#include "server_reply.h"

#define MAX_TEXT 450

static void
put_text(struct sl_buf *out, const char *text, bool utf8)
{
	struct sl_str s = sl_str_of(text);
	bool valid = utf8 && sl_utf8_valid(s);
	size_t n = s.n;

	if (n > MAX_TEXT) {
		n = MAX_TEXT;
		while (n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
			n--;
	}
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' || c == 0x7f)
			c = ' ';
		else if (c > 0x7f && !valid)
			c = '?';
		sl_buf_putc(out, (char)c);
	}
}

int
sl_smtp_reply_put(struct sl_buf *out, int code, const char *enhanced, const char *const *lines,
    size_t n, bool utf8)
{
	static const char *const nothing[] = { "" };

	if (n == 0) {
		lines = nothing;
		n = 1;
	}
	for (size_t i = 0; i < n; i++) {
		sl_buf_printf(out, "%03d%c", code, i + 1 < n ? '-' : ' ');
		if (enhanced[0] != '\0')
			sl_buf_printf(out, "%s ", enhanced);
		put_text(out, lines[i], utf8);
		sl_buf_puts(out, "\r\n");
	}
	return out->failed ? -1 : 0;
}
