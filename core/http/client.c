/*
 * libcurl asks for "watch this descriptor, call me after this time"; the rest
 * is refusing: schemes, addresses, sizes, other hosts. The name is resolved by
 * our resolver and pinned, and the address is looked at again when the socket
 * is made.
 */
#include "client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/alloc.h"

#define CONNECT_MS	10000
#define TIMEOUT_MS	30000
#define MAX_BODY	(1024 * 1024)
#define MAX_HEADERS	(64 * 1024)
#define MAX_PINNED	8
#define REFUSED		"the address is private: allow it in http or api of sluice.lua"

struct sl_http {
	struct sl_loop *loop;
	struct sl_dns *dns;
	struct sl_events *events;
	CURLM *multi;
	struct sl_timer timer;
	struct sl_list sockets;
	const struct sl_http_host *host;	/* NULL = the network */
};

struct socket_watch {
	struct sl_list link;
	struct sl_http *http;
	struct sl_watch watch;
};

/* The public part is first. */
struct request {
	struct sl_http_op op;
	struct sl_http *http;
	CURL *easy;
	struct curl_slist *headers, *resolve;
	char *url, *method, *body;
	char host[256];
	int port;
	size_t body_n, max_body;
	struct sl_buf ca;
	bool allow_private, verify_peer, verify_host;
	int64_t connect_ms, timeout_ms;
	bool refused, over;
	bool asked;			/* the host */
	struct sl_dns_query *a, *aaaa;
	unsigned open;
};

/* ---- curl's sockets and timer ---------------------------------------------------------- */

static void finish_done(struct sl_http *http);

static void
act(struct sl_http *http, curl_socket_t fd, int bits)
{
	int running;

	curl_multi_socket_action(http->multi, fd, bits, &running);
	finish_done(http);
}

static void
on_ready(struct sl_watch *watch, unsigned events)
{
	struct socket_watch *w = sl_list_entry(watch, struct socket_watch, watch);
	int bits = ((events & SL_READ) ? CURL_CSELECT_IN : 0) |
	    ((events & SL_WRITE) ? CURL_CSELECT_OUT : 0) |
	    ((events & SL_HANGUP) ? CURL_CSELECT_IN | CURL_CSELECT_OUT : 0);

	act(w->http, watch->fd, bits);
}

static void
on_timer(struct sl_timer *timer)
{
	act(sl_list_entry(timer, struct sl_http, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int
set_timer(CURLM *multi, long ms, void *arg)
{
	struct sl_http *http = arg;

	(void)multi;
	if (ms < 0)
		sl_timer_stop(&http->timer);
	else
		sl_timer_start(http->loop, &http->timer, ms, on_timer);
	return 0;
}

/*
 * Never says -1: libcurl then counts the whole multi handle as dead and touches connections that it
 * has freed. A socket that memory didn't suffice to watch ends its request at the deadline.
 */
static int
set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sockp)
{
	struct sl_http *http = arg;
	struct socket_watch *w = sockp;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL) {
			sl_watch_stop(&w->watch);
			sl_list_remove(&w->link);
			sl_free(w);
		}
		curl_multi_assign(http->multi, fd, NULL);
		return 0;
	}
	if (w == NULL) {
		if ((w = sl_calloc(1, sizeof(*w))) == NULL)
			return 0;
		w->http = http;
		sl_list_insert(&http->sockets, &w->link);
		curl_multi_assign(http->multi, fd, w);
	}
	sl_watch_start(http->loop, &w->watch, fd, ((what & CURL_POLL_IN) ? SL_READ : 0) |
	    ((what & CURL_POLL_OUT) ? SL_WRITE : 0), on_ready);
	return 0;
}

/* ---- life -------------------------------------------------------------------------------- */

static void
init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct sl_http *
sl_http_open(struct sl_loop *loop, struct sl_dns *dns, struct sl_events *events, struct sl_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct sl_http *http = sl_calloc(1, sizeof(*http));

	pthread_once(&once, init_curl);
	if (http == NULL || (http->multi = curl_multi_init()) == NULL) {
		sl_free(http);
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	http->loop = loop;
	http->dns = dns;
	http->events = events;
	sl_list_init(&http->sockets);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	return http;
}

void
sl_http_close(struct sl_http *http)
{
	if (http == NULL)
		return;
	curl_multi_cleanup(http->multi);
	sl_timer_stop(&http->timer);
	while (!sl_list_empty(&http->sockets)) {
		struct socket_watch *w = sl_list_entry(http->sockets.next, struct socket_watch, link);

		sl_watch_stop(&w->watch);
		sl_list_remove(&w->link);
		sl_free(w);
	}
	sl_free(http);
}

/* ---- the end of a request ------------------------------------------------------------------ */

static void
tell(const struct request *r, int code)
{
	if (!sl_event_wanted(r->http->events, SL_TRACE))
		return;
	sl_event(r->http->events, SL_TRACE, "http", SL_FIELDS(
	    SL_F_TEXT("method", r->method != NULL ? r->method : r->body != NULL ? "POST" : "GET"),
	    SL_F_TEXT("url", r->url), SL_F_INT("status", r->op.code),
	    SL_F_TEXT("failed", code != 0 ? r->op.stage : ""), SL_F_INT("bytes", r->op.body.n),
	    SL_F_INT("us", sl_loop_clock_us(r->http->loop) - r->op.op.started_us)));
}

static void
fail(struct request *r, int code, const char *stage, const char *text)
{
	if (r->over)
		return;
	r->over = true;
	r->op.stage = stage;
	sl_err_set(&r->op.err, code, "%s", text);
	tell(r, code);
	sl_op_finish(&r->op.op, code);
}

static void
done(struct request *r, CURLcode rc)
{
	if (r->over)
		return;
	if (rc == CURLE_OK) {
		if (!r->asked)
			curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &r->op.code);
		r->over = true;
		tell(r, 0);
		sl_op_finish(&r->op.op, 0);
	} else if (r->refused) {
		fail(r, SL_ERR_REFUSED, "refused", REFUSED);
	} else if (rc == CURLE_OPERATION_TIMEDOUT) {
		fail(r, SL_ERR_TIMEOUT, "timeout", "no answer in time");
	} else if (rc == CURLE_WRITE_ERROR || rc == CURLE_FILESIZE_EXCEEDED) {
		fail(r, SL_ERR_LIMIT, "size", "the answer is too long");
	} else if (rc == CURLE_COULDNT_CONNECT || rc == CURLE_COULDNT_RESOLVE_HOST) {
		fail(r, SL_ERR_TEMP, "connect", curl_easy_strerror(rc));
	} else if (rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CONNECT_ERROR ||
	    rc == CURLE_SSL_CACERT_BADFILE) {
		fail(r, SL_ERR_TEMP, "tls", curl_easy_strerror(rc));
	} else {
		fail(r, SL_ERR_TEMP, "protocol", curl_easy_strerror(rc));
	}
}

static void
finish_done(struct sl_http *http)
{
	struct request *r;
	CURLMsg *m;
	char *private;
	int left;

	while ((m = curl_multi_info_read(http->multi, &left)) != NULL) {
		CURLcode rc = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
		r = (struct request *)(void *)private;
		curl_multi_remove_handle(http->multi, r->easy);
		done(r, rc);
	}
}

/* ---- addresses ------------------------------------------------------------------------------- */

static bool
permitted(const struct request *r, const struct sl_addr *addr)
{
	if (sl_addr_is_linklocal(addr))
		return false;
	return r->allow_private || !sl_addr_is_private(addr);
}

static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct request *r = arg;
	struct sl_addr addr;

	(void)purpose;
	memset(&addr, 0, sizeof(addr));
	addr.len = to->addrlen < sizeof(addr.storage) ? to->addrlen : sizeof(addr.storage);
	memcpy(&addr.storage, &to->addr, addr.len);
	if (!permitted(r, &addr)) {
		r->refused = true;
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
begin(struct request *r)
{
	int64_t left = r->timeout_ms - (sl_loop_clock_us(r->http->loop) - r->op.op.started_us) / 1000;

	curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, (long)(left > 0 ? left : 1));
	if (curl_multi_add_handle(r->http->multi, r->easy) != CURLM_OK)
		fail(r, SL_ERR_NOMEM, "connect", "out of memory");
}

static void
resolved(struct sl_op *op, void *arg)
{
	struct request *r = arg;
	struct sl_buf pin = SL_BUF_INIT;
	unsigned n = 0;

	(void)op;
	if (--r->open > 0)
		return;
	sl_buf_printf(&pin, "+%s:%d:", r->host, r->port);	/* '+': it ends, as curl's own do */
	pin_answer(r->a, &pin, &n);
	pin_answer(r->aaaa, &pin, &n);
	if (n == 0) {
		fail(r, SL_ERR_TEMP, "connect", "the host has no address");
	} else {
		r->resolve = curl_slist_append(NULL, pin.p);
		curl_easy_setopt(r->easy, CURLOPT_RESOLVE, r->resolve);
		begin(r);
	}
	sl_buf_clear(&pin);
}

static void
resolve(struct request *r)
{
	struct sl_addr addr;

	if (sl_addr_parse_ip(&addr, sl_str_of(r->host), 0) == 0 || r->http->dns == NULL) {
		begin(r);
		return;
	}
	if (strcmp(r->host, "localhost") == 0) {	/* curl knows it without asking anybody */
		begin(r);
		return;
	}
	r->a = sl_dns_query(r->http->dns, r->host, SL_DNS_A, r->connect_ms);
	r->aaaa = sl_dns_query(r->http->dns, r->host, SL_DNS_AAAA, r->connect_ms);
	r->open = (r->a != NULL) + (r->aaaa != NULL);
	if (r->a != NULL)
		sl_op_wait(&r->a->op, resolved, r);
	if (r->aaaa != NULL)
		sl_op_wait(&r->aaaa->op, resolved, r);
	if (r->open == 0)
		fail(r, SL_ERR_NOMEM, "connect", "out of memory");
}

/* ---- bodies ------------------------------------------------------------------------------------ */

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct request *r = arg;

	n *= size;
	r->op.received += n;
	if (r->op.body.n + n > r->max_body || sl_buf_put(&r->op.body, p, n) != 0)
		return 0;
	return n;
}

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	struct request *r = arg;

	n *= size;
	r->op.received += n;
	if (r->op.headers.n + n > MAX_HEADERS || sl_buf_put(&r->op.headers, p, n) != 0)
		return 0;
	return n;
}

/* ---- start ---------------------------------------------------------------------------------------- */

static void
request_cancel(struct sl_op *op)
{
	struct request *r = (struct request *)op;

	if (!r->over) {
		r->op.stage = "timeout";
		sl_err_set(&r->op.err, SL_ERR_TIMEOUT, "no answer in time");
		tell(r, SL_ERR_TIMEOUT);
		if (r->asked && r->http->host->cancel != NULL)
			r->http->host->cancel(r->http->host->arg, &r->op);
	}
	r->over = true;
	if (r->a != NULL)
		sl_op_release(&r->a->op);
	if (r->aaaa != NULL)
		sl_op_release(&r->aaaa->op);
	r->a = r->aaaa = NULL;
	if (r->easy != NULL)
		curl_multi_remove_handle(r->http->multi, r->easy);
}

static void
request_free(struct sl_op *op)
{
	struct request *r = (struct request *)op;

	request_cancel(op);
	if (r->easy != NULL)
		curl_easy_cleanup(r->easy);
	curl_slist_free_all(r->headers);
	curl_slist_free_all(r->resolve);
	sl_free(r->url);
	sl_free(r->method);
	sl_free(r->body);
	sl_buf_clear(&r->ca);
	sl_buf_clear(&r->op.body);
	sl_buf_clear(&r->op.headers);
	sl_free(r);
}

static const struct sl_op_class request_class = { "http", request_cancel, request_free };

static int
split_url(struct request *r)
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

static bool
is_token(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++)
		if (!sl_isalnum(*s) && strchr("!#$%&'*+-.^_`|~", *s) == NULL)
			return false;
	return true;
}

static void
set_options(struct request *r)
{
	struct curl_blob ca = { r->ca.p, r->ca.n, CURL_BLOB_COPY };
	CURL *e = r->easy;

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
	if (r->headers != NULL)
		curl_easy_setopt(e, CURLOPT_HTTPHEADER, r->headers);
	if (r->body != NULL) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)r->body_n);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, r->body);
	}
	if (r->method != NULL)
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, r->method);
}

static int
copy_request(struct request *r, const struct sl_http_request *in)
{
	const char *const *h;
	struct curl_slist *more;

	r->url = sl_strdup(in->url);
	r->method = in->method != NULL ? sl_strdup(in->method) : NULL;
	if (in->has_body) {
		r->body = sl_strndup(in->body.p, in->body.n);
		r->body_n = in->body.n;
	}
	for (h = in->headers; h != NULL && *h != NULL; h++) {
		if ((more = curl_slist_append(r->headers, *h)) == NULL)
			return SL_ERR_NOMEM;
		r->headers = more;
	}
	sl_buf_putstr(&r->ca, in->ca_pem);
	r->max_body = in->max_body != 0 ? in->max_body : MAX_BODY;
	r->allow_private = in->allow_private;
	r->verify_peer = !in->no_verify_peer;
	r->verify_host = !in->no_verify_host;
	r->connect_ms = in->connect_timeout_ms > 0 ? in->connect_timeout_ms : CONNECT_MS;
	r->timeout_ms = in->timeout_ms > 0 ? in->timeout_ms : TIMEOUT_MS;
	return r->url == NULL || r->ca.failed || (in->has_body && r->body == NULL) ||
	    (r->easy = curl_easy_init()) == NULL ? SL_ERR_NOMEM : 0;
}

/* ---- a host instead of the network ------------------------------------------------------------ */

void
sl_http_set_host(struct sl_http *http, const struct sl_http_host *host)
{
	http->host = host;
}

void
sl_http_give(struct sl_http_op *op, long code, struct sl_str headers, struct sl_str body)
{
	struct request *r = (struct request *)op;

	op->code = code;
	op->received = headers.n + body.n;
	if (body.n > r->max_body || headers.n > MAX_HEADERS)
		fail(r, SL_ERR_LIMIT, "size", "the answer is too long");
	else if (sl_buf_putstr(&op->headers, headers) != 0 || sl_buf_putstr(&op->body, body) != 0)
		fail(r, SL_ERR_NOMEM, "connect", "out of memory");
	else
		done(r, CURLE_OK);
}

void
sl_http_give_failure(struct sl_http_op *op, const char *stage, const char *text)
{
	bool late = strcmp(stage, "timeout") == 0, refused = strcmp(stage, "refused") == 0;

	fail((struct request *)op, late ? SL_ERR_TIMEOUT : refused ? SL_ERR_REFUSED :
	    strcmp(stage, "size") == 0 ? SL_ERR_LIMIT : SL_ERR_TEMP, stage, text);
}

/* Addresses in the URL are refused as ever; names have none here. */
static void
ask_host(struct request *r, const struct sl_http_request *in)
{
	struct sl_addr addr;

	if (sl_addr_parse_ip(&addr, sl_str_of(r->host), 0) == 0 && !permitted(r, &addr)) {
		fail(r, SL_ERR_REFUSED, "refused", REFUSED);
		return;
	}
	r->asked = true;
	r->http->host->ask(r->http->host->arg, &r->op, in);
}

struct sl_http_op *
sl_http_start(struct sl_http *http, const struct sl_http_request *in)
{
	struct request *r = sl_calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->http = http;
	/* curl has the same deadline; ours holds when its timer couldn't be started */
	if (sl_op_init(&r->op.op, &request_class, http->loop, in->timeout_ms > 0 ? in->timeout_ms :
	    TIMEOUT_MS) != 0) {
		sl_free(r);
		return NULL;
	}
	if (copy_request(r, in) != 0) {
		sl_op_release(&r->op.op);
		return NULL;
	}
	set_options(r);
	if (r->method != NULL && !is_token(r->method))
		fail(r, SL_ERR_SYNTAX, "protocol", "the method is no token (RFC 9110 5.6.2)");
	else if (split_url(r) != 0)
		fail(r, SL_ERR_SYNTAX, "protocol", "the URL is not one of http or https");
	else if (http->host != NULL)
		ask_host(r, in);
	else
		resolve(r);
	return &r->op;
}
