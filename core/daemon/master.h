/*
 * The master: it binds, packs the policy folder into an image, passes
 * connections to the least loaded worker, restarts what dies, watches over
 * what stands still. It parses nothing and runs no scripts.
 *
 *   SIGHUP   loads the policy again: all workers take the new one, or none
 *   SIGUSR1  reopens the log file
 *   SIGTERM, SIGINT  ends what is under way, then exits with 0; twice: at once
 */
#ifndef SL_DAEMON_MASTER_H
#define SL_DAEMON_MASTER_H

#include "../base/event.h"

struct sl_run_options {
	const char *policy;		/* folder */
	const char *stdlib;
	const char *spool;		/* NULL = the policy's */
	const char *log_file;		/* NULL = the policy's */
	enum sl_level level;		/* of standard output */
};

/* Returns the exit status; what prevents the start is on standard error. */
int	 sl_master_run(const struct sl_run_options *options);

/* The same in one process in the foreground (single.c). */
int	 sl_single_run(const struct sl_run_options *options);

#endif
