/* What Deliver, Quarantine and queue leave behind: a draft as it was then. */
#include <string.h>

#include "context.h"
#include "engine.h"
#include "relay.h"
#include "transaction.h"

#define MAX_CHOSEN	10000		/* queued by one message's scripts */

struct sl_decision *
sl_context_decide(struct sl_context *ctx, enum sl_action action)
{
	ctx->decision = (struct sl_decision){ .made = true, .action = action, .delay = -1 };
	return &ctx->decision;
}

static int
choose(struct sl_context *ctx, const struct sl_draft *draft, const struct sl_rcpt *rcpt,
    const char *quarantine, bool rejects)
{
	struct sl_transaction *t = ctx->transaction;
	struct sl_chosen *c = sl_arena_alloc(t->arena, sizeof(*c));

	if (c == NULL)
		return SL_ERR_NOMEM;
	c->next = NULL;
	c->draft = *draft;
	c->draft.head = sl_head_copy(draft->head);
	if (c->draft.head == NULL)
		return SL_ERR_NOMEM;
	c->quarantine = quarantine;
	c->rejects = rejects;
	c->rcpt = rcpt;
	*t->chosen_end = c;
	t->chosen_end = &c->next;
	t->actions++;
	ctx->chosen++;
	ctx->chosen_quarantine |= quarantine != NULL;
	return 0;
}

int
sl_context_choose(struct sl_context *ctx, const struct sl_draft *draft, const char *quarantine,
    bool rejects)
{
	return choose(ctx, draft, ctx->rcpt, quarantine, rejects);
}

/* ---- queue --------------------------------------------------------------- */

/* The recipient of that address: the first, if it is one of several. */
static struct sl_rcpt *
find_rcpt(struct sl_transaction *t, const char *address)
{
	for (size_t i = 0; i < t->nrcpts; i++)
		if (strcmp(t->rcpts[i].address, address) == 0)
			return &t->rcpts[i];
	return NULL;
}

static void
mark_queued(struct sl_transaction *t, const char *address)
{
	for (size_t i = 0; i < t->nrcpts; i++)
		if (strcmp(t->rcpts[i].address, address) == 0)
			t->rcpts[i].queued = true;
}

static int
find_transport(struct sl_context *ctx, struct sl_draft *draft, const struct sl_rcpt *rcpt,
    struct sl_err *err)
{
	const struct sl_relay_row *row;

	if (ctx->session->changes) {
		if (rcpt != NULL || draft->transport == NULL)
			return 0;	/* as Deliver: compared when the changes are made */
		return sl_err_set(err, SL_ERR_REFUSED, "recipient %s: transport %s: the mail server "
		    "chooses how it delivers", draft->recipient, draft->transport);
	}
	if (draft->transport != NULL || !sl_session_is_gateway(ctx->session))
		return 0;
	row = sl_relay_find(sl_call_server(ctx)->relay, draft->recipientdomain);
	if (row == NULL || row->transport == NULL)
		return sl_err_set(err, SL_ERR_REFUSED,
		    "%s: the relay table has no transport for it, and none is given", draft->recipient);
	draft->transport = row->transport;
	return 0;
}

int
sl_context_queue(struct sl_context *ctx, struct sl_draft *draft, struct sl_err *err)
{
	const struct sl_rcpt *rcpt = ctx->phase == SL_EOD ?
	    find_rcpt(ctx->transaction, draft->recipient) : ctx->rcpt;
	int rc;

	if (ctx->transaction->actions >= MAX_CHOSEN)
		return sl_err_set(err, SL_ERR_LIMIT, "queued for more than %d recipients", MAX_CHOSEN);
	if (draft->transport == NULL && rcpt != NULL &&
	    strcmp(rcpt->address, draft->recipient) == 0)
		draft->transport = rcpt->transport;
	if ((rc = find_transport(ctx, draft, rcpt, err)) != 0)
		return rc;
	if (choose(ctx, draft, rcpt, NULL, false) != 0)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	if (ctx->phase == SL_EOD)
		mark_queued(ctx->transaction, draft->recipient);
	return 0;
}

const struct sl_config *
sl_context_config(const struct sl_context *ctx)
{
	return ctx->generation->config;
}
