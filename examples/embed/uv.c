/*
 * Message files through a policy, all at once, in a program that lives in libuv's
 * loop: libuv watches the engine's descriptors and its timer.
 *
 *	cc uv.c $(pkg-config --cflags --libs sluice libuv) -o uv
 *	uv POLICY SENDER RECIPIENT FILE...	# writes FILE.out for what is delivered
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <uv.h>

#include <sluice.h>

struct job {
	const char *file;
	struct sl_session *session;
	int step;
};

static struct sl_engine *engine;
static char sender[600], recipient[600];
static uv_poll_t polls[1024];	/* by descriptor */
static bool known[1024];
static uv_timer_t timer;
static int left;

static void
on_ready(uv_poll_t *handle, int status, int events)
{
	(void)handle, (void)status, (void)events;
	sl_engine_dispatch(engine);
}

static void
on_time(uv_timer_t *handle)
{
	(void)handle;
	sl_engine_dispatch(engine);
}

static void
watch(void *arg, int fd, unsigned events)
{
	if (!known[fd])
		uv_poll_init(arg, &polls[fd], fd);
	known[fd] = true;
	uv_poll_start(&polls[fd], ((events & SL_WATCH_READ) ? UV_READABLE : 0) |
	    ((events & SL_WATCH_WRITE) ? UV_WRITABLE : 0), on_ready);	/* 0 stops */
}

static void
set_timer(void *arg, int64_t ms)
{
	(void)arg;
	uv_timer_stop(&timer);
	if (ms >= 0)
		uv_timer_start(&timer, on_time, (uint64_t)ms, 0);
}

static void next(struct job *job);

static void
finish(struct job *job, int code)
{
	printf("%s: %d\n", job->file, code);
	sl_session_close(job->session);
	if (--left == 0)
		uv_stop(uv_default_loop());
}

static void
on_verdict(void *arg, const struct sl_verdict *v)
{
	if (v->code < 300)
		next(arg);
	else
		finish(arg, v->code);
}

static void
on_outcome(void *arg, const struct sl_outcome *outcome)
{
	struct job *job = arg;
	const struct sl_out_message *m = outcome->messages;
	char path[1000];
	FILE *out;
	size_t i;

	snprintf(path, sizeof(path), "%s.out", job->file);
	if (outcome->n > 0 && m->quarantine == NULL && (out = fopen(path, "w")) != NULL) {
		for (i = 0; i < m->npieces; i++)
			fwrite(m->pieces[i].p, 1, m->pieces[i].n, out);
		fclose(out);
	}
	finish(job, outcome->verdict->code);
}

static void
next(struct job *job)
{
	int rc, fd;

	if (job->step == 0) {
		rc = sl_session_mail(job->session, sl_str_of(sender), NULL, on_verdict, job);
	} else if (job->step == 1) {
		rc = sl_session_rcpt(job->session, sl_str_of(recipient), on_verdict, job);
	} else {
		fd = open(job->file, O_RDONLY);
		rc = sl_session_data_file(job->session, fd, on_outcome, job);
		close(fd);
	}
	job->step++;
	if (rc != 0)
		finish(job, 451);
}

int
main(int argc, char **argv)
{
	struct sl_session_info info = { .server = "inbound", .senderip = "127.0.0.1", .serverip = "" };
	struct sl_engine_options options = { .arg = uv_default_loop(), .watch = watch, .timer = set_timer };
	struct job *jobs = calloc((size_t)argc, sizeof(*jobs));
	int i;

	uv_timer_init(uv_default_loop(), &timer);
	engine = sl_engine_new(&options, NULL);
	if (argc < 5 || jobs == NULL || engine == NULL || sl_engine_load(engine, argv[1], NULL, NULL) != 0)
		return 1;
	snprintf(sender, sizeof(sender), "<%s>", argv[2]);
	snprintf(recipient, sizeof(recipient), "<%s>", argv[3]);
	left = argc - 4;
	for (i = 0; i < argc - 4; i++) {
		jobs[i].file = argv[i + 4];
		if (sl_session_open(engine, &info, &jobs[i].session, NULL) != 0)
			return 1;
		next(&jobs[i]);
	}
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	sl_engine_free(engine);
	free(jobs);
	return 0;
}
