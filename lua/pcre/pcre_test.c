/*
 * Regular expressions: groups, names, flags, replacing, callbacks that wait; and
 * patterns and texts made to take for ever or to take all memory.
 */
#include "../testing.h"

#if !WITH_PCRE2

static const struct expression without[] = {
	{ "pcre_match('a', 'a')", "!built without PCRE2" },
	{ "__regex_test('a', 'a')", "!built without PCRE2" },
	{ "pcre_quote('.')", "\"\\\\.\"" },
};

CASE(without)

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_without) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static const struct expression matches[] = {
	{ "pcre_match('b+', 'abbc')", "{ [0] = \"bb\" }" },
	{ "pcre_match('(a)(b)?(c)', 'ac')", "{ [0] = \"ac\", [1] = \"a\", [2] = \"\", [3] = \"c\" }" },
	{ "pcre_match('(a)(b)?', 'a')", "{ [0] = \"a\", [1] = \"a\", [2] = \"\" }" },
	{ "pcre_match('(?<x>a)(?P<y>b)', 'ab')",
	    "{ [0] = \"ab\", [1] = \"a\", x = \"a\", [2] = \"b\", y = \"b\" }" },
	{ "pcre_match('x', 'abc')", "nil" },
	{ "pcre_match('', ''), pcre_match('^$', '')", "{ [0] = \"\" }, { [0] = \"\" }" },
	{ "pcre_match('a\\0b', 'xa\\0b')[0] == 'a\\0b'", "true" },
	{ "pcre_match(1, '21')[0]", "\"1\"" },
	{ "pcre_match('(', 'a')", "!pattern: missing closing parenthesis" },
	{ "pcre_match('a')", "!string expected" },
	{ "__regex_test('abc', 'b'), __regex_test('abc', '^b')", "true, false" },
	{ "__regex_test('abc', pcre_compile('/B/i'))", "true" },
};

static const struct expression flags[] = {
	{ "pcre_match('/a/i', 'A') ~= nil, pcre_match('/a/', 'A') == nil", "true, true" },
	{ "pcre_match('/^b/m', 'a\\nb') ~= nil, pcre_match('/^b/', 'a\\nb') == nil", "true, true" },
	{ "pcre_match('/a.b/s', 'a\\nb') ~= nil, pcre_match('/a.b/', 'a\\nb') == nil", "true, true" },
	{ "pcre_match('/a b # c/x', 'ab') ~= nil", "true" },
	{ "pcre_match('/^.$/u', 'ü') ~= nil, pcre_match('/^.$/', 'ü') == nil", "true, true" },
	{ "pcre_match('/Ü/iu', 'ü') ~= nil, pcre_match('/\\\\w/u', 'ü') ~= nil", "true, true" },
	{ "pcre_match('/a+/U', 'aaa')[0], pcre_match('/a/X', 'a')[0]", "\"a\", \"a\"" },
	{ "pcre_match('/usr/lib', '/usr/lib')[0], pcre_match('/', '/')[0]", "\"/usr/lib\", \"/\"" },
	{ "pcre_match('/a\\\\/b/', 'a/b')[0], pcre_match('//', 'abc')[0]", "\"a/b\", \"\"" },
	{ "pcre_match('a/i', 'a/i')[0], pcre_match('/a/q', '/a/q')[0]", "\"a/i\", \"/a/q\"" },
	/* No byte may switch a pattern off: what isn't UTF-8 matches nothing itself, the rest does. */
	{ "pcre_match('/viagra/iu', '\\xff VIAGRA \\xfe')[0]", "\"VIAGRA\"" },
	{ "pcre_match('/^.$/u', '\\xff') == nil", "true" },
	{ "pcre_match('/\\xff/u', 'a')", "!pattern: UTF-8 error" },
	{ "pcre_match('(*UTF)a', '\\xff')", "!UTF is disabled" },
	{ "pcre_match('\\\\C', 'a')", "!using \\C is disabled" },
};

static const struct expression all[] = {
	{ "pcre_match_all('(\\\\w)(\\\\d)?', 'a1b')",
	    "{ [0] = { \"a1\", \"b\" }, [1] = { \"a\", \"b\" }, [2] = { \"1\", \"\" } }" },
	{ "pcre_match_all('(?<n>\\\\d+)', '1 22').n", "{ \"1\", \"22\" }" },
	{ "pcre_match_all('x', 'abc')", "nil" },
	{ "#pcre_match_all('', 'abc')[0], #pcre_match_all('b*', 'abbc')[0]", "4, 4" },
	{ "#pcre_match_all('/(?=.)/u', 'üäö')[0], #pcre_match_all('/./u', 'üäö')[0]", "3, 3" },
	{ "pcre_match_all('(.{1,16})', ('x'):rep(33))[1]",
	    "{ \"xxxxxxxxxxxxxxxx\", \"xxxxxxxxxxxxxxxx\", \"x\" }" },
	{ "pcre_split(',', 'a,b,,c'), pcre_split(',', 'a,b,c', 2), pcre_split('x', 'abc')",
	    "{ \"a\", \"b\", \"\", \"c\" }, { \"a\", \"b,c\" }, { \"abc\" }" },
	{ "pcre_split('', 'abc'), pcre_split(',', ''), pcre_split(',', ',a,')",
	    "{ \"a\", \"b\", \"c\" }, { \"\" }, { \"\", \"a\", \"\" }" },
};

static const struct expression replaces[] = {
	{ "pcre_replace('b', 'x', 'abba'), pcre_replace('b', 'x', 'abba', 1)", "\"axxa\", \"axba\"" },
	{ "pcre_replace('(a)(b)', '$2$1$0$3$', 'ab')", "\"baab$\"" },
	{ "pcre_replace('(a)', '$12', 'a'), pcre_replace('a', '$x $ $$', 'a')", "\"a2\", \"$x $ $$\"" },
	{ "pcre_replace('(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)(l)', '$12$1', 'abcdefghijkl')", "\"la\"" },
	{ "pcre_replace('', '-', 'abc'), pcre_replace('x*', '-', 'abc')", "\"-a-b-c-\", \"-a-b-c-\"" },
	{ "pcre_replace('/(?:)/u', '-', 'üä'), pcre_replace('x', 'y', 'abc')", "\"-ü-ä-\", \"abc\"" },
	{ "pcre_replace('$', '!', 'a\\n')", "\"a!\\n!\"" },
	{ "pcre_replace('(?<n>.)', function(m) return m.n .. m[1] .. m[0] end, 'ab')", "\"aaabbb\"" },
	{ "pcre_replace('.', function(m) sleep(0.001) return pcre_replace('b', 'c', m[0]) end, 'abc')",
	    "\"acc\"" },
	{ "pcre_replace('.', function() return nil end, 'a')", "!gave a nil instead of a string" },
	{ "pcre_replace('.', function() return 7 end, 'ab', 1)", "\"7b\"" },
	{ "pcre_replace('.', {}, 'a')", "!string expected" },
	/* A callback that pushes the pattern out of those that are kept. */
	{ "pcre_replace('a', function(m) for i = 1, 300 do pcre_match('b' .. i, 'b') end return 'x' end, 'aa')",
	    "\"xx\"" },
	{ "pcre_quote('a.b*c'), pcre_quote('a\\0'), pcre_quote('ann_smith@x')",
	    "\"a\\\\.b\\\\*c\", \"a\\\\x00\", \"ann_smith@x\"" },
	{ "local s = ''; for i = 0, 255 do s = s .. string.char(i) end "
	    "return pcre_match('^' .. pcre_quote(s) .. '$', s) ~= nil, "
	    "pcre_match('/^' .. pcre_quote('/a b#\\n') .. '$/', '/a b#\\n') ~= nil", "true, true" },
	{ "pcre_compile('(')", "!pattern: missing closing parenthesis" },
	{ "pcre_match(pcre_compile(pcre_compile('/A/i')), 'a')[0], is_string(pcre_compile('a'))",
	    "\"a\", false" },
	{ "getmetatable(pcre_compile('a'))", "false" },
};

/* Each would take minutes or gigabytes without the budget. */
static const struct expression hostile[] = {
	{ "pcre_match('(a+)+$', ('a'):rep(50) .. 'b')", "!steps" },
	{ "pcre_match('a*a*a*b', ('a'):rep(5000) .. 'cb')", "!steps" },
	{ "pcre_match('[^b]*+c', ('a'):rep(5000000) .. 'bc')", "!steps" },
	{ "pcre_match('\\\\w*\\\\d', ('a'):rep(5000000) .. ' 1')", "!steps" },
	{ "pcre_match('(.*)\\\\1b', ('a'):rep(100000) .. 'cb')", "!steps" },
	{ "pcre_match('a{65535}', (('a'):rep(65534) .. 'b'):rep(100))", "!steps" },
	{ "pcre_match('(*sr:.*)(?!)', ('a'):rep(100000))", "!steps" },
	{ "pcre_match('((?:a|b)*)*c', ('ab'):rep(500000) .. 'dc')", "!the match takes more than" },
	{ "pcre_match('((?:a|b)*)*c', ('ab'):rep(1000) .. 'dc')", "!steps" },
	{ "pcre_match_all('a', ('a'):rep(2000000))", "!steps" },
	{ "pcre_replace('', ('x'):rep(100000), ('a'):rep(100000))", "!memory" },
	{ "for i = 1, 1000000 do pcre_match('a' .. i, 'b') end;", "!steps" },
	{ "pcre_match('(?R)?a', 'aaa')", "!nested recursion" },
	{ "pcre_match('^(?:(a)|b|(?1))*$', ('ab'):rep(500000) .. 'c')", "!the match takes more than" },
	{ "pcre_match('(?:(?:a{1,100}){1,100}){1,100}', 'a')", "!too large" },
	{ "pcre_match(('(a)'):rep(256), 'a')", "!more than 255 groups" },
	{ "pcre_match(('a'):rep(40000), 'a')", "!longer than 32768 bytes" },
	{ "pcre_match(('('):rep(1000) .. (')'):rep(1000), 'a')", "!too deeply nested" },
};

/* And what is long but honest isn't stopped. */
static const struct expression honest[] = {
	{ "#pcre_replace('\\\\s+', ' ', ('Lorem ipsum  dolor '):rep(20000))", "360000" },
	{ "#pcre_match_all('/\\\\w+@\\\\w+\\\\.\\\\w+/i', ('Lorem ann@example.org dolor '):rep(10000))[0]",
	    "10000" },
	{ "pcre_match('/<a href=\"([^\"]*)\">/i', ('x'):rep(1000000) .. '<a href=\"y\">')[1]", "\"y\"" },
	{ "local n = 0; for i = 1, 20000 do if pcre_match('^[a-z]+@[a-z.]+$', 'ann@example.org') then "
	    "n = n + 1 end end; return n", "20000" },
};

/* HSL: no match is an empty array; operators; literals. */
static const struct expression in_hsl[] = {
	{ "pcre_match(\"(a)(?<n>b)?\", \"ab\")", "[0=>\"ab\",1=>\"a\",2=>\"b\",\"n\"=>\"b\"]" },
	{ "[pcre_match(\"x\", \"ab\"), pcre_match_all(\"x\", \"ab\"), pcre_match(\"x\", none)]",
	    "[0=>[],1=>[],2=>nil]" },
	{ "if (pcre_match(\"b\", \"abc\")) return \"yes\"; else return \"no\";", "\"yes\"" },
	{ "if (pcre_match(\"x\", \"abc\")) return \"yes\"; else return \"no\";", "\"no\"" },
	{ "pcre_match_all(\"(.{1,16})\", \"aaaaaaaaaaaaaaaaaaaab\")[1]",
	    "[0=>\"aaaaaaaaaaaaaaaa\",1=>\"aaaab\"]" },
	{ "pcre_replace(\"(\\\\w)(\\\\w)\", \"$2$1\", \"abcd\")", "\"badc\"" },
	{ "pcre_replace(\"b\", function($m) { sleep(0.001); return $m[0] . count($m); }, \"abc\")",
	    "\"ab1c\"" },
	{ "[\"ABC\" =~ \"/b/i\", \"ABC\" =~ \"b\", \"ABC\" !~ \"b\", \"a/b\" =~ #/a\\/b/]",
	    "[0=>true,1=>false,2=>true,3=>true]" },
	{ "$p = pcre_compile(\"/B/i\"); return [\"abc\" =~ $p, is_string($p), pcre_match($p, \"abc\")];",
	    "[0=>true,1=>false,2=>[0=>\"b\"]]" },
	{ "\"a\" =~ \"(\"", "!pattern: missing closing parenthesis" },
	{ "pcre_split(\",\", \"a,b\")", "[0=>\"a\",1=>\"b\"]" },
};

HSL_CASE(in_hsl)
CASE(matches)
CASE(flags)
CASE(all)
CASE(replaces)
CASE(hostile)
CASE(honest)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches), cmocka_unit_test(test_flags),
		cmocka_unit_test(test_all), cmocka_unit_test(test_replaces),
		cmocka_unit_test(test_hostile), cmocka_unit_test(test_honest),
		cmocka_unit_test(test_in_hsl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
