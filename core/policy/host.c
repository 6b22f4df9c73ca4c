/*
 * What a host of sluice.h does itself: it hears events as lines of JSON, tells
 * the time, answers DNS and HTTP. The engine's own seams, with the host's
 * functions behind them.
 */
#include <string.h>

#include "engine.h"

int
sl_host_struct(void *out, size_t out_size, const void *in, size_t in_size, struct sl_err *err)
{
	const char *bytes = in;
	size_t n = in == NULL ? 0 : in_size < out_size ? in_size : out_size, i;

	memset(out, 0, out_size);
	if (n > 0)
		memcpy(out, in, n);
	for (i = n; in != NULL && i < in_size; i++)
		if (bytes[i] != 0)
			return sl_err_set(err, SL_ERR_INVAL,
			    "the program uses what a later libsluice has; this is " SL_VERSION);
	return 0;
}

static void
tell(struct sl_event_sink *sink, const struct sl_event *event)
{
	struct sl_host *h = sl_list_entry(sink, struct sl_host, sink);

	sl_buf_reset(&h->line);
	if (sl_event_format_json(&h->line, event) == 0)
		h->o.event(h->o.arg, event->level, event->name, sl_buf_str(&h->line));
}

static void
ask_dns(void *arg, struct sl_dns_query *query, const char *name)
{
	const struct sl_host *h = arg;

	h->o.dns(h->o.arg, query, name, (int)query->type);
}

static void
cancel_dns(void *arg, struct sl_dns_query *query)
{
	const struct sl_host *h = arg;

	if (h->o.dns_cancel != NULL)
		h->o.dns_cancel(h->o.arg, query);
}

static void
ask_http(void *arg, struct sl_http_op *op, const struct sl_http_request *request)
{
	static const char *const none[] = { NULL };
	const struct sl_host *h = arg;
	struct sl_fetch f = {
		.method = request->method != NULL ? request->method : request->has_body ? "POST" : "GET",
		.url = request->url, .headers = request->headers != NULL ? request->headers : none,
		.body = request->body, .timeout_ms = request->timeout_ms,
	};

	h->o.http(h->o.arg, op, &f);
}

static void
cancel_http(void *arg, struct sl_http_op *op)
{
	const struct sl_host *h = arg;

	if (h->o.http_cancel != NULL)
		h->o.http_cancel(h->o.arg, op);
}

void
sl_host_open(struct sl_engine *e, const struct sl_engine_options *options)
{
	struct sl_host *h = &e->host;

	h->o = *options;
	e->own_events.time_us = options->clock;
	e->own_events.time_arg = options->arg;
	if (e->loop != NULL && options->clock != NULL)
		sl_loop_set_clock(e->loop, options->clock, options->arg);
	if (e->own_loop && e->loop != NULL && options->watch != NULL && options->timer != NULL)
		sl_loop_set_host(e->loop, &(struct sl_loop_host){ options->watch, options->timer,
		    options->arg });
	if (options->event != NULL) {
		h->sink.level = options->level;
		h->sink.write = tell;
		sl_events_add(e->events, &h->sink);
	}
	if (options->dns != NULL) {
		h->dns = (struct sl_dns_host){ ask_dns, cancel_dns, h };
		e->dns_host = &h->dns;
	}
	if (options->http != NULL) {
		h->http = (struct sl_http_host){ ask_http, cancel_http, h };
		e->http_host = &h->http;
	}
}

void
sl_host_close(struct sl_engine *e)
{
	sl_events_remove(e->events, &e->host.sink);
	sl_buf_clear(&e->host.line);
}
