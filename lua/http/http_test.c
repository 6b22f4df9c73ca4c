/* http and api_call of a loaded policy, against a real server; a thousand scripts at once; a reload. */
#include "../../core/http/http_testing.h"

#include "../../core/net/loop.h"
#include "../../core/sluice_host.h"

static struct web web;
static struct sl_loop *loop;
static struct sl_engine *engine;
static char folder[] = "/tmp/sl-http-XXXXXX";
static unsigned ended, broken;
static char failure[500];

static void
note_end(void *arg, const struct sl_err *err, const char *text)
{
	(void)arg;
	(void)text;
	ended++;
	if (err != NULL) {
		broken++;
		snprintf(failure, sizeof(failure), "%s", err->text);
	}
}

static void
load(const char *more)
{
	struct sl_buf report = SL_BUF_INIT;
	struct sl_generation *g = NULL;
	char path[100];
	FILE *f;

	snprintf(path, sizeof(path), "%s/sluice.lua", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "return { hostname = \"mx.test\",\n"
	    "api = { url = \"http://127.0.0.1:%d/slow\", ttl = 1%s },\n"
	    "servers = { inbound = {} }, listen = { { smtp = \"127.0.0.1:2525\", server = \"inbound\" } },\n"
	    "dns = { zone_only = true }, http = { allow_private = true } }\n", web.port, more);
	fclose(f);
	if (sl_engine_prepare_folder(engine, folder, &g, &report) != 0)
		fail_msg("%s", report.p);
	sl_engine_commit(engine, g);
	sl_buf_clear(&report);
}

static int
setup(void **state)
{
	const char *stdlib = getenv("SLUICE_STDLIB");
	struct sl_engine_parts parts = { 0 };
	struct sl_engine_options o = { .stdlib = stdlib != NULL ? stdlib : "stdlib",
		.parts = &parts };
	struct sl_err err;

	(void)state;
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	assert_non_null(mkdtemp(folder));
	web_start(&web, NULL, NULL);
	ended = broken = 0;
	loop = parts.loop = sl_loop_new(NULL);
	engine = sl_engine_new(&o, &err);
	assert_non_null(engine);
	load("");
	return 0;
}

static int
teardown(void **state)
{
	char path[100];

	(void)state;
	sl_engine_free(engine);
	sl_loop_free(loop);
	web_stop(&web);
	snprintf(path, sizeof(path), "%s/sluice.lua", folder);
	unlink(path);
	return rmdir(folder);
}

static void
start(const char *script)
{
	char text[3000];
	struct sl_err err;

	snprintf(text, sizeof(text), "local base = 'http://127.0.0.1:%d'\n%s", web.port, script);
	assert_int_equal(sl_engine_exec(engine, "test.lua", sl_str_of(text), note_end, NULL, &err), 0);
}

static void
wait_for(unsigned n)
{
	while (ended < n)
		assert_int_equal(sl_engine_wait(engine, -1), 0);
	ended = 0;
	if (broken > 0)
		fail_msg("%s", failure);
}

static void
run(const char *script)
{
	start(script);
	wait_for(1);
}

/* ---- the cases --------------------------------------------------------------------------- */

static void
test_answers(void **state)
{
	(void)state;
	run("assert(http(base .. '/json') == '{\"n\":1}')\n"
	    "local body, err, code = http(base .. '/500')\n"
	    "assert(body == nil and code == 'status', code)\n"
	    "local r = http(base .. '/500', { extended_result = true })\n"
	    "assert(r.status == 500 and r.content == '{\"a\":1}' and r.headers == nil)\n"
	    "r = http(base .. '/redirect', { extended_result = true, response_headers = true,\n"
	    "  redirects = 0 })\n"
	    "assert(r.status == 302)\n"
	    "local found\n"
	    "for _, line in ipairs(r.headers) do found = found or line:match('^Location: http') end\n"
	    "assert(found)\n"
	    "body, err, code = http(base .. '/hang', { timeout = 0.1 })\n"
	    "assert(body == nil and code == 'timeout', code)\n"
	    "body, err, code = http(base .. '/big', { max_file_size = 100 })\n"
	    "assert(body == nil and code == 'size', code)\n"
	    "body, err, code = http(base:gsub('http', 'https', 1) .. '/json')\n"
	    "assert(body == nil and code == 'tls' and err:find('ssl_verify_host'), err)\n");
}

static void
test_arguments_and_forms(void **state)
{
	(void)state;
	run("assert(http(base .. '/json?a=$1&b=$10&c=$2', {},\n"
	    "  { 'x y&z', '$1', 3, 4, 5, 6, 7, 8, 9, 'ten' }))\n");
	assert_string_equal(web.last, "/json?a=x y&z&b=ten&c=$1");
	assert_string_equal(web.method, "GET");
	run("assert(http(base .. '/json', { headers = { 'Content-Type: text/x' } }, {}, 'raw & body'))\n");
	assert_string_equal(web.body, "raw & body");
	assert_string_equal(web.type, "text/x");
	assert_string_equal(web.method, "POST");
	run("assert(http(base .. '/json', {}, {}, { b = 'x y', a = '1&2', n = 3 }))\n");
	assert_string_equal(web.body, "a=1%262&b=x%20y&n=3");
	assert_string_equal(web.type, "application/x-www-form-urlencoded");
	run("assert(http(base .. '/json', { method = 'PUT' }, {}, ''))\n");
	assert_string_equal(web.method, "PUT");
	run("local ok, err = pcall(http, base .. '/$2', {}, { 'one' })\n"
	    "assert(not ok and err:find('$2 has no argument', 1, true), err)\n");
}

static void
test_many_headers(void **state)
{
	(void)state;
	run("local h = {} for i = 1, 64 do h[i] = 'X-' .. i .. ': v' end\n"
	    "assert(http(base .. '/json', { headers = h }))\n"
	    "h[65] = 'X: v' assert(not pcall(http, base .. '/json', { headers = h }))\n"
	    "for i = 1, 10000 do h[i] = 'X: v' end assert(not pcall(http, base .. '/json', { headers = h }))\n");
	assert_int_equal(web.requests, 1);
}

/* The script doesn't wait; what it asked is asked. */
static void
test_background(void **state)
{
	(void)state;
	run("assert(http(base .. '/hang', { background = true, background_hash = 7 }) == true)\n"
	    "assert(http(base .. '/$1', { background = true, background_hash = 7 }, { 'b c' }, { d = 'e' }) == true)\n");
	while (web.requests < 1)
		sl_loop_step(loop, 100);
	assert_string_equal(web.last, "/hang");
	assert_int_equal(sl_engine_background_count(engine), 2);
	web.over = true;
	while (sl_engine_background_count(engine) > 0)
		sl_loop_step(loop, 100);
	assert_int_equal(web.requests, 2);
	assert_string_equal(web.last, "/b c");
	assert_string_equal(web.body, "d=e");
}

/* What means something elsewhere and nothing here is refused by name, the rest suggested. */
static void
test_options_refused(void **state)
{
	(void)state;
	run("for _, o in ipairs({ { proxy = 'x' }, { background = true, background_retry_count = 101 },\n"
	    "  { sourceip = '192.0.2.1' }, { sourceipid = 'x' }, { tls_client_cert = 'pki:x' },\n"
	    "  { redirects = 3 }, { ssl_default_ca = false } }) do\n"
	    "  local ok, err = pcall(http, base .. '/json', o)\n"
	    "  assert(not ok and (err:find(next(o), 1, true) or err:find('background_retry_count')), err)\n"
	    "end\n"
	    "local ok, err = pcall(http, base .. '/json', { time_out = 3 })\n"
	    "assert(not ok and err:find('timeout', 1, true), err)\n"
	    "ok, err = pcall(http, base .. '/json', { headers = { 'A: b\\r\\nC: d' } })\n"
	    "assert(not ok and err:find('line break', 1, true), err)\n");
	assert_int_equal(web.requests, 0);
}

/* A33: a thousand scripts that ask the same at once make one request. */
static void
test_a33_thousand_scripts_one_request(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 1000; i++)
		start("local a, err = api_call('?type=dkim&user=$1', { 'ann' })\n"
		    "assert(a and a.n == 1, err)\n");
	wait_for(1000);
	assert_int_equal(web.requests, 1);
}

/* The API is down when the policy is loaded again: what was known serves on. */
static void
test_a33_reload_in_an_outage(void **state)
{
	(void)state;
	run("assert(api_call('?user=ann').n == 1)");
	web.down = true;
	sl_loop_step(loop, 0);
	usleep(1100000);
	load(", timeout = 3");
	run("local a, err = api_call('?user=ann')\n"
	    "assert(a and a.n == 1, err)\n"
	    "local none, message, code = api_call('?user=bob')\n"
	    "assert(none == nil and code == 'status', code)\n");
	load(", headers = { Authorization = \"other\" }");
	run("local none, message, code = api_call('?user=ann')\n"
	    "assert(none == nil and code == 'status', code)\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arguments_and_forms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_headers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_background, setup, teardown),
		cmocka_unit_test_setup_teardown(test_options_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a33_thousand_scripts_one_request, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a33_reload_in_an_outage, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
