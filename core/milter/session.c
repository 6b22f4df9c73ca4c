/* One connection of a mail server: its packets and our replies, its beginning and end. */
#include "server_private.h"

#include <unistd.h>

#define BUDGET		256		/* packets in a row, then others have their turn */
#define MAX_PENDING	(256 * 1024)	/* replies not taken: no more packets */
#define READ_LIMIT	(64 * 1024)
#define LINGER_MS	2000

static void	 process(struct sl_milter_session *s);

/* Replies */

void
sl_milter_send(struct sl_milter_session *s, struct sl_buf *packets)
{
	if (s->stream != NULL && (packets->failed ||
	    sl_stream_write(s->stream, packets->p, packets->n) < 0))
		s->leaving = true;	/* half an answer is none */
	sl_buf_clear(packets);
	if (s->leaving)
		sl_milter_session_end(s);
}

void
sl_milter_reply(struct sl_milter_session *s, enum sl_milter_reply reply)
{
	struct sl_buf out = SL_BUF_INIT;

	sl_milter_put(&out, reply);
	sl_milter_send(s, &out);
}

void
sl_milter_reply_text(struct sl_milter_session *s, int code, const char *enhanced, const char *text)
{
	struct sl_buf out = SL_BUF_INIT;

	sl_milter_put_reply(&out, code, enhanced, &text, 1);
	sl_milter_send(s, &out);
}

void
sl_milter_reply_verdict(struct sl_milter_session *s, const struct sl_verdict *v)
{
	struct sl_buf out = SL_BUF_INIT;

	if (v->action != SL_REJECT && v->action != SL_DEFER)
		sl_milter_put(&out, SL_MILTER_CONTINUE);
	else if (v->code >= 400 && v->code <= 599)
		sl_milter_put_reply(&out, v->code, v->enhanced, v->lines, v->nlines);
	else
		sl_milter_put(&out, v->action == SL_REJECT ? SL_MILTER_REJECT : SL_MILTER_TEMPFAIL);
	sl_milter_send(s, &out);
}

/* The end */

void
sl_milter_session_free(struct sl_milter_session *s)
{
	sl_task_cancel(&s->task);
	sl_milter_service_unref(s->service);
	sl_milter_macros_clear(&s->macros);
	sl_buf_clear(&s->field);
	sl_free(s->paths);
	sl_free(s);
}

static void
free_task(struct sl_task *task)
{
	struct sl_milter_session *s = sl_list_entry(task, struct sl_milter_session, task);

	sl_list_remove(&s->link);
	sl_milter_session_free(s);
}

void
sl_milter_session_end(struct sl_milter_session *s)
{
	if (s->stream == NULL)
		return;
	sl_stream_finish(s->stream, LINGER_MS);
	s->stream = NULL;
	sl_task_cancel(&s->task);
	sl_milter_transaction_reset(s);
	sl_session_close(s->policy);
	s->policy = NULL;
	sl_milter_server_left(s);
	/* Somebody up the stack may still look at it. */
	sl_task_post(s->server->o.loop, &s->task, free_task);
}

/* Packets */

static void
protocol_error(struct sl_milter_session *s, const struct sl_err *err)
{
	s->server->counters.errors++;
	sl_event(s->server->o.events, SL_WARNING, "milter_error", SL_FIELDS(
	    SL_F_TEXT("session", s->policy != NULL ? sl_session_id(s->policy) : ""),
	    SL_F_TEXT("error", err->text)));
	sl_milter_session_end(s);
}

/* 1: took one; 0: more input is needed; negative: the connection ends. */
static int
take(struct sl_milter_session *s, size_t *off, struct sl_err *err)
{
	struct sl_str in = sl_buf_str(sl_stream_in(s->stream));
	struct sl_milter_packet packet;
	size_t used;
	int r = sl_milter_packet_take(sl_str_sub(in, *off, in.n), &packet, &used, err);

	if (r == 1) {
		*off += used;
		r = sl_milter_step(s, &packet, err);
		return r < 0 ? r : 1;
	}
	/* A long one must fit. */
	used = used > READ_LIMIT ? used : READ_LIMIT;
	if (r == 0 && used != s->read_limit)
		sl_stream_read_limit(s->stream, s->read_limit = used);
	return r;
}

static void
on_task(struct sl_task *task)
{
	process(sl_list_entry(task, struct sl_milter_session, task));
}

bool
sl_milter_session_is_over(const struct sl_milter_session *s)
{
	return s->server->draining && s->state <= SL_MILTER_CONNECTED && !s->waiting;
}

/* Takes what came in, until the policy must be waited for, or more input. */
static void
process(struct sl_milter_session *s)
{
	int budget = BUDGET, r = 1;
	struct sl_err err;
	size_t off = 0;

	while (s->stream != NULL && !s->waiting && r == 1 && !sl_milter_session_is_over(s) &&
	    budget-- > 0 && sl_stream_pending(s->stream) < MAX_PENDING)
		r = take(s, &off, &err);
	if (s->stream == NULL)
		return;
	if (r < 0) {
		protocol_error(s, &err);
		return;
	}
	if (sl_milter_session_is_over(s)) {
		sl_milter_session_end(s);
		return;
	}
	sl_buf_drop(sl_stream_in(s->stream), off);
	if (budget < 0)
		sl_task_post(s->server->o.loop, &s->task, on_task);
}

void
sl_milter_session_go_on(struct sl_milter_session *s)
{
	if (s->stream != NULL)
		sl_task_post(s->server->o.loop, &s->task, on_task);
}

/* The stream */

static void
on_read(struct sl_stream *stream, void *arg)
{
	(void)stream;
	process(arg);
}

static void
on_drain(struct sl_stream *stream, void *arg)
{
	(void)stream;
	process(arg);
}

/* Nobody is there to hear an answer: a script under way is dropped. */
static void
on_end(struct sl_stream *stream, void *arg, const struct sl_err *err)
{
	struct sl_milter_session *s = arg;

	(void)stream;
	if (err->code == SL_ERR_TIMEOUT) {
		s->server->counters.timeouts++;
		sl_event(s->server->o.events, SL_INFO, "milter_timeout", SL_FIELDS(
		    SL_F_TEXT("session", s->policy != NULL ? sl_session_id(s->policy) : "")));
	}
	sl_milter_session_end(s);
}

/* The beginning */

struct sl_milter_session *
sl_milter_session_new(struct sl_milter_server *server, struct sl_milter_service *service, int fd)
{
	static const struct sl_stream_handler handler = {
		.on_read = on_read, .on_drain = on_drain, .on_end = on_end,
	};
	struct sl_milter_session *s = sl_calloc(1, sizeof(*s));
	struct sl_err err = { 0 };

	if (s == NULL) {
		close(fd);
		return NULL;
	}
	s->server = server;
	s->service = service;
	service->refs++;
	s->state = SL_MILTER_NEW;
	s->spool.fd = -1;
	s->read_limit = READ_LIMIT;
	sl_list_init(&s->link);
	s->stream = sl_stream_accept(server->o.loop, fd, &handler, s, &err);
	if (s->stream != NULL) {
		sl_stream_timeout(s->stream, service->o.timeout_ms);
		sl_stream_prompt_ack(s->stream);
		return s;
	}
	sl_event(server->o.events, SL_ERROR, "session_failed", SL_FIELDS(
	    SL_F_TEXT("error", err.text)));
	sl_milter_session_free(s);
	return NULL;
}
