/* Random bytes, UUIDs, secrets in print. See random.h. */
#include "random.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>

#include "../base/err.h"
#include "digest.h"

int
sl_random_bytes(void *p, size_t n)
{
	unsigned char *at = p;

	while (n > 0) {
		int part = n > 1 << 20 ? 1 << 20 : (int)n;

		if (RAND_bytes(at, part) != 1)
			return SL_ERR_IO;
		at += part;
		n -= (size_t)part;
	}
	return 0;
}

int
sl_random_below(uint64_t below, uint64_t *out)
{
	/* Numbers under 2^64 mod below would make the small ones likelier. */
	uint64_t skip = (0 - below) % below, v;

	do {
		int r = sl_random_bytes(&v, sizeof(v));

		if (r < 0)
			return r;
	} while (v < skip);
	*out = v % below;
	return 0;
}

int
sl_uuid4(char out[SL_UUID_SIZE])
{
	uint8_t b[16];
	int r = sl_random_bytes(b, sizeof(b));

	if (r < 0) {
		out[0] = '\0';
		return r;
	}
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(out, SL_UUID_SIZE,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
	    b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	return 0;
}

bool
sl_equal_secret(struct sl_str a, struct sl_str b)
{
	return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

void
sl_secret_mark(struct sl_str secret, char out[SL_SECRET_MARK])
{
	uint8_t h[SL_DIGEST_MAX];

	if (sl_digest_of(SL_DIGEST_SHA256, secret, h) < 0)
		snprintf(out, SL_SECRET_MARK, "[secret]");
	else
		snprintf(out, SL_SECRET_MARK, "[secret sha256:%02x%02x%02x%02x]", h[0], h[1], h[2], h[3]);
}
