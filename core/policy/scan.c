#include "scan.h"

#include <string.h>

#include "../base/alloc.h"
#include "engine.h"

#define TIMEOUT_MS	20000
#define SIGNATURES	10

struct sl_auth_scan {
	struct sl_engine *engine;
	struct sl_dns *dns;		/* of the transaction's generation */
	struct sl_transaction *transaction;
	struct sl_spf *spf;
	struct sl_dkim_verify *dkim;
	struct sl_dmarc *dmarc;
	struct sl_dmarc_from from;
	struct sl_op *ops[3];		/* under way */
	unsigned pending;
	bool done;
	struct scan_op *waiting;
};

struct scan_op {
	struct sl_op op;
	struct sl_auth_scan *scan;
};

/* ---- the operation ------------------------------------------------------------------ */

static void
op_cancel(struct sl_op *op)
{
	struct scan_op *s = (struct scan_op *)op;

	if (s->scan != NULL)
		s->scan->waiting = NULL;
	s->scan = NULL;
}

static void
op_free(struct sl_op *op)
{
	op_cancel(op);
	sl_free(op);
}

static const struct sl_op_class scan_class = { "scan", op_cancel, op_free };

static void
conclude(struct sl_auth_scan *scan)
{
	struct scan_op *op = scan->waiting;
	struct sl_buf line = SL_BUF_INIT;
	const struct sl_session *s = scan->transaction->session;
	struct sl_dmarc_log log = {
		.id = scan->transaction->id, .ts = sl_loop_time_us(scan->engine->loop) / 1000000,
		.ip = s->senderip, .helo = s->helo != NULL ? s->helo : "",
		.mailfrom = scan->transaction->senderdomain,
	};

	scan->done = true;
	if (scan->dmarc != NULL && sl_event_wanted(scan->engine->events, SL_INFO) &&
	    sl_dmarc_log_line(&line, sl_dmarc_result(scan->dmarc), &log) == 0)
		sl_event(scan->engine->events, SL_INFO, "dmarc", SL_FIELDS(
		    SL_F_TEXT("id", scan->transaction->id), SL_F_STR("line", sl_buf_str(&line))));
	sl_buf_clear(&line);
	scan->waiting = NULL;
	if (op != NULL) {
		op->scan = NULL;
		sl_op_finish(&op->op, 0);
	}
}

/* ---- the evaluations ------------------------------------------------------------------ */

static void
decided(struct sl_op *op, void *arg)
{
	struct sl_auth_scan *scan = arg;

	sl_op_release(op);
	scan->ops[2] = NULL;
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

/* SPF and DKIM are known, and the policy: the decision may need one more walk. */
static void
decide(struct sl_auth_scan *scan)
{
	struct sl_dmarc_dkim dkim[SL_DMARC_MAX_DKIM];
	struct sl_dmarc_inputs in = { .spf = sl_spf_result(scan->spf), .dkim = dkim };
	struct sl_evaluator *e;

	if (scan->dmarc == NULL) {
		conclude(scan);
		return;
	}
	in.ndkim = dkim_inputs(scan, dkim, SL_DMARC_MAX_DKIM);
	sl_dmarc_decide(scan->dmarc, &in);
	e = sl_dmarc_evaluator(scan->dmarc);
	if (!e->done(e))
		scan->ops[2] = sl_evaluate(scan->engine->loop, scan->dns, e, TIMEOUT_MS, NULL);
	if (scan->ops[2] != NULL)
		sl_op_wait(scan->ops[2], decided, scan);
	else
		conclude(scan);
}

static void
evaluated(struct sl_op *op, void *arg)
{
	struct sl_auth_scan *scan = arg;
	size_t i;

	for (i = 0; i < 3; i++)
		if (scan->ops[i] == op)
			scan->ops[i] = NULL;
	sl_op_release(op);
	if (--scan->pending == 0)
		decide(scan);
}

/* Domains of signatures, so that their organizational domains are asked for beside the rest. */
static void
expect_signers(struct sl_auth_scan *scan)
{
	const struct sl_message *m = scan->transaction->message;
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
			sl_dmarc_expect(scan->dmarc, domain);
	}
	sl_free(sig);
}

static int
create(struct sl_auth_scan *scan, struct sl_context *ctx)
{
	struct sl_transaction *t = ctx->transaction;
	const struct sl_session *s = ctx->session;
	int64_t now = sl_loop_time_us(ctx->engine->loop) / 1000000;
	struct sl_spf_options spf = {
		.identity = SL_SPF_MAILFROM, .ip = s->sender_addr, .helo = sl_str_of(s->helo),
		.sender = sl_str_of(t->sender), .now = now,
		.receiver = sl_str_of(sl_config_hostname(ctx->generation->config)),
	};
	struct sl_dkim_verify_options dkim = { .now = now, .max_signatures = SIGNATURES };
	struct sl_dmarc_options dmarc = { .profile = SL_DMARC_RFC9989 };
	int rc = sl_dmarc_from(&scan->from, t->message, NULL);

	if (rc == SL_ERR_NOMEM)
		return rc;
	scan->spf = sl_spf_new(&spf);
	scan->dkim = sl_dkim_verify_new(t->message, &dkim);
	if (scan->spf == NULL || scan->dkim == NULL)
		return SL_ERR_NOMEM;
	if (rc != 0)
		return 0;
	scan->dmarc = sl_dmarc_new(&dmarc, scan->from.domain);
	if (scan->dmarc == NULL)
		return SL_ERR_NOMEM;
	if (t->senderdomain != NULL)
		sl_dmarc_expect(scan->dmarc, t->senderdomain);
	expect_signers(scan);
	return 0;
}

static int
begin(struct sl_auth_scan *scan)
{
	struct sl_dns *dns = scan->dns;
	size_t i;

	scan->ops[0] = sl_evaluate(scan->engine->loop, dns, sl_spf_evaluator(scan->spf), TIMEOUT_MS, NULL);
	scan->ops[1] = sl_evaluate(scan->engine->loop, dns, sl_dkim_verify_evaluator(scan->dkim), TIMEOUT_MS, NULL);
	if (scan->dmarc != NULL)
		scan->ops[2] = sl_evaluate(scan->engine->loop, dns, sl_dmarc_evaluator(scan->dmarc), TIMEOUT_MS, NULL);
	if (scan->ops[0] == NULL || scan->ops[1] == NULL ||
	    (scan->dmarc != NULL && scan->ops[2] == NULL))
		return SL_ERR_NOMEM;
	for (i = 0; i < 3; i++)
		if (scan->ops[i] != NULL) {
			scan->pending++;
			sl_op_wait(scan->ops[i], evaluated, scan);
		}
	return 0;
}

struct sl_op *
sl_scan(struct sl_context *ctx)
{
	struct sl_transaction *t = ctx->transaction;
	struct scan_op *op = sl_calloc(1, sizeof(*op));
	struct sl_auth_scan *scan = t->scan;

	if (op == NULL)
		return NULL;
	sl_op_init(&op->op, &scan_class, ctx->engine->loop, 0);
	if (scan != NULL && scan->done) {
		sl_op_finish(&op->op, 0);
		return &op->op;
	}
	sl_scan_free(scan);		/* of a run that ended while it waited */
	t->scan = scan = sl_calloc(1, sizeof(*scan));
	if (scan != NULL) {
		scan->engine = ctx->engine;
		scan->dns = ctx->generation->dns != NULL ? ctx->generation->dns : ctx->engine->dns;
		scan->transaction = t;
	}
	if (scan == NULL || create(scan, ctx) != 0 || begin(scan) != 0) {
		sl_scan_free(scan);
		t->scan = NULL;
		sl_free(op);
		return NULL;
	}
	scan->waiting = op;
	op->scan = scan;
	return &op->op;
}

void
sl_scan_free(struct sl_auth_scan *scan)
{
	size_t i;

	if (scan == NULL)
		return;
	if (scan->waiting != NULL)
		scan->waiting->scan = NULL;
	for (i = 0; i < 3; i++)
		sl_op_release(scan->ops[i]);
	sl_spf_free(scan->spf);
	sl_dkim_verify_free(scan->dkim);
	sl_dmarc_free(scan->dmarc);
	sl_free(scan);
}

const struct sl_spf_result *
sl_scan_spf(const struct sl_auth_scan *scan)
{
	return sl_spf_result(scan->spf);
}

const struct sl_dkim_verify *
sl_scan_dkim(const struct sl_auth_scan *scan)
{
	return scan->dkim;
}

const struct sl_dmarc_from *
sl_scan_from(const struct sl_auth_scan *scan)
{
	return &scan->from;
}

const struct sl_dmarc_details *
sl_scan_dmarc(const struct sl_auth_scan *scan)
{
	return scan->dmarc != NULL ? sl_dmarc_result(scan->dmarc) : NULL;
}
