/*
 * What /metrics shows of policies: verdicts by phase and action, script errors,
 * how long operations took. The memory is the host's (shared between processes)
 * or none; numbers only grow, one writer each.
 */
#ifndef SL_POLICY_COUNTERS_H
#define SL_POLICY_COUNTERS_H

#include <stdatomic.h>

#include "../engine/vm.h"
#include "../net/op_times.h"
#include "../sluice_host.h"

struct sl_counters {
	_Atomic uint64_t verdicts[SL_PHASES][SL_NO_ACTION + 1];
	_Atomic uint64_t script_errors[SL_PHASES];
	_Atomic uint64_t limits[SL_PHASES];
	_Atomic uint64_t stored, delivered, deferred, bounced;
	_Atomic uint64_t queue, held, sessions, runs;	/* as of now */
	_Atomic uint64_t milters;		/* connections of mail servers, now */
	_Atomic int64_t failing_since;		/* wall clock of the last script error, seconds */
	struct sl_now now;
	struct sl_op_times operations;
};

/* What happens to the processes of a server; "sluice run --single" has none. */
struct sl_process_counters {
	_Atomic uint64_t workers;		/* serving now */
	_Atomic uint64_t wanted;
	_Atomic uint64_t deaths, stalls, reloads, reloads_failed;
};

void	 sl_counters_verdict(struct sl_engine *engine, const struct sl_verdict *verdict);
void	 sl_counters_script_error(struct sl_engine *engine, enum sl_phase phase, bool limit);

/* The text of /metrics (Prometheus) of 'n' workers' counters; processes may be NULL. */
int	 sl_counters_format(struct sl_buf *out, const struct sl_counters *counters, size_t n,
	    const struct sl_process_counters *processes);

#endif
