/*
 * End of data: what the engine checks itself (From, sender_login), the eod
 * flow, the data flow of each recipient in RCPT order, and the one reply.
 *
 * Nothing is to be stored unless the reply is 2xx, new messages of scripts
 * neither; the exception is a Quarantine that rejects, whose copy is kept when
 * the reply is 5xx.
 */
#include <stdio.h>
#include <string.h>

#include "../auth/authres.h"
#include "changes.h"
#include "engine.h"
#include "flow.h"
#include "made.h"
#include "record.h"
#include "relay.h"
#include "snapshot.h"
#include "transaction.h"

#define MAX_MSGID	255	/* bytes of a Message-ID in events */
#define MAX_FROM	100	/* mailboxes looked at in a From field */

static void next_recipient(struct sl_transaction *t);

/* ---- the outcome ----------------------------------------------------- */

/* The Message-ID that was received, for who looks for it in logs. */
static void
find_msgid(const struct sl_message *m, struct sl_buf *out)
{
	for (size_t i = 0; i < m->nfields; i++) {
		if (!sl_str_ieq(m->fields[i].name, SL_STR("Message-ID")))
			continue;
		sl_field_unfold(out, sl_str_sub(m->fields[i].value, 0, MAX_MSGID));
		return;
	}
}

static void
tell_outcome(struct sl_transaction *t)
{
	const struct sl_verdict *v = &t->verdict;
	struct sl_buf msgid = SL_BUF_INIT;

	if (!sl_event_wanted(t->session->engine->events, SL_INFO))
		return;
	find_msgid(t->mail.message, &msgid);
	sl_event(t->session->engine->events, SL_INFO, "message", SL_FIELDS(
	    SL_F_TEXT("id", t->id),
	    SL_F_TEXT("action", sl_action_name(v->action)),
	    SL_F_INT("code", v->code),
	    SL_F_TEXT("text", v->nlines > 0 ? v->lines[0] : ""),
	    SL_F_TEXT("sender", t->sender),
	    SL_F_TEXT("headerfrom", t->headerfrom),
	    SL_F_INT("recipients", t->nrcpts),
	    SL_F_INT("size", t->mail.message->bytes.n),
	    SL_F_INT("stored", t->outcome.n),
	    SL_F_TEXT("senderip", t->session->senderip),
	    SL_F_TEXT("session", t->session->id),
	    SL_F_STR("msgid", sl_buf_str(&msgid)),
	    t->queueid != NULL ? SL_F_TEXT("queueid", t->queueid) : SL_F_END));
	sl_buf_clear(&msgid);
}

static int
add_fact(json_t *facts, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return 0;
	return json_object_set_new(facts, name, json_string(value));
}

/* What later phases know of the connection. */
static const char *
queue_facts(struct sl_transaction *t)
{
	const struct sl_session *s = t->session;
	json_t *facts = json_object();
	char *text = NULL;
	const char *out;

	if (facts == NULL)
		return NULL;
	if (add_fact(facts, "senderip", s->senderip) == 0 &&
	    add_fact(facts, "senderhelo", s->helo) == 0 &&
	    add_fact(facts, "serverip", s->serverip) == 0 &&
	    json_object_set_new(facts, "serverport", json_integer(s->serverport)) == 0 &&
	    add_fact(facts, "serverid", t->server->name) == 0 &&
	    add_fact(facts, "saslusername", s->saslusername) == 0)
		text = json_dumps(facts, JSON_COMPACT);
	json_decref(facts);
	out = text != NULL ? sl_arena_strndup(t->arena, text, strlen(text)) : NULL;
	free(text);
	return out;
}

static void
drop_chosen(struct sl_transaction *t, bool keep_rejecting_quarantine)
{
	struct sl_chosen **at = &t->chosen, *c;

	while ((c = *at) != NULL) {
		if (keep_rejecting_quarantine && c->quarantine != NULL && c->rejects) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		sl_head_free(c->draft.head);
	}
	t->chosen_end = at;
}

static void
commit_failed(struct sl_transaction *t, const struct sl_err *err)
{
	sl_event(t->session->engine->events, SL_ERROR,
	    err->code == SL_ERR_REFUSED ? "changes_failed" : "commit_failed", SL_FIELDS(
	    SL_F_TEXT("id", t->id), SL_F_TEXT("error", err->text)));
	t->session->call.phase = SL_DATA;
	sl_verdict_make_error(&t->verdict, &t->session->call);
	t->outcome.messages = NULL;
	t->outcome.n = 0;
	t->outcome.changes = NULL;
}

static int
commit(struct sl_transaction *t, struct sl_err *err)
{
	t->outcome.facts = queue_facts(t);
	if (t->outcome.facts == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	if (t->session->changes)
		return t->strongest.code < 300 || t->strongest.action == SL_QUARANTINE ?
		    sl_changes_make(t, err) : 0;
	return t->chosen != NULL || t->made != NULL ? sl_commit(t, err) : 0;
}

static void
conclude(struct sl_transaction *t)
{
	struct sl_session *s = t->session;
	struct sl_verdict *v = &t->verdict;
	sl_outcome_fn *fn = t->fn;
	struct sl_err err;

	*v = t->strongest;
	t->outcome.verdict = v;
	/* Who can't quarantine and reject at once keeps all of it: nothing may get lost then. */
	if (v->code >= 300 && !(s->changes && v->action == SL_QUARANTINE))
		drop_chosen(t, v->code >= 500);
	if (v->failed)
		sl_made_drop(t);
	else if (v->code >= 300)
		sl_made_refuse(t);
	if (commit(t, &err) != 0)
		commit_failed(t, &err);
	tell_outcome(t);
	sl_record_outcome(s, t);
	sl_call_end(s);
	fn(t->arg, &t->outcome);
}

/* ---- data ------------------------------------------------------------ */

static unsigned
rank(enum sl_action action)
{
	switch (action) {
	case SL_REJECT:
		return 5;
	case SL_DEFER:
		return 4;
	case SL_QUARANTINE:
		return 3;
	case SL_DELETE:
		return 2;
	default:
		return 1;
	}
}

/* Keeps the strongest verdict, of the first recipient that has it. */
static void
combine(struct sl_transaction *t, const struct sl_verdict *v)
{
	if (t->judged && rank(v->action) <= rank(t->strongest.action))
		return;
	t->judged = true;
	t->strongest = *v;
	t->strongest.where = sl_arena_strndup(t->arena, v->where, strlen(v->where));
	if (t->strongest.where == NULL)
		t->strongest.where = "";
}

static void
data_done(struct sl_context *ctx, struct sl_verdict *v)
{
	struct sl_transaction *t = ctx->transaction;

	combine(t, v);
	sl_head_free(t->draft.head);
	t->draft.head = NULL;
	t->current++;
	next_recipient(t);
}

static int
begin_draft(struct sl_transaction *t, const struct sl_rcpt *r)
{
	sl_snapshots_drop(&t->mail);
	t->draft = t->base;
	t->draft.head = sl_head_copy(t->base.head);
	t->draft.recipient = r->address;
	t->draft.recipientdomain = r->domain;
	t->draft.transport = r->transport;
	return t->draft.head != NULL ? 0 : SL_ERR_NOMEM;
}

static void
next_recipient(struct sl_transaction *t)
{
	struct sl_context *ctx = &t->session->call;
	const struct sl_rcpt *r;

	while (t->current < t->nrcpts && t->rcpts[t->current].queued)
		t->current++;
	if (t->current == t->nrcpts) {
		conclude(t);
		return;
	}
	r = &t->rcpts[t->current];
	ctx->phase = SL_DATA;
	ctx->done = data_done;
	ctx->chosen = 0;
	ctx->rcpt = r;
	ctx->draft = &t->draft;
	if (begin_draft(t, r) != 0)
		sl_flow_decide(ctx, SL_DEFER, 452, "4.3.1", "Out of memory", "memory");
	else
		sl_flow_run(ctx, sl_relay_flow(sl_call_server(ctx), r->row, SL_DATA));
}

/* ---- eod ------------------------------------------------------------- */

static int
quarantine_all(struct sl_transaction *t, struct sl_context *ctx)
{
	struct sl_draft draft;
	size_t i;
	int rc;

	for (i = 0; i < t->nrcpts; i++) {
		draft = t->base;
		draft.recipient = t->rcpts[i].address;
		draft.recipientdomain = t->rcpts[i].domain;
		draft.transport = t->base.transport != NULL ? t->base.transport : t->rcpts[i].transport;
		rc = sl_context_choose(ctx, &draft, ctx->decision.quarantine, ctx->decision.rejects);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void
eod_done(struct sl_context *ctx, struct sl_verdict *v)
{
	struct sl_transaction *t = ctx->transaction;

	if (v->action == SL_QUARANTINE && quarantine_all(t, ctx) != 0)
		sl_verdict_make_error(v, ctx);
	if (v->action != SL_ACCEPT) {
		combine(t, v);
		conclude(t);
		return;
	}
	if (ctx->chosen > 0) {		/* queued by the script: that counts as delivered */
		v->action = SL_DELIVER;
		combine(t, v);
	}
	next_recipient(t);
}

/*
 * Facts headerfrom and headerfromdomain exist only for exactly one address in
 * exactly one From field; anything else leaves them none, and *why says what.
 */
static int
find_headerfrom(struct sl_transaction *t, const char **why)
{
	struct sl_address_list list;
	const struct sl_head *head = t->base.head;
	ssize_t at = sl_head_find(head, SL_STR("From"), 0);
	const struct sl_address *a;
	struct sl_err err;
	int rc;

	*why = NULL;
	if (at < 0) {
		*why = "Message has no From field";
		return 0;
	}
	if (sl_head_find(head, SL_STR("From"), (size_t)at + 1) >= 0) {
		*why = "Message has more than one From field";
		return 0;
	}
	rc = sl_address_list_parse(&list, sl_head_at(head, (size_t)at)->value, MAX_FROM, &err);
	if (rc == SL_ERR_NOMEM)
		return rc;
	if (rc != 0 || list.n == 0) {
		*why = "From field has no usable address";
	} else if (list.n == 1) {
		a = &list.mailboxes[0].address;
		t->headerfrom = sl_arena_strndup(t->arena, a->address, strlen(a->address));
		t->headerfromdomain = sl_arena_strndup(t->arena, a->domain, strlen(a->domain));
		if (t->headerfrom == NULL || t->headerfromdomain == NULL)
			rc = SL_ERR_NOMEM;
	}
	if (rc == 0)
		sl_address_list_clear(&list);
	return rc == SL_ERR_NOMEM ? rc : 0;
}

/* Only what a machine of ours ('trusted') hands on may bring results in our name (RFC 8601 5); an
 * account isn't one. Returns how many fields were removed, or SL_ERR_NOMEM. */
static int
make_received(struct sl_transaction *t)
{
	const struct sl_config *config = t->generation->config;

	t->mail.received = sl_head_new(t->mail.message, t->arena);
	if (t->mail.received == NULL)
		return SL_ERR_NOMEM;
	return sl_config_trusted(config, &t->session->sender_addr) ? 0 :
	    sl_authres_strip(t->mail.received, config->authserv_id);
}

static int
begin_message(struct sl_transaction *t, struct sl_message *message)
{
	int n;

	t->mail.message = sl_message_ref(message);
	t->base.sender = t->sender;
	t->base.senderdomain = t->senderdomain;
	n = make_received(t);
	if (n >= 0)
		t->base.head = sl_head_copy(t->mail.received);
	if (t->base.head == NULL)
		return SL_ERR_NOMEM;
	if (n > 0)
		sl_event(t->session->engine->events, SL_NOTICE, "authres_removed", SL_FIELDS(
		    SL_F_TEXT("id", t->id), SL_F_INT("fields", n),
		    SL_F_TEXT("senderip", t->session->senderip)));
	return 0;
}

/* Account's mail carries the account's From: the domain of every From address
 * must be one of its own. */
static bool
from_not_owned(const struct sl_context *ctx, const struct sl_server *server)
{
	const struct sl_transaction *t = ctx->transaction;

	return server->sender_login &&
	    (t->headerfromdomain == NULL || !sl_session_owns(ctx->session, t->headerfromdomain));
}

int
sl_session_message(struct sl_session *s, struct sl_message *message, sl_outcome_fn *fn, void *arg)
{
	struct sl_transaction *t = s->transaction;
	struct sl_context *ctx = &s->call;
	const struct sl_server *server;
	const char *why;
	int rc;

	if (t == NULL || t->nrcpts == 0 || t->mail.message != NULL)
		return SL_ERR_INVAL;
	if ((rc = sl_call_begin(s, SL_EOD, NULL, NULL)) != 0)
		return rc;
	sl_record_message(s, message);
	t->fn = fn;
	t->arg = arg;
	ctx->done = eod_done;
	ctx->draft = &t->base;
	if ((rc = begin_message(t, message)) != 0 || (rc = find_headerfrom(t, &why)) != 0) {
		sl_flow_decide(ctx, SL_DEFER, 452, "4.3.1", "Out of memory", "memory");
		return 0;
	}
	server = sl_call_server(ctx);
	if (sl_session_is_gateway(ctx->session) && server->from_check && why != NULL)
		sl_flow_decide(ctx, SL_REJECT, 550, "5.7.1", why, "from_check");
	else if (sl_session_is_gateway(ctx->session) && from_not_owned(ctx, server))
		sl_flow_decide(ctx, SL_REJECT, 550, "5.7.1",
		    "From address is not of your account's domains", "sender_login");
	else
		sl_flow_run(ctx, &server->flows[SL_EOD]);
	return 0;
}
