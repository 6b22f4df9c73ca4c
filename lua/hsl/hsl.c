/* What is only HSL's: Lua has these names for something else, or doesn't have the thing. */
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"

/*lua
A value as a string, in HSL (in Lua `string` is the library; `tostring` does this): numbers in their
shortest form that reads back, true and false as words, none as the empty string.

@param value any  no array and no function
@return string text

    if (string(5) != "5" or string(0.50)[-1:] != "5") throw "not so";
*/
static int
hsl_string(lua_State *L)
{
	luaL_checkany(L, 1);
	if (lua_isnil(L, 1))
		sl_string(L, SL_STR(""));
	else
		sl_to_string(L, 1);
	return 1;
}

/*lua
Whether a value is an object: what calling a class of HSL gave, MIME(), or what `catch` got of an error.

@param value any
@return boolean yes

    class Point { $x = 0; }
    if (!is_object(Point()) or is_object(["x" => 0])) throw "not so";
*/
static int
hsl_is_object(lua_State *L)
{
	luaL_checkany(L, 1);
	sl_bool(L, sl_is_object(L, 1) || (lua_type(L, 1) == LUA_TUSERDATA && !sl_is_plain(L, 1) &&
	    luaL_testudata(L, 1, "sluice.regex") == NULL));
	return 1;
}

/*lua
What `catch` gets of an error, made by a script for `throw`: it has `message()`, `file()`, `line()`, `column()`
and `toString()`, of the place where it was made.

@param message string
@return object exception

    try { throw Exception("No answer"); } catch ($e) { if ($e->message() != "No answer") throw "not so"; }
*/
static int
hsl_exception(lua_State *L)
{
	sl_hsl_exception(L, sl_arg_string(L, 1));
	return 1;
}

const struct sl_builtin sl_module_hsl[] = {
	{ "Exception", hsl_exception, SL_AT_ANY | SL_HSL },
	{ "is_object", hsl_is_object, SL_AT_ANY | SL_HSL },
	{ "string", hsl_string, SL_AT_ANY | SL_HSL },
	{ NULL, NULL, 0 },
};
