/*
 * Final actions: what a flow decides. Each stores its decision with the
 * context and ends the run; none of them does anything itself.
 */
#include <string.h>

#include "../../core/engine/builtin.h"
#include "../../core/engine/value.h"
#include "../../core/policy/context.h"
#include "../../core/policy/transaction.h"
#include "../address/envelope.h"

#define MAX_DELAY	(30.0 * 86400)
#define MAX_LINES	20

/* ---- helpers --------------------------------------------------------- */

static struct sl_decision *
decide(lua_State *L, enum sl_action action)
{
	return sl_context_decide(sl_context_of(L), action);
}

/* The line lives on as a C string: a NUL in it is a control byte like others. */
static const char *
keep_line(lua_State *L, struct sl_str s)
{
	char *copy = sl_arena_strndup(sl_context_of(L)->arena, s.p, s.n), *nul;

	if (copy == NULL)
		luaL_error(L, "out of memory");
	while ((nul = memchr(copy, '\0', s.n)) != NULL)
		*nul = ' ';
	return copy;
}

/* A reason is a string or a list of lines. A line end in a string isn't a reply's, but in HSL
 * the string has several lines then. */
static void
take_reason(lua_State *L, int arg, struct sl_decision *d)
{
	struct sl_str text, line;
	const char **lines;
	size_t i, n = 0;

	if (!sl_arg_given(L, arg))
		return;
	lines = sl_arena_alloc(sl_context_of(L)->arena, MAX_LINES * sizeof(*lines));
	if (lines == NULL)
		luaL_error(L, "out of memory");
	if (lua_istable(L, arg)) {
		for (i = 0; sl_each(L, arg, &i); lua_pop(L, 2))
			if (n < MAX_LINES)
				lines[n++] = keep_line(L, sl_arg_string(L, lua_gettop(L)));
	} else if (sl_is_hsl(L)) {
		text = sl_str_trim(sl_arg_string(L, arg));
		while (n < MAX_LINES && sl_str_split(&text, '\n', &line))
			lines[n++] = keep_line(L, sl_str_trim(line));
	} else {
		lines[n++] = keep_line(L, sl_arg_string(L, arg));
	}
	d->lines = n > 0 ? lines : NULL;
	d->nlines = n;
}

/* RFC 3463: class.subject.detail; the class is the reply's first digit. */
static bool
is_enhanced(struct sl_str s, int code)
{
	struct sl_str part;
	uint64_t n;
	int parts = 0;

	if (s.n < 5 || s.p[0] != '0' + code / 100)
		return false;
	while (sl_str_split(&s, '.', &part)) {
		if (!sl_str_u64(part, &n) || n > 999)
			return false;
		parts++;
	}
	return parts == 3;
}

/* "5.7.1", or its three numbers as a list. */
static struct sl_str
enhanced_option(lua_State *L, int arg)
{
	int top = lua_gettop(L), part[3], i;

	if (!sl_opt_push(L, arg, "enhanced") || !lua_istable(L, top + 1)) {
		lua_settop(L, top);
		return sl_opt_string(L, arg, "enhanced", NULL);
	}
	for (i = 0; i < 3; i++) {
		if (!sl_list_get(L, top + 1, (size_t)i + 1) || lua_type(L, -1) != LUA_TNUMBER)
			luaL_error(L, "option \"enhanced\": a list of three numbers, or \"5.7.1\"");
		part[i] = (int)sl_arg_number(L, lua_gettop(L), 0, 999);
	}
	lua_settop(L, top);
	return sl_str_of(lua_pushfstring(L, "%d.%d.%d", part[0], part[1], part[2]));
}

/* The options "code" and "enhanced", of replies that begin with first / 100. */
static void
take_codes(lua_State *L, int arg, struct sl_decision *d, int first, const struct sl_reply *usual)
{
	struct sl_str enhanced;

	d->code = (int)sl_opt_number(L, arg, "code", first, first + 99, usual->code);
	enhanced = enhanced_option(L, arg);
	if (enhanced.p == NULL)
		return;
	if (!is_enhanced(enhanced, d->code))
		luaL_error(L, "option \"enhanced\": \"%s\" is not an enhanced status code "
		    "of class %d (RFC 3463)", enhanced.p, d->code / 100);
	d->enhanced = sl_keep(L, enhanced);
}

/* The option "reply_codes", a table of both; true = it is there. */
static bool
take_reply_codes(lua_State *L, int arg, struct sl_decision *d, int first, const struct sl_reply *usual)
{
	static const char *const names[] = { "code", "enhanced", NULL };

	if (!sl_opt_push(L, arg, "reply_codes"))
		return false;
	sl_arg_table(L, lua_gettop(L));
	sl_options(L, lua_gettop(L), names);
	take_codes(L, lua_gettop(L), d, first, usual);
	return true;
}

static void
take_reply_options(lua_State *L, int arg, struct sl_decision *d, int first)
{
	static const char *const names[] = { "code", "enhanced", "disconnect", "reply_codes", NULL };
	const struct sl_reply *reply = sl_phase_reply(sl_context_of(L)->phase, d->action);

	sl_options(L, arg, names);
	if (!take_reply_codes(L, arg, d, first, reply))
		take_codes(L, arg, d, first, reply);
	d->disconnect = sl_opt_bool(L, arg, "disconnect", false);
}

static void
take_reason_option(lua_State *L, int arg, struct sl_decision *d)
{
	if (sl_opt_push(L, arg, "reason"))
		take_reason(L, lua_gettop(L), d);
}

/* ---- Accept, Reject, Defer -------------------------------------------- */

static void
check_phase(lua_State *L, const char *name, enum sl_phase phase)
{
	if (sl_context_of(L)->phase != phase)
		luaL_error(L, "option \"%s\" is one of %s", name, sl_phase_name(phase));
}

/* Where another mail server has the envelope, it stays as it is. */
static void
check_envelope_option(lua_State *L, const char *name, enum sl_phase phase)
{
	check_phase(L, name, phase);
	if (!sl_session_is_gateway(sl_context_of(L)->session))
		luaL_error(L, "option \"%s\": the mail server has the envelope; change it in data", name);
}

static void
take_username(lua_State *L, int arg, struct sl_decision *d)
{
	struct sl_str username = sl_opt_string(L, arg, "username", NULL);

	if (username.p == NULL)
		return;
	check_phase(L, "username", SL_AUTH);
	if (username.n == 0)
		luaL_error(L, "option \"username\": an empty name is nobody's");
	d->username = sl_keep(L, username);
}

static void
take_envelope(lua_State *L, int arg, struct sl_decision *d)
{
	struct sl_str transport = sl_opt_string(L, arg, "transportid", NULL);
	struct sl_address a;

	if (sl_opt_address(L, arg, "sender", true, &a)) {
		check_envelope_option(L, "sender", SL_MAILFROM);
		d->address = sl_keep(L, sl_str_of(a.address));
	}
	if (sl_opt_address(L, arg, "recipient", false, &a)) {
		check_envelope_option(L, "recipient", SL_RCPTTO);
		d->address = sl_keep(L, sl_str_of(a.address));
	}
	if (transport.p != NULL) {
		check_envelope_option(L, "transportid", SL_RCPTTO);
		d->transport = sl_known_transport(L, transport);
	}
}

/*lua
Accept what the phase asks about, and end the flow.

In `rcptto` this accepts within the relay table and never extends it; who is accepted as another
recipient was allowed to be sent to as the one who was asked about. Addresses are texts, or tables
of localpart and domain.

@param options? table  reason (text of the reply), reply_codes (code and enhanced of it), username (auth: who logged in), sender (mailfrom: what it is from now on), recipient and transportid (rcptto: whom it goes to, and by which transport)

    Accept()
    Accept{ reason = "Welcome" }
*/
static int
action_accept(lua_State *L)
{
	static const char *const names[] = { "reason", "reply_codes", "username", "sender", "recipient",
	    "transportid", NULL };
	struct sl_decision *d = decide(L, SL_ACCEPT);

	sl_options(L, 1, names);
	take_reply_codes(L, 1, d, 200, sl_phase_reply(sl_context_of(L)->phase, SL_ACCEPT));
	take_reason_option(L, 1, d);
	take_username(L, 1, d);
	take_envelope(L, 1, d);
	return sl_end(L);
}

/*lua
Refuse for good (5xx), and end the flow.

A reply never fails for its text: control bytes become spaces and lines are cut
at 450 bytes.

@param reason? string|string[]  text of the reply; a list gives several lines, in HSL line ends in it too
@param options? table  code (550), enhanced ("5.7.1", or { 5, 7, 1 }), disconnect (false), reply_codes (a table of code and enhanced)

    Reject("No such user here", { code = 550, enhanced = "5.1.1" })
*/
static int
action_reject(lua_State *L)
{
	struct sl_decision *d = decide(L, SL_REJECT);

	take_reason(L, 1, d);
	take_reply_options(L, 2, d, 500);
	return sl_end(L);
}

/*lua
Refuse for now (4xx), so that the client tries again, and end the flow.

@param reason? string|string[]  text of the reply; a list gives several lines, in HSL line ends in it too
@param options? table  code (451), enhanced ("4.7.1", or { 4, 7, 1 }), disconnect (false), reply_codes (a table of code and enhanced)

    Defer("Signing key not available, try again later")
*/
static int
action_defer(lua_State *L)
{
	struct sl_decision *d = decide(L, SL_DEFER);

	take_reason(L, 1, d);
	take_reply_options(L, 2, d, 400);
	return sl_end(L);
}

/* ---- Deliver, Quarantine, Delete, Done -------------------------------- */

static void
recipient_option(lua_State *L, int arg, struct sl_draft *draft)
{
	struct sl_address a;

	if (!sl_opt_address(L, arg, "recipient", false, &a))
		return;
	draft->recipient = sl_keep(L, sl_str_of(a.address));
	draft->recipientdomain = sl_keep(L, sl_str_of(a.domain));
}

static void
delivery_options(lua_State *L, int arg, struct sl_draft *draft)
{
	struct sl_str transport = sl_opt_string(L, arg, "transportid", NULL);
	const char *metadata = sl_opt_metadata(L, arg);

	recipient_option(L, arg, draft);
	if (transport.p != NULL)
		draft->transport = sl_known_transport(L, transport);
	if (metadata != NULL)
		draft->metadata = metadata;
}

static void
choose(lua_State *L, const struct sl_draft *draft, const char *quarantine, bool rejects)
{
	if (sl_context_choose(sl_context_of(L), draft, quarantine, rejects) != 0)
		luaL_error(L, "out of memory");
}

static int
deliver_message(lua_State *L)
{
	static const char *const names[] = { "recipient", "transportid", "metadata", "delay",
	    "done", "queue", "reason", "reply_codes", NULL };
	struct sl_context *ctx = sl_context_of(L);
	struct sl_draft draft = *ctx->draft;
	struct sl_decision *d;

	sl_options(L, 1, names);
	if (!sl_opt_bool(L, 1, "queue", true))
		luaL_error(L, "option \"queue\": every delivery is queued, false isn't possible");
	delivery_options(L, 1, &draft);
	draft.delay = sl_opt_number(L, 1, "delay", 0, MAX_DELAY, draft.delay);
	choose(L, &draft, NULL, false);
	if (!sl_opt_bool(L, 1, "done", true))
		return 0;
	d = decide(L, SL_DELIVER);
	take_reply_codes(L, 1, d, 200, sl_phase_reply(SL_DATA, SL_DELIVER));
	take_reason_option(L, 1, d);
	return sl_end(L);
}

static int
deliver_elsewhere(lua_State *L)
{
	struct sl_str transport = sl_arg_opt_string(L, 2, NULL);
	struct sl_draft draft = { 0 };
	struct sl_decision *d;
	struct sl_address a;
	struct sl_err err;

	if (sl_address_parse(&a, sl_arg_string(L, 1), &err) != 0)
		return sl_arg_error(L, 1, err.text);
	draft.recipient = sl_keep(L, sl_str_of(a.address));
	draft.transport = transport.p != NULL ? sl_known_transport(L, transport) : NULL;
	d = decide(L, SL_DELIVER);
	d->recipient = draft.recipient;
	d->transport = draft.transport;
	return sl_end(L);
}

/*lua
Deliver the message to the recipient of this run, and end the flow.

What is delivered is the message as this run edited it. With `done = false` the
script goes on: a copy. In `postdelivery`, `Deliver(recipient, transportid)`
sends the message on to another recipient.

@param options? table  recipient, transportid, metadata, delay (seconds, 0), done (true), queue (true, and nothing else), reason (text of the reply), reply_codes (code and enhanced of it)
@overload (recipient: string, transportid?: string)

    Deliver{ delay = 60, metadata = { customer = "42" } }
*/
static int
action_deliver(lua_State *L)
{
	if (sl_context_of(L)->phase == SL_POSTDELIVERY)
		return deliver_elsewhere(L);
	return deliver_message(L);
}

/* What is one recipient's has no meaning in eod. */
static void
refuse_option(lua_State *L, int arg, const char *name)
{
	if (sl_opt_push(L, arg, name))
		luaL_error(L, "option \"%s\" is one of data", name);
	lua_pop(L, 1);
}

/*lua
Keep the message in a quarantine instead of delivering it, and end the flow.

With `reject = true` (the default) the client hears a rejection although a copy
is kept; nothing of it is delivered without a release. In `eod` it is kept for all
recipients, without `recipient` and `done`.

@param quarantineid string  a name of `quarantine` in sluice.lua
@param options? table  recipient, transportid, metadata, done (true), reject (true), reason, reply_codes (code and enhanced of the reply)

    Quarantine("spam", { reject = false })
*/
static int
action_quarantine(lua_State *L)
{
	static const char *const names[] = { "recipient", "transportid", "metadata", "done",
	    "reject", "reason", "reply_codes", NULL };
	struct sl_context *ctx = sl_context_of(L);
	struct sl_str name = sl_arg_string(L, 1);
	struct sl_draft draft = *ctx->draft;
	struct sl_decision *d;
	const char *quarantine;
	bool rejects;

	if (sl_str_starts(name, SL_STR("mailquarantine:")))
		name = sl_str_sub(name, 15, name.n);
	quarantine = sl_keep(L, name);
	if (!sl_config_quarantine(sl_context_config(ctx), quarantine))
		return luaL_error(L, "quarantine \"%s\" is not in sluice.lua", quarantine);
	sl_options(L, 2, names);
	rejects = sl_opt_bool(L, 2, "reject", true);
	if (ctx->phase == SL_DATA) {
		delivery_options(L, 2, &draft);
		choose(L, &draft, quarantine, rejects);
		if (!sl_opt_bool(L, 2, "done", true))
			return 0;
	} else {
		refuse_option(L, 2, "recipient");
		refuse_option(L, 2, "done");
		delivery_options(L, 2, ctx->draft);
	}
	d = decide(L, SL_QUARANTINE);
	d->quarantine = quarantine;
	d->rejects = rejects;
	take_reply_codes(L, 2, d, rejects ? 500 : 200, sl_phase_reply(ctx->phase, rejects ? SL_REJECT : SL_QUARANTINE));
	take_reason_option(L, 2, d);
	return sl_end(L);
}

static void
no_options(lua_State *L)
{
	static const char *const names[] = { NULL };

	sl_options(L, 1, names);
}

/*lua
Accept the message and drop it, and end the flow. The client hears success.

@param options? table  none is known

    Delete()
*/
static int
action_delete(lua_State *L)
{
	no_options(L);
	decide(L, SL_DELETE);
	return sl_end(L);
}

/*lua
End the flow with what was decided by `done = false`; without any such delivery
the message is deferred.

    Deliver{ recipient = "archive@example.org", done = false }
    Done()
*/
static int
action_done(lua_State *L)
{
	const struct sl_context *ctx = sl_context_of(L);

	decide(L, ctx->chosen == 0 ? SL_DEFER :
	    ctx->chosen_quarantine ? SL_QUARANTINE : SL_DELIVER);
	return sl_end(L);
}

/* ---- predelivery, postdelivery ----------------------------------------- */

/*lua
Put the attempt off, and end the flow.

@param delay number  seconds
@param options? table  reason (for the log), increment_retry (true): counts as an attempt

    Reschedule(60, { increment_retry = false })
*/
static int
action_reschedule(lua_State *L)
{
	static const char *const names[] = { "reason", "increment_retry", NULL };
	double delay = sl_arg_number(L, 1, 0, MAX_DELAY);
	struct sl_decision *d = decide(L, SL_RESCHEDULE);

	sl_options(L, 2, names);
	d->delay = delay;
	d->counted = sl_opt_bool(L, 2, "increment_retry", true);
	take_reason_option(L, 2, d);
	return sl_end(L);
}

/*lua
Try again later although the result says otherwise, and end the flow.

@param delay? number  seconds; the schedule's when not given

    Retry(600)
*/
static int
action_retry(lua_State *L)
{
	double delay = sl_arg_opt_number(L, 1, 0, MAX_DELAY, -1);

	decide(L, SL_RETRY)->delay = delay;
	return sl_end(L);
}

/*lua
Put the message back into the queue, and end the flow: what Reschedule does in `predelivery`, and
Retry in `postdelivery`.

@param options? table  delay (seconds; as Reschedule of 300, or by the schedule), reason (for the log), increment_retry (true; predelivery: counts as an attempt)

    Queue{ delay = 600, reason = "too many at once" }
*/
static int
action_queue(lua_State *L)
{
	static const char *const names[] = { "delay", "reason", "increment_retry", NULL };
	bool before = sl_context_of(L)->phase == SL_PREDELIVERY;
	struct sl_decision *d = decide(L, before ? SL_RESCHEDULE : SL_RETRY);

	sl_options(L, 1, names);
	d->delay = sl_opt_number(L, 1, "delay", 0, MAX_DELAY, before ? 300 : -1);
	d->counted = sl_opt_bool(L, 1, "increment_retry", true);
	if (!before && !d->counted)
		return luaL_error(L, "option \"increment_retry\" is one of predelivery");
	take_reason_option(L, 1, d);
	return sl_end(L);
}

/*lua
Leave to the server what becomes of the message, as at the end of a script without an action,
and end the flow.

    Default()
*/
static int
action_default(lua_State *L)
{
	decide(L, SL_NO_ACTION);
	return sl_end(L);
}

/*lua
Give up and send the sender a delivery status notification, and end the flow.

@param options? table  none is known

    GenerateDSN()
*/
static int
action_generate_dsn(lua_State *L)
{
	no_options(L);
	decide(L, SL_GENERATE_DSN);
	return sl_end(L);
}

#define SMTP_PHASES	(SL_AT_CONNECT | SL_AT_HELO | SL_AT_AUTH | SL_AT_MAILFROM | SL_AT_RCPTTO)

const struct sl_builtin sl_module_action[] = {
	{ "Accept", action_accept, SL_HEADER | SL_FINAL | SMTP_PHASES | SL_AT_EOD },
	{ "Allow", action_accept, SL_FINAL | SL_AT_CONNECT },
	{ "Block", action_reject, SL_FINAL | SL_AT_CONNECT },
	{ "Reject", action_reject, SL_HEADER | SL_FINAL | SMTP_PHASES | SL_AT_MESSAGE },
	{ "Defer", action_defer, SL_HEADER | SL_FINAL | SMTP_PHASES | SL_AT_MESSAGE },
	{ "Deliver", action_deliver, SL_HEADER | SL_FINAL | SL_AT_DATA | SL_AT_POSTDELIVERY },
	{ "Quarantine", action_quarantine, SL_HEADER | SL_FINAL | SL_AT_MESSAGE },
	{ "Delete", action_delete,
	    SL_HEADER | SL_FINAL | SL_AT_MESSAGE | SL_AT_PREDELIVERY | SL_AT_POSTDELIVERY },
	{ "Done", action_done, SL_HEADER | SL_FINAL | SL_AT_DATA },
	{ "Reschedule", action_reschedule, SL_FINAL | SL_AT_PREDELIVERY },
	{ "Retry", action_retry, SL_FINAL | SL_AT_POSTDELIVERY },
	{ "GenerateDSN", action_generate_dsn, SL_FINAL | SL_AT_POSTDELIVERY },
	{ "Bounce", action_generate_dsn, SL_FINAL | SL_AT_POSTDELIVERY },
	{ "Queue", action_queue, SL_FINAL | SL_AT_PREDELIVERY | SL_AT_POSTDELIVERY },
	{ "Default", action_default, SL_FINAL | SL_AT_POSTDELIVERY },
	{ NULL, NULL, 0 },
};
