#include "logs.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../base/terminal.h"
#include "plan.h"

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
	l->level = SL_INFO;
	l->fd = -1;
	l->out = sl_event_sink_fd(STDOUT_FILENO, false,
	    sl_terminal_colors(STDOUT_FILENO) ? SL_EVENT_COLOR : SL_EVENT_TEXT, level);
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
	sl_free(l->path);
}

int
sl_logs_plan(struct sl_logs *l, struct sl_str plan, struct sl_err *err)
{
	char *level = sl_plan_string(plan, "log.level"), *syslog = sl_plan_string(plan, "log.syslog");

	err->code = 0;
	if (level != NULL)
		sl_level_parse(level, &l->level);	/* the configuration was checked */
	if (syslog != NULL) {
		drop(l, &l->syslog);
		l->syslog = sl_event_sink_syslog(syslog, "sluice", l->level, err);
		if (l->syslog != NULL)
			sl_events_add(&l->events, l->syslog);
	}
	sl_free(level);
	sl_free(syslog);
	return err->code;
}

int
sl_logs_use(struct sl_logs *l, int fd)
{
	drop(l, &l->file);
	l->fd = -1;
	l->file = sl_event_sink_fd(fd, true, SL_EVENT_JSON, l->level);
	if (l->file == NULL) {
		close(fd);
		return SL_ERR_NOMEM;
	}
	l->fd = fd;
	sl_events_add(&l->events, l->file);
	return 0;
}

static int
open_path(struct sl_logs *l, struct sl_err *err)
{
	int fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);

	if (fd < 0)
		return sl_err_errno(err, "log %s", l->path);
	return sl_logs_use(l, fd) == 0 ? 0 : sl_err_set(err, SL_ERR_NOMEM, "out of memory");
}

int
sl_logs_file(struct sl_logs *l, struct sl_str plan, const char *path, struct sl_err *err)
{
	l->path = path != NULL ? sl_strdup(path) : sl_plan_string(plan, "log.file");
	return l->path != NULL ? open_path(l, err) : 0;
}

bool
sl_logs_reopen(struct sl_logs *l)
{
	struct sl_err err;

	if (l->path == NULL)
		return false;
	if (open_path(l, &err) == 0)
		return true;
	sl_event(&l->events, SL_ERROR, "log_not_reopened", SL_FIELDS(SL_F_TEXT("error", err.text)));
	return false;
}
