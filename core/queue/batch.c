/*
 * Batches: what is to be written meanwhile waits for the batch that is under
 * way and goes with the next, so that one sync serves all. Here they begin and
 * end, on the loop; commit.c is what the thread does in between.
 */
#include <string.h>

#include "store_private.h"

#define COMPACT_SEGMENTS	8	/* more than so many, and the oldest mostly dead: it is emptied */
#define COMPACT_BYTES	(4ull * 1024 * 1024)	/* moved by one batch */
#define LINGER_MS	5

static void go_on(struct sl_store *s);

/* ---- after a batch ----------------------------------------------------------------------- */

static int
apply_accept(struct sl_store *s, struct request *r, struct segment *seg)
{
	uint64_t at = r->offset + SL_RECORD_HEADER + r->fields.n;
	struct message *m;
	size_t i;
	int rc;

	s->accepted_ms = sl_loop_now(s->loop);
	for (i = 0; i < r->nmessages; i++) {
		m = r->messages[i];
		m->segment = seg;
		m->record = r->offset;
		m->offset = at;
		if (m->body == NULL)
			at += m->env->size;
		if ((rc = sl_index_add(s, m)) != 0)
			return rc;	/* it is on disk: replay will find it */
		r->messages[i] = NULL;
	}
	return 0;
}

static int
apply_request(struct sl_store *s, struct request *r, struct segment *seg)
{
	struct message *m = r->id != NULL ? sl_index_find(s, r->id) : NULL;

	switch (r->type) {
	case SL_RECORD_ACCEPT:
		return apply_accept(s, r, seg);
	case SL_RECORD_UPDATE:
		if (m == NULL || r->index >= m->env->n)
			return SL_ERR_NOTFOUND;
		return sl_index_apply(s, m, r->index, &r->entry);
	case SL_RECORD_HOLD:
		return m != NULL ? sl_index_hold(s, m, r->quarantine) : SL_ERR_NOTFOUND;
	default:
		if (m != NULL)
			sl_index_remove(s, m);
		return 0;
	}
}

/* Its bytes are at the new place now; recipients, and who took them, stay. */
static void
apply_move(struct sl_store *s, struct request *r, struct segment *seg)
{
	struct message *m = sl_index_find(s, r->id);

	(void)s;
	if (m == NULL || m != r->copy_of)
		return;
	m->segment->live--;
	m->segment->live_bytes -= sl_message_in_log(m);
	m->segment = seg;
	m->record = 0;
	m->offset = r->offset + SL_RECORD_HEADER + r->fields.n;
	seg->live++;
	seg->live_bytes += sl_message_in_log(m);
}

/* The messages of an accept that was released while it was written. They are
 * found by their place: the request gave them to the index. */
static void
remove_again(struct sl_store *s, const struct segment *seg, uint64_t from)
{
	struct request *r;
	struct sl_str id;
	void *value;
	size_t i;

	for (i = 0; sl_dict_each(s->index, &i, &id, &value);) {
		const struct message *m = value;

		if (m->segment != seg || m->record != from)
			continue;
		if ((r = sl_request_new(SL_RECORD_REMOVE)) == NULL)
			return;
		r->id = sl_strdup(m->env->id);
		sl_put_text(&r->fields, m->env->id);
		if (r->id == NULL || sl_request_seal(r) != 0)
			sl_request_free(r);
		else
			sl_list_insert(&s->pending, &r->link);
	}
}

static void
finish_requests(struct sl_store *s, struct batch *b, int status)
{
	struct request *r;
	struct store_op *op;
	struct sl_list *l;
	int rc;

	while ((l = sl_list_pop(&b->requests)) != NULL) {
		r = sl_list_entry(l, struct request, link);
		rc = status;
		if (rc == 0 && r->unreadable)
			r->copy_of->segment->stuck = true;
		else if (rc == 0 && r->copy_of != NULL)
			apply_move(s, r, b->segment);
		else if (rc == 0)
			rc = apply_request(s, r, b->segment);
		if (rc == 0 && r->unwanted)
			remove_again(s, b->segment, r->offset);
		op = r->op;
		sl_request_free(r);
		if (op != NULL)
			sl_op_finish(&op->op, rc);
	}
}

static void
batch_failed(struct sl_store *s, struct batch *b)
{
	struct abandon *more;
	struct segment *seg = b->segment;

	sl_event(s->options.events, SL_ERROR, "queue_write_failed", SL_FIELDS(
	    SL_F_TEXT("error", b->err.text)));
	if (!b->log_touched) {		/* nothing of the log's end is in doubt */
		if (b->segment == b->fresh)
			b->segment = NULL;
		return;
	}
	more = sl_realloc(s->abandons, (s->nabandons + 1) * sizeof(*more));
	if (more != NULL) {
		s->abandons = more;
		more[s->nabandons++] = (struct abandon){ seg->number, seg->durable > 0 ?
		    seg->durable : SL_SEGMENT_HEADER };
	}
	seg->closed = true;
	if (seg == b->fresh) {
		sl_segment_add(s, seg);
		b->fresh = NULL;
	}
	s->current = NULL;
}

static void
batch_written(struct sl_store *s, struct batch *b)
{
	if (b->segment == NULL || sl_list_empty(&b->requests))
		return;
	if (b->segment == b->fresh) {
		sl_segment_add(s, b->fresh);
		s->current = b->fresh;
		b->fresh = NULL;
	}
	b->segment->bytes = b->segment->durable = b->end;
	sl_free(s->abandons);
	s->abandons = NULL;
	s->nabandons = 0;
}

static void
batch_cleaned(struct sl_store *s, struct batch *b)
{
	size_t i;

	for (i = 0; i < b->ndead; i++)
		if (i < b->dead_done)
			sl_segment_free(s, b->dead[i]);
	for (i = 0; i < b->nunlinks; i++)
		sl_free(b->unlinks[i]);
	sl_free(b->unlinks);
	sl_free(b->dead);
	sl_segment_free(s, b->fresh);
}

static void
batch_done(struct sl_store *s, int status)
{
	struct batch *b = s->batch;

	if (status != 0)
		batch_failed(s, b);
	else
		batch_written(s, b);
	s->batch = NULL;
	finish_requests(s, b, status != 0 ? SL_ERR_IO : 0);
	if (s->current != NULL && s->current->bytes >= s->options.segment_bytes) {
		s->current->closed = true;
		s->current = NULL;
	}
	batch_cleaned(s, b);
	sl_free(b);
	go_on(s);
}

static void
job_done(struct sl_op *op, void *arg)
{
	struct sl_store *s = arg;
	int status = op->status;

	s->job = NULL;
	sl_op_release(op);
	batch_done(s, status);
}

/* ---- starting a batch ----------------------------------------------------------------------- */

void
sl_store_unlink_later(struct sl_store *s, char *path)
{
	char **more;
	size_t cap;

	if (s->nunlinks == s->capunlinks) {
		cap = s->capunlinks * 2 + 16;
		more = sl_realloc(s->unlinks, cap * sizeof(*more));
		if (more == NULL) {	/* the next open removes it: no message names it */
			sl_free(path);
			return;
		}
		s->unlinks = more;
		s->capunlinks = cap;
	}
	s->unlinks[s->nunlinks++] = path;
}

/* Dead segments at the front of the log. */
static void
collect_dead(struct sl_store *s, struct batch *b)
{
	struct sl_list *l;
	struct segment *seg;
	size_t n = 0;

	for (l = s->segments.next; l != &s->segments; l = l->next, n++) {
		seg = sl_list_entry(l, struct segment, link);
		if (!seg->closed || seg->live > 0)
			break;
	}
	if (n == 0 || (b->dead = sl_calloc(n, sizeof(*b->dead))) == NULL)
		return;
	for (l = s->segments.next; b->ndead < n; l = l->next)
		b->dead[b->ndead++] = sl_list_entry(l, struct segment, link);
}

static void
move_message(struct sl_store *s, struct message *m)
{
	struct request *r = sl_request_new(SL_RECORD_ACCEPT);

	if (r == NULL)
		return;
	r->id = sl_strdup(m->env->id);
	r->bodies = sl_calloc(1, sizeof(*r->bodies));
	r->copy_of = m;
	r->nbodies = m->body == NULL;
	sl_put_u64(&r->fields, 1);
	sl_put_envelope(&r->fields, m->env);
	sl_put_text(&r->fields, m->body);
	if (r->id == NULL || r->bodies == NULL || sl_request_seal(r) != 0)
		sl_request_free(r);
	else
		sl_list_insert(s->pending.next, &r->link);
}

/* A few long-lived messages must not keep every later segment from going: the
 * oldest is emptied when it is mostly dead, or when the log as a whole is. No
 * batch is under way, so the envelope that moves is as of now; it goes to the
 * front, and what waits already comes behind it. */
static void
compact(struct sl_store *s)
{
	struct segment *oldest;
	struct sl_list *l;
	struct sl_str id;
	unsigned n = 0;
	void *value;
	uint64_t bytes = 0, all = 0, live = 0;
	size_t i;

	for (l = s->segments.next; l != &s->segments; l = l->next, n++) {
		all += sl_list_entry(l, struct segment, link)->bytes;
		live += sl_list_entry(l, struct segment, link)->live_bytes;
	}
	if (n == 0)
		return;
	oldest = sl_list_entry(s->segments.next, struct segment, link);
	if (!oldest->closed || oldest->stuck || oldest->live == 0)
		return;
	if (!oldest->bad && (n <= COMPACT_SEGMENTS ||
	    (oldest->live_bytes > oldest->bytes / 4 && live > all / 2)))
		return;
	for (i = 0; bytes < COMPACT_BYTES && sl_dict_each(s->index, &i, &id, &value);)
		if (((struct message *)value)->segment == oldest) {
			bytes += ((struct message *)value)->env->size;
			move_message(s, value);
		}
}

static struct batch *
make_batch(struct sl_store *s)
{
	struct batch *b = sl_calloc(1, sizeof(*b));
	struct sl_list *l;

	if (b == NULL)
		return NULL;
	b->store = s;
	sl_list_init(&b->requests);
	b->segment = s->current;
	if (s->current == NULL && (b->fresh = sl_segment_new(s, s->next_number)) == NULL) {
		sl_free(b);
		return NULL;
	}
	s->next_number += s->current == NULL;
	s->accept_pending = false;
	while ((l = sl_list_pop(&s->pending)) != NULL) {
		sl_list_entry(l, struct request, link)->in_batch = true;
		sl_list_insert(&b->requests, l);
	}
	b->abandons = s->abandons;
	b->nabandons = s->nabandons;
	b->unlinks = s->unlinks;
	b->nunlinks = s->nunlinks;
	s->unlinks = NULL;
	s->nunlinks = s->capunlinks = 0;
	collect_dead(s, b);
	return b;
}

static void
fail_pending(struct sl_store *s)
{
	struct sl_list *l;
	struct request *r;
	struct store_op *op;

	while ((l = sl_list_pop(&s->pending)) != NULL) {
		r = sl_list_entry(l, struct request, link);
		op = r->op;
		sl_request_free(r);
		if (op != NULL)
			sl_op_finish(&op->op, SL_ERR_NOMEM);
	}
}

static int
work_on_thread(void *arg)
{
	struct sl_store *s = ((struct batch *)arg)->store;
	int rc = sl_batch_work(arg);

	pthread_mutex_lock(&s->lock);
	s->working = false;
	pthread_cond_broadcast(&s->idle);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static void
start_batch(struct sl_store *s)
{
	compact(s);
	s->batch = make_batch(s);
	if (s->batch == NULL) {
		fail_pending(s);
		return;
	}
	if (s->options.thread == NULL) {
		batch_done(s, sl_batch_work(s->batch));
		return;
	}
	s->working = true;
	s->job = sl_thread_run(s->options.thread, work_on_thread, s->batch, NULL);
	if (s->job == NULL) {
		s->working = false;
		batch_done(s, SL_ERR_NOMEM);
	} else {
		sl_op_wait(s->job, job_done, s);
	}
}

/* ---- when ------------------------------------------------------------------------------------ */

static void
lingered(struct sl_timer *timer)
{
	struct sl_store *s = sl_list_entry(timer, struct sl_store, linger);

	if (s->batch == NULL && !sl_list_empty(&s->pending))
		start_batch(s);
}

/*
 * While messages come in, what became of others doesn't pay a sync of its own:
 * it waits for the next message, a few milliseconds at most.
 */
static bool
lingers(struct sl_store *s)
{
	if (s->options.thread == NULL || s->accept_pending || s->closing ||
	    sl_loop_now(s->loop) - s->accepted_ms > LINGER_MS)
		return false;
	return s->linger.loop != NULL ||
	    sl_timer_start(s->loop, &s->linger, LINGER_MS, lingered) == 0;
}

static void
go_on(struct sl_store *s)
{
	if (s->batch == NULL && !sl_list_empty(&s->pending) && !lingers(s))
		start_batch(s);
}

void
sl_batch_add(struct sl_store *s, struct request *r)
{
	sl_list_insert(&s->pending, &r->link);
	s->accept_pending |= r->type == SL_RECORD_ACCEPT;
	go_on(s);
}

void
sl_batch_flush(struct sl_store *s)
{
	s->closing = true;
	go_on(s);
	while (s->job != NULL && sl_loop_step(s->loop, -1) == 0)
		;
	sl_timer_stop(&s->linger);
}
