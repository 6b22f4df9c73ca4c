/*
 * From decision to verdict: the one place that decides replies.
 */
#include <stdio.h>
#include <string.h>

#include "context.h"

#define MAX_LINE	450	/* RFC 5321 4.5.3.1.5 leaves 512 for the whole line */
#define MAX_LINES	20

/* A reply never fails for its text: control bytes become spaces, UTF-8 isn't cut in the middle. */
static const char *
clean_line(struct sl_arena *arena, const char *line)
{
	size_t n = strlen(line), i;
	char *out;

	if (n > MAX_LINE) {
		n = MAX_LINE;
		while (n > 0 && ((unsigned char)line[n] & 0xc0) == 0x80)
			n--;
	}
	out = sl_arena_strndup(arena, line, n);
	if (out == NULL)
		return "";
	for (i = 0; i < n; i++)
		if ((unsigned char)out[i] < ' ' || out[i] == 0x7f)
			out[i] = ' ';
	return out;
}

static void
set_text(struct sl_verdict *v, struct sl_context *ctx, const char *const *lines, size_t n)
{
	const char **copy;
	size_t i;

	if (n > MAX_LINES)
		n = MAX_LINES;
	copy = sl_arena_alloc(ctx->arena, (n + 1) * sizeof(*copy));
	if (copy == NULL) {
		v->nlines = 0;
		return;
	}
	for (i = 0; i < n; i++)
		copy[i] = clean_line(ctx->arena, lines[i]);
	v->lines = copy;
	v->nlines = n;
}

const char *
sl_context_id(const struct sl_context *ctx)
{
	if (ctx->transaction != NULL)
		return ctx->transaction->id;
	if (ctx->attempt != NULL)
		return ctx->attempt->in.id;
	return ctx->session != NULL ? ctx->session->id : "";
}

void
sl_verdict_make(struct sl_verdict *v, struct sl_context *ctx)
{
	const struct sl_decision *d = &ctx->decision;
	const struct sl_reply *reply = sl_phase_reply(ctx->phase, d->action);

	memset(v, 0, sizeof(*v));
	v->phase = ctx->phase;
	v->action = d->action;
	v->where = "default";
	v->id = sl_context_id(ctx);
	v->delay = d->delay;
	v->counted = d->counted;
	v->recipient = d->recipient;
	v->transport = d->transport;
	if (d->action == SL_QUARANTINE && d->rejects)
		reply = sl_phase_reply(ctx->phase, SL_REJECT);
	v->code = d->code != 0 ? d->code : reply->code;
	v->disconnect = d->disconnect || reply->close;
	snprintf(v->enhanced, sizeof(v->enhanced), "%s",
	    d->enhanced != NULL ? d->enhanced : reply->enhanced);
	if (d->lines != NULL)
		set_text(v, ctx, d->lines, d->nlines);
	else if (reply->text[0] != '\0')
		set_text(v, ctx, &reply->text, 1);
}

void
sl_verdict_make_error(struct sl_verdict *v, struct sl_context *ctx)
{
	struct sl_reply reply = sl_phase_error_reply(ctx->phase);
	const char *text;
	char line[128];

	memset(&ctx->decision, 0, sizeof(ctx->decision));
	ctx->decision.action = sl_phase_table[ctx->phase].on_error;
	ctx->decision.delay = 300;	/* Reschedule; not counted as a retry */
	sl_verdict_make(v, ctx);
	v->failed = true;
	if (ctx->phase == SL_PREDELIVERY || ctx->phase == SL_POSTDELIVERY ||
	    ctx->phase == SL_DISCONNECT)
		return;
	v->code = reply.code;
	v->disconnect = reply.close;
	snprintf(v->enhanced, sizeof(v->enhanced), "%s", reply.enhanced);
	snprintf(line, sizeof(line), "%s (%s)", reply.text, v->id);
	text = line;
	set_text(v, ctx, &text, 1);
}
