/* pack and unpack: each code, what is refused, and what costs. */
#include "../testing.h"

static const struct expression packing[] = {
	{ "pack('C', 255) == '\\xff', pack('C', 256 + 7) == '\\7', pack('n', 258) == '\\1\\2', pack('v', 258) == '\\2\\1'",
	    "true, true, true, true" },
	{ "pack('N', 0x01020304) == '\\1\\2\\3\\4', pack('V', 0x01020304) == '\\4\\3\\2\\1', pack('N', 4294967295) == '\\xff\\xff\\xff\\xff'",
	    "true, true, true" },
	{ "pack('e', 1.5) == string.pack('<d', 1.5), pack('E', -0.1) == string.pack('>d', -0.1)", "true, true" },
	{ "pack('C3', 1, 2, 3) == '\\1\\2\\3', pack('C*', 1, 2) == '\\1\\2', pack('nC*', 1) == '\\0\\1'",
	    "true, true, true" },
	{ "pack('a', 'xy'), pack('a*', 'xy'), pack('a4', 'xy') == 'xy\\0\\0', pack('a0', 'x')", "\"x\", \"xy\", true, \"\"" },
	{ "pack('Z*', 'xy') == 'xy\\0', pack('Z2', 'xy') == 'x\\0', pack('Z4', 'xy') == 'xy\\0\\0', pack('Z', 'x') == '\\0'",
	    "true, true, true, true" },
	{ "pack('H*', '4869'), pack('H2', '4869'), pack('H3', '4869') == 'H`', pack('H', '4') == '@', pack('H*', '')",
	    "\"Hi\", \"H\", true, true, \"\"" },
	{ "pack('x2') == '\\0\\0', pack(' C  C ', 1, 2) == '\\1\\2', pack('')", "true, true, \"\"" },
	{ "select(2, pack('H*', 'xy'))", "\"these are no hexadecimal digits\", \"syntax\"" },
	{ "select(3, pack('q', 1)), select(3, pack('x*')), select(3, pack('C99999999999', 1))",
	    "\"syntax\", \"syntax\", \"syntax\"" },
	{ "pack('C')", "!" },
	{ "pack('C', 'x')", "!" },
};

static const struct expression unpacking[] = {
	{ "unpack('CcnNvV', '\\xff\\xff\\1\\2\\0\\0\\1\\0\\2\\1\\0\\1\\0\\0')",
	    "{ 255, -1, 258, 256, 258, 256 }" },
	{ "unpack('N', '\\xff\\xff\\xff\\xff'), unpack('eE', string.pack('<d>d', 1.5, -0.25))",
	    "{ 4294967295 }, { 1.5, -0.25 }" },
	{ "unpack('C*', '\\1\\2\\3'), unpack('n*', '\\0\\1\\2'), unpack('C2', '\\1\\2\\3')", "{ 1, 2, 3 }, { 1 }, { 1, 2 }" },
	{ "unpack('a2a*', 'abcd'), unpack('Z*a*', 'ab\\0cd'), unpack('Z5C', 'ab\\0xy\\7'), unpack('Z*', 'ab')",
	    "{ \"ab\", \"cd\" }, { \"ab\", \"cd\" }, { \"ab\", 7 }, { \"ab\" }" },
	{ "unpack('H*', 'Hi'), unpack('H3', 'Hi'), unpack('HC', 'Hi')", "{ \"4869\" }, { \"486\" }, { \"4\", 105 }" },
	{ "unpack('x2C', '\\0\\0\\5'), unpack('C', '\\1\\2', 1), unpack('', '')", "{ 5 }, { 2 }, {}" },
	{ "unpack('N', '\\1\\2\\3')", "nil, \"there are fewer bytes than N needs\", \"syntax\"" },
	{ "select(3, unpack('C2', '\\1')), select(3, unpack('a3', 'xy')), select(3, unpack('x3', 'xy')), select(3, unpack('q', ''))",
	    "\"syntax\", \"syntax\", \"syntax\", \"syntax\"" },
	{ "unpack('C', 'x', 1)", "nil, \"there are fewer bytes than C needs\", \"syntax\"" },
	{ "unpack('C', 'x', 2)", "nil, \"there are only 1 bytes\", \"syntax\"" },
	{ "local s = random_bytes(1000); return pack('a*', s) == s, unpack('H*', pack('H*', sha2(s, 256)))[1] == sha2(s, 256)",
	    "true, true" },
};

static const struct expression hostile[] = {
	{ "pack(('x16777216'):rep(20))", "!" },
	{ "unpack('C*', ('x'):rep(4000000))", "!" },
	{ "pack(('x'):rep(20000000))", "!" },
};

static const struct expression in_hsl[] = {
	{ "unpack(\"Cn\", pack(\"Cn\", 7, 300))", "[0=>7,1=>300]" },
	{ "[pack(\"q\", 1), unpack(\"N\", \"x\")]", "[0=>nil,1=>nil]" },
};

HSL_CASE(in_hsl)
CASE(packing)
CASE(unpacking)
CASE(hostile)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packing),
		cmocka_unit_test(test_unpacking),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_in_hsl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
