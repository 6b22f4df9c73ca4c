/* sluice: one program, one word for what to do. See sluice(1). */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "../sluice_host.h"
#include "cmd.h"

/* What of the libraries that can be left out was left out. */
static const char *const without[] = {
	WITH_CURL ? NULL : "libcurl", WITH_PCRE2 ? NULL : "PCRE2", WITH_REPORTS ? NULL : "reports",
};

static int
cmd_version(int argc, char **argv)
{
	size_t i;

	(void)argc;
	(void)argv;
	printf("sluice %s\n", SL_VERSION);
	for (i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		if (without[i] != NULL)
			printf("without %s\n", without[i]);
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(int argc, char **argv);
	const char *text;
} commands[] = {
	{ "run", cmd_run, "serve a policy: sluice run POLICY [--spool DIR] [--log-level LEVEL]" },
	{ "check", cmd_check, "load a policy and say what is wrong: sluice check POLICY [--defaults]" },
	{ "init", cmd_init, "lay out a new policy with tests: sluice init DIR [--domain DOMAIN]" },
	{ "exec", cmd_exec, "run one script without SMTP: sluice exec FILE" },
	{ "hsl", cmd_hsl, "show the Lua that HSL becomes: sluice hsl FILE" },
	{ "repl", cmd_repl, "evaluate lines of Lua: sluice repl [POLICY]" },
	{ "test", cmd_test, "run the tests of a policy: sluice test [POLICY] [--filter TEXT]" },
	{ "trace", cmd_trace, "one message through a policy, step by step: sluice trace MESSAGE --ip IP "
	    "--helo NAME --from A --to A" },
	{ "capture", cmd_capture, "capture sessions of the running server: sluice capture SPOOL "
	    "--match sender=*@example.com --count 5" },
	{ "replay", cmd_replay, "run captured sessions again: sluice replay FILE... [--policy DIR]" },
	{ "why", cmd_why, "what became of one message, from logs: sluice why ID|TEXT [LOG...]" },
	{ "shadow", cmd_shadow, "how the next policy compares: sluice shadow report [LOG...]" },
	{ "queue", cmd_queue, "list, show, retry, remove messages: sluice queue list SPOOL" },
	{ "quarantine", cmd_quarantine, "list, show, release, remove held messages: sluice quarantine list SPOOL" },
	{ "sign", cmd_sign, "sign a message with DKIM: sluice sign MESSAGE --key FILE "
	    "--selector S --domain D" },
	{ "verify", cmd_verify, "check SPF, DKIM, DMARC, ARC: sluice verify MESSAGE [--json] [--zone FILE] "
	    "[--ip IP ...]" },
	{ "keys", cmd_keys, "DKIM keys: sluice keys generate --domain D, sluice keys check --domain D "
	    "--selector S --key FILE" },
	{ "domain", cmd_domain, "what DNS says of a domain's mail: sluice domain check DOMAIN "
	    "[--selector S]" },
#if WITH_REPORTS
	{ "dmarc", cmd_dmarc, "what reports say of a domain's mail: sluice dmarc report FILE..." },
#endif
	{ "--builtins", cmd_builtins, "list the builtins: name, phases, flags" },
	{ "--schema", cmd_schema, "list the keys of sluice.lua: key, type, default, text" },
	{ "version", cmd_version, "print the version, and what it was built without" },
	{ "child", cmd_child, NULL },
};

static int
usage(FILE *to)
{
	size_t i;

	fprintf(to, "usage: sluice COMMAND [ARGUMENTS]\n\n");
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].text != NULL)
			fprintf(to, "  %-11s %s\n", commands[i].name, commands[i].text);
	return to == stdout ? 0 : 2;
}

static bool
asks_for_help(const char *word)
{
	return word != NULL && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0);
}

static int
help(const char *name, const char *text)
{
	const char *lines = cmd_usage_text(name);

	printf("sluice %s: %.*s\n\n%s%ssluice(1) says what each option does: man sluice\n", name,
	    (int)strcspn(text, ":"), text, lines, lines[0] != '\0' ? "\n" : "");
	return 0;
}

int
main(int argc, char **argv)
{
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	if (argc < 2)
		return usage(stderr);
	if (strcmp(argv[1], "help") == 0 || asks_for_help(argv[1]))
		return usage(stdout);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		if (commands[i].text != NULL && (asks_for_help(argv[2]) ||
		    (argc > 3 && asks_for_help(argv[3]))))
			return help(commands[i].name, commands[i].text);
		return commands[i].fn(argc - 1, argv + 1);
	}
	fprintf(stderr, "sluice: there is no command \"%s\"\n", argv[1]);
	return usage(stderr);
}
