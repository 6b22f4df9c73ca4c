/*
 * Maildir: a message is written under tmp/ and synced, and appears in new/ by
 * one rename, which is synced too. Line ends stay CR LF: what arrives is what
 * was signed. A second delivery of the same attempt takes the same name.
 */
#include "maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/alloc.h"

static int
add_part(struct sl_buf *out, struct sl_str part, struct sl_err *err)
{
	bool ok = part.n > 0 && part.n <= 200 && part.p[0] != '.';

	for (size_t i = 0; i < part.n; i++)
		ok = ok && part.p[i] != '/' && (unsigned char)part.p[i] > ' ' && part.p[i] != 0x7f;
	if (!ok)
		return sl_err_set(err, SL_ERR_SYNTAX, "\"%.*s\" can't be part of a path",
		    (int)part.n, part.p);
	return sl_buf_putstr(out, part);
}

int
sl_maildir_path(const char *pattern, const char *address, struct sl_buf *out, struct sl_err *err)
{
	const char *at = strrchr(address, '@');
	struct sl_str domain = sl_str_of(at != NULL ? at + 1 : ""), local = sl_str_of(address);
	int rc = 0;

	if (at != NULL)
		local.n = (size_t)(at - address);
	for (; *pattern != '\0' && rc == 0; pattern++) {
		if (pattern[0] == '%' && (pattern[1] == 'u' || pattern[1] == 'd'))
			rc = add_part(out, *++pattern == 'u' ? local : domain, err);
		else
			rc = sl_buf_putc(out, *pattern);
	}
	return rc;
}

static int
make(const char *path)
{
	return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

/* All folders of the path, then cur, new, tmp. */
static int
make_folders(const char *path, struct sl_err *err)
{
	static const char *const parts[] = { "", "/cur", "/new", "/tmp" };
	struct sl_buf b = SL_BUF_INIT;
	size_t i;
	char *p;
	int rc = 0;

	sl_buf_puts(&b, path);
	for (p = b.p != NULL ? strchr(b.p + 1, '/') : NULL; p != NULL; p = strchr(p + 1, '/')) {
		*p = '\0';
		make(b.p);
		*p = '/';
	}
	for (i = 0; i < 4 && rc == 0; i++) {
		sl_buf_reset(&b);
		sl_buf_printf(&b, "%s%s", path, parts[i]);
		if (b.failed || make(b.p) != 0)
			rc = sl_err_errno(err, "%s", path);
	}
	sl_buf_clear(&b);
	return rc;
}

static int
write_all(int fd, const char *p, size_t n)
{
	ssize_t k;

	while (n > 0) {
		k = write(fd, p, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

static int
copy(struct sl_maildir_job *j, int to)
{
	char chunk[65536];
	uint64_t done = 0;
	ssize_t n;

	if (write_all(to, j->head, strlen(j->head)) != 0)
		return -1;
	while (done < j->size) {
		n = pread(j->fd, chunk, j->size - done < sizeof(chunk) ? (size_t)(j->size - done) :
		    sizeof(chunk), (off_t)(j->offset + done));
		if (n <= 0) {
			errno = n == 0 ? EIO : errno;
			return -1;
		}
		if (write_all(to, chunk, (size_t)n) != 0)
			return -1;
		done += (uint64_t)n;
	}
	return fsync(to);
}

static int
sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

int
sl_maildir_work(void *arg)
{
	struct sl_maildir_job *j = arg;
	struct sl_buf tmp = SL_BUF_INIT, new = SL_BUF_INIT, folder = SL_BUF_INIT;
	int rc, fd = -1;

	rc = make_folders(j->path, &j->err);
	sl_buf_printf(&tmp, "%s/tmp/%s", j->path, j->name);
	sl_buf_printf(&new, "%s/new/%s", j->path, j->name);
	sl_buf_printf(&folder, "%s/new", j->path);
	if (rc == 0 && (tmp.failed || new.failed || folder.failed))
		rc = sl_err_set(&j->err, SL_ERR_NOMEM, "out of memory");
	if (rc == 0) {
		fd = open(tmp.p, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 || copy(j, fd) != 0)
			rc = sl_err_errno(&j->err, "%s", tmp.p);
		else if (rename(tmp.p, new.p) != 0 || sync_folder(folder.p) != 0)
			rc = sl_err_errno(&j->err, "%s", new.p);
	}
	if (fd >= 0)
		close(fd);
	if (rc != 0 && fd >= 0)
		unlink(tmp.p);
	sl_buf_clear(&tmp);
	sl_buf_clear(&new);
	sl_buf_clear(&folder);
	return rc;
}

void
sl_maildir_job_free(void *arg)
{
	struct sl_maildir_job *j = arg;

	if (j == NULL)
		return;
	if (j->fd >= 0)
		close(j->fd);
	sl_free(j->path);
	sl_free(j->head);
	sl_free(j);
}
