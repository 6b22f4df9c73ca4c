/* What Deliver and Quarantine leave behind: a draft as it was then. */
#include <string.h>

#include "context.h"
#include "engine.h"

struct sl_decision *
sl_context_decide(struct sl_context *ctx, enum sl_action action)
{
	ctx->decision = (struct sl_decision){ .made = true, .action = action, .delay = -1 };
	return &ctx->decision;
}

int
sl_context_choose(struct sl_context *ctx, const struct sl_draft *draft, const char *quarantine,
    bool rejects)
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
	c->rcpt = ctx->rcpt;
	*t->chosen_end = c;
	t->chosen_end = &c->next;
	t->actions++;
	ctx->chosen++;
	ctx->chosen_quarantine |= quarantine != NULL;
	return 0;
}

const struct sl_config *
sl_context_config(const struct sl_context *ctx)
{
	return ctx->generation->config;
}
