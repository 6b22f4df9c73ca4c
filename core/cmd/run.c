/* sluice run: the gateway. sluice child: what it starts itself. */
#include <getopt.h>
#include <stdio.h>

#include "../daemon/child.h"
#include "../daemon/master.h"
#include "cmd.h"

static int
wrong_level(const char *word)
{
	fprintf(stderr, "sluice: --log-level: \"%s\" is none of debug, info, notice, "
	    "warning, error, critical\n", word);
	return 2;
}

int
cmd_run(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "spool", required_argument, NULL, 's' }, { "log-level", required_argument, NULL, 'l' },
		{ "log-file", required_argument, NULL, 'f' }, { "single", no_argument, NULL, '1' },
		{ 0 },
	};
	struct sl_run_options o = { .stdlib = cmd_stdlib(), .level = SL_INFO };
	bool single = false;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 's')
			o.spool = optarg;
		else if (c == 'f')
			o.log_file = optarg;
		else if (c == '1')
			single = true;
		else if (c != 'l')
			return cmd_usage("run");
		else if (sl_level_parse(optarg, &o.level) != 0)
			return wrong_level(optarg);
	}
	if (optind != argc - 1)
		return cmd_usage("run");
	o.policy = argv[optind];
	return single ? sl_single_run(&o) : sl_master_run(&o);
}

int
cmd_child(int argc, char **argv)
{
	return sl_child_main(argc == 2 ? argv[1] : "");
}
