/* Faults found by reading; each fails on a store that has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store_disk.h"

#include "../base/alloc.h"
#include "store.h"

struct rig {
	struct sl_loop *loop;
	struct disk *disk;
	struct sl_file_ops ops;
	struct sl_store *store;
	struct sl_thread *thread;
};

static int
rig_open(struct rig *r)
{
	struct sl_store_options o = { .folder = "top/q", .files = &r->ops, .segment_bytes = 4000,
		.inline_bytes = 3000, .thread = r->thread };

	r->store = NULL;
	return sl_store_open(&r->store, r->loop, &o, NULL);
}

static void
rig_init(struct rig *r, bool threaded)
{
	memset(r, 0, sizeof(*r));
	r->loop = sl_loop_new(NULL);
	r->disk = disk_new();
	r->ops = disk_ops(r->disk);
	if (threaded)
		r->thread = sl_thread_new(r->loop, "queue", NULL);
	assert_int_equal(rig_open(r), 0);
}

static void
rig_clear(struct rig *r)
{
	sl_store_close(r->store);
	sl_thread_free(r->thread);
	sl_loop_free(r->loop);
	disk_free(r->disk);
}

static struct sl_op *
start(struct rig *r, const char *id, const char *text)
{
	static char who[] = "a@example.org", via[] = "t", sender[] = "s@example.org";
	struct sl_entry e = { .recipient = who, .transport = via };
	struct sl_envelope env = { .id = (char *)(uintptr_t)id, .sender = sender, .n = 1,
		.entries = &e };
	struct sl_str piece = { text, strlen(text) };

	return sl_store_accept(r->store, &env, &piece, 1);
}

static int
wait_for(struct sl_op *op)
{
	int status = sl_op_block(op);

	sl_op_release(op);
	return status;
}

static struct inode *
log_file(struct rig *r, unsigned number)
{
	char path[64];
	struct name *n;

	snprintf(path, sizeof(path), "top/q/%08u.log", number);
	n = disk_find(r->disk->now, path, false);
	return n != NULL ? n->inode : NULL;
}

static unsigned
log_files(struct rig *r)
{
	unsigned n = 0;

	for (size_t i = 0; i < DISK_FILES; i++)
		n += r->disk->now[i].inode != NULL && strstr(r->disk->now[i].path, ".log") != NULL;
	return n;
}

/* A read that fails once while opening must not pass for a torn end. */
static void
failed_read_is_no_torn_end(void **state)
{
	struct rig r;
	unsigned lost = 0, at, rounds = 0;

	(void)state;
	rig_init(&r, false);
	assert_int_equal(wait_for(start(&r, "m1", "one")), 0);
	assert_int_equal(wait_for(start(&r, "m2", "two")), 0);
	for (at = 1; at <= 40; at++, rounds++) {
		sl_store_close(r.store);
		r.store = NULL;
		r.disk->fail_read_at = r.disk->reads + at;
		if (rig_open(&r) == 0)
			lost += sl_store_get(r.store, "m1") == NULL ||
			    sl_store_get(r.store, "m2") == NULL;
		r.disk->fail_read_at = 0;
		if (r.store == NULL)
			assert_int_equal(rig_open(&r), 0);
	}
	print_message("opened with mail missing: %u of %u\n", lost, rounds);
	assert_int_equal(lost, 0);
	rig_clear(&r);
}

/* ... and no memory for a buffer neither. */
static void
no_memory_is_no_torn_end(void **state)
{
	struct rig r;
	unsigned lost = 0;

	(void)state;
	rig_init(&r, false);
	assert_int_equal(wait_for(start(&r, "m1", "one")), 0);
	assert_int_equal(wait_for(start(&r, "m2", "two")), 0);
	for (unsigned long at = 1; at <= 120; at++) {
		sl_store_close(r.store);
		r.store = NULL;
		sl_alloc_fail_at(at, 0);
		if (rig_open(&r) == 0)
			lost += sl_store_get(r.store, "m1") == NULL ||
			    sl_store_get(r.store, "m2") == NULL;
		sl_alloc_fail_at(0, 0);
		if (r.store == NULL)
			assert_int_equal(rig_open(&r), 0);
	}
	print_message("opened with mail missing: %u of 120\n", lost);
	assert_int_equal(lost, 0);
	rig_clear(&r);
}

/* Damage in a group commit of several, with synced records behind it. */
static void
damage_inside_a_batch(void **state)
{
	struct sl_op *ops[4];
	char id[16];
	struct inode *f;
	char *hit;
	struct rig r;

	(void)state;
	rig_init(&r, true);
	for (int i = 0; i < 4; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		ops[i] = start(&r, id, "text");
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(wait_for(ops[i]), 0);
	assert_int_equal(wait_for(start(&r, "late", "text")), 0);
	sl_store_close(r.store);
	r.store = NULL;
	f = log_file(&r, 1);
	assert_non_null(f);
	hit = memmem(f->now.p, f->now.n, "m1", 2);	/* in the second batch: m1 m2 m3 */
	assert_non_null(hit);
	*hit ^= 1;
	assert_int_equal(rig_open(&r), 0);
	assert_non_null(sl_store_get(r.store, "m0"));
	assert_null(sl_store_get(r.store, "m1"));
	assert_non_null(sl_store_get(r.store, "m2"));
	assert_non_null(sl_store_get(r.store, "late"));
	rig_clear(&r);
}

/* One bit of a segment's own header: its messages are readable, and must not be unlinked. */
static void
damage_in_a_segment_header(void **state)
{
	struct inode *f;
	struct rig r;

	(void)state;
	rig_init(&r, false);
	assert_int_equal(wait_for(start(&r, "m1", "one")), 0);
	sl_store_close(r.store);
	r.store = NULL;
	f = log_file(&r, 1);
	f->now.p[20] ^= 1;
	assert_int_equal(rig_open(&r), 0);
	assert_int_equal(wait_for(start(&r, "m2", "two")), 0);
	assert_int_equal(wait_for(start(&r, "m3", "three")), 0);
	print_message("m1 is %s, its file is %s\n", sl_store_get(r.store, "m1") != NULL ? "there" :
	    "lost", log_file(&r, 1) != NULL ||
	    disk_find(r.disk->now, "top/q/00000001.bad", false) != NULL ? "kept" : "emptied");
	assert_non_null(sl_store_get(r.store, "m1"));
	rig_clear(&r);
}

/* A message that stays must not keep every later segment: the log is cleaned. */
static void
log_is_cleaned(void **state)
{
	char text[1500], id[16];
	unsigned most = 0;
	struct rig r;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	rig_init(&r, false);
	assert_int_equal(wait_for(start(&r, "stays", "text")), 0);
	for (int i = 0; i < 150; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		assert_int_equal(wait_for(start(&r, id, text)), 0);
		assert_int_equal(wait_for(sl_store_remove(r.store, id)), 0);
		if (log_files(&r) > most)
			most = log_files(&r);
	}
	print_message("%u segments for one message\n", most);
	assert_true(most <= 20);
	rig_clear(&r);
}

/* One folder sync that fails must not end the cleaning for good. */
static void
cleaning_goes_on_after_a_failed_sync(void **state)
{
	char text[1500], id[16];
	unsigned stuck = 0;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (unsigned fail = 1; fail <= 60; fail++) {
		struct rig r;

		rig_init(&r, false);
		r.disk->fail_at = r.disk->ops + fail;
		r.disk->fail_errno = EIO;
		for (int i = 0; i < 60; i++) {
			snprintf(id, sizeof(id), "m%d", i);
			if (wait_for(start(&r, id, text)) == 0)
				wait_for(sl_store_remove(r.store, id));
		}
		stuck += log_files(&r) > 8;
		rig_clear(&r);
	}
	print_message("stuck in %u of 60\n", stuck);
	assert_int_equal(stuck, 0);
}

/* The names of a new shard's folder are durable only when what holds it was synced. */
static void
parent_is_synced(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, false);
	assert_true(r.disk->parent_syncs > 0);
	rig_clear(&r);
}

/* Released early: the pieces are the caller's again. */
static void
released_accept_lets_go_of_the_pieces(void **state)
{
	struct sl_op *first, *op;
	struct rig r;
	char *text;

	(void)state;
	rig_init(&r, true);
	first = start(&r, "m1", "one");
	text = malloc(2000);
	memset(text, 'y', 2000);
	text[1999] = '\0';
	op = start(&r, "m2", text);
	sl_op_release(op);
	free(text);
	assert_int_equal(wait_for(first), 0);
	assert_int_equal(wait_for(start(&r, "m3", "three")), 0);
	rig_clear(&r);
}

/* The array of pieces may end with the call, whatever the size of the message. */
static void
array_of_pieces_is_copied(void **state)
{
	struct sl_op *first, *op;
	struct rig r;
	char *text;

	(void)state;
	rig_init(&r, true);
	first = start(&r, "m1", "one");
	text = malloc(5000);
	memset(text, 'y', 5000);
	text[4999] = '\0';
	op = start(&r, "m2", text);
	assert_int_equal(wait_for(first), 0);
	assert_int_equal(wait_for(op), 0);
	free(text);
	rig_clear(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failed_read_is_no_torn_end),
		cmocka_unit_test(no_memory_is_no_torn_end),
		cmocka_unit_test(damage_inside_a_batch),
		cmocka_unit_test(damage_in_a_segment_header),
		cmocka_unit_test(log_is_cleaned),
		cmocka_unit_test(cleaning_goes_on_after_a_failed_sync),
		cmocka_unit_test(parent_is_synced),
		cmocka_unit_test(array_of_pieces_is_copied),
		cmocka_unit_test(released_accept_lets_go_of_the_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
