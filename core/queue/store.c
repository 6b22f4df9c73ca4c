/* The store: accepting, updating and taking; see commit.c for its promise. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "store_private.h"

#define SEGMENT_BYTES	(64ull * 1024 * 1024)
#define LOCK_AGAIN_US	20000
#define INLINE_BYTES	(1024ull * 1024)
#define COMPACT_SEGMENTS	8	/* more than so many, and the oldest mostly dead: it is emptied */
#define COMPACT_BYTES	(4ull * 1024 * 1024)	/* moved by one batch */

static void start_batch(struct sl_store *s);

/* ---- requests ----------------------------------------------------------------------- */

static void
request_free(struct request *r)
{
	size_t i;

	if (r == NULL)
		return;
	sl_list_remove(&r->link);
	for (i = 0; i < r->nmessages; i++)
		sl_message_drop(r->messages[i]);
	sl_free(r->messages);
	for (i = 0; i < r->nfiles; i++) {
		sl_free(r->files[i].path);
		sl_free(r->files[i].pieces);
	}
	sl_free(r->files);
	sl_free(r->bodies);
	sl_free(r->copy);
	sl_free(r->id);
	sl_free(r->quarantine);
	sl_entry_clear(&r->entry);
	sl_buf_clear(&r->fields);
	if (r->op != NULL)
		r->op->request = NULL;
	sl_free(r);
}

/* The pieces of an accept are the caller's again: none of it is kept. Other
 * requests are carried out, only nobody hears of it. */
static void
let_go(struct sl_store *s, struct request *r)
{
	if (r->type != SL_RECORD_ACCEPT)
		return;
	if (!r->in_batch) {
		request_free(r);
		return;
	}
	r->unwanted = true;
	pthread_mutex_lock(&s->lock);
	while (s->working)
		pthread_cond_wait(&s->idle, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

static void
op_cancel(struct sl_op *op)
{
	struct store_op *so = (struct store_op *)op;
	struct request *r = so->request;

	so->request = NULL;
	if (r == NULL)
		return;
	r->op = NULL;
	let_go(so->store, r);
}

static void
op_free(struct sl_op *op)
{
	op_cancel(op);
	sl_free(op);
}

static const struct sl_op_class store_class = { "queue", op_cancel, op_free };

static struct request *
request_new(enum sl_record_type type)
{
	struct request *r = sl_calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	sl_list_init(&r->link);
	r->type = type;
	return r;
}

/* The length of the fields stands in front of them. */
static int
seal_fields(struct request *r)
{
	struct sl_buf whole = SL_BUF_INIT;

	sl_put_u64(&whole, r->fields.n);
	sl_buf_putstr(&whole, sl_buf_str(&r->fields));
	if (whole.failed || r->fields.failed) {
		sl_buf_clear(&whole);
		return SL_ERR_NOMEM;
	}
	sl_buf_clear(&r->fields);
	r->fields = whole;
	return 0;
}

/* Queues the request; takes it, also on failure. */
static struct sl_op *
submit(struct sl_store *s, struct request *r)
{
	struct store_op *op = sl_calloc(1, sizeof(*op));

	if (op == NULL || seal_fields(r) != 0) {
		sl_free(op);
		request_free(r);
		return NULL;
	}
	sl_op_init(&op->op, &store_class, s->loop, 0);
	op->store = s;
	op->request = r;
	r->op = op;
	sl_list_insert(&s->pending, &r->link);
	if (s->batch == NULL)
		start_batch(s);
	return &op->op;
}

/* An operation that is done, for what needs no write. */
static struct sl_op *
done_op(struct sl_store *s, int status)
{
	struct store_op *op = sl_calloc(1, sizeof(*op));

	if (op == NULL)
		return NULL;
	sl_op_init(&op->op, &store_class, s->loop, 0);
	sl_op_finish(&op->op, status);
	return &op->op;
}

/* ---- accept -------------------------------------------------------------------------- */

static struct sl_envelope *
copy_envelope(const struct sl_envelope *e)
{
	struct sl_buf bytes = SL_BUF_INIT;
	struct sl_envelope *copy = NULL;
	struct sl_reader in = { 0 };

	sl_put_envelope(&bytes, e);
	if (!bytes.failed) {
		in.rest = sl_buf_str(&bytes);
		copy = sl_get_envelope(&in);
	}
	sl_buf_clear(&bytes);
	return copy;
}

static uint64_t
total(const struct sl_str *pieces, size_t n)
{
	uint64_t sum = 0;

	while (n-- > 0)
		sum += pieces[n].n;
	return sum;
}

static int
add_file(struct request *r, const char *path, const struct sl_accept_item *item)
{
	struct body_file *f = &r->files[r->nfiles++];

	f->path = sl_strdup(path);
	f->pieces = sl_calloc(item->npieces + 1, sizeof(*f->pieces));
	if (f->path == NULL || f->pieces == NULL)
		return SL_ERR_NOMEM;
	memcpy(f->pieces, item->pieces, item->npieces * sizeof(*f->pieces));
	f->npieces = item->npieces;
	return 0;
}

static int
add_item(struct sl_store *s, struct request *r, const struct sl_accept_item *item)
{
	struct sl_envelope *env = copy_envelope(item->envelope);
	struct message *m = env != NULL ? sl_message_wrap(env) : NULL;
	struct sl_buf path = SL_BUF_INIT;
	size_t i;

	if (m == NULL)
		return SL_ERR_NOMEM;
	r->messages[r->nmessages++] = m;
	env->size = total(item->pieces, item->npieces);
	if (env->size > s->options.inline_bytes) {
		sl_buf_printf(&path, "%s/%s", s->bodies, env->id);
		m->body = sl_buf_take(&path, NULL);
		if (m->body == NULL || add_file(r, m->body, item) != 0)
			return SL_ERR_NOMEM;
	} else {
		for (i = 0; i < item->npieces; i++)
			r->bodies[r->nbodies++] = item->pieces[i];
	}
	sl_put_envelope(&r->fields, env);
	sl_put_text(&r->fields, m->body);
	return 0;
}

struct sl_op *
sl_store_accept_all(struct sl_store *s, const struct sl_accept_item *items, size_t n)
{
	struct request *r = request_new(SL_RECORD_ACCEPT);
	size_t i, pieces = 0;

	if (r == NULL)
		return NULL;
	for (i = 0; i < n; i++) {
		if (sl_index_find(s, items[i].envelope->id) != NULL) {
			request_free(r);
			return done_op(s, SL_ERR_EXISTS);
		}
		pieces += items[i].npieces;
	}
	r->messages = sl_calloc(n + 1, sizeof(*r->messages));
	r->files = sl_calloc(n + 1, sizeof(*r->files));
	r->bodies = sl_calloc(pieces + 1, sizeof(*r->bodies));
	if (r->messages == NULL || r->files == NULL || r->bodies == NULL)
		goto nomem;
	sl_put_u64(&r->fields, n);
	for (i = 0; i < n; i++)
		if (add_item(s, r, &items[i]) != 0)
			goto nomem;
	return submit(s, r);
nomem:
	request_free(r);
	return NULL;
}

struct sl_op *
sl_store_accept(struct sl_store *s, const struct sl_envelope *envelope, const struct sl_str *pieces,
    size_t npieces)
{
	struct sl_accept_item item = { envelope, pieces, npieces };

	return sl_store_accept_all(s, &item, 1);
}

/* ---- update, remove ------------------------------------------------------------------- */

struct sl_op *
sl_store_update(struct sl_store *s, const char *id, size_t index, const struct sl_entry *e)
{
	const struct message *m = sl_index_find(s, id);
	struct sl_reader in = { 0 };
	struct request *r;
	struct sl_buf copy = SL_BUF_INIT;

	if (m == NULL || index >= m->env->n)
		return done_op(s, SL_ERR_NOTFOUND);
	if ((r = request_new(SL_RECORD_UPDATE)) == NULL)
		return NULL;
	r->index = index;
	r->id = sl_strdup(id);
	sl_put_entry(&copy, e);
	in.rest = sl_buf_str(&copy);
	if (r->id == NULL || copy.failed || sl_get_entry(&in, &r->entry) != 0) {
		sl_buf_clear(&copy);
		request_free(r);
		return NULL;
	}
	sl_buf_clear(&copy);
	sl_put_text(&r->fields, id);
	sl_put_u64(&r->fields, index);
	sl_put_entry(&r->fields, e);
	return submit(s, r);
}

struct sl_op *
sl_store_remove(struct sl_store *s, const char *id)
{
	struct request *r;

	if (sl_index_find(s, id) == NULL)
		return done_op(s, SL_ERR_NOTFOUND);
	if ((r = request_new(SL_RECORD_REMOVE)) == NULL)
		return NULL;
	r->id = sl_strdup(id);
	sl_put_text(&r->fields, id);
	if (r->id == NULL) {
		request_free(r);
		return NULL;
	}
	return submit(s, r);
}

struct sl_op *
sl_store_hold(struct sl_store *s, const char *id, const char *quarantine)
{
	struct request *r;

	if (sl_index_find(s, id) == NULL)
		return done_op(s, SL_ERR_NOTFOUND);
	if ((r = request_new(SL_RECORD_HOLD)) == NULL)
		return NULL;
	r->id = sl_strdup(id);
	r->quarantine = sl_strdup(quarantine);
	sl_put_text(&r->fields, id);
	sl_put_text(&r->fields, quarantine);
	if (r->id == NULL || r->quarantine == NULL) {
		request_free(r);
		return NULL;
	}
	return submit(s, r);
}

/* ---- after a batch ----------------------------------------------------------------------- */

static int
apply_accept(struct sl_store *s, struct request *r, struct segment *seg)
{
	uint64_t at = r->offset + SL_RECORD_HEADER + r->fields.n;
	struct message *m;
	size_t i;
	int rc;

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
		if ((r = request_new(SL_RECORD_REMOVE)) == NULL)
			return;
		r->id = sl_strdup(m->env->id);
		sl_put_text(&r->fields, m->env->id);
		if (r->id == NULL || seal_fields(r) != 0)
			request_free(r);
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
		request_free(r);
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
	if (!sl_list_empty(&s->pending))
		start_batch(s);
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
	struct request *r = request_new(SL_RECORD_ACCEPT);

	if (r == NULL)
		return;
	r->id = sl_strdup(m->env->id);
	r->bodies = sl_calloc(1, sizeof(*r->bodies));
	r->copy_of = m;
	r->nbodies = m->body == NULL;
	sl_put_u64(&r->fields, 1);
	sl_put_envelope(&r->fields, m->env);
	sl_put_text(&r->fields, m->body);
	if (r->id == NULL || r->bodies == NULL || seal_fields(r) != 0)
		request_free(r);
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
		request_free(r);
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

/* ---- open, close ------------------------------------------------------------------------------ */

static int
make_folder(struct sl_store *s, const char *path, struct sl_err *err)
{
	if (s->files->mkdir(s->files->arg, path, 0700) != 0 && errno != EEXIST)
		return sl_err_errno(err, "%s", path);
	return 0;
}

/* The folder's own name lasts only when what holds it is synced. Where it was
 * there before, that is done too, in case a first open was cut short. */
static int
make_shard(struct sl_store *s, struct sl_err *err)
{
	const char *slash = strrchr(s->folder, '/');
	char *parent;
	int rc = 0;
	bool made;

	made = s->files->mkdir(s->files->arg, s->folder, 0700) == 0;
	if (!made && errno != EEXIST)
		return sl_err_errno(err, "%s", s->folder);
	if (slash == NULL)
		parent = sl_strdup(".");
	else
		parent = sl_strndup(s->folder, slash > s->folder ? (size_t)(slash - s->folder) : 1);
	if (parent == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	if (s->files->sync_folder(s->files->arg, parent) != 0 && made)
		rc = sl_err_errno(err, "sync of %s", parent);
	sl_free(parent);
	return rc;
}

static int
locked_by_another(const struct sl_store *s, struct sl_err *err)
{
	char owner[24] = "";
	ssize_t n = s->files->pread(s->files->arg, s->lock_fd, owner, sizeof(owner) - 1, 0);
	struct sl_str pid = sl_str_trim((struct sl_str){ owner, n > 0 ? (size_t)n : 0 });
	uint64_t number;

	if (!sl_str_u64(pid, &number))
		return sl_err_set(err, SL_ERR_EXISTS, "%s: another process has this queue", s->folder);
	return sl_err_set(err, SL_ERR_EXISTS, "%s: another process has this queue: pid %llu",
	    s->folder, (unsigned long long)number);
}

/* Who was killed a moment ago has it while its memory is torn down. */
static int
take_lock(struct sl_store *s)
{
	int64_t end = sl_clock_us() + (int64_t)s->options.lock_ms * 1000;

	while (s->files->lock(s->files->arg, s->lock_fd) != 0) {
		if (sl_clock_us() >= end)
			return -1;
		usleep(LOCK_AGAIN_US);
	}
	return 0;
}

static int
lock(struct sl_store *s, struct sl_err *err)
{
	struct sl_buf path = SL_BUF_INIT;
	int rc = 0;

	sl_buf_printf(&path, "%s/lock", s->folder);
	if (path.failed)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	s->lock_fd = s->files->open(s->files->arg, path.p, O_RDWR | O_CREAT, 0600);
	if (s->lock_fd < 0)
		rc = sl_err_errno(err, "%s", path.p);
	else if (take_lock(s) != 0)
		rc = locked_by_another(s, err);
	sl_buf_clear(&path);
	return rc;
}

static int
open_folder(struct sl_store *s, struct sl_err *err)
{
	struct sl_buf path = SL_BUF_INIT;
	int rc;

	sl_buf_printf(&path, "%s/body", s->folder);
	s->bodies = sl_buf_take(&path, NULL);
	if (s->bodies == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	if ((rc = make_shard(s, err)) != 0 || (rc = lock(s, err)) != 0 ||
	    (rc = make_folder(s, s->bodies, err)) != 0)
		return rc;
	if (s->files->sync_folder(s->files->arg, s->folder) != 0)
		return sl_err_errno(err, "sync of %s", s->folder);
	return sl_replay(s, err);
}

int
sl_store_open(struct sl_store **out, struct sl_loop *loop, const struct sl_store_options *options,
    struct sl_err *err)
{
	struct sl_store *s = sl_calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	s->loop = loop;
	s->options = *options;
	s->files = options->files != NULL ? options->files : &sl_file_real;
	if (s->options.segment_bytes == 0)
		s->options.segment_bytes = SEGMENT_BYTES;
	if (s->options.inline_bytes == 0)
		s->options.inline_bytes = INLINE_BYTES;
	s->lock_fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->idle, NULL);
	sl_list_init(&s->segments);
	sl_list_init(&s->pending);
	s->index = sl_dict_new();
	s->folder = sl_strdup(options->folder);
	if (s->index == NULL || s->folder == NULL)
		rc = sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	else
		rc = open_folder(s, err);
	if (rc != 0) {
		sl_store_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

static void
drop_message(void *m)
{
	sl_message_drop(m);
}

void
sl_store_close(struct sl_store *s)
{
	size_t i;

	if (s == NULL)
		return;
	while (s->job != NULL && sl_loop_step(s->loop, -1) == 0)
		;
	while (!sl_list_empty(&s->segments))
		sl_segment_free(s, sl_list_entry(s->segments.next, struct segment, link));
	if (s->index != NULL)
		sl_dict_free(s->index, drop_message);
	for (i = 0; i < s->nunlinks; i++)
		sl_free(s->unlinks[i]);
	sl_free(s->unlinks);
	sl_free(s->abandons);
	sl_free(s->heap);
	if (s->lock_fd >= 0)
		s->files->close(s->files->arg, s->lock_fd);
	pthread_cond_destroy(&s->idle);
	pthread_mutex_destroy(&s->lock);
	sl_free(s->folder);
	sl_free(s->bodies);
	sl_free(s);
}

/* ---- looking ------------------------------------------------------------------------------------ */

const struct sl_envelope *
sl_store_get(const struct sl_store *s, const char *id)
{
	const struct message *m = sl_index_find(s, id);

	return m != NULL ? m->env : NULL;
}

const struct sl_envelope *
sl_store_each(const struct sl_store *s, size_t *i)
{
	struct sl_str id;
	void *value;

	return sl_dict_each(s->index, i, &id, &value) ? ((struct message *)value)->env : NULL;
}

size_t
sl_store_count(const struct sl_store *s)
{
	return sl_dict_count(s->index);
}

size_t
sl_store_held(const struct sl_store *s)
{
	return s->held;
}

uint64_t
sl_store_bytes(const struct sl_store *s)
{
	return s->bytes;
}

int
sl_store_message(struct sl_store *s, const char *id, int *fd, uint64_t *offset, uint64_t *size,
    struct sl_err *err)
{
	const struct message *m = sl_index_find(s, id);
	const char *path;

	if (m == NULL)
		return sl_err_set(err, SL_ERR_NOTFOUND, "%s is not in the queue", id);
	path = m->body != NULL ? m->body : m->segment->path;
	*fd = s->files->open(s->files->arg, path, O_RDONLY, 0);
	if (*fd < 0)
		return sl_err_errno(err, "%s", path);
	*offset = m->body != NULL ? 0 : m->offset;
	*size = m->env->size;
	return 0;
}

bool
sl_store_take(struct sl_store *s, int64_t now_us, const char **id, size_t *index, int64_t *next_us)
{
	struct slot *slot;
	int64_t at;

	if (s->nheap == 0) {
		*next_us = INT64_MAX;
		return false;
	}
	slot = s->heap[0];
	at = slot->message->env->entries[slot->index].next_us;
	if (at > now_us) {
		*next_us = at;
		return false;
	}
	sl_heap_remove(s, slot);
	slot->taken = true;
	*id = slot->message->env->id;
	*index = slot->index;
	return true;
}

void
sl_store_untake(struct sl_store *s, const char *id, size_t index)
{
	struct message *m = sl_index_find(s, id);

	if (m == NULL || index >= m->env->n || !m->slots[index].taken)
		return;
	m->slots[index].taken = false;
	if (m->env->entries[index].state == SL_ENTRY_QUEUED)
		sl_heap_add(s, &m->slots[index]);
}
