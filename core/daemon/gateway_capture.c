/*
 * "sluice capture" on the control socket: armed as long as its client is there. The client
 * keeps the files and the count; so it is asked for each session whether it still wants it,
 * and several workers together never give more than it asked for.
 *
 *	-> {"command":"capture","match":{"sender":"*@example.com"},"every":10,"ms":600000}
 *	<- {"status":"waiting","seen":120,"too_large":0}	each second
 *	<- {"offer":"1a2b...","bytes":4711}
 *	-> take
 *	<- {"size":n} and n bytes; or {"refused":"why"}
 *	-> stop
 *	<- {"status":"ok",...}					also when its time has passed
 */
#include "gateway_private.h"

#include <jansson.h>
#include <stdio.h>

#include "../base/alloc.h"
#include "../policy/capture.h"

#define TICK_MS		1000
#define MAX_MS		86400000	/* a day */
#define PENDING		1000		/* sessions that the client hasn't taken yet */
#define PIECE		65536

/* A session that wasn't offered yet, or not taken. */
struct taken {
	struct sl_list link;
	struct sl_tape *tape;
};

struct capturing {
	struct sl_gateway *gateway;
	struct sl_queue_output out;
	struct sl_capture *capture;	/* NULL: the request was refused */
	struct sl_timer tick, end;
	struct sl_task over;
	struct sl_list sessions;
	size_t n, bytes;
	uint64_t dropped;
	bool offered;
	struct sl_buf file;		/* on its way */
	size_t sent;
};

static void
say(struct capturing *c, json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT);

	if (text != NULL) {
		c->out.write(c->out.arg, text, strlen(text));
		c->out.write(c->out.arg, "\n", 1);
	}
	free(text);
	json_decref(line);
}

static void
say_count(struct capturing *c, const char *status)
{
	uint64_t seen = 0, too_large = 0;

	if (c->capture != NULL)
		sl_capture_count(c->capture, &seen, &too_large);
	say(c, json_pack("{s:s, s:I, s:I}", "status", status, "seen", (json_int_t)seen, "too_large",
	    (json_int_t)(too_large + c->dropped)));
}

/* ---- sessions -------------------------------------------------------------------------------- */

static void
drop_first(struct capturing *c)
{
	struct taken *t = sl_list_entry(c->sessions.next, struct taken, link);

	c->n--;
	c->bytes -= sl_tape_bytes(t->tape);
	sl_list_remove(&t->link);
	sl_tape_unref(t->tape);
	sl_free(t);
}

static void
drop_file(struct capturing *c)
{
	sl_wipe(c->file.p, c->file.n);
	sl_buf_clear(&c->file);
	c->sent = 0;
}

static void
offer(struct capturing *c)
{
	const struct taken *t;
	struct sl_str id;

	if (c->offered || c->file.n > 0 || c->n == 0)
		return;
	t = sl_list_entry(c->sessions.next, struct taken, link);
	id = sl_capture_id(t->tape);
	c->offered = true;
	say(c, json_pack("{s:s%, s:I}", "offer", id.p, id.n, "bytes", (json_int_t)sl_tape_bytes(t->tape)));
}

static void
captured(void *arg, struct sl_tape *tape)
{
	struct capturing *c = arg;
	struct taken *t = NULL;

	if (c->n < PENDING && c->bytes + sl_tape_bytes(tape) <= SL_CAPTURE_PENDING)
		t = sl_calloc(1, sizeof(*t));
	if (t == NULL) {
		c->dropped++;
		return;
	}
	t->tape = sl_tape_ref(tape);
	sl_list_insert(&c->sessions, &t->link);
	c->n++;
	c->bytes += sl_tape_bytes(tape);
	offer(c);
}

/* The file in pieces, as fast as the client reads. */
static void
pump(void *run)
{
	struct capturing *c = run;
	size_t n;

	while (c->sent < c->file.n && !c->out.full(c->out.arg)) {
		n = c->file.n - c->sent < PIECE ? c->file.n - c->sent : PIECE;
		c->out.write(c->out.arg, c->file.p + c->sent, n);
		c->sent += n;
	}
	if (c->file.n > 0 && c->sent == c->file.n) {
		drop_file(c);
		offer(c);
	}
}

static void
take(struct capturing *c)
{
	const struct taken *t = sl_list_entry(c->sessions.next, struct taken, link);
	struct sl_str id = sl_capture_id(t->tape);
	struct sl_err err;
	int rc = sl_capture_write(c->gateway->engine, t->tape, c->gateway->policy, &c->file, &err);

	c->offered = false;
	sl_event(c->gateway->o.events, SL_NOTICE, "session_captured", SL_FIELDS(SL_F_STR("session", id),
	    SL_F_INT("bytes", c->file.n), SL_F_TEXT("error", rc != 0 ? err.text : "")));
	drop_first(c);
	if (rc != 0) {
		drop_file(c);
		say(c, json_pack("{s:s}", "refused", err.text));
		offer(c);
		return;
	}
	say(c, json_pack("{s:I}", "size", (json_int_t)c->file.n));
	pump(c);
}

/* ---- the end ----------------------------------------------------------------------------------- */

static void
over(struct sl_task *task)
{
	struct capturing *c = sl_list_entry(task, struct capturing, over);

	c->out.done(c->out.arg, 0);
}

static void
stop(struct capturing *c)
{
	say_count(c, "ok");
	sl_task_post(c->gateway->o.loop, &c->over, over);
}

/* A file that is on its way is sent first. */
static void
time_passed(struct sl_timer *timer)
{
	struct capturing *c = sl_list_entry(timer, struct capturing, end);

	if (c->file.n > 0)
		sl_timer_start(c->gateway->o.loop, timer, TICK_MS, time_passed);
	else
		stop(c);
}

static void
tick(struct sl_timer *timer)
{
	struct capturing *c = sl_list_entry(timer, struct capturing, tick);

	if (c->file.n == 0)
		say_count(c, "waiting");
	sl_timer_start(c->gateway->o.loop, timer, TICK_MS, tick);
}

static void
line(void *run, struct sl_str text)
{
	struct capturing *c = run;

	if (sl_str_eq(text, SL_STR("take")) && c->offered && c->n > 0)
		take(c);
	else if (sl_str_eq(text, SL_STR("stop")) && c->file.n == 0)
		stop(c);
}

static void
end(void *run)
{
	struct capturing *c = run;

	if (c->capture != NULL)
		sl_event(c->gateway->o.events, SL_NOTICE, "capture_ended", SL_FIELDS(
		    SL_F_INT("dropped", c->n)));
	sl_capture_disarm(c->capture);
	sl_timer_stop(&c->tick);
	sl_timer_stop(&c->end);
	sl_task_cancel(&c->over);
	while (c->n > 0)
		drop_first(c);
	drop_file(c);
	sl_free(c);
}

/* ---- the beginning ------------------------------------------------------------------------------ */

static int
arm(struct capturing *c, struct sl_str request, struct sl_err *err)
{
	json_t *r = json_loadb(request.p, request.n, 0, NULL);
	json_int_t ms = json_integer_value(json_object_get(r, "ms"));
	json_int_t every = json_integer_value(json_object_get(r, "every"));
	struct sl_capture_options o = { .match = json_object_get(r, "match"), .captured = captured,
		.arg = c, .every = every > 0 && every < INT32_MAX ? (unsigned)every : 0 };
	int rc = sl_capture_arm(&c->capture, c->gateway->engine, &o, err);

	json_decref(r);
	if (rc != 0)
		return rc;
	sl_event(c->gateway->o.events, SL_NOTICE, "capture_armed", SL_FIELDS(
	    SL_F_STR("request", sl_str_sub(request, 0, 500))));
	sl_timer_start(c->gateway->o.loop, &c->tick, TICK_MS, tick);
	return sl_timer_start(c->gateway->o.loop, &c->end, ms > 0 && ms < MAX_MS ? ms : MAX_MS,
	    time_passed);
}

static void *
begin(void *arg, struct sl_str request, const struct sl_queue_output *out)
{
	struct capturing *c = sl_calloc(1, sizeof(*c));
	struct sl_err err;

	if (c == NULL)
		return NULL;
	c->gateway = arg;
	c->out = *out;
	sl_list_init(&c->sessions);
	if (arm(c, request, &err) != 0) {
		say(c, json_pack("{s:s, s:s, s:s}", "status", "error", "code", sl_err_word(err.code),
		    "text", err.text));
		sl_task_post(c->gateway->o.loop, &c->over, over);
		return c;
	}
	say_count(c, "waiting");
	return c;
}

void
sl_gateway_capture(struct sl_gateway *g)
{
	g->capture = (struct sl_control_command){ .name = "capture", .begin = begin, .line = line,
	    .resume = pump, .end = end, .arg = g };
	sl_queue_control_add(g->control, &g->capture);
}
