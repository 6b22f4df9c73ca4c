/*
 * Where events go: a descriptor, a file, syslog. None of them ever makes the
 * caller wait for a full pipe or a slow daemon longer than one write(2): what
 * can't be kept is dropped, counted, and the count is reported as an event.
 */
#include "event.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"

#define HOLD	(1024 * 1024)	/* bytes kept for a descriptor that doesn't take them */
#define EARLY	(64 * 1024)	/* a turn with this much is written before its end */
#define DATAGRAM 8192

struct sink {
	struct sl_event_sink sink;
	int fd;
	bool owned;			/* fd is ours to close */
	enum sl_event_format format;
	char *path;			/* of the file, or of the syslog socket */
	char *ident;
	struct sl_buf out;
	uint64_t dropped;
};

static struct sink *
sink_new(const char *path, enum sl_event_format format, enum sl_level level)
{
	struct sink *s = sl_calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->fd = -1;
	s->format = format;
	s->sink.level = level;
	if (path != NULL) {
		s->path = sl_strdup(path);
		if (s->path == NULL) {
			sl_free(s);
			return NULL;
		}
	}
	return s;
}

static int
format_line(struct sl_buf *out, enum sl_event_format format, const struct sl_event *event)
{
	if (format == SL_EVENT_JSON)
		sl_event_format_json(out, event);
	else
		sl_event_format_text(out, event, format == SL_EVENT_COLOR);
	return sl_buf_putc(out, '\n');
}

static void
file_flush(struct sl_event_sink *sink)
{
	struct sink *s = (struct sink *)sink;
	ssize_t n;

	while (s->out.n > 0 && s->fd >= 0) {
		n = write(s->fd, s->out.p, s->out.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			/* Disk full or a closed pipe: these lines are lost. */
			s->dropped++;
			sl_buf_reset(&s->out);
		}
		if (n <= 0)
			return;
		sl_buf_drop(&s->out, (size_t)n);
	}
}

/* Appends a whole line or nothing. */
static bool
file_put(struct sink *s, const struct sl_event *event)
{
	size_t before = s->out.n;

	if (before >= HOLD || format_line(&s->out, s->format, event) < 0) {
		s->out.n = before;
		s->out.failed = false;
		if (s->out.p != NULL)
			s->out.p[before] = '\0';
		return false;
	}
	return true;
}

static void
file_write(struct sl_event_sink *sink, const struct sl_event *event)
{
	struct sink *s = (struct sink *)sink;
	struct sl_event lost = { event->time_us, SL_WARNING, "events_dropped",
		SL_FIELDS(SL_F_INT("count", s->dropped)) };

	if (s->dropped > 0 && file_put(s, &lost))
		s->dropped = 0;
	if (!file_put(s, event))
		s->dropped++;
	if (s->out.n >= EARLY)
		file_flush(sink);
}

struct sl_event_sink *
sl_event_sink_fd(int fd, bool owned, enum sl_event_format format, enum sl_level level)
{
	struct sink *s = sink_new(NULL, format, level);

	if (s == NULL)
		return NULL;
	s->fd = fd;
	s->owned = owned;
	s->sink.write = file_write;
	s->sink.flush = file_flush;
	return &s->sink;
}

static int
syslog_open(struct sink *s, struct sl_err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(s->path) >= sizeof(to.sun_path))
		return sl_err_set(err, SL_ERR_INVAL, "%s: path too long", s->path);
	memcpy(to.sun_path, s->path, strlen(s->path) + 1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return sl_err_errno(err, "syslog socket");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		sl_err_errno(err, "%s", s->path);
		close(fd);
		return SL_ERR_IO;
	}
	if (s->fd >= 0)
		close(s->fd);
	s->fd = fd;
	s->owned = true;
	return 0;
}

/* "<PRI>Mmm dd hh:mm:ss ident[pid]: level event k=v" (RFC 3164 4.1), facility mail. */
static void
syslog_line(struct sink *s, const struct sl_event *event)
{
	static const int severities[] = { 7, 6, 5, 4, 3, 2 };
	time_t t = (time_t)(event->time_us / 1000000);
	char stamp[32];
	struct tm tm;
	size_t start;

	localtime_r(&t, &tm);
	strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &tm);
	sl_buf_reset(&s->out);
	sl_buf_printf(&s->out, "<%d>%s %s[%ld]: ", 2 << 3 | severities[event->level], stamp,
	    s->ident, (long)getpid());
	start = s->out.n;
	sl_event_format_text(&s->out, event, false);
	/* Its own clock stands in front already. */
	if (!s->out.failed && s->out.n > start + 13) {
		memmove(s->out.p + start, s->out.p + start + 13, s->out.n - start - 13);
		s->out.n -= 13;
	}
	if (s->out.n > DATAGRAM)
		s->out.n = DATAGRAM;
}

static bool
syslog_send(struct sink *s, const struct sl_event *event)
{
	syslog_line(s, event);
	if (s->out.failed)
		return false;
	if (s->fd >= 0 && send(s->fd, s->out.p, s->out.n, MSG_NOSIGNAL) >= 0)
		return true;
	if (errno == EAGAIN || errno == ENOBUFS || syslog_open(s, NULL) < 0)
		return false;
	/* The daemon was restarted; once more on the new socket. */
	return send(s->fd, s->out.p, s->out.n, MSG_NOSIGNAL) >= 0;
}

static void
syslog_write(struct sl_event_sink *sink, const struct sl_event *event)
{
	struct sink *s = (struct sink *)sink;
	struct sl_event lost = { event->time_us, SL_WARNING, "events_dropped",
		SL_FIELDS(SL_F_INT("count", s->dropped)) };

	if (s->dropped > 0 && syslog_send(s, &lost))
		s->dropped = 0;
	if (s->dropped > 0 || !syslog_send(s, event))
		s->dropped++;
}

struct sl_event_sink *
sl_event_sink_syslog(const char *path, const char *ident, enum sl_level level,
    struct sl_err *err)
{
	struct sink *s = sink_new(path != NULL ? path : "/dev/log", SL_EVENT_TEXT, level);

	if (s != NULL)
		s->ident = sl_strdup(ident);
	if (s == NULL || s->ident == NULL) {
		if (s != NULL)
			sl_event_sink_free(&s->sink);
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	s->sink.write = syslog_write;
	if (syslog_open(s, err) < 0) {
		sl_event_sink_free(&s->sink);
		return NULL;
	}
	return &s->sink;
}

void
sl_event_sink_free(struct sl_event_sink *sink)
{
	struct sink *s = (struct sink *)sink;

	if (s == NULL)
		return;
	if (sink->flush != NULL)
		sink->flush(sink);
	if (s->owned && s->fd >= 0)
		close(s->fd);
	sl_buf_clear(&s->out);
	sl_free(s->path);
	sl_free(s->ident);
	sl_free(s);
}
