/*
 * Between client.c, which knows what a request is, and what asks the network: curl.c,
 * or curl_none.c in a build without libcurl.
 */
#ifndef SL_HTTP_CLIENT_PRIVATE_H
#define SL_HTTP_CLIENT_PRIVATE_H

#include "client.h"

#define SL_HTTP_MAX_HEADERS	(64 * 1024)

struct sl_net;
struct sl_transfer;

struct sl_http {
	struct sl_loop *loop;
	struct sl_dns *dns;
	struct sl_events *events;
	const struct sl_http_host *host;	/* NULL = the network */
	struct sl_net *net;
};

/* The public part is first. */
struct sl_request {
	struct sl_http_op op;
	struct sl_http *http;
	char *url, *method, *body;
	char host[256];
	int port;
	size_t body_n, max_body;
	struct sl_buf ca;
	bool allow_private, verify_peer, verify_host;
	int64_t connect_ms, timeout_ms;
	bool over;
	bool asked;			/* the host */
	struct sl_transfer *transfer;	/* of the network, from sl_net_start on */
};

/* client.c: the one end of a request, for a later one does nothing. */
void	 sl_request_fail(struct sl_request *r, int code, const char *stage, const char *text);
void	 sl_request_done(struct sl_request *r, long code);
void	 sl_request_refused(struct sl_request *r);	/* its address is private */
bool	 sl_request_permits(const struct sl_request *r, const struct sl_addr *addr);

/* The network. */
int	 sl_net_open(struct sl_http *http);
void	 sl_net_close(struct sl_net *net);		/* NULL is fine */
/* Sets host and port; SL_ERR_SYNTAX if it isn't a URL of http or https. */
int	 sl_net_split_url(struct sl_request *r);
/* Begins. 'headers' as in struct sl_http_request. What fails ends the request. */
void	 sl_net_start(struct sl_request *r, const char *const *headers);
void	 sl_net_cancel(struct sl_request *r);		/* also one that was never started */
void	 sl_net_free(struct sl_request *r);

#endif
