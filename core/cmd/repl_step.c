/*
 * The REPL's steps: where a script stops, its line is shown, with the variables that
 * changed since the stop before in the same call. Lines typed there are evaluated in
 * its place, in its language.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "desk_show.h"
#include "repl.h"

#define CYAN	"\033[36m"
#define BOLD	"\033[1m"
#define PLAIN	"\033[m"

/* ---- showing ----------------------------------------------------------------------------- */

struct seen {
	struct repl *r;
	json_t *now;		/* name -> its value described */
	struct sl_buf *out;	/* NULL = nothing is shown */
	bool hsl, all;
};

/* HSL's variables have the value none before they are assigned. */
static bool
is_news(const struct seen *s, const char *name, const char *text)
{
	const char *before = json_string_value(json_object_get(s->r->seen, name));

	if (before == NULL)
		return !s->hsl || strcmp(text, "none") != 0;
	return s->all || strcmp(before, text) != 0;
}

static void
on_variable(void *arg, const char *name, const char *text)
{
	struct seen *s = arg;
	struct sl_buf clean = SL_BUF_INIT;

	sl_event_put_harmless(&clean, sl_str_of(text));
	text = clean.p != NULL ? clean.p : "";
	if (s->out != NULL && is_news(s, name, text))
		sl_buf_printf(s->out, "  %s%s%s%s = %s\n", s->r->color ? CYAN : "", s->hsl ? "$" : "", name,
		    s->r->color ? PLAIN : "", text);
	if (json_object_get(s->r->seen, name) != NULL || !s->hsl || strcmp(text, "none") != 0)
		json_object_set_new(s->now, name, json_stringn_nocheck(text, strlen(text)));
	sl_buf_clear(&clean);
}

/* What changed, or all; and it is remembered. */
static void
put_variables(struct repl *r, struct sl_buf *out, const struct sl_stop *stop, bool all)
{
	struct seen s = { .r = r, .now = json_object(), .out = out, .hsl = stop->hsl, .all = all };

	if (r->seen == NULL || r->seen_frame != stop->frame) {
		json_decref(r->seen);
		r->seen = json_object();
		r->seen_frame = stop->frame;
	}
	sl_engine_variables(desk_engine(r->desk), on_variable, &s);
	json_decref(r->seen);
	r->seen = s.now;
}

void
repl_step_variables(struct repl *r)
{
	struct sl_buf out = SL_BUF_INIT;
	struct sl_stop stop;

	if (!sl_engine_stopped(desk_engine(r->desk), &stop))
		return;
	put_variables(r, &out, &stop, true);
	desk_print(r->desk, &out);
	sl_buf_clear(&out);
}

/* Functions of chunks outlive them. */
void
repl_step_keep(struct repl *r, const char *name)
{
	if (sl_str_find(sl_buf_str(&r->input), SL_STR("function")) < 0)
		return;
	if (r->typed == NULL)
		r->typed = json_object();
	json_object_set_new(r->typed, name, json_stringn_nocheck(r->input.p, r->input.n));
}

static struct sl_str
source_of(const struct repl *r, const struct sl_stop *stop)
{
	struct sl_str text = sl_str_of(json_string_value(json_object_get(r->typed, stop->path))), line;
	int n = stop->line;

	if (stop->source.n > 0)
		return stop->source;
	while (sl_str_split(&text, '\n', &line))
		if (--n == 0)
			return line;
	return SL_STR("");
}

static void
show_stop(struct repl *r)
{
	struct sl_buf out = SL_BUF_INIT;
	struct sl_stop stop;

	sl_engine_stopped(desk_engine(r->desk), &stop);
	put_variables(r, &out, &stop, false);
	sl_buf_printf(&out, "%s%s:%d%s  ", r->color ? BOLD : "", stop.path, stop.line,
	    r->color ? PLAIN : "");
	sl_event_put_harmless(&out, sl_str_trim(source_of(r, &stop)));
	sl_buf_putc(&out, '\n');
	desk_print(r->desk, &out);
	sl_buf_clear(&out);
	snprintf(r->place, sizeof(r->place), "%.200s:%d> ", stop.path, stop.line);
	r->hsl = stop.hsl;
}

/* ---- a stop ------------------------------------------------------------------------------ */

static bool
is_stopped(const struct repl *r)
{
	return sl_engine_stopped(desk_engine(r->desk), NULL);
}

/* An empty line says the last step again. */
static void
take_stop_line(struct repl *r, const char *line)
{
	if (r->input.n == 0 && sl_str_trim(sl_str_of(line)).n == 0)
		repl_step(r, r->last_step);
	else
		repl_take_line(r, line);
}

void
repl_at_stop(void *arg)
{
	struct repl *r = arg;
	struct sl_buf outer = r->input;
	bool language = r->hsl;
	const char *line = NULL;

	r->input = (struct sl_buf){ .limit = outer.limit };
	r->stopped = true;
	show_stop(r);
	while (is_stopped(r) && !r->quit && (line = repl_next_line(r)) != NULL)
		take_stop_line(r, line);
	if (is_stopped(r)) {		/* the input ended, Ctrl-C, or :quit */
		r->quit = r->quit || !r->ends_run;
		repl_step(r, r->quit && line == NULL ? SL_STEP_OFF : SL_STEP_END);
	}
	r->ends_run = false;
	r->stopped = false;
	r->hsl = language;
	sl_buf_clear(&r->input);
	r->input = outer;
}

void
repl_step(struct repl *r, enum sl_step how)
{
	if (how != SL_STEP_END && how != SL_STEP_OFF)
		r->last_step = how;
	if (sl_engine_step(desk_engine(r->desk), how) != 0)
		repl_complain(r, "out of memory");
}

/* What begins now is stopped at its first line again, if steps are on. */
void
repl_step_begin(struct repl *r)
{
	if (!r->stopped && (r->steps || r->breaks))
		sl_engine_step(desk_engine(r->desk), r->steps ? SL_STEP_INTO : SL_STEP_CONTINUE);
}

/* ---- commands ---------------------------------------------------------------------------- */

static void
step(struct repl *r, int argc, char **argv)
{
	bool on;

	if (!repl_is_on(r, argc, argv, &on))
		return;
	r->steps = on;
	r->last_step = SL_STEP_NEXT;
	if (r->stopped && on)
		return;
	repl_step(r, on ? SL_STEP_INTO : r->breaks ? SL_STEP_CONTINUE : SL_STEP_OFF);
}

static void
go(struct repl *r, enum sl_step how)
{
	if (r->stopped)
		repl_step(r, how);
	else
		repl_complain(r, "nothing is stopped: :step, then what is to be stepped through");
}

static void
next(struct repl *r, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	go(r, SL_STEP_NEXT);
}

static void
into(struct repl *r, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	go(r, SL_STEP_INTO);
}

static void
out(struct repl *r, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	go(r, SL_STEP_OUT);
}

static void
go_on(struct repl *r, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	go(r, SL_STEP_CONTINUE);
}

/* "data.lua:12" as a path and a number. */
static int
parse_place(char *text, int *line)
{
	char *colon = strrchr(text, ':'), *end;
	long n;

	if (colon == NULL || colon == text)
		return -1;
	n = strtol(colon + 1, &end, 10);
	if (*end != '\0' || n < 1 || n > 10000000)
		return -1;
	*colon = '\0';
	*line = (int)n;
	return 0;
}

static void
set_break(struct repl *r, int argc, char **argv)
{
	bool on = argc < 3 || strcmp(argv[2], "off") != 0;
	int line;

	if (parse_place(argv[1], &line) != 0)
		repl_complain(r, ":break FILE:LINE [off]");
	else if (sl_engine_break(desk_engine(r->desk), argv[1], line, on) != 0)
		repl_complain(r, "out of memory");
	else
		r->breaks = true;
}

const struct repl_command repl_step_commands[] = {
	{ ":step", "[on|off]", "stop at each line of the policy's scripts", step, 0, 1 },
	{ ":break", "FILE:LINE [off]", "stop there", set_break, 1, 2 },
	{ ":next", "", "the next line, through calls; an empty line says the last one again", next, 0, 0 },
	{ ":into", "", "the next line, in what it calls, too", into, 0, 0 },
	{ ":out", "", "to the end of this function", out, 0, 0 },
	{ ":continue", "", "to the next breakpoint, or the end", go_on, 0, 0 },
	{ NULL, NULL, NULL, NULL, 0, 0 },
};
