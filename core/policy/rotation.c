/* Which key of a domain signs. See rotation.h. */
#include "rotation.h"

#include <stdio.h>
#include <string.h>

#include "../auth/dkim_published.h"
#include "../base/alloc.h"
#include "../mail/address.h"
#include "../tape/tape.h"
#include "taps.h"

#define TIMEOUT_MS	10000
#define RETRY_MS	60000	/* where DNS didn't answer */

/* What is known of one domain's keys. */
struct domain {
	const struct sl_dkim_domain *wanted;
	const char *name;
	size_t chosen;			/* of the entries; wanted->n = none, SIZE_MAX = not yet */
	struct known {
		enum sl_dkim_published state;
		int64_t due_ms;		/* sl_loop_now() of the next look */
		char why[120];		/* of a key that can't be read */
	} known[];
};

/* One look: an operation around an evaluation. */
struct look {
	struct sl_op op;
	struct asking {
		struct sl_evaluator evaluator;	/* first: the evaluator is the whole */
		struct sl_generation *generation;	/* counted */
		struct sl_dns *dns;		/* counted */
		bool played;		/* a tape answers: nothing is known before or afterwards */
		struct domain *domain;		/* NULL = nothing to ask */
		bool asked[SL_DKIM_ENTRIES];
		size_t open;
	} asking;
	struct sl_op *evaluation;
};

/* ---- questions and answers ---------------------------------------------- */

static int
next_question(struct sl_evaluator *e, struct sl_question *out)
{
	struct asking *a = (struct asking *)(void *)e;
	size_t i;

	for (i = 0; i < a->domain->wanted->n; i++) {
		if (a->asked[i])
			continue;
		a->asked[i] = true;
		out->id = (unsigned)i;
		out->type = SL_DNS_TXT;
		if (!sl_dkim_key_name(out->name, a->domain->wanted->entry[i].selector,
		    sl_str_of(a->domain->name)))
			out->name[0] = '\0';
		return 1;
	}
	return 0;
}

/* A key that can't be read is told by its error, whatever DNS has. */
static void
take_answer(struct asking *a, size_t i, const struct sl_dns_answer *answer)
{
	struct known *k = &a->domain->known[i];
	const struct sl_dkim_entry *entry = &a->domain->wanted->entry[i];
	int64_t recheck = (int64_t)(a->generation->config->dkim_recheck * 1000);
	enum sl_dkim_published state = SL_DKIM_PUB_BROKEN;
	struct sl_err err = { 0 };
	struct sl_key *key = sl_generation_key(a->generation, entry->key, &err);

	if (key != NULL)
		state = sl_dkim_published(answer, key);
	sl_key_unref(key);
	snprintf(k->why, sizeof(k->why), "%.110s", err.text);
	if (state == SL_DKIM_PUB_UNKNOWN && recheck > RETRY_MS)
		recheck = RETRY_MS;
	if (a->played || state != SL_DKIM_PUB_UNKNOWN)
		k->state = state;
	k->due_ms = a->played ? 0 : sl_loop_now(a->generation->engine->loop) + recheck;
}

static void
on_answer(struct sl_evaluator *e, unsigned id, const struct sl_dns_answer *answer)
{
	struct asking *a = (struct asking *)(void *)e;

	if (a->open == 0 || id >= a->domain->wanted->n)
		return;
	take_answer(a, id, answer);
	a->open--;
}

static bool
is_done(const struct sl_evaluator *e)
{
	return ((const struct asking *)(const void *)e)->open == 0;
}

/* ---- the look --------------------------------------------------------------- */

static void
look_cancel(struct sl_op *op)
{
	struct look *look = (struct look *)op;

	sl_op_release(look->evaluation);
	look->evaluation = NULL;
}

static void
look_free(struct sl_op *op)
{
	look_cancel(op);
	sl_dns_unref(((struct look *)op)->asking.dns);
	sl_generation_unref(((struct look *)op)->asking.generation);
	sl_free(op);
}

static const struct sl_op_class look_class = { "dkim_keys", look_cancel, look_free };

static void
looked(struct sl_op *op, void *arg)
{
	(void)op;
	sl_op_finish(&((struct look *)arg)->op, 0);
}

static struct domain *
new_domain(const struct sl_generation *g, const char *name)
{
	const struct sl_dkim_domain *wanted = sl_dict_get(g->config->dkim, sl_str_of(name));
	size_t n = strlen(name) + 1;
	struct domain *d;

	if (wanted == NULL)
		return NULL;
	d = sl_calloc(1, sizeof(*d) + wanted->n * sizeof(d->known[0]) + n);
	if (d == NULL)
		return NULL;
	d->wanted = wanted;
	d->chosen = SIZE_MAX;
	d->name = memcpy((char *)&d->known[wanted->n], name, n);
	return d;
}

/* NULL with err->code 0: sluice.lua doesn't have the domain. */
static struct domain *
find(struct sl_generation *g, struct sl_str domain, struct sl_err *err)
{
	char name[256];
	struct domain *d;

	*err = (struct sl_err){ 0 };
	if (sl_domain_normalize(name, domain, err) != 0 ||
	    !sl_dict_has(g->config->dkim, sl_str_of(name))) {
		err->code = 0;
		return NULL;
	}
	if (g->rotation == NULL)
		g->rotation = sl_dict_new();
	d = g->rotation != NULL ? sl_dict_get(g->rotation, sl_str_of(name)) : NULL;
	if (d != NULL)
		return d;
	d = g->rotation != NULL ? new_domain(g, name) : NULL;
	if (d == NULL || sl_dict_set(g->rotation, sl_str_of(name), d, NULL) != 0) {
		sl_free(d);
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	return d;
}

/* All that aren't due count as asked. */
static void
choose_questions(struct asking *a)
{
	int64_t now = sl_loop_now(a->generation->engine->loop);
	size_t i;

	for (i = 0; a->domain != NULL && i < a->domain->wanted->n; i++) {
		a->asked[i] = !a->played && a->domain->known[i].due_ms > now;
		a->open += !a->asked[i];
	}
}

static int
begin(struct look *look)
{
	struct sl_generation *g = look->asking.generation;

	look->evaluation = sl_evaluate(g->engine->loop, look->asking.dns, &look->asking.evaluator,
	    TIMEOUT_MS, NULL);
	if (look->evaluation == NULL)
		return SL_ERR_NOMEM;
	sl_op_wait(look->evaluation, looked, look);
	return 0;
}

/* ---- what a tape has -------------------------------------------------------- */

static size_t
entry_of(const struct domain *d, struct sl_str selector)
{
	size_t i;

	for (i = 0; i < d->wanted->n && !sl_str_eq(d->wanted->entry[i].selector, selector); i++)
		;
	return i;
}

/* What was chosen then, where this policy can choose it: its entry, or that it was none. */
static bool
chosen_then(const struct sl_context *ctx, const struct domain *d, size_t *i, struct sl_str *answer)
{
	struct sl_tape *tape = sl_context_tape(ctx);
	struct sl_str selector;

	if (d == NULL || !sl_tape_plays(tape) ||
	    !sl_tape_find(tape, "rotation", sl_str_of(d->name), SL_TAPE_AGAIN, answer))
		return false;
	selector = sl_tape_get(*answer, "selector");
	*i = entry_of(d, selector);
	return selector.n == 0 || *i < d->wanted->n;
}

static void
note_choice(const struct sl_context *ctx, const struct domain *d, struct sl_str selector,
    const struct sl_err *err)
{
	struct sl_tape *tape = sl_context_tape(ctx);
	struct sl_buf value = SL_BUF_INIT;

	if (!sl_tape_records(tape))
		return;
	if (selector.n > 0) {
		sl_tape_put(&value, "selector", selector);
	} else {
		sl_tape_put_number(&value, "code", err->code);
		sl_tape_put(&value, "error", sl_str_of(err->text));
	}
	sl_tape_note(tape, "rotation", sl_str_of(d->name), sl_buf_str(&value));
	sl_buf_clear(&value);
}

struct sl_op *
sl_rotation_look(const struct sl_context *ctx, struct sl_str domain)
{
	struct sl_generation *g = ctx->generation;
	struct look *look = sl_calloc(1, sizeof(*look));
	struct sl_dns *dns = sl_context_dns(ctx);
	struct sl_str answer;
	struct sl_err err;
	size_t i;

	if (look == NULL || dns == NULL) {
		sl_free(look);
		return NULL;
	}
	sl_op_init(&look->op, &look_class, g->engine->loop, 0);
	look->asking = (struct asking){
		.evaluator = { next_question, on_answer, is_done },
		.generation = sl_generation_ref(g), .domain = find(g, domain, &err),
		.dns = sl_dns_ref(dns), .played = sl_tape_plays(sl_context_tape(ctx)),
	};
	if (!chosen_then(ctx, look->asking.domain, &i, &answer))
		choose_questions(&look->asking);
	if (look->asking.open == 0 && err.code == 0) {
		sl_op_finish(&look->op, 0);
	} else if (err.code != 0 || begin(look) != 0) {
		look_free(&look->op);
		return NULL;
	}
	return &look->op;
}

/* ---- the choice ------------------------------------------------------------- */

static struct sl_str
selector_of(const struct domain *d, size_t i)
{
	return i < d->wanted->n ? d->wanted->entry[i].selector : SL_STR("");
}

static void
choose(struct sl_generation *g, struct domain *d, size_t i)
{
	if (i == d->chosen)
		return;
	sl_event(g->engine->events, i < d->wanted->n ? SL_NOTICE : SL_WARNING, i < d->wanted->n ?
	    "dkim_key_chosen" : "dkim_key_missing", SL_FIELDS(SL_F_TEXT("domain", d->name),
	    SL_F_STR("selector", selector_of(d, i)), SL_F_STR("before", selector_of(d, d->chosen))));
	d->chosen = i;
}

/* "s2: missing, s1: other key" */
static int
none(const struct domain *d, struct sl_err *err)
{
	struct sl_buf text = SL_BUF_INIT;
	bool unknown = false;
	size_t i;
	int rc;

	for (i = 0; i < d->wanted->n; i++) {
		const struct known *k = &d->known[i];

		unknown = unknown || k->state == SL_DKIM_PUB_UNKNOWN;
		sl_buf_printf(&text, "%s%.*s: %s", i > 0 ? ", " : "", (int)selector_of(d, i).n,
		    selector_of(d, i).p, k->why[0] != '\0' ? k->why : sl_dkim_published_word(k->state));
	}
	rc = sl_err_set(err, unknown ? SL_ERR_TEMP : SL_ERR_REFUSED,
	    "no key of %s is known to be published (%s)", d->name, text.n > 0 ? text.p : "");
	sl_buf_clear(&text);
	return rc;
}

/* The entry's number; with err->code: there is none, and why. */
static size_t
first_good(struct sl_generation *g, struct domain *d, struct sl_err *err)
{
	size_t i;

	for (i = 0; i < d->wanted->n && d->known[i].state != SL_DKIM_PUB_GOOD; i++)
		;
	if (i == d->wanted->n && none(d, err) != SL_ERR_REFUSED)
		return i;
	choose(g, d, i);
	return i;
}

static size_t
pick(const struct sl_context *ctx, struct domain *d, struct sl_err *err)
{
	struct sl_str answer;
	size_t i;

	if (!chosen_then(ctx, d, &i, &answer))
		return first_good(ctx->generation, d, err);
	if (i == d->wanted->n)
		sl_err_set(err, (int)sl_tape_get_number(answer, "code"), "%.*s",
		    (int)sl_str_sub(sl_tape_get(answer, "error"), 0, 250).n,
		    sl_tape_get(answer, "error").p);
	return i;
}

int
sl_rotation_choose(const struct sl_context *ctx, struct sl_str domain, struct sl_str *selector,
    struct sl_key **key, struct sl_err *err)
{
	struct domain *d = find(ctx->generation, domain, err);
	size_t i;

	if (d == NULL && err->code == 0)
		return sl_err_set(err, SL_ERR_NOTFOUND, "sluice.lua has no dkim key of \"%.*s\"",
		    (int)(domain.n < 200 ? domain.n : 200), domain.p);
	if (d == NULL)
		return err->code;
	i = pick(ctx, d, err);
	note_choice(ctx, d, selector_of(d, i), err);
	if (i == d->wanted->n)
		return err->code;
	*key = sl_context_key(ctx, d->wanted->entry[i].key, err);
	if (*key == NULL)
		return err->code;
	*selector = d->wanted->entry[i].selector;
	return 0;
}

static void
free_domain(void *domain)
{
	sl_free(domain);
}

void
sl_rotation_drop(struct sl_generation *g)
{
	if (g->rotation != NULL)
		sl_dict_free(g->rotation, free_domain);
}
