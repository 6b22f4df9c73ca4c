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
    "slow DELAY 200\n"
    "away CNAME target.elsewhere.example.\n"
    "far 30 CNAME away\n"
    "unit 1h30m IN A 192.0.2.5\n"
    "class IN 1D A 192.0.2.6\n"
    "raw A \\# 4 c000 0207\n"
    "raw TYPE257 \\# 5 00 0169 6f3b\n"
    "raw MX \\# 5 000A 01 78 00\n"
    "a\\.b\\032c CNAME x\\.y\n"
    "srv SRV 1 2 3 mail\n"
    "tlsa TLSA 3 1 1 0a0b\n"
    "$ORIGIN signed.example.\n"
    "@ 1h SOA ns hostmaster ( 1 1h 15m 1w 10m )\n"
    "@ NS ns\n"
    "ns A 192.0.2.9\n"
    "alias 5 CNAME nothing\n"
    "$ORIGIN long.example.\n"
    "@ 1w SOA ns hostmaster 1 1 1 1 1w\n";

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
	{ "raw.example.org", SL_DNS_A, SL_DNS_OK, 1, NULL },
	{ "raw.example.org", SL_DNS_CAA, SL_DNS_OK, 1, NULL },
	{ "raw.example.org", SL_DNS_MX, SL_DNS_OK, 1, "x" },
	{ "a\\.b\\032c.example.org", SL_DNS_CNAME, SL_DNS_OK, 1, "x\\.y.example.org" },
	{ "srv.example.org", SL_DNS_SRV, SL_DNS_OK, 1, "mail.example.org" },
	{ "tlsa.example.org", SL_DNS_TLSA, SL_DNS_OK, 1, "\x03\x01\x01\x0a\x0b" },
};

static void
test_answers(void **state)
{
	struct sl_zone *zone;
	struct sl_dns_answer *a;
	struct sl_err err;
	int64_t delay;
	char outside[256];
	size_t i;

	(void)state;
	if (sl_zone_parse(&zone, SL_STR(text), &err) != 0)
		fail_msg("%s", err.text);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		a = sl_zone_answer(zone, cases[i].name, cases[i].type, &delay, outside);
		if (a->status != cases[i].status || a->n != cases[i].n || (cases[i].data != NULL &&
		    !sl_str_eq(a->records[0].data, sl_str_of(cases[i].data))))
			fail_msg("%s %s: %s, %zu records", cases[i].name, sl_dns_type_word(cases[i].type),
			    sl_dns_status_word(a->status), a->n);
		assert_string_equal(outside, strcmp(cases[i].name, "other.example") == 0 ?
		    "other.example" : "");
		sl_dns_answer_unref(a);
	}
	a = sl_zone_answer(zone, "slow.example.org", SL_DNS_A, &delay, outside);
	assert_int_equal(delay, 200);
	sl_dns_answer_unref(a);
	sl_zone_free(zone);
}

/* What the TTL of an answer is: RFC 1035 3.2.1, RFC 2308 4 and 5, and of aliases the least. */
static void
test_ttls(void **state)
{
	static const struct { const char *name; enum sl_dns_type type; uint32_t ttl; } ttls[] = {
		{ "mail.example.org", SL_DNS_A, 60 },
		{ "example.org", SL_DNS_TXT, 300 },
		{ "unit.example.org", SL_DNS_A, 5400 },
		{ "class.example.org", SL_DNS_A, 86400 },
		{ "mail.example.org", SL_DNS_MX, 0 },
		{ "nothing.signed.example", SL_DNS_A, 600 },
		{ "signed.example", SL_DNS_A, 600 },
		{ "alias.signed.example", SL_DNS_A, 5 },
		{ "nothing.long.example", SL_DNS_A, 10800 },
	};
	struct sl_dns_answer *a;
	struct sl_zone *zone;
	struct sl_err err;
	char outside[256];
	int64_t delay;
	size_t i;

	(void)state;
	assert_int_equal(sl_zone_parse(&zone, SL_STR(text), &err), 0);
	for (i = 0; i < sizeof(ttls) / sizeof(ttls[0]); i++) {
		a = sl_zone_answer(zone, ttls[i].name, ttls[i].type, &delay, outside);
		if (a->ttl != ttls[i].ttl)
			fail_msg("%s: TTL %u, not %u", ttls[i].name, a->ttl, ttls[i].ttl);
		sl_dns_answer_unref(a);
	}
	a = sl_zone_answer(zone, "far.example.org", SL_DNS_A, &delay, outside);
	assert_string_equal(outside, "target.elsewhere.example");
	assert_int_equal(a->ttl, 30);
	sl_dns_answer_unref(a);
	sl_zone_free(zone);
}

static void
test_errors_name_line_and_column(void **state)
{
	static const struct { const char *text, *error; } bad[] = {
		{ "a A 192.0.2.1\nb A nowhere\n",
		    "zone line 2, column 5: an IPv4 address was expected, not \"nowhere\"" },
		{ "a TXT \"open\n", "a quote isn't closed" },
		{ "a NOSUCH x\n", "zone line 1, column 3: a record type known here was expected" },
		{ "a TXT ( \"x\"\n", "'(' isn't closed" },
		{ "a TXT \"x\" )\n", "column 11: ')' without '('" },
		{ "a\n", "zone line 1, column 2: a record type is missing" },
		{ "a MX ten mail\n", "column 6: a number from 0 to 65535 was expected, not \"ten\"" },
		{ "a MX 65536 mail\n", "a number from 0 to 65535 was expected" },
		{ "a MX -1 mail\n", "a number from 0 to 65535 was expected" },
		{ "a MX 10\n", "a name is missing" },
		{ "a MX 10 mail junk\n", "column 14: the end of the line was expected, not \"junk\"" },
		{ "a A 192.0.2.1 junk\n", "column 15: the end of the line was expected, not \"junk\"" },
		{ "a A\n", "an address is missing" },
		{ "a 1x A 192.0.2.1\n", "column 3: a TTL (300, 1h) was expected, not \"1x\"" },
		{ "a 4294967296 A 192.0.2.1\n", "a TTL (300, 1h) was expected" },
		{ "a CH A 192.0.2.1\n", "a record type known here was expected, not \"CH\"" },
		{ "$TTL soon\n", "column 6: a time (300, 1h) was expected" },
		{ "$TTL 1h 2h\n", "the end of the line was expected" },
		{ "$INCLUDE x\n", "$ORIGIN or $TTL was expected" },
		{ "a DELAY long\n", "a number was expected" },
		{ "a TIMEOUT 3\n", "the end of the line was expected" },
		{ "a SRV 1 2 3\n", "a name is missing" },
		{ "a TLSA 3 1 256 00\n", "a number from 0 to 255 was expected" },
		{ "a TLSA 3 1 1 0g\n", "hexadecimal digits were expected" },
		{ "a A \\# 3 c00002\n", "data of the type was expected" },
		{ "a A \\# 4 c00002\n", "as many bytes as the length says were expected" },
		{ "a TYPE65280 abc\n", "data in the form \\# LENGTH HEX was expected" },
		{ "a TXT \\999\n", "an escape is three digits up to 255" },
		{ "a..b A 192.0.2.1\n", "a name was expected, not \"a..b\"" },
		{ "a123456789012345678901234567890123456789012345678901234567890123 A 192.0.2.1\n",
		    "a shorter name was expected" },
		{ " A 192.0.2.1\n", "a name was expected at the begin of the line" },
		{ "a SOA ns host 1 2 3 4\n", "minimum is missing" },
	};
	struct sl_zone *zone;
	struct sl_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (sl_zone_parse(&zone, sl_str_of(bad[i].text), &err) == 0)
			fail_msg("accepted: %s", bad[i].text);
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

/* nothing.example.org: no such name; the SOA of 'owner' has this TTL and this minimum. */
static uint32_t
negative_ttl(const char *owner, uint32_t ttl, uint32_t minimum)
{
	unsigned char p[256] = "\x12\x34\x81\x83\x00\x01\x00\x00\x00\x01\x00\x00"
	    "\x07nothing\x07" "example\x03org\x00\x00\x01\x00\x01";
	size_t n = 12 + 21 + 4, i = strlen(owner);
	struct sl_dns_answer *a;
	uint32_t kept;

	p[n++] = (unsigned char)i;
	memcpy(p + n, owner, i);
	memcpy(p + n + i, "\x03org\x00\x00\x06\x00\x01", 9);
	n += i + 9;
	for (i = 0; i < 4; i++)
		p[n++] = (unsigned char)(ttl >> (24 - 8 * i));
	memcpy(p + n, "\x00\x16\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03"
	    "\x00\x00\x00\x04", 20);
	n += 20;
	for (i = 0; i < 4; i++)
		p[n++] = (unsigned char)(minimum >> (24 - 8 * i));
	a = sl_packet_parse((struct sl_str){ (char *)p, n }, "nothing.example.org", SL_DNS_A);
	assert_int_equal(a->status, SL_DNS_NXDOMAIN);
	kept = a->ttl;
	sl_dns_answer_unref(a);
	return kept;
}

/* RFC 2308 5: the lesser of both, three hours at most; not of a zone elsewhere. */
static void
test_negative_ttl_of_a_packet(void **state)
{
	(void)state;
	assert_int_equal(negative_ttl("example", 3600, 600), 600);
	assert_int_equal(negative_ttl("example", 60, 600), 60);
	assert_int_equal(negative_ttl("example", 604800, 604800), 10800);
	assert_int_equal(negative_ttl("other", 3600, 600), 0);
	assert_int_equal(negative_ttl("ample", 3600, 600), 0);
}

/* A chain of 'n' aliases a0 -> a1 ... ending in an A, in one packet. */
static enum sl_dns_status
chain(unsigned n, bool loop)
{
	unsigned char p[2048] = "\x12\x34\x81\x80\x00\x00\x00\x00\x00\x00\x00\x00";
	struct sl_dns_answer *a;
	enum sl_dns_status status;
	size_t at = 12;
	unsigned i;

	p[7] = (unsigned char)(n + !loop);
	for (i = 0; i < n; i++) {
		unsigned char rr[] = { 1, (unsigned char)('a' + i), 0, 0, 5, 0, 1, 0, 0, 0, 9, 0, 3, 1,
		    (unsigned char)(loop && i + 1 == n ? 'a' : 'a' + i + 1), 0 };

		memcpy(p + at, rr, sizeof(rr));
		at += sizeof(rr);
	}
	if (!loop) {
		unsigned char rr[] = { 1, (unsigned char)('a' + n), 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2,
		    3, 4 };

		memcpy(p + at, rr, sizeof(rr));
		at += sizeof(rr);
	}
	a = sl_packet_parse((struct sl_str){ (char *)p, at }, "a", SL_DNS_A);
	status = a->status;
	sl_dns_answer_unref(a);
	return status;
}

/* A32: aliases end at a cap, loops too. */
static void
test_alias_chains(void **state)
{
	(void)state;
	assert_int_equal(chain(1, false), SL_DNS_OK);
	assert_int_equal(chain(10, false), SL_DNS_OK);
	assert_int_equal(chain(11, false), SL_DNS_SERVFAIL);
	assert_int_equal(chain(1, true), SL_DNS_SERVFAIL);
	assert_int_equal(chain(3, true), SL_DNS_SERVFAIL);
}

/* A32: an answer that was cut off (TC) is none, and a question is no answer. */
static void
test_cut_answers(void **state)
{
	static const unsigned char flags[][2] = { { 0x83, 0x80 }, { 0x01, 0x80 } };
	unsigned char copy[sizeof(packet)];
	struct sl_dns_answer *a;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		memcpy(copy, packet, sizeof(packet));
		memcpy(copy + 2, flags[i], 2);
		a = sl_packet_parse((struct sl_str){ (char *)copy, sizeof(packet) - 1 }, "www.example.org",
		    SL_DNS_A);
		assert_int_equal(a->status, SL_DNS_SERVFAIL);
		sl_dns_answer_unref(a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_ttls),
		cmocka_unit_test(test_errors_name_line_and_column),
		cmocka_unit_test(test_packet),
		cmocka_unit_test(test_damaged_packets),
		cmocka_unit_test(test_negative_ttl_of_a_packet),
		cmocka_unit_test(test_alias_chains),
		cmocka_unit_test(test_cut_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
