/*
 * Where events go: standard output, a file, syslog. The master opens the file
 * and hands the descriptor down, so that a file of root's can be written by
 * who isn't, and reopens it for all (SIGUSR1).
 */
#ifndef SL_DAEMON_LOGS_H
#define SL_DAEMON_LOGS_H

#include "../base/event.h"
#include "../net/loop.h"

struct sl_logs {
	struct sl_events events;
	struct sl_loop *loop;
	struct sl_event_sink *out, *file, *syslog;
	enum sl_level level;		/* of file and syslog */
	char *path;			/* of the file that was opened here, or NULL */
	int fd;				/* of the file, -1 = none; borrowed by who hands it down */
};

/* Standard output, as text, of this level; flushed after each turn of the loop. */
int	 sl_logs_open(struct sl_logs *logs, struct sl_loop *loop, enum sl_level level);
void	 sl_logs_close(struct sl_logs *logs);		/* flushes */
/* The level, and syslog, as the plan says. */
int	 sl_logs_plan(struct sl_logs *logs, struct sl_str plan, struct sl_err *err);
/* Opens the plan's file, or 'path' instead of it (NULL = the plan's), to append, 0640. */
int	 sl_logs_file(struct sl_logs *logs, struct sl_str plan, const char *path, struct sl_err *err);
/* The same path anew; a failure is an event, and the old file stays. False: nothing changed. */
bool	 sl_logs_reopen(struct sl_logs *logs);
/* A descriptor that was handed down (taken), instead of the one before. */
int	 sl_logs_use(struct sl_logs *logs, int fd);

#endif
