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

/* ---- requests ----------------------------------------------------------------------- */

void
sl_request_free(struct request *r)
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
		sl_request_free(r);
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

struct request *
sl_request_new(enum sl_record_type type)
{
	struct request *r = sl_calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	sl_list_init(&r->link);
	r->type = type;
	return r;
}

int
sl_request_seal(struct request *r)
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

	if (op == NULL || sl_request_seal(r) != 0) {
		sl_free(op);
		sl_request_free(r);
		return NULL;
	}
	sl_op_init(&op->op, &store_class, s->loop, 0);
	op->store = s;
	op->request = r;
	r->op = op;
	sl_batch_add(s, r);
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
	struct request *r = sl_request_new(SL_RECORD_ACCEPT);
	size_t i, pieces = 0;

	if (r == NULL)
		return NULL;
	for (i = 0; i < n; i++) {
		if (sl_index_find(s, items[i].envelope->id) != NULL) {
			sl_request_free(r);
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
	sl_request_free(r);
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
	if ((r = sl_request_new(SL_RECORD_UPDATE)) == NULL)
		return NULL;
	r->index = index;
	r->id = sl_strdup(id);
	sl_put_entry(&copy, e);
	in.rest = sl_buf_str(&copy);
	if (r->id == NULL || copy.failed || sl_get_entry(&in, &r->entry) != 0) {
		sl_buf_clear(&copy);
		sl_request_free(r);
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
	if ((r = sl_request_new(SL_RECORD_REMOVE)) == NULL)
		return NULL;
	r->id = sl_strdup(id);
	sl_put_text(&r->fields, id);
	if (r->id == NULL) {
		sl_request_free(r);
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
	if ((r = sl_request_new(SL_RECORD_HOLD)) == NULL)
		return NULL;
	r->id = sl_strdup(id);
	r->quarantine = sl_strdup(quarantine);
	sl_put_text(&r->fields, id);
	sl_put_text(&r->fields, quarantine);
	if (r->id == NULL || r->quarantine == NULL) {
		sl_request_free(r);
		return NULL;
	}
	return submit(s, r);
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
	sl_batch_flush(s);
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
