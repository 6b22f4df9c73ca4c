/*
 * The message and its envelope: header fields, sender, recipient, transport,
 * metadata. Edits belong to the run's draft; the received bytes never change.
 */
#include <string.h>

#include "../../core/engine/builtin.h"
#include "../../core/engine/value.h"
#include "../../core/policy/config.h"
#include "../../core/policy/context.h"
#include "../../core/policy/owner.h"
#include "../address/envelope.h"

#define MAX_DELAY	(30.0 * 86400)
#define MAX_ADDRESSES	1000

/* ---- helpers --------------------------------------------------------- */

static struct sl_head *
head_of(lua_State *L)
{
	return sl_context_of(L)->draft->head;
}

/* Pushes the value of a field: decoded to UTF-8, or only unfolded. */
static void
push_value(lua_State *L, const struct sl_field *field, bool decode)
{
	struct sl_buf *text = sl_scratch(L);

	sl_charge(L, field->value.n / 8);
	if ((decode ? sl_field_decode(text, field->value) : sl_field_unfold(text, field->value)) != 0)
		luaL_error(L, "out of memory");
	sl_string(L, sl_buf_str(text));
}

/* Refused at the binding: CR, LF, NUL and names that are none (A15). */
static void
must(lua_State *L, int rc, const struct sl_err *err)
{
	if (rc != 0)
		luaL_error(L, "%s", err->text);
}

/* ---- reading --------------------------------------------------------- */

/*lua
The value of the first header field of a name, as the run has edited it.

@param name string    the field's name, in any case
@param decode? boolean  decode RFC 2047 encoded words to UTF-8 (true)
@return string? value  unfolded, without blanks at its ends; none if there is no such field

    local subject = GetHeader("Subject")
    if subject then echo(subject) end
*/
static int
get_header(lua_State *L)
{
	struct sl_str name = sl_arg_string(L, 1);
	bool decode = sl_arg_opt_bool(L, 2, true);
	ssize_t at = sl_head_find(head_of(L), name, 0);

	if (at >= 0)
		push_value(L, sl_head_at(head_of(L), (size_t)at), decode);
	else if (sl_engine_is_2016(L))
		sl_text(L, "");
	else
		sl_none(L);
	return 1;
}

static int
get_all_headers(lua_State *L, bool decode)
{
	const struct sl_head *head = head_of(L);
	size_t i;

	sl_list_new(L);
	for (i = 0; i < sl_head_count(head); i++) {
		sl_list_new(L);
		sl_string(L, sl_head_at(head, i)->name);
		sl_list_add(L);
		push_value(L, sl_head_at(head, i), decode);
		sl_list_add(L);
		sl_list_add(L);
	}
	return 1;
}

/*lua
The values of all header fields of a name, top down.

With `true` instead of a name: all fields, each as a list of name and value.

@param name string|boolean  the field's name, or true
@param decode? boolean  decode RFC 2047 encoded words to UTF-8 (true)
@return string[]|table[] values  empty if there is none

    for _, value in ipairs(GetHeaders("Received")) do echo(value) end
*/
static int
get_headers(lua_State *L)
{
	const struct sl_head *head = head_of(L);
	bool decode = sl_arg_opt_bool(L, 2, true);
	struct sl_str name;
	ssize_t at;

	if (lua_isboolean(L, 1))
		return get_all_headers(L, decode);
	name = sl_arg_string(L, 1);
	sl_list_new(L);
	for (at = sl_head_find(head, name, 0); at >= 0;
	    at = sl_head_find(head, name, (size_t)at + 1)) {
		push_value(L, sl_head_at(head, (size_t)at), decode);
		sl_list_add(L);
	}
	return 1;
}

/* Each on a line; nothing if it is no address list. A list doesn't live while Lua can raise. */
static int
write_addresses(struct sl_str value, struct sl_buf *out)
{
	struct sl_address_list list;
	struct sl_err err;
	size_t i;

	if (sl_address_list_parse(&list, value, MAX_ADDRESSES, &err) != 0)
		return err.code == SL_ERR_NOMEM ? err.code : 0;
	for (i = 0; i < list.n; i++) {
		sl_buf_putstr(out, sl_str_of(list.mailboxes[i].address.address));
		sl_buf_putc(out, '\n');
	}
	sl_address_list_clear(&list);
	return out->failed ? SL_ERR_NOMEM : 0;
}

/*lua
The addresses in the value of From, To, Cc and the like.

@param value string?    the value of a field; none gives an empty list
@return string[] addresses  empty when the value isn't an address list (RFC 5322 3.4)

    local to = GetAddressList("Ann <ann@example.org>, bob@example.org")
    assert(to[1] == "ann@example.org" and to[2] == "bob@example.org")
*/
static int
get_address_list(lua_State *L)
{
	struct sl_str value = sl_arg_opt_string(L, 1, NULL);
	struct sl_buf *lines = sl_scratch(L);
	struct sl_str rest, address;

	sl_list_new(L);
	if (value.p == NULL)
		return 1;
	sl_charge(L, value.n);
	if (write_addresses(value, lines) != 0)
		return luaL_error(L, "out of memory");
	for (rest = sl_buf_str(lines); sl_str_split(&rest, '\n', &address) && address.n > 0;) {
		sl_string(L, address);
		sl_list_add(L);
	}
	return 1;
}

/* ---- editing --------------------------------------------------------- */

static void
insert(lua_State *L, size_t at)
{
	struct sl_str name = sl_arg_string(L, 1), value = sl_arg_string(L, 2);
	bool refold = sl_arg_opt_bool(L, 3, true);
	struct sl_err err;

	sl_charge(L, value.n / 8);
	must(L, sl_head_insert(head_of(L), at, name, value, refold, &err), &err);
}

/*lua
Add a header field on top of the message.

@param name string
@param value string    without line breaks, other than folds
@param refold? boolean  fold to lines of 78 where there are blanks (true)

    AddHeader("X-Policy", "checked")
*/
static int
add_header(lua_State *L)
{
	insert(L, 0);
	return 0;
}

/* How many fields were changed; false for none in Lua, where 0 is true. */
static int
changed(lua_State *L, unsigned n)
{
	if (n > 0 || sl_is_hsl(L))
		sl_number(L, n);
	else
		sl_bool(L, false);
	return 1;
}

/*lua
Give the first header field of a name a new value, drop the others of that
name; add it on top when there is none.

@param name string
@param value string    without line breaks, other than folds
@param refold? boolean  fold to lines of 78 where there are blanks (true)
@return number|false changed  fields that were there; false: none, it was added

    SetHeader("Subject", "[external] " .. (GetHeader("Subject") or ""))
*/
static int
set_header(lua_State *L)
{
	struct sl_head *head = head_of(L);
	struct sl_str name = sl_arg_string(L, 1), value = sl_arg_string(L, 2);
	ssize_t first = sl_head_find(head, name, 0), at;
	struct sl_err err;
	unsigned n = 1;

	if (first < 0) {
		insert(L, 0);
		return changed(L, 0);
	}
	must(L, sl_head_replace(head, (size_t)first, value, sl_arg_opt_bool(L, 3, true), &err), &err);
	while ((at = sl_head_find(head, name, (size_t)first + 1)) >= 0) {
		if (sl_head_remove(head, (size_t)at) != 0)
			return luaL_error(L, "out of memory");
		n++;
	}
	return changed(L, n);
}

/* Puts a text before or behind the value of every field of the name. */
static int
join_header(lua_State *L, bool before)
{
	struct sl_head *head = head_of(L);
	struct sl_str name = sl_arg_string(L, 1), text = sl_arg_string(L, 2), old;
	bool refold = sl_arg_opt_bool(L, 3, true);
	struct sl_buf value = SL_BUF_INIT;
	struct sl_err err;
	unsigned n = 0;
	ssize_t at;
	int rc = 0;

	for (at = sl_head_find(head, name, 0); at >= 0 && rc == 0;
	    at = sl_head_find(head, name, (size_t)at + 1), n++) {
		old = sl_str_trim(sl_head_at(head, (size_t)at)->value);
		sl_buf_reset(&value);
		sl_buf_putstr(&value, before ? text : old);
		sl_buf_putstr(&value, before ? old : text);
		rc = value.failed ? sl_err_set(&err, SL_ERR_NOMEM, "out of memory") :
		    sl_head_replace(head, (size_t)at, sl_buf_str(&value), refold, &err);
	}
	sl_buf_clear(&value);
	must(L, rc, &err);
	return changed(L, n);
}

/*lua
Put a text in front of the value of every header field of a name.

@param name string
@param text string    nothing is put between: end it with a blank if one is wanted
@param refold? boolean  fold to lines of 78 where there are blanks (true)
@return number|false changed  how many fields; false: there is none

    PrependHeader("Subject", "[spam] ")
*/
static int
prepend_header(lua_State *L)
{
	return join_header(L, true);
}

/*lua
Put a text behind the value of every header field of a name.

@param name string
@param text string    nothing is put between: begin it with a blank if one is wanted
@param refold? boolean  fold to lines of 78 where there are blanks (true)
@return number|false changed  how many fields; false: there is none

    AppendHeader("Subject", " [external]")
*/
static int
append_header(lua_State *L)
{
	return join_header(L, false);
}

/*lua
Delete all header fields of a name.

@param name string
@return number|false deleted  how many there were; false: none

    DelHeader("X-Spam-Score")
*/
static int
del_header(lua_State *L)
{
	struct sl_head *head = head_of(L);
	struct sl_str name = sl_arg_string(L, 1);
	unsigned n = 0;
	ssize_t at;

	while ((at = sl_head_find(head, name, 0)) >= 0) {
		if (sl_head_remove(head, (size_t)at) != 0)
			return luaL_error(L, "out of memory");
		n++;
	}
	return changed(L, n);
}

/* ---- envelope -------------------------------------------------------- */

/*lua
Change the reverse-path that the message leaves with.

In `predelivery` for this attempt only.

@param sender string|table  an address, or its parts; "" for the null reverse-path

    SetSender("bounces@example.org")
*/
static int
set_sender(lua_State *L)
{
	struct sl_context *ctx = sl_context_of(L);
	struct sl_address a;

	sl_arg_address(L, 1, true, &a);
	if (ctx->attempt != NULL) {
		if (sl_queued_set_sender(ctx->attempt, &a) != 0)
			return luaL_error(L, "out of memory");
		return 0;
	}
	ctx->draft->sender = sl_keep(L, sl_str_of(a.address));
	ctx->draft->senderdomain = a.domain[0] != '\0' ? sl_keep(L, sl_str_of(a.domain)) : NULL;
	return 0;
}

/*lua
Send this run's copy to another recipient: the operator's own routing.

In `predelivery` for this attempt only.

@param recipient string|table  an address, or its parts

    SetRecipient("archive@example.org")
*/
static int
set_recipient(lua_State *L)
{
	struct sl_context *ctx = sl_context_of(L);
	struct sl_address a;

	sl_arg_address(L, 1, false, &a);
	if (ctx->attempt != NULL) {
		if (sl_queued_set_recipient(ctx->attempt, &a) != 0)
			return luaL_error(L, "out of memory");
		return 0;
	}
	ctx->draft->recipient = sl_keep(L, sl_str_of(a.address));
	ctx->draft->recipientdomain = sl_keep(L, sl_str_of(a.domain));
	return 0;
}

/*lua
Choose the transport that delivers the message.

@param transportid string  a name of `transports` in sluice.lua

    SetMailTransport("discard")
*/
static int
set_mail_transport(lua_State *L)
{
	sl_context_of(L)->draft->transport = sl_known_transport(L, sl_arg_string(L, 1));
	return 0;
}

/*lua
Put the first delivery attempt off.

@param delay number  seconds

    SetDelayedDeliver(300)
*/
static int
set_delayed_deliver(lua_State *L)
{
	sl_context_of(L)->draft->delay = sl_arg_number(L, 1, 0, MAX_DELAY);
	return 0;
}

/*lua
Attach strings that the queue's flows can read with GetMetaData.

@param metadata table  names and values, all strings; replaces what was set before

    SetMetaData{ customer = "42" }
*/
static int
set_metadata(lua_State *L)
{
	struct sl_context *ctx = sl_context_of(L);
	struct sl_buf *json = sl_scratch(L);
	const char *kept;
	struct sl_err err;

	sl_arg_table(L, 1);
	if (sl_json_texts(L, 1, json, &err) != 0)
		return sl_arg_error(L, 1, err.text);
	kept = sl_keep(L, sl_buf_str(json));
	if (ctx->attempt != NULL)
		ctx->attempt->changes.metadata = kept;
	else
		ctx->draft->metadata = kept;
	return 0;
}

/*lua
What SetMetaData attached to the message.

@return table metadata  names and values; empty if nothing was attached

    local customer = GetMetaData().customer
*/
static int
get_metadata(lua_State *L)
{
	const struct sl_context *ctx = sl_context_of(L);
	const char *json = ctx->draft != NULL ? ctx->draft->metadata :
	    ctx->attempt->changes.metadata != NULL ? ctx->attempt->changes.metadata :
	    ctx->attempt->in.metadata;
	struct sl_err err;

	if (json == NULL || sl_json_decode(L, sl_str_of(json), 0, &err) != 0)
		sl_map_new(L);
	return 1;
}

#define LEAVING	(SL_AT_PREDELIVERY | SL_AT_POSTDELIVERY)

const struct sl_builtin sl_module_message[] = {
	{ "GetHeader", get_header, SL_HEADER | SL_AT_MESSAGE },
	{ "GetHeaders", get_headers, SL_HEADER | SL_AT_MESSAGE },
	{ "GetAddressList", get_address_list, SL_AT_ANY },
	{ "AddHeader", add_header, SL_HEADER | SL_AT_MESSAGE },
	{ "SetHeader", set_header, SL_HEADER | SL_AT_MESSAGE },
	{ "PrependHeader", prepend_header, SL_HEADER | SL_AT_MESSAGE },
	{ "AppendHeader", append_header, SL_HEADER | SL_AT_MESSAGE },
	{ "DelHeader", del_header, SL_HEADER | SL_AT_MESSAGE },
	{ "SetSender", set_sender, SL_HEADER | SL_AT_MESSAGE | SL_AT_PREDELIVERY },
	{ "SetRecipient", set_recipient, SL_HEADER | SL_AT_DATA | SL_AT_PREDELIVERY },
	{ "SetMailTransport", set_mail_transport, SL_HEADER | SL_AT_DATA },
	{ "SetDelayedDeliver", set_delayed_deliver, SL_HEADER | SL_AT_MESSAGE },
	{ "SetMetaData", set_metadata, SL_HEADER | SL_AT_MESSAGE | LEAVING },
	{ "GetMetaData", get_metadata, SL_HEADER | SL_AT_MESSAGE | LEAVING },
	{ NULL, NULL, 0 },
};
