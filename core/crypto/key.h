/*
 * Private keys that sign and public keys from DNS that verify: RSA
 * (PKCS #1 v1.5) and Ed25519 (RFC 8032), as RFC 6376 and RFC 8463 use them.
 */
#ifndef SL_CRYPTO_KEY_H
#define SL_CRYPTO_KEY_H

#include "../base/bytes.h"
#include "../base/err.h"
#include "digest.h"

#define SL_RSA_MIN_BITS	1024	/* RFC 8301 3.2 */
#define SL_RSA_NEW_BITS	2048	/* the least for a new key */
#define SL_RSA_MAX_BITS	4096
#define SL_SIGNATURE_MAX (SL_RSA_MAX_BITS / 8)

enum sl_key_type { SL_KEY_RSA, SL_KEY_ED25519 };

const char *sl_key_type_word(enum sl_key_type type);	/* "rsa" "ed25519" */

/* A private key, immutable and counted. */
struct sl_key;

/*
 * From text. What starts with "-----" is PEM (PKCS #8 or RSA PRIVATE KEY, not
 * encrypted); anything else is base64, white space ignored, of DER or of the
 * 32 bytes of an Ed25519 seed. At most 16 KB. SL_ERR_SYNTAX when it is no
 * private key, SL_ERR_INVAL for other kinds of key, SL_ERR_LIMIT for RSA out of
 * SL_RSA_MIN_BITS..SL_RSA_MAX_BITS. The words never hold any of the text.
 */
int	 sl_key_parse(struct sl_key **out, struct sl_str text, struct sl_err *err);
struct sl_key *sl_key_ref(struct sl_key *key);
void	 sl_key_unref(struct sl_key *key);
enum sl_key_type sl_key_type(const struct sl_key *key);
unsigned sl_key_bits(const struct sl_key *key);		/* RSA modulus; 256 for Ed25519 */

/*
 * Appends the signature. RSA: over 'digest', made with 'alg'. Ed25519: over
 * the given bytes themselves (RFC 8463 3 signs the SHA-256). May be called
 * from several threads.
 */
int	 sl_key_sign(const struct sl_key *key, enum sl_digest_alg alg, struct sl_str digest,
	    struct sl_buf *signature, struct sl_err *err);

/*
 * A key that somebody else signs with: who notes signatures, or has them without the
 * key. 'sign' is as sl_key_sign; 'real' is NULL for a key that isn't there.
 */
struct sl_key_signer {
	int (*sign)(void *arg, const struct sl_key *key, const struct sl_key *real,
	    enum sl_digest_alg alg, struct sl_str digest, struct sl_buf *signature, struct sl_err *err);
	void *arg;
};
/* 'public' is what sl_key_public gives; 'real' is referenced. NULL = out of memory. */
struct sl_key *sl_key_signed_by(const struct sl_key_signer *signer, struct sl_key *real,
	    enum sl_key_type type, unsigned bits, struct sl_str public);

/*
 * Appends the public half as a key record's p= wants it, not yet in base64:
 * SubjectPublicKeyInfo for RSA, 32 bytes for Ed25519.
 */
int	 sl_key_public(const struct sl_key *key, struct sl_buf *out);

/*
 * Appends a new private key as PEM (PKCS #8); wipe it after use. 'bits' is for
 * RSA: SL_RSA_NEW_BITS to SL_RSA_MAX_BITS, whole bytes, else SL_ERR_INVAL.
 */
int	 sl_key_generate(struct sl_buf *pem, enum sl_key_type type, unsigned bits,
	    struct sl_err *err);

/*
 * Parsed keys by the SHA-256 of their text, least recently used out. Reading
 * a key costs more than signing with it. Failures are not kept. One thread.
 */
struct sl_key_cache;

struct sl_key_cache *sl_key_cache_new(size_t max);
void	 sl_key_cache_free(struct sl_key_cache *cache);
/* *out is a reference of the caller's. */
int	 sl_key_cache_get(struct sl_key_cache *cache, struct sl_str text, struct sl_key **out,
	    struct sl_err *err);
void	 sl_key_cache_stats(const struct sl_key_cache *cache, uint64_t *hits, uint64_t *misses);

/* A public key, counted. For one thread: checking uses what the key holds ready. */
struct sl_pubkey;

/*
 * From the bytes of a p= tag: for RSA a SubjectPublicKeyInfo or a bare
 * RSAPublicKey in strict DER with nothing after it, exponent odd, 3..2^32;
 * for Ed25519 32 bytes. SL_ERR_SYNTAX, or SL_ERR_LIMIT for the modulus' size.
 * *bits (may be NULL) is also set when the size was refused.
 */
int	 sl_pubkey_parse(struct sl_pubkey **out, enum sl_key_type type, struct sl_str p,
	    unsigned *bits, struct sl_err *err);
struct sl_pubkey *sl_pubkey_ref(struct sl_pubkey *key);
void	 sl_pubkey_unref(struct sl_pubkey *key);
unsigned sl_pubkey_bits(const struct sl_pubkey *key);

/*
 * 1 = the signature is good, 0 = it is not, negative = could not be checked
 * (out of memory). As with sl_key_sign for what is signed.
 */
int	 sl_pubkey_verify(struct sl_pubkey *key, enum sl_digest_alg alg,
	    struct sl_str digest, struct sl_str signature);

/*
 * Parsed public keys by content, least recently used out: mail comes from few
 * keys, and preparing one costs half as much as a check. What is looked up in
 * DNS stays the caller's business. As sl_pubkey_parse otherwise; cache NULL is
 * allowed and keeps nothing.
 */
struct sl_pubkey_cache;

struct sl_pubkey_cache *sl_pubkey_cache_new(size_t max);
void	 sl_pubkey_cache_free(struct sl_pubkey_cache *cache);
int	 sl_pubkey_cache_get(struct sl_pubkey_cache *cache, enum sl_key_type type, struct sl_str p,
	    struct sl_pubkey **out, unsigned *bits, struct sl_err *err);

#endif
