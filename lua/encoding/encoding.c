/*
 * Strings in the forms that other formats need: base64, base32, percent signs,
 * xtext, encoded words, CSV. What can't be decoded is nil, message, code.
 */
#include <stdio.h>
#include <string.h>

#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/mail/message.h"

#define BYTES_PER_STEP	4

/* The argument, charged; nothing of it grows more than 'times' its size. */
static struct sl_str
input(lua_State *L, uint64_t times)
{
	struct sl_str s = sl_arg_string(L, 1);

	sl_charge(L, s.n * times / BYTES_PER_STEP);
	return s;
}

static int
push_out(lua_State *L, const struct sl_buf *out)
{
	if (out->failed)
		return luaL_error(L, "not enough memory");
	sl_string(L, sl_buf_str(out));
	return 1;
}

/* ---- base64, base32 ------------------------------------------------------------------ */

/*lua
A string in base64 (RFC 4648 4), in one line.

@param string string
@return string encoded

    assert(base64_encode("ann") == "YW5u")
*/
static int
encoding_base64_encode(lua_State *L)
{
	struct sl_str s = input(L, 2);
	struct sl_buf *out = sl_scratch(L);

	sl_base64_encode(out, s);
	return push_out(L, out);
}

/*lua
The bytes of a base64 text. White space in it doesn't count.

@param string string
@return string? bytes
@return string? err    it isn't base64
@return string? code   "syntax"

    assert(base64_decode("YW5u\r\n") == "ann")
    assert(base64_decode("?") == nil)
*/
static int
encoding_base64_decode(lua_State *L)
{
	struct sl_str s = input(L, 1);
	struct sl_buf *out = sl_scratch(L);

	if (sl_base64_decode(out, s, true) != 0 && !out->failed)
		return sl_fail(L, "syntax", "this is not base64");
	return push_out(L, out);
}

static void
swap_bytes(char *p, size_t n, const char from[2], const char to[2])
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = p[i] == from[0] ? to[0] : p[i] == from[1] ? to[1] : p[i];
}

/*lua
A string in base64 for URLs (RFC 4648 5): `-` and `_`, without padding.

@param string string
@return string encoded

    assert(base64url_encode("\xff\xfe") == "__4")
*/
static int
encoding_base64url_encode(lua_State *L)
{
	struct sl_str s = input(L, 2);
	struct sl_buf *out = sl_scratch(L);

	if (sl_base64_encode(out, s) == 0) {
		swap_bytes(out->p, out->n, "+/", "-_");
		while (out->n > 0 && out->p[out->n - 1] == '=')
			out->n--;
	}
	return push_out(L, out);
}

/*lua
The bytes of a base64 text for URLs, with or without padding.

@param string string
@return string? bytes
@return string? err    it isn't base64 of that kind
@return string? code   "syntax"

    assert(base64url_decode("__4") == "\xff\xfe")
*/
static int
encoding_base64url_decode(lua_State *L)
{
	struct sl_str s = input(L, 2);
	struct sl_buf *out = sl_scratch(L);
	char *copy;
	int rc;

	while (s.n > 0 && s.p[s.n - 1] == '=')
		s.n--;
	copy = lua_newuserdatauv(L, s.n + 4, 0);
	memcpy(copy, s.p, s.n);
	swap_bytes(copy, s.n, "+/", "??");		/* not of this alphabet */
	swap_bytes(copy, s.n, "-_", "+/");
	memcpy(copy + s.n, "===", 3);
	rc = s.n % 4 == 1 ? SL_ERR_SYNTAX :
	    sl_base64_decode(out, (struct sl_str){ copy, s.n + (4 - s.n % 4) % 4 }, false);
	if (rc != 0 && !out->failed)
		return sl_fail(L, "syntax", "this is not base64 for URLs");
	return push_out(L, out);
}

/*lua
A string in base32 (RFC 4648 6), with padding.

@param string string
@return string encoded

    assert(base32_encode("foobar") == "MZXW6YTBOI======")
*/
static int
encoding_base32_encode(lua_State *L)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	struct sl_str s = input(L, 2);
	struct sl_buf *out = sl_scratch(L);
	unsigned bits = 0, have = 0;
	size_t i;

	for (i = 0; i < s.n; i++) {
		bits = (bits << 8 | (unsigned char)s.p[i]) & 0xfff;
		for (have += 8; have >= 5; have -= 5)
			sl_buf_putc(out, digits[bits >> (have - 5) & 31]);
	}
	if (have > 0)
		sl_buf_putc(out, digits[bits << (5 - have) & 31]);
	while (out->n % 8 != 0)
		sl_buf_putc(out, '=');
	return push_out(L, out);
}

static int
base32_value(char c)
{
	c = sl_lower(c);
	if (sl_isalpha(c))
		return c - 'a';
	return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

/*lua
The bytes of a base32 text, in upper or lower case, with or without padding.

@param string string
@return string? bytes
@return string? err    it isn't base32
@return string? code   "syntax"

    assert(base32_decode("mzxw6ytboi") == "foobar")
*/
static int
encoding_base32_decode(lua_State *L)
{
	struct sl_str s = input(L, 1);
	struct sl_buf *out = sl_scratch(L);
	unsigned bits = 0, have = 0;
	size_t i;
	int v;

	while (s.n > 0 && s.p[s.n - 1] == '=')
		s.n--;
	for (i = 0; i < s.n; i++) {
		v = base32_value(s.p[i]);
		if (v < 0)
			return sl_fail(L, "syntax", "this is not base32");
		bits = (bits << 5 | (unsigned)v) & 0xfff;
		have += 5;
		if (have >= 8) {
			have -= 8;
			sl_buf_putc(out, (char)(bits >> have & 255));
		}
	}
	if (have >= 5 || (bits & ((1u << have) - 1)) != 0)
		return sl_fail(L, "syntax", "this is not base32: bits are left over");
	return push_out(L, out);
}

/* ---- escapes with two hexadecimal digits ------------------------------------------------- */

static void
escape(struct sl_buf *out, struct sl_str s, char mark, bool (*plain)(char))
{
	static const char digits[] = "0123456789ABCDEF";
	unsigned char c;
	size_t i;

	for (i = 0; i < s.n; i++) {
		c = (unsigned char)s.p[i];
		if (plain(s.p[i])) {
			sl_buf_putc(out, s.p[i]);
		} else {
			sl_buf_putc(out, mark);
			sl_buf_putc(out, digits[c >> 4]);
			sl_buf_putc(out, digits[c & 15]);
		}
	}
}

/* False: a mark without its two digits. */
static bool
unescape(struct sl_buf *out, struct sl_str s, char mark)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] != mark)
			sl_buf_putc(out, s.p[i]);
		else if (i + 2 >= s.n || sl_hex_decode(out, sl_str_sub(s, i + 1, i + 3)) != 0)
			return false;
		else
			i += 2;
	return true;
}

static bool
is_unreserved(char c)
{
	return sl_isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/*lua
A string for a URL (RFC 3986 2.1): what isn't a letter, a digit, `-`, `.`, `_` or `~` is escaped
with a percent sign.

@param string string
@return string encoded

    assert(url_encode("ann smith+x@example.org") == "ann%20smith%2Bx%40example.org")
*/
static int
encoding_url_encode(lua_State *L)
{
	struct sl_str s = input(L, 3);
	struct sl_buf *out = sl_scratch(L);

	escape(out, s, '%', is_unreserved);
	return push_out(L, out);
}

/*lua
A string without its percent escapes (RFC 3986 2.1). A plus sign stays one.

@param string string
@return string? decoded
@return string? err    a percent sign without two hexadecimal digits
@return string? code   "syntax"

    assert(url_decode("ann%20smith%2bx") == "ann smith+x")
*/
static int
encoding_url_decode(lua_State *L)
{
	struct sl_str s = input(L, 1);
	struct sl_buf *out = sl_scratch(L);

	if (!unescape(out, s, '%'))
		return sl_fail(L, "syntax", "a percent sign without two hexadecimal digits");
	return push_out(L, out);
}

/* RFC 3461 4: xchar. */
static bool
is_xchar(char c)
{
	return c >= '!' && c <= '~' && c != '+' && c != '=';
}

/*lua
A string as xtext (RFC 3461 4), as ORCPT and ENVID have it.

@param text string
@return string encoded

    assert(xtext_encode("ann+x@example.org") == "ann+2Bx@example.org")
*/
static int
encoding_xtext_encode(lua_State *L)
{
	struct sl_str s = input(L, 3);
	struct sl_buf *out = sl_scratch(L);

	escape(out, s, '+', is_xchar);
	return push_out(L, out);
}

/*lua
The string that xtext stands for.

@param text string
@return string? decoded
@return string? err    a plus sign without two hexadecimal digits
@return string? code   "syntax"

    assert(xtext_decode("ann+2Bx@example.org") == "ann+x@example.org")
*/
static int
encoding_xtext_decode(lua_State *L)
{
	struct sl_str s = input(L, 1);
	struct sl_buf *out = sl_scratch(L);

	if (!unescape(out, s, '+'))
		return sl_fail(L, "syntax", "a plus sign without two hexadecimal digits");
	return push_out(L, out);
}

/* ---- encoded words ---------------------------------------------------------------------- */

/*lua
A string (UTF-8) as encoded words (RFC 2047), for the value of a header field. Printable ASCII
stays as it is.

@param string string
@return string encoded

    assert(mimeword_encode("Grüße") == "=?UTF-8?B?R3LDvMOfZQ==?=")
    assert(mimeword_encode("Hello") == "Hello")
*/
static int
encoding_mimeword_encode(lua_State *L)
{
	struct sl_str s = input(L, 2);
	struct sl_buf *out = sl_scratch(L);

	sl_field_encode(out, s);
	return push_out(L, out);
}

/*lua
A string with its encoded words (RFC 2047) decoded to UTF-8. What can't be decoded stays.

@param string string
@return string decoded

    assert(mimeword_decode("=?iso-8859-1?q?Gr=FC=DFe?= from Ann") == "Grüße from Ann")
*/
static int
encoding_mimeword_decode(lua_State *L)
{
	struct sl_str s = input(L, 4);
	struct sl_buf *out = sl_scratch(L);

	sl_field_decode(out, s);
	return push_out(L, out);
}

/* ---- CSV ------------------------------------------------------------------------------- */

/*lua
The fields of one line of CSV (RFC 4180): quotes around a field, doubled inside it; blanks around
a field don't count.

@param string string
@return string[] fields  of the first line

    assert(csv_explode('ann, "Smith, Ann",3')[2] == "Smith, Ann")
*/
static int
encoding_csv_explode(lua_State *L)
{
	struct sl_str rest = input(L, 2);
	bool ended;

	sl_list_new(L);
	do {
		sl_charge(L, 4);
		ended = sl_csv_field(L, &rest);
		sl_list_add(L);
	} while (!ended);
	return 1;
}

/* Pushes the fields of the row at the front of 'rest' as a list, and cuts it off. */
static void
push_row(lua_State *L, struct sl_str *rest, char delimiter)
{
	bool ended;

	sl_list_new(L);
	do {
		sl_charge(L, 4);
		ended = sl_csv_field_by(L, rest, delimiter);
		sl_list_add(L);
	} while (!ended);
}

/* The list on top, by the names in the list at 'names'; fields without a name are left out. */
static void
name_row(lua_State *L, int names)
{
	int row = lua_gettop(L);
	size_t n = sl_count(L, row), i;

	sl_map_new(L);
	for (i = 1; i <= n && sl_list_get(L, names, i); i++) {
		sl_list_get(L, row, i);
		sl_map_set_key(L);
	}
	lua_settop(L, row + 1);
	lua_remove(L, row);
}

/*lua
The rows of a text of CSV (RFC 4180). Empty lines and lines that begin with `#` are left out.

@param string string
@param options? table  delimiter (","), header (true: the first line names the columns, and rows are tables by name; false: rows are lists)
@return table[] rows

    local rows = csv_decode("name,port\nsmtp,25\n")
    assert(rows[1].name == "smtp" and rows[1].port == "25")
    assert(csv_decode("a;b", { delimiter = ";", header = false })[1][2] == "b")
*/
static int
encoding_csv_decode(lua_State *L)
{
	static const char *const names[] = { "delimiter", "header", NULL };
	struct sl_str rest = input(L, 2), delimiter;
	bool header;

	sl_options(L, 2, names);
	delimiter = sl_opt_string(L, 2, "delimiter", ",");
	header = sl_opt_bool(L, 2, "header", true);
	if (delimiter.n != 1)
		return luaL_error(L, "option \"delimiter\": one byte expected");
	lua_settop(L, 2);
	if (header && sl_csv_skip(&rest))
		push_row(L, &rest, delimiter.p[0]);
	else
		sl_none(L);
	sl_list_new(L);
	while (sl_csv_skip(&rest)) {
		push_row(L, &rest, delimiter.p[0]);
		if (header)
			name_row(L, 3);
		sl_list_add(L);
	}
	return 1;
}

const struct sl_builtin sl_module_encoding[] = {
	{ "base64_encode", encoding_base64_encode, SL_AT_ANY },
	{ "base64_decode", encoding_base64_decode, SL_AT_ANY },
	{ "base64url_encode", encoding_base64url_encode, SL_AT_ANY },
	{ "base64url_decode", encoding_base64url_decode, SL_AT_ANY },
	{ "base32_encode", encoding_base32_encode, SL_AT_ANY },
	{ "base32_decode", encoding_base32_decode, SL_AT_ANY },
	{ "url_encode", encoding_url_encode, SL_AT_ANY },
	{ "url_decode", encoding_url_decode, SL_AT_ANY },
	{ "xtext_encode", encoding_xtext_encode, SL_AT_ANY },
	{ "xtext_decode", encoding_xtext_decode, SL_AT_ANY },
	{ "mimeword_encode", encoding_mimeword_encode, SL_AT_ANY },
	{ "mimeword_decode", encoding_mimeword_decode, SL_AT_ANY },
	{ "csv_explode", encoding_csv_explode, SL_AT_ANY },
	{ "csv_decode", encoding_csv_decode, SL_AT_ANY },
	{ NULL, NULL, 0 },
};
