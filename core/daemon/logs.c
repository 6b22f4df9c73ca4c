#include "logs.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void
flush(void *arg)
{
	sl_events_flush(arg);
}

static void
drop(struct sl_logs *l, struct sl_event_sink **sink)
{
	if (*sink == NULL)
		return;
	sl_events_remove(&l->events, *sink);
	sl_event_sink_free(*sink);
	*sink = NULL;
}

int
sl_logs_open(struct sl_logs *l, struct sl_loop *loop, enum sl_level level)
{
	memset(l, 0, sizeof(*l));
	sl_events_init(&l->events);
	l->loop = loop;
	l->level = level;
	l->out = sl_event_sink_fd(STDOUT_FILENO, false,
	    isatty(STDOUT_FILENO) ? SL_EVENT_COLOR : SL_EVENT_TEXT, level);
	if (l->out == NULL)
		return SL_ERR_NOMEM;
	sl_events_add(&l->events, l->out);
	sl_loop_on_turn(loop, flush, &l->events);
	return 0;
}

void
sl_logs_close(struct sl_logs *l)
{
	sl_events_flush(&l->events);
	sl_loop_on_turn(l->loop, NULL, &l->events);
	drop(l, &l->syslog);
	drop(l, &l->file);
	drop(l, &l->out);
}

int
sl_logs_file(struct sl_logs *l, int fd, enum sl_level level)
{
	drop(l, &l->file);
	if (fd < 0)
		return 0;
	l->file = sl_event_sink_fd(fd, true, SL_EVENT_JSON, level);
	if (l->file == NULL)
		return SL_ERR_NOMEM;
	sl_events_add(&l->events, l->file);
	return 0;
}

int
sl_logs_syslog(struct sl_logs *l, const char *path, enum sl_level level, struct sl_err *err)
{
	drop(l, &l->syslog);
	if (path == NULL)
		return 0;
	l->syslog = sl_event_sink_syslog(path, "sluice", level, err);
	if (l->syslog == NULL)
		return err->code;
	sl_events_add(&l->events, l->syslog);
	return 0;
}

int
sl_logs_open_file(const char *path, struct sl_err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

	if (fd < 0)
		sl_err_errno(err, "log %s", path);
	return fd;
}
