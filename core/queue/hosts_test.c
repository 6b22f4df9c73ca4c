/* Hosts of a route, with DNS from zone text. */
#include "hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char zone[] =
    "one.example. MX 10 mx1.one.example.\n"
    "one.example. MX 20 mx2.one.example.\n"
    "mx1.one.example. A 192.0.2.1\n"
    "mx1.one.example. AAAA 2001:db8::1\n"
    "mx2.one.example. A 192.0.2.2\n"
    "implicit.example. A 192.0.2.3\n"
    "null.example. MX 0 .\n"
    "nullplus.example. MX 0 .\n"
    "nullplus.example. MX 10 mx2.one.example.\n"
    "text.example. TXT \"x\"\n"
    "noaddr.example. MX 10 text.example.\n"
    "gone.example. MX 10 nosuch.example.\n"
    "loop.example. MX 10 Me.Example.\n"
    "loop.example. MX 20 mx2.one.example.\n"
    "backup.example. MX 10 mx1.one.example.\n"
    "backup.example. MX 20 me.example.\n"
    "backup.example. MX 20 mx2.one.example.\n"
    "backup.example. MX 30 implicit.example.\n"
    "me.example. A 192.0.2.9\n"
    "self.example. MX 10 lo.example.\n"
    "lo.example. A 127.0.0.1\nlo.example. AAAA ::1\n"
    "mapped.example. AAAA ::ffff:127.0.0.3\nzero.example. A 0.0.0.0\n"
    "both.example. MX 10 lo.example.\nboth.example. MX 20 mx2.one.example.\n"
    "halfself.example. MX 10 lo.example.\nhalfself.example. MX 20 fail.example.\n"
    "inside.example. A 10.0.0.1\n"
    "fail.example. SERVFAIL\n"
    "failmx.example. MX 10 fail.example.\n"
    "half.example. MX 10 fail.example.\n"
    "half.example. MX 20 mx2.one.example.\n"
    "many.example. MX 1 m1.example.\nmany.example. MX 9 m9.example.\nmany.example. MX 8 m8.example.\n"
    "many.example. MX 7 m7.example.\nmany.example. MX 6 m6.example.\nmany.example. MX 5 m5.example.\n"
    "many.example. MX 4 m4.example.\nmany.example. MX 3 m3.example.\nmany.example. MX 2 m2.example.\n"
    "many.example. MX 10 m10.example.\n"
    "m1.example. A 192.0.2.101\nm2.example. A 192.0.2.102\nm3.example. A 192.0.2.103\n"
    "m4.example. A 192.0.2.104\nm5.example. A 192.0.2.105\nm6.example. A 192.0.2.106\n"
    "m7.example. A 192.0.2.107\nm8.example. A 192.0.2.108\nm9.example. A 192.0.2.109\n"
    "m10.example. A 192.0.2.110\n"
    "equal.example. MX 5 m1.example.\nequal.example. MX 5 m2.example.\nequal.example. MX 5 m3.example.\n";

static struct sl_loop *loop;
static struct sl_dns *dns;

/* Addresses in order, or "code enhanced". */
static void
find(struct sl_buf *out, const char *host, bool mx, bool resolver)
{
	struct sl_hosts_op *op = sl_hosts_find(loop, resolver ? dns : NULL, host, mx, 25, "me.example");
	char text[128];

	sl_buf_reset(out);
	assert_non_null(op);
	assert_int_equal(sl_op_block(&op->op), 0);
	for (size_t i = 0; i < op->n; i++)
		sl_buf_printf(out, "%s%s", i > 0 ? " " : "",
		    sl_addr_text(&op->hosts[i].addr, text, sizeof(text)));
	if (op->n == 0) {
		assert_true(op->why[0] != '\0');
		sl_buf_printf(out, "%d %s", op->code, op->enhanced);
	}
	sl_op_release(&op->op);
}

static const struct {
	const char *host;
	bool mx;
	const char *want;
} cases[] = {
	{ "one.example", true, "[2001:db8::1]:25 192.0.2.1:25 192.0.2.2:25" },
	{ "implicit.example", true, "192.0.2.3:25" },
	{ "null.example", true, "556 5.1.10" },
	{ "nullplus.example", true, "192.0.2.2:25" },
	{ "nosuch.example", true, "550 5.1.2" },
	{ "text.example", true, "550 5.4.4" },
	{ "noaddr.example", true, "550 5.4.4" },
	{ "gone.example", true, "550 5.4.4" },
	{ "loop.example", true, "554 5.4.6" },
	{ "backup.example", true, "[2001:db8::1]:25 192.0.2.1:25" },
	{ "fail.example", true, "0 4.4.3" },
	{ "failmx.example", true, "0 4.4.3" },
	{ "half.example", true, "192.0.2.2:25" },
	{ "many.example", true, "192.0.2.101:25 192.0.2.102:25 192.0.2.103:25 192.0.2.104:25 "
	    "192.0.2.105:25 192.0.2.106:25 192.0.2.107:25 192.0.2.108:25" },
	{ "[192.0.2.7]", true, "192.0.2.7:25" },
	{ "[IPv6:2001:db8::7]", true, "[2001:db8::7]:25" },
	{ "mx1.one.example", false, "[2001:db8::1]:25 192.0.2.1:25" },
	{ "mx2.one.example:2525", false, "192.0.2.2:2525" },
	{ "192.0.2.7", false, "192.0.2.7:25" },
	{ "192.0.2.7:24", false, "192.0.2.7:24" },
	{ "2001:db8::7", false, "[2001:db8::7]:25" },
	{ "[2001:db8::7]:24", false, "[2001:db8::7]:24" },
	{ "localhost", false, "127.0.0.1:25" },
	{ "localhost:24", false, "127.0.0.1:24" },
	/* What the transport names is the operator's to mend. */
	{ "nosuch.example", false, "0 4.4.4" },
	{ "text.example", false, "0 4.4.4" },
	/* Whoever answers at port 25 of this machine is us, and we trust ourselves. */
	{ "self.example", true, "554 5.4.6" },
	{ "lo.example", true, "554 5.4.6" },
	{ "mapped.example", true, "554 5.4.6" },
	{ "zero.example", true, "554 5.4.6" },
	{ "[127.0.0.1]", true, "554 5.4.6" },
	{ "[IPv6:::1]", true, "554 5.4.6" },
	{ "localhost", true, "554 5.4.6" },
	{ "both.example", true, "192.0.2.2:25" },
	{ "halfself.example", true, "0 4.4.3" },
	{ "inside.example", true, "10.0.0.1:25" },
	{ "lo.example", false, "[::1]:25 127.0.0.1:25" },
	{ "fail.example", false, "0 4.4.3" },
	{ "", true, "550 5.1.2" },
};

static void
find_cases(void **state)
{
	struct sl_buf got = SL_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		find(&got, cases[i].host, cases[i].mx, true);
		if (strcmp(got.p, cases[i].want) != 0)
			fail_msg("%s: %s", cases[i].host, got.p);
	}
	find(&got, "one.example", true, false);
	assert_string_equal(got.p, "0 4.4.3");
	sl_buf_clear(&got);
}

/* Each of three equal hosts comes first at some time: 40 draws in vain are 1 in 10^6. */
static void
equal_preferences(void **state)
{
	struct sl_buf got = SL_BUF_INIT;
	bool first[3] = { false };

	(void)state;
	for (int i = 0; i < 40; i++) {
		find(&got, "equal.example", true, true);
		assert_int_equal(got.n, 3 * 14 + 2);
		first[got.p[10] - '1'] = true;
	}
	assert_true(first[0] && first[1] && first[2]);
	sl_buf_clear(&got);
}

static void
released_under_way(void **state)
{
	struct sl_hosts_op *op = sl_hosts_find(loop, dns, "one.example", true, 25, "me.example");

	(void)state;
	sl_op_release(&op->op);
	op = sl_hosts_find(loop, dns, "one.example", true, 25, "me.example");
	sl_loop_step(loop, 0);
	sl_op_release(&op->op);
	sl_loop_step(loop, 0);
}

static int
setup(void **state)
{
	struct sl_dns_options o = { .zone = { zone, sizeof(zone) - 1 }, .zone_only = true };
	struct sl_err err;

	(void)state;
	loop = sl_loop_new(&err);
	dns = sl_dns_open(loop, &o, &err);
	if (dns == NULL)
		print_error("%s\n", err.text);
	return dns != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	sl_dns_unref(dns);
	sl_loop_free(loop);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(find_cases),
		cmocka_unit_test(equal_preferences),
		cmocka_unit_test(released_under_way),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
