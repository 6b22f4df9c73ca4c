/* echo, syslog, time, uuid, JSON. */
#include "../session_testing.h"

static struct rig rig;
static char failure[500];

static int
set_up(void **state)
{
	(void)state;
	rig_init(&rig);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	rig_clear(&rig);
	return 0;
}

static void
ended(void *arg, const struct sl_err *err, const char *text)
{
	(void)text;
	((struct rig *)arg)->done = true;
	snprintf(failure, sizeof(failure), "%s", err != NULL ? err->text : "");
}

static const char *
run(const char *script)
{
	struct sl_err err;

	sl_buf_reset(&rig.log);
	assert_int_equal(sl_engine_exec(rig.engine, "test.lua", sl_str_of(script), ended, &rig, &err), 0);
	while (!rig.done)
		assert_int_equal(sl_engine_wait(rig.engine, -1), 0);
	rig.done = false;
	sl_buf_putc(&rig.log, '\0');
	return failure;
}

static void
echo_prints_values(void **state)
{
	static const struct { const char *script, *said; } cases[] = {
		{ "echo('a', 1, 2.5, true, nil)", "a12.5truenil\n" },
		{ "echo('one\\ntwo')", "one\ntwo\n" },
		{ "echo({ 1, 'x' })", "{ 1, \"x\" }\n" },
		{ "echo({ b = 1, a = { 2 } })", "{ a = { 2 }, b = 1 }\n" },
		{ "echo()", "\n" },
		{ "local t = {} t.t = t echo(type(t))", "table\n" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(run(cases[i].script), "");
		assert_string_equal(rig.log.p, cases[i].said);
	}
}

static void
scripts_that_assert(void **state)
{
	static const char *const scripts[] = {
		"syslog('notice', 'x') syslog(7, 'y') syslog(3.0, 'z') syslog('error', 'z')",
		"assert(json_encode({ 0.1, 1 / 3 }) == '[0.1,0.3333333333333333]' and json_encode(0.1) == '0.1')",
		"assert(json_decode('/* a */ [1, // b\\n\"/*\"]', { allow_comments = true })[2] == '/*')",
		"for _, bad in ipairs{ '/* a */ 1', '1 /' } do assert(json_decode(bad) == nil) end",
		"assert(json_decode('1 /*', { allow_comments = true }) == 1 and not json_decode('1 /', { allow_comments = true }))",
		"assert(not json_decode('1/\\0', { allow_comments = true }) and not pcall(json_decode, '1', { comments = true }))",
		"assert(not pcall(syslog, 'loud', 'x') and not pcall(syslog, 8, 'x') and not pcall(syslog, 1))",
		"local a = time() local b = time() assert(b >= a and math.type(math.floor(a)) == 'integer')",
		"assert(uuid() ~= uuid() and uuid():match('^%x+%-%x+%-4%x%x%x%-[89ab]%x%x%x%-%x+$'))",
		"assert(json_encode({ 1, 'a', { b = true } }) == '[1,\"a\",{\"b\":true}]')",
		"assert(json_encode({}) == '{}' and json_encode('ü') == '\"\\\\u00FC\"')",
		"assert(json_encode('ü', { ensure_ascii = false }) == '\"ü\"')",
		"local v, why, code = json_encode(echo) assert(v == nil and #why > 0 and code)",
		"local t = {} t.t = t local v, why = json_encode(t) assert(v == nil and #why > 0)",
		"assert(json_encode(0/0) == nil and json_encode(1/0) == nil)",
		"assert(json_decode('[1,{\"z\":1,\"a\":2}]')[2].a == 2 and json_decode('null') == nil)",
		"local keys = {} for k in pairs(json_decode('{\"z\":1,\"a\":2}')) do keys[#keys + 1] = k end\n"
		    "assert(keys[1] == 'z' and keys[2] == 'a')",
		"for _, bad in ipairs{ '', '{', '[1', '\"', 'nul', '[1]x', ('['):rep(5000) } do\n"
		    "local v, why, code = json_decode(bad) assert(v == nil and #why > 0 and code, bad) end",
		"assert(not pcall(json_decode) and not pcall(json_encode) and not pcall(json_encode, 1, { x = 1 }))",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		if (*run(scripts[i]) != '\0')
			fail_msg("%s: %s", scripts[i], failure);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echo_prints_values),
		cmocka_unit_test(scripts_that_assert),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
