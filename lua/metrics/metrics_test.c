/* stat and metrics_*: what is refused, and that the table has an end. tests/processes_test.py reads /metrics. */
#include "../testing.h"

static const struct expression stats[] = {
	{ "stat('ip-family', { ipv4 = 1, ipv6 = 0 }), stat('a.b-9', {})", "true, true" },
	{ "stat('Upper', { a = 1 })", "nil, \"stat: names have a-z, 0-9, \\\".\\\" and \\\"-\\\"\", \"syntax\"" },
	{ "stat('x', { ['a\"} 1\\nfake'] = 1 })",
	    "nil, \"stat: legends have a-z, 0-9, \\\".\\\" and \\\"-\\\"\", \"syntax\"" },
	{ "stat(('x'):rep(65), {})", "nil, \"stat: names have a-z, 0-9, \\\".\\\" and \\\"-\\\"\", \"syntax\"" },
	{ "stat('x', { a = -1 })", "!" },
	{ "stat('x', { a = 0/0 })", "!" },
	{ "stat('x', 'a')", "!" },
	{ "local n = 600; for i = 1, n do if not stat('full', { ['n' .. i] = 1 }) then return i > 500 end end", "true" },
};

static const struct expression series[] = {
	{ "metrics_increment('rejects', { reason = 'x' }), metrics_decrement('open', {}), metrics_set('size', {}, 3)",
	    "true, true, true" },
	{ "metrics_increment('sluice_verdicts_total', {})", "!and not \"sluice_\"" },
	{ "metrics_increment('a b', {})", "!letters, digits and \"_\" expected" },
	{ "metrics_increment('9', {})", "!letters, digits and \"_\" expected" },
	{ "metrics_increment('x', { ['a-b'] = 1 })", "!a label's name has letters" },
	{ "metrics_increment('x', { a = {} })", "!" },
	{ "metrics_increment('x', {}, -1)", "!" },
	{ "metrics_set('x', {}, 1/0)", "!" },
	{ "metrics_increment('x', { a = ('v'):rep(300) })", "false" },
	{ "metrics_increment('x', { a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9 })",
	    "!more than 8 labels" },
};

static const struct expression in_hsl[] = {
	{ "stat(\"x\", [\"a\" => 1])", "nil" },
	{ "metrics_increment(\"x\", [\"a\" => \"b\"], 2)", "true" },
};

HSL_CASE(in_hsl)
CASE(stats)
CASE(series)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stats),
		cmocka_unit_test(test_series),
		cmocka_unit_test(test_in_hsl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
