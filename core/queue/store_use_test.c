/* The store on a real file system: what its users count on, and kill -9. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "../base/alloc.h"
#include "store.h"

#define ID(s)	((char *)(uintptr_t)(s))

struct rig {
	char top[64], folder[80];
	struct sl_loop *loop;
	struct sl_thread *thread;
	struct sl_store *store;
};

static int
rig_open(struct rig *r)
{
	struct sl_store_options o = { .folder = r->folder, .thread = r->thread };

	return sl_store_open(&r->store, r->loop, &o, NULL);
}

static void
rig_init(struct rig *r, bool threaded)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->top, sizeof(r->top), "/tmp/sl-store-XXXXXX");
	assert_non_null(mkdtemp(r->top));
	snprintf(r->folder, sizeof(r->folder), "%s/q", r->top);
	r->loop = sl_loop_new(NULL);
	if (threaded)
		r->thread = sl_thread_new(r->loop, "queue", NULL);
	assert_int_equal(rig_open(r), 0);
}

static void
rig_again(struct rig *r)
{
	sl_store_close(r->store);
	r->store = NULL;
	assert_int_equal(rig_open(r), 0);
}

static void
remove_each(void *folder, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", (char *)folder, name);
	if (unlink(path) != 0) {
		sl_file_real.list(NULL, path, remove_each, path);
		rmdir(path);
	}
}

static void
rig_clear(struct rig *r)
{
	sl_store_close(r->store);
	sl_thread_free(r->thread);
	sl_loop_free(r->loop);
	sl_file_real.list(NULL, r->top, remove_each, r->top);
	rmdir(r->top);
}

static int
wait_for(struct sl_op *op)
{
	int status;

	if (op == NULL)
		return SL_ERR_NOMEM;
	status = sl_op_block(op);
	sl_op_release(op);
	return status;
}

/* One message to n recipients, due at 100, 101, ... */
static struct sl_op *
start(struct rig *r, const char *id, size_t n, const char *text, size_t len)
{
	static struct sl_entry e[16];
	struct sl_envelope env = { .id = ID(id), .sender = ID("s@example.org"),
		.facts = ID("{\"senderip\":\"192.0.2.1\"}"), .received_us = 5, .size = len,
		.n = n, .entries = e };
	static struct sl_str piece;	/* lent with the bytes, until it is done */

	piece = (struct sl_str){ text, len };
	for (size_t i = 0; i < n; i++)
		e[i] = (struct sl_entry){ .recipient = ID("a@example.org"), .transport = ID("mx"),
			.next_us = 100 + (int64_t)i, .metadata = ID(i == 0 ? "{}" : NULL) };
	return sl_store_accept(r->store, &env, &piece, 1);
}

static int
update(struct rig *r, const char *id, size_t i, enum sl_entry_state state, int64_t next)
{
	struct sl_entry e = { .recipient = ID("a@example.org"), .transport = ID("mx"),
		.state = state, .next_us = next, .retry = 1, .info = ID("451 4.3.0 later") };

	return wait_for(sl_store_update(r->store, id, i, &e));
}

static bool
bytes_are(struct rig *r, const char *id, const char *want, size_t n)
{
	uint64_t offset, size;
	char *got = malloc(n + 1);
	bool same;
	int fd;

	if (sl_store_message(r->store, id, &fd, &offset, &size, NULL) != 0) {
		free(got);
		return false;
	}
	same = size == n && pread(fd, got, n, (off_t)offset) == (ssize_t)n &&
	    memcmp(got, want, n) == 0;
	close(fd);
	free(got);
	return same;
}

static void
round_trip_and_replay(void **state)
{
	const struct sl_envelope *env;
	struct rig r;

	(void)state;
	rig_init(&r, true);
	assert_int_equal(wait_for(start(&r, "one", 2, "Subject: x\r\n\r\nb\r\n", 17)), 0);
	assert_int_equal(update(&r, "one", 1, SL_ENTRY_QUEUED, 900), 0);
	for (int again = 0; again < 2; again++) {
		env = sl_store_get(r.store, "one");
		assert_non_null(env);
		assert_string_equal(env->sender, "s@example.org");
		assert_string_equal(env->facts, "{\"senderip\":\"192.0.2.1\"}");
		assert_null(env->quarantine);
		assert_int_equal(env->received_us, 5);
		assert_int_equal(env->size, 17);
		assert_string_equal(env->entries[0].metadata, "{}");
		assert_null(env->entries[0].info);
		assert_int_equal(env->entries[1].retry, 1);
		assert_int_equal(env->entries[1].next_us, 900);
		assert_string_equal(env->entries[1].info, "451 4.3.0 later");
		assert_true(bytes_are(&r, "one", "Subject: x\r\n\r\nb\r\n", 17));
		assert_int_equal(sl_store_bytes(r.store), 17);
		rig_again(&r);
	}
	rig_clear(&r);
}

static void
retry_order(void **state)
{
	static const struct {
		const char *id;
		int64_t at;
	} rows[] = { { "c", 30 }, { "a", 10 }, { "e", 50 }, { "b", 20 }, { "d", 40 } };
	const char *id;
	size_t index;
	int64_t next;
	struct rig r;

	(void)state;
	rig_init(&r, false);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(wait_for(start(&r, rows[i].id, 1, "x", 1)), 0);
		assert_int_equal(update(&r, rows[i].id, 0, SL_ENTRY_QUEUED, rows[i].at), 0);
	}
	rig_again(&r);
	for (int i = 0; i < 4; i++) {
		assert_true(sl_store_take(r.store, 45, &id, &index, &next));
		assert_int_equal(id[0], 'a' + i);
	}
	assert_false(sl_store_take(r.store, 45, &id, &index, &next));
	assert_int_equal(next, 50);
	sl_store_untake(r.store, "b", 0);
	assert_true(sl_store_take(r.store, 45, &id, &index, &next));
	assert_string_equal(id, "b");
	rig_clear(&r);
}

static void
held_is_never_due(void **state)
{
	const char *id;
	size_t index;
	int64_t next;
	struct rig r;

	(void)state;
	rig_init(&r, false);
	assert_int_equal(wait_for(start(&r, "one", 1, "x", 1)), 0);
	assert_int_equal(update(&r, "one", 0, SL_ENTRY_HELD, 1), 0);
	rig_again(&r);
	assert_false(sl_store_take(r.store, INT64_MAX - 1, &id, &index, &next));
	assert_int_equal(next, INT64_MAX);
	assert_int_equal(sl_store_count(r.store), 1);
	assert_int_equal(update(&r, "one", 0, SL_ENTRY_QUEUED, 1), 0);
	assert_true(sl_store_take(r.store, 2, &id, &index, &next));
	rig_clear(&r);
}

static off_t
folder_bytes(struct rig *r)
{
	char path[120];
	struct stat st;

	snprintf(path, sizeof(path), "%s/00000001.log", r->folder);
	return stat(path, &st) == 0 ? st.st_size : -1;
}

static void
ten_recipients_one_copy(void **state)
{
	char *text = malloc(100000);
	struct rig r;

	(void)state;
	memset(text, 'x', 100000);
	rig_init(&r, false);
	assert_int_equal(wait_for(start(&r, "one", 10, text, 100000)), 0);
	assert_in_range(folder_bytes(&r), 100000, 110000);
	for (size_t i = 0; i < 10; i++) {
		assert_non_null(sl_store_get(r.store, "one"));
		assert_int_equal(update(&r, "one", i, SL_ENTRY_DONE, 0), 0);
	}
	assert_null(sl_store_get(r.store, "one"));
	rig_again(&r);
	assert_int_equal(sl_store_count(r.store), 0);
	rig_clear(&r);
	free(text);
}

static void
big_bodies(void **state)
{
	static const size_t sizes[] = { 0, 1, 1024 * 1024, 1024 * 1024 + 1, 5000000 };
	char *text = malloc(5000000), id[16];
	struct rig r;

	(void)state;
	for (size_t i = 0; i < 5000000; i++)
		text[i] = (char)(i * 7 + i / 1000);
	rig_init(&r, true);
	for (size_t i = 0; i < 5; i++) {
		snprintf(id, sizeof(id), "big%zu", i);
		assert_int_equal(wait_for(start(&r, id, 1, text, sizes[i])), 0);
	}
	rig_again(&r);
	for (size_t i = 0; i < 5; i++) {
		snprintf(id, sizeof(id), "big%zu", i);
		assert_true(bytes_are(&r, id, text, sizes[i]));
	}
	rig_clear(&r);
	free(text);
}

static void
one_owner(void **state)
{
	struct sl_store_options o = { 0 };
	struct sl_store *second = NULL;
	struct sl_err err;
	struct rig r;

	(void)state;
	rig_init(&r, false);
	o.folder = r.folder;
	assert_int_equal(sl_store_open(&second, r.loop, &o, &err), SL_ERR_EXISTS);
	assert_int_equal(wait_for(start(&r, "one", 1, "x", 1)), 0);
	rig_again(&r);
	assert_int_equal(sl_store_count(r.store), 1);
	rig_clear(&r);
}

/* The n-th allocation fails: an error, and what was there stays. */
static void
out_of_memory(void **state)
{
	unsigned refused = 0;
	char id[24];
	struct rig r;
	int status;

	(void)state;
	rig_init(&r, false);
	assert_int_equal(wait_for(start(&r, "first", 3, "text", 4)), 0);
	for (unsigned long n = 1; n < 120; n++) {
		snprintf(id, sizeof(id), "n%lu", n);
		sl_alloc_fail_at(n, 0);
		status = wait_for(start(&r, id, 3, "text", 4));
		sl_alloc_fail_at(0, 0);
		refused += status != 0;
		if (status == 0)
			assert_true(bytes_are(&r, id, "text", 4));
		else
			assert_null(sl_store_get(r.store, id));
		assert_true(bytes_are(&r, "first", "text", 4));
	}
	assert_in_range(refused, 10, 118);
	assert_int_equal(wait_for(start(&r, "last", 1, "text", 4)), 0);
	rig_again(&r);
	assert_true(bytes_are(&r, "last", "text", 4));
	assert_true(bytes_are(&r, "first", "text", 4));
	rig_clear(&r);
}

static unsigned synced;

static int
counted_sync(void *arg, int fd)
{
	synced++;
	return sl_file_real.fdatasync(arg, fd);
}

static struct sl_op *
start_update(struct rig *r, const char *id, size_t i)
{
	struct sl_entry e = { .recipient = ID("a@example.org"), .transport = ID("mx"),
		.state = SL_ENTRY_QUEUED, .next_us = 4711, .info = ID("451 4.3.0 later") };

	return sl_store_update(r->store, id, i, &e);
}

static int64_t
due(struct rig *r, const char *id, size_t i)
{
	return sl_store_get(r->store, id)->entries[i].next_us;
}

/* While messages come in, an update goes with the next of them, or by itself
 * soon; closing leaves none behind. Nothing steps the loop before both wait. */
static void
updates_share_the_sync_of_a_message(void **state)
{
	struct sl_file_ops files = sl_file_real;
	struct sl_op *message, *changed;
	struct sl_store_options o = { .files = &files };
	struct rig r;

	(void)state;
	files.fdatasync = counted_sync;
	rig_init(&r, true);
	sl_store_close(r.store);
	o.folder = r.folder;
	o.thread = r.thread;
	assert_int_equal(sl_store_open(&r.store, r.loop, &o, NULL), 0);
	assert_int_equal(wait_for(start(&r, "one", 3, "one", 3)), 0);
	synced = 0;
	changed = start_update(&r, "one", 0);
	message = start(&r, "two", 1, "two", 3);
	assert_int_equal(wait_for(changed), 0);
	assert_int_equal(wait_for(message), 0);
	assert_int_equal(synced, 1);
	assert_int_equal(wait_for(start_update(&r, "one", 1)), 0);
	assert_int_equal(synced, 2);
	message = start(&r, "three", 1, "three", 5);
	changed = start_update(&r, "one", 2);
	sl_op_release(changed);
	assert_int_equal(wait_for(message), 0);
	rig_again(&r);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(due(&r, "one", i), 4711);
	rig_clear(&r);
}

/* Tells each id that was committed; the parent kills it in the middle. */
static void
child(const char *folder, int round, int out)
{
	struct rig r = { 0 };
	char id[24];

	snprintf(r.folder, sizeof(r.folder), "%s", folder);
	r.loop = sl_loop_new(NULL);
	r.thread = sl_thread_new(r.loop, "queue", NULL);
	if (rig_open(&r) != 0)
		_exit(1);
	for (int i = 0;; i++) {
		memset(id, 0, sizeof(id));
		snprintf(id, sizeof(id), "r%d-%d", round, i);
		if (wait_for(start(&r, id, 1, id, strlen(id))) != 0 ||
		    write(out, id, sizeof(id)) != (ssize_t)sizeof(id))
			_exit(1);
	}
}

static void
killed_in_the_middle(void **state)
{
	unsigned told = 0, lost = 0;
	struct rig r;

	(void)state;
	rig_init(&r, false);
	for (int round = 0; round < 20; round++) {
		char ids[4000][24];
		int pipes[2], n = 0, stop_after = 1 + round * 7 % 23;
		pid_t pid;

		sl_store_close(r.store);
		r.store = NULL;
		assert_int_equal(pipe(pipes), 0);
		pid = fork();
		if (pid == 0) {
			close(pipes[0]);
			child(r.folder, round, pipes[1]);
		}
		close(pipes[1]);
		while (n < stop_after && read(pipes[0], ids[n], 24) == 24)
			n++;
		assert_int_equal(n, stop_after);
		/* not always at the same place of the next commit */
		nanosleep(&(struct timespec){ 0, round * 137000 }, NULL);
		kill(pid, SIGKILL);
		while (n < 4000 && read(pipes[0], ids[n], 24) == 24)
			n++;
		waitpid(pid, NULL, 0);
		close(pipes[0]);
		assert_int_equal(rig_open(&r), 0);
		for (int i = 0; i < n; i++)
			lost += !bytes_are(&r, ids[i], ids[i], strlen(ids[i]));
		told += (unsigned)n;
	}
	print_message("%u told, %u lost\n", told, lost);
	assert_true(told >= 20);
	assert_int_equal(lost, 0);
	assert_true(sl_store_count(r.store) >= told);
	rig_clear(&r);
}

/* The lock names who has it; what it held before doesn't matter. */
static void
the_owner_is_named(void **state)
{
	struct sl_store_options o = { 0 };
	struct sl_store *other;
	struct sl_err err;
	char path[120], want[64];
	FILE *f;
	struct rig r;

	(void)state;
	rig_init(&r, false);
	o.folder = r.folder;
	snprintf(want, sizeof(want), "has this queue: pid %ld", (long)getpid());
	assert_int_equal(sl_store_open(&other, r.loop, &o, &err), SL_ERR_EXISTS);
	assert_non_null(strstr(err.text, want));
	snprintf(path, sizeof(path), "%s/lock", r.folder);
	assert_non_null(f = fopen(path, "w"));
	fputs("999999999999999999999999999999 and more", f);
	fclose(f);
	assert_int_equal(sl_store_open(&other, r.loop, &o, &err), SL_ERR_EXISTS);
	assert_null(strstr(err.text, "pid"));
	rig_again(&r);
	assert_int_equal(sl_store_open(&other, r.loop, &o, &err), SL_ERR_EXISTS);
	assert_non_null(strstr(err.text, want));
	rig_clear(&r);
}

/* An id that is there already: what is there stays, its body's file too. */
static void
an_id_comes_once(void **state)
{
	static char large[3 * 1024 * 1024];
	struct rig r;

	(void)state;
	rig_init(&r, false);
	memset(large, 'x', sizeof(large));
	assert_int_equal(wait_for(start(&r, "big", 1, large, sizeof(large))), 0);
	assert_int_equal(wait_for(start(&r, "small", 2, "first", 5)), 0);
	assert_int_equal(wait_for(start(&r, "big", 1, large, sizeof(large) - 1)), SL_ERR_EXISTS);
	assert_int_equal(wait_for(start(&r, "small", 1, "second", 6)), SL_ERR_EXISTS);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(sl_store_count(r.store), 2);
		assert_int_equal(sl_store_get(r.store, "small")->n, 2);
		assert_true(bytes_are(&r, "small", "first", 5));
		assert_true(bytes_are(&r, "big", large, sizeof(large)));
		rig_again(&r);
	}
	rig_clear(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip_and_replay),
		cmocka_unit_test(retry_order),
		cmocka_unit_test(held_is_never_due),
		cmocka_unit_test(ten_recipients_one_copy),
		cmocka_unit_test(big_bodies),
		cmocka_unit_test(one_owner),
		cmocka_unit_test(the_owner_is_named),
		cmocka_unit_test(an_id_comes_once),
		cmocka_unit_test(out_of_memory),
		cmocka_unit_test(updates_share_the_sync_of_a_message),
		cmocka_unit_test(killed_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
