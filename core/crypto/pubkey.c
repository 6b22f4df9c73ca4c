/*
 * Public keys. See key.h. The RSA key is read by our own DER reader and given
 * to OpenSSL as numbers: its decoders need 25 times as long.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <string.h>

#include "../base/alloc.h"
#include "der.h"
#include "key.h"

#define ED25519_SIZE	32
#define ED25519_SIG	64

struct sl_pubkey {
	unsigned refs;
	enum sl_key_type type;
	unsigned bits;
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *recover;	/* RSA, made at the first check */
};

static unsigned
bit_length(struct sl_str number)
{
	unsigned bits = (unsigned)(number.n - 1) * 8, top = (unsigned char)number.p[0];

	for (; top != 0; top >>= 1)
		bits++;
	return bits;
}

/* Big-endian bytes to the order of this machine, as OSSL_PARAM wants numbers. */
static OSSL_PARAM
number_param(const char *name, struct sl_str number, unsigned char *room)
{
	const uint16_t one = 1;
	bool little = *(const unsigned char *)&one == 1;

	for (size_t i = 0; i < number.n; i++)
		room[little ? number.n - 1 - i : i] = (unsigned char)number.p[i];
	return OSSL_PARAM_construct_BN(name, room, number.n);
}

static EVP_PKEY *
make_rsa(struct sl_str n, struct sl_str e)
{
	unsigned char n_room[SL_RSA_MAX_BITS / 8], e_room[8];
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM params[3] = {
		number_param(OSSL_PKEY_PARAM_RSA_N, n, n_room),
		number_param(OSSL_PKEY_PARAM_RSA_E, e, e_room),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY *pkey = NULL;

	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

/* 2^32 is allowed, but even; so an odd exponent has 32 bits at most. */
static bool
exponent_ok(struct sl_str e)
{
	if (e.n > 4 || ((unsigned char)e.p[e.n - 1] & 1) == 0)
		return false;
	return e.n > 1 || (unsigned char)e.p[0] >= 3;
}

static int
parse_rsa(struct sl_pubkey *key, struct sl_str p, struct sl_err *err)
{
	struct sl_str n, e;

	if (!sl_der_rsa(p, &n, &e))
		return sl_err_set(err, SL_ERR_SYNTAX, "the key data is no RSA public key");
	key->bits = bit_length(n);
	if (key->bits < SL_RSA_MIN_BITS || key->bits > SL_RSA_MAX_BITS)
		return sl_err_set(err, SL_ERR_LIMIT, "RSA key of %u bits (%d to %d are accepted)",
		    key->bits, SL_RSA_MIN_BITS, SL_RSA_MAX_BITS);
	if (((unsigned char)n.p[n.n - 1] & 1) == 0)
		return sl_err_set(err, SL_ERR_SYNTAX, "the RSA modulus is even");
	if (!exponent_ok(e))
		return sl_err_set(err, SL_ERR_SYNTAX, "the RSA exponent is not odd within 3..2^32");
	key->pkey = make_rsa(n, e);
	return 0;
}

static int
parse_ed25519(struct sl_pubkey *key, struct sl_str p, struct sl_err *err)
{
	if (p.n != ED25519_SIZE)
		return sl_err_set(err, SL_ERR_SYNTAX, "Ed25519 key of %zu bytes instead of 32", p.n);
	key->bits = 256;
	key->pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL,
	    (const unsigned char *)p.p, p.n);
	return 0;
}

int
sl_pubkey_parse(struct sl_pubkey **out, enum sl_key_type type, struct sl_str p, unsigned *bits,
    struct sl_err *err)
{
	struct sl_pubkey *key = sl_calloc(1, sizeof(*key));
	int r;

	*out = NULL;
	if (bits != NULL)
		*bits = 0;
	if (key == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	key->refs = 1;
	key->type = type;
	r = type == SL_KEY_RSA ? parse_rsa(key, p, err) : parse_ed25519(key, p, err);
	if (bits != NULL)
		*bits = key->bits;
	if (r == 0 && key->pkey == NULL)
		r = sl_err_set(err, SL_ERR_NOMEM, "OpenSSL did not take the key");
	if (r < 0) {
		ERR_clear_error();
		sl_pubkey_unref(key);
		return r;
	}
	*out = key;
	return 0;
}

struct sl_pubkey *
sl_pubkey_ref(struct sl_pubkey *key)
{
	key->refs++;
	return key;
}

void
sl_pubkey_unref(struct sl_pubkey *key)
{
	if (key == NULL || --key->refs > 0)
		return;
	EVP_PKEY_CTX_free(key->recover);
	EVP_PKEY_free(key->pkey);
	sl_free(key);
}

unsigned
sl_pubkey_bits(const struct sl_pubkey *key)
{
	return key->bits;
}

/*
 * EMSA-PKCS1-v1_5 (RFC 8017 9.2) is a fixed string for a digest and a length,
 * so the block that the public key gives back is compared with the only good
 * one. Nothing is parsed that a forger could have shaped.
 */
static const struct {
	size_t n;
	unsigned char bytes[19];
} digest_info[] = {
	[SL_DIGEST_SHA256] = { 19, { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
	    0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 } },
	[SL_DIGEST_SHA1] = { 15, { 0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02,
	    0x1a, 0x05, 0x00, 0x04, 0x14 } },
};

static bool
expected_block(enum sl_digest_alg alg, struct sl_str digest, unsigned char *out, size_t n)
{
	size_t known = sizeof(digest_info) / sizeof(digest_info[0]), tail;

	if ((size_t)alg >= known || digest_info[alg].n == 0 || digest.n != sl_digest_size(alg))
		return false;
	tail = digest_info[alg].n + digest.n;
	if (n < tail + 11)
		return false;
	memset(out, 0xff, n);
	out[0] = 0x00;
	out[1] = 0x01;
	out[n - tail - 1] = 0x00;
	memcpy(out + n - tail, digest_info[alg].bytes, digest_info[alg].n);
	memcpy(out + n - digest.n, digest.p, digest.n);
	return true;
}

/* The public operation alone; what comes out is looked at by us. */
static bool
prepare(struct sl_pubkey *key)
{
	char pad[] = OSSL_PKEY_RSA_PAD_MODE_NONE;
	OSSL_PARAM params[2] = {
		OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, pad, 0),
		OSSL_PARAM_construct_end(),
	};

	if (key->recover != NULL)
		return true;
	key->recover = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	if (key->recover != NULL && EVP_PKEY_verify_recover_init_ex(key->recover, params) == 1)
		return true;
	EVP_PKEY_CTX_free(key->recover);
	key->recover = NULL;
	return false;
}

static int
verify_rsa(struct sl_pubkey *key, enum sl_digest_alg alg, struct sl_str digest,
    struct sl_str signature)
{
	unsigned char wanted[SL_SIGNATURE_MAX], got[SL_SIGNATURE_MAX];
	size_t n = (key->bits + 7) / 8, got_n = sizeof(got);

	if (signature.n != n || !expected_block(alg, digest, wanted, n))
		return 0;
	if (!prepare(key))
		return SL_ERR_NOMEM;
	/* A number not below the modulus is refused by OpenSSL. */
	return EVP_PKEY_verify_recover(key->recover, got, &got_n,
	    (const unsigned char *)signature.p, signature.n) == 1 &&
	    got_n == n && memcmp(got, wanted, n) == 0;
}

static int
verify_ed25519(const struct sl_pubkey *key, struct sl_str bytes, struct sl_str signature)
{
	EVP_MD_CTX *ctx;
	int r;

	if (signature.n != ED25519_SIG)
		return 0;
	ctx = EVP_MD_CTX_new();
	if (ctx == NULL || EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, key->pkey, NULL) != 1)
		r = SL_ERR_NOMEM;
	else
		r = EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
		    (const unsigned char *)bytes.p, bytes.n) == 1;
	EVP_MD_CTX_free(ctx);
	return r;
}

int
sl_pubkey_verify(struct sl_pubkey *key, enum sl_digest_alg alg, struct sl_str digest,
    struct sl_str signature)
{
	int r = key->type == SL_KEY_RSA ? verify_rsa(key, alg, digest, signature) :
	    verify_ed25519(key, digest, signature);

	/* A refusal leaves its words in a queue that TLS looks at for its own errors. */
	if (r != 1)
		ERR_clear_error();
	return r;
}
