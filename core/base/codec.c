/* Base64, hex, CRC-32C. See bytes.h. */
#include "bytes.h"

#include <string.h>

#include "err.h"

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int
sl_base64_encode(struct sl_buf *out, struct sl_str in)
{
	const unsigned char *p = (const unsigned char *)in.p;
	size_t i, groups = in.n / 3 + (in.n % 3 != 0);
	int r = sl_buf_reserve(out, groups * 4);
	char *o;

	if (r < 0)
		return r;
	o = out->p + out->n;
	for (i = 0; i < in.n; i += 3, o += 4) {
		size_t left = in.n - i;
		uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
		    (left > 2 ? p[i + 2] : 0u);

		o[0] = base64_digits[v >> 18];
		o[1] = base64_digits[v >> 12 & 63];
		o[2] = left > 1 ? base64_digits[v >> 6 & 63] : '=';
		o[3] = left > 2 ? base64_digits[v & 63] : '=';
	}
	out->n += groups * 4;
	out->p[out->n] = '\0';
	return 0;
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Strict: whole groups, padding only at the end, unused bits zero. */
int
sl_base64_decode(struct sl_buf *out, struct sl_str in, bool skip_space)
{
	size_t start = out->n, digits = 0, pads = 0;
	uint32_t v = 0;
	int r = sl_buf_reserve(out, in.n / 4 * 3 + 3);

	if (r < 0)
		return r;
	for (size_t i = 0; i < in.n; i++) {
		int d = base64_value(in.p[i]);

		if (d < 0 && skip_space && sl_isspace(in.p[i]))
			continue;
		if (d < 0 && in.p[i] == '=' && pads < 2) {
			pads++;
			continue;
		}
		if (d < 0 || pads > 0)
			goto bad;
		v = v << 6 | (uint32_t)d;
		if (++digits % 4 == 0) {
			out->p[out->n++] = (char)(v >> 16);
			out->p[out->n++] = (char)(v >> 8);
			out->p[out->n++] = (char)v;
			v = 0;
		}
	}
	if ((digits + pads) % 4 != 0)
		goto bad;
	if (pads == 1) {
		if ((v & 3) != 0)
			goto bad;
		out->p[out->n++] = (char)(v >> 10);
		out->p[out->n++] = (char)(v >> 2);
	} else if (pads == 2) {
		if ((v & 15) != 0)
			goto bad;
		out->p[out->n++] = (char)(v >> 4);
	}
	out->p[out->n] = '\0';
	return 0;
bad:
	out->n = start;
	out->p[out->n] = '\0';
	return SL_ERR_SYNTAX;
}

int
sl_hex_encode(struct sl_buf *out, struct sl_str in)
{
	static const char digits[] = "0123456789abcdef";
	int r = in.n > SIZE_MAX / 2 ? SL_ERR_LIMIT : sl_buf_reserve(out, in.n * 2);

	if (r < 0)
		return r;
	for (size_t i = 0; i < in.n; i++) {
		out->p[out->n++] = digits[(unsigned char)in.p[i] >> 4];
		out->p[out->n++] = digits[(unsigned char)in.p[i] & 15];
	}
	out->p[out->n] = '\0';
	return 0;
}

int
sl_hex_value(char c)
{
	if (sl_isdigit(c))
		return c - '0';
	c = sl_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
sl_hex_decode(struct sl_buf *out, struct sl_str in)
{
	size_t start = out->n;
	int r = in.n % 2 != 0 ? SL_ERR_SYNTAX : sl_buf_reserve(out, in.n / 2);

	if (r < 0)
		return r;
	for (size_t i = 0; i < in.n; i += 2) {
		int hi = sl_hex_value(in.p[i]), lo = sl_hex_value(in.p[i + 1]);

		if (hi < 0 || lo < 0) {
			out->n = start;
			out->p[out->n] = '\0';
			return SL_ERR_SYNTAX;
		}
		out->p[out->n++] = (char)(hi << 4 | lo);
	}
	out->p[out->n] = '\0';
	return 0;
}

/*
 * CRC-32C (Castagnoli, reflected 0x82f63b78): with the processor's
 * instruction where there is one, otherwise by a table made on first use.
 */
static uint32_t
crc_table(uint32_t crc, const unsigned char *p, size_t n)
{
	static uint32_t table[256];
	static int ready;

	/* Two threads may both fill it, with the same values. */
	if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) {
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t c = i;

			for (int k = 0; k < 8; k++)
				c = c >> 1 ^ (c & 1 ? 0x82f63b78u : 0);
			__atomic_store_n(&table[i], c, __ATOMIC_RELAXED);
		}
		__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
	}
	while (n-- > 0)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 255];
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc_sse42(uint32_t crc, const unsigned char *p, size_t n)
{
	uint64_t wide = crc, word;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t)wide;
	while (n-- > 0)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return crc;
}

uint32_t
sl_crc32c(uint32_t crc, const void *p, size_t n)
{
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc_sse42(~crc, p, n);
	return ~crc_table(~crc, p, n);
}
#else
uint32_t
sl_crc32c(uint32_t crc, const void *p, size_t n)
{
	return ~crc_table(~crc, p, n);
}
#endif
