/* Numbers, and what kind of value something is. */
#include <math.h>

#include "../../core/crypto/random.h"
#include "../../core/engine/doors.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"

#define MAX_EXACT	9007199254740992.0	/* integers up to it are doubles */
#define MAX_CHANCE	281474976710656.0	/* 2^48: differences are exact */

static double
any(lua_State *L, int arg)
{
	return sl_arg_number(L, arg, -HUGE_VAL, HUGE_VAL);
}

/* ---- arithmetic --------------------------------------------------------------------- */

/*lua
A number without its sign.

@param number number
@return number absolute

    assert(abs(-3) == 3)
*/
static int
number_abs(lua_State *L)
{
	sl_number(L, fabs(any(L, 1)));
	return 1;
}

/*lua
The smallest integer that isn't below a number.

@param number number
@return number integer

    assert(ceil(1.2) == 2 and ceil(-1.2) == -1)
*/
static int
number_ceil(lua_State *L)
{
	sl_number(L, ceil(any(L, 1)));
	return 1;
}

/*lua
The largest integer that isn't above a number.

@param number number
@return number integer

    assert(floor(1.8) == 1 and floor(-1.2) == -2)
*/
static int
number_floor(lua_State *L)
{
	sl_number(L, floor(any(L, 1)));
	return 1;
}

/*lua
A number rounded; halves go away from zero.

@param number number
@param decimals? number  places after the point; negative: before it (0)
@return number rounded

    assert(round(2.5) == 3 and round(-2.5) == -3)
    assert(round(3.14159, 2) == 3.14 and round(1234, -2) == 1200)
*/
static int
number_round(lua_State *L)
{
	double n = any(L, 1), places = trunc(sl_arg_opt_number(L, 2, -MAX_EXACT, MAX_EXACT, 0));
	double scale = pow(10, fabs(places)), scaled = places >= 0 ? n * scale : n / scale;

	/* Doubles beyond MAX_EXACT have no fraction to round. */
	if (places >= 0 && fabs(scaled) < MAX_EXACT)
		n = round(scaled) / scale;
	else if (places < 0)
		n = isfinite(scale) ? round(scaled) * scale : 0;
	sl_number(L, n);
	return 1;
}

/*lua
A logarithm.

@param number number
@param base? number  (e)
@return number logarithm

    assert(log(8, 2) == 3 and log(1) == 0)
*/
static int
number_log(lua_State *L)
{
	double n = any(L, 1), base = sl_arg_opt_number(L, 2, 0, HUGE_VAL, 0);

	if (!sl_arg_given(L, 2))
		n = log(n);
	else if (base == 2)
		n = log2(n);
	else if (base == 10)
		n = log10(n);
	else
		n = log(n) / log(base);
	sl_number(L, n);
	return 1;
}

/*lua
A power.

@param base number
@param exponent number
@return number power

    assert(pow(2, 10) == 1024)
*/
static int
number_pow(lua_State *L)
{
	sl_number(L, pow(any(L, 1), any(L, 2)));
	return 1;
}

/*lua
A square root.

@param number number
@return number root  of a negative number: not a number

    assert(sqrt(9) == 3)
*/
static int
number_sqrt(lua_State *L)
{
	sl_number(L, sqrt(any(L, 1)));
	return 1;
}

/* ---- chance ------------------------------------------------------------------------------ */

static int
push_integer_between(lua_State *L, double first, double last)
{
	uint64_t n;

	first = ceil(first);
	last = floor(last);
	if (first > last)
		return luaL_error(L, "there is no integer from %f to %f", first, last);
	if (sl_door_random_below(sl_run_tape(L), (uint64_t)(last - first) + 1, &n) != 0)
		return luaL_error(L, "no random bytes to be had");
	sl_number(L, first + (double)n);
	return 1;
}

/*lua
A random integer, each as likely as the others.

@param x number
@param y number       not below x
@return number integer  x and y included

    local n = rand(1, 6)
    assert(n >= 1 and n <= 6 and n == floor(n))
*/
static int
number_rand(lua_State *L)
{
	return push_integer_between(L, sl_arg_number(L, 1, -MAX_CHANCE, MAX_CHANCE),
	    sl_arg_number(L, 2, -MAX_CHANCE, MAX_CHANCE));
}

/*lua
A random number: without arguments a fraction from 0 to below 1, with one an integer from 0 to
it, with two an integer from the first to the last.

@param first? number
@param last? number
@return number number

    local n, fraction = random_number(10, 20), random_number()
    assert(n >= 10 and n <= 20 and fraction >= 0 and fraction < 1)
*/
static int
number_random(lua_State *L)
{
	double first;
	uint64_t n;

	if (sl_arg_given(L, 1)) {
		first = sl_arg_number(L, 1, -MAX_CHANCE, MAX_CHANCE);
		if (sl_arg_given(L, 2))
			return push_integer_between(L, first,
			    sl_arg_number(L, 2, -MAX_CHANCE, MAX_CHANCE));
		return push_integer_between(L, 0, first);
	}
	if (sl_door_random_below(sl_run_tape(L), (uint64_t)MAX_EXACT, &n) != 0)
		return luaL_error(L, "no random bytes to be had");
	sl_number(L, (double)n / MAX_EXACT);
	return 1;
}

/*lua
Random bytes, good enough for keys.

@param bytes number  at most 65536
@return string random

    assert(#random_bytes(16) == 16)
*/
static int
number_random_bytes(lua_State *L)
{
	size_t n = (size_t)sl_arg_number(L, 1, 0, 65536);
	luaL_Buffer out;
	char *p;

	sl_charge(L, n);
	p = luaL_buffinitsize(L, &out, n);
	if (n > 0 && sl_door_random(sl_run_tape(L), p, n) != 0)
		return luaL_error(L, "no random bytes to be had");
	luaL_pushresultsize(&out, n);
	return 1;
}

/* ---- kinds of values ------------------------------------------------------------------- */

/*lua
A value as a number: of a text the number at its front (decimal, or hexadecimal behind 0x), 0 if
there is none; true is 1, false and none are 0.

@param value any  no table and no function
@return number number

    assert(number("12.5") == 12.5 and number("0xff") == 255)
    assert(number("abc") == 0 and number(true) == 1)
*/
static int
number_number(lua_State *L)
{
	luaL_checkany(L, 1);
	if (lua_type(L, 1) > LUA_TSTRING)
		return sl_arg_error(L, 1, lua_pushfstring(L, "no number is in %s",
		    sl_type_name(L, 1)));
	sl_number(L, sl_to_number(L, 1));
	return 1;
}

/*lua
Whether HSL takes a value for true: not none, false, 0, the empty string, an empty table.

@param value any
@return boolean truth

    assert(boolean("0") and boolean({ 1 }))
    assert(not boolean("") and not boolean(0) and not boolean({}))
*/
static int
number_boolean(lua_State *L)
{
	luaL_checkany(L, 1);
	if (sl_is_plain(L, 1))
		sl_arg_table(L, 1);
	sl_bool(L, lua_istable(L, 1) ? sl_count(L, 1) > 0 : sl_truth(L, 1));
	return 1;
}

static int
is_a(lua_State *L, int type)
{
	luaL_checkany(L, 1);
	sl_bool(L, lua_type(L, 1) == type);
	return 1;
}

/*lua
Whether a value is a table: an array of HSL.

@param value any
@return boolean yes

    assert(is_array({}) and not is_array("a"))
*/
static int
number_is_array(lua_State *L)
{
	luaL_checkany(L, 1);
	sl_bool(L, (lua_istable(L, 1) && !sl_is_object(L, 1)) || sl_is_plain(L, 1));
	return 1;
}

/*lua
Whether a value is true or false.

@param value any
@return boolean yes

    assert(is_boolean(false) and not is_boolean(0))
*/
static int
number_is_boolean(lua_State *L)
{
	return is_a(L, LUA_TBOOLEAN);
}

/*lua
Whether a value is a function.

@param value any
@return boolean yes

    assert(is_function(is_function) and not is_function(nil))
*/
static int
number_is_function(lua_State *L)
{
	return is_a(L, LUA_TFUNCTION);
}

/*lua
Whether a value is a number.

@param value any
@return boolean yes

    assert(is_number(1.5) and not is_number("1.5"))
*/
static int
number_is_number(lua_State *L)
{
	return is_a(L, LUA_TNUMBER);
}

/*lua
Whether a value is a string.

@param value any
@return boolean yes

    assert(is_string("") and not is_string(1))
*/
static int
number_is_string(lua_State *L)
{
	return is_a(L, LUA_TSTRING);
}

const struct sl_builtin sl_module_number[] = {
	{ "abs", number_abs, SL_AT_ANY },
	{ "ceil", number_ceil, SL_AT_ANY },
	{ "floor", number_floor, SL_AT_ANY },
	{ "round", number_round, SL_AT_ANY },
	{ "log", number_log, SL_AT_ANY },
	{ "pow", number_pow, SL_AT_ANY },
	{ "sqrt", number_sqrt, SL_AT_ANY },
	{ "rand", number_rand, SL_AT_ANY | SL_IMPURE },
	{ "random_number", number_random, SL_AT_ANY | SL_IMPURE },
	{ "random_bytes", number_random_bytes, SL_AT_ANY | SL_IMPURE },
	{ "number", number_number, SL_AT_ANY },
	{ "boolean", number_boolean, SL_AT_ANY },
	{ "is_array", number_is_array, SL_AT_ANY },
	{ "is_boolean", number_is_boolean, SL_AT_ANY },
	{ "is_function", number_is_function, SL_AT_ANY },
	{ "is_number", number_is_number, SL_AT_ANY },
	{ "is_string", number_is_string, SL_AT_ANY },
	{ NULL, NULL, 0 },
};
