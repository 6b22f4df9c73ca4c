/* Self-signed certificates (EC P-256), for demonstrations and tests. */
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "addr.h"
#include "tls_private.h"

static int
set_serial(X509 *cert)
{
	unsigned char bytes[16];
	BIGNUM *n;
	int ok;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return 0;
	bytes[0] &= 0x7f;
	n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ok = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;
	BN_free(n);
	return ok;
}

static int
add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	int ok = ext != NULL && X509_add_ext(cert, ext, -1);

	X509_EXTENSION_free(ext);
	return ok;
}

static int
set_names(X509 *cert, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	struct sl_addr ip;
	char alt[300];
	bool is_ip = sl_addr_parse_ip(&ip, sl_str_of(name), 0) == 0;

	snprintf(alt, sizeof(alt), "%s:%s", is_ip ? "IP" : "DNS", name);
	return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
	    (const unsigned char *)name, -1, -1, 0) == 1 &&
	    X509_set_issuer_name(cert, subject) == 1 &&
	    add_extension(cert, NID_subject_alt_name, alt) &&
	    add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
}

static int
write_pem(struct sl_buf *out, X509 *cert, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;
	int ok = 0;

	if (bio == NULL)
		return 0;
	if (cert != NULL)
		ok = PEM_write_bio_X509(bio, cert);
	else
		ok = PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	n = BIO_get_mem_data(bio, &p);
	ok = ok == 1 && n > 0 && sl_buf_put(out, p, (size_t)n) == 0;
	BIO_free(bio);
	return ok;
}

int
sl_tls_self_signed(const char *name, int days, struct sl_buf *cert_pem, struct sl_buf *key_pem,
    struct sl_err *err)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	int ok = 0;

	/* The value of an extension is a list in OpenSSL's own language. */
	for (const char *c = name; *c != '\0'; c++) {
		if (!sl_isalnum(*c) && *c != '.' && *c != '-' && *c != '_' && *c != ':' && *c != '*')
			goto out;
	}
	ok = key != NULL && cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 &&
	    set_serial(cert) &&
	    X509_gmtime_adj(X509_getm_notBefore(cert), -300) != NULL &&
	    X509_time_adj_ex(X509_getm_notAfter(cert), days, 0, NULL) != NULL &&
	    X509_set_pubkey(cert, key) == 1 && set_names(cert, name) &&
	    X509_sign(cert, key, EVP_sha256()) > 0 &&
	    write_pem(cert_pem, cert, NULL) && write_pem(key_pem, NULL, key);
out:
	X509_free(cert);
	EVP_PKEY_free(key);
	return ok ? 0 : sl_tls_error(err, "self-signed certificate");
}
