/* Holding messages, and moving a shard's messages to another: also when it is killed meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "../base/alloc.h"
#include "store.h"

#define TEXT(s)	((char *)(uintptr_t)(s))
#define LARGE	(3 * 1024 * 1024)	/* in a file of its own */

static char top[64], here[80], there[80];
static struct sl_loop *loop;

static int
set_up(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/sl-move-XXXXXX");
	assert_non_null(mkdtemp(top));
	snprintf(here, sizeof(here), "%s/00", top);
	snprintf(there, sizeof(there), "%s/01", top);
	loop = sl_loop_new(NULL);
	return 0;
}

static void
remove_each(void *folder, const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", (char *)folder, name);
	if (unlink(path) != 0) {
		sl_file_real.list(NULL, path, remove_each, path);
		rmdir(path);
	}
}

static int
tear_down(void **state)
{
	(void)state;
	sl_loop_free(loop);
	sl_file_real.list(NULL, top, remove_each, top);
	return rmdir(top);
}

static struct sl_store *
open_store(const char *folder)
{
	struct sl_store_options o = { .folder = folder };
	struct sl_store *s = NULL;

	assert_int_equal(sl_store_open(&s, loop, &o, NULL), 0);
	return s;
}

static int
wait_for(struct sl_op *op)
{
	int status;

	assert_non_null(op);
	status = sl_op_block(op);
	sl_op_release(op);
	return status;
}

static void
accept_message(struct sl_store *s, const char *id, size_t size)
{
	struct sl_entry e[3] = {
		{ .recipient = TEXT("a@example.org"), .transport = TEXT("mx"), .next_us = 100 },
		{ .recipient = TEXT("b@example.org"), .transport = TEXT("mx"), .next_us = 200,
		    .retry = 4, .info = TEXT("451 4.3.0 later"), .metadata = TEXT("{\"k\":1}") },
		{ .recipient = TEXT("c@example.org"), .transport = TEXT("mx"),
		    .state = SL_ENTRY_DONE },
	};
	struct sl_envelope env = { .id = TEXT(id), .sender = TEXT("s@example.org"),
		.facts = TEXT("{}"), .received_us = 5, .n = 3, .entries = e };
	char *bytes = malloc(size);
	struct sl_str piece = { bytes, size };

	memset(bytes, id[strlen(id) - 1], size);
	assert_int_equal(wait_for(sl_store_accept(s, &env, &piece, 1)), 0);
	free(bytes);
}

static bool
bytes_are_right(struct sl_store *s, const char *id)
{
	uint64_t offset, size, i;
	bool right = true;
	char *got;
	int fd;

	assert_int_equal(sl_store_message(s, id, &fd, &offset, &size, NULL), 0);
	got = malloc(size);
	assert_int_equal(pread(fd, got, size, (off_t)offset), size);
	for (i = 0; i < size && right; i++)
		right = got[i] == id[strlen(id) - 1];
	free(got);
	close(fd);
	return right;
}

static void
held(void **state)
{
	struct sl_store *s = open_store(here);
	const struct sl_envelope *m;
	const char *id;
	struct sl_entry e;
	int64_t next;
	size_t i;

	(void)state;
	accept_message(s, "poison", 100);
	assert_true(sl_store_take(s, 1000, &id, &i, &next));
	sl_store_untake(s, id, i);
	assert_int_equal(wait_for(sl_store_hold(s, "poison", "crashed")), 0);
	for (int again = 0; again < 2; again++) {
		m = sl_store_get(s, "poison");
		assert_string_equal(m->quarantine, "crashed");
		assert_int_equal(m->entries[0].state, SL_ENTRY_HELD);
		assert_int_equal(m->entries[1].state, SL_ENTRY_HELD);
		assert_int_equal(m->entries[2].state, SL_ENTRY_DONE);
		assert_int_equal(m->entries[1].retry, 4);
		assert_int_equal(sl_store_held(s), 1);
		assert_false(sl_store_take(s, 1000, &id, &i, &next));
		sl_store_close(s);
		s = open_store(here);
	}
	e = sl_store_get(s, "poison")->entries[0];
	e.state = SL_ENTRY_QUEUED;
	assert_int_equal(wait_for(sl_store_update(s, "poison", 0, &e)), 0);
	assert_int_equal(sl_store_held(s), 1);
	e = sl_store_get(s, "poison")->entries[1];
	e.state = SL_ENTRY_DONE;
	assert_int_equal(wait_for(sl_store_update(s, "poison", 1, &e)), 0);
	assert_int_equal(sl_store_held(s), 0);
	assert_true(sl_store_take(s, 1000, &id, &i, &next));
	assert_int_equal(i, 0);
	assert_int_equal(wait_for(sl_store_hold(s, "nobody", "crashed")), SL_ERR_NOTFOUND);
	sl_store_close(s);
}

static void
adopted(void **state)
{
	struct sl_store *from = open_store(there), *to;
	const struct sl_envelope *m;
	struct sl_err err;
	size_t moved;

	(void)state;
	accept_message(from, "small-1", 500);
	accept_message(from, "large-2", LARGE);
	accept_message(from, "empty-3", 0);
	accept_message(from, "large-5", LARGE);		/* the last: its file is the store's to the end */
	assert_int_equal(wait_for(sl_store_hold(from, "small-1", "spam")), 0);
	to = open_store(here);
	accept_message(to, "own-4", 10);
	assert_int_equal(sl_store_adopt(to, there, &moved, &err), SL_ERR_EXISTS);
	sl_store_close(from);
	assert_int_equal(sl_store_adopt(to, there, &moved, &err), 0);
	assert_int_equal(moved, 4);
	assert_int_equal(access(there, F_OK), -1);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(sl_store_count(to), 5);
		assert_true(bytes_are_right(to, "small-1"));
		assert_true(bytes_are_right(to, "large-2"));
		m = sl_store_get(to, "large-2");
		assert_int_equal(m->received_us, 5);
		assert_int_equal(m->entries[1].retry, 4);
		assert_string_equal(m->entries[1].info, "451 4.3.0 later");
		assert_int_equal(m->entries[2].state, SL_ENTRY_DONE);
		assert_string_equal(sl_store_get(to, "small-1")->quarantine, "spam");
		assert_int_equal(sl_store_get(to, "small-1")->entries[0].state, SL_ENTRY_HELD);
		sl_store_close(to);
		to = open_store(here);
	}
	sl_store_close(to);
}

/* What is damaged is for people to look at: it stays where it is. */
static void
damage_is_kept(void **state)
{
	struct sl_store *to;
	struct sl_err err;
	char path[100];
	size_t moved;
	int fd;

	(void)state;
	sl_store_close(open_store(there));
	snprintf(path, sizeof(path), "%s/0000000000000001.bad", there);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	to = open_store(here);
	sl_store_adopt(to, there, &moved, &err);
	assert_int_equal(moved, 0);
	assert_int_equal(access(path, F_OK), 0);
	sl_store_close(to);
}

static void
adopt_in_a_child(useconds_t after)
{
	struct sl_store *to;
	struct sl_err err;
	size_t moved;
	pid_t pid = fork();

	if (pid == 0) {
		loop = sl_loop_new(NULL);
		to = open_store(here);
		sl_store_adopt(to, there, &moved, &err);
		_exit(0);
	}
	usleep(after);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Each kill is a bit later; whatever was moved by then, all are there once at the end. */
static void
killed_meanwhile(void **state)
{
	enum { MANY = 150 };
	struct sl_store *s = open_store(there);
	struct sl_err err;
	char id[20];
	size_t moved;
	int i;

	(void)state;
	for (i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		accept_message(s, id, i % 50 == 49 ? LARGE : (size_t)(1 + i * 37));
	}
	sl_store_close(s);
	for (i = 0; i < 12; i++)
		adopt_in_a_child((useconds_t)(300 * i * i));
	s = open_store(here);
	if (access(there, F_OK) == 0)
		assert_int_equal(sl_store_adopt(s, there, &moved, &err), 0);
	assert_int_equal(sl_store_count(s), MANY);
	for (i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		assert_true(bytes_are_right(s, id));
	}
	assert_int_equal(access(there, F_OK), -1);
	sl_store_close(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(held, set_up, tear_down),
		cmocka_unit_test_setup_teardown(adopted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage_is_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(killed_meanwhile, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
