/*
 * sluice replay: captured sessions through a policy, the one they were captured with or another
 * one. What is decided otherwise is shown with where it was decided; a question that wasn't asked
 * then is told, never answered.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/terminal.h"
#include "../net/loop.h"
#include "../policy/replay.h"
#include "../tape/tape.h"
#include "cmd.h"
#include "desk.h"
#include "desk_show.h"

#define REPEATED_MS	61000		/* script errors that repeat are told once a minute */
#define MAX_FILE	(300u * 1024 * 1024)

struct options {
	const char *policy;		/* NULL = the one that each capture names */
	bool json, quiet, color;
};

struct state {
	struct options o;
	struct desk *desk;
	char *folder;			/* whose policy is on the desk */
	unsigned same, differ, incomplete, failed;
	unsigned other_version;		/* captures of the folder's policy before it was changed */
	json_t *table;			/* a change as one line -> how often */
};

/* ---- the policy -------------------------------------------------------------------------- */

static const char *
folder_of(const struct state *s, const struct sl_tape *tape)
{
	struct sl_str folder = sl_tape_fact_of(tape, "folder");

	return s->o.policy != NULL ? s->o.policy : folder.n > 0 ? folder.p : NULL;
}

/* Nothing of one session is left for the next: what it saw is on its tape. Errors of scripts are
 * told again after a while. */
static int
prepare_again(struct state *s)
{
	desk_wait(s->desk, REPEATED_MS);
	desk_forget(s->desk);
	return 0;
}

static int
prepare(struct state *s, const char *path, const struct sl_tape *tape)
{
	const char *folder = folder_of(s, tape);
	struct sl_buf report = SL_BUF_INIT;
	int rc = 0;

	if (folder == NULL) {
		cmd_complain(path, "the capture names no policy: --policy DIR is needed");
		return -1;
	}
	if (s->folder != NULL && strcmp(s->folder, folder) == 0)
		return prepare_again(s);
	desk_close(s->desk);
	free(s->folder);
	s->folder = strdup(folder);
	s->desk = desk_open(folder, true, SL_WARNING, &report);
	if (s->desk != NULL)
		desk_shut(s->desk);
	if (s->folder == NULL || s->desk == NULL || desk_begin(s->desk, &report) != 0) {
		fprintf(stderr, "%s", report.p != NULL ? report.p : "sluice: out of memory\n");
		free(s->folder);
		s->folder = NULL;	/* the next one tries again */
		rc = -1;
	}
	sl_buf_clear(&report);
	return rc;
}

/* ---- running ------------------------------------------------------------------------------ */

static void
done(void *arg, struct sl_replay *r)
{
	(void)r;
	*(bool *)arg = true;
}

/* NULL: it was said why. */
static struct sl_replay *
run(struct state *s, const char *path, struct sl_tape *tape)
{
	struct sl_replay *r;
	struct sl_err err;
	bool over = false;

	if (sl_replay_start(&r, desk_engine(s->desk), tape, false, done, &over, &err) != 0) {
		cmd_complain(path, err.text);
		return NULL;
	}
	while (!over && sl_loop_step(desk_loop(s->desk), -1) == 0)
		;
	if (over)
		return r;
	cmd_complain(path, "the loop failed");
	sl_replay_free(r);
	return NULL;
}

/* ---- showing ------------------------------------------------------------------------------- */

static const char *
text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? s : "";
}

static struct sl_str
bytes_of(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return (struct sl_str){ json_is_string(v) ? json_string_value(v) : "", json_string_length(v) };
}

static void
paint(const struct state *s, struct sl_buf *out, const char *code)
{
	if (s->o.color)
		sl_buf_puts(out, code);
}

static void
show_verdict(const struct state *s, struct sl_buf *out, char sign, const json_t *v)
{
	struct sl_buf one = SL_BUF_INIT;

	sl_event_put_harmless(&one, bytes_of(v, "reply"));
	paint(s, out, sign == '-' ? "\033[31m" : "\033[32m");
	sl_buf_printf(out, "  %c %-52s", sign, one.p != NULL ? one.p : "");
	paint(s, out, "\033[m");
	sl_buf_printf(out, "  %s %s at ", text_of(v, "phase"), text_of(v, "action"));
	sl_event_put_harmless(out, bytes_of(v, "where"));
	sl_buf_puts(out, json_is_true(json_object_get(v, "failed")) ? " (the script failed)\n" : "\n");
	sl_buf_clear(&one);
}

static void
put_list(struct sl_buf *out, const json_t *list)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		sl_buf_puts(out, i > 0 ? ", " : "");
		sl_event_put_harmless(out, (struct sl_str){ json_string_value(item),
		    json_string_length(item) });
	}
}

static void
show_member(struct sl_buf *out, const char *name, const json_t *before, const json_t *after)
{
	const json_t *a = json_object_get(before, name), *b = json_object_get(after, name);

	if (json_equal(a, b))
		return;
	sl_buf_printf(out, "    %s: ", name);
	if (json_is_array(a) || json_is_array(b)) {
		put_list(out, a);
		sl_buf_puts(out, " -> ");
		put_list(out, b);
	} else {
		sl_event_put_harmless(out, bytes_of(before, name));
		sl_buf_puts(out, " -> ");
		sl_event_put_harmless(out, bytes_of(after, name));
	}
	sl_buf_putc(out, '\n');
}

static void
show_message(const struct state *s, struct sl_buf *out, const json_t *d)
{
	const json_t *before = json_object_get(d, "before"), *after = json_object_get(d, "after");
	const json_t *only = json_is_null(before) ? after : before;

	sl_buf_printf(out, "  message %s", text_of(d, "id"));
	if (json_is_null(before) || json_is_null(after)) {
		sl_buf_puts(out, json_is_null(before) ? " is new, for " : " isn't there any more, for ");
		put_list(out, json_object_get(only, "recipients"));
		sl_buf_putc(out, '\n');
		return;
	}
	sl_buf_putc(out, '\n');
	show_member(out, "sender", before, after);
	show_member(out, "quarantine", before, after);
	show_member(out, "recipients", before, after);
	desk_show_diff(out, bytes_of(before, "bytes"), bytes_of(after, "bytes"), s->o.color);
}

static void
show_difference(const struct state *s, struct sl_buf *out, const json_t *d)
{
	const char *what = text_of(d, "what");

	if (strcmp(what, "missing") == 0) {
		paint(s, out, "\033[33m");
		sl_buf_puts(out, "  ? asks what isn't in the capture: ");
		sl_event_put_harmless(out, bytes_of(d, "question"));
		paint(s, out, "\033[m");
		sl_buf_putc(out, '\n');
	} else if (strcmp(what, "message") == 0) {
		show_message(s, out, d);
	} else if (strcmp(what, "changes") == 0) {
		sl_buf_puts(out, "  what the mail server is to change:\n    - ");
		sl_event_put_harmless(out, bytes_of(d, "before"));
		sl_buf_puts(out, "\n    + ");
		sl_event_put_harmless(out, bytes_of(d, "after"));
		sl_buf_putc(out, '\n');
	} else {
		show_verdict(s, out, '-', json_object_get(d, "before"));
		show_verdict(s, out, '+', json_object_get(d, "after"));
	}
}

/* What scripts did wrong meanwhile: that is why a verdict is an error's. */
static void
show_errors(struct state *s, struct sl_buf *out)
{
	const json_t *e;
	size_t i;

	json_array_foreach(desk_events(s->desk), i, e)
		if (strncmp(text_of(e, "event"), "script_", 7) == 0) {
			sl_buf_puts(out, "  ");
			sl_event_put_harmless(out, bytes_of(e, "error"));
			sl_buf_putc(out, '\n');
		}
}

static void
show_text(struct state *s, const char *path, const struct sl_replay *r)
{
	const json_t *list = sl_replay_differences(r), *d;
	struct sl_buf out = SL_BUF_INIT;
	json_int_t step = -1;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	sl_buf_printf(&out, "%s\n", path);
	json_array_foreach(list, i, d) {
		if (json_integer_value(json_object_get(d, "step")) != step) {
			paint(s, &out, "\033[1m");
			sl_event_put_harmless(&out, bytes_of(d, "input"));
			paint(s, &out, "\033[m");
			sl_buf_putc(&out, '\n');
		}
		step = json_integer_value(json_object_get(d, "step"));
		show_difference(s, &out, d);
	}
	show_errors(s, &out);
	if (sl_replay_unreached(r) > 0)
		sl_buf_printf(&out, "  %u later commands of the client couldn't come now\n",
		    sl_replay_unreached(r));
	sl_buf_putc(&out, '\n');
	desk_print(s->desk, &out);
	sl_buf_clear(&out);
}

static const char *
status_of(const struct sl_replay *r)
{
	static const char *const words[] = { "same", "differs", "incomplete" };

	return words[sl_replay_result(r)];
}

static void
show_json(struct state *s, const char *path, const struct sl_replay *r)
{
	struct sl_buf text = SL_BUF_INIT;
	json_t *o = json_object();
	char *dump;

	json_object_set_new(o, "file", cmd_json_text(path));
	json_object_set_new(o, "status", json_string(status_of(r)));
	json_object_set_new(o, "compared", json_integer(sl_replay_compared(r)));
	json_object_set_new(o, "unreached", json_integer(sl_replay_unreached(r)));
	json_object_set_new(o, "differences", cmd_json_presentable(sl_replay_differences(r)));
	dump = json_dumps(o, JSON_COMPACT);
	sl_buf_printf(&text, "%s\n", dump != NULL ? dump : "");
	desk_print(s->desk, &text);
	free(dump);
	json_decref(o);
	sl_buf_clear(&text);
}

/* What changed, without what is of one session: the same change of many sessions is one row. */
static void
put_row(struct sl_buf *out, const json_t *d)
{
	const json_t *before = json_object_get(d, "before"), *after = json_object_get(d, "after");
	const char *what = text_of(d, "what");

	if (strcmp(what, "missing") == 0) {
		sl_buf_puts(out, "asks what isn't in the capture: ");
		sl_event_put_harmless(out, bytes_of(d, "question"));
	} else if (strcmp(what, "verdict") == 0) {
		sl_buf_printf(out, "%s: ", text_of(after, "phase"));
		sl_event_put_harmless(out, bytes_of(before, "reply"));
		sl_buf_puts(out, " -> ");
		sl_event_put_harmless(out, bytes_of(after, "reply"));
		sl_buf_puts(out, " at ");
		sl_event_put_harmless(out, bytes_of(after, "where"));
	} else if (json_is_null(before) || json_is_null(after)) {
		sl_buf_puts(out, json_is_null(before) ? "a message more" : "a message less");
	} else {
		sl_buf_puts(out, strcmp(what, "message") == 0 ? "a message is another" :
		    "a mail server is to change something else");
	}
}

static void
tabulate(struct state *s, const struct sl_replay *r)
{
	struct sl_buf text = SL_BUF_INIT, row = SL_BUF_INIT;
	const json_t *d;
	size_t i;

	json_array_foreach(sl_replay_differences(r), i, d) {
		sl_buf_reset(&text);
		sl_buf_reset(&row);
		put_row(&text, d);
		sl_engine_redact(desk_engine(s->desk), sl_buf_str(&text), &row);
		if (!row.failed && row.n > 0)
			json_object_set_new(s->table, row.p,
			    json_integer(json_integer_value(json_object_get(s->table, row.p)) + 1));
	}
	sl_buf_clear(&text);
	sl_buf_clear(&row);
}

static void
count(struct state *s, const struct sl_replay *r)
{
	const char *status = status_of(r);

	tabulate(s, r);
	if (strcmp(status, "same") == 0)
		s->same++;
	else if (strcmp(status, "differs") == 0)
		s->differ++;
	else
		s->incomplete++;
}

/* ---- files ----------------------------------------------------------------------------------- */

static struct sl_tape *
read_tape(const char *path)
{
	struct sl_tape *tape = NULL;
	struct sl_buf bytes;
	struct sl_err err;

	if (cmd_read(path, MAX_FILE, &bytes) != 0)
		return NULL;
	if (sl_tape_read(&tape, sl_buf_str(&bytes), &err) != 0)
		cmd_complain(path, err.text);
	sl_buf_clear(&bytes);
	return tape;
}

static void
replay(struct state *s, const char *path)
{
	struct sl_tape *tape = read_tape(path);
	struct sl_replay *r = NULL;

	if (tape != NULL && prepare(s, path, tape) == 0) {
		s->other_version += s->o.policy == NULL && !sl_str_eq(sl_tape_fact_of(tape, "policy"),
		    sl_str_of(sl_engine_generation(desk_engine(s->desk))));
		r = run(s, path, tape);
	}
	sl_tape_unref(tape);
	if (r == NULL) {
		s->failed++;
		return;
	}
	count(s, r);
	if (s->o.json)
		show_json(s, path, r);
	else if (!s->o.quiet)
		show_text(s, path, r);
	sl_replay_free(r);
}

static void
conclude_text(const struct state *s)
{
	const char *row;
	json_t *n;

	json_object_foreach(s->table, row, n)
		printf("%6lld  %s\n", (long long)json_integer_value(n), row);
	if (json_object_size(s->table) > 0)
		printf("\n");
	printf("%u the same, %u differ, %u ask what wasn't captured, %u couldn't be replayed\n",
	    s->same, s->differ, s->incomplete, s->failed);
}

static void
conclude_json(const struct state *s)
{
	json_t *o = json_pack("{s:i, s:i, s:i, s:i, s:O}", "same", (int)s->same, "differ",
	    (int)s->differ, "incomplete", (int)s->incomplete, "failed", (int)s->failed, "table", s->table);
	char *text = json_dumps(o, JSON_COMPACT);

	printf("%s\n", text != NULL ? text : "");
	free(text);
	json_decref(o);
}

static int
conclude(const struct state *s)
{
	if (s->other_version > 0)
		fprintf(stderr, "sluice: %u captured with another version of the policy than its folder has "
		    "now\n", s->other_version);
	if (s->o.json)
		conclude_json(s);
	else
		conclude_text(s);
	if (cmd_flush() != 0 || s->failed > 0)
		return 2;
	return s->differ + s->incomplete > 0 ? 1 : 0;
}

int
cmd_replay(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "policy", required_argument, NULL, 'p' }, { "quiet", no_argument, NULL, 'q' },
		{ "json", no_argument, NULL, 'j' }, { 0 },
	};
	struct state s = { .o.color = sl_terminal_colors(STDOUT_FILENO) };
	int c, i, status;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 'p': s.o.policy = optarg; break;
		case 'q': s.o.quiet = true; break;
		case 'j': s.o.json = true; break;
		default: return cmd_usage("replay");
		}
	if (optind == argc)
		return cmd_usage("replay");
	if ((s.table = json_object()) == NULL)
		return 2;
	for (i = optind; i < argc; i++)
		replay(&s, argv[i]);
	status = conclude(&s);
	desk_close(s.desk);
	free(s.folder);
	json_decref(s.table);
	return status;
}
