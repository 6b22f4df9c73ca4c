/* Addresses and names in their forms. */
#include "../testing.h"

static const struct expression addresses[] = {
	{ "inet_pton('192.0.2.1') == '\\xc0\\0\\x02\\x01', #inet_pton('2001:db8::1')", "true, 16" },
	{ "inet_ntop(inet_pton('::1')), inet_ntop('\\x7f\\0\\0\\x01')", "\"::1\", \"127.0.0.1\"" },
	{ "inet_pton('192.0.2')", "nil, \"\\\"192.0.2\\\" is not an IP address\", \"syntax\"" },
	{ "inet_ntop('abc')", "nil, \"an IP address has 4 or 16 bytes, not 3\", \"syntax\"" },
	{ "inet_reverse('192.0.2.1'), inet_reverse('192.0.2.1', 'zone')",
	    "\"1.2.0.192.in-addr.arpa\", \"1.2.0.192.zone\"" },
	{ "inet_reverse('2001:db8::1')",
	    "\"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa\"" },
	{ "inet_reverse('x')", "nil, \"\\\"x\\\" is not an IP address\", \"syntax\"" },
	{ "inet_includes('192.0.2.7', '192.0.2.0/24'), in_network('192.0.3.7', '192.0.2.0-192.0.2.255')",
	    "true, false" },
};

static const struct expression names[] = {
	{ "idna_encode('Bücher.example.'), idna_encode('example.org')",
	    "\"xn--bcher-kva.example\", \"example.org\"" },
	{ "idna_decode('xn--bcher-kva.example'), idna_decode('example.org')",
	    "\"bücher.example\", \"example.org\"" },
	{ "idna_encode('a..b') == nil, idna_decode('') == nil, idna_encode('a\\0b') == nil",
	    "true, true, true" },
	{ "idna_decode('xn--' .. ('a'):rep(64)) == nil", "true" },
	{ "domain_publicsuffix('www.example.co.uk'), domain_publicsuffix('example.org'), domain_publicsuffix('co.uk')",
	    "\"co.uk\", \"org\", \"co.uk\"" },
	{ "domain_publicsuffix('WWW.Example.COM.')", "\"com\"" },
	{ "domain_includes('a.example.org', 'example.org', { x = 1 })", "!option \"x\" is unknown" },
	{ "domain_includes('mail.example.org', 'example.org'), domain_includes('example.org', '.example.org')",
	    "true, false" },
};

CASE(addresses)
CASE(names)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
