/*
 * The store changes while a command runs: nothing of it is kept between two
 * turns of the loop but a place in its order. A recipient is seized before it
 * is changed, so that no delivery attempt of it begins meanwhile, and one that
 * an attempt has already is left alone.
 */
#include "command.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "seize.h"

#define PER_TURN	200		/* messages looked at */
#define CHANGES		256		/* on their way to the disk at once */
#define CHUNK		65536

enum verb { LIST, SHOW, RETRY, RELEASE, REMOVE, VERBS };

static const char *const verbs[VERBS] = { "list", "show", "retry", "release", "remove" };

struct sl_queue_run {
	struct sl_loop *loop;
	struct sl_store *store;
	struct sl_delivery *delivery;
	struct sl_events *events;
	struct sl_queue_output out;
	struct sl_task task;
	enum verb verb;
	bool quarantine, all, ended;
	char *id, *sender, *recipient;
	uint64_t at;			/* place in the store */
	struct sl_list changes;
	size_t nchanges;
	uint64_t messages, busy;
	int rc;				/* the first failure of a change */
	int fd;				/* show */
	uint64_t offset, left;
	struct sl_buf line;
};

/* Recipients on their way to a new state. */
struct change {
	struct sl_list link;
	struct sl_queue_run *run;
	struct sl_op *op;
	char *id, *recipient;		/* NULL = all of them */
	size_t first, n;		/* seized; gaps are done already */
};

/* ---- the answer ------------------------------------------------------------------ */

static void
finish(struct sl_queue_run *run, int rc)
{
	sl_task_cancel(&run->task);
	run->out.done(run->out.arg, rc);
}

static void
answer(struct sl_queue_run *run)
{
	int rc = run->line.failed ? SL_ERR_NOMEM :
	    run->out.write(run->out.arg, run->line.p, run->line.n);

	finish(run, rc);
}

static void
refuse(struct sl_queue_run *run, const char *code, const char *text)
{
	sl_buf_reset(&run->line);
	sl_buf_printf(&run->line, "{\"status\":\"error\",\"code\":\"%s\",\"text\":", code);
	sl_event_put_json(&run->line, sl_str_of(text));
	sl_buf_puts(&run->line, "}\n");
	answer(run);
}

static void
refuse_id(struct sl_queue_run *run, const char *code, const char *text)
{
	struct sl_buf words = SL_BUF_INIT;

	sl_buf_printf(&words, "%s %s", run->id, text);
	refuse(run, code, words.failed ? text : words.p);
	sl_buf_clear(&words);
}

static void
conclude(struct sl_queue_run *run)
{
	if (run->rc != 0) {
		refuse(run, run->rc == SL_ERR_NOMEM ? "nomem" : "io",
		    "not all of it could be recorded");
	} else if (run->id != NULL && run->busy > 0 && run->verb == REMOVE) {
		refuse_id(run, "busy", "is being delivered: try again when that is over");
	} else {
		sl_buf_reset(&run->line);
		sl_buf_printf(&run->line, "{\"status\":\"ok\",\"messages\":%llu,\"busy\":%llu}\n",
		    (unsigned long long)run->messages, (unsigned long long)run->busy);
		answer(run);
	}
}

/* ---- which messages --------------------------------------------------------------- */

static bool
address_is(const char *address, const char *wanted)
{
	struct sl_str a = sl_str_of(address), w = sl_str_of(wanted);

	return w.n > 0 && w.p[0] == '@' ? sl_str_iends(a, w) : sl_str_ieq(a, w);
}

/* Whether the command is about this recipient, its message given. */
static bool
chosen(const struct sl_queue_run *run, const struct sl_entry *e)
{
	return e->state == (run->quarantine ? SL_ENTRY_HELD : SL_ENTRY_QUEUED) &&
	    (run->recipient == NULL || address_is(e->recipient, run->recipient));
}

static size_t
count_chosen(const struct sl_queue_run *run, const struct sl_envelope *m)
{
	size_t i, n = 0;

	if (run->sender != NULL && !address_is(m->sender, run->sender))
		return 0;
	for (i = 0; i < m->n; i++)
		n += chosen(run, &m->entries[i]);
	return n;
}

static bool
held(const struct sl_envelope *m)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		if (m->entries[i].state == SL_ENTRY_HELD)
			return true;
	return false;
}

/* ---- list ---------------------------------------------------------------------------- */

static void
put_field(struct sl_buf *b, const char *name, const char *text)
{
	sl_buf_printf(b, ",\"%s\":", name);
	sl_event_put_json(b, sl_str_of(text));
}

static void
put_entry(struct sl_buf *b, const struct sl_entry *e)
{
	static const char *const words[] = {
		[SL_ENTRY_QUEUED] = "queued", [SL_ENTRY_HELD] = "held", [SL_ENTRY_DONE] = "done",
	};

	sl_buf_puts(b, "{\"recipient\":");
	sl_event_put_json(b, sl_str_of(e->recipient));
	put_field(b, "transport", e->transport);
	sl_buf_printf(b, ",\"state\":\"%s\",\"attempts\":%u,\"next\":%lld", words[e->state],
	    e->retry, (long long)(e->next_us / 1000000));
	if (e->info != NULL)
		put_field(b, "info", e->info);
	sl_buf_putc(b, '}');
}

static int
list(struct sl_queue_run *run, const struct sl_envelope *m)
{
	struct sl_buf *b = &run->line;
	size_t i;

	sl_buf_reset(b);
	sl_buf_puts(b, "{\"id\":");
	sl_event_put_json(b, sl_str_of(m->id));
	put_field(b, "sender", m->sender);
	sl_buf_printf(b, ",\"size\":%llu,\"received\":%lld", (unsigned long long)m->size,
	    (long long)(m->received_us / 1000000));
	if (held(m) && m->quarantine != NULL)
		put_field(b, "quarantine", m->quarantine);
	sl_buf_puts(b, ",\"recipients\":[");
	for (i = 0; i < m->n; i++) {
		if (i > 0)
			sl_buf_putc(b, ',');
		put_entry(b, &m->entries[i]);
	}
	sl_buf_puts(b, "]}\n");
	return b->failed ? SL_ERR_NOMEM : run->out.write(run->out.arg, b->p, b->n);
}

/* ---- changes ----------------------------------------------------------------------------- */

static void	 advance(struct sl_task *task);

static void
change_free(struct change *c)
{
	sl_list_remove(&c->link);
	c->run->nchanges--;
	sl_op_release(c->op);
	sl_free(c->id);
	sl_free(c->recipient);
	sl_free(c);
}

/* What was seized and isn't changed. */
static void
let_go(struct sl_store *s, const char *id, size_t first, size_t n)
{
	while (n-- > 0)
		sl_store_untake(s, id, first + n);
}

/* Nothing else would say why a message is gone. */
static void
tell_change(const struct change *c)
{
	static const char *const names[VERBS] = { [RETRY] = "retried", [RELEASE] = "released",
		[REMOVE] = "removed" };
	bool one = c->recipient != NULL;

	sl_event(c->run->events, SL_NOTICE, names[c->run->verb], SL_FIELDS(SL_F_TEXT("id", c->id),
	    SL_F_TEXT(one ? "recipient" : "what", one ? c->recipient : "the whole message"),
	    SL_F_TEXT("by", "an operator")));
}

static void
changed(struct sl_op *op, void *arg)
{
	struct change *c = arg;
	struct sl_queue_run *run = c->run;

	if (op->status != 0 && op->status != SL_ERR_NOTFOUND) {
		let_go(run->store, c->id, c->first, c->n);
		if (run->rc == 0)
			run->rc = op->status;
	} else if (op->status == 0) {
		tell_change(c);
	}
	if ((op->status == 0 || op->status == SL_ERR_NOTFOUND) && run->verb != REMOVE && run->delivery != NULL) {
		sl_delivery_kick(run->delivery);
	}
	change_free(c);
	sl_task_post(run->loop, &run->task, advance);
}

/* Made before the operation: the store may drop the message at once. */
static struct change *
change_new(struct sl_queue_run *run, const char *id, size_t first, size_t n)
{
	struct change *c = sl_calloc(1, sizeof(*c));

	if (c == NULL || (c->id = sl_strdup(id)) == NULL) {
		sl_free(c);
		let_go(run->store, id, first, n);
		run->rc = SL_ERR_NOMEM;
		return NULL;
	}
	c->run = run;
	c->first = first;
	c->n = n;
	sl_list_insert(&run->changes, &c->link);
	run->nchanges++;
	return c;
}

static void
change_wait(struct change *c, struct sl_op *op)
{
	c->op = op;
	if (op != NULL) {
		sl_op_wait(op, changed, c);
		return;
	}
	let_go(c->run->store, c->id, c->first, c->n);
	c->run->rc = SL_ERR_NOMEM;
	change_free(c);
}

/* What is seized. The count of attempts stays, also of one that was held. */
static void
change_one(struct sl_queue_run *run, const struct sl_envelope *m, size_t i)
{
	struct change *c = change_new(run, m->id, i, 1);
	struct sl_entry e = m->entries[i];

	e.state = run->verb == REMOVE ? SL_ENTRY_DONE : SL_ENTRY_QUEUED;
	if (run->verb != REMOVE)
		e.next_us = sl_loop_time_us(run->loop);
	if (c != NULL)
		c->recipient = sl_strdup(e.recipient);	/* for the event alone: NULL is no loss */
	if (c != NULL)
		change_wait(c, sl_store_update(run->store, c->id, i, &e));
}

static void
make_due(struct sl_queue_run *run, const struct sl_envelope *m)
{
	bool busy = false;
	size_t i;

	for (i = 0; i < m->n; i++) {
		if (!chosen(run, &m->entries[i]))
			continue;
		if (sl_store_seize(run->store, m->id, i))
			change_one(run, m, i);
		else
			busy = true;
	}
	run->busy += busy;
}

/* All that is chosen, or nothing: half a removal isn't what was asked for. */
static bool
seize_chosen(struct sl_queue_run *run, const struct sl_envelope *m)
{
	size_t i, k;

	for (i = 0; i < m->n; i++) {
		if (!chosen(run, &m->entries[i]) || sl_store_seize(run->store, m->id, i))
			continue;
		for (k = 0; k < i; k++)
			if (chosen(run, &m->entries[k]))
				sl_store_untake(run->store, m->id, k);
		return false;
	}
	return true;
}

static void
remove_chosen(struct sl_queue_run *run, const struct sl_envelope *m)
{
	struct change *c;
	size_t i, open = 0;

	if (!seize_chosen(run, m)) {
		run->busy++;
		return;
	}
	for (i = 0; i < m->n; i++)
		open += m->entries[i].state != SL_ENTRY_DONE;
	if (open == count_chosen(run, m)) {
		if ((c = change_new(run, m->id, 0, m->n)) != NULL)
			change_wait(c, sl_store_remove(run->store, c->id));
		return;
	}
	for (i = 0; i < m->n; i++)
		if (chosen(run, &m->entries[i]))
			change_one(run, m, i);
}

/* ---- show ------------------------------------------------------------------------ */

static int
begin_show(struct sl_queue_run *run)
{
	struct sl_err err;

	if (sl_store_message(run->store, run->id, &run->fd, &run->offset, &run->left, &err) != 0) {
		run->fd = -1;
		refuse(run, "io", err.text);
		return SL_ERR_IO;
	}
	sl_buf_reset(&run->line);
	sl_buf_printf(&run->line, "{\"size\":%llu}\n", (unsigned long long)run->left);
	run->messages = 1;
	if (!run->line.failed && run->out.write(run->out.arg, run->line.p, run->line.n) == 0)
		return 0;
	finish(run, SL_ERR_NOMEM);
	return SL_ERR_NOMEM;
}

static void
show(struct sl_queue_run *run)
{
	char chunk[CHUNK];
	ssize_t n;

	if (run->fd < 0 && begin_show(run) != 0)
		return;
	if (run->left == 0 || run->ended) {
		conclude(run);
		return;
	}
	n = pread(run->fd, chunk, run->left < CHUNK ? (size_t)run->left : CHUNK,
	    (off_t)run->offset);
	if (n <= 0 || run->out.write(run->out.arg, chunk, (size_t)n) != 0) {
		finish(run, SL_ERR_IO);		/* bytes were promised: no words fit in */
		return;
	}
	run->offset += (uint64_t)n;
	run->left -= (uint64_t)n;
	if (!run->out.full(run->out.arg))
		sl_task_post(run->loop, &run->task, advance);
}

/* ---- going on ---------------------------------------------------------------------- */

static int
act(struct sl_queue_run *run, const struct sl_envelope *m)
{
	if (count_chosen(run, m) == 0)
		return 0;
	run->messages++;
	if (run->verb == LIST)
		return list(run, m);
	if (run->verb == REMOVE)
		remove_chosen(run, m);
	else
		make_due(run, m);
	return 0;
}

static bool
waits(const struct sl_queue_run *run)
{
	return run->nchanges >= CHANGES || (!run->ended && run->out.full(run->out.arg));
}

static void
walk(struct sl_queue_run *run)
{
	const struct sl_envelope *m;
	int n, rc;

	for (n = 0; n < PER_TURN && !run->ended && run->rc == 0 && !waits(run); n++) {
		m = run->id != NULL ? sl_store_get(run->store, run->id) :
		    sl_store_after(run->store, &run->at);
		run->ended = m == NULL || run->id != NULL;
		if (m != NULL && (rc = act(run, m)) != 0) {
			run->ended = true;
			finish(run, rc);
			return;
		}
	}
	if ((run->ended || run->rc != 0) && run->nchanges == 0)
		conclude(run);
	else if (!run->ended && run->rc == 0 && !waits(run))
		sl_task_post(run->loop, &run->task, advance);
}

static void
advance(struct sl_task *task)
{
	struct sl_queue_run *run = sl_list_entry(task, struct sl_queue_run, task);

	if (run->verb == SHOW)
		show(run);
	else
		walk(run);
}

/* ---- the request --------------------------------------------------------------------- */

static int
take_text(const json_t *o, const char *key, char **out)
{
	const json_t *v = json_object_get(o, key);

	if (v == NULL)
		return 0;
	if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
		return SL_ERR_SYNTAX;
	*out = sl_strdup(strcmp(json_string_value(v), "<>") != 0 ? json_string_value(v) : "");
	return *out != NULL ? 0 : SL_ERR_NOMEM;
}

static const char *
read_request(struct sl_queue_run *run, const json_t *o)
{
	const char *word = json_string_value(json_object_get(o, "command"));

	while (run->verb < VERBS && (word == NULL || strcmp(word, verbs[run->verb]) != 0))
		run->verb++;
	if (run->verb == VERBS)
		return "there is no such command";
	run->quarantine = json_is_true(json_object_get(o, "quarantine"));
	run->all = json_is_true(json_object_get(o, "all"));
	if (take_text(o, "id", &run->id) != 0 || take_text(o, "sender", &run->sender) != 0 ||
	    take_text(o, "recipient", &run->recipient) != 0)
		return "id, sender and recipient are texts";
	if (run->verb == SHOW && run->id == NULL)
		return "show needs an id";
	if (run->verb == (run->quarantine ? RETRY : RELEASE))
		return run->quarantine ? "what is in quarantine is released" :
		    "only what is in quarantine is released";
	if (run->verb > SHOW && run->id == NULL && run->sender == NULL && run->recipient == NULL &&
	    !run->all)
		return "which messages? An id, sender, recipient or all";
	return NULL;
}

/* An id that is not there, or not in this place, is answered at once. */
static bool
id_is_good(struct sl_queue_run *run)
{
	const struct sl_envelope *m = run->id != NULL ? sl_store_get(run->store, run->id) : NULL;

	if (run->id == NULL || (m != NULL && count_chosen(run, m) > 0))
		return true;
	if (m == NULL)
		refuse_id(run, "notfound", "is not there");
	else if (held(m) && !run->quarantine)
		refuse_id(run, "elsewhere", "is in quarantine");
	else
		refuse_id(run, "elsewhere", run->quarantine ? "is not in quarantine" :
		    "has no such recipient");
	return false;
}

static void
begin(struct sl_task *task)
{
	struct sl_queue_run *run = sl_list_entry(task, struct sl_queue_run, task);
	struct sl_str text = sl_buf_str(&run->line);
	json_t *o = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	const char *why = "the request is no JSON object";

	if (json_is_object(o))
		why = read_request(run, o);
	json_decref(o);
	if (why != NULL)
		refuse(run, "syntax", why);
	else if (id_is_good(run))
		advance(&run->task);
}

struct sl_queue_run *
sl_queue_run_new(struct sl_loop *loop, struct sl_store *store, struct sl_delivery *delivery,
    struct sl_events *events, struct sl_str request, const struct sl_queue_output *output)
{
	struct sl_queue_run *run = sl_calloc(1, sizeof(*run));

	if (run == NULL || sl_buf_putstr(&run->line, request) != 0) {
		sl_free(run);
		return NULL;
	}
	run->loop = loop;
	run->store = store;
	run->delivery = delivery;
	run->events = events;
	run->out = *output;
	run->fd = -1;
	sl_list_init(&run->changes);
	sl_task_post(loop, &run->task, begin);
	return run;
}

void
sl_queue_run_resume(struct sl_queue_run *run)
{
	if (run->task.loop == NULL)
		sl_task_post(run->loop, &run->task, advance);
}

void
sl_queue_run_stop(struct sl_queue_run *run)
{
	run->ended = true;
	sl_task_post(run->loop, &run->task, advance);
}

void
sl_queue_run_free(struct sl_queue_run *run)
{
	if (run == NULL)
		return;
	sl_task_cancel(&run->task);
	while (!sl_list_empty(&run->changes))
		change_free(sl_list_entry(run->changes.next, struct change, link));
	if (run->fd >= 0)
		close(run->fd);
	sl_buf_clear(&run->line);
	sl_free(run->id);
	sl_free(run->sender);
	sl_free(run->recipient);
	sl_free(run);
}
