/*
 * Arrays: HSL's ordered maps, Lua's tables. Nothing is changed in place. Keys are
 * kept as HSL keeps them; what comes of a list of Lua's (keys 1 to n) is one
 * again. Callbacks may wait: the walk stands on the stack, in fixed places.
 */
#include <math.h>
#include <string.h>

#include "../../core/crypto/random.h"
#include "../../core/engine/doors.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"

#define STEPS_PER_ELEMENT	4
#define MAX_NUMBER		9007199254740992.0

/* Places on the stack of what walks with a callback. */
enum { CALLBACK = 1, ARRAY, EXTRA, RESULT };

static bool
truth(lua_State *L, int index)
{
	return sl_is_hsl(L) ? sl_truth(L, index) : lua_toboolean(L, index);
}

/* Whether the result has its numbers anew: Lua's lists stay lists. */
static bool
is_lua_list(lua_State *L, int index)
{
	return !sl_is_hsl(L) && sl_is_list(L, index);
}

static void
new_like(lua_State *L, bool list)
{
	if (list)
		sl_list_new(L);
	else
		sl_map_new(L);
}

/* Adds the element whose key and value are at these places to the array at 'to'. */
static void
add_element(lua_State *L, int to, bool list, int key, int value)
{
	key = lua_absindex(L, key);
	value = lua_absindex(L, value);
	lua_pushvalue(L, to);
	if (!list)
		lua_pushvalue(L, key);
	lua_pushvalue(L, value);
	if (list)
		sl_list_add(L);
	else
		sl_map_set_key(L);
	lua_pop(L, 1);
}

/* ---- making, counting ---------------------------------------------------------------- */

/*lua
An array of values.

@param ... any
@return table array

    assert(array("a", "b")[2] == "b")
*/
static int
array_array(lua_State *L)
{
	int n = lua_gettop(L), i;

	sl_list_new(L);
	for (i = 1; i <= n; i++) {
		lua_pushvalue(L, i);
		sl_list_add(L);
	}
	return 1;
}

/*lua
How many elements an array has.

@param array table
@return number count

    assert(count({ "a", "b", c = 1 }) == 3)
*/
static int
array_count(lua_State *L)
{
	size_t n;

	sl_arg_table(L, 1);
	n = sl_count(L, 1);
	sl_charge(L, n / 4);
	sl_number(L, (double)n);
	return 1;
}

/*lua
The bytes of a string, the elements of an array.

@param value any
@return number? length  of other values: none

    assert(length("four") == 4 and length({ "a", "b" }) == 2)
*/
static int
array_length(lua_State *L)
{
	luaL_checkany(L, 1);
	if (lua_type(L, 1) == LUA_TSTRING)
		sl_number(L, (double)sl_arg_string(L, 1).n);
	else if (lua_istable(L, 1) || sl_is_plain(L, 1))
		return array_count(L);
	else
		sl_none(L);
	return 1;
}

static int
numbers(lua_State *L, double start, double step, double n)
{
	double i;

	sl_list_new(L);
	for (i = 0; i < n; i++) {
		sl_charge(L, STEPS_PER_ELEMENT);
		sl_number(L, start + i * step);
		sl_list_add(L);
	}
	return 1;
}

static double
step_arg(lua_State *L)
{
	double step = sl_arg_opt_number(L, 3, -MAX_NUMBER, MAX_NUMBER, 1);

	if (step == 0)
		sl_arg_error(L, 3, "the step is 0");
	return step;
}

/*lua
The numbers from one to another, both included. `array_range` leaves the last one out.

@param start number
@param stop number
@param step? number      may be negative (1)
@return number[] numbers  none if the step leads away

    assert(table.concat(range(1, 3), " ") == "1 2 3")
    assert(table.concat(range(3, 1, -1), " ") == "3 2 1")
*/
static int
array_range_both(lua_State *L)
{
	double start = sl_arg_number(L, 1, -MAX_NUMBER, MAX_NUMBER);
	double stop = sl_arg_number(L, 2, -MAX_NUMBER, MAX_NUMBER), step = step_arg(L);

	return numbers(L, start, step, floor((stop - start) / step) + 1);
}

/*lua
The numbers from one to another, which isn't included.

@param start number
@param stop number
@param step? number      may be negative (1)
@return number[] numbers  none if the step leads away

    assert(table.concat(array_range(0, 3), " ") == "0 1 2")
*/
static int
array_range_open(lua_State *L)
{
	double start = sl_arg_number(L, 1, -MAX_NUMBER, MAX_NUMBER);
	double stop = sl_arg_number(L, 2, -MAX_NUMBER, MAX_NUMBER), step = step_arg(L);

	return numbers(L, start, step, ceil((stop - start) / step));
}

/* ---- with a callback for each element ------------------------------------------------------ */

/*
 * What is done with the callback's result: key, value and result are on top.
 * False: the walk is over.
 */
typedef bool take_fn(lua_State *L);

static int
walk(lua_State *L, size_t i, take_fn *take, lua_KFunction again)
{
	while (sl_each(L, ARRAY, &i)) {
		sl_charge(L, STEPS_PER_ELEMENT);
		lua_pushvalue(L, CALLBACK);
		lua_pushvalue(L, -2);
		lua_callk(L, 1, 1, (lua_KContext)i, again);
		if (!take(L))
			break;
	}
	lua_settop(L, RESULT);
	return 1;
}

/* A callback that waited has its result now. */
static int
walk_on(lua_State *L, lua_KContext i, take_fn *take, lua_KFunction again)
{
	if (take(L))
		return walk(L, (size_t)i, take, again);
	lua_settop(L, RESULT);
	return 1;
}

static void
callback_and_array(lua_State *L)
{
	sl_arg_function(L, CALLBACK);
	sl_arg_table(L, ARRAY);
	lua_settop(L, ARRAY);
}

/* EXTRA says whether RESULT, an empty array, is a list. */
static void
make_result(lua_State *L)
{
	bool list = is_lua_list(L, ARRAY);

	sl_bool(L, list);
	new_like(L, list);
}

static bool
take_mapped(lua_State *L)
{
	if (lua_isnil(L, -1) && !sl_is_hsl(L))
		luaL_error(L, "the callback gave nothing for an element");
	add_element(L, RESULT, lua_toboolean(L, EXTRA), -3, -1);
	return true;
}

static int
map_on(lua_State *L, int status, lua_KContext i)
{
	(void)status;
	return walk_on(L, i, take_mapped, map_on);
}

/*lua
What a function makes of each element, under the same keys.

@param callback function  gets the value; may wait
@param array table
@return table array

    local twice = array_map(function(n) return 2 * n end, { 1, 2, a = 3 })
    assert(twice[2] == 4 and twice.a == 6)
*/
static int
array_map(lua_State *L)
{
	callback_and_array(L);
	make_result(L);
	return walk(L, 0, take_mapped, map_on);
}

static bool
take_filtered(lua_State *L)
{
	if (truth(L, -1))
		add_element(L, RESULT, lua_toboolean(L, EXTRA), -3, -2);
	return true;
}

static int
filter_on(lua_State *L, int status, lua_KContext i)
{
	(void)status;
	return walk_on(L, i, take_filtered, filter_on);
}

/*lua
The elements that a function says true of, under their keys; those of a list of Lua's become a list.

@param callback function  gets the value; may wait
@param array table
@return table array

    local large = array_filter(function(n) return n > 1 end, { 1, 2, 3 })
    assert(#large == 2 and large[1] == 2)
*/
static int
array_filter(lua_State *L)
{
	callback_and_array(L);
	make_result(L);
	return walk(L, 0, take_filtered, filter_on);
}

/* RESULT becomes 'value' when the callback's truth is 'when'; the walk ends. */
static bool
take_until(lua_State *L, bool when, int value)
{
	if (truth(L, -1) != when)
		return true;
	lua_pushvalue(L, value);
	lua_replace(L, RESULT);
	return false;
}

static bool
take_every(lua_State *L)
{
	sl_bool(L, false);
	lua_insert(L, -2);
	return take_until(L, false, -2);
}

static int
every_on(lua_State *L, int status, lua_KContext i)
{
	(void)status;
	return walk_on(L, i, take_every, every_on);
}

/*lua
Whether a function says true of each element.

@param callback function  gets the value; may wait
@param array table
@return boolean every     true of an empty array

    assert(array_every(is_number, { 1, 2 }) and not array_every(is_number, { 1, "2" }))
*/
static int
array_every(lua_State *L)
{
	callback_and_array(L);
	sl_none(L);
	sl_bool(L, true);
	return walk(L, 0, take_every, every_on);
}

static bool
take_found(lua_State *L)
{
	return take_until(L, true, -2);
}

static int
find_on(lua_State *L, int status, lua_KContext i)
{
	(void)status;
	return walk_on(L, i, take_found, find_on);
}

/*lua
The first element that a function says true of.

@param callback function  gets the value; may wait
@param array table
@return any? value

    assert(array_find(function(n) return n > 1 end, { 1, 2, 3 }) == 2)
*/
static int
array_find(lua_State *L)
{
	callback_and_array(L);
	sl_none(L);
	sl_none(L);
	return walk(L, 0, take_found, find_on);
}

static bool
take_includes(lua_State *L)
{
	sl_bool(L, true);
	lua_insert(L, -2);
	return take_until(L, true, -2);
}

static int
includes_on(lua_State *L, int status, lua_KContext i)
{
	(void)status;
	return walk_on(L, i, take_includes, includes_on);
}

static bool
has_equal(lua_State *L)
{
	uint64_t cost = STEPS_PER_ELEMENT;
	bool found = false;
	size_t i;

	if (lua_type(L, 1) == LUA_TSTRING)
		cost += sl_arg_string(L, 1).n / 16;
	for (i = 0; !found && sl_each(L, 2, &i);) {
		sl_charge(L, cost);
		found = sl_is_hsl(L) ? sl_equal(L, 1, -1) : sl_identical(L, 1, -1);
	}
	return found;
}

/*lua
Whether an array has an element: one that is equal (in HSL as `==` says), or of which a function
says true.

@param needle any      a function is asked, gets the value and may wait
@param array table
@return boolean yes

    assert(array_includes("b", { "a", "b" }) and not array_includes("1", { 1 }))
    assert(array_includes(function(n) return n > 1 end, { 1, 2 }))
*/
static int
array_includes(lua_State *L)
{
	luaL_checkany(L, 1);
	sl_arg_table(L, 2);
	lua_settop(L, 2);
	if (!lua_isfunction(L, 1)) {
		sl_bool(L, has_equal(L));
		return 1;
	}
	sl_none(L);
	sl_bool(L, false);
	return walk(L, 0, take_includes, includes_on);
}

/* ---- reduce ----------------------------------------------------------------------------- */

/* RESULT is what was gathered so far; EXTRA says whether it is there. */
static void
take_reduced(lua_State *L)
{
	lua_replace(L, RESULT);
}

static int reduce(lua_State *L, size_t i);

static int
reduce_on(lua_State *L, int status, lua_KContext i)
{
	(void)status;
	take_reduced(L);
	return reduce(L, (size_t)i);
}

static int
reduce(lua_State *L, size_t i)
{
	while (sl_each(L, ARRAY, &i)) {
		sl_charge(L, STEPS_PER_ELEMENT);
		if (!lua_toboolean(L, EXTRA)) {
			lua_replace(L, RESULT);
			sl_bool(L, true);
			lua_replace(L, EXTRA);
			continue;
		}
		lua_pushvalue(L, CALLBACK);
		lua_pushvalue(L, RESULT);
		lua_pushvalue(L, -3);
		lua_callk(L, 2, 1, (lua_KContext)i, reduce_on);
		take_reduced(L);
	}
	if (!lua_toboolean(L, EXTRA))
		return luaL_error(L, "an array without elements needs an initial value");
	lua_settop(L, RESULT);
	return 1;
}

/*lua
One value of all elements: the function gets what was made so far and the next element.

@param callback function  may wait
@param array table
@param initial? any       what is there at first (the first element)
@return any result

    assert(array_reduce(function(sum, n) return sum + n end, { 1, 2, 3 }) == 6)
    assert(array_reduce(function(sum, n) return sum + n end, {}, 0) == 0)
*/
static int
array_reduce(lua_State *L)
{
	bool given = lua_gettop(L) > 2;

	sl_arg_function(L, CALLBACK);
	sl_arg_table(L, ARRAY);
	lua_settop(L, 3);
	sl_bool(L, given);
	lua_insert(L, EXTRA);
	return reduce(L, 0);
}

/* ---- sort ------------------------------------------------------------------------------- */

enum { KEYS = 4, VALUES, SORT };	/* behind callback, array, options */

/*
 * Merge sort, stable, and with the same comparisons in every process; it stops
 * at each comparison, for the callback may wait. What moves are places.
 */
struct sort {
	bool by_key, list;
	size_t n, width, left, i, j, k;		/* i and j: heads of the two runs, k: where to */
	size_t from, to;			/* which half of 'places' */
	size_t places[];
};

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void
begin_merge(struct sort *s, size_t left)
{
	s->left = s->i = s->k = left;
	s->j = smaller(left + s->width, s->n);
}

static void
take_place(struct sort *s, bool right)
{
	s->places[s->to + s->k++] = s->places[s->from + (right ? s->j++ : s->i++)];
}

/* Goes on to the next comparison; false: it is sorted. */
static bool
advance(struct sort *s)
{
	size_t middle, end;

	while (s->width < s->n) {
		middle = smaller(s->left + s->width, s->n);
		end = smaller(middle + s->width, s->n);
		for (; s->k < end; take_place(s, s->i >= middle))
			if (s->i < middle && s->j < end)
				return true;
		if (end == s->n) {
			s->width *= 2;
			s->from = s->n - s->from;
			s->to = s->n - s->to;
			end = 0;
		}
		begin_merge(s, end);
	}
	return false;
}

static struct sort *
sort_of(lua_State *L)
{
	return lua_touserdata(L, SORT);
}

static void
push_sorted(lua_State *L, const struct sort *s)
{
	size_t i, at;

	new_like(L, s->list);
	for (i = 0; i < s->n; i++) {
		at = s->places[s->from + i] + 1;
		sl_charge(L, STEPS_PER_ELEMENT);
		sl_list_get(L, KEYS, at);
		sl_list_get(L, VALUES, at);
		add_element(L, SORT + 1, s->list, -2, -1);
		lua_settop(L, SORT + 1);
	}
}

static int sort(lua_State *L);

static int
sort_on(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	(void)ctx;
	take_place(sort_of(L), truth(L, -1));
	return sort(L);
}

static int
sort(lua_State *L)
{
	struct sort *s = sort_of(L);
	int compared = s->by_key ? KEYS : VALUES;

	lua_settop(L, SORT);
	while (advance(s)) {
		sl_charge(L, STEPS_PER_ELEMENT);
		lua_pushvalue(L, CALLBACK);
		sl_list_get(L, compared, s->places[s->from + s->j] + 1);
		sl_list_get(L, compared, s->places[s->from + s->i] + 1);
		lua_callk(L, 2, 1, 0, sort_on);
		take_place(s, truth(L, -1));
		lua_settop(L, SORT);
	}
	push_sorted(L, s);
	return 1;
}

/* Pushes the lists of the keys and of the values of the array at 'index'. */
static void
push_lists(lua_State *L, int index)
{
	int keys = lua_gettop(L) + 1;
	size_t i;

	sl_list_new(L);
	sl_list_new(L);
	for (i = 0; sl_each(L, index, &i);) {
		sl_charge(L, STEPS_PER_ELEMENT);
		add_element(L, keys, true, -2, -2);
		add_element(L, keys + 1, true, -1, -1);
	}
}

static void
push_sort(lua_State *L, bool by_key)
{
	size_t n = sl_count(L, VALUES), i;
	struct sort *s = lua_newuserdatauv(L, sizeof(*s) + 2 * n * sizeof(s->places[0]), 0);

	memset(s, 0, sizeof(*s));
	s->by_key = by_key;
	s->list = is_lua_list(L, ARRAY);
	s->n = s->to = n;
	s->width = 1;
	for (i = 0; i < n; i++)
		s->places[i] = i;
	begin_merge(s, 0);
}

/*lua
An array in order: the function gets two values and says whether the first belongs in front.
What is equal stays in its order. Keys stay with their values; a list of Lua's stays a list.

@param callback function  may wait
@param array table
@param options? table     keys (it gets two keys instead, false)
@return table array

    local function less(a, b) return a < b end
    assert(table.concat(array_sort(less, { 3, 1, 2 }), " ") == "1 2 3")
    local names = {}
    for name in pairs(array_sort(less, { a = 2, b = 1 })) do names[#names + 1] = name end
    assert(table.concat(names, " ") == "b a")
*/
static int
array_sort(lua_State *L)
{
	static const char *const names[] = { "keys", NULL };
	bool by_key;

	sl_arg_function(L, CALLBACK);
	sl_arg_table(L, ARRAY);
	lua_settop(L, 3);
	sl_options(L, 3, names);
	by_key = sl_opt_bool(L, 3, "keys", false);
	push_lists(L, ARRAY);
	push_sort(L, by_key);
	return sort(L);
}

/* ---- other orders, parts ------------------------------------------------------------------- */

/*lua
The keys of an array, in order.

@param array table
@return table keys

    assert(array_keys({ a = 1, b = 2 })[2] == "b")
*/
static int
array_keys(lua_State *L)
{
	sl_arg_table(L, 1);
	lua_settop(L, 1);
	push_lists(L, 1);
	lua_pop(L, 1);
	return 1;
}

/*lua
An array with its last element first. Keys stay with their values, but those of a list are numbered
anew.

@param array table
@return table array

    assert(table.concat(array_reverse({ "a", "b" }), " ") == "b a")
*/
static int
array_reverse(lua_State *L)
{
	bool list;
	size_t n;

	sl_arg_table(L, 1);
	lua_settop(L, 1);
	list = sl_is_list(L, 1);
	push_lists(L, 1);
	new_like(L, list);
	for (n = sl_count(L, 3); n > 0; n--) {
		sl_charge(L, STEPS_PER_ELEMENT);
		sl_list_get(L, 2, n);
		sl_list_get(L, 3, n);
		add_element(L, 4, list, -2, -1);
		lua_settop(L, 4);
	}
	return 1;
}

/* What has a place in the table of the seen: what is equal has the same one. */
static bool
is_seen(lua_State *L, int seen)
{
	bool yes;

	if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) != lua_tonumber(L, -1))
		return false;		/* nothing is equal to it */
	lua_pushvalue(L, -1);
	yes = lua_rawget(L, seen) != LUA_TNIL;
	lua_pop(L, 1);
	if (!yes) {
		lua_pushvalue(L, -1);
		lua_pushboolean(L, true);
		lua_rawset(L, seen);
	}
	return yes;
}

/* Arrays are compared with each that was kept. */
static bool
is_kept(lua_State *L, int kept)
{
	int value = lua_gettop(L);
	bool found = false;
	size_t i;

	for (i = 0; !found && sl_each(L, kept, &i);) {
		sl_charge(L, STEPS_PER_ELEMENT);
		found = lua_istable(L, -1) && sl_identical(L, value, -1);
	}
	lua_settop(L, value);
	return found;
}

/*lua
An array without the elements that were there before, under the keys of the first ones; a list of
Lua's stays a list. `1` and `"1"` are different.

@param array table
@return table array

    assert(table.concat(array_unique({ "a", "b", "a" }), " ") == "a b")
*/
static int
array_unique(lua_State *L)
{
	bool list, known, none = false;
	size_t i;

	sl_arg_table(L, 1);
	lua_settop(L, 1);
	list = is_lua_list(L, 1);
	lua_newtable(L);		/* the seen; no script's */
	new_like(L, list);
	for (i = 0; sl_each(L, 1, &i);) {
		sl_charge(L, STEPS_PER_ELEMENT);
		if (lua_isnil(L, -1)) {
			known = none;
			none = true;
		} else {
			known = lua_istable(L, -1) ? is_kept(L, 3) : is_seen(L, 2);
		}
		if (!known)
			add_element(L, 3, list, -2, -1);
	}
	return 1;
}

/*lua
An array of a list of keys and a list of values.

@param keys table
@param values table
@param default_value? any  for keys without a value (none)
@return table array

    local ports = array_combine({ "smtp", "submission" }, { 25, 587 })
    assert(ports.submission == 587)
*/
static int
array_combine(lua_State *L)
{
	size_t i, n = 0, values;

	sl_arg_table(L, 1);
	sl_arg_table(L, 2);
	lua_settop(L, 3);
	push_lists(L, 2);
	lua_remove(L, 4);
	values = sl_count(L, 4);
	sl_map_new(L);
	for (i = 0; sl_each(L, 1, &i);) {
		sl_charge(L, STEPS_PER_ELEMENT);
		if (++n <= values)
			sl_list_get(L, 4, n);
		else
			lua_pushvalue(L, 3);
		add_element(L, 5, false, -2, -1);
		lua_pop(L, 1);
	}
	return 1;
}

/* ---- chance ------------------------------------------------------------------------------- */

static size_t
below(lua_State *L, size_t n)
{
	uint64_t r;

	if (sl_door_random_below(sl_run_tape(L), n, &r) != 0)
		luaL_error(L, "no random bytes to be had");
	return (size_t)r;
}

/*lua
One of the elements, each as likely as the others.

@param array table
@return any? value  none if it has no elements

    local server = array_random({ "mx1", "mx2" })
    assert(server == "mx1" or server == "mx2")
*/
static int
array_random(lua_State *L)
{
	size_t n;

	sl_arg_table(L, 1);
	lua_settop(L, 1);
	n = sl_count(L, 1);
	if (n == 0) {
		sl_none(L);
		return 1;
	}
	push_lists(L, 1);
	sl_list_get(L, 3, below(L, n) + 1);
	return 1;
}

/*lua
The elements as a list in a random order.

@param array table
@return table list

    assert(#array_shuffle({ 1, 2, 3 }) == 3)
*/
static int
array_shuffle(lua_State *L)
{
	size_t n, i, j, at, *places;

	sl_arg_table(L, 1);
	lua_settop(L, 1);
	n = sl_count(L, 1);
	push_lists(L, 1);
	places = lua_newuserdatauv(L, (n + 1) * sizeof(*places), 0);
	sl_list_new(L);
	for (i = 0; i < n; i++)
		places[i] = i;
	for (i = 0; i < n; i++) {
		sl_charge(L, 2 * STEPS_PER_ELEMENT);
		j = i + below(L, n - i);
		at = places[j];
		places[j] = places[i];
		sl_list_get(L, 3, at + 1);
		sl_list_add(L);
	}
	return 1;
}

const struct sl_builtin sl_module_array[] = {
	{ "array", array_array, SL_AT_ANY },
	{ "count", array_count, SL_AT_ANY },
	{ "length", array_length, SL_AT_ANY },
	{ "range", array_range_both, SL_AT_ANY },
	{ "array_range", array_range_open, SL_AT_ANY },
	{ "array_map", array_map, SL_AT_ANY },
	{ "array_filter", array_filter, SL_AT_ANY },
	{ "array_every", array_every, SL_AT_ANY | SL_YES_NO },
	{ "array_find", array_find, SL_AT_ANY },
	{ "array_includes", array_includes, SL_AT_ANY | SL_YES_NO },
	{ "in_array", array_includes, SL_AT_ANY | SL_YES_NO },
	{ "array_reduce", array_reduce, SL_AT_ANY },
	{ "array_sort", array_sort, SL_AT_ANY },
	{ "array_keys", array_keys, SL_AT_ANY },
	{ "array_reverse", array_reverse, SL_AT_ANY },
	{ "array_unique", array_unique, SL_AT_ANY },
	{ "array_combine", array_combine, SL_AT_ANY },
	{ "array_random", array_random, SL_AT_ANY | SL_IMPURE },
	{ "array_shuffle", array_shuffle, SL_AT_ANY | SL_IMPURE },
	{ NULL, NULL, 0 },
};
