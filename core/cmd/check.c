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
#include "../policy/image.h"
#include "../policy/lines.h"
#include "../sluice_host.h"
#include "check_scripts.h"
#include "cmd.h"

#define MAX_SETTINGS	(4u << 20)	/* of a Postfix */

struct options {
	const char *policy, *postfix;
	bool defaults, json;
};

/* ---- findings ---------------------------------------------------------------------------- */

json_t *
check_add(json_t *findings, const char *file, int line, int column, const char *severity,
    const char *code, const char *text)
{
	json_t *finding = json_pack("{s:o, s:i, s:i, s:s, s:s, s:o, s:s}", "file", cmd_json_text(file),
	    "line", line > 0 ? line : 1, "column", column > 0 ? column : 1, "severity", severity,
	    "code", code, "text", cmd_json_text(text), "remedy", "");

	json_array_append_new(findings, finding);
	return finding;
}

static const char *
code_of(const char *file, bool warning)
{
	struct sl_str name = sl_str_of(file);

	if (sl_str_eq(name, SL_STR("sluice.lua")))
		return "configuration";
	if (sl_str_ends(name, SL_STR(".lua")) || sl_str_ends(name, SL_STR(".hsl")))
		return warning ? "hsl" : "syntax";
	return "data";
}

/* Source line, caret and suggestion below a finding: for people, as they are. */
static void
add_excerpt(json_t *finding, struct sl_str line)
{
	const char *before = json_string_value(json_object_get(finding, "excerpt"));
	char text[2000];

	if (finding == NULL)
		return;
	snprintf(text, sizeof(text), "%s%.*s\n", before != NULL ? before : "", (int)line.n, line.p);
	json_object_set_new(finding, "excerpt", cmd_json_text(text));
}

/* Lines of a report, "file:line:column: text" or less of it. */
static void
add_report(json_t *findings, struct sl_str report)
{
	char file[300], copy[2000];
	json_t *last = NULL;
	struct sl_str rest;
	int line, column, n;
	const char *text;
	bool warning;

	while (sl_str_split(&report, '\n', &rest)) {
		if (rest.n == 0)
			continue;
		if (rest.p[0] == ' ') {
			add_excerpt(last, rest);
			continue;
		}
		snprintf(copy, sizeof(copy), "%.*s", (int)rest.n, rest.p);
		n = line = column = 0;
		if (sscanf(copy, "%299[^: ]:%d:%d: %n", file, &line, &column, &n) < 3 || n == 0) {
			n = line = column = 0;
			if ((sscanf(copy, "%299[^: ]:%d: %n", file, &line, &n) < 2 || n == 0) &&
			    (sscanf(copy, "%299[^: ]: %n", file, &n) < 1 || n == 0)) {
				snprintf(file, sizeof(file), "sluice.lua");
				n = line = 0;
			}
		}
		text = copy + n;
		warning = strncmp(text, "warning: ", 9) == 0;
		last = check_add(findings, file, line, column, warning ? "warning" : "error",
		    code_of(file, warning), warning ? text + 9 : text);
	}
}

/* ---- telling ----------------------------------------------------------------------------- */

static const char *
text_of(const json_t *finding, const char *key)
{
	return json_string_value(json_object_get(finding, key));
}

static void
print_finding(const json_t *f)
{
	const char *excerpt = text_of(f, "excerpt"), *line;

	cmd_print(text_of(f, "file"));
	printf(":%d:%d: %s: ", (int)json_integer_value(json_object_get(f, "line")),
	    (int)json_integer_value(json_object_get(f, "column")), text_of(f, "severity"));
	cmd_print(text_of(f, "text"));
	printf(" [%s]\n", text_of(f, "code"));
	for (line = excerpt; line != NULL && *line != '\0'; line += strcspn(line, "\n") + 1)
		printf("%.*s\n", (int)strcspn(line, "\n"), line);
	if (excerpt == NULL) {
		printf("    ");
		cmd_print(text_of(f, "remedy"));
		printf("\n");
	}
}

/* 1 if there is an error, 2 if they can't be told. */
static int
tell(json_t *findings, const struct options *o)
{
	struct sl_err err;
	int status = 0;
	char *dump;
	json_t *f;
	size_t i;

	if (check_explain(findings, &err) != 0) {
		fprintf(stderr, "sluice: %s\n", err.text);
		return 2;
	}
	json_array_foreach(findings, i, f) {
		status = status || strcmp(text_of(f, "severity"), "error") == 0;
		if (o->json)
			json_object_del(f, "excerpt");
		else
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

#define MAX_DEPTH	8	/* of folders in keys/ and secrets/ */

static void
check_mode(json_t *findings, const char *name, const struct stat *st)
{
	char text[100];

	if (!S_ISREG(st->st_mode) || (st->st_mode & 077) == 0)
		return;
	snprintf(text, sizeof(text), "others may read it (mode %04o)", (unsigned)st->st_mode & 07777);
	check_add(findings, name, 1, 1, "warning", "readable-secret", text);
}

/* What is in keys/ and secrets/ is nobody else's. */
static void
check_modes(json_t *findings, const char *policy, const char *folder, int depth)
{
	char path[PATH_MAX], name[PATH_MAX];
	struct dirent **entries;
	struct stat st;
	int i, n;

	snprintf(path, sizeof(path), "%s/%s", policy, folder);
	if (depth == MAX_DEPTH || (n = scandir(path, &entries, NULL, alphasort)) < 0)
		return;
	for (i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.' &&
		    snprintf(name, sizeof(name), "%s/%s", folder, entries[i]->d_name) < (int)sizeof(name) &&
		    snprintf(path, sizeof(path), "%s/%s", policy, name) < (int)sizeof(path) &&
		    stat(path, &st) == 0) {
			if (S_ISDIR(st.st_mode))
				check_modes(findings, policy, name, depth + 1);
			else
				check_mode(findings, name, &st);
		}
		free(entries[i]);
	}
	free(entries);
}

/* A file that sluice.lua names; what is in keys/ has been looked at. */
static void
check_named(json_t *findings, const char *policy, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	if (name == NULL || strncmp(name, "pki:", 4) == 0 || strncmp(name, "keys/", 5) == 0 ||
	    snprintf(path, sizeof(path), "%s/%s", policy, name) >= (int)sizeof(path) || stat(path, &st) != 0)
		return;
	check_mode(findings, name, &st);
}

/* Where in sluice.lua a key stands; line 0 = unknown. */
static void
find_key(const struct sl_config *config, const char *key, unsigned *line, unsigned *column)
{
	struct sl_lines *lines = NULL;
	struct sl_str source;

	*line = *column = 0;
	if (sl_image_find(config->image, "sluice.lua", &source))
		lines = sl_lines_scan(source);
	if (lines != NULL)
		sl_lines_find(lines, key, line, column);
	sl_lines_free(lines);
}

static void
check_config(json_t *findings, const struct sl_config *config, const char *policy)
{
	unsigned line, column;

	if (config->open_relay) {
		find_key(config, "open_relay", &line, &column);
		check_add(findings, "sluice.lua", (int)line, (int)column, "warning", "open-relay",
		    "open_relay lets anybody send to anybody");
	}
	check_modes(findings, policy, "keys", 0);
	check_modes(findings, policy, "secrets", 0);
	check_named(findings, policy, config->tls.key);
	check_named(findings, policy, json_string_value(json_object_get(config->root, "users")));
}

static int find_all(json_t *findings, int image, const char *policy, const struct options *o);

/* The policy that runs in the shadow of this one: whatever is wrong in it keeps nothing from loading here. */
static int
check_shadow(json_t *findings, const struct sl_config *config, const char *policy, const struct options *o)
{
	const char *folder = config->shadow.policy;
	json_t *its = json_array(), *finding;
	char path[PATH_MAX], file[PATH_MAX];
	unsigned line, column;
	struct sl_err err;
	int image, rc = 0;
	size_t i;

	if (folder == NULL) {
		json_decref(its);
		return 0;
	}
	if (sl_image_part(config->image, folder, &image, &err) != 0) {
		find_key(config, "shadow.policy", &line, &column);
		check_add(findings, "sluice.lua", (int)line, (int)column, "error", "shadow", err.text);
	} else {
		snprintf(path, sizeof(path), "%s/%s", policy, folder);
		rc = find_all(its, image, path, o);
		close(image);
	}
	json_array_foreach(its, i, finding) {
		snprintf(file, sizeof(file), "%s/%s", folder, text_of(finding, "file"));
		json_object_set_new(finding, "file", cmd_json_text(file));
	}
	json_array_extend(findings, its);
	json_decref(its);
	return rc;
}

static bool
has_milter(const struct sl_config *c)
{
	for (size_t i = 0; i < c->nlisteners; i++)
		if (c->listeners[i].milter != NULL)
			return true;
	return false;
}

/* The settings of the Postfix in front, if they are told and somebody can ask the policy; -1: it was said
 * why they can't be read. */
static int
read_postfix(struct check_postfix *out, struct sl_buf *text, json_t *findings,
    const struct sl_config *config, const char *path)
{
	if (path == NULL)
		return 0;
	if (!has_milter(config)) {
		check_add(findings, "sluice.lua", 0, 0, "warning", "postfix-milters",
		    "no listener is a milter: no Postfix asks this policy");
		return 0;
	}
	if (cmd_read(path, MAX_SETTINGS, text) != 0)
		return -1;
	out->file = strcmp(path, "-") == 0 ? "postconf" : path;
	out->text = sl_buf_str(text);
	return 0;
}

/* A policy that loads: what is odd in it. */
static int
look(json_t *findings, struct sl_engine *engine, int image, const char *policy, const struct options *o)
{
	const struct sl_config *config = sl_engine_config(engine);
	const char *path = policy == o->policy ? o->postfix : NULL;
	struct check_postfix postfix = { 0 };
	struct sl_buf text = SL_BUF_INIT;
	struct sl_err err;
	json_t *scripts;

	if (read_postfix(&postfix, &text, findings, config, path) != 0)
		return -1;
	scripts = check_scripts(engine, image, postfix.file != NULL ? &postfix : NULL, &err);
	sl_buf_clear(&text);
	if (scripts == NULL) {
		fprintf(stderr, "sluice: %s\n", err.text);
		return -1;
	}
	json_array_extend(findings, scripts);
	json_decref(scripts);
	check_config(findings, config, policy);
	return check_shadow(findings, config, policy, o);
}

/* Appends what is found in the policy of the image; -1: it was said why that can't be told. */
static int
find_all(json_t *findings, int image, const char *policy, const struct options *o)
{
	struct sl_engine_options options = { .gateway = true, .stdlib = cmd_stdlib() };
	struct sl_generation *generation;
	struct sl_buf report = SL_BUF_INIT;
	struct sl_engine *engine;
	struct sl_err err;
	int rc = 0;

	engine = sl_engine_new(&options, &err);
	if (engine == NULL) {
		fprintf(stderr, "sluice: %s\n", err.text);
		return -1;
	}
	if (sl_engine_prepare(engine, image, &generation, &report) != 0) {
		add_report(findings, sl_buf_str(&report));
	} else {
		add_report(findings, sl_str_of(sl_generation_warnings(generation)));
		check_functions(findings, image);
		sl_engine_commit(engine, generation);
		rc = look(findings, engine, image, policy, o);
	}
	sl_buf_clear(&report);
	sl_engine_free(engine);
	return rc;
}

static int
number_of(const json_t *finding, const char *key)
{
	return (int)json_integer_value(json_object_get(finding, key));
}

static int
by_place(const void *a, const void *b)
{
	json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int c = strcmp(text_of(x, "file"), text_of(y, "file"));

	if (c == 0)
		c = number_of(x, "line") - number_of(y, "line");
	if (c == 0)
		c = number_of(x, "column") - number_of(y, "column");
	return c != 0 ? c : strcmp(text_of(x, "text"), text_of(y, "text"));
}

/* In the order of the files' lines. Takes the findings. */
static json_t *
sorted(json_t *findings)
{
	size_t i, n = json_array_size(findings);
	json_t **list = n > 0 ? calloc(n, sizeof(*list)) : NULL, *out;

	if (list == NULL)
		return findings;
	for (i = 0; i < n; i++)
		list[i] = json_array_get(findings, i);
	qsort(list, n, sizeof(*list), by_place);
	out = json_array();
	for (i = 0; i < n; i++)
		json_array_append(out, list[i]);
	free(list);
	json_decref(findings);
	return out;
}

static int
check(const struct options *o)
{
	json_t *findings = json_array();
	struct sl_err err;
	int image = -1, rc = 0;

	if (sl_image_pack(o->policy, cmd_stdlib(), &image, &err) != 0)
		add_report(findings, sl_str_of(err.text));
	else
		rc = find_all(findings, image, o->policy, o);
	findings = sorted(findings);
	rc = rc != 0 ? 2 : tell(findings, o);
	if (image >= 0)
		close(image);
	json_decref(findings);
	return rc;
}

/* --defaults: what every key is, and where it comes from. */
static int
describe(const struct options *o)
{
	struct sl_engine_options options = { .gateway = true, .stdlib = cmd_stdlib() };
	struct sl_generation *generation = NULL;
	struct sl_buf text = SL_BUF_INIT;
	struct sl_err err;
	struct sl_engine *engine = sl_engine_new(&options, &err);

	if (engine == NULL)
		sl_buf_printf(&text, "sluice: %s\n", err.text);
	else if (sl_engine_prepare_folder(engine, o->policy, &generation, &text) == 0)
		sl_config_describe(sl_generation_config(generation), &text);
	if (text.n > 0)
		fwrite(text.p, 1, text.n, generation != NULL ? stdout : stderr);
	if (generation != NULL)
		sl_generation_free(generation);
	sl_buf_clear(&text);
	sl_engine_free(engine);
	return generation != NULL ? 0 : 1;
}

int
cmd_check(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "defaults", no_argument, NULL, 'd' }, { "json", no_argument, NULL, 'j' },
		{ "postfix", required_argument, NULL, 'p' }, { 0 },
	};
	struct options o = { 0 };
	struct sl_err err;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (c == 'd')
			o.defaults = true;
		else if (c == 'j')
			o.json = true;
		else if (c == 'p')
			o.postfix = optarg;
		else
			return cmd_usage("check");
	if (optind != argc - 1)
		return cmd_usage("check");
	o.policy = argv[optind];
	if (sl_image_is_folder(o.policy, &err) != 0) {
		fprintf(stderr, "sluice: %s%s\n", err.text, sl_str_ends(sl_str_of(o.policy), SL_STR(".hsl")) ?
		    "; sluice hsl looks at one script" : "");
		return 1;
	}
	return o.defaults ? describe(&o) : check(&o);
}
