/*
 * From DATA to the reply that ends a message. Whatever happens, it leaves
 * through answer(), and the transaction through sl_smtp_transaction_reset().
 */
#include "server_private.h"

#include <stdio.h>
#include <string.h>

#include "trace.h"

void
sl_smtp_transaction_reset(struct sl_smtp_session *s)
{
	sl_op_release(s->store);
	s->store = NULL;
	sl_free(s->pieces);
	sl_free(s->messages_out);
	s->pieces = NULL;
	s->messages_out = NULL;
	s->outcome = NULL;
	sl_buf_clear(&s->received);
	sl_spool_clear(&s->spool);
	sl_message_unref(s->message);
	s->message = NULL;
	s->id[0] = s->recipient[0] = '\0';
	s->recipients = s->recipients_asked = 0;
	s->utf8 = false;
	if (s->state & (SL_SMTP_MAIL | SL_SMTP_RCPT))
		s->state = SL_SMTP_READY;
	if (s->policy != NULL)
		sl_session_reset(s->policy);
}

/* After every end of a message, good or bad. */
static void
finish(struct sl_smtp_session *s)
{
	sl_smtp_transaction_reset(s);
	if (s->stream == NULL) {
		/* The client left while the queue wrote. */
		s->mode = SL_MODE_COMMAND;
		sl_smtp_session_end(s);
		return;
	}
	sl_smtp_session_await(s, SL_MODE_COMMAND);
	/* A shutdown doesn't wait for who says nothing more. */
	if (s->server->draining && !sl_smtp_has_input(s))
		sl_smtp_goodbye(s, "4.3.2", "Service is shutting down");
	else
		sl_smtp_session_go_on(s);
}

static void
count(struct sl_smtp_session *s, int code)
{
	struct sl_smtp_counters *c = &s->server->counters;

	if (code / 100 == 2) {
		c->messages++;
		c->bytes += s->spool.size;
		s->messages++;
		s->idle = s->errors = 0;
	} else if (code / 100 == 4) {
		c->deferred++;
	} else {
		c->rejected++;
	}
}

static void
answer(struct sl_smtp_session *s, int code, const char *enhanced, const char *text)
{
	count(s, code);
	sl_event(s->server->o.events, SL_INFO, "message_refused",
	    SL_FIELDS(SL_F_TEXT("session", sl_session_id(s->policy)), SL_F_TEXT("messageid", s->id),
	    SL_F_TEXT("senderip", s->ip), SL_F_INT("code", code), SL_F_TEXT("reason", text)));
	sl_smtp_reply(s, code, enhanced, text);
	finish(s);
}

/* Storing */

static void
answer_verdict(struct sl_smtp_session *s, const struct sl_verdict *v)
{
	int code = v->code != 0 ? v->code : 250;
	char text[120];

	count(s, code);
	sl_event(s->server->o.events, SL_INFO, "message_received",
	    SL_FIELDS(SL_F_TEXT("session", sl_session_id(s->policy)), SL_F_TEXT("messageid", s->id),
	    SL_F_TEXT("senderip", s->ip), SL_F_INT("code", code), SL_F_INT("size", s->spool.size),
	    SL_F_INT("recipients", s->recipients)));
	/* What was decided is in the log before the client hears of it. */
	if (code / 100 == 2)
		sl_events_flush(s->server->o.events);
	snprintf(text, sizeof(text), "OK %s", s->id);
	if (code / 100 == 2)
		sl_smtp_reply_verdict(s, v, 250, "2.0.0", text);
	else
		sl_smtp_reply_verdict(s, v, code, "", "Message refused");
	if (s->mode != SL_MODE_ENDED)
		finish(s);
}

static void
on_stored(struct sl_op *op, void *arg)
{
	struct sl_smtp_session *s = arg;

	if (op->status == 0) {
		answer_verdict(s, s->outcome->verdict);
		return;
	}
	sl_event(s->server->o.events, SL_ERROR, "store_failed",
	    SL_FIELDS(SL_F_TEXT("session", sl_session_id(s->policy)), SL_F_TEXT("messageid", s->id),
	    SL_F_TEXT("error", sl_err_word(op->status))));
	answer(s, 451, "4.3.0", "The message can't be stored now");
}

static int
make_received(struct sl_smtp_session *s)
{
	char tls[120];
	struct sl_trace t = {
		.helo = s->helo, .ip = s->ip, .hostname = s->service->hostname, .id = s->id,
		.extended = s->extended, .authenticated = s->authenticated, .utf8 = s->utf8,
		.time_us = sl_loop_time_us(s->server->o.loop),
	};

	/* Several recipients don't learn of each other. */
	if (s->recipients == 1 && s->recipient[0] != '\0')
		t.recipient = s->recipient;
	if (s->stream != NULL && sl_stream_tls(s->stream)) {
		snprintf(tls, sizeof(tls), "%s %s/%d", sl_stream_tls_protocol(s->stream),
		    sl_stream_tls_cipher(s->stream), sl_stream_tls_bits(s->stream));
		t.tls = tls;
	}
	return sl_smtp_received(&s->received, &t);
}

/* The pieces of a message with our Received at its place, if it was received; where the next ones go. */
static struct sl_str *
put_received(struct sl_out_message *m, const struct sl_out_message *from, struct sl_str *to,
    struct sl_str received)
{
	*m = *from;
	m->pieces = to;
	if (from->made) {
		memcpy(to, from->pieces, from->npieces * sizeof(*to));
		return to + from->npieces;
	}
	m->npieces++;
	m->size += received.n;
	memcpy(to, from->pieces, from->ntop * sizeof(*to));
	to += from->ntop;
	*to++ = received;
	memcpy(to, from->pieces + from->ntop, (from->npieces - from->ntop) * sizeof(*to));
	return to + from->npieces - from->ntop;
}

/* The messages once more, each with our Received. */
static int
add_received(struct sl_smtp_session *s, const struct sl_outcome *o)
{
	struct sl_str *next;
	size_t total = 0;

	for (size_t i = 0; i < o->n; i++)
		total += o->messages[i].npieces + 1;
	s->pieces = sl_calloc(total, sizeof(*s->pieces));
	s->messages_out = sl_calloc(o->n, sizeof(*s->messages_out));
	if (s->pieces == NULL || s->messages_out == NULL || make_received(s) < 0)
		return SL_ERR_NOMEM;
	next = s->pieces;
	for (size_t i = 0; i < o->n; i++)
		next = put_received(&s->messages_out[i], &o->messages[i], next, sl_buf_str(&s->received));
	return 0;
}

static void
on_outcome(void *arg, const struct sl_outcome *o)
{
	struct sl_smtp_session *s = arg;
	struct sl_smtp_delivery d = { 0 };

	s->outcome = o;
	if (o->n == 0) {
		answer_verdict(s, o->verdict);
		return;
	}
	if (add_received(s, o) == 0) {
		d.facts = o->facts;
		d.received_us = sl_loop_time_us(s->server->o.loop);
		d.messages = s->messages_out;
		d.n = o->n;
		s->store = s->server->o.store(s->server->o.store_arg, &d);
	}
	if (s->store == NULL) {
		answer(s, 451, "4.3.1", "Out of resources");
		return;
	}
	sl_smtp_session_work(s, SL_MODE_STORE);
	sl_op_wait(s->store, on_stored, s);
}

/* The end of data */

static void
ask_policy(struct sl_smtp_session *s)
{
	sl_smtp_session_work(s, SL_MODE_POLICY);
	if (sl_session_message(s->policy, s->message, on_outcome, s) < 0)
		answer(s, 451, "4.3.0", "Out of resources");
}

static void
end_of_data(struct sl_smtp_session *s)
{
	const struct sl_smtp_service_options *o = &s->service->o;
	struct sl_err err = { 0 };
	int r;

	if (s->spool.over) {
		answer(s, 552, "5.3.4", "Message too large");
		return;
	}
	if (s->dot.bare && !s->dot.fix) {
		answer(s, 550, "5.6.0", "Bare CR or LF in the message (RFC 5321 2.3.8)");
		return;
	}
	if (s->dot.longest > o->max_line) {
		answer(s, 550, "5.6.0", "A line is too long");
		return;
	}
	r = sl_spool_finish(&s->spool, &s->message, &err);
	if (r < 0) {
		sl_event(s->server->o.events, r == SL_ERR_LIMIT ? SL_INFO : SL_ERROR,
		    "message_unusable", SL_FIELDS(SL_F_TEXT("messageid", s->id),
		    SL_F_TEXT("error", err.text)));
		if (r == SL_ERR_LIMIT || r == SL_ERR_SYNTAX)
			answer(s, 550, "5.6.0", "Header too large");
		else
			answer(s, 451, "4.3.0", "The message can't be kept now");
		return;
	}
	if (sl_smtp_hops(s->message) > o->hops)
		answer(s, 554, "5.4.6", "Too many hops, this is a loop");
	else
		ask_policy(s);
}

static int
fix_submission(void *arg, struct sl_buf *mem, size_t header)
{
	struct sl_smtp_session *s = arg;

	return sl_smtp_fix_header(mem, header, s->service->hostname, s->id,
	    sl_loop_time_us(s->server->o.loop));
}

void
sl_smtp_data_begin(struct sl_smtp_session *s)
{
	memset(&s->dot, 0, sizeof(s->dot));
	s->dot.fix = s->service->o.fix_line_ends;
	sl_spool_init(&s->spool, s->service->spool, s->service->o.size);
	if (s->service->o.submission) {
		s->spool.on_header = fix_submission;
		s->spool.arg = s;
	}
	s->data_since = s->input_at = sl_loop_now(s->server->o.loop);
	sl_smtp_reply(s, 354, "", "Go on, end with CR LF . CR LF");
	sl_smtp_session_await(s, SL_MODE_DATA);
}

size_t
sl_smtp_data_take(struct sl_smtp_session *s, const char *p, size_t n)
{
	size_t used = sl_dot_feed(&s->dot, p, n, sl_spool_put, &s->spool);

	if (s->dot.done) {
		end_of_data(s);
	} else if (s->spool.size / 2 > s->service->o.size) {
		/* It was told SIZE, and sends on and on. */
		sl_smtp_reply(s, 552, "5.3.4", "Message too large");
		sl_smtp_session_end(s);
	}
	return used;
}
