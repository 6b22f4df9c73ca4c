/* Addresses, networks, and which of them are private. */
#include "addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void
parses(void **state)
{
	static const struct {
		const char *in, *out;	/* NULL = refused */
	} cases[] = {
		{ "192.0.2.1:25", "192.0.2.1:25" }, { "[2001:DB8::1]:25", "[2001:db8::1]:25" },
		{ "*:25", "[::]:25" }, { "[::ffff:192.0.2.1]:1", "192.0.2.1:1" },
		{ "unix:/run/x", "unix:/run/x" }, { "2001:db8::1:25", NULL }, { "192.0.2.1", NULL },
		{ "192.0.2.1:65536", NULL }, { "192.0.2.1:", NULL }, { "192.0.2.256:25", NULL },
		{ "localhost:25", NULL }, { "unix:", NULL }, { "[::1:25", NULL }, { ":25", NULL },
		{ "", NULL }, { "1.2.3.4:-1", NULL }, { "010.0.0.1:25", NULL },
	};
	char text[128];
	struct sl_addr a;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = sl_addr_parse(&a, sl_str_of(cases[i].in), NULL);

		assert_int_equal(r == 0, cases[i].out != NULL);
		if (r == 0)
			assert_string_equal(sl_addr_text(&a, text, sizeof(text)), cases[i].out);
	}
	assert_int_equal(sl_addr_parse_ip(&a, SL_STR("1.2.3.4\0x"), 0), SL_ERR_SYNTAX);
}

static void
private_ones(void **state)
{
	static const struct {
		const char *ip;
		bool private, linklocal, loopback;
	} cases[] = {
		{ "127.0.0.1", true, false, true }, { "10.1.2.3", true, false, false },
		{ "172.16.0.1", true, false, false }, { "172.32.0.1", false, false, false },
		{ "192.168.1.1", true, false, false }, { "169.254.169.254", true, true, false },
		{ "100.64.0.1", true, false, false }, { "8.8.8.8", false, false, false },
		{ "0.0.0.0", true, false, false }, { "224.0.0.1", true, false, false },
		{ "255.255.255.255", true, false, false }, { "::1", true, false, true },
		{ "::", true, false, false }, { "fe80::1", true, true, false },
		{ "fd00::1", true, false, false }, { "ff02::1", true, false, false },
		{ "2001:4860:4860::8888", false, false, false },
		{ "::ffff:127.0.0.1", true, false, true },
		{ "64:ff9b::a9fe:a9fe", true, true, false },
		{ "2002:7f00:1::1", true, false, false },
	};
	struct sl_addr a;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(sl_addr_parse_ip(&a, sl_str_of(cases[i].ip), 0), 0);
		assert_int_equal(sl_addr_is_private(&a), cases[i].private);
		assert_int_equal(sl_addr_is_linklocal(&a), cases[i].linklocal);
		assert_int_equal(sl_addr_is_loopback(&a), cases[i].loopback);
	}
}

static void
networks(void **state)
{
	static const struct {
		const char *net, *ip;
		int has;	/* -1 = not a network */
	} cases[] = {
		{ "192.0.2.0/24", "192.0.2.255", 1 }, { "192.0.2.0/24", "192.0.3.0", 0 },
		{ "192.0.2.77/24", "192.0.2.1", 1 }, { "0.0.0.0/0", "1.2.3.4", 1 },
		{ "0.0.0.0/0", "2001:db8::1", 0 }, { "::/0", "2001:db8::1", 1 },
		{ "::/0", "192.0.2.1", 0 }, { "2001:db8::/33", "2001:db8:7fff::1", 1 },
		{ "2001:db8::/33", "2001:db8:8000::1", 0 }, { "192.0.2.1", "192.0.2.1", 1 },
		{ "192.0.2.1-192.0.2.9", "192.0.2.9", 1 },
		{ "192.0.2.1-192.0.2.9", "192.0.2.10", 0 }, { "192.0.2.0/33", NULL, -1 },
		{ "192.0.2.9-192.0.2.1", NULL, -1 }, { "192.0.2.1-::1", NULL, -1 },
		{ "192.0.2.0/", NULL, -1 }, { "/24", NULL, -1 }, { "", NULL, -1 },
		{ "::ffff:192.0.2.0/120", "192.0.2.7", 1 }, { "::ffff:192.0.2.0/120", "192.0.3.7", 0 },
		{ "::ffff:192.0.2.0/24", NULL, -1 }, { "::ffff:192.0.2.0/130", NULL, -1 },
	};
	struct sl_network net;
	struct sl_addr ip;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = sl_network_parse(&net, sl_str_of(cases[i].net), NULL);

		assert_int_equal(r < 0, cases[i].has < 0);
		if (r < 0)
			continue;
		assert_int_equal(sl_addr_parse_ip(&ip, sl_str_of(cases[i].ip), 0), 0);
		assert_int_equal(sl_network_has(&net, &ip), cases[i].has);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses), cmocka_unit_test(private_ones),
		cmocka_unit_test(networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
