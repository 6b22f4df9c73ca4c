/* sluice run: the gateway, in the foreground. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../admin/admin.h"
#include "../base/event.h"
#include "../daemon/gateway.h"
#include "../policy/config.h"
#include "../policy/counters.h"
#include "../queue/store.h"
#include "cmd.h"

#define DRAIN_MS	30000	/* after SIGTERM; what isn't over then is tried again later */

struct server {
	struct sl_loop *loop;
	struct sl_events events;
	struct sl_gateway *gateway;
	struct sl_event_sink *log, *file, *syslog;
	struct sl_watch signals;
	struct sl_timer patience, gauges;
	struct sl_admin *admin;
	struct sl_counters counters;
	bool draining;
};

static void
drained(void *arg)
{
	sl_loop_stop(((struct server *)arg)->loop);
}

static void
out_of_patience(struct sl_timer *timer)
{
	drained(sl_list_entry(timer, struct server, patience));
}

static void
reload(struct server *s)
{
	struct sl_buf report = SL_BUF_INIT;

	sl_gateway_reload(s->gateway, &report);
	sl_buf_clear(&report);
}

static void
drain(struct server *s)
{
	if (s->draining) {	/* asked twice: at once */
		sl_loop_stop(s->loop);
		return;
	}
	s->draining = true;
	sl_event(&s->events, SL_NOTICE, "draining", SL_FIELDS(SL_F_INT("pid", getpid())));
	sl_timer_start(s->loop, &s->patience, DRAIN_MS, out_of_patience);
	sl_gateway_drain(s->gateway, drained, s);
}

static void
on_signal(struct sl_watch *watch, unsigned events)
{
	struct server *s = sl_list_entry(watch, struct server, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(watch->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		reload(s);
	else if (info.ssi_signo == SIGUSR1 && s->file != NULL)
		sl_event_sink_reopen(s->file, NULL);
	else if (info.ssi_signo != SIGUSR1)
		drain(s);
}

static int
watch_signals(struct server *s)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -1 : sl_watch_start(s->loop, &s->signals, fd, SL_READ, on_signal);
}

static void
flush(void *arg)
{
	sl_events_flush(arg);
}

/* Once a second: the numbers that come and go. */
static void
gauge(struct sl_timer *timer)
{
	struct server *s = sl_list_entry(timer, struct server, gauges);
	const struct sl_envelope *m;
	uint64_t held = 0;
	size_t i;

	for (i = 0; (m = sl_store_each(sl_gateway_store(s->gateway), &i)) != NULL;)
		held += m->quarantine != NULL;
	s->counters.held = held;
	s->counters.queue = sl_store_count(sl_gateway_store(s->gateway)) - held;
	sl_timer_start(s->loop, &s->gauges, 1000, gauge);
}

/* The policy's log; what the command line says comes first. */
static int
open_logs(struct server *s)
{
	const struct sl_config *c = sl_engine_config(sl_gateway_engine(s->gateway));
	enum sl_level level = SL_INFO;
	struct sl_err err;

	if (sl_level_parse(c->log.level, &level) != 0) {
		fprintf(stderr, "sluice: log.level: \"%s\" is no level\n", c->log.level);
		return -1;
	}
	if (c->log.file != NULL && s->file == NULL) {
		s->file = sl_event_sink_file(c->log.file, SL_EVENT_JSON, level, &err);
		if (s->file == NULL)
			goto fail;
		sl_events_add(&s->events, s->file);
	}
	if (c->log.syslog != NULL) {
		s->syslog = sl_event_sink_syslog(c->log.syslog, "sluice", level, &err);
		if (s->syslog == NULL)
			goto fail;
		sl_events_add(&s->events, s->syslog);
	}
	return 0;
fail:
	fprintf(stderr, "sluice: %s\n", err.text);
	return -1;
}

static int
start_admin(struct server *s)
{
	const char *address = sl_engine_config(sl_gateway_engine(s->gateway))->admin;
	struct sl_err err;

	if (address == NULL)
		return 0;
	s->admin = sl_admin_start(address, &s->counters, 1, &err);
	if (s->admin == NULL)
		fprintf(stderr, "sluice: %s\n", err.text);
	return s->admin != NULL ? 0 : -1;
}

static int
serve(struct server *s, const struct sl_gateway_options *options)
{
	struct sl_buf report = SL_BUF_INIT;
	int rc;

	rc = sl_gateway_open(&s->gateway, options, &report);
	if (rc != 0) {
		fwrite(report.p, 1, report.n, stderr);
		fprintf(stderr, "sluice: the policy %s was not started\n", options->folder);
		sl_buf_clear(&report);
		return 1;
	}
	sl_buf_clear(&report);
	if (open_logs(s) != 0 || start_admin(s) != 0) {
		sl_gateway_close(s->gateway);
		return 1;
	}
	gauge(&s->gauges);
	sl_event(&s->events, SL_NOTICE, "serving", SL_FIELDS(SL_F_TEXT("policy", options->folder),
	    SL_F_INT("pid", getpid())));
	sl_events_flush(&s->events);
	sl_loop_run(s->loop);
	sl_timer_stop(&s->patience);
	sl_timer_stop(&s->gauges);
	sl_admin_stop(s->admin);
	sl_gateway_close(s->gateway);
	sl_event(&s->events, SL_NOTICE, "stopped", SL_FIELDS(SL_F_INT("pid", getpid())));
	return 0;
}

static int
usage(void)
{
	fprintf(stderr, "usage: sluice run POLICY [--spool DIR] [--log-level LEVEL] [--log-file FILE]\n");
	return 2;
}

int
cmd_run(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "spool", required_argument, NULL, 's' }, { "log-level", required_argument, NULL, 'l' },
		{ "log-file", required_argument, NULL, 'f' }, { "single", no_argument, NULL, '1' },
		{ 0 },
	};
	static struct server s;
	struct sl_gateway_options options = { .stdlib = cmd_stdlib(), .counters = &s.counters };
	enum sl_level level = SL_INFO;
	const char *file = NULL;
	struct sl_err err;
	int c, rc;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 's')
			options.spool = optarg;
		else if (c == 'f')
			file = optarg;
		else if (c == 'l' && sl_level_parse(optarg, &level) == 0)
			continue;
		else if (c != '1')
			return usage();
	}
	if (optind != argc - 1)
		return usage();
	prctl(PR_SET_DUMPABLE, 0);	/* keys and passwords are in memory: no core files */
	sl_events_init(&s.events);
	s.loop = sl_loop_new(&err);
	s.log = sl_event_sink_fd(1, isatty(1) ? SL_EVENT_COLOR : SL_EVENT_TEXT, level);
	if (s.loop == NULL || s.log == NULL || watch_signals(&s) != 0) {
		fprintf(stderr, "sluice: out of memory\n");
		return 1;
	}
	sl_events_add(&s.events, s.log);
	if (file != NULL && (s.file = sl_event_sink_file(file, SL_EVENT_JSON, level, &err)) == NULL) {
		fprintf(stderr, "sluice: %s\n", err.text);
		return 1;
	}
	if (s.file != NULL)
		sl_events_add(&s.events, s.file);
	sl_loop_on_turn(s.loop, flush, &s.events);
	options.loop = s.loop;
	options.events = &s.events;
	options.folder = argv[optind];
	rc = serve(&s, &options);
	sl_events_flush(&s.events);
	sl_watch_stop(&s.signals);
	sl_event_sink_free(s.log);
	if (s.file != NULL)
		sl_event_sink_free(s.file);
	if (s.syslog != NULL)
		sl_event_sink_free(s.syslog);
	sl_loop_free(s.loop);
	return rc;
}
