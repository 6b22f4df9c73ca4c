/*
 * State in the state process. What is asked in one round of the loop goes
 * out together, from a task behind those that asked. Operations that wait
 * stand in a table by the lower bits of their id; an id whose place is taken
 * is passed over, so that an answer finds its operation or, late, nobody.
 */
#include "../base/alloc.h"
#include "link.h"
#include "packet.h"
#include "state_private.h"

#define DEADLINE_MS	1000
#define QUIET_MS	60000
#define MAX_PENDING	65536
#define MAX_WAITING	(4 * 1024 * 1024)	/* bytes that the server hasn't taken */
#define PER_TURN	64			/* packets */

struct remote {
	struct sl_state state;
	struct sl_events *events;
	struct sl_state_link link;
	struct sl_task flush;
	struct remote_op **pending;
	size_t size, count;		/* size: a power of two, at least twice count */
	uint32_t next;
	int64_t quiet_until;		/* sl_loop_now() */
	uint64_t failed;		/* since the last event */
	void (*lost)(void *arg);
	void *arg;
	char packet[SL_STATE_PACKET];
};

struct remote_op {
	struct sl_state_op s;
	struct remote *remote;		/* while it is pending */
	uint32_t id;
};

static void
unavailable(struct remote *r, const char *reason, size_t operations)
{
	r->failed += operations;
	if (sl_loop_now(r->state.loop) < r->quiet_until)
		return;
	sl_event(r->events, SL_ERROR, "state_unavailable",
	    SL_FIELDS(SL_F_TEXT("reason", reason), SL_F_INT("operations", r->failed)));
	r->failed = 0;
	r->quiet_until = sl_loop_now(r->state.loop) + QUIET_MS;
}

/* ---- operations that wait --------------------------------------------------------- */

static struct remote_op **
place(const struct remote *r, uint32_t id)
{
	return &r->pending[id & (r->size - 1)];
}

/* Ids that differ in their lower bits still do when one more bit counts. */
static int
grow(struct remote *r)
{
	struct remote_op **old = r->pending;
	size_t n = r->size, i;

	if (r->count * 2 < n)
		return 0;
	if (r->count >= MAX_PENDING)
		return SL_ERR_LIMIT;
	r->pending = sl_calloc(n == 0 ? 64 : n * 2, sizeof(struct remote_op *));
	if (r->pending == NULL) {
		r->pending = old;
		return SL_ERR_NOMEM;
	}
	r->size = n == 0 ? 64 : n * 2;
	for (i = 0; i < n; i++)
		if (old[i] != NULL)
			*place(r, old[i]->id) = old[i];
	sl_free(old);
	return 0;
}

static void
add(struct remote *r, struct remote_op *op)
{
	while (*place(r, r->next) != NULL)
		r->next++;
	op->id = r->next++;
	op->remote = r;
	*place(r, op->id) = op;
	r->count++;
}

static void
take_out(struct remote_op *op)
{
	*place(op->remote, op->id) = NULL;
	op->remote->count--;
	op->remote = NULL;
}

static void
fail_pending(struct remote *r)
{
	size_t i;

	for (i = 0; i < r->size && r->count > 0; i++) {
		struct remote_op *op = r->pending[i];

		if (op == NULL)
			continue;
		take_out(op);
		sl_op_finish(&op->s.op, SL_ERR_IO);
	}
}

/* The deadline has stopped its timer when it cancels, a release has not. */
static void
cancel(struct sl_op *op)
{
	struct remote_op *o = (struct remote_op *)op;

	if (op->deadline.loop == NULL)
		unavailable(o->remote, "no answer", 1);
	take_out(o);
}

static void
free_op(struct sl_op *op)
{
	sl_buf_clear(&((struct remote_op *)op)->s.value);
	sl_free(op);
}

static const struct sl_op_class remote_op_class = { "state", cancel, free_op };

/* ---- the connection ---------------------------------------------------------------- */

static void
lose(struct remote *r, const char *reason)
{
	sl_state_link_close(&r->link);
	sl_task_cancel(&r->flush);
	unavailable(r, reason, r->count);
	fail_pending(r);
	if (r->lost != NULL)
		r->lost(r->arg);
}

static void
flush(struct remote *r)
{
	int rc = sl_state_link_flush(&r->link);

	if (rc == 0)
		rc = sl_state_link_watch(&r->link, false);
	if (rc != 0)
		lose(r, rc == SL_ERR_CLOSED ? "connection lost" : "out of memory");
}

static void
flush_task(struct sl_task *task)
{
	flush(sl_list_entry(task, struct remote, flush));
}

static int
take_replies(struct remote *r, struct sl_str packet)
{
	struct sl_state_reply reply;
	struct remote_op *op;
	int rc, status;
	uint32_t id;

	while ((rc = sl_state_get_reply(&packet, &id, &status, &reply)) > 0) {
		op = r->size > 0 ? *place(r, id) : NULL;
		if (op == NULL || op->id != id)
			continue;
		take_out(op);
		if (status == 0)
			status = sl_state_fill(&op->s, &reply);
		sl_op_finish(&op->s.op, status);
	}
	return rc;
}

static int
receive(struct remote *r)
{
	struct sl_str packet;
	int rc = 0, i;

	for (i = 0; i < PER_TURN; i++) {
		rc = sl_state_link_receive(&r->link, r->packet, &packet);
		if (rc <= 0)
			return rc;
		if ((rc = take_replies(r, packet)) != 0)
			return rc;
	}
	return rc;
}

static void
on_event(struct sl_state_link *link, unsigned events)
{
	struct remote *r = sl_list_entry(link, struct remote, link);
	int rc = receive(r);

	if (rc == 0 && (events & (SL_READ | SL_HANGUP)) == SL_HANGUP)
		rc = SL_ERR_CLOSED;
	if (rc != 0)
		lose(r, rc == SL_ERR_CLOSED ? "connection lost" : "malformed packet");
	else if (events & SL_WRITE)
		flush(r);
}

void
sl_state_connect(struct sl_state *state, int fd)
{
	struct remote *r = (struct remote *)state;

	if (r->link.fd >= 0)
		lose(r, "connection replaced");
	if (sl_state_link_open(&r->link, state->loop, fd, on_event) != 0)
		unavailable(r, "the connection can't be used", 0);
	else
		sl_event(r->events, SL_INFO, "state_connected", NULL);
}

bool
sl_state_connected(const struct sl_state *state)
{
	return ((const struct remote *)state)->link.fd >= 0;
}

void
sl_state_on_lost(struct sl_state *state, void (*lost)(void *arg), void *arg)
{
	struct remote *r = (struct remote *)state;

	r->lost = lost;
	r->arg = arg;
}

/* ---- asking ------------------------------------------------------------------------- */

/* Why it can't be asked, or NULL. */
static const char *
obstacle(struct remote *r)
{
	if (r->link.fd < 0)
		return "no connection";
	if (r->link.waiting_bytes >= MAX_WAITING)
		return "it doesn't read";
	if (grow(r) != 0)
		return "too many operations";
	return NULL;
}

static struct sl_state_op *
ask(struct sl_state *state, const struct sl_state_request *request)
{
	size_t size = SL_STATE_HEAD + request->key.n + request->value.n;
	struct remote *r = (struct remote *)state;
	const char *why = obstacle(r);
	struct remote_op *op;
	struct sl_buf *out;

	if (why != NULL) {
		unavailable(r, why, 1);
		return sl_state_done(state->loop, SL_ERR_IO, NULL);
	}
	if ((out = sl_state_link_room(&r->link, size)) == NULL) {
		lose(r, "connection lost");
		return sl_state_done(state->loop, SL_ERR_IO, NULL);
	}
	op = sl_calloc(1, sizeof(*op));
	if (op == NULL || sl_op_init(&op->s.op, &remote_op_class, state->loop, DEADLINE_MS) != 0) {
		sl_free(op);
		return NULL;
	}
	add(r, op);
	sl_state_put_request(out, op->id, request);	/* there is room */
	sl_task_post(state->loop, &r->flush, flush_task);
	return &op->s;
}

static void
free_remote(struct sl_state *state)
{
	struct remote *r = (struct remote *)state;

	sl_state_link_close(&r->link);
	sl_task_cancel(&r->flush);
	fail_pending(r);
	sl_free(r->pending);
	sl_free(r);
}

static const struct sl_state_class remote_class = { ask, free_remote };

struct sl_state *
sl_state_remote(struct sl_loop *loop, struct sl_events *events)
{
	struct remote *r = sl_calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->state.class = &remote_class;
	r->state.loop = loop;
	r->events = events;
	r->link.fd = -1;
	return &r->state;
}
