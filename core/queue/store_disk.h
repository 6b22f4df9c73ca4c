/*
 * A file system in memory for the store's tests. It keeps each write that
 * wasn't synced as one change, and each name made, removed or moved likewise;
 * when power is lost any of them may survive, in any order, and writes in
 * part (sectors of 512 bytes). Any operation can be made to fail. It is code,
 * included by the tests that use it.
 */
#ifndef SL_QUEUE_STORE_DISK_H
#define SL_QUEUE_STORE_DISK_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

#define SECTOR		512
#define DISK_FILES	512

struct change {
	bool cut;		/* to 'at' bytes; else n bytes at 'at' */
	size_t at, n;
	char *bytes;
};

struct content {
	char *p;
	size_t n;
};

struct inode {
	struct content now, disk;
	struct change *changes;
	size_t nchanges;
};

struct name {
	char path[64];
	struct inode *inode;	/* NULL = no such name */
};

struct rename_or_so {		/* a change of names not yet synced */
	char path[64];		/* gets this inode; NULL = goes away */
	struct inode *inode;
	char from[64];		/* goes away with it */
};

struct disk {
	struct name now[DISK_FILES], stored[DISK_FILES];
	struct rename_or_so changes[DISK_FILES];
	size_t nchanges;
	struct inode *inodes[DISK_FILES];
	size_t ninodes;
	struct inode *fds[DISK_FILES];
	unsigned ops, fail_at, die_at, reads, fail_read_at;
	int fail_errno;
	unsigned parent_syncs;	/* of what holds the shard's folder */
	bool no_sync, locked;
	unsigned seed;
	pthread_mutex_t lock;
};

static unsigned
disk_random(struct disk *d)
{
	d->seed = d->seed * 1103515245u + 12345u;
	return d->seed >> 16;
}

/* Under lock: counts one operation; false = it fails. */
static bool
disk_step(struct disk *d)
{
	d->ops++;
	if (d->die_at != 0 && d->ops >= d->die_at) {
		errno = EIO;
		return false;
	}
	if (d->ops != d->fail_at)
		return true;
	errno = d->fail_errno;
	return false;
}

static struct name *
disk_find(struct name *names, const char *path, bool make)
{
	struct name *room = NULL;

	for (size_t i = 0; i < DISK_FILES; i++) {
		if (strcmp(names[i].path, path) == 0)
			return &names[i];
		if (room == NULL && names[i].inode == NULL)
			room = &names[i];
	}
	if (!make || room == NULL)
		return NULL;
	snprintf(room->path, sizeof(room->path), "%s", path);
	return room;
}

static void
content_put(struct content *c, size_t at, const char *p, size_t n)
{
	if (at + n > c->n) {
		c->p = realloc(c->p, at + n + 1);
		memset(c->p + c->n, 0, at + n - c->n);
		c->n = at + n;
	}
	if (n > 0)
		memcpy(c->p + at, p, n);
}

static void
content_cut(struct content *c, size_t n)
{
	if (n < c->n)
		c->n = n;
}

static void
apply_change(struct content *c, const struct change *change)
{
	if (change->cut)
		content_cut(c, change->at);
	else
		content_put(c, change->at, change->bytes, change->n);
}

static void
note_change(struct inode *f, bool cut, size_t at, const char *p, size_t n)
{
	struct change *c;

	f->changes = realloc(f->changes, (f->nchanges + 1) * sizeof(*c));
	c = &f->changes[f->nchanges++];
	*c = (struct change){ cut, at, n, malloc(n + 1) };
	if (n > 0)
		memcpy(c->bytes, p, n);
	apply_change(&f->now, c);
}

static void
drop_changes(struct inode *f)
{
	for (size_t i = 0; i < f->nchanges; i++)
		free(f->changes[i].bytes);
	free(f->changes);
	f->changes = NULL;
	f->nchanges = 0;
}

static void
names_apply(struct name *names, const struct rename_or_so *c)
{
	struct name *n;

	if (c->from[0] != '\0' && (n = disk_find(names, c->from, false)) != NULL) {
		n->inode = NULL;
		n->path[0] = '\0';
	}
	n = disk_find(names, c->path, c->inode != NULL);
	if (n == NULL)
		return;
	n->inode = c->inode;
	if (c->inode == NULL)
		n->path[0] = '\0';
}

static void
note_name(struct disk *d, const char *path, struct inode *f, const char *from)
{
	struct rename_or_so *c;

	if (d->nchanges == DISK_FILES)
		abort();
	c = &d->changes[d->nchanges++];
	memset(c, 0, sizeof(*c));
	snprintf(c->path, sizeof(c->path), "%s", path);
	snprintf(c->from, sizeof(c->from), "%s", from);
	c->inode = f;
	names_apply(d->now, c);
}

static int
disk_fd(struct disk *d, struct inode *f)
{
	for (int i = 0; i < DISK_FILES; i++) {
		if (d->fds[i] == NULL) {
			d->fds[i] = f;
			return i + 1000;
		}
	}
	abort();
}

static int
d_open(void *arg, const char *path, int flags, mode_t mode)
{
	struct disk *d = arg;
	struct name *n;
	struct inode *f;
	int fd = -1;

	(void)mode;
	pthread_mutex_lock(&d->lock);
	if (!disk_step(d))
		goto out;
	n = disk_find(d->now, path, false);
	f = n != NULL ? n->inode : NULL;
	if (f != NULL && (flags & O_EXCL)) {
		errno = EEXIST;
		goto out;
	}
	if (f == NULL && (flags & O_CREAT) == 0) {
		errno = ENOENT;
		goto out;
	}
	if (f == NULL) {
		f = d->inodes[d->ninodes++] = calloc(1, sizeof(*f));
		note_name(d, path, f, "");
	}
	if (flags & O_TRUNC)
		note_change(f, true, 0, NULL, 0);
	fd = disk_fd(d, f);
out:
	pthread_mutex_unlock(&d->lock);
	return fd;
}

static ssize_t
d_pwritev(void *arg, int fd, const struct iovec *iov, int n, off_t at)
{
	struct disk *d = arg;
	struct content all = { 0 };
	ssize_t r = -1;

	pthread_mutex_lock(&d->lock);
	for (int i = 0; i < n; i++)
		content_put(&all, all.n, iov[i].iov_base, iov[i].iov_len);
	if (disk_step(d)) {
		r = (ssize_t)all.n;
		note_change(d->fds[fd - 1000], false, (size_t)at, all.p, all.n);
	} else if (errno == ENOSPC && all.n > 1) {	/* what fits is there */
		note_change(d->fds[fd - 1000], false, (size_t)at, all.p, all.n / 2);
		errno = ENOSPC;
	}
	free(all.p);
	pthread_mutex_unlock(&d->lock);
	return r;
}

static ssize_t
d_pread(void *arg, int fd, void *buf, size_t n, off_t at)
{
	struct disk *d = arg;
	struct content *c;
	ssize_t r = -1;

	pthread_mutex_lock(&d->lock);
	c = &d->fds[fd - 1000]->now;
	if (++d->reads == d->fail_read_at) {
		errno = EIO;
	} else {
		if ((size_t)at >= c->n)
			n = 0;
		else if (n > c->n - (size_t)at)
			n = c->n - (size_t)at;
		if (n > 0)
			memcpy(buf, c->p + at, n);
		r = (ssize_t)n;
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

static int
d_fdatasync(void *arg, int fd)
{
	struct disk *d = arg;
	struct inode *f;
	int r = -1;

	pthread_mutex_lock(&d->lock);
	f = d->fds[fd - 1000];
	if (disk_step(d)) {
		r = 0;
		for (size_t i = 0; i < f->nchanges && !d->no_sync; i++)
			apply_change(&f->disk, &f->changes[i]);
		if (!d->no_sync)
			drop_changes(f);
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

static bool
in_folder(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 && path[n] == '/' &&
	    strchr(path + n + 1, '/') == NULL;
}

static int
d_sync_folder(void *arg, const char *path)
{
	struct disk *d = arg;
	size_t kept = 0;
	int r = -1;

	pthread_mutex_lock(&d->lock);
	d->parent_syncs += strcmp(path, "top") == 0;
	if (disk_step(d)) {
		r = 0;
		for (size_t i = 0; i < d->nchanges; i++) {
			if (!d->no_sync && in_folder(d->changes[i].path, path))
				names_apply(d->stored, &d->changes[i]);
			else
				d->changes[kept++] = d->changes[i];
		}
		d->nchanges = kept;
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

static int
d_truncate(void *arg, int fd, off_t size)
{
	struct disk *d = arg;
	int r = -1;

	pthread_mutex_lock(&d->lock);
	if (disk_step(d)) {
		r = 0;
		note_change(d->fds[fd - 1000], true, (size_t)size, NULL, 0);
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

static int
d_rename(void *arg, const char *from, const char *to)
{
	struct disk *d = arg;
	struct name *n;
	int r = -1;

	pthread_mutex_lock(&d->lock);
	n = disk_find(d->now, from, false);
	if (disk_step(d) && n != NULL) {
		r = 0;
		note_name(d, to, n->inode, from);
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

static int
d_unlink(void *arg, const char *path)
{
	struct disk *d = arg;
	int r = -1;

	pthread_mutex_lock(&d->lock);
	if (!disk_step(d)) {
		r = -1;
	} else if (disk_find(d->now, path, false) == NULL) {
		errno = ENOENT;
	} else {
		r = 0;
		note_name(d, path, NULL, "");
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

static int
d_close(void *arg, int fd)
{
	struct disk *d = arg;

	pthread_mutex_lock(&d->lock);
	d->fds[fd - 1000] = NULL;
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static int
d_mkdir(void *arg, const char *path, mode_t mode)
{
	(void)arg;
	(void)path;
	(void)mode;
	return 0;
}

static off_t
d_size(void *arg, int fd)
{
	return (off_t)((struct disk *)arg)->fds[fd - 1000]->now.n;
}

/* From a copy of the names: fn may unlink what it is told of. */
static int
d_list(void *arg, const char *path, void (*fn)(void *, const char *), void *to)
{
	struct disk *d = arg;
	struct name *copy = malloc(sizeof(d->now));

	memcpy(copy, d->now, sizeof(d->now));
	for (size_t i = 0; i < DISK_FILES; i++) {
		if (copy[i].inode != NULL && in_folder(copy[i].path, path))
			fn(to, copy[i].path + strlen(path) + 1);
	}
	free(copy);
	return 0;
}

static int
d_lock(void *arg, int fd)
{
	(void)arg;
	(void)fd;
	return 0;
}

static struct sl_file_ops
disk_ops(struct disk *d)
{
	return (struct sl_file_ops){
		.arg = d, .open = d_open, .pwritev = d_pwritev, .pread = d_pread,
		.fdatasync = d_fdatasync, .sync_folder = d_sync_folder,
		.truncate = d_truncate, .rename = d_rename, .unlink = d_unlink,
		.close = d_close, .mkdir = d_mkdir, .size = d_size, .list = d_list,
		.lock = d_lock,
	};
}

static struct disk *
disk_new(void)
{
	struct disk *d = calloc(1, sizeof(*d));

	pthread_mutex_init(&d->lock, NULL);
	return d;
}

static void
disk_free(struct disk *d)
{
	for (size_t i = 0; i < d->ninodes; i++) {
		drop_changes(d->inodes[i]);
		free(d->inodes[i]->now.p);
		free(d->inodes[i]->disk.p);
		free(d->inodes[i]);
	}
	pthread_mutex_destroy(&d->lock);
	free(d);
}

/* One write that was under way: some of its sectors. */
static void
survive_torn(struct disk *d, struct content *c, const struct change *change)
{
	size_t at = change->at, end = at + change->n, next;

	for (; at < end; at = next) {
		next = (at / SECTOR + 1) * SECTOR;
		if (next > end)
			next = end;
		if (disk_random(d) % 2 == 0)
			content_put(c, at, change->bytes + (at - change->at), next - at);
	}
}

/*
 * Power is lost and comes back. 'how': 0 nothing unsynced survives, 1 all of
 * it, 2 whole changes by chance, 3 and more also torn ones.
 */
static void __attribute__((unused))
disk_lose_power(struct disk *d, unsigned how)
{
	for (size_t i = 0; i < d->ninodes; i++) {
		struct inode *f = d->inodes[i];

		for (size_t k = 0; k < f->nchanges; k++) {
			if (how == 1 || (how > 1 && disk_random(d) % 2 == 0))
				apply_change(&f->disk, &f->changes[k]);
			else if (how > 2 && !f->changes[k].cut)
				survive_torn(d, &f->disk, &f->changes[k]);
		}
		drop_changes(f);
		f->now.n = 0;
		content_put(&f->now, 0, f->disk.n > 0 ? f->disk.p : "", f->disk.n);
	}
	for (size_t i = 0; i < d->nchanges; i++) {
		if (how == 1 || (how > 1 && disk_random(d) % 2 == 0))
			names_apply(d->stored, &d->changes[i]);
	}
	d->nchanges = 0;
	memcpy(d->now, d->stored, sizeof(d->now));
	memset(d->fds, 0, sizeof(d->fds));
	d->die_at = d->fail_at = d->fail_read_at = 0;
	d->no_sync = false;
}

#endif
