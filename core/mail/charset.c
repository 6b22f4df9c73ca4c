/*
 * Charsets to UTF-8. The four that matter have tables here; for others libc's
 * iconv(3) is asked, and only for names on a list: the name comes from the
 * network, and iconv loads code by it.
 */
#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "field.h"

/* 0x80-0x9f of windows-1252; 0 = not assigned. */
static const uint16_t windows_1252[32] = {
	0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
	0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017d, 0,
	0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
	0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178,
};

static unsigned
from_windows_1252(unsigned char c)
{
	return c >= 0x80 && c < 0xa0 ? windows_1252[c - 0x80] : c;
}

static unsigned
from_latin1(unsigned char c)
{
	return c;
}

static unsigned
from_latin9(unsigned char c)
{
	switch (c) {
	case 0xa4: return 0x20ac;
	case 0xa6: return 0x160;
	case 0xa8: return 0x161;
	case 0xb4: return 0x17d;
	case 0xb8: return 0x17e;
	case 0xbc: return 0x152;
	case 0xbd: return 0x153;
	case 0xbe: return 0x178;
	default: return c;
	}
}

static const struct {
	const char *name;
	unsigned (*from)(unsigned char c);	/* NULL: UTF-8, of which ASCII is a part */
} own[] = {
	{ "utf-8", NULL },
	{ "utf8", NULL },
	{ "us-ascii", NULL },
	{ "ascii", NULL },
	{ "iso-8859-1", from_latin1 },
	{ "latin1", from_latin1 },
	{ "iso-8859-15", from_latin9 },
	{ "windows-1252", from_windows_1252 },
	{ "cp1252", from_windows_1252 },
};

/* With a '*' at the end: any digits there. */
static const char *const foreign[] = {
	"iso-8859-*", "windows-*", "cp*", "ibm*", "koi8-r", "koi8-u", "gb2312", "gbk", "gb18030",
	"big5", "big5-hkscs", "euc-kr", "euc-jp", "euc-tw", "ks_c_5601-1987", "iso-2022-jp",
	"iso-2022-kr", "shift_jis", "sjis", "tis-620", "macintosh", "utf-7", "utf-16", "utf-16le",
	"utf-16be", "hz-gb-2312", "viscii", "tcvn", "johab", "georgian-ps", "armscii-8",
};

static void
put_utf8(struct sl_buf *out, unsigned c)
{
	if (c < 0x80) {
		sl_buf_putc(out, (char)c);
		return;
	}
	if (c >= 0x800) {
		sl_buf_putc(out, (char)(0xe0 | c >> 12));
		sl_buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
	} else {
		sl_buf_putc(out, (char)(0xc0 | c >> 6));
	}
	sl_buf_putc(out, (char)(0x80 | (c & 0x3f)));
}

static int
from_single_bytes(struct sl_buf *out, unsigned (*from)(unsigned char), struct sl_str in)
{
	unsigned c;

	for (size_t i = 0; i < in.n; i++) {
		c = from((unsigned char)in.p[i]);
		if (c == 0 && in.p[i] != '\0')
			return SL_ERR_SYNTAX;
		put_utf8(out, c);
	}
	return out->failed ? SL_ERR_NOMEM : 0;
}

static bool
matches(struct sl_str name, struct sl_str pattern)
{
	if (!sl_str_ends(pattern, SL_STR("*")))
		return sl_str_ieq(name, pattern);
	pattern.n--;
	if (name.n > pattern.n + 5 || !sl_str_istarts(name, pattern))
		return false;
	for (size_t i = pattern.n; i < name.n; i++) {
		if (!sl_isdigit(name.p[i]))
			return false;
	}
	return name.n > pattern.n;
}

static int
convert(struct sl_buf *out, iconv_t cd, struct sl_str in)
{
	char piece[512], *to;
	/* iconv doesn't write to its input. */
	char *from = (char *)in.p;
	size_t left = in.n, room;

	for (;;) {
		to = piece;
		room = sizeof(piece);
		size_t r = iconv(cd, left > 0 ? &from : NULL, &left, &to, &room);
		int error = errno;

		sl_buf_put(out, piece, sizeof(piece) - room);
		if (r == (size_t)-1 && error != E2BIG)
			return SL_ERR_SYNTAX;
		/* Once more without input at the end: shift states. */
		if (r != (size_t)-1 && from == in.p + in.n)
			break;
	}
	return out->failed ? SL_ERR_NOMEM : 0;
}

static int
from_foreign(struct sl_buf *out, struct sl_str charset, struct sl_str in)
{
	char name[48];
	iconv_t cd;
	int r;

	memcpy(name, charset.p, charset.n);
	name[charset.n] = '\0';
	cd = iconv_open("UTF-8", name);
	if (cd == (iconv_t)-1)
		return SL_ERR_NOTFOUND;
	r = convert(out, cd, in);
	iconv_close(cd);
	return r;
}

static int
to_utf8(struct sl_buf *out, struct sl_str charset, struct sl_str in)
{
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (!sl_str_ieq(charset, sl_str_of(own[i].name)))
			continue;
		if (own[i].from != NULL)
			return from_single_bytes(out, own[i].from, in);
		return sl_utf8_valid(in) ? sl_buf_putstr(out, in) : SL_ERR_SYNTAX;
	}
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		if (charset.n < 48 && matches(charset, sl_str_of(foreign[i])))
			return from_foreign(out, charset, in);
	}
	return SL_ERR_NOTFOUND;
}

int
sl_charset_to_utf8(struct sl_buf *out, struct sl_str charset, struct sl_str in)
{
	size_t before = out->n;
	int r = to_utf8(out, charset, in);

	if (r < 0 && out->p != NULL) {
		out->n = before;
		out->p[before] = '\0';
	}
	return r;
}
