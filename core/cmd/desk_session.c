/* The desk's session: each step is one call of sluice.h, and waits for its verdict. */
#include "desk_private.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../mail/message.h"
#include "../policy/config.h"
#include "cmd.h"

#define LOOK_MS	100		/* how often an interrupt is looked for */

/* ---- verdicts ---------------------------------------------------------------------------- */

static json_t *
reply_of(const struct sl_verdict *v)
{
	struct sl_buf text = SL_BUF_INIT;
	json_t *reply;
	size_t i;

	if (v->code != 0)
		sl_buf_printf(&text, "%d", v->code);
	if (v->code != 0 && v->enhanced[0] != '\0')
		sl_buf_printf(&text, " %s", v->enhanced);
	for (i = 0; i < v->nlines; i++)
		sl_buf_printf(&text, "%s%s", i == 0 ? " " : "\n", v->lines[i]);
	reply = desk_text(sl_buf_str(&text));
	sl_buf_clear(&text);
	return reply;
}

static json_t *
describe_verdict(const struct sl_verdict *v)
{
	json_t *out = json_object();

	json_object_set_new(out, "phase", json_string(sl_phase_name(v->phase)));
	json_object_set_new(out, "action", json_string(sl_action_name(v->action)));
	json_object_set_new(out, "code", json_integer(v->code));
	json_object_set_new(out, "reply", reply_of(v));
	json_object_set_new(out, "where", desk_text(sl_str_of(v->where)));
	json_object_set_new(out, "id", desk_text(sl_str_of(v->id)));
	json_object_set_new(out, "disconnect", json_boolean(v->disconnect));
	json_object_set_new(out, "failed", json_boolean(v->failed));
	return out;
}

static void
on_verdict(void *arg, const struct sl_verdict *v)
{
	struct desk *d = arg;

	d->verdict = describe_verdict(v);
	d->answered = true;
}

static json_t *
describe_recipient(const struct sl_out_recipient *r)
{
	json_t *out = json_object();

	json_object_set_new(out, "recipient", desk_text(sl_str_of(r->recipient)));
	json_object_set_new(out, "transport", desk_text(sl_str_of(r->transport)));
	if (r->metadata != NULL)
		json_object_set_new(out, "metadata", json_loads(r->metadata, 0, NULL));
	json_object_set_new(out, "delay", json_real(r->delay));
	return out;
}

static json_t *
describe_message(const struct sl_out_message *m)
{
	json_t *out = json_object(), *recipients = json_array();
	struct sl_buf bytes = SL_BUF_INIT;
	size_t i;

	for (i = 0; i < m->npieces; i++)
		sl_buf_putstr(&bytes, m->pieces[i]);
	for (i = 0; i < m->n; i++)
		json_array_append_new(recipients, describe_recipient(&m->recipients[i]));
	json_object_set_new(out, "id", desk_text(sl_str_of(m->id)));
	json_object_set_new(out, "sender", desk_text(sl_str_of(m->sender)));
	if (m->quarantine != NULL)
		json_object_set_new(out, "quarantine", desk_text(sl_str_of(m->quarantine)));
	json_object_set_new(out, "bytes", desk_text(sl_buf_str(&bytes)));
	json_object_set_new(out, "recipients", recipients);
	sl_buf_clear(&bytes);
	return out;
}

static void
on_outcome(void *arg, const struct sl_outcome *o)
{
	struct desk *d = arg;
	json_t *messages = json_array();
	size_t i;

	for (i = 0; i < o->n; i++)
		json_array_append_new(messages, describe_message(&o->messages[i]));
	d->verdict = describe_verdict(o->verdict);
	json_object_set_new(d->verdict, "messages", messages);
	d->answered = true;
}

/* ---- steps ------------------------------------------------------------------------------- */

static int
need_session(const struct desk *d, struct sl_err *err)
{
	return d->session != NULL ? 0 : sl_err_set(err, SL_ERR_INVAL, "there is no connection");
}

/* What was under way is given up, and so is the transaction. */
static bool
interrupted(struct desk *d, struct sl_err *err)
{
	if (d->interrupt == NULL || !*d->interrupt)
		return false;
	*d->interrupt = 0;
	sl_session_reset(d->session);
	sl_err_set(err, SL_ERR_CANCELED, "interrupted");
	return true;
}

/* Has the loop do what can be done; false: it can't. */
static bool
turn(struct desk *d)
{
	if (sl_loop_step(d->loop, d->interrupt != NULL ? LOOK_MS : -1) != 0)
		return false;
	if (d->at_stop != NULL && sl_engine_stopped(d->engine, NULL))
		d->at_stop(d->at_stop_arg);
	return true;
}

/* The verdict of a step that was begun with 'rc'. */
static json_t *
finish(struct desk *d, int rc, struct sl_err *err)
{
	json_t *verdict;

	err->code = 0;
	if (rc != 0) {
		sl_err_set(err, rc, rc == SL_ERR_INVAL ? "that can't be said now" : "%s", sl_err_word(rc));
		return NULL;
	}
	while (!d->answered && !interrupted(d, err) && turn(d))
		;
	verdict = d->verdict;
	d->verdict = NULL;
	d->answered = false;
	if (verdict == NULL && err->code != SL_ERR_CANCELED)
		sl_err_set(err, SL_ERR_IO, "the loop failed");
	return verdict;
}

/* The only server of the policy; with several, they are named. */
static const char *
only_server(const struct sl_config *c, struct sl_err *err)
{
	struct sl_buf names = SL_BUF_INIT;
	size_t i;

	if (c->nservers == 1)
		return c->servers[0].name;
	for (i = 0; i < c->nservers; i++)
		sl_buf_printf(&names, "%s\"%s\"", i > 0 ? ", " : "", c->servers[i].name);
	sl_err_set(err, SL_ERR_INVAL, "which server? The policy has %s", names.p != NULL ? names.p : "none");
	sl_buf_clear(&names);
	return NULL;
}

json_t *
desk_connect(struct desk *d, const struct desk_peer *peer, struct sl_err *err)
{
	const struct sl_config *config = sl_engine_config(d->engine);
	struct sl_session_info info = { .senderip = peer->ip, .senderport = (uint16_t)peer->port,
	    .serverip = peer->serverip != NULL ? peer->serverip : "",
	    .serverport = (uint16_t)peer->serverport };
	struct sl_addr addr;

	desk_disconnect(d);
	if (config == NULL) {
		sl_err_set(err, SL_ERR_INVAL, "no policy is loaded");
		return NULL;
	}
	if (peer->ip == NULL || sl_addr_parse_ip(&addr, sl_str_of(peer->ip), 0) != 0) {
		sl_err_set(err, SL_ERR_INVAL, peer->ip == NULL ? "the client's IP address is needed" :
		    "\"%s\" is no IP address", peer->ip);
		return NULL;
	}
	info.server = peer->server != NULL ? peer->server : only_server(config, err);
	if (info.server == NULL || sl_session_open(d->engine, &info, &d->session, err) != 0)
		return NULL;
	return finish(d, sl_session_connect(d->session, on_verdict, d), err);
}

bool
desk_connected(const struct desk *d)
{
	return d->session != NULL;
}

int
desk_tls(struct desk *d, const char *protocol, struct sl_err *err)
{
	if (need_session(d, err) != 0)
		return err->code;
	sl_session_tls(d->session, protocol, DESK_CIPHER, DESK_CIPHER_BITS);
	return 0;
}

json_t *
desk_helo(struct desk *d, const char *name, struct sl_err *err)
{
	if (need_session(d, err) != 0)
		return NULL;
	return finish(d, sl_session_helo(d->session, name, true, on_verdict, d), err);
}

json_t *
desk_auth(struct desk *d, const char *mechanism, const char *user, const char *password,
    struct sl_err *err)
{
	if (need_session(d, err) != 0)
		return NULL;
	return finish(d, sl_session_auth(d->session, mechanism, sl_str_of(user), sl_str_of(password),
	    on_verdict, d), err);
}

int
desk_account(struct desk *d, const char *user, struct sl_err *err)
{
	if (need_session(d, err) != 0)
		return err->code;
	if (sl_session_account(d->session, "PLAIN", sl_str_of(user)) != 0)
		return sl_err_set(err, SL_ERR_INVAL, "auth: not inside a transaction");
	return 0;
}

/* Angle brackets are SMTP's: a person leaves them out. */
static struct sl_str
path_of(const char *address, struct sl_buf *out)
{
	*out = SL_BUF_INIT;
	sl_buf_printf(out, address[0] == '<' ? "%s" : "<%s>", address);
	return sl_buf_str(out);
}

json_t *
desk_mail(struct desk *d, const char *from, struct sl_err *err)
{
	static const struct sl_mail_params params;
	struct sl_buf path;
	json_t *verdict;

	if (need_session(d, err) != 0)
		return NULL;
	verdict = finish(d, sl_session_mail(d->session, path_of(from, &path), &params, on_verdict, d), err);
	sl_buf_clear(&path);
	return verdict;
}

json_t *
desk_rcpt(struct desk *d, const char *to, struct sl_err *err)
{
	struct sl_buf path;
	json_t *verdict;

	if (need_session(d, err) != 0)
		return NULL;
	verdict = finish(d, sl_session_rcpt(d->session, path_of(to, &path), on_verdict, d), err);
	sl_buf_clear(&path);
	return verdict;
}

json_t *
desk_data(struct desk *d, struct sl_str bytes, struct sl_err *err)
{
	struct sl_buf crlf = SL_BUF_INIT;
	struct sl_message *message;
	json_t *verdict;
	char *taken;
	size_t n;

	if (need_session(d, err) != 0)
		return NULL;
	if (sl_session_recipients(d->session) == 0) {
		sl_err_set(err, SL_ERR_INVAL, "there is no accepted recipient");
		return NULL;
	}
	cmd_put_crlf(&crlf, bytes);
	taken = sl_buf_take(&crlf, &n);
	if (taken == NULL) {
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	if (sl_message_from_memory(&message, taken, n, err) != 0)
		return NULL;
	verdict = finish(d, sl_session_message(d->session, message, on_outcome, d), err);
	sl_session_reset(d->session);
	sl_message_unref(message);
	return verdict;
}

void
desk_reset(struct desk *d)
{
	if (d->session != NULL)
		sl_session_reset(d->session);
}

/* The disconnect flow runs to its end: what it asks and tells belongs to the session. */
void
desk_disconnect(struct desk *d)
{
	struct sl_session *session = d->session;

	if (session == NULL)
		return;
	d->session = NULL;
	sl_session_close(session);
	while (sl_engine_runs(d->engine) > 0 && turn(d))
		;
}
