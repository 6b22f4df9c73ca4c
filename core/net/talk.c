#include "talk.h"

#include <string.h>

#include "../base/alloc.h"
#include "stream.h"

#define USUAL_READ	(64 * 1024)	/* bytes kept for whom doesn't take them */

struct sl_talk {
	unsigned refs;
	struct sl_loop *loop;
	struct sl_stream *stream;
	struct talk_op *pending;
	int end;
};

struct talk_op {
	struct sl_talk_op op;		/* the public part is first */
	struct sl_talk *talk;
	enum { CONNECT, SEND, WAIT, TLS } what;
	size_t n;
};

/* ---- operations -------------------------------------------------------------------- */

static void
close_stream(struct sl_talk *t)
{
	sl_stream_close(t->stream);
	t->stream = NULL;
}

/* What was begun and not finished leaves nothing that could be used. */
static void
op_cancel(struct sl_op *op)
{
	struct talk_op *o = (struct talk_op *)op;

	if (o->talk->pending != o)
		return;
	o->talk->pending = NULL;
	if (o->what == CONNECT || o->what == TLS)
		close_stream(o->talk);
}

static void
op_free(struct sl_op *op)
{
	struct talk_op *o = (struct talk_op *)op;

	sl_talk_unref(o->talk);
	sl_free(o);
}

static const struct sl_op_class talk_class = { "socket", op_cancel, op_free };

static void
finish(struct sl_talk *t, const struct sl_err *err)
{
	struct talk_op *o = t->pending;

	if (o == NULL)
		return;
	t->pending = NULL;
	if (err != NULL)
		o->op.err = *err;
	sl_op_finish(&o->op.op, err != NULL ? err->code : 0);
}

static void
refuse(struct talk_op *o, const char *text)
{
	sl_err_set(&o->op.err, SL_ERR_INVAL, "%s", text);
	sl_op_finish(&o->op.op, SL_ERR_INVAL);
}

/* The operation, pending; or done, where the connection is used or isn't there. */
static struct talk_op *
begin(struct sl_talk *t, int what, bool needs_stream, int64_t timeout_ms)
{
	struct talk_op *o = sl_calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	if (sl_op_init(&o->op.op, &talk_class, t->loop, timeout_ms) != 0) {
		sl_free(o);
		return NULL;
	}
	o->talk = sl_talk_ref(t);
	o->what = what;
	if (t->pending != NULL)
		refuse(o, "the connection is in use");
	else if (needs_stream != (t->stream != NULL))
		refuse(o, needs_stream ? "not connected" : "connected already");
	else
		t->pending = o;
	return o;
}

/* ---- what the stream tells ------------------------------------------------------------ */

/* A wait for more than there is goes on, unless nothing more comes. */
static void
look(struct sl_talk *t)
{
	struct talk_op *o = t->pending;

	if (o != NULL && o->what == WAIT && (t->end != 0 || sl_stream_in(t->stream)->n >= o->n))
		finish(t, NULL);
}

static void
on_read(struct sl_stream *s, void *arg)
{
	(void)s;
	look(arg);
}

static void
on_drain(struct sl_stream *s, void *arg)
{
	struct sl_talk *t = arg;

	(void)s;
	if (t->pending != NULL && t->pending->what == SEND)
		finish(t, NULL);
}

/* Of connect and TLS: their end is the connection's. */
static void
on_step(struct sl_stream *s, void *arg, const struct sl_err *err)
{
	struct sl_talk *t = arg;

	(void)s;
	if (err->code == 0) {
		finish(t, NULL);
		return;
	}
	t->end = err->code;
	finish(t, err);
	close_stream(t);
}

static void
on_end(struct sl_stream *s, void *arg, const struct sl_err *err)
{
	struct sl_talk *t = arg;

	(void)s;
	t->end = err->code;
	look(t);
	/* An end of what comes isn't one of what goes, unless the connection is broken. */
	if (t->pending != NULL && (err->code != SL_ERR_CLOSED || sl_stream_write(s, "", 0) != 0))
		finish(t, err);
}

static const struct sl_stream_handler handler = { on_read, on_drain, on_step, on_step, on_end };

/* ---- the owner's side ------------------------------------------------------------------- */

struct sl_talk *
sl_talk_new(struct sl_loop *loop)
{
	struct sl_talk *t = sl_calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->refs = 1;
	t->loop = loop;
	return t;
}

struct sl_talk *
sl_talk_ref(struct sl_talk *t)
{
	t->refs++;
	return t;
}

void
sl_talk_unref(struct sl_talk *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	close_stream(t);
	sl_free(t);
}

void
sl_talk_close(struct sl_talk *t)
{
	struct sl_err err;

	close_stream(t);
	if (t->pending != NULL) {
		sl_err_set(&err, SL_ERR_CLOSED, "the connection was closed");
		finish(t, &err);
	}
}

bool
sl_talk_is_open(const struct sl_talk *t)
{
	return t->stream != NULL;
}

struct sl_talk_op *
sl_talk_connect(struct sl_talk *t, const struct sl_addr *to, int64_t timeout_ms)
{
	struct talk_op *o = begin(t, CONNECT, false, timeout_ms);
	struct sl_err err;

	if (o == NULL || o->op.op.done)
		return (struct sl_talk_op *)o;
	t->end = 0;
	t->stream = sl_stream_connect(t->loop, to, NULL, &handler, t, &err);
	if (t->stream == NULL)
		finish(t, &err);
	return &o->op;
}

struct sl_talk_op *
sl_talk_send(struct sl_talk *t, struct sl_str bytes, int64_t timeout_ms)
{
	struct talk_op *o = begin(t, SEND, true, timeout_ms);
	struct sl_err err;
	int rc;

	if (o == NULL || o->op.op.done)
		return (struct sl_talk_op *)o;
	if ((rc = sl_stream_write(t->stream, bytes.p, bytes.n)) != 0) {
		sl_err_set(&err, rc, rc == SL_ERR_CLOSED ? "the connection is closed" : "out of memory");
		finish(t, &err);
	} else if (bytes.n == 0) {
		finish(t, NULL);
	}
	return &o->op;
}

struct sl_talk_op *
sl_talk_wait(struct sl_talk *t, size_t n, int64_t timeout_ms)
{
	struct talk_op *o = begin(t, WAIT, true, timeout_ms);

	if (o == NULL || o->op.op.done)
		return (struct sl_talk_op *)o;
	o->n = n < SL_TALK_MAX_READ ? n : SL_TALK_MAX_READ;
	sl_stream_read_limit(t->stream, o->n > USUAL_READ ? o->n : USUAL_READ);
	look(t);
	return &o->op;
}

struct sl_talk_op *
sl_talk_starttls(struct sl_talk *t, struct sl_tls *tls, const char *name, int64_t timeout_ms)
{
	struct talk_op *o = begin(t, TLS, true, timeout_ms);
	struct sl_err err;

	if (o == NULL || o->op.op.done)
		return (struct sl_talk_op *)o;
	if (sl_stream_starttls(t->stream, tls, false, name, &err) != 0)
		finish(t, &err);
	return &o->op;
}

struct sl_buf *
sl_talk_in(struct sl_talk *t)
{
	return t->stream != NULL ? sl_stream_in(t->stream) : NULL;
}

int
sl_talk_end(const struct sl_talk *t)
{
	return t->end;
}

void
sl_talk_shutdown(struct sl_talk *t)
{
	if (t->stream != NULL)
		sl_stream_shutdown(t->stream);
}
