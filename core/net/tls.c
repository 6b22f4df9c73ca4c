/*
 * TLS contexts. TLS 1.2 at least, no renegotiation, no compression, no
 * session cache (tickets, when a key is given). Certificates come as bytes:
 * nothing here opens a file but OpenSSL's own store of roots.
 */
#include "tls_private.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "addr.h"
#include "../base/alloc.h"

#define MAX_CHAIN 16

struct extra {
	struct extra *next;
	SSL_CTX *ctx;
};

struct sl_tls {
	atomic_int refs;
	SSL_CTX *ctx;
	struct extra *extra;		/* by SNI */
	const uint8_t *ticket_key;
	uint8_t ticket_copy[80];
	bool verify;
	int64_t expires;
};

int
sl_tls_error(struct sl_err *err, const char *what)
{
	unsigned long e = ERR_peek_error();
	char text[256] = "unknown error";

	if (e != 0) {
		const char *reason = ERR_reason_error_string(e);

		if (reason != NULL)
			snprintf(text, sizeof(text), "%s", reason);
		else
			ERR_error_string_n(e, text, sizeof(text));
	}
	ERR_clear_error();
	return sl_err_set(err, SL_ERR_IO, "%s: %s", what, text);
}

/* A socket BIO without SIGPIPE */

static int
bio_write(BIO *bio, const char *p, int n)
{
	ssize_t r;

	do
		r = send((int)(intptr_t)BIO_get_data(bio), p, (size_t)n, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	BIO_clear_retry_flags(bio);
	if (r < 0 && errno == EAGAIN)
		BIO_set_retry_write(bio);
	return (int)r;
}

static int
bio_read(BIO *bio, char *p, int n)
{
	ssize_t r;

	do
		r = recv((int)(intptr_t)BIO_get_data(bio), p, (size_t)n, 0);
	while (r < 0 && errno == EINTR);
	BIO_clear_retry_flags(bio);
	if (r < 0 && errno == EAGAIN)
		BIO_set_retry_read(bio);
	if (r == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	return (int)r;
}

static long
bio_ctrl(BIO *bio, int cmd, long num, void *p)
{
	(void)num;
	(void)p;
	if (cmd == BIO_CTRL_EOF)
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	return cmd == BIO_CTRL_FLUSH;
}

static int
bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static BIO_METHOD *bio_method;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static void
bio_method_make(void)
{
	bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
	if (bio_method == NULL)
		return;
	BIO_meth_set_write(bio_method, bio_write);
	BIO_meth_set_read(bio_method, bio_read);
	BIO_meth_set_ctrl(bio_method, bio_ctrl);
	BIO_meth_set_create(bio_method, bio_create);
}

/* Certificates */

/* A key with a passphrase is refused, never asked for on a terminal. */
static int
no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static int64_t
not_after(const X509 *cert)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm);
}

static int
load_chain(SSL_CTX *ctx, BIO *in, int64_t *expires, struct sl_err *err)
{
	X509 *cert = PEM_read_bio_X509_AUX(in, NULL, no_passphrase, NULL);
	int64_t end;
	int ok;

	if (cert == NULL)
		return sl_tls_error(err, "certificate");
	end = not_after(cert);
	if (*expires == 0 || end < *expires)
		*expires = end;
	ok = SSL_CTX_use_certificate(ctx, cert);
	X509_free(cert);
	if (ok != 1)
		return sl_tls_error(err, "certificate");
	for (int i = 0; i < MAX_CHAIN; i++) {
		cert = PEM_read_bio_X509(in, NULL, no_passphrase, NULL);
		if (cert == NULL)
			break;
		if (SSL_CTX_add0_chain_cert(ctx, cert) != 1) {
			X509_free(cert);
			return sl_tls_error(err, "certificate chain");
		}
	}
	ERR_clear_error();	/* "no start line" is how the chain ends */
	return 0;
}

static int
load_key(SSL_CTX *ctx, struct sl_str pem, struct sl_err *err)
{
	BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *key = in != NULL ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL) : NULL;
	int ok = 0;

	BIO_free(in);
	if (key != NULL)
		ok = SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
	EVP_PKEY_free(key);
	return ok ? 0 : sl_tls_error(err, "private key");
}

static int
load_cert(SSL_CTX *ctx, struct sl_str cert_pem, struct sl_str key_pem, int64_t *expires,
    struct sl_err *err)
{
	BIO *in;
	int r;

	if (cert_pem.n == 0 || key_pem.n == 0 || cert_pem.n > 1 << 24 || key_pem.n > 1 << 24)
		return sl_err_set(err, SL_ERR_INVAL, "a certificate and its key are needed");
	in = BIO_new_mem_buf(cert_pem.p, (int)cert_pem.n);
	if (in == NULL)
		return sl_tls_error(err, "certificate");
	r = load_chain(ctx, in, expires, err);
	BIO_free(in);
	return r < 0 ? r : load_key(ctx, key_pem, err);
}

/* Contexts */

static SSL_CTX *
context_new(const SSL_METHOD *method, struct sl_err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
		sl_tls_error(err, "TLS");
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	    SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

static SSL_CTX *
server_context(const uint8_t *ticket_key, struct sl_str cert_pem, struct sl_str key_pem,
    int64_t *expires, struct sl_err *err)
{
	static const unsigned char id[] = "sluice";
	SSL_CTX *ctx = context_new(TLS_server_method(), err);
	uint8_t key[80];

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
	if (ticket_key == NULL) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(ctx, 0);
	} else {
		memcpy(key, ticket_key, sizeof(key));
		SSL_CTX_set_tlsext_ticket_keys(ctx, key, sizeof(key));
		sl_wipe(key, sizeof(key));
	}
	if (load_cert(ctx, cert_pem, key_pem, expires, err) < 0) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

static struct sl_tls *
tls_new(SSL_CTX *ctx, struct sl_err *err)
{
	struct sl_tls *tls = sl_calloc(1, sizeof(*tls));

	if (tls == NULL) {
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		SSL_CTX_free(ctx);
		return NULL;
	}
	atomic_init(&tls->refs, 1);
	tls->ctx = ctx;
	return tls;
}

static int
choose_cert(SSL *ssl, int *alert, void *arg)
{
	struct sl_tls *tls = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	if (name == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	for (struct extra *e = tls->extra; e != NULL; e = e->next) {
		X509 *cert = SSL_CTX_get0_certificate(e->ctx);

		if (X509_check_host(cert, name, 0, 0, NULL) == 1) {
			SSL_set_SSL_CTX(ssl, e->ctx);
			return SSL_TLSEXT_ERR_OK;
		}
	}
	/* An unknown name gets the first certificate: mail must go on. */
	return SSL_TLSEXT_ERR_OK;
}

struct sl_tls *
sl_tls_server(const struct sl_tls_options *options, struct sl_err *err)
{
	struct sl_tls *tls;
	int64_t expires = 0;
	SSL_CTX *ctx;

	ctx = server_context(options->ticket_key, options->cert_pem, options->key_pem, &expires,
	    err);
	tls = ctx != NULL ? tls_new(ctx, err) : NULL;
	if (tls == NULL)
		return NULL;
	tls->expires = expires;
	if (options->ticket_key != NULL) {
		memcpy(tls->ticket_copy, options->ticket_key, sizeof(tls->ticket_copy));
		tls->ticket_key = tls->ticket_copy;
	}
	SSL_CTX_set_tlsext_servername_callback(ctx, choose_cert);
	SSL_CTX_set_tlsext_servername_arg(ctx, tls);
	return tls;
}

int
sl_tls_add_cert(struct sl_tls *tls, struct sl_str cert_pem, struct sl_str key_pem,
    struct sl_err *err)
{
	struct extra *e = sl_calloc(1, sizeof(*e)), **at = &tls->extra;

	if (e == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	e->ctx = server_context(tls->ticket_key, cert_pem, key_pem, &tls->expires, err);
	if (e->ctx == NULL) {
		sl_free(e);
		return SL_ERR_IO;
	}
	while (*at != NULL)
		at = &(*at)->next;
	*at = e;
	return 0;
}

static int
load_roots(SSL_CTX *ctx, struct sl_str pem, struct sl_err *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	size_t count = 0;
	X509 *cert;
	BIO *in;

	if (pem.n == 0)
		return SSL_CTX_set_default_verify_paths(ctx) == 1 ? 0
		    : sl_tls_error(err, "root certificates");
	in = pem.n <= 1 << 24 ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	if (in == NULL)
		return sl_tls_error(err, "root certificates");
	while ((cert = PEM_read_bio_X509(in, NULL, no_passphrase, NULL)) != NULL) {
		count += X509_STORE_add_cert(store, cert) == 1;
		X509_free(cert);
	}
	BIO_free(in);
	ERR_clear_error();
	return count > 0 ? 0 : sl_err_set(err, SL_ERR_INVAL, "no root certificate in the PEM");
}

struct sl_tls *
sl_tls_client(bool verify, struct sl_str ca_pem, struct sl_err *err)
{
	SSL_CTX *ctx = context_new(TLS_client_method(), err);
	struct sl_tls *tls;

	if (ctx == NULL)
		return NULL;
	if (verify && load_roots(ctx, ca_pem, err) < 0) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_verify(ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	tls = tls_new(ctx, err);
	if (tls != NULL)
		tls->verify = verify;
	return tls;
}

struct sl_tls *
sl_tls_ref(struct sl_tls *tls)
{
	atomic_fetch_add(&tls->refs, 1);
	return tls;
}

void
sl_tls_unref(struct sl_tls *tls)
{
	struct extra *e, *next;

	if (tls == NULL || atomic_fetch_sub(&tls->refs, 1) != 1)
		return;
	for (e = tls->extra; e != NULL; e = next) {
		next = e->next;
		SSL_CTX_free(e->ctx);
		sl_free(e);
	}
	SSL_CTX_free(tls->ctx);
	sl_wipe(tls->ticket_copy, sizeof(tls->ticket_copy));
	sl_free(tls);
}

int64_t
sl_tls_expires(const struct sl_tls *tls)
{
	return tls->expires;
}

/* Connections */

/* SNI never carries an address (RFC 6066 3); the check differs too. */
static int
set_peer_name(SSL *ssl, const char *name, bool verify)
{
	struct sl_addr ip;

	if (name == NULL || name[0] == '\0')
		return verify ? 0 : 1;
	if (sl_addr_parse_ip(&ip, sl_str_of(name), 0) == 0)
		return !verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
	if (SSL_set_tlsext_host_name(ssl, name) != 1)
		return 0;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return !verify || SSL_set1_host(ssl, name);
}

SSL *
sl_tls_connection(struct sl_tls *tls, int fd, bool server, const char *server_name,
    struct sl_err *err)
{
	BIO *bio;
	SSL *ssl;

	ERR_clear_error();
	pthread_once(&bio_once, bio_method_make);
	ssl = SSL_new(tls->ctx);
	bio = bio_method != NULL ? BIO_new(bio_method) : NULL;
	if (ssl == NULL || bio == NULL) {
		BIO_free(bio);
		goto fail;
	}
	BIO_set_data(bio, (void *)(intptr_t)fd);
	SSL_set_bio(ssl, bio, bio);
	if (server) {
		SSL_set_accept_state(ssl);
		return ssl;
	}
	if (!set_peer_name(ssl, server_name, tls->verify)) {
		sl_err_set(err, SL_ERR_INVAL, "TLS: a name to check is needed");
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_connect_state(ssl);
	return ssl;
fail:
	sl_tls_error(err, "TLS");
	SSL_free(ssl);
	return NULL;
}
