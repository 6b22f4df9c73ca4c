/* cache: what is kept, for how long, for whom; and the store's bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/dns/dns.h"
#include "../../core/engine/cache.h"
#include "../../core/net/loop.h"
#include "../../core/sluice_host.h"

#define START	(1750000000 * INT64_C(1000000))

static struct sl_loop *loop;
static struct sl_engine *engine;
static struct sl_dns *dns;
static char failure[500];
static bool over;

static void
ended(void *arg, const struct sl_err *err, const char *text)
{
	(void)arg;
	(void)text;
	over = true;
	strcpy(failure, err != NULL ? err->text : "");
}

/* Each script is a run of its own; "calls" counts in memory what f is called. */
static const char *
run(const char *script)
{
	char source[4000];
	struct sl_err err;

	snprintf(source, sizeof(source),
	    "function count(...) memory_inc('calls') return ... end "
	    "function calls() local n = memory_fetch('calls') memory_delete('calls') return n or 0 end "
	    "function is(a, b) if a ~= b then error(tostring(a) .. ', not ' .. tostring(b), 2) end end\n"
	    "%s", script);
	over = false;
	assert_int_equal(sl_engine_exec(engine, "test.lua", sl_str_of(source), ended, NULL, &err), 0);
	while (!over)
		assert_int_equal(sl_engine_wait(engine, -1), 0);
	return failure;
}

static const struct { const char *name, *script; } good[] = {
	{ "hit", "is(cache({}, count, 1), 1) is(cache({}, count, 1), 1) is(calls(), 1)" },
	{ "no options", "is(cache(nil, count, 1), 1)" },
	{ "other argument", "cache({}, count, 1) cache({}, count, 2) cache({}, count) is(calls(), 3)" },
	{ "argument's type", "cache({}, count, 1) cache({}, count, '1') cache({}, count, true) "
	    "cache({}, count, nil) cache({}, count, nil, nil) is(calls(), 5)" },
	{ "equal numbers", "cache({}, count, 1) cache({}, count, 1.0) is(calls(), 1)" },
	{ "where an argument ends", "cache({}, count, 'a', 'b') cache({}, count, 'ab') "
	    "cache({}, count, 'a\\0', 'b') is(calls(), 3)" },
	{ "table argument", "cache({}, count, { x = { 1 } }) cache({}, count, { x = { 1 } }) "
	    "cache({}, count, { x = { 2 } }) is(calls(), 2)" },
	{ "any bytes", "local s = '\\0\\xff' is(cache({}, count, s), s) is(cache({}, count, s), s) "
	    "is(calls(), 1)" },
	{ "nil result", "is(cache({}, count, nil), nil) is(select('#', cache({}, count, nil)), 1) "
	    "is(calls(), 1)" },
	{ "no result", "is(select('#', cache({}, count)), 0) is(select('#', cache({}, count)), 0) "
	    "is(calls(), 1)" },
	{ "several results", "for _ = 1, 2 do local a, b, c, d = cache({}, count, 1, nil, false, 2.5) "
	    "is(a, 1) is(b, nil) is(c, false) is(d, 2.5) end is(calls(), 1)" },
	{ "results are copies", "cache({}, count, { 1 })[1] = 2 is(cache({}, count, { 1 })[1], 1)" },
	{ "error isn't kept", "local function f() count() error('no') end "
	    "is(pcall(cache, {}, f), false) is(pcall(cache, {}, f), false) is(calls(), 2)" },
	{ "failure isn't kept", "for _ = 1, 2 do local _, m, c = cache({}, count, nil, 'why', 'io') "
	    "is(m, 'why') is(c, 'io') end is(calls(), 2)" },
	{ "long result isn't kept", "local s = ('x'):rep(70000) for _ = 1, 2 do "
	    "is(cache({}, function() count() return s end), s) end is(calls(), 2)" },
	{ "long key isn't kept", "local s = ('x'):rep(70000) for _ = 1, 2 do "
	    "is(cache({}, function(x) count() return #x end, s), 70000) end is(calls(), 2)" },
	{ "size", "for i = 1, 3 do cache({ size = 2 }, count, i) end is(calls(), 3) "
	    "cache({ size = 2 }, count, 3) cache({ size = 2 }, count, 2) is(calls(), 0) "
	    "cache({ size = 2 }, count, 1) is(calls(), 1)" },
	{ "what was used stays", "for _, i in ipairs { 1, 2, 1, 3, 1 } do "
	    "cache({ size = 2 }, count, i) end is(calls(), 3)" },
	{ "force", "cache({}, count, 1) cache({ force = true }, count, 1) is(calls(), 2)" },
	{ "places are apart", "local function f() return count('f') end\nlocal function g() "
	    "return count('g') end\nis(cache({}, f), 'f') is(cache({}, g), 'g')" },
	{ "namespaces are apart", "cache({ namespace = 'a' }, count, 1) "
	    "cache({ namespace = 'a\\0' }, count, 1) is(calls(), 2)" },
	{ "a namespace is shared", "is(cache({ namespace = 'n' }, function() return 1 end), 1) "
	    "is(cache({ namespace = 'n' }, function() return 2 end), 1)" },
	{ "f waits", "for _ = 1, 2 do is(cache({}, function(n) count() return dnstxt(n) end, "
	    "'slow.example')[1], 'x') end is(calls(), 1)" },
	{ "a builtin", "is(cache({}, dnstxt, 'slow.example')[1], 'x')" },
	{ "in a coroutine", "is(coroutine.wrap(function() return cache({}, dnstxt, 'slow.example')[1] "
	    "end)(), 'x')" },
	{ "within itself", "is(cache({}, function(a) return cache({}, count, a) end, 5), 5)" },
	{ "in a comparator", "table.sort({ 2, 1 }, function(a, b) return cache({}, function(x, y) "
	    "return x < y end, a, b) end)" },
};

static const struct { const char *name, *script, *error; } bad[] = {
	{ "function as argument", "cache({}, count, echo)", "a function isn't plain data" },
	{ "function in a table", "cache({}, count, { echo })", "can't be held in JSON" },
	{ "coroutine", "cache({}, count, coroutine.create(count))", "a thread isn't plain data" },
	{ "result", "cache({}, function() return count end)", "result 1 of the function" },
	{ "no function", "cache({}, 5)", "function expected" },
	{ "unknown option", "cache({ tll = 5 }, count)", "(ttl?)" },
	{ "ttl", "cache({ ttl = -1 }, count)", "ttl" },
	{ "size", "cache({ size = 1e9 }, count)", "size" },
	{ "library function", "cache({}, tostring, 1)", "namespace" },
	{ "waits in a comparator", "table.sort({ 2, 1 }, function(a, b) return cache({}, dnstxt, "
	    "'slow.example') end)", "can't be called inside sort" },
};

static void
behaves(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		/* results of one case aren't the next one's */
		sl_loop_set_time(loop, START + (int64_t)i * 86400 * 1000000);
		run("calls()");
		if (run(good[i].script)[0] != '\0')
			fail_msg("%s: %s", good[i].name, failure);
	}
}

static void
refuses(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strstr(run(bad[i].script), bad[i].error) == NULL)
			fail_msg("%s: %s", bad[i].name, failure);
}

/* From run to run, until its time is over. */
static void
ages(void **state)
{
	static const struct { int seconds; const char *script; } steps[] = {
		{ 0, "is(cache({}, count, 1), 1) is(calls(), 1)" },
		{ 59, "is(cache({}, count, 1), 1) is(calls(), 0)" },
		{ 60, "is(cache({}, count, 1), 1) is(calls(), 1)" },
		{ 61, "cache({ ttl = 600 }, count, 2) is(calls(), 1)" },
		{ 660, "cache({ ttl = 1 }, count, 2) is(calls(), 0)" },
		{ 661, "cache({ ttl = 600 }, count, 2) is(calls(), 1)" },
		{ 600, "cache({ ttl = 600 }, count, 2) is(calls(), 1)" },	/* set back */
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		sl_loop_set_time(loop, START + steps[i].seconds * INT64_C(1000000));
		if (run(steps[i].script)[0] != '\0')
			fail_msg("at %d s: %s", steps[i].seconds, failure);
	}
}

/* All namespaces together: the one used longest ago gives way. */
static void
bounded(void **state)
{
	struct sl_cache *c = sl_cache_new(loop);
	static char big[SL_CACHE_ENTRY_MAX + 1];
	struct sl_str value = { big, SL_CACHE_ENTRY_MAX }, found;
	char name[20];
	int i, kept = 0, n = SL_CACHE_BYTES / SL_CACHE_ENTRY_MAX + 10;

	(void)state;
	assert_non_null(c);
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%d", i);
		sl_cache_put(c, sl_str_of(name), SL_STR("k"), value, 1000000, 10, false);
		assert_true(sl_cache_get(c, SL_STR("0"), SL_STR("k"), &found));
	}
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%d", i);
		kept += sl_cache_get(c, sl_str_of(name), SL_STR("k"), &found);
	}
	assert_in_range(kept, 200, SL_CACHE_BYTES / SL_CACHE_ENTRY_MAX);
	value.n++;
	sl_cache_put(c, SL_STR("0"), SL_STR("k"), value, 1000000, 10, false);
	assert_false(sl_cache_get(c, SL_STR("0"), SL_STR("k"), &found));
	sl_cache_free(c);
}

static int
setup(void **state)
{
	const char *stdlib = getenv("SLUICE_STDLIB");
	struct sl_dns_options d = { .zone_only = true,
		.zone = SL_STR("slow.example. IN TXT x\nslow.example. DELAY 20\n") };
	struct sl_engine_parts parts = { 0 };
	struct sl_engine_options o = { .stdlib = stdlib != NULL ? stdlib : "stdlib",
		.parts = &parts };

	(void)state;
	loop = parts.loop = sl_loop_new(NULL);
	dns = parts.dns = sl_dns_open(loop, &d, NULL);
	engine = sl_engine_new(&o, NULL);
	sl_loop_set_time(loop, START);
	return engine == NULL || dns == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	sl_engine_free(engine);
	sl_dns_unref(dns);
	sl_loop_free(loop);
	return 0;
}

#define T(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = { T(behaves), T(refuses), T(ages), T(bounded) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
