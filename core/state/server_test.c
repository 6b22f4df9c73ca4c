/* The server's end: what peers may do to it, and the file it keeps. */
#include "state_testing.h"

#include <sys/stat.h>

#include "packet.h"

static struct sl_state_server *
serve(const char *where)
{
	struct sl_err err;
	struct sl_state_server *s = sl_state_server_new(loop, where, &events, &err);

	assert_non_null(s);
	return s;
}

/* A raw end, whatever it sends. */
static int
raw(struct sl_state_server *server)
{
	int ends[2];

	pair(ends);
	assert_int_equal(sl_state_server_add(server, ends[1]), 0);
	return ends[0];
}

static struct sl_state *
worker(struct sl_state_server *server)
{
	struct sl_state *s = sl_state_remote(loop, &events);

	assert_non_null(s);
	sl_state_connect(s, raw(server));
	return s;
}

/* ---- packets --------------------------------------------------------------------------- */

struct shape {
	const char *name;
	uint16_t command;
	uint32_t key, value;		/* as the head says */
	int64_t number, ms;
	size_t strings;			/* bytes that follow */
	size_t cut;			/* of the whole */
};

static size_t
build(char *out, const struct shape *s)
{
	struct {
		uint32_t id;
		uint16_t command, key;
		uint32_t value, reserved;
		int64_t number, ms;
	} h = { 7, s->command, (uint16_t)s->key, s->value, 0, s->number, s->ms };

	memcpy(out, &h, sizeof(h));
	memset(out + sizeof(h), 'k', s->strings);
	return sizeof(h) + s->strings - s->cut;
}

static bool
ended(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) == 0;
}

static void
malformed(void **state)
{
	static const struct shape shapes[] = {
		{ "command 0", 0, 1, 0, 0, 0, 1, 0 },
		{ "command too high", SL_STATE_COMMANDS, 1, 0, 0, 0, 1, 0 },
		{ "head cut", SL_STATE_FETCH, 1, 0, 0, 0, 1, 2 },
		{ "one byte", SL_STATE_FETCH, 0, 0, 0, 0, 0, 31 },
		{ "key cut", SL_STATE_FETCH, 3, 0, 0, 0, 3, 1 },
		{ "value cut", SL_STATE_STORE, 1, 10, 0, 0, 11, 1 },
		{ "value of 4 GB", SL_STATE_STORE, 1, UINT32_MAX, 0, 0, 11, 0 },
		{ "key over its cap", SL_STATE_FETCH, 1025, 0, 0, 0, 1025, 0 },
		{ "value over its cap", SL_STATE_STORE, 1, SL_STATE_MAX_VALUE + 1, 0, 0,
		    SL_STATE_MAX_VALUE + 2, 0 },
		{ "packet over its cap", SL_STATE_STORE, 1, 1, 0, 0, SL_STATE_PACKET, 0 },
		{ "rest", SL_STATE_FETCH, 1, 0, 0, 0, 5, 0 },
		{ "negative time", SL_STATE_ADD, 1, 1, 0, -1, 2, 0 },
		{ "time for ever", SL_STATE_ADD, 1, 1, 0, INT64_MAX, 2, 0 },
		{ "negative limit", SL_STATE_RATE, 1, 0, -1, 1000, 1, 0 },
	};
	static char bytes[SL_STATE_PACKET + 100];
	struct sl_state_server *server = serve(NULL);
	struct sl_state *other = worker(server);

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		size_t n = build(bytes, &shapes[i]);
		int fd = raw(server);

		assert_int_equal(send(fd, bytes, n, 0), n);
		wait_until(seen("state_connection_ended") == i + 1);
		wait_until(ended(fd));
		close(fd);
		store(other, "still", "served");
	}
	sl_state_free(other);
	sl_state_server_free(server);
}

/* Some thousand packets of noise, and of a right one with one byte changed. */
static void
noise(void **state)
{
	struct sl_state_server *server = serve(NULL);
	struct sl_buf good = SL_BUF_INIT;
	struct sl_state *other = worker(server);
	int fd = raw(server);

	(void)state;
	srandom(1);
	for (uint32_t i = 0; i < 3; i++)
		sl_state_put_request(&good, i, &(struct sl_state_request){ .command = 1 + i,
		    .key = SL_STR("key"), .value = SL_STR("1"), .number = 5, .ms = 1000 });
	for (int i = 0; i < 3000; i++) {
		char bytes[200];
		size_t n = good.n;

		memcpy(bytes, good.p, n);
		bytes[(size_t)random() % n] = (char)random();
		if (i % 3 == 0)
			for (n = 1 + (size_t)random() % 200; n > 1; n--)
				bytes[n - 1] = (char)random();
		send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		sl_loop_step(loop, 0);
		if (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) == 0) {
			close(fd);
			fd = raw(server);
		}
	}
	close(fd);
	store(other, "still", "served");
	sl_buf_clear(&good);
	sl_state_free(other);
	sl_state_server_free(server);
}

static void
gone_without_a_word(void **state)
{
	struct sl_state_server *server = serve(NULL);
	struct sl_state *other = worker(server);

	(void)state;
	for (int i = 0; i < 100; i++)
		close(raw(server));
	store(other, "still", "served");
	assert_int_equal(seen("state_connection_ended"), 0);
	sl_state_free(other);
	sl_state_server_free(server);
}

/* ---- one that never reads ------------------------------------------------------------------ */

#define MUCH	50		/* packets that ask for 4 MB each */

/* Asks for big answers until the server takes no more. How many were taken. */
static unsigned
flood(int fd)
{
	struct sl_buf packet = SL_BUF_INIT;
	unsigned sent = 0;
	int idle = 0;

	for (uint32_t i = 0; i < 1000; i++)
		sl_state_put_request(&packet, i, &(struct sl_state_request){
		    .command = SL_STATE_FETCH, .key = SL_STR("big") });
	while (idle < 10 && sent < MUCH) {
		if (send(fd, packet.p, packet.n, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
			sent++;
			idle = 0;
		} else {
			idle++;
		}
		sl_loop_step(loop, 0);
	}
	sl_buf_clear(&packet);
	return sent;
}

static void
never_reads(void **state)
{
	static char big[4000];
	struct sl_state_server *server = serve(NULL);
	struct sl_state *other = worker(server);
	int64_t from = sl_clock_us();
	int fd = raw(server);

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	store(other, "big", big);
	assert_in_range(flood(fd), 1, 20);	/* of MUCH */
	store(other, "others", "are served");
	assert_int_equal(seen("state_connection_ended"), 0);
	wait_until(seen("state_connection_ended") == 1);
	assert_in_range(sl_clock_us() - from, 2900000, 20000000);
	fetched(other, "others", "are served");
	close(fd);
	sl_state_free(other);
	sl_state_server_free(server);
}

/* Behind all the time, but it reads on: it stays. */
static void
reads_slowly(void **state)
{
	static char big[4000];
	struct sl_state_server *server = serve(NULL);
	struct sl_state *other = worker(server);
	int64_t from = sl_clock_us(), next = 0;
	int fd = raw(server);

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	store(other, "big", big);
	flood(fd);
	while (sl_clock_us() - from < 3500000) {
		if (sl_clock_us() > next) {
			assert_true(recv(fd, big, sizeof(big), MSG_DONTWAIT) > 0);
			next = sl_clock_us() + 100000;
		}
		sl_loop_step(loop, 20);
	}
	assert_int_equal(seen("state_connection_ended"), 0);
	close(fd);
	sl_state_free(other);
	sl_state_server_free(server);
}

/* One that closes instead is gone at once, not after the stall. */
static void
never_reads_and_goes(void **state)
{
	static char big[4000];
	struct sl_state_server *server = serve(NULL);
	struct sl_state *other = worker(server);
	int fd = raw(server);

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	store(other, "big", big);
	flood(fd);
	close(fd);
	store(other, "others", "are served");
	sl_state_server_free(server);
	assert_int_equal(seen("state_connection_ended"), 0);
	sl_state_free(other);
}

/* ---- the file ------------------------------------------------------------------ */

static void
path_of(char *out, size_t n, const char *name)
{
	snprintf(out, n, "%s/%s", folder, name);
}

static off_t
size_of(const char *name)
{
	struct stat st;
	char path[100];

	path_of(path, sizeof(path), name);
	return stat(path, &st) == 0 ? st.st_size : -1;
}

static void
fill(struct sl_state_server *server)
{
	struct sl_state *s = worker(server);

	store(s, "one", "1");
	store(s, "two", "2");
	store(s, "three", "3");
	sl_state_free(s);
}

static void
saved_at_the_end(void **state)
{
	struct sl_state_server *server = serve(folder);
	struct sl_state *s;
	struct stat st;
	char path[100];

	(void)state;
	fill(server);
	sl_state_server_free(server);
	path_of(path, sizeof(path), "state");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(size_of("state.new"), -1);
	server = serve(folder);
	s = worker(server);
	fetched(s, "two", "2");
	sl_state_free(s);
	unlink(path);
	sl_state_server_free(server);		/* nothing changed: nothing is written */
	assert_int_equal(size_of("state"), -1);
	assert_int_equal(seen("state_damaged") + seen("state_not_saved"), 0);
}

static void
saved_while_it_runs(void **state)
{
	struct sl_state_server *server = serve(folder);
	struct sl_state *s = worker(server);
	off_t size;

	(void)state;
	store(s, "one", "1");
	wait_until(size_of("state") > 0);
	size = size_of("state");
	store(s, "two", "a longer value");
	fetched(s, "two", "a longer value");
	assert_int_equal(size_of("state"), size);	/* the next is a minute away */
	sl_state_free(s);
	sl_state_server_free(server);
	assert_true(size_of("state") > size);
}

/* Asked to end while the thread writes, or right before. */
static void
ends_while_it_writes(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct sl_state_server *server = serve(folder);
		struct sl_state *s = worker(server);
		int64_t from = sl_clock_us();

		store(s, "k", "v");
		while (sl_clock_us() - from < 999000 + i * 1000)
			sl_loop_step(loop, 1);
		sl_state_free(s);
		sl_state_server_free(server);
		assert_true(size_of("state") > 0);
	}
	assert_int_equal(seen("state_not_saved"), 0);
}

static void
damaged(void **state)
{
	struct sl_state_server *server = serve(folder);
	struct sl_state *s;
	char path[100];
	off_t size;

	(void)state;
	fill(server);
	sl_state_server_free(server);
	path_of(path, sizeof(path), "state");
	size = size_of("state");
	assert_int_equal(truncate(path, size - 1), 0);
	server = serve(folder);
	assert_int_equal(seen("state_damaged"), 1);
	assert_int_equal(size_of("state.bad"), size - 1);
	s = worker(server);
	fetched(s, "one", "1");
	fetched(s, "two", "2");
	fetched(s, "three", NULL);
	sl_state_free(s);
	sl_state_server_free(server);
	server = serve(folder);			/* what was readable is a whole file again */
	assert_int_equal(seen("state_damaged"), 1);
	s = worker(server);
	fetched(s, "two", "2");
	sl_state_free(s);
	sl_state_server_free(server);
}

static void
not_ours(void **state)
{
	struct sl_state_server *server;
	char path[100];
	FILE *f;

	(void)state;
	path_of(path, sizeof(path), "state");
	f = fopen(path, "w");
	fputs("something else", f);
	fclose(f);
	server = serve(folder);
	assert_int_equal(seen("state_damaged"), 1);
	assert_int_equal(size_of("state.bad"), 14);
	fill(server);
	sl_state_server_free(server);
}

/* The disk says no: an event, and everything goes on in memory. */
static void
can_not_be_saved(void **state)
{
	struct sl_state_server *server = serve(folder);
	struct sl_state *s = worker(server);

	(void)state;
	assert_int_equal(rmdir(folder), 0);
	store(s, "k", "v");
	wait_until(seen("state_not_saved") == 1);
	fetched(s, "k", "v");
	assert_int_equal(mkdir(folder, 0700), 0);
	sl_state_free(s);
	sl_state_server_free(server);		/* it is tried again */
	assert_true(size_of("state") > 0);
}

static void
memory_ends(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 60; n++) {
		struct sl_state_server *server;
		struct sl_state *s = sl_state_remote(loop, &events);
		struct sl_state_op *op;
		struct sl_err err;
		int ends[2];

		pair(ends);
		sl_state_connect(s, ends[0]);
		op = ask(s, SL_STATE_STORE, "k", "v", 0, 0);
		sl_alloc_fail_at(n, 1);
		server = sl_state_server_new(loop, folder, &events, &err);
		if (server == NULL)
			close(ends[1]);
		else if (sl_state_server_add(server, ends[1]) == 0)
			sl_op_block(&op->op);
		sl_alloc_fail_at(0, 0);
		assert_true(!op->op.done || op->op.status != 0 || op->ok);
		sl_op_release(&op->op);
		sl_state_server_free(server);
		sl_state_free(s);
	}
}

#define T(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(malformed), T(noise), T(gone_without_a_word), T(never_reads), T(reads_slowly),
		T(never_reads_and_goes), T(saved_at_the_end), T(saved_while_it_runs),
		T(ends_while_it_writes), T(damaged), T(not_ours), T(can_not_be_saved),
		T(memory_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
