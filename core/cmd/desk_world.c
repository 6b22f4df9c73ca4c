/*
 * The desk's world: who answers DNS and HTTP. Zone text and routes first; then,
 * if it is live, the network; else the question is told as one that nobody
 * answered, and the script hears of a failure.
 */
#include "desk_private.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../dns/zone.h"
#include "../policy/config.h"

#define MAX_SERVERS	16

struct desk_route {
	struct desk_route *next;
	char *method, *url;		/* method NULL = any */
	json_t *answers;
	size_t used;
};

/* An answer under way: after its delay, from the network, or never. */
struct later {
	struct sl_list link;
	struct desk *desk;
	struct sl_timer timer;
	struct sl_dns_query *query;	/* asked by the engine: this, */
	struct sl_http_op *op;		/* or that */
	struct sl_dns_answer *dns;
	json_t *http;
	struct sl_op *live;		/* the same question to the network */
};

/* ---- questions --------------------------------------------------------------------------- */

json_t *
desk_questions(struct desk *d)
{
	return d->questions;
}

json_t *
desk_unanswered(struct desk *d)
{
	return d->unanswered;
}

void
desk_forget(struct desk *d)
{
	json_array_clear(d->told);
	json_array_clear(d->questions);
	json_array_clear(d->unanswered);
}

void
desk_describe_question(const json_t *q, struct sl_buf *out)
{
	const char *dns = json_string_value(json_object_get(q, "dns"));
	const char *socket = json_string_value(json_object_get(q, "socket"));

	if (socket != NULL)
		sl_buf_printf(out, "socket: nobody answered %s", socket);
	else if (dns != NULL)
		sl_buf_printf(out, "DNS: nobody answered %s %s", dns,
		    json_string_value(json_object_get(q, "name")));
	else
		sl_buf_printf(out, "HTTP: nobody answered %s %s",
		    json_string_value(json_object_get(q, "http")),
		    json_string_value(json_object_get(q, "url")));
}

static void
note(struct desk *d, json_t *question, bool answered)
{
	if (!answered && !d->live_dns)
		json_array_append(d->unanswered, question);
	json_array_append_new(d->questions, question);
}

int
desk_refuse(struct desk *d, const char *address)
{
	return json_object_set_new(d->refused, address, json_true()) == 0 ? 0 : SL_ERR_NOMEM;
}

/* A socket goes to the network, or nowhere. */
bool
desk_may_connect(void *arg, const char *to)
{
	struct desk *d = arg;
	bool refused = json_object_get(d->refused, to) != NULL;

	note(d, json_pack("{s:s}", "socket", to), refused);
	return !refused && d->live_dns != NULL;
}

static void
later_free(struct later *l)
{
	sl_list_remove(&l->link);
	sl_timer_stop(&l->timer);
	sl_op_release(l->live);
	sl_dns_answer_unref(l->dns);
	json_decref(l->http);
	sl_free(l);
}

static struct later *
later_new(struct desk *d)
{
	struct later *l = sl_calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->desk = d;
	sl_list_insert(&d->later, &l->link);
	return l;
}

static struct later *
later_find(struct desk *d, const struct sl_dns_query *query, const struct sl_http_op *op)
{
	struct sl_list *n;

	for (n = d->later.next; n != &d->later; n = n->next) {
		struct later *l = sl_list_entry(n, struct later, link);

		if (l->query == query && l->op == op)
			return l;
	}
	return NULL;
}

static void
dns_cancel(void *arg, struct sl_dns_query *query)
{
	struct later *l = later_find(arg, query, NULL);

	if (l != NULL)
		later_free(l);
}

static void
http_cancel(void *arg, struct sl_http_op *op)
{
	struct later *l = later_find(arg, NULL, op);

	if (l != NULL)
		later_free(l);
}

/* ---- DNS --------------------------------------------------------------------------------- */

static void
dns_delayed(struct sl_timer *timer)
{
	struct later *l = sl_list_entry(timer, struct later, timer);
	struct sl_dns_query *query = l->query;
	struct sl_dns_answer *answer = l->dns;

	l->dns = NULL;
	later_free(l);
	sl_dns_give(query, answer);
}

/* Zone text with TIMEOUT is never answered: the question's own deadline passes. */
static void
give_dns(struct desk *d, struct sl_dns_query *query, struct sl_dns_answer *answer, int64_t delay)
{
	bool never = answer != NULL && answer->status == SL_DNS_TIMEOUT;
	struct later *l = delay > 0 || never ? later_new(d) : NULL;

	if (l == NULL) {
		sl_dns_give(query, answer);
		return;
	}
	l->query = query;
	l->dns = answer;
	if (!never)
		sl_timer_start(d->loop, &l->timer, delay, dns_delayed);
}

static void
dns_live_answered(struct sl_op *op, void *arg)
{
	struct later *l = arg;
	struct sl_dns_query *query = l->query;
	struct sl_dns_answer *answer = sl_dns_answer_ref(((struct sl_dns_query *)op)->answer);

	later_free(l);
	sl_dns_give(query, answer);
}

static void
ask_live_dns(struct desk *d, struct sl_dns_query *query, const char *name)
{
	struct later *l = later_new(d);

	l->query = query;
	l->live = &sl_dns_query(d->live_dns, name, query->type, 0)->op;
	sl_op_wait(l->live, dns_live_answered, l);
}

static void
dns_ask(void *arg, struct sl_dns_query *query, const char *name)
{
	struct desk *d = arg;
	struct sl_dns_answer *answer = NULL;
	char outside[256] = "";
	int64_t delay = 0;

	if (d->zone != NULL)
		answer = sl_zone_answer(d->zone, name, query->type, &delay, outside);
	else
		snprintf(outside, sizeof(outside), "%s", name);
	note(d, json_pack("{s:s, s:s}", "dns", sl_dns_type_word(query->type), "name",
	    outside[0] != '\0' ? outside : name), outside[0] == '\0' || d->zone_only);
	if (outside[0] == '\0') {
		give_dns(d, query, answer, delay);
		return;
	}
	sl_dns_answer_unref(answer);
	if (d->live_dns != NULL && !d->zone_only)
		ask_live_dns(d, query, outside);
	else
		sl_dns_give(query, d->zone_only ? sl_dns_answer_empty(SL_DNS_NXDOMAIN) : NULL);
}

int
desk_zone(struct desk *d, struct sl_str text, struct sl_err *err)
{
	size_t before = d->zone_text.n;
	struct sl_zone *zone;
	int rc;

	if ((rc = sl_zone_parse(&zone, text, err)) != 0)	/* lines as the caller counts them */
		return rc;
	sl_zone_free(zone);
	sl_buf_puts(&d->zone_text, "$ORIGIN .\n$TTL 300\n");
	sl_buf_putstr(&d->zone_text, text);
	sl_buf_putc(&d->zone_text, '\n');
	if ((rc = sl_zone_parse(&zone, sl_buf_str(&d->zone_text), err)) != 0) {
		d->zone_text.n = before;
		return rc;
	}
	sl_zone_free(d->zone);
	d->zone = zone;
	return 0;
}

/* What the policy says of DNS holds here too. */
int
desk_world_of_policy(struct desk *d, struct sl_buf *report)
{
	const struct sl_config *c = sl_engine_config(d->engine);
	struct sl_err err;

	d->zone_only = c->dns.zone_only;
	if (c->dns.zone_text.n == 0 || desk_zone(d, c->dns.zone_text, &err) == 0)
		return 0;
	sl_buf_printf(report, "dns: %s\n", err.text);
	return err.code;
}

/* ---- HTTP -------------------------------------------------------------------------------- */

/* '*' stands for anything, also for nothing. */
static bool
matches(const char *pattern, const char *text)
{
	const char *star = NULL, *from = text;

	while (*text != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			from = text;
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star != NULL) {
			pattern = star;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

int
desk_route(struct desk *d, const char *method, const char *url, json_t *answers)
{
	struct desk_route *r = sl_calloc(1, sizeof(*r));

	if (r == NULL || (r->url = sl_strdup(url)) == NULL ||
	    (method != NULL && (r->method = sl_strdup(method)) == NULL)) {
		if (r != NULL)
			sl_free(r->url);
		sl_free(r);
		json_decref(answers);
		return SL_ERR_NOMEM;
	}
	r->answers = answers;
	r->next = d->routes;
	d->routes = r;
	return 0;
}

static json_t *
find_answer(struct desk *d, const char *method, const char *url)
{
	struct desk_route *r;
	size_t n;

	for (r = d->routes; r != NULL; r = r->next)
		if ((r->method == NULL || strcmp(r->method, method) == 0) && matches(r->url, url)) {
			n = json_array_size(r->answers);
			return json_array_get(r->answers, r->used + 1 < n ? r->used++ : n - 1);
		}
	return NULL;
}

static void
put_headers(struct sl_buf *out, json_t *answer)
{
	json_t *headers = json_object_get(answer, "headers"), *value;
	const char *name;

	sl_buf_puts(out, "HTTP/1.1 ");
	sl_buf_printf(out, "%d\r\n", (int)json_integer_value(json_object_get(answer, "status")));
	json_object_foreach(headers, name, value)
		if (json_is_string(value))
			sl_buf_printf(out, "%s: %s\r\n", name, json_string_value(value));
}

static void
give_http(struct sl_http_op *op, json_t *answer)
{
	const char *fail = json_string_value(json_object_get(answer, "fail"));
	json_t *body = json_object_get(answer, "body"), *status = json_object_get(answer, "status");
	struct sl_buf headers = SL_BUF_INIT;

	if (fail != NULL) {
		sl_http_give_failure(op, fail, "as the route says");
		return;
	}
	put_headers(&headers, answer);
	sl_http_give(op, json_is_integer(status) ? (long)json_integer_value(status) : 200,
	    sl_buf_str(&headers), (struct sl_str){ json_string_value(body), json_string_length(body) });
	sl_buf_clear(&headers);
}

static void
http_delayed(struct sl_timer *timer)
{
	struct later *l = sl_list_entry(timer, struct later, timer);
	struct sl_http_op *op = l->op;
	json_t *answer = json_incref(l->http);

	later_free(l);
	give_http(op, answer);
	json_decref(answer);
}

static void
http_live_answered(struct sl_op *op, void *arg)
{
	struct sl_http_op *from = (struct sl_http_op *)op, *to;
	struct later *l = arg;

	to = l->op;
	if (op->status == 0)
		sl_http_give(to, from->code, sl_buf_str(&from->headers), sl_buf_str(&from->body));
	else
		sl_http_give_failure(to, from->stage, from->err.text);
	later_free(l);
}

static void
ask_live_http(struct desk *d, struct sl_http_op *op, const struct sl_http_request *request)
{
	struct later *l = later_new(d);

	l->op = op;
	l->live = &sl_http_start(d->live_http, request)->op;
	sl_op_wait(l->live, http_live_answered, l);
}

static json_t *
describe_request(const struct sl_http_request *r, const char *method)
{
	json_t *q = json_object(), *headers = json_array();
	const char *const *h;

	for (h = r->headers; h != NULL && *h != NULL; h++)
		json_array_append_new(headers, desk_text(sl_str_of(*h)));
	json_object_set_new(q, "http", desk_text(sl_str_of(method)));
	json_object_set_new(q, "url", desk_text(sl_str_of(r->url)));
	json_object_set_new(q, "headers", headers);
	if (r->has_body)
		json_object_set_new(q, "body", desk_text(r->body));
	return q;
}

static void
http_ask(void *arg, struct sl_http_op *op, const struct sl_http_request *request)
{
	struct desk *d = arg;
	const char *method = request->method != NULL ? request->method :
	    request->has_body ? "POST" : "GET";
	json_t *answer = find_answer(d, method, request->url);
	double delay = json_number_value(json_object_get(answer, "delay"));
	struct later *l;

	note(d, describe_request(request, method), answer != NULL);
	if (answer == NULL && d->live_http != NULL) {
		ask_live_http(d, op, request);
	} else if (answer == NULL) {
		sl_http_give_failure(op, "connect", "nobody answers it here");
	} else if (delay > 0 && (l = later_new(d)) != NULL) {
		l->op = op;
		l->http = json_incref(answer);
		sl_timer_start(d->loop, &l->timer, (int64_t)(delay * 1000), http_delayed);
	} else {
		give_http(op, answer);
	}
}

/* ---- live -------------------------------------------------------------------------------- */

/* As the policy wants it, zone text apart; without one the system's resolver. */
static struct sl_dns *
open_live_dns(struct desk *d, struct sl_err *err)
{
	static const int dnssec[] = { -1, 1, 0 };
	const struct sl_config *c = sl_engine_config(d->engine);
	const char *servers[MAX_SERVERS + 1] = { NULL };
	struct sl_dns_options o = { 0 };
	size_t i;

	if (c != NULL) {
		for (i = 0; i < json_array_size(c->dns.servers) && i < MAX_SERVERS; i++)
			servers[i] = json_string_value(json_array_get(c->dns.servers, i));
		o.servers = servers;
		o.dnssec = dnssec[c->dns.dnssec];
		o.anchor = c->dns.anchor_text;
		o.timeout_ms = (int64_t)(c->dns.timeout * 1000);
	}
	return sl_dns_open(d->loop, &o, err);
}

int
desk_live(struct desk *d, bool live, struct sl_err *err)
{
	sl_http_close(d->live_http);
	sl_dns_unref(d->live_dns);
	d->live_http = NULL;
	d->live_dns = NULL;
	if (!live)
		return 0;
	if ((d->live_dns = open_live_dns(d, err)) == NULL)
		return err->code;
	d->live_http = sl_http_open(d->loop, d->dns, NULL, err);	/* hosts may be in zone text */
	return d->live_http != NULL ? 0 : err->code;
}

/* ---- life -------------------------------------------------------------------------------- */

int
desk_world_open(struct desk *d, struct sl_err *err)
{
	struct sl_dns_options o = { .host = &d->dns_host, .events = &d->events };

	d->dns_host = (struct sl_dns_host){ dns_ask, dns_cancel, d };
	d->http_host = (struct sl_http_host){ http_ask, http_cancel, d };
	d->questions = json_array();
	d->unanswered = json_array();
	d->refused = json_object();
	if ((d->dns = sl_dns_open(d->loop, &o, err)) == NULL)
		return err->code;
	if ((d->http = sl_http_open(d->loop, d->dns, &d->events, err)) == NULL)
		return err->code;
	sl_http_set_host(d->http, &d->http_host);
	return 0;
}

void
desk_world_close(struct desk *d)
{
	struct desk_route *r;

	while (!sl_list_empty(&d->later))
		later_free(sl_list_entry(d->later.next, struct later, link));
	desk_live(d, false, NULL);
	sl_http_close(d->http);
	sl_dns_unref(d->dns);
	d->http = NULL;
	d->dns = NULL;
	while ((r = d->routes) != NULL) {
		d->routes = r->next;
		json_decref(r->answers);
		sl_free(r->method);
		sl_free(r->url);
		sl_free(r);
	}
	sl_zone_free(d->zone);
	d->zone = NULL;
	sl_buf_clear(&d->zone_text);
	json_decref(d->questions);
	json_decref(d->unanswered);
	json_decref(d->refused);
	d->questions = d->unanswered = d->refused = NULL;
}
