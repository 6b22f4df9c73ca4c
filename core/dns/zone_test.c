/* Zone text, and hostile packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dns.h"
#include "packet.h"
#include "zone.h"

static const char text[] =
    "$TTL 60\n"
    "$ORIGIN example.org.\n"
    "@ IN MX 10 mail ; a comment\n"
    "  MX 20 backup.example.net.\n"
    "@ 300 IN TXT \"v=spf1 \" \"-all\"\n"
    "mail A 192.0.2.1\n"
    "mail AAAA 2001:db8::1\n"
    "www CNAME mail\n"
    "loop CNAME loop\n"
    "*.wild TXT \"any\"\n"
    "one.wild A 192.0.2.2\n"
    "deep.er.name A 192.0.2.3\n"
    "long TXT ( \"a\"\n   \"b\" )\n"
    "esc TXT \"\\\"\\065\\;\"\n"
    "dead SERVFAIL\n"
    "gone TIMEOUT\n"
    "forged BOGUS\n"
    "slow A 192.0.2.4\n"
    "slow DELAY 200\n";

static const struct {
	const char *name;
	enum sl_dns_type type;
	enum sl_dns_status status;
	size_t n;
	const char *data;	/* of the first record, or NULL */
} cases[] = {
	{ "example.org", SL_DNS_MX, SL_DNS_OK, 2, "mail.example.org" },
	{ "example.org", SL_DNS_TXT, SL_DNS_OK, 1, "v=spf1 -all" },
	{ "example.org", SL_DNS_A, SL_DNS_NODATA, 0, NULL },
	{ "mail.example.org", SL_DNS_A, SL_DNS_OK, 1, NULL },
	{ "www.example.org", SL_DNS_A, SL_DNS_OK, 1, NULL },
	{ "www.example.org", SL_DNS_CNAME, SL_DNS_OK, 1, "mail.example.org" },
	{ "loop.example.org", SL_DNS_A, SL_DNS_SERVFAIL, 0, NULL },
	{ "x.wild.example.org", SL_DNS_TXT, SL_DNS_OK, 1, "any" },
	{ "one.wild.example.org", SL_DNS_TXT, SL_DNS_NODATA, 0, NULL },
	{ "er.name.example.org", SL_DNS_A, SL_DNS_NODATA, 0, NULL },
	{ "nothing.example.org", SL_DNS_A, SL_DNS_NXDOMAIN, 0, NULL },
	{ "other.example", SL_DNS_A, SL_DNS_NXDOMAIN, 0, NULL },
	{ "long.example.org", SL_DNS_TXT, SL_DNS_OK, 1, "ab" },
	{ "esc.example.org", SL_DNS_TXT, SL_DNS_OK, 1, "\"A;" },
	{ "dead.example.org", SL_DNS_A, SL_DNS_SERVFAIL, 0, NULL },
	{ "forged.example.org", SL_DNS_TXT, SL_DNS_BOGUS, 0, NULL },
};

static void
test_answers(void **state)
{
	struct sl_zone *zone;
	struct sl_dns_answer *a;
	struct sl_err err;
	int64_t delay;
	bool covered;
	size_t i;

	(void)state;
	if (sl_zone_parse(&zone, SL_STR(text), &err) != 0)
		fail_msg("%s", err.text);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		a = sl_zone_answer(zone, cases[i].name, cases[i].type, &delay, &covered);
		if (a->status != cases[i].status || a->n != cases[i].n || (cases[i].data != NULL &&
		    !sl_str_eq(a->records[0].data, sl_str_of(cases[i].data))))
			fail_msg("%s %s: %s, %zu records", cases[i].name, sl_dns_type_word(cases[i].type),
			    sl_dns_status_word(a->status), a->n);
		assert_int_equal(covered, strcmp(cases[i].name, "other.example") != 0);
		sl_dns_answer_unref(a);
	}
	a = sl_zone_answer(zone, "slow.example.org", SL_DNS_A, &delay, &covered);
	assert_int_equal(delay, 200);
	sl_dns_answer_unref(a);
	sl_zone_free(zone);
}

static void
test_errors_name_the_line(void **state)
{
	static const struct { const char *text, *error; } bad[] = {
		{ "a A 192.0.2.1\nb A nowhere\n", "zone line 2: an address was expected" },
		{ "a TXT \"open\n", "a quote isn't closed" },
		{ "a NOSUCH x\n", "zone line 1: \"NOSUCH\" is no record type known here" },
		{ "a TXT ( \"x\"\n", "'(' isn't closed" },
		{ "a\n", "a record type is missing" },
	};
	struct sl_zone *zone;
	struct sl_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(sl_zone_parse(&zone, sl_str_of(bad[i].text), &err), 0);
		if (strstr(err.text, bad[i].error) == NULL)
			fail_msg("%s: \"%s\"", bad[i].text, err.text);
	}
}

/* www.example.org CNAME mail.example.org, which has A 192.0.2.1; with compression. */
static const unsigned char packet[] =
    "\x12\x34\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00"
    "\x03www\x07" "example\x03org\x00\x00\x01\x00\x01"
    "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x07\x04mail\xc0\x10"
    "\xc0\x2d\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\xc0\x00\x02\x01";

static void
test_packet(void **state)
{
	struct sl_str whole = { (const char *)packet, sizeof(packet) - 1 };
	struct sl_dns_answer *a = sl_packet_parse(whole, "www.example.org", SL_DNS_A);

	(void)state;
	assert_int_equal(a->status, SL_DNS_OK);
	assert_int_equal(a->n, 1);
	assert_memory_equal(a->records[0].data.p, "\xc0\x00\x02\x01", 4);
	assert_string_equal(a->canonical, "mail.example.org");
	assert_int_equal(a->ttl, 30);
	sl_dns_answer_unref(a);
}

/* Every cut and every changed byte: an answer of some kind, never a crash. */
static void
test_damaged_packets(void **state)
{
	unsigned char copy[sizeof(packet)];
	size_t n, i;
	int v;

	(void)state;
	for (n = 0; n < sizeof(packet); n++)
		sl_dns_answer_unref(sl_packet_parse((struct sl_str){ (const char *)packet, n },
		    "www.example.org", SL_DNS_A));
	for (i = 0; i < sizeof(packet) - 1; i++)
		for (v = 0; v < 256; v++) {
			memcpy(copy, packet, sizeof(packet));
			copy[i] = (unsigned char)v;
			sl_dns_answer_unref(sl_packet_parse((struct sl_str){ (const char *)copy,
			    sizeof(packet) - 1 }, "www.example.org", v % 2 ? SL_DNS_A : SL_DNS_TXT));
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_errors_name_the_line),
		cmocka_unit_test(test_packet),
		cmocka_unit_test(test_damaged_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
