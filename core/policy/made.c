/* New messages of scripts. See made.h. */
#include "made.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "relay.h"
#include "transaction.h"

static int
find_transport(const struct sl_context *ctx, struct sl_out_recipient *r, struct sl_err *err)
{
	const char *at = strrchr(r->recipient, '@');
	const struct sl_relay_row *row;

	if (r->transport != NULL)
		return 0;
	row = sl_relay_find(sl_call_server(ctx)->relay, at != NULL ? at + 1 : "");
	if (row == NULL || row->transport == NULL)
		return sl_err_set(err, SL_ERR_REFUSED,
		    "%s: the relay table has no transport for it, and none is given", r->recipient);
	r->transport = row->transport;
	return 0;
}

static int
may_add(const struct sl_context *ctx, size_t more, struct sl_err *err)
{
	const struct sl_made *made;
	unsigned n = 0;
	size_t bytes = more;

	if (ctx->session->changes)
		return sl_err_set(err, SL_ERR_REFUSED,
		    "new messages need the queue of sluice: here another mail server has it");
	for (made = ctx->transaction->made; made != NULL; made = made->next, n++)
		bytes += made->bytes.n;
	if (bytes > SL_MADE_MAX_BYTES)
		return sl_err_set(err, SL_ERR_LIMIT, "new messages too large");
	return n < SL_MADE_MAX ? 0 :
	    sl_err_set(err, SL_ERR_LIMIT, "more than %d new messages", SL_MADE_MAX);
}

/* Takes the memory of the text, without the room that is left in it. */
static struct sl_str
take(struct sl_buf *text)
{
	struct sl_str bytes = sl_buf_str(text);
	char *fit = sl_realloc(text->p, text->n);

	if (fit != NULL)
		bytes.p = fit;
	*text = SL_BUF_INIT;
	return bytes;
}

int
sl_made_add(struct sl_context *ctx, const struct sl_made *made, struct sl_buf *text,
    const char **id, struct sl_err *err)
{
	struct sl_transaction *t = ctx->transaction;
	struct sl_made *copy, **end;
	unsigned n = 1;
	char name[96];
	int rc = may_add(ctx, text->n, err);

	for (size_t i = 0; rc == 0 && i < made->n; i++)
		rc = find_transport(ctx, &made->recipients[i], err);
	if (rc != 0)
		return rc;
	for (end = &t->made; *end != NULL; end = &(*end)->next)
		n++;
	copy = sl_arena_alloc(t->arena, sizeof(*copy));
	if (copy == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	*copy = *made;
	copy->next = NULL;
	snprintf(name, sizeof(name), "%s-new%u", t->id, n);
	copy->id = sl_arena_strndup(t->arena, name, strlen(name));
	if (copy->id == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	copy->bytes = take(text);
	*end = copy;
	*id = copy->id;
	return 0;
}

static void
forget(struct sl_made **at)
{
	sl_free((char *)(uintptr_t)(*at)->bytes.p);
	*at = (*at)->next;
}

void
sl_made_refuse(struct sl_transaction *t)
{
	struct sl_made **at = &t->made;

	while (*at != NULL)
		if ((*at)->stays)
			at = &(*at)->next;
		else
			forget(at);
}

void
sl_made_drop(struct sl_transaction *t)
{
	while (t->made != NULL)
		forget(&t->made);
}
