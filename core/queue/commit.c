/*
 * Group commit, on the thread: everything that waits is written and synced at
 * once. What it promises and why:
 *
 * - An operation is told of success only after fdatasync of the log, and a body
 *   file is synced, with its folder, before the record that names it.
 * - After a failed write or sync nothing is known of the segment's end: it is
 *   cut back as far as that works, closed, and never synced again (a second
 *   fdatasync may succeed although the pages were dropped). The next segment
 *   begins with a record that abandons everything beyond the last good end, so
 *   what was answered with 4xx doesn't come back. If the machine dies before
 *   that record is durable it may come back: its client had no 250 and will
 *   send again, a duplicate and no loss.
 * - Segments are unlinked oldest first, each unlink made durable before the
 *   next: a later segment may hold the end of a message in an earlier one.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "../crypto/random.h"
#include "store_private.h"

#define IOV	64

/* ---- writing ---------------------------------------------------------------------- */

struct writer {
	const struct sl_file_ops *files;
	int fd;
	off_t at;
	struct iovec iov[IOV];
	int n;
	struct sl_err *err;
};

static int
flush(struct writer *w)
{
	struct iovec *iov = w->iov;
	int n = w->n;
	ssize_t wrote;

	w->n = 0;
	while (n > 0) {
		wrote = w->files->pwritev(w->files->arg, w->fd, iov, n, w->at);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return sl_err_errno(w->err, "write");
		w->at += wrote;
		while (n > 0 && (size_t)wrote >= iov->iov_len) {
			wrote -= (ssize_t)iov->iov_len;
			iov++;
			n--;
		}
		if (n > 0) {
			iov->iov_base = (char *)iov->iov_base + wrote;
			iov->iov_len -= (size_t)wrote;
		}
	}
	return 0;
}

static int
put(struct writer *w, const void *p, size_t n)
{
	if (n == 0)
		return 0;
	if (w->n == IOV && flush(w) != 0)
		return SL_ERR_IO;
	w->iov[w->n].iov_base = (void *)(uintptr_t)p;
	w->iov[w->n].iov_len = n;
	w->n++;
	return 0;
}

/* Headers live until the writer is flushed: one record, one flush. */
static int
put_record(struct writer *w, const struct segment *seg, enum sl_record_type type,
    struct sl_str fields, const struct sl_str *bodies, size_t nbodies)
{
	struct sl_record r = { .type = type, .len = fields.n, .synced = seg->durable };
	uint8_t header[SL_RECORD_HEADER];
	size_t i;

	for (i = 0; i < nbodies; i++)
		r.len += bodies[i].n;
	r.crc = sl_crc32c(sl_record_crc(&r), fields.p, fields.n);
	for (i = 0; i < nbodies; i++)
		r.crc = sl_crc32c(r.crc, bodies[i].p, bodies[i].n);
	sl_record_header(header, &r, seg->salt, (uint64_t)w->at);
	if (put(w, header, sizeof(header)) != 0 || put(w, fields.p, fields.n) != 0)
		return SL_ERR_IO;
	for (i = 0; i < nbodies; i++)
		if (put(w, bodies[i].p, bodies[i].n) != 0)
			return SL_ERR_IO;
	return flush(w);
}

/* ---- body files ---------------------------------------------------------------------- */

static int
write_body(struct batch *b, const struct body_file *f)
{
	const struct sl_file_ops *files = b->store->files;
	struct writer w = { .files = files, .err = &b->err };
	size_t i;
	int rc = 0;

	w.fd = files->open(files->arg, f->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (w.fd < 0)
		return sl_err_errno(&b->err, "%s", f->path);
	for (i = 0; i < f->npieces && rc == 0; i++)
		rc = put(&w, f->pieces[i].p, f->pieces[i].n);
	if (rc == 0)
		rc = flush(&w);
	if (rc == 0 && files->fdatasync(files->arg, w.fd) != 0)
		rc = sl_err_errno(&b->err, "sync of %s", f->path);
	files->close(files->arg, w.fd);
	return rc;
}

static int
write_bodies(struct batch *b)
{
	const struct sl_file_ops *files = b->store->files;
	struct sl_list *l;
	struct request *r;
	bool any = false;
	size_t i;
	int rc;

	for (l = b->requests.next; l != &b->requests; l = l->next) {
		r = sl_list_entry(l, struct request, link);
		for (i = 0; i < r->nfiles; i++, any = true)
			if ((rc = write_body(b, &r->files[i])) != 0)
				return rc;
	}
	if (any && files->sync_folder(files->arg, b->store->bodies) != 0)
		return sl_err_errno(&b->err, "sync of %s", b->store->bodies);
	return 0;
}

static void
remove_bodies(struct batch *b)
{
	const struct sl_file_ops *files = b->store->files;
	struct sl_list *l;
	struct request *r;
	size_t i;

	for (l = b->requests.next; l != &b->requests; l = l->next) {
		r = sl_list_entry(l, struct request, link);
		for (i = 0; i < r->nfiles; i++)
			files->unlink(files->arg, r->files[i].path);
	}
}

/* ---- the log ---------------------------------------------------------------------------- */

static int
make_segment(struct batch *b)
{
	struct segment *seg = b->fresh;
	const struct sl_file_ops *files = b->store->files;
	struct writer w = { .files = files, .err = &b->err };
	uint8_t header[SL_SEGMENT_HEADER];

	if (sl_random_bytes(&seg->salt, sizeof(seg->salt)) != 0)
		return sl_err_set(&b->err, SL_ERR_IO, "no random bytes to be had");
	seg->fd = files->open(files->arg, seg->path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (seg->fd < 0)
		return sl_err_errno(&b->err, "%s", seg->path);
	w.fd = seg->fd;
	sl_segment_header(header, seg->number, seg->salt);
	if (put(&w, header, sizeof(header)) != 0 || flush(&w) != 0)
		return SL_ERR_IO;
	if (files->sync_folder(files->arg, b->store->folder) != 0)
		return sl_err_errno(&b->err, "sync of %s", b->store->folder);
	seg->bytes = SL_SEGMENT_HEADER;
	b->segment = seg;
	return 0;
}

static int
write_abandons(struct batch *b, struct writer *w)
{
	struct sl_buf fields = SL_BUF_INIT;
	size_t i;
	int rc = 0;

	for (i = 0; i < b->nabandons && rc == 0; i++) {
		sl_buf_reset(&fields);
		sl_put_u64(&fields, b->abandons[i].segment);
		sl_put_u64(&fields, b->abandons[i].offset);
		rc = fields.failed ? sl_err_set(&b->err, SL_ERR_NOMEM, "out of memory") :
		    put_record(w, b->segment, SL_RECORD_ABANDON, sl_buf_str(&fields), NULL, 0);
	}
	sl_buf_clear(&fields);
	return rc;
}

/* Compaction: the bytes of a message that moves. */
static int
read_copy(struct batch *b, struct request *r)
{
	const struct message *m = r->copy_of;
	const struct sl_file_ops *files = b->store->files;
	size_t n = m->env->size, got = 0;
	ssize_t k;

	r->copy = sl_malloc(n + 1);
	if (r->copy == NULL)
		return SL_ERR_NOMEM;
	while (got < n) {
		k = files->pread(files->arg, m->segment->fd, r->copy + got, n - got,
		    (off_t)(m->offset + got));
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return SL_ERR_IO;
		got += (size_t)k;
	}
	r->bodies[0] = (struct sl_str){ r->copy, n };
	return 0;
}

/* One that can't be read stays where it is; those who wait for this batch don't suffer for it. */
static void
read_copies(struct batch *b)
{
	struct sl_list *l;
	struct request *r;

	for (l = b->requests.next; l != &b->requests; l = l->next) {
		r = sl_list_entry(l, struct request, link);
		if (r->copy_of != NULL && r->copy_of->body == NULL)
			r->unreadable = read_copy(b, r) != 0;
	}
}

static int
write_log(struct batch *b)
{
	const struct sl_file_ops *files = b->store->files;
	struct writer w = { .files = files, .fd = b->segment->fd, .err = &b->err };
	struct sl_list *l;
	struct request *r;
	int rc;

	w.at = (off_t)b->segment->bytes;
	b->log_touched = true;
	if ((rc = write_abandons(b, &w)) != 0)
		return rc;
	for (l = b->requests.next; l != &b->requests; l = l->next) {
		r = sl_list_entry(l, struct request, link);
		if (r->unreadable)
			continue;
		r->offset = (uint64_t)w.at;
		rc = put_record(&w, b->segment, r->type, sl_buf_str(&r->fields), r->bodies, r->nbodies);
		if (rc != 0)
			return rc;
	}
	if (files->fdatasync(files->arg, b->segment->fd) != 0)
		return sl_err_errno(&b->err, "sync of %s", b->segment->path);
	b->end = (uint64_t)w.at;
	return 0;
}

/* ---- cleaning ----------------------------------------------------------------------------- */

/* A damaged one is kept for people, under a name that replay doesn't read. It
 * may be gone already, when only the sync of an earlier try failed. */
static int
drop_segment(struct batch *b, const struct segment *seg)
{
	const struct sl_file_ops *files = b->store->files;
	char *kept;
	int rc;

	if (!seg->bad) {
		rc = files->unlink(files->arg, seg->path);
	} else {
		kept = sl_segment_path(b->store, seg->number, "bad.kept");
		rc = kept != NULL ? files->rename(files->arg, seg->path, kept) : -1;
		if (kept == NULL)
			errno = ENOMEM;
		sl_free(kept);
	}
	return rc != 0 && errno != ENOENT ? -1 : 0;
}

static void
unlink_dead(struct batch *b)
{
	const struct sl_file_ops *files = b->store->files;
	size_t i;

	for (i = 0; i < b->nunlinks; i++)
		files->unlink(files->arg, b->unlinks[i]);
	for (i = 0; i < b->ndead; i++) {
		if (drop_segment(b, b->dead[i]) != 0 ||
		    files->sync_folder(files->arg, b->store->folder) != 0)
			return;
		b->dead_done++;
	}
}

int
sl_batch_work(void *arg)
{
	struct batch *b = arg;
	const struct sl_file_ops *files = b->store->files;
	bool fresh = b->segment == NULL;
	int rc = 0;

	if (!sl_list_empty(&b->requests)) {
		if (fresh)
			rc = make_segment(b);
		if (rc == 0)
			rc = write_bodies(b);
		if (rc == 0) {
			read_copies(b);
			rc = write_log(b);
		}
		if (rc != 0) {
			if (b->log_touched)
				files->truncate(files->arg, b->segment->fd,
				    (off_t)b->segment->bytes);
			else if (fresh && b->fresh->fd >= 0)
				files->unlink(files->arg, b->fresh->path);
			remove_bodies(b);
			return SL_ERR_IO;
		}
	}
	unlink_dead(b);
	return 0;
}
