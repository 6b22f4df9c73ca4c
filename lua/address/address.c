/* Addresses as text: of the envelope, and lists of them in header fields. */
#include <stdlib.h>
#include <string.h>

#include "../../core/auth/tags.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/mail/address.h"

#define MAX_ADDRESSES	10000

/*lua
An address of the envelope in its two parts: the local part without quotes, the domain in lower
case, beyond ASCII as `xn--`.

@param address string  without angle brackets
@return table? parts   localpart, domain
@return string? err    it is no address
@return string? code

    local a = envelope_address_parse('"ann smith"@Example.org')
    assert(a.localpart == "ann smith" and a.domain == "example.org")
    assert(envelope_address_parse("ann") == nil)
*/
static int
address_parse(lua_State *L)
{
	struct sl_address a;
	struct sl_err err;

	if (sl_address_parse(&a, sl_arg_string(L, 1), &err) != 0)
		return sl_fail_err(L, &err);
	sl_map_new(L);
	sl_text(L, a.local);
	sl_map_set(L, "localpart");
	sl_text(L, a.domain);
	sl_map_set(L, "domain");
	return 1;
}

/* RFC 5321 4.1.2: Dot-string, with the bytes of UTF-8 (RFC 6531 3.3). */
static bool
is_dot_string(struct sl_str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] == '.' ? i == 0 || i + 1 == s.n || s.p[i - 1] == '.' :
		    !sl_isalnum(s.p[i]) && (unsigned char)s.p[i] < 0x80 &&
		    (s.p[i] == '\0' || strchr("!#$%&'*+-/=?^_`{|}~", s.p[i]) == NULL))
			return false;
	return s.n > 0;
}

/*lua
A local part as it stands in an address: in quotes (RFC 5321 4.1.2) if it needs them.

@param localpart string  no control bytes
@return string escaped

    assert(envelope_localpart_escape("ann smith") == '"ann smith"')
    assert(envelope_localpart_escape("ann.smith") == "ann.smith")
*/
static int
address_escape(lua_State *L)
{
	struct sl_str s = sl_arg_string(L, 1);
	struct sl_buf *out;
	size_t i;

	sl_charge(L, s.n);
	if (is_dot_string(s)) {
		sl_string(L, s);
		return 1;
	}
	out = sl_scratch(L);
	sl_buf_putc(out, '"');
	for (i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return sl_arg_error(L, 1, "a control byte can't be in an address");
		if (s.p[i] == '"' || s.p[i] == '\\')
			sl_buf_putc(out, '\\');
		sl_buf_putc(out, s.p[i]);
	}
	sl_buf_putc(out, '"');
	if (out->failed)
		return luaL_error(L, "not enough memory");
	sl_string(L, sl_buf_str(out));
	return 1;
}

/* The addresses a line each: the list is gone before a script's values are made. */
static int
write_addresses(struct sl_str value, struct sl_buf *out, struct sl_err *err)
{
	struct sl_address_list list;
	int rc = sl_address_list_parse(&list, value, MAX_ADDRESSES, err);
	size_t i;

	if (rc != 0)
		return rc;
	for (i = 0; i < list.n; i++) {
		sl_buf_putstr(out, sl_str_of(list.mailboxes[i].address.address));
		sl_buf_putc(out, '\n');
	}
	sl_address_list_clear(&list);
	return out->failed ? sl_err_set(err, SL_ERR_NOMEM, "out of memory") : 0;
}

/*lua
The addresses in the value of a From, To or Cc field (RFC 5322), groups included. One part that
isn't understood makes the whole list a failure. GetAddressList gives an empty list then.

@param value string
@param options? table       field (the value is a whole field, with its name: false)
@return string[]? addresses
@return string? err         what isn't understood
@return string? code

    local to = header_addresslist_extract("Ann <ann@example.org>, bob@example.org")
    assert(to[1] == "ann@example.org" and to[2] == "bob@example.org")
*/
static int
address_extract(lua_State *L)
{
	static const char *const names[] = { "field", NULL };
	struct sl_str value = sl_arg_string(L, 1), rest, address;
	struct sl_buf *lines;
	struct sl_err err;

	sl_options(L, 2, names);
	if (sl_opt_bool(L, 2, "field", false))
		value = sl_str_sub(value, (size_t)(sl_str_chr(value, ':') + 1), value.n);
	sl_charge(L, value.n);
	lines = sl_scratch(L);
	if (write_addresses(value, lines, &err) != 0)
		return sl_fail_err(L, &err);
	sl_list_new(L);
	for (rest = sl_buf_str(lines); sl_str_split(&rest, '\n', &address) && address.n > 0;) {
		sl_charge(L, 4);
		sl_string(L, address);
		sl_list_add(L);
	}
	return 1;
}

static int
by_name(const void *a, const void *b)
{
	return sl_str_cmp(((const struct sl_tag *)a)->name, ((const struct sl_tag *)b)->name);
}

/*lua
The tags of a list as DKIM signatures, key records and DMARC records are (RFC 6376 3.2).

@param value string
@param options? table  field (false: it is a whole field, "DKIM-Signature: v=1; ...")
@return table<string,string>? tags  sorted by name, white space at the ends left out
@return string? err
@return string? code

    local record = header_dkim_decode("v=DMARC1; p=reject; rua=mailto:d@example.org")
    assert(record.p == "reject" and not header_dkim_decode("p=a; p=b"))
*/
static int
address_tags(lua_State *L)
{
	static const char *const names[] = { "field", NULL };
	struct sl_str text = sl_arg_string(L, 1);
	struct sl_tags *tags;
	struct sl_err err;
	ssize_t colon;
	size_t i;

	sl_options(L, 2, names);
	if (sl_opt_bool(L, 2, "field", false) && (colon = sl_str_chr(text, ':')) >= 0)
		text = sl_str_sub(text, (size_t)colon + 1, text.n);
	sl_charge(L, text.n / 8);
	tags = lua_newuserdatauv(L, sizeof(*tags), 0);
	if (sl_tags_parse(tags, text, SL_TAGS_RECORD, &err) != 0)
		return sl_fail_err(L, &err);
	qsort(tags->tag, tags->n, sizeof(tags->tag[0]), by_name);
	sl_map_new(L);
	for (i = 0; i < tags->n; i++) {
		sl_string(L, tags->tag[i].value.n > 0 ? tags->tag[i].value : SL_STR(""));
		sl_map_set_str(L, tags->tag[i].name);
	}
	return 1;
}

const struct sl_builtin sl_module_address[] = {
	{ "envelope_address_parse", address_parse, SL_AT_ANY },
	{ "envelope_localpart_escape", address_escape, SL_AT_ANY },
	{ "header_addresslist_extract", address_extract, SL_AT_ANY },
	{ "header_dkim_decode", address_tags, SL_AT_ANY },
	{ NULL, NULL, 0 },
};
