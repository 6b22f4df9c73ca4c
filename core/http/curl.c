/*
 * libcurl asks for "watch this descriptor, call me after this time"; the rest
 * is refusing: schemes, addresses, sizes, other hosts. The name is resolved by
 * our resolver and pinned, and the address is looked at again when the socket
 * is made.
 */
#include "client_private.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/alloc.h"

#define MAX_PINNED	8

struct sl_net {
	struct sl_loop *loop;
	CURLM *multi;
	struct sl_timer timer;
	struct sl_list sockets;
};

struct socket_watch {
	struct sl_list link;
	struct sl_net *net;
	struct sl_watch watch;
};

/* A request's part that is curl's. */
struct sl_transfer {
	CURL *easy;
	struct curl_slist *headers, *resolve;
	bool refused;
	struct sl_dns_query *a, *aaaa;
	unsigned open;
};

/* ---- curl's sockets and timer ---------------------------------------------------------- */

static void finish_done(struct sl_net *net);

static void
act(struct sl_net *net, curl_socket_t fd, int bits)
{
	int running;

	curl_multi_socket_action(net->multi, fd, bits, &running);
	finish_done(net);
}

static void
on_ready(struct sl_watch *watch, unsigned events)
{
	struct socket_watch *w = sl_list_entry(watch, struct socket_watch, watch);
	int bits = ((events & SL_READ) ? CURL_CSELECT_IN : 0) |
	    ((events & SL_WRITE) ? CURL_CSELECT_OUT : 0) |
	    ((events & SL_HANGUP) ? CURL_CSELECT_IN | CURL_CSELECT_OUT : 0);

	act(w->net, watch->fd, bits);
}

static void
on_timer(struct sl_timer *timer)
{
	act(sl_list_entry(timer, struct sl_net, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int
set_timer(CURLM *multi, long ms, void *arg)
{
	struct sl_net *net = arg;

	(void)multi;
	if (ms < 0)
		sl_timer_stop(&net->timer);
	else
		sl_timer_start(net->loop, &net->timer, ms, on_timer);
	return 0;
}

static int
set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sockp)
{
	struct sl_net *net = arg;
	struct socket_watch *w = sockp;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL) {
			sl_watch_stop(&w->watch);
			sl_list_remove(&w->link);
			sl_free(w);
		}
		curl_multi_assign(net->multi, fd, NULL);
		return 0;
	}
	if (w == NULL) {
		if ((w = sl_calloc(1, sizeof(*w))) == NULL)
			return 0;
		w->net = net;
		sl_list_insert(&net->sockets, &w->link);
		curl_multi_assign(net->multi, fd, w);
	}
	sl_watch_start(net->loop, &w->watch, fd, ((what & CURL_POLL_IN) ? SL_READ : 0) |
	    ((what & CURL_POLL_OUT) ? SL_WRITE : 0), on_ready);
	return 0;
}

/* ---- life -------------------------------------------------------------------------------- */

static void
init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

int
sl_net_open(struct sl_http *http)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct sl_net *net = sl_calloc(1, sizeof(*net));

	pthread_once(&once, init_curl);
	if (net == NULL || (net->multi = curl_multi_init()) == NULL) {
		sl_free(net);
		return SL_ERR_NOMEM;
	}
	net->loop = http->loop;
	sl_list_init(&net->sockets);
	curl_multi_setopt(net->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(net->multi, CURLMOPT_SOCKETDATA, net);
	curl_multi_setopt(net->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(net->multi, CURLMOPT_TIMERDATA, net);
	http->net = net;
	return 0;
}

void
sl_net_close(struct sl_net *net)
{
	if (net == NULL)
		return;
	curl_multi_cleanup(net->multi);
	sl_timer_stop(&net->timer);
	while (!sl_list_empty(&net->sockets)) {
		struct socket_watch *w = sl_list_entry(net->sockets.next, struct socket_watch, link);

		sl_watch_stop(&w->watch);
		sl_list_remove(&w->link);
		sl_free(w);
	}
	sl_free(net);
}

/* ---- the end of a transfer ----------------------------------------------------------------- */

static void
done(struct sl_request *r, CURLcode rc)
{
	long code = 0;

	if (rc == CURLE_OK) {
		curl_easy_getinfo(r->transfer->easy, CURLINFO_RESPONSE_CODE, &code);
		sl_request_done(r, code);
	} else if (r->transfer->refused) {
		sl_request_refused(r);
	} else if (rc == CURLE_OPERATION_TIMEDOUT) {
		sl_request_fail(r, SL_ERR_TIMEOUT, "timeout", "no answer in time");
	} else if (rc == CURLE_WRITE_ERROR || rc == CURLE_FILESIZE_EXCEEDED) {
		sl_request_fail(r, SL_ERR_LIMIT, "size", "the answer is too long");
	} else if (rc == CURLE_COULDNT_CONNECT || rc == CURLE_COULDNT_RESOLVE_HOST) {
		sl_request_fail(r, SL_ERR_TEMP, "connect", curl_easy_strerror(rc));
	} else if (rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CONNECT_ERROR ||
	    rc == CURLE_SSL_CACERT_BADFILE) {
		sl_request_fail(r, SL_ERR_TEMP, "tls", curl_easy_strerror(rc));
	} else {
		sl_request_fail(r, SL_ERR_TEMP, "protocol", curl_easy_strerror(rc));
	}
}

static void
finish_done(struct sl_net *net)
{
	struct sl_request *r;
	CURLMsg *m;
	char *private;
	int left;

	while ((m = curl_multi_info_read(net->multi, &left)) != NULL) {
		CURLcode rc = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
		r = (struct sl_request *)(void *)private;
		curl_multi_remove_handle(net->multi, r->transfer->easy);
		done(r, rc);
	}
}

/* ---- addresses ------------------------------------------------------------------------------- */

static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct sl_request *r = arg;
	struct sl_addr addr;

	(void)purpose;
	memset(&addr, 0, sizeof(addr));
	addr.len = to->addrlen < sizeof(addr.storage) ? to->addrlen : sizeof(addr.storage);
	memcpy(&addr.storage, &to->addr, addr.len);
	if (!sl_request_permits(r, &addr)) {
		r->transfer->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static void
pin_answer(const struct sl_dns_query *q, struct sl_buf *out, unsigned *n)
{
	char text[64];
	size_t i;

	if (q == NULL || q->answer == NULL)
		return;
	for (i = 0; i < q->answer->n && *n < MAX_PINNED; i++) {
		const struct sl_str *data = &q->answer->records[i].data;

		if (inet_ntop(data->n == 4 ? AF_INET : AF_INET6, data->p, text, sizeof(text)) == NULL)
			continue;
		sl_buf_printf(out, data->n == 4 ? "%s%s" : "%s[%s]", *n > 0 ? "," : "", text);
		++*n;
	}
}

/* The deadline is one for resolving and asking. */
static void
begin(struct sl_request *r)
{
	int64_t left = r->timeout_ms - (sl_loop_clock_us(r->http->loop) - r->op.op.started_us) / 1000;

	curl_easy_setopt(r->transfer->easy, CURLOPT_TIMEOUT_MS, (long)(left > 0 ? left : 1));
	if (curl_multi_add_handle(r->http->net->multi, r->transfer->easy) != CURLM_OK)
		sl_request_fail(r, SL_ERR_NOMEM, "connect", "out of memory");
}

static void
resolved(struct sl_op *op, void *arg)
{
	struct sl_request *r = arg;
	struct sl_transfer *t = r->transfer;
	struct sl_buf pin = SL_BUF_INIT;
	unsigned n = 0;

	(void)op;
	if (--t->open > 0)
		return;
	sl_buf_printf(&pin, "+%s:%d:", r->host, r->port);	/* '+': it ends, as curl's own do */
	pin_answer(t->a, &pin, &n);
	pin_answer(t->aaaa, &pin, &n);
	if (n == 0) {
		sl_request_fail(r, SL_ERR_TEMP, "connect", "the host has no address");
	} else {
		t->resolve = curl_slist_append(NULL, pin.p);
		curl_easy_setopt(t->easy, CURLOPT_RESOLVE, t->resolve);
		begin(r);
	}
	sl_buf_clear(&pin);
}

static void
resolve(struct sl_request *r)
{
	struct sl_transfer *t = r->transfer;
	struct sl_addr addr;

	if (sl_addr_parse_ip(&addr, sl_str_of(r->host), 0) == 0 || r->http->dns == NULL) {
		begin(r);
		return;
	}
	if (strcmp(r->host, "localhost") == 0) {	/* curl knows it without asking anybody */
		begin(r);
		return;
	}
	t->a = sl_dns_query(r->http->dns, r->host, SL_DNS_A, r->connect_ms);
	t->aaaa = sl_dns_query(r->http->dns, r->host, SL_DNS_AAAA, r->connect_ms);
	t->open = (t->a != NULL) + (t->aaaa != NULL);
	if (t->a != NULL)
		sl_op_wait(&t->a->op, resolved, r);
	if (t->aaaa != NULL)
		sl_op_wait(&t->aaaa->op, resolved, r);
	if (t->open == 0)
		sl_request_fail(r, SL_ERR_NOMEM, "connect", "out of memory");
}

/* ---- bodies ------------------------------------------------------------------------------------ */

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct sl_request *r = arg;

	n *= size;
	r->op.received += n;
	if (r->op.body.n + n > r->max_body || sl_buf_put(&r->op.body, p, n) != 0)
		return 0;
	return n;
}

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	struct sl_request *r = arg;

	n *= size;
	r->op.received += n;
	if (r->op.headers.n + n > SL_HTTP_MAX_HEADERS || sl_buf_put(&r->op.headers, p, n) != 0)
		return 0;
	return n;
}

/* ---- start ---------------------------------------------------------------------------------------- */

int
sl_net_split_url(struct sl_request *r)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL;
	int rc = SL_ERR_SYNTAX;

	if (u != NULL && curl_url_set(u, CURLUPART_URL, r->url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	    (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0)) {
		snprintf(r->host, sizeof(r->host), "%.*s", (int)strcspn(host[0] == '[' ? host + 1 : host,
		    "]"), host[0] == '[' ? host + 1 : host);
		r->port = atoi(port);
		rc = 0;
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return rc;
}

static void
set_options(struct sl_request *r)
{
	struct curl_blob ca = { r->ca.p, r->ca.n, CURL_BLOB_COPY };
	CURL *e = r->transfer->easy;

	curl_easy_setopt(e, CURLOPT_PRIVATE, r);
	curl_easy_setopt(e, CURLOPT_URL, r->url);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "sluice");
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)r->connect_ms);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, r);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, r);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, r->verify_peer ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, r->verify_host ? 2L : 0L);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	/* a connection that an allowed request left open never saw this one's check */
	if (!r->allow_private)
		curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
	if (r->method != NULL && strcmp(r->method, "HEAD") == 0)
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	if (r->ca.n > 0)
		curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &ca);
	if (r->transfer->headers != NULL)
		curl_easy_setopt(e, CURLOPT_HTTPHEADER, r->transfer->headers);
	if (r->body != NULL) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)r->body_n);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, r->body);
	}
	if (r->method != NULL)
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, r->method);
}

static int
new_transfer(struct sl_request *r, const char *const *headers)
{
	struct sl_transfer *t = r->transfer = sl_calloc(1, sizeof(*t));
	struct curl_slist *more;

	if (t == NULL || (t->easy = curl_easy_init()) == NULL)
		return SL_ERR_NOMEM;
	for (; headers != NULL && *headers != NULL; headers++) {
		if ((more = curl_slist_append(t->headers, *headers)) == NULL)
			return SL_ERR_NOMEM;
		t->headers = more;
	}
	return 0;
}

void
sl_net_start(struct sl_request *r, const char *const *headers)
{
	if (new_transfer(r, headers) != 0) {
		sl_request_fail(r, SL_ERR_NOMEM, "connect", "out of memory");
		return;
	}
	set_options(r);
	resolve(r);
}

void
sl_net_cancel(struct sl_request *r)
{
	struct sl_transfer *t = r->transfer;

	if (t == NULL)
		return;
	if (t->a != NULL)
		sl_op_release(&t->a->op);
	if (t->aaaa != NULL)
		sl_op_release(&t->aaaa->op);
	t->a = t->aaaa = NULL;
	if (t->easy != NULL)
		curl_multi_remove_handle(r->http->net->multi, t->easy);
}

void
sl_net_free(struct sl_request *r)
{
	struct sl_transfer *t = r->transfer;

	if (t == NULL)
		return;
	if (t->easy != NULL)
		curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->resolve);
	sl_free(t);
	r->transfer = NULL;
}
