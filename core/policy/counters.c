#include "counters.h"

#include <string.h>

#include "engine.h"

void
sl_counters_verdict(struct sl_engine *engine, const struct sl_verdict *v)
{
	if (engine->counters != NULL)
		engine->counters->verdicts[v->phase][v->action]++;
}

void
sl_counters_script_error(struct sl_engine *engine, enum sl_phase phase, bool limit)
{
	if (engine->counters == NULL)
		return;
	if (limit)
		engine->counters->limits[phase]++;
	else
		engine->counters->script_errors[phase]++;
	engine->counters->failing_since = sl_loop_time_us(engine->loop) / 1000000;
}

static void
line(struct sl_buf *out, const char *name, const char *phase, const char *action, uint64_t n)
{
	if (n == 0)
		return;
	sl_buf_printf(out, "%s{phase=\"%s\"", name, phase);
	if (action != NULL)
		sl_buf_printf(out, ",action=\"%s\"", action);
	sl_buf_printf(out, "} %llu\n", (unsigned long long)n);
}

/* A Prometheus histogram: its buckets are cumulative. */
static void
format_operation(struct sl_buf *out, const struct sl_op_time *sum)
{
	static const char family[] = "sluice_operation_seconds";
	uint64_t n = 0;
	size_t b;

	for (b = 0; b < SL_OP_BUCKETS; b++) {
		n += sum->buckets[b];
		sl_buf_printf(out, "%s_bucket{operation=\"%s\",le=\"", family, sum->name);
		if (b < SL_OP_BUCKETS - 1)
			sl_buf_printf(out, "%g", (double)sl_op_bounds_us[b] / 1e6);
		else
			sl_buf_puts(out, "+Inf");
		sl_buf_printf(out, "\"} %llu\n", (unsigned long long)n);
	}
	sl_buf_printf(out, "%s_sum{operation=\"%s\"} %.6f\n%s_count{operation=\"%s\"} %llu\n",
	    family, sum->name, (double)sum->sum_us / 1e6, family, sum->name, (unsigned long long)n);
}

static void
add_times(struct sl_op_time *sum, const struct sl_op_time *t)
{
	size_t b;

	for (b = 0; b < SL_OP_BUCKETS; b++)
		sum->buckets[b] += t->buckets[b];
	sum->sum_us += t->sum_us;
}

/* Workers meet kinds in an order of their own: they are summed by name. */
static void
format_operations(struct sl_buf *out, const struct sl_counters *c, size_t n)
{
	struct sl_op_times all = { 0 };
	size_t i, k, at;

	for (i = 0; i < n; i++)
		for (k = 0; k < SL_OP_KINDS && c[i].operations.kinds[k].name[0] != '\0'; k++) {
			const struct sl_op_time *t = &c[i].operations.kinds[k];

			for (at = 0; at < SL_OP_KINDS && all.kinds[at].name[0] != '\0'; at++)
				if (strcmp(all.kinds[at].name, t->name) == 0)
					break;
			if (at == SL_OP_KINDS)
				continue;
			memcpy(all.kinds[at].name, t->name, sizeof(t->name));
			add_times(&all.kinds[at], t);
		}
	sl_buf_puts(out, "# TYPE sluice_operation_seconds histogram\n");
	for (at = 0; at < SL_OP_KINDS && all.kinds[at].name[0] != '\0'; at++)
		format_operation(out, &all.kinds[at]);
}

static void
format_processes(struct sl_buf *out, const struct sl_process_counters *p)
{
	const struct { const char *name, *type; uint64_t n; } rows[] = {
		{ "sluice_workers", "gauge", p->workers },
		{ "sluice_workers_wanted", "gauge", p->wanted },
		{ "sluice_process_deaths_total", "counter", p->deaths },
		{ "sluice_worker_stalls_total", "counter", p->stalls },
		{ "sluice_reloads_total", "counter", p->reloads },
		{ "sluice_reloads_failed_total", "counter", p->reloads_failed },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		sl_buf_printf(out, "# TYPE %s %s\n%s %llu\n", rows[i].name, rows[i].type, rows[i].name,
		    (unsigned long long)rows[i].n);
}

int
sl_counters_format(struct sl_buf *out, const struct sl_counters *c, size_t n,
    const struct sl_process_counters *processes)
{
	static const struct { const char *name, *type; size_t offset; } totals[] = {
		{ "sluice_messages_stored_total", "counter", offsetof(struct sl_counters, stored) },
		{ "sluice_deliveries_total", "counter", offsetof(struct sl_counters, delivered) },
		{ "sluice_deferrals_total", "counter", offsetof(struct sl_counters, deferred) },
		{ "sluice_bounces_total", "counter", offsetof(struct sl_counters, bounced) },
		{ "sluice_queue_messages", "gauge", offsetof(struct sl_counters, queue) },
		{ "sluice_held_messages", "gauge", offsetof(struct sl_counters, held) },
		{ "sluice_sessions", "gauge", offsetof(struct sl_counters, sessions) },
		{ "sluice_milter_connections", "gauge", offsetof(struct sl_counters, milters) },
		{ "sluice_runs", "gauge", offsetof(struct sl_counters, runs) },
	};
	uint64_t sum;
	size_t i, k;
	int phase, action;

	sl_buf_puts(out, "# TYPE sluice_verdicts_total counter\n");
	for (phase = 0; phase < SL_PHASES; phase++)
		for (action = 0; action <= SL_NO_ACTION; action++) {
			for (sum = 0, i = 0; i < n; i++)
				sum += c[i].verdicts[phase][action];
			line(out, "sluice_verdicts_total", sl_phase_name((enum sl_phase)phase),
			    sl_action_name((enum sl_action)action), sum);
		}
	sl_buf_puts(out, "# TYPE sluice_script_errors_total counter\n");
	for (phase = 0; phase < SL_PHASES; phase++) {
		for (sum = 0, i = 0; i < n; i++)
			sum += c[i].script_errors[phase];
		line(out, "sluice_script_errors_total", sl_phase_name((enum sl_phase)phase), NULL, sum);
	}
	sl_buf_puts(out, "# TYPE sluice_script_limits_total counter\n");
	for (phase = 0; phase < SL_PHASES; phase++) {
		for (sum = 0, i = 0; i < n; i++)
			sum += c[i].limits[phase];
		line(out, "sluice_script_limits_total", sl_phase_name((enum sl_phase)phase), NULL, sum);
	}
	for (k = 0; k < sizeof(totals) / sizeof(totals[0]); k++) {
		for (sum = 0, i = 0; i < n; i++)
			sum += *(const _Atomic uint64_t *)(const void *)((const char *)&c[i] +
			    totals[k].offset);
		sl_buf_printf(out, "# TYPE %s %s\n%s %llu\n", totals[k].name, totals[k].type,
		    totals[k].name, (unsigned long long)sum);
	}
	format_operations(out, c, n);
	if (processes != NULL)
		format_processes(out, processes);
	return out->failed ? SL_ERR_NOMEM : 0;
}
