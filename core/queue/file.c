/* The real file system. */
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int
real_open(void *arg, const char *path, int flags, mode_t mode)
{
	(void)arg;
	return open(path, flags | O_CLOEXEC, mode);
}

static ssize_t
real_pwritev(void *arg, int fd, const struct iovec *iov, int n, off_t at)
{
	(void)arg;
	return pwritev(fd, iov, n, at);
}

static ssize_t
real_pread(void *arg, int fd, void *buf, size_t n, off_t at)
{
	(void)arg;
	return pread(fd, buf, n, at);
}

static int
real_fdatasync(void *arg, int fd)
{
	(void)arg;
	return fdatasync(fd);
}

static int
real_sync_folder(void *arg, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc, saved;

	(void)arg;
	if (fd < 0)
		return -1;
	rc = fsync(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

static int
real_truncate(void *arg, int fd, off_t size)
{
	(void)arg;
	return ftruncate(fd, size);
}

static int
real_rename(void *arg, const char *from, const char *to)
{
	(void)arg;
	return rename(from, to);
}

static int
real_unlink(void *arg, const char *path)
{
	(void)arg;
	return unlink(path);
}

static int
real_close(void *arg, int fd)
{
	(void)arg;
	return close(fd);
}

static int
real_mkdir(void *arg, const char *path, mode_t mode)
{
	(void)arg;
	return mkdir(path, mode);
}

static off_t
real_size(void *arg, int fd)
{
	struct stat st;

	(void)arg;
	return fstat(fd, &st) == 0 ? st.st_size : -1;
}

static int
real_list(void *arg, const char *path, void (*fn)(void *, const char *), void *to)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	(void)arg;
	if (dir == NULL)
		return -1;
	while ((e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			fn(to, e->d_name);
	closedir(dir);
	return 0;
}

static int
real_lock(void *arg, int fd)
{
	char owner[24];
	int n = snprintf(owner, sizeof(owner), "%ld\n", (long)getpid());

	(void)arg;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return -1;
	/* For people; a full disk mustn't keep anybody from a queue. */
	if (ftruncate(fd, 0) == 0 && pwrite(fd, owner, (size_t)n, 0) < n)
		errno = 0;
	return 0;
}

const struct sl_file_ops sl_file_real = {
	.open = real_open, .pwritev = real_pwritev, .pread = real_pread,
	.fdatasync = real_fdatasync, .sync_folder = real_sync_folder,
	.truncate = real_truncate, .rename = real_rename, .unlink = real_unlink,
	.close = real_close, .mkdir = real_mkdir, .size = real_size, .list = real_list,
	.lock = real_lock,
};
