/* Between tls.c and stream.c: connections of a context. */
#ifndef SL_NET_TLS_PRIVATE_H
#define SL_NET_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "tls.h"

/* A connection of 'tls' over the socket; the caller's to SSL_free. It never raises SIGPIPE. */
SSL	*sl_tls_connection(struct sl_tls *tls, int fd, bool server, const char *server_name,
	    struct sl_err *err);
/* Sets 'err' from OpenSSL's queue, which is emptied. */
int	 sl_tls_error(struct sl_err *err, const char *what);

#endif
