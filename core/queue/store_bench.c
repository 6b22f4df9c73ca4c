/*
 * Durable commits of 8 KB by 1, 10 and 100 writers: the store beside a plain
 * file per message with fsync; then a queue of 100,000 messages: opening it,
 * and taking from it. BENCH_FOLDER says where (default: here).
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store.h"

#define BODY	8192
#define SECONDS	2
#define MANY	100000
#define ID(s)	((char *)(uintptr_t)(s))

static char body[BODY], top[200];

static double
seconds_since(int64_t from)
{
	return (double)(sl_clock_us() - from) / 1e6;
}

/* ---- a file per message ---------------------------------------------------------- */

struct plain {
	int number;
	int64_t until;
	unsigned done;
};

static int
write_plain(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int ok = fd >= 0 && write(fd, body, BODY) == BODY && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return ok ? sl_file_real.sync_folder(NULL, top) : -1;
}

static void *
plain_writer(void *arg)
{
	struct plain *p = arg;
	char path[300];

	while (sl_clock_us() < p->until) {
		snprintf(path, sizeof(path), "%s/plain-%d-%u", top, p->number, p->done);
		if (write_plain(path) != 0)
			break;
		unlink(path);
		p->done++;
	}
	return NULL;
}

static double
plain_rate(int writers)
{
	struct plain p[100];
	pthread_t id[100];
	int64_t from = sl_clock_us();
	unsigned total = 0;

	for (int i = 0; i < writers; i++) {
		p[i] = (struct plain){ i, from + SECONDS * 1000000, 0 };
		pthread_create(&id[i], NULL, plain_writer, &p[i]);
	}
	for (int i = 0; i < writers; i++) {
		pthread_join(id[i], NULL);
		total += p[i].done;
	}
	return total / seconds_since(from);
}

/* ---- the store -------------------------------------------------------------------- */

struct bench {
	struct sl_loop *loop;
	struct sl_store *store;
	int64_t until;
	unsigned done, next, running, failed;
	size_t body;
};

static void
begin(struct bench *b);

static void
ended(struct sl_op *op, void *arg)
{
	struct bench *b = arg;

	b->failed += op->status != 0;
	sl_op_release(op);
	b->done++;
	b->running--;
	if (sl_clock_us() < b->until)
		begin(b);
}

static void
begin(struct bench *b)
{
	char id[32];
	struct sl_entry e = { .recipient = ID("a@example.org"), .transport = ID("mx"),
		.next_us = b->next * 7919 % MANY };
	struct sl_envelope env = { .id = id, .sender = ID("s@example.org"), .size = b->body,
		.facts = ID("{\"senderip\":\"192.0.2.1\",\"senderhelo\":\"mail.example.org\"}"),
		.n = 1, .entries = &e };
	struct sl_str piece = { body, b->body };
	struct sl_op *op;

	snprintf(id, sizeof(id), "message-%u", b->next++);
	op = sl_store_accept(b->store, &env, &piece, 1);
	if (op == NULL) {
		b->failed++;
		return;
	}
	b->running++;
	sl_op_wait(op, ended, b);
}

static void
remove_each(void *folder, const char *name)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", (char *)folder, name);
	if (unlink(path) != 0) {
		sl_file_real.list(NULL, path, remove_each, path);
		rmdir(path);
	}
}

static int
open_bench(struct bench *b, struct sl_thread *thread, const char *folder)
{
	struct sl_store_options o = { .folder = folder, .thread = thread };
	struct sl_err err;

	if (sl_store_open(&b->store, b->loop, &o, &err) == 0)
		return 0;
	fprintf(stderr, "%s\n", err.text);
	return -1;
}

static double
store_rate(int writers)
{
	struct bench b = { .body = BODY };
	struct sl_thread *thread;
	char folder[220];
	double rate = 0;
	int64_t from;

	snprintf(folder, sizeof(folder), "%s/store", top);
	b.loop = sl_loop_new(NULL);
	thread = sl_thread_new(b.loop, "queue", NULL);
	if (open_bench(&b, thread, folder) == 0) {
		from = sl_clock_us();
		b.until = from + SECONDS * 1000000;
		for (int i = 0; i < writers; i++)
			begin(&b);
		while (b.running > 0)
			sl_loop_step(b.loop, -1);
		rate = b.failed == 0 ? b.done / seconds_since(from) : 0;
		sl_store_close(b.store);
	}
	sl_thread_free(thread);
	sl_loop_free(b.loop);
	sl_file_real.list(NULL, folder, remove_each, folder);
	rmdir(folder);
	return rate;
}

/* ---- many --------------------------------------------------------------------------- */

static void
fill(struct bench *b, struct sl_thread *thread, const char *folder)
{
	if (open_bench(b, thread, folder) != 0)
		return;
	while (b->next < MANY) {
		for (int i = 0; i < 1000; i++)
			begin(b);
		while (b->running > 0)
			sl_loop_step(b->loop, -1);
	}
	sl_store_close(b->store);
}

static void
many(size_t size)
{
	struct bench b = { .body = size };
	struct sl_thread *thread;
	char folder[220];
	const char *id;
	int64_t from, next;
	size_t index, taken = 0;
	double opening;

	snprintf(folder, sizeof(folder), "%s/many", top);
	b.loop = sl_loop_new(NULL);
	thread = sl_thread_new(b.loop, "queue", NULL);
	fill(&b, thread, folder);
	from = sl_clock_us();
	if (open_bench(&b, thread, folder) == 0) {
		opening = seconds_since(from);
		from = sl_clock_us();
		while (sl_store_take(b.store, MANY, &id, &index, &next))
			taken++;
		printf("  %zu messages of %zu bytes: open %.2f s, take %.2f us each\n",
		    sl_store_count(b.store), size, opening, seconds_since(from) * 1e6 / (double)taken);
		sl_store_close(b.store);
	}
	sl_thread_free(thread);
	sl_loop_free(b.loop);
	sl_file_real.list(NULL, folder, remove_each, folder);
	rmdir(folder);
}

int
main(void)
{
	static const int writers[] = { 1, 10, 100 };
	const char *where = getenv("BENCH_FOLDER");

	memset(body, 'x', sizeof(body));
	snprintf(top, sizeof(top), "%s/store-bench-XXXXXX", where != NULL ? where : ".");
	if (mkdtemp(top) == NULL)
		return 1;
	for (size_t i = 0; i < 3; i++) {
		double store = store_rate(writers[i]), plain = plain_rate(writers[i]);

		printf("  %3d writers: store %6.0f/s, file per message %5.0f/s, ratio %.1f\n",
		    writers[i], store, plain, plain > 0 ? store / plain : 0);
	}
	many(1024);
	many(BODY);
	rmdir(top);
	return 0;
}
