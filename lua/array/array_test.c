/* Arrays: keys and order, callbacks that wait, raise or never end, caps. */
#include "../testing.h"

static const struct expression making[] = {
	{ "array(), array(1, 'a', {})", "{}, { 1, \"a\", {} }" },
	{ "count({}), count({ 1, 2, a = 3 }), count({ [5] = 1 })", "0, 3, 1" },
	{ "count('abc')", "!table expected" },
	{ "length('abc'), length({ 1, 2 }), length(nil), length(1), length(true)", "3, 2, nil, nil, nil" },
	{ "range(1, 3), range(3, 1, -1), range(1, 2, 0.5), range(1, 1), range(1, 0)",
	    "{ 1, 2, 3 }, { 3, 2, 1 }, { 1, 1.5, 2 }, { 1 }, {}" },
	{ "array_range(1, 3), array_range(3, 1, -1), array_range(1, 2, 0.5), array_range(1, 1)",
	    "{ 1, 2 }, { 3, 2 }, { 1, 1.5 }, {}" },
	{ "range(1, 3, 0)", "!the step is 0" },
	{ "range(1, 1e300)", "!is less than" },
	{ "array_combine({ 'a', 'b' }, { 1, 2 }), array_combine({ 'a', 'b' }, { 1 }, 0)",
	    "{ a = 1, b = 2 }, { a = 1, b = 0 }" },
	{ "array_combine({ 'a', 'b' }, { 1 }), array_combine({ 'a' }, { 1, 2 })", "{ a = 1 }, { a = 1 }" },
};

static const struct expression walking[] = {
	{ "array_map(function(v) return v * 2 end, { 1, 2 }), array_map(str_upper, { b = 'x', a = 'y' })",
	    "{ 2, 4 }, { a = \"Y\", b = \"X\" }" },
	{ "array_map(function(v) end, { 1 })", "!the callback gave nothing" },
	{ "array_map('f', { 1 })", "!function expected" },
	{ "array_map(str_upper)", "!table expected" },
	{ "array_map(error, { 'oops' })", "!oops" },
	{ "array_filter(function(v) return v % 2 == 1 end, { 1, 2, 3 })", "{ 1, 3 }" },
	{ "array_filter(function(v) return v > 1 end, { b = 2, a = 1, c = 3 })", "{ b = 2, c = 3 }" },
	{ "array_filter(function(v) return 0 end, { 1 }), array_filter(function() end, { 1 })",
	    "{ 1 }, {}" },
	{ "array_every(is_number, {}), array_every(is_number, { 1, 'a' })", "true, false" },
	{ "array_find(is_number, { 'a', 2, 3 }), array_find(is_number, { 'a' })", "2, nil" },
	{ "in_array('a', { 'a' }), in_array('a', {}), in_array('1', { 1 }), in_array(1.0, { 1 })",
	    "true, false, false, true" },
	{ "in_array(false, { false }), in_array(nil, { 1 })", "true, false" },
	{ "array_includes(is_number, { 'a', 1 }), array_includes(is_number, {})", "true, false" },
	{ "array_reduce(pow, { 2, 3, 2 }), array_reduce(pow, { 2 }), array_reduce(pow, {}, 5)",
	    "64, 2, 5" },
	{ "array_reduce(pow, {})", "!needs an initial value" },
	{ "array_reduce(function(a, v) return a .. v end, { b = 'x', a = 'y' }, '')", "\"yx\"" },
	/* They may wait. */
	{ "array_map(function(v) sleep(0.001) return v + 1 end, { 1, 2, 3 })", "{ 2, 3, 4 }" },
	{ "array_filter(function(v) sleep(0.001) return v > 1 end, { 1, 2, 3 })", "{ 2, 3 }" },
	{ "array_every(function(v) sleep(0.001) return v < 3 end, { 1, 2, 3 })", "false" },
	{ "array_find(function(v) sleep(0.001) return v > 1 end, { 1, 2, 3 })", "2" },
	{ "in_array(function(v) sleep(0.001) return v == 3 end, { 1, 2, 3 })", "true" },
	{ "array_reduce(function(a, v) sleep(0.001) return a + v end, { 1, 2, 3 })", "6" },
	/* What a callback does to the array. */
	{ "local t = { 1, 2, 3 }; return array_map(function(v) t[3] = nil return v end, t)", "{ 1, 2 }" },
	{ "local t = { a = 1 }; return array_map(function(v) for i = 1, 9 do t['x' .. i] = i end return v end, t)",
	    "{ a = 1 }" },
};

static const struct expression orders[] = {
	{ "local function less(a, b) return a < b end; return array_sort(less, { 3, 1, 2, 5, 4 })",
	    "{ 1, 2, 3, 4, 5 }" },
	{ "local function less(a, b) return a < b end; return array_sort(less, {}), array_sort(less, { 1 })",
	    "{}, { 1 }" },
	{ "local function less(a, b) return a < b end; return array_sort(less, { b = 1, a = 2, c = 0 })",
	    "{ c = 0, b = 1, a = 2 }" },
	{ "local function less(a, b) return a > b end; return array_sort(less, { b = 1, a = 2 }, { keys = true })",
	    "{ b = 1, a = 2 }" },
	{ "local t = { 1, 2 }; array_sort(function(a, b) return a > b end, t); return t", "{ 1, 2 }" },
	{ "local t = array_map(function(n) return rand(1, 50) end, range(1, 500)); "
	    "local s = array_sort(function(a, b) return a < b end, t); table.sort(t); "
	    "for i = 1, 500 do assert(s[i] == t[i]) end; return #s", "500" },
	{ "local t = array_map(function(n) return { n = n, k = n % 3 } end, range(1, 100)); "
	    "local s = array_sort(function(a, b) return a.k < b.k end, t); "
	    "for i = 2, 100 do assert(s[i - 1].k < s[i].k or s[i - 1].n < s[i].n) end; return 'stable'",
	    "\"stable\"" },
	{ "array_sort(function(a, b) sleep(0.001) return a < b end, { 3, 1, 2 })", "{ 1, 2, 3 }" },
	{ "#array_sort(function() return true end, range(1, 100))", "100" },
	{ "array_sort(function(a, b) return a < b end, { 1, 'a' })", "!attempt to compare" },
	{ "array_sort({ 1 }, {})", "!function expected" },
	{ "array_keys({ 'a', 'b' }), array_keys({ y = 1, x = 2 }), array_keys({})",
	    "{ 1, 2 }, { \"x\", \"y\" }, {}" },
	{ "array_reverse({ 1, 2, 3 }), array_reverse({ a = 1, b = 2 }), array_reverse({})",
	    "{ 3, 2, 1 }, { b = 2, a = 1 }, {}" },
	{ "array_unique({ 1, 2, 1, '1', 'a', 'a', true, true })", "{ 1, 2, \"1\", \"a\", true }" },
	{ "array_unique({ a = 1, b = 1, c = 2 })", "{ a = 1, c = 2 }" },
	{ "#array_unique({ 0 / 0, 0 / 0 })", "2" },
	{ "array_random({}), array_random({ 7 }), array_random({ a = 7 })", "nil, 7, 7" },
	{ "array_sort(function(a, b) return a < b end, array_shuffle(range(1, 20)))[20]", "20" },
	{ "array_shuffle({}), array_shuffle({ a = 1 })", "{}, { 1 }" },
};

static const struct expression hostile[] = {
	{ "range(1, 9007199254740992)", "!memory" },
	{ "array_range(0, 1, 1e-300)", "!memory" },
	{ "array_map(function() while true do end end, { 1 })", "!steps" },
	{ "array_sort(function(a, b) return a < b end, range(1, 300000))", "!steps" },
	{ "local t = range(1, 1000); for i = 1, 1000000 do in_array(0, t) end;", "!steps" },
	{ "local s = ('a'):rep(1000000); local t = array_map(function() return s end, range(1, 10000)); "
	    "return in_array(('a'):rep(999999) .. 'b', t)", "!steps" },
	{ "local t = {}; for i = 1, 3000 do t[i] = {} end; return #array_unique(t)", "!steps" },
	{ "local function f(v) return array_map(f, { v }) end; return f(1)", "!stack overflow" },
};

/* HSL: keys and order are kept, none is a value, numbers and texts are equal loosely. */
static const struct expression in_hsl[] = {
	{ "array_map(function($v) { return $v * 2; }, [1, 2, \"a\" => 3])", "[0=>2,1=>4,\"a\"=>6]" },
	{ "array_map(function($v) { }, [1, 2])", "[0=>nil,1=>nil]" },
	{ "array_map(function($v) { sleep(0.001); return $v; }, [\"x\" => 1])", "[\"x\"=>1]" },
	{ "array_filter(function($v) { return $v; }, [0, 1, \"\", \"0\", [], [1]])",
	    "[1=>1,3=>\"0\",5=>[0=>1]]" },
	{ "array_filter(is_number, [1, \"a\", 2])", "[0=>1,2=>2]" },
	{ "array_sort(function($a, $b) { return $a < $b; }, [3, 1, \"x\" => 2])", "[1=>1,\"x\"=>2,0=>3]" },
	{ "array_sort(function($a, $b) { return $a < $b; }, [\"b\" => 1, \"a\" => 2], [\"keys\" => true])",
	    "[\"a\"=>2,\"b\"=>1]" },
	{ "array_reverse([1, 2]) == [2, 1] and array_reverse([\"a\" => 1, 5]) === [0 => 5, \"a\" => 1]", "true" },
	{ "array_keys([\"a\" => 1, 5, 1.9 => 2])", "[0=>\"a\",1=>0,2=>1]" },
	{ "array_reduce(function($a, $b) { return $a . $b; }, [1, 2, 3], \"\")", "\"123\"" },
	{ "[in_array(\"1\", [1]), in_array([1], [[1]]), in_array(\"x\", []), in_array(true, [5])]",
	    "[0=>true,1=>true,2=>false,3=>false]" },
	{ "[count([1, 2]), length(\"abc\"), length([]), length(5)]", "[0=>2,1=>3,2=>0,3=>nil]" },
	{ "range(0, 2) == array_range(0, 3)", "true" },
	{ "array_combine([\"a\", 5], [1])", "[\"a\"=>1,5=>nil]" },
	{ "array(1, none)", "[0=>1,1=>nil]" },
	{ "$a = [3, 1]; $b = array_sort(function($x, $y) { return $x < $y; }, $a); return [$a, $b];",
	    "[0=>[0=>3,1=>1],1=>[1=>1,0=>3]]" },
	{ "[count(none), array_map(is_number, none), array_keys(none)]", "[0=>nil,1=>nil,2=>nil]" },
	{ "array_reduce(function($a, $b) { return $a; }, [])", "!needs an initial value" },
	{ "array_map(5, [1])", "!function expected" },
	{ "implode(\",\", [1, 0.1, \"a\"]) . array_join([1, 2])", "\"1,0.1,a12\"" },
	{ "implode(\",\", [none])", "!a none among the elements" },
	{ "explode(\",\", \"a,b,c\", -2)", "[0=>\"a,b\",1=>\"c\"]" },
	{ "explode(\" \", \"how are you\")[-1:][0] . str_split(\"a:b\", \":\")[1]", "\"youb\"" },
};

HSL_CASE(in_hsl)
CASE(making)
CASE(walking)
CASE(orders)
CASE(hostile)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_making), cmocka_unit_test(test_walking),
		cmocka_unit_test(test_orders), cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_in_hsl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
