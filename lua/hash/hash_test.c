/* Digests against published values: RFC 1321, 3174, 2202, 4231, FIPS 180-4, FNV. */
#include "../testing.h"

static const struct expression digests[] = {
	{ "md5(\"\"), md5(\"message digest\")",
	    "\"d41d8cd98f00b204e9800998ecf8427e\", \"f96b697d7cb7938d525a2f31aaf161d0\"" },
	{ "sha1(\"\")", "\"da39a3ee5e6b4b0d3255bfef95601890afd80709\"" },
	{ "sha2(\"abc\", 256)",
	    "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"" },
	{ "sha2(\"abc\", 384)",
	    "\"cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7\"" },
	{ "sha2(\"abc\", 512)",
	    "\"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f\"" },
	{ "sha2(\"abc\", 224)", "!256, 384 or 512 expected" },
	{ "#md5(\"a\", { binary = true }), md5(\"a\", { binary = false })",
	    "16, \"0cc175b9c0f1b6a831c399e269772661\"" },
	{ "md5(\"a\", { binry = true })", "!option \"binry\" is unknown (binary?)" },
	{ "md5()", "!string expected" },
};

static const struct expression codes[] = {
	{ "hmac_md5(('\\xaa'):rep(80), 'Test Using Larger Than Block-Size Key - Hash Key First')",
	    "\"6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd\"" },
	{ "hmac_sha1(('\\xaa'):rep(80), 'Test Using Larger Than Block-Size Key - Hash Key First')",
	    "\"aa4ae5e15272d00e95705637ce8a3b55ed402112\"" },
	{ "hmac_sha1(('\\x0b'):rep(20), 'Hi There')",
	    "\"b617318655057264e28bc0b6fb378c8ef146be00\"" },
	{ "hmac_sha2(('\\x0b'):rep(20), 'Hi There', 256)",
	    "\"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7\"" },
	{ "hmac_sha2(('\\x0b'):rep(20), 'Hi There', 512)",
	    "\"87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854\"" },
	{ "hmac_sha2(('\\xaa'):rep(131), 'Test Using Larger Than Block-Size Key - Hash Key First', 384)",
	    "\"4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952\"" },
	{ "hmac_md5('', '')", "\"74e6f7298a9c2d168935f58c001bad88\"" },
	{ "hmac_sha2('key', 'message', 1)", "!256, 384 or 512 expected" },
};

static const struct expression names[] = {
	{ "hash('foobar')", "3214735720" },
	{ "uuidv5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'example.org') == uuidv5('6BA7B810-9DAD-11D1-80B4-00C04FD430C8', 'example.org')",
	    "true" },
	{ "uuidv5('6ba7b8109dad11d180b400c04fd430c8', 'x')", "!a UUID expected" },
	{ "uuidv5('6ba7b810-9dad-11d1-80b4-00c04fd430cx', 'x')", "!a UUID expected" },
	{ "uuidv5('6ba7b810-9dad-11d1-80b40-0c04fd430c8', 'x')", "!a UUID expected" },
};

static const struct expression hostile[] = {
	{ "local s = ('a'):rep(20000000); return sha2(s, 512), sha2(s, 512), sha2(s, 512)",
	    "!steps" },
};

/* HSL: slices of digests, as published scripts take them. */
static const struct expression in_hsl[] = {
	{ "md5(\"abc\")[0:6] . hmac_sha1(\"k\", \"m\")[-2:]", "\"90015033\"" },
	{ "md5(none)", "nil" },
	{ "md5(\"a\", [\"binary\" => true])[0] == chr(0x0c)", "true" },
};

HSL_CASE(in_hsl)
CASE(digests)
CASE(codes)
CASE(names)
CASE(hostile)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_in_hsl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
