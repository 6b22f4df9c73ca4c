#include "metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../base/err.h"

enum { FREE, TAKEN, USED };

/* ---- counting ---------------------------------------------------------------------- */

/* Another process writes the text of a row that it took: a moment. If that process died there,
 * the row stays as it is and is passed over. */
static uint32_t
state_of(struct sl_metric *m)
{
	uint32_t state = atomic_load_explicit(&m->state, memory_order_acquire);
	int i;

	for (i = 0; state == TAKEN && i < 100000; i++)
		state = atomic_load_explicit(&m->state, memory_order_acquire);
	return state;
}

static bool
take(struct sl_metric *m, const char *text)
{
	uint32_t state = FREE;

	if (!atomic_compare_exchange_strong(&m->state, &state, TAKEN))
		return false;
	strcpy(m->text, text);		/* its length was looked at */
	atomic_store_explicit(&m->state, USED, memory_order_release);
	return true;
}

static struct sl_metric *
find(struct sl_metrics *metrics, const char *text)
{
	struct sl_metric *m;
	size_t i;

	for (i = 0; i < SL_METRICS; i++) {
		m = &metrics->series[i];
		if (state_of(m) == FREE && take(m, text))
			return m;
		if (state_of(m) == USED && strncmp(m->text, text, sizeof(m->text)) == 0)
			return m;
	}
	return NULL;
}

static void
add(struct sl_metric *m, double value)
{
	uint64_t bits = atomic_load(&m->bits), next;
	double sum;

	do {
		memcpy(&sum, &bits, sizeof(sum));
		sum += value;
		memcpy(&next, &sum, sizeof(next));
	} while (!atomic_compare_exchange_weak(&m->bits, &bits, next));
}

bool
sl_metrics_change(struct sl_metrics *metrics, const char *text, enum sl_metric_change how, double value)
{
	struct sl_metric *m = strlen(text) < SL_METRIC_TEXT ? find(metrics, text) : NULL;
	uint64_t bits;

	if (m == NULL) {
		metrics->refused++;
		return false;
	}
	if (how == SL_METRIC_ADD) {
		add(m, value);
	} else {
		memcpy(&bits, &value, sizeof(bits));
		atomic_store(&m->bits, bits);
	}
	return true;
}

/* ---- showing ------------------------------------------------------------------------ */

/* A copy: workers write on, and one that is broken writes anything. */
struct shown {
	char text[SL_METRIC_TEXT];
	double value;
};

static int
by_text(const void *a, const void *b)
{
	return strcmp(((const struct shown *)a)->text, ((const struct shown *)b)->text);
}

static size_t
copy(struct shown *rows, const struct sl_metrics *metrics)
{
	uint64_t bits;
	size_t i, k, n = 0;

	for (i = 0; i < SL_METRICS; i++) {
		const struct sl_metric *m = &metrics->series[i];

		if (atomic_load_explicit(&m->state, memory_order_acquire) != USED)
			continue;
		for (k = 0; k < SL_METRIC_TEXT - 1 && m->text[k] != '\0'; k++)
			rows[n].text[k] = m->text[k] >= 0x20 && m->text[k] < 0x7f ? m->text[k] : '?';
		rows[n].text[k] = '\0';
		bits = atomic_load(&m->bits);
		memcpy(&rows[n++].value, &bits, sizeof(bits));
	}
	qsort(rows, n, sizeof(*rows), by_text);
	return n;
}

static size_t
name_of(const char *text)
{
	return strcspn(text, "{");
}

int
sl_metrics_format(struct sl_buf *out, const struct sl_metrics *metrics)
{
	static _Thread_local struct shown rows[SL_METRICS];
	size_t n = copy(rows, metrics), i, name, before = 0;
	const char *last = "";
	double value;

	for (i = 0; i < n; i++) {
		/* Two processes at once may have made one each. */
		for (value = rows[i].value; i + 1 < n && strcmp(rows[i].text, rows[i + 1].text) == 0; i++)
			value += rows[i + 1].value;
		name = name_of(rows[i].text);
		if (name != before || strncmp(last, rows[i].text, name) != 0)
			sl_buf_printf(out, "# TYPE %.*s %s\n", (int)name, rows[i].text,
			    strncmp(rows[i].text, "sluice_stat_total{", 18) == 0 ? "counter" : "untyped");
		last = rows[i].text;
		before = name;
		sl_buf_printf(out, "%s %.17g\n", rows[i].text, isfinite(value) ? value : 0);
	}
	sl_buf_printf(out, "# TYPE sluice_script_series_refused_total counter\n"
	    "sluice_script_series_refused_total %llu\n", (unsigned long long)metrics->refused);
	return out->failed ? SL_ERR_NOMEM : 0;
}
