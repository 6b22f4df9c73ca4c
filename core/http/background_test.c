/* Requests that nobody waits for: rows, retries, bounds, the end; one against a real server. */
#include "http_testing.h"

#include "../base/alloc.h"
#include "background.h"

static struct sl_loop *loop;
static struct sl_http *http;
static struct sl_background *background;
static struct sl_events events;

static struct sl_http_op *asked[2000];	/* in the order in which they were asked */
static char urls[2000][40];
static unsigned nasked, nover, nidle;
static char told[200];

static void
ask(void *arg, struct sl_http_op *op, const struct sl_http_request *r)
{
	(void)arg;
	snprintf(urls[nasked], sizeof(urls[0]), "%s%.*s", r->url + 13, (int)r->body.n,
	    r->has_body ? r->body.p : "");
	asked[nasked++] = op;
}

static const struct sl_http_host host = { .ask = ask };

static void
count(void *arg)
{
	++*(unsigned *)arg;
}

static void
hear(struct sl_event_sink *sink, const struct sl_event *e)
{
	size_t i, n = 0;

	(void)sink;
	for (i = 0; e->fields[i].name != NULL; i++)
		n += (size_t)snprintf(told + n, sizeof(told) - n, "%s%.*s", i > 0 ? " " : "",
		    (int)e->fields[i].str.n, e->fields[i].str.p);
}

static struct sl_event_sink sink = { .level = SL_WARNING, .write = hear };

static int
setup(void **state)
{
	(void)state;
	nasked = nover = nidle = 0;
	told[0] = '\0';
	sink.next = NULL;
	sl_events_init(&events);
	sl_events_add(&events, &sink);
	loop = sl_loop_new(NULL);
	http = sl_http_open(loop, NULL, NULL, NULL);
	sl_http_set_host(http, &host);
	background = sl_background_new(loop, &events);
	return background == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	sl_background_free(background);
	sl_http_close(http);
	sl_loop_free(loop);
	return 0;
}

static int
add(const char *path, struct sl_background_turn turn)
{
	struct sl_http_request r = { 0 };
	char url[60];
	int rc;

	turn.over = count;
	turn.arg = &nover;
	snprintf(url, sizeof(url), "http://x.test%s", path);
	r.url = url;
	rc = sl_background_add(background, http, &r, &turn);
	memset(url, '#', sizeof(url));		/* it was copied */
	return rc;
}

static void
turn_loop(void)
{
	for (int i = 0; i < 10; i++)
		sl_loop_step(loop, 0);
}

static void
answer(unsigned i, long code)
{
	sl_http_give(asked[i], code, SL_STR(""), SL_STR(""));
	turn_loop();
}

/* Those of a row wait for each other, the others don't. */
static void
test_rows(void **state)
{
	const struct sl_background_turn one = { .in_row = true, .row = 1 }, two = { .in_row = true, .row = 2 },
	    none = { 0 };

	(void)state;
	assert_int_equal(add("/1a", one) | add("/1b", one) | add("/a", none) | add("/2a", two) |
	    add("/1c", one) | add("/b", none), 0);
	assert_int_equal(nasked, 4);
	assert_string_equal(urls[0], "/1a");
	assert_string_equal(urls[1], "/a");
	assert_string_equal(urls[2], "/2a");
	assert_string_equal(urls[3], "/b");
	answer(3, 200);
	assert_int_equal(nasked, 4);
	answer(0, 204);
	assert_string_equal(urls[4], "/1b");
	answer(4, 404);				/* failed for good: the row goes on */
	assert_string_equal(urls[5], "/1c");
	assert_string_equal(told, "http://x.test/1b HTTP status 404");
	assert_int_equal(nover, 3);
	assert_int_equal(sl_background_count(background), 3);
}

/* A failed one keeps its place in the row while it waits for its next try. */
static void
test_retries(void **state)
{
	const struct sl_background_turn row = { .in_row = true, .row = 1, .retries = 2, .delay_ms = 5 };

	(void)state;
	assert_int_equal(add("/first?key=secret", row) | add("/second", row), 0);
	answer(0, 500);
	while (nasked < 2)
		sl_loop_step(loop, 100);
	assert_string_equal(urls[1], "/first?key=secret");
	sl_http_give_failure(asked[1], "connect", "refused");
	while (nasked < 3)
		sl_loop_step(loop, 100);
	assert_string_equal(told, "");
	answer(2, 503);
	assert_string_equal(told, "http://x.test/first HTTP status 503");	/* without the query */
	assert_string_equal(urls[3], "/second");
	assert_int_equal(nover, 1);
}

static void
test_bounds(void **state)
{
	const struct sl_background_turn none = { 0 };
	struct sl_http_request big = { .url = "http://x.test/big", .has_body = true,
		.body = { sl_calloc(1, 20u << 20), 20u << 20 } };
	unsigned i;

	(void)state;
	assert_int_equal(sl_background_add(background, http, &big, &none), 0);
	assert_int_equal(sl_background_add(background, http, &big, &none), SL_ERR_LIMIT);
	sl_free((void *)(uintptr_t)big.body.p);
	for (i = 1; i < 1000; i++)
		assert_int_equal(add("/x", none), 0);
	assert_int_equal(add("/x", none), SL_ERR_LIMIT);
	assert_int_equal(nasked, 32);		/* at once */
	for (i = 0; i < 1000; i++)
		answer(i, 200);
	assert_int_equal(nover, 999);
	assert_int_equal(sl_background_count(background), 0);
	assert_int_equal(add("/x", none), 0);
}

static void
test_drain(void **state)
{
	const struct sl_background_turn none = { 0 };

	(void)state;
	sl_background_drain(background, count, &nidle);
	assert_int_equal(nidle, 0);		/* never from within */
	turn_loop();
	assert_int_equal(nidle, 1);
	assert_int_equal(add("/x", none) | add("/y", none), 0);
	answer(0, 200);
	assert_int_equal(nidle, 1);
	answer(1, 500);
	assert_int_equal(nidle, 2);
}

/* What waits when it is freed is lost, and told. */
static void
test_end(void **state)
{
	(void)state;
	assert_int_equal(add("/lost?k=v", (struct sl_background_turn){ 0 }), 0);
	sl_background_free(background);
	background = NULL;
	assert_string_equal(told, "http://x.test/lost the process ends");
	assert_int_equal(nover, 1);
}

/* Whatever allocation fails, each that was added is over once. */
static void
test_no_memory(void **state)
{
	const struct sl_background_turn turn = { .retries = 1 };
	unsigned long n;
	unsigned added = 0, given;

	(void)state;
	for (n = 1; n < 40; n++) {
		sl_alloc_fail_at(n, 0);
		added += add("/x", turn) == 0;
		sl_alloc_fail_at(0, 0);
		for (given = 0; sl_background_count(background) > 0; sl_loop_step(loop, 1))
			while (given < nasked)
				sl_http_give(asked[given++], 200, SL_STR(""), SL_STR(""));
		nasked = 0;
	}
	assert_int_equal(nover, added);
	assert_true(added > 20);
}

static void
test_real(void **state)
{
	struct web web;
	struct sl_http *real = sl_http_open(loop, NULL, NULL, NULL);
	struct sl_http_request r = { .has_body = true, .body = SL_STR("a note"), .allow_private = true };
	const struct sl_background_turn turn = { .retries = 3, .delay_ms = 20, .over = count, .arg = &nover };
	char url[60];

	(void)state;
	web_start(&web, NULL, NULL);
	web.down = true;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/note", web.port);
	r.url = url;
	assert_int_equal(sl_background_add(background, real, &r, &turn), 0);
	while (web.requests < 2)
		sl_loop_step(loop, 50);
	web.down = false;
	while (nover == 0)
		sl_loop_step(loop, 50);
	assert_string_equal(web.method, "POST");
	assert_string_equal(web.body, "a note");
	assert_string_equal(told, "");
	sl_http_close(real);
	web_stop(&web);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_retries, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_real, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
