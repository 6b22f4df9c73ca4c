/* The builtins of DNS on zone text: results, options, failures, the budget of a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/net/loop.h"
#include "../../core/sluice_host.h"

static const char zone[] =
    "$ORIGIN example.org.\n"
    "@ MX 20 backup\n@ MX 5 first\n@ MX 20 other\n"
    "first A 192.0.2.1\nfirst A 192.0.2.2\nfirst AAAA 2001:db8::1\n"
    "txt TXT \"v=spf1 \" \"-all\"\n"
    "www CNAME first\n"
    "1.2.0.192.in-addr.arpa. PTR first\n"
    "1.2.0.192.bl A 127.0.0.2\n"
    "dead SERVFAIL\nforged BOGUS\nsilent TIMEOUT\n";

static struct sl_engine *engine;
static char folder[100], failure[500];
static bool over;

static void
ended(void *arg, const struct sl_err *err, const char *text)
{
	(void)arg;
	(void)text;
	over = true;
	snprintf(failure, sizeof(failure), "%s", err != NULL ? err->text : "");
}

static void
write_file(const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int
teardown(void **state)
{
	static const char *const files[] = { "sluice.lua", "zone.txt", "connect.lua" };
	char path[200];
	size_t i;

	(void)state;
	sl_engine_free(engine);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		unlink(path);
	}
	return rmdir(folder);
}

static void
load(const char *dns)
{
	const char *stdlib = getenv("SLUICE_STDLIB");
	struct sl_engine_options o = { .stdlib = stdlib != NULL ? stdlib : "stdlib" };
	struct sl_buf report = SL_BUF_INIT;
	struct sl_generation *g = NULL;
	char text[1000];
	struct sl_err err;

	strcpy(folder, "/tmp/sl-luadns-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(text, sizeof(text), "return { hostname = \"mx.test\", servers = { inbound = {\n"
	    "flows = { connect = \"connect.lua\" } } },\n"
	    "listen = { { smtp = \"127.0.0.1:2525\", server = \"inbound\" } },\n"
	    "dns = { zone = \"zone.txt\", dnssec = \"off\", %s }, limits = { dns = 20 } }\n", dns);
	write_file("sluice.lua", text);
	write_file("zone.txt", zone);
	write_file("connect.lua", "for i = 1, tonumber(senderip:match('%d+$')) do\n"
	    "  pcall(dns, 'first.example.org')\nend\n");
	engine = sl_engine_new(&o, &err);
	assert_non_null(engine);
	if (sl_engine_prepare_folder(engine, folder, &g, &report) != 0)
		fail_msg("%s", report.p);
	sl_engine_commit(engine, g);
	sl_buf_clear(&report);
}

static int
setup(void **state)
{
	(void)state;
	load("zone_only = true");
	return 0;
}

static const char *
run(const char *script)
{
	struct sl_err err;

	over = false;
	assert_int_equal(sl_engine_exec(engine, "test.lua", sl_str_of(script), ended, NULL, &err), 0);
	while (!over)
		assert_int_equal(sl_engine_wait(engine, -1), 0);
	return failure;
}

static void
test_results(void **state)
{
	(void)state;
	assert_string_equal(run("local function is(list, text)\n"
	    "  local got = table.concat(list, ' ')\n"
	    "  assert(got == text, got)\n"
	    "end\n"
	    "is(dns('first.example.org'), '192.0.2.1 192.0.2.2')\n"
	    "is(dns4('www.example.org'), '192.0.2.1 192.0.2.2')\n"
	    "is(dns6('first.example.org'), '2001:db8::1')\n"
	    "is(dnsmx('example.org'), 'first.example.org backup.example.org other.example.org')\n"
	    "is(dnstxt('txt.example.org'), 'v=spf1 -all')\n"
	    "is(dnscname('www.example.org'), 'first.example.org')\n"
	    "is(dnsptr('192.0.2.1'), 'first.example.org')\n"
	    "is(dnsbl('192.0.2.1', 'bl.example.org'), '127.0.0.2')\n"
	    "is(dnsbl('192.0.2.2', 'bl.example.org'), '')\n"
	    "is(dns('none.example.org'), '')\n"
	    "is(dnsmx('first.example.org'), '')\n"), "");
}

static void
test_failures(void **state)
{
	(void)state;
	assert_string_equal(run("local function is(wanted, list, err, code)\n"
	    "  assert(list == nil and #err > 0 and code == wanted, code)\n"
	    "end\n"
	    "is('servfail', dns('dead.example.org'))\n"
	    "is('bogus', dnstxt('forged.example.org'))\n"
	    "is('timeout', dns('silent.example.org', { timeout = 0.05 }))\n"
	    "is('invalid', dns('a..b'))\n"
	    "is('invalid', dns('a\\0b'))\n"
	    "is('invalid', dnsbl('192.0.2.1', 'a\\0b'))\n"
	    "is('syntax', dnsptr('first.example.org'))\n"
	    "is('syntax', dnsbl('first', 'bl.example.org'))\n"), "");
}

static void
test_extended_result(void **state)
{
	(void)state;
	assert_string_equal(run("local r = dns('first.example.org', { extended_result = true })\n"
	    "assert(r.result[1] == '192.0.2.1' and r.error == nil and r.dnssec == false)\n"
	    "r = dns('none.example.org', { extended_result = true })\n"
	    "assert(#r.result == 0 and r.error == nil)\n"
	    "r = dnstxt('forged.example.org', { extended_result = true })\n"
	    "assert(r.result == nil and r.error == 'bogus' and r.dnssec == false)\n"
	    "r = dnsbl('192.0.2.1', 'bl.example.org', { extended_result = true })\n"
	    "assert(r.result[1] == '127.0.0.2')\n"
	    "r = dnsptr('192.0.2.1', { extended_result = true })\n"
	    "assert(r.result[1] == 'first.example.org')\n"), "");
}

static void
test_query(void **state)
{
	(void)state;
	assert_string_equal(run("local r = dns_query('first.example.org')\n"
	    "assert(r.result[1] == '192.0.2.1' and r.error == nil and r.dnssec == false)\n"
	    "assert(dns_query('first.example.org', { type = 'AAAA' }).result[1] == '2001:db8::1')\n"
	    "assert(dns_query('example.org', { type = 'mx' }).result[3] == 'other.example.org')\n"
	    "assert(dns_query('txt.example.org', { type = 'txt' }).result[1] == 'v=spf1 -all')\n"
	    "assert(dns_query(inet_reverse('192.0.2.1'), { type = 'ptr' }).result[1] == 'first.example.org')\n"
	    "assert(#dns_query('none.example.org').result == 0)\n"
	    "assert(dns_query('dead.example.org').error == 'servfail')\n"
	    "assert(dns_query('a..b').error == 'invalid')\n"
	    "assert(not pcall(dns_query, 'example.org', { type = 'tlsa' }))\n"
	    "assert(not pcall(dns_query, 'a\\0b'))\n"), "");
}

/* SPF of one's own choice, where the zone has one record. */
static void
test_spf(void **state)
{
	(void)state;
	assert_string_equal(run("assert(spf('192.0.2.9', 'x.example', 'txt.example.org') == 'fail')\n"
	    "assert(spf('192.0.2.9', 'x.example', 'first.example.org') == 'none')\n"
	    "assert(spf_query('192.0.2.9', 'x.example', 'ann@txt.example.org').result == 'fail')\n"
	    "assert(spf_query('192.0.2.9', 'x.example', 'txt.example.org').result == 'fail')\n"
	    "assert(spf_query('192.0.2.9', 'txt.example.org', '').result == 'fail')\n"
	    "assert(spf_query('192.0.2.9', 'x', 'ann@dead.example.org').result == 'temperror')\n"
	    "assert(spf_query('nonsense', 'x', 'ann@example.org').result == 'invalid')\n"), "");
}

/* The list is asked instead of the policy's; where nobody may be asked it changes nothing. */
static void
test_servers(void **state)
{
	(void)state;
	assert_string_equal(run("local r = dns('first.example.org', { servers = { '127.0.0.1:1' } })\n"
	    "assert(#r == 2)\n"
	    "local ok, err = pcall(dns, 'a.example', { servers = { 'nonsense' } })\n"
	    "assert(not ok and err:find('\"nonsense\" is no address', 1, true), err)\n"
	    "ok, err = pcall(dns, 'a.example', { servers = {} })\n"
	    "assert(not ok and err:find('empty', 1, true), err)\n"
	    "ok, err = pcall(dns, 'a.example', { server = { '127.0.0.1' } })\n"
	    "assert(not ok and err:find('servers', 1, true), err)\n"), "");
	teardown(state);
	load("servers = { \"127.0.0.1:1\" }");
	assert_string_equal(run("local o = { servers = { '127.0.0.1:2' }, timeout = 0.3 }\n"
	    "assert(#dns('first.example.org', o) == 2)\n"
	    "local r, err, code = dns('elsewhere.example', o)\n"
	    "assert(r == nil and (code == 'servfail' or code == 'timeout'), code)\n"
	    "for i = 3, 17 do dns('first.example.org', { servers = { '127.0.0.1:' .. i } }) end\n"
	    "local ok, what = pcall(dns, 'first.example.org', { servers = { '127.0.0.1:18' } })\n"
	    "assert(not ok and what:find('more than 16', 1, true), what)\n"), "");
}

static void
decided(void *arg, const struct sl_verdict *verdict)
{
	*(enum sl_action *)arg = verdict->action;
	over = true;
}

static enum sl_action
connect_from(const char *ip)
{
	struct sl_session_info info = { .server = "inbound", .senderip = ip, .serverip = "127.0.0.1" };
	enum sl_action action = SL_ACCEPT;
	struct sl_session *session;
	struct sl_err err;

	over = false;
	assert_int_equal(sl_session_open(engine, &info, &session, &err), 0);
	assert_int_equal(sl_session_connect(session, decided, &action), 0);
	while (!over)
		assert_int_equal(sl_engine_wait(engine, -1), 0);
	sl_session_close(session);
	return action;
}

/* A32: the questions of a run are counted, and one that asks too much is ended: Defer. */
static void
test_a32_budget(void **state)
{
	(void)state;
	assert_int_equal(connect_from("192.0.2.20"), SL_ACCEPT);
	assert_int_equal(connect_from("192.0.2.21"), SL_DEFER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_results, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_extended_result, setup, teardown),
		cmocka_unit_test_setup_teardown(test_query, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spf, setup, teardown),
		cmocka_unit_test_setup_teardown(test_servers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a32_budget, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
