/* The REPL's commands, beside those of the session: the world, the policy, what there is to know. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../engine/builtin.h"
#include "../policy/facts.h"
#include "cmd.h"
#include "desk_show.h"
#include "repl.h"

#define MAX_LINE	4096
#define MAX_WORDS	100
#define MAX_ZONE	(16 * 1024 * 1024)
#define MAX_BODY	(16 * 1024 * 1024)
#define MAX_REFERENCE	(16 * 1024 * 1024)

/* ---- what there is to know --------------------------------------------------------------- */

static void help(struct repl *r, int argc, char **argv);

static void
quit(struct repl *r, int argc, char **argv)
{
	(void)argc;
	(void)argv;
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
builtins(struct repl *r, int argc, char **argv)
{
	const char *part = argc > 1 ? argv[1] : "";
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
		repl_complain(r, "there is no such builtin");
}

/* The page of a module: in share/doc where it is installed, in doc/ where it is built. */
static int
open_reference(const char *module, struct sl_buf *text)
{
	static const char *const places[] = { "../../doc/sluice/reference", "../doc/reference" };
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s/%s.md", cmd_stdlib(), places[i], module);
		if (access(path, R_OK) == 0)
			return cmd_read(path, MAX_REFERENCE, text);
	}
	return -1;
}

/* A line of Markdown without where its links go: [text](place) is "text". */
static void
print_unlinked(struct sl_str line)
{
	ssize_t middle, open, close;
	struct sl_str rest;

	while ((middle = sl_str_find(line, SL_STR("]("))) >= 0) {
		rest = sl_str_sub(line, (size_t)middle, line.n);
		close = sl_str_find(rest, SL_STR(")"));
		for (open = middle; open >= 0 && line.p[open] != '['; open--)
			;
		if (open < 0 || close < 0)
			break;
		printf("%.*s%.*s", (int)open, line.p, (int)(middle - open - 1), line.p + open + 1);
		line = sl_str_sub(rest, (size_t)close + 1, rest.n);
	}
	printf("%.*s\n", (int)line.n, line.n > 0 ? line.p : "");
}

/* What a page says under the heading 'name'. Puts the name that it is another word for into 'other'. */
static void
print_section(struct sl_str page, const char *name, char *other, size_t size)
{
	bool inside = false, code = false;
	struct sl_str line;

	other[0] = '\0';
	while (sl_str_split(&page, '\n', &line)) {
		if (!code && sl_str_starts(line, SL_STR("## ")))
			inside = sl_str_eq(sl_str_sub(line, 3, line.n), sl_str_of(name));
		if (sl_str_starts(line, SL_STR("```"))) {
			code = !code;
			continue;
		}
		if (!inside)
			continue;
		if (code)
			printf("    %.*s\n", (int)line.n, line.n > 0 ? line.p : "");
		else
			print_unlinked(line);
		if (sl_str_starts(line, SL_STR("Another name of [`")))
			snprintf(other, size, "%.*s", (int)(line.n - 18), line.p + 18);
	}
	other[strcspn(other, "`")] = '\0';
}

static const char *
module_of(const char *name)
{
	const struct sl_module *m;
	const struct sl_builtin *row;

	for (m = sl_modules; m->name != NULL; m++)
		for (row = m->builtins; row->name != NULL; row++)
			if (strcmp(row->name, name) == 0)
				return m->name;
	return NULL;
}

static bool
doc_variable(const char *name)
{
	const char *fact, *text;
	unsigned phases;
	size_t i;

	for (i = 0; (fact = sl_fact_at(i, &phases, &text)) != NULL; i++)
		if (strcmp(fact, name) == 0) {
			printf("%s: %s\n", name, text);
			print_phases(phases);
			printf("\n");
			return true;
		}
	return false;
}

static void
doc(struct repl *r, int argc, char **argv)
{
	const char *module = module_of(argv[1]);
	struct sl_buf text = SL_BUF_INIT;
	char other[100], unused[2];

	(void)argc;
	if (module == NULL) {
		if (!doc_variable(argv[1]))
			repl_complain(r, "there is no such builtin or variable");
		return;
	}
	if (open_reference(module, &text) != 0) {
		repl_complain(r, "the reference isn't installed");
		return;
	}
	print_section(sl_buf_str(&text), argv[1], other, sizeof(other));
	if (other[0] != '\0')
		print_section(sl_buf_str(&text), other, unused, sizeof(unused));
	sl_buf_clear(&text);
}

static void
hsl(struct repl *r, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	r->hsl = true;
}

static void
lua(struct repl *r, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	r->hsl = false;
}

static void
show_variable(void *arg, const char *name, const char *text)
{
	struct sl_buf out = SL_BUF_INIT;
	struct repl *r = arg;

	sl_buf_printf(&out, "$%s = ", name);
	sl_event_put_harmless(&out, sl_str_of(text));
	sl_buf_putc(&out, '\n');
	desk_print(r->desk, &out);
	sl_buf_clear(&out);
}

/* Names of Lua, functions of both languages, variables of HSL. */
static void
vars(struct repl *r, int argc, char **argv)
{
	bool language = r->hsl;
	struct sl_err err;

	(void)argc;
	(void)argv;
	if (r->stopped) {
		repl_step_variables(r);
		return;
	}
	if (r->session.n > 0)
		fwrite(r->session.p, 1, r->session.n, stdout);
	r->hsl = false;
	if (repl_execute(r, SL_STR("for name, value in pairs(_ENV) do if type(name) == 'string' then "
	    "echo(name, ' = ', value) end end"), &err) != 0)
		repl_complain(r, err.text);
	r->hsl = language;
	sl_engine_variables(desk_engine(r->desk), show_variable, r);
}

/* ---- the world --------------------------------------------------------------------------- */

static void
add_zone(struct repl *r, struct sl_str text, const char *path)
{
	struct sl_err err;

	if (desk_zone(r->desk, text, &err) != 0) {
		sl_err_prefix(&err, "%s", path);
		repl_complain(r, err.text);
	}
}

static void
zone(struct repl *r, int argc, char **argv)
{
	struct sl_buf text;

	(void)argc;
	if (cmd_read(argv[1], MAX_ZONE, &text) != 0) {
		r->failed = true;
		return;
	}
	add_zone(r, sl_buf_str(&text), argv[1]);
	sl_buf_clear(&text);
}

/* The data is the rest of the line as zone text has it; a TXT may go without quotes. */
static void
dns(struct repl *r, int argc, char **argv)
{
	struct sl_buf text = SL_BUF_INIT;
	bool quote = argc > 3 && strcasecmp(argv[2], "TXT") == 0 && argv[3][0] != '"';
	int i;

	sl_buf_printf(&text, "%s%s %s ", argv[1], argv[1][strlen(argv[1]) - 1] == '.' ? "" : ".", argv[2]);
	for (i = 3; i < argc; i++)
		sl_buf_printf(&text, "%s%s", i > 3 ? " " : quote ? "\"" : "", argv[i]);
	sl_buf_puts(&text, quote ? "\"\n" : "\n");
	add_zone(r, sl_buf_str(&text), ":dns");
	sl_buf_clear(&text);
}

static void
http(struct repl *r, int argc, char **argv)
{
	bool method = argc == 4;
	json_t *answers, *answer;
	struct sl_buf body;

	if (cmd_read(argv[argc - 1], MAX_BODY, &body) != 0) {
		r->failed = true;
		return;
	}
	answer = json_object();
	answers = json_array();
	json_object_set_new(answer, "body", json_stringn_nocheck(body.p != NULL ? body.p : "", body.n));
	json_array_append_new(answers, answer);
	if (desk_route(r->desk, method ? argv[1] : NULL, argv[method ? 2 : 1], answers) != 0)
		repl_complain(r, "out of memory");
	sl_buf_clear(&body);
}

bool
repl_is_on(struct repl *r, int argc, char **argv, bool *on)
{
	*on = argc == 1 || strcmp(argv[1], "on") == 0;
	if (*on || strcmp(argv[1], "off") == 0)
		return true;
	repl_complain(r, "on or off");
	return false;
}

static void
refused(struct repl *r, int argc, char **argv)
{
	(void)argc;
	if (desk_refuse(r->desk, argv[1]) != 0)
		repl_complain(r, "out of memory");
}

static void
live(struct repl *r, int argc, char **argv)
{
	struct sl_err err;
	bool on;

	if (!repl_is_on(r, argc, argv, &on))
		return;
	if (desk_live(r->desk, on, &err) != 0)
		repl_complain(r, err.text);
	else
		r->live = on;
}

static void
show_event(void *arg, const json_t *event)
{
	struct repl *r = arg;
	struct sl_buf out = SL_BUF_INIT;

	desk_show_event(&out, event, r->color);
	desk_print(r->desk, &out);
	sl_buf_clear(&out);
}

static void
trace(struct repl *r, int argc, char **argv)
{
	if (repl_is_on(r, argc, argv, &r->trace))
		desk_hear(r->desk, r->trace ? show_event : NULL, r);
}

static void
set_time(struct repl *r, int argc, char **argv)
{
	char text[64];
	int64_t us = 0;

	(void)argc;
	snprintf(text, sizeof(text), "%s%s%s", argv[1], argc > 2 ? " " : "", argc > 2 ? argv[2] : "");
	if (strcmp(text, "now") != 0 && cmd_parse_time(text, &us) != 0)
		repl_complain(r, "2026-01-01, 2026-01-01T12:00:00Z, or now");
	else
		desk_set_time(r->desk, us);
}

static void
reload(struct repl *r, int argc, char **argv)
{
	struct sl_buf report = SL_BUF_INIT;

	(void)argc;
	(void)argv;
	if (desk_reload(r->desk, &report) != 0) {
		if (report.n > 0)
			report.p[report.n - 1] = '\0';
		repl_complain(r, report.n > 0 ? report.p : "out of memory");
	} else {
		sl_buf_reset(&r->session);
	}
	sl_buf_clear(&report);
}

/* ---- the table --------------------------------------------------------------------------- */

static const struct repl_command commands[] = {
	{ ":zone", "FILE", "names of DNS, as zone text", zone, 1, 1 },
	{ ":dns", "NAME TYPE DATA", "one record; also NXDOMAIN, SERVFAIL, TIMEOUT", dns, 2, MAX_WORDS },
	{ ":http", "[METHOD] URL FILE", "an answer of HTTP; * in the URL is anything", http, 2, 3 },
	{ ":refused", "ADDRESS", "nobody listens there, 192.0.2.1:25", refused, 1, 1 },
	{ ":live", "[on|off]", "ask the network what nothing here answers", live, 0, 1 },
	{ ":time", "TIME|now", "the clock stands there", set_time, 1, 2 },
	{ ":trace", "[on|off]", "show what is called and asked", trace, 0, 1 },
	{ ":hsl", "", "lines are HSL from now on", hsl, 0, 0 },
	{ ":lua", "", "lines are Lua again", lua, 0, 0 },
	{ ":vars", "", "the conversation so far, and the names that lines assigned", vars, 0, 0 },
	{ ":reload", "", "read the policy again", reload, 0, 0 },
	{ ":builtins", "[NAME]", "the builtins whose name has NAME in it", builtins, 0, 1 },
	{ ":doc", "NAME", "what the reference says of a builtin or variable", doc, 1, 1 },
	{ ":help", "", "this", help, 0, 0 },
	{ ":quit", "", "or the end of input", quit, 0, 0 },
	{ NULL, NULL, NULL, NULL, 0, 0 },
};

static const struct repl_command *
command_at(size_t i)
{
	static const struct repl_command *const tables[] = { repl_session_commands, commands,
	    repl_step_commands };
	size_t n, t;

	for (t = 0; t < sizeof(tables) / sizeof(tables[0]); t++, i -= n)
		for (n = 0; tables[t][n].name != NULL; n++)
			if (n == i)
				return &tables[t][n];
	return NULL;
}

const char *
repl_command_name(size_t i)
{
	const struct repl_command *c = command_at(i);

	return c != NULL ? c->name : NULL;
}

static void
help(struct repl *r, int argc, char **argv)
{
	const struct repl_command *c;
	char head[60];
	size_t i;

	(void)r;
	(void)argc;
	(void)argv;
	printf("A line is Lua, or HSL: an expression prints its value, a chunk goes on until it is complete.\n"
	    "Names stay; a local is known in its own chunk only. Ctrl-C ends what runs.\n"
	    "A command may be shortened: \":n\" is :next.\n");
	for (i = 0; (c = command_at(i)) != NULL; i++) {
		snprintf(head, sizeof(head), "%s %s", c->name, c->usage);
		printf("  %-31s %s\n", head, c->text);
	}
}

/* Words, parted by blanks; "..." keeps its blanks and its quotes. */
static int
split(char *line, char **argv)
{
	int argc = 0;

	while (argc < MAX_WORDS) {
		line += strspn(line, " \t\r\n");
		if (*line == '\0')
			break;
		argv[argc++] = line;
		if (*line == '"' && strchr(line + 1, '"') != NULL)
			line = strchr(line + 1, '"') + 1;
		line += strcspn(line, " \t\r\n");
		if (*line != '\0')
			*line++ = '\0';
	}
	return argc;
}

/* It would have the engine do two things at once. */
static bool
is_of_session(const struct repl_command *c)
{
	const struct repl_command *own = repl_session_commands;

	while (own->name != NULL && own != c)
		own++;
	return own == c || strcmp(c->name, ":reload") == 0;
}

/* The command of that name, or the only one that begins so and can be had now; else NULL. */
static const struct repl_command *
find_command(const struct repl *r, const char *word)
{
	const struct repl_command *c, *found = NULL;
	size_t i, n = 0;

	for (i = 0; (c = command_at(i)) != NULL; i++) {
		if (strcmp(c->name, word) == 0)
			return c;
		if (word[1] != '\0' && strncmp(c->name, word, strlen(word)) == 0 &&
		    !(r->stopped && is_of_session(c))) {
			found = c;
			n++;
		}
	}
	return n == 1 ? found : NULL;
}

void
repl_command(struct repl *r, const char *line)
{
	char copy[MAX_LINE], *argv[MAX_WORDS], text[200];
	const struct repl_command *c;
	int argc;

	if (snprintf(copy, sizeof(copy), "%s", line) >= (int)sizeof(copy)) {
		repl_complain(r, "the line is too long");
		return;
	}
	argc = split(copy, argv);
	if ((c = find_command(r, argv[0])) == NULL) {
		repl_complain(r, "there is no such command; :help lists them");
		return;
	}
	if (argc - 1 < c->least || argc - 1 > c->most) {
		snprintf(text, sizeof(text), "%s %s", c->name, c->usage);
		repl_complain(r, text);
		return;
	}
	if (r->stopped && is_of_session(c)) {
		repl_complain(r, "a script is stopped here: :next, :into, :out or :continue first");
		return;
	}
	desk_forget(r->desk);
	repl_step_begin(r);
	c->fn(r, argc, argv);
	repl_tell_unanswered(r);
}
