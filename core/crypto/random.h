/* Random bytes, identifiers made of them, and comparison in constant time. */
#ifndef SL_CRYPTO_RANDOM_H
#define SL_CRYPTO_RANDOM_H

#include "../base/bytes.h"

/* From the system's generator by way of OpenSSL. 0, or SL_ERR_IO: 'p' must not be used then. */
int	 sl_random_bytes(void *p, size_t n);
/* An unbiased number in [0, below); below > 0. */
int	 sl_random_below(uint64_t below, uint64_t *out);
/* RFC 9562 version 4, lower case, with its NUL. */
#define SL_UUID_SIZE	37
int	 sl_uuid4(char out[SL_UUID_SIZE]);

/* Takes the same time wherever the bytes differ. The lengths are not secret. */
bool	 sl_equal_secret(struct sl_str a, struct sl_str b);

/*
 * What stands for a secret in events, traces and captures:
 * "[secret sha256:1f3a5c7e]", the first 4 bytes of its digest. Always
 * terminated; "[secret]" when out of memory.
 */
#define SL_SECRET_MARK	32
void	 sl_secret_mark(struct sl_str secret, char out[SL_SECRET_MARK]);

#endif
