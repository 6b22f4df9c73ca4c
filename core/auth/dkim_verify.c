/*
 * Verifying, as an evaluator: signatures are parsed first, then the key
 * records are asked for, and each answer finishes the signatures that wait
 * for it. See dkim.h.
 */
#include "dkim_private.h"

#define MAX_SIGNATURES	10

struct sl_dkim_verify {
	struct sl_evaluator evaluator;	/* first: the evaluator is the whole */
	struct sl_dkim_checker checker;
	bool refuse_length;
	size_t froms;			/* From fields of the message */
	size_t n, max, skipped;
	struct sl_dkim_work *work;
	struct sl_dkim_questions questions;
};

static void
take_signature(struct sl_dkim_verify *v, size_t field)
{
	struct sl_dkim_work *w = &v->work[v->n++];

	if (sl_dkim_check_field(&v->checker, w, field, 0)) {
		w->pending = true;
		w->question = sl_dkim_question_for(&v->questions, &w->sig);
		sl_dkim_want_body(&v->checker, &w->sig);
	}
}

static void
take_signatures(struct sl_dkim_verify *v)
{
	const struct sl_message *m = v->checker.m;

	for (size_t i = 0; i < m->nfields; i++) {
		struct sl_str name = m->fields[i].name;

		v->froms += sl_str_ieq(name, SL_STR("From"));
		if (!sl_str_ieq(name, SL_STR("DKIM-Signature")))
			continue;
		if (v->n < v->max)
			take_signature(v, i);
		else
			v->skipped++;
	}
}

/* ---- what is accepted ---------------------------------------------------------- */

static const struct sl_dkim_verify *
of_checker(const struct sl_dkim_checker *c)
{
	return (const struct sl_dkim_verify *)(const void *)((const char *)c -
	    offsetof(struct sl_dkim_verify, checker));
}

/* The cryptography is good; is what it covers enough? RFC 6376 8.2, 8.15. */
static void
accept_signature(const struct sl_dkim_checker *c, struct sl_dkim_work *w)
{
	const struct sl_dkim_verify *v = of_checker(c);
	bool part = w->sig.has_length && w->sig.length < w->result.body_length;

	if (v->froms > sl_dkim_names_signed(w->sig.h, SL_STR("From")))
		sl_dkim_decide(w, SL_DKIM_POLICY, "a From field is not signed");
	else if (part && v->refuse_length)
		sl_dkim_decide(w, SL_DKIM_POLICY, "l= leaves part of the body unsigned");
	else
		sl_dkim_decide(w, SL_DKIM_PASS, "%s", part ? "l= leaves part of the body unsigned" : "");
}

/* ---- the evaluator --------------------------------------------------------- */

static struct sl_dkim_verify *
self(struct sl_evaluator *e)
{
	return (struct sl_dkim_verify *)(void *)e;
}

static int
next_question(struct sl_evaluator *e, struct sl_question *out)
{
	return sl_dkim_question_next(&self(e)->questions, out);
}

static void
take_answer(struct sl_evaluator *e, unsigned id, const struct sl_dns_answer *answer)
{
	struct sl_dkim_verify *v = self(e);

	if (!sl_dkim_question_answered(&v->questions, id))
		return;
	for (size_t i = 0; i < v->n; i++)
		if (v->work[i].pending && v->work[i].question == id)
			sl_dkim_check_key(&v->checker, &v->work[i], answer);
}

static bool
is_done(const struct sl_evaluator *e)
{
	const struct sl_dkim_verify *v = (const struct sl_dkim_verify *)(const void *)e;

	for (size_t i = 0; i < v->n; i++)
		if (v->work[i].pending)
			return false;
	return true;
}

/* ---- life -------------------------------------------------------------------- */

static size_t
count_signatures(const struct sl_message *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->nfields; i++)
		n += sl_str_ieq(m->fields[i].name, SL_STR("DKIM-Signature"));
	return n;
}

static bool
make_room(struct sl_dkim_verify *v)
{
	size_t n = count_signatures(v->checker.m);

	if (n > v->max)
		n = v->max;
	v->work = sl_calloc(n + 1, sizeof(*v->work));
	v->questions.q = sl_calloc(n + 1, sizeof(*v->questions.q));
	return v->work != NULL && v->questions.q != NULL;
}

struct sl_dkim_verify *
sl_dkim_verify_new(struct sl_message *m, const struct sl_dkim_verify_options *options)
{
	struct sl_dkim_verify *v = sl_calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	v->evaluator.question = next_question;
	v->evaluator.answer = take_answer;
	v->evaluator.done = is_done;
	v->checker = (struct sl_dkim_checker){
		.m = sl_message_ref(m), .keys = options->keys, .now = options->now,
		.skew = options->skew != 0 ? options->skew : SL_DKIM_SKEW,
		.digest = sl_dkim_message_digest, .accept = accept_signature,
	};
	v->refuse_length = options->refuse_length;
	v->max = options->max_signatures != 0 ? options->max_signatures : MAX_SIGNATURES;
	if (!make_room(v)) {
		sl_dkim_verify_free(v);
		return NULL;
	}
	take_signatures(v);
	return v;
}

struct sl_evaluator *
sl_dkim_verify_evaluator(struct sl_dkim_verify *v)
{
	return &v->evaluator;
}

void
sl_dkim_verify_free(struct sl_dkim_verify *v)
{
	if (v == NULL)
		return;
	sl_message_unref(v->checker.m);
	sl_free(v->work);
	sl_free(v->questions.q);
	sl_free(v);
}

size_t
sl_dkim_verify_count(const struct sl_dkim_verify *v)
{
	return v->n;
}

const struct sl_dkim_result *
sl_dkim_verify_result(const struct sl_dkim_verify *v, size_t i)
{
	return &v->work[i].result;
}

size_t
sl_dkim_verify_skipped(const struct sl_dkim_verify *v)
{
	return v->skipped;
}

enum sl_dkim_status
sl_dkim_verify_status(const struct sl_dkim_verify *v)
{
	enum sl_dkim_status best = SL_DKIM_NONE;

	for (size_t i = 0; i < v->n; i++)
		if (v->work[i].result.status > best)
			best = v->work[i].result.status;
	return best;
}
