/* sluice exec: one script without SMTP. What it echoes is printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/builtin.h"
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
run(const char *name, struct sl_str source)
{
	struct sl_engine_options options = { .stdlib = cmd_stdlib() };
	struct state s = { false, 1 };
	struct sl_engine *engine;
	const char *report;
	struct sl_err err;

	engine = sl_engine_new(&options, &err);
	if (engine == NULL) {
		fprintf(stderr, "sluice: %s\n", err.text);
		return 1;
	}
	sl_engine_on_echo(engine, on_echo, NULL);
	if (sl_engine_exec(engine, name, source, done, &s, &err) != 0) {
		report = sl_engine_exec_report(engine);
		fprintf(stderr, "%s%s", report[0] != '\0' ? report : err.text,
		    report[0] != '\0' ? "" : "\n");
	} else {
		while (!s.over && sl_engine_wait(engine, -1) == 0)
			;
	}
	sl_engine_free(engine);
	return s.status;
}

int
cmd_exec(int argc, char **argv)
{
	char *source;
	size_t n;
	FILE *f;
	int rc;

	if (argc != 2) {
		fprintf(stderr, "usage: sluice exec FILE\n");
		return 2;
	}
	f = strcmp(argv[1], "-") == 0 ? stdin : fopen(argv[1], "r");
	source = f != NULL ? malloc(MAX_SCRIPT) : NULL;
	if (source == NULL) {
		perror(argv[1]);
		return 1;
	}
	n = fread(source, 1, MAX_SCRIPT, f);
	if (f != stdin)
		fclose(f);
	rc = run(argv[1], (struct sl_str){ source, n });
	free(source);
	return rc;
}

int
cmd_builtins(int argc, char **argv)
{
	const struct sl_module *m;
	const struct sl_builtin *row;

	(void)argc;
	(void)argv;
	for (m = sl_modules; m->name != NULL; m++)
		for (row = m->builtins; row->name != NULL; row++)
			printf("%s\t%s\t%s%s%s%s\n", m->name, row->name,
			    row->flags & SL_WAITS ? "waits " : "", row->flags & SL_IMPURE ? "impure " : "",
			    row->flags & SL_FINAL ? "final" : "", row->flags & SL_HSL ? "hsl" : "");
	return 0;
}
