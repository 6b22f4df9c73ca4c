/* State in this process. */
#include <string.h>

#include "../base/alloc.h"
#include "table.h"

#define MAX_ENTRIES	1000000
#define MAX_BYTES	(256u * 1024 * 1024)

struct sl_state {
	struct sl_loop *loop;
	struct sl_table *table;
};

struct sl_state *
sl_state_local(struct sl_loop *loop)
{
	struct sl_state *s = sl_calloc(1, sizeof(*s));

	if (s == NULL || (s->table = sl_table_new(MAX_ENTRIES, MAX_BYTES)) == NULL) {
		sl_free(s);
		return NULL;
	}
	s->loop = loop;
	return s;
}

void
sl_state_free(struct sl_state *s)
{
	if (s == NULL)
		return;
	sl_table_free(s->table);
	sl_free(s);
}

static void
op_cancel(struct sl_op *op)
{
	(void)op;
}

static void
op_free(struct sl_op *op)
{
	sl_buf_clear(&((struct sl_state_op *)op)->value);
	sl_free(op);
}

static const struct sl_op_class state_class = { "state", op_cancel, op_free };

struct sl_state_op *
sl_state_ask(struct sl_state *s, const struct sl_state_request *r)
{
	struct sl_state_op *op = sl_calloc(1, sizeof(*op));
	struct sl_state_reply reply;
	int rc;

	if (op == NULL)
		return NULL;
	sl_op_init(&op->op, &state_class, s->loop, 0);
	if (r->key.n > SL_STATE_MAX_KEY || r->value.n > SL_STATE_MAX_VALUE) {
		sl_op_finish(&op->op, SL_ERR_LIMIT);
		return op;
	}
	rc = sl_table_apply(s->table, sl_loop_time_us(s->loop) / 1000, r, &reply);
	if (rc == 0) {
		op->ok = reply.ok;
		op->number = reply.number;
		sl_buf_putstr(&op->value, reply.value);
	}
	sl_op_finish(&op->op, rc);
	return op;
}
