/* Private keys: reading, naming, signing. See key.h. */
#include "key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <string.h>

#include "../base/alloc.h"

#define MAX_TEXT	(16 * 1024)
#define SEED_SIZE	32	/* RFC 8032 5.1.5 */

struct sl_key {
	atomic_uint refs;
	enum sl_key_type type;
	unsigned bits;
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *sha256;	/* RSA: ready to sign, copied for each signature */
	char id[17];
	struct sl_key_signer signer;	/* sign NULL = this key does */
	struct sl_key *real;
	struct sl_buf public;		/* with a signer */
};

const char *
sl_key_type_word(enum sl_key_type type)
{
	return type == SL_KEY_RSA ? "rsa" : "ed25519";
}

/* An encrypted key must fail instead of asking at a terminal. */
static int
no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

static EVP_PKEY *
read_pem(struct sl_str text)
{
	BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
	EVP_PKEY *pkey = NULL;

	if (bio != NULL)
		pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	return pkey;
}

static EVP_PKEY *
read_der(struct sl_str der)
{
	const unsigned char *p = (const unsigned char *)der.p, *at = p;
	EVP_PKEY *pkey;

	if (der.n == SEED_SIZE)
		return EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, p, der.n);
	pkey = d2i_AutoPrivateKey(NULL, &at, (long)der.n);
	if (pkey != NULL && at != p + der.n) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return pkey;
}

static int
read_text(EVP_PKEY **out, struct sl_str text, struct sl_err *err)
{
	struct sl_buf der = SL_BUF_INIT;
	int r = 0;

	text = sl_str_trim(text);
	if (text.n == 0)
		return sl_err_set(err, SL_ERR_SYNTAX, "the private key is empty");
	if (text.n > MAX_TEXT)
		return sl_err_set(err, SL_ERR_LIMIT, "the private key is longer than %d bytes", MAX_TEXT);
	if (sl_str_starts(text, SL_STR("-----"))) {
		*out = read_pem(text);
	} else {
		r = sl_base64_decode(&der, text, true);
		*out = r == 0 ? read_der(sl_buf_str(&der)) : NULL;
		sl_wipe(der.p, der.cap);
		sl_buf_clear(&der);
	}
	if (*out == NULL) {
		ERR_clear_error();
		if (r == SL_ERR_NOMEM)
			return sl_err_set(err, r, "out of memory");
		return sl_err_set(err, SL_ERR_SYNTAX,
		    "the text is no private key (PEM without password, or base64 of DER or of a seed)");
	}
	return 0;
}

static int
check_kind(struct sl_key *key, struct sl_err *err)
{
	if (EVP_PKEY_is_a(key->pkey, "ED25519")) {
		key->type = SL_KEY_ED25519;
		key->bits = 256;
		return 0;
	}
	if (!EVP_PKEY_is_a(key->pkey, "RSA"))
		return sl_err_set(err, SL_ERR_INVAL, "the private key is neither RSA nor Ed25519");
	key->type = SL_KEY_RSA;
	key->bits = (unsigned)EVP_PKEY_get_bits(key->pkey);
	if (key->bits < SL_RSA_MIN_BITS || key->bits > SL_RSA_MAX_BITS)
		return sl_err_set(err, SL_ERR_LIMIT, "an RSA key of %u bits is not used (%d to %d)",
		    key->bits, SL_RSA_MIN_BITS, SL_RSA_MAX_BITS);
	return 0;
}

static int
set_id(struct sl_key *key)
{
	struct sl_buf pub = SL_BUF_INIT, hex = SL_BUF_INIT;
	uint8_t hash[SL_DIGEST_MAX];
	int r = sl_key_public(key, &pub);

	if (r == 0)
		r = sl_digest_of(SL_DIGEST_SHA256, sl_buf_str(&pub), hash);
	if (r == 0)
		r = sl_hex_encode(&hex, (struct sl_str){ (char *)hash, 8 });
	if (r == 0)
		memcpy(key->id, hex.p, sizeof(key->id));
	sl_buf_clear(&pub);
	sl_buf_clear(&hex);
	return r;
}

static const char *
openssl_name(enum sl_digest_alg alg)
{
	static const char *const names[] = {
		[SL_DIGEST_SHA256] = "SHA256", [SL_DIGEST_SHA1] = "SHA1", [SL_DIGEST_SHA384] = "SHA384",
		[SL_DIGEST_SHA512] = "SHA512", [SL_DIGEST_MD5] = "MD5",
	};

	return names[alg];
}

/* EMSA-PKCS1-v1_5 for this digest; NULL = out of memory. */
static EVP_PKEY_CTX *
rsa_context(const struct sl_key *key, enum sl_digest_alg alg)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	OSSL_PARAM params[3];
	char md[16], pad[] = OSSL_PKEY_RSA_PAD_MODE_PKCSV15;

	memcpy(md, openssl_name(alg), strlen(openssl_name(alg)) + 1);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, md, 0);
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, pad, 0);
	params[2] = OSSL_PARAM_construct_end();
	if (ctx != NULL && EVP_PKEY_sign_init_ex(ctx, params) == 1)
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

int
sl_key_parse(struct sl_key **out, struct sl_str text, struct sl_err *err)
{
	struct sl_key *key = sl_calloc(1, sizeof(*key));
	int r;

	*out = NULL;
	if (key == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	atomic_init(&key->refs, 1);
	r = read_text(&key->pkey, text, err);
	if (r == 0)
		r = check_kind(key, err);
	if (r == 0 && (r = set_id(key)) < 0)
		sl_err_set(err, r, "the public half of the key can't be told");
	if (r == 0 && key->type == SL_KEY_RSA &&
	    (key->sha256 = rsa_context(key, SL_DIGEST_SHA256)) == NULL)
		r = sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	if (r < 0) {
		sl_key_unref(key);
		return r;
	}
	*out = key;
	return 0;
}

struct sl_key *
sl_key_ref(struct sl_key *key)
{
	atomic_fetch_add(&key->refs, 1);
	return key;
}

void
sl_key_unref(struct sl_key *key)
{
	if (key == NULL || atomic_fetch_sub(&key->refs, 1) != 1)
		return;
	EVP_PKEY_CTX_free(key->sha256);
	EVP_PKEY_free(key->pkey);
	sl_key_unref(key->real);
	sl_buf_clear(&key->public);
	sl_free(key);
}

struct sl_key *
sl_key_signed_by(const struct sl_key_signer *signer, struct sl_key *real, enum sl_key_type type,
    unsigned bits, struct sl_str public)
{
	struct sl_key *key = sl_calloc(1, sizeof(*key));

	if (key == NULL)
		return NULL;
	atomic_init(&key->refs, 1);
	key->type = type;
	key->bits = bits;
	key->signer = *signer;
	key->real = real != NULL ? sl_key_ref(real) : NULL;
	if (sl_buf_putstr(&key->public, public) != 0 || set_id(key) < 0) {
		sl_key_unref(key);
		return NULL;
	}
	return key;
}

enum sl_key_type
sl_key_type(const struct sl_key *key)
{
	return key->type;
}

unsigned
sl_key_bits(const struct sl_key *key)
{
	return key->bits;
}

/* Making a context costs 25 times as much as copying one; threads share the key, so none
 * signs with the key's own. */
static bool
sign_rsa(const struct sl_key *key, enum sl_digest_alg alg, struct sl_str digest, uint8_t *sig,
    size_t *n)
{
	EVP_PKEY_CTX *ctx = alg == SL_DIGEST_SHA256 ? EVP_PKEY_CTX_dup(key->sha256) :
	    rsa_context(key, alg);
	bool good = ctx != NULL &&
	    EVP_PKEY_sign(ctx, sig, n, (const unsigned char *)digest.p, digest.n) == 1;

	EVP_PKEY_CTX_free(ctx);
	return good;
}

static bool
sign_ed25519(const struct sl_key *key, struct sl_str bytes, uint8_t *sig, size_t *n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx != NULL &&
	    EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, key->pkey, NULL) == 1 &&
	    EVP_DigestSign(ctx, sig, n, (const unsigned char *)bytes.p, bytes.n) == 1;

	EVP_MD_CTX_free(ctx);
	return good;
}

int
sl_key_sign(const struct sl_key *key, enum sl_digest_alg alg, struct sl_str digest,
    struct sl_buf *signature, struct sl_err *err)
{
	uint8_t sig[SL_SIGNATURE_MAX];
	size_t n = sizeof(sig);
	bool good;

	if (key->signer.sign != NULL)
		return key->signer.sign(key->signer.arg, key, key->real, alg, digest, signature, err);
	good = key->type == SL_KEY_RSA ? sign_rsa(key, alg, digest, sig, &n) :
	    sign_ed25519(key, digest, sig, &n);
	if (!good) {
		ERR_clear_error();
		return sl_err_set(err, SL_ERR_INVAL, "the %s key %s can't sign",
		    sl_key_type_word(key->type), key->id);
	}
	if (sl_buf_put(signature, sig, n) < 0)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	return 0;
}

int
sl_key_public(const struct sl_key *key, struct sl_buf *out)
{
	unsigned char raw[32], *der = NULL;
	size_t n = sizeof(raw);
	int len, r;

	if (key->signer.sign != NULL)
		return sl_buf_putstr(out, sl_buf_str(&key->public));
	if (key->type == SL_KEY_ED25519) {
		if (EVP_PKEY_get_raw_public_key(key->pkey, raw, &n) != 1)
			return SL_ERR_NOMEM;
		return sl_buf_put(out, raw, n);
	}
	len = i2d_PUBKEY(key->pkey, &der);
	if (len < 0) {
		ERR_clear_error();
		return SL_ERR_NOMEM;
	}
	r = sl_buf_put(out, der, (size_t)len);
	OPENSSL_free(der);
	return r;
}
