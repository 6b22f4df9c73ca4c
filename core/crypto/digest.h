/*
 * Digests over OpenSSL: streaming, one-shot and HMAC. The algorithms are
 * fetched once per process (a fetch per use costs more than hashing a mail).
 */
#ifndef SL_CRYPTO_DIGEST_H
#define SL_CRYPTO_DIGEST_H

#include "../base/bytes.h"

enum sl_digest_alg {
	SL_DIGEST_SHA256,
	SL_DIGEST_SHA1,
	SL_DIGEST_SHA384,
	SL_DIGEST_SHA512,
	SL_DIGEST_MD5,
};

#define SL_DIGEST_MAX	64	/* bytes of the longest */

/* 'failed' is sticky, so that only the end needs a check. */
struct sl_digest {
	void *ctx;
	bool failed;
};

size_t	 sl_digest_size(enum sl_digest_alg alg);
/* "sha256" ... */
const char *sl_digest_word(enum sl_digest_alg alg);

/* Every init needs a clear, also after a failure. May be called again after a final. */
int	 sl_digest_init(struct sl_digest *d, enum sl_digest_alg alg);
void	 sl_digest_update(struct sl_digest *d, const void *p, size_t n);
/* Writes sl_digest_size(alg) bytes; 0 or SL_ERR_NOMEM. */
int	 sl_digest_final(struct sl_digest *d, uint8_t *out);
void	 sl_digest_clear(struct sl_digest *d);
/* 'to' goes on from where 'from' is; both were initialised, 'from' isn't changed. */
void	 sl_digest_copy(struct sl_digest *to, const struct sl_digest *from);

/* In one go. 0 or SL_ERR_NOMEM. */
int	 sl_digest_of(enum sl_digest_alg alg, struct sl_str bytes, uint8_t *out);

#endif
