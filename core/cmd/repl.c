/*
 * sluice repl: evaluates lines, with the builtins that need no message. A line
 * is a run of its own, in names that stay. What comes from a terminal is edited,
 * remembered and prompted for; from a pipe it is only read.
 */
#include <histedit.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../dns/dns.h"
#include "../engine/builtin.h"
#include "../http/client.h"
#include "../sluice_host.h"
#include "cmd.h"

#define MAX_CHUNK	(1024 * 1024)
#define HISTORY		1000		/* lines */
#define LOOK_MS		100		/* how often Ctrl-C is looked at while a line waits */
#define RED		"\033[31m"
#define PLAIN		"\033[m"

struct repl {
	struct sl_engine *engine;
	EditLine *editor;		/* NULL = input is no terminal */
	History *history;
	struct sl_buf input;		/* lines of a chunk so far */
	char *line;			/* of getline */
	size_t line_size;
	unsigned chunks;
	bool quit, failed;
	bool over;			/* the chunk that runs has ended */
	int status;			/* how: 0 or SL_ERR_* */
};

static struct sl_engine *interruptible;
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

static void
complain(struct repl *r, const char *text)
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
	sl_engine_interrupt(interruptible);
}

static void
on_result(void *arg, const struct sl_err *err, const char *text)
{
	struct repl *r = arg;

	if (err != NULL)
		complain(r, err->text);
	else if (text != NULL)
		print(stdout, sl_str_of(text));
	r->over = true;
}

/* 0, or SL_ERR_SYNTAX: it doesn't compile, and nothing ran. */
static int
execute(struct repl *r, struct sl_str source, struct sl_err *err)
{
	char name[40];

	snprintf(name, sizeof(name), "input %u", r->chunks);
	r->over = false;
	if (sl_engine_exec(r->engine, name, source, on_result, r, err) != 0)
		return err->code;
	interrupted = 0;
	while (!r->over) {
		sl_engine_wait(r->engine, LOOK_MS);
		if (interrupted && !r->over)
			sl_engine_exec_stop(r->engine);
	}
	return 0;
}

static bool
is_incomplete(const struct sl_err *err)
{
	return sl_str_ends(sl_str_of(err->text), SL_STR("near <eof>"));
}

/* An expression prints its value: it is tried first. False: more lines are needed. */
static bool
evaluate(struct repl *r, bool last)
{
	struct sl_buf expression = SL_BUF_INIT;
	bool more = false;
	struct sl_err err;
	int rc;

	sl_buf_puts(&expression, "return ");
	sl_buf_putstr(&expression, sl_buf_str(&r->input));
	rc = execute(r, sl_buf_str(&expression), &err);
	sl_buf_clear(&expression);
	if (rc == SL_ERR_SYNTAX) {
		more = is_incomplete(&err);
		rc = execute(r, sl_buf_str(&r->input), &err);
		more = rc == SL_ERR_SYNTAX && !last && (more || is_incomplete(&err));
	}
	if (more)
		return false;
	if (rc != 0)
		complain(r, err.text);
	return true;
}

/* ---- commands ------------------------------------------------------------------------ */

static void
help(struct repl *r, const char *argument)
{
	(void)r;
	(void)argument;
	printf("A line is Lua: an expression prints its value, a chunk goes on until it is complete.\n"
	    "Names stay; a local is known in its own chunk only. Ctrl-C ends what runs.\n"
	    "  :builtins [NAME]  the builtins whose name has NAME in it\n"
	    "  :help             this\n"
	    "  :quit             or the end of input\n");
}

static void
quit(struct repl *r, const char *argument)
{
	(void)argument;
	r->quit = true;
}

static void
print_phases(unsigned flags)
{
	const char *sep = "in ";
	int phase;

	if ((flags & SL_AT_ANY) == SL_AT_ANY) {
		printf("everywhere");
		return;
	}
	for (phase = 0; phase < SL_PHASES; phase++)
		if (flags & (1u << phase)) {
			printf("%s%s", sep, sl_phase_name((enum sl_phase)phase));
			sep = ", ";
		}
}

static void
builtins(struct repl *r, const char *part)
{
	const struct sl_module *m;
	const struct sl_builtin *row;
	bool found = false;

	for (m = sl_modules; m->name != NULL; m++)
		for (row = m->builtins; row->name != NULL; row++) {
			if (strstr(row->name, part) == NULL)
				continue;
			found = true;
			printf("%-20s %-9s ", row->name, m->name);
			print_phases(row->flags);
			printf("%s\n", row->flags & SL_WAITS ? "; waits" : "");
		}
	if (!found)
		complain(r, "there is no such builtin");
}

static const struct {
	const char *name;
	void (*fn)(struct repl *r, const char *argument);
} commands[] = { { ":help", help }, { ":quit", quit }, { ":builtins", builtins } };

static void
command(struct repl *r, const char *line)
{
	char copy[200], *rest = copy, *name, *argument;
	size_t i;

	snprintf(copy, sizeof(copy), "%s", line);
	name = strsep(&rest, " \t\r\n");
	argument = rest != NULL ? rest + strspn(rest, " \t") : copy + strlen(copy);
	argument[strcspn(argument, " \t\r\n")] = '\0';
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(name, commands[i].name) == 0) {
			commands[i].fn(r, argument);
			return;
		}
	complain(r, "there is no such command (:help :quit :builtins)");
}

/* ---- input --------------------------------------------------------------------------- */

static char *
prompt(EditLine *editor)
{
	static char first[] = "> ", more[] = ">> ";
	struct repl *r;

	el_get(editor, EL_CLIENTDATA, &r);
	return r->input.n > 0 ? more : first;
}

/* NULL at the end of input; Ctrl-C forgets what was typed. */
static const char *
edited_line(struct repl *r)
{
	const char *line;
	HistEvent event;
	int n;

	do {
		interrupted = 0;
		line = el_gets(r->editor, &n);
		if (line == NULL && interrupted) {
			putchar('\n');
			sl_buf_reset(&r->input);
			el_reset(r->editor);
		}
	} while (line == NULL && interrupted);
	if (line == NULL)
		putchar('\n');
	else if (line[0] != '\n')
		history(r->history, &event, H_ENTER, line);
	return line;
}

static const char *
next_line(struct repl *r)
{
	if (r->editor != NULL)
		return edited_line(r);
	return getline(&r->line, &r->line_size, stdin) >= 0 ? r->line : NULL;
}

static void
take_line(struct repl *r, const char *line)
{
	if (r->input.n == 0) {
		if (sl_str_trim(sl_str_of(line)).n == 0)
			return;
		if (line[0] == ':') {
			command(r, line);
			return;
		}
		r->chunks++;
	}
	sl_buf_puts(&r->input, line);
	if (r->input.failed)
		complain(r, "the input is too long");
	else if (!evaluate(r, false))
		return;
	sl_buf_reset(&r->input);
}

static void
serve(struct repl *r)
{
	const char *line;

	while (!r->quit && (line = next_line(r)) != NULL)
		take_line(r, line);
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
	interruptible = r->engine;
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

/* ---- the engine ---------------------------------------------------------------------- */

static int
load(struct sl_engine *engine, const char *folder)
{
	struct sl_generation *generation;
	struct sl_buf report = SL_BUF_INIT;
	int rc = sl_engine_prepare_folder(engine, folder, &generation, &report);

	if (rc == 0)
		sl_engine_commit(engine, generation);
	else
		fwrite(report.p != NULL ? report.p : "", 1, report.n, stderr);
	sl_buf_clear(&report);
	return rc;
}

static int
run(struct sl_engine *engine)
{
	struct repl r = { .engine = engine, .input = { .limit = MAX_CHUNK } };
	bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);

	sl_engine_on_echo(engine, on_echo, NULL);
	if (sl_engine_exec_keep(engine) != 0 || (terminal && open_terminal(&r) != 0))
		r.failed = true;
	else
		serve(&r);
	if (terminal)
		close_terminal(&r);
	sl_buf_clear(&r.input);
	free(r.line);
	return r.failed && !terminal;
}

/* Without a policy the system's resolver serves, and HTTP with it. */
static int
open_services(struct sl_engine_parts *parts, struct sl_events *events, struct sl_err *err)
{
	static const struct sl_dns_options system_resolver;

	sl_events_init(events);
	parts->events = events;
	if ((parts->loop = sl_loop_new(err)) == NULL)
		return err->code;
	if ((parts->dns = sl_dns_open(parts->loop, &system_resolver, err)) == NULL)
		return err->code;
	parts->http = sl_http_open(parts->loop, parts->dns, events, err);
	return parts->http != NULL ? 0 : err->code;
}

int
cmd_repl(int argc, char **argv)
{
	struct sl_engine_parts parts = { 0 };
	struct sl_engine_options o = { .gateway = true, .stdlib = cmd_stdlib(),
		.parts = &parts };
	struct sl_engine *engine = NULL;
	struct sl_events events;
	struct sl_err err;
	int rc = 1;

	if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
		fprintf(stderr, "usage: sluice repl [POLICY]\n");
		return 2;
	}
	if ((argc == 1 && open_services(&parts, &events, &err) != 0) ||
	    (engine = sl_engine_new(&o, &err)) == NULL)
		fprintf(stderr, "sluice: %s\n", err.text);
	else if (argc == 1 || load(engine, argv[1]) == 0)
		rc = run(engine);
	sl_engine_free(engine);
	sl_http_close(parts.http);
	sl_dns_unref(parts.dns);
	sl_loop_free(parts.loop);
	return rc;
}
