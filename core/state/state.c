/* What is the same wherever the tables are: caps, and operations done at once. */
#include "state.h"

#include "../base/alloc.h"
#include "state_private.h"

bool
sl_state_permits(const struct sl_state_request *r)
{
	return r->command >= SL_STATE_RATE && r->command < SL_STATE_COMMANDS &&
	    r->key.n <= SL_STATE_MAX_KEY && r->value.n <= SL_STATE_MAX_VALUE &&
	    r->ms >= 0 && r->ms <= SL_STATE_MAX_MS &&
	    (r->command != SL_STATE_RATE || r->number >= 0);
}

static void
nothing_to_cancel(struct sl_op *op)
{
	(void)op;
}

static void
free_done(struct sl_op *op)
{
	sl_buf_clear(&((struct sl_state_op *)op)->value);
	sl_free(op);
}

static const struct sl_op_class done_class = { "state", nothing_to_cancel, free_done };

int
sl_state_fill(struct sl_state_op *op, const struct sl_state_reply *reply)
{
	op->ok = reply->ok;
	op->number = reply->number;
	if (reply->value.n == 0)
		return 0;
	return sl_buf_putstr(&op->value, reply->value);
}

struct sl_state_op *
sl_state_done(struct sl_loop *loop, int status, const struct sl_state_reply *reply)
{
	struct sl_state_op *op = sl_calloc(1, sizeof(*op));

	if (op == NULL)
		return NULL;
	sl_op_init(&op->op, &done_class, loop, 0);
	if (status == 0 && reply != NULL)
		status = sl_state_fill(op, reply);
	sl_op_finish(&op->op, status);
	return op;
}

struct sl_state_op *
sl_state_ask(struct sl_state *s, const struct sl_state_request *r)
{
	if (!sl_state_permits(r))
		return sl_state_done(s->loop, SL_ERR_LIMIT, NULL);
	return s->class->ask(s, r);
}

void
sl_state_free(struct sl_state *s)
{
	if (s != NULL)
		s->class->free(s);
}
