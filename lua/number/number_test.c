/* Numbers and kinds of values. */
#include "../testing.h"

static const struct expression arithmetic[] = {
	{ "abs(-1.5), abs(0)", "1.5, 0" },
	{ "ceil(-0.5), floor(-0.5), ceil(2), floor(2)", "0, -1, 2, 2" },
	{ "abs('1')", "!number expected" },
	{ "abs()", "!number expected" },
	{ "round(0.5), round(-0.5), round(1.4999)", "1, -1, 1" },
	{ "round(2.345, 2), round(-2.345, 2), round(1250, -2), round(1e300, 15)",
	    "2.35, -2.35, 1300, 1e+300" },
	{ "round(1.1, 16), round(0.1, 400), round(0, 400), round(-1, -400)", "1.1, 0.1, 0, 0" },
	{ "log(1), log(1000, 10), log(8, 2), log(9, 3)", "0, 3, 3, 2" },
	{ "log(1, -1)", "!is less than" },
	{ "pow(2, 0.5) == sqrt(2), pow(2, -1), sqrt(0)", "true, 0.5, 0" },
	{ "pow(10, 400), -pow(10, 400)", "inf, -inf" },
};

static const struct expression chance[] = {
	{ "for i = 1, 1000 do local n = rand(1, 3); assert(n == 1 or n == 2 or n == 3) end; return 'fine'",
	    "\"fine\"" },
	{ "local seen = {}; for i = 1, 1000 do seen[rand(-1, 1)] = true end; return seen[-1] and seen[0] and seen[1]",
	    "true" },
	{ "rand(5, 5), rand(1.2, 2.8), random_number(0)", "5, 2, 0" },
	{ "rand(2, 1)", "!there is no integer" },
	{ "rand(1.2, 1.8)", "!there is no integer" },
	{ "rand(1)", "!number expected" },
	{ "rand(0, 1e300)", "!is not between" },
	{ "random_bytes(0), #random_bytes(65536)", "\"\", 65536" },
	{ "random_bytes(65537)", "!is not between" },
	{ "random_bytes(16) == random_bytes(16)", "false" },
	{ "for i = 1, 1000 do local n = random_number(); assert(n >= 0 and n < 1) end; return 'fine'",
	    "\"fine\"" },
};

static const struct expression numbers[] = {
	{ "number('12'), number(' 12 '), number('-1.5'), number('+2'), number('.5'), number('1e3')",
	    "12, 12, -1.5, 2, 0.5, 1000" },
	{ "number('0x1F'), number('-0x10'), number('0xzz')", "31, -16, 0" },
	{ "number(''), number('abc'), number('12abc'), number('- 1'), number('inf'), number('nan')",
	    "0, 0, 12, 0, 0, 0" },
	{ "number(true), number(false), number(nil), number(1.5)", "1, 0, 0, 1.5" },
	{ "number({})", "!no number is in table" },
	{ "number()", "!value expected" },
	{ "number(('9'):rep(1000000)) > 1e60", "true" },
	{ "boolean(nil), boolean(false), boolean(0), boolean(''), boolean({})",
	    "false, false, false, false, false" },
	{ "boolean(-1), boolean('0'), boolean({ false }), boolean(boolean)",
	    "true, true, true, true" },
};

static const struct expression kinds[] = {
	{ "is_array({}), is_array('a'), is_array(nil)", "true, false, false" },
	{ "is_boolean(true), is_boolean(1)", "true, false" },
	{ "is_number(1), is_number('1'), is_number(true)", "true, false, false" },
	{ "is_string(''), is_string(1)", "true, false" },
	{ "is_function(function() end), is_function(is_function), is_function('f')",
	    "true, true, false" },
	{ "is_number()", "!value expected" },
};

/* HSL: conversions, objects, the names that Lua has for something else. */
static const struct expression in_hsl[] = {
	{ "[number(\"0x1f\") + 1, number(\"1.5\"), number(\"abc\"), number(true), number(none)]",
	    "[0=>32,1=>1.5,2=>0,3=>1,4=>0]" },
	{ "[string(5), string(0.1), string(10/2), string(true), string(none)]",
	    "[0=>\"5\",1=>\"0.1\",2=>\"5\",3=>\"true\",4=>\"\"]" },
	{ "string(12345)[-3:]", "\"345\"" },
	{ "string([])", "!array" },
	{ "[is_array([]), is_array(\"a\"), is_array(none), is_string(\"a\"), is_number(1), is_boolean(1 == 1), is_function(strlen)]",
	    "[0=>true,1=>false,2=>false,3=>true,4=>true,5=>true,6=>true]" },
	{ "class A { $x = 1; } $a = A(); return [is_object($a), is_array($a), is_object([]), is_object(none)];",
	    "[0=>true,1=>false,2=>false,3=>false]" },
	{ "[boolean([]), boolean([0]), boolean(\"0\"), boolean(none)]",
	    "[0=>false,1=>true,2=>true,3=>false]" },
	{ "[round(2.345, 2), ceil(1.2), floor(-1.2), abs(-3), sqrt(9), pow(2, 3)]",
	    "[0=>2.35,1=>2,2=>-2,3=>3,4=>3,5=>8]" },
	{ "rand(3, 3)", "3" },
};

HSL_CASE(in_hsl)
CASE(arithmetic)
CASE(chance)
CASE(numbers)
CASE(kinds)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_chance),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_in_hsl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
