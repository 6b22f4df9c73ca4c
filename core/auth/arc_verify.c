/*
 * Validating a chain, as an evaluator: the structure first, then all fields
 * are read, then all key records asked for at once; when every signature is
 * decided the chain is (RFC 8617 5.2). See arc.h.
 */
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "arc_private.h"
#include "dkim_private.h"

/* The works of a set; those of all sets stand in one array. */
enum { MESSAGE, SEAL, WORKS };

struct sl_arc {
	struct sl_evaluator evaluator;	/* first: the evaluator is the whole */
	struct sl_dkim_checker checker;
	struct sl_arc_chain chain;
	struct sl_arc_result result;
	struct sl_arc_set *sets;
	struct sl_dkim_work *work;	/* of set i: work[i * WORKS + MESSAGE], ... + SEAL] */
	size_t nwork;			/* 0 = decided without */
	uint8_t (*sealed)[SL_DIGEST_MAX];	/* what each seal is over */
	struct sl_dkim_questions questions;
	bool concluded;
};

static void fail(struct sl_arc *a, bool temporary, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

static void
fail(struct sl_arc *a, bool temporary, const char *fmt, ...)
{
	va_list ap;

	a->concluded = true;
	a->result.status = SL_ARC_FAIL;
	a->result.temporary = temporary;
	va_start(ap, fmt);
	vsnprintf(a->result.reason, sizeof(a->result.reason), fmt, ap);
	va_end(ap);
}

/* ---- signatures ---------------------------------------------------------------- */

static struct sl_arc *
of_checker(struct sl_dkim_checker *c)
{
	return (struct sl_arc *)(void *)((char *)c - offsetof(struct sl_arc, checker));
}

static bool
signed_digest(struct sl_dkim_checker *c, struct sl_dkim_work *w, uint8_t *out)
{
	struct sl_arc *a = of_checker(c);
	size_t i = (size_t)(w - a->work);

	if (i % WORKS == MESSAGE)
		return sl_dkim_message_digest(c, w, out);
	memcpy(out, a->sealed[i / WORKS], SL_DIGEST_MAX);
	return true;
}

static void
accept_signature(const struct sl_dkim_checker *c, struct sl_dkim_work *w)
{
	bool part = w->sig.has_length && w->sig.length < w->result.body_length;

	(void)c;
	sl_dkim_decide(w, SL_DKIM_PASS, "%s", part ? "l= leaves part of the body unsigned" : "");
}

/* Each seal is over all sets up to its own (RFC 8617 5.1.1): one pass for all of them. */
static int
hash_seals(struct sl_arc *a)
{
	struct sl_digest all = { 0 }, one = { 0 };
	int r = sl_digest_init(&all, SL_DIGEST_SHA256);

	if (r == 0)
		r = sl_digest_init(&one, SL_DIGEST_SHA256);
	for (unsigned i = 0; r == 0 && i < a->chain.n; i++) {
		const struct sl_arc_fields *f = &a->chain.set[i];

		r = sl_arc_digest_field(&all, f->results->raw);
		if (r == 0)
			r = sl_arc_digest_field(&all, f->message->raw);
		sl_digest_copy(&one, &all);
		if (r == 0)
			r = sl_dkim_digest_signature(&one, SL_CANON_RELAXED, f->seal->raw);
		if (r == 0)
			r = sl_digest_final(&one, a->sealed[i]);
		if (r == 0)
			r = sl_arc_digest_field(&all, f->seal->raw);
	}
	sl_digest_clear(&all);
	sl_digest_clear(&one);
	return r;
}

static bool
take_field(struct sl_arc *a, size_t work, const struct sl_field *field, unsigned flags)
{
	struct sl_dkim_work *w = &a->work[work];

	w->pending = sl_dkim_check_field(&a->checker, w, (size_t)(field - a->checker.m->fields), flags);
	return w->pending;
}

static bool
refused(struct sl_arc *a, unsigned i, int kind)
{
	const struct sl_dkim_result *r = &a->work[i * WORKS + (size_t)kind].result;

	fail(a, r->status == SL_DKIM_TEMPERROR, "%s %u: %s",
	    kind == SEAL ? "ARC-Seal" : "ARC-Message-Signature", i + 1, r->reason);
	return false;
}

/* The fields that must pass decide at once when they can't. */
static bool
take_fields(struct sl_arc *a)
{
	unsigned newest = a->chain.n - 1;

	for (unsigned i = newest + 1; i-- > 0;) {
		struct sl_dkim_work *w = &a->work[i * WORKS + MESSAGE];

		if (!take_field(a, i * WORKS + MESSAGE, a->chain.set[i].message, SL_DKIM_ARC)) {
			if (i == newest)
				return refused(a, i, MESSAGE);
		} else if (i != newest && w->sig.has_length) {
			sl_dkim_decide(w, SL_DKIM_NEUTRAL, "not looked at: it has l=");
		}
		if (!take_field(a, i * WORKS + SEAL, a->chain.set[i].seal, SL_DKIM_SEAL))
			return refused(a, i, SEAL);
	}
	return true;
}

static void
make_questions(struct sl_arc *a)
{
	for (size_t i = 0; i < a->nwork; i++)
		if (a->work[i].pending)
			a->work[i].question = sl_dkim_question_for(&a->questions, &a->work[i].sig);
}

/* ---- the decision ----------------------------------------------------------------- */

/* What fails for good counts before what may be known later. */
static bool
must_pass(struct sl_arc *a, bool temporary)
{
	unsigned newest = a->chain.n - 1;

	for (unsigned i = newest + 1; i-- > 0;) {
		for (int kind = MESSAGE; kind < WORKS; kind++) {
			enum sl_dkim_status s = a->work[i * WORKS + (size_t)kind].result.status;

			if (s != SL_DKIM_PASS && (s == SL_DKIM_TEMPERROR) == temporary &&
			    (kind == SEAL || i == newest))
				return refused(a, i, kind);
		}
	}
	return true;
}

/* RFC 8617 5.2 step 5. */
static unsigned
oldest_pass(const struct sl_arc *a)
{
	unsigned i = a->chain.n;

	while (i > 0 && a->work[(i - 1) * WORKS + MESSAGE].result.status == SL_DKIM_PASS)
		i--;
	return i == 0 ? 0 : i + 1;
}

static bool
covers_from(const struct sl_arc *a)
{
	const struct sl_message *m = a->checker.m;
	size_t froms = 0;

	for (size_t i = 0; i < m->nfields; i++)
		froms += sl_str_ieq(m->fields[i].name, SL_STR("From"));
	return sl_dkim_names_signed(a->work[(a->chain.n - 1) * WORKS + MESSAGE].sig.h,
	    SL_STR("From")) >= froms;
}

static void
conclude(struct sl_arc *a)
{
	if (a->concluded)
		return;
	for (size_t i = 0; i < a->nwork; i++)
		if (a->work[i].pending)
			return;
	if (must_pass(a, false) && must_pass(a, true)) {
		a->result.status = SL_ARC_PASS;
		a->result.oldest_pass = oldest_pass(a);
		a->result.from_signed = covers_from(a);
		a->concluded = true;
	}
}

static void
describe_sets(struct sl_arc *a)
{
	for (size_t i = 0; i < a->result.n; i++) {
		a->sets[i].message = a->work[i * WORKS + MESSAGE].result;
		a->sets[i].seal = a->work[i * WORKS + SEAL].result;
	}
}

/* ---- the evaluator ------------------------------------------------------------------ */

static struct sl_arc *
self(struct sl_evaluator *e)
{
	return (struct sl_arc *)(void *)e;
}

static int
next_question(struct sl_evaluator *e, struct sl_question *out)
{
	return self(e)->concluded ? 0 : sl_dkim_question_next(&self(e)->questions, out);
}

static void
take_answer(struct sl_evaluator *e, unsigned id, const struct sl_dns_answer *answer)
{
	struct sl_arc *a = self(e);

	if (a->concluded || !sl_dkim_question_answered(&a->questions, id))
		return;
	for (size_t i = 0; i < a->nwork; i++)
		if (a->work[i].pending && a->work[i].question == id)
			sl_dkim_check_key(&a->checker, &a->work[i], answer);
	conclude(a);
	if (a->concluded)
		describe_sets(a);
}

static bool
is_done(const struct sl_evaluator *e)
{
	return ((const struct sl_arc *)(const void *)e)->concluded;
}

/* ---- life ------------------------------------------------------------------------------ */

static int
make_room(struct sl_arc *a)
{
	size_t n = a->chain.n;

	a->nwork = n * WORKS;
	a->sets = sl_calloc(n, sizeof(*a->sets));
	a->work = sl_calloc(a->nwork, sizeof(*a->work));
	a->sealed = sl_calloc(n, sizeof(*a->sealed));
	a->questions.q = sl_calloc(a->nwork + 1, sizeof(*a->questions.q));
	if (a->sets == NULL || a->work == NULL || a->sealed == NULL || a->questions.q == NULL)
		return SL_ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		a->sets[i].cv = a->chain.set[i].cv;
		a->sets[i].results = a->chain.set[i].payload;
	}
	a->result.sets = a->sets;
	a->result.n = n;
	return 0;
}

static int
begin(struct sl_arc *a)
{
	struct sl_err err = { 0 };
	int r = sl_arc_collect(&a->chain, a->checker.m, NULL, &err);

	a->result.instances = a->chain.n;
	a->result.ended = a->chain.ended;
	a->result.full = r == SL_ERR_LIMIT || a->chain.n == SL_ARC_MAX_SETS;
	if (a->chain.ended)
		fail(a, false, "ARC-Seal %u says cv=fail (RFC 8617 5.2)", a->chain.n);
	else if (r == SL_ERR_NOMEM)
		return r;
	else if (r < 0)
		fail(a, false, "%.220s", err.text);
	else if (a->chain.n == 0)
		a->concluded = true;
	if (a->concluded)
		return 0;
	if ((r = make_room(a)) < 0)
		return r;
	if (take_fields(a) && (r = hash_seals(a)) == 0)
		make_questions(a);
	describe_sets(a);
	return r;
}

struct sl_arc *
sl_arc_new(struct sl_message *m, const struct sl_arc_options *options)
{
	struct sl_arc *a = sl_calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->evaluator = (struct sl_evaluator){ next_question, take_answer, is_done };
	a->checker = (struct sl_dkim_checker){
		.m = sl_message_ref(m), .keys = options->keys, .now = options->now,
		.skew = options->skew != 0 ? options->skew : SL_DKIM_SKEW,
		.digest = signed_digest, .accept = accept_signature,
	};
	if (begin(a) < 0) {
		sl_arc_free(a);
		return NULL;
	}
	return a;
}

struct sl_evaluator *
sl_arc_evaluator(struct sl_arc *a)
{
	return &a->evaluator;
}

void
sl_arc_free(struct sl_arc *a)
{
	if (a == NULL)
		return;
	sl_message_unref(a->checker.m);
	sl_free(a->sets);
	sl_free(a->work);
	sl_free(a->sealed);
	sl_free(a->questions.q);
	sl_free(a);
}

const struct sl_arc_result *
sl_arc_result(const struct sl_arc *a)
{
	return &a->result;
}
