/* Requests that nobody waits for. See background.h. */
#include "background.h"

#include <string.h>

#include "../base/alloc.h"
#include "../base/list.h"

#define MAX_JOBS	1000
#define MAX_BYTES	(32u * 1024 * 1024)
#define MAX_ASKING	32

struct sl_background {
	struct sl_loop *loop;
	struct sl_events *events;
	struct sl_list waiting, asking;	/* of jobs */
	size_t njobs, nasking, bytes;
	bool choosing;			/* ask_next is at work */
	struct sl_task idle_task;
	void (*idle)(void *arg);
	void *idle_arg;
};

struct job {
	struct sl_list link;
	struct sl_background *background;
	struct sl_http *http;
	struct sl_http_request request;		/* what it points to is in the arena */
	struct sl_background_turn turn;
	struct sl_arena *arena;
	struct sl_op *op;			/* the request, or the wait before the next try */
};

/* ---- life --------------------------------------------------------------------------------- */

struct sl_background *
sl_background_new(struct sl_loop *loop, struct sl_events *events)
{
	struct sl_background *b = sl_calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->loop = loop;
	b->events = events;
	sl_list_init(&b->waiting);
	sl_list_init(&b->asking);
	return b;
}

/* What stands behind '?' is nobody's business: keys are there. */
static void
tell(const struct job *j, const char *why)
{
	struct sl_str url = sl_str_of(j->request.url);
	ssize_t query = sl_str_find(url, SL_STR("?"));

	sl_event(j->background->events, SL_WARNING, "http_background", SL_FIELDS(
	    SL_F_STR("url", query < 0 ? url : sl_str_sub(url, 0, (size_t)query)),
	    SL_F_TEXT("failed", why)));
}

static void
tell_idle(struct sl_task *task)
{
	struct sl_background *b = sl_list_entry(task, struct sl_background, idle_task);

	b->idle(b->idle_arg);
}

static void
job_free(struct job *j)
{
	struct sl_background *b = j->background;

	sl_list_remove(&j->link);
	b->njobs--;
	b->bytes -= j->request.body.n;
	sl_op_release(j->op);
	if (j->turn.over != NULL)
		j->turn.over(j->turn.arg);
	sl_arena_free(j->arena);
	sl_free(j);
	if (b->njobs == 0 && b->idle != NULL)
		sl_task_post(b->loop, &b->idle_task, tell_idle);
}

static void
end_jobs(struct sl_list *list)
{
	while (!sl_list_empty(list)) {
		struct job *j = sl_list_entry(list->next, struct job, link);

		tell(j, "the process ends");
		job_free(j);
	}
}

void
sl_background_free(struct sl_background *b)
{
	if (b == NULL)
		return;
	b->idle = NULL;
	end_jobs(&b->asking);
	end_jobs(&b->waiting);
	sl_task_cancel(&b->idle_task);
	sl_free(b);
}

/* ---- asking --------------------------------------------------------------------------------- */

static void ask(struct job *j);

static bool
is_taken(const struct sl_background *b, const struct sl_background_turn *turn)
{
	const struct sl_list *l;

	for (l = b->asking.next; turn->in_row && l != &b->asking; l = l->next) {
		const struct job *j = sl_list_entry(l, struct job, link);

		if (j->turn.in_row && j->turn.row == turn->row)
			return true;
	}
	return false;
}

/* The first whose row is free: those of a row stay in their order. */
static struct job *
next_of(const struct sl_background *b)
{
	const struct sl_list *l;

	for (l = b->waiting.next; l != &b->waiting; l = l->next) {
		struct job *j = sl_list_entry(l, struct job, link);

		if (!is_taken(b, &j->turn))
			return j;
	}
	return NULL;
}

static void
ask_next(struct sl_background *b)
{
	struct job *j;

	if (b->choosing)
		return;
	b->choosing = true;
	while (b->nasking < MAX_ASKING && (j = next_of(b)) != NULL) {
		sl_list_remove(&j->link);
		sl_list_insert(&b->asking, &j->link);
		b->nasking++;
		ask(j);
	}
	b->choosing = false;
}

static void
over(struct job *j)
{
	struct sl_background *b = j->background;

	b->nasking--;
	job_free(j);
	ask_next(b);
}

static void
waited(struct sl_op *op, void *arg)
{
	struct job *j = arg;

	sl_op_release(op);
	j->op = NULL;
	ask(j);
}

static void
failed(struct job *j, const char *why)
{
	sl_op_release(j->op);
	j->op = j->turn.retries > 0 ? sl_op_sleep(j->background->loop, j->turn.delay_ms) : NULL;
	if (j->op == NULL) {
		tell(j, why);
		over(j);
		return;
	}
	j->turn.retries--;
	sl_op_wait(j->op, waited, j);
}

static void
answered(struct sl_op *op, void *arg)
{
	struct sl_http_op *h = (struct sl_http_op *)op;
	struct job *j = arg;
	struct sl_err why;

	if (op->status == 0 && h->code >= 200 && h->code <= 299) {
		over(j);
		return;
	}
	if (op->status == 0)
		sl_err_set(&why, SL_ERR_TEMP, "HTTP status %ld", h->code);
	else
		sl_err_set(&why, op->status, "%s", h->err.text);
	failed(j, why.text);
}

static void
ask(struct job *j)
{
	struct sl_http_op *h = sl_http_start(j->http, &j->request);

	j->op = h != NULL ? &h->op : NULL;
	if (h == NULL)
		failed(j, "out of memory");
	else
		sl_op_wait(j->op, answered, j);
}

/* ---- adding ------------------------------------------------------------------------------------- */

static bool
copy_text(struct sl_arena *arena, const char **text)
{
	if (*text != NULL)
		*text = sl_arena_strndup(arena, *text, strlen(*text));
	return *text != NULL;
}

static bool
copy_request(struct job *j, const struct sl_http_request *in)
{
	struct sl_http_request *r = &j->request;
	const char **headers;
	size_t i, n = 0;

	*r = *in;
	if (!copy_text(j->arena, &r->url) || (r->method != NULL && !copy_text(j->arena, &r->method)))
		return false;
	r->body.p = sl_arena_strndup(j->arena, in->body.p != NULL ? in->body.p : "", in->body.n);
	r->ca_pem.p = sl_arena_strndup(j->arena, in->ca_pem.p != NULL ? in->ca_pem.p : "", in->ca_pem.n);
	while (in->headers != NULL && in->headers[n] != NULL)
		n++;
	headers = sl_arena_alloc(j->arena, (n + 1) * sizeof(*headers));
	if (r->body.p == NULL || r->ca_pem.p == NULL || headers == NULL)
		return false;
	for (i = 0; i < n; i++) {
		headers[i] = in->headers[i];
		if (!copy_text(j->arena, &headers[i]))
			return false;
	}
	headers[n] = NULL;
	r->headers = headers;
	return true;
}

int
sl_background_add(struct sl_background *b, struct sl_http *http, const struct sl_http_request *request,
    const struct sl_background_turn *turn)
{
	struct job *j;

	if (b->njobs == MAX_JOBS || request->body.n > MAX_BYTES - b->bytes)
		return SL_ERR_LIMIT;
	j = sl_calloc(1, sizeof(*j));
	if (j == NULL || (j->arena = sl_arena_new(0)) == NULL || !copy_request(j, request)) {
		if (j != NULL)
			sl_arena_free(j->arena);
		sl_free(j);
		return SL_ERR_NOMEM;
	}
	j->background = b;
	j->http = http;
	j->turn = *turn;
	sl_list_insert(&b->waiting, &j->link);
	b->njobs++;
	b->bytes += request->body.n;
	ask_next(b);
	return 0;
}

size_t
sl_background_count(const struct sl_background *b)
{
	return b->njobs;
}

void
sl_background_drain(struct sl_background *b, void (*idle)(void *arg), void *arg)
{
	b->idle = idle;
	b->idle_arg = arg;
	if (b->njobs == 0)
		sl_task_post(b->loop, &b->idle_task, tell_idle);
}
