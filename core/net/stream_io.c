/* The bytes of a stream: reading, writing and the handshake, in clear and by TLS. See stream_private.h. */
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include "stream_private.h"
#include "tls_private.h"

#define SCRATCH		(64 * 1024)
#define DISCARD		(256 * 1024)	/* read away while lingering */

static _Thread_local char scratch[SCRATCH];

/* The connection is broken in both directions. */
static void
break_off(struct sl_stream *s, const char *what)
{
	struct sl_err err;

	s->dead = true;
	if (errno == ECONNRESET || errno == EPIPE) {
		sl_stream_end(s, SL_ERR_CLOSED, "connection reset by the other side");
		return;
	}
	sl_err_errno(&err, "%s", what);
	sl_stream_end(s, SL_ERR_IO, err.text);
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
		sl_stream_end(s, SL_ERR_CLOSED, "connection closed by the other side");
		return;
	}
	sl_tls_error(&err, "TLS");
	sl_stream_end(s, SL_ERR_IO, err.text);
}

/* Reading */

bool
sl_stream_may_read(const struct sl_stream *s)
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
		sl_stream_end(s, SL_ERR_CLOSED, "connection closed by the other side");
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
			sl_stream_end(s, SL_ERR_CLOSED, "connection closed by the other side");
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

void
sl_stream_do_read(struct sl_stream *s)
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
		sl_stream_end(s, SL_ERR_IO, "out of memory");
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

size_t
sl_stream_to_write(const struct sl_stream *s)
{
	size_t upto = s->clear < s->out.n ? s->clear : s->out.n;

	if (s->dead || s->state == CONNECTING || s->state == HANDSHAKE)
		return 0;
	return upto - s->sent;
}

void
sl_stream_do_write(struct sl_stream *s)
{
	size_t n;
	ssize_t r;

	while ((n = sl_stream_to_write(s)) > 0) {
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

void
sl_stream_handshake(struct sl_stream *s)
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

void
sl_stream_begin_handshake(struct sl_stream *s)
{
	if (s->clear != s->sent)
		return;
	/* Written in clear: all up to here. What was appended since goes encrypted. */
	sl_buf_drop(&s->out, s->sent);
	s->sent = 0;
	s->clear = SIZE_MAX;
	s->state = HANDSHAKE;
	sl_stream_handshake(s);
}
