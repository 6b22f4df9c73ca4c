/* Workers' ends, with the state process as one: pipelining, single steps, deaths, deadlines. */
#include "state_testing.h"

#define WORKERS	2

struct process {
	pid_t pid;
	int stop;		/* closing it ends the process as it should */
	int fds[WORKERS];	/* the workers' ends, not connected yet */
};

static void
stop_loop(struct sl_watch *watch, unsigned ready)
{
	(void)ready;
	sl_loop_stop(watch->loop);
}

static void
serve(const int *fds, int control, const char *where)
{
	struct sl_loop *own = sl_loop_new(NULL);
	struct sl_watch watch = { 0 };
	struct sl_state_server *server = sl_state_server_new(own, where, NULL, NULL);
	int ok = server != NULL;

	for (int i = 0; i < WORKERS; i++)
		ok = ok && sl_state_server_add(server, fds[i]) == 0;
	ok = ok && sl_watch_start(own, &watch, control, SL_READ, stop_loop) == 0;
	if (ok)
		sl_loop_run(own);
	sl_state_server_free(server);
	sl_watch_stop(&watch);
	sl_loop_free(own);
	_exit(ok ? 0 : 1);
}

/* What the test has open isn't the server's: ends of connections would stay open. */
static void
close_others(const int *keep, int n)
{
	for (int fd = 3; fd < 256; fd++) {
		bool kept = false;

		for (int i = 0; i < n; i++)
			kept = kept || keep[i] == fd;
		if (!kept)
			close(fd);
	}
}

static struct process
start(const char *where)
{
	struct process p;
	int ends[2], keep[WORKERS + 1];

	for (int i = 0; i < WORKERS; i++) {
		pair(ends);
		p.fds[i] = ends[0];
		keep[i] = ends[1];
	}
	assert_int_equal(pipe(ends), 0);
	p.stop = ends[1];
	keep[WORKERS] = ends[0];
	p.pid = fork();
	if (p.pid == 0) {
		close_others(keep, WORKERS + 1);
		serve(keep, keep[WORKERS], where);
	}
	assert_true(p.pid > 0);
	for (int i = 0; i <= WORKERS; i++)
		close(keep[i]);
	return p;
}

static void
stop(struct process *p)
{
	int status;

	close(p->stop);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
kill_hard(struct process *p)
{
	close(p->stop);
	kill(p->pid, SIGKILL);
	assert_int_equal(waitpid(p->pid, NULL, 0), p->pid);
}

static void
connect_both(struct sl_state **s, struct process *p)
{
	for (int i = 0; i < WORKERS; i++) {
		if (s[i] == NULL)
			s[i] = sl_state_remote(loop, &events);
		assert_non_null(s[i]);
		sl_state_connect(s[i], p->fds[i]);
	}
}

/* ---- many at once --------------------------------------------------------------------- */

#define MANY	10000
#define WINDOW	1000

struct load {
	struct sl_state *state;
	enum sl_state_command command;
	const char *key;		/* NULL = a new one each time, the same for all loads */
	int64_t limit;
	unsigned asked, done, ok, failed;
	bool *numbers;			/* seen in answers, if wanted */
};

static void begin(struct load *l);

static void
done(struct sl_op *op, void *arg)
{
	struct sl_state_op *s = (struct sl_state_op *)op;
	struct load *l = arg;

	l->done++;
	l->failed += op->status != 0;
	l->ok += s->ok;
	if (l->numbers != NULL && s->number > 0 && s->number <= 2 * MANY) {
		assert_false(l->numbers[s->number]);
		l->numbers[s->number] = true;
	}
	sl_op_release(op);
	if (l->asked < MANY)
		begin(l);
}

static void
begin(struct load *l)
{
	struct sl_state_op *op;
	char key[20];

	snprintf(key, sizeof(key), "key %u", l->asked++);
	op = ask(l->state, l->command, l->key != NULL ? l->key : key, "v", l->limit, 3600000);
	assert_non_null(op);
	sl_op_wait(&op->op, done, l);
}

static void
run(struct load *a, struct load *b)
{
	for (int i = 0; i < WINDOW; i++) {
		begin(a);
		begin(b);
	}
	wait_until(a->done == MANY && b->done == MANY);
	assert_int_equal(a->failed + b->failed, 0);
}

/* Both count in one number: each answer is a number of its own. */
static void
pipelined(void **state)
{
	static bool numbers[2 * MANY + 1];
	struct sl_state *s[WORKERS] = { NULL, NULL };
	struct process p = start(NULL);
	struct load a, b;

	(void)state;
	connect_both(s, &p);
	a = (struct load){ .state = s[0], .command = SL_STATE_INC, .key = "n", .limit = 1,
		.numbers = numbers };
	b = a;
	b.state = s[1];
	run(&a, &b);
	assert_int_equal(a.ok + b.ok, 2 * MANY);
	for (int i = 1; i <= 2 * MANY; i++)
		assert_true(numbers[i]);
	fetched(s[0], "n", "20000");
	sl_state_free(s[0]);
	sl_state_free(s[1]);
	stop(&p);
}

static void
single_steps(void **state)
{
	struct sl_state *s[WORKERS] = { NULL, NULL };
	struct process p = start(NULL);
	struct load a, b;

	(void)state;
	connect_both(s, &p);
	a = b = (struct load){ .state = s[0], .command = SL_STATE_ADD };
	b.state = s[1];
	run(&a, &b);
	assert_int_equal(a.ok + b.ok, MANY);	/* each key was added by one of them */
	a = b = (struct load){ .state = s[0], .command = SL_STATE_RATE, .key = "r", .limit = 5000 };
	b.state = s[1];
	run(&a, &b);
	assert_int_equal(a.ok + b.ok, 5000);
	sl_state_free(s[0]);
	sl_state_free(s[1]);
	stop(&p);
}

/* More answers than both queues hold: the server stops reading, goes on later, in order. */
static void
big_answers(void **state)
{
	static char big[40000];
	struct sl_state_op *ops[120];
	struct sl_state *s[WORKERS] = { NULL, NULL };
	struct process p = start(NULL);

	(void)state;
	connect_both(s, &p);
	memset(big, 'x', sizeof(big) - 1);
	store(s[0], "big", big);
	for (int i = 0; i < 120; i++)
		ops[i] = i % 2 ? ask(s[0], SL_STATE_INC, "n", "", 1, 0)
		    : ask(s[0], SL_STATE_FETCH, "big", "", 0, 0);
	for (int i = 0; i < 120; i++) {
		assert_int_equal(sl_op_block(&ops[i]->op), 0);
		if (i % 2)
			assert_int_equal(ops[i]->number, i / 2 + 1);
		else
			assert_true(sl_str_eq(sl_buf_str(&ops[i]->value), sl_str_of(big)));
		sl_op_release(&ops[i]->op);
	}
	sl_state_free(s[0]);
	sl_state_free(s[1]);
	stop(&p);
}

/* ---- deaths ------------------------------------------------------------------------------ */

static bool
exists(const char *name)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

static void
killed_in_flight(void **state)
{
	struct sl_state *s[WORKERS] = { NULL, NULL };
	struct process p = start(folder);
	struct sl_state_op *ops[300];

	(void)state;
	connect_both(s, &p);
	store(s[0], "before", "kept");
	wait_until(exists("state"));
	kill(p.pid, SIGSTOP);
	for (int i = 0; i < 300; i++)
		ops[i] = ask(s[i % 2], SL_STATE_INC, "n", "", 1, 0);
	sl_loop_step(loop, 0);
	kill_hard(&p);
	for (int i = 0; i < 300; i++) {
		assert_int_equal(sl_op_block(&ops[i]->op), SL_ERR_IO);
		assert_false(ops[i]->ok);
		sl_op_release(&ops[i]->op);
	}
	ops[0] = ask(s[0], SL_STATE_FETCH, "before", "", 0, 0);
	assert_true(ops[0]->op.done);
	assert_int_equal(ops[0]->op.status, SL_ERR_IO);
	sl_op_release(&ops[0]->op);
	assert_int_equal(seen("state_unavailable"), 2);		/* one of each worker */
	p = start(folder);
	connect_both(s, &p);
	fetched(s[0], "before", "kept");
	fetched(s[1], "n", NULL);
	sl_state_free(s[0]);
	sl_state_free(s[1]);
	stop(&p);
}

/* Killed again and again while both work: every operation ends, and after it all works. */
static void
killed_often(void **state)
{
	struct sl_state *s[WORKERS] = { NULL, NULL };
	struct load a = { .command = SL_STATE_INC, .key = "n", .limit = 1 }, b = a;
	struct process p = start(NULL);

	(void)state;
	connect_both(s, &p);
	a.state = s[0];
	b.state = s[1];
	for (int i = 0; i < WINDOW; i++) {
		begin(&a);
		begin(&b);
	}
	for (int round = 1; round <= 5; round++) {
		wait_until(a.done + b.done >= (unsigned)round * 2500);
		kill_hard(&p);
		p = start(NULL);
		connect_both(s, &p);
	}
	wait_until(a.done == MANY && b.done == MANY);
	assert_int_equal(a.ok + a.failed + b.ok + b.failed, 2 * MANY);
	store(s[0], "after", "works");
	fetched(s[1], "after", "works");
	sl_state_free(s[0]);
	sl_state_free(s[1]);
	stop(&p);
}

static void
no_connection(void **state)
{
	struct sl_state *s = sl_state_remote(loop, &events);

	(void)state;
	for (int i = 0; i < 50; i++) {
		struct sl_state_op *op = ask(s, SL_STATE_RATE, "k", "", 5, 1000);

		assert_true(op->op.done);
		assert_int_equal(op->op.status, SL_ERR_IO);
		sl_op_release(&op->op);
	}
	assert_int_equal(seen("state_unavailable"), 1);
	sl_state_free(s);
}

/* ---- deadlines ---------------------------------------------------------------------------- */

static void
no_answer(void **state)
{
	struct sl_state *s[WORKERS] = { NULL, NULL };
	struct process p = start(NULL);
	struct sl_state_op *op;

	(void)state;
	connect_both(s, &p);
	store(s[0], "k", "v");
	kill(p.pid, SIGSTOP);
	op = answer(s[0], SL_STATE_STORE, "k", "late");
	assert_int_equal(op->op.status, SL_ERR_TIMEOUT);
	assert_in_range(op->op.took_us, 990000, 15000000);
	sl_op_release(&op->op);
	assert_int_equal(seen("state_unavailable"), 1);
	kill(p.pid, SIGCONT);
	fetched(s[0], "k", "late");	/* the answer to that was dropped, this is its own */
	fetched(s[1], "none", NULL);
	sl_state_free(s[0]);
	sl_state_free(s[1]);
	stop(&p);
}

static void
released_before(void **state)
{
	struct sl_state *s[WORKERS] = { NULL, NULL };
	struct process p = start(NULL);

	(void)state;
	connect_both(s, &p);
	for (int i = 0; i < 200; i++)
		sl_op_release(&ask(s[0], SL_STATE_INC, "n", "", 1, 0)->op);
	fetched(s[0], "n", "200");
	assert_int_equal(seen("state_unavailable"), 0);
	sl_state_free(s[0]);
	sl_state_free(s[1]);
	stop(&p);
}

/* ---- a server that isn't one ----------------------------------------------------------------- */

static void
malformed_answers(void **state)
{
	static char bytes[200];

	(void)state;
	for (size_t n = 1; n < sizeof(bytes); n += 13) {
		struct sl_state *s = sl_state_remote(loop, &events);
		struct sl_state_op *op;
		int ends[2];

		memset(bytes, (int)n, n);
		pair(ends);
		sl_state_connect(s, ends[0]);
		op = ask(s, SL_STATE_FETCH, "k", "", 0, 0);
		sl_loop_step(loop, 0);
		assert_int_equal(send(ends[1], bytes, n, 0), n);
		assert_int_equal(sl_op_block(&op->op), SL_ERR_IO);
		assert_int_equal(recv(ends[1], bytes, 0, MSG_TRUNC), 33);	/* the request */
		assert_int_equal(recv(ends[1], bytes, sizeof(bytes), 0), 0);	/* and the end */
		sl_op_release(&op->op);
		sl_state_free(s);
		close(ends[1]);
	}
}

/* It takes nothing: operations end by their deadline, and what waits has a cap. */
static void
takes_nothing(void **state)
{
	static char big[40000];
	struct sl_state *s = sl_state_remote(loop, &events);
	unsigned asked = 0, refused = 0;
	int ends[2];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	pair(ends);
	sl_state_connect(s, ends[0]);
	while (asked++ < 1000 && refused == 0) {
		struct sl_state_op *op = ask(s, SL_STATE_STORE, "k", big, 0, 0);

		assert_non_null(op);
		refused += op->op.done && op->op.status == SL_ERR_IO;
		sl_op_release(&op->op);
	}
	assert_in_range(asked, 100, 200);
	sl_state_free(s);
	close(ends[1]);
}

/* Every answer is either right or a failure that says so. */
static void
memory_ends(void **state)
{
	struct process p = start(NULL);

	(void)state;
	for (unsigned long n = 1; n < 40; n++) {
		struct sl_state *r = sl_state_remote(loop, &events);
		struct sl_state_op *op = NULL;
		int status = SL_ERR_NOMEM, fd = dup(p.fds[0]);

		sl_alloc_fail_at(n, 1);
		sl_state_connect(r, fd);
		op = ask(r, SL_STATE_FETCH, "none", "", 0, 0);
		if (op != NULL)
			status = sl_op_block(&op->op);
		sl_alloc_fail_at(0, 0);
		assert_true(status == 0 || status == SL_ERR_NOMEM || status == SL_ERR_IO ||
		    status == SL_ERR_TIMEOUT);
		assert_true(op == NULL || !op->ok);
		if (op != NULL)
			sl_op_release(&op->op);
		sl_state_free(r);
	}
	close(p.fds[0]);
	close(p.fds[1]);
	stop(&p);
}

#define T(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(pipelined), T(single_steps), T(big_answers), T(killed_in_flight), T(killed_often),
		T(no_connection), T(no_answer), T(released_before), T(malformed_answers),
		T(takes_nothing), T(memory_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
