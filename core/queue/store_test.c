/*
 * The store on a file layer in memory that forgets what wasn't synced: power
 * is lost after every single file operation, with different survivors each
 * time, and what was answered with success must be there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../base/alloc.h"
#include "store.h"

#define MAX_FILES	64
#define MAX_SIZE	(256 * 1024)
#define SECTOR		512

/* ---- the disk -------------------------------------------------------------------------- */

struct file {
	char path[128];
	bool exists;		/* as the running system sees it */
	bool durable;		/* its name survives a loss of power */
	char *now, *disk;	/* content as seen, and as synced */
	size_t n, synced;
};

struct disk {
	struct file files[MAX_FILES];
	int nfiles;
	unsigned ops;		/* done so far */
	unsigned fail_at;	/* this operation fails (0 = none) ... */
	int fail_errno;		/* ... so */
	unsigned die_at;	/* power is lost before this operation: all that follow fail */
	bool no_sync;		/* fdatasync and fsync do nothing */
};

static bool
step(struct disk *d)
{
	d->ops++;
	if (d->die_at != 0 && d->ops >= d->die_at) {
		errno = EIO;
		return false;
	}
	if (d->ops == d->fail_at) {
		errno = d->fail_errno;
		return false;
	}
	return true;
}

static struct file *
find(struct disk *d, const char *path)
{
	int i;

	for (i = 0; i < d->nfiles; i++)
		if (d->files[i].exists && strcmp(d->files[i].path, path) == 0)
			return &d->files[i];
	return NULL;
}

static int
m_open(void *arg, const char *path, int flags, mode_t mode)
{
	struct disk *d = arg;
	struct file *f = find(d, path);

	(void)mode;
	if (!step(d))
		return -1;
	if (f != NULL && (flags & O_EXCL)) {
		errno = EEXIST;
		return -1;
	}
	if (f == NULL && (flags & O_CREAT) == 0) {
		errno = ENOENT;
		return -1;
	}
	if (f == NULL) {
		assert_true(d->nfiles < MAX_FILES);
		f = &d->files[d->nfiles++];
		memset(f, 0, sizeof(*f));
		snprintf(f->path, sizeof(f->path), "%s", path);
		f->exists = true;
		f->now = calloc(1, MAX_SIZE);
		f->disk = calloc(1, MAX_SIZE);
	}
	if (flags & O_TRUNC)
		f->n = 0;
	return (int)(f - d->files) + 100;
}

static struct file *
of(struct disk *d, int fd)
{
	return &d->files[fd - 100];
}

static ssize_t
m_pwritev(void *arg, int fd, const struct iovec *iov, int n, off_t at)
{
	struct file *f = of(arg, fd);
	size_t done = 0;
	int i;

	if (!step(arg))
		return -1;
	for (i = 0; i < n; i++) {
		assert_true((size_t)at + done + iov[i].iov_len <= MAX_SIZE);
		memcpy(f->now + at + done, iov[i].iov_base, iov[i].iov_len);
		done += iov[i].iov_len;
	}
	if ((size_t)at + done > f->n)
		f->n = (size_t)at + done;
	return (ssize_t)done;
}

static ssize_t
m_pread(void *arg, int fd, void *buf, size_t n, off_t at)
{
	struct file *f = of(arg, fd);
	size_t left = (size_t)at < f->n ? f->n - (size_t)at : 0;

	n = n < left ? n : left;
	memcpy(buf, f->now + at, n);
	return (ssize_t)n;
}

static int
m_fdatasync(void *arg, int fd)
{
	struct disk *d = arg;
	struct file *f = of(d, fd);

	if (!step(d))
		return -1;
	if (!d->no_sync) {
		memcpy(f->disk, f->now, f->n);
		f->synced = f->n;
	}
	return 0;
}

static int
m_sync_folder(void *arg, const char *path)
{
	struct disk *d = arg;
	size_t n = strlen(path);
	int i;

	if (!step(d))
		return -1;
	for (i = 0; i < d->nfiles && !d->no_sync; i++)
		if (strncmp(d->files[i].path, path, n) == 0 && strchr(d->files[i].path + n + 1, '/') == NULL)
			d->files[i].durable = d->files[i].exists;
	return 0;
}

static int
m_truncate(void *arg, int fd, off_t size)
{
	if (!step(arg))
		return -1;
	of(arg, fd)->n = (size_t)size;
	return 0;
}

static int
m_rename(void *arg, const char *from, const char *to)
{
	struct file *f = find(arg, from);

	if (!step(arg))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s", to);
	return 0;
}

static int
m_unlink(void *arg, const char *path)
{
	struct file *f = find(arg, path);

	if (!step(arg) || f == NULL)
		return -1;
	f->exists = false;
	return 0;
}

static int
m_close(void *arg, int fd)
{
	(void)arg;
	(void)fd;
	return 0;
}

static int
m_mkdir(void *arg, const char *path, mode_t mode)
{
	(void)arg;
	(void)path;
	(void)mode;
	return 0;
}

static off_t
m_size(void *arg, int fd)
{
	return (off_t)of(arg, fd)->n;
}

static int
m_list(void *arg, const char *path, void (*fn)(void *, const char *), void *to)
{
	struct disk *d = arg;
	size_t n = strlen(path);
	int i;

	for (i = 0; i < d->nfiles; i++)
		if (d->files[i].exists && strncmp(d->files[i].path, path, n) == 0 &&
		    d->files[i].path[n] == '/' && strchr(d->files[i].path + n + 1, '/') == NULL)
			fn(to, d->files[i].path + n + 1);
	return 0;
}

static int
m_lock(void *arg, int fd)
{
	(void)arg;
	(void)fd;
	return 0;
}

static struct sl_file_ops
ops_of(struct disk *d)
{
	return (struct sl_file_ops){
		.arg = d, .open = m_open, .pwritev = m_pwritev, .pread = m_pread,
		.fdatasync = m_fdatasync, .sync_folder = m_sync_folder, .truncate = m_truncate,
		.rename = m_rename, .unlink = m_unlink, .close = m_close, .mkdir = m_mkdir,
		.size = m_size, .list = m_list, .lock = m_lock,
	};
}

/* Power comes back: of what wasn't synced some sectors made it, by 'how'. */
static void
lose_power(struct disk *d, unsigned how)
{
	struct file *f;
	size_t at, n;
	int i;

	for (i = 0; i < d->nfiles; i++) {
		f = &d->files[i];
		f->exists = f->durable || (f->exists && how == 1) ||
		    (f->exists && how > 1 && rand() % 2 == 0);
		n = how == 0 ? f->synced : f->n > f->synced ? f->n : f->synced;
		for (at = 0; at < n; at += SECTOR) {
			size_t k = n - at < SECTOR ? n - at : SECTOR;

			if (how == 1 || (how > 1 && rand() % 2 == 0))
				memcpy(f->disk + at, f->now + at, k);
		}
		memcpy(f->now, f->disk, n);
		f->n = f->synced = n;
		f->durable = f->exists;
	}
	d->die_at = d->fail_at = 0;
	d->no_sync = false;
}

static void
clear(struct disk *d)
{
	int i;

	for (i = 0; i < d->nfiles; i++) {
		free(d->files[i].now);
		free(d->files[i].disk);
	}
	memset(d, 0, sizeof(*d));
}

/* ---- a workload ---------------------------------------------------------------------------- */

#define MESSAGES	6

struct outcome {
	bool accepted[MESSAGES];	/* answered with success */
	bool finishing[MESSAGES];	/* the end of its last recipient was being recorded */
	bool done[MESSAGES];		/* ... and was */
	bool refused[MESSAGES];
};

static const char *
body(int i, char *out)
{
	snprintf(out, 4096, "Subject: %d\r\n\r\n%0*d\r\n", i, 100 + 700 * i, i);
	return out;
}

static struct sl_store *
open_store(struct sl_loop *loop, struct disk *d, struct sl_file_ops *ops)
{
	struct sl_store_options o = { .folder = "q", .files = ops, .segment_bytes = 6000,
		.inline_bytes = 3000 };
	struct sl_store *store = NULL;
	struct sl_err err;

	*ops = ops_of(d);
	sl_store_open(&store, loop, &o, &err);
	return store;
}

static int
accept(struct sl_store *store, int i)
{
	char id[16], text[4096];
	struct sl_entry e[2] = { { .recipient = (char *)(uintptr_t)"a@example.org",
		.transport = (char *)(uintptr_t)"t" }, { .recipient = (char *)(uintptr_t)"b@example.org",
		.transport = (char *)(uintptr_t)"t" } };
	struct sl_envelope env = { .id = id, .sender = (char *)(uintptr_t)"s@example.org", .n = 2,
		.entries = e };
	struct sl_str pieces[2];
	struct sl_op *op;
	int status;

	snprintf(id, sizeof(id), "m%d", i);
	body(i, text);
	pieces[0] = (struct sl_str){ text, 10 };
	pieces[1] = (struct sl_str){ text + 10, strlen(text) - 10 };
	op = sl_store_accept(store, &env, pieces, 2);
	assert_non_null(op);
	status = sl_op_block(op);
	sl_op_release(op);
	return status;
}

static int
finish(struct sl_store *store, int i, size_t index)
{
	struct sl_entry e = { .recipient = (char *)(uintptr_t)"a@example.org",
		.state = SL_ENTRY_DONE };
	struct sl_op *op;
	char id[16];
	int status;

	snprintf(id, sizeof(id), "m%d", i);
	op = sl_store_update(store, id, index, &e);
	status = sl_op_block(op);
	sl_op_release(op);
	return status;
}

static void
work(struct sl_store *store, struct outcome *out)
{
	int i;

	for (i = 0; i < MESSAGES; i++) {
		out->accepted[i] = accept(store, i) == 0;
		out->refused[i] = !out->accepted[i];
		if (i % 2 == 0 || !out->accepted[i - 1] || finish(store, i - 1, 0) != 0)
			continue;
		out->finishing[i - 1] = true;
		out->done[i - 1] = finish(store, i - 1, 1) == 0;
	}
}

/* How many accepted messages are missing or wrong, and done ones back. */
static unsigned
losses(struct sl_store *store, struct disk *d, const struct outcome *out)
{
	struct sl_file_ops ops = ops_of(d);
	uint64_t offset, size;
	char id[16], text[4096], got[8192];
	unsigned lost = 0;
	struct sl_err err;
	int i, fd;

	for (i = 0; i < MESSAGES; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		if (out->done[i])
			lost += sl_store_get(store, id) != NULL;
		if (!out->accepted[i] || out->done[i] ||
		    (out->finishing[i] && sl_store_get(store, id) == NULL))
			continue;
		if (sl_store_message(store, id, &fd, &offset, &size, &err) != 0) {
			lost++;
			continue;
		}
		body(i, text);
		if (size != strlen(text) || ops.pread(d, fd, got, size, (off_t)offset) != (ssize_t)size ||
		    memcmp(got, text, size) != 0)
			lost++;
	}
	return lost;
}

static unsigned
run_with_loss(unsigned die_at, unsigned how, bool no_sync, unsigned *ops_used)
{
	struct sl_loop *loop = sl_loop_new(NULL);
	struct disk d = { .die_at = die_at, .no_sync = no_sync };
	struct sl_file_ops ops;
	struct outcome out = { 0 };
	struct sl_store *store = open_store(loop, &d, &ops);
	unsigned lost = 0;

	if (store != NULL) {
		work(store, &out);
		sl_store_close(store);
	}
	*ops_used = d.ops;
	lose_power(&d, how);
	store = open_store(loop, &d, &ops);
	if (store == NULL)
		lost = 100;
	else
		lost = losses(store, &d, &out);
	sl_store_close(store);
	clear(&d);
	sl_loop_free(loop);
	return lost;
}

static void
test_power_loss_at_every_point(void **state)
{
	unsigned total, die, how, used;

	(void)state;
	assert_int_equal(run_with_loss(0, 0, false, &total), 0);
	assert_true(total > 30);
	for (die = 1; die <= total + 1; die++)
		for (how = 0; how < 8; how++) {
			srand(die * 100 + how);
			if (run_with_loss(die, how, false, &used) != 0)
				fail_msg("lost after operation %u of %u, survivors %u", die, total, how);
		}
}

/* The test can fail: without syncs it finds losses. */
static void
test_without_sync_losses_are_found(void **state)
{
	unsigned total, die, how, used, lost = 0;

	(void)state;
	run_with_loss(0, 1, false, &total);
	for (die = 1; die <= total + 1; die++)
		for (how = 0; how < 4; how++) {
			srand(die * 100 + how);
			lost += run_with_loss(die, how, true, &used);
		}
	assert_true(lost > 20);
}

/* ---- failures --------------------------------------------------------------------------------- */

static void
test_each_operation_failing(void **state)
{
	static const int errors[] = { ENOSPC, EIO };
	struct sl_loop *loop = sl_loop_new(NULL);
	unsigned fail, total = 0, e;
	struct sl_file_ops ops;
	struct sl_store *store;

	(void)state;
	for (e = 0; e < 2; e++)
		for (fail = 1; fail == 1 || fail <= total; fail++) {
			struct disk d = { .fail_at = fail, .fail_errno = errors[e] };
			struct outcome out = { 0 };
			int i, later;

			store = open_store(loop, &d, &ops);
			if (store == NULL) {
				clear(&d);
				continue;
			}
			work(store, &out);
			if (d.ops > total)
				total = d.ops;
			later = accept(store, 77);	/* it goes on */
			if (fail < d.ops - 5)
				assert_int_equal(later, 0);
			assert_int_equal(losses(store, &d, &out), 0);
			sl_store_close(store);
			store = open_store(loop, &d, &ops);
			assert_non_null(store);
			assert_int_equal(losses(store, &d, &out), 0);
			for (i = 0; i < MESSAGES; i++) {
				char id[16];

				snprintf(id, sizeof(id), "m%d", i);
				if (out.refused[i] && sl_store_get(store, id) != NULL)
					fail_msg("operation %u: m%d was refused and is there", fail, i);
			}
			sl_store_close(store);
			clear(&d);
		}
	sl_loop_free(loop);
}

/* ---- plain use ----------------------------------------------------------------------------------- */

static void
test_taking_in_order(void **state)
{
	struct sl_loop *loop = sl_loop_new(NULL);
	struct disk d = { 0 };
	struct sl_file_ops ops;
	struct sl_store *store = open_store(loop, &d, &ops);
	int64_t next;
	const char *id;
	size_t index, n = 0;

	(void)state;
	assert_int_equal(accept(store, 1), 0);
	assert_int_equal(accept(store, 2), 0);
	while (sl_store_take(store, 1, &id, &index, &next))
		n++;
	assert_int_equal(n, 4);
	assert_int_equal(next, INT64_MAX);
	sl_store_untake(store, "m1", 0);
	assert_true(sl_store_take(store, 1, &id, &index, &next));
	assert_string_equal(id, "m1");
	assert_int_equal(finish(store, 1, 0), 0);
	assert_int_equal(finish(store, 1, 1), 0);
	assert_null(sl_store_get(store, "m1"));
	assert_int_equal(sl_store_count(store), 1);
	assert_int_equal(finish(store, 1, 1), SL_ERR_NOTFOUND);
	sl_store_close(store);
	clear(&d);
	sl_loop_free(loop);
}

/* Damage below what was synced: the rest of the segment is kept, and it is set aside. */
static void
test_damage_in_the_middle(void **state)
{
	struct sl_loop *loop = sl_loop_new(NULL);
	struct disk d = { 0 };
	struct sl_file_ops ops;
	struct sl_store *store = open_store(loop, &d, &ops);
	struct file *f;

	(void)state;
	assert_int_equal(accept(store, 0), 0);
	assert_int_equal(accept(store, 1), 0);
	assert_int_equal(accept(store, 2), 0);
	sl_store_close(store);
	f = find(&d, "q/00000001.log");
	assert_non_null(f);
	f->now[120] ^= 1;
	store = open_store(loop, &d, &ops);
	assert_null(sl_store_get(store, "m0"));
	assert_non_null(sl_store_get(store, "m1"));
	assert_non_null(sl_store_get(store, "m2"));
	assert_null(find(&d, "q/00000001.log"));
	assert_non_null(find(&d, "q/00000001.bad"));
	sl_store_close(store);
	store = open_store(loop, &d, &ops);
	assert_non_null(sl_store_get(store, "m1"));
	sl_store_close(store);
	clear(&d);
	sl_loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taking_in_order),
		cmocka_unit_test(test_power_loss_at_every_point),
		cmocka_unit_test(test_without_sync_losses_are_found),
		cmocka_unit_test(test_each_operation_failing),
		cmocka_unit_test(test_damage_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
