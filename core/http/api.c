#include "api.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../base/dict.h"
#include "../base/list.h"

#define ENTRIES		100000
#define BREAK_AFTER	5		/* failures in a row */
#define BREAK_MS	10000		/* then nothing is asked for so long */

/* One query: what was answered last, and who waits for the next answer. */
struct entry {
	struct sl_list waiters;
	struct sl_http_op *request;
	struct sl_api *api;
	char *url;
	bool answered;
	enum sl_api_kind kind;		/* ANSWER or NOTHING */
	struct sl_buf json;
	int64_t at;			/* sl_loop_now of the answer */
};

struct sl_api {
	struct sl_loop *loop;
	struct sl_http *http;
	struct sl_events *events;
	struct sl_api_options o;
	char *name, *url;
	char **headers;
	struct sl_dict *entries;
	unsigned failures;
	int64_t broken_until;
};

struct call {
	struct sl_api_op op;		/* first */
	struct sl_list link;
};

/* ---- life ---------------------------------------------------------------------------- */

static int
copy_headers(struct sl_api *api, const char *const *headers)
{
	size_t n = 0, i;

	while (headers != NULL && headers[n] != NULL)
		n++;
	api->headers = sl_calloc(n + 1, sizeof(*api->headers));
	for (i = 0; api->headers != NULL && i < n; i++)
		if ((api->headers[i] = sl_strdup(headers[i])) == NULL)
			return SL_ERR_NOMEM;
	return api->headers != NULL ? 0 : SL_ERR_NOMEM;
}

struct sl_api *
sl_api_new(struct sl_loop *loop, struct sl_http *http, struct sl_events *events,
    const struct sl_api_options *options)
{
	struct sl_api *api = sl_calloc(1, sizeof(*api));

	if (api == NULL)
		return NULL;
	api->loop = loop;
	api->http = http;
	api->events = events;
	api->o = *options;
	if (api->o.entries == 0)
		api->o.entries = ENTRIES;
	api->name = sl_strdup(options->name);
	api->url = sl_strdup(options->url);
	api->entries = sl_dict_new();
	if (api->name == NULL || api->url == NULL || api->entries == NULL ||
	    copy_headers(api, options->headers) != 0) {
		sl_api_free(api);
		return NULL;
	}
	return api;
}

static void
entry_free(void *arg)
{
	struct entry *e = arg;

	if (e->request != NULL)
		sl_op_release(&e->request->op);
	sl_buf_clear(&e->json);
	sl_free(e->url);
	sl_free(e);
}

void
sl_api_free(struct sl_api *api)
{
	size_t i;

	if (api == NULL)
		return;
	if (api->entries != NULL)
		sl_dict_free(api->entries, entry_free);
	for (i = 0; api->headers != NULL && api->headers[i] != NULL; i++) {
		sl_wipe(api->headers[i], strlen(api->headers[i]));
		sl_free(api->headers[i]);
	}
	sl_free(api->headers);
	sl_free(api->name);
	sl_free(api->url);
	sl_free(api);
}

/* ---- answers ------------------------------------------------------------------------------ */

static void
give(struct call *c, const struct entry *e, bool stale)
{
	c->op.kind = e->kind;
	c->op.stale = stale;
	sl_buf_putstr(&c->op.json, sl_buf_str(&e->json));
	sl_op_finish(&c->op.op, 0);
}

static void
give_failure(struct call *c, const char *code, const char *why)
{
	c->op.kind = SL_API_FAILED;
	c->op.code = code;
	snprintf(c->op.why, sizeof(c->op.why), "%s", why);
	sl_op_finish(&c->op.op, 0);
}

/* "Nothing" is null, [], {} or an empty answer: not a failure. */
static int
parse(const struct sl_buf *body, enum sl_api_kind *kind)
{
	json_t *v;

	if (sl_str_trim(sl_buf_str(body)).n == 0) {
		*kind = SL_API_NOTHING;
		return 0;
	}
	v = json_loadb(body->p, body->n, 0, NULL);
	if (v == NULL) {
		if (!sl_str_eq(sl_str_trim(sl_buf_str(body)), SL_STR("null")))
			return SL_ERR_SYNTAX;
		*kind = SL_API_NOTHING;
		return 0;
	}
	*kind = json_object_size(v) + json_array_size(v) > 0 ? SL_API_ANSWER : SL_API_NOTHING;
	json_decref(v);
	return 0;
}

/* NULL: the operation is an answer. Else the code of what failed. */
static const char *
judge(const struct sl_http_op *h, enum sl_api_kind *kind, char *why, size_t size)
{
	if (h->op.status != 0) {
		snprintf(why, size, "%s", h->err.text);
		return h->stage;
	}
	*kind = SL_API_NOTHING;
	if (h->code == 404 || h->code == 204)
		return NULL;
	snprintf(why, size, "HTTP status %ld", h->code);
	if (h->code < 200 || h->code > 299)
		return "status";
	snprintf(why, size, "the answer isn't JSON");
	return parse(&h->body, kind) == 0 ? NULL : "json";
}

static bool
stale_serves(const struct sl_api *api, const struct entry *e)
{
	int64_t ttl = e->kind == SL_API_ANSWER ? api->o.ttl_ms : api->o.negative_ttl_ms;

	return e->answered && sl_loop_now(api->loop) - e->at < ttl + api->o.stale_ms;
}

static void
failed(struct sl_api *api, struct entry *e, const char *code, const char *why)
{
	bool stale = stale_serves(api, e);
	struct sl_list *l;

	sl_event(api->events, SL_WARNING, "api_failed", SL_FIELDS(SL_F_TEXT("api", api->name),
	    SL_F_TEXT("code", code), SL_F_TEXT("error", why), SL_F_BOOL("stale", stale)));
	while ((l = sl_list_pop(&e->waiters)) != NULL) {
		struct call *c = sl_list_entry(l, struct call, link);

		if (stale)
			give(c, e, true);
		else
			give_failure(c, code, why);
	}
}

static void
answered(struct sl_op *op, void *arg)
{
	struct entry *e = arg;
	struct sl_api *api = e->api;
	struct sl_http_op *h = (struct sl_http_op *)op;
	enum sl_api_kind kind = SL_API_NOTHING;
	const char *code;
	char why[200] = "";
	struct sl_list *l;

	e->request = NULL;
	code = judge(h, &kind, why, sizeof(why));
	if (code != NULL) {
		if (++api->failures >= BREAK_AFTER)
			api->broken_until = sl_loop_now(api->loop) + BREAK_MS;
		failed(api, e, code, why);
	} else {
		api->failures = 0;
		e->answered = true;
		e->kind = kind;
		e->at = sl_loop_now(api->loop);
		sl_buf_reset(&e->json);
		if (kind == SL_API_ANSWER)
			sl_buf_putstr(&e->json, sl_buf_str(&h->body));
		while ((l = sl_list_pop(&e->waiters)) != NULL)
			give(sl_list_entry(l, struct call, link), e, false);
	}
	sl_op_release(op);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void
call_cancel(struct sl_op *op)
{
	sl_list_remove(&((struct call *)op)->link);
}

static void
call_free(struct sl_op *op)
{
	call_cancel(op);
	sl_buf_clear(&((struct call *)op)->op.json);
	sl_free(op);
}

static const struct sl_op_class call_class = { "api", call_cancel, call_free };

/* Base and query joined tolerantly: there is one '?'. */
static char *
join(const struct sl_api *api, const char *query)
{
	struct sl_buf url = SL_BUF_INIT;
	bool has = strchr(api->url, '?') != NULL;

	sl_buf_puts(&url, api->url);
	if (query[0] == '?' || query[0] == '&') {
		sl_buf_putc(&url, has ? '&' : '?');
		query++;
	}
	sl_buf_puts(&url, query);
	return sl_buf_take(&url, NULL);
}

/* Room for one more: the oldest that nobody waits for goes. */
static void
make_room(struct sl_api *api)
{
	struct sl_str key;
	void *value;
	size_t i;

	if (sl_dict_count(api->entries) < api->o.entries)
		return;
	for (i = 0; sl_dict_each(api->entries, &i, &key, &value);)
		if (((struct entry *)value)->request == NULL) {
			sl_dict_remove(api->entries, key);
			entry_free(value);
			return;
		}
}

static struct entry *
entry_of(struct sl_api *api, const char *query)
{
	char *url = join(api, query);
	struct entry *e = url != NULL ? sl_dict_get(api->entries, sl_str_of(url)) : NULL;

	if (e != NULL || url == NULL) {
		sl_free(url);
		return e;
	}
	make_room(api);
	e = sl_calloc(1, sizeof(*e));
	if (e == NULL || sl_dict_set(api->entries, sl_str_of(url), e, NULL) != 0) {
		sl_free(url);
		sl_free(e);
		return NULL;
	}
	sl_list_init(&e->waiters);
	e->api = api;
	e->url = url;
	return e;
}

static bool
fresh(const struct sl_api *api, const struct entry *e)
{
	int64_t ttl = e->kind == SL_API_ANSWER ? api->o.ttl_ms : api->o.negative_ttl_ms;

	return e->answered && sl_loop_now(api->loop) - e->at < ttl;
}

static void
ask(struct sl_api *api, struct entry *e)
{
	struct sl_http_request r = {
		.url = e->url, .headers = (const char *const *)api->headers,
		.connect_timeout_ms = api->o.timeout_ms, .timeout_ms = api->o.timeout_ms,
		.max_body = api->o.max_body, .allow_private = true,
	};

	if (e->request != NULL)
		return;		/* somebody asks already */
	if (sl_loop_now(api->loop) < api->broken_until) {
		failed(api, e, "breaker", "the API failed repeatedly and isn't asked for a while");
		return;
	}
	e->request = sl_http_start(api->http, &r);
	if (e->request == NULL)
		failed(api, e, "connect", "out of memory");
	else
		sl_op_wait(&e->request->op, answered, e);
}

struct sl_api_op *
sl_api_call(struct sl_api *api, const char *query)
{
	struct call *c = sl_calloc(1, sizeof(*c));
	struct entry *e = c != NULL ? entry_of(api, query) : NULL;

	if (e == NULL) {
		sl_free(c);
		return NULL;
	}
	sl_op_init(&c->op.op, &call_class, api->loop, 0);
	sl_list_init(&c->link);
	if (fresh(api, e)) {
		give(c, e, false);
		return &c->op;
	}
	sl_list_insert(&e->waiters, &c->link);
	ask(api, e);
	return &c->op;
}
