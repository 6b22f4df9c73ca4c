/* Numbers and texts as bytes, and back: what protocols of other servers are made of. */
#include <math.h>
#include <string.h>

#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"

#define MAX_BYTES	(16 * 1024 * 1024)
#define EVERY		SIZE_MAX	/* the repeater "*" */

struct item {
	char code;
	size_t n;		/* its repeater; EVERY */
	bool counted;		/* a repeater was given */
};

/* The number of bytes of a number, 0 = this is none. */
static size_t
width_of(char code)
{
	return code == 'C' || code == 'c' ? 1 : code == 'n' || code == 'v' ? 2 : code == 'N' || code == 'V' ?
	    4 : code == 'e' || code == 'E' ? 8 : 0;
}

static bool
is_big_endian(char code)
{
	return code == 'n' || code == 'N' || code == 'E';
}

/* Cuts the first item off the format: 1, 0 = it is at its end, -1 = this is none. */
static int
next_item(struct sl_str *format, struct item *item)
{
	*format = sl_str_trim(*format);
	if (format->n == 0)
		return 0;
	*item = (struct item){ format->p[0], 1, false };
	*format = sl_str_sub(*format, 1, format->n);
	if (memchr("aCceEHnNvVxZ", item->code, 12) == NULL)
		return -1;
	if (format->n > 0 && format->p[0] == '*') {
		item->n = EVERY;
		item->counted = true;
		*format = sl_str_sub(*format, 1, format->n);
		return item->code == 'x' ? -1 : 1;
	}
	if (format->n > 0 && sl_isdigit(format->p[0])) {
		for (item->n = 0; format->n > 0 && sl_isdigit(format->p[0]) && item->n <= MAX_BYTES;
		    *format = sl_str_sub(*format, 1, format->n))
			item->n = item->n * 10 + (size_t)(format->p[0] - '0');
		item->counted = true;
	}
	return item->n <= MAX_BYTES ? 1 : -1;
}

static int
bad_format(lua_State *L)
{
	return sl_fail(L, "syntax", "codes are a C c e E H n N v V x Z, each with a number or \"*\" behind it; "
	    "x with a number only");
}

/* ---- pack ---------------------------------------------------------------------------- */

static void
put_bytes(struct sl_buf *out, const uint8_t *bytes, size_t n, bool reversed)
{
	size_t i;

	for (i = 0; i < n; i++)
		sl_buf_putc(out, (char)bytes[reversed ? n - 1 - i : i]);
}

/* Numbers lose what doesn't fit, as in C. */
static void
put_number(struct sl_buf *out, char code, double value)
{
	size_t n = width_of(code), i;
	uint8_t bytes[8];
	uint64_t bits;

	if (n == 8)
		memcpy(&bits, &value, sizeof(bits));
	else
		bits = (uint64_t)(int64_t)value;
	for (i = 0; i < n; i++)
		bytes[i] = (uint8_t)(bits >> (8 * i));
	put_bytes(out, bytes, n, is_big_endian(code));
}

static int
nibble(char c)
{
	return sl_isdigit(c) ? c - '0' : sl_lower(c) >= 'a' && sl_lower(c) <= 'f' ? sl_lower(c) - 'a' + 10 : -1;
}

/* Of digits of a text: false, what isn't one. What is missing is 0. */
static bool
put_hex(struct sl_buf *out, struct sl_str text, const struct item *item)
{
	size_t n = item->n == EVERY ? text.n : item->n, i;
	int high, low;

	for (i = 0; i < n; i += 2) {
		high = i < text.n ? nibble(text.p[i]) : 0;
		low = i + 1 < n && i + 1 < text.n ? nibble(text.p[i + 1]) : 0;
		if (high < 0 || low < 0)
			return false;
		sl_buf_putc(out, (char)(high << 4 | low));
	}
	return true;
}

static void
put_text(struct sl_buf *out, struct sl_str text, const struct item *item)
{
	size_t n = item->n, i;

	if (n == EVERY) {
		sl_buf_putstr(out, text);
		if (item->code == 'Z')
			sl_buf_putc(out, '\0');
		return;
	}
	for (i = 0; i < n; i++)
		sl_buf_putc(out, i < text.n && (item->code == 'a' || i + 1 < n) ? text.p[i] : '\0');
}

static bool
put_item(lua_State *L, struct sl_buf *out, const struct item *item, int *arg)
{
	size_t i;

	if (item->code == 'x') {
		for (i = 0; i < item->n; i++)
			sl_buf_putc(out, '\0');
		return true;
	}
	if (width_of(item->code) > 0) {
		for (i = 0; i < item->n && (item->n != EVERY || *arg <= lua_gettop(L)); i++)
			put_number(out, item->code, sl_arg_number(L, (*arg)++, -9007199254740992.0, 9007199254740992.0));
		return true;
	}
	if (item->code == 'H')
		return put_hex(out, sl_arg_string(L, (*arg)++), item);
	put_text(out, sl_arg_string(L, (*arg)++), item);
	return true;
}

/*lua
Bytes of numbers and texts. Codes of the format, each takes the next argument: `a` text (NULs behind it up to its
number), `Z` text with a NUL at its end, `H` hexadecimal digits, `C` byte, `n` `N` 16 and 32 bits, the high byte first, `v` `V` the
low byte first, `e` `E` a double, low or high byte first; `x` is a NUL. A number behind a code is a length (`a` `Z` `H`) or says
how often, `*` is the whole text or all that is left.

@param format string
@param ... string|number
@return string? bytes
@return string? err     the format, or a digit, is none
@return string? code

    assert(pack("NnC", 1, 2, 3) == "\0\0\0\1\0\2\3")
    assert(pack("H*", "48692e") == "Hi.")
*/
static int
pack_pack(lua_State *L)
{
	struct sl_str format = sl_arg_string(L, 1);
	struct sl_buf *out = sl_scratch(L);
	struct item item;
	int rc, arg = 2;

	out->limit = MAX_BYTES;
	while ((rc = next_item(&format, &item)) > 0) {
		sl_charge(L, 4 + (item.n == EVERY ? 0 : item.n / 16));
		if (!put_item(L, out, &item, &arg)) {
			out->limit = 0;
			return sl_fail(L, "syntax", "these are no hexadecimal digits");
		}
	}
	out->limit = 0;
	if (rc < 0)
		return bad_format(L);
	if (out->failed)
		return luaL_error(L, "pack: more than %d bytes", MAX_BYTES);
	sl_charge(L, out->n / 16);
	sl_string(L, out->n > 0 ? sl_buf_str(out) : SL_STR(""));
	return 1;
}

/* ---- unpack --------------------------------------------------------------------------- */

static double
number_of(const char *p, char code)
{
	size_t n = width_of(code), i;
	uint64_t bits = 0;
	double value;

	for (i = 0; i < n; i++)
		bits |= (uint64_t)(uint8_t)p[is_big_endian(code) ? n - 1 - i : i] << (8 * i);
	if (n == 8) {
		memcpy(&value, &bits, sizeof(value));
		return value;
	}
	return code == 'c' ? (double)(int8_t)bits : (double)bits;
}

static void
push_hex(lua_State *L, struct sl_str bytes, size_t digits)
{
	static const char hex[] = "0123456789abcdef";
	struct sl_buf *out = sl_scratch(L);
	size_t i;

	for (i = 0; i < digits; i++)
		sl_buf_putc(out, hex[(uint8_t)bytes.p[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15]);
	sl_string(L, out->n > 0 ? sl_buf_str(out) : SL_STR(""));
}

/* Adds a text to the list on top, and cuts it off 'data'; false: there isn't so much. */
static bool
take_text(lua_State *L, struct sl_str *data, const struct item *item)
{
	size_t n = item->n, digits = n;
	ssize_t end = sl_str_chr(*data, '\0');
	struct sl_str text;

	if (item->code == 'H')
		n = n == EVERY ? EVERY : (n + 1) / 2;
	if (n == EVERY)
		n = item->code == 'Z' && end >= 0 ? (size_t)end + 1 : data->n;
	if (n > data->n)
		return false;
	text = sl_str_sub(*data, 0, n);
	*data = sl_str_sub(*data, n, data->n);
	if (item->code == 'H') {
		push_hex(L, text, digits == EVERY ? 2 * n : digits);
	} else {
		if (item->code == 'Z' && (end = sl_str_chr(text, '\0')) >= 0)
			text = sl_str_sub(text, 0, (size_t)end);
		sl_string(L, text.n > 0 ? text : SL_STR(""));
	}
	sl_list_add(L);
	return true;
}

static bool
take_item(lua_State *L, struct sl_str *data, const struct item *item)
{
	size_t width = width_of(item->code), i;

	if (item->code == 'x') {
		if (item->n > data->n)
			return false;
		*data = sl_str_sub(*data, item->n, data->n);
		return true;
	}
	if (width == 0)
		return take_text(L, data, item);
	for (i = 0; i < item->n && (item->n != EVERY || data->n >= width); i++) {
		if (data->n < width)
			return false;
		sl_charge(L, 4);
		sl_number(L, number_of(data->p, item->code));
		sl_list_add(L);
		*data = sl_str_sub(*data, width, data->n);
	}
	return true;
}

/*lua
Numbers and texts of bytes, by the codes of pack and `c`, a signed byte: `Z` ends before its NUL, `x` skips.

@param format string
@param data string
@param offset? number   where to begin, from 0
@return (string|number)[]? values
@return string? err     the format is none, or there are fewer bytes
@return string? code

    local values = unpack("nZ*", "\1\2abc\0")
    assert(values[1] == 258 and values[2] == "abc")
*/
static int
pack_unpack(lua_State *L)
{
	struct sl_str format = sl_arg_string(L, 1), data = sl_arg_string(L, 2);
	size_t offset = (size_t)sl_arg_opt_number(L, 3, 0, 9007199254740992.0, 0);
	struct item item;
	int rc;

	if (offset > data.n)
		return sl_fail(L, "syntax", "there are only %d bytes", (int)data.n);
	sl_charge(L, data.n / 16);
	data = sl_str_sub(data, offset, data.n);
	sl_list_new(L);
	while ((rc = next_item(&format, &item)) > 0) {
		sl_charge(L, 4);
		if (!take_item(L, &data, &item))
			return sl_fail(L, "syntax", "there are fewer bytes than %c needs", item.code);
	}
	return rc < 0 ? bad_format(L) : 1;
}

const struct sl_builtin sl_module_pack[] = {
	{ "pack", pack_pack, SL_AT_ANY },
	{ "unpack", pack_unpack, SL_AT_ANY },
	{ NULL, NULL, 0 },
};
