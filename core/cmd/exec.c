/* sluice exec: one script without SMTP. What it echoes is printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../dns/dns.h"
#include "../engine/builtin.h"
#include "../http/client.h"
#include "../net/loop.h"
#include "../sluice_host.h"
#include "cmd.h"

#define MAX_SCRIPT	(1024 * 1024)

struct state {
	bool over;
	int status;
};

static void
on_echo(void *arg, struct sl_str line)
{
	(void)arg;
	printf("%.*s\n", (int)line.n, line.p != NULL ? line.p : "");
}

static void
done(void *arg, const struct sl_err *err, const char *text)
{
	struct state *s = arg;

	if (err != NULL)
		fprintf(stderr, "%s\n%s", err->text, text != NULL ? text : "");
	s->status = err != NULL;
	s->over = true;
}

static int
run(struct sl_engine *engine, const char *name, struct sl_str source)
{
	struct state s = { false, 1 };
	const char *report;
	struct sl_err err;

	sl_engine_on_echo(engine, on_echo, NULL);
	if (sl_engine_exec_beside(engine, name, &err) != 0 ||
	    sl_engine_exec(engine, name, source, done, &s, &err) != 0) {
		report = sl_engine_exec_report(engine);
		fprintf(stderr, "%s%s", report[0] != '\0' ? report : err.text,
		    report[0] != '\0' ? "" : "\n");
	} else {
		while ((!s.over || sl_engine_background_count(engine) > 0) && sl_engine_wait(engine, -1) == 0)
			;
	}
	return s.status;
}

/* The network is there as in a policy; what the script reaches is the user's own business. */
static int
run_in_world(const char *name, struct sl_str source)
{
	struct sl_engine_parts parts = { .reaches_all = true };
	struct sl_engine_options options = { .stdlib = cmd_stdlib(), .parts = &parts };
	struct sl_engine *engine = NULL;
	struct sl_err err = { 0 };
	int rc = 1;

	parts.loop = sl_loop_new(&err);
	parts.dns = parts.loop != NULL ? cmd_open_dns(parts.loop, NULL) : NULL;
	parts.http = parts.dns != NULL ? sl_http_open(parts.loop, parts.dns, NULL, &err) : NULL;
	engine = parts.http != NULL ? sl_engine_new(&options, &err) : NULL;
	if (engine != NULL)
		rc = run(engine, name, source);
	else if (err.code != 0)
		fprintf(stderr, "sluice: %s\n", err.text);
	sl_engine_free(engine);
	sl_http_close(parts.http);
	sl_dns_unref(parts.dns);
	sl_loop_free(parts.loop);
	return rc;
}

int
cmd_exec(int argc, char **argv)
{
	struct sl_buf source;
	int rc;

	if (argc != 2 || (argv[1][0] == '-' && argv[1][1] != '\0'))
		return cmd_usage("exec");
	if (cmd_read(argv[1], MAX_SCRIPT, &source) != 0)
		return 1;
	rc = run_in_world(argv[1], sl_buf_str(&source));
	sl_buf_clear(&source);
	return rc;
}

/* ---- sluice hsl ------------------------------------------------------------------- */

/* Each line of HSL as a comment, then what became of it. */
static void
print_beside(struct sl_str source, struct sl_str code)
{
	struct sl_str from, to = { "", 0 };
	bool more_from = true, more_to = true;

	while (more_from || more_to) {
		more_from = sl_str_split(&source, '\n', &from);
		more_to = sl_str_split(&code, '\n', &to);
		if (more_from && sl_str_trim(from).n > 0)
			printf("-- %.*s\n", (int)from.n, from.p);
		if (more_to && sl_str_trim(to).n > 0)
			printf("%.*s\n", (int)to.n, to.p);
	}
}

static int
translate(const char *name, struct sl_str source)
{
	struct sl_engine_options options = { .stdlib = cmd_stdlib() };
	struct sl_buf code = SL_BUF_INIT;
	struct sl_err err;
	struct sl_engine *engine = sl_engine_new(&options, &err);
	int rc = engine == NULL ? err.code : sl_engine_exec_beside(engine, name, &err);

	if (rc == 0)
		rc = sl_engine_translate(engine, name, source, &code, &err);
	if (rc == 0)
		print_beside(source, sl_buf_str(&code));
	if (engine != NULL && sl_engine_exec_report(engine)[0] != '\0')
		fputs(sl_engine_exec_report(engine), stderr);
	else if (rc != 0)
		fprintf(stderr, "%s\n", err.text);
	sl_buf_clear(&code);
	sl_engine_free(engine);
	return rc != 0;
}

int
cmd_hsl(int argc, char **argv)
{
	struct sl_buf source;
	int rc;

	if (argc != 2 || (argv[1][0] == '-' && argv[1][1] != '\0'))
		return cmd_usage("hsl");
	if (cmd_read(argv[1], MAX_SCRIPT, &source) != 0)
		return 1;
	rc = translate(argv[1], sl_buf_str(&source));
	sl_buf_clear(&source);
	return rc;
}

/* "any" is also outside of phases: in exec and repl. */
static void
print_phases(unsigned flags)
{
	int phase;

	if ((flags & SL_AT_ANY) == SL_AT_ANY)
		printf("any");
	else
		for (phase = 0; phase < SL_PHASES; phase++)
			if (flags & (1u << phase))
				printf("%s ", sl_phase_name((enum sl_phase)phase));
	putchar('\n');
}

int
cmd_builtins(int argc, char **argv)
{
	const struct sl_module *m;
	const struct sl_builtin *row;

	(void)argc;
	(void)argv;
	for (m = sl_modules; m->name != NULL; m++)
		for (row = m->builtins; row->name != NULL; row++) {
			printf("%s\t%s\t%s%s%s%s\t", m->name, row->name,
			    row->flags & SL_WAITS ? "waits " : "", row->flags & SL_IMPURE ? "impure " : "",
			    row->flags & SL_FINAL ? "final" : "", row->flags & SL_HSL ? "hsl" : "");
			print_phases(row->flags);
		}
	return 0;
}
