/*
 * Numbers that scripts count (stat, metrics_increment ...), shown in /metrics. One table for
 * all workers, in memory that they share; all zero is an empty one. Any process may write
 * any number at any time; a series is never removed, so there is a cap of them.
 */
#ifndef SL_POLICY_METRICS_H
#define SL_POLICY_METRICS_H

#include <stdatomic.h>

#include "../base/bytes.h"

#define SL_METRICS	512	/* series */
#define SL_METRIC_TEXT	200	/* bytes of "name{label=\"value\"}", with a NUL */

struct sl_metric {
	_Atomic uint32_t state;		/* 0 free, 1 being taken, 2 used */
	char text[SL_METRIC_TEXT];
	_Atomic uint64_t bits;		/* of a double */
};

struct sl_metrics {
	_Atomic uint64_t refused;	/* for want of room */
	struct sl_metric series[SL_METRICS];
};

enum sl_metric_change { SL_METRIC_ADD, SL_METRIC_SET };

/* 'text' is a series in the form of Prometheus. False: the table is full, or the text too long. */
bool	 sl_metrics_change(struct sl_metrics *metrics, const char *text, enum sl_metric_change how,
	    double value);
/* The text for /metrics, families together. 0 or SL_ERR_NOMEM. */
int	 sl_metrics_format(struct sl_buf *out, const struct sl_metrics *metrics);

#endif
