/* Requests past a tape. See tap.h. */
#include "tap.h"

#include "../base/alloc.h"
#include "state_private.h"

/* Around the real operation, until its answer is noted. */
struct tapped {
	struct sl_state_op op;		/* first */
	struct sl_state_op *real;
	struct sl_tape *tape;		/* borrowed: ends with the session, which ends its runs before */
	struct sl_buf question;
};

/* "rate\0NAMESPACE\0ENTRY\0MS": the request, as a question. */
static void
put_question(struct sl_buf *out, const struct sl_state_request *r)
{
	static const char *const words[SL_STATE_COMMANDS] = { "", "rate", "rate_count", "add", "fetch",
	    "store", "inc", "delete" };

	sl_buf_printf(out, "%s ", r->command < SL_STATE_COMMANDS ? words[r->command] : "");
	sl_buf_putstr(out, r->key);
	sl_buf_printf(out, " %lld %lld ", (long long)r->number, (long long)r->ms);
	sl_buf_putstr(out, r->value);
}

static void
note(struct tapped *t, int status)
{
	struct sl_buf value = SL_BUF_INIT;

	sl_tape_put_number(&value, "status", status);
	sl_tape_put_number(&value, "ok", t->op.ok);
	sl_tape_put_number(&value, "number", t->op.number);
	sl_tape_put(&value, "value", sl_buf_str(&t->op.value));
	sl_tape_note(t->tape, "state", sl_buf_str(&t->question), sl_buf_str(&value));
	sl_buf_clear(&value);
}

static void
answered(struct sl_op *op, void *arg)
{
	struct sl_state_op *real = (struct sl_state_op *)op;
	struct tapped *t = arg;
	int status = op->status;

	t->op.ok = real->ok;
	t->op.number = real->number;
	if (sl_buf_putstr(&t->op.value, sl_buf_str(&real->value)) != 0)
		status = SL_ERR_NOMEM;
	note(t, status);
	sl_op_finish(&t->op.op, status);
}

static void
tapped_cancel(struct sl_op *op)
{
	struct tapped *t = (struct tapped *)op;

	sl_op_release((struct sl_op *)t->real);
	t->real = NULL;
}

static void
tapped_free(struct sl_op *op)
{
	struct tapped *t = (struct tapped *)op;

	tapped_cancel(op);
	sl_buf_clear(&t->op.value);
	sl_buf_clear(&t->question);
	sl_free(t);
}

static const struct sl_op_class tapped_class = { "state", tapped_cancel, tapped_free };

static struct sl_state_op *
record(struct sl_state *s, struct sl_tape *tape, const struct sl_state_request *r)
{
	struct tapped *t = sl_calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	sl_op_init(&t->op.op, &tapped_class, s->loop, 0);
	t->tape = tape;
	put_question(&t->question, r);
	t->real = t->question.failed ? NULL : sl_state_ask(s, r);
	if (t->real == NULL) {
		sl_op_release(&t->op.op);
		return NULL;
	}
	sl_op_wait(&t->real->op, answered, t);
	return &t->op;
}

static bool
changes_nothing(const struct sl_state_request *r)
{
	return r->command == SL_STATE_FETCH || r->command == SL_STATE_RATE_COUNT;
}

static struct sl_state_op *
play(struct sl_state *s, struct sl_tape *tape, const struct sl_state_request *r)
{
	struct sl_buf question = SL_BUF_INIT;
	struct sl_state_reply reply = { 0 };
	struct sl_state_op *op;
	struct sl_str value;
	bool found;

	put_question(&question, r);
	found = sl_tape_find(tape, "state", sl_buf_str(&question), SL_TAPE_ONCE, &value);
	if (!found && sl_tape_live(tape) && changes_nothing(r)) {
		sl_buf_clear(&question);
		return sl_state_ask(s, r);
	}
	if (found) {
		reply.ok = sl_tape_get_number(value, "ok") != 0;
		reply.number = sl_tape_get_number(value, "number");
		reply.value = sl_tape_get(value, "value");
		op = sl_state_done(s->loop, (int)sl_tape_get_number(value, "status"), &reply);
	} else {
		sl_tape_miss(tape, "state", sl_buf_str(&question));
		op = sl_state_done(s->loop, SL_ERR_NOTFOUND, NULL);
	}
	sl_buf_clear(&question);
	return op;
}

struct sl_state_op *
sl_state_ask_taped(struct sl_state *state, struct sl_tape *tape, const struct sl_state_request *r)
{
	if (tape == NULL)
		return sl_state_ask(state, r);
	return sl_tape_plays(tape) ? play(state, tape, r) : record(state, tape, r);
}

void
sl_state_tell_taped(struct sl_state *state, struct sl_tape *tape, const struct sl_state_request *r)
{
	if (!sl_tape_plays(tape))
		sl_op_release((struct sl_op *)sl_state_ask(state, r));
}
