/*
 * sluice why: the story of one message, from logs. For people who were asked
 * what became of a mail, and have an id, a Message-ID or a piece of a bounce.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/event.h"
#include "cmd.h"
#include "log_files.h"
#include "why.h"

#define MAX_PASTED	65536

struct options {
	const char *policy;
	bool json;
	struct log_files logs;
};

/* ---- telling ----------------------------------------------------------------------------- */

static const char *
kind_words(enum why_kind kind)
{
	return kind == WHY_ID ? "id" : kind == WHY_MSGID ? "Message-ID" : "queue id";
}

static void
describe_log(struct sl_buf *out, const struct log_file *log)
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
	for (size_t i = 0; i < o->logs.n; i++)
		describe_log(&out, &o->logs.files[i]);
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
	for (i = 0; i < o->logs.n; i++)
		json_array_append_new(logs, json_pack("{s:o, s:s*, s:I, s:I, s:I, s:s, s:s}", "path",
		    cmd_json_text(o->logs.files[i].path), "error", o->logs.files[i].error, "lines",
		    (json_int_t)o->logs.files[i].lines, "events", (json_int_t)o->logs.files[i].events, "skipped",
		    (json_int_t)o->logs.files[i].skipped, "first", o->logs.files[i].first, "last", o->logs.files[i].last));
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
	for (i = 0; i < o->logs.n; i++)
		if (o->logs.files[i].error != NULL) {
			cmd_complain(o->logs.files[i].path, o->logs.files[i].error);
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

static void
take_line(void *arg, struct sl_str line)
{
	why_search_line(arg, line);
}

static int
search(struct options *o, const struct why_id *ids, size_t n)
{
	struct why_search *s = why_search_new(ids, n);
	json_t *result;
	int status;

	if (s == NULL)
		return 2;
	for (size_t i = 0; i < o->logs.n; i++) {
		why_search_file(s);
		log_file_read(&o->logs.files[i], take_line, s);
	}
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
	for (i = 1; i < nargs; i++)
		log_files_add(&o->logs, args[i]);
	if (nargs > 1 || log_files_find(&o->logs, o->policy, "sluice why ID LOG") == 0)
		status = search(o, ids, n);
	log_files_free(&o->logs);
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
		default: return cmd_usage("why");
		}
	if (optind >= argc)
		return cmd_usage("why");
	return why(&o, argv + optind, argc - optind);
}
