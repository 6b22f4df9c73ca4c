/* The three evaluations side by side, then the decision. See scan.h. */
#include "scan.h"

#include "../base/alloc.h"
#include "../mail/address.h"

#define TIMEOUT_MS	20000
#define SIGNATURES	10

enum { SPF, DKIM, DMARC, OTHER, ARC, KINDS };

struct sl_auth_scan {
	struct sl_loop *loop;
	struct sl_dns *dns;
	void (*concluded)(const struct sl_auth_scan *scan, void *arg);
	void *arg;
	struct sl_spf *spf;		/* NULL = not checked */
	struct sl_dkim_verify *dkim;	/* NULL in a scan of the chain or of SPF alone */
	struct sl_arc *arc;		/* NULL in any other */
	struct sl_dmarc *dmarc;		/* NULL = no author domain */
	struct sl_dmarc *other;		/* by the other RFC; NULL = not compared */
	struct sl_dmarc_from from;
	struct sl_op *ops[KINDS];	/* under way */
	unsigned pending;
	bool done;
	struct sl_list waiting;		/* struct scan_op */
};

/* ---- those who wait ------------------------------------------------------------------ */

struct scan_op {
	struct sl_op op;
	struct sl_list link;		/* empty = told, or not any more to be told */
};

static void
op_cancel(struct sl_op *op)
{
	sl_list_remove(&((struct scan_op *)op)->link);
}

static void
op_free(struct sl_op *op)
{
	op_cancel(op);
	sl_free(op);
}

static const struct sl_op_class scan_class = { "scan", op_cancel, op_free };

struct sl_op *
sl_auth_scan_wait(struct sl_auth_scan *scan)
{
	struct scan_op *s = sl_calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	sl_op_init(&s->op, &scan_class, scan->loop, 0);
	sl_list_init(&s->link);
	if (scan->done)
		sl_op_finish(&s->op, 0);
	else
		sl_list_insert(&scan->waiting, &s->link);
	return &s->op;
}

static void
conclude(struct sl_auth_scan *scan)
{
	struct sl_list *node;

	scan->done = true;
	if (scan->concluded != NULL)
		scan->concluded(scan, scan->arg);
	while ((node = sl_list_pop(&scan->waiting)) != NULL)
		sl_op_finish(&sl_list_entry(node, struct scan_op, link)->op, 0);
}

/* ---- the evaluations ------------------------------------------------------------------ */

static void
over(struct sl_auth_scan *scan, struct sl_op *op)
{
	size_t i;

	for (i = 0; i < KINDS; i++)
		if (scan->ops[i] == op)
			scan->ops[i] = NULL;
	sl_op_release(op);
	scan->pending--;
}

static void
decided(struct sl_op *op, void *arg)
{
	struct sl_auth_scan *scan = arg;

	over(scan, op);
	if (scan->pending == 0)
		conclude(scan);
}

static size_t
dkim_inputs(const struct sl_auth_scan *scan, struct sl_dmarc_dkim *out, size_t max)
{
	size_t i, n = sl_dkim_verify_count(scan->dkim);

	for (i = 0; i < n && i < max; i++) {
		const struct sl_dkim_result *r = sl_dkim_verify_result(scan->dkim, i);

		out[i] = (struct sl_dmarc_dkim){ r->domain, r->selector, r->status };
	}
	return i;
}

/* The decision may need one more walk. */
static void
decide_by(struct sl_auth_scan *scan, struct sl_dmarc *dmarc, int kind,
    const struct sl_dmarc_inputs *in)
{
	struct sl_evaluator *e;

	if (dmarc == NULL)
		return;
	sl_dmarc_decide(dmarc, in);
	e = sl_dmarc_evaluator(dmarc);
	if (!e->done(e))
		scan->ops[kind] = sl_evaluate(scan->loop, scan->dns, e, TIMEOUT_MS, NULL);
	if (scan->ops[kind] == NULL)
		return;
	scan->pending++;
	sl_op_wait(scan->ops[kind], decided, scan);
}

/* SPF and DKIM are known, and the policy. */
static void
decide(struct sl_auth_scan *scan)
{
	struct sl_dmarc_dkim dkim[SL_DMARC_MAX_DKIM];
	struct sl_dmarc_inputs in = { .spf = sl_auth_scan_spf(scan), .dkim = dkim };

	if (scan->dmarc != NULL) {
		in.ndkim = dkim_inputs(scan, dkim, SL_DMARC_MAX_DKIM);
		decide_by(scan, scan->dmarc, DMARC, &in);
		decide_by(scan, scan->other, OTHER, &in);
	}
	if (scan->pending == 0)
		conclude(scan);
}

static void
evaluated(struct sl_op *op, void *arg)
{
	struct sl_auth_scan *scan = arg;

	over(scan, op);
	if (scan->pending == 0)
		decide(scan);
}

static int
begin(struct sl_auth_scan *scan)
{
	struct sl_evaluator *e[KINDS] = {
		[SPF] = scan->spf != NULL ? sl_spf_evaluator(scan->spf) : NULL,
		[DKIM] = scan->dkim != NULL ? sl_dkim_verify_evaluator(scan->dkim) : NULL,
		[DMARC] = scan->dmarc != NULL ? sl_dmarc_evaluator(scan->dmarc) : NULL,
		[OTHER] = scan->other != NULL ? sl_dmarc_evaluator(scan->other) : NULL,
		[ARC] = scan->arc != NULL ? sl_arc_evaluator(scan->arc) : NULL,
	};
	size_t i;

	for (i = 0; i < KINDS; i++) {
		if (e[i] == NULL)
			continue;
		scan->ops[i] = sl_evaluate(scan->loop, scan->dns, e[i], TIMEOUT_MS, NULL);
		if (scan->ops[i] == NULL)
			return SL_ERR_NOMEM;
		scan->pending++;
		sl_op_wait(scan->ops[i], evaluated, scan);
	}
	return 0;
}

/* ---- the start ------------------------------------------------------------------------ */

/* Domains of signatures, so that their organizational domains are asked for beside the rest. */
static void
expect_signers(struct sl_dmarc *dmarc, const struct sl_message *m)
{
	struct sl_dkim_signature *sig = sl_malloc(sizeof(*sig));
	char domain[256];
	struct sl_err err;
	size_t i, n = 0;

	for (i = 0; sig != NULL && i < m->nfields && n < SIGNATURES; i++) {
		if (!sl_str_ieq(m->fields[i].name, SL_STR("DKIM-Signature")))
			continue;
		n++;
		if (sl_dkim_signature_parse(sig, m->fields[i].value, 0, &err) == 0 &&
		    sl_domain_normalize(domain, sig->domain, &err) == 0)
			sl_dmarc_expect(dmarc, domain);
	}
	sl_free(sig);
}

static int64_t
now_of(const struct sl_auth_scan_options *o)
{
	return o->now != 0 ? o->now : sl_loop_time_us(o->loop) / 1000000;
}

static int
create_arc(struct sl_auth_scan *scan, const struct sl_auth_scan_options *o)
{
	struct sl_arc_options options = {
		.now = now_of(o), .keys = o->keys,
	};

	scan->arc = sl_arc_new(o->message, &options);
	return scan->arc != NULL ? 0 : SL_ERR_NOMEM;
}

static struct sl_dmarc *
new_dmarc(struct sl_auth_scan *scan, const struct sl_dmarc_options *options,
    const struct sl_auth_scan_options *o)
{
	struct sl_dmarc *dmarc = sl_dmarc_new(options, scan->from.domain);

	if (dmarc == NULL)
		return NULL;
	if (o->sender_domain != NULL)
		sl_dmarc_expect(dmarc, o->sender_domain);
	expect_signers(dmarc, o->message);
	return dmarc;
}

static int
create(struct sl_auth_scan *scan, const struct sl_auth_scan_options *o)
{
	struct sl_dkim_verify_options dkim = {
		.now = now_of(o), .max_signatures = SIGNATURES,
		.keys = o->keys,
	};
	struct sl_dmarc_options other = o->dmarc;
	int rc;

	if (o->spf != NULL && (scan->spf = sl_spf_new(o->spf)) == NULL)
		return SL_ERR_NOMEM;
	if (o->spf_alone)
		return 0;
	rc = sl_dmarc_from(&scan->from, o->message, NULL);
	if (rc == SL_ERR_NOMEM || (scan->dkim = sl_dkim_verify_new(o->message, &dkim)) == NULL)
		return SL_ERR_NOMEM;
	if (rc != 0)
		return 0;
	scan->dmarc = new_dmarc(scan, &o->dmarc, o);
	other.profile = o->dmarc.profile == SL_DMARC_RFC9989 ? SL_DMARC_RFC7489 : SL_DMARC_RFC9989;
	if (o->compare)
		scan->other = new_dmarc(scan, &other, o);
	return scan->dmarc != NULL && (scan->other != NULL || !o->compare) ? 0 : SL_ERR_NOMEM;
}

struct sl_auth_scan *
sl_auth_scan_start(const struct sl_auth_scan_options *options)
{
	struct sl_auth_scan *scan = sl_calloc(1, sizeof(*scan));

	if (scan == NULL)
		return NULL;
	scan->loop = options->loop;
	scan->dns = options->dns;
	scan->concluded = options->concluded;
	scan->arg = options->arg;
	sl_list_init(&scan->waiting);
	if ((options->arc ? create_arc(scan, options) : create(scan, options)) == 0 && begin(scan) == 0)
		return scan;
	sl_auth_scan_free(scan);
	return NULL;
}

void
sl_auth_scan_free(struct sl_auth_scan *scan)
{
	size_t i;

	if (scan == NULL)
		return;
	while (sl_list_pop(&scan->waiting) != NULL)
		;
	for (i = 0; i < KINDS; i++)
		sl_op_release(scan->ops[i]);
	sl_spf_free(scan->spf);
	sl_dkim_verify_free(scan->dkim);
	sl_dmarc_free(scan->dmarc);
	sl_dmarc_free(scan->other);
	sl_arc_free(scan->arc);
	sl_free(scan);
}

/* ---- results -------------------------------------------------------------------------- */

bool
sl_auth_scan_done(const struct sl_auth_scan *scan)
{
	return scan->done;
}

const struct sl_spf_result *
sl_auth_scan_spf(const struct sl_auth_scan *scan)
{
	return scan->spf != NULL ? sl_spf_result(scan->spf) : NULL;
}

int
sl_auth_scan_received(const struct sl_auth_scan *scan, struct sl_buf *out)
{
	return scan->spf != NULL ? sl_spf_received(out, scan->spf) : 0;
}

const struct sl_dkim_verify *
sl_auth_scan_dkim(const struct sl_auth_scan *scan)
{
	return scan->dkim;
}

const struct sl_dmarc_from *
sl_auth_scan_from(const struct sl_auth_scan *scan)
{
	return &scan->from;
}

const struct sl_dmarc_details *
sl_auth_scan_dmarc(const struct sl_auth_scan *scan)
{
	return scan->dmarc != NULL ? sl_dmarc_result(scan->dmarc) : NULL;
}

const struct sl_dmarc_details *
sl_auth_scan_other(const struct sl_auth_scan *scan)
{
	return scan->other != NULL ? sl_dmarc_result(scan->other) : NULL;
}

const struct sl_arc_result *
sl_auth_scan_arc(const struct sl_auth_scan *scan)
{
	return sl_arc_result(scan->arc);
}
