/*
 * Requests to the state process by one worker and by two (each a process, on
 * the cores there are), in windows of 1, 10 and 1,000; beside them the same
 * in this process, and a bare packet there and back. Then how long the tables
 * take to become a file's bytes, for that is what workers wait for.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server.h"
#include "table.h"

#define SECONDS	1
#define KEYS	10000

static double
seconds_since(int64_t from)
{
	return (double)(sl_clock_us() - from) / 1e6;
}

struct bench {
	struct sl_state *state;
	int64_t until;
	unsigned asked, done, failed, running;
};

static void begin(struct bench *b);

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
	char key[40];
	struct sl_state_request r = { .command = SL_STATE_RATE, .key.p = key, .number = 1000000,
		.ms = 3600000 };
	struct sl_state_op *op;

	r.key.n = (size_t)snprintf(key, sizeof(key), "rate of user%u@example.org",
	    b->asked++ % KEYS);
	op = sl_state_ask(b->state, &r);
	if (op == NULL) {
		b->failed++;
		return;
	}
	b->running++;
	sl_op_wait(&op->op, ended, b);
}

/* Requests per second; 0 = something failed. */
static double
load(struct sl_loop *loop, struct sl_state *state, int window)
{
	int64_t from = sl_clock_us();
	struct bench b = { .state = state, .until = from + SECONDS * 1000000 };

	for (int i = 0; i < window; i++)
		begin(&b);
	while (b.running > 0)
		sl_loop_step(loop, -1);
	return b.failed == 0 ? b.done / seconds_since(from) : 0;
}

static void
serve(int *fds, int n)
{
	struct sl_loop *loop = sl_loop_new(NULL);
	struct sl_state_server *server = sl_state_server_new(loop, NULL, NULL, NULL);

	for (int i = 0; i < n; i++)
		sl_state_server_add(server, fds[i]);
	sl_loop_run(loop);
	_exit(0);
}

/* One worker as a process of its own; writes its rate to 'out'. */
static void
work(int fd, int out, int window)
{
	struct sl_loop *loop = sl_loop_new(NULL);
	struct sl_state *state = sl_state_remote(loop, NULL);
	double rate;

	sl_state_connect(state, fd);
	rate = load(loop, state, window);
	_exit(write(out, &rate, sizeof(rate)) != sizeof(rate));
}

static double
remote(int workers, int window)
{
	int mine[2], theirs[2], out[2];
	double sum = 0, rate;
	pid_t server, pid[2];

	for (int i = 0; i < workers; i++) {
		int ends[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0)
			return 0;
		mine[i] = ends[0];
		theirs[i] = ends[1];
	}
	if ((server = fork()) == 0)
		serve(theirs, workers);
	if (pipe(out) != 0)
		return 0;
	for (int i = 0; i < workers; i++)
		if ((pid[i] = fork()) == 0)
			work(mine[i], out[1], window);
	for (int i = 0; i < workers; i++) {
		if (read(out[0], &rate, sizeof(rate)) == sizeof(rate))
			sum += rate;
		waitpid(pid[i], NULL, 0);
		close(mine[i]);
		close(theirs[i]);
	}
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(out[0]);
	close(out[1]);
	return sum;
}

static double
local(int window)
{
	struct sl_loop *loop = sl_loop_new(NULL);
	struct sl_state *state = sl_state_local(loop);
	double rate = load(loop, state, window);

	sl_state_free(state);
	sl_loop_free(loop);
	return rate;
}

/* A packet of 64 bytes to another process and back: what the kernel asks for. */
static double
bare(void)
{
	int ends[2], n = 0;
	char bytes[64] = "";
	int64_t from;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0)
		return 0;
	if ((pid = fork()) == 0) {
		close(ends[0]);
		while (recv(ends[1], bytes, sizeof(bytes), 0) > 0)
			send(ends[1], bytes, sizeof(bytes), 0);
		_exit(0);
	}
	close(ends[1]);
	for (from = sl_clock_us(); sl_clock_us() - from < SECONDS * 1000000; n++) {
		send(ends[0], bytes, sizeof(bytes), 0);
		recv(ends[0], bytes, sizeof(bytes), 0);
	}
	close(ends[0]);
	waitpid(pid, NULL, 0);
	return n / seconds_since(from);
}

static void
save(unsigned entries)
{
	struct sl_table *t = sl_table_new(SL_TABLE_ENTRIES, SL_TABLE_BYTES);
	struct sl_buf bytes = SL_BUF_INIT;
	struct sl_state_reply reply;
	char key[40];
	int64_t from;

	for (unsigned i = 0; i < entries; i++) {
		struct sl_state_request r = { .command = SL_STATE_RATE, .key.p = key, .number = 5,
			.ms = 3600000 };

		r.key.n = (size_t)snprintf(key, sizeof(key), "rate of user%u@example.org", i);
		sl_table_apply(t, 1, &r, &reply);
	}
	from = sl_clock_us();
	sl_table_save(t, 1, &bytes);
	printf("  %u entries as bytes: %.0f ms, %zu MB\n", entries, seconds_since(from) * 1e3,
	    bytes.n >> 20);
	sl_buf_clear(&bytes);
	sl_table_free(t);
}

int
main(void)
{
	static const int windows[] = { 1, 10, 1000 };

	for (size_t i = 0; i < 3; i++)
		printf("  window %4d: local %7.0f/s, one worker %7.0f/s, two %7.0f/s\n", windows[i],
		    local(windows[i]), remote(1, windows[i]), remote(2, windows[i]));
	printf("  a bare packet there and back: %.0f/s\n", bare());
	save(10000);
	save(100000);
	save(700000);
	return 0;
}
