/*
 * The file layer under the store: what it needs of a file system, as a table,
 * so that tests can drop, reorder or tear writes that weren't synced, and
 * fail each call in turn. Functions return as their system calls (-1, errno).
 */
#ifndef SL_QUEUE_FILE_H
#define SL_QUEUE_FILE_H

#include <sys/types.h>
#include <sys/uio.h>

#include "../base/bytes.h"

struct sl_file_ops {
	void *arg;
	int (*open)(void *arg, const char *path, int flags, mode_t mode);
	ssize_t (*pwritev)(void *arg, int fd, const struct iovec *iov, int n, off_t at);
	ssize_t (*pread)(void *arg, int fd, void *buf, size_t n, off_t at);
	int (*fdatasync)(void *arg, int fd);
	int (*sync_folder)(void *arg, const char *path);	/* fsync of the directory */
	int (*truncate)(void *arg, int fd, off_t size);
	int (*rename)(void *arg, const char *from, const char *to);
	int (*unlink)(void *arg, const char *path);
	int (*close)(void *arg, int fd);
	int (*mkdir)(void *arg, const char *path, mode_t mode);
	off_t (*size)(void *arg, int fd);
	/* Calls fn for each name in the folder but "." and "..". */
	int (*list)(void *arg, const char *path, void (*fn)(void *to, const char *name), void *to);
	/* Exclusive, not waiting; EWOULDBLOCK. The file then holds the owner's pid as text. */
	int (*lock)(void *arg, int fd);
};

extern const struct sl_file_ops sl_file_real;

#endif
