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
#include "tls_private.h"

#define SCRATCH		(64 * 1024)
#define KEEP		512		/* an empty buffer that may stay */
#define DISCARD		(256 * 1024)	/* read away while lingering */

enum state {
	CONNECTING,
	OPEN,
	HANDSHAKE,
	LINGER,		/* finish: output is with the kernel, waiting for the peer's end */
};

struct sl_stream {
	struct sl_loop *loop;
	const struct sl_stream_handler *handler;
	void *arg;
	int fd;
	enum state state;
	struct sl_watch watch;
	struct sl_timer timer, linger;
	struct sl_task task;
	struct sl_orphan orphan;
	struct sl_buf in, out;
	size_t sent;			/* of out */
	size_t clear;			/* of out: to go out before TLS starts; SIZE_MAX = no TLS wanted */
	size_t read_limit;
	size_t discarded;
	int64_t timeout_ms, moved;	/* moved: when the last byte did */
	SSL *ssl;
	bool tls;			/* handshake done */
	bool paused, limited;		/* limited: reading stopped for read_limit */
	bool read_wants_write, write_wants_read;
	bool again;			/* decrypted bytes wait inside OpenSSL */
	bool wrote;			/* on_drain is owed */
	bool prompt_ack;
	bool eof, dead, closed, finishing;
	struct sl_addr peer, local;
};

static _Thread_local char scratch[SCRATCH];

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
static void
end(struct sl_stream *s, int code, const char *text)
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

/* The connection is broken in both directions. */
static void
break_off(struct sl_stream *s, const char *what)
{
	struct sl_err err;

	s->dead = true;
	if (errno == ECONNRESET || errno == EPIPE) {
		end(s, SL_ERR_CLOSED, "connection reset by the other side");
		return;
	}
	sl_err_errno(&err, "%s", what);
	end(s, SL_ERR_IO, err.text);
}

static void
break_off_tls(struct sl_stream *s)
{
	unsigned long e = ERR_peek_error();
	struct sl_err err;

	s->dead = true;
	/* An end without close_notify, or a reset. */
	if (e == 0 || ERR_GET_REASON(e) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		ERR_clear_error();
		end(s, SL_ERR_CLOSED, "connection closed by the other side");
		return;
	}
	sl_tls_error(&err, "TLS");
	end(s, SL_ERR_IO, err.text);
}

/* Reading */

static bool
may_read(const struct sl_stream *s)
{
	if (s->dead || s->eof || s->state == CONNECTING)
		return false;
	if (s->state == LINGER)
		return true;
	return s->state == OPEN && s->clear == SIZE_MAX && !s->paused &&
	    (s->finishing || s->in.n < s->read_limit);
}

/* Up to 'room' bytes into scratch: their number, 0 = none now or the stream ended. */
static size_t
receive(struct sl_stream *s, size_t room)
{
	ssize_t n;

	do
		n = recv(s->fd, scratch, room, 0);
	while (n < 0 && errno == EINTR);
	if (n > 0 && s->prompt_ack)		/* not permanent: each time anew */
		setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &(int){ 1 }, sizeof(int));
	if (n > 0)
		return (size_t)n;
	if (n == 0)
		end(s, SL_ERR_CLOSED, "connection closed by the other side");
	else if (errno != EAGAIN)
		break_off(s, "read");
	return 0;
}

static size_t
receive_tls(struct sl_stream *s, size_t room)
{
	size_t total = 0;
	int n = 1;

	ERR_clear_error();
	s->read_wants_write = false;
	while (total < room && n > 0) {
		n = SSL_read(s->ssl, scratch + total, (int)(room - total));
		if (n > 0)
			total += (size_t)n;
	}
	if (n > 0) {
		s->again = true;
		return total;
	}
	s->again = false;
	/* The ends are seen again by the next SSL_read, after what was read is told. */
	switch (SSL_get_error(s->ssl, n)) {
	case SSL_ERROR_WANT_READ:
		break;
	case SSL_ERROR_WANT_WRITE:
		s->read_wants_write = true;
		break;
	case SSL_ERROR_ZERO_RETURN:
		if (total == 0)
			end(s, SL_ERR_CLOSED, "connection closed by the other side");
		else
			s->again = true;
		break;
	default:
		if (total == 0)
			break_off_tls(s);
		else
			s->again = true;
	}
	return total;
}

static void
do_read(struct sl_stream *s)
{
	size_t room = SCRATCH, n;

	if (!s->finishing && s->read_limit - s->in.n < room)
		room = s->read_limit - s->in.n;
	n = s->tls && s->state != LINGER ? receive_tls(s, room) : receive(s, room);
	if (n == 0 || s->closed)
		return;
	s->moved = sl_loop_now(s->loop);
	if (s->finishing) {
		s->discarded += n;
		if (s->discarded > DISCARD)
			sl_stream_close(s);
		return;
	}
	if (sl_buf_put(&s->in, scratch, n) < 0) {
		end(s, SL_ERR_IO, "out of memory");
		return;
	}
	s->handler->on_read(s, s->arg);
}

/* Writing */

static ssize_t
transmit(struct sl_stream *s, size_t n)
{
	ssize_t r;

	do
		r = send(s->fd, s->out.p + s->sent, n, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	if (r < 0 && errno != EAGAIN)
		break_off(s, "write");
	return r;
}

static ssize_t
transmit_tls(struct sl_stream *s, size_t n)
{
	int r;

	ERR_clear_error();
	s->write_wants_read = false;
	r = SSL_write(s->ssl, s->out.p + s->sent, n < INT32_MAX ? (int)n : INT32_MAX);
	if (r > 0)
		return r;
	switch (SSL_get_error(s->ssl, r)) {
	case SSL_ERROR_WANT_WRITE:
		break;
	case SSL_ERROR_WANT_READ:
		s->write_wants_read = true;
		break;
	default:
		break_off_tls(s);
	}
	return -1;
}

static size_t
to_write(const struct sl_stream *s)
{
	size_t upto = s->clear < s->out.n ? s->clear : s->out.n;

	if (s->dead || s->state == CONNECTING || s->state == HANDSHAKE)
		return 0;
	return upto - s->sent;
}

static void
do_write(struct sl_stream *s)
{
	size_t n;
	ssize_t r;

	while ((n = to_write(s)) > 0) {
		r = s->tls ? transmit_tls(s, n) : transmit(s, n);
		if (r <= 0 || s->closed)
			return;
		s->sent += (size_t)r;
		s->wrote = true;
		s->moved = sl_loop_now(s->loop);
	}
	if (s->sent > 0 && s->sent == s->out.n) {
		s->sent = 0;
		if (s->out.cap > KEEP)
			sl_buf_clear(&s->out);
		else
			sl_buf_reset(&s->out);
		if (s->clear != SIZE_MAX)
			s->clear = 0;
	}
}

/* TLS */

static void
handshake(struct sl_stream *s)
{
	struct sl_err none = { 0 };
	int r;

	ERR_clear_error();
	s->read_wants_write = false;
	r = SSL_do_handshake(s->ssl);
	if (r == 1) {
		s->state = OPEN;
		s->tls = true;
		s->moved = sl_loop_now(s->loop);
		/* Application bytes may have come with the last flight. */
		s->again = true;
		if (!s->finishing && s->handler->on_tls != NULL)
			s->handler->on_tls(s, s->arg, &none);
		return;
	}
	switch (SSL_get_error(s->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return;
	case SSL_ERROR_WANT_WRITE:
		s->read_wants_write = true;
		return;
	default:
		break_off_tls(s);
	}
}

static void
begin_handshake(struct sl_stream *s)
{
	if (s->clear != s->sent)
		return;
	/* Written in clear: all up to here. What was appended since goes encrypted. */
	sl_buf_drop(&s->out, s->sent);
	s->sent = 0;
	s->clear = SIZE_MAX;
	s->state = HANDSHAKE;
	handshake(s);
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
	if (may_read(s) || s->write_wants_read)
		events |= SL_READ;
	if ((to_write(s) > 0 && !s->write_wants_read) || s->read_wants_write)
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
		end(s, SL_ERR_IO, "epoll");
	if (!s->closed && s->again && may_read(s))
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
	if (to_write(s) > 0)
		do_write(s);
	if (!s->closed && !s->dead && s->clear != SIZE_MAX && s->state == OPEN)
		begin_handshake(s);
	if (!s->closed && s->finishing)
		finish_step(s);
	if (!s->closed)
		update_watch(s);
}

static void
on_task(struct sl_task *task)
{
	struct sl_stream *s = sl_list_entry(task, struct sl_stream, task);

	if (s->again && may_read(s))
		do_read(s);
	if (s->closed)
		return;
	pump(s);
	if (!s->closed)
		drained(s);
	if (!s->closed)
		shrink(s);
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
		end(s, SL_ERR_IO, err.text);
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
		handshake(s);
	else if ((events & (SL_READ | SL_HANGUP) || s->read_wants_write) && may_read(s))
		do_read(s);
	else if (events & SL_HANGUP) {
		s->dead = true;
		end(s, SL_ERR_CLOSED, "connection reset by the other side");
	}
	if (s->closed)
		return;
	pump(s);
	if (!s->closed)
		drained(s);
	if (!s->closed)
		shrink(s);
}

static void
on_timer(struct sl_timer *timer)
{
	struct sl_stream *s = sl_list_entry(timer, struct sl_stream, timer);
	int64_t left = s->moved + s->timeout_ms - sl_loop_now(s->loop);

	if (left > 0 && sl_timer_start(s->loop, &s->timer, left, on_timer) == 0)
		return;
	end(s, SL_ERR_TIMEOUT, s->state == CONNECTING ? "connect: timed out" : "timed out");
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
