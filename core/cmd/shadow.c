/* sluice shadow report: how the next policy compares with the one that serves, from logs. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../base/event.h"
#include "../base/event_read.h"
#include "cmd.h"
#include "log_files.h"

#define MAX_GROUPS	1000
#define USAGE		"sluice shadow report LOG"

static const char *const counted[] = { "sessions", "agreed", "differed", "incomplete", "left_out" };

/* ---- reading ----------------------------------------------------------------------------- */

/* By generation: { generation, first, last, sessions, agreed, ..., groups = { key = {...} } }. */
struct reading {
	json_t *generations;
	char newest[80];		/* the one that was loaded or compared last */
	struct sl_event_record record;
};

static json_t *
text_of(struct sl_str s)
{
	char *copy = strndup(s.p != NULL ? s.p : "", s.n);
	json_t *text = cmd_json_text(copy != NULL ? copy : "");

	free(copy);
	return text;
}

static json_t *
generation_of(struct reading *r, struct sl_str name)
{
	json_t *g;

	snprintf(r->newest, sizeof(r->newest), "%.*s", (int)name.n, name.p);
	g = json_object_get(r->generations, r->newest);
	if (g != NULL)
		return g;
	g = json_pack("{s:s, s:o, s:{}}", "generation", r->newest, "first", text_of(r->record.time), "groups");
	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++)
		json_object_set_new(g, counted[i], json_integer(0));
	json_object_set_new(r->generations, r->newest, g);
	return g;
}

static void
take_summary(const struct sl_event_record *record, json_t *g)
{
	uint64_t n;

	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++)
		if (sl_str_u64(sl_record_get(record, counted[i]), &n))
			json_object_set_new(g, counted[i], json_integer((json_int_t)n +
			    json_integer_value(json_object_get(g, counted[i]))));
}

static struct sl_str
first_word(struct sl_str s)
{
	ssize_t blank = sl_str_chr(s, ' ');

	return blank >= 0 ? sl_str_sub(s, 0, (size_t)blank) : s;
}

/* Decisions of the same kind at the same lines are one group: replies may have ids in them. */
static void
group_key(const struct sl_event_record *record, char *key, size_t size)
{
	struct sl_str what = sl_record_get(record, "what"), phase = sl_record_get(record, "phase"),
	    before = first_word(sl_record_get(record, "before")),
	    after = first_word(sl_record_get(record, "after")),
	    from = sl_record_get(record, "before_where"), to = sl_record_get(record, "after_where");

	snprintf(key, size, "%.*s %.*s %.*s %.*s %.*s %.*s", (int)what.n, what.p, (int)phase.n, phase.p,
	    (int)before.n, before.p, (int)from.n, from.p, (int)after.n, after.p, (int)to.n, to.p);
}

static void
take_difference(const struct sl_event_record *record, json_t *g)
{
	static const char *const kept[] = { "what", "phase", "input", "before", "before_where", "after",
	    "after_where", "session" };
	json_t *groups = json_object_get(g, "groups"), *group;
	char key[512];

	group_key(record, key, sizeof(key));
	for (char *p = key; *p != '\0'; p++)	/* a key of JSON */
		*p = *p < ' ' || *p > '~' ? '?' : *p;
	if (json_object_size(groups) >= MAX_GROUPS && json_object_get(groups, key) == NULL)
		snprintf(key, sizeof(key), "others");
	group = json_object_get(groups, key);
	if (group == NULL) {
		group = json_pack("{s:i}", "count", 0);
		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			json_object_set_new(group, kept[i], text_of(sl_record_get(record, kept[i])));
		json_object_set_new(groups, key, group);
	}
	json_object_set_new(group, "count", json_integer(1 +
	    json_integer_value(json_object_get(group, "count"))));
}

static void
take_line(void *arg, struct sl_str line)
{
	struct reading *r = arg;
	struct sl_str name;
	json_t *g;

	if (sl_str_find(line, SL_STR("shadow_")) < 0 || sl_event_read(&r->record, line) != 0)
		return;
	name = r->record.name;
	if (!sl_str_eq(name, SL_STR("shadow_loaded")) && !sl_str_eq(name, SL_STR("shadow_summary")) &&
	    !sl_str_eq(name, SL_STR("shadow_difference")))
		return;
	g = generation_of(r, sl_record_get(&r->record, "generation"));
	json_object_set_new(g, "last", text_of(r->record.time));
	if (sl_str_eq(name, SL_STR("shadow_summary")))
		take_summary(&r->record, g);
	else if (sl_str_eq(name, SL_STR("shadow_difference")))
		take_difference(&r->record, g);
}

/* ---- telling ----------------------------------------------------------------------------- */

static json_int_t
number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const char *
text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s != NULL ? s : "";
}

static int
most_first(const void *a, const void *b)
{
	json_int_t x = number(*(json_t *const *)a, "count"), y = number(*(json_t *const *)b, "count");

	return x > y ? -1 : x < y;
}

/* The groups as a list, the largest first. */
static void
sort_groups(json_t *g)
{
	json_t *groups = json_object_get(g, "groups"), *list = json_array(), *group;
	json_t **all = calloc(json_object_size(groups) + 1, sizeof(*all));
	size_t n = 0, i;
	const char *key;

	json_object_foreach(groups, key, group)
		if (all != NULL)
			all[n++] = group;
	if (all != NULL)
		qsort(all, n, sizeof(*all), most_first);
	for (i = 0; i < n; i++)
		json_array_append(list, all[i]);
	free(all);
	json_object_set_new(g, "differences", list);
	json_object_del(g, "groups");
}

static void
print_side(const char *label, const json_t *group, const char *what, const char *where)
{
	printf("      %s  ", label);
	cmd_print(text(group, what)[0] != '\0' ? text(group, what) : "-");
	if (text(group, where)[0] != '\0') {
		printf("  (");
		cmd_print(text(group, where));
		printf(")");
	}
	printf("\n");
}

static void
print_group(const json_t *group)
{
	printf("\n%5lld  ", (long long)number(group, "count"));
	cmd_print(text(group, "phase")[0] != '\0' ? text(group, "phase") : text(group, "what"));
	printf(", for instance ");
	cmd_print(text(group, "input"));
	printf(" of session ");
	cmd_print(text(group, "session"));
	printf("\n");
	print_side("now ", group, "before", "before_where");
	print_side("next", group, "after", "after_where");
}

static void
print_report(const json_t *g)
{
	const json_t *group;
	size_t i;

	printf("next policy ");
	cmd_print(text(g, "generation"));
	printf(", from ");
	cmd_print(text(g, "first"));
	printf(" to ");
	cmd_print(text(g, "last"));
	printf("\n%lld sessions: %lld agree, %lld differ, %lld can't be told, %lld left out\n",
	    (long long)number(g, "sessions"), (long long)number(g, "agreed"),
	    (long long)number(g, "differed"), (long long)number(g, "incomplete"),
	    (long long)number(g, "left_out"));
	if (number(g, "differed") == 0 && json_array_size(json_object_get(g, "differences")) > 0)
		printf("what follows isn't counted yet: the server tells its numbers each minute\n");
	json_array_foreach(json_object_get(g, "differences"), i, group)
		print_group(group);
}

/* 0 all agree, 1 there are differences, 2 nothing is known. */
static int
tell(struct reading *r, bool as_json)
{
	json_t *g = json_object_get(r->generations, r->newest);
	bool differs;
	char *dump;

	if (g == NULL) {
		fprintf(stderr, "sluice: no shadow policy in these logs: shadow = { policy = \"next\" } in "
		    "sluice.lua, and a log of level notice or below\n");
		return 2;
	}
	sort_groups(g);
	differs = json_array_size(json_object_get(g, "differences")) > 0;
	if (!as_json) {
		print_report(g);
	} else if ((dump = json_dumps(g, JSON_INDENT(2))) != NULL) {
		printf("%s\n", dump);
		free(dump);
	}
	return cmd_flush() != 0 ? 2 : differs ? 1 : 0;
}

static int
report(const char *policy, bool as_json, char **args, int nargs)
{
	struct reading r = { .generations = json_object() };
	struct log_files logs = { 0 };
	int status = 2, i;
	size_t n;

	for (i = 0; i < nargs; i++)
		log_files_add(&logs, args[i]);
	if (nargs > 0 || log_files_find(&logs, policy, USAGE) == 0) {
		for (n = 0; n < logs.n; n++) {
			log_file_read(&logs.files[n], take_line, &r);
			if (logs.files[n].error != NULL)
				cmd_complain(logs.files[n].path, logs.files[n].error);
		}
		status = tell(&r, as_json);
	}
	for (n = 0; n < logs.n; n++)
		if (logs.files[n].error != NULL)
			status = 2;
	sl_event_record_clear(&r.record);
	json_decref(r.generations);
	log_files_free(&logs);
	return status;
}

int
cmd_shadow(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "policy", required_argument, NULL, 'p' }, { "json", no_argument, NULL, 'j' }, { 0 },
	};
	const char *policy = ".";
	bool as_json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 'p': policy = optarg; break;
		case 'j': as_json = true; break;
		default: return cmd_usage("shadow");
		}
	if (optind >= argc || strcmp(argv[optind], "report") != 0)
		return cmd_usage("shadow");
	return report(policy, as_json, argv + optind + 1, argc - optind - 1);
}
