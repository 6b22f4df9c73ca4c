/* Base64 and quoted-printable of parts. See transfer.h. */
#include "transfer.h"

#include <string.h>

#include "param.h"

#define MAX_LINE	76	/* RFC 2045 6.7, 6.8 */

enum sl_encoding
sl_encoding_of(struct sl_str value)
{
	static const struct { const char *name; enum sl_encoding encoding; } known[] = {
		{ "7bit", SL_ENCODING_NONE }, { "8bit", SL_ENCODING_NONE },
		{ "binary", SL_ENCODING_NONE }, { "base64", SL_ENCODING_BASE64 },
		{ "quoted-printable", SL_ENCODING_QP },
	};
	struct sl_params ps;

	sl_params_parse(&ps, value);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (sl_str_ieq(ps.type, sl_str_of(known[i].name)))
			return known[i].encoding;
	return SL_ENCODING_UNKNOWN;
}

void
sl_transfer_start(struct sl_transfer *t, enum sl_encoding encoding, struct sl_str text)
{
	*t = (struct sl_transfer){ .encoding = encoding, .rest = text };
}

/* ---- base64 -------------------------------------------------------------- */

static int
digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (sl_isdigit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The bytes of a group of fewer than four digits; a single one makes none. */
static void
flush_group(struct sl_transfer *t, struct sl_buf *out)
{
	if (t->digits == 1)
		t->broken = true;
	if (t->digits >= 2)
		sl_buf_putc(out, (char)(t->bits >> (t->digits * 6 - 8)));
	if (t->digits == 3)
		sl_buf_putc(out, (char)(t->bits >> 2));
	t->bits = 0;
	t->digits = 0;
}

static void
put_digit(struct sl_transfer *t, struct sl_buf *out, int d)
{
	if (t->padded)
		t->broken = true;
	t->padded = false;
	t->bits = t->bits << 6 | (uint32_t)d;
	if (++t->digits < 4)
		return;
	sl_buf_putc(out, (char)(t->bits >> 16));
	sl_buf_putc(out, (char)(t->bits >> 8));
	sl_buf_putc(out, (char)t->bits);
	t->bits = 0;
	t->digits = 0;
}

static void
read_base64(struct sl_transfer *t, struct sl_buf *out, size_t until)
{
	size_t i;
	int d;

	for (i = 0; i < t->rest.n && out->n < until; i++) {
		d = digit_value(t->rest.p[i]);
		if (d >= 0) {
			put_digit(t, out, d);
		} else if (t->rest.p[i] == '=') {
			if (t->digits == 0 && !t->padded)
				t->broken = true;
			flush_group(t, out);
			t->padded = true;
		} else if (!sl_isspace(t->rest.p[i])) {
			t->broken = true;
		}
	}
	t->rest = sl_str_sub(t->rest, i, t->rest.n);
	if (t->rest.n == 0 && t->digits > 0) {
		t->broken = true;
		flush_group(t, out);
	}
}

/* ---- quoted-printable ---------------------------------------------------- */

/* Blanks in front of a line end, which don't count (6.7, rule 3): their length, else 0;
 * *blanks gets how many there are in any case, so that they are looked at once. */
static size_t
trailing(struct sl_str s, size_t *blanks)
{
	size_t i = 0;

	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
		i++;
	*blanks = i;
	return i == s.n || s.p[i] == '\r' || s.p[i] == '\n' ? i : 0;
}

/* What "=" and what follows it stands for; the length read. */
static size_t
read_escape(struct sl_transfer *t, struct sl_buf *out, struct sl_str s)
{
	int hi = s.n > 1 ? sl_hex_value(s.p[1]) : -1, lo = s.n > 2 ? sl_hex_value(s.p[2]) : -1;
	struct sl_str tail = sl_str_sub(s, 1, s.n);
	size_t blanks, n;

	if (hi >= 0 && lo >= 0) {
		sl_buf_putc(out, (char)(hi << 4 | lo));
		return 3;
	}
	n = 1 + trailing(tail, &blanks);
	if (n == s.n)
		return n;
	if (s.p[n] == '\n')
		return n + 1;
	if (s.p[n] == '\r' && n + 1 < s.n && s.p[n + 1] == '\n')
		return n + 2;
	t->broken = true;
	sl_buf_putc(out, '=');
	return 1;
}

static void
read_qp(struct sl_transfer *t, struct sl_buf *out, size_t until)
{
	struct sl_str s = t->rest;
	size_t i = 0, blanks, n;

	while (i < s.n && out->n < until) {
		if (s.p[i] == '=') {
			i += read_escape(t, out, sl_str_sub(s, i, s.n));
		} else if (t->blanks > 0) {
			n = t->blanks < until - out->n ? t->blanks : until - out->n;
			sl_buf_put(out, s.p + i, n);
			t->blanks -= n;
			i += n;
		} else if (s.p[i] == ' ' || s.p[i] == '\t') {
			n = trailing(sl_str_sub(s, i, s.n), &blanks);
			i += n;
			t->blanks = n > 0 ? 0 : blanks;
		} else {
			sl_buf_putc(out, s.p[i++]);
		}
		if (out->failed)
			break;
	}
	t->rest = sl_str_sub(s, i, s.n);
}

int
sl_transfer_read(struct sl_transfer *t, struct sl_buf *out, size_t max)
{
	size_t n;

	switch (t->encoding) {
	case SL_ENCODING_BASE64:
		read_base64(t, out, out->n + max);
		break;
	case SL_ENCODING_QP:
		read_qp(t, out, out->n + max);
		break;
	default:
		n = t->rest.n < max ? t->rest.n : max;
		sl_buf_put(out, t->rest.p, n);
		t->rest = sl_str_sub(t->rest, n, t->rest.n);
	}
	if (out->failed)
		return SL_ERR_NOMEM;
	return t->rest.n > 0;
}

/* ---- encoding ------------------------------------------------------------ */

int
sl_transfer_base64(struct sl_buf *out, struct sl_str in)
{
	const size_t line = MAX_LINE / 4 * 3;

	for (size_t i = 0; i < in.n && !out->failed; i += line) {
		sl_base64_encode(out, sl_str_sub(in, i, i + line));
		sl_buf_puts(out, "\r\n");
	}
	return out->failed ? SL_ERR_NOMEM : 0;
}

/* Whether the byte can stand for itself; blanks only inside a line. */
static bool
is_plain(struct sl_str in, size_t i)
{
	unsigned char c = (unsigned char)in.p[i];

	if (c == ' ' || c == '\t')
		return i + 1 < in.n && in.p[i + 1] != '\r' && in.p[i + 1] != '\n';
	return c > 32 && c < 127 && c != '=';
}

int
sl_transfer_qp(struct sl_buf *out, struct sl_str in)
{
	size_t column = 0, width;

	for (size_t i = 0; i < in.n && !out->failed; i++) {
		if (in.p[i] == '\n' || (in.p[i] == '\r' && i + 1 < in.n && in.p[i + 1] == '\n')) {
			i += in.p[i] == '\r';
			sl_buf_puts(out, "\r\n");
			column = 0;
			continue;
		}
		width = is_plain(in, i) ? 1 : 3;
		if (column + width > MAX_LINE - 1) {
			sl_buf_puts(out, "=\r\n");
			column = 0;
		}
		column += width;
		if (width == 1)
			sl_buf_putc(out, in.p[i]);
		else
			sl_buf_printf(out, "=%02X", (unsigned)(unsigned char)in.p[i]);
	}
	return out->failed ? SL_ERR_NOMEM : 0;
}
