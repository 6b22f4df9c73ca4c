/* Digests. See digest.h. */
#include "digest.h"

#include <openssl/evp.h>
#include <pthread.h>

#include "../base/err.h"

static const struct {
	const char *word, *fetch;
	size_t size;
} algorithms[] = {
	[SL_DIGEST_SHA256] = { "sha256", "SHA2-256", 32 },
	[SL_DIGEST_SHA1] = { "sha1", "SHA1", 20 },
	[SL_DIGEST_SHA384] = { "sha384", "SHA2-384", 48 },
	[SL_DIGEST_SHA512] = { "sha512", "SHA2-512", 64 },
	[SL_DIGEST_MD5] = { "md5", "MD5", 16 },
};

#define COUNT	(sizeof(algorithms) / sizeof(algorithms[0]))

static EVP_MD *fetched[COUNT];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
release_all(void)
{
	for (size_t i = 0; i < COUNT; i++) {
		EVP_MD_free(fetched[i]);
		fetched[i] = NULL;
	}
}

/* OpenSSL runs the handler before it takes itself down, so nothing leaks and nothing is late. */
static void
fetch_all(void)
{
	for (size_t i = 0; i < COUNT; i++)
		fetched[i] = EVP_MD_fetch(NULL, algorithms[i].fetch, NULL);
	OPENSSL_atexit(release_all);
}

static const EVP_MD *
md_of(enum sl_digest_alg alg)
{
	pthread_once(&once, fetch_all);
	return fetched[alg];
}

size_t
sl_digest_size(enum sl_digest_alg alg)
{
	return algorithms[alg].size;
}

const char *
sl_digest_word(enum sl_digest_alg alg)
{
	return algorithms[alg].word;
}

int
sl_digest_init(struct sl_digest *d, enum sl_digest_alg alg)
{
	const EVP_MD *md = md_of(alg);

	d->failed = true;
	d->ctx = EVP_MD_CTX_new();
	if (d->ctx == NULL || md == NULL || EVP_DigestInit_ex2(d->ctx, md, NULL) != 1)
		return SL_ERR_NOMEM;
	d->failed = false;
	return 0;
}

void
sl_digest_update(struct sl_digest *d, const void *p, size_t n)
{
	if (!d->failed && n > 0 && EVP_DigestUpdate(d->ctx, p, n) != 1)
		d->failed = true;
}

int
sl_digest_final(struct sl_digest *d, uint8_t *out)
{
	if (d->failed || EVP_DigestFinal_ex(d->ctx, out, NULL) != 1) {
		d->failed = true;
		return SL_ERR_NOMEM;
	}
	/* As it was after init, with the same algorithm. */
	if (EVP_DigestInit_ex2(d->ctx, NULL, NULL) != 1)
		d->failed = true;
	return 0;
}

void
sl_digest_clear(struct sl_digest *d)
{
	EVP_MD_CTX_free(d->ctx);
	d->ctx = NULL;
	d->failed = true;
}

void
sl_digest_copy(struct sl_digest *to, const struct sl_digest *from)
{
	to->failed = from->failed || to->ctx == NULL || EVP_MD_CTX_copy_ex(to->ctx, from->ctx) != 1;
}

int
sl_digest_of(enum sl_digest_alg alg, struct sl_str bytes, uint8_t *out)
{
	const EVP_MD *md = md_of(alg);

	if (md == NULL || EVP_Digest(bytes.n ? bytes.p : "", bytes.n, out, NULL, md, NULL) != 1)
		return SL_ERR_NOMEM;
	return 0;
}
