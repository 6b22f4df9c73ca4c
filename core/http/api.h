/*
 * An HTTP API that policies ask (api_call): answers are cached, a thousand
 * that ask the same at once make one request, an old answer serves while the
 * API fails, and a failing API isn't hammered.
 */
#ifndef SL_HTTP_API_H
#define SL_HTTP_API_H

#include "client.h"

struct sl_api;

struct sl_api_options {
	const char *name;		/* for events */
	const char *url;		/* base; may have a query of its own */
	const char *const *headers;	/* "Name: value", NULL-terminated; may be NULL */
	struct sl_str ca_pem;		/* who vouches for its certificate; empty = the system's roots */
	int64_t timeout_ms;		/* of a request */
	int64_t ttl_ms, negative_ttl_ms;	/* how long an answer, "nothing" serves */
	int64_t stale_ms;		/* how long an old answer serves while the API fails */
	size_t max_body;
	size_t entries, bytes;		/* cached at most; 0 = 100,000 and 64 MB. The answers that
					 * weren't used longest go first. */
};

/*
 * A failing API is an event api_failed: for each request until the breaker
 * opens (after five failures in a row nothing is asked for ten seconds, then
 * one request tries), from then on at most one a minute, with the number of
 * calls since the last; an answer ends it with api_recovered.
 */

/* 'options' is copied. A host named here may be private. NULL = out of memory. */
struct sl_api	*sl_api_new(struct sl_loop *loop, struct sl_http *http, struct sl_events *events,
		    const struct sl_api_options *options);
void		 sl_api_free(struct sl_api *api);	/* operations were released before */
const char	*sl_api_name(const struct sl_api *api);
struct sl_loop	*sl_api_loop(const struct sl_api *api);
/* Takes over what 'old' has cached, shared, and its breaker. False, and nothing is taken
 * over, when URL or headers differ: then it isn't the same API any more. */
bool		 sl_api_inherit(struct sl_api *api, const struct sl_api *old);

enum sl_api_kind { SL_API_ANSWER, SL_API_NOTHING, SL_API_FAILED };

struct sl_api_op {
	struct sl_op op;		/* status 0 always: 'kind' tells */
	enum sl_api_kind kind;
	struct sl_str json;		/* ANSWER; borrowed while the operation lives */
	const char *code;		/* FAILED: "timeout" "connect" "tls" "status" "json" "size" "breaker" */
	char why[200];
	bool stale;			/* an old answer, because the API fails */
};

/*
 * 'query' is put behind the base URL tolerantly: "?a=b", "&a=b" and "a=b" are
 * the same, joined with '?' or '&' as it needs; "/path" is a path; behind a
 * base that ends with '/' or '=' anything else is put as it is. NULL = out of
 * memory.
 */
struct sl_api_op *sl_api_call(struct sl_api *api, const char *query);

#endif
