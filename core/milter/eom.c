/*
 * A message as it is put together again, and its end: what the policy decided
 * goes to the mail server as changes and one reply.
 */
#include "server_private.h"

#include <stdio.h>
#include <string.h>

/* ---- the message ----------------------------------------------------------- */

void
sl_milter_transaction_reset(struct sl_milter_session *s)
{
	size_t i;

	sl_timer_stop(&s->progress);
	if (s->policy != NULL)
		sl_session_reset(s->policy);
	sl_message_unref(s->message);
	s->message = NULL;
	sl_spool_clear(&s->spool);
	for (i = 0; i < s->npaths; i++)
		sl_free(s->paths[i]);
	s->npaths = 0;
	sl_free(s->asked);
	s->asked = NULL;
	s->nfields = 0;
	s->unusable = NULL;
	s->no_memory = false;
	s->waiting = false;
	if (s->state > SL_MILTER_CONNECTED)
		s->state = SL_MILTER_CONNECTED;
}

void
sl_milter_message_begin(struct sl_milter_session *s)
{
	sl_spool_init(&s->spool, s->service->o.spool, s->service->o.size);
}

int
sl_milter_message_field(struct sl_milter_session *s, struct sl_str data, struct sl_err *err)
{
	bool spaced = (s->agreed.steps & SL_MILTER_LEADING_SPACE) != 0;
	int rc;

	sl_buf_reset(&s->field);
	rc = sl_milter_field_parse(&s->field, data, spaced, err);
	if (rc == SL_ERR_SYNTAX)
		return rc;
	if (rc == SL_ERR_REFUSED)
		s->unusable = "Malformed header";
	else if (rc != 0)
		s->no_memory = true;
	if (rc != 0)
		return 0;
	s->nfields++;
	sl_spool_put(&s->spool, s->field.p, s->field.n);
	return 0;
}

void
sl_milter_message_body(struct sl_milter_session *s, struct sl_str bytes)
{
	if (bytes.n > 0)
		sl_spool_put(&s->spool, bytes.p, bytes.n);
}

/* ---- changes ----------------------------------------------------------------- */

static int
need(const struct sl_milter_session *s, uint32_t action, const char *what, struct sl_err *err)
{
	if ((s->agreed.actions & action) != 0)
		return 0;
	return sl_err_set(err, SL_ERR_REFUSED, "the mail server lets no milter %s", what);
}

static int
put_field(const struct sl_milter_session *s, const struct sl_field_change *c, struct sl_buf *out,
    struct sl_err *err)
{
	bool spaced = (s->agreed.steps & SL_MILTER_LEADING_SPACE) != 0, adds = c->edit == SL_EDIT_INSERT;
	enum sl_milter_reply reply = !adds ? SL_MILTER_CHANGE_FIELD :
	    c->last ? SL_MILTER_ADD_FIELD : SL_MILTER_INSERT_FIELD;
	int rc = adds ? need(s, SL_MILTER_ADDS_FIELDS, "add header fields", err) :
	    need(s, SL_MILTER_CHANGES_FIELDS, "change header fields", err);

	/* 0 is above the mail server's own Received; what it got from the client begins at 1. */
	if (rc == 0)
		rc = sl_milter_put_field(out, reply, (uint32_t)(adds ? c->index + 1 : c->index), c->name,
		    c->value, spaced, err);
	return rc;
}

static void
put_path(struct sl_buf *out, enum sl_milter_reply reply, const char *address)
{
	struct sl_buf path = SL_BUF_INIT;

	if (sl_buf_printf(&path, "<%s>", address) != 0)
		out->failed = true;
	sl_milter_put_string(out, reply, sl_buf_str(&path));
	sl_buf_clear(&path);
}

static int
put_envelope(const struct sl_milter_session *s, const struct sl_changes *c, struct sl_buf *out,
    struct sl_err *err)
{
	size_t i;

	if ((c->sender != NULL && need(s, SL_MILTER_CHANGES_FROM, "change the sender", err) != 0) ||
	    (c->nadded > 0 && need(s, SL_MILTER_ADDS_RCPTS, "add recipients", err) != 0) ||
	    (c->nremoved > 0 && need(s, SL_MILTER_DELETES_RCPTS, "remove recipients", err) != 0) ||
	    (c->quarantine != NULL && need(s, SL_MILTER_QUARANTINES, "quarantine", err) != 0))
		return err->code;
	if (c->sender != NULL)
		put_path(out, SL_MILTER_CHANGE_FROM, c->sender);
	for (i = 0; i < c->nadded; i++)
		put_path(out, SL_MILTER_ADD_RCPT, c->added[i]);
	for (i = 0; i < c->nremoved; i++)
		sl_milter_put_string(out, SL_MILTER_DELETE_RCPT, sl_str_of(s->paths[c->removed[i]]));
	if (c->quarantine != NULL)
		sl_milter_put_string(out, SL_MILTER_QUARANTINE, sl_str_of(c->quarantine));
	return 0;
}

/* In packets as large as the mail server takes them; an empty body is one that is empty. */
static int
put_body(const struct sl_milter_session *s, struct sl_str body, struct sl_buf *out, struct sl_err *err)
{
	int rc = need(s, SL_MILTER_CHANGES_BODY, "change the body", err);
	size_t n;

	while (rc == 0) {
		n = body.n < SL_MILTER_MAX_REPLY - 1 ? body.n : SL_MILTER_MAX_REPLY - 1;
		sl_milter_put_bytes(out, SL_MILTER_REPLACE_BODY, sl_str_sub(body, 0, n));
		body = sl_str_sub(body, n, body.n);
		if (body.n == 0)
			break;
	}
	return rc;
}

static int
put_changes(const struct sl_milter_session *s, const struct sl_changes *c, struct sl_buf *out,
    struct sl_err *err)
{
	size_t i;
	int rc;

	if (c->discard) {
		sl_milter_put(out, SL_MILTER_DISCARD);
		return 0;
	}
	for (i = 0; i < c->nfields; i++)
		if ((rc = put_field(s, &c->fields[i], out, err)) != 0)
			return rc;
	if ((rc = put_envelope(s, c, out, err)) != 0)
		return rc;
	if (c->body != NULL && (rc = put_body(s, *c->body, out, err)) != 0)
		return rc;
	sl_milter_put(out, SL_MILTER_CONTINUE);
	return 0;
}

/* ---- the end ------------------------------------------------------------------- */

/* The reply is made: the mail server may go on with the next message. */
static void
finish(struct sl_milter_session *s)
{
	sl_milter_transaction_reset(s);
	sl_milter_macros_forget(&s->macros, SL_MILTER_MAIL);
	sl_milter_session_go_on(s);
}

static void
answer(struct sl_milter_session *s, int code, const char *enhanced, const char *text)
{
	sl_milter_reply_text(s, code, enhanced, text);
	finish(s);
}

static void
count(struct sl_milter_session *s, const struct sl_outcome *o)
{
	struct sl_milter_counters *c = &s->server->counters;

	c->messages++;
	if (o->changes == NULL)
		*(o->verdict->code >= 500 ? &c->rejected : &c->deferred) += 1;
	else if (o->changes->discard)
		c->discarded++;
	else if (o->changes->quarantine != NULL)
		c->quarantined++;
}

/* A Quarantine that rejects is one that accepts here: what is refused isn't kept. */
static void
on_outcome(void *arg, const struct sl_outcome *o)
{
	struct sl_milter_session *s = arg;
	struct sl_buf out = SL_BUF_INIT;
	struct sl_err err;
	char text[128];

	count(s, o);
	if (o->changes == NULL) {
		sl_milter_reply_verdict(s, o->verdict);
	} else if (put_changes(s, o->changes, &out, &err) == 0) {
		sl_milter_send(s, &out);
	} else {
		sl_buf_clear(&out);
		sl_event(s->server->o.events, SL_ERROR, "changes_failed", SL_FIELDS(
		    SL_F_TEXT("id", o->verdict->id), SL_F_TEXT("error", err.text)));
		snprintf(text, sizeof(text), "Local policy error (%s)", o->verdict->id);
		sl_milter_reply_text(s, 451, "4.3.0", text);
	}
	finish(s);
}

static void
on_progress(struct sl_timer *timer)
{
	struct sl_milter_session *s = sl_list_entry(timer, struct sl_milter_session, progress);

	sl_timer_start(s->server->o.loop, timer, s->service->o.progress_ms, on_progress);
	sl_milter_reply(s, SL_MILTER_PROGRESS);
}

static void
ask_policy(struct sl_milter_session *s)
{
	if (sl_session_message(s->policy, s->message, on_outcome, s) != 0) {
		answer(s, 451, "4.3.0", "Out of resources");
		return;
	}
	s->waiting = true;
	sl_timer_start(s->server->o.loop, &s->progress, s->service->o.progress_ms, on_progress);
}

static void
message_lost(struct sl_milter_session *s, const struct sl_err *err)
{
	bool bad = err->code == SL_ERR_LIMIT || err->code == SL_ERR_SYNTAX;

	sl_event(s->server->o.events, bad ? SL_INFO : SL_ERROR, "message_unusable", SL_FIELDS(
	    SL_F_TEXT("session", sl_session_id(s->policy)), SL_F_TEXT("error", err->text)));
	if (bad)
		answer(s, 550, "5.6.0", "Header too large");
	else
		answer(s, 451, "4.3.0", "The message can't be kept now");
}

void
sl_milter_message_end(struct sl_milter_session *s)
{
	struct sl_err err = { 0 };

	if (s->no_memory)
		answer(s, 451, "4.3.1", "Out of memory");
	else if (s->npaths == 0)
		answer(s, 451, "4.3.0", "No recipients");
	else if (s->unusable != NULL)
		answer(s, 550, "5.6.0", s->unusable);
	else if (s->spool.over)
		answer(s, 552, "5.3.4", "Message too large");
	else if (sl_spool_finish(&s->spool, &s->message, &err) != 0)
		message_lost(s, &err);
	else if (s->message->nfields != s->nfields)
		answer(s, 550, "5.6.0", "Malformed header");
	else
		ask_policy(s);
}
