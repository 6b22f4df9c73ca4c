/* What the tables of the program hold, for those who write documentation (tools/tables.lua). */
#include <stdio.h>
#include <string.h>

#include "../policy/config.h"
#include "../policy/facts.h"
#include "../policy/phase.h"
#include "cmd.h"

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
