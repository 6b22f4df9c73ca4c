/* TLS (OpenSSL): contexts from bytes in memory, ticket keys, SNI. */
#ifndef SL_NET_TLS_H
#define SL_NET_TLS_H

#include "../base/bytes.h"
#include "../base/err.h"

struct sl_tls;		/* a context: server or client */

struct sl_tls_options {
	struct sl_str cert_pem;		/* chain, own certificate first */
	struct sl_str key_pem;
	const uint8_t *ticket_key;	/* 80 bytes shared by the workers, or NULL: no tickets */
};

struct sl_tls	*sl_tls_server(const struct sl_tls_options *options, struct sl_err *err);
/* 'verify': chain and host name are checked against the system's roots, or ca_pem if given. */
struct sl_tls	*sl_tls_client(bool verify, struct sl_str ca_pem, struct sl_err *err);
struct sl_tls	*sl_tls_ref(struct sl_tls *tls);
void		 sl_tls_unref(struct sl_tls *tls);
/* Another certificate for the names in it; chosen by SNI. */
int		 sl_tls_add_cert(struct sl_tls *tls, struct sl_str cert_pem, struct sl_str key_pem,
		    struct sl_err *err);
/* Seconds since 1970 at which the first of its certificates expires. */
int64_t		 sl_tls_expires(const struct sl_tls *tls);

/* A self-signed certificate for 'name' (EC P-256), as PEM; for demos and tests. */
int		 sl_tls_self_signed(const char *name, int days, struct sl_buf *cert_pem,
		    struct sl_buf *key_pem, struct sl_err *err);

#endif
