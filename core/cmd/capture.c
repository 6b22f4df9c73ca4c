/*
 * sluice capture: asks the running server for sessions that match, and writes each into a
 * file of its own. The server captures as long as this is connected to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../base/event.h"
#include "../net/loop.h"
#include "../queue/control.h"
#include "../tape/tape.h"
#include "cmd.h"
#include "shards.h"

#define CONNECT_MS	5000
#define MAX_LINE	(1024 * 1024)
#define MAX_COUNT	100000
#define MAX_SECONDS	86400
#define LOOK_MS		200

struct worker {
	int fd;				/* -1 = gone */
	struct sl_buf in;
	struct sl_buf file;
	size_t left;			/* bytes of the file that come next */
	bool receiving;
	char session[64];
	uint64_t seen, too_large;
};

struct capture {
	const char *spool, *output;
	json_t *match;
	unsigned count, every, seconds;
	bool json;
	struct worker *workers;
	struct pollfd *fds;
	size_t n, connected;
	unsigned captured, asked;	/* asked: offers that were taken and haven't come */
	bool failed, progress;
};

static volatile sig_atomic_t stopped;

static void
on_signal(int signo)
{
	(void)signo;
	stopped = 1;
}

/* ---- what it tells ---------------------------------------------------------------------------- */

static void
sum(const struct capture *c, uint64_t *seen, uint64_t *too_large)
{
	size_t i;

	*seen = *too_large = 0;
	for (i = 0; i < c->n; i++) {
		*seen += c->workers[i].seen;
		*too_large += c->workers[i].too_large;
	}
}

/* One line on a terminal, that the next one overwrites. */
static void
show_progress(const struct capture *c, bool end)
{
	uint64_t seen, too_large;

	if (!c->progress)
		return;
	sum(c, &seen, &too_large);
	fprintf(stderr, "\r%u of %u captured, %llu sessions seen%s", c->captured, c->count,
	    (unsigned long long)seen, end ? "\n" : " ");
}

static void
tell_file(const struct capture *c, const char *path, const struct worker *w)
{
	json_t *o;
	char *text;

	if (!c->json) {
		if (c->progress)
			fprintf(stderr, "\r\033[K");
		printf("%s\n", path);
		fflush(stdout);
		return;
	}
	o = json_pack("{s:s, s:s, s:I}", "file", path, "session", w->session, "bytes",
	    (json_int_t)w->file.n);
	text = json_dumps(o, JSON_COMPACT);
	printf("%s\n", text != NULL ? text : "");
	fflush(stdout);
	free(text);
	json_decref(o);
}

/* ---- files ------------------------------------------------------------------------------------ */

static int
write_all(int fd, struct sl_str bytes)
{
	ssize_t n;

	while (bytes.n > 0) {
		n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		bytes = sl_str_sub(bytes, (size_t)n, bytes.n);
	}
	return 0;
}

/* What somebody else made there isn't touched, and nobody else reads it. */
static int
store(struct capture *c, const struct worker *w)
{
	char path[4096], when[32];
	time_t now = time(NULL);
	struct tm tm;
	int fd, rc;

	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	snprintf(path, sizeof(path), "%s/%s-%.36s.capture", c->output, when, w->session);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		fprintf(stderr, "sluice: %s: %s\n", path, strerror(errno));
		return -1;
	}
	rc = write_all(fd, sl_buf_str(&w->file));
	if (close(fd) != 0 || rc != 0) {
		fprintf(stderr, "sluice: %s: %s\n", path, strerror(errno));
		unlink(path);
		return -1;
	}
	c->captured++;
	tell_file(c, path, w);
	return 0;
}

/* ---- a worker's answers ------------------------------------------------------------------------ */

static void
drop(struct capture *c, struct worker *w)
{
	if (w->fd < 0)
		return;
	close(w->fd);
	w->fd = -1;
	c->connected--;
	sl_buf_clear(&w->in);
	sl_buf_clear(&w->file);
}

static void
take_offer(struct capture *c, struct worker *w, const json_t *o)
{
	const char *id = json_string_value(json_object_get(o, "offer"));
	size_t i;

	if (c->captured + c->asked >= c->count)
		return;		/* it is dropped when we go */
	snprintf(w->session, sizeof(w->session), "%s", id);
	for (i = 0; w->session[i] != '\0'; i++)
		if (!sl_isalnum(w->session[i]) && w->session[i] != '-')
			w->session[i] = '_';	/* it is part of a path */
	c->asked++;
	if (write_all(w->fd, SL_STR("take\n")) != 0)
		drop(c, w);
}

static void
take_status(struct capture *c, struct worker *w, const json_t *o)
{
	const char *status = json_string_value(json_object_get(o, "status"));

	if (strcmp(status, "error") == 0) {
		fprintf(stderr, "sluice: %s\n", json_string_value(json_object_get(o, "text")));
		c->failed = true;
		drop(c, w);
		return;
	}
	w->seen = (uint64_t)json_integer_value(json_object_get(o, "seen"));
	w->too_large = (uint64_t)json_integer_value(json_object_get(o, "too_large"));
	if (strcmp(status, "ok") == 0)
		drop(c, w);
	show_progress(c, false);
}

static void
take_line(struct capture *c, struct worker *w, struct sl_str line)
{
	json_t *o = json_loadb(line.p, line.n, 0, NULL);

	if (json_is_string(json_object_get(o, "offer"))) {
		take_offer(c, w, o);
	} else if (json_is_integer(json_object_get(o, "size"))) {
		w->left = (size_t)json_integer_value(json_object_get(o, "size"));
		w->receiving = true;
		sl_buf_reset(&w->file);
	} else if (json_is_string(json_object_get(o, "refused"))) {
		c->asked--;
		fprintf(stderr, "sluice: session %s: %s\n", w->session,
		    json_string_value(json_object_get(o, "refused")));
	} else if (json_is_string(json_object_get(o, "status"))) {
		take_status(c, w, o);
	} else {
		fprintf(stderr, "sluice: the server's answer can't be read\n");
		c->failed = true;
		drop(c, w);
	}
	json_decref(o);
}

static void
take_bytes(struct capture *c, struct worker *w)
{
	size_t n = w->in.n < w->left ? w->in.n : w->left;

	sl_buf_put(&w->file, w->in.p, n);
	sl_buf_drop(&w->in, n);
	w->left -= n;
	if (w->left > 0)
		return;
	w->receiving = false;
	c->asked--;
	if (w->file.failed || store(c, w) != 0) {
		c->failed = true;
		stopped = 1;
	}
	show_progress(c, false);
}

static void
digest(struct capture *c, struct worker *w)
{
	struct sl_buf line = SL_BUF_INIT;
	ssize_t end;

	while (w->fd >= 0 && w->in.n > 0) {
		if (w->receiving) {
			take_bytes(c, w);
			continue;
		}
		end = sl_str_chr(sl_buf_str(&w->in), '\n');
		if (end < 0)
			break;
		sl_buf_reset(&line);
		sl_buf_put(&line, w->in.p, (size_t)end);
		sl_buf_drop(&w->in, (size_t)end + 1);
		take_line(c, w, sl_buf_str(&line));
	}
	sl_buf_clear(&line);
}

static void
receive(struct capture *c, struct worker *w)
{
	char chunk[65536];
	ssize_t n = read(w->fd, chunk, sizeof(chunk));

	if (n > 0 && (w->receiving || w->in.n < MAX_LINE) && sl_buf_put(&w->in, chunk, (size_t)n) == 0) {
		digest(c, w);
	} else if (n >= 0 || (errno != EINTR && errno != EAGAIN)) {
		fprintf(stderr, "sluice: a worker of the server has ended, or broke off\n");
		c->failed = true;
		if (w->receiving)
			c->asked--;
		drop(c, w);
	}
}

/* ---- the whole ---------------------------------------------------------------------------------- */

static int
request(const struct capture *c, int fd)
{
	json_t *o = json_pack("{s:s, s:I, s:I}", "command", "capture", "every", (json_int_t)c->every,
	    "ms", (json_int_t)c->seconds * 1000);
	struct sl_buf text = SL_BUF_INIT;
	char *dump;
	int rc;

	if (json_object_size(c->match) > 0)
		json_object_set(o, "match", c->match);
	dump = json_dumps(o, JSON_COMPACT);
	sl_buf_puts(&text, dump != NULL ? dump : "");
	sl_buf_putc(&text, '\n');
	rc = dump == NULL || text.failed ? -1 : write_all(fd, sl_buf_str(&text));
	sl_buf_clear(&text);
	free(dump);
	json_decref(o);
	return rc;
}

static int
connect_worker(struct capture *c, const char *folder)
{
	struct worker *w = &c->workers[c->n];
	struct sl_err err;
	int fd = sl_queue_control_connect(folder, CONNECT_MS, &err);

	if (fd == SL_ERR_NOTFOUND)
		return 0;	/* nobody has this shard: no worker now */
	if (fd < 0 || request(c, fd) != 0) {
		fprintf(stderr, "sluice: %s\n", fd < 0 ? err.text : strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*w = (struct worker){ .fd = fd };
	c->n++;
	c->connected++;
	return 0;
}

static int
connect_all(struct capture *c)
{
	static uint64_t numbers[CMD_MAX_SHARDS];
	char folder[4096];
	ssize_t n, i;

	snprintf(folder, sizeof(folder), "%s/queue", c->spool);
	n = cmd_find_shards(folder, numbers);
	if (n < 0) {
		perror(folder);
		return -1;
	}
	c->workers = calloc((size_t)n + 1, sizeof(*c->workers));
	c->fds = calloc((size_t)n + 1, sizeof(*c->fds));
	for (i = 0; c->workers != NULL && c->fds != NULL && i < n; i++) {
		snprintf(folder, sizeof(folder), "%s/queue/%02llu", c->spool,
		    (unsigned long long)numbers[i]);
		if (connect_worker(c, folder) != 0)
			return -1;
	}
	if (c->n > 0)
		return 0;
	fprintf(stderr, "sluice: no server has the spool %s\n", c->spool);
	return -1;
}

static void
turn(struct capture *c)
{
	struct pollfd *fds = c->fds;
	size_t i;

	for (i = 0; i < c->n; i++)
		fds[i] = (struct pollfd){ .fd = c->workers[i].fd, .events = POLLIN };
	if (poll(fds, (nfds_t)c->n, LOOK_MS) <= 0)
		return;
	for (i = 0; i < c->n; i++)
		if (c->workers[i].fd >= 0 && (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
			receive(c, &c->workers[i]);
}

static int
conclude(const struct capture *c)
{
	uint64_t seen, too_large;
	json_t *o;
	char *text;

	sum(c, &seen, &too_large);
	show_progress(c, true);
	if (too_large > 0)
		fprintf(stderr, "sluice: %llu sessions couldn't be captured: too large, too many at once, "
		    "or with a password of less than 4 bytes\n", (unsigned long long)too_large);
	if (c->json) {
		o = json_pack("{s:I, s:I, s:I}", "captured", (json_int_t)c->captured, "seen", (json_int_t)seen,
		    "left_out", (json_int_t)too_large);
		text = json_dumps(o, JSON_COMPACT);
		printf("%s\n", text != NULL ? text : "");
		free(text);
		json_decref(o);
	}
	if (cmd_flush() != 0 || c->failed)
		return 2;
	return c->captured >= c->count ? 0 : 1;
}

static int
capture(struct capture *c)
{
	size_t i;
	int rc = 2;

	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGHUP, on_signal);
	if (connect_all(c) == 0) {
		show_progress(c, false);
		while (!stopped && c->connected > 0 && c->captured < c->count)
			turn(c);
		rc = conclude(c);
	}
	for (i = 0; i < c->n; i++)
		drop(c, &c->workers[i]);
	free(c->workers);
	free(c->fds);
	return rc;
}

/* ---- the command line ------------------------------------------------------------------------------ */

static bool
number(const char *text, uint64_t max, unsigned *out)
{
	uint64_t n;

	if (!sl_str_u64(sl_str_of(text), &n) || n == 0 || n > max)
		return false;
	*out = (unsigned)n;
	return true;
}

/* Several patterns of one fact: one of them. */
static bool
add_match(json_t *match, const char *arg)
{
	const char *cut = strchr(arg, '=');
	char fact[40];
	json_t *list;

	if (cut == NULL || cut == arg || (size_t)(cut - arg) >= sizeof(fact))
		return false;
	memcpy(fact, arg, (size_t)(cut - arg));
	fact[cut - arg] = '\0';
	list = json_object_get(match, fact);
	if (list == NULL) {
		list = json_array();
		json_object_set_new(match, fact, list);
	}
	return json_array_append_new(list, json_string(cut + 1)) == 0;
}

int
cmd_capture(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "match", required_argument, NULL, 'm' }, { "every", required_argument, NULL, 'e' },
		{ "count", required_argument, NULL, 'n' }, { "for", required_argument, NULL, 'f' },
		{ "output", required_argument, NULL, 'o' }, { "json", no_argument, NULL, 'j' }, { 0 },
	};
	struct capture c = { .output = ".", .count = 1, .seconds = 600, .match = json_object() };
	bool good = true;
	int o, rc;

	while ((o = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (o) {
		case 'm': good &= add_match(c.match, optarg); break;
		case 'e': good &= number(optarg, INT32_MAX, &c.every); break;
		case 'n': good &= number(optarg, MAX_COUNT, &c.count); break;
		case 'f': good &= number(optarg, MAX_SECONDS, &c.seconds); break;
		case 'o': c.output = optarg; break;
		case 'j': c.json = true; break;
		default: good = false;
		}
	if (!good || optind != argc - 1) {
		json_decref(c.match);
		return cmd_usage("capture");
	}
	c.spool = argv[optind];
	c.progress = isatty(STDERR_FILENO) && !c.json;
	rc = capture(&c);
	json_decref(c.match);
	return rc;
}
