/*
 * sluice why: the story of one message, from logs. For people who were asked
 * what became of a mail, and have an id, a Message-ID or a piece of a bounce.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/event.h"
#include "../policy/config.h"
#include "../policy/image.h"
#include "../sluice_host.h"
#include "cmd.h"
#include "why.h"

#define CHUNK		(256u << 10)
#define MAX_LINE	(256u << 10)	/* longer lines are passed over */
#define MAX_PASTED	65536
#define MAX_FILES	1000
#define TIME		27

/* What was read of one log. */
struct log {
	char *path;
	const char *error;		/* NULL = it was read */
	bool compressed;		/* by gzip: nothing is found in it */
	uint64_t lines, events, skipped;	/* all; JSON of ours; too long */
	char first[TIME + 1], last[TIME + 1];
};

struct options {
	const char *policy;
	bool json;
	struct log *logs;
	size_t nlogs;
};

/* ---- reading ----------------------------------------------------------------------------- */

static void
count(struct log *log, struct sl_str line)
{
	static const char head[] = "{\"time\":\"";
	size_t n = sizeof(head) - 1;
	char *to = log->first[0] == '\0' ? log->first : log->last;

	log->lines++;
	if (line.n < n + TIME || memcmp(line.p, head, n) != 0)
		return;
	log->events++;
	memcpy(to, line.p + n, TIME);
	to[TIME] = '\0';
}

/* Whole lines of the buffer; what is left is the beginning of one. */
static void
take_lines(struct log *log, struct why_search *s, struct sl_buf *b, bool *passing, bool end)
{
	struct sl_str rest = sl_buf_str(b), line;
	ssize_t at;

	while ((at = sl_str_chr(rest, '\n')) >= 0 || (end && rest.n > 0)) {
		line = at >= 0 ? sl_str_sub(rest, 0, (size_t)at) : rest;
		rest = at >= 0 ? sl_str_sub(rest, (size_t)at + 1, rest.n) : sl_str_sub(rest, rest.n, rest.n);
		if (*passing) {
			*passing = false;
			continue;
		}
		count(log, line);
		why_search_line(s, line);
	}
	sl_buf_drop(b, b->n - rest.n);
	if (b->n <= MAX_LINE)
		return;
	log->skipped += !*passing;
	*passing = true;
	sl_buf_reset(b);
}

static void
read_log(struct log *log, struct why_search *s)
{
	int fd = strcmp(log->path, "-") == 0 ? STDIN_FILENO : open(log->path, O_RDONLY | O_CLOEXEC);
	struct sl_buf b = SL_BUF_INIT;
	bool passing = false;
	ssize_t n = -1;

	why_search_file(s);
	while (fd >= 0 && sl_buf_reserve(&b, CHUNK) == 0 && (n = read(fd, b.p + b.n, CHUNK)) > 0) {
		b.n += (size_t)n;
		if (log->lines == 0 && sl_str_starts(sl_buf_str(&b), SL_STR("\x1f\x8b")))
			log->compressed = true;
		take_lines(log, s, &b, &passing, false);
	}
	if (n < 0)
		log->error = strerror(errno);
	else
		take_lines(log, s, &b, &passing, true);
	if (fd > STDIN_FILENO)
		close(fd);
	sl_buf_clear(&b);
}

/* ---- which logs -------------------------------------------------------------------------- */

static void
add_log(struct options *o, const char *path)
{
	if (o->nlogs < MAX_FILES)
		o->logs[o->nlogs++].path = strdup(path);
}

/* "log.2" beside "log": what log rotation leaves, as long as it isn't compressed. */
static bool
is_rotated(const char *name, const char *log)
{
	size_t n = strlen(log);

	return strncmp(name, log, n) == 0 && (name[n] == '.' || name[n] == '-') && name[n + 1] != '\0' &&
	    name[n + 1 + strspn(name + n + 1, "0123456789-")] == '\0';
}

static void
add_rotated(struct options *o, const char *path)
{
	char *a = strdup(path), *b = strdup(path), *folder = dirname(a), *name = basename(b), *full;
	struct dirent **found;
	int n = scandir(folder, &found, NULL, alphasort), i;

	for (i = 0; i < n; i++) {
		if (is_rotated(found[i]->d_name, name) &&
		    asprintf(&full, "%s/%s", folder, found[i]->d_name) >= 0) {
			add_log(o, full);
			free(full);
		}
		free(found[i]);
	}
	if (n >= 0)
		free(found);
	add_log(o, path);
	free(a);
	free(b);
}

/* The log that the policy names, and what was rotated away from it. */
static int
find_logs(struct options *o)
{
	struct sl_engine_options options = { .gateway = true, .stdlib = cmd_stdlib() };
	struct sl_generation *generation = NULL;
	struct sl_buf report = SL_BUF_INIT;
	struct sl_err err;
	struct sl_engine *engine = sl_engine_new(&options, &err);
	const char *file = NULL;
	int image = -1, rc = -1;

	if (engine == NULL || sl_image_pack(o->policy, cmd_stdlib(), &image, &err) != 0) {
		fprintf(stderr, "sluice: %s\n", err.text);
	} else if (sl_engine_prepare(engine, image, &generation, &report) != 0) {
		fprintf(stderr, "%sThe policy doesn't load; name the log: sluice why ID LOG\n",
		    report.p != NULL ? report.p : "");
	} else if ((file = sl_generation_config(generation)->log.file) == NULL) {
		fprintf(stderr, "sluice: %s/sluice.lua names no file in log; name one: sluice why ID LOG\n",
		    o->policy);
	} else {
		add_rotated(o, file);
		rc = 0;
	}
	if (generation != NULL)
		sl_generation_free(generation);
	if (image >= 0)
		close(image);
	sl_engine_free(engine);
	sl_buf_clear(&report);
	return rc;
}

/* ---- telling ----------------------------------------------------------------------------- */

static const char *
kind_words(enum why_kind kind)
{
	return kind == WHY_ID ? "id" : kind == WHY_MSGID ? "Message-ID" : "queue id";
}

static void
describe_log(struct sl_buf *out, const struct log *log)
{
	sl_buf_puts(out, "  ");
	sl_event_put_harmless(out, sl_str_of(log->path));
	if (log->error != NULL) {
		sl_buf_printf(out, ": %s\n", log->error);
		return;
	}
	if (log->compressed) {
		sl_buf_puts(out, ": compressed, give it by: zcat LOG | sluice why ID -\n");
		return;
	}
	sl_buf_printf(out, ": %llu lines", (unsigned long long)log->lines);
	if (log->first[0] != '\0')
		sl_buf_printf(out, ", events from %s to %s", log->first,
		    log->last[0] != '\0' ? log->last : log->first);
	else if (log->lines > 0)
		sl_buf_puts(out, ", none of them an event in JSON (times aren't known)");
	if (log->skipped > 0)
		sl_buf_printf(out, ", %llu too long and passed over", (unsigned long long)log->skipped);
	sl_buf_putc(out, '\n');
}

/* What could be the reason that nothing is there. */
static void
explain(struct sl_buf *out, const struct why_id *ids, size_t n)
{
	bool kinds[3] = { false };

	for (size_t i = 0; i < n; i++)
		kinds[ids[i].kind] = true;
	if (kinds[WHY_MSGID])
		sl_buf_puts(out, "A Message-ID is known of messages that were received whole: what was refused "
		    "before its data has none.\n");
	if (kinds[WHY_QUEUEID])
		sl_buf_puts(out, "A queue id is known where that mail server asked us (a milter), or said it when "
		    "it took the message.\n");
	sl_buf_puts(out, "It may be older than these logs, or another machine's; a log of a level above info "
	    "leaves out most messages.\n");
}

static void
tell_nothing(const struct options *o, const struct why_id *ids, size_t n)
{
	struct sl_buf out = SL_BUF_INIT;

	sl_buf_puts(&out, "Nothing is found of");
	for (size_t i = 0; i < n; i++) {
		sl_buf_printf(&out, "%s %s ", i > 0 ? "," : "", kind_words(ids[i].kind));
		sl_event_put_harmless(&out, sl_str_of(ids[i].text));
	}
	sl_buf_puts(&out, " in:\n");
	for (size_t i = 0; i < o->nlogs; i++)
		describe_log(&out, &o->logs[i]);
	explain(&out, ids, n);
	fwrite(out.p != NULL ? out.p : "", 1, out.n, stdout);
	sl_buf_clear(&out);
}

static void
tell(const json_t *result)
{
	const json_t *messages = json_object_get(result, "messages"), *m;
	json_int_t left_out = json_integer_value(json_object_get(result, "left_out"));
	struct sl_buf out = SL_BUF_INIT;
	size_t i;

	json_array_foreach(messages, i, m) {
		if (i > 0)
			sl_buf_putc(&out, '\n');
		why_show(&out, m);
	}
	if (json_array_size(messages) > 0 && json_array_size(json_object_get(result, "lines")) > 0)
		sl_buf_putc(&out, '\n');
	why_show_lines(&out, json_object_get(result, "lines"));
	if (left_out > 0)
		sl_buf_printf(&out, "\n%lld more lines are left out.\n", (long long)left_out);
	fwrite(out.p != NULL ? out.p : "", 1, out.n, stdout);
	sl_buf_clear(&out);
}

static void
tell_json(const struct options *o, const struct why_id *ids, size_t n, json_t *result)
{
	json_t *asked = json_array(), *logs = json_array();
	char *dump;
	size_t i;

	for (i = 0; i < n; i++)
		json_array_append_new(asked, json_pack("{s:s, s:o}", "kind", kind_words(ids[i].kind),
		    "id", cmd_json_text(ids[i].text)));
	for (i = 0; i < o->nlogs; i++)
		json_array_append_new(logs, json_pack("{s:o, s:s*, s:I, s:I, s:I, s:s, s:s}", "path",
		    cmd_json_text(o->logs[i].path), "error", o->logs[i].error, "lines",
		    (json_int_t)o->logs[i].lines, "events", (json_int_t)o->logs[i].events, "skipped",
		    (json_int_t)o->logs[i].skipped, "first", o->logs[i].first, "last", o->logs[i].last));
	json_object_set_new(result, "asked", asked);
	json_object_set_new(result, "logs", logs);
	dump = json_dumps(result, JSON_INDENT(2));
	printf("%s\n", dump != NULL ? dump : "");
	free(dump);
}

/* 0 found, 1 nothing, 2 a log couldn't be read (said, and the rest is told). */
static int
finish(struct options *o, const struct why_id *ids, size_t n, json_t *result)
{
	bool found = json_array_size(json_object_get(result, "messages")) > 0 ||
	    json_array_size(json_object_get(result, "lines")) > 0;
	int status = found ? 0 : 1;
	json_t *m;
	size_t i;

	json_array_foreach(json_object_get(result, "messages"), i, m)
		why_story(m);
	for (i = 0; i < o->nlogs; i++)
		if (o->logs[i].error != NULL) {
			cmd_complain(o->logs[i].path, o->logs[i].error);
			status = 2;
		}
	if (o->json)
		tell_json(o, ids, n, result);
	else if (found)
		tell(result);
	else
		tell_nothing(o, ids, n);
	return cmd_flush() != 0 ? 2 : status;
}

/* ---- the command line -------------------------------------------------------------------- */

static int
search(struct options *o, const struct why_id *ids, size_t n)
{
	struct why_search *s = why_search_new(ids, n);
	json_t *result;
	int status;

	if (s == NULL)
		return 2;
	for (size_t i = 0; i < o->nlogs; i++)
		read_log(&o->logs[i], s);
	result = why_search_finish(s);
	status = finish(o, ids, n, result);
	json_decref(result);
	why_search_free(s);
	return status;
}

static int
read_ids(const char *given, struct why_id *ids, size_t *n)
{
	struct sl_buf pasted = SL_BUF_INIT;

	if (strcmp(given, "-") == 0 && cmd_read("-", MAX_PASTED, &pasted) != 0)
		return -1;
	*n = why_find_ids(ids, strcmp(given, "-") == 0 ? sl_buf_str(&pasted) : sl_str_of(given));
	sl_buf_clear(&pasted);
	if (*n > 0)
		return 0;
	fprintf(stderr, "sluice: there is no id in that: ours, a Message-ID or a queue id is expected\n");
	return -1;
}

static int
why(struct options *o, char **args, int nargs)
{
	struct why_id ids[WHY_MAX_IDS];
	int status = 2, i;
	size_t n;

	if (read_ids(args[0], ids, &n) != 0)
		return 2;
	o->logs = calloc(MAX_FILES, sizeof(*o->logs));
	if (o->logs == NULL)
		return 2;
	for (i = 1; i < nargs; i++)
		add_log(o, args[i]);
	if (nargs > 1 || find_logs(o) == 0)
		status = search(o, ids, n);
	for (n = 0; n < o->nlogs; n++)
		free(o->logs[n].path);
	free(o->logs);
	return status;
}

int
cmd_why(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "policy", required_argument, NULL, 'p' }, { "json", no_argument, NULL, 'j' }, { 0 },
	};
	struct options o = { .policy = "." };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 'p': o.policy = optarg; break;
		case 'j': o.json = true; break;
		default: return 2;
		}
	if (optind >= argc) {
		fprintf(stderr, "usage: sluice why ID|TEXT|- [LOG...] [--policy DIR] [--json]\n");
		return 2;
	}
	return why(&o, argv + optind, argc - optind);
}
