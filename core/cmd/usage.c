/* How each command is called: for --help, and for whoever called it otherwise. See cmd.h. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"

/* Further lines begin below the first one's arguments; a command may have several forms. */
static const struct {
	const char *name, *text;
} usages[] = {
	{ "run",
	    "usage: sluice run POLICY [--single] [--spool DIR] [--log-level LEVEL] [--log-file FILE]\n" },
	{ "check",
	    "usage: sluice check POLICY [--defaults] [--json] [--postfix FILE]\n" },
	{ "init",
	    "usage: sluice init DIR [--domain DOMAIN]\n" },
	{ "exec",
	    "usage: sluice exec FILE\n" },
	{ "hsl",
	    "usage: sluice hsl FILE\n" },
	{ "repl",
	    "usage: sluice repl [POLICY] [--live]\n" },
	{ "test",
	    "usage: sluice test [POLICY] [--filter TEXT] [--junit FILE] [--tap] [--coverage]\n"
	    "           [--lcov FILE]\n" },
	{ "trace",
	    "usage: sluice trace MESSAGE --ip IP --helo NAME --from ADDRESS --to ADDRESS...\n"
	    "           [--policy DIR] [--server NAME] [--auth USER[:PASSWORD]] [--tls] [--zone FILE]\n"
	    "           [--http URL=FILE]... [--time TIME] [--live] [--json]\n" },
	{ "capture",
	    "usage: sluice capture SPOOL [--match FACT=PATTERN]... [--every N] [--count N]\n"
	    "           [--for SECONDS] [--output DIR] [--json]\n"
	    "FACT: sender recipient ip helo user id server; * in PATTERN stands for anything\n" },
	{ "replay",
	    "usage: sluice replay FILE... [--policy DIR] [--quiet] [--json]\n" },
	{ "why",
	    "usage: sluice why ID|TEXT|- [LOG...] [--policy DIR] [--json]\n" },
	{ "shadow",
	    "usage: sluice shadow report [LOG...] [--policy DIR] [--json]\n" },
	{ "queue",
	    "usage: sluice queue list SPOOL [--sender ADDRESS] [--recipient ADDRESS] [--json]\n"
	    "       sluice queue show SPOOL ID\n"
	    "       sluice queue retry|remove SPOOL ID|--all|--sender ADDRESS|--recipient ADDRESS\n" },
	{ "quarantine",
	    "usage: sluice quarantine list SPOOL [--sender ADDRESS] [--recipient ADDRESS] [--json]\n"
	    "       sluice quarantine show SPOOL ID\n"
	    "       sluice quarantine release|remove SPOOL ID|--all|--sender ADDRESS|--recipient ADDRESS\n" },
	{ "sign",
	    "usage: sluice sign MESSAGE --key FILE --selector S --domain D\n"
	    "           [--canonicalization HEADER/BODY] [--header-only]\n" },
	{ "verify",
	    "usage: sluice verify MESSAGE [--json] [--zone FILE]\n"
	    "           [--ip IP --helo NAME --from ADDRESS]\n" },
	{ "keys",
	    "usage: sluice keys generate --domain D [--selector S] [--type rsa|ed25519]\n"
	    "           [--bits 2048|3072|4096] [--out FILE | --policy POLICY] [--json]\n"
	    "       sluice keys check --domain D --selector S --key FILE [--zone FILE] [--json]\n"
	    "       sluice keys status POLICY [--domain D] [--zone FILE] [--json]\n" },
	{ "domain",
	    "usage: sluice domain check DOMAIN [--selector S]... [--ip IP] [--zone FILE] [--json]\n" },
	{ "dmarc",
	    "usage: sluice dmarc report FILE... [--json] [--all]\n" },
};

const char *
cmd_usage_text(const char *name)
{
	for (size_t i = 0; i < sizeof(usages) / sizeof(usages[0]); i++)
		if (strcmp(usages[i].name, name) == 0)
			return usages[i].text;
	return "";
}

int
cmd_usage(const char *name)
{
	fputs(cmd_usage_text(name), stderr);
	return 2;
}
