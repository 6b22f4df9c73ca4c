/*
 * One recipient: predelivery decides how to try, the transport tries,
 * postdelivery decides what the result means, the store records it. What a
 * script changes holds for this attempt.
 *
 * A result that can't be recorded (disk full) is kept and recorded later:
 * trying again at once would deliver again and again.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../crypto/random.h"
#include "delivery_private.h"
#include "dsn.h"
#include "seize.h"

#define MAX_HEADER	(64 * 1024)	/* of the original, in a notification */
#define RESCHEDULE	300
#define NO_SCHEDULE	3600		/* a script retries what the schedule gave up */
#define AGAIN_MAX_MS	60000

/* ---- life -------------------------------------------------------------------- */

static void
try_free(struct sl_try *t)
{
	sl_timer_stop(&t->again);
	sl_op_release(t->op);
	sl_way_clear(&t->way);
	sl_buf_clear(&t->dsn);
	sl_free(t->id);
	sl_free(t->sender);
	sl_free(t->recipient);
	sl_free(t->transport);
	sl_free(t->metadata);
	sl_free(t->context);
	sl_free(t->facts);
	sl_free(t->from);
	sl_free(t->to);
	sl_free(t->new_recipient);
	sl_free(t->new_transport);
	sl_free(t);
}

static void
free_orphan(struct sl_orphan *orphan)
{
	try_free(sl_list_entry(orphan, struct sl_try, orphan));
}

void
sl_try_run(struct sl_try *t, bool running)
{
	struct sl_delivery *d = t->delivery;

	if (t->parked == !running)
		return;
	t->parked = !running;
	d->running += running ? 1 : -1u;
	d->parked += running ? -1u : 1;
}

/* Out of the delivery; memory that the engine has goes when it calls back. */
static void
leave(struct sl_try *t, bool soon)
{
	struct sl_delivery *d = t->delivery;
	bool engine = t->stage == SL_TRY_PRE || t->stage == SL_TRY_POST;

	sl_list_remove(&t->link);
	if (t->parked)
		d->parked--;
	else
		d->running--;
	t->delivery = NULL;
	if (engine)
		sl_loop_adopt(d->o.loop, &t->orphan, free_orphan);
	else
		try_free(t);
	sl_delivery_left(d, soon);
}

/* Called back by the engine: false = the delivery is gone, and now 't' too. */
static bool
came_back(struct sl_try *t, enum sl_try_stage next)
{
	t->stage = next;
	if (t->delivery != NULL)
		return true;
	sl_list_remove(&t->orphan.link);
	try_free(t);
	return false;
}

void
sl_try_give_back(struct sl_try *t)
{
	sl_store_untake(t->delivery->o.store, t->id, t->index);
	leave(t, false);
}

void
sl_try_set_aside(struct sl_try *t, const char *destination)
{
	struct sl_delivery *d = t->delivery;

	if (sl_slot_set_aside(d, destination, t->id, t->index) != 0) {
		sl_try_give_back(t);
		return;
	}
	sl_store_set_aside(d->o.store, t->id, t->index);
	leave(t, true);
}

/* ---- recording ----------------------------------------------------------------- */

static int64_t
wall(const struct sl_try *t)
{
	return sl_loop_time_us(t->delivery->o.loop);
}

static void
tell(struct sl_try *t)
{
	const struct sl_send_result *r = &t->result;
	struct sl_delivery *d = t->delivery;

	if (t->what == NULL)
		return;
	if (d->o.told != NULL)
		d->o.told(d->o.arg, t->what);
	sl_event(d->o.events, SL_INFO, t->what, SL_FIELDS(
	    SL_F_TEXT("id", t->id), SL_F_TEXT("recipient", t->to),
	    SL_F_TEXT("transport", t->transport), SL_F_TEXT("host", r->host),
	    SL_F_INT("code", r->code), SL_F_TEXT("status", r->enhanced),
	    SL_F_TEXT("text", r->text), SL_F_INT("retry", t->retry), SL_F_BOOL("tls", r->tls),
	    SL_F_INT("ms", (sl_clock_us() - t->began_us) / 1000)));
}

static void	 record(struct sl_try *t);
static void	 notify(struct sl_try *t);

static void
once_more(struct sl_timer *timer)
{
	struct sl_try *t = sl_list_entry(timer, struct sl_try, again);

	if (t->notify)
		notify(t);
	else
		record(t);
}

static void
not_recorded(struct sl_try *t, int status)
{
	struct sl_delivery *d = t->delivery;

	t->again_ms = t->again_ms == 0 ? 1000 : t->again_ms * 2;
	if (t->again_ms > AGAIN_MAX_MS)
		t->again_ms = AGAIN_MAX_MS;
	sl_event(d->o.events, SL_ERROR, "result_unrecorded", SL_FIELDS(SL_F_TEXT("id", t->id),
	    SL_F_TEXT("recipient", t->recipient), SL_F_TEXT("error", sl_err_word(status)),
	    SL_F_INT("again_ms", t->again_ms)));
	if (d->draining || sl_timer_start(d->o.loop, &t->again, t->again_ms, once_more) < 0)
		sl_try_give_back(t);
}

static void
recorded(struct sl_op *op, void *arg)
{
	struct sl_try *t = arg;
	int status = op->status;

	t->op = NULL;
	sl_op_release(op);
	if (status != 0 && status != SL_ERR_NOTFOUND) {
		not_recorded(t, status);
		return;
	}
	tell(t);
	leave(t, true);
}

static void
record(struct sl_try *t)
{
	t->op = sl_store_update(t->delivery->o.store, t->id, t->index, &t->entry);
	if (t->op == NULL)
		not_recorded(t, SL_ERR_NOMEM);
	else
		sl_op_wait(t->op, recorded, t);
}

/* The entry as it is to be, and what is told when it is durable. */
static void
settle(struct sl_try *t, enum sl_entry_state state, int64_t next_us, uint32_t retry,
    const char *what)
{
	const struct sl_send_result *r = &t->result;

	t->stage = SL_TRY_RECORDING;
	t->what = what;
	snprintf(t->info, sizeof(t->info), "%d %s %s", r->code, r->enhanced, r->text);
	t->entry = (struct sl_entry){
		.recipient = t->new_recipient != NULL ? t->new_recipient : t->recipient,
		.transport = t->new_transport != NULL ? t->new_transport : t->transport,
		.metadata = t->metadata, .state = state, .next_us = next_us, .retry = retry,
		.info = t->info,
	};
}

static void
done_with(struct sl_try *t, const char *what)
{
	settle(t, SL_ENTRY_DONE, t->next_us, t->retry, what);
	record(t);
}

static void
put_off(struct sl_try *t, double seconds, bool counted, const char *what)
{
	settle(t, SL_ENTRY_QUEUED, wall(t) + (int64_t)(seconds * 1e6), t->retry + counted, what);
	record(t);
}

/* ---- notifications ---------------------------------------------------------------- */

static void
notified(struct sl_op *op, void *arg)
{
	struct sl_try *t = arg;
	int status = op->status;

	t->op = NULL;
	sl_op_release(op);
	if (status != 0) {
		not_recorded(t, status);
		return;
	}
	sl_event(t->delivery->o.events, SL_INFO, "notified", SL_FIELDS(SL_F_TEXT("id", t->id),
	    SL_F_TEXT("notification", t->notification), SL_F_TEXT("recipient", t->sender),
	    SL_F_TEXT("about", t->recipient)));
	t->notify = false;
	record(t);
}

/* The header of the message, as far as it is needed. */
static void
read_header(struct sl_try *t, struct sl_buf *out)
{
	uint64_t offset, size;
	ssize_t n, end;
	int fd;

	if (sl_store_message(t->delivery->o.store, t->id, &fd, &offset, &size, NULL) < 0)
		return;
	if (sl_buf_reserve(out, MAX_HEADER) == 0 && (n = pread(fd, out->p,
	    size < MAX_HEADER ? (size_t)size : MAX_HEADER, (off_t)offset)) > 0) {
		out->n = (size_t)n;
		end = sl_str_find(sl_buf_str(out), SL_STR("\r\n\r\n"));
		if (end >= 0)
			out->n = (size_t)end + 2;
		/* A CR left alone would keep the notification from being sent. */
		while (out->n > 0 && out->p[out->n - 1] != '\n')
			out->n--;
	}
	close(fd);
}

static int
write_dsn(struct sl_try *t, const char *id)
{
	struct sl_delivery *d = t->delivery;
	struct sl_buf header = SL_BUF_INIT;
	struct sl_dsn dsn = {
		.hostname = d->o.hostname(d->o.arg), .id = id, .original_id = t->id,
		.sender = t->sender, .recipient = t->recipient, .code = t->result.code,
		.enhanced = t->result.enhanced, .text = t->result.text, .host = t->result.host,
		.received = t->received_us / 1000000, .now = wall(t) / 1000000,
	};
	int r;

	read_header(t, &header);
	dsn.header = sl_buf_str(&header);
	sl_buf_reset(&t->dsn);
	r = sl_dsn_write(&t->dsn, &dsn);
	t->dsn_piece = sl_buf_str(&t->dsn);
	sl_buf_clear(&header);
	return r;
}

/* Stored before the recipient is done: after a crash between them the sender
 * hears it twice, which is better than never. */
static void
notify(struct sl_try *t)
{
	struct sl_delivery *d = t->delivery;
	const char *transport = d->o.transport(d->o.arg, t->sender);
	struct sl_entry entry = { .recipient = t->sender, .next_us = wall(t) };
	struct sl_envelope env = { .id = t->notification, .facts = t->facts, .received_us = wall(t), .n = 1,
		.entries = &entry };

	if (transport == NULL) {
		sl_event(d->o.events, SL_WARNING, "notification_impossible", SL_FIELDS(
		    SL_F_TEXT("id", t->id), SL_F_TEXT("sender", t->sender)));
		t->notify = false;
		record(t);
		return;
	}
	/* The store copies; its struct has no const. */
	env.sender = (char *)(uintptr_t)"";
	entry.transport = (char *)(uintptr_t)transport;
	if (sl_uuid4(t->notification) == 0 && write_dsn(t, t->notification) == 0)
		t->op = sl_store_accept(d->o.store, &env, &t->dsn_piece, 1);
	if (t->op == NULL)
		not_recorded(t, SL_ERR_NOMEM);
	else
		sl_op_wait(t->op, notified, t);
}

static void
bounce(struct sl_try *t)
{
	settle(t, SL_ENTRY_DONE, t->next_us, t->retry, "bounced");
	/* RFC 5321 4.5.5, 6.1: never a notification about one. */
	t->notify = t->sender[0] != '\0';
	if (t->notify)
		notify(t);
	else
		record(t);
}

/* ---- after the attempt --------------------------------------------------------------- */

static double
next_delay(const struct sl_try *t)
{
	const struct sl_delivery *d = t->delivery;

	return d->o.schedule(d->o.arg, t->retry + 1, (double)(wall(t) - t->received_us) / 1e6);
}

static enum sl_action
default_action(const struct sl_try *t)
{
	int class = t->result.code / 100;

	if (class == 2)
		return SL_DELETE;
	if (class == 5 || next_delay(t) < 0)
		return SL_GENERATE_DSN;
	return SL_RETRY;
}

static int
replace(char **field, const char *value)
{
	char *copy;

	if (value == NULL)
		return 0;
	if ((copy = sl_strdup(value)) == NULL)
		return SL_ERR_NOMEM;
	sl_free(*field);
	*field = copy;
	return 0;
}

/* Without the memory for it the result is put off as it would be by default. */
static void
redirect(struct sl_try *t, const struct sl_verdict *v)
{
	if (replace(&t->new_recipient, v->recipient) < 0 ||
	    replace(&t->new_transport, v->transport) < 0) {
		put_off(t, RESCHEDULE, false, "deferred");
		return;
	}
	settle(t, SL_ENTRY_QUEUED, wall(t), 0, "redirected");
	record(t);
}

static void
retry_later(struct sl_try *t, const struct sl_verdict *v)
{
	double delay = v->action == SL_RETRY && v->delay >= 0 ? v->delay : next_delay(t);

	put_off(t, delay < 0 ? NO_SCHEDULE : delay, true, "deferred");
}

static void
post_done(void *arg, const struct sl_verdict *v, const struct sl_attempt_changes *changes)
{
	struct sl_try *t = arg;
	bool delivered;

	(void)changes;
	if (!came_back(t, SL_TRY_RECORDING))
		return;
	/* What is delivered is delivered, whatever a script says. */
	delivered = t->result.code / 100 == 2;
	switch (delivered || v->action == SL_NO_ACTION ? default_action(t) : v->action) {
	case SL_DELETE:
		done_with(t, delivered ? "delivered" : "dropped");
		break;
	case SL_GENERATE_DSN:
		bounce(t);
		break;
	case SL_DELIVER:
		redirect(t, v);
		break;
	default:
		retry_later(t, v);
	}
}

/* How the hop was spoken to. */
static void
fill_connection(const struct sl_try *t, struct sl_attempt *out)
{
	const struct sl_send_result *r = &t->result;

	if (r->remoteip[0] == '\0')
		return;
	out->remoteip = r->remoteip;
	out->localip = r->localip;
	out->helo = t->way.helo;
	out->tls_protocol = r->tls_protocol;
	out->tls_cipher = r->tls_cipher;
	out->tls_bits = r->tls_bits;
}

static void
fill_attempt(const struct sl_try *t, struct sl_attempt *out)
{
	const struct sl_delivery *d = t->delivery;

	memset(out, 0, sizeof(*out));
	out->id = t->id;
	out->sender = t->sender;
	out->recipient = t->recipient;
	out->transport = t->transport;
	out->metadata = t->metadata;
	out->facts = t->facts;
	out->received_us = t->received_us;
	out->size = t->size;
	out->retry = t->retry;
	out->retries = d->o.attempts(d->o.arg);
}

void
sl_try_result(struct sl_try *t, int code, const char *enhanced, const char *text)
{
	t->result.code = code;
	snprintf(t->result.enhanced, sizeof(t->result.enhanced), "%s", enhanced);
	snprintf(t->result.text, sizeof(t->result.text), "%s", text);
}

/* When the engine can't be asked: the default, so that a delivered message is
 * never delivered again for that. */
void
sl_try_finished(struct sl_try *t)
{
	static const struct sl_verdict none = { .action = SL_NO_ACTION, .delay = -1 };
	struct sl_attempt in;

	fill_attempt(t, &in);
	in.code = t->result.code;
	in.enhanced = t->result.enhanced;
	in.text = t->result.text;
	in.host = t->result.host;
	in.transfertime = (double)(sl_clock_us() - t->began_us) / 1e6;
	in.dflt = default_action(t);
	in.context = t->context;
	fill_connection(t, &in);
	t->stage = SL_TRY_POST;
	if (sl_engine_postdelivery(t->delivery->o.engine, &in, post_done, t) != 0)
		post_done(t, &none, NULL);
}

/* ---- before it ------------------------------------------------------------------------- */

static int
apply_changes(struct sl_try *t, const struct sl_attempt_changes *c)
{
	struct sl_delivery *d = t->delivery;
	struct sl_route route = { 0 };

	if (replace(&t->to, c->recipient) < 0 || replace(&t->from, c->sender) < 0 ||
	    replace(&t->metadata, c->metadata) < 0 || replace(&t->context, c->context) < 0)
		return SL_ERR_NOMEM;
	/* Asked for now: the script may have waited over a reload. */
	if (!d->o.route(d->o.arg, t->transport, &route))
		return SL_ERR_NOTFOUND;
	if (sl_way_copy(&t->way, &route) < 0 || sl_way_change(&t->way, c) < 0)
		return SL_ERR_NOMEM;
	return t->way.helo != NULL ? 0 : replace(&t->way.helo, d->o.hostname(d->o.arg));
}

static void
go(struct sl_try *t)
{
	switch (t->way.kind) {
	case SL_ROUTE_DISCARD:
		sl_transport_discard(t);
		break;
	case SL_ROUTE_MAILDIR:
		sl_transport_maildir(t);
		break;
	default:
		sl_transport_smtp(t);
	}
}

static void
decided(struct sl_try *t, const struct sl_verdict *v, const struct sl_attempt_changes *c)
{
	int r;

	if (v->action == SL_RESCHEDULE) {
		put_off(t, v->delay >= 0 ? v->delay : RESCHEDULE, v->counted, "rescheduled");
	} else if (v->action == SL_DELETE) {
		done_with(t, "dropped");
	} else if ((r = apply_changes(t, c)) == 0) {
		go(t);
	} else if (r == SL_ERR_NOTFOUND) {
		sl_try_result(t, 0, "4.3.5", "the policy has no such transport any more");
		sl_try_finished(t);
	} else {
		sl_try_give_back(t);
	}
}

static void
pre_done(void *arg, const struct sl_verdict *v, const struct sl_attempt_changes *c)
{
	struct sl_try *t = arg;
	struct sl_delivery *d = t->delivery;
	char id[128];

	if (!came_back(t, SL_TRY_SENDING))
		return;
	snprintf(id, sizeof(id), "%s", t->id);
	sl_list_remove(&t->link);
	sl_list_insert(&d->tries, &t->link);
	decided(t, v, c);
	sl_batches_settle(d, id);
}

static int
copy_entry(struct sl_try *t, const char *id, const struct sl_envelope *env,
    const struct sl_entry *e)
{
	t->state = e->state;
	t->next_us = e->next_us;
	t->retry = e->retry;
	t->received_us = env->received_us;
	t->size = env->size;
	if (replace(&t->id, id) < 0 || replace(&t->recipient, e->recipient) < 0 ||
	    replace(&t->to, e->recipient) < 0 || replace(&t->sender, env->sender) < 0 ||
	    replace(&t->from, env->sender) < 0 ||
	    replace(&t->transport, e->transport != NULL ? e->transport : "") < 0 ||
	    replace(&t->metadata, e->metadata) < 0 || replace(&t->facts, env->facts) < 0)
		return SL_ERR_NOMEM;
	return 0;
}

int
sl_try_begin(struct sl_delivery *d, const char *id, size_t index)
{
	const struct sl_envelope *env = sl_store_get(d->o.store, id);
	struct sl_try *t = env != NULL ? sl_calloc(1, sizeof(*t)) : NULL;
	struct sl_attempt in;

	if (t == NULL || copy_entry(t, id, env, &env->entries[index]) < 0) {
		if (t != NULL)
			try_free(t);
		sl_store_untake(d->o.store, id, index);
		return SL_ERR_NOMEM;
	}
	t->delivery = d;
	t->index = index;
	t->began_us = sl_clock_us();
	sl_list_init(&t->orphan.link);
	sl_list_insert(&d->pre, &t->link);
	d->running++;
	fill_attempt(t, &in);
	t->stage = SL_TRY_PRE;
	if (sl_engine_predelivery(d->o.engine, &in, pre_done, t) != 0) {
		t->stage = SL_TRY_SENDING;
		sl_try_give_back(t);
		return SL_ERR_NOMEM;
	}
	return 0;
}
