/*
 * Buffered connections. The socket is read into one buffer per thread and
 * what was read is appended to 'in', so that an idle connection holds no
 * buffers. Output is gathered and written from a task, at the end of the
 * turn. All work of a stream is done in pump(), from the loop.
 *
 * A closed stream is freed by a task: whatever callback of it is on the
 * stack still finds its memory, and looks at 'closed' when it comes back.
 */
#include "stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "stream_private.h"
#include "tls_private.h"

static void	 pump(struct sl_stream *s);

/* The end of a stream's life */

static void
free_stream(struct sl_stream *s)
{
	sl_list_remove(&s->orphan.link);
	SSL_free(s->ssl);
	sl_buf_clear(&s->in);
	sl_buf_clear(&s->out);
	sl_free(s);
}

static void
free_task(struct sl_task *task)
{
	free_stream(sl_list_entry(task, struct sl_stream, task));
}

static void
free_orphan(struct sl_orphan *orphan)
{
	struct sl_stream *s = sl_list_entry(orphan, struct sl_stream, orphan);

	if (!s->closed)
		sl_stream_close(s);
	sl_task_cancel(&s->task);
	free_stream(s);
}

void
sl_stream_close(struct sl_stream *s)
{
	if (s == NULL || s->closed)
		return;
	s->closed = true;
	s->dead = true;
	sl_watch_stop(&s->watch);
	sl_timer_stop(&s->timer);
	sl_timer_stop(&s->linger);
	sl_task_cancel(&s->task);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	if (sl_list_empty(&s->orphan.link))
		sl_loop_adopt(s->loop, &s->orphan, free_orphan);
	sl_task_post(s->loop, &s->task, free_task);
}

/* Tells the owner that nothing more comes; the stream stays until it is closed. */
void
sl_stream_end(struct sl_stream *s, int code, const char *text)
{
	struct sl_err err;

	if (s->eof || s->closed)
		return;
	s->eof = true;
	if (code != SL_ERR_CLOSED)
		s->dead = true;
	sl_timer_stop(&s->timer);
	if (s->finishing) {
		if (s->dead || s->state == LINGER)
			sl_stream_close(s);
		return;
	}
	sl_err_set(&err, code, "%s", text);
	if (s->state == CONNECTING && s->handler->on_connect != NULL)
		s->handler->on_connect(s, s->arg, &err);
	else if (s->state == HANDSHAKE && s->handler->on_tls != NULL)
		s->handler->on_tls(s, s->arg, &err);
	else
		s->handler->on_end(s, s->arg, &err);
}

/* Finishing */

static void
finish_step(struct sl_stream *s)
{
	if (s->dead || s->state == CONNECTING) {
		sl_stream_close(s);
		return;
	}
	if (s->state != OPEN || s->out.n > s->sent)
		return;
	if (s->tls) {
		ERR_clear_error();
		SSL_shutdown(s->ssl);
	}
	/* Closing with unread input would reset the connection, and the last reply with it. */
	if (s->eof || shutdown(s->fd, SHUT_WR) < 0) {
		sl_stream_close(s);
		return;
	}
	s->state = LINGER;
}

static void
linger_over(struct sl_timer *timer)
{
	sl_stream_close(sl_list_entry(timer, struct sl_stream, linger));
}

void
sl_stream_finish(struct sl_stream *s, int64_t linger_ms)
{
	if (s == NULL || s->closed)
		return;
	s->finishing = true;
	sl_timer_stop(&s->timer);
	sl_buf_clear(&s->in);
	sl_loop_adopt(s->loop, &s->orphan, free_orphan);
	if (s->dead || sl_timer_start(s->loop, &s->linger, linger_ms, linger_over) < 0) {
		sl_stream_close(s);
		return;
	}
	pump(s);
}

/* The loop's side */

static void	 on_events(struct sl_watch *watch, unsigned events);
static void	 on_task(struct sl_task *task);

static unsigned
wanted(const struct sl_stream *s)
{
	unsigned events = 0;

	if (s->state == CONNECTING)
		return SL_WRITE;
	if (s->state == HANDSHAKE)
		return s->read_wants_write ? SL_WRITE : SL_READ;
	if (sl_stream_may_read(s) || s->write_wants_read)
		events |= SL_READ;
	if ((sl_stream_to_write(s) > 0 && !s->write_wants_read) || s->read_wants_write)
		events |= SL_WRITE;
	return events;
}

static void
update_watch(struct sl_stream *s)
{
	unsigned events;

	if (s->closed)
		return;
	events = s->dead ? 0 : wanted(s);
	s->limited = !s->paused && s->in.n >= s->read_limit;
	/* With nothing wanted only a hang-up would be told, again and again once it is there. */
	if (events == 0 && (s->eof || s->dead))
		sl_watch_stop(&s->watch);
	else if (sl_watch_start(s->loop, &s->watch, s->fd, events, on_events) < 0)
		sl_stream_end(s, SL_ERR_IO, "epoll");
	if (!s->closed && s->again && sl_stream_may_read(s))
		sl_task_post(s->loop, &s->task, on_task);
}

static void
shrink(struct sl_stream *s)
{
	if (s->in.n == 0 && s->in.cap > KEEP)
		sl_buf_clear(&s->in);
}

static void
drained(struct sl_stream *s)
{
	if (!s->wrote || s->out.n > 0 || s->dead || s->finishing)
		return;
	s->wrote = false;
	if (s->handler->on_drain != NULL)
		s->handler->on_drain(s, s->arg);
}

/* Output first: a reply must not wait for the next command. */
static void
pump(struct sl_stream *s)
{
	if (sl_stream_to_write(s) > 0)
		sl_stream_do_write(s);
	if (!s->closed && !s->dead && s->clear != SIZE_MAX && s->state == OPEN)
		sl_stream_begin_handshake(s);
	if (!s->closed && s->finishing)
		finish_step(s);
	if (!s->closed)
		update_watch(s);
}

/* What is to be done after anything that happened. */
static void
turn(struct sl_stream *s)
{
	if (s->closed)
		return;
	pump(s);
	if (!s->closed)
		drained(s);
	if (!s->closed)
		shrink(s);
}

static void
on_task(struct sl_task *task)
{
	struct sl_stream *s = sl_list_entry(task, struct sl_stream, task);

	if (s->again && sl_stream_may_read(s))
		sl_stream_do_read(s);
	turn(s);
}

static void
connected(struct sl_stream *s)
{
	struct sl_err none = { 0 };
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error != 0) {
		struct sl_err err;

		errno = error;
		s->dead = true;
		sl_err_errno(&err, "connect");
		sl_stream_end(s, SL_ERR_IO, err.text);
		return;
	}
	s->state = OPEN;
	s->local.len = sizeof(s->local.storage);
	if (getsockname(s->fd, &s->local.sa, &s->local.len) < 0)
		s->local.len = 0;
	s->moved = sl_loop_now(s->loop);
	if (s->handler->on_connect != NULL)
		s->handler->on_connect(s, s->arg, &none);
}

static void
on_events(struct sl_watch *watch, unsigned events)
{
	struct sl_stream *s = sl_list_entry(watch, struct sl_stream, watch);

	if (s->state == CONNECTING)
		connected(s);
	else if (s->state == HANDSHAKE)
		sl_stream_handshake(s);
	else if ((events & (SL_READ | SL_HANGUP) || s->read_wants_write) && sl_stream_may_read(s))
		sl_stream_do_read(s);
	else if (events & SL_HANGUP) {
		s->dead = true;
		sl_stream_end(s, SL_ERR_CLOSED, "connection reset by the other side");
	}
	turn(s);
}

static void
on_timer(struct sl_timer *timer)
{
	struct sl_stream *s = sl_list_entry(timer, struct sl_stream, timer);
	int64_t left = s->moved + s->timeout_ms - sl_loop_now(s->loop);

	if (left > 0 && sl_timer_start(s->loop, &s->timer, left, on_timer) == 0)
		return;
	sl_stream_end(s, SL_ERR_TIMEOUT, s->state == CONNECTING ? "connect: timed out" : "timed out");
	if (!s->closed)
		update_watch(s);
}

/* Making one */

static struct sl_stream *
stream_new(struct sl_loop *loop, int fd, const struct sl_stream_handler *handler, void *arg,
    struct sl_err *err)
{
	struct sl_stream *s = sl_calloc(1, sizeof(*s));

	if (s == NULL) {
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		close(fd);
		return NULL;
	}
	s->loop = loop;
	s->fd = fd;
	s->handler = handler;
	s->arg = arg;
	s->clear = SIZE_MAX;
	s->read_limit = 64 * 1024;
	s->moved = sl_loop_now(loop);
	sl_list_init(&s->orphan.link);
	return s;
}

static void
no_delay(int fd)
{
	int on = 1;

	/* Output is gathered already. Not a TCP socket: nothing to do. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

struct sl_stream *
sl_stream_accept(struct sl_loop *loop, int fd, const struct sl_stream_handler *handler,
    void *arg, struct sl_err *err)
{
	struct sl_stream *s = stream_new(loop, fd, handler, arg, err);

	if (s == NULL)
		return NULL;
	s->state = OPEN;
	s->peer.len = s->local.len = sizeof(s->peer.storage);
	if (getpeername(fd, &s->peer.sa, &s->peer.len) < 0)
		s->peer.len = 0;
	if (getsockname(fd, &s->local.sa, &s->local.len) < 0)
		s->local.len = 0;
	no_delay(fd);
	if (sl_watch_start(loop, &s->watch, fd, SL_READ, on_events) < 0) {
		sl_err_errno(err, "epoll");
		sl_stream_close(s);
		return NULL;
	}
	return s;
}

struct sl_stream *
sl_stream_connect(struct sl_loop *loop, const struct sl_addr *to, const struct sl_addr *source,
    const struct sl_stream_handler *handler, void *arg, struct sl_err *err)
{
	int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sl_stream *s;

	if (fd < 0) {
		sl_err_errno(err, "socket");
		return NULL;
	}
	s = stream_new(loop, fd, handler, arg, err);
	if (s == NULL)
		return NULL;
	s->state = CONNECTING;
	s->peer = *to;
	no_delay(fd);
	if (source != NULL && bind(fd, &source->sa, source->len) < 0)
		sl_err_errno(err, "bind");
	else if (connect(fd, &to->sa, to->len) < 0 && errno != EINPROGRESS)
		sl_err_errno(err, "connect");
	else if (sl_watch_start(loop, &s->watch, fd, SL_WRITE, on_events) < 0)
		sl_err_errno(err, "epoll");
	else
		return s;
	sl_stream_close(s);
	return NULL;
}

/* The owner's side */

struct sl_buf *
sl_stream_in(struct sl_stream *s)
{
	/* It may be about to consume; look again once it has. */
	if (s->limited && !s->closed)
		sl_task_post(s->loop, &s->task, on_task);
	return &s->in;
}

static int
written(struct sl_stream *s, int r)
{
	if (r == 0 && !s->closed)
		sl_task_post(s->loop, &s->task, on_task);
	return r;
}

int
sl_stream_write(struct sl_stream *s, const void *p, size_t n)
{
	if (s->dead || s->finishing)
		return SL_ERR_CLOSED;
	return written(s, sl_buf_put(&s->out, p, n));
}

int
sl_stream_printf(struct sl_stream *s, const char *fmt, ...)
{
	va_list ap;
	int r;

	if (s->dead || s->finishing)
		return SL_ERR_CLOSED;
	va_start(ap, fmt);
	r = sl_buf_vprintf(&s->out, fmt, ap);
	va_end(ap);
	return written(s, r);
}

void
sl_stream_shutdown(struct sl_stream *s)
{
	if (s->state == OPEN && s->ssl == NULL && !s->dead && s->out.n == s->sent)
		shutdown(s->fd, SHUT_WR);
}

size_t
sl_stream_pending(const struct sl_stream *s)
{
	return s->out.n - s->sent;
}

void
sl_stream_pause(struct sl_stream *s, bool paused)
{
	if (s->paused == paused || s->closed)
		return;
	s->paused = paused;
	/* Later, from the loop: pausing for the length of one callback costs nothing. */
	sl_task_post(s->loop, &s->task, on_task);
}

void
sl_stream_read_limit(struct sl_stream *s, size_t limit)
{
	s->read_limit = limit;
	if (!s->closed)
		sl_task_post(s->loop, &s->task, on_task);
}

void
sl_stream_prompt_ack(struct sl_stream *s)
{
	s->prompt_ack = s->local.sa.sa_family == AF_INET || s->local.sa.sa_family == AF_INET6;
}

void
sl_stream_timeout(struct sl_stream *s, int64_t ms)
{
	if (s->closed)
		return;
	s->timeout_ms = ms;
	s->moved = sl_loop_now(s->loop);
	if (ms <= 0)
		sl_timer_stop(&s->timer);
	else if (s->timer.loop == NULL || s->timer.at > s->moved + ms)
		sl_timer_start(s->loop, &s->timer, ms, on_timer);
}

int
sl_stream_starttls(struct sl_stream *s, struct sl_tls *tls, bool server,
    const char *server_name, struct sl_err *err)
{
	if (s->dead || s->eof || s->ssl != NULL || s->state != OPEN)
		return sl_err_set(err, SL_ERR_INVAL, "TLS can't be started now");
	s->ssl = sl_tls_connection(tls, s->fd, server, server_name, err);
	if (s->ssl == NULL)
		return err != NULL ? err->code : SL_ERR_IO;
	sl_buf_reset(&s->in);
	s->clear = s->out.n;
	sl_task_post(s->loop, &s->task, on_task);
	return 0;
}

bool
sl_stream_tls(const struct sl_stream *s)
{
	return s->tls;
}

const char *
sl_stream_tls_protocol(const struct sl_stream *s)
{
	return s->tls ? SSL_get_version(s->ssl) : NULL;
}

const char *
sl_stream_tls_cipher(const struct sl_stream *s)
{
	return s->tls ? SSL_get_cipher_name(s->ssl) : NULL;
}

int
sl_stream_tls_bits(const struct sl_stream *s)
{
	return s->tls ? SSL_get_cipher_bits(s->ssl, NULL) : 0;
}

const struct sl_addr *
sl_stream_peer(const struct sl_stream *s)
{
	return &s->peer;
}

const struct sl_addr *
sl_stream_local(const struct sl_stream *s)
{
	return &s->local;
}
