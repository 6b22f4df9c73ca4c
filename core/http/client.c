/*
 * Requests: what may be asked, the deadline, the one end of each. The network is
 * curl.c's; a host may answer in its place.
 */
#include "client_private.h"

#include <stdlib.h>
#include <string.h>

#include "../base/alloc.h"

#define CONNECT_MS	10000
#define TIMEOUT_MS	30000
#define MAX_BODY	(1024 * 1024)

/* ---- life -------------------------------------------------------------------------------- */

struct sl_http *
sl_http_open(struct sl_loop *loop, struct sl_dns *dns, struct sl_events *events, struct sl_err *err)
{
	struct sl_http *http = sl_calloc(1, sizeof(*http));

	if (http != NULL) {
		http->loop = loop;
		http->dns = dns;
		http->events = events;
	}
	if (http == NULL || sl_net_open(http) != 0) {
		sl_free(http);
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	return http;
}

void
sl_http_close(struct sl_http *http)
{
	if (http == NULL)
		return;
	sl_net_close(http->net);
	sl_free(http);
}

/* ---- the end of a request ------------------------------------------------------------------ */

static void
tell(const struct sl_request *r, int code)
{
	if (!sl_event_wanted(r->http->events, SL_TRACE))
		return;
	sl_event(r->http->events, SL_TRACE, "http", SL_FIELDS(
	    SL_F_TEXT("method", r->method != NULL ? r->method : r->body != NULL ? "POST" : "GET"),
	    SL_F_TEXT("url", r->url), SL_F_INT("status", r->op.code),
	    SL_F_TEXT("failed", code != 0 ? r->op.stage : ""), SL_F_INT("bytes", r->op.body.n),
	    SL_F_INT("us", sl_loop_clock_us(r->http->loop) - r->op.op.started_us)));
}

void
sl_request_fail(struct sl_request *r, int code, const char *stage, const char *text)
{
	if (r->over)
		return;
	r->over = true;
	r->op.stage = stage;
	sl_err_set(&r->op.err, code, "%s", text);
	tell(r, code);
	sl_op_finish(&r->op.op, code);
}

void
sl_request_done(struct sl_request *r, long code)
{
	if (r->over)
		return;
	r->op.code = code;
	r->over = true;
	tell(r, 0);
	sl_op_finish(&r->op.op, 0);
}

void
sl_request_refused(struct sl_request *r)
{
	sl_request_fail(r, SL_ERR_REFUSED, "refused",
	    "the address is private: allow_private = true in http or api of sluice.lua allows it");
}

bool
sl_request_permits(const struct sl_request *r, const struct sl_addr *addr)
{
	if (sl_addr_is_linklocal(addr))
		return false;
	return r->allow_private || !sl_addr_is_private(addr);
}

/* ---- start -------------------------------------------------------------------------------- */

static void
request_cancel(struct sl_op *op)
{
	struct sl_request *r = (struct sl_request *)op;

	if (!r->over) {
		r->op.stage = "timeout";
		sl_err_set(&r->op.err, SL_ERR_TIMEOUT, "no answer in time");
		tell(r, SL_ERR_TIMEOUT);
		if (r->asked && r->http->host->cancel != NULL)
			r->http->host->cancel(r->http->host->arg, &r->op);
	}
	r->over = true;
	sl_net_cancel(r);
}

static void
request_free(struct sl_op *op)
{
	struct sl_request *r = (struct sl_request *)op;

	request_cancel(op);
	sl_net_free(r);
	sl_free(r->url);
	sl_free(r->method);
	sl_free(r->body);
	sl_buf_clear(&r->ca);
	sl_buf_clear(&r->op.body);
	sl_buf_clear(&r->op.headers);
	sl_free(r);
}

static const struct sl_op_class request_class = { "http", request_cancel, request_free };

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

static int
copy_request(struct sl_request *r, const struct sl_http_request *in)
{
	r->url = sl_strdup(in->url);
	r->method = in->method != NULL ? sl_strdup(in->method) : NULL;
	if (in->has_body) {
		r->body = sl_strndup(in->body.p, in->body.n);
		r->body_n = in->body.n;
	}
	sl_buf_putstr(&r->ca, in->ca_pem);
	r->max_body = in->max_body != 0 ? in->max_body : MAX_BODY;
	r->allow_private = in->allow_private;
	r->verify_peer = !in->no_verify_peer;
	r->verify_host = !in->no_verify_host;
	r->connect_ms = in->connect_timeout_ms > 0 ? in->connect_timeout_ms : CONNECT_MS;
	r->timeout_ms = in->timeout_ms > 0 ? in->timeout_ms : TIMEOUT_MS;
	return r->url == NULL || r->ca.failed || (in->has_body && r->body == NULL) ? SL_ERR_NOMEM : 0;
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
	struct sl_request *r = (struct sl_request *)op;

	op->received = headers.n + body.n;
	if (body.n > r->max_body || headers.n > SL_HTTP_MAX_HEADERS)
		sl_request_fail(r, SL_ERR_LIMIT, "size", "the answer is too long");
	else if (sl_buf_putstr(&op->headers, headers) != 0 || sl_buf_putstr(&op->body, body) != 0)
		sl_request_fail(r, SL_ERR_NOMEM, "connect", "out of memory");
	else
		sl_request_done(r, code);
}

void
sl_http_give_failure(struct sl_http_op *op, const char *stage, const char *text)
{
	bool late = strcmp(stage, "timeout") == 0, refused = strcmp(stage, "refused") == 0;

	sl_request_fail((struct sl_request *)op, late ? SL_ERR_TIMEOUT : refused ? SL_ERR_REFUSED :
	    strcmp(stage, "size") == 0 ? SL_ERR_LIMIT : SL_ERR_TEMP, stage, text);
}

/* Addresses in the URL are refused as ever; names have none here. */
static void
ask_host(struct sl_request *r, const struct sl_http_request *in)
{
	struct sl_addr addr;

	if (sl_addr_parse_ip(&addr, sl_str_of(r->host), 0) == 0 && !sl_request_permits(r, &addr)) {
		sl_request_refused(r);
		return;
	}
	r->asked = true;
	r->http->host->ask(r->http->host->arg, &r->op, in);
}

struct sl_http_op *
sl_http_start(struct sl_http *http, const struct sl_http_request *in)
{
	struct sl_request *r = sl_calloc(1, sizeof(*r));

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
	if (r->method != NULL && !is_token(r->method))
		sl_request_fail(r, SL_ERR_SYNTAX, "protocol", "the method is no token (RFC 9110 5.6.2)");
	else if (sl_net_split_url(r) != 0)
		sl_request_fail(r, SL_ERR_SYNTAX, "protocol", "the URL is not one of http or https");
	else if (http->host != NULL)
		ask_host(r, in);
	else
		sl_net_start(r, in->headers);
	return &r->op;
}
