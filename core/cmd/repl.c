/*
 * sluice repl: evaluates lines, with the builtins that need no message. A line
 * is a run of its own, in names that stay. What comes from a terminal is edited,
 * remembered and prompted for; from a pipe it is only read.
 */
#include "repl.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/dict.h"
#include "cmd.h"
#include "desk_show.h"

#define MAX_CHUNK	(1024 * 1024)
#define HISTORY		1000		/* lines */
#define LOOK_MS		100		/* how often Ctrl-C is looked at while a line waits */
#define RED		"\033[31m"
#define PLAIN		"\033[m"

static struct sl_engine *interruptible;
static volatile sig_atomic_t at_prompt;
static volatile sig_atomic_t interrupted;

/* ---- output -------------------------------------------------------------------------- */

/* What a script prints may be anybody's text: a terminal gets no control bytes. */
static void
print(FILE *to, struct sl_str text)
{
	bool clean = isatty(fileno(to));
	unsigned char c;
	size_t i;

	for (i = 0; i < text.n; i++) {
		c = (unsigned char)text.p[i];
		putc(clean && (c < ' ' || c == 0x7f) && c != '\n' && c != '\t' ? '?' : c, to);
	}
	putc('\n', to);
}

static void
on_echo(void *arg, struct sl_str line)
{
	(void)arg;
	print(stdout, line);
}

void
repl_complain(struct repl *r, const char *text)
{
	r->failed = true;
	fflush(stdout);
	if (r->editor != NULL)
		fprintf(stderr, RED "%s" PLAIN "\n", text);
	else
		fprintf(stderr, "%s\n", text);
}

/* ---- evaluating ---------------------------------------------------------------------- */

static void
on_interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
	if (!at_prompt)		/* else it would end what comes next */
		sl_engine_interrupt(interruptible);
}

/* An error of the chunk, with the column as it was typed. */
static void
complain_of_input(struct repl *r, const char *text)
{
	char head[48], shown[sizeof(((struct sl_err *)NULL)->text) + 16];
	size_t n = (size_t)snprintf(head, sizeof(head), "input %u%s:1:", r->chunks, r->hsl ? ".hsl" : "");
	long column = 0;
	char *end = NULL;

	if (strncmp(text, head, n) == 0)
		column = strtol(text + n, &end, 10);
	if (column <= r->prefix || *end != ':') {
		repl_complain(r, text);
		return;
	}
	snprintf(shown, sizeof(shown), "%s%ld%s", head, column - r->prefix, end);
	repl_complain(r, shown);
}

/* Without the newline at its end. */
static void
complain_of(struct repl *r, const char *text)
{
	struct sl_buf shown = SL_BUF_INIT;
	size_t n = strlen(text);

	sl_buf_putstr(&shown, (struct sl_str){ text, n > 0 && text[n - 1] == '\n' ? n - 1 : n });
	repl_complain(r, shown.p != NULL ? shown.p : "");
	sl_buf_clear(&shown);
}

/* Source line and stack of an error, where it isn't the line that was just typed. */
static void
show_stack(struct repl *r, const char *text)
{
	if (text != NULL && (strncmp(text, "in ", 3) == 0 || strstr(text, "\nin ") != NULL))
		complain_of(r, text);
}

/* Every error of what doesn't compile, with its source lines. */
static void
complain_of_source(struct repl *r, const struct sl_err *err)
{
	const char *report = sl_engine_exec_report(desk_engine(r->desk));

	complain_of(r, err->code == SL_ERR_SYNTAX && report[0] != '\0' ? report : err->text);
}

/* A chunk that runs; another may run where it is stopped. */
struct chunk {
	struct repl *r;
	bool over;
};

static void
on_result(void *arg, const struct sl_err *err, const char *text)
{
	struct chunk *c = arg;
	struct repl *r = c->r;

	if (err != NULL) {
		complain_of_input(r, err->text);
		show_stack(r, text);
	} else if (text != NULL) {
		print(stdout, sl_str_of(text));
	}
	c->over = true;
}

int
repl_execute(struct repl *r, struct sl_str source, struct sl_err *err)
{
	struct chunk c = { r, false };
	char name[40];

	snprintf(name, sizeof(name), "input %u%s", r->chunks, r->hsl ? ".hsl" : "");
	if (sl_engine_exec(desk_engine(r->desk), name, source, on_result, &c, err) != 0)
		return err->code;
	repl_step_keep(r, name);
	interrupted = 0;
	while (!c.over) {
		sl_engine_wait(desk_engine(r->desk), LOOK_MS);
		if (interrupted && !c.over)
			sl_engine_exec_stop(desk_engine(r->desk));
		if (!r->stopped && sl_engine_stopped(desk_engine(r->desk), NULL))
			repl_at_stop(r);
	}
	return 0;
}

static bool
is_incomplete(const struct repl *r, const struct sl_err *err)
{
	struct sl_str text = sl_str_of(err->text);

	if (!r->hsl)
		return sl_str_ends(text, SL_STR("near <eof>"));
	return sl_str_ends(text, SL_STR(" is open")) || sl_str_ends(text, SL_STR(" has no end")) ||
	    sl_str_find(text, SL_STR("end of the file")) >= 0;
}

/* The input as a chunk that gives (in HSL: prints) its value, if it is an expression. */
static void
put_expression(const struct repl *r, struct sl_buf *out)
{
	struct sl_str input = sl_buf_str(&r->input);

	if (!r->hsl) {
		sl_buf_puts(out, "return ");
		sl_buf_putstr(out, input);
		return;
	}
	input = sl_str_trim(input);
	if (input.n > 0 && input.p[input.n - 1] == ';')
		input.n--;
	sl_buf_puts(out, "echo (");
	sl_buf_putstr(out, input);
	sl_buf_puts(out, "\n);");
}

/* An expression prints its value: it is tried first. False: more lines are needed. */
static bool
evaluate(struct repl *r, bool last)
{
	struct sl_buf expression = SL_BUF_INIT;
	bool more = false;
	struct sl_err err;
	int rc;

	put_expression(r, &expression);
	r->prefix = r->hsl ? (long)strlen("echo (") : (long)strlen("return ");
	rc = repl_execute(r, sl_buf_str(&expression), &err);
	r->prefix = 0;
	sl_buf_clear(&expression);
	if (rc == SL_ERR_SYNTAX) {
		more = is_incomplete(r, &err);
		rc = repl_execute(r, sl_buf_str(&r->input), &err);
		more = rc == SL_ERR_SYNTAX && !last && (more || is_incomplete(r, &err));
	}
	if (more)
		return false;
	if (rc != 0)
		complain_of_source(r, &err);
	else
		repl_complete_learn(r, sl_buf_str(&r->input));
	repl_tell_unanswered(r);
	return true;
}

void
repl_tell_unanswered(struct repl *r)
{
	struct sl_buf line = SL_BUF_INIT;
	const json_t *q;
	size_t i;

	json_array_foreach(desk_unanswered(r->desk), i, q) {
		sl_buf_reset(&line);
		desk_describe_question(q, &line);
		sl_buf_puts(&line, json_object_get(q, "dns") != NULL ? " (:dns, :zone or :live)" :
		    json_object_get(q, "http") != NULL ? " (:http or :live)" : " (:refused or :live)");
		repl_complain(r, line.p);
	}
	sl_buf_clear(&line);
	desk_forget(r->desk);
}

/* ---- input --------------------------------------------------------------------------- */

static char *
prompt(EditLine *editor)
{
	static char first[] = "> ", more[] = ">> ";
	struct repl *r;

	el_get(editor, EL_CLIENTDATA, &r);
	return r->input.n > 0 ? more : r->stopped ? r->place : first;
}

/* NULL at the end of input; Ctrl-C forgets what was typed, or ends the run that stands. */
static const char *
edited_line(struct repl *r)
{
	const char *line;
	HistEvent event;
	int n;

	do {
		interrupted = 0;
		at_prompt = 1;
		line = el_gets(r->editor, &n);
		at_prompt = 0;
		if (line == NULL && interrupted) {
			putchar('\n');
			r->ends_run = r->stopped && r->input.n == 0 && el_line(r->editor)->lastchar == el_line(r->editor)->buffer;
			sl_buf_reset(&r->input);
			el_reset(r->editor);
		}
		if (r->ends_run) {
			interrupted = 0;
			return NULL;
		}
	} while (line == NULL && interrupted);
	if (line == NULL)
		putchar('\n');
	else if (line[0] != '\n')
		history(r->history, &event, H_ENTER, line);
	return line;
}

const char *
repl_next_line(struct repl *r)
{
	if (r->editor != NULL)
		return edited_line(r);
	return getline(&r->line, &r->line_size, stdin) >= 0 ? r->line : NULL;
}

void
repl_take_line(struct repl *r, const char *line)
{
	if (r->input.n == 0) {
		if (sl_str_trim(sl_str_of(line)).n == 0)
			return;
		if (line[0] == ':') {
			repl_command(r, line);
			return;
		}
		r->chunks++;
		repl_step_begin(r);
	}
	sl_buf_puts(&r->input, line);
	if (r->input.failed)
		repl_complain(r, "the input is too long");
	else if (!evaluate(r, false))
		return;
	sl_buf_reset(&r->input);
}

static void
serve(struct repl *r)
{
	const char *line;

	while (!r->quit && (line = repl_next_line(r)) != NULL)
		repl_take_line(r, line);
	if (r->input.n > 0 && !r->quit)
		evaluate(r, true);
	fflush(stdout);
}

/* ---- the terminal -------------------------------------------------------------------- */

static const char *
history_file(char *path, size_t size)
{
	const char *home = getenv("HOME");

	if (home == NULL || snprintf(path, size, "%s/.sluice_history", home) >= (int)size)
		return NULL;
	return path;
}

static int
open_terminal(struct repl *r)
{
	struct sigaction act = { .sa_handler = on_interrupt };	/* reading is interrupted, too */
	char path[PATH_MAX];
	HistEvent event;

	r->editor = el_init("sluice", stdin, stdout, stderr);
	r->history = history_init();
	if (r->editor == NULL || r->history == NULL) {
		fprintf(stderr, "sluice: the terminal can't be used\n");
		return 1;
	}
	history(r->history, &event, H_SETSIZE, HISTORY);
	history(r->history, &event, H_SETUNIQUE, 1);
	if (history_file(path, sizeof(path)) != NULL)
		history(r->history, &event, H_LOAD, path);
	el_set(r->editor, EL_CLIENTDATA, r);
	el_set(r->editor, EL_PROMPT, prompt);
	el_set(r->editor, EL_EDITOR, "emacs");
	el_set(r->editor, EL_HIST, history, r->history);
	repl_complete_open(r);
	interruptible = desk_engine(r->desk);
	sigaction(SIGINT, &act, NULL);
	printf("sluice %s; :help says what can be typed\n", SL_VERSION);
	return 0;
}

static void
close_terminal(struct repl *r)
{
	char path[PATH_MAX];
	HistEvent event;

	signal(SIGINT, SIG_DFL);
	if (r->history != NULL && history_file(path, sizeof(path)) != NULL)
		history(r->history, &event, H_SAVE, path);
	if (r->history != NULL)
		history_end(r->history);
	if (r->editor != NULL)
		el_end(r->editor);
}

/* ---- the policy ---------------------------------------------------------------------- */

static int
run(struct desk *d, bool live)
{
	struct repl r = { .desk = d, .input = { .limit = MAX_CHUNK }, .names = sl_dict_new() };
	bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	struct sl_err err;

	r.color = terminal;
	sl_engine_on_echo(desk_engine(d), on_echo, NULL);
	desk_on_stop(d, repl_at_stop, &r);
	if (live && desk_live(d, true, &err) != 0)
		repl_complain(&r, err.text);
	else if (r.names == NULL || sl_engine_exec_keep(desk_engine(d)) != 0 ||
	    (terminal && open_terminal(&r) != 0))
		r.failed = true;
	else
		serve(&r);
	sl_engine_step(desk_engine(d), SL_STEP_OFF);	/* the session's end is nobody's to step through */
	desk_on_stop(d, NULL, NULL);
	if (terminal)
		close_terminal(&r);
	sl_dict_free(r.names, free);
	json_decref(r.seen);
	json_decref(r.typed);
	sl_buf_clear(&r.session);
	sl_buf_clear(&r.input);
	free(r.line);
	return r.failed && !terminal;
}

int
cmd_repl(int argc, char **argv)
{
	static const struct option longs[] = { { "live", no_argument, NULL, 'l' }, { 0 } };
	struct sl_buf report = SL_BUF_INIT;
	struct desk *d;
	bool live = false;
	int c, rc = 1;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'l')
			return cmd_usage("repl");
		live = true;
	}
	if (optind < argc - 1)
		return cmd_usage("repl");
	d = desk_open(optind < argc ? argv[optind] : NULL, false, SL_TRACE, &report);
	if (d != NULL && desk_begin(d, &report) == 0) {
		desk_interrupt(d, &interrupted);
		rc = run(d, live);
	} else {
		fprintf(stderr, "%s", report.p != NULL ? report.p : "");
	}
	sl_buf_clear(&report);
	desk_close(d);
	return rc;
}
