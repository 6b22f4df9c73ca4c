/* Files of the policy: what can be read and what can't, lines, rows, callbacks that wait. */
#include "../testing.h"

#define REST	"hostname = 'mx.example.org', servers = { inbound = { relay = {} } } }\n"

static const struct policy_file files[] = {
	{ "sluice.lua", "return { files = { ['1'] = 'lists/blocked', terms = 'lists/terms' }, " REST },
	{ "lists/blocked", "ann@example.org\r\nbob@example.org\n\n 7\nlast" },
	{ "lists/terms", "" },
	{ "lists/other", "not named" },
	{ "data/people.csv", "address, name ,level\nann@example.org,\"Smith, Ann\",1\n# none\n\n"
	    "bob@example.org,Bob\n" },
	{ "data/semicolons.txt", "a;b\nc;d\n" },
	{ "keys/k.pem", "secret" },
	{ "secrets/token", "secret" },
	{ "data.lua", "Deliver()" },
};

static const struct expression reading[] = {
	{ "file_get_contents('file:1') == file_get_contents('1')", "true" },
	{ "file('file:1')", "{ \"ann@example.org\", \"bob@example.org\", \"\", \" 7\", \"last\" }" },
	{ "file('terms'), file_get_contents('terms')", "{}, \"\"" },
	{ "file_get_contents('file://semicolons.txt'), file('semicolons.txt')",
	    "\"a;b\\nc;d\\n\", { \"a;b\", \"c;d\" }" },
	{ "file('people.csv')[1]", "\"address, name ,level\"" },
};

#define NOTHING(name)	{ "file_get_contents(" name ") or 'none'", "\"none\"" }

static const struct expression refused[] = {
	NOTHING("'2'"), NOTHING("''"), NOTHING("'lists/blocked'"), NOTHING("'other'"), NOTHING("'data.lua'"),
	NOTHING("'sluice.lua'"), NOTHING("'keys/k.pem'"), NOTHING("'../keys/k.pem'"),
	NOTHING("'file://../secrets/token'"), NOTHING("'pki:k'"), NOTHING("'/etc/passwd'"),
	NOTHING("'file:///etc/passwd'"), NOTHING("'1\\0'"), NOTHING("('a'):rep(100000)"),
	{ "file('2')", "nil, \"\\\"2\\\" is not among the policy's data and files\", \"notfound\"" },
	{ "in_file('x', '2')", "nil, \"\\\"2\\\" is not among the policy's data and files\", \"notfound\"" },
};

static const struct expression lines[] = {
	{ "in_file('ann@example.org', 'file:1'), in_file('ann', '1'), in_file('ann@example.org\\r', '1')",
	    "true, false, false" },
	{ "in_file('', '1'), in_file('', 'terms'), in_file('last', '1'), in_file(7, '1')",
	    "true, false, true, false" },
	{ "in_file(function(line) return line == 'last' end, '1')", "true" },
	{ "in_file(function(line) sleep(0.001) return line == 'last' end, '1')", "true" },
	{ "in_file(function(line) sleep(0.001) return false end, '1')", "false" },
	{ "in_file(function() error('oops') end, '1')", "!oops" },
	{ "in_file({}, '1')", "!string expected" },
	{ "in_file('a', '1', { type = 'text/html' })", "!text/plain or text/csv" },
	{ "in_file('a', '1', { tpye = 'text/plain' })", "!option \"tpye\" is unknown" },
};

static const struct expression rows[] = {
	{ "in_file('ann@example.org', 'people.csv', { type = 'text/csv' })",
	    "{ address = \"ann@example.org\", name = \"Smith, Ann\", level = \"1\" }" },
	{ "in_file('bob@example.org', 'people.csv', { type = 'text/csv' })",
	    "{ address = \"bob@example.org\", name = \"Bob\" }" },
	{ "in_file('Smith, Ann', 'people.csv', { type = 'text/csv', index = 1 }).address",
	    "\"ann@example.org\"" },
	{ "in_file('Bob', 'people.csv', { type = 'text/csv', assoc = false, index = 1 })",
	    "{ \"bob@example.org\", \"Bob\" }" },
	{ "in_file('address', 'people.csv', { type = 'text/csv' })", "false" },
	{ "in_file('address', 'people.csv', { type = 'text/csv', assoc = false })[2]", "\"name\"" },
	{ "in_file('1', 'people.csv', { type = 'text/csv', index = 2 }).name", "\"Smith, Ann\"" },
	{ "in_file('x', 'people.csv', { type = 'text/csv', index = 9 })", "false" },
	{ "in_file(function(row) sleep(0.001) return row.name == 'Bob' end, 'people.csv', "
	    "{ type = 'text/csv' }).address", "\"bob@example.org\"" },
	{ "return in_file('d', 'semicolons.txt', { type = 'text/csv', delimiter = ';', assoc = false, index = 1 })",
	    "{ \"c\", \"d\" }" },
	{ "in_file('a', 'terms', { type = 'text/csv' })", "false" },
	{ "in_file('a', '1', { type = 'text/csv', delimiter = '' })", "!one byte expected" },
};

static const struct expression in_hsl[] = {
	{ "in_file(\"ann@example.org\", \"file:1\")", "[0=>\"ann@example.org\"]" },
	{ "[in_file(\"x\", \"file:1\"), in_file(\"x\", \"file:2\"), in_file(none, \"file:1\")]",
	    "[0=>[],1=>nil,2=>nil]" },
	{ "in_file(\"bob@example.org\", \"file://people.csv\", [\"type\" => \"text/csv\"])",
	    "[\"address\"=>\"bob@example.org\",\"name\"=>\"Bob\"]" },
	{ "in_file(function($row) { return $row[1] == \"Bob\"; }, \"people.csv\", "
	    "[\"type\" => \"text/csv\", \"assoc\" => false])", "[0=>\"bob@example.org\",1=>\"Bob\"]" },
	{ "file(\"semicolons.txt\")[1] . file_get_contents(\"file:terms\")", "\"c;d\"" },
};

static void
of_a_policy(const struct expression *all, size_t n)
{
	struct sl_engine *e = testing_engine();

	assert_string_equal(load_policy(e, files, sizeof(files) / sizeof(files[0])), "");
	expressions_in(e, all, n);
	sl_engine_free(e);
}

#define IN_POLICY(table)	static void test_##table(void **state) \
	{ (void)state; of_a_policy(table, sizeof(table) / sizeof(table[0])); }

IN_POLICY(reading)
IN_POLICY(refused)
IN_POLICY(lines)
IN_POLICY(rows)

static void
test_in_hsl(void **state)
{
	struct sl_engine *e = testing_engine();

	(void)state;
	assert_string_equal(load_policy(e, files, sizeof(files) / sizeof(files[0])), "");
	hsl_expressions_in(e, in_hsl, sizeof(in_hsl) / sizeof(in_hsl[0]));
	sl_engine_free(e);
}

static const struct { const char *files, *error; } configurations[] = {
	{ "{ a = 'keys/k.pem' }", "files.a: scripts can't read \"keys/k.pem\"" },
	{ "{ a = 'secrets/token' }", "files.a: scripts can't read \"secrets/token\"" },
	{ "{ a = 'sluice.lua' }", "files.a: scripts can't read \"sluice.lua\"" },
	{ "{ a = 'nothing' }", "files.a: the policy has no \"nothing\"" },
	{ "{ a = '../x' }", "files.a: the policy has no \"../x\"" },
	{ "{ a = 1 }", "files.a: a file of the policy expected" },
	{ "{ 'data.lua' }", "files: a table of files by name expected" },
	{ "{ a = 'data.lua' }", "" },
	{ "{}", "" },
};

static void
test_configurations(void **state)
{
	struct policy_file all[sizeof(files) / sizeof(files[0])];
	char config[200];
	size_t i, n = sizeof(files) / sizeof(files[0]);

	(void)state;
	memcpy(all, files, sizeof(files));
	all[0].text = config;
	for (i = 0; i < sizeof(configurations) / sizeof(configurations[0]); i++) {
		struct sl_engine *e = testing_engine();

		snprintf(config, sizeof(config), "return { files = %s, " REST, configurations[i].files);
		load_policy(e, all, n);
		if (configurations[i].error[0] == '\0')
			assert_string_equal(given, "");
		else if (strstr(given, configurations[i].error) == NULL)
			fail_msg("%s: %s", configurations[i].files, given);
		sl_engine_free(e);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reading), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_lines), cmocka_unit_test(test_rows),
		cmocka_unit_test(test_in_hsl), cmocka_unit_test(test_configurations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
