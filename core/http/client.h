/*
 * HTTP requests on the loop (libcurl multi, multi_socket). Names are resolved
 * by us and pinned; the address is checked before connecting. Redirects are
 * answers like others: nothing is followed.
 */
#ifndef SL_HTTP_CLIENT_H
#define SL_HTTP_CLIENT_H

#include "../dns/dns.h"

struct sl_http;

struct sl_http	*sl_http_open(struct sl_loop *loop, struct sl_dns *dns, struct sl_events *events,
		    struct sl_err *err);
void		 sl_http_close(struct sl_http *http);

struct sl_http_request {
	const char *url;		/* http or https only */
	const char *method;		/* NULL = GET, or POST when there is a body */
	const char *const *headers;	/* "Name: value", NULL-terminated; may be NULL */
	struct sl_str body;
	bool has_body;
	int64_t connect_timeout_ms;	/* default 10000 */
	int64_t timeout_ms;		/* whole request; default 30000 */
	size_t max_body;		/* default 1 MB; more = SL_ERR_LIMIT */
	bool no_verify_peer, no_verify_host;
	struct sl_str ca_pem;		/* empty = system's roots */
	bool allow_private;		/* private and loopback addresses; link-local never */
};

struct sl_http_op {
	struct sl_op op;		/* status: SL_ERR_TIMEOUT, _LIMIT, _REFUSED, _TEMP (connect, tls, protocol) */
	struct sl_err err;
	const char *stage;		/* on failure: "connect" "tls" "timeout" "size" "refused" "protocol" */
	long code;			/* HTTP status when status is 0 */
	struct sl_buf body;
	struct sl_buf headers;		/* raw lines as received, CRLF-terminated */
	size_t received;		/* bytes, for the account */
};

/*
 * Who answers instead of the network: a host program, a test. 'ask' gets what was
 * asked (borrowed until it returns) and calls sl_http_give or sl_http_give_failure,
 * at once or later; 'cancel' (may be NULL): nobody waits for it any more. Names of
 * hosts aren't resolved then. NULL = the network.
 */
struct sl_http_host {
	void (*ask)(void *arg, struct sl_http_op *op, const struct sl_http_request *request);
	void (*cancel)(void *arg, struct sl_http_op *op);
	void *arg;
};
void		 sl_http_set_host(struct sl_http *http, const struct sl_http_host *host);	/* borrowed */
/* 'headers' are lines that end in CRLF; both are copied. */
void		 sl_http_give(struct sl_http_op *op, long code, struct sl_str headers, struct sl_str body);
/* 'stage' as in sl_http_op, a literal; 'text' is for people. */
void		 sl_http_give_failure(struct sl_http_op *op, const char *stage, const char *text);

/* 'request' is copied. NULL = out of memory. An invalid URL is an operation that is done, failed. */
struct sl_http_op *sl_http_start(struct sl_http *http, const struct sl_http_request *request);

#endif
