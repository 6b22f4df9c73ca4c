/* Encodings: RFC 4648 10, what is refused, caps. */
#include "../testing.h"

static const struct expression base64[] = {
	{ "base64_encode(''), base64_encode('f'), base64_encode('fo'), base64_encode('foobar')",
	    "\"\", \"Zg==\", \"Zm8=\", \"Zm9vYmFy\"" },
	{ "base64_decode(''), base64_decode('Zg=='), base64_decode(' Zm9v\\r\\n\\tYmFy ')",
	    "\"\", \"f\", \"foobar\"" },
	{ "base64_decode('Zg')", "nil, \"this is not base64\", \"syntax\"" },
	{ "base64_decode('Zh==')", "nil, \"this is not base64\", \"syntax\"" },
	{ "base64_decode('Zm9v!')", "nil, \"this is not base64\", \"syntax\"" },
	{ "base64url_encode('\\xfb\\xef\\xff'), base64url_encode('f')", "\"--__\", \"Zg\"" },
	{ "base64url_decode('--__') == '\\xfb\\xef\\xff', base64url_decode('Zg=='), base64url_decode('')",
	    "true, \"f\", \"\"" },
	{ "select('#', base64url_decode('++//')), base64url_decode('++//')",
	    "3, nil, \"this is not base64 for URLs\", \"syntax\"" },
	{ "base64url_decode('Z')", "nil, \"this is not base64 for URLs\", \"syntax\"" },
	{ "local s = random_bytes(1000); return base64_decode(base64_encode(s)) == s, base64url_decode(base64url_encode(s)) == s, base32_decode(base32_encode(s)) == s",
	    "true, true, true" },
};

static const struct expression base32[] = {
	{ "base32_encode(''), base32_encode('f'), base32_encode('fo'), base32_encode('foo'), base32_encode('foob'), base32_encode('fooba')",
	    "\"\", \"MY======\", \"MZXQ====\", \"MZXW6===\", \"MZXW6YQ=\", \"MZXW6YTB\"" },
	{ "base32_decode('MY======'), base32_decode('mzxw6yq'), base32_decode('')",
	    "\"f\", \"foob\", \"\"" },
	{ "base32_decode('M1')", "nil, \"this is not base32\", \"syntax\"" },
	{ "base32_decode('M')", "nil, \"this is not base32: bits are left over\", \"syntax\"" },
	{ "base32_decode('MZ')", "nil, \"this is not base32: bits are left over\", \"syntax\"" },
};

static const struct expression escapes[] = {
	{ "url_encode('aZ09-._~'), url_encode(' /?#%\\0\\xff')",
	    "\"aZ09-._~\", \"%20%2F%3F%23%25%00%FF\"" },
	{ "url_decode('%41%62+%2B'), url_decode('')", "\"Ab++\", \"\"" },
	{ "url_decode('%4')", "nil, \"a percent sign without two hexadecimal digits\", \"syntax\"" },
	{ "url_decode('%'), 1", "nil, 1" },
	{ "url_decode('%zz') == nil, url_decode('100%') == nil", "true, true" },
	{ "xtext_encode('a b+c=d'), xtext_decode('a+20b+2Bc+3Dd')",
	    "\"a+20b+2Bc+3Dd\", \"a b+c=d\"" },
	{ "xtext_decode('a+2')", "nil, \"a plus sign without two hexadecimal digits\", \"syntax\"" },
};

static const struct expression words[] = {
	{ "mimeword_encode(''), mimeword_encode('plain text')", "\"\", \"plain text\"" },
	{ "mimeword_encode('=?x')", "\"=?UTF-8?B?PT94?=\"" },
	{ "local s = ('Grüße '):rep(30); return mimeword_decode(mimeword_encode(s .. '.')) == s .. '.'",
	    "true" },
	{ "local s = ('ü'):rep(100); for word in mimeword_encode(s):gmatch('%S+') do assert(#word <= 75); assert(utf8.len(base64_decode(word:match('%?B%?(.*)%?=')))) end; return 'fine'",
	    "\"fine\"" },
	{ "local s = ('\\xbf'):rep(100); return mimeword_decode(mimeword_encode(s)) == s", "false" },
	{ "mimeword_decode('=?utf-8?b?R3I=?='), mimeword_decode('=?nonsense')",
	    "\"Gr\", \"=?nonsense\"" },
};

static const struct expression csv[] = {
	{ "csv_explode('a,b,c')", "{ \"a\", \"b\", \"c\" }" },
	{ "csv_explode(''), csv_explode(',')", "{ \"\" }, { \"\", \"\" }" },
	{ "csv_explode('\"a,b\" , \"say \"\"hi\"\"\",c')",
	    "{ \"a,b\", \"say \\\"hi\\\"\", \"c\" }" },
	{ "csv_explode('a,b\\nc,d')", "{ \"a\", \"b\" }" },
	{ "csv_explode('\"open')", "{ \"open\" }" },
	{ "csv_decode('a,b\\n1,2\\n\\n# x\\n3,\"4\\n5\",6')",
	    "{ { a = \"1\", b = \"2\" }, { a = \"3\", b = \"4\\n5\" } }" },
	{ "csv_decode(''), csv_decode('a,b'), csv_decode('a,b', { header = false })",
	    "{}, {}, { { \"a\", \"b\" } }" },
	{ "csv_decode('a\\tb\\n1\\t', { delimiter = '\\t' })", "{ { a = \"1\", b = \"\" } }" },
	{ "csv_decode('a', { delimiter = '' })", "!one byte expected" },
	{ "csv_decode('a', { headers = true })", "!option \"headers\" is unknown (header?)" },
};

static const struct expression hostile[] = {
	{ "csv_explode((','):rep(10000000))", "!steps" },
	{ "url_encode(('\\0'):rep(20000000))", "!steps" },
	{ "base32_encode(('a'):rep(30000000))", "!steps" },
};

/* HSL: what can't be decoded is none. */
static const struct expression in_hsl[] = {
	{ "[base64_encode(\"ann\"), base64_decode(\"YW5u\"), base64_decode(\"?\"), url_decode(\"%\")]",
	    "[0=>\"YW5u\",1=>\"ann\",2=>nil,3=>nil]" },
	{ "csv_explode(\"a,b\")", "[0=>\"a\",1=>\"b\"]" },
	{ "csv_decode(\"a,b\\n1,2\")", "[0=>[\"a\"=>\"1\",\"b\"=>\"2\"]]" },
	{ "csv_decode(\"1;2\", [\"delimiter\" => \";\", \"header\" => false])",
	    "[0=>[0=>\"1\",1=>\"2\"]]" },
};

HSL_CASE(in_hsl)
CASE(base64)
CASE(base32)
CASE(escapes)
CASE(words)
CASE(csv)
CASE(hostile)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_base32),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_in_hsl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
