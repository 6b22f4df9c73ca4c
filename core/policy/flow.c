/*
 * Running a flow. Scripts decide, the host acts once: whatever way a run
 * ends, exactly one verdict leaves here, and one event tells of it.
 */
#include "flow.h"

#include <string.h>

#include "../engine/vm.h"
#include "counters.h"
#include "engine.h"
#include "facts.h"
#include "repeat.h"
#include "taps.h"

static void
describe_reply(const struct sl_verdict *v, struct sl_buf *out)
{
	size_t i;

	if (v->code == 0)
		return;
	sl_buf_printf(out, "%d", v->code);
	if (v->enhanced[0] != '\0')
		sl_buf_printf(out, " %s", v->enhanced);
	for (i = 0; i < v->nlines; i++)
		sl_buf_printf(out, "%s%s", i == 0 ? " " : " / ", v->lines[i]);
}

/* Every verdict tells its phase, generation, place, action, reply, time. */
static void
tell(struct sl_context *ctx, const struct sl_verdict *v)
{
	enum sl_level level = v->failed ? SL_ERROR :
	    v->action == SL_ACCEPT || v->action == SL_NO_ACTION ||
	    v->action == SL_TRY ? SL_DEBUG : SL_INFO;
	struct sl_buf reply = SL_BUF_INIT;
	char generation[13];

	sl_counters_verdict(ctx->engine, v);
	if (!sl_event_wanted(ctx->engine->events, level))
		return;
	describe_reply(v, &reply);
	memcpy(generation, ctx->generation->name, 12);
	generation[12] = '\0';
	sl_event(ctx->engine->events, level, "verdict", SL_FIELDS(
	    SL_F_TEXT("id", v->id),
	    SL_F_TEXT("phase", sl_phase_name(v->phase)),
	    SL_F_TEXT("action", sl_action_name(v->action)),
	    SL_F_STR("reply", sl_buf_str(&reply)),
	    SL_F_TEXT("where", v->where),
	    SL_F_TEXT("recipient", ctx->draft != NULL && ctx->draft->recipient != NULL ?
	        ctx->draft->recipient : ctx->recipient),
	    SL_F_TEXT("generation", generation),
	    SL_F_INT("us", sl_clock_us() - ctx->started_us)));
	sl_buf_clear(&reply);
}

static void
finish(struct sl_context *ctx, struct sl_verdict *v)
{
	tell(ctx, v);
	ctx->done(ctx, v);
}

static void
tell_error(struct sl_context *ctx, enum sl_run_end how, const struct sl_err *err,
    const struct sl_run_stats *stats)
{
	struct sl_verdict v;

	sl_verdict_make_error(&v, ctx);
	sl_repeats_tell(ctx->engine->repeats, &(struct sl_repeated){
	    .event = how == SL_RUN_LIMIT ? "script_limit" : "script_error", .id = v.id,
	    .phase = sl_phase_name(ctx->phase), .error = err != NULL ? err->text : "",
	    .source = stats->source, .stack = stats->stack });
	sl_counters_script_error(ctx->engine, ctx->phase, how == SL_RUN_LIMIT);
}

/* A failed run has the phase's error verdict, whatever it had stored before. */
static void
run_done(struct sl_run *run, enum sl_run_end how, const struct sl_err *err, void *host)
{
	struct sl_context *ctx = host;
	struct sl_verdict v;

	ctx->run = NULL;
	if (how == SL_RUN_FAILED || how == SL_RUN_LIMIT || how == SL_RUN_KILLED) {
		tell_error(ctx, how, err, sl_run_stats(run));
		sl_verdict_make_error(&v, ctx);
	} else {
		if (!ctx->decision.made)
			ctx->decision.action = sl_phase_table[ctx->phase].dflt;
		sl_verdict_make(&v, ctx);
	}
	if (how != SL_RUN_RETURNED && sl_run_stats(run)->where != NULL)
		v.where = sl_run_stats(run)->where;
	finish(ctx, &v);
}

/* What has no script is answered from the loop's top too: one order of things. */
static void
decided(struct sl_task *task)
{
	struct sl_context *ctx = sl_list_entry(task, struct sl_context, task);
	struct sl_verdict v;

	sl_verdict_make(&v, ctx);
	if (ctx->rule != NULL)
		v.where = ctx->rule;
	finish(ctx, &v);
}

static void
failed_to_start(struct sl_task *task)
{
	struct sl_context *ctx = sl_list_entry(task, struct sl_context, task);
	struct sl_verdict v;

	sl_verdict_make_error(&v, ctx);
	finish(ctx, &v);
}

static void
run_default(struct sl_context *ctx)
{
	ctx->decision.action = sl_phase_table[ctx->phase].dflt;
	if (ctx->phase == SL_DATA && sl_context_choose(ctx, ctx->draft, NULL, false) != 0) {
		sl_task_post(ctx->engine->loop, &ctx->task, failed_to_start);
		return;
	}
	sl_task_post(ctx->engine->loop, &ctx->task, decided);
}

/* The level of HSL at the end of the flow: its last script's, else the policy's. */
static int64_t
end_level(const struct sl_context *ctx, const struct sl_flow *flow)
{
	size_t i;
	int level;

	for (i = flow->n; i > 0 && flow->elements[i - 1].script == NULL; i--)
		;
	level = i > 0 ? sl_program_level(ctx->generation->program, flow->elements[i - 1].script) : 0;
	return level != 0 ? level : ctx->generation->config->level;
}

/* Up to 2016 a recipient that no script had accepted was refused. */
static const char *
end_action(const struct sl_context *ctx, const struct sl_flow *flow)
{
	if (ctx->phase == SL_RCPTTO && end_level(ctx, flow) == 2016)
		return "Reject";
	return sl_phase_table[ctx->phase].end_action;
}

void
sl_flow_run(struct sl_context *ctx, const struct sl_flow *flow)
{
	struct sl_run_spec spec;
	struct sl_err err;

	ctx->started_us = sl_clock_us();
	ctx->rule = NULL;
	memset(&ctx->decision, 0, sizeof(ctx->decision));
	ctx->decision.delay = -1;
	if (flow == NULL || flow->n == 0) {
		run_default(ctx);
		return;
	}
	memset(&spec, 0, sizeof(spec));
	spec.program = ctx->generation->program;
	spec.phase = sl_phase_table[ctx->phase].bit;
	spec.name = sl_phase_table[ctx->phase].name;
	spec.id = sl_context_id(ctx);
	spec.limits = sl_config_limits(ctx->generation->config);
	spec.elements = flow->elements;
	spec.n = flow->n;
	spec.end_action = end_action(ctx, flow);
	spec.fact = sl_fact;
	spec.fact_near = sl_fact_near;
	spec.tape = sl_context_tape(ctx);
	spec.recipient = ctx->draft != NULL ? ctx->draft->recipient : NULL;
	spec.host = ctx;
	spec.done = run_done;
	if (sl_run_start(ctx->engine->vm, &spec, &ctx->run, &err) != 0) {
		sl_repeats_tell(ctx->engine->repeats, &(struct sl_repeated){
		    .event = "script_error", .id = spec.id, .phase = spec.name,
		    .error = err.text });
		sl_task_post(ctx->engine->loop, &ctx->task, failed_to_start);
	}
}

void
sl_flow_decide(struct sl_context *ctx, enum sl_action action, int code,
    const char *enhanced, const char *text, const char *where)
{
	const char **line;

	ctx->started_us = sl_clock_us();
	memset(&ctx->decision, 0, sizeof(ctx->decision));
	ctx->decision.made = true;
	ctx->decision.action = action;
	ctx->decision.code = code;
	ctx->decision.enhanced = enhanced;
	ctx->decision.delay = -1;
	ctx->rule = where;
	line = text != NULL ? sl_arena_alloc(ctx->arena, sizeof(*line)) : NULL;
	if (line != NULL) {
		*line = sl_arena_strndup(ctx->arena, text, strlen(text));
		ctx->decision.lines = *line != NULL ? line : NULL;
		ctx->decision.nlines = 1;
	}
	sl_task_post(ctx->engine->loop, &ctx->task, decided);
}

void
sl_flow_cancel(struct sl_context *ctx)
{
	sl_task_cancel(&ctx->task);
	if (ctx->run != NULL)
		sl_run_kill(ctx->run);
	ctx->run = NULL;
}
