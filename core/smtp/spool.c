/* See spool.h. Failures are kept in the spool and told at the end of data. */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
sl_spool_init(struct sl_spool *spool, const char *folder, uint64_t limit)
{
	memset(spool, 0, sizeof(*spool));
	spool->fd = -1;
	spool->folder = folder;
	spool->limit = limit;
}

void
sl_spool_clear(struct sl_spool *spool)
{
	if (spool->fd >= 0)
		close(spool->fd);
	spool->fd = -1;
	sl_buf_clear(&spool->mem);
}

static int
open_file(struct sl_spool *spool)
{
	char path[512];
	int fd;

	fd = open(spool->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	/* A file system without O_TMPFILE. */
	snprintf(path, sizeof(path), "%s/in-XXXXXX", spool->folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static void
write_all(struct sl_spool *spool, const char *p, size_t n)
{
	ssize_t r;

	while (n > 0) {
		r = write(spool->fd, p, n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0) {
			sl_err_errno(&spool->err, "%s", spool->folder);
			return;
		}
		p += r;
		n -= (size_t)r;
	}
}

static void
to_file(struct sl_spool *spool)
{
	spool->fd = open_file(spool);
	if (spool->fd < 0) {
		sl_err_errno(&spool->err, "%s", spool->folder);
		return;
	}
	write_all(spool, spool->mem.p, spool->mem.n);
	sl_buf_clear(&spool->mem);
}

/* The length of the header with its empty line, 0 = not there yet. */
static size_t
header_end(struct sl_spool *spool)
{
	struct sl_str s = sl_buf_str(&spool->mem);
	size_t from = spool->scanned > 3 ? spool->scanned - 3 : 0;
	ssize_t at;

	if (sl_str_starts(s, SL_STR("\r\n")))
		return 2;
	at = sl_str_find(sl_str_sub(s, from, s.n), SL_STR("\r\n\r\n"));
	spool->scanned = s.n;
	return at >= 0 ? from + (size_t)at + 4 : 0;
}

static void
show_header(struct sl_spool *spool, size_t header)
{
	spool->header_seen = true;
	if (spool->on_header(spool->arg, &spool->mem, header) < 0)
		sl_err_set(&spool->err, SL_ERR_NOMEM, "out of memory");
}

void
sl_spool_put(void *arg, const char *p, size_t n)
{
	struct sl_spool *spool = arg;
	bool hold = spool->on_header != NULL && !spool->header_seen;
	size_t header;

	spool->size += n;
	if (spool->size > spool->limit) {
		spool->over = true;
		sl_spool_clear(spool);
	}
	if (spool->over || spool->err.code != 0)
		return;
	if (spool->fd >= 0) {
		write_all(spool, p, n);
		return;
	}
	if (sl_buf_put(&spool->mem, p, n) < 0) {
		sl_err_set(&spool->err, SL_ERR_NOMEM, "out of memory");
		return;
	}
	if (hold && (header = header_end(spool)) > 0)
		show_header(spool, header);
	/* A header longer than the cap is refused anyway; it needn't be in memory for that. */
	hold = hold && !spool->header_seen && spool->mem.n <= SL_MAX_HEADER_BYTES;
	if (spool->mem.n > SL_SPOOL_MEMORY && spool->folder != NULL && !hold)
		to_file(spool);
}

int
sl_spool_finish(struct sl_spool *spool, struct sl_message **out, struct sl_err *err)
{
	size_t n;
	char *p;
	int r;

	if (spool->on_header != NULL && !spool->header_seen && spool->fd < 0 && !spool->over)
		show_header(spool, spool->mem.n);
	if (spool->err.code != 0) {
		if (err != NULL)
			*err = spool->err;
		r = spool->err.code;
	} else if (spool->fd >= 0) {
		r = sl_message_from_file(out, spool->fd, err);
	} else {
		p = sl_buf_take(&spool->mem, &n);
		r = p != NULL ? sl_message_from_memory(out, p, n, err)
		    : sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	}
	sl_spool_clear(spool);
	return r;
}
