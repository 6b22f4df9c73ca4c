/* State in this process. */
#include "../base/alloc.h"
#include "state_private.h"

struct local {
	struct sl_state state;
	struct sl_table *table;
};

static struct sl_state_op *
ask(struct sl_state *s, const struct sl_state_request *r)
{
	struct local *l = (struct local *)s;
	struct sl_state_reply reply;
	int rc = sl_table_apply(l->table, sl_loop_time_us(s->loop) / 1000, r, &reply);

	return sl_state_done(s->loop, rc, &reply);
}

static void
free_local(struct sl_state *s)
{
	sl_table_free(((struct local *)s)->table);
	sl_free(s);
}

static const struct sl_state_class local_class = { ask, free_local };

struct sl_state *
sl_state_local(struct sl_loop *loop)
{
	struct local *l = sl_calloc(1, sizeof(*l));

	if (l == NULL || (l->table = sl_table_new(SL_TABLE_ENTRIES, SL_TABLE_BYTES)) == NULL) {
		sl_free(l);
		return NULL;
	}
	l->state.class = &local_class;
	l->state.loop = loop;
	return &l->state;
}
