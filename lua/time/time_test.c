/* Calendar, ids, waiting. */
#include "../testing.h"

static const struct expression calendar[] = {
	{ "strftime('%Y-%m-%dT%H:%M:%SZ', 0, { ['local'] = false })", "\"1970-01-01T00:00:00Z\"" },
	{ "strftime('%a, %d %b %Y', 1709164800, { ['local'] = false })", "\"Thu, 29 Feb 2024\"" },
	{ "strftime('', 0), strftime('%p', -1, { ['local'] = false }), strftime('%%', 0)",
	    "\"\", \"PM\", \"%\"" },
	{ "strftime('%Y', -62135596800, { ['local'] = false })", "\"1\"" },
	{ "strftime('%Y', 1e18)", "!is not between" },
	{ "strftime(('x'):rep(1001))", "!longer than 1000" },
	{ "strftime('a\\0b')", "!NUL" },
	{ "strftime('%60000Y%60000Y', 0)", "!too long" },
	{ "strftime('%Y', 0, { lcoal = true })", "!option \"lcoal\" is unknown (local?)" },
	{ "abs(strptime(strftime('%Y-%m-%d %H:%M:%S'), '%Y-%m-%d %H:%M:%S') - time()) < 10",
	    "true" },
	{ "strptime('1970-01-01 00:00:10', '%Y-%m-%d %H:%M:%S', { ['local'] = false })", "10" },
	{ "strptime('01 Jan 1970 02:00:00 +0200', '%d %b %Y %H:%M:%S %z')", "0" },
	{ "strptime('1970-01-01x', '%Y-%m-%d')",
	    "nil, \"the text isn't of the format \\\"%Y-%m-%d\\\"\", \"syntax\"" },
	{ "strptime('1970-01-01\\0', '%Y-%m-%d') == nil", "true" },
};

static const struct expression clock[] = {
	{ "timelocal() == floor(timelocal())", "true" },
	{ "uptime() > 0, executiontime() >= 0", "true, true" },
	{ "local before = executiontime(); local left = sleep(0.02); return left, executiontime() - before >= 0.02",
	    "0, true" },
	{ "sleep(-1)", "!is not between" },
	{ "table.sort({ 1, 2 }, function() sleep(0) end)", "!sleep waits" },
};

static const struct expression ids[] = {
	{ "local seen = {}; for i = 1, 1000 do local s = serial(); assert(not seen[s]); seen[s] = true end; return 'fine'",
	    "\"fine\"" },
	{ "serial() < serial()", "true" },
	{ "is_string(gethostname())", "true" },
};

CASE(calendar)
CASE(clock)
CASE(ids)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calendar),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
