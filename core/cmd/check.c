/* sluice check: loads a policy as run does, and says everything that is wrong. */
#include <dirent.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../net/loop.h"
#include "../policy/config.h"
#include "../policy/facts.h"
#include "../policy/image.h"
#include "../policy/phase.h"
#include "../sluice_host.h"
#include "check_scripts.h"
#include "cmd.h"

struct options {
	const char *policy;
	bool defaults, json;
};

/* ---- telling ----------------------------------------------------------------------------- */

static void
add(json_t *findings, const char *file, const char *severity, const char *code, const char *text,
    const char *remedy)
{
	json_array_append_new(findings, json_pack("{s:o, s:i, s:i, s:s, s:s, s:o, s:s}", "file",
	    cmd_json_text(file), "line", 0, "column", 0, "severity", severity, "code", code, "text",
	    cmd_json_text(text), "remedy", remedy));
}

/* Lines of a report, "file:line:column: text" or less of it. */
static void
add_report(json_t *findings, const char *severity, struct sl_str report)
{
	char file[300], copy[2000];
	int line, column, n;
	struct sl_str rest;
	json_t *last;

	while (sl_str_split(&report, '\n', &rest)) {
		if (rest.n == 0 || rest.p[0] == ' ')
			continue;	/* a source line, a caret */
		snprintf(copy, sizeof(copy), "%.*s", (int)rest.n, rest.p);
		n = line = column = 0;
		file[0] = '\0';
		if (sscanf(copy, "%299[^:]:%d:%d: %n", file, &line, &column, &n) < 3 || n == 0) {
			n = line = column = 0;
			if (sscanf(copy, "%299[^:]:%d: %n", file, &line, &n) < 2 || n == 0)
				n = line = 0;
		}
		add(findings, n > 0 ? file : "sluice.lua", severity, "load", copy + n, "");
		last = json_array_get(findings, json_array_size(findings) - 1);
		json_object_set_new(last, "line", json_integer(line));
		json_object_set_new(last, "column", json_integer(column));
	}
}

static const char *
text_of(const json_t *finding, const char *key)
{
	return json_string_value(json_object_get(finding, key));
}

static void
print_finding(const json_t *f)
{
	int line = (int)json_integer_value(json_object_get(f, "line"));

	cmd_print(text_of(f, "file"));
	if (line > 0)
		printf(":%d:%d", line, (int)json_integer_value(json_object_get(f, "column")));
	printf(": %s: ", text_of(f, "severity"));
	cmd_print(text_of(f, "text"));
	printf(" [%s]\n", text_of(f, "code"));
	if (text_of(f, "remedy")[0] != '\0') {
		printf("    ");
		cmd_print(text_of(f, "remedy"));
		printf("\n");
	}
}

/* 1 if there is an error. */
static int
tell(const json_t *findings, const struct options *o)
{
	const json_t *f;
	int status = 0;
	char *dump;
	size_t i;

	json_array_foreach(findings, i, f) {
		status = status || strcmp(text_of(f, "severity"), "error") == 0;
		if (!o->json)
			print_finding(f);
	}
	if (o->json && (dump = json_dumps(findings, JSON_INDENT(2))) != NULL) {
		printf("%s\n", dump);
		free(dump);
	} else if (json_array_size(findings) == 0) {
		printf("%s: no errors\n", o->policy);
	}
	return status;
}

/* ---- looking ----------------------------------------------------------------------------- */

/* What is in keys/ and secrets/ is nobody else's. */
static void
check_modes(json_t *findings, const char *policy, const char *folder)
{
	char path[PATH_MAX], text[100];
	struct dirent *e;
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", policy, folder);
	if ((dir = opendir(path)) == NULL)
		return;
	while ((e = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s/%s", policy, folder, e->d_name);
		if (e->d_name[0] == '.' || stat(path, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 077) == 0)
			continue;
		snprintf(text, sizeof(text), "others may read it (mode %04o)", (unsigned)st.st_mode & 07777);
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		add(findings, path, "warning", "readable-secret", text, "chmod 600");
	}
	closedir(dir);
}

static int
look(struct sl_engine *engine, int image, struct sl_str warnings, const struct options *o)
{
	struct sl_err err;
	json_t *findings = check_scripts(engine, image, &err);
	int status;

	if (findings == NULL) {
		fprintf(stderr, "sluice: %s\n", err.text);
		return 2;
	}
	if (o->json)
		add_report(findings, "warning", warnings);
	else
		fprintf(stderr, "%.*s", (int)warnings.n, warnings.n > 0 ? warnings.p : "");
	check_modes(findings, o->policy, "keys");
	check_modes(findings, o->policy, "secrets");
	status = tell(findings, o);
	json_decref(findings);
	return status;
}

/* It doesn't load: as ever on standard error, or as findings. */
static int
refuse(const struct sl_buf *report, const struct options *o)
{
	json_t *findings;

	if (!o->json) {
		fwrite(report->p != NULL ? report->p : "", 1, report->n, stderr);
		return 1;
	}
	findings = json_array();
	add_report(findings, "error", sl_buf_str(report));
	tell(findings, o);
	json_decref(findings);
	return 1;
}

static int
check(const struct options *o)
{
	struct sl_engine_options options = { .gateway = true, .stdlib = cmd_stdlib() };
	struct sl_generation *generation = NULL;
	struct sl_buf text = SL_BUF_INIT;
	struct sl_engine *engine;
	struct sl_err err;
	int image = -1, rc;

	engine = sl_engine_new(&options, &err);
	if (engine == NULL) {
		fprintf(stderr, "sluice: %s\n", err.text);
		return 1;
	}
	if (sl_image_pack(o->policy, cmd_stdlib(), &image, &err) != 0)
		sl_buf_printf(&text, "%s\n", err.text);
	if (image < 0 || sl_engine_prepare(engine, image, &generation, &text) != 0) {
		rc = refuse(&text, o);
	} else if (o->defaults) {
		sl_config_describe(sl_generation_config(generation), &text);
		fwrite(text.p != NULL ? text.p : "", 1, text.n, stdout);
		sl_generation_free(generation);
		rc = 0;
	} else {
		sl_buf_puts(&text, sl_generation_warnings(generation));
		sl_engine_commit(engine, generation);
		rc = look(engine, image, sl_buf_str(&text), o);
	}
	if (image >= 0)
		close(image);
	sl_buf_clear(&text);
	sl_engine_free(engine);
	return rc;
}

int
cmd_check(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "defaults", no_argument, NULL, 'd' }, { "json", no_argument, NULL, 'j' }, { 0 },
	};
	struct options o = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (c == 'd')
			o.defaults = true;
		else if (c == 'j')
			o.json = true;
		else
			return 2;
	if (optind != argc - 1) {
		fprintf(stderr, "usage: sluice check POLICY [--defaults] [--json]\n");
		return 2;
	}
	o.policy = argv[optind];
	return check(&o);
}

static void
print_fact(const char *name, unsigned phases, const char *before, const char *text)
{
	size_t p;

	printf("%s\t", name);
	for (p = 0; p < SL_PHASES; p++)
		if (phases & sl_phase_table[p].bit)
			printf("%s ", sl_phase_table[p].name);
	printf("\t%s%s\n", before, text);
}

/* The facts, tab-separated: name, phases, text; then what today's tables have, as "table.name". */
static int
list_facts(void)
{
	const char *name, *text, *fact;
	unsigned phases;
	size_t i;

	for (i = 0; (name = sl_fact_at(i, &phases, &text)) != NULL; i++)
		print_fact(name, phases, "", text);
	for (i = 0; (name = sl_fact_view_at(i, &phases, &fact, &text)) != NULL; i++)
		print_fact(name, phases, fact != NULL ? "= " : "", fact != NULL ? fact : text);
	return 0;
}

static void
print_reply(const struct sl_reply *r)
{
	putchar('\t');
	if (r->code != 0)
		printf("%d%s%s%s%s", r->code, r->enhanced[0] != '\0' ? " " : "", r->enhanced,
		    r->text[0] != '\0' ? " " : "", r->text);
}

/*
 * The phases, tab-separated: name, what an end without an action calls, the decision without a flow
 * and after a script error, the replies to Accept, Reject, Defer and after a script error.
 */
static int
list_phases(void)
{
	const struct sl_phase_info *row;
	struct sl_reply error;
	int phase;

	for (phase = 0; phase < SL_PHASES; phase++) {
		row = &sl_phase_table[phase];
		error = row->reject;		/* none where there is nobody to reply to */
		if (error.code != 0)
			error = sl_phase_error_reply((enum sl_phase)phase);
		printf("%s\t%s\t%s\t%s", row->name, row->end_action != NULL ? row->end_action : "",
		    sl_action_name(row->dflt), sl_action_name(row->on_error));
		print_reply(sl_phase_reply((enum sl_phase)phase, SL_ACCEPT));
		print_reply(&row->reject);
		print_reply(&row->defer);
		print_reply(&error);
		putchar('\n');
	}
	return 0;
}

/*
 * The rows of the schema, tab-separated: what sluice.lua(5) is made of. With
 * the argument "facts" or "phases" those tables, for the reference.
 */
int
cmd_schema(int argc, char **argv)
{
	const char *key, *type, *dflt, *text;
	size_t i;

	if (argc > 1 && strcmp(argv[1], "facts") == 0)
		return list_facts();
	if (argc > 1 && strcmp(argv[1], "phases") == 0)
		return list_phases();
	for (i = 0; sl_config_schema(i, &key, &type, &dflt, &text); i++)
		printf("%s\t%s\t%s\t%s\n", key, type, dflt != NULL ? dflt : "", text);
	return 0;
}
