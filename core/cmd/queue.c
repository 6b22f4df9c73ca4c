/*
 * sluice queue, sluice quarantine: walks the shards of a spool. A shard that a
 * server has is asked over its control socket; of another the lock is taken
 * and the same command runs here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../queue/command.h"
#include "../queue/control.h"
#include "queue_answer.h"
#include "shards.h"

#define PATIENCE_MS	5000		/* for a server's next word, and for a lock */
#define RETRY_US	50000

struct tool {
	struct sl_buf request;
	struct queue_answer answer;
	const char *id;
	bool which;			/* an id, a filter or --all was given */
};

/* ---- one shard ------------------------------------------------------------------ */

static int
put(void *arg, const void *p, size_t n)
{
	return queue_answer_feed(&((struct tool *)arg)->answer, p, n);
}

static bool
never_full(void *arg)
{
	(void)arg;
	return false;
}

static void
done(void *arg, int rc)
{
	struct tool *t = arg;

	t->answer.broken = rc != 0;
	sl_loop_stop(t->answer.loop);
}

static int
run_here(struct tool *t, struct sl_store *store)
{
	struct sl_queue_output out = { put, never_full, done, t };
	struct sl_queue_run *run;
	int rc;

	run = sl_queue_run_new(t->answer.loop, store, NULL, NULL, sl_buf_str(&t->request), &out);
	rc = run != NULL ? sl_loop_run(t->answer.loop) : SL_ERR_NOMEM;
	sl_queue_run_free(run);
	return rc == 0 && !t->answer.broken ? 0 : SL_ERR_IO;
}

/* With a thread the changes of one turn share a sync. */
static int
take_lock(struct tool *t, const char *folder, struct sl_err *err)
{
	struct sl_store_options o = { .folder = folder };
	struct sl_loop *loop = sl_loop_new(err);
	struct sl_thread *thread = loop != NULL ? sl_thread_new(loop, "queue", err) : NULL;
	struct sl_store *store = NULL;
	int rc = thread != NULL ? 0 : SL_ERR_NOMEM;

	o.thread = thread;
	if (rc == 0)
		rc = sl_store_open(&store, loop, &o, err);
	if (rc == 0) {
		t->answer.loop = loop;
		rc = run_here(t, store);
		if (rc != 0)
			sl_err_set(err, rc, "the command was cut off");
	}
	sl_store_close(store);
	if (thread != NULL)
		sl_thread_free(thread);
	sl_loop_free(loop);
	return rc;
}

static int
ask_server(struct tool *t, int fd, struct sl_err *err)
{
	struct sl_str rest = sl_buf_str(&t->request);
	char chunk[65536];
	ssize_t n;

	while (rest.n > 0 && (n = write(fd, rest.p, rest.n)) > 0)
		rest = sl_str_sub(rest, (size_t)n, rest.n);
	if (rest.n > 0)
		return sl_err_errno(err, "the server");
	while (!t->answer.ended) {
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return sl_err_set(err, SL_ERR_TIMEOUT,
			    "the server that has this queue doesn't answer");
		if (n == 0)
			return sl_err_set(err, SL_ERR_CLOSED, "the server broke off");
		if (n < 0)
			return sl_err_errno(err, "the server");
		if (queue_answer_feed(&t->answer, chunk, (size_t)n) != 0)
			return sl_err_set(err, SL_ERR_IO, "the answer can't be written or read");
	}
	return 0;
}

/* A server may be starting or ending: it is asked, or the lock taken, until
 * one of them works. */
static int
do_shard(struct tool *t, const char *folder, struct sl_err *err)
{
	int64_t end = sl_clock_us() + PATIENCE_MS * 1000;
	int fd, rc;

	for (;;) {
		queue_answer_begin(&t->answer);
		fd = sl_queue_control_connect(folder, PATIENCE_MS, err);
		if (fd >= 0) {
			rc = ask_server(t, fd, err);
			close(fd);
			return rc;
		}
		if (fd != SL_ERR_NOTFOUND)
			return fd;
		rc = take_lock(t, folder, err);
		if (rc != SL_ERR_EXISTS || sl_clock_us() > end)
			return rc;
		usleep(RETRY_US);
	}
}

/* ---- all of them ------------------------------------------------------------------- */

/* What root makes in a queue would be closed to the server that has another
 * user: root becomes the queue's owner. */
static int
become_owner(const char *folder)
{
	struct stat st;

	if (stat(folder, &st) != 0)
		return -1;
	if (geteuid() != 0 || st.st_uid == 0)
		return 0;
	return setegid(st.st_gid) != 0 || seteuid(st.st_uid) != 0 ? -1 : 0;
}

/* An id is looked for until it is found; errors of one shard don't keep from the next. */
static int
do_all(struct tool *t, const char *spool)
{
	static uint64_t numbers[CMD_MAX_SHARDS];
	char folder[4096];
	struct sl_err err;
	ssize_t n, i;
	int rc = 0;

	snprintf(folder, sizeof(folder), "%s/queue", spool);
	if (become_owner(folder) != 0 || (n = cmd_find_shards(folder, numbers)) < 0) {
		perror(folder);
		return 1;
	}
	for (i = 0; i < n && !(t->id != NULL && t->answer.found); i++) {
		snprintf(folder, sizeof(folder), "%s/queue/%02llu", spool,
		    (unsigned long long)numbers[i]);
		if (do_shard(t, folder, &err) != 0) {
			fprintf(stderr, "sluice: %s: %s\n", folder, err.text);
			rc = 1;
		}
	}
	return queue_answer_conclude(&t->answer, t->id, rc);
}

/* ---- arguments ----------------------------------------------------------------------- */

static void
put_text(struct sl_buf *b, const char *key, const char *text)
{
	sl_buf_printf(b, ",\"%s\":", key);
	sl_event_put_json(b, sl_str_of(text));
}

/* Options and the id, behind the spool. */
static int
take_arguments(struct tool *t, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			t->answer.json = true;
			continue;
		}
		t->which = true;
		if (strcmp(argv[i], "--all") == 0)
			sl_buf_puts(&t->request, ",\"all\":true");
		else if (strcmp(argv[i], "--sender") == 0 && i + 1 < argc)
			put_text(&t->request, "sender", argv[++i]);
		else if (strcmp(argv[i], "--recipient") == 0 && i + 1 < argc)
			put_text(&t->request, "recipient", argv[++i]);
		else if (argv[i][0] == '-' || t->id != NULL)
			return -1;
		else
			put_text(&t->request, "id", t->id = argv[i]);
	}
	return 0;
}

static bool
asks_for_something(const struct tool *t, const char *verb, const char *due, int argc)
{
	if (strcmp(verb, "list") == 0)
		return t->id == NULL;
	if (strcmp(verb, "show") == 0)
		return t->id != NULL && argc == 4;
	return (strcmp(verb, due) == 0 || strcmp(verb, "remove") == 0) && t->which;
}

static int
run(int argc, char **argv, bool quarantine)
{
	const char *due = quarantine ? "release" : "retry";
	struct tool t = { .request = SL_BUF_INIT };
	int rc;

	if (argc < 3)
		return cmd_usage(argv[0]);
	sl_buf_printf(&t.request, "{\"quarantine\":%s", quarantine ? "true" : "false");
	put_text(&t.request, "command", argv[1]);
	if (take_arguments(&t, argc - 3, argv + 3) != 0 ||
	    !asks_for_something(&t, argv[1], due, argc)) {
		sl_buf_clear(&t.request);
		return cmd_usage(argv[0]);
	}
	sl_buf_puts(&t.request, "}\n");
	queue_answer_open(&t.answer, quarantine, argv[1]);
	rc = t.request.failed ? 1 : do_all(&t, argv[2]);
	queue_answer_clear(&t.answer);
	sl_buf_clear(&t.request);
	return rc;
}

int
cmd_queue(int argc, char **argv)
{
	return run(argc, argv, false);
}

int
cmd_quarantine(int argc, char **argv)
{
	return run(argc, argv, true);
}
