/* in_network and is_subdomain: both answers, and what is no address, network or name. */
#include "../session_testing.h"

static struct rig rig;

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

static const char *const true_ones[] = {
	"in_network('192.0.2.7', '192.0.2.0/24')", "in_network('192.0.2.7', '192.0.2.7')",
	"in_network('192.0.2.7', '192.0.2.7/32')", "in_network('192.0.2.7', '0.0.0.0/0')",
	"in_network('192.0.2.9', '192.0.2.1-192.0.2.9')", "in_network('2001:db8::1', '2001:db8::/32')",
	"in_network('2001:DB8::1', '2001:db8:0::1')", "in_network('::ffff:192.0.2.7', '192.0.2.0/24')",
	"in_network('192.0.2.7', '::ffff:192.0.2.0/120')", "in_network('192.0.2.7', '::ffff:192.0.2.7')",
	"is_subdomain('mail.example.org', 'example.org')", "is_subdomain('Example.ORG', 'example.org')",
	"is_subdomain('a.example.org', '.example.org')", "is_subdomain('example.org.', 'example.org')",
	"is_subdomain('bücher.example', 'xn--bcher-kva.example')",
};

static const char *const false_ones[] = {
	"in_network('192.0.3.7', '192.0.2.0/24')", "in_network('192.0.2.10', '192.0.2.1-192.0.2.9')",
	"in_network('2001:db9::1', '2001:db8::/32')", "in_network('192.0.2.7', '2001:db8::/32')",
	"in_network('192.0.3.7', '::ffff:192.0.2.0/120')",
	"is_subdomain('example.org', '.example.org')", "is_subdomain('badexample.org', 'example.org')",
	"is_subdomain('example.org', 'mail.example.org')",
};

/* nil, message, code: it may come from the network. */
static const char *const failures[] = {
	"in_network('192.0.2', '192.0.2.0/24')", "in_network('', '192.0.2.0/24')",
	"in_network('192.0.2.7', '192.0.2.0/33')", "in_network('192.0.2.7', '192.0.2.9-192.0.2.1')",
	"in_network('192.0.2.7', 'local')", "in_network('192.0.2.7', '::ffff:192.0.2.0/24')", "in_network('192.0.2.7\\0', '192.0.2.0/24')",
	"is_subdomain('exa mple.org', 'example.org')", "is_subdomain('example.org', '')",
	"is_subdomain(('a'):rep(64) .. '.org', 'org')", "is_subdomain('a\\0.example.org', 'example.org')",
};

/* Each as the one assertion of a data script. */
static void
hold(const char *const *calls, size_t n, const char *check)
{
	char script[400];

	for (size_t i = 0; i < n; i++) {
		snprintf(script, sizeof(script), "local v, why, code = %s assert(%s)", calls[i], check);
		if (rig_run(&rig, script)->code != 250)
			fail_msg("%s: %s", calls[i], rig.out.text);
	}
}

static void
answers(void **state)
{
	(void)state;
	hold(true_ones, sizeof(true_ones) / sizeof(true_ones[0]), "v == true");
	hold(false_ones, sizeof(false_ones) / sizeof(false_ones[0]), "v == false");
	hold(failures, sizeof(failures) / sizeof(failures[0]), "v == nil and #why > 0 and code == 'syntax'");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
