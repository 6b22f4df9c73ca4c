/*
 * Whole messages as objects: a MailMessage, which is a MIMEPart and more. That of MIME("0") and
 * arguments.mail is judged, and what it changes is the run's draft, as other builtins' edits are;
 * one of a text has a draft of its own.
 */
#include "mailmessage.h"

#include <string.h>

#include "../../core/engine/builtin.h"
#include "../../core/engine/doors.h"
#include "../../core/engine/value.h"
#include "../../core/policy/body.h"
#include "../../core/policy/parts.h"
#include "../../core/policy/sign.h"
#include "../../core/policy/snapshot.h"

#define SIGN_STEPS	20000		/* what a signature costs, about */

/* ---- states ------------------------------------------------------------------ */

/*lua
Keep the message as it is now: its header, its body and the signatures asked for.

The envelope isn't part of it. A run keeps up to 32; they cost no copy of the body.

@return number id  for restore, in the same run

    local mail = MIME("0")
    local before = mail:snapshot()
    mail:setHeader("Subject", "[copy] " .. (GetHeader("Subject") or ""))
    mail:queue(sender, "archive@example.org")
    mail:restore(before)
*/
static int
snapshot(lua_State *L)
{
	unsigned id;
	int rc;

	sl_arg_object(L, 1, SL_MAIL_CLASS);
	rc = sl_snapshot_take(sl_part_mail(L, 1), sl_part_draft(L, 1), &id);
	if (rc == SL_ERR_LIMIT)
		return luaL_error(L, "more than %d snapshots", SL_SNAPSHOT_MAX);
	if (rc != 0)
		return luaL_error(L, "out of memory");
	sl_number(L, id);
	return 1;
}

/*lua
Make the message again what it was when snapshot gave that number.

@param id number
@return boolean restored  false: this run took no such snapshot

    local id = MIME("0"):snapshot()
    assert(MIME("0"):restore(id) and not MIME("0"):restore(id + 1))
*/
static int
restore(lua_State *L)
{
	double id = sl_arg_number(L, 2, 0, 4294967295.0);
	int rc;

	sl_arg_object(L, 1, SL_MAIL_CLASS);
	rc = sl_snapshot_restore(sl_part_mail(L, 1), sl_part_draft(L, 1), (unsigned)id);
	if (rc == SL_ERR_NOMEM)
		return luaL_error(L, "out of memory");
	sl_bool(L, rc == 0);
	return 1;
}

/* How many changes; false for none in Lua, where 0 is true. */
static int
undo_all(lua_State *L, int arg)
{
	size_t n;

	if (sl_snapshot_reset(sl_part_mail(L, arg), sl_part_draft(L, arg), &n) != 0)
		return luaL_error(L, "out of memory");
	if (n > 0 || sl_is_hsl(L))
		sl_number(L, (double)n);
	else
		sl_bool(L, false);
	return 1;
}

/*lua
Undo all changes of the message: it is what was received, without signatures. In `data` the
changes of `eod` are undone too. Sender, recipient and metadata stay.

What stays away is an Authentication-Results field in our name that a stranger wrote.

@return number|false changes  how many were undone; false: none

    MIME("0"):reset()
*/
static int
reset(lua_State *L)
{
	sl_arg_object(L, 1, SL_MAIL_CLASS);
	return undo_all(L, 1);
}

/*lua
Undo all changes of the message, as MailMessage's reset does: the name of 2016.

@return number|false changes  how many were undone; false: none

    DiscardMailDataChanges()
*/
static int
discard_changes(lua_State *L)
{
	return undo_all(L, 0);
}

/* ---- bytes ------------------------------------------------------------------- */

/* Lines end by CRLF: what is put in can't make others of a message for who reads it. */
static bool
has_whole_lines(struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\0' || (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r')))
			return false;
		if (s.p[i] == '\r' && (i + 1 == s.n || s.p[i + 1] != '\n'))
			return false;
	}
	return true;
}

/* Between the two bytes of a line's end. */
static bool
is_in_crlf(struct sl_str all, size_t at)
{
	return at > 0 && at < all.n && all.p[at - 1] == '\r' && all.p[at] == '\n';
}

static void
check_place(lua_State *L, const struct sl_message *m, size_t start, size_t count)
{
	size_t body = (size_t)(m->body.p - m->bytes.p);

	if (start < body)
		luaL_error(L, "byte %I is in the header, which setHeader and the like change",
		    (LUAI_UACINT)start);
	if (start > m->bytes.n || count > m->bytes.n - start)
		luaL_error(L, "the message has %I bytes", (LUAI_UACINT)m->bytes.n);
	if (is_in_crlf(m->bytes, start) || is_in_crlf(m->bytes, start + count))
		luaL_error(L, "a line's end (CR LF) is changed as a whole or not at all");
}

/*lua
Replace bytes of the body by others, whatever they mean.

Places are those of the message as it was received, header included, from 0. Lines of `data` end
by CR LF.

@param start number       where, not in the header
@param count number       how many bytes are replaced; 0: `data` is put in
@param data string
@return MailMessage? self  none: an earlier change replaced what is around

    local mail = MIME("0")
    mail:modifyContent(messagesize, 0, "\r\nSeen by example.org\r\n")
*/
static int
modify_content(lua_State *L)
{
	const struct sl_mail *mail;
	struct sl_draft *draft;
	size_t start, count;
	struct sl_str data = sl_arg_string(L, 4);
	struct sl_body *body;
	int rc;

	sl_arg_object(L, 1, SL_MAIL_CLASS);
	mail = sl_part_mail(L, 1);
	draft = sl_part_draft(L, 1);
	start = (size_t)sl_arg_number(L, 2, 0, 1e15);
	count = (size_t)sl_arg_number(L, 3, 0, 1e15);
	check_place(L, mail->message, start, count);
	sl_charge(L, data.n / 8 + (draft->body != NULL ? draft->body->n : 0));
	if (!has_whole_lines(data))
		return sl_arg_error(L, 4, "lines that end by CR LF expected, without NUL");
	rc = sl_body_splice(mail->arena, draft->body, start, start + count, data,
	    count == 0 ? SL_INSERT : SL_REPLACE, &body);
	if (rc == SL_ERR_LIMIT)
		return luaL_error(L, "more than %d changes of one message, or too large ones",
		    SL_BODY_MAX_SPLICES);
	lua_settop(L, 1);
	if (rc == 0)
		draft->body = body;
	else
		sl_none(L);
	return 1;
}

/* What writing the message costs, about. */
static uint64_t
steps_of(const struct sl_mail *mail, const struct sl_draft *draft)
{
	uint64_t bytes = mail->message->bytes.n, signatures = 0;

	for (size_t i = 0; draft->body != NULL && i < draft->body->n; i++)
		bytes += draft->body->splice[i].bytes.n;
	for (const struct sl_sign_request *r = draft->signs; r != NULL; r = r->next)
		signatures++;
	return bytes / 8 + signatures * SIGN_STEPS;
}

struct sl_buf *
sl_mail_text(lua_State *L, int arg)
{
	struct sl_mail *mail = sl_part_mail(L, arg);
	struct sl_draft draft = *sl_part_draft(L, arg);
	struct sl_buf *text;
	struct sl_err err;
	int64_t now = 0;

	if (sl_part_is_judged(L, arg))
		draft.signs = NULL;		/* made when it leaves */
	if (draft.signs != NULL)
		now = sl_run_time(L) / 1000000;
	sl_charge(L, steps_of(mail, &draft));
	text = sl_scratch(L);
	if (sl_sign_write(mail, &draft, now, text, &err) != 0)
		luaL_error(L, "%s", err.text);
	return text;
}

/*lua
The message as it is now, with all edits. Of one made of a text with the signatures that were asked
for, of the one that is judged before signatures: those are made when it leaves.

@return string text

    local size = #MIME("0"):toString()
*/
static int
to_string(lua_State *L)
{
	sl_arg_object(L, 1, SL_MAIL_CLASS);
	sl_string(L, sl_buf_str(sl_mail_text(L, 1)));
	return 1;
}

/* ---- messages of texts -------------------------------------------------------- */

/*lua
Make a message of a text: one that a report or a forward has attached, one that was fetched, one for
the test of a function that takes a message.

It is read, changed and written as the one that is judged, which it has nothing to do with, and lives
as long as the run. verifyDKIM looks at its own signatures; toString and queue have those that
signDKIM asked for; queue makes a new message of it. Lines end by CR LF, as in mail; a text that has
none, as scripts and files write it, gets them in the place of its LFs. At most 32 MB, a header as
the server takes it (1000 fields, 1 MB), 1000 messages in one run.

@param data string            header, empty line, body
@return MailMessage? message  none: larger than that
@return string? err
@return string? code          "limit"

    -- the message that somebody complains of, in a report of theirs (RFC 5965)
    for _, part in ipairs(MIME("0"):findByType("message/rfc822")) do
      local message = MailMessage.String(part:getBody())
      local id = message and message:getHeader("Message-ID")
      if id then syslog("notice", "complaint about " .. id) end
    end
*/
static int
of_text(lua_State *L)
{
	struct sl_err err;

	if (sl_part_of_text(L, 1, &err) != 0)
		return sl_fail_err(L, &err);
	return 1;
}

const struct sl_builtin sl_module_mailmessage[] = {
	{ "MailMessage.String", of_text, SL_AT_ANY },
	{ "MailMessage:snapshot", snapshot, SL_AT_ANY },
	{ "MailMessage:restore", restore, SL_AT_ANY },
	{ "MailMessage:reset", reset, SL_AT_ANY },
	{ "MailMessage:modifyContent", modify_content, SL_AT_ANY },
	{ "MailMessage:toString", to_string, SL_AT_ANY | SL_IMPURE },
	{ "DiscardMailDataChanges", discard_changes, SL_AT_MESSAGE },
	{ NULL, NULL, 0 },
};
