/*
 * The envelope: MAIL and RCPT. Permission to relay is decided here, from the
 * configuration alone and before any script of the recipient runs.
 */
#include "transaction.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../engine/doors.h"
#include "engine.h"
#include "flow.h"
#include "made.h"
#include "record.h"
#include "relay.h"
#include "scan.h"
#include "sign.h"
#include "taps.h"

#define MAX_ARENA	(64 * 1024 * 1024)

struct sl_transaction *
sl_transaction_new(struct sl_session *s, struct sl_generation *generation,
    const struct sl_server *server)
{
	struct sl_transaction *t = sl_calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->arena = sl_arena_new(MAX_ARENA);
	t->context = json_object();
	if (t->arena == NULL || t->context == NULL || sl_door_uuid4(sl_taps_tape(s->taps), t->id) != 0) {
		sl_arena_free(t->arena);
		json_decref(t->context);
		sl_free(t);
		return NULL;
	}
	t->session = s;
	t->generation = sl_generation_ref(generation);
	t->server = server;
	t->mail.arena = t->arena;
	t->chosen_end = &t->chosen;
	return t;
}

void
sl_transaction_free(struct sl_transaction *t)
{
	struct sl_chosen *c;

	if (t == NULL)
		return;
	sl_auth_scan_free(t->scan);
	sl_auth_scan_free(t->arc);
	sl_auth_scan_free(t->helo);
	sl_made_drop(t);
	sl_head_free(t->base.head);
	sl_head_free(t->draft.head);
	for (c = t->chosen; c != NULL; c = c->next)
		sl_head_free(c->draft.head);
	sl_mail_clear(&t->mail);
	sl_buf_clear(&t->data);
	json_decref(t->context);
	sl_generation_unref(t->generation);
	sl_free(t->rcpts);
	sl_arena_free(t->arena);
	sl_free(t);
}

/* ---- MAIL ------------------------------------------------------------ */

bool
sl_session_owns(const struct sl_session *s, const char *domain)
{
	const json_t *list = json_object_get(s->context, "domains"), *entry;
	size_t i;

	for (i = 0; i < s->ndomains; i++)
		if (strcasecmp(s->domains[i], domain) == 0)
			return true;
	json_array_foreach(list, i, entry)
		if (json_is_string(entry) && strcasecmp(json_string_value(entry), domain) == 0)
			return true;
	return false;
}

static int
set_sender(struct sl_transaction *t, const struct sl_address *a)
{
	t->sender = sl_arena_strndup(t->arena, a->address, strlen(a->address));
	t->senderlocal = sl_arena_strndup(t->arena, a->local, strlen(a->local));
	if (a->domain[0] != '\0')
		t->senderdomain = sl_arena_strndup(t->arena, a->domain, strlen(a->domain));
	if (t->sender == NULL || t->senderlocal == NULL ||
	    (a->domain[0] != '\0' && t->senderdomain == NULL))
		return SL_ERR_NOMEM;
	return 0;
}

/* What Accept said of the sender. */
static int
accept_sender(struct sl_context *ctx)
{
	const char *address = ctx->decision.address;
	struct sl_address a = { 0 };

	if (address == NULL)
		return 0;
	if (address[0] != '\0' && sl_address_parse(&a, sl_str_of(address), NULL) != 0)
		return SL_ERR_INVAL;
	ctx->transaction->senderdomain = NULL;
	return set_sender(ctx->transaction, &a);
}

static void
mail_answered(struct sl_context *ctx, struct sl_verdict *verdict)
{
	struct sl_session *s = ctx->session;

	if (verdict->action == SL_ACCEPT && accept_sender(ctx) != 0)
		sl_verdict_make_error(verdict, ctx);
	if (verdict->action != SL_ACCEPT) {
		verdict->id = sl_arena_strndup(ctx->arena, verdict->id, strlen(verdict->id));
		sl_transaction_free(s->transaction);
		s->transaction = ctx->transaction = NULL;
	}
	sl_call_answer(ctx, verdict);
}

static bool
sender_login_refuses(const struct sl_context *ctx, const char *domain)
{
	const struct sl_server *server = sl_call_server(ctx);

	return sl_session_is_gateway(ctx->session) && server->sender_login && domain != NULL &&
	    !sl_session_owns(ctx->session, domain);
}

/* The newest generation that has it, for connections that last; else the session's own. */
static const struct sl_server *
find_server(const struct sl_session *s, const char *name, struct sl_generation **generation)
{
	const struct sl_server *server = NULL;

	if (name == NULL)
		name = s->servername;
	*generation = s->engine->generation;
	if (s->changes)
		server = sl_config_server((*generation)->config, name);
	if (server != NULL)
		return server;
	*generation = s->generation;
	return sl_config_server(s->generation->config, name);
}

int
sl_session_mail_sized(struct sl_session *s, struct sl_str path, const struct sl_mail_params *given,
    size_t size, sl_verdict_fn *fn, void *arg)
{
	struct sl_mail_params params;
	struct sl_context *ctx = &s->call;
	struct sl_generation *generation;
	const struct sl_server *server;
	struct sl_address a;
	struct sl_str rest;
	struct sl_err err;
	int rc;

	if (s->busy || s->transaction != NULL)
		return SL_ERR_INVAL;
	if ((rc = sl_host_struct(&params, sizeof(params), given, size, NULL)) != 0)
		return rc;
	server = find_server(s, params.server, &generation);
	if (server == NULL)
		return SL_ERR_NOTFOUND;
	sl_record_mail(s, path, &params, generation);
	s->transaction = sl_transaction_new(s, generation, server);
	if (s->transaction == NULL)
		return SL_ERR_NOMEM;
	if ((rc = sl_call_begin(s, SL_MAILFROM, fn, arg)) != 0)
		return rc;
	ctx->done = mail_answered;
	s->transaction->params = params;
	rc = sl_path_parse(&a, path, true, false, params.smtputf8, &rest, &err);
	if (rc != 0 || rest.n > 0)
		sl_flow_decide(ctx, SL_REJECT, 501, "5.1.7", rc != 0 ? err.text :
		    "Text after the reverse-path", "syntax");
	else if ((rc = set_sender(s->transaction, &a)) != 0)
		sl_flow_decide(ctx, SL_DEFER, 452, "4.3.1", "Out of memory", "memory");
	else if (sender_login_refuses(ctx, s->transaction->senderdomain))
		sl_flow_decide(ctx, SL_REJECT, 550, "5.7.1",
		    "Sender address is not of your account's domains", "sender_login");
	else
		sl_flow_run(ctx, &sl_call_server(ctx)->flows[SL_MAILFROM]);
	return 0;
}

int
sl_session_queueid(struct sl_session *s, const char *queueid)
{
	struct sl_transaction *t = s->transaction;

	if (t == NULL)
		return SL_ERR_INVAL;
	if (sl_same_text(t->queueid, queueid))
		return 0;
	sl_record_input(s, "queueid", sl_str_of(queueid));
	t->queueid = sl_arena_strndup(t->arena, queueid, strlen(queueid));
	return t->queueid != NULL ? 0 : SL_ERR_NOMEM;
}

/* ---- RCPT ------------------------------------------------------------ */

static int
add_rcpt(struct sl_transaction *t, const struct sl_rcpt *rcpt)
{
	struct sl_rcpt *more;
	size_t cap;

	if (t->nrcpts == t->caprcpts) {
		cap = t->caprcpts == 0 ? 4 : t->caprcpts * 2;
		more = sl_realloc(t->rcpts, cap * sizeof(*more));
		if (more == NULL)
			return SL_ERR_NOMEM;
		t->rcpts = more;
		t->caprcpts = cap;
	}
	t->rcpts[t->nrcpts++] = *rcpt;
	return 0;
}

/* What Accept said of the recipient: the permission was the row's, of the address that was asked about. */
static int
accept_rcpt(struct sl_transaction *t, const struct sl_decision *d)
{
	struct sl_rcpt *r = &t->asked;
	struct sl_address a;

	if (d->transport != NULL)
		r->transport = sl_arena_strndup(t->arena, d->transport, strlen(d->transport));
	if (d->address != NULL) {
		if (sl_address_parse(&a, sl_str_of(d->address), NULL) != 0)
			return SL_ERR_INVAL;
		r->address = sl_arena_strndup(t->arena, a.address, strlen(a.address));
		r->domain = sl_arena_strndup(t->arena, a.domain, strlen(a.domain));
	}
	if (r->address == NULL || r->domain == NULL || (d->transport != NULL && r->transport == NULL))
		return SL_ERR_NOMEM;
	return add_rcpt(t, r);
}

/* Accept accepts within the relay table, never beyond: a recipient without a
 * row doesn't get here. */
static void
rcpt_answered(struct sl_context *ctx, struct sl_verdict *verdict)
{
	if (verdict->action == SL_ACCEPT && accept_rcpt(ctx->transaction, &ctx->decision) != 0)
		sl_verdict_make_error(verdict, ctx);
	sl_call_answer(ctx, verdict);
}

static void
deny_relay(struct sl_context *ctx, const char *address)
{
	sl_event(ctx->engine->events, SL_NOTICE, "relay_denied", SL_FIELDS(
	    SL_F_TEXT("id", ctx->transaction->id),
	    SL_F_TEXT("senderip", ctx->session->senderip),
	    SL_F_TEXT("recipient", address)));
	sl_flow_decide(ctx, SL_REJECT, 550, "5.7.1", "Relaying denied", "relay");
}

/*
 * A local part that routes further (user%far@here, far!user@here,
 * "user@far"@here) would let an unknown client choose where our next hop
 * sends it.
 */
static bool
routes_further(const struct sl_address *a)
{
	return strpbrk(a->local, "@%!") != NULL;
}

static int
set_rcpt(struct sl_context *ctx, const struct sl_address *a)
{
	struct sl_transaction *t = ctx->transaction;
	struct sl_rcpt *r = &t->asked;

	memset(r, 0, sizeof(*r));
	r->address = sl_arena_strndup(t->arena, a->address, strlen(a->address));
	r->domain = sl_arena_strndup(t->arena, a->domain, strlen(a->domain));
	ctx->recipient = r->address;
	ctx->recipientdomain = r->domain;
	ctx->rcpt = r;
	return r->address == NULL || r->domain == NULL ? SL_ERR_NOMEM : 0;
}

/* "<postmaster>" is the postmaster of this host (RFC 5321 4.5.1). */
static void
complete_postmaster(struct sl_address *a, const char *hostname)
{
	if (a->domain[0] != '\0')
		return;
	snprintf(a->domain, sizeof(a->domain), "%s", hostname);
	snprintf(a->address, sizeof(a->address), "%s@%s", a->local, hostname);
}

static void
ask_rcpt(struct sl_context *ctx, const struct sl_address *a)
{
	const struct sl_server *server = sl_call_server(ctx);
	struct sl_rcpt *r = &ctx->transaction->asked;
	bool known = ctx->session->known;

	r->row = sl_relay_find(server->relay, r->domain);
	if (sl_session_is_gateway(ctx->session) && (r->row == NULL || !sl_relay_permits(r->row, known) ||
	    (!known && routes_further(a)))) {
		deny_relay(ctx, r->address);
		return;
	}
	r->transport = r->row != NULL ? r->row->transport : NULL;
	sl_flow_run(ctx, sl_relay_flow(server, r->row, SL_RCPTTO));
}

int
sl_session_rcpt(struct sl_session *s, struct sl_str path, sl_verdict_fn *fn, void *arg)
{
	struct sl_context *ctx = &s->call;
	struct sl_address a;
	struct sl_str rest;
	struct sl_err err;
	int rc;

	if (s->transaction == NULL || s->transaction->mail.message != NULL)
		return SL_ERR_INVAL;
	if ((rc = sl_call_begin(s, SL_RCPTTO, fn, arg)) != 0)
		return rc;
	sl_record_input(s, "rcpt", path);
	ctx->done = rcpt_answered;
	rc = sl_path_parse(&a, path, false, true, s->transaction->params.smtputf8, &rest, &err);
	if (rc != 0 || rest.n > 0) {
		sl_flow_decide(ctx, SL_REJECT, 501, "5.1.3", rc != 0 ? err.text :
		    "Text after the forward-path", "syntax");
		return 0;
	}
	complete_postmaster(&a, sl_config_hostname(ctx->generation->config));
	if (set_rcpt(ctx, &a) != 0)
		sl_flow_decide(ctx, SL_DEFER, 452, "4.3.1", "Out of memory", "memory");
	else
		ask_rcpt(ctx, &a);
	return 0;
}
