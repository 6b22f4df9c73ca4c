/*
 * One attempt per recipient: predelivery, the way, postdelivery, record. What
 * a script changes holds for the attempt; what is recorded comes last, so an
 * attempt that is interrupted anywhere is made again.
 */
#include "delivery.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../crypto/random.h"
#include "../smtp/client.h"
#include "dsn.h"
#include "hosts.h"
#include "maildir.h"

#define AT_ONCE		100
#define MAX_HEADER	(64 * 1024)	/* of the original, in a notification */

struct attempt {
	struct sl_list link;
	struct sl_delivery *delivery;
	char *id, *sender, *recipient, *transport, *metadata, *facts;
	char *to;			/* the recipient of this attempt */
	char *from;			/* the reverse-path of this attempt */
	size_t index;
	struct sl_entry entry;		/* as it was taken; strings are its own */
	int64_t received_us, began_us;
	uint64_t size, offset;
	int fd;
	struct sl_route route;
	char *host;
	int port;
	struct sl_hosts_op *hosts;
	size_t next_host;
	struct sl_op *op;		/* client, Maildir, store */
	struct sl_maildir_job *maildir;
	struct sl_send_result result;
	struct sl_buf dsn;
	struct sl_str dsn_piece;
};

struct sl_delivery {
	struct sl_delivery_options o;
	struct sl_list attempts;
	unsigned under_way;
	struct sl_timer timer;
	struct sl_task task;
	bool draining;
	void (*idle)(void *arg);
	void *idle_arg;
};

static void look(struct sl_delivery *d);
static void try_next_host(struct attempt *a);

static int64_t
wall(const struct sl_delivery *d)
{
	return sl_loop_time_us(d->o.loop);
}

/* ---- the end of an attempt -------------------------------------------------------------- */

static void
attempt_free(struct attempt *a)
{
	struct sl_delivery *d = a->delivery;

	sl_list_remove(&a->link);
	sl_op_release(a->op);
	if (a->hosts != NULL)
		sl_op_release(&a->hosts->op);
	if (a->fd >= 0)
		close(a->fd);
	sl_free(a->id);
	sl_free(a->sender);
	sl_free(a->recipient);
	sl_free(a->transport);
	sl_free(a->metadata);
	sl_free(a->facts);
	sl_free(a->to);
	sl_free(a->from);
	sl_free(a->host);
	sl_buf_clear(&a->dsn);
	sl_free(a);
	d->under_way--;
	if (d->under_way == 0 && d->idle != NULL) {
		d->idle(d->idle_arg);
		d->idle = NULL;
	}
	if (!d->draining)
		look(d);
}

/* Nothing could be recorded: the recipient stays as it was and is due again. */
static void
give_back(struct attempt *a)
{
	struct sl_store *store = a->delivery->o.store;
	char *id = a->id;
	size_t index = a->index;

	a->id = NULL;
	sl_store_untake(store, id, index);
	sl_free(id);
	attempt_free(a);
}

static void
recorded(struct sl_op *op, void *arg)
{
	struct attempt *a = arg;
	int status = op->status;

	sl_op_release(op);
	a->op = NULL;
	if (status != 0 && status != SL_ERR_NOTFOUND)
		give_back(a);
	else
		attempt_free(a);
}

static void
record(struct attempt *a, const struct sl_entry *e)
{
	a->op = sl_store_update(a->delivery->o.store, a->id, a->index, e);
	if (a->op == NULL)
		give_back(a);
	else
		sl_op_wait(a->op, recorded, a);
}

static struct sl_entry
entry_now(struct attempt *a, char *info, size_t size)
{
	const struct sl_send_result *r = &a->result;
	struct sl_entry e = {
		.recipient = a->recipient, .transport = a->transport, .metadata = a->metadata,
		.state = a->entry.state, .next_us = a->entry.next_us, .retry = a->entry.retry,
		.info = info,
	};

	snprintf(info, size, "%d %s %s", r->code, r->enhanced, r->text);
	return e;
}

static void
put_off(struct attempt *a, double delay, bool counted)
{
	char info[512];
	struct sl_entry e = entry_now(a, info, sizeof(info));

	e.state = SL_ENTRY_QUEUED;
	e.next_us = wall(a->delivery) + (int64_t)(delay * 1e6);
	e.retry += counted;
	record(a, &e);
}

static void
done_with(struct attempt *a)
{
	char info[512];
	struct sl_entry e = entry_now(a, info, sizeof(info));

	e.state = SL_ENTRY_DONE;
	record(a, &e);
}

/* ---- notifications ------------------------------------------------------------------------ */

static void
notified(struct sl_op *op, void *arg)
{
	struct attempt *a = arg;
	int status = op->status;

	sl_op_release(op);
	a->op = NULL;
	if (status != 0)
		give_back(a);
	else
		done_with(a);
}

/* The header of the message, as far as it is needed. */
static void
read_header(struct attempt *a, struct sl_buf *out)
{
	ssize_t n, end;

	if (sl_buf_reserve(out, MAX_HEADER) != 0)
		return;
	n = pread(a->fd, out->p, a->size < MAX_HEADER ? (size_t)a->size : MAX_HEADER,
	    (off_t)a->offset);
	if (n <= 0)
		return;
	out->n = (size_t)n;
	end = sl_str_find(sl_buf_str(out), SL_STR("\r\n\r\n"));
	if (end >= 0)
		out->n = (size_t)end + 2;
}

static void
notify(struct attempt *a)
{
	struct sl_delivery *d = a->delivery;
	struct sl_buf header = SL_BUF_INIT;
	char id[SL_UUID_SIZE];
	struct sl_entry entry = { .recipient = a->sender, .next_us = wall(d) };
	struct sl_envelope env = { .id = id, .sender = (char *)(uintptr_t)"", .facts = a->facts,
		.received_us = wall(d), .n = 1, .entries = &entry };
	struct sl_dsn dsn = { .hostname = d->o.hostname(d->o.arg), .id = id, .original_id = a->id,
		.sender = a->sender, .recipient = a->recipient, .code = a->result.code,
		.enhanced = a->result.enhanced, .text = a->result.text, .host = a->result.host,
		.received = a->received_us / 1000000, .now = wall(d) / 1000000 };

	if (a->sender[0] != '\0')	/* never a bounce for a bounce */
		entry.transport = (char *)(uintptr_t)d->o.transport(d->o.arg, a->sender);
	if (entry.transport == NULL || sl_uuid4(id) != 0) {
		done_with(a);
		return;
	}
	read_header(a, &header);
	dsn.header = sl_buf_str(&header);
	if (sl_dsn_write(&a->dsn, &dsn) == 0) {
		a->dsn_piece = sl_buf_str(&a->dsn);
		a->op = sl_store_accept(d->o.store, &env, &a->dsn_piece, 1);
	}
	sl_buf_clear(&header);
	if (a->op == NULL)
		give_back(a);
	else
		sl_op_wait(a->op, notified, a);
}

/* ---- after an attempt ------------------------------------------------------------------------ */

static void
tell(struct attempt *a, const char *what)
{
	const struct sl_send_result *r = &a->result;
	struct sl_delivery *d = a->delivery;

	if (d->o.told != NULL)
		d->o.told(d->o.arg, what);
	sl_event(d->o.events, SL_INFO, what, SL_FIELDS(
	    SL_F_TEXT("id", a->id), SL_F_TEXT("recipient", a->to), SL_F_TEXT("transport", a->transport),
	    SL_F_TEXT("host", r->host), SL_F_INT("code", r->code), SL_F_TEXT("status", r->enhanced),
	    SL_F_TEXT("text", r->text), SL_F_INT("retry", a->entry.retry), SL_F_BOOL("tls", r->tls),
	    SL_F_INT("ms", (sl_clock_us() - a->began_us) / 1000)));
}

static double
next_delay(struct attempt *a)
{
	struct sl_delivery *d = a->delivery;

	return d->o.schedule(d->o.arg, a->entry.retry + 1, (double)(wall(d) - a->received_us) / 1e6);
}

static enum sl_action
default_action(struct attempt *a)
{
	int class = a->result.code / 100;

	if (class == 2)
		return SL_DELETE;
	if (class == 5 || next_delay(a) < 0)
		return SL_GENERATE_DSN;
	return SL_RETRY;
}

static void
deliver_elsewhere(struct attempt *a, const struct sl_verdict *v)
{
	char info[512];
	struct sl_entry e = entry_now(a, info, sizeof(info));

	e.recipient = (char *)(uintptr_t)v->recipient;
	if (v->transport != NULL)
		e.transport = (char *)(uintptr_t)v->transport;
	e.state = SL_ENTRY_QUEUED;
	e.next_us = wall(a->delivery);
	e.retry = 0;
	record(a, &e);
}

static void
post_done(void *arg, const struct sl_verdict *v, const struct sl_attempt_changes *changes)
{
	struct attempt *a = arg;
	enum sl_action action = v->action == SL_NO_ACTION || a->result.code / 100 == 2 ?
	    default_action(a) : v->action;
	double delay;

	(void)changes;
	switch (action) {
	case SL_DELETE:
		tell(a, a->result.code / 100 == 2 ? "delivered" : "dropped");
		done_with(a);
		break;
	case SL_GENERATE_DSN:
		tell(a, "bounced");
		notify(a);
		break;
	case SL_DELIVER:
		tell(a, "redirected");
		deliver_elsewhere(a, v);
		break;
	default:
		tell(a, "deferred");
		delay = v->action == SL_RETRY && v->delay >= 0 ? v->delay : next_delay(a);
		put_off(a, delay < 0 ? 3600 : delay, true);
	}
}

static void
fill_attempt(struct attempt *a, struct sl_attempt *out)
{
	struct sl_delivery *d = a->delivery;

	memset(out, 0, sizeof(*out));
	out->id = a->id;
	out->sender = a->sender;
	out->recipient = a->recipient;
	out->transport = a->transport;
	out->metadata = a->metadata;
	out->facts = a->facts;
	out->received_us = a->received_us;
	out->size = a->size;
	out->retry = a->entry.retry;
	out->retries = d->o.attempts(d->o.arg);
}

static void
finished(struct attempt *a)
{
	struct sl_attempt in;

	fill_attempt(a, &in);
	in.code = a->result.code;
	in.enhanced = a->result.enhanced;
	in.text = a->result.text;
	in.host = a->result.host;
	in.transfertime = (double)(sl_clock_us() - a->began_us) / 1e6;
	in.dflt = default_action(a);
	if (sl_engine_postdelivery(a->delivery->o.engine, &in, post_done, a) != 0)
		give_back(a);
}

static void
failed(struct attempt *a, int code, const char *enhanced, const char *text)
{
	a->result.code = code;
	snprintf(a->result.enhanced, sizeof(a->result.enhanced), "%s", enhanced);
	snprintf(a->result.text, sizeof(a->result.text), "%s", text);
	finished(a);
}

/* ---- SMTP, LMTP ---------------------------------------------------------------------------------- */

static void
client_done(struct sl_op *op, void *arg)
{
	struct attempt *a = arg;

	a->result = ((struct sl_client_op *)op)->result;
	sl_op_release(op);
	a->op = NULL;
	if (a->result.code == 0 && a->next_host < a->hosts->n)
		try_next_host(a);	/* this host wasn't to be had: the next */
	else
		finished(a);
}

static void
try_next_host(struct attempt *a)
{
	struct sl_delivery *d = a->delivery;
	const char *name = a->hosts->hosts[a->next_host].name;
	struct sl_client_options o = {
		.to = a->hosts->hosts[a->next_host].addr, .host = name,
		.helo = a->route.helo != NULL ? a->route.helo : d->o.hostname(d->o.arg),
		.lmtp = a->route.kind == SL_ROUTE_LMTP, .tls = (enum sl_client_tls)a->route.tls,
		.username = a->route.username, .password = a->route.password,
		.timeout_ms = a->route.timeout_ms, .sender = a->from, .recipient = a->to,
		.smtputf8 = true, .fd = a->fd, .offset = a->offset, .size = a->size,
	};
	struct sl_addr source;
	struct sl_client_op *op;

	if (a->route.source != NULL && sl_addr_parse_ip(&source, sl_str_of(a->route.source), 0) == 0)
		o.source = &source;
	a->next_host++;
	op = sl_client_send(d->o.loop, &o);
	if (op == NULL) {
		give_back(a);
		return;
	}
	a->op = &op->op;
	sl_op_wait(a->op, client_done, a);
}

static void
hosts_found(struct sl_op *op, void *arg)
{
	struct attempt *a = arg;

	(void)op;
	if (a->hosts->n == 0)
		failed(a, a->hosts->permanent ? 556 : 0, a->hosts->permanent ? "5.1.10" : "4.4.3",
		    a->hosts->why);
	else
		try_next_host(a);
}

static void
send_smtp(struct attempt *a)
{
	struct sl_delivery *d = a->delivery;
	bool mx = a->route.kind == SL_ROUTE_MX && a->host == NULL;
	const char *host = a->host != NULL ? a->host : a->route.host, *at = strrchr(a->to, '@');
	int port = a->port > 0 ? a->port : a->route.port;

	if (mx)
		host = at != NULL ? at + 1 : "";
	if (port <= 0)
		port = a->route.kind == SL_ROUTE_LMTP ? 24 : 25;
	a->hosts = sl_hosts_find(d->o.loop, d->o.dns, host, mx, port, d->o.hostname(d->o.arg));
	if (a->hosts == NULL)
		give_back(a);
	else
		sl_op_wait(&a->hosts->op, hosts_found, a);
}

/* ---- Maildir ----------------------------------------------------------------------------------------- */

static void
maildir_done(struct sl_op *op, void *arg)
{
	struct attempt *a = arg;
	int status = op->status;

	sl_op_release(op);
	a->op = NULL;
	if (status == 0)
		failed(a, 250, "2.0.0", "stored");
	else
		failed(a, 0, "4.2.0", a->maildir->err.text);
	sl_maildir_job_free(a->maildir);
}

static void
send_maildir(struct attempt *a)
{
	struct sl_delivery *d = a->delivery;
	struct sl_maildir_job *j = sl_calloc(1, sizeof(*j));
	struct sl_buf path = SL_BUF_INIT, head = SL_BUF_INIT;
	struct sl_err err;

	if (j == NULL) {
		give_back(a);
		return;
	}
	j->fd = -1;
	if (sl_maildir_path(a->route.path, a->to, &path, &err) != 0) {
		sl_buf_clear(&path);
		sl_maildir_job_free(j);
		failed(a, 550, "5.1.3", err.text);
		return;
	}
	sl_buf_printf(&head, "Return-Path: <%s>\r\nDelivered-To: %s\r\n", a->from, a->to);
	snprintf(j->name, sizeof(j->name), "%lld.%s_%zu.sluice", (long long)(wall(d) / 1000000), a->id,
	    a->index);
	j->path = sl_buf_take(&path, NULL);
	j->head = sl_buf_take(&head, NULL);
	j->fd = dup(a->fd);
	j->offset = a->offset;
	j->size = a->size;
	a->op = j->path != NULL && j->head != NULL && j->fd >= 0 ?
	    sl_thread_run(d->o.thread, sl_maildir_work, j, sl_maildir_job_free) : NULL;
	if (a->op == NULL) {
		sl_maildir_job_free(j);
		give_back(a);
		return;
	}
	a->maildir = j;
	sl_op_wait(a->op, maildir_done, a);
}

/* ---- an attempt -------------------------------------------------------------------------------------------- */

static void
send_message(struct attempt *a)
{
	struct sl_err err;

	if (sl_store_message(a->delivery->o.store, a->id, &a->fd, &a->offset, &a->size, &err) != 0) {
		a->fd = -1;
		failed(a, 0, "4.3.0", err.text);
	} else if (a->route.kind == SL_ROUTE_DISCARD) {
		failed(a, 250, "2.0.0", "discarded");
	} else if (a->route.kind == SL_ROUTE_MAILDIR) {
		send_maildir(a);
	} else {
		send_smtp(a);
	}
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

static void
pre_done(void *arg, const struct sl_verdict *v, const struct sl_attempt_changes *c)
{
	struct attempt *a = arg;

	if (replace(&a->to, c->recipient) != 0 || replace(&a->from, c->sender) != 0 ||
	    replace(&a->host, c->host) != 0 || replace(&a->metadata, c->metadata) != 0) {
		give_back(a);
		return;
	}
	a->port = c->port;
	if (v->action == SL_RESCHEDULE)
		put_off(a, v->delay, v->counted);
	else if (v->action == SL_DELETE)
		done_with(a);
	else
		send_message(a);
}

static int
copy_entry(struct attempt *a, const struct sl_envelope *env, const struct sl_entry *e)
{
	a->entry = *e;
	a->entry.recipient = a->entry.transport = a->entry.metadata = a->entry.info = NULL;
	a->received_us = env->received_us;
	a->size = env->size;
	a->recipient = sl_strdup(e->recipient);
	a->to = sl_strdup(e->recipient);
	a->sender = sl_strdup(env->sender);
	a->from = sl_strdup(env->sender);
	a->transport = sl_strdup(e->transport != NULL ? e->transport : "");
	return a->recipient == NULL || a->to == NULL || a->sender == NULL || a->from == NULL ||
	    a->transport == NULL || replace(&a->metadata, e->metadata) != 0 ||
	    replace(&a->facts, env->facts) != 0 ? SL_ERR_NOMEM : 0;
}

static int
begin(struct sl_delivery *d, const char *id, size_t index)
{
	const struct sl_envelope *env = sl_store_get(d->o.store, id);
	struct attempt *a = sl_calloc(1, sizeof(*a));
	struct sl_attempt in;

	if (a == NULL || (a->id = sl_strdup(id)) == NULL) {
		sl_free(a);
		sl_store_untake(d->o.store, id, index);
		return SL_ERR_NOMEM;
	}
	a->delivery = d;
	a->index = index;
	a->fd = -1;
	a->port = -1;
	a->began_us = sl_clock_us();
	sl_list_insert(&d->attempts, &a->link);
	d->under_way++;
	if (copy_entry(a, env, &env->entries[index]) != 0) {
		give_back(a);
		return SL_ERR_NOMEM;
	}
	if (!d->o.route(d->o.arg, a->transport, &a->route)) {
		failed(a, 0, "4.3.5", "the policy has no such transport any more");
		return 0;
	}
	fill_attempt(a, &in);
	if (sl_engine_predelivery(d->o.engine, &in, pre_done, a) != 0) {
		give_back(a);
		return SL_ERR_NOMEM;
	}
	return 0;
}

/* ---- what is due -------------------------------------------------------------------------------------------------- */

static void
due(struct sl_timer *timer)
{
	look(sl_list_entry(timer, struct sl_delivery, timer));
}

static void
take_due(struct sl_task *task)
{
	struct sl_delivery *d = sl_list_entry(task, struct sl_delivery, task);
	int64_t next = INT64_MAX, now = wall(d);
	const char *id;
	size_t index;

	sl_timer_stop(&d->timer);
	while (!d->draining && d->under_way < d->o.at_once) {
		if (!sl_store_take(d->o.store, now, &id, &index, &next)) {
			if (next != INT64_MAX)
				sl_timer_start(d->o.loop, &d->timer, (next - now) / 1000 + 1, due);
			return;
		}
		if (begin(d, id, index) != 0) {		/* memory: later again */
			sl_timer_start(d->o.loop, &d->timer, 1000, due);
			return;
		}
	}
}

static void
look(struct sl_delivery *d)
{
	sl_task_post(d->o.loop, &d->task, take_due);
}

/* ---- life ------------------------------------------------------------------------------------------------------------ */

struct sl_delivery *
sl_delivery_new(const struct sl_delivery_options *options, struct sl_err *err)
{
	struct sl_delivery *d = sl_calloc(1, sizeof(*d));

	if (d == NULL) {
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	d->o = *options;
	if (d->o.at_once == 0)
		d->o.at_once = AT_ONCE;
	sl_list_init(&d->attempts);
	look(d);
	return d;
}

void
sl_delivery_kick(struct sl_delivery *d)
{
	if (!d->draining)
		look(d);
}

void
sl_delivery_drain(struct sl_delivery *d, void (*idle)(void *arg), void *arg)
{
	d->draining = true;
	sl_timer_stop(&d->timer);
	if (d->under_way == 0)
		idle(arg);
	else {
		d->idle = idle;
		d->idle_arg = arg;
	}
}

void
sl_delivery_free(struct sl_delivery *d)
{
	if (d == NULL)
		return;
	d->draining = true;
	d->idle = NULL;
	while (!sl_list_empty(&d->attempts))
		attempt_free(sl_list_entry(d->attempts.next, struct attempt, link));
	sl_timer_stop(&d->timer);
	sl_task_cancel(&d->task);
	sl_free(d);
}
