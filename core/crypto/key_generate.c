/* New private keys. See key.h. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "key.h"

static int
write_pem(struct sl_buf *out, EVP_PKEY *pkey, struct sl_err *err)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	const char *text;
	long n = 0;
	int r;

	if (bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1)
		n = BIO_get_mem_data(bio, &text);
	r = n > 0 ? sl_buf_put(out, text, (size_t)n) : SL_ERR_NOMEM;
	BIO_free(bio);
	return r == 0 ? 0 : sl_err_set(err, r, "out of memory");
}

int
sl_key_generate(struct sl_buf *pem, enum sl_key_type type, unsigned bits, struct sl_err *err)
{
	EVP_PKEY *pkey;
	int r;

	if (type == SL_KEY_RSA && (bits < SL_RSA_NEW_BITS || bits > SL_RSA_MAX_BITS || bits % 8 != 0))
		return sl_err_set(err, SL_ERR_INVAL, "a new RSA key has %d to %d bits, not %u",
		    SL_RSA_NEW_BITS, SL_RSA_MAX_BITS, bits);
	pkey = type == SL_KEY_RSA ? EVP_RSA_gen(bits) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (pkey == NULL) {
		ERR_clear_error();
		return sl_err_set(err, SL_ERR_TEMP, "OpenSSL could not make a key");
	}
	r = write_pem(pem, pkey, err);
	EVP_PKEY_free(pkey);
	return r;
}
