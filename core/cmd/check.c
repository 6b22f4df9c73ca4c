/* sluice check: loads a policy as run does, and says everything that is wrong. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "../net/loop.h"
#include "../policy/config.h"
#include "../policy/facts.h"
#include "../policy/phase.h"
#include "../sluice_host.h"
#include "cmd.h"

static int
check(const char *folder, bool defaults)
{
	struct sl_engine_options options = { .gateway = true, .stdlib = cmd_stdlib() };
	struct sl_generation *generation = NULL;
	struct sl_buf text = SL_BUF_INIT;
	struct sl_engine *engine;
	struct sl_err err;
	int rc;

	engine = sl_engine_new(&options, &err);
	if (engine == NULL) {
		fprintf(stderr, "sluice: %s\n", err.text);
		return 1;
	}
	rc = sl_engine_prepare_folder(engine, folder, &generation, &text);
	if (rc == 0 && defaults)
		sl_config_describe(sl_generation_config(generation), &text);
	fwrite(text.p != NULL ? text.p : "", 1, text.n, rc == 0 ? stdout : stderr);
	if (rc == 0)
		fputs(sl_generation_warnings(generation), stderr);
	if (rc == 0 && !defaults)
		printf("%s: no errors\n", folder);
	if (rc == 0)
		sl_generation_free(generation);
	sl_buf_clear(&text);
	sl_engine_free(engine);
	return rc == 0 ? 0 : 1;
}

int
cmd_check(int argc, char **argv)
{
	static const struct option longs[] = { { "defaults", no_argument, NULL, 'd' }, { 0 } };
	bool defaults = false;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'd')
			return 2;
		defaults = true;
	}
	if (optind != argc - 1) {
		fprintf(stderr, "usage: sluice check POLICY [--defaults]\n");
		return 2;
	}
	return check(argv[optind], defaults);
}

/* The facts, tab-separated: name, phases, text. */
static int
list_facts(void)
{
	const char *name, *text;
	unsigned phases;
	size_t i, p;

	for (i = 0; (name = sl_fact_at(i, &phases, &text)) != NULL; i++) {
		printf("%s\t", name);
		for (p = 0; p < SL_PHASES; p++)
			if (phases & sl_phase_table[p].bit)
				printf("%s ", sl_phase_table[p].name);
		printf("\t%s\n", text);
	}
	return 0;
}

/*
 * The rows of the schema, tab-separated: what sluice.lua(5) is made of. With
 * the argument "facts" those of the facts, for the reference.
 */
int
cmd_schema(int argc, char **argv)
{
	const char *key, *type, *dflt, *text;
	size_t i;

	if (argc > 1 && strcmp(argv[1], "facts") == 0)
		return list_facts();
	for (i = 0; sl_config_schema(i, &key, &type, &dflt, &text); i++)
		printf("%s\t%s\t%s\t%s\n", key, type, dflt != NULL ? dflt : "", text);
	return 0;
}
