#include "api.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../base/dict.h"
#include "../base/list.h"

#define ENTRIES		100000
#define BYTES		(64 * 1024 * 1024)
#define OVERHEAD	256		/* of an entry, about */
#define BREAK_AFTER	5		/* failures in a row */
#define BREAK_MS	10000		/* then nothing is asked for so long */
#define TELL_MS		60000		/* between events while the breaker is open */

/* What the API said: shared by calls and, over a reload, by generations. */
struct answer {
	unsigned refs;
	enum sl_api_kind kind;		/* ANSWER or NOTHING */
	struct sl_buf json;
	int64_t at;			/* sl_loop_now */
};

/* One query: what was answered last, and who waits for the next answer. */
struct entry {
	struct sl_list waiters;
	struct sl_list lru;		/* in sl_api.lru while nobody waits */
	struct sl_http_op *request;
	struct sl_api *api;
	char *url;
	struct answer *answer;		/* NULL = none yet */
};

struct sl_api {
	struct sl_loop *loop;
	struct sl_http *http;
	struct sl_events *events;
	struct sl_api_options o;
	char *name, *url;
	char **headers;
	struct sl_buf ca_pem;
	struct sl_dict *entries;
	struct sl_list lru;		/* least recently used first */
	size_t bytes;			/* of all entries */
	unsigned failures;		/* in a row */
	int64_t broken_until;
	uint64_t untold;		/* failed calls since the last event */
	int64_t tell_at;
	bool told;			/* that the breaker is open */
};

struct call {
	struct sl_api_op op;		/* first */
	struct sl_list link;
	struct answer *answer;		/* what op.json is of */
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
	if (api->o.bytes == 0)
		api->o.bytes = BYTES;
	sl_list_init(&api->lru);
	api->name = sl_strdup(options->name);
	api->url = sl_strdup(options->url);
	api->entries = sl_dict_new();
	sl_buf_putstr(&api->ca_pem, options->ca_pem);
	if (api->ca_pem.failed || api->name == NULL || api->url == NULL || api->entries == NULL ||
	    copy_headers(api, options->headers) != 0) {
		sl_api_free(api);
		return NULL;
	}
	return api;
}

static void
answer_unref(struct answer *a)
{
	if (a == NULL || --a->refs > 0)
		return;
	if (a->json.p != NULL)
		sl_wipe(a->json.p, a->json.n);
	sl_buf_clear(&a->json);
	sl_free(a);
}

static void
entry_free(void *arg)
{
	struct entry *e = arg;

	if (e->request != NULL)
		sl_op_release(&e->request->op);
	sl_list_remove(&e->lru);
	answer_unref(e->answer);
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
	sl_buf_clear(&api->ca_pem);
	sl_free(api->name);
	sl_free(api->url);
	sl_free(api);
}

const char *
sl_api_name(const struct sl_api *api)
{
	return api->name;
}

struct sl_loop *
sl_api_loop(const struct sl_api *api)
{
	return api->loop;
}

/* ---- answers ------------------------------------------------------------------------------ */

static void
give(struct call *c, const struct entry *e, bool stale)
{
	c->answer = e->answer;
	c->answer->refs++;
	c->op.kind = e->answer->kind;
	c->op.json = sl_buf_str(&e->answer->json);
	c->op.stale = stale;
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

/* ---- the cache ------------------------------------------------------------------------- */

static size_t
size_of(const struct entry *e)
{
	return OVERHEAD + 2 * strlen(e->url) + (e->answer != NULL ? e->answer->json.cap : 0);
}

static void
drop_entry(struct sl_api *api, struct entry *e)
{
	api->bytes -= size_of(e);
	sl_dict_remove(api->entries, sl_str_of(e->url));
	entry_free(e);
}

/* What wasn't used longest goes; what somebody waits for stays. */
static void
make_room(struct sl_api *api)
{
	while (!sl_list_empty(&api->lru) && (sl_dict_count(api->entries) > api->o.entries ||
	    api->bytes > api->o.bytes))
		drop_entry(api, sl_list_entry(api->lru.next, struct entry, lru));
}

/* Nobody waits any more: it may go when there is no room. */
static void
used(struct sl_api *api, struct entry *e)
{
	sl_list_remove(&e->lru);
	sl_list_insert(&api->lru, &e->lru);
	make_room(api);
}

/* 'answer' is taken. */
static void
keep(struct sl_api *api, struct entry *e, struct answer *answer)
{
	api->bytes -= size_of(e);
	answer_unref(e->answer);
	e->answer = answer;
	api->bytes += size_of(e);
}

/* The bytes of the request are taken. NULL = out of memory. */
static struct answer *
new_answer(struct sl_api *api, enum sl_api_kind kind, struct sl_buf *json)
{
	struct answer *a = sl_calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->refs = 1;
	a->kind = kind;
	a->at = sl_loop_now(api->loop);
	if (kind == SL_API_ANSWER) {
		a->json = *json;
		*json = SL_BUF_INIT;
	}
	return a;
}

/* The old answer serves for 'more' than its time to live. */
static bool
serves(const struct sl_api *api, const struct entry *e, int64_t more)
{
	int64_t ttl;

	if (e->answer == NULL)
		return false;
	ttl = e->answer->kind == SL_API_ANSWER ? api->o.ttl_ms : api->o.negative_ttl_ms;
	return sl_loop_now(api->loop) - e->answer->at < ttl + more;
}

/* ---- failures, and their end ---------------------------------------------------------------- */

static void
tell(struct sl_api *api, const char *code, const char *why, bool stale, size_t calls)
{
	int64_t now = sl_loop_now(api->loop);

	api->untold += calls;
	if (api->failures >= BREAK_AFTER && api->told && now < api->tell_at)
		return;
	api->told = api->failures >= BREAK_AFTER;
	sl_event(api->events, SL_WARNING, "api_failed", SL_FIELDS(SL_F_TEXT("api", api->name),
	    SL_F_TEXT("code", code), SL_F_TEXT("error", why), SL_F_BOOL("stale", stale),
	    SL_F_INT("calls", api->untold), SL_F_BOOL("breaker", api->failures >= BREAK_AFTER)));
	api->untold = 0;
	api->tell_at = now + TELL_MS;
}

/* An entry that never had an answer goes. */
static void
failed(struct sl_api *api, struct entry *e, const char *code, const char *why)
{
	bool stale = serves(api, e, api->o.stale_ms);
	size_t calls = 0;
	struct sl_list *l;

	while ((l = sl_list_pop(&e->waiters)) != NULL) {
		struct call *c = sl_list_entry(l, struct call, link);

		calls++;
		if (stale)
			give(c, e, true);
		else
			give_failure(c, code, why);
	}
	tell(api, code, why, stale, calls);
	if (e->answer == NULL)
		drop_entry(api, e);
	else
		used(api, e);
}

/* The fifth failure in a row opens the breaker, one that tries opens it again. */
static void
request_failed(struct sl_api *api, struct entry *e, const char *code, const char *why)
{
	if (++api->failures >= BREAK_AFTER)
		api->broken_until = sl_loop_now(api->loop) + BREAK_MS;
	failed(api, e, code, why);
}

static void
recovered(struct sl_api *api)
{
	if (api->failures >= BREAK_AFTER)
		sl_event(api->events, SL_NOTICE, "api_recovered", SL_FIELDS(
		    SL_F_TEXT("api", api->name), SL_F_INT("calls", api->untold)));
	api->failures = 0;
	api->broken_until = 0;
	api->untold = 0;
	api->told = false;
}

static void
answered(struct sl_op *op, void *arg)
{
	struct entry *e = arg;
	struct sl_api *api = e->api;
	struct sl_http_op *h = (struct sl_http_op *)op;
	enum sl_api_kind kind = SL_API_NOTHING;
	struct answer *answer = NULL;
	char why[200] = "out of memory";
	struct sl_list *l;
	const char *code;

	e->request = NULL;
	code = judge(h, &kind, why, sizeof(why));
	if (code == NULL && (answer = new_answer(api, kind, &h->body)) == NULL)
		code = "size";
	sl_op_release(op);
	if (code != NULL) {
		request_failed(api, e, code, why);
		return;
	}
	recovered(api);
	keep(api, e, answer);
	while ((l = sl_list_pop(&e->waiters)) != NULL)
		give(sl_list_entry(l, struct call, link), e, false);
	used(api, e);
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
	answer_unref(((struct call *)op)->answer);
	sl_free(op);
}

static const struct sl_op_class call_class = { "api", call_cancel, call_free };

/* What stands between base and query; *query loses what the base has already. */
static const char *
separator(const char *base, const char **query)
{
	const char *mark = strchr(base, '?') != NULL ? "&" : "?";
	char last = base[0] != '\0' ? base[strlen(base) - 1] : '?', first = **query;

	if (first == '?' || first == '&') {
		++*query;
		return last == '?' || last == '&' ? "" : mark;
	}
	if (first == '/') {
		*query += last == '/';
		return "";
	}
	return first == '\0' || strchr("/=?&", last) != NULL ? "" : mark;
}

static char *
join(const struct sl_api *api, const char *query)
{
	struct sl_buf url = SL_BUF_INIT;
	const char *between = separator(api->url, &query);

	sl_buf_puts(&url, api->url);
	sl_buf_puts(&url, between);
	sl_buf_puts(&url, query);
	return sl_buf_take(&url, NULL);
}

/* 'url' is taken. */
static struct entry *
new_entry(struct sl_api *api, char *url)
{
	struct entry *e = sl_calloc(1, sizeof(*e));

	if (e == NULL || sl_dict_set(api->entries, sl_str_of(url), e, NULL) != 0) {
		sl_free(url);
		sl_free(e);
		return NULL;
	}
	sl_list_init(&e->waiters);
	sl_list_init(&e->lru);
	e->api = api;
	e->url = url;
	api->bytes += size_of(e);
	return e;
}

static struct entry *
entry_of(struct sl_api *api, const char *query)
{
	char *url = join(api, query);
	struct entry *e = url != NULL ? sl_dict_get(api->entries, sl_str_of(url)) : NULL;

	if (e == NULL && url != NULL)
		return new_entry(api, url);
	sl_free(url);
	return e;
}

static void
ask(struct sl_api *api, struct entry *e)
{
	struct sl_http_request r = {
		.url = e->url, .headers = (const char *const *)api->headers,
		.ca_pem = sl_buf_str(&api->ca_pem),
		.connect_timeout_ms = api->o.timeout_ms, .timeout_ms = api->o.timeout_ms,
		.max_body = api->o.max_body, .allow_private = true,
	};
	int64_t now = sl_loop_now(api->loop);

	if (e->request != NULL)
		return;		/* somebody asks already */
	if (now < api->broken_until) {
		failed(api, e, "breaker", "the API failed repeatedly and isn't asked for a while");
		return;
	}
	if (api->failures >= BREAK_AFTER)	/* this one tries, alone */
		api->broken_until = now + BREAK_MS;
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
	if (serves(api, e, 0)) {
		give(c, e, false);
		if (e->request == NULL)
			used(api, e);
		return &c->op;
	}
	sl_list_insert(&e->waiters, &c->link);
	sl_list_remove(&e->lru);
	ask(api, e);
	return &c->op;
}

/* ---- over a reload ------------------------------------------------------------------------------ */

static bool
same_api(const struct sl_api *a, const struct sl_api *b)
{
	size_t i;

	if (strcmp(a->url, b->url) != 0)
		return false;
	for (i = 0; a->headers[i] != NULL && b->headers[i] != NULL; i++)
		if (strcmp(a->headers[i], b->headers[i]) != 0)
			return false;
	return a->headers[i] == b->headers[i];	/* both NULL */
}

static void
inherit(struct sl_api *api, const struct entry *from)
{
	char *url = from->answer != NULL ? sl_strdup(from->url) : NULL;
	struct entry *e;

	if (url == NULL || sl_dict_has(api->entries, sl_str_of(url))) {
		sl_free(url);
		return;
	}
	if ((e = new_entry(api, url)) == NULL)
		return;
	from->answer->refs++;
	keep(api, e, from->answer);
	used(api, e);
}

bool
sl_api_inherit(struct sl_api *api, const struct sl_api *old)
{
	struct sl_list *l;
	struct sl_str key;
	void *value;
	size_t i;

	if (!same_api(api, old))
		return false;
	for (l = old->lru.next; l != &old->lru; l = l->next)
		inherit(api, sl_list_entry(l, struct entry, lru));
	for (i = 0; sl_dict_each(old->entries, &i, &key, &value);)	/* those that are asked again */
		inherit(api, value);
	api->failures = old->failures;
	api->broken_until = old->broken_until;
	api->untold = old->untold;
	api->tell_at = old->tell_at;
	api->told = old->told;
	return true;
}
