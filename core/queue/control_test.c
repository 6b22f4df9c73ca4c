/* The control socket of a server that is a process of its own, and the commands by themselves. */
#include "control.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "../base/alloc.h"
#include "../base/dict.h"
#include "command.h"
#include "seize.h"

#define TEXT(s)	((char *)(uintptr_t)(s))
#define LATER	INT64_C(4000000000000000)
#define MANY	20000
#define WAIT_MS	10000

static char top[64], shard[300];
static pid_t server;

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
set_up(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/sl-control-XXXXXX");
	assert_non_null(mkdtemp(top));
	snprintf(shard, sizeof(shard), "%s/00", top);
	return 0;
}

static void
stop_server(int how)
{
	int status;

	if (server == 0)
		return;
	kill(server, how);
	waitpid(server, &status, 0);
	server = 0;
	if (how == SIGTERM)
		assert_int_equal(status, 0);
}

static int
tear_down(void **state)
{
	(void)state;
	stop_server(SIGKILL);
	sl_file_real.list(NULL, top, remove_each, top);
	return rmdir(top);
}

/* ---- the server ------------------------------------------------------------------ */

static struct sl_loop *server_loop;

static void
on_term(int signo)
{
	(void)signo;
	sl_loop_stop(server_loop);
}

static void
put_message(struct sl_store *s, const char *id, const char *sender, const char *recipients,
    enum sl_entry_state state, const char *bytes)
{
	struct sl_entry entries[4] = { 0 };
	struct sl_envelope env = { .id = TEXT(id), .sender = TEXT(sender), .entries = entries,
		.received_us = 1000000,
		.quarantine = state == SL_ENTRY_HELD ? TEXT("spam") : NULL };
	struct sl_str rest = sl_str_of(recipients), one, piece = sl_str_of(bytes);
	char text[4][64];
	struct sl_op *op;

	while (sl_str_split(&rest, ' ', &one)) {
		snprintf(text[env.n], sizeof(text[0]), "%.*s", (int)one.n, one.p);
		entries[env.n] = (struct sl_entry){ .recipient = text[env.n],
			.transport = TEXT("mx"), .state = state,
			.next_us = sl_str_starts(one, SL_STR("busy@")) ? 0 : LATER };
		env.n++;
	}
	op = sl_store_accept(s, &env, &piece, 1);
	assert_int_equal(sl_op_block(op), 0);
	sl_op_release(op);
}

/* What is due is taken and never given back: an attempt under way. */
static void
take_due(struct sl_store *s)
{
	const char *id;
	size_t index;
	int64_t next;

	while (sl_store_take(s, 1, &id, &index, &next))
		;
}

static void
serve(int ready)
{
	struct sl_store_options o = { .folder = shard };
	struct sl_queue_control *control;
	struct sl_thread *thread;
	struct sl_store *s;

	server_loop = sl_loop_new(NULL);
	thread = sl_thread_new(server_loop, "queue", NULL);
	o.thread = thread;
	if (thread == NULL || sl_store_open(&s, server_loop, &o, NULL) != 0)
		_exit(2);
	take_due(s);
	signal(SIGTERM, on_term);
	signal(SIGPIPE, SIG_IGN);
	if (sl_queue_control_open(&control, server_loop, shard, s, NULL, NULL, NULL) != 0 ||
	    write(ready, "x", 1) != 1)
		_exit(3);
	sl_loop_run(server_loop);
	sl_queue_control_close(control);
	sl_store_close(s);
	sl_thread_free(thread);
	sl_loop_free(server_loop);
	exit(0);
}

static void
start_server(void)
{
	int ends[2];
	char x;

	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	server = fork();
	assert_true(server >= 0);
	if (server == 0)
		serve(ends[1]);
	close(ends[1]);
	assert_int_equal(read(ends[0], &x, 1), 1);
	close(ends[0]);
}

static struct sl_store *
open_store(struct sl_loop *loop)
{
	struct sl_store_options o = { .folder = shard };
	struct sl_store *s = NULL;

	assert_int_equal(sl_store_open(&s, loop, &o, NULL), 0);
	return s;
}

/* ---- a client ------------------------------------------------------------------------ */

static int
dial(void)
{
	struct sl_err err;
	int fd = sl_queue_control_connect(shard, WAIT_MS, &err);

	if (fd < 0)
		fail_msg("%s", err.text);
	return fd;
}

static void
say(int fd, const char *request)
{
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
}

/* One line, without its end; "" when the server closed. */
static char *
hear(int fd)
{
	struct sl_buf line = SL_BUF_INIT;
	ssize_t n;
	char c;

	while ((n = read(fd, &c, 1)) == 1 && c != '\n')
		sl_buf_putc(&line, c);
	assert_true(n >= 0 || errno == ECONNRESET);
	sl_buf_putc(&line, '\0');
	return sl_buf_take(&line, NULL);
}

static void
expect(int fd, const char *request, const char *answer)
{
	char *line;

	say(fd, request);
	line = hear(fd);
	if (strstr(line, answer) == NULL)
		fail_msg("%s: %s", request, line);
	sl_free(line);
}

static const char ok_one[] = "{\"status\":\"ok\",\"messages\":1,\"busy\":0}";

/* ---- tests ----------------------------------------------------------------------------- */

static void
fill(void)
{
	struct sl_loop *loop = sl_loop_new(NULL);
	struct sl_store *s = open_store(loop);

	put_message(s, "a", "x@example.com", "1@example.org 2@example.net", SL_ENTRY_QUEUED,
	    "A: 1\r\n\r\nbody\n{\"");
	put_message(s, "b", "", "busy@example.org", SL_ENTRY_QUEUED, "");
	put_message(s, "c", "\xff\033@example.com", "\xe9@example.org", SL_ENTRY_QUEUED, "C");
	put_message(s, "h", "x@example.com", "1@example.org", SL_ENTRY_HELD, "H");
	sl_store_close(s);
	sl_loop_free(loop);
}

static void
answers_commands(void **state)
{
	static const struct {
		const char *request, *answer;
	} cases[] = {
		{ "{\"command\":\"retry\",\"id\":\"none\"}\n", "\"code\":\"notfound\"" },
		{ "{\"command\":\"retry\",\"id\":\"h\"}\n", "h is in quarantine" },
		{ "{\"command\":\"remove\",\"id\":\"a\",\"quarantine\":true}\n",
		  "is not in quarantine" },
		{ "{\"command\":\"remove\",\"id\":\"b\"}\n", "\"code\":\"busy\"" },
		{ "{\"command\":\"retry\",\"id\":\"b\"}\n", "\"messages\":1,\"busy\":1}" },
		{ "{\"command\":\"remove\",\"sender\":\"<>\"}\n", "\"messages\":1,\"busy\":1}" },
		{ "{\"command\":\"retry\"}\n", "\"code\":\"syntax\"" },
		{ "{\"command\":\"release\",\"all\":true}\n", "\"code\":\"syntax\"" },
		{ "{\"command\":\"dance\"}\n", "no such command" },
		{ "{\"command\":\"retry\",\"id\":7}\n", "are texts" },
		{ "{\"command\":\"show\"}\n", "needs an id" },
		{ "\n", "no JSON object" }, { "[1]\n", "no JSON object" },
		{ "{\"command\":\"retry\",\"recipient\":\"@EXAMPLE.net\"}\n", ok_one },
		{ "{\"command\":\"remove\",\"sender\":\"nobody@example.com\"}\n", "\"messages\":0" },
		{ "{\"command\":\"release\",\"quarantine\":true,\"id\":\"h\"}\n", ok_one },
		{ "{\"command\":\"remove\",\"id\":\"h\"}\n", ok_one },
		{ "{\"command\":\"remove\",\"recipient\":\"2@example.net\"}\n", ok_one },
		{ "{\"command\":\"remove\",\"recipient\":\"2@example.net\"}\n", "\"messages\":0" },
		{ "{\"command\":\"remove\",\"id\":\"c\"}\n", ok_one },
	};
	struct stat st;
	size_t i;
	int fd;

	(void)state;
	fill();
	start_server();
	fd = dial();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(fd, cases[i].request, cases[i].answer);
	expect(fd, "{\"command\":\"list\"}\n", "{\"id\":\"a\"");
	sl_free(hear(fd));		/* b */
	expect(fd, "", "\"messages\":2");
	close(fd);
	assert_int_equal(chdir(shard), 0);
	assert_int_equal(stat("control", &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	stop_server(SIGTERM);
	assert_int_not_equal(stat("control", &st), 0);
	assert_int_equal(chdir("/"), 0);
}

static void
lists_what_no_json_can_hold(void **state)
{
	char *line;
	json_t *o;
	int fd;

	(void)state;
	fill();
	start_server();
	fd = dial();
	say(fd, "{\"command\":\"list\",\"recipient\":\"\xc3\xa9@example.org\"}\n"
	    "{\"command\":\"list\",\"sender\":\"@example.com\"}\n");
	expect(fd, "", "\"messages\":0");
	sl_free(hear(fd));
	line = hear(fd);
	assert_non_null(o = json_loads(line, 0, NULL));
	assert_string_equal(json_string_value(json_object_get(o, "sender")),
	    "\\xff\033@example.com");
	assert_null(strchr(line, '\033'));
	json_decref(o);
	sl_free(line);
	expect(fd, "", "\"messages\":2");
	close(fd);
}

static void
shows_the_bytes(void **state)
{
	const char *bytes = "A: 1\r\n\r\nbody\n{\"";
	char got[64];
	int fd;

	(void)state;
	fill();
	start_server();
	fd = dial();
	expect(fd, "{\"command\":\"show\",\"id\":\"a\"}\n", "{\"size\":15}");
	assert_int_equal(recv(fd, got, 15, MSG_WAITALL), 15);
	assert_memory_equal(got, bytes, 15);
	expect(fd, "", ok_one);
	expect(fd, "{\"command\":\"show\",\"id\":\"b\"}\n", "{\"size\":0}");
	expect(fd, "", ok_one);
	expect(fd, "{\"command\":\"show\",\"id\":\"h\",\"quarantine\":true}\n", "{\"size\":1}");
	close(fd);
}

/* A socket of a server that was killed is in nobody's way; what was answered is durable. */
static void
survives_kills(void **state)
{
	struct sl_loop *loop;
	struct sl_store *s;
	struct sl_err err;
	int fd;

	(void)state;
	fill();
	start_server();
	fd = dial();
	expect(fd, "{\"command\":\"remove\",\"id\":\"a\"}\n", ok_one);
	stop_server(SIGKILL);
	close(fd);
	assert_int_equal(sl_queue_control_connect(shard, WAIT_MS, &err), SL_ERR_NOTFOUND);
	start_server();
	fd = dial();
	expect(fd, "{\"command\":\"remove\",\"id\":\"a\"}\n", "notfound");
	close(fd);
	stop_server(SIGTERM);
	loop = sl_loop_new(NULL);
	s = open_store(loop);
	assert_null(sl_store_get(s, "a"));
	assert_int_equal(sl_store_count(s), 3);
	sl_store_close(s);
	sl_loop_free(loop);
}

/* Nothing is lost here that the disk would have to keep; *arg is what it says. */
static int
no_sync(void *arg, int fd)
{
	(void)fd;
	errno = EIO;
	return *(int *)arg;
}

static void
fill_many(void)
{
	struct sl_loop *loop = sl_loop_new(NULL);
	struct sl_store_options o = { .folder = shard };
	struct sl_file_ops fast = sl_file_real;
	struct sl_store *s;
	char id[64];
	int i, fine = 0;

	fast.arg = &fine;
	fast.fdatasync = no_sync;
	o.files = &fast;
	assert_int_equal(sl_store_open(&s, loop, &o, NULL), 0);
	for (i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "message-%d", i);
		put_message(s, id, i % 2 ? "odd@example.com" : "even@example.com", "1@example.org",
		    SL_ENTRY_QUEUED, "");
	}
	sl_store_close(s);
	sl_loop_free(loop);
}

/* One that doesn't read its list waits for itself alone; the list is right
 * although half of the messages go meanwhile. */
static void
a_list_is_not_in_the_way(void **state)
{
	char *line, *id;
	struct sl_dict *seen = sl_dict_new();
	size_t even = 0;
	int slow, fd;
	json_t *o;

	(void)state;
	fill_many();
	start_server();
	slow = dial();
	say(slow, "{\"command\":\"list\"}\n");
	sl_free(hear(slow));		/* it has begun */
	fd = dial();
	expect(fd, "{\"command\":\"remove\",\"id\":\"none\"}\n", "notfound");
	expect(fd, "{\"command\":\"remove\",\"sender\":\"odd@example.com\"}\n",
	    "\"messages\":10000,\"busy\":0");
	for (;;) {
		line = hear(slow);
		assert_non_null(o = json_loads(line, 0, NULL));
		id = TEXT(json_string_value(json_object_get(o, "id")));
		if (id != NULL) {
			assert_false(sl_dict_has(seen, sl_str_of(id)));
			assert_int_equal(sl_dict_set(seen, sl_str_of(id), seen, NULL), 0);
			even += strstr(line, "even@example.com") != NULL;
		}
		sl_free(line);
		json_decref(o);
		if (id == NULL)
			break;
	}
	assert_int_equal(even, MANY / 2 - 1);
	assert_true(sl_dict_count(seen) < MANY - 1);
	sl_dict_free(seen, NULL);
	close(fd);
	close(slow);
}

static void
hostile_clients(void **state)
{
	char *line, big[9000];
	int silent[15], fd, i;

	(void)state;
	fill();
	start_server();
	for (i = 0; i < 15; i++)
		silent[i] = dial();
	fd = dial();
	memset(big, 'x', sizeof(big));
	assert_true(write(fd, big, sizeof(big)) > 0);
	line = hear(fd);
	assert_non_null(strstr(line, "too long"));
	sl_free(line);
	close(fd);
	for (i = 0; i < 200; i++) {	/* gone before the answer, also of a change */
		fd = dial();
		say(fd, i % 2 ? "{\"command\":\"list\"}\n" :
		    "{\"command\":\"retry\",\"all\":true}\n");
		close(fd);
	}
	fd = dial();
	expect(fd, "{\"command\":\"retry\",\"id\":\"a\"}\n", ok_one);
	close(fd);
	for (i = 0; i < 15; i++)
		close(silent[i]);
	stop_server(SIGTERM);
}

/* ---- in this process -------------------------------------------------------------------- */

struct told {
	struct sl_loop *loop;
	struct sl_buf text;
	bool over;
};

static int
told_put(void *arg, const void *p, size_t n)
{
	return sl_buf_put(&((struct told *)arg)->text, p, n);
}

static bool
told_full(void *arg)
{
	(void)arg;
	return false;
}

static void
told_done(void *arg, int rc)
{
	assert_int_equal(rc, 0);
	((struct told *)arg)->over = true;
}

static void
command(struct sl_store *s, struct sl_loop *loop, const char *request, const char *answer)
{
	struct told t = { .loop = loop };
	struct sl_queue_output out = { told_put, told_full, told_done, &t };
	struct sl_queue_run *run = sl_queue_run_new(loop, s, NULL, NULL, sl_str_of(request),
	    &out);

	assert_non_null(run);
	while (!t.over)
		sl_loop_step(loop, 1000);
	sl_queue_run_free(run);
	assert_false(t.text.failed);
	if (strstr(t.text.p, answer) == NULL)
		fail_msg("%s: %s", request, t.text.p);
	sl_buf_clear(&t.text);
}

/* Without a thread a store changes inside the call; and when the disk fails,
 * what couldn't be changed is as free as before. */
static void
changes_at_once_or_not_at_all(void **state)
{
	struct sl_loop *loop = sl_loop_new(NULL);
	struct sl_store_options o = { .folder = shard };
	struct sl_file_ops files = sl_file_real;
	struct sl_store *s;
	int failing = 0;

	(void)state;
	fill();
	files.arg = &failing;
	files.fdatasync = no_sync;
	o.files = &files;
	assert_int_equal(sl_store_open(&s, loop, &o, NULL), 0);
	command(s, loop, "{\"command\":\"remove\",\"sender\":\"@example.com\"}", "\"messages\":2");
	assert_int_equal(sl_store_count(s), 2);
	failing = -1;
	command(s, loop, "{\"command\":\"remove\",\"all\":true}", "\"code\":\"io\"");
	command(s, loop, "{\"command\":\"release\",\"quarantine\":true,\"all\":true}",
	    "\"code\":\"io\"");
	assert_true(sl_store_seize(s, "b", 0));
	assert_false(sl_store_seize(s, "b", 0));
	assert_true(sl_store_seize(s, "h", 0));
	assert_int_equal(sl_store_get(s, "h")->entries[0].state, SL_ENTRY_HELD);
	sl_store_close(s);
	sl_loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_commands, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lists_what_no_json_can_hold, set_up, tear_down),
		cmocka_unit_test_setup_teardown(shows_the_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(survives_kills, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_list_is_not_in_the_way, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hostile_clients, set_up, tear_down),
		cmocka_unit_test_setup_teardown(changes_at_once_or_not_at_all, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
