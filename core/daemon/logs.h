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
	enum sl_level level;
};

/* Standard output, as text; flushed after each turn of the loop. */
int	 sl_logs_open(struct sl_logs *logs, struct sl_loop *loop, enum sl_level level);
void	 sl_logs_close(struct sl_logs *logs);		/* flushes */
/* The file's descriptor (taken), instead of the one before; -1 = none any more. */
int	 sl_logs_file(struct sl_logs *logs, int fd, enum sl_level level);
int	 sl_logs_syslog(struct sl_logs *logs, const char *path, enum sl_level level, struct sl_err *err);
/* A descriptor to append to, 0640. -1: err says why. */
int	 sl_logs_open_file(const char *path, struct sl_err *err);

#endif
