/* Strings: offsets, limits of explode, caps. */
#include "../testing.h"

static const struct expression bytes[] = {
	{ "chr(0) == '\\0', chr(255) == '\\xff'", "true, true" },
	{ "chr(256)", "!is not between" },
	{ "chr('a')", "!number expected" },
	{ "ord('\\xff')", "255" },
	{ "ord('')", "!the string is empty" },
	{ "strlen('')", "0" },
	{ "strlen('a\\0b')", "3" },
	{ "strlen(12)", "2" },
	{ "strlen()", "!string expected" },
	{ "str_repeat('ab', 3)", "\"ababab\"" },
	{ "str_repeat('ab', 0), str_repeat('', 2000000000)", "\"\", \"\"" },
	{ "str_repeat('ab', -1)", "!is not between" },
	{ "str_lower('ÄBC-z'), str_upper('äbc-Z')", "\"Äbc-z\", \"äBC-Z\"" },
	{ "strtolower('A'), strtoupper('a')", "\"a\", \"A\"" },
};

static const struct expression places[] = {
	{ "strpos('banana', 'an')", "1" },
	{ "str_find('banana', 'an', 2), str_find('banana', 'x')", "3, -1" },
	{ "str_rfind('banana', 'an'), str_rfind('banana', 'x')", "3, -1" },
	{ "strpos('banana', 'an', 2)", "3" },
	{ "strpos('banana', 'an', 4)", "-1" },
	{ "strpos('banana', 'x'), strpos('', 'x'), strpos('a', 'aa')", "-1, -1, -1" },
	{ "strpos('banana', ''), strpos('banana', '', 6), strpos('banana', '', 7)", "0, 6, -1" },
	{ "strpos('banana', 'b', 100)", "-1" },
	{ "strpos('banana', 'b', -1)", "!is not between" },
	{ "strpos('a\\0b', 'b')", "2" },
	{ "strrpos('banana', 'an'), strrpos('banana', 'an', 4), strrpos('banana', 'an', 3)", "3, -1, 3" },
	{ "strrpos('banana', ''), strrpos('a', 'aa'), strrpos('', '')", "6, -1, 0" },
	{ "substr('banana', 2), substr('banana', 2, 2), substr('banana')", "\"nana\", \"na\", \"banana\"" },
	{ "substr('banana', -2), substr('banana', -4, 2), substr('banana', -9)", "\"na\", \"na\", \"banana\"" },
	{ "substr('banana', 1, -1), substr('banana', 1, -9)", "\"anan\", \"\"" },
	{ "substr('banana', 6), substr('banana', 9), substr('banana', 2, 0)", "\"\", \"\", \"\"" },
};

static const struct expression stripping[] = {
	{ "trim(' \\t\\r\\n\\v\\fa b\\n ')", "\"a b\"" },
	{ "trim(''), trim('  '), trim('a')", "\"\", \"\", \"a\"" },
	{ "trim('\\0a\\0')", "\"\\x00a\\x00\"" },
	{ "str_strip('xxaxx', 'x'), str_lstrip('xxaxx', 'x'), str_rstrip('xxaxx', 'x')",
	    "\"a\", \"axx\", \"xxa\"" },
	{ "str_strip(' a ', '')", "\" a \"" },
};

static const struct expression replacing[] = {
	{ "str_replace('a', 'b', 'aaa')", "\"bbb\"" },
	{ "str_replace('aa', 'a', 'aaaaa')", "\"aaa\"" },
	{ "str_replace('a', '', 'banana')", "\"bnn\"" },
	{ "str_replace('', 'x', 'abc'), str_replace('x', 'y', '')", "\"abc\", \"\"" },
	{ "str_replace('\\0', '.', 'a\\0b')", "\"a.b\"" },
};

static const struct expression pieces[] = {
	{ "explode(',', 'a,b,,c')", "{ \"a\", \"b\", \"\", \"c\" }" },
	{ "explode(',', ''), explode(',', ',')", "{ \"\" }, { \"\", \"\" }" },
	{ "explode(', ', 'a, b,c')", "{ \"a\", \"b,c\" }" },
	{ "explode(',', 'a,b,c', 1), explode(',', 'a,b,c', 2), explode(',', 'a,b,c', 9)",
	    "{ \"a,b,c\" }, { \"a\", \"b,c\" }, { \"a\", \"b\", \"c\" }" },
	{ "explode(',', 'a,b,c', -1), explode(',', 'a,b,c', -2), explode(',', 'a,b,c', -9)",
	    "{ \"a,b,c\" }, { \"a,b\", \"c\" }, { \"a\", \"b\", \"c\" }" },
	{ "explode(' ', 'how are you', -2)", "{ \"how are\", \"you\" }" },
	{ "explode('', 'abc')", "!the delimiter is empty" },
	{ "str_split('a:b', ':')", "{ \"a\", \"b\" }" },
	{ "str_chunk('abcde', 2), str_chunk('', 2), str_chunk('ab', 2)",
	    "{ \"ab\", \"cd\", \"e\" }, {}, { \"ab\" }" },
	{ "str_chunk('abcde', 2, 9), str_chunk('abcde', 4, 1)", "{ \"abcde\" }, { \"a\", \"bcde\" }" },
	{ "str_chunk('abcde', 0)", "!is not between" },
	{ "implode('-', { 'a', 2, 1.5 })", "\"a-2-1.5\"" },
	{ "implode('-', {}), implode('', { 'a', 'b' }), implode('-', { '' , '' })", "\"\", \"ab\", \"-\"" },
	{ "implode('-', { {} })", "!a table among the elements" },
	{ "implode('-', 'abc')", "!table expected" },
	{ "array_join({ 'a', 'b' }), array_join({ 'a', 'b' }, '\\0')", "\"ab\", \"a\\x00b\"" },
	{ "array_join({ b = 'x', a = 'y' }, ',')", "\"y,x\"" },
};

/* Neither seconds nor gigabytes: a limit ends the run. */
static const struct expression hostile[] = {
	{ "str_repeat('a', 2147483647)", "!steps" },
	{ "str_repeat(('a'):rep(1000000), 2000000000)", "!is too long" },
	{ "str_replace('a', ('b'):rep(100000), ('a'):rep(100000))", "!is too long" },
	{ "str_replace('a', ('b'):rep(1000), ('a'):rep(1000000))", "!steps" },
	{ "#explode(',', (','):rep(10000000))", "!steps" },
	{ "#str_chunk(('a'):rep(10000000), 1)", "!steps" },
	{ "strrpos(('a'):rep(5000000), ('a'):rep(2500000) .. 'b')", "!steps" },
	{ "str_strip(('ab'):rep(5000000), ('a'):rep(1000000) .. 'b')", "!steps" },
	{ "local s, t = ('a'):rep(1000000), {}; for i = 1, 1000 do t[i] = s end; implode('', t)", "!steps" },
	{ "str_repeat('a', 40000000)", "!memory" },
};

/* HSL: the same names and offsets; what is none stays none. */
static const struct expression in_hsl[] = {
	{ "[strpos(\"abc\", \"c\"), strpos(\"abc\", \"x\"), strrpos(\"abca\", \"a\")]",
	    "[0=>2,1=>-1,2=>3]" },
	{ "substr(\"banana\", 1, 2) . str_slice(\"banana\", -2)", "\"anna\"" },
	{ "trim(\" a \") . strtolower(\"A\") . strtoupper(\"b\")", "\"aaB\"" },
	{ "str_chunk(\"abc\", 2)", "[0=>\"ab\",1=>\"c\"]" },
	{ "[strlen(none), trim(none), explode(\",\", none), str_replace(\"a\", none, \"b\")]",
	    "[0=>nil,1=>nil,2=>nil,3=>nil]" },
	{ "strlen(1/4)", "4" },
	{ "str_repeat(\"ab\", 2)[1:3]", "\"ba\"" },
	{ "chr(ord(\"a\"))", "\"a\"" },
	{ "strlen([])", "!string expected, got array" },
};

HSL_CASE(in_hsl)
CASE(bytes)
CASE(places)
CASE(stripping)
CASE(replacing)
CASE(pieces)
CASE(hostile)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes), cmocka_unit_test(test_places),
		cmocka_unit_test(test_stripping), cmocka_unit_test(test_replacing),
		cmocka_unit_test(test_pieces), cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_in_hsl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
