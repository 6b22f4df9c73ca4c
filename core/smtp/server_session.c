/* One connection: its input and replies, its deadlines, its beginning and end. */
#include "server_private.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server_reply.h"

#define BUDGET		64		/* commands in a row, then others have their turn */
#define MAX_SKIPPED	(64 * 1024)	/* of a line without end */
#define LINGER_MS	2000

static void	 on_deadline(struct sl_timer *timer);
static void	 process(struct sl_smtp_session *s);

static bool
wants_input(const struct sl_smtp_session *s)
{
	return s->mode == SL_MODE_COMMAND || s->mode == SL_MODE_AUTH || s->mode == SL_MODE_DATA;
}

bool
sl_smtp_has_input(struct sl_smtp_session *s)
{
	return s->stream != NULL && sl_stream_in(s->stream)->n > s->off;
}

bool
sl_smtp_between_transactions(const struct sl_smtp_session *s)
{
	return s->state == SL_SMTP_START || s->state == SL_SMTP_READY;
}

/* Deadlines */

void
sl_smtp_session_await(struct sl_smtp_session *s, enum sl_smtp_mode mode)
{
	const struct sl_smtp_service_options *o = &s->service->o;
	int64_t ms = mode == SL_MODE_TLS ? o->tls_ms : o->timeout_ms;

	if (s->mode == SL_MODE_ENDED)
		return;
	s->mode = mode;
	if (mode == SL_MODE_DATA && o->message_ms < ms)
		ms = o->message_ms;
	if (sl_timer_start(s->server->o.loop, &s->timer, ms, on_deadline) < 0)
		sl_smtp_session_end(s);
}

void
sl_smtp_session_work(struct sl_smtp_session *s, enum sl_smtp_mode mode)
{
	if (s->mode == SL_MODE_ENDED)
		return;
	s->mode = mode;
	sl_timer_stop(&s->timer);
}

/* Data has two: for the next piece, and for all of it. */
static bool
data_has_time(struct sl_smtp_session *s)
{
	const struct sl_smtp_service_options *o = &s->service->o;
	int64_t now = sl_loop_now(s->server->o.loop);
	int64_t piece = s->input_at + o->timeout_ms - now;
	int64_t whole = s->data_since + o->message_ms - now;
	int64_t left = piece < whole ? piece : whole;

	return left > 0 && sl_timer_start(s->server->o.loop, &s->timer, left, on_deadline) == 0;
}

static void
on_deadline(struct sl_timer *timer)
{
	struct sl_smtp_session *s = sl_list_entry(timer, struct sl_smtp_session, timer);

	if (s->mode == SL_MODE_DATA && data_has_time(s))
		return;
	s->server->counters.timeouts++;
	sl_event(s->server->o.events, SL_INFO, "smtp_timeout",
	    SL_FIELDS(SL_F_TEXT("session", sl_session_id(s->policy)),
	    SL_F_TEXT("senderip", s->ip)));
	if (s->mode == SL_MODE_TLS)
		sl_smtp_session_end(s);
	else
		sl_smtp_goodbye(s, "4.4.2", "Timed out");
}

/* Replies */

static void
send_reply(struct sl_smtp_session *s, int code, const char *enhanced, const char *const *lines,
    size_t n)
{
	struct sl_buf out = SL_BUF_INIT;

	if (s->stream == NULL)
		return;
	if (sl_smtp_reply_put(&out, code, enhanced, lines, n, s->utf8) < 0 ||
	    sl_stream_write(s->stream, out.p, out.n) < 0)
		s->eof = true;
	sl_buf_clear(&out);
}

void
sl_smtp_reply(struct sl_smtp_session *s, int code, const char *enhanced, const char *text)
{
	send_reply(s, code, enhanced, &text, 1);
}

void
sl_smtp_reply_verdict(struct sl_smtp_session *s, const struct sl_verdict *v, int code,
    const char *enhanced, const char *text)
{
	bool own = v->code >= 200 && v->code <= 599;

	if (own && v->nlines > 0)
		send_reply(s, v->code, v->enhanced, v->lines, v->nlines);
	else
		send_reply(s, own && v->code / 100 != code / 100 ? v->code : code,
		    v->enhanced[0] != '\0' ? v->enhanced : enhanced, &text, 1);
	if (v->disconnect || v->code == 421)
		sl_smtp_session_end(s);
}

void
sl_smtp_goodbye(struct sl_smtp_session *s, const char *enhanced, const char *text)
{
	char line[300];

	snprintf(line, sizeof(line), "%.200s %s", s->service->hostname, text);
	sl_smtp_reply(s, 421, enhanced, line);
	sl_smtp_session_end(s);
}

void
sl_smtp_refuse(struct sl_smtp_session *s, int code, const char *enhanced, const char *text)
{
	s->server->counters.errors++;
	sl_smtp_reply(s, code, enhanced, text);
	if (++s->errors >= s->service->o.errors)
		sl_smtp_goodbye(s, "4.7.0", "Too many errors");
}

/* The end */

static void
free_task(struct sl_task *task)
{
	struct sl_smtp_session *s = sl_list_entry(task, struct sl_smtp_session, task);

	sl_list_remove(&s->link);
	sl_smtp_session_free(s);
}

void
sl_smtp_session_free(struct sl_smtp_session *s)
{
	sl_timer_stop(&s->timer);
	sl_task_cancel(&s->task);
	sl_smtp_service_unref(s->service);
	sl_free(s);
}

/* The connection goes; the session stays while the queue holds its bytes. */
static void
leave(struct sl_smtp_session *s)
{
	sl_timer_stop(&s->timer);
	sl_task_cancel(&s->task);
	if (s->stream != NULL)
		sl_stream_finish(s->stream, LINGER_MS);
	s->stream = NULL;
}

void
sl_smtp_session_end(struct sl_smtp_session *s)
{
	if (s->mode == SL_MODE_ENDED)
		return;
	leave(s);
	if (s->mode == SL_MODE_STORE && s->store != NULL && !s->store->done)
		return;
	s->mode = SL_MODE_ENDED;
	sl_smtp_transaction_reset(s);
	sl_smtp_auth_clear(&s->auth);
	sl_session_close(s->policy);
	s->policy = NULL;
	sl_smtp_server_left(s);
	/* Somebody up the stack may still look at it. */
	sl_task_post(s->server->o.loop, &s->task, free_task);
}

/* Input */

static void
line_error(struct sl_smtp_session *s, const char *text)
{
	sl_smtp_refuse(s, 500, "5.5.2", text);
}

/* A line without CRLF at its end or with a CR or LF inside is none (A02). */
static bool
check_line(struct sl_smtp_session *s, struct sl_str *line)
{
	bool crlf = line->n > 0 && line->p[line->n - 1] == '\r';

	if (crlf)
		line->n--;
	if ((crlf || s->service->o.fix_line_ends) && sl_str_chr(*line, '\r') < 0)
		return true;
	line_error(s, "Lines end with CR LF");
	return false;
}

static void
use_line(struct sl_smtp_session *s, struct sl_str line)
{
	if (s->skipping) {
		s->skipping = false;
		sl_smtp_refuse(s, 500, "5.5.6", "Line too long");
		return;
	}
	if (!check_line(s, &line))
		return;
	if (s->mode == SL_MODE_AUTH)
		sl_smtp_auth_line(s, line);
	else
		sl_smtp_command(s, line);
}

/* The start of a line that has no end yet. */
static void
skip_line(struct sl_smtp_session *s, size_t n)
{
	if (!s->skipping && n <= SL_SMTP_MAX_LINE)
		return;
	s->skipping = true;
	s->skipped += n;
	s->off += n;
	if (s->skipped > MAX_SKIPPED)
		sl_smtp_goodbye(s, "4.7.0", "Line too long");
}

/* False when more input is needed. */
static bool
take(struct sl_smtp_session *s)
{
	struct sl_buf *in = sl_stream_in(s->stream);
	struct sl_str rest = sl_str_sub(sl_buf_str(in), s->off, in->n);
	ssize_t lf;

	if (rest.n == 0)
		return false;
	if (s->mode == SL_MODE_DATA) {
		s->off += sl_smtp_data_take(s, rest.p, rest.n);
		return true;
	}
	lf = sl_str_chr(rest, '\n');
	if (lf < 0) {
		skip_line(s, rest.n);
		return false;
	}
	s->off += (size_t)lf + 1;
	if (lf > SL_SMTP_MAX_LINE)
		s->skipping = true;
	use_line(s, sl_str_sub(rest, 0, (size_t)lf));
	return true;
}

static void
on_task(struct sl_task *task)
{
	process(sl_list_entry(task, struct sl_smtp_session, task));
}

/*
 * Takes what came in, until something must be waited for: the policy, more
 * input, or the client to read its replies.
 */
static void
process(struct sl_smtp_session *s)
{
	int budget = BUDGET;
	bool more = true;

	while (s->stream != NULL && wants_input(s) && more && budget-- > 0 &&
	    sl_stream_pending(s->stream) < MAX_PENDING)
		more = take(s);
	if (s->stream == NULL)
		return;
	sl_buf_drop(sl_stream_in(s->stream), s->off);
	s->off = 0;
	if (budget < 0)
		sl_task_post(s->server->o.loop, &s->task, on_task);
	else if (s->eof && wants_input(s) && !more)
		sl_smtp_session_end(s);
}

void
sl_smtp_session_go_on(struct sl_smtp_session *s)
{
	if (s->mode != SL_MODE_ENDED && s->stream != NULL)
		sl_task_post(s->server->o.loop, &s->task, on_task);
}

/* The stream */

static void
on_read(struct sl_stream *stream, void *arg)
{
	struct sl_smtp_session *s = arg;

	(void)stream;
	s->input_at = sl_loop_now(s->server->o.loop);
	process(s);
}

static void
on_drain(struct sl_stream *stream, void *arg)
{
	(void)stream;
	process(arg);
}

static void
on_end(struct sl_stream *stream, void *arg, const struct sl_err *err)
{
	struct sl_smtp_session *s = arg;

	(void)stream;
	s->eof = true;
	if (err->code != SL_ERR_CLOSED || s->mode == SL_MODE_TLS)
		sl_smtp_session_end(s);
	else
		process(s);	/* what it sent before it left still counts */
}

static void
greet(void *arg, const struct sl_verdict *v)
{
	struct sl_smtp_session *s = arg;
	char line[300];

	if (v->action != SL_ACCEPT) {
		sl_smtp_reply_verdict(s, v, 554, "5.7.1", "Not welcome");
		sl_smtp_session_end(s);
		return;
	}
	/* RFC 5321 3.1: a client waits for the greeting (A03). */
	if (sl_smtp_has_input(s) && !s->service->o.early_talkers) {
		sl_smtp_reply(s, 554, "5.5.1", "You spoke before the greeting");
		sl_smtp_session_end(s);
		return;
	}
	s->greeted = true;
	if (v->nlines > 0 && v->code == 220) {
		sl_smtp_reply_verdict(s, v, 220, "", "");
	} else {
		snprintf(line, sizeof(line), "%.255s ESMTP", s->service->hostname);
		sl_smtp_reply(s, 220, "", line);
	}
	sl_smtp_session_await(s, SL_MODE_COMMAND);
	sl_smtp_session_go_on(s);
}

static int
ask_connect(struct sl_smtp_session *s)
{
	sl_smtp_session_work(s, SL_MODE_POLICY);
	if (sl_session_connect(s->policy, greet, s) == 0)
		return 0;
	sl_smtp_goodbye(s, "4.3.0", "Out of resources");
	return SL_ERR_NOMEM;
}

static void
on_tls(struct sl_stream *stream, void *arg, const struct sl_err *err)
{
	struct sl_smtp_session *s = arg;

	if (err->code != 0) {
		s->server->counters.tls_failed++;
		sl_event(s->server->o.events, SL_INFO, "tls_failed",
		    SL_FIELDS(SL_F_TEXT("session", sl_session_id(s->policy)),
		    SL_F_TEXT("senderip", s->ip), SL_F_TEXT("error", err->text)));
		sl_smtp_session_end(s);
		return;
	}
	s->server->counters.tls++;
	sl_session_tls(s->policy, sl_stream_tls_protocol(stream), sl_stream_tls_cipher(stream),
	    sl_stream_tls_bits(stream));
	if (!s->greeted)
		ask_connect(s);
	else
		sl_smtp_session_await(s, SL_MODE_COMMAND);
}

/* The beginning */

static int
open_policy(struct sl_smtp_session *s, struct sl_err *err)
{
	struct sl_session_info info = {
		.server = s->service->server, .senderip = s->ip, .senderport = s->port,
	};
	char serverip[64];

	info.serverip = sl_addr_ip(sl_stream_local(s->stream), serverip, sizeof(serverip));
	info.serverport = sl_addr_port(sl_stream_local(s->stream));
	if (sl_stream_local(s->stream)->len == 0 ||
	    sl_stream_local(s->stream)->sa.sa_family == AF_UNIX)
		info.serverip = "127.0.0.1";
	return sl_session_open(s->server->o.engine, &info, &s->policy, err);
}

struct sl_smtp_session *
sl_smtp_session_new(struct sl_smtp_server *server, struct sl_smtp_service *service, int fd,
    const struct sl_addr *peer)
{
	static const struct sl_stream_handler handler = {
		.on_read = on_read, .on_drain = on_drain, .on_tls = on_tls, .on_end = on_end,
	};
	struct sl_smtp_session *s = sl_calloc(1, sizeof(*s));
	struct sl_err err = { 0 };

	if (s == NULL) {
		close(fd);
		return NULL;
	}
	s->server = server;
	s->service = service;
	service->refs++;
	s->mode = SL_MODE_POLICY;
	s->state = SL_SMTP_START;
	s->since = sl_loop_now(server->o.loop);
	s->spool.fd = -1;
	sl_list_init(&s->link);
	sl_smtp_peer_ip(peer, s->ip, sizeof(s->ip));
	s->port = sl_addr_port(peer);
	s->stream = sl_stream_accept(server->o.loop, fd, &handler, s, &err);
	if (s->stream != NULL && open_policy(s, &err) == 0)
		return s;
	sl_event(server->o.events, SL_ERROR, "session_failed",
	    SL_FIELDS(SL_F_TEXT("senderip", s->ip), SL_F_TEXT("error", err.text)));
	if (s->stream != NULL && !service->o.tls_implicit)
		sl_smtp_reply(s, 421, "4.3.0", "Service not available");
	if (s->stream != NULL)
		sl_stream_finish(s->stream, LINGER_MS);
	sl_smtp_session_free(s);
	return NULL;
}

int
sl_smtp_session_start(struct sl_smtp_session *s)
{
	const struct sl_smtp_service_options *o = &s->service->o;
	struct sl_err err = { 0 };

	if (!o->tls_implicit)
		return ask_connect(s);
	if (o->tls == NULL || sl_stream_starttls(s->stream, o->tls, true, NULL, &err) < 0) {
		sl_smtp_session_end(s);
		return SL_ERR_INVAL;
	}
	sl_smtp_session_await(s, SL_MODE_TLS);
	return 0;
}
