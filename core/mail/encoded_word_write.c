/* Encoded words of our own, RFC 2047 2. See message.h. */
#include "message.h"

#define WORD_BYTES	45	/* 60 digits of base64: with =?UTF-8?B? and ?= 72 of the 75 allowed */

static bool
needs_words(struct sl_str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || (unsigned char)s.p[i] > '~')
			return true;
	return sl_str_find(s, SL_STR("=?")) >= 0;
}

/* Bytes of the next word: no character of UTF-8 is cut. */
static size_t
word_length(struct sl_str s)
{
	size_t n = s.n < WORD_BYTES ? s.n : WORD_BYTES, cut = n;

	if (n == s.n)
		return n;
	while (cut > 0 && ((unsigned char)s.p[cut] & 0xc0) == 0x80)
		cut--;
	return cut > 0 ? cut : n;
}

int
sl_field_encode(struct sl_buf *out, struct sl_str text)
{
	const char *start = "=?UTF-8?B?";
	size_t n;

	if (!needs_words(text))
		return sl_buf_putstr(out, text);
	for (; text.n > 0; text = sl_str_sub(text, n, text.n)) {
		n = word_length(text);
		sl_buf_puts(out, start);
		sl_base64_encode(out, sl_str_sub(text, 0, n));
		sl_buf_puts(out, "?=");
		start = " =?UTF-8?B?";
	}
	return out->failed ? SL_ERR_NOMEM : 0;
}
