/*
 * Loading under lack of memory: each allocation fails in turn while a policy
 * with something of everything loads. Nothing aborts, nothing leaks (ASan), and the engine still
 * loads it afterwards.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../base/alloc.h"
#include "../sluice_host.h"
#include "config.h"

static const struct { const char *path, *text; } files[] = {
	{ "sluice.lua",
	    "return { hostname = 'mx.example.org', users = 'users', quarantine = { 'spam' },\n"
	    "listen = { { smtp = '127.0.0.1:2525', server = 'inbound' } },\n"
	    "servers = { inbound = { flows = { rcptto = 'rcptto.lua', data = { 'data.lua', 'last.lua' } },\n"
	    "  relay = merge(csv 'domains.csv', { ['example.org'] = { transport = 'box',\n"
	    "    flows = { data = 'last.lua' } }, ['.example.org'] = { transport = 'out' } }) } },\n"
	    "transports = { box = { maildir = '/tmp/x/%d/%u' }, out = { host = '192.0.2.1' } },\n"
	    "trusted = lines 'trusted.txt', limits = json 'limits.json', retry = { 60, 300 },\n"
	    "api = { url = 'https://keys.example.net/v1', headers = { A = secret 'token' } },\n"
	    "dns = { zone = 'zone.txt', zone_only = true } }\n" },
	{ "rcptto.lua", "if not require('m')[recipient] then Reject('no') end" },
	{ "data.lua", "for _, row in ipairs(data 'rows.csv') do AddHeader('X', row.name) end" },
	{ "last.lua", "function Deliver(o) builtin.Deliver(o) end" },
	{ "lib/m.lua", "return {}" },
	{ "data/rows.csv", "name,value\na,1\n\"b,c\",2\n" },
	{ "data/x.json", "{ \"a\": [1, 2, { \"b\": null }] }" },
	{ "data/y.txt", "one\ntwo\n" },
	{ "domains.csv", "domain,transport\none.example,box\ntwo.example,out\n" },
	{ "trusted.txt", "192.0.2.0/24\n2001:db8::/32\n" },
	{ "limits.json", "{ \"steps\": 100000 }" },
	{ "users", "ann:$5$saltsalt$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:example.org\n" },
	{ "secrets/token", "t0ken-value\n" },
	{ "zone.txt", "example.org. IN A 192.0.2.1\n" },
};

static char folder[] = "/tmp/sluice-load-XXXXXX";

static void
path_of(char *out, size_t size, const char *name)
{
	snprintf(out, size, "%s/%s", folder, name);
}

static int
write_policy(void **state)
{
	static const char *const folders[] = { "lib", "data", "secrets" };
	char path[200];
	size_t i;
	FILE *f;

	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		path_of(path, sizeof(path), folders[i]);
		mkdir(path, 0700);
	}
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		path_of(path, sizeof(path), files[i].path);
		f = fopen(path, "w");
		fputs(files[i].text, f);
		fclose(f);
	}
	return 0;
}

static int
remove_policy(void **state)
{
	static const char *const folders[] = { "lib", "data", "secrets", "" };
	char path[200];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		path_of(path, sizeof(path), files[i].path);
		unlink(path);
	}
	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		path_of(path, sizeof(path), folders[i]);
		rmdir(path);
	}
	return 0;
}

static const struct sl_engine_options options = { .gateway = true, .stdlib = "stdlib" };

static char *whole;		/* the effective configuration when nothing fails */

/* A policy that loads is the whole policy: nothing was left out for want of memory. */
static void
look_at(const struct sl_generation *g, unsigned long n)
{
	struct sl_buf text = SL_BUF_INIT;
	const struct sl_config *c = sl_generation_config(g);
	const struct sl_server *s = sl_config_server(c, "inbound");
	const struct sl_relay_row *row = sl_relay_find(s->relay, "example.org");

	assert_int_equal(c->ntrusted, 2);
	assert_int_equal(c->nretry, 2);
	assert_int_equal(c->nquarantines, 1);
	assert_int_equal(c->ntransports, 2);
	assert_int_equal(c->napis, 1);
	assert_int_equal(c->nlisteners, 1);
	assert_int_equal(s->flows[SL_DATA].n, 2);
	assert_int_equal(s->flows[SL_RCPTTO].n, 1);
	assert_non_null(row->flows[SL_DATA]);
	assert_int_equal(row->flows[SL_DATA]->n, 1);
	assert_non_null(sl_relay_find(s->relay, "one.example"));
	assert_non_null(sl_relay_find(s->relay, "x.example.org"));
	sl_config_describe(c, &text);
	if (whole == NULL)
		whole = sl_strndup(text.p, text.n);
	else if (strcmp(whole, text.p) != 0)
		fail_msg("allocation %lu: %s", n, text.p);
	sl_buf_clear(&text);
}

static int
load(struct sl_engine *engine, unsigned long n)
{
	struct sl_generation *g = NULL;
	struct sl_buf report = SL_BUF_INIT;
	int rc = sl_engine_prepare_folder(engine, folder, &g, &report);

	sl_alloc_fail_at(0, 0);
	if (rc == 0) {
		look_at(g, n);
		sl_generation_free(g);
	}
	sl_buf_clear(&report);
	return rc;
}

static void
test_engines(void **state)
{
	unsigned long n;
	struct sl_engine *engine = NULL;
	struct sl_err err;

	(void)state;
	for (n = 1; engine == NULL; n++) {
		sl_alloc_fail_at(n, 1);
		engine = sl_engine_new(&options, &err);
		sl_alloc_fail_at(0, 0);
		if (engine == NULL)
			assert_int_equal(err.code, SL_ERR_NOMEM);
	}
	assert_true(n > 100);
	sl_engine_free(engine);
}

static void
test_loads(void **state)
{
	struct sl_engine *engine;
	unsigned long n, last, refused = 0;
	struct sl_err err;
	int sticky, rc;

	(void)state;
	engine = sl_engine_new(&options, &err);
	assert_non_null(engine);
	assert_int_equal(load(engine, 0), 0);
	for (sticky = 1; sticky >= 0; sticky--) {
		last = sticky ? ULONG_MAX : last;
		for (n = 1, rc = -1; n < last && (!sticky || rc != 0); n++) {
			sl_alloc_fail_at(n, sticky);
			rc = load(engine, n);
			refused += rc != 0;
		}
		last = n;
	}
	assert_true(refused > 500);
	assert_int_equal(load(engine, 0), 0);
	sl_free(whole);
	sl_engine_free(engine);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_engines),
		cmocka_unit_test(test_loads),
	};

	return cmocka_run_group_tests(tests, write_policy, remove_policy);
}
