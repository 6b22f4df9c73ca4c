/* Addresses: parts, quoting and back, lists. */
#include "../testing.h"

static const struct expression envelope[] = {
	{ "envelope_address_parse('Ann@EXAMPLE.org')", "{ localpart = \"Ann\", domain = \"example.org\" }" },
	{ "envelope_address_parse('ann@bücher.example').domain", "\"xn--bcher-kva.example\"" },
	{ "envelope_address_parse('\"a\\\\\"b\"@example.org').localpart", "\"a\\\"b\"" },
	{ "envelope_address_parse('') == nil, envelope_address_parse('a@b@c') == nil", "true, true" },
	{ "envelope_address_parse('a@example.org\\0') == nil, envelope_address_parse('<a@b.c>') == nil",
	    "true, true" },
	{ "envelope_localpart_escape('a.b+c'), envelope_localpart_escape('ü')", "\"a.b+c\", \"ü\"" },
	{ "envelope_localpart_escape(''), envelope_localpart_escape('.a'), envelope_localpart_escape('a..b')",
	    "\"\\\"\\\"\", \"\\\".a\\\"\", \"\\\"a..b\\\"\"" },
	{ "envelope_localpart_escape('a\"\\\\@')", "\"\\\"a\\\\\\\"\\\\\\\\@\\\"\"" },
	{ "envelope_localpart_escape('a\\r\\n')", "!a control byte" },
	{ "for _, s in ipairs({ 'a b', 'a@b', '.', '\"', '\\\\' }) do "
	    "assert(envelope_address_parse(envelope_localpart_escape(s) .. '@example.org').localpart == s) "
	    "end; return 'fine'", "\"fine\"" },
};

static const struct expression lists[] = {
	{ "return header_dkim_decode('v=DMARC1; P=x;p = reject ;')", "{ P = \"x\", p = \"reject\", v = \"DMARC1\" }" },
	{ "return header_dkim_decode('DKIM-Signature: d=a.example;\\r\\n\\ts=x', { field = true }).s", "\"x\"" },
	{ "return select(3, header_dkim_decode('')), select(3, header_dkim_decode('a=1;a=2')), select(3, header_dkim_decode('x'))",
	    "\"syntax\", \"syntax\", \"syntax\"" },
	{ "select(3, header_dkim_decode(('x'):rep(70000)))", "\"limit\"" },
	{ "header_addresslist_extract('a@example.org, \"B, b\" <b@example.org>')",
	    "{ \"a@example.org\", \"b@example.org\" }" },
	{ "return header_addresslist_extract('To: x: a@example.org;', { field = true })", "{ \"a@example.org\" }" },
	{ "header_addresslist_extract('a@example.org', { field = true })", "{ \"a@example.org\" }" },
	{ "header_addresslist_extract('a@example.org, <') == nil", "true" },
	{ "return header_addresslist_extract('x:;')", "{}" },
	{ "header_addresslist_extract('a@b.c', { filed = true })", "!option \"filed\" is unknown" },
	{ "select(3, header_addresslist_extract(('a@b.c,'):rep(20000)))", "\"limit\"" },
};

CASE(envelope)
CASE(lists)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_envelope), cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
