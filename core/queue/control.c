#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../net/stream.h"
#include "command.h"

#define NAME		"control"
#define MAX_CLIENTS	16
#define MAX_LINE	4096
#define MAX_PENDING	(256 * 1024)	/* output of a client; beyond, its command waits */
#define SILENT_MS	30000
#define ACCEPT_MS	1000		/* after accept failed: no descriptors, say */
#define LINGER_MS	5000

struct sl_queue_control {
	struct sl_loop *loop;
	struct sl_store *store;
	struct sl_delivery *delivery;
	struct sl_events *events;
	const struct sl_control_command *other;	/* NULL = none */
	int fd, folder;
	struct sl_watch watch;
	struct sl_timer again;
	struct sl_list clients;
	size_t nclients;
};

struct client {
	struct sl_list link;
	struct sl_queue_control *control;
	struct sl_stream *stream;	/* NULL = gone, its command ends */
	struct sl_queue_run *run;	/* NULL = between commands */
	void *other;			/* a run of control->other */
};

/* ---- clients ------------------------------------------------------------------- */

static void	 listen_on(struct sl_timer *timer);

static void
end_other(struct client *c)
{
	if (c->other != NULL)
		c->control->other->end(c->other);
	c->other = NULL;
}

static void
client_free(struct client *c)
{
	struct sl_queue_control *control = c->control;

	sl_list_remove(&c->link);
	end_other(c);
	sl_queue_run_free(c->run);
	sl_stream_close(c->stream);
	sl_free(c);
	if (control->nclients-- == MAX_CLIENTS)
		listen_on(&control->again);
}

/* A command that is changing something isn't cut off in its middle. */
static void
client_gone(struct client *c)
{
	sl_stream_close(c->stream);
	c->stream = NULL;
	if (c->run != NULL)
		sl_queue_run_stop(c->run);
	else
		client_free(c);
}

static int
put(void *arg, const void *p, size_t n)
{
	struct client *c = arg;

	return c->stream != NULL ? sl_stream_write(c->stream, p, n) : 0;
}

static bool
full(void *arg)
{
	struct client *c = arg;

	return c->stream != NULL && sl_stream_pending(c->stream) >= MAX_PENDING;
}

static void	 next_request(struct client *c);

static void
done(void *arg, int rc)
{
	struct client *c = arg;

	end_other(c);
	sl_queue_run_free(c->run);
	c->run = NULL;
	if (c->stream == NULL || rc != 0) {
		client_free(c);
		return;
	}
	sl_stream_pause(c->stream, false);
	next_request(c);
}

static bool
is_other(const struct sl_queue_control *control, struct sl_str line)
{
	json_t *request = control->other != NULL ? json_loadb(line.p, line.n, 0, NULL) : NULL;
	const char *name = json_string_value(json_object_get(request, "command"));
	bool is = name != NULL && strcmp(name, control->other->name) == 0;

	json_decref(request);
	return is;
}

static void
begin(struct client *c, struct sl_str line)
{
	struct sl_queue_control *control = c->control;
	const struct sl_queue_output out = { put, full, done, c };

	if (is_other(control, line)) {
		c->other = control->other->begin(control->other->arg, line, &out);
	} else {
		c->run = sl_queue_run_new(control->loop, control->store, control->delivery,
		    control->events, line, &out);
		sl_stream_pause(c->stream, c->run != NULL);
	}
	if (c->run == NULL && c->other == NULL)
		client_gone(c);
	else
		sl_buf_drop(sl_stream_in(c->stream), line.n + 1);
}

static void
next_request(struct client *c)
{
	struct sl_buf *in = sl_stream_in(c->stream);
	struct sl_str line = sl_buf_str(in);
	ssize_t end = sl_str_chr(line, '\n');

	if (end > MAX_LINE || (end < 0 && line.n > MAX_LINE)) {
		sl_stream_printf(c->stream, "{\"status\":\"error\",\"code\":\"syntax\","
		    "\"text\":\"the request is too long\"}\n");
		sl_stream_finish(c->stream, LINGER_MS);
		c->stream = NULL;
		client_free(c);
	} else if (end >= 0) {
		begin(c, sl_str_sub(line, 0, (size_t)end));
	}
}

/* Each line may end the run, or the client. */
static void
feed_other(struct client *c)
{
	struct sl_buf *in = sl_stream_in(c->stream), line = SL_BUF_INIT;
	ssize_t end;

	while (c->other != NULL && (end = sl_str_chr(sl_buf_str(in), '\n')) >= 0) {
		sl_buf_reset(&line);
		sl_buf_put(&line, in->p, (size_t)end);
		sl_buf_drop(in, (size_t)end + 1);
		c->control->other->line(c->other, sl_buf_str(&line));
	}
	sl_buf_clear(&line);
}

static void
on_read(struct sl_stream *s, void *arg)
{
	struct client *c = arg;

	(void)s;
	if (c->other != NULL)
		feed_other(c);
	else if (c->run == NULL)
		next_request(c);
}

static void
on_drain(struct sl_stream *s, void *arg)
{
	struct client *c = arg;

	(void)s;
	if (c->other != NULL)
		c->control->other->resume(c->other);
	else if (c->run != NULL)
		sl_queue_run_resume(c->run);
}

static void
on_end(struct sl_stream *s, void *arg, const struct sl_err *err)
{
	(void)s;
	(void)err;
	client_gone(arg);
}

static const struct sl_stream_handler handler = {
	.on_read = on_read, .on_drain = on_drain, .on_end = on_end,
};

static void
client_new(struct sl_queue_control *control, int fd)
{
	struct client *c = sl_calloc(1, sizeof(*c));

	if (c == NULL) {
		close(fd);
		return;
	}
	c->control = control;
	c->stream = sl_stream_accept(control->loop, fd, &handler, c, NULL);
	if (c->stream == NULL) {
		sl_free(c);
		return;
	}
	sl_stream_timeout(c->stream, SILENT_MS);
	sl_stream_read_limit(c->stream, 2 * MAX_LINE);
	sl_list_insert(&control->clients, &c->link);
	control->nclients++;
}

/* ---- listening ------------------------------------------------------------------- */

static void
incoming(struct sl_watch *watch, unsigned events)
{
	struct sl_queue_control *control = sl_list_entry(watch, struct sl_queue_control, watch);
	int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd >= 0) {
		client_new(control, fd);
		if (control->nclients >= MAX_CLIENTS)
			sl_watch_stop(watch);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		sl_event(control->events, SL_WARNING, "control_accept_failed", SL_FIELDS(
		    SL_F_TEXT("error", strerror(errno))));
		sl_watch_stop(watch);
		sl_timer_start(control->loop, &control->again, ACCEPT_MS, listen_on);
	}
}

static void
listen_on(struct sl_timer *timer)
{
	struct sl_queue_control *control = sl_list_entry(timer, struct sl_queue_control, again);

	if (control->nclients < MAX_CLIENTS && sl_watch_start(control->loop, &control->watch,
	    control->fd, SL_READ, incoming) < 0)
		sl_timer_start(control->loop, timer, ACCEPT_MS, listen_on);
}

/* By way of the folder's descriptor when its path is too long for a socket's. */
static int
address(const char *folder, int folder_fd, struct sockaddr_un *out)
{
	int n;

	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	n = snprintf(out->sun_path, sizeof(out->sun_path), "%s/" NAME, folder);
	if (n >= 0 && (size_t)n < sizeof(out->sun_path))
		return 0;
	n = snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/" NAME, folder_fd);
	return n > 0 && (size_t)n < sizeof(out->sun_path) ? 0 : SL_ERR_LIMIT;
}

static int
make_socket(struct sl_queue_control *control, const char *folder)
{
	struct sockaddr_un name;

	control->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (control->folder < 0 || control->fd < 0 || address(folder, control->folder, &name) != 0)
		return SL_ERR_IO;
	if (unlinkat(control->folder, NAME, 0) != 0 && errno != ENOENT)
		return SL_ERR_IO;
	/* The mode of the name is that of the descriptor when it is bound. */
	if (fchmod(control->fd, 0600) != 0 ||
	    bind(control->fd, (const struct sockaddr *)&name, sizeof(name)) != 0 ||
	    listen(control->fd, MAX_CLIENTS) != 0)
		return SL_ERR_IO;
	return sl_watch_start(control->loop, &control->watch, control->fd, SL_READ, incoming);
}

int
sl_queue_control_open(struct sl_queue_control **out, struct sl_loop *loop, const char *folder,
    struct sl_store *store, struct sl_delivery *delivery, struct sl_events *events,
    struct sl_err *err)
{
	struct sl_queue_control *control = sl_calloc(1, sizeof(*control));
	int rc;

	if (control == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	control->loop = loop;
	control->store = store;
	control->delivery = delivery;
	control->events = events;
	control->fd = control->folder = -1;
	sl_list_init(&control->clients);
	if (make_socket(control, folder) != 0) {
		rc = sl_err_errno(err, "%s/" NAME, folder);
		sl_queue_control_close(control);
		return rc;
	}
	*out = control;
	return 0;
}

void
sl_queue_control_add(struct sl_queue_control *control, const struct sl_control_command *command)
{
	control->other = command;
}

void
sl_queue_control_close(struct sl_queue_control *control)
{
	if (control == NULL)
		return;
	while (!sl_list_empty(&control->clients))
		client_free(sl_list_entry(control->clients.next, struct client, link));
	sl_watch_stop(&control->watch);
	sl_timer_stop(&control->again);
	if (control->fd >= 0) {
		close(control->fd);
		unlinkat(control->folder, NAME, 0);
	}
	if (control->folder >= 0)
		close(control->folder);
	sl_free(control);
}

/* ---- the other end ----------------------------------------------------------------- */

int
sl_queue_control_connect(const char *folder, int timeout_ms, struct sl_err *err)
{
	struct timeval limit = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	struct sockaddr_un name;
	int folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc = 0;

	if (folder_fd < 0 || fd < 0 || address(folder, folder_fd, &name) != 0)
		rc = sl_err_errno(err, "%s/" NAME, folder);
	else if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0)
		rc = sl_err_errno(err, "%s/" NAME, folder);
	else if (connect(fd, (const struct sockaddr *)&name, sizeof(name)) != 0) {
		rc = errno == ENOENT || errno == ECONNREFUSED ? SL_ERR_NOTFOUND : SL_ERR_IO;
		sl_err_errno(err, "%s/" NAME, folder);
	}
	if (folder_fd >= 0)
		close(folder_fd);
	if (rc != 0 && fd >= 0)
		close(fd);
	return rc != 0 ? rc : fd;
}
