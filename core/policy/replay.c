/* A tape through the running policy. See replay.h. */
#include "replay.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../mail/message.h"
#include "engine.h"
#include "taps.h"

struct sl_replay {
	struct sl_engine *engine;
	struct sl_tape *tape, *played;
	struct sl_session *session;
	size_t at;			/* the entry that comes next */
	const struct sl_tape_entry *input;	/* under way, NULL = none */
	struct sl_message *message;
	bool over;			/* something is missing: what follows isn't looked at */
	bool hung_up;			/* the connection ends here: nothing is taken any more */
	unsigned unreached, compared;
	json_t *differences;
	struct sl_task task;
	void (*done)(void *arg, struct sl_replay *replay);
	void *arg;
};

static void next(struct sl_replay *r);

/* ---- differences ------------------------------------------------------------------------- */

static json_t *
text_of(struct sl_str s)
{
	return json_stringn_nocheck(s.p != NULL ? s.p : "", s.n);
}

static void
describe_input(const struct sl_tape_entry *e, struct sl_buf *out)
{
	struct sl_str user = sl_tape_get(e->value, "username");

	sl_buf_puts(out, e->kind);
	if (strcmp(e->kind, "message") == 0)
		return;
	if (e->key.n > 0 || user.n > 0) {
		sl_buf_putc(out, ' ');
		sl_buf_putstr(out, e->key.n > 0 ? e->key : user);
	}
}

static json_t *
difference(struct sl_replay *r, const char *what)
{
	struct sl_buf input = SL_BUF_INIT;
	json_t *d = json_object();

	describe_input(r->input, &input);
	json_object_set_new(d, "step", json_integer(r->input->step));
	json_object_set_new(d, "input", text_of(sl_buf_str(&input)));
	json_object_set_new(d, "what", json_string(what));
	json_array_append_new(r->differences, d);
	sl_buf_clear(&input);
	return d;
}

static json_t *
describe_verdict(struct sl_str parts)
{
	struct sl_str code = sl_tape_get(parts, "code"), enhanced = sl_tape_get(parts, "enhanced");
	struct sl_buf reply = SL_BUF_INIT;
	json_t *v = json_object();

	sl_buf_putstr(&reply, code);
	if (enhanced.n > 0)
		sl_buf_putc(&reply, ' ');
	sl_buf_putstr(&reply, enhanced);
	sl_buf_putc(&reply, ' ');
	sl_buf_putstr(&reply, sl_tape_get(parts, "text"));
	json_object_set_new(v, "phase", text_of(sl_tape_get(parts, "phase")));
	json_object_set_new(v, "action", text_of(sl_tape_get(parts, "action")));
	json_object_set_new(v, "code", json_integer(sl_tape_get_number(parts, "code")));
	json_object_set_new(v, "reply", text_of(sl_buf_str(&reply)));
	json_object_set_new(v, "where", text_of(sl_tape_get(parts, "where")));
	json_object_set_new(v, "failed", json_boolean(sl_tape_get_number(parts, "failed") != 0));
	sl_buf_clear(&reply);
	return v;
}

static json_t *
describe_message(const struct sl_replay *r, const struct sl_tape_entry *e)
{
	struct sl_buf bytes = SL_BUF_INIT;
	struct sl_str rest, name, value;
	json_t *m, *rcpts;

	if (e == NULL)
		return json_null();
	m = json_object();
	rcpts = json_array();
	for (rest = e->value; sl_tape_part(&rest, &name, &value);)
		if (sl_str_eq(name, SL_STR("recipient")))
			json_array_append_new(rcpts, text_of(value));
	sl_buf_putstr(&bytes, sl_tape_get(e->value, "bytes"));
	if (sl_tape_get(e->value, "received").n > 0 && r->message != NULL)
		sl_buf_putstr(&bytes, r->message->body);
	json_object_set_new(m, "sender", text_of(sl_tape_get(e->value, "sender")));
	json_object_set_new(m, "quarantine", text_of(sl_tape_get(e->value, "quarantine")));
	json_object_set_new(m, "recipients", rcpts);
	json_object_set_new(m, "bytes", text_of(sl_buf_str(&bytes)));
	sl_buf_clear(&bytes);
	return m;
}

static void
tell_difference(struct sl_replay *r, const char *kind, const struct sl_tape_entry *before,
    const struct sl_tape_entry *after)
{
	bool message = strcmp(kind, "message") == 0, changes = strcmp(kind, "changes") == 0;
	json_t *d = difference(r, message || changes ? kind : "verdict");

	if (message)
		json_object_set_new(d, "id", text_of(before != NULL ? before->key : after->key));
	if (message) {
		json_object_set_new(d, "before", describe_message(r, before));
		json_object_set_new(d, "after", describe_message(r, after));
	} else if (changes) {
		json_object_set_new(d, "before", text_of(before != NULL ? before->value : SL_STR("")));
		json_object_set_new(d, "after", text_of(after != NULL ? after->value : SL_STR("")));
	} else {
		json_object_set_new(d, "before", describe_verdict(before->value));
		json_object_set_new(d, "after", describe_verdict(after->value));
	}
}

/* ---- comparing --------------------------------------------------------------------------- */

/* What was noted, what is now. Where it was decided is no difference: lines move. */
static bool
same_value(struct sl_str a, struct sl_str b)
{
	struct sl_str an, av, bn, bv;
	bool more_a, more_b;

	for (;;) {
		more_a = sl_tape_part(&a, &an, &av);
		more_b = sl_tape_part(&b, &bn, &bv);
		if (!more_a || !more_b)
			return more_a == more_b;
		if (!sl_str_eq(an, bn) || (!sl_tape_same(av, bv) && !sl_str_eq(an, SL_STR("where"))))
			return false;
	}
}

/* The output of this step with the same kind and key; 'from' and on. */
static const struct sl_tape_entry *
find_output(const struct sl_tape *t, unsigned step, const char *kind, struct sl_str key)
{
	size_t i;

	for (i = 0; i < sl_tape_count(t); i++) {
		const struct sl_tape_entry *e = sl_tape_at(t, i);

		if (e->sign == SL_TAPE_OUTPUT && e->step == step && strcmp(e->kind, kind) == 0 &&
		    sl_str_eq(e->key, key))
			return e;
	}
	return NULL;
}

static bool
is_verdict(const struct sl_tape_entry *e)
{
	return strcmp(e->kind, "verdict") == 0 || strcmp(e->kind, "outcome") == 0;
}

/* Whatever one of them has and the other hasn't, or has otherwise. */
static void
compare(struct sl_replay *r)
{
	const struct sl_tape *sides[2] = { r->tape, r->played };
	const struct sl_tape_entry *e, *other;
	unsigned step = r->input->step;
	size_t i, side;

	r->compared++;
	for (side = 0; side < 2; side++)
		for (i = 0; i < sl_tape_count(sides[side]); i++) {
			e = sl_tape_at(sides[side], i);
			if (e->sign != SL_TAPE_OUTPUT || e->step != step)
				continue;
			other = find_output(sides[1 - side], step, e->kind, e->key);
			if (other == NULL ? is_verdict(e) : side == 1 || same_value(e->value, other->value))
				continue;
			tell_difference(r, e->kind, side == 0 ? e : other, side == 0 ? other : e);
		}
}

/* ---- the session -------------------------------------------------------------------------- */

static void
finish(struct sl_task *task)
{
	struct sl_replay *r = sl_list_entry(task, struct sl_replay, task);

	r->done(r->arg, r);
}

/* Nothing behind what is missing could be told from a guess. */
static bool
check_missing(struct sl_replay *r)
{
	const char *question = sl_tape_missing(r->played);

	if (question[0] == '\0')
		return false;
	json_object_set_new(difference(r, "missing"), "question", text_of(sl_str_of(question)));
	r->over = true;
	return true;
}

static void
session_ended(void *arg)
{
	struct sl_replay *r = arg;

	r->session = NULL;
	if (!r->over)
		check_missing(r);
	sl_task_post(r->engine->loop, &r->task, finish);
}

static void
drop_message(struct sl_replay *r)
{
	sl_message_unref(r->message);
	r->message = NULL;
}

static void
later(struct sl_task *task)
{
	next(sl_list_entry(task, struct sl_replay, task));
}

static void
answered(struct sl_replay *r, bool disconnect)
{
	if (!check_missing(r))
		compare(r);
	r->hung_up = disconnect;
	if (strcmp(r->input->kind, "message") == 0) {
		sl_session_reset(r->session);
		drop_message(r);
	}
	sl_task_post(r->engine->loop, &r->task, later);
}

static void
on_verdict(void *arg, const struct sl_verdict *v)
{
	answered(arg, v->disconnect);
}

static void
on_outcome(void *arg, const struct sl_outcome *o)
{
	answered(arg, o->verdict->disconnect);
}

/* ---- inputs -------------------------------------------------------------------------------- */

static char *
string_of(struct sl_str s)
{
	return sl_strndup(s.p != NULL ? s.p : "", s.n);
}

static char *
part_of(const struct sl_tape_entry *e, const char *name)
{
	return string_of(sl_tape_get(e->value, name));
}

static int
open_session(struct sl_replay *r, const struct sl_tape_entry *e, struct sl_err *err)
{
	char *server = part_of(e, "server"), *ip = part_of(e, "senderip");
	char *serverip = part_of(e, "serverip");
	struct sl_session_info info = { .server = server, .senderip = ip, .serverip = serverip,
	    .senderport = (uint16_t)sl_tape_get_number(e->value, "senderport"),
	    .serverport = (uint16_t)sl_tape_get_number(e->value, "serverport"),
	    .changes = sl_tape_get_number(e->value, "changes") != 0 };
	int rc = SL_ERR_NOMEM;

	if (server != NULL && ip != NULL && serverip != NULL)
		rc = sl_session_open_taped(r->engine, &info, r->played, &r->session, err);
	else
		sl_err_set(err, rc, "out of memory");
	if (rc == 0)
		sl_taps_on_end(r->session->taps, session_ended, r);
	sl_free(server);
	sl_free(ip);
	sl_free(serverip);
	return rc;
}

static int
play_helo(struct sl_replay *r, const struct sl_tape_entry *e)
{
	char *name = string_of(e->key);
	int rc = name == NULL ? SL_ERR_NOMEM : sl_session_helo(r->session, name,
	    sl_tape_get_number(e->value, "extended") != 0, on_verdict, r);

	sl_free(name);
	return rc;
}

static int
play_tls(struct sl_replay *r, const struct sl_tape_entry *e)
{
	char *protocol = part_of(e, "protocol"), *cipher = part_of(e, "cipher");
	int bits = (int)sl_tape_get_number(e->value, "bits"), rc = SL_ERR_NOMEM;

	if (protocol != NULL && cipher != NULL) {
		rc = 0;
		if (strcmp(e->kind, "tls") == 0)
			sl_session_tls(r->session, protocol, cipher, bits);
		else
			sl_session_encrypted(r->session, protocol, cipher, bits);
	}
	sl_free(protocol);
	sl_free(cipher);
	return rc;
}

static int
play_auth(struct sl_replay *r, const struct sl_tape_entry *e)
{
	char *mechanism = part_of(e, "mechanism");
	struct sl_str user = sl_tape_get(e->value, "username");
	int rc;

	if (mechanism == NULL)
		return SL_ERR_NOMEM;
	if (strcmp(e->kind, "auth") == 0)
		rc = sl_session_auth(r->session, mechanism, user, SL_STR(SL_TAPE_PASSWORD), on_verdict, r);
	else
		rc = sl_session_account(r->session, mechanism, user);
	sl_free(mechanism);
	return rc;
}

static int
play_mail(struct sl_replay *r, const struct sl_tape_entry *e)
{
	char *server = part_of(e, "server");
	struct sl_mail_params params = {
		.size = (uint64_t)sl_tape_get_number(e->value, "size"),
		.smtputf8 = sl_tape_get_number(e->value, "smtputf8") != 0,
		.body8bit = sl_tape_get_number(e->value, "body8bit") != 0,
		.server = server != NULL && server[0] != '\0' ? server : NULL,
	};
	int rc = server == NULL ? SL_ERR_NOMEM :
	    sl_session_mail(r->session, e->key, &params, on_verdict, r);

	sl_free(server);
	return rc;
}

static int
play_message(struct sl_replay *r, const struct sl_tape_entry *e)
{
	char *bytes = string_of(e->value);
	struct sl_err err;
	int rc;

	drop_message(r);
	if (bytes == NULL)
		return SL_ERR_NOMEM;
	rc = sl_message_from_memory(&r->message, bytes, e->value.n, &err);
	return rc != 0 ? rc : sl_session_message(r->session, r->message, on_outcome, r);
}

static int
play_queueid(struct sl_replay *r, const struct sl_tape_entry *e)
{
	char *id = string_of(e->key);
	int rc = id == NULL ? SL_ERR_NOMEM : sl_session_queueid(r->session, id);

	sl_free(id);
	return rc;
}

/* A call whose answer the client didn't wait for had none. */
static bool
was_answered(const struct sl_replay *r, unsigned step)
{
	return find_output(r->tape, step, "verdict", SL_STR("")) != NULL ||
	    find_output(r->tape, step, "outcome", SL_STR("")) != NULL;
}

/* Whether the answer comes later; else *rc says how it went. */
static bool
play_call(struct sl_replay *r, const struct sl_tape_entry *e, int *rc)
{
	*rc = 0;
	if (!was_answered(r, e->step))
		return false;
	if (strcmp(e->kind, "connect") == 0)
		*rc = sl_session_connect(r->session, on_verdict, r);
	else if (strcmp(e->kind, "helo") == 0)
		*rc = play_helo(r, e);
	else if (strcmp(e->kind, "auth") == 0)
		*rc = play_auth(r, e);
	else if (strcmp(e->kind, "mail") == 0)
		*rc = play_mail(r, e);
	else if (strcmp(e->kind, "rcpt") == 0)
		*rc = sl_session_rcpt(r->session, e->key, on_verdict, r);
	else if (strcmp(e->kind, "message") == 0)
		*rc = play_message(r, e);
	else
		return false;
	return *rc == 0;
}

/* What is done at once. */
static int
play_fact(struct sl_replay *r, const struct sl_tape_entry *e)
{
	if (strcmp(e->kind, "tls") == 0 || strcmp(e->kind, "encrypted") == 0)
		return play_tls(r, e);
	if (strcmp(e->kind, "account") == 0)
		return play_auth(r, e);
	if (strcmp(e->kind, "queueid") == 0)
		return play_queueid(r, e);
	if (strcmp(e->kind, "reset") == 0)
		sl_session_reset(r->session);
	return 0;
}

static const struct sl_tape_entry *
next_input(struct sl_replay *r)
{
	while (r->at < sl_tape_count(r->tape)) {
		const struct sl_tape_entry *e = sl_tape_at(r->tape, r->at++);

		if (e->sign == SL_TAPE_INPUT)
			return e;
	}
	return NULL;
}

/* Plays inputs until one has to be waited for, or the session ends. */
static void
next(struct sl_replay *r)
{
	const struct sl_tape_entry *e = NULL;
	int rc;

	while (!r->over && (e = next_input(r)) != NULL && strcmp(e->kind, "close") != 0) {
		if (r->hung_up) {
			r->unreached += was_answered(r, e->step);
			continue;
		}
		r->input = e;
		sl_tape_seek(r->played, e->step);
		if (play_call(r, e, &rc))
			return;
		if (rc == 0)
			rc = play_fact(r, e);
		r->unreached += rc != 0;
	}
	if (!r->over && e != NULL) {
		r->input = e;
		sl_tape_seek(r->played, e->step);
	}
	sl_session_close(r->session);
}

/* ---- life ------------------------------------------------------------------------------------ */

int
sl_replay_start(struct sl_replay **out, struct sl_engine *engine, struct sl_tape *tape, bool live,
    void (*done)(void *arg, struct sl_replay *replay), void *arg, struct sl_err *err)
{
	struct sl_replay *r = sl_calloc(1, sizeof(*r));
	const struct sl_tape_entry *first;
	int rc;

	*out = NULL;
	if (r == NULL || (r->differences = json_array()) == NULL) {
		sl_free(r);
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	}
	r->engine = engine;
	r->tape = sl_tape_ref(tape);
	r->done = done;
	r->arg = arg;
	first = next_input(r);
	if (sl_tape_full(tape) || first == NULL || strcmp(first->kind, "open") != 0)
		rc = sl_err_set(err, SL_ERR_INVAL, "this is no whole session");
	else if ((r->played = sl_tape_play(tape, live)) == NULL)
		rc = sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	else {
		sl_tape_seek(r->played, first->step);
		rc = open_session(r, first, err);
	}
	if (rc != 0) {
		sl_replay_free(r);
		return rc;
	}
	r->input = first;
	sl_task_post(engine->loop, &r->task, later);
	*out = r;
	return 0;
}

void
sl_replay_free(struct sl_replay *r)
{
	if (r == NULL)
		return;
	sl_task_cancel(&r->task);
	if (r->session != NULL) {
		sl_taps_on_end(r->session->taps, NULL, NULL);
		sl_session_close(r->session);
	}
	drop_message(r);
	sl_tape_unref(r->played);
	sl_tape_unref(r->tape);
	json_decref(r->differences);
	sl_free(r);
}

json_t *
sl_replay_differences(const struct sl_replay *r)
{
	return r->differences;
}

enum sl_replay_result
sl_replay_result(const struct sl_replay *r)
{
	return r->over ? SL_REPLAY_INCOMPLETE :
	    json_array_size(r->differences) > 0 ? SL_REPLAY_DIFFERS : SL_REPLAY_SAME;
}

unsigned
sl_replay_unreached(const struct sl_replay *r)
{
	return r->unreached;
}

unsigned
sl_replay_compared(const struct sl_replay *r)
{
	return r->compared;
}
