/* api_call's cache, single flight, breaker and reload, against a real server. */
#include "http_testing.h"

#include "../base/alloc.h"
#include "api.h"

static struct web web;
static struct sl_loop *loop;
static struct sl_http *http;
static struct sl_events events;
static struct sl_event_sink sink;
static unsigned failed_events, recovered_events;
static int64_t calls_told;

static void
note(struct sl_event_sink *s, const struct sl_event *event)
{
	const struct sl_event_field *f;

	(void)s;
	failed_events += strcmp(event->name, "api_failed") == 0;
	recovered_events += strcmp(event->name, "api_recovered") == 0;
	for (f = event->fields; f->kind != SL_FIELD_END; f++)
		if (strcmp(f->name, "calls") == 0)
			calls_told += f->num;
}

static int
setup(void **state)
{
	struct sl_err err;

	(void)state;
	web_start(&web, NULL, NULL);
	failed_events = recovered_events = 0;
	calls_told = 0;
	sl_events_init(&events);
	sink.write = note;
	sl_events_add(&events, &sink);
	loop = sl_loop_new(NULL);
	http = sl_http_open(loop, NULL, &events, &err);
	return http == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	sl_http_close(http);
	sl_loop_free(loop);
	web_stop(&web);
	return 0;
}

/* 'o' may be all zero; what is zero becomes a value for tests. */
static struct sl_api *
api_at(const char *path, struct sl_api_options o)
{
	struct sl_api *api;
	char url[200];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", web.port, path);
	o.name = "test";
	o.url = url;
	o.timeout_ms = o.timeout_ms != 0 ? o.timeout_ms : 2000;
	o.ttl_ms = o.ttl_ms != 0 ? o.ttl_ms : 60000;
	o.max_body = o.max_body != 0 ? o.max_body : 100000;
	api = sl_api_new(loop, http, &events, &o);
	assert_non_null(api);
	return api;
}

/* The word for what came: "answer" "stale" "nothing", or the code of the failure. */
static const char *
call(struct sl_api *api, const char *query)
{
	struct sl_api_op *op = sl_api_call(api, query);
	const char *word;

	assert_non_null(op);
	sl_op_block(&op->op);
	word = op->kind == SL_API_FAILED ? op->code : op->stale ? "stale" :
	    op->kind == SL_API_ANSWER ? "answer" : "nothing";
	assert_int_equal(op->json.n > 0, op->kind == SL_API_ANSWER);
	sl_op_release(&op->op);
	return word;
}

static void
wait_ms(int64_t ms)
{
	struct sl_op *op = sl_op_sleep(loop, ms);

	sl_op_block(op);
	sl_op_release(op);
}

/* ---- answers ------------------------------------------------------------------------- */

/* A33: what a server may do, and the word for it. */
static void
test_a33_what_servers_do(void **state)
{
	static const struct { const char *path, *word; } cases[] = {
		{ "/json", "answer" }, { "/slow", "answer" }, { "/hang", "timeout" },
		{ "/500", "status" }, { "/redirect", "status" }, { "/gigabyte", "size" },
		{ "/endless", "size" }, { "/deep", "json" }, { "/html", "json" }, { "/broken", "json" },
		{ "/404", "nothing" }, { "/204", "nothing" }, { "/null", "nothing" }, { "/list", "nothing" },
	};
	struct sl_api_options o = { .timeout_ms = 800, .max_body = 1000000 };
	struct sl_api *api;
	const char *word;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		api = api_at(cases[i].path, o);
		word = call(api, "");
		if (strcmp(word, cases[i].word) != 0)
			fail_msg("%s: %s, not %s", cases[i].path, word, cases[i].word);
		sl_api_free(api);
	}
	assert_int_equal(web.requests, i);	/* no redirect was followed, nothing asked twice */
}

static void
test_a33_nobody_there(void **state)
{
	struct sl_api_options o = { .timeout_ms = 500 };
	struct sl_api *api = api_at("/json", o);

	(void)state;
	web_stop(&web);
	assert_string_equal(call(api, ""), "connect");
	sl_api_free(api);
	web_start(&web, NULL, NULL);
}

static void
test_joining(void **state)
{
	static const struct { const char *base, *query, *url; } cases[] = {
		{ "/v1", "?a=b", "/v1?a=b" }, { "/v1", "&a=b", "/v1?a=b" }, { "/v1", "a=b", "/v1?a=b" },
		{ "/v1?key=1", "?a=b", "/v1?key=1&a=b" }, { "/v1?key=1", "&a=b", "/v1?key=1&a=b" },
		{ "/v1?key=1", "a=b", "/v1?key=1&a=b" }, { "/v1?", "?a=b", "/v1?a=b" },
		{ "/v1?key=1&", "&a=b", "/v1?key=1&a=b" }, { "/v1?", "a=b", "/v1?a=b" },
		{ "/v1", "/users/ann", "/v1/users/ann" }, { "/v1/", "/users/ann", "/v1/users/ann" },
		{ "/v1/", "users/ann", "/v1/users/ann" }, { "/v1?user=", "ann", "/v1?user=ann" },
		{ "/v1", "", "/v1" }, { "/v1", "?", "/v1" },
	};
	struct sl_api_options o = { 0 };
	struct sl_api *api;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		api = api_at(cases[i].base, o);
		call(api, cases[i].query);
		if (strcmp(web.last, cases[i].url) != 0)
			fail_msg("%s and %s: %s", cases[i].base, cases[i].query, web.last);
		sl_api_free(api);
	}
}

/* ---- the cache -------------------------------------------------------------------------- */

static void
test_a33_single_flight(void **state)
{
	struct sl_api_options o = { 0 };
	struct sl_api *api = api_at("/slow", o);
	struct sl_api_op *ops[1000];
	size_t i;

	(void)state;
	for (i = 0; i < 1000; i++)
		ops[i] = sl_api_call(api, "?user=ann");
	for (i = 0; i < 1000; i += 3) {		/* some give up, the others get it */
		sl_op_release(&ops[i]->op);
		ops[i] = NULL;
	}
	for (i = 0; i < 1000; i++) {
		if (ops[i] == NULL)
			continue;
		sl_op_block(&ops[i]->op);
		assert_int_equal(ops[i]->kind, SL_API_ANSWER);
		assert_true(sl_str_eq(ops[i]->json, SL_STR("{\"n\":1}")));
		sl_op_release(&ops[i]->op);
	}
	assert_int_equal(web.requests, 1);
	sl_api_free(api);
}

static void
test_a33_negative_cache(void **state)
{
	struct sl_api_options o = { .negative_ttl_ms = 200 };
	struct sl_api *api = api_at("/404", o);

	(void)state;
	assert_string_equal(call(api, ""), "nothing");
	assert_string_equal(call(api, ""), "nothing");
	assert_int_equal(web.requests, 1);
	wait_ms(250);
	assert_string_equal(call(api, ""), "nothing");
	assert_int_equal(web.requests, 2);
	sl_api_free(api);
}

static void
test_a33_stale_if_error(void **state)
{
	struct sl_api_options o = { .ttl_ms = 100, .stale_ms = 500 };
	struct sl_api *api = api_at("/json", o);

	(void)state;
	assert_string_equal(call(api, ""), "answer");
	web.down = true;
	assert_string_equal(call(api, ""), "answer");
	wait_ms(150);
	assert_string_equal(call(api, ""), "stale");
	wait_ms(600);
	assert_string_equal(call(api, ""), "status");
	web.down = false;
	assert_string_equal(call(api, ""), "answer");
	sl_api_free(api);
}

/* Bytes are capped, not only entries; what was used last stays. */
static void
test_least_recently_used_goes(void **state)
{
	struct sl_api_options bytes = { .bytes = 150000 }, entries = { .entries = 5 };
	struct sl_api *api;
	char query[20];
	int i, k;

	(void)state;
	for (k = 0; k < 2; k++) {
		api = api_at("/big", k == 0 ? bytes : entries);
		web.requests = 0;
		for (i = 0; i < 20; i++) {
			snprintf(query, sizeof(query), "?i=%d", i);
			assert_string_equal(call(api, query), "answer");
			assert_string_equal(call(api, "?i=0"), "answer");
		}
		assert_int_equal(web.requests, 20);
		call(api, "?i=19");
		assert_int_equal(web.requests, 20);
		call(api, "?i=1");
		assert_int_equal(web.requests, 21);
		sl_api_free(api);
	}
}

/* An answer bigger than the whole cache is given, and not kept. */
static void
test_bigger_than_the_cache(void **state)
{
	struct sl_api_options o = { .bytes = 1000 };
	struct sl_api *api = api_at("/big", o);

	(void)state;
	assert_string_equal(call(api, ""), "answer");
	assert_string_equal(call(api, ""), "answer");
	assert_int_equal(web.requests, 2);
	sl_api_free(api);
}

/* ---- breaker and events -------------------------------------------------------------------- */

/* Five failures open it; calls then cost nothing and are told as a number, once a minute. */
static void
test_breaker_is_one_event(void **state)
{
	struct sl_api_options o = { 0 };
	struct sl_api *api = api_at("/500", o);
	char query[20];
	int i;

	(void)state;
	for (i = 0; i < 200; i++) {
		snprintf(query, sizeof(query), "?i=%d", i);
		assert_string_equal(call(api, query), i < 5 ? "status" : "breaker");
	}
	assert_int_equal(web.requests, 5);
	assert_int_equal(failed_events, 5);
	assert_int_equal(calls_told, 5);
	sl_api_free(api);
}

/* After its time one request tries; an answer closes the breaker and says how many failed. */
static void
test_breaker_tries_with_one(void **state)
{
	struct sl_api_options o = { 0 };
	struct sl_api *api = api_at("/json", o);
	struct sl_api_op *ops[50];
	char query[20];
	int i, answers = 0;

	(void)state;
	web.down = true;
	for (i = 0; i < 10; i++) {
		snprintf(query, sizeof(query), "?i=%d", i);
		call(api, query);
	}
	assert_int_equal(web.requests, 5);
	wait_ms(10050);
	for (i = 0; i < 50; i++) {
		snprintf(query, sizeof(query), "?j=%d", i);
		ops[i] = sl_api_call(api, query);
	}
	for (i = 0; i < 50; i++) {
		sl_op_block(&ops[i]->op);
		sl_op_release(&ops[i]->op);
	}
	assert_int_equal(web.requests, 6);
	assert_int_equal(failed_events, 5);
	web.down = false;
	wait_ms(10050);
	for (i = 0; i < 3; i++)
		answers += strcmp(call(api, i == 0 ? "?k=0" : "?k=1"), "answer") == 0;
	assert_int_equal(answers, 3);
	assert_int_equal(recovered_events, 1);
	assert_int_equal(calls_told, 5 + 5 + 50);
	sl_api_free(api);
}

/* Memory that ends in the middle of an answer is a failure, not an empty answer. */
static void
test_out_of_memory_is_a_failure(void **state)
{
	struct sl_api_options o = { .timeout_ms = 200 };
	struct sl_api *api;
	struct sl_api_op *op;
	unsigned n, answers = 0;

	(void)state;
	for (n = 1; n < 60 && answers == 0; n++) {
		api = api_at("/json", o);
		sl_alloc_fail_at(n, 0);
		op = sl_api_call(api, "?a=b");
		if (op != NULL) {
			sl_op_block(&op->op);
			answers += op->kind == SL_API_ANSWER;
			assert_true((op->kind == SL_API_ANSWER) == (op->json.n > 0));
			assert_true(op->kind != SL_API_NOTHING);
			sl_op_release(&op->op);
		}
		sl_alloc_fail_at(0, 0);
		sl_api_free(api);
	}
	assert_true(n > 5);
}

/* ---- reload ------------------------------------------------------------------------------------ */

static void
test_reload_in_an_outage_keeps_answers(void **state)
{
	static const char *const token[] = { "Authorization: one", NULL };
	static const char *const other[] = { "Authorization: two", NULL };
	struct sl_api_options o = { .ttl_ms = 50, .stale_ms = 60000, .headers = token };
	struct sl_api *old = api_at("/json", o), *api;

	(void)state;
	assert_string_equal(call(old, "?a=1"), "answer");
	assert_string_equal(call(old, "?a=2"), "answer");
	web.down = true;
	wait_ms(100);
	api = api_at("/json", o);
	assert_true(sl_api_inherit(api, old));
	sl_api_free(old);
	assert_string_equal(call(api, "?a=1"), "stale");
	assert_string_equal(call(api, "?a=2"), "stale");
	assert_string_equal(call(api, "?a=3"), "status");
	o.headers = other;				/* another account may get other answers */
	old = api;
	api = api_at("/json", o);
	assert_false(sl_api_inherit(api, old));
	assert_string_equal(call(api, "?a=1"), "status");
	sl_api_free(api);
	o.headers = token;
	api = api_at("/null", o);
	assert_false(sl_api_inherit(api, old));
	sl_api_free(api);
	sl_api_free(old);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a33_what_servers_do, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a33_nobody_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_joining, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a33_single_flight, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a33_negative_cache, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a33_stale_if_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_least_recently_used_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bigger_than_the_cache, setup, teardown),
		cmocka_unit_test_setup_teardown(test_breaker_is_one_event, setup, teardown),
		cmocka_unit_test_setup_teardown(test_breaker_tries_with_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_out_of_memory_is_a_failure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reload_in_an_outage_keeps_answers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
