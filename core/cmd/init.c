/* sluice init: lays out a new policy, with tests, from stdlib/init. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/event.h"
#include "../mail/address.h"
#include "cmd.h"

#define MAX_FILE	(1024 * 1024)
#define DOMAIN		"example.org"	/* of the files in stdlib/init */

static const char *const folders[] = { "", "/data", "/tests" };
static const char *const files[] = {
	"sluice.lua", "recipients.lua", "inbound.lua", "data/recipients.txt", "tests/inbound_test.lua",
};

static int
fail(const char *path)
{
	fprintf(stderr, "sluice: %s: %s\n", path, strerror(errno));
	return -1;
}

/* Never over a file that is there. */
static int
write_file(const char *folder, const char *name, struct sl_str text)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if ((f = fopen(path, "wx")) == NULL)
		return fail(path);
	if (fwrite(text.p, 1, text.n, f) != text.n || fclose(f) != 0)
		return fail(path);
	printf("%s\n", path);
	return 0;
}

static void
put_with_domain(struct sl_buf *out, struct sl_str text, const char *domain)
{
	ssize_t at;

	while ((at = sl_str_find(text, SL_STR(DOMAIN))) >= 0) {
		sl_buf_put(out, text.p, (size_t)at);
		sl_buf_puts(out, domain);
		text = sl_str_sub(text, (size_t)at + strlen(DOMAIN), text.n);
	}
	sl_buf_putstr(out, text);
}

static int
copy_file(const char *folder, const char *name, const char *domain)
{
	struct sl_buf from, to = SL_BUF_INIT;
	char path[PATH_MAX];
	int rc = -1;

	snprintf(path, sizeof(path), "%s/init/%s", cmd_stdlib(), name);
	if (cmd_read(path, MAX_FILE, &from) != 0)
		return -1;
	put_with_domain(&to, sl_buf_str(&from), domain);
	if (!to.failed)
		rc = write_file(folder, name, sl_buf_str(&to));
	sl_buf_clear(&from);
	sl_buf_clear(&to);
	return rc;
}

/* Beside the library where it is installed, in doc/ where it is built. */
static int
write_luarc(const char *folder)
{
	static const char *const places[] = { "sluice.d.lua", "../doc/sluice.d.lua" };
	struct sl_buf text = SL_BUF_INIT;
	char path[PATH_MAX], real[PATH_MAX];
	size_t i;
	int rc;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", cmd_stdlib(), places[i]);
		if (realpath(path, real) != NULL)
			break;
		snprintf(real, sizeof(real), "%s", path);
	}
	sl_buf_puts(&text, "{\n  \"runtime.version\": \"Lua 5.4\",\n  \"workspace.library\": [");
	sl_event_put_json(&text, sl_str_of(real));
	sl_buf_puts(&text, "],\n  \"diagnostics.globals\": [\"test\", \"before\"]\n}\n");
	rc = write_file(folder, ".luarc.json", sl_buf_str(&text));
	sl_buf_clear(&text);
	return rc;
}

static int
lay_out(const char *folder, const char *domain)
{
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", folder, folders[i]);
		if (mkdir(path, 0777) != 0 && errno != EEXIST)
			return fail(path);
	}
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (copy_file(folder, files[i], domain) != 0)
			return -1;
	return write_luarc(folder);
}

int
cmd_init(int argc, char **argv)
{
	static const struct option longs[] = { { "domain", required_argument, NULL, 'd' }, { 0 } };
	char domain[256] = DOMAIN;
	struct sl_err err;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (c != 'd' || sl_domain_normalize(domain, sl_str_of(optarg), &err) != 0) {
			if (c != 'd')
				return cmd_usage("init");
			fprintf(stderr, "sluice: --domain: %s\n", err.text);
			return 2;
		}
	if (optind != argc - 1)
		return cmd_usage("init");
	return lay_out(argv[optind], domain) == 0 && cmd_flush() == 0 ? 0 : 1;
}
