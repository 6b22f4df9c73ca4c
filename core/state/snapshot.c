#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../net/op.h"

#define FIRST_MS	1000
#define INTERVAL_MS	60000
#define MAX_FILE	((off_t)SL_TABLE_BYTES * 2)

struct sl_snapshot {
	struct sl_loop *loop;
	struct sl_table *table;
	struct sl_events *events;
	struct sl_thread *thread;
	struct sl_timer timer;
	struct sl_op *writing;
	struct sl_buf bytes;		/* the thread's while it writes */
	struct sl_err err;		/* likewise */
	char *folder, *path, *fresh, *bad;
	bool changed;
	int64_t next;			/* sl_loop_now() when it may be written again */
};

/* ---- writing ------------------------------------------------------------------- */

static int
write_bytes(int fd, struct sl_str s)
{
	while (s.n > 0) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			s = sl_str_sub(s, (size_t)n, s.n);
	}
	return fsync(fd);
}

static int
sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

static int
write_file(struct sl_snapshot *s)
{
	int fd = open(s->fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), rc;

	if (fd < 0)
		return sl_err_errno(&s->err, "%s", s->fresh);
	rc = write_bytes(fd, sl_buf_str(&s->bytes));
	if (rc != 0)
		sl_err_errno(&s->err, "%s", s->fresh);
	close(fd);
	if (rc == 0 && (rename(s->fresh, s->path) != 0 || sync_folder(s->folder) != 0))
		return sl_err_errno(&s->err, "%s", s->path);
	if (rc != 0)
		unlink(s->fresh);	/* on a full disk it is in the way */
	return rc == 0 ? 0 : SL_ERR_IO;
}

static int
work(void *arg)
{
	return write_file(arg);
}

static void
tell_failure(struct sl_snapshot *s)
{
	sl_event(s->events, SL_ERROR, "state_not_saved",
	    SL_FIELDS(SL_F_TEXT("error", s->err.text)));
}

static int
gather(struct sl_snapshot *s)
{
	sl_buf_reset(&s->bytes);
	if (sl_table_save(s->table, sl_loop_time_us(s->loop) / 1000, &s->bytes) == 0)
		return 0;
	return sl_err_set(&s->err, SL_ERR_NOMEM, "out of memory");
}

static void plan(struct sl_snapshot *s);

static void
ended(struct sl_snapshot *s, int status)
{
	sl_buf_clear(&s->bytes);
	if (status == 0)
		return;
	tell_failure(s);
	s->changed = true;
}

static void
written(struct sl_op *op, void *arg)
{
	struct sl_snapshot *s = arg;

	ended(s, op->status);
	sl_op_release(op);
	s->writing = NULL;
	plan(s);
}

static void
due(struct sl_timer *timer)
{
	struct sl_snapshot *s = sl_list_entry(timer, struct sl_snapshot, timer);
	int rc = gather(s);

	s->changed = false;
	s->next = sl_loop_now(s->loop) + INTERVAL_MS;
	if (rc == 0 && (s->writing = sl_thread_run(s->thread, work, s, NULL)) == NULL)
		rc = sl_err_set(&s->err, SL_ERR_NOMEM, "out of memory");
	if (rc == 0) {
		sl_op_wait(s->writing, written, s);
		return;
	}
	ended(s, rc);
	plan(s);
}

static void
plan(struct sl_snapshot *s)
{
	int64_t wait = s->next - sl_loop_now(s->loop);

	if (s->changed && s->writing == NULL && s->timer.loop == NULL)
		sl_timer_start(s->loop, &s->timer, wait > FIRST_MS ? wait : FIRST_MS, due);
}

void
sl_snapshot_changed(struct sl_snapshot *s)
{
	s->changed = true;
	plan(s);
}

/* ---- reading ------------------------------------------------------------------- */

static int
read_bytes(int fd, struct sl_buf *out)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) != 0)
		return -1;
	if (st.st_size > MAX_FILE || sl_buf_reserve(out, (size_t)st.st_size) != 0) {
		errno = EFBIG;
		return -1;
	}
	while (out->n < (size_t)st.st_size) {
		n = read(fd, out->p + out->n, (size_t)st.st_size - out->n);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n == 0)
			break;
		out->n += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static void
set_aside(struct sl_snapshot *s, const char *why)
{
	if (rename(s->path, s->bad) != 0)
		why = "it can't be renamed either";
	s->changed = true;
	sl_event(s->events, SL_ERROR, "state_damaged", SL_FIELDS(SL_F_TEXT("file", s->path),
	    SL_F_TEXT("kept_as", s->bad), SL_F_TEXT("error", why),
	    SL_F_INT("entries", sl_table_count(s->table))));
}

static int
load(struct sl_snapshot *s, struct sl_err *err)
{
	struct sl_buf bytes = SL_BUF_INIT;
	int fd = open(s->path, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return sl_err_errno(err, "%s", s->path);
	if (read_bytes(fd, &bytes) != 0)
		rc = sl_err_errno(err, "%s", s->path);
	else
		rc = sl_table_load(s->table, sl_loop_time_us(s->loop) / 1000, sl_buf_str(&bytes));
	close(fd);
	sl_buf_clear(&bytes);
	if (rc == SL_ERR_NOMEM)
		return sl_err_set(err, rc, "out of memory");
	if (rc != 0)
		set_aside(s, rc == SL_ERR_IO ? err->text : "it fails its check");
	return 0;
}

/* ---- life ------------------------------------------------------------------------ */

static char *
join(const char *folder, const char *name)
{
	struct sl_buf b = SL_BUF_INIT;

	sl_buf_printf(&b, "%s/%s", folder, name);
	return sl_buf_take(&b, NULL);
}

static void
free_snapshot(struct sl_snapshot *s)
{
	sl_thread_free(s->thread);
	sl_timer_stop(&s->timer);
	sl_buf_clear(&s->bytes);
	sl_free(s->folder);
	sl_free(s->path);
	sl_free(s->fresh);
	sl_free(s->bad);
	sl_free(s);
}

struct sl_snapshot *
sl_snapshot_open(struct sl_loop *loop, struct sl_table *table, const char *folder,
    struct sl_events *events, struct sl_err *err)
{
	struct sl_snapshot *s = sl_calloc(1, sizeof(*s));

	if (s == NULL)
		goto no_memory;
	s->loop = loop;
	s->table = table;
	s->events = events;
	s->folder = sl_strdup(folder);
	s->path = join(folder, "state");
	s->fresh = join(folder, "state.new");
	s->bad = join(folder, "state.bad");
	if (s->folder == NULL || s->path == NULL || s->fresh == NULL || s->bad == NULL)
		goto no_memory;
	if (load(s, err) == 0 && (s->thread = sl_thread_new(loop, "state", err)) != NULL) {
		plan(s);
		return s;
	}
	free_snapshot(s);
	return NULL;
no_memory:
	if (s != NULL)
		free_snapshot(s);
	sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	return NULL;
}

/* The thread ends first, with what it took: it uses the same buffer. */
void
sl_snapshot_close(struct sl_snapshot *s)
{
	if (s == NULL)
		return;
	sl_thread_free(s->thread);
	s->thread = NULL;
	if (s->writing != NULL) {
		ended(s, s->writing->status);
		sl_op_release(s->writing);
	}
	if (s->changed && (gather(s) != 0 || write_file(s) != 0))
		tell_failure(s);
	free_snapshot(s);
}
