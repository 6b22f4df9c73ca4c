/* Messages into the queue: mail(), what MIME() built, the one that is being judged. */
#include <stdio.h>
#include <string.h>

#include "../../core/crypto/random.h"
#include "../../core/engine/doors.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/mail/address.h"
#include "../../core/mail/date.h"
#include "../../core/policy/config.h"
#include "../../core/policy/made.h"
#include "../../core/policy/parts.h"
#include "../address/envelope.h"
#include "../compose/compose.h"
#include "../mailmessage/mailmessage.h"

#define MAX_RECIPIENTS	100
#define MAX_DELAY	(30.0 * 86400)

/* ---- the envelope ---------------------------------------------------------- */

static const char *
address(lua_State *L, int arg, bool null_ok)
{
	struct sl_address a;

	sl_arg_address(L, arg, null_ok, &a);
	return sl_keep(L, sl_str_of(a.address));
}

/* "" is none: the row's of the relay table. */
static const char *
transport(lua_State *L, struct sl_str name)
{
	return name.n > 0 ? sl_known_transport(L, name) : NULL;
}

/* An address or a list of them at 'arg'. */
static void
take_recipients(lua_State *L, int arg, struct sl_made *made)
{
	struct sl_out_recipient *list;
	bool one = !lua_istable(L, arg) || sl_is_address_parts(L, arg);
	size_t n = one ? 1 : sl_count(L, arg), i;

	if (n < 1 || n > MAX_RECIPIENTS)
		sl_arg_error(L, arg, "from 1 to 100 addresses expected");
	list = sl_arena_alloc(sl_context_of(L)->arena, n * sizeof(*list));
	if (list == NULL)
		luaL_error(L, "out of memory");
	memset(list, 0, n * sizeof(*list));
	made->recipients = list;
	if (one) {
		list[made->n++].recipient = address(L, arg, false);
		return;
	}
	for (i = 0; made->n < n && sl_each(L, arg, &i); lua_pop(L, 2))
		list[made->n++].recipient = address(L, lua_gettop(L), false);
}

static void
take_options(lua_State *L, int arg, struct sl_made *made, const char *transportid)
{
	const char *metadata = sl_opt_metadata(L, arg);
	double delay = sl_opt_number(L, arg, "delay", 0, MAX_DELAY, 0);

	made->stays = sl_opt_bool(L, arg, "always", sl_is_hsl(L));
	for (size_t i = 0; i < made->n; i++) {
		made->recipients[i].transport = transportid;
		made->recipients[i].metadata = metadata;
		made->recipients[i].delay = delay;
	}
}

/* ---- into the queue ---------------------------------------------------------- */

static void
add_date(lua_State *L, int arg)
{
	int64_t now = sl_run_time(L) / 1000000;
	char text[SL_DATE_SIZE];

	if (!sl_compose_has_header(L, arg, SL_STR("Date")))
		sl_compose_header(L, arg, SL_STR("Date"),
		    sl_str_of(sl_date_format(text, now, sl_date_local_offset(now))));
}

static void
add_message_id(lua_State *L, int arg)
{
	char uuid[SL_UUID_SIZE], text[SL_UUID_SIZE + 260];

	if (sl_compose_has_header(L, arg, SL_STR("Message-ID")))
		return;
	if (sl_door_uuid4(sl_run_tape(L), uuid) != 0)
		luaL_error(L, "no random bytes");
	snprintf(text, sizeof(text), "<%s@%.255s>", uuid,
	    sl_config_hostname(sl_context_config(sl_context_of(L))));
	sl_compose_header(L, arg, SL_STR("Message-ID"), sl_str_of(text));
}

/* The object at 'arg' as a whole message (RFC 6409 8); pushes its id, or what is missing. */
static int
enqueue(lua_State *L, int arg, struct sl_made *made)
{
	const char *id;
	struct sl_err err;
	int rc;

	add_date(L, arg);
	add_message_id(L, arg);
	rc = sl_made_add(sl_context_of(L), made, sl_compose_write(L, arg, true), &id, &err);
	if (rc != 0)
		return luaL_error(L, "%s", err.text);
	sl_text(L, id);
	return 1;
}

static int
queue_object(lua_State *L)
{
	static const char *const names[] = { "metadata", "delay", "always", NULL };
	struct sl_made made = { .next = NULL };

	sl_arg_object(L, 1, SL_COMPOSED);
	sl_options(L, 5, names);
	made.sender = address(L, 2, true);
	take_recipients(L, 3, &made);
	take_options(L, 5, &made, transport(L, sl_arg_opt_string(L, 4, "")));
	return enqueue(L, 1, &made);
}

/*lua
Put what was built into the queue, as a message of its own.

It shares the fate of the message that is being judged: if that gets a 2xx reply
both are stored before the reply is sent, else neither is. With `always`, which is so in HSL unless it says
otherwise, it is sent though the message is rejected or deferred, but not if a script failed. Date and Message-ID are
added if they are missing. At most 100 new messages for one received; not behind another mail
server (milter), which has the queue then. An address is a string, or a table with localpart and domain.

@param sender string|table        reverse-path; "" for messages that nobody should answer
@param recipient string|table     an address, or a list of up to 100
@param transportid? string        a name of `transports`; that of the recipient's row in the relay table
@param options? table             metadata (strings by name), delay (seconds; 0), always (false; in HSL true)
@return string id                 of the new message

    MIME():addHeader("From", "postmaster@example.org"):addHeader("Subject", "A report")
      :setBody("Something was seen.\r\n"):queue("", "abuse@example.org")
*/
static int
queue(lua_State *L)
{
	return queue_object(L);
}

/*lua
The same as queue: its name in the dialect of 2016.

@param sender string|table
@param recipient string|table
@param transportid? string
@param options? table  metadata, delay, always
@return string id

    MIME():addHeader("From", "a@example.org"):setBody("Hello"):send("a@example.org", "b@example.org", "mx")
*/
static int
send_(lua_State *L)
{
	return queue_object(L);
}

static int
push_id(lua_State *L, const char *id)
{
	sl_map_new(L);
	sl_text(L, id);
	sl_map_set(L, "transaction");
	return 1;
}

/* One made of a text: it has nothing to do with the one that is judged. */
static int
queue_text(lua_State *L)
{
	struct sl_made made = { .next = NULL };
	struct sl_err err;
	const char *id;

	if ((sl_run_phase(L) & SL_AT_MESSAGE) == 0)
		return luaL_error(L, "MailMessage:queue stores with the message that is judged: only in "
		    "eod, data");
	made.sender = address(L, 2, true);
	take_recipients(L, 3, &made);
	take_options(L, 5, &made, transport(L, sl_arg_opt_string(L, 4, "")));
	if (sl_made_add(sl_context_of(L), &made, sl_mail_text(L, 1), &id, &err) != 0)
		return luaL_error(L, "%s", err.text);
	return push_id(L, id);
}

/*lua
Queue the message as it is now, for a recipient: nothing is copied but its envelope.

In `eod` a recipient of the message that has it by this has got it: `data` doesn't run for that
one. So an `eod` that queues it for each of `transaction.recipients` and ends by Accept decides all
by itself; for recipients it leaves out, `data` decides, unless it ends by Delete. In `data` it is
what Deliver does with `done = false`: a copy, beside what becomes of the recipient.

As all deliveries it happens if the client hears 2xx. Signatures that were asked for are made of
this copy too. Behind another mail server (milter) recipients are added and taken away; what its
one message can't be, another sender or other edits for some, is deferred with an event.

One made of a text becomes a new message, as MIME:queue says, with nothing added to it: Date and
Message-ID are those it has.

@param sender string|table     reverse-path: a string, or a table with localpart and domain
@param recipient string|table  in the same way; one made of a text takes a list, too
@param transportid? string     a name of `transports`; the recipient's, or that of its row in the relay table
@param options? table          metadata (strings by name), delay (seconds; 0), always (of one made of a text, as MIME:queue: false; in HSL true)
@return table id               transaction: the engine's id; of a new message its own

    for _, to in ipairs(transaction.recipients) do
      MIME("0"):queue(transaction.senderaddress, to.address, to.transportid)
    end
*/
static int
queue_message(lua_State *L)
{
	static const char *const names[] = { "metadata", "delay", "always", NULL };
	struct sl_context *ctx;
	struct sl_address from, to;
	struct sl_draft draft;
	const char *metadata;
	struct sl_err err;

	sl_arg_object(L, 1, SL_MAIL_CLASS);
	sl_options(L, 5, names);
	if (!sl_part_is_judged(L, 1))
		return queue_text(L);
	draft = *sl_part_draft(L, 1);
	ctx = sl_context_of(L);
	sl_arg_address(L, 2, true, &from);
	sl_arg_address(L, 3, false, &to);
	draft.sender = sl_keep(L, sl_str_of(from.address));
	draft.senderdomain = from.domain[0] != '\0' ? sl_keep(L, sl_str_of(from.domain)) : NULL;
	draft.recipient = sl_keep(L, sl_str_of(to.address));
	draft.recipientdomain = sl_keep(L, sl_str_of(to.domain));
	draft.transport = transport(L, sl_arg_opt_string(L, 4, ""));
	metadata = sl_opt_metadata(L, 5);
	if (metadata != NULL)
		draft.metadata = metadata;
	draft.delay = sl_opt_number(L, 5, "delay", 0, MAX_DELAY, draft.delay);
	sl_charge(L, 20);
	if (sl_context_queue(ctx, &draft, &err) != 0)
		return luaL_error(L, "%s", err.text);
	return push_id(L, ctx->transaction->id);
}

/* ---- mail() ------------------------------------------------------------------- */

/* "Ann <ann@example.org>", the name as a quoted string or encoded words; <> has nobody. */
static void
put_mailbox(lua_State *L, struct sl_buf *out, struct sl_str name, const char *address)
{
	bool plain = true;

	if (name.p == NULL || name.n == 0) {
		sl_buf_puts(out, address);
		return;
	}
	for (size_t i = 0; i < name.n; i++) {
		if ((unsigned char)name.p[i] < ' ')
			luaL_error(L, "a name without control bytes is wanted");
		plain &= (unsigned char)name.p[i] < 127;
	}
	if (!plain) {
		sl_field_encode(out, name);
	} else {
		sl_buf_putc(out, '"');
		for (size_t i = 0; i < name.n; i++) {
			if (name.p[i] == '"' || name.p[i] == '\\')
				sl_buf_putc(out, '\\');
			sl_buf_putc(out, name.p[i]);
		}
		sl_buf_putc(out, '"');
	}
	sl_buf_printf(out, " <%s>", address);
}

/* A field whose value was written to the scratch buffer, which the object uses too. */
static void
add_written(lua_State *L, int arg, const char *name, const struct sl_buf *value)
{
	sl_string(L, sl_buf_str(value));
	sl_compose_header(L, arg, sl_str_of(name), sl_arg_string(L, lua_gettop(L)));
	lua_pop(L, 1);
}

static void
add_from(lua_State *L, int arg, int options, const char *sender)
{
	char nobody[300];
	struct sl_buf *value = sl_scratch(L);

	snprintf(nobody, sizeof(nobody), "MAILER-DAEMON@%.255s",
	    sl_config_hostname(sl_context_config(sl_context_of(L))));
	put_mailbox(L, value, sl_opt_string(L, options, "sender_name", NULL),
	    sender[0] != '\0' ? sender : nobody);
	add_written(L, arg, "From", value);
}

static void
add_to(lua_State *L, int arg, int options, const struct sl_made *made)
{
	struct sl_str name = sl_opt_string(L, options, "recipient_name", NULL);
	struct sl_buf *value = sl_scratch(L);

	for (size_t i = 0; i < made->n; i++) {
		if (i > 0)
			sl_buf_puts(value, ", ");
		put_mailbox(L, value, i == 0 ? name : (struct sl_str){ NULL, 0 },
		    made->recipients[i].recipient);
	}
	add_written(L, arg, "To", value);
}

/* Name and value, or of a list "Name: value", are on top. */
static void
add_one(lua_State *L, int arg)
{
	struct sl_str value = sl_arg_string(L, lua_gettop(L)), name = { "", 0 };

	if (lua_type(L, -2) == LUA_TSTRING)
		name = sl_arg_string(L, lua_gettop(L) - 1);
	else if (sl_str_chr(value, ':') < 0)
		luaL_error(L, "option \"headers\": \"%s\" is not \"Name: value\"", value.p);
	else
		sl_str_split(&value, ':', &name);
	sl_compose_header(L, arg, name, sl_str_trim(value));
}

/* The option headers: names and values. */
static void
add_more(lua_State *L, int arg, int options)
{
	size_t i;
	int at;

	if (sl_opt_push(L, options, "headers")) {
		at = lua_gettop(L);
		sl_arg_table(L, at);
		for (i = 0; sl_each(L, at, &i); lua_pop(L, 2))
			add_one(L, arg);
	}
	lua_settop(L, arg);
}

/* Options of the product family that change nothing here. */
static void
check_mail_options(lua_State *L, int options)
{
	struct sl_str server = sl_opt_string(L, options, "serverid", "");

	if (sl_str_starts(server, SL_STR("mailserver:")))
		server = sl_str_sub(server, 11, server.n);
	if (server.n > 0 && sl_config_server(sl_context_config(sl_context_of(L)), server.p) == NULL)
		luaL_error(L, "server \"%s\" is not in sluice.lua", server.p);
	if (sl_opt_bool(L, options, "rawbody", false))
		luaL_error(L, "option \"rawbody\": bodies are encoded here, only false is possible");
}

/*lua
Put a new message into the queue: From, To, Subject, a text, and what else a message needs.

It shares the fate of the message that is being judged, see MIME:queue: nothing is sent
unless that one gets a 2xx reply, or `always` says so. In `data` it is done for each recipient; in `eod` once.

@param sender string              also From; "" for messages that nobody should answer
@param recipient string|string[]  an address, or up to 100
@param subject string             UTF-8
@param body string                UTF-8
@param transportid? string        a name of `transports`; that of the recipient's row in the relay table
@param options? table             sender_name, recipient_name, plaintext (true; in HSL false: the body is HTML), headers (names and values), metadata, delay, always (false; in HSL true: also if the message at hand is refused), transportid, serverid (a name of `servers`: it is looked at, and the message is that of the server at hand), rawbody (false, and nothing else)
@return string id                 of the new message

    mail("postmaster@example.org", "abuse@example.org", "Seen", "A message of " .. (sender or "?"))
*/
static int
mail(lua_State *L)
{
	static const char *const names[] = { "sender_name", "recipient_name", "plaintext", "headers",
	    "metadata", "delay", "always", "transportid", "serverid", "rawbody", NULL };
	int options = lua_istable(L, 5) ? 5 : 6, object;
	struct sl_made made = { .next = NULL };
	struct sl_buf *subject;
	struct sl_str via;

	sl_options(L, options, names);
	made.sender = address(L, 1, true);
	take_recipients(L, 2, &made);
	via = options == 6 ? sl_arg_opt_string(L, 5, "") : SL_STR("");
	if (via.n == 0)
		via = sl_opt_string(L, options, "transportid", "");
	take_options(L, options, &made, transport(L, via));
	check_mail_options(L, options);
	lua_settop(L, options);
	sl_compose_new(L);
	object = lua_gettop(L);
	add_from(L, object, options, made.sender);
	add_to(L, object, options, &made);
	subject = sl_scratch(L);
	sl_field_encode(subject, sl_arg_string(L, 3));
	add_written(L, object, "Subject", subject);
	sl_compose_header(L, object, SL_STR("Auto-Submitted"), SL_STR("auto-generated"));
	add_more(L, object, options);
	if (!sl_opt_bool(L, options, "plaintext", !sl_is_hsl(L)))
		sl_compose_type(L, object, SL_STR("text/html"));
	sl_compose_body(L, object, 4);
	return enqueue(L, object, &made);
}

const struct sl_builtin sl_module_mail[] = {
	{ "mail", mail, SL_AT_MESSAGE | SL_IMPURE | SL_HEADER },
	{ "MailMessage:queue", queue_message, SL_AT_ANY | SL_IMPURE },
	{ "MIME:queue", queue, SL_AT_MESSAGE | SL_IMPURE },
	{ "MIME:send", send_, SL_AT_MESSAGE | SL_IMPURE },
	{ NULL, NULL, 0 },
};
