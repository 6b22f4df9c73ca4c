/*
 * An evaluator on a resolver, as one operation: every question it has is in
 * flight at once, each answer may bring new ones. See evaluator.h.
 */
#include "evaluator.h"

#include "../base/alloc.h"
#include "../base/list.h"

/* Far beyond what any evaluator asks; ends one that would ask for ever. */
#define MAX_QUERIES	1000

struct evaluation {
	struct sl_op op;		/* first: the operation is the whole */
	struct sl_dns *dns;
	struct sl_evaluator *e;
	unsigned *queries;
	unsigned asked;
	struct sl_list open;		/* struct ask */
	struct sl_timer timer;		/* ours, since open questions are answered when it fires */
	struct sl_dns_answer *none;	/* without records: time-out, out of memory */
};

struct ask {
	struct sl_list link;
	struct evaluation *ev;
	unsigned id;
	struct sl_dns_query *query;
};

static void
ask_end(struct ask *ask)
{
	sl_list_remove(&ask->link);
	sl_op_release(&ask->query->op);
	sl_free(ask);
}

static void
drop_open(struct evaluation *ev)
{
	struct sl_list *node;

	while ((node = sl_list_pop(&ev->open)) != NULL)
		ask_end(sl_list_entry(node, struct ask, link));
}

static void
answer_empty(struct evaluation *ev, unsigned id, enum sl_dns_status status)
{
	ev->none->status = status;
	ev->e->answer(ev->e, id, ev->none);
}

static void
take_answer(struct ask *ask)
{
	struct evaluation *ev = ask->ev;

	ev->e->answer(ev->e, ask->id, ask->query->answer);
	ask_end(ask);
}

static void	 answered(struct sl_op *op, void *arg);

/* Starts one question; what the resolver knows already is answered at once. */
static void
start(struct evaluation *ev, const struct sl_question *question)
{
	struct ask *ask = sl_calloc(1, sizeof(*ask));

	if (ask != NULL)
		ask->query = sl_dns_query(ev->dns, question->name, question->type, 0);
	if (ask == NULL || ask->query == NULL) {
		sl_free(ask);
		answer_empty(ev, question->id, SL_DNS_SERVFAIL);
		return;
	}
	ask->ev = ev;
	ask->id = question->id;
	sl_list_insert(&ev->open, &ask->link);
	if (ask->query->op.done)
		take_answer(ask);
	else
		sl_op_wait(&ask->query->op, answered, ask);
}

/* Done when the evaluator is, or when nothing is left that could make it so. */
static void
advance(struct evaluation *ev)
{
	struct sl_question question;

	while (!ev->e->done(ev->e) && ev->asked < MAX_QUERIES &&
	    ev->e->question(ev->e, &question) == 1) {
		ev->asked++;
		if (ev->queries != NULL)
			++*ev->queries;
		start(ev, &question);
	}
	if (ev->e->done(ev->e)) {
		drop_open(ev);
		sl_timer_stop(&ev->timer);
		sl_op_finish(&ev->op, 0);
	} else if (sl_list_empty(&ev->open)) {
		sl_timer_stop(&ev->timer);
		sl_op_finish(&ev->op, SL_ERR_LIMIT);
	}
}

static void
answered(struct sl_op *op, void *arg)
{
	struct ask *ask = arg;
	struct evaluation *ev = ask->ev;

	(void)op;
	take_answer(ask);
	advance(ev);
}

/* Open questions, and those that their answers bring, get no answer any more. */
static void
deadline_passed(struct sl_timer *timer)
{
	struct evaluation *ev = sl_list_entry(timer, struct evaluation, timer);
	struct sl_question question;
	struct sl_list *node;

	while ((node = sl_list_pop(&ev->open)) != NULL) {
		struct ask *ask = sl_list_entry(node, struct ask, link);

		answer_empty(ev, ask->id, SL_DNS_TIMEOUT);
		ask_end(ask);
	}
	while (!ev->e->done(ev->e) && ev->asked++ < MAX_QUERIES &&
	    ev->e->question(ev->e, &question) == 1)
		answer_empty(ev, question.id, SL_DNS_TIMEOUT);
	sl_op_finish(&ev->op, SL_ERR_TIMEOUT);
}

static void
evaluation_cancel(struct sl_op *op)
{
	struct evaluation *ev = (struct evaluation *)op;

	sl_timer_stop(&ev->timer);
	drop_open(ev);
}

static void
evaluation_free(struct sl_op *op)
{
	struct evaluation *ev = (struct evaluation *)op;

	sl_dns_answer_unref(ev->none);
	sl_free(ev);
}

static const struct sl_op_class evaluation_class = {
	"evaluate", evaluation_cancel, evaluation_free
};

struct sl_op *
sl_evaluate(struct sl_loop *loop, struct sl_dns *dns, struct sl_evaluator *e, int64_t timeout_ms,
    unsigned *queries)
{
	struct evaluation *ev = sl_calloc(1, sizeof(*ev));

	if (ev == NULL)
		return NULL;
	sl_op_init(&ev->op, &evaluation_class, loop, 0);
	ev->dns = dns;
	ev->e = e;
	ev->queries = queries;
	sl_list_init(&ev->open);
	ev->none = sl_dns_answer_empty(SL_DNS_TIMEOUT);
	if (ev->none == NULL || (timeout_ms > 0 &&
	    sl_timer_start(ev->op.loop, &ev->timer, timeout_ms, deadline_passed) < 0)) {
		evaluation_free(&ev->op);
		return NULL;
	}
	if (queries != NULL)
		*queries = 0;
	advance(ev);
	return &ev->op;
}
