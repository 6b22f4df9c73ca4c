/* Inputs and outputs of a session, for its tape. See record.h. */
#include "record.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../tape/tape.h"
#include "engine.h"
#include "taps.h"

/* ---- who watches ------------------------------------------------------------------------ */

void
sl_engine_watch(struct sl_engine *e, struct sl_watcher *w)
{
	w->number = ++e->watched;
	sl_list_insert(&e->watchers, &w->link);
}

void
sl_engine_unwatch(struct sl_watcher *w)
{
	sl_list_remove(&w->link);
}

/* Appends the numbers of those who want this session. */
static void
ask_watchers(struct sl_engine *e, const struct sl_session_info *info, struct sl_buf *out)
{
	struct sl_list *l;

	for (l = e->watchers.next; l != &e->watchers; l = l->next) {
		struct sl_watcher *w = sl_list_entry(l, struct sl_watcher, link);

		if (w->wants(w, info))
			sl_buf_put(out, &w->number, sizeof(w->number));
	}
}

static bool
is_among(const struct sl_buf *watchers, uint64_t number)
{
	uint64_t one;
	size_t i;

	for (i = 0; i < watchers->n; i += sizeof(one)) {
		memcpy(&one, watchers->p + i, sizeof(one));
		if (one == number)
			return true;
	}
	return false;
}

void
sl_record_end(struct sl_engine *e, struct sl_taps *taps)
{
	struct sl_tape *tape = sl_taps_tape(taps);
	struct sl_list *l, *next;
	struct sl_buf watchers;

	if (tape == NULL)
		return;
	sl_tape_ref(tape);
	watchers = sl_taps_watchers(taps);
	sl_taps_ended(taps);
	sl_taps_free(taps);
	for (l = e->watchers.next; l != &e->watchers; l = next) {
		struct sl_watcher *w = sl_list_entry(l, struct sl_watcher, link);

		next = l->next;
		if (is_among(&watchers, w->number))
			w->ended(w, tape);
	}
	sl_buf_clear(&watchers);
	sl_tape_unref(tape);
}

/* ---- inputs ----------------------------------------------------------------------------- */

static struct sl_tape *
recording(const struct sl_session *s)
{
	struct sl_tape *tape = sl_taps_tape(s->taps);

	return sl_tape_records(tape) ? tape : NULL;
}

static void
put_input(struct sl_session *s, const char *kind, struct sl_str key, struct sl_buf *value)
{
	sl_tape_input(recording(s), kind, sl_loop_time_us(s->engine->loop), key, sl_buf_str(value));
	sl_buf_clear(value);
}

/* What sessions that are recorded have in memory together is bounded. */
static struct sl_tape_room *
room(struct sl_engine *e)
{
	if (e->tapes == NULL)
		e->tapes = sl_tape_room_new(SL_RECORD_MAX);
	return e->tapes;
}

int
sl_record_open(struct sl_session *s, const struct sl_session_info *info)
{
	struct sl_buf value = SL_BUF_INIT, watchers = SL_BUF_INIT;
	struct sl_tape *tape;

	if (s->taps != NULL || sl_list_empty(&s->engine->watchers))
		return 0;
	ask_watchers(s->engine, info, &watchers);
	if (watchers.n == 0)
		return watchers.failed ? SL_ERR_NOMEM : 0;
	tape = sl_tape_new(0);
	if (tape != NULL && room(s->engine) != NULL) {
		sl_tape_share(tape, room(s->engine));
		s->taps = sl_taps_new(s->engine, tape);
	}
	sl_tape_unref(tape);
	if (s->taps == NULL) {
		sl_buf_clear(&watchers);
		return SL_ERR_NOMEM;
	}
	sl_taps_for(s->taps, &watchers);
	sl_tape_fact(tape, "sluice", sl_str_of(SL_VERSION));
	sl_tape_fact(tape, "policy", sl_str_of(s->generation->name));
	sl_tape_put(&value, "server", sl_str_of(info->server));
	sl_tape_put(&value, "senderip", sl_str_of(info->senderip));
	sl_tape_put_number(&value, "senderport", info->senderport);
	sl_tape_put(&value, "serverip", sl_str_of(info->serverip));
	sl_tape_put_number(&value, "serverport", info->serverport);
	sl_tape_put_number(&value, "changes", info->changes);
	put_input(s, "open", SL_STR(""), &value);
	return 0;
}

void
sl_record_input(struct sl_session *s, const char *kind, struct sl_str key)
{
	struct sl_buf none = SL_BUF_INIT;

	if (recording(s) != NULL)
		put_input(s, kind, key, &none);
}

void
sl_record_helo(struct sl_session *s, const char *name, bool extended)
{
	struct sl_buf value = SL_BUF_INIT;

	if (recording(s) == NULL)
		return;
	sl_tape_put_number(&value, "extended", extended);
	put_input(s, "helo", sl_str_of(name), &value);
}

void
sl_record_tls(struct sl_session *s, const char *kind, const char *protocol, const char *cipher,
    int bits)
{
	struct sl_buf value = SL_BUF_INIT;

	if (recording(s) == NULL)
		return;
	sl_tape_put(&value, "protocol", sl_str_of(protocol));
	sl_tape_put(&value, "cipher", sl_str_of(cipher));
	sl_tape_put_number(&value, "bits", bits);
	put_input(s, kind, SL_STR(""), &value);
}

void
sl_record_account(struct sl_session *s, const char *kind, const char *mechanism,
    struct sl_str username, struct sl_str password)
{
	struct sl_buf value = SL_BUF_INIT;

	if (recording(s) == NULL)
		return;
	sl_tape_put(&value, "mechanism", sl_str_of(mechanism));
	sl_tape_put(&value, "username", username);
	put_input(s, kind, SL_STR(""), &value);
	if (password.n > 0)
		sl_tape_password(recording(s), password);
}

void
sl_record_mail(struct sl_session *s, struct sl_str path, const struct sl_mail_params *params,
    const struct sl_generation *generation)
{
	struct sl_buf value = SL_BUF_INIT;

	if (recording(s) == NULL)
		return;
	sl_tape_put_number(&value, "size", (int64_t)params->size);
	sl_tape_put_number(&value, "smtputf8", params->smtputf8);
	sl_tape_put_number(&value, "body8bit", params->body8bit);
	if (params->server != NULL)
		sl_tape_put(&value, "server", sl_str_of(params->server));
	sl_tape_put(&value, "generation", sl_str_of(generation->name));
	put_input(s, "mail", path, &value);
}

void
sl_record_message(struct sl_session *s, const struct sl_message *message)
{
	if (recording(s) != NULL)
		sl_tape_input(recording(s), "message", sl_loop_time_us(s->engine->loop), SL_STR(""),
		    message->bytes);
}

/* ---- outputs ---------------------------------------------------------------------------- */

static void
put_verdict(struct sl_buf *out, const struct sl_verdict *v)
{
	struct sl_buf text = SL_BUF_INIT;
	size_t i;

	for (i = 0; i < v->nlines; i++)
		sl_buf_printf(&text, "%s%s", i > 0 ? "\n" : "", v->lines[i]);
	sl_tape_put(out, "phase", sl_str_of(sl_phase_name(v->phase)));
	sl_tape_put(out, "action", sl_str_of(sl_action_name(v->action)));
	sl_tape_put_number(out, "code", v->code);
	sl_tape_put(out, "enhanced", sl_str_of(v->enhanced));
	sl_tape_put(out, "text", sl_buf_str(&text));
	sl_tape_put_number(out, "disconnect", v->disconnect);
	sl_tape_put_number(out, "failed", v->failed);
	sl_tape_put(out, "where", sl_str_of(v->where != NULL ? v->where : ""));
	sl_tape_put(out, "id", sl_str_of(v->id != NULL ? v->id : ""));
	sl_buf_clear(&text);
}

static void
put_output(struct sl_session *s, const char *kind, struct sl_str key, struct sl_buf *value)
{
	sl_tape_output(sl_taps_tape(s->taps), kind, key, sl_buf_str(value));
	sl_buf_clear(value);
}

void
sl_record_verdict(struct sl_session *s, const struct sl_verdict *v)
{
	struct sl_buf value = SL_BUF_INIT;

	if (s->taps == NULL)
		return;
	put_verdict(&value, v);
	put_output(s, "verdict", SL_STR(""), &value);
}

static void
put_recipient(struct sl_buf *out, const struct sl_out_recipient *r)
{
	struct sl_buf text = SL_BUF_INIT;

	sl_buf_printf(&text, "%s %s %.6f %s", r->recipient, r->transport != NULL ? r->transport : "-",
	    r->delay, r->metadata != NULL ? r->metadata : "");
	sl_tape_put(out, "recipient", sl_buf_str(&text));
	sl_buf_clear(&text);
}

/* The header, and the body, which mostly is what was received. */
static void
put_bytes(struct sl_buf *out, const struct sl_out_message *m, const struct sl_message *received)
{
	struct sl_buf header = SL_BUF_INIT;
	size_t i, n = m->npieces;
	const struct sl_str *last = n > 0 ? &m->pieces[n - 1] : NULL;
	bool same = last != NULL && last->p == received->body.p && last->n == received->body.n;

	for (i = 0; i < n - same; i++)
		sl_buf_putstr(&header, m->pieces[i]);
	sl_tape_put(out, "bytes", sl_buf_str(&header));
	if (same)
		sl_tape_put_number(out, "received", (int64_t)last->n);
	out->failed = out->failed || header.failed;
	sl_buf_clear(&header);
}

static void
put_message(struct sl_session *s, const struct sl_out_message *m, const struct sl_message *received)
{
	struct sl_buf value = SL_BUF_INIT;
	size_t i;

	sl_tape_put(&value, "sender", sl_str_of(m->sender != NULL ? m->sender : ""));
	sl_tape_put(&value, "quarantine", sl_str_of(m->quarantine != NULL ? m->quarantine : ""));
	sl_tape_put_number(&value, "made", m->made);
	sl_tape_put_number(&value, "top", (int64_t)m->ntop);
	for (i = 0; i < m->n; i++)
		put_recipient(&value, &m->recipients[i]);
	put_bytes(&value, m, received);
	put_output(s, "message", sl_str_of(m->id), &value);
}

static void
put_field(struct sl_buf *out, const struct sl_field_change *f)
{
	static const char *const words[] = { "insert", "change", "delete" };
	struct sl_buf text = SL_BUF_INIT;

	sl_buf_printf(&text, "%zu %d ", f->index, f->last);
	sl_buf_putstr(&text, f->name);
	sl_buf_putc(&text, ':');
	sl_buf_putstr(&text, f->value);
	sl_tape_put(out, words[f->edit], sl_buf_str(&text));
	sl_buf_clear(&text);
}

static void
put_changes(struct sl_session *s, const struct sl_changes *c)
{
	struct sl_buf value = SL_BUF_INIT;
	size_t i;

	for (i = 0; i < c->nfields; i++)
		put_field(&value, &c->fields[i]);
	if (c->sender != NULL)
		sl_tape_put(&value, "sender", sl_str_of(c->sender));
	for (i = 0; i < c->nremoved; i++)
		sl_tape_put_number(&value, "removed", (int64_t)c->removed[i]);
	for (i = 0; i < c->nadded; i++)
		sl_tape_put(&value, "added", sl_str_of(c->added[i]));
	if (c->quarantine != NULL)
		sl_tape_put(&value, "quarantine", sl_str_of(c->quarantine));
	if (c->body != NULL)
		sl_tape_put(&value, "body", *c->body);
	sl_tape_put_number(&value, "discard", c->discard);
	put_output(s, "changes", SL_STR(""), &value);
}

void
sl_record_outcome(struct sl_session *s, const struct sl_transaction *t)
{
	const struct sl_outcome *o = &t->outcome;
	struct sl_buf value = SL_BUF_INIT;
	size_t i;

	if (s->taps == NULL)
		return;
	put_verdict(&value, o->verdict);
	sl_tape_put(&value, "facts", sl_str_of(o->facts != NULL ? o->facts : ""));
	put_output(s, "outcome", SL_STR(""), &value);
	for (i = 0; i < o->n; i++)
		put_message(s, &o->messages[i], t->mail.message);
	if (o->changes != NULL)
		put_changes(s, o->changes);
}
