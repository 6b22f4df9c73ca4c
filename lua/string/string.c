/*
 * Strings, as HSL names them: bytes, offsets from 0, -1 for what isn't found.
 * Upper and lower case are ASCII's. What is made is measured first, charged,
 * and then made in the run's own memory.
 */
#include <string.h>

#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"

#define BYTES_PER_STEP	8
#define STEPS_PER_PIECE	4	/* an element of a list that is made */
#define MAX_LENGTH	2147483647.0

static const char blanks[] = " \t\n\v\f\r";

static void
charge_bytes(lua_State *L, size_t n)
{
	sl_charge(L, n / BYTES_PER_STEP);
}

/* A buffer of Lua's for 'n' bytes: the run's account is asked before they exist. */
static char *
room(lua_State *L, luaL_Buffer *out, double n)
{
	if (n > MAX_LENGTH)
		luaL_error(L, "a string of %f bytes is too long", n);
	charge_bytes(L, (size_t)n);
	return luaL_buffinitsize(L, out, (size_t)n);
}

/* ---- one byte, many bytes --------------------------------------------------- */

/*lua
The byte of a number.

@param number number  0 to 255
@return string byte

    assert(chr(65) == "A")
*/
static int
string_chr(lua_State *L)
{
	char c = (char)(unsigned char)sl_arg_number(L, 1, 0, 255);

	sl_string(L, (struct sl_str){ &c, 1 });
	return 1;
}

/*lua
The number of a string's first byte.

@param character string  not empty
@return number number    0 to 255

    assert(ord("A") == 65)
*/
static int
string_ord(lua_State *L)
{
	struct sl_str s = sl_arg_string(L, 1);

	if (s.n == 0)
		return sl_arg_error(L, 1, "the string is empty");
	sl_number(L, (unsigned char)s.p[0]);
	return 1;
}

/*lua
The number of bytes of a string.

@param string string
@return number bytes

    assert(strlen("four") == 4)
*/
static int
string_strlen(lua_State *L)
{
	sl_number(L, (double)sl_arg_string(L, 1).n);
	return 1;
}

/*lua
A string, many times over.

@param string string
@param multiplier number  0 gives the empty string
@return string repeated

    assert(str_repeat("-=", 3) == "-=-=-=")
*/
static int
string_repeat(lua_State *L)
{
	struct sl_str s = sl_arg_string(L, 1);
	size_t n = (size_t)sl_arg_number(L, 2, 0, MAX_LENGTH), i;
	luaL_Buffer out;
	char *p = room(L, &out, (double)s.n * (double)n);

	for (i = 0; i < n && s.n > 0; i++)
		memcpy(p + i * s.n, s.p, s.n);
	luaL_pushresultsize(&out, s.n * n);
	return 1;
}

/* ---- case --------------------------------------------------------------------- */

static int
mapped(lua_State *L, char (*map)(char))
{
	struct sl_str s = sl_arg_string(L, 1);
	luaL_Buffer out;
	char *p = room(L, &out, (double)s.n);
	size_t i;

	for (i = 0; i < s.n; i++)
		p[i] = map(s.p[i]);
	luaL_pushresultsize(&out, s.n);
	return 1;
}

static char
upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/*lua
A string in lower case (ASCII; other bytes stay).

@param string string
@return string lower

    assert(str_lower("Ann@EXAMPLE.org") == "ann@example.org")
*/
static int
string_lower(lua_State *L)
{
	return mapped(L, sl_lower);
}

/*lua
A string in upper case (ASCII; other bytes stay).

@param string string
@return string upper

    assert(str_upper("mx1") == "MX1")
*/
static int
string_upper(lua_State *L)
{
	return mapped(L, upper);
}

/* ---- finding -------------------------------------------------------------------- */

/* The offset of the first (or last) 'needle' at 'from' or behind it; -1. */
static ssize_t
find(struct sl_str s, struct sl_str needle, size_t from, bool last)
{
	const char *hit;
	size_t i;

	if (from > s.n || needle.n > s.n - from)
		return -1;
	if (needle.n == 0)
		return (ssize_t)(last ? s.n : from);
	if (!last) {
		hit = memmem(s.p + from, s.n - from, needle.p, needle.n);
		return hit != NULL ? hit - s.p : -1;
	}
	for (i = s.n - needle.n + 1; i-- > from;)
		if (s.p[i] == needle.p[0] && memcmp(s.p + i, needle.p, needle.n) == 0)
			return (ssize_t)i;
	return -1;
}

static int
position(lua_State *L, bool last)
{
	struct sl_str s = sl_arg_string(L, 1), needle = sl_arg_string(L, 2);
	size_t from = (size_t)sl_arg_opt_number(L, 3, 0, MAX_LENGTH, 0);

	/* Backwards it is tried at each byte. */
	charge_bytes(L, s.n);
	if (last && needle.n > 0 && needle.n <= s.n)
		sl_charge(L, (uint64_t)needle.n * (s.n - needle.n + 1) / 64);
	sl_number(L, (double)find(s, needle, from, last));
	return 1;
}

/*lua
Where a string begins in another, counted from 0.

@param string string
@param substring string
@param offset? number    where to begin to look (0)
@return number offset    -1: it isn't there

    assert(str_find("ann@example.org", "@") == 3)
    assert(str_find("ann@example.org", "a", 1) == 6)
    assert(str_find("ann", "@") == -1)
*/
static int
string_find(lua_State *L)
{
	return position(L, false);
}

/*lua
Where a string begins in another for the last time, counted from 0.

@param string string
@param substring string
@param offset? number    what begins before it doesn't count (0)
@return number offset    -1: it isn't there

    assert(str_rfind("www.example.org", ".") == 11)
    assert(str_rfind("example", ".") == -1)
*/
static int
string_rfind(lua_State *L)
{
	return position(L, true);
}

/* ---- cutting --------------------------------------------------------------------- */

/* A place counted from the front, or if negative from the end. */
static double
place(double at, size_t n)
{
	if (at < 0)
		at += (double)n;
	return at < 0 ? 0 : at > (double)n ? (double)n : at;
}

/*lua
A part of a string.

@param string string
@param offset? number   of its first byte, from 0; negative: from the end (0)
@param length? number   in bytes; negative: so many bytes are left out at the end (to the end)
@return string part     empty if there is nothing there

    assert(str_slice("example.org", 8) == "org")
    assert(str_slice("example.org", 0, 7) == "example")
    assert(str_slice("example.org", -3, 2) == "or")
*/
static int
string_slice(lua_State *L)
{
	struct sl_str s = sl_arg_string(L, 1);
	double from = place(sl_arg_opt_number(L, 2, -MAX_LENGTH, MAX_LENGTH, 0), s.n);
	double length = sl_arg_opt_number(L, 3, -MAX_LENGTH, MAX_LENGTH, MAX_LENGTH);
	double to = length < 0 ? (double)s.n + length : from + length;

	s = to <= from ? SL_STR("") : sl_str_sub(s, (size_t)from, (size_t)to);
	charge_bytes(L, s.n);
	sl_string(L, s);
	return 1;
}

static int
strip(lua_State *L, bool left, bool right)
{
	struct sl_str s = sl_arg_string(L, 1), set = sl_arg_opt_string(L, 2, blanks);

	charge_bytes(L, s.n + s.n * set.n / 8);
	while (left && s.n > 0 && memchr(set.p, s.p[0], set.n) != NULL)
		s = sl_str_sub(s, 1, s.n);
	while (right && s.n > 0 && memchr(set.p, s.p[s.n - 1], set.n) != NULL)
		s.n--;
	sl_string(L, s);
	return 1;
}

/*lua
A string without the blanks at its ends (space, tab, line ends, form feed).

@param string string
@param characters? string  the bytes to take off instead
@return string stripped

    assert(str_strip("  a b \r\n") == "a b")
    assert(str_strip("<ann@example.org>", "<>") == "ann@example.org")
*/
static int
string_strip(lua_State *L)
{
	return strip(L, true, true);
}

/*lua
A string without the blanks at its front.

@param string string
@param characters? string  the bytes to take off instead
@return string stripped

    assert(str_lstrip("  a ") == "a ")
*/
static int
string_lstrip(lua_State *L)
{
	return strip(L, true, false);
}

/*lua
A string without the blanks at its end.

@param string string
@param characters? string  the bytes to take off instead
@return string stripped

    assert(str_rstrip("example.org.", ".") == "example.org")
*/
static int
string_rstrip(lua_State *L)
{
	return strip(L, false, true);
}

/* ---- replacing -------------------------------------------------------------------- */

static size_t
occurrences(struct sl_str s, struct sl_str needle)
{
	size_t n = 0;
	ssize_t at;

	for (at = 0; (at = find(s, needle, (size_t)at, false)) >= 0; at += (ssize_t)needle.n)
		n++;
	return n;
}

/*lua
A string with each occurrence of a text replaced, from the front; what was put in isn't looked
at again. An empty text occurs nowhere.

@param search string
@param replace string
@param subject string
@return string replaced

    assert(str_replace("a", "bb", "banana") == "bbbnbbnbb")
*/
static int
string_replace(lua_State *L)
{
	struct sl_str search = sl_arg_string(L, 1), replace = sl_arg_string(L, 2);
	struct sl_str s = sl_arg_string(L, 3);
	size_t n, from = 0, made = 0;
	luaL_Buffer out;
	ssize_t at;
	char *p;

	charge_bytes(L, s.n);
	n = search.n > 0 ? occurrences(s, search) : 0;
	sl_charge(L, n);
	p = room(L, &out, (double)s.n - (double)n * (double)search.n + (double)n * (double)replace.n);
	while (n-- > 0) {
		at = find(s, search, from, false);
		memcpy(p + made, s.p + from, (size_t)at - from);
		made += (size_t)at - from;
		if (replace.n > 0)
			memcpy(p + made, replace.p, replace.n);
		made += replace.n;
		from = (size_t)at + search.n;
	}
	memcpy(p + made, s.p + from, s.n - from);
	luaL_pushresultsize(&out, made + s.n - from);
	return 1;
}

/* ---- lists of pieces ---------------------------------------------------------------- */

static void
add_piece(lua_State *L, struct sl_str piece)
{
	sl_charge(L, STEPS_PER_PIECE);
	sl_string(L, piece);
	sl_list_add(L);
}

/* What a limit from the right leaves together: the first pieces. */
static size_t
head_pieces(struct sl_str s, struct sl_str delimiter, double limit)
{
	double n = (double)occurrences(s, delimiter) + 1;

	return n > -limit ? (size_t)(n + limit) + 1 : 1;
}

/* 'together' pieces at the front are one; at most 'most' pieces. */
static void
push_pieces(lua_State *L, struct sl_str s, struct sl_str delimiter, size_t together, double most)
{
	size_t from = 0, behind = 0;
	double n = 1;
	ssize_t at;

	sl_list_new(L);
	while (n < most && (at = find(s, delimiter, behind, false)) >= 0) {
		behind = (size_t)at + delimiter.n;
		if (--together > 0)
			continue;
		together = 1;
		add_piece(L, sl_str_sub(s, from, (size_t)at));
		from = behind;
		n++;
	}
	add_piece(L, sl_str_sub(s, from, s.n));
}

static int
split(lua_State *L, int string, int delimiter)
{
	struct sl_str s = sl_arg_string(L, string), at = sl_arg_string(L, delimiter);
	double limit = sl_arg_opt_number(L, 3, -MAX_LENGTH, MAX_LENGTH, 0);
	size_t together = 1;

	if (at.n == 0)
		return sl_arg_error(L, delimiter, "the delimiter is empty");
	charge_bytes(L, s.n);
	if (limit < 0)
		together = head_pieces(s, at, limit);
	push_pieces(L, s, at, together, limit > 0 ? limit : MAX_LENGTH);
	return 1;
}

/*lua
The pieces of a string between delimiters. `str_split` is the same with the string first.

@param delimiter string  not empty
@param string string     an empty one has one piece, which is empty
@param limit? number     at most so many pieces, the last one whole; negative: the first one whole (0: all)
@return string[] pieces

    assert(#explode(",", "a,b,c") == 3)
    assert(explode(" ", "how are you", 2)[2] == "are you")
    assert(explode(" ", "how are you", -2)[1] == "how are")
*/
static int
string_explode(lua_State *L)
{
	return split(L, 2, 1);
}

/*lua
The pieces of a string between delimiters.

@param string string     an empty one has one piece, which is empty
@param delimiter string  not empty
@param limit? number     at most so many pieces, the last one whole; negative: the first one whole (0: all)
@return string[] pieces

    assert(str_split("ann@example.org", "@")[2] == "example.org")
*/
static int
string_split(lua_State *L)
{
	return split(L, 1, 2);
}

/*lua
A string in pieces of equal length; the last one may be shorter.

@param string string
@param length number        bytes of a piece, at least 1
@param firstlength? number  bytes of the first piece (length)
@return string[] pieces     of the empty string: none

    assert(table.concat(str_chunk("abcdefg", 3), " ") == "abc def g")
    assert(table.concat(str_chunk("abcdefg", 3, 1), " ") == "a bcd efg")
*/
static int
string_chunk(lua_State *L)
{
	struct sl_str s = sl_arg_string(L, 1);
	double length = sl_arg_number(L, 2, 1, MAX_LENGTH);
	double first = sl_arg_opt_number(L, 3, 1, MAX_LENGTH, length);
	size_t n = (size_t)first;

	charge_bytes(L, s.n);
	sl_list_new(L);
	while (s.n > 0) {
		add_piece(L, sl_str_sub(s, 0, n));
		s = sl_str_sub(s, n, s.n);
		n = (size_t)length;
	}
	return 1;
}

/* The text of the value on top, a string or number, in HSL what '.' joins; raises for others. */
static struct sl_str
element(lua_State *L, int list)
{
	struct sl_str s;
	int type = lua_type(L, -1);

	if (type != LUA_TSTRING && type != LUA_TNUMBER && !(type == LUA_TBOOLEAN && sl_is_hsl(L)))
		sl_arg_error(L, list, lua_pushfstring(L, "a %s among the elements can't be joined",
		    sl_type_name(L, -1)));
	if (type != LUA_TSTRING && sl_is_hsl(L)) {
		sl_to_string(L, -1);
		lua_replace(L, -2);
	}
	s.p = lua_tolstring(L, -1, &s.n);
	return s;
}

/* Bytes of the joined elements. */
static double
joined_size(lua_State *L, int list, struct sl_str glue)
{
	double size = 0;
	size_t i, n = 0;

	for (i = 0; sl_each(L, list, &i);) {
		sl_charge(L, STEPS_PER_PIECE);
		size += (double)element(L, list).n + (double)(n++ > 0 ? glue.n : 0);
	}
	return size;
}

static int
join(lua_State *L, int list, struct sl_str glue)
{
	size_t i, n = 0, made = 0;
	struct sl_str piece;
	luaL_Buffer out;
	char *p;

	sl_arg_table(L, list);
	p = room(L, &out, joined_size(L, list, glue));
	for (i = 0; sl_each(L, list, &i); made += piece.n) {
		if (n++ > 0) {
			memcpy(p + made, glue.p, glue.n);
			made += glue.n;
		}
		piece = element(L, list);
		memcpy(p + made, piece.p, piece.n);
	}
	luaL_pushresultsize(&out, made);
	return 1;
}

/*lua
The elements of a list as one string. `array_join` is the same with the list first.

@param glue string    stands between them
@param array table    strings and numbers
@return string joined

    assert(implode(", ", { "a", "b", 3 }) == "a, b, 3")
*/
static int
string_implode(lua_State *L)
{
	return join(L, 2, sl_arg_string(L, 1));
}

/*lua
The elements of a list as one string.

@param array table         strings and numbers
@param separator? string   stands between them ("")
@return string joined

    assert(array_join({ "a", "b" }, ":") == "a:b")
*/
static int
string_join(lua_State *L)
{
	return join(L, 1, sl_arg_opt_string(L, 2, ""));
}

const struct sl_builtin sl_module_string[] = {
	{ "chr", string_chr, SL_AT_ANY },
	{ "ord", string_ord, SL_AT_ANY },
	{ "strlen", string_strlen, SL_AT_ANY },
	{ "str_repeat", string_repeat, SL_AT_ANY },
	{ "str_lower", string_lower, SL_AT_ANY },
	{ "strtolower", string_lower, SL_AT_ANY },
	{ "str_upper", string_upper, SL_AT_ANY },
	{ "strtoupper", string_upper, SL_AT_ANY },
	{ "str_find", string_find, SL_AT_ANY },
	{ "strpos", string_find, SL_AT_ANY },
	{ "str_rfind", string_rfind, SL_AT_ANY },
	{ "strrpos", string_rfind, SL_AT_ANY },
	{ "str_slice", string_slice, SL_AT_ANY },
	{ "substr", string_slice, SL_AT_ANY },
	{ "str_strip", string_strip, SL_AT_ANY },
	{ "trim", string_strip, SL_AT_ANY },
	{ "str_lstrip", string_lstrip, SL_AT_ANY },
	{ "str_rstrip", string_rstrip, SL_AT_ANY },
	{ "str_replace", string_replace, SL_AT_ANY },
	{ "explode", string_explode, SL_AT_ANY },
	{ "str_split", string_split, SL_AT_ANY },
	{ "str_chunk", string_chunk, SL_AT_ANY },
	{ "implode", string_implode, SL_AT_ANY },
	{ "array_join", string_join, SL_AT_ANY },
	{ NULL, NULL, 0 },
};
